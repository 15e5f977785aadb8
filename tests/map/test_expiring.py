"""Expiring sets and maps: when a key is dropped, what is new, what a sum is, bounds, and what is refused."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from expiring_models import FakeClock
from kinds import kinds, value_kinds
from pyhmap import ExpiringMap, ExpiringSet, HMap, HSet


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def seen(clock):
    return ExpiringSet(str, 80, clock=clock)


@pytest.fixture
def counts(clock):
    return ExpiringMap(str, np.int64, 80, clock=clock)


def containers_of_text():
    """Ways to give a batch of texts."""
    ways = {
        "list": list,
        "tuple": tuple,
        "iterator": iter,
        "objects": lambda texts: np.array(texts, object),
        "U": np.array,
        "every second": lambda texts: np.array(texts).repeat(2)[::2],
        "StringDType": lambda texts: np.array(texts, np.dtypes.StringDType()),
        "memory of S": lambda texts: np.ma.array(texts),
    }
    try:
        import pyarrow as pa
    except ImportError:
        return ways
    ways["arrow"] = pa.array
    ways["arrow view"] = lambda texts: pa.array(texts, pa.string_view())
    ways["arrow chunks"] = lambda texts: pa.chunked_array([texts[:1], texts[1:]])
    ways["arrow dictionary"] = lambda texts: pa.array(texts).dictionary_encode()
    return ways


# ---- when a key is dropped


@given(
    window=st.sampled_from([0.25, 0.375, 1, 60, 80.125, 3600, 1e6]),
    parts=st.integers(1, 12),
    time=st.integers(0, 10**12).map(lambda n: n / 512),
)
def test_a_key_is_kept_for_the_window_and_at_most_a_part_more(window, parts, time):
    """Of times and windows whose sum is exact: what comes after is of this package."""
    clock = FakeClock(time)
    s = ExpiringSet("i8", window, parts=parts, clock=clock)
    assert s.add(1)
    clock.now = time + window
    assert 1 in s
    assert not s.add(1)
    clock.now = time + window * (1 + 1 / parts) + 1e-6  # the rounding of floats of this size
    assert 1 not in s
    assert len(s) == 0
    assert s.add(1)


def test_the_ends_of_a_part(clock, seen):
    """Parts of 10 seconds: one begins with its first moment, and is dropped a window after the last one."""
    seen.add_many(["first", "last", "next"], at=[1000, 1010 - 2**-20, 1010])
    clock.now = 1090 - 2**-20
    assert seen.contains_many(["first", "last", "next"]).all()
    clock.now = 1090
    assert seen.contains_many(["first", "last", "next"]).tolist() == [False, False, True]
    clock.now = 1100 - 2**-20
    assert "next" in seen
    clock.now = 1100
    assert "next" not in seen


def test_a_window_that_is_no_whole_number_of_nanoseconds_per_part_is_longer():
    """1,000 nanoseconds in 7 parts: with parts of 142, what came last in one would be dropped 5 ns too early."""
    clock = FakeClock(141.5e-9)
    s = ExpiringSet("i8", 1e-6, parts=7, clock=clock)
    s.add(1)
    clock.now = 1140.5e-9
    assert 1 in s


def test_without_renewal_a_key_is_kept_from_when_it_was_new(clock, seen):
    assert seen.add("a")
    for clock.now in (1020, 1050, 1089):
        assert not seen.add("a")
    clock.now = 1090
    assert seen.add("a")


def test_with_renewal_a_key_is_kept_from_when_it_was_last_added(clock):
    s = ExpiringSet(str, 80, renew=True, clock=clock)
    assert s.add("a")
    for clock.now in (1050, 1130, 1210):
        assert not s.add("a")
        assert len(s) == 1
    assert s.add_many(["a", "b", "a"], at=[1210, 1230, 1140]).tolist() == [False, True, False]
    clock.now = 1299
    assert sorted(s) == ["a", "b"]
    clock.now = 1300
    assert sorted(s) == ["b"]


def test_of_several_times_of_one_batch_a_renewed_key_has_the_latest(clock):
    s = ExpiringSet(str, 80, renew=True, clock=clock)
    assert s.add_many(["a", "b", "a", "a"], at=[960, 1000, 1040, 1000]).tolist() == [True, True, False, False]
    assert len(s) == 2
    clock.now = 1129
    assert sorted(s) == ["a"]


def test_a_clock_that_goes_back_stands_still(clock, seen):
    seen.add("a")
    clock.now = 500
    assert not seen.add("a")
    assert seen.add("b")
    clock.now = 1089
    assert sorted(seen) == ["a", "b"]
    clock.now = 1090
    assert len(seen) == 0


def test_a_clock_that_jumps_forward_drops_everything(clock, seen):
    seen.add("a")
    clock.now = 1e9
    seen.add("b")
    clock.now = 1001
    assert sorted(seen) == ["b"]


def test_a_part_is_dropped_as_a_whole_and_its_memory_is_free(clock):
    s = ExpiringSet("i8", 80, clock=clock)
    s.add_many(np.arange(1000))
    clock.now = 1010
    s.add_many(np.arange(1000, 1010))
    before = s.nbytes
    clock.now = 1090
    s.expire()
    assert sorted(s) == [*range(1000, 1010)]
    assert s.nbytes < before / 10
    clock.now = 1100
    assert s.nbytes == 0


def test_the_headers_are_those_of_the_live_parts(clock):
    s = ExpiringSet("i8", 80, clock=clock, seed=1)
    m = ExpiringMap("i8", "i8", 80, clock=clock, seed=1)
    assert s.headers() == m.headers() == []
    for made in s, m:
        made.add_many(np.arange(1000), at=1000)
        made.add_many(np.arange(1000, 1013), at=920)  # as many as two buckets take
    for made in s, m:
        assert [(header.count, header.buckets) for header in made.headers()] == [(13, 2), (1000, 256)]
    m.add_many(np.arange(5), at=920)
    assert [header.count for header in m.headers()] == [18, 1000]  # five keys are in both
    part = HSet("i8", seed=1)
    part.add_many(np.arange(1000))
    clock.now = 1010
    assert s.headers() == [part.header()]
    s.discard_many(np.arange(1000))
    assert s.headers() == []
    clock.now = 1090
    assert m.headers() == []


def test_the_leak_lab_counts_the_live_parts(clock):
    debug = pytest.importorskip("pyhmap.debug")
    before = debug.snapshot().maps
    s = ExpiringSet("i8", 80, clock=clock)
    s.add_many([1, 2, 3], at=[960, 980, 1000])
    after = debug.snapshot().maps
    assert (after.alive - before.alive, after.entries - before.entries) == (4, 3)
    clock.now = 2000
    s.expire()
    after = debug.snapshot().maps
    assert (after.alive - before.alive, after.entries - before.entries) == (1, 0)


@pytest.mark.parametrize("reading", [float("nan"), float("inf"), -1e300, "soon", None])
def test_a_clock_that_gives_no_seconds(clock, seen, reading):
    seen.add("a")
    clock.now = reading
    with pytest.raises(ValueError, match=r"the clock gave .*: it must give seconds"):
        seen.add("b")
    clock.now = 1000
    assert sorted(seen) == ["a"]


def test_times_of_today_are_exact():
    """A float of today's time has 2**-22 s; its product with 10**9 would be rounded to 128 ns."""
    clock = FakeClock(1217568722.8125)
    s = ExpiringSet("i8", 0.25, parts=4, clock=clock)
    assert s.add_many([1, 2], at=[clock.now, clock.now - 2**-22]).all()
    clock.now += 0.25
    assert s.contains_many([1, 2]).tolist() == [True, False]


