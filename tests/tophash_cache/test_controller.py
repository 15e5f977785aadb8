"""The controller as a pure state machine: made-up hit rates, and traces run through a simulated cache."""

import random
import re
import sysconfig
from collections import OrderedDict
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tophash_cache.controller import GAPS, Controller, Mode


def start(**changes):
    return Controller.start(**{"window": 100, "max_entries": 50, "floor": 0.85, "resume_at": 0.90, **changes})


def run(machine: Controller, *rates: float) -> Controller:
    for rate in rates:
        machine = machine.advance(rate)
    return machine


def active(**changes) -> Controller:
    return run(start(**changes), *[0.01] * 4)


def in_bypass(**changes) -> Controller:
    return run(active(**changes), 0.5, 0.5)


def in_probe() -> Controller:
    return in_bypass().advance(0.0)


def test_the_warm_up_lasts_four_fills_however_little_they_hit():
    machine, spans = start(max_entries=200), []
    while machine.mode is Mode.WARM_UP:
        spans.append(machine.span)
        machine = machine.advance(0.01)
    assert (machine.mode, spans) == (Mode.ACTIVE, [200] * 4)


def test_the_warm_up_is_no_shorter_than_a_window():
    assert start(window=1000).span == 250


@pytest.mark.parametrize("before", [[], [0.3], [0.3, 0.5, 0.6]])
def test_a_fill_without_hits_ends_the_warm_up(before):
    assert run(start(), *before, 0.009).mode is Mode.BYPASS


@pytest.mark.parametrize(
    ("rates", "mode"),
    [
        ([0.84, 0.84], Mode.BYPASS),
        ([0.84, 0.85, 0.84], Mode.ACTIVE),
        ([0.85] * 40, Mode.ACTIVE),
        ([0.95] * 40 + [0.1], Mode.ACTIVE),
        ([0.95] * 40 + [0.1, 0.1], Mode.BYPASS),
    ],
)
def test_two_windows_in_a_row_under_the_floor_switch_off(rates, mode):
    assert run(active(), *rates).mode is mode


@pytest.mark.parametrize(
    ("rates", "mode"),
    [
        ([1.0], Mode.PROBE),  # the first window refills, and is not enough
        ([0.009], Mode.BYPASS),  # nothing repeats
        ([0.01, 0.90], Mode.ACTIVE),
        ([0.01, 0.69], Mode.BYPASS),
        ([0.01, 0.71], Mode.PROBE),
        ([0.01, 0.71, 0.75], Mode.BYPASS),
        ([0.01, 0.71, 0.78, 0.79], Mode.BYPASS),
        ([0.01, 0.71, 0.78, 0.81, 0.90], Mode.ACTIVE),
        ([0.01, *[0.88] * 18], Mode.PROBE),
        ([0.01, *[0.88] * 20], Mode.BYPASS),
    ],
)
def test_a_probe_goes_on_while_it_nears_resume_at(rates, mode):
    assert run(in_probe(), *rates).mode is mode


def test_gaps_grow_to_the_last_while_probes_fail():
    machine, gaps = in_bypass(), []
    for _ in range(6):
        gaps.append(machine.span)
        machine = run(machine, 0.0, 0.01, 0.0)
    assert gaps == [*GAPS, GAPS[-1], GAPS[-1]]


def test_gaps_are_primes():
    assert all(gap % divisor for gap in GAPS for divisor in range(2, int(gap**0.5) + 1))


def test_only_a_trusted_recovery_shortens_the_gap():
    recovered = run(in_probe(), 0.01, 0.95)
    assert run(recovered, *[0.95] * 15, 0.1, 0.1).span == GAPS[1]
    assert run(recovered, *[0.95] * 16, 0.1, 0.1).span == GAPS[0]


def test_without_adaptivity_the_cache_stays_on():
    machine, modes = start(adaptive=False), set()
    for _ in range(50):
        machine = machine.advance(0.0)
        modes.add(machine.mode)
    assert modes == {Mode.WARM_UP, Mode.ACTIVE}


@given(st.lists(st.floats(0, 1), max_size=300))
def test_whatever_the_hit_rates_it_never_flaps(rates):
    """From one switch-off to the next there are at least the shortest gap and the windows of a probe and a verdict."""
    machine, calls, ends = start(), 0, []
    for rate in rates:
        calls += machine.span
        new = machine.advance(rate)
        if new.mode is Mode.BYPASS and machine.mode is Mode.ACTIVE:
            ends.append(calls)
        machine = new
    assert all(later - earlier >= GAPS[0] + 4 * 100 for earlier, later in pairwise(ends))


def test_disabled_lasts_and_a_restart_warms_up_again():
    off = in_probe().disabled()
    assert off.advance(1.0) is off
    assert not off.looks_up
    assert off.restarted() == start()


@pytest.mark.parametrize(("machine", "mode"), [(start(), Mode.WARM_UP), (active(), Mode.WARM_UP)])
def test_an_emptied_cache_in_use_warms_up(machine, mode):
    assert machine.emptied().mode is mode


