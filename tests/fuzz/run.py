"""Runs the targets, by an interpreter whose environment has the `sanitize` build and Atheris: `make fuzz` does.

    python tests/fuzz/run.py [--seconds 300] [target ...]         fuzz each in turn
    python tests/fuzz/run.py --input build/fuzz/... target        run one input again, such as one that failed
    python tests/fuzz/run.py --merge [target ...]                 add to tests/fuzz/corpus/ what found new code

A run begins with the committed inputs and with those of earlier runs, which build/fuzz/corpus/ keeps. The log and an
input that failed go to build/fuzz/. The committed inputs are in one file for each target, one in a line.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

HERE = Path(__file__).resolve().parent
OUT = HERE.parents[1] / "build" / "fuzz"
# By target, the longest input in bytes. Long ones take long, and most of their operations repeat others.
TARGETS = {
    "operations": 96, "sets": 96, "arrow": 128, "pickles": 1024, "states": 128, "freezing": 128, "files": 128,
}  # fmt: skip
ASAN = {
    "detect_leaks": 0,  # CPython and NumPy keep memory to the end; `make asan` looks for leaks of ours
    "allocator_may_return_null": 1,  # a length that is damaged is a MemoryError
    "max_allocation_size_mb": 512,
    "detect_stack_use_after_return": 0,  # slow, and no address of a local variable leaves its function
}
# Frames that are kept of each allocation. With more, the interpreter's recursion makes so many different stacks that
# looking them up takes most of the time, and ever more of it. An input that is run alone has them all.
FRAMES, ALL_FRAMES = 4, 30
LIBFUZZER = (
    "-detect_leaks=0", "-print_funcs=0", "-print_final_stats=1", "-rss_limit_mb=4096", "-timeout=60",
    "-len_control=10",  # inputs grow soon
    "-entropic=0",  # its bookkeeping takes most of the time where an input covers ten thousand features
)  # fmt: skip


def environment(frames: int = FRAMES) -> dict[str, str]:
    """The runtime of the sanitizers, with libFuzzer in it, comes before the interpreter."""
    return os.environ | {
        "LD_PRELOAD": f"{sysconfig.get_path('platlib')}/asan_with_fuzzer.so",
        "ASAN_OPTIONS": ":".join(f"{name}={value}" for name, value in (ASAN | {"malloc_context_size": frames}).items()),
        "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
        "PYTHONMALLOC": "malloc",  # so that the objects of Python are watched too
        "PYTHONHASHSEED": "0",  # an input does the same in every run
        "PYTHONPATH": str(HERE.parent),
    }


def command(target: str, *arguments: object) -> list[str]:
    return [sys.executable, str(HERE / f"{target}.py"), *LIBFUZZER, f"-max_len={TARGETS[target]}", *map(str, arguments)]


def committed(target: str) -> Path:
    """A folder of the committed inputs, as libFuzzer wants them."""
    folder = OUT / "committed" / target
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for line in (HERE / "corpus" / f"{target}.txt").read_text().split():
        data = bytes.fromhex(line)
        (folder / hashlib.sha1(data, usedforsecurity=False).hexdigest()).write_bytes(data)
    return folder


def fuzz(target: str, seconds: int, seed: int) -> bool:
    """Whether a target found nothing. Prints one line, and what it found."""
    found, log = OUT / "corpus" / target, OUT / f"{target}.log"
    found.mkdir(parents=True, exist_ok=True)
    corpora = [found, committed(target)]
    limits = (f"-max_total_time={seconds}", f"-seed={seed}", f"-artifact_prefix={OUT}/{target}-")
    with log.open("w") as output:
        done = subprocess.run(
            command(target, *limits, *corpora), env=environment(), stdout=output, stderr=subprocess.STDOUT
        )
    lines = log.read_text(errors="replace").splitlines()
    covered = re.findall(r"cov: (\d+)", "\n".join(lines))[-1:]
    counts = dict(re.findall(r"stat::(\w+):\s+(\d+)", "\n".join(lines)))
    print(
        f"{target}: {counts.get('number_of_executed_units', '?')} inputs, {counts.get('average_exec_per_sec', '?')} "
        f"a second, {''.join(covered) or '?'} edges, {'nothing found' if done.returncode == 0 else 'FAILED'}",
        flush=True,
    )
    if done.returncode:
        begin = next((i for i, line in enumerate(lines) if re.search(r"Uncaught|ERROR: |runtime error", line)), -40)
        print(*lines[begin:][:40], f"... and more in {log}", *lines[-8:], sep="\n", flush=True)
    return done.returncode == 0


def merge(target: str) -> None:
    folder = committed(target)
    # By the edges alone, not by how often each was taken: a few inputs for each, of thousands.
    subprocess.run(
        command(target, "-merge=1", "-use_counters=0", folder, OUT / "corpus" / target), env=environment(), check=True
    )
    inputs = sorted((path.read_bytes() for path in folder.iterdir()), key=lambda data: (len(data), data))
    (HERE / "corpus" / f"{target}.txt").write_text("".join(f"{data.hex()}\n" for data in inputs))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", metavar="target", help=f"of {', '.join(TARGETS)}; all without one")
    parser.add_argument("--seconds", type=int, default=300, help="for each target")
    parser.add_argument("--seed", type=int, default=0, help="the same one goes the same way from the same inputs")
    parser.add_argument("--input", type=Path, help="run one input and nothing else")
    parser.add_argument("--merge", action="store_true", help="add inputs to the committed ones")
    options = parser.parse_args()
    targets = options.targets or list(TARGETS)
    if unknown := set(targets) - set(TARGETS):
        parser.error(f"no target {', '.join(unknown)}: choose of {', '.join(TARGETS)}")
    if options.input:
        sys.exit(subprocess.run(command(targets[0], options.input), env=environment(ALL_FRAMES)).returncode)
    elif options.merge:
        for target in targets:
            merge(target)
    else:
        passed = [fuzz(target, options.seconds, options.seed) for target in targets]
        sys.exit(not all(passed))


if __name__ == "__main__":
    main()
