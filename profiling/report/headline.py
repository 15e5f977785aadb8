"""What the page opens on: the map and the cache beside others, and where they lose, in words and in a picture.

Owns the panels, drawn from the result documents alone; a panel whose verb has no result is left out.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cache import pictures as cache_pictures
from peers import figures as peers_figures
from peers import tables as peers_tables
from render import charts, style, terminal
from report import answers, pictures

Document = dict[str, Any]
Panel = Callable[[Axes, Document], None]
COLOURS = {"pyhmap": "blue", "dict": "orange"}
TITLE = "In one picture"
ABOUT = (
    "Times on logarithmic scales. Beside the fastest other map: its time over pyhmap's in each operation, "
    "a dot for each number of keys, from 1,000 (small) to 10,000,000 (large); orange where the other map is faster."
)


def look_up(axes: Axes, document: Document) -> None:
    """The time of a hit in a large map."""
    row = answers.headline_row(document)
    ns = {name: spread["median"] for name, spread in row["spreads"].items() if name != peers_figures.FLOOR}
    charts.dots(axes, dict(sorted(ns.items(), key=lambda item: item[1])), COLOURS, charts.nanoseconds)
    axes.set_title(f"A look-up among {row['size']:,} keys")


def losses(axes: Axes, document: Document) -> None:
    """The fastest other map's time over pyhmap's, at each operation and size."""
    points = []
    for row in sorted(answers.points(document), key=lambda row: peers_figures.MEASURED.index(row["operation"])):
        if found := answers.fastest(row):
            name = peers_tables.TITLES.get(row["operation"], row["operation"])
            points.append((name, found[1], 3 + 1.6 * (len(str(row["size"])) - 4)))
    charts.ratios(axes, points, lambda ratio: ratio < 1)
    axes.set_xlabel(f"other faster  \N{LEFTWARDS ARROW} 1{terminal.TIMES} \N{RIGHTWARDS ARROW}  pyhmap faster")
    axes.set_title("Beside the fastest other map")


def inserts(axes: Axes, document: Document) -> None:
    """The worst single insert of a growing map."""
    worst = document["figures"]["worst_inserts"]
    ns = dict(sorted(worst["ns"].items(), key=lambda item: item[1]))
    charts.dots(axes, ns, COLOURS, charts.nanoseconds)
    axes.set_title(f"Slowest of {worst['inserts']:,} inserts")


def panels(documents: dict[str, Document]) -> list[tuple[Panel, Document]]:
    """The panels whose figures are there."""
    chosen: list[tuple[Panel, Document]] = []
    if peers := documents.get("peers"):
        if answers.headline_row(peers):
            chosen += [(look_up, peers), (losses, peers)]
        if peers["figures"]["worst_inserts"]["ns"]:
            chosen.append((inserts, peers))
    if (cache := documents.get("cache")) and cache["figures"]["mixes"]:
        chosen.append((cache_pictures.digest, cache))
    return chosen


def draw(chosen: list[tuple[Panel, Document]]) -> Figure:
    """The panels, two in a row."""
    drawn = style.figure(12.4, 2.55 * -(-len(chosen) // 2))
    for axes, (panel, document) in zip(style.panels(drawn, len(chosen), 2), chosen, strict=True):
        panel(axes, document)
    return drawn


def picture(documents: dict[str, Document]) -> pictures.Picture | None:
    """The panels as a picture of the page."""
    chosen = panels(documents)
    return pictures.picture("headline", TITLE, ABOUT, partial(draw, chosen)) if chosen else None


def points(documents: dict[str, Document]) -> list[tuple[str, str]]:
    """The answer: what the map does, what the cache does, and what is lost, each a word and a sentence."""
    said = {"The map.": ["peers"], "The cache.": ["cache"], "What is lost.": ["lost", "table"]}
    sentences = {verb: answers.answer(document) for verb, document in documents.items()}
    sentences["lost"] = answers.lost(documents["peers"]) if "peers" in documents else ""
    made = {word: " ".join(filter(None, map(sentences.get, verbs))) for word, verbs in said.items()}
    return [(word, sentence) for word, sentence in made.items() if sentence]
