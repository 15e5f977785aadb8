"""Datasets: maps that are divided among many files, built part by part, and read as one map."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, Literal, Self, TypeVar

import numpy as np
import numpy.typing as npt

from pyhmap import files
from pyhmap._convert.columns import concatenated
from pyhmap._engine.parted import PartedEngine
from pyhmap._file import dataset, fetch, manifest, parts, places, read
from pyhmap._file.header import HASHES
from pyhmap._file.types import type_of_text
from pyhmap._mapping.reading import ReadMethods
from pyhmap.errors import CorruptMapError, FileFormatError
from pyhmap.frozen import FrozenMap, Progress

_K = TypeVar("_K")
_V = TypeVar("_V")


def build_dataset(
    batches: Iterable[Any],
    folder: str | os.PathLike[str],
    *,
    partitions: int = 64,
    memory: int | str = "2GB",
    on_duplicate: Literal["raise", "last"] = "raise",
    seed: int | None = None,
    progress: Progress | None = None,
) -> None:
    """Write a dataset: a map that is divided among ``partitions`` files, by the hashes of its keys. A dataset that is
    in the folder is replaced as a whole: up to the end, anyone who opens it gets the old one.

    Parameters
    ----------
    batches
        As for :func:`build_file`.
    folder
        Is made, if it is missing.
    partitions
        1 to 4,096. So many that one part fits into memory, and that there are several for each process that reads.
    memory
        As for :func:`build_file`.
    on_duplicate
        ``"raise"``: two equal keys are an error. ``"last"``: the last value of a key counts.
    seed
        An int makes the files the same for the same batches and the same ``memory``.
    progress
        A function of one argument. When all batches have been taken, it is called again and again with the part of the
        rest that is done, a float up to 1.0. It may raise.

    Raises
    ------
    BlockingIOError
        Another process or thread builds in this folder.
    FileFormatError
        The folder has a ``manifest.json`` that is not one of a dataset, or is damaged.
    ValueError, TypeError, OSError
        As for :func:`build_file`; ``partitions`` is not as said above.

    Notes
    -----
    A call that was interrupted, in whatever way, leaves the parts that it has finished. When it is made again, with the
    same batches in the same order, it takes the batches again, but does not build these parts again. Files of parts
    that the manifest does not name are removed when the next dataset is complete.

    Temporary files in the folder take twice as much room as the rows of the batches, and have no names.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> import pyhmap
    >>> folder = os.path.join(tempfile.mkdtemp(), "squares")
    >>> thousands = (np.arange(i, i + 1000) for i in range(0, 10_000, 1000))
    >>> pyhmap.build_dataset(((n, n * n) for n in thousands), folder, partitions=4)
    >>> squares = pyhmap.open_dataset(folder)
    >>> len(squares), squares[9999], squares.get_many([3, -3], default=0)
    (10000, 99980001, array([9, 0]))
    """
    if on_duplicate not in ("raise", "last"):
        raise ValueError(f"on_duplicate={on_duplicate!r}: give 'raise' or 'last'")
    dataset.build(batches, folder, partitions, memory, on_duplicate == "last", seed, progress)


def open_dataset(
    folder: str | os.PathLike[str],
    *,
    verify: Literal["header", "structure", "lazy", "full"] = "structure",
    prefetch: Literal["touch", "copy"] | None = None,
    cache: str | os.PathLike[str] | None = None,
    id: str | None = None,
) -> Dataset[Any, Any]:
    """The dataset in a folder, as one map that is only read. The file of a part is mapped when it is first needed.

    Parameters
    ----------
    folder
        Of :func:`build_dataset`; or, if ``cache`` is given, an fsspec URL, such as ``"s3://bucket/prices"``.
    verify, prefetch
        As for :func:`open`, for each part when it is mapped.
    cache
        A folder of this machine. Each part that is needed is copied there, once for all processes of the machine, and
        checked; the copy is mapped. It is made if it is missing, and may be shared by any number of datasets.
    id
        The :attr:`Dataset.id` that the dataset must have.

    Raises
    ------
    FileFormatError
        The manifest is damaged, or the dataset has another id. A read that needs a part raises it, too, if the file of
        the part is damaged, or belongs to another dataset.
    OSError
        It cannot be read; a read may raise it, too.

    Examples
    --------
    See :func:`build_dataset`.
    """
    read.check_options(verify, prefetch)
    place = os.fsdecode(folder)
    if not places.is_url(place):
        place = os.path.abspath(place)
    elif cache is None:
        raise ValueError(f"{place} is a URL, whose files cannot be mapped: give cache=, a folder of this machine")
    path = places.joined(place, parts.MANIFEST)
    content = places.content(path, parts.MOST)
    with read.errors_of(path):
        found = manifest.manifest_of(content)
    if id is not None and id != found.id:
        raise FileFormatError(f"{path} is that of another dataset: its id is {found.id}, not {id}")
    made: Dataset[Any, Any] = Dataset.__new__(Dataset)
    made._take(place, found, verify, prefetch, None if cache is None else os.path.abspath(os.fsdecode(cache)))
    return made


class Dataset(PartedEngine[_K, _V], ReadMethods[_K, _V]):
    """A map that is divided among files; :func:`open_dataset` makes one. It has the reading half of the methods of
    :class:`HMap`, with the same answers. Its order of iteration is that of the parts.

    Any number of threads may share one. It can be pickled: the folder and the id go along, and the other process maps
    the same files.
    """

    __slots__ = ("_cache", "_folder", "_manifest", "_maps", "_options")

    def __init__(self, *args: object, **kwargs: object) -> None:
        raise TypeError("a Dataset is made by pyhmap.open_dataset(folder)")

    def _take(
        self, folder: str, found: manifest.Manifest, verify: str, prefetch: str | None, cache: str | None
    ) -> None:
        self._folder, self._manifest, self._cache = folder, found, cache
        self._options: dict[str, Any] = {"verify": verify, "prefetch": prefetch}
        self._maps: list[FrozenMap[_K, _V] | None] | None = [None] * len(found.parts)
        path = places.joined(folder, parts.MANIFEST)
        with read.errors_of(path):
            key, value = type_of_text(found.key), type_of_text(found.value)
            try:
                self._begin(key, value, len(found.parts))
            except TypeError as error:
                raise ValueError(f"it is damaged: {error}") from None
            form = "texts" if self._key_codec.form == "text" else "words"
            if found.hash != HASHES[form]:
                raise ValueError(f"it is damaged: keys of type {found.key} with the hash {found.hash}")

    # ---- what it is

    @property
    def id(self) -> str:
        """What tells one content from another: 32 hexadecimal digits."""
        return self._manifest.id

    @property
    def folder(self) -> str:
        """Where its files are: a path or a URL."""
        return self._folder

    @property
    def partitions(self) -> int:
        """The number of its parts."""
        return self._partitions

    def __len__(self) -> int:
        self._opened()
        return self._manifest.count

    def __repr__(self) -> str:
        state = "closed" if self._maps is None else f"{self._manifest.count:,} keys in {self._partitions:,} parts"
        return f"<{type(self).__name__}({self._key_codec.name}, {self._value_codec.name}) in {self._folder}, {state}>"

    def _repr_html_(self) -> str | None:
        return None if self._maps is None else super()._repr_html_()

    def _shown(self) -> dict[str, Any]:
        lines = [("parts", f"{self._partitions:,}"), ("folder", self._folder)]
        return {"count": len(self), "nbytes": None, "of_kind": lines}

    # ---- parts

    def _opened(self) -> list[FrozenMap[_K, _V] | None]:
        if self._maps is None:
            raise ValueError("the dataset is closed: open it again")
        return self._maps

    def _part(self, number: int) -> Any:
        """The map of a partition."""
        maps = self._opened()
        if maps[number] is None:  # two threads may both map it, and one of the maps is dropped
            maps[number] = self._map(self._manifest.parts[number], self._options["verify"])
        return maps[number]

    def _map(self, part: manifest.Part, verify: str) -> FrozenMap[_K, _V]:
        """Map the file of a part."""
        path = places.joined(self._folder, part.file)
        try:
            if self._cache is not None:
                path = fetch.fetched(path, part.id, self._cache)
            file = read.OpenFile(path, self._options["prefetch"])
        except FileNotFoundError as error:
            said = "since a part is missing, the dataset was perhaps built again: open it again"
            raise FileNotFoundError(error.errno, said, path) from None
        header = file.header
        said_types = header.kind, header.key, header.value
        if header.id != part.id or said_types != ("map", self._manifest.key, self._manifest.value):
            raise FileFormatError(f"{path} is not the part that the manifest names: take another copy of the dataset")
        found: FrozenMap[_K, _V] = files._map_in(file, verify)
        return found

    def _all(self) -> Iterator[FrozenMap[_K, _V]]:
        return map(self._part, range(self._partitions))

    def close(self) -> None:
        """Give the files up. From then on every read raises ``ValueError``."""
        maps, self._maps = self._maps, None
        for found in maps or ():
            if found is not None:
                found.close()

    @property
    def closed(self) -> bool:
        """Whether :meth:`close` was called."""
        return self._maps is None

    def __enter__(self) -> Self:
        self._opened()
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def check(self) -> None:
        """Read all files and check every byte of them, and that each key is in the partition of its hash.

        Raises ``FileFormatError``, ``CorruptMapError`` or ``OSError``.
        """
        self._opened()
        for number, part in enumerate(self._manifest.parts):
            with self._map(part, "full") as found:
                wrong = np.flatnonzero(self.partitions_of(found.keys_array()) != number)
            if len(wrong):
                raise CorruptMapError(f"{part.file}: the key of row {wrong[0]:,} belongs to another partition")

    # ---- all items, in the order of the parts

    # What is unpacked beside a keyword is a list: if a generator raises, CPython 3.11 leaks the dict of the keyword.

    def __iter__(self) -> Iterator[_K]:
        self._opened()
        return chain.from_iterable(self._all())

    def _iter_values(self) -> Iterator[_V]:
        self._opened()
        return chain.from_iterable(part._iter_values() for part in self._all())

    def _iter_items(self) -> Iterator[tuple[_K, _V]]:
        self._opened()
        return chain.from_iterable(part._iter_items() for part in self._all())

    def keys_array(self) -> npt.NDArray[Any]:
        """A copy of the keys, of shape (len,), in iteration order; see :meth:`HMap.keys_array`."""
        return joined([part.keys_array() for part in self._all()])  # type: ignore[no-any-return]

    def values_array(self) -> npt.NDArray[Any]:
        """A copy of the values, of shape (len,), in iteration order; see :meth:`HMap.values_array`."""
        return joined([part.values_array() for part in self._all()])  # type: ignore[no-any-return]

    def to_arrays(self) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Copies ``(keys, values)``, both of shape (len,), in iteration order."""
        keys, values = zip(*[part.to_arrays() for part in self._all()], strict=True)
        return joined(keys), joined(values)

    def _columns(self, with_values: bool) -> tuple[Any, Any]:
        keys, values = zip(*[part._columns(with_values) for part in self._all()], strict=True)
        return joined(keys), joined(values) if with_values else None

    def _chosen(self, choose: Any) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Of the rows that ``choose`` names in each part, those that it names in all of these together."""
        keys, values = zip(*[part._chosen(choose) for part in self._all()], strict=True)
        all_keys, all_values = joined(keys), joined(values)
        rows = choose(all_values)
        return all_keys[rows], all_values[rows]

    # ---- life

    def copy(self) -> Self:
        """The dataset itself: it never changes."""
        return self

    __copy__ = copy

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        self._opened()
        return reopened, (self._folder, self._options | {"cache": self._cache, "id": self.id})


def reopened(folder: str, options: dict[str, Any]) -> Dataset[Any, Any]:
    """A dataset from a pickle."""
    return open_dataset(folder, **options)


def joined(columns: Any) -> Any:
    """The columns of all parts, one after the other: arrays, or ``(offsets, data)`` of texts."""
    if not isinstance(columns[0], tuple):
        return concatenated(columns)
    offsets, data = zip(*columns, strict=True)
    begins = np.cumsum([0, *map(len, data[:-1])])
    moved = [offsets[0], *(more[1:] + begin for more, begin in zip(offsets[1:], begins[1:], strict=True))]
    return np.concatenate(moved), np.concatenate(data)