def test_an_error_of_the_clock_comes_through(seen, clock):
    def broken():
        raise OSError("no clock")

    s = ExpiringSet(str, 80, clock=broken)
    with pytest.raises(OSError, match="no clock"):
        s.add("a")


# ---- times that are given


def test_what_is_too_old_is_neither_added_nor_new(clock, seen, counts):
    """The oldest part that is live begins at 920."""
    assert seen.add_many(["a", "b", "c"], at=[919, 920, 919]).tolist() == [False, True, False]
    assert not seen.add("a", at=919)
    assert seen.add_many(["d", "d"], at=[0, 1000]).tolist() == [False, True]
    assert sorted(seen) == ["b", "d"]
    assert seen.add_many(["e"], at=-1e300).tolist() == [False]
    counts.set_many(["a", "b"], 7)
    counts.set_many(["a", "b"], [1, 2], at=[919, 920])
    assert counts.get_many(["a", "b"]).tolist() == [7, 2]
    assert counts.add_many(["a", "a", "a"], at=[1000, 919, 1000]).tolist() == [8, 8, 9]


def test_a_time_may_be_a_window_in_the_future(clock, seen):
    assert seen.add("a", at=1080)
    clock.now = 1169
    assert "a" in seen
    clock.now = 1170
    assert "a" not in seen


