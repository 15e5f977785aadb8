"""pyhmap's accounts: what all maps hold, beside the memory that exists.

Two sides that must agree. The maps say of themselves which blocks of memory they have (``Maps.allocated``); the
allocator of blocks counts those that exist (``Maps.blocks``). What exists beyond the maps' accounts is kept by somebody
else: a view of a bucket array that growth has left behind, for one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, fields
from typing import Any

from pyhmap._core import HMapCore
from pyhmap._engine.memory import block_memory
from pyhmap._inspect.state import SLOTS

# Deletion shrinks a table when fewer than an eighth of the keys are left that it may hold (_types.pxd), but not below
# 64 buckets: so much room is kept by design, and what is beyond it was asked for, or forgotten.
KEPT_BY_DESIGN = 8
KEPT_BUCKETS = 64


@dataclass(frozen=True, slots=True)
class Maps:
    """All maps alive. Bytes are those of rows in use unless said otherwise."""

    alive: int
    entries: int
    capacity: int  #: keys that their main buckets may hold, at 6.5 a bucket
    growing: int  #: maps that have two arrays
    buckets: int  #: bytes of main buckets, of the current arrays
    overflow: int  #: bytes of overflow buckets, of the current arrays
    old: int  #: bytes of arrays that are or were being evacuated, without what was given back
    arenas: int  #: bytes of long texts, the dead ones too
    idle: int  #: bytes that they hold beyond their need: old arrays, and room for eight times their entries
    allocated: int  #: bytes of all their blocks, with rows never touched
    blocks: int  #: bytes of all blocks that exist, also of those that only views keep

    @property
    def bytes(self) -> int:
        """Bytes of the rows in use and of texts."""
        return self.buckets + self.overflow + self.old + self.arenas


def maps_among(objects: Collection[Any]) -> list[HMapCore]:
    """The maps among the objects."""
    kinds = {kind for kind in set(map(type, objects)) if issubclass(kind, HMapCore)}
    return [one for one in objects if type(one) in kinds] if kinds else []


def read_maps(maps: Iterable[HMapCore]) -> Maps:
    """Their accounts together."""
    accounts = [account(m) for m in maps]
    totals = map(sum, zip(*accounts, strict=True)) if accounts else [0] * (len(fields(Maps)) - 1)
    return Maps(*[*totals, block_memory()[1]])


def account(m: HMapCore) -> tuple[int, ...]:
    """One map's part of each field of :class:`Maps`, in order, without the last."""
    of = HMapCore._sizes(m)
    row, main_rows = of["row_bytes"], of["main_rows"]
    buckets, texts = main_rows * row, of["texts"]
    old = max(0, of["old_rows"] * row - of["returned"])
    return (
        1,
        of["count"],
        13 * main_rows // 2,
        int(of["old_rows"] > 0),
        buckets,
        (of["rows"] - main_rows) * row,
        old,
        texts,
        idle(of),
        of["blocks"],
    )


def idle(of: dict[str, int]) -> int:
    """Bytes that a map of these sizes holds beyond its need."""
    row = of["row_bytes"]
    needed = max(KEPT_BUCKETS, KEPT_BY_DESIGN * buckets_needed(of["count"])) * row + KEPT_BY_DESIGN * of["live_texts"]
    old = max(0, of["old_rows"] * row - of["returned"])
    return old + max(0, of["main_rows"] * row + of["texts"] - needed)


def buckets_needed(count: int) -> int:
    """The smallest power of two of buckets that holds so many keys at 6.5 each; eight fit into one.

    >>> buckets_needed(8), buckets_needed(13), buckets_needed(14), buckets_needed(26), buckets_needed(27)
    (1, 2, 4, 4, 8)
    """
    return 1 << ((2 * count + 12) // 13 - 1).bit_length() if count > SLOTS else 1
