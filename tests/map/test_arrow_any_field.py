"""Columns of any layout of which any one or two fields are wrong, in both packages: an error, or the right items.

Left out is what nobody can find, see test_arrow_hostile.py, which has the single faults by name.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable
from ctypes import POINTER
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import arrow_source
from arrow_source import Column, bitmap, encoded_column, text_column
from arrow_spoiling import INT64_MAX, Spoiled, SpoiledStream, child, runs, set_child, struct
from pyhmap import HMap
from tophash_cache import TopHashCache

CACHE = TopHashCache()
# Bytes behind each buffer: another format of wider items, up to 32 bytes each, reads no other memory.
ROOM = 256
HOSTILE = [0, -1, 2**31, INT64_MAX]
OF_TWO_BUFFERS = [
    "c",
    "S",
    "i",
    "l",
    "L",
    "e",
    "f",
    "g",
    "b",
    "tdD",
    "tdm",
    "tDn",
    "tsn:",
    "tsu:UTC",
    "ttn",
    "w:3",
    "w:16",
    "w:0",
]
OF_NO_BUFFER = [
    None, "", "n", "q", "w:", "w:-5", "w:4294967297", "+s", "+r", "+l", "+m", "+w:3", "+ud:0,1", "d:38,2",
    "ts", "tsq:", "tss", "tsn:Europe/Paris", "tts", "\u00e9", "vq", "_pli128",
]  # fmt: skip
OTHER_FORMATS = {"u": ["z", "vu", "vz"], "U": ["Z", "vu", "vz"], "vu": ["vz", "u", "U"], "+s": [], "+r": [], "n": []}


def with_room(column: Column) -> Column:
    """The same column, with zeros behind each buffer; also in its children and its dictionary."""
    column.buffers = [None if b is None else np.frombuffer(b.tobytes() + bytes(ROOM), "u1") for b in column.buffers]
    for part in (*column.children, *([column.dictionary] if column.dictionary else [])):
        with_room(part)
    return column


ITEMS = ["a", None, "", "a word of many bytes", "b"]
INTS = [5, None, -6, 7, 5]


def valid_columns() -> dict[str, tuple[Column, Any, list[Any]]]:
    """By name a column of each layout, the type of the keys that it holds, and the keys, None at nulls."""
    texts = [None if item is None else item.encode() for item in ITEMS]
    ints = [0 if item is None else item for item in INTS]
    there = bitmap([True, False, True, True, True])
    words, no_nulls = text_column([b"a", None, b"", b"a word of many bytes", b"b"]), text_column([b"x", b"y"], "U")
    codes = np.array([0, 1, 2, 3, 4], "i4")
    columns = {
        **{format: (text_column(texts, format, 2), str, ITEMS) for format in ("u", "U", "vu")},
        "u without nulls": (text_column([b"x", b"", b"z" * 30]), str, ["x", "", "z" * 30]),
        "w": (text_column([b"abc", None, b"def"], "w:3", 1), bytes, [b"abc", None, b"def"]),
        "l": (Column("l", 5, [there, np.array(ints)]), np.int64, INTS),
        "s": (
            Column("s", 5, [bitmap([True, False, True, True, True], 3), np.array([9] * 3 + ints, "i2")], offset=3),
            np.int16, INTS,
        ),
        "b": (Column("b", 5, [there, bitmap([True, True, False, True, False])]), np.int64, [1, None, 0, 1, 0]),
        "tdD": (
            Column("tdD", 3, [None, np.array([0, 1, 2], "i4")]), np.dtype("M8[D]"), list(np.arange(3).astype("M8[D]"))
        ),
        "n": (Column("n", 4, []), str, [None] * 4),
        "dictionary of u": (encoded_column(codes, words), str, ITEMS),
        "dictionary of l": (encoded_column(codes, Column("l", 5, [there, np.array(ints)])), np.int64, INTS),
        "dictionary of dictionary": (encoded_column(codes, encoded_column(codes, words)), str, ITEMS),
        "runs of U": (runs([2, 5, 6], text_column([b"x", b"y", b"z"], "U"), 4, 1), str, ["x", "y", "y", "y"]),
        "runs of l": (
            runs([2, 5], Column("l", 2, [bitmap([True, False]), np.array([5, 0])]), 4), np.int64, [5, 5, None, None]
        ),
        "runs of dictionary": (runs([1, 3], encoded_column(np.array([1, 0], "i1"), no_nulls), 3), str, ["y", "x", "x"]),
        "struct": (
            struct(
                Column("l", 4, [None, np.arange(4)], name="a"),
                Column("i", 4, [None, np.arange(4, 8, dtype="i4")], name="b"),
                offset=1,
            ),
            np.dtype([("a", "i8"), ("b", "i4")]), [(1, 5), (2, 6), (3, 7)],
        ),
    }  # fmt: skip
    return {name: (with_room(column), key, items) for name, (column, key, items) in columns.items()}


VALID = valid_columns()
HASHED = ("u", "U", "vu", "u without nulls", "w", "n", "dictionary of u")  # the types that hash_many takes


@st.composite
def changes(draw: Any, column: Column) -> tuple[str, Callable[[Any, Any], object]]:
    """The name of a field in a column, or in a part of it, and what spoils it."""
    if column.children and draw(st.booleans()):
        i = draw(st.integers(0, len(column.children) - 1))
        name, spoil = draw(changes(column.children[i]))
        return f"child {i}: {name}", lambda s, a: spoil(child(s, i), child(a, i))
    if column.dictionary and draw(st.booleans()):
        name, spoil = draw(changes(column.dictionary))
        return f"dictionary: {name}", lambda s, a: spoil(s.dictionary.contents, a.dictionary.contents)
    # A smaller length or offset is no lie: the items that remain are there.
    field, values = draw(
        st.sampled_from(
            [
                ("length", [0, -1, INT64_MAX, *range(column.length)]),
                ("offset", [0, -1, INT64_MAX, *range(column.offset)]),
                ("null_count", [*HOSTILE, -2, 1]),
                ("n_buffers", HOSTILE),
                ("n_children", HOSTILE),
                ("schema_n_children", HOSTILE),
                ("schema_flags", HOSTILE),
                ("schema_metadata", [None, b"", b"\xff\xff\xff\x7f"]),
                ("schema_name", [None, b"", b"\xff", b"a"]),
                ("schema_format", [each if each is None else each.encode() for each in formats(column)]),
                ("buffers", [None]),
                ("children", [None]),
                ("schema_children", [None]),
                *[(f"buffers[{i}]", [None]) for i in range(len(column.buffers))],
                *[
                    (f"{whose}children[{i}]", [None, "itself"])
                    for whose in ("", "schema_")
                    for i in range(len(column.children))
                ],
                ("dictionary", [None, "itself"]),
                ("schema_dictionary", [None, "itself"]),
                ("both dictionaries", ["itself"]),
                *[(f"both children[{i}]", ["itself"]) for i in range(len(column.children))],
            ]
        )
    )
    value = draw(st.sampled_from(values))
    return f"{field} = {value}", lambda schema, array: put(schema, array, field, value)


def formats(column: Column) -> list[str | None]:
    """Formats whose buffers are no longer than those of a column."""
    if column.format in ("u", "U", "vu", "+s", "+r", "n"):
        return [
            *OF_NO_BUFFER,
            *OTHER_FORMATS[column.format],
            *(OF_TWO_BUFFERS if column.format[0] != "+" else ["l", "u"]),
        ]
    return [*OF_NO_BUFFER, *OF_TWO_BUFFERS, "u", "vz"]


def put(schema: Any, array: Any, field: str, value: Any) -> None:
    if field.startswith("both "):
        for whose in ("", "schema_"):
            put(schema, array, whose + {"dictionaries": "dictionary"}.get(field[5:], field[5:]), value)
        return
    whole, field = (schema, field[7:]) if field.startswith("schema_") else (array, field)
    name, _, index = field.rstrip("]").partition("[")
    if name == "dictionary":
        whole.dictionary = ctypes.pointer(whole) if value else POINTER(type(whole))()
    elif name == "children" and index:
        if whole.children:
            set_child(whole, int(index), whole if value else None)
    elif name == "buffers" and index:
        if whole.buffers:
            whole.buffers[int(index)] = None
    else:
        setattr(whole, name, value)


DOCUMENTED = (ValueError, TypeError, OverflowError)
HARMLESS = ("schema_flags", "schema_metadata", "null_count = -1")


def remaining(items: list[Any], fields: list[str]) -> list[Any] | None:
    """The items of a column of which these fields are spoiled; None if it is no valid column any more, perhaps."""
    for field in fields:
        if shortened := re.fullmatch(r"length = (\d)", field):
            items = items[: int(shortened[1])]
        elif not field.rpartition(": ")[2].startswith(HARMLESS):
            return None
    return items


def outcome(call: Callable[[], Any]) -> Any:
    """What a call gives, or the documented error that it raises."""
    try:
        return call()
    except DOCUMENTED as error:
        if type(error) not in DOCUMENTED:  # such as a UnicodeDecodeError
            raise
        return type(error)


@pytest.mark.parametrize("name", VALID)
def test_the_columns_that_are_spoiled_are_what_pyarrow_reads(name: str) -> None:
    pa = pytest.importorskip("pyarrow")
    column, _, items = VALID[name]
    if name == "dictionary of dictionary":
        return  # pyarrow has no such type
    read = pa.array(column).to_pylist()
    if column.format == "+s":
        read = [tuple(row.values()) for row in read]
    assert read == [item.item() if isinstance(item, np.generic) else item for item in items]


@pytest.mark.parametrize("name", VALID)
@given(data=st.data())
def test_any_one_or_two_fields_of_any_column(name: str, data: st.DataObject) -> None:
    column, key, items = VALID[name]
    spoiled = data.draw(
        st.lists(changes(column), min_size=1, max_size=2, unique_by=lambda change: change[0].split(" = ")[0])
    )

    def spoil(schema: Any, array: Any) -> None:
        parts = [(each, put) for each, put in spoiled]
        # The deepest first: a part that is not reached any more cannot be spoiled.
        for _, change in sorted(parts, key=lambda part: -part[0].count(": ")):
            change(schema, array)

    read = remaining(items, [field for field, _ in spoiled])
    make = data.draw(st.sampled_from([Spoiled, SpoiledStream]))
    present = list(dict.fromkeys(item for item in items if item is not None))
    m = HMap(key, np.int64, {item: i for i, item in enumerate(present)})
    before = dict(m)
    places = read and [-1 if item is None else present.index(item) for item in read]

    found = outcome(lambda: m.factorize(make(column, spoil)))
    if read is not None:
        assert found.tolist() == places
    if isinstance(found, type):
        assert dict(m) == before
    m.check()

    found = outcome(lambda: HMap(key, np.int64, before).lookup_many(make(column, spoil)))
    if read is not None:
        values, there = found
        assert np.where(there, values, -1).tolist() == places
    outcome(lambda: HMap(np.int64, object).set_many(np.arange(len(items)), make(column, spoil)))
    outcome(lambda: HMap(object, np.int64).factorize(make(column, spoil)))

    digests = outcome(lambda: CACHE.hash_many(make(column, spoil)))
    if read is not None and name in HASHED:
        assert digests is ValueError if None in read else digests.tolist() == [CACHE.hash(item) for item in read]
    assert arrow_source.unreleased() == 0
