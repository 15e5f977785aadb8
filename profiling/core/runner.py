"""Runs measuring processes one after the other, shows the progress, and keeps what was measured.

Owns processes, their order, the progress display, and how a run ends: printed, written, drawn.
"""

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from core import records
from core.environment import HARNESS
from render import terminal

Sample = dict[str, Any]
# What prints a result document, and what names its pictures (see ``render.style.Drawings``).
Show = Callable[[Console, dict[str, Any]], None]
Draw = Callable[[dict[str, Any]], dict[str, Callable[[], Any]]]
INTERRUPTED = "interrupted"


class MeasurementError(Exception):
    """A measuring process failed, or the arms do not agree; the message says which and why."""


class ToolUnavailableError(Exception):
    """A profiler is missing or not permitted; the message says how to get it."""


@dataclass(frozen=True)
class Step:
    """One measurement: its group and label, about how many seconds it takes (for the bar), and the call itself."""

    group: str
    label: str
    seconds: float
    measure: Callable[[], Sample]


def worker_command(module: str, *arguments: object) -> list[str]:
    """The command of a measuring process: a module of the harness, as ``table.worker``, run as a program."""
    return [sys.executable, str(HARNESS / "worker.py"), module, *map(str, arguments)]


def worker_environment(hash_seed: int) -> dict[str, str]:
    """The environment of a measuring process: Python's hash of ``str`` fixed, no thread that the script did not start.

    OpenBLAS, which comes with NumPy, starts a thread for each further core, and these spin for a while before they
    sleep. The CPU time of a process includes them, and can double that of its first measurement.
    """
    return os.environ | {"PYTHONHASHSEED": str(hash_seed), "OPENBLAS_NUM_THREADS": "1"}


def run_json(command: list[str], *, text: str = "", hash_seed: int = 0) -> dict[str, Any]:
    """Run a command in a fresh process and return the JSON object on the last line it prints.

    ``hash_seed`` fixes Python's own hash of ``str``: equal within a pair of samples, varied between pairs.
    Raises ``MeasurementError`` with the last line of its complaint when it fails.
    """
    environment = worker_environment(hash_seed)
    done = subprocess.run(command, input=text, capture_output=True, text=True, encoding="utf-8", env=environment)
    lines = done.stdout.strip().splitlines()
    # The object is looked for among the lines, since a profiler may print its own after it.
    found = [line for line in lines if line.startswith("{")]
    if done.returncode or not found:
        complaint = (done.stderr.strip() or done.stdout.strip() or f"exit status {done.returncode}").splitlines()[-1]
        raise MeasurementError(f"{Path(command[0]).name}: {complaint}")
    return json.loads(found[-1])


def interleave(names: Iterable[str], blocks: int) -> list[tuple[int, str]]:
    """``(block, name)`` for each name once in every block, in an order that is shuffled (repeatably) for each.

    >>> sorted(interleave(["a", "b"], 2))
    [(0, 'a'), (0, 'b'), (1, 'a'), (1, 'b')]
    """
    order: list[tuple[int, str]] = []
    named = sorted(names)
    for block in range(blocks):
        shuffled = named.copy()
        random.Random(block).shuffle(shuffled)
        order += [(block, name) for name in shuffled]
    return order


def run_steps(steps: list[Step]) -> tuple[list[Sample], str]:
    """Run the steps in order; return their samples, and why the run ended early (empty when it did not).

    Ctrl-C and a failed measurement end the run with the samples so far. A tool that is unavailable gives a sample
    with the key ``unavailable``, and its other steps are passed over: they would fail the same way.
    """
    samples: list[Sample] = []
    unavailable: set[str] = set()
    console = terminal.progress_console()
    columns = [TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn()]
    live = console.is_terminal
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True, disable=not live) as progress:
        bar = progress.add_task("", total=sum(step.seconds for step in steps))
        group = None
        try:
            for step in steps:
                if step.group != group and not live:
                    console.print(f"{step.group} ...")
                group = step.group
                progress.update(bar, description=f"{step.group}: {step.label}")
                if step.group not in unavailable:
                    try:
                        samples.append(step.measure())
                    except ToolUnavailableError as error:
                        unavailable.add(step.group)
                        samples.append({"measure": step.group, "unavailable": str(error)})
                progress.advance(bar, step.seconds)
        except KeyboardInterrupt:
            return samples, INTERRUPTED
        except MeasurementError as error:
            return samples, str(error)
    return samples, ""


def conclude(document: dict[str, Any], out: Path, show: Show, draw: Draw | None = None) -> None:
    """Print a whole result, write its file, draw its pictures, and say where they are."""
    console = terminal.output_console()
    show(console, document)
    written = [records.write(document, out)]
    if draw is not None:
        from render import style  # matplotlib takes a while to import, and most verbs draw nothing

        written += style.save_all(document["verb"], draw(document), out)
    for path in written:
        console.print(f"Written: {path}", markup=False, soft_wrap=True)
