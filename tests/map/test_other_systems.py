"""What differs on Windows and macOS, with their calls replaced by fakes: as far as Linux can show it.

The fake of a locked byte is a real lock of that byte, of an open file; the fake of a rename refuses while the target is
open, as Windows does.
"""

import errno
import fcntl
import os
import struct
import sys
import types

import numpy as np
import pytest

import pyhmap
from pyhmap import FrozenMap, HMap, Publisher, Subscriber, _system, generations
from pyhmap._file.lock import locked
from pyhmap._file.replace import replaced


def lock_bytes(file, mode, n):
    """msvcrt.locking: from the position of the file on."""
    kind = fcntl.F_UNLCK if mode == 0 else fcntl.F_WRLCK
    request = struct.pack("hhqqi4x", kind, os.SEEK_SET, os.lseek(file, 0, os.SEEK_CUR), n, 0)
    try:
        fcntl.fcntl(file, fcntl.F_OFD_SETLK, request)
    except OSError:
        raise PermissionError(errno.EACCES, "Permission denied") from None


def open_names():
    """The files that this process has open, or mapped."""
    names = [os.path.realpath(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd")]
    with open("/proc/self/maps") as maps:
        return names + [line.split(maxsplit=5)[-1].strip() for line in maps]


@pytest.fixture
def windows(monkeypatch):
    """The calls of files, as Windows has them."""
    real_replace, real_unlink = os.replace, os.unlink

    def refused_if_open(path):
        if os.path.realpath(path) in open_names():
            raise PermissionError(errno.EACCES, "somebody has it open", path)

    def replace(path, target):
        refused_if_open(target)
        real_replace(path, target)

    def unlink(path):
        refused_if_open(path)
        real_unlink(path)

    fake = types.ModuleType("msvcrt")
    fake.LK_UNLCK, fake.LK_NBLCK, fake.locking = 0, 2, lock_bytes
    monkeypatch.setitem(sys.modules, "msvcrt", fake)
    monkeypatch.setattr(_system, "sys", types.SimpleNamespace(platform="win32"))
    monkeypatch.setattr(_system, "PATIENCE", 0.05)
    monkeypatch.setattr(os, "replace", replace)
    monkeypatch.setattr(os, "unlink", unlink)


def test_a_file_is_saved_opened_and_replaced(windows, tmp_path):
    path = tmp_path / "m"
    HMap(str, np.int64, {"a\r\n": 1}).save(path)
    for prefetch in (None, "touch", "copy"):
        f = pyhmap.open(path, prefetch=prefetch)
        assert dict(f) == {"a\r\n": 1}
        f.close()
        del f
    HMap(str, np.int64, {"b": 2}).save(path)
    assert dict(pyhmap.open(path)) == {"b": 2}


def test_a_file_that_somebody_has_open_is_not_replaced_and_stays_whole(windows, tmp_path):
    path = tmp_path / "m"
    HMap(str, np.int64, {"a": 1}).save(path)
    f = pyhmap.open(path)
    with pytest.raises(PermissionError):
        HMap(str, np.int64, {"b": 2}).save(path)
    assert dict(f) == {"a": 1}
    assert os.listdir(tmp_path) == ["m"]


def test_a_file_that_is_read_for_a_moment_is_replaced_then(windows, tmp_path, monkeypatch):
    path = tmp_path / "m"
    path.write_bytes(b"old")
    reader = path.open("rb")
    monkeypatch.setattr(_system.time, "sleep", lambda seconds: reader.close())
    with replaced(path) as file:
        file.write(b"new")
    assert path.read_bytes() == b"new"


def test_generations_are_published_under_a_reader(windows, tmp_path):
    """Who holds one keeps its file; it is removed when nobody does."""
    with Publisher(tmp_path, "m", keep=1) as publisher:
        publisher.publish(HMap(np.int64, np.int64, {1: 1}))
        reader = Subscriber(tmp_path, "m", every=0)
        held = reader.current()
        publisher.publish(HMap(np.int64, np.int64, {1: 2}))
        assert held[1] == 1
        assert reader.current()[1] == 2
        assert (tmp_path / "m.00000001.pyhmap").exists()
        del held
        publisher.publish(HMap(np.int64, np.int64, {1: 3}))
        assert not (tmp_path / "m.00000001.pyhmap").exists()
        assert reader.current()[1] == 3


def test_a_second_publisher_is_refused_and_told_who_the_first_is(windows, tmp_path):
    first = Publisher(tmp_path, "m")
    with pytest.raises(BlockingIOError, match=f"process {os.getpid()}"):
        Publisher(tmp_path, "m")
    assert (tmp_path / "m.lock").read_bytes() == b"%d\n" % os.getpid()
    first.close()
    Publisher(tmp_path, "m").close()


def test_a_lock_excludes_and_ends(windows, tmp_path, monkeypatch):
    path = str(tmp_path / "lock")
    waits = []
    with locked(path, wait=False):
        with pytest.raises(BlockingIOError), locked(path, wait=False):
            pass

        def give_up(seconds):
            waits.append(seconds)
            raise KeyboardInterrupt

        monkeypatch.setattr(_system.time, "sleep", give_up)
        with pytest.raises(KeyboardInterrupt), locked(path, wait=True):
            pass
    assert waits == [_system.PAUSE]
    with locked(path, wait=True):
        pass


def test_a_lock_is_given_up_while_the_file_stays_open(windows, tmp_path):
    with (tmp_path / "lock").open("w+b") as one, (tmp_path / "lock").open("r+b") as other:
        _system.lock(one.fileno(), wait=False)
        _system.unlock(one.fileno())
        _system.lock(other.fileno(), wait=False)


def test_an_error_of_permissions_is_reported_elsewhere(tmp_path, monkeypatch):
    """Only on Windows does it say that somebody reads an old generation."""
    with Publisher(tmp_path, "m", keep=1) as publisher:
        publisher.publish(HMap(np.int64, np.int64))

        def refused(path):
            raise PermissionError(errno.EACCES, "Permission denied", path)

        monkeypatch.setattr(generations.os, "unlink", refused)
        with pytest.warns(RuntimeWarning, match="could not be removed"):
            publisher.publish(HMap(np.int64, np.int64))


def test_macos_is_asked_to_flush_the_disk_too(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(_system, "sys", types.SimpleNamespace(platform="darwin"))
    monkeypatch.setattr(_system.fcntl, "F_FULLFSYNC", 51, raising=False)
    monkeypatch.setattr(_system.fcntl, "fcntl", lambda file, command: asked.append(command))
    FrozenMap.from_arrays([1], [2]).save(tmp_path / "m")
    assert asked == [51]
