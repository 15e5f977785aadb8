"""One process of the measures ``network`` and ``links``: jobs over nodes that are network namespaces.

Use: ``make FOLDER SIZES``; ``network FOLDER SIZES NODES RATE RUN``; ``links FOLDER SIZES CASE HOW RUN``. Node 0 has the
scheduler and a server of files, the others have a worker each. SIZES are the numbers of facts, and of rows, that jobs
are run with, separated by commas; RUN is the process id of the whole run.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cluster import data, faults, processes, ways
from cluster.data import MISSING, Answer, Event, Shape
from cluster.namespaces import Network
from core import runner

FETCH, BUILD = "fetch", "build"
WAYS = (FETCH, ways.MAP, ways.SHUFFLE, BUILD)
PORT = 8000  # of the server of files
WITHIN = 240  # seconds; a job that takes longer counts as a hang
SLOW = 2  # the node whose link is cut, or slow
DELAY = 0.3  # seconds
ONE = data.facts_part(0, Shape(data.PARTS, 1)).iloc[:1]
CUT = {"cut 3 s": 3.0, "cut 40 s": 40.0}  # shorter, and longer than after which a worker is given up
CASES = ("whole", *CUT, "300 ms late")


def shapes(sizes: str) -> list[Shape]:
    """As many rows as facts.

    >>> [shape.rows for shape in shapes("1000,20")]
    [1000, 20]
    """
    return [Shape(int(size), int(size)) for size in sizes.split(",")]


def make(folder: Path, sizes: str) -> dict[str, Any]:
    """Write a file and a dataset of each size, and the answers of pandas' merge."""
    import pyhmap

    (folder / "files").mkdir(parents=True, exist_ok=True)
    answers, sizes_in_bytes = {}, {}
    for shape in shapes(sizes):
        rows = data.dimension(0, shape.rows)
        path = folder / "files" / f"{shape.rows}.pyhmap"
        pyhmap.build_file([(rows["key"], rows["value"])], path)
        pyhmap.build_dataset([(rows["key"], rows["value"])], folder / f"set-{shape.rows}", partitions=shape.parts)
        answers[shape.rows] = list(data.merged(shape))
        sizes_in_bytes[shape.rows] = path.stat().st_size
    (folder / "answers.json").write_text(json.dumps(answers))
    return {"file_bytes": sizes_in_bytes}


def wanted(folder: Path, shape: Shape) -> Answer:
    """What pandas' merge gave."""
    return Answer(*json.loads((folder / "answers.json").read_text())[str(shape.rows)])


@contextmanager
def served(network: Network, folder: Path) -> Iterator[str]:
    """A server of files in node 0; the URL of its folder."""
    command = runner.worker_command("cluster.serve", network.host(0), PORT, folder)
    server = subprocess.Popen([*network.prefix(0), *command], preexec_fn=processes.die_with_parent)
    try:
        yield f"http://{network.host(0)}:{PORT}"
    finally:
        server.kill()
        server.wait()


@contextmanager
def cluster_on(network: Network, folder: Path) -> Iterator[processes.Cluster]:
    """A worker in each node but node 0, which has the scheduler."""
    with processes.Cluster(network.nodes - 1, folder, prefix=network.prefix, host=network.host) as cluster:
        yield cluster


def fetch(cluster: processes.Cluster, enricher: Any) -> None:
    """Bring a file to each node, to all at the same time."""
    addresses = list(cluster.client.scheduler_info(n_workers=-1)["workers"])
    jobs = [cluster.client.submit(enricher, ONE, workers=[address], pure=False) for address in addresses]
    cluster.client.gather(jobs)


