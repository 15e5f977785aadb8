"""Long texts in the map: which bytes the arena keeps, and which it releases."""

import random
from itertools import pairwise

import numpy as np
import pytest

from pyhmap import HMap
from support import items_of


def arena(m):
    """The bytes of the arena's blocks, and how many of them are in use."""
    texts = m._state().texts
    return sum(len(block) for block in texts.blocks), texts.live


@pytest.mark.parametrize(
    "churn", ["overwrite", "overwrite in batches", "delete and insert", "pop and insert in batches"]
)
def test_the_arena_stays_bounded_under_churn(churn):
    """200 texts of 1,000 bytes each are replaced 200 times: 40 MB in all, of which 200 kB are in use at any time.

    Blocks double, and the live texts move once more is dead than alive, so four times the live bytes are enough.
    """
    m = HMap(np.int64, str)
    for round_ in range(200):
        texts = [f"{round_:05}{i:05}" * 100 for i in range(200)]
        if churn == "overwrite":
            m.update(enumerate(texts))
        elif churn == "overwrite in batches":
            m.set_many(range(200), texts)
        elif churn == "delete and insert":
            for i, text in enumerate(texts):
                m.pop(i, None)
                m[i] = text
        else:
            m.pop_many(range(200), "")
            m.set_many(range(200), texts)
        size, live = arena(m)
        assert live == 200_000
        assert size <= 4 * live + 2**17
    assert items_of(m) == dict(enumerate(texts))
    m.check()


def test_the_arena_stays_bounded_when_keys_come_and_go():
    m, model = HMap(str, bytes), {}
    rng = random.Random(3)
    for i in range(20_000):
        key = f"{rng.randrange(400):04}" * rng.choice([1, 2, 4, 30])
        if rng.random() < 0.5:
            m[key] = model[key] = b"%d" % i * rng.choice([1, 5, 50])
        else:
            assert m.pop(key, None) == model.pop(key, None)
        if i % 1000 == 0:
            m.check()
            assert items_of(m) == model
    expected = sum(len(text) for pair in model.items() for text in pair if len(text) > 12)
    size, live = arena(m)
    assert live == expected
    assert size <= 4 * live + 2**18


def test_an_emptied_and_a_cleared_map_start_anew(hmap_type):
    m = hmap_type(str, str, ((str(i) * 20, str(i) * 30) for i in range(300)))
    while m:
        m.popitem()
    m.check()
    assert arena(m)[1] == 0
    m.update((str(i) * 20, "x" * i) for i in range(100))
    m.clear()
    assert arena(m) == (0, 0)
    m["k" * 40] = "v" * 40
    assert items_of(m) == {"k" * 40: "v" * 40}
    m.check()


@pytest.mark.parametrize("size", [0, 1, 11, 12, 13, 14, 255, 65_535, 65_536, 65_537, 1 << 20])
def test_texts_of_every_size(hmap_type, size):
    """12 bytes fit in a slot, 2^16 into the first block of the arena."""
    keys = ["k" * size, "l" * size] if size else [""]
    m = hmap_type(str, bytes, hash="xxh64")  # check() has only slow SipHash
    for i, key in enumerate(keys):
        m[key] = b"%d" % i * size
    for i, key in enumerate(keys):
        assert m[key] == b"%d" % i * size
    m.set_many(keys, [b"v" * size] * len(keys))
    assert m.get_many(keys).tolist() == [b"v" * size] * len(keys)
    assert ("k" * size + "\0") not in m
    assert items_of(m) == dict.fromkeys(keys, b"v" * size)
    m.check()


def test_texts_that_differ_in_one_place_only(hmap_type):
    """At every border of the layout: the length, the first four bytes, the rest of the slot, the arena."""
    for size in (1, 4, 5, 11, 12, 13, 14, 40):
        texts = {bytes(size), bytes(size + 1), *(bytes(i) + b"x" + bytes(size - i - 1) for i in range(size))}
        m = hmap_type(bytes, np.int64, ((text, i) for i, text in enumerate(sorted(texts))))
        assert m.get_many(sorted(texts)).tolist() == list(range(len(texts)))
        assert len(m) == len(texts) == size + 2
        m.check()


def test_an_answer_outlives_the_text_in_the_map():
    """A text is returned as an object of its own: later changes of the map's bytes do not affect it."""
    m = HMap(np.int64, str, ((i, str(i) * 50) for i in range(500)))
    values, keys = m.values_array(), m.keys_array()
    popped = m.pop_many(range(250))
    m.set_many(range(500), "new" * 50)
    m.clear()
    assert popped.tolist() == [str(i) * 50 for i in range(250)]
    assert dict(zip(keys.tolist(), values.tolist(), strict=True)) == {i: str(i) * 50 for i in range(500)}


def test_a_callers_string_is_not_kept():
    """The bytes are copied, and the user's object keeps no UTF-8 copy."""
    key = "ключ" * 20
    before = key.__sizeof__()
    m = HMap(str, np.int64, {key: 1})
    assert m[key] == m.get_many([key])[0] == 1
    assert key.__sizeof__() == before


def test_texts_move_to_a_new_arena_in_the_middle_of_a_growth():
    """Overwriting one long value leaves dead bytes, until the live texts move; keys of both arrays have long values."""
    items = {f"key {i}": f"a value of more than 12 bytes: {i}" for i in range((13 << 8) + 1)}
    m = HMap(str, str, items)
    assert m.header().oldbuckets == 512
    dead = []
    for i in range(60):
        m["key 0"] = items["key 0"] = f"{i:03}" * 20_000
        dead.append(m._state().texts.dead)
    assert m.header().oldbuckets == 512
    assert max(dead) > 100_000
    assert any(later < earlier for earlier, later in pairwise(dead))
    assert dict(m) == items
    m.check()
