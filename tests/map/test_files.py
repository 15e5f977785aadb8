"""Files: what is saved is what is opened, by this package and by others, and how maps are closed."""

import gc
import hashlib
import multiprocessing
import os
import pickle
import sys
import threading

import numpy as np
import pytest

import pyhmap
from file_support import INDEXES, MAPS, header_in, put_codes, put_values, tensors_of
from kinds import KINDS, VALUE_KINDS
from pyhmap import FileFormatError, FrozenIndex, FrozenMap, FrozenSet, HIndex, HMap, HSet
from pyhmap._engine.memory import block_memory

maps = pytest.mark.parametrize("make", MAPS.values(), ids=MAPS)
indexes = pytest.mark.parametrize("make", INDEXES.values(), ids=INDEXES)
VERIFY = ["header", "structure", "lazy", "full"]
SAVED = [name for name, kind in KINDS.items() if kind.spec is not object]
VALUES = [name for name in VALUE_KINDS if name not in ("object", "longdouble")]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "saved.pyhmap"


def assert_same(f, g):
    """Two maps are equal in all that a caller sees, and in the order of their rows."""
    assert type(f) is type(g)
    assert (f.key_dtype, f.value_dtype, len(f)) == (g.key_dtype, g.value_dtype, len(g))
    keys, values = f.to_arrays()
    other_keys, other_values = g.to_arrays()
    assert keys.tobytes() == other_keys.tobytes() if keys.dtype != object else keys.tolist() == other_keys.tolist()
    assert values.dtype == other_values.dtype
    assert values.tobytes() == other_values.tobytes() if values.dtype != object else (values == other_values).all()
    assert f.positions(keys).tolist() == g.positions(keys).tolist() == list(range(len(f)))


# ---- saved and opened ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verify", VERIFY)
@pytest.mark.parametrize("prefetch", [None, "touch", "copy"])
@maps
def test_a_map_is_opened_as_it_was_saved(path, make, prefetch, verify):
    f = make()
    f.save(path)
    with pyhmap.open(path, verify=verify, prefetch=prefetch) as g:
        assert_same(f, g)
        assert dict(g) == dict(f)
        g.check()


@pytest.mark.parametrize("verify", VERIFY)
@pytest.mark.parametrize("prefetch", [None, "touch", "copy"])
@indexes
def test_an_index_is_opened_as_it_was_saved(path, make, prefetch, verify):
    f = make()
    f.save(path)
    with pyhmap.open(path, verify=verify, prefetch=prefetch) as g:
        assert type(g) is FrozenIndex
        assert (g.key_dtype, len(g)) == (f.key_dtype, len(f))
        assert list(g) == list(f)
        assert [g.key(code) for code in range(len(g))] == list(f)
        assert g.decode(np.arange(len(g)), to="list") == list(f)
        assert g.encode(list(f)).tolist() == list(range(len(f)))
        assert dict(g) == dict(zip(f, range(len(f)), strict=True))
        g.check()


@pytest.mark.parametrize("verify", ["structure", "lazy"])
@pytest.mark.parametrize("kind", SAVED)
def test_an_index_of_every_type(path, kind, verify):
    kind = KINDS[kind]
    labels = list(dict.fromkeys([*kind.keys, *kind.edge]))
    ix = HIndex(kind.spec, labels)
    ix.save(path)
    g = pyhmap.open(path, verify=verify)
    assert g.encode(kind.array(labels)).tolist() == list(range(len(labels)))
    assert g.decode(range(len(labels))).tolist() == kind.array(labels).tolist()
    assert list(g) == labels
    assert g == ix
    assert [g[key] for key in labels] == list(range(len(labels)))


@pytest.mark.parametrize("verify", ["structure", "lazy"])
@pytest.mark.parametrize("kind", SAVED)
def test_keys_of_every_type(path, kind, verify):
    kind = KINDS[kind]
    items = {key: position for position, key in enumerate([*kind.keys, *kind.edge])}
    m = HMap(kind.spec, np.int64, items)
    m.save(path)
    g = pyhmap.open(path, verify=verify)
    assert g == m == items
    assert [g[key] for key in items] == [m[key] for key in items]
    assert set(g) == set(m)


@pytest.mark.parametrize("kind", VALUES)
def test_values_of_every_type(path, kind):
    kind = VALUE_KINDS[kind]
    m = HMap(np.int64, kind.spec, dict(enumerate(kind.values)))
    m.save(path)
    g = pyhmap.open(path)
    assert g.value_dtype == m.value_dtype
    assert g == m
    assert [g[key] for key in range(len(kind.values))] == [m[key] for key in range(len(kind.values))]


