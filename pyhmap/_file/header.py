"""The header of a file: what its sections are, and where. docs/format.md describes it byte by byte.

    0              8                                                 end of the header, a multiple of 4096
    │ bytes of JSON │ {"__metadata__":{...},"entries":{...},...}   ░░│ entries ░│ texts ░│ index ░│ checksums │
                                                          spaces ──┘           └─ zeros, to the next multiple of 4096

A file of an id map has one more section, the rows of the codes, before the checksums.

The file is one of safetensors, whose parsers can list the sections. Ours takes less: a header is read for its metadata,
made again from them, and must then be the same byte for byte. So there is one header for each file, and nothing in it
needs a check of its own.

Source: the safetensors format, https://huggingface.co/docs/safetensors.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import xxhash

from pyhmap._release import VERSION

FORMAT = "1"
PAGE = 4096  # each section begins at a multiple of it, so that it can be mapped by itself
BLOCK = 1 << 20  # bytes that have a checksum of their own; FILE_BLOCK_BITS of _kernels/constants.pxd
DIGEST = 16  # bytes of XXH3-128
ROW = 4  # bytes of the number of a row, of which a file of an index has one per code
LONGEST = 1 << 16  # bytes of a header: a structured dtype of a thousand fields fits
HASHES = {"words": "multiply-xorshift-3", "texts": "siphash-1-3"}

WORD = r"0|[1-9]\d{0,18}"
FIELDS = {  # the metadata, in the order of the file, and what they look like
    "format": "pyhmap",
    "format_version": FORMAT,
    "written_by": r"pyhmap \d[\w.+-]{0,40}",
    "kind": "map|set|index",
    "key": r"[\x20-\x7e]{1,50000}",
    "value": r"[\x20-\x7e]{1,50000}",
    "hash": "|".join(HASHES.values()),
    "hash_key": "[0-9a-f]{64}",
    "count": WORD,
    "parts": WORD,
    "slots": WORD,
    "buckets": WORD,
    "row_bytes": WORD,
    "text_bytes": WORD,
    "checksum_of_checksums": "[0-9a-f]{32}",
    "checksum_of_header": "[0-9a-f]{32}",
}


class Section(NamedTuple):
    """Where the bytes of a section are in the file."""

    begin: int
    end: int


@dataclass(frozen=True)
class Header:
    """What a file says of itself. Sizes are in bytes."""

    kind: str  # map, set or index
    key: str  # the types, as types.py writes them
    value: str
    hash: str  # the name of the hash
    hash_key: tuple[int, ...]  # four words
    shape: tuple[int, ...]  # keys, parts, slots and buckets of a part
    row_bytes: int
    text_bytes: int
    checksums: bytes = bytes(DIGEST)  # the digest of the section of checksums
    written_by: str = f"pyhmap {VERSION}"

    def sizes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each section, in bytes, in the order of the file."""
        count, parts, slots, buckets = self.shape
        found: dict[str, tuple[int, ...]] = {
            "entries": (count, self.row_bytes),
            "texts": (self.text_bytes,),
            "index": (4 * (parts * slots - count) + parts * buckets,),
        }
        if self.kind == "index":
            found["rows"] = (count, ROW)
        data = sum(up(math.prod(shape), PAGE) for shape in found.values())
        return found | {"checksums": (up(data, BLOCK) // BLOCK, DIGEST)}

    def sections(self) -> dict[str, Section]:
        """Where each section is. All begin at a multiple of PAGE; the first one where the header ends."""
        found, at = {}, len(self.to_bytes())
        for name, shape in self.sizes().items():
            size = math.prod(shape)
            found[name] = Section(at, at + size)
            at = up(at + size, PAGE)
        return found

    def file_bytes(self) -> int:
        """The size of the file: it ends with the last checksum."""
        return self.sections()["checksums"].end

    @cached_property
    def id(self) -> str:
        """What tells one content from another: the checksum of the header, which has that of all other checksums."""
        return digest_of(self._with_checksum("0" * 2 * DIGEST))

    def to_bytes(self) -> bytes:
        """The header as it is in the file."""
        return self._bytes

    @cached_property
    def _bytes(self) -> bytes:
        return self._with_checksum(self.id)

    def _with_checksum(self, checksum: str) -> bytes:
        count, parts, slots, buckets = map(str, self.shape)
        values = {
            "format": "pyhmap", "format_version": FORMAT, "written_by": self.written_by, "kind": self.kind,
            "key": self.key, "value": self.value, "hash": self.hash,
            "hash_key": b"".join(word.to_bytes(8, "little") for word in self.hash_key).hex(),
            "count": count, "parts": parts, "slots": slots, "buckets": buckets, "row_bytes": str(self.row_bytes),
            "text_bytes": str(self.text_bytes), "checksum_of_checksums": self.checksums.hex(),
            "checksum_of_header": checksum,
        }  # fmt: skip
        tensors: dict[str, Any] = {"__metadata__": values}
        at = 0
        for name, shape in self.sizes().items():
            size = math.prod(shape)
            tensors[name] = {"dtype": "U8", "shape": list(shape), "data_offsets": [at, at + size]}
            at += size
            if name != "checksums" and at % PAGE:  # a section of its own, since safetensors allows no holes
                pad = -at % PAGE
                tensors[f"{name}.pad"] = {"dtype": "U8", "shape": [pad], "data_offsets": [at, at + pad]}
                at += pad
        text = json.dumps(tensors, separators=(",", ":")).encode("ascii")
        text = text.ljust(up(8 + len(text), PAGE) - 8)
        return len(text).to_bytes(8, "little") + text


def up(size: int, unit: int) -> int:
    """The next multiple of a unit that is not below a size."""
    return -(-size // unit) * unit


def digest_of(data: Any) -> str:
    """XXH3-128, in hexadecimal."""
    return xxhash.xxh3_128_hexdigest(data)


def header_of(read: Callable[[int, int], bytes], file_bytes: int) -> Header:
    """The header of a file of so many bytes; ``read`` returns the bytes from a position on, so many or up to the end.

    Raises ``ValueError``, which says what is wrong.
    """
    size = 8 + int.from_bytes(read(0, 8), "little")
    if file_bytes < PAGE or size % PAGE or not PAGE <= size <= min(LONGEST, file_bytes):
        raise ValueError("it is no file of pyhmap, or it is cut off: there is no header")
    data = read(0, size)
    try:
        found = json.loads(data[8:].decode("ascii"))
        values = found["__metadata__"]
        said = {name: str(values[name]) for name in ("format", "format_version", "written_by")}
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValueError("it is no file of pyhmap, or its header is damaged") from None
    if said["format"] == "pyhmap" and said["format_version"] != FORMAT and said["format_version"].isdigit():
        raise ValueError(
            f"{said['written_by'][:60]!r} wrote it in version {said['format_version'][:20]} of the format, and this "
            f"release, {VERSION}, reads version {FORMAT}: install that release"
        )
    for name, pattern in FIELDS.items():
        found = values.get(name)
        if not isinstance(found, str) or not re.fullmatch(pattern, found):
            raise ValueError(f"its header is damaged: {name} is {str(found)[:60]!r}")
    header = _made_of(values)
    count, parts, slots, buckets = header.shape
    if min(parts, buckets) < 1 or count > parts * slots:
        raise ValueError(f"its header is damaged: {count} keys in {parts} parts of {slots} slots")
    if header.to_bytes() != data:
        raise ValueError("its header is damaged: it is not as this release writes it, or its checksum is wrong")
    if header.file_bytes() != file_bytes:
        raise ValueError(f"it has {file_bytes:,} bytes, and its header says {header.file_bytes():,}")
    return header


def _made_of(values: dict[str, Any]) -> Header:
    key = bytes.fromhex(values["hash_key"])
    return Header(
        kind=values["kind"],
        key=values["key"],
        value=values["value"],
        hash=values["hash"],
        hash_key=tuple(int.from_bytes(key[at : at + 8], "little") for at in range(0, 32, 8)),
        shape=tuple(int(values[name]) for name in ("count", "parts", "slots", "buckets")),
        row_bytes=int(values["row_bytes"]),
        text_bytes=int(values["text_bytes"]),
        checksums=bytes.fromhex(values["checksum_of_checksums"]),
        written_by=values["written_by"],
    )
