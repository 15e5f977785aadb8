"""What a key or value type holds: the oracle, in Python's own ints, floats and texts. Does not import the map.

`key_of` and `value_of` give the item as a map gives it back, in a form that a `dict` can compare: a time is a number of
units, every NaN is the one below, a record is a tuple. They raise TypeError for an item of another type, OverflowError
for one that the type cannot hold.
"""

import datetime
import decimal
import fractions
import math
from typing import Any

import numpy as np

NAN, NAT = "the key NaN", "the key NaT"  # unlike the floats and times, each is equal to itself
RECORD = np.dtype([("id", "i8"), ("name", "U4"), ("at", "M8[ns]")])

KEY_TYPES: dict[str, Any] = {
    "int8": np.int8,
    "int64": np.int64,
    "uint64": np.uint64,
    "float32": np.float32,
    "float64": np.float64,
    "bool": np.bool_,
    "M8[ns]": np.dtype("M8[ns]"),
    "M8[us]": np.dtype("M8[us]"),
    "m8[ns]": np.dtype("m8[ns]"),
    "str": str,
    "bytes": bytes,
    "S4": np.dtype("S4"),
    "U4": np.dtype("U4"),
    "V4": np.dtype("V4"),
    "record": RECORD,
    "object": object,
}
VALUE_TYPES = {name: KEY_TYPES[name] for name in ("int64", "float32", "float64", "M8[ns]", "str", "bytes", "object")}

NANOSECONDS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9, "D": 86_400 * 10**9}
EPOCH = datetime.datetime(1970, 1, 1)


def key_of(name: str, item: Any) -> Any:
    """The item as a key of the type of this name."""
    return held(KEY_TYPES[name], item, exactly=True)


def value_of(name: str, item: Any) -> Any:
    """The item as a value of the type of this name."""
    return held(VALUE_TYPES[name], item, exactly=False)


def held(spec: Any, item: Any, *, exactly: bool) -> Any:
    if spec is object:
        if exactly:
            hash(item)
        return item
    dtype = np.dtype(spec)
    if spec is str or dtype.kind == "U":
        return text(dtype, item, str)
    if spec is bytes or dtype.kind == "S":
        return text(dtype, item, bytes)
    if dtype.kind == "V" and dtype.names is None:
        return void(dtype, item)
    if dtype.names:
        if isinstance(item, np.void) and item.dtype.names:
            item = tuple(item[name] for name in dtype.names)
        if not isinstance(item, tuple) or len(item) != len(dtype.names):
            raise TypeError
        return tuple(held(dtype[name], part, exactly=exactly) for name, part in zip(dtype.names, item, strict=True))
    if dtype.kind in "mM":
        return time(dtype, item)
    if dtype.kind == "f":
        return real(dtype, item, exactly)
    return whole(dtype, item)


def whole(dtype: np.dtype, item: Any) -> int:
    number = integer(item)
    least, most = (0, 1) if dtype.kind == "b" else (int(np.iinfo(dtype).min), int(np.iinfo(dtype).max))
    if not least <= number <= most:
        raise OverflowError
    return number


def real(dtype: np.dtype, item: Any, exactly: bool) -> Any:
    """A float that is given to a narrower type as a value is rounded; an int never is."""
    is_float = isinstance(item, float | np.floating)
    if is_float and item != item:
        return NAN
    is_real = isinstance(item, fractions.Fraction | decimal.Decimal) and not exactly
    if not is_float and not is_real:
        item = integer(item)
    with np.errstate(over="ignore"):
        nearest = float(dtype.type(float(item)))
    if nearest != item and (exactly or not is_float or math.isinf(nearest)):
        raise OverflowError
    return nearest


def integer(item: Any) -> int:
    if not isinstance(item, int | np.integer | np.bool) or isinstance(item, np.timedelta64):
        raise TypeError
    return int(item)


def text(dtype: np.dtype, item: Any, kind: type) -> Any:
    if not isinstance(item, kind):
        raise TypeError
    if dtype.itemsize == 0:  # of str and bytes
        return kind.__getitem__(item, slice(None))
    short = item.rstrip("\0" if kind is str else b"\0")
    if len(short) > dtype.itemsize // (4 if kind is str else 1):
        raise OverflowError
    return short


def void(dtype: np.dtype, item: Any) -> bytes:
    if not isinstance(item, bytes | np.void) or (isinstance(item, np.void) and item.dtype.names):
        raise TypeError
    if len(bytes(item)) != dtype.itemsize:
        raise OverflowError
    return bytes(item)


def time(dtype: np.dtype, item: Any) -> Any:
    """The number of units of an instant or of a duration."""
    nanoseconds = nanoseconds_of(item, dtype.kind)
    if nanoseconds == NAT:
        return NAT
    unit, count = np.datetime_data(dtype)
    number, rest = divmod(nanoseconds, NANOSECONDS[unit] * count)
    if rest or not -(2**63) < number < 2**63:
        raise OverflowError
    return number


def nanoseconds_of(item: Any, kind: str) -> Any:
    if type(item).__name__ == "NaTType":
        return NAT
    if hasattr(item, "to_datetime64") or hasattr(item, "to_timedelta64"):  # pandas
        in_utc(item)
        item = (getattr(item, "to_datetime64", None) or item.to_timedelta64)()
    if isinstance(item, np.datetime64 | np.timedelta64):
        if item.dtype.kind != kind:
            raise TypeError
        if np.isnat(item):
            return NAT
        unit, count = np.datetime_data(item.dtype)
        return int(item.astype("i8")) * NANOSECONDS[unit] * count
    if kind == "M" and isinstance(item, datetime.date):
        in_utc(item)
        if not isinstance(item, datetime.datetime):
            item = datetime.datetime(item.year, item.month, item.day)
        item = item.replace(tzinfo=None) - EPOCH
    elif not (kind == "m" and isinstance(item, datetime.timedelta)):
        raise TypeError
    return ((item.days * 86_400 + item.seconds) * 10**6 + item.microseconds) * 1000


def in_utc(item: Any) -> None:
    if getattr(item, "tzinfo", None) is not None and str(item.tzinfo) not in ("UTC", "Etc/UTC", "Zulu", "tzutc()"):
        raise TypeError


def canonical(spec: Any, item: Any) -> Any:
    """A key or value that a map gives back, in the form of `key_of` and `value_of`."""
    if spec is object:
        return item
    dtype = np.dtype(spec)
    if dtype.names:
        parts = item if isinstance(item, tuple) else tuple(item[name] for name in dtype.names)
        return tuple(canonical(dtype[name], part) for name, part in zip(dtype.names, parts, strict=True))
    if dtype.kind in "mM":
        if not isinstance(item, np.datetime64 | np.timedelta64):  # an item of array.tolist()
            raise TypeError(f"{item!r} is no NumPy time")
        return NAT if np.isnat(item) else int(item.astype(dtype).astype("i8"))
    if dtype.kind == "f":
        return NAN if item != item else float(item)
    if dtype.kind == "V":
        return bytes(item)
    return item
