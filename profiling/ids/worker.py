"""A measuring process of the verb ``ids``: codes for keys, and the way back, in one of the measurements below.

Owns what is timed, and how each other library is used. Prints one line of JSON. All ways to do the same thing take
turns in one process. Every answer is checked against positions that were drawn before there were keys.
"""

import argparse
import importlib.util
import json
import random
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

import pyhmap
from peers import keys as peers_keys
from peers.python import one_thread
from peers.worker import BUILT, FEW, private_bytes

Array = np.ndarray
Values = Any  # keys or codes in the form that a library takes or gives
Times = dict[str, float]  # CPU nanoseconds per key by way
TURNS = 3  # that are timed, of ways that take little time; the median counts
DIGITS = np.frombuffer(b"0123456789abcdef", np.uint8)
BATCHES = 10
COLUMNS = 3  # that are summed at once
CHUNK = 100_000  # keys at a time, where memory is measured
# The libraries of ways whose names begin so. They are left out where a library is missing.
NEEDS = {"pd": "pandas", "pa": "pyarrow", "pl": "polars", "Arrow": "pyarrow"}


class Way(NamedTuple):
    """One way to do something: ``run`` on a fresh result of ``given``; ``right`` says whether its result is."""

    run: Callable[[Any], Any]
    right: Callable[[Any], bool]
    given: Callable[[], Any] = lambda: None


def left_out() -> dict[str, str]:
    """What is not measured here, and why."""
    missing = {name: package for name, package in NEEDS.items() if not importlib.util.find_spec(package)}
    found = {name: f"{package} is not installed; pip install 'pyhmap[peers]'" for name, package in missing.items()}
    try:
        pyhmap.HSet(np.int64).add_many(np.arange(1), return_new=True)
    except TypeError:
        found["bulk"] = "HSet.add_many has no return_new in this build"
    return found


def is_missing(name: str, missing: Iterable[str]) -> bool:
    """Whether a way of this name needs a library that is missing.

    >>> is_missing("pd.factorize", ["pd"]), is_missing("Arrow", ["pa", "Arrow"]), is_missing("dict", ["pd"])
    (True, True, False)
    """
    return name.partition(".")[0] in missing


def all_times(
    tasks: dict[str, dict[str, Way]], n: int, seed: int, *, rounds: int = 1, untimed: int = 1, timed: int = 1
) -> dict[str, dict[str, Times]]:
    """The times of each way to do each task with n keys, as far as its library is there; see ``in_turns``."""
    missing = [*left_out()]
    made = {}
    for task, ways in tasks.items():
        if not is_missing(task, missing):
            chosen = {name: way for name, way in ways.items() if not is_missing(name, missing)}
            made[task] = in_turns(chosen, n, random.Random(seed), rounds, untimed, timed)
    return {"ns": made}


def in_turns(ways: dict[str, Way], n: int, rng: random.Random, rounds: int, untimed: int, timed: int) -> Times:
    """The median times of ways that take turns, in another order each time: first those that are not timed.

    In each turn, a way is run so many rounds, each on fresh input.
    """
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(untimed + timed):
        for name in rng.sample(list(ways), len(ways)):
            way = ways[name]
            given = [way.given() for _ in range(rounds)]
            began = time.process_time_ns()
            made = [way.run(each) for each in given]  # kept: to give them back is no part of it
            ns = (time.process_time_ns() - began) / (n * rounds)
            if not way.right(made[-1]):
                raise AssertionError(f"wrong answers: {name}")
            if turn >= untimed:
                taken[name].append(ns)
    return {name: float(np.median(each)) for name, each in taken.items()}


# ---- keys


def make_keys(kind: str, n: int, seed: int) -> Array:
    """Distinct keys that look random: int64, or texts of 16 hexadecimal digits and a letter."""
    numbers = peers_keys.scattered(n, np.random.default_rng(seed))
    return numbers if kind == "int64" else texts(numbers)