@pytest.mark.parametrize("at", [1080.001, 2_000_000, 1e300])
def test_a_time_further_in_the_future_is_refused_with_its_position(seen, counts, at):
    message = r"at\[1\] is .*more than the window of 80.0 s after the clock, which is at 1000.0"
    for call in seen.add_many, counts.add_many, lambda keys, at: counts.set_many(keys, 1, at=at):
        with pytest.raises(ValueError, match=message):
            call(["a", "b"], at=[1000, at])
    with pytest.raises(ValueError, match=r"^at is "):
        seen.add("a", at=at)
    assert not seen
    assert not counts


@pytest.mark.parametrize(
    ("at", "error", "message"),
    [
        ([1000.0, float("nan")], ValueError, r"at\[1\] is nan: give times in seconds"),
        (float("inf"), ValueError, r"at is inf: give times in seconds"),
        ([1000.0], ValueError, r"2 keys but at has shape \(1,\)"),
        ([[1000.0, 1000.0]], ValueError, r"2 keys but at has shape \(1, 2\)"),
        ("now", TypeError, "give times in seconds"),
        (np.array(["2026-01-01", "2026-01-02"], "M8[s]"), TypeError, "give times in seconds"),
        ([None, 1.0], TypeError, "give times in seconds"),
        ([True, False], TypeError, "give times in seconds"),
    ],
)
def test_times_that_are_none(seen, counts, at, error, message):
    for call in seen.add_many, counts.add_many, lambda keys, at: counts.set_many(keys, 1, at=at):
        with pytest.raises(error, match=message):
            call(["a", "b"], at=at)
    assert not seen
    assert not counts


def test_a_single_key_has_a_single_time(seen):
    for at in [[1000.0], []]:
        with pytest.raises(ValueError, match="one key but at has shape"):
            seen.add("a", at=at)
    assert seen.add("a", at=np.float32(1000))


def test_times_of_every_type_of_numbers(seen):
    for i, dtype in enumerate(["i2", "u4", "i8", "f2", "f4", "f8", ">f8"]):
        assert seen.add_many([f"{i}", f"{i} too"], at=np.array([1000, 960], dtype)).all()


# ---- what is new


