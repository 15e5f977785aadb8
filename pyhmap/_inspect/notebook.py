"""What a notebook shows in place of the ``repr``: a small table and, of a map that changes, a picture of its buckets.

The picture has a column for each bucket, 8 cells high, with a filled cell for each full slot; more than 64 buckets are
drawn by 64 of them at equal distances, so that the picture takes the same time for a map of any size. While a map
grows, its evacuated buckets are counted too. Colours come from the page (``currentColor``), so it fits a dark one
too.

    █ ▁ ▄ █ ▂ ▅    full slots of each bucket
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape
from typing import NamedTuple

import numpy as np

from pyhmap._inspect.state import MIN_TOPHASH, SLOTS, RawTable, is_evacuated

COLUMNS = 64  # buckets in the picture: as wide as the table beside it
CELL = 5  # pixels of a cell with its gap

Line = tuple[str, str]


class Buckets(NamedTuple):
    """What the picture and the lines about it need of a table's state."""

    full: list[int]  #: full slots of the buckets that are drawn
    nmain: int  #: main buckets
    noverflow: int  #: overflow buckets in chains
    load: float  #: keys per main bucket
    evacuated: int  #: main buckets of the old array that have moved
    nold: int  #: main buckets of the old array; 0 when not growing


def buckets(raw: RawTable) -> Buckets:
    """The buckets that are drawn, from the state of a table that nobody writes meanwhile."""
    n = raw.now.nmain
    drawn = np.arange(n) if n <= COLUMNS else np.arange(COLUMNS) * n // COLUMNS
    full = (raw.now.tophash[drawn] >= MIN_TOPHASH).sum(1).tolist()
    old = raw.old
    evacuated = int(is_evacuated(old.tophash[: old.nmain, 0]).sum()) if old else 0
    return Buckets(full, n, raw.now.noverflow, raw.count / n, evacuated, old.nmain if old else 0)


def page(title: str, count: int, nbytes: int | None, of_kind: Iterable[Line] = (), table: Buckets | None = None) -> str:
    """The HTML of an object: its title, a table, and the picture.

    The lines of the table are the number of keys, the bytes unless that is None, and those of its kind.
    """
    lines = [("keys", f"{count:,}")]
    if nbytes is not None:
        lines.append(("memory", f"{nbytes:,} bytes" + (f", {nbytes / count:.1f} per key" if count else "")))
    lines += [*of_kind, *(lines_of(table) if table else [])]
    rows = "".join(
        f'<tr><th style="text-align:left;font-weight:normal;opacity:.7">{escape(name)}</th>'
        f'<td style="text-align:left">{escape(text)}</td></tr>'
        for name, text in lines
    )
    picture = drawing(table) if table else ""
    return f'<div><code>{escape(title)}</code><table style="margin:.3em 0">{rows}</table>{picture}</div>'


def lines_of(table: Buckets) -> Iterator[Line]:
    """The lines that only a map with buckets has."""
    overflow = f" and {table.noverflow:,} overflow buckets" if table.noverflow else ""
    yield "buckets", f"{table.nmain:,}{overflow}"
    yield "load", f"{table.load:.2f} keys per bucket"
    if table.nold:
        yield "growing", f"{table.evacuated:,} of {table.nold:,} old buckets evacuated"


def drawing(table: Buckets) -> str:
    """The picture, as an SVG."""
    cells = "".join(
        f'<rect x="{CELL * x}" y="{CELL * (SLOTS - 1 - y)}" width="{CELL - 1}" height="{CELL - 1}"'
        f' opacity="{1 if y < full else 0.15}"/>'
        for x, full in enumerate(table.full)
        for y in range(SLOTS)
    )
    drawn = len(table.full)
    which = f"{drawn} of {table.nmain:,} buckets" if drawn < table.nmain else f"{drawn:,} bucket{'s' * (drawn > 1)}"
    label = f"full slots of {which}"
    return (
        f'<svg width="{CELL * drawn}" height="{CELL * SLOTS}" fill="currentColor" role="img" aria-label="{label}">'
        f"<title>{label}</title>{cells}</svg>"
    )
