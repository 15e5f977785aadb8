"""Every call at every step of an evacuation: during a doubling, a same-size growth and a shrink."""

import copy
import math
import pickle

import numpy as np
import pytest

from pyhmap import HMap
from pyhmap._reference.engine import ReferenceMap
from support import assert_same_rows, fragmented, growing

TYPES = {
    "int64": (np.int64, np.int64, lambda i: i),
    "int32 to str": (np.int32, str, lambda i: i),
    "float64": (np.float64, np.float32, lambda i: [math.nan, 0.0, math.inf][i] if i < 3 else i / 4),
    "str": (str, np.int64, lambda i: f"{i} " + "long text " * (i % 4)),
    "record": ([("a", "i4"), ("b", "f8")], object, lambda i: (i, i / 2)),
    "object": (object, object, lambda i: (i, "tuple") if i % 2 else f"text {i}"),
}
B = 7  # shrinking begins above 64 buckets


def value_of(value_type, i):
    return f"value {i} " * (i % 5) if value_type in (str, object) else float(i) if value_type == np.float32 else i


def filled(hmap_type, types, n):
    """A map of n keys, and the pairs as a list: the model that needs no `==` between NaN."""
    key, value, make = types
    pairs = [(make(i), value_of(value, i)) for i in range(n)]
    m = hmap_type(key, value, seed=3)
    for k, v in pairs:
        m[k] = v
    return m, pairs


def doubling(hmap_type, types):
    m, pairs = filled(hmap_type, types, (13 << B - 2) + 1)
    assert m.header()[6:8] == (1 << B - 1, m.header().nevacuate)
    return m, pairs


def shrinking(hmap_type, types):
    """2^B buckets that hold 13/16 of a key each, and then one key less."""
    m, pairs = filled(hmap_type, types, (13 << B - 2) + 1)
    m.finish_growth()
    assert m.header().B == B
    keep = (13 << B - 4) - 1
    for k, _ in pairs[keep:]:
        assert m.header().oldbuckets == 0
        del m[k]
    assert (m.header().buckets, m.header().oldbuckets) == (1 << B - 2, 1 << B)
    return m, pairs[:keep]


STARTS = {"doubling": doubling, "shrinking": shrinking}
starts = pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
types_of = pytest.mark.parametrize("types", TYPES.values(), ids=TYPES)


def shown(pairs):
    """The items in a form that compares in any order, also NaN."""
    return sorted(map(repr, pairs))


def at_every_step(m):
    """Yields before the first step and after each one, until growth is over."""
    while m.header().oldbuckets:
        yield
        m._evacuate(1)
    yield


