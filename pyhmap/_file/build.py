"""A file from batches, larger than memory.

    batches ──> rows in a temporary file, in partitions by the upper bits of their hashes
                   │ a unit: as many partitions as memory holds, which are as many parts
                   v
    1. rows behind the rows     the last parts are built; what is in slots from `count` on waits in a temporary file
    2. entries                  unit by unit: the parts are built, free rows get the waiting ones, all rows are written
    3. texts, index             were written to temporary files by step 2, and are copied

So each row is written to the disk twice, and the file itself once, from its beginning to its end. The number of parts
is a power of two, as that of partitions is: so a unit has no part of another one.

The temporary files have no names: nothing is left of them, however the process ends. The rows stay in theirs up to the
end, since a hash key may turn out not to work as late as in step 2.
"""

from __future__ import annotations

import errno
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from pyhmap._convert import infer
from pyhmap._engine import build_parts
from pyhmap._engine.frozen import FrozenEngine
from pyhmap._file.replace import replaced
from pyhmap._file.types import type_text
from pyhmap._file.write import check_progress, header_for, write_file

Bytes = npt.NDArray[np.uint8]

PARTITIONS = 256  # at first; so many units of half the memory are a hundred times the memory
ROOM = 1 << 20  # most bytes of a buffer, and of what is written or read at once: longer ones save no more time
LEAST_ROOM = 1 << 10
LEAST_KEYS = 64  # of a part, on average: with fewer, parts differ too much in size
ROW_OVERHEAD = 40  # bytes per row that looking for equal keys takes
MAX_DRAWS = 100  # of a hash key, as in freeze.pyx

UNITS = {"": 1, "B": 1}
UNITS |= {f"{prefix}B": 1000**power for power, prefix in enumerate("KMGT", 1)}
UNITS |= {f"{prefix}IB": 1024**power for power, prefix in enumerate("KMGT", 1)}


class Extent(NamedTuple):
    """Where some records are in a file: a whole number of them."""

    at: int
    size: int


class _Redraw(Exception):
    """The keys do not work with this hash key."""


def build(
    batches: Iterable[Any],
    path: str | os.PathLike[str],
    memory: int | str,
    last: bool,
    seed: int | None,
    progress: Callable[[float], object] | None,
    kind: str = "map",
) -> None:
    """Write a file with the keys and values of all batches; with ``last``, of equal keys the last counts. For a set,
    ``kind`` is ``"set"``, and the values of each batch are ``NO_VALUE`` of sets.py."""
    check_progress(progress)
    limit = bytes_of(memory)
    target = os.path.realpath(os.fsdecode(path))
    if os.path.isdir(target):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    # The file first: a folder that is not there should be noticed before the batches are taken.
    with replaced(path) as file, ExitStack() as files:
        building = Building(os.path.dirname(target), files, kind, limit, last, progress)
        building.take(batches, seed)
        building.write(file)
    if progress is not None:
        progress(1.0)


def bytes_of(memory: int | str) -> int:
    """
    >>> bytes_of("2GB"), bytes_of("1.5 MiB"), bytes_of(4096)
    (2000000000, 1572864, 4096)
    """
    found = re.fullmatch(r"(\d+|\d+\.\d+) *([a-zA-Z]*)", memory) if isinstance(memory, str) else None
    if found and found[2].upper() in UNITS:
        memory = int(float(found[1]) * UNITS[found[2].upper()])
    if isinstance(memory, str) or not isinstance(memory, int | np.integer) or memory < 1:
        raise ValueError(f"memory={memory!r}: give a number of bytes from 1 on, or a text such as '500MB' or '2GB'")
    return int(memory)


@contextmanager
def errors_in(number: int) -> Iterator[None]:
    """Errors that say what is wrong with a batch get its number."""
    try:
        yield
    except (TypeError, OverflowError, ValueError) as error:
        kind = next(each for each in (TypeError, OverflowError, ValueError) if isinstance(error, each))
        raise kind(f"batch {number}: {error}") from None


def pair_of(batch: Any) -> tuple[Any, Any]:
    """The keys and the values of a batch."""
    items = tuple(batch) if isinstance(batch, tuple | list) else infer.columns_of_table(batch)
    if len(items) != 2:
        given = f"has {len(items)} items" if items else f"is of type {type(batch).__name__}"
        raise TypeError(f"it {given}: give a pair (keys, values), or a record batch of two columns")
    return items


