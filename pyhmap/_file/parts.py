"""A folder of files, one for each part of a whole, and the manifest that names them.

    folder/
      manifest.json                   what the whole is, and the file of each part; replaced last
      part-0123456789abcdef.pyhmap    a frozen map or set, which never changes; its name is random

    write the new parts  ->  replace the manifest  ->  remove the files that it does not name

At every moment the manifest names whole files, those of the last save that came to its end.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Collection
from contextlib import suppress
from typing import Any

from pyhmap import _system
from pyhmap._file.replace import replaced
from pyhmap.errors import FileFormatError

MANIFEST = "manifest.json"
FORMAT = 1
MOST = 1 << 20  # bytes of a manifest: those of the most parts that there can be take two thirds
PART = re.compile(r"part-[0-9a-f]{16}\.pyhmap")


def new_name() -> str:
    """The name of a file for a part: one that no earlier save has used."""
    return f"part-{secrets.token_hex(8)}.pyhmap"


def make_folder(folder: str) -> None:
    """Make a folder that is missing; not those above it."""
    with suppress(FileExistsError):
        os.mkdir(folder)
        _system.flush_folder(os.path.dirname(folder))


def manifest_of(content: dict[str, Any]) -> bytes:
    """The bytes of a manifest, in one line: json's code for several leaves cycles of functions to the collector."""
    return json.dumps({"format": FORMAT, **content}).encode() + b"\n"


def read_manifest(folder: str) -> bytes:
    """The bytes of the manifest of a folder. Raises ``FileNotFoundError`` if there is none."""
    with open(os.path.join(folder, MANIFEST), "rb") as file:
        return file.read(MOST + 1)


def write_manifest(folder: str, manifest: bytes) -> None:
    """Make a manifest the one of the folder."""
    with replaced(os.path.join(folder, MANIFEST)) as file:
        file.write(manifest)


def content_of(manifest: bytes, where: str) -> dict[str, Any]:
    """What is in a manifest. Raises ``FileFormatError`` if it is none of this format."""
    try:
        if len(manifest) > MOST:
            raise ValueError("it is too long")
        content = json.loads(manifest)
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise ValueError(f"it is no JSON object with format {FORMAT}")
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"{where} is no manifest of this release ({error}): save again") from None
    return content


def names_in(content: dict[str, Any]) -> list[tuple[int, str]]:
    """The number and the file of each part. Raises ``ValueError`` unless each is named once, in order, as a save does:
    no name leads out of the folder."""
    found = content.get("live")
    if not isinstance(found, list):
        raise ValueError("it has no list of parts")
    for pair in found:
        if not isinstance(pair, list) or len(pair) != 2 or type(pair[0]) is not int or not isinstance(pair[1], str):
            raise ValueError(f"{str(pair)[:100]} is no pair of a number and a file")
        if not PART.fullmatch(pair[1]):
            raise ValueError(f"{pair[1][:100]!r} is no name of a file of a part")
    numbers, names = [number for number, _ in found], [name for _, name in found]
    if numbers != sorted(set(numbers)) or len(set(names)) != len(names):
        raise ValueError("a part is named twice, or out of order")
    return [(number, name) for number, name in found]


def sweep(folder: str) -> None:
    """Remove the files of parts that the manifest does not name. What cannot be removed stays for the next time."""
    with suppress(OSError, ValueError):  # without a manifest that can be read, nothing is removed
        remove_others(folder, dict(names_in(content_of(read_manifest(folder), folder))).values(), PART)


def remove_others(folder: str, named: Collection[str], part: re.Pattern[str]) -> None:
    """Remove files with names of parts that are none of these, and what replaced() has left of any that was killed."""
    unfinished = re.compile(rf"\.({part.pattern}|{re.escape(MANIFEST)})\.[0-9a-f]+\.tmp")
    for name in os.listdir(folder):
        if (part.fullmatch(name) and name not in named) or unfinished.fullmatch(name):
            with suppress(OSError):
                os.unlink(os.path.join(folder, name))
