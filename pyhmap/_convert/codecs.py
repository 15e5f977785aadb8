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
from collections.abc import Iterable
from typing import Any, TypeAlias, TypeVar, cast

import numpy as np
import numpy.typing as npt

from _hmap_bytes.arrow_types import ArrowArray, ArrowStream

_T = TypeVar("_T")
Many: TypeAlias = Iterable[_T] | ArrowArray | ArrowStream  #: the keys or values of a batch call
Array = npt.NDArray[Any]
Spec = np.dtype[Any] | type

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
    if spec is None:  # NumPy would read it as float64
        raise TypeError(f"the {what} type is None: give one, such as np.int64 or str")
    if isinstance(spec, Codec):
        return spec
    if spec is str or spec is bytes:
        return TextCodec(spec, what)
    if spec is object:
        return ObjectCodec(what)
    try:
        dtype = np.dtype(spec)
    except TypeError as error:
        raise TypeError(f"the {what} type is no dtype ({error}): give a dtype, str, bytes or object") from None
    if dtype.kind == "T":
        return TextCodec(str, what)
    if dtype.kind == "O":
        return ObjectCodec(what)
    if dtype.kind in "SU" and dtype.itemsize == 0:
        return TextCodec(bytes if dtype.kind == "S" else str, what)
    dtype = dtype.newbyteorder("=")
    if dtype.hasobject:
        raise TypeError(f"{what}s of dtype {dtype} have object fields: use object for the whole {what}")
    if dtype.kind in "Mm" and np.datetime_data(dtype)[0] == "generic":
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
        if isinstance(items, np.ndarray):
            return items.ndim == 0
        return isinstance(items, str | bytes | np.generic) or not hasattr(items, "__iter__")

    def single(self, items: Any) -> Any:
        """The item of a scalar batch argument: the argument itself, or the item of an array without dimensions."""
        return items[()] if isinstance(items, np.ndarray) and items.ndim == 0 else items

    def array_of_stored(self, stored: Array) -> Array:
        """The array of the keys whose stored texts are in an object array, as bytes."""
        return np.frombuffer(b"".join(stored), self.dtype)

    def batch(self, items: Any) -> Array:
        """Many items as a contiguous array of ``dtype`` (for texts: an array that ``text_batch`` reads).

        Keys are in canonical form. Raises ``TypeError`` or ``OverflowError`` naming the position of the first invalid
        item, or ``ValueError`` if the items are not one-dimensional.
        """
        return self._exactly(_as_array(items, f"{self.what}s"))

    def many(self, items: Any) -> tuple[Array, Array | None]:
        """``batch()``, and which items are no nulls; None: all."""
        return self.batch(items), None

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
        return TypeError(f"{given}; this map holds {self.name}: convert the {self.what}")

    def too_long(self, size: int) -> OverflowError:
        """The error for a text of so many bytes."""
        return OverflowError(f"a {self.what} of {size:,} bytes is too long: at most {MAX_TEXT:,} bytes, so shorten it")

    def _too_large(self, item: object) -> OverflowError:
        return OverflowError(f"{self.what} {shown(item)} is outside {self.name}: use a map of another type")

    def wrong_dtype(self, array: Array) -> TypeError:
        """The error for an array of another type."""
        return TypeError(
            f"{self.what}s are of dtype {array.dtype}; this map holds {self.name}: convert the {self.what}s"
        )


class WordCodec(Codec):
    """A key or value of at most 8 bytes."""

    dtype: np.dtype[Any]

    @property
    def form(self) -> str:  # type: ignore[override]
        if not self.is_key:
            return "raw"
        return "word64" if self.dtype.itemsize == 8 else "word32"

    def _plain(self, array: Array) -> bool:
        return bool(array.dtype == self.dtype and array.flags.c_contiguous and array.flags.aligned)

    def _require(self, array: Array) -> Array:
        return np.require(array, self.dtype, ["C", "A"])


