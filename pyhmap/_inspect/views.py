"""The public views of a table: header, layout, bucket arrays, occupancy.

Owns the result types, and how each is made from a state.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pyhmap._inspect.state import MIN_TOPHASH, SLOTS, RawBuckets, RawTable, is_evacuated


class Header(NamedTuple):
    """The result of ``header()``: the fields of Go's ``hmap``."""

    #: keys in the map
    count: int  # type: ignore[assignment]
    flags: int  #: bits: 4, a batch write is running; 8, growing to the same size
    B: int  #: there are 2**B main buckets
    noverflow: int  #: overflow buckets in the chains of the current array; exact
    hash0: int  #: the low 32 bits of the hash's secret offset
    buckets: int  #: main buckets of the current array
    oldbuckets: int  #: main buckets of the array being evacuated, 0 when not growing
    nevacuate: int  #: old buckets below this one are evacuated


class FieldLayout(NamedTuple):
    """The place of one field of a bucket, one item of ``layout()``, as Go's ``unsafe.Offsetof`` gives it."""

    name: str
    array: str  #: the array that holds it: tophash, slots or overflow
    offset: int  #: bytes from the start of the bucket's row in that array
    size: int  #: bytes
    dtype: np.dtype[Any]


class BucketArrays(NamedTuple):
    """Read-only views of the current bucket array. They keep it alive: after a growth they still show the old array."""

    tophash: npt.NDArray[np.uint8]  #: [n, 8]
    keys: npt.NDArray[Any]  #: [n, 8], as stored: long texts and objects are references
    values: npt.NDArray[Any]  #: [n, 8], as stored
    overflow: npt.NDArray[np.uint32]  #: [n], the row of the next bucket in the chain, 0 for none


class Occupancy(NamedTuple):
    """The number of full slots in each row. The arrays are copies, taken at one moment, also during a growth."""

    full: npt.NDArray[np.uint8]  #: [n], full slots of each row in use, 0 to 8; main buckets first
    nmain: int  #: main buckets
    old_full: npt.NDArray[np.uint8] | None  #: [m], the same for the old array; None when not growing
    evacuated: npt.NDArray[np.bool_] | None  #: [old main buckets], whether it is evacuated; None when not growing
    nevacuate: int  #: old buckets below this one are all evacuated


def header(raw: RawTable) -> Header:
    """The header of a map, from its state."""
    return Header(
        count=raw.count,
        flags=raw.flags,
        B=raw.B,
        noverflow=raw.now.noverflow,
        hash0=raw.hash_key[0] & 0xFFFFFFFF,
        buckets=raw.now.nmain,
        oldbuckets=raw.old.nmain if raw.old else 0,
        nevacuate=raw.nevacuate if raw.old else 0,
    )


def layout(raw: RawTable) -> tuple[FieldLayout, ...]:
    """The fields of a bucket, slot by slot, in memory order."""
    fields = [FieldLayout("tophash", "tophash", 0, SLOTS, np.dtype((np.uint8, SLOTS)))]
    record = raw.now.slots.dtype
    for i in range(SLOTS):
        for name in record.names or ():
            dtype, offset = record.fields[name][:2]  # type: ignore[index]
            fields.append(FieldLayout(f"{name}[{i}]", "slots", i * record.itemsize + offset, dtype.itemsize, dtype))
    fields.append(FieldLayout("overflow", "overflow", 0, 4, np.dtype(np.uint32)))
    return tuple(fields)


def bucket_arrays(raw: RawTable) -> BucketArrays:
    """The rows in use of the current array, as read-only views."""
    slots = _read_only(raw.now.slots)
    return BucketArrays(_read_only(raw.now.tophash), slots["key"], slots["value"], _read_only(raw.now.overflow))


def _read_only(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A view that cannot be made writable. Clearing its flag would not do: NumPy lets the caller set it again."""
    flat = memoryview(array.reshape(-1).view(np.uint8).data).toreadonly()
    return np.frombuffer(flat, array.dtype).reshape(array.shape)


def occupancy(raw: RawTable) -> Occupancy:
    """The full slots of each row. Evacuated rows have none."""

    def full(array: RawBuckets) -> npt.NDArray[np.uint8]:
        counts: npt.NDArray[np.uint8] = (array.tophash >= MIN_TOPHASH).sum(1, dtype=np.uint8)
        return counts

    old = raw.old
    evacuated = is_evacuated(old.tophash[: old.nmain, 0]) if old else None
    return Occupancy(full(raw.now), raw.now.nmain, full(old) if old else None, evacuated, raw.nevacuate)
