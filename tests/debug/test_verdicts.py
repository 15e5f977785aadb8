"""Verdicts from made-up meters and the evidence against them; missing meters; accounts that are wrong."""

import dataclasses
import json
import pickle
import re
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

import pyhmap
from pyhmap import FrozenMap, HIndex, HMap, HSet, debug
from pyhmap.debug import accounts, meters, rounds, verdicts
from pyhmap.debug.accounts import Maps
from pyhmap.debug.meters import Heap, Process, Python, Snapshot, Trimmed

MB = 1 << 20
START = {"uss": 60 * MB, "anon": 50 * MB, "file": 20 * MB, "vms": 500 * MB, "heap": 10 * MB, "traced": 5 * MB}
START |= {"blocks": 10**5, "objects": 30_000, "allocated": 10 * MB, "bucket_blocks": 10 * MB, "maps": 3, "idle": 0}
START |= {"entries": 0, "items": 1000}


def made_up(growth, *, given_back=None, waiting=0, start=START):
    """Seven snapshots. The meters in `growth` grow by so much per round, the others stay as they are."""
    series = []
    for i in range(7):
        at = {name: value + i * growth.get(name, 0) for name, value in start.items()}
        process = Process(at["uss"], at["anon"] + at["file"], at["anon"], at["file"], at["vms"])
        python = Python(at["blocks"], at["objects"], waiting, 0, 700, 0, at["items"])
        numbers = dict.fromkeys(Maps.__slots__, 0) | {"alive": at["maps"], "idle": at["idle"]}
        numbers["entries"] = at["entries"]
        maps = Maps(**numbers | {"allocated": at["allocated"], "blocks": at["bucket_blocks"]})
        trimmed = Trimmed(0, at["anon"] - given_back, 0) if given_back is not None and i == 6 else None
        series.append(Snapshot(process, Heap(at["heap"], 0), python, at["traced"], maps, trimmed))
    return series


@pytest.mark.parametrize(
    ("growth", "verdict"),
    [
        ({}, "clean"),
        ({"traced": MB, "heap": MB, "uss": MB, "anon": MB}, "held references"),
        ({"blocks": 1000, "objects": 1000}, "held references"),
        ({"heap": MB, "uss": MB, "anon": MB}, "native leak"),
        ({"heap": 9 * MB, "traced": MB, "blocks": 100}, "native leak"),
        ({"entries": 1}, "held references"),
        ({"items": 1}, "held references"),
        ({"items": 1, "traced": 10_000}, "held references"),  # not an accounting error: the items explain it
        ({"entries": 1, "uss": MB, "anon": MB}, "held references"),  # not allocator retention
        ({"file": MB}, "mapped file pages"),
        ({"file": MB, "objects": 50}, "held references"),
        ({"traced": MB}, "accounting error"),
        ({"traced": MB, "vms": MB}, "held references"),
        ({"bucket_blocks": MB, "vms": MB, "uss": MB, "anon": MB}, "accounting error"),
        ({"bucket_blocks": MB, "vms": MB, "traced": MB}, "held references"),
        ({"idle": MB, "allocated": 2 * MB, "bucket_blocks": 2 * MB, "traced": 2 * MB}, "retained capacity"),
        ({"idle": MB, "allocated": 2 * MB, "bucket_blocks": 2 * MB, "traced": 2 * MB, "maps": 4}, "held references"),
    ],
)
def test_the_pattern_of_each_verdict(growth, verdict):
    found = debug.compare(made_up(growth), calls=10)
    assert found.verdict == verdict, str(found)
    assert found.verdict.is_leak == (verdict not in ("clean", "mapped file pages"))


@pytest.mark.parametrize(("given_back", "verdict"), [(5 * MB, "allocator retention"), (0, "native leak")])
def test_what_trimming_gives_back_was_no_leak(given_back, verdict):
    """Resident memory and address space grow by 6 MB, which no other meter shows."""
    found = debug.compare(made_up({"uss": MB, "anon": MB, "vms": MB}, given_back=given_back))
    assert found.verdict == verdict
    assert found.contradicting == () or verdict == "native leak"


