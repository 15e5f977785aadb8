"""Dividing the work of one call among threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial

START = 1.0  # seconds in which a thread begins that an interrupt has kept from being waited for


def in_threads(run: Callable[[int], object], n: int, stop: Callable[[], object] = lambda: None) -> None:
    """Call ``run(0)`` here and ``run(1)`` to ``run(n - 1)`` in threads of their own; return when all have ended.

    After an exception in one of them, or an interrupt of the calling thread, ``stop()`` is called, the others are
    waited for, and the first exception is raised. No interrupt leaves a thread behind.
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

    helpers = [threading.Thread(target=attempt, args=(partial(run, i),)) for i in range(1, n)]
    begun: list[threading.Thread] = []

    def begin() -> None:
        for helper in helpers:
            begun.append(helper)
            helper.start()
        run(0)

    attempt(begin)
    for helper in begun:
        while not attempt(partial(end, helper)):
            pass
    if errors:
        error = errors[0]
        errors.clear()  # its traceback refers to this frame, which would be a cycle
        try:
            raise error
        finally:
            del error


def end(thread: threading.Thread) -> None:
    """Wait for a thread, also if ``start()`` was interrupted before it could say that the thread runs."""
    last = time.monotonic() + START
    while time.monotonic() < last:
        try:
            thread.join()
            return
        except RuntimeError:  # it has not begun, and maybe never will
            time.sleep(0.001)
