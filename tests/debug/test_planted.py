"""Planted leaks for every verdict: the lab finds each of them, and its place."""

import inspect

import programs
import pytest

from pyhmap.debug import Verdict

pytestmark = pytest.mark.timeout(900)  # the first test of a group waits for all its programs
named = pytest.mark.parametrize("name", programs.PLANTED)
# Where what a program leaves behind can be reached from.
ROOTS = {
    "dict_that_only_grows": "programs.cache",
    "list_of_texts": "programs.texts",
    "chain_of_nodes": "programs.nodes[0]",
    "small_view_of_a_large_array": "programs.views",
    "closure_that_is_registered": "programs.callbacks",
    "maps_that_are_kept": "programs.maps",
    "frozen_maps_that_are_kept": "programs.frozen_maps[",
    "frozen_sets_that_are_kept": "programs.frozen_sets",
    "parts_of_a_frozen_map_held_after_it": "programs.pickled_parts",
    "indexes_that_are_kept": "programs.indexes[",
    "labels_of_an_index_held_after_it": "programs.labels[",
    "bucket_array_held_after_growth": "programs.kept_views",
    "room_that_is_asked_for_and_never_used": "programs.reserved",
    "maps_grown_then_emptied": "programs.unused[",
    "map_that_was_large_once": "programs.pool[0]",
    "map_that_only_grows": "programs.seen_in_map",
    "set_that_only_grows": "programs.seen_in_set",
    "map_that_grows_now_and_then": "programs.seldom_seen",
    "list_of_nothing": "programs.nothings",
    "deque_of_nothing": "programs.queue",
    **dict.fromkeys(programs.DEFERRED, "programs.answers"),
}


def test_every_verdict_is_planted():
    assert set(programs.PLANTED.values()) | {"clean"} == {str(verdict) for verdict in Verdict}


@named
def test_the_tool_names_it(planted, name):
    assert planted[name]["verdict"] == programs.PLANTED[name], planted[name]["page"]
    assert planted[name]["page"].startswith(programs.PLANTED[name] + ": ")


@named
def test_most_meters_speak_for_it(planted, name):
    assert len(planted[name]["supporting"]) > len(planted[name]["contradicting"]), planted[name]["page"]
    assert planted[name]["missing"] == []


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, verdict in programs.PLANTED.items()
        if verdict in ("held references", "cycles waiting") and name not in programs.AMORTISED
    ],
)
def test_the_line_that_allocated_is_the_programs_own(planted, name):
    lines, start = inspect.getsourcelines(getattr(programs, name))
    first = planted[name]["lines"][0]
    assert first["file"].endswith("programs.py")
    if name in programs.DEFERRED:  # some of them run the body of another
        lines, start = inspect.getsource(programs).splitlines(), 1
    assert start <= first["line"] < start + len(lines)
    assert first["bytes"] > 50 * first["calls"]


@pytest.mark.parametrize("name", ROOTS)
def test_the_path_begins_where_the_program_keeps_it(planted, name):
    assert any(path.startswith(ROOTS[name]) for path in planted[name]["referrers"]), planted[name]["page"]


@pytest.mark.parametrize(
    ("name", "growing"),
    [
        ("dict_that_only_grows", "list"),
        ("chain_of_nodes", "programs.Node"),
        ("closure_that_is_registered", "function"),
        ("maps_that_are_kept", "pyhmap.hmap.HMap"),
        ("frozen_maps_that_are_kept", "pyhmap.frozen.FrozenMap"),
        ("frozen_sets_that_are_kept", "pyhmap.frozen_set.FrozenSet"),
        ("frozen_map_in_a_cycle_with_the_collector_off", "programs.Catalogue"),
        ("indexes_that_are_kept", "pyhmap.hindex.HIndex"),
        ("cycle_with_the_collector_off", "programs.Node"),
        ("map_in_a_cycle_with_the_collector_off", "pyhmap.hmap.HMap"),
    ],
)
def test_the_type_that_grows(planted, name, growing):
    assert growing in [one["name"] for one in planted[name]["types"]], planted[name]["page"]


def test_a_view_says_what_it_keeps(planted):
    assert "ndarray of 24 bytes, a view into one of 80,000 bytes" in planted["small_view_of_a_large_array"]["page"]


def test_a_cycle_is_written_down(planted):
    assert planted["cycle_with_the_collector_off"]["referrers"] == ["Node.child -> Node.child -> Node"]
    assert planted["map_in_a_cycle_with_the_collector_off"]["referrers"] == ["list[0] -> HMap -> list"]
    (cycle,) = planted["frozen_map_in_a_cycle_with_the_collector_off"]["referrers"]
    assert "Node.value -> Catalogue" in cycle


def test_a_frozen_map_and_an_index_say_how_much_they_hold(planted):
    assert "(FrozenMap of 100 entries)" in planted["frozen_maps_that_are_kept"]["page"]
    assert "(HIndex of 100 entries)" in planted["indexes_that_are_kept"]["page"]


@pytest.mark.parametrize(
    ("name", "meter", "least", "most"),
    [
        ("malloc_without_free", "heap", 200, 240),
        ("large_malloc_without_free", "heap", 300_000, 310_000),
        ("malloc_now_and_then", "heap", 200, 350),  # 5000 bytes at every twentieth call
        ("one_more_page_of_a_mapped_file", "file", 4096, 8192),
        ("memory_that_tracemalloc_is_told_of_and_does_not_exist", "traced", 990, 1010),
        ("dict_that_only_grows", "objects", 0.99, 1.01),
        ("maps_that_are_kept", "maps", 1, 1),
        ("frozen_maps_that_are_kept", "maps", 1, 1),
        ("frozen_maps_that_are_kept", "entries", 100, 100),
        ("frozen_maps_that_are_kept", "map bytes", 1600, 2000),  # 16 bytes per key, and what leads to the rows
        ("frozen_sets_that_are_kept", "maps", 1, 1),
        ("frozen_sets_that_are_kept", "entries", 30, 30),
        ("parts_of_a_frozen_map_held_after_it", "maps", 0, 0),
        ("parts_of_a_frozen_map_held_after_it", "bucket blocks", 1600, 2000),
        ("indexes_that_are_kept", "maps", 1, 1),
        ("indexes_that_are_kept", "entries", 100, 100),
        ("indexes_that_are_kept", "map bytes", 3584, 3584),  # 32 buckets of 64 bytes, and 6 keys of 8 for each
        ("labels_of_an_index_held_after_it", "maps", 0, 0),
        ("labels_of_an_index_held_after_it", "bucket blocks", 1536, 1536),
        ("map_that_only_grows", "entries", 1, 1),
        ("set_that_only_grows", "entries", 1, 1),
        ("map_that_grows_now_and_then", "entries", 0.09, 0.11),
        ("list_of_nothing", "items", 1, 1),
        ("deque_of_nothing", "items", 1, 1),
        ("array_that_doubles", "traced", 64, 256),  # 128 bytes, up to half of them room
    ],
)
def test_what_a_call_leaves_behind(planted, name, meter, least, most):
    """The figures are what the programs do, by their source."""
    found = {one["meter"]: one for one in planted[name]["meters"]}[meter]
    assert least <= found["slope"] / planted[name]["calls"] <= most, planted[name]["page"]


def test_what_the_system_may_take_back_is_no_leak(planted):
    harmless = {name for name in programs.PLANTED if not planted[name]["is_leak"]}
    assert harmless == {"heap_with_a_pin_on_top", "one_more_page_of_a_mapped_file"}
