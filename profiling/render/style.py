"""How pictures look: one set of colours and sizes, for light and for dark pages.

Owns palette, sizes and the numbers on axes. Imports matplotlib. Colours are Okabe and Ito's (2008), which people who
see colours differently can tell apart, the dark ones lighter on a dark page; where colours are a scale (occupancy) it
is viridis, even in lightness.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

PAGES = {
    "light": {
        "page": "#ffffff", "ink": "#1b1f24", "faint": "#c9ced6", "blue": "#0072b2", "orange": "#d08f00",
        "green": "#009e73", "red": "#d55e00", "purple": "#b3608f", "sky": "#56b4e9",
    },
    "dark": {
        "page": "#14171b", "ink": "#e6e9ee", "faint": "#4a5059", "blue": "#4aa8e0", "orange": "#e69f00",
        "green": "#2fc796", "red": "#ff8a4a", "purple": "#dc95bd", "sky": "#9bd3f5",
    },
}  # fmt: skip
_page = "light"


def colour(name: str) -> str:
    """A colour of the page in use: ink, faint, blue, orange, green, red, purple or sky."""
    return PAGES[_page][name]


@contextmanager
def on(page: str) -> Iterator[None]:
    """Inside, figures are made for a light or a dark page."""
    global _page
    colours = PAGES[page]
    settings = {
        "figure.facecolor": colours["page"],
        "axes.facecolor": colours["page"],
        "savefig.facecolor": colours["page"],
        "text.color": colours["ink"],
        "axes.labelcolor": colours["ink"],
        "axes.edgecolor": colours["faint"],
        "xtick.color": colours["ink"],
        "ytick.color": colours["ink"],
        "grid.color": colours["faint"],
        "grid.linewidth": 0.5,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "font.size": 9,
        "axes.titlesize": 11,
        "axes.titlelocation": "left",
        "legend.frameon": False,
        "svg.fonttype": "none",  # text stays text
        "svg.hashsalt": "pyhmap",  # the same figure gives the same file
    }
    before, _page = _page, page
    try:
        with mpl.rc_context(settings):
            yield
    finally:
        _page = before


def figure(width: float, height: float) -> Figure:
    """An empty figure of so many inches, laid out without overlap."""
    return Figure(figsize=(width, height), layout="constrained")


def thousands(axis: object) -> None:
    """1,000 rather than 10^3 on an axis of counts."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))


def counts(axes: Axes, which: str) -> None:
    """10^3, 10^6 on a logarithmic axis of counts; plain numbers on a linear one."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    if axis.get_scale() == "linear":
        thousands(axis)


def nanoseconds(value: float, _: object = None) -> str:
    """A time with the unit people would say.

    >>> nanoseconds(250), nanoseconds(1500), nanoseconds(2e6)
    ('250 ns', '1.5 µs', '2 ms')
    """
    for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if value >= size:
            return f"{value / size:g} {unit}"
    return f"{value:g} ns"
