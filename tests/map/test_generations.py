"""Publishers and subscribers: what readers see, what a publisher leaves, processes of every kind, and crashes."""

import contextlib
import copy
import multiprocessing
import os
import pickle
import re
import signal
import subprocess
import sys
import threading
import time
import types
from pathlib import Path

import numpy as np
import pytest

from generation_readers import KEYS, answer, answer_both_ways, content_of, try_to_publish
from pyhmap import FileFormatError, FrozenMap, HIndex, HMap, HSet, Publisher, Subscriber, generations

TESTS = Path(__file__).parent.parent
SECONDS = 60  # a wait that takes longer counts as a deadlock

# From Python 3.12 on, for a process with threads: a test session may have some.
pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")


def map_of(content):
    return FrozenMap.from_arrays(KEYS, np.full(len(KEYS), content))


@pytest.fixture
def publisher(tmp_path):
    with Publisher(tmp_path, "users") as made:
        yield made


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def generation_files(*numbers):
    return [f"users.{number:08d}.pyhmap" for number in numbers]


# ---- what readers see


def test_a_subscriber_sees_what_is_published(tmp_path, publisher):
    users = Subscriber(tmp_path, "users", every=0)
    assert users.generation is None
    held = []
    for number in (1, 2, 3):
        assert publisher.publish(map_of(10 * number)) == number
        held.append(users.current())
        assert users.generation == number
        assert users.current() is held[-1]
    assert [content_of(m) for m in held] == [10, 20, 30]
    assert names_in(tmp_path) == [*generation_files(2, 3), "users.CURRENT", "users.lock"]
    assert (tmp_path / "users.CURRENT").read_text() == "users.00000003.pyhmap\n"


@pytest.mark.parametrize(
    "made",
    [
        HMap(str, np.float64, {"a": 0.5, "a key that is longer than a slot": 2.0}),
        HMap(np.int64, str, {1: "a"}).freeze(),
        HSet(np.int64, [1, 2, 3]),
        HSet(str, ["a", "b"]).freeze(),
        HIndex(str, ["b", "a", "a key that is longer than a slot"]),
        HIndex(np.int64, [3, 1, 2]).freeze(),
        HMap(np.int64, np.int64),
        HIndex(np.int64),
    ],
    ids=lambda made: type(made).__name__,
)
def test_maps_and_sets_of_both_kinds_are_published(tmp_path, publisher, made):
    publisher.publish(made)
    read = Subscriber(tmp_path, "users").current()
    assert read == made
    frozen = {"HMap": "FrozenMap", "HSet": "FrozenSet", "HIndex": "FrozenIndex"}
    assert type(read).__name__ == frozen.get(type(made).__name__, type(made).__name__)


def test_a_generation_that_was_read_can_be_published_again(tmp_path, publisher):
    publisher.publish(map_of(1))
    users = Subscriber(tmp_path, "users", every=0)
    for _ in range(5):
        publisher.publish(users.current())
        assert content_of(users.current()) == 1


@pytest.mark.parametrize("keep", [1, 2, 3])
def test_the_newest_generations_are_kept_and_a_reader_keeps_what_it_holds(tmp_path, keep):
    users = Subscriber(tmp_path, "users", every=0)
    with Publisher(tmp_path, "users", keep=keep) as publisher:
        publisher.publish(map_of(1))
        first = users.current()
        for number in range(2, 7):
            publisher.publish(map_of(number))
    kept = generation_files(*range(7 - keep, 7))
    assert names_in(tmp_path) == [*kept, "users.CURRENT", "users.lock"]
    assert content_of(first) == 1
    assert content_of(users.current()) == 6


def test_before_the_first_generation(tmp_path):
    users = Subscriber(tmp_path / "folder", "users", every=1000)
    for _ in range(2):
        with pytest.raises(FileNotFoundError, match=f"no generation of 'users' has been published in {tmp_path}"):
            users.current()
    (tmp_path / "folder").mkdir()
    with Publisher(tmp_path / "folder", "users") as publisher:
        with pytest.raises(FileNotFoundError, match="no generation"):
            users.current()
        publisher.publish(map_of(1))
        assert content_of(users.current()) == 1  # at once


