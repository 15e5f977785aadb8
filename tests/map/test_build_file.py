"""build_file: the file has the items of all batches, however many units they are divided into; and whatever fails,
nothing has changed."""

import os
import resource
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import pyhmap
from file_support import header_in
from kinds import KINDS, VALUE_KINDS
from pyhmap import FileFormatError, HMap, build_file
from pyhmap._file import build

KEYS = [name for name, kind in KINDS.items() if kind.spec is not object]
VALUES = [name for name in VALUE_KINDS if name not in ("object", "longdouble")]
SMALL = 4000  # bytes of memory: a unit has some hundred rows


@pytest.fixture
def path(tmp_path):
    return tmp_path / "built.pyhmap"


def cut(keys, values, size):
    """Batches of so many rows."""
    for at in range(0, len(keys), size):
        yield keys[at : at + size], values[at : at + size]


def assert_holds(path, items):
    """The file is right, and has these items and no others."""
    with pyhmap.open(path, verify="full") as f:
        assert len(f) == len(items)
        assert dict(f) == items
        assert [f[key] for key in items] == list(items.values())
        assert f.positions(f.keys_array()).tolist() == list(range(len(f)))
    assert os.listdir(path.parent) == [path.name]


# ---- what is built is what the batches had ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KEYS)
def test_keys_of_every_type(path, kind):
    kind = KINDS[kind]
    keys = list(dict.fromkeys([*map(kind.make, range(kind.count)), *kind.edge]))
    build_file(cut(kind.array(keys), np.arange(len(keys)), 70), path, memory=SMALL)
    with pyhmap.open(path) as f:
        assert f.key_dtype == HMap(kind.spec, int).key_dtype or f.key_dtype in (str, bytes)
    assert header_in(path).shape[1] > 2 or kind.count < 500
    assert_holds(path, {key: position for position, key in enumerate(keys)})


@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize("key", ["int32", "int64", "str"])
def test_values_of_every_type(path, key, kind):
    key, kind = KINDS[key], VALUE_KINDS[kind]
    keys = [key.make(i) for i in range(1500)]
    values = [kind.values[i % len(kind.values)] for i in range(1500)]
    build_file(cut(key.array(keys), kind.array(values), 200), path, memory=SMALL)
    assert header_in(path).shape[1] > 2
    assert_holds(path, HMap(key.spec, kind.spec, zip(keys, values, strict=True)))


@pytest.mark.parametrize("memory", [60_000, 700_000, "2GB"])
@pytest.mark.parametrize("size", [1000, 99_999, 10**6])
def test_any_number_of_parts_and_of_units(path, memory, size):
    keys = np.random.default_rng(size).permutation(150_000)
    build_file(cut(keys, keys * 0.5, size), path, memory=memory)
    with pyhmap.open(path, verify="full") as f:
        assert np.array_equal(np.sort(f.keys_array()), np.arange(150_000))
        assert np.array_equal(f.get_many(keys), keys * 0.5)
        assert not f.contains_many(keys + 150_000).any()


@pytest.mark.parametrize("n", [0, 1, 2, 3, 5, 17, 64, 65, 300])
def test_few_keys(path, n):
    for seed in range(10):
        build_file([(np.arange(n), np.arange(n) * 2)], path, seed=seed)
        assert_holds(path, {i: 2 * i for i in range(n)})


def test_rows_behind_the_rows_of_all_units(path):
    """As many parts as units, and a few keys each: many slots are behind the rows, in the parts of several units."""
    keys = np.arange(3000)
    texts = [f"{key}, " * (key % 60) for key in range(3000)]
    build_file(cut(keys, texts, 500), path, memory=1)
    count, parts, slots, _ = header_in(path).shape
    assert parts == 32
    assert count // slots < parts - 4
    assert_holds(path, dict(enumerate(texts)))


