"""Which objects are accepted as keys and values, and the bytes that the table stores for them.

A codec represents one key or value type. It converts one object to its stored bytes and back (``encode``, ``decode``),
and a batch to an array (``batch``). The compiled engine and the reference both use the codecs, so they accept the same
objects and raise the same errors. The compiled engine converts exact ``int``, ``float``, ``str`` and ``bytes`` objects
itself.

Physical forms, as in ``_kernels/layout.pxd``:

    word32, word64    numbers and times, canonical bits, zero-extended to the word
    text              the bytes of a str, bytes, fixed S/U/V or structured key, of any length
    object            a Python object, kept in a list
    raw               values only: ``size`` bytes, as NumPy stores them

A key is accepted only if the type holds it exactly, since it must come out of the table as it went in. Values are
assigned as NumPy assigns them, within their kind: an int becomes a float, a float never becomes an int, and a value
that does not fit raises an error instead of being truncated.
"""

from __future__ import annotations

import datetime
import operator
import re
from collections.abc import Iterable
from typing import Any, TypeAlias, TypeVar, cast

import numpy as np
import numpy.typing as npt

from _hmap_bytes.arrow_column import Column as ArrowColumn
from _hmap_bytes.arrow_types import ArrowArray, ArrowStream
from pyhmap._convert.arrow_values import Runs
from pyhmap._convert.columns import (
    Column,
    Fields,
    check_code_points,
    check_zone,
    column_of,
    index_or_self,
    is_many,
    is_many_objects,
    object_array,
    objects_of,
    plain,
    python_items,
)
from pyhmap._convert.dtypes import type_of
from pyhmap._convert.scalars import columns, durations, floats, ints, longest, moments
from pyhmap._convert.text_batch import text_array, text_batch

_T = TypeVar("_T")
Many: TypeAlias = Iterable[_T] | ArrowArray | ArrowStream  #: the keys or values of a batch call
Array = npt.NDArray[Any]
Spec = np.dtype[Any] | type
Sequence: TypeAlias = list[Any] | tuple[Any, ...]

MAX_TEXT = 2**32 - 1  # bytes: the size of a Text is a uint32
SHOWN = 100  # characters of an item in a message


def key_codec(spec: Any) -> Codec:
    """The codec of a key type: ``str``, ``bytes``, ``object``, or anything that ``np.dtype`` accepts.

    Raises ``TypeError`` if keys of this type are not supported.

    >>> key_codec(">i8").dtype, key_codec(str).form, key_codec([("x", "i4"), ("y", "i4")]).form
    (dtype('int64'), 'text', 'text')
    """
    return _codec(spec, "key")


def value_codec(spec: Any) -> Codec:
    """The codec of a value type: ``str``, ``bytes``, ``object``, or any dtype of fixed size.

    Raises ``TypeError`` if values of this type are not supported.

    >>> value_codec("c16").form, value_codec(("f4", 3)).size
    ('raw', 12)
    """
    return _codec(spec, "value")


def _codec(spec: Any, what: str) -> Codec:
    if isinstance(spec, Codec):
        return spec
    dtype = type_of(spec, what)
    if dtype is str or dtype is bytes:
        return TextCodec(dtype, what)
    if dtype is object:
        return ObjectCodec(what)
    if dtype.hasobject:
        raise TypeError(f"{what}s of dtype {dtype} have object fields: use object for the whole {what}")
    for path, field in _fields_within(dtype):
        if field.kind in "SU" and field.itemsize == 0:
            raise TypeError(f"field {path!r} of the {what} dtype has no length: give one, such as {field.kind}16")
    if dtype.kind in "Mm" and _unit(dtype) == "generic":
        raise TypeError(f"the {what} dtype {dtype} has no unit: give one that has, such as {dtype.name}[s]")
    if dtype.kind in "bui" and dtype.subdtype is None:
        return IntCodec(dtype, what)
    if dtype.kind == "f" and dtype.itemsize <= 8:
        return FloatCodec(dtype, what)
    if dtype.kind in "Mm":
        return TimeCodec(dtype, what)
    if dtype.kind in "SUV" and dtype.names is None and dtype.subdtype is None and (dtype.itemsize or what == "value"):
        return FixedCodec(dtype, what)
    if dtype.names:
        return RecordCodec(dtype, what)
    if what == "value" and dtype.kind in "fc":
        return NumberCodec(dtype, what)
    if what == "value" and dtype.subdtype is not None:
        return SubarrayCodec(dtype, what)
    accepted = "ints, floats, bool, times, S, U, V, structured dtypes, str, bytes or object"
    raise TypeError(f"{what}s of dtype {dtype} are not supported: use {accepted}")


def _fields_within(dtype: np.dtype[Any]) -> Iterable[tuple[str, np.dtype[Any]]]:
    """The names and dtypes of all fields of a structured dtype, also of those inside of fields."""
    for name in dtype.names or ():
        field = dtype.fields[name][0]  # type: ignore[index]
        yield name, field
        for inner, inside in _fields_within(field.base):
            yield f"{name}.{inner}", inside


def shown(item: object) -> str:
    """An item in a message: its ``repr``, shortened.

    >>> shown(5), len(shown("a" * 1000)), shown(1 << 20_000)
    ('5', 100, 'an int of 20,001 bits')
    """
    try:
        text = repr(item)
    except ValueError:  # Python refuses to convert an int of more than 4300 digits
        if not isinstance(item, int):
            raise
        return f"an int of {item.bit_length():,} bits"
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."


