"""Code that runs at the worst moment: finalisers in the middle of a call, and memory that is refused to it.

A map may only be seen whole, and holds what it held before the call or what it holds after it.
"""

import copy
import gc
import itertools
import pickle

import numpy as np
import pytest

from pyhmap import HMap

pytestmark = pytest.mark.release_only  # tens of thousands of writes


N = 40  # keys: the map is in the middle of a growth
FIRST = 30  # allocations of containers until the collection, from 1 on: more than any call makes between two steps


def texts(numbers):
    return [f"a text that is too long for its slot: {i}" for i in numbers]


def objects(numbers):
    return [(i, str(i)) for i in numbers]


KINDS = {
    "int64 to int64": (np.int64, np.int64, list, list),
    "int64 to object": (np.int64, object, list, objects),
    "str to str": (str, str, texts, texts),
    "object to object": (object, object, objects, objects),
    "object to float64": (object, np.float64, objects, lambda numbers: [float(i) for i in numbers]),
}
OLD, NEW = range(N), range(N, N + 30)


class Kind:
    """A map of one kind, and keys and values for it."""

    def __init__(self, name):
        self.key_type, self.value_type, self.keys, self.values = KINDS[name]
        self.map = HMap(self.key_type, self.value_type, zip(self.keys(OLD), self.values(OLD), strict=True))

    def pairs(self, numbers):
        return self.keys(numbers), self.values(numbers)


CALLS = {
    "get": lambda kind, m: m.get(kind.keys([3])[0]),
    "getitem": lambda kind, m: m[kind.keys([3])[0]],
    "contains": lambda kind, m: kind.keys([1000])[0] in m,
    "set a new key": lambda kind, m: m.__setitem__(kind.keys([50])[0], kind.values([50])[0]),
    "set a key again": lambda kind, m: m.__setitem__(kind.keys([5])[0], kind.values([50])[0]),
    "setdefault": lambda kind, m: m.setdefault(kind.keys([50])[0], kind.values([50])[0]),
    "del": lambda kind, m: m.__delitem__(kind.keys([5])[0]),
    "pop": lambda kind, m: m.pop(kind.keys([5])[0]),
    "popitem": lambda kind, m: m.popitem(),
    "pop all": lambda kind, m: [m.popitem() for _ in range(len(m))],
    "clear": lambda kind, m: m.clear(),
    "update": lambda kind, m: m.update(zip(*kind.pairs(NEW), strict=True)),
    "update from a map": lambda kind, m: m.update(m.copy()),
    "get_many": lambda kind, m: m.get_many(kind.keys(OLD), kind.values(OLD)),
    "lookup_many": lambda kind, m: m.lookup_many(kind.keys(NEW)),
    "contains_many": lambda kind, m: m.contains_many(kind.keys(OLD)),
    "set_many": lambda kind, m: m.set_many(*kind.pairs(NEW)),
    "set_many again": lambda kind, m: m.set_many(kind.keys(OLD), kind.values(reversed(OLD))),
    "setdefault_many": lambda kind, m: m.setdefault_many(*kind.pairs(NEW)),
    "pop_many": lambda kind, m: m.pop_many(kind.keys(OLD[:20])),
    "pop_many with defaults": lambda kind, m: m.pop_many(kind.keys(NEW), kind.values(NEW)),
    "discard_many": lambda kind, m: m.discard_many(kind.keys(OLD)),
    "compact": lambda kind, m: m.compact(),
    "reserve": lambda kind, m: m.reserve(500),
    "finish_growth": lambda kind, m: m.finish_growth(),
    "copy": lambda kind, m: m.copy(),
    "copy.deepcopy": lambda kind, m: copy.deepcopy(m),
    "pickle": lambda kind, m: pickle.loads(pickle.dumps(m)),
    "equal": lambda kind, m: m == m.copy(),
    "to_arrays": lambda kind, m: m.to_arrays(),
    "keys_array": lambda kind, m: m.keys_array(),
    "values_array": lambda kind, m: m.values_array(),
    "iterate": lambda kind, m: list(m.items()),
    "repr": lambda kind, m: repr(m),
    "stats": lambda kind, m: m.stats(),
    "check": lambda kind, m: m.check(),
    "bucket_arrays": lambda kind, m: m.bucket_arrays(),
}
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