def test_texts_longer_than_any_buffer(path):
    items = {f"{i}" * (i * 37 % 4001): b"." * (i * 53 % 9001) for i in range(1, 800)}
    build_file(cut(list(items), list(items.values()), 100), path, memory=50_000)
    assert_holds(path, items)
    one = {"key" * 10**6: "value" * 10**6, "": "short"}
    build_file([(list(one), list(one.values()))], path, memory=SMALL)
    assert_holds(path, one)


def test_more_units_than_partitions(path, monkeypatch):
    monkeypatch.setattr(build, "PARTITIONS", 2)
    items = {i: f"a longer text, {i}" for i in range(2000)}
    build_file(cut(list(items), list(items.values()), 300), path, memory=SMALL)
    assert header_in(path).shape[1] > 2
    assert_holds(path, items)


def test_batches_of_every_kind(path):
    pl = pytest.importorskip("polars")
    items = {f"key number {i}": i / 2 for i in range(60)}
    pieces = [(list(items)[at : at + 10], list(items.values())[at : at + 10]) for at in range(0, 60, 10)]
    (record, table, frame, polars, pair, lazy) = pieces
    batches = [
        pa.record_batch({"a": record[0], "b": record[1]}),
        pa.table({"a": table[0], "b": table[1]}),
        pd.DataFrame({"a": frame[0], "b": frame[1]}),
        pl.DataFrame({"a": polars[0], "b": polars[1]}),
        [pa.array(pair[0]), pa.chunked_array([pair[1][:3], pair[1][3:]])],
        (iter(lazy[0]), iter(lazy[1])),
        ([], []),
    ]
    build_file(batches, path)
    assert_holds(path, items)
    build_file(pa.table({"a": list(items), "b": list(items.values())}).to_batches(max_chunksize=7), path)
    assert_holds(path, items)


def test_the_first_batch_with_rows_decides_the_types(path):
    build_file([(np.empty(0), np.empty(0)), (np.array([1], "i4"), ["a"]), ([2], ["b"])], path)
    with pyhmap.open(path) as f:
        assert (f.key_dtype, f.value_dtype) == (np.dtype("i4"), str)
    assert_holds(path, {1: "a", 2: "b"})
    build_file([(np.empty(0, "i2"), np.empty(0, "S3"))], path)
    with pyhmap.open(path) as f:
        assert (len(f), f.key_dtype, f.value_dtype) == (0, np.dtype("i2"), bytes)


def test_nan_and_zeros_are_one_key(path):
    build_file([([0.0, float("nan")], [1, 2])], path)
    with pyhmap.open(path) as f:
        assert f[-0.0] == 1
        assert f[np.float64(-np.nan)] == 2
    with pytest.raises(ValueError, match=r"the key nan comes twice"):
        build_file([([np.nan], [1]), ([-np.nan], [2])], path)


def test_a_seed_gives_the_same_file_again(path):
    files = []
    for seed in (1, 1, 2):
        build_file(cut(np.arange(5000), np.arange(5000), 999), path, memory=SMALL, seed=seed)
        files.append(path.read_bytes())
    assert files[0] == files[1] != files[2]


def test_padding_is_zero(path):
    """Records of different sizes share a buffer, so what becomes padding may have been text before."""
    keys = [f"{key}" * (1 + key % 17) for key in range(2000)]
    build_file(cut(keys, np.full(2000, b"\xff" * 5, "V5"), 100), path, memory=SMALL)
    begin, end = header_in(path).sections()["entries"]
    rows = np.frombuffer(path.read_bytes()[begin:end], np.uint8).reshape(2000, 24)
    assert (rows[:, 16:21] == 0xFF).all()
    assert not rows[:, 21:].any()


