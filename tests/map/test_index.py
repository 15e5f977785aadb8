"""Id maps: what they take, in which forms keys come back, what they refuse, what they cost; with threads, too.

The contract's tests run over an index, and over frozen ones in memory and in a file. test_index_model.py has the state
machine over all key types.
"""

import copy
import gc
import itertools
import pickle
import sys
import threading
import weakref

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import pyhmap
from kinds import KINDS
from pyhmap import CorruptMapError, FrozenIndex, HIndex, HMap
from reads_frozen import FOLDER

NAMES = ["ada", "bob", "", "cleo of the very long name", "dan"]


def polars_series(items):
    return pytest.importorskip("polars").Series(items)


def in_a_file(index):
    path = f"{FOLDER.name}/{id(index)}.pyhmap"
    index.save(path)
    return pyhmap.open(path, verify="lazy")


@pytest.fixture(params=["index", "frozen", "mapped"])
def made(request):
    """Makes an index of a key type and labels, in each of the three ways."""

    def make(key, labels):
        index = HIndex(key, labels)
        return {"index": lambda: index, "frozen": index.freeze, "mapped": lambda: in_a_file(index)}[request.param]()

    return make


class TestReading:
    """What every index does."""

    def test_it_is_a_mapping_from_key_to_code(self, made):
        ix = made(str, NAMES)
        expected = {name: i for i, name in enumerate(NAMES)}
        assert dict(ix) == expected
        assert list(ix.items()) == list(expected.items())
        assert list(ix.keys()) == NAMES
        assert list(ix.values()) == [0, 1, 2, 3, 4]
        assert len(ix) == 5
        assert "bob" in ix
        assert "eve" not in ix
        assert ix["dan"] == 4
        assert (ix.get("eve"), ix.get("eve", -1), ix.get("bob", -1)) == (None, -1, 1)
        with pytest.raises(KeyError, match="eve"):
            ix["eve"]

    def test_a_key_of_another_type_is_a_mistake(self, made):
        ix = made(np.int64, [1, 2])
        for call in (ix.__getitem__, ix.__contains__, ix.get):
            with pytest.raises(TypeError, match="this index holds int64"):
                call("1")
        with pytest.raises(TypeError, match=r"keys\[1\]: key '2' is of type str; this index holds int64"):
            ix.encode([1, "2"], add=False)
        with pytest.raises(OverflowError):
            ix.encode([2**63], add=False)

    def test_codes_of_unknown_keys_and_of_nulls_are_minus_one(self, made):
        pl = pytest.importorskip("polars")
        ix = made(str, NAMES)
        assert ix.encode(["dan", "eve", "ada"], add=False).tolist() == [4, -1, 0]
        for column in (
            pa.array(["dan", None, "eve"]),
            pd.Series(["dan", None, "eve"]),
            pl.Series(["dan", None, "eve"]),
        ):
            assert ix.encode(column, add=False).tolist() == [4, -1, -1]
        assert ix.encode([], add=False).tolist() == []

    def test_codes_come_back_as_keys_of_the_shape_of_the_codes(self, made):
        ix = made(str, NAMES)
        assert ix.decode([4, 0, 4]).tolist() == ["dan", "ada", "dan"]
        assert ix.decode(np.array([[1, 2], [3, 4]])).tolist() == [NAMES[1:3], NAMES[3:5]]
        assert ix.decode(np.array(3)).shape == ()
        for empty in ([], np.empty((0, 3), np.int32)):
            assert ix.decode(empty).shape == np.shape(empty)

    def test_polars_takes_texts(self, made):
        assert polars_series(made(str, NAMES).decode([3, 2], to="arrow")).to_list() == [NAMES[3], NAMES[2]]

    @pytest.mark.parametrize("dtype", ["i1", "u1", "i4", "u4", "i8", "u8", ">i8"])
    def test_codes_of_every_int_type(self, made, dtype):
        assert made("i4", [10, 20, 30]).decode(np.array([2, 0], dtype)).tolist() == [30, 10]

    @pytest.mark.parametrize(
        "make", [pd.Series, pa.array, polars_series, iter, tuple, lambda codes: np.array([codes] * 2).T[:, 0]]
    )
    def test_codes_from_every_container(self, made, make):
        codes = make([2, 0])
        assert made("i4", [10, 20, 30]).decode(list(codes) if make is iter else codes).tolist() == [30, 10]

    def test_forms_of_text(self, made):
        ix = made(str, NAMES)
        codes = [3, 2, 3]
        expected = [NAMES[code] for code in codes]
        assert ix.decode(codes, to="list") == expected
        strings = ix.decode(np.array([codes]), to="string")
        assert (strings.dtype, strings.tolist()) == (np.dtypes.StringDType(), [expected])
        arrow = pa.array(ix.decode(codes, to="arrow"))
        assert (arrow.type, arrow.to_pylist()) == (pa.large_string(), expected)
        arrow.validate(full=True)
        assert ix.labels("list") == NAMES
        assert ix.labels("string").tolist() == NAMES
        assert pa.array(ix.labels("arrow")).to_pylist() == NAMES
        assert len(ix.labels("arrow")) == 5
        assert HIndex(str, ix.labels("arrow")) == ix

    @pytest.mark.parametrize("name", [name for name in KINDS if name != "object"])
    def test_every_key_type_comes_back_in_every_form(self, made, name):
        kind = KINDS[name]
        keys = kind.keys
        ix = made(kind.spec, kind.array(keys))
        codes = list(range(len(keys)))[::-1]
        assert ix.decode(codes, to="list") == keys[::-1] == list(ix)[::-1]
        assert ix.decode(codes).dtype == (object if kind.spec in (str, bytes) else np.dtype(kind.spec))
        try:
            expected = pa.array(HIndex(kind.spec, kind.array(keys)).labels("arrow")).to_pylist()[::-1]
        except TypeError:
            with pytest.raises(TypeError, match="which Arrow has not"):
                ix.decode(codes, to="arrow")
        else:
            assert pa.array(ix.decode(codes, to="arrow")).to_pylist() == expected
        if kind.spec in (str, "U4"):
            assert ix.decode(codes, to="string").tolist() == keys[::-1]
        else:
            with pytest.raises(TypeError, match="are no strings: give to='array'"):
                ix.decode(codes, to="string")

    def test_a_code_that_no_key_has(self, made):
        ix = made(str, NAMES)
        for codes, message in [
            ([0, 5], r"codes\[1\] is 5: the index has 5 keys"),
            ([0, 1, -1], r"codes\[2\] is -1: .*; missing= says what -1 stands for"),
            (np.array([[0, 1], [2, 10**12]]), r"codes\[1, 1\] is 1000000000000: "),
            (np.array([2**64 - 1], np.uint64), r"codes\[0\] is 9223372036854775807: "),
        ]:
            for to in ("array", "list", "string", "arrow"):
                if to in ("list", "arrow") and np.ndim(codes) != 1:
                    continue
                with pytest.raises(IndexError, match=message):
                    ix.decode(codes, to=to)
        with pytest.raises(IndexError, match=r"codes\[1\] is -2: "):
            ix.decode([-1, -2], missing=None)
        for code in (5, -1, 2**70):
            with pytest.raises(IndexError, match=f"code {code}: the index has 5 keys, whose codes begin with 0"):
                ix.key(code)

    def test_a_position_beyond_the_first_piece(self, made):
        ix = made("i8", np.arange(1000))
        codes = np.zeros((1 << 20) + 600, np.int64)
        codes[-3] = 1000
        with pytest.raises(IndexError, match=rf"codes\[{len(codes) - 3}\] is 1000: "):
            ix.decode(codes)
        codes[-3] = 7
        assert ix.decode(codes)[[0, -3, -1]].tolist() == [0, 7, 0]

    def test_what_is_no_code(self, made):
        ix = made(str, NAMES)
        for codes in ([0.0], ["a"], [None], np.array([True])):
            with pytest.raises(TypeError, match="give ints, as encode"):
                ix.decode(codes)
        for code in (0.0, "a", None):
            with pytest.raises(TypeError):
                ix.key(code)
        with pytest.raises(ValueError, match="to='json': give one of 'array', 'list', 'string', 'arrow'"):
            ix.decode([0], to="json")
        for to in ("list", "arrow"):
            with pytest.raises(ValueError, match=r"codes have 2 dimensions, .*: give codes.ravel\(\)"):
                ix.decode([[0]], to=to)

    def test_what_minus_one_stands_for(self, made):
        ix = made(str, NAMES)
        codes = np.array([[0, -1], [-1, 4]])
        assert ix.decode(codes, missing=None).tolist() == [["ada", None], [None, "dan"]]
        assert ix.decode(codes, missing="?").tolist() == [["ada", "?"], ["?", "dan"]]
        assert ix.decode([-1, 1], to="list", missing="?") == ["?", "bob"]
        assert ix.decode(codes, to="string", missing=None).tolist() == [["ada", None], [None, "dan"]]
        assert pa.array(ix.decode([-1, 1, -1], to="arrow", missing=None)).to_pylist() == [None, "bob", None]
        assert ix.decode([0, 1], missing=None).tolist() == ["ada", "bob"]
        with pytest.raises(TypeError, match="missing=7: key 7 is of type int; this index holds str"):
            ix.decode([-1], missing=7)
        for to in ("string", "arrow"):
            with pytest.raises(ValueError, match=f"missing='x': give None with to='{to}', for a null"):
                ix.decode([-1], to=to, missing="x")
        numbers = made("i4", [10, 20])
        assert numbers.decode([-1, 1], missing=-5).tolist() == [-5, 20]
        assert numbers.decode([-1, 1], to="list", missing=None) == [None, 20]
        assert pa.array(numbers.decode([-1, 1], to="arrow", missing=None)).to_pylist() == [None, 20]
        with pytest.raises(TypeError, match="missing=None"):
            numbers.decode([-1], missing=None)
        with pytest.raises(OverflowError, match="missing=2147483648"):
            numbers.decode([-1], missing=2**31)
        times = made("M8[s]", [np.datetime64(5, "s")])
        assert pa.array(times.decode([-1, 0], to="arrow", missing=None)).null_count == 1
        assert np.isnat(times.decode([-1], missing=np.datetime64("NaT", "s"))).all()

    def test_an_index_without_keys(self, made):
        ix = made(str, [])
        assert (len(ix), list(ix), ix.labels().tolist(), ix.decode([]).tolist()) == (0, [], [], [])
        assert ix.encode(["a"], add=False).tolist() == [-1]
        assert ix.decode([-1, -1], missing=None).tolist() == [None, None]
        assert ix.decode([-1], to="string", missing=None).tolist() == [None]
        assert pa.array(ix.decode([-1], to="arrow", missing=None)).to_pylist() == [None]
        assert made("i4", []).decode([[-1]], missing=9).tolist() == [[9]]
        assert pa.array(made("S3", []).decode([-1], to="arrow", missing=None)).to_pylist() == [None]
        with pytest.raises(IndexError, match=r"codes\[0\] is 0: the index has 0 keys"):
            ix.decode([0])
        with pytest.raises(IndexError, match=r"codes\[1\] is 3: the index has 0 keys"):
            ix.decode([-1, 3], missing=None)
        with pytest.raises(IndexError):
            ix.key(0)
        ix.check()

    def test_equality(self, made):
        ix = made(str, ["a", "b"])
        assert ix == HIndex(str, ["a", "b"]) == {"a": 0, "b": 1}
        assert ix == HIndex(str, ["a", "b"]).freeze()
        for other in (
            HIndex(str, ["b", "a"]),
            HIndex(str, ["a"]),
            {"a": 1, "b": 0},
            {"a": 0},
            {"a": 0, 7: 1},
            5,
            ["a", "b"],
        ):
            assert ix != other
        assert made("i4", [1, 2]) == HIndex("i8", [1, 2])
        assert made("f8", [np.nan, 1.0]) == HIndex("f8", [np.nan, 1.0])
        assert made("i4", [1, 2]) != HIndex(str, ["1", "2"])
        assert made("i4", [1, 2]) != {1: 0, 2: "x"}

    def test_a_text_that_is_no_utf8(self, made):
        ix = made(str, ["a", "\ud800"])
        assert ix.labels().tolist() == ["a", "\ud800"]
        assert ix == HIndex(str, ["a", "\ud800"])
        assert HIndex(ix) == ix
        for to in ("string", "arrow"):
            with pytest.raises(ValueError, match="no valid UTF-8"):
                ix.decode([1], to=to)

    def test_copies(self, made):
        ix = made(str, NAMES)
        for other in (
            ix.copy(),
            copy.copy(ix),
            copy.deepcopy(ix),
            *(pickle.loads(pickle.dumps(ix, p)) for p in range(2, 6)),
        ):
            assert type(other) is type(ix)
            assert other == ix
            assert list(other) == NAMES
            other.check()

    def test_repr(self, made):
        ix = made("i8", range(200))
        name = type(ix).__name__
        assert repr(ix).startswith(f"{name}(int64, [0, 1, 2, ")
        assert repr(ix).endswith("99, ... and 100 more])")
        assert repr(made(str, ["a"])) == f"{name}(str, ['a'])"

    def test_memory_says_what_is_held(self, made):
        n = 6 << 12
        for key, labels, most in [("i8", np.arange(n), 21), (str, [f"key-{i:013d}" for i in range(n)], 48)]:
            assert made(key, labels).nbytes / n < most