def test_growth_that_is_not_trimmed_is_not_judged():
    """Without a trim at the last snapshot, the report says what to do; pages of old memory are distinguished."""
    growth = {"uss": MB, "anon": MB}
    assert "trim=True" in debug.compare(made_up(growth)).sentence
    assert "for the first time" in debug.compare(made_up(growth, given_back=0)).sentence
    assert "returns it when it is trimmed" in debug.compare(made_up(growth, given_back=5 * MB)).sentence


def test_what_does_not_repeat_is_clean(monkeypatch):
    """Each trial has another verdict; the report of the last one shows the meter that grew as evidence against."""
    growths = [{"heap": MB}, {"objects": 50}, {"heap": MB}, {"objects": 50}, {"heap": MB}]
    monkeypatch.setattr(rounds, "trial", lambda *_: made_up(growths.pop(0)))
    found = debug.leakcheck(int)
    assert (found.verdict, found.lines, found.types) == ("clean", (), ())
    assert [trend.meter for trend in found.contradicting] == ["heap"]
    assert found.trials[0] == "100 calls per round: native leak"
    assert found.trials[-1] == "too few trials in a row agree"


def test_what_halves_is_dropped(monkeypatch):
    """One megabyte per round in each trial is half as much per call each time; two are as much per call."""
    monkeypatch.setattr(rounds, "trial", lambda *_: made_up({"heap": MB}))
    assert debug.leakcheck(int).verdict == "clean"
    monkeypatch.setattr(rounds, "trial", lambda function, calls, _: made_up({"heap": calls * 1000}))
    found = debug.leakcheck(int)
    assert (found.verdict, found.calls, len(found.trials)) == ("native leak", 1600, 5)


@pytest.mark.parametrize(("waiting", "verdict"), [(650, "clean"), (5000, "cycles waiting")])
def test_cycles_may_wait_up_to_the_collectors_threshold(waiting, verdict):
    assert debug.compare(made_up({}, waiting=waiting)).verdict == verdict


def test_a_map_that_was_large_once_is_named_though_nothing_grows():
    series = made_up({}, start=START | {"idle": 5 * MB})
    assert debug.compare(series).verdict == "retained capacity"
    assert debug.compare(series, baseline=series[0]).verdict == "clean"  # it was like that before the calls


def test_growth_in_one_round_is_none():
    still, more = made_up({}), made_up({}, start=START | {"traced": 9 * MB, "heap": 15 * MB, "blocks": 10**6})
    assert debug.compare(still[:3] + more[3:]).verdict == "clean"


def test_meters_for_and_against():
    """Held references are expected to show in the objects, and here do not."""
    found = debug.compare(made_up({"traced": MB, "heap": MB, "uss": MB, "anon": MB, "blocks": 50}), calls=4)
    assert [trend.meter for trend in found.contradicting] == ["objects"]
    assert {trend.meter for trend in found.supporting} >= {"traced", "uss", "anonymous", "blocks"}
    page = str(found).splitlines()
    assert page[0] == "held references: 262 kB per call stays because something still refers to it."
    assert page.index("For it") < page.index("Against it")
    assert any(re.match(r"  traced +up +262 kB per call \(262 kB to 262 kB\)", line) for line in page)


def test_steps_in_python_memory_are_no_native_leak():
    """Two of six rounds allocate 1 MB. The C heap has the same steps, and some noise that makes a slope of them."""
    series = made_up({"heap": 1000})
    for i, one in enumerate(series):
        steps = MB * ((i > 2) + (i > 4))
        heap = Heap(one.heap.used + steps, one.heap.mmapped)
        series[i] = dataclasses.replace(one, heap=heap, traced=one.traced + steps)
    assert debug.compare(series).verdict == "clean"


