"""Parquet, CSV and Arrow files as record batches of the columns that are asked for. The only user of pyarrow.

kind       suffix                       the part that is read comes from
parquet    .parquet                     rows
CSV        .csv, .csv.gz                bytes
Arrow      .arrow, .feather, .ipc       batches, or bytes if it is a stream (also .arrows)
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from pyhmap._commands.output import DAMAGED, Refusal, cannot

ROWS = 1 << 17  # of a batch from Parquet
Batches = Iterator[tuple[float, Any]]  # the part that has been read, and a pyarrow.RecordBatch


def batches_of(path: str, columns: list[str], types: dict[str, Any]) -> Batches:
    """The columns of a file, a batch at a time, converted to the types that are named for some of them.

    Raises ``Refusal``, even while the batches are read.
    """
    suffixes = [suffix for suffix in READERS if path.lower().endswith(suffix)]
    if not suffixes:
        known = ", ".join(READERS)
        raise Refusal(f"{path}: its kind is not known: give a file whose name ends in one of {known}")
    try:
        import pyarrow
    except ImportError:
        raise Refusal("pyarrow, which reads the source, is not installed: pip install 'pyhmap[files]'") from None
    arrow_types = {name: arrow_type(name, spec) for name, spec in types.items()}
    begun: list[Any] = []  # a batch without rows, up to the first one

    def begin(schema: Any) -> None:
        names = schema.names
        for name in [*columns, *types]:
            if names.count(name) != 1:
                found = f"{names.count(name)} columns named" if name in names else "no column"
                raise Refusal(f"{path} has {found} {name!r}; its columns are {', '.join(map(repr, names))}")
        fields = pyarrow.schema([schema.field(name) for name in columns])
        begun.append(pyarrow.RecordBatch.from_pylist([], fields))

    try:
        for part, batch in READERS[suffixes[0]](path, columns, arrow_types, begin):
            begun.clear()
            yield part, converted(path, batch, arrow_types)
        for batch in begun:  # the types of a source without rows count, too
            yield 1.0, converted(path, batch, arrow_types)
    except pyarrow.ArrowException as error:
        advice = ". Name types with --type" if "conversion error" in str(error) else ""
        raise Refusal(f"{path}: {str(error).splitlines()[0]}{advice}", DAMAGED) from None
    except OSError as error:
        raise cannot("read", path, error) from None


def arrow_type(name: str, spec: Any) -> Any:
    """The Arrow type of a column that is to have this type."""
    import pyarrow

    if spec in (str, bytes):
        return pyarrow.large_string() if spec is str else pyarrow.large_binary()
    if spec.kind in "US":
        return pyarrow.large_string() if spec.kind == "U" else pyarrow.large_binary()
    try:
        return pyarrow.from_numpy_dtype(spec)
    except pyarrow.ArrowNotImplementedError:
        raise Refusal(f"--type {name}: columns cannot be converted to {np.dtype(spec)}") from None


def converted(path: str, batch: Any, types: dict[str, Any]) -> Any:
    """A batch whose columns have the types that are named for them."""
    import pyarrow

    for at, name in enumerate(batch.schema.names):
        if name in types and batch.schema.types[at] != types[name]:
            try:
                batch = batch.set_column(at, name, batch.column(at).cast(types[name]))
            except pyarrow.ArrowException as error:
                raise Refusal(f"{path}: column {name!r}: {str(error).splitlines()[0]}", DAMAGED) from None
    return batch


Begin = Callable[[Any], None]  # takes the schema, before the first batch; refuses it if columns are missing


def parquet(path: str, columns: list[str], types: dict[str, Any], begin: Begin) -> Batches:
    """The batches of a Parquet file."""
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(path) as file:
        begin(file.schema_arrow)
        done, whole = 0, max(1, file.metadata.num_rows)
        for batch in file.iter_batches(ROWS, columns=columns):
            done += len(batch)
            yield done / whole, batch.select(columns)


def csv(path: str, columns: list[str], types: dict[str, Any], begin: Begin) -> Batches:
    """The batches of a CSV file. Types that are not named are those of the first MiB."""
    from pyarrow import csv

    def opened(raw: Any, **options: Any) -> Any:
        return csv.open_csv(unpacked(path, raw), convert_options=csv.ConvertOptions(column_types=types, **options))

    with open(path, "rb") as raw, opened(raw) as reader:
        begin(reader.schema)
    whole = max(1, os.path.getsize(path))
    with open(path, "rb") as raw, opened(raw, include_columns=columns) as reader:
        for batch in reader:
            yield raw.tell() / whole, batch


def unpacked(path: str, raw: Any) -> Any:
    """A stream of the bytes in a file that may be compressed."""
    import pyarrow

    return pyarrow.CompressedInputStream(raw, "gzip") if path.lower().endswith(".gz") else raw


def arrow(path: str, columns: list[str], types: dict[str, Any], begin: Begin) -> Batches:
    """The batches of an Arrow file or stream."""
    import pyarrow

    with open(path, "rb") as raw:
        is_file = raw.read(6) == b"ARROW1"
        raw.seek(0)
        whole = max(1, os.path.getsize(path))
        reader = pyarrow.ipc.open_file(raw) if is_file else pyarrow.ipc.open_stream(raw)
        begin(reader.schema)
        if is_file:
            for number in range(reader.num_record_batches):
                yield (number + 1) / reader.num_record_batches, reader.get_batch(number).select(columns)
        else:
            for batch in reader:
                yield raw.tell() / whole, batch.select(columns)


READERS = {
    ".parquet": parquet,
    ".csv": csv,
    ".csv.gz": csv,
    ".arrow": arrow,
    ".arrows": arrow,
    ".feather": arrow,
    ".ipc": arrow,
}
