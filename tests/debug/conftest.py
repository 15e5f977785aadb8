"""Makes the programs importable, and runs each worker once per session."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
WATCHDOG = 880  # seconds: less than the tests' own limit; on a busy machine a worker needs minutes
sys.path.insert(0, str(HERE))


def diagnoses(*arguments):
    """What a worker prints, a diagnosis a line."""
    pytest.importorskip("psutil")
    command = [sys.executable, str(HERE / "worker.py"), *arguments]
    run = subprocess.run(command, capture_output=True, text=True, timeout=WATCHDOG)
    assert run.returncode == 0, run.stderr
    return [json.loads(line) for line in run.stdout.splitlines()]


class Planted(dict):
    """The diagnosis of each planted leak, by its name. Looking one up runs its group of programs."""

    def __missing__(self, name):
        import programs  # the path to it is set above

        group = next(group for group, names in programs.GROUPS.items() if name in names)
        self.update({one["name"]: one for one in diagnoses(group)})
        return self[name]


@pytest.fixture(scope="session")
def planted():
    """The diagnosis of each planted leak, by its name."""
    return Planted()


@pytest.fixture
def diagnose():
    """The function that runs a worker with these arguments and gives its diagnoses."""
    return diagnoses
