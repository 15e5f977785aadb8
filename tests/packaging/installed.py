"""Installs wheels as users do, and runs the README: `python tests/packaging/installed.py dist python3.11 python3.12`.

Each interpreter gets a new environment, into which pip installs the wheel of the folder that fits, and its dependencies
from where pip looks for packages. No compiler is used. The examples of the README are run away from the checkout. The
exit status is 1 if anything failed.
"""

import os
import re
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VERSION = runpy.run_path(str(ROOT / "pyhmap" / "_release.py"))["VERSION"]
ABOUT = """
import importlib.metadata, platform, sys, numpy, pyhmap
assert pyhmap.__version__ == importlib.metadata.version("pyhmap") == VERSION
assert pyhmap.__file__.startswith(sys.prefix), pyhmap.__file__
print("Python", platform.python_version(), "NumPy", numpy.__version__, "pyhmap", pyhmap.__version__, end=": ")
"""


def run(*command: object, cwd: str) -> str:
    """What a command prints. Raises CalledProcessError."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.check_output(list(map(str, command)), cwd=cwd, env=plain, text=True)


def examples() -> str:
    """The Python of the README."""
    return "\n".join(re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL))


def installed(wheels: Path, interpreter: str) -> str:
    """What was installed and run. Raises CalledProcessError."""
    with tempfile.TemporaryDirectory() as folder:
        run(interpreter, "-m", "venv", "venv", cwd=folder)
        python = Path(folder, "venv", "Scripts" if os.name == "nt" else "bin", "python")
        pip = (python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:")
        run(*pip, "--find-links", wheels, f"pyhmap=={VERSION}", cwd=folder)
        Path(folder, "readme.py").write_text(f"VERSION = {VERSION!r}\n{ABOUT}\n{examples()}\n")
        return run(python, "-W", "error", "readme.py", cwd=folder) + "the README ran"


if __name__ == "__main__":
    failed = False
    for interpreter in sys.argv[2:]:
        try:
            print(installed(Path(sys.argv[1]).resolve(), interpreter), flush=True)
        except subprocess.CalledProcessError as error:
            failed = True
            print(f"{interpreter}: {error}", flush=True)
    sys.exit(1 if failed or not sys.argv[2:] else 0)