# ---- adding


def test_codes_are_given_in_order_of_first_sight_over_batches():
    ix = HIndex(str)
    assert ix.encode(["b", "a", "b"]).tolist() == [0, 1, 0]
    assert ix.encode(["c", "a", "d", "c"]).tolist() == [2, 1, 3, 2]
    assert ix.encode(["e"], add=False).tolist() == [-1]
    assert list(ix) == ["b", "a", "c", "d"]


def test_codes_of_many_batches_are_those_of_pandas():
    rng = np.random.default_rng(1)
    batches = [rng.integers(0, 10**9, 3000) ** 2 % 4001 for _ in range(40)]
    ix = HIndex("i8")
    codes = np.concatenate([ix.encode(batch) for batch in batches])
    expected, labels = pd.factorize(np.concatenate(batches))
    assert (codes == expected).all()
    assert (ix.labels() == labels).all()
    ix.check()


@pytest.mark.parametrize("share", [1, 7])
def test_a_batch_that_grows_by_many_sizes(share):
    """All keys new, and keys that repeat: the index is as large as if it had grown step by step."""
    keys = np.random.default_rng(1).permutation(300_000) // share
    ix = HIndex("i8")
    assert (ix.encode(keys) == pd.factorize(keys)[0]).all()
    ix.check()
    step_by_step = HIndex("i8")
    for batch in np.array_split(keys, 3000):
        step_by_step.encode(batch)
    assert ix.nbytes == step_by_step.nbytes
    assert ix == step_by_step


