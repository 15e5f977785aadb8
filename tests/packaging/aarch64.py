"""Builds the extensions for 64-bit ARM by a cross compiler, and runs tests of the map there, under qemu's user mode.

    python tests/packaging/aarch64.py                             tests of the table, of texts, files and hashes
    python tests/packaging/aarch64.py tests/map/test_growth.py    some tests (any arguments of pytest)

As root, on Debian with debootstrap, gcc-aarch64-linux-gnu and qemu-user-static. The interpreter must be a release that
Debian has, for its ARM packages are unpacked into build/aarch64/, and pip puts ARM wheels beside them. Says at the end
what passed. Programs that the tests start would have to be emulated too, so tests that start Python fail here.
"""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = ROOT / "build" / "aarch64"
SYSTEM, SITE, CHECKOUT = HERE / "system", HERE / "site-packages", HERE / "checkout"
TRIPLE = "aarch64-linux-gnu"
NEEDED = {"debootstrap": "debootstrap", "qemu-aarch64-static": "qemu-user-static", f"{TRIPLE}-gcc": f"gcc-{TRIPLE}"}
PYTHON = f"python{sys.version_info[0]}.{sys.version_info[1]}"
DEBIAN = {"python3.11": "bookworm", "python3.13": "trixie"}
INCLUDED = [PYTHON, f"lib{PYTHON}-dev", "libc6-dev", "libstdc++6", "zlib1g"]
# Of a wheel's tests, those that the emulator is through with in minutes.
TESTS = [
    f"tests/{name}.py"
    for name in (
        "map/test_arena",
        "map/test_evacuation",
        "map/test_file_golden",
        "map/test_frozen_build",
        "map/test_growth",
        "map/test_other_systems",
        "map/test_pickle_golden",
        "map/test_rekeying",
        "map/test_shrinking",
        "map/test_top",
        "tophash_cache/test_xxh64",
    )
]
SHORT = ["-q", "-p", "no:cacheprovider", "--hypothesis-profile=short", "-m", "not slow and not reference"]


def run(*command: object, **variables: object) -> None:
    """A command in the copy of the checkout."""
    plain = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYHMAP_BUILD")}
    environment = plain | {name: str(value) for name, value in variables.items()}
    subprocess.run(list(map(str, command)), cwd=CHECKOUT, env=environment, check=True)


def unpack_system() -> None:
    """Python for ARM, with its headers. The packages are unpacked, not set up: no program of theirs has to run."""
    if (SYSTEM / "usr" / "bin" / PYTHON).exists():
        return
    included = f"--include={','.join(INCLUDED)}"
    run("debootstrap", "--foreign", "--arch=arm64", "--variant=minbase", included, DEBIAN[PYTHON], SYSTEM)
    for package in sorted((SYSTEM / "var" / "cache" / "apt" / "archives").glob("*.deb")):
        run("dpkg", "-x", package, SYSTEM)


def install_wheels() -> None:
    """NumPy and what else the tests import."""
    if SITE.exists():
        return
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    needed = [*project["project"]["dependencies"], *project["tool"]["cibuildwheel"]["test-requires"]]
    platforms = [f"--platform={name}_aarch64" for name in ("manylinux_2_28", "manylinux_2_27", "manylinux2014")]
    wanted = ("--only-binary", ":all:", "--implementation", "cp", "--python-version", PYTHON.removeprefix("python"))
    run(sys.executable, "-m", "pip", "install", "--quiet", *platforms, *wanted, "--target", SITE, *needed)


def copy_checkout() -> None:
    """The files that git knows, as they are now. What was built in an earlier copy is kept."""
    CHECKOUT.mkdir(parents=True, exist_ok=True)
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.check_output(listed, cwd=ROOT, text=True).split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (CHECKOUT / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, CHECKOUT / name)


def build() -> None:
    """Cython and setuptools run here; they take what they know of Python from the one for ARM."""
    include = SYSTEM / "usr" / "include"
    flags = f"-I{include / PYTHON} -I{include}"
    known = HERE / "known"
    known.mkdir(exist_ok=True)
    name = f"_sysconfigdata__{TRIPLE}"
    (known / f"{name}.py").write_text((SYSTEM / "usr" / "lib" / PYTHON / f"{name}.py").read_text())
    cross = {"_PYTHON_SYSCONFIGDATA_NAME": name, "_PYTHON_HOST_PLATFORM": "linux-aarch64", "PYTHONPATH": known}
    tools = {"CC": f"{TRIPLE}-gcc", "LDSHARED": f"{TRIPLE}-gcc -shared", "CFLAGS": flags}
    run(sys.executable, "setup.py", "--quiet", "build_ext", "--inplace", **cross, **tools)


def main() -> int:
    """Build and test."""
    if lacking := [package for program, package in NEEDED.items() if not shutil.which(program)]:
        print(f"install {' '.join(lacking)} first: apt-get install {' '.join(lacking)}", file=sys.stderr)
        return 2
    if PYTHON not in DEBIAN:
        print(f"run this with {' or '.join(DEBIAN)}, not {PYTHON}", file=sys.stderr)
        return 2
    copy_checkout()
    unpack_system()
    install_wheels()
    build()
    emulated = ("qemu-aarch64-static", "-L", SYSTEM, SYSTEM / "usr" / "bin" / PYTHON)
    paths = f"{CHECKOUT}:{SITE}"
    try:
        run(*emulated, "-c", "import platform, pyhmap; print(platform.machine(), pyhmap.__file__)", PYTHONPATH=paths)
        run(*emulated, "-P", "-m", "pytest", *SHORT, *(sys.argv[1:] or TESTS), PYTHONPATH=paths)
    except subprocess.CalledProcessError as error:
        return int(error.returncode)
    return 0


if __name__ == "__main__":
    sys.exit(main())
