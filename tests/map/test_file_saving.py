"""Saving replaces a file as a whole: whatever fails, whenever the machine stops, the old file is there or the new one.

A machine that stops may lose what was not flushed, and keep later writes without earlier ones. So the writes, flushes
and renames of one save are recorded; then every state that the disk can be in after each of them is made and opened.
"""

import contextlib
import errno
import io
import itertools
import os
import resource
import signal

import numpy as np
import pytest
import xxhash

import pyhmap
from pyhmap import FrozenMap, HIndex, HMap, _system
from pyhmap._file import replace
from pyhmap._file.blocks import BlockWriter

OLD = HMap(int, str, {i: f"old value number {i}" for i in range(50)}).freeze(seed=1)
NEW = HMap(int, str, {i: f"value number {i}, which is new" for i in range(60)}).freeze(seed=2)
INDEX = HIndex(str, [f"key number {i}" for i in range(60)])


@pytest.fixture
def path(tmp_path):
    OLD.save(tmp_path / "saved.pyhmap")
    return tmp_path / "saved.pyhmap"


def opened(path):
    """The map in a file, every byte of which is right."""
    with pyhmap.open(path, verify="full") as f:
        return HMap(f)


def assert_nothing_changed(path):
    assert opened(path) == OLD
    assert os.listdir(path.parent) == [path.name]


# ---- how a file is written -------------------------------------------------------------------------------------------


class Calls(io.BytesIO):
    """A file that remembers where each call of ``write`` began and ended."""

    def __init__(self):
        super().__init__()
        self.made = []

    def write(self, data):
        begin = self.tell()
        super().write(data)
        self.made.append((begin, self.tell()))


@pytest.mark.parametrize("size", [1000, (1 << 20) + 1, (1 << 21) - 4096, 5 << 20, 9 << 20], ids="{:,}".format)
def test_each_huge_page_of_a_file_is_written_at_once(size):
    data = np.random.default_rng(1).bytes(9 << 20)
    file = Calls()
    file.write(bytes(4096))
    writer = BlockWriter(file)
    for at in range(0, len(data), size):
        writer.write(data[at : at + size])
    checksums = writer.checksums()

    assert file.getvalue() == bytes(4096) + data
    assert checksums == b"".join(xxhash.xxh3_128_digest(data[at : at + 2**20]) for at in range(0, len(data), 2**20))
    pages = [(page << 21, page + 1 << 21) for page in range(1, 4)]
    assert file.made == [(0, 4096), (4096, 1 << 21), *pages, (4 << 21, 4096 + len(data))]


# ---- calls that fail -------------------------------------------------------------------------------------------------


class FailingSystem:
    """The calls of the operating system, one of which fails: the n-th, counted from 0."""

    def __init__(self, n, error):
        self.left, self.error = n, error

    def __getattr__(self, name):
        return self._failing(getattr(os, name)) if name in ("open", "fsync", "replace") else getattr(os, name)

    def _failing(self, call):
        def made(*args, **kwargs):
            self.left -= 1
            if self.left == -1:
                raise self.error
            return call(*args, **kwargs)

        return made


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left"), PermissionError(errno.EACCES, "no"), KeyboardInterrupt()]
)
def test_every_call_fails_once(path, monkeypatch, error):
    for n in itertools.count():
        system = FailingSystem(n, error)
        try:
            with monkeypatch.context() as patched:
                patched.setattr(replace, "os", system)
                patched.setattr(_system, "os", system)
                NEW.save(path)
        except type(error):
            assert os.listdir(path.parent) == [path.name]
            assert opened(path) in (OLD, NEW)
            if opened(path) == NEW:  # only the flush of the folder failed
                OLD.save(path)
        else:
            break
    assert n == 5  # open, flush, rename; open the folder, flush it
    assert opened(path) == NEW


def test_a_full_disk(path):
    big = FrozenMap.from_arrays(np.arange(100_000), np.arange(100_000))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    for limit in (0, 1, 4096, 500_000, 1_600_000):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
        try:
            with pytest.raises(OSError, match="File too large"):
                big.save(path)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert_nothing_changed(path)
    signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("save", [NEW.save, HMap(NEW).save, INDEX.save, INDEX.freeze().save])
