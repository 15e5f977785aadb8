"""The controller as a pure state machine: made-up hit rates, and traces run through a simulated cache."""

import random
from collections import OrderedDict
from collections.abc import Iterable
from itertools import pairwise

import pytest

from tophash_cache.controller import GAPS, Controller, Mode


def start(**changes):
    return Controller.start(**{"window": 100, "max_entries": 50, "floor": 0.85, "resume_at": 0.90, **changes})


def run(machine: Controller, *rates: float) -> Controller:
    for rate in rates:
        machine = machine.advance(rate)
    return machine


def in_bypass() -> Controller:
    return run(start(), 0.0, 0.5, 0.5)


def in_probe() -> Controller:
    return in_bypass().advance(0.0)


def test_the_warm_up_lasts_four_fills_and_is_not_judged():
    machine = start()
    assert (machine.mode, machine.span) == (Mode.WARM_UP, 200)
    assert machine.advance(0.0).mode is Mode.ACTIVE


def test_a_window_longer_than_four_fills_sets_the_warm_up():
    assert start(window=1000).span == 1000


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
    assert run(start(), 0.0, *rates).mode is mode


@pytest.mark.parametrize(
    ("rates", "mode"),
    [
        ([1.0], Mode.PROBE),  # the first window is never judged
        ([0.0, 0.90], Mode.ACTIVE),
        ([0.0, 0.69], Mode.BYPASS),  # hopeless
        ([0.0, 0.71, 0.89], Mode.PROBE),
        ([0.0, 0.71, 0.60, 0.90], Mode.ACTIVE),
        ([0.0, 0.89, 0.89, 0.89], Mode.BYPASS),
    ],
)
def test_a_probe_succeeds_at_resume_at_in_its_second_to_fourth_window(rates, mode):
    assert run(in_probe(), *rates).mode is mode


def test_gaps_grow_to_the_last_while_probes_fail():
    machine, gaps = in_bypass(), []
    for _ in range(6):
        gaps.append(machine.span)
        machine = run(machine, 0.0, 0.0, 0.0)
    assert gaps == [*GAPS, GAPS[-1], GAPS[-1]]


def test_gaps_are_primes():
    assert all(gap % divisor for gap in GAPS for divisor in range(2, int(gap**0.5) + 1))


def test_only_a_trusted_recovery_shortens_the_gap():
    recovered = run(in_probe(), 0.0, 0.95)
    assert run(recovered, *[0.95] * 15, 0.1, 0.1).span == GAPS[1]
    assert run(recovered, *[0.95] * 16, 0.1, 0.1).span == GAPS[0]


def test_without_adaptivity_the_cache_stays_on():
    assert run(start(adaptive=False), *[0.0] * 50).mode is Mode.ACTIVE


def test_disabled_lasts_and_a_restart_warms_up_again():
    off = in_probe().disabled()
    assert off.advance(1.0) is off
    assert not off.looks_up
    assert off.restarted() == start()


@pytest.mark.parametrize(("machine", "mode"), [(start(), Mode.WARM_UP), (run(start(), 0.0), Mode.WARM_UP)])
def test_an_emptied_cache_in_use_warms_up(machine, mode):
    assert machine.emptied().mode is mode


def test_an_emptied_cache_out_of_use_stays_as_it_is():
    for machine in (in_bypass(), start().disabled()):
        assert machine.emptied() is machine


# Traces through a simulated cache (LRU, a few lines), so that the rule is tried on whole workloads without the class.


def zipf(count: int, keys: int, exponent: float, seed: int = 1) -> list[int]:
    weights = [1 / rank**exponent for rank in range(1, keys + 1)]
    return random.Random(seed).choices(range(keys), weights, k=count)


def simulate(trace: Iterable[int], entries: int = 2048) -> list[tuple[int, Mode]]:
    """The changes of mode over a trace, as (call, new mode)."""
    machine = Controller.start(window=4096, max_entries=entries, floor=0.85, resume_at=0.90)
    held: OrderedDict[int, None] = OrderedDict()
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


@pytest.mark.parametrize("exponent", [0.8, 0.9])
def test_weak_skew_goes_off_after_two_windows_and_each_probe_fails(exponent):
    changes = simulate(zipf(200_000, 100_000, exponent))
    assert changes[:3] == [WARM, (16384, Mode.BYPASS), (16384 + GAPS[0], Mode.PROBE)]
    assert Mode.ACTIVE not in [mode for _, mode in changes[1:]]


def test_few_keys_stay_on():
    rng = random.Random(1)
    assert simulate(rng.randrange(1_500) for _ in range(150_000)) == [WARM]


def test_a_scan_costs_a_falling_share_of_look_ups():
    changes = simulate(range(1_500_000))
    assert [mode for _, mode in changes] == [Mode.ACTIVE, Mode.BYPASS, *[Mode.PROBE, Mode.BYPASS] * 3]
    probing = sum(end - begin for (begin, mode), (end, _) in pairwise(changes) if mode is Mode.PROBE)
    assert probing == 3 * 2 * 4096


def test_a_phase_change_goes_off_and_comes_back():
    hot = zipf(100_000, 3_000, 1.2)
    scan = range(10**6, 10**6 + 60_000)
    modes = [mode for _, mode in simulate([*hot, *scan, *hot, *hot])]
    assert modes == [Mode.ACTIVE, Mode.BYPASS, Mode.PROBE, Mode.ACTIVE]


def test_one_bad_window_does_not_switch_off():
    hot = zipf(58_000, 1_000, 1.2)  # the scan lies inside the window that ends at call 61 440
    assert simulate([*hot, *range(10**6, 10**6 + 1_500), *hot]) == [WARM]
