"""`python -m pyhmap build SOURCE FILE --key COLUMN --value COLUMN`: columns of a Parquet, CSV or Arrow file as a map.

The source is read a batch at a time and need not fit into memory.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Iterator
from typing import Any, cast

import numpy as np

from pyhmap._commands import inspect, sources
from pyhmap._commands.output import DAMAGED, Progress, Refusal, cannot
from pyhmap._convert import codecs
from pyhmap._convert.dtypes import type_of
from pyhmap._convert.records import RecordCodec
from pyhmap._file import build as building
from pyhmap._file import read
from pyhmap._mapping.sets import NO_VALUE

HELP = "make a file of columns of a Parquet, CSV or Arrow file"
STATUSES = (
    "Exit status: 0, 1 if the source is damaged or its items are refused (a null, a key that occurs twice), "
    "2 if it cannot be read or the file cannot be written."
)


def add_to(verbs: Any) -> None:
    """Add the verb to the parser."""
    about = (
        "Makes a file that pyhmap.open() opens, of columns of a Parquet, CSV or Arrow file, whose kind is told by its "
        "name. Several keys or values become one structured key or value; without a value, the file is a set."
    )
    parser = verbs.add_parser("build", help=HELP, description=about, epilog=STATUSES)
    parser.add_argument("source", metavar="SOURCE", help=", ".join(sources.READERS))
    parser.add_argument("file", metavar="FILE", help="the file to write; an old one is replaced as a whole")
    parser.add_argument("--key", action="append", required=True, metavar="COLUMN", help="the column of the keys")
    parser.add_argument("--value", action="append", default=[], metavar="COLUMN", help="the column of the values")
    help_on_type = "the type of a column: str, bytes, or a dtype of NumPy such as int64, float32, M8[s], U16"
    parser.add_argument("--type", action="append", type=typed, default=[], metavar="COLUMN=TYPE", help=help_on_type)
    help_on_duplicate = "what a key does that occurs twice: it is an error, or its last value counts (%(default)s)"
    parser.add_argument("--on-duplicate", choices=["raise", "last"], default="raise", help=help_on_duplicate)
    parser.add_argument("--memory", type=size, default="2GB", metavar="SIZE", help="memory to use (%(default)s)")
    parser.add_argument("--json", action="store_true", help="print what inspect --json prints of the file")
    parser.set_defaults(run=run)


def typed(text: str) -> tuple[str, Any]:
    """The argument of ``--type``.

    >>> typed("zip=str"), typed("a=b=int64")
    (('zip', <class 'str'>), ('a=b', dtype('int64')))
    """
    column, _, name = text.rpartition("=")
    if not column:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form COLUMN=TYPE: give, for example, zip=str")
    try:
        found = type_of(name, "column")
    except TypeError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if found not in (str, bytes) and (found is object or found.kind not in "biufmMUS"):
        raise argparse.ArgumentTypeError(f"{name!r} is no type of a column: give str, bytes, a number, a time, U or S")
    return column, found


def size(text: str) -> int:
    """The argument of ``--memory``."""
    try:
        return building.bytes_of(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def run(options: argparse.Namespace) -> int:
    """Build the file."""
    source, target = options.source, options.file
    if os.path.exists(source) and os.path.exists(target) and os.path.samefile(source, target):
        raise Refusal(f"{target} is the source: give another name")
    built(options, dict(options.type))
    if options.json:
        inspect.show(target, True)
    else:
        header = read.OpenFile(target, None).header
        print(f"{inspect.title(target, header)}\n{header.shape[0]:,} keys in {header.file_bytes():,} bytes")
    return 0


def built(options: argparse.Namespace, types: dict[str, Any]) -> None:
    """Build the file; what goes wrong becomes a refusal."""
    columns = list(dict.fromkeys([*options.key, *options.value]))
    keys, values = Side("key", options.key, types), Side("value", options.value, types)
    first = rows = 0  # of the batch at hand, and of all up to its end

    def batches() -> Iterator[tuple[Any, Any]]:
        nonlocal first, rows
        for part, batch in sources.batches_of(options.source, columns, types):
            first, rows = rows, rows + len(batch)
            progress.say(part, f"{rows:,} rows read")
            try:
                pair = keys.items(batch, first), values.items(batch, first)
            except (TypeError, ValueError, OverflowError) as error:
                raise ValueError(f"in the rows from {first:,} on, {error}") from None
            yield pair

    try:
        with Progress() as progress:
            building.build(
                batches(),
                options.file,
                options.memory,
                last=options.on_duplicate == "last" or not options.value,
                seed=None,
                kind="map" if options.value else "set",
                progress=lambda part: progress.say(part, f"of {rows:,} rows built"),
            )
    except (TypeError, ValueError, OverflowError) as error:
        message = re.sub(r"^batch \d+: ", f"in the rows from {first:,} on, ", str(error))
        advice = message.replace("on_duplicate='last'", "--on-duplicate last")
        raise Refusal(f"{options.source}: {advice}", DAMAGED) from None
    except OSError as error:
        raise cannot("write", options.file, error) from None


class Side:
    """The keys or the values: a column, or a structured array of several."""

    def __init__(self, what: str, names: list[str], types: dict[str, Any]) -> None:
        self.what, self.names, self.types = what, names, types
        self.is_key = what == "key"
        self.codec: RecordCodec | None = None  # of several columns, when their types are known

    def items(self, batch: Any, first: int) -> Any:
        """The items of a batch, which begins with this row of the source."""
        for name in self.names:
            self._refuse_nulls(name, batch.column(name), first)
        if not self.names:
            return NO_VALUE
        if len(self.names) == 1:
            return batch.column(self.names[0])
        if self.codec is None:
            dtype = np.dtype([(name, self._field(name, batch.column(name).type)) for name in self.names])
            self.codec = cast("RecordCodec", codecs.key_codec(dtype) if self.is_key else codecs.value_codec(dtype))
        parts = []
        for name, field in self.codec.fields:
            try:
                parts.append(field.many_values(batch.column(name)))  # a null becomes NaN or NaT, not a null record
            except (TypeError, ValueError, OverflowError) as error:
                raise ValueError(f"in column {name!r}, {error}") from None
        return self.codec._joined(parts, len(batch))

    def _refuse_nulls(self, name: str, column: Any, first: int) -> None:
        if column.null_count == 0 or (not self.is_key and has_missing_value(column.type)):
            return
        row = first + int(column.is_null().to_numpy(zero_copy_only=False).argmax())
        raise Refusal(f"column {name!r} is null in row {row:,} (the first is 0): fill or drop nulls", DAMAGED)

    def _field(self, name: str, arrow_type: Any) -> np.dtype[Any]:
        found = self.types.get(name) or type_of(arrow_type, f"{self.what} column {name!r}")
        if isinstance(found, type):
            raise ValueError(
                f"{name!r} is text, which has a fixed size in a structured {self.what}: "
                f"give --type {name}=U16, for example, for up to 16 characters"
            )
        return found  # type: ignore[no-any-return]


def has_missing_value(arrow_type: Any) -> bool:
    """Whether values of this type have NaN or NaT."""
    import pyarrow.types as types

    tests = types.is_floating, types.is_timestamp, types.is_date, types.is_duration
    return any(test(arrow_type) for test in tests)
