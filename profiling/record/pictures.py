"""The pictures that the documents show: each is the one that its verb draws of its results file.

Owns which verbs they come from. The file of a picture is called ``VERB-NAME.svg``.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import matplotlib as mpl

from growth import pictures as growth
from ids import pictures as ids
from peers import pictures as peers
from record.results import Check
from render import style

# What draws the pictures of a verb, from its result.
DRAWINGS = {"growth": growth.drawings, "ids": ids.drawings, "peers": peers.drawings}
LINK = re.compile(r"\]\(([\w./-]+\.svg)\)")
# What Matplotlib writes into its files. Other versions draw the same figure a little differently.
DRAWN_BY = re.compile(rb"<dc:title>Matplotlib v([^,<]+)")


def shown(texts: Mapping[str, str]) -> list[str]:
    """The pictures that documents refer to, by their paths in the project, as the documents are.

    Those of ``examples/`` are left out: each example draws its own, and its tests check them.

    >>> shown({"README.md": "![Times](docs/peers-times.svg)", "docs/a.md": "![Times](peers-times.svg)"})
    ['docs/peers-times.svg']
    >>> shown({"docs/a.md": "![Memory](../examples/ids/result.svg)"})
    []
    """
    links = {str(PurePosixPath(name).parent / link) for name, text in texts.items() for link in LINK.findall(text)}
    return sorted(link for link in links if "examples" not in PurePosixPath(link).parts)


def draw(names: list[str], found: Mapping[str, dict[str, Any]]) -> dict[str, bytes]:
    """The content of these files, as far as a verb draws them and its result is there."""
    made = {}
    for name in names:
        verb, _, picture = PurePosixPath(name).stem.partition("-")
        drawings = DRAWINGS[verb](found[verb]) if verb in DRAWINGS and verb in found else {}
        if picture in drawings:
            made[name] = style.svg(drawings[picture], "light")
    return made


def write(project: Path, drawn: Mapping[str, bytes]) -> Iterator[str]:
    """Write the files that differ from what was drawn; a line for each."""
    for name, content in drawn.items():
        if stored(project / name) != content:
            (project / name).write_bytes(content)
            yield f"written {name}"


def checks(project: Path, names: list[str], drawn: Mapping[str, bytes]) -> Iterator[Check]:
    """Every picture is what was drawn; skipped where another version of Matplotlib drew it."""
    for name in names:
        what, content = f"{name}: drawn from its result", stored(project / name)
        version = DRAWN_BY.search(content)
        if name not in drawn:
            known = ", ".join(f"{verb}-NAME.svg" for verb in DRAWINGS)
            yield Check(what, f"no complete result has such a picture; known: {known} (`DRAWINGS`)")
        elif content == drawn[name]:
            yield Check(what)
        elif version and version[1].decode() != mpl.__version__:
            versions = f"Matplotlib {version[1].decode()} drew it, and {mpl.__version__} is installed"
            yield Check(what, skipped=f"{versions}: to draw it again, run `make record WRITE=1`")
        else:
            yield Check(what, "it differs from what the code draws: run `make record WRITE=1`")


def stored(path: Path) -> bytes:
    """The content of a file, empty if there is none."""
    return path.read_bytes() if path.exists() else b""
