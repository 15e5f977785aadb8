"""The verb ``layout``: header and bucket field by field, checked against the memory itself.

Owns which fields, the checks, the tables and the verdicts. Nothing is timed. What a map reports (``header()``,
``layout()``) is compared with the bytes at those addresses. ``memory``, ``reached`` and ``file`` have what belongs to
the article's section 2.4.
"""

import ctypes
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from core import records, runner
from core.internals import field_places, raw_table
from layout import file, memory, reached
from pyhmap import HMap, debug
from render import terminal

LINE = 64  # bytes of a cache line
# Go's hmap as the article prints it (2.1), and as it is: the article leaves out `extra`, a pointer, and says 56 bytes.
GO_HEADER = {"count": (0, 8), "flags": (8, 1), "B": (9, 1), "noverflow": (10, 2), "hash0": (12, 4)}
GO_HEADER |= {"buckets": (16, 8), "oldbuckets": (24, 8), "nevacuate": (32, 8), "extra": (40, 8)}
ARTICLE_HEADER, ARTICLE_BUCKET = 56, 128
REPRODUCED, NOT_REPRODUCED = "reproduced", "not reproduced"
GO_BUCKET = 8 + 8 * 8 + 8 * 8 + 8  # tophashes, keys, values, overflow pointer
# Which fields of the object's memory a field of header() is made of; ``pyhmap.debug`` knows how.
STORED = {
    "count": "count",
    "flags": "now.nmain, old.nmain",
    "B": "now.nmain",
    "noverflow": "now.next_row",
    "hash0": "hash_key",
    "buckets": "now.nmain",
    "oldbuckets": "old.nmain",
    "nevacuate": "nevacuate",
}
TYPES: dict[str, tuple[Any, Any, Any, Any]] = {
    "int64 to int64": (np.int64, np.int64, 0x1122334455667788, -7),
    "int32 to float32": (np.int32, np.float32, 0x11223344, 0.5),
    "str to int64": (str, np.int64, "user:42", 99),
    "(int32, float64) to int16": ([("a", "i4"), ("b", "f8")], np.int16, (7, 0.25), 3),
    "object to object": (object, object, "key", "value"),
}


def run(*, quick: bool, out: Path) -> str:
    """Look, compare, print and write ``layout.json``; the same with ``--quick``."""
    records.prepare(out)
    document = records.begin("layout", quick=quick, workload={"maps": list(TYPES)}, config={})
    figures = {
        "header": header_fields(),
        "buckets": {name: bucket_fields(*case) for name, case in TYPES.items()},
        "neighbours": neighbours(),
        "memory": memory.one_map(),
        "given_back": memory.given_back(),
        "file": file.saved_map(out),
        "links": reached.links(),
        "planted": reached.planted(),
    }
    document |= {"ended_by": "", "figures": figures, "samples": []}
    runner.conclude(document, out, show)
    return ""


def growing_map() -> HMap:
    """A map in the middle of a growth, so that no field is zero by chance."""
    m = HMap(np.int64, np.int64, seed=2)
    m.update((key, key) for key in range(1700))
    return m


def header_fields() -> dict[str, Any]:
    """Each field of ``header()``, the bytes it is made of, and whether those say the same."""
    m = growing_map()
    memory, rows = field_places(m), []
    for field in debug.compare_headers(m):
        stored = STORED[field.field]
        offset, size = memory[stored.split(",")[0]]
        row = {"field": field.field, "stored": stored, "offset": offset, "size": size}
        rows.append(row | {"header": field.header, "memory": field.memory, "go": GO_HEADER[field.field]})
    start, size = memory["whole table"]
    agree = all(row["header"] == row["memory"] for row in rows)
    return {"rows": rows, "table_offset": start, "table_bytes": size, "agree": agree}


