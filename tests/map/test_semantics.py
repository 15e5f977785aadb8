"""The contract of docs/semantics.md, where no other file tests it; and that the tests it names exist."""

import re
from pathlib import Path

import numpy as np
import pytest

from pyhmap import HSet
from support import items_of, refused

pytestmark = pytest.mark.frozen_too

ROOT = Path(__file__).parent.parent.parent
SEMANTICS = ROOT / "docs" / "semantics.md"
NAN = float("nan")


needs_docs = pytest.mark.skipif(not SEMANTICS.exists(), reason="installed without its documentation")


def named_tests(text):
    """The tests that a text names: file, function."""
    return re.findall(r"`(test_\w+)\.py::(\w+)`", text)


def missing_tests(tests):
    """Those of them that do not exist."""
    sources = {file: (ROOT / "tests" / "map" / f"{file}.py").read_text() for file, _ in tests}
    return [test for test in tests if not re.search(rf"^ *def {test[1]}\(", sources[test[0]], flags=re.MULTILINE)]


@needs_docs
def test_every_line_of_the_contract_names_tests_that_exist():
    lines = re.findall(r"^\d+\. (.*(?:\n   .*)*)", SEMANTICS.read_text(), flags=re.MULTILINE)
    assert len(lines) >= 30
    assert [line for line in lines if not named_tests(line)] == []
    assert missing_tests(named_tests("\n".join(lines))) == []


@needs_docs
def test_every_hostile_case_names_tests_that_exist():
    rows = re.findall(r"^\| (\d+) \|(.*)", (ROOT / "docs" / "hostile.md").read_text(), flags=re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, len(rows) + 1))
    assert len(rows) >= 60
    assert [row for _, row in rows if not named_tests(row)] == []
    assert missing_tests(named_tests(str(rows))) == []


# ---- numbers


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_all_nan_are_one_key_and_minus_zero_is_zero(hmap_type, dtype):
    bits = f"u{np.dtype(dtype).itemsize}"
    nans = np.array([~0, ~0 >> 1 & np.iinfo(bits).max, ~1 & np.iinfo(bits).max], object)
    nans = np.array([int(n) & int(np.iinfo(bits).max) for n in nans], bits).view(dtype)
    assert np.isnan(nans).all()
    m = hmap_type(dtype, np.int64)
    for i, nan in enumerate(nans):
        m[nan] = i
    m[-0.0], m[0.0] = 5, 6
    assert len(m) == 2
    assert m.get_many(np.array([*nans, -0.0, 0.0], dtype)).tolist() == [2, 2, 2, 6, 6]
    assert str(sorted(m, key=np.isnan)[0]) == "0.0"
    m.set_many(np.array([*nans, -0.0], dtype), 9)
    assert (len(m), m[NAN], m[0]) == (2, 9, 9)
    del m[NAN]
    assert NAN not in m
    m.check()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # NumPy 2.5 warns of times without a unit
def test_nat_is_one_key_with_any_unit_and_without(hmap_type):
    m = hmap_type("M8[s]", np.int64, {np.datetime64("NaT"): 1})
    m[np.datetime64("NaT", "D")] = 2
    m[np.datetime64(0, "s")] = 3
    assert (len(m), m[np.datetime64("NaT")], m[np.datetime64("NaT", "s")]) == (2, 2, 2)
    assert m.get_many(np.array(["NaT", "1970-01-01"], "M8[s]")).tolist() == [2, 3]


def test_one_and_true_and_one_point_zero(hmap_type):
    ints, floats, bools = (hmap_type(dtype, str, {1: "one"}) for dtype in (np.int64, np.float64, bool))
    objects = hmap_type(object, str, {1: "one"})
    for key in (1, True, np.True_, np.int8(1), np.uint64(1)):
        for m in (ints, floats, bools, objects):
            assert m[key] == "one"
            assert m.get_many([key]).tolist() == ["one"]
    for key in (1.0, np.float32(1)):
        assert floats[key] == objects[key] == "one"
        for m in (ints, bools):
            with refused(m, TypeError, "of type"):
                m[key]
            with refused(m, TypeError):
                m.get_many([key])
    assert [type(next(iter(m))) for m in (ints, floats, bools, objects)] == [int, float, bool, int]


