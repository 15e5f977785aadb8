"""Key and value types that are made of others: structured dtypes, and arrays of one shape.

The codecs of their parts are given to them: `codecs` makes them.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from pyhmap._convert.codec import Array, Codec, Sequence, shown, without_position
from pyhmap._convert.columns import Fields, is_many, object_array
from pyhmap._convert.numbers import canonical_floats
from pyhmap._convert.scalars import columns
from pyhmap._convert.texts import FixedCodec


class RecordCodec(Codec):
    """Structured dtypes: composite keys, and structured values. An item is a tuple, or a NumPy record whose fields have
    the names of this dtype's fields, in any order."""

    dtype: np.dtype[Any]
    is_composite = True

    def __init__(self, dtype: np.dtype[Any], what: str, fields: list[tuple[str, Codec]]) -> None:
        super().__init__(dtype, what)
        self.fields = fields
        # The same as they lie in a record, where a text has its full size.
        self._in_record = [
            (name, FixedCodec(codec.dtype, "value") if isinstance(codec, FixedCodec) else codec)
            for name, codec in fields
        ]
        self.has_padding = dtype.itemsize != sum(dtype[name].itemsize for name, _ in fields) or any(
            codec.has_padding for _, codec in fields
        )

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
        for (name, codec), (_, own), part in zip(self.fields, self._in_record, item, strict=True):
            stored = codec.encode(part)  # checks the part as a key
            record[name] = np.frombuffer(stored if own is codec else own.encode(part), codec.dtype)[0]
        return record.tobytes()

    def is_scalar(self, items: Any) -> bool:
        if isinstance(items, tuple):
            return not items or not all(map(is_many, items)) or any(codec.is_array for _, codec in self.fields)
        return super().is_scalar(items)

    def _in_order(self, fields: Fields) -> list[Any]:
        """The columns of a table, one for each field of this dtype, in its order."""
        if fields.names is None:
            if len(fields.columns) != len(self.fields):
                given = f"{self.what}s are {len(fields.columns)} columns; {self.name} has {len(self.fields)} fields"
                raise TypeError(f"{given}: give one column per field")
            return list(fields.columns)
        self._check_names(fields.names)
        columns = dict(zip(fields.names, fields.columns, strict=True))
        return [columns[name] for name, _ in self.fields]

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
        parts = []
        for (name, codec), column_of_field in zip(self.fields, self._in_order(fields), strict=True):
            try:
                parts.append(codec.many(column_of_field))
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
        parts = [codec.objects(part) for (_, codec), part in zip(self.fields, self._in_order(fields), strict=True)]
        for _, part_valid in parts:
            if part_valid is not None:
                valid = part_valid if valid is None else valid & part_valid
        return object_array(list(zip(*(part for part, _ in parts), strict=True))), valid

    def _joined(self, parts: list[Array], n: int) -> Array:
        out = np.zeros(n, self.dtype)  # zeroes the padding
        for (name, codec), part in zip(self.fields, parts, strict=True):
            out[name] = canonical_floats(part) if codec.is_key and part.dtype.kind == "f" else part
        return out

    def decode(self, stored: bytes) -> Any:
        # An array: the fields of a scalar lose their trailing NULs. NumPy reads no record without bytes.
        record = np.frombuffer(stored, self.dtype) if stored else np.zeros(1, self.dtype)
        return tuple(codec.decode(np.ascontiguousarray(record[name]).tobytes()) for name, codec in self._in_record)

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
        if array.dtype == self.dtype and not self.is_key and not self.has_padding:
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

    def __init__(self, dtype: np.dtype[Any], what: str, items: Codec) -> None:
        super().__init__(dtype, what)
        self.shape = dtype.shape
        self.items = items
        self.has_padding = items.has_padding

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
            raise type(error)(without_position(error)) from None

    def _stored(self, flat: Array, n: int) -> Array:
        if self.is_key and flat.dtype.kind == "f":
            flat = canonical_floats(flat)
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
                    raise type(error)(f"{self.what}s[{position}]: {without_position(error)}") from None
        return rows

    def _exactly(self, array: Array) -> Array:
        try:
            flat = self.items._exactly(np.ascontiguousarray(array).reshape(-1))
        except (TypeError, OverflowError):
            for position, row in enumerate(array):  # an error names the item, not its part
                try:
                    self._row(row)
                except (TypeError, OverflowError) as error:
                    raise type(error)(f"{self.what}s[{position}]: {without_position(error)}") from None
            raise
        return self._stored(flat, len(array))


def _as_tuples(items: Any) -> Any:
    return tuple(map(_as_tuples, items)) if isinstance(items, list) else items
