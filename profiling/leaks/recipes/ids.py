"""One round of each public call of id maps, their iterators, and the Arrow arrays that they give back.

Keys cannot be removed from an index. So a round adds keys to an index of its own only.
"""

import copy
import os
import pickle

import numpy as np

import pyhmap
from leaks.recipes.files import FOLDER, stop
from leaks.recipes.kit import KEYS, Call, Kit, drain, pyarrow, raises, recipe
from pyhmap import FrozenIndex, HIndex

PATH = os.path.join(FOLDER.name, "ids.pyhmap")


def of_indexes(*names: str) -> tuple[str, ...]:
    """The calls of these names of indexes and of frozen indexes."""
    return tuple(f"{owner}.{name}" for owner in ("HIndex", "FrozenIndex") for name in names)


@recipe("HIndex()")
def _(call: Call, kit: Kit) -> None:
    call(kit.key_type)
    for labels in kit.key_batches:
        call(kit.key_type, labels, seed=1)
    call(kit.index)
    call(kit.frozen_index)
    raises(ValueError, call, kit.key_type, [kit.key, kit.key])
    raises(TypeError, call, kit.key_type, [kit.key, kit.wrong])
    raises(TypeError, call, object)


@recipe("HIndex.__init__")
def _(call: Call, kit: Kit) -> None:
    made = HIndex.__new__(HIndex)
    call(made, kit.key_type, kit.keys)
    raises(TypeError, call, made, kit.key_type)  # a second time


@recipe("HIndex.from_labels")
def _(call: Call, kit: Kit) -> None:
    for labels in kit.key_batches:
        call(labels)
    raises(ValueError, call, [*kit.keys, kit.key])
    raises(TypeError, call, [])


@recipe("FrozenIndex()")
def _(call: Call, kit: Kit) -> None:
    raises(TypeError, call, kit.key_type)


@recipe("FrozenIndex.__init__")
def _(call: Call, kit: Kit) -> None:
    raises(TypeError, call, kit.frozen_index)


@recipe(*of_indexes("__len__", "__repr__", "nbytes", "key_dtype", "check"))
@recipe("HIndex.__sizeof__", "HIndex.value_dtype", "FrozenIndex.closed", "FrozenIndex.__copy__")
@recipe("FrozenIndex.__enter__")
def _(call: Call, kit: Kit) -> None:
    call(kit.own)


@recipe(*of_indexes("__contains__"))
def _(call: Call, kit: Kit) -> None:
    call(kit.own, kit.key)
    call(kit.own, kit.absent)
    raises(TypeError, call, kit.own, kit.wrong)


@recipe(*of_indexes("__getitem__"))
def _(call: Call, kit: Kit) -> None:
    call(kit.own, kit.key)
    raises(KeyError, call, kit.own, kit.absent)
    raises(TypeError, call, kit.own, kit.wrong)


@recipe(*of_indexes("get"))
def _(call: Call, kit: Kit) -> None:
    call(kit.own, kit.key)
    call(kit.own, kit.absent)
    call(kit.own, kit.absent, kit.value)
    raises(TypeError, call, kit.own, kit.wrong)


@recipe(*of_indexes("encode"))
def _(call: Call, kit: Kit) -> None:
    for keys in (*kit.key_batches, kit.absent_keys, kit.large):
        call(kit.own, keys, add=False)
    raises(TypeError, call, kit.own, [kit.key, kit.wrong], add=False)
    raises(ValueError, call, kit.own, np.empty((2, 2), kit.column(0, 1).dtype), add=False)
    if kit.own is not kit.index:
        call(kit.own, kit.large, threads=2)
        raises(TypeError, call, kit.own, kit.keys, add=True)
        return
    call(kit.own, kit.keys)
    for keys in (*kit.key_batches, *kit.arrow(np.array([kit.key, None], object)), kit.large):
        call(HIndex(kit.key_type), keys)  # grows from empty
    raises(TypeError, call, kit.own, [kit.absent, kit.wrong])


@recipe(*of_indexes("decode"))
def _(call: Call, kit: Kit) -> None:
    codes = np.arange(KEYS)
    forms = ["array", "list", "arrow", *(["string"] if kit.form == "str" else [])]
    for form in forms:
        call(kit.own, codes, to=form)
        raises(IndexError, call, kit.own, [0, KEYS], to=form)
    call(kit.own, codes.reshape(2, -1))
    call(kit.own, np.arange(600) % KEYS)
    call(kit.own, [0, -1], missing=kit.key)
    for form in forms[1:]:
        call(kit.own, [0, -1], to=form, missing=None)
    raises(TypeError, call, kit.own, [0.5])
    raises(TypeError, call, kit.own, [-1], missing=kit.wrong)
    raises(ValueError, call, kit.own, codes, to="json")


@recipe(*of_indexes("labels"))
def _(call: Call, kit: Kit) -> None:
    for form in ("array", "list", "arrow", *(["string"] if kit.form == "str" else [])):
        call(kit.own, form)
    raises(ValueError, call, kit.own, "json")


