"""The catalogue of containers: what may hold a batch of keys or values, and how to build each from Python items.

Does not import the map. pandas, polars and pyarrow are imported when a container is built: a test of one that is not
installed is skipped.
"""

import array
import collections
import ctypes
import datetime
import decimal
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from held_exactly import RECORD

Items = list[Any]


class HasArray:
    """An object of another library that has only NumPy's protocol."""

    def __init__(self, held: np.ndarray) -> None:
        self.held = held

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return self.held


def own_items(made: Any) -> Items:
    if isinstance(made, HasArray):
        made = made.held
    return list(np.asarray(made) if isinstance(made, np.ndarray) else made)


class Container(NamedTuple):
    """A row of the table: one type of data in one library."""

    library: str
    name: str
    kind: str  #: of the items: a key of SAMPLES, or ANY if it holds all Python objects
    variants: dict[str, Callable[[Items], Any]]  #: ways to build one from items, in which None stands for a null
    null: str | None = None  #: how it shows a null; None if it has none
    refused: str = ""  #: what to do instead, where no type but object takes it
    objects: Callable[[Any], Items] = own_items  #: the items as the library itself gives them, for maps of object
    positions: bool = False  #: whether its items have types of their own, so that a wrong type has a position

    @property
    def id(self) -> str:
        return f"{self.library} {self.name}".replace("`", "")


# ---- items -----------------------------------------------------------------------------------------------------------

ANY = "any"


def instants(unit: str, *numbers: int) -> Items:
    return [np.datetime64(number, unit) for number in numbers]


def spans(unit: str, *numbers: int) -> Items:
    return [np.timedelta64(number, unit) for number in numbers]


def whole_numbers(bits: int, signed: bool) -> list[Items]:
    least, most = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    return [[1, 0, 1, 1], [7, 1, 100, 7, 0], [most, least, most - 1]] + ([[2**53 + 1, 2**53]] if bits == 64 else [])


TENTH = float(np.float32(0.1))
NOT_A_NUMBER = float("nan")
S, MONDAY = 10**9, 946_684_800  # nanoseconds per second, a second of the year 2000
BINARY = [[b"abcd", b"wxyz", b"abcd"], [b"a", b"", b"a\0b"], [b"longer than four", b"b"]]
TEXT = [["a", "b", "a"], ["", "a\0b", "\u20ac\U0001f511"], ["longer than four", "b"]]
NUL_AT_THE_END = [["a\0", "a", "a\0"]]
LONE_SURROGATES = [["\ud800", "a", "\udfff"]]
RECORDS = [
    [
        (2**53 + 1, "ab", np.datetime64(1, "ns")),
        (2**53, "ab", np.datetime64(1, "ns")),
        (2**53, "", np.datetime64(-S, "ns")),
        (2**53 + 1, "ab", np.datetime64(1, "ns")),
    ]
]

TIMES = {
    "M8[ns]": [instants("ns", S, -S, S), instants("ns", 0, 1, S, 1)],
    "M8[us]": [instants("us", 5, -5, 5), instants("us", 10**15 + 1, 10**15)],
    "M8[ms]": [instants("ms", 5, -5, 5)],
    "M8[s]": [instants("s", MONDAY, 0, MONDAY), instants("s", 0, 40 * MONDAY)],
    "M8[D]": [instants("D", 0, 12_000, 0), instants("D", 0, 400_000)],
    "m8[ns]": [spans("ns", S, -S, S), spans("ns", 0, 1, S, 1)],
    "m8[us]": [spans("us", 5, -5, 5)],
    "m8[s]": [spans("s", MONDAY, 0, MONDAY), spans("s", 0, 40 * MONDAY)],
}

# For each kind, samples of a column's items, as items of Python and NumPy.
SAMPLES: dict[str, list[Items]] = {
    **{f"int{bits}": whole_numbers(bits, True) for bits in (8, 32, 64)},
    **{f"uint{bits}": whole_numbers(bits, False) for bits in (8, 64)},
    "bool": [[True, False, True]],
    "float16": [[0.5, 2.0, 0.5], [1.0, NOT_A_NUMBER, -0.0, NOT_A_NUMBER]],
    "float32": [[0.5, 2.0, 0.5], [1.0, NOT_A_NUMBER, -0.0, NOT_A_NUMBER], [TENTH, float("inf")]],
    "float64": [
        [0.5, 2.0, 0.5],
        [1.0, NOT_A_NUMBER, -0.0, NOT_A_NUMBER],
        [TENTH, float("inf")],
        [0.1, 0.2],
        [0.5, 1e300],
    ],
    "complex": [[1j, 2.0 + 0j]],
    **TIMES,
    **{f"{name} or NaT": [*found, [found[0][0], np.array("NaT", name)[()]]] for name, found in TIMES.items()},
    "in UTC": TIMES["M8[ns]"],
    "in UTC or NaT": [*TIMES["M8[ns]"], [*instants("ns", 0), np.datetime64("NaT", "ns")]],
    "range": [[0, 1, 2]],
    "str": TEXT + NUL_AT_THE_END,
    "U": TEXT + LONE_SURROGATES,
    "label": [["a", "b", "a"], ["longer than four", "b"]],
    "bytes": [*BINARY, [b"a\0", b"a", b"a\0"]],
    "S": BINARY,
    "4 bytes": [[b"abcd", b"wxyz", b"abcd"], [b"a\0\0\0", b"a\0b\0"]],
    "V": [[np.void(b"abcd"), np.void(b"wxyz"), np.void(b"abcd")], [np.void(b"a\0\0\0"), np.void(b"a\0b\0")]],
    "record": RECORDS,
    "null": [[None, None]],
    # Only maps of object hold these.
    "zone": [instants("us", 5, -5, 5)],
    "decimal": [[decimal.Decimal("1.50"), decimal.Decimal("2.00")]],
    "time of day": [[datetime.time(1, 2, 3), datetime.time(4)]],
    "list": [[[1, 2], [3]]],
    "array": [[[1, 2], [3, 4]]],
    "struct": [[{"a": 1}, {"a": 2}]],
    "wide int": [[5, 2**100]],
    "period": [["2000-01", "2001-01"]],
    "interval": [[(0, 1), (1, 2)]],
}