class Codec:
    """One key or value type. ``what`` is "key" or "value": keys are held exactly and have a canonical form."""

    form = "raw"
    holder = "map"  # what holds the items, for messages; a set says so
    has_nan = has_nat = False  # whether NaN (NaT) is an item of the type; if not, it may stand for a null
    is_composite = is_array = False

    def __init__(self, dtype: Spec, what: str) -> None:
        self.dtype = dtype
        self.what = what
        self.is_key = what == "key"

    @property
    def name(self) -> str:
        """The type's name for messages and ``repr``."""
        return self.dtype.__name__ if isinstance(self.dtype, type) else str(self.dtype)

    @property
    def size(self) -> int:
        """The bytes of a raw value, or of a word before it is widened."""
        return cast("np.dtype[Any]", self.dtype).itemsize

    def encode(self, item: object) -> bytes:
        """The stored bytes of one object. Raises ``TypeError`` or ``OverflowError`` if the type cannot hold it."""
        try:
            return self._encode(item)
        except TypeError:
            same = plain(item)
            if same is item:
                raise
        return self._encode(same)

    def _encode(self, item: object) -> bytes:
        raise NotImplementedError

    def decode(self, stored: bytes) -> Any:
        """The object of these stored bytes."""
        return np.frombuffer(stored, self.dtype)[0].item()

    def check(self, item: object) -> None:
        """Raise the error that storing the item would raise."""
        self.encode(item)

    def zero(self) -> Any:
        """The zero value, which Go's map returns for a missing key."""
        return self.decode(bytes(self.size))

    def is_scalar(self, items: Any) -> bool:
        """Whether a batch argument is one item and not many."""
        return not is_many(items)

    def single(self, items: Any) -> Any:
        """The item of a scalar batch argument: the argument itself, or the item of a zero-dimensional array."""
        return items[()] if isinstance(items, np.ndarray) and items.ndim == 0 else items

    def array_of_stored(self, stored: Array) -> Array:
        """The array of the keys whose stored texts are in an object array, as bytes."""
        return np.frombuffer(b"".join(stored), self.dtype)

    def column(self, items: Any) -> Column:
        """The items of any container, not converted yet."""
        return column_of(items, self)

    def many(self, items: Any) -> tuple[Array, Array | None]:
        """The items of any container: a contiguous array of ``dtype``, and which items are not null.

        The second is a bool array, False at nulls, or None if there are none. At nulls, the first has an arbitrary
        item of the type. Keys are in canonical form. Raises ``TypeError`` or ``OverflowError`` naming the position of
        the first invalid item, or ``ValueError`` if the items are not one-dimensional.
        """
        if type(items) is list or type(items) is tuple:
            array = self._typed(items)
            if array is not None:
                return array if self.is_composite else self._exactly(array), None
        column = self.column(items)
        values, valid = column.values, column.valid
        if isinstance(values, ArrowColumn | Runs):
            values, valid = text_array(values, self)
        return self.convert(values, valid), valid

    def many_values(self, items: Any) -> Array:
        """The array of ``many``, with NaN, NaT or None at nulls. Raises ``ValueError`` if the type has none."""
        array, valid = self.many(items)
        return array if valid is None or valid.all() else self.with_nulls(array, valid)

    def convert(self, values: Any, valid: Array | None) -> Array:
        """The array of the values of a ``Column``."""
        if isinstance(values, Fields):
            given = (
                "a table" if values.names is None else f"a table or struct with the columns {', '.join(values.names)}"
            )
            raise TypeError(f"{self.what}s are {given}; this {self.holder} holds {self.name}: give one column")
        array = values if isinstance(values, np.ndarray) else self._from_list(values)
        if array.ndim != 1:
            many = f"{self.what}s"
            raise ValueError(f"{many} must be one-dimensional, not of shape {array.shape}: give {many}.ravel()")
        if valid is not None and not valid.all():
            array = (
                object_array(list(array)) if array.dtype.kind in "SU" and array.dtype != self.dtype else array.copy()
            )
            array[~valid] = object_array([self.zero()]) if array.dtype.kind == "O" else np.zeros(1, array.dtype)
        return self._exactly(array)

    def objects(self, items: Any) -> tuple[Array, Array | None]:
        """The items of any container, unchecked, as a call with one item takes them; and which items are not null."""
        column = self.column(items)
        values = column.values
        if isinstance(values, ArrowColumn | Runs):
            return text_array(values, self)
        return object_array(python_items(values, self) if isinstance(values, np.ndarray) else values), column.valid

    def text_items(self, texts: Any) -> Array:
        """The str or bytes objects of an Arrow column of texts, None at nulls."""
        array, valid = text_array(texts, self)
        if valid is not None:
            array[~valid] = None
        return array

    def with_nulls(self, array: Array, valid: Array) -> Array:
        """The array with the type's own missing value at nulls: NaN, NaT or None."""
        raise ValueError(f"{self.what}s[{int((~valid).argmax())}] is null: fill or drop nulls")

    def _from_list(self, items: Sequence) -> Array:
        """An array of Python objects for ``_exactly``: typed if that loses nothing, otherwise of dtype object."""
        array = self._typed(items)
        return object_array(items) if array is None else array

    def _typed(self, items: Sequence) -> Array | None:
        """A typed array of Python objects, if their types allow making it in one pass without loss; otherwise None."""
        return None

    def _exactly(self, array: Array) -> Array:
        return self._one_by_one(array)

    def _one_by_one(self, array: Array) -> Array:
        if len(array) and array.dtype.kind != "O":
            raise self.wrong_dtype(array)
        out = bytearray()
        for position in range(len(array)):
            try:
                out += self.encode(array[position])
            except (TypeError, OverflowError, ValueError):
                self._raise_at(array, position)
        return np.frombuffer(bytes(out), self.dtype) if len(array) else np.empty(0, self.dtype)

    def _raise_at(self, array: Array, position: int) -> None:
        """Raise the error of encoding this item, with its position in the batch."""
        try:
            self.encode(array[position])
        except (TypeError, OverflowError, ValueError) as error:
            raise type(error)(f"{self.what}s[{position}]: {error}") from None

    def wrong_type(self, item: object) -> TypeError:
        """The error for an item of another type."""
        given = f"{self.what} {shown(item)} is of type {type(item).__name__}"
        return TypeError(f"{given}; this {self.holder} holds {self.name}: convert the {self.what}")

    def too_long(self, size: int) -> OverflowError:
        """The error for a text of so many bytes."""
        return OverflowError(f"a {self.what} of {size:,} bytes is too long: at most {MAX_TEXT:,} bytes, so shorten it")

    def _too_large(self, item: object) -> OverflowError:
        return OverflowError(f"{self.what} {shown(item)} is outside {self.name}: use a {self.holder} of another type")

    def wrong_dtype(self, array: Array) -> TypeError:
        """The error for an array of another type."""
        return TypeError(
            f"{self.what}s are of dtype {array.dtype}; this {self.holder} holds {self.name}: convert the {self.what}s"
        )


