"""Datasets on Dask: built from a Dask data frame, and looked up for one. All that pyhmap knows of Dask is here.

    build     rows ──number of the partition──> one shuffle ──> each partition is written as a part ──> the manifest
    lookup    how="map"       each partition of the frame asks for its keys where it is; parts are mapped as needed
              how="shuffle"   rows with keys of one part come together first: so a worker needs few parts

A worker that is killed is a task that runs again: a part is written whole or not at all, and a batch of look-ups leaves
nothing behind.
"""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Literal

import numpy as np

from pyhmap._convert import infer
from pyhmap._engine.parted import PartedEngine
from pyhmap._file import dataset
from pyhmap._file.build import typed_map
from pyhmap._file.manifest import Part, part_name
from pyhmap.datasets import Dataset, open_dataset
from pyhmap.enricher import Enricher, is_dataset
from pyhmap.frozen import FrozenMap

try:
    import dask.dataframe  # noqa: F401 - what is built from and looked up
    from dask.base import compute
    from dask.delayed import delayed
except ImportError as missing:
    raise ImportError(f"pyhmap.dask needs Dask ({missing}): pip install 'pyhmap[dask]'") from None

__all__ = ["build", "lookup"]

PARTITION = "pyhmap: partition"  # the column that rows are shuffled by

Names = str | Sequence[str]


def build(ddf: Any, *, key: Names, value: Names, path: str | os.PathLike[str], partitions: int = 64) -> None:
    """Write a dataset of two columns of a Dask data frame, or of more, as :func:`pyhmap.build_dataset` does of batches.
    Returns when it is complete.

    Parameters
    ----------
    ddf
        A Dask data frame.
    key, value
        The column of the keys, and that of the values. With a list of columns, keys or values are structured; these
        columns have numbers or times.
    path
        A folder that all workers and this process share. It is made, if it is missing.
    partitions
        As for :func:`pyhmap.build_dataset`. Each is one task.

    Raises
    ------
    BlockingIOError
        Another process builds in this folder.
    ValueError
        A key occurs twice (``ddf.drop_duplicates(key)`` keeps one of each); a key or a value is null; a column is
        missing. The message names it.
    TypeError
        A column is of a type that a file does not hold.
    FileNotFoundError
        A worker has written to another folder of this name.

    Notes
    -----
    If a worker is killed, Dask runs its tasks again. If this process is killed, the folder holds the dataset that it
    held before, and files that the next call removes.
    """
    number = dataset.check_partitions(partitions)
    key_type, value_type = _type_of(ddf, key, "key"), _type_of(ddf, value, "value")
    f = typed_map(key_type, value_type, None)  # raises if a type cannot be in a file
    folder = os.path.abspath(os.fsdecode(path))
    columns = list(dict.fromkeys([*_listed(key), *_listed(value)]))
    with dataset.alone_in(folder):
        numbered = _with_partitions(ddf[columns], key, key_type, value_type, number)
        divided = numbered.set_index(PARTITION, divisions=[*range(number), number - 1]).to_delayed()
        write = delayed(partial(_written, folder, key=key, value=value, key_type=key_type, value_type=value_type))
        parts = compute(*map(write, range(number), divided))  # type: ignore[no-untyped-call]
        for part in parts:
            if not os.path.exists(os.path.join(folder, part.file)):
                said = f"a worker has written {part.file}, which is not here: give a folder that all of them share"
                raise FileNotFoundError(errno.ENOENT, said, folder)
        dataset.publish(folder, dataset.manifest_for(f, parts))


