"""One round of each public call that maps alone have, their views and iterators, and nil maps."""

import copy
import pickle

import numpy as np

from leaks.recipes.kit import KEYS, OPERATORS, Call, Kit, drain, raises, recipe
from pyhmap import HMap, NilMapError

# --- HMap: one key ---


@recipe("HMap()")
def _(call: Call, kit: Kit) -> None:
    call(kit.key_type, kit.value_type)
    call(kit.key_type, kit.value_type, kit.other, capacity=50, seed=1)
    raises(TypeError, call, kit.key_type, kit.value_type, 7)
    raises(TypeError, call, kit.key_type, kit.value_type, {kit.wrong: kit.value} if kit.wrong != [] else [([], 1)])
    raises(ValueError, call, kit.key_type, kit.value_type, capacity=-1)


@recipe("HMap.__init__")
def _(call: Call, kit: Kit) -> None:
    made = HMap.__new__(HMap)
    call(made, kit.key_type, kit.value_type, kit.other)
    raises(TypeError, call, made, kit.key_type, kit.value_type)  # a second time


@recipe("HMap.__getitem__", "FrozenMap.__getitem__")
def _(call: Call, kit: Kit) -> None:
    call(kit.own, kit.key)
    raises(KeyError, call, kit.own, kit.absent)
    raises(TypeError, call, kit.own, kit.wrong)


@recipe("HMap.__setitem__")
def _(call: Call, kit: Kit) -> None:
    call(kit.m, kit.key, kit.value)
    call(kit.m, kit.absent, kit.value)
    del kit.m[kit.absent]
    raises(TypeError, call, kit.m, kit.wrong, kit.value)
    if kit.form != "object":
        raises(TypeError, call, kit.m, kit.key, kit.wrong)


@recipe("HMap.__delitem__")
def _(call: Call, kit: Kit) -> None:
    call(kit.m, kit.key)
    kit.m[kit.key] = kit.value
    raises(KeyError, call, kit.m, kit.absent)
    raises(TypeError, call, kit.m, kit.wrong)


@recipe("HMap.get", "FrozenMap.get")
def _(call: Call, kit: Kit) -> None:
    call(kit.own, kit.key)
    call(kit.own, kit.absent)
    call(kit.own, kit.absent, kit.value)
    raises(TypeError, call, kit.own, kit.wrong)


@recipe("HMap.setdefault")
def _(call: Call, kit: Kit) -> None:
    call(kit.m, kit.key, kit.value)
    call(kit.m, kit.absent, kit.value)
    del kit.m[kit.absent]
    raises(TypeError, call, kit.m, kit.wrong, kit.value)


@recipe("HMap.pop")
def _(call: Call, kit: Kit) -> None:
    call(kit.m, kit.key)
    kit.m[kit.key] = kit.value
    call(kit.m, kit.absent, kit.value)
    raises(KeyError, call, kit.m, kit.absent)
    raises(TypeError, call, kit.m, kit.wrong)


@recipe("HMap.popitem")
def _(call: Call, kit: Kit) -> None:
    key, value = call(kit.m)
    kit.m[key] = value
    raises(KeyError, call, HMap(kit.key_type, kit.value_type))


@recipe("HMap.__iter__", "HMap.keys", "HMap.values", "HMap.items")
def _(call: Call, kit: Kit) -> None:
    drain(call(kit.m))
    call(kit.m)
    other = kit.map({kit.key: kit.value})
    walk = iter(call(other))
    other[kit.absent] = kit.value
    raises(RuntimeError, next, walk)  # the map changed


# --- HMap: many keys, and the map as a whole ---


def one_for_all(kit: Kit) -> object:
    """A default for all keys. In a map of objects, `kit.value` may be a list, which would be one default per key."""
    return "default" if kit.form == "object" else kit.value


@recipe("HMap.get_many", "HMap.lookup_many", "HMap.contains_many")
@recipe("FrozenMap.get_many", "FrozenMap.lookup_many", "FrozenMap.contains_many", "FrozenMap.positions")
def _(call: Call, kit: Kit) -> None:
    large_map = kit.large_frozen if kit.name.startswith("Frozen") else kit.large_map
    for keys in kit.key_batches:
        call(kit.own, keys)
    call(large_map, kit.large)
    raises(TypeError, call, kit.own, [kit.key, kit.wrong])
    raises(ValueError, call, kit.own, kit.keys, threads=0)
    if kit.name.endswith(".get_many"):
        call(kit.own, [kit.key, kit.absent], one_for_all(kit))
        raises(KeyError, call, kit.own, [kit.key, kit.absent])
        raises(KeyError, call, large_map, [*kit.large.tolist(), kit.absent])
        if kit.form == "int64":
            call(kit.own, kit.key_batches[1], out=np.empty(KEYS, np.int64))