class IntCodec(WordCodec):
    """Ints of 8 to 64 bits, and bool. Accepts whatever has ``__index__``: also bool and NumPy's ints, but no floats."""

    def __init__(self, dtype: np.dtype[Any], what: str) -> None:
        super().__init__(dtype, what)
        info = None if dtype.kind == "b" else np.iinfo(dtype)
        self.least, self.most = (int(info.min), int(info.max)) if info else (0, 1)

    def encode(self, item: object) -> bytes:
        if isinstance(item, np.bool):
            item = bool(item)
        try:
            number = operator.index(cast("Any", item))
        except TypeError:
            if hasattr(item, "__index__"):
                raise  # its own error
            raise self.wrong_type(item) from None
        if not self.least <= number <= self.most:
            limits = f"{self.name} ({self.least} to {self.most})"
            raise OverflowError(f"{self.what} {shown(number)} is outside {limits}: use a map of another type")
        return (number & ((1 << 8 * self.size) - 1)).to_bytes(self.size, "little")

    def _exactly(self, array: Array) -> Array:
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
    """Floats of 16, 32 and 64 bits. Of keys, all NaN are one, -0.0 is 0.0, and a number must be held exactly."""

    def encode(self, item: object) -> bytes:
        if isinstance(item, str | bytes | bytearray | np.complexfloating):
            raise self.wrong_type(item)
        if isinstance(item, np.bool):
            item = bool(item)
        if self.is_key and not isinstance(item, float | np.floating) and not hasattr(item, "__index__"):
            raise self.wrong_type(item)
        exact = item if isinstance(item, float | np.floating) else _index_or_self(item)
        try:
            with np.errstate(over="ignore"):
                number = np.array(exact if isinstance(exact, np.floating) else float(cast("Any", exact)), self.dtype)
        except TypeError:
            raise self.wrong_type(item) from None
        except OverflowError:
            raise self._too_large(item) from None
        if self.is_key:
            if number.item() != exact and exact == exact:  # as Python compares: NumPy would make the int a float first
                nearest = f"the nearest is {number.item()!r}"
                raise OverflowError(f"key {shown(item)} has no exact {self.name}; {nearest}: round the key")
            number = _canonical_floats(number.reshape(1))
        return number.tobytes()

    def _exactly(self, array: Array) -> Array:
        if array.dtype.kind not in "biuf":
            return self._one_by_one(array)
        with np.errstate(over="ignore", invalid="ignore"):
            floats = self._require(array)
            if not self.is_key:
                return floats
            # NumPy calls the cast of 64-bit ints to float64 safe.
            wide_ints = array.dtype.kind in "iu" and array.dtype.itemsize == 8
            if wide_ints or not np.can_cast(array.dtype, self.dtype, "safe"):
                inexact = (floats.astype(array.dtype) != array) & (array == array)
                if array.dtype.kind in "iu":  # the largest ints wrap when they are converted back
                    most = 2.0 ** (8 * array.dtype.itemsize - (array.dtype.kind == "i"))
                    inexact |= floats.astype(np.float64) >= most
                if inexact.any():
                    self._raise_at(array, int(inexact.argmax()))
        return floats if self.dtype.itemsize == 8 else _canonical_floats(floats)  # kernels do it for float64


class TimeCodec(WordCodec):
    """datetime64 and timedelta64 of one unit. Accepts objects of NumPy and of ``datetime`` that the unit holds exactly.
    NaT is a key like others, equal to itself."""

    def encode(self, item: object) -> bytes:
        plain = datetime.date if self.dtype.kind == "M" else datetime.timedelta  # a datetime is a date
        if not isinstance(item, self.dtype.type | plain):
            raise self.wrong_type(item)
        return self._exactly(np.array([self.dtype.type(cast("Any", item))])).tobytes()

    def decode(self, stored: bytes) -> Any:
        return np.frombuffer(stored, self.dtype)[0]

    def _exactly(self, array: Array) -> Array:
        if array.dtype.kind != self.dtype.kind:
            return self._one_by_one(array)
        if array.dtype != self.dtype:
            try:
                back = array.astype(self.dtype).astype(array.dtype)
            except (OverflowError, TypeError) as error:
                raise type(error)(f"{self.what}s: {error}") from None
            inexact = (back != array) & ~np.isnat(array)
            if inexact.any():
                position = int(inexact.argmax())
                raise OverflowError(
                    f"{self.what}s[{position}]: {array[position]!r} has no exact {self.name}: round it to the unit"
                )
        return self._require(array)


