"""Files: opened, checked, and built from more rows than memory holds."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from typing import Any, Literal

import numpy as np

from pyhmap._file import build, read
from pyhmap.errors import FileFormatError
from pyhmap.frozen import FrozenMap, Progress, halves
from pyhmap.frozen_index import FrozenIndex, first_wrong_row
from pyhmap.frozen_set import FrozenSet

VALUES = {"set": "|V0", "index": "<i8"}  # the type of the values of each kind of file


def open(
    path: str | os.PathLike[str],
    *,
    verify: Literal["header", "structure", "lazy", "full"] = "structure",
    prefetch: Literal["touch", "copy"] | None = None,
    sha256: str | None = None,
) -> Any:
    """The :class:`FrozenMap`, :class:`FrozenSet` or :class:`FrozenIndex` that a file holds. The file is mapped, not
    read: all processes that open it share one copy of its pages.

    Parameters
    ----------
    path
        A file that ``save`` has written.
    verify
        What is checked before the map is returned. No damage leads a read outside of the file; damage that was not
        looked for may give wrong or missing answers.

        * ``"header"``: types, sizes, and the checksum of the header.
        * ``"structure"``: also that no row and no text is led outside of the file. Takes time in proportion to the
          number of rows, if there are texts or codes; else one pass over a hundredth of the file.
        * ``"lazy"``: the checksums of what leads to the rows. The first read of each MiB of rows and texts verifies it,
          and raises ``FileFormatError`` if it is damaged.
        * ``"full"``: all checksums, the structure, and that each key and each code is found.
    prefetch
        ``None``: pages are read from the disk when they are first used. ``"touch"``: all at once. ``"copy"``: into
        memory of this process. Then a file that others cut off or write over is not a danger, and network file systems,
        where mapped files are slow, are read at full speed.
    sha256
        The SHA-256 of the file in hexadecimal, from a source that you trust: the whole file is read, and must have it.
        Checksums find accidents, this finds forgeries.

    Raises
    ------
    FileFormatError
        The file is damaged, cut off, no file of pyhmap, or of a release that this one cannot read.
    OSError
        It cannot be read.

    Notes
    -----
    While a file is mapped, it may be replaced and removed, but not cut off or written over: to touch a page that is no
    longer there kills the process (SIGBUS). ``save`` replaces.

    Examples
    --------
    >>> import os, tempfile
    >>> import pyhmap
    >>> path = os.path.join(tempfile.mkdtemp(), "prices.pyhmap")
    >>> pyhmap.HMap(str, float, {"tea": 2.5, "cake": 4.0}).save(path)
    >>> with pyhmap.open(path) as prices:
    ...     prices["tea"], prices.get_many(["cake", "ham"], default=0.0)
    (2.5, array([4., 0.]))
    """
    read.check_options(verify, prefetch)
    if sha256 is not None and (not isinstance(sha256, str) or len(sha256) != 64):
        raise ValueError(f"sha256={sha256!r}: give 64 hexadecimal digits")
    return _map_in(read.OpenFile(path, prefetch), verify, sha256)


def build_file(
    batches: Iterable[Any],
    path: str | os.PathLike[str],
    *,
    memory: int | str = "2GB",
    on_duplicate: Literal["raise", "last"] = "raise",
    seed: int | None = None,
    progress: Progress | None = None,
) -> None:
    """Write a file of a :class:`FrozenMap` that may be larger than memory. A file of that name is replaced as a whole,
    as :meth:`FrozenMap.save` does.

    Parameters
    ----------
    batches
        Any number of batches, each taken once: pairs ``(keys, values)`` of what :meth:`FrozenMap.from_arrays` takes, or
        Arrow record batches, tables and data frames of two columns, the keys first. The first batch with rows decides
        the types; keys and values of the others must be such as a map of these types takes.
    path
        The name of the file; by custom it ends in ``.pyhmap``.
    memory
        Bytes, or a text such as ``"500MB"``, ``"2GB"`` (10^9) or ``"2GiB"`` (2^30): what is used at most, besides some
        megabytes and the batch at hand.
    on_duplicate
        ``"raise"``: two equal keys are an error. ``"last"``: the last value of a key counts; this takes one more pass.
    seed
        An int makes the file the same for the same batches and the same ``memory``.
    progress
        A function of one argument. When all batches have been taken, it is called again and again with the part of the
        rest that is done, a float up to 1.0. It may raise: then nothing has changed.

    Raises
    ------
    ValueError
        A key occurs twice: the message names it, without its positions. A key or a value is null; keys and values of a
        batch differ in number; there is no batch; an argument has another value than those above. The message has the
        number of the batch, counted from 0.
    TypeError
        A batch is not a pair, or is of a type that the file does not hold.
    OSError
        The disk is full, or the folder is missing or read-only.

    Notes
    -----
    Temporary files in the folder of ``path`` take as much room as the rows, in addition to the file; long texts take
    theirs once more. They have no names, so nothing is left of them, even if the process is killed.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> import pyhmap
    >>> path = os.path.join(tempfile.mkdtemp(), "squares.pyhmap")
    >>> thousands = (np.arange(i, i + 1000) for i in range(0, 10_000, 1000))
    >>> pyhmap.build_file(((n, n * n) for n in thousands), path, memory="1MB")
    >>> with pyhmap.open(path) as squares:
    ...     len(squares), squares[9999]
    (10000, 99980001)
    """
    if on_duplicate not in ("raise", "last"):
        raise ValueError(f"on_duplicate={on_duplicate!r}: give 'raise' or 'last'")
    build.build(batches, path, memory, on_duplicate == "last", seed, progress)


def check_file(path: str | os.PathLike[str]) -> None:
    """Read a whole file and check every byte of it, as ``open(path, verify="full")`` does. Raises what that raises.

    >>> import os, tempfile
    >>> import pyhmap
    >>> path = os.path.join(tempfile.mkdtemp(), "known.pyhmap")
    >>> pyhmap.HSet(int, [1, 2, 3]).save(path)
    >>> pyhmap.check_file(path)
    """
    open(path, verify="full").close()


def _map_in(file: read.OpenFile, verify: str, sha256: str | None = None, progress: Progress | None = None) -> Any:
    """What an opened file holds. ``progress`` is called with the part of its bytes that was checked."""
    if sha256 is not None:
        first, progress = halves(progress)
        _check_sha256(file, sha256, first)
    key, value = read.types_of(file)
    kind = file.header.kind
    try:
        m: FrozenMap[Any, Any] = FrozenMap._empty(key, value, None)
    except TypeError as error:
        raise FileFormatError(f"{file.path} is damaged: {error}") from None
    if file.header.value != VALUES.get(kind, file.header.value):
        raise FileFormatError(f"{file.path} is damaged: its kind is {kind}, and its values are {file.header.value}")
    read.fill(m, file, verify, progress)
    if kind == "set":
        return FrozenSet._over(m)
    return m if kind == "map" else _index_over(m, file, verify)


def _index_over(m: FrozenMap[Any, Any], file: read.OpenFile, verify: str) -> FrozenIndex[Any]:
    """The index of a map from keys to codes, and of the rows of the codes in the same file."""
    rows = file.section("rows").view(np.uint32)
    if verify in ("structure", "full") and len(rows) and rows.max() >= len(rows):
        raise FileFormatError(f"{file.path} is damaged: code {rows.argmax():,} leads outside of the rows")
    if verify == "full" and (wrong := first_wrong_row(m, rows)) is not None:
        raise FileFormatError(f"{file.path} is damaged: code {wrong:,} does not lead to its key")
    return FrozenIndex._over(m, rows)


def _check_sha256(file: read.OpenFile, wanted: str, progress: Progress | None) -> None:
    found = hashlib.sha256()
    for at in range(0, len(file.bytes), read.PIECE):
        found.update(file.bytes[at : at + read.PIECE].data)
        if progress is not None:
            progress(min(1.0, (at + read.PIECE) / len(file.bytes)))
    if found.hexdigest() != wanted.lower():
        raise FileFormatError(f"{file.path} has the SHA-256 {found.hexdigest()}, not {wanted}: it is another file")
