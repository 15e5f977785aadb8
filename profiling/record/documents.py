"""Tables between markers in the documents: where they are, and putting others in their place.

Owns the form of a marker. Each stands alone on its line, and a table lies between two:

    <!-- table: NAME -->

    | ... |

    <!-- end -->
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

OPENING, END = re.compile(r"<!-- table: (\S+) -->"), "<!-- end -->"
# What is meant as a marker; a comment of another sort begins otherwise.
MARKER = re.compile(r"\s*<!--\s*(table|end)\b")


class Place(NamedTuple):
    """The text between two markers: lines ``start`` up to ``stop``, the markers themselves not included."""

    name: str
    start: int
    stop: int


class MarkerError(ValueError):
    """Markers that do not belong together; the message names the line."""


def read(project: Path) -> dict[str, str]:
    """The documents that may hold tables or name results, by their path in the project."""
    paths = [project / "README.md", *sorted((project / "docs").glob("*.md"))]
    return {path.relative_to(project).as_posix(): path.read_text(encoding="utf-8") for path in paths if path.exists()}


def places(text: str) -> Iterator[Place]:
    """Where tables are. Raises ``MarkerError`` for markers that are not in pairs.

    >>> list(places("a\\n<!-- table: b -->\\n\\n| |\\n<!-- end -->\\n"))
    [Place(name='b', start=2, stop=4)]
    """
    name, start = "", 0
    for number, line in enumerate(text.split("\n")):
        if not MARKER.match(line):
            continue
        opening = OPENING.fullmatch(line)
        if not opening and line != END:
            raise MarkerError(f"line {number + 1}: write `<!-- table: NAME -->` or `{END}` on a line of its own")
        if bool(opening) == bool(name):
            missing = (
                f"`{END}` is missing for the table {name} of line {start}" if name else "no table begins before it"
            )
            raise MarkerError(f"line {number + 1}: {missing}")
        if opening:
            name, start = opening[1], number + 1
        else:
            yield Place(name, start, number)
            name = ""
    if name:
        raise MarkerError(f"line {start}: `{END}` is missing for the table {name}")


def shown(text: str, place: Place) -> str:
    """What stands there, without the blank lines around it."""
    return "\n".join(text.split("\n")[place.start : place.stop]).strip()


def filled(text: str, tables: Mapping[str, str]) -> str:
    """The text with these tables in their places; other places stay as they are."""
    lines = text.split("\n")
    for place in reversed(list(places(text))):
        if place.name in tables and shown(text, place) != tables[place.name]:
            lines[place.start : place.stop] = ["", *tables[place.name].split("\n"), ""]
    return "\n".join(lines)