class WordCodec(Codec):
    """A key or value of at most 8 bytes."""

    dtype: np.dtype[Any]

    @property
    def form(self) -> str:  # type: ignore[override]
        if not self.is_key:
            return "raw"
        return "word64" if self.dtype.itemsize == 8 else "word32"

    _canonical = True  # whether every array of the dtype is canonical as it is

    def many(self, items: Any) -> tuple[Array, Array | None]:
        if type(items) is np.ndarray and items.ndim == 1 and self._canonical and self._plain(items):
            return items, None
        return super().many(items)

    def _plain(self, array: Array) -> bool:
        return bool(array.dtype == self.dtype and array.flags.c_contiguous and array.flags.aligned)

    def _require(self, array: Array) -> Array:
        return np.require(array, self.dtype, ["C", "A"])


class IntCodec(WordCodec):
    """Ints of 8 to 64 bits, and bool. Accepts whatever has ``__index__``: also bool and NumPy's ints, but no floats."""

    def __init__(self, dtype: np.dtype[Any], what: str) -> None:
        super().__init__(dtype, what)
        self._canonical = dtype.kind != "b"  # a byte of a view may be 2: it is True as well
        info = None if dtype.kind == "b" else np.iinfo(dtype)
        self.least, self.most = (int(info.min), int(info.max)) if info else (0, 1)

    def _encode(self, item: object) -> bytes:
        if isinstance(item, np.bool):
            item = bool(item)
        if isinstance(item, np.timedelta64 | np.ndarray):  # their __index__ drops the unit, or the mask
            raise self.wrong_type(item)
        try:
            number = operator.index(cast("Any", item))
        except TypeError:
            if hasattr(item, "__index__") and type(item).__name__ != "NaTType":
                raise  # its own error
            raise self.wrong_type(item) from None
        if not self.least <= number <= self.most:
            limits = f"{self.name} ({self.least} to {self.most})"
            raise OverflowError(f"{self.what} {shown(number)} is outside {limits}: use a {self.holder} of another type")
        return (number & ((1 << 8 * self.size) - 1)).to_bytes(self.size, "little")

    def _typed(self, items: Sequence) -> Array | None:
        array = ints(items)
        if array is not None or not set(map(type, items)) <= INTS:
            return array
        try:
            return np.array(items, np.int64)
        except OverflowError:
            return None

    def _exactly(self, array: Array) -> Array:
        if array.dtype.kind == "b" and self.dtype.kind == "b":
            return cast("Array", np.ascontiguousarray(array).view(np.uint8) != 0)
        if self._plain(array):
            return array
        if array.dtype.kind not in "bui":
            return self._one_by_one(array)
        if array.dtype.kind != "b" and not np.can_cast(array.dtype, self.dtype, "safe"):
            outside = np.zeros(len(array), bool)
            if array.dtype.kind == "i" and self.least > np.iinfo(array.dtype).min:
                outside |= array < self.least
            if self.most < np.iinfo(array.dtype).max:
                outside |= array > self.most
            if outside.any():
                self._raise_at(array, int(outside.argmax()))
        return self._require(array)