def test_an_emptied_cache_out_of_use_stays_as_it_is():
    for machine in (in_bypass(), start().disabled()):
        assert machine.emptied() is machine


# Traces through a simulated cache (LRU, a few lines), so that the rule is tried on whole workloads without the class.


def zipf(count: int, keys: int, exponent: float, seed: int = 1) -> list[int]:
    weights = [1 / rank**exponent for rank in range(1, keys + 1)]
    return random.Random(seed).choices(range(keys), weights, k=count)


def simulate(trace: Iterable[object], entries: int = 2048) -> list[tuple[int, Mode]]:
    """The changes of mode over a trace, as (call, new mode)."""
    machine = Controller.start(window=4096, max_entries=entries, floor=0.85, resume_at=0.90)
    held: OrderedDict[object, None] = OrderedDict()
    changes, calls, hits, lookups = [], 0, 0, 0
    for call, key in enumerate(trace, 1):
        calls += 1
        if machine.looks_up:
            lookups += 1
            if key in held:
                hits += 1
                held.move_to_end(key)
            else:
                held[key] = None
                if len(held) > entries:
                    held.popitem(last=False)
        if calls == machine.span:
            new = machine.advance(hits / lookups if lookups else 0.0)
            if new.mode is not machine.mode:
                changes.append((call, new.mode))
            machine, calls, hits, lookups = new, 0, 0, 0
    return changes


WARM = (8192, Mode.ACTIVE)


@pytest.mark.parametrize("exponent", [1.2, 1.3])
def test_strong_skew_stays_on(exponent):
    assert simulate(zipf(150_000, 5_000, exponent)) == [WARM]


@pytest.mark.parametrize("exponent", [0.8, 0.9, 1.0])
def test_weak_skew_goes_off_after_two_windows_and_each_probe_fails(exponent):
    changes = simulate(zipf(200_000, 100_000, exponent))
    assert changes[:3] == [WARM, (16384, Mode.BYPASS), (16384 + GAPS[0], Mode.PROBE)]
    assert Mode.ACTIVE not in [mode for _, mode in changes[1:]]


@pytest.mark.parametrize("keys", [1, 1_500, 2_048])
def test_few_keys_in_random_order_stay_on(keys):
    rng = random.Random(1)
    assert simulate(rng.randrange(keys) for _ in range(150_000)) == [WARM]


@pytest.mark.parametrize("keys", [1, 1_500, 2_000])
def test_few_keys_in_turn_stay_on(keys):
    assert simulate(call % keys for call in range(150_000)) == [WARM]


def test_a_scan_is_looked_up_for_a_fill_and_then_a_window_a_probe():
    changes = simulate(range(1_700_000))
    assert [mode for _, mode in changes] == [Mode.BYPASS, *[Mode.PROBE, Mode.BYPASS] * 3]
    ends = [call for call, _ in changes]
    assert ends[0] == 2048
    assert [end - begin for begin, end in zip(ends[1::2], ends[2::2], strict=True)] == [4096] * 3
    assert [end - begin for begin, end in zip(ends[::2], ends[1::2], strict=False)] == list(GAPS[:3])


def test_a_phase_change_goes_off_and_comes_back():
    hot = zipf(100_000, 3_000, 1.2)
    scan = range(10**6, 10**6 + 60_000)
    modes = [mode for _, mode in simulate([*hot, *scan, *hot, *hot])]
    assert modes == [Mode.ACTIVE, Mode.BYPASS, Mode.PROBE, Mode.ACTIVE]


def test_one_bad_window_does_not_switch_off():
    hot = zipf(58_000, 1_000, 1.2)  # the scan lies inside the window that ends at call 61 440
    assert simulate([*hot, *range(10**6, 10**6 + 1_500), *hot]) == [WARM]


PERIODS = [2**power for power in range(13, 24)] + [digit * 10**power for power in (4, 5, 6) for digit in (1, 2, 5)]


@pytest.mark.parametrize("period", PERIODS)
def test_a_load_that_scans_for_a_tenth_of_its_period_is_found_out(period):
    """Wherever in its period the cache went off, no more than two probes in a row meet the scan."""
    for begin in range(0, period, period // 10):
        machine, call, probes = in_bypass(window=4096), begin, 0
        while machine.mode is not Mode.ACTIVE:
            end = call + machine.span
            probes += machine.mode is Mode.PROBE and machine.streak == 0
            in_scan = call % period < period // 10 or end % period < period // 10
            machine, call = machine.advance(0.0 if in_scan else 1.0), end
        assert probes <= 3


def test_the_source_of_the_standard_library_stays_on():
    """Identifiers in file order, of some files that every Python has; 2048 entries hold the most frequent of them."""
    folder = Path(sysconfig.get_path("stdlib"))
    paths = sorted(path for path in folder.glob("*.py"))[::4]
    words = [word for path in paths for word in re.findall(r"[A-Za-z_]\w*", path.read_text(encoding="utf-8"))]
    assert len(words) > 50_000
    assert simulate(words) == [WARM]
