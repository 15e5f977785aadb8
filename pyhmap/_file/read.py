"""A file to a frozen map."""

from __future__ import annotations

import mmap
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
import numpy.typing as npt

from pyhmap import _system
from pyhmap._file.blocks import checksum_of, first_damaged
from pyhmap._file.header import BLOCK, DIGEST, HASHES, header_of, up
from pyhmap._file.types import type_of_text
from pyhmap.errors import FileFormatError

Bytes = npt.NDArray[np.uint8]

VERIFY = ("header", "structure", "lazy", "full")
PREFETCH = (None, "touch", "copy")
PIECE = 1 << 24  # bytes that are read at a time, so that Ctrl-C is noticed


def check_options(verify: Any, prefetch: Any) -> None:
    """Raise ``ValueError`` unless these are options of :func:`pyhmap.open`."""
    for name, given, known in (("verify", verify, VERIFY), ("prefetch", prefetch, PREFETCH)):
        if given not in known:
            raise ValueError(f"{name}={given!r}: give one of {', '.join(map(repr, known))}")


@contextmanager
def errors_of(path: str) -> Iterator[None]:
    """A ``ValueError`` about the content of a file becomes a ``FileFormatError`` that names it."""
    try:
        yield
    except FileFormatError:
        raise
    except ValueError as error:
        raise FileFormatError(f"{path}: {error}") from None


class OpenFile:
    """A file whose header is right, and its bytes: mapped, or a copy of them."""

    def __init__(self, path: str | os.PathLike[str], prefetch: str | None) -> None:
        self.path = os.fsdecode(path)
        descriptor = _system.open_to_read(self.path)
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise FileFormatError(f"{self.path} is no regular file")
            with errors_of(self.path):
                self.header = header_of(lambda at, size: _read(descriptor, at, size), found.st_size)
                self.bytes = _copied(descriptor, found.st_size) if prefetch == "copy" else _mapped(descriptor, prefetch)
        finally:
            os.close(descriptor)
        if len(self.bytes) != found.st_size:
            raise FileFormatError(f"{self.path} changed while it was opened: it had {found.st_size:,} bytes")
        if prefetch == "touch":
            self.bytes[:: mmap.PAGESIZE].max()
        self.sections = self.header.sections()

    def section(self, name: str) -> Bytes:
        """The bytes of a section."""
        begin, end = self.sections[name]
        return self.bytes[begin:end]

    @property
    def data(self) -> Bytes:
        """All that has checksums."""
        return self.bytes[self.sections["entries"].begin : self.sections["checksums"].begin]

    @property
    def checksums(self) -> Bytes:
        """The digest of each block."""
        return self.section("checksums").reshape(-1, DIGEST)

    def block_of(self, name: str) -> int:
        """The block in which a section begins."""
        return (self.sections[name].begin - self.sections["entries"].begin) // BLOCK

    def verify(self, blocks: range, progress: Callable[[float], object] | None = None) -> None:
        """Check blocks against their checksums, and these against the header."""
        if checksum_of(self.section("checksums")) != self.header.checksums:
            raise FileFormatError(f"{self.path} is damaged: its checksums are. {ADVICE}")
        at_once = PIECE // BLOCK
        for done in range(0, len(blocks), at_once):
            self.verify_blocks(blocks[done : done + at_once])
            if progress is not None:
                progress(min(1.0, (done + at_once) / len(blocks)))

    def verify_blocks(self, blocks: range) -> None:
        """Check blocks against their checksums."""
        block = first_damaged(self.data, self.checksums, blocks)
        if block is not None:
            begin = self.sections["entries"].begin + block * BLOCK
            end = min(begin + BLOCK, self.sections["checksums"].begin)
            raise FileFormatError(f"{self.path} is damaged between byte {begin:,} and byte {end:,}. {ADVICE}")


ADVICE = "Write it again, or take another copy"


def _mapped(descriptor: int, prefetch: str | None) -> Bytes:
    mapped = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
    if prefetch == "touch" and sys.platform == "linux":  # else the first look-up of a key would read megabytes
        with suppress(OSError):  # a system without huge pages
            mapped.madvise(mmap.MADV_HUGEPAGE)
    return np.frombuffer(mapped, np.uint8)


def _read(descriptor: int, at: int, size: int) -> bytes:
    os.lseek(descriptor, at, os.SEEK_SET)
    return os.read(descriptor, size)


def _copied(descriptor: int, size: int) -> Bytes:
    copy = np.empty(size, np.uint8)
    at = 0
    with open(descriptor, "rb", buffering=0, closefd=False) as file:
        file.seek(0)
        while at < size:
            n = file.readinto(copy[at : at + PIECE].data)
            if not n:
                break
            at += n
    copy.setflags(write=False)
    return copy[:at]


def fill(f: Any, file: OpenFile, verify: str, progress: Callable[[float], object] | None = None) -> None:
    """Fill a new map, of the types of the file, with its sections; ``progress`` is that of ``verify="full"``."""
    header = file.header
    structure = verify in ("structure", "full")
    blocks = range(up(len(file.data), BLOCK) // BLOCK)
    if verify == "full":
        file.verify(blocks, progress)
    elif verify == "lazy":  # what leads to the rows; the rows when they are read
        file.verify(blocks[file.block_of("index") :])
    with errors_of(file.path):
        if header.hash != HASHES[f._key_form] or header.row_bytes != f._stride:
            raise ValueError(f"keys of type {header.key} with {header.hash} and rows of {header.row_bytes} bytes")
        sections = file.section("index"), file.section("entries"), file.section("texts")
        f._adopt(header.hash_key, header.shape, *sections, structure)
    if verify == "lazy":
        texts_at = file.sections["texts"].begin - file.sections["entries"].begin
        f._verify_with(lambda block: file.verify_blocks(range(block, block + 1)), len(blocks), texts_at)
    if verify == "full" and (row := f._first_astray()) < len(f):
        raise FileFormatError(f"{file.path} is damaged: the key of row {row:,} does not lead to it")


def types_of(file: OpenFile) -> tuple[Any, Any]:
    """The types of keys and values."""
    with errors_of(file.path):
        return type_of_text(file.header.key), type_of_text(file.header.value)
