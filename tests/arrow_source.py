"""An Arrow producer in plain Python, for tests without pyarrow. It builds columns byte by byte, well-formed or
malformed, and counts the structs that are released.

Source: the Arrow C data, C stream and PyCapsule interfaces, and the Arrow columnar format.
"""

from __future__ import annotations

import atexit
import ctypes
import itertools
from collections.abc import Iterable, Sequence
from ctypes import CFUNCTYPE, POINTER, byref, c_char_p, c_int, c_int64, c_void_p, py_object
from typing import Any

import numpy as np


class CSchema(ctypes.Structure):
    pass


class CArray(ctypes.Structure):
    pass


class CStream(ctypes.Structure):
    pass


Release = CFUNCTYPE(None, c_void_p)
CSchema._fields_ = [
    ("format", c_char_p),
    ("name", c_char_p),
    ("metadata", c_char_p),
    ("flags", c_int64),
    ("n_children", c_int64),
    ("children", c_void_p),
    ("dictionary", POINTER(CSchema)),
    ("release", Release),
    ("private_data", c_void_p),
]
CArray._fields_ = [
    ("length", c_int64),
    ("null_count", c_int64),
    ("offset", c_int64),
    ("n_buffers", c_int64),
    ("n_children", c_int64),
    ("buffers", POINTER(c_void_p)),
    ("children", c_void_p),
    ("dictionary", POINTER(CArray)),
    ("release", Release),
    ("private_data", c_void_p),
]
GetSchema = CFUNCTYPE(c_int, c_void_p, POINTER(CSchema))
GetNext = CFUNCTYPE(c_int, c_void_p, POINTER(CArray))
GetError = CFUNCTYPE(c_void_p, c_void_p)
CStream._fields_ = [
    ("get_schema", GetSchema),
    ("get_next", GetNext),
    ("get_last_error", GetError),
    ("release", Release),
    ("private_data", c_void_p),
]

live: dict[int, tuple[Any, ...]] = {}  # structs that are exported and not yet released, with everything they point to
_numbers = itertools.count(1)


def _export(exported: Any, children: Sequence[Any] = (), *held: Any) -> Any:
    """``children`` are released with it: the dictionary too."""
    exported.private_data = next(_numbers)
    exported.release = _release[type(exported)]
    live[exported.private_data] = (exported, children, *held)
    return exported


def _releaser(struct: type[ctypes.Structure]) -> Any:
    def release(address: int) -> None:
        exported = struct.from_address(address)
        children = live.pop(exported.private_data)[1]  # a second release is a KeyError, which pytest reports
        exported.release = Release()
        for child in children:
            if child.release:
                child.release(ctypes.addressof(child))

    return Release(release)


_release = {struct: _releaser(struct) for struct in (CSchema, CArray, CStream)}
_capsules: dict[int, Any] = {}  # by address, what a capsule's destructor is to release unless somebody took it over
_names: set[bytes] = set()
_kept: list[object] = []  # capsules, until a moment when their destructor, Python code, finds no exception under way
atexit.register(_kept.clear)  # and none later than the modules that the destructor uses
_api = ctypes.pythonapi
_api.PyCapsule_New.argtypes = [c_void_p, c_char_p, c_void_p]
_api.PyCapsule_New.restype = py_object
_NAMES = {CSchema: b"arrow_schema", CArray: b"arrow_array", CStream: b"arrow_array_stream"}


@ctypes.PYFUNCTYPE(None, c_void_p)  # an address: as an object the capsule would come back to life
def _destroy(capsule: int) -> None:
    exported = _capsules.pop(capsule)
    if exported.release:
        exported.release(ctypes.addressof(exported))


def capsule(exported: Any, name: bytes | None = None) -> object:
    """A capsule of an exported struct, under the name that the interface gives it or another one."""
    name = name or _NAMES[type(exported)]
    made = _api.PyCapsule_New(ctypes.addressof(exported), name, ctypes.cast(_destroy, c_void_p))
    _names.add(name)  # a capsule refers to its name
    _capsules[id(made)] = exported
    _kept.append(made)
    return made


def unreleased() -> int:
    """The number of structs that neither the reader nor the destructors of the capsules have released."""
    _kept.clear()
    return len(live)


def _table(structs: Sequence[Any]) -> Any:
    """Their addresses, as C has them."""
    return (c_void_p * len(structs))(*map(ctypes.addressof, structs))


