"""The verb ``leaks``: the cases are what they say, the list of public calls is whole, and what is found is shown."""

import ctypes
import io
import json
import weakref

import numpy as np
import pytest
from rich.console import Console

import pyhmap
import tophash_cache
from leaks import cases as leaks_cases
from leaks import pictures, tables, zero_growth
from leaks import run as leaks
from leaks import worker as leaks_worker
from leaks.recipes import kit as zero_growth_kit
from pyhmap import ExpiringMap, ExpiringSet, FrozenIndex, FrozenMap, FrozenSet, HIndex, HMap, HSet, debug
from render import style

# --- the cases ---


@pytest.fixture
def places(monkeypatch):
    """A few places of their own."""
    monkeypatch.setattr(leaks_cases, "kept", [None] * 8)
    monkeypatch.setattr(leaks_cases, "PLACES", 8)
    return leaks_cases


def last(cases):
    """What the last call put into its place."""
    return next(thing for thing in reversed(cases.kept) if thing is not None)


def test_the_closures_share_the_last_row_and_the_fixed_ones_have_their_own(places):
    places.closure_leaking()
    assert [handler() for handler in last(places)] == [2.0 * places.ROW] * 3
    places.closure_fixed()
    assert [handler() for handler in last(places)] == [0.0, places.ROW, 2.0 * places.ROW]


def test_the_small_view_keeps_all_samples_and_the_copy_does_not(places):
    places.view_leaking()
    assert last(places).base.size == places.SAMPLES
    places.view_fixed()
    assert last(places).base is None


def test_the_leftover_is_a_map_that_the_concurrent_map_has_let_go(places):
    places.leftover_leaking()
    held = last(places)
    places.shared.promote()
    assert isinstance(held, HMap)
    assert not any(held is part for part in vars(places.shared).values())
    places.leftover_fixed()
    assert last(places) == len(places.KEYS)


def test_the_row_keeps_the_array_that_the_map_has_left(places):
    before = debug.snapshot().maps
    places.buckets_leaking()
    after = debug.snapshot().maps
    assert after.alive == before.alive
    assert after.blocks - before.blocks > 100 * last(places).nbytes
    places.kept[:] = [None] * 8
    places.buckets_fixed()
    assert debug.snapshot().maps.blocks == before.blocks


@pytest.mark.parametrize(("kind", "stays"), [(leaks_cases.Report, True), (leaks_cases.FixedReport, False)])
def test_the_cached_method_keeps_its_object_and_the_cached_property_does_not(kind, stays):
    report = kind()
    total = report.total if kind is leaks_cases.FixedReport else report.total()
    assert total == sum(range(500))
    gone = weakref.ref(report)
    del report
    assert (gone() is not None) is stays
    leaks_cases.Report.total.cache_clear()


def test_the_iterator_keeps_the_map(places):
    before = debug.snapshot().maps.alive
    places.iterator_leaking()
    assert debug.snapshot().maps.alive == before + 1
    places.kept[:] = [None] * 8
    places.iterator_fixed()
    assert debug.snapshot().maps.alive == before


def test_the_growth_stops_in_its_middle_until_it_is_ended(places):
    places.growth_leaking()
    assert last(places).header().oldbuckets == 32
    places.growth_fixed()
    assert (places.kept[1] or last(places)) is not None
    assert [m.header().oldbuckets for m in places.kept if m is not None].count(0) == 1


def test_room_that_was_reserved_stays_and_deletion_alone_shrinks(places):
    def buckets(call):
        places.places_of_maps()
        del places.kept[8:]
        for _ in range(8):
            call()
        return {m.header().buckets for m in places.kept}, {len(m) for m in places.kept}

    assert buckets(places.reserved_leaking) == ({512}, {10})
    assert buckets(places.reserved_fixed) == ({2}, {10})
    shrunk, counts = buckets(places.deleted)
    assert (max(shrunk) <= 64, counts) == (True, {10})