def texts(numbers: Array) -> Array:
    """A text of 17 characters for each int64.

    >>> texts(np.array([258, -1]))
    array(['0201000000000000k', 'ffffffffffffffffk'], dtype='<U17')
    """
    letters = np.full((len(numbers), 17), ord("k"), np.uint8)
    each = np.ascontiguousarray(numbers, "<i8").view(np.uint8).reshape(-1, 8)
    letters[:, 0:16:2], letters[:, 1:16:2] = DIGITS[each >> 4], DIGITS[each & 15]
    return letters.view("S17").ravel().astype("U17")


def strings(keys: Array) -> Array:
    """New ``str`` objects, in an array."""
    return keys.astype(object)


def arrow(keys: Array) -> Any:
    import pyarrow as pa

    return pa.array(keys.tolist(), pa.string()) if keys.dtype.kind == "U" else pa.array(keys)


def dtype_of(kind: str) -> Any:
    return np.dtype(np.int64) if kind == "int64" else str


def first_sights(positions: Array) -> tuple[Array, Array]:
    """The code of each position, in order of first sight; and where each code is first.

    >>> first_sights(np.array([7, 3, 7, 5]))
    (array([0, 1, 0, 2]), array([0, 1, 3]))
    """
    _, first, inverse = np.unique(positions, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse], np.sort(first)


def renamed(codes: Array, right: Array, first: Array) -> bool:
    """Whether codes are the right ones but for their order: the same where those are, others where those are others.

    >>> right, first = first_sights(np.array([7, 3, 7]))
    >>> renamed(np.array([5, 2, 5]), right, first), renamed(np.array([5, 5, 5]), right, first)
    (True, False)
    """
    names = codes[first]
    return bool(np.array_equal(names[right], codes)) and len(np.unique(names)) == len(names)


# ---- codes and decode of int64 keys


