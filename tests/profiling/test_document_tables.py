"""The documents' tables: what a cell says of a figure that is known, what is in bold, what is left empty."""

from typing import Any

import pytest

from builds import run as builds
from cache import markdown as cache
from cache import policies, rules
from floor import run as floor
from growth import markdown as growth
from leaks import tables as leaks
from peers import tables as peers
from table import tables as table

Document = dict[str, Any]


def lines(text: str) -> list[str]:
    return text.replace("\N{MULTIPLICATION SIGN}", "x").splitlines()


def ratio(value: float, low: float, high: float) -> dict[str, float]:
    return {"value": value, "low": low, "high": high}


def peers_row(size: int, operation: str, **ratios: dict[str, float]) -> dict[str, Any]:
    row = {"kind": "int64", "key_set": "random", "size": size, "operation": operation}
    return row | {"spreads": {"pyhmap": {"median": 5.4}}, "ratios": ratios, "cut_off": {}}


def test_the_readme_has_two_sizes_no_intervals_and_no_lower_bound() -> None:
    rows = [peers_row(size, "hit", boost=ratio(0.9, 0.8, 1.1), dict=ratio(98.1, 72, 106)) for size in (1000, 10**5)]
    rows[0]["ratios"]["np.take"] = ratio(0.2, 0.2, 0.2)

    assert lines(peers.readme({"figures": {"rows": rows}})) == [
        "| | keys | pyhmap | boost | dict |",
        "|---|---|---|---|---|",
        "| hit | 10^3 | 5.4 ns | **0.90x** | 98x |",
    ]


def test_the_prose_on_peers_has_times_memory_threads_and_the_worst_insert() -> None:
    def row(kind: str, size: int, operation: str, key_set: str = "random", **medians: float) -> dict[str, Any]:
        spreads = {name.replace("_", " "): {"median": median} for name, median in medians.items()}
        return {"kind": kind, "size": size, "operation": operation, "key_set": key_set, "spreads": spreads}

    text = row("str17", 10**6, "memory", dict=154.0)
    text["spreads"]["pyhmap (Arrow)"] = {"median": 46.0}
    long_text = row("str40", 10**6, "memory", dict=200.0)
    long_text["spreads"]["pyhmap (Arrow)"] = {"median": 112.0}
    rows = [
        row("int64", 10**6, "hit", pyhmap=5.44),
        row("int64", 10**6, "hit", "zipf", pyhmap=99.0),
        row("int64", 10**6, "miss", pyhmap=12.3),
        row("int64", 10**7, "memory", pyhmap=30.6, dict=106.4),
        row("int64", 10**6, "memory", pyhmap=37.7, dict=116.0),
        text,
        long_text,
    ]
    targets = [{"what": "hit, 10^6: threads=2", "value": 1.876}, {"what": "hit, 10^7: threads=2", "value": 1.9}]
    targets.insert(1, {"what": "hit", "value": 5.0})
    worst = {"pyhmap": 135_400.0, "Go Swiss": 15_300.0}
    freezes = [
        {"measure": "freezing", "size": size, "wall": {"1": one, "2": 1.0, "two processes": both}}
        for size, one, both in ((10**7, 40.0, 50.0), (10**7, 30.0, 40.0), (10**7, 30.0, 60.0), (10**6, 9.0, 1.0))
    ]
    figures = {"rows": rows, "targets": targets, "worst_inserts": {"ns": worst}}
    said = peers.sentences({"figures": figures, "samples": [{"measure": "workload"}, *freezes]})

    assert said == [
        ("README.md", "29 % (int64) to 56 % (strings of 40 characters)"),
        ("README.md", "5.4 ns per key that is present and 12 ns per key that is absent"),
        (
            "README.md",
            "31 to 38 bytes per int64 pair (`dict`: 106 to 116), 46 per 17-character string with its value "
            "(`dict`: 154)",
        ),
        ("docs/measurements.md", "divided by 1.88 at 10^6 keys and by 1.90 at 10^7"),
        ("docs/experiments.md", "divided by 1.88 at 10^6 keys and by 1.90 at 10^7"),
        ("docs/measurements.md", "Two processes that freeze at the same time do 1.50 times the work of one"),
        ("docs/measurements.md", "15 µs against 135 µs for pyhmap"),
    ]


