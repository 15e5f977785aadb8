"""A ring of windows: which part a time belongs to, which parts are live, and who may use them.

    time     ...|---- 11 ----|---- 12 ----|---- 13 ----|---- 14 ----|---- 15 ----|...
                                                                          ^ now
    4 parts     |  dropped   |                 live parts                |
                             |<------------- window ------------->|
                                           before now - window: kept, since its part is not over

A time is a whole number of nanoseconds, so that the arithmetic is exact. Part k has the times from k * width up to, but
not including, (k + 1) * width. It is dropped as a whole once the part of the clock is more than ``count`` parts later:
that is when ``window`` has passed since its end.

Owns the clock, the parts, and the lock. What a part is, a set or a map, its user decides.
"""

from __future__ import annotations

import math
import threading
import weakref
from collections.abc import Callable, Iterator, Sized
from contextlib import AbstractContextManager
from itertools import count
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from pyhmap import _system
from pyhmap._engine.forks import Turn

_P = TypeVar("_P", bound=Sized)

NANOSECONDS = 10**9  # in a second
LONGEST = 10**9  # seconds of a window: 31 years, far from where times of 64 bits end
LAST = 1 << 62  # nanoseconds: 146 years, so that neither a window nor a part more overflows 64 bits
FAR = 9.2e9  # seconds: nearly what 64 bits hold, and later than a window after any time of the clock
MOST_PARTS = 1000  # each call asks every live part

Numbers = int | npt.NDArray[np.int64]  # of the part of all keys, or of the part of each

# The locks of these are held by threads that a forked child does not have.
_made: weakref.WeakSet[Turns] = weakref.WeakSet()


def _after_fork() -> None:
    for turns in list(_made):
        turns._after_fork()


_system.at_fork(after_in_child=_after_fork)


class Turns:
    """Lets one thread in at a time, and refuses a thread that is in already: a finaliser, a signal handler or a clock
    that uses the object in the middle of a call of it."""

    def __init__(self, refusal: str) -> None:
        self._lock = threading.RLock()
        self._refusal = refusal
        self.changing = False  # whether a change is half done; it stays so when one fails
        self.torn = False  # whether this is a child that was forked while another thread made a change
        _made.add(self)

    def entered(self) -> AbstractContextManager[Any]:
        """A context in which no other thread is."""
        # Only this thread makes the answer change, so a handler that runs after the question does not spoil it. The
        # context is compiled: one in Python could be interrupted between taking the lock and saying so.
        if self._lock._is_owned():  # type: ignore[attr-defined]
            raise RuntimeError(self._refusal)
        if self.torn:
            raise RuntimeError("this process was forked while another thread made a change: make the object again here")
        return Turn(self._lock)

    def _after_fork(self) -> None:
        if self._lock.acquire(blocking=False):
            self._lock.release()
        else:
            self._lock, self.torn = threading.RLock(), self.changing