def test_entries_without_memory_say_so():
    """A map that has room gains keys: memory that does not grow is no evidence against."""
    found = debug.compare(made_up({"entries": 40}), calls=20)
    assert found.sentence == "held references: maps and sets gain 2 keys per call, which nothing removes."
    assert found.contradicting == ()
    assert "entries" in [trend.meter for trend in found.supporting]


def test_small_growth_need_not_show_in_pages():
    """10 kB per round is below the floor of the process's meters: it is no evidence that they do not grow."""
    assert debug.compare(made_up({"traced": 10_000, "heap": 10_000, "blocks": 50, "objects": 50})).contradicting == ()


def test_the_json_says_all():
    found = debug.compare(made_up({"heap": MB, "uss": MB, "anon": MB}), calls=4)
    document = json.loads(json.dumps(found.to_json()))
    assert (document["verdict"], document["is_leak"], document["calls"], document["rounds"]) == (
        "native leak",
        True,
        4,
        6,
    )
    assert {one["meter"]: one["slope"] for one in document["meters"]}["heap"] == MB
    assert [one["heap.used"] for one in document["samples"]] == [10 * MB + i * MB for i in range(7)]
    assert "CPython" in document["environment"]["python"]


def test_bad_calls_are_refused():
    with pytest.raises(ValueError, match="4 snapshots or more, not 3"):
        debug.compare(made_up({})[:3])
    with pytest.raises(ValueError, match="calls=0"):
        debug.compare(made_up({}), calls=0)
    with pytest.raises(ValueError, match="rounds=3: give at least 4"):
        debug.leakcheck(int, rounds=3)
    with pytest.raises(ValueError, match="warm_up=-1"):
        debug.leakcheck(int, warm_up=-1)
    with pytest.raises(TypeError, match="3 cannot be called"):
        debug.leakcheck(3)


