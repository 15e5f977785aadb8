"""Calls of a map that is growing, and of a frozen one: something fails, or other code runs, in the middle of each."""

import copy
import pickle

import numpy as np

from pyhmap import FrozenMap, FrozenSet, HIndex, HMap

N = 40  # keys: the map is in the middle of a growth


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


def has_objects(name):
    """Whether maps of a kind have objects, which cannot be frozen."""
    return object in KINDS[name][:2]


class Kind:
    """A map of one kind, and keys and values for it."""

    def __init__(self, name):
        self.key_type, self.value_type, self.keys, self.values = KINDS[name]
        self.map = HMap(self.key_type, self.value_type, zip(self.keys(OLD), self.values(OLD), strict=True))

    def pairs(self, numbers):
        return self.keys(numbers), self.values(numbers)


def freeze(kind, m):
    try:
        return m.freeze()
    except TypeError:
        assert object in (kind.key_type, kind.value_type)
        return None


def most_common(kind, m):
    return m.most_common(3) if kind.value_type in (np.int64, np.float64) else None


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
    "most_common": most_common,
    "keys_array": lambda kind, m: m.keys_array(),
    "values_array": lambda kind, m: m.values_array(),
    "iterate": lambda kind, m: list(m.items()),
    "repr": lambda kind, m: repr(m),
    "stats": lambda kind, m: m.stats(),
    "check": lambda kind, m: m.check(),
    "bucket_arrays": lambda kind, m: m.bucket_arrays(),
    "freeze": freeze,
}

# Calls of a frozen map, or that make one, and that leave all maps as they are.
FROZEN_CALLS = {
    "from_arrays": lambda kind, f: FrozenMap.from_arrays(*kind.pairs(OLD)),
    "from_arrays with duplicates": lambda kind, f: FrozenMap.from_arrays(
        *kind.pairs([*OLD, *OLD]), on_duplicate="last"
    ),
    "from_array": lambda kind, f: FrozenSet.from_array(kind.keys([*OLD, *OLD])),
    "thaw": lambda kind, f: HMap(f),
    "getitem": lambda kind, f: f[kind.keys([3])[0]],
    "get": lambda kind, f: f.get(kind.keys([1000])[0], kind.values([3])[0]),
    "contains": lambda kind, f: kind.keys([1000])[0] in f,
    "get_many": lambda kind, f: f.get_many(kind.keys(OLD)),
    "get_many with defaults": lambda kind, f: f.get_many(kind.keys(NEW), kind.values(NEW)),
    "lookup_many": lambda kind, f: f.lookup_many(kind.keys(NEW)),
    "contains_many": lambda kind, f: f.contains_many(kind.keys(OLD)),
    "positions": lambda kind, f: f.positions(kind.keys(OLD)),
    "to_arrays": lambda kind, f: f.to_arrays(),
    "most_common": most_common,
    "iterate": lambda kind, f: list(f.items()),
    "repr": lambda kind, f: repr(f),
    "hash": lambda kind, f: hash(f),
    "equal": lambda kind, f: f == f.copy() == HMap(f),
    "check": lambda kind, f: f.check(),
    "pickle": lambda kind, f: pickle.loads(pickle.dumps(f)),
}

# Calls of an id map. Of those that add, a failure may leave the first keys added.
INDEX_CALLS = {
    "encode": lambda kind, ix: ix.encode(kind.keys([*NEW, *OLD])),
    "encode without adding": lambda kind, ix: ix.encode(kind.keys(NEW), add=False),
    "getitem": lambda kind, ix: ix[kind.keys([3])[0]],
    "contains": lambda kind, ix: kind.keys([1000])[0] in ix,
    "key": lambda kind, ix: ix.key(3),
    "decode": lambda kind, ix: ix.decode(range(N)),
    "decode to a list": lambda kind, ix: ix.decode(range(N), to="list"),
    "decode to Arrow": lambda kind, ix: ix.decode([0, -1], to="arrow", missing=None).__arrow_c_array__(),
    "labels": lambda kind, ix: ix.labels(),
    "strings": lambda kind, ix: ix.labels("string" if kind.key_type is str else "array"),
    "iterate": lambda kind, ix: list(ix),
    "merge": lambda kind, ix: ix.merge(HIndex(kind.key_type, kind.keys(NEW))),
    "copy": lambda kind, ix: ix.copy(),
    "pickle": lambda kind, ix: pickle.loads(pickle.dumps(ix)),
    "equal": lambda kind, ix: ix == ix.copy(),
    "repr": lambda kind, ix: repr(ix),
    "check an index": lambda kind, ix: ix.check(),
    "freeze": lambda kind, ix: ix.freeze(),
    "thaw an index": lambda kind, ix: HIndex(ix.freeze()),
    "decode of a frozen one": lambda kind, ix: ix.freeze().decode(range(N)),
    "pickle of a frozen one": lambda kind, ix: pickle.loads(pickle.dumps(ix.freeze())),
}

# Calls that do several things one after the other: a failure leaves the first of them done.
IN_STEPS = {"pop all", "update", "update from a map", "set_many", "setdefault_many", "set_many again", "discard_many"}
# They make their answer, an array, after all keys have gone.
ANSWER_LAST = {"pop_many", "pop_many with defaults"}


def pairs_of(m):
    return {repr(pair) for pair in m.items()}


def may_be_left(call, now, old, new):
    """Whether a call that failed may leave these pairs: mostly, only those before it."""
    if call in IN_STEPS:
        return old & new <= now <= old | new
    return now == old or (call in ANSWER_LAST and now == new)
