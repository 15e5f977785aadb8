"""When the cache is worth its look-ups: a state machine over windows of look-ups.

Owns the rule and its constants. Imports the standard library only; it neither hashes, nor reads a clock, nor does any
input or output, so made-up hit rates are enough to test it.

               4 fills                2 windows in a row
               (look-ups)             under the floor
    WARM_UP ------------> ACTIVE ----------------------> BYPASS <----.
       |                    ^                            ^  |        | the first window without hits,
       |                    | a window at                |  | gap of | a later one far under resume_at:
       |                    | resume_at or above,        |  | direct | each nearer than the last
       |                    | after the first            |  | calls  |
       |                    `----------- PROBE <---------|--'        |
       |                                   `-------------|-----------'
       `------------- a fill without hits ---------------'

    DISABLED: switched off by a setting; it never ends by itself.

A window is a number of look-ups, not a time: an idle program learns nothing, and neither does its cache. In BYPASS
keys are hashed directly and nothing is looked up, so the hit rate there cannot be known; a probe looks up again for a
few windows to find out. The gaps between probes grow while probes fail. The rule (hysteresis, probes, growing gaps) is
that of the adaptive parts of other systems: CPython's specialising interpreter (backoff counters), Trino's partial
aggregation and Caffeine's hill climber.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from sys import maxsize
from typing import Self

# Look-ups, as a multiple of max_entries, before the first verdict of an empty cache, which can only miss. As many
# equally frequent keys as there are entries hit at 37 %, 77 %, 91 % and 97 % in the first four fills.
WARM_UP_FILLS = 4

# With fewer hits than this in a whole fill of the warm-up, or in the first window of a probe, nothing repeats, and
# there is nothing to wait for. Of what does repeat, the least seen in a probe's first window is 3 %: as many equally
# frequent keys as there are entries, none of them held.
NO_HITS = 0.01

# Windows in a row under the floor before the cache goes off: a single bad one is often a change of phase.
TRIP_WINDOWS = 2

# A probe goes on while its n-th window is no more than SHORTFALL / n under resume_at: 20 points in the second, 10 in
# the fourth, 2.5 in the sixteenth. The first has only to hit at all, since it refills what the time in bypass made
# stale. What does not repeat ends early; skewed traffic over new keys, which nears its steady rate slowly, is waited
# for. A probe that lasts has long been over the floor, so it costs nothing.
SHORTFALL = 0.40

# Direct calls between probes. Each about four times the last, since failures are rarely transient. A program with a
# period of its own must not stay in step with the probes: so they are primes, and neither near a power of two nor near
# a multiple of one another. Of a program that scans for a tenth of any natural period (2^13 to 2^23, or 1, 2 or 5 times
# a power of ten) at most 2 probes in a row meet the scan; with the primes next to 2^16, 2^18, 2^20 and 2^22 it is 7.
GAPS = (67_523, 294_353, 1_229_021, 4_439_653)

# Good windows in a row that take the gaps back to the shortest: a cache that only just recovered keeps its long gap.
TRUSTED_WINDOWS = 16


class Mode(StrEnum):
    """What the cache is doing."""

    DISABLED = "disabled"
    WARM_UP = "warm-up"
    ACTIVE = "active"
    BYPASS = "bypass"
    PROBE = "probe"


@dataclass(frozen=True, slots=True, kw_only=True)
class Controller:
    """One state of the machine; `advance` gives the next one, and none ever changes.

    A caller that shares it between threads reads the state, calls `advance`, and stores the result only if the state is
    still the one it read.

    Attributes:
        window: look-ups in a window.
        fill: look-ups in a fill, WARM_UP_FILLS of which are the warm-up; at least a window in all.
        floor: hit rate (0 to 1) under which a window is bad.
        resume_at: hit rate at which a probe succeeds.
        adaptive: False keeps the cache on whatever it hits.
        mode: what the cache is to do now.
        streak: ACTIVE: good windows in a row, or bad ones as a negative number; PROBE: windows done; WARM_UP: fills
            done.
        rung: index into GAPS of the next gap.

    Example:
        >>> machine = Controller.start(window=4096, max_entries=1024, floor=0.85, resume_at=0.90)
        >>> for hit_rate in (0.10, 0.40, 0.50, 0.50):  # the warm-up
        ...     machine = machine.advance(hit_rate)
        >>> machine.advance(0.50).advance(0.50).mode
        <Mode.BYPASS: 'bypass'>
    """

    window: int
    fill: int
    floor: float
    resume_at: float
    adaptive: bool = True
    mode: Mode = Mode.WARM_UP
    streak: int = 0
    rung: int = 0

    @classmethod
    def start(cls, *, window: int, max_entries: int, floor: float, resume_at: float, adaptive: bool = True) -> Self:
        """The state of an empty cache that has just been switched on."""
        return cls(
            window=window,
            fill=max(max_entries, window // WARM_UP_FILLS),
            floor=floor,
            resume_at=resume_at,
            adaptive=adaptive,
        )

    @property
    def looks_up(self) -> bool:
        """Whether keys are looked up now, rather than hashed directly."""
        return self.mode not in (Mode.DISABLED, Mode.BYPASS)

    @property
    def span(self) -> int:
        """Look-ups (or direct calls, when `looks_up` is False) until `advance` is due."""
        match self.mode:
            case Mode.DISABLED:
                return maxsize
            case Mode.WARM_UP:
                return self.fill
            case Mode.BYPASS:
                return GAPS[self.rung]
        return self.window

    def disabled(self) -> Self:
        """The state of a cache that is switched off."""
        return replace(self, mode=Mode.DISABLED, streak=0, rung=0)

    def restarted(self) -> Self:
        """The state of a cache that is switched on, empty."""
        return replace(self, mode=Mode.WARM_UP, streak=0, rung=0)

    def emptied(self) -> Self:
        """The state after all entries were dropped: a cache in use warms up again, any other stays as it is."""
        return replace(self, mode=Mode.WARM_UP, streak=0) if self.looks_up else self

    def advance(self, hit_rate: float) -> Self:
        """The state after the `span` look-ups or direct calls of this one.

        Args:
            hit_rate: hits among those look-ups, 0 to 1; not read in BYPASS, where nothing was looked up.
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
        return self

    def _after_fill(self, hit_rate: float) -> Self:
        if self.adaptive and hit_rate < NO_HITS:
            return replace(self, mode=Mode.BYPASS, streak=0)
        fills = self.streak + 1
        return replace(self, mode=Mode.ACTIVE, streak=0) if fills == WARM_UP_FILLS else replace(self, streak=fills)

    def _after_active(self, hit_rate: float) -> Self:
        if not self.adaptive:
            return self
        if hit_rate < self.floor:
            streak = min(self.streak, 0) - 1
            if streak == -TRIP_WINDOWS:
                return replace(self, mode=Mode.BYPASS, streak=0)
            return replace(self, streak=streak)
        streak = max(self.streak, 0) + 1
        return replace(self, streak=streak, rung=0 if streak >= TRUSTED_WINDOWS else self.rung)

    def _after_probe(self, hit_rate: float) -> Self:
        windows = self.streak + 1
        if windows == 1:
            goes_on = hit_rate >= NO_HITS
        elif hit_rate >= self.resume_at:
            return replace(self, mode=Mode.ACTIVE, streak=0)
        else:
            goes_on = hit_rate >= self.resume_at - SHORTFALL / windows
        return replace(self, streak=windows) if goes_on else replace(self, mode=Mode.BYPASS, streak=0)