class FloatCodec(WordCodec):
    """Floats of 16, 32 and 64 bits. Of keys, all NaN are one, -0.0 is 0.0, and a number must be held exactly. Of
    values, only a wider float is rounded; an int must be held exactly, and no finite number becomes infinite."""

    has_nan = True

    def __init__(self, dtype: np.dtype[Any], what: str) -> None:
        super().__init__(dtype, what)
        self._canonical = not self.is_key or dtype.itemsize == 8  # the kernels make those of 64 bits canonical

    def _encode(self, item: object) -> bytes:
        if isinstance(item, str | bytes | bytearray | np.complexfloating | np.timedelta64 | np.datetime64 | np.ndarray):
            raise self.wrong_type(item)
        if isinstance(item, np.bool):
            item = bool(item)
        is_real = hasattr(item, "__index__") or (not self.is_key and hasattr(item, "__float__"))
        if not isinstance(item, float | np.floating) and not is_real:
            raise self.wrong_type(item)
        exact = item if isinstance(item, float | np.floating) else index_or_self(item)
        try:
            with np.errstate(over="ignore"):
                number = np.array(exact if isinstance(exact, np.floating) else float(cast("Any", exact)), self.dtype)
        except TypeError:
            raise self.wrong_type(item) from None
        except OverflowError:
            raise self._too_large(item) from None
        if (self.is_key or not isinstance(exact, float | np.floating)) and number.item() != exact and exact == exact:
            # as Python compares: NumPy would make the int a float first
            nearest = f"the nearest is {number.item()!r}"
            raise OverflowError(f"{self.what} {shown(item)} has no exact {self.name}; {nearest}: round the {self.what}")
        if np.isinf(number) and (isinstance(exact, int) or np.isfinite(cast("Any", exact))):
            raise self._too_large(item)
        if self.is_key:
            number = _canonical_floats(number.reshape(1))
        return number.tobytes()

    def with_nulls(self, array: Array, valid: Array) -> Array:
        return np.where(valid, array, np.array(np.nan, self.dtype))

    def _typed(self, items: Sequence) -> Array | None:
        array = floats(items)
        if array is not None:
            return array
        types = set(map(type, items))
        if types == {int}:
            return ints(items)
        if types <= FLOATS:
            return np.array(items, np.float64)
        if types <= FLOATS | INTS and (self.is_key or self.dtype.itemsize == 8):
            try:
                array = np.array(items, np.float64)
            except OverflowError:
                return None
            if not (np.abs(array) >= 2.0**53).any():  # below that, the ints among them are exact
                return array
        return None

    def _exactly(self, array: Array) -> Array:
        if array.dtype.kind not in "biuf":
            return self._one_by_one(array)
        ints = array.dtype.kind in "iu"
        with np.errstate(over="ignore", invalid="ignore"):
            floats = self._require(array)
            # NumPy calls the cast of 64-bit ints to float64 safe.
            if (ints and array.dtype.itemsize == 8) or not np.can_cast(array.dtype, self.dtype, "safe"):
                if self.is_key or ints:
                    inexact = (floats.astype(array.dtype) != array) & (array == array)
                else:
                    inexact = np.isinf(floats) & np.isfinite(array)
                if ints:  # the largest ints wrap when they are converted back
                    most = 2.0 ** (8 * array.dtype.itemsize - (array.dtype.kind == "i"))
                    inexact |= floats.astype(np.float64) >= most
                if inexact.any():
                    self._raise_at(array, int(inexact.argmax()))
        return floats if self._canonical else _canonical_floats(floats)


class TimeCodec(WordCodec):
    """datetime64 and timedelta64 of one unit. Accepts objects of NumPy, pandas and ``datetime`` that the unit holds
    exactly; of those with a time zone, UTC only. NaT is a key like others, equal to itself."""

    has_nat = True

    def _encode(self, item: object) -> bytes:
        try:
            return self._exactly(self._array_of_one(item)).tobytes()
        except (TypeError, OverflowError) as error:
            raise type(error)(_without_position(error)) from None

    def _array_of_one(self, item: Any) -> Array:
        if type(item).__name__ == "NaTType":
            return np.array(["NaT"], self.dtype)
        if self.dtype.kind == "m":
            if hasattr(item, "to_timedelta64"):
                return np.array([item.to_timedelta64()])
            if not isinstance(item, np.timedelta64 | datetime.timedelta):
                raise self.wrong_type(item)
            return np.array([item if isinstance(item, np.timedelta64) else self._duration(item)])
        if isinstance(item, datetime.datetime):
            conversion = ".astimezone(datetime.timezone.utc)"
            check_zone(item.tzinfo, f"{self.what} {shown(item)} is", conversion)
            naive = item.to_datetime64() if hasattr(item, "to_datetime64") else np.datetime64(item.replace(tzinfo=None))
            return np.array([naive])
        if not isinstance(item, np.datetime64 | datetime.date):
            raise self.wrong_type(item)
        return np.array([np.datetime64(item)])

    def _duration(self, item: datetime.timedelta) -> np.timedelta64[Any]:
        """The duration in microseconds, or in seconds if 64 bits cannot hold the microseconds and seconds are exact."""
        seconds = 86400 * item.days + item.seconds
        for count, unit in (seconds * 10**6 + item.microseconds, "us"), (seconds, "s"):
            if abs(count) < 2**63 and (unit == "us" or item.microseconds == 0):
                return cast("np.timedelta64[Any]", np.array(count, f"m8[{unit}]")[()])
        raise self._too_large(item)

    def decode(self, stored: bytes) -> Any:
        return np.frombuffer(stored, self.dtype)[0]

    def with_nulls(self, array: Array, valid: Array) -> Array:
        return np.where(valid, array, np.array("NaT", self.dtype))

    def _typed(self, items: Sequence) -> Array | None:
        types = set(map(type, items))
        if types == {datetime.datetime} and self.dtype.kind == "M":
            return moments(items)
        if types == {datetime.timedelta} and self.dtype.kind == "m":
            return durations(items)
        if types == {datetime.date} and self.dtype.kind == "M":
            return np.array(items, "M8[D]")
        return self._of_pandas(items) if len(types) == 1 else None

    def _of_pandas(self, items: Sequence) -> Array | None:
        """Times of pandas without a zone, if they have one unit."""
        kind = type(items[0])
        method = getattr(kind, "to_datetime64" if self.dtype.kind == "M" else "to_timedelta64", None)
        if method is None or any(getattr(item, "tzinfo", None) is not None for item in items):
            return None
        units = {item.unit for item in items} if hasattr(kind, "unit") else set()
        return np.array([method(item) for item in items]) if len(units) == 1 else None

    def _one_by_one(self, array: Array) -> Array:
        if len(array) and array.dtype.kind != "O":
            raise self.wrong_dtype(array)
        times = np.empty(len(array), self.dtype)
        for position, item in enumerate(array):
            try:
                times[position] = self._exactly(self._array_of_one(plain(item)))[0]
            except (TypeError, OverflowError):
                self._raise_at(array, position)
        return times

    def _exactly(self, array: Array) -> Array:
        if array.dtype.kind != self.dtype.kind:
            return self._one_by_one(array)
        if array.dtype != self.dtype.newbyteorder(array.dtype.byteorder):
            self._check_unit(array)
            try:
                times = _in_unit(array, self.dtype)
                back = _in_unit(times, array.dtype)
            except (OverflowError, TypeError) as error:
                raise type(error)(f"{self.what}s: {error}") from None
            inexact = (back != array) & ~np.isnat(array)
            if inexact.any():
                position = int(inexact.argmax())
                if TIME_UNITS.index(_unit(array.dtype)) <= TIME_UNITS.index(_unit(self.dtype)):  # too far away
                    raise OverflowError(f"{self.what}s[{position}]: {self._too_large(array[position])}")
                raise OverflowError(
                    f"{self.what}s[{position}]: {self.what} {array[position]!r} has no exact {self.name}: round it"
                )
            array = times
        return self._require(array)

    def _check_unit(self, array: Array) -> None:
        """Raise if the unit cannot be converted exactly: NumPy takes a month for 30.44 days, and no unit for any."""
        unit, own = _unit(array.dtype), _unit(self.dtype)
        calendar = {"Y", "M"}
        if unit == "generic":
            reason = "has no unit: give one, such as np.timedelta64(1, 's')"
        elif self.dtype.kind == "m" and (unit in calendar) != (own in calendar):
            reason = (
                f"is in calendar units, which have no fixed length; this {self.holder} holds {self.name}: convert it"
            )
        else:
            return
        times = ~np.isnat(array)
        if times.any():
            position = int(times.argmax())
            given = array.dtype if unit == "generic" else repr(array[position])
            raise TypeError(f"{self.what}s[{position}]: {self.what} {given} {reason}")


