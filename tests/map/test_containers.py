"""Each container with each type of map in each call: the right result or an error.

`tests/containers.py` has the containers, `tests/held_exactly.py` what a type holds, `tests/container_cases.py` what
follows from both. The right result is that of a `dict` which is given the items one by one; for a map of object, the
items that the container's own library makes. Each test has one container and one type; its report names the call.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from container_cases import NULL, Refusal, built, cases
from containers import ANY, CONTAINERS, HasArray, Items, samples
from containers_page import PAGE, current
from held_exactly import KEY_TYPES, NAN, NAT, RECORD, VALUE_TYPES, canonical, held
from pyhmap import HIndex, HMap, HSet

pytestmark = pytest.mark.slow  # every container with every type and call


def null_at(what: str, position: int) -> Refusal:
    return Refusal(ValueError, rf"{what}\[{position}\] is null: fill or drop nulls")


class Cell:
    """Runs calls and collects what differs, so that a report names every call of a cell, each with one example."""

    def __init__(self) -> None:
        self.failures: dict[str, list[str]] = {}
        self.where = ""

    def expect(self, what: str, call: Callable[[], Any], expected: Any) -> None:
        try:
            result = call()
        except Exception as error:
            fits = isinstance(expected, Refusal) and isinstance(error, expected.error)
            if fits and re.search(expected.match, str(error)):
                return
            result = f"{type(error).__name__}: {error}"
        else:
            if not isinstance(expected, Refusal) and same(result, expected):
                return
        found = f"{what}, {self.where}: expected {expected!r}, got {result!r}"
        self.failures.setdefault(what, []).append(found)

    def report(self) -> None:
        if self.failures:
            lines = [f"{found[0]} (and {len(found) - 1} others)" for found in self.failures.values()]
            pytest.fail("\n".join(lines), pytrace=False)


def same(result: Any, expected: Any) -> bool:
    try:
        return bool(result == expected)
    except Exception:  # of an object that compares with nothing
        return False


# ---- keys ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Batch:
    """One container as the keys of a map: how to build it, its keys as a dict has them, and the type of the map."""

    spec: Any
    build: Callable[[], Any]
    keys: Items
    map_type: Any

    def new_map(self, items: dict[Any, int]) -> Any:
        m = self.map_type(self.spec, np.int64)
        for key, value in items.items():
            m[plain(self.spec, key)] = value
        return m

    def new_set(self, keys: Any) -> Any:
        return HSet(self.spec, [plain(self.spec, key) for key in keys])

    def contents(self, m: Any) -> dict[Any, int]:
        return {canonical(self.spec, key): value for key, value in m.items()}

    def members(self, s: Any) -> set[Any]:
        return {canonical(self.spec, key) for key in s}


def plain(spec: Any, key: Any) -> Any:
    """The key as an item that a map takes, from the form that a dict compares."""
    if spec is object:
        return key
    dtype = np.dtype(spec)
    if dtype.names:
        return tuple(plain(dtype[name], part) for name, part in zip(dtype.names, key, strict=True))
    if dtype.kind in "mM":
        unit = np.datetime_data(dtype)[0]
        return dtype.type("NaT" if key == NAT else key, unit)
    return float("nan") if dtype.kind == "f" and key == NAN else key


def reads(cell: Cell, b: Batch) -> None:
    """The calls that read, of a map that has every second key."""
    distinct = list(dict.fromkeys(key for key in b.keys if key is not NULL))
    codes = {key: i * 10 for i, key in enumerate(distinct)}
    d = {key: codes[key] for key in distinct[::2]}
    m, n = b.new_map(d), len(b.keys)
    values = [d.get(key, -1) for key in b.keys]
    found = [key in d for key in b.keys]
    cell.expect("get_many, default=-1", lambda: m.get_many(b.build(), default=-1).tolist(), values)
    cell.expect(
        "get_many, default=array",
        lambda: m.get_many(b.build(), default=np.arange(-n, 0)).tolist(),
        [d.get(key, i - n) for i, key in enumerate(b.keys)],
    )
    cell.expect(
        "lookup_many",
        lambda: [array.tolist() for array in m.lookup_many(b.build())],
        [[d.get(key, 0) for key in b.keys], found],
    )
    cell.expect("contains_many", lambda: m.contains_many(b.build()).tolist(), found)
    full = b.new_map(codes)
    if NULL in b.keys:
        cell.expect("get_many", lambda: full.get_many(b.build()).tolist(), null_at("keys", b.keys.index(NULL)))
        return
    cell.expect("get_many", lambda: full.get_many(b.build()).tolist(), [codes[key] for key in b.keys])
    if not all(found):
        missing = Refusal(KeyError, rf"at position {found.index(False)} ")
        cell.expect("get_many of missing keys", lambda: m.get_many(b.build()), missing)


def writes(cell: Cell, b: Batch) -> None:
    """The calls that write: what they return, and the map after them. A null is an error, and nothing is stored."""
    keys, n = b.keys, len(b.keys)
    distinct = list(dict.fromkeys(key for key in keys if key is not NULL))
    d = {key: i * 10 for i, key in enumerate(distinct) if i % 2 == 0}
    refusal = null_at("keys", keys.index(NULL)) if NULL in keys else None

    def write(what: str, call: Callable[[Any], Any], result: Any, after: dict[Any, int]) -> None:
        m = b.new_map(d)
        cell.expect(what, lambda: call(m), refusal or result)
        cell.expect(f"the map after {what}", lambda: b.contents(m), d if refusal else after)

    each = dict(zip(keys, range(n), strict=True))
    first: dict[Any, int] = {}
    for key, value in each.items() if len(each) == n else zip(keys, range(n), strict=True):
        first.setdefault(key, value)
    counts = dict(d)
    for key in keys:
        counts[key] = counts.get(key, 0) + 1
    popped, rest = [], dict(d)
    for position, key in enumerate(keys):
        popped.append(rest.pop(key, position - n))
    write("set_many", lambda m: m.set_many(b.build(), np.arange(n)), None, {**d, **each})
    write("setdefault_many", lambda m: m.setdefault_many(b.build(), np.arange(n)).tolist(),
          [{**first, **d}[key] for key in keys], {**first, **d})  # fmt: skip
    write("add_many", lambda m: m.add_many(b.build()), None, counts)
    write("pop_many, default=-1", lambda m: m.pop_many(b.build(), default=-1).tolist(),
          [max(value, -1) for value in popped], rest)  # fmt: skip
    write("pop_many, default=array", lambda m: m.pop_many(b.build(), default=np.arange(-n, 0)).tolist(), popped, rest)
    write("discard_many", lambda m: m.discard_many(b.build()), len(set(d) & set(keys)), rest)


def numbers_keys(cell: Cell, b: Batch) -> None:
    """factorize numbers new keys in the order of first occurrence; a null has the code -1."""
    numbers = {key: i for i, key in enumerate(dict.fromkeys(key for key in b.keys if key is not NULL))}
    m = b.new_map({})
    cell.expect("factorize", lambda: m.factorize(b.build()).tolist(), [numbers.get(key, -1) for key in b.keys])
    cell.expect("the map after factorize", lambda: b.contents(m), numbers)


def indexes(cell: Cell, b: Batch) -> None:
    """An index gives the codes of factorize, and knows the way back; where it only reads, a missing key is -1."""
    distinct = list(dict.fromkeys(key for key in b.keys if key is not NULL))
    codes = {key: i for i, key in enumerate(distinct)}
    ix = HIndex(b.spec)
    cell.expect("HIndex.encode", lambda: ix.encode(b.build()).tolist(), [codes.get(key, -1) for key in b.keys])
    cell.expect("the index after encode", lambda: [canonical(b.spec, key) for key in ix], distinct)
    part = HIndex(b.spec, [plain(b.spec, key) for key in distinct[::2]])
    known = [codes[key] // 2 if key in codes and codes[key] % 2 == 0 else -1 for key in b.keys]
    for each in (part, part.freeze()):
        what = f"{type(each).__name__}.encode, add=False"
        cell.expect(what, lambda each=each: each.encode(b.build(), add=False).tolist(), known)
    if len(distinct) == len(b.keys):
        cell.expect("HIndex(labels)", lambda: HIndex(b.spec, b.build()) == ix, True)


def sets(cell: Cell, b: Batch) -> None:
    items = set(b.keys) - {NULL}
    own = set(list(dict.fromkeys(key for key in b.keys if key is not NULL))[::2])
    if b.spec is not object and np.dtype(b.spec).kind in "iuf":
        own.add(11)  # a key that the container does not have
    refusal = null_at("keys", b.keys.index(NULL)) if NULL in b.keys else None

    def write(what: str, call: Callable[[Any], Any], result: Any, after: set[Any]) -> None:
        s = b.new_set(own)
        cell.expect(what, lambda: call(s), refusal or result)
        cell.expect(f"the set after {what}", lambda: b.members(s), own if refusal else after)

    def make(what: str, call: Callable[[Any], Any], result: set[Any], read_only: bool = False) -> None:
        cell.expect(what, lambda: b.members(call(b.new_set(own))), result if read_only else refusal or result)

    cell.expect(
        "HSet.contains_many", lambda: b.new_set(own).contains_many(b.build()).tolist(), [k in own for k in b.keys]
    )
    write("HSet.add_many", lambda s: s.add_many(b.build()), len(items - own), own | items)
    write("HSet.discard_many", lambda s: s.discard_many(b.build()), len(own & items), own - items)
    if isinstance(b.build(), tuple) and isinstance(b.build()[0], np.ndarray):
        return  # the methods that take any iterable see a collection of three arrays
    write("HSet.update", lambda s: s.update(b.build()), None, own | items)
    make("HSet(...)", lambda s: HSet(b.spec, b.build()), items)
    make("HSet.union", lambda s: s.union(b.build()), own | items)
    make("HSet.intersection", lambda s: s.intersection(b.build()), own & items, read_only=True)
    make("HSet.difference", lambda s: s.difference(b.build()), own - items, read_only=True)
    make("HSet.symmetric_difference", lambda s: s.symmetric_difference(b.build()), own ^ items)
    cell.expect("HSet.isdisjoint", lambda: b.new_set(own).isdisjoint(b.build()), own.isdisjoint(items))
    cell.expect("HSet.issubset", lambda: b.new_set(own).issubset(b.build()), own <= items)
    if NULL not in b.keys:
        cell.expect("HSet.issuperset", lambda: b.new_set(own).issuperset(b.build()), own >= items)


def refused_everywhere(cell: Cell, b: Batch, refusal: Refusal, every_call: bool) -> None:
    m, s = b.map_type(b.spec, np.int64), HSet(b.spec)
    cell.expect("contains_many", lambda: m.contains_many(b.build()), refusal)
    cell.expect("set_many", lambda: m.set_many(b.build(), 1), refusal)
    if every_call:
        for what, call in {
            "get_many, default=-1": lambda: m.get_many(b.build(), default=-1),
            "get_many": lambda: m.get_many(b.build()),
            "lookup_many": lambda: m.lookup_many(b.build()),
            "setdefault_many": lambda: m.setdefault_many(b.build(), 1),
            "add_many": lambda: m.add_many(b.build()),
            "pop_many": lambda: m.pop_many(b.build(), default=1),
            "discard_many": lambda: m.discard_many(b.build()),
            "factorize": lambda: m.factorize(b.build()),
        }.items():
            cell.expect(what, call, refusal)
    if every_call and b.map_type is HMap:
        cell.expect("HSet.add_many", lambda: s.add_many(b.build()), refusal)
        cell.expect("HSet.contains_many", lambda: s.contains_many(b.build()), refusal)
        cell.expect("HSet.discard_many", lambda: s.discard_many(b.build()), refusal)
        if b.spec is not object:
            ix = HIndex(b.spec)
            cell.expect("HIndex.encode", lambda: ix.encode(b.build()), refusal)
            cell.expect("HIndex.encode, add=False", lambda: ix.encode(b.build(), add=False), refusal)
            cell.expect("the index after both", lambda: len(ix), 0)
    cell.expect("the map after all of them", lambda: (len(m), len(s)), (0, 0))


def read_and_written(cell: Cell, b: Batch) -> None:
    """A read of a map that has every second key, and a write to it."""
    d = dict.fromkeys(list(dict.fromkeys(key for key in b.keys if key is not NULL))[::2], -1)
    m = b.new_map(d)
    cell.expect("contains_many", lambda: m.contains_many(b.build()).tolist(), [key in d for key in b.keys])
    refusal = null_at("keys", b.keys.index(NULL)) if NULL in b.keys else None
    cell.expect("set_many", lambda: m.set_many(b.build(), range(len(b.keys))), refusal)
    after = d if refusal else d | dict(zip(b.keys, range(len(b.keys)), strict=True))
    cell.expect("the map after set_many", lambda: b.contents(m), after)


# The type that is inferred for each kind, where it is not the kind's own name.
FOUND = {"str": str, "U": str, "label": str, "bytes": bytes, "S": bytes, "4 bytes": bytes, "V": np.dtype("V4"),
         "in UTC": np.dtype("M8[ns]"), "range": np.dtype("i8")}  # fmt: skip

containers = pytest.mark.parametrize("container", CONTAINERS, ids=lambda container: container.id)


@pytest.mark.parametrize("key_type", KEY_TYPES)
@containers
def test_keys(container, key_type, hmap_type):
    spec, cell, tried = KEY_TYPES[key_type], Cell(), set()
    for cell.where, _, build, keys, every_call in cases(container, key_type, "keys"):
        if isinstance(keys, Refusal):
            refused_everywhere(cell, Batch(spec, build, [], hmap_type), keys, every_call)
            continue
        batch = Batch(spec, build, keys, hmap_type)
        read_and_written(cell, batch)
        if every_call and (hmap_type is HMap or (NULL in keys) not in tried):  # the reference is slow
            tried.add(NULL in keys)
            for calls in (reads, writes, numbers_keys):
                calls(cell, batch)
            if hmap_type is HMap:  # a set is a layer over a map
                sets(cell, batch)
                if spec is not object:
                    indexes(cell, batch)
    cell.report()


@containers
def test_containers_without_items(container, hmap_type):
    """Nothing is found, and nothing changes, in a map of a type that takes the container."""
    kind, cell = container.kind.removesuffix(" or NaT"), Cell()
    spec = RECORD if kind == "record" else FOUND.get(kind) or (str if kind in (ANY, "null") else kind)
    if kind == "complex" or (container.refused and container.library != "tables"):
        pytest.skip("no type takes it")
    for cell.where, build in container.variants.items():
        if "slice" not in cell.where and "chunks" not in cell.where:  # these are made of items
            finds_and_changes_nothing(cell, hmap_type(spec, np.int64), built(build, []))
    cell.report()


def finds_and_changes_nothing(cell: Cell, m: Any, made: Callable[[], Any]) -> None:
    cell.expect("get_many", lambda: m.get_many(made()).tolist(), [])
    cell.expect("contains_many", lambda: m.contains_many(made()).tolist(), [])
    cell.expect("set_many", lambda: m.set_many(made(), 1), None)
    cell.expect("factorize", lambda: m.factorize(made()).tolist(), [])
    cell.expect("HSet.add_many", lambda: HSet(m.key_dtype).add_many(made()), 0)
    if m.key_dtype is not object:
        cell.expect("HIndex.encode", lambda: HIndex(m.key_dtype).encode(made()).tolist(), [])
    cell.expect("the map", lambda: len(m), 0)


# ---- values ----------------------------------------------------------------------------------------------------------

# What a null is as a value; it is an error for other types.
NULL_VALUES = {"float32": NAN, "float64": NAN, "M8[ns]": NAT, "object": None}


@pytest.mark.parametrize("value_type", VALUE_TYPES)
@containers
def test_values(container, value_type, hmap_type):
    spec, cell = VALUE_TYPES[value_type], Cell()
    if container.library == "tables":
        pytest.skip("a table as values is not in the contract")
    for cell.where, n, build, values, every_call in cases(container, value_type, "values"):
        if value_type == "object" and isinstance(build(), HasArray):  # it may itself be one object value
            continue
        expected = values
        if not isinstance(values, Refusal):
            position = values.index(NULL) if NULL in values else -1
            expected = [NULL_VALUES.get(value_type) if value is NULL else value for value in values]
            if position >= 0 and value_type not in NULL_VALUES:
                expected = null_at("values", position)
        writes_values(cell, hmap_type, spec, n, build, expected, every_call)
    cell.report()


def writes_values(
    cell: Cell, map_type: Any, spec: Any, n: int, build: Callable[[], Any], expected: Any, every_call: bool
) -> None:
    keys = range(n)

    def stored(write: Callable[[Any], Any]) -> Items:
        m = map_type(np.int64, spec)
        write(m)
        return [canonical(spec, m[key]) for key in keys]

    def given(call: Callable[[Any], Any]) -> Items:
        return [canonical(spec, value) for value in call(map_type(np.int64, spec))]

    cell.expect("set_many", lambda: stored(lambda m: m.set_many(keys, build())), expected)
    if every_call:
        cell.expect("setdefault_many", lambda: stored(lambda m: m.setdefault_many(keys, build())), expected)
        if spec is object or np.dtype(spec).kind in "if":
            cell.expect("add_many of new keys", lambda: stored(lambda m: m.add_many(keys, build())), expected)
        if isinstance(expected, Refusal):  # the argument has another name
            expected = expected._replace(match=expected.match.replace("values", r"\w+"))
        cell.expect("get_many, default=", lambda: given(lambda m: m.get_many(keys, default=build())), expected)
        cell.expect("pop_many, default=", lambda: given(lambda m: m.pop_many(keys, default=build())), expected)


# ---- maps made from data ---------------------------------------------------------------------------------------------

NO_TYPE = {ANY, "null", "complex", "record"}  # kinds without a type of their own; other tests have them


@containers
def test_maps_made_from_data(container, hmap_type):
    """from_arrays and fromkeys find the type, and hold each item exactly."""
    kind, cell = container.kind.removesuffix(" or NaT"), Cell()
    if kind in NO_TYPE or container.library == "tables" or container.name == "`longdouble`":
        pytest.skip("it has no type of its own")
    if container.refused:
        if kind != "zone":
            pytest.skip("the contract does not say what type it has")
        for build in container.variants.values():
            with pytest.raises(TypeError, match=container.refused):
                hmap_type.from_arrays(build(samples(container, "str")[0]), range(3))
        return
    spec = FOUND.get(kind) or np.dtype("M8[ms]" if container.name == "`date64`" else kind)
    for items in samples(container, "str"):
        for variant, build in container.variants.items():
            cell.where = f"{variant} of {items}"
            made = built(build, items)
            made_from_data(cell, hmap_type, spec, made, [held(spec, item, exactly=True) for item in items])
            if container.null and container.library != "Python":
                cell.where = f"{variant} of {items} with a null"
                refuses_nulls(cell, hmap_type, spec, built(build, [items[0], None]))
    cell.report()


def made_from_data(cell: Cell, map_type: Any, spec: Any, made: Callable[[], Any], items: Items) -> None:
    numbers = range(len(items))
    contents = dict(zip(items, numbers, strict=True))

    def of_keys(m: Any) -> Any:
        return m.key_dtype, {canonical(spec, key): value for key, value in m.items()}

    def of_values(m: Any) -> Any:
        return m.value_dtype, [canonical(spec, m[i]) for i in numbers]

    cell.expect("from_arrays, keys", lambda: of_keys(map_type.from_arrays(made(), numbers)), (spec, contents))
    cell.expect("from_arrays, values", lambda: of_values(map_type.from_arrays(numbers, made())), (spec, items))
    cell.expect("fromkeys", lambda: of_keys(map_type.fromkeys(made(), 7)), (spec, dict.fromkeys(contents, 7)))


def refuses_nulls(cell: Cell, map_type: Any, spec: Any, made: Callable[[], Any]) -> None:
    """Nulls are refused as keys. As values, they are NaN or NaT if the type has it, and refused otherwise."""
    n = 2
    cell.expect("from_arrays, keys", lambda: map_type.from_arrays(made(), range(n)), null_at("keys", 1))
    cell.expect("fromkeys", lambda: map_type.fromkeys(made(), 7), null_at("keys", 1))
    null = {"f": NAN, "M": NAT, "m": NAT}.get(np.dtype(spec).kind, null_at("values", 1))
    cell.expect("from_arrays, values", lambda: canonical(spec, map_type.from_arrays(range(n), made())[1]), null)


# ---- the page --------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not PAGE.exists(), reason="installed without its documentation")
def test_the_page_says_what_is_tested():
    page = PAGE.read_text(encoding="utf-8")
    assert page == current(page), "run `python tests/containers_page.py --write`"
