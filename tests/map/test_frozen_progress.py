"""While a map is frozen: progress is reported, an error or an interrupt ends the build, writes to the map wait."""

import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from pyhmap import FrozenMap, HMap
from pyhmap._engine.memory import block_memory
from support import growing, interrupted_after

MANY = 100_000  # keys: enough for three threads
PIECES = 3 << 20  # keys: three pieces, between which signals are handled
SECONDS = 60  # a thread, or a process, that takes longer counts as deadlocked


def int_map(n):
    return HMap.from_arrays(np.arange(n), np.arange(n) * 2)


def text_map(n):
    return HMap(str, str, ((f"a text that is longer than a slot: {i}", f"{i:020}") for i in range(n)))


MAPS = {"ints": int_map, "texts": text_map}
WAYS = {
    "freeze": lambda m: m.freeze,
    "from_arrays": lambda m: lambda **settings: FrozenMap.from_arrays(*m.to_arrays(), **settings),
}
ways = pytest.mark.parametrize("way", WAYS)


# ---- progress --------------------------------------------------------------------------------------------------------


@ways
@pytest.mark.parametrize("kind", MAPS)
@pytest.mark.parametrize(("n", "threads"), [(1, 1), (2, 3), (1000, 1), (MANY, 1), (MANY, 2), (MANY, 3)])
def test_progress_rises_to_1(way, kind, n, threads):
    """If the first hash key works: this seed's does."""
    m, fractions, called_by = MAPS[kind](n), [], set()

    def progress(fraction):
        fractions.append(fraction)
        called_by.add(threading.get_ident())

    f = WAYS[way](m)(progress=progress, threads=threads, seed=1)
    assert f == m
    assert {type(fraction) for fraction in fractions} == {float}
    assert fractions == sorted(fractions)
    assert fractions[0] >= 0
    assert fractions[-1] == 1
    assert called_by == {threading.get_ident()}
    assert len(fractions) >= 3
    if threads == 1:  # else the other threads may do the most
        assert len(set(fractions)) >= 4
        assert fractions[-2] >= 0.7


@ways
def test_no_keys_are_frozen_too(way):
    fractions = []
    assert len(WAYS[way](int_map(0))(progress=fractions.append)) == 0
    assert fractions == [*[0] * (len(fractions) - 1), 1]


def test_a_map_with_few_keys_in_many_rows_is_not_done_too_soon():
    m, fractions = HMap(np.int64, np.int64, capacity=10_000_000), []
    m.set_many(range(1000), 0)  # at once: the debug build walks through all rows after each of the first writes
    m.freeze(progress=fractions.append, seed=1)
    assert fractions == sorted(fractions)
    assert max(fractions[:-1]) < 1


def test_a_long_build_reports_often():
    fractions = []
    int_map(PIECES).freeze(progress=fractions.append, seed=1)
    assert len(fractions) > 60
    assert max(np.diff(fractions[:-1])) < 0.1


class Stop(Exception):
    pass


@ways
@pytest.mark.parametrize("kind", MAPS)
@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_in_progress_ends_the_build(way, kind, threads):
    """Wherever it is raised. Nothing is left of the build, and the map can be used."""
    n = MANY if threads > 1 else 1000
    m = MAPS[kind](n)
    make, calls, before, alive = WAYS[way](m), [], block_memory(), threading.active_count()
    make(progress=calls.append, threads=threads, seed=1)

    for last in range(len(calls)) if threads == 1 else range(3):  # how many there are depends on the threads
        left = iter(range(last))

        def progress(fraction, left=left):
            if next(left, None) is None:
                raise Stop(fraction)

        with pytest.raises(Stop) as raised:
            make(progress=progress, threads=threads, seed=1)
        assert threads > 1 or raised.value.args == (calls[last],)
        del raised
        assert block_memory() == before
        assert threading.active_count() == alive
    key = next(iter(m))
    m[key] = m[key]
    m.check()
    assert make(threads=threads) == m


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GeneratorExit, StopIteration, MemoryError])
def test_any_error_comes_out_as_it_is(error):
    given = error("given")

    def progress(fraction):
        raise given

    for threads in (1, 3):
        with pytest.raises(error) as raised:
            int_map(MANY).freeze(progress=progress, threads=threads)
        assert raised.value is given


@ways
@pytest.mark.parametrize("threads", [0, -1, 1.5, 2.0, "2", None])
def test_wrong_threads_are_refused(way, threads):
    with pytest.raises(ValueError, match=r"threads=.*: give a whole number from 1 on"):
        WAYS[way](int_map(3))(threads=threads)


@ways
@pytest.mark.parametrize("progress", [5, "print", False])
def test_what_cannot_be_called_is_refused(way, progress):
    with pytest.raises(TypeError, match=r"progress=.*: give a function that takes a fraction, or None"):
        WAYS[way](int_map(3))(progress=progress)


@ways
def test_numbers_of_numpy_are_threads_too(way):
    m = int_map(MANY)
    assert WAYS[way](m)(threads=np.int8(2)) == m


# ---- the map meanwhile -----------------------------------------------------------------------------------------------

WRITES = {
    "set": lambda m: m.__setitem__(1, 5),
    "set a new key": lambda m: m.__setitem__(-1, 5),
    "delete": lambda m: m.__delitem__(1),
    "pop": lambda m: m.pop(1),
    "setdefault": lambda m: m.setdefault(-1, 5),
    "popitem": lambda m: m.popitem(),
    "clear": lambda m: m.clear(),
    "update": lambda m: m.update({-1: 5}),
    "set_many": lambda m: m.set_many(np.arange(1000), 5),
    "add_many": lambda m: m.add_many(np.arange(1000), 5),
    "discard_many": lambda m: m.discard_many(np.arange(1000)),
    "factorize": lambda m: m.factorize(np.arange(-1000, 0)),
    "reserve": lambda m: m.reserve(10_000_000),
    "compact": lambda m: m.compact(),
}


