"""The lock that processes and threads of a machine share: one has it, whatever ends it."""

import os
import threading

import pytest

from pyhmap import _system
from pyhmap._file import lock

SECONDS = 60  # what takes longer counts as a deadlock


def test_the_second_waits_or_is_told(tmp_path):
    path = str(tmp_path / "lock")
    entered = threading.Event()

    def wait():
        with lock.locked(path, wait=True):
            entered.set()

    waiting = threading.Thread(target=wait)
    with lock.locked(path, wait=False):
        with pytest.raises(BlockingIOError), lock.locked(path, wait=False):
            pass
        waiting.start()
        assert not entered.wait(0.05)
    waiting.join(SECONDS)
    assert entered.is_set()
    assert os.listdir(tmp_path) == []


def test_one_that_gets_the_lock_of_a_file_without_a_name_waits_for_the_one_with_it(tmp_path, monkeypatch):
    """The holder removes the file. Then a third makes another one, before the one that waited looks."""
    path, flock = str(tmp_path / "lock"), _system.fcntl.flock
    waits, has_it, may_look, waits_again = (threading.Event() for _ in range(4))
    entered = threading.Event()

    def watched(file, how):
        if threading.current_thread() is waiting:
            (waits_again if waits.is_set() else waits).set()
            flock(file, how)
            has_it.set()
            assert may_look.wait(SECONDS)
        else:
            flock(file, how)

    def wait():
        with lock.locked(path, wait=True):
            entered.set()

    monkeypatch.setattr(_system.fcntl, "flock", watched)
    waiting = threading.Thread(target=wait)
    with lock.locked(path, wait=True):
        waiting.start()
        assert waits.wait(SECONDS)
    assert has_it.wait(SECONDS)
    with lock.locked(path, wait=True):
        may_look.set()
        assert waits_again.wait(SECONDS)
        assert not entered.is_set()
    waiting.join(SECONDS)
    assert entered.is_set()
    assert os.listdir(tmp_path) == []
