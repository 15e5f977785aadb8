"""Arrow data that a broken or malicious producer hands over, in both packages: a clear error, and nothing changed.

arrow_source builds the structs; each test spoils fields of them. Left out is what nobody can find, because the
interface has no sizes of buffers: a length or offset larger than the buffers, a last text offset beyond the data, more
children or buffers than the lists of them hold, a format of wider items than those that are there, and pointers to
nowhere that are not null.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import re
from collections.abc import Callable, Iterator
from ctypes import POINTER
from typing import Any

import numpy as np
import pytest

import arrow_source
from arrow_source import (
    CArray,
    Column,
    CStream,
    GetError,
    GetNext,
    GetSchema,
    Stream,
    bitmap,
    capsule,
    encoded_column,
    text_column,
)
from arrow_spoiling import INT64_MAX, Spoiled, SpoiledStream, child, runs, set_child, struct
from pyhmap import FrozenMap, FrozenSet, HMap, HSet
from support import interrupted_after, no_collections
from tophash_cache import TopHashCache

CACHE = TopHashCache()


@pytest.fixture(autouse=True)
def all_columns_are_released() -> Iterator[None]:
    yield
    assert arrow_source.unreleased() == 0


class Capsules:
    """Gives whatever it is told to."""

    def __init__(self, given: Callable[[], object], method: str) -> None:
        setattr(self, method, given)


def numbers(n: int = 3, format: str = "l", dtype: str = "i8", **rest: Any) -> Column:
    return Column(format, n, [None, np.arange(n).astype(dtype)], **rest)


def refused(make: Callable[[], Any], named: str, error: type[Exception] = ValueError, key: Any = str) -> None:
    """Every call of both packages that takes a column refuses this one, and changes nothing."""
    held = {{str: "a", bytes: b"a"}.get(key, 1): 1, {str: "b", bytes: b"b"}.get(key, 2): 2}
    m, keys, objects = HMap(key, np.int64, held), HSet(key, held), HMap(object, object, held)
    values = HMap(np.int64, key, {1: next(iter(held))})
    frozen, frozen_keys = m.freeze(), keys.freeze()
    calls: list[Callable[[Any], object]] = [
        m.lookup_many,
        m.contains_many,
        m.discard_many,
        m.factorize,
        keys.add_many,
        keys.update,
        objects.contains_many,
        CACHE.hash_many,
        lambda column: m.get_many(column, 0),
        lambda column: m.pop_many(column, 0),
        lambda column: m.set_many(column, 7),
        lambda column: m.setdefault_many(column, 7),
        lambda column: m.add_many(column, 7),
        lambda column: objects.set_many(column, 7),
        lambda column: values.set_many(np.arange(3), column),
        lambda column: HMap.from_arrays(column, [1, 2, 3]),
        frozen.lookup_many,
        frozen.contains_many,
        frozen.positions,
        lambda column: frozen.get_many(column, 0),
        frozen_keys.positions,
        frozen_keys.union,
        frozen_keys.isdisjoint,
        FrozenSet.from_array,
        lambda column: FrozenMap.from_arrays(column, [1, 2, 3]),
        lambda column: FrozenMap.from_arrays(column, [1, 2, 3], on_duplicate="last"),
        lambda column: FrozenMap.from_arrays([1, 2, 3], column),
    ]
    for call in calls:
        with pytest.raises(error, match=named) as raised:
            call(make())
        assert type(raised.value) is error
        del raised  # its traceback refers to this frame, and what that refers to is to be released
    for each in (m, keys, objects, values, frozen, frozen_keys):
        each.check()
    assert dict(m) == dict(objects) == dict(frozen) == held
    assert set(keys) == set(frozen_keys) == set(held)
    assert dict(values) == {1: next(iter(held))}


def spoiled_is_refused(column: Column, spoil: Callable[[Any, Any], object], named: str, key: Any = str) -> None:
    """As an array and as the first chunk of a stream."""
    refused(lambda: Spoiled(column, spoil), "the Arrow array is malformed: " + named, key=key)
    refused(lambda: SpoiledStream(column, spoil), "the Arrow array is malformed: in chunk 0, " + named, key=key)


def setting(**fields: Any) -> Callable[[Any, Any], None]:
    """Sets fields; those of the type have ``schema_`` before their name."""

    def spoil(schema: Any, array: Any) -> None:
        for name, value in fields.items():
            whose, field = (schema, name[7:]) if name.startswith("schema_") else (array, name)
            setattr(whose, field, value)

    return spoil


def without_buffer(i: int) -> Callable[[Any, Any], None]:
    return lambda schema, array: array.buffers.__setitem__(i, None)


TEXTS = [b"a", b"b", b"a word of many bytes"]
TEXT_FORMATS = ["u", "U", "vu", "z", "Z", "vz"]


def of_any_layout() -> list[tuple[Column, Any]]:
    """A column of each layout, and a type of key that it has."""
    return [
        *((text_column(TEXTS, format), str) for format in ("u", "U", "vu", "w:4")),
        (numbers(), np.int64),
        (Column("b", 3, [None, bitmap([True, False, True])]), np.int64),
        (Column("tdD", 3, [None, np.arange(3, dtype="i4")]), np.int64),
        (Column("n", 3, []), str),
        (struct(numbers(), text_column(TEXTS)), str),
        (encoded_column(np.array([0, 1, 2], "i4"), text_column(TEXTS)), str),
        (encoded_column(np.array([0, 1, 2], "i4"), numbers()), np.int64),
        (runs([1, 3], text_column([b"a", b"b"]), 3), str),
        (runs([1, 3], numbers(2), 3), np.int64),
    ]


any_layout = pytest.mark.parametrize(("column", "key"), of_any_layout(), ids=lambda case: getattr(case, "format", ""))


# ---- counts ----------------------------------------------------------------------------------------------------------


@any_layout
def test_a_negative_length_or_offset(column: Column, key: Any) -> None:
    spoiled_is_refused(column, setting(length=-1), "length -1, offset 0, which must both be 0 or more", key)
    spoiled_is_refused(column, setting(offset=-1), "length 3, offset -1, which must both be 0 or more", key)


@any_layout
def test_more_items_than_memory_can_hold(column: Column, key: Any) -> None:
    for fields in ({"offset": INT64_MAX}, {"length": INT64_MAX}, {"offset": 2**62, "length": 2**62}):
        spoiled_is_refused(column, setting(**fields), "length .*, offset .*: no memory holds so many items", key)


def test_more_items_than_memory_can_hold_in_all_chunks() -> None:
    empty = Column("n", 2**58, [])
    refused(lambda: Stream([empty] * 9), "the Arrow stream has more than .* items, which no memory holds")


@any_layout
def test_a_wrong_count_of_nulls(column: Column, key: Any) -> None:
    for count in (-2, 4, INT64_MAX):
        spoiled_is_refused(column, setting(null_count=count), f"it has {count} nulls among 3 items", key)


@any_layout
def test_a_wrong_number_of_buffers(column: Column, key: Any) -> None:
    if column.format in ("n", "+r"):  # their buffers are not read
        return
    for count in (-1, 0, len(column.buffers) - 1) if column.format[0] != "v" else (-1, 0, 2):
        spoiled_is_refused(column, setting(n_buffers=count), f"it has {count} buffers, its type needs", key)
    spoiled_is_refused(column, setting(n_buffers=INT64_MAX), "it has .* buffers, ", key)


@any_layout
def test_a_wrong_number_of_children(column: Column, key: Any) -> None:
    n = len(column.children)
    for count in (-1, n + 1, INT64_MAX):
        spoiled_is_refused(column, setting(n_children=count), f"it has {count} children, its type {n}", key)
    spoiled_is_refused(column, setting(schema_n_children=-1), "its type has -1 children", key)
    spoiled_is_refused(column, setting(schema_n_children=n + 1), f"it has {n} children, its type {n + 1}", key)
    both = setting(schema_n_children=2**31, n_children=2**31)
    spoiled_is_refused(column, both, "its type has more than 1,048,576 children in all levels", key)


@pytest.mark.skipif("asan" in os.environ.get("LD_PRELOAD", ""), reason="AddressSanitizer ends the process instead")
@pytest.mark.parametrize(
    "column", [Column("n", 2**58, []), runs([2**58], numbers(1), 2**58, dtype="i8")], ids=["n", "+r"]
)
def test_a_long_column_of_few_bytes(column: Column) -> None:
    for call in (HMap(np.int64, np.int64).lookup_many, HMap(object, np.int64).factorize):
        with pytest.raises(MemoryError):
            call(column)


# ---- types -----------------------------------------------------------------------------------------------------------


@any_layout
def test_a_type_without_a_format(column: Column, key: Any) -> None:
    spoiled_is_refused(column, setting(schema_format=None), "its type has no format", key)


@pytest.mark.parametrize("width", ["-5", "4294967297", "2147483648", "", "x", "4,5", " 4", "+4", "0x4", "9" * 5000])
def test_a_fixed_size_that_is_no_size(width: str) -> None:
    column = text_column(TEXTS, "w:4")
    shown = f"w:{width}" if len(width) < 60 else f"w:{width[:58]}..."
    named = re.escape(f"its type has the format '{shown}', whose width is no number from 0 to 2,147,483,647")
    spoiled_is_refused(column, setting(schema_format=f"w:{width}".encode()), named)
    spoiled_is_refused(
        encoded_column(np.array([0, 1, 2], "i4"), column),
        lambda schema, array: setattr(schema.dictionary.contents, "format", f"w:{width}".encode()),
        "in its dictionary, " + named,
    )


def test_items_of_no_bytes() -> None:
    column = Column("w:0", 3, [None, None])
    assert HMap(bytes, np.int64, {b"": 5}).get_many(column).tolist() == [5, 5, 5]
    assert CACHE.hash_many(column).tolist() == [CACHE.hash(b"")] * 3


def test_a_format_that_is_no_text() -> None:
    named = r"its type has the format 'ts\\xff', which is not UTF-8"
    spoiled_is_refused(numbers(), setting(schema_format=b"ts\xff"), named, np.int64)


@pytest.mark.parametrize(
    "format", ["", "q", "ts", "tss", "tsq:", "ts:", "tsnUTC", "tD", "v", "+", "+x", "uu", "ll", "n "]
)
def test_a_format_that_no_type_has(format: str) -> None:
    for make in (
        lambda: Column(format, 3, [None] * 3),
        lambda: encoded_column(np.arange(3), Column(format, 3, [None] * 3)),
    ):
        refused(make, re.escape(f"{format!r}"), TypeError)


@pytest.mark.parametrize("format", ["q", "e", "g", "u", "n", "b", "+s", "", "iU"])
def test_codes_that_are_no_ints(format: str) -> None:
    column = Column(format, 3, [None, np.zeros(3, "i8")], dictionary=text_column(TEXTS))
    refused(lambda: column, f"its codes have the format '{re.escape(format)}', which is not that of ints")


def test_a_field_whose_name_is_no_text() -> None:
    spoiled_is_refused(
        struct(numbers(), numbers()),
        lambda schema, array: setattr(child(schema, 1), "name", b"\xff"),
        r"in its child 1, its name is '\\xff', which is not UTF-8",
    )


def test_types_that_name_the_type_of_a_map() -> None:
    for fields, named in (
        ({"format": None}, "its type has no format"),
        ({"format": b"w:-5"}, "whose width is no number"),
        ({"n_children": -1}, "its type has -1 children"),
    ):
        schema = numbers().c_schema()
        for name, value in fields.items():
            setattr(schema, name, value)
        with pytest.raises(ValueError, match="the Arrow array is malformed: .*" + named):
            HMap(Capsules(lambda schema=schema: capsule(schema), "__arrow_c_schema__"), np.int64)


# ---- pointers --------------------------------------------------------------------------------------------------------


@any_layout
def test_no_list_of_buffers(column: Column, key: Any) -> None:
    if column.format not in ("n", "+r"):
        spoiled_is_refused(column, setting(buffers=None), f"its list of {len(column.buffers)} buffers is null", key)


@any_layout
def test_nulls_without_a_validity_buffer(column: Column, key: Any) -> None:
    if column.format not in ("n", "+r"):
        spoiled_is_refused(column, setting(null_count=1), "it has 1 nulls, and its validity buffer is null", key)


@any_layout
def test_items_without_a_buffer(column: Column, key: Any) -> None:
    if len(column.buffers) > 1:
        name = "offsets" if column.format in ("u", "U") else "views" if column.format == "vu" else "data"
        spoiled_is_refused(column, without_buffer(1), f"it has 3 items, and its {name} buffer is null", key)


@pytest.mark.parametrize("format", ["u", "U", "z", "Z"])
def test_texts_without_data(format: str) -> None:
    column = text_column([b"", None, b"", b"a"], format, offset=2)
    spoiled_is_refused(column, without_buffer(2), "its data buffer is null, and item 3 is not empty")
    chunks = [
        text_column([b"a"] * 5, format),
        Column(format, 1, [None, np.array([0, 1], "i4" if format in "uz" else "i8"), None]),
    ]
    refused(lambda: Stream(chunks), "in chunk 1, its data buffer is null, and item 5 is not empty")
    kind = str if format in "uU" else bytes
    empty = Column(format, 2, [None, np.zeros(3, "i4" if format in "uz" else "i8"), None])
    assert HMap(kind, np.int64, {kind(): 5}).get_many(empty).tolist() == [5, 5]
    assert CACHE.hash_many(empty).tolist() == [CACHE.hash("")] * 2


def test_views_without_data_or_sizes() -> None:
    column = text_column([b"a" * 20, b"b" * 20, b""], "vu")
    spoiled_is_refused(column, without_buffer(4), "it has 2 data buffers, and the buffer of their sizes is null")
    spoiled_is_refused(column, without_buffer(2), "its data buffer 0 is null, and has the size 20")


def test_views_into_buffers_of_negative_size() -> None:
    column = text_column([b"a" * 20, b"b" * 20, b""], "vu")
    column.buffers = [*column.buffers[:-1], np.array([20, -1])]
    refused(lambda: column, "its data buffer 1 has the size -1")


@pytest.mark.parametrize(
    "view",
    [
        (-1, 0, 0, 0),
        (-(2**31), 0, 0, 0),
        (13, 0, 2, 0),
        (13, 0, -1, 0),
        (13, 0, 2**31 - 1, 0),
        (13, 0, 0, -1),
        (13, 0, 0, 8),
        (2**31 - 1, 0, 0, 2**31 - 1),
    ],
)
def test_views_outside_their_buffers(view: tuple[int, ...]) -> None:
    views = np.array([[1, 97, 0, 0], [20, 97, 0, 0], view], np.int32)
    data = np.full(20, 97, np.uint8)
    for format, key in (("vu", str), ("vz", bytes)):
        column = Column(format, 3, [None, views, data, data, np.array([20, 20])])
        item_is_refused(
            column, r"\[2\]: its Arrow view lies outside", "position 2 has bad offsets or lies outside", key
        )


@any_layout
def test_no_list_of_children(column: Column, key: Any) -> None:
    for fields in ({"children": None}, {"schema_children": None}):
        if column.children:
            spoiled_is_refused(column, setting(**fields), "it has 2 children, and the list of them is null", key)


@any_layout
def test_a_child_that_is_null_or_released(column: Column, key: Any) -> None:
    if not column.children:
        return

    def release(struct: Any) -> None:
        struct.release(ctypes.addressof(struct))

    for i in (0, 1):
        spoiled_is_refused(column, lambda s, a, i=i: set_child(s, i, None), f"in its child {i}, it is null", key)
        spoiled_is_refused(column, lambda s, a, i=i: set_child(a, i, None), f"in its child {i}, it is null", key)
        named = f"in its child {i}, it has been released"
        spoiled_is_refused(column, lambda s, a, i=i: release(child(s, i)), named, key)
        spoiled_is_refused(column, lambda s, a, i=i: release(child(a, i)), named, key)


@any_layout
def test_a_dictionary_that_is_missing_too_much_or_released(column: Column, key: Any) -> None:
    if column.dictionary is None:
        words = text_column(TEXTS).c_array()
        spoil = setting(dictionary=ctypes.pointer(words))
        spoiled_is_refused(column, spoil, "it has a dictionary, and its type has none", key)
        words.release(ctypes.addressof(words))
        return
    null = POINTER(CArray)()
    spoiled_is_refused(column, setting(dictionary=null), "it is encoded and has no dictionary", key)

    def release(schema: Any, array: Any) -> None:
        array.dictionary.contents.release(ctypes.addressof(array.dictionary.contents))

    spoiled_is_refused(column, release, "in its dictionary, it has been released", key)


# ---- structs that are part of themselves -----------------------------------------------------------------------------


def test_a_dictionary_of_its_own() -> None:
    def spoil(schema: Any, array: Any) -> None:
        words, of_words = schema.dictionary.contents, array.dictionary.contents
        words.dictionary, of_words.dictionary = ctypes.pointer(words), ctypes.pointer(of_words)

    column = encoded_column(np.array([0, 1, 2], "i4"), numbers())
    named = "in its dictionary, in its dictionary, .*it is nested deeper than 64 levels, or part of itself"
    spoiled_is_refused(column, spoil, named)


@pytest.mark.parametrize("inner", [struct(struct(), numbers()), runs([3], numbers(1), 3)], ids=["struct", "runs"])
def test_a_child_of_its_own(inner: Column) -> None:
    def spoil(schema: Any, array: Any) -> None:
        for whole in (schema, array):
            part = child(whole, 1)
            set_child(part, 0, part)

    named = "in its child 1, in its child 0, .*it is nested deeper than 64 levels, or part of itself"
    spoiled_is_refused(struct(numbers(), inner), spoil, named)


def test_a_column_that_is_its_own_dictionary_or_child() -> None:
    """It has been moved out of its capsule, so what refers to it there refers to a struct that has been released."""

    def as_dictionary(schema: Any, array: Any) -> None:
        schema.dictionary, array.dictionary = ctypes.pointer(schema), ctypes.pointer(array)

    def as_child(schema: Any, array: Any) -> None:
        set_child(schema, 0, schema)
        set_child(array, 0, array)

    encoded = encoded_column(np.array([0, 1, 2], "i4"), numbers())
    refused(lambda: Spoiled(encoded, as_dictionary), "malformed: in its dictionary, it has been released")
    refused(lambda: Spoiled(struct(numbers()), as_child), "malformed: in its child 0, it has been released")


def test_children_that_share_their_children() -> None:
    """Each level has twice as many paths as the one above: 2**60 in the last."""

    def spoil(schema: Any, array: Any) -> None:
        for top in (schema, array):
            level = top
            for _ in range(60):
                below = child(level, 0)
                set_child(level, 1, below)
                level = below

    column = numbers()
    for _ in range(60):
        column = struct(column, numbers())
    with pytest.raises(ValueError, match="its type has more than 1,048,576 children in all levels"):
        HMap(str, np.int64).lookup_many(Spoiled(column, spoil))


def test_as_many_levels_as_pyarrow_takes() -> None:
    words = text_column(TEXTS)
    for _ in range(64):
        words = encoded_column(np.array([0, 1, 2], "i4"), words)
    assert HMap(str, np.int64, {"b": 5}).get_many(words, 0).tolist() == [0, 5, 0]
    deeper = encoded_column(np.array([0, 1, 2], "i4"), words)
    refused(lambda: deeper, "it is nested deeper than 64 levels")


# ---- items -----------------------------------------------------------------------------------------------------------


def item_is_refused(column: Column, in_maps: str, in_hash_many: str, key: Any = str, encoded: bool = True) -> None:
    """The position of a malformed item is named, also in a later chunk and in a dictionary."""
    refused(lambda: column, f"(s{in_maps}|{in_hash_many})", key=key)
    if encoded:
        words = encoded_column(np.arange(column.length).astype("i4"), column)
        refused(lambda: words, "(in the dictionary of the (keys|values), |word |its dictionary)", key=key)


OFFSETS = {
    "falling": ([0, 3, 2, 3], 1, "offsets run backwards"),
    "negative": ([-1, 1, 2, 3], 0, "offset is negative"),
    "falling below zero": ([0, 1, -5, 3], 1, "offsets run backwards"),
    "ending below zero": ([0, 1, 2, -3], 2, "offsets run backwards"),
    "jumping and coming back": ([0, 2**31 - 100, 2, 3], 1, "offsets run backwards"),
    "jumping at the first and coming back at the last": (
        [2**31 - 100, 2**31 - 10, 2**31 - 10, 3],
        2,
        "offsets run backwards",
    ),
}


@pytest.mark.parametrize("format", ["u", "U", "z", "Z"])
@pytest.mark.parametrize(("offsets", "position", "problem"), OFFSETS.values(), ids=OFFSETS)
def test_offsets_that_do_not_rise(format: str, offsets: list[int], position: int, problem: str) -> None:
    buffers = [None, np.array(offsets, "i4" if format in "uz" else "i8"), np.full(8, 97, "u1")]
    item_is_refused(
        Column(format, 3, buffers),
        rf"\[{position}\]: its Arrow {problem}",
        f"position {position} has bad offsets",
        str if format in "uU" else bytes,
    )


def test_an_offset_at_a_null_that_makes_the_next_item_begin_before_the_data() -> None:
    column = Column("u", 4, [bitmap([True, False, True, True]), np.array([0, 1, -7, 1, 2], "i4"), np.full(8, 97, "u1")])
    for call in (HMap(str, np.int64).lookup_many, HMap(str, np.int64).discard_many):
        with pytest.raises(ValueError, match=r"keys\[2\]: its Arrow offset is negative"):
            call(column)
    words = encoded_column(np.array([0, 2, 3], "i4"), column)
    with pytest.raises(ValueError, match="word 2 of its dictionary has bad offsets"):
        CACHE.hash_many(words)


def test_offsets_that_overflow_when_subtracted() -> None:
    buffers = [None, np.array([INT64_MAX, -(2**63), INT64_MAX, 3]), np.full(8, 97, "u1")]
    item_is_refused(Column("U", 3, buffers), r"\[0\]: its Arrow offsets run backwards", "position 0 has bad offsets")
    buffers = [None, np.array([0, 1, 2, INT64_MAX]), np.full(8, 97, "u1")]
    named = r"\[0\]: its Arrow offset is larger than any memory"
    item_is_refused(Column("U", 3, buffers), named, "position 0 has bad offsets")


def test_a_jump_behind_the_first_window() -> None:
    """A look-up reads 2048 offsets at a time."""
    n = 5000
    for position in (2047, 2048, 4096, n - 2):
        offsets = np.arange(n + 1, dtype="i4")
        offsets[position + 1] = 2**31 - 1
        column = Column("u", n, [None, offsets, np.full(n, 97, "u1")])
        for threads in (1, 2):
            with pytest.raises(ValueError, match=rf"keys\[{position + 1}\]: its Arrow offsets run backwards"):
                HMap(str, np.int64, {"a": 1}).lookup_many(column, threads=threads)
        with pytest.raises(ValueError, match=f"position {position + 1} has bad offsets"):
            CACHE.hash_many(column)


@pytest.mark.parametrize("code", [3, -1, 2**31 - 1, -(2**31)])
def test_codes_without_a_word(code: int) -> None:
    of_texts = encoded_column(np.array([0, 1, code], "i4"), text_column(TEXTS))
    refused(
        lambda: of_texts, rf"(s\[2\]: its Arrow dictionary has 3 words, none for code|position 2 has code {code}, and)"
    )
    first = encoded_column(np.array([0, 1], "i4"), numbers())
    of_numbers = encoded_column(np.array([0, code], "i4"), numbers())
    for call in (HMap(np.int64, np.int64).lookup_many, HMap(object, np.int64).factorize):
        with pytest.raises(ValueError, match=f"item 3 has code {code}, and its dictionary has 3 words"):
            call(Stream([first, of_numbers]))


RUN_ENDS = {
    "falling": ([1, 3, 2], "run 2 ends at 2, the one before at 3; run ends must rise"),
    "equal": ([1, 1, 3], "run 1 ends at 1, the one before at 1; run ends must rise"),
    "negative": ([-1, 2, 3], "run 0 ends at -1; run ends are 1 or more"),
    "zero": ([0, 2, 3], "run 0 ends at 0; run ends are 1 or more"),
    "too short": ([1, 2], "its runs end at 2, its items at 3"),
    "none": ([], "its runs end at 0, its items at 3"),
    "falling by more than half the range": ([30_000, -30_000, 32_000], "run 1 ends at -30000, the one before at 30000"),
    "more than values": ([1, 2, 3, 4], "its items lie in 4 runs, and it has 3 values"),
}


@pytest.mark.parametrize("dtype", ["i2", "i4", "i8"])
@pytest.mark.parametrize(("ends", "named"), RUN_ENDS.values(), ids=RUN_ENDS)
def test_run_ends(ends: list[int], named: str, dtype: str) -> None:
    for values, key in ((text_column(TEXTS), str), (numbers(), np.int64)):
        length = 4 if len(ends) == 4 else 3
        column = runs(ends, values, length, dtype=dtype)
        for source in (column, Stream([runs([3], values, 3, dtype=dtype), column])):
            for call in (
                HMap(key, np.int64).lookup_many,
                HMap(key, np.int64).factorize,
                HMap(object, np.int64).factorize,
            ):
                with pytest.raises(ValueError, match=f"the Arrow array is malformed: {named}"):
                    call(source)


def test_run_ends_of_other_types_and_with_nulls() -> None:
    column = runs([1, 3], text_column(TEXTS), 3)
    named = "in its child 0, these are its run ends, and "
    spoiled_is_refused(
        column,
        lambda schema, array: setattr(child(schema, 0), "format", b"f"),
        named + "they are not of type int16, int32 or int64",
    )
    nulls = runs([1, 3], text_column(TEXTS), 3)
    nulls.children[0].buffers, nulls.children[0].null_count = [bitmap([True, False]), np.array([1, 3], "i4")], 1
    refused(lambda: nulls, named + "some are null")
    alone = Column("+r", 3, [], children=[numbers(2)])
    refused(lambda: alone, "its type is run-end encoded and has 1 children, not run ends and values")


@pytest.mark.parametrize("offset", [0, 2])
def test_a_field_that_is_shorter_than_its_struct(offset: int) -> None:
    column = struct(numbers(3 + offset), numbers(2 + offset), offset=offset)
    named = f"in its child 1, it has {2 + offset} items, and its struct ends at item {3 + offset}"
    refused(lambda: column, named)
    with pytest.raises(ValueError, match=named):
        HMap(np.dtype([("a", "i8"), ("b", "i8")]), np.int64).set_many(column, 7)


# ---- capsules and streams --------------------------------------------------------------------------------------------


def test_capsules_of_other_names_and_other_objects() -> None:
    def pair(schema_name: bytes, array_name: bytes) -> Callable[[], object]:
        return lambda: (capsule(numbers().c_schema(), schema_name), capsule(numbers().c_array(), array_name))

    def given(what: Callable[[], object], method: str = "__arrow_c_array__") -> Callable[[], Any]:
        return lambda: Capsules(what, method)

    refused(given(pair(b"arrow_array", b"arrow_array")), "a capsule with the name 'arrow_array', not 'arrow_schema'")
    refused(given(pair(b"arrow_schema", b"used")), "a capsule with the name 'used', not 'arrow_array'")
    of_array = given(lambda: capsule(numbers().c_array()), "__arrow_c_stream__")
    refused(of_array, "a capsule with the name 'arrow_array', not 'arrow_array_stream'")
    refused(given(lambda: 5, "__arrow_c_stream__"), "must give capsules, not int", TypeError)
    refused(given(lambda: (5, 6)), "must give capsules, not int", TypeError)
    for nothing in (None, (), (1, 2, 3), 5):
        refused(given(lambda nothing=nothing: nothing), "must return a pair of capsules, not ", TypeError)


def test_what_has_been_read_or_released_before() -> None:
    def read_before(method: str, column: Any) -> Any:
        exported = getattr(column, method)()
        again = Capsules(lambda: exported, method)
        HMap(str, np.int64).lookup_many(again)
        return again

    refused(
        lambda: read_before("__arrow_c_array__", text_column(TEXTS)), "the Arrow array has been released, or read by"
    )
    stream = Stream([text_column(TEXTS)])
    refused(lambda: read_before("__arrow_c_stream__", stream), "the Arrow stream has been released, or read by")

    def released(schema: Any, array: Any) -> None:
        array.release(ctypes.addressof(array))

    refused(lambda: Spoiled(text_column(TEXTS), released), "the Arrow array has been released, or read by")


class Calls:
    """A stream whose functions are given; a number is what the function returns."""

    def __init__(
        self, get_schema: Any = 0, get_next: Any = 0, message: bytes | None = None, error: bool = True
    ) -> None:
        self.get_schema, self.get_next, self.message, self.error = get_schema, get_next, message, error

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        text = None if self.message is None else ctypes.create_string_buffer(self.message)
        address = None if text is None else ctypes.addressof(text)

        def made(kind: Any, given: Any) -> Any:
            if given is None:
                return kind()
            return kind(given if callable(given) else lambda stream, out: given)

        calls = made(GetSchema, self.get_schema), made(GetNext, self.get_next)
        get_error = GetError(lambda stream: address) if self.error else GetError()
        return capsule(arrow_source._export(CStream(*calls, get_error), (), calls, get_error, text))


def writes(exported: Callable[[], Any]) -> Callable[[int, Any], int]:
    def get(stream: int, out: Any) -> int:
        struct = exported()
        ctypes.memmove(out, ctypes.byref(struct), ctypes.sizeof(struct))
        return 0

    return get


def test_streams_that_fail_without_a_reason() -> None:
    texts = writes(text_column(TEXTS).c_schema)
    for failing in ({"get_schema": 5}, {"get_schema": texts, "get_next": 5}):
        for reason in ({}, {"message": b""}, {"error": False}):
            refused(lambda f=failing, r=reason: Calls(**f, **r), "the Arrow stream failed: no reason given", OSError)
        refused(
            lambda f=failing: Calls(**f, message=b"on \xff fire"), "the Arrow stream failed: on \ufffd fire", OSError
        )


def test_streams_without_functions_or_a_type() -> None:
    texts = writes(text_column(TEXTS).c_schema)
    for missing in ({"get_schema": None}, {"get_schema": texts, "get_next": None}):
        refused(lambda m=missing: Calls(**m), "the Arrow stream is malformed: it has no get_schema or no get_next")
    refused(lambda: Calls(get_schema=0), "the Arrow stream is malformed: its type has been released")

    def without_format() -> Any:
        schema = numbers().c_schema()
        schema.format = None
        return schema

    refused(lambda: Calls(get_schema=writes(without_format)), "its type has no format")  # it has no chunks


def test_chunks_of_another_type() -> None:
    chunks = [text_column(TEXTS), numbers()]
    refused(lambda: Stream(chunks), "in chunk 1, it has 2 buffers, its type needs 3")
    chunks = [text_column(TEXTS), encoded_column(np.array([0], "i4"), text_column(TEXTS))]
    refused(lambda: Stream(chunks), "in chunk 1, it has a dictionary, and its type has none")


def test_a_stream_without_end_can_be_interrupted() -> None:
    """pyarrow's stream over an iterator written in C runs no Python code, in which the signal would be handled."""
    pa = pytest.importorskip("pyarrow")
    batch = pa.record_batch({"a": ["a"]})
    for call in (HMap(str, np.int64).lookup_many, CACHE.hash_many):
        endless = pa.RecordBatchReader.from_batches(batch.schema, itertools.repeat(batch))
        with pytest.raises(KeyboardInterrupt), no_collections(), interrupted_after(0.02):
            call(endless)


# ---- what is not checked ---------------------------------------------------------------------------------------------


def test_texts_that_are_not_utf_8() -> None:
    column = text_column([b"a", b"\xff\xfe"])
    m, objects = HMap(str, np.int64), HMap(object, np.int64, {"a": 1})
    assert m.factorize(column).tolist() == m.factorize(column).tolist() == [0, 1]
    assert m["a"] == 0
    m.check()
    for call in (lambda: list(m), m.keys_array, lambda: objects.factorize(column)):
        with pytest.raises(UnicodeDecodeError):
            call()
    assert objects == {"a": 1}
    assert m.discard_many(column) == 2
    frozen, frozen_keys = FrozenMap.from_arrays(column, [0, 1]), FrozenSet.from_array(column)
    assert frozen.get_many(column).tolist() == [0, 1]
    assert frozen["a"] == 0
    for each in (frozen, frozen_keys):
        assert each.contains_many(column).all()
        assert sorted(each.positions(column).tolist()) == [0, 1]
        for call in (lambda each=each: list(each), lambda each=each: hash(each), lambda each=each: repr(each)):
            with pytest.raises(UnicodeDecodeError):
                call()
