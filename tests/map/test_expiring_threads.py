"""Expiring sets and maps in threads, in the middle of their own calls, and in forked children."""

import gc
import os
import random
import signal
import threading
import time
import traceback
from contextlib import contextmanager

import numpy as np
import pytest

from expiring_models import FakeClock
from pyhmap import ExpiringMap, ExpiringSet
from pyhmap._engine.forks import Turn
from support import interrupted_after

SECONDS = 60  # a wait that takes longer counts as a deadlock
BUSY = "uses the object in the middle of a call of it"

# From Python 3.12 on, for a process with threads: a test session may have some.
pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")


def together(*calls):
    """Run calls in threads that begin together; their results."""
    barrier, results = threading.Barrier(len(calls)), [None] * len(calls)

    def run(i):
        barrier.wait(SECONDS)
        results[i] = calls[i]()

    threads = [threading.Thread(target=run, args=[i], daemon=True) for i in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
        assert not thread.is_alive()
    return results


def exit_code_of_a_child(call):
    """That of a forked child which makes a call; 1 if it raises, and a signal if it hangs."""
    child = os.fork()
    if child == 0:
        try:
            signal.alarm(SECONDS)
            call()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@contextmanager
def inside(call, entered, go_on):
    """A context in which another thread is in the middle of a call, from ``entered`` on until ``go_on``."""
    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    assert entered.wait(SECONDS)
    try:
        yield
    finally:
        go_on.set()
        thread.join(SECONDS)
        assert not thread.is_alive()


class Waits:
    """A key whose comparison with an equal one waits, when it is told to."""

    def __init__(self):
        self.entered, self.go_on, self.armed = threading.Event(), threading.Event(), lambda: False

    def __hash__(self):
        return 1

    def __eq__(self, other):
        if self.armed() and threading.current_thread() is not threading.main_thread():
            self.entered.set()
            assert self.go_on.wait(SECONDS)
        return self is other


class Same:
    """A key that has the hash of ``Waits`` and asks it whether it is equal."""

    def __hash__(self):
        return 1

    def __eq__(self, other):
        return other == self if isinstance(other, Waits) else self is other


# ---- threads


@pytest.mark.parametrize("renew", [False, True])
def test_a_key_that_several_threads_add_is_new_for_one(renew):
    s = ExpiringSet("i8", 3600, renew=renew)
    rounds = [np.random.default_rng(seed).permutation(20_000) for seed in range(4)]

    def add(keys):
        return [keys[i : i + 1000][s.add_many(keys[i : i + 1000])] for i in range(0, len(keys), 1000)]

    new = np.concatenate([part for of_one in together(*[lambda keys=k: add(keys) for k in rounds]) for part in of_one])
    assert sorted(new.tolist()) == [*range(20_000)]
    s.check()


def test_no_event_is_lost_and_totals_are_those_of_one_order():
    m = ExpiringMap("i8", "i8", 3600)
    keys = np.arange(1000) % 10
    totals = together(*[lambda: [m.add_many(keys) for _ in range(20)]] * 4)
    assert m.get_many(np.arange(10)).tolist() == [8000] * 10
    of_a_key = np.concatenate([total[keys == 3] for part in totals for total in part])
    assert sorted(of_a_key.tolist()) == [*range(1, 8001)]


def test_readers_see_a_batch_as_a_whole():
    """Also a batch that goes to several parts, and one that moves keys from part to part."""
    clock = FakeClock()
    s = ExpiringSet("i8", 80, renew=True, clock=clock)
    keys, at, done = np.arange(3000), np.linspace(940, 1000, 3000), threading.Event()

    def write():
        until, i = time.monotonic() + SECONDS, 0
        while not done.is_set() and time.monotonic() < until:
            s.add_many(keys, at=at + i % 60)  # later than before: keys move to later parts
            if i % 4 == 3:
                s.discard_many(keys)
            i += 1
        done.set()

    def read():
        seen = set()
        while not (seen >= {0, 3000} or done.is_set()):
            seen.add(len(s))
            seen.add(int(s.contains_many(keys).sum()))
        done.set()
        return seen

    _, seen = together(write, read)
    assert seen == {0, 3000}
    s.check()


def test_expiry_while_threads_read_and_write():
    clock = FakeClock()
    s, m = ExpiringSet("i8", 80, clock=clock), ExpiringMap("i8", "i8", 80, clock=clock)

    def write(first):
        for i in range(200):
            s.add_many(np.arange(first, first + 100) + i)
            m.add_many(np.arange(first, first + 100) + i)

    def read():
        for _ in range(200):
            clock.now += 1
            assert set(s) <= set(range(450))
            m.get_many(np.arange(100), 0)
            s.contains_many(np.arange(100))

    together(lambda: write(0), lambda: write(150), read)
    s.check()
    m.check()


# ---- in the middle of a call


@pytest.mark.parametrize("name", ["add", "add_many", "contains_many", "expire", "__len__", "save"])
def test_a_clock_that_uses_the_object_is_refused(name, tmp_path):
    arguments = {"add": ["a"], "add_many": [["a"]], "contains_many": [["a"]], "save": [tmp_path / "folder"]}
    errors = []

    def clock():
        try:
            getattr(s, name)(*arguments.get(name, []))
        except RuntimeError as error:
            errors.append(str(error))
        return 1000.0

    s = ExpiringSet(str, 80, clock=clock)
    assert s.add("b")
    assert len(errors) == 1
    assert BUSY in errors[0]
    assert sorted(s) == ["b"]


class Finaliser:
    """A key whose finaliser uses a set and notes what happened."""

    def __init__(self, use, notes):
        self.use, self.notes = use, notes

    def __del__(self):
        try:
            self.notes.append(self.use())
        except RuntimeError as error:
            self.notes.append(str(error))


def test_a_finaliser_in_the_middle_of_a_call_is_refused():
    clock, notes = FakeClock(), []
    s, other = ExpiringSet(object, 80, clock=clock), ExpiringSet(object, 80, clock=clock)
    s.add(Finaliser(lambda: s.add("late"), notes))
    s.add(Finaliser(lambda: other.add("late"), notes))
    clock.now = 2000
    assert s.add("b")
    gc.collect()
    assert len(notes) == 2
    assert True in notes  # another object may be used
    assert [note for note in notes if note is not True and BUSY in note]
    assert sorted(s) == ["b"]
    assert sorted(other) == ["late"]


def test_a_comparison_of_keys_that_uses_the_object_is_refused():
    class Key:
        def __hash__(self):
            return 1

        def __eq__(self, other):
            m.add_many([self])
            return False

    m = ExpiringMap(object, "i8", 80)
    m.add_many([Key()])
    for call in lambda: m.add_many([Key()]), lambda: m.set_many([Key()], 1), lambda: Key() in m:
        with pytest.raises(RuntimeError, match=BUSY):
            call()
        m.check()
    assert len(m) == 1


def test_a_signal_handler_in_the_middle_of_a_call_is_refused_and_its_error_comes_through():
    def handler(signum, frame):
        s.add("of the handler")

    def clock():
        signal.raise_signal(signal.SIGUSR1)
        return 1000.0

    s = ExpiringSet(str, 80, clock=clock)
    before = signal.signal(signal.SIGUSR1, handler)
    try:
        with pytest.raises(RuntimeError, match=BUSY):
            s.add("b")
        signal.signal(signal.SIGUSR1, lambda signum, frame: None)
        assert s.add("b")
        assert sorted(s) == ["b"]
    finally:
        signal.signal(signal.SIGUSR1, before)


@pytest.mark.parametrize("renew", [False, True])
@pytest.mark.parametrize("several", [False, True])
def test_calls_that_are_interrupted_at_any_moment_leave_a_whole_set(renew, several, interruptible):
    """As by Ctrl-C: what was there stays, no key is there twice, and the set can be used."""
    moments = random.Random(1)
    keys = np.arange(3000)
    interrupted = 0
    for _ in range(60):
        clock = FakeClock()
        # Without renewal a key stays where it came first: the window is longer than the test.
        s = ExpiringSet("i8", 3600 if renew else 450_000, parts=8 if renew else 1000, renew=renew, clock=clock)
        added = -1
        try:
            with interrupted_after(moments.random() * 0.01 + 1e-6):
                while added < 3000:
                    clock.now += 450
                    s.add_many(keys + added + 1, at=np.where(keys % 3, clock.now, clock.now - 450) if several else None)
                    added += 1
        except KeyboardInterrupt:
            interrupted += 1
        held = set(s)
        assert len(held) == len(list(s)) == len(s)
        assert added < 0 or held >= set(range(added if renew else 0, added + 3000))
        s.check()
        assert s.add(-1)
        clock.now += 10**6
        assert len(s) == 0
    assert interrupted == 60


def test_a_turn_that_is_dropped_before_its_block_gives_the_lock_up():
    """Where an interrupt comes between the two, as it can from CPython 3.14 on."""
    lock = threading.RLock()
    turn = Turn(lock)
    turn.__enter__()
    assert lock._is_owned()
    del turn
    assert not lock._is_owned()
    with Turn(lock):
        assert lock._is_owned()
    assert not lock._is_owned()


# ---- forks


def test_a_child_goes_on_with_its_own():
    s, m = ExpiringSet("i8", 3600), ExpiringMap("i8", "i8", 3600)
    s.add_many([1, 2])
    m.add_many([1, 2])

    def use():
        assert s.add_many([2, 3]).tolist() == [False, True]
        assert m.add_many([2, 3]).tolist() == [2, 1]

    assert exit_code_of_a_child(use) == 0
    assert sorted(s) == [1, 2]
    assert m[2] == 1


@contextmanager
def in_the_middle(call, when):
    """A set in the middle of a call by another thread: in a comparison of keys in which ``when()`` is true of it."""
    waits, s = Waits(), ExpiringSet(object, 3600)
    s.add(waits)
    waits.armed = lambda: when(s)
    with inside(lambda: call(s), waits.entered, waits.go_on):
        yield s


def test_a_child_that_is_forked_while_another_thread_reads_goes_on():
    with in_the_middle(lambda s: s.contains_many([Same()]), lambda s: True) as s:

        def use():
            assert len(s) == 1
            assert s.add("new")

        assert exit_code_of_a_child(use) == 0
    assert s.add("new")


def test_a_child_that_is_forked_in_the_middle_of_a_change_is_refused():
    with in_the_middle(lambda s: s.add_many([Same()]), lambda s: s._ring.turns.changing) as s:

        def use():
            for call in s.__len__, lambda: s.add("new"), s.check:
                with pytest.raises(RuntimeError, match="forked while another thread made a change: make the object"):
                    call()

        assert exit_code_of_a_child(use) == 0
    assert len(s) == 2
    s.check()