def test_a_batch_that_is_all_new_only_at_first():
    """The arrays are no larger in the end than the keys ask for."""
    keys = np.concatenate([np.arange(5000), np.zeros(200_000, np.int64)])
    ix = HIndex("i8")
    ix.encode(keys)
    ix.check()
    assert ix.nbytes == HIndex("i8", np.arange(5000)).nbytes
    assert ix.nbytes / 5000 < 40


def test_nulls_get_no_code():
    ix = HIndex(str)
    assert ix.encode(pa.array(["a", None, "b", None])).tolist() == [0, -1, 1, -1]
    assert ix.encode(pa.array([None, None], pa.string())).tolist() == [-1, -1]
    assert list(ix) == ["a", "b"]
    floats = HIndex("f8")
    assert floats.encode(pa.array([1.5, None, float("nan"), -0.0, 0.0])).tolist() == [0, -1, 1, 2, 2]


def test_a_batch_with_a_wrong_key_adds_none():
    ix = HIndex("i8", [1])
    for keys, error in [
        ([2, "x"], TypeError),
        ([2, 2**63], OverflowError),
        (np.zeros((2, 2)), (TypeError, ValueError)),
    ]:
        with pytest.raises(error):
            ix.encode(keys)
    assert list(ix) == [1]


def test_keys_of_a_subclass_are_stored_as_what_they_are():
    """What a subclass says of itself does not count, and keys come back in the type of the index."""

    class Name(str):
        __slots__ = ()

        def __hash__(self):
            raise LookupError

        __eq__ = __len__ = __str__ = __getitem__ = encode = __hash__

    class Number(int):
        def __hash__(self):
            raise LookupError

        __eq__ = __index__ = __int__ = __lt__ = __hash__

    names = HIndex(str, ["b"])
    assert names.encode([Name("a"), "b", Name("b"), "a"]).tolist() == [1, 0, 0, 1]
    assert names.encode(np.array([Name("c"), "c"], object)).tolist() == [2, 2]
    assert (names[Name("c")], Name("d") in names, names.get(Name("a"))) == (2, False, 1)
    assert [type(key) for key in names] == [str] * 3
    numbers = HIndex("i8", [7])
    assert numbers.encode([Number(5), 7, Number(7), True]).tolist() == [1, 0, 0, 2]
    assert (numbers[Number(5)], numbers.get(Number(6))) == (1, None)
    assert [type(key) for key in numbers] == [int] * 3
    for ix in (names, numbers):
        ix.check()


