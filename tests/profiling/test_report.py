"""The page of all results: what is on it, and that a browser shows it, at both widths, in light and in dark."""

import html
import itertools
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.table import Table

from compare import run as compare
from core import records
from render import flames
from report import page, strip
from report import run as report

RESULTS = records.COMMITTED
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
# No sandbox: continuous integration runs as root. The others keep the browser from asking for a network.
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]
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


def test_verdicts_come_first_with_the_articles_figures(written: Path) -> None:
    text = written.read_text()
    first = text[text.index("<main") : text.index('id="result-table"')]

    figures = json.loads((RESULTS / "table.json").read_text())["figures"]
    (change,) = (row["change"]["value"] for row in figures if row["measure"] == "memray")
    assert re.search(
        rf"<td class=\"\w+\">[a-z ]+</td><td>124 → 21 \(-83.1 %\)</td><td>{100 * change:+.1f} %</td>", first
    )
    assert re.search(r"seismograph</th><td>tremor</td><td class=\"bad\">not reproduced</td><td>none</td><td>0.5", first)


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
    part = text[text.index('<section id="result-seismograph"') :]

    assert re.search(r"<caption>figures: shakes</caption>.*?<th scope=\"row\">1</th><td>0.5</td>", part, re.DOTALL)
    assert "&lt;/script&gt;&lt;b&gt;" in part  # text of a file never becomes markup
    assert "</script><b>" not in part


def test_the_leaks_are_shown_with_verdicts_and_who_is_named(written: Path) -> None:
    text = written.read_text()
    part = text[text.index('<section id="result-leaks"') :]
    part = part[: part.index("</section>")]

    rows = json.loads((RESULTS / "leaks.json").read_text())["figures"]["cases"]
    assert len(rows) == 9
    for row in rows:
        shown = re.search(rf'<th scope="row">{re.escape(html.escape(row["case"]))}</th><td[^>]*>(.*?)</td>', part)
        assert shown, row["case"]
        assert shown[1].startswith(row["leaking"]["verdict"])
        for path in row["leaking"]["paths"][:2]:
            assert html.escape(path) in part
    assert re.search(r"<pre>closure over a loop variable:\n", part)
    for name in ("Rounds", "Collector"):
        assert f"<figcaption><b>{name}.</b>" in part
    assert '<td class="good">clean</td>' in part
    assert page.verdict_class("native leak<br>UNEXPECTED: clean") == ' class="bad"'


def test_a_verbs_name_imports_nothing_but_this_harness() -> None:
    assert report.function_of("shutil", "copy") is None
    assert report.function_of("../report", "run") is None
    assert report.function_of("table", "show") is report.tables.show


@pytest.mark.parametrize("figures", [[], {}, None, 7, [{"measure": "py-spy"}], {"latency": []}, [["a"], {"b": [1]}]])
@pytest.mark.parametrize("verb", ["table", "growth", "fragmentation", "layout", "peers", "leaks", "seismograph"])
def test_figures_of_another_form_cost_their_own_part_only(verb: str, figures: Any, tmp_path: Path) -> None:
    (tmp_path / "odd.json").write_text(json.dumps(unknown_verb() | {"verb": verb, "figures": figures, "verdicts": []}))

    report.run(folder=tmp_path, out=tmp_path)

    assert 'id="raw-result-odd"' in (tmp_path / "report.html").read_text()


def test_what_a_verb_prints_is_caught_whole() -> None:
    catcher = report.Catcher()
    table = Table(title="a [b]title[/]")
    table.add_column("first\ncolumn")
    table.add_column("n", justify="right")
    table.add_row("m\\[k]", "[green]1[/]\n±2")
    table.add_row("", "3")
    for console in (catcher, Console(quiet=True)):
        console.print("[bold]x[/]", style="bold")
        console.print("m[k]", markup=False)
        console.print()
        console.print(table)

    assert catcher.caught == [("x", True), ("m[k]", False), table]
    assert report.grid(table) == page.Grid(
        "a title", ["first\ncolumn", "n"], [["m[k]", "1\n±2"], ["m[k]", "3"]], [False, True]
    )