# ---- equal keys ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("memory", [SMALL, "1GB"])
@pytest.mark.parametrize(
    ("make", "shown"), [(int, "1234"), (lambda i: f"key number {i}", "'key number 1234'"), (np.int32, "1234")]
)
@pytest.mark.parametrize("across", [False, True])
def test_a_key_that_comes_twice_is_named(path, across, make, shown, memory):
    path.write_bytes(b"old")
    keys = list(map(make, range(3000)))
    keys.insert(2900 if across else 1235, make(1234))
    with pytest.raises(ValueError, match=f"^the key {shown} comes twice: give each key once, or on_duplicate='last'$"):
        build_file(cut(keys, keys, 500), path, memory=memory)
    assert_nothing_changed(path)


@pytest.mark.parametrize("memory", [SMALL, 100_000, "1GB"])
@pytest.mark.parametrize("make", [int, lambda i: f"key number {i}", lambda i: f"{i}", np.int32])
def test_the_last_value_counts(path, make, memory):
    drawn = np.random.default_rng(1).integers(0, 2000, 9000).tolist()
    keys, values = list(map(make, drawn)), [f"value {i}" * (i % 4) for i in range(9000)]
    build_file(cut(keys, values, 700), path, memory=memory, on_duplicate="last")
    assert_holds(path, dict(zip(keys, values, strict=True)))


@pytest.mark.parametrize("on_duplicate", ["raise", "last"])
def test_one_key_makes_up_most_rows(path, on_duplicate):
    keys = [f"{0 if i % 3 else i}, a text" for i in range(30_000)]
    call = lambda: build_file(  # noqa: E731
        cut(keys, np.arange(30_000), 999), path, memory=100_000, on_duplicate=on_duplicate
    )
    if on_duplicate == "last":
        call()
        assert_holds(path, {key: i for i, key in enumerate(keys)})
    else:
        with pytest.raises(ValueError, match="the key '0, a text' comes twice"):
            call()
        assert os.listdir(path.parent) == []


# ---- hash keys that do not work --------------------------------------------------------------------------------------


def test_another_hash_key_is_drawn(path, monkeypatch):
    drawn = []
    again = build.Building.spill_again
    monkeypatch.setattr(build.Building, "spill_again", lambda self, n: [drawn.append(n), again(self, n)])
    for seed in range(40):
        build_file([(["a", "b", "c"], ["x", "y" * 20, "z"])], path, seed=seed)
        assert_holds(path, {"a": "x", "b": "y" * 20, "c": "z"})
    assert drawn


@pytest.mark.parametrize("on_duplicate", ["raise", "last"])
def test_another_hash_key_is_drawn_when_rows_are_written_already(path, monkeypatch, on_duplicate):
    built, failed = build.Attempt.built, []

    def fails_once(self, first, last):
        for i, parts in enumerate(built(self, first, last)):
            if i == 2 and first == 0 and not failed:
                failed.append(self.parts.hash_key)
                raise build._Redraw
            yield parts

    monkeypatch.setattr(build.Attempt, "built", fails_once)
    items = {i: f"a longer text, {i}" for i in range(3000)}
    batches = cut([*items, 5], [*items.values(), "a longer text, 5"], 300)
    build_file(batches if on_duplicate == "last" else cut(list(items), list(items.values()), 300), path, memory=SMALL,
               on_duplicate=on_duplicate)  # fmt: skip
    assert len(failed) == 1
    assert failed[0] != header_in(path).hash_key
    assert_holds(path, items)


# ---- what is refused -------------------------------------------------------------------------------------------------


def assert_nothing_changed(path):
    assert path.read_bytes() == b"old"
    assert os.listdir(path.parent) == [path.name]


GOOD = (np.arange(3), np.arange(3) * 0.5)


