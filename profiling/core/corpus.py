"""The workload: identifiers from real text, and the requests cut from them. (``table/traffic.py`` makes up keys.)

Owns what an identifier is, which files are read and in which order.

The usual input is on every machine with Python: the ``.py`` files of the running interpreter's standard library,
without ``site-packages``. Identifiers are taken from the whole text: keywords and the words of comments and docstrings
count, as they do for any program that indexes source.

A measuring process receives the identifiers as one text and splits it. So it holds what a program holds that has just
read its input: a new ``str`` object for each occurrence, neither interned nor hashed yet. A cache that looks up a key
in a dict must hash and compare it first; a benchmark over a small list of reused objects would hide that cost.
"""

import hashlib
import re
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
    """Keys in order, joined by newlines, and the figures that describe them."""

    text: str
    files: int
    identifiers: int
    distinct: int
    over_32_bytes: int
    source: str = "identifiers in the .py files of the standard library, in file order"
    key_type: str = "str"  # or "bytes"
    name: str = ""  # sets the result file of a workload of choice apart from the usual one

    def describe(self) -> dict[str, object]:
        """The workload as it is written to a result file; equal fingerprints mean equal input."""
        return {
            "source": self.source,
            "pattern": IDENTIFIER.pattern if self.files else None,
            "key_type": self.key_type,
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
    return describe_words(words, len(paths))


def load_input(given: Path, *, every: int = 1) -> Corpus:
    """Read the identifiers of a file, or of each ``every``-th text file under a folder, hidden ones left out.

    A file counts as text when its first 4 KiB hold no zero byte. Names and places of files are not recorded.

    Raises ``ValueError`` when the path cannot be read, or holds no identifier.
    """
    try:
        if given.is_dir():
            paths = sorted(path.relative_to(given) for path in given.rglob("*") if path.is_file())
            shown = [path for path in paths if not any(part.startswith(".") for part in path.parts)]
            contents = [(given / path).read_bytes() for path in shown]
            contents = [content for content in contents if b"\0" not in content[:4096]][::every]
        else:
            contents = [given.read_bytes()]
    except OSError as error:
        raise ValueError(f"cannot read --input {given}: {error.strerror}") from error
    words = [word for content in contents for word in IDENTIFIER.findall(content.decode("utf-8", errors="replace"))]
    if not words:
        raise ValueError(f"--input {given} holds no identifiers to measure with")
    source = f"identifiers in {len(contents)} text file(s) of the user's own, in file order"
    return describe_words(words, len(contents), source=source, name="input")


def describe_words(words: list[str], files: int, **described: str) -> Corpus:
    """A corpus of these keys, with its figures."""
    return Corpus(
        text="\n".join(words),
        files=files,
        identifiers=len(words),
        distinct=len(set(words)),
        over_32_bytes=sum(len(word.encode()) > LONG_KEY_BYTES for word in words),
        **described,
    )


def split(text: str, key_type: str = "str") -> list[Any]:
    """The keys of a text as new objects."""
    return text.split("\n") if key_type == "str" else text.encode().split(b"\n")


def vocabulary(text: str, key_type: str = "str") -> list[Any]:
    """The distinct keys in order of first sight.

    >>> vocabulary("self\\nkey\\nself"), vocabulary("self\\nkey\\nself", "bytes")
    (['self', 'key'], [b'self', b'key'])
    """
    return list(dict.fromkeys(split(text, key_type)))


def requests(text: str, key_type: str = "str") -> list[list[Any]]:
    """Split the text into new key objects, ``KEYS_PER_REQUEST`` to a list; the last list may be shorter.

    >>> [len(request) for request in requests("\\n".join(["key"] * 90))]
    [40, 40, 10]
    """
    words = split(text, key_type)
    return [words[start : start + KEYS_PER_REQUEST] for start in range(0, len(words), KEYS_PER_REQUEST)]
