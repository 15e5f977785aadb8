"""``leakcheck``: calls a function in rounds until two trials agree.

A trial is a number of rounds with a snapshot after each. The next trial has twice the calls per round. Growth that
happened once is then half as large per call, and is dropped; a slow leak is twice as large per round, and is seen. A
verdict needs two trials in a row (the idea is from psleak and CPython's ``regrtest -R``). Growth must last until the
last trial, because a cache that fills grows as a leak does until it is full. A container that doubles rarely allocates
in few rounds, so whole trials are compared as well. The snapshots of a trial are made beforehand and then replaced, so
that keeping them does not look like a leak.
"""

from __future__ import annotations

import pickle
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from typing import Any

from pyhmap.debug import meters, places
from pyhmap.debug.diagnosis import Diagnosis, compare, sentence
from pyhmap.debug.meters import Snapshot
from pyhmap.debug.slopes import FEWEST, Slope
from pyhmap.debug.targets import Target
from pyhmap.debug.verdicts import ALLOCATED, COUNTED, METERS, UP, WAITING, Verdict, evidence

TRIALS = 5  # the last one has 16 times the calls of the first
FRAMES = 8  # of a traceback: deep enough to leave a library's own lines and name the caller's

# The meters whose growth per call must repeat, for each verdict.
MAIN = {
    Verdict.ALLOCATOR_RETENTION: ("anonymous", "uss"),
    Verdict.NATIVE_LEAK: ("heap", "anonymous", "uss"),
    Verdict.CYCLES_WAITING: (WAITING,),
    Verdict.HELD_REFERENCES: (*ALLOCATED, *COUNTED),
    Verdict.RETAINED_CAPACITY: ("idle",),  # if it grows; otherwise it only has to stay
    Verdict.MAPPED_FILE_PAGES: ("file",),
    Verdict.ACCOUNTING_ERROR: ("traced", "bucket blocks"),
}

# Bytes. If a trial grows by more, the verdict does not wait for the last trial, which would take many times as much.
LARGE = 64 << 20
# Meters that are compared from trial to trial. Something is held if one of them grows in each of the last trials, per
# call by at least 0.6 times as much as in the trial before. What doubles rarely grows by 0.67 times as much or more.
# Noise has the same size in each trial, so per call it is half as much. The heap is too noisy for a verdict of its own.
COMPARED = (*COUNTED, "blocks", "objects", "traced")
COMPARED_TRIALS = 3
LASTING = 0.6
BYTES = ("traced", "heap", "bucket blocks")