UTC = datetime.UTC


def at(year: int, microsecond: int = 0, **rest: Any) -> datetime.datetime:
    return datetime.datetime(year, 1, 1, microsecond=microsecond, **rest)


# Python objects for each type, also some that it refuses, for the containers that hold any objects.
OBJECTS: dict[str, list[Items]] = {
    "int8": [[1, -128, 127, True, np.int64(5)], [1, 200], [1, 2.0], [1, "a"], [5, None]],
    "int64": [[2**53 + 1, 2**53, -(2**63), 2**53 + 1], [0, np.uint8(1), True], [1, 2**63], [1, 0.5], [5, NOT_A_NUMBER],
              [1, np.timedelta64(1, "s")], [1, decimal.Decimal(1)]],
    "uint64": [[2**64 - 1, 2**64 - 2, 0, 2**63], [1, -1], [1, b"a"]],
    "float32": [[0.5, np.float32(0.1), 3, 0.5], [NOT_A_NUMBER, 0.0, NOT_A_NUMBER, -0.0], [0.5, 0.1], [1, 2**24 + 1]],
    "float64": [[0.1, 1, np.int64(2**53), np.float32(0.1), 0.1], [NOT_A_NUMBER, 0.0, NOT_A_NUMBER, -0.0],
                [0.5, 2**53 + 1], [0.5, "1"], [0.5, decimal.Decimal(1)], [0.5, 1j]],
    "bool": [[True, False, np.True_, 1], [True, 2], [True, 1.0]],
    "M8[ns]": [[np.datetime64(1, "ns"), np.datetime64(0, "ns"), np.datetime64(1, "ns")],
               [at(2000, 5), datetime.date(2000, 1, 1), at(2000, 5, tzinfo=UTC), np.datetime64("2000-01-01T00:00:00")],
               [np.datetime64("NaT", "s"), at(1900)], [at(2000), at(2000, tzinfo=ZoneInfo("Europe/Berlin"))],
               [at(2000), at(3000)], [at(2000), "2000-01-01"], [at(2000), 5], [at(2000), np.timedelta64(1, "ns")]],
    "M8[us]": [[at(2000, 5), np.datetime64(1, "us"), at(9999)], [at(2000), np.datetime64(1, "ns")]],
    "m8[ns]": [[np.timedelta64(1, "ns"), datetime.timedelta(seconds=1), np.timedelta64(0, "s")],
               [datetime.timedelta(0), 5], [datetime.timedelta(0), at(2000)]],
    "str": [["a", "", "a\0", "a", "\ud800", "\u20ac\U0001f511 longer"], [np.str_("a"), "b"], ["a", b"a"], ["a", 5],
            ["a", None]],
    "bytes": [[b"a", b"", b"a\0", b"a", b"longer than sixteen"], [b"a", "a"], [b"a", bytearray(b"a")]],
    "S4": [[b"a", b"a\0", b"abcd", b""], [b"a", b"abcde"], [b"a", "a"]],
    "U4": [["a", "a\0", "abcd", ""], ["a", "abcde"], ["a", b"a"]],
    "V4": [[b"abcd", b"a\0\0\0", np.void(b"abcd")], [b"abcd", b"abc"], [b"abcd", "abcd"]],
    "record": [*RECORDS, [RECORDS[0][0], (1, "ab")], [RECORDS[0][0], (1, "abcde", np.datetime64(0, "ns"))],
               [RECORDS[0][0], 5]],
    "object": [[1, "a", (1, "b"), 2**100, frozenset([1]), 1.0], [0.5, b"x", datetime.date(2000, 1, 1), int, None],
               [1, [2]]],
}  # fmt: skip


