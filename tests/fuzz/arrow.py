"""Arrow columns of any layout, of which any field of any struct may be wrong, are read or refused by both packages.

An input is a column, or the chunks of a stream, and then what is wrong: fields of their structs, and of those of their
children and dictionaries. Items are of the fuzzer's bytes: offsets, views, codes and run ends are mostly wrong.

The interface has no sizes of buffers. So the producer here keeps its promises (docs/semantics.md, line 62): buffers are
as long as length, offset and format say, and no byte longer, which AddressSanitizer watches.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from ctypes import POINTER, c_void_p
from typing import Any

import numpy as np
from fuzzing import HMap, Source, start

import arrow_source
from arrow_source import CArray, Column, CSchema, Stream, capsule
from tophash_cache import TopHashCache

WIDTHS = {
    **dict.fromkeys(["c", "C"], 1), **dict.fromkeys(["s", "S", "e"], 2), **dict.fromkeys(["i", "I", "f", "tdD"], 4),
    **dict.fromkeys(["l", "L", "g", "tdm", "ttn", "tDs", "tDn", "tss:", "tsu:UTC", "tsn:Europe/Paris"], 8),
    "w:0": 0, "w:1": 1, "w:3": 3, "w:16": 16,
}  # fmt: skip
OFFSETS = {"u": 4, "z": 4, "U": 8, "Z": 8}
FORMATS = [*("u", "U", "vu", "z", "Z", "vz") * 2, "+s", "+r", "n", "b", *WIDTHS]
NONSENSE = [  # none of them is read: a format for which the buffers are too short would break the promise
    "",
    "q",
    "ts",
    "tsq:",
    "w:",
    "w:-5",
    "w:4294967296",
    "w:9999999999",
    "+l",
    "+m",
    "+ud:0,1",
    "vq",
    "é",
    "d:9,2",
]
NO_FORMATS = [None, b"\xff", *map(str.encode, NONSENSE)]  # a struct refers to them and does not keep them
CODES = "cCsSiIlL"
TYPES = [str, bytes, object, np.int64, np.uint8, np.float64, "M8[D]", "m8[ns]", "S3", [("a", "i8"), ("b", "S2")]]
CACHE = TopHashCache()
# UnicodeDecodeError: that texts are UTF-8 is the producer's promise too, but here they are any bytes.
DOCUMENTED = (ValueError, UnicodeDecodeError, TypeError, OverflowError, OSError, MemoryError)


# ---- columns ---------------------------------------------------------------------------------------------------------


def exact(data: bytes) -> np.ndarray:
    """Memory that ends with its last byte. Room in front, since ctypes holds a few bytes inside its object."""
    memory = (ctypes.c_char * (32 + len(data)))()
    memory[32:] = data
    return np.frombuffer(memory, np.uint8)[32:]


def ints(source: Source, n: int, width: int) -> list[int]:
    """Small numbers mostly."""
    return [byte % 16 if (byte := source.byte()) < 240 else source.number(width, signed=True) for _ in range(n)]


def packed(numbers: list[int], width: int) -> bytes:
    return b"".join((number % (1 << 8 * width)).to_bytes(width, "little") for number in numbers)


def column(source: Source, like: Column | None = None, depth: int = 0) -> Column:
    """A column of any type, or of the type of another one."""
    format = like.format if like else source.pick(FORMATS) if source.byte() < 250 else source.pick(NONSENSE)
    length, offset = source.byte() % 9, max(0, source.byte() % 8 - 4)
    rows = offset + length
    null_count = source.pick([-1, -1, 0, 1])
    valid = source.pick([None, exact(source.take(-(-rows // 8)))])
    children: list[Column] = []
    dictionary = None
    if like:
        dictionary = like.dictionary and column(source, like.dictionary, depth + 1)
        children = [column(source, child, depth + 1) for child in like.children]
    elif depth < 3 and format in CODES and source.byte() & 1:
        dictionary = column(source, None, depth + 1)
    elif depth < 3 and format in ("+s", "+r"):
        children = [column(source, None, depth + 1) for _ in range(2 if format == "+r" else source.byte() % 3)]
    for name, child in zip("ab", children, strict=False):
        child.name = name
    return Column(
        format, length, [valid, *buffers(source, format, rows)], offset=offset, null_count=null_count,
        children=children, dictionary=dictionary,
    )  # fmt: skip


def buffers(source: Source, format: str, rows: int) -> list[np.ndarray | None]:
    """Those after the validity."""
    if format in WIDTHS:
        width = WIDTHS[format]
        numbers = ints(source, rows, width) if width else []
        return [exact(packed(numbers, width))]
    if format == "b":
        return [exact(source.take(-(-rows // 8)))]
    if format in OFFSETS:
        data = source.take(source.byte() % 24)
        return [exact(packed(offsets(source, rows, len(data)), OFFSETS[format])), exact(data)]
    if format in ("vu", "vz"):
        data = [source.take(source.byte() % 24) for _ in range(source.byte() % 3)]
        sizes = [min(source.byte() & 31, len(part)) for part in data]
        views = b"".join(view(source, data) for _ in range(rows))
        return [exact(views), *map(exact, data), exact(packed(sizes, 8))]
    return []


def offsets(source: Source, rows: int, size: int) -> list[int]:
    """They rise, or are any numbers; the last one lies in the data."""
    if source.byte() & 1:
        return [*ints(source, rows, 4), min(size, source.byte())]
    rising = [0]
    for _ in range(rows):
        rising.append(min(size, rising[-1] + source.byte() % 8))
    return rising


def view(source: Source, data: list[bytes]) -> bytes:
    """A short text, a long one that is there, one that may be, or any 16 bytes."""
    kind = source.byte() % 8
    if kind < 3:
        text = source.take(source.byte() % 13)
        return packed([len(text)], 4) + text.ljust(12, b"\0")
    if kind < 5 and data:
        number = source.byte() % len(data)
        return packed([len(data[number])], 4) + data[number][:4].ljust(4, b"\0") + packed([number, 0], 4)
    if kind < 7:
        return packed([10 + source.byte() % 16, 0, source.byte() % 3, source.byte() % 16], 4)
    return source.take(16)


# ---- what is wrong with them -----------------------------------------------------------------------------------------

FIELDS = sorted({name for struct in (CSchema, CArray) for name, _ in struct._fields_} - {"release", "private_data"})


def part_of(source: Source, struct: Any) -> Any:
    """The struct of a column, or of a part of it. The same bytes lead to the same part of a type and of an array."""
    while (choice := source.byte()) & 1:
        if choice & 2 and struct.dictionary:
            struct = struct.dictionary.contents
        elif struct.n_children in (1, 2) and struct.children:
            address = c_void_p.from_address(struct.children + 8 * (choice // 4 % struct.n_children)).value
            if address is None:
                break
            struct = type(struct).from_address(address)
        else:
            break
    return struct


def spoil(source: Source, struct: Any) -> None:
    """Make one field wrong, in a type, in an array, or in both."""
    struct = part_of(source, struct)
    field, whose, choice = source.pick(FIELDS), source.byte(), source.byte()
    number = source.number(8, signed=True)
    if not hasattr(struct, field) or whose % 3 == (struct.__class__ is CSchema):
        return
    if field in ("length", "offset"):  # a smaller one is no lie: what remains of the items is there
        smaller = range(getattr(struct, field)) if getattr(struct, field) < 16 else ()  # else it is wrong already
        value = choices(choice, [-1, 2**62, 2**63 - 1, -(2**63), *smaller])
    elif field in ("null_count", "flags"):
        value = number
    elif field in ("n_buffers", "n_children"):
        value = choices(choice, [0, -1, 2**31, 2**63 - 1])
    elif field == "format":
        value = choices(choice, NO_FORMATS)
    elif field in ("name", "metadata"):
        value = choices(choice, [None, b"", b"\xff\xff\xff\x7f", b"a"])
    elif field == "dictionary":
        value = choices(choice, [POINTER(type(struct))(), ctypes.pointer(struct)])
    elif field == "buffers" and struct.buffers and choice & 1 and struct.n_buffers > 0:
        struct.buffers[choice // 2 % min(struct.n_buffers, 3)] = None
        return
    elif field == "children" and struct.children and choice & 1 and struct.n_children in (1, 2):
        place = c_void_p.from_address(struct.children + 8 * (choice // 2 % struct.n_children))
        place.value = choices(choice // 4, [None, ctypes.addressof(struct)])
        return
    else:
        value = None
    setattr(struct, field, value)


def choices(number: int, values: list[Any]) -> Any:
    return values[number % len(values)]


class Spoiled:
    """A column whose structs are made wrong when they are exported."""

    def __init__(self, column: Column, wrong: bytes) -> None:
        self.column, self.wrong = column, wrong

    def c_schema(self) -> Any:
        return self.spoiled(self.column.c_schema())

    def c_array(self) -> Any:
        return self.spoiled(self.column.c_array())

    def spoiled(self, struct: Any) -> Any:
        source = Source(self.wrong)
        while source:
            spoil(source, struct)
        return struct

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]:
        return capsule(self.c_schema()), capsule(self.c_array())


def producer(source: Source) -> Any:
    """An array, or a stream of up to three chunks. What is wrong is said by the last bytes."""
    first, kind = column(source), source.byte()
    if kind & 1:
        wrong = source.take(source.byte() % 30) if kind & 2 else b""
        return Spoiled(first, wrong)
    rest = [column(source, first) for _ in range(source.byte() % 3)]
    wrong = source.take(source.byte() % 30) if kind & 2 else b""
    spoiled = source.byte() % (1 + len(rest))
    chunks = [Spoiled(chunk, wrong if i == spoiled else b"") for i, chunk in enumerate([first, *rest])]
    return Stream(chunks, fails_at=source.byte() % 4 - 1 if kind & 4 else None)  # type: ignore[arg-type]


# ---- what must hold --------------------------------------------------------------------------------------------------


def outcome(call: Callable[[], Any]) -> Any:
    """What a call gives, or the documented error that it raises."""
    try:
        return call()
    except DOCUMENTED as error:
        if type(error) not in DOCUMENTED:  # a subclass, which nobody has raised on purpose
            raise
        return type(error)


def unchanged_by_an_error(m: HMap, call: Callable[[], Any]) -> Any:
    before = len(m)
    result = outcome(call)
    if isinstance(result, type):
        assert len(m) == before
    return result


def target(source: Source) -> None:
    key = source.pick(TYPES)
    m, objects = HMap(key, np.int64, seed=1), HMap(object, np.int64, seed=1)
    given = producer(source)

    codes = unchanged_by_an_error(m, lambda: m.factorize(given))
    expected = unchanged_by_an_error(objects, lambda: objects.factorize(given))
    digests = outcome(lambda: CACHE.hash_many(given))
    unchanged_by_an_error(m, lambda: m.pop_many(given, 7))
    values = HMap(np.int64, key, seed=1)
    unchanged_by_an_error(values, lambda: values.set_many(range(4), given))
    m.check()

    if not isinstance(expected, type):  # what the column holds is known: the readers must agree
        items = dict(zip(objects.values(), objects, strict=True))
        if items and all(type(item) in (key, key is np.int64 and int) for item in items.values()):
            assert codes.tolist() == expected.tolist()
        if not isinstance(digests, type):
            assert digests.tolist() == [CACHE.hash(items[code]) for code in expected.tolist()]
    assert arrow_source.unreleased() == 0


if __name__ == "__main__":
    start(target)
