"""One round of each public call of expiring sets and maps. Their clock stands still, unless a round moves it."""

import os

import numpy as np

from leaks.recipes.files import FOLDER
from leaks.recipes.kit import KEYS, Call, Kit, raises, recipe
from pyhmap import ExpiringMap, ExpiringSet

PATH = os.path.join(FOLDER.name, "expiring")
TIMES = np.linspace(930, 1080, KEYS)  # of several parts


def of_both(*names: str) -> tuple[str, ...]:
    """The calls of these names of sets and of maps."""
    return tuple(f"{owner}.{name}" for owner in ("ExpiringSet", "ExpiringMap") for name in names)


def new_set(kit: Kit, **options: object) -> ExpiringSet:
    return ExpiringSet(kit.key_type, 80, clock=lambda: kit.now, **options)


def new_counts(kit: Kit, **options: object) -> ExpiringMap:
    return ExpiringMap(kit.key_type, np.int64, 80, clock=lambda: kit.now, **options)


def a_window_later(kit: Kit, subject: object) -> None:
    """Let everything expire, and the clock be again where it was, for another object."""
    kit.now = 5000.0
    subject.expire()
    kit.now = 1000.0


@recipe("ExpiringSet()")
def _(call: Call, kit: Kit) -> None:
    call(kit.key_type, 80, parts=4, renew=True, max_keys=5, seed=1)
    raises(ValueError, call, kit.key_type, 0)
    raises(ValueError, call, kit.key_type, 80, parts=0)
    raises(TypeError, call, kit.key_type, 80, clock=5)


@recipe("ExpiringSet.__init__")
def _(call: Call, kit: Kit) -> None:
    call(ExpiringSet.__new__(ExpiringSet), kit.key_type, 80)


@recipe("ExpiringMap()")
def _(call: Call, kit: Kit) -> None:
    call(kit.key_type, kit.value_type, 80, parts=4, max_keys=5, seed=1)
    raises(ValueError, call, kit.key_type, kit.value_type, 0)


@recipe("ExpiringMap.__init__")
def _(call: Call, kit: Kit) -> None:
    call(ExpiringMap.__new__(ExpiringMap), kit.key_type, kit.value_type, 80)


@recipe(*of_both("__bool__", "check", "headers", "__reduce__"))
def _(call: Call, kit: Kit) -> None:
    if kit.name.endswith("__reduce__"):
        raises(TypeError, call, kit.own)
        return
    call(kit.own)
    call(kit.expiring_counts if kit.own is kit.expiring_map else new_set(kit))


@recipe(*of_both("expire", "clear"))
def _(call: Call, kit: Kit) -> None:
    made = new_set(kit) if kit.own is kit.expiring_set else new_counts(kit)
    made.add_many(kit.keys, at=TIMES)
    kit.now = 5000.0
    call(made)
    kit.now = 1000.0


@recipe(*of_both("__contains__"))
def _(call: Call, kit: Kit) -> None:
    call(kit.own, kit.key)
    call(kit.own, kit.absent)
    raises(TypeError, call, kit.own, kit.wrong)


@recipe(*of_both("contains_many"))
def _(call: Call, kit: Kit) -> None:
    for keys in (*kit.key_batches, kit.absent_keys, kit.large):
        call(kit.own, keys)
    raises(TypeError, call, kit.own, [kit.key, kit.wrong])


@recipe("ExpiringSet.add", "ExpiringSet.discard")
def _(call: Call, kit: Kit) -> None:
    s = new_set(kit, renew=True)
    s.add(kit.key)
    call(s, kit.key)
    call(s, kit.absent)
    if kit.name == "ExpiringSet.add":
        call(s, kit.key, at=1050.0)
        call(s, kit.key, at=5.0)
        raises(ValueError, call, s, kit.key, at=5000.0)
        raises(OverflowError, call, full(kit), kit.absent)
    raises(TypeError, call, s, kit.wrong)


def full(kit: Kit) -> ExpiringSet:
    """A set that takes no other key."""
    s = new_set(kit, max_keys=1)
    s.add(kit.key)
    return s


@recipe("ExpiringSet.add_many")
def _(call: Call, kit: Kit) -> None:
    for renew in (False, True):
        for keys in (*kit.key_batches, kit.large):
            s = new_set(kit, renew=renew)
            s.add_many(kit.keys[:3], at=960)
            call(s, keys)
            call(s, kit.keys, at=TIMES)
            a_window_later(kit, s)
    raises(OverflowError, call, full(kit), kit.keys)
    raises(TypeError, call, kit.own, [kit.absent, kit.wrong])
    raises(ValueError, call, kit.own, [kit.absent], at=5000.0)
    raises(ValueError, call, kit.own, [kit.absent], at=[1.0, 2.0])


