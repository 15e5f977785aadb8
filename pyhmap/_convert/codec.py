"""One key or value type: what all of them share.

A codec converts one object to its stored bytes and back (``encode``, ``decode``), and a batch to an array (``many``).
The compiled engine and the reference both use the codecs, so they accept the same objects and raise the same errors.
The compiled engine converts exact ``int``, ``float``, ``str`` and ``bytes`` objects itself.

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

import re
from collections.abc import Iterable
from typing import Any, TypeAlias, TypeVar, cast

import numpy as np
import numpy.typing as npt

from _hmap_bytes.arrow_column import Column as ArrowColumn
from _hmap_bytes.arrow_types import ArrowArray, ArrowStream
from pyhmap._convert.arrow_values import Runs
from pyhmap._convert.columns import Column, Fields, column_of, is_many, object_array, plain, python_items
from pyhmap._convert.text_batch import text_array

_T = TypeVar("_T")
Many: TypeAlias = Iterable[_T] | ArrowArray | ArrowStream  #: the keys or values of a batch call
Array = npt.NDArray[Any]
Spec = np.dtype[Any] | type
Sequence: TypeAlias = list[Any] | tuple[Any, ...]

MAX_TEXT = 2**32 - 1  # bytes: the size of a Text is a uint32
SHOWN = 100  # characters of an item in a message


class Codec:
    """One key or value type. ``what`` is "key" or "value": keys are held exactly and have a canonical form."""

    form = "raw"
    holder = "map"  # what holds the items, for messages; a set says so
    has_nan = has_nat = False  # whether NaN (NaT) is an item of the type; if not, it may stand for a null
    is_composite = is_array = False
    stored: Any = None  # what the compiled engine keeps of the type
    plain: np.dtype[Any] | None = None  # arrays of this dtype are stored as they are; None: of none
    has_padding = False  # bytes that are part of no field: never copied from a caller's array, they may be anything

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
        """``encode()`` for an item as it is. Objects have no stored bytes."""
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

    def as_returned(self, array: Array) -> list[Any]:
        """The items of an array that a map returned, each as a call with one key returns it."""
        if array.dtype.kind == "V":
            return [self.decode(array[i : i + 1].tobytes()) for i in range(len(array))]
        return list(array) if array.dtype.kind in "mM" else array.tolist()

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

    @property
    def plain(self) -> np.dtype[Any] | None:  # type: ignore[override]
        return self.dtype if self._canonical else None

    def many(self, items: Any) -> tuple[Array, Array | None]:
        if type(items) is np.ndarray and items.ndim == 1 and self._canonical and self._plain(items):
            return items, None
        return super().many(items)

    def _plain(self, array: Array) -> bool:
        return bool(array.dtype == self.dtype and array.flags.c_contiguous and array.flags.aligned)

    def _require(self, array: Array) -> Array:
        return np.require(array, self.dtype, ["C", "A"])


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


def without_position(error: Exception) -> str:
    """The message of an error in a batch that was made of one item."""
    return re.sub(r"^(key|value)s\[\d+\]: ", "", str(error))