def test_the_prose_on_the_floor_has_the_ends_of_its_ratios() -> None:
    rows = [
        {"read_over_words": {"value": read}, "hit_over_read": {"value": hit}}
        for read, hit in ((1.63, 1.34), (1.52, 1.18), (1.74, 1.14))
    ]
    assert floor.sentences({"figures": {"look_ups": rows}}) == [
        ("docs/measurements.md", "takes 1.5 to 1.7 times `np.take` of 8 bytes"),
        ("docs/measurements.md", "Hits take 1.1 to 1.3 times that floor"),
    ]


def test_a_target_says_its_bound_and_whether_it_is_met() -> None:
    known = {"what": "hit", "unit": "times", "bound": 1.2, "at_most": True, "met": False} | ratio(1.3, 1.25, 1.4)
    exact = {"what": "bytes", "unit": "B", "bound": 27.0, "at_most": False, "met": True} | ratio(28.04, 28.04, 28.04)
    unknown = {"what": "threads", "unit": "times", "bound": 1.8, "at_most": False, "met": None}

    assert lines(peers.targets_markdown({"figures": {"targets": [known, exact, unknown]}}))[2:] == [
        "| hit | at most 1.2x | 1.30 (1.25..1.40) | missed |",
        "| bytes | at least 27 B | 28.04 | met |",
        "| threads | at least 1.8x | - | not measured |",
    ]


def test_the_table_of_the_article_says_its_figures_once_and_leaves_out_what_an_arm_does_not_have() -> None:
    exact = ratio(0.5, 0.5, 0.5)
    shares = {"article": [18.7, 4.2, 0.775], "arms": {"before": exact, "cache": exact}}
    change = {"change": ratio(-0.155, -0.155, -0.155), "verdict": "direction only"}
    times = {"arms": {"before": {"median": 6922.0}}, "change": ratio(0.03, -0.02, 0.08), "verdict": "~"}
    figures = [
        {"measure": "py-spy", "article": [18.7, 4.2, 0.775], "unavailable": "not permitted"},
        {"measure": "cProfile"} | shares | change,
        {"measure": "time", "article": None} | times,
        {"measure": "hits", "article": None, "arms": {"cache": ratio(0.9, 0.9, 0.9)}, "verdict": "above 85%"},
    ]

    assert lines(table.markdown({"figures": figures}))[2:] == [
        "| share of CPU in hashing, py-spy | 18.7 → 4.2 % (-77.5 %) | | | | | | | | not measured |",
        "| the same, cProfile | | 50.0 % | | 50.0 % | | | | -16 % | direction only |",
        "| CPU time per op | | 6.92 µs | | | | | | +3 % (-2..+8) | ~ |",
        "| hit rate | above 85 % | | | 90.0 % | | | | | above 85 % |",
    ]


def test_inserts_have_units_and_memory_only_where_it_was_measured() -> None:
    row = {
        "percentiles": {"50": 761.0, "99.9": 4437.0},
        "recurring_worst_ns": 142_313,
        "worst_ns": [171_518, 41_563_400],
    }
    series = [{"count": 50, "bytes": 3000}, {"count": 100, "bytes": 3100}]
    made = {"latency": {"libraries": {"pyhmap": row}, "clock": row}, "memory": {"libraries": {"pyhmap": series}}}

    assert lines(growth.inserts({"figures": made}))[2:] == [
        "| pyhmap | 761 ns | 4.4 µs | 0.14 ms | 0.17 ms, 42 ms | 31 | 60 |",
        "| clock alone | 761 ns | 4.4 µs | 0.14 ms | 0.17 ms, 42 ms | | |",
    ]


def test_loads_are_measured_where_a_map_can_have_them() -> None:
    def row(load: float, **found: dict[str, float]) -> dict[str, Any]:
        return {"load": load, "bytes_per_entry_cycle": 16.2} | found

    known, other = ({"overflow_share": share, "bytes_per_entry": 10.0, "hit_rows": 1.071} for share in (0.208, 0.3))
    rows = [row(5.5, simulated=other), row(6.5, simulated=other, measured=known), row(7.0, simulated=other)]

    assert lines(growth.loads({"figures": {"loads": rows}}))[2:] == [
        "| **6.5** | 20.8 % | 10.0 | 16.2 | 7.1 % |",
        "| 7.0 | 30.0 % | 10.0 | 16.2 | 7.1 % |",
    ]


