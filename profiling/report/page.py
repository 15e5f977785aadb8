"""The HTML of ``report``: one page with its style, its script, its pictures and the raw results inside.

Owns the markup. Imports the standard library; the style and the script are ``page.css`` and ``page.js`` beside it. The
page asks no network for anything, and its policy forbids it to. Without the script everything is shown, one part below
the other.
"""

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
# Verdicts that need a colour: good news, mixed, bad.
GOOD = ("reproduced", "lower", "target met", "same", "as Go does", "clean")
BAD = ("not reproduced", "higher", "invalid", "target missed", "DIFFERS", "measurements disagree")
MISTAKE = "UNEXPECTED"  # anywhere in a cell
MIXED = ("direction only", "~", "too few")
# Said of every result that has ratios by pairs; see ``estimates.Paired``.
PAIRED = (
    "<p>Ratios are taken by pairs, within a block. The 95 % interval beside their median is a bootstrap's (10,000 "
    "resamples, expanded percentiles; of fewer than six pairs the whole range). A change is claimed only where that of "
    "the sign test (<code>sign_low</code> and <code>sign_high</code> in the raw result) leaves out “no change” too, "
    "since with some numbers of pairs the bootstrap is a little too sure.</p>\n"
)


@dataclass(frozen=True)
class Grid:
    """A table of cells."""

    title: str
    heads: list[str]
    rows: list[list[str]]
    numeric: list[bool]  # for each column


@dataclass(frozen=True)
class Picture:
    """A picture with its words: an SVG to be part of the page, or files for light and dark pages."""

    title: str
    about: str
    light: Path | None = None
    dark: Path | None = None
    svg: str = ""

    def read(self) -> "Picture":
        """The same with its files' contents, as data URLs, in place of the files."""
        tags = []
        for path, shown in ((self.light, "light"), (self.dark or self.light, "dark")):
            if path is not None:
                data = base64.b64encode(path.read_bytes()).decode()
                alt = escape(f"{self.title}: {self.about}")
                tags.append(f'<img class="{shown}" alt="{alt}" src="data:image/svg+xml;base64,{data}">')
        return replace(self, light=None, dark=None, svg="\n".join(tags))


def page(source: str, parts: list[dict[str, Any]], unread: list[str]) -> str:
    """The whole page, from where the results are and the parts that ``report`` made of them."""
    tabs = [("verdicts", "Verdicts"), *((identifier(made["name"]), made["name"]) for made in parts)]
    buttons = "\n".join(
        f'<button role="tab" id="tab-{name}" aria-controls="{name}" aria-selected="{str(not number).lower()}" '
        f'tabindex="{0 if not number else -1}">{escape(title)}</button>'
        for number, (name, title) in enumerate(tabs)
    )
    panels = [verdict_panel(parts, unread), *map(panel, parts)]
    return f"""<!DOCTYPE html>
<html lang="en-GB">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" \
content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:">
<title>pyhmap: what was measured</title>
<link rel="icon" href="data:,">
<style>
{(HERE / "page.css").read_text(encoding="utf-8")}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the results</a>
<header>
<div>
<h1>pyhmap: what was measured</h1>
<p>Shown here: {escape(source)}.</p>
</div>
<button id="theme" type="button" hidden>Dark page</button>
</header>
<nav aria-label="Results" class="scroll"><div role="tablist" aria-label="Results" hidden>
{buttons}
</div></nav>
<main id="main">
{"".join(panels)}</main>
<script>
{(HERE / "page.js").read_text(encoding="utf-8")}</script>
</body>
</html>
"""


def identifier(name: str) -> str:
    """A name as an HTML id.

    >>> identifier("table zipf/16")
    'result-table-zipf-16'
    """
    return "result-" + "".join(letter if letter.isalnum() else "-" for letter in name)


def verdict_panel(parts: list[dict[str, Any]], unread: list[str]) -> str:
    """The first panel: every verdict, then which results there are."""
    # The verdict stands before the figures, where a narrow screen shows it too.
    heads = ["result", "what", "verdict", "the article, or the target", "here"]
    rows = [
        [made["name"], what, verdict, theirs, ours]
        for made in parts
        for what, theirs, ours, verdict in made["verdicts"]
    ]
    listed = [
        [
            made["name"],
            made["document"]["mode"],
            str(made["document"]["environment"].get("date", "")),
            str(made["document"]["environment"].get("commit") or "")[:9],
            str(made["document"]["environment"].get("cpu", "")),
            made["document"].get("ended_by") or "whole",
        ]
        for made in parts
    ]
    about = ["result", "mode", "date", "commit", "processor", "run"]
    left_out = "".join(f"<p>Left out: {escape(reason)}.</p>\n" for reason in unread)
    return section(
        "verdicts",
        "Verdicts",
        table(Grid("What the article says, and what was measured here", heads, rows, [False] * 5))
        + '<p class="note"><b>reproduced</b>: at least the figure of the article over the whole 95 % interval. '
        "<b>direction only</b>: the same direction, surely, but less. <b>~</b>: no change can be told. "
        "The article measured Go; the figures here are of this machine.</p>\n"
        + table(Grid("Results on this page", about, listed, [False] * len(about)))
        + left_out,
    )


