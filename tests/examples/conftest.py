"""Makes the modules of the examples importable the way they run: with their own folder first on the module path."""

import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
EXAMPLE = EXAMPLES / "ids"
GATEWAY = EXAMPLES / "gateway"
sys.path[:0] = [str(EXAMPLE), str(GATEWAY)]


@pytest.fixture(scope="session")
def example() -> Path:
    """The folder of the example of ids."""
    return EXAMPLE


@pytest.fixture(scope="session")
def gateway() -> Path:
    """The folder of the gateway."""
    return GATEWAY