def bucket_fields(key: Any, value: Any, a_key: Any, a_value: Any) -> dict[str, Any]:
    """``layout()`` of one bucket; and whether a planted key and value lie where it says, as bytes."""
    m = HMap(key, value, {a_key: a_value}, seed=1)
    arrays, raw = m.bucket_arrays(), raw_table(m)
    starts = {
        "tophash": arrays.tophash.ctypes.data,
        "slots": raw.now.slots.ctypes.data,
        "overflow": arrays.overflow.ctypes.data,
    }
    rows, agree = [], True
    for field in m.layout():
        at = starts[field.array] + field.offset
        stored = ctypes.string_at(at, field.size)
        rows.append({"field": field.name, "array": field.array, "offset": field.offset, "size": field.size})
        if field.name == "tophash":
            agree &= stored == arrays.tophash[0].tobytes() and stored[0] >= 5
        elif field.name == "key[0]":
            agree &= stored == expected_bytes(key, a_key, stored)
        elif field.name == "value[0]":
            agree &= stored == expected_bytes(value, a_value, stored)
    stride = raw.now.slots.dtype.itemsize
    return {"rows": rows, "slot_bytes": stride, "bucket_bytes": 8 + 8 * stride + 4, "agree": bool(agree)}


def expected_bytes(dtype: Any, item: Any, stored: bytes) -> bytes:
    """What the documented form of a key or value is in memory; of an object only its index, 0, is known."""
    if dtype is object:
        return stored[:-8] + bytes(8)
    if dtype is str or isinstance(dtype, list):
        text = item.encode() if dtype is str else np.array([item], np.dtype(dtype)).tobytes()
        return len(text).to_bytes(4, "little") + text.ljust(12, b"\0")
    return np.array([item], dtype).tobytes().ljust(len(stored), b"\0")


