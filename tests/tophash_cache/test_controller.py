"""The controller, without a cache: made-up hit rates, and traces through a simulated cache."""

import random
import re
import sysconfig
from collections import OrderedDict
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tophash_cache.controller import GAPS, STRETCH, STRETCHES, Controller, Mode, pairs_won


def start(**changes):
    settings = {"window": 100, "max_entries": 50, "floor": 0.85, "resume_at": 0.90, "policy": "hit-rate", **changes}
    return Controller.start(**settings)


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
        ([0.01, 0.1, 0.1], Mode.PROBE),
        ([0.01, 0.1, 0.1, 0.90], Mode.ACTIVE),
        ([0.01, 0.1, 0.1, 0.89], Mode.BYPASS),
    ],
)
def test_a_probe_has_four_windows_to_reach_resume_at(rates, mode):
    assert run(in_probe(), *rates).mode is mode


def test_gaps_grow_to_the_last_while_probes_fail():
    machine, gaps = in_bypass(), []
    for _ in range(6):
        gaps.append(machine.span)
        machine = run(machine, 0.0, 0.0)
    assert gaps == [*GAPS, GAPS[-1], GAPS[-1]]


def test_gaps_are_primes():
    assert all(gap % divisor for gap in GAPS for divisor in range(2, int(gap**0.5) + 1))


def test_a_recovery_takes_the_gap_back_to_the_shortest():
    assert run(in_probe(), 0.0).span == GAPS[1]
    assert run(in_probe(), 0.01, 0.95, 0.1, 0.1).span == GAPS[0]


def test_the_policy_always_keeps_the_cache_on():
    machine, modes = start(policy="always"), set()
    for _ in range(50):
        machine = machine.advance(0.0)
        modes.add(machine.mode)
    assert modes == {Mode.WARM_UP, Mode.ACTIVE}


def times(won: int) -> list[float]:
    """The stretches of a trial in which looking up took less time in so many pairs."""
    winners = [True] * won + [False] * (len(STRETCHES) // 2 - won)
    return [1.0 if looks_up is winners[place // 2] else 2.0 for place, looks_up in enumerate(STRETCHES)]


def in_trial() -> Controller:
    return active(policy="cost")


@pytest.mark.parametrize("won", [0, 1, 17, 32])
def test_pairs_won(won):
    assert pairs_won(times(won)) == won


def test_a_trial_looks_up_in_half_of_its_stretches_and_each_side_comes_first_in_half_of_its_pairs():
    assert sum(STRETCHES) == len(STRETCHES) // 2 == 32
    assert sum(STRETCHES[::2]) == 16
    assert all(first is not second for first, second in zip(STRETCHES[::2], STRETCHES[1::2], strict=True))
    assert in_trial().span == STRETCH


def test_with_the_policy_cost_a_trial_comes_before_use_and_after_64_good_windows():
    assert in_trial().mode is Mode.TRIAL
    assert run(in_trial().advance(0.9, times(0)), 0.0, 0.01, 0.95).mode is Mode.TRIAL
    used = in_trial().advance(0.9, times(32))
    assert used.mode is Mode.ACTIVE
    assert run(used, *[0.95] * 63).mode is Mode.ACTIVE
    assert run(used, *[0.95] * 64).mode is Mode.TRIAL
    assert run(used, *[0.95] * 63, 0.1, *[0.95] * 63).mode is Mode.ACTIVE


def test_to_stay_in_use_takes_fewer_pairs_than_to_come_into_use():
    again = run(in_trial().advance(0.9, times(32)), *[0.95] * 64)
    for won, into_use, in_use in [(24, True, True), (23, False, True), (16, False, True), (15, False, False)]:
        assert (in_trial().advance(0.9, times(won)).mode is Mode.ACTIVE) is into_use
        assert (again.advance(0.9, times(won)).mode is Mode.ACTIVE) is in_use
        assert {in_trial().advance(0.9, times(won)).mode, again.advance(0.9, times(won)).mode} <= {
            Mode.ACTIVE,
            Mode.BYPASS,
        }


def test_failed_trials_lengthen_the_gap_and_a_won_one_shortens_it():
    machine, gaps = in_trial().advance(0.9, times(0)), []
    for _ in range(5):
        gaps.append(machine.span)
        machine = run(machine, 0.0, 0.01, 0.95).advance(0.9, times(23))
    assert gaps == [*GAPS, GAPS[-1]]
    used = run(machine, 0.0, 0.01, 0.95).advance(0.9, times(24))
    assert run(used, 0.1, 0.1).span == GAPS[0]


@pytest.mark.parametrize("policy", ["hit-rate", "cost"])
def test_both_policies_hash_directly_while_the_hit_rate_is_under_the_floor(policy):
    machine = start(policy=policy)
    while machine.mode is not Mode.ACTIVE:
        machine = machine.advance(0.95, times(32))
    assert run(machine, 0.84, 0.84).mode is Mode.BYPASS


@pytest.mark.parametrize("policy", ["hit-rate", "cost"])
@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 32)), max_size=300))
def test_whatever_the_hit_rates_and_times_it_never_flaps(policy, spans):
    """From one time it leaves use to the next there are at least the shortest gap and two windows."""
    machine, calls, ends = start(policy=policy), 0, []
    for rate, won in spans:
        calls += machine.span
        new = machine.advance(rate, times(won))
        was_used = machine.mode is Mode.ACTIVE or (machine.mode is Mode.TRIAL and machine.streak > 0)
        if new.mode is Mode.BYPASS and was_used:
            ends.append(calls)
        machine = new
    assert all(later - earlier >= GAPS[0] + 2 * 100 for earlier, later in pairwise(ends))