@pytest.mark.parametrize(
    ("batch", "error", "message"),
    [
        (([5, "a"], [1.0, 2.0]), TypeError, r"batch 2: keys\[1\]: key 'a' is of type str; this map holds int64"),
        (([5, 2**63], [1.0, 2.0]), OverflowError, r"batch 2: keys\[1\]: .* outside int64"),
        (([5, 6], ["a", "b"]), TypeError, r"batch 2: values\[0\]: .*this map holds float64"),
        (([5, 6], [1.0]), ValueError, "batch 2: 2 keys but 1 values"),
        (pa.record_batch({"a": [5, None], "b": [1.0, 2.0]}), ValueError, r"batch 2: keys\[1\] is null"),
        (([5],), TypeError, r"batch 2: it has 1 items: give a pair \(keys, values\), or a record batch of two columns"),
        (5, TypeError, "batch 2: it is of type int: give a pair"),
        ({1: 2.0}, TypeError, "batch 2: it is of type dict: give a pair"),
        (pa.array([1, 2]), TypeError, "batch 2: it is of type Int64Array: give a pair"),
        (pa.record_batch({"a": [5], "b": [1.0], "c": [1]}), TypeError, "batch 2: it has 3 items: give a pair"),
    ],
)
def test_a_batch_that_does_not_fit_is_named(path, batch, error, message):
    path.write_bytes(b"old")
    with pytest.raises(error, match=f"^{message}"):
        build_file([GOOD, GOOD, batch], path)
    assert_nothing_changed(path)


@pytest.mark.parametrize(
    ("batches", "error", "message"),
    [
        ([], ValueError, "there is no batch, so the types are not known: give one"),
        ([([], [])], TypeError, "batch 0: there is no key to infer a type from"),
        ([([object()], [1])], TypeError, "keys of type object cannot be frozen"),
        ([([1], np.zeros(1, "g"))], TypeError, "items of dtype longdouble|items of dtype float128"),
        (5, TypeError, "not iterable"),
    ],
)
def test_what_has_no_types(path, batches, error, message):
    path.write_bytes(b"old")
    with pytest.raises(error, match=message):
        build_file(batches, path)
    assert_nothing_changed(path)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"memory": 0}, ValueError, "memory=0: give a number of bytes from 1 on, or a text such as '500MB' or '2GB'"),
        ({"memory": "2 gigabytes"}, ValueError, "memory='2 gigabytes': give"),
        ({"memory": 1e9}, ValueError, "memory=1000000000.0: give"),
        ({"memory": None}, ValueError, "memory=None: give"),
        ({"on_duplicate": "first"}, ValueError, "on_duplicate='first': give 'raise' or 'last'"),
        ({"progress": 5}, TypeError, "progress=5: give a function"),
        ({"seed": "a"}, TypeError, "seed='a': give an int"),
    ],
)
def test_arguments(path, arguments, error, message):
    path.write_bytes(b"old")
    with pytest.raises(error, match=f"^{message}"):
        build_file([GOOD], path, **arguments)
    assert_nothing_changed(path)


@pytest.mark.parametrize(
    ("text", "size"),
    [("2GB", 2 * 10**9), ("500 MB", 5 * 10**8), ("1.5GiB", 3 << 29), ("4kib", 4096), ("77", 77), (np.int64(5), 5)],
)
def test_how_memory_is_written(text, size):
    assert build.bytes_of(text) == size


def test_where_no_file_can_be(tmp_path):
    def batches():
        pytest.fail("a batch was taken")
        yield

    with pytest.raises(FileNotFoundError):
        build_file(batches(), tmp_path / "missing" / "f.pyhmap")
    with pytest.raises(IsADirectoryError):
        build_file(batches(), tmp_path)


# ---- whatever fails --------------------------------------------------------------------------------------------------


def rows(n=20):
    for i in range(n):
        keys = np.arange(i * 1000, (i + 1) * 1000)
        yield keys, [f"the value of {key}" for key in keys]


@pytest.mark.parametrize("error", [ZeroDivisionError("no"), KeyboardInterrupt(), ValueError("of the caller")])
@pytest.mark.parametrize("in_batches", [False, True])
def test_whatever_fails_nothing_has_changed(path, in_batches, error):
    path.write_bytes(b"old")

    def failing():
        yield from rows()
        if in_batches:
            raise error

    def stop(part):
        if part > 0.7:
            raise error

    with pytest.raises(type(error)) as caught:
        build_file(failing(), path, memory=100_000, progress=stop)
    assert caught.value is error
    assert_nothing_changed(path)