def samples(container: Container, key_type: str) -> list[Items]:
    """The items that a test of this container with this type uses."""
    if container.kind == ANY:
        return OBJECTS[key_type]
    found = SAMPLES[container.kind]
    # A NaN object equals itself alone.
    return [items for items in found if all(item == item for item in items)] if key_type == "object" else found


# ---- Python ----------------------------------------------------------------------------------------------------------


def objects_array(items: Items) -> np.ndarray:
    out = np.empty(len(items), object)
    for position, item in enumerate(items):
        out[position] = item
    return out


PYTHON_SEQUENCES: dict[str, Callable[[Items], Any]] = {
    "list": list,
    "tuple": tuple,
    "deque": collections.deque,
    "generator": lambda items: (item for item in items),
    "dict values": lambda items: dict(enumerate(items)).values(),
    "object array": objects_array,
    "every second item of an object array": lambda items: np.repeat(objects_array(items), 2)[::2],
}


class HasArrow:
    """An object of another library that has only Arrow's protocol."""

    def __init__(self, held: Any) -> None:
        self.held = held

    def __arrow_c_array__(self, requested_schema: Any = None) -> Any:
        return self.held.__arrow_c_array__(requested_schema)


def of_each(make: Callable[[Any], Any], null: Callable[[], Any] | None = None) -> dict[str, Callable[[Items], Any]]:
    """A list and an object array of objects, made of each item."""

    def made(items: Items) -> Items:
        return [null() if item is None and null else make(item) for item in items]

    return {"list": made, "object array": lambda items: objects_array(made(items))}


def with_null(null: Callable[[], Any]) -> dict[str, Callable[[Items], Any]]:
    return of_each(lambda item: item, null)


def python_containers() -> list[Container]:
    yes = {"positions": True}
    rows = [
        Container("Python", "sequences, iterators, object arrays", ANY, PYTHON_SEQUENCES, **yes),
        Container("Python", "the same with `pd.NA`", ANY, with_null(lambda: pandas().NA), "`pd.NA`", **yes),
        Container("Python", "the same with `np.ma.masked`", ANY, with_null(lambda: np.ma.masked), "`masked`", **yes),
        Container("Python", "range", "range", {"range": lambda items: range(len(items))}),
        Container("Python", "list of `np.int64`", "int64", of_each(np.int64), **yes),
        Container("Python", "list of `np.timedelta64`", "m8[ns]", of_each(np.timedelta64), **yes),
        Container("Python", "list of `pd.Timestamp`", "M8[ns]", of_each(lambda item: pandas().Timestamp(item)), **yes),
        Container("Python", "list of `pd.Timedelta`", "m8[ns]", of_each(lambda item: pandas().Timedelta(item)), **yes),
        Container("Python", "list of pyarrow scalars, int64", "int64", pyarrow_scalars("int64"), "null scalar", **yes),
        Container("Python", "list of pyarrow scalars, string", "str", pyarrow_scalars("string"), "null scalar", **yes),
        Container("Python", "list of pyarrow scalars, timestamp[ns]", "M8[ns]", pyarrow_scalars("timestamp[ns]"),
                  "null scalar", **yes),
    ]  # fmt: skip
    for kind, code, letter, ctype in (
        ("int8", "b", "b", ctypes.c_int8),
        ("int64", "q", "q", ctypes.c_int64),
        ("uint64", "Q", "Q", ctypes.c_uint64),
        ("float32", "f", "f", ctypes.c_float),
        ("float64", "d", "d", ctypes.c_double),
        ("bool", "", "?", ctypes.c_bool),
    ):
        rows.append(Container("Python", f"buffer of {kind}", kind, buffers(code, letter, ctype)))
    return rows


def buffers(code: str, letter: str, ctype: Any) -> dict[str, Callable[[Items], Any]]:
    made = {
        "memoryview": lambda items: memoryview(np.array(items, letter)),
        "memoryview with a stride": lambda items: memoryview(np.repeat(np.array(items, letter), 2))[::2],
        "ctypes array": lambda items: (ctype * len(items))(*items),
        "object with `__array__`": lambda items: HasArray(np.array(items, letter)),
    }
    return made | ({"array.array": lambda items: array.array(code, items)} if code else {})


# ---- NumPy -----------------------------------------------------------------------------------------------------------


class Subclass(np.ndarray):
    """An array whose comparisons and items are its own."""

    def __getitem__(self, at: Any) -> Any:
        raise AssertionError("the base array is to be used")

    def __eq__(self, other: object) -> Any:
        raise AssertionError("the base array is to be used")

    __hash__ = None  # type: ignore[assignment]


def read_only(made: np.ndarray) -> np.ndarray:
    made.flags.writeable = False
    return made


def unaligned(made: np.ndarray) -> np.ndarray:
    fields = np.zeros(len(made), [("one byte", "i1"), ("made", made.dtype)])
    fields["made"] = made
    return fields["made"]


