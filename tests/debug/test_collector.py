"""CollectorWatch: what it counts, that it removes its callback, and that it keeps nothing alive."""

import gc
import json
import weakref

import numpy as np
import pytest

from pyhmap import FrozenMap, HIndex, HMap, HSet, debug
from pyhmap.debug import collector
from pyhmap.debug.collector import percentile


@pytest.fixture(autouse=True)
def nothing_waits():
    """Collect, so that maps of earlier tests do not die during these."""
    gc.collect()


def test_pauses_are_counted_by_generation():
    gc.collect()
    with debug.CollectorWatch() as watch:
        for generation in (0, 0, 0, 1, 2):
            gc.collect(generation)
    pauses = watch.pauses()
    assert [pauses[generation].count for generation in (0, 1, 2)] >= [3, 1, 1]
    for one in pauses.values():
        assert 0 < one.p50 <= one.p95 <= one.p99 <= one.max <= one.total
    assert 0 < watch.share < 1
    assert sum(one.total for one in pauses.values()) == pytest.approx(watch.share * watch.elapsed)


def test_collected_objects_are_counted():
    with debug.CollectorWatch() as watch:
        for _ in range(50):
            cycle = []
            cycle.append(cycle)
        del cycle
        gc.collect()
    assert sum(one.collected for one in watch.pauses().values()) >= 50


def test_the_callback_is_gone_afterwards_also_when_the_body_raises():
    before = list(gc.callbacks)
    with debug.CollectorWatch():
        assert len(gc.callbacks) == len(before) + 1
    with pytest.raises(ZeroDivisionError), debug.CollectorWatch([HMap(np.int64, np.int64)]):
        _ = 1 // 0
    assert gc.callbacks == before


def test_the_callback_goes_even_if_the_last_look_fails(monkeypatch):
    before = list(gc.callbacks)
    watch = debug.CollectorWatch([HMap(np.int64, np.int64)])
    with pytest.raises(LookupError), watch:
        monkeypatch.setattr(watch, "_look", lambda: {}["missing"])
    assert gc.callbacks == before


def test_growth_is_on_the_time_line_beside_the_pauses():
    m, s = HMap(np.int64, np.int64, seed=2), HSet(np.int64, [1])
    with debug.CollectorWatch([m, s]) as watch:
        m.update((i, i) for i in range(1700))  # in the middle of a growth: test_reflection.py
        gc.collect()
        m.finish_growth()
        gc.collect()
        s.add_many(np.arange(100))
        gc.collect()
    events = [
        (one.what, one.map, one.before, one.after) for one in watch.timeline if one.what not in ("pause", "noverflow")
    ]
    assert ("B", 0, 0, 9) in events or [e for e in events if e[:2] == ("B", 0)][-1][3] == 9
    assert ("growth began", 0, 0, 256) in events
    assert ("growth ended", 0, 256, 0) in events
    assert ("B", 1, 0, 4) in events
    noverflow = [one.after for one in watch.timeline if one.what == "noverflow" and one.map == 0]
    assert noverflow[-1] == m.header().noverflow
    times = [one.at for one in watch.timeline]
    assert times == sorted(times)
    ends = [i for i, one in enumerate(watch.timeline) if one.what == "growth ended"]
    assert any(one.what == "pause" for one in list(watch.timeline)[: ends[0]])


def test_births_and_deaths_are_counted_and_nothing_is_kept():
    m = HMap(np.int64, np.int64)
    gone = weakref.ref(m)
    with debug.CollectorWatch([m]) as watch:
        del m
        assert gone() is None
        maps = [HMap(np.int64, np.int64) for _ in range(7)]
        del maps[3:]
        HSet(np.int64)
        assert (watch.born, watch.died) == (8, 6)
        gc.collect()
    assert (watch.born, watch.died) == (8, 6)
    assert [one.map for one in watch.timeline if one.what == "died"] == [0]
    maps.clear()
    assert (watch.born, watch.died) == (8, 6)  # after the block


def test_frozen_maps_and_indexes_are_counted_too():
    m = HMap(np.int64, np.int64, {1: 2})
    with debug.CollectorWatch([m]) as watch:
        f = m.freeze()
        assert (watch.born, watch.died) == (1, 0)
        del f
        ix = HIndex(np.int64, [1])
        assert (watch.born, watch.died) == (2, 1)
        del ix
    assert (watch.born, watch.died) == (2, 2)


