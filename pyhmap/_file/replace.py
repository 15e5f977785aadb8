"""Replacing a file as a whole.

    write a temporary file beside it  ->  flush it  ->  rename it onto the old one  ->  flush the folder

At every moment the name leads to the old file or to the new one, whole; after a crash of the machine, too. A process
that has the old file open or mapped keeps it.

Source: Pillai et al., "All File Systems Are Not Created Equal", OSDI 2014: a rename without the flush before it may
leave an empty file, and without the one after it may be lost.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from pyhmap import _system


@contextmanager
def replaced(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A file to write that takes the name ``path`` when the block ends. If it ends with an exception, or the file
    cannot take the name, nothing has changed. A link is followed: the file it leads to is replaced.

    The temporary file is named ``.NAME.RANDOM.tmp``. One that a killed process has left can be removed.
    """
    target = os.path.realpath(os.fsdecode(path))
    folder, name = os.path.split(target)
    temporary = os.path.join(folder, f".{name}.{secrets.token_hex(8)}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _system.BINARY, 0o666)
    try:
        with open(descriptor, "wb") as file:
            yield file
            file.flush()
            _system.flush(file.fileno())
        _system.replace(temporary, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
    _system.flush_folder(folder)
