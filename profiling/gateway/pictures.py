"""The picture of the verb ``gateway``, drawn from a result document alone."""

from collections.abc import Callable
from functools import partial
from typing import Any

from matplotlib.figure import Figure

from gateway.figures import OURS
from gateway.tables import HOLDERS, NAMES
from render import charts, style

Row = dict[str, Any]
Panel = tuple[str, dict[str, float], Callable[[float], str]]


def beside(load: list[Row], memory: list[Row]) -> Figure:
    """Requests per second, the slowest but one in a hundred, and memory of an id, by what keeps the ids."""
    names = NAMES | {"rego": "facts in Rego"}  # which leaves room on a telephone
    rates = {names[row["variant"]]: row["per_second"]["median"] for row in load}
    slow = {names[row["variant"]]: row["p99_ms"]["median"] for row in load}
    held = {HOLDERS[row["holder"]]: row["bytes_per_id"] for row in memory}
    panels: list[Panel] = [
        ("Requests per second, more is better", rates, lambda value: f"{value:,.0f}"),
        ("99 of 100 within, less is better", slow, lambda value: f"{value:.0f} ms"),
        ("Memory of an id, less is better", held, lambda value: f"{value:.0f} B"),
    ]
    panels = [panel for panel in panels if panel[1]]
    drawn = style.figure(7.5, sum(0.8 + 0.28 * len(values) for _, values, _ in panels))
    heights = [len(values) for _, values, _ in panels]
    axes = drawn.subplots(len(panels), squeeze=False, height_ratios=heights).ravel()
    for one, (title, values, said) in zip(axes, panels, strict=True):
        charts.dots(one, values, {NAMES[OURS]: "blue", HOLDERS[OURS]: "blue"}, said)
        one.set_title(title)
    return drawn


def drawings(document: dict[str, Any]) -> style.Drawings:
    """The pictures of what was measured."""
    load, memory = document["figures"]["load"], document["figures"]["memory"]
    return {"beside": partial(beside, load, memory)} if load or memory else {}