@pytest.mark.parametrize("as_bytes", [False, True])
def test_texts_of_every_size(as_bytes):
    """Those that are wholly in the column (up to 12 bytes), those in an arena of several blocks, and huge ones."""
    sizes = [*range(30), *range(1000, 1100), 65_535, 65_536, 65_537, *[30_000] * 20, 150_000]
    texts = [f"{i:03}-{'x' * size}"[-size:] if size else "" for i, size in enumerate(sizes)]
    texts = [text.encode() for text in texts] if as_bytes else texts
    distinct = list(dict.fromkeys(texts))
    expected = [distinct.index(text) for text in texts]
    one_by_one, ix = HIndex(type(texts[0])), HIndex(type(texts[0]))
    assert [int(one_by_one.encode([text])[0]) for text in texts] == expected
    assert ix.encode(texts).tolist() == expected
    ix.check()  # takes long for such texts: of one of them
    for other in (ix, one_by_one, ix.copy(), pickle.loads(pickle.dumps(ix)), ix.freeze(), in_a_file(ix)):
        assert list(other) == distinct
        assert other.decode(expected, to="list") == texts
        assert pa.array(other.decode(expected, to="arrow")).to_pylist() == texts
        assert other.encode(texts, add=False).tolist() == expected
        assert [other[text] for text in texts[::9]] == expected[::9]
    long = sum(len(text) for text in distinct if len(text) > 12)
    assert long <= ix.nbytes <= long + 100 * len(distinct)


