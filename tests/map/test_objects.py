"""Object keys and values: user code that runs during a call, and the release of objects.

Where that code changes the map, the expected results are those of `dict`.
"""

import gc
import weakref

import numpy as np
import pytest

from pyhmap import HMap
from support import refused


class World:
    """Counts the calls of its keys' ``__hash__`` and ``__eq__``, and runs an action at one of them."""

    def __init__(self):
        self.hashes = self.comparisons = 0
        self.at_hash = self.at_comparison = 0
        self.action = None

    def asked(self, now, at):
        if now == at:
            self.action()


class Key:
    """Equal to other keys of its name. Keys of one number have one hash."""

    def __init__(self, world, name, number=1):
        self.world, self.name, self.number = world, name, number

    def __hash__(self):
        self.world.hashes += 1
        self.world.asked(self.world.hashes, self.world.at_hash)
        return self.number

    def __eq__(self, other):
        self.world.comparisons += 1
        self.world.asked(self.world.comparisons, self.world.at_comparison)
        return isinstance(other, Key) and self.name == other.name

    def __repr__(self):
        return f"Key({self.name})"


CALLS = {
    "get": lambda m, key: m.get(key),
    "[]": lambda m, key: m[key],
    "in": lambda m, key: key in m,
    "set": lambda m, key: m.__setitem__(key, "set"),
    "del": lambda m, key: m.__delitem__(key),
    "pop": lambda m, key: m.pop(key, "absent"),
    "setdefault": lambda m, key: m.setdefault(key, "default"),
    "update": lambda m, key: m.update([(key, "update")]),
}
BATCHES = {
    "get_many": lambda m, key: m.get_many([key, key], "absent").tolist(),
    "set_many": lambda m, key: m.set_many([key, key], ["first", "second"]),
    "pop_many": lambda m, key: m.pop_many([key], "absent").tolist(),
    "factorize": lambda m, key: m.discard_many([key, key]),
}
CHANGES = {
    "insert until it grows": lambda m, world, names: m.update((Key(world, f"{i}", 100 + i), i) for i in range(200)),
    "insert among the compared": lambda m, world, names: m.__setitem__(Key(world, "new"), "new"),
    "overwrite": lambda m, world, names: m.update((Key(world, name), "overwritten") for name in names),
    "delete all but one": lambda m, world, names: [m.pop(Key(world, name), None) for name in names[1:]],
    "delete the one that is sought": lambda m, world, names: m.pop(Key(world, names[3]), None),
    "clear": lambda m, world, names: m.clear(),
    "clear and refill": lambda m, world, names: (m.clear(), m.update((Key(world, n), "again") for n in names[::-1])),
}


def story(m, call, sought, change, *, at_hash=0, at_comparison=0):
    """The result of a call and the map's content after it, if a key's ``__eq__`` changes the map."""
    world, names = World(), ["a", "b", "c", "d", "e"]
    for name in names:
        m[Key(world, name)] = name.upper()
    key = Key(world, sought)
    world.hashes = world.comparisons = 0
    world.at_hash, world.at_comparison = at_hash, at_comparison
    world.action = lambda: change(m, world, names)
    try:
        result = call(m, key)
    except (KeyError, ZeroDivisionError) as error:
        result = type(error)
    world.at_hash = world.at_comparison = 0
    return result, {key.name: value for key, value in m.items()}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("sought", ["d", "absent"])
def test_an_eq_that_changes_the_map(hmap_type, call, change, sought):
    for at in range(1, 7):
        m = hmap_type(object, object)
        assert story(m, call, sought, change, at_comparison=at) == story({}, call, sought, change, at_comparison=at)
        m.check()


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("sought", ["d", "absent"])
def test_a_hash_that_changes_the_map(hmap_type, call, change, sought):
    m = hmap_type(object, object)
    assert story(m, call, sought, change, at_hash=1) == story({}, call, sought, change, at_hash=1)
    m.check()


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("call", BATCHES.values(), ids=BATCHES)
def test_batch_calls_with_an_eq_that_changes_the_map(hmap_type, call, change):
    """The result depends on the moment. The map stays consistent and holds each key once."""
    for at in range(1, 9):
        m = hmap_type(object, object)
        story(m, call, "d", change, at_comparison=at)
        m.check()
        assert len({key.name for key in m}) == len(m)


