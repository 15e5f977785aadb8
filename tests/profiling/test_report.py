"""What is on the page of all results; ``test_report_page.py`` opens it in a browser."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from markupsafe import escape
from rich.console import Console
from rich.table import Table

from compare import run as compare
from core import records
from report import answers, headline, printed, strip, verdicts
from report import run as report

RESULTS = records.COMMITTED
COMMITTED = {path.stem: compare.read(path) for path in sorted(RESULTS.glob("*.json"))}
STACKS = [
    ["run_requests;request;hash_keys", 30],
    ["run_requests;request;hash_keys;XXH64 [C]", 20],
    ["run_requests", 50],
]


def unknown_verb() -> dict[str, Any]:
    """A result of a verb that this harness does not have."""
    return {
        "schema_version": 1,
        "verb": "seismograph",
        "mode": "quick",
        "command": "python profiling seismograph --quick",
        "environment": {"date": "2026-01-01T00:00:00+00:00", "commit": None, "cpu": "made"},
        "workload": {"kind": "</script><b>bold</b>"},
        "config": {},
        "ended_by": "interrupted",
        "verdicts": [["tremor", "none", "0.5", "not reproduced"]],
        "figures": {"shakes": [{"at": 1, "strength": 0.5}, {"at": 2, "strength": 0.25}], "worst": 3},
        "samples": [],
    }


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page over the committed results, a table with profiles, and a verb nobody knows."""
    folder = tmp_path_factory.mktemp("results")
    for path in RESULTS.glob("*.json"):
        shutil.copy(path, folder)
    profiled = json.loads((RESULTS / "table.json").read_text())
    profiled["stacks"] = {"before": STACKS, "cache": [["run_requests;request;hash_keys", 40], ["run_requests", 60]]}
    (folder / "table-profiled.json").write_text(json.dumps(profiled))
    (folder / "seismograph.json").write_text(json.dumps(unknown_verb()))
    (folder / "broken.json").write_text("{")
    (folder / "table-pyspy-cache.speedscope.json").write_text("{}")
    report.run(folder=folder, out=folder)
    return folder / "report.html"


def cells(text: str) -> str:
    """The page without the line ends between cells."""
    return re.sub(r"\s*\n\s*(<t[dh])", r"\1", text)


# --- what is on it ---


def test_every_result_has_its_part_and_its_raw_file(written: Path) -> None:
    text = written.read_text()

    for path in [*RESULTS.glob("*.json"), written.parent / "seismograph.json"]:
        raw = re.search(rf'<script type="application/json" id="raw-result-{path.stem}">(.*?)</script>', text, re.DOTALL)
        assert raw, path.stem
        assert json.loads(raw[1]) == json.loads(path.read_text())
    assert "broken.json is no JSON file" in text


def test_the_page_asks_no_network_for_anything(written: Path) -> None:
    text = written.read_text()

    assert "default-src 'none'" in text
    for target in re.findall(r'(?:\bsrc|\bhref|xlink:href|\burl)\s*[=(]\s*["\']?([^"\' )>]+)', text):
        assert target.startswith(("data:", "#", "URL.createObjectURL")), target


def test_the_overview_has_every_verdict_with_the_articles_figures(written: Path) -> None:
    text = written.read_text()
    first = text[text.index("<main") : text.index('<section id="result-')]

    figures = json.loads((RESULTS / "table.json").read_text())["figures"]
    (change,) = (row["change"]["value"] for row in figures if row["measure"] == "memray")
    assert re.search(
        rf"<td class=\"\w+\">[a-z ]+</td><td>124 → 21 \(-83.1 %\)</td><td>{100 * change:+.1f} %</td>", cells(first)
    )
    assert '<th scope="row">tremor</th><td class="bad">not reproduced</td><td>none</td><td>0.5</td>' in cells(first)


def test_how_it_was_measured_says_what_a_claim_needs_where_there_are_pairs(written: Path) -> None:
    parts = written.read_text().split("<section ")

    said = {part[len('id="result-') : part.index('" role')]: "sign test" in part for part in parts[2:]}
    assert {name: said[name] for name in ("table", "fragmentation", "layout", "seismograph")} == {
        "table": True,
        "fragmentation": True,
        "layout": False,
        "seismograph": False,
    }


def test_a_verb_that_is_not_known_is_shown_by_its_fields(written: Path) -> None:
    text = written.read_text()
    part = cells(text[text.index('<section id="result-seismograph"') :])

    assert re.search(r'<p class="caption">shakes</p>.*?<th scope="row">1</th><td>0.5</td>', part, re.DOTALL)
    assert "this harness has no verb “seismograph”; shown by its fields" in part
    assert "&lt;/script&gt;&lt;b&gt;" in part  # text of a file never becomes markup
    assert "</script><b>" not in part