def neighbours() -> dict[str, Any]:
    """How the memory of one bucket lies: addresses modulo a cache line, distances, lines that a look-up touches."""
    m = HMap(np.int64, np.int64, capacity=10_000, seed=1)
    raw = raw_table(m)
    tophash, slots, overflow = (array.ctypes.data for array in (raw.now.tophash, raw.now.slots, raw.now.overflow))
    ends = slots, slots + raw.now.slots.dtype.itemsize - 1  # of the first slot; others lie alike, as 64 is a multiple
    lines = {at // LINE for at in ends}
    return {
        "buckets": m.header().buckets,
        "modulo_line": {"tophash": tophash % LINE, "slots": slots % LINE, "overflow": overflow % LINE},
        "row_bytes": {"tophash": raw.now.tophash.strides[0], "slots": raw.now.slots.strides[0], "overflow": 4},
        "tophash_after_slots": tophash - slots,
        "overflow_after_tophash": overflow - tophash,
        "buckets_a_line_of_tophashes": LINE // 8,
        "lines_of_a_hit": 1 + len(lines),
        "lines_of_a_miss": 1,  # a tophash row is 8 bytes at a multiple of 8
        "key_to_value": int(m.layout()[2].offset - m.layout()[1].offset),
    }


def markdown(document: dict[str, Any]) -> str:
    """What the two checkers find, for the documents."""
    return reached.table(document["figures"]["planted"])


def verdicts(figures: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """What the article says, beside what was found here: what it is about, the article's word, ours, the verdict."""
    here, agrees = figures["buckets"]["int64 to int64"]["bucket_bytes"], figures["header"]["agree"]
    said = "agrees with" if agrees else "DIFFERS FROM"
    made = [
        ("header of a map", f"{ARTICLE_HEADER} bytes", f"48 bytes in Go; header() {said} the memory", NOT_REPRODUCED),
        ("bucket of a map", f"{ARTICLE_BUCKET} bytes", f"{GO_BUCKET} bytes in Go, {here} here", NOT_REPRODUCED),
    ]
    one, back, planted = figures["memory"], figures["given_back"], figures["planted"]
    block = "one block" if one["one_block"] else "SEVERAL BLOCKS"
    returned = back["resident_of_given_back"] == 0 < back["resident_of_the_rest"]
    few, most = reached.found(planted, "free_list"), reached.found(planted, "every_chain")
    leaks = len(reached.LEAKS)
    return [
        *made,
        (
            "key, value and overflow memory",
            "adjacent, in one mapping",
            f"buckets in {block}, long texts in {one['blocks'] - 1} others",
            REPRODUCED if one["one_block"] else NOT_REPRODUCED,
        ),
        (
            "memory beside memory in use",
            "cannot be given back",
            f"{back['given_back']:,} of {back['main_row_bytes']:,} bytes were",
            NOT_REPRODUCED if returned else REPRODUCED,
        ),
        (
            "overflow memory that leaked",
            "missed by who looks at the free list alone",
            f"{few} of {leaks} leaks found by it, {most} by the walk of every chain",
            REPRODUCED if few == 0 and most == leaks else NOT_REPRODUCED,
        ),
    ]


PICTURE = """
    one mapping, rows = 2 * 2^B; 8-byte keys and values

    slots     │ k0 v0 │ k1 v1 │ ... │ k7 v7 │  128 bytes per row    main rows, then overflow rows
    tophash   │ t0 t1 t2 t3 t4 t5 t6 t7 │        8 bytes per row    one 64-bit word
    overflow  │ row of the next bucket │         4 bytes per row    0: none
"""


def show(console: Console, document: dict[str, Any]) -> None:
    """Print the result."""
    header, buckets = document["figures"]["header"], document["figures"]["buckets"]
    columns = ("field", "made of", "offset", "bytes", "header()", "memory", "Go's offset", "bytes")
    table = terminal.plain_table("Header", *columns, words=("field", "made of"))
    for row in header["rows"]:
        names = "field", "stored", "offset", "size", "header", "memory"
        table.add_row(*(str(row[name]) for name in names), *map(str, row["go"]))
    console.print(table)
    agree = "agrees with" if header["agree"] else "DIFFERS FROM"
    console.print(
        f"header() {agree} the memory. The kernels' whole table takes {header['table_bytes']} bytes, from offset "
        f"{header['table_offset']} of the object on. Go's hmap: 48 bytes with `extra`; the article says "
        f"{ARTICLE_HEADER}: not reproduced (its eight fields are 40)."
    )
    console.print()
    first = next(iter(buckets))
    columns = ("field", "array", "offset in its row", "bytes")
    table = terminal.plain_table(f"Bucket, {first}", *columns, words=("field", "array"))
    for row in buckets[first]["rows"]:
        table.add_row(row["field"], row["array"], str(row["offset"]), str(row["size"]))
    console.print(table)
    for name, bucket in buckets.items():
        agree = "as layout() says" if bucket["agree"] else "NOT WHERE layout() SAYS"
        sizes = f"slots of {bucket['slot_bytes']} bytes, buckets of {bucket['bucket_bytes']}"
        console.print(f"{name}: {sizes}; a planted pair lies {agree}.")
    console.print(
        f"Go's bucket: {GO_BUCKET} bytes; the article says {ARTICLE_BUCKET}, which leaves out tophashes and link: "
        "not reproduced."
    )
    console.print(PICTURE, markup=False)
    near = document["figures"]["neighbours"]
    console.print(
        f"Key and value of a slot are {near['key_to_value']} bytes apart, in one cache line; all three arrays start on "
        f"a line (addresses modulo {LINE}: {near['modulo_line']}). A hit touches {near['lines_of_a_hit']} lines, "
        f"a miss {near['lines_of_a_miss']}."
    )
    console.print()
    memory.show(console, document["figures"]["memory"], document["figures"]["given_back"])
    console.print()
    file.show(console, document["figures"]["file"])
    console.print()
    reached.show(console, document["figures"]["links"], document["figures"]["planted"])
    console.print()
    words = ("what", "the article", "here", "verdict")
    table = terminal.plain_table("Beside the article (2.1, 2.4)", *words, words=words)
    for row in verdicts(document["figures"]):
        table.add_row(*row)
    console.print(table)