class Ring(Generic[_P]):
    """The live parts by number. A call first enters ``turns``, then calls :meth:`turn`."""

    def __init__(
        self,
        window: float,
        parts: int,
        clock: Callable[[], float],
        max_keys: int | None,
        make: Callable[[], _P],
    ) -> None:
        if not isinstance(window, int | float | np.integer | np.floating) or not 0 < window <= LONGEST:
            raise ValueError(f"window={window!r}: give a number of seconds above 0, at most {LONGEST:,}")
        if not isinstance(parts, int | np.integer) or not 1 <= parts <= MOST_PARTS:
            raise ValueError(f"parts={parts!r}: give a whole number from 1 to {MOST_PARTS:,}")
        if max_keys is not None and (not isinstance(max_keys, int | np.integer) or max_keys < 1):
            raise ValueError(f"max_keys={max_keys!r}: give a whole number from 1 on, or None for no bound")
        self.window, self.count = float(window), int(parts)
        self.max_keys = None if max_keys is None else int(max_keys)
        self.width = -(-max(1, round(self.window * NANOSECONDS)) // self.count)
        self.live: dict[int, _P] = {}
        self.versions: dict[int, int] = {}  # of each live part: another one after each change
        self.now = -LAST  # the largest reading of the clock
        self.oldest = self.newest = 0  # numbers of parts: the oldest that is not dropped, and that of now
        self.turns = Turns("the clock, a finaliser or a signal handler uses the object in the middle of a call of it")
        self._make = make
        self._version = count()
        self.use_clock(clock)

    def use_clock(self, clock: Callable[[], float]) -> None:
        """Take another clock, that goes on from the time of the last one."""
        if not callable(clock):
            raise TypeError(f"clock={clock!r}: give a function that returns seconds, such as time.time")
        self._clock = clock

    def turn(self) -> None:
        """Read the clock, and drop the parts that are due."""
        reading = self._clock()
        try:
            seconds = float(reading)
            whole = math.floor(seconds)
            now = whole * NANOSECONDS + math.floor((seconds - whole) * NANOSECONDS)
        except (TypeError, ValueError, OverflowError):
            now = LAST
        if not -LAST < now < LAST:
            raise ValueError(f"the clock gave {reading!r}: it must give seconds, as time.time does")
        self.move(max(self.now, now))

    def move(self, now: int) -> None:
        """Let the clock be at a time that is not before the last one. Empty parts go, too."""
        self.now = now
        self.newest = now // self.width
        self.oldest = self.newest - self.count
        for number in [number for number, part in self.live.items() if number < self.oldest or not len(part)]:
            del self.live[number]
            self.versions.pop(number, None)

    def parts(self) -> list[tuple[int, _P]]:
        """The live parts with their numbers, the oldest first."""
        return sorted(self.live.items(), key=lambda item: item[0])

    def walk(self) -> Iterator[_P]:
        """The live parts, the oldest first."""
        return (part for _, part in self.parts())

    def part(self, number: int) -> _P:
        """A part that is about to be changed; a new one if there is none of this number."""
        self.versions[number] = next(self._version)  # first: a call that is interrupted leaves no part without one
        if number not in self.live:
            self.live[number] = self._make()
        return self.live[number]

    def clear(self) -> None:
        """Drop all parts."""
        self.live.clear()
        self.versions.clear()

    def numbers(self, times: Any) -> Numbers:
        """The part of each time of :func:`read_times`, below ``oldest`` if it is dropped already; one number if all are
        in one part. Raises ``ValueError`` for a time more than a window after now."""
        if times is None:
            return self.newest
        late = times > self.now + self.width * self.count
        if late.any():
            at = f"at[{late.argmax()}]" if late.ndim else "at"
            given = int(times[late.argmax()] if late.ndim else times) / NANOSECONDS
            raise ValueError(
                f"{at} is {given!r}, more than the window of {self.window!r} s after the clock, which is at "
                f"{self.now / NANOSECONDS!r}: give seconds of the same clock"
            )
        numbers = times // self.width
        if numbers.ndim == 0 or (len(numbers) and (numbers == numbers[0]).all()):
            return int(numbers.flat[0])
        return numbers if len(numbers) else self.newest


def read_times(at: Any, n: int | None) -> npt.NDArray[np.int64] | None:
    """What a caller gives as ``at`` for n keys, or for a single one, in whole nanoseconds: an array of shape () or
    (n,)."""
    if at is None:
        return None
    times = np.asarray(at)
    if times.dtype.kind not in "iuf" and times.size:
        raise TypeError(f"at has items of type {times.dtype}: give times in seconds, as the clock does")
    if times.ndim and times.shape != (n,):
        keys, wanted = ("one key", "one time") if n is None else (f"{n} keys", "one time per key, or one for all")
        raise ValueError(f"{keys} but at has shape {times.shape}: give {wanted}")
    seconds = times.astype(np.float64)
    wrong = ~np.isfinite(seconds)
    if wrong.any():
        where, given = (f"at[{wrong.argmax()}]", seconds[wrong.argmax()]) if wrong.ndim else ("at", seconds)
        raise ValueError(f"{where} is {float(given)!r}: give times in seconds, as the clock does")
    seconds = np.clip(seconds, -FAR, FAR)
    whole = np.floor(seconds)  # apart from the rest: the product of a large float would be rounded
    rest = np.floor((seconds - whole) * NANOSECONDS)
    return np.asarray(whole.astype(np.int64) * NANOSECONDS + rest.astype(np.int64))
