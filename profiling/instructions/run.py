"""The verb ``instructions``: does any operation execute more machine instructions than was recorded?

Owns the counting by callgrind, the comparison with the committed record, and its table. Instructions are not time: a
read that misses the processor's cache counts the same as one that hits. But counts repeat where times differ by 10 %,
so a slow-down of a few per cent shows, whatever else the machine is doing.
"""

import json
import platform
import re
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.markup import escape

import pyhmap
from core import environment, records, runner
from render import terminal

RECORD = records.COMMITTED / "instructions.json"
RECORD_AGAIN = "make instructions OUT=profiling/results"
HOW_TO_GET = "valgrind is missing, which counts the instructions: apt-get install valgrind"
# Three instructions per key in the shortest kernel. Runs of one build differ by less than a tenth of it: see `spread`
# in the record.
LIMIT = 0.03
RUNS = 3  # of a record; a check is one
# Instructions per operation: of the project's extension modules, and of all that the operation runs, Python included.
# Each is held to the limit. A slower kernel would be lost among all that CPython does for one key; what our code has
# others do for it, such as making objects, is not seen in its own.
KINDS = ("own", "all")
MARK = "getppid"  # a function of the C library that nothing calls but instructions/worker.py
OWN = re.compile(r"/(pyhmap(/_\w+)?|tophash_cache|_hmap_bytes)/_?\w+[^/]*\.so$")
SETTINGS = (
    # The C library chooses memset and memcpy by the processor; without these it is SSE2 everywhere.
    "GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX2,-AVX_Fast_Unaligned_Load,-ERMS,-FSRM",
    # Python's own allocator takes and gives back a pool at every object when one lies on the edge of it, which hangs on
    # the length of the environment: xxh64() took 586 or 604 instructions. The C library's has no such edge.
    "PYTHONMALLOC=malloc",
    "OPENBLAS_NUM_THREADS=1",  # threads at the import of NumPy: not used, and slow to start under valgrind
)
CALLGRIND = ("valgrind", "-q", "--tool=callgrind", "--combine-dumps=yes", "--dump-line=no", f"--dump-before={MARK}")

Counts = dict[str, dict[str, float]]  # case -> kind -> instructions per operation


def run(*, quick: bool, out: Path) -> str:
    """Count, compare with the record, print and write ``instructions.json``; the same with ``--quick``.

    With the folder of the record as ``out`` the counts become the record. Returns why the run failed, else nothing.
    """
    if not shutil.which("valgrind"):
        return HOW_TO_GET
    records.prepare(out)
    document = records.begin(
        "instructions",
        quick=quick,
        workload={"cases": "see profiling/instructions/worker.py"},
        config={"limit": LIMIT, "command": CALLGRIND},
    )
    recording = (out / RECORD.name).resolve() == RECORD
    step = runner.Step("instructions", "callgrind", 30, count)
    samples, ended_by = runner.run_steps([step] * (RUNS if recording else 1))
    if ended_by:
        return ended_by
    figures = medians(samples)
    recorded = json.loads(RECORD.read_text()) if RECORD.exists() else {"toolchain": {}, "figures": {}}
    document |= {"toolchain": toolchain(), "ended_by": "", "samples": samples, "spread": spread(samples)}
    console = terminal.output_console()
    show(console, recorded["figures"], figures)
    if recording:
        console.print(f"The {RUNS} runs of this record differ by {document['spread']:.2%} at most.", markup=False)
    console.print(f"Figures: {records.write(document | {'figures': figures}, out)}", markup=False, soft_wrap=True)
    if recording:
        return ""
    if differing := differences(recorded["toolchain"], document["toolchain"]):
        console.print(f"NOT COMPARED, since counts depend on the tools: {differing}", markup=False, soft_wrap=True)
        return ""
    if any(verdict(recorded["figures"].get(name), now) == "fewer" for name, now in figures.items()):
        console.print(f"Fewer than recorded: `{RECORD_AGAIN}` keeps what was gained.", markup=False, soft_wrap=True)
    return complaint(recorded["figures"], figures)


def medians(samples: list[Counts]) -> Counts:
    """The figures of a result: the median of the runs for each case and kind."""
    return {name: {kind: median(run[name][kind] for run in samples) for kind in KINDS} for name in samples[0]}


