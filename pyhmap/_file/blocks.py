"""The checksums of a file: XXH3-128 of each MiB behind the header, up to the section of checksums.

They find damage, by accident or by a disk. They do not protect against deliberate tampering: anyone who can change
the file can change them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

import xxhash

from pyhmap._file.header import BLOCK

HUGE_PAGE = 1 << 21  # bytes


class BlockWriter:
    """Writes the data of a file, from where the file is, and computes the checksums of its blocks.

    It writes up to the next multiple of a huge page at once. Linux keeps what one call writes in pages as large as fit
    there, if the file system can, and maps them as they are: then a file that was just written is read as fast as
    memory.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.bytes = file, 0
        self.digests: list[bytes] = []
        self._hash = xxhash.xxh3_128()
        self._end = file.tell()
        self._waiting = bytearray()  # the part of a huge page that is not written yet

    def write(self, data: Any) -> None:
        """Write the next bytes: an object with a buffer of bytes."""
        view = memoryview(data)
        for piece in _pieces(view, self.bytes, BLOCK):
            self._hash.update(piece)
            self.bytes += len(piece)
            if self.bytes % BLOCK == 0:
                self._end_block()
        for piece in _pieces(view, self._end, HUGE_PAGE):
            self._end += len(piece)
            if len(piece) == HUGE_PAGE:
                self.file.write(piece)
            else:
                self._waiting += piece
                if self._end % HUGE_PAGE == 0:
                    self._flush()

    def checksums(self) -> bytes:
        """The section of checksums. Nothing can be written after that."""
        self._flush()
        if self.bytes % BLOCK:
            self._end_block()
        return b"".join(self.digests)

    def _flush(self) -> None:
        self.file.write(self._waiting)
        self._waiting = bytearray()

    def _end_block(self) -> None:
        self.digests.append(self._hash.digest())
        self._hash.reset()


def _pieces(view: memoryview, at: int, unit: int) -> Iterator[memoryview]:
    """The parts of some bytes that begin at a position, each up to the next multiple of a unit."""
    while len(view):
        piece = view[: unit - at % unit]
        yield piece
        at += len(piece)
        view = view[len(piece) :]


def checksum_of(data: Any) -> bytes:
    """XXH3-128."""
    return xxhash.xxh3_128_digest(data)


def first_damaged(data: Any, checksums: Any, blocks: range) -> int | None:
    """The first of some blocks of the data behind the header whose checksum is wrong; None if all are right."""
    for block in blocks:
        piece = data[block * BLOCK : (block + 1) * BLOCK]
        if checksum_of(piece) != bytes(checksums[block]):
            return block
    return None
