"""A measuring process of the verb ``files``: the same keys in the files of other libraries, built, opened and asked.

Owns how each library is used: its fastest calls, in its own form of keys and values, which are made beforehand. An
answer counts in the form that the library gives; what turns it into an int is not timed. Prints one line of JSON.
"""

import argparse
import dbm
import gc
import importlib.util
import json
import os
import shelve
import sqlite3
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

import pyhmap
from peers import keys as peers_keys

Array = np.ndarray
Keys = Any  # in the library's own form
KINDS = ("int64", "str17")
SINGLES = 200_000  # single look-ups, at most
PASSES, SECONDS = 3, 3.0  # of look-ups that are timed: so many, fewer if they take so long
IN_A_QUERY = 10_000  # keys of one SELECT; SQLite allows 32,766


class Store(ABC):
    """What all have. ``path`` is a folder of the store's own."""

    needs = ""  # the module to import, where it is not the standard library's or ours
    package = ""  # that has it

    def __init__(self, kind: str, path: Path) -> None:
        self.kind, self.path, self.file = kind, path, path / "store"

    def keys(self, keys: Array) -> Keys:
        """Keys in the form in which the library takes them, in a list."""
        return keys.tolist()

    def batch(self, keys: Array) -> Keys:
        """Keys in the form in which it takes many at once."""
        return self.keys(keys)

    def values(self, values: Array) -> Any:
        """Values in that form."""
        return values.tolist()

    @abstractmethod
    def build(self, keys: Keys, values: Any) -> None:
        """Write the file."""

    @abstractmethod
    def open(self) -> Any:
        """What is asked."""

    def one(self, table: Any) -> Callable[[Any], Any]:
        """A function that looks one key up."""
        return table.__getitem__

    def many(self, table: Any, keys: Keys) -> Any:
        """The answers for keys that are there."""
        look_up = self.one(table)
        return [look_up(key) for key in keys]

    def numbers(self, answers: Any) -> Array:
        """Answers as ints."""
        return np.asarray(answers)


class Ours(Store):
    """A frozen map, mapped. Many ints are given in an array, many texts in a list."""

    def batch(self, keys: Array) -> Keys:
        return keys if self.kind == "int64" else self.keys(keys)

    def build(self, keys: Keys, values: Any) -> None:
        pyhmap.FrozenMap.from_arrays(keys, values).save(self.file)

    def open(self) -> Any:
        return pyhmap.open(self.file)

    def values(self, values: Array) -> Any:
        return values

    def many(self, table: Any, keys: Keys) -> Any:
        return table.get_many(keys)


class OfBytes(Store):
    """Those whose keys and values are bytes."""

    def keys(self, keys: Array) -> Keys:
        return in_bytes(keys) if self.kind == "int64" else [key.encode() for key in keys.tolist()]

    def values(self, values: Array) -> Any:
        return in_bytes(values)

    def numbers(self, answers: Any) -> Array:
        return np.frombuffer(b"".join(answers), ">i8")


def in_bytes(numbers: Array) -> list[bytes]:
    """The eight bytes of each number, in an order in which bytes sort as numbers do.

    >>> in_bytes(np.array([1, 258]))
    [b'\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x01', b'\\x00\\x00\\x00\\x00\\x00\\x00\\x01\\x02']
    """
    data = numbers.astype(">i8").tobytes()
    return [data[at : at + 8] for at in range(0, len(data), 8)]


class Lmdb(OfBytes):
    """Sorted keys, appended: the tree is packed. ``getmulti`` of one cursor."""

    needs = package = "lmdb"

    def build(self, keys: Keys, values: Any) -> None:
        import lmdb

        items = sorted(zip(keys, values, strict=True))
        store = lmdb.open(str(self.file), subdir=False, lock=False, map_size=1 << 36)
        with store, store.begin(write=True) as writing:
            writing.cursor().putmulti(items, append=True)

    def open(self) -> Any:
        import lmdb

        return lmdb.open(str(self.file), subdir=False, readonly=True, lock=False, readahead=False).begin()

    def one(self, table: Any) -> Callable[[Any], Any]:
        return table.get

    def many(self, table: Any, keys: Keys) -> Any:
        return [value for _, value in table.cursor().getmulti(keys)]


