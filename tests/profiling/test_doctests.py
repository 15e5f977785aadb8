"""The examples in the harness's own docstrings."""

import doctest
import importlib

import pytest


@pytest.mark.parametrize("name", ["corpus", "estimates", "figures", "render", "runner", "tools_pyspy"])
def test_examples(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name))

    assert result.attempted > 0
    assert result.failed == 0
