"""The manifest of a dataset: its types, and the files of its parts. docs/format.md describes it.

    folder/
        manifest.json                          written last, and replaced as a whole: what it names is the dataset
        part-00000.91d1c0a0b1a3f3f5.pyhmap     a file of a frozen map: the keys of partition 0
        part-00001.04c9d1ee30ac5a0b.pyhmap     the second word tells one content from another
        ...
        build.lock                             while somebody builds

There is one manifest for each content: one that is read is made again from what it says, and must then be the same byte
for byte. Its checksum covers the ids of the parts, which cover their content, and so is the id of the dataset.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pyhmap._engine.parted import MOST_PARTITIONS, PARTITION_KEY
from pyhmap._file.header import DIGEST, FIELDS, digest_of
from pyhmap._release import VERSION

FORMAT = "pyhmap dataset"
FORMAT_VERSION = 1
PART_NAME = re.compile(r"part-(\d{5})\.[0-9a-f]{16}\.pyhmap")
NO_CHECKSUM = "0" * 2 * DIGEST


@dataclass(frozen=True)
class Part:
    """The file of one partition."""

    file: str
    count: int  # keys
    bytes: int
    id: str  # Header.id


@dataclass(frozen=True)
class Manifest:
    """What a dataset says of itself."""

    key: str  # the types, as types.py writes them
    value: str
    hash: str  # the name of the hash
    parts: tuple[Part, ...]
    written_by: str = f"pyhmap {VERSION}"

    @property
    def count(self) -> int:
        """Keys."""
        return sum(part.count for part in self.parts)

    @cached_property
    def id(self) -> str:
        """What tells one content from another."""
        return digest_of(self._with_checksum(NO_CHECKSUM))

    def to_bytes(self) -> bytes:
        """The file."""
        return self._with_checksum(self.id)

    def _with_checksum(self, checksum: str) -> bytes:
        values = {
            "format": FORMAT, "format_version": FORMAT_VERSION, "written_by": self.written_by, "key": self.key,
            "value": self.value, "hash": self.hash, "partition_key": [f"{word:016x}" for word in PARTITION_KEY],
            "count": self.count, "checksum": checksum,
        }  # fmt: skip
        lines = [f"  {json.dumps(name)}: {json.dumps(value)}," for name, value in values.items()]
        parts = ",\n".join(f"    {json.dumps(vars(part))}" for part in self.parts)
        return "\n".join(["{", *lines, '  "parts": [', parts, "  ]", "}", ""]).encode("ascii")


def part_name(number: int, word: str) -> str:
    """The name of the file of a partition; 16 hexadecimal digits tell one content from another."""
    return f"part-{number:05d}.{word}.pyhmap"


def manifest_of(data: bytes) -> Manifest:
    """The manifest in a file of these bytes. Raises ``ValueError``, which says what is wrong."""
    try:
        found = json.loads(data.decode("ascii"))
        said = {name: found[name] for name in ("format", "format_version", "written_by")}
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValueError("it is no manifest of a dataset, or it is damaged") from None
    if said["format"] == FORMAT and said["format_version"] != FORMAT_VERSION and type(said["format_version"]) is int:
        raise ValueError(
            f"{str(said['written_by'])[:60]!r} wrote it in version {said['format_version']} of the format, and this "
            f"release, {VERSION}, reads version {FORMAT_VERSION}: install that release"
        )
    try:
        manifest = _made_of(found)
        same = manifest.to_bytes()
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"it is damaged: {error}") from None
    if same != data:
        raise ValueError("it is damaged: it is not as this release writes it, or its checksum is wrong")
    return manifest


def _made_of(found: dict[str, Any]) -> Manifest:
    for name in ("key", "value", "hash", "written_by"):
        if not isinstance(found[name], str) or not re.fullmatch(FIELDS[name], found[name]):
            raise ValueError(f"{name} is {str(found[name])[:60]!r}")
    parts = []
    for number, part in enumerate(found["parts"]):
        file, count, size, id = part["file"], part["count"], part["bytes"], part["id"]
        named = isinstance(file, str) and PART_NAME.fullmatch(file)
        if not named or int(named[1]) != number or type(count) is not int or type(size) is not int or count < 0:
            raise ValueError(f"parts[{number}] is {str(part)[:120]}")
        if not isinstance(id, str) or not re.fullmatch("[0-9a-f]{32}", id):
            raise ValueError(f"the id of parts[{number}] is {str(id)[:60]!r}")
        parts.append(Part(file, count, size, id))
    if not 1 <= len(parts) <= MOST_PARTITIONS:
        raise ValueError(f"it has {len(parts):,} parts, and a dataset has 1 to {MOST_PARTITIONS:,}")
    return Manifest(found["key"], found["value"], found["hash"], tuple(parts), found["written_by"])