def test_labels_given_at_the_beginning():
    for make in (lambda labels: HIndex(str, labels), HIndex.from_labels):
        assert list(make(["a", "b"])) == ["a", "b"]
        with pytest.raises(ValueError, match=r"labels\[2\] is 'a', as labels\[0\] is: give each label once"):
            make(["a", "b", "a"])
        with pytest.raises(ValueError, match=r"labels\[1\] is null"):
            make(pa.array(["a", None]))
    assert list(HIndex("i8", iter([3, 1]))) == [3, 1]
    assert HIndex.from_labels(np.array([3, 1], "u2")).key_dtype == np.uint16
    assert HIndex.from_labels(pd.Index(["x", "y"])).key_dtype is str
    with pytest.raises(TypeError, match="no key to infer a type from"):
        HIndex.from_labels([])


def test_objects_are_refused_by_name():
    for make in (lambda: HIndex(object), lambda: HIndex.from_labels([1, "a"])):
        with pytest.raises(TypeError, match="keys of type object have no index: number them by HMap"):
            make()


def test_an_index_is_begun_once():
    ix = HIndex("i8", [1])
    with pytest.raises(TypeError, match="called before"):
        ix.__init__("i4")
    assert list(ix) == [1]
    unused = HIndex.__new__(HIndex)
    for call in (
        lambda: unused.encode([1]),
        lambda: unused.labels(),
        lambda: list(unused),
        unused.check,
        lambda: 1 in unused,
    ):
        with pytest.raises(RuntimeError, match="__init__ was not called"):
            call()
    assert len(unused) == 0