@recipe("HMap.set_many", "HMap.setdefault_many")
def _(call: Call, kit: Kit) -> None:
    for keys, values in zip(kit.key_batches, kit.value_batches, strict=True):
        call(kit.m, keys, values)
    call(kit.map(), kit.large, kit.large_values)  # grows from empty
    call(kit.m, kit.absent_keys, kit.three)
    kit.restore()
    raises(TypeError, call, kit.m, [kit.key, kit.wrong], kit.three[:2])
    raises(ValueError, call, kit.m, kit.keys, kit.values[:3])


@recipe("HMap.add_many")
def _(call: Call, kit: Kit) -> None:
    counts = HMap(kit.key_type, object if kit.form == "object" else np.int64)
    for keys in kit.key_batches:
        call(counts, keys)
        call(counts, keys, 2, op="max")
    call(counts, kit.large, 1)
    raises(TypeError, call, counts, [kit.key, kit.wrong])
    raises(ValueError, call, counts, kit.keys, op="power")
    columns = HMap(kit.key_type, [("sum", np.float64), ("n", np.int64, (2,))])
    call(columns, kit.large, (1.5, (1, 2)))
    raises(TypeError, call, HMap(kit.key_type, [("n", np.int64), ("name", "S3")]), kit.keys, (1, b""))


@recipe("HMap.top", "HMap.most_common", "FrozenMap.top", "FrozenMap.most_common")
def _(call: Call, kit: Kit) -> None:
    counts = HMap(kit.key_type, np.int64)
    counts.add_many(kit.large)
    counts.add_many(kit.keys)
    counted = counts if kit.name.startswith("HMap") else counts.freeze()
    for n in (0, 3, 10_000):
        call(counted, n)
    raises(ValueError, call, counted, -1)
    raises(TypeError, call, counted, "3")
    if kit.form != "int64":
        raises(TypeError, call, kit.own, 3)


@recipe("HMap.pop_many", "HMap.discard_many")
def _(call: Call, kit: Kit) -> None:
    for keys in kit.key_batches:
        call(kit.m, keys)
        kit.restore()
    filled = kit.map()
    filled.set_many(kit.large, kit.large_values)
    call(filled, kit.large)  # shrinks to empty
    raises(TypeError, call, kit.m, [kit.key, kit.wrong])
    if kit.name == "HMap.pop_many":
        call(kit.m, kit.absent_keys, one_for_all(kit))
        raises(KeyError, call, kit.m, [kit.absent])


@recipe("HMap.factorize")
def _(call: Call, kit: Kit) -> None:
    codes = HMap(kit.key_type, np.int64)
    for keys in kit.key_batches:
        call(codes, keys)
    call(codes, kit.large)
    raises(TypeError, call, codes, [kit.key, kit.wrong])


@recipe("HMap.from_arrays")
def _(call: Call, kit: Kit) -> None:
    for keys, values in zip(kit.key_batches, kit.value_batches, strict=True):
        call(keys, values)
    raises(ValueError, call, kit.keys, kit.values[:3])


@recipe("HMap.fromkeys")
def _(call: Call, kit: Kit) -> None:
    call(kit.keys, kit.value)
    call(kit.keys)
    raises(TypeError, call, 7)


@recipe("HMap.update", "HMap.__ior__")
def _(call: Call, kit: Kit) -> None:
    call(kit.m, kit.other)
    call(kit.m, kit.other_map)
    call(kit.m, list(kit.other.items()))
    kit.restore()
    raises(TypeError, call, kit.m, 7)


@recipe("HMap.__or__", "HMap.__ror__")
def _(call: Call, kit: Kit) -> None:
    call(kit.m, kit.other)
    call(kit.m, kit.other_map)
    call(kit.m, 7)  # NotImplemented


@recipe("HMap.__eq__", "FrozenMap.__eq__")
def _(call: Call, kit: Kit) -> None:
    for other in (kit.m, kit.m.copy(), kit.other_map, dict(kit.m.items()), kit.other, kit.frozen_map, 7):
        call(kit.own, other)


