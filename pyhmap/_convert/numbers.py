"""Key and value types that are numbers: ints, bool, floats; as values also complex numbers and long doubles."""

from __future__ import annotations

import operator
from typing import Any, cast

import numpy as np

from pyhmap._convert.codec import Array, Codec, Sequence, WordCodec, shown
from pyhmap._convert.columns import index_or_self
from pyhmap._convert.scalars import floats, ints

# The types of which NumPy makes an array of ints, or floats, without a loss.
INTS = {int, bool, *(np.dtype(code).type for code in "bBhHiIlLqQ")}
FLOATS = {float, np.float16, np.float32, np.float64}

CANONICAL_NAN = {2: 0x7E00, 4: 0x7FC00000, 8: 0x7FF8000000000000}  # for each size of float, as unsigned bits


def canonical_floats(floats: Array) -> Array:
    """One NaN and one zero. Works on the bits, since arithmetic on a signalling NaN would warn."""
    size = floats.dtype.itemsize
    out = np.array(floats)
    bits = out.view(f"u{size}")
    bits[np.isnan(out)] = CANONICAL_NAN[size]
    bits[out == 0] = 0
    return out


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
    """Floats of 16, 32 and 64 bits. For keys, all NaN are one, -0.0 is 0.0, and a number must be held exactly. For
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
            number = canonical_floats(number.reshape(1))
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
        # NumPy calls the cast of 64-bit ints to float64 safe.
        if np.can_cast(array.dtype, self.dtype, "safe") and not (ints and array.dtype.itemsize == 8):
            floats = self._require(array)
        else:
            with np.errstate(over="ignore", invalid="ignore"):
                floats = self._require(array)
                if self.is_key or ints:
                    inexact = (floats.astype(array.dtype) != array) & (array == array)
                else:
                    inexact = np.isinf(floats) & np.isfinite(array)
                if ints:  # the largest ints wrap when they are converted back
                    most = 2.0 ** (8 * array.dtype.itemsize - (array.dtype.kind == "i"))
                    inexact |= floats.astype(np.float64) >= most
                if inexact.any():
                    self._raise_at(array, int(inexact.argmax()))
        return floats if self._canonical else canonical_floats(floats)


class NumberCodec(Codec):
    """Values that are complex numbers or long doubles."""

    has_nan = True
    dtype: np.dtype[Any]

    def __init__(self, dtype: np.dtype[Any], what: str) -> None:
        super().__init__(dtype, what)
        self.has_padding = dtype.char in "gG" and np.finfo(np.longdouble).nmant == 63  # 10 bytes of 16 are used

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
        if not self.has_padding:
            return numbers
        stored = numbers.copy()
        stored.view(np.uint8).reshape(-1, np.dtype(np.longdouble).itemsize)[:, 10:] = 0
        return stored