def count() -> runner.Sample:
    """Run the cases under callgrind, some 30 seconds; instructions per operation of each."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "callgrind"
        worker = runner.worker_command("instructions.worker")
        operations = runner.run_json(["env", *SETTINGS, *CALLGRIND, f"--callgrind-out-file={file}", *worker])
        parts = read_parts(file.read_text().splitlines())
    if len(parts) != 2 * len(operations) + 1:
        raise runner.MeasurementError(f"callgrind saw {len(parts) - 1} marks for {len(operations)} cases")
    # Between the parts of the cases are those of what was built for them.
    pairs = zip(operations.items(), parts[1::2], strict=True)
    return {name: {kind: round(part[kind] / n, 2) for kind in KINDS} for (name, n), part in pairs}


def read_parts(lines: Iterable[str]) -> list[dict[str, int]]:
    """The sums, by kind, of each part of a file of callgrind.

    Source of the format: "Callgrind Format Specification" in Valgrind's manual. ``ob=(1) path`` names the object file
    that the lines after it belong to, ``ob=(1)`` names it again; a line of two numbers is a cost, and the one after
    ``calls=`` is no cost of its own.

    >>> part = "part: 1", "summary: 7", "ob=(1) /x/pyhmap/_core.so", "0 5", "calls=1 0", "0 2", "ob=(2) libc", "0 2"
    >>> read_parts(part)
    [{'own': 5, 'all': 7}]
    """
    parts: list[dict[str, int]] = []
    expected, own = [], {"": False}
    object_file, of_a_call = "", False
    for line in lines:
        if line.startswith("part: "):
            parts.append(dict.fromkeys(KINDS, 0))
        elif line.startswith("summary: "):
            expected.append(int(line.split()[1]))
        elif line.startswith(("ob=", "cob=")):
            number, _, path = line.partition("=")[2].partition(" ")
            if path:
                own[number] = bool(OWN.search(path))
            if line.startswith("ob="):
                object_file = number
        elif line.startswith("calls="):
            of_a_call = True
        elif line[:1] in "+-*0123456789" and line:
            if not of_a_call:
                cost = int(line.split()[1])
                parts[-1]["all"] += cost
                parts[-1]["own"] += cost * own[object_file]
            of_a_call = False
    if [part["all"] for part in parts] != expected:
        raise runner.MeasurementError("the sums in callgrind's file are not those it states: read_parts() misread it")
    return parts


def spread(samples: list[Counts]) -> float:
    """By how much, as a fraction, the counts of one case differ between runs, in the worst case.

    >>> spread([{"a": {"own": 50, "all": 100}}, {"a": {"own": 50, "all": 101}}])
    0.01
    """
    counts = [[run[name][kind] for run in samples] for name in samples[0] for kind in KINDS]
    return round(max(max(runs) / min(runs) - 1 for runs in counts), 6)


def toolchain() -> dict[str, str]:
    """What the counts depend on besides the code, each as exactly as it matters."""
    extension = Path(pyhmap._core.__file__).read_bytes()
    compiler = re.search(rb"(GCC|clang)[^\0]*? (\d+\.\d+)", extension)  # each compiler leaves its name in what it makes
    return {
        "architecture": platform.machine(),
        "compiler": b" ".join(compiler.groups()).decode() if compiler else "unknown",
        "Cython": two_numbers(environment.version("Cython") or "not installed"),
        "Python": f"{two_numbers(platform.python_version())} made by {platform.python_compiler()}",
        "NumPy": (environment.version("numpy") or "").split(".")[0],
        "C library": " ".join(platform.libc_ver()),
    }


def two_numbers(version: str) -> str:
    """Major and minor version.

    >>> two_numbers("3.11.7")
    '3.11'
    """
    return ".".join(version.split(".")[:2])


def differences(recorded: dict[str, str], now: dict[str, str]) -> str:
    """Which tools are others than recorded, in words; empty when none is.

    >>> differences({"NumPy": "2", "Python": "3.11"}, {"NumPy": "2", "Python": "3.12"})
    'Python 3.11 recorded, 3.12 here'
    """
    names = [name for name in now if name in recorded and recorded[name] != now[name]]
    return "; ".join(f"{name} {recorded[name]} recorded, {now[name]} here" for name in names)


def complaint(recorded: Counts, counted: Counts) -> str:
    """What fails the check, in a sentence that names the cases; empty when nothing does.

    >>> complaint({"a": {"own": 50, "all": 100}}, {"a": {"own": 52, "all": 102}})
    'more than 3 % more instructions than recorded: a'
    """
    if recorded.keys() != counted.keys():
        names = ", ".join(sorted(recorded.keys() ^ counted.keys()))
        return f"not both recorded and counted: {names}; record again with `{RECORD_AGAIN}`"
    names = "; ".join(name for name in counted if verdict(recorded[name], counted[name]) == "MORE")
    return names and f"more than {LIMIT:.0%} more instructions than recorded: {names}".replace("%", " %")


def verdict(recorded: dict[str, float] | None, counted: dict[str, float]) -> str:
    """``MORE`` when a kind rose beyond the limit, ``fewer`` when one fell and none rose; ``new``; or nothing."""
    if recorded is None:
        return "new"
    changes = [counted[kind] / recorded[kind] - 1 for kind in KINDS]
    return "MORE" if max(changes) > LIMIT else "fewer" if min(changes) < -LIMIT else ""


def show(console: Console, recorded: Counts, counted: Counts) -> None:
    """Print the table."""
    title = "Instructions per operation: of the project's own code, and all"
    columns = ("case", "own: recorded", "now", "%", "all: recorded", "now", "%", "")
    table = terminal.plain_table(title, *columns, words=("case", ""))
    table.columns[0].no_wrap = True
    for name, now in counted.items():
        before, cells = recorded.get(name), []
        for kind in KINDS:
            change = terminal.signed(now[kind] / before[kind] - 1) if before else "-"
            cells += [f"{before[kind]:.1f}" if before else "-", f"{now[kind]:.1f}", change]
        said = verdict(before, now)
        table.add_row(escape(name), *cells, said, style={"MORE": "red", "fewer": "green"}.get(said))
    console.print(table)


def show_recorded(console: Console, document: dict[str, Any]) -> None:
    """Print the counts of one result, with nothing to compare them with."""
    title = "Instructions per operation: of the project's own code, and all"
    table = terminal.plain_table(title, "case", *KINDS, words=("case",))
    for name, counts in document["figures"].items():
        table.add_row(escape(name), *(f"{counts[kind]:,.1f}" for kind in KINDS))
    console.print(table)
