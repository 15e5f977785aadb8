"""The examples in the harness's own docstrings."""

import doctest
import importlib

import pytest

from core.environment import HARNESS

MODULES = sorted(
    ".".join(path.relative_to(HARNESS).with_suffix("").parts)
    for path in HARNESS.rglob("*.py")
    if ">>> " in path.read_text(encoding="utf-8")
)


def test_there_are_examples_to_run() -> None:
    assert {"core.corpus", "core.estimates", "table.figures", "table.tools.pyspy"} <= set(MODULES)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name))

    assert result.attempted > 0
    assert result.failed == 0
