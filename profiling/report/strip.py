"""The states of a cache along its input, under the hit rates that decided them.

Owns this one picture. Drawn from the transitions that ``stats()`` returns.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from matplotlib.figure import Figure
from matplotlib.patches import Patch

from render import style

# Every call of a cache is counted in one of these.
COUNTED = ("hits", "misses", "bypassed", "oversize", "uncacheable")
# The hit rates at which a cache turns itself off, and on again.
FLOOR, RESUME = 0.85, 0.90
COLOURS = {"warm-up": "faint", "active": "green", "probe": "orange", "bypass": "red", "disabled": "purple"}
ABOUT = "What the cache was doing along its input, and the hit rate that each state ended with."


def drawing(transitions: list[list[Any]], calls: int) -> Callable[[], Figure]:
    """The picture of ``[call, old, new, hit rate or None]`` over so many calls, to be drawn when called."""
    return partial(draw, [change for change in transitions if change[0] <= calls], max(calls, 1))


def draw(changes: list[list[Any]], calls: int) -> Figure:
    """The states of the cache along its input."""
    drawn = style.figure(9.5, 2.6)
    rates, states = drawn.subplots(2, 1, sharex=True, height_ratios=[4, 1])
    ends = [change[0] for change in changes[1:]] + [calls]
    for (begin, _, state, _), end in zip(changes, ends, strict=True):
        states.broken_barh([(begin, end - begin)], (0, 1), color=style.colour(COLOURS.get(state, "ink")))
    decided = [(change[0], 100 * change[3], change[2]) for change in changes if change[3] is not None]
    for call, rate, state in decided:
        rates.plot(call, rate, "o", color=style.colour(COLOURS.get(state, "ink")), mec=style.colour("ink"))
    for rate in (FLOOR, RESUME):
        rates.axhline(100 * rate, color=style.colour("ink"), lw=0.8, ls="--")
    rates.set_ylim(min([40, *(rate for _, rate, _ in decided)]) - 5, 105)
    rates.set_ylabel("hit rate (%)")
    states.set_yticks([])
    states.set_xlim(0, calls)
    states.set_xlabel("calls")
    style.counts(states, "x")
    states.locator_params(axis="x", nbins=4)
    shown = [name for name in COLOURS if any(change[2] == name for change in changes)]
    handles = [Patch(color=style.colour(COLOURS[name]), label=name) for name in shown]
    drawn.legend(handles=handles, loc="outside upper left", ncols=3 if style.narrow() else len(shown))
    return drawn