@kinds
@pytest.mark.parametrize("renew", [False, True])
def test_which_keys_of_a_batch_are_new(kind, renew, clock):
    s = ExpiringSet(kind.spec, 80, renew=renew, clock=clock)
    a, b = kind.keys[:2]
    assert s.add_many(kind.array([a, a])).tolist() == [True, False]
    clock.now = 1030
    assert s.add_many([b, a, b, a]).tolist() == [True, False, False, False]
    assert s.add_many(kind.array([a, b]), at=[1000, 1050]).tolist() == [False, False]
    edge = list(dict.fromkeys(key for key in kind.edge if key not in (a, b)))
    assert s.add_many(edge * 2, at=[1000, *[1020] * (2 * len(edge) - 1)][: 2 * len(edge)]).tolist() == [
        *[True] * len(edge),
        *[False] * len(edge),
    ]
    assert len(s) == 2 + len(edge)
    assert s.key_dtype == (np.dtype(kind.spec) if kind.spec not in (str, bytes, object) else kind.spec)
    s.check()


@pytest.mark.parametrize("way", containers_of_text().values(), ids=containers_of_text())
@pytest.mark.parametrize("texts", [["a", "b", "a", "cc", "longer than a slot of 12 bytes"], ["a"] * 3])
def test_texts_of_every_container(way, texts, clock):
    """Of a batch some keys of which are known, the rest is taken."""
    for known in ([], ["a"], ["cc", "b"]):
        s, m = ExpiringSet(str, 80, clock=clock), ExpiringMap(str, "i8", 80, clock=clock)
        s.add_many(known, at=960.0)
        m.add_many(known, at=960.0)
        before, new, totals = set(known), [], []
        counted = dict.fromkeys(known, 1)
        for text in texts:
            new.append(text not in before)
            before.add(text)
            counted[text] = counted.get(text, 0) + 1
            totals.append(counted[text])
        assert s.contains_many(way(texts)).tolist() == [text in known for text in texts]
        assert s.add_many(way(texts)).tolist() == new
        assert set(s) == before
        assert m.add_many(way(texts), at=[1000 + 5 * i for i in range(len(texts))]).tolist() == totals
        assert m.get_many(way(texts)).tolist() == [counted[text] for text in texts]
        m.set_many(way(texts), np.arange(len(texts)))
        assert dict(m.items()) == {**dict.fromkeys(known, 1), **dict(zip(texts, range(len(texts)), strict=True))}
        assert m.discard_many(way(texts)) == len(set(texts))


def test_a_replay_guard(clock):
    """Tokens are accepted for 80 seconds from their issue, and only once."""
    used = ExpiringSet(str, 80, clock=clock)

    def accepted(tokens, issued):
        issued = np.array(issued)
        return (issued >= clock.now - 80) & used.add_many(tokens, at=issued)

    assert accepted(["a", "b", "a", "old"], [1000, 950, 1000, 915]).tolist() == [True, True, False, False]
    clock.now = 1080
    assert accepted(["a", "b"], [1000, 950]).tolist() == [False, False]


def test_nothing(clock):
    s, m = ExpiringSet("i8", 80, clock=clock), ExpiringMap("i8", "i8", 80, clock=clock)
    for at in (None, 1000, []):
        assert s.add_many([], at=at).tolist() == []
        assert m.add_many([], at=at).tolist() == []
        m.set_many([], [], at=at)
    assert m.get_many([]).tolist() == []
    assert m.get_many([]).dtype == np.int64
    assert (len(s), list(s), list(m), list(m.items()), s.discard_many([]), m.discard_many([])) == (0, [], [], [], 0, 0)
    assert s.to_array().dtype == np.int64
    assert [array.dtype for array in m.to_arrays()] == [np.int64, np.int64]


# ---- bounds


def test_no_more_than_max_keys(clock):
    s = ExpiringSet("i8", 80, max_keys=5, clock=clock)
    assert s.add_many([1, 2, 3]).all()
    message = "3 keys are held, 3 more would be added, and max_keys is 5: wait until some expire"
    for at in (None, [1000, 1000, 1010, 1010]):
        with pytest.raises(OverflowError, match=message):
            s.add_many([1, 4, 5, 6], at=at)
    assert sorted(s) == [1, 2, 3]
    assert s.add_many([4, 4, 1, 5, 5, 4]).tolist() == [True, False, False, True, False, False]
    assert not s.add(5)
    with pytest.raises(OverflowError, match="5 keys are held, 1 more"):
        s.add(6)
    assert s.add_many([1, 2, 3, 4, 5, 1, 2]).sum() == 0
    s.discard(1)
    assert s.add(6)
    clock.now = 1090
    assert s.add_many([7, 8, 9, 10, 11]).all()


