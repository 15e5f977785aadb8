"""Finalisers that run in the middle of a call: wherever it allocates, the collector may run any code.

A map may only be seen whole.
"""

import gc
import itertools

import numpy as np
import pytest

from hostile_calls import CALLS, KINDS, Kind, N

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

    return {"write": write, "write many": write_many, "clear": clear, "delete and compact": delete_and_compact}


ACTS = ["write", "write many", "clear", "delete and compact"]


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


def run_through(name, call, act, monkeypatch):
    problems = []
    monkeypatch.setattr("sys.unraisablehook", lambda error: problems.append(error.exc_value))
    before = gc.get_threshold()
    for n in range(1, FIRST):
        kind = Kind(name)
        m = kind.map
        Late.left = 0
        gc.collect()
        Late.left = 5
        Late(acts(kind)[act])
        try:
            gc.set_threshold(n)
            CALLS[call](kind, m)
        except KeyError:
            pass  # the finaliser was first
        except RuntimeError as error:
            problems.append(error)
        finally:
            gc.set_threshold(*before)
            Late.left = 0
        m.check()
        assert len(list(m)) == len(m)
    unexpected = [error for error in problems if not any(words in str(error) for words in ALLOWED)]
    assert not unexpected
