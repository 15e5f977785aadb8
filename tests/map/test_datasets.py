"""Datasets: what is built is what the batches had, whatever stops a build; and what is read is what was built.

The contract of all reads runs over datasets in the tests that are marked ``frozen_too``.
"""

import json
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import pyhmap
from kinds import KINDS
from pyhmap import FileFormatError, HMap, build_dataset, open_dataset
from pyhmap._engine.parted import PartedEngine
from pyhmap._file import dataset, fetch, manifest, read
from pyhmap._file.parts import MANIFEST, MOST
from pyhmap._inspect.hashes import hash_words, siphash13_many
from pyhmap._release import VERSION
from pyhmap.errors import CorruptMapError

KEYS = [name for name, kind in KINDS.items() if kind.spec is not object]
SMALL = 100_000  # bytes of memory
N = 5000


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "dataset"


def batches(factor=1, n=N, fail_at=None):
    for start in range(0, n, 500):
        if start == fail_at:
            raise ZeroDivisionError("of the caller")
        keys = np.arange(start, start + 500)
        yield keys, keys * factor


def built(folder, factor=1, **options):
    build_dataset(batches(factor), folder, **{"partitions": 6, "memory": SMALL, "seed": 1} | options)


def assert_is_whole(folder, factor=1, n=N):
    """The dataset has these items and no others, and the folder no other files."""
    with open_dataset(folder, verify="full") as ds:
        ds.check()
        assert dict(ds) == {key: key * factor for key in range(n)}
        named = {part.file for part in ds._manifest.parts}
    assert set(os.listdir(folder)) == named | {MANIFEST}


# ---- the partition of a key ------------------------------------------------------------------------------------------


def reduced(hashes, partitions):
    return [int(h >> np.uint64(32)) * partitions >> 32 for h in np.asarray(hashes, np.uint64)]


def partitions_of(keys, spec, partitions):
    engine = PartedEngine()
    engine._begin(spec, np.int64, partitions)
    return engine.partitions_of(keys).tolist()


@pytest.mark.parametrize("partitions", [1, 2, 7, 64, 4096])
@pytest.mark.parametrize("spec", ["i8", "u4", "f8", "M8[s]"])
def test_the_partition_of_a_word_is_that_of_its_hash(spec, partitions):
    keys = np.arange(-500, 500).astype(spec)
    words = keys.view(f"u{keys.dtype.itemsize}").astype(np.uint64)
    expected = reduced(hash_words(words, manifest.PARTITION_KEY), partitions)
    assert partitions_of(keys, spec, partitions) == expected
    assert partitions == 1 or len(set(expected)) > 1


@pytest.mark.parametrize("partitions", [1, 7, 4096])
def test_the_partition_of_a_text_is_that_of_its_hash(partitions):
    keys = ["", "a", "ключ", "a text of more than twelve bytes", "\0", *map(str, range(500))]
    hashes = siphash13_many([key.encode() for key in keys], *manifest.PARTITION_KEY[:2])
    assert partitions_of(keys, str, partitions) == reduced(hashes, partitions)


def test_vectors():
    """Of docs/format.md: what every later version and every other reader must compute."""
    key = np.array(manifest.PARTITION_KEY, np.uint64)
    assert [f"{word:016x}" for word in key.tolist()] == [
        "243f6a8885a308d3", "13198a2e03707345", "a4093822299f31d1", "082efa98ec4e6c89",
    ]  # fmt: skip
    words = np.array([0, 1, 2**32, 2**64 - 1], np.uint64)
    assert reduced(hash_words(words, manifest.PARTITION_KEY), 64) == VECTORS["words"]
    texts = [b"", b"a", b"pyhmap", b"a text of more than twelve bytes"]
    assert reduced(siphash13_many(texts, *manifest.PARTITION_KEY[:2]), 64) == VECTORS["texts"]


VECTORS = {"words": [47, 62, 58, 35], "texts": [55, 15, 15, 8]}

# ---- building --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KEYS)
def test_keys_of_every_type(folder, kind):
    kind = KINDS[kind]
    keys = list(dict.fromkeys([*map(kind.make, range(kind.count)), *kind.edge]))
    array = kind.array(keys)
    build_dataset(
        [(array[:70], np.arange(len(keys))[:70]), (array[70:], np.arange(len(keys))[70:])], folder, partitions=5
    )
    with open_dataset(folder) as ds:
        ds.check()
        assert len(ds) == len(keys)
        assert dict(ds) == {key: at for at, key in enumerate(keys)}
        assert ds.get_many(array).tolist() == [ds[key] for key in keys] == list(range(len(keys)))


