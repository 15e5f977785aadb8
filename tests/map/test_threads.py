"""Several threads on one map: right results, writes that wait for reads, no crash. The compiled map only.

Batches of at least 512 keys release the GIL, so they run in parallel.
"""

import _thread
import contextlib
import functools
import itertools
import os
import signal
import sys
import threading
import time
import warnings
from fractions import Fraction

import numpy as np
import pytest

from pyhmap import HIndex, HMap, HSet
from pyhmap._engine import threads
from pyhmap._inspect import check
from support import items_of, no_collections

N = 50_000
SECONDS = 60  # a thread that takes longer counts as deadlocked


@pytest.fixture(autouse=True)
def switch_often():
    """Make the interpreter switch threads as often as it can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def together(*functions, done=None):
    """Run each function in a thread of its own, all started at once; raise what any of them raised.

    `done` is the event that some of them wait for; it is set if any fails.
    """
    errors = []
    barrier = threading.Barrier(len(functions))

    def run(function):
        barrier.wait()
        try:
            function()
        except BaseException as error:
            errors.append(error)
            if done:
                done.set()

    threads = [threading.Thread(target=run, args=(function,), daemon=True) for function in functions]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + SECONDS
    for thread in threads:
        thread.join(max(0, deadline - time.monotonic()))
    assert not any(thread.is_alive() for thread in threads), "deadlock"
    if errors:
        raise errors[0]


def repeat(times, function):
    def run():
        for i in range(times):
            function(i)

    return run


@pytest.fixture
def m():
    return HMap.from_arrays(np.arange(N), np.zeros(N, np.int64))


def test_a_batch_sees_all_of_another_or_nothing(m):
    """One thread sets all values to 0, 1, 2, ...; every read must find one number, not a mixture.

    Readers go on until the writer has ended, so this also shows that they cannot shut it out.
    """
    keys = np.random.default_rng(1).permutation(N)
    seen = set()
    done = threading.Event()

    def write():
        i = 0
        while i < 150 or (len(seen) < 2 and not done.is_set()):
            m.set_many(keys, np.full(N, i))
            i += 1
        done.set()

    def read():
        while not done.is_set():
            values = m.get_many(keys)
            assert values.min() == values.max()
            seen.add(int(values[0]))

    def collect():
        while not done.is_set():
            values = m.values_array()
            assert values.min() == values.max()

    together(write, read, read, collect, done=done)
    m.check()


def test_scalar_writes_wait_for_batch_reads(m):
    """Inserts and deletes that move the slots being read; the keys that stay are always found with their values."""
    keys = np.arange(N)
    m.set_many(keys, keys * 7)

    def write(i):
        for key in range(N + 1000 * i, N + 1000 * (i + 1)):
            m[key] = key * 7
        for key in range(N + 1000 * i, N + 1000 * i + 900):
            del m[key]

    def read(_):
        assert (m.get_many(keys) == keys * 7).all()
        values, found = m.lookup_many(keys + N // 2)
        assert (values[found] == (keys + N // 2)[found] * 7).all()
        assert not values[~found].any()

    together(repeat(40, write), repeat(60, read), repeat(60, read))
    assert len(m) == N + 40 * 100
    m.check()


def test_threads_that_write_and_grow_one_map():
    m = HMap(np.int64, np.int64)

    def scalar(offset):
        return repeat(20_000, lambda i: m.__setitem__(4 * i + offset, offset))

    def batch(offset):
        return repeat(20, lambda i: m.set_many(np.arange(1000 * i, 1000 * (i + 1)) * 4 + offset, np.full(1000, offset)))

    together(scalar(0), batch(1), scalar(2), batch(3))
    assert items_of(m) == {key: key % 4 for key in range(80_000)}
    m.check()


@pytest.mark.parametrize(("key", "n"), [(np.int64, N), (str, N // 5), (object, N // 5)])
def test_threads_that_number_keys_of_one_map(key, n):
    """Each key has a code of its own, without gaps; a key that several threads number has one code."""
    m = HMap(key, np.int32)
    numbers = [str(i) if key is str else i for i in range(5 * n)]
    batches = [[*numbers[thread * n : (thread + 1) * n], *numbers[4 * n :]] for thread in range(4)]
    batches = [np.array(batch, np.int64) for batch in batches] if key is np.int64 else batches
    codes = [None] * 4

    def number(thread):
        def run():
            codes[thread] = m.factorize(batches[thread])

        return run

    together(*map(number, range(4)))
    own, shared = [code[:n] for code in codes], [code[n:] for code in codes]
    assert all((other == shared[0]).all() for other in shared)
    assert sorted(np.concatenate([*own, shared[0]]).tolist()) == list(range(5 * n))
    assert all((m.get_many(batch) == code).all() for batch, code in zip(batches, codes, strict=True))


def test_numbering_beside_other_writes():
    """Each new key gets a code above all values that are stored at that moment."""
    m = HMap(np.int64, np.int64)
    done = threading.Event()
    codes = []

    def number():
        for start in range(0, 200_000, 1000):
            codes.append(m.factorize(np.arange(start, start + 1000)))
        done.set()

    def write():
        value = 0
        while not done.is_set():
            value += 5
            m[-1] = value
            m.set_many([-2, -3], [value + 1, value + 2])

    together(number, write, done=done)
    assert len(np.unique(np.concatenate(codes))) == 200_000
    m.check()


def test_a_batch_of_objects_sees_all_of_another_or_nothing():
    m = HMap(np.int64, object)
    keys = np.random.default_rng(1).permutation(5000)
    m.set_many(keys, "0")
    seen = set()
    done = threading.Event()

    def write():
        i = 0
        while len(seen) < 5 and not done.is_set():  # readers come and see some of them, however busy the machine is
            i += 1
            m.set_many(keys, [str(i)] * len(keys))
        done.set()

    def read():
        while not done.is_set():
            for values in (m.get_many(keys), m.lookup_many(keys)[0], m.values_array()):
                assert len(set(values.tolist())) == 1
            seen.add(values[0])

    together(write, read, read, done=done)
    m.check()


def test_arrays_of_a_map_of_objects_that_others_change():
    m = HMap(object, object)
    done = threading.Event()

    def write():
        for i in range(20_000):
            m[f"{i}"] = f"{i}"
            m.pop(f"{i - 3000}", None)
        done.set()

    def read():
        while not done.is_set():
            keys, values = m.to_arrays()
            assert keys.tolist() == values.tolist()
            assert len(set(keys)) == len(keys)

    together(write, read, done=done)
    m.check()


@pytest.mark.parametrize(("key", "n"), [(np.int64, 200_000), (str, 50_000), (object, 3000)])
def test_a_key_that_several_threads_add_is_new_for_one(key, n):
    s = HSet(key)
    keys = np.arange(n) if key is np.int64 else np.array([f"key {i}" for i in range(n)], object)
    orders = [np.random.default_rng(i).permutation(n) for i in range(3)]
    times = np.zeros(n, int)
    lock = threading.Lock()

    def add(order):
        for part in np.array_split(order, 5):
            new = s.add_many(keys[part], return_new=True)
            with lock:
                times[part] += new

    together(*(functools.partial(add, order) for order in orders))
    assert (times == 1).all()
    assert len(s) == n
    s.check()


def test_threads_that_add_to_objects():
    """Fractions are added in Python, so threads switch in the middle of an addition. No addition is lost."""
    m = HMap(str, object)
    objects = HMap(object, object)

    def add(i):
        m.add_many(["a", "b"], [Fraction(1, 3)] * 2)
        objects.add_many(["a", "b"], [Fraction(1, 3)] * 2)

    together(*[repeat(300, add)] * 4)
    assert items_of(m) == items_of(objects) == {"a": 400, "b": 400}


def test_two_maps_that_read_each_other_while_others_write_to_both():
    """Each call locks one map at a time: no two threads wait for each other, and no value comes from nowhere."""
    one, other = (HMap.from_arrays(np.arange(n), np.arange(n) * 3) for n in (3000, 3500))
    done = threading.Event()

    def write():
        rng = np.random.default_rng(2)
        for i in range(100):
            for m in (one, other):
                keys = rng.integers(0, 4000, 2000)
                m.set_many(keys, keys * 3)
                m.discard_many(keys[:1000])
                m.pop(i, None)
        done.set()

    def read(a, b):
        def run():
            while not done.is_set():
                a.update(b)
                for read_both in (lambda: a == b, lambda: a | b, lambda: a.keys() <= b.keys(), lambda: b.items() & a):
                    with contextlib.suppress(RuntimeError):  # the size changed
                        read_both()

        return run

    together(write, read(one, other), read(other, one), done=done)
    for m in (one, other):
        m.check()
        keys, values = m.to_arrays()
        assert (values == keys * 3).all()


def test_reads_during_every_part_of_a_growth():
    m = HMap(np.int64, np.int64)
    done = threading.Event()

    def write():
        for key in range(60_000):
            m[key] = -key
        done.set()

    def read():
        keys = np.arange(700)
        while not done.is_set():
            keys = (keys + 331) % 60_000
            values, found = m.lookup_many(keys)
            assert (values[found] == -keys[found]).all()
            assert m.get(int(keys[0])) in (None, -keys[0])

    together(write, read, read, done=done)
    assert len(m) == 60_000
    m.check()


def test_threads_of_one_call_beside_other_calls(m):
    keys = np.arange(4 * 2**15)

    def read(_):
        assert m.contains_many(keys, threads=4).sum() == N
        with pytest.raises(KeyError, match=f"key {N} at position {N} "):
            m.get_many(keys, threads=4)

    together(repeat(20, read), repeat(20, read), repeat(2000, lambda i: m.__setitem__(i, i)))


def test_everything_that_looks_at_a_map_while_others_change_it():
    m = HMap(np.int64, np.int64, seed=1)
    done = threading.Event()

    def write():
        rng = np.random.default_rng(2)
        for i in range(150):
            keys = rng.integers(0, 30_000, 3000)
            m.set_many(keys, keys * 3)
            for key in keys[:500].tolist():
                m.pop(key, None)
            if i % 50 == 49:
                m.clear()
        done.set()

    def look():
        while not done.is_set():
            keys, values = m.to_arrays()
            assert (values == keys * 3).all()
            assert len(np.unique(keys)) == len(keys)
            m.check()
            stats = m.stats()
            assert sum(stats.probe_lengths) == stats.count
            m.header()
            assert m.bucket_arrays().tophash.shape[1] == 8
            assert m.nbytes > 0
            m.copy().check()

    def iterate():
        while not done.is_set():
            with contextlib.suppress(RuntimeError):  # the size changed
                for key, value in m.items():
                    assert value == key * 3

    def remove():
        while not done.is_set():
            with contextlib.suppress(KeyError):  # empty
                key, value = m.popitem()
                assert value == key * 3
            m.reserve(len(m) + 100)
            m.finish_growth()

    together(write, look, iterate, remove, done=done)
    m.check()


def test_checks_writes_and_batches_in_every_thread():
    """Writes wait for checks of other threads, and do not count as writes during a check of their own thread."""
    m = HMap.from_arrays(np.arange(2000), np.zeros(2000, np.int64))
    keys = np.arange(20_000) % 2000

    def work(i):
        m.check()
        m[i] = i
        m.stats()
        m.get_many(keys)

    together(*[repeat(100, work)] * 4)
    m.check()


def test_a_thread_may_write_after_its_check_overlapped_with_another(m, monkeypatch):
    """Two checks, the first to begin is the first to end; then its thread writes while batches run elsewhere."""
    second_began, first_ended, second_ended, done = (threading.Event() for _ in range(4))
    keys = np.arange(500_000) % N
    first_began = threading.Event()

    def held_check(_):
        if not first_began.is_set():
            first_began.set()
            second_began.wait(SECONDS)
        else:
            second_began.set()
            first_ended.wait(SECONDS)

    monkeypatch.setattr(check, "check", held_check)

    def first():
        m.check()
        first_ended.set()
        second_ended.wait(SECONDS)
        for i in range(2000):
            m[i] = i
        done.set()

    def second():
        first_began.wait(SECONDS)
        m.check()
        second_ended.set()

    def read():
        while not done.is_set():
            m.get_many(keys)

    together(first, second, read, read, done=done)
    assert m[1999] == 1999


def test_an_insert_while_clear_draws_a_new_hash_key(hmap_type, monkeypatch):
    """Drawing gives up the GIL. What another thread then inserts must not be left where the old hash key put it."""
    m = hmap_type(np.int64, np.int64, {1: 1})
    urandom = os.urandom

    def urandom_with_another_thread(n):
        m.update((key, key) for key in range(100))
        return urandom(n)

    monkeypatch.setattr(os, "urandom", urandom_with_another_thread)
    m.clear()
    m.check()
    assert all(key in m for key in list(m))


@pytest.mark.slow
def test_iterators_beside_the_beginning_of_a_growth():
    """A growth moves every key before the first new one is there: an iterator ends whole, or with an error."""
    old, new = np.arange(13 << 11), np.arange(13 << 11, 14 << 11)
    errors = []

    for _ in range(60):
        m = HMap.from_arrays(old, old)
        assert m.header().B == 12
        iterators = [iter(m) for _ in range(3)]

        def read(iterator):
            seen = []
            try:
                for key in iterator:
                    seen.append(key)
            except RuntimeError as error:
                errors.append(error)
            else:
                assert np.array_equal(np.sort(seen), old)

        together(
            lambda m=m: m.set_many(new, new), *[lambda iterator=iterator: read(iterator) for iterator in iterators]
        )
        assert m.header().B == 13
        m.check()
    assert errors


def test_the_last_pair_of_one_iterator_in_several_threads():
    """Threads that wait in next() for a batch write to end get the one pair that is left, or the end."""
    m = HMap.from_arrays(np.arange(20), np.zeros(20, np.int64))
    keys = np.arange(200_000) % 20
    done = threading.Event()

    def write():
        while not done.is_set():
            m.set_many(keys, keys)

    def take_all():
        for _ in range(100):
            iterator = iter(m)
            before = list(itertools.islice(iterator, 19))
            taken = []
            together(*[lambda iterator=iterator, taken=taken: taken.append(next(iterator, "end"))] * 3)
            assert taken.count("end") == 2
            assert len({*before, *taken}) == 21
        done.set()

    together(write, take_all, done=done)


def until_alarm(call, seconds):
    """Call it over and over; the handler of the alarm raises."""
    signal.setitimer(signal.ITIMER_REAL, seconds)
    while True:
        call()


def test_an_exception_in_a_batch_leaves_the_map_usable_by_other_threads(m):
    class Interrupted(Exception):
        pass

    def interrupt(*_):
        raise Interrupted

    keys = np.arange(5_000_000)
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        for call in (
            lambda: m.contains_many(keys),
            lambda: m.set_many(keys % N, keys),
            lambda: m.lookup_many(keys, threads=2),
        ):
            with pytest.raises((Interrupted, KeyError)) as caught, no_collections():
                until_alarm(call, 0.005)
            # Interrupted while it starts a thread, Thread.start() of the standard library raises KeyError meanwhile.
            assert isinstance(caught.value, Interrupted) or isinstance(caught.value.__context__, Interrupted)
            signal.setitimer(signal.ITIMER_REAL, 0)
            together(lambda: m.__setitem__(1, 2), lambda: m.set_many(keys[:N], keys[:N]), lambda: m.get_many(keys[:N]))
            m.check()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.slow
def test_a_fork_while_batches_run(m):
    """The child has neither the reading threads nor their lock: it can read and write at once."""
    done = threading.Event()
    keys = np.arange(N)

    def read():
        while not done.is_set():
            m.get_many(keys)

    readers = [threading.Thread(target=read, daemon=True) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        for _ in range(20):
            assert exit_code_of_a_child_that_uses(m) == 0
    finally:
        done.set()
        for reader in readers:
            reader.join(SECONDS)
    m.check()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.slow
def test_readers_and_a_writer_of_a_child_take_turns(m):
    """Also after a fork in the middle of a batch read: the child forgets the reader, a thread of the parent."""
    done = threading.Event()
    keys = np.arange(20 * N) % N

    def read_and_write():
        again = threading.Event()

        def read():
            while not again.is_set():
                m.get_many(keys[: 2 * N], 0)

        def write():
            try:
                for start in range(0, 3 * N, N):
                    m.set_many(np.arange(start, start + N), 7)
                m.clear()
                m.set_many(np.arange(N), 5)
            finally:
                again.set()

        together(read, read, write, done=again)
        return m.get_many(np.arange(N)).tolist() == [5] * N and len(m) == N

    def read():
        while not done.is_set():
            m.get_many(keys, 0)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        for _ in range(3):
            assert exit_code_of_a_child_that_uses(m, read_and_write) == 0
    finally:
        done.set()
        reader.join(SECONDS)
    m.check()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_in_the_middle_of_a_check(monkeypatch):
    """The thread that holds the lock as a reader is the one that goes on in the child."""
    m = HMap(object, np.int64, {1: 1})
    codes = []

    def fork_and_check(state):
        if not codes:
            codes.append(None)  # a child does not fork again
            codes[0] = exit_code_of_a_child_that_uses(m, lambda: m.set_many([2, 3], 5) is None and len(m) == 3)

    monkeypatch.setattr(check, "check", fork_and_check)
    m.check()
    monkeypatch.undo()
    assert codes == [0]
    m[2] = 1
    m.check()


def exit_code_of_a_child_that_uses(m, use=None):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # from 3.12 on, for a fork of a process with threads
        child = os.fork()
    if child == 0:
        try:
            if use:
                ok = use()
            else:
                m[N] = 1
                m.set_many(np.arange(N), 5)
                ok = m.get_many(np.arange(N)).tolist() == [5] * N and len(m) == N + 1
            m.check()
            os._exit(0 if ok else 1)
        finally:
            os._exit(2)
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.001)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "deadlock"


def test_a_search_that_waits_for_compact_looks_again():
    """Compacting renumbers the objects: what a search found before it must not be looked for after it."""
    m = HMap(object, np.int64)
    turn = threading.Event()

    class Key:
        def __init__(self, number):
            self.number = number

        def __hash__(self):
            return 1

        def __eq__(self, other):
            turn.set()
            time.sleep(0)  # lets the other thread in
            return self.number == other.number

    for number in range(8):
        m[Key(number)] = number
    done = threading.Event()

    def compact():
        while not done.is_set():
            turn.wait(1)
            m[-1] = 0
            del m[-1]
            m.compact()
            turn.clear()
            time.sleep(0.001)  # or every comparison of the search would find the map changed, which is an error

    def search():
        try:
            for _ in range(50):
                for number in range(8):
                    assert m[Key(number)] == number
        finally:
            done.set()

    together(search, compact, done=done)
    m.check()


@pytest.mark.slow
@pytest.mark.parametrize("make", [lambda: HMap("S40", np.int64), lambda: HIndex("S40")], ids=["map", "index"])
def test_texts_that_another_thread_changes_meanwhile(make):
    """What is hashed is what is stored: the call raises, or each key is found under what it was when it was stored."""
    keys = np.array([f"a text that is long: {i:09}" for i in range(50_000)], "S40")
    done = threading.Event()
    outcomes = []

    def change():
        octets = keys.view(np.uint8).reshape(len(keys), -1)
        while not done.is_set():
            octets[:, 20] ^= 1

    def write():
        try:
            for _ in range(5):
                m = make()
                try:
                    if isinstance(m, HMap):
                        m.set_many(keys, np.arange(len(keys)))
                    else:
                        assert len(m.encode(keys)) == len(keys)
                except RuntimeError as error:
                    outcomes.append(str(error))
                m.check()
        finally:
            done.set()

    together(write, change, done=done)
    assert all("was changed by another thread while it was being stored: pass a copy" in said for said in outcomes)


# ---- id maps: test_index.py has threads that add and read


@pytest.mark.parametrize("key", [np.int64, np.int32])
def test_numbers_that_another_thread_changes_while_they_get_codes(key):
    """Each key of the index is one that the array had at some moment, and is found under its code."""
    keys, done = np.arange(300_000, dtype=key), threading.Event()

    def change():
        while not done.is_set():
            keys[:] = keys[::-1].copy()

    def write():
        try:
            for _ in range(5):
                ix = HIndex(key)
                codes = ix.encode(keys)
                assert 0 <= codes.min() <= codes.max() < len(ix)
                labels = ix.labels()
                assert 0 <= labels.min() <= labels.max() < len(keys)
                assert (ix.encode(labels, add=False) == np.arange(len(ix))).all()
                ix.check()
        finally:
            done.set()

    together(write, change)


def test_codes_that_another_thread_changes_while_they_are_decoded():
    """Codes that no key has never lead outside of the index."""
    ix = HIndex(str, [f"a text that is too long for its place: {i}" for i in range(1000)])
    codes, done = np.arange(200_000) % 1000, threading.Event()

    def change():
        while not done.is_set():
            codes[::7] = 2**62
            codes[:] = np.arange(200_000) % 1000

    def read():
        try:
            for _ in range(30):
                with contextlib.suppress(IndexError):
                    assert all(key.startswith("a text") for key in ix.decode(codes).tolist())
        finally:
            done.set()

    together(read, change)


@pytest.mark.slow
def test_an_interrupted_batch_has_added_the_first_keys():
    class Interrupted(Exception):
        pass

    def interrupt(*_):
        raise Interrupted

    keys = np.random.default_rng(1).permutation(4_000_000)
    before = signal.signal(signal.SIGALRM, interrupt)
    sizes = []
    try:
        for known in (0, 3 << 20):  # the batch grows the index at first; or goes in pieces of 2^20 keys
            ix = HIndex(np.int64, keys[:known])
            with pytest.raises(Interrupted), no_collections():
                until_alarm(lambda ix=ix: ix.encode(keys), 0.01)
            signal.setitimer(signal.ITIMER_REAL, 0)
            n = len(ix)
            assert (ix.labels() == keys[:n]).all()
            assert (ix.encode(keys[:n], add=False) == np.arange(n)).all()
            together(lambda ix=ix: ix.encode(keys[:1000]), lambda ix=ix: ix.encode([-1]), lambda ix=ix: ix.get(keys[0]))
            assert len(ix) == max(n, 1000) + 1
            ix.check()
            sizes.append((known, n))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert all(known <= n < len(keys) for known, n in sizes), sizes


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.slow
def test_a_fork_while_keys_are_added_and_read():
    """The child reads and adds at once; or it is told that a thread of the parent was in the middle of adding keys."""
    ix, done = HIndex(np.int64, np.arange(N)), threading.Event()
    keys = np.arange(40 * N) % N
    outcomes = set()

    def use():
        try:
            ok = (ix.encode(np.arange(N - 5, N + 5)) == [*range(N - 5, N), *range(N, N + 5)]).all()
        except RuntimeError as error:
            os._exit(3 if "in a batch write at the fork: rebuild" in str(error) else 4)
        return ok and (ix.decode(np.arange(N)) == np.arange(N)).all() and ix[N + 4] == N + 4

    def run(add):
        while not done.is_set():
            ix.encode(keys, add=add)

    threads = [threading.Thread(target=run, args=(add,), daemon=True) for add in (False, True)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(20):
            outcomes.add(exit_code_of_a_child_that_uses(ix, use))
    finally:
        done.set()
        for thread in threads:
            thread.join(SECONDS)
    assert outcomes <= {0, 3}
    ix.check()
    assert len(ix) == N


def test_a_thread_of_a_call_that_begins_late_is_waited_for(monkeypatch):
    """As on a busy machine."""
    start = _thread.start_new_thread

    def start_late(run, arguments):
        return start(lambda: (time.sleep(0.5), run(*arguments)), ())

    monkeypatch.setattr(threads, "START", 0.05)
    monkeypatch.setattr(threads._thread, "start_new_thread", start_late)
    keys = np.arange(200_000)
    m = HMap(np.int64, np.int64)
    m.set_many(keys, keys + 1)
    np.testing.assert_array_equal(m.get_many(keys, threads=2), keys + 1)
