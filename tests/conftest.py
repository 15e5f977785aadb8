"""The fixture that runs a test over both engines of the map, the profiles of Hypothesis, and what keeps a run short."""

import gc
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from xdist.scheduler import LoadScopeScheduling

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


class TogetherWhereShared(LoadScopeScheduling):
    """Sends each test to the process that is free. The tests of a file stay together, and come first, where they share
    what takes long: runs of programs."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return file if {"debug", "profiling", "packaging"} & set(Path(file).parts) else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> TogetherWhereShared:
    """How pytest-xdist distributes the tests."""
    return TogetherWhereShared(config, log)


def pytest_collection_finish() -> None:
    """Hide the tests themselves from the collector: many tests run full collections, each of which would walk them."""
    gc.collect()
    gc.freeze()