class NumberCodec(Codec):
    """Values that are complex numbers or long doubles."""

    has_nan = True
    dtype: np.dtype[Any]

    def _encode(self, item: object) -> bytes:
        given: Any = bool(item) if isinstance(item, np.bool) else item
        real_only = self.dtype.kind == "f"
        if isinstance(given, np.timedelta64 | np.datetime64 | np.ndarray):
            raise self.wrong_type(item)
        if isinstance(given, complex | np.complexfloating) and real_only:
            raise self.wrong_type(item)
        if hasattr(given, "__index__"):
            given = operator.index(given)
        elif not isinstance(given, float | complex | np.inexact) and not hasattr(given, "__float__"):
            raise self.wrong_type(item)
        is_inexact = isinstance(given, float | complex | np.inexact)
        try:
            with np.errstate(over="ignore"):
                number = np.array([given if is_inexact or isinstance(given, int) else float(given)], self.dtype)
        except OverflowError:
            raise self._too_large(item) from None
        except (TypeError, ValueError):
            raise self.wrong_type(item) from None
        stored = number[0].real
        if not is_inexact and (not np.isfinite(stored) or given != (int(stored) if stored == int(stored) else stored)):
            raise OverflowError(f"{self.what} {shown(item)} has no exact {self.name}: round the {self.what}")
        if is_inexact and self._becomes_infinite(number, np.array([given])).any():
            raise self._too_large(item)
        return self._without_padding(number).tobytes()

    def _exactly(self, array: Array) -> Array:
        if array.dtype.kind not in "biufc" or (array.dtype.kind == "c" and self.dtype.kind != "c"):
            return self._one_by_one(array)
        with np.errstate(over="ignore", invalid="ignore"):
            numbers = np.require(array, self.dtype, ["C", "A"])
            if array.dtype.kind in "iu":
                most = 2.0 ** (8 * array.dtype.itemsize - (array.dtype.kind == "i"))  # it wraps when converted back
                wrong = (numbers.real.astype(array.dtype) != array) | (numbers.real >= most)
            else:
                wrong = self._becomes_infinite(numbers, array)
        if wrong.any():
            self._raise_at(array, int(wrong.argmax()))
        return self._without_padding(numbers)

    def _becomes_infinite(self, numbers: Array, given: Array) -> Array:
        parts = [(numbers.real, given.real), (numbers.imag, given.imag)]
        return cast("Array", np.logical_or.reduce([np.isinf(own) & np.isfinite(theirs) for own, theirs in parts]))

    def with_nulls(self, array: Array, valid: Array) -> Array:
        return np.where(valid, array, np.array(np.nan, self.dtype))

    def _without_padding(self, numbers: Array) -> Array:
        """Zero the bytes behind the 10 that an 80-bit long double uses: they are undefined."""
        if self.dtype.char not in "gG" or np.finfo(np.longdouble).nmant != 63:
            return numbers
        stored = numbers.copy()
        stored.view(np.uint8).reshape(-1, np.dtype(np.longdouble).itemsize)[:, 10:] = 0
        return stored


class TextCodec(Codec):
    """``str`` and ``bytes`` of any length. A str is stored as UTF-8. A lone surrogate takes three bytes, like other
    characters of its plane (Python's "surrogatepass"), so every str is a key and no two of them are equal."""

    form = "text"
    dtype: type

    def __init__(self, dtype: type, what: str) -> None:
        super().__init__(dtype, what)

    @property
    def size(self) -> int:
        return 16

    def _encode(self, item: object) -> bytes:
        if not isinstance(item, self.dtype):
            raise self.wrong_type(item)
        # The methods of the base classes: those of a subclass might return other bytes than a batch reads.
        stored = (
            str.encode(item, "utf-8", "surrogatepass")
            if isinstance(item, str)
            else bytes.__getitem__(cast("bytes", item), slice(None))
        )
        if len(stored) > MAX_TEXT:
            raise self.too_long(len(stored))
        return stored

    def decode(self, stored: bytes) -> Any:
        return stored if self.dtype is bytes else stored.decode("utf-8", "surrogatepass")

    def zero(self) -> Any:
        return self.dtype()

    def array_of_stored(self, stored: Array) -> Array:
        return stored

    def many(self, items: Any) -> tuple[Array, Array | None]:
        return text_array(text_batch(items, self), self)

    def _exactly(self, array: Array) -> Array:
        """The array as ``text_batch`` reads it, which checks the objects of an object array."""
        if len(array) == 0 or array.dtype.kind in ("OUT" if self.dtype is str else "OS"):
            return array
        raise self.wrong_dtype(array)


