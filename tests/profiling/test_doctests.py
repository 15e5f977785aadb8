"""The examples in the harness's own docstrings."""

import doctest
import importlib

import pytest

MODULES = [
    "cache",
    "cache_rules",
    "corpus",
    "estimates",
    "figures",
    "growth_cases",
    "instructions",
    "latency",
    "pictures",
    "render",
    "runner",
]
MODULES += ["style", "tools_pyspy"]
MODULES += ["peers_figures", "peers_native", "peers_plan", "peers_tables", "peers_targets"]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name))

    assert result.attempted > 0
    assert result.failed == 0
