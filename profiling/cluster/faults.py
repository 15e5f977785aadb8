"""One process of the measure ``faults``: what comes of a job, or of a dataset, when processes are killed.

Use: ``CASE FOLDER FACTS ROWS``. Each case starts its own cluster. The outcome is ``right`` (the answer that pandas'
merge gives), ``error`` with the message, or ``WRONG`` with what was found.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from cluster import data, processes, ways
from cluster.data import Event, Shape
from core import runner

WORKERS = 2
KTH = range(1, 6)
SKEW = 0.9
WITHIN = 300  # seconds; what takes longer counts as a hang
RIGHT, ERROR, WRONG = "right", "error", "WRONG"
OLD = 1000  # rows of the dataset that is replaced


class Watch(processes.Looking):
    """Opens a dataset again and again while another is built in its place, and notes which it was."""

    EVERY = 0.05  # seconds
    TRIES = 3  # a part may be replaced between two calls; opened again, it is there

    def __init__(self, folder: str) -> None:
        self.folder, self.seen, self.looks = folder, set(), 0
        self.odd: list[str] = []

    def look(self) -> None:
        """Open it; ask for its first rows."""
        self.looks += 1
        for tries in range(1, self.TRIES + 1):
            try:
                self._ask()
                return
            except Exception as error:
                if tries == self.TRIES or not isinstance(error, FileNotFoundError):
                    self.odd.append(f"{type(error).__name__}: {error}")
                    return

    def _ask(self) -> None:
        import pyhmap

        with pyhmap.open_dataset(self.folder) as found:
            self.seen.add((found.id, len(found)))
            found.lookup_many(data.keys_of(np.arange(OLD)))


def judged(call: Callable[[], Any], wanted: Any) -> dict[str, Any]:
    """The outcome of a call, and how long it took."""
    began = time.perf_counter()
    try:
        found = call()
        outcome, said = (RIGHT, "") if found == wanted else (WRONG, f"{found} instead of {wanted}")
    except Exception as error:
        outcome, said = ERROR, f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    return {"outcome": outcome, "said": said[:300], "seconds": time.perf_counter() - began}


def old_dataset(folder: Path) -> str:
    """A dataset that is there before another is built; its path."""
    import pyhmap

    rows = data.dimension(0, OLD)
    pyhmap.build_dataset([(rows["key"], rows["value"] * 0 - 5)], folder / "set", partitions=2)
    return str(folder / "set")


def whole_dataset(folder: Path, shape: Shape) -> str:
    """The dataset of all rows; its path."""
    import pyhmap

    rows = data.dimension(0, shape.rows)
    pyhmap.build_dataset([(rows["key"], rows["value"])], folder / "set", partitions=shape.parts)
    return str(folder / "set")


def answer_of(path: str, shape: Shape) -> data.Answer:
    """The answer of a dataset, asked in this process."""
    import pyhmap

    with pyhmap.open_dataset(path) as found:
        facts = data.facts(shape)
        facts["value"] = found.get_many(facts["key"].to_numpy(), default=data.MISSING)
        return data.answer(data.checksum(facts))


@contextlib.contextmanager
def watched(path: str, sample: dict[str, Any]) -> Iterator[None]:
    """Note what others see of a dataset while it is built."""
    with Watch(path) as watch:
        yield
    halves = sorted(n for _, n in watch.seen if n not in (OLD, sample["rows"]))
    sample |= {"looks": watch.looks, "datasets_seen": len(watch.seen), "half_seen": len(halves), "odd": watch.odd[:3]}


def look_up(how: str, folder: Path, shape: Shape, kth: int | None) -> dict[str, Any]:
    """Look all facts up; a worker is killed at its k-th part."""
    path = whole_dataset(folder, shape)
    event = None if kth is None else Event(kth, str(folder / "killed"), True)
    with processes.Cluster(WORKERS, folder / "cluster"):
        sample = judged(lambda: ways.answer(ways.looked_up(ways.facts(shape, event), path, how)), data.merged(shape))
    return sample | {"killed": (folder / "killed").exists()}


def build(folder: Path, shape: Shape, kth: int | None, distinct: bool = False) -> dict[str, Any]:
    """Build in the place of another; a worker is killed at its k-th part. ``distinct``: one row of each key."""
    path = old_dataset(folder)
    event = None if kth is None else Event(kth, str(folder / "killed"), True)
    sample: dict[str, Any] = {"rows": shape.rows}

    def call() -> data.Answer:
        rows = ways.rows(shape, event)
        ways.build(rows.drop_duplicates("key") if distinct else rows, path, partitions=shape.parts)
        return answer_of(path, shape)

    with processes.Cluster(WORKERS, folder / "cluster"), watched(path, sample):
        sample |= judged(call, data.merged(shape))
    return sample | {"killed": (folder / "killed").exists()}


def client_killed(folder: Path, shape: Shape, writing: bool) -> dict[str, Any]:
    """The process that asked for the build is killed while rows are made, or parts are written; the next one builds."""
    path = old_dataset(folder)
    sample: dict[str, Any] = {"rows": shape.rows}
    with processes.Cluster(WORKERS, folder / "cluster") as cluster, watched(path, sample):
        begun = folder / "begun"
        arguments = ("client", path, str(shape.facts), str(shape.rows), cluster.address, str(begun))
        client = subprocess.Popen(
            runner.worker_command("cluster.faults", *arguments),
            env=processes.environment(),
            stdout=subprocess.DEVNULL,
            preexec_fn=processes.die_with_parent,
        )
        files = len(list(Path(path).iterdir()))
        middle = (lambda: len(list(Path(path).iterdir())) > files + shape.parts // 4) if writing else begun.exists
        processes.until(lambda: middle() or client.poll() is not None, WITHIN)
        killed = client.poll() is None
        client.kill()
        client.wait()

        def call() -> data.Answer:
            ways.build(ways.rows(shape), path, partitions=shape.parts)
            return answer_of(path, shape)

        sample |= judged(call, data.merged(shape))
    return sample | {"killed": killed}


def client(path: str, facts: str, rows: str, address: str, begun: str) -> None:
    """The process that is killed."""
    import distributed

    shape = Shape(int(facts), int(rows))
    with distributed.Client(address):
        event = Event(shape.parts // (2 * WORKERS), begun, False)
        ways.build(ways.rows(shape, event), path, partitions=shape.parts)


def local_killed(folder: Path, shape: Shape) -> dict[str, Any]:
    """A build without Dask is killed when half of its parts are there; the next call goes on."""
    path = old_dataset(folder)
    sample: dict[str, Any] = {"rows": shape.rows}
    with watched(path, sample):
        begun = folder / "begun"
        builder = subprocess.Popen(
            runner.worker_command("cluster.faults", "local", path, str(shape.facts), str(shape.rows), str(begun)),
            env=processes.environment(),
            stdout=subprocess.DEVNULL,
            preexec_fn=processes.die_with_parent,
        )
        killed = processes.until(begun.exists, WITHIN)
        builder.kill()
        builder.wait()

        def call() -> data.Answer:
            local(path, str(shape.facts), str(shape.rows), "")
            return answer_of(path, shape)

        sample |= judged(call, data.merged(shape))
    return sample | {"killed": killed}


def local(path: str, facts: str, rows: str, begun: str) -> None:
    """Build without Dask. If there is a file to touch, that is done half-way; then this waits to be killed."""
    import pyhmap

    shape = Shape(int(facts), int(rows))
    batches = (data.dimension_part(part, shape.parts, shape.rows) for part in range(shape.parts))

    def progress(part: float) -> None:
        if begun and part > 0.5:
            Path(begun).touch()
            time.sleep(WITHIN)

    pairs = ((each["key"], each["value"]) for each in batches)
    pyhmap.build_dataset(pairs, path, partitions=shape.parts, memory="50MB", seed=1, progress=progress)


def cases() -> dict[str, Callable[[Path, Shape], dict[str, Any]]]:
    """All cases by their names."""
    found: dict[str, Callable[[Path, Shape], dict[str, Any]]] = {}
    for how in (ways.MAP, ways.SHUFFLE):
        for kth in KTH:
            found[f"lookup-{how}-killed-{kth}"] = lambda folder, shape, how=how, kth=kth: look_up(
                how, folder, shape, kth
            )
        found[f"lookup-{how}-skew"] = lambda folder, shape, how=how: look_up(
            how, folder, shape._replace(skew=SKEW), None
        )
    for kth in KTH:
        found[f"build-killed-{kth}"] = lambda folder, shape, kth=kth: build(folder, shape, kth)
    found["build-skew"] = lambda folder, shape: build(folder, shape._replace(skew=SKEW), None)
    found["build-skew-distinct"] = lambda folder, shape: build(folder, shape._replace(skew=SKEW), None, True)
    for name, writing in (("build-client-killed", False), ("build-client-killed-writing", True)):
        found[name] = lambda folder, shape, writing=writing: client_killed(folder, shape, writing)
    return found | {"build-local-killed": local_killed}


def main(arguments: list[str]) -> None:
    """Print the sample as JSON."""
    what, place, *rest = arguments
    if what == "client":
        client(place, *rest)
    elif what == "local":
        local(place, *rest)
    else:
        facts, rows = map(int, rest)
        with tempfile.TemporaryDirectory(prefix="faults-", dir=place) as folder:
            print(json.dumps(cases()[what](Path(folder), Shape(facts, rows))), flush=True)
        os._exit(0)  # without waiting for a client that lost its cluster


if __name__ == "__main__":
    processes.end_as_if_interrupted()
    main(sys.argv[1:])