def test_progress_that_raises(path, save):
    def stop(part):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        save(path, progress=stop)
    assert_nothing_changed(path)


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        NEW.save(tmp_path / "missing" / "f.pyhmap")
    with pytest.raises(IsADirectoryError):
        NEW.save(tmp_path)
    assert os.listdir(tmp_path) == []


def test_a_link_is_followed(path, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(path)
    NEW.save(link)
    assert link.is_symlink()
    assert opened(path) == NEW


def test_who_has_the_old_file_open_keeps_it(path):
    with pyhmap.open(path) as f:
        NEW.save(path)
        assert f == OLD
        assert opened(path) == NEW


# ---- machines that stop ----------------------------------------------------------------------------------------------


class RecordedFile(io.FileIO):
    """A file that records each write."""

    def __init__(self, descriptor, log):
        super().__init__(descriptor, "wb")
        self.log = log

    def write(self, data):
        at = self.tell()
        written = super().write(data)
        self.log.append(("write", at, bytes(data)[:written]))
        return written


class RecordedSystem:
    """The calls of the operating system, recorded."""

    def __init__(self):
        self.log, self.folder = [], None

    def __getattr__(self, name):
        return getattr(os, name)

    def open(self, path, flags, mode=0o777):
        descriptor = os.open(path, flags, mode)
        if flags & os.O_DIRECTORY:
            self.folder = descriptor
        else:
            self.log.append(("create",))
        return descriptor

    def file(self, descriptor, mode):
        return io.BufferedWriter(RecordedFile(descriptor, self.log))

    def fsync(self, descriptor):
        self.log.append(("flush folder" if descriptor == self.folder else "flush",))
        os.fsync(descriptor)

    def replace(self, source, target):
        self.log.append(("rename",))
        os.replace(source, target)


def recorded(path, monkeypatch):
    """What saving the new map does."""
    system = RecordedSystem()
    monkeypatch.setattr(replace, "os", system)
    monkeypatch.setattr(_system, "os", system)
    monkeypatch.setattr(replace, "open", system.file, raising=False)
    NEW.save(path)
    return system.log


def states(log):
    """Each content that the name can lead to when the machine stops after so many steps: None is the old file."""
    for steps in range(len(log) + 1):
        safe, unsafe = [], []  # writes
        renamed = named_for_sure = False
        for name, *write in log[:steps]:
            if name == "write":
                unsafe.append(write)
            elif name == "flush":
                safe, unsafe = safe + unsafe, []
            elif name == "rename":
                renamed = True
            elif name == "flush folder":
                named_for_sure = renamed
        if not named_for_sure:
            yield steps, None
        if renamed:
            for kept in itertools.product([False, True], repeat=len(unsafe)):
                writes = [write for write, keep in zip(unsafe, kept, strict=True) if keep]
                content = bytearray()
                for at, data in safe + writes:
                    content.extend(bytes(max(0, at + len(data) - len(content))))
                    content[at : at + len(data)] = data
                yield steps, bytes(content)


def whole(content, path):
    """Whether a content is that of the new map."""
    path.write_bytes(content)
    with contextlib.suppress(pyhmap.FileFormatError):
        return opened(path) == NEW
    return False


def verdicts(log, path):
    """Whether some state is damaged, and whether the new file can be lost after the call has returned."""
    found = set(states(log))
    damaged = any(not whole(content, path) for content in {content for _, content in found} - {None})
    return damaged, (len(log), None) in found


def test_a_machine_that_stops_leaves_the_old_file_or_the_new_one(path, tmp_path, monkeypatch):
    log = recorded(path, monkeypatch)
    assert [name for name, *_ in log if name != "write"] == ["create", "flush", "rename", "flush folder"]
    assert verdicts(log, tmp_path / "after") == (False, False)


@pytest.mark.parametrize(("without", "found"), [("flush", (True, False)), ("flush folder", (False, True))])
def test_these_states_show_what_a_flush_is_for(path, tmp_path, monkeypatch, without, found):
    log = [step for step in recorded(path, monkeypatch) if step[0] != without]
    assert verdicts(log, tmp_path / "after") == found