def test_a_set(path):
    HSet(str, ["a", "b", "longer than twelve"]).save(path)
    with pyhmap.open(path) as s:
        assert type(s) is FrozenSet
        assert s == {"a", "b", "longer than twelve"}
    assert s.closed
    FrozenSet.from_array([1, 2]).save(path)
    assert pyhmap.open(path) == {1, 2}


@pytest.mark.parametrize("form", [os.fspath, os.fsencode, lambda path: path])
def test_names_of_every_type(path, form):
    HMap(int, int, {2: 4}).save(form(path))
    assert pyhmap.open(form(path)) == {2: 4}
    pyhmap.build_file([([3], [9])], form(path))
    assert pyhmap.open(form(path)) == {3: 9}
    path.write_bytes(b"no map")
    with pytest.raises(FileFormatError, match=f"^{path}: "):
        pyhmap.open(form(path))


def test_a_map_to_go_on_writing(path):
    HMap(int, int, {2: 4}).save(path)
    m = HMap(pyhmap.open(path))
    m[3] = 9
    m.save(path)  # while it may still be mapped
    assert pyhmap.open(path) == {2: 4, 3: 9}


def test_an_index_to_go_on_writing(path):
    HIndex(str, ["b", "a"]).save(path)
    ix = HIndex(pyhmap.open(path))
    assert ix.encode(["c", "a"]).tolist() == [2, 1]
    ix.save(path)  # while it may still be mapped
    assert pyhmap.open(path).labels(to="list") == ["b", "a", "c"]
    pyhmap.open(path).save(path)
    assert pyhmap.open(path).labels(to="list") == ["b", "a", "c"]


def test_a_map_is_saved_to_the_file_that_it_is_mapped_from(path):
    HMap(int, int, {2: 4}).save(path)
    f = pyhmap.open(path)
    f.save(path)
    assert f == pyhmap.open(path) == {2: 4}


@pytest.mark.parametrize("make", [MAPS["texts"], INDEXES["index of texts"]])
def test_equal_maps_of_one_seed_are_equal_files(path, tmp_path, make):
    for name in ("a", "b"):
        make().save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert header_in(tmp_path / "a").id == header_in(tmp_path / "b").id


def test_a_mapped_map_is_pickled_with_its_content(path):
    f = MAPS["texts"]()
    f.save(path)
    restored = pickle.loads(pickle.dumps(pyhmap.open(path)))
    path.unlink()
    assert_same(f, restored)


@indexes
def test_a_mapped_index_is_pickled_with_its_content(path, make):
    f = make()
    f.save(path)
    restored = pickle.loads(pickle.dumps(pyhmap.open(path)))
    path.unlink()
    assert restored == f
    assert list(restored) == list(f)
    restored.check()


def test_nothing_is_kept_in_memory_of_the_process(path):
    FrozenMap.from_arrays(np.arange(200_000), np.arange(200_000)).save(path)
    gc.collect()
    before = block_memory()
    f = pyhmap.open(path)
    assert f[199_999] == 199_999
    assert f.nbytes > 16 * 200_000
    assert f.__sizeof__() < 2000  # of the object itself
    assert block_memory()[1] - before[1] < 1000  # those of the map before it was filled


# ---- for other programs ----------------------------------------------------------------------------------------------


@maps
def test_the_file_is_one_of_safetensors(path, make):
    f = make()
    f.save(path)
    tensors = pytest.importorskip("safetensors.numpy").load(path.read_bytes())
    assert list(tensors["entries"].shape) == [len(f), f._stride]
    named = {"entries", "texts", "index", "checksums"}
    assert named <= set(tensors) <= named | {f"{name}.pad" for name in named}
    assert not any(tensors[name].any() for name in tensors if name.endswith(".pad"))


@indexes
def test_the_file_of_an_index_is_one_of_safetensors(path, make):
    f = make()
    f.save(path)
    tensors = pytest.importorskip("safetensors.numpy").load(path.read_bytes())
    assert list(tensors["entries"].shape[:1]) == [len(f)]
    assert list(tensors["rows"].shape) == [len(f), 4]
    named = {"entries", "texts", "index", "rows", "checksums"}
    assert named <= set(tensors) <= named | {f"{name}.pad" for name in named}
    assert not any(tensors[name].any() for name in tensors if name.endswith(".pad"))
    assert sorted(tensors["rows"].view("u4").ravel()) == list(range(len(f)))