class Sqlite(Store):
    """A table whose primary key is the key, filled in order and mapped. ``WHERE k IN (...)`` for many."""

    def build(self, keys: Keys, values: Any) -> None:
        connection = sqlite3.connect(self.file)
        connection.execute("PRAGMA journal_mode = OFF")
        key, rest = ("INTEGER", "") if self.kind == "int64" else ("TEXT", "WITHOUT ROWID")
        connection.execute(f"CREATE TABLE t (k {key} PRIMARY KEY, v INTEGER) {rest}")
        connection.executemany("INSERT INTO t VALUES (?, ?)", sorted(zip(keys, values, strict=True)))
        connection.commit()
        connection.close()

    def open(self) -> Any:
        connection = sqlite3.connect(f"file:{self.file}?mode=ro&immutable=1", uri=True)
        connection.execute(f"PRAGMA mmap_size = {1 << 30}")
        return connection

    def one(self, table: Any) -> Callable[[Any], Any]:
        ask = table.execute
        return lambda key: ask("SELECT v FROM t WHERE k = ?", (key,)).fetchone()[0]

    def many(self, table: Any, keys: Keys) -> Any:
        answers: list[Any] = []
        for at in range(0, len(keys), IN_A_QUERY):
            some = keys[at : at + IN_A_QUERY]
            marks = ",".join("?" * len(some))
            found = dict(table.execute(f"SELECT k, v FROM t WHERE k IN ({marks})", some))
            answers += [found[key] for key in some]
        return answers


class Marisa(Store):
    """Texts in a ``RecordTrie``; ints as bytes in a ``BinaryTrie``, whose numbers lead to an array of values."""

    needs, package = "marisa_trie", "marisa-trie"

    def keys(self, keys: Array) -> Keys:
        return in_bytes(keys) if self.kind == "int64" else keys.tolist()

    def values(self, values: Array) -> Any:
        return values if self.kind == "int64" else [(value,) for value in values.tolist()]

    def build(self, keys: Keys, values: Any) -> None:
        import marisa_trie

        if self.kind == "int64":
            trie = marisa_trie.BinaryTrie(keys)
            trie.save(str(self.file))
            placed = np.empty_like(values)
            placed[[trie[key] for key in keys]] = values
            np.save(self.path / "values.npy", placed)
        else:
            marisa_trie.RecordTrie("<q", zip(keys, values, strict=True)).save(str(self.file))

    def open(self) -> Any:
        import marisa_trie

        if self.kind == "int64":
            trie = marisa_trie.BinaryTrie().mmap(str(self.file))
            return trie, np.load(self.path / "values.npy", mmap_mode="r")
        return marisa_trie.RecordTrie("<q").mmap(str(self.file))

    def one(self, table: Any) -> Callable[[Any], Any]:
        if self.kind == "int64":
            trie, values = table
            return lambda key: values[trie[key]]
        return table.__getitem__

    def many(self, table: Any, keys: Keys) -> Any:
        if self.kind == "int64":
            trie, values = table
            return values[[trie[key] for key in keys]]
        return [table[key] for key in keys]

    def numbers(self, answers: Any) -> Array:
        return np.asarray(answers).reshape(len(answers))  # each answer of a RecordTrie is a list of one tuple


class Shelve(Store):
    """Keys are str. The database below it is what the Python at hand has."""

    def keys(self, keys: Array) -> Keys:
        return [str(key) for key in keys.tolist()]

    def build(self, keys: Keys, values: Any) -> None:
        with shelve.open(str(self.file), "n") as store:
            store.update(zip(keys, values, strict=True))

    def open(self) -> Any:
        return shelve.open(str(self.file), "r")


class Cdb(OfBytes):
    """D. J. Bernstein's constant database, by cdbx."""

    needs = package = "cdbx"

    def build(self, keys: Keys, values: Any) -> None:
        import cdbx

        maker = cdbx.CDB.make(str(self.file))
        add = maker.add
        for key, value in zip(keys, values, strict=True):
            add(key, value)
        maker.commit().close()

    def open(self) -> Any:
        import cdbx

        return cdbx.CDB(str(self.file))


