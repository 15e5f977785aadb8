"""A model of builds and look-ups over nodes: how long they take, by rows, nodes, network, disks and memory.

Owns the model and its arithmetic; nothing is measured here. Each node has cores, a link that sends and receives at a
rate, a disk and memory. A job takes a time of its own, then as long as its slowest resource on its fullest node; what
the nodes compute and what they send does not overlap, so the times are added up:

    seconds = overhead + CPU seconds per row * rows / cores in use
            + bytes through the fullest link / network + bytes through the fullest disk / disk
            + pages that memory does not hold / page reads per second

What each way moves, of N nodes:

    fetch     the file to each node: all of it through each link; and N times through the link of its server, if there
              is only one. Written to the disk of each node, and checked by one core.
    map       nothing but the facts, which are where they are. If the file is larger than the memory that a node has for
              it, a look-up reads a page from the disk with the probability that the page is not in memory.
    shuffle   each fact to the node that has its key: (N - 1)/N of the facts of a node leave it, and as many come. They
              are written to a disk and read again. Each node reads its part of the dataset, once, in order.
    build     each row to the node that has its key, in the same way; then the files are written.
"""

from dataclasses import dataclass
from typing import NamedTuple

FETCH, MAP, SHUFFLE, BUILD = "fetch", "map", "shuffle", "build"
PAGE = 4096  # bytes that a look-up reads if its page is not in memory
WIRE = {SHUFFLE: 24.0, BUILD: 24.0}  # bytes of a row on its way: a key, a value or an amount, a partition; int64 each
TASK = 1e-3  # seconds that Dask's scheduler takes for a task, by its documentation
SPILLED = 2.0  # times that a row which is shuffled goes through the disk: written, and read again
USABLE = 0.7  # of the memory of a node: what a mapped file can have, beside the batches


@dataclass(frozen=True)
class Nodes:
    """Where a job runs. Rates are in bytes per second."""

    number: int
    cores: float  # of each
    network: float  # each way, of each
    memory: float  # bytes of each
    disk: float  # of each, in order
    page_reads: float  # per second, of each, at random places
    all_cores: float = float("inf")  # of all nodes together, where they share a machine
    one_server: bool = False  # what is fetched lies behind one link of this rate, and in no store that has many
    own_files: bool = False  # each node has all files of a dataset on its disk, and needs no network to read its part

    @property
    def cores_in_use(self) -> float:
        """Of all nodes."""
        return min(self.number * self.cores, self.all_cores)


class Cost(NamedTuple):
    """What a way costs: seconds of a job without rows, and CPU seconds per row."""

    overhead: float
    per_row: float


class Prediction(NamedTuple):
    """The seconds of a job, by what takes them."""

    overhead: float
    cpu: float
    network: float
    disk: float
    pages: float

    @property
    def seconds(self) -> float:
        """Of all."""
        return sum(self)


def fitted(runs: list[tuple[float, float]]) -> Cost:
    """The cost that fits to runs on one core: pairs of rows and seconds, of two sizes at least. No part is negative.

    >>> fitted([(100, 3.0), (200, 5.0)])
    Cost(overhead=1.0, per_row=0.02)
    >>> fitted([(100, 2.0), (200, 5.0)])
    Cost(overhead=0.0, per_row=0.024)
    """
    n, x, y = len(runs), sum(rows for rows, _ in runs), sum(seconds for _, seconds in runs)
    xx, xy = sum(rows * rows for rows, _ in runs), sum(rows * seconds for rows, seconds in runs)
    if len({rows for rows, _ in runs}) < 2:
        raise ValueError("a cost needs runs of two sizes at least")
    per_row = (n * xy - x * y) / (n * xx - x * x)
    overhead = (y - per_row * x) / n
    if overhead < 0:
        return Cost(0.0, xy / xx)
    if per_row < 0:
        return Cost(y / n, 0.0)
    return Cost(overhead, per_row)


def predicted(
    way: str,
    nodes: Nodes,
    cost: Cost,
    *,
    facts: float,
    rows: float,
    row_bytes: float,
    skew: float = 0.0,
    tasks: float = 0.0,
) -> Prediction:
    """How long a way takes. ``facts`` are looked up in ``rows`` of so many bytes; ``skew`` is the share of facts with
    one key, which all go to one node when they are shuffled; ``tasks`` is how many the scheduler hands out.

    >>> two = Nodes(2, 1, network=100, memory=1e9, disk=1000, page_reads=100)
    >>> predicted(SHUFFLE, two, Cost(1.0, 0.5), facts=1000, rows=10, row_bytes=20)
    Prediction(overhead=1.0, cpu=250.0, network=61.0, disk=24.1, pages=0.0)
    """
    n, size = nodes.number, rows * row_bytes
    overhead = cost.overhead + TASK * tasks
    if way == FETCH:
        cpu = cost.per_row * rows * n / min(n, nodes.all_cores)
        through = size * (n if nodes.one_server else 1)
        return Prediction(overhead, cpu, through / nodes.network, size / nodes.disk, 0.0)
    if way == MAP:
        cpu = cost.per_row * facts / nodes.cores_in_use
        return Prediction(overhead, cpu, 0.0, 0.0, facts / n * missed(size, nodes) / nodes.page_reads)
    moved = facts if way == SHUFFLE else rows
    fullest = max(1 / n, skew if way == SHUFFLE else 0.0)  # the share of what is shuffled that comes to one node
    cores = nodes.cores_in_use / n / fullest
    read, written = (size / n, 0.0) if way == SHUFFLE else (0.0, size / n)
    sent = moved * WIRE[way] * fullest * (n - 1) / n + (0.0 if nodes.own_files else read)
    stored = SPILLED * moved * WIRE[way] * fullest + read + written
    return Prediction(overhead, cost.per_row * moved / cores, sent / nodes.network, stored / nodes.disk, 0.0)


def missed(size: float, nodes: Nodes) -> float:
    """The share of look-ups whose page is not in memory.

    >>> missed(50.0, Nodes(1, 1, 1, memory=100 / USABLE, disk=1, page_reads=1))
    0.0
    >>> missed(400.0, Nodes(1, 1, 1, memory=100 / USABLE, disk=1, page_reads=1))
    0.75
    """
    return max(0.0, 1 - nodes.memory * USABLE / size) if size else 0.0


def largest(nodes: Nodes, row_bytes: float) -> float:
    """The most rows of which a node holds all in its memory.

    >>> largest(Nodes(1, 1, 1, memory=100 / USABLE, disk=1, page_reads=1), 20)
    5.0
    """
    return nodes.memory * USABLE / row_bytes
