"""What a pickle hands to the functions that restore a map or a set: any arguments, of the fuzzer's choice.

Mutated pickles rarely get so far; they are the target of pickles.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from fuzzing import HMap, HSet, Source, restored_well, start

from pyhmap._mapping.pickling import _array_column, _text_column, begun, restored_map, restored_set

TYPES = [
    str, bytes, object, *map(np.dtype, ["i8", "f4", "?", "M8[s]", "S3", "U2", "V2", "V0", "O", "S0", "M8", "c16"]),
    np.dtype([("a", "i4"), ("b", "S2")]), np.dtype([("a", "f8", (2,)), ("b", "?")], align=True),
    np.dtype([("o", "O")]), np.dtypes.StringDType(), "i8", None, 7, HMap,
]  # fmt: skip
ODD = [None, -1, 0, 1, 2**31, 2**62, 2**63, -(2**63), 2**70, 1.5, "a", b"a", (), object()]


def number(source: Source) -> Any:
    return source.byte() if source.byte() < 200 else source.pick(ODD)


def settings(source: Source) -> dict[str, Any]:
    chosen: dict[str, Any] = {"hash": source.pick([None, None, "xxh64", "sha1", 5]), "seed": number(source)}
    if source.byte() > 240:
        chosen[source.pick(["capacity", "hash_cache", "other"])] = number(source)
    return chosen


def column(source: Source) -> Any:
    """The keys or values: an array, texts, objects, or something else."""
    kind = source.byte() % 8
    if kind < 3:
        dtype = source.pick(TYPES)
        data = source.take(source.byte() % 64)
        size = dtype.itemsize if isinstance(dtype, np.dtype) and dtype.itemsize else 8
        shape = source.pick(
            [(len(data) // size,), (len(data) // size, 1), (), (2,), (-1,), (2**62,), (2**40, 0), 3, None]
        )
        return _array_column(dtype, shape, np.frombuffer(data, source.pick(["u1", "u1", "i1"])))
    if kind < 6:
        texts = [source.take(source.byte() % 16) for _ in range(source.byte() % 8)]
        sizes = np.array([len(text) for text in texts], source.pick(["u4", "u4", "i8", "f8", "u1", "i4"]))
        if sizes.size and source.byte() > 200:
            sizes[source.byte() % sizes.size] = source.number(1, signed=sizes.dtype.kind == "i")
        return _text_column(source.byte() & 1, sizes, np.frombuffer(b"".join(texts), "u1"))
    if kind == 6:
        return [source.pick(ODD) for _ in range(source.byte() % 8)]
    return source.pick(ODD)


def restored(source: Source) -> Any:
    cls = source.pick([HMap, HMap, HSet, HSet, int])
    key, value = source.pick(TYPES), source.pick(TYPES)
    kind = source.byte() % 3
    if kind == 0:
        return restored_map(cls, key, value, settings(source), number(source), column(source), column(source))
    if kind == 1:
        return restored_set(cls, key, settings(source), column(source))
    m = begun(cls, key, value, settings(source), number(source), number(source))
    for _ in range(source.byte() % 20):  # as a pickle sets the items of a map with objects
        m[source.pick(ODD)] = source.pick(ODD)
    return m


def target(source: Source) -> None:
    restored_well(lambda: restored(source))


if __name__ == "__main__":
    start(target)