@pytest.mark.parametrize("at", [0.0, 0.4, 0.9])
def test_an_interrupt(path, at, interruptible):
    path.write_bytes(b"old")

    def interrupt(part):
        if part >= at:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        build_file(rows(), path, memory=100_000, progress=interrupt)
    assert_nothing_changed(path)


@pytest.mark.parametrize("limit", [0, 4096, 300_000, 1_000_000, 1_400_000])
def test_a_full_disk(path, limit):
    path.write_bytes(b"old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            build_file(((np.arange(i, i + 1000), np.arange(1000)) for i in range(0, 100_000, 1000)), path, memory=10**6)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert_nothing_changed(path)


def test_keys_that_another_thread_changes_after_they_were_hashed(path, monkeypatch):
    """The bytes of a long text are copied after they were hashed. A key that changes is noticed if its new hash leads
    to another part."""
    read = build.Spill.records

    def changed(self, partitions):
        for records in read(self, partitions):
            yield np.where(records == ord("%"), ord("&"), records).astype(np.uint8)

    monkeypatch.setattr(build.Spill, "records", changed)
    keys = [f"{'%' if i % 10 == 0 else '.'} a text of more bytes, {i}" for i in range(3000)]
    with pytest.raises(RuntimeError, match="another thread changed the arrays while they were read"):
        build_file(cut(keys, keys, 1000), path, memory=SMALL)
    assert os.listdir(path.parent) == []


def test_progress(path):
    seen = []
    build_file(rows(), path, memory=100_000, progress=seen.append)
    assert len(seen) > 20
    assert seen == sorted(seen)
    assert 0 < seen[0] < 0.1
    assert seen[-1] == 1.0
    assert_holds(path, {int(key): value for keys, values in rows() for key, value in zip(keys, values, strict=True)})


def test_a_file_that_is_replaced_while_it_is_open(path):
    build_file([([1], [2])], path)
    with pyhmap.open(path) as f:
        build_file([([3], [4])], path)
        assert dict(f) == {1: 2}
    assert_holds(path, {3: 4})
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(FileFormatError):
        pyhmap.open(path)


# ---- memory ----------------------------------------------------------------------------------------------------------

MEASURED = """
    import re, sys
    from pathlib import Path
    import numpy as np
    import pyhmap

    def batches(n):
        for at in range(0, n, 10_000):
            keys = np.arange(at, at + 10_000)
            yield keys * 7, {values}

    def peak():
        return 1024 * int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])

    pyhmap.build_file(batches(20_000), sys.argv[1], memory=1000, on_duplicate={on_duplicate!r})
    before = peak()
    pyhmap.build_file(batches({n}), sys.argv[1], memory={memory}, on_duplicate={on_duplicate!r})
    print(peak() - before)
"""


@pytest.mark.parametrize(
    ("values", "n", "size"),
    [("keys", 4_000_000, 16), ('np.char.add(keys.astype("S"), b"." * 60)', 700_000, 90)],
    ids=["ints", "texts"],
)
@pytest.mark.parametrize("on_duplicate", ["raise", "last"])
@pytest.mark.slow
@pytest.mark.release_only
def test_memory_is_bounded(path, on_duplicate, values, n, size):
    memory = 12_000_000
    program = textwrap.dedent(MEASURED.format(values=values, n=n, memory=memory, on_duplicate=on_duplicate))
    found = subprocess.run([sys.executable, "-P", "-c", program, path], capture_output=True, text=True, check=True)
    assert n * size > 4 * memory  # without a bound it would take more
    assert int(found.stdout) < memory + (
        2 << 20
    )  # some megabytes, as docs/files.md says: of the interpreter, the batch
    with pyhmap.open(path) as f:
        assert len(f) == n
