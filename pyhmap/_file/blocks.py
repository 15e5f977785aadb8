"""The checksums of a file: XXH3-128 of each MiB behind the header, up to the section of checksums.

They find damage, by accident or by a disk. They are no protection against who wants to deceive: whoever can change the
file can change them.
"""

from __future__ import annotations

from typing import Any, BinaryIO

import xxhash

from pyhmap._file.header import BLOCK


class BlockWriter:
    """Writes the data of a file, and computes the checksums of its blocks."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.bytes = file, 0
        self.digests: list[bytes] = []
        self._hash = xxhash.xxh3_128()

    def write(self, data: Any) -> None:
        """Write the next bytes: an object with a buffer of bytes."""
        view = memoryview(data)
        while len(view):
            piece = view[: BLOCK - self.bytes % BLOCK]
            self.file.write(piece)
            self._hash.update(piece)
            self.bytes += len(piece)
            view = view[len(piece) :]
            if self.bytes % BLOCK == 0:
                self._end_block()

    def checksums(self) -> bytes:
        """The section of checksums. Nothing can be written after that."""
        if self.bytes % BLOCK:
            self._end_block()
        return b"".join(self.digests)

    def _end_block(self) -> None:
        self.digests.append(self._hash.digest())
        self._hash.reset()


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
