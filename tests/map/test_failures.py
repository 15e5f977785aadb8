"""Something fails in the middle of a call: an allocation, or what an object of the caller's is asked.

For each N, the Nth time. The error comes through, the map passes check(), and it holds what it held before the call;
of a call in steps, such as update(), the first steps may be done.
"""

import os
import subprocess
import sys
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from hostile_calls import CALLS, FROZEN_CALLS, KINDS, NEW, OLD, Kind, may_be_left, pairs_of

TESTS = Path(__file__).parent.parent
# release_only: a check after each write would see the objects of the tests fail, too
pytestmark = [pytest.mark.release_only, pytest.mark.slow]


@pytest.mark.parametrize("name", KINDS)
def test_each_allocation_of_a_call_may_fail(name, failing_malloc):
    """In a program of its own, which names the calls that go wrong."""
    command = [sys.executable, "-X", "faulthandler", TESTS / "failing_memory.py", name]
    done = subprocess.run(command, env=os.environ | failing_malloc, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("allocations failed") > 30


class PlannedError(Exception):
    """What the caller's objects raise."""


class Plan:
    """Which question, counted from now on, fails; below zero: none."""

    left = -1

    @classmethod
    def ask(cls):
        if cls.left == 0:
            cls.left = -1
            raise PlannedError
        cls.left -= cls.left > 0


class Key:
    """An object that is asked for its hash and its equality. Several have one hash."""

    def __init__(self, number):
        self.number = number

    def __hash__(self):
        Plan.ask()
        return hash(self.number % 7)

    def __eq__(self, other):
        Plan.ask()
        return isinstance(other, Key) and self.number == other.number

    def __repr__(self):
        return f"Key({self.number})"


class Number:
    """An int that is asked for its value."""

    def __init__(self, number):
        self.number = number

    def __index__(self):
        Plan.ask()
        return self.number


class Real(Number):
    """The same for floats."""

    def __float__(self):
        Plan.ask()
        return float(self.number)


class Numbers:
    """A sequence of ints that is asked for each of them."""

    def __init__(self, numbers):
        self.numbers = list(numbers)

    def __len__(self):
        Plan.ask()
        return len(self.numbers)

    def __getitem__(self, i):
        Plan.ask()
        return self.numbers[i]

    def __iter__(self):
        for number in self.numbers:
            Plan.ask()
            yield number


class Exporter(Numbers):
    """An array that is asked for its memory."""

    def __array__(self, dtype=None, copy=None):
        Plan.ask()
        return np.array(self.numbers, dtype)


class Buffer(Numbers):
    """The same by another protocol."""

    @property
    def __array_interface__(self):
        Plan.ask()
        self.array = np.array(self.numbers)
        return self.array.__array_interface__


def each(kind):
    return lambda numbers: [kind(i) for i in numbers]


ASKED = {
    "keys and values are objects": (object, object, each(Key), each(Key)),
    "keys are objects, values are numbers": (object, np.float64, each(Key), each(Real)),
    "keys and values are numbers": (np.int64, np.int64, each(Number), each(Number)),
    "sequences": (np.int64, np.int64, Numbers, Numbers),
    "arrays": (np.int64, np.float64, Exporter, Exporter),
    "buffers": (np.int64, np.int64, Buffer, Buffer),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("name", ASKED)
def test_each_question_of_a_call_may_fail(name, call, monkeypatch):
    monkeypatch.setitem(KINDS, name, ASKED[name])
    kind = Kind(name)
    old = pairs_of(kind.map)
    CALLS[call](kind, kind.map)
    new = pairs_of(kind.map)
    for n in count():
        kind = Kind(name)
        Plan.left = n
        try:
            CALLS[call](kind, kind.map)
        except PlannedError:
            kind.map.check()
            assert may_be_left(call, pairs_of(kind.map), old, new), f"question {n}"
        else:
            assert Plan.left >= 0, f"the error of question {n} is lost"
            break
        finally:
            Plan.left = -1
    assert pairs_of(kind.map) == new or call == "popitem"


NO_OBJECTS = [name for name, (key_type, value_type, *_) in ASKED.items() if object not in (key_type, value_type)]


@pytest.mark.parametrize("call", FROZEN_CALLS)
@pytest.mark.parametrize("name", NO_OBJECTS)
def test_each_question_of_a_call_of_a_frozen_map_may_fail(name, call, monkeypatch):
    if name == "keys and values are numbers" and call.startswith("from_array"):
        pytest.skip("their type is inferred as object")
    monkeypatch.setitem(KINDS, name, ASKED[name])
    kind = Kind(name)
    f = kind.map.freeze()
    pairs = pairs_of(f)
    FROZEN_CALLS[call](kind, f)
    for n in count():
        Plan.left = n
        try:
            FROZEN_CALLS[call](kind, f)
        except PlannedError:
            f.check()
            assert pairs_of(f) == pairs, f"question {n}"
        else:
            assert Plan.left >= 0, f"the error of question {n} is lost"
            break
        finally:
            Plan.left = -1


def test_questions_are_asked():
    """The test above would pass if nothing were asked."""
    for name in ASKED:
        KINDS[name] = ASKED[name]
        try:
            kind = Kind(name)
            Plan.left = 0
            with pytest.raises(PlannedError):
                kind.map.set_many(*kind.pairs(NEW))
            assert len(kind.map) == len(OLD)
            if name in NO_OBJECTS:
                f = kind.map.freeze()
                Plan.left = 0
                with pytest.raises(PlannedError):
                    f.contains_many(kind.keys(OLD))
        finally:
            Plan.left = -1
            del KINDS[name]
