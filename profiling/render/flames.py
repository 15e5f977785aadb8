"""Flame graphs from folded stacks: one profile, or one against another; and the same stacks for speedscope.

Owns the tree of frames and the SVG. A folded stack is a line ``outer;inner N``, as Brendan Gregg's scripts, py-spy and
many others write it; here it is the pair of a tuple of frame names and a count.

The pictures follow Gregg (2016, The Flame Graph): a frame is as wide as its share of the samples, callers are below,
siblings in order of name, so two profiles of one program line up. py-spy draws one recording, not the sum of several
processes and not a difference; other tools need Perl, Rust or a network. Text has the page's own colour; frames are
light with dark text on light and dark pages alike.
"""

import re
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass, field
from html import escape
from typing import Any

Stacks = list[tuple[tuple[str, ...], int]]

WIDTH, ROW, LINE, MARGIN = 1000, 18, 18, 4
NARROW = 374  # the width of a telephone's screen
LETTER = 6.7  # width of a letter of the 11-unit monospace font
SMALLEST = 0.001  # a frame below a thousandth of the width could not be seen
# Frames of the interpreter that say only that a call is under way.
PLUMBING = re.compile(
    r"^(_?Py(Object|Vectorcall|Eval|Function)\w*|_PyEval\w*|_PyFunction\w*|\w*vectorcall\w*|__pyx_\w+) \[C\]$", re.I
)
NATIVE_MARK = " [C]"
PYTHON, NATIVE, FOCUS = "#f6c667", "#ddd6c8", "#8cc4ec"
# Light enough for dark text, and told apart by those who see no red or green: Okabe and Ito's vermilion and blue.
SLOWER, SAME, FASTER = (240, 142, 92), (232, 230, 226), (110, 178, 226)


@dataclass
class Node:
    """A frame with all that it calls; ``count`` of this profile, ``other`` of the one it is compared with."""

    name: str
    count: int = 0
    other: int = 0
    children: dict[str, "Node"] = field(default_factory=dict)


def parse(folded: str) -> Stacks:
    """The stacks of a file of folded lines.

    >>> parse("a;b 2\\na 1\\n")
    [(('a', 'b'), 2), (('a',), 1)]
    """
    lines = (line.rsplit(" ", 1) for line in folded.splitlines() if line.strip())
    return [(tuple(stack.split(";")), int(number)) for stack, number in lines]


def joined(stacks: Iterable[tuple[tuple[str, ...], int]]) -> Stacks:
    """Equal stacks made one, in order of their names.

    >>> joined([(("b",), 1), (("a",), 2), (("b",), 3)])
    [(('a',), 2), (('b',), 4)]
    """
    counts: dict[tuple[str, ...], int] = {}
    for stack, count in stacks:
        counts[stack] = counts.get(stack, 0) + count
    return sorted(counts.items())


def folded(stacks: Stacks) -> str:
    """The stacks as folded lines.

    >>> folded([(("a", "b"), 2)])
    'a;b 2\\n'
    """
    return "".join(f"{';'.join(stack)} {count}\n" for stack, count in stacks)


def stored(stacks: Stacks) -> list[tuple[str, int]]:
    """The stacks as they go into a result file: folded, and rare ones cut short where they get rare.

    A frame with less than a thousandth of the samples could not be drawn; its samples stay with its caller.
    """
    least = SMALLEST * sum(count for _, count in stacks)
    totals: dict[tuple[str, ...], int] = {}
    for stack, count in stacks:
        for depth in range(1, len(stack) + 1):
            totals[stack[:depth]] = totals.get(stack[:depth], 0) + count
    cut = []
    for stack, count in stacks:
        depth = len(stack)
        while depth > 1 and totals[stack[:depth]] < least:
            depth -= 1
        cut.append((stack[:depth], count))
    return [(";".join(stack), count) for stack, count in joined(cut)]


def plain(frame: str) -> str:
    """A frame's name without its place in a file and without the function that it was made in; ``[C]`` if not Python.

    >>> plain("hash_objects.<locals>.hash_keys (arms.py:44)"), plain("XXH64 (libxxhash.so)")
    ('hash_keys', 'XXH64 [C]')
    """
    name, _, place = frame.partition(" (")
    return name.rsplit("<locals>.", 1)[-1] + ("" if re.search(r"\.py(:\d+)?\)$", place) else NATIVE_MARK)


def below(stacks: Stacks, root: str) -> Stacks:
    """The part of each stack from the frame ``root`` on, with plain names and without plumbing; equal ones joined.

    >>> below([(("main (w.py:1)", "loop (w.py:2)", "_PyEval_Vector (python)", "f (a.py:1)"), 3)], "loop")
    [(('loop', 'f'), 3)]
    """
    kept = []
    for stack, count in stacks:
        names = [plain(frame) for frame in stack]
        if root in names:
            shown = names[names.index(root) :]
            kept.append((tuple(name for name in shown if not PLUMBING.match(name)), count))
    return joined(kept)


def tree(stacks: Stacks, other: Stacks = ()) -> Node:  # type: ignore[assignment]
    """The frames of one or two profiles as a tree, below a root that stands for all samples."""
    root = Node("all")
    for side, profile in (("count", stacks), ("other", other)):
        for stack, number in profile:
            node = root
            setattr(node, side, getattr(node, side) + number)
            for name in stack:
                node = node.children.setdefault(name, Node(name))
                setattr(node, side, getattr(node, side) + number)
    return root


def boxes(node: Node, *, left: float = 0.0, depth: int = 0, focus: bool = False, marked: str = "") -> Iterable[Any]:
    """``(node, left, depth, in focus)`` of every frame wide enough to be seen; ``left`` in samples."""
    focus = focus or node.name == marked
    yield node, left, depth, focus
    for name in sorted(node.children):
        child = node.children[name]
        if child.count:
            yield from boxes(child, left=left, depth=depth + 1, focus=focus, marked=marked)
            left += child.count


