"""The key and value types of the map's tests, with keys and values of each. Does not import the map.

All items are as a map returns them: floats are canonical, times are NumPy's, records are tuples.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import strategies as st


class Kind(NamedTuple):
    """A key type: its name for `np.dtype` (or str, bytes, object), numbered keys, keys at its borders, any keys."""

    spec: Any
    make: Callable[[int], Any]  # the i-th key, i < count; all different
    count: int
    edge: list[Any]  # all different; they may be among the numbered ones
    any: st.SearchStrategy[Any]

    @property
    def keys(self) -> list[Any]:
        return [self.make(i) for i in range(min(30, self.count))]

    def array(self, keys: Any) -> np.ndarray:
        return array_of(self.spec, keys)


def array_of(spec: Any, items: Any) -> np.ndarray:
    """The array that batch calls return for these items."""
    items = list(items)
    array = np.empty(len(items), object if spec in (str, bytes) else spec)
    for position, item in enumerate(items):  # a list of tuples would become two-dimensional
        array[position] = item
    return array


def whole(bits: int, signed: bool) -> Kind:
    least, most = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    first = max(least, -10)
    edge = sorted({least, least + 1, most, most - 1, 0, 1, most // 2 + 1, most & 0x55555555})
    count = min(2000, most - first + 1)
    return Kind(f"{'i' if signed else 'u'}{bits // 8}", lambda i: first + i, count, edge, st.integers(least, most))


def real(bits: int) -> Kind:
    info = np.finfo(f"f{bits // 8}")
    edge = [0.0, 1.0, -1.0, *map(float, (info.max, info.min, info.smallest_subnormal, info.eps))]
    edge += [float("inf"), -float("inf")]
    return Kind(f"f{bits // 8}", lambda i: i / 4, 2000, edge, st.floats(width=bits))


def time(unit: str) -> Kind:
    make = np.timedelta64 if unit.startswith("m") else np.datetime64
    name = unit[3:-1]
    edge = [make(i, name) for i in (0, -1, 2**63 - 1, -(2**63) + 1)]
    numbers = st.integers(-(2**63) + 1, 2**63 - 1)
    return Kind(unit, lambda i: make(i * 1000 - 9, name), 2000, edge, numbers.map(lambda n: make(n, name)))


def record(spec: list[Any] | np.dtype, make: Callable[[int], Any], edge: list[Any], *fields: Any) -> Kind:
    return Kind(np.dtype(spec), make, 2000, edge, st.tuples(*fields))


characters = st.characters(exclude_categories=())  # lone surrogates too
texts = st.text(characters, max_size=30)
finite = st.floats(allow_nan=False)  # a tuple with a NaN is equal to no other
short = st.text(st.characters(exclude_characters="\0"), max_size=3)  # trailing NULs are no part of a fixed text
OBJECT_KEYS = [
    lambda i: i,
    lambda i: f"text {i}",
    lambda i: (i, "tuple"),
    lambda i: frozenset([i]),
    lambda i: i + 0.5,
]
hashables = st.one_of(
    st.integers(), st.booleans(), finite, texts, st.none(), st.binary(), st.tuples(st.integers(0, 3), texts)
)
padded = np.dtype([("a", "i1"), ("b", "i4")], align=True)

KINDS = {
    "int8": whole(8, True),
    "int16": whole(16, True),
    "int32": whole(32, True),
    "int64": whole(64, True),
    "uint8": whole(8, False),
    "uint16": whole(16, False),
    "uint32": whole(32, False),
    "uint64": whole(64, False),
    "bool": Kind("?", lambda i: i == 1, 2, [False, True], st.booleans()),
    "float16": real(16),
    "float32": real(32),
    "float64": real(64),
    "datetime64[ns]": time("M8[ns]"),
    "datetime64[s]": time("M8[s]"),
    "datetime64[D]": time("M8[D]"),
    "timedelta64[ms]": time("m8[ms]"),
    "str": Kind(
        str,
        lambda i: "ключ €\U0001f511"[: i % 9] + str(i),
        2000,
        ["", "\0", "\0\0", "a\0", "\ud800", "\udfff", "x" * 12, "x" * 13, "x" * 12 + "\0", "\U0010ffff" * 400],
        texts,
    ),
    "bytes": Kind(
        bytes,
        lambda i: b"\0" * (i % 3) + str(i).encode() + b"." * (i % 19),
        2000,
        [b"", b"\0", b"\0\0", b"a\0", b"\xff" * 12, b"\xff" * 13, bytes(12), bytes(13), bytes(3000)],
        st.binary(max_size=30),
    ),
    "S5": Kind(
        "S5",
        lambda i: b"%d" % i,
        2000,
        [b"", b"\0a", b"12345", b"\xff" * 5],
        st.binary(max_size=5).map(lambda b: b.rstrip(b"\0")),
    ),
    "U4": Kind(
        "U4",
        lambda i: str(i),
        2000,
        ["", "\0a", "1234", "\U0010ffff" * 4],
        st.text(max_size=4).map(lambda s: s.rstrip("\0")),
    ),
    "V4": Kind(
        "V4", lambda i: i.to_bytes(4, "big"), 2000, [bytes(4), b"a\0\0\0", b"\xff" * 4],
        st.binary(min_size=4, max_size=4),
    ),
    "float and text": record(
        [("x", "f8"), ("name", "U3"), ("tag", "S2")],
        lambda i: (i / 2, str(i % 7), b"t"),
        [(0.0, "", b""), (float("inf"), "abc", b"\0t"), (5e-324, "\U0010ffff", b"\xff\xff")],
        finite,
        short,
        st.sampled_from([b"", b"a", b"\0b", b"ab"]),
    ),
    "padded record": record(
        padded, lambda i: (i % 100, i), [(0, 0), (-128, 2**31 - 1), (127, -(2**31))],
        st.integers(-128, 127), st.integers(-(2**31), 2**31 - 1),
    ),
    "object": Kind(
        object, lambda i: OBJECT_KEYS[i % 5](i), 2000,
        [None, (), "", b"", -1, -2, 2**100, float("inf"), int, frozenset()], hashables,
    ),
}  # fmt: skip


class ValueKind(NamedTuple):
    """A value type: its name and some values of it, the zero value first."""

    spec: Any
    values: list[Any]

    def array(self, values: Any) -> np.ndarray:
        return array_of(self.spec, values)


VALUE_KINDS = {
    **{name: ValueKind(kind.spec, [0, *kind.edge]) for name, kind in KINDS.items() if "int" in name},
    "bool": ValueKind("?", [False, True]),
    **{f"float{bits}": ValueKind(f"f{bits // 8}", [0.0, *real(bits).edge]) for bits in (16, 32, 64)},
    "longdouble": ValueKind("g", [np.longdouble(0), np.longdouble(1) / 3]),
    "complex64": ValueKind("c8", [0j, 1 + 2j, -0.5j]),
    "complex128": ValueKind("c16", [0j, 1e300 + 2j, -0.1j]),
    "datetime64[us]": ValueKind("M8[us]", [np.datetime64(i, "us") for i in (0, 1, -(2**62))]),
    "timedelta64[D]": ValueKind("m8[D]", [np.timedelta64(i, "D") for i in (0, 1, -(2**62))]),
    "str": ValueKind(str, ["", *KINDS["str"].edge]),
    "bytes": ValueKind(bytes, [b"", *KINDS["bytes"].edge]),
    "S3": ValueKind("S3", [b"", b"\0a", b"abc"]),
    "U3": ValueKind("U3", ["", "\0a", "€\U0001f511c"]),
    "V3": ValueKind("V3", [bytes(3), b"a\0\0", b"\xff" * 3]),
    "record": ValueKind(
        np.dtype([("x", "f8"), ("name", "U3"), ("n", "i2")]), [(0.0, "", 0), (-0.5, "€", -1), (1e300, "abc", 2**15 - 1)]
    ),
    "object": ValueKind(object, [None, [], {"a": [1]}, 2**100, "x" * 50]),
}  # fmt: skip

kinds = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
value_kinds = pytest.mark.parametrize("value_kind", VALUE_KINDS.values(), ids=VALUE_KINDS)
