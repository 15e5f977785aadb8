"""Two kinds of picture that several verbs draw: a time for each name, and ratios to one on both sides of a line.

Owns how they look. A logarithmic scale, since times of one table differ by up to a hundred times.
"""

from collections.abc import Callable, Iterable

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullFormatter

from render import style, terminal

# Marked ratios, where they are in view; matplotlib's own are powers of ten.
RATIOS = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20)


def dots(
    axes: Axes,
    values: dict[str, float],
    colours: dict[str, str],
    said: Callable[[float], str],
    least: float | None = None,
) -> None:
    """A dot for each name in the given order, with its value; ``colours`` of those that stand out.

    ``least`` is the smallest value of all panels that are to begin at the same place.
    """
    least, most = min(values.values()) if least is None else least, max(values.values())
    for place, (name, value) in enumerate(values.items()):
        colour = style.colour(colours.get(name, "ink"))
        axes.plot([least / 2, value], [place, place], color=style.colour("faint"), lw=1, zorder=1)
        axes.plot([value], [place], "o", color=colour, ms=7 if name in colours else 5)
        weight = "bold" if name in colours else "normal"
        at = {"textcoords": "offset points", "va": "center", "fontsize": 9}
        axes.annotate(said(value), (value, place), (7, 0), color=colour, weight=weight, **at)
    named_rows(axes, list(values))
    axes.set_xscale("log")
    axes.set_xlim(least / 2, most * (most / least) ** 0.3 * 1.5)  # room for the last value
    axes.xaxis.set_visible(False)
    axes.spines[["bottom", "left"]].set_visible(False)


def ratios(axes: Axes, points: Iterable[tuple[str, float, float]], lost: Callable[[float], bool]) -> None:
    """A dot for each ``(row, ratio, size of the dot)``, in another colour where it is lost."""
    points = list(points)
    rows = list(dict.fromkeys(name for name, _, _ in points))
    for name, ratio, size in points:
        colour = style.colour("red" if lost(ratio) else "blue")
        axes.plot([ratio], [rows.index(name)], "o", color=colour, ms=size, alpha=0.75, mew=0)
    axes.axvline(1, color=style.colour("ink"), lw=0.8)
    named_rows(axes, rows)
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    axes.set_xticks([ratio for ratio in RATIOS if low <= ratio <= high])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}{terminal.TIMES}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlim(low, high)
    axes.grid(axis="x")


def named_rows(axes: Axes, names: list[str]) -> None:
    """The names down the left side, the first on top."""
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)


def nanoseconds(value: float) -> str:
    """A time with two digits.

    >>> nanoseconds(5.43), nanoseconds(141_234)
    ('5.4 ns', '140 µs')
    """
    return style.nanoseconds(float(f"{value:.2g}"))
