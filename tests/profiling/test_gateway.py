"""The verb ``gateway``: its figures are those of the samples, its verdicts follow from them, and a run that ends early
keeps what the example had measured.
"""

import importlib.util
import json
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from core import runner
from gateway import article, figures, pictures, tables
from gateway import run as gateway
from render import terminal

REAL = gateway.EXAMPLE
NEEDED = ("aiohttp", "httptools", "jwt", "opentelemetry", "prometheus_client", "regopy", "uvicorn", "uvloop")


def loaded(variant: str, number: int, per_second: float, **changed: Any) -> dict[str, Any]:
    usual = {"requests": 1000, "refused_by_mistake": 0, "unavailable": 0, "p50_ms": 5.0, "p99_ms": 9.0}
    usual |= {"workers_cpu_us": 900.0, "guard_cpu_us": 100.0, "per_second": per_second}
    return {"measure": "load", "variant": variant, "round": number} | usual | changed


def replayed(variant: str, number: int, again: int, slowest: float | None = 0.01) -> dict[str, Any]:
    its = {"tokens": 10, "replayed": 10, "accepted_again": again, "slowest_refusal_s": slowest}
    return {"measure": "replays", "variant": variant, "round": number} | its


def changed(effect: float, load: float) -> dict[str, Any]:
    return {"measure": "change", "build_s": 0.5, "effect_s": effect, "load_s": load}


def words(samples: list[dict[str, Any]]) -> dict[str, str]:
    """The verdict on each thing."""
    return {what: verdict for what, _, _, verdict in article.verdicts(figures.figures(samples))}


# --- figures ---


def test_a_variant_stands_beside_the_guard_round_by_round() -> None:
    rates = {"guard": (100.0, 200.0, 400.0), "dict": (150.0, 300.0, 800.0)}
    samples = [loaded(name, n, rate) for name in ("dict", "guard") for n, rate in enumerate(rates[name])]
    ours, other = figures.load(samples)

    assert (ours["variant"], ours["over"]["value"], ours["requests"]) == ("guard", 1.0, 3000)
    assert (other["over"]["value"], other["per_second"]["median"]) == (1.5, 300.0)


def test_a_variant_without_a_round_of_the_guard_has_no_ratio() -> None:
    (row,) = figures.load([loaded("redis", 0, 100.0)])

    assert "over" not in row
    assert "redis" in tables.load({"figures": {"load": [row]}}).rows[0]


def test_what_is_better_than_the_guard_is_marked() -> None:
    samples = [loaded("guard", 0, 100.0), loaded("dict", 0, 150.0, p99_ms=10.0)]
    ours, other = tables.load({"figures": figures.figures(samples)}).rows

    assert not any("**" in cell for cell in ours)
    assert other[1:5] == ["**150**", f"**1.50{terminal.TIMES}**", "5.0 ms", "10.0 ms"]


def test_replays_that_got_through_are_added_up() -> None:
    samples = [replayed("dict", 0, 10, None), replayed("dict", 1, 9, 0.5), replayed("guard", 0, 0)]

    assert figures.replays(samples) == [
        {"variant": "guard", "replayed": 10, "accepted_again": 0, "slowest_refusal_s": 0.01},
        {"variant": "dict", "replayed": 20, "accepted_again": 19, "slowest_refusal_s": 0.5},
    ]


def test_the_picture_has_a_panel_for_each_thing_that_was_measured() -> None:
    loads = [loaded("guard", 0, 700.0), loaded("dict", 0, 900.0)]
    held = [{"measure": "memory", "holder": "guard", "ids": 10, "bytes_per_id": 17.0}]

    def panels(samples: list[dict[str, Any]]) -> list[list[str]]:
        drawn = pictures.drawings({"figures": figures.figures(samples)})["beside"]()
        return [[label.get_text() for label in axes.get_yticklabels()] for axes in drawn.axes]

    both = ["the guard", "a dict per worker"]
    assert panels(loads + held) == [both, both, ["the guard"]]
    assert panels(held) == [["the guard"]]
    assert pictures.drawings({"figures": figures.figures([])}) == {}


# --- the article ---


@pytest.mark.parametrize(
    ("effect", "load", "said"),
    [
        (2.0, 0.2, ("reproduced", "reproduced")),
        (60.0, 10.0, ("direction only", "direction only")),
        (3000.0, 45.0, ("not reproduced", "not reproduced")),
    ],
)
def test_the_longest_change_is_judged(effect: float, load: float, said: tuple[str, str]) -> None:
    found = words([changed(1.0, 0.1), changed(effect, load)])

    assert (found["a change of policy to its effect"], found["loading a policy while running"]) == said


