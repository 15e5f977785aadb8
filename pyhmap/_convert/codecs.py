"""What may be a key or a value, and how it becomes the bytes that the table stores.

A codec stands for one key or value type. It turns one object into its stored bytes and back (``encode``, ``decode``),
and a batch into an array (``batch``). Both engines use the codecs, so they agree on what is accepted and on every
error. The compiled one converts exact ``int``, ``float``, ``str`` and ``bytes`` objects itself.

Physical forms, as in ``_kernels/layout.pxd``:

    word32, word64    numbers and times, canonical bits, zero-extended to the word
    text              the bytes of a str, bytes, fixed S/U/V or structured key, of any length
    object            a Python object, held in a list
    raw               values only: ``size`` bytes, as NumPy holds them

A key must come back from the table as it went in, so it is accepted only if the dtype holds it exactly. Values are
assigned as NumPy assigns them, within their kind: an int becomes a float, a float never becomes an int, and a value
that does not fit raises an error instead of being truncated.
"""

from __future__ import annotations

import datetime
import operator
from collections.abc import Iterable
from typing import Any, Protocol, TypeAlias, TypeVar, cast

import numpy as np
import numpy.typing as npt

_T = TypeVar("_T")


class ArrowArray(Protocol):
    """An object that exports an Arrow array (Arrow PyCapsule interface)."""

    def __arrow_c_array__(self, requested_schema: Any = None) -> tuple[object, object]: ...


class ArrowStream(Protocol):
    """An object that exports a stream of Arrow arrays (Arrow PyCapsule interface)."""

    def __arrow_c_stream__(self, requested_schema: Any = None) -> object: ...


Many: TypeAlias = Iterable[_T] | ArrowArray | ArrowStream  #: the keys or values of a batch call
Array = npt.NDArray[Any]
Spec = np.dtype[Any] | type

MAX_TEXT = 2**32 - 1  # bytes: a Text's size is a uint32


def key_codec(spec: Any) -> Codec:
    """The codec for a key type: anything ``np.dtype`` takes, or ``str``, ``bytes``, ``object``; ``TypeError`` if none.

    >>> key_codec(">i8").dtype, key_codec(str).form, key_codec([("x", "i4"), ("y", "i4")]).form
    (dtype('int64'), 'text', 'text')
    """
    return _codec(spec, "key")


def value_codec(spec: Any) -> Codec:
    """The codec for a value type: any fixed-size dtype, or ``str``, ``bytes``, ``object``; ``TypeError`` if none."""
    return _codec(spec, "value")


def _codec(spec: Any, what: str) -> Codec:
    if spec is None:  # NumPy would read it as float64
        raise TypeError(f"the {what} type is None: name one, such as np.int64 or str")
    if isinstance(spec, Codec):
        return spec
    if spec is str or spec is bytes:
        return TextCodec(spec, what)
    if spec is object:
        return ObjectCodec(what)
    dtype = np.dtype(spec)
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
        raise TypeError(f"the {what} dtype {dtype} has no unit: name one, such as datetime64[s]")
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
    raise TypeError(f"{what}s of dtype {dtype} are not supported")