def test_every_verdict_is_stated_beforehand_and_is_one_that_the_tool_knows():
    known = {str(verdict) for verdict in debug.Verdict}
    for case in leaks_cases.CASES.values():
        assert {case.leaking.expected, case.fixed.expected} <= known
        assert case.fixed.expected == "clean"


# --- zero growth: the list is whole ---


CALLS = zero_growth.public_calls()


@pytest.fixture(autouse=True)
def configuration(monkeypatch):
    """Recipes of the configuration leave a file loaded; here others come after them."""
    monkeypatch.setattr(tophash_cache.config, "_file", {})
    monkeypatch.setattr(tophash_cache.config, "_configured", {})


@pytest.mark.parametrize("name", CALLS)
def test_every_public_call_has_a_recipe(name):
    assert zero_growth.recipe_of(name, CALLS[name]) is not None, f"{name}: enter a recipe in leaks/recipes/"


def test_no_recipe_is_of_a_call_that_is_gone():
    gone = [name for name in zero_growth_kit.RECIPES if name not in CALLS and not name.startswith("__")]
    assert gone == []


def test_calls_that_take_long_are_made_as_often_as_the_others_but_in_a_quick_run():
    def calls(**options):
        (found,) = zero_growth.measure_all(["pyhmap.debug.snapshot"], 8, **options)
        return sum(form["calls"] for form in found["forms"])

    assert calls(slow_calls=8) == 8
    assert calls(slow_calls=2) == 2
    jobs = leaks.growth_steps(None, leaks.GROWTH_CALLS, leaks.GROWTH_CALLS)
    assert {job.label for job in jobs[: len(zero_growth_kit.SLOW)]} == zero_growth_kit.SLOW


def test_what_users_call_is_on_the_list():
    classes = HMap, HSet, HIndex, FrozenMap, FrozenSet, FrozenIndex, ExpiringSet, ExpiringMap
    for cls in (*classes, tophash_cache.TopHashCache):
        for name in dir(cls):
            if not name.startswith("_"):
                assert f"{cls.__name__}.{name}" in CALLS
    for name in ("HMap.freeze", "FrozenMap.__hash__", "iter(FrozenMap).__next__", "FrozenSet.__rsub__"):
        assert name in CALLS
    for name in ("HIndex.encode", "HIndex.items", "iter(HIndex).__next__", "HIndex.decode().__arrow_c_array__"):
        assert name in CALLS
    for name in ("HMap.__getitem__", "HMap.__reduce__", "HMap.keys().__and__", "nil().add_many", "HSet.__rsub__"):
        assert name in CALLS
    for package in (pyhmap, debug, tophash_cache):
        for name in package.__all__:
            assert {f"{package.__name__}.{name}", f"{package.__name__}.{name}()", f"{name}()"} & set(CALLS), name


def test_a_new_method_without_a_recipe_is_found(monkeypatch):
    monkeypatch.setattr(HSet, "shuffle", lambda self: None, raising=False)
    calls = zero_growth.public_calls()
    assert zero_growth.recipe_of("HSet.shuffle", calls["HSet.shuffle"]) is None


@pytest.mark.parametrize("name", [name for name in CALLS if name not in zero_growth_kit.SLOW])
def test_each_recipe_makes_its_call(name):
    assert zero_growth.Rounds(name, "int64").each >= 1