def test_disabled_lasts_and_a_restart_warms_up_again():
    off = in_probe().disabled()
    assert off.advance(1.0) is off
    assert not off.looks_up
    assert off.restarted() == start()


@pytest.mark.parametrize("machine", [start(), active(), in_trial()])
def test_an_emptied_cache_in_use_warms_up(machine):
    assert machine.emptied().mode is Mode.WARM_UP


def test_an_emptied_cache_out_of_use_stays_as_it_is():
    for machine in (in_bypass(), start().disabled()):
        assert machine.emptied() is machine


# Traces through a simulated cache (LRU, a few lines), so that the rule is tried on whole workloads without the class.


def zipf(count: int, keys: int, exponent: float, seed: int = 1) -> list[int]:
    weights = [1 / rank**exponent for rank in range(1, keys + 1)]
    return random.Random(seed).choices(range(keys), weights, k=count)


Costs = Callable[[int, bool | None], float]


def free(call: int, hit: bool | None) -> float:
    """A model of costs for the policies that do not ask."""
    return 0.0


def simulate(
    trace: Iterable[object], policy: str = "hit-rate", costs: Costs = free, entries: int = 2048, window: int = 2048
) -> list[tuple[int, Mode]]:
    """The changes of mode over a trace, as (call, new mode).

    ``costs`` says what a call takes: given its number, and whether the look-up hit, or None for a direct hash.
    """
    machine = start(window=window, max_entries=entries, policy=policy)
    held: OrderedDict[object, None] = OrderedDict()
    changes, calls, hits, lookups, spent = [], 0, 0, 0, 0.0
    trial: list[float] = []
    for call, key in enumerate(trace, 1):
        calls += 1
        hit = None
        if STRETCHES[len(trial)] if machine.mode is Mode.TRIAL else machine.looks_up:
            hit = key in held
            lookups += 1
            hits += hit
            held[key] = None
            held.move_to_end(key)
            if len(held) > entries:
                held.popitem(last=False)
        spent += costs(call, hit)
        if calls == machine.span:
            if machine.mode is Mode.TRIAL:
                trial.append(spent)
            calls, spent = 0, 0.0
            if machine.mode is not Mode.TRIAL or len(trial) == len(STRETCHES):
                new = machine.advance(hits / lookups if lookups else 0.0, trial)
                if new.mode is not machine.mode:
                    changes.append((call, new.mode))
                machine, hits, lookups, trial = new, 0, 0, []
    return changes


