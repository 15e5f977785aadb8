"""Many threads on one cache: every digest is right, the bound holds, each call is counted once."""

import random
import sys
import threading
from functools import partial

import pytest

from tophash_cache import Mode, TopHashCache, config, configure
from tophash_cache.controller import Controller


@pytest.fixture(autouse=True)
def frequent_switches():
    """Let the interpreter switch threads as often as it can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def run(*jobs):
    """Run all jobs at once, each in its own thread; the first error of any is raised."""
    errors = []
    barrier = threading.Barrier(len(jobs))

    def guarded(job):
        try:
            barrier.wait()
            job()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


CALLS = 10_000


def hasher(cache, digest, seed, keys):
    wanted = {key: digest(key) for key in keys}

    def job():
        rng = random.Random(seed)
        for key in rng.choices(keys, k=CALLS):
            assert cache.hash(key) == wanted[key]
            assert cache.cache_info().currsize <= 200

    return job


def test_sixteen_threads_with_hits_misses_clears_and_switches_at_once(digest):
    """Twelve hash, and none stops until all are done; four clear, enable, disable, configure, and hash in batches."""
    cache = TopHashCache(max_entries=200, window=64)
    follower = TopHashCache(max_entries=200, window=64)
    few = [f"few {number}" for number in range(100)]
    many = [f"many {number}" for number in range(3000)] + [b"many %d" % number for number in range(3000)]
    hashing = threading.Barrier(12)
    over = threading.Event()

    def hash_on(seed):
        for one in (cache, follower):
            hasher(one, digest, seed, few if seed % 2 else many)()
        hashing.wait()
        over.set()

    def until_over(*calls):
        rng = random.Random(9)
        while not over.is_set():
            rng.choice(calls)()

    wanted = [digest(key) for key in few]
    run(
        *[partial(hash_on, seed) for seed in range(12)],
        partial(until_over, cache.enable, cache.disable),
        partial(until_over, cache.clear, follower.clear, cache.stats),
        partial(until_over, partial(configure, enabled=False), partial(configure, enabled=True)),
        partial(until_over, lambda: verify(cache.hash_many(few).tolist() == wanted)),
    )
    for one in (cache, follower):
        stats = one.stats()
        assert stats.hits + stats.misses + stats.bypassed == 12 * CALLS
        assert stats.entries <= 200
    assert {change.old for change in cache.stats().transitions} >= {Mode.DISABLED}


def verify(truth):
    assert truth


def test_counts_add_up_across_ends_of_windows(digest):
    cache = TopHashCache(max_entries=200, window=64, hit_rate_floor=0.5, resume_at=0.5)
    keys = [f"key {number}" for number in range(400)]
    run(*[hasher(cache, digest, seed, keys) for seed in range(8)])
    stats = cache.stats()
    assert stats.hits + stats.misses + stats.bypassed == 8 * CALLS
    assert stats.entries == stats.misses - stats.rejected - stats.evictions


@pytest.mark.parametrize(("last", "mode"), [(False, Mode.DISABLED), (True, Mode.WARM_UP)])
def test_the_last_switch_wins_against_ends_of_windows(last, mode):
    cache = TopHashCache(max_entries=10_000, window=64)

    def switch():
        for _ in range(300):
            cache.disable()
            cache.enable()
            if not last:
                cache.disable()

    run(switch, *[lambda: [cache.hash(f"key {number % 500}") for number in range(10_000)] for _ in range(3)])
    assert cache.stats().mode is mode


# Where the class runs Python code, other threads may run. These tests patch that code with what another thread would
# do, so that they do not depend on chance.


def test_a_switch_while_the_controller_is_asked_wins(monkeypatch):
    cache = TopHashCache(max_entries=64, window=64)
    original = Controller.advance

    def advance(machine, hit_rate, times):
        cache.disable()
        return original(machine, hit_rate, times)

    monkeypatch.setattr(Controller, "advance", advance)
    for number in range(100):
        cache.hash(str(number))
    stats = cache.stats()
    assert (stats.mode, stats.entries, stats.misses, stats.bypassed) == (Mode.DISABLED, 0, 64, 36)


@pytest.mark.parametrize(
    ("step", "method", "mode"),
    [("disabled", TopHashCache.disable, Mode.DISABLED), ("emptied", TopHashCache.clear, Mode.WARM_UP)],
)
def test_a_command_is_carried_out_although_the_state_changes_meanwhile(monkeypatch, step, method, mode):
    cache = TopHashCache(max_entries=16, window=64, policy="always")
    original = getattr(Controller, step)

    def meanwhile(machine):
        monkeypatch.setattr(Controller, step, original)
        for number in range(64):
            cache.hash(str(number))  # the warm-up ends, after four fills
        return original(machine)

    monkeypatch.setattr(Controller, step, meanwhile)
    method(cache)
    assert (cache.stats().mode, cache.stats().entries) == (mode, 0)


def test_an_interrupt_while_the_controller_is_asked_loses_nothing(monkeypatch, digest):
    cache = TopHashCache(max_entries=64, window=64, policy="always")
    original = Controller.advance

    def advance(machine, hit_rate, times):
        monkeypatch.setattr(Controller, "advance", original)
        raise KeyboardInterrupt

    for number in range(63):
        cache.hash(str(number))
    monkeypatch.setattr(Controller, "advance", advance)
    with pytest.raises(KeyboardInterrupt):
        cache.hash("last")
    assert cache.stats().mode is Mode.WARM_UP
    assert cache.hash("next") == digest("next")
    assert (cache.stats().window_hit_rate, cache.stats().misses) == (0.0, 65)


def test_a_change_while_a_cache_is_built_reaches_it(monkeypatch):
    original = config.attach
    changes = threading.Thread(target=configure, kwargs={"enabled": False})

    def attach(cache, arguments):
        settings = original(cache, arguments)
        changes.start()
        changes.join(0.1)  # long enough for it to go through, if nothing held it back
        return settings

    monkeypatch.setattr(config, "attach", attach)
    cache = TopHashCache()
    changes.join()
    assert cache.stats().mode is Mode.DISABLED


@pytest.mark.slow
def test_caches_built_while_the_setting_changes_end_as_it_says():
    caches = []

    def build():
        for _ in range(300):
            caches.append(TopHashCache(max_entries=4))

    def change():
        for _ in range(150):
            configure(enabled=False)
            configure(enabled=True)
        configure(enabled=False)

    run(build, build, change)
    assert len(caches) == 600
    assert {cache.stats().mode for cache in caches} == {Mode.DISABLED}
