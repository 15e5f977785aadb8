"""The workload: identifiers from real Python source, and the requests cut from them.

Owns what an identifier is, which files are read and in which order. Imports the standard library only.

The input is what every machine with Python has: the ``.py`` files of the running interpreter's standard
library, without ``site-packages``. Identifiers are taken from the whole text, so keywords and the words
of comments and docstrings count too, as they do for any program that indexes source. On CPython 3.11
that is 3.2 million identifiers, 113 thousand of them distinct, 0.2 % longer than 32 bytes.

A measuring process receives the identifiers as one text and splits it. So it holds what a program that
has just read its input holds: a new ``str`` object for each occurrence, neither interned nor hashed
yet. A cache that looks a key up in a dict must therefore hash and compare it first; a benchmark over a
small list of reused objects would leave that cost out.
"""

import hashlib
import re
import sysconfig
from dataclasses import dataclass
from pathlib import Path

# A letter or underscore and all word characters after it, in any script (so 0x1F gives x1F, one in a hundred).
IDENTIFIER = re.compile(r"[^\W\d]\w*")
# Code that was installed later would make the input differ between two machines with the same Python.
LEFT_OUT = {"site-packages", "dist-packages"}
# The size of one operation: about the identifiers of a dozen lines of source.
KEYS_PER_REQUEST = 40
# Keys over this length bypass the cache (the article's limit); reported, not used to choose anything.
LONG_KEY_BYTES = 32


@dataclass(frozen=True)
class Corpus:
    """Identifiers in file order, joined by newlines, and the figures that describe them."""

    text: str
    files: int
    identifiers: int
    distinct: int
    over_32_bytes: int

    def describe(self) -> dict[str, object]:
        """The workload as it is written to a result file; equal fingerprints mean equal input."""
        return {
            "source": "identifiers in the .py files of the standard library, in file order",
            "pattern": IDENTIFIER.pattern,
            "files": self.files,
            "identifiers": self.identifiers,
            "distinct": self.distinct,
            "over_32_bytes": self.over_32_bytes,
            "keys_per_request": KEYS_PER_REQUEST,
            "requests": -(-self.identifiers // KEYS_PER_REQUEST),
            "sha256": hashlib.sha256(self.text.encode()).hexdigest(),
        }


def standard_library() -> Path:
    """The folder of the running Python's standard library."""
    return Path(sysconfig.get_path("stdlib"))


def load(folder: Path, *, every: int = 1) -> Corpus:
    """Read the identifiers of each ``every``-th ``.py`` file under ``folder``, in order of its relative path.

    Taking whole files keeps the locality of the text, which a cache depends on. Bytes that are not UTF-8
    (the standard library has a few such test files) become replacement characters, which no identifier holds.

    Raises ``ValueError`` when there is no identifier to measure with.
    """
    paths = sorted(path.relative_to(folder) for path in folder.rglob("*.py"))
    paths = [path for path in paths if LEFT_OUT.isdisjoint(path.parts)][::every]
    words: list[str] = []
    for path in paths:
        words += IDENTIFIER.findall((folder / path).read_text(encoding="utf-8", errors="replace"))
    if not words:
        raise ValueError("the standard library holds no .py files to read; install the Python package that has them")
    return Corpus(
        text="\n".join(words),
        files=len(paths),
        identifiers=len(words),
        distinct=len(set(words)),
        over_32_bytes=sum(len(word.encode()) > LONG_KEY_BYTES for word in words),
    )


def vocabulary(text: str) -> list[str]:
    """The distinct identifiers in order of first sight.

    >>> vocabulary("self\\nkey\\nself")
    ['self', 'key']
    """
    return list(dict.fromkeys(text.split("\n")))


def requests(text: str) -> list[list[str]]:
    """Split the text into new ``str`` objects, ``KEYS_PER_REQUEST`` to a list; the last list may be shorter.

    >>> [len(request) for request in requests("\\n".join(["key"] * 90))]
    [40, 40, 10]
    """
    words = text.split("\n")
    return [words[start : start + KEYS_PER_REQUEST] for start in range(0, len(words), KEYS_PER_REQUEST)]
