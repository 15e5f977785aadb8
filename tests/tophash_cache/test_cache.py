"""TopHashCache: the same digest in every mode, the bound, what is cached and counted, turning on and off."""

import copy
import gc
import pickle
import random
import subprocess
import sys
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tophash_cache import ConfigError, Mode, TopHashCache, _cache, xxh64
from tophash_cache.controller import GAPS, STRETCH, STRETCHES

# The warm-up is four times 64 look-ups. The policy "cost" asks a clock, so most tests go by the hit rate alone.
SMALL = {"max_entries": 64, "window": 64, "policy": "hit-rate"}
TRIAL = STRETCH * len(STRETCHES)


class Text(str):
    __slots__ = ()


class Octets(bytes):
    pass


def scan(cache: TopHashCache, count: int, start: int = 0) -> None:
    for number in range(start, start + count):
        cache.hash(f"scan {number}")


def modes(cache: TopHashCache) -> list[Mode]:
    """The modes of a cache since its warm-up."""
    first, *rest = cache.stats().transitions
    assert first == (0, Mode.DISABLED, Mode.WARM_UP, None)
    return [change.new for change in rest]


def cache_in(mode: Mode) -> TopHashCache:
    """A cache that hashing alone (or `disable`) has brought into a mode."""
    cache = TopHashCache(**SMALL | ({"policy": "cost"} if mode is Mode.TRIAL else {}))
    if mode is Mode.DISABLED:
        cache.disable()
    elif mode in (Mode.ACTIVE, Mode.TRIAL):
        for _ in range(4 * 2):
            scan(cache, 32)
    elif mode in (Mode.BYPASS, Mode.PROBE):
        scan(cache, 64)
        if mode is Mode.PROBE:
            scan(cache, GAPS[0])
    assert cache.stats().mode is mode
    return cache


@pytest.mark.parametrize("mode", list(Mode))
def test_the_digest_is_the_same_in_every_mode(mode, digest):
    cache = cache_in(mode)
    keys = ["", "a", "user:42", "x" * 32, "x" * 33, "ä" * 16, "ä" * 17, "\U0001f600" * 8, "é" * 300]
    keys += [key.encode() for key in keys] + [Text("sub"), Octets(b"sub"), bytearray(b"ab"), memoryview(b"ab")]
    for key in keys * 3:
        assert cache.hash(key) == digest(key)
    assert cache.stats().mode is mode


@pytest.mark.parametrize("mode", [Mode.WARM_UP, Mode.DISABLED])
def test_any_text_and_bytes(mode, digest):
    cache = cache_in(mode)

    @given(st.one_of(st.text(max_size=40), st.binary(max_size=40)))
    def check(key):
        assert cache.hash(key) == cache.hash(key) == digest(key)

    check()


def test_digests_stay_right_through_all_changes_of_mode(digest):
    cache = TopHashCache(**SMALL)
    rng = random.Random(1)
    for call in range(2 * GAPS[0]):
        key = f"key {rng.randrange(10 if call // 1000 % 2 else 10**6)}"
        assert cache.hash(key) == digest(key)
    assert set(modes(cache)) >= {Mode.ACTIVE, Mode.BYPASS, Mode.PROBE}


def test_a_hit_returns_the_stored_int_and_allocates_nothing():
    cache = TopHashCache()
    key = "user:42"
    first = cache.hash(key)
    assert cache.hash("user:" + str(42)) is first
    before = sys.getallocatedblocks()
    for _ in range(1000):
        cache.hash(key)
    assert sys.getallocatedblocks() - before < 10


def test_hits_and_misses_are_those_of_the_trace():
    cache = TopHashCache(max_entries=100)
    for key in ["a", "b", "a", b"a", "a", b"a", "c"]:
        cache.hash(key)
    assert cache.cache_info() == (3, 4, 100, 4)
    assert cache.stats().hit_rate == 3 / 7


