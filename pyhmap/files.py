"""Opening and checking the files that ``save`` writes."""

from __future__ import annotations

import hashlib
import os
from typing import Any, Literal

from pyhmap._file import read
from pyhmap.errors import FileFormatError
from pyhmap.frozen import FrozenMap
from pyhmap.frozen_set import FrozenSet


def open(
    path: str | os.PathLike[str],
    *,
    verify: Literal["header", "structure", "lazy", "full"] = "structure",
    prefetch: Literal["touch", "copy"] | None = None,
    sha256: str | None = None,
) -> Any:
    """The :class:`FrozenMap` or :class:`FrozenSet` that a file holds. The file is mapped, not read: all processes that
    open it share one copy of its pages.

    Parameters
    ----------
    path
        A file that ``save`` has written.
    verify
        What is checked before the map is returned. No damage leads a read outside of the file; damage that was not
        looked for may give wrong or missing answers.

        * ``"header"``: types, sizes, and the checksum of the header.
        * ``"structure"``: also that no row and no text is led outside of the file. Takes time in proportion to the
          number of rows, if there are texts; else one pass over a hundredth of the file.
        * ``"lazy"``: the checksums of what leads to the rows. The first read of each MiB of rows and texts verifies it,
          and raises ``FileFormatError`` if it is damaged.
        * ``"full"``: all checksums, the structure, and that each key is found.
    prefetch
        ``None``: pages are read from the disk when they are first used. ``"touch"``: all at once. ``"copy"``: into
        memory of this process. Then a file that others cut off or write over is no danger, and network file systems,
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
    if verify not in read.VERIFY:
        raise ValueError(f"verify={verify!r}: give one of {', '.join(map(repr, read.VERIFY))}")
    if prefetch not in read.PREFETCH:
        raise ValueError(f"prefetch={prefetch!r}: give one of {', '.join(map(repr, read.PREFETCH))}")
    if sha256 is not None and (not isinstance(sha256, str) or len(sha256) != 64):
        raise ValueError(f"sha256={sha256!r}: give 64 hexadecimal digits")
    file = read.OpenFile(path, prefetch)
    if sha256 is not None:
        _check_sha256(file, sha256)
    key, value = read.types_of(file)
    is_set = file.header.kind == "set"
    try:
        m: FrozenMap[Any, Any] = FrozenMap._empty(key, value, None)
    except TypeError as error:
        raise FileFormatError(f"{file.path} is damaged: {error}") from None
    if is_set and file.header.value != "|V0":
        raise FileFormatError(f"{file.path} is damaged: it is a set, and has values of type {file.header.value}")
    read.fill(m, file, verify)
    return FrozenSet._over(m) if is_set else m


def check_file(path: str | os.PathLike[str]) -> None:
    """Read a whole file and check every byte of it, as ``open(path, verify="full")`` does. Raises what that raises.

    >>> import os, tempfile
    >>> import pyhmap
    >>> path = os.path.join(tempfile.mkdtemp(), "known.pyhmap")
    >>> pyhmap.HSet(int, [1, 2, 3]).save(path)
    >>> pyhmap.check_file(path)
    """
    open(path, verify="full").close()


def _check_sha256(file: read.OpenFile, wanted: str) -> None:
    found = hashlib.sha256()
    for at in range(0, len(file.bytes), read.PIECE):
        found.update(file.bytes[at : at + read.PIECE])
    if found.hexdigest() != wanted.lower():
        raise FileFormatError(f"{file.path} has the SHA-256 {found.hexdigest()}, not {wanted}: it is another file")