def test_the_prose_on_growth_has_the_worst_inserts_and_what_coming_and_going_costs() -> None:
    worst = {"pyhmap": {"recurring_worst_ns": 142_313}, "dict": {"recurring_worst_ns": 221_354_493}}
    loads = [
        {"peak_over_fresh": peak, "time_over_fresh": {"get_many": many, "replace": 9.0}}
        for peak, many in ((1.027, 1.208), (1.233, 1.187), (1.136, 1.103))
    ]

    assert growth.sentences({"figures": {"latency": {"libraries": worst}, "churn": {"loads": loads}}}) == [
        ("README.md", "the slowest that recurs takes 0.14 ms of CPU time (`dict`: 221 ms)"),
        ("docs/design.md", "is now 0.14 ms, at the inserts that map a new array"),
        ("docs/measurements.md", "at most 1.03 to 1.23 times the memory of a fresh one"),
        ("docs/measurements.md", "batch look-ups take 1.10 to 1.21 times as long"),
    ]


def test_the_collectors_table_is_of_the_largest_size() -> None:
    def row(entries: int) -> dict[str, Any]:
        times = {"first": {"median": 0.252}, "later": {"median": 0.0055}, "share": {"median": 0.27}}
        return {"container": "dict of tuples", "entries": entries} | times

    assert lines(leaks.markdown({"figures": {"collector": [row(1000), row(10**7)]}})) == [
        "| 10^7 entries in | first full collection | later ones | share of the filling spent in collections |",
        "|---|---|---|---|",
        "| dict of tuples | 252 ms | 5.5 ms | 27 % |",
    ]


def test_a_build_that_was_not_measured_has_a_dash() -> None:
    row = {"operation": "hit", "kind": "int64", "size": 10**6, "ns": {"old": {"median": 5.96}}}
    document = {"config": {"builds": ["old", "new"]}, "figures": [row]}

    assert lines(builds.markdown(document))[::2] == ["| | `old` | `new` |", "| hit, int64, 10^6 | 6.0 | - |"]


# --- the cache ---


def test_hit_rates_of_all_lengths_stand_in_one_cell() -> None:
    rows = [
        {"kind": "str", "length": length, "new_objects": new, "break_even_direct": direct, "break_even_package": 0.5}
        for length, new, direct in ((8, True, None), (8, False, 0.77), (16, False, 0.78), (16, True, None))
    ]

    assert lines(cache.break_even({"figures": {"break_even": rows}}))[2:] == [
        "| str of 8, 16 bytes, the same objects | 77, 78 % | 50, 50 % |",
        "| str of 8, 16 bytes, new objects | never | 50, 50 % |",
    ]


def test_the_cache_is_in_bold_where_it_is_the_fastest() -> None:
    rows = [
        {"held": held, "ns": {arm: {"median": ns} for arm, ns in (("cache", hit), ("direct", 22.0), ("dict", 18.0))}}
        for held, hit in ((250, 10.8), (16_000, 23.1))
    ]

    assert lines(cache.held({"figures": {"held": rows}}))[::2] == [
        "| keys held | 250 | 16 000 |",
        "| cache, hit | **10.8** | 23.1 |",
        "| `dict.get` | 18.0 | 18.0 |",
    ]


@pytest.mark.parametrize(
    ("found", "shown"),
    [
        (ratio(1.05, 1.01, 1.13), "**1.05 (1.01..1.13)**"),
        (ratio(1.05, 0.99, 1.13), "1.05 (0.99..1.13)"),
        (ratio(1.01, 1.005, 1.02), "1.01 (1.00..1.02)"),
    ],
)
def test_a_policy_that_loses_for_sure_and_by_over_2_percent_is_in_bold(found: dict[str, float], shown: str) -> None:
    assert cache.over_off(found) == shown


def load_row(load: str, on: float, cost: float) -> dict[str, Any]:
    arms = [*cache.POLICIES, policies.AGAIN, *policies.SIZES]
    over = {arm: ratio(cost, cost, cost) for arm in arms}
    row = {"load": load, "hit_rate": 0.93, "ns": {"off": {"median": 20.8}}, "looked_up_late": {"cost": on}}
    return row | {"over_off": over, "over_off_late": over}