@starts
@types_of
def test_reads_at_every_step(hmap_type, types, start):
    """Single and batch reads. Inside `_frozen` they evacuate nothing, so they read this very step."""
    m, pairs = start(hmap_type, types)
    absent = [types[2](i) for i in range(5000, 5020)]
    for _ in at_every_step(m):
        m.check()
        header = m.header()
        with m._frozen():
            for k, v in pairs[:: max(1, len(pairs) // 60)]:
                assert k in m
                assert m[k] == m.get(k) == v
            assert not any(k in m or m.get(k) is not None for k in absent)
            assert len(m) == len(pairs)
            m.stats()
        assert m.header() == header


@starts
@types_of
def test_copies_pickles_and_iteration_at_every_step(hmap_type, types, start):
    """Each of these ends the growth of its map, so each gets a map of its own at this step."""
    walks = [
        lambda m: m.copy().items(),
        lambda m: copy.deepcopy(m).items(),
        lambda m: pickle.loads(pickle.dumps(m)).items(),
        lambda m: zip(m.keys(), m.values(), strict=True),
    ]
    for step in range(0, 1 << B, 30):
        for walk in walks:
            m, pairs = start(hmap_type, types)
            m._evacuate(step)
            assert shown(walk(m)) == shown(pairs)
            assert m.header().oldbuckets == 0
            m.check()


@starts
@types_of
def test_batches_at_every_step(hmap_type, types, start):
    """Few keys, so that the evacuation at the start of the batch does not end the growth."""
    key_type, value_type, make = types
    _, pairs = start(hmap_type, types)
    some, more = pairs[5:8], [(make(i), value_of(value_type, i)) for i in range(6000, 6002)]

    def keys_of(chosen):
        out = np.empty(len(chosen), object)
        for position, (k, _) in enumerate(chosen):
            out[position] = k
        return out if key_type in (str, object) else np.array(list(out), np.dtype(key_type))

    for step in range(0, 1 << B, 25):
        m, model = start(hmap_type, types)
        m._evacuate(step)
        model = {repr(k): v for k, v in model}
        assert m.contains_many(keys_of(some + more)).tolist() == [True] * 3 + [False] * 2
        assert m.get_many(keys_of(some)).tolist() == [v for _, v in some]
        values, found = m.lookup_many(keys_of(some + more))
        assert found.tolist() == [True] * 3 + [False] * 2
        assert values[:3].tolist() == [v for _, v in some]
        m.set_many(keys_of(some[:1] + more), [v for _, v in more[:1] * 3])
        model |= dict.fromkeys([repr(k) for k, _ in some[:1] + more], more[0][1])
        m.check()
        assert m.pop_many(keys_of(some[1:2])).tolist() == [some[1][1]]
        assert m.discard_many(keys_of(some[1:3])) == 1
        del model[repr(some[1][0])], model[repr(some[2][0])]
        m.check()
        assert {repr(k): v for k, v in m.items()} == model


@pytest.mark.parametrize("state", [growing, fragmented, shrinking], ids=["doubling", "same size", "shrinking"])
@pytest.mark.parametrize("call", ["factorize", "add_many", "setdefault_many"])
def test_accumulating_at_every_step(hmap_type, state, call):
    for step in range(0, 1 << B, 12):
        m, items = state(hmap_type, TYPES["int64"]) if state is shrinking else state(hmap_type, 5)
        items = dict(items)
        m._evacuate(step)
        known, new = list(items)[3], 10**7
        if call == "factorize":
            code = max(items.values()) + 1
            assert m.factorize([known, new]).tolist() == [items[known], max(code, 0)]
            items[new] = max(code, 0)
        elif call == "add_many":
            m.add_many([known, new, known], 5)
            items[known] += 10
            items[new] = 5
        else:
            assert m.setdefault_many([known, new], 5).tolist() == [items[known], 5]
            items[new] = 5
        m.check()
        assert dict(m.items()) == items


@starts
@types_of
def test_both_engines_take_the_same_steps(types, start):
    ours, theirs = (start(hmap_type, types)[0] for hmap_type in (HMap, ReferenceMap))
    while ours.header().oldbuckets:
        assert_same_rows(ours, theirs)
        for m in (ours, theirs):
            m._evacuate(1)
    assert_same_rows(ours, theirs)
    assert theirs.header().oldbuckets == 0


@starts
def test_reads_end_a_growth_in_the_long_run(hmap_type, start):
    """One in eight evacuates a bucket; hits, misses and `in` alike."""
    m, pairs = start(hmap_type, TYPES["int64"])
    old = m.header().oldbuckets
    reads = 0
    while m.header().oldbuckets:
        m.get(-reads)
        m[pairs[reads % len(pairs)][0]]
        assert reads not in m or reads < 10_000
        reads += 3
        assert m.header().oldbuckets == 0 or m.header().nevacuate >= reads // 8
    assert reads <= 8 * old + 3
    m.check()
    assert dict(m.items()) == dict(pairs)


def test_reads_of_a_frozen_map_do_not(hmap_type):
    m, items = growing(hmap_type, 5)
    before = m.header()
    with m._frozen():
        for _ in range(50):
            assert all(m[k] == v for k, v in items.items())
    assert m.header() == before


@pytest.mark.parametrize("write", ["insert", "overwrite", "delete"])
def test_writes_right_after_a_shrink_has_begun(hmap_type, write):
    """As many inserts as there were old buckets, the most that can meet one shrink, fit and are found."""
    m, pairs = shrinking(hmap_type, TYPES["int64"])
    items = dict(pairs)
    for i in range(1 << B):
        if write == "insert":
            m[10**6 + i] = items[10**6 + i] = i
        elif write == "overwrite":
            m[pairs[i % len(pairs)][0]] = items[pairs[i % len(pairs)][0]] = -i
        elif items:
            k, v = items.popitem()
            assert m.pop(k) == v
        m.check()
    assert dict(m.items()) == items