class Codec:
    """One key or value type. ``what`` is "key" or "value": keys must be held exactly and have a canonical form."""

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
        """Bytes of a raw value, or of a word before it is widened."""
        return cast("np.dtype[Any]", self.dtype).itemsize

    def encode(self, item: object) -> bytes:
        """The stored bytes of one object; ``TypeError`` or ``OverflowError`` if the type cannot hold it."""
        raise TypeError(f"{self.name} has no encoding")

    def decode(self, stored: bytes) -> Any:
        """The object that stored bytes stand for."""
        return np.frombuffer(stored, self.dtype)[0].item()

    def check(self, item: object) -> None:
        """Raise what storing the item would raise."""
        self.encode(item)

    def zero(self) -> Any:
        """The zero value: what Go's map gives for a missing key."""
        return self.decode(bytes(self.size))

    def is_scalar(self, items: Any) -> bool:
        """Whether a batch argument is one item rather than many."""
        if isinstance(items, np.ndarray):
            return items.ndim == 0
        return isinstance(items, str | bytes | np.generic) or not hasattr(items, "__iter__")

    def single(self, items: Any) -> Any:
        """The item that a scalar batch argument is: itself, or what an array without dimensions holds."""
        return items[()] if isinstance(items, np.ndarray) and items.ndim == 0 else items

    def array_of_stored(self, stored: Array) -> Array:
        """The array of the keys whose texts, as bytes, are in an object array."""
        return np.frombuffer(b"".join(stored), self.dtype)

    def batch(self, items: Any) -> Array:
        """Many items as a contiguous array of ``dtype`` (texts: what ``text_batch`` reads), canonical for keys."""
        return self._exactly(_as_array(items, f"{self.what}s"))

    def _exactly(self, array: Array) -> Array:
        return self._one_by_one(array)

    def _one_by_one(self, array: Array) -> Array:
        if len(array) and array.dtype.kind != "O":
            raise TypeError(f"{self.what}s are of dtype {array.dtype}; this map holds {self.name}")
        out = bytearray()
        for position in range(len(array)):
            try:
                out += self.encode(array[position])
            except (TypeError, OverflowError, ValueError):
                self._raise_at(array, position)
        return np.frombuffer(bytes(out), self.dtype) if len(array) else np.empty(0, self.dtype)

    def _raise_at(self, array: Array, position: int) -> None:
        """Raise what encoding this item raises, with its position in the batch."""
        try:
            self.encode(array[position])
        except (TypeError, OverflowError, ValueError) as error:
            raise type(error)(f"{self.what}s[{position}]: {error}") from None

    def wrong_type(self, item: object) -> TypeError:
        """What to raise for an item of another type."""
        return TypeError(f"{self.what} {item!r} is of type {type(item).__name__}; this map holds {self.name}")


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
    """Ints of 8 to 64 bits and bool. Takes what has ``__index__``: bool and NumPy ints too, but no float."""

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
            raise OverflowError(f"{self.what} {number} is outside {self.name} ({self.least} to {self.most})")
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
    """Floats of 16, 32 and 64 bits. As keys all NaN are one, -0.0 is 0.0, and a number must be held exactly."""

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
            raise OverflowError(f"{self.what} {item} is outside {self.name}") from None
        if self.is_key:
            if number.item() != exact and exact == exact:  # as Python compares: NumPy would make the int a float first
                raise OverflowError(f"key {item!r} has no exact {self.name}; the nearest is {number.item()!r}")
            number = _canonical_floats(number.reshape(1))
        return number.tobytes()

    def _exactly(self, array: Array) -> Array:
        if array.dtype.kind not in "biuf":
            return self._one_by_one(array)
        with np.errstate(over="ignore", invalid="ignore"):
            floats = self._require(array)
            if not self.is_key:
                return floats
            # NumPy calls 64-bit ints to float64 safe.
            wide_ints = array.dtype.kind in "iu" and array.dtype.itemsize == 8
            if wide_ints or not np.can_cast(array.dtype, self.dtype, "safe"):
                inexact = (floats.astype(array.dtype) != array) & (array == array)
                if array.dtype.kind in "iu":  # the largest ints wrap on the way back
                    most = 2.0 ** (8 * array.dtype.itemsize - (array.dtype.kind == "i"))
                    inexact |= floats.astype(np.float64) >= most
                if inexact.any():
                    self._raise_at(array, int(inexact.argmax()))
        return floats if self.dtype.itemsize == 8 else _canonical_floats(floats)  # the kernels do float64


class TimeCodec(WordCodec):
    """datetime64 and timedelta64 of one unit. Takes NumPy's and datetime's objects that the unit holds exactly; NaT is
    a key like others, equal to itself."""

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
                raise OverflowError(f"{self.what}s[{position}]: {array[position]!r} has no exact {self.name}")
        return self._require(array)


