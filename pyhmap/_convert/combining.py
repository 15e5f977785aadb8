"""Which numbers lie in a value: ``add_many`` combines them one by one."""

from __future__ import annotations

import math
from typing import Any, NamedTuple, cast

import numpy as np

from pyhmap._convert.codec import Codec

NUMBERS = [np.dtype(code) for code in ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8")]


class Run(NamedTuple):
    """Numbers of one type that lie side by side in a value."""

    offset: int  # bytes
    n: int
    dtype: np.dtype[Any]


def runs_of(codec: Codec, op: str) -> list[Run]:
    """The numbers in each value of a type. Raises ``TypeError``, which names the field, if one of them is not a number,
    or has no such operation.

    >>> from pyhmap._convert.codecs import value_codec
    >>> runs_of(value_codec([("sum", "f8", (2,)), ("most", "f8"), ("n", "i4")]), "add")
    [Run(offset=0, n=3, dtype=dtype('float64')), Run(offset=24, n=1, dtype=dtype('int32'))]
    """
    if codec.dtype in NUMBERS:
        return [Run(0, 1, cast("np.dtype[Any]", codec.dtype))]
    runs: list[Run] = []
    for path, offset, n, dtype in _numbers_within(codec.dtype, "", 0):
        _check(codec, op, path, dtype)
        last = runs[-1] if runs else None
        if last is not None and last.dtype == dtype and last.offset + last.n * dtype.itemsize == offset:
            runs[-1] = last._replace(n=last.n + n)
        else:
            runs.append(Run(offset, n, dtype))
    return runs


def _numbers_within(dtype: Any, path: str, offset: int) -> list[tuple[str, int, int, Any]]:
    """The parts of a type that have no parts: the name of the field, where they begin, how many there are, their type.
    The names within an array of records are those of its first item."""
    if not isinstance(dtype, np.dtype) or (dtype.names is None and dtype.subdtype is None):
        return [(path, offset, 1, dtype)]
    found = []
    if dtype.fields is not None:
        for name in dtype.names or ():
            field, at = dtype.fields[name][:2]
            found += _numbers_within(field, f"{path}.{name}" if path else name, offset + at)
    elif dtype.base.names is None:
        found.append((path, offset, math.prod(dtype.shape), dtype.base))
    else:
        for i in range(math.prod(dtype.shape)):
            found += _numbers_within(dtype.base, path, offset + i * dtype.base.itemsize)
    return found


def _check(codec: Codec, op: str, path: str, dtype: Any) -> None:
    """Raise unless numbers of this type can be combined."""
    of_type = f"values of type {codec.name}"
    if path:
        of_type = f"{of_type}: value field {path!r} is of type {dtype}"
    if isinstance(dtype, np.dtype) and dtype.kind in "Mm":
        if op == "add" and dtype.kind == "M":
            instead = "give op='max' for the last seen, op='min' for the first"
            raise TypeError(f"add_many cannot add {of_type}: {instead}")
    elif dtype not in NUMBERS:
        raise TypeError(f"add_many cannot combine {of_type}: give ints, floats, times or objects")
