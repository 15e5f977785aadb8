"""One round of each public call of a set, and ways through the code that no single name stands for.

Owns these recipes. Imports numpy, pyhmap and the sibling ``zero_growth_kit``.
"""

import copy
import gc
import pickle

import numpy as np

from leaks.recipes.kit import EXTRAS, OPERATORS, THREADED, Call, Kit, drain, raises, recipe
from pyhmap import HMap, HSet

# --- HSet ---


@recipe("HSet()")
def _(call: Call, kit: Kit) -> None:
    call(kit.key_type)
    for keys in kit.key_batches:
        call(kit.key_type, keys, capacity=50, seed=1)
    raises(TypeError, call, kit.key_type, [kit.wrong])


@recipe("HSet.__init__")
def _(call: Call, kit: Kit) -> None:
    made = HSet.__new__(HSet)
    call(made, kit.key_type, kit.keys)
    call(made, kit.key_type)


@recipe("HSet.add", "HSet.discard", "HSet.remove")
def _(call: Call, kit: Kit) -> None:
    call(kit.s, kit.key)
    if kit.name == "HSet.remove":
        raises(KeyError, call, kit.s, kit.absent)
    else:
        call(kit.s, kit.absent)
    raises(TypeError, call, kit.s, kit.wrong)
    kit.restore()


@recipe("HSet.pop")
def _(call: Call, kit: Kit) -> None:
    kit.s.add(call(kit.s))
    raises(KeyError, call, HSet(kit.key_type))


@recipe("HSet.clear")
def _(call: Call, kit: Kit) -> None:
    call(kit.s)
    kit.restore()


@recipe("HSet.add_many", "HSet.discard_many", "HSet.contains_many")
def _(call: Call, kit: Kit) -> None:
    for keys in kit.key_batches:
        call(kit.s, keys)
        kit.restore()
    call(HSet(kit.key_type), kit.large)
    raises(TypeError, call, kit.s, [kit.key, kit.wrong])


@recipe("HSet.__len__", "HSet.nbytes", "HSet.key_dtype", "HSet.header", "HSet.layout", "HSet.occupancy")
@recipe("HSet.stats", "HSet.check")
@recipe("HSet.bucket_arrays", "HSet.finish_growth", "HSet.__repr__", "HSet.to_array", "HSet.__getstate__")
def _(call: Call, kit: Kit) -> None:
    call(kit.s)


@recipe("HSet.__contains__")
def _(call: Call, kit: Kit) -> None:
    call(kit.s, kit.key)
    call(kit.s, kit.absent)
    raises(TypeError, call, kit.s, kit.wrong)


@recipe("HSet.__iter__")
def _(call: Call, kit: Kit) -> None:
    drain(kit.s)
    call(kit.s)


@recipe("HSet.copy")
def _(call: Call, kit: Kit) -> None:
    call(kit.s)
    copy.deepcopy(kit.s)


@recipe("HSet.__reduce__")
def _(call: Call, kit: Kit) -> None:
    call(kit.s)
    pickle.loads(pickle.dumps(kit.s))


@recipe("HSet.reserve")
def _(call: Call, kit: Kit) -> None:
    made = HSet(kit.key_type, kit.keys)
    call(made, 100)
    raises(ValueError, call, made, -1)


@recipe("HSet.compact")
def _(call: Call, kit: Kit) -> None:
    call(HSet(kit.key_type, kit.keys, capacity=100))


@recipe("HSet.union", "HSet.intersection", "HSet.difference", "HSet.symmetric_difference")
@recipe("HSet.isdisjoint", "HSet.issubset", "HSet.issuperset")
def _(call: Call, kit: Kit) -> None:
    for other in (kit.other_set, kit.plain_set, kit.keys):
        call(kit.s, other)
    raises(TypeError, call, kit.s, 7)


@recipe("HSet.update", "HSet.intersection_update", "HSet.difference_update", "HSet.symmetric_difference_update")
def _(call: Call, kit: Kit) -> None:
    for other in (kit.other_set, kit.plain_set, *kit.key_batches):
        made = HSet(kit.key_type, kit.keys)
        call(made, other)
    raises(TypeError, call, kit.s, 7)


@recipe(*(f"HSet.__{name}__" for name in OPERATORS))
def _(call: Call, kit: Kit) -> None:
    for other in (kit.s, kit.other_set, kit.plain_set, 7):
        call(kit.s, other)


@recipe("HSet.__iand__", "HSet.__ior__", "HSet.__isub__", "HSet.__ixor__")
def _(call: Call, kit: Kit) -> None:
    for other in (kit.other_set, kit.plain_set, 7):
        call(HSet(kit.key_type, kit.keys), other)


# --- ways through the code that no single name stands for ---


def threaded(call: Call, kit: Kit) -> None:
    """Batches that two threads share, and that both packages' locks see."""
    if not hasattr(kit, "wide"):
        kit.wide = kit.column(0, THREADED)
        kit.wide_map = kit.map()
        kit.wide_map.set_many(kit.wide, kit.wide)
        kit.wide = (kit.arrow(kit.wide) or [kit.wide])[-1]  # of which threads read texts, too
    for look_up in (kit.wide_map.get_many, kit.wide_map.lookup_many, kit.wide_map.contains_many):
        look_up(kit.wide, threads=2)


def grown(call: Call, kit: Kit) -> None:
    """A map that grows and shrinks a key at a time, a map of a hash cache, one that holds itself, one of records."""
    made = kit.map()
    for key, value in zip(kit.large.tolist(), kit.large_values.tolist(), strict=True):
        made[key] = value
    for key in kit.large.tolist():
        del made[key]
    cached = HMap(str, np.int64, hash="xxh64", hash_cache=kit.cache)
    for number, text in enumerate(kit.texts):
        cached[text] = number
        cached.get(text)
    cells = HMap([("x", "i4"), ("y", "f8")], [("a", "f4"), ("b", "S3")])
    cells[1, 2.5] = (0.5, b"abc")
    cells.get_many([(1, 2.5)])


def cyclic(call: Call, kit: Kit) -> None:
    """Maps that hold themselves, which only the collector can clear: so there is a collection in each round."""
    made = HMap(object, object)
    made["self"], made["list"] = made, [made]
    del made
    gc.collect()


EXTRAS |= {"two threads": threaded, "growing and shrinking": grown, "a map that holds itself": cyclic}
