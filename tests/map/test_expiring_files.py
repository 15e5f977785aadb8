"""Expiring sets and maps in folders: what is saved and opened, what is written again, crashes, and damaged folders."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from expiring_models import FakeClock
from kinds import KINDS, VALUE_KINDS
from pyhmap import ExpiringMap, ExpiringSet, FileFormatError, HMap, HSet

TESTS = Path(__file__).parent.parent
TYPED = {name: kind for name, kind in KINDS.items() if name != "object"}
STORED = {name: kind for name, kind in VALUE_KINDS.items() if name not in ("object", "longdouble")}


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "folder"


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def parts_of(folder):
    """The file of each part, by its number, as the manifest has them; and no other file is there."""
    live = dict(json.loads((folder / "manifest.json").read_text())["live"])
    assert names_in(folder) == sorted([*live.values(), "manifest.json"])
    return live


# ---- what is saved and opened


@pytest.mark.parametrize("kind", TYPED.values(), ids=TYPED)
def test_keys_of_every_type(kind, clock, folder):
    keys = list(dict.fromkeys([*kind.keys, *kind.edge]))
    s = ExpiringSet(kind.spec, 80, renew=True, max_keys=10**6, clock=clock, seed=1)
    m = ExpiringMap(kind.spec, "i8", 80, parts=4, clock=clock)
    at = np.linspace(930, 1000, len(keys))
    s.add_many(keys, at=at)
    m.add_many(keys, at=at)
    m.add_many(keys, 2)
    s.save(folder)
    m.save(folder / "map")
    again, other = ExpiringSet.open(folder, clock=clock), ExpiringMap.open(folder / "map", clock=clock)
    assert set(again) == set(s)
    assert again.key_dtype == s.key_dtype
    assert dict(other.items()) == dict.fromkeys(keys, 3)
    assert not again.add_many(keys, at=930).any()  # an earlier time renews nothing
    for clock.now in (1020, 1050, 1090, 1100):
        assert set(again) == set(s)
        assert dict(other.items()) == dict(m.items())
    again.check()
    other.check()


@pytest.mark.parametrize("value_kind", STORED.values(), ids=STORED)
def test_values_of_every_type(value_kind, clock, folder):
    m = ExpiringMap("i8", value_kind.spec, 80, clock=clock)
    m.set_many(np.arange(len(value_kind.values)), value_kind.array(value_kind.values))
    m.save(folder)
    again = ExpiringMap.open(folder, clock=clock)
    assert again.value_dtype == m.value_dtype
    assert HMap("i8", value_kind.spec, again.items()) == HMap("i8", value_kind.spec, m.items())


def test_the_settings_are_saved(clock, folder):
    s = ExpiringSet(str, 80, parts=4, renew=True, max_keys=2, clock=clock)
    s.add_many(["a", "b"])
    s.save(folder)
    again = ExpiringSet.open(folder, clock=clock)
    assert (again.window, again.parts) == (80, 4)
    with pytest.raises(OverflowError, match="max_keys is 2"):
        again.add("c")
    clock.now = 1075
    assert not again.add("a")  # which renews it
    clock.now = 1100
    assert sorted(again) == ["a"]


def test_what_has_expired_meanwhile_is_not_there_and_not_read(clock, folder):
    s = ExpiringSet("i8", 80, clock=clock)
    s.add_many([1, 2], at=[950, 1000])
    s.save(folder)
    (folder / parts_of(folder)[95]).write_bytes(b"not a file")
    clock.now = 1040
    assert sorted(ExpiringSet.open(folder, clock=clock)) == [2]


def test_the_time_of_the_save_counts_where_the_clock_is_behind(clock, folder):
    s = ExpiringSet("i8", 80, clock=clock)
    s.add(1)
    s.save(folder)
    clock.now = 5
    again = ExpiringSet.open(folder, clock=clock)
    assert not again.add(1)
    assert again.add(2)
    clock.now = 1090
    assert len(again) == 0


def test_the_clock_of_an_opened_set_must_be_one(folder, clock):
    ExpiringSet("i8", 80, clock=clock).save(folder)
    with pytest.raises(TypeError, match="clock=5: give a function"):
        ExpiringSet.open(folder, clock=5)
    assert ExpiringSet.open(folder).add(1)


def test_objects_and_long_doubles_are_refused_and_nothing_is_written(folder, clock):
    for made in ExpiringSet(object, 80), ExpiringMap(object, int, 80), ExpiringMap(int, object, 80):
        with pytest.raises(TypeError, match="object") as raised:
            made.save(folder)
        with pytest.raises(TypeError, match=re.escape(str(raised.value))):
            HSet(object).freeze() if "keys" in str(raised.value) else HMap(int, object).freeze()
    with pytest.raises(TypeError, match="cannot be saved"):
        ExpiringMap(int, "g", 80).save(folder)
    assert not folder.exists()


# ---- what is written


def test_only_parts_that_have_changed_are_written_again(clock, folder):
    s = ExpiringSet("i8", 80, renew=True, clock=clock)
    s.add_many([1, 2, 3], at=[960, 980, 1000])
    s.save(folder)
    first = parts_of(folder)
    s.contains_many([1, 2, 3])
    s.add_many([1, 2, 3], at=900)
    s.save(folder)
    assert parts_of(folder) == first
    clock.now = 1010
    s.add(4)
    s.save(folder)
    second = parts_of(folder)
    assert {number: second[number] for number in first} == first
    assert second.keys() - first.keys() == {101}
    s.add_many([2])  # moves it from part 98 to part 101
    s.save(folder)
    third = parts_of(folder)
    assert third == {96: first[96], 100: first[100], 101: third[101]}
    assert third[101] != second[101]
    clock.now = 1060
    s.discard(3)
    s.save(folder)
    assert parts_of(folder) == {101: third[101]}
    again = ExpiringSet.open(folder, clock=clock)
    assert sorted(again) == [2, 4]
    again.add(5)
    again.save(folder)
    assert parts_of(folder).items() > {(101, third[101])}


def test_where_somebody_else_has_saved_or_removed_files_everything_is_written(clock, folder):
    s, other = ExpiringSet("i8", 80, clock=clock), ExpiringSet("i8", 80, clock=clock)
    s.add_many([1, 2], at=[960, 1000])
    other.add(7)
    s.save(folder)
    first = parts_of(folder)
    other.save(folder)
    s.save(folder)
    assert sorted(ExpiringSet.open(folder, clock=clock)) == [1, 2]
    second = parts_of(folder)
    assert not {*first.values()} & {*second.values()}
    (folder / second[96]).unlink()
    s.save(folder)
    assert sorted(ExpiringSet.open(folder, clock=clock)) == [1, 2]
    shutil.rmtree(folder)
    s.save(folder)
    assert sorted(ExpiringSet.open(folder, clock=clock)) == [1, 2]
    s.save(folder.with_name("another"))
    assert sorted(ExpiringSet.open(folder.with_name("another"), clock=clock)) == [1, 2]


def test_files_of_others_stay(clock, folder):
    folder.mkdir()
    others = ["notes.txt", "part-1.pyhmap", "part-0123456789abcdef.pyhmap.bak", "users.00000001.pyhmap"]
    left = ["part-0123456789abcdef.pyhmap", ".manifest.json.0123456789abcdef.tmp"]
    for name in [*others, *left]:
        (folder / name).write_text("x")
    s = ExpiringSet("i8", 80, clock=clock)
    s.save(folder)
    assert names_in(folder) == sorted([*others, "manifest.json"])


def test_the_folder_above_must_be_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        ExpiringSet("i8", 80).save(tmp_path / "missing" / "folder")
    with pytest.raises(FileNotFoundError, match=r"manifest\.json"):
        ExpiringSet.open(tmp_path)


def test_saves_while_threads_add_are_of_one_moment(folder):
    s, m = ExpiringSet("i8", 3600), ExpiringMap("i8", "i8", 3600)
    stop, batches, opened = threading.Event(), 0, 0

    def write():
        nonlocal batches
        while not stop.is_set() and batches < 2000:
            s.add_many(np.arange(100) + 100 * batches)
            m.add_many(np.arange(100))
            batches += 1

    def save():
        while not stop.is_set():
            s.save(folder)
            m.save(folder / "map")

    folder.mkdir()
    s.save(folder)
    m.save(folder / "map")
    threads = [threading.Thread(target=one, daemon=True) for one in (write, save, save)]
    for thread in threads:
        thread.start()
    until = time.monotonic() + 60
    try:
        while opened < 10 and time.monotonic() < until:
            try:
                assert len(ExpiringSet.open(folder)) % 100 == 0
                assert len(set(dict(ExpiringMap.open(folder / "map").items()).values())) <= 1
                opened += 1
            except FileFormatError as error:  # between the manifest that was read and its files
                if "which is not there" not in str(error):
                    raise
    finally:
        stop.set()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert opened == 10
    s.save(folder)
    m.save(folder / "map")
    assert len(ExpiringSet.open(folder)) == 100 * batches
    assert set(dict(ExpiringMap.open(folder / "map").items()).values()) == {batches}


# ---- damaged folders


def with_changes(**changes):
    def change(manifest):
        return json.dumps({**manifest, **changes})

    return change


def without(name):
    return lambda manifest: json.dumps({key: value for key, value in manifest.items() if key != name})


def with_file(name):
    return lambda manifest: json.dumps({**manifest, "live": [[100, name]]})


HOSTILE = {
    "empty": lambda manifest: "",
    "no JSON": lambda manifest: "{",
    "a list": lambda manifest: "[]",
    "deep": lambda manifest: "[" * 100_000,
    "no UTF-8": lambda manifest: b"\xff\xfe\x00",
    "long": lambda manifest: json.dumps(manifest) + " " * (1 << 21),
    "another format": with_changes(format=2),
    "another kind": with_changes(kind="map"),
    "a list as kind": with_changes(kind=[1] * 1000),
    **{f"without {name}": without(name) for name in ("format", "kind", "key", "window", "parts", "renew", "live")},
    **{f"also without {name}": without(name) for name in ("now", "max_keys", "seed")},
    "no type": with_changes(key="os.system"),
    "a type of objects": with_changes(key="|O"),
    "a number as type": with_changes(key=5),
    "another type": with_changes(key="<i4"),
    "texts": with_changes(key="str"),
    "no window": with_changes(window=None),
    "a window of no time": with_changes(window=0),
    "a window without end": lambda manifest: json.dumps(manifest).replace('"window": 80.0', '"window": 1e999'),
    "a window that is no number": lambda manifest: json.dumps(manifest).replace('"window": 80.0', '"window": NaN'),
    "a window that is true": with_changes(window=True),
    "many parts": with_changes(parts=10**9),
    "half a part": with_changes(parts=0.5),
    "true parts": with_changes(parts=True),
    "renewed by text": with_changes(renew="yes"),
    "no room": with_changes(max_keys=-1),
    "a text as room": with_changes(max_keys="many"),
    "a text as seed": with_changes(seed="1"),
    "a float as time": with_changes(now=1e12),
    "a time far off": with_changes(now=1 << 80),
    "a time before the parts": with_changes(now=10**9),
    "no list": with_changes(live={"100": "part-0123456789abcdef.pyhmap"}),
    "no pairs": with_changes(live=[100]),
    "three": with_changes(live=[[100, "part-0123456789abcdef.pyhmap", 1]]),
    "a text as number": with_changes(live=[["100", "part-0123456789abcdef.pyhmap"]]),
    "true as number": with_changes(live=[[True, "part-0123456789abcdef.pyhmap"]]),
    "a number far off": with_changes(live=[[1 << 70, "part-0123456789abcdef.pyhmap"]]),
    "a number as file": with_changes(live=[[100, 5]]),
    "a folder above": with_file("../outside.pyhmap"),
    "a part above": with_file("../part-0123456789abcdef.pyhmap"),
    "an absolute path": with_file("/part-0123456789abcdef.pyhmap"),
    "a path that goes on": with_file("part-0123456789abcdef.pyhmap/../../outside.pyhmap"),
    "a line that goes on": with_file("part-0123456789abcdef.pyhmap\n"),
    "a NUL": with_file("part-0123456789abcdef\0.pyhmap"),
    "other digits": with_file("part-0123456789abcde\u0660.pyhmap"),
    "a name of somebody else": with_file("manifest.json"),
    "a file that is not there": with_file("part-0123456789abcdef.pyhmap"),
    "a part twice": lambda manifest: json.dumps({**manifest, "live": manifest["live"] * 2}),
    "a file twice": lambda manifest: json.dumps(
        {**manifest, "live": [[99, manifest["live"][0][1]], *manifest["live"]]}
    ),
    "parts in no order": lambda manifest: json.dumps({**manifest, "live": manifest["live"][::-1]}),
}


NO_NAMES = ["a folder above", "a part above", "an absolute path", "a path that goes on", "a line that goes on"]
NO_NAMES += ["a NUL", "other digits", "a name of somebody else"]


@pytest.mark.parametrize("change", HOSTILE)
def test_a_damaged_manifest_is_refused_and_leads_to_no_file_outside(change, clock, folder):
    s = ExpiringSet("i8", 80, clock=clock)
    s.add_many([1, 2], at=[960, 1000])
    s.save(folder)
    HSet("i8", [7]).save(folder.with_name("outside.pyhmap"))
    HSet("i8", [7]).save(folder.with_name("part-0123456789abcdef.pyhmap"))
    manifest = folder / "manifest.json"
    made = HOSTILE[change](json.loads(manifest.read_text()))
    manifest.write_bytes(made if isinstance(made, bytes) else made.encode())
    said = ".*is no name of a file of a part" if change in NO_NAMES else ""
    with pytest.raises(FileFormatError, match=re.escape(str(folder)) + said):
        ExpiringSet.open(folder, clock=clock)
    s.save(folder)  # which writes all of it
    assert sorted(ExpiringSet.open(folder, clock=clock)) == [1, 2]


@pytest.mark.parametrize("damage", ["cut off", "one bit", "a map", "of another type", "a folder", "a link away"])
def test_a_damaged_part_is_refused(damage, clock, folder):
    s = ExpiringSet("i8", 80, clock=clock)
    s.add_many(np.arange(1000))
    s.save(folder)
    path = folder / parts_of(folder)[100]
    content = bytearray(path.read_bytes())
    if damage == "cut off":
        path.write_bytes(content[:-100])
    elif damage == "one bit":
        content[len(content) // 2] ^= 4
        path.write_bytes(content)
    elif damage == "a map":
        HMap("i8", "i8", {1: 2}).save(path)
    elif damage == "of another type":
        HSet("i4", [1]).save(path)
    else:
        path.unlink()
        outside = folder.with_name("outside.pyhmap")
        HSet("i8", [7]).save(outside)
        path.mkdir() if damage == "a folder" else path.symlink_to(outside)
    with pytest.raises(FileFormatError, match=re.escape(str(folder))):
        ExpiringSet.open(folder, clock=clock)


def test_a_map_is_opened_as_a_map_and_a_set_as_a_set(clock, folder):
    ExpiringMap("i8", "i8", 80, clock=clock).save(folder)
    with pytest.raises(FileFormatError, match="it is of a map, and ExpiringSet opens a set"):
        ExpiringSet.open(folder, clock=clock)
    m = ExpiringMap("i8", "i8", 80, clock=clock)
    m[1] = 2
    m.save(folder)
    HMap("i8", "f8", {1: 2.0}).save(folder / parts_of(folder)[100])
    with pytest.raises(FileFormatError, match="is no part of"):
        ExpiringMap.open(folder, clock=clock)


# ---- crashes


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["once", "always", "kill"])
def test_each_call_of_the_system_may_fail(mode, failing_calls):
    """Writing, flushing, renaming, removing: in a program of its own, which says what it left."""
    command = [sys.executable, "-X", "faulthandler", TESTS / "failing_expiring.py", mode]
    done = subprocess.run(command, env=os.environ | failing_calls, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    what = "killed" if mode == "kill" else "raised"
    for saved, line in enumerate(done.stdout.splitlines()):
        found = re.fullmatch(rf"{mode}, {saved} before: (\d+) calls, ({{.*}})", line)
        assert found, line
        outcomes = ast.literal_eval(found[2])
        assert outcomes.keys() - {"saved, new"} == {f"{what}, old", f"{what}, new"}, line
        assert int(found[1]) == sum(outcomes.values())
        assert outcomes[f"{what}, old"] > 10
    assert saved == 2
