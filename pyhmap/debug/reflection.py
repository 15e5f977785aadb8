"""The header, read from the bytes of the object in memory.

The extension publishes the places of its fields (``HMapCore._memory()``). The layout mark is read before any other
field: eight bytes with a text, the version, and the size of the table. If anything does not match exactly, reading is
refused, since memory that is read with the wrong layout gives wrong figures.
"""

from __future__ import annotations

import ctypes
import sys
import sysconfig
from dataclasses import dataclass
from typing import Any

from pyhmap._core import HMapCore
from pyhmap._inspect.state import SAME_SIZE_GROW
from pyhmap._inspect.views import Header
from pyhmap.hmap import HMap

LAYOUT_VERSION = 1  # the version that this module reads
MARK = b"hmap"
MARK_FIELD, TABLE = "layout mark", "whole table"


class LayoutMismatch(TypeError):
    """The memory of the object cannot be read as an ``HMap`` of this version. Use ``m.header()`` instead."""


@dataclass(frozen=True)
class FieldComparison:
    """One field of the header, read both ways."""

    field: str
    header: int  #: from ``m.header()``
    memory: int  #: from memory

    @property
    def agrees(self) -> bool:
        """Whether both are equal."""
        return self.header == self.memory


def header_by_reflection(m: HMapCore) -> Header:
    """The header of a map, from its bytes in memory. Writes by other threads wait while it is read.

    Raises ``LayoutMismatch`` if the interpreter is not CPython with a GIL, if the object is not a compiled
    :class:`HMap` or has fields of its own (some subclasses), or if its size or layout mark differs from those of this
    version.

    >>> import numpy as np
    >>> from pyhmap import HMap, debug
    >>> m = HMap(np.int64, np.int64, {1: 2, 3: 4})
    >>> debug.header_by_reflection(m) == m.header()
    True
    """
    fields = readable_fields(m)
    with HMapCore._frozen(m):
        return read_header(m, fields)


def compare_headers(m: HMapCore) -> tuple[FieldComparison, ...]:
    """Each field of the header, from ``m.header()`` and from memory, read at one moment.

    Raises what ``header_by_reflection`` raises.

    >>> import numpy as np
    >>> from pyhmap import HMap, debug
    >>> all(field.agrees for field in debug.compare_headers(HMap(np.int64, np.int64)))
    True
    """
    fields = readable_fields(m)
    with HMapCore._frozen(m):
        said, stored = m.header(), read_header(m, fields)  # type: ignore[attr-defined]
    pairs = zip(Header._fields, said, stored, strict=True)
    return tuple(FieldComparison(name, one, other) for name, one, other in pairs)


def readable_fields(m: Any) -> dict[str, tuple[int, int]]:
    """Offset and size of each field, after all checks. The layout mark is checked last."""
    if sys.implementation.name != "cpython" or sysconfig.get_config_var("Py_GIL_DISABLED"):
        raise LayoutMismatch("memory can be read in CPython with a GIL only, not in this interpreter: use m.header()")
    kind = type(m)
    if not issubclass(kind, HMap):
        raise LayoutMismatch(f"a {kind.__name__} is not the compiled HMap, whose memory has a header: give an HMap")
    size = kind.__basicsize__
    if size != HMap.__basicsize__:
        both = f"{kind.__name__} objects have {size} bytes, those of HMap {HMap.__basicsize__}"
        raise LayoutMismatch(f"{both}: another layout, use m.header()")
    fields = HMapCore._memory(m)
    for name, (offset, length) in fields.items():
        if not 0 <= offset <= offset + length <= size:
            raise LayoutMismatch(f"{name} would be at {offset}, outside of an object of {size} bytes: rebuild pyhmap")
    expected = MARK + LAYOUT_VERSION.to_bytes(2, "little") + fields[TABLE][1].to_bytes(2, "little")
    mark = ctypes.string_at(id(m) + fields[MARK_FIELD][0], len(expected))
    if mark != expected:
        raise LayoutMismatch(f"the layout mark is {mark.hex()}, this module reads {expected.hex()}: rebuild pyhmap")
    return fields


def read_header(m: HMapCore, fields: dict[str, tuple[int, int]]) -> Header:
    """The header from memory."""

    def word(name: str) -> int:
        return int.from_bytes(ctypes.string_at(id(m) + fields[name][0], 8), "little")

    nmain, growing = word("now.nmain"), word("old.tophash") != 0
    old = word("old.nmain") if growing else 0
    return Header(
        count=word("count"),
        flags=SAME_SIZE_GROW if growing and old == nmain else 0,
        B=nmain.bit_length() - 1,
        noverflow=word("now.next_row") - nmain - word("now.nfree"),
        hash0=word("hash_key") & 0xFFFFFFFF,
        buckets=nmain,
        oldbuckets=old,
        nevacuate=word("nevacuate") if growing else 0,
    )