def jobs(
    cluster: processes.Cluster, folder: Path, url: str, shape: Shape, own: Path
) -> dict[str, Callable[[], Answer | None]]:
    """What is run with one size, in this order; each gives its answer, and fetching gives none."""
    import pyhmap

    file, dataset, built = f"{url}/{shape.rows}.pyhmap", str(folder / f"set-{shape.rows}"), str(own / f"{shape.rows}")

    enricher = pyhmap.Enricher(file, on="key", out="value", default=MISSING)
    enricher(ONE)  # this process has a copy, too, before anything is measured

    def look_up() -> Answer:
        return ways.answer(ways.looked_up(ways.facts(shape), file, ways.MAP))

    def shuffle() -> Answer:
        return ways.answer(ways.looked_up(ways.facts(shape), dataset, ways.SHUFFLE))

    def build() -> None:
        ways.build(ways.rows(shape), built, partitions=shape.parts)

    return {FETCH: lambda: fetch(cluster, enricher), ways.MAP: look_up, ways.SHUFFLE: shuffle, BUILD: build}


def network(folder: Path, sizes: str, nodes: int, rate: float, run: int) -> dict[str, Any]:
    """All ways, with each size, over so many workers."""
    found = []
    with (
        tempfile.TemporaryDirectory(prefix="network-", dir=folder) as name,
        Network(nodes + 1, run=run, rate=rate) as net,
        served(net, folder / "files") as url,
        cluster_on(net, Path(name)) as cluster,
    ):
        tempfile.tempdir = str(Path(name) / "p0")  # where a file at a URL is copied to, by default
        ways.warm(cluster.client)
        for shape in shapes(sizes):
            right = wanted(folder, shape)
            for way, call in jobs(cluster, folder, url, shape, Path(name)).items():
                before, began = net.sent(), time.perf_counter()
                answer = call()
                seconds = time.perf_counter() - began
                sent = [after - earlier for after, earlier in zip(net.sent(), before, strict=True)]
                if way == BUILD:
                    answer = faults.answer_of(str(Path(name) / f"{shape.rows}"), shape)
                found.append({"way": way, "rows": shape.rows, "seconds": seconds, "sent": sent})
                found[-1]["right"] = way == FETCH or answer == right
    return {"runs": found}


def links(folder: Path, sizes: str, case: str, how: str, run: int) -> dict[str, Any]:
    """One job over two workers; in its middle a link is cut, and healed later; or it is slow all the time."""
    shape = shapes(sizes)[-1]
    late = {SLOW: DELAY} if case.endswith("late") else {}
    with (
        tempfile.TemporaryDirectory(prefix="links-", dir=folder) as name,
        Network(3, run=run, late=late) as net,
        cluster_on(net, Path(name)) as cluster,
    ):
        begun = Path(name) / "begun"
        event = Event(shape.parts // 4, str(begun), False)
        path, built = str(folder / f"set-{shape.rows}"), str(Path(name) / "built")

        def call() -> Answer:
            if how == BUILD:
                ways.build(ways.rows(shape, event), built, partitions=shape.parts)
                return faults.answer_of(built, shape)
            frame = ways.checksums(ways.looked_up(ways.facts(shape, event), path, how))
            return data.answer(cluster.client.compute(frame).result(timeout=WITHIN))

        def cut_and_heal() -> None:
            if case in CUT and processes.until(begun.exists, WITHIN):
                net.cut(SLOW)
                time.sleep(CUT[case])
                net.heal(SLOW)

        cutting = threading.Thread(target=cut_and_heal)
        cutting.start()
        sample = faults.judged(call, wanted(folder, shape))
        cutting.join()
        workers = len(cluster.client.scheduler_info(n_workers=-1)["workers"])
    return sample | {"workers_left": workers}


def main(arguments: list[str]) -> None:
    """Print the sample as JSON."""
    what, place, sizes, *rest = arguments
    folder = Path(place)
    if what == "make":
        print(json.dumps(make(folder, sizes)))
    elif what == "network":
        nodes, rate, run = rest
        print(json.dumps(network(folder, sizes, int(nodes), float(rate), int(run))), flush=True)
    else:
        case, how, run = rest
        print(json.dumps(links(folder, sizes, case, how, int(run))), flush=True)
    os._exit(0)  # without waiting for a client that lost its cluster


if __name__ == "__main__":
    processes.end_as_if_interrupted()
    main(sys.argv[1:])