def test_numpy_alone_reads_the_keys_of_an_index_in_the_order_of_the_codes(path):
    labels = np.random.default_rng(1).permutation(1000)
    HIndex("i8", labels).save(path)
    data = path.read_bytes()
    begin = 8 + int.from_bytes(data[:8], "little")
    first, end = tensors_of(data)["rows"]["data_offsets"]
    entries = np.memmap(path, [("key", "<i8"), ("code", "<i8")], "r", begin, (1000,))
    rows = np.memmap(path, "<u4", "r", begin + first, (1000,))
    assert end - first == rows.nbytes
    assert np.array_equal(entries["key"][rows], labels)
    assert np.array_equal(entries["code"][rows], np.arange(1000))


def test_numpy_alone_reads_keys_and_values(path):
    keys = np.random.default_rng(1).permutation(1000)
    FrozenMap.from_arrays(keys, keys * 0.5).save(path)
    data = path.read_bytes()
    begin, end = tensors_of(data)["entries"]["data_offsets"]
    rows = np.memmap(path, [("key", "<i8"), ("value", "<f8")], "r", 8 + int.from_bytes(data[:8], "little"), (1000,))
    assert (begin, end) == (0, rows.nbytes)
    assert np.array_equal(np.sort(rows["key"]), np.arange(1000))
    assert np.array_equal(rows["value"], rows["key"] * 0.5)


@pytest.mark.parametrize("make", [*MAPS.values(), *INDEXES.values()], ids=[*MAPS, *INDEXES])
def test_sections_begin_at_pages(path, make):
    make().save(path)
    header = header_in(path)
    assert all(begin % 4096 == 0 for begin, _ in header.sections().values())
    assert path.stat().st_size == header.file_bytes()


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.slow
def test_another_process_opens_it(path, method):
    HMap(str, int, {"a": 1, "long enough to be elsewhere": 2}).save(path)
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    process = context.Process(target=put_values, args=(path, queue))
    process.start()
    assert queue.get(timeout=60) == [1, 2]
    process.join()


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.slow
def test_other_processes_open_an_index(path, method):
    HIndex(str, ["b", "long enough to be elsewhere"]).save(path)
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    processes = [context.Process(target=put_codes, args=(path, queue)) for _ in range(3)]
    for process in processes:
        process.start()
    expected = ([0, -1], ["long enough to be elsewhere", "b"], "long enough to be elsewhere")
    assert [queue.get(timeout=60) for _ in processes] == [expected] * 3
    for process in processes:
        process.join()


# ---- closed ----------------------------------------------------------------------------------------------------------

