"""Installs what was built as users do, and runs the README: `python tests/packaging/installed.py dist python3.11 ...`

Each interpreter gets a new environment, into which pip installs the wheel of the folder that fits, and its dependencies
from where pip looks for packages. No compiler is used. With `--sdist`, the sdist of the folder is built instead: what
the project says it needs is downloaded first, and pip then runs without a network (Linux). The examples of the README
are run away from the checkout. The exit status is 1 if anything failed.
"""

import argparse
import os
import re
import runpy
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VERSION = runpy.run_path(str(ROOT / "pyhmap" / "_release.py"))["VERSION"]
ABOUT = """
import importlib.metadata, platform, sys, numpy, pyhmap
assert pyhmap.__version__ == importlib.metadata.version("pyhmap") == VERSION
assert pyhmap.__file__.startswith(sys.prefix), pyhmap.__file__
print("Python", platform.python_version(), "NumPy", numpy.__version__, "pyhmap", pyhmap.__version__, end=": ")
"""
OFFLINE = ("unshare", "--net", "--map-root-user")


def run(*command: object, cwd: str) -> str:
    """What a command prints. Raises CalledProcessError."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.check_output(list(map(str, command)), cwd=cwd, env=plain, text=True)


def examples() -> str:
    """The Python of the README."""
    return "\n".join(re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL))


def install(dist: Path, python: Path, folder: str, from_sdist: bool) -> None:
    """The release in the environment of an interpreter. Raises CalledProcessError."""
    pip = (python, "-m", "pip", "--quiet", "--disable-pip-version-check")
    wheels_only = ("--only-binary", ":all:")
    if not from_sdist:
        run(*pip, "install", *wheels_only, "--find-links", dist, f"pyhmap=={VERSION}", cwd=folder)
        return
    (sdist,) = dist.glob(f"pyhmap-{VERSION}.tar.gz")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    needed = project["build-system"]["requires"] + project["project"]["dependencies"]
    run(*pip, "download", *wheels_only, "--dest", "needed", *needed, cwd=folder)
    run(*OFFLINE, *pip, "install", "--no-index", "--find-links", "needed", sdist, cwd=folder)


def outcome(dist: Path, interpreter: str, from_sdist: bool) -> str:
    """What was installed and run. Raises CalledProcessError."""
    with tempfile.TemporaryDirectory() as folder:
        run(interpreter, "-m", "venv", "venv", cwd=folder)
        python = Path(folder, "venv", "Scripts" if os.name == "nt" else "bin", "python")
        install(dist, python, folder, from_sdist)
        Path(folder, "readme.py").write_text(f"VERSION = {VERSION!r}\n{ABOUT}\n{examples()}\n")
        return run(python, "-W", "error", "readme.py", cwd=folder) + "the README ran"


def main() -> int:
    """Install with each interpreter, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dist", type=Path, help="the folder of what was built")
    parser.add_argument("pythons", nargs="+", metavar="PYTHON", help="an interpreter: a name or a path")
    parser.add_argument("--sdist", action="store_true", help="build the sdist, without a network")
    options = parser.parse_args()
    status = 0
    for interpreter in options.pythons:
        try:
            print(outcome(options.dist.resolve(), interpreter, options.sdist), flush=True)
        except subprocess.CalledProcessError as error:
            status = 1
            print(f"{interpreter}: {error}", flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
