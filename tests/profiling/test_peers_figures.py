"""Figures, targets and tables, from made-up samples whose ratios can be worked out by hand."""

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from peers import figures as peers_figures
from peers import pictures, tables, targets
from render import style


def sample(library, block, kind="int64", key_set="random", size=10**6, **measured):
    return {
        "measure": "workload",
        "library": library,
        "block": block,
        "kind": kind,
        "key_set": key_set,
        "size": size,
    } | measured


def six(library, *times, operation="hit", **point):
    """Six blocks; the machine gets slower from one to the next."""
    times = times * 6 if len(times) == 1 else times
    return [sample(library, block, **{operation: ns * (block + 1)}, **point) for block, ns in enumerate(times)]


def document(samples, **more):
    figures = peers_figures.figures(samples) | {"targets": targets.judge(samples)}
    return {"verb": "peers", "figures": figures, "ended_by": "", "left_out": {}, "versions": {}} | more


def printed(made):
    out = io.StringIO()
    tables.show(Console(file=out, width=100, highlight=False), made)
    return out.getvalue()


def the_row(samples, operation="hit"):
    (row,) = [row for row in peers_figures.rows(samples) if row["operation"] == operation]
    return row


def target(samples, words):
    (found,) = [each for each in targets.judge(samples) if words in each["what"]]
    return found


def test_ratios_are_taken_block_by_block():
    row = the_row(six("pyhmap", 10.0) + six("dict", 30.0, 20.0, 40.0, 30.0, 30.0, 30.0))
    assert row["ratios"]["dict"] == {"value": 3.0, "low": 2.0, "high": 4.0, "sign_low": 2.0, "sign_high": 4.0}
    assert row["spreads"]["pyhmap"]["median"] == 35.0


def test_blocks_that_only_one_library_has_give_no_pair():
    row = the_row(six("pyhmap", 10.0) + six("dict", 30.0)[:3] + [sample("cykhash", 9, hit=1.0)])
    assert row["ratios"]["dict"]["value"] == 3.0
    assert row["spreads"]["dict"]["n"] == 3
    assert "cykhash" not in row["ratios"]


def test_text_is_compared_with_the_form_that_takes_the_same_input():
    text = {"kind": "str17"}
    ours = six("pyhmap (Arrow)", 10.0, **text) + six("pyhmap (list)", 20.0, **text)
    row = the_row(ours + six("dict", 40.0, **text) + six("polars", 40.0, **text))
    assert row["ratios"]["polars"]["value"] == 4.0
    assert row["ratios"]["dict"]["value"] == 2.0


def test_every_point_where_a_library_is_faster_is_a_loss_but_the_floor_is_none():
    samples = six("pyhmap", 10.0) + six("boost", 9.0, 11.0, 9.0, 9.0, 9.0, 9.0) + six("np.take", 1.0)
    samples += six("pyhmap", 10.0, operation="miss") + six("boost", 8.0, operation="miss")
    losses = peers_figures.losses(peers_figures.rows(samples))
    assert [(loss["library"], loss["operation"], loss["sure"]) for loss in losses] == [
        ("boost", "hit", False),
        ("boost", "miss", True),
    ]
    text = printed(document(samples))
    assert text.startswith("pyhmap loses to boost at: int64 hit at 10^6; int64 miss at 10^6.")
    assert re.search(r"hit +1,000,000 .* < 0\.90 +0\.10\n", text)


def test_a_library_that_was_cut_off_has_its_limit_in_the_table():
    point = {"key_set": "shifted"}
    slow = sample("cykhash", 0, key_set="shifted", cut_off="build", limit=60, unmeasured=["build", "hit"])
    text = printed(document([*six("pyhmap", 10.0, operation="build", **point), slow]))
    assert re.search(r"shifted +build from empty +1,000,000 .*> 60 s", text)
    assert re.search(r"\n +hit +1,000,000 .*> 60 s", text)  # it was never asked


def test_what_is_missing_or_failed_is_named():
    made = document(
        [*six("pyhmap", 10.0), sample("polars", 0, failed="ImportError: no")], left_out={"boost": "it needs g++"}
    )
    text = printed(made)
    assert "Left out: boost: it needs g++." in text
    assert "Failed: polars, 1,000,000 int64, random: ImportError: no" in text


