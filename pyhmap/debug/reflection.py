"""The header read a second way: from the bytes of the object in memory.

The extension publishes where its fields lie (``HMapCore._memory()``). Before any of them is read, the layout mark is:
the first field, eight bytes of text, version and table size. Whatever does not match exactly is refused: memory that is
read by a wrong map of it says nothing true.
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

LAYOUT_VERSION = 1  # that this module can read
MARK = b"hmap"
MARK_FIELD, TABLE = "layout mark", "whole table"


class LayoutMismatch(TypeError):
    """The object's memory cannot be read as an HMap of this version."""


@dataclass(frozen=True)
class FieldComparison:
    """One field of the header, read both ways."""

    field: str
    header: int  #: what ``m.header()`` says
    memory: int  #: what lies in memory

    @property
    def agrees(self) -> bool:
        """Whether both say the same."""
        return self.header == self.memory


def header_by_reflection(m: HMapCore) -> Header:
    """The header of a map, from its bytes in memory; writes by other threads wait meanwhile.

    ``LayoutMismatch`` if this interpreter is not CPython with a GIL, if the object is no :class:`HMap` or has fields of
    its own (some subclasses), if its size or its layout mark is not the one that this version can read.

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
    """Each field of the header as ``m.header()`` says it and as it lies in memory, at one moment.

    Raises as ``header_by_reflection`` does.

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
    """Where the fields lie, after every reason to refuse was looked for, the mark last."""
    if sys.implementation.name != "cpython" or sysconfig.get_config_var("Py_GIL_DISABLED"):
        raise LayoutMismatch("objects can be read in memory in CPython with a GIL only")
    kind = type(m)
    if not issubclass(kind, HMap):
        raise LayoutMismatch(f"{kind.__name__} is not the compiled HMap: its header is nowhere in one piece")
    size = kind.__basicsize__
    if size != HMap.__basicsize__:
        raise LayoutMismatch(f"{kind.__name__} objects have {size} bytes, HMap's {HMap.__basicsize__}: another layout")
    fields = HMapCore._memory(m)
    for name, (offset, length) in fields.items():
        if not 0 <= offset <= offset + length <= size:
            raise LayoutMismatch(f"{name} would lie at {offset}, outside of an object of {size} bytes")
    expected = MARK + LAYOUT_VERSION.to_bytes(2, "little") + fields[TABLE][1].to_bytes(2, "little")
    mark = ctypes.string_at(id(m) + fields[MARK_FIELD][0], len(expected))
    if mark != expected:
        raise LayoutMismatch(f"layout mark {mark.hex()}, but this module reads {expected.hex()}")
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