def leakcheck(
    function: Callable[[], Any],
    *,
    rounds: int = 10,
    calls: int = 100,
    warm_up: int | None = None,
    progress: Callable[[str], None] | None = None,
) -> Diagnosis:
    """Call a function repeatedly, and find out whether, how and where it leaks.

    Parameters
    ----------
    function
        Called without arguments, in this thread. A coroutine that it returns is awaited, in the same event loop for all
        calls; a generator is exhausted. Its exceptions propagate, with a note that says at which call.
    rounds
        Snapshots per trial, at least 4.
    calls
        Calls per round in the first trial. Each further trial has twice as many.
    warm_up
        Calls before the first trial, which fill caches. By default as many as ``calls``.
    progress
        Called with a line of text after each trial.

    Notes
    -----
    Raises ``TypeError`` if ``function`` cannot be called without arguments, ``ValueError`` if a number is out of range,
    and ``RuntimeError`` if a coroutine is to be awaited while an event loop runs in this thread.

    The function should leave the program as it found it. tracemalloc traces it, which makes it several times slower.

    >>> from pyhmap import debug
    >>> kept = []
    >>> found = debug.leakcheck(lambda: kept.append(object()), rounds=6)
    >>> found.verdict, found.types[:0], len(found.lines)
    (<Verdict.HELD_REFERENCES: 'held references'>, (), 1)
    >>> debug.leakcheck(lambda: [object() for _ in range(9)], rounds=6).verdict
    <Verdict.CLEAN: 'clean'>
    """
    warm_up = calls if warm_up is None else warm_up
    for name, value, least in (("rounds", rounds, FEWEST), ("calls", calls, 1), ("warm_up", warm_up, 0)):
        if value < least:
            raise ValueError(f"{name}={value}: give at least {least}")
    with tracing(), Target(function) as target:
        baseline = meters.read()
        target.call(warm_up)
        trials: list[Diagnosis] = []
        risen: list[dict[str, float]] = []
        said: list[str] = []
        agreeing = 1
        for number in range(TRIALS):
            n = calls << number
            series = trial(target, n, rounds)
            diagnosis = compare(series[1:], calls=n, baseline=baseline)
            risen.append(growth(series[0], series[-1]))
            said.append(f"{n:,} calls per round: {diagnosis.verdict}")
            if progress:
                progress(said[-1])
            agreeing = agreeing + 1 if trials and repeats(trials[-1], diagnosis) else 1
            trials.append(diagnosis)
            agreed = agreeing >= trials_needed(diagnosis)
            if agreed and settled(trials):
                break
        else:
            late = compared(trials, risen, series[-1])
            if late:
                diagnosis = late
                said.append(f"from trial to trial: {diagnosis.verdict}")
            elif not agreed:
                diagnosis = unconfirmed(diagnosis)
                said.append("too few trials in a row agree")
        diagnosis = replace(diagnosis, trials=tuple(said))
        if diagnosis.verdict.is_leak and diagnosis.verdict is not Verdict.NATIVE_LEAK:  # which Python does not see
            lines, types, referrers = places.search(lambda: target.call(n), n, diagnosis.verdict)
            diagnosis = replace(diagnosis, lines=lines, types=types, referrers=referrers)
    return diagnosis


def trial(target: Target, calls: int, rounds: int) -> list[Snapshot]:
    """A snapshot before each round and one after the last. The first round is one more than ``rounds``: a warm-up."""
    model = meters.read(trim=True)
    plain, last = pickle.dumps(replace(model, trimmed=None)), pickle.dumps(model)
    series: list[Snapshot] = [pickle.loads(plain) for _ in range(rounds + 1)]  # copies would share their ints
    series.append(pickle.loads(last))
    del model, plain, last
    for i in range(rounds + 1):
        series[i] = meters.read()
        target.call(calls)
    series[rounds + 1] = meters.read(trim=True)
    return series


def growth(first: Snapshot, last: Snapshot) -> dict[str, float]:
    """The growth of each meter that is compared from trial to trial, if it can be read."""
    grown = {}
    for name in (*COMPARED, "heap"):
        before, after = METERS[name].of(first), METERS[name].of(last)
        if before is not None and after is not None:
            grown[name] = after - before
    return grown


def repeats(before: Diagnosis, now: Diagnosis) -> bool:
    """Whether a trial has the verdict of the one before it, and about the same growth per call, not half of it."""
    if before.verdict != now.verdict:
        return False
    growing = [name for name in MAIN.get(now.verdict, ()) if name in now.trends and now.trends[name].is_up]
    return not growing or any(
        name in before.trends and before.trends[name].is_up and is_as_much(name, before, now) for name in growing
    )


def is_as_much(name: str, before: Diagnosis, now: Diagnosis) -> bool:
    """Whether a meter grows by about as much per call as in the trial before, not half of it."""
    then, since = (one.trends[name].slope.value / one.calls for one in (before, now))
    return since > 0.7 * then


