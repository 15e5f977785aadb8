"""How each Python library is built and asked in the verb ``peers``: its fastest calls, in its own form of keys.

Owns one class per library. Each class imports its library when it is made, and defines only what the library can do;
the table has a dash for the rest. Keys are converted beforehand, so no conversion is timed, except where a program
holds lists of ``str``. Memory for answers is not timed either: every library that can be given an array writes its
answers to one that exists already, as the C++ and Go loops do.
"""

import importlib.util
import os
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from peers.keys import MISSING, SEED, Questions

Array = np.ndarray
Keys = Any  # in the library's own form


class Peer:
    """What all have. Beside these, as far as the library can:

    ``build(keys, values)``, ``sized(keys, values)``: a table, from empty and of a known size. ``keep`` of those that
    build one in each look-up. ``hit(table, keys)``: the values of keys that are there; ``find(table, keys)``: with
    ``MISSING`` for those that are not. ``delete(table, keys)``: the number left. ``iterate(table)``: keys and values.
    ``accumulate(keys)``: how often each comes; ``counted``: that as two arrays. ``factorize(keys)``: codes in order of
    first sight.
    """

    needs: str = ""  # the module to import, where the library is not part of this project
    kinds: tuple[str, ...] = ("int64", "float64", "str")

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.dtype = str if kind.startswith("str") else np.dtype(kind)
        self.rooms: dict[int, Array] = {}

    def room(self, n: int) -> Array:
        """An array for n answers, the same one each time.

        Made only when it is new: to zero 8 MB that are then thrown away took up to 10 ns per key at 10^6.
        """
        if n not in self.rooms:
            self.rooms[n] = np.zeros(n, np.int64)
        return self.rooms[n]

    def convert(self, keys: Array) -> Keys:
        """Keys in the form in which the library takes them."""
        return keys

    def numbers(self, values: Array) -> Any:
        """Values in that form."""
        return values

    def hits(self, asked: Questions) -> Any:
        """What is asked for where all keys are there."""
        return self.convert(asked.hits)

    def counted(self, result: Any) -> tuple[Array, Array]:
        """What ``accumulate`` gave, as keys and counts."""
        keys, counts = result
        return np.asarray(keys), np.asarray(counts)


class Ours(Peer):
    """``HMap``'s batch calls."""

    def make(self, capacity: int = 0) -> Any:
        from pyhmap import HMap

        return HMap(self.dtype, np.int64, capacity=capacity, seed=SEED)

    def build(self, keys: Keys, values: Array) -> Any:
        table = self.make()
        table.set_many(keys, values)
        return table

    def sized(self, keys: Keys, values: Array) -> Any:
        table = self.make(len(keys))
        table.set_many(keys, values)
        return table

    def hit(self, table: Any, keys: Keys) -> Array:
        return table.get_many(keys, out=self.room(len(keys)))

    def find(self, table: Any, keys: Keys) -> Array:
        return table.get_many(keys, MISSING, out=self.room(len(keys)))

    def delete(self, table: Any, keys: Keys) -> int:
        table.discard_many(keys)
        return len(table)

    def iterate(self, table: Any) -> Any:
        return table.to_arrays()

    def accumulate(self, keys: Keys) -> Any:
        table = self.make()
        table.add_many(keys)
        return table

    def counted(self, result: Any) -> tuple[Array, Array]:
        return result.to_arrays()

    def factorize(self, keys: Keys) -> Array:
        return self.make().factorize(keys)


class OursNumbers(Ours):
    """NumPy arrays in."""

    kinds = ("int64", "float64")


class OursList(Ours):
    """Lists of ``str`` in."""

    kinds = ("str",)

    def convert(self, keys: Array) -> list[str]:
        return keys.tolist()


class OursArrow(Ours):
    """Arrow arrays in."""

    needs, kinds = "pyarrow", ("str",)

    def convert(self, keys: Array) -> Any:
        import pyarrow as pa

        return pa.array(keys.tolist(), pa.string())


class Frozen(Peer):
    """``FrozenMap``'s batch calls; NumPy arrays in."""

    kinds = ("int64", "float64")

    def build(self, keys: Keys, values: Array) -> Any:
        from pyhmap import FrozenMap

        return FrozenMap.from_arrays(keys, values, seed=SEED)

    def hit(self, table: Any, keys: Keys) -> Array:
        return table.get_many(keys, out=self.room(len(keys)))

    def find(self, table: Any, keys: Keys) -> Array:
        return table.get_many(keys, MISSING, out=self.room(len(keys)))

    def iterate(self, table: Any) -> Any:
        return table.to_arrays()


class FrozenList(Frozen):
    """Lists of ``str`` in."""

    kinds = ("str",)

    def convert(self, keys: Array) -> list[str]:
        return keys.tolist()


class FrozenArrow(Frozen):
    """Arrow arrays in."""

    needs, kinds = "pyarrow", ("str",)

    def convert(self, keys: Array) -> Any:
        import pyarrow as pa

        return pa.array(keys.tolist(), pa.string())