class FixedCodec(Codec):
    """Fixed-size S, U and V. As in NumPy, trailing NULs are not part of an S or U item. A longer item is an error."""

    dtype: np.dtype[Any]

    def __init__(self, dtype: np.dtype[Any], what: str) -> None:
        super().__init__(dtype, what)
        self._most = dtype.itemsize // (4 if dtype.kind == "U" else 1)  # characters, or bytes

    @property
    def form(self) -> str:  # type: ignore[override]
        return "text" if self.is_key else "raw"

    def _encode(self, item: object) -> bytes:
        kind = self.dtype.kind
        if not isinstance(item, str if kind == "U" else bytes | np.void) or (
            isinstance(item, np.void) and (kind != "V" or item.dtype.names is not None)
        ):
            raise self.wrong_type(item)
        if isinstance(item, str):
            text = item.rstrip("\0")
            if 4 * len(text) > self.dtype.itemsize:
                raise OverflowError(
                    f"{self.what} {shown(item)} has {len(text)} characters, too many for {self.name}: shorten it"
                )
            if self.is_key:
                return text.encode("utf-8", "surrogatepass")
            return text.encode("utf-32-le", "surrogatepass").ljust(self.dtype.itemsize, b"\0")
        stored = bytes(item)
        if kind == "S":
            stored = stored.rstrip(b"\0")
        if len(stored) > self.dtype.itemsize or (kind == "V" and len(stored) != self.dtype.itemsize):
            wanted = "give exactly so many bytes" if kind == "V" else "shorten it"
            raise OverflowError(
                f"{self.what} {shown(item)} has {len(stored)} bytes; this {self.holder} holds {self.name}: {wanted}"
            )
        return stored if self.is_key else stored.ljust(self.dtype.itemsize, b"\0")

    def decode(self, stored: bytes) -> Any:
        if not self.is_key and stored:  # V0, the value type of a set's map, has no bytes
            return super().decode(stored)
        return stored.decode("utf-8", "surrogatepass") if self.dtype.kind == "U" else stored

    def _typed(self, items: Sequence) -> Array | None:
        if self.dtype.kind == "V":
            return None
        length = longest(items, str if self.dtype.kind == "U" else bytes)
        if length is None or length > self._most:
            return None  # NumPy would convert another type, and cut off a longer text
        return np.array(items, self.dtype)

    def array_of_stored(self, stored: Array) -> Array:
        if self.dtype.kind == "V":
            return super().array_of_stored(stored)
        return np.array([self.decode(item) for item in stored], self.dtype)

    def _exactly(self, array: Array) -> Array:
        if array.dtype.kind == "U":
            check_code_points(array, self)
        if array.dtype == self.dtype:
            return np.require(array, self.dtype, ["C", "A"])
        if array.dtype.kind != self.dtype.kind or array.dtype.kind == "V":
            return self._one_by_one(array)
        if array.dtype.itemsize > self.dtype.itemsize:
            lengths = np.strings.str_len(array)
            if (lengths > self._most).any():
                self._raise_at(array, int((lengths > self._most).argmax()))
        return np.require(array, self.dtype, ["C", "A"])

    def _one_by_one(self, array: Array) -> Array:
        for position in range(len(array)):
            try:
                self.encode(array[position])
            except (TypeError, OverflowError):
                self._raise_at(array, position)
        return array.astype(self.dtype)


