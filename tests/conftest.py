"""The fixtures that run a test over both engines of the map and of the set, Hypothesis's profiles, and test order."""

import ctypes
import gc
import os
import shutil
import signal
import subprocess
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import hypothesis
import pytest
from xdist.scheduler import LoadScopeScheduling

from pyhmap import HMap, HSet
from pyhmap._reference.engine import ReferenceMap
from reads_frozen import ReadsDataset, ReadsFrozen, ReadsMapped
from support import no_collections

HERE = Path(__file__).parent

# No deadline per example: on a busy machine it would fail without reason.
hypothesis.settings.register_profile("default", deadline=None)
# The short forms choose this one, by --hypothesis-profile.
hypothesis.settings.register_profile("short", deadline=None, max_examples=5)
hypothesis.settings.load_profile("default")


@pytest.fixture
def in_short_form(pytestconfig: pytest.Config) -> bool:
    """Whether `make test QUICK=1` or another short form runs: what is tried at random is tried less often."""
    return bool(pytestconfig.getoption("--hypothesis-profile") == "short")


MAPS = [pytest.param(HMap, id="compiled"), pytest.param(ReferenceMap, id="reference", marks=pytest.mark.reference)]
# Slow, so that the short forms leave it out: of frozen maps they run test_frozen_*.py.
READ_FROZEN = [
    pytest.param(ReadsFrozen, id="frozen", marks=pytest.mark.slow),
    pytest.param(ReadsMapped, id="mapped", marks=pytest.mark.slow),
    pytest.param(ReadsDataset, id="dataset", marks=pytest.mark.slow),
]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """``hmap_type`` is the compiled map, then the reference; in tests marked ``frozen_too``, then frozen maps. In such
    a file, ``frozen_too(False)`` marks the tests of what only a map that changes does."""
    if "hmap_type" in metafunc.fixturenames:
        mark = metafunc.definition.get_closest_marker("frozen_too")
        metafunc.parametrize("hmap_type", [*MAPS, *READ_FROZEN] if mark and False not in mark.args else MAPS)


class ReferenceSet(HSet[Any]):
    """A set over the reference."""

    __slots__ = ()
    _map_type = ReferenceMap


def frozen(key: Any, items: Any = None) -> Any:
    """A frozen set. Objects cannot be frozen: a set of them stays as it is."""
    s: Any = HSet(key, items)
    return s if key is object else s.freeze()


SETS = [pytest.param(HSet, id="compiled"), pytest.param(ReferenceSet, id="reference", marks=pytest.mark.reference)]


@pytest.fixture(params=SETS)
def set_type(request: pytest.FixtureRequest) -> Any:
    """The set over the compiled map, then over the reference."""
    return request.param


@pytest.fixture(params=[*SETS, pytest.param(frozen, id="frozen")])
def any_set(request: pytest.FixtureRequest) -> Any:
    """The same, then frozen sets: for tests that only read, and call it with a key type and keys."""
    return request.param


@pytest.fixture
def interruptible() -> Iterator[None]:
    """A process that a shell started in the background ignores Ctrl-C, and Python leaves that so."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    with no_collections():
        yield
    signal.signal(signal.SIGINT, before)


def preloaded(source: str, folder: Path) -> dict[str, str]:
    """What a program's environment needs to have a library of C, of this folder, before all others."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("replacing functions of the system needs a C compiler and Linux")
    library = folder / "replaced.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, HERE / source], check=True)
    all_of_them = f"{os.environ.get('LD_PRELOAD', '')} {library}"  # a sanitizer wants to be the first
    return {"LD_PRELOAD": all_of_them.strip()}


@pytest.fixture(scope="session")
def failing_calls(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a program whose calls of the system can be made to fail."""
    return preloaded("failing_calls.c", tmp_path_factory.mktemp("library"))


@pytest.fixture(scope="session")
def failing_malloc(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The same for its allocations."""
    return preloaded("failing_malloc.c", tmp_path_factory.mktemp("library")) | {"PYTHONMALLOC": "malloc"}


@pytest.fixture(scope="session")
def refused_threads(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The same for making threads."""
    return preloaded("no_threads.c", tmp_path_factory.mktemp("library"))


def pytest_runtest_teardown() -> None:
    """Measuring processes turn the collector off; tests of profiling/ run their code in a process of the suite."""
    gc.enable()


def stays_together(nodeid: str) -> bool:
    """Whether the tests of this one's file share long runs of programs."""
    return bool({"debug", "engines", "profiling", "packaging"} & set(Path(nodeid.partition("::")[0]).parts))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long comes first, so that no process works on when the others have nothing left to do."""
    items.sort(key=lambda item: (not stays_together(item.nodeid), item.get_closest_marker("slow") is None))


class TogetherWhereShared(LoadScopeScheduling):
    """Sends a free process the next test with all its parameters, or a whole file whose tests share programs.

    Tests one by one would keep it waiting: the scheduler goes through all that it has sent before it sends more.
    """

    def _split_scope(self, nodeid: str) -> str:
        return nodeid.partition("::" if stays_together(nodeid) else "[")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> TogetherWhereShared:
    """How pytest-xdist distributes the tests: in the order of pytest_collection_modifyitems()."""
    config.option.loadscopereorder = False
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
