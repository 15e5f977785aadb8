"""The examples in the harness's own docstrings."""

import doctest
import importlib
from pathlib import Path

import pytest

import runner

MODULES = sorted(path.stem for path in Path(runner.__file__).parent.glob("*.py") if ">>> " in path.read_text())


def test_there_are_examples_to_run() -> None:
    assert {"corpus", "estimates", "figures", "tools_pyspy"} <= set(MODULES)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name))

    assert result.attempted > 0
    assert result.failed == 0
