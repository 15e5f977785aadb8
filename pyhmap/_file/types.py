"""The types of keys and values, as the text in a file's header, and back.

    str, bytes                     "str", "bytes"
    a dtype without fields         its ``str``, in little-endian order: "<i8", "|b1", "<M8[ns]", "|S5", "<U4", "|V0"
    an array of fixed shape        [type, [length, ...]]
    a structured dtype             {"names": [...], "types": [...], "offsets": [...], "size": bytes}

Text is JSON for the latter two. Nothing in it is ever imported, called, or unpickled.
"""

from __future__ import annotations

import json
import re
import sys
from typing import Any

import numpy as np

# What a dtype without fields may be. A long double has other bytes on other processors.
PLAIN = re.compile(
    r"\|b1|\|[iu]1|<[iu][248]|<f[248]|<c(8|16)|\|[SV](0|[1-9]\d{0,6})|<U(0|[1-9]\d{0,6})|<[Mm]8\[([1-9]\d{0,8})?[A-Za-z]{1,2}\]"
)
# The most bytes of one value: a call makes a value before it looks at the map.
LARGEST = 1 << 20


def type_text(dtype: Any) -> str:
    """The text of the type of keys or values. Raises ``TypeError`` if it cannot be in a file.

    >>> type_text(str), type_text(np.dtype("i4")), type_text(np.dtype(("f4", 2)))
    ('str', '<i4', '["<f4",[2]]')
    """
    if dtype is str or dtype is bytes:
        return "str" if dtype is str else "bytes"
    if dtype.itemsize > LARGEST:
        raise TypeError(f"items of {dtype.itemsize:,} bytes cannot be saved: at most {LARGEST:,} bytes")
    found = _described(dtype)
    return found if isinstance(found, str) else json.dumps(found, separators=(",", ":"))


def _described(dtype: np.dtype[Any]) -> Any:
    if dtype.subdtype is not None:
        return [_described(dtype.base), list(dtype.shape)]
    if dtype.names is not None:
        fields = [dtype.fields[name] for name in dtype.names]  # type: ignore[index]
        types, offsets = [_described(field[0]) for field in fields], [field[1] for field in fields]
        return {"names": list(dtype.names), "types": types, "offsets": offsets, "size": dtype.itemsize}
    text = dtype.newbyteorder("<").str
    if not PLAIN.fullmatch(text):
        raise TypeError(f"items of dtype {dtype} cannot be saved, since other machines have no such type: convert them")
    return text


def type_of_text(text: str) -> Any:
    """The type that a text stands for. Raises ``ValueError`` if it is none that :func:`type_text` makes.

    >>> type_of_text("<i4"), type_of_text('["<f4",[2]]')
    (dtype('int32'), dtype(('<f4', (2,))))
    """
    if text in ("str", "bytes"):
        return str if text == "str" else bytes
    try:
        dtype = _dtype(json.loads(text) if text[:1] in ("[", "{") else text)
        same = type_text(dtype)
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError, MemoryError) as error:
        raise ValueError(f"{text[:100]!r} is no type ({type(error).__name__})") from None
    if same != text:
        raise ValueError(f"{text[:100]!r} is not how a type is written")
    return dtype if sys.byteorder == "little" else dtype.newbyteorder("=")


def _dtype(found: Any) -> np.dtype[Any]:
    if isinstance(found, str):
        if not PLAIN.fullmatch(found):
            raise ValueError("no type")
        return np.dtype(found)
    if isinstance(found, list):
        base, shape = found
        return np.dtype((_dtype(base), tuple(shape)))
    types = [_dtype(field) for field in found["types"]]
    fields = {"names": found["names"], "formats": types, "offsets": found["offsets"], "itemsize": found["size"]}
    return np.dtype(fields)  # type: ignore[call-overload,no-any-return]
