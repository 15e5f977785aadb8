"""Generations: files of one name that one process publishes, one after the other, and any number of readers follow.

For the name ``users``, a folder holds ``users.00000042.pyhmap``, a generation, which never changes; ``users.CURRENT``,
one line that names the generation to read; and ``users.lock``, which the one publisher holds. docs/files.md says what a
crash leaves.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import re
import threading
import time
import warnings
import weakref
from collections.abc import Iterator
from typing import Any, Self

import numpy as np

from pyhmap import _system, files
from pyhmap._file.replace import replaced
from pyhmap.errors import FileFormatError
from pyhmap.frozen import FrozenMap, Progress
from pyhmap.frozen_index import FrozenIndex
from pyhmap.frozen_set import FrozenSet
from pyhmap.hindex import HIndex
from pyhmap.hmap import HMap
from pyhmap.hset import HSet

_MOST = 255  # bytes of a file name, and so of what CURRENT may hold

# What a child that is forked has to do with the publishers and subscribers of its parent. No fork happens between the
# moment when a lock file is open and that when its publisher is in the set: the child would share the lock, and keep it
# when the parent dies.
_made: weakref.WeakSet[Publisher | Subscriber] = weakref.WeakSet()
_forking = threading.RLock()


def _after_fork() -> None:
    _forking.release()
    for one in list(_made):
        one._after_fork()


_system.at_fork(before=_forking.acquire, after_in_parent=_forking.release, after_in_child=_after_fork)


class _Files:
    """The files of one name in a folder."""

    def __init__(self, folder: str | os.PathLike[str], name: str) -> None:
        if not isinstance(name, str) or not re.fullmatch("[A-Za-z0-9_-]+", name):
            raise ValueError(f"name={name!r}: give ASCII letters, digits, '_' and '-'; the names of the files begin so")
        self.folder = os.path.abspath(os.fsdecode(folder))  # the process may change its working folder
        self.name = name
        self.current = os.path.join(self.folder, f"{name}.CURRENT")
        self.lock = os.path.join(self.folder, f"{name}.lock")

    def path(self, number: int) -> str:
        """Of a generation."""
        return os.path.join(self.folder, f"{self.name}.{number:08d}.pyhmap")

    def number_of(self, file: str) -> int:
        """The number of the generation in a file of this name; 0 if it is not a generation."""
        found = re.fullmatch(rf"{self.name}\.([0-9]{{8,}})\.pyhmap", file)
        number = int(found[1]) if found else 0
        return number if file == os.path.basename(self.path(number)) else 0

    def numbers(self) -> list[int]:
        """The numbers of the generations in the folder, in order."""
        return sorted(number for number in map(self.number_of, os.listdir(self.folder)) if number)

    def temporaries(self) -> list[str]:
        """The paths of what replaced() has left of files that were being written."""
        left = re.compile(rf"\.{self.name}\.([0-9]{{8,}}\.pyhmap|CURRENT)\.[0-9a-f]+\.tmp")
        return [os.path.join(self.folder, file) for file in os.listdir(self.folder) if left.fullmatch(file)]

    def open_current(self) -> tuple[int, int]:
        """CURRENT, open for reading, and the number of the generation that it names."""
        file = _system.open_to_read(self.current)
        try:
            content = os.read(file, _MOST + 2)
            number = self.number_of(content.decode("latin-1").removesuffix("\n"))
            if not number or not content.endswith(b"\n"):
                raise FileFormatError(
                    f"{self.current} holds {content!r}, and must hold a line such as "
                    f"{os.path.basename(self.path(1))!r}: remove it, and publish again"
                )
            return file, number
        except BaseException:
            os.close(file)
            raise

    def take_lock(self) -> int:
        """The lock file, open and locked. The lock belongs to the open file, and ends with its last descriptor."""
        # A program that is executed does not inherit it.
        file = os.open(self.lock, os.O_RDWR | os.O_CREAT | _system.BINARY, 0o666)
        try:
            try:
                _system.lock(file, wait=False)
            except BlockingIOError:
                holder = os.read(file, 20).strip()
                who = f", process {holder.decode()}" if holder.isdigit() else ""
                said = f"{self.name!r} in {self.folder} has a publisher{who}, and only one at a time may publish"
                raise BlockingIOError(errno.EWOULDBLOCK, said, self.lock) from None
            os.ftruncate(file, 0)
            os.write(file, b"%d\n" % os.getpid())
        except BaseException:
            os.close(file)
            raise
        return file


class Publisher:
    """The one writer of the generations of ``name`` in ``folder``. Readers have a :class:`Subscriber`.

    Parameters
    ----------
    folder
        A folder that exists, in a local file system.
    name
        Begins the names of the files: ASCII letters, digits, ``_`` and ``-``.
    keep
        How many generations stay in the folder, at least 1. A reader that holds one that was removed goes on reading.

    Notes
    -----
    Only one Publisher of a name can be open. Its lock ends when it is closed, when the process ends in whatever way,
    and when the object is no longer used. A process that is forked does not share it. Never remove the lock file. When
    a Publisher is made, it removes what an earlier one left unfinished.

    Raises
    ------
    BlockingIOError
        There is one already, in this process or in another, which the message names.
    OSError
        The folder does not exist, or cannot be written.
    FileFormatError
        CURRENT is damaged.
    ValueError
        ``name`` or ``keep`` is not as said above.

    Examples
    --------
    >>> import tempfile
    >>> from pyhmap import HMap, Publisher, Subscriber
    >>> folder = tempfile.TemporaryDirectory()
    >>> with Publisher(folder.name, "users") as publisher:
    ...     publisher.publish(HMap(str, float, {"ann": 0.5}))
    ...     publisher.publish(HMap(str, float, {"ann": 0.5, "bob": 2.0}))
    1
    2
    >>> users = Subscriber(folder.name, "users")
    >>> users.current()["bob"], users.generation
    (2.0, 2)
    >>> folder.cleanup()
    """

    _lock = -1  # the lock file; below zero: closed

    def __init__(self, folder: str | os.PathLike[str], name: str, *, keep: int = 2) -> None:
        if not isinstance(keep, int | np.integer) or keep < 1:
            raise ValueError(f"keep={keep!r}: give a whole number from 1 on")
        self._files = _Files(folder, name)
        self._keep = keep
        self._process = os.getpid()
        self._busy = threading.Lock()
        with _forking:
            self._lock = self._files.take_lock()
            _made.add(self)
        try:
            newest = max(self._files.numbers(), default=0)
            self._last = max(newest, self._remove_unfinished(newest))
        except BaseException:
            self.close()
            raise

    def publish(
        self,
        m: HMap[Any, Any] | HSet[Any] | HIndex[Any] | FrozenMap[Any, Any] | FrozenSet[Any] | FrozenIndex[Any],
        *,
        progress: Progress | None = None,
    ) -> int:
        """Save a map, set or index as a new generation, and make it the current one. Returns its number.

        The numbers only increase. When this returns, the new generation is on the disk and is what subscribers see. If
        it raises, or the process or the machine stops in the middle, the current generation is the one before or the
        new one, and whole.

        Parameters
        ----------
        m
            Of any type that can be frozen. It is saved as by its method ``save``.
        progress
            As for ``save``.

        Raises
        ------
        RuntimeError
            Another call of this method runs; or this process was forked from the one that made the Publisher.
        ValueError
            The Publisher is closed.
        TypeError
            ``m`` is not a map, set or index of pyhmap; or it holds objects.
        OSError
            As for ``save``: the disk is full, the folder is read-only, ... The Publisher can be used again.

        Warns
        -----
        RuntimeWarning
            An old generation could not be removed. The next call tries again.
        """
        if not isinstance(m, HMap | HSet | HIndex | FrozenMap | FrozenSet | FrozenIndex):
            raise TypeError(f"publish() takes a map, set or index of pyhmap, frozen or not, not {type(m).__name__}")
        with self._alone():
            if self._lock < 0:
                raise ValueError("the Publisher is closed: make another one")
            generations = self._files.numbers()
            self._last = number = self._last + 1
            path = self._files.path(number)
            try:
                m.save(path, progress=progress)
                with replaced(self._files.current) as file:
                    file.write(f"{os.path.basename(path)}\n".encode())
            except BaseException:
                with contextlib.suppress(OSError, FileFormatError):  # the error that ended it says more
                    self._remove_unfinished(number - 1)
                raise
            for old in [*generations, number][: -self._keep]:
                try:
                    os.unlink(self._files.path(old))
                except FileNotFoundError:
                    pass  # removed by hand
                except OSError as error:
                    if _system.is_in_use(error):
                        continue  # the next call tries again
                    said = f"generation {number} is published, but an old one could not be removed: {error}"
                    warnings.warn(said, RuntimeWarning, stacklevel=2)
        return number

    def _remove_unfinished(self, known: int) -> int:
        """Remove what was never made current. Returns the number of the current generation; 0 if there is none.

        Without CURRENT, generations up to ``known`` stay: perhaps it was removed by hand. And all that are older than
        the current one stay: only publish() knows that the CURRENT that is read is on the disk, too.
        """
        for path in self._files.temporaries():
            os.unlink(path)
        try:
            file, current = self._files.open_current()
            os.close(file)
        except FileNotFoundError:
            current = 0
        for number in self._files.numbers():
            if number > (current or known):
                os.unlink(self._files.path(number))
        return current

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Refuses a call in a child, and one during publish(), even in the same thread: by a callback, by a signal."""
        if self._process != os.getpid():
            raise RuntimeError(
                f"this Publisher belongs to process {self._process}, from which this one was forked: publish there, or "
                "close it there and make one here"
            )
        if not self._busy.acquire(blocking=False):
            raise RuntimeError("this Publisher is in publish(): wait until it is done")
        try:
            yield
        finally:
            self._busy.release()

    def close(self) -> None:
        """Release the lock. Does nothing if it is released, or in a process that was forked.

        Raises
        ------
        RuntimeError
            :meth:`publish` runs.
        """
        if self._lock >= 0 and self._process == os.getpid():
            with self._alone():
                lock, self._lock = self._lock, -1
                try:
                    _system.unlock(lock)  # a process that was forked behind Python's back may have it open
                finally:
                    os.close(lock)

    def _after_fork(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)  # unlocking would unlock the parent's
            self._lock = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("a Publisher cannot be pickled or copied, for only one at a time may publish")