def test_merging_translates_codes():
    a, b = HIndex(str, ["x", "y"]), HIndex(str, ["z", "x", "w"])
    translation = a.merge(b)
    assert translation.dtype == np.int64
    assert translation.tolist() == [2, 0, 3]
    codes = b.encode(["w", "x", "z"])
    assert a.decode(translation[codes]).tolist() == ["w", "x", "z"]
    assert a.merge(a).tolist() == [0, 1, 2, 3]
    assert a.merge(b.freeze()).tolist() == [2, 0, 3]
    assert a.merge(HIndex("U2", ["q"])).tolist() == [4]
    assert HIndex("i8", [7]).merge(HIndex("i4", [5, 7])).tolist() == [1, 0]
    with pytest.raises(TypeError, match=r"merge\(\) takes an HIndex or a FrozenIndex, not list: use encode"):
        a.merge(["x"])
    with pytest.raises(TypeError, match="this index holds str"):
        a.merge(HIndex("i8", [1]))


def test_labels_are_a_view_of_that_moment():
    ix = HIndex("i8", [5, 6])
    labels = ix.labels()
    ix.encode(np.arange(100, 100_000))
    assert labels.tolist() == [5, 6]
    with pytest.raises(ValueError, match="read-only"):
        labels[0] = 1
    size, held = ix.nbytes, weakref.ref(labels.base)
    assert np.shares_memory(ix.labels(), ix.labels())
    del ix
    gc.collect()
    assert labels.tolist() == [5, 6]
    assert held is not None
    assert size > 0


def test_an_iteration_passes_over_the_keys_of_its_beginning():
    ix = HIndex("i8", [1, 2])
    seen = []
    for key in ix:
        ix.encode([key + 100])
        seen.append(key)
    assert seen == [1, 2]
    assert list(ix) == [1, 2, 101, 102]


def test_a_subclass_keeps_its_class_and_attributes():
    class Users(HIndex):
        def __init__(self, name):
            super().__init__(str)
            self.name = name

    globals()["Users"] = Users
    Users.__qualname__ = "Users"
    users = Users("x")
    users.encode(["a"])
    for other in (copy.copy(users), pickle.loads(pickle.dumps(users))):
        assert (type(other), other.name, list(other)) == (Users, "x", ["a"])


def test_an_index_has_no_hash_and_a_frozen_one_has():
    ix = HIndex("i8", [1, 2])
    with pytest.raises(TypeError, match="unhashable"):
        hash(ix)
    f = ix.freeze()
    assert hash(f) == hash(HIndex("i4", [1, 2]).freeze()) == hash(HIndex(f).freeze())
    assert {f: "x"}[ix.freeze()] == "x"


def test_a_frozen_index_takes_no_keys():
    f = HIndex("i8", [1]).freeze()
    with pytest.raises(TypeError, match=r"takes no keys: give add=False, or use HIndex\(frozen\)"):
        f.encode([2], add=True)
    with pytest.raises(TypeError, match="cannot be called"):
        FrozenIndex("i8")