@pytest.mark.parametrize(("boost", "met"), [(10.0, True), (8.4, True), (8.3, False)])
def test_at_most_1_2_times_boost(boost, met):
    samples = six("pyhmap", 10.0, size=10**4) + six("boost", boost, size=10**4)
    found = target(samples, "hit, int64, 10^4: pyhmap over boost")
    assert (found["bound"], found["at_most"], found["met"]) == (1.2, True, met)
    assert found["value"] == pytest.approx(10 / boost)


@pytest.mark.parametrize(("dict_ns", "met"), [(50.0, True), (49.0, False)])
def test_at_least_5_times_as_fast_as_a_dict_of_text(dict_ns, met):
    text = {"kind": "str17"}
    samples = six("pyhmap (Arrow)", 10.0, **text) + six("dict", dict_ns, **text)
    assert target(samples, "str17, 10^6: dict over pyhmap (Arrow)")["met"] is met


def test_targets_that_were_not_measured_are_neither_met_nor_missed():
    judged = targets.judge(six("pyhmap", 10.0))
    assert {each["met"] for each in judged} == {None}
    assert "not measured" in printed(document(six("pyhmap", 10.0)))


def test_the_other_targets():
    samples = [
        {"measure": "threads", "block": 0, "size": 10**6, "wall": {"1": 19.0, "2": 10.0}},
        {"measure": "writing", "block": 0, "size": 10**6, "wall": {"add_many": {"1": 17.0, "2": 10.0}}},
        {"measure": "small", "block": 0, "ns": dict.fromkeys(targets.SMALL_CALLS, 1600.0), "bytes": {"map": 700.0}},
        {"measure": "scalar", "block": 0, "library": "dict", "size": 1000, "ns": 20.0},
        {"measure": "scalar", "block": 0, "library": "pyhmap", "size": 1000, "ns": 32.0},
        {"measure": "scalar", "block": 0, "library": "dict", "size": 10**6, "ns": 300.0},
        {"measure": "scalar", "block": 0, "library": "pyhmap", "size": 10**6, "ns": 150.0},
        {"measure": "memory", "block": 0, "series": [{"nbytes": 40, "private": 50}, {"nbytes": 26, "private": 28}]},
        {"measure": "inserts", "library": "pyhmap", "n": 10**7, "recurring_worst_ns": 130_000},
        {"measure": "inserts", "library": "pyhmap", "n": 10**7, "recurring_worst_ns": 120_000},
        sample("pyhmap (list)", 0, kind="str17", memory=80.0, nbytes=70.0),
        {"measure": "scalar", "block": 0, "library": "pyhmap frozen", "size": 1000, "ns": 48.0},
        {"measure": "freezing", "block": 0, "size": 10**7, "wall": {"1": 50.0, "2": 25.0}},
        {"measure": "frozen", "block": 0, "size": 10**8, "ns": {"pyhmap frozen, hit": 18.0, "np.take": 10.0}},
        {"measure": "frozen", "block": 0, "size": 10**6, "ns": {"pyhmap frozen, hit": 90.0, "np.take": 10.0}},
        sample("pyhmap frozen", 0, nbytes=16.5),
        sample("pyhmap frozen (list)", 0, kind="str17", nbytes=45.0),
    ]
    for words, value, met in [
        ("hit, int64, 10^6: one thread over threads=2", 1.9, True),
        ("add_many, int64, 10^6: one thread over threads=2", 1.7, False),
        ("get_many, ten int64 keys", 1.6, False),
        ("copy, a map of two int64 keys", 1.6, True),
        ("a map of two int64 keys: private memory", 700, False),
        ("m[k] in a loop, int64, 10^3: pyhmap over dict", 1.6, False),
        ("m[k] in a loop, int64, 10^6: dict over", 2.0, True),
        ("just before a growth: own", 26, True),
        ("just before a growth: private", 28, False),
        ("mean over sizes: own", 33, True),
        ("mean over sizes: private", 39, False),
        ("str17, 10^6: own", 70, True),
        ("str17, 10^6: private", 80, False),
        ("worst single insert", 0.12, True),
        ("m[k] in a loop, int64, 10^3: pyhmap frozen over pyhmap", 1.5, False),
        ("hit, int64, 10^8: pyhmap frozen over np.take", 1.8, True),
        ("freeze, int64, 10^7: one thread, wall", 50.0, False),
        ("freeze, int64, 10^7: one thread over threads=2", 2.0, True),
        ("int64, 10^6, frozen: own", 16.5, True),
        ("str17, 10^6, frozen: own", 45.0, False),
    ]:
        found = target(samples, words)
        assert (found["value"], found["met"]) == (pytest.approx(value), met), words
    assert "m[k] in a loop" in printed(document(samples))


