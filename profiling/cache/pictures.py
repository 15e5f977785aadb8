"""The pictures of the verb ``cache``, drawn from a result document alone.

Owns which picture shows what.
"""

from functools import partial
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from render import charts, style

Document = dict[str, Any]
ARMS = {
    "cache": "with the cache",
    "many": "hash_many",
    "dict": "dict.get",
    "direct": "hashed directly",
    "oneshot": "xxhash package",
    "object": "xxhash object",
}


def digest(axes: Axes, document: Document) -> None:
    """The cost of a digest by the share of keys that the cache holds, with and without it."""
    rows = sorted(document["figures"]["mixes"], key=lambda row: row["share"])
    for arm, colour in (("oneshot", "ink"), ("direct", "orange"), ("cache", "blue")):
        at = [100 * row["share"] for row in rows if arm in row["ns"]]
        ns = [row["ns"][arm]["median"] for row in rows if arm in row["ns"]]
        if ns:
            axes.plot(at, ns, color=style.colour(colour), lw=2.2 if arm == "cache" else 1.3, marker="o", ms=3)
            near = {"textcoords": "offset points", "color": style.colour(colour)}
            axes.annotate(ARMS[arm], (at[0], ns[0]), (4, 5), **near)
    axes.set_ylim(0, 1.2 * axes.get_ylim()[1])
    axes.set_xlabel("keys that the cache holds (%)")
    axes.set_ylabel("CPU time (ns)")
    axes.grid(axis="y")
    axes.set_title("Digest of a str of 16 bytes")


def digests(document: Document) -> Figure:
    """A digest with the cache and without: by the share of keys that are held, and beside every other way to it."""
    hits = [row for row in document["figures"]["hits"] if (row["kind"], row["length"]) == ("str", 16)]
    held = next((row for row in hits if not row["new_objects"]), None)
    drawn = style.figure(11, 3.6)
    axes = style.panels(drawn, 2 if held else 1, 2)
    digest(axes[0], document)
    if held:
        ns = {ARMS.get(arm, arm): one["median"] for arm, one in held["ns"].items() if arm != "loop"}
        ordered = dict(sorted(ns.items(), key=lambda item: item[1]))
        charts.dots(axes[1], ordered, {ARMS["cache"]: "blue"}, charts.nanoseconds)
        axes[1].set_title("The same, of a key that is held")
    return drawn


def drawings(document: Document) -> style.Drawings:
    """The pictures of what was measured."""
    return {"digests": partial(digests, document)} if document["figures"]["mixes"] else {}
