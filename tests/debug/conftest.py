"""Makes the programs importable, and runs each worker once per session."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))


def diagnoses(*arguments):
    """What a worker prints, a diagnosis a line."""
    pytest.importorskip("psutil")
    command = [sys.executable, str(HERE / "worker.py"), *arguments]
    run = subprocess.run(command, capture_output=True, text=True, timeout=280)
    assert run.returncode == 0, run.stderr
    return [json.loads(line) for line in run.stdout.splitlines()]


@pytest.fixture(scope="session")
def planted():
    """The diagnosis of each planted leak, by its name."""
    groups = map(diagnoses, ("planted", "amortised", "deferred"))
    return {one["name"]: one for group in groups for one in group}


@pytest.fixture(scope="session")
def clean():
    """The diagnoses of the clean programs, 50 of each."""
    return diagnoses("clean", "50")
