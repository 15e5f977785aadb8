"""Which keys a run of ``table`` hashes: the options that choose, and what they load.

Owns the options ``--input``, ``--traffic``, ``--key-type`` and ``--key-bytes``.
"""

import argparse
from pathlib import Path
from typing import Any

TRAFFICS = ("zipf", "uniform", "scan", "phases")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options to a command line."""
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument(
        "--input", type=Path, metavar="PATH", help="identifiers of this file, or of a folder's text files"
    )
    chosen.add_argument(
        "--traffic", choices=TRAFFICS, help="made keys; scan, and keys of over 32 bytes, the cache loses"
    )
    parser.add_argument("--key-type", choices=("str", "bytes"), help="with --traffic (default: str)")
    parser.add_argument("--key-bytes", type=int, metavar="N", help="with --traffic: 8 to 64 (default: 16)")


def load(
    *, every: int, input: Path | None, traffic: str | None, key_type: str | None, key_bytes: int | None
) -> tuple[Any, str]:
    """A ``Corpus``, and the options as they go into the result; ``ValueError`` when they do not go together."""
    from core import corpus  # not above: without numpy the command line must still be able to say what is missing
    from table import traffic as made

    if traffic is None and (key_type or key_bytes):
        raise ValueError("--key-type and --key-bytes go with --traffic: real input is str, as long as it is")
    if input is not None:
        return corpus.load_input(input, every=every), " --input PATH"
    if traffic is None:
        return corpus.load(corpus.standard_library(), every=every), ""
    key_type, key_bytes = key_type or "str", 16 if key_bytes is None else key_bytes
    words = made.make(traffic, key_type=key_type, length=key_bytes, every=every)
    return words, f" --traffic {traffic} --key-type {key_type} --key-bytes {key_bytes}"