def test_the_leaks_are_shown_with_verdicts_and_who_is_named(written: Path) -> None:
    text = written.read_text()
    part = cells(text[text.index('<section id="result-leaks"') :])
    part = part[: part.index("</section>")]

    rows = json.loads((RESULTS / "leaks.json").read_text())["figures"]["cases"]
    assert len(rows) == 9
    for row in rows:
        shown = re.search(rf'<th scope="row">{re.escape(str(escape(row["case"])))}</th><td[^>]*>(.*?)</td>', part)
        assert shown, row["case"]
        assert shown[1].startswith(row["leaking"]["verdict"])
        for path in row["leaking"]["paths"][:2]:
            assert str(escape(path)) in part
    assert re.search(r"<pre [^>]*>closure over a loop variable:\n", part)
    for name in ("Rounds", "Collector"):
        assert f"<figcaption><b>{name}.</b>" in part
    assert '<td class="good">clean</td>' in part


@pytest.mark.parametrize("figures", [[], {}, None, 7, [{"measure": "py-spy"}], {"latency": []}, [["a"], {"b": [1]}]])
@pytest.mark.parametrize("verb", [*report.VERBS, "seismograph"])
def test_figures_of_another_form_cost_their_own_part_only(verb: str, figures: Any, tmp_path: Path) -> None:
    (tmp_path / "odd.json").write_text(json.dumps(unknown_verb() | {"verb": verb, "figures": figures, "verdicts": []}))

    report.run(folder=tmp_path, out=tmp_path)

    assert 'id="raw-result-odd"' in (tmp_path / "report.html").read_text()


def test_what_a_verb_prints_is_caught_whole() -> None:
    catcher = printed.Catcher()
    table = Table(title="a [b]title[/]")
    table.add_column("first\ncolumn")
    table.add_column("n", justify="right")
    table.add_row("m\\[k]", "[green]1[/]\n±2")
    table.add_row("", "3")
    for console in (catcher, Console(quiet=True)):
        console.print("[bold]x[/]", style=None)
        console.print("m[k]", style="bold", markup=False, soft_wrap=True)
        console.print()
        console.print(table)

    assert catcher.caught == [
        "x",
        "m[k]",
        printed.Grid("a title", ["first column", "n"], [["m[k]", "1\n±2"], ["m[k]", "3"]], [False, True]),
    ]


def test_the_columns_that_name_a_row_are_one_so_that_they_stay_in_view_together() -> None:
    grid = printed.Grid("", ["key", "keys", "ns"], [["hit", "10", "1"], ["hit", "20", "1"]], [False, True, True])

    joined = printed.named_rows(grid)

    assert joined.heads == ["key, keys", "ns"]
    assert joined.rows == [["hit, 10", "1"], ["hit, 20", "1"]]
    assert joined.numeric == [False, True]
    alike = printed.Grid("", ["key", "ns"], [["hit", "1"], ["hit", "1"]], [False, True])
    assert printed.named_rows(alike) is alike


@pytest.mark.parametrize("name", COMMITTED)
def test_a_committed_result_is_shown_by_its_verb_with_an_answer_tables_and_pictures(name: str) -> None:
    document = COMMITTED[name]

    part = report.part(name, document)

    assert not [doubt for doubt in part.doubts if "shown by its fields" in doubt]
    assert part.answer.endswith(".")
    assert any(isinstance(each, printed.Grid) for each in part.said)
    assert part.drawn or document["verb"] == "layout"  # which prints its picture
    verb = report.VERBS[document["verb"]]
    if verb.show:  # called once more, past the page's net for files of another form
        verb.show(printed.Catcher(), document)


