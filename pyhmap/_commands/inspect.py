"""`python -m pyhmap inspect FILE`: what the header of a file says. Nothing else of the file is read."""

from __future__ import annotations

import argparse
import re
from typing import Any

from pyhmap._commands.output import STATUSES, columns, print_json, reading, shortened, table
from pyhmap._file import read
from pyhmap._file.header import FORMAT, Header
from pyhmap._file.types import type_of_text

HELP = "what the header of a file says: types, keys, sections"


def add_to(verbs: Any) -> None:
    """Add the verb to the parser."""
    parser = verbs.add_parser("inspect", help=HELP, description=f"Shows {HELP}.", epilog=STATUSES)
    parser.add_argument("file", metavar="FILE", help="a file that save() has written")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Show the header."""
    show(options.file, options.json)
    return 0


def show(path: str, as_json: bool) -> None:
    """Print what the header of a file says."""
    with reading(path):
        file = read.OpenFile(path, None)
        read.types_of(file)
    if as_json:
        print_json({"file": path, **described(file.header)})
    else:
        print(report(path, file.header))


def described(header: Header) -> dict[str, Any]:
    """The header and its sections, in the words of docs/format.md."""
    count, parts, slots, buckets = header.shape
    whole = header.file_bytes()
    return {
        "format_version": int(FORMAT),
        "written_by": header.written_by,
        "kind": header.kind,
        "key": header.key,
        "value": None if header.kind == "set" else header.value,
        "hash": header.hash,
        "id": header.id,
        "count": count,
        "parts": parts,
        "slots": slots,
        "buckets": buckets,
        "row_bytes": header.row_bytes,
        "text_bytes": header.text_bytes,
        "bytes": whole,
        "sections": [
            {
                "name": name,
                "offset": begin,
                "bytes": size,
                "bytes_per_key": size / count if count else None,
                "share": size / whole,
            }
            for name, begin, size in sections(header)
        ],
    }


def sections(header: Header) -> list[tuple[str, int | None, int]]:
    """The name, offset and bytes of the header and of each section, and the bytes of the zeros between them."""
    found: list[tuple[str, int | None, int]] = [("header", 0, len(header.to_bytes()))]
    found += [(name, begin, end - begin) for name, (begin, end) in header.sections().items()]
    return [*found, ("padding", None, header.file_bytes() - sum(size for _, _, size in found))]


def title(path: str, header: Header) -> str:
    """A line: what the file is.

    >>> title("a.pyhmap", Header("map", "<i8", "str", "", (0, 0, 0, 0), (0, 1, 64, 1), 24, 0))
    'a.pyhmap: a map from int64 to str'
    """
    key, value = (type_name(type_of_text(text)) for text in (header.key, header.value))
    kinds = {"map": f"a map from {key} to {value}", "set": f"a set of {key}", "index": f"an index of {key}"}
    return f"{path}: {shortened(kinds[header.kind], max(20, columns() - len(path) - 2))}"


def type_name(of: Any) -> str:
    """The name of a type of keys or values.

    >>> import numpy as np
    >>> type_name(str), type_name(np.dtype("i8")), type_name(np.dtype([("a", "f4"), ("b", "S3", 2)]))
    ('str', 'int64', "{a: float32, b: ('S3', (2,))}")
    """
    if isinstance(of, type):
        return of.__name__
    if not of.names:
        return re.sub("[<|]", "", str(of))
    return f"{{{', '.join(f'{name}: {type_name(of[name])}' for name in of.names)}}}"


def report(path: str, header: Header) -> str:
    """What ``described()`` has, for people."""
    count, parts, slots, buckets = header.shape
    whole = header.file_bytes()
    facts = [
        ("keys", f"{count:,}"),
        ("size", f"{whole:,} bytes{f', {whole / count:,.2f} per key' if count else ''}"),
        ("written by", f"{header.written_by}, format version {FORMAT}"),
        ("id", header.id),
        ("hash", header.hash),
        ("rows", f"{header.row_bytes:,} bytes each"),
        ("parts", f"{parts:,}, each of {slots:,} slots and {buckets:,} buckets"),
    ]
    rows = [("section", "offset", "bytes", "per key", "share")]
    for name, begin, size in sections(header):
        offset = "" if begin is None else f"{begin:,}"
        rows.append((name, offset, f"{size:,}", f"{size / count:,.2f}" if count else "", f"{100 * size / whole:.1f} %"))
    return "\n\n".join((title(path, header), table(facts, left=2), table(rows)))