class Dict(Peer):
    """``dict``, from lists; look-ups by comprehension, counts by ``Counter``, whose loop is in C."""

    def convert(self, keys: Array) -> list[Any]:
        return keys.tolist()

    def numbers(self, values: Array) -> list[int]:
        return values.tolist()

    def build(self, keys: list[Any], values: list[int]) -> dict[Any, int]:
        return dict(zip(keys, values, strict=True))

    def hit(self, table: dict[Any, int], keys: list[Any]) -> list[int]:
        return [table[key] for key in keys]

    def find(self, table: dict[Any, int], keys: list[Any]) -> list[int]:
        get = table.get
        return [get(key, MISSING) for key in keys]

    def delete(self, table: dict[Any, int], keys: list[Any]) -> int:
        for key in keys:
            del table[key]
        return len(table)

    def iterate(self, table: dict[Any, int]) -> Any:
        return list(table), list(table.values())

    def accumulate(self, keys: list[Any]) -> Any:
        return Counter(keys)

    def counted(self, result: Any) -> tuple[Array, Array]:
        return np.array(list(result)), np.array(list(result.values()))

    def factorize(self, keys: list[Any]) -> list[int]:
        table: dict[Any, int] = {}
        code = table.setdefault
        return [code(key, len(table)) for key in keys]


class Cykhash(Peer):
    """``Int64toInt64Map`` and its kin: batch calls to build and to look up, single ones to delete."""

    needs, kinds = "cykhash", ("int64", "float64")

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        import cykhash

        name = f"{kind.capitalize()}toInt64Map"
        self.from_buffers, self.look_up = getattr(cykhash, f"{name}_from_buffers"), getattr(cykhash, f"{name}_to")

    def build(self, keys: Array, values: Array) -> Any:
        return self.from_buffers(keys, values)

    def sized(self, keys: Array, values: Array) -> Any:
        return self.from_buffers(keys, values, size_hint=1.25)

    def find(self, table: Any, keys: Array) -> Array:
        answers = self.room(len(keys))
        self.look_up(table, keys, answers, stop_at_unknown=False, default_value=MISSING)
        return answers

    hit = find

    def delete(self, table: Any, keys: Array) -> int:
        for key in keys.tolist():
            table.discard(key)
        return len(table)

    def iterate(self, table: Any) -> Any:
        return list(table.keys()), list(table.values())


