"""What the verbs share: refusals and their exit statuses, tables, and the line of progress.

Results go to stdout, everything else to stderr. A text from a file may be of any length and may hold any character, so
it is shown as its ``repr``, shortened.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pyhmap.errors import FileFormatError

DAMAGED, UNUSABLE = 1, 2  # exit statuses
STATUSES = "Exit status: 0, 1 if the file is damaged or not one of pyhmap, 2 if it cannot be read."
MIB = 1 << 20
COLUMNS = 80  # of a line, where the output goes to no terminal
BAR = 24  # characters
SECONDS = 0.1  # between two lines of progress


class Refusal(Exception):
    """The command ends without a result, for the reason in the message, with this exit status."""

    def __init__(self, message: str, status: int = UNUSABLE) -> None:
        super().__init__(message)
        self.status = status


@contextmanager
def reading(path: str) -> Iterator[None]:
    """What goes wrong while a file of pyhmap is read becomes a refusal."""
    try:
        yield
    except FileFormatError as error:
        raise Refusal(str(error), DAMAGED if os.path.isfile(path) else UNUSABLE) from None
    except OSError as error:
        raise cannot("read", path, error) from None


def cannot(verb: str, path: str, error: OSError) -> Refusal:
    """The refusal for an error of the system."""
    return Refusal(f"{path}: cannot {verb} it: {os.strerror(error.errno) if error.errno else error}")


def print_json(document: dict[str, Any]) -> None:
    """The result for programs: one JSON object."""
    print(json.dumps(document, indent=1, allow_nan=False))


def table(rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Lines of aligned cells: the first ``left`` columns on the left, the others on the right.

    >>> print(table([("section", "bytes"), ("entries", "1,600")]))
    section  bytes
    entries  1,600
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if at < left else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def shortened(text: str, width: int) -> str:
    """A text of at most so many characters.

    >>> shortened("abcdefgh", 6)
    'abc...'
    """
    return text if len(text) <= width else f"{text[: width - 3]}..."


def columns() -> int:
    """The width of the terminal."""
    return shutil.get_terminal_size((COLUMNS, 0)).columns


class Progress:
    """A line on stderr, which is written again and again and is gone at the end. Nothing, if that is not a terminal.

    ``say(part, text)`` shows which part is done, a float up to 1.0 (None: not known), and a text of a few words.
    """

    def __init__(self) -> None:
        self._shown = sys.stderr is not None and sys.stderr.isatty()
        self._last = -SECONDS
        self._length = 0

    def say(self, part: float | None, text: str) -> None:
        now = time.monotonic()
        if not self._shown or now - self._last < SECONDS:
            return
        self._last = now
        if part is not None:
            full = int(part * BAR)
            text = f"[{'#' * full}{'-' * (BAR - full)}] {100 * part:3.0f} %  {text}"
        self._write(text)

    def _write(self, text: str) -> None:
        text = text[: columns() - 1]  # a line that wraps could not be written again
        sys.stderr.write(f"\r{text.ljust(self._length)}")
        sys.stderr.flush()
        self._length = len(text)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._length:
            self._write("")
            sys.stderr.write("\r")
            sys.stderr.flush()
