"""A map each of whose reads is answered by a frozen map: the contract's tests run over it as over the two engines.

It is written like any HMap, and a read freezes it first. So a test that writes and reads in turn tests a frozen map of
every state on its way.
"""

from __future__ import annotations

from typing import Any

from pyhmap import HMap


class ReadsFrozen(HMap[Any, Any]):
    """A map that is frozen for each read. Objects cannot be frozen: a map of objects reads itself."""

    __slots__ = ()

    @property
    def _reading(self) -> Any:
        if object in (self.key_dtype, self.value_dtype):
            return super()
        return self.freeze(seed=0)  # with one seed, equal maps have equal orders


def forwarded(name: str) -> Any:
    def read(self: Any, *args: Any, **kwargs: Any) -> Any:
        return getattr(self._reading, name)(*args, **kwargs)

    read.__name__ = name
    return read


SINGLE = ("__getitem__", "__contains__", "get", "__iter__", "_iter_values", "_iter_items")
BATCHES = ("get_many", "lookup_many", "contains_many", "keys_array", "values_array", "to_arrays", "_columns")
for name in SINGLE + BATCHES:
    setattr(ReadsFrozen, name, forwarded(name))
