"""Finalisers that run in the middle of a call: wherever it allocates, the collector may run any code.

A map may only be seen whole.
"""

import contextlib
import gc
import itertools
import subprocess
import sys

import numpy as np
import pytest

from hostile_calls import CALLS, FROZEN_CALLS, INDEX_CALLS, KINDS, NEW, OLD, Kind, N, has_objects, pairs_of
from pyhmap import HIndex

pytestmark = [pytest.mark.release_only, pytest.mark.slow]  # tens of thousands of writes

FIRST = 30  # allocations of containers until the collection, from 1 on: more than any call makes between two steps
ALLOWED = ("changed size during iteration", "is written while check")


class Late:
    """A cycle, which only the collector frees. Its finaliser does something with the map, and leaves another one."""

    left = 0  # how many more are to come

    def __init__(self, act):
        self.me, self.act = self, act

    def __del__(self):
        if Late.left:
            Late.left -= 1
            self.act()
            Late(self.act)


def acts(kind):
    """What finalisers do."""
    m, number = kind.map, itertools.count(2000)

    def write():
        for i in itertools.islice(number, 3):
            m[kind.keys([i])[0]] = kind.values([i])[0]

    def write_many():
        m.set_many(*kind.pairs(list(itertools.islice(number, 20))))

    def clear():
        m.clear()

    def delete_and_compact():
        m.discard_many(kind.keys(range(0, N, 2)))
        m.compact()

    def freeze():
        frozen = m.copy() if object in (kind.key_type, kind.value_type) else m.freeze()
        frozen.check()
        assert pairs_of(frozen) == pairs_of(m)

    return {
        "write": write,
        "write many": write_many,
        "clear": clear,
        "delete and compact": delete_and_compact,
        "freeze": freeze,
    }


WRITES = ["write", "write many", "clear", "delete and compact"]
ACTS = [*WRITES, "freeze"]


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("name", KINDS)
def test_a_finaliser_in_the_middle_of_a_call(name, call, act, monkeypatch):
    """Wherever a call may collect garbage, any code may run."""
    run_through(name, call, act, monkeypatch)


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("call", ["pop all", "clear", "discard_many"])
def test_a_finaliser_where_a_map_of_long_texts_is_emptied(call, act, monkeypatch):
    """The arena is given up too where more than 64 KiB of it are dead."""
    kind = (bytes, np.int64, lambda numbers: [b"%d" % i * 1500 for i in numbers], list)
    monkeypatch.setitem(KINDS, "long bytes to int64", kind)
    run_through("long bytes to int64", call, act, monkeypatch)


@pytest.mark.parametrize("act", WRITES)
@pytest.mark.parametrize("name", [name for name in KINDS if not has_objects(name)])
def test_a_finaliser_in_the_middle_of_freezing(name, act, monkeypatch):
    """The frozen map has the items of one moment. A write is refused once the map is being read."""
    problems, moments = [], []
    monkeypatch.setattr("sys.unraisablehook", lambda error: problems.append(str(error.exc_value)))
    for n in range(1, FIRST):
        kind = Kind(name)
        m, act_on_it = kind.map, acts(kind)[act]
        moments[:] = [pairs_of(m)]

        def write(m=m, act_on_it=act_on_it):
            try:
                act_on_it()
            finally:
                moments.append(pairs_of(m))

        with collection_after(n, write):
            f = m.freeze()
        f.check()
        assert pairs_of(f) in moments
        m.check()
    assert problems
    assert all("is written while" in problem for problem in problems)


@pytest.mark.parametrize("call", FROZEN_CALLS)
@pytest.mark.parametrize("name", [name for name in KINDS if not has_objects(name)])
def test_a_finaliser_in_the_middle_of_a_call_of_a_frozen_map(name, call, monkeypatch):
    """It uses the same frozen map, and makes others."""
    problems = []
    monkeypatch.setattr("sys.unraisablehook", lambda error: problems.append(error.exc_value))
    kind = Kind(name)
    f = kind.map.freeze()
    keys, pairs = kind.keys(OLD), pairs_of(f)
    values = f.get_many(keys).tolist()

    def act():
        assert f.get_many(keys).tolist() == values
        assert kind.map.freeze() == f

    for n in range(1, FIRST):
        with collection_after(n, act):
            FROZEN_CALLS[call](kind, f)
        assert pairs_of(f) == pairs
    assert not problems


