"""The pictures of a result, ready to stand in the page.

Owns the way from a matplotlib figure to SVG that takes its colours from the page, so that one file serves light and
dark, and that exists twice, at the width of a screen and of a telephone.
"""

import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import escape
from typing import Any

from markupsafe import Markup
from matplotlib.figure import Figure

from render import flames, style
from report import strip

Document = dict[str, Any]
# What says when and by whom a figure was drawn, and links to matplotlib.
UNSAID = dict.fromkeys(("Date", "Creator", "Format", "Type"))
VARIABLES = {code: f"var(--{name})" for name, code in style.PAGES["light"].items()}
PALETTE = re.compile("|".join(VARIABLES), re.IGNORECASE)
# The ids of a figure and what refers to them; a page has many figures, and an id only once.
IDS = re.compile(r'(\bid="|url\(#|\bhref="#)')
WIDTHS = flames.WIDTH, flames.NARROW


@dataclass(frozen=True)
class Picture:
    """An SVG for wide screens and one for narrow ones, with its words."""

    title: str
    about: str
    wide: Markup
    narrow: Markup


def picture(key: str, title: str, about: str, draw: Callable[[], Figure]) -> Picture:
    """Draw for both widths; ``key`` sets its ids apart from those of other pictures."""
    return Picture(title, about, inline(f"{key}-wide", title, draw, False), inline(f"{key}-narrow", title, draw, True))


def inline(key: str, title: str, draw: Callable[[], Figure], narrow: bool) -> Markup:
    """A figure as SVG whose colours are the page's."""
    written = io.StringIO()
    with style.on("light", narrow=narrow):
        drawn = draw()
        if narrow:
            style.wrap_titles(drawn)
        drawn.savefig(written, format="svg", metadata=UNSAID)
    svg = written.getvalue()
    svg = IDS.sub(rf"\g<1>{key}-", svg[svg.index("<svg ") :])
    svg = PALETTE.sub(lambda found: VARIABLES[found[0].lower()], svg)
    return Markup(svg.replace("<svg ", f'<svg role="img" aria-label="{escape(title)}" ', 1))


def of_verb(key: str, drawings: style.Drawings) -> Iterator[Picture]:
    """The pictures that a verb draws; the first line of the drawing function says what each shows."""
    for name, draw in drawings.items():
        about = getattr(draw, "func", draw).__doc__.splitlines()[0]
        yield picture(f"{key}-{name}", name.replace("_", " ").capitalize(), about, draw)


def flame_graphs(name: str, document: Document) -> Iterator[Picture]:
    """The flame graph of each arm that was sampled, and what differs between two."""
    profiles = {
        arm: [(tuple(stack.split(";")), count) for stack, count in stacks]
        for arm, stacks in document.get("stacks", {}).items()
    }
    for arm, stacks in profiles.items():
        wide, narrow = (Markup(flames.flame_graph(stacks, f"{name}, arm {arm}", width=width)) for width in WIDTHS)
        about = "Width: share of the samples. Blue: hashing. Point at a frame for its figures."
        yield Picture(f"Flame graph of the arm {arm}", about, wide, narrow)
    for before, after in (("before", "cache"), ("before", "batch")):
        if before in profiles and after in profiles:
            given = profiles[before], profiles[after], f"{name}: {after} against {before}"
            wide, narrow = (Markup(flames.difference(*given, width=width)) for width in WIDTHS)
            about = f"Width: share of the samples of {after}. Orange: more than in {before}; blue: less."
            yield Picture(f"Differential flame graph: {after} against {before}", about, wide, narrow)


def strips(key: str, document: Document) -> Iterator[Picture]:
    """What the cache did along its input, of the first sample of each workload that shows it."""
    seen = set()
    for sample in document["samples"]:
        stats = sample.get("cache_stats", {})
        words = " ".join(str(sample[key]) for key in ("traffic", "workload", "arm") if key in sample)
        if stats.get("transitions") and stats.get("hits", 0) + stats.get("misses", 0) and words not in seen:
            seen.add(words)
            title = f"States of the cache: {words}"
            draw = strip.drawing(stats["transitions"], sum(stats.get(name, 0) for name in strip.COUNTED))
            yield picture(f"{key}-strip-{len(seen)}", title, strip.ABOUT, draw)