class NumberCodec(Codec):
    """Values that are complex or long double numbers."""

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
            raise OverflowError(f"{self.what} {item!r} is outside {self.name}") from None

    def _exactly(self, array: Array) -> Array:
        if array.dtype.kind not in "biufc" or (array.dtype.kind == "c" and self.dtype.kind != "c"):
            return self._one_by_one(array)
        with np.errstate(over="ignore"):
            return self._without_padding(np.require(array, self.dtype, ["C", "A"]))

    def _without_padding(self, numbers: Array) -> Array:
        """The bytes behind the 10 that an 80-bit long double uses are whatever was in memory: store zeros."""
        if self.dtype.char not in "gG" or np.finfo(np.longdouble).nmant != 63:
            return numbers
        stored = numbers.copy()
        stored.view(np.uint8).reshape(-1, np.dtype(np.longdouble).itemsize)[:, 10:] = 0
        return stored


class TextCodec(Codec):
    """``str`` and ``bytes`` of any length. A str is held as UTF-8, in which a lone surrogate takes three bytes as any
    other character of its plane does (Python's "surrogatepass"), so every str can be a key and no two become one."""

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
        # The base classes' methods: a subclass's own could give other bytes than those a batch reads.
        stored = (
            str.encode(item, "utf-8", "surrogatepass")
            if isinstance(item, str)
            else bytes.__getitem__(cast("bytes", item), slice(None))
        )
        if len(stored) > MAX_TEXT:
            raise OverflowError(f"a {self.what} of {len(stored):,} bytes is too long: at most {MAX_TEXT:,}")
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
            raise TypeError(f"{self.what}s are of dtype {array.dtype}; this map holds {self.name}")
        for position in range(len(array)):
            if not isinstance(array[position], self.dtype):
                self._raise_at(array, position)
        return array


class FixedCodec(Codec):
    """Fixed-size S, U and V. As in NumPy, trailing NULs of S and U are not part of the item. Longer is an error."""

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
                raise OverflowError(f"{self.what} {item!r} has {len(text)} characters, too many for {self.name}")
            if self.is_key:
                return text.encode("utf-8", "surrogatepass")
            return text.encode("utf-32-le", "surrogatepass").ljust(self.dtype.itemsize, b"\0")
        stored = bytes(item)
        if kind == "S":
            stored = stored.rstrip(b"\0")
        if len(stored) > self.dtype.itemsize or (kind == "V" and len(stored) != self.dtype.itemsize):
            raise OverflowError(f"{self.what} {item!r} has {len(stored)} bytes; this map holds {self.name}")
        return stored if self.is_key else stored.ljust(self.dtype.itemsize, b"\0")

    def decode(self, stored: bytes) -> Any:
        if not self.is_key and stored:  # V0, the value of a set's keys, has no bytes
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
    """Structured dtypes: composite keys, and structured values. One item is a tuple, or a NumPy record of the dtype."""

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
            raise TypeError(f"{self.what} {item!r} has {len(item)} fields; {self.name} has {len(self.fields)}")
        record = np.zeros(1, self.dtype)  # padding too
        for (name, codec), part in zip(self.fields, item, strict=True):
            stored = codec.encode(part)
            if isinstance(codec, FixedCodec) and codec.is_key:
                stored = FixedCodec(codec.dtype, "value").encode(part)
            record[name] = np.frombuffer(stored, codec.dtype)[0]
        return record.tobytes()

    def is_scalar(self, items: Any) -> bool:
        return isinstance(items, tuple) or super().is_scalar(items)

    def decode(self, stored: bytes) -> Any:
        record = np.frombuffer(stored, self.dtype)  # one item: a scalar's fields would lose their trailing NULs
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
            raise TypeError(f"{self.what}s are of dtype {array.dtype}; this map holds {self.name}")
        out = np.zeros(len(array), self.dtype)
        for (name, codec), theirs in zip(self.fields, array.dtype.names, strict=True):
            part = codec._exactly(array[theirs])
            out[name] = _canonical_floats(part) if codec.is_key and part.dtype.kind == "f" else part
        return out


