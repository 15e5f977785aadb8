"""Files of frozen maps and indexes with any damage: refused, or opened and read, and then safetensors reads them too.

The first bytes of an input choose a map, and what is damaged: bytes anywhere; characters of the header; its fields, and
it is written again with them; or sections, with right checksums.
"""

from __future__ import annotations

import math
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
from fuzzing import FileFormatError, FrozenIndex, FrozenMap, HIndex, HMap, Source, read_all, start

import pyhmap
from file_support import header_in, rewritten
from pyhmap._file.header import Header

FOLDER = Path(tempfile.mkdtemp(dir="/dev/shm" if os.path.isdir("/dev/shm") else None))
PATH = FOLDER / "damaged.pyhmap"
# Of a few keys each: reading all of a map takes longest.
MAPS = [
    FrozenMap.from_arrays(np.arange(40), np.arange(40) * 3, seed=1),
    FrozenMap.from_arrays(np.arange(9, dtype="i4"), np.arange(9, dtype="f4"), seed=1),
    HMap(str, str, {f"{i}" * (1 + i % 20): f"{i}." * (i % 9) for i in range(40)}).freeze(seed=1),
    HMap(bytes, np.int64, {b"%d" % i: i for i in range(9)}).freeze(seed=1),
    HMap([("a", "i4"), ("b", "S3")], "U3", {(i, b"%d" % i): f"{i}" for i in range(9)}).freeze(seed=1),
    HMap(str, str).freeze(seed=1),
    HIndex("i8", np.arange(40)[::-1]).freeze(seed=1),
    HIndex(str, [f"{i}" * (1 + i % 20) for i in range(40)]).freeze(seed=1),
]
ODD = [0, 1, 2, 3, 62, 63, 64, 255, 2**16, 2**31, 2**32 - 1, 2**32, 2**40, 2**63 - 1, 2**63, 2**64 - 1, 2**64]
CHARACTERS = b'0123456789 ",:[]{}ab'
TYPES = [
    "str", "bytes", "<i8", "<u4", "|b1", "<f8", "<M8[s]", "|S3", "<U2", "|V0", "|V1048576", "|V1048577", '["<i8",[2]]',
    '{"names":["a","b"],"types":["<i4","|S3"],"offsets":[0,4],"size":8}', "[", "", "|O", "<i3",
]  # fmt: skip


class Saved:
    """A map, as it was saved, and what to ask of it."""

    def __init__(self, f: FrozenMap[Any, Any] | FrozenIndex[Any]) -> None:
        f.save(PATH)
        self.data = PATH.read_bytes()
        self.header = header_in(PATH)
        self.asked = [*list(f)[:9], *([77] if f.key_dtype == np.int64 else [])]


SAVED = [Saved(f) for f in MAPS]


def number(source: Source) -> int:
    return source.byte() if source.byte() < 128 else source.pick(ODD)


def damaged(source: Source, saved: Saved) -> None:
    """Other bytes anywhere, and perhaps another end."""
    data = bytearray(saved.data)
    for _ in range(source.byte() % 4):
        at = source.number(3) % len(data)
        if source.byte() < 200:  # most in the header, or near the beginning of a section
            at = at % 2000 if at & 1 else at // 4096 * 4096 + at % 64
        new = source.take(source.byte() % 9)
        data[at : at + (len(new) if source.byte() < 240 else source.byte())] = new
    if source.byte() > 240:
        del data[source.number(3) % len(data) :]
    PATH.write_bytes(data)


def other_characters(source: Source, saved: Saved) -> None:
    """Other characters in the text of the header, which often is JSON still."""
    data = bytearray(saved.data)
    text = len(saved.header.to_bytes().rstrip())
    for _ in range(1 + source.byte() % 3):
        data[8 + source.number(2) % (text - 8)] = source.pick(CHARACTERS)
    PATH.write_bytes(data)


def changes(source: Source, header: Header) -> dict[str, Any]:
    """Some fields of the header."""
    changed: dict[str, Any] = {}
    for _ in range(1 + source.byte() % 2):
        field = source.pick(["shape", "shape", "key", "value", "row_bytes", "text_bytes", "kind", "hash", "hash_key"])
        if field == "shape":
            shape = list(header.shape)
            shape[source.byte() % 4] = number(source)
            changed[field] = tuple(shape)
        elif field in ("key", "value"):
            changed[field] = source.pick(TYPES)
        elif field == "kind":
            changed[field] = source.pick(["map", "set", "index"])
        elif field == "hash":
            changed[field] = source.pick(["siphash-1-3", "multiply-xorshift-3", "sha1"])
        elif field == "hash_key":
            changed[field] = tuple(source.number(8) for _ in range(4))
        else:
            changed[field] = number(source)
    return changed


def other_header(source: Source, saved: Saved) -> None:
    """Other fields, and sections of the sizes that they say, if these are small."""
    changed = changes(source, saved.header)
    header = replace(saved.header, **changed)
    count, parts, slots, _ = header.shape
    sizes = {name: math.prod(shape) for name, shape in header.sizes().items()}
    old = saved.header.sections()
    PATH.write_bytes(saved.data)
    if min(sizes.values()) < 0 or sum(sizes.values()) > 1 << 18 or count > parts * slots:
        begin = len(saved.header.to_bytes())
        PATH.write_bytes(header.to_bytes() + saved.data[begin:])
        return
    sections = {}
    for name in [name for name in sizes if name != "checksums"]:
        begin, end = old.get(name, (0, 0))
        sections[name] = saved.data[begin:end][: sizes[name]].ljust(sizes[name], source.take(1))
    rewritten(PATH, changed, **sections)


def other_sections(source: Source, saved: Saved) -> None:
    """Other bytes in sections, and checksums that are right."""
    sections = {
        name: bytearray(saved.data[begin:end])
        for name, (begin, end) in saved.header.sections().items()
        if begin < end and name != "checksums"
    }
    PATH.write_bytes(saved.data)
    if not sections:
        return
    for _ in range(1 + source.byte() % 6):
        data = sections[source.pick(list(sections))]
        new = source.take(source.pick([1, 1, 2, 4, 8, 8, 16]))
        at = source.number(2) % len(data) // len(new) * len(new)
        data[at : at + len(new)] = new[: len(data) - at]
    rewritten(PATH, {}, **sections)


def target(source: Source) -> None:
    saved = source.pick(SAVED)
    source.pick([damaged, other_characters, other_header, other_sections])(source, saved)
    verify = source.pick(["header", "structure", "lazy", "full"])
    try:
        f = pyhmap.open(PATH, verify=verify, prefetch=source.pick([None, "copy"]))
    except FileFormatError:
        return
    safetensors.deserialize(PATH.read_bytes())
    try:
        read_all(f, saved.asked)
    finally:
        f.close()


if __name__ == "__main__":
    start(target)