@pytest.mark.release_only
@pytest.mark.parametrize("call", [*CALLS.values(), *BATCHES.values()], ids=[*CALLS, *BATCHES])
@pytest.mark.parametrize("sought", ["d", "absent"])
def test_a_question_that_raises_changes_nothing(hmap_type, call, sought):
    for where in ("at_hash", "at_comparison"):
        raised = 0
        for at in range(1, 15):
            m = hmap_type(object, object)
            result, items = story(m, call, sought, lambda *_: 1 / 0, **{where: at})
            m.check()
            if result is ZeroDivisionError:
                raised += 1
                if call in BATCHES.values():  # key by key: earlier keys stay changed
                    items.pop("absent", None)
                    items["d"] = "D"
                assert items == {name: name.upper() for name in "abcde"}
        assert raised


@pytest.mark.release_only
@pytest.mark.parametrize("call", [CALLS[name] for name in CALLS if name != "update"])
@pytest.mark.parametrize("sought", ["d", "absent"])
@pytest.mark.parametrize("others", [5, 13])
def test_hash_is_asked_once_and_eq_at_most_once_a_candidate(hmap_type, call, sought, others):
    """Also where the call begins a growth, as the fourteenth key does."""
    world = World()
    m = hmap_type(object, object, {Key(world, name): name for name in "abcdefghijklm"[:others]})
    key = Key(world, sought)
    world.hashes = world.comparisons = 0
    try:
        call(m, key)
    except KeyError:
        assert sought == "absent"
    assert world.hashes == 1
    assert world.comparisons == (4 if sought == "d" else others)


@pytest.mark.release_only
@pytest.mark.parametrize("call", BATCHES.values(), ids=BATCHES)
def test_a_batch_asks_each_key_for_its_hash_once(call):
    world = World()
    m = HMap(object, object, {Key(world, name): name for name in "abcde"})
    world.hashes = 0
    call(m, Key(world, "d"))
    assert world.hashes == (1 if call is BATCHES["pop_many"] else 2)


