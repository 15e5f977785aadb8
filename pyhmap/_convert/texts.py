"""Key and value types that are texts or bytes: ``str`` and ``bytes`` of any length, and S, U and V of a fixed one."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from pyhmap._convert.codec import MAX_TEXT, Array, Codec, Sequence, shown
from pyhmap._convert.columns import check_code_points
from pyhmap._convert.scalars import longest
from pyhmap._convert.text_batch import text_array, text_batch


def utf8(text: str, what: str) -> bytes:
    """The UTF-8 of a str, lone surrogates included. Raises ``ValueError`` for one that is not text: NumPy makes such
    a str of a U item with a number above U+10FFFF, and Python encodes it to other bytes, or to none that it can read.
    """
    stored = str.encode(text, "utf-8", "surrogatepass")
    if not str.isascii(text):
        try:
            same = str.__eq__(stored.decode("utf-8", "surrogatepass"), text)
        except UnicodeDecodeError:
            same = False
        if not same:
            raise ValueError(f"{what} is not text: it has a number above U+10FFFF; correct it")
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
        stored = utf8(item, self.what) if isinstance(item, str) else bytes.__getitem__(cast("bytes", item), slice(None))
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
            stored = utf8(text, self.what)  # of a value too: it checks the text
            if self.is_key:
                return stored
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
        array = np.array(items, self.dtype)
        if self.dtype.kind == "U":
            check_code_points(array, self)
        return array

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
            except (TypeError, OverflowError, ValueError):
                self._raise_at(array, position)
        return array.astype(self.dtype)