class Hirola(Peer):
    """``HashTable``: finds positions; its size is fixed in advance (here with a quarter to spare); text in U arrays."""

    needs = "hirola"

    def make(self, keys: Array) -> Any:
        import hirola

        return hirola.HashTable(len(keys) * 5 // 4, keys.dtype)

    def sized(self, keys: Array, values: Array) -> Any:
        table = self.make(keys)
        table.add(keys)
        return table

    def find(self, table: Any, keys: Array) -> Array:
        return table.get(keys)  # -1 for a missing one, which is MISSING

    hit = find

    def factorize(self, keys: Array) -> Array:
        return self.make(keys).add(keys)

    def accumulate(self, keys: Array) -> Any:
        table = self.make(keys)
        codes = table.add(keys)
        return table.keys, np.bincount(codes)


class Pandas(Peer):
    """``Index``: finds positions; its engine is built by the first look-up, which is made part of building it."""

    needs = "pandas"

    def convert(self, keys: Array) -> Any:
        import pandas as pd

        # Text as objects: in pandas 3 that is found twice as fast as its own text type.
        return pd.Index(keys.tolist(), dtype=object) if self.dtype is str else keys

    def build(self, keys: Any, values: Array) -> Any:
        import pandas as pd

        # A new one, whose engine is not built yet; of an Index only its array is taken.
        index = pd.Index(keys.values, dtype=object) if self.dtype is str else pd.Index(keys, copy=False)
        index.get_indexer(keys[1::-1])  # not in order: for keys in order it may search instead
        return index

    def find(self, table: Any, keys: Any) -> Array:
        return table.get_indexer(keys)  # -1 for a missing one

    hit = find

    def accumulate(self, keys: Any) -> Any:
        import pandas as pd

        return pd.Series(keys, copy=False).value_counts(sort=False)

    def counted(self, result: Any) -> tuple[Array, Array]:
        return result.index.to_numpy(), result.to_numpy()

    def factorize(self, keys: Any) -> Array:
        import pandas as pd

        return pd.factorize(keys)[0]


class Arrow(Peer):
    """pyarrow's kernels, on one thread. They keep no table: ``index_in`` builds one in each call, and that is timed."""

    needs = "pyarrow"

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        import pyarrow as pa

        pa.set_cpu_count(1)

    def convert(self, keys: Array) -> Any:
        import pyarrow as pa

        return pa.array(keys.tolist(), pa.string()) if self.dtype is str else pa.array(keys)

    def keep(self, keys: Any, values: Array) -> Any:
        return keys

    def find(self, table: Any, keys: Any) -> Any:
        import pyarrow.compute as pc

        return pc.index_in(keys, value_set=table)

    hit = find

    def accumulate(self, keys: Any) -> Any:
        return keys.value_counts()

    def counted(self, result: Any) -> tuple[Array, Array]:
        return tuple(result.field(i).to_numpy(zero_copy_only=False) for i in (0, 1))

    def factorize(self, keys: Any) -> Any:
        return keys.dictionary_encode().indices


class Polars(Peer):
    """polars on one thread: a left join that keeps the order, which is faster than ``replace_strict``; it rebuilds."""

    needs = "polars"

    def convert(self, keys: Array) -> Any:
        import polars as pl

        return pl.DataFrame({"key": keys.tolist() if self.dtype is str else keys})

    def keep(self, keys: Any, values: Array) -> Any:
        import polars as pl

        return keys.with_columns(value=pl.Series(values))

    def find(self, table: Any, keys: Any) -> Any:
        return keys.join(table, on="key", how="left", maintain_order="left")["value"]

    hit = find

    def accumulate(self, keys: Any) -> Any:
        return keys.group_by("key").len()

    def counted(self, result: Any) -> tuple[Array, Array]:
        return result["key"].to_numpy(), result["len"].to_numpy()


class Numba(Peer):
    """``typed.Dict`` in loops that numba compiled (numba_loops.py). Text is left out: it cannot take arrays of it."""

    needs, kinds = "numba", ("int64", "float64")

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        from peers import numba_loops

        self.loops = numba_loops
        self.key = numba_loops.KEY_TYPES[kind]
        keys = np.zeros(1, kind)
        table = self.build(keys, keys.astype(np.int64))  # everything is compiled here
        self.hit(table, keys), self.find(table, keys), self.iterate(table), self.accumulate(keys), self.factorize(keys)
        self.sized(keys, keys.astype(np.int64)), self.delete(table, keys)

    def make(self, size: int = 0) -> Any:
        return self.loops.make(self.key, size)

    def build(self, keys: Array, values: Array) -> Any:
        table = self.make()
        self.loops.fill(table, keys, values)
        return table

    def sized(self, keys: Array, values: Array) -> Any:
        table = self.make(len(keys))
        self.loops.fill(table, keys, values)
        return table

    def hit(self, table: Any, keys: Array) -> Array:
        return self.loops.hit(table, keys, self.room(len(keys)))

    def find(self, table: Any, keys: Array) -> Array:
        return self.loops.find(table, keys, MISSING, self.room(len(keys)))

    def delete(self, table: Any, keys: Array) -> int:
        self.loops.delete(table, keys)
        return len(table)

    def iterate(self, table: Any) -> Any:
        keys = np.empty(len(table), self.dtype)
        return keys, self.loops.iterate(table, keys)

    def accumulate(self, keys: Array) -> Any:
        table = self.make()
        self.loops.accumulate(table, keys)
        return table

    def counted(self, result: Any) -> tuple[Array, Array]:
        return self.iterate(result)

    def factorize(self, keys: Array) -> Array:
        return self.loops.factorize(self.make(), keys)


class Arraykit(Peer):
    """``FrozenAutoMap``: finds positions; text in U arrays."""

    needs = "arraykit"

    def convert(self, keys: Array) -> Array:
        keys = keys.copy()
        keys.flags.writeable = False  # or it is refused
        return keys

    def build(self, keys: Array, values: Array) -> Any:
        import arraykit

        return arraykit.FrozenAutoMap(keys)

    def hit(self, table: Any, keys: Array) -> Any:
        return table.get_all(keys)

    def find(self, table: Any, keys: Array) -> Any:
        return table.get_all_fill(keys)  # -1 for a missing one

    def factorize(self, keys: Array) -> Array:
        import arraykit

        return arraykit.factorize(keys)[1]


class Take(Peer):
    """The floor: the same number of random reads from an array, with nothing to search."""

    kinds = ("int64",)

    def keep(self, keys: Array, values: Array) -> Array:
        return values

    def hits(self, asked: Questions) -> Array:
        return asked.hit_answers

    def hit(self, table: Array, positions: Array) -> Array:
        return np.take(table, positions, out=self.room(len(positions)), mode="clip")  # "raise" would buffer


LIBRARIES: dict[str, Callable[[str], Peer]] = {
    "pyhmap": OursNumbers,
    "pyhmap (Arrow)": OursArrow,
    "pyhmap (list)": OursList,
    "pyhmap frozen": Frozen,
    "pyhmap frozen (Arrow)": FrozenArrow,
    "pyhmap frozen (list)": FrozenList,
    "np.take": Take,
    "dict": Dict,
    "cykhash": Cykhash,
    "hirola": Hirola,
    "pandas": Pandas,
    "pyarrow": Arrow,
    "polars": Polars,
    "numba": Numba,
    "arraykit": Arraykit,
}


def takes(library: str, kind: str) -> bool:
    """Whether a library has maps of such keys."""
    return ("str" if kind.startswith("str") else kind) in LIBRARIES[library].kinds


def missing(library: str) -> str:
    """The package to install first; empty when the library is there."""
    needs = LIBRARIES[library].needs
    return needs if needs and not importlib.util.find_spec(needs) else ""


def one_thread() -> None:
    """To be called before a library is imported: those with threads of their own get one, as all the others have."""
    os.environ["POLARS_MAX_THREADS"] = "1"
