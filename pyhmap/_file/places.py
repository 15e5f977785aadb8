"""Where files lie: a path of this machine, or a URL that fsspec reads, such as ``s3://bucket/prices``."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from pyhmap import _system
from pyhmap._file.header import LONGEST
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


@contextmanager
def open_source(source: str, at_once: int = LONGEST) -> Iterator[BinaryIO]:
    """A file at a path or URL, open for reading. It can seek. From a URL, some more than so many bytes are asked for at
    once: as many as a header has, unless you say so."""
    if is_url(source):
        try:
            import fsspec
        except ImportError as error:
            raise ImportError(f"to read {source}, fsspec is needed: pip install 'pyhmap[remote]'") from error
        system, path = fsspec.url_to_fs(source)
        with system.open(path, "rb", block_size=at_once) as file:
            yield file
    else:
        descriptor = _system.open_to_read(source)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise FileFormatError(f"{source} is no regular file")
            with open(descriptor, "rb", closefd=False) as local:
                yield local
        finally:
            os.close(descriptor)


def content(place: str, longest: int) -> bytes:
    """The bytes of a file. Raises ``FileFormatError`` if there are more than ``longest``; else what ``open_source``
    does."""
    with open_source(place) as file:
        found = file.read(longest + 1)
    if len(found) > longest:
        raise FileFormatError(f"{place} has more than {longest:,} bytes")
    return found
