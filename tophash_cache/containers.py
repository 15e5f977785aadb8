"""The keys of `hash_many` in containers other than Arrow's, as a list or an array.

Owns which of these containers are taken, and which of their items are nulls. No other library is imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Types of the nulls of pandas and np.ma, by name: importing pandas to compare objects would be slow.
_NULLS = {"NAType", "NaTType", "MaskedConstant"}


def items_of(keys: object) -> tuple[list[Any] | NDArray[Any], bool]:
    """The keys as a list or an array of the base class, and whether they are those of a column.

    None and NaN in a column are nulls. Among Python objects they are keys of a wrong type.

    >>> items_of(iter(["a", "b"]))
    (['a', 'b'], False)
    >>> items_of(np.ma.array(["a", "b"], mask=[False, True]))
    Traceback (most recent call last):
    ValueError: the key at position 1 is masked and has no digest: fill or drop masked keys
    """
    if isinstance(keys, np.ndarray):
        if type(keys) is np.ndarray or not isinstance(keys, np.ma.MaskedArray):  # np.ma is imported at its first use
            return np.asarray(keys), False
        masked = np.ma.getmaskarray(keys)
        if keys.ndim == 1 and masked.any():
            position = masked.argmax()
            raise ValueError(f"the key at position {position} is masked and has no digest: fill or drop masked keys")
        return np.asarray(keys), True
    if isinstance(keys, str | bytes | bytearray) or hasattr(keys, "as_py"):
        key = "key.as_py()" if hasattr(keys, "as_py") else "key"
        raise TypeError(f"hash_many takes many keys, and a {type(keys).__name__} is one: call hash({key})")
    if hasattr(keys, "__array__"):
        return np.asarray(keys), True
    try:
        return np.asarray(memoryview(keys)), False  # type: ignore[arg-type]
    except (TypeError, ValueError):  # no buffer; or one of a format that NumPy does not know, such as c_wchar's
        pass
    if not isinstance(keys, set | frozenset | Mapping | memoryview):
        try:
            iterator = iter(keys)  # type: ignore[call-overload]
        except TypeError:
            pass
        else:
            return list(iterator), False
    raise TypeError(
        "hash_many takes str and bytes in a list, another sequence, an iterator, an array or a column, not "
        f"{type(keys).__name__}: give a list of keys"
    )


def bad_item(key: object, position: int, in_column: bool) -> Exception:
    """The error of an item that is neither str nor bytes.

    >>> bad_item(5, 2, False), bad_item(None, 2, True)  # doctest: +NORMALIZE_WHITESPACE
    (TypeError('the key at position 2 is of type int: give str or bytes'),
     ValueError('the key at position 2 is null and has no digest: fill or drop nulls'))
    """
    missing = key is None or (isinstance(key, float) and key != key)
    if (missing and in_column) or type(key).__name__ in _NULLS or not getattr(key, "is_valid", True):
        return null(position)
    return TypeError(f"the key at position {position} is of type {type(key).__name__}: give str or bytes{advice(key)}")


def advice(key: object) -> str:
    """What to add to a message about a key of a wrong type: how to get the str or bytes out of a pyarrow scalar.

    >>> advice(5)
    ''
    """
    return ", as key.as_py()" if hasattr(key, "as_py") else ""


def null(position: int) -> ValueError:
    """The error of a null.

    >>> null(0)
    ValueError('the key at position 0 is null and has no digest: fill or drop nulls')
    """
    return ValueError(f"the key at position {position} is null and has no digest: fill or drop nulls")
