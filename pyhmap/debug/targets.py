"""The checked function: calls it, and runs what it returns to its end.

The body of a coroutine function or a generator function does not run when the function is called. If nothing ran it,
every such function would look clean.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from itertools import islice
from typing import Any, Self

# Items. A generator that yields more in one call is taken for endless.
MOST_ITEMS = 1_000_000
# Results whose body runs after the call. The abstract types include what Cython compiles.
SYNCHRONOUS: tuple[type[Any], ...] = (Generator, contextlib._GeneratorContextManager)
ASYNCHRONOUS: tuple[type[Any], ...] = (Coroutine, AsyncGenerator, contextlib._AsyncGeneratorContextManager)


class Target:
    """A function without parameters, and the event loop in which its coroutines run.

    There is one loop for all calls, as in a service: a lock or a session that the program keeps stays valid, and a task
    that never ends is still there after the call.

    >>> made = []
    >>> def numbers():
    ...     made.append(1)
    ...     yield 1
    >>> with Target(numbers) as target:
    ...     target.call(3)
    >>> len(made)
    3
    """

    def __init__(self, function: Callable[[], Any]) -> None:
        if not callable(function):
            raise TypeError(f"{function!r} cannot be called: give a function without parameters")
        try:  # of the wrapper, not the wrapped function: the wrapper may supply arguments
            parameters = inspect.signature(function, follow_wrapped=False)
        except ValueError:  # some functions in C have no signature
            parameters = inspect.Signature()
        try:
            parameters.bind()
        except TypeError as error:
            name = getattr(function, "__qualname__", None) or repr(function)
            raise TypeError(
                f"{name}{parameters} cannot be called without arguments ({error}): "
                "give a function without parameters that calls it"
            ) from None
        self._function = function
        self._made = 0
        self._runner = asyncio.Runner()  # makes its loop when it runs something

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._runner.close()

    def call(self, times: int) -> None:
        """Call the function so many times, run what it returns to its end, and drop the results."""
        try:
            for number in range(times):
                self._made += 1
                result = self._function()
                if issubclass(type(result), SYNCHRONOUS):
                    run(result)
                elif issubclass(type(result), ASYNCHRONOUS):
                    self._run_in_loop(result, times - number - 1)
                    break
                del result
        except BaseException as error:
            error.add_note(f"at call {self._made:,}")
            raise

    def _run_in_loop(self, first: Any, times: int) -> None:
        """Run in the event loop what a call has returned, and make the other calls there: entering the loop takes far
        longer than most calls."""
        if asyncio._get_running_loop() is not None:
            if issubclass(type(first), Coroutine):
                first.close()  # otherwise it warns that nothing awaited it
            raise RuntimeError(
                "the function is asynchronous, and an event loop runs in this thread: "
                "call leakcheck in another one, as with asyncio.to_thread"
            )
        self._runner.run(self._call_in_loop(first, times))

    async def _call_in_loop(self, first: Any, times: int) -> None:
        await run_async(first)
        del first
        for _ in range(times):
            self._made += 1
            result = self._function()
            await run_async(result)
            del result
            await asyncio.sleep(0)  # a turn for the tasks that the call has started


def run(later: Any) -> None:
    """Run a generator, or the body of a function with ``contextmanager``, to its end."""
    if issubclass(type(later), Generator):
        deque(islice(later, MOST_ITEMS), maxlen=0)
        for _ in later:
            raise endless()
    else:
        with later:
            pass


async def run_async(later: Any) -> None:
    """Run to its end whatever a call has returned, in the event loop."""
    kind = type(later)
    if issubclass(kind, Coroutine):
        await run_async(await later)  # which may be a generator
    elif issubclass(kind, AsyncGenerator):
        n = 0
        async for _ in later:
            n += 1
            if n > MOST_ITEMS:
                raise endless()
    elif issubclass(kind, contextlib._AsyncGeneratorContextManager):
        async with later:
            pass
    elif issubclass(kind, SYNCHRONOUS):
        run(later)


def endless() -> ValueError:
    """The error for a generator that seems to have no end."""
    return ValueError(
        f"one call yields more than {MOST_ITEMS:,} items: give a function that takes as many of them as it needs"
    )
