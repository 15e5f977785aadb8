"""Dividing the work of one call among threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial

START = 1.0  # seconds in which a thread begins, if an interrupt of its start() has hidden whether it will


class Stopped(Exception):
    """What ``run()`` raises if another thread has been the reason to stop."""


def in_threads(run: Callable[[int], object], n: int, stop: Callable[[], object] = lambda: None) -> None:
    """Call ``run(0)`` here and ``run(1)`` to ``run(n - 1)`` in threads of their own; return when all have ended.

    After an exception in one of them, or an interrupt of the calling thread, ``stop()`` is called, the others are
    waited for, and the first exception is raised that is not ``Stopped``. No interrupt leaves a thread behind.
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

    helpers = [Helper(partial(attempt, partial(run, i))) for i in range(1, n)]
    begun: list[Helper] = []

    def begin() -> None:
        for helper in helpers:
            begun.append(helper)
            helper.thread.start()
        run(0)

    attempt(begin)
    for helper in begun:
        while not attempt(helper.wait_until_done):
            pass
    if errors:
        error = next((each for each in errors if not isinstance(each, Stopped)), errors[0])
        errors.clear()  # its traceback refers to this frame, which would be a cycle
        try:
            raise error
        finally:
            del error


class Helper:
    """A thread that says itself when its work is done: an interrupted ``join()`` takes a thread for ended that is not
    (in CPython 3.11)."""

    def __init__(self, work: Callable[[], object]) -> None:
        self.work = work
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self) -> None:
        try:
            self.work()
        finally:
            self.done.set()

    def wait_until_done(self) -> None:
        """Wait for the work, also if ``start()`` was interrupted before it could say that the thread runs."""
        last = time.monotonic() + START
        while not self.done.wait(0.1):
            if self.thread.ident is None and time.monotonic() > last:
                return  # it never began
        self.thread.join()