def test_a_map_is_let_go_by_a_watch_that_lives_on():
    m = HMap(np.int64, np.int64)
    watch, gone = debug.CollectorWatch([m]), weakref.ref(m)
    with watch:
        gc.collect()
    del m
    assert gone() is None
    assert watch.died == 0


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(collector, "KEPT", 5)
    with debug.CollectorWatch() as watch:
        for _ in range(20):
            gc.collect()
    assert len(watch.timeline) == 5
    assert watch.dropped == sum(one.count for one in watch.pauses().values()) - 5
    assert watch.pauses()[2].count == 20
    assert len(watch._durations[2]) == 5


def test_the_page_and_the_json():
    m = HMap(np.int64, np.int64)
    with debug.CollectorWatch([m]) as watch:
        m.update((i, i) for i in range(100))
        gc.collect()
    page = str(watch)
    assert "CPython" in page.splitlines()[0]
    assert "GIL build" in page.splitlines()[0]
    assert "map 0: B 0 -> 4" in page
    document = json.loads(json.dumps(watch.to_json()))
    assert document["pauses"]["2"]["count"] >= 1
    assert document["born"] == watch.born
    assert document["timeline"][0]["what"] in ("pause", "B")


def test_bad_calls_are_refused():
    with pytest.raises(TypeError, match=r"maps\[1\] is a dict"):
        debug.CollectorWatch([HMap(np.int64, np.int64), {}])
    for other in (HMap(np.int64, np.int64).freeze(), HSet(np.int64).freeze(), HIndex("i8")):  # no header, no events
        with pytest.raises(TypeError, match=rf"maps\[0\] is a {type(other).__name__}: give HMap or HSet objects"):
            debug.CollectorWatch([other])
    watch = debug.CollectorWatch()
    assert watch.pauses() == {}
    assert watch.share == watch.elapsed == watch.born == 0
    with watch:
        pass
    with pytest.raises(RuntimeError, match="used before"):
        watch.__enter__()


@pytest.mark.parametrize(("p", "expected"), [(1, 1), (50, 50), (95, 95), (99, 99), (100, 100)])
def test_percentiles_are_those_of_the_nearest_rank(p, expected):
    assert percentile(range(1, 101), p) == expected


# ---- maps in cycles --------------------------------------------------------------------------------------------------


class Holder:
    """Refers to a map."""


@pytest.mark.parametrize("place", ["value", "key", "attribute", "two maps", "iterator", "view", "cache"])
def test_a_map_in_a_cycle_dies_in_one_collection(place):
    """The collector sees its objects (tp_traverse) and releases them (tp_clear)."""
    m, holder = HMap(object, object), Holder()
    gone = weakref.ref(m), weakref.ref(holder)
    if place == "value":
        holder.map = m
        m["holder"] = holder
    elif place == "key":
        holder.map = m
        m[holder] = 1
    elif place == "attribute":
        m["bound"] = [m.get, holder]
    elif place == "two maps":
        other = HMap(str, object, {"m": m})
        m["other"], m["holder"] = other, holder
        del other
    elif place == "iterator":
        m[1], m["holder"] = 2, holder
        iterator = iter(m)
        next(iterator)
        m[1] = iterator
        del iterator
    elif place == "view":
        m["items"], m["holder"] = m.items(), holder
    else:
        m["cache"] = {"m": (m, holder)}
    del m, holder
    gc.collect()
    assert [one() for one in gone] == [None, None]


class Catalogue(FrozenMap):
    """A frozen map with attributes."""


@pytest.mark.parametrize("place", ["itself", "iterator", "view", "bound method", "set"])
def test_a_frozen_map_in_a_cycle_dies_in_one_collection(place):
    f, holder = Catalogue.from_arrays([1, 2], [3, 4]), Holder()
    f.holder = holder
    gone = weakref.ref(f), weakref.ref(holder)
    if place == "itself":
        holder.map = f
    elif place == "iterator":
        holder.iterator = iter(f)
        next(holder.iterator)
    elif place == "view":
        holder.view = f.items()
    elif place == "bound method":
        holder.method = f.get
    else:
        holder.set = HSet(np.int64, [1]).freeze()
        holder.set._map = f
    del f, holder
    assert all(one() for one in gone)
    gc.collect()
    assert [one() for one in gone] == [None, None]


def test_a_watch_is_gone_at_once_when_nobody_holds_it():
    """No collection is needed: the callbacks of its weak references do not refer to it."""
    m = HMap(np.int64, np.int64)
    watch = debug.CollectorWatch([m])
    with watch:
        pass
    gone = weakref.ref(watch)
    gc.disable()
    try:
        del watch
        assert gone() is None
    finally:
        gc.enable()