def layouts(dtype: Any) -> dict[str, Callable[[Items], Any]]:
    """An array of the items in every layout."""
    spec = np.dtype(dtype)

    def made(items: Items) -> np.ndarray:
        if spec.names or spec.kind == "T":
            out = np.empty(len(items), spec)
            for position, item in enumerate(items):
                out[position] = item
            return out
        return np.array(items, spec)

    forms: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "array": lambda a: a,
        "every second item": lambda a: np.repeat(a, 2)[::2],
        "backwards": lambda a: a[::-1].copy()[::-1],
        "read-only": read_only,
        "subclass": lambda a: a.view(Subclass),
    }
    if spec.kind not in "TV":
        forms["unaligned"] = unaligned
    if spec.kind in "iufcmMU" and spec.itemsize != 1:
        forms["byte-swapped"] = lambda a: a.astype(a.dtype.newbyteorder())
    return {name: (lambda items, form=form: form(made(items))) for name, form in forms.items()}


def masked(dtype: Any) -> dict[str, Callable[[Items], Any]]:
    spec = np.dtype(dtype)

    def made(items: Items) -> np.ma.MaskedArray:
        filler = next((item for item in items if item is not None), None)  # behind the mask: a key that is present
        plain = objects_array if spec.kind == "O" else lambda held: np.array(held, spec)
        held = plain([filler if item is None else item for item in items])
        return np.ma.array(held, mask=[item is None for item in items] if None in items else np.ma.nomask)

    return {
        "np.ma array": made,
        "np.ma array with a stride": lambda items: (
            np.ma.repeat(made(items), 2)[::2] if spec.kind != "O" else made([item for item in items for _ in "ab"])[::2]
        ),
    }


def string_dtype(*na: Any) -> Any:
    spec = np.dtypes.StringDType(na_object=na[0]) if na else np.dtypes.StringDType()

    def made(items: Items) -> np.ndarray:
        return np.array([na[0] if item is None and na else item for item in items], spec)

    return {"array": made, "every second item": lambda items: np.repeat(made(items), 2)[::2]}


def numpy_containers() -> list[Container]:
    plain = {
        "int8": "i1", "int32": "i4", "int64": "i8", "uint8": "u1", "uint64": "u8", "bool": "?",
        "float16": "f2", "float32": "f4", "float64": "f8", "complex": "c16",
        **{f"{unit} or NaT": unit for unit in ("M8[ns]", "M8[us]", "M8[s]", "M8[D]", "m8[ns]", "m8[s]")},
    }  # fmt: skip
    rows = [Container("NumPy", f"`{np.dtype(code).name}`", kind, layouts(code)) for kind, code in plain.items()]
    rows += [
        Container("NumPy", "`longdouble`", "float64", layouts("g")),
        Container("NumPy", "`S`", "S", layouts("S16")),
        Container("NumPy", "`U`", "U", layouts("U16")),
        Container("NumPy", "`V4`", "V", layouts("V4")),
        Container("NumPy", "record array", "record", layouts(RECORD)),
        Container("NumPy", "StringDType", "str", string_dtype()),
        Container("NumPy", "StringDType, na_object=None", "str", string_dtype(None), "`None`"),
        Container("NumPy", "StringDType, na_object=nan", "str", string_dtype(NOT_A_NUMBER), "`nan`"),
        Container("NumPy", "`np.ma` of object", ANY, masked(object), "masked", positions=True),
    ]
    for kind, code in (*plain.items(), ("S", "S16"), ("U", "U16")):
        if kind not in ("complex", "float16", "M8[s] or NaT", "m8[s] or NaT", "int32"):
            rows.append(
                Container(
                    "NumPy",
                    f"`np.ma` of {code if code[0] in 'SU' else np.dtype(code).name}",
                    kind,
                    masked(code),
                    "masked",
                )
            )
    return rows


# ---- pyarrow ---------------------------------------------------------------------------------------------------------


@cache
def pandas() -> Any:
    return pytest.importorskip("pandas")


@cache
def polars() -> Any:
    return pytest.importorskip("polars")


@cache
def pyarrow() -> Any:
    return pytest.importorskip("pyarrow")


def plain_counts(items: Items) -> Items:
    """Times as ints: exactly what an Arrow column of times stores."""
    return [int(item.astype("i8")) if isinstance(item, np.datetime64 | np.timedelta64) else item for item in items]


def arrow_type(name: str) -> Any:
    pa = pyarrow()
    if name.startswith("timestamp"):
        unit, _, zone = name[10:-1].partition(", ")
        return pa.timestamp(unit, zone or None)
    if name.startswith("duration"):
        return pa.duration(name[9:-1])
    makers = {
        "decimal128": lambda: pa.decimal128(10, 2),
        "decimal256": lambda: pa.decimal256(50, 2),
        "time32": lambda: pa.time32("s"),
        "time64": lambda: pa.time64("us"),
        "binary(4)": lambda: pa.binary(4),
        "list": lambda: pa.list_(pa.int64()),
        "large_list": lambda: pa.large_list(pa.int64()),
        "list(2)": lambda: pa.list_(pa.int64(), 2),
        "struct": lambda: pa.struct([("a", pa.int64())]),
    }
    return makers[name]() if name in makers else getattr(pa, name)()


