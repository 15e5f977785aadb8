"""What a call with one key or value does with an array, a list or a column.

A zero-dimensional array stands for its item. Any other collection is refused, by an error that names the batch calls.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pyhmap._convert.codec import Codec
from pyhmap._convert.records import SubarrayCodec

BATCH_CALLS = {
    "map": "get_many, contains_many, set_many, pop_many or discard_many",
    "set": "add_many, contains_many or discard_many",
}


def item_of(codec: Codec, given: Any, error: TypeError) -> Any:
    """The item of a zero-dimensional array that a call was given. The array itself has raised ``error``.

    Raises ``error``, or a clearer one, if ``given`` is anything else.
    """
    if isinstance(given, np.ndarray) and given.ndim == 0 and not isinstance(given[()], np.ndarray):
        return given[()]
    one = isinstance(given, str | bytes | bytearray | np.generic | tuple)  # a tuple: a record of the wrong fields
    if one or not hasattr(given, "__iter__") or isinstance(codec, SubarrayCodec):
        try:
            raise error
        finally:
            del error  # its traceback refers to this frame, which would be a cycle
    what, kind = codec.what, type(given).__name__
    calls = BATCH_CALLS[codec.holder] if codec.is_key else "set_many or setdefault_many"
    if codec.form == "object":
        raise TypeError(f"{error}: give one hashable key, or call {calls}") from None
    raise TypeError(
        f"{what} is of type {kind}; this {codec.holder} holds {codec.name}: give one {what}, or call {calls}"
    ) from None