def test_a_closed_index_raises():
    f = HIndex(str, ["a"]).freeze()
    with f:
        pass
    assert f.closed
    calls = [
        lambda: len(f), lambda: "a" in f, lambda: f["a"], lambda: f.get("a"), lambda: f.key(0), lambda: f.encode(["a"]),
        lambda: f.decode([0]), lambda: f.labels(), lambda: list(f), lambda: hash(f), lambda: pickle.dumps(f),
        lambda: f.nbytes, f.check, f.__enter__, lambda: f == {"a": 0}, lambda: HIndex(f),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(ValueError, match="the index is closed: open its file again, or make it again"):
            call()
    assert repr(f) == "<FrozenIndex, closed>"


def test_a_subclass_of_a_frozen_index_keeps_its_class_and_attributes():
    class Shipped(FrozenIndex):
        pass

    globals()["Shipped"] = Shipped
    Shipped.__qualname__ = "Shipped"
    f = HIndex("i8", [5, 6]).freeze()
    shipped = Shipped._over(f._map, f._rows)
    shipped.note = 1
    other = pickle.loads(pickle.dumps(shipped))
    assert (type(other), other.note, list(other)) == (Shipped, 1, [5, 6])


def test_rows_that_repeat_a_text_cannot_ask_for_more_memory_than_there_is_text():
    f = HIndex(str, ["x" * 1000, *map(str, range(99))]).freeze()
    damaged = FrozenIndex._over(f._map, np.full(100, f._rows[0]))
    for read in (damaged.labels, lambda: damaged.labels("arrow"), lambda: HIndex(damaged)):
        with pytest.raises(CorruptMapError, match="no code leads to row"):
            read()


def test_a_damaged_pickle_of_a_frozen_index():
    f = HIndex("i8", [1, 2]).freeze()
    function, (cls, m, rows), *_ = f.__reduce__()
    for wrong in (rows[:1], rows.astype("i8"), rows.tolist(), rows.reshape(1, 2)):
        with pytest.raises(ValueError, match="the pickle is damaged"):
            function(cls, m, wrong)
    with pytest.raises(ValueError, match="the pickle is damaged, a HMap for a FrozenMap"):
        function(cls, HMap("i8", "i8"), rows)


def test_check_finds_damage():
    f = HIndex("i8", range(100)).freeze()
    rows = f._rows.copy()
    rows[[3, 7]] = rows[[7, 3]]
    damaged = FrozenIndex._over(f._map, rows)
    with pytest.raises(CorruptMapError, match="code 3 does not lead to its key"):
        damaged.check()


@pytest.mark.parametrize("damage", ["code", "tag", "prefix", "gap", "twice"])
def test_check_finds_a_damaged_table(damage):
    from pyhmap._inspect.codes import check

    state = HIndex("i8", range(300), seed=1)._state()
    buckets = state.buckets
    at = int(np.flatnonzero((buckets[:, 0] != 0) & (buckets[:, 1] != 0))[0])
    if damage == "code":
        buckets[at, 32:36] = 0
    elif damage == "tag":
        buckets[at, 0] ^= 2
    elif damage == "prefix":
        buckets[at, 10] ^= 1
    elif damage == "gap":
        buckets[at, [0]] = 0
        buckets[at, 32:36] = 0
    else:
        buckets[at, 36:40] = buckets[at, 32:36]
    with pytest.raises(CorruptMapError):
        check(state)


# ---- several threads


def test_threads_that_add_give_each_key_one_code():
    ix = HIndex("i8")
    keys = np.arange(60_000)
    found, barrier = {}, threading.Barrier(4)

    def add(seed):
        mine = np.random.default_rng(seed).permutation(keys)
        barrier.wait()
        codes = np.concatenate([ix.encode(batch) for batch in np.array_split(mine, 40)])
        found[seed] = codes[np.argsort(mine)]

    threads = [threading.Thread(target=add, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all((found[0] == found[seed]).all() for seed in range(4))
    assert sorted(found[0].tolist()) == keys.tolist()
    assert (ix.decode(found[0]) == keys).all()
    ix.check()


def test_readers_see_what_is_there_while_keys_are_added():
    ix = HIndex(str)
    stop, wrong = threading.Event(), []

    def read():
        while not stop.is_set():
            n = len(ix)
            codes = np.arange(n)
            keys = ix.decode(codes).tolist()
            if keys != [f"key number {i}" for i in range(n)] or (ix.encode(keys, add=False) != codes).any():
                wrong.append(n)
            if n and (
                ix.key(n - 1) != keys[-1] or ix[keys[0]] != 0 or list(itertools.islice(ix, min(n, 3))) != keys[:3]
            ):
                wrong.append(n)
            ix.labels()

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for start in range(0, 20_000, 700):
        ix.encode([f"key number {i}" for i in range(start, start + 700)])
    stop.set()
    for reader in readers:
        reader.join()
    assert wrong == []
    ix.check()


# ---- memory


def test_the_system_is_asked_for_what_is_held():
    ix = HIndex("i8", np.arange(100_000))
    assert sys.getsizeof(ix) >= ix.nbytes
    assert sys.getsizeof(HIndex(str, [f"key number {i}" for i in range(1000)])) > 1000 * (16 + 11)


def test_an_index_beside_a_map_that_numbers():
    """factorize() of a map gives the same codes; the index has the way back."""
    words = ["b", "a", "b", "c"]
    assert HIndex(str).encode(words).tolist() == HMap(str, np.int64).factorize(words).tolist()