def flame_graph(stacks: Stacks, title: str, *, marked: str = "hash_keys", width: int = WIDTH) -> str:
    """A flame graph as a whole SVG; the frames under ``marked`` have a colour of their own."""
    root = tree(stacks)
    rows = []
    inside = 0
    for node, left, depth, focus in boxes(root, marked=marked):
        share = node.count / max(root.count, 1)
        inside += node.count if node.name == marked else 0
        fill = FOCUS if focus else NATIVE if node.name.endswith(NATIVE_MARK) else PYTHON
        said = f"{node.name}: {node.count:,} samples, {share:.1%}"
        rows.append((left / max(root.count, 1), share, depth, fill, node.name, said))
    legend = [(PYTHON, "Python"), (NATIVE, "C"), (FOCUS, f"in {marked}: {inside / max(root.count, 1):.1%}")]
    return drawing(rows, f"{title}: {root.count:,} samples", legend, width=width)


def difference(before: Stacks, after: Stacks, title: str, *, width: int = WIDTH) -> str:
    """A differential flame graph: widths of ``after``, colours by how each frame's share of all samples changed."""
    root = tree(after, before)
    changes = []
    for node, left, depth, _ in boxes(root):
        share, was = node.count / max(root.count, 1), node.other / max(root.other, 1)
        changes.append((node, left / max(root.count, 1), share, depth, share - was))
    most = max([abs(change) for *_, change in changes] + [0.01])
    rows = []
    for node, left, share, depth, change in changes:
        said = f"{node.name}: {share:.1%} of the samples, {100 * change:+.1f} points"
        rows.append((left, share, depth, blend(change / most), node.name, said))
    gone = sorted(((node.other, node.name) for node in vanished(root)), reverse=True)
    named = ", ".join(f"{name} ({100 * was / max(root.other, 1):.1f} %)" for was, name in gone[:4])
    legend = [(blend(1), f"larger share, up to +{100 * most:.0f} points"), (blend(-1), "smaller share")]
    return drawing(rows, title, legend, f"gone: {named}" if named else "", width)


def vanished(node: Node) -> Iterable[Node]:
    """The outermost frames that only the profile before has."""
    for child in node.children.values():
        if child.other and not child.count:
            yield child
        else:
            yield from vanished(child)


def blend(change: float) -> str:
    """The colour of a change from -1 to 1."""
    end = SLOWER if change > 0 else FASTER
    mixed = (round(a + (b - a) * min(1.0, abs(change)) ** 0.6) for a, b in zip(SAME, end, strict=True))
    return "#{:02x}{:02x}{:02x}".format(*mixed)


def drawing(rows: list[Any], title: str, legend: list[tuple[str, str]], note: str = "", width: int = WIDTH) -> str:
    """The SVG of ``(left, width, depth, fill, name, what it says)``, left and width as shares of the whole."""
    seen = [row for row in rows if row[1] >= SMALLEST]
    deepest = max((row[2] for row in seen), default=0)
    head, parts = 0, []
    for text in (title, note):
        for line in textwrap.wrap(text, int((width - 2 * MARGIN) / LETTER)):
            head += LINE
            parts.append(f'<text x="{MARGIN}" y="{head - 4}" fill="currentColor">{escape(line)}</text>')
    at, head = float(MARGIN), head + LINE
    for fill, said in legend:
        wide = 20 + LETTER * len(said)
        if at + wide > width:
            at, head = float(MARGIN), head + LINE
        parts.append(f'<rect x="{at:.0f}" y="{head - 14}" width="11" height="11" fill="{fill}" stroke="#888"/>')
        parts.append(f'<text x="{at + 16:.0f}" y="{head - 4}" fill="currentColor">{escape(said)}</text>')
        at += wide + 14
    height = head + (deepest + 1) * ROW + MARGIN
    for left, share, depth, fill, name, said in seen:
        x, w, y = left * width, share * width, head + (deepest - depth) * ROW
        parts.append(f"<g><title>{escape(said)}</title>")
        parts.append(
            f'<rect x="{x:.1f}" y="{y}" width="{max(w - 0.5, 0.5):.1f}" height="{ROW - 1}" rx="1.5" fill="{fill}"/>'
        )
        letters = int((w - 6) / LETTER)
        if letters >= 3:
            text = name if len(name) <= letters else name[: letters - 1] + "…"
            parts.append(f'<text x="{x + 3:.1f}" y="{y + 12.5}" fill="#1b1f24">{escape(text)}</text>')
        parts.append("</g>")
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(title)}" font-family="ui-monospace, monospace" font-size="11">'
    )
    return "\n".join([opening, f"<title>{escape(title)}</title>", *parts, "</svg>", ""])


def speedscope(stacks: Stacks, name: str) -> dict[str, Any]:
    """The stacks in the file format of https://www.speedscope.app: one sampled profile whose weights are counts."""
    places: dict[str, int] = {}
    samples = [[places.setdefault(frame, len(places)) for frame in stack] for stack, _ in stacks]
    weights = [count for _, count in stacks]
    return {
        "$schema": "https://www.speedscope.app/file-format-schema.json",
        "exporter": "pyhmap profiling",
        "name": name,
        "activeProfileIndex": 0,
        "shared": {"frames": [{"name": frame} for frame in places]},
        "profiles": [
            {
                "type": "sampled",
                "name": name,
                "unit": "none",
                "startValue": 0,
                "endValue": sum(weights),
                "samples": samples,
                "weights": weights,
            }
        ],
    }
