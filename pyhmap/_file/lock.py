"""A lock that processes and threads of a machine share: a file, which one of them at a time has locked.

The lock belongs to an open file, and ends with it, even if the process is killed. Its holder removes the file at the
end. So a process that gets the lock of a file that has no name any more tries again with the one that has.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from pyhmap import _system

# The lock files that are open in this process. No fork happens between the moment when one is open and that when it is
# in the set, and a child closes them: else it would keep a lock when its parent dies.
_open_locks: set[int] = set()
_forking = threading.RLock()


def _after_fork() -> None:
    _forking.release()
    while _open_locks:
        os.close(_open_locks.pop())


_system.at_fork(before=_forking.acquire, after_in_parent=_forking.release, after_in_child=_after_fork)


@contextmanager
def locked(path: str, *, wait: bool) -> Iterator[None]:
    """Hold the lock of a file, which is made. If somebody else holds it, wait, or raise ``BlockingIOError``."""
    while True:
        with _forking:
            lock = os.open(path, os.O_RDWR | os.O_CREAT | _system.BINARY, 0o600)
            _open_locks.add(lock)
        try:
            _system.lock(lock, wait=wait)
            if _is_named(lock, path):
                try:
                    yield
                finally:
                    if lock in _open_locks:  # not in a child that was forked in between
                        with suppress(OSError):  # Windows keeps it: it is open
                            os.unlink(path)
                return
        finally:
            with _forking:
                if lock in _open_locks:
                    _open_locks.remove(lock)
                    os.close(lock)


def _is_named(file: int, path: str) -> bool:
    """Whether an open file has this name."""
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(file), os.stat(path))
    return False
