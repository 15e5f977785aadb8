"""The suite over several interpreters: builds and tests the checkout with each, and prints the matrix.

    python tests/pythons.py python3.12 /opt/python3.14/bin/python      `make check` for each
    python tests/pythons.py sid:python3.14 trixie:python3.13           Debian's, each release in a folder of its own
    python tests/pythons.py --whole python3.13                         all tests of the map and the cache
    python tests/pythons.py --lowest python3.13                        beside the lowest NumPy, xxhash that are allowed
    python tests/pythons.py --extras python3.13                        each extra alone: the lowest versions, the newest
    CC=clang python tests/pythons.py --build python3.13                no tests: only the build, and an import

Each interpreter gets a folder of its own below build/pythons/, with a copy of the files that git knows, and an
environment that pip fills. So builds never mix, and nothing in the checkout changes. A warning is an error: of the
compiler, on import, and in the tests. A library of the tests that has no wheel for an interpreter is left out and
named; the tests that need it skip. The exit status is 1 if anything failed.

A Debian release is put in place by `debootstrap`, as root, from the mirror that this machine uses; `bwrap`, of the
package bubblewrap, runs the interpreters in it.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from pip._vendor.packaging.requirements import Requirement
from pip._vendor.packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
HERE = ROOT / "build" / "pythons"
PAGE, RESULTS = ROOT / "docs" / "compatibility.md", ROOT / "tests" / "pythons.json"
COMPILER = os.environ.get("CC", "gcc")
ASKED = "import sys, sysconfig; print(sys.version.split()[0] + 't' * bool(sysconfig.get_config_var('Py_GIL_DISABLED')))"
IMPORTED = "import pyhmap, tophash_cache, numpy, xxhash; print(numpy.__version__, xxhash.VERSION)"
TESTS = ("tests/map", "tests/tophash_cache", "tests/test_structure.py")
FEW = ("tests/map/test_mapping.py", "tests/map/test_batch.py", "tests/map/test_finalisers.py", "tests/tophash_cache")
SHORT = ("--hypothesis-profile=short", "-m", "not slow and not reference")
HEADS = ("Python", "compiler", "NumPy", "xxhash", "form", "passed", "failed", "skipped", "without")


class Failure(Exception):
    """Why an interpreter's turn ended early."""


class Outcome(NamedTuple):
    """A row of the matrix."""

    cells: dict[str, str]
    said: str = ""  #: why it ended early, or which tests failed