@pytest.mark.parametrize(
    ("key", "count"),
    [
        ("x" * 33, "oversize"),
        (b"x" * 33, "oversize"),
        ("ä" * 17, "oversize"),
        ("\ud7ff" * 11, "oversize"),
        (Text("a"), "uncacheable"),
        (Octets(b"a"), "uncacheable"),
        (bytearray(b"a"), "uncacheable"),
        (memoryview(b"a"), "uncacheable"),
    ],
)
def test_what_is_not_cached_is_counted_apart(key, count):
    cache = TopHashCache()
    for _ in range(3):
        cache.hash(key)
    assert getattr(cache.stats(), count) == 3
    assert cache.cache_info() == (0, 0, 8192, 0)


@pytest.mark.parametrize("key", ["x" * 32, b"x" * 32, "ä" * 16, "\ud7ff" * 10, "", b""])
def test_keys_up_to_the_limit_in_utf8_bytes_are_cached(key):
    cache = TopHashCache()
    cache.hash(key)
    cache.hash(key)
    assert cache.cache_info()[:2] == (1, 1)


@pytest.mark.parametrize("mode", [Mode.ACTIVE, Mode.BYPASS, Mode.DISABLED])
@pytest.mark.parametrize(
    ("key", "error", "message"),
    [
        (42, TypeError, "type int"),
        (None, TypeError, "type NoneType"),
        (["a"], TypeError, "type list"),
        ("\ud800", UnicodeEncodeError, "surrogates not allowed"),
        (memoryview(b"abcd")[::2], BufferError, "contiguous"),
    ],
)
def test_a_bad_key_raises_and_is_not_counted(mode, key, error, message):
    cache = cache_in(mode)
    before = cache.stats()
    with pytest.raises(error, match=message):
        cache.hash(key)
    assert cache.stats() == before


@pytest.mark.parametrize("entries", [1, 100, 1000, 5500])
@pytest.mark.parametrize("key", ["%032d", b"%032d", "\U0001f600%028d"])
@pytest.mark.slow
def test_it_holds_as_many_bytes_as_it_says_and_no_more_than_the_bound(entries, key):
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        cache = TopHashCache(max_entries=entries, policy="always")
        for number in [*range(entries), *range(20 * entries, 22 * entries)] * 3:
            cache.hash(key % number)
            cache.hash(f"{number:032}")  # the tables of both types have grown, and share the entries now
        gc.collect()
        held = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert cache.cache_info().currsize == entries
    assert held == pytest.approx(cache.stats().nbytes, rel=0.02, abs=6000)
    assert cache.stats().nbytes <= entries * (320 + 4 * 32) + 4096


@pytest.mark.parametrize("entries", [1, 2, 3, 7, 64])
def test_never_more_than_max_entries(entries):
    cache = TopHashCache(max_entries=entries, policy="always")
    rng = random.Random(entries)
    for _ in range(5000):
        number = rng.randrange(200)
        cache.hash(str(number) if number % 2 else str(number).encode())
        assert cache.cache_info().currsize <= entries
    stats = cache.stats()
    assert stats.evictions > 0
    assert stats.entries == entries == stats.misses - stats.rejected - stats.evictions