def recorded(call, name, calls):
    def made(*args, **kwargs):
        calls.append((name, *args))
        return call(*args, **kwargs)

    return made


def test_current_looks_at_the_disk_once_in_a_while(tmp_path, publisher, monkeypatch):
    clock, calls = [100.0], []
    monkeypatch.setattr(generations, "time", types.SimpleNamespace(monotonic=lambda: clock[0]))
    for name in ("stat", "open", "listdir"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, recorded(real, name, calls))
    users = Subscriber(tmp_path, "users", every=5)
    look = ("stat", str(tmp_path / "users.CURRENT"))

    def at(*times):
        calls.clear()
        found = []
        for clock[0] in times:
            found.append(content_of(users.current()))
        return found

    publisher.publish(map_of(1))
    assert at(100.0) == [1]
    publisher.publish(map_of(2))
    assert at(100.0, 102.0, 104.9) == [1, 1, 1]
    assert calls == []
    assert at(105.0) == [2]
    assert calls[0] == look
    assert at(109.9, 110.0, 110.1, 114.9, 115.0, 119.9) == [2] * 6
    assert calls == [look, look]


def test_a_new_current_is_seen_though_it_looks_like_the_one_before(tmp_path, publisher):
    """Of the same size and time. A file system may give the number of a removed file to the next one."""
    users = Subscriber(tmp_path, "users", every=0)
    for number in range(1, 60):
        assert publisher.publish(map_of(number)) == number
        os.utime(tmp_path / "users.CURRENT", ns=(0, 0))
        if number % 2:
            assert content_of(users.current()) == number


def test_a_current_that_was_written_over_by_hand_is_followed(tmp_path, publisher):
    users = Subscriber(tmp_path, "users", every=0)
    for number in (1, 2):
        publisher.publish(map_of(number))
        assert content_of(users.current()) == number
    (tmp_path / "users.CURRENT").write_text("users.00000001.pyhmap\n")
    assert content_of(users.current()) == 1


def test_names_in_one_folder_do_not_meet(tmp_path, publisher):
    publisher.publish(map_of(1))
    with Publisher(tmp_path, "users-2") as other, Publisher(tmp_path, "user") as third:
        other.publish(map_of(2))
        third.publish(map_of(3))
        publisher.publish(map_of(4))
    found = [content_of(Subscriber(tmp_path, name).current()) for name in ("users", "users-2", "user")]
    assert found == [4, 2, 3]


