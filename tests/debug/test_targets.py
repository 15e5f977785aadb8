"""What leakcheck calls: caches that fill, which are no leak; functions whose body runs after the call; functions that
cannot be called."""

import asyncio
import collections
import functools
import itertools

import numpy as np
import programs
import pytest

from pyhmap import HMap, HSet, debug
from pyhmap.debug import places, targets

FEW = {"rounds": 5, "calls": 10}
LAST_TRIAL = 10 + 10 * (1 + 2 + 4 + 8) * 6  # calls before it


@pytest.fixture
def verdict_alone(monkeypatch):
    """Skips the search for the place: it is slow if much is imported, and it is tested elsewhere."""
    monkeypatch.setattr(places, "search", lambda *_: ((), (), ()))


def filling(kind, size):
    """A function that fills a cache of this size, one entry per call."""
    counter = itertools.count(1000)
    if kind == "lru_cache":
        cached = functools.lru_cache(maxsize=size)(lambda n: [n])
        return lambda: cached(next(counter))
    if kind == "deque":
        last = collections.deque(maxlen=size)
        return lambda: last.append(next(counter))
    cache = {"dict": dict, "HMap": lambda: HMap(np.int64, np.int64), "HSet": lambda: HSet(np.int64)}[kind]()

    def fill():
        n = next(counter)
        if len(cache) >= size:
            del_first(cache)
        cache.add(n) if kind == "HSet" else cache.update({n: n})

    return fill


def del_first(cache):
    first = next(iter(cache))
    cache.discard(first) if isinstance(cache, HSet) else cache.pop(first)


@pytest.mark.parametrize("size", [250, LAST_TRIAL])
@pytest.mark.parametrize("kind", ["lru_cache", "deque", "dict", "HMap", "HSet"])
def test_a_cache_that_fills_is_no_leak(kind, size):
    """Even if it fills throughout all trials but the last."""
    found = debug.leakcheck(filling(kind, size), **FEW)
    assert found.verdict == "clean", str(found)


@pytest.mark.parametrize("kind", ["lru_cache", "deque", "dict", "HMap", "HSet"])
def test_a_cache_without_a_bound_is_a_leak(kind, verdict_alone):
    """The same caches, with a bound that is never reached."""
    found = debug.leakcheck(filling(kind, 10**6), **FEW)
    assert found.verdict == "held references", str(found)
    assert found.calls == 160


def test_large_growth_is_not_continued(verdict_alone):
    """A megabyte per call: two trials are enough."""
    kept = []
    found = debug.leakcheck(lambda: kept.append(bytes(1 << 20)), **FEW)
    assert (found.verdict, len(found.trials)) == ("held references", 2)


@pytest.mark.parametrize("kind", ["HMap", "list"])
def test_one_entry_in_a_hundred_calls_is_seen(kind, verdict_alone):
    """Although the first trials have at most one or two of them."""
    counter, kept = itertools.count(), HMap(np.int64, np.int64) if kind == "HMap" else []

    def rarely():
        n = next(counter)
        if n % 100 == 0:
            kept.append(None) if kind == "list" else kept.update({n: n})

    assert debug.leakcheck(rarely, rounds=5, calls=20).verdict == "held references"


# ---- bodies that run after the call ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", programs.DEFERRED)
def test_the_body_runs_once_per_call(name):
    before = len(programs.answers)
    with targets.Target(getattr(programs, name)) as target:
        target.call(7)
        target.call(2)
    assert len(programs.answers) - before == 9


def test_all_calls_have_one_event_loop():
    """A lock that the program keeps can be used in each call."""
    lock, loops = asyncio.Lock(), set()

    async def locked():
        async with lock:
            loops.add(asyncio.get_running_loop())
            await asyncio.sleep(0)

    with targets.Target(locked) as target:
        target.call(3)
        target.call(3)
    assert len(loops) == 1
    assert loops.pop().is_closed()


def test_tasks_that_a_call_starts_go_on():
    done = []

    async def answer():
        done.append(1)

    async def starts():
        programs.task = asyncio.create_task(answer())

    with targets.Target(starts) as target:
        target.call(5)
        assert len(done) >= 4


def test_in_a_running_event_loop_a_coroutine_cannot_be_awaited():
    async def caller():
        with pytest.raises(RuntimeError, match=r"an event loop runs in this thread: .* asyncio\.to_thread"):
            debug.leakcheck(programs.coroutine, **FEW)
        return await asyncio.to_thread(debug.leakcheck, programs.awaits, **FEW)

    assert asyncio.run(caller()).verdict == "clean"


def test_an_endless_generator_is_refused(monkeypatch):
    monkeypatch.setattr(targets, "MOST_ITEMS", 1000)

    async def endless():
        while True:
            yield

    for function in (programs.endless, endless):
        with pytest.raises(ValueError, match="one call yields more than 1,000 items: give a function"):
            debug.leakcheck(function, **FEW)


# ---- functions that cannot be called ---------------------------------------------------------------------------------


def test_a_function_that_needs_arguments_is_refused_before_any_call():
    with pytest.raises(TypeError, match=r"needs\(one, \*, another=2\) cannot be called without arguments"):
        debug.leakcheck(programs.needs, **FEW)
    with pytest.raises(TypeError, match=r"str\.join\(iterable, /\) cannot be called without arguments"):
        debug.leakcheck("".join, **FEW)


def test_a_wrapper_may_supply_the_arguments():
    @functools.wraps(programs.needs)
    def wrapper():
        return programs.needs(1)

    assert debug.leakcheck(wrapper, **FEW).verdict == "clean"
    assert debug.leakcheck(functools.partial(programs.needs, 1), **FEW).verdict == "clean"


@pytest.mark.parametrize("asynchronous", [False, True])
def test_an_error_says_at_which_call(asynchronous):
    counter = itertools.count(1)

    def fails():
        if next(counter) == 33:
            raise LookupError("no such thing")

    async def fails_later():
        fails()

    with pytest.raises(LookupError) as caught:
        debug.leakcheck(fails_later if asynchronous else fails, **FEW)
    assert caught.value.__notes__ == ["at call 33"]
