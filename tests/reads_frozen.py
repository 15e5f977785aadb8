"""Maps each of whose reads is answered by a frozen map, in memory or in a file, or by a dataset: the contract's tests
run over them as over the two engines.

They are written like any HMap, and the first read after a write freezes them. So a test that writes and reads in turn
tests a frozen map of every state on its way. A write that is missing in WRITES shows: reads give what was there before.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack
from typing import Any

import numpy as np

import pyhmap
from pyhmap import HMap
from pyhmap._file import dataset

# In memory, where there is such a folder: each file is flushed.
FOLDER = tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None)


class ReadsFrozen(HMap[Any, Any]):
    """A map whose reads a frozen map answers. Objects cannot be frozen: a map of objects reads itself."""

    __slots__ = ("_since_written",)
    _since_written: Any  #: the frozen map; None, or not set, if a write has come after it

    @property
    def _reading(self) -> Any:
        if object in (self.key_dtype, self.value_dtype):
            return super()
        if getattr(self, "_since_written", None) is None:
            self._since_written = self._made_frozen()
        return self._since_written

    def _made_frozen(self) -> Any:
        return self.freeze(seed=0)  # with one seed, equal maps have equal orders

    def __getstate__(self) -> None:
        """What belongs to a copy besides types and items: nothing."""


class ReadsMapped(ReadsFrozen):
    """A map that is saved, and read from the file."""

    __slots__ = ()

    def _made_frozen(self) -> Any:
        f = super()._made_frozen()
        if self.value_dtype in (np.dtype("g"), np.dtype("G")):  # other machines have no such types
            return f
        path = f"{FOLDER.name}/{os.getpid()}.pyhmap"
        f.save(path)
        return pyhmap.open(path, verify="lazy")


class ReadsDataset(ReadsFrozen):
    """A map that is divided among three files, and read from them."""

    __slots__ = ()

    def _made_frozen(self) -> Any:
        if self.value_dtype in (np.dtype("g"), np.dtype("G")):
            return super()._made_frozen()
        folder = f"{FOLDER.name}/{os.getpid()}"
        with dataset.alone_in(folder), ExitStack() as files:
            division = dataset.Division(folder, files, 3, 1 << 20)
            spiller = division._begin(self.key_dtype, self.value_dtype)
            spiller.add(*HMap.to_arrays(self))
            spiller.end()
            parts = [division.part(number, False, 0, lambda part: None) for number in range(3)]
            dataset.publish(folder, dataset.manifest_for(division.f, parts))
        ds = pyhmap.open_dataset(folder, verify="lazy")
        list(ds)  # maps all parts: the next map replaces the files
        return ds


def forwarded(name: str) -> Any:
    def read(self: Any, *args: Any, **kwargs: Any) -> Any:
        return getattr(self._reading, name)(*args, **kwargs)

    read.__name__ = name
    return read


def written(name: str) -> Any:
    def write(self: Any, *args: Any, **kwargs: Any) -> Any:
        self._since_written = None
        try:
            return getattr(super(ReadsFrozen, self), name)(*args, **kwargs)
        finally:
            self._since_written = None  # what the call itself has read

    write.__name__ = name
    return write


SINGLE = ("__getitem__", "__contains__", "get", "__iter__", "_iter_values", "_iter_items")
BATCHES = ("get_many", "lookup_many", "contains_many", "keys_array", "values_array", "to_arrays", "_columns", "_chosen")
WRITES = (
    "__setitem__", "__delitem__", "setdefault", "pop", "popitem", "clear",
    "set_many", "setdefault_many", "add_many", "pop_many", "discard_many", "factorize",
)  # fmt: skip
for name in SINGLE + BATCHES:
    setattr(ReadsFrozen, name, forwarded(name))
for name in WRITES:
    setattr(ReadsFrozen, name, written(name))
