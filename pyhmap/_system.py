"""Calls that systems know under different names, or do not know: of files, locks, forks, and cores."""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress

if sys.platform != "win32":
    import fcntl

BINARY: int = getattr(os, "O_BINARY", 0)  # Windows would translate line ends
PATIENCE = 2.0  # seconds in which a file that somebody reads for a moment is closed
PAUSE = 0.01
# Windows locks bytes, not files, and nobody else can then read them: one that lies far behind the contents.
LOCKED_BYTE = 1 << 30


def at_fork(**handlers: Callable[[], object]) -> None:
    """As ``os.register_at_fork``. Without forks there is nothing to do."""
    if sys.platform != "win32":
        os.register_at_fork(**handlers)


def usable_cores() -> int:
    """The number of cores that this process may use."""
    if sys.version_info >= (3, 13):
        return os.process_cpu_count() or 1
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def open_to_read(path: str) -> int:
    """A descriptor of a file."""
    if sys.platform == "win32":
        return os.open(path, os.O_RDONLY | BINARY)
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # else opening a pipe would wait for somebody to write to it


def lock(file: int, *, wait: bool) -> None:
    """Lock an open file; the lock ends with it. If somebody else holds it, wait, or raise ``BlockingIOError``."""
    if sys.platform != "win32":
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        return
    while not _lock_byte(file):
        if not wait:
            raise BlockingIOError(errno.EWOULDBLOCK, os.strerror(errno.EWOULDBLOCK))
        time.sleep(PAUSE)


def unlock(file: int) -> None:
    """Give up the lock of an open file."""
    if sys.platform != "win32":
        fcntl.flock(file, fcntl.LOCK_UN)
    else:
        import msvcrt

        os.lseek(file, LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_UNLCK, 1)


def _lock_byte(file: int) -> bool:
    """Lock a file on Windows, or return False. The position is then the beginning."""
    if sys.platform == "win32":
        import msvcrt

        os.lseek(file, LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        finally:
            os.lseek(file, 0, os.SEEK_SET)
    return True


def flush(file: int) -> None:
    """Wait until the contents of a file are on the disk. On macOS, ``fsync`` does not wait for the disk itself."""
    if sys.platform == "darwin":
        with suppress(OSError):  # of a file system that cannot be asked to
            fcntl.fcntl(file, fcntl.F_FULLFSYNC)
            return
    os.fsync(file)


def flush_folder(folder: str) -> None:
    """Wait until the names in a folder are as safe as the contents of flushed files. Windows cannot be asked to; its
    file system writes changes of names to a journal."""
    if sys.platform != "win32":
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def replace(path: str, target: str) -> None:
    """As ``os.replace``. On Windows that fails while anybody has the target open, so try again for a moment."""
    last = time.monotonic() + PATIENCE
    while True:
        try:
            return os.replace(path, target)
        except OSError as error:
            if not is_in_use(error) or time.monotonic() > last:
                raise
        time.sleep(PAUSE)


def is_in_use(error: OSError) -> bool:
    """Whether an error may say that somebody has a file open, which is then neither replaced nor removed: on Windows.
    Elsewhere, a process that has it open keeps it."""
    return sys.platform == "win32" and isinstance(error, PermissionError)


def stays_replaceable() -> bool:
    """Whether a file that is open can be replaced."""
    return sys.platform != "win32"
