"""The state of a table as NumPy arrays, for statistics, views and the check.

Owns the types of a state, the dtypes of slots, and the walk along chains. The arrays of a state are views of the live
table: they are consistent only while nobody writes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pyhmap._convert.codec import Codec

SLOTS = 8
EMPTY_REST, EMPTY_ONE, EVACUATED_X, EVACUATED_Y, EVACUATED_EMPTY, MIN_TOPHASH = range(6)
HASH_WRITING, SAME_SIZE_GROW = 4, 8  # bits of `flags`, as Go names them
INLINE_TEXT = 12  # bytes of a text that fit in its slot
OFFSET_BITS = 48  # of the address of a long text: its offset in an arena block, whose number is in the bits above
TEXT = np.dtype([("size", "<u4"), ("head", "V4"), ("where", "<u8")])  #: a stored text, as _kernels/layout.pxd draws it
OBJECT_KEY = np.dtype([("hash", "<u8"), ("index", "<u8")])  #: an object key in a slot


class RawBuckets(NamedTuple):
    """The rows in use of one bucket array."""

    tophash: npt.NDArray[np.uint8]  #: [n, 8]
    slots: npt.NDArray[Any]  #: [n, 8], records with the fields ``key`` and ``value``
    overflow: npt.NDArray[np.uint32]  #: [n]; the row of the next bucket in the chain, 0 for none
    nmain: int  #: 2**B
    free_row: int = 0  #: the first free row, whose link leads to the next one; 0 for none
    nfree: int = 0  #: number of free rows

    @property
    def noverflow(self) -> int:
        """The number of overflow buckets in chains."""
        return len(self.tophash) - self.nmain - self.nfree


class RawTexts(NamedTuple):
    """The arena of the long texts."""

    blocks: list[npt.NDArray[np.uint8]]
    used: int  #: bytes used of the last block
    live: int  #: bytes that slots refer to
    dead: int  #: bytes of deleted and overwritten texts


class RawTable(NamedTuple):
    """The whole state of a map; the result of an engine's ``_state()``."""

    count: int  # type: ignore[assignment]
    flags: int
    B: int
    nevacuate: int
    hash_key: tuple[int, int, int, int]
    now: RawBuckets
    old: RawBuckets | None
    key_codec: Codec
    value_codec: Codec
    growths: int
    same_size_growths: int
    shrinks: int
    rekeys: int
    hash_name: str | None
    texts: RawTexts
    key_objects: list[Any]
    value_objects: list[Any]
    returned: int = 0  #: bytes of the old array that were returned to the system


def slot_dtype(key_codec: Codec, value_codec: Codec, value_at: int, stride: int) -> np.dtype[Any]:
    """The dtype of a slot, with the fields ``key`` and ``value``."""
    key = {"text": TEXT, "object": OBJECT_KEY}.get(key_codec.form, key_codec.dtype)
    value = {"text": TEXT, "object": np.dtype(np.uint64)}.get(value_codec.form, value_codec.dtype)
    try:
        return np.dtype(
            {"names": ["key", "value"], "formats": [key, value], "offsets": [0, value_at], "itemsize": stride}
        )
    except ValueError:  # what NumPy makes of an allocation that failed: the fields are right
        raise MemoryError("no memory for the dtype of a slot") from None


def chains(array: RawBuckets) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """For each row, its place in its chain, counted from 1, and its main bucket. Both are 0 for a row in no chain."""
    depth = np.zeros(len(array.tophash), np.int64)
    main = np.zeros(len(array.tophash), np.int64)
    rows = np.arange(array.nmain)
    buckets = rows
    step = 1
    while len(rows):
        depth[rows] = step
        main[rows] = buckets
        step += 1
        following = array.overflow[rows]
        rows, buckets = following[following != 0].astype(np.int64), buckets[following != 0]
    return depth, main


def is_evacuated(first: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Whether buckets are evacuated, from the tophashes of their first slots."""
    return (first > EMPTY_ONE) & (first < MIN_TOPHASH)
