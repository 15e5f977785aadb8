"""The journal of the guard: every id it has seen, in files that a restart reads back.

The time is cut into parts. A part has one file, to which the ids of each batch are appended, 8 bytes each. They are
written before the batch is answered, so a guard that is killed loses nothing that it has answered: what was written is
with the system. A machine that stops loses what the system had not brought to the disk, up to half a minute;
os.O_DSYNC among FLAGS would wait for the disk, in each batch. The file of a part is removed when its last id is too
old.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND


class Journal:
    """The files in a folder. Only one process at a time can have it open."""

    def __init__(self, folder: Path, window: float, parts: int) -> None:
        self._folder = folder
        self._window = window
        self._part_seconds = window / parts
        self._lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # BlockingIOError: another guard runs
        self._part = -1
        self._file = -1

    def read(self, now: float) -> Iterator[tuple[np.ndarray, float]]:
        """The ids that are still to be known, a file at a time, each with a time of its part."""
        for part, path in self._paths():
            if self._is_old(part, now):
                path.unlink()
                continue
            torn = path.stat().st_size % 8
            if torn:  # the guard was killed while it wrote: it had not answered
                os.truncate(path, path.stat().st_size - torn)
            yield np.fromfile(path, "<u8"), min((part + 0.5) * self._part_seconds, now)

    def append(self, ids: np.ndarray, now: float) -> None:
        """Write the ids of a batch. If they cannot be written, an OSError: the batch must not be answered."""
        part = int(now // self._part_seconds)
        if part != self._part:
            self._begin(part, now)
        content = ids.astype("<u8", copy=False).tobytes()
        if os.write(self._file, content) != len(content):
            raise OSError(f"the journal in {self._folder} took only a part of a batch: is the disk full?")

    def nbytes(self) -> int:
        return sum(path.stat().st_size for _, path in self._paths())

    def close(self) -> None:
        for file in (self._file, self._lock):
            if file >= 0:
                os.close(file)
        self._file = self._lock = -1

    def _begin(self, part: int, now: float) -> None:
        if self._file >= 0:
            os.close(self._file)
        self._file = os.open(self._folder / f"{part}.ids", FLAGS, 0o600)
        self._part = part
        for old, path in self._paths():
            if self._is_old(old, now):
                path.unlink()

    def _is_old(self, part: int, now: float) -> bool:
        return (part + 1) * self._part_seconds + self._window <= now

    def _paths(self) -> list[tuple[int, Path]]:
        return sorted((int(path.stem), path) for path in self._folder.glob("*.ids") if path.stem.isdecimal())