class Subscriber:
    """Follows the generations of ``name`` in ``folder``, which a :class:`Publisher` writes, perhaps in another process.

    Parameters
    ----------
    folder, name
        Those of the Publisher. Neither it nor a generation need exist yet.
    every
        Seconds in which :meth:`current` looks for a new generation at most once.

    Notes
    -----
    Any number of threads may share one. It may be pickled, which takes along no more than these arguments, and goes on
    in a process that was forked.

    Raises
    ------
    ValueError
        ``name`` or ``every`` is not as said above.

    Examples
    --------
    See :class:`Publisher`. Take the map once for each piece of work, so that all of it sees one generation::

        prices = Subscriber("/srv/maps", "prices")

        def handle(request):
            m = prices.current()
            return m.get_many(request.ids, default=0.0).sum()
    """

    _file = -1

    def __init__(self, folder: str | os.PathLike[str], name: str, *, every: float = 1.0) -> None:
        if not isinstance(every, int | float | np.number) or not every >= 0:
            raise ValueError(f"every={every!r}: give a number of seconds, at least 0")
        self._files = _Files(folder, name)
        self._every = float(every)
        self._due = 0.0  # when to look again
        self._held: tuple[Any, int] | None = None  # the map, and its number
        # CURRENT as it was read. While it is open, no later one has its inode.
        self._file = -1
        self._seen: tuple[int, ...] = ()
        self._lock = threading.RLock()
        with _forking:
            _made.add(self)

    @property
    def generation(self) -> int | None:
        """The number of the generation that :meth:`current` gave last; None before the first.

        Of a Subscriber that threads share, it may be newer than the map that one of them has.
        """
        return self._held[1] if self._held else None

    def current(self) -> Any:
        """The newest generation, or one that was the newest at most ``every`` seconds ago.

        It is mapped, as by :func:`pyhmap.open`, and the same object until there is a newer one. It stays whole and
        unchanged for as long as it is used, even when its file was removed. Don't close it: others have it, too.

        In most calls this reads a clock, and once in ``every`` seconds, the state of CURRENT. A new generation is
        opened in the call that finds it, while other threads go on with the one before.

        Returns
        -------
        FrozenMap, FrozenSet or FrozenIndex
            What was published.

        Raises
        ------
        FileNotFoundError
            No generation has been published yet. Try again.
        FileFormatError, OSError
            CURRENT or the generation that it names cannot be read, and there is none before. Try again.

        Warns
        -----
        RuntimeWarning
            The same, but there is one before: it is returned. Each ``every`` seconds the new one is tried again.
        """
        if self._is_due():
            lock = self._lock  # a fork gives the child another
            if lock.acquire(blocking=self._held is None):
                try:
                    if self._is_due():
                        self._look()
                finally:
                    lock.release()
        assert self._held is not None
        return self._held[0]

    def _is_due(self) -> bool:
        return self._held is None or time.monotonic() >= self._due

    def _look(self) -> None:
        self._due = time.monotonic() + self._every
        try:
            self._follow()
        except (OSError, FileFormatError) as error:
            if self._held is None:
                raise
            said = f"{self._files.name!r} in {self._files.folder} stays at generation {self._held[1]}: {error}"
            warnings.warn(said, RuntimeWarning, stacklevel=3)

    def _follow(self) -> None:
        """Open the generation that CURRENT names, if it is not the one that is held."""
        if self._held is not None and _identity(os.stat(self._files.current)) == self._seen:
            return
        try:
            file, number = self._files.open_current()
        except FileNotFoundError:
            said = f"no generation of {self._files.name!r} has been published in {self._files.folder}"
            raise FileNotFoundError(errno.ENOENT, said, self._files.current) from None
        try:
            while self._held is None or number != self._held[1]:
                path = self._files.path(number)
                try:
                    self._held = files.open(path), number
                except FileNotFoundError:  # removed since CURRENT was read, if CURRENT names another by now
                    before, old = number, file
                    file, number = self._files.open_current()
                    os.close(old)
                    if number == before:
                        said = f"{self._files.current} names a generation that is not there: publish again"
                        raise FileNotFoundError(errno.ENOENT, said, path) from None
            self._seen = _identity(os.fstat(file))
            if _system.stays_replaceable():
                file, self._file = self._file, file
        finally:
            if file >= 0:
                os.close(file)

    def _after_fork(self) -> None:
        self._lock = threading.RLock()  # which a thread of the parent may hold

    def __del__(self) -> None:
        if self._file >= 0:
            os.close(self._file)

    def __reduce__(self) -> tuple[Any, ...]:
        return functools.partial(type(self), every=self._every), (self._files.folder, self._files.name)


def _identity(status: os.stat_result) -> tuple[int, ...]:
    """Of a version of CURRENT: of one file that replaced another, or that was written over by hand."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