def index_acts(kind, ix):
    """What finalisers do with an id map, and what must hold of it in the middle of any call."""
    number = itertools.count(2000)

    def add():
        for i in itertools.islice(number, 3):
            keys = kind.keys([i])
            [code] = ix.encode(keys).tolist()
            assert ix.decode([code], to="list") == keys

    def add_many():
        keys = kind.keys(itertools.islice(number, 100))
        assert ix.encode(keys).tolist() == list(range(len(ix) - 100, len(ix)))

    def read():
        keys = list(ix)
        assert keys[:N] == kind.keys(OLD)
        assert ix.encode(keys, add=False).tolist() == list(range(len(keys)))
        assert ix.decode(range(len(keys)), to="list") == keys
        ix.check()

    def freeze():
        f = ix.freeze()
        f.check()
        assert f == ix

    return {"add": add, "add many": add_many, "read": read, "freeze": freeze}


@pytest.mark.parametrize("act", ["add", "add many", "read", "freeze"])
@pytest.mark.parametrize("call", INDEX_CALLS)
@pytest.mark.parametrize("name", [name for name in KINDS if not has_objects(name)])
def test_a_finaliser_in_the_middle_of_a_call_of_an_index(name, call, act, monkeypatch):
    """It finds every code where it was, and the call gives each key its code, no matter which of the two added it."""
    problems, keys = [], Kind(name).keys([*NEW, *OLD])
    monkeypatch.setattr("sys.unraisablehook", lambda error: problems.append(error.exc_value))
    for n in range(1, FIRST):
        kind = Kind(name)
        ix = HIndex(kind.key_type, kind.keys(OLD))
        with collection_after(n, index_acts(kind, ix)[act]):
            result = INDEX_CALLS[call](kind, ix)
        if call == "encode":
            assert ix.decode(result, to="list") == keys
        ix.check()
        assert list(ix)[:N] == kind.keys(OLD)
        assert len(list(ix)) == len(ix)
    assert not problems


# The finaliser of `Late` writes to the map; the collection that runs it comes in the other thread of the build.
IN_A_HELPER = """
import gc, sys
import numpy as np
from pyhmap import HMap
from pyhmap._engine.threads import Helper

class Late:
    def __init__(self):
        self.me = self
    def __del__(self):
        m[-1] = 1

def begin(helper, work, locked, begin=Helper.__init__):
    def collect_and_work():
        Late()
        gc.collect()
        work()

    begin(helper, collect_and_work, locked)

m = HMap.from_arrays(np.arange(100_000), np.arange(100_000))
Helper.__init__ = begin
sys.unraisablehook = lambda error: print(error.exc_value)
f = m.freeze(threads=2)
f.check()
m.check()
print(len(m), len(f))
"""


def test_a_finaliser_in_a_helper_of_a_build_does_not_wait_for_the_build():
    done = subprocess.run([sys.executable, "-P", "-c", IN_A_HELPER], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    *refused, last = done.stdout.splitlines()
    assert last == "100000 100000"
    assert refused
    assert all("is written while" in line for line in refused)


@contextlib.contextmanager
def collection_after(n, act):
    """A context in which the collector runs after n allocations of containers, and finds a finaliser: ``act()``."""
    before = gc.get_threshold()
    Late.left = 0
    gc.collect()
    Late.left = 5
    Late(act)
    try:
        gc.set_threshold(n)
        yield
    finally:
        gc.set_threshold(*before)
        Late.left = 0


def run_through(name, call, act, monkeypatch):
    problems = []
    monkeypatch.setattr("sys.unraisablehook", lambda error: problems.append(error.exc_value))
    for n in range(1, FIRST):
        kind = Kind(name)
        m = kind.map
        try:
            with collection_after(n, acts(kind)[act]):
                CALLS[call](kind, m)
        except KeyError:
            pass  # the finaliser was first
        except RuntimeError as error:
            problems.append(error)
        m.check()
        assert len(list(m)) == len(m)
    unexpected = [error for error in problems if not any(words in str(error) for words in ALLOWED)]
    assert not unexpected