class SubarrayCodec(Codec):
    """Values that are small arrays of one shape."""

    dtype: np.dtype[Any]

    def encode(self, item: object) -> bytes:
        base, shape = cast("tuple[np.dtype[Any], tuple[int, ...]]", self.dtype.subdtype)
        array = np.asarray(item)
        if array.shape != shape:
            raise TypeError(f"{self.what} is of shape {array.shape}; this map holds {self.name}")
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
            raise ValueError(f"{self.what}s are of shape {array.shape}, not (n, {', '.join(map(str, shape))})")
        flat = _codec(base, self.what)._exactly(array.reshape(-1))
        return flat.reshape(array.shape)


class ObjectCodec(Codec):
    """Any Python object; a key must be hashable."""

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
        for position, item in enumerate(items):  # each as it is: array[:] = items would look inside sequences
            array[position] = item
            try:
                self.check(item)  # now, so that nothing is done if one cannot be hashed
            except TypeError as error:
                raise TypeError(f"{self.what}s[{position}]: {error}") from None
        return array


def _codec_of_field(dtype: Spec, what: str) -> Codec:
    if isinstance(dtype, np.dtype) and dtype.subdtype is not None:
        return SubarrayCodec(dtype, what)
    return _codec(dtype, what)


def _index_or_self(item: object) -> object:
    return operator.index(cast("Any", item)) if hasattr(item, "__index__") else item


CANONICAL_NAN = {2: 0x7E00, 4: 0x7FC00000, 8: 0x7FF8000000000000}  # of each size of float, as unsigned bits


def _canonical_floats(floats: Array) -> Array:
    """One NaN and one zero. Done with bits: arithmetic on a signalling NaN would warn."""
    size = floats.dtype.itemsize
    out = np.array(floats)
    bits = out.view(f"u{size}")
    bits[np.isnan(out)] = CANONICAL_NAN[size]
    bits[out == 0] = 0
    return out


def _as_array(items: Any, what: str) -> Array:
    """A one-dimensional array of whatever types the items have."""
    if isinstance(items, np.ndarray | np.generic):
        array: Array = np.asarray(items)
    elif isinstance(items, str | bytes):
        raise TypeError(f"{what} must be an array or a sequence, not {type(items).__name__}")
    elif hasattr(items, "__array__") or hasattr(items, "__array_interface__") or isinstance(items, memoryview):
        array = np.asarray(items)
    elif hasattr(items, "__iter__"):
        array = _from_list(items if isinstance(items, list | tuple) else list(items))
    else:
        raise TypeError(f"{what} must be an array or a sequence, not {type(items).__name__}")
    if array.ndim != 1:
        raise ValueError(f"{what} must be one-dimensional, not of shape {array.shape}")
    return array


def _from_list(items: list[Any] | tuple[Any, ...]) -> Array:
    """A typed array if every item is exactly an int or exactly a float, else the objects as they are.

    NumPy alone would merge the types: [1, 2.5] becomes floats, and so does [-1, 2**63].
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
    for position, item in enumerate(items):  # array[:] = items would look inside items that are sequences
        array[position] = item
    return array


# ---- the hash of the keys --------------------------------------------------------------------------------------------

# The name of the capsule in which a cache hands out its C function, as _core.pxd declares it.
DIGEST_CAPSULE = b"tophash_cache.digest"


def check_hash(codec: Any, hash: object, hash_cache: Any) -> object:
    """Raise for a hash, or a cache of hashes, that keys of this codec cannot have. Returns the cache's capsule, if any.

    >>> check_hash(key_codec(str), "xxh64", None)
    >>> check_hash(key_codec("i8"), None, object())
    Traceback (most recent call last):
    ...
    ValueError: hash_cache needs hash='xxh64' and keys of type str or bytes
    """
    if hash is not None and (hash != "xxh64" or codec.form != "text"):
        raise ValueError(f"hash={hash!r}: give None, or for str, bytes and other text keys 'xxh64'")
    if hash_cache is None:
        return None
    if hash is None or codec.dtype not in (str, bytes):
        raise ValueError("hash_cache needs hash='xxh64' and keys of type str or bytes")
    try:
        return hash_cache._digest_capsule()
    except AttributeError:
        raise TypeError(f"hash_cache must be a tophash_cache.TopHashCache, not {type(hash_cache).__name__}") from None