class Place:
    """Where an interpreter is: in this system, or in a folder with a system of its own."""

    def __init__(self, interpreter: str) -> None:
        suite, _, name = interpreter.rpartition(":")
        self.prefix = inside(debian(suite, name)) if suite else ()
        self.interpreter = name
        self.version = self.must("no interpreter", name, "-c", ASKED)
        variant = os.environ.get("PYHMAP_BUILD", "")
        self.folder = HERE / "-".join(filter(None, (suite, self.version, "clang" * ("clang" in COMPILER), variant)))
        self.checkout = copied(self.folder)

    def run(self, *command: object, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
        """A command with what it printed."""
        plain = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VENV")}
        plain["CPPFLAGS"] = "-Wall -Werror"  # added to the flags of Python's own build, which CFLAGS would replace
        line = [*self.prefix, *map(str, command)]
        return subprocess.run(line, cwd=cwd, env=plain, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def must(self, what: str, *command: object, cwd: Path = ROOT) -> str:
        """What a command printed that has to succeed."""
        done = self.run(*command, cwd=cwd)
        if done.returncode:
            raise Failure("\n".join([f"{what}: exit status {done.returncode}", *done.stdout.splitlines()[-15:]]))
        return done.stdout.strip()

    def environment(self, name: str) -> Path:
        """The interpreter of a virtual environment of this place, which is made if there is none."""
        python = self.folder / name / "bin" / "python"
        if not python.exists():
            self.must("venv", self.interpreter, "-m", "venv", self.folder / name)
        return python

    def wheel(self, python: Path) -> Path:
        """The checkout as a wheel, built by an environment's interpreter."""
        self.must("build requirements", *pip(python), "--quiet", *project()["build-system"]["requires"])
        dist = self.folder / "dist"
        shutil.rmtree(dist, ignore_errors=True)
        make = (python, "-m", "pip", "wheel", "--verbose", "--no-deps", "--no-build-isolation", "-w", dist, ".")
        done = self.run(*make, cwd=self.checkout)
        (self.folder / "build.log").write_text(done.stdout)
        told = complaints(done.stdout)
        if done.returncode or told:
            raise Failure(
                "\n".join([f"build: exit status {done.returncode}", *(told or done.stdout.splitlines())[-15:]])
            )
        return next(dist.glob("*.whl"))

    def lowest(self, python: Path, lines: Iterable[str]) -> list[str]:
        """For each requirement the lowest version that it allows and that has a wheel for the interpreter."""
        found = []
        for needed in map(Requirement, lines):
            listed = self.must(f"versions of {needed.name}", python, *VERSIONS, needed.name)
            versions = re.search(r"^Available versions: (.*)", listed, flags=re.MULTILINE)[1].split(", ")
            found.append(f"{needed.name}=={min(needed.specifier.filter(versions), key=Version)}")
        return found


VERSIONS = ("-m", "pip", "index", "versions", "--disable-pip-version-check", "--only-binary", ":all:")


def complaints(said: str) -> list[str]:
    """The lines of a build's output that are warnings or errors of a compiler or of Cython. setuptools has its own."""
    return re.findall(r".*(?::\d+: (?:fatal )?(?:warning|error)|warning: \S+\.p[yx][xd]):.*", said)


def pip(python: Path) -> tuple[object, ...]:
    """How an environment installs: xxhash is compiled where it has no wheel; NumPy takes too long."""
    return (python, "-m", "pip", "install", "--disable-pip-version-check", "--prefer-binary", "--only-binary", "numpy")


def project() -> dict:
    """What pyproject.toml says."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def system(*command: object) -> str:
    """What a command of this system printed; it has to succeed."""
    done = subprocess.run(list(map(str, command)), text=True, capture_output=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise Failure("\n".join([f"{command[0]}: exit status {done.returncode}", *done.stderr.splitlines()[-15:]]))
    return done.stdout


def debian(suite: str, python: str) -> Path:
    """The folder of a Debian release, which is made if there is none, with an interpreter and compilers in it."""
    for needed in ("debootstrap", "bwrap"):
        if not shutil.which(needed):
            raise Failure(f"{needed} is not to be had")
    root = HERE / "roots" / suite
    complete = root / "complete"
    if not complete.exists():
        mirrors = system("apt-get", "indextargets", "--format", "$(REPO_URI)", "Label: Debian").split()
        if not mirrors:
            raise Failure("apt knows no mirror of Debian's: run `apt-get update`")
        shutil.rmtree(root, ignore_errors=True)
        root.parent.mkdir(parents=True, exist_ok=True)
        packages = "--include=gcc,libc6-dev,clang,ca-certificates"
        system("debootstrap", "--variant=minbase", packages, suite, root, mirrors[0])
        own = [line for line in system("apt-config", "dump").splitlines() if re.match("Acquire::(https?|Check)", line)]
        (root / "etc/apt/apt.conf.d/99machine").write_text("\n".join([*own, ""]))
        complete.touch()
    if not (root / "usr/bin" / python).exists():
        install = "apt-get update -q && apt-get install -qy --no-install-recommends"
        system("chroot", root, "sh", "-c", f"{install} {python}-venv {python}-dev")
    return root


def inside(root: Path) -> tuple[object, ...]:
    """What runs a command in the folder of a system, with this system's devices, network and configuration of pip."""
    told = system(sys.executable, "-m", "pip", "config", "debug")
    told += " ".join(value for name, value in os.environ.items() if name.startswith("SSL_") or "CA_BUNDLE" in name)
    named = [Path(found) for found in re.findall(r"(?:(?<=file://)|(?<![\w/]))/[\w/.+-]+", told)]
    named = [path.parent if path.name == "simple" else path for path in named]  # an index refers to files beside it
    shared = sorted(path for path in {*named, Path("/etc/resolv.conf"), Path("/etc/hosts")} if path.exists())
    read = [word for path in shared for word in ("--ro-bind", path, path)]
    written = [word for path in ("/tmp", HERE) for word in ("--bind", path, path)]
    return ("bwrap", "--die-with-parent", "--bind", root, "/", "--dev-bind", "/dev", "/dev", "--proc", "/proc",
            *read, *written, "--setenv", "PATH", "/usr/bin:/bin", "--")  # fmt: skip


def copied(folder: Path) -> Path:
    """A copy of the files that git knows, as they are now. What was built in an earlier copy is kept."""
    checkout = folder / "checkout"
    checkout.mkdir(parents=True, exist_ok=True)
    for old in checkout.iterdir():
        if old.is_dir() and old.name != "build":
            shutil.rmtree(old)
    names = system("git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (checkout / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, checkout / name)
    return checkout


def tested(place: Place, options: argparse.Namespace) -> Outcome:
    """Build and test with an interpreter."""
    python = place.environment("venv-lowest" if options.lowest else "venv")
    wheel = place.wheel(python)
    extras = project()["project"]["optional-dependencies"]
    pinned = place.lowest(python, [*project()["project"]["dependencies"]]) if options.lowest else []
    place.must("installation", *pip(python), "--quiet", "--force-reinstall", "--no-deps", wheel)
    place.must("installation", *pip(python), "--quiet", wheel, *pinned)
    missing = []
    if not options.build:
        needed = [line for line in extras["test"] if not line.startswith("pyhmap[")] + extras["dask"] + extras["remote"]
        get = (*pip(python), "--quiet", "--only-binary", ":all:", *pinned)
        if place.run(*get, *needed).returncode:
            missing = [each for each in needed if place.run(*get, each).returncode]
    numpy, xxhash = place.must("import", python, "-P", "-W", "error", "-c", IMPORTED, cwd=place.folder).split()
    cells = {"NumPy": numpy, "xxhash": xxhash}
    if options.build:
        return Outcome(cells)
    command = (
        python.parent / "pytest",
        "-q",
        "-n",
        "logical",
        *(() if options.whole else SHORT),
        *(FEW if options.few else TESTS),
    )
    done = place.run(*command, cwd=place.checkout)
    (place.folder / "tests.log").write_text(done.stdout)
    last = done.stdout.splitlines()[-1:]
    for word in ("passed", "failed", "skipped"):
        count = re.search(rf"(\d+) {word}", "".join(last))
        cells[word] = count[1] if count else "0"
    cells["without"] = ", ".join(missing)
    failed = re.findall(r"^(?:FAILED|ERROR) .*", done.stdout, flags=re.MULTILINE)
    return Outcome(cells, "" if done.returncode == 0 else "\n".join(failed) or done.stdout[-1000:])


def alone(place: Place, options: argparse.Namespace) -> Outcome:
    """Install each extra by itself, and use it: its lowest versions, then the newest."""
    wheel = place.wheel(place.environment("venv"))
    extras = project()["project"]["optional-dependencies"]
    cells = {}
    for extra in ("files", "remote", "dask"):
        for which in ("lowest", "newest"):
            shutil.rmtree(place.folder / "venv-extra", ignore_errors=True)
            python = place.environment("venv-extra")
            pinned = place.lowest(python, extras[extra]) if which == "lowest" else []
            place.must(f"{extra}: {which}", *pip(python), "--quiet", f"{wheel}[{extra}]", *pinned)
            program = place.checkout / "tests" / "extras.py"
            cells[f"{extra}, {which}"] = place.must(f"{extra}: {which}: {pinned}", python, "-P", program, extra)
    return Outcome(cells)


def outcome(interpreter: str, options: argparse.Namespace) -> Outcome:
    """The turn of an interpreter."""
    cells = {"Python": interpreter}
    try:
        place = Place(interpreter)
        compiler = place.must("no compiler", COMPILER, "-dumpfullversion" if COMPILER == "gcc" else "-dumpversion")
        forms = [name for name in ("whole", "few", "build", "extras", "lowest") if getattr(options, name)]
        form = " ".join(forms if forms not in ([], ["lowest"]) else ["short", *forms])
        cells |= {"Python": place.version, "compiler": f"{COMPILER} {compiler}", "form": form}
        found, said = (alone if options.extras else tested)(place, options)
        return Outcome(cells | found, said)
    except Failure as failure:
        return Outcome(cells, str(failure))


def matrix(rows: list[dict[str, str]]) -> str:
    """What was built and tested; then the extras. For a document too."""
    tested = [row for row in rows if row.get("form") != "extras"]
    heads = [head for head in HEADS if any(row.get(head) for row in tested)]
    extras = [
        [row["Python"], name.removesuffix(", lowest"), row[name], row[name.replace("lowest", "newest")]]
        for row in rows
        for name in row
        if name.endswith(", lowest") and name.replace("lowest", "newest") in row
    ]
    tables = []
    if tested:
        tables.append(table([heads, *([row.get(head) or "-" for head in heads] for row in tested)]))
    if extras:
        tables.append(table([["Python", "extra alone", "lowest", "newest"], *extras]))
    return "\n\n".join(tables)


def table(cells: list[list[str]]) -> str:
    """In Markdown; the first row has the heads."""
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in cells]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])


