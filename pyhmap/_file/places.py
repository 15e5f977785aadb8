"""Where files lie: a path of this machine, or a URL that fsspec reads, such as ``s3://bucket/prices``."""

from __future__ import annotations

import os

from pyhmap._file.fetch import open_source
from pyhmap.errors import FileFormatError


def is_url(place: str) -> bool:
    """
    >>> is_url("s3://bucket/prices"), is_url("/data/prices")
    (True, False)
    """
    return "://" in place


def joined(folder: str, name: str) -> str:
    """A file in a folder.

    >>> joined("s3://bucket/prices/", "manifest.json")
    's3://bucket/prices/manifest.json'
    """
    return f"{folder.rstrip('/')}/{name}" if is_url(folder) else os.path.join(folder, name)


def content(place: str, longest: int) -> bytes:
    """The bytes of a file. Raises ``FileFormatError`` if there are more than ``longest``; else what ``open_source``
    does."""
    with open_source(place) as file:
        found = file.read(longest + 1)
    if len(found) > longest:
        raise FileFormatError(f"{place} has more than {longest:,} bytes")
    return found
