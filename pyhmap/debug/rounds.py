"""``leakcheck``: calls a function in rounds until two trials agree.

A trial is a number of rounds with a snapshot after each. The next trial has twice the calls per round. Growth that
happened once is then half as large per call, and is dropped; a slow leak is twice as large per round, and is seen. A
verdict needs two trials in a row (the idea is from psleak and CPython's ``regrtest -R``). The snapshots of a trial are
made beforehand and then replaced, so that keeping them does not look like a leak.
"""

from __future__ import annotations

import pickle
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from pyhmap.debug import meters, places
from pyhmap.debug.diagnosis import Diagnosis, compare
from pyhmap.debug.meters import Snapshot
from pyhmap.debug.slopes import FEWEST
from pyhmap.debug.verdicts import WAITING, Verdict, evidence

TRIALS = 5  # the last one has 16 times the calls of the first
FRAMES = 8  # of a traceback: deep enough to leave a library's own lines and name the caller's

# The meters whose growth per call must repeat, for each verdict.
MAIN = {
    Verdict.ALLOCATOR_RETENTION: ("anonymous", "uss"),
    Verdict.NATIVE_LEAK: ("heap", "anonymous", "uss"),
    Verdict.CYCLES_WAITING: (WAITING,),
    Verdict.HELD_REFERENCES: ("traced", "bucket blocks", "blocks", "objects"),
    Verdict.RETAINED_CAPACITY: ("idle",),  # if it grows; otherwise it only has to stay
    Verdict.MAPPED_FILE_PAGES: ("file",),
    Verdict.ACCOUNTING_ERROR: ("traced", "bucket blocks"),
}


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
        Called without arguments, in this thread. Its exceptions are not caught.
    rounds
        Snapshots per trial, at least 4.
    calls
        Calls per round in the first trial. Each further trial has twice as many.
    warm_up
        Calls before the first trial, which fill caches. By default as many as ``calls``.
    progress
        Called with a line of text after each trial.

    Raises ``TypeError`` if ``function`` cannot be called, and ``ValueError`` if a number is out of range.

    The function should leave the program as it found it. tracemalloc traces it, which makes it several times slower.

    >>> from pyhmap import debug
    >>> kept = []
    >>> found = debug.leakcheck(lambda: kept.append(object()), rounds=6)
    >>> found.verdict, found.types[:0], len(found.lines)
    (<Verdict.HELD_REFERENCES: 'held references'>, (), 1)
    >>> debug.leakcheck(lambda: [object() for _ in range(9)], rounds=6).verdict
    <Verdict.CLEAN: 'clean'>
    """
    if not callable(function):
        raise TypeError(f"{function!r} cannot be called: give a function without parameters")
    warm_up = calls if warm_up is None else warm_up
    for name, value, least in (("rounds", rounds, FEWEST), ("calls", calls, 1), ("warm_up", warm_up, 0)):
        if value < least:
            raise ValueError(f"{name}={value}: give at least {least}")
    with tracing():
        baseline = meters.read()
        call(function, warm_up)
        previous: Diagnosis | None = None
        said: list[str] = []
        agreeing = 1
        for number in range(TRIALS):
            n = calls << number
            diagnosis = compare(trial(function, n, rounds), calls=n, baseline=baseline)
            said.append(f"{n:,} calls per round: {diagnosis.verdict}")
            if progress:
                progress(said[-1])
            agreeing = agreeing + 1 if previous and repeats(previous, diagnosis) else 1
            if agreeing == trials_needed(diagnosis):
                break
            previous = diagnosis
        else:
            said.append("too few trials in a row agree")
            diagnosis = unconfirmed(diagnosis)
        diagnosis = replace(diagnosis, trials=tuple(said))
        if diagnosis.verdict.is_leak and diagnosis.verdict is not Verdict.NATIVE_LEAK:  # which Python does not see
            lines, types, referrers = places.search(lambda: call(function, n), n, diagnosis.verdict)
            diagnosis = replace(diagnosis, lines=lines, types=types, referrers=referrers)
    return diagnosis


def call(function: Callable[[], Any], times: int) -> None:
    """Call a function so many times and drop the results."""
    for _ in range(times):
        function()


def trial(function: Callable[[], Any], calls: int, rounds: int) -> list[Snapshot]:
    """The snapshots before the first round and after each round. One more round runs before them."""
    model = meters.read(trim=True)
    plain, last = pickle.dumps(replace(model, trimmed=None)), pickle.dumps(model)
    series: list[Snapshot] = [pickle.loads(plain) for _ in range(rounds)]  # copies would share their ints
    series.append(pickle.loads(last))
    del model, plain, last
    call(function, calls)
    for i in range(rounds):
        series[i] = meters.read()
        call(function, calls)
    series[rounds] = meters.read(trim=True)
    return series


def repeats(before: Diagnosis, now: Diagnosis) -> bool:
    """Whether a trial has the verdict of the one before it, and about the same growth per call, not half of it."""
    if before.verdict != now.verdict:
        return False
    for name in MAIN.get(now.verdict, ()):
        if name in before.trends and name in now.trends and before.trends[name].is_up and now.trends[name].is_up:
            then, since = (d.trends[name].slope.value / d.calls for d in (before, now))
            return since > 0.7 * then
    return True


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
    return replace(
        diagnosis,
        verdict=Verdict.CLEAN,
        sentence=f"{Verdict.CLEAN}: what grew in one trial did not grow in the next.",
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