def merged(before: list[dict[str, str]], rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """The rows of earlier runs, with those of this one in place of their like."""

    def of(row: dict[str, str]) -> tuple[object, ...]:
        version, free_threaded = Version(row["Python"].rstrip("t")), row["Python"].endswith("t")
        return version.release[:2], free_threaded, row["compiler"], row["form"]

    found = {of(row): row for row in [*before, *rows]}
    return sorted(found.values(), key=lambda row: (Version(row["Python"].rstrip("t")), row["Python"], row["form"]))


def page(text: str, rows: list[dict[str, str]]) -> str:
    """docs/compatibility.md with these rows."""
    return filled(text, "pythons", matrix(rows))


def filled(text: str, name: str, tables: str) -> str:
    """A document with tables at the place that a comment names."""
    opening, end = f"<!-- {name} -->", f"<!-- {name}: end -->"
    before, after = text[: text.index(opening)], text[text.index(end) :]
    return f"{before}{opening}\n\n{tables}\n\n{after}"


def main() -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pythons", nargs="+", metavar="PYTHON", help="an interpreter: a name, a path, or RELEASE:NAME")
    parser.add_argument(
        "--lowest", action="store_true", help="the lowest versions of NumPy and xxhash that are allowed"
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--whole", action="store_true", help="all tests of the map and the cache")
    what.add_argument("--few", action="store_true", help="some tests of each, with what takes a minute or two")
    what.add_argument("--build", action="store_true", help="build and import, without tests")
    what.add_argument("--extras", action="store_true", help="install each extra alone, and use it")
    parser.add_argument("--write", action="store_true", help="if all is good: into pythons.json, compatibility.md")
    options = parser.parse_args()
    outcomes = []
    for interpreter in options.pythons:
        print(f"{interpreter} ...", file=sys.stderr, flush=True)
        start = time.monotonic()
        outcomes.append(outcome(interpreter, options))
        print(f"{time.monotonic() - start:.0f} s", outcomes[-1].said, file=sys.stderr, flush=True)
    print(matrix([one.cells for one in outcomes]))
    if any(one.said for one in outcomes):
        return 1
    if options.write:
        before = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
        rows = merged(before, [one.cells for one in outcomes])
        RESULTS.write_text(json.dumps(rows, indent=1) + "\n")
        PAGE.write_text(page(PAGE.read_text(), rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
