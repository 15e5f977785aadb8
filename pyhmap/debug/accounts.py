"""What all maps hold by their own accounts, beside the memory blocks that exist.

The two must agree. Each map reports the blocks of memory that it has (``Maps.allocated``); the allocator counts the
blocks that exist (``Maps.blocks``). Something else keeps the blocks that exist beyond the maps' accounts: for example,
a view of a bucket array that a growth has replaced.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

from pyhmap._core import HMapCore
from pyhmap._engine.codes import IndexEngine
from pyhmap._engine.frozen_core import FrozenCore
from pyhmap._engine.memory import block_memory
from pyhmap._inspect.state import SLOTS

# Deletion shrinks a table that is less than an eighth full (_kernels/constants.pxd), but not below 64 buckets. So much
# room is kept by design. Room beyond it was asked for, or forgotten.
KEPT_BY_DESIGN = 8
KEPT_BUCKETS = 64

AnyMap: TypeAlias = HMapCore | FrozenCore | IndexEngine
CORES: tuple[type[AnyMap], ...] = (HMapCore, FrozenCore, IndexEngine)


@dataclass(frozen=True, slots=True)
class Maps:
    """All maps that are alive, frozen ones and indexes included. Bytes are those of rows in use, unless the field says
    otherwise."""

    alive: int  #: number of maps
    entries: int  #: keys in all maps
    capacity: int  #: keys that their main buckets may hold, at 6.5 per bucket, or 6 of an index; a frozen map is full
    growing: int  #: maps that are growing: they have two arrays
    buckets: int  #: bytes of main buckets of the current arrays
    overflow: int  #: bytes of overflow buckets of the current arrays
    old: int  #: bytes of old arrays, without the parts that were returned to the system
    frozen: int  #: bytes of frozen maps without their long texts: rows, and what leads each key to its row
    indexes: int  #: bytes of HIndex objects without their long texts: buckets, and one key per code
    arenas: int  #: bytes of long texts, including dead ones
    idle: int  #: bytes beyond need: old arrays, and room for more than eight times the entries
    allocated: int  #: bytes of all blocks of the maps, including rows that were never used
    blocks: int  #: bytes of all blocks that exist, including those that only views keep

    @property
    def bytes(self) -> int:
        """Bytes of the rows in use and of texts."""
        return self.buckets + self.overflow + self.old + self.frozen + self.indexes + self.arenas


def maps_among(objects: Collection[Any]) -> list[AnyMap]:
    """The maps among some objects."""
    kinds = {kind for kind in set(map(type, objects)) if issubclass(kind, CORES)}
    return [one for one in objects if type(one) in kinds] if kinds else []


def sizes(m: AnyMap) -> dict[str, int]:
    """What a map holds, by name. Only an HMap has "row_bytes", and only an index "room". No code of a subclass runs."""
    core: Any = next(core for core in CORES if issubclass(type(m), core))
    found: dict[str, int] = core._sizes(m)
    return found


def read_maps(maps: Iterable[AnyMap]) -> Maps:
    """The sum of the accounts of some maps."""
    accounts = [account(m) for m in maps]
    totals = map(sum, zip(*accounts, strict=True)) if accounts else [0] * (len(fields(Maps)) - 1)
    return Maps(*[*totals, block_memory()[1]])


def account(m: AnyMap) -> tuple[int, ...]:
    """One map's part of each field of :class:`Maps`, in order, except the last field."""
    of = sizes(m)
    if "row_bytes" not in of:
        frozen, indexes = (0, of["rows"]) if "room" in of else (of["rows"], 0)
        capacity = of.get("room", of["count"])
        return 1, of["count"], capacity, 0, 0, 0, 0, frozen, indexes, of["texts"], 0, of["blocks"]
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
        0,
        0,
        texts,
        idle(of),
        of["blocks"],
    )


def idle(of: dict[str, int]) -> int:
    """The bytes that a map of these sizes holds beyond its need: nothing, of a frozen map or an index."""
    if "row_bytes" not in of:
        return 0
    row = of["row_bytes"]
    needed = max(KEPT_BUCKETS, KEPT_BY_DESIGN * buckets_needed(of["count"])) * row + KEPT_BY_DESIGN * of["live_texts"]
    old = max(0, of["old_rows"] * row - of["returned"])
    return old + max(0, of["main_rows"] * row + of["texts"] - needed)


def buckets_needed(count: int) -> int:
    """The smallest power of two of buckets that holds so many keys, at 6.5 per bucket, or up to 8 in a single one.

    >>> buckets_needed(8), buckets_needed(13), buckets_needed(14), buckets_needed(26), buckets_needed(27)
    (1, 2, 4, 4, 8)
    """
    return 1 << ((2 * count + 12) // 13 - 1).bit_length() if count > SLOTS else 1
