"""Paths to objects that are kept: the names and containers in them, and their roots."""

import collections
import ctypes
import functools
import gc
import sys
import types
import weakref

import numpy as np
import pytest

from pyhmap import FrozenMap, HIndex, HMap
from pyhmap.debug import referrers
from pyhmap.debug.referrers import cycle_through, paths_to


class Thing:
    """With attributes in a dict."""


class Slotted:
    """With an attribute in a slot."""

    __slots__ = ("inner",)


@pytest.fixture(autouse=True)
def _not_through_the_tests(monkeypatch):
    """A session has millions of objects below its tests; the search gives up after so many."""
    monkeypatch.setattr(referrers, "OPAQUE", (*referrers.OPAQUE, pytest.Item, pytest.Collector))


@pytest.fixture
def service():
    module = sys.modules["service"] = types.ModuleType("service")
    yield module
    del sys.modules["service"]


def kept(module, make):
    """Put what is made around a fresh list into the module and forget the list; its path."""
    target = ["target"]
    module.kept = make(target)
    where = [target]
    del target
    return paths_to(where)[0]


def thing(target):
    one = Thing()
    one.inner = target
    return one


def slotted(target):
    one = Slotted()
    one.inner = target
    return one


def suspended(target):
    def generator(local):
        yield local

    started = generator(target)
    next(started)
    return started


def cached(target):
    @functools.lru_cache
    def method(_):
        return target

    method(1)
    return method


def cached_method(target):
    class Class:
        @functools.lru_cache  # noqa: B019
        def method(self, _):
            return target

    Class().method(1)
    return Class


@pytest.mark.parametrize(
    ("make", "path"),
    [
        (lambda target: target, "service.kept"),
        (lambda target: {"k": target}, "service.kept['k']"),
        (lambda target: {"k": [0, 0, 0, target]}, "service.kept['k'] -> list[3]"),
        (lambda target: [thing(target)], "service.kept[0] -> Thing.inner"),
        (thing, "service.kept.inner"),
        (lambda target: [slotted(target)], "service.kept[0] -> Slotted.inner"),
        (lambda target: (1, {2: target}), "service.kept[1] -> dict[2]"),
        (lambda target: lambda: target, "service.kept.__closure__ -> tuple[0] -> cell.cell_contents"),
        (lambda target: lambda given=target: given, "service.kept.__defaults__ -> tuple[0]"),
        (suspended, "service.kept local local"),
        (cached_method, "service.kept.method -> _lru_cache_wrapper"),
        (lambda target: thing(target).inner.append, None),
        (lambda target: HMap(object, object, {"k": target}), "service.kept -> list[0]"),
        (lambda target: np.array([1, target, 2, 3], object), "service.kept[...]"),
        (lambda target: collections.deque([target]), "service.kept"),
        (lambda target: {"k" * 100: target}, "service.kept['" + "k" * 36 + "...]"),
    ],
)
def test_the_path(service, make, path):
    found = kept(service, make)
    assert found.startswith(path or "service.kept"), found
    assert found.endswith("(list of 1, the last a str)")


def test_a_cached_function_is_passed_through(service):
    assert kept(service, cached).startswith("service.kept")


def test_the_shortest_path_is_given(service):
    target = []
    service.long = [[[[target]]]]
    service.short = [target]
    assert paths_to([target])[0].startswith("service.short[0]")


def test_a_long_path_is_cut_in_the_middle(service):
    target = first = Thing()
    for _ in range(50):
        following = Thing()
        following.child = target
        target = following
    service.chain = target
    del target, following
    found = paths_to([first])[0]
    ends = " -> ".join(["Thing.child"] * 4)
    assert found == f"service.chain.child -> {ends} -> ... 41 more ... -> {ends} (Thing)"


def test_a_view_leads_to_the_array_it_keeps(service):
    whole = np.ones(10_000)
    service.views = [whole[:3]]
    assert paths_to([whole])[0] == "service.views[0] -> ndarray.base (ndarray of 80,000 bytes)"


def test_a_frozen_map_is_seen_as_what_is_kept_and_as_what_keeps(service):
    f = FrozenMap.from_arrays(["a", "b"], [1, 2])
    service.iterators = [iter(f)]
    assert paths_to([f])[0] == "service.iterators[0] -> FrozenIterator (FrozenMap of 2 entries)"
    del f

    class Catalogue(FrozenMap):
        pass

    service.catalogue = Catalogue.from_arrays(["a"], [1])
    service.catalogue.words = ["target"]
    assert paths_to([service.catalogue.words])[0].startswith("service.catalogue.words")


def test_an_index_is_seen_as_what_is_kept_and_as_what_keeps(service):
    ix = HIndex(str, ["a", "b"])
    service.iterators = [iter(ix)]
    assert paths_to([ix])[0] == "service.iterators[0] -> KeyIterator (HIndex of 2 entries)"
    del ix

    class Users(HIndex):
        pass

    service.users = Users(str)
    service.users.words = ["target"]
    assert paths_to([service.users.words])[0].startswith("service.users.words")


def test_a_closed_map_has_no_entries(service):
    f = FrozenMap.from_arrays([1], [2])
    f.close()
    service.closed = [f]
    assert paths_to([f])[0] == "service.closed[0] (FrozenMap of 0 entries)"


def test_a_frame_that_runs_is_a_root():
    local = Thing()
    local.inner = ["target"]
    found = paths_to([local.inner])[0]
    assert found.startswith(f"{__name__}.test_a_frame_that_runs_is_a_root() local local.inner "), found


def test_the_search_keeps_no_local_alive():
    """Reading a frame's locals leaves it a copy of them, up to Python 3.12."""
    local = Thing()
    gone = weakref.ref(local)
    paths_to([Thing()])  # which nothing refers to: all frames are looked at
    del local
    assert gone() is None


def test_code_of_attributes_does_not_run(service):
    class Trap:
        def __getattribute__(self, name):
            raise AssertionError("asked")

        def __eq__(self, other):
            raise AssertionError("compared")

        __hash__ = None

    trap = Trap()
    object.__setattr__(trap, "inner", ["target"])
    service.kept = [trap]
    target = object.__getattribute__(trap, "__dict__")["inner"]
    assert paths_to([target])[0].startswith(("service.kept[0] -> Trap.inner", __name__))


def test_what_only_native_code_refers_to_is_said_so():
    """A reference that C code did not release: no object and no frame has it."""
    lost = Thing()
    address = id(lost)
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(lost))
    del lost
    try:
        found = paths_to(one for one in gc.get_objects() if id(one) == address)
        assert found == ["nothing that Python knows of -> Thing: a reference kept by native code"]
    finally:
        ctypes.pythonapi.Py_DecRef(ctypes.cast(address, ctypes.py_object))


def test_cycles():
    a, b, c = Thing(), Thing(), []
    a.to, b.to = b, c
    c.append(a)
    among = {id(one): one for one in (a, b, c)}
    assert cycle_through(a, among) == "Thing.to -> Thing.to -> list[0] -> Thing"
    assert cycle_through(Thing(), among) == ""