class RecordCodec(Codec):
    """Structured dtypes: composite keys, and structured values. An item is a tuple, or a NumPy record whose fields have
    the names of this dtype's fields, in any order."""

    dtype: np.dtype[Any]
    is_composite = True

    def __init__(self, dtype: np.dtype[Any], what: str) -> None:
        super().__init__(dtype, what)
        self.fields = [(name, _codec_of_field(dtype.fields[name][0], what)) for name in dtype.names or ()]  # type: ignore[index]

    @property
    def form(self) -> str:  # type: ignore[override]
        return "text" if self.is_key else "raw"

    def _encode(self, item: object) -> bytes:
        if isinstance(item, np.void):
            if item.dtype.names is None:
                raise self.wrong_type(item)
            self._check_names(item.dtype.names)
            item = tuple(item[name] for name, _ in self.fields)
        if not isinstance(item, tuple):
            raise self.wrong_type(item)
        if len(item) != len(self.fields):
            fields = f"{self.name} has {len(self.fields)}: give one item per field"
            raise TypeError(f"{self.what} {shown(item)} has {len(item)} fields; {fields}")
        record = np.zeros(1, self.dtype)  # zeroes the padding
        for (name, codec), part in zip(self.fields, item, strict=True):
            stored = codec.encode(part)
            if isinstance(codec, FixedCodec) and codec.is_key:
                stored = FixedCodec(codec.dtype, "value").encode(part)
            record[name] = np.frombuffer(stored, codec.dtype)[0]
        return record.tobytes()

    def is_scalar(self, items: Any) -> bool:
        if isinstance(items, tuple):
            return not items or not all(map(is_many, items)) or any(codec.is_array for _, codec in self.fields)
        return super().is_scalar(items)

    def _wrong_number(self, fields: Fields) -> TypeError:
        given = f"{self.what}s are {len(fields.columns)} columns; {self.name} has {len(self.fields)} fields"
        return TypeError(f"{given}: give one column per field")

    def _check_names(self, names: tuple[str, ...]) -> None:
        own = [name for name, _ in self.fields]
        if sorted(names) != sorted(own):
            raise TypeError(
                f"{self.what}s have the fields {', '.join(names)}; this {self.holder} has {', '.join(own)}: rename them"
            )

    def many(self, items: Any) -> tuple[Array, Array | None]:
        if type(items) is list:  # of tuples
            return super().many(items)
        column = self.column(items)
        fields, valid = column.values, column.valid
        if not isinstance(fields, Fields):
            return super().many(column)
        if fields.names is not None:
            self._check_names(fields.names)
        elif len(fields.columns) != len(self.fields):
            raise self._wrong_number(fields)
        order = fields.names or [name for name, _ in self.fields]
        columns = dict(zip(order, fields.columns, strict=True))
        parts = []
        for name, codec in self.fields:
            try:
                parts.append(codec.many(columns[name]))
            except (TypeError, OverflowError, ValueError) as error:
                raise type(error)(f"in column {name!r}, {error}") from None
        n = len(parts[0][0])
        for (name, _), (part, part_valid) in zip(self.fields, parts, strict=True):
            if len(part) != n:
                first = self.fields[0][0]
                raise ValueError(
                    f"column {name!r} has {len(part)} items, {first!r} has {n}: give columns of one length"
                )
            if part_valid is not None:
                valid = part_valid if valid is None else valid & part_valid
        return self._joined([part for part, _ in parts], n), valid

    def objects(self, items: Any) -> tuple[Array, Array | None]:
        column = self.column(items)
        fields, valid = column.values, column.valid
        if not isinstance(fields, Fields):
            return super().objects(column)
        if fields.names is not None:
            self._check_names(fields.names)
        elif len(fields.columns) != len(self.fields):
            raise self._wrong_number(fields)
        columns = dict(zip(fields.names or [name for name, _ in self.fields], fields.columns, strict=True))
        parts = [codec.objects(columns[name]) for name, codec in self.fields]
        for _, part_valid in parts:
            if part_valid is not None:
                valid = part_valid if valid is None else valid & part_valid
        return object_array(list(zip(*(part for part, _ in parts), strict=True))), valid

    def _joined(self, parts: list[Array], n: int) -> Array:
        out = np.zeros(n, self.dtype)  # zeroes the padding
        for (name, codec), part in zip(self.fields, parts, strict=True):
            out[name] = _canonical_floats(part) if codec.is_key and part.dtype.kind == "f" else part
        return out

    def decode(self, stored: bytes) -> Any:
        record = np.frombuffer(stored, self.dtype)  # an array: the fields of a scalar lose their trailing NULs
        return tuple(codec.decode(np.ascontiguousarray(record[name]).tobytes()) for name, codec in self._plain_fields)

    @property
    def _plain_fields(self) -> list[tuple[str, Codec]]:
        return [(name, _codec_of_field(codec.dtype, "value")) for name, codec in self.fields]

    def _typed(self, items: Sequence) -> Array | None:
        """Tuples are converted field by field, as columns."""
        parts = columns(items, len(self.fields))
        if not items or parts is None:
            return None
        try:
            return self._joined(
                [codec.convert(part, None) for (_, codec), part in zip(self.fields, parts, strict=True)], len(items)
            )
        except (TypeError, OverflowError, ValueError):
            return None  # the error then names the item

    def _exactly(self, array: Array) -> Array:
        if array.dtype == self.dtype and not self.is_key and not self.dtype.hasobject:
            return np.require(array, self.dtype, ["C", "A"])
        if array.dtype.kind == "O":
            return self._one_by_one(array)
        if len(array) == 0:
            return np.empty(0, self.dtype)
        if array.dtype.names is None:
            raise self.wrong_dtype(array)
        self._check_names(array.dtype.names)
        return self._joined([codec._exactly(array[name]) for name, codec in self.fields], len(array))


class SubarrayCodec(Codec):
    """Values, and fields of composite keys, that are arrays of one shape. As part of a key they come back as tuples."""

    dtype: np.dtype[Any]
    is_array = True

    def __init__(self, dtype: np.dtype[Any], what: str) -> None:
        super().__init__(dtype, what)
        base, self.shape = cast("tuple[np.dtype[Any], tuple[int, ...]]", dtype.subdtype)
        self.items = _codec(base, what)

    def _encode(self, item: object) -> bytes:
        return self._row(item).tobytes()

    def _row(self, item: Any) -> Array:
        """One item. A list is converted item by item, as NumPy would merge their types."""
        if isinstance(item, np.ma.MaskedArray) and np.ma.is_masked(item):
            raise TypeError(f"{self.what} has a masked item: fill it")
        try:
            array = np.asarray(item) if isinstance(item, np.ndarray) else np.array(item, object)
        except ValueError:
            array = np.empty(0, object)  # of rows of several lengths
        if array.shape != self.shape:
            given = f"{self.what} {shown(item)} is of shape {array.shape}"
            raise TypeError(f"{given}; this {self.holder} holds {self.name}: give shape {self.shape}")
        flat = array.reshape(-1)
        try:
            stored = self.items.convert(flat.tolist() if flat.dtype.kind == "O" else flat, None)
            return cast("Array", self._stored(stored, 1)[0])
        except (TypeError, OverflowError) as error:
            raise type(error)(_without_position(error)) from None

    def _stored(self, flat: Array, n: int) -> Array:
        if self.is_key and flat.dtype.kind == "f":
            flat = _canonical_floats(flat)
        return flat.reshape(n, *self.shape)

    def decode(self, stored: bytes) -> Any:
        array = np.frombuffer(stored, self.items.dtype).reshape(self.shape).copy()
        return _as_tuples(array.tolist()) if self.is_key else array

    def is_scalar(self, items: Any) -> bool:
        if isinstance(items, np.ndarray):
            return bool(items.shape == self.shape)
        if not isinstance(items, list | tuple):
            return not is_many(items)
        try:
            array = np.array(items, object)
        except ValueError:  # of rows of several lengths
            return False
        return array.shape == self.shape and not any(isinstance(part, list | tuple | np.ndarray) for part in array.flat)

    def convert(self, values: Any, valid: Array | None) -> Array:
        if isinstance(values, Fields):
            raise TypeError(f"{self.what}s are a table; this {self.holder} holds {self.name}: give one column")
        array = values if isinstance(values, np.ndarray) else object_array(values)
        if array.dtype.kind != "O" or array.ndim > 1:
            if array.shape[1:] != self.shape:
                wanted = f"(n, {', '.join(map(str, self.shape))})"
                raise ValueError(f"{self.what}s are of shape {array.shape}: give an array of shape {wanted}")
            if array.dtype.kind != "O":
                return self._exactly(array)
        rows = np.zeros(len(array), self.dtype)
        for position, row in enumerate(array):
            if valid is None or valid[position]:
                try:
                    rows[position] = self._row(row)
                except (TypeError, OverflowError) as error:
                    raise type(error)(f"{self.what}s[{position}]: {_without_position(error)}") from None
        return rows

    def _exactly(self, array: Array) -> Array:
        try:
            flat = self.items._exactly(np.ascontiguousarray(array).reshape(-1))
        except (TypeError, OverflowError):
            for position, row in enumerate(array):  # an error names the item, not its part
                try:
                    self._row(row)
                except (TypeError, OverflowError) as error:
                    raise type(error)(f"{self.what}s[{position}]: {_without_position(error)}") from None
            raise
        return self._stored(flat, len(array))