@pytest.mark.parametrize(
    ("meter", "leak"),
    [
        ("blocks", lambda kept, key: kept.append([key])),
        ("heap", lambda kept, key: kept.append(np.ones(100))),
        ("references", lambda kept, key: kept.append(key)),
        ("references", lambda kept, key: ctypes.pythonapi.Py_DecRef(ctypes.py_object(None))),
        ("cycles", lambda kept, key: (made := []).append(made)),
    ],
)
def test_a_planted_leak_shows_on_its_meter(meter, leak, monkeypatch):
    """A recipe that leaves something behind: the very call is right, what it is called in is not."""
    kept = []
    right = zero_growth_kit.RECIPES["HMap.get"]

    def leaking(call, kit):
        right(call, kit)
        leak(kept, kit.key)

    monkeypatch.setitem(zero_growth_kit.RECIPES, "HMap.get", leaking)
    found = zero_growth.measure(zero_growth.Rounds("HMap.get", "object"), 2000)
    assert meter in zero_growth.beyond(found["grew"] | {"traced": 0})


@pytest.mark.parametrize("name", ["HMap.get", "HMap.set_many", "HSet.union", "TopHashCache.hash", "nothing"])
def test_calls_that_leave_nothing_behind_show_on_no_meter(name):
    for form in zero_growth.measure_all([name], 6000)[0]["forms"]:
        assert zero_growth.beyond(form["grew"] | {"uss": 0}) == []


# --- the header ---


def test_the_header_is_the_same_both_ways_and_others_are_refused():
    made = leaks_worker.header()
    fields = {row["field"]: row for row in made["headers"]["in the middle of a growth"]}
    assert set(fields) == set(HMap(np.int64, np.int64).header()._fields)
    assert all(row["agrees"] for rows in made["headers"].values() for row in rows)
    assert fields["oldbuckets"]["memory"] == 256
    assert "mark" in made["refused"]["a map whose mark is another"]
    assert all(made["refused"].values())


# --- the collector ---


def test_every_container_has_its_entries_and_six_full_collections():
    for container in leaks_worker.CONTAINERS:
        made = leaks_worker.collector(container, 2000)
        assert made["entries_alive"] == (0 if container == "nothing" else 2000)
        assert len(made["full"]) == leaks_worker.COLLECTIONS


def test_lists_wake_the_collector_while_they_are_written_and_a_map_does_not():
    assert leaks_worker.collector("dict of lists", 20_000)["building"]["0"]["count"] >= 20
    assert "0" not in leaks_worker.collector("HMap", 20_000)["building"]


# --- figures and what is printed ---


def case_sample(name, arm, verdict, **more):
    samples = [{"traced": 1000 * n, "maps.idle": 0} for n in range(4)]
    sample = {
        "measure": "case",
        "case": name,
        "arm": arm,
        "verdict": verdict,
        "bytes_a_call": 50 if verdict != "clean" else 0,
        "lines": ["a.py:7: 50 B in 1 pieces a call"],
        "types": [],
        "referrers": ["nothing that Python knows of -> tuple", "service.cache['k'] -> list[0] (HMap)"],
        "diagnosis": {"calls": 10, "samples": samples},
    }
    return sample | more


