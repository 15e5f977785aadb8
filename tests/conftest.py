"""The fixture that runs a test over both engines of the map, the profiles of Hypothesis, and the order of tests."""

import ctypes
import gc
import os
import sys
import traceback
from pathlib import Path
from types import FrameType
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
    """Sends each test to a free process. The files whose tests share long runs of programs come first, and the tests of
    such a file stay in one process."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return file if {"debug", "profiling", "packaging"} & set(Path(file).parts) else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> TogetherWhereShared:
    """How pytest-xdist distributes the tests."""
    return TogetherWhereShared(config, log)


# The frames that run while leaks are looked for. The interpreter keeps them where LeakSanitizer does not look.
running: list[FrameType] = []


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """`make asan`: memory that a process of tests has lost fails the run. LeakSanitizer names where it came from."""
    if "detect_leaks=1" in os.environ.get("ASAN_OPTIONS", ""):
        gc.collect()
        running.extend(frame for last in sys._current_frames().values() for frame, _ in traceback.walk_stack(last))
        leaks = bool(ctypes.CDLL(None).__lsan_do_recoverable_leak_check())
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput["leaks"] = leaks
        elif leaks or getattr(session.config, "leaks", False):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_testnodedown(node: Any) -> None:
    """A worker of pytest-xdist tells the process that started it."""
    if getattr(node, "workeroutput", {}).get("leaks"):
        node.config.leaks = True


@pytest.fixture(scope="module", autouse=True)
def few_objects() -> None:
    """Hides what the session holds from the collector. Many tests run full collections, which would traverse it."""
    gc.collect()
    gc.freeze()
