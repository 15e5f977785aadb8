"""Maps each of whose reads is answered by a frozen map, in memory or in a file: the contract's tests run over them as
over the two engines.

They are written like any HMap, and a read freezes them first. So a test that writes and reads in turn tests a frozen
map of every state on its way.
"""

from __future__ import annotations

import os
import tempfile
from typing import Any

import numpy as np

import pyhmap
from pyhmap import HMap

# In memory, where there is such a folder: a file is flushed for each read.
FOLDER = tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None)


class ReadsFrozen(HMap[Any, Any]):
    """A map that is frozen for each read. Objects cannot be frozen: a map of objects reads itself."""

    __slots__ = ()

    @property
    def _reading(self) -> Any:
        if object in (self.key_dtype, self.value_dtype):
            return super()
        return self.freeze(seed=0)  # with one seed, equal maps have equal orders


class ReadsMapped(ReadsFrozen):
    """A map that is saved, and read from the file."""

    __slots__ = ()

    @property
    def _reading(self) -> Any:
        f = super()._reading
        if object in (self.key_dtype, self.value_dtype):
            return f
        path = f"{FOLDER.name}/{os.getpid()}.pyhmap"
        if self.value_dtype in (np.dtype("g"), np.dtype("G")):  # other machines have no such types
            return f
        f.save(path)
        return pyhmap.open(path, verify="lazy")


def forwarded(name: str) -> Any:
    def read(self: Any, *args: Any, **kwargs: Any) -> Any:
        return getattr(self._reading, name)(*args, **kwargs)

    read.__name__ = name
    return read


SINGLE = ("__getitem__", "__contains__", "get", "__iter__", "_iter_values", "_iter_items")
BATCHES = ("get_many", "lookup_many", "contains_many", "keys_array", "values_array", "to_arrays", "_columns", "_chosen")
for name in SINGLE + BATCHES:
    setattr(ReadsFrozen, name, forwarded(name))