@pytest.mark.release_only  # AddressSanitizer does not give memory back so soon
@pytest.mark.parametrize("entries", [1, 4, 64])
@pytest.mark.parametrize("form", ["key %d", b"key %d"])
def test_an_object_where_an_evicted_key_lay_gets_its_own_digest(entries, form, digest):
    """Keys die when they are evicted, and Python reuses their memory for the next ones."""
    cache = TopHashCache(max_entries=entries, policy="always")
    addresses = set()
    for number in range(20_000):
        key = form % (number // 2)  # at its second sighting a full cache takes it
        addresses.add(id(key))
        assert cache.hash(key) == digest(key)
    assert cache.stats().evictions > 1000
    assert len(addresses) < 2000  # of 10,000 keys


def test_an_object_where_a_key_lay_before_a_clear_gets_its_own_digest(digest):
    cache = TopHashCache(max_entries=64, policy="always")
    for number in range(5000):
        key = f"key {number}"
        assert cache.hash(key) == digest(key)
        if number % 50 == 0:
            cache.clear()


def test_more_keys_than_have_a_place_of_their_own_are_all_found():
    cache = TopHashCache(max_entries=2000, policy="always")
    scan_keys = [f"key {number}" for number in range(2000)]
    for key in scan_keys * 3:
        cache.hash(key)
    assert cache.cache_info()[:2] == (4000, 2000)


def test_used_keys_survive_a_scan_that_repeats_nothing():
    cache = TopHashCache(max_entries=100, policy="always")
    hot = [f"hot {number}" for number in range(80)]
    for key in hot * 2:
        cache.hash(key)
    scan(cache, 2_000)
    before = cache.cache_info().hits
    for key in hot:
        cache.hash(key)
    assert cache.cache_info().hits - before >= 65


def hits_of(cache, key, times):
    """For each of some calls with a key, whether it hit."""
    hits = []
    for _ in range(times):
        before = cache.cache_info().hits
        cache.hash(key)
        hits.append(cache.cache_info().hits - before)
    return hits


def test_a_cache_full_of_used_keys_takes_another_at_its_second_sighting():
    cache = TopHashCache(max_entries=4, policy="always")
    for _ in range(2):
        scan(cache, 4)
    assert hits_of(cache, "late", 3) == [0, 0, 1]


def test_while_keys_repeat_a_new_one_takes_the_place_of_an_unused_one_at_once():
    cache = TopHashCache(max_entries=8, policy="always")
    scan(cache, 8)
    for _ in range(2):
        cache.hash("early")  # rejected, then admitted: a second sighting
    assert hits_of(cache, "late", 2) == [0, 1]


@pytest.mark.parametrize("keys", [500, 2000])
def test_few_keys_after_a_scan_are_found_by_the_next_probe(keys):
    cache = TopHashCache(policy="hit-rate")
    scan(cache, 50_000)
    rng = random.Random(1)
    for _ in range(60_000):
        cache.hash(f"few {rng.randrange(keys)}")
    assert modes(cache) == [Mode.BYPASS, Mode.PROBE, Mode.ACTIVE]


def test_skewed_traffic_over_new_keys_is_found_by_the_next_probe():
    cache = TopHashCache(policy="hit-rate")
    scan(cache, 50_000)
    for key in zipf(120_000, 50_000, 1.4, "new"):
        cache.hash(key)
    assert modes(cache) == [Mode.BYPASS, Mode.PROBE, Mode.ACTIVE]


def test_a_key_that_is_used_outlives_one_that_is_not():
    cache = TopHashCache(max_entries=64, policy="always")
    scan(cache, 64)
    for late in range(1000):
        for key in (f"late {late}", f"late {late}", "scan 0"):
            cache.hash(key)
    before = cache.cache_info().hits
    cache.hash("scan 0")
    assert cache.cache_info().hits == before + 1


def test_new_hot_keys_replace_old_ones():
    cache = TopHashCache(max_entries=100, policy="always")
    scan(cache, 100)
    for _ in range(10):
        scan(cache, 80, start=1000)
    before = cache.cache_info().hits
    scan(cache, 80, start=1000)
    assert cache.cache_info().hits - before >= 70


def zipf(count: int, keys: int, exponent: float, prefix: str) -> list[str]:
    weights = [1 / rank**exponent for rank in range(1, keys + 1)]
    return [f"{prefix} {key}" for key in random.Random(1).choices(range(keys), weights, k=count)]


@pytest.mark.parametrize(
    ("exponent", "expected"),
    [(1.3, [Mode.ACTIVE]), (1.1, [Mode.ACTIVE]), (0.8, [Mode.ACTIVE, Mode.BYPASS, Mode.PROBE, Mode.BYPASS])],
)
def test_skew_decides(exponent, expected):
    cache = TopHashCache(policy="hit-rate")
    for key in zipf(140_000, 50_000, exponent, "key"):
        cache.hash(key)
    assert modes(cache) == expected


def test_few_keys_stay_on():
    cache = TopHashCache(policy="hit-rate")
    for _ in range(30):
        scan(cache, 4000)
    assert modes(cache) == [Mode.ACTIVE]


def test_it_comes_back_after_a_scan():
    cache = TopHashCache(policy="hit-rate")
    hot = zipf(100_000, 20_000, 1.2, "hot")
    for key in hot:
        cache.hash(key)
    scan(cache, 30_000)
    for key in hot:
        cache.hash(key)
    assert modes(cache) == [Mode.ACTIVE, Mode.BYPASS, Mode.PROBE, Mode.ACTIVE]
    assert cache.stats().transitions[-1].hit_rate >= 0.90


def test_a_scan_is_looked_up_for_one_fill_and_one_window_a_probe():
    cache = TopHashCache()
    scan(cache, 100_000)
    stats = cache.stats()
    assert stats.misses == 8192 + 2048
    assert stats.hits + stats.misses + stats.bypassed == 100_000
    assert (stats.probes, stats.next_probe_in) == (1, GAPS[1] - (100_000 - 8192 - 2048 - GAPS[0]))


def test_policy_always_stays_on():
    cache = TopHashCache(**SMALL | {"policy": "always"})
    scan(cache, 5000)
    assert cache.stats().mode is Mode.ACTIVE
    assert cache.stats().window_hit_rate == 0.0


# The policy "cost", with a clock that is computed from the cache's counters: no time is measured.


def set_clock(monkeypatch, cache, *, hit, miss=100, direct, work=0):
    """Set the time of each kind of call. Oversize keys take a direct hash; each call also takes some work."""

    def clock():
        stats = cache.stats()
        calls = stats.hits + stats.misses + stats.bypassed + stats.oversize
        return stats.hits * hit + stats.misses * miss + (stats.bypassed + stats.oversize) * direct + calls * work

    monkeypatch.setattr(_cache, "clock", clock)


def few_keys(cache, count):
    for number in range(count):
        cache.hash(f"few {number % 50}")


def test_a_cache_whose_hits_are_fast_comes_into_use_and_stays_there(monkeypatch):
    cache = TopHashCache(**SMALL | {"policy": "cost"})
    set_clock(monkeypatch, cache, hit=20, direct=25, work=500)
    few_keys(cache, 4 * 64 + TRIAL + 64 * 64 + TRIAL)
    assert modes(cache) == [Mode.TRIAL, Mode.ACTIVE, Mode.TRIAL, Mode.ACTIVE]


def test_a_cache_whose_hits_are_slow_goes_off_whatever_its_hit_rate_and_each_probe_finds_it_so(monkeypatch):
    cache = TopHashCache(**SMALL | {"policy": "cost"})
    set_clock(monkeypatch, cache, hit=26, direct=25, work=500)
    few_keys(cache, 4 * 64 + TRIAL + GAPS[0] + 2 * 64 + TRIAL + 100)
    assert modes(cache) == [Mode.TRIAL, Mode.BYPASS, Mode.PROBE, Mode.TRIAL, Mode.BYPASS]
    assert cache.stats().next_probe_in == GAPS[1] - 100
    assert cache.stats().hit_rate > 0.98


def test_a_cache_in_use_goes_off_when_its_hits_become_slow_and_comes_back_when_they_are_fast_again(monkeypatch):
    cache = TopHashCache(**SMALL | {"policy": "cost"})
    set_clock(monkeypatch, cache, hit=20, direct=25)
    few_keys(cache, 4 * 64 + TRIAL)
    set_clock(monkeypatch, cache, hit=40, direct=25)
    few_keys(cache, 64 * 64 + TRIAL)
    assert cache.stats().mode is Mode.BYPASS
    set_clock(monkeypatch, cache, hit=20, direct=25)
    few_keys(cache, GAPS[0] + 2 * 64 + TRIAL)
    assert modes(cache)[3:] == [Mode.BYPASS, Mode.PROBE, Mode.TRIAL, Mode.ACTIVE]


def test_a_trial_looks_up_half_of_its_calls_and_gives_every_digest(monkeypatch, digest):
    cache = cache_in(Mode.TRIAL)
    set_clock(monkeypatch, cache, hit=20, direct=25)
    before = cache.stats()
    for number in range(TRIAL):
        assert cache.hash(f"few {number % 50}") == digest(f"few {number % 50}")
    after = cache.stats()
    assert after.mode is Mode.ACTIVE
    assert after.bypassed - before.bypassed == TRIAL // 2
    assert (after.hits + after.misses) - (before.hits + before.misses) == TRIAL // 2
    assert after.window_hit_rate == pytest.approx((after.hits - before.hits) / (TRIAL // 2))


def test_misses_are_part_of_what_looking_up_costs(monkeypatch):
    """At 80 hits in 100 a look-up takes 0.8 * 20 + 0.2 * 100 = 36."""
    for direct, mode in ((40, Mode.ACTIVE), (30, Mode.BYPASS)):
        cache = cache_in(Mode.TRIAL)
        set_clock(monkeypatch, cache, hit=20, miss=100, direct=direct)
        for number in range(TRIAL):
            cache.hash(f"few {number % 50}" if number % 5 else f"new {number}")
        assert cache.stats().mode is mode


def test_keys_that_are_never_looked_up_weigh_the_same_on_both_sides_of_a_trial(monkeypatch):
    cache = cache_in(Mode.TRIAL)
    set_clock(monkeypatch, cache, hit=20, direct=25)
    for number in range(3 * TRIAL):
        cache.hash(f"few {number % 50}")
        cache.hash("long " * 20)
        if cache.stats().mode is not Mode.TRIAL:
            break
    assert cache.stats().mode is Mode.ACTIVE


def test_by_default_cost_decides():
    cache = TopHashCache(max_entries=64, window=64)
    few_keys(cache, 4 * 64)
    assert cache.stats().mode is Mode.TRIAL


def test_with_the_clock_of_the_machine_a_trial_ends(digest):
    cache = cache_in(Mode.TRIAL)
    few_keys(cache, TRIAL)
    assert modes(cache)[-1] in (Mode.ACTIVE, Mode.BYPASS)
    assert cache.hash("few 1") == digest("few 1")


@pytest.mark.parametrize(
    ("method", "mode"), [(TopHashCache.disable, Mode.DISABLED), (TopHashCache.clear, Mode.WARM_UP)]
)
def test_a_switch_while_the_clock_is_read_wins(monkeypatch, method, mode):
    cache = cache_in(Mode.TRIAL)
    monkeypatch.setattr(_cache, "clock", lambda: method(cache) or 0)
    few_keys(cache, STRETCH)
    stats = cache.stats()
    assert (stats.mode, stats.entries) == (mode, 0)
    assert stats.hits + stats.misses + stats.bypassed == 4 * 64 + STRETCH


def test_calls_of_others_while_the_clock_is_read_belong_to_the_next_stretch(monkeypatch):
    """As when the clock lets another thread run: what it does there is done once, and every call is counted once."""
    cache = cache_in(Mode.TRIAL)
    set_clock(monkeypatch, cache, hit=20, direct=25)
    counted = _cache.clock

    def clock():
        monkeypatch.setattr(_cache, "clock", counted)
        few_keys(cache, 10)
        return counted()

    monkeypatch.setattr(_cache, "clock", clock)
    few_keys(cache, TRIAL + 1 - 10)
    stats = cache.stats()
    assert stats.hits + stats.misses + stats.bypassed == 4 * 64 + TRIAL + 1
    assert stats.mode is Mode.ACTIVE


def test_disable_empties_and_hashes_directly():
    cache = cache_in(Mode.ACTIVE)
    cache.disable()
    before = cache.cache_info()
    scan(cache, 100)
    assert cache.cache_info() == before
    assert (before.currsize, cache.stats().bypassed) == (0, 100)


def test_enable_starts_afresh_and_is_of_no_effect_on_a_cache_that_is_on():
    cache = cache_in(Mode.ACTIVE)
    cache.disable()
    cache.enable()
    scan(cache, 10)
    assert (cache.stats().mode, cache.stats().entries) == (Mode.WARM_UP, 10)
    cache.enable()
    assert cache.stats().entries == 10


@pytest.mark.parametrize("mode", list(Mode))
def test_clear_empties_and_keeps_the_counters(mode):
    cache = cache_in(mode)
    before = cache.stats()
    cache.clear()
    after = cache.stats()
    assert after.entries == 0
    assert after.mode is (Mode.WARM_UP if mode in (Mode.ACTIVE, Mode.PROBE, Mode.TRIAL) else mode)
    assert (after.hits, after.misses, after.bypassed) == (before.hits, before.misses, before.bypassed)


def test_clear_does_not_put_off_the_next_probe():
    cache = cache_in(Mode.BYPASS)
    scan(cache, 1000)
    before = cache.stats().next_probe_in
    cache.clear()
    assert cache.stats().next_probe_in == before == GAPS[0] - 1000


def test_transitions_tell_when_from_where_to_and_why():
    cache = cache_in(Mode.BYPASS)
    scan(cache, 10)
    cache.disable()
    assert cache.stats().transitions == (
        (0, Mode.DISABLED, Mode.WARM_UP, None),
        (64, Mode.WARM_UP, Mode.BYPASS, 0.0),
        (64 + 10, Mode.BYPASS, Mode.DISABLED, None),
    )


@pytest.mark.parametrize(("key", "top"), [("", 0xEF), ("a", 0xD2)])
def test_tophash_is_the_top_byte(key, top):
    assert TopHashCache().tophash(key) == top


def test_tophash_leaves_the_values_of_states_out():
    cache = TopHashCache()
    tops = {key: xxh64(str(key)) >> 56 for key in range(2000)}
    assert {tops[key] for key in tops} >= {0, 4, 5, 255}
    for key, top in tops.items():
        assert cache.tophash(str(key)) == (top + 5 if top < 5 else top)


@pytest.mark.parametrize("send", [pickle.dumps, copy.copy, copy.deepcopy])
def test_it_cannot_be_pickled_or_copied(send):
    with pytest.raises(TypeError, match="cannot be pickled or copied: build a new one"):
        send(TopHashCache())


def test_bad_settings_are_named():
    with pytest.raises(ConfigError, match="did you mean 'max_entries'"):
        TopHashCache(max_entrys=3)


def test_new_alone_gives_a_working_cache(digest):
    cache = TopHashCache.__new__(TopHashCache)
    assert cache.hash("a") == digest("a")


def test_a_subclass_can_be_weakly_referenced_and_collected():
    class Sub(TopHashCache):
        pass

    cache = Sub()
    cache.itself = cache
    cache.hash("a")
    del cache
    assert gc.collect() >= 1


def test_repr_says_what_it_is_doing():
    cache = TopHashCache(max_entries=10)
    cache.hash("a")
    assert repr(cache) == "<TopHashCache warm-up, 1 of 10 entries>"


def test_str_and_bytes_of_equal_content_are_never_compared():
    code = (
        "import tophash_cache as t; c = t.TopHashCache(); print(c.hash('a') == c.hash(b'a'), c.cache_info().currsize)"
    )
    done = subprocess.run([sys.executable, "-P", "-bb", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True 2\n"


@pytest.mark.parametrize("policy", ["cost", "hit-rate", "always"])
def test_nothing_is_left_behind(policy):
    def work(count):
        cache = TopHashCache(max_entries=256, window=64, policy=policy)
        for number in range(count):
            cache.hash(f"key {number % 1000}")
            cache.hash(b"key %d" % (number % 300))
            cache.hash("ключ" * (number % 30))
            if number % 500 == 0:
                cache.clear()
            if number % 700 == 0:
                cache.disable()
                cache.enable()

    work(2000)
    gc.collect()
    before = sys.getallocatedblocks()
    work(100_000)
    gc.collect()
    assert abs(sys.getallocatedblocks() - before) < 100