def test_a_load_has_a_row_and_sizes_have_the_mean_of_all_loads() -> None:
    rows = [load_row(load, 0.98, 0.5) for load in cache.SIZED_LOADS] + [load_row("others", 0.0, 1.2)]
    document = {"figures": {"policies": rows}}

    cells = "0.50 (0.50..0.50) | " * 4
    assert lines(cache.by_policy(document))[2] == f"| {cache.SIZED_LOADS[0]} | 93 % | 20.8 | {cells}98 % |"
    sizes = lines(cache.sizes(document))
    assert sizes[2] == f'| `"cost"`, {cache.SIZED_LOADS[0]} | 0.50 | 0.50 | 0.50 | 0.50 | 0.50 |'
    assert sizes[8] == '| **`"cost"`, mean** | 0.600 | 0.600 | 0.600 | 0.600 | 0.600 |'
    assert not any("others" in line for line in sizes)


def test_the_prose_says_on_how_many_loads_the_policy_is_on() -> None:
    both = [load_row("a", 0.98, 0.5), load_row("b", 0.98, 0.8), load_row("c", 0.0, 1.2)]
    assert cache.of_policies(both)[0] == (
        '"cost"` is on for 2 of the 3 loads, at 0.50 to 0.80 of the time, and off for the others, at 1.20 to 1.20, '
        'where `"hit-rate"` takes up to 1.20 times as long'
    )
    assert cache.of_policies(both[2:])[0] == '"cost"` is on for 0 of the 1 loads'


def test_the_prose_on_hits_is_of_str_of_16_bytes_and_of_misses_of_the_same_objects() -> None:
    def row(length: int, new: bool, over: float) -> dict[str, Any]:
        ratios = {arm: ratio(over + more, 0, 9) for more, arm in enumerate(("dict", "oneshot", "object"))}
        return {
            "kind": "str",
            "length": length,
            "new_objects": new,
            "cache_over": ratios,
            "ns": {"loop": {"median": 7.6}},
        }

    misses = [{"new_objects": new, "miss": miss} for new, miss in ((False, 41.2), (True, 99.0), (False, 55.7))]
    made = {"hits": [row(8, False, 7.0), row(16, True, 8.0), row(16, False, 0.25)], "break_even": misses}

    assert cache.of_hits(made) == [
        "A hit takes 0.25 times as long as `dict.get`, 1.25 times as long as the one-shot and 2.25 times as long as "
        "the article's object form",
        "Without the loop's 8 ns, a look-up that misses and stores takes 41 to 56 ns",
    ]


def test_the_prose_on_maps_and_scans_has_few_keys_many_keys_and_the_cost_of_a_scan() -> None:
    maps = [
        {"ns": {arm: {"median": ns + more} for more, arm in enumerate(("HMap", "HMap xxh64", "HMap xxh64, cache"))}}
        for ns in (40.0, 90.0)
    ]
    scan = {
        "extra": ratio(0.0123, 0.011, 0.0142),
        "extra_of_off_again": ratio(0.0004, -0.001, 0.0021),
        "ns": {"on": {"n": 12}},
        "looked_up": 12_345,
        "probes": 7,
    }

    assert cache.of_maps_and_scans({"maps": maps, "scan": scan}) == [
        '42 ns against 41 with `hash="xxh64"` alone and 40 with the default hash',
        "it takes 92 ns against 91",
        "takes 1.2 % (1.1 to 1.4 %, 12 processes) longer",
        "takes 0.04 % (-0.10 to 0.21 %) longer",
        "12,345 keys are looked up, in the warm-up and 7 probes",
    ]


def score(change: str, tuning: float, held_out: float) -> list[dict[str, Any]]:
    rows = ((rules.TUNING, "scan", tuning, 2), (rules.HELD_OUT, "zipf 1.1", held_out, 3))
    return [
        {"set": group, "trace": trace, "change": change, "score": value, "switched": switched}
        for group, trace, value, switched in rows
    ]


def test_scores_name_the_trace_on_which_a_change_loses_most() -> None:
    rows = score(rules.DEFAULT, 0.5, 0.25) + score("window 1024", 0.4, 0.35) + score("resume_at 0.85", 0.5, 0.249)

    assert lines(cache.scores({"figures": {"rules": rows}}))[2:] == [
        "| as it is | 50.0 | 2 | 25.0 | 3 | |",
        "| `window` 1024 | 40.0 | 2 | 35.0 | 3 | scan: 40.0 instead of 50.0 |",
        "| `resume_at` 0.85 | 50.0 | 2 | 24.9 | 3 | |",
    ]
    assert cache.of_scores(rows) == [
        "On those held out, 1 other scores higher, by up to 10.0 points: `window 1024`",
        "makes 5 switches 5",
    ]
    assert cache.of_scores(rows[:2] + rows[4:])[0] == "On those held out, 0 others score higher"
