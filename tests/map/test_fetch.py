"""A file that is fetched once per machine into a cache folder: however many ask for it, one copies; whatever fails, the
name leads to the whole file or to nothing."""

import os
import resource
import signal
import stat
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import numpy as np
import pytest

import pyhmap
from file_support import header_in
from pyhmap import FileFormatError, FrozenMap
from pyhmap._file import fetch
from pyhmap._file.blocks import checksum_of
from pyhmap._file.fetch import fetched, id_of
from pyhmap._file.header import BLOCK, DIGEST, PAGE

KEYS = np.arange(200_000)
MAP = FrozenMap.from_arrays(KEYS, KEYS * 3, seed=1)  # four blocks
OTHER = FrozenMap.from_arrays(KEYS, KEYS * 5, seed=1)
SECONDS = 60  # a process that takes longer counts as deadlocked


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "source" / "prices.pyhmap"
    path.parent.mkdir()
    MAP.save(path)
    return path


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def assert_holds(path, m=MAP):
    """The copy is right, and nothing else is in its folder."""
    with pyhmap.open(path, verify="full") as f:
        assert f == m
    assert os.listdir(os.path.dirname(path)) == [os.path.basename(path)]


def refused(source, id, cache, match):
    """A clear error that names the source, and nothing of the file is in the cache."""
    with pytest.raises(FileFormatError, match=match) as caught:
        fetched(str(source), id, str(cache))
    assert str(source) in str(caught.value)
    assert os.listdir(cache) == []


# ---- what is fetched -------------------------------------------------------------------------------------------------


def test_the_copy_is_the_file_and_is_named_after_its_id(source, cache):
    id = id_of(str(source))
    assert id == header_in(source).id
    path = fetched(str(source), id, str(cache))
    assert path == str(cache / f"{id}.pyhmap")
    assert (cache / f"{id}.pyhmap").read_bytes() == source.read_bytes()
    assert_holds(path)


@pytest.mark.parametrize("n", [0, 1, 30, 65_000, 131_072])
def test_files_of_every_size(tmp_path, cache, n):
    m = FrozenMap.from_arrays(np.arange(n), np.arange(n), seed=2)
    m.save(tmp_path / "m")
    assert_holds(fetched(str(tmp_path / "m"), id_of(str(tmp_path / "m")), str(cache)), m)


def test_only_the_owner_can_read_a_cache_that_is_made(source, cache):
    fetched(str(source), id_of(str(source)), str(cache / "a" / "b"))
    assert stat.S_IMODE((cache / "a" / "b").stat().st_mode) == 0o700


def test_a_copy_that_is_there_is_returned_without_its_source(source, cache):
    id = id_of(str(source))
    path = fetched(str(source), id, str(cache))
    before = os.stat(path)
    source.unlink()
    assert fetched(str(source), id, str(cache)) == path
    assert (os.stat(path).st_ino, os.stat(path).st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: b"", lambda data: b"x" + data[1:]])
def test_a_copy_that_was_cut_off_or_written_over_is_made_again(source, cache, damage):
    id = id_of(str(source))
    path = cache / f"{id}.pyhmap"
    cache.mkdir()
    path.write_bytes(damage(source.read_bytes()))
    assert_holds(fetched(str(source), id, str(cache)))


def test_files_of_several_ids_lie_side_by_side(source, cache):
    first = fetched(str(source), id_of(str(source)), str(cache))
    OTHER.save(source)
    second = fetched(str(source), id_of(str(source)), str(cache))
    with pyhmap.open(first) as f, pyhmap.open(second) as g:
        assert f == MAP
        assert g == OTHER


@pytest.mark.parametrize("id", ["", "../../etc/passwd", "0" * 31, "0" * 33, "A" * 32, "0" * 31 + "\n", None, 7])
def test_what_is_no_id_is_refused(source, cache, id):
    with pytest.raises(ValueError, match="give the 32 hexadecimal digits of a file's id"):
        fetched(str(source), id, str(cache))
    assert not cache.exists()


# ---- URLs ------------------------------------------------------------------------------------------------------------


