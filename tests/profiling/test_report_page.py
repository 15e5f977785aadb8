"""The page of the committed results in a real browser, tab by tab, at both widths, in light and in dark."""

import contextlib
import io
import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from browser_support import chromium
from core import records
from report import answers
from report import run as report

RESULTS = records.COMMITTED
HEIGHT = 900
# What a result looks like that its verb could not show, and Python's own words for it.
NOT_SHOWN = re.compile(r"not of the form|shown by its fields|\w+Error\b|Traceback|NoneType|<\w+ object at")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The page that is made if the output folder has no results, and what is printed meanwhile."""
    folder, printed = tmp_path_factory.mktemp("page"), io.StringIO()
    with contextlib.redirect_stdout(printed):
        assert report.run(folder=None, out=folder) == ""
    return folder / "report.html", printed.getvalue()


@pytest.fixture(scope="module")
def written(made: tuple[Path, str]) -> Path:
    """The page of the committed results, and nothing else."""
    return made[0]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as launched:
        yield launched


@pytest.fixture
def opened(browser: Any, written: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    """The page, opened; afterwards its console must be empty, and nothing may have been asked for."""
    width, scheme = getattr(request, "param", (1400, "light"))
    shown = browser.new_page(viewport={"width": width, "height": HEIGHT}, color_scheme=scheme)
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
# For what colours have no part in.
every_width = pytest.mark.parametrize("opened", [(400, "light"), (1400, "dark")], indirect=True, ids=str)

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


# What is wider than the window, but for what lies in a box that scrolls.
TOO_WIDE = """() => [...document.querySelectorAll("body *")]
  .filter((el) => el.checkVisibility() && !el.closest(".scroll, pre, .skip, .unseen"))
  .filter((el) => el.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
  .map((el) => `${el.tagName} ${el.className} ${el.textContent.trim().slice(0, 40)}`)"""

# Letters of pictures that lie beyond the picture, or are too small to read.
CROPPED = """() => [...document.querySelectorAll("figure svg")].flatMap((svg) => {
  if (!svg.checkVisibility()) return [];
  const all = svg.getBoundingClientRect();
  return [...svg.querySelectorAll("text")].filter((text) => text.textContent.trim()).flatMap((text) => {
    const box = text.getBoundingClientRect();
    const across = box.left < all.left - 1 || box.right > all.right + 1;
    const along = box.top < all.top - 1 || box.bottom > all.bottom + 1;
    return across || along || box.height < 9 ? [`${svg.getAttribute("aria-label")}: ${text.textContent}`] : [];
  });
})"""

# For each table: the width of its box, how far its first column and its first figures reach, and the same at the end.
TABLES = """() => [...document.querySelectorAll(".scroll > table")].filter((t) => t.checkVisibility()).map((table) => {
  const box = table.parentElement, [first, second] = table.rows[1].cells, last = [...table.rows[1].cells].at(-1);
  const left = box.getBoundingClientRect().left, measure = (el) => el.getBoundingClientRect();
  const before = { name: table.getAttribute("aria-label"), width: box.clientWidth, all: box.scrollWidth,
    first: measure(first).right - left, second: second ? measure(second).right - left : 0,
    bar: box.offsetHeight - box.clientHeight };
  box.scrollLeft = box.scrollWidth;
  const after = { stays: Math.round(measure(first).left - left), end: measure(last).right - left,
    covered: measure(last).left < measure(first).right - 1 };
  box.scrollLeft = 0;
  return { ...before, ...after };
})"""


def tabs_of(opened: Any) -> Iterator[tuple[str, Any]]:
    """Each tab's name and its part of the page, opened."""
    tabs = opened.locator('[role="tab"]')
    for number in range(tabs.count()):
        tabs.nth(number).click()
        yield tabs.nth(number).inner_text(), opened.locator("section:visible")


def test_the_committed_results_stand_in_for_an_empty_folder(made: tuple[Path, str]) -> None:
    page, printed = made

    assert "profiling/results" in printed
    assert "committed with the project" in page.read_text()


@every_page
def test_each_tab_opens_one_part_with_tables_or_pictures_and_no_dump(opened: Any) -> None:
    names = []
    for name, part in tabs_of(opened):
        names.append(name)
        assert part.count() == 1, name
        assert not NOT_SHOWN.search(part.inner_text()), f"{name}: {NOT_SHOWN.search(part.inner_text())}"
        assert part.locator("table:visible").count() + part.locator("figure svg:visible").count() > 0, name
        if name != "Overview":
            assert part.locator("table:visible").count() > 0, name
            assert part.locator("p.answer").inner_text().endswith("."), name
        for summary in ("How it was measured", "Raw result"):
            folded = part.locator("details", has=part.page.locator("summary", has_text=summary))
            assert folded.count() == (name != "Overview"), name
            assert not folded.evaluate_all("all => all.some((each) => each.open)"), f"{name}: {summary}"
        assert opened.evaluate(CONTRAST) == [], name
    assert len(names) == 1 + len(list(RESULTS.glob("*.json")))


@every_width
def test_the_comparison_with_other_maps_shows_its_tables(opened: Any) -> None:
    opened.get_by_role("tab", name="Beside other maps", exact=True).click()
    shown = opened.locator("section:visible")

    captions = shown.locator("p.caption:visible").all_inner_texts()
    assert "int64 to int64: times pyhmap's time" in captions
    assert "Targets" in captions
    rows = json.loads((RESULTS / "peers.json").read_text())["figures"]["rows"]
    times = [
        row for row in rows if (row["kind"], row["key_set"]) == ("int64", "random") and row["operation"] != "memory"
    ]
    table = shown.locator("table:visible").first
    assert table.locator("tbody tr").count() == len(times)
    assert shown.locator("figure svg:visible").count() >= 2


@every_width
def test_nothing_is_wider_than_the_window_and_no_picture_is_cropped(opened: Any) -> None:
    pictures = 0
    for name, part in tabs_of(opened):
        for details in part.locator("details:not(.raw)").all():
            details.evaluate("el => { el.open = true; }")
        assert opened.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0, name
        assert opened.evaluate(TOO_WIDE) == [], name
        assert opened.evaluate(CROPPED) == [], name
        for figure in part.locator("figure").all():
            pictures += 1
            drawn = figure.locator("svg:visible")
            assert drawn.count() == 1, figure.inner_text()
            assert drawn.bounding_box()["width"] > 300, figure.inner_text()
    assert pictures > 20


@every_width
def test_a_table_keeps_its_first_column_and_shows_that_it_goes_on(opened: Any) -> None:
    seen = 0
    for _, part in tabs_of(opened):
        for details in part.locator("details:not(.raw)").all():
            details.evaluate("el => { el.open = true; }")
        for table in opened.evaluate(TABLES):
            seen += 1
            assert table["first"] < 0.72 * table["width"], table
            assert table["second"] <= table["width"] + 1, table  # the first figures are there without scrolling
            if table["all"] > table["width"] + 1:
                assert table["bar"] >= 8, table
                assert table["stays"] == 0, table
                assert table["end"] <= table["width"] + 1, table
                assert not table["covered"], table
    assert seen > 30


@every_width
def test_every_tab_has_a_name_that_people_use_and_can_be_read_whole(opened: Any) -> None:
    names = []
    for tab in opened.locator('[role="tab"]').all():
        names.append(tab.inner_text())
        box = tab.bounding_box()
        assert box["x"] >= 0, names[-1]
        assert box["x"] + box["width"] <= opened.evaluate("document.documentElement.clientWidth"), names[-1]
        assert tab.evaluate("el => el.scrollWidth <= el.clientWidth + 1"), names[-1]
        for end in (1, box["width"] - 2):  # nothing lies over either end
            at = [box["x"] + end, box["y"] + box["height"] / 2]
            assert tab.evaluate("(el, [x, y]) => el.contains(document.elementFromPoint(x, y))", at), names[-1]
    assert len(set(names)) == len(names)
    assert {"Overview", "Beside other maps", "Before and after the cache", "Growth"} <= set(names)
    assert not set(names) & {path.stem for path in RESULTS.glob("*.json")}
    assert all(name[0].isupper() for name in names)


@every_page
def test_the_page_opens_on_the_answer_and_a_picture(opened: Any) -> None:
    said = opened.locator("section:visible .answer")
    box = opened.locator("section:visible figure svg:visible").bounding_box()
    wide = opened.viewport_size["width"] > 600

    assert answers.answer(json.loads((RESULTS / "peers.json").read_text())) in said.inner_text()
    assert "What is lost." in said.inner_text()
    assert said.bounding_box()["y"] + said.bounding_box()["height"] <= HEIGHT
    assert box["y"] + (box["height"] if wide else 150) <= HEIGHT  # a telephone shows the first of four panels
    assert opened.locator("section:visible table:visible").count() == 0
    summary = opened.locator("details.warnings summary")
    count = opened.locator("details.warnings li").count()
    assert summary.inner_text().startswith(f"{count} warning")
    assert opened.locator("details.warnings li:visible").count() == 0
    summary.click()
    assert opened.locator("details.warnings li:visible").count() == count


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
    opened.get_by_role("tab", name="Growth").click()
    table = opened.locator("section:visible table").first
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
    opened.get_by_role("tab", name="Overview").focus()
    opened.keyboard.press("ArrowRight")
    assert opened.locator("section:visible").get_attribute("id") == "result-peers"
    assert opened.evaluate("document.activeElement.getAttribute('aria-selected')") == "true"
    opened.keyboard.press("End")
    assert opened.locator("section:visible").get_attribute("id") == "result-grouping"
    opened.keyboard.press("ArrowRight")
    assert opened.locator("section:visible").get_attribute("id") == "overview"

    opened.goto("about:blank")
    opened.goto(f"{written.as_uri()}#result-layout")
    assert opened.locator("section:visible").get_attribute("id") == "result-layout"


@pytest.mark.parametrize("opened", [(1400, "light"), (1400, "dark")], indirect=True, ids=str)
def test_the_switch_turns_the_page_over_and_back(opened: Any) -> None:
    opened.get_by_role("tab", name="Growth").click()

    def look() -> tuple[str, str]:
        paper = opened.evaluate("getComputedStyle(document.body).backgroundColor")
        first = opened.locator("section:visible figure svg:visible").first
        return paper, first.evaluate("svg => getComputedStyle(svg.querySelector('[id$=patch_1] path')).fill")

    before = look()
    assert before[0] == before[1]  # a picture has the page's own colour
    opened.locator("#theme").click()
    after = look()
    assert after[0] == after[1] != before[0]
    opened.locator("#theme").click()
    assert look() == before


def test_the_raw_result_can_be_read_and_saved(opened: Any, written: Path, tmp_path: Path) -> None:
    opened.get_by_role("tab", name="Memory layout").click()
    opened.locator("section:visible summary", has_text="Raw result").click()
    raw = opened.locator("section:visible pre").last
    raw.filter(has_text="verb").wait_for()  # it is filled in after the click, when the page comes to it
    assert json.loads(raw.inner_text())["verb"] == "layout"
    with opened.expect_download() as saving:
        opened.locator("section:visible details.raw button").click()
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


def test_a_reader_who_wants_no_motion_gets_none(browser: Any, written: Path) -> None:
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
    opened.get_by_role("tab", name="Before and after the cache").click()
    titles = opened.locator("section:visible figure svg g title").all_text_contents()

    stacks = json.loads((RESULTS / "table.json").read_text())["stacks"]["before"]
    counts = [(stack.split(";"), count) for stack, count in stacks]
    hashing = sum(count for stack, count in counts if "hash_keys" in stack)
    assert f"hash_keys: {hashing:,} samples, {hashing / sum(count for _, count in counts):.1%}" in titles
    assert any(re.fullmatch(r"hash_keys: [\d.]+% of the samples, [+-][\d.]+ points", title) for title in titles)
