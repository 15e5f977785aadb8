"""When the cache is used: a state machine over windows of look-ups.

Owns the rule and its constants. It neither hashes, nor reads a clock, nor does any input or output: hit rates and times
are arguments, so that tests can make them up.

               4 fills                 2 windows in a row
               (look-ups)              under the floor
    WARM_UP -----------> [T] ACTIVE ------------------------> BYPASS <----.
       |                  ^                                   ^  |        | the first window without hits,
       |                  | a window at                       |  | gap of | or none of the next three at
       |                  | resume_at or above,               |  | direct | resume_at
       |                  | after the first                   |  | calls  |
       |                  `-------------- PROBE <-------------|--'        |
       |                                    `-----------------|-----------'
       `------------------- a fill without hits --------------'

    [T]: with the policy "cost" a TRIAL comes first, and again after every 64 good windows:

    TRIAL: 64 stretches of 67 calls, half looked up and half hashed directly, each of them timed. Of 32 pairs of
           stretches, the look-ups took less time in
       |-- 24 or more (16, if the cache was ACTIVE before) --> ACTIVE
       `-- fewer --------------------------------------------> BYPASS

    DISABLED: turned off by a setting; it never ends by itself.

A window is a number of look-ups, not a time: in an idle program nothing changes. In BYPASS, keys are hashed directly
and nothing is looked up, so the hit rate is unknown. A probe looks up again, for a few windows, to measure it. The gaps
between probes grow while probes fail. The rule (hysteresis, probes, growing gaps) resembles the adaptive parts of other
systems: CPython's specialising interpreter (backoff counters), Trino's partial aggregation, Caffeine's hill climber.

A hit rate does not show whether a hit costs less than a hash. That depends on the machine, on the number of entries in
use, and on whether keys come again as the same objects. So a trial compares the two on the program's own calls,
including everything that the program does between them. It only asks which of two neighbouring stretches took less
time, so an interruption of a stretch decides one pair at most (the sign test of Arbuthnott, 1710).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from sys import maxsize
from typing import Self

# Look-ups, as a multiple of max_entries, before an empty cache is judged: at first it can only miss. If there are as
# many equally frequent keys as entries, the hit rates of the first four fills are 37 %, 77 %, 91 % and 97 %.
WARM_UP_FILLS = 4

# With a lower hit rate in a whole fill of the warm-up, or in the first window of a probe, keys do not repeat. If they
# do repeat, the first window of a probe has at least 3 %: that of as many equally frequent keys as there are entries,
# none of them cached.
NO_HITS = 0.01

# Windows in a row below the floor before the cache turns off: a single bad one is often a change of phase.
TRIP_WINDOWS = 2

# Windows of a probe. The first only needs some hits, since it replaces entries that became stale in bypass. The others
# are needed because the hit rate of skewed traffic over new keys rises slowly.
PROBE_WINDOWS = 4

# Direct calls between probes. Each gap is about four times the last, since failures are rarely transient. A periodic
# program must not stay in step with the probes. So the gaps are primes, neither near a power of two nor near a multiple
# of one another. If a program scans for a tenth of any natural period (2^13 to 2^23, or 1, 2 or 5 times a power of
# ten), at most 2 probes in a row meet the scan.
GAPS = (67_523, 294_353, 1_229_021, 4_439_653)

# The stretches of a trial: whether each looks up. They follow the Thue-Morse sequence, in which each side comes first
# in half of the pairs. It has no period, so no program is in step with it: in a simple alternation, expensive work at
# every fourth stretch of a program would always burden the same side.
STRETCHES = tuple(place.bit_count() % 2 == 0 for place in range(64))

# Calls per stretch: enough that reading the clock at its end costs less than 1 ns per call; and a prime, so that a
# period of the program burdens both sides alike.
STRETCH = 67

# Pairs that the look-ups must win to turn the cache on, and to keep it on. If both sides cost the same, 24 of 32 pairs
# are won in 1 trial of 285, and 16 in 57 of 100: a cache without a measurable gain is not kept for long.
WON_TO_ENTER = 24
WON_TO_STAY = 16

# Good windows in a row before the next trial: with the default window, trials then hash about 3 in 200 calls directly.
TRIAL_EVERY = 64


class Mode(StrEnum):
    """The mode of a cache. `docs/tophash_cache.md`, *On and off by itself*, says when it changes."""

    DISABLED = "disabled"
    WARM_UP = "warm-up"
    ACTIVE = "active"
    BYPASS = "bypass"
    PROBE = "probe"
    TRIAL = "trial"


@dataclass(frozen=True, slots=True, kw_only=True)
class Controller:
    """One state of the machine, which is immutable; `advance` returns the next one.

    A caller that shares it between threads reads the state, calls `advance`, and stores the result only if the state
    has not been replaced meanwhile.

    Attributes:
        window: look-ups per window.
        fill: look-ups per fill. The warm-up has WARM_UP_FILLS fills, and at least as many look-ups as a window.
        floor: hit rate (0 to 1) below which a window is bad.
        resume_at: hit rate at which a probe succeeds.
        policy: "hit-rate": without trials. "cost": with trials. "always": the cache stays on at any hit rate.
        mode: the current mode.
        streak: ACTIVE: good windows in a row, or bad ones as a negative number. PROBE: windows so far. WARM_UP: fills
            so far. TRIAL: the good windows before it, 0 if the cache was not in use.
        rung: index into GAPS of the next gap.

    Example:
        >>> machine = Controller.start(
        ...     window=2048, max_entries=1024, floor=0.85, resume_at=0.90, policy="hit-rate"
        ... )
        >>> for hit_rate in (0.10, 0.40, 0.50, 0.50):  # the warm-up
        ...     machine = machine.advance(hit_rate)
        >>> machine.advance(0.50).advance(0.50).mode
        <Mode.BYPASS: 'bypass'>
    """

    window: int
    fill: int
    floor: float
    resume_at: float
    policy: str = "hit-rate"
    mode: Mode = Mode.WARM_UP
    streak: int = 0
    rung: int = 0

    @classmethod
    def start(cls, *, window: int, max_entries: int, floor: float, resume_at: float, policy: str) -> Self:
        """The state of an empty cache that was just turned on. For the arguments see the settings of these names."""
        return cls(
            window=window,
            fill=max(max_entries, window // WARM_UP_FILLS),
            floor=floor,
            resume_at=resume_at,
            policy=policy,
        )

    @property
    def looks_up(self) -> bool:
        """Whether keys are looked up, and not hashed directly; for a trial, in its first stretch."""
        return self.mode not in (Mode.DISABLED, Mode.BYPASS)

    @property
    def span(self) -> int:
        """Look-ups (or direct calls, if `looks_up` is False) until `advance` is due; in a trial, those of a stretch."""
        match self.mode:
            case Mode.DISABLED:
                return maxsize
            case Mode.WARM_UP:
                return self.fill
            case Mode.BYPASS:
                return GAPS[self.rung]
            case Mode.TRIAL:
                return STRETCH
        return self.window

    def disabled(self) -> Self:
        """The state after the cache is turned off."""
        return replace(self, mode=Mode.DISABLED, streak=0, rung=0)

    def restarted(self) -> Self:
        """The state after the cache is turned on, empty."""
        return replace(self, mode=Mode.WARM_UP, streak=0, rung=0)

    def emptied(self) -> Self:
        """The state after all entries were dropped. A cache in use warms up again; any other keeps its state."""
        return replace(self, mode=Mode.WARM_UP, streak=0) if self.looks_up else self

    def advance(self, hit_rate: float, times: Sequence[float] = ()) -> Self:
        """The state after the `span` look-ups or direct calls of this one, or after all stretches of a trial.

        Args:
            hit_rate: hits among the look-ups, 0 to 1; ignored in BYPASS, where nothing was looked up, and in TRIAL.
            times: the mean time per call in each of STRETCHES, in any unit; used in TRIAL only.
        """
        match self.mode:
            case Mode.WARM_UP:
                return self._after_fill(hit_rate)
            case Mode.BYPASS:
                longer = min(self.rung + 1, len(GAPS) - 1)
                return replace(self, mode=Mode.PROBE, streak=0, rung=longer)
            case Mode.ACTIVE:
                return self._after_active(hit_rate)
            case Mode.PROBE:
                return self._after_probe(hit_rate)
            case Mode.TRIAL:
                return self._after_trial(times)
        return self

    def _after_fill(self, hit_rate: float) -> Self:
        if self.policy != "always" and hit_rate < NO_HITS:
            return self._bypassed()
        fills = self.streak + 1
        return self._hits_enough() if fills == WARM_UP_FILLS else replace(self, streak=fills)

    def _after_active(self, hit_rate: float) -> Self:
        if self.policy == "always":
            return self
        if hit_rate < self.floor:
            streak = min(self.streak, 0) - 1
            return self._bypassed() if streak == -TRIP_WINDOWS else replace(self, streak=streak)
        streak = max(self.streak, 0) + 1
        due = self.policy == "cost" and streak >= TRIAL_EVERY
        return replace(self, mode=Mode.TRIAL if due else Mode.ACTIVE, streak=streak)

    def _after_probe(self, hit_rate: float) -> Self:
        windows = self.streak + 1
        if windows > 1 and hit_rate >= self.resume_at:
            return self._hits_enough()
        goes_on = hit_rate >= NO_HITS if windows == 1 else windows < PROBE_WINDOWS
        return replace(self, streak=windows) if goes_on else self._bypassed()

    def _after_trial(self, times: Sequence[float]) -> Self:
        won = pairs_won(times)
        if self.streak > 0:
            return replace(self, mode=Mode.ACTIVE, streak=0) if won >= WON_TO_STAY else self._bypassed()
        return replace(self, mode=Mode.ACTIVE, streak=0, rung=0) if won >= WON_TO_ENTER else self._bypassed()

    def _hits_enough(self) -> Self:
        if self.policy == "cost":
            return replace(self, mode=Mode.TRIAL, streak=0)
        return replace(self, mode=Mode.ACTIVE, streak=0, rung=0)

    def _bypassed(self) -> Self:
        return replace(self, mode=Mode.BYPASS, streak=0)


def pairs_won(times: Sequence[float]) -> int:
    """The number of pairs of stretches of a trial in which the one that looked up took less time.

    Example:
        >>> STRETCHES[:4], pairs_won([1.0, 2.0, 1.0, 2.0])
        ((True, False, False, True), 1)
    """
    pairs = zip(STRETCHES[::2], times[::2], times[1::2], strict=False)
    return sum(first < second if looked_up_first else second < first for looked_up_first, first, second in pairs)