STORES: dict[str, type[Store]] = {
    "pyhmap": Ours,
    "lmdb": Lmdb,
    "sqlite3": Sqlite,
    "marisa-trie": Marisa,
    "cdb": Cdb,
    "shelve": Shelve,
}


def left_out() -> dict[str, str]:
    """The libraries that are not installed, and how to get them."""
    needed = {name: store for name, store in STORES.items() if store.needs}
    return {
        name: f"{store.package} is not installed; pip install 'pyhmap[peers]'"
        for name, store in needed.items()
        if importlib.util.find_spec(store.needs) is None
    }


def versions(missing: dict[str, str]) -> dict[str, str]:
    """What is compared, and the database that ``shelve`` finds."""
    needed = {store.package for name, store in STORES.items() if store.package and name not in missing}
    found = {package: metadata.version(package) for package in sorted(needed)}
    with tempfile.TemporaryDirectory() as folder:
        dbm.open(f"{folder}/a", "n").close()
        return found | {"sqlite3": sqlite3.sqlite_version, "shelve": str(dbm.whichdb(f"{folder}/a"))}


def build(library: str, kind: str, size: int, seed: int, path: Path) -> dict[str, Any]:
    """Wall seconds from keys and values to a file that is safe on the disk, and the bytes of the file."""
    store = STORES[library](kind, path)
    keys = peers_keys.make_keys(kind, "random", size, np.random.default_rng(seed))
    own, values = store.batch(keys), store.values(np.arange(size))
    del keys
    gc.disable()
    began = time.perf_counter_ns()
    store.build(own, values)
    files = list(path.iterdir())
    for file in files:
        with file.open("rb") as written:
            os.fsync(written.fileno())
    seconds = (time.perf_counter_ns() - began) / 1e9
    return {"build_s": seconds, "bytes": sum(file.stat().st_size for file in files)}


def ask(library: str, kind: str, size: int, seed: int, path: Path) -> dict[str, Any]:
    """Wall milliseconds of opening and a first look-up; CPU nanoseconds of a look-up, single and among many.

    Keys come in another order than they were written in. The collector is off, which runs for the lists of answers.
    """
    store = STORES[library](kind, path)
    rng = np.random.default_rng(seed)
    keys = peers_keys.make_keys(kind, "random", size, rng)
    right = rng.permutation(size)
    asked, one_by_one = store.batch(keys[right]), store.keys(keys[right[:SINGLES]])
    del keys
    for file in path.iterdir():
        file.read_bytes()
    gc.disable()
    began = time.perf_counter_ns()
    table = store.open()
    look_up = store.one(table)
    answer = look_up(one_by_one[0])
    opened = (time.perf_counter_ns() - began) / 1e6
    if store.numbers([answer]).tolist() != [right[0]]:
        raise AssertionError(f"wrong answer: {library}")
    if not np.array_equal(store.numbers(store.many(table, asked)), right):
        raise AssertionError(f"wrong answers: {library}")

    def singly() -> None:
        for key in one_by_one:
            look_up(key)

    return {
        "open_ms": opened,
        "single_ns": median_ns(singly, len(one_by_one)),
        "batch_ns": median_ns(lambda: store.many(table, asked), len(asked)),
    }


def median_ns(call: Callable[[], Any], keys: int) -> float:
    """CPU nanoseconds per key, of several passes unless one takes too long."""
    taken: list[float] = []
    while len(taken) < PASSES and sum(taken) < SECONDS * 1e9:
        began = time.process_time_ns()
        kept = call()
        taken.append(time.process_time_ns() - began)
        del kept
    return float(np.median(taken)) / keys


def main(arguments: list[str]) -> None:
    """Measure as the arguments say and print the result."""
    parser = argparse.ArgumentParser(prog="files/stores.py", description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("build", "ask"))
    parser.add_argument("library", choices=STORES)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("size", type=int)
    parser.add_argument("seed", type=int)
    parser.add_argument("path", type=Path)
    options = vars(parser.parse_args(arguments))
    print(json.dumps({"build": build, "ask": ask}[options.pop("what")](**options)))


if __name__ == "__main__":
    main(sys.argv[1:])