WARM = (8192, Mode.ACTIVE)


@pytest.mark.parametrize("exponent", [1.2, 1.3])
def test_strong_skew_stays_on(exponent):
    assert simulate(zipf(150_000, 5_000, exponent)) == [WARM]


@pytest.mark.parametrize("exponent", [0.8, 0.9, 1.0])
def test_weak_skew_goes_off_after_two_windows_and_each_probe_fails(exponent):
    changes = simulate(zipf(200_000, 100_000, exponent))
    assert changes[:3] == [WARM, (12288, Mode.BYPASS), (12288 + GAPS[0], Mode.PROBE)]
    assert Mode.ACTIVE not in [mode for _, mode in changes[1:]]


@pytest.mark.parametrize("keys", [1, 1_500, 2_048])
def test_few_keys_in_random_order_stay_on(keys):
    rng = random.Random(1)
    assert simulate(rng.randrange(keys) for _ in range(150_000)) == [WARM]


@pytest.mark.parametrize("keys", [1, 1_500, 2_000])
def test_few_keys_in_turn_stay_on(keys):
    assert simulate(call % keys for call in range(150_000)) == [WARM]


@pytest.mark.slow
def test_a_scan_is_looked_up_for_a_fill_and_then_a_window_a_probe():
    changes = simulate(range(1_700_000))
    assert [mode for _, mode in changes] == [Mode.BYPASS, *[Mode.PROBE, Mode.BYPASS] * 3]
    ends = [call for call, _ in changes]
    assert ends[0] == 2048
    assert [end - begin for begin, end in zip(ends[1::2], ends[2::2], strict=True)] == [2048] * 3
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
    """Wherever in its period the cache turned off, at most two probes in a row meet the scan."""
    for begin in range(0, period, period // 10):
        machine, call, probes = in_bypass(window=2048), begin, 0
        while machine.mode is not Mode.ACTIVE:
            end = call + machine.span
            probes += machine.mode is Mode.PROBE and machine.streak == 0
            in_scan = call % period < period // 10 or end % period < period // 10
            machine, call = machine.advance(0.0 if in_scan else 1.0), end
        assert probes <= 3


# Large files that every Python has, by name: the words of each fourth file, say, are others in each version.
CORPUS = ("argparse", "ast", "difflib", "inspect", "ipaddress", "pickletools", "pydoc", "statistics", "subprocess")
CORPUS += ("tarfile", "turtle", "typing")


def corpus_words() -> list[str]:
    """Identifiers in file order."""
    folder = Path(sysconfig.get_path("stdlib"))
    texts = [(folder / f"{name}.py").read_text(encoding="utf-8") for name in CORPUS]
    words = [word for text in texts for word in re.findall(r"[A-Za-z_]\w*", text)]
    assert len(words) > 50_000
    return words


def test_the_source_of_the_standard_library_stays_on():
    """2048 entries hold the most frequent of its words."""
    assert simulate(corpus_words()) == [WARM]


# The policy "cost": the same traces, with what calls cost. Each call takes some work besides, the same on both sides
# and different from call to call.


def model(hit: float, miss: float, direct: float, work: float = 100.0, seed: int = 1) -> Costs:
    rng = random.Random(seed)

    def costs(call: int, was_hit: bool | None) -> float:
        own = direct if was_hit is None else hit if was_hit else miss
        return own + work * rng.uniform(0.5, 1.5) + (50_000.0 if rng.random() < 1e-4 else 0.0)

    return costs


FAST_HITS, SLOW_HITS = model(15, 75, 40), model(35, 75, 25)


TRIED = (8192 + STRETCH * len(STRETCHES), Mode.ACTIVE)


@pytest.mark.parametrize(
    "trace",
    [zipf(300_000, 5_000, 1.2), zipf(300_000, 5_000, 1.3), [call % 1_500 for call in range(300_000)]],
    ids=["zipf 1.2", "zipf 1.3", "few keys in turn"],
)
def test_where_hits_are_fast_the_cache_stays_in_use_through_every_trial(trace):
    changes = simulate(trace, policy="cost", costs=FAST_HITS)
    assert changes[:2] == [(8192, Mode.TRIAL), TRIED]
    assert {mode for _, mode in changes} == {Mode.TRIAL, Mode.ACTIVE}
    assert len(changes) >= 6


@pytest.mark.parametrize(
    "trace",
    [zipf(250_000, 5_000, 1.2), [call % 1_500 for call in range(250_000)], list(range(250_000))],
    ids=["zipf 1.2", "few keys in turn", "scan"],
)
def test_where_hits_are_slow_the_cache_is_never_in_use(trace):
    modes = {mode for _, mode in simulate(trace, policy="cost", costs=SLOW_HITS)}
    assert Mode.BYPASS in modes
    assert Mode.ACTIVE not in modes


@pytest.mark.slow
def test_hits_that_cost_what_a_hash_costs_are_not_kept():
    """From another seed each time: a trial is won by chance in 1 case of 285, and then another follows."""
    late = []
    for seed in range(20):
        costs = model(25, 25, 25, seed=seed)
        changes = simulate([call % 1_500 for call in range(200_000)], policy="cost", costs=costs)
        late.append(changes[-1][1])
    assert late.count(Mode.ACTIVE) <= 1


@pytest.mark.parametrize("exponent", [0.8, 0.9, 1.0])
def test_weak_skew_is_out_of_use_even_where_hits_are_fast(exponent):
    """The rule of 85 % holds under both policies."""
    changes = simulate(zipf(200_000, 100_000, exponent), policy="cost", costs=FAST_HITS)
    assert changes[-1][1] is Mode.BYPASS
    used = sum(end - begin for (begin, mode), (end, _) in pairwise(changes) if mode is Mode.ACTIVE)
    assert used <= 2 * 2048


@pytest.mark.slow
def test_objects_that_become_new_ones_are_noticed_and_their_return_too():
    """In the middle the same keys come as new objects, whose hits are slow, for a phase of 300,000 calls."""

    def costs(call: int, was_hit: bool | None) -> float:
        return (SLOW_HITS if 300_000 <= call < 600_000 else FAST_HITS)(call, was_hit)

    changes = simulate([call % 1_500 for call in range(1_200_000)], policy="cost", costs=costs)
    left = [call for call, mode in changes if mode is Mode.BYPASS]
    assert 300_000 < left[0] < 300_000 + 65 * 2048 + STRETCH * len(STRETCHES)
    assert not any(mode is Mode.ACTIVE for call, mode in changes if left[0] < call < 600_000)
    assert changes[-1][1] in (Mode.ACTIVE, Mode.TRIAL)


@pytest.mark.parametrize("period", [64, 67, 2 * 67, 4 * 67, 8 * 67, 1000, 64 * 67])
def test_work_that_comes_at_a_period_favours_neither_side(period):
    """A tenth of each period does a hundred times the work."""

    def with_peaks(call: int, was_hit: bool | None) -> float:
        return SLOW_HITS(call, was_hit) + (10_000.0 if call % period < max(1, period // 10) else 0.0)

    trace = [call % 1_500 for call in range(100_000)]
    assert Mode.ACTIVE not in {mode for _, mode in simulate(trace, policy="cost", costs=with_peaks)}


def test_the_source_of_the_standard_library_by_what_its_hits_cost():
    words = corpus_words()
    for costs, in_use in ((FAST_HITS, True), (SLOW_HITS, False)):
        modes = {mode for _, mode in simulate(words, policy="cost", costs=costs)}
        assert (Mode.ACTIVE in modes) is in_use
        assert (Mode.BYPASS in modes) is not in_use