def test_urls_of_fsspec(source, cache):
    fsspec = pytest.importorskip("fsspec")
    id = id_of(str(source))
    url = f"memory://{source}"
    with fsspec.open(url, "wb") as file:
        file.write(source.read_bytes())
    try:
        assert id_of(url) == id_of(f"file://{source}") == id
        assert_holds(fetched(url, id, str(cache / "memory")))
        assert_holds(fetched(f"file://{source}", id, str(cache / "file")))
        with fsspec.open(url, "wb") as file:
            file.write(source.read_bytes()[:-1])
        (cache / "cut").mkdir()
        refused(url, id, cache / "cut", "its header says")
    finally:
        fsspec.filesystem("memory").rm(str(source))


def test_of_a_url_only_the_header_is_read_for_its_id(source):
    """A file system of fsspec that notes what is asked of it."""
    pytest.importorskip("fsspec")
    from fsspec import AbstractFileSystem, register_implementation
    from fsspec.spec import AbstractBufferedFile

    asked = []

    class Ranges(AbstractBufferedFile):
        def _fetch_range(self, start, end):
            asked.append(end - start)
            return source.read_bytes()[start:end]

    class Noting(AbstractFileSystem):
        protocol = "noting"
        cachable = False

        def info(self, path, **options):
            return {"name": path, "size": source.stat().st_size, "type": "file"}

        def _open(self, path, mode="rb", block_size=None, **options):
            return Ranges(self, path, mode, block_size)

    register_implementation("noting", Noting, clobber=True)
    assert id_of("noting://prices") == id_of(str(source))
    assert sum(asked) < 200_000 < source.stat().st_size


def test_a_url_that_leads_nowhere(cache):
    pytest.importorskip("fsspec")
    with pytest.raises(FileNotFoundError):
        fetched("memory://no/such.pyhmap", "0" * 32, str(cache))
    assert os.listdir(cache) == []