def arrow_array(items: Items, name: str) -> Any:
    pa = pyarrow()
    type = arrow_type(name)
    if name.startswith(("timestamp", "duration")):
        return pa.array(plain_counts(items), pa.int64()).cast(type)
    if name == "date32":
        return pa.array(plain_counts(items), pa.int32()).cast(type)
    if name == "date64":
        return pa.array([None if n is None else n * 86_400_000 for n in plain_counts(items)], pa.int64()).cast(type)
    if name == "halffloat":
        return pa.array([None if item is None else np.float16(item) for item in items], type)
    return pa.array(items, type)


def padded(items: Items) -> Items:
    return [items[0], *items, items[-1]]


def in_chunks(made: Any) -> Any:
    """Three chunks, of which the second is empty, as slices of other offsets than 0."""
    pa = pyarrow()
    return pa.chunked_array([made.slice(0, 1), made.slice(1, 0), made.slice(1)], made.type)


def arrow_variants(build: Callable[[Items], Any]) -> dict[str, Callable[[Items], Any]]:
    return {
        "array": build,
        "slice": lambda items: build(padded(items)).slice(1, len(items)),
        "chunks (one of them empty)": lambda items: in_chunks(build(items)),
        "object with `__arrow_c_array__`": lambda items: HasArrow(build(items)),
    }


def arrow_row(name: str, kind: str, *, refused: str = "", label: str = "") -> Container:
    build = lambda items: arrow_array(items, name)  # noqa: E731
    return Container("pyarrow", f"`{label or name}`", kind, arrow_variants(build), "null", refused, arrow_objects)


def arrow_objects(made: Any) -> Items:
    return (made.held if isinstance(made, HasArrow) else made).to_pylist()


def dictionary(items: Items, name: str) -> Any:
    return arrow_array(items, name).dictionary_encode()


def null_in_dictionary(items: Items, name: str) -> Any:
    """A dictionary-encoded array with an entry of the dictionary for each item, also for a null."""
    pa = pyarrow()
    return pa.DictionaryArray.from_arrays(pa.array(range(len(items)), pa.int8()), arrow_array(items, name))


def run_ends(items: Items, name: str) -> Any:
    pa = pyarrow()
    return pa.RunEndEncodedArray.from_arrays(pa.array(range(1, len(items) + 1), pa.int32()), arrow_array(items, name))


def pyarrow_scalars(name: str) -> dict[str, Callable[[Items], Any]]:
    return {
        "list": lambda items: list(arrow_array(items, name)),
        "object array": lambda items: objects_array(list(arrow_array(items, name))),
    }


def pyarrow_containers() -> list[Container]:
    rows = [
        arrow_row(name, kind)
        for name, kind in (
            ("int8", "int8"), ("int32", "int32"), ("int64", "int64"), ("uint8", "uint8"), ("uint64", "uint64"),
            ("bool_", "bool"), ("float16", "float16"), ("float32", "float32"), ("float64", "float64"),
            ("timestamp[ns]", "M8[ns]"), ("timestamp[us]", "M8[us]"), ("timestamp[ms]", "M8[ms]"),
            ("timestamp[s]", "M8[s]"), ("timestamp[ns, UTC]", "in UTC"), ("timestamp[ns, Etc/UTC]", "in UTC"),
            ("timestamp[ns, +00:00]", "in UTC"), ("timestamp[ns, Zulu]", "in UTC"),
            ("date32", "M8[D]"), ("date64", "M8[D]"),
            ("duration[ns]", "m8[ns]"), ("duration[us]", "m8[us]"), ("duration[s]", "m8[s]"),
            ("string", "str"), ("large_string", "str"), ("string_view", "str"),
            ("binary", "bytes"), ("large_binary", "bytes"), ("binary_view", "bytes"), ("binary(4)", "4 bytes"),
            ("null", "null"),
        )
    ]  # fmt: skip
    rows += [
        arrow_row(name, kind, refused=refused)
        for name, kind, refused in (
            ("timestamp[us, Europe/Berlin]", "zone", "UTC.*convert"),
            ("timestamp[us, +02:00]", "zone", "UTC.*convert"),
            ("decimal128", "decimal", "cast"), ("decimal256", "decimal", "cast"),
            ("time32", "time of day", "cast"), ("time64", "time of day", "cast"),
            ("list", "list", "plain items"), ("large_list", "list", "plain items"), ("list(2)", "array", "plain items"),
            ("struct", "struct", "one column"),
        )
    ]  # fmt: skip
    for name, kind in (
        ("string", "str"), ("binary", "bytes"), ("int64", "int64"), ("uint8", "uint8"), ("float64", "float64"),
        ("bool_", "bool"), ("timestamp[ns]", "M8[ns]"), ("date32", "M8[D]"), ("duration[ns]", "m8[ns]"),
    ):  # fmt: skip
        both = arrow_variants(lambda items, name=name: dictionary(items, name))
        both["null in the dictionary"] = lambda items, name=name: null_in_dictionary(items, name)
        rows.append(Container("pyarrow", f"dictionary of `{name}`", kind, both, "null", "", arrow_objects))
    for name, kind in (("string", "str"), ("int64", "int64"), ("timestamp[ns]", "M8[ns]")):
        made = arrow_variants(lambda items, name=name: run_ends(items, name))
        rows.append(Container("pyarrow", f"run-end encoded `{name}`", kind, made, "null", "", arrow_objects))
    return rows


