"""One round of each public call that sets alone have."""

from leaks.recipes.kit import OPERATORS, Call, Kit, drain, raises, recipe
from pyhmap import HSet


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


@recipe("HSet.add_many", "HSet.discard_many", "HSet.contains_many")
def _(call: Call, kit: Kit) -> None:
    for keys in kit.key_batches:
        call(kit.s, keys)
        kit.restore()
    call(HSet(kit.key_type), kit.large)
    raises(TypeError, call, kit.s, [kit.key, kit.wrong])
    if kit.name == "HSet.add_many":
        for keys in kit.key_batches:
            call(HSet(kit.key_type), keys, return_new=True)
        call(HSet(kit.key_type), kit.large, return_new=True)
        raises(TypeError, call, kit.s, [kit.key, kit.wrong], return_new=True)


def of_sets(*names: str) -> tuple[str, ...]:
    """The calls of these names of sets and of frozen sets."""
    return tuple(f"{owner}.{name}" for owner in ("HSet", "FrozenSet") for name in names)


@recipe(*of_sets("__array__"))
def _(call: Call, kit: Kit) -> None:
    call(kit.own)
    raises(ValueError, call, kit.own, copy=False)


@recipe(*of_sets("__iter__"))
def _(call: Call, kit: Kit) -> None:
    drain(kit.own)
    call(kit.own)


@recipe(*of_sets("union", "intersection", "difference", "symmetric_difference"))
@recipe(*of_sets("isdisjoint", "issubset", "issuperset"))
def _(call: Call, kit: Kit) -> None:
    for other in (kit.other_set, kit.plain_set, kit.keys):
        call(kit.own, other)
    raises(TypeError, call, kit.own, 7)


@recipe("HSet.update", "HSet.intersection_update", "HSet.difference_update", "HSet.symmetric_difference_update")
def _(call: Call, kit: Kit) -> None:
    for other in (kit.other_set, kit.plain_set, *kit.key_batches):
        made = HSet(kit.key_type, kit.keys)
        call(made, other)
    raises(TypeError, call, kit.s, 7)


@recipe(*of_sets(*(f"__{name}__" for name in OPERATORS)))
def _(call: Call, kit: Kit) -> None:
    for other in (kit.own, kit.other_set, kit.plain_set, 7):
        call(kit.own, other)


@recipe("HSet.__iand__", "HSet.__ior__", "HSet.__isub__", "HSet.__ixor__")
def _(call: Call, kit: Kit) -> None:
    for other in (kit.other_set, kit.plain_set, 7):
        call(HSet(kit.key_type, kit.keys), other)
