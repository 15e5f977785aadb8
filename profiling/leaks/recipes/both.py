"""One round of each public call that maps and sets share."""

import copy
import pickle

from leaks.recipes.kit import Call, Kit, pyarrow, raises, recipe


def of_both(*names: str) -> tuple[str, ...]:
    """The calls of these names of maps and of sets."""
    return tuple(f"{owner}.{name}" for owner in ("HMap", "HSet") for name in names)


def of_frozen(*names: str) -> tuple[str, ...]:
    """The calls of these names of frozen maps and of frozen sets."""
    return tuple(f"{owner}.{name}" for owner in ("FrozenMap", "FrozenSet") for name in names)


def of_all(*names: str) -> tuple[str, ...]:
    """The calls of these names of all four."""
    return of_both(*names) + of_frozen(*names)


@recipe(*of_all("__len__", "__repr__", "nbytes", "key_dtype", "check", "__sizeof__"))
@recipe(*of_both("header", "layout", "occupancy", "bucket_arrays", "finish_growth", "stats"))
@recipe("HMap.value_dtype", "HMap.keys_array", "HMap.values_array", "HMap.to_arrays", "HSet.to_array")
@recipe("FrozenMap.value_dtype", "FrozenMap.keys_array", "FrozenMap.values_array", "FrozenMap.to_arrays")
@recipe("HSet.__getstate__", "FrozenSet.__getstate__", "FrozenSet.to_array", *of_frozen("__copy__"))
def _(call: Call, kit: Kit) -> None:
    call(kit.own)


@recipe(*of_all("__arrow_c_stream__"))
def _(call: Call, kit: Kit) -> None:
    if kit.form == "object":
        raises(TypeError, call, kit.own)
        return
    call(kit.own)
    if pyarrow:
        pyarrow.table(kit.own)


@recipe(*of_all("__contains__"))
def _(call: Call, kit: Kit) -> None:
    call(kit.own, kit.key)
    call(kit.own, kit.absent)
    raises(TypeError, call, kit.own, kit.wrong)


@recipe(*of_both("clear"))
def _(call: Call, kit: Kit) -> None:
    call(kit.own)
    kit.restore()


@recipe(*of_all("copy"))
def _(call: Call, kit: Kit) -> None:
    call(kit.own)
    copy.copy(kit.own)
    copy.deepcopy(kit.own)


@recipe(*of_all("__reduce__"))
def _(call: Call, kit: Kit) -> None:
    call(kit.own)
    for protocol in (2, 5):
        pickle.loads(pickle.dumps(kit.own, protocol))
    buffers: list[pickle.PickleBuffer] = []
    whole = pickle.dumps(kit.own, 5, buffer_callback=buffers.append)
    pickle.loads(whole, buffers=buffers)


@recipe(*of_both("reserve"))
def _(call: Call, kit: Kit) -> None:
    made = kit.another()
    call(made, 100)
    raises(ValueError, call, made, -1)
    raises(TypeError, call, made, "many")


@recipe(*of_both("compact"))
def _(call: Call, kit: Kit) -> None:
    call(kit.another(capacity=100))
