"""The suite over several interpreters: builds and tests the checkout with each, and prints the matrix.

    python tests/pythons.py python3.12 /opt/python3.14/bin/python      `make check` for each
    python tests/pythons.py --whole python3.13                         all tests of the map and the cache

Each interpreter gets a folder of its own below build/pythons/, with a copy of the files that git knows, and an
environment that pip fills. So builds never mix, and nothing in the checkout changes. A library of the tests that has no
wheel for an interpreter is left out and named; the tests that need it skip. The exit status is 1 if anything failed.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
HERE = ROOT / "build" / "pythons"
ASKED = "import sys, sysconfig; print(sys.version.split()[0] + 't' * bool(sysconfig.get_config_var('Py_GIL_DISABLED')))"
IMPORTED = "import pyhmap, tophash_cache, numpy, xxhash; print(numpy.__version__, xxhash.VERSION)"
TESTS = ("tests/map", "tests/tophash_cache", "tests/test_structure.py")
SHORT = ("--hypothesis-profile=short", "-m", "not slow and not reference")
HEADS = ("Python", "NumPy", "xxhash", "compiler warnings", "passed", "failed", "skipped", "without")


class Outcome(NamedTuple):
    """A row of the matrix."""

    python: str
    cells: tuple[str, ...] = ()
    said: str = ""  #: why it ended early, or which tests failed

    @property
    def is_good(self) -> bool:
        """Whether all of it was run and nothing failed."""
        return not self.said


def run(*command: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """A command with what it printed."""
    plain = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYHMAP_BUILD", "VENV")}
    return subprocess.run(list(map(str, command)), cwd=cwd, env=plain, text=True, capture_output=True)


def failure(what: str, done: subprocess.CompletedProcess[str]) -> str:
    """What a command printed last."""
    lines = (done.stderr.strip() or done.stdout.strip()).splitlines()[-15:]
    return "\n".join([f"{what}: exit status {done.returncode}", *lines])


def copied(folder: Path) -> Path:
    """A copy of the files that git knows, as they are now. What was built in an earlier copy is kept."""
    checkout = folder / "checkout"
    checkout.mkdir(parents=True, exist_ok=True)
    for old in checkout.iterdir():
        if old.is_dir() and old.name != "build":
            shutil.rmtree(old)
    names = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT).stdout.split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (checkout / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, checkout / name)
    return checkout


def requirements() -> tuple[list[str], list[str]]:
    """What a build needs, and what the tests do."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    needed = [line for line in extras["test"] if not line.startswith("pyhmap[")] + extras["dask"] + extras["remote"]
    return project["build-system"]["requires"], needed


def outcome(interpreter: str, whole: bool) -> Outcome:
    """Build and test with an interpreter."""
    asked = run(interpreter, "-c", ASKED, cwd=ROOT)
    if asked.returncode:
        return Outcome(interpreter, said=failure("no interpreter", asked))
    version = asked.stdout.strip()
    folder = HERE / version
    checkout, bin = copied(folder), folder / "venv" / "bin"
    if not bin.exists():
        made = run(interpreter, "-m", "venv", folder / "venv", cwd=folder)
        if made.returncode:
            return Outcome(version, said=failure("venv", made))
    pip = (bin / "python", "-m", "pip", "install", "--disable-pip-version-check")
    build, needed = requirements()
    tools = run(*pip, "--quiet", *build, cwd=checkout)
    if tools.returncode:
        return Outcome(version, said=failure("build requirements", tools))
    built = run(*pip, "--verbose", "--no-build-isolation", ".", cwd=checkout)
    if built.returncode:
        return Outcome(version, said=failure("build", built))
    warned = len(re.findall(r"\bwarning: ", built.stdout + built.stderr))
    missing = []
    if run(*pip, "--quiet", "--only-binary", ":all:", *needed, cwd=checkout).returncode:
        missing = [each for each in needed if run(*pip, "-q", "--only-binary", ":all:", each, cwd=checkout).returncode]
    imported = run(bin / "python", "-P", "-W", "error", "-c", IMPORTED, cwd=checkout)
    if imported.returncode:
        return Outcome(version, said=failure("import, with warnings as errors", imported))
    tested = run(bin / "pytest", "-q", "-n", "logical", *(() if whole else SHORT), *TESTS, cwd=checkout)
    (folder / "tests.log").write_text(tested.stdout + tested.stderr)
    counts = [re.search(rf"(\d+) {word}", tested.stdout) for word in ("passed", "failed", "skipped")]
    failed = re.findall(r"^(?:FAILED|ERROR) .*", tested.stdout, flags=re.MULTILINE)
    said = "" if tested.returncode == 0 else "\n".join(failed) or failure("tests", tested)
    cells = *imported.stdout.split(), str(warned), *(one[1] if one else "0" for one in counts)
    return Outcome(version, (*cells, ", ".join(missing) or "-"), said)


def table(outcomes: list[Outcome]) -> str:
    """The matrix, for a document too."""
    rows = [HEADS, *((one.python, *(one.cells or ("-",) * (len(HEADS) - 1))) for one in outcomes)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])


def main() -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pythons", nargs="+", metavar="PYTHON", help="an interpreter: a name or a path")
    parser.add_argument("--whole", action="store_true", help="all tests of the map and the cache")
    options = parser.parse_args()
    outcomes = []
    for interpreter in options.pythons:
        print(f"{interpreter} ...", file=sys.stderr, flush=True)
        outcomes.append(outcome(interpreter, options.whole))
        if outcomes[-1].said:
            print(f"{outcomes[-1].python}: {outcomes[-1].said}", file=sys.stderr, flush=True)
    print(table(outcomes))
    return 0 if all(one.is_good for one in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