READS = {
    "len": len,
    "get": lambda f: f.get(1),
    "[]": lambda f: f[1],
    "in": lambda f: 1 in f,
    "iter": iter,
    "items": lambda f: list(f.items()),
    "get_many": lambda f: f.get_many([1]),
    "get_many of none": lambda f: f.get_many([]),
    "lookup_many": lambda f: f.lookup_many([1]),
    "contains_many": lambda f: f.contains_many([1]),
    "positions": lambda f: f.positions([1]),
    "keys_array": lambda f: f.keys_array(),
    "values_array": lambda f: f.values_array(),
    "to_arrays": lambda f: f.to_arrays(),
    "top": lambda f: f.top(1),
    "most_common": lambda f: f.most_common(),
    "check": lambda f: f.check(),
    "nbytes": lambda f: f.nbytes,
    "hash": hash,
    "==": lambda f: f == {1: 1},
    "save": lambda f: f.save(os.devnull + "/x"),
    "with": lambda f: f.__enter__(),
    "pickle": lambda f: f.__reduce__(),
    "arrow": lambda f: f.__arrow_c_stream__(),
    "HMap": HMap,
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
@pytest.mark.parametrize("mapped", [True, False])
def test_a_closed_map_raises(path, mapped, read):
    f = HMap(int, int, {1: 1}).freeze()
    if mapped:
        f.save(path)
        f = pyhmap.open(path)
    f.close()
    f.close()
    assert f.closed
    assert repr(f) == "<FrozenMap, closed>"
    with pytest.raises(ValueError, match="the map is closed: open its file again"):
        read(f)


def test_a_closed_set_raises():
    s = HSet(int, [1]).freeze()
    s.close()
    assert repr(s) == "<FrozenSet, closed>"
    with pytest.raises(ValueError, match="the set is closed"):
        assert 1 in s


INDEX_READS = {
    "len": len,
    "get": lambda f: f.get("a"),
    "[]": lambda f: f["a"],
    "in": lambda f: "a" in f,
    "iter": iter,
    "items": lambda f: list(f.items()),
    "values": lambda f: list(f.values()),
    "encode": lambda f: f.encode(["a"]),
    "encode none": lambda f: f.encode([]),
    "key": lambda f: f.key(0),
    "key that none has": lambda f: f.key(7),
    "decode": lambda f: f.decode([0]),
    "decode none": lambda f: f.decode([]),
    "decode -1": lambda f: f.decode([-1], missing=None),
    "decode as arrow": lambda f: f.decode([0], to="arrow"),
    "labels": lambda f: f.labels(),
    "labels as strings": lambda f: f.labels(to="string"),
    "check": lambda f: f.check(),
    "nbytes": lambda f: f.nbytes,
    "hash": hash,
    "==": lambda f: f == {"a": 0},
    "== of an index": lambda f: f == HIndex(str, ["a"]),
    "other ==": lambda f: HIndex(str, ["a"]) == f,
    "save": lambda f: f.save(os.devnull + "/x"),
    "with": lambda f: f.__enter__(),
    "pickle": lambda f: f.__reduce__(),
    "HIndex": HIndex,
    "merge": lambda f: HIndex(str).merge(f),
}


@pytest.mark.parametrize("read", INDEX_READS.values(), ids=INDEX_READS)
@pytest.mark.parametrize("mapped", [True, False])
def test_a_closed_index_raises(path, mapped, read):
    f = HIndex(str, ["a"]).freeze()
    if mapped:
        f.save(path)
        f = pyhmap.open(path)
    with f:
        read_of_an_open_one = f.key(0)
    f.close()
    assert (f.closed, read_of_an_open_one) == (True, "a")
    assert repr(f) == "<FrozenIndex, closed>"
    with pytest.raises(ValueError, match="the index is closed: open its file again"):
        read(f)


def test_an_index_is_closed_by_its_own_code(path):
    class Code:
        def __index__(self):
            f.close()
            return 0

    HIndex(str, ["a"]).save(path)
    f = pyhmap.open(path)
    with pytest.raises(ValueError, match="closed"):
        f.key(Code())


@pytest.mark.parametrize("make", ["index of ints", "index of texts"])
def test_an_index_is_closed_while_other_threads_read(path, make):
    INDEXES[make]().save(path)
    labels = INDEXES[make]().labels(to="list")
    codes = np.tile(np.arange(len(labels)), 40)
    wanted = pyhmap.open(path).decode(codes)
    outcomes = []

    def decode(g):
        return (g.decode(codes) == wanted).all()

    def keys(g):
        return [g.key(code) for code in range(len(labels))] == labels

    def iterate(g):
        return list(g) == labels

    def read(call, g):
        while True:
            try:
                outcomes.append(bool(call(g)))
            except ValueError as error:
                outcomes.append(str(error))
                return
            except BaseException as error:
                outcomes.append(error)
                raise

    for _ in range(5):
        g = pyhmap.open(path)
        threads = [threading.Thread(target=read, args=(call, g)) for call in (decode, keys, iterate)]
        for thread in threads:
            thread.start()
        g.decode(codes)
        g.close()
        for thread in threads:
            thread.join()
    assert outcomes.count("the index is closed: open its file again, or make it again") == 15
    assert set(outcomes) <= {True, "the index is closed: open its file again, or make it again"}


def test_a_map_is_closed_between_two_steps_of_an_iterator(path):
    MAPS["texts"]().save(path)
    f = pyhmap.open(path)
    iterator = iter(f.items())
    next(iterator)
    f.close()
    with pytest.raises(ValueError, match="closed"):
        next(iterator)


def test_an_index_is_closed_between_two_steps_of_an_iterator(path):
    HIndex("i8", [3, 1, 2]).save(path)
    f = pyhmap.open(path)
    iterator = iter(f)
    assert next(iterator) == 3
    f.close()
    with pytest.raises(ValueError, match="closed"):
        next(iterator)


@pytest.mark.parametrize("read", [lambda f, key: f[key], lambda f, key: f.get_many([key]), lambda f, key: key in f])
def test_a_map_is_closed_by_its_own_key(path, read):
    class Key:
        def __index__(self):
            f.close()
            return 1

    HMap(int, int, {1: 1}).save(path)
    f = pyhmap.open(path)
    with pytest.raises(ValueError, match="closed"):
        read(f, Key())


@pytest.mark.parametrize("make", ["ints", "texts"])
def test_a_map_is_closed_while_other_threads_read(path, make):
    f = MAPS[make]()
    f.save(path)
    keys, values = f.to_arrays()
    many = np.tile(keys, 40)
    wanted = np.tile(values, 40)
    outcomes = []

    def read(g):
        while True:
            try:
                outcomes.append(bool((g.get_many(many) == wanted).all()))
            except ValueError as error:
                outcomes.append(str(error))
                return

    for _ in range(5):
        g = pyhmap.open(path)
        threads = [threading.Thread(target=read, args=(g,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        g.get_many(many)
        g.close()
        for thread in threads:
            thread.join()
    assert outcomes.count("the map is closed: open its file again, or make it again") == 15
    assert False not in outcomes


@pytest.mark.parametrize(
    ("made", "copied"),
    [(lambda: HMap("i8", "i8", {1: 1}), lambda f: f.keys_array()), (lambda: HIndex("i8", [1]), lambda f: f.labels())],
)
def test_the_file_is_given_up_when_the_map_is_closed(path, made, copied):
    def mapped():
        with open("/proc/self/maps") as maps:
            return sum(str(path) in line for line in maps)

    made().save(path)
    f = pyhmap.open(path)
    keys = copied(f)  # a copy: it keeps nothing
    assert mapped() == 1
    f.close()
    assert mapped() == 0
    assert keys.tolist() == [1]


# ---- arguments -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"verify": "none"}, "verify='none': give one of 'header', 'structure', 'lazy', 'full'"),
        ({"prefetch": "all"}, "prefetch='all': give one of None, 'touch', 'copy'"),
        ({"sha256": "12"}, "sha256='12': give 64 hexadecimal digits"),
    ],
)
def test_other_arguments_are_refused(path, arguments, message):
    HMap(int, int).save(path)
    with pytest.raises(ValueError, match=message):
        pyhmap.open(path, **arguments)


@pytest.mark.parametrize(
    ("a", "b"), [(HMap(int, int, {1: 2}), HMap(int, int, {1: 3})), (HIndex(int, [1]), HIndex(int, [2]))]
)
def test_the_sha256_of_a_file(path, a, b):
    a.save(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert pyhmap.open(path, sha256=digest.upper()) == a
    b.save(path)
    with pytest.raises(FileFormatError, match=f"not {digest}: it is another file"):
        pyhmap.open(path, sha256=digest)


def test_types_that_other_machines_do_not_have_are_refused(path):
    with pytest.raises(TypeError, match=r"items of dtype (longdouble|float128) cannot be saved"):
        HMap(int, np.longdouble, {1: 1}).save(path)
    with pytest.raises(TypeError, match="items of 2,000,000 bytes cannot be saved: at most 1,048,576 bytes"):
        HMap(int, "V2000000").save(path)
    with pytest.raises(TypeError, match="items of 2,000,000 bytes cannot be saved: at most 1,048,576 bytes"):
        HIndex("V2000000").save(path)
    assert not path.exists()
    assert os.listdir(path.parent) == []


def test_objects_are_refused(path):
    with pytest.raises(TypeError, match="object"):
        HMap(object, int).save(path)
    assert os.listdir(path.parent) == []


@pytest.mark.parametrize("make", [lambda: HMap(int, int, {1: 2}), lambda: HSet(int, [1]), lambda: HIndex(int, [1])])
def test_progress(path, make):
    parts = []
    make().save(path, progress=parts.append)
    assert parts == sorted(parts)
    assert parts[-1] == 1.0
    with pytest.raises(TypeError, match="progress=5"):
        make().save(path, progress=5)
    with pytest.raises(TypeError, match="progress=5"):
        make().freeze().save(path, progress=5)


def test_opening_gives_up_no_reference_to_none(tmp_path):
    """NumPy asks for memory that can be written first, and is refused."""
    path = tmp_path / "f"
    HMap(str, str, {"a": "b" * 50}).save(path)
    before = sys.getrefcount(None)
    for _ in range(1000):
        pyhmap.open(path, verify="full")
    assert sys.getrefcount(None) > before - 500