def test_what_the_function_raises_is_raised_and_tracing_ends():
    with pytest.raises(ZeroDivisionError):
        debug.leakcheck(lambda: 1 // 0)
    assert not tracemalloc.is_tracing()


# ---- real snapshots --------------------------------------------------------------------------------------------------


def test_a_snapshot_has_five_meters():
    pytest.importorskip("psutil")
    tracemalloc.start()
    try:
        kept = [HMap(np.int64, np.int64, ((i, i) for i in range(200)))]
        before = debug.snapshot()
        kept.append(HMap(np.int64, np.int64, {1: 1}, capacity=500_000))
        kept.append(np.ones(5 << 20))
        after = debug.snapshot(trim=True)
    finally:
        tracemalloc.stop()
    assert after.process.rss_anon - before.process.rss_anon > 30 << 20  # 40 MB, minus memory that was freed meanwhile
    assert after.process.rss == after.process.rss_anon + after.process.rss_file
    assert after.heap.used + after.heap.mmapped - before.heap.used - before.heap.mmapped > 39 << 20
    assert after.traced - before.traced > (40 << 20) + after.maps.allocated - before.maps.allocated
    assert after.python.blocks > before.python.blocks
    assert (after.maps.alive - before.maps.alive, after.maps.entries - before.maps.entries) == (1, 1)
    assert after.maps.allocated - before.maps.allocated == after.maps.blocks - before.maps.blocks
    # 2^17 buckets hold 500,000 keys at 6.5 each; a bucket is 8 tophashes, 8 pairs and a link
    assert after.maps.buckets - before.maps.buckets == (1 << 17) * (8 + 8 * 16 + 4)
    assert after.maps.capacity - before.maps.capacity == 13 << 16
    assert after.maps.idle - before.maps.idle == ((1 << 17) - 64) * (8 + 8 * 16 + 4)
    assert after.trimmed.uss > 0
    assert before.trimmed is None
    assert after.types["pyhmap.hmap.HMap"] - before.types["pyhmap.hmap.HMap"] == 1
    assert after.missing == ()


def test_a_growing_map_has_two_arrays():
    m = HMap(np.int64, np.int64, seed=2)
    m.update((key, key) for key in range(1700))
    assert m.header().oldbuckets
    of = dict(zip(Maps.__slots__, accounts.account(m), strict=False))
    assert (of["growing"], of["entries"]) == (1, 1700)
    assert of["idle"] == of["old"] > 0
    assert of["buckets"] + of["overflow"] + of["old"] == m.nbytes
    m.finish_growth()
    of = dict(zip(Maps.__slots__, accounts.account(m), strict=False))
    assert of["growing"] == of["old"] == of["idle"] == 0


def test_blocks_are_those_of_the_maps_and_of_views():
    """Memory that a view keeps after its map is gone is in no map's account."""
    before = debug.snapshot().maps
    m = HMap(np.int64, np.int64, ((i, i) for i in range(1000)))
    words = HMap(str, str, {"a key that is long enough": "a value that is long enough"})
    view = m.bucket_arrays()
    held = accounts.account(m)[-1]
    both = debug.snapshot().maps
    assert both.blocks - before.blocks == both.allocated - before.allocated > held
    del m, words
    after = debug.snapshot().maps
    assert (after.blocks - before.blocks, after.allocated - before.allocated) == (held, 0)
    del view
    assert debug.snapshot().maps.blocks == before.blocks


def test_frozen_maps_are_in_the_accounts():
    """Their account and the blocks that exist agree, also for several parts, for long texts, and for no keys."""
    m = HMap(np.int64, np.int64, ((i, i) for i in range(1000)))
    words = HMap(str, str, {"a key that is long enough": "a value that is long enough"})
    s = HSet(np.int32, range(50))
    before = debug.snapshot().maps
    kept = [m.freeze(), words.freeze(), s.freeze(), HMap(np.int64, str).freeze()]
    kept += [FrozenMap.from_arrays(np.arange(40_000), np.arange(40_000)), pickle.loads(pickle.dumps(kept[1]))]
    after = debug.snapshot().maps
    more = {name: getattr(after, name) - getattr(before, name) for name in Maps.__slots__}
    assert (more["alive"], more["entries"], more["capacity"]) == (6, 41_052, 41_052)
    assert more["allocated"] == more["blocks"] >= more["frozen"] + more["arenas"]
    assert more["frozen"] > 41_000 * 16
    assert more["arenas"] == 2 * len("a key that is long enough" + "a value that is long enough")
    assert more["frozen"] + more["arenas"] == sum(one.nbytes for one in kept)
    assert after.bytes - before.bytes == more["frozen"] + more["arenas"]
    assert more["growing"] == more["buckets"] == more["overflow"] == more["old"] == more["idle"] == 0
    kept.clear()
    assert debug.snapshot().maps == before


def test_indexes_are_in_the_accounts():
    """Their account and the blocks that exist agree, also for texts in several blocks of the arena, and for no keys."""
    texts = [f"a text that is too long for its place: {i}" for i in range(300)]
    before = debug.snapshot().maps
    kept = [HIndex(np.int64, np.arange(1000)), HIndex("U2", ["a", "b"]), HIndex("i4")]
    kept.append(HIndex(str))
    for i in range(0, 300, 30):
        kept[3].encode(texts[i : i + 30])
    after = debug.snapshot().maps
    more = {name: getattr(after, name) - getattr(before, name) for name in Maps.__slots__}
    assert (more["alive"], more["entries"]) == (4, 1302)
    assert more["capacity"] == (256 + 1 + 1 + 64) * 6  # 6 keys for each of the smallest number of buckets
    assert more["arenas"] == sum(map(len, texts))
    assert more["allocated"] == more["blocks"] >= more["indexes"] + more["arenas"]
    assert more["indexes"] + more["arenas"] == sum(one.nbytes for one in kept)
    assert after.bytes - before.bytes == more["indexes"] + more["arenas"]
    assert more["growing"] == more["buckets"] == more["overflow"] == more["old"] == more["idle"] == more["frozen"] == 0
    labels = kept[0].labels()
    kept.clear()
    held = debug.snapshot().maps
    assert (held.alive, held.indexes, held.blocks) == (before.alive, before.indexes, before.blocks + 256 * 6 * 8)
    assert labels[-1] == 999
    del labels
    assert debug.snapshot().maps == before


def test_an_index_from_a_file_holds_no_blocks(tmp_path):
    """It is counted as the frozen map that it is made of."""
    HIndex(np.int64, np.arange(1000)).save(tmp_path / "f")
    before = debug.snapshot().maps
    f = pyhmap.open(tmp_path / "f")
    after = debug.snapshot().maps
    assert (after.alive - before.alive, after.entries - before.entries) == (1, 1000)
    assert (after.blocks, after.allocated, after.indexes) == (before.blocks, before.allocated, before.indexes)
    assert len(f) == 1000


def test_a_build_that_fails_leaves_no_blocks():
    before = debug.snapshot().maps

    def stop(done):
        raise LookupError(done)

    for items, error, options in (
        ([1, 2, 1], ValueError, {}),
        (range(100_000), LookupError, {"progress": stop}),
        (range(100_000), LookupError, {"progress": stop, "threads": 2}),
    ):
        with pytest.raises(error):
            FrozenMap.from_arrays(np.array(items), np.array(items), **options)
    assert debug.snapshot().maps == before


@pytest.mark.parametrize("make", [HMap.copy, HMap.freeze, lambda m: HIndex(np.int64, list(m))])
def test_a_map_that_claims_what_does_not_exist_is_an_accounting_error(monkeypatch, make):
    kept = make(HMap(np.int64, np.int64, {i: i for i in range(10_000)}))
    assert len(kept) == 10_000
    assert debug.compare([debug.snapshot() for _ in range(4)]).verdict != "accounting error"
    monkeypatch.setattr(accounts, "block_memory", lambda: (1, 1000))
    found = debug.compare([debug.snapshot() for _ in range(4)])
    assert found.verdict == "accounting error"
    assert re.match(r"accounting error: maps report .* kB, but 1 kB exist\.", found.sentence)


def test_without_psutil_two_meters_are_missing_and_named(monkeypatch):
    monkeypatch.setattr(meters, "psutil", None)
    kept = []
    series = []
    for _ in range(6):
        series.append(debug.snapshot(trim=True))
        kept.extend([] for _ in range(3000))
    assert series[0].process is series[0].heap is None
    found = debug.compare(series)
    assert found.verdict == "held references"
    assert "uss" not in found.trends
    assert "pip install 'pyhmap[profiling]'" in found.missing[0]
    assert "tracemalloc.start()" in found.missing[1]
    assert "Meters missing" in str(found)


def test_an_old_psutil_has_no_heap(monkeypatch):
    psutil = pytest.importorskip("psutil")
    monkeypatch.delattr(psutil, "heap_info")
    one = debug.snapshot(trim=True)
    assert one.process is not None
    assert one.heap is one.trimmed is None
    assert "psutil>=7.2" in one.missing[0]


def test_importing_pyhmap_does_not_import_the_lab():
    code = "import pyhmap, sys; print([name for name in sys.modules if name.startswith(('pyhmap.debug', 'psutil'))])"
    run = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_the_table_in_the_docs_is_the_one_in_the_code():
    """Rows are meters, columns are verdicts."""
    rows = [
        line for line in (Path(__file__).parents[2] / "docs" / "debug.md").read_text().splitlines() if line[:1] == "|"
    ]
    table = [[cell.strip().strip("*`") for cell in row.strip("|").split("|")] for row in rows]
    start = next(i for i, row in enumerate(table) if row[0] == "meter")
    written = {
        (table[start][column], row[0]): row[column]
        for row in table[start + 2 :]
        for column in range(1, len(table[start]))
        if len(row) == len(table[start]) and row[column]
    }
    expected = {
        (str(verdict), meter): state
        for verdict, pattern in verdicts.PATTERNS.items()
        for meter, state in pattern.items()
    }
    assert written == expected
