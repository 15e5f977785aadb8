"""Files of frozen maps and indexes for the tests: made, damaged, and written again with other contents and right
checksums."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import pyhmap
from pyhmap import CorruptMapError, FrozenIndex, FrozenMap, HIndex, HMap
from pyhmap._file.blocks import BlockWriter, checksum_of
from pyhmap._file.header import PAGE, Header, header_of

MAPS = {
    "ints": lambda: FrozenMap.from_arrays(np.arange(1000), np.arange(1000) * 3, seed=1),
    "4-byte keys": lambda: FrozenMap.from_arrays(np.arange(1000, dtype="i4"), np.arange(1000, dtype="f4"), seed=1),
    "texts": lambda: HMap(str, str, {f"{i}" * (1 + i % 20): f"{i}." * (i % 9) for i in range(300)}).freeze(seed=1),
    "texts to ints": lambda: FrozenMap.from_arrays([f"key number {i}" for i in range(300)], range(300), seed=1),
    "short texts": lambda: HMap(bytes, np.int64, {b"%d" % i: i for i in range(30)}).freeze(seed=1),
    "records": lambda: HMap([("a", "i4"), ("b", "S3")], "U3", {(i, b"%d" % i): f"{i}" for i in range(99)}).freeze(
        seed=1
    ),
    "empty": lambda: HMap(np.int64, np.int64).freeze(seed=1),
    "empty texts": lambda: HMap(str, str).freeze(seed=1),
}
INDEXES = {  # the order of the codes is not that of the keys
    "index of ints": lambda: HIndex("i8", np.arange(1000)[::-1] * 7).freeze(seed=1),
    "index of 4-byte keys": lambda: HIndex("f4", np.arange(1000)[::-1] / 4).freeze(seed=1),
    "index of texts": lambda: HIndex(str, [f"{i}" * (1 + i % 20) for i in range(300, 0, -1)]).freeze(seed=1),
    "index of records": lambda: HIndex([("a", "i4"), ("b", "U3")], [(-i, f"{i}") for i in range(99)]).freeze(seed=1),
    "empty index": lambda: HIndex(np.int64).freeze(seed=1),
    "empty index of texts": lambda: HIndex(bytes).freeze(seed=1),
}


def header_in(path: Path) -> Header:
    data = path.read_bytes()
    return header_of(lambda at, size: data[at : at + size], len(data))


def rewritten(path: Path, changes: dict[str, Any], **sections: Any) -> None:
    """Write a file again with other fields of its header and other sections, as an attacker would: all
    checksums are right. A section that only the other header has must be given."""
    data, header = path.read_bytes(), header_in(path)
    found = {name: data[begin:end] for name, (begin, end) in header.sections().items()}
    found |= {name: bytes(section) for name, section in sections.items()}
    header = replace(header, **changes)
    with path.open("wb") as file:
        file.write(bytes(len(header.to_bytes())))
        blocks = BlockWriter(file)
        for name in [name for name in header.sizes() if name != "checksums"]:
            blocks.write(found[name])
            blocks.write(bytes(-blocks.bytes % PAGE))
        checksums = blocks.checksums()
        file.write(checksums)
        file.seek(0)
        file.write(replace(header, checksums=checksum_of(checksums)).to_bytes())


def tensors_of(data: bytes) -> dict[str, Any]:
    """The header of a safetensors file, by the description of that format alone."""
    size = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + size])


def read_in_all_ways(f: Any, asked: list[Any]) -> None:
    """Read a map or an index of any content. What it holds may be no text or no record; nothing else may go wrong."""
    for read in index_reads(f, asked) if isinstance(f, FrozenIndex) else map_reads(f, asked):
        try:
            read()
        except (ValueError, IndexError, CorruptMapError):  # IndexError: a record is too short; or no key has a code
            pass
        except KeyError:
            assert isinstance(f, FrozenIndex)  # whose items() looks up each key
        except SystemError as error:  # NumPy raises it where an item of dtype U is no text
            if "PyUnicode_New" not in str(error):
                raise


def map_reads(f: Any, asked: list[Any]) -> list[Callable[[], Any]]:
    default = "" if f.value_dtype is str else f._value_codec.zero()
    return [
        lambda: [f.get(key) for key in asked],
        lambda: [key in f for key in asked],
        lambda: f.contains_many(asked),
        lambda: f.lookup_many(asked),
        lambda: f.get_many(asked, default),
        lambda: f.positions(asked),
        lambda: list(f.items()),
        lambda: f.to_arrays(),
        lambda: repr(f),
        lambda: hash(f),
        lambda: f.check(),
    ]


def index_reads(f: Any, asked: list[Any]) -> list[Callable[[], Any]]:
    codes = np.arange(len(f))
    reads = [
        lambda: [f.get(key) for key in asked],
        lambda: [key in f for key in asked],
        lambda: f.encode(asked),
        lambda: list(f),
        lambda: list(f.items()),
        lambda: f == HIndex(f.key_dtype, asked),
        lambda: HIndex(f),
        lambda: repr(f),
        lambda: hash(f),
        lambda: f.check(),
    ]
    for code in (*codes[:50].tolist(), -1, len(f), 2**32, 2**63):
        reads += [functools.partial(f.key, code), functools.partial(f.decode, [code])]
    for to in ("array", "list", "arrow", *(["string"] if f.key_dtype is str else [])):
        reads += [functools.partial(decoded, f, some, to) for some in (codes, np.tile(codes, 9))]
    return reads


def decoded(f: Any, codes: Any, to: str) -> Any:
    """What decode() returns, and of an Arrow array what others read."""
    keys = f.decode(codes, to=to)
    if to != "arrow":
        return keys
    import pyarrow  # the tests of a wheel do without

    return pyarrow.array(keys).validate(full=True)


def put_values(path: Path, queue: Any) -> None:
    """In another process, which can import this file, but not that of a test: put two values into a queue."""
    with pyhmap.open(path) as f:
        queue.put([f[key] for key in ("a", "long enough to be elsewhere")])


def put_codes(path: Path, queue: Any) -> None:
    """The same with codes and keys of an index."""
    with pyhmap.open(path) as f:
        queue.put((f.encode(["b", "none"]).tolist(), f.decode([1, 0], to="list"), f.key(1)))
