"""One round of each public call that maps and sets share."""

import copy
import pickle

from leaks.recipes.kit import Call, Kit, raises, recipe


def of_both(*names: str) -> tuple[str, ...]:
    """The calls of these names of maps and of sets."""
    return tuple(f"{owner}.{name}" for owner in ("HMap", "HSet") for name in names)


@recipe(*of_both("__len__", "__repr__", "nbytes", "key_dtype", "header", "layout", "occupancy", "bucket_arrays"))
@recipe(*of_both("finish_growth", "stats", "check", "__sizeof__"))
@recipe("HMap.value_dtype", "HMap.keys_array", "HMap.values_array", "HMap.to_arrays", "HSet.to_array")
@recipe("HSet.__getstate__")
def _(call: Call, kit: Kit) -> None:
    call(kit.own)


@recipe(*of_both("__contains__"))
def _(call: Call, kit: Kit) -> None:
    call(kit.own, kit.key)
    call(kit.own, kit.absent)
    raises(TypeError, call, kit.own, kit.wrong)


@recipe(*of_both("clear"))
def _(call: Call, kit: Kit) -> None:
    call(kit.own)
    kit.restore()


@recipe(*of_both("copy"))
def _(call: Call, kit: Kit) -> None:
    call(kit.own)
    copy.copy(kit.own)
    copy.deepcopy(kit.own)


@recipe(*of_both("__reduce__"))
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