def collector_sample(container, entries, ns):
    pauses = {"count": 3, "collected": 0, "total": 10**6, "max": 5 * 10**5, "p50": 1, "p95": 1, "p99": 1}
    return {
        "measure": "collector",
        "container": container,
        "entries": entries,
        "share": 0.25,
        "build_cpu_seconds": 0.5,
        "uss": 10**7,
        "building": {"0": pauses, "2": pauses},
        "full": [{"cpu_ns": ns, "wall_ns": ns}] + [{"cpu_ns": ns // 10, "wall_ns": ns}] * 5,
    }


def growth_sample(name, **grew):
    form = {"form": "int64", "calls": 100, "cpu_seconds": 0.1, "grew": dict.fromkeys(zero_growth.SLACK, 0) | grew}
    return {"measure": "zero growth", "measured": [{"call": name, "forms": [form, form]}]}


@pytest.fixture
def document():
    """A result with one case that went as expected, one that did not, and one call that grew."""
    samples = [
        case_sample("suspended iterator", "leaking", "held references"),
        case_sample("suspended iterator", "fixed", "clean"),
        case_sample("closure over a loop variable", "leaking", "native leak"),
        case_sample("closure over a loop variable", "fixed", "clean"),
        *(collector_sample(name, 1000, 10**9) for name in leaks_worker.CONTAINERS for _ in range(3)),
        {"measure": "header"} | leaks_worker.header(),
        growth_sample("HMap.get"),
        growth_sample("HSet.union", blocks=5000),
        growth_sample("pyhmap.debug.leakcheck", heap=10),
    ]
    return {"figures": leaks.figures(samples), "samples": samples, "ended_by": ""}


def printed(document):
    text = io.StringIO()
    tables.show(Console(width=200, file=text), document)
    return text.getvalue()


def test_a_verdict_that_was_not_expected_is_printed_as_such(document):
    text = printed(document)
    assert text.startswith("3 of 4 verdicts are those expected. UNEXPECTED: closure over a loop variable, leaking")
    assert "UNEXPECTED: held references" in text
    assert "held by service.cache['k'] -> list[0] (HMap)" in text
    said = {row[0]: row[3] for row in leaks.verdicts(document["figures"])}
    assert said["suspended iterator"] == "target met"
    assert said["closure over a loop variable"] == "not reproduced"


def test_a_call_that_grew_by_more_than_it_may_is_named(document):
    text = printed(document)
    assert "Zero growth: 2 of 3 calls leave nothing behind, 600 times called. GREW: HSet.union: blocks 5,000." in text
    said = {row[0]: (row[2], row[3]) for row in leaks.verdicts(document["figures"])}
    assert said["public calls that leave something behind"] == ("1 of 3", "target missed")


def test_the_collectors_figures_are_medians_of_processes(document):
    (row,) = (row for row in document["figures"]["collector"] if row["container"] == "dict of tuples")
    assert (row["first"]["median"], row["later"]["median"], row["first"]["n"]) == (1.0, 0.1, 3)
    assert row["building"]["2"] == {"count": 3, "total": 0.001, "max": 0.0005}
    assert "dict of tuples 1 s" in printed(document)


def test_a_run_that_was_cut_short_still_prints_and_draws_nothing():
    document = {"figures": leaks.figures([]), "samples": [], "ended_by": "interrupted"}
    assert "ended early (interrupted)" in printed(document)
    assert pictures.drawings(document) == {}
    assert leaks.verdicts(document["figures"]) == []


def test_pictures_are_drawn_for_light_and_dark_pages(document, tmp_path):
    names = {path.name for path in style.save_all("leaks", pictures.drawings(document), tmp_path)}
    assert names == {f"leaks-{name}{page}.svg" for name in ("rounds", "collector") for page in ("", "-dark")}


def test_the_verb_measures_prints_and_writes(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(leaks, "SIZES_QUICK", (1000,))
    monkeypatch.setattr(leaks, "CASES", {"suspended iterator": leaks_cases.CASES["suspended iterator"]})
    monkeypatch.setattr(leaks, "CONTAINERS", ("dict", "HMap"))
    monkeypatch.setattr(leaks, "GROWTH_CALLS_QUICK", 100)
    monkeypatch.setattr(zero_growth, "public_calls", lambda: {"HMap.get": HMap.get})
    monkeypatch.setattr(zero_growth, "EXTRAS", {})

    assert leaks.run(quick=True, out=tmp_path) == ""

    assert capsys.readouterr().out.startswith("2 of 2 verdicts are those expected.")
    document = json.loads((tmp_path / "leaks.json").read_text())
    (row,) = document["figures"]["cases"]
    assert row["leaking"]["bytes_a_call"] > 10_000
    assert any("HMapIterator" in path for path in row["leaking"]["paths"])
    assert [row["call"] for row in document["figures"]["growth"]] == ["nothing", "HMap.get"]
    assert {sample["measure"] for sample in document["samples"]} == {"case", "collector", "header", "zero growth"}
    assert (tmp_path / "leaks-rounds.svg").exists()
