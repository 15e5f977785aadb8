"""Dividing the work of one call among threads."""

from __future__ import annotations

import _thread
import time
from collections.abc import Callable
from functools import partial
from typing import Literal

import numpy as np

from pyhmap._engine.forks import enter_helper
from pyhmap._system import usable_cores

START = 1.0  # seconds in which a thread begins, if an interrupt has hidden whether it was started; else it need not
MOST = 1 << 16  # threads of one call, so that any int of a caller fits into a number of the kernels

Threads = int | Literal["auto"]  # what a caller may give as ``threads``


def thread_count(threads: Threads) -> int:
    """How many threads an argument asks for: "auto" is one for each core that the process may use."""
    if isinstance(threads, str) and threads == "auto":
        return usable_cores()
    if not isinstance(threads, int | np.integer) or threads < 1:
        raise ValueError(f'threads={threads!r}: give a whole number from 1 on, or "auto"')
    return int(min(threads, MOST))


class Stopped(Exception):
    """What ``run()`` raises if another thread has been the reason to stop."""


def in_threads(
    run: Callable[[int], object], n: int, *, locked: bool = False, stop: Callable[[], object] = lambda: None
) -> bool:
    """Call ``run(0)`` here and ``run(1)`` to ``run(n - 1)`` in threads of their own; return when all have ended.

    After an exception in one of them, or an interrupt of the calling thread, ``stop()`` is called, the others are
    waited for, and the first exception is raised; but if all are ``Stopped``, False is returned. No interrupt leaves a
    thread behind. If the caller holds the lock of a map, it says so by ``locked``: then no other thread waits for it.
    """
    errors: list[BaseException] = []

    def attempt(call: Callable[[], object]) -> bool:
        try:
            call()
        except BaseException as error:
            errors.append(error)
            stop()
            return False
        return True

    helpers = [Helper(partial(attempt, partial(run, i)), locked) for i in range(1, n)]
    begun: list[Helper] = []

    def begin() -> None:
        for helper in helpers:
            begun.append(helper)
            helper.start()
        run(0)

    attempt(begin)
    for helper in begun:
        while not attempt(helper.wait_until_done):
            pass
    if not errors:
        return True
    error = next((each for each in errors if not isinstance(each, Stopped)), None)
    errors.clear()  # their tracebacks refer to this frame, which would be a cycle
    if error is None:
        return False
    try:
        raise error
    finally:
        del error


class Helper:
    """A thread that says itself when its work is done. It is none of ``threading``: code of that module runs before and
    after the work, in which finalisers may run; and an interrupted ``join()`` of CPython 3.11 takes a thread for ended
    that is not."""

    def __init__(self, work: Callable[[], object], locked: bool) -> None:
        self.work = work
        self.locked = locked
        self.started = self.entered = self.given_up = self.ended = False
        self.end = _thread.allocate_lock()  # held until then; an interrupted wait for threading.Event may break it
        self.end.acquire()

    def start(self) -> None:
        try:
            _thread.start_new_thread(self.run, ())
            self.started = True
        except (RuntimeError, MemoryError):
            self.ended = True
            raise

    def run(self) -> None:
        if self.locked:
            enter_helper()
        self.entered = True
        try:
            if not self.given_up:
                self.work()
        finally:
            self.ended = True
            self.end.release()

    def wait_until_done(self) -> None:
        """Wait for the work, even if an interrupt has hidden whether the thread was started."""
        last = time.monotonic() + START
        while not self.ended:
            self.end.acquire(timeout=0.1)
            if not self.started and time.monotonic() > last:
                self.given_up = True
                if not self.entered:  # nor will it do anything, if it begins after all
                    return
