"""pyhmap's accounts: what all maps hold, beside the memory that exists. Imports _arrays, _core and introspect.

Two sides that must agree. The maps say of themselves which arrays they have (``Maps.allocated``); the allocator of
blocks counts those that exist (``Maps.blocks``). What exists beyond the maps' accounts is kept by somebody else: a view
of a bucket array that growth has left behind, for one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pyhmap._arrays import block_memory
from pyhmap._core import HMapCore
from pyhmap.introspect import SLOTS, RawBuckets, RawTable

# Deletion shrinks a table when fewer than an eighth of the keys are left that it may hold (_types.pxd), but not below
# 64 buckets: so much room is kept by design, and what is beyond it was asked for, or forgotten.
KEPT_BY_DESIGN = 8
KEPT_BUCKETS = 64
LINE = 64  # bytes; each part of an array begins at a multiple


@dataclass(frozen=True)
class Maps:
    """All maps alive. Bytes are those of rows in use unless said otherwise."""

    alive: int
    entries: int
    capacity: int  #: keys that their main buckets may hold, at 6.5 a bucket
    growing: int  #: maps that have two arrays
    buckets: int  #: bytes of main buckets, of the current arrays
    overflow: int  #: bytes of overflow buckets, of the current arrays
    old: int  #: bytes of the arrays being evacuated, without what was given back
    arenas: int  #: bytes of long texts, the dead ones too
    idle: int  #: bytes that they hold beyond their need: old arrays, and room for eight times their entries
    allocated: int  #: bytes of all their blocks, with rows never touched
    blocks: int  #: bytes of all blocks that exist, also of those that only views keep

    @property
    def bytes(self) -> int:
        """Bytes of the rows in use and of texts."""
        return self.buckets + self.overflow + self.old + self.arenas


def read_maps(objects: Iterable[Any]) -> Maps:
    """The accounts of the maps among the objects. Maps that are not initialised are left out."""
    kinds = {kind for kind in set(map(type, objects)) if issubclass(kind, HMapCore)}
    totals = dict.fromkeys(Maps.__dataclass_fields__, 0)
    for m in (one for one in objects if type(one) in kinds) if kinds else ():
        try:
            raw = HMapCore._state(m)
        except RuntimeError:
            continue
        for name, value in account(raw).items():
            totals[name] += value
    totals["blocks"] = block_memory()[1]
    return Maps(**totals)


def account(raw: RawTable) -> dict[str, int]:
    """One map's part of :class:`Maps`."""
    row = row_bytes(raw.now)
    buckets, overflow = raw.now.nmain * row, (len(raw.now.tophash) - raw.now.nmain) * row
    old = len(raw.old.tophash) * row - raw.given_back if raw.old else 0
    arenas = sum(block.nbytes for block in raw.texts.blocks[:-1]) + raw.texts.used
    needed = max(KEPT_BUCKETS, KEPT_BY_DESIGN * buckets_needed(raw.count)) * row + KEPT_BY_DESIGN * raw.texts.live
    return {
        "alive": 1,
        "entries": raw.count,
        "capacity": 13 * raw.now.nmain // 2,
        "growing": raw.old is not None,
        "buckets": buckets,
        "overflow": overflow,
        "old": max(0, old),
        "arenas": arenas,
        "idle": max(0, old) + max(0, buckets + arenas - needed),
        "allocated": sum(block_bytes(b) for b in (raw.now, raw.old) if b) + sum(b.nbytes for b in raw.texts.blocks),
    }


def row_bytes(buckets: RawBuckets) -> int:
    """Bytes of one bucket: its tophashes, slots and link."""
    return int(SLOTS + SLOTS * buckets.slots.dtype.itemsize + 4)


def block_bytes(buckets: RawBuckets) -> int:
    """Bytes of the block behind an array: twice as many rows as main buckets, as ``_arrays.pxd`` draws it."""
    rows = 2 * buckets.nmain
    tophash = (rows * SLOTS + LINE - 1) // LINE * LINE
    return int(rows * SLOTS * buckets.slots.dtype.itemsize + tophash + 4 * rows)


def buckets_needed(count: int) -> int:
    """The smallest power of two of buckets that holds so many keys at 6.5 each; eight fit into one.

    >>> buckets_needed(8), buckets_needed(13), buckets_needed(14), buckets_needed(26)
    (1, 2, 4, 4)
    """
    buckets = 1
    while count > SLOTS and 2 * count > 13 * buckets:
        buckets *= 2
    return buckets