@pytest.mark.parametrize("partitions", [1, 2, 63, 300])
def test_any_number_of_partitions(folder, partitions):
    built(folder, partitions=partitions)
    assert_is_whole(folder)
    assert open_dataset(folder).partitions == partitions


@pytest.mark.parametrize("partitions", [0, -1, 4097, 2.0, "8", None, True])
def test_a_number_of_partitions_that_is_refused(folder, partitions):
    with pytest.raises(ValueError, match="give a whole number from 1 to 4,096"):
        built(folder, partitions=partitions)


def test_a_dataset_without_rows(folder):
    build_dataset([(np.empty(0, "i4"), np.empty(0, "f4"))], folder, partitions=3)
    ds = open_dataset(folder)
    assert (len(ds), list(ds), ds == {}) == (0, [], True)
    assert ds.get_many([1, 2], 0.5).tolist() == [0.5, 0.5]
    assert (ds.keys_array().dtype, ds.values_array().dtype) == (np.dtype("i4"), np.dtype("f4"))
    ds.check()


def test_long_texts_of_more_than_the_memory(folder):
    keys = [f"a key of more than twelve bytes, {i}" for i in range(N)]
    values = [f"its value: {i}" * (i % 7) for i in range(N)]
    build_dataset([(keys, values)], folder, partitions=3, memory=20_000)
    ds = open_dataset(folder)
    assert dict(ds) == dict(zip(keys, values, strict=True))
    table = pa.table(ds)
    assert dict(zip(table["key"].to_pylist(), table["value"].to_pylist(), strict=True)) == dict(ds)
    assert dict(zip(*map(list, ds.to_arrays()), strict=True)) == dict(ds)


def test_equal_keys(folder):
    twice = [([1, 2, 3], [10, 20, 30]), ([4, 2], [40, 21])]
    with pytest.raises(ValueError, match="the key 2 comes twice: give each key once, or on_duplicate='last'"):
        build_dataset(twice, folder)
    with pytest.raises(FileNotFoundError):
        open_dataset(folder)
    build_dataset(twice, folder, on_duplicate="last")
    assert dict(open_dataset(folder)) == {1: 10, 2: 21, 3: 30, 4: 40}
    with pytest.raises(ValueError, match="give 'raise' or 'last'"):
        build_dataset(twice, folder, on_duplicate="first")


def test_a_null_is_named_with_its_batch(folder):
    with pytest.raises(ValueError, match=r"batch 1: keys\[1\] is null"):
        build_dataset([([1], [1]), (pa.array([2, None]), [1, 2])], folder)
    with pytest.raises(ValueError, match="there is no batch"):
        build_dataset([], folder)


def test_a_seed_makes_the_files_the_same(tmp_path):
    for name in "ab":
        built(tmp_path / name)
    built(tmp_path / "c", seed=2)
    ids = [open_dataset(tmp_path / name).id for name in "abc"]
    assert ids[0] == ids[1] != ids[2]


def test_progress(folder):
    seen = []
    built(folder, progress=seen.append)
    assert len(seen) > 12
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    with pytest.raises(TypeError, match="give a function"):
        built(folder, progress=1)


# ---- what stops a build ----------------------------------------------------------------------------------------------


def stopping(at, error):
    def progress(part):
        if part >= at:
            raise error

    return progress


