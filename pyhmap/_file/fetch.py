"""A file that lies elsewhere: copied once into a cache folder of this machine, for all its processes.

    take the lock  ->  copy, and verify all checksums  ->  flush  ->  rename  ->  release the lock

The copy is named after the id of the file, ``ID.pyhmap``, and never changes. While it is made, ``ID.lock`` is there,
and a temporary file, ``.ID.pyhmap.RANDOM.tmp``. A process that is killed leaves both; its lock ends with it, and who
takes the lock next removes them.
"""

from __future__ import annotations

import io
import os
import re
from typing import BinaryIO

from pyhmap._file.blocks import BlockWriter, checksum_of
from pyhmap._file.header import BLOCK, DIGEST, LONGEST, Header, header_of
from pyhmap._file.lock import locked
from pyhmap._file.places import open_source
from pyhmap._file.read import errors_of
from pyhmap._file.replace import replaced
from pyhmap.errors import FileFormatError

PIECE = 4 * BLOCK  # bytes that are in memory at a time
ID = re.compile(rf"[0-9a-f]{{{2 * DIGEST}}}")


def fetched(source: str, id: str, cache: str) -> str:
    """The path of a copy of a file in a cache folder. It is made if it is not there, or damaged at first sight: its
    header is wrong, or its size.

    Parameters
    ----------
    source
        Where the file is: a path, or a URL that fsspec can read, such as ``"s3://bucket/prices.pyhmap"``.
    id
        The id of the file, as ``id_of`` returns it: the copy has this content and no other.
    cache
        A folder of a local file system. It is made if it is missing, and only its owner can read it then.

    Any number of processes and threads of a machine may call this at the same time: one of them copies, and the others
    wait for it. All checksums are verified before the copy gets its name. Whatever fails, there is the whole file of
    that name or none, and what was begun is removed.

    Raises
    ------
    FileFormatError
        The file at the source has another id, is damaged, was cut off, or is not a pyhmap file.
    ImportError
        ``source`` is a URL, and fsspec is not installed.
    OSError
        The source cannot be read, or the cache cannot be written. fsspec may raise other errors for a URL.
    ValueError
        ``id`` is not an id.
    """
    if not isinstance(id, str) or not ID.fullmatch(id):
        raise ValueError(f"id={id!r}: give the {2 * DIGEST} hexadecimal digits of a file's id")
    cache = os.path.abspath(cache)
    os.makedirs(cache, mode=0o700, exist_ok=True)
    path = os.path.join(cache, f"{id}.pyhmap")
    if not _has(path, id):
        with locked(os.path.join(cache, f"{id}.lock"), wait=True):
            if not _has(path, id):
                _remove_unfinished(cache, id)
                _copy(source, id, path)
    return path


def id_of(source: str) -> str:
    """The id of a file at a path or URL, by its header alone.

    Raises
    ------
    FileFormatError
        It is not a pyhmap file, or it is damaged or cut off.
    ImportError
        ``source`` is a URL, and fsspec is not installed.
    OSError
        It cannot be read. fsspec may raise other errors for a URL.
    """
    return header_at(source).id


def header_at(source: str) -> Header:
    """The header of a file at a path or URL. Raises what :func:`id_of` does."""
    with open_source(source) as file:
        return _header(source, file)


def _header(source: str, file: BinaryIO) -> Header:
    """The header of an open file. The file is then anywhere."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    start = file.read(min(size, LONGEST))
    with errors_of(source):
        return header_of(lambda at, n: start[at : at + n], size)


def _has(path: str, id: str) -> bool:
    """Whether a file is there, with a header that has this id, and of the size that the header says."""
    try:
        return id_of(path) == id
    except (FileNotFoundError, FileFormatError):
        return False


def _copy(source: str, id: str, path: str) -> None:
    with open_source(source, PIECE) as file:
        header = _header(source, file)
        if header.id != id:
            raise FileFormatError(
                f"{source} has the id {header.id}, not {id}: it was replaced by another file. Ask for the new one by "
                "its id, or put the old one back"
            )
        with replaced(path) as copy:
            _copy_verified(source, file, header, copy)


def _copy_verified(source: str, file: BinaryIO, header: Header, copy: BinaryIO) -> None:
    """Copy an open file of this header. Its checksums are computed from what is written."""
    at, end = header.sections()["checksums"]
    data = len(header.to_bytes())
    copy.write(header.to_bytes())
    file.seek(data)
    blocks = BlockWriter(copy)
    while blocks.bytes < at - data:
        piece = file.read(min(PIECE, at - data - blocks.bytes))
        if not piece:
            raise FileFormatError(
                f"{source} ended after {data + blocks.bytes:,} of {end:,} bytes: it was cut off while it was copied"
            )
        blocks.write(piece)
    checksums = blocks.checksums()
    said = file.read(len(checksums))
    if said != checksums or checksum_of(checksums) != header.checksums:
        raise FileFormatError(f"{source} is damaged, or was on the way here. Try again, or take another copy")
    copy.write(checksums)


def _remove_unfinished(cache: str, id: str) -> None:
    """Remove what replaced() has left of copies of this file. Only who has the lock may do that."""
    left = re.compile(rf"\.{id}\.pyhmap\.[0-9a-f]+\.tmp")
    for name in os.listdir(cache):
        if left.fullmatch(name):
            os.unlink(os.path.join(cache, name))
