"""A frozen map to a file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from pyhmap._file.blocks import BlockWriter, checksum_of
from pyhmap._file.header import HASHES, PAGE, Header
from pyhmap._file.replace import replaced
from pyhmap._file.types import type_text

PIECE = 1 << 24  # bytes between two calls of `progress`: some hundredths of a second


def save(
    f: Any, kind: str, path: str | os.PathLike[str], progress: Callable[[float], object] | None = None
) -> None:
    """Write a frozen map; ``kind`` is ``"set"`` if it is that of a set."""
    if progress is not None and not callable(progress):
        raise TypeError(f"progress={progress!r}: give a function that takes a fraction, or None")
    hash_key, shape, remap, pilots, entries, texts = f._sections()
    header = Header(
        kind=kind,
        key=type_text(f.key_dtype),
        value=type_text(f.value_dtype),
        hash=HASHES[f._key_form],
        hash_key=hash_key,
        shape=shape,
        row_bytes=f._stride,
        text_bytes=len(texts),
    )
    done, whole = 0, len(entries) + len(texts) + len(remap) * 4 + len(pilots) + 1
    with replaced(path) as file:
        file.write(bytes(len(header.to_bytes())))
        blocks = BlockWriter(file)
        for section in (entries,), (texts,), (remap.view(np.uint8), pilots):
            for piece in _pieces(section):
                blocks.write(piece)
                done += len(piece)
                if progress is not None:
                    progress(done / whole)
            blocks.write(bytes(-blocks.bytes % PAGE))
        checksums = blocks.checksums()
        file.write(checksums)
        file.seek(0)
        file.write(replace(header, checksums=checksum_of(checksums)).to_bytes())
    if progress is not None:
        progress(1.0)


def _pieces(arrays: tuple[Any, ...]) -> Iterator[Any]:
    for array in arrays:
        for at in range(0, len(array), PIECE):
            yield array[at : at + PIECE]
