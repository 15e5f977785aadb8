"""Publishers that fail or are killed, at each call of the system in turn or at random moments, and what they leave.

A program of its own, since calls fail for all that runs beside:

    python failing_publish.py once | always | kill     with failing_calls.c preloaded
    python failing_publish.py moments N                kills N publishers at random moments

After each, CURRENT must lead to the generation before or to the new one, whole; a publish that returned is not lost;
and the next Publisher works, and leaves nothing but what it should.
"""

import collections
import ctypes
import os
import random
import re
import select
import signal
import sys
import tempfile
import traceback
import warnings
from itertools import count

import numpy as np

from pyhmap import HMap, Publisher, Subscriber

KEYS = np.arange(3000)
MODES = ["once", "always", "kill"]
OLD, NEW, NEXT = 20, 30, 40  # what generations hold


def map_of(content: int) -> HMap:
    return HMap.from_arrays(KEYS, np.full(len(KEYS), content))


def content_of(folder: str) -> int | None:
    """What the current generation holds, which must be whole; None if there is none."""
    try:
        m = Subscriber(folder, "users").current()
    except FileNotFoundError:
        assert not os.path.exists(os.path.join(folder, "users.CURRENT"))
        return None
    values = m.get_many(KEYS)
    assert len(m) == len(KEYS)
    assert (values == values[0]).all(), values
    return int(values[0])


def numbers_in(folder: str) -> list[int]:
    return sorted(
        int(found[1]) for name in os.listdir(folder) if (found := re.fullmatch(r"users\.(\d+)\.pyhmap", name))
    )


def name_of(content: int | None) -> str:
    return "new" if content == NEW else "old"


def next_publisher_works(folder: str, content: int) -> None:
    """It has a new number, keeps two generations, and removes all else."""
    before = numbers_in(folder)
    with Publisher(folder, "users") as publisher:
        number = publisher.publish(map_of(content))
    assert not before or number > max(before), (number, before)
    assert content_of(folder) == content
    left = sorted(os.listdir(folder))
    files = [f"users.{one:08d}.pyhmap" for one in numbers_in(folder)]
    assert left == [*files, "users.CURRENT", "users.lock"], left
    assert numbers_in(folder)[-1] == number
    assert len(files) <= 2, left


def publish_and_fail(folder: str, mode: int, n: int) -> str:
    """In a child: publish with call ``n`` failing. Then the Publisher, or another one, must be of use."""
    library = ctypes.PyDLL(None)
    publisher = None
    m = map_of(NEW)
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        try:
            library.fail_after(ctypes.c_long(n), mode)
            publisher = Publisher(folder, "users")
            publisher.publish(m)
            outcome = "published"
        except OSError:
            outcome = "raised"
        left = library.never_fail()
    reached = left == (0 if MODES[mode] == "always" else -1)
    assert reached or outcome == "published"
    content = content_of(folder)
    assert content == NEW if outcome == "published" else content in (OLD, NEW, None)
    if publisher is not None and MODES[mode] == "once":  # it could remove what was unfinished
        users = Subscriber(folder, "users")
        assert numbers_in(folder)[-1:] == ([users.generation] if content and users.current() else [])
        assert not [name for name in os.listdir(folder) if name.endswith(".tmp")]
    with publisher or Publisher(folder, "users") as publisher:  # which did not keep the lock
        publisher.publish(map_of(NEW))
    assert content_of(folder) == NEW
    return f"{outcome}, {name_of(content)}" if reached else ""


def in_child(call, *arguments) -> str | None:
    """What a call returns in a process that is forked; None if it was killed."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, call(*arguments).encode())
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    os.close(writing)
    with open(reading) as file:
        said = file.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, -signal.SIGKILL), f"the child ended with status {status}"
    return said if status == 0 else None


def each_call(mode: str, published: int) -> None:
    """With so many generations before."""
    outcomes: collections.Counter[str] = collections.Counter()
    for n in count():
        with tempfile.TemporaryDirectory() as folder:
            with Publisher(folder, "users") as publisher:
                for _ in range(published):
                    publisher.publish(map_of(OLD))
            outcome = in_child(publish_and_fail, folder, MODES.index(mode), n)
            content = content_of(folder)
            assert content in (OLD if published else None, NEW), content
            next_publisher_works(folder, NEXT)
        if outcome == "":
            break
        outcomes[outcome or f"killed, {name_of(content)}"] += 1
    print(f"{mode}, {published} before: {n} calls, {dict(outcomes)}")


def publish_for_ever(folder: str, content: int, writing: int) -> str:
    with Publisher(folder, "users") as publisher:
        for more in count(content):
            publisher.publish(map_of(more))
            os.write(writing, more.to_bytes(8, "little"))
    raise AssertionError


def kill_at_moments(kills: int) -> None:
    moments = random.Random(1)
    content, published = 0, 0
    with tempfile.TemporaryDirectory() as folder:
        for kill in range(kills):
            reading, writing = os.pipe()
            child = os.fork()
            if child == 0:
                publish_for_ever(folder, content + 1, writing)
            os.close(writing)
            # In every second one after its first publish, on however slow a machine.
            select.select([reading], [], [], moments.random() * 0.1 if kill % 2 else 60)
            select.select([], [], [], moments.random() * 0.02)
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            with open(reading, "rb") as file:
                done = file.read()
            published += len(done) // 8
            before = int.from_bytes(done[-8:], "little") if done else content
            now = content_of(folder) or 0
            assert now in (before, before + 1), (now, before)
            content = now + 1
            next_publisher_works(folder, content)
    print(f"{kills} killed, {published} published")


def main() -> None:
    if sys.argv[1] == "moments":
        kill_at_moments(int(sys.argv[2]))
    else:
        for published in (0, 1, 2):
            each_call(sys.argv[1], published)


if __name__ == "__main__":
    main()
