"""Names of Arrow types, for messages; and protocols of objects that export Arrow data, for type checkers.

Sources: "The Arrow C data interface", section "Data type description -- format strings"; "The Arrow PyCapsule
Interface".
"""

import re
from typing import Any, Protocol


class ArrowArray(Protocol):
    """An object that exports an Arrow array."""

    def __arrow_c_array__(self, requested_schema: Any = None) -> tuple[object, object]: ...


class ArrowStream(Protocol):
    """An object that exports a stream of Arrow arrays."""

    def __arrow_c_stream__(self, requested_schema: Any = None) -> object: ...


_UNITS = {"s": "s", "m": "ms", "u": "us", "n": "ns"}

_NAMES = {
    "n": "null",
    "b": "bool",
    "c": "int8",
    "C": "uint8",
    "s": "int16",
    "S": "uint16",
    "i": "int32",
    "I": "uint32",
    "l": "int64",
    "L": "uint64",
    "e": "float16",
    "f": "float32",
    "g": "float64",
    "u": "string",
    "U": "large_string",
    "vu": "string_view",
    "z": "binary",
    "Z": "large_binary",
    "vz": "binary_view",
    "tdD": "date32",
    "tdm": "date64",
    "tts": "time32[s]",
    "ttm": "time32[ms]",
    "ttu": "time64[us]",
    "ttn": "time64[ns]",
    "tiM": "month_interval",
    "tiD": "day_time_interval",
    "tin": "month_day_nano_interval",
    "+s": "struct",
    "+l": "list",
    "+L": "large_list",
    "+vl": "list_view",
    "+vL": "large_list_view",
    "+m": "map",
    "+r": "run-end encoded",
    # polars exports the types that Arrow lacks under formats of its own.
    "_pli128": "int128",
    "_plu128": "uint128",
    **{f"ts{unit}:": f"timestamp[{name}]" for unit, name in _UNITS.items()},
    **{f"tD{unit}": f"duration[{name}]" for unit, name in _UNITS.items()},
}

# What comes before the colon of a format -> the name, with a placeholder for what comes after it.
_WITH_PARAMETER = {
    "w": "fixed_size_binary({})",
    "+w": "fixed_size_list({})",
    "+ud": "dense union",
    "+us": "sparse union",
    **{f"ts{unit}": f"timestamp[{name}, tz={{}}]" for unit, name in _UNITS.items()},
}


def type_name(format: str) -> str:
    """The name of the Arrow type of a format string of the C data interface, for a message. It never raises.

    >>> type_name("+s"), type_name("vu"), type_name("d:38,2"), type_name("tsn:UTC"), type_name("w:16")
    ('struct', 'string_view', 'decimal128(38, 2)', 'timestamp[ns, tz=UTC]', 'fixed_size_binary(16)')

    A format that it does not know stands for itself, in quotes:

    >>> type_name("+x")
    "'+x'"
    """
    if format in _NAMES:
        return _NAMES[format]
    if decimal := re.fullmatch(r"d:(\d+),(-?\d+)(?:,(\d+))?", format):
        precision, scale, bits = decimal.groups()
        return f"decimal{bits or 128}({precision}, {scale})"
    kind, colon, parameter = format.partition(":")
    return _WITH_PARAMETER[kind].format(parameter) if colon and kind in _WITH_PARAMETER else repr(format)