def test_a_mistake_in_a_verbs_own_code_is_said_on_the_page_and_on_the_console(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def show(console: Console, document: dict[str, Any]) -> None:
        raise TypeError("argument of type 'NoneType' is not iterable")

    monkeypatch.setitem(report.VERBS, "layout", report.Verb(show))
    (tmp_path / "layout.json").write_text(json.dumps(COMMITTED["layout"]))
    report.run(folder=tmp_path, out=tmp_path)

    assert "Warning: Memory layout: not of the form" in capsys.readouterr().out
    assert "not of the form that the verb “layout” reads" in (tmp_path / "report.html").read_text()


def test_the_answer_to_peers_is_that_of_the_file() -> None:
    rows = COMMITTED["peers"]["figures"]["rows"]
    (row,) = (
        row for row in rows
        if (row["kind"], row["key_set"], row["size"], row["operation"]) == ("int64", "random", 10**6, "hit")
    )  # fmt: skip

    said = answers.answer(COMMITTED["peers"])

    assert f"{row['spreads']['pyhmap']['median']:.1f} ns per key" in said
    assert f"{row['ratios']['dict']['value']:.0f} times as fast as dict" in said
    assert "np.take" not in said


def test_what_is_lost_counts_the_operations_in_which_another_map_is_faster() -> None:
    def point(operation: str, **ratios: float) -> dict[str, Any]:
        row = {"kind": "int64", "key_set": "random", "size": 1000, "operation": operation}
        return row | {"ratios": {name: {"value": value} for name, value in ratios.items()}}

    rows = [point("hit", boost=2.0, dict=9.0), point("miss", boost=0.5, dict=3.0), point("memory", boost=0.1)]
    rows += [point("build", **{"np.take": 0.1, "pyhmap (list)": 0.5, "dict": 4.0})]

    said = answers.lost({"verb": "peers", "figures": {"rows": rows}})
    assert said == "Another map is faster in 1 of 3 operations with 1,000 keys."


@pytest.mark.parametrize("held", [0.5, 1.0, None])
def test_from_when_the_cache_pays_is_where_it_stays_faster(held: float | None) -> None:
    shares = (0.0, 0.5, 1.0)
    mixes = [
        {"share": share, "ns": {"cache": {"median": 1.0 if held and share >= held else 9.0}, "direct": {"median": 5.0}}}
        for share in shares
    ]

    said = answers.answer({"verb": "cache", "figures": {"mixes": mixes}})
    assert said.endswith(f"pays from {100 * held:.0f} % on." if held else "never pays.")


def test_the_page_opens_on_what_there_is() -> None:
    assert headline.points({}) == []
    assert headline.picture({}) is None
    only = {"cache": COMMITTED["cache"]}
    assert [word for word, _ in headline.points(only)] == ["The cache."]
    assert headline.picture(only) is not None


def test_a_reader_is_warned_of_what_puts_a_result_in_doubt() -> None:
    doubtful = unknown_verb() | {"environment": {"uncommitted_changes": True}}

    assert list(verdicts.doubts(doubtful)) == [
        "the run ended early (interrupted)",
        "a quick run, with fewer repetitions",
        "measured with changes that were not committed",
    ]


def test_results_in_the_output_folder_come_before_the_committed_ones(tmp_path: Path) -> None:
    (tmp_path / "seismograph.json").write_text(json.dumps(unknown_verb()))
    report.run(folder=None, out=tmp_path)

    assert 'id="result-growth"' not in (tmp_path / "report.html").read_text()


def test_a_folder_without_results_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no result files"):
        report.run(folder=tmp_path, out=tmp_path)


def test_shares_that_contradict_one_another_get_no_verdict_on_the_page() -> None:
    arms = {
        "py-spy": {"before": 0.5, "cache": 0.1},
        "ablation": {"before": 0.3, "cache": 0.29},
    }
    rows = [
        {
            "measure": way,
            "article": [18.7, 4.2, 0.775],
            "arms": {arm: {"value": v, "low": v - 0.01, "high": v + 0.01} for arm, v in shares.items()},
            "change": {"value": -0.8, "low": -0.82, "high": -0.78},
            "verdict": "reproduced",
        }
        for way, shares in arms.items()
    ]

    assert {row[3] for row in verdicts.verdicts({"verb": "table", "figures": rows})} == {"measurements disagree"}


def test_targets_of_a_verbs_own_are_judged_on_the_page() -> None:
    judged = [
        {"what": "hit over boost", "unit": "times", "bound": 1.2, "at_most": True, "met": True, "value": 0.9},
        {"what": "dict over hit", "unit": "times", "bound": 20, "at_most": False, "met": False, "value": 12.0},
        {"what": "go over hit", "unit": "times", "bound": 2, "at_most": False, "met": None},
        {"target": "allocations per hit", "most": 0, "measured": 0.0, "met": True},
    ]

    assert list(verdicts.verdicts({"verb": "peers", "figures": {"targets": judged}})) == [
        ("hit over boost", "at most 1.2 times", "0.9", "target met"),
        ("dict over hit", "at least 20 times", "12", "target missed"),
        ("go over hit", "at least 2 times", "", "not measured"),
        ("allocations per hit", "at most 0", "0", "target met"),
    ]


def test_the_strip_shows_each_state_over_its_calls() -> None:
    changes = [[0, "disabled", "warm-up", None], [100, "warm-up", "active", 0.93], [400, "active", "bypass", 0.6]]
    rates, states = strip.drawing(changes, 1000)().axes

    spans = [bar.get_paths()[0].get_extents() for bar in states.collections]
    assert [(span.x0, span.x1) for span in spans] == [(0, 100), (100, 400), (400, 1000)]
    assert [tuple(line.get_xydata()[0]) for line in rates.lines if line.get_marker() == "o"] == [(100, 93), (400, 60)]