@pytest.mark.parametrize("write", WRITES)
def test_a_write_in_progress_is_an_error(write):
    m, refused = int_map(5000), []

    def progress(fraction):
        if fraction < 1:
            with pytest.raises(RuntimeError, match="HMap is written while"):
                WRITES[write](m)
            refused.append(fraction)

    f = m.freeze(progress=progress, seed=1)
    m.check()
    f.check()
    assert dict(f) == dict(m) == {i: 2 * i for i in range(5000)}
    assert len(refused) >= 3
    WRITES[write](m)
    m.check()


def test_an_error_of_a_write_may_end_the_build():
    m = int_map(5000)
    with pytest.raises(RuntimeError, match="HMap is written while"):
        m.freeze(progress=lambda fraction: m.clear())
    m.clear()
    m.check()


def test_reads_and_another_freeze_in_progress():
    m, inner = int_map(5000), []

    def progress(fraction):
        assert m[17] == 34
        assert m.get_many(np.arange(5000)).tolist() == list(range(0, 10_000, 2))
        assert len(m.keys_array()) == len(list(m)) == 5000
        m.check()
        inner.append(m.freeze())

    assert m.freeze(progress=progress) == m
    assert all(f == m for f in inner)
    assert len(inner) >= 4


def test_a_write_of_another_thread_waits():
    m, waited = int_map(5000), []
    done, began = threading.Event(), threading.Event()

    def write():
        began.set()
        m[1] = -5
        done.set()

    writer = threading.Thread(target=write)

    def progress(fraction):
        if not waited:
            writer.start()
            began.wait(SECONDS)
            time.sleep(0.01)
        waited.append(not done.is_set())
        assert m[1] == 2
        assert m.get_many([1, 2]).tolist() == [2, 4]  # does not wait for the writer

    f = m.freeze(progress=progress, seed=1)
    writer.join(SECONDS)
    assert len(waited) >= 4
    assert all(waited[:-1])  # the last call comes with the end of the build
    assert (f[1], m[1]) == (2, -5)
    m.check()


def test_reads_of_another_thread_go_on():
    m, answers = int_map(5000), []

    def progress(fraction):
        reader = threading.Thread(target=lambda: answers.append(m.get_many(np.arange(5000)).tolist()))
        reader.start()
        reader.join(SECONDS)

    m.freeze(progress=progress)
    assert len(answers) >= 4
    assert all(answer == list(range(0, 10_000, 2)) for answer in answers)


@pytest.mark.parametrize("B", [2, 6, 10])
def test_a_map_that_grows_is_frozen_whole(B):
    m, items = growing(HMap, B)
    f = m.freeze()
    assert dict(f) == items
    assert m.header().oldbuckets == 0
    m.check()


# ---- interrupts ------------------------------------------------------------------------------------------------------


@ways
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_ends_a_build(way, threads):
    m = int_map(PIECES)
    arrays, before, alive = m.to_arrays(), block_memory(), threading.active_count()
    with pytest.raises(KeyboardInterrupt), interrupted_after(0.02):
        m.freeze(threads=threads) if way == "freeze" else FrozenMap.from_arrays(*arrays, threads=threads)
    assert threading.active_count() == alive
    assert block_memory() == before
    m[5] = 6
    assert m[5] == 6
    m.check()


# The helpers of a build begin their work after the main thread, which waits for them, has been interrupted.
SLOW = """
import os, signal, sys, threading, time
import numpy as np
from pyhmap import FrozenMap, HMap
from pyhmap._engine.threads import Helper

way, threads = sys.argv[1], int(sys.argv[2])
PHASES = ["begin", "wait_until_done"]
phases = PHASES[PHASES.index(sys.argv[3]):]    # or a later one, if the thread that interrupts is late
signal.signal(signal.SIGINT, signal.default_int_handler)
N = 400_000
m = HMap.from_arrays(np.arange(N), np.arange(N))
at_work, interrupted, init = [], threading.Event(), Helper.__init__

def with_slow_work(helper, work, locked):
    def slowly():
        at_work.append(helper)
        interrupted.wait()
        time.sleep(0.1)    # a main thread that does not wait goes on meanwhile
        work()
        at_work.remove(helper)

    init(helper, slowly, locked)

def interrupt():
    main = threading.main_thread().ident
    while True:
        frame = sys._current_frames()[main]
        while frame is not None and frame.f_code.co_name not in phases:
            frame = frame.f_back
        if frame is not None:
            break
        time.sleep(0.001)
    time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGINT)
    interrupted.set()

interrupter = threading.Thread(target=interrupt)
interrupter.start()
Helper.__init__ = with_slow_work
try:
    m.freeze(threads=threads) if way == "freeze" else FrozenMap.from_arrays(*m.to_arrays(), threads=threads)
except KeyboardInterrupt:
    print("interrupted,", len(at_work), "at work")
    m.clear()
    m.set_many(np.arange(N), 1)
    m.check()
"""


@ways
@pytest.mark.parametrize("threads", [2, 3])
@pytest.mark.parametrize("phase", ["wait_until_done", "begin"])
def test_the_threads_of_an_interrupted_build_have_ended(way, threads, phase):
    """They read the memory of the map, or of the arrays, which others may change or free afterwards."""
    command = [sys.executable, "-P", "-c", SLOW, way, str(threads), phase]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    assert (done.returncode, done.stdout, done.stderr) == (0, "interrupted, 0 at work\n", "")