@pytest.mark.parametrize("act", ["write", "write many", "clear", "delete and compact"])
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("name", KINDS)
def test_a_finaliser_in_the_middle_of_a_call(name, call, act, monkeypatch):
    """Wherever a call may collect garbage, any code may run."""
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


class Liar(np.ndarray):
    """An array whose methods answer with another, shorter array."""

    def reshape(self, *_, **__):
        return np.zeros(1, self.dtype)

    def view(self, *_, **__):
        return np.zeros(1, np.uint8)

    def astype(self, *_, **__):
        return np.zeros(1, np.int64)

    def tolist(self):
        return [0]

    @property
    def flags(self):
        return np.zeros(1).flags

    def __len__(self):
        return 1_000_000


def lying(array):
    return np.ndarray.view(array, Liar)


@pytest.mark.parametrize("value_type", [np.int64, np.float32, object, str, "S20"])
def test_the_methods_of_an_array_are_not_trusted(value_type):
    """Keys, values and `out` are read and written as NumPy itself sees them."""
    keys = np.arange(1000)
    values = np.array([str(i) for i in keys] if value_type is str else keys.tolist()).astype(
        object if value_type in (object, str) else value_type
    )
    m = HMap(np.int64, value_type)
    m.set_many(lying(keys), lying(values))
    m.check()
    assert m.get_many(lying(keys)).tolist() == values.tolist()
    around = np.zeros(3000, values.dtype)
    out = lying(around[1000:2000])
    assert m.get_many(keys, out=out) is out
    assert around[1000:2000].tolist() == values.tolist()
    assert not around[:1000].any()
    assert not around[2000:].any()


@pytest.mark.parametrize("key_type", [str, "S30", "U30", object, np.float64, [("a", "i8"), ("b", "S8")]])
def test_the_methods_of_key_arrays_are_not_trusted(key_type):
    numbers = np.arange(1000)
    if isinstance(key_type, list):
        keys = np.zeros(1000, key_type)
        keys["a"] = numbers
    else:
        keys = numbers.astype("U30" if key_type is str else key_type)
    m = HMap(key_type, np.int64)
    m.set_many(lying(keys), lying(numbers))
    m.check()
    assert m.get_many(keys).tolist() == numbers.tolist()
    assert m.contains_many(lying(keys)).all()


# Calls that do several things one after the other: a failure leaves the first of them done.
IN_STEPS = {"pop all", "update", "update from a map", "set_many", "setdefault_many", "set_many again", "discard_many"}
# NumPy 2.4 reads the module that dtype.__reduce__ could not import.
CRASH_NUMPY = {"copy.deepcopy", "pickle"}


def pairs_of(m):
    return {repr(pair) for pair in m.items()}


@pytest.mark.parametrize("call", [call for call in CALLS if call not in CRASH_NUMPY])
@pytest.mark.parametrize("name", KINDS)
def test_each_allocation_of_a_call_may_fail(name, call):
    """After a MemoryError the map is as it was, or as it should be; and nothing else is raised."""
    testcapi = pytest.importorskip("_testcapi")
    kind = Kind(name)
    old = pairs_of(kind.map)
    CALLS[call](kind, kind.map)
    new = pairs_of(kind.map)
    succeeded, n = 0, 0
    while succeeded < 30:  # in a row: a failed allocation may also be none that the call needs
        kind = Kind(name)
        gc.collect()
        testcapi.set_nomemory(n, n + 1)
        try:
            CALLS[call](kind, kind.map)
            succeeded += 1
        except MemoryError:
            succeeded = 0
        finally:
            testcapi.remove_mem_hooks()
        kind.map.check()
        now = pairs_of(kind.map)
        if succeeded:
            assert now == new or call == "popitem", f"after allocation {n}"
        elif call in IN_STEPS:
            assert old & new <= now <= old | new, f"after allocation {n}"
        else:
            assert now in (old, new), f"after allocation {n}"
        n += 1