class ObjectCodec(Codec):
    """Any Python object. A key must be hashable: a batch call hashes all keys before it does anything else."""

    form = "object"

    def __init__(self, what: str) -> None:
        super().__init__(object, what)

    @property
    def size(self) -> int:
        return 8

    def check(self, item: object) -> None:
        if self.is_key:
            hash(item)

    def zero(self) -> None:
        return None

    def is_scalar(self, items: Any) -> bool:
        return not is_many_objects(items)

    def many(self, items: Any) -> tuple[Array, Array | None]:
        return objects_of(items, self)

    def with_nulls(self, array: Array, valid: Array) -> Array:
        return array  # objects_of() has put None there


def _codec_of_field(dtype: Spec, what: str) -> Codec:
    if isinstance(dtype, np.dtype) and dtype.subdtype is not None:
        return SubarrayCodec(dtype, what)
    return _codec(dtype, what)


TIME_UNITS = ["Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "ps", "fs", "as"]  # from coarse to fine


def _unit(dtype: np.dtype[Any]) -> str:
    return np.datetime_data(dtype)[0]


def _in_unit(times: Array, dtype: np.dtype[Any]) -> Array:
    """Times in another unit. NumPy refuses to convert between distant units, such as days and ps, in one step."""
    try:
        return times.astype(dtype)
    except OverflowError:
        kind = dtype.kind
        steps = ["s", "ns"] if _unit(dtype) in ("ps", "fs", "as") else ["ns", "s"]
        for unit in steps:
            times = times.astype(f"{kind}8[{unit}]")
        return times.astype(dtype)


def _without_position(error: Exception) -> str:
    """The message of an error in a batch that was made of one item."""
    return re.sub(r"^(key|value)s\[\d+\]: ", "", str(error))


def _as_tuples(items: Any) -> Any:
    return tuple(map(_as_tuples, items)) if isinstance(items, list) else items


INTS = {int, bool, *(np.dtype(code).type for code in "bBhHiIlLqQ")}
FLOATS = {float, np.float16, np.float32, np.float64}


CANONICAL_NAN = {2: 0x7E00, 4: 0x7FC00000, 8: 0x7FF8000000000000}  # for each size of float, as unsigned bits


def _canonical_floats(floats: Array) -> Array:
    """One NaN and one zero. Works on the bits, since arithmetic on a signalling NaN would warn."""
    size = floats.dtype.itemsize
    out = np.array(floats)
    bits = out.view(f"u{size}")
    bits[np.isnan(out)] = CANONICAL_NAN[size]
    bits[out == 0] = 0
    return out


# ---- the hash of the keys --------------------------------------------------------------------------------------------

# The name of the capsule that holds the C function of a cache, as _core.pxd declares it.
DIGEST_CAPSULE = b"tophash_cache.digest"


def check_hash(codec: Any, hash: object, hash_cache: Any) -> object:
    """Check that keys of this codec can have this hash, and a cache of it. Returns the capsule of the cache, or None.

    Raises ``ValueError`` if they cannot, and ``TypeError`` if ``hash_cache`` is no cache.

    >>> check_hash(key_codec(str), "xxh64", None)
    >>> check_hash(key_codec("i8"), None, object())
    Traceback (most recent call last):
    ...
    ValueError: hash_cache was given with hash=None and keys of type int64: it needs hash='xxh64' and str or bytes
    """
    if hash is not None and (hash != "xxh64" or codec.form != "text"):
        raise ValueError(f"hash={hash!r} with keys of type {codec.name}: give None, or hash='xxh64' for text keys")
    if hash_cache is None:
        return None
    if hash is None or codec.dtype not in (str, bytes):
        given = f"hash_cache was given with hash={hash!r} and keys of type {codec.name}"
        raise ValueError(f"{given}: it needs hash='xxh64' and str or bytes")
    try:
        return hash_cache._digest_capsule()
    except AttributeError:
        raise TypeError(f"hash_cache must be a tophash_cache.TopHashCache, not {type(hash_cache).__name__}") from None
