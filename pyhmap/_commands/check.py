"""`python -m pyhmap check FILE`: whether a file is damaged. Every byte of it is read."""

from __future__ import annotations

import argparse
import re
from typing import Any

from pyhmap import files
from pyhmap._commands.output import MIB, STATUSES, Progress, Refusal, print_json, reading
from pyhmap._file import read
from pyhmap._file.header import Header

HELP = "whether a file is damaged: all checksums, the structure, and that each key is found"


def add_to(verbs: Any) -> None:
    """Add the verb to the parser."""
    parser = verbs.add_parser("check", help=HELP, description=f"Says {HELP}.", epilog=STATUSES)
    parser.add_argument("file", metavar="FILE", help="a file that save() has written")
    parser.add_argument("--sha256", type=digits, metavar="HEX", help="also, that it has this SHA-256")
    parser.add_argument("--json", action="store_true", help='print one JSON object: {"ok": true, ...}')
    parser.set_defaults(run=run)


def digits(text: str) -> str:
    """The argument of ``--sha256``."""
    if not re.fullmatch("[0-9a-fA-F]{64}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no SHA-256: give 64 hexadecimal digits")
    return text


def run(options: argparse.Namespace) -> int:
    """Check the file."""
    try:
        header = checked(options.file, options.sha256)
    except Refusal as refusal:
        if options.json:
            print_json({"file": options.file, "ok": False, "error": str(refusal)})
        raise
    count, size = header.shape[0], header.file_bytes()
    if options.json:
        print_json({"file": options.file, "ok": True, "id": header.id, "count": count, "bytes": size})
    else:
        found = f"each of {count:,} keys is found"
        if header.kind == "index":
            found += ", and each code leads to its key"
        if options.sha256:
            found += ", and the SHA-256 is that one"
        print(f"{options.file}: no damage in {size:,} bytes; {found}")
    return 0


def checked(path: str, sha256: str | None) -> Header:
    """The header of a file in which all is right."""
    with reading(path), Progress() as progress:
        file = read.OpenFile(path, None)
        whole = len(file.bytes) / MIB

        def say(part: float) -> None:
            progress.say(part, f"{part * whole:,.0f} of {whole:,.0f} MiB")

        files._map_in(file, "full", sha256, say).close()
    return file.header