@recipe(*of_both("discard_many"))
def _(call: Call, kit: Kit) -> None:
    for keys in kit.key_batches:
        made = new_set(kit) if kit.own is kit.expiring_set else new_counts(kit)
        made.add_many(kit.keys, at=TIMES)
        call(made, keys)
    raises(TypeError, call, kit.own, [kit.key, kit.wrong])


@recipe("ExpiringSet.to_array", "ExpiringMap.to_arrays", "ExpiringMap.items")
def _(call: Call, kit: Kit) -> None:
    list(call(kit.own))
    call(kit.own)
    if kit.own is kit.expiring_map:
        list(call(kit.expiring_counts))


@recipe("ExpiringMap.__getitem__", "ExpiringMap.get")
def _(call: Call, kit: Kit) -> None:
    for m in (kit.expiring_map, kit.expiring_counts):
        call(m, kit.key)
        raises(TypeError, call, m, kit.wrong)
        if kit.name == "ExpiringMap.get":
            call(m, kit.absent)
            call(m, kit.absent, kit.value)
        else:
            raises(KeyError, call, m, kit.absent)


@recipe("ExpiringMap.__setitem__")
def _(call: Call, kit: Kit) -> None:
    call(kit.expiring_map, kit.key, kit.value)
    m = new_counts(kit)
    m.add_many([kit.key], at=960)
    call(m, kit.key, 1)
    raises(TypeError, call, m, kit.wrong, 1)
    raises(TypeError, call, m, kit.key, "1")


@recipe("ExpiringMap.__delitem__", "ExpiringMap.pop")
def _(call: Call, kit: Kit) -> None:
    m = new_counts(kit)
    m.add_many([kit.key] * 3, at=[960, 1000, 1040])
    call(m, kit.key)
    raises(KeyError, call, m, kit.key)
    raises(TypeError, call, m, kit.wrong)
    if kit.name == "ExpiringMap.pop":
        call(m, kit.key, None)


@recipe("ExpiringMap.get_many")
def _(call: Call, kit: Kit) -> None:
    for keys in kit.key_batches:
        call(kit.expiring_map, keys)
        call(kit.expiring_counts, keys)
    call(kit.expiring_map, kit.absent_keys, kit.value if kit.form != "object" else 1)
    call(kit.expiring_counts, kit.large, 0)
    raises(KeyError, call, kit.expiring_map, [kit.key, kit.absent])
    raises(TypeError, call, kit.expiring_map, [kit.key, kit.wrong])


@recipe("ExpiringMap.set_many")
def _(call: Call, kit: Kit) -> None:
    for keys in kit.key_batches:
        for values in kit.value_batches:
            call(kit.expiring_map, keys, values)
        call(kit.expiring_map, keys, kit.value if kit.form != "object" else 1)  # a tuple would be many values
        call(new_counts(kit), keys, 1, at=TIMES)
    m = new_counts(kit, max_keys=2)
    raises(OverflowError, call, m, kit.keys, 1)
    raises(TypeError, call, m, [kit.key, kit.wrong], 1)
    raises(ValueError, call, m, kit.keys, [1, 2])
    kit.expiring_map.set_many(kit.keys, kit.values)


@recipe("ExpiringMap.add_many")
def _(call: Call, kit: Kit) -> None:
    for keys in kit.key_batches:
        m = new_counts(kit)
        call(m, keys)
        call(m, keys, 2, at=TIMES)
        call(m, keys * 3 if isinstance(keys, list) else keys)
        call(new_counts(kit), kit.large, np.arange(len(kit.large)))
        a_window_later(kit, m)
    m = new_counts(kit, max_keys=2)
    raises(OverflowError, call, m, kit.keys)
    raises(TypeError, call, m, [kit.key, kit.wrong])
    raises(ValueError, call, m, kit.keys, at=5000.0)
    if kit.form != "int64":
        raises(TypeError, call, kit.expiring_map, kit.keys)


# --- files ---


@recipe(*of_both("save"))
def _(call: Call, kit: Kit) -> None:
    if kit.form == "object":
        raises(TypeError, call, kit.own, PATH)
        return
    call(kit.own, PATH)
    call(kit.own, PATH)  # writes the manifest only
    raises(OSError, call, kit.own, os.path.join(FOLDER.name, "missing", "f"))


@recipe(*of_both("open"))
def _(call: Call, kit: Kit) -> None:
    raises(OSError, call, os.path.join(FOLDER.name, "missing"))
    if kit.form == "object":
        return
    kit.own.save(PATH)
    call(PATH, clock=lambda: kit.now)
    call(PATH)  # where everything has expired
    other = ExpiringMap if kit.own is kit.expiring_set else ExpiringSet
    raises(ValueError, other.open, PATH)
