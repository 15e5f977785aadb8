"""What is in an sdist and in a wheel: `python tests/packaging/contents.py dist/*` names what is wrong in each.

A wheel has the modules, their types and nothing else: no sources in C or Cython, no tests. An sdist has what a wheel is
built from. A module for Linux has no debugging information (its names stay, for profilers).
"""

import sys
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("_hmap_bytes", "pyhmap", "tophash_cache")
INSTALLED = {".py", ".pyi", ".typed"}
CYTHON = {".pyx", ".pxd"}
WRITTEN = "_hmap_bytes/_cyutility"  # the module that Cython writes: what the others share
BESIDE = {"PKG-INFO", "setup.cfg", "pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "CHANGELOG.md", "LICENSE"}


def sources(suffixes: set[str]) -> set[str]:
    """The files of the packages in the checkout."""
    paths = [path for package in PACKAGES for path in (ROOT / package).rglob("*")]
    return {path.relative_to(ROOT).as_posix() for path in paths if f".{path.name.split('.')[-1]}" in suffixes}


def unlike(found: set[str], expected: set[str]) -> list[str]:
    """What there is too much, and too little."""
    return [f"has {name}" for name in sorted(found - expected)] + [f"lacks {n}" for n in sorted(expected - found)]


def faults_of_sdist(path: Path) -> list[str]:
    """What is wrong in an sdist."""
    with tarfile.open(path) as archive:
        names = {member.name.partition("/")[2] for member in archive if member.isfile()}
    return unlike({name for name in names if ".egg-info/" not in name}, sources(INSTALLED | CYTHON) | BESIDE)


def faults_of_wheel(path: Path) -> list[str]:
    """What is wrong in a wheel."""
    with zipfile.ZipFile(path) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name and not name.endswith("/")}
        modules = {name for name in names if name.endswith((".so", ".pyd"))}
        with_lines = [name for name in sorted(modules) if b"\0.debug_info\0" in archive.read(name)]
    faults = unlike(names - modules, sources(INSTALLED))
    expected = {name.removesuffix(".pyx") for name in sources({".pyx"})} | {WRITTEN}
    faults += unlike({name.partition(".")[0] for name in modules}, expected)
    return faults + [f"has debugging information in {name}" for name in with_lines]


def faults(path: Path) -> list[str]:
    """What is wrong in a distribution."""
    return faults_of_wheel(path) if path.suffix == ".whl" else faults_of_sdist(path)


if __name__ == "__main__":
    found = {name: faults(Path(name)) for name in sys.argv[1:]}
    for name, wrong in found.items():
        print(f"{name}: {'; '.join(wrong) or 'as it should be'}")
    sys.exit(1 if any(found.values()) or not found else 0)
