"""The types that a caller may name for keys and values: dtypes of NumPy, and those of pandas, polars and Arrow."""

from __future__ import annotations

import difflib
import sys
from typing import Any

import numpy as np

from pyhmap._convert.arrow_values import arrow_dtype, arrow_values, is_utc, text_type

COLLECTIONS = (list, tuple, set, frozenset, dict, range)  # given where the type is expected
OBJECT_NAMES = (object, np.object_, "object", "O", "|O")
ADVICE = "give a dtype, str, bytes, or object for any Python objects"


def type_of(spec: Any, what: str) -> Any:
    """A dtype in native byte order, or ``str``, ``bytes`` or ``object``.

    Raises ``TypeError`` for what names no type. ``codecs`` decides whether keys or values of the type are supported.

    >>> type_of(">i8", "key"), type_of("string", "key"), type_of("U", "key")
    (dtype('int64'), <class 'str'>, <class 'str'>)
    """
    if spec is None:  # NumPy would read it as float64
        raise TypeError(f"the {what} type is None: give one, such as np.int64 or str")
    if spec is str or spec is bytes or spec is object:
        return spec
    if isinstance(spec, str) and spec in ("string", "str"):
        return str
    if hasattr(spec, "__array__") and not isinstance(spec, type):  # NumPy would take its dtype
        raise _of_items(spec, what)
    if not isinstance(spec, np.dtype) and (found := _of_another_library(spec, what)) is not None:
        return found
    try:
        dtype = np.dtype(spec)
    except (TypeError, ValueError) as error:
        if isinstance(spec, COLLECTIONS):
            raise _of_items(spec, what) from None
        given = repr(spec) if isinstance(spec, str) else f"an object of type {type(spec).__name__}"
        raise TypeError(f"the {what} type is no dtype, but {given} ({error}){_meant(spec)}: {ADVICE}") from None
    if dtype.kind == "O":
        if not isinstance(spec, np.dtype) and spec not in OBJECT_NAMES:  # NumPy makes an object dtype of any class
            raise TypeError(f"the {what} type is {spec!r}, which is no dtype: {ADVICE}")
        return object
    if dtype.kind == "T":
        return str
    if dtype.kind in "SU" and dtype.itemsize == 0:
        return bytes if dtype.kind == "S" else str
    # The object of NumPy itself for a number, and no copy of it: batch calls know its arrays by it.
    return dtype if dtype.kind in "biuf" and dtype.isnative else dtype.newbyteorder("=")


def _of_items(spec: Any, what: str) -> TypeError:
    """The error for items where their type is expected."""
    example = "HSet(int, items)" if what == "key" else "HMap(str, int, items)"
    return TypeError(f"the {what} type is a {type(spec).__name__}: give the type first, as in {example}")


def _meant(spec: Any) -> str:
    """A guess at the name that was meant."""
    names = ["str", "bytes", "object", "bool", *(np.dtype(code).name for code in "bBhHiIlLefd")]
    close = difflib.get_close_matches(spec, names, 1) if isinstance(spec, str) else []
    return f"; did you mean {close[0]!r}?" if close else ""


def _of_another_library(spec: Any, what: str) -> Any:
    """The type that a dtype of pandas, polars or pyarrow names; None if it is none of them."""
    library = getattr(spec if isinstance(spec, type) else type(spec), "__module__", "").partition(".")[0]
    pd = sys.modules.get("pandas")
    if library == "polars":
        return _of_polars(spec, what)
    if pd is not None and isinstance(spec, str):
        try:
            spec = pd.api.types.pandas_dtype(spec)  # "Int64", "boolean", "string[pyarrow]"
        except (TypeError, ValueError):
            return None
        if isinstance(spec, np.dtype):
            return None
    if pd is not None and isinstance(spec, pd.api.extensions.ExtensionDtype):
        return _of_pandas(pd, spec, what)
    return arrow_dtype(spec, f"{what}s") if hasattr(spec, "__arrow_c_schema__") else None


def _of_polars(spec: Any, what: str) -> Any:
    pl = sys.modules["polars"]
    if spec == pl.Object:
        return object
    values, _ = arrow_values(pl.Series([], dtype=spec), f"{what}s")
    if isinstance(values, tuple):
        raise TypeError(f"the {what} type is {spec!r}: give a structured dtype")
    return values.dtype if isinstance(values, np.ndarray) else text_type(values)


def _of_pandas(pd: Any, spec: Any, what: str) -> Any:
    if isinstance(spec, pd.ArrowDtype):
        return arrow_dtype(spec.pyarrow_dtype, f"{what}s")
    if isinstance(spec, pd.StringDtype):
        return str
    if isinstance(spec, pd.DatetimeTZDtype):
        if not is_utc(str(spec.tz)):
            raise TypeError(f"the {what} type has time zone {str(spec.tz)!r}: give M8[{spec.unit}], and convert to UTC")
        return np.dtype(f"M8[{spec.unit}]")
    if isinstance(spec, pd.CategoricalDtype) and spec.categories is not None:
        return type_of(spec.categories.dtype, what)
    number = getattr(spec, "numpy_dtype", None)
    if isinstance(number, np.dtype) and number.kind in "biuf":
        return number
    raise TypeError(f"the {what} type is pandas' dtype {spec}, which is no type of a map: {ADVICE}")