# ---- pandas ----------------------------------------------------------------------------------------------------------


def carriers(build: Callable[[Items], Any]) -> dict[str, Callable[[Items], Any]]:
    """The extension array that build makes, also in a Series and an Index. The Series' labels are not positions."""

    def series(items: Items) -> Any:
        return pandas().Series(build(items), index=range(len(items), 0, -1))

    return {
        "Series": series,
        "Index": lambda items: pandas().Index(build(items)),
        "array": build,
        "slice of a Series": lambda items: series(padded(items)).iloc[1:-1],
    }


def as_pandas(kind: str, dtype: str) -> Callable[[Items], Any]:
    def build(items: Items) -> Any:
        return pandas().Series(np.array(items, dtype)).array

    return build


def nullable(items: Items, code: str) -> Any:
    """An array of pandas' own nullable types. Behind a null is an item that is also present."""
    pd = pandas()
    mask = np.array([item is None for item in items], bool)
    filler = next((item for item in items if item is not None), 0)
    held = np.array([filler if item is None else item for item in items], code)
    arrays = {"b": pd.arrays.BooleanArray, "f": pd.arrays.FloatingArray}
    return arrays.get(held.dtype.kind, pd.arrays.IntegerArray)(held, mask)


def text_array(items: Items, dtype: Any) -> Any:
    pd = pandas()
    if dtype == "str" and int(pd.__version__.split(".")[0]) < 3:
        pytest.skip("an object array before pandas 3")
    return pd.array(items, dtype=dtype)


def categorical(items: Items, kind: str) -> Any:
    pd = pandas()
    words = list(dict.fromkeys(item for item in items if item is not None))
    categories = pd.Index(np.array(words, kind)) if kind != "object" else pd.Index(words, dtype=object)
    return pd.Categorical.from_codes([-1 if item is None else words.index(item) for item in items], categories)


def zoned(items: Items, zone: Any) -> Any:
    pd = pandas()
    return pd.DatetimeIndex(np.array(items)).tz_localize("UTC").tz_convert(zone).array


def object_carriers() -> dict[str, Callable[[Items], Any]]:
    def index(items: Items) -> Any:
        if any(isinstance(item, tuple) for item in items):
            return pandas().Index(objects_array(items), dtype=object, tupleize_cols=False)
        return pandas().Index(objects_array(items), dtype=object)

    return {
        "Series": lambda items: pandas().Series(objects_array(items), dtype=object, index=range(len(items), 0, -1)),
        "Index": index,
        "array": lambda items: pandas().array(objects_array(items), dtype=object),
    }


def object_column(null: Callable[[], Any]) -> dict[str, Callable[[Items], Any]]:
    return {
        name: (lambda items, build=build: build([null() if item is None else item for item in items]))
        for name, build in object_carriers().items()
    }


def dateutil_utc() -> Any:
    return pytest.importorskip("dateutil.tz").tzutc()


def pytz_utc() -> Any:
    return pytest.importorskip("pytz").utc


UTC_NAMES: dict[str, Callable[[], Any]] = {
    "datetime.timezone.utc": lambda: UTC,
    '"UTC"': lambda: "UTC",
    'ZoneInfo("UTC")': lambda: ZoneInfo("UTC"),
    'ZoneInfo("Etc/UTC")': lambda: ZoneInfo("Etc/UTC"),
    "dateutil": dateutil_utc,
    "pytz": pytz_utc,
    "timedelta(0)": lambda: datetime.timezone(datetime.timedelta(0), "Z"),
}


