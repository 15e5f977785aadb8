"""The header in memory: equal to header() in every state; refused for objects with another layout."""

import ctypes
import sysconfig

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyhmap import FrozenMap, HMap, HSet, debug, nil
from pyhmap._reference.engine import ReferenceMap
from pyhmap.debug import LayoutMismatch, reflection
from support import fragmented


@given(st.lists(st.tuples(st.integers(0, 3000), st.booleans()), max_size=400), st.integers(0, 3000))
def test_both_headers_agree_after_any_writes(writes, filled):
    m = HMap(np.int64, np.int64, ((i, i) for i in range(filled)))
    for key, insert in writes:
        if insert:
            m[key] = key
        else:
            m.pop(key, None)
    assert debug.header_by_reflection(m) == m.header()
    assert [field.field for field in debug.compare_headers(m)] == list(m.header()._fields)
    assert all(field.agrees for field in debug.compare_headers(m))


def test_no_field_is_zero_in_the_middle_of_a_growth():
    m = HMap(np.int64, np.int64, seed=2)
    m.update((key, key) for key in range(1700))
    found = debug.header_by_reflection(m)
    assert (found.count, found.B, found.buckets, found.oldbuckets) == (1700, 9, 512, 256)
    assert 0 < found.nevacuate < 256
    assert found.hash0
    assert found == m.header()


def test_growth_to_the_same_size_shows_in_the_flags():
    m, _ = fragmented(HMap, 5)
    assert debug.header_by_reflection(m).flags == m.header().flags == 8
    assert all(field.agrees for field in debug.compare_headers(m))


@pytest.mark.parametrize("types", [(str, np.int64), (object, object), (np.int32, np.float32), (bytes, str)])
def test_maps_of_other_types(types):
    for m in (HMap(*types), nil(*types)):
        assert debug.header_by_reflection(m) == m.header()


class Plain(HMap):
    __slots__ = ()


class Wider(HMap):
    __slots__ = ("more",)


def test_a_subclass_of_the_same_layout_is_read_and_a_wider_one_refused():
    assert debug.header_by_reflection(Plain(np.int64, np.int64, {1: 2})).count == 1
    with pytest.raises(LayoutMismatch, match="another layout"):
        debug.header_by_reflection(Wider(np.int64, np.int64))


@pytest.mark.parametrize(
    "other",
    [ReferenceMap(np.int64, np.int64), FrozenMap.from_arrays([1], [2]), HSet(np.int64), {}, None],
    ids=lambda one: type(one).__name__,
)
def test_what_is_no_compiled_map_is_refused(other):
    for read in (debug.header_by_reflection, debug.compare_headers):
        with pytest.raises(LayoutMismatch, match="is not the compiled HMap"):
            read(other)


def patched(m, data):
    """Write over the layout mark in the map's memory; return what was there."""
    at = id(m) + m._memory()["layout mark"][0]
    before = ctypes.string_at(at, len(data))
    ctypes.memmove(at, data, len(data))
    return before


@pytest.mark.parametrize("mark", [b"hmap\x02\x00", b"HMAP", b"\0" * 8])
def test_another_version_is_refused_before_anything_is_read(mark, monkeypatch):
    m = HMap(np.int64, np.int64, {1: 2})
    before = patched(m, mark)
    monkeypatch.setattr(reflection, "read_header", lambda *_: pytest.fail("read in spite of its mark"))
    try:
        with pytest.raises(LayoutMismatch, match="layout mark"):
            debug.header_by_reflection(m)
        with pytest.raises(LayoutMismatch, match="layout mark"):
            debug.compare_headers(m)
    finally:
        patched(m, before)
    monkeypatch.undo()
    assert debug.header_by_reflection(m).count == 1


def test_the_mark_says_the_version_and_the_size_of_the_table():
    m = HMap(np.int64, np.int64)
    fields = m._memory()
    mark = ctypes.string_at(id(m) + fields["layout mark"][0], 8)
    assert mark == b"hmap" + (1).to_bytes(2, "little") + fields["whole table"][1].to_bytes(2, "little")


def test_a_newer_reader_refuses_this_layout(monkeypatch):
    monkeypatch.setattr(reflection, "LAYOUT_VERSION", 2)
    with pytest.raises(LayoutMismatch, match="layout mark"):
        debug.header_by_reflection(HMap(np.int64, np.int64))


def test_fields_outside_of_the_object_are_refused(monkeypatch):
    class Core:
        _memory = staticmethod(lambda m: {"layout mark": (1 << 20, 8)})

    monkeypatch.setattr(reflection, "HMapCore", Core)
    with pytest.raises(LayoutMismatch, match="outside of an object"):
        debug.header_by_reflection(HMap(np.int64, np.int64))


def test_other_interpreters_are_refused(monkeypatch):
    right = sysconfig.get_config_var
    monkeypatch.setattr(sysconfig, "get_config_var", lambda name: 1 if name == "Py_GIL_DISABLED" else right(name))
    with pytest.raises(LayoutMismatch, match="CPython with a GIL"):
        debug.header_by_reflection(HMap(np.int64, np.int64))


def test_a_header_that_lies_is_found():
    """compare_headers() reads twice, and does not compare one reading with itself."""

    class Liar(HMap):
        __slots__ = ()

        def header(self):
            return super().header()._replace(count=7)

    fields = {field.field: field for field in debug.compare_headers(Liar(np.int64, np.int64, {1: 2}))}
    assert not fields["count"].agrees
    assert (fields["count"].header, fields["count"].memory) == (7, 1)
    assert all(field.agrees for name, field in fields.items() if name != "count")