@pytest.mark.parametrize("at", [0.1, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("error", [ZeroDivisionError("no"), KeyboardInterrupt()])
def test_a_build_that_stops_leaves_the_old_dataset(folder, at, error):
    built(folder)
    with pytest.raises(type(error)) as caught:
        built(folder, 2, progress=stopping(at, error))
    assert caught.value is error
    with open_dataset(folder) as ds:
        assert dict(ds) == ({key: key for key in range(N)} if at < 1 else {key: 2 * key for key in range(N)})
    built(folder, 2)
    assert_is_whole(folder, 2)


def test_batches_that_fail_leave_the_old_dataset(folder):
    built(folder)
    with pytest.raises(ZeroDivisionError):
        build_dataset(batches(2, fail_at=2000), folder)
    assert_is_whole(folder)


def test_what_is_done_is_not_done_again(folder, monkeypatch):
    with pytest.raises(ZeroDivisionError):
        built(folder, progress=stopping(0.5, ZeroDivisionError()))
    done = {name: os.stat(folder / name).st_ino for name in os.listdir(folder) if name.startswith("part-")}
    assert 2 <= len(done) < 6
    written = []
    monkeypatch.setattr(dataset.Building, "write", lambda self, file, write=dataset.Building.write: (
        written.append(1), write(self, file)))  # fmt: skip
    built(folder)
    assert len(written) == 6 - len(done)
    assert done.items() <= {name: os.stat(folder / name).st_ino for name in os.listdir(folder)}.items()
    assert_is_whole(folder)


def test_other_rows_make_other_parts(folder):
    """Of a build that stopped, no part is taken for one of other batches."""
    with pytest.raises(ZeroDivisionError):
        built(folder, progress=stopping(0.5, ZeroDivisionError()))
    built(folder, 3)
    assert_is_whole(folder, 3)


KILLED = """
    import os, signal, sys
    import numpy as np
    import pyhmap

    def kill(part):
        if part >= float(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)

    keys = np.arange(5000)
    pyhmap.build_dataset([(keys, keys * 2)], sys.argv[1], partitions=6, memory=100_000, progress=kill)
"""


@pytest.mark.parametrize("at", [0.05, 0.3, 0.6, 0.95])
@pytest.mark.parametrize("before", [False, True], ids=["no dataset", "an old one"])
def test_a_killed_build(folder, at, before):
    if before:
        built(folder)
    program = [sys.executable, "-P", "-c", textwrap.dedent(KILLED), str(folder), str(at)]
    assert subprocess.run(program, check=False, timeout=60).returncode == -signal.SIGKILL
    if before:
        assert dict(open_dataset(folder)) == {key: key for key in range(N)}
    else:
        with pytest.raises(FileNotFoundError):
            open_dataset(folder)
    (folder / ".part-00001.0123456789abcdef.pyhmap.0123.tmp").write_bytes(b"left by a killed process")
    built(folder, 2)
    assert_is_whole(folder, 2)


def test_one_builds_at_a_time(folder):
    said = []

    def second(part):
        with pytest.raises(BlockingIOError, match="somebody else builds a dataset in"):
            built(folder, 2)
        said.append(part)

    built(folder, progress=second)
    assert said
    assert_is_whole(folder)


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_child_that_is_forked_does_not_keep_the_folder(folder):
    """The parent ends while the child lives on: then somebody else can build."""

    def fork(part):
        if not children:
            children.append(os.fork())
            if children[0] == 0:
                signal.pause()
                os._exit(0)

    children = []
    built(folder, progress=fork)
    try:
        with dataset.alone_in(str(folder)):
            pass
        assert_is_whole(folder)
    finally:
        os.kill(children[0], signal.SIGKILL)
        os.waitpid(children[0], 0)


def test_the_manifest_of_something_else_is_not_replaced(folder):
    seen = pyhmap.ExpiringSet(int, 60)
    seen.add(1)
    seen.save(folder)
    before = (folder / MANIFEST).read_bytes()
    with pytest.raises(FileFormatError, match=r"would be replaced, but it is .*: remove it, or give another folder"):
        built(folder)
    assert (folder / MANIFEST).read_bytes() == before
    assert 1 in pyhmap.ExpiringSet.open(folder)


def test_other_files_in_the_folder_stay(folder):
    folder.mkdir()
    for name in ("part-00000.pyhmap", "readme.txt", "part-99999.xyz.pyhmap"):
        (folder / name).write_bytes(b"mine")
    built(folder)
    assert {"part-00000.pyhmap", "readme.txt", "part-99999.xyz.pyhmap"} <= set(os.listdir(folder))


# ---- reading ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def ds(folder):
    built(folder)
    return open_dataset(folder)


def opened_files(monkeypatch):
    """The names of the files that are opened from now on."""
    names = []

    def opened(path, prefetch, open=read.OpenFile):
        names.append(Path(path).name)
        return open(path, prefetch)

    monkeypatch.setattr(read, "OpenFile", opened)
    return names


def test_parts_are_mapped_when_they_are_needed(ds, monkeypatch):
    names = opened_files(monkeypatch)
    keys = np.arange(N)
    numbers = ds.partitions_of(keys)
    assert names == []
    ds[int(keys[numbers == 3][0])]
    ds.get_many(keys[(numbers == 3) | (numbers == 5)])
    assert [name[:10] for name in names] == ["part-00003", "part-00005"]
    dict(ds)
    assert sorted(name[:10] for name in names) == [f"part-0000{number}" for number in range(6)]


def test_threads_that_need_the_same_parts_at_once(ds):
    barrier = threading.Barrier(8)

    def read_all(_):
        barrier.wait()
        return ds.get_many(np.arange(N)).tolist() == list(range(N))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(read_all, range(8)))


def test_it_is_a_map(ds):
    m = HMap(ds)
    assert m == ds == m
    assert ds != {}
    assert ds.keys() & {1, -1} == {1}
    keys, values = ds.top(3)
    assert (keys.tolist(), values.tolist()) == ([4999, 4998, 4997], [4999, 4998, 4997])
    assert list(zip(*ds.to_arrays(), strict=True)) == list(ds.items()) == list(zip(ds, ds.values(), strict=True))
    with pytest.raises(TypeError, match="open_dataset"):
        pyhmap.Dataset()
    with pytest.raises(TypeError):
        ds[1] = 2


def test_the_first_missing_key_is_named(ds):
    with pytest.raises(KeyError, match="key -7 at position 2 is not in the map"):
        ds.get_many([1, 2, -7, -8])
    with pytest.raises(KeyError) as caught:
        ds[-7]
    assert caught.value.args == (-7,)


@pytest.mark.parametrize("copied", [lambda ds: ds.copy(), lambda ds: pickle.loads(pickle.dumps(ds))])
def test_a_copy_and_a_pickle_are_the_same_dataset(ds, copied):
    other = copied(ds)
    assert (other.id, other[7], other.folder) == (ds.id, 7, ds.folder)
    assert len(pickle.dumps(ds)) < 500


def test_a_pickle_of_a_dataset_that_was_replaced(ds, folder):
    data = pickle.dumps(ds)
    built(folder, 2)
    with pytest.raises(FileFormatError, match=f"not {ds.id}"):
        pickle.loads(data)


def test_closing(ds):
    ds[1]
    with ds as same:
        assert same is ds
    assert ds.closed
    reads = [
        len,
        list,
        repr,
        lambda d: d[1],
        lambda d: 1 in d,
        lambda d: d.get(1),
        lambda d: d.get_many([]),
        pickle.dumps,
    ]
    reads += [lambda d: d.get_many([1]), lambda d: d.to_arrays(), lambda d: d.check(), lambda d: d.__enter__()]
    for read_it in reads:
        if read_it is repr:
            assert repr(ds).endswith(", closed>")
            continue
        with pytest.raises(ValueError, match="the dataset is closed: open it again"):
            read_it(ds)
    ds.close()


def test_a_reader_of_a_dataset_that_is_replaced(ds, folder):
    numbers = ds.partitions_of(np.arange(N))
    mapped, not_mapped = (np.flatnonzero(numbers == number) for number in (0, 1))
    ds.get_many(mapped)
    built(folder, 2)
    assert ds.get_many(mapped).tolist() == mapped.tolist()
    with pytest.raises(FileNotFoundError, match="open it again"):
        ds.get_many(not_mapped)
    assert dict(open_dataset(folder)) == {key: 2 * key for key in range(N)}


def test_an_id_that_must_be(ds, folder):
    assert open_dataset(folder, id=ds.id).id == ds.id
    with pytest.raises(FileFormatError, match=f"its id is {ds.id}, not 00"):
        open_dataset(folder, id="00" * 16)


@pytest.mark.parametrize(("option", "value"), [("verify", "no"), ("prefetch", "all")])
def test_options_that_are_refused(folder, option, value):
    with pytest.raises(ValueError, match=f"{option}='{value}': give one of"):
        open_dataset(folder, **{option: value})


# ---- damage ----------------------------------------------------------------------------------------------------------


def test_every_byte_of_the_manifest_counts(folder):
    built(folder)
    path = folder / MANIFEST
    whole = path.read_bytes()
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(FileFormatError, match=r"manifest\.json"):
            open_dataset(folder)
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        with pytest.raises(FileFormatError, match=r"manifest\.json"):
            open_dataset(folder)
    path.write_bytes(bytes(MOST + 1))
    with pytest.raises(FileFormatError, match="has more than"):
        open_dataset(folder)


def forged(folder, change):
    """Write a manifest that is right in itself."""
    path = folder / MANIFEST
    path.write_bytes(change(manifest.manifest_of(path.read_bytes())).to_bytes())


def test_a_later_version(folder):
    built(folder)
    path = folder / MANIFEST
    text = (
        path.read_text()
        .replace('"format_version": 1', '"format_version": 2')
        .replace(f"pyhmap {VERSION}", "pyhmap 9.9")
    )
    path.write_text(text)
    with pytest.raises(FileFormatError, match=r"'pyhmap 9.9' wrote it in version 2 .* install that release"):
        open_dataset(folder)


@pytest.mark.parametrize(
    "name", ["../part-00000.0123456789abcdef.pyhmap", "/etc/passwd", "part-00001.0123456789abcdef.pyhmap"]
)
def test_a_part_of_a_name_that_no_build_gives(folder, name):
    built(folder)
    forged(folder, lambda m: replace(m, parts=(replace(m.parts[0], file=name), *m.parts[1:])))
    with pytest.raises(FileFormatError, match=r"parts\[0\] is"):
        open_dataset(folder)


@pytest.mark.parametrize(
    "change", [{"key": "<f8"}, {"key": "str"}, {"value": "<i4"}, {"key": "nonsense"}, {"hash": "siphash-1-3"}]
)
def test_types_that_the_parts_do_not_have(folder, change):
    built(folder)
    forged(folder, lambda m: replace(m, **change))
    with pytest.raises(FileFormatError):
        open_dataset(folder).get_many([1, 2])


def test_a_part_of_another_content(folder, tmp_path):
    built(folder)
    first, second = (part.file for part in manifest.manifest_of((folder / MANIFEST).read_bytes()).parts[:2])
    (folder / first).write_bytes((folder / second).read_bytes())
    with pytest.raises(FileFormatError, match="is not the part that the manifest names"):
        dict(open_dataset(folder))


def test_check_finds_a_key_in_the_wrong_partition(folder):
    built(folder)

    def swapped(m):
        first, second = m.parts[:2]
        for part, other in ((first, second), (second, first)):
            os.rename(folder / part.file, folder / f"{other.file}.new")
        for part in (first, second):
            os.rename(folder / f"{part.file}.new", folder / part.file)
        return replace(m, parts=(replace(second, file=first.file), replace(first, file=second.file), *m.parts[2:]))

    forged(folder, swapped)
    with pytest.raises(CorruptMapError, match="belongs to another partition"):
        open_dataset(folder).check()


def test_check_reads_every_byte(folder):
    built(folder)
    path = folder / manifest.manifest_of((folder / MANIFEST).read_bytes()).parts[4].file
    data = bytearray(path.read_bytes())
    data[5000] ^= 1
    path.write_bytes(data)
    with pytest.raises(FileFormatError, match=path.name):
        open_dataset(folder).check()
    with pytest.raises(FileFormatError, match="damaged"):
        dict(open_dataset(folder, verify="lazy"))


def test_the_manifest_is_json_that_people_can_read(folder):
    built(folder)
    found = json.loads((folder / MANIFEST).read_text())
    assert (found["count"], found["key"], found["value"], len(found["parts"])) == (N, "<i8", "<i8", 6)
    assert sum(part["count"] for part in found["parts"]) == N
    assert [os.path.getsize(folder / part["file"]) for part in found["parts"]] == [
        part["bytes"] for part in found["parts"]
    ]


# ---- from elsewhere --------------------------------------------------------------------------------------------------


def test_a_cache_has_the_parts_that_were_needed(folder, tmp_path, monkeypatch):
    built(folder)
    pytest.importorskip("fsspec")
    copied = []
    monkeypatch.setattr(
        fetch, "_copy", lambda source, *rest, copy=fetch._copy: (copied.append(source), copy(source, *rest))
    )
    for place in (folder, f"file://{folder}"):
        ds = open_dataset(place, cache=tmp_path / "cache")
        ds.get_many(np.flatnonzero(ds.partitions_of(np.arange(N)) == 2))
        assert len(copied) == 1
        assert len([name for name in os.listdir(tmp_path / "cache") if name.endswith(".pyhmap")]) == 1
    assert dict(ds) == {key: key for key in range(N)}
    assert len(copied) == 6
    ds.check()


def test_a_url_needs_a_cache():
    with pytest.raises(ValueError, match="give cache=, a folder of this machine"):
        open_dataset("memory://somewhere")
