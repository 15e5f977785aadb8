"""The names of Arrow types, against the formats that pyarrow and polars export."""

import ctypes

import pyarrow as pa
import pytest

from _hmap_bytes.arrow_types import type_name
from arrow_source import CSchema, CStream, GetSchema

_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_pointer.restype = ctypes.c_void_p
_pointer.argtypes = [ctypes.py_object, ctypes.c_char_p]


def format_of(exporter) -> str:
    """The format string of a type or a column."""
    if hasattr(exporter, "__arrow_c_schema__"):
        capsule = exporter.__arrow_c_schema__()
        return CSchema.from_address(_pointer(capsule, b"arrow_schema")).format.decode()
    capsule = exporter.__arrow_c_stream__()
    stream = _pointer(capsule, b"arrow_array_stream")
    schema = CSchema()
    get_schema = ctypes.cast(CStream.from_address(stream).get_schema, GetSchema)
    assert get_schema(stream, ctypes.pointer(schema)) == 0
    format = schema.format.decode()
    schema.release(ctypes.addressof(schema))
    return format


# pyarrow's own name of these types is the expected one.
NAMED_BY_PYARROW = [
    *[pa.null(), pa.int8(), pa.uint8(), pa.int16(), pa.uint16(), pa.int32(), pa.uint32(), pa.int64(), pa.uint64()],
    *[pa.bool_(), pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary(), pa.binary_view()],
    *[pa.decimal32(9, 2), pa.decimal64(18, -2), pa.decimal128(38, 2), pa.decimal256(76, 10)],
    *[pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns"), pa.month_day_nano_interval()],
    *[pa.timestamp(unit) for unit in ("s", "ms", "us", "ns")],
    *[pa.timestamp(unit, "Europe/Zurich") for unit in ("s", "ms", "us", "ns")],
    *[pa.duration(unit) for unit in ("s", "ms", "us", "ns")],
]


@pytest.mark.parametrize("arrow_type", NAMED_BY_PYARROW, ids=str)
def test_a_type_has_the_name_that_pyarrow_gives_it(arrow_type):
    assert type_name(format_of(arrow_type)) == str(arrow_type)


@pytest.mark.parametrize(
    ("arrow_type", "name"),
    [
        (pa.float16(), "float16"),
        (pa.float32(), "float32"),
        (pa.float64(), "float64"),
        (pa.date32(), "date32"),
        (pa.date64(), "date64"),
        (pa.timestamp("s", "+05:30"), "timestamp[s, tz=+05:30]"),
        (pa.binary(16), "fixed_size_binary(16)"),
        (pa.struct({"x": pa.int8()}), "struct"),
        (pa.list_(pa.int8()), "list"),
        (pa.large_list(pa.int8()), "large_list"),
        (pa.list_view(pa.int8()), "list_view"),
        (pa.large_list_view(pa.int8()), "large_list_view"),
        (pa.list_(pa.int8(), 3), "fixed_size_list(3)"),
        (pa.map_(pa.string(), pa.int8()), "map"),
        (pa.run_end_encoded(pa.int32(), pa.string()), "run-end encoded"),
        (pa.dense_union([pa.field("x", pa.int8()), pa.field("y", pa.string())]), "dense union"),
        (pa.sparse_union([pa.field("x", pa.int8())]), "sparse union"),
        (pa.schema({"x": pa.int8()}), "struct"),
    ],
    ids=str,
)
def test_a_type_whose_name_in_pyarrow_says_less_or_more(arrow_type, name):
    assert type_name(format_of(arrow_type)) == name


def test_the_types_that_only_polars_has():
    pl = pytest.importorskip("polars")
    for dtype, name in {"Int128": "int128", "UInt128": "uint128"}.items():
        if hasattr(pl, dtype):
            assert type_name(format_of(pl.Series([1], dtype=getattr(pl, dtype)))) == name


@pytest.mark.parametrize(("format", "name"), [("tiM", "month_interval"), ("tiD", "day_time_interval")])
def test_the_intervals_that_pyarrow_does_not_have(format, name):
    assert type_name(format) == name


@pytest.mark.parametrize(
    "format", ["", "x", "+x", "ts", "tss", "tsx:UTC", "d:38", "d:a,b", "w", "_plsomething", "a{}:b"]
)
def test_an_unknown_format_stands_for_itself_in_quotes(format):
    assert type_name(format) == f"'{format}'"