@pytest.mark.parametrize(
    ("rate", "said"), [(30_000.0, "reproduced"), (9_000.0, "direction only"), (700.0, "not reproduced")]
)
def test_requests_per_second_are_those_of_the_guard(rate: float, said: str) -> None:
    assert words([loaded("guard", 0, rate), loaded("dict", 0, 99_999.0)])["requests per second and node"] == said


@pytest.mark.parametrize(
    ("requests", "refused", "said"),
    [(40_000, 0, "reproduced"), (200, 0, "too few"), (40_000, 40, "not reproduced")],
)
def test_no_refusal_proves_little_among_few_requests(requests: int, refused: int, said: str) -> None:
    sample = loaded("guard", 0, 700.0, requests=requests, refused_by_mistake=refused)

    assert words([sample])["refused by mistake"] == said


@pytest.mark.parametrize(
    ("again", "slowest", "said"),
    [(0, 0.01, "reproduced"), (0, 9.0, "not reproduced"), (1, 0.01, "not reproduced")],
)
def test_a_replay_that_was_accepted_is_no_reaction(again: int, slowest: float, said: str) -> None:
    assert words([replayed("guard", 0, again, slowest)])["reaction to replays"] == said


def test_what_was_not_measured_is_said_and_what_cannot_be() -> None:
    assert set(words([]).values()) == {"not measured", "not measurable here"}
    assert words([])["debugging a policy"] == "not measurable here"


# --- a run ---


def planted(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Let another program stand for the example."""
    (folder / "__main__.py").write_text(f"import json, sys, time\nfrom pathlib import Path\n{text}\n")
    monkeypatch.setattr(gateway, "EXAMPLE", folder)


def test_what_was_measured_before_a_failure_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = json.dumps({"samples": [replayed("guard", 0, 0)], "plan": {"rounds": 1}})
    planted(tmp_path, monkeypatch, f"Path(sys.argv[3]).write_text({made!r})\nsys.exit('first\\nthe guard is gone')")

    assert gateway.run(quick=True, out=tmp_path / "out") == "the guard is gone"
    written = json.loads((tmp_path / "out" / "gateway.json").read_text())
    assert (written["ended_by"], len(written["samples"]), written["config"]) == ("the guard is gone", 1, {"rounds": 1})
    assert len(written["verdicts"]) == 7


def test_an_example_that_does_not_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planted(tmp_path, monkeypatch, "sys.exit('not installed: aiohttp')")

    assert gateway.measured(quick=True) == ({}, "not installed: aiohttp")


def test_an_interrupted_run_lets_the_example_end_and_keeps_what_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = tmp_path / "ended"
    text = f"""
import signal
signal.signal(signal.SIGTERM, signal.default_int_handler)
Path(sys.argv[3]).write_text('{{"samples": []}}')
try:
    Path({str(tmp_path / "begun")!r}).touch()
    time.sleep(60)
except KeyboardInterrupt:
    Path({str(ended)!r}).touch()
"""
    planted(tmp_path, monkeypatch, text)

    communicate = subprocess.Popen.communicate

    def interrupted(process: subprocess.Popen) -> None:
        """As by Ctrl-C, once the example works."""
        monkeypatch.setattr(subprocess.Popen, "communicate", communicate)
        until = time.monotonic() + 60
        while not (tmp_path / "begun").exists() and time.monotonic() < until:
            time.sleep(0.01)
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess.Popen, "communicate", interrupted)
    assert gateway.measured(quick=True) == ({"samples": []}, runner.INTERRUPTED)
    assert ended.exists()


@pytest.mark.slow
@pytest.mark.skipif(not all(map(importlib.util.find_spec, NEEDED)), reason="what the example needs is not installed")
def test_a_run_with_few_requests_fills_every_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    planted(
        tmp_path,
        monkeypatch,
        f"sys.path.insert(0, {str(REAL)!r})\nimport measuring\n"
        "measuring.measure(Path(sys.argv[3]), measuring.Plan(1, 30, 60.0, 4, 5, 20, 1, 5_000, 10, 1, 2))",
    )

    assert gateway.run(quick=True, out=tmp_path / "out") == ""
    written = json.loads((tmp_path / "out" / "gateway.json").read_text())
    assert all(part(written).rows for part in tables.PARTS)
    assert words(written["samples"])["reaction to replays"] == "reproduced"
    shown = capsys.readouterr().out
    assert "Beside the article (5)" in shown
    assert all(f"Left out: {name}" in shown for name in written["left_out"])