def lookup(
    ddf: Any,
    dataset: Dataset[Any, Any] | str | os.PathLike[str],
    *,
    on: Names,
    out: Names | Mapping[str, str] | None = None,
    default: Any = None,
    how: Literal["map", "shuffle"] = "map",
    cache: str | os.PathLike[str] | None = None,
) -> Any:
    """A Dask data frame with the values of a dataset as new columns: what :class:`pyhmap.Enricher` makes of each
    partition.

    Parameters
    ----------
    ddf
        A Dask data frame.
    dataset
        A dataset, or its folder or URL; with ``how="map"`` also a file.
    on, out, default, cache
        As for :class:`pyhmap.Enricher`. ``cache`` is a folder of each machine.
    how
        ``"map"``: the partitions stay as they are, and rows keep their order; each worker maps the parts that it needs,
        in the end mostly all. ``"shuffle"``: rows are shuffled by the part that has their key, so a task needs few
        parts, and the order of the rows is another one. It pays if the dataset is larger than the memory of a machine.

    Raises
    ------
    ValueError
        ``how`` is something else, or ``"shuffle"`` for a file.

    Notes
    -----
    It also raises what :class:`pyhmap.Enricher` raises, even when the result is computed.
    """
    if how not in ("map", "shuffle"):
        raise ValueError(f"how={how!r}: give 'map' or 'shuffle'")
    if isinstance(dataset, Dataset):
        place, cache = dataset.folder, cache if cache is not None else dataset._cache
    else:
        place = os.fsdecode(dataset)
    enricher = Enricher(place, on=on, out=out, default=default, cache=cache)
    if how == "shuffle":
        if not is_dataset(place):
            raise ValueError(f"{place} is a file, which has no parts: give how='map'")
        opened = open_dataset(place, cache=cache)
        types = opened.key_dtype, opened.value_dtype, opened.partitions
        numbered = _with_partitions(ddf, on, *types)
        ddf = numbered.shuffle(PARTITION, npartitions=max(ddf.npartitions, 1)).drop(columns=PARTITION)
    return ddf.map_partitions(enricher, meta=enricher(ddf._meta))


def _with_partitions(ddf: Any, key: Names, key_type: Any, value_type: Any, partitions: int) -> Any:
    meta = ddf._meta.assign(**{PARTITION: np.empty(0, np.int64)})
    return ddf.map_partitions(_numbered, key, key_type, value_type, partitions, meta=meta)


# ---- in the tasks ----------------------------------------------------------------------------------------------------


def _numbered(frame: Any, key: Names, key_type: Any, value_type: Any, partitions: int) -> Any:
    """A frame with the number of the partition of each row."""
    numbers = np.empty(0, np.uint16)
    if len(frame):
        engine: PartedEngine[Any, Any] = PartedEngine()
        engine._begin(key_type, value_type, partitions)
        numbers = engine.partitions_of(_items(frame, key))
    return frame.assign(**{PARTITION: numbers.astype(np.int64)})


def _written(folder: str, number: int, frame: Any, key: Names, value: Names, key_type: Any, value_type: Any) -> Part:
    """Write the rows of a partition as a part. A task may run twice, and the first run may go on, unseen, for longer
    than the whole build: so each run gives its file a name of its own, and the manifest names one of them."""
    path = os.path.join(folder, part_name(number, secrets.token_hex(8)))
    f: FrozenMap[Any, Any] = FrozenMap._empty(key_type, value_type, None)
    f._freeze_arrays(_items(frame, key), _items(frame, value), 1, None, lambda: _refuse_duplicates(frame, key))
    f.save(path)
    return dataset.part_in(path)


def _refuse_duplicates(frame: Any, key: Names) -> None:
    later = frame.loc[frame.duplicated(_listed(key)), _listed(key)]
    if len(later):
        shown = ", ".join(map(repr, later.iloc[0].tolist()))
        raise ValueError(f"the key {shown} comes twice: ddf.drop_duplicates({key!r}) keeps one of each")


def _items(frame: Any, names: Names) -> Any:
    return frame[names] if isinstance(names, str) else tuple(frame[name] for name in names)


# ---- types -----------------------------------------------------------------------------------------------------------


def _listed(names: Names) -> list[str]:
    return [names] if isinstance(names, str) else list(names)


def _type_of(ddf: Any, names: Names, what: str) -> Any:
    """The type of the keys or values in some columns."""
    missing = [name for name in _listed(names) if name not in ddf.columns]
    if missing:
        raise ValueError(f"{what}={names!r}: there is no column {missing[0]!r}; there are {', '.join(ddf.columns)}")
    types = [infer.with_type(ddf[name]._meta_nonempty, what)[2] for name in _listed(names)]
    if isinstance(names, str):
        return types[0]
    for name, found in zip(names, types, strict=True):
        if isinstance(found, type):
            raise TypeError(
                f"{what}={names!r}: {name!r} has texts, which a structured {what} cannot hold: leave it out"
            )
    return np.dtype(list(zip(names, types, strict=True)))
