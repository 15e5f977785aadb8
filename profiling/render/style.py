"""How pictures look: one set of colours and sizes, for light and for dark pages.

Owns palette, sizes and the numbers on axes. Imports matplotlib. Colours are Okabe and Ito's (2008), which people who
see colours differently can tell apart, the dark ones lighter on a dark page; where colours are a scale (occupancy) it
is viridis, even in lightness.
"""

import io
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

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
# The pictures of a result by name: each is drawn when called, on the page and at the width that are then in use.
Drawings = dict[str, Callable[[], Figure]]
# The width of a picture for a telephone, at which its letters are shown in their full size.
NARROW_INCHES = 3.9
NARROW_LETTERS = 36  # of a title that begins where the axes do
_page = "light"
_narrow = False


def colour(name: str) -> str:
    """A colour of the page in use: ink, faint, blue, orange, green, red, purple or sky."""
    return PAGES[_page][name]


@contextmanager
def on(page: str, *, narrow: bool = False) -> Iterator[None]:
    """Inside, figures are made for a light or a dark page, ``narrow``: one for a telephone."""
    global _page, _narrow
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
        "axes.titlesize": 10 if narrow else 11,
        "axes.titlelocation": "left",
        "legend.frameon": False,
        "svg.fonttype": "none",  # text stays text
        "svg.hashsalt": "pyhmap",  # the same figure gives the same file
    }
    before, (_page, _narrow) = (_page, _narrow), (page, narrow)
    try:
        with mpl.rc_context(settings):
            yield
    finally:
        _page, _narrow = before


def figure(width: float, height: float) -> Figure:
    """An empty figure of so many inches, laid out without overlap."""
    return Figure(figsize=(min(width, NARROW_INCHES) if _narrow else width, height), layout="constrained")


def panels(drawn: Figure, count: int, across: int, **shared: bool) -> list[Axes]:
    """Axes in rows of ``across``; on a narrow screen one below the other, and the figure as much higher."""
    if _narrow:
        rows = -(-count // across)
        drawn.set_figheight(drawn.get_figheight() * count / rows)
        across = 1
    grid = drawn.subplots(-(-count // across), across, squeeze=False, **shared)
    for unused in grid.flat[count:]:
        unused.remove()
    return list(grid.flat[:count])


def narrow() -> bool:
    """Whether figures are made for a narrow screen."""
    return _narrow


def wrap_titles(drawn: Figure) -> None:
    """Break the titles and the labels below the axes into lines that a narrow screen has room for."""
    texts = [text for axes in drawn.axes for text in (axes._left_title, axes.title, axes.xaxis.label)]
    for text in [*texts, *drawn.texts]:
        text.set_text("\n".join(textwrap.fill(line, NARROW_LETTERS) for line in text.get_text().split("\n")))


def save_all(verb: str, drawings: Drawings, folder: Path) -> list[Path]:
    """Draw all pictures into ``VERB-NAME.svg`` and, for dark pages, ``VERB-NAME-dark.svg``; return the files."""
    written = []
    for name, draw in drawings.items():
        for page in PAGES:
            path = folder / f"{verb}-{name}{'' if page == 'light' else '-dark'}.svg"
            path.write_bytes(svg(draw, page))
            written.append(path)
    return written


def svg(draw: Callable[[], Figure], page: str) -> bytes:
    """A picture for a light or a dark page, as the content of an SVG file."""
    written = io.BytesIO()
    with on(page):
        draw().savefig(written, format="svg", metadata={"Date": None})
    return written.getvalue()


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
