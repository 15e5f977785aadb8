"""Recipes for datasets and for Enricher. They hold no objects: the form of objects has a dataset of ints."""

import copy
import functools
import os
from typing import Any

import numpy as np

import pyhmap
from leaks.recipes.files import FOLDER, stop
from leaks.recipes.kit import Call, Kit, drain, raises, recipe

PARTS = 3


def path_of(kit: Kit) -> str:
    return os.path.join(FOLDER.name, f"dataset-{kit.form}")


def items_of(kit: Kit) -> tuple[Any, Any]:
    return ([1, 2, 3], [4, 5, 6]) if kit.form == "object" else (kit.keys, kit.values)


@functools.cache
def dataset_at(path: str, form: str) -> pyhmap.Dataset:
    """The dataset of a form, all parts of which are mapped."""
    kit = Kit("dataset", form)
    pyhmap.build_dataset([items_of(kit)], path, partitions=PARTS)
    opened = pyhmap.open_dataset(path)
    drain(opened)
    return opened


def dataset(kit: Kit) -> pyhmap.Dataset:
    return dataset_at(path_of(kit), kit.form)


def of_dataset(*names: str) -> tuple[str, ...]:
    return tuple(f"pyhmap.Dataset.{name}" for name in names)


@recipe("pyhmap.build_dataset")
def _(call: Call, kit: Kit) -> None:
    keys, values = items_of(kit)
    path = os.path.join(FOLDER.name, "built")
    call([(keys, values)], path, partitions=PARTS)
    call([(keys, values), (keys, values)], path, partitions=PARTS, on_duplicate="last")
    raises(ValueError, call, [(keys, values), (keys, values)], path, partitions=PARTS)
    raises(LookupError, call, [(keys, values)], path, partitions=PARTS, progress=stop)


@recipe("pyhmap.open_dataset")
def _(call: Call, kit: Kit) -> None:
    known = dataset(kit)
    with call(path_of(kit), id=known.id) as opened:
        drain(opened)
    raises(pyhmap.FileFormatError, call, path_of(kit), id="0" * 32)
    raises(FileNotFoundError, call, os.path.join(FOLDER.name, "none"))


@recipe("pyhmap.Dataset()")
def _(call: Call, kit: Kit) -> None:
    raises(TypeError, call, path_of(kit))


@recipe("pyhmap.Dataset.__init__")
def _(call: Call, kit: Kit) -> None:
    raises(TypeError, call, pyhmap.Dataset.__new__(pyhmap.Dataset), path_of(kit))


@recipe(*of_dataset("__getitem__", "__contains__", "get"))
def _(call: Call, kit: Kit) -> None:
    ds = dataset(kit)
    for key in items_of(kit)[0]:
        call(ds, key)
    raises(TypeError, call, ds, [])


@recipe(*of_dataset("get_many", "lookup_many", "contains_many", "partitions_of"))
def _(call: Call, kit: Kit) -> None:
    ds = dataset(kit)
    call(ds, items_of(kit)[0])
    raises(TypeError, call, ds, [[]])


@recipe(*of_dataset("keys", "values", "items"))
def _(call: Call, kit: Kit) -> None:
    drain(call(dataset(kit)))


@recipe(*of_dataset("keys_array", "values_array", "to_arrays", "copy", "check", "__copy__", "__reduce__", "__enter__"))
def _(call: Call, kit: Kit) -> None:
    call(dataset(kit))


@recipe(*of_dataset("__arrow_c_stream__"))
def _(call: Call, kit: Kit) -> None:
    call(dataset(kit))


@recipe(*of_dataset("__deepcopy__"))
def _(call: Call, kit: Kit) -> None:
    call(dataset(kit), {})
    copy.deepcopy(dataset(kit))


@recipe(*of_dataset("top", "most_common"))
def _(call: Call, kit: Kit) -> None:
    if kit.form == "str":
        raises(TypeError, call, dataset(kit), 2)
    else:
        call(dataset(kit), 2)


@recipe(*of_dataset("close"))
def _(call: Call, kit: Kit) -> None:
    opened = copy_of(kit)
    call(opened)
    call(opened)


@recipe(*of_dataset("__exit__"))
def _(call: Call, kit: Kit) -> None:
    call(copy_of(kit), None, None, None)


def copy_of(kit: Kit) -> pyhmap.Dataset:
    dataset(kit)
    opened = pyhmap.open_dataset(path_of(kit))
    drain(opened)
    return opened


@recipe(*of_dataset("__iter__"))
def _(call: Call, kit: Kit) -> None:
    drain(call(dataset(kit)))


@recipe(*of_dataset("__len__", "__repr__", "closed", "folder", "id", "key_dtype", "partitions", "value_dtype"))
def _(call: Call, kit: Kit) -> None:
    call(dataset(kit))


# ---- Enricher --------------------------------------------------------------------------------------------------------


def enricher(kit: Kit) -> pyhmap.Enricher:
    dataset(kit)
    default = 0 if kit.form == "object" else kit.values[0]
    return pyhmap.Enricher(path_of(kit), on="k", out="v", default=default)


@recipe("pyhmap.Enricher()")
def _(call: Call, kit: Kit) -> None:
    dataset(kit)
    call(path_of(kit), on="k", out="v")
    raises(TypeError, call, path_of(kit), on=1)
    raises(FileNotFoundError, call, os.path.join(FOLDER.name, "none"), on="k")


@recipe("pyhmap.Enricher.__init__")
def _(call: Call, kit: Kit) -> None:
    dataset(kit)
    call(pyhmap.Enricher.__new__(pyhmap.Enricher), path_of(kit), on="k")


@recipe("pyhmap.Enricher.__call__")
def _(call: Call, kit: Kit) -> None:
    keys = items_of(kit)[0]
    call(enricher(kit), {"k": np.array(keys)})
    call(enricher(kit), {"k": keys})
    raises(ValueError, call, enricher(kit), {"other": keys})


@recipe("pyhmap.Enricher.column")
def _(call: Call, kit: Kit) -> None:
    call(enricher(kit), items_of(kit)[0])


@recipe("pyhmap.Enricher.__dask_tokenize__", "pyhmap.Enricher.__hash__", "pyhmap.Enricher.__repr__")
@recipe("pyhmap.Enricher.id", "pyhmap.Enricher.path")
def _(call: Call, kit: Kit) -> None:
    call(enricher(kit))