def codes(kind: str, size: int, seed: int) -> dict[str, Any]:
    """Codes of keys that are known and of new ones, and the way back, beside maps and ``np.take``."""
    keys = make_keys(kind, size, seed)
    rng = np.random.default_rng(seed)
    at = np.concatenate([rng.permutation(size) for _ in range(max(1, peers_keys.FEWEST_QUERIES // size))])
    at = at[: peers_keys.MOST_QUERIES]
    asked, values = keys[at], np.arange(size)
    ix = pyhmap.HIndex(np.int64, keys)
    f = ix.freeze()
    m = pyhmap.HMap.from_arrays(keys, values)
    m.finish_growth()
    few = keys[:FEW]

    def are(expected: Array) -> Callable[[Any], bool]:
        return lambda found: np.array_equal(found, expected)

    asking = {
        "known": {
            "HIndex": Way(lambda _: ix.encode(asked), are(at)),
            "FrozenIndex": Way(lambda _: f.encode(asked), are(at)),
            "HMap": Way(lambda _: m.get_many(asked), are(at)),
        },
        "decode": {
            "HIndex": Way(lambda _: ix.decode(at), are(asked)),
            "FrozenIndex": Way(lambda _: f.decode(at), are(asked)),
            "np.take": Way(lambda _: np.take(keys, at), are(asked)),
        },
    }
    filling = {
        "new": {
            "HIndex": Way(
                lambda empty: (empty.encode(keys), empty),
                lambda made: np.array_equal(made[0], values) and np.array_equal(made[1].encode(few), values[:FEW]),
                lambda: pyhmap.HIndex(np.int64),
            ),
            "HMap": Way(
                lambda empty: (empty.set_many(keys, values), empty),
                lambda made: len(made[1]) == size and np.array_equal(made[1].get_many(few), values[:FEW]),
                lambda: pyhmap.HMap(np.int64, np.int64),
            ),
        },
    }
    found = all_times(asking, len(at), seed, timed=TURNS)
    found["ns"] |= all_times(filling, size, seed, rounds=max(1, BUILT // size), timed=TURNS)["ns"]
    return found


# ---- one batch of draws


def batch(kind: str, size: int, seed: int) -> dict[str, Any]:
    """The codes of as many draws as there are keys, in one batch, by the form of the input."""
    at = np.random.default_rng(seed).integers(size, size=size)
    drawn = make_keys(kind, size, seed)[at]
    ways = Drawn(drawn, at, dtype_of(kind))
    if kind == "int64":
        return all_times(ways.of_ints(), size, seed, timed=TURNS)
    return all_times(ways.of_texts(), size, seed)


class Drawn:
    """Draws, and the ways to their codes."""

    def __init__(self, drawn: Array, at: Array, key: Any) -> None:
        self.drawn, self.key = drawn, key
        self.right, self.first = first_sights(at)

    def way(self, run: Callable[[Any], Any], given: Callable[[], Any], *, in_order: bool = True) -> Way:
        """A way whose codes are in order of first sight, or not."""

        def right(found: Any) -> bool:
            its = np.asarray(found)
            return np.array_equal(its, self.right) if in_order else renamed(its, self.right, self.first)

        return Way(run, right, given)

    def ours(self, given: Callable[[], Any], to: str) -> dict[str, Way]:
        """An empty index; and with all distinct keys too, which the others return."""

        def with_labels(keys: Any) -> Any:
            ix = pyhmap.HIndex(self.key)
            return ix.encode(keys), ix.labels(to)

        def right(found: Any) -> bool:
            return np.array_equal(found[0], self.right) and listed(found[1]) == self.drawn[self.first].tolist()

        alone = self.way(lambda keys: pyhmap.HIndex(self.key).encode(keys), given)
        return {"HIndex": alone, "HIndex, labels": Way(with_labels, right, given)}

    def of_ints(self) -> dict[str, dict[str, Way]]:
        def given() -> Array:
            return self.drawn

        ways = self.ours(given, "array") | {
            "HMap.factorize": self.way(lambda keys: pyhmap.HMap(np.int64, np.int64).factorize(keys), given),
            "pd.factorize": self.way(pd_factorize, given),
            "pa.dictionary_encode": self.way(pa_dictionary_encode, lambda: arrow(self.drawn)),
            "np.unique": self.way(np_unique, given, in_order=False),
            "dict": self.way(lambda keys: dict_codes({}, keys.tolist()), given),
        }
        return {"array": ways}

    def of_texts(self) -> dict[str, dict[str, Way]]:
        same = strings(self.drawn)

        def new() -> Array:
            return strings(self.drawn)

        def listing() -> list[str]:
            return self.drawn.tolist()

        def numpy_strings() -> Array:
            return self.drawn.astype(np.dtypes.StringDType())

        def arrow_strings() -> Any:
            return arrow(self.drawn)

        def fixed() -> Array:
            return self.drawn

        def of_objects(given: Callable[[], Array]) -> dict[str, Way]:
            return self.ours(given, "array") | {
                "HMap.factorize": self.way(lambda keys: pyhmap.HMap(str, np.int64).factorize(keys), given),
                "pd.factorize": self.way(pd_factorize, given),
                "pd.factorize, str": self.way(pd_factorize_str, given),
            }

        return {
            "objects": of_objects(new),
            "objects, hashed before": of_objects(lambda: same),
            "list": self.ours(listing, "list") | {"dict": self.way(lambda keys: dict_codes({}, keys), listing)},
            "Arrow": self.ours(arrow_strings, "arrow")
            | {
                "pd.factorize": self.way(pd_factorize_arrow, arrow_strings),
                "pd.factorize, str": self.way(pd_factorize_str, arrow_strings),
                "pa.dictionary_encode": self.way(pa_dictionary_encode, arrow_strings),
                "pl.Categorical": self.way(pl_categorical, lambda: pl_series(arrow_strings()), in_order=False),
            },
            "StringDType": self.ours(numpy_strings, "string") | {"pd.factorize": self.way(pd_factorize, numpy_strings)},
            "U17": self.ours(fixed, "array") | {"np.unique": self.way(np_unique, fixed, in_order=False)},
        }


def listed(labels: Any) -> list[Any]:
    """Labels in any form as a list."""
    if hasattr(labels, "tolist"):
        return labels.tolist()
    if hasattr(labels, "__arrow_c_array__"):
        import pyarrow as pa

        return pa.array(labels).to_pylist()
    return labels


def pd_factorize(keys: Values) -> Array:
    import pandas as pd

    return pd.factorize(keys)[0]


def pd_factorize_str(keys: Values) -> Array:
    """As a column of the type that pandas has for texts."""
    import pandas as pd

    return pd.factorize(pd.array(keys, dtype="str"))[0]


def pd_factorize_arrow(keys: Any) -> Array:
    """As a column of the Arrow array itself."""
    import pandas as pd

    return pd.factorize(pd.arrays.ArrowExtensionArray(keys))[0]


def pa_dictionary_encode(keys: Any) -> Any:
    return keys.dictionary_encode().indices


def pl_series(keys: Any) -> Any:
    import polars as pl

    return pl.Series(keys)


def pl_categorical(keys: Any) -> Any:
    import polars as pl

    return keys.cast(pl.Categorical).to_physical()


def np_unique(keys: Array) -> Array:
    return np.unique(keys, return_inverse=True)[1]


def dict_codes(known: dict[Any, int], keys: list[Any]) -> Array:
    """Codes by a loop over a dict, which gets the new keys."""
    return np.array([known.setdefault(key, len(known)) for key in keys])


# ---- batches one after the other, whose codes are to stay


def stable(kind: str, size: int, seed: int) -> dict[str, Any]:
    """The codes of ten batches of so many draws, each as soon as it comes. Half of the keys to draw from are new.

    The larger ones take seconds each way, so they are done once, after a few small ones.
    """
    if size > FEW:
        stable(kind, FEW, seed)
    rng = np.random.default_rng(seed)
    half = size // 2
    parts: list[Array] = []
    for number in range(BATCHES):
        pool = np.arange(number * half, (number + 1) * half)
        if parts:
            pool = np.concatenate([pool, rng.choice(np.concatenate(parts), half)])
        parts.append(rng.choice(pool, size))
    keys = make_keys(kind, BATCHES * half, seed)
    right, first = first_sights(np.concatenate(parts))

    def way(run: Callable[[Iterable[Any]], Iterator[Any]], form: Callable[[Array], Any], *, in_order: bool) -> Way:
        def all_right(found: list[Any]) -> bool:
            its = np.concatenate([np.asarray(each) for each in found])
            return np.array_equal(its, right) if in_order else renamed(its, right, first)

        return Way(lambda batches: list(run(batches)), all_right, lambda: [form(keys[part]) for part in parts])

    def ours(batches: Iterable[Any]) -> Iterator[Array]:
        ix = pyhmap.HIndex(dtype_of(kind))
        return (ix.encode(each) for each in batches)

    def in_a_dict(batches: Iterable[Any]) -> Iterator[Array]:
        known: dict[Any, int] = {}
        return (dict_codes(known, each.tolist()) for each in batches)

    form = np.copy if kind == "int64" else strings
    tasks = {
        "array" if kind == "int64" else "objects": {
            "HIndex": way(ours, form, in_order=True),
            "pd.factorize, all": way(factorized_again, form, in_order=True),
            "pd.set_categories": way(set_categories, form, in_order=False),
            "pd.union_categoricals": way(united, form, in_order=False),
            "pd.get_indexer": way(get_indexer, form, in_order=True),
            "dict": way(in_a_dict, form, in_order=True),
        }
    }
    if kind != "int64":
        tasks["Arrow"] = {
            "HIndex": way(ours, arrow, in_order=True),
            "pl.Categorical": way(categorical, arrow, in_order=False),
        }
    return all_times(tasks, BATCHES * size, seed, untimed=0)


def factorized_again(batches: Iterable[Array]) -> Iterator[Array]:
    """All that was seen so far, once more for each batch."""
    seen: list[Array] = []
    for each in batches:
        seen.append(each)
        yield pd_factorize(np.concatenate(seen))[-len(each) :]


def set_categories(batches: Iterable[Array]) -> Iterator[Array]:
    """Categories that grow by those of each batch."""
    import pandas as pd

    categories = None
    for each in batches:
        column = pd.Categorical(each)
        if categories is None:
            categories = column.categories
        else:
            categories = categories.append(column.categories.difference(categories, sort=False))
        yield column.set_categories(categories).codes


def united(batches: Iterable[Array]) -> Iterator[Array]:
    """A column without rows carries the categories."""
    import pandas as pd
    from pandas.api.types import union_categoricals

    seen = None
    for each in batches:
        column = pd.Categorical(each)
        seen = column if seen is None else union_categoricals([seen[:0], column])
        yield seen.codes


def get_indexer(batches: Iterable[Array]) -> Iterator[Array]:
    """An index of pandas that grows by the keys that it has not."""
    import pandas as pd

    known = None
    for each in batches:
        distinct = pd.Index(pd.unique(each), dtype=each.dtype)
        known = distinct if known is None else known.append(distinct[known.get_indexer(distinct) < 0])
        yield known.get_indexer(each)


def categorical(batches: Iterable[Any]) -> Iterator[Any]:
    """The categories of polars are the same everywhere in a process, as long as a column has them."""
    import polars as pl

    seen = []
    for each in batches:
        seen.append(pl.Series(each).cast(pl.Categorical))
        yield seen[-1].to_physical()


# ---- decode of texts


def decoding(kind: str, size: int, seed: int) -> dict[str, Any]:
    """The texts of codes in random order, in each form, beside taking them from an array or list of all texts."""
    keys = make_keys(kind, size, seed)
    at = np.random.default_rng(seed).permutation(size)
    asked = keys[at].tolist()
    ix = pyhmap.HIndex(dtype_of(kind), keys)
    f = ix.freeze()
    objects, items, typed = strings(keys), keys.tolist(), keys.astype(np.dtypes.StringDType())

    def way(run: Callable[[Any], Any]) -> Way:
        return Way(run, lambda found: listed(found) == asked)

    def ours(to: str) -> dict[str, Way]:
        return {"HIndex": way(lambda _: ix.decode(at, to=to)), "FrozenIndex": way(lambda _: f.decode(at, to=to))}

    def taken(labels: Array) -> Way:
        return way(lambda _: np.take(labels, at))

    tasks = {
        "array": ours("array") | {"np.take": taken(objects)},
        "list": ours("list") | {"list": way(lambda _: [items[code] for code in at.tolist()])},
        "string": ours("string") | {"np.take": taken(typed)},
    }
    if not is_missing("Arrow", left_out()):
        column = arrow(keys)
        tasks["Arrow"] = ours("arrow") | {"pa.take": way(lambda _: column.take(at))}
    return all_times(tasks, size, seed)


# ---- memory


def memory(kind: str, size: int, holder: str) -> dict[str, Any]:
    """Bytes per key: by the holder's own account, where it has one, and private to the process.

    Keys are given in batches, and the holder alone refers to them.
    """
    numbers = peers_keys.scattered(size, np.random.default_rng(0))

    def given(n: int) -> Iterator[Array]:
        for at in range(0, n, CHUNK):
            some = numbers[at : min(n, at + CHUNK)]
            yield some.copy() if kind == "int64" else texts(some)

    hold = HOLDERS[holder]
    hold(kind, given(min(size, FEW)))  # what it imports is no part of it
    before = private_bytes()
    held = hold(kind, given(size))
    private = private_bytes() - before
    own = own_account(held)
    return {"nbytes": None if own is None else own / size, "private": private / size}


def hold_index(kind: str, batches: Iterator[Array]) -> Any:
    ix = pyhmap.HIndex(dtype_of(kind))
    for each in batches:
        ix.encode(each)
    return ix


def hold_frozen(kind: str, batches: Iterator[Array]) -> Any:
    return hold_index(kind, batches).freeze()


def hold_dict(kind: str, batches: Iterator[Array]) -> Any:
    """Both ways, as without an index."""
    code_of: dict[Any, int] = {}
    keys: list[Any] = []
    for each in batches:
        for key in each.tolist():
            code_of[key] = len(keys)
            keys.append(key)
    return code_of, keys


def hold_pandas(kind: str, batches: Iterator[Array]) -> Any:
    """An index with its hash table, which the first look-up makes."""
    import pandas as pd

    if kind == "int64":
        index = pd.Index(np.concatenate(list(batches)))
    else:
        index = pd.Index(np.concatenate([strings(each) for each in batches]), dtype="str")
    if index.get_loc(index[-1]) != len(index) - 1:
        raise AssertionError("wrong answer: pd.Index")
    return index


def hold_polars(kind: str, batches: Iterator[Array]) -> Any:
    import polars as pl

    parts = [pl.Series(each.tolist(), dtype=pl.String).cast(pl.Categorical) for each in batches]
    return pl.concat(parts, rechunk=True)


HOLDERS: dict[str, Callable[[str, Iterator[Array]], Any]] = {
    "HIndex": hold_index,
    "FrozenIndex": hold_frozen,
    "dict and list": hold_dict,
    "pd.Index": hold_pandas,
    "pl.Categorical": hold_polars,
}
OF_TEXTS = ("pl.Categorical",)


def own_account(held: Any) -> float | None:
    """Bytes, as the holder counts them."""
    if isinstance(held, tuple):
        code_of, keys = held
        items = sum(map(sys.getsizeof, keys)) + sum(map(sys.getsizeof, code_of.values()))
        return float(sys.getsizeof(code_of) + sys.getsizeof(keys) + items)
    if hasattr(held, "memory_usage"):
        return float(held.memory_usage(deep=True))
    return float(held.nbytes) if hasattr(held, "nbytes") else None


# ---- calls that say more in one pass


def bulk(kind: str, size: int, seed: int) -> dict[str, Any]:
    """Which draws are new to a set that has half of the keys; sums of three columns by key."""
    rng = np.random.default_rng(seed)
    keys, at = make_keys(kind, size, seed), rng.integers(size, size=size)
    drawn, half = keys[at], size // 2
    known = pyhmap.HSet(np.int64, keys[:half])
    _, first = first_sights(at)
    expected = np.zeros(size, bool)
    expected[first] = at[first] >= half
    columns = rng.integers(1000, size=(size, COLUMNS)).astype(np.float64)
    right = np.stack([np.bincount(at, columns[:, place], size) for place in range(COLUMNS)], axis=1)
    there = np.unique(at)

    def compared(s: Any) -> Array:
        new = ~s.contains_many(drawn)
        once = np.zeros(size, bool)
        once[np.unique(drawn, return_index=True)[1]] = True
        s.add_many(drawn)
        return new & once

    def summed(m: Any) -> Any:
        m.add_many(drawn, columns)
        return m

    def summed_apart(maps: list[Any]) -> list[Any]:
        for place, m in enumerate(maps):
            m.add_many(drawn, columns[:, place])
        return maps

    def sums(m: Any) -> Any:
        return m.get_many(keys[there])

    tasks = {
        "new keys": {
            "add_many, return_new": Way(
                lambda s: s.add_many(drawn, return_new=True), lambda found: np.array_equal(found, expected), known.copy
            ),
            "contains_many, np.unique": Way(compared, lambda found: np.array_equal(found, expected), known.copy),
        },
        "sums of three columns": {
            "one map": Way(
                summed,
                lambda m: np.array_equal(sums(m), right[there]),
                lambda: pyhmap.HMap(np.int64, (np.float64, (COLUMNS,))),
            ),
            "three maps": Way(
                summed_apart,
                lambda maps: np.array_equal(np.stack([sums(m) for m in maps], axis=1), right[there]),
                lambda: [pyhmap.HMap(np.int64, np.float64) for _ in range(COLUMNS)],
            ),
        },
    }
    return all_times(tasks, size, seed, timed=TURNS)


MEASURES = {"codes": codes, "batch": batch, "stable": stable, "decoding": decoding, "bulk": bulk}


def main(arguments: list[str]) -> None:
    """Measure as the arguments say and print the result."""
    parser = argparse.ArgumentParser(prog="ids/worker.py", description=__doc__.splitlines()[0])
    parser.add_argument("measure", choices=[*MEASURES, "memory"])
    parser.add_argument("kind", choices=("int64", "str17"))
    parser.add_argument("size", type=int)
    parser.add_argument("last", help="a seed; of memory, what holds the keys")
    options = parser.parse_args(arguments)
    one_thread()
    if options.measure == "memory":
        found = memory(options.kind, options.size, options.last)
    else:
        found = MEASURES[options.measure](options.kind, options.size, int(options.last))
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1:])
