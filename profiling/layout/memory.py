"""Where key, value, overflow and text memory of one map lie (article 2.4), by the addresses of a map that is in use.

Owns the parts of a map's memory, the way from a link to the texts of one entry, and what of an array goes back to the
system while the rest of it is in use.
"""

import ctypes
import gc
import mmap
from typing import Any

import numpy as np
from rich.console import Console

from core.internals import OFFSET_BITS, block_memory, raw_table
from pyhmap import HMap
from render import terminal

KEYS = 13 << 11  # the most that 2^12 buckets hold: then the most of them have overflowed
MAIN, OVERFLOW, TEXTS, UNTOUCHED = "main rows", "overflow rows", "texts", "never used"
SIGNS = {MAIN: "█", OVERFLOW: "▒", TEXTS: "█", UNTOUCHED: "·"}
COLUMNS = 80  # that the bucket memory takes in the picture

Row = dict[str, Any]


def text_map() -> HMap:
    """A full map whose keys and values are all too long for their slots, which hold 12 bytes of a text."""
    m = HMap(str, str, capacity=KEYS, seed=5)
    m.set_many([f"key number {i:07}" for i in range(KEYS)], [f"value number {i:07}" for i in range(KEYS)])
    return m


def one_map() -> dict[str, Any]:
    """The parts of one map's memory, whether those of its buckets lie end to end in one block, and one entry."""
    gc.collect()  # so that no other map goes in between
    before = block_memory()
    m = text_map()
    blocks, taken = np.subtract(block_memory(), before).tolist()
    raw = raw_table(m)
    texts = raw.texts.blocks
    bucket_bytes = taken - sum(block.nbytes for block in texts)
    parts = bucket_parts(raw.now)
    ends = [0, *(part["offset"] + part["bytes"] for part in parts)]
    return {
        "keys": len(m),
        "blocks": blocks,
        "bucket_bytes": bucket_bytes,
        "one_block": [part["offset"] for part in parts] + [bucket_bytes] == ends and blocks == 1 + len(texts),
        "parts": [*parts, *text_parts(raw.texts)],
        "entry": linked_entry(m),
    }


def bucket_parts(now: Any) -> list[Row]:
    """The parts of the bucket memory, with their offsets from its start, where the slots are."""
    start, parts = address(now.slots), []
    for name, array in (("slots", now.slots), ("tophash", now.tophash), ("links", now.overflow)):
        edges = 0, now.nmain, len(array), 2 * now.nmain
        for rows, first, last in zip((MAIN, OVERFLOW, UNTOUCHED), edges, edges[1:], strict=False):
            size = array.strides[0]
            place = {"offset": address(array) - start + first * size, "bytes": (last - first) * size}
            parts.append({"memory": "buckets", "part": name, "holds": rows} | place)
    return parts


def text_parts(texts: Any) -> list[Row]:
    """The arena, each block with offsets from its own start. All blocks but the last are taken to be full."""
    parts = []
    for number, block in enumerate(texts.blocks):
        used = texts.used if block is texts.blocks[-1] else block.nbytes
        for holds, first, last in ((TEXTS, 0, used), (UNTOUCHED, used, block.nbytes)):
            place = {"offset": first, "bytes": last - first}
            parts.append({"memory": f"texts {number}", "part": "texts", "holds": holds} | place)
    return [part for part in parts if part["bytes"]]


def linked_entry(m: HMap) -> dict[str, Any]:
    """What leads from a main bucket to an entry of the overflow bucket behind it, each step read at its address."""
    raw = raw_table(m)
    now, texts = raw.now, raw.texts.blocks
    main = int(np.flatnonzero(now.overflow[: now.nmain])[0])
    start, link = address(now.slots), address(now.overflow[main:])
    row = number_at(link)
    tophash = address(now.tophash[row:])
    steps = [
        {"step": f"link of main row {main}", "memory": "buckets", "offset": link - start, "bytes": 4},
        {"step": f"tophash row {row}", "memory": "buckets", "offset": tophash - start, "bytes": 8},
    ]
    found = []
    for field in ("key", "value"):
        at, size = address(now.slots[field][row:]), now.slots.dtype[field].itemsize
        steps.append({"step": f"{field} in slot 0", "memory": "buckets", "offset": at - start, "bytes": size})
        where = number_at(at + 8, 8)  # behind the size of the text and its first four bytes
        block, offset, length = where >> OFFSET_BITS, where & (1 << OFFSET_BITS) - 1, number_at(at)
        found.append(ctypes.string_at(address(texts[block]) + offset, length).decode())
        place = {"memory": f"texts {block}", "offset": offset, "bytes": length}
        steps.append({"step": f"its text, {found[-1]!r}"} | place)
    return {"steps": steps, "agree": m.get(found[0]) == found[1]}