def test_renewing_needs_no_room(clock):
    s = ExpiringSet("i8", 80, max_keys=3, renew=True, clock=clock)
    s.add_many([1, 2, 3])
    clock.now = 1050
    assert not s.add_many([3, 2, 1]).any()
    assert not s.add(3, at=1070)
    assert len(s) == 3


def test_no_more_than_max_keys_in_the_parts_of_a_map(clock):
    m = ExpiringMap("i8", "i8", 80, max_keys=3, clock=clock)
    m.add_many([1, 2, 1, 2, 1])
    clock.now = 1010
    m.add_many([1, 1, 1, 1])
    with pytest.raises(OverflowError, match="3 keys are held, 1 more"):
        m.add_many([2, 2, 1])
    with pytest.raises(OverflowError, match="3 keys are held, 2 more"):
        m.set_many([3, 1, 4, 3], 0)
    with pytest.raises(OverflowError, match="3 keys are held, 1 more"):
        m[3] = 0
    assert dict(m.items()) == {1: 7, 2: 2}
    m.set_many([1, 2, 1, 2], [0, 0, 5, 6])
    m[3] = 7
    assert dict(m.items()) == {1: 5, 2: 6, 3: 7}


# ---- sums


def test_a_sum_slides(clock, counts):
    for clock.now, total in [(1000, 1), (1010, 2), (1040, 3), (1089, 4), (1090, 4), (1100, 4), (1129, 5), (1130, 5)]:
        assert counts.add_many(["a"]).tolist() == [total]
        assert counts["a"] == counts.get("a") == total
    assert len(counts) == 1


def test_running_totals_in_the_order_of_the_batch(clock, counts):
    counts.add_many(["a", "b"], [100, 200], at=960)
    assert counts.add_many(["b", "a", "b", "b", "c", "a"], [1, 2, 3, 4, 5, -6]).tolist() == [201, 102, 204, 208, 5, 96]
    assert counts.add_many(["a"] * 1000).tolist() == [*range(97, 1097)]


def test_setting_replaces_the_sum_and_the_time(clock, counts):
    counts.add_many(["a", "b"], at=[960, 990])
    counts.add_many(["a", "b"])
    counts["a"] = 10
    counts.set_many(["b", "b"], [20, 21])
    clock.now = 1089
    assert dict(counts.items()) == {"a": 10, "b": 21}
    clock.now = 1090
    assert len(counts) == 0


def test_the_last_of_equal_keys_counts_with_its_time(clock, counts):
    counts.set_many(["a", "b", "a", "b"], [1, 2, 3, 4], at=[1060, 1000, 1000, 1060])
    assert dict(counts.items()) == {"a": 3, "b": 4}
    clock.now = 1090
    assert dict(counts.items()) == {"b": 4}