@recipe("HMap.keys().__iter__", "HMap.values().__iter__", "HMap.items().__iter__")
@recipe("HMap.keys().__len__", "HMap.values().__len__", "HMap.items().__len__")
@recipe("HMap.keys().__repr__", "HMap.values().__repr__", "HMap.items().__repr__")
def _(call: Call, kit: Kit) -> None:
    made = call(kit.subject)
    if not isinstance(made, (int, str)):
        drain(kit.subject)


@recipe("HMap.keys().__init__", "HMap.values().__init__", "HMap.items().__init__")
def _(call: Call, kit: Kit) -> None:
    call(kit.subject, kit.m)


@recipe("HMap.keys().__contains__")
def _(call: Call, kit: Kit) -> None:
    for key in (kit.key, kit.absent, 1.5):
        call(kit.subject, key)


@recipe("HMap.values().__contains__")
def _(call: Call, kit: Kit) -> None:
    for value in (kit.value, kit.absent):
        call(kit.subject, value)


@recipe("HMap.items().__contains__")
def _(call: Call, kit: Kit) -> None:
    for item in ((kit.key, kit.value), (kit.key, kit.absent), (kit.absent, kit.value), 7):
        call(kit.subject, item)


@recipe(*(f"HMap.{view}().__{name}__" for view in ("keys", "items") for name in OPERATORS))
def _(call: Call, kit: Kit) -> None:
    """The views' set algebra is Python's own, an element at a time."""
    others = kit.plain_set if "Keys" in type(kit.subject).__name__ else set(kit.other.items())
    call(kit.subject, others)
    call(kit.subject, 7)


@recipe("HMap.keys().isdisjoint", "HMap.items().isdisjoint")
def _(call: Call, kit: Kit) -> None:
    call(kit.subject, set(kit.absent_keys))
    raises(TypeError, call, kit.subject, 7)


@recipe("iter(HMap).__iter__", "iter(HMap).__length_hint__")
def _(call: Call, kit: Kit) -> None:
    call(iter(kit.m))


@recipe("iter(HMap).__next__")
def _(call: Call, kit: Kit) -> None:
    for walk in (iter(kit.m), iter(kit.m.values()), iter(kit.m.items())):
        call(walk)
    empty = iter(kit.map())
    raises(StopIteration, call, empty)
    raises(StopIteration, call, empty)


# --- nil ---


@recipe("pyhmap.nil")
def _(call: Call, kit: Kit) -> None:
    call(kit.key_type, kit.value_type)


@recipe("nil().__getitem__", "nil().get")
def _(call: Call, kit: Kit) -> None:
    call(kit.nil, kit.key)
    raises(TypeError, call, kit.nil, kit.wrong)


@recipe("nil().get_many")
def _(call: Call, kit: Kit) -> None:
    for keys in kit.key_batches:
        call(kit.nil, keys)


@recipe("nil().copy", "nil().__copy__", "nil().__repr__")
def _(call: Call, kit: Kit) -> None:
    call(kit.nil)


@recipe("nil().__deepcopy__")
def _(call: Call, kit: Kit) -> None:
    call(kit.nil, {})
    copy.deepcopy(kit.nil)


@recipe("nil().__reduce__")
def _(call: Call, kit: Kit) -> None:
    call(kit.nil)
    pickle.loads(pickle.dumps(kit.nil))


@recipe("nil().__or__", "nil().__ror__")
def _(call: Call, kit: Kit) -> None:
    call(kit.nil, kit.other)


@recipe("nil().popitem", "nil().clear", "nil().compact")
def _(call: Call, kit: Kit) -> None:
    raises(NilMapError, call, kit.nil)


@recipe("nil().__delitem__", "nil().pop", "nil().setdefault", "nil().reserve", "nil().update", "nil().__ior__")
def _(call: Call, kit: Kit) -> None:
    raises(NilMapError, call, kit.nil, kit.key)


@recipe("nil().__setitem__")
def _(call: Call, kit: Kit) -> None:
    raises(NilMapError, call, kit.nil, kit.key, kit.value)


@recipe("nil().set_many", "nil().setdefault_many")
def _(call: Call, kit: Kit) -> None:
    for keys in kit.key_batches:
        raises(NilMapError, call, kit.nil, keys, kit.value)


@recipe("nil().add_many", "nil().pop_many", "nil().discard_many", "nil().factorize")
def _(call: Call, kit: Kit) -> None:
    for keys in kit.key_batches:
        raises(NilMapError, call, kit.nil, keys)
