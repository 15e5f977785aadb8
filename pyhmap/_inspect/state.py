"""The state of a table as NumPy arrays: what an engine hands over to be looked at.

Owns the snapshot types, the dtypes of what lies in a slot, and the walk along chains that statistics and the check
share. The arrays of a snapshot are the live ones: they stay as they are only while nobody writes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pyhmap._convert.codecs import Codec

SLOTS = 8
EMPTY_REST, EMPTY_ONE, EVACUATED_X, EVACUATED_Y, EVACUATED_EMPTY, MIN_TOPHASH = range(6)
HASH_WRITING, SAME_SIZE_GROW = 4, 8  # bits of `flags`, as Go names them
INLINE_TEXT = 12
OFFSET_BITS = 48
TEXT = np.dtype([("size", "<u4"), ("head", "V4"), ("where", "<u8")])  #: a stored text, as _kernels/layout.pxd draws it
REFERENCE = np.dtype([("hash", "<u8"), ("index", "<u8")])  #: an object key in a slot


class RawBuckets(NamedTuple):
    """The rows in use of one bucket array."""

    tophash: npt.NDArray[np.uint8]  #: [n, 8]
    slots: npt.NDArray[Any]  #: [n, 8], records with the fields ``key`` and ``value``
    overflow: npt.NDArray[np.uint32]  #: [n]; row of the chain's next bucket, 0 for none
    nmain: int  #: 2**B
    free_row: int = 0  #: the first overflow row that is in no chain; its link leads to the next. 0 for none
    nfree: int = 0  #: how many there are

    @property
    def noverflow(self) -> int:
        """Overflow buckets in chains."""
        return len(self.tophash) - self.nmain - self.nfree


class RawTexts(NamedTuple):
    """The arena of the long texts."""

    blocks: list[npt.NDArray[np.uint8]]
    used: int  #: bytes taken of the last block
    live: int  #: bytes that slots refer to
    dead: int  #: bytes of texts that were deleted or overwritten


class RawTable(NamedTuple):
    """The whole state of a map, as an engine's ``_state()`` returns it."""

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
    returned: int = 0  #: bytes of evacuated rows of the old array that the system has again


def slot_dtype(key_codec: Codec, value_codec: Codec, value_at: int, stride: int) -> np.dtype[Any]:
    """The dtype of a slot, with the fields ``key`` and ``value``."""
    key = {"text": TEXT, "object": REFERENCE}.get(key_codec.form, key_codec.dtype)
    value = {"text": TEXT, "object": np.dtype(np.uint64)}.get(value_codec.form, value_codec.dtype)
    return np.dtype({"names": ["key", "value"], "formats": [key, value], "offsets": [0, value_at], "itemsize": stride})


def chains(array: RawBuckets) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """For each row its place in its chain, from 1, and its main bucket; 0 for a row on no chain, such as a free one."""
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
    return (first > EMPTY_ONE) & (first < MIN_TOPHASH)