def typed_map(key: Any, value: Any, seed: int | None) -> Any:
    """A frozen map of these types without keys. Raises ``TypeError`` if a type cannot be in a file."""
    f = FrozenEngine.__new__(FrozenEngine)
    f._begin(key, value, seed)
    for dtype in f.key_dtype, f.value_dtype:
        type_text(dtype)
    return f


def room_of(memory: int, buffers: int) -> int:
    """The bytes of each of some buffers: a quarter of the memory is for them."""
    return max(LEAST_ROOM, min(ROOM, memory // 4 // buffers // 8 * 8))


def spilled(batches: Iterable[Any], kind: str, begin: Callable[[Any, Any], Any]) -> Any:
    """Give the rows of all batches to a spiller, which ``begin`` makes for the types of keys and values. The first
    batch with rows decides the types. Returns the spiller."""
    spiller: Any = None
    decided = False
    for number, batch in enumerate(batches):
        with errors_in(number):
            keys, values = pair_of(batch)
            if not decided:
                keys, _, key_type = infer.with_type(keys, "key")
                if kind == "set":
                    value_type: Any = "V0"
                else:
                    values, _, value_type = infer.with_type(values, "value")
        if not decided:
            spiller = begin(key_type, value_type)
        with errors_in(number):
            spiller.add(keys, values)
        decided = decided or bool(spiller.cells.any())
    if spiller is None:
        raise ValueError("there is no batch, so the types are not known: give one, of empty arrays of these types")
    return spiller


# ---- temporary files -------------------------------------------------------------------------------------------------


class Scratch:
    """A temporary file without a name, which is closed with ``files``."""

    def __init__(self, folder: str, files: ExitStack) -> None:
        self.file: Any = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 - `files` closes it
        files.enter_context(self.file)
        self.end = 0

    def append(self, data: Any) -> Extent:
        """Write at the end."""
        extent = Extent(self.end, memoryview(data).nbytes)
        self.write(self.end, data)
        return extent

    def write(self, at: int, data: Any) -> None:
        """Write at a position."""
        view = memoryview(data)
        if view.nbytes:
            view = view.cast("B")
            self.end = max(self.end, at + len(view))
            self.file.seek(at)
        while len(view):
            view = view[self.file.write(view) :]

    def read(self, extents: Iterable[Extent]) -> Bytes:
        """The bytes of some extents, one behind the other."""
        extents = list(extents)
        found, end = np.empty(sum(extent.size for extent in extents), np.uint8), 0
        for extent in extents:
            view = found.data[end : end + extent.size]
            self.file.seek(extent.at)
            while len(view):
                n = self.file.readinto(view)
                if n == 0:
                    raise OSError(errno.EIO, "a temporary file was cut off")
                view = view[n:]
            end += extent.size
        return found

    def pieces(self) -> Iterator[Bytes]:
        """All bytes."""
        for at in range(0, self.end, ROOM):
            yield self.read([Extent(at, min(ROOM, self.end - at))])


class Spill(Scratch):
    """Records in a temporary file, by partition."""

    def __init__(self, folder: str, files: ExitStack, partitions: int) -> None:
        super().__init__(folder, files)
        self.extents: list[list[Extent]] = [[] for _ in range(partitions)]

    def spill(self, partition: int, records: Any) -> None:
        """Write records of a partition."""
        self.extents[partition].append(self.append(records))

    def size(self, partitions: Iterable[int]) -> int:
        """The bytes of some partitions."""
        return sum(extent.size for partition in partitions for extent in self.extents[partition])

    def records(self, partitions: Iterable[int]) -> Iterator[Bytes]:
        """The records of some partitions, some at a time."""
        for partition in partitions:
            for extent in self.extents[partition]:
                yield self.read([extent])


# ---- building --------------------------------------------------------------------------------------------------------


class Building:
    """One call."""

    f: Any  #: a map of the types, without keys: it has the hash key
    spill: Spill
    cells: npt.NDArray[np.uint64]  #: keys, by the upper bits of their hashes
    text_bytes: int

    def __init__(
        self,
        folder: str,
        files: ExitStack,
        kind: str,
        memory: int,
        last: bool,
        progress: Callable[[float], object] | None,
    ) -> None:
        self.folder, self.files, self.kind = folder, files, kind
        self.memory, self.last, self.progress = memory, last, progress

    # ---- batches to records

    def take(self, batches: Iterable[Any], seed: int | None) -> None:
        """Spill the rows of all batches."""

        def begin(key: Any, value: Any) -> Any:
            self.f = typed_map(key, value, seed)
            return self.new_spiller(PARTITIONS)

        self.end_spill(spilled(batches, self.kind, begin))

    def take_records(self, records: Iterable[Bytes], size: int, key: Any, value: Any, seed: int | None) -> None:
        """Spill records of so many bytes, which :class:`Spill` has read."""
        self.f = typed_map(key, value, seed)
        partitions = 1
        while size > partitions * (self.memory // 2) and partitions < PARTITIONS:
            partitions *= 2
        spiller = self.new_spiller(partitions)
        for some in records:
            spiller.add_records(some)
        self.end_spill(spiller)

    def new_spiller(self, partitions: int) -> Any:
        build_parts.draw_hash_key(self.f)
        self.spill = Spill(self.folder, self.files, partitions)
        return build_parts.Spiller(self.f, self.spill.spill, partitions, room_of(self.memory, partitions))

    def end_spill(self, spiller: Any) -> None:
        spiller.end()
        self.cells, self.text_bytes = spiller.cells, spiller.text_bytes

    def spill_again(self, partitions: int) -> None:
        """Spill all rows again, under another hash key."""
        old = self.spill
        spiller = self.new_spiller(partitions)
        for records in old.records(range(len(old.extents))):
            spiller.add_records(records)
        self.end_spill(spiller)
        old.file.close()

    # ---- equal keys

    def check_keys(self, partition: int) -> None:
        """Raise if two keys of a partition are equal; or keep the last row of each key, if that is what counts."""
        group: list[Extent] = []
        size, limit = 0, self.memory // 2 * self.f._stride // (self.f._stride + ROW_OVERHEAD)
        for extent in self.spill.extents[partition]:
            group.append(extent)
            size += extent.size
            if size > limit:  # a key may have come any number of times
                group = self.distinct(group)
                size = sum(extent.size for extent in group)
                limit = max(limit, 2 * size)
        self.spill.extents[partition] = self.distinct(group)

    def distinct(self, extents: list[Extent]) -> list[Extent]:
        """Some extents without the rows whose key comes again. They are written again where they were."""
        if not extents:
            return extents
        records = self.spill.read(extents)
        repeated, begins, hashes = build_parts.repeated_rows(self.f, records)
        if repeated is None:
            return extents
        if not self.last:
            raise ValueError(self.repeated_key(records, begins[repeated.argmax()]))
        cells = (hashes[repeated] // (2**64 // len(self.cells))).astype(np.int64)
        self.cells -= np.bincount(cells, minlength=len(self.cells)).astype(np.uint64)
        kept, end = [], 0
        for extent in extents:
            first, last = np.searchsorted(begins, (end, end + extent.size))
            size, text_bytes = build_parts.without_repeated(self.f, records, begins, repeated, first, last)
            self.text_bytes -= text_bytes
            if size:
                kept.append(Extent(extent.at, size))
                if size < extent.size:
                    self.spill.write(extent.at, records[end : end + size])
            end += extent.size
        return kept

    def repeated_key(self, records: Bytes, at: int) -> str:
        try:
            shown = repr(build_parts.key_of(self.f, records, at))
        except UnicodeDecodeError:
            shown = "of invalid UTF-8"
        return f"the key {shown} comes twice: give each key once, or on_duplicate='last'"

    # ---- records to the file

    def write(self, file: BinaryIO) -> None:
        """Draw hash keys until one works."""
        for draw in range(MAX_DRAWS):
            partitions = max(len(self.spill.extents), self.units())
            if draw or partitions > len(self.spill.extents):
                self.spill_again(partitions)
            if self.last:
                for partition in range(partitions):
                    self.check_keys(partition)
            file.seek(0)
            file.truncate()
            try:
                with ExitStack() as files:
                    Attempt(self, files, self.units()).write(file)
            except _Redraw:
                continue
            return
        raise RuntimeError(
            f"no hash key of {MAX_DRAWS} works for these keys, which is a bug in pyhmap: please report it"
        )

    def units(self) -> int:
        """A power of two: into so many units the rows are divided, so that one takes half of the memory."""
        n = int(self.cells.sum())
        size = self.spill.size(range(len(self.spill.extents)))
        size += n * self.f._stride // 8  # spare slots
        units = 1
        while size > units * (self.memory // 2) and n >= 2 * units * LEAST_KEYS and 2 * units <= len(self.cells):
            units *= 2
        return units


class Attempt:
    """Building with one hash key."""

    def __init__(self, building: Building, files: ExitStack, units: int) -> None:
        self.b, spill = building, building.spill
        self.n, nparts = int(building.cells.sum()), units
        if self.n > build_parts.MOST_ROWS:
            raise OverflowError(
                f"{self.n:,} keys are more than a file holds ({build_parts.MOST_ROWS:,}): divide them among several"
            )
        while self.n > nparts * build_parts.KEYS_OF_PART:
            nparts *= 2
        self.of_part = building.cells.reshape(nparts, -1).sum(axis=1)
        self.at_once, self.partitions = nparts // units, len(spill.extents) // units
        most_texts = max(
            spill.size(self.partitions_of(unit)) - self.keys_of(unit) * building.f._stride for unit in range(units)
        )
        self.parts = build_parts.Parts(building.f, self.of_part, self.at_once, most_texts, room_of(building.memory, 1))
        if not self.parts.regular:
            self.fail(int(self.of_part.argmax()) // self.at_once)
        _, self.nparts, self.slots, self.buckets = self.parts.shape
        self.moved, self.pilots, self.texts = (Scratch(building.folder, files) for _ in range(3))
        self.waiting = Spill(building.folder, files, 1)
        self.spare: list[npt.NDArray[np.uint64]] = []  # of the last parts, from the first with a slot behind the rows
        self.done = 0

    def partitions_of(self, unit: int) -> range:
        return range(unit * self.partitions, (unit + 1) * self.partitions)

    def keys_of(self, unit: int) -> int:
        return int(self.of_part[unit * self.at_once : (unit + 1) * self.at_once].sum())

    def fail(self, unit: int) -> None:
        """Equal keys have equal hashes, which no hash key tells apart."""
        if not self.b.last:
            for partition in self.partitions_of(unit):
                self.b.check_keys(partition)
        raise _Redraw

    def write(self, file: BinaryIO) -> None:
        self.build_last_parts()
        header = header_for(self.b.f, self.b.kind, self.parts.hash_key, self.parts.shape, self.b.text_bytes)
        write_file(file, header, [self.entries(), self.texts.pieces(), self.index()])

    def built(self, first: int, last: int) -> Iterator[range]:
        """Build the parts from ``first`` to ``last``, which are a range for each unit."""
        while first < last:
            unit = first // self.at_once
            stop = min(last, (unit + 1) * self.at_once)
            self.parts.begin(first, stop)
            for records in self.b.spill.records(self.partitions_of(unit)):
                self.parts.load(records)
            if not self.parts.build(self.tick):
                self.fail(unit)
            self.pilots.write(first * self.buckets, self.parts.pilots[: stop - first])
            yield range(first, stop)
            first = stop

    def tick(self, keys: int) -> None:
        """So many keys more have been built, or written. Some are built twice, so the end may come early."""
        self.done += keys
        if self.b.progress is not None:
            self.b.progress(min(1.0, self.done / (2 * self.n + 1)))

    def build_last_parts(self) -> None:
        spiller = build_parts.Spiller(self.b.f, self.waiting.spill, 1, room_of(self.b.memory, 1))
        for parts in self.built(self.n // self.slots, self.nparts):
            for part in parts:
                self.parts.spill_from(part, max(0, self.n - part * self.slots), spiller)
            self.spare.append(self.parts.taken[: len(parts)].copy())
        spiller.end()

    def entries(self) -> Iterator[memoryview]:
        waiting = self.waiting.records([0])
        for parts in self.built(0, -(-self.n // self.slots)):
            for part in parts:
                at, stop = 0, min(self.slots, self.n - part * self.slots)
                while True:
                    end, filled = self.parts.fill(part, at, stop)
                    self.moved.append(filled)
                    yield self.parts.rows_of(part, at, end, self.texts.append)
                    if end == stop:
                        break
                    self.parts.fill_from(next(waiting))
                    at = end
                self.tick(stop)
        self.parts.end_texts(self.texts.append)

    def index(self) -> Iterator[Any]:
        """The remap, then the pilots."""
        read, part = 0, self.n // self.slots
        for taken in (part_taken for unit in self.spare for part_taken in unit):
            used = np.unpackbits(taken.view(np.uint8), bitorder="little", count=self.slots).view(bool)
            used = used[max(0, self.n - part * self.slots) :]
            remap = np.zeros(len(used), np.uint32)
            rows = self.moved.read([Extent(read, 4 * int(used.sum()))])
            remap[used] = rows.view(np.uint32)
            yield remap.view(np.uint8)
            read, part = read + len(rows), part + 1
        yield from self.pilots.pieces()
