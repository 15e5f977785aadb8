"""What is printed, from a small made-up result document."""

import io
from typing import Any

import pytest
from rich.console import Console

from render import terminal
from table import tables


def exact(value: float) -> dict[str, float]:
    return {"value": value, "low": value, "high": value}


def spread(median: float) -> dict[str, float]:
    return {"median": median, "q1": median * 0.98, "q3": median * 1.02, "n": 5}


@pytest.fixture
def document() -> dict[str, Any]:
    """A run whose py-spy was not there."""
    arms = ("before", "oneshot", "cache", "inside", "direct", "batch")
    return {
        "ended_by": "",
        "workload": {
            "keys_per_request": 40,
            "identifiers": 3190860,
            "distinct": 112937,
            "files": 1790,
            "source": "made",
        },
        "figures": [
            {"measure": "py-spy", "article": [18.7, 4.2, 0.775], "unavailable": "py-spy is not installed; get it"},
            {
                "measure": "memray",
                "article": [124, 21, 0.831],
                "arms": dict(zip(arms, map(exact, (265.1, 145.0, 40.0, 30.0, 50.0, 2.0)), strict=True)),
                "change": exact(-0.849),
                "change_from_oneshot": exact(-0.724),
                "verdict": "reproduced",
            },
            {
                "measure": "time",
                "article": None,
                "arms": dict(zip(arms, map(spread, (8000.0, 6000.0, 5000.0, 5500.0, 4500.0, 900.0)), strict=True)),
                "change": {"value": -0.375, "low": -0.39, "high": -0.36},
                "change_from_oneshot": {"value": -0.167, "low": -0.18, "high": -0.15},
                "verdict": "lower",
                "loses_to": ["direct", "batch"],
                "null": {"value": 0.001, "low": -0.004, "high": 0.006},
            },
        ],
    }


def printed(show: Any, document: dict[str, Any], **console: Any) -> str:
    stream = io.StringIO()
    show(Console(file=stream, highlight=False, width=100, **console), document)
    return stream.getvalue()


def test_the_verdict_comes_first_and_names_what_is_faster(document: dict[str, Any]) -> None:
    text = " ".join(printed(tables.show, document).split())

    assert text.startswith("From the article's before to the cache: allocs per op (memray): reproduced.")
    assert "A request takes 38% less CPU time. The cache is slower than direct and batch." in text


def test_the_table_has_gos_figures_beside_ours(document: dict[str, Any]) -> None:
    lines = printed(tables.show, document).splitlines()
    allocations = next(number for number, line in enumerate(lines) if line.startswith("allocs per op"))

    figures = "124 → 21 265.1 145.0 40.0 30.0 50.0 2.0 -84.9 % -72.4 % reproduced"
    assert " ".join(lines[allocations].split()) == f"allocs per op {figures}"
    assert " ".join(lines[allocations + 1].split()) == "memray -83.1 %"


def test_a_row_that_could_not_be_measured_says_how_to_get_it(document: dict[str, Any]) -> None:
    text = printed(tables.show, document)

    assert "CPU hashing (py-spy): py-spy is not installed; get it." in text
    row = next(number for number, line in enumerate(text.splitlines()) if line.startswith("CPU hashing  "))
    assert text.splitlines()[row].split()[-1] == "not"
    assert text.splitlines()[row + 1].split()[-1] == "measured"


def test_the_null_arm_is_shown_and_stops_the_headline_when_it_differs(document: dict[str, Any]) -> None:
    assert "before against itself: +0.1 % (-0..+1)" in printed(tables.show, document)

    document["figures"][2]["verdict"] = "invalid"

    assert "believe no time of this run" in tables.verdict_sentence(document)
    assert "less CPU time" not in tables.verdict_sentence(document)


def test_an_interrupted_run_says_so(document: dict[str, Any]) -> None:
    document["ended_by"] = "interrupted"
    assert "ended early (interrupted)" in tables.verdict_sentence(document)

    document["figures"] = []
    assert "interrupted" in printed(tables.show, document)


def test_output_that_is_no_terminal_is_plain(document: dict[str, Any]) -> None:
    assert "\x1b" not in printed(tables.show, document)


def test_a_pipe_is_wide_enough_for_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")

    assert terminal.output_console().width == 100


def test_no_color_is_honoured(document: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[32m" in printed(tables.show, document, force_terminal=True, color_system="standard")

    monkeypatch.setenv("NO_COLOR", "1")

    assert "\x1b[32m" not in printed(tables.show, document, force_terminal=True, color_system="standard")


def test_every_line_fits_a_terminal_of_100_columns(document: dict[str, Any]) -> None:
    document["figures"][1]["verdict"] = "not reproduced"

    assert max(map(len, printed(tables.show, document).splitlines())) <= 100
    assert "…" not in printed(tables.show, document)
