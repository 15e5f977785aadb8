"""One round of each public call that freezes, or that frozen maps and sets alone have."""

from typing import Any

import numpy as np

from leaks.recipes.both import of_frozen
from leaks.recipes.kit import Call, Kit, drain, raises, recipe
from leaks.recipes.ways import stop
from pyhmap import FrozenMap, HMap


@recipe("HMap.freeze", "HSet.freeze")
def _(call: Call, kit: Kit) -> None:
    if kit.form == "object":
        raises(TypeError, call, kit.own)
        return
    call(kit.own)
    call(kit.own, seed=1, threads=2, progress=float)
    raises(LookupError, call, kit.own, progress=stop)
    raises(ValueError, call, kit.own, threads=0)
    raises(TypeError, call, kit.own, progress=7)
    raises(TypeError, call, kit.own, seed="a seed")
    if kit.own is kit.m:
        call(kit.large_map)
        raises(TypeError, call, HMap(kit.key_type, object))


@recipe("FrozenMap()", "FrozenSet()")
def _(call: Call, kit: Kit) -> None:
    raises(TypeError, call)
    raises(TypeError, call, kit.key_type, kit.value_type)


@recipe(*of_frozen("__init__"))
def _(call: Call, kit: Kit) -> None:
    raises(TypeError, call, kit.own)


def with_null(kit: Kit) -> list[Any]:
    """A key and a null, as an Arrow array, where there is one."""
    return kit.arrow(np.array([kit.key, None], object))


@recipe("FrozenMap.from_arrays")
def _(call: Call, kit: Kit) -> None:
    for keys, values in zip(kit.key_batches, kit.value_batches, strict=True):
        call(keys, values)
    call(kit.large, kit.large_values)
    twice = [*kit.keys, kit.key]
    call(twice, [*kit.values, kit.value], on_duplicate="last")
    raises(ValueError, call, twice, [*kit.values, kit.value])
    raises(ValueError, call, kit.keys, kit.values, on_duplicate="first")
    raises(ValueError, call, kit.keys, kit.values[:3])
    for column in with_null(kit):
        raises(ValueError, call, column, kit.values[:2])
        raises(ValueError, call, kit.keys[:2], column)
    raises(TypeError, call, [kit.key, kit.wrong], kit.values[:2])  # objects
    raises(TypeError, call, kit.keys[:2], [kit.key, kit.wrong])
    raises(LookupError, call, kit.large, kit.large_values, progress=stop)


@recipe("FrozenSet.from_array")
def _(call: Call, kit: Kit) -> None:
    for keys in kit.key_batches:
        call(keys)
    call(kit.large)
    call([*kit.keys, kit.key])
    for column in with_null(kit):
        raises(ValueError, call, column)
    raises(TypeError, call, [kit.key, kit.wrong])
    raises(LookupError, call, kit.large, progress=stop)


@recipe(*of_frozen("__hash__"))
def _(call: Call, kit: Kit) -> None:
    """The first call counts the items; later ones remember."""
    made = kit.own.__reduce__()
    fresh = made[0](*made[1])
    call(fresh)
    call(fresh)


@recipe(*of_frozen("__deepcopy__"))
def _(call: Call, kit: Kit) -> None:
    call(kit.own, {})


@recipe("FrozenMap.__iter__", "FrozenMap.keys", "FrozenMap.values", "FrozenMap.items")
def _(call: Call, kit: Kit) -> None:
    drain(call(kit.own))
    call(kit.own)


@recipe("iter(FrozenMap).__iter__", "iter(FrozenMap).__length_hint__")
def _(call: Call, kit: Kit) -> None:
    call(iter(kit.frozen_map))


@recipe("iter(FrozenMap).__next__")
def _(call: Call, kit: Kit) -> None:
    for walk in (iter(kit.frozen_map), iter(kit.frozen_map.values()), iter(kit.frozen_map.items())):
        call(walk)
    empty = iter(FrozenMap.from_arrays(np.arange(0), np.arange(0)))
    raises(StopIteration, call, empty)
    raises(StopIteration, call, empty)


@recipe("FrozenSet.contains_many", "FrozenSet.positions")
def _(call: Call, kit: Kit) -> None:
    for keys in (*kit.key_batches, kit.large):
        call(kit.own, keys)
    raises(TypeError, call, kit.own, [kit.key, kit.wrong])
    raises(ValueError, call, kit.own, kit.keys, threads=0)