WRITES = {
    "set_many": lambda m, keys: m.set_many(keys, 1),
    "setdefault_many": lambda m, keys: m.setdefault_many(keys, 1),
    "add_many": lambda m, keys: m.add_many(keys, 1),
    "factorize": lambda m, keys: m.factorize(keys),
    "pop_many": lambda m, keys: m.pop_many(keys, 0),
    "discard_many": lambda m, keys: m.discard_many(keys),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_every_key_of_a_batch_is_hashed_before_anything_is_written(hmap_type, write):
    m = hmap_type(object, np.int64, {"a": 5})
    with refused(m, TypeError, r"keys\[2\]: unhashable type: 'list'"):
        write(m, ["new", "a", []])


@pytest.mark.parametrize("value", [object, np.int64])
def test_a_pop_many_that_fails_gives_the_very_keys_back(hmap_type, value):
    """If a key is missing, and if an ``__eq__`` raises in the middle."""
    world = World()
    m = hmap_type(object, value)
    keys = [Key(world, str(i), i) for i in range(20)]
    m.set_many(keys, range(20) if value is np.int64 else list(range(20)))
    equal = [Key(world, str(i), i) for i in range(20)]
    with pytest.raises(KeyError, match="at position 20 is not in the map"):
        m.pop_many([*equal, Key(world, "20", 20)])
    assert {id(key): value for key, value in m.items()} == {id(key): i for i, key in enumerate(keys)}
    world.at_comparison, world.action = world.comparisons + 12, lambda: 1 / 0
    with pytest.raises(ZeroDivisionError):
        m.pop_many(equal, 0)
    world.at_comparison = 0
    assert {id(key): value for key, value in m.items()} == {id(key): i for i, key in enumerate(keys)}
    m.check()


def test_an_eq_that_numbers_another_key(hmap_type):
    """All keys get codes of their own."""
    for at in range(1, 4):
        m, world = hmap_type(object, np.int64), World()
        m.factorize([Key(world, name) for name in "abc"])
        inner = []
        world.at_comparison = world.comparisons + at
        world.action = lambda m=m, inner=inner: inner.append(m.factorize(["other", "another"]).tolist())
        codes = m.factorize([Key(world, "d"), Key(world, "e"), Key(world, "a")]).tolist()
        assert codes[2] == 0
        assert sorted([*codes[:2], *inner[0]]) == [3, 4, 5, 6]
        assert sorted(m.values()) == list(range(7))
        m.check()


def test_an_eq_that_clears_the_map_while_keys_are_numbered(hmap_type):
    """No two keys of the batch get one code."""
    m, world = hmap_type(object, np.int64), World()
    m.factorize([Key(world, "a"), Key(world, "b")])
    world.at_comparison, world.action = world.comparisons + 4, m.clear
    codes = m.factorize([Key(world, name) for name in "cdef"]).tolist()
    assert len(set(codes)) == 4
    m.check()


class Sum:
    """A number whose first addition runs an action."""

    def __init__(self, n, action=None):
        self.n, self.action = n, action

    def __add__(self, other):
        action, self.action = self.action, None
        if action is not None:
            action()
        return Sum(self.n + other.n)


@pytest.mark.parametrize("key_type", [object, str])
def test_a_sum_that_changes_its_own_value(hmap_type, key_type):
    """No write is lost: what the first addition adds to the map counts; what it removes from the map does not."""
    m = hmap_type(key_type, object)
    m["a"] = Sum(1, lambda: m.add_many(["a"], [Sum(10)]))
    m.add_many(["a"], [Sum(100)])
    assert m["a"].n == 111
    m["a"] = Sum(1, lambda: m.pop("a"))
    m.add_many(["a"], [Sum(100)])
    assert m["a"].n == 100
    m.check()


def test_other_hashes_are_not_compared_and_identity_comes_first(hmap_type):
    world = World()
    keys = [Key(world, "same", number) for number in range(500)]
    m = hmap_type(object, np.int64, zip(keys, range(500), strict=True))
    world.comparisons = 0
    assert [m[key] for key in keys] == list(range(500))
    assert world.comparisons == 0


class TestEquality:
    """Which objects are one key: those that dict takes for one."""

    def test_one_true_and_one_point_zero_are_one_key(self, hmap_type):
        m = hmap_type(object, object, {1: "int"})
        m[True] = "bool"
        m[np.int8(1)] = "int8"
        m[1.0] = "float"
        assert list(m.items()) == [(1, "float")]
        assert type(next(iter(m))) is int
        m.set_many([True, 2.0], ["bool", "two"])
        assert dict(m.items()) == {1: "bool", 2: "two"}

    def test_a_nan_is_equal_to_itself_only(self, hmap_type):
        one, other = float("nan"), float("nan")
        m = hmap_type(object, np.int64, {one: 1})
        assert m[one] == 1
        assert other not in m
        assert m.contains_many([one, other]).tolist() == [True, False]
        m[other] = 2
        assert m.get_many([other, one, "x"], 0).tolist() == [2, 1, 0]

    def test_batch_calls_keep_the_very_objects(self, hmap_type):
        key, value = 10**15, [1.5]
        m = hmap_type(object, object)
        m.set_many([key], [value])
        assert next(iter(m)) is key
        assert m[key] is m.get_many([key])[0] is m.values_array()[0] is value

    @pytest.mark.parametrize("key", [[], {}, set(), bytearray(), ([],), np.arange(3)])
    def test_unhashable_keys(self, hmap_type, key):
        for items in ({}, {1: 1}):
            m = hmap_type(object, np.int64, items)
            for call in CALLS.values():
                with refused(m, TypeError, "unhashable"):
                    call(m, key)
            for call in (m.contains_many, m.factorize, m.discard_many, m.get_many):
                with refused(m, TypeError, "unhashable"):
                    call([key])

    def test_int_hashes_at_the_ends(self, hmap_type):
        """hash(-1) is -2, as that of -2 is; ints beyond 64 bits fold onto small ones."""
        keys = [-1, -2, 2**61 - 1, 0, 2**61, 1, 2**200, -(2**63)]
        m = hmap_type(object, np.int64, zip(keys, range(8), strict=True))
        assert [m[key] for key in keys] == m.get_many(keys).tolist() == list(range(8))
        assert len({hash(key) for key in keys}) < 8
        m.check()


# ---- release ---------------------------------------------------------------------------------------------------------


class Thing:
    """An object that can be watched, and that runs an action when it dies."""

    def __init__(self, action=None):
        self.action = action

    def __del__(self):
        if self.action is not None:
            self.action()


LEAVE = {
    "del": lambda m, key: m.__delitem__(key),
    "pop": lambda m, key: m.pop(key) and None,
    "popitem": lambda m, key: m.popitem() and None,
    "clear": lambda m, key: m.clear(),
    "overwrite": lambda m, key: m.__setitem__(key, None),
    "update": lambda m, key: m.update([(key, None)]),
    "set_many": lambda m, key: m.set_many([key], [None]),
    "pop_many": lambda m, key: m.pop_many([key]) is None,
    "discard_many": lambda m, key: m.discard_many([key]),
}


@pytest.mark.parametrize("leave", LEAVE.values(), ids=LEAVE)
@pytest.mark.parametrize("key_type", [object, np.int64, str])
def test_a_value_goes_when_it_leaves_the_map(hmap_type, leave, key_type):
    thing = Thing()
    watch = weakref.ref(thing)
    key = "1" if key_type is str else 1
    m = hmap_type(key_type, object, {key: thing})
    del thing
    assert m[key] is watch()
    leave(m, key)
    assert watch() is None
    m.check()


@pytest.mark.parametrize("leave", [LEAVE[name] for name in ("del", "pop", "popitem", "clear", "discard_many")])
def test_a_key_goes_when_it_leaves_the_map(hmap_type, leave):
    thing = Thing()
    watch = weakref.ref(thing)
    m = hmap_type(object, np.int64, {thing: 1})
    del thing
    leave(m, watch())
    assert watch() is None
    m.check()


def test_a_key_that_is_there_stays_and_the_callers_goes(hmap_type):
    world = World()
    m = hmap_type(object, np.int64, {Key(world, "a"): 1})
    kept, other = next(iter(m)), Key(world, "a")
    watch = weakref.ref(other)
    m[other] = 2
    m.setdefault(other, 3)
    m.set_many([other], 4)
    assert next(iter(m)) is kept
    del other
    assert watch() is None


def test_nothing_is_kept_through_growth_and_churn(hmap_type):
    m = hmap_type(object, object)
    watches = {}
    for i in range(1500):
        key, value = Thing(), Thing()
        watches[i] = weakref.ref(key), weakref.ref(value)
        m[key] = value
        del key, value
        if i >= 300:
            m.pop(watches[i - 300][0]())
            assert [watch() for watch in watches.pop(i - 300)] == [None, None]
    assert m.stats().growths > 3
    del m
    gc.collect()
    assert all(watch() is None for pair in watches.values() for watch in pair)


REENTRANT = {
    "set": lambda m: m.__setitem__("reentrant", 1),
    "grow": lambda m: m.update((f"reentrant {i}", i) for i in range(100)),
    "delete": lambda m: m.pop("b", None),
    "clear": lambda m: m.clear(),
    "iterate": lambda m: list(m.items()),
}


@pytest.mark.parametrize("action", REENTRANT.values(), ids=REENTRANT)
@pytest.mark.parametrize("leave", LEAVE.values(), ids=LEAVE)
@pytest.mark.parametrize(
    ("key_type", "as_key"), [(object, False), (object, True), (str, False)], ids=["value", "key", "value of a str"]
)
def test_a_finaliser_that_uses_the_map(hmap_type, leave, action, key_type, as_key):
    """It runs after the call has done its work. An error in it fails the test, as an unraisable exception."""
    m = hmap_type(key_type, object)
    seen = []

    def finalise():
        m.check()
        seen.append(len(list(m)) == len(m))
        action(m)
        m.check()

    thing = Thing(finalise)
    m[thing if as_key else "key"] = thing
    m["b"], m["c"] = 2, 3
    key = thing if as_key else "key"
    del thing
    try:
        leave(m, key)
    finally:
        del key
    m.clear()
    assert seen == [True]
    m.check()


def test_weakref_callbacks_that_use_the_map(hmap_type):
    m = hmap_type(object, object)
    world = Thing()
    m["cache"] = weakref.ref(world, lambda _: m.clear())
    m.update((i, i) for i in range(50))
    del world
    assert len(m) == 0
    m.check()


@pytest.mark.parametrize(
    "tie",
    [
        lambda m: m.__setitem__("self", m),
        lambda m: m.__setitem__("list", [m]),
        lambda m: m.__setitem__("iterator", iter(m)),
        lambda m: m.__setitem__("view", m.items()),
        lambda m: m.__setitem__(Thing(lambda m=m: None), 1),
        lambda m: m.set_many(["method"], [m.get]),
    ],
    ids=["value", "in a list", "iterator", "view", "key", "method"],
)
def test_a_map_in_a_cycle_is_collected(hmap_type, tie):
    watches = []
    for size in (0, 500):
        m = hmap_type(object, object, ((i, i) for i in range(size)))
        tie(m)
        watches.append(weakref.ref(m))
        del m
    gc.collect()
    assert [watch() for watch in watches] == [None, None]


def test_object_values_of_a_map_of_ints_are_collected_too(hmap_type):
    m = hmap_type(np.int64, object)
    m[1] = [m]
    watch = weakref.ref(m)
    del m
    gc.collect()
    assert watch() is None


def test_keys_that_change_the_map_whenever_they_are_compared():
    """No search can end: it is an error after many attempts, and the map stays usable."""
    m = HMap(object, np.int64)

    class Restless:
        def __hash__(self):
            return 5

        def __eq__(self, other):
            m[object()] = 0
            return False

    m[Restless()] = 1
    with pytest.raises(RuntimeError, match="changes the map each time: its __eq__ must not"):
        m.get(Restless())
    assert len(m) == 1001
    m.check()