@pytest.mark.parametrize("dtype", ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"])
def test_ints_wrap_around(dtype, clock):
    most = np.iinfo(dtype).max
    m = ExpiringMap("i8", dtype, 80, clock=clock)
    m.add_many([1], [most], at=960)
    totals = m.add_many([1, 1], [1, 1])
    assert totals.dtype == dtype
    expected = [np.iinfo(dtype).min, np.iinfo(dtype).min + 1]
    assert totals.tolist() == expected
    assert [m[1], m.get_many([1]).tolist()[0]] == expected[1:] * 2
    assert m.pop(1) == expected[1]


def test_an_infinite_sum_is_that_of_its_key_only(clock):
    m = ExpiringMap("i8", "f8", 80, clock=clock)
    keys = [1, 2, 1, 2, 3]
    assert m.add_many(keys, [np.inf, 1, 1, 2, 0.5]).tolist() == [np.inf, 1, np.inf, 3, 0.5]
    assert m.add_many([2, 1, 2], [1e300, 1, 2]).tolist() == [1e300, np.inf, 1e300]


def test_sums_of_durations(clock):
    m = ExpiringMap(str, "m8[s]", 80, clock=clock)
    second = np.timedelta64(1, "s")
    m.add_many(["a"], second, at=960)
    assert m.add_many(["a", "b", "a"], np.array([1, 2, 3], "m8[s]")).tolist() == [2 * second, 2 * second, 5 * second]
    assert m["a"] == 5 * second
    assert type(m["a"]) is np.timedelta64
    with pytest.raises(TypeError):
        m.add_many(["a"])


@pytest.mark.parametrize("value", [str, object, "M8[s]", "?", "c16", [("n", "i8")], ("i8", 2), "f2"])
def test_what_has_no_sum(value, clock):
    m = ExpiringMap("i8", value, 80, clock=clock)
    with pytest.raises(TypeError, match=r"add_many cannot add values of type .*: give a map of ints, floats"):
        m.add_many([1])


# ---- entries


@value_kinds
def test_values_of_every_type(value_kind, clock):
    m = ExpiringMap("i8", value_kind.spec, 80, clock=clock)
    values = value_kind.values
    keys = range(len(values))
    m.set_many(list(keys), value_kind.array(values), at=960)
    m.set_many(list(keys)[1:], list(values)[1:])
    plain = HMap("i8", value_kind.spec, zip(keys, values, strict=True))
    for key in keys:
        assert type(m[key]) is type(plain[key])
    assert HMap("i8", value_kind.spec, m.items()) == plain
    m[0] = values[-1]
    assert HMap("i8", value_kind.spec, {0: m.pop(0)}) == HMap("i8", value_kind.spec, {0: values[-1]})
    given = m.get_many([*keys, 10**6], value_kind.array([*values, values[0]]))
    assert given.dtype == plain.values_array().dtype
    assert given.shape == (len(values) + 1, *plain.values_array().shape[1:])


@kinds
def test_entries_of_every_key_type(kind, clock):
    m = ExpiringMap(kind.spec, str, 80, clock=clock)
    keys = [*dict.fromkeys([*kind.keys[:5], *kind.edge])]
    for i, key in enumerate(keys):
        m[key] = f"{i}"
    clock.now = 1020
    m.set_many(kind.array(keys[:2]), ["x", "y"])
    m.set_many(keys[-1:], "z")
    expected = {**{key: f"{i}" for i, key in enumerate(keys)}, keys[0]: "x", keys[1]: "y", keys[-1]: "z"}
    assert dict(m.items()) == expected
    assert m.get_many(kind.array(keys)).tolist() == [expected[key] for key in keys]
    del m[keys[0]]
    assert m.discard_many(keys[:2]) == 1
    assert set(m) == set(keys[2:])
    m.check()


def test_defaults(counts):
    counts["a"] = 1
    assert counts.get_many(["b", "a"], 7).tolist() == [7, 1]
    assert counts.get_many(["b", "a", "c"], [7, 8, 9]).tolist() == [7, 1, 9]
    with pytest.raises(ValueError, match="3 keys but 2"):
        counts.get_many(["b", "a", "c"], [7, 8])
    with pytest.raises(TypeError):
        counts.get_many(["a", "b"], "none")
    with pytest.raises(KeyError, match="key 'b' at position 1 is not in the map"):
        counts.get_many(["a", "b", "c"])


def test_a_missing_key_is_the_callers_own_object(counts):
    missing = "".join(["b"])
    for call in counts.__getitem__, counts.__delitem__, counts.pop:
        with pytest.raises(KeyError) as raised:
            call(missing)
        assert raised.value.args[0] is missing
    assert counts.pop(missing, None) is None


# ---- what is refused


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        ((str, 0), {}, ValueError, "window=0: give a number of seconds above 0"),
        ((str, -1.5), {}, ValueError, "window=-1.5"),
        ((str, float("nan")), {}, ValueError, "window=nan"),
        ((str, float("inf")), {}, ValueError, "window=inf"),
        ((str, "60"), {}, ValueError, "window='60'"),
        ((str, 60), {"parts": 0}, ValueError, "parts=0: give a whole number from 1 to 1,000"),
        ((str, 60), {"parts": 1001}, ValueError, "parts=1001"),
        ((str, 60), {"parts": 2.0}, ValueError, "parts=2.0"),
        ((str, 60), {"max_keys": 0}, ValueError, "max_keys=0: give a whole number from 1 on"),
        ((str, 60), {"max_keys": 1.5}, ValueError, "max_keys=1.5"),
        ((str, 60), {"clock": 5}, TypeError, "clock=5: give a function"),
        (("c16", 60), {}, TypeError, "keys of dtype complex128 are not supported"),
    ],
)
def test_arguments_that_are_refused(arguments, options, error, message):
    with pytest.raises(error, match=message):
        ExpiringSet(*arguments, **options)
    with pytest.raises(error, match=message):
        ExpiringMap(arguments[0], int, *arguments[1:], **options)


