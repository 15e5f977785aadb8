"""What the verb ``peers`` measures: which workloads, which libraries in each, how often, and for how long at most.

Owns the plan of a full and of a quick run. A workload is a key type, a set of keys and a size; a process measures every
operation of one library at one workload.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from peers import keys, toolchains
from peers import python as peers_python

ITERATED = ("iterate", "delete", "accumulate", "factorize")
OPERATIONS = ("build", "sized", "hit", "miss", "mixed", *ITERATED)
# At 10^7 keys: what the largest size is there for. The others take minutes there and change as they did before.
LARGEST, ITS_OPERATIONS = 10**7, ("build", "sized", "hit", "miss")
# A dict of 10^7 int keys with its lists of queries and answers takes 1.9 GB; twice that must be free.
ITS_MEMORY = 4 * 2**30
# A frozen map of so many keys is built and read beside HMap: with the keys and questions, 12 GB. A process that takes
# so long is not run as often as others.
HUGE, ITS_MEMORY_TOO, HUGE_BLOCKS = 10**8, 14 * 2**30, 3
# Memory comes first here too, for the build that it makes: the first of a process may get pages that are cold to the
# machine, which costs a map in huge pages 90 ms of system time at 10^6 keys, and 5 ms from the second on.
UNKIND_OPERATIONS = ("memory", "build", "hit", "miss")
# Those whose hash of a word is of interest, and the standard to compare with.
UNKIND_LIBRARIES = ("pyhmap", "dict", "cykhash", "pandas", "boost", "abseil")
# Memory is read in whole pages: of smaller tables too coarsely.
MEMORY_FROM = 10**6
# At 10^7 keys these have all blocks: a target is close, or they take seconds. The others have a third of them.
PROMPT = ("pyhmap", "pyhmap frozen", "np.take", "boost", "cykhash", "pandas")
# After so many seconds a process is ended. On an idle machine the slowest honest one takes a tenth of that (a dict,
# 25 s at 10^7); on a busy one it must not be taken for a map gone quadratic.
LIMIT, LIMIT_OF_LARGEST = 120, 360


@dataclass(frozen=True)
class Workload:
    """Keys of one type, from one set, so many of them; measured in so many blocks."""

    kind: str
    size: int
    blocks: int
    key_set: str = "random"

    @property
    def name(self) -> str:
        """How progress and notes call it.

        >>> Workload("float64", 10**6, 3, "floats + 1e9").name
        '1,000,000 float64, floats + 1e9'
        """
        return f"{self.size:,} {self.kind}" + ("" if self.key_set == "random" else f", {self.key_set}")

    @property
    def operations(self) -> tuple[str, ...]:
        """What is measured of it; memory first, in a process that has done nothing else."""
        if self.key_set != "random":
            return UNKIND_OPERATIONS
        chosen = ITS_OPERATIONS if self.size >= LARGEST else OPERATIONS
        return ("memory", *chosen) if self.size >= MEMORY_FROM else chosen

    @property
    def limit(self) -> int:
        """Seconds after which a process is ended."""
        return LIMIT_OF_LARGEST if self.size >= LARGEST else LIMIT

    def blocks_of(self, library: str) -> int:
        """How often a library is measured."""
        return self.blocks if self.size < LARGEST or library in PROMPT else (self.blocks + 2) // 3


@dataclass(frozen=True)
class Plan:
    """The workloads, and how much is measured beside them (see extras.py)."""

    workloads: tuple[Workload, ...]
    scalar_sizes: tuple[int, ...]  # of m[k] in a loop
    thread_sizes: tuple[int, ...]
    frozen_sizes: tuple[int, ...]  # of a frozen map beside HMap and np.take, beyond the workloads
    extra_blocks: int
    inserts: int  # of which the worst is looked for
    memory_buckets: int  # of the map whose memory is read between two growths


def unkind(size: int, blocks: int, *names: str) -> Iterator[Workload]:
    """The workloads of the hard key sets (all, or those named)."""
    for key_set in names or keys.KEY_SETS:
        kind = "float64" if key_set.startswith("floats") else "int64"
        if key_set != "random":
            yield Workload(kind, size, blocks, key_set)


FULL = Plan(
    workloads=(
        Workload("int64", 10**3, 3),
        Workload("int64", 10**4, 6),
        Workload("int64", 10**5, 3),
        Workload("int64", 10**6, 6),
        Workload("int64", 10**7, 6),
        Workload("float64", 10**4, 3),
        Workload("float64", 10**6, 3),
        Workload("str8", 10**6, 2),
        Workload("str17", 10**4, 6),
        Workload("str17", 10**6, 6),
        Workload("str40", 10**6, 2),
        *unkind(10**6, 2),
    ),
    scalar_sizes=(10**3, 10**6),
    thread_sizes=(10**6, 10**7),
    frozen_sizes=(HUGE,),
    extra_blocks=6,
    inserts=10**7,
    memory_buckets=2**17,
)
QUICK = Plan(
    workloads=(
        Workload("int64", 10**4, 1),
        Workload("int64", 10**6, 1),
        Workload("str17", 10**4, 1),
        *unkind(10**6, 1, "dense", "one tophash"),
    ),
    scalar_sizes=(10**3, 10**6),
    thread_sizes=(10**6,),
    frozen_sizes=(10**6,),
    extra_blocks=1,
    inserts=10**5,
    memory_buckets=2**15,
)


def libraries(workload: Workload) -> list[str]:
    """Those that can be measured at a workload, pyhmap first."""
    native = toolchains.NATIVE if workload.kind in ("int64", "float64") else ()
    known = [*(name for name in peers_python.LIBRARIES if peers_python.takes(name, workload.kind)), *native]
    return known if workload.key_set == "random" else [name for name in known if name in UNKIND_LIBRARIES]


def left_out(native: dict[str, str]) -> dict[str, str]:
    """Libraries that are not there and how to get them; ``native`` are those that were not compiled."""
    python = {name: peers_python.missing(name) for name in peers_python.LIBRARIES}
    reasons = {
        name: f"{package} is not installed; pip install 'pyhmap[peers]'" for name, package in python.items() if package
    }
    return reasons | native


# Seconds for a process with a table of no size, and for each operation and million keys of it: measured.
SECONDS = {
    "dict": (1.1, 0.48),
    "numba": (1.8, 0.28),
    "hirola": (0.8, 0.2),
    "pandas": (0.9, 0.1),
    "pyarrow": (0.9, 0.13),
    "boost": (0.1, 0.06),
    "abseil": (0.1, 0.08),
    "Go classic": (0.2, 0.18),
    "Go Swiss": (0.2, 0.18),
    "np.take": (0.2, 0.02),
}
MAKING_QUESTIONS = 0.1  # per process and million keys; text takes twice as long in everything


def seconds(library: str, workload: Workload) -> float:
    """About how long a process takes; the bar and the announcement of the plan depend on it, nothing else."""
    start, each = SECONDS.get(library, (0.5, 0.1))
    millions = workload.size / 1e6
    taken = start + each * len(workload.operations) * millions + MAKING_QUESTIONS * max(1, millions)
    return 2 * taken if workload.kind.startswith("str") else taken