def test_the_committed_results_stand_in_for_an_empty_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert report.run(folder=None, out=tmp_path) == ""

    assert "profiling/results" in capsys.readouterr().out
    assert "committed with the project" in (tmp_path / "report.html").read_text()


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

    assert {row[3] for row in report.verdicts({"verb": "table", "figures": rows})} == {"measurements disagree"}


def test_targets_of_a_verbs_own_are_judged_on_the_page() -> None:
    judged = [
        {"what": "hit over boost", "unit": "times", "bound": 1.2, "at_most": True, "met": True, "value": 0.9},
        {"what": "dict over hit", "unit": "times", "bound": 20, "at_most": False, "met": False, "value": 12.0},
        {"what": "go over hit", "unit": "times", "bound": 2, "at_most": False, "met": None},
        {"target": "allocations a hit", "most": 0, "measured": 0.0, "met": True},
    ]

    assert list(report.verdicts({"verb": "peers", "figures": {"targets": judged}})) == [
        ("hit over boost", "at most 1.2 times", "0.9", "target met"),
        ("dict over hit", "at least 20 times", "12", "target missed"),
        ("go over hit", "at least 2 times", "", "not measured"),
        ("allocations a hit", "at most 0", "0", "target met"),
    ]


def test_the_strip_shows_each_state_over_its_calls() -> None:
    changes = [[0, "disabled", "warm-up", None], [100, "warm-up", "active", 0.93], [400, "active", "bypass", 0.6]]
    drawn = strip.draw(changes, 1000, "States")

    spans = re.findall(r"<title>(\S+): calls ([\d,]+) to ([\d,]+)</title>", drawn)
    assert spans == [("warm-up", "0", "100"), ("active", "100", "400"), ("bypass", "400", "1,000")]
    assert re.findall(r"<title>\S+ to \S+ at call \d+: (.*?)</title>", drawn) == ["93.0%", "60.0%"]


def test_every_committed_result_still_prints_and_draws() -> None:
    """A file that its verb cannot read any more would be shown by its fields only."""
    for path in (RESULTS / f"{verb}.json" for verb in ("table", "growth", "fragmentation", "layout", "leaks")):
        said = [each[0] for each in report.shown(compare.read(path)) if isinstance(each, tuple)]
        assert not any("not of the form" in text for text in said), path.name


# --- in a browser ---


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    in_ci = os.environ.get("CI") == "true"
    if CHROMIUM is None and not in_ci:
        pytest.skip("there is no Chromium: install Debian's package chromium")
    assert CHROMIUM, "continuous integration must have Chromium"
    sync_api = __import__("playwright.sync_api").sync_api if in_ci else pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture
def opened(browser: Any, written: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    """The page, opened; afterwards its console must be empty, and nothing may have been asked for."""
    width, scheme = getattr(request, "param", (1400, "light"))
    shown = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    trouble: list[str] = []
    shown.on("console", lambda message: trouble.append(message.text))
    shown.on("pageerror", lambda error: trouble.append(str(error)))
    shown.on("requestfailed", lambda asked: trouble.append(f"failed: {asked.url[:80]}"))
    shown.on("request", lambda asked: asked.url.startswith(("file:", "data:", "blob:")) or trouble.append(asked.url))
    shown.goto(written.as_uri())
    yield shown
    shown.close()
    assert trouble == []


every_page = pytest.mark.parametrize(
    "opened", [(width, scheme) for width in (400, 1400) for scheme in ("light", "dark")], indirect=True, ids=str
)

CONTRAST = """() => {
  const parse = (c) => { const m = c.match(/[\\d.]+/g).map(Number); return { rgb: m.slice(0, 3), a: m[3] ?? 1 }; };
  const light = (rgb) => { const [r, g, b] = rgb.map((v) => v / 255)
    .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const low = [];
  for (const el of document.querySelectorAll("body *")) {
    if (el.closest("svg") || !el.checkVisibility()) continue;
    if (![...el.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())) continue;
    let under = el;
    while (under && parse(getComputedStyle(under).backgroundColor).a === 0) under = under.parentElement;
    const back = under ? parse(getComputedStyle(under).backgroundColor).rgb : [255, 255, 255];
    const [a, b] = [light(parse(getComputedStyle(el).color).rgb), light(back)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) low.push(`${el.tagName} ${el.textContent.slice(0, 30)}: ${ratio.toFixed(2)}`);
  }
  return low;
}"""


@every_page
def test_every_tab_opens_its_part_with_every_figure_drawn_and_no_overflow(opened: Any) -> None:
    dark = opened.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    tabs = opened.locator('[role="tab"]')
    assert tabs.count() >= 8
    figures = 0
    for number in range(tabs.count()):
        tabs.nth(number).click()
        assert opened.locator("section:visible").count() == 1
        assert opened.locator("section:visible").get_attribute("id") == tabs.nth(number).get_attribute("aria-controls")
        overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert opened.evaluate(overflow) <= 0, tabs.nth(number).inner_text()
        for figure in opened.locator("section:visible figure").all():
            figures += 1
            drawn = figure.locator("svg:visible, img:visible")
            assert drawn.count() == 1
            box = drawn.bounding_box()
            assert box["width"] > 300, figure.inner_text()
            assert box["height"] > 60, figure.inner_text()
            if drawn.evaluate("el => el.tagName") == "IMG":
                assert drawn.evaluate("el => el.complete && el.naturalWidth > 0")
                assert drawn.get_attribute("class") == ("dark" if dark else "light")
        assert opened.evaluate(CONTRAST) == []
    assert figures >= 14


SORT_EVERYTHING = """() => {
  const wrong = [];
  let heads = 0;
  for (const table of document.querySelectorAll("table")) {
    const texts = (column) => [...table.tBodies[0].rows].map((row) => row.cells[column].textContent);
    const before = [...table.tHead.rows[0].cells].map((_, column) => texts(column).sort().join());
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      heads += 1;
      for (const way of ["ascending", "descending"]) {
        head.querySelector("button").click();
        const sorted = table.querySelectorAll("[aria-sort]");
        if (sorted.length !== 1 || head.getAttribute("aria-sort") !== way) wrong.push([head.textContent, way]);
      }
      if (texts(column).sort().join() !== before[column]) wrong.push([head.textContent, "rows were lost"]);
    });
  }
  return { wrong, heads };
}"""


def test_every_column_sorts_both_ways_and_loses_no_row(opened: Any) -> None:
    found = opened.evaluate(SORT_EVERYTHING)

    assert found["wrong"] == []
    assert found["heads"] > 100


def test_numbers_sort_as_numbers(opened: Any) -> None:
    opened.get_by_role("tab", name="growth").click()
    table = opened.locator("table", has=opened.locator("caption", has_text="Growth trigger"))
    column = table.locator("thead th", has_text="grows at key")
    place = column.evaluate("th => th.cellIndex")

    def shown() -> list[int]:
        texts = table.evaluate(f"t => [...t.tBodies[0].rows].map(r => r.cells[{place}].textContent)")
        return [int(text.replace(",", "")) for text in texts]

    column.locator("button").click()
    assert shown() == sorted(shown())
    assert shown()[-1] > 100_000
    column.locator("button").click()
    assert shown() == sorted(shown(), reverse=True)


def test_tabs_follow_the_arrow_keys_and_the_address(opened: Any, written: Path) -> None:
    opened.get_by_role("tab", name="Verdicts").focus()
    opened.keyboard.press("ArrowRight")
    assert opened.locator("section:visible").get_attribute("id") == "result-table"
    assert opened.evaluate("document.activeElement.getAttribute('aria-selected')") == "true"
    opened.keyboard.press("End")
    assert opened.locator("section:visible").get_attribute("id") == "result-seismograph"
    opened.keyboard.press("ArrowRight")
    assert opened.locator("section:visible").get_attribute("id") == "verdicts"

    opened.goto("about:blank")
    opened.goto(f"{written.as_uri()}#result-layout")
    assert opened.locator("section:visible").get_attribute("id") == "result-layout"


@pytest.mark.parametrize("opened", [(1400, "light"), (1400, "dark")], indirect=True, ids=str)
def test_the_switch_turns_the_page_over_and_back(opened: Any) -> None:
    opened.get_by_role("tab", name="growth").click()

    def look() -> tuple[str, int, int]:
        paper = opened.evaluate("getComputedStyle(document.body).backgroundColor")
        return paper, opened.locator("img.light:visible").count(), opened.locator("img.dark:visible").count()

    before = look()
    opened.locator("#theme").click()
    after = look()
    assert before[0] != after[0]
    assert before[1:] == after[:0:-1]
    assert sum(after[1:]) == before[1] + before[2] > 0
    opened.locator("#theme").click()
    assert look() == before


def test_the_raw_result_can_be_read_and_saved(opened: Any, written: Path, tmp_path: Path) -> None:
    opened.get_by_role("tab", name="layout").click()
    opened.locator("section:visible summary").click()
    raw = opened.locator("section:visible pre").last
    raw.filter(has_text="verb").wait_for()  # it is filled in after the click, when the page comes to it
    assert json.loads(raw.inner_text())["verb"] == "layout"
    with opened.expect_download() as saving:
        opened.locator("section:visible details button").click()
    saving.value.save_as(tmp_path / "saved.json")

    assert saving.value.suggested_filename == "layout.json"
    assert json.loads((tmp_path / "saved.json").read_text()) == json.loads((RESULTS / "layout.json").read_text())


def test_tables_pictures_and_headings_can_be_read_without_seeing_them(opened: Any) -> None:
    found = opened.evaluate("""() => ({
      heads: [...document.querySelectorAll("th")].filter((th) => !th.scope).length,
      nameless: [...document.querySelectorAll("img")].filter((img) => !img.alt).length
        + [...document.querySelectorAll("figure svg")].filter((svg) => !svg.getAttribute("aria-label")).length
        + [...document.querySelectorAll("button, .scroll[role]")]
            .filter((b) => !(b.textContent.trim() || b.getAttribute("aria-label"))).length,
      levels: [...document.querySelectorAll("h1, h2, h3, h4")].map((h) => Number(h.tagName[1])),
      doubled: [...document.querySelectorAll("[id]")].map((el) => el.id).filter((id, n, all) => all.indexOf(id) !== n),
    })""")

    assert (found["heads"], found["nameless"], found["doubled"]) == (0, 0, [])
    levels = found["levels"]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_whoever_wants_no_motion_gets_none(browser: Any, written: Path) -> None:
    shown = browser.new_page(reduced_motion="reduce")
    shown.goto(written.as_uri())

    assert shown.evaluate("getComputedStyle(document.getElementById('theme')).transitionDuration") in ("0s", "")
    shown.close()


def test_a_focused_control_shows_it(opened: Any) -> None:
    opened.keyboard.press("Tab")
    opened.keyboard.press("Tab")

    outline = opened.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"


def test_a_flame_graph_says_its_figures_where_it_is_pointed_at(opened: Any) -> None:
    opened.get_by_role("tab", name="table-profiled").click()
    titles = opened.locator("section:visible figure svg g title").all_text_contents()

    assert "hash_keys: 50 samples, 50.0%" in titles
    assert "hash_keys: 40.0% of the samples, -10.0 points" in titles
    assert flames.PLUMBING.match("_PyEval_EvalFrameDefault [C]")