@pytest.mark.parametrize("dtype", ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"])
def test_ints_at_the_ends_of_each_range_and_past_them(hmap_type, dtype):
    least, most = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
    inside = sorted({least, least + 1, 0, most - 1, most})
    m = hmap_type(dtype, dtype, zip(inside, inside, strict=True))
    assert items_of(m) == dict(zip(inside, inside, strict=True))
    assert m.get_many(inside).tolist() == inside
    for outside in (least - 1, most + 1, 2**64, -(2**64), 10**30):
        for attempt in (
            lambda k=outside: m[k],
            lambda k=outside: k in m,
            lambda k=outside: m.get(k),
            lambda k=outside: m.__setitem__(k, 0),
            lambda k=outside: m.__setitem__(0, k),
            lambda k=outside: m.get_many([0, k], 0),
            lambda k=outside: m.set_many([0, k], 1),
            lambda k=outside: m.set_many([0, 1], [1, k]),
        ):
            with refused(m, OverflowError, f"{outside} is outside {np.dtype(dtype)}"):
                attempt()


@pytest.mark.parametrize(
    ("dtype", "key", "held"),
    [
        (np.float32, 0.1, False),
        (np.float32, 0.5, True),
        (np.float32, 1e300, False),
        (np.float16, 2049, False),
        (np.float16, 65504, True),
        (np.float64, 2**53 + 1, False),
        (np.float64, 2**60, True),
        (np.float64, 2**60 + 1, False),
        (np.float64, 10**400, False),
    ],
)
def test_a_float_key_is_held_exactly_or_refused(hmap_type, dtype, key, held):
    m = hmap_type(dtype, np.int64, {1.0: 1})
    if held:
        m[key] = 2
        assert m[key] == m.get_many([key])[0] == 2
        assert key in list(m)
    else:
        for attempt in (lambda: m.__setitem__(key, 2), lambda: key in m, lambda: m.get_many([1.0, key], 0)):
            with refused(m, OverflowError):
                attempt()


# ---- texts

TEXTS = [
    "",
    "\0",
    "\0\0",
    "a",
    "a\0",
    "\0a",
    "a\0b",
    "12 bytes here",
    "13 bytes here",
    "ä",
    "\ud800",
    "\udfff\ud800",
    "𐀀",
]


@pytest.mark.parametrize("as_bytes", [False, True])
def test_every_text_is_its_own_key(hmap_type, as_bytes):
    texts = [text.encode("utf-8", "surrogatepass") for text in TEXTS] if as_bytes else TEXTS
    m = hmap_type(bytes if as_bytes else str, np.int64)
    m.set_many(texts, range(len(texts)))
    assert items_of(m) == {text: i for i, text in enumerate(texts)}
    for i, text in enumerate(texts):
        assert m[text] == i
        assert m.get_many(np.array([text], object)).tolist() == [i]
    assert m.get_many(texts).tolist() == list(range(len(texts)))
    values = hmap_type(np.int64, m.key_dtype, enumerate(texts))
    assert list(map(values.get, range(len(texts)))) == values.get_many(range(len(texts))).tolist() == texts
    m.check()


def test_numpy_strips_trailing_nuls_of_its_fixed_strings(hmap_type):
    m = hmap_type(str, np.int64, {"a": 1, "a\0": 2})
    assert m.get_many(np.array(["a", "a\0"])).tolist() == [1, 1]
    assert m.get_many(np.array(["a", "a\0"], object)).tolist() == [1, 2]
    b = hmap_type(bytes, np.int64, {b"a": 1, b"a\0": 2, b"\0a": 3})
    assert b.get_many(np.array([b"a", b"a\0", b"\0a"])).tolist() == [1, 1, 3]


@pytest.mark.parametrize(("dtype", "text", "nul"), [("S4", b"ab", b"\0"), ("U4", "ab", "\0")])
def test_trailing_nuls_are_no_part_of_a_fixed_key(hmap_type, dtype, text, nul):
    m = hmap_type(dtype, dtype, {text: text + nul})
    assert m[text + nul] == m[text + nul * 9] == m.get_many([text + nul])[0] == text
    m[text + nul + text[:1]] = text
    assert len(m) == 2
    for attempt in (
        lambda: m.__setitem__(text * 3, text),
        lambda: m.set_many([text], [text * 3]),
        lambda: text * 3 in m,
    ):
        with refused(m, OverflowError):
            attempt()


def test_void_keys_have_their_exact_length(hmap_type):
    m = hmap_type("V2", "V2", {b"a\0": b"\0\0"})
    assert m[b"a\0"] == b"\0\0"
    for wrong in (b"a", b"a\0\0", b""):
        with refused(m, OverflowError):
            m[wrong]


@pytest.mark.parametrize(("text", "right", "wrong"), [(str, "a", b"a"), (bytes, b"a", "a")])
def test_str_and_bytes_are_never_each_other(hmap_type, text, right, wrong):
    m = hmap_type(text, text, {right: right})
    for attempt in (
        lambda: m[wrong],
        lambda: wrong in m,
        lambda: m.__setitem__(right, wrong),
        lambda: m.set_many([wrong], [right]),
        lambda: m.get_many([wrong]),
    ):
        with refused(m, TypeError, "of type"):
            attempt()


# ---- composite and object keys


def test_structured_keys_are_tuples_with_canonical_floats(hmap_type):
    dtype = np.dtype({"names": ["x", "n"], "formats": ["f8", "u1"], "offsets": [0, 12], "itemsize": 16})  # with padding
    m = hmap_type(dtype, np.int64)
    records = np.frombuffer(bytes(range(16)) * 2, dtype).copy()
    records["x"], records["n"] = [-0.0, NAN], 7
    m.set_many(records, [1, 2])
    assert (m[0.0, 7], m[-0.0, 7], m[NAN, 7], m[records[0]]) == (1, 1, 2, 1)
    assert len(m) == 2
    assert all(type(key) is tuple for key in m)


def test_object_keys_follow_dict(hmap_type):
    other_nan = float("nan")
    keys = [NAN, NAN, other_nan, 1, True, 1.0, -0.0, 0, "a", b"a", (1, 2), None]
    m, d = hmap_type(object, np.int64), {}
    for i, key in enumerate(keys):
        m[key] = d[key] = i
    assert len(m) == len(d)
    assert [m[key] for key in keys] == [d[key] for key in keys]
    assert m.get_many(keys).tolist() == [d[key] for key in keys]
    assert {id(key) for key in m} == {id(key) for key in d}  # the first of equal keys stays
    for attempt in (lambda: m[[]], lambda: [] in hmap_type(object, str), lambda: m.set_many([[]], 1)):
        with refused(m, TypeError, "unhashable"):
            attempt()


# ---- batches


@pytest.mark.parametrize(
    ("call", "answer", "after"),
    [
        (lambda m, k: m.set_many(k, [1, 2, 3]), None, {1: 3, 2: 2}),
        (lambda m, k: m.setdefault_many(k, [1, 2, 3]).tolist(), [0, 2, 0], {1: 0, 2: 2}),
        (lambda m, k: m.add_many(k, [1, 2, 3]), None, {1: 4, 2: 2}),
        (lambda m, k: m.add_many(k, [1, 2, 3], op="max"), None, {1: 3, 2: 2}),
        (lambda m, k: m.pop_many(k, -1).tolist(), [0, -1, -1], {}),
        (lambda m, k: m.discard_many(k), 1, {}),
        (lambda m, k: m.get_many(k, -1).tolist(), [0, -1, 0], {1: 0}),
        (lambda m, k: m.factorize(k).tolist(), [0, 1, 0], {1: 0, 2: 1}),
    ],
    ids=["set", "setdefault", "add", "max", "pop", "discard", "get", "factorize"],
)
def test_duplicates_in_a_batch_count_in_order(hmap_type, call, answer, after):
    m = hmap_type(np.int64, np.int64, {1: 0})
    assert call(m, [1, 2, 1]) == answer
    assert items_of(m) == after


@pytest.mark.parametrize("key_type", [np.int64, str, object])
def test_a_batch_with_a_bad_item_changes_nothing(hmap_type, key_type):
    good, bad = ([1, 2], "x") if key_type is np.int64 else (["a", "b"], 5)
    bad = [] if key_type is object else bad
    m = hmap_type(key_type, np.int8, {good[0]: 1})
    keys = [*good, bad]
    for attempt in (
        lambda: m.set_many(keys, 1),
        lambda: m.setdefault_many(keys, 1),
        lambda: m.add_many(keys),
        lambda: m.discard_many(keys),
        lambda: m.pop_many(keys, 0),
        lambda: m.factorize(keys),
        lambda: m.get_many(keys, 0),
        lambda: m.set_many(good, [1, "x"]),
        lambda: m.set_many(good, [1, 300]),
        lambda: m.set_many(good, [1, 2, 3]),
        lambda: m.set_many(good, 300),
        lambda: m.get_many(good, 300),
        lambda: m.get_many(good, "x"),
    ):
        with refused(m, (TypeError, OverflowError, ValueError)):
            attempt()


def test_pop_many_of_a_missing_key_gives_everything_back(hmap_type):
    for key_type, keys in ((np.int64, [1, 2, 3]), (str, ["a", "b" * 20, "c"]), (object, [(1,), None, "x"])):
        m = hmap_type(key_type, np.int64, zip(keys[:2], [10, 20], strict=True))
        with refused(m, KeyError, "position 2"):
            m.pop_many(keys)


def test_scalar_writes_that_fail_change_nothing(hmap_type):
    m = hmap_type(np.int64, np.int8, {1: 1})
    for attempt in (
        lambda: m.__setitem__(2, 300),
        lambda: m.__setitem__(2, "x"),
        lambda: m.__setitem__(1, 1.5),
        lambda: m.setdefault(2, 300),
        lambda: m.setdefault(2),
        lambda: m.__setitem__("x", 1),
    ):
        with refused(m, (TypeError, OverflowError)):
            attempt()


def test_update_sets_the_pairs_before_the_bad_one(hmap_type):
    m = hmap_type(np.int64, np.int64)
    with pytest.raises(TypeError):
        m.update([(1, 1), (2, 2), ("x", 3), (4, 4)])
    assert items_of(m) == {1: 1, 2: 2}


@pytest.mark.parametrize("n", [100, 5000])
def test_out_may_be_the_keys_themselves(hmap_type, n):
    m = hmap_type(np.int64, np.int64, {i: -i for i in range(n)})
    keys = np.random.default_rng(1).permutation(n)
    expected = -keys
    assert m.get_many(keys, out=keys) is keys
    assert np.array_equal(keys, expected)


def test_arrays_that_a_map_gives_are_copies(hmap_type):
    m = hmap_type(np.int64, np.int64, {1: 2})
    for array in (*m.to_arrays(), m.keys_array(), m.values_array(), m.get_many([1])):
        array[0] = 9
    assert items_of(m) == {1: 2}
    rows = hmap_type(np.int64, ("i8", (2,)), {1: [2, 3]})
    rows[1][0] = 9
    assert rows[1].tolist() == [2, 3]


# ---- iteration


@pytest.mark.frozen_too(False)
@pytest.mark.parametrize(
    "view", [iter, lambda m: iter(m.keys()), lambda m: iter(m.values()), lambda m: iter(m.items())]
)
def test_changing_the_size_stops_iteration_and_overwriting_does_not(hmap_type, view):
    for key_type, key, other in ((np.int64, 1, 2), (str, "a", "b"), (object, (), None)):
        m = hmap_type(key_type, np.int64, {key: 1, other: 2})
        walk = view(m)
        next(walk)
        m[key] = 5
        next(walk)
        assert list(walk) == []
        for change in (lambda m=m, k=key: m.pop(k), lambda m=m, k=key: m.set_many([k], 3), lambda m=m: m.clear()):
            walk = view(m)
            change()
            with pytest.raises(RuntimeError, match="changed size"):
                next(walk)


# ---- sets


def test_the_rules_of_keys_hold_for_sets():
    assert len(HSet(np.float64, [NAN, -NAN, 0.0, -0.0])) == 2
    assert len(HSet(str, TEXTS)) == len(TEXTS)
    assert True in HSet(np.int64, [1])
    with pytest.raises(OverflowError):
        HSet(np.int8, [128])