def test_without_fsspec_paths_work_and_urls_say_what_to_install(source, cache, monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec", None)
    assert_holds(fetched(str(source), id_of(str(source)), str(cache / "path")))
    for call in (id_of, lambda url: fetched(url, "0" * 32, str(cache / "url"))):
        with pytest.raises(ImportError, match=r"s3://bucket/m, fsspec is needed: pip install 'pyhmap\[remote\]'"):
            call("s3://bucket/m")
    assert os.listdir(cache / "url") == []


# ---- what is refused -------------------------------------------------------------------------------------------------


def test_another_file_at_the_source(source, cache):
    id = id_of(str(source))
    OTHER.save(source)
    refused(source, id, cache, f"has the id {id_of(str(source))}, not {id}: it was replaced by another file")


def test_every_part_of_the_file_is_verified(source, cache):
    id, data = id_of(str(source)), source.read_bytes()
    sections = header_in(source).sections()
    places = {at for section in sections.values() for at in (section.begin, section.end - 1) if section.end > at}
    places |= {0, 8, 100, PAGE - 1, len(data) // 2, len(data) - 1} | set(range(PAGE, len(data), 333_333))
    for at in sorted(places):
        source.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        refused(source, id, cache, "damage|no file of pyhmap|has the id")
    source.write_bytes(data)
    assert_holds(fetched(str(source), id, str(cache)))


def test_data_whose_checksums_were_changed_with_it(source, cache):
    """Only the header knows what they were."""
    id, data, sections = id_of(str(source)), bytearray(source.read_bytes()), header_in(source).sections()
    begin = sections["checksums"].begin
    data[PAGE] ^= 1
    data[begin : begin + DIGEST] = checksum_of(data[PAGE : PAGE + BLOCK])
    source.write_bytes(data)
    refused(source, id, cache, "is damaged, or was on the way here")


def test_a_source_that_was_cut_off(source, cache):
    id, data = id_of(str(source)), source.read_bytes()
    for size in (0, 7, 8, 4095, 4096, 4097, len(data) // 2, len(data) - 1):
        source.write_bytes(data[:size])
        refused(source, id, cache, "header")


@pytest.mark.parametrize("kept", [PAGE, PAGE + 1, 2_000_000, -1])
def test_a_source_that_is_cut_off_while_it_is_copied(source, cache, monkeypatch, kept):
    header = fetch._header

    def cut_off(name, file):
        found = header(name, file)
        if name == str(source):
            os.truncate(source, kept % os.path.getsize(source))
        return found

    id = id_of(str(source))
    monkeypatch.setattr(fetch, "_header", cut_off)
    monkeypatch.setattr(fetch, "LONGEST", PAGE)  # else a buffer holds what the file has lost
    refused(source, id, cache, "cut off while it was copied|damaged")


def test_what_is_no_file_of_pyhmap(source, cache):
    source.write_bytes(b"PK\3\4" + bytes(9000))
    refused(source, "0" * 32, cache, "it is no file of pyhmap")
    refused(source.parent, "0" * 32, cache, "is no regular file")
    os.mkfifo(source.parent / "pipe")
    refused(source.parent / "pipe", "0" * 32, cache, "is no regular file")


def test_a_source_that_is_missing(source, cache):
    for call in (id_of, lambda path: fetched(path, "0" * 32, str(cache))):
        with pytest.raises(FileNotFoundError, match=r"nothing\.pyhmap"):
            call(str(source.parent / "nothing.pyhmap"))
    assert os.listdir(cache) == []


# ---- what fails ------------------------------------------------------------------------------------------------------


@contextmanager
def no_file_larger_than(limit):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("limit", [0, 4096, 1_000_000, 3_000_000])
def test_a_full_disk(source, cache, limit):
    id = id_of(str(source))
    with no_file_larger_than(limit), pytest.raises(OSError, match="File too large"):
        fetched(str(source), id, str(cache))
    assert os.listdir(cache) == []
    assert_holds(fetched(str(source), id, str(cache)))


class Failing:
    """An open file whose n-th read raises."""

    def __init__(self, file, n, error):
        self.file, self.n, self.error = file, n, error

    def read(self, size):
        self.n -= 1
        if self.n == 0:
            raise self.error
        return self.file.read(size)

    def seek(self, *where):
        return self.file.seek(*where)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ConnectionResetError("the server is gone"), MemoryError()])
def test_a_read_that_fails(source, cache, monkeypatch, error):
    open_source, id = fetch.open_source, id_of(str(source))
    n = 1

    @contextmanager
    def failing(name, *at_once):
        with open_source(name, *at_once) as file:
            yield Failing(file, n, error) if name == str(source) else file

    monkeypatch.setattr(fetch, "PIECE", 1_000_000)
    monkeypatch.setattr(fetch, "open_source", failing)
    while n < 7:  # the header, four pieces, the checksums
        with pytest.raises(type(error)):
            fetched(str(source), id, str(cache))
        assert os.listdir(cache) == []
        n += 1
    assert_holds(fetched(str(source), id, str(cache)))


# Opens its source by a wrapper that notes each open of it in a file, reads slowly, and says when it has begun.
WORKER = """
    import os, sys, threading, time
    from contextlib import contextmanager, suppress
    from pyhmap._file import fetch

    source, id, cache, log, pause, threads = sys.argv[1:]
    open_source = fetch.open_source

    class Slow:
        def __init__(self, file):
            self.file, self.seek = file, file.seek

        def read(self, size):
            data = self.file.read(size)
            if self.file.tell() > 2_000_000:
                print("in the middle", flush=True)
                time.sleep(float(pause))
            return data

    @contextmanager
    def noting(name, *at_once):
        with open_source(name, *at_once) as file:
            if name != source:
                yield file
                return
            with open(log, "ab") as noted:
                noted.write(b"%d\\n" % os.getpid())
            yield Slow(file)

    fetch.open_source, fetch.PIECE = noting, 1_000_000
    paths = []
    together = threading.Barrier(int(threads))

    def work():
        together.wait()
        paths.append(fetch.fetched(source, id, cache))

    print("ready", flush=True)
    sys.stdin.readline()
    all_of_them = [threading.Thread(target=work) for _ in range(int(threads))]
    for thread in all_of_them:
        thread.start()
    for thread in all_of_them:
        thread.join()
    print(len(paths), *set(paths), flush=True)
"""


@contextmanager
def workers(n, *arguments):
    """Processes that wait for a line before they fetch."""
    command = [sys.executable, "-P", "-c", textwrap.dedent(WORKER), *map(str, arguments)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    started = [subprocess.Popen(command, **pipes) for _ in range(n)]
    try:
        for one in started:
            assert one.stdout.readline() == "ready\n"
        yield started
    finally:
        for one in started:
            one.kill()
            one.communicate()


def test_processes_and_threads_that_ask_together_get_one_copy(source, cache, tmp_path):
    id = id_of(str(source))
    with workers(4, source, id, cache, tmp_path / "log", 0.05, 8) as started:
        for one in started:
            one.stdin.write("\n")
            one.stdin.flush()
        outputs = [one.communicate(timeout=SECONDS)[0] for one in started]
    assert [output.splitlines()[-1] for output in outputs] == [f"8 {cache / id}.pyhmap"] * 4
    assert len((tmp_path / "log").read_bytes().splitlines()) == 1
    assert_holds(cache / f"{id}.pyhmap")


def test_a_process_that_is_killed_in_the_middle_of_the_copy(source, cache, tmp_path):
    id = id_of(str(source))
    with workers(1, source, id, cache, tmp_path / "log", SECONDS, 1) as (one,):
        one.stdin.write("\n")
        one.stdin.flush()
        assert one.stdout.readline() == "in the middle\n"
        one.kill()
        one.wait()
    left = os.listdir(cache)
    assert len(left) == 2
    assert f"{id}.pyhmap" not in left
    (cache / f".{'0' * 32}.pyhmap.0123456789abcdef.tmp").write_bytes(b"of another file")
    path = fetched(str(source), id, str(cache))
    assert sorted(os.listdir(cache)) == [f".{'0' * 32}.pyhmap.0123456789abcdef.tmp", f"{id}.pyhmap"]
    with pyhmap.open(path, verify="full") as f:
        assert f == MAP


def test_one_that_waits_copies_when_the_one_before_fails(source, cache, monkeypatch):
    id = id_of(str(source))
    copy, begun, go_on = fetch._copy, threading.Event(), threading.Event()

    def failing(*arguments):
        monkeypatch.setattr(fetch, "_copy", copy)
        begun.set()
        assert go_on.wait(SECONDS)
        raise ConnectionResetError("the server is gone")

    monkeypatch.setattr(fetch, "_copy", failing)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(fetched, str(source), id, str(cache))
        assert begun.wait(SECONDS)
        second = pool.submit(fetched, str(source), id, str(cache))
        go_on.set()
        with pytest.raises(ConnectionResetError):
            first.result(SECONDS)
        assert_holds(second.result(SECONDS))


# The parent forks while another of its threads copies, and is killed. The child goes on.
FORKED = """
    import os, signal, sys, threading
    from pyhmap._file import fetch

    source, id, cache = sys.argv[1:]
    copy, begun = fetch._copy, threading.Event()

    def waiting(*arguments):
        begun.set()
        threading.Event().wait()

    fetch._copy = waiting
    threading.Thread(target=fetch.fetched, args=(source, id, cache), daemon=True).start()
    begun.wait()
    parent = os.getpid()
    child = os.fork()
    if child:
        os.waitpid(child, 0)  # killed while it waits
    os.kill(parent, signal.SIGKILL)
    fetch._copy = copy
    print(fetch.fetched(source, id, cache), flush=True)
    os._exit(0)
"""


def test_a_child_does_not_keep_the_lock_of_a_parent_that_is_killed(source, cache):
    id = id_of(str(source))
    command = [sys.executable, "-P", "-c", textwrap.dedent(FORKED), str(source), id, str(cache)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as parent:
        try:
            assert parent.communicate(timeout=SECONDS)[0] == f"{cache / id}.pyhmap\n"
        finally:
            with suppress(ProcessLookupError):
                os.killpg(parent.pid, signal.SIGKILL)
        assert parent.wait() == -signal.SIGKILL
    assert_holds(cache / f"{id}.pyhmap")
