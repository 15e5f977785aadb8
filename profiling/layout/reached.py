"""What is missed by who does not follow links: keys, and overflow rows that leaked (article 2.4).

Owns the planted leaks and the two checkers. Rows are made to leak in a copy of a map's state, never in a map. The two
checkers are ``check()``, which walks every chain, and the part of it that looks at the free list.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from rich.console import Console

from core.internals import free_rows, raw_table
from layout.memory import KEYS
from pyhmap import CorruptMapError, HMap
from pyhmap.introspect import RawTable, check
from render import markdown, terminal

DELETED = 3 * KEYS // 4  # of the first keys: those in overflow rows came last, so some rows get free and others stay
NOTHING = "nothing"
HEADS = ("planted", "keys in it", "the free list alone", "every chain")

Row = dict[str, Any]
Plant = Callable[[RawTable], tuple[RawTable, int]]  # damages a state; returns it, and the row that is damaged


def links() -> dict[str, int]:
    """How many keys a walk of the main buckets alone misses."""
    m = HMap(np.int64, np.int64, seed=5)
    m.set_many(np.arange(KEYS), 0)
    arrays, buckets = m.bucket_arrays(), m.header().buckets
    full = (arrays.tophash >= 5).sum(1)
    reached, rows = 0, np.arange(buckets)
    while len(rows):
        reached += int(full[rows].sum())
        rows = arrays.overflow[rows]
        rows = rows[rows != 0]
    m.check()  # walks every chain its own way
    return {
        "keys": len(m),
        "in_main_buckets": int(full[:buckets].sum()),
        "by_links_only": int(full[buckets:].sum()),
        "reached_with_links": reached,
        "overflow_buckets": m.header().noverflow,
    }


def copied(m: HMap) -> RawTable:
    """The state of a map of numbers, with bucket arrays of its own."""
    raw = raw_table(m)
    names = "tophash", "slots", "overflow"
    return raw._replace(now=raw.now._replace(**{name: getattr(raw.now, name).copy() for name in names}))


def undamaged(raw: RawTable) -> tuple[RawTable, int]:
    """Nothing is planted."""
    return raw, 0


def off_the_free_list(raw: RawTable) -> tuple[RawTable, int]:
    """The first free row is taken and never used. The list is right: its count says one row less."""
    row = raw.now.free_row
    following = int(raw.now.overflow[row])
    raw.now.overflow[row] = 0
    return raw._replace(now=raw.now._replace(free_row=following, nfree=raw.now.nfree - 1)), row


def off_its_chain(raw: RawTable) -> tuple[RawTable, int]:
    """A row is cut from its chain with its keys, as an overflow page that nothing refers to any more."""
    main = int(np.flatnonzero(raw.now.overflow[: raw.now.nmain])[0])
    row = int(raw.now.overflow[main])
    raw.now.overflow[main], raw.now.overflow[row] = raw.now.overflow[row], 0
    return raw, row


def ring(raw: RawTable) -> tuple[RawTable, int]:
    """The same, but the row links to itself: each overflow row has one link to it, as it should have."""
    raw, row = off_its_chain(raw)
    raw.now.overflow[row] = row
    return raw, row


def free_twice(raw: RawTable) -> tuple[RawTable, int]:
    """The first free row is listed again behind itself: no leak, but damage that the free list shows."""
    raw.now.overflow[raw.now.free_row] = raw.now.free_row
    return raw, raw.now.free_row


LEAKS: dict[str, Plant] = {
    "a row off the free list": off_the_free_list,
    "a row off its chain": off_its_chain,
    "a row off its chain, in a ring": ring,
}
PLANTED: dict[str, Plant] = {NOTHING: undamaged, **LEAKS, "a free row listed twice (no leak)": free_twice}


def free_list_alone(raw: RawTable) -> None:
    """Look at the free rows only: that each is an overflow row without keys, listed once, and that all are counted."""
    free_rows(raw.now, "buckets")


def complaint(checker: Callable[[RawTable], object], raw: RawTable) -> str:
    """What a checker finds; empty if nothing."""
    try:
        checker(raw)
    except CorruptMapError as error:
        return str(error)
    return ""


def planted() -> list[Row]:
    """What each checker says of each planted leak."""
    m = HMap(np.int64, np.int64, seed=5)
    m.set_many(np.arange(KEYS), 0)
    m.discard_many(np.arange(DELETED))
    rows = []
    for name, plant in PLANTED.items():
        raw, row = plant(copied(m))
        said = {"free_list": complaint(free_list_alone, raw), "every_chain": complaint(check, raw)}
        keys = int((raw.now.tophash[row] >= 5).sum()) if row else 0
        rows.append({"planted": name, "row": row, "keys": keys} | said)
    m.check()  # the map itself is as it was
    return rows


def found(rows: list[Row], checker: str) -> int:
    """How many of the planted leaks a checker found."""
    return sum(bool(row[checker]) for row in rows if row["planted"] in LEAKS)


def cells(row: Row) -> list[str]:
    """One row of the table."""
    return [row["planted"], str(row["keys"]), row["free_list"] or NOTHING, row["every_chain"] or NOTHING]


def table(rows: list[Row]) -> str:
    """The planted leaks, for the documents."""
    return markdown.table(HEADS, map(cells, rows))


def show(console: Console, walked: dict[str, int], rows: list[Row]) -> None:
    """Print what is missed without the links, and what each checker finds."""
    console.print(
        f"Of {walked['keys']:,} keys {walked['by_links_only']:,} are in overflow buckets: who walks the main buckets "
        f"alone misses them. With the links all {walked['reached_with_links']:,} are reached."
    )
    console.print()
    made = terminal.plain_table("Overflow rows that leaked, and what two checkers find", *HEADS, words=HEADS)
    for row in rows:
        made.add_row(*cells(row))
    console.print(made)
    console.print(
        "The article describes BoltDB, and not as it is (etcd-io/bbolt: page.go, freelist.go, tx_check.go). A leaf "
        "element holds no page number: a large value fills the pages behind its leaf page, whose header counts them, "
        "and freeing that page frees them. Nothing collects pages. Bolt's own check walks every page, and reports "
        "those that are neither reached nor free, as ours does."
    )
