"""Prints, for each Cython source, the lines that ran in no test: python tests/cython_coverage.py build/coverage

gcov counts lines of the C that Cython wrote. In it, a comment before each statement names the line of the .pyx or .pxd
that it comes from. A line of Cython counts as run if any C line of it ran, in any extension: kernels are compiled into
several.
"""

import functools
import json
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

PACKAGES = ("_hmap_bytes", "pyhmap", "tophash_cache")
MARK = re.compile(r'^\s*/\* "([\w/]+\.(?:pyx|pxd))":(\d+)$')


@functools.cache
def full_path(name: str) -> str:
    """Of a fused function, Cython gives the name of the file without its folder."""
    if "/" in name:
        return name
    (path,) = [path for package in PACKAGES for path in Path(package).rglob(name)]
    return path.as_posix()


def origins(source: Path) -> list[tuple[str, int] | None]:
    """For each line of a C file, the line of Cython it comes from; none for what Cython adds between functions."""
    found, current = [], None
    for line in source.read_text().splitlines():
        if mark := MARK.match(line):
            current = full_path(mark[1]), int(mark[2])
        found.append(current)
        if line.startswith("}"):  # the end of a function
            current = None
    return found


def counts(folder: Path) -> dict[str, dict[int, int]]:
    """How often each line of each Cython source ran."""
    total: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for notes in sorted(folder.rglob("*.gcno")):  # where no test has loaded the extension there is no .gcda
        command = ["gcov", "--json-format", "--stdout", str(notes)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        for text in done.stdout.splitlines():
            for file in json.loads(text)["files"]:
                if not file["file"].endswith(".c"):
                    continue
                lines = origins(Path(file["file"]))
                for line in file["lines"]:
                    if origin := lines[line["line_number"] - 1]:
                        total[origin[0]][origin[1]] += line["count"]
    return total


def ranges(numbers: list[int], known: list[int]) -> str:
    """The numbers as coverage.py prints them: a run of lines with code is one range."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and known.index(number) == known.index(runs[-1][-1]) + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def main(folder: str) -> None:
    found = counts(Path(folder))
    if not found:
        raise SystemExit(f"{folder} has no gcov data: run `make coverage`")
    print(f"{'Cython':42} {'Lines':>6} {'Missed':>6} {'Run':>6}  Missing")
    whole = missed = 0
    for name, lines in sorted(found.items()):
        known = sorted(lines)
        missing = [number for number in known if lines[number] == 0]
        whole, missed = whole + len(known), missed + len(missing)
        if missing:
            share = f"{1 - len(missing) / len(known):.0%}"
            print(f"{name:42} {len(known):6} {len(missing):6} {share:>6}  {ranges(missing, known)}")
    print(f"{'TOTAL':42} {whole:6} {missed:6} {1 - missed / whole:6.0%}")


if __name__ == "__main__":
    main(*sys.argv[1:])