def test_a_batch_with_a_bad_key_changes_nothing(clock):
    s, m = ExpiringSet("i4", 80, clock=clock), ExpiringMap("i4", "i4", 80, clock=clock)
    for known in ([], [1]):
        s.add_many(known)
        m.set_many(known, 1)
        calls = [s.add_many, s.contains_many, s.discard_many, m.add_many, m.contains_many, m.discard_many, m.get_many]
        for call in [*calls, lambda keys: m.set_many(keys, 1)]:
            with pytest.raises(OverflowError, match=r"keys\[2\]"):
                call([1, 2, 2**40])
            with pytest.raises(TypeError, match=r"keys\[1\]"):
                call([1, "2"])
            with pytest.raises(ValueError, match="one-dimensional"):
                call(np.zeros((2, 2), np.int32))
        assert list(s) == list(m) == known


def test_a_bad_key_alone(seen, counts):
    for known in ([], ["a"]):
        seen.add_many(known)
        counts.set_many(known, 1)
        calls = [seen.add, seen.discard, seen.__contains__, counts.__contains__, counts.get, counts.pop]
        for call in [*calls, counts.__getitem__, counts.__delitem__, lambda key: counts.__setitem__(key, 1)]:
            with pytest.raises(TypeError):
                call(5)
            with pytest.raises(TypeError):
                call(["a"])
        assert list(seen) == list(counts) == known


def test_a_bad_value_changes_nothing(clock, counts):
    counts.add_many(["a"], 5, at=960)
    for call in counts.set_many, counts.add_many:
        with pytest.raises(TypeError, match=r"values\[1\]"):
            call(["a", "b"], [1, "2"])
        with pytest.raises(OverflowError):
            call(["a", "b"], 2**70)
        with pytest.raises(ValueError, match="2 keys but 3 values"):
            call(["a", "b"], [1, 2, 3])
    with pytest.raises(TypeError):
        counts["a"] = "5"
    assert dict(counts.items()) == {"a": 5}


def test_nulls(clock):
    pa = pytest.importorskip("pyarrow")
    s, m = ExpiringSet(str, 80, clock=clock), ExpiringMap(str, "i8", 80, clock=clock)
    for column in pa.array(["a", None]), np.ma.array(["a", "b"], mask=[False, True]):
        for call in s.add_many, s.discard_many, m.add_many, m.get_many, lambda keys: m.set_many(keys, 1):
            with pytest.raises(ValueError, match=r"keys\[1\] is null"):
                call(column)
    assert not s
    m["a"] = 1
    assert m.contains_many(pa.array([None, "a"])).tolist() == [False, True]
    assert m.get_many(pa.array([None, "a"]), -1).tolist() == [-1, 1]
    with pytest.raises(ValueError, match=r"values\[0\] is null"):
        m.set_many(["a"], pa.array([None], pa.int64()))


