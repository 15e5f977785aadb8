"""The fixture that runs a test over both engines of the map, and the profiles of Hypothesis."""

from pathlib import Path

import hypothesis
import pytest

from pyhmap import HMap
from pyhmap._reference.engine import ReferenceMap

HERE = Path(__file__).parent

# No deadline per example: on a busy machine it would fail without reason.
hypothesis.settings.register_profile("default", deadline=None)
# `make check` chooses this one, by --hypothesis-profile.
hypothesis.settings.register_profile("short", deadline=None, max_examples=5)
hypothesis.settings.load_profile("default")


@pytest.fixture(params=[HMap, pytest.param(ReferenceMap, marks=pytest.mark.reference)], ids=["compiled", "reference"])
def hmap_type(request: pytest.FixtureRequest) -> type:
    """The compiled map, then the reference."""
    return request.param


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With --dist loadgroup, the tests of a file stay together where they share what takes long: runs of programs."""
    for item in items:
        if {"debug", "profiling", "packaging"} & set(item.path.relative_to(HERE).parts):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
