"""The type stubs: what is inferred (inference.py), and that they describe what is there (stubtest)."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mypy")

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


def run(*arguments):
    done = subprocess.run([sys.executable, "-m", *arguments], cwd=ROOT, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def test_what_is_inferred():
    """Each wrong line has its own `type: ignore`, which --strict reports if it is not needed."""
    code, output = run("mypy", "--strict", str(HERE / "inference.py"))
    assert code == 0, output


def test_stubs_describe_what_is_there():
    modules = [f"pyhmap.{path.stem}" for path in sorted((ROOT / "pyhmap").glob("*.pyi"))]
    code, output = run(
        "mypy.stubtest",
        *modules,
        "--ignore-missing-stub",
        "--ignore-unused-allowlist",
        "--allowlist",
        str(HERE / "stubtest_allowlist.txt"),
    )
    assert code == 0, output