def panel(made: dict[str, Any]) -> str:
    """The panel of one result: what its verb says, pictures, how it was measured, the raw file."""
    document, name = made["document"], made["name"]
    body = []
    for each in made["shown"]:
        if isinstance(each, Grid):
            body.append(table(each))
        else:
            text, bold = each
            pre = "\n" in text.strip()
            tag = "pre" if pre else "p"
            lead = ' class="lead"' if bold else ""
            body.append(f"<{tag}{lead}>{escape(text.strip(chr(10)) if pre else text)}</{tag}>\n")
    if made["pictures"]:
        body.append("<h3>Pictures</h3>\n")
        body += map(figure, made["pictures"])
    body.append(measured(document))
    raw = json.dumps(document, separators=(",", ":")).replace("<", "\\u003c")
    key = identifier(name)
    body.append(
        f'<h3>Raw result</h3>\n<details class="raw"><summary>{escape(name)}.json</summary>\n'
        f'<button type="button" data-save="{key}" data-file="{escape(name)}.json">Save as a file</button>\n'
        f'<pre tabindex="0" aria-label="{escape(name)}.json"></pre></details>\n'
        f'<script type="application/json" id="raw-{key}">{raw}</script>\n'
    )
    return section(key, name, "".join(body))


def section(key: str, title: str, body: str) -> str:
    """A panel with its heading."""
    return (
        f'<section id="{key}" role="tabpanel" aria-labelledby="heading-{key}" tabindex="-1">\n'
        f'<h2 id="heading-{key}">{escape(title)}</h2>\n{body}</section>\n'
    )


def measured(document: dict[str, Any]) -> str:
    """How a result came to be: command, workload, plan, machine."""
    rows = [["command", document.get("command", "")], ["run", document.get("ended_by") or "whole"]]
    for part in ("workload", "config", "environment"):
        rows += [[f"{part}: {name}", value] for name, value in leaves(document.get(part, {}))]
    paired = PAIRED if '"sign_low"' in json.dumps(document["figures"]) else ""
    return "<h3>How it was measured</h3>\n" + paired + table(Grid("", ["setting", "value"], rows, [False, False]))


def leaves(value: Any, prefix: str = "") -> Iterable[tuple[str, str]]:
    """The plain values of nested objects with their paths; long lists are cut."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, f"{prefix}.{name}" if prefix else name)
    else:
        text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        yield prefix, text if len(text) <= 200 else text[:200] + " …"


def table(grid: Grid) -> str:
    """A table with caption and scopes in a box that scrolls by itself; its heads sort when the script runs."""
    label = escape(grid.title or "Table")
    caption = f"<caption>{escape(grid.title)}</caption>" if grid.title else ""
    classes = [' class="number"' if numeric else "" for numeric in grid.numeric]
    heads = "".join(f'<th scope="col"{kind}>{lines(head)}</th>' for head, kind in zip(grid.heads, classes, strict=True))
    rows = []
    for row in grid.rows:
        first, *others = map(lines, row)
        cells = [f'<th scope="row"{classes[0]}>{first}</th>']
        cells += [
            f"<td{kind or verdict_class(cell)}>{cell}</td>" for cell, kind in zip(others, classes[1:], strict=True)
        ]
        rows.append(f"<tr>{''.join(cells)}</tr>\n")
    return (
        f'<div class="scroll" role="region" aria-label="{label}" tabindex="0"><table>{caption}\n'
        f"<thead><tr>{heads}</tr></thead>\n<tbody>\n{''.join(rows)}</tbody></table></div>\n"
    )


def lines(cell: object) -> str:
    """The text of a cell, its line ends kept."""
    return "<br>".join(map(escape, str(cell).split("\n")))


def verdict_class(cell: str) -> str:
    """The colour of a cell that is a verdict."""
    if MISTAKE in cell:
        return ' class="bad"'
    cell = cell.replace("<br>", " ")
    for words, kind in ((GOOD, "good"), (BAD, "bad"), (MIXED, "mixed")):
        if cell in words:
            return f' class="{kind}"'
    return ""


def figure(picture: Picture) -> str:
    """A picture with its caption, in a box that scrolls by itself."""
    title, about = escape(picture.title), escape(picture.about)
    return (
        f"<figure><figcaption><b>{title}.</b> {about}</figcaption>\n"
        f'<div class="scroll" role="region" aria-label="{title}" tabindex="0">{picture.svg}</div></figure>\n'
    )
