"""Commands in a process of their own, and what they say."""

import contextlib
import os
import pty
import subprocess
import sys

COMMAND = [sys.executable, "-m", "pyhmap"]


def refused(outcome, status, *parts):
    """One line on stderr that says these things, and nothing on stdout."""
    found, out, err = outcome
    assert (found, out) == (status, "")
    assert err.startswith("python -m pyhmap ")
    assert err.count("\n") == 1, err
    for part in parts:
        assert part in err


def on_a_terminal(*arguments):
    """Run a command whose stderr is a terminal: its exit status, what the terminal got, and stdout."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=theirs)
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # the other end is closed
        while piece := os.read(ours, 1000):
            shown += piece
    os.close(ours)
    out = process.communicate()[0]
    return process.returncode, shown.decode(), out.decode()


def as_on_screen(shown):
    """What is left of a line that was written again and again."""
    line = []
    for text in shown.split("\r"):
        line[: len(text)] = text
    return "".join(line).rstrip()
