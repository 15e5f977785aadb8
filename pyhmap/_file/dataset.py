"""Building a dataset: the rows of all batches, divided among partitions, each of which becomes a file.

    batches ──> rows in a temporary file, by partition ──> a part: as build.py makes a file, from these rows ──> ...
                                                                       all parts are there ──> the manifest

The file of a part is named by a digest of its rows. So a build that goes on after an interrupt finds the parts that are
done, and a part never takes the name of another content. The manifest comes last: what it does not name is not part
of the dataset, and is removed when it has been written.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import xxhash

from pyhmap._engine import build_parts, parted
from pyhmap._file.build import Building, Spill, bytes_of, room_of, spilled, typed_map
from pyhmap._file.header import HASHES
from pyhmap._file.lock import locked
from pyhmap._file.manifest import PART_NAME, Manifest, Part, manifest_of, part_name
from pyhmap._file.parts import MANIFEST, read_manifest, remove_others, write_manifest
from pyhmap._file.read import OpenFile
from pyhmap._file.replace import replaced
from pyhmap._file.types import type_text
from pyhmap._file.write import check_progress
from pyhmap.errors import FileFormatError

LOCK = "build.lock"


def build(
    batches: Iterable[Any],
    folder: str | os.PathLike[str],
    partitions: int,
    memory: int | str,
    last: bool,
    seed: int | None,
    progress: Callable[[float], object] | None,
) -> None:
    """Build a dataset; see :func:`pyhmap.build_dataset`."""
    check_progress(progress)
    limit, path = bytes_of(memory), os.path.abspath(os.fsdecode(folder))
    with alone_in(path), ExitStack() as files:
        division = Division(path, files, check_partitions(partitions), limit)
        division.take(batches)
        whole, done = division.bytes + 1, 0
        parts = []
        for number in range(partitions):
            size = division.spill.size([number])

            def tick(fraction: float, done: int = done, size: int = size) -> None:
                if progress is not None:
                    progress((done + fraction * size) / whole)

            parts.append(division.part(number, last, seed, tick))
            done += size
            tick(0.0, done)
        publish(path, manifest_for(division.f, parts))
        if progress is not None:
            progress(1.0)


def check_partitions(partitions: Any) -> int:
    """Raise ``ValueError`` unless this is a number of partitions."""
    most = parted.MOST_PARTITIONS
    if type(partitions) is not int or not 1 <= partitions <= most:
        raise ValueError(f"partitions={partitions!r}: give a whole number from 1 to {most:,}")
    return partitions


class Division:
    """The rows of all batches, by partition, in a temporary file."""

    f: Any  #: a map of the types, without keys: it has the hash key of the partitions
    spill: Spill

    def __init__(self, folder: str, files: ExitStack, partitions: int, memory: int) -> None:
        self.folder, self.files, self.partitions, self.memory = folder, files, partitions, memory
        self.digests = [xxhash.xxh3_128() for _ in range(partitions)]

    def take(self, batches: Iterable[Any]) -> None:
        """Divide the rows of all batches."""
        spilled(batches, "map", self._begin).end()

    def _begin(self, key: Any, value: Any) -> Any:
        self.f = typed_map(key, value, None)
        parted.use_partition_key(self.f)
        self.spill = Spill(self.folder, self.files, self.partitions)
        return build_parts.Spiller(self.f, self._write, self.partitions, room_of(self.memory, self.partitions))

    def _write(self, number: int, records: Any) -> None:
        self.digests[number].update(records)
        self.spill.spill(number, records)

    @property
    def bytes(self) -> int:
        """Of all rows."""
        return self.spill.size(range(self.partitions))

    def part(self, number: int, last: bool, seed: int | None, progress: Callable[[float], object]) -> Part:
        """Build the file of a partition, unless it is there."""
        key, value = self.f.key_dtype, self.f.value_dtype
        said = [type_text(key), type_text(value), self.partitions, last, seed, self.digests[number].hexdigest()]
        name = part_name(number, xxhash.xxh3_64_hexdigest(json.dumps(said).encode()))
        path = os.path.join(self.folder, name)
        with suppress(FileNotFoundError, FileFormatError):
            return part_in(path)
        with replaced(path) as file, ExitStack() as files:
            building = Building(self.folder, files, "map", self.memory, last, progress)
            building.take_records(self.spill.records([number]), self.spill.size([number]), key, value, seed)
            building.write(file)
        return part_in(path)


def manifest_for(f: Any, parts: Iterable[Part]) -> Manifest:
    """The manifest of a dataset of the types of ``f``."""
    return Manifest(type_text(f.key_dtype), type_text(f.value_dtype), HASHES[f._key_form], tuple(parts))


def part_in(path: str) -> Part:
    """What the manifest says of a file."""
    header = OpenFile(path, None).header
    return Part(os.path.basename(path), header.shape[0], header.file_bytes(), header.id)


def publish(folder: str, manifest: Manifest) -> None:
    """Write the manifest, whose parts are all there, and remove what it does not name. Only who is alone in the folder
    may do so."""
    write_manifest(folder, manifest.to_bytes())
    remove_others(folder, {part.file for part in manifest.parts}, PART_NAME)


@contextmanager
def alone_in(folder: str) -> Iterator[None]:
    """Only one process at a time builds in a folder, which is made if it is missing. The lock ends with the process.

    Raises ``FileFormatError`` if the folder has a manifest of something else, which a dataset would replace.
    """
    os.makedirs(folder, exist_ok=True)
    with ExitStack() as held:
        try:
            held.enter_context(locked(os.path.join(folder, LOCK), wait=False))
        except BlockingIOError as error:
            said = f"somebody else builds a dataset in {folder}: wait until it is done"
            raise BlockingIOError(error.errno, said) from None
        with suppress(FileNotFoundError):
            found = read_manifest(folder)
            try:
                manifest_of(found)
            except ValueError as error:
                said = f"{os.path.join(folder, MANIFEST)} would be replaced, but {error}"
                raise FileFormatError(f"{said}: remove it, or give another folder") from None
        yield