def pandas_containers() -> list[Container]:
    rows = [
        Container("pandas", f"`{np.dtype(code).name}`", kind, carriers(as_pandas(kind, code)))
        for kind, code in (
            ("int8", "i1"), ("int64", "i8"), ("uint64", "u8"), ("bool", "?"), ("float32", "f4"), ("float64", "f8"),
            *((f"{unit} or NaT", unit) for unit in ("M8[ns]", "M8[us]", "M8[s]", "m8[ns]")),
        )
    ]  # fmt: skip
    rows += [
        Container("pandas", f"`{name}`", kind, carriers(lambda items, code=code: nullable(items, code)), "`NA`")
        for name, kind, code in (
            ("Int8", "int8", "i1"), ("Int64", "int64", "i8"), ("UInt64", "uint64", "u8"), ("boolean", "bool", "?"),
            ("Float32", "float32", "f4"), ("Float64", "float64", "f8"),
        )
    ]  # fmt: skip
    rows += [
        Container("pandas", f"`{dtype}`", "str", carriers(lambda items, dtype=dtype: text_array(items, dtype)), null)
        for dtype, null in (("string[python]", "`NA`"), ("string[pyarrow]", "`NA`"), ("str", "`NaN`"))
    ]
    rows += [
        Container("pandas", f"Arrow-backed `{name}`", kind, arrow_backed(name), "`NA`", refused)
        for name, kind, refused in (
            ("int64", "int64", ""), ("uint64", "uint64", ""), ("float64", "float64", ""), ("bool_", "bool", ""),
            ("timestamp[ns]", "M8[ns]", ""), ("timestamp[ns, UTC]", "in UTC", ""), ("duration[ns]", "m8[ns]", ""),
            ("date32", "M8[D]", ""), ("string", "str", ""), ("large_string", "str", ""), ("binary", "bytes", ""),
            ("null", "null", ""), ("timestamp[us, Europe/Berlin]", "zone", "UTC.*convert"),
            ("decimal128", "decimal", "cast"), ("time64", "time of day", "cast"), ("list", "list", "plain items"),
            ("struct", "struct", "one column"),
        )
    ]  # fmt: skip
    for label, zone in UTC_NAMES.items():
        build = carriers(lambda items, zone=zone: zoned(items, zone()))
        rows.append(Container("pandas", f"`datetime64[ns, UTC]`, tz={label}", "in UTC or NaT", build))
    rows += [
        Container("pandas", "`datetime64[us, Europe/Berlin]`", "zone",
                  carriers(lambda items: zoned(items, "Europe/Berlin")), None, "UTC.*convert"),
        Container("pandas", "categorical of str", "str", carriers(lambda items: categorical(items, "object")), "`NaN`"),
        Container("pandas", "categorical of int64", "int64", carriers(lambda items: categorical(items, "i8")), "`NaN`"),
        Container("pandas", "categorical of `M8[ns]`", "M8[ns]",
                  carriers(lambda items: categorical(items, "M8[ns]")), "`NaT`"),
        Container("pandas", "object", ANY, object_column(lambda: None), "`None`", positions=True),
        Container("pandas", "object with `NA`", ANY, object_column(lambda: pandas().NA), "`NA`", positions=True),
        Container("pandas", "`Sparse[int64]`", "int64", carriers(sparse)),
        Container("pandas", "period", "period", carriers(periods), None, "convert"),
        Container("pandas", "interval", "interval", carriers(intervals), None, "convert"),
    ]  # fmt: skip
    return rows


def arrow_backed(name: str) -> dict[str, Callable[[Items], Any]]:
    return carriers(
        lambda items: pandas().arrays.ArrowExtensionArray(pyarrow().chunked_array([arrow_array(items, name)]))
    )


def sparse(items: Items) -> Any:
    return pandas().arrays.SparseArray(np.array(items, "i8"))


def periods(items: Items) -> Any:
    return pandas().PeriodIndex(items, freq="M").array


def intervals(items: Items) -> Any:
    return pandas().arrays.IntervalArray.from_tuples(items)


# ---- polars ----------------------------------------------------------------------------------------------------------


def polars_series(build: Callable[[Items], Any]) -> dict[str, Callable[[Items], Any]]:
    return {
        "Series": build,
        "slice": lambda items: build(padded(items)).slice(1, len(items)),
        "chunks": lambda items: build(items)[:1].append(build(items)[1:]),
    }


def polars_column(items: Items, name: str) -> Any:
    pl = polars()
    if name.startswith(("Datetime", "Duration")):
        unit, _, zone = name[9:-1].partition(", ")
        dtype = pl.Datetime(unit, zone or None) if name.startswith("Datetime") else pl.Duration(unit)
        return pl.Series(plain_counts(items), dtype=pl.Int64).cast(dtype)
    if name == "Date":
        return pl.Series(plain_counts(items), dtype=pl.Int32).cast(pl.Date)
    dtypes = {
        "Enum": lambda: pl.Enum(list(dict.fromkeys(item for item in items if item is not None))),
        "Decimal": lambda: pl.Decimal(10, 2),
        "List": lambda: pl.List(pl.Int64),
        "Array": lambda: pl.Array(pl.Int64, 2),
        "Struct": lambda: pl.Struct({"a": pl.Int64}),
    }
    return pl.Series(items, dtype=dtypes[name]() if name in dtypes else getattr(pl, name), strict=True)


