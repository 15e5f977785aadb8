"""Key and value types that are times: datetime64 and timedelta64 of one unit."""

from __future__ import annotations

import datetime
from typing import Any, cast

import numpy as np

from pyhmap._convert.codec import Array, Sequence, WordCodec, shown, without_position
from pyhmap._convert.columns import check_zone, plain
from pyhmap._convert.scalars import durations, moments

TIME_UNITS = ["Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "ps", "fs", "as"]  # from coarse to fine


def unit_of(dtype: np.dtype[Any]) -> str:
    return np.datetime_data(dtype)[0]


def _in_unit(times: Array, dtype: np.dtype[Any]) -> Array:
    """Times in another unit. NumPy refuses to convert between distant units, such as days and ps, in one step."""
    try:
        return times.astype(dtype)
    except OverflowError:
        kind = dtype.kind
        steps = ["s", "ns"] if unit_of(dtype) in ("ps", "fs", "as") else ["ns", "s"]
        for unit in steps:
            times = times.astype(f"{kind}8[{unit}]")
        return times.astype(dtype)


def _same(times: Array, others: Array) -> Array:
    """Which times are the others, whose unit is another; NaT is NaT."""
    same: Array = (_in_unit(times, others.dtype) == others) | np.isnat(others)
    return same


class TimeCodec(WordCodec):
    """datetime64 and timedelta64 of one unit. Accepts objects of NumPy, pandas and ``datetime`` that the unit holds
    exactly; of those with a time zone, UTC only. NaT is a key like others, equal to itself."""

    has_nat = True

    def _encode(self, item: object) -> bytes:
        try:
            return self._exactly(self._array_of_one(item)).tobytes()
        except (TypeError, OverflowError) as error:
            raise type(error)(without_position(error)) from None

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
                inexact = ~_same(times, array)
            except OverflowError:  # as NumPy does from 2.5 on, without a position
                inexact = np.array([not self._is_exact(array[i : i + 1]) for i in range(len(array))])
            except TypeError as error:
                raise TypeError(f"{self.what}s: {error}") from None
            if inexact.any():
                position = int(inexact.argmax())
                if TIME_UNITS.index(unit_of(array.dtype)) <= TIME_UNITS.index(unit_of(self.dtype)):  # too far away
                    raise OverflowError(f"{self.what}s[{position}]: {self._too_large(array[position])}")
                raise OverflowError(
                    f"{self.what}s[{position}]: {self.what} {array[position]!r} has no exact {self.name}: round it"
                )
            array = times
        return self._require(array)

    def _is_exact(self, array: Array) -> bool:
        """Whether this type holds the one time of an array."""
        try:
            return bool(_same(_in_unit(array, self.dtype), array)[0])
        except OverflowError:
            return False

    def _check_unit(self, array: Array) -> None:
        """Raise if the unit cannot be converted exactly: NumPy takes a month for 30.44 days, and no unit for any."""
        unit, own = unit_of(array.dtype), unit_of(self.dtype)
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
