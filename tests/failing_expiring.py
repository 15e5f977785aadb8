"""Saves of an expiring set that fail or are killed, at each call of the system in turn, and what they leave.

A program of its own, since calls fail for all that runs beside:

    python failing_expiring.py once | always | kill     with failing_calls.c preloaded

After each, the folder must hold the last save or this one, whole; a save that returned is not lost; and the next one
works, and leaves no file that its manifest does not name.
"""

import collections
import ctypes
import json
import os
import sys
import tempfile
from itertools import count

import numpy as np

from expiring_models import FakeClock
from failing_publish import MODES, in_child
from pyhmap import ExpiringSet

OLD, NEW, NEXT = range(100, 103)
CLOCK = FakeClock()


def fill(s: ExpiringSet, content: int) -> None:
    """A part that stays, one that changes, and one that is new."""
    s.add_many(np.arange(50), at=950)
    s.discard_many([OLD, NEW, NEXT])
    s.add_many([content], at=970)
    s.add_many(np.array(block(content)), at=float(980 + 10 * (content - OLD)))


def block(content: int) -> range:
    """The keys of the part that is new with a content."""
    return range(1000 * content, 1000 * content + 50)


def content_of(folder: str, saved: int) -> int | None:
    """What the folder holds, which must be whole; None if nothing was saved. ``saved`` is that of each_call()."""
    try:
        s = ExpiringSet.open(folder, clock=CLOCK)
    except FileNotFoundError:
        assert not os.path.exists(os.path.join(folder, "manifest.json"))
        return None
    s.check()
    [content] = {OLD, NEW, NEXT} & set(s)
    before = block(OLD) if content == NEW and saved == 2 else ()  # the same set went on
    assert set(s) == {*range(50), content, *before, *block(content)}
    return content


def name_of(content: int | None) -> str:
    return "new" if content == NEW else "old"


def only_named_files(folder: str) -> None:
    with open(os.path.join(folder, "manifest.json")) as file:
        live = json.load(file)["live"]
    assert sorted(os.listdir(folder)) == sorted([*(name for _, name in live), "manifest.json"])


def save_and_fail(folder: str, saved: int, mode: int, n: int) -> str:
    """In a child: save with call ``n`` failing. Then the set, or another one, must be of use."""
    library = ctypes.PyDLL(None)
    s = ExpiringSet.open(folder, clock=CLOCK) if saved == 2 else ExpiringSet("i8", 80, clock=CLOCK)
    fill(s, NEW)
    try:
        library.fail_after(ctypes.c_long(n), mode)
        s.save(folder)
        outcome = "saved"
    except OSError:
        outcome = "raised"
    left = library.never_fail()
    reached = left == (0 if MODES[mode] == "always" else -1)
    assert reached or outcome == "saved"
    content = content_of(folder, saved) if os.path.isdir(folder) else None
    assert content == NEW if outcome == "saved" else content in (OLD, NEW, None)
    s.save(folder)
    assert content_of(folder, saved) == NEW
    only_named_files(folder)
    return f"{outcome}, {name_of(content)}" if reached else ""


def each_call(mode: str, saved: int) -> None:
    """Into a folder that is missing, of another set, and of the same set."""
    outcomes: collections.Counter[str] = collections.Counter()
    for n in count():
        with tempfile.TemporaryDirectory() as above:
            folder = os.path.join(above, "folder")
            if saved:
                s = ExpiringSet("i8", 80, clock=CLOCK)
                fill(s, OLD)
                s.save(folder)
            outcome = in_child(save_and_fail, folder, saved, MODES.index(mode), n)
            content = content_of(folder, saved)
            assert content in (OLD if saved else None, NEW), content
            s = ExpiringSet("i8", 80, clock=CLOCK)
            fill(s, NEXT)
            s.save(folder)
            assert content_of(folder, saved) == NEXT
            only_named_files(folder)
        if outcome == "":
            break
        outcomes[outcome or f"killed, {name_of(content)}"] += 1
    print(f"{mode}, {saved} before: {n} calls, {dict(outcomes)}")


if __name__ == "__main__":
    for times in (0, 1, 2):
        each_call(sys.argv[1], times)
