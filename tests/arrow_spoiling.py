"""Arrow structs that a test makes wrong, and columns that have parts."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from ctypes import c_void_p
from typing import Any

import numpy as np

from arrow_source import Column, Stream, capsule

INT64_MAX = 2**63 - 1


class Spoiled:
    """A column whose structs ``spoil(schema, array)`` changes when they are exported."""

    def __init__(self, column: Column, spoil: Callable[[Any, Any], object]) -> None:
        self.column, self.spoil = column, spoil

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]:
        schema, array = self.column.c_schema(), self.column.c_array()
        self.spoil(schema, array)
        return capsule(schema), capsule(array)


class SpoiledStream(Stream):
    """A stream of one column, whose structs are spoiled likewise."""

    def __init__(self, column: Column, spoil: Callable[[Any, Any], object]) -> None:
        super().__init__([column])
        schema, array = column.c_schema(), column.c_array()
        spoil(schema, array)
        self.chunks = [Exported(schema, array)]  # type: ignore[list-item]


class Exported:
    def __init__(self, schema: Any, array: Any) -> None:
        self.schema, self.array = schema, array

    def c_schema(self) -> Any:
        return self.schema

    def c_array(self) -> Any:
        return self.array


def child(struct: Any, i: int) -> Any:
    """Child i of an exported struct."""
    return type(struct).from_address(c_void_p.from_address(struct.children + 8 * i).value or 0)


def set_child(struct: Any, i: int, other: Any) -> None:
    c_void_p.from_address(struct.children + 8 * i).value = None if other is None else ctypes.addressof(other)


def struct(*children: Column, length: int = 3, offset: int = 0) -> Column:
    return Column("+s", length, [None], offset=offset, children=children)


def runs(ends: Sequence[int], values: Column, length: int, offset: int = 0, dtype: str = "i4") -> Column:
    format = {"i2": "s", "i4": "i", "i8": "l"}[dtype]
    of_ends = Column(format, len(ends), [None, np.array(ends, dtype)], name="run_ends")
    return Column("+r", length, [], offset=offset, children=[of_ends, values])