def polars_containers() -> list[Container]:
    rows = [
        Container("polars", f"`{name}`", kind,
                  polars_series(lambda items, name=name: polars_column(items, name)), "null", refused, polars_objects)
        for name, kind, refused in (
            ("Int8", "int8", ""), ("Int32", "int32", ""), ("Int64", "int64", ""), ("UInt8", "uint8", ""),
            ("UInt64", "uint64", ""), ("Float32", "float32", ""), ("Float64", "float64", ""), ("Boolean", "bool", ""),
            ("Datetime[ns]", "M8[ns]", ""), ("Datetime[us]", "M8[us]", ""), ("Datetime[ms]", "M8[ms]", ""),
            ("Datetime[ns, UTC]", "in UTC", ""), ("Duration[ns]", "m8[ns]", ""), ("Duration[us]", "m8[us]", ""),
            ("Date", "M8[D]", ""), ("String", "str", ""), ("Binary", "bytes", ""), ("Categorical", "label", ""),
            ("Enum", "label", ""), ("Null", "null", ""),
            ("Datetime[us, Europe/Berlin]", "zone", "UTC.*convert"), ("Time", "time of day", "cast"),
            ("Decimal", "decimal", "cast"), ("List", "list", "plain items"), ("Array", "array", "plain items"),
            ("Struct", "struct", "one column"), ("Int128", "wide int", "cast"),
        )
    ]  # fmt: skip
    made = polars_series(lambda items: polars().Series(values=items, dtype=polars().Object))
    # Slices and chunks of Object columns are not tested: polars alone reads them.
    only = {"Series": made["Series"]}
    rows.append(Container("polars", "`Object`", ANY, only, "`None`", objects=polars_objects, positions=True))
    return rows


def polars_objects(made: Any) -> Items:
    return made.to_list()


# ---- tables: several columns are one key -----------------------------------------------------------------------------


def fields(items: Items, *, reordered: bool = True) -> dict[str, Any]:
    """The columns of records, in another order than the dtype's. A null record has a null in a column."""
    columns: dict[str, Any] = {name: [item and item[i] for item in items] for i, name in enumerate(RECORD.names or ())}
    return {name: columns[name] for name in (("at", "id", "name") if reordered else columns)}


def arrow_columns(items: Items) -> dict[str, Any]:
    columns = fields(items)
    types = {"id": "int64", "name": "string", "at": "timestamp[ns]"}
    return {name: arrow_array(columns[name], types[name]) for name in columns}


def arrow_struct(items: Items) -> Any:
    """A null record is a null of the struct and of its columns."""
    pa, columns = pyarrow(), arrow_columns(items)
    mask = pa.array([item is None for item in items], pa.bool_())
    return pa.StructArray.from_arrays(list(columns.values()), list(columns), mask=mask)


def pandas_frame(items: Items) -> Any:
    pd, columns = pandas(), fields(items)
    return pd.DataFrame(
        {
            "at": pd.Series(pd.arrays.ArrowExtensionArray(arrow_array(columns["at"], "timestamp[ns]"))),
            "id": pd.Series(nullable(columns["id"], "i8")),
            "name": pd.Series(columns["name"], dtype=object),
        }
    ).set_axis(range(len(items), 0, -1))


def polars_frame(items: Items) -> Any:
    columns = fields(items)
    names = {"id": "Int64", "name": "String", "at": "Datetime[ns]"}
    return polars().DataFrame({name: polars_column(columns[name], names[name]) for name in columns})


def columns_in_order(items: Items) -> Any:
    columns = fields(items, reordered=False)
    return (
        np.array(columns["id"], "i8"),
        arrow_array(columns["name"], "large_string"),
        np.array(columns["at"], "M8[ns]"),
    )


def tables() -> list[Container]:
    def row(name: str, variants: dict[str, Callable[[Items], Any]], null: str | None) -> Container:
        return Container("tables", name, "record", variants, null, "one column" if null else "")

    in_a_column = "null in a column"
    return [
        row("pandas DataFrame", {"DataFrame": pandas_frame}, "`NA` in a column"),
        row("polars DataFrame", {"DataFrame": polars_frame}, in_a_column),
        row("pyarrow Table", {"Table": lambda items: pyarrow().table(arrow_columns(items))}, in_a_column),
        row("pyarrow RecordBatch", {"batch": lambda items: pyarrow().record_batch(arrow_columns(items))}, in_a_column),
        row(
            "struct column",
            {
                "pyarrow array": arrow_struct,
                "pyarrow slice": lambda items: arrow_struct(padded(items)).slice(1, len(items)),
                "pyarrow chunks": lambda items: in_chunks(arrow_struct(items)),
                "polars Series": lambda items: polars_frame(items).to_struct("key"),
            },
            "null",
        ),
        row("tuple of columns", {"tuple": columns_in_order}, None),
        row("record array with its fields in another order", {"array": other_order}, None),
    ]


def other_order(items: Items) -> Any:
    spec = np.dtype([(name, RECORD[name]) for name in ("at", "name", "id")])
    out = np.empty(len(items), spec)
    for name, column in fields(items).items():
        out[name] = column
    return out


CONTAINERS = [
    *python_containers(),
    *numpy_containers(),
    *pandas_containers(),
    *polars_containers(),
    *pyarrow_containers(),
    *tables(),
]