def test_the_working_folder_may_change(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.mkdir("maps")
    with Publisher("maps", "users") as publisher:
        users = Subscriber(Path("maps"), "users", every=0)
        monkeypatch.chdir("/")
        publisher.publish(map_of(1))
        assert content_of(users.current()) == 1
        assert content_of(pickle.loads(pickle.dumps(users)).current()) == 1


# ---- what cannot be read


def spoil(path):
    """In place: as long as it was."""
    path.write_bytes(bytes(path.stat().st_size))


def test_a_generation_that_is_removed_before_it_is_opened_is_passed_over(tmp_path, monkeypatch):
    """Between reading CURRENT and opening the file, two more are published: the third look finds one."""
    users = Subscriber(tmp_path, "users")
    opened = []
    with Publisher(tmp_path, "users", keep=1) as publisher:
        publisher.publish(map_of(1))
        real = generations.files.open

        def late(path):
            opened.append(os.path.basename(path))
            if len(opened) < 3:
                publisher.publish(map_of(len(opened) + 1))
            return real(path)

        monkeypatch.setattr(generations.files, "open", late)
        assert content_of(users.current()) == 3
    assert opened == generation_files(1, 2, 3)
    assert users.generation == 3


@pytest.mark.parametrize("spoiled", ["generation damaged", "generation missing", "CURRENT damaged", "CURRENT missing"])
def test_what_cannot_be_read_leaves_the_last_good_generation(tmp_path, publisher, spoiled):
    """With a warning each time that it is tried. A new Subscriber has none, and raises."""
    users = Subscriber(tmp_path, "users", every=0)
    publisher.publish(map_of(1))
    good = users.current()
    publisher.publish(map_of(2))
    path = tmp_path / ("users.CURRENT" if "CURRENT" in spoiled else "users.00000002.pyhmap")
    intact = path.read_bytes()
    path.unlink() if "missing" in spoiled else spoil(path)
    for _ in range(2):
        with pytest.warns(RuntimeWarning, match=f"'users' in {tmp_path} stays at generation 1: .*{path}"):
            assert users.current() is good
        assert users.generation == 1
    with pytest.raises(FileNotFoundError if "missing" in spoiled else FileFormatError, match=str(path)):
        Subscriber(tmp_path, "users").current()
    path.write_bytes(intact)
    assert content_of(users.current()) == 2
    publisher.publish(map_of(3))
    assert content_of(users.current()) == 3


def test_a_warning_that_is_raised_does_not_come_again_before_its_time(tmp_path, publisher):
    users = Subscriber(tmp_path, "users", every=0)
    publisher.publish(map_of(1))
    good = users.current()
    users._every = 1000
    os.unlink(tmp_path / "users.CURRENT")
    with pytest.raises(RuntimeWarning):
        users.current()
    assert users.current() is good


DAMAGED = {
    "empty": b"",
    "a line of nothing": b"\n",
    "no end of line": b"users.00000001.pyhmap",
    "two lines": b"users.00000001.pyhmap\n\n",
    "a relative path": b"./users.00000001.pyhmap\n",
    "a path to the folder above": b"../users.00000001.pyhmap\n",
    "an absolute path": b"/users.00000001.pyhmap\n",
    "another name": b"others.00000001.pyhmap\n",
    "another suffix": b"users.00000001.pickle\n",
    "a short number": b"users.1.pyhmap\n",
    "a long number": b"users.000000001.pyhmap\n",
    "number 0": b"users.00000000.pyhmap\n",
    "digits of another script": "users.0000000\u0661.pyhmap\n".encode(),
    "a NUL": b"users.00000001.pyhmap\0\n",
    "bytes that are no text": b"\xff\xfe" * 10,
    "very long": b"users.00000001.pyhmap\n" * 100_000,
    "a very long number": b"users." + b"9" * 100_000 + b".pyhmap\n",
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_current_is_named(tmp_path, content):
    with Publisher(tmp_path, "users") as publisher:
        publisher.publish(map_of(1))
    current = tmp_path / "users.CURRENT"
    current.write_bytes(content)
    for refused in (lambda: Subscriber(tmp_path, "users").current(), lambda: Publisher(tmp_path, "users")):
        with pytest.raises(
            FileFormatError, match=f"{current} holds .* such as 'users.00000001.pyhmap': remove it"
        ) as e:
            refused()
        assert len(str(e.value)) < 2000
    assert names_in(tmp_path) == [*generation_files(1), "users.CURRENT", "users.lock"]
    current.unlink()
    with Publisher(tmp_path, "users") as publisher:
        assert publisher.publish(map_of(2)) == 2


# ---- what a publisher leaves


def test_the_next_publisher_removes_what_was_left(tmp_path):
    with Publisher(tmp_path, "users", keep=3) as publisher:
        for number in (1, 2, 3):
            publisher.publish(map_of(number))
    random = "0123456789abcdef"
    left = [*generation_files(4, 7, 123456789), f".users.00000008.pyhmap.{random}.tmp", f".users.CURRENT.{random}.tmp"]
    others = [
        "users.txt",
        "users.1.pyhmap",
        "users.00000009.pyhmap.bak",
        "users.000000009.pyhmap",
        "others.00000009.pyhmap",
        f".others.00000009.pyhmap.{random}.tmp",
        f".users.00000009.pickle.{random}.tmp",
        f"users.00000009.pyhmap.{random}.tmp",
    ]
    for name in [*left, *others]:
        (tmp_path / name).touch()
    with Publisher(tmp_path, "users", keep=3) as publisher:
        stay = [*generation_files(1, 2, 3), "users.CURRENT", "users.lock", *others]
        assert names_in(tmp_path) == sorted(stay)
        assert publisher.publish(map_of(4)) == 123456790
    assert content_of(Subscriber(tmp_path, "users").current()) == 4


def test_without_current_no_generation_is_removed(tmp_path):
    """Somebody removed it: the generations are all that is left of the data."""
    with Publisher(tmp_path, "users") as publisher:
        publisher.publish(map_of(1))
        publisher.publish(map_of(2))
    (tmp_path / "users.CURRENT").unlink()
    with Publisher(tmp_path, "users") as publisher:
        assert names_in(tmp_path) == [*generation_files(1, 2), "users.lock"]
        assert publisher.publish(map_of(3)) == 3
    assert names_in(tmp_path) == [*generation_files(2, 3), "users.CURRENT", "users.lock"]


@pytest.mark.parametrize("before", [0, 1])
def test_an_error_in_the_middle_leaves_nothing(tmp_path, publisher, before):
    for _ in range(before):
        publisher.publish(map_of(1))
    names = names_in(tmp_path)

    def stop(fraction):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        publisher.publish(map_of(2), progress=stop)
    assert names_in(tmp_path) == names
    assert publisher.publish(map_of(3)) == before + 2
    assert content_of(Subscriber(tmp_path, "users").current()) == 3


def test_a_generation_whose_current_cannot_be_written_is_removed(tmp_path, publisher, monkeypatch):
    @contextlib.contextmanager
    def full(path):
        raise OSError(28, "No space left on device", path)
        yield

    monkeypatch.setattr(generations, "replaced", full)
    with pytest.raises(OSError, match="No space left"):
        publisher.publish(map_of(1))
    assert names_in(tmp_path) == ["users.lock"]


def test_progress_is_that_of_save(tmp_path, publisher):
    fractions = []
    publisher.publish(map_of(1), progress=fractions.append)
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


def test_an_old_generation_that_cannot_be_removed_is_a_warning(tmp_path, publisher, monkeypatch):
    for number in (1, 2):
        publisher.publish(map_of(number))
    real = os.unlink

    def refuse(path):
        if path.endswith(".00000001.pyhmap"):
            raise PermissionError(1, "Operation not permitted", path)
        real(path)

    monkeypatch.setattr(os, "unlink", refuse)
    with pytest.warns(
        RuntimeWarning, match=r"generation 3 is published, but .* could not be removed: .*00000001.pyhmap"
    ):
        assert publisher.publish(map_of(3)) == 3
    with pytest.warns(RuntimeWarning, match="generation 4 is published"):
        publisher.publish(map_of(4))
    monkeypatch.undo()
    publisher.publish(map_of(5))
    assert names_in(tmp_path) == [*generation_files(4, 5), "users.CURRENT", "users.lock"]


# ---- one publisher


def test_a_second_publisher_is_refused(tmp_path, publisher):
    said = f"'users' in {tmp_path} has a publisher, process {os.getpid()}, and only one"
    with pytest.raises(BlockingIOError, match=said):
        Publisher(tmp_path, "users")
    publisher.publish(map_of(1))
    publisher.close()
    publisher.close()
    with pytest.raises(ValueError, match="the Publisher is closed"):
        publisher.publish(map_of(2))
    with Publisher(tmp_path, "users") as another:
        assert another.publish(map_of(2)) == 2
    del another
    third = Publisher(tmp_path, "users")
    assert third.publish(map_of(3)) == 3
    del third  # without closing it
    Publisher(tmp_path, "users").close()


@pytest.mark.parametrize(("method", "known"), [("fork", True), ("fork", False), ("forkserver", True), ("spawn", True)])
def test_a_second_publisher_in_another_process_is_refused(tmp_path, publisher, method, known):
    if not known:
        (tmp_path / "users.lock").write_text("")
    here, there = multiprocessing.Pipe()
    other = multiprocessing.get_context(method).Process(target=try_to_publish, args=(tmp_path, there))
    other.start()
    assert here.poll(SECONDS)
    kind, said = here.recv()
    other.join(SECONDS)
    assert kind == "BlockingIOError"
    who = f"has a publisher, process {os.getpid()}, and" if known else "has a publisher, and"
    assert f"'users' in {tmp_path} {who} only one at a time may publish" in said
    publisher.publish(map_of(1))


def test_calls_of_publish_do_not_run_side_by_side(tmp_path, publisher):
    """Nor in one another, nor may close()."""
    errors = []

    def meanwhile(fraction):
        for call in (lambda: publisher.publish(map_of(2)), publisher.close):
            for run in (lambda call: call(), in_a_thread):
                try:
                    run(call)
                except RuntimeError as error:
                    errors.append(str(error))

    def in_a_thread(call):
        raised = []

        def run():
            try:
                call()
            except RuntimeError as error:
                raised.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        thread.join(SECONDS)
        raise raised[0]

    publisher.publish(map_of(1), progress=meanwhile)
    assert len(errors) >= 4
    assert set(errors) == {"this Publisher is in publish(): wait until it is done"}
    assert names_in(tmp_path) == [*generation_files(1), "users.CURRENT", "users.lock"]
    publisher.publish(map_of(3))


@pytest.mark.parametrize("duplicate", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_publisher_is_not_copied(publisher, duplicate):
    with pytest.raises(TypeError, match="only one at a time may publish"):
        duplicate(publisher)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a.b", "../a", "a\n", "a b", "ä", b"a", None, 7])
def test_a_name_is_no_path(tmp_path, name):
    for made in (Publisher, Subscriber):
        with pytest.raises(ValueError, match=re.escape(f"name={name!r}: give ASCII letters")):
            made(tmp_path, name)
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("keep", [0, -1, 1.5, "2", None])
def test_keep_is_a_number_of_generations(tmp_path, keep):
    with pytest.raises(ValueError, match=f"keep={keep!r}: give a whole number from 1 on"):
        Publisher(tmp_path, "users", keep=keep)


@pytest.mark.parametrize("every", [-1, float("nan"), "1", None])
def test_every_is_a_time(tmp_path, every):
    with pytest.raises(ValueError, match=f"every={every!r}: give a number of seconds, at least 0"):
        Subscriber(tmp_path, "users", every=every)


@pytest.mark.parametrize(
    "m", [{1: 2}, [1], None, HMap, HMap(np.int64, object, {1: []})], ids=lambda m: type(m).__name__
)
def test_what_cannot_be_published(tmp_path, publisher, m):
    with pytest.raises(TypeError):
        publisher.publish(m)
    assert names_in(tmp_path) == ["users.lock"]


def test_a_folder_that_does_not_exist(tmp_path):
    with pytest.raises(FileNotFoundError, match=str(tmp_path / "none")):
        Publisher(tmp_path / "none", "users")
    with pytest.raises(TypeError):
        Publisher(7, "users")


# ---- threads and processes


def test_threads_share_a_subscriber(tmp_path, publisher):
    users = Subscriber(tmp_path, "users", every=0)
    done, found = threading.Event(), []

    def read():
        contents = []
        while not done.is_set() or not contents or contents[-1] < 30:
            with contextlib.suppress(FileNotFoundError):
                contents.append(content_of(users.current()))
        found.append(contents)

    threads = [threading.Thread(target=read, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for content in range(1, 31):
        publisher.publish(map_of(content))
    done.set()
    for thread in threads:
        thread.join(SECONDS)
    assert len(found) == 4
    assert all(contents == sorted(contents) for contents in found)


def test_one_thread_opens_a_generation_and_others_go_on_with_the_one_before(tmp_path, publisher, monkeypatch):
    users = Subscriber(tmp_path, "users", every=0)
    opening, go_on, found = threading.Semaphore(0), threading.Semaphore(0), []
    real = generations.files.open

    def slow(path):
        opening.release()
        assert go_on.acquire(timeout=SECONDS)
        return real(path)

    monkeypatch.setattr(generations.files, "open", slow)
    publisher.publish(map_of(1))
    threads = [threading.Thread(target=lambda: found.append(users.current())) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert opening.acquire(timeout=SECONDS)
    go_on.release()
    for thread in threads:
        thread.join(SECONDS)
    first = users.current()
    assert found == [first] * 4
    assert all(m is first for m in found)
    assert not opening.acquire(blocking=False)  # it was opened once

    publisher.publish(map_of(2))
    thread = threading.Thread(target=users.current)
    thread.start()
    assert opening.acquire(timeout=SECONDS)
    assert users.current() is first
    go_on.release()
    thread.join(SECONDS)
    assert content_of(users.current()) == 2


def test_threads_that_wait_for_the_first_generation_do_not_look_again(tmp_path, publisher, monkeypatch):
    users = Subscriber(tmp_path, "users", every=1000)
    opening, go_on, calls = threading.Event(), threading.Event(), []
    real = generations.files.open

    def slow(path):
        opening.set()
        assert go_on.wait(SECONDS)
        return real(path)

    monkeypatch.setattr(generations.files, "open", recorded(slow, "open", calls))
    monkeypatch.setattr(os, "stat", recorded(os.stat, "stat", calls))
    publisher.publish(map_of(1))
    threads = [threading.Thread(target=users.current) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert opening.wait(SECONDS)
    time.sleep(0.1)  # so that the others wait
    go_on.set()
    for thread in threads:
        thread.join(SECONDS)
    assert [call for call in calls if "users." in str(call)] == [("open", str(tmp_path / "users.00000001.pyhmap"))]


@pytest.mark.parametrize(("method", "before"), [("fork", 0), ("fork", 1), ("forkserver", 1), ("spawn", 1)])
def test_workers_follow_the_generations(tmp_path, publisher, method, before):
    """Those of a pre-forking server share what their parent made, before or after its first look."""
    users = Subscriber(tmp_path, "users", every=0)
    publisher.publish(map_of(10))
    if before:
        users.current()
    context = multiprocessing.get_context(method)
    workers, connections = [], []
    for _ in range(3):
        here, there = context.Pipe()
        workers.append(context.Process(target=answer, args=(users, there), daemon=True))
        workers[-1].start()
        connections.append(here)

    def ask():
        for connection in connections:
            connection.send(True)
        assert all(connection.poll(SECONDS) for connection in connections)
        return [connection.recv() for connection in connections]

    assert ask() == [(10, 1)] * 3
    for number in (2, 3, 4):
        publisher.publish(map_of(10 * number))
        assert ask() == [(10 * number, number)] * 3
    for connection, worker in zip(connections, workers, strict=True):
        connection.send(None)
        worker.join(SECONDS)
        assert worker.exitcode == 0


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_workers_share_an_index_that_grows(tmp_path, publisher, method):
    """The codes of one generation are those of the next."""
    users, ix = Subscriber(tmp_path, "users", every=0), HIndex(str, ["ada"])
    publisher.publish(ix)
    context = multiprocessing.get_context(method)
    workers, connections = [], []
    for _ in range(3):
        here, there = context.Pipe()
        workers.append(context.Process(target=answer_both_ways, args=(users, there), daemon=True))
        workers[-1].start()
        connections.append(here)

    def ask(keys):
        for connection in connections:
            connection.send(keys)
        assert all(connection.poll(SECONDS) for connection in connections)
        return [connection.recv() for connection in connections]

    assert ask(["bob", "ada"]) == [([-1, 0], [None, "ada"], 1)] * 3
    ix.encode(["bob", "cleo"])
    publisher.publish(ix)
    assert ask(["bob", "ada"]) == [([1, 0], ["bob", "ada"], 2)] * 3
    publisher.publish(ix.freeze())
    assert ask(["cleo", "dan"]) == [([2, -1], ["cleo", None], 3)] * 3
    for connection, worker in zip(connections, workers, strict=True):
        connection.send(None)
        worker.join(SECONDS)
        assert worker.exitcode == 0


def child_that(use):
    """The number of a child process, which does this and ends."""
    child = os.fork()
    if child == 0:
        signal.alarm(SECONDS)
        code = 1
        try:
            use()
            code = 0
        finally:
            os._exit(code)
    return child


def exit_code_of(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def exit_code_of_a_child(use):
    return exit_code_of(child_that(use))


def test_a_child_cannot_publish_nor_release_the_lock(tmp_path, publisher):
    publisher.publish(map_of(1))

    def use():
        with pytest.raises(RuntimeError, match=f"belongs to process {os.getppid()}, from which this one was forked"):
            publisher.publish(map_of(2))
        publisher.close()
        publisher.__del__()
        with pytest.raises(BlockingIOError):
            Publisher(tmp_path, "users")

    assert exit_code_of_a_child(use) == 0
    with pytest.raises(BlockingIOError):
        Publisher(tmp_path, "users")
    assert publisher.publish(map_of(2)) == 2


def test_a_child_of_a_publishing_process_does_not_keep_the_lock(tmp_path):
    """The lock ends with its process, though a child that was forked from it lives on."""
    program = """
import os, sys
from pyhmap import Publisher
publisher = Publisher(sys.argv[1], "users")
if os.fork() == 0:
    print(os.getpid(), flush=True)  # by the child: what runs in it after a fork has run
    sys.stdin.read()  # until the test closes it
    os._exit(0)
os.wait()
"""
    command = [sys.executable, "-P", "-W", "ignore", "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        child = int(parent.stdout.readline())
        with pytest.raises(BlockingIOError, match=f"process {parent.pid}, "):
            Publisher(tmp_path, "users")
        parent.kill()
        parent.wait(SECONDS)
        os.kill(child, 0)  # it lives
        with Publisher(tmp_path, "users") as publisher:
            publisher.publish(map_of(1))


def test_a_parent_that_closes_gives_the_lock_to_its_child(tmp_path, publisher):
    publisher.publish(map_of(1))
    closed, wait = os.pipe()

    def use():
        os.close(wait)
        os.read(closed, 1)
        with Publisher(tmp_path, "users") as mine:
            mine.publish(map_of(2))

    child = child_that(use)
    publisher.close()
    os.close(wait)
    os.close(closed)
    assert exit_code_of(child) == 0
    assert content_of(Subscriber(tmp_path, "users").current()) == 2


def test_a_program_that_is_executed_does_not_inherit_the_lock(tmp_path, publisher):
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, close_fds=False):
        publisher.close()
        Publisher(tmp_path, "users").close()


def test_a_fork_while_a_thread_publishes(tmp_path, publisher):
    """The child leaves the unfinished file alone."""
    publishing, go_on = threading.Event(), threading.Event()

    def wait(fraction):
        publishing.set()
        assert go_on.wait(SECONDS)

    thread = threading.Thread(target=lambda: publisher.publish(map_of(1), progress=wait))
    thread.start()
    assert publishing.wait(SECONDS)
    here, there = multiprocessing.Pipe()
    worker = multiprocessing.get_context("fork").Process(target=try_to_publish, args=(tmp_path, there))
    worker.start()
    assert here.poll(SECONDS)
    assert here.recv()[0] == "BlockingIOError"
    worker.join(SECONDS)
    assert worker.exitcode == 0
    go_on.set()
    thread.join(SECONDS)
    assert content_of(Subscriber(tmp_path, "users").current()) == 1


@pytest.mark.parametrize("before", [0, 1])
def test_a_fork_while_a_thread_opens_a_generation(tmp_path, publisher, monkeypatch, before):
    """The child has neither the thread nor its lock."""
    users = Subscriber(tmp_path, "users", every=0)
    for content in range(before):
        publisher.publish(map_of(content))
        users.current()
    opening, go_on = threading.Event(), threading.Event()
    real = generations.files.open

    def slow(path):
        opening.set()
        assert go_on.wait(SECONDS)
        return real(path)

    monkeypatch.setattr(generations.files, "open", slow)
    publisher.publish(map_of(5))
    thread = threading.Thread(target=users.current)
    thread.start()
    assert opening.wait(SECONDS)

    def use():
        go_on.set()
        assert content_of(users.current()) == 5

    assert exit_code_of_a_child(use) == 0
    go_on.set()
    thread.join(SECONDS)


# ---- crashes


def run_program(*arguments, environment=None):
    command = [sys.executable, "-X", "faulthandler", TESTS / "failing_publish.py", *arguments]
    done = subprocess.run(command, env={**os.environ, **(environment or {})}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["once", "always", "kill"])
def test_each_call_of_the_system_may_fail(mode, failing_calls):
    """Opening, writing, flushing, renaming, removing: in a program of its own, which says what it left."""
    said = run_program(mode, environment=failing_calls)
    what = "killed" if mode == "kill" else "raised"
    for published, line in enumerate(said.splitlines()):
        found = re.fullmatch(
            rf"{mode}, {published} before: (\d+) calls, {{'{what}, old': (\d+), '{what}, new': .*}}", line
        )
        assert found, line
        assert int(found[1]) > int(found[2]) > 10
    assert published == 2


@pytest.mark.slow
def test_publishers_that_are_killed_at_any_moment():
    said = run_program("moments", "20")
    killed, published = map(int, re.findall(r"\d+", said))
    assert killed == 20
    assert published >= 10
