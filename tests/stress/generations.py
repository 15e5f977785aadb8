"""Many publishes under processes that read all the time. See the options with --help.

Each value of a generation is the generation's number. Readers, which are spawned, look up batches of random keys in
what Subscriber.current() gives: a batch must be wholly of one generation, none older than one that the reader has seen,
and the last that each sees is the last that was published. At the end, the folder holds what it should.

A finding ends the run with exit status 1 and is printed. A reader that does not end in WATCHDOG seconds is one.
"""

import argparse
import collections
import multiprocessing
import os
import sys
import tempfile
import time
import traceback
from typing import Any

import numpy as np

from pyhmap import FrozenMap, Publisher, Subscriber

WATCHDOG = 120  # seconds after the last publish: a reader needs a few milliseconds
BATCH = 1000  # keys
NAME = "users"


class Finding(Exception):
    """Something that the contract rules out."""


def need(holds: Any, what: str, *details: Any) -> None:
    if not holds:
        raise Finding(f"{what}: {', '.join(map(repr, details))[:600]}")


def read(index: int, subscriber: Subscriber, keys: int, last: int, connection: Any) -> None:
    """Until the last generation is there. Sends a message at the first, then what was counted or what was found."""
    try:
        subscriber.current()
        connection.send(f"reader {index} runs")
        connection.send(follow(np.random.default_rng(index), subscriber, keys, last))
    except BaseException:
        connection.send(f"reader {index}:\n{traceback.format_exc()}")


def follow(random: Any, subscriber: Subscriber, keys: int, last: int) -> dict[str, int]:
    counted: collections.Counter[str] = collections.Counter()
    number = 0
    while number < last:
        m = subscriber.current()
        values = m.get_many(random.integers(keys, size=BATCH))
        need((values == values[0]).all(), "a batch of several generations", np.unique(values))
        need(values[0] == subscriber.generation, "the wrong number", values[0], subscriber.generation)
        need(values[0] >= number, "an older generation", values[0], number)
        counted["batches"] += 1
        counted["generations seen"] += int(values[0] > number)
        number = int(values[0])
    return dict(counted)


def publish(publisher: Publisher, keys: int, number: int) -> None:
    m = FrozenMap.from_arrays(np.arange(keys), np.full(keys, number), seed=1)
    need(publisher.publish(m) == number, "the number of a generation", number)


def received(index: int, connection: Any) -> Any:
    """What a reader sends next, or what is wrong with it."""
    try:
        return connection.recv() if connection.poll(WATCHDOG) else f"reader {index} does not end"
    except EOFError:
        return f"reader {index} died"


def run(options: argparse.Namespace, folder: str) -> tuple[list[str], list[dict[str, int]]]:
    """What was found, and what each reader counted."""
    context = multiprocessing.get_context("spawn")
    with Publisher(folder, NAME, keep=options.keep) as publisher:
        publish(publisher, options.keys, 1)
        connections = []
        for index in range(options.readers):
            here, there = context.Pipe()
            subscriber = Subscriber(folder, NAME, every=options.every)
            arguments = (index, subscriber, options.keys, options.publishes, there)
            context.Process(target=read, args=arguments, daemon=True).start()
            there.close()
            connections.append(here)
        said = [received(index, connection) for index, connection in enumerate(connections)]
        found = [one for index, one in enumerate(said) if one != f"reader {index} runs"]
        if found:
            return found, []
        for number in range(2, options.publishes + 1):
            publish(publisher, options.keys, number)
        said = [received(index, connection) for index, connection in enumerate(connections)]
    found = [one for one in said if isinstance(one, str)]
    counts = [one for one in said if not isinstance(one, str)]
    kept = range(max(1, options.publishes - options.keep + 1), options.publishes + 1)
    expected = [*(f"{NAME}.{number:08d}.pyhmap" for number in kept), f"{NAME}.CURRENT", f"{NAME}.lock"]
    if sorted(os.listdir(folder)) != expected:
        found.append(f"in the folder: {sorted(os.listdir(folder))}")
    return found, counts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--publishes", type=int, default=1000)
    parser.add_argument("--readers", type=int, default=4)
    parser.add_argument("--keys", type=int, default=10_000, help="of each generation")
    parser.add_argument("--keep", type=int, default=2)
    parser.add_argument("--every", type=float, default=0.001, help="seconds between two looks of a reader")
    parser.add_argument("--folder", help="where a temporary folder is made: on another file system, perhaps")
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        found, counts = run(options, folder)
    print(f"{options.publishes:,} publishes, {options.readers} readers, {time.monotonic() - began:.0f} s")
    for name in ("batches", "generations seen"):
        each = [count[name] for count in counts]
        print(f"  {name:20}{sum(each):>12,}   of each reader: {', '.join(f'{n:,}' for n in each)}")
    for finding in found:
        print(f"\nFOUND {finding}")
    print("FAILED" if found else "nothing found")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