def test_inserts_into_a_smaller_map_say_nothing_of_the_target():
    samples = [{"measure": "inserts", "library": "pyhmap", "n": 10**5, "recurring_worst_ns": 1}]
    assert target(samples, "worst single insert")["met"] is None


def test_the_readme_s_table_shows_ratios_and_marks_losses():
    samples = six("pyhmap", 10.0) + six("boost", 5.0) + six("dict", 200.0) + six("np.take", 2.0)
    lines = tables.markdown(document(samples)).replace("\N{MULTIPLICATION SIGN}", "x").splitlines()
    assert lines[0] == "| | keys | pyhmap | np.take | boost | dict |"
    assert lines[2] == "| hit | 10^6 | 35 ns | 0.20x (0.20..0.20) | **0.50x (0.50..0.50)** | 20x (20..20) |"


def test_the_table_of_frozen_maps_goes_on_to_the_largest():
    samples = six("pyhmap", 10.0) + six("pyhmap frozen", 5.0) + six("boost", 8.0, operation="miss")
    huge = {"np.take": 9.0, "pyhmap frozen, hit": 16.0, "build, wall": 60.0}
    made = document(samples)
    made["samples"] = [*samples, {"measure": "frozen", "block": 0, "size": 10**8, "ns": huge}]
    lines = tables.frozen(made).splitlines()
    assert lines[0].startswith("| keys | `np.take` | `FrozenMap`, hit | `HMap`, hit | boost, hit | `FrozenMap`, miss |")
    assert lines[2:] == ["| 10^6 | - | 18 | 35 | - | - | - | 28 |", "| 10^8 | 9.0 | 16 | - | - | - | - | - |"]


def test_rows_come_in_the_order_of_sizes_and_operations():
    samples = [
        each
        for size in (10**4, 10**3)
        for operation in ("miss", "hit")
        for each in six("pyhmap", 1.0, size=size, operation=operation)
    ]
    rows = tables.ordered(peers_figures.rows(samples), "operation", "size")
    assert [(row["operation"], row["size"]) for row in rows] == [
        ("hit", 1000),
        ("hit", 10_000),
        ("miss", 1000),
        ("miss", 10_000),
    ]


@pytest.fixture
def drawn_from():
    samples = []
    for factor, library in enumerate(("pyhmap", "dict", "hirola"), start=1):
        for size in (10**3, 10**6):
            for operation in ("hit", "miss", "build"):
                samples += six(library, 10.0 * factor, size=size, operation=operation)
        samples += [sample(library, block, memory=30.0 * factor) for block in range(6)]
    return document(samples)


@pytest.mark.parametrize("page", style.PAGES)
def test_pictures_show_the_medians_with_units(page, drawn_from):
    with style.on(page):
        times, memory = (draw() for draw in pictures.drawings(drawn_from).values())
    lines = {line.get_label(): list(line.get_ydata()) for line in times.axes[0].lines}
    assert lines == {"pyhmap": [35.0, 35.0], "dict": [70.0, 70.0], "hirola": [105.0, 105.0]}
    assert all("(count, log)" in axes.get_xlabel() for axes in times.axes)
    assert "CPU time" in times.axes[0].get_ylabel()
    assert sorted(bar.get_width() for bar in memory.axes[0].patches) == [30.0, 60.0, 90.0]
    assert "bytes per entry" in memory.axes[0].get_xlabel()


def test_pictures_are_saved_for_both_pages_and_only_of_what_was_measured(drawn_from, tmp_path):
    names = [path.name for path in style.save_all("peers", pictures.drawings(drawn_from), tmp_path)]
    assert names == [f"peers-{name}{page}.svg" for name in ("times", "memory") for page in ("", "-dark")]
    assert all(Path(tmp_path / name).read_text().startswith("<?xml") for name in names)
    assert pictures.drawings(document([])) == {}