def settled(trials: Sequence[Diagnosis]) -> bool:
    """Whether more trials would not change a verdict on which the last two trials agree.

    They may change it if something grows: a cache may still be filling; a container that grows rarely, or too slowly to
    stand out from noise, may be a leak.
    """
    before, now = trials[-2:]
    if now.verdict in (Verdict.HELD_REFERENCES, Verdict.NATIVE_LEAK):
        grown = max(now.trends[name].last - now.trends[name].first for name in BYTES if name in now.trends)
        return len(trials) == TRIALS or grown > LARGE
    return now.verdict.is_leak or not any(may_grow(name, before, now) for name in COMPARED if name in now.trends)


def may_grow(name: str, before: Diagnosis, now: Diagnosis) -> bool:
    """Whether a meter rose by a step in one of two trials, or in both by as much per call, even if below its floor."""
    two = [one.trends[name] for one in (before, now)]
    one_step = 1 if name in COUNTED else METERS[name].floor * now.rounds
    if any(trend.last - trend.first >= one_step for trend in two):
        return True
    return all(trend.slope.low > 0 for trend in two) and is_as_much(name, before, now)


def compared(trials: Sequence[Diagnosis], risen: Sequence[dict[str, float]], last: Snapshot) -> Diagnosis | None:
    """The diagnosis of what grows so rarely, or so slowly, that no two trials show it; None if there is nothing."""
    now = trials[-1]
    verdict = Verdict.HELD_REFERENCES
    for name in COMPARED:
        each = lasting(name, trials, risen)
        if not each or (name == "traced" and "heap" in now.trends and not lasting("heap", trials, risen)):
            continue
        slope = Slope(now.calls * each[-1], now.calls * min(each), now.calls * max(each))
        found = now.trends | {name: replace(now.trends[name], slope=slope, is_up=True, state=UP)}
        supporting, contradicting = evidence(verdict, found)
        told = replace(now, verdict=verdict, trends=found, supporting=supporting, contradicting=contradicting)
        return replace(told, sentence=sentence(told, last))
    return None


def lasting(name: str, trials: Sequence[Diagnosis], risen: Sequence[dict[str, float]]) -> list[float]:
    """The growth per call of a meter in each of the last trials; empty if the growth does not last."""
    if name not in risen[-1] or len(risen) < COMPARED_TRIALS:
        return []
    grown = [one[name] for one in risen[-COMPARED_TRIALS:]]
    each = [more / one.calls / (one.rounds + 1) for more, one in zip(grown, trials[-COMPARED_TRIALS:], strict=True)]
    least = METERS[name].floor * (trials[-1].rounds if name in BYTES else 1)
    return each if min(grown) >= least and all(b >= LASTING * a for a, b in pairwise(each)) else []


def trials_needed(diagnosis: Diagnosis) -> int:
    """How many trials in a row must agree: two, or all if traced memory grows and no other meter sees it. Objects from
    before tracing, if a bounded cache replaces them, look like that until all of them are replaced."""
    unseen = (
        diagnosis.verdict is Verdict.ACCOUNTING_ERROR
        and "traced" in diagnosis.trends
        and diagnosis.trends["traced"].is_up
    )
    return TRIALS if unseen and not diagnosis.trends["bucket blocks"].is_up else 2


def unconfirmed(diagnosis: Diagnosis) -> Diagnosis:
    """The diagnosis "clean", since the growth did not repeat."""
    supporting, contradicting = evidence(Verdict.CLEAN, diagnosis.trends)
    said = "what grew in one trial did not grow in the next"
    if diagnosis.verdict.is_leak:
        said += f", and the last trial alone shows {diagnosis.verdict}: repeat it with more calls per round"
    return replace(
        diagnosis,
        verdict=Verdict.CLEAN,
        sentence=f"{Verdict.CLEAN}: {said}.",
        supporting=supporting,
        contradicting=contradicting,
        types=(),
    )


@contextmanager
def tracing() -> Iterator[None]:
    """A context with tracemalloc on. If it was off, it is off again afterwards."""
    if tracemalloc.is_tracing():
        yield
        return
    tracemalloc.start(FRAMES)
    try:
        yield
    finally:
        tracemalloc.stop()