# ---- the rest


def test_an_iteration_sees_what_was_there_when_it_began(clock, seen, counts):
    seen.add_many(["a", "b"])
    counts.set_many(["a", "b"], [1, 2])
    walks = iter(seen), iter(counts), counts.items()
    seen.add_many(f"{i}" for i in range(1000))
    counts.clear()
    clock.now = 5000
    assert [sorted(walk) for walk in walks] == [["a", "b"], ["a", "b"], [("a", 1), ("b", 2)]]


def test_the_oldest_part_comes_first(clock):
    s = ExpiringSet("i8", 80, clock=clock)
    m = ExpiringMap("i8", "i8", 80, clock=clock)
    times = [960, 1000, 1040, 930, 990]
    s.add_many([1, 2, 3, 4, 5], at=times)
    m.add_many([1, 2, 3, 4, 5, 4], at=[*times, 1070])
    assert list(s) == s.to_array().tolist() == [4, 1, 5, 2, 3]
    assert list(m) == [1, 5, 2, 3, 4]
    assert m.to_arrays()[1].tolist() == [1, 1, 1, 1, 2]


def test_objects_are_what_they_are(clock):
    s = ExpiringSet(object, 80, clock=clock)
    first, second = (1, "x"), (1.0, "x")
    assert s.add_many([first, second, None]).tolist() == [True, False, True]
    assert next(key for key in s if key) is first
    m = ExpiringMap(object, object, 80, clock=clock)
    m.set_many([None, (1,)], [[1, 2], {3}])
    assert m[None] == [1, 2]
    assert m.get_many([(1,), 5], "none").tolist() == [{3}, "none"]


def test_repr(clock, seen, counts):
    seen.add_many(["a", "b"])
    counts.add_many(["a"])
    assert repr(seen) == "<ExpiringSet(str, 80.0, parts=8) with 2 keys>"
    assert repr(counts) == "<ExpiringMap(str, int64, 80.0, parts=8) with 1 keys>"


def test_they_have_no_hash_and_no_copies(seen, counts):
    for made in seen, counts:
        with pytest.raises(TypeError, match="unhashable"):
            hash(made)
        for call in copy.copy, copy.deepcopy, pickle.dumps:
            with pytest.raises(TypeError, match=r"cannot be pickled or copied: save\(\) it, and open it again"):
                call(made)


def test_the_time_is_the_systems_by_default():
    s = ExpiringSet(str, 3600)
    assert s.add("a")
    assert (s.window, s.parts) == (3600.0, 8)
    with pytest.raises(ValueError, match=r"at is 0.0|more than the window"):
        s.add("b", at=2**32 + 2**31)
    assert not s.add("b", at=0)


def test_one_part(clock):
    s = ExpiringSet("i8", 10, parts=1, clock=clock)
    s.add_many([1, 2], at=[1000, 1009])
    clock.now = 1019
    assert len(s) == 2
    clock.now = 1020
    assert len(s) == 0


def test_a_set_is_made_of_sets(clock):
    """As large a batch as its parts take at once, with keys that repeat."""
    keys = np.random.default_rng(1).integers(0, 50_000, 100_000)
    s = ExpiringSet("i8", 80, clock=clock)
    assert np.array_equal(s.add_many(keys), HSet("i8").add_many(keys, return_new=True))
    at = 1000 + np.random.default_rng(2).random(100_000) * 60
    s = ExpiringSet("i8", 80, clock=clock)
    assert np.array_equal(s.add_many(keys, at=at), HSet("i8").add_many(keys, return_new=True))
