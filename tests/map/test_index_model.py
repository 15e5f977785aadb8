"""An id map beside a dict and a list, for every key type: keys get codes, and come back."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import pyhmap
from kinds import KINDS
from pyhmap import FrozenIndex, HIndex
from reads_frozen import FOLDER

TYPED = {name: kind for name, kind in KINDS.items() if name != "object"}
NAN = float("nan")


def one_nan(key):
    """A dict finds NaN by identity only, so the model has one NaN object."""
    return NAN if key != key else key


def same_keys(keys, others):
    """Two arrays, in which a NaN equals a NaN."""
    return all(a == b or (a != a and b != b) for a, b in zip(keys, others, strict=True))


def saved(index):
    path = f"{FOLDER.name}/index-{id(index)}.pyhmap"
    index.save(path)
    return pyhmap.open(path, verify="full")


FROZEN = {
    "in memory": lambda index: index.freeze(),
    "unpickled": lambda index: pickle.loads(pickle.dumps(index.freeze())),
    "in a file": saved,
}
COPIES = {
    "copied": copy.copy,
    "unpickled": lambda index: pickle.loads(pickle.dumps(index)),
    "of labels": lambda index: HIndex(index.key_dtype, index.labels()),
    "of an index": HIndex,
    "thawed": lambda index: HIndex(index.freeze()),
}


class Ids(RuleBasedStateMachine):
    """`codes` and `keys` say what the index must hold."""

    kind = None

    @initialize(seed=st.integers(0, 2**64))
    def begin(self, seed):
        self.index = HIndex(self.kind.spec, seed=seed)
        self.codes, self.keys = {}, []

    def drawn(self, data, **sizes):
        numbered = st.integers(0, min(self.kind.count, 300) - 1).map(self.kind.make)
        one = st.one_of(numbered, numbered, st.sampled_from(self.kind.edge), self.kind.any).map(one_nan)
        return data.draw(st.lists(one, max_size=60, **sizes))

    def code_of_new(self, key):
        if key not in self.codes:
            self.codes[key] = len(self.keys)
            self.keys.append(key)
        return self.codes[key]

    @rule(data=st.data(), as_list=st.booleans())
    def encode(self, data, as_list):
        keys = self.drawn(data)
        codes = self.index.encode(keys if as_list else self.kind.array(keys))
        assert codes.dtype == np.int64
        assert codes.tolist() == [self.code_of_new(key) for key in keys]

    @rule(first=st.integers(0, 1000), n=st.integers(0, 700))
    def encode_a_range(self, first, n):
        """Enough keys for several growths in one batch."""
        keys = [one_nan(self.kind.make(i)) for i in range(first, min(first + n, self.kind.count))]
        assert self.index.encode(self.kind.array(keys)).tolist() == [self.code_of_new(key) for key in keys]

    @rule(data=st.data(), frozen=st.sampled_from([None, *FROZEN]))
    def read(self, data, frozen):
        index = self.index if frozen is None else FROZEN[frozen](self.index)
        keys = self.drawn(data)
        assert index.encode(self.kind.array(keys), add=False).tolist() == [self.codes.get(key, -1) for key in keys]
        for key in keys[:5]:
            assert (key in index) == (key in self.codes)
            assert index.get(key, "none") == self.codes.get(key, "none")
        codes = data.draw(st.lists(st.integers(0, len(self.keys) - 1), max_size=60)) if self.keys else []
        expected = [self.keys[code] for code in codes]
        assert same_keys(index.decode(codes), self.kind.array(expected))
        assert [one_nan(index.key(code)) for code in codes[:5]] == expected[:5]
        self.same(index)

    @rule(way=st.sampled_from([*COPIES]))
    def go_on_with_a_copy(self, way):
        self.index = COPIES[way](self.index)

    @rule(data=st.data(), frozen=st.booleans())
    def merge(self, data, frozen):
        keys = list(dict.fromkeys(self.drawn(data)))
        other = HIndex(self.kind.spec, keys)
        assert self.index.merge(other.freeze() if frozen else other).tolist() == [self.code_of_new(k) for k in keys]

    def same(self, index):
        assert len(index) == len(self.keys)
        assert [one_nan(key) for key in index] == self.keys
        labels = index.labels()
        assert labels.dtype == (object if index.key_dtype in (str, bytes) else index.key_dtype)
        assert same_keys(labels, self.kind.array(self.keys))
        index.check()

    @invariant()
    def holds_what_it_must(self):
        self.same(self.index)


@pytest.mark.parametrize("kind", TYPED.values(), ids=TYPED)
def test_an_index_answers_as_a_dict_and_a_list(kind):
    machine = type("IdsOfAKind", (Ids,), {"kind": kind}).TestCase
    machine.settings = settings(stateful_step_count=12, max_examples=min(25, settings().max_examples), deadline=None)
    machine("runTest").runTest()


def test_the_classes():
    assert type(HIndex("i8").freeze()) is FrozenIndex
