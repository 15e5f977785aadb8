"""Damaged pickles of maps and sets: an error, or a map or set that passes check(), or a frozen one that can be read.

The unpickler finds the names that such pickles hold and no others, so that no input can run code. Arrays and types are
pickled as bytes and names here, because NumPy does not survive damaged states of its own arrays and dtypes.

Without an input, ``python tests/fuzz/pickles.py seeds FOLDER`` writes whole pickles of many types, to begin from.
"""

from __future__ import annotations

import io
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
from fuzzing import FrozenMap, FrozenSet, HMap, HSet, Source, restored_well, start

from kinds import KINDS, VALUE_KINDS
from pyhmap import frozen, frozen_set
from pyhmap._mapping import pickling


class Array(np.ndarray):
    def __setstate__(self, state: object) -> None:
        raise ValueError("an array has no state here")


def an_array(data: Any, dtype: Any) -> Array:
    return np.frombuffer(data, dtype).view(Array)


def an_array_column(dtype: Any, shape: Any, data: Any) -> pickling.Packed:
    return pickling._array_column(np.dtype(dtype), shape, data)


NAMES = {
    ("pyhmap.hmap", "HMap"): HMap,
    ("pyhmap.hset", "HSet"): HSet,
    ("pyhmap.frozen", "FrozenMap"): FrozenMap,
    ("pyhmap.frozen_set", "FrozenSet"): FrozenSet,
    ("pyhmap.frozen", "restored_frozen_map"): frozen.restored_frozen_map,
    ("pyhmap.frozen_set", "restored_frozen_set"): frozen_set.restored_frozen_set,
    ("pyhmap._mapping.pickling", "begun"): pickling.begun,
    ("pyhmap._mapping.pickling", "restored_map"): pickling.restored_map,
    ("pyhmap._mapping.pickling", "restored_set"): pickling.restored_set,
    ("pyhmap._mapping.pickling", "_array_column"): an_array_column,
    ("pyhmap._mapping.pickling", "_text_column"): pickling._text_column,
    ("__main__", "an_array"): an_array,
    **{("builtins", kind.__name__): kind for kind in (str, bytes, object, list)},
}


class Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return NAMES[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"no pickle of a map has {module}.{name}") from None


class Pickler(pickle.Pickler):
    def reducer_override(self, item: Any) -> Any:
        if isinstance(item, np.dtype):
            return (str, (item.str,)) if item.names is None else (list, (item.descr,))
        if isinstance(item, np.ndarray):
            return an_array, (item.tobytes(), item.dtype.str)
        return NotImplemented


def write_seeds(folder: Path) -> None:
    values = [*VALUE_KINDS.values(), *VALUE_KINDS.values()]
    for (name, kind), value in zip(KINDS.items(), values, strict=False):
        keys = [kind.make(i) for i in range(min(kind.count, 3))]
        m, s = HMap(kind.spec, value.spec, dict(zip(keys, value.values, strict=False)), seed=1), HSet(kind.spec, keys)
        pickled: dict[str, Any] = {f"map of {name}": m, f"set of {name}": s}
        if object not in (kind.spec, value.spec):
            pickled |= {f"frozen map of {name}": m.freeze(), f"frozen set of {name}": s.freeze()}
        for title, each in pickled.items():
            stream = io.BytesIO()
            Pickler(stream, 4).dump(each)
            (folder / title).write_bytes(stream.getvalue())


def target(source: Source) -> None:
    restored_well(lambda: Unpickler(io.BytesIO(source.data)).load())


if __name__ == "__main__":
    if sys.argv[1:2] == ["seeds"]:
        write_seeds(Path(sys.argv[2]))
    else:
        start(target)
