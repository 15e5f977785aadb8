"""The examples in the harness's own docstrings."""

import doctest
import importlib

import pytest

MODULES = [
    "compare",
    "corpus",
    "estimates",
    "figures",
    "flames",
    "growth_cases",
    "latency",
    "pictures",
    "render",
    "runner",
]
MODULES += ["style", "tools_pyspy", "traffic"]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name))

    assert result.attempted > 0
    assert result.failed == 0