class Column:
    """One array of a column. ``buffers`` are NumPy arrays or None, the first of them the validity."""

    def __init__(
        self,
        format: str,
        length: int,
        buffers: Sequence[np.ndarray | None],
        *,
        offset: int = 0,
        null_count: int = -1,
        dictionary: Column | None = None,
        children: Sequence[Column] = (),
        name: str = "",
    ) -> None:
        self.format, self.length, self.offset, self.null_count = format, length, offset, null_count
        self.buffers, self.dictionary, self.children, self.name = buffers, dictionary, children, name

    def c_schema(self) -> CSchema:
        exported = CSchema(format=self.format.encode(), name=self.name.encode(), n_children=len(self.children))
        return self._with_children(exported, [child.c_schema() for child in self.children], "c_schema")

    def c_array(self) -> CArray:
        addresses = (c_void_p * len(self.buffers))(*(None if b is None else b.ctypes.data for b in self.buffers))
        exported = CArray(
            length=self.length,
            null_count=self.null_count,
            offset=self.offset,
            n_buffers=len(self.buffers),
            n_children=len(self.children),
        )
        exported.buffers = ctypes.cast(addresses, POINTER(c_void_p))
        children = [child.c_array() for child in self.children]
        return self._with_children(exported, children, "c_array", addresses, self.buffers)

    def _with_children(self, exported: Any, children: list[Any], kind: str, *held: Any) -> Any:
        table = _table(children)
        if children:
            exported.children = ctypes.addressof(table)
        if self.dictionary is not None:
            words = getattr(self.dictionary, kind)()
            exported.dictionary = ctypes.pointer(words)
            children = [*children, words]
        return _export(exported, children, table, *held)

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]:
        return capsule(self.c_schema()), capsule(self.c_array())


class Stream:
    """A column in chunks, of which ``fails_at`` names the one whose computation fails (-1: the schema's does)."""

    def __init__(self, chunks: Iterable[Column], format: str = "u", fails_at: int | None = None) -> None:
        self.chunks, self.format, self.fails_at = list(chunks), format, fails_at

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        rest = enumerate(self.chunks)
        message = ctypes.create_string_buffer(b"the disk is on fire")

        def get_schema(stream: int, out: Any) -> int:
            if self.fails_at == -1:
                out.contents.release = _release[CSchema]  # of no schema: it must not be called
                return 5
            schema = self.chunks[0].c_schema() if self.chunks else Column(self.format, 0, []).c_schema()
            ctypes.memmove(out, byref(schema), ctypes.sizeof(schema))
            return 0

        def get_next(stream: int, out: Any) -> int:
            number, chunk = next(rest, (None, None))
            if number is not None and number == self.fails_at:
                out.contents.release = _release[CArray]
                return 5
            array = CArray() if chunk is None else chunk.c_array()
            ctypes.memmove(out, byref(array), ctypes.sizeof(array))
            return 0

        calls = GetSchema(get_schema), GetNext(get_next), GetError(lambda stream: ctypes.addressof(message))
        return capsule(_export(CStream(*calls), (), calls, message))


def bitmap(flags: Iterable[bool], offset: int = 0) -> np.ndarray:
    """A bitmap, from the lowest bit of each byte. The bits before the offset are set."""
    return np.packbits([True] * offset + list(flags), bitorder="little")


def text_column(items: Sequence[bytes | None], format: str = "u", offset: int = 0) -> Column:
    """A column of one array, of any text format; ``offset`` items that are not its own come before."""
    held = [b"before" + bytes(9)] * offset + [item if item is not None else b"" for item in items]
    valid = None if None not in items else bitmap((item is not None for item in items), offset)
    if format[0] == "w":
        held = [item[: int(format[2:])].ljust(int(format[2:]), b"#") for item in held]
        buffers = [np.frombuffer(b"".join(held) + b"\0", np.uint8)]
    elif format[0] == "v":
        buffers = view_buffers(held)
    else:
        offsets = np.cumsum([0, *map(len, held)]).astype(np.int32 if format in "uz" else np.int64)
        buffers = [offsets, np.frombuffer(b"".join(held) + b"\0", np.uint8)]
    return Column(format, len(items), [valid, *buffers], offset=offset)


def view_buffers(items: Sequence[bytes]) -> list[np.ndarray]:
    """Views, and the long items in turn in two data buffers, and the sizes of these."""
    data = [bytearray(), bytearray(b"unused")]
    views = bytearray()
    for number, item in enumerate(items):
        views += np.int32(len(item)).tobytes()
        if len(item) <= 12:
            views += item.ljust(12, b"\0")
        else:
            home = data[number % 2]
            views += item[:4] + np.array([number % 2, len(home)], np.int32).tobytes()
            home += item
    arrays = [np.frombuffer(bytes(part) + b"\0", np.uint8) for part in data]
    sizes = np.array([len(part) for part in data], np.int64)
    return [np.frombuffer(bytes(views) + b"\0", np.uint8), *arrays, sizes]


def encoded_column(codes: np.ndarray, words: Column, valid: np.ndarray | None = None, offset: int = 0) -> Column:
    """A dictionary-encoded column."""
    format = {"i1": "c", "u1": "C", "i2": "s", "u2": "S", "i4": "i", "u4": "I", "i8": "l", "u8": "L"}[
        codes.dtype.str[1:]
    ]
    return Column(format, len(codes) - offset, [valid, codes], offset=offset, dictionary=words)