class NumberCodec(Codec):
    """Values that are complex numbers or long doubles."""

    dtype: np.dtype[Any]

    def encode(self, item: object) -> bytes:
        if isinstance(item, str | bytes | bytearray):
            raise self.wrong_type(item)
        try:
            with np.errstate(over="ignore"):
                number = np.array([complex(cast("Any", item)) if self.dtype.kind == "c" else item], self.dtype)
            return self._without_padding(number).tobytes()
        except (TypeError, ValueError):
            raise self.wrong_type(item) from None
        except OverflowError:
            raise self._too_large(item) from None

    def _exactly(self, array: Array) -> Array:
        if array.dtype.kind not in "biufc" or (array.dtype.kind == "c" and self.dtype.kind != "c"):
            return self._one_by_one(array)
        with np.errstate(over="ignore"):
            return self._without_padding(np.require(array, self.dtype, ["C", "A"]))

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

    def encode(self, item: object) -> bytes:
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

    def _exactly(self, array: Array) -> Array:
        if len(array) == 0 or array.dtype.kind in ("UT" if self.dtype is str else "S"):
            return array
        if array.dtype.kind != "O":
            raise self.wrong_dtype(array)
        for position in range(len(array)):
            if not isinstance(array[position], self.dtype):
                self._raise_at(array, position)
        return array


class FixedCodec(Codec):
    """Fixed-size S, U and V. As in NumPy, trailing NULs are not part of an S or U item. A longer item is an error."""

    dtype: np.dtype[Any]

    @property
    def form(self) -> str:  # type: ignore[override]
        return "text" if self.is_key else "raw"

    def encode(self, item: object) -> bytes:
        kind = self.dtype.kind
        if not isinstance(item, str if kind == "U" else bytes | np.void) or (isinstance(item, np.void) and kind != "V"):
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
                f"{self.what} {shown(item)} has {len(stored)} bytes; this map holds {self.name}: {wanted}"
            )
        return stored if self.is_key else stored.ljust(self.dtype.itemsize, b"\0")

    def decode(self, stored: bytes) -> Any:
        if not self.is_key and stored:  # V0, the value type of a set's map, has no bytes
            return super().decode(stored)
        return stored.decode("utf-8", "surrogatepass") if self.dtype.kind == "U" else stored

    def array_of_stored(self, stored: Array) -> Array:
        if self.dtype.kind == "V":
            return super().array_of_stored(stored)
        return np.array([self.decode(item) for item in stored], self.dtype)

    def _exactly(self, array: Array) -> Array:
        if array.dtype == self.dtype:
            return np.require(array, self.dtype, ["C", "A"])
        if array.dtype.kind != self.dtype.kind or array.dtype.kind == "V":
            return self._one_by_one(array)
        if array.dtype.itemsize > self.dtype.itemsize:
            lengths = np.strings.str_len(array)
            most = self.dtype.itemsize // (4 if self.dtype.kind == "U" else 1)
            if (lengths > most).any():
                self._raise_at(array, int((lengths > most).argmax()))
        return np.require(array, self.dtype, ["C", "A"])

    def _one_by_one(self, array: Array) -> Array:
        for position in range(len(array)):
            try:
                self.encode(array[position])
            except (TypeError, OverflowError):
                self._raise_at(array, position)
        return array.astype(self.dtype)


class RecordCodec(Codec):
    """Structured dtypes: composite keys, and structured values. An item is a tuple, or a NumPy record of the dtype."""

    dtype: np.dtype[Any]

    def __init__(self, dtype: np.dtype[Any], what: str) -> None:
        super().__init__(dtype, what)
        self.fields = [(name, _codec_of_field(dtype.fields[name][0], what)) for name in dtype.names or ()]  # type: ignore[index]

    @property
    def form(self) -> str:  # type: ignore[override]
        return "text" if self.is_key else "raw"

    def encode(self, item: object) -> bytes:
        if isinstance(item, np.void):
            if item.dtype.names is None:
                raise self.wrong_type(item)
            item = tuple(item[name] for name in item.dtype.names)
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
        return isinstance(items, tuple) or super().is_scalar(items)

    def decode(self, stored: bytes) -> Any:
        record = np.frombuffer(stored, self.dtype)  # an array: the fields of a scalar lose their trailing NULs
        return tuple(codec.decode(np.ascontiguousarray(record[name]).tobytes()) for name, codec in self._plain_fields)

    @property
    def _plain_fields(self) -> list[tuple[str, Codec]]:
        return [(name, _codec_of_field(codec.dtype, "value")) for name, codec in self.fields]

    def _exactly(self, array: Array) -> Array:
        if array.dtype.kind == "O":
            return self._one_by_one(array)
        if len(array) == 0:
            return np.empty(0, self.dtype)
        if array.dtype.names is None or len(array.dtype.names) != len(self.fields):
            raise self.wrong_dtype(array)
        out = np.zeros(len(array), self.dtype)
        for (name, codec), theirs in zip(self.fields, array.dtype.names, strict=True):
            part = codec._exactly(array[theirs])
            out[name] = _canonical_floats(part) if codec.is_key and part.dtype.kind == "f" else part
        return out


