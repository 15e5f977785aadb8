"""`python -m pyhmap stats FILE`: what is in a file: how full it is, pilots, lengths of texts, ranges, a few rows."""

from __future__ import annotations

import argparse
import math
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from pyhmap import files
from pyhmap._commands.inspect import title
from pyhmap._commands.output import (
    DAMAGED,
    STATUSES,
    Progress,
    Refusal,
    columns,
    print_json,
    reading,
    shortened,
    table,
)
from pyhmap._convert.codec import Codec
from pyhmap._file import read
from pyhmap._inspect.state import INLINE_TEXT, slot_dtype
from pyhmap._reference.frozen import PILOTS, SHIFTS, bucket_of, hashes_of, part_of, slot_of

HELP = "what is in a file: how full it is, pilots, lengths of texts, ranges, a few rows"
ROWS = 5
PIECE = 1 << 20  # rows at a time
NUMBERS = "biufmM"  # kinds of dtypes that have a least and a greatest item


def add_to(verbs: Any) -> None:
    """Add the verb to the parser."""
    about = f"Shows {HELP}. Reads the file, but does not compare checksums: `check` does."
    parser = verbs.add_parser("stats", help=HELP, description=about, epilog=STATUSES)
    parser.add_argument("file", metavar="FILE", help="a file that save() has written")
    parser.add_argument("--rows", type=number, default=ROWS, metavar="N", help="rows to show (%(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def number(text: str) -> int:
    """The argument of ``--rows``."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no number of rows: give 0 or more")
    return int(text)


def run(options: argparse.Namespace) -> int:
    """Show the statistics."""
    with reading(options.file):
        file = read.OpenFile(options.file, None)
        with files._map_in(file, "structure") as opened:
            m = opened if file.header.kind == "map" else opened._map
            found = figures(m, file)
            rows = first_rows(m, file, options.rows)
    if options.json:
        print_json({"file": options.file, **found, "rows": [[plain(part) for part in row] for row in rows]})
    else:
        print(report(title(options.file, file.header), found, rows))
    return 0


# ---- what is found ---------------------------------------------------------------------------------------------------


def figures(m: Any, file: read.OpenFile) -> dict[str, Any]:
    """The statistics of the frozen map in a file, that of a set or an index too."""
    _, shape, remap, pilots, entries, _ = m._sections()
    count, parts, slots, buckets = shape
    dtype = slot_dtype(m._key_codec, m._value_codec, m._value_at, m._stride)
    stored = np.frombuffer(entries, dtype) if count else np.empty(0, dtype)
    used = used_spare_slots(m, stored)
    keys, values = Items(m._key_codec, file.header.key), Items(m._value_codec, file.header.value)
    with Progress() as progress:
        for at in range(0, count, PIECE):
            piece = stored[at : at + PIECE]
            keys.add(piece["key"])
            values.add(piece["value"])
            progress.say(at / count, f"{at:,} of {count:,} rows")
    groups = np.bincount(pilots // SHIFTS, minlength=PILOTS // SHIFTS).tolist()
    return {
        "kind": file.header.kind,
        "count": count,
        "slots": parts * slots,
        "fill": count / (parts * slots),
        "spare_slots": len(remap),
        "spare_slots_used": int(used.sum()),
        "parts": parts,
        "keys_per_part": spread(keys_per_part(shape, remap, used)),
        "buckets": parts * buckets,
        "keys_per_bucket": count / (parts * buckets),
        "pilots": {f"{SHIFTS * i}-{SHIFTS * i + SHIFTS - 1}": n for i, n in enumerate(groups)},
        "key": keys.figures(),
        "value": None if file.header.kind == "set" else values.figures(),
    }


def used_spare_slots(m: Any, stored: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Of each slot behind the rows, whether a key leads there. The remap has 0 for the others; 0 is also a row, so that
    the slot of its key is computed."""
    hash_key, (count, parts, slots, buckets), remap, pilots, _, texts = m._sections()
    used: npt.NDArray[np.bool_] = remap != 0
    if count == 0:
        return used
    stored_key = stored["key"][0]
    key: int | bytes
    if m._key_form == "words":
        key = int(stored_key.view(f"u{stored_key.itemsize}"))
    else:
        size, where = int(stored_key["size"]), int(stored_key["where"])
        key = stored_key.tobytes()[4 : 4 + size] if size <= INLINE_TEXT else texts[where : where + size].tobytes()
    (h,) = hashes_of([key], hash_key)
    part = part_of(h, parts)
    slot = part * slots + slot_of(h, int(pilots[part * buckets + bucket_of(h, buckets)]), slots)
    if slot >= count:
        used[slot - count] = True
    return used


def keys_per_part(
    shape: tuple[int, ...], remap: npt.NDArray[np.uint32], used: npt.NDArray[np.bool_]
) -> npt.NDArray[np.int64]:
    """How many keys each part has. A row that the remap leads to has no key in its own slot."""
    count, parts, slots, _ = shape
    rows = np.clip(count - slots * np.arange(parts), 0, slots)
    moved_from = (count + np.flatnonzero(used)) // slots
    moved_to = remap[used].astype(np.int64) // slots
    found: npt.NDArray[np.int64] = rows + np.bincount(moved_from, minlength=parts)
    return found - np.bincount(moved_to, minlength=parts)


def spread(numbers: npt.NDArray[np.int64]) -> dict[str, float]:
    """The least, the mean and the greatest."""
    return {"min": int(numbers.min()), "mean": float(numbers.mean()), "max": int(numbers.max())}


class Items:
    """The keys or the values of a file, a piece at a time: of texts the lengths, of numbers and times the range."""

    def __init__(self, codec: Codec, type_text: str) -> None:
        self.type = type_text
        self.is_text = codec.dtype in (str, bytes)
        self.has_range = not self.is_text and codec.dtype.kind in NUMBERS  # type: ignore[union-attr]
        self.count = self.bytes = self.inline = 0
        self.least: Any = None
        self.most: Any = None

    def add(self, items: npt.NDArray[Any]) -> None:
        """The next items, as they are stored."""
        if self.is_text:
            items = items["size"]
            self.count += len(items)
            self.bytes += int(items.sum())
            self.inline += int((items <= INLINE_TEXT).sum())
        if self.is_text or self.has_range:
            least, most = np.fmin.reduce(items), np.fmax.reduce(items)  # NaN only if there is nothing else
            self.least = least if self.least is None else np.fmin(self.least, least)
            self.most = most if self.most is None else np.fmax(self.most, most)

    def figures(self) -> dict[str, Any]:
        """What was found."""
        found: dict[str, Any] = {"type": self.type}
        least, most = plain(self.least), plain(self.most)
        if self.is_text:
            mean = self.bytes / self.count if self.count else None
            found["bytes"] = {"min": least, "mean": mean, "max": most}
            found |= {"inline": self.inline, "long": self.count - self.inline}
        elif self.has_range:
            found |= {"min": least, "max": most}
        return found


def first_rows(m: Any, file: read.OpenFile, n: int) -> list[tuple[Any, ...]]:
    """The first rows of the map: key and value, or in a set the key alone."""
    try:
        return list(islice(((key,) for key in m) if file.header.kind == "set" else m.items(), n))
    except (ValueError, SystemError) as error:  # NumPy raises the latter where an item of dtype U is not text
        raise Refusal(f"{file.path} is damaged: a row cannot be shown ({error})", DAMAGED) from None


def plain(item: Any) -> Any:
    """An item as JSON can hold it: as it is, or its ``repr``.

    >>> plain(np.int64(3)), plain(np.datetime64("2026-01-02")), plain(float("nan")), plain(b"a")
    (3, '2026-01-02', 'nan', "b'a'")
    """
    if isinstance(item, np.datetime64 | np.timedelta64):
        return str(item)
    if isinstance(item, np.generic):
        item = item.item()
    if item is None or isinstance(item, bool | int | str) or (isinstance(item, float) and math.isfinite(item)):
        return item
    return repr(item)


# ---- for people ------------------------------------------------------------------------------------------------------


def report(head: str, found: dict[str, Any], rows: list[tuple[Any, ...]]) -> str:
    """The statistics for people."""
    shares = [f"{name}: {100 * n / found['buckets']:.1f} %" for name, n in found["pilots"].items()]
    facts = [
        ("rows", f"{found['count']:,} of {found['slots']:,} slots ({100 * found['fill']:.1f} %)"),
        ("spare slots", f"{found['spare_slots']:,}, {found['spare_slots_used']:,} of them used"),
        ("parts", f"{found['parts']:,}"),
        ("buckets", f"{found['buckets']:,}, {found['keys_per_bucket']:.2f} keys each"),
        ("pilots", ", ".join(shares)),
    ]
    spreads = [("keys per part", found["keys_per_part"])]
    names = "key", "code" if found["kind"] == "index" else "value"
    for what, items in zip(names, (found["key"], found["value"] or {}), strict=True):
        if "bytes" in items:
            facts.append((f"{what} texts", f"{items['inline']:,} in their rows, {items['long']:,} longer ones"))
            spreads.append((f"bytes of a {what}", items["bytes"]))
        elif "min" in items:
            spreads.append((f"{what}s", items))
    cells = [("", "least", "mean", "greatest")]
    cells += [(name, shown(at["min"]), shown(at.get("mean"), 2), shown(at["max"])) for name, at in spreads]
    blocks = [head, table(facts, left=2), table(cells)]
    if rows:
        width = max(20, (columns() - 10) // 2)
        heads = ("row", *names)[: 1 + len(rows[0])]
        shortly = [(f"{at}", *(shortened(repr(part), width) for part in row)) for at, row in enumerate(rows)]
        blocks.append(table([heads, *shortly], left=3))
    return "\n\n".join(blocks)


def shown(item: Any, decimals: int | None = None) -> str:
    """An item of a spread.

    >>> shown(1234567), shown(2.5, 2), shown("2026-01-02"), shown(None)
    ('1,234,567', '2.50', '2026-01-02', '-')
    """
    if item is None:
        return "-"
    if decimals is not None:
        return f"{item:,.{decimals}f}"
    return f"{item:,}" if type(item) in (int, float) else str(item)