@recipe(*of_indexes("key"))
def _(call: Call, kit: Kit) -> None:
    for code in (0, 1, KEYS - 1):
        call(kit.own, code)
    raises(IndexError, call, kit.own, KEYS)
    raises(TypeError, call, kit.own, "0")


@recipe(*of_indexes("__iter__", "keys", "values", "items"))
def _(call: Call, kit: Kit) -> None:
    drain(call(kit.own))
    call(kit.own)


@recipe("iter(HIndex).__iter__", "iter(HIndex).__length_hint__")
def _(call: Call, kit: Kit) -> None:
    call(iter(kit.index))


@recipe("iter(HIndex).__next__")
def _(call: Call, kit: Kit) -> None:
    walk = iter(kit.index)
    for _ in range(KEYS):
        call(walk)
    raises(StopIteration, call, walk)
    raises(StopIteration, call, walk)


@recipe("HIndex.decode().__len__")
def _(call: Call, kit: Kit) -> None:
    call(kit.subject)


@recipe("HIndex.decode().__init__")
def _(call: Call, kit: Kit) -> None:
    codec = kit.index._key_codec
    for index in (kit.index, kit.frozen_index):
        call(kit.subject, codec, index._labels(True), None)
        call(kit.subject, codec, index._labels(True), np.arange(KEYS) > 2)


@recipe("HIndex.decode().__arrow_c_array__")
def _(call: Call, kit: Kit) -> None:
    """Capsules that nobody takes, and those that a consumer takes, also after the index and the array are gone."""
    call(kit.subject)
    for index in (kit.index, kit.frozen_index):
        call(index.labels("arrow"))
        call(index.decode([0, -1, 1], to="arrow", missing=None))
    if pyarrow:
        pyarrow.array(kit.subject)
        made = HIndex(kit.key_type, kit.keys).labels("arrow")
        column = pyarrow.array(made)
        del made
        column.validate(full=True)


@recipe(*of_indexes("__eq__"))
def _(call: Call, kit: Kit) -> None:
    same = dict(zip(kit.keys, range(KEYS), strict=True))
    for other in (kit.index, kit.index.copy(), kit.frozen_index, kit.other_index, same, kit.other, 7):
        call(kit.own, other)


@recipe("HIndex.merge")
def _(call: Call, kit: Kit) -> None:
    call(kit.index, kit.index)
    call(kit.index, kit.frozen_index)
    call(HIndex(kit.key_type, kit.keys[:3]), kit.other_index)
    raises(TypeError, call, kit.index, kit.keys)
    raises(TypeError, call, kit.index, HIndex(bytes, [b"a"]))


@recipe("HIndex.freeze")
def _(call: Call, kit: Kit) -> None:
    call(kit.index)
    call(kit.index, seed=1, threads=2, progress=float)
    raises(LookupError, call, kit.index, progress=stop)
    raises(ValueError, call, kit.index, threads=0)


@recipe(*of_indexes("copy"))
def _(call: Call, kit: Kit) -> None:
    call(kit.own)
    copy.copy(kit.own)
    copy.deepcopy(kit.own)


@recipe("FrozenIndex.__deepcopy__")
def _(call: Call, kit: Kit) -> None:
    call(kit.own, {})


@recipe(*of_indexes("__reduce__"))
def _(call: Call, kit: Kit) -> None:
    call(kit.own)
    for protocol in (2, 5):
        pickle.loads(pickle.dumps(kit.own, protocol))
    buffers: list[pickle.PickleBuffer] = []
    whole = pickle.dumps(kit.own, 5, buffer_callback=buffers.append)
    pickle.loads(whole, buffers=buffers)


@recipe("FrozenIndex.__hash__")
def _(call: Call, kit: Kit) -> None:
    """The first call looks at the keys; later ones remember."""
    made = kit.frozen_index.__reduce__()
    fresh = made[0](*made[1])
    call(fresh)
    call(fresh)


# --- files ---


def mapped(kit: Kit) -> FrozenIndex:
    """The index in a file, opened."""
    kit.frozen_index.save(PATH)
    return pyhmap.open(PATH)


@recipe(*of_indexes("save"))
def _(call: Call, kit: Kit) -> None:
    call(kit.own, PATH)
    call(kit.own, PATH, progress=lambda part: None)
    raises(LookupError, call, kit.own, PATH, progress=stop)
    raises(OSError, call, kit.own, os.path.join(FOLDER.name, "missing", "f"))
    for verify in ("header", "structure", "lazy", "full"):
        opened = pyhmap.open(PATH, verify=verify)
        opened.decode(opened.encode(kit.keys))
    opened.labels("arrow")  # and not closed


@recipe("FrozenIndex.close")
def _(call: Call, kit: Kit) -> None:
    f = mapped(kit)
    call(f)
    call(f)


@recipe("FrozenIndex.__exit__")
def _(call: Call, kit: Kit) -> None:
    call(mapped(kit), None, None, None)