class SubarrayCodec(Codec):
    """Values that are arrays of one shape."""

    dtype: np.dtype[Any]

    def encode(self, item: object) -> bytes:
        base, shape = cast("tuple[np.dtype[Any], tuple[int, ...]]", self.dtype.subdtype)
        array = np.asarray(item)
        if array.shape != shape:
            raise TypeError(f"{self.what} is of shape {array.shape}; this map holds {self.name}: give shape {shape}")
        return _codec(base, self.what)._exactly(array.reshape(-1)).tobytes()

    def decode(self, stored: bytes) -> Any:
        base, shape = cast("tuple[np.dtype[Any], tuple[int, ...]]", self.dtype.subdtype)
        return np.frombuffer(stored, base).reshape(shape).copy()

    def is_scalar(self, items: Any) -> bool:
        return bool(np.shape(items) == self.dtype.shape)

    def batch(self, items: Any) -> Array:
        base, shape = cast("tuple[np.dtype[Any], tuple[int, ...]]", self.dtype.subdtype)
        array = np.asarray(items)
        if array.shape[1:] != shape:
            wanted = f"(n, {', '.join(map(str, shape))})"
            raise ValueError(f"{self.what}s are of shape {array.shape}: give an array of shape {wanted}")
        flat = _codec(base, self.what)._exactly(array.reshape(-1))
        return flat.reshape(array.shape)


class ObjectCodec(Codec):
    """Any Python object. A key must be hashable."""

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
        return not isinstance(items, list | tuple | np.ndarray)

    def batch(self, items: Any) -> Array:
        if not isinstance(items, list | tuple):
            items = _as_array(items, f"{self.what}s")
        array = np.empty(len(items), object)
        for position, item in enumerate(items):  # array[:] = items would unpack items that are sequences
            array[position] = item
            try:
                self.check(item)  # before anything is stored
            except TypeError as error:
                raise TypeError(f"{self.what}s[{position}]: {error}") from None
        return array


def _codec_of_field(dtype: Spec, what: str) -> Codec:
    if isinstance(dtype, np.dtype) and dtype.subdtype is not None:
        return SubarrayCodec(dtype, what)
    return _codec(dtype, what)


def _index_or_self(item: object) -> object:
    return operator.index(cast("Any", item)) if hasattr(item, "__index__") else item


CANONICAL_NAN = {2: 0x7E00, 4: 0x7FC00000, 8: 0x7FF8000000000000}  # for each size of float, as unsigned bits


def _canonical_floats(floats: Array) -> Array:
    """One NaN and one zero. Works on the bits, since arithmetic on a signalling NaN would warn."""
    size = floats.dtype.itemsize
    out = np.array(floats)
    bits = out.view(f"u{size}")
    bits[np.isnan(out)] = CANONICAL_NAN[size]
    bits[out == 0] = 0
    return out


def _as_array(items: Any, what: str) -> Array:
    """A one-dimensional array of the items, of the type that they have."""
    if isinstance(items, np.ndarray | np.generic):
        array: Array = np.asarray(items)
    elif isinstance(items, str | bytes):
        raise _no_sequence(items, what)
    elif hasattr(items, "__array__") or hasattr(items, "__array_interface__") or isinstance(items, memoryview):
        array = np.asarray(items)
    elif hasattr(items, "__iter__"):
        array = _from_list(items if isinstance(items, list | tuple) else list(items))
    else:
        raise _no_sequence(items, what)
    if array.ndim != 1:
        raise ValueError(f"{what} must be one-dimensional, not of shape {array.shape}: give {what}.ravel()")
    return array


def _no_sequence(items: object, what: str) -> TypeError:
    return TypeError(f"{what} must be an array or a sequence, not {type(items).__name__}: give a list for a single one")


def _from_list(items: list[Any] | tuple[Any, ...]) -> Array:
    """A typed array if all items are exact ints or all are exact floats, otherwise an array of the objects.

    NumPy would merge the types: [1, 2.5] becomes floats, and so does [-1, 2**63].
    """
    types = set(map(type, items))
    if types == {int}:
        try:
            return np.array(items, np.int64)
        except OverflowError:
            pass
    elif types == {float}:
        return np.array(items, np.float64)
    array = np.empty(len(items), object)
    for position, item in enumerate(items):  # array[:] = items would unpack items that are sequences
        array[position] = item
    return array


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
