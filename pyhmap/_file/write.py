"""A frozen map to a file, and that of a set or an index."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from pyhmap._file.blocks import BlockWriter, checksum_of
from pyhmap._file.header import HASHES, PAGE, Header
from pyhmap._file.replace import replaced
from pyhmap._file.types import type_text

PIECE = 1 << 24  # bytes between two calls of `progress`: some hundredths of a second


def save(
    f: Any,
    kind: str,
    path: str | os.PathLike[str],
    progress: Callable[[float], object] | None = None,
    rows: npt.NDArray[np.uint32] | None = None,
) -> None:
    """Write a frozen map; ``kind`` is ``"set"`` if it is that of a set, and ``"index"`` if it is that of an id map, of
    which ``rows`` are the rows of the codes."""
    check_progress(progress)
    hash_key, shape, remap, pilots, entries, texts = f._sections()
    header = header_for(f, kind, hash_key, shape, len(texts))
    sections = [[entries], [texts], [remap.view(np.uint8), pilots]]
    if rows is not None:
        sections.append([rows.view(np.uint8)])
    done, whole = 0, sum(len(array) for section in sections for array in section) + 1

    def pieces(arrays: list[Any]) -> Iterator[Any]:
        nonlocal done
        for array in arrays:
            for at in range(0, len(array), PIECE):
                yield array[at : at + PIECE]
                done += min(PIECE, len(array) - at)
                if progress is not None:
                    progress(done / whole)

    with replaced(path) as file:
        write_file(file, header, map(pieces, sections))
    if progress is not None:
        progress(1.0)


def check_progress(progress: Any) -> None:
    """Raise ``TypeError`` unless this can be called, or is None."""
    if progress is not None and not callable(progress):
        raise TypeError(f"progress={progress!r}: give a function that takes a fraction, or None")


def header_for(f: Any, kind: str, hash_key: Any, shape: Any, text_bytes: int) -> Header:
    """The header for a map of the types of ``f``. Raises ``TypeError`` if a type cannot be in a file."""
    return Header(
        kind=kind,
        key=type_text(f.key_dtype),
        value=type_text(f.value_dtype),
        hash=HASHES[f._key_form],
        hash_key=hash_key,
        shape=shape,
        row_bytes=f._stride,
        text_bytes=text_bytes,
    )


def write_file(file: BinaryIO, header: Header, sections: Iterable[Iterable[Any]]) -> None:
    """Write a header and the sections, each in pieces of bytes: the entries, the texts, the index, and of an id map the
    rows of the codes. Their sizes are those of the header. The file is written once, from its beginning to its end; but
    the header comes last."""
    file.write(bytes(len(header.to_bytes())))
    blocks = BlockWriter(file)
    for section in sections:
        for piece in section:
            blocks.write(piece)
        blocks.write(bytes(-blocks.bytes % PAGE))
    checksums = blocks.checksums()
    file.write(checksums)
    file.seek(0)
    file.write(replace(header, checksums=checksum_of(checksums)).to_bytes())