def address(array: np.ndarray) -> int:
    """Where the first item of an array is."""
    return array.ctypes.data


def number_at(place: int, size: int = 4) -> int:
    """The unsigned number at an address."""
    return int.from_bytes(ctypes.string_at(place, size), "little")


def given_back() -> dict[str, int]:
    """A map half-way through a growth: how much of its old array the system has again, and how much is in memory."""
    m, key = HMap(np.int64, np.int64, seed=5), 0
    while key < 13 << 13 or m.header().nevacuate < 1 << 13:  # half of the 2^14 buckets that so many keys fill
        m[key] = key
        key += 1
    raw = raw_table(m)
    start, back, whole = address(raw.old.slots), raw.returned, raw.old.nmain * raw.old.slots.strides[0]
    made = {
        "main_row_bytes": whole,
        "given_back": back,
        "resident_of_given_back": resident(start, start + back),
        "resident_of_the_rest": resident(start + back, start + whole),
    }
    m.check()  # the rest is in use and in order; afterwards, as reading a page brings it back
    return made


def resident(start: int, stop: int) -> int:
    """How many bytes of the pages that lie wholly in a range are in memory, by ``mincore``."""
    first, last = -(-start // mmap.PAGESIZE), stop // mmap.PAGESIZE
    pages = np.zeros(last - first, np.uint8)
    places = ctypes.c_void_p(first * mmap.PAGESIZE), ctypes.c_size_t((last - first) * mmap.PAGESIZE)
    if ctypes.CDLL(None).mincore(*places, ctypes.c_void_p(address(pages))):
        raise OSError("mincore() refused the range of an array")
    return int((pages & 1).sum()) * mmap.PAGESIZE


def bar(parts: list[Row], whole: int) -> str:
    """The parts in the order of their addresses, to scale but for the smallest: one column at least."""
    drawn, last = "", None
    for part in parts:
        drawn += "│" if (part["memory"], part["part"]) != last else ""
        drawn += SIGNS[part["holds"]] * max(1, round(COLUMNS * part["bytes"] / whole))
        last = part["memory"], part["part"]
    return f"{drawn}│"


def show(console: Console, made: dict[str, Any], back: dict[str, int]) -> None:
    """Print the parts, their picture, the entry, and what went back."""
    columns = ("memory", "part", "holds", "offset", "bytes")
    title = f"The memory of one map, {made['keys']:,} pairs of long str"
    table = terminal.plain_table(title, *columns, words=columns[:3])
    for part in made["parts"]:
        table.add_row(part["memory"], part["part"], part["holds"], f"{part['offset']:,}", f"{part['bytes']:,}")
    console.print(table)
    buckets = [part for part in made["parts"] if part["memory"] == "buckets"]
    texts = made["parts"][len(buckets) :]
    lines = [
        f"{SIGNS[MAIN]} main rows, texts   {SIGNS[OVERFLOW]} overflow rows   {SIGNS[UNTOUCHED]} never used",
        "",
        f"slots, tophash, links: {'' if made['one_block'] else 'NOT '}one block",
        bar(buckets, made["bucket_bytes"]),
        f"texts: {made['blocks'] - 1} blocks of their own",
        bar(texts, made["bucket_bytes"]),
    ]
    console.print("\n" + "\n".join(f"    {line}".rstrip() for line in lines) + "\n", markup=False, soft_wrap=True)
    columns = ("step", "memory", "offset", "bytes")
    table = terminal.plain_table("One entry behind a link", *columns, words=columns[:2])
    for step in made["entry"]["steps"]:
        table.add_row(step["step"], step["memory"], f"{step['offset']:,}", f"{step['bytes']:,}")
    console.print(table)
    said = "are a pair of the map" if made["entry"]["agree"] else "are NO PAIR OF THE MAP"
    console.print(f"The texts at these addresses {said}.")
    console.print(
        f"Half-way through a growth {back['given_back']:,} of the {back['main_row_bytes']:,} bytes of the old array's "
        f"main slots are given back: {back['resident_of_given_back']:,} bytes of these are in memory, and "
        f"{back['resident_of_the_rest']:,} of the rest, which is in use. What single deletions free is not given back, "
        "but used again: slots at once, overflow rows by the free list."
    )
