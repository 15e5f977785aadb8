"""The verb ``record``: each thing that can be wrong is planted in a project made up, and found. No committed figure."""

import json
import runpy
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from core import records
from core.environment import HARNESS
from fragmentation import run as fragmentation
from growth import latency
from leaks import run as leaks
from leaks import zero_growth
from record import documents, pictures, results
from record import run as record

DOCUMENT = """# A document

Text before. Each of 2 keys.

<!-- table: ours -->

| | ns |
|---|---|
| even | 10.0 |

<!-- end -->

Text after.
"""


def git(project: Path, *arguments: str) -> str:
    settings = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", "-C", str(project), *settings, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def sample(block: int) -> dict[str, Any]:
    measured = {"space": 0.5, "nbytes": 4000, "buckets": 16, "noverflow": 2}
    maps = {
        name: measured | {"single_ns": ns, "batch_ns": ns / 2} for name, ns in (("even", 10.0), ("fragmented", 12.0))
    }
    state = next(iter(fragmentation.STATES))
    return {"state": state, "block": block, "keys": 100, "compacted": maps["even"]} | maps


def shown(document: dict[str, Any]) -> str:
    return f"| | ns |\n|---|---|\n| even | {document['figures'][0]['single_ns']['median']:.1f} |"


def drawings(document: dict[str, Any]) -> dict[str, Callable[[], Figure]]:
    """A picture whose only words are a figure of the result."""

    def times() -> Figure:
        drawn = Figure(figsize=(1, 1))
        drawn.suptitle(f"{document['figures'][0]['single_ns']['median']:.1f} ns")
        return drawn

    return {"times": times}


class Project:
    """A project with one result, a document with its table, and a history of one commit."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.capsys = folder, capsys
        self.results = folder / "profiling" / "results"
        self.readme = folder / "README.md"
        self.results.mkdir(parents=True)
        self.readme.write_text(DOCUMENT)
        git(folder, "init", "-q")
        git(folder, "add", ".")
        git(folder, "commit", "-q", "-m", "first")
        document = records.begin("fragmentation", quick=False, workload={}, config={})
        document["environment"] |= {"commit": git(folder, "rev-parse", "HEAD"), "uncommitted_changes": False}
        samples = [sample(block) for block in range(6)]
        self.result = document | {"ended_by": "", "figures": fragmentation.rows(samples), "samples": samples}
        self.store(self.result)

    def store(self, document: dict[str, Any], name: str = "fragmentation") -> None:
        (self.results / f"{name}.json").write_text(json.dumps(document))

    def run(self, *, write: bool = False) -> tuple[str, list[str]]:
        """What the verb returns, and the lines it prints but those of checks that found nothing."""
        failed = record.run(write=write, project=self.folder)
        return failed, [line for line in self.capsys.readouterr().out.splitlines() if not line.startswith("ok ")]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Project:
    monkeypatch.setattr(record, "TABLES", {"ours": ("fragmentation", shown)})
    monkeypatch.setattr(record, "SENTENCES", {})
    monkeypatch.setattr(results, "KEPT", ("fragmentation",))
    monkeypatch.setattr(pictures, "DRAWINGS", {"fragmentation": drawings})
    return Project(tmp_path, capsys)


def test_where_all_is_right_each_check_has_a_line_that_says_so(project: Project) -> None:
    assert record.run(write=False, project=project.folder) == ""

    lines = project.capsys.readouterr().out.splitlines()
    assert len(lines) == 6
    assert all(line.startswith("ok      ") for line in lines)
    assert "ok      README.md, line 5: table ours" in lines


def test_a_stale_table_is_found_and_write_fills_it_and_changes_nothing_else(project: Project) -> None:
    stale = DOCUMENT.replace("10.0", "9.0")
    project.readme.write_text(stale)

    failed, (line,) = project.run()
    assert failed == "1 of 6 checks failed"
    assert line.startswith("FAILED  README.md, line 5: table ours: ")
    assert "make record WRITE=1" in line
    assert project.readme.read_text() == stale

    assert project.run(write=True) == ("", ["written README.md: table ours"])
    assert project.readme.read_text() == DOCUMENT
    assert project.run(write=True) == ("", [])


def test_a_table_of_a_document_in_docs_is_filled_too(project: Project) -> None:
    (project.folder / "docs").mkdir()
    (project.folder / "docs" / "more.md").write_text("<!-- table: ours -->\n<!-- end -->")

    assert project.run(write=True) == ("", ["written docs/more.md: table ours"])
    assert "| even | 10.0 |" in (project.folder / "docs" / "more.md").read_text()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "a\n<!-- table: other -->\n<!-- end -->\n",
            "README.md, line 2: table other: there is no such table; known: ours",
        ),
        ("a\n<!-- table: ours -->\nb\n", "line 2: `<!-- end -->` is missing for the table ours"),
        ("<!-- table: ours -->\n<!-- table: ours -->\n<!-- end -->\n", "line 2: `<!-- end -->` is missing"),
        ("a\n<!-- end -->\n", "line 2: no table begins before it"),
        (
            "<!-- table ours -->\n<!-- end -->\n",
            "line 1: write `<!-- table: NAME -->` or `<!-- end -->` on a line of its",
        ),
    ],
)
def test_a_wrong_marker_is_named_with_its_line_and_the_document_left_alone(
    project: Project, text: str, said: str
) -> None:
    project.readme.write_text(text)

    failed, lines = project.run(write=True)

    assert failed
    assert any(said in line for line in lines)
    assert project.readme.read_text() == text


def test_a_table_that_no_document_shows_is_found(project: Project) -> None:
    project.readme.write_text("Nothing.\n")

    assert project.run()[1] == [
        "FAILED  table ours: no document shows it: put its markers in one, or remove it from `TABLES`"
    ]


def test_a_sentence_with_another_figure_than_the_result_is_found(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sentences(document: dict[str, Any]) -> list[tuple[str, str]]:
        return [("README.md", f"Each of {document['figures'][0]['keys']} keys")]

    monkeypatch.setattr(record, "SENTENCES", {"fragmentation": sentences})
    (line,) = project.run()[1]
    assert line.startswith('FAILED  README.md: "Each of 100 keys": ')

    project.readme.write_text(DOCUMENT.replace("Each of 2 keys", "Each of\n100 keys"))
    assert project.run() == ("", [])


@pytest.mark.parametrize(
    "text", ["15.4 ns to 70", "5.4 ns to 705", "2.5.4 ns to 70", "5.4 ns to 70.5", "1,5.4 ns to 70,1"]
)
def test_a_figure_of_a_sentence_is_not_found_within_another_figure(text: str) -> None:
    (check,) = record.sentence_checks({"README.md": f"It takes {text}."}, [("README.md", "5.4 ns to 70")])
    assert "write it there" in check.wrong


@pytest.mark.parametrize("text", ["5.4 ns to 70", "(5.4 ns to 70)", "times; 5.4 ns to 70, or more"])
def test_a_figure_of_a_sentence_may_have_any_punctuation_beside_it(text: str) -> None:
    (check,) = record.sentence_checks({"README.md": f"It takes {text}."}, [("README.md", "5.4 ns to 70")])
    assert check.wrong == ""


# --- pictures ---


def show_picture(project: Project) -> Path:
    """A document that shows the picture of the result, and where the picture belongs."""
    (project.folder / "docs").mkdir()
    (project.folder / "docs" / "more.md").write_text("![Times of two\nmaps](fragmentation-times.svg)")
    return project.folder / "docs" / "fragmentation-times.svg"


def test_a_picture_is_drawn_from_the_result_and_found_when_the_result_is_another(project: Project) -> None:
    picture = show_picture(project)
    missing = "FAILED  docs/fragmentation-times.svg: drawn from its result: it differs from what the code draws"
    assert project.run()[1][0].startswith(missing)

    assert project.run(write=True) == ("", ["written docs/fragmentation-times.svg"])
    assert "10.0 ns" in picture.read_text()
    assert project.run(write=True) == ("", [])

    picture.write_text(picture.read_text().replace("10.0 ns", "9.0 ns"))
    failed, (line,) = project.run()
    assert failed == "1 of 7 checks failed"
    assert line.startswith(missing)


def test_a_picture_of_another_version_of_matplotlib_is_not_compared(project: Project) -> None:
    picture = show_picture(project)
    project.run(write=True)
    now = f"Matplotlib v{mpl.__version__}"
    assert now in picture.read_text()
    picture.write_text(picture.read_text().replace(now, "Matplotlib v3.0.1"))

    said = f"Matplotlib 3.0.1 drew it, and {mpl.__version__} is installed: to draw it again, run `make record WRITE=1`"
    assert project.run() == ("", [f"skipped docs/fragmentation-times.svg: drawn from its result: {said}"])
    assert project.run(write=True) == ("", ["written docs/fragmentation-times.svg"])


@pytest.mark.parametrize("name", ["fragmentation-other", "growth-times", "drawing"])
def test_a_picture_that_no_result_has_is_named(project: Project, name: str) -> None:
    project.readme.write_text(f"{DOCUMENT}\n![A picture]({name}.svg)\n")
    (project.folder / f"{name}.svg").write_text("<svg/>")

    assert project.run(write=True)[1] == [
        f"FAILED  {name}.svg: drawn from its result: no complete result has such a picture; "
        "known: fragmentation-NAME.svg (`DRAWINGS`)"
    ]
    assert (project.folder / f"{name}.svg").read_text() == "<svg/>"


# --- results ---


def unknown_commit(document: dict[str, Any]) -> None:
    document["environment"]["commit"] = "0123456789" * 4


def no_commit(document: dict[str, Any]) -> None:
    document["environment"]["commit"] = None


def changes(document: dict[str, Any]) -> None:
    document["environment"]["uncommitted_changes"] = True


def wrong_figure(document: dict[str, Any]) -> None:
    document["figures"][1]["single_ns"]["median"] = 11.5


def quick(document: dict[str, Any]) -> None:
    document["mode"] = "quick"


def interrupted(document: dict[str, Any]) -> None:
    document["ended_by"] = "interrupted"


def old(document: dict[str, Any]) -> None:
    document["schema_version"] = records.SCHEMA_VERSION - 1


def of_another_verb(document: dict[str, Any]) -> None:
    document["verb"] = "growth"


def without_samples(document: dict[str, Any]) -> None:
    del document["samples"]


def a_row_less(document: dict[str, Any]) -> None:
    document["figures"].pop()


@pytest.mark.parametrize(
    ("plant", "said"),
    [
        (
            unknown_commit,
            "commit: 0123456789012345678901234567890123456789 is no commit that HEAD descends from: run `pyth",
        ),
        (no_commit, "commit: None is no commit"),
        (changes, "no uncommitted changes, or a document says so: run it again"),
        (
            wrong_figure,
            "figures[1].single_ns.median is 11.5, but the samples give 12.0: run `python profiling fragmentation",
        ),
        (quick, "it is a quick run that ended: complete; only complete full runs are kept"),
        (interrupted, "it is a full run that ended: interrupted; only complete full runs are kept"),
        (old, f"it has schema {records.SCHEMA_VERSION - 1}"),
        (of_another_verb, "it is a result of growth: call it growth.json or growth-WHAT.json"),
        (without_samples, "it has no samples: delete the file, or run its verb again"),
        (a_row_less, "figures follow from its samples: the length of figures is 2, but the samples give 3: run"),
    ],
)
def test_a_result_that_is_not_to_be_kept_is_found(
    project: Project, plant: Callable[[dict[str, Any]], None], said: str
) -> None:
    plant(project.result)
    project.store(project.result)

    failed, lines = project.run()

    assert failed
    assert any(line.startswith("FAILED  fragmentation.json: ") and said in line for line in lines)


def test_a_commit_of_another_branch_is_not_in_this_history(project: Project) -> None:
    git(project.folder, "checkout", "-q", "--orphan", "other")
    git(project.folder, "commit", "-q", "-m", "elsewhere")

    assert "is no commit that HEAD descends from" in project.run()[1][0]


def test_a_document_may_state_uncommitted_changes(project: Project) -> None:
    changes(project.result)
    project.store(project.result)
    project.readme.write_text(f"{DOCUMENT}\n`fragmentation.json` was made\nwith uncommitted changes.\n")

    assert project.run() == ("", [])


def test_a_missing_file_of_a_verb_is_found(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "KEPT", ("fragmentation", "layout"))

    failed, (line,) = project.run()

    assert failed == "1 of 7 checks failed"
    assert line.startswith("FAILED  layout.json: complete result of its verb: cannot read ")
    assert line.endswith("No such file or directory: run its verb with `--out profiling/results`")


def test_the_latest_run_of_each_verb_is_kept() -> None:
    measuring = set(runpy.run_path(str(HARNESS / "__main__.py"))["VERBS"])
    assert set(results.KEPT) == measuring


def test_a_result_without_samples_and_figures_is_found(project: Project) -> None:
    check = results.figures("fragmentation", project.result | {"samples": [], "figures": []})
    assert check.wrong.startswith("it has no samples to compute figures from: run `python profiling fragmentation")


def growth_result() -> dict[str, Any]:
    """A result of ``growth``: two runs of single inserts, memory, and keys that come and go."""
    insert = {"measure": "inserts", "library": "pyhmap", "n": 4}
    samples = [
        insert | {"worst_ns": worst, "mean_ns": 6.0} | latency.summary(np.array([5, 5, worst, 5]))
        for worst in (900, 800)
    ]
    samples.append({"measure": "memory", "library": "pyhmap", "series": [{"count": 1, "bytes": 99}]})
    for load, peak in ((3.3, 1100), (6.4, 1300)):
        ns = {name: {"churned": 12.0, "fresh": 10.0} for name in ("get_many", "replace")}
        series = [{"operations": 0, "nbytes": 1000}, {"operations": 9, "nbytes": peak}]
        samples.append({"measure": "churn", "load": load, "fresh_nbytes": 1000, "ns": ns, "series": series})
    made = {"trigger": [{"B": 1}]} | latency.figures(samples)
    raw = [{name: one[name] for name in one if name not in ("series", "largest")} for one in samples]
    head = {"verb": "growth", "command": "python profiling growth"}
    return json.loads(json.dumps(head | {"figures": made, "samples": raw}))


def test_the_figures_of_growth_follow_from_its_samples() -> None:
    assert results.figures("growth", growth_result()).wrong == ""


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (("churn", "loads", 1, "time_over_fresh", "get_many"), "figures.churn.loads[1].time_over_fresh.get_many is 7"),
        (("churn", "loads", 1, "peak_over_fresh"), "figures.churn.loads[1].peak_over_fresh is 7, but the samples give"),
        (("churn", "loads", 0, "load"), "the length of figures.churn.loads is 2, but the samples give 1"),
        (("latency", "libraries", "pyhmap", "recurring_worst_ns"), "pyhmap.recurring_worst_ns is 7, but the samples"),
    ],
)
def test_a_wrong_figure_of_growth_is_found(path: tuple[Any, ...], said: str) -> None:
    document = growth_result()
    *parents, last = path
    place = document["figures"]
    for name in parents:
        place = place[name]
    place[last] = 7

    assert said in results.figures("growth", document).wrong


def test_growth_without_the_samples_of_a_part_is_found() -> None:
    document = growth_result()
    document["samples"] = [sample for sample in document["samples"] if sample["measure"] != "churn"]

    assert "figures.churn is" in results.figures("growth", document).wrong


def test_only_growth_may_have_figures_without_samples(project: Project) -> None:
    project.result["figures"][0]["series"] = [1, 2]
    project.store(project.result)

    (line,) = project.run()[1]
    assert "figures[0].series is [1, 2], but the samples give None" in line


def test_words_beside_a_figure_may_change_without_a_run() -> None:
    stored, computed = {"target": "old words", "met": True}, {"target": "new words", "met": False}
    assert list(results.differences("figures", stored, computed, results.WORDS)) == [("figures.met", True, False)]


def test_a_file_that_nothing_uses_is_found_until_a_document_names_it(project: Project) -> None:
    project.store(project.result, "fragmentation-older")
    said = "FAILED  fragmentation-older.json: in use: no verb has this name and no document names it: delete it"
    assert project.run()[1] == [said]

    project.readme.write_text(f"{DOCUMENT}\nSee `fragmentation-older.json`.\n")
    assert project.run() == ("", [])


def test_a_file_that_is_no_result_is_found(project: Project) -> None:
    (project.results / "notes.txt").write_text("to do")

    (line,) = project.run()[1]
    assert "notes.txt is no JSON file" in line


def test_without_a_history_the_commits_are_skipped_and_that_is_said(project: Project, tmp_path_factory: Any) -> None:
    unknown_commit(project.result)
    project.store(project.result)
    git(project.folder, "add", ".")
    git(project.folder, "commit", "-q", "-m", "second")
    shallow = tmp_path_factory.mktemp("clones") / "shallow"
    git(project.folder, "clone", "-q", "--depth", "1", f"file://{project.folder}", str(shallow))

    (project.folder / ".git").rename(project.folder / "no-git")
    assert project.run() == ("", ["skipped fragmentation.json: commit: no git repository here"])

    project.folder = shallow
    assert project.run() == ("", ["skipped fragmentation.json: commit: a shallow clone has not all commits"])


# --- single verbs ---


def wrong(checks: Any) -> list[str]:
    return [check.wrong for check in checks if check.wrong]


@pytest.fixture
def leaks_figures(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setattr(results, "CASES", {"a view": None})
    form = {"verdict": "clean", "expected": "clean", "as_expected": True}
    grew = dict.fromkeys(zero_growth.SLACK, 0)
    growth = [
        {"call": call, "calls": leaks.GROWTH_CALLS, "grew": grew.copy(), "beyond": []}
        for call in (zero_growth.NOTHING, "HMap.get", "HSet.add")
    ]
    return {"cases": [{"case": "a view", "leaking": form.copy(), "fixed": form.copy()}], "growth": growth}


def test_a_public_call_that_was_added_since_needs_no_new_result(leaks_figures: dict[str, Any]) -> None:
    assert len(zero_growth.public_calls()) > 2
    assert wrong(results.of_leaks(leaks_figures)) == []


def test_a_call_that_grew_or_was_called_too_few_times_is_named(leaks_figures: dict[str, Any]) -> None:
    leaks_figures["growth"][2] |= {"beyond": ["heap"], "grew": {"heap": 90_000}}
    assert wrong(results.of_leaks(leaks_figures)) == ["they leave something behind: HSet.add: heap 90,000: fix them"]

    leaks_figures["growth"][2] |= {"beyond": [], "calls": 500}
    assert wrong(results.of_leaks(leaks_figures)) == [
        "called too few times: HSet.add: run `make leaks OUT=profiling/results`"
    ]


def test_a_result_without_any_public_call_is_named(leaks_figures: dict[str, Any]) -> None:
    del leaks_figures["growth"][1:]
    said = ["no public call was measured: run `make leaks OUT=profiling/results`"]
    assert wrong(results.of_leaks(leaks_figures)) == said

    leaks_figures["growth"].clear()
    assert wrong(results.of_leaks(leaks_figures)) == said


def test_a_verdict_that_was_not_expected_and_a_case_that_is_missing_are_named(
    leaks_figures: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    leaks_figures["cases"][0]["leaking"] |= {"as_expected": False, "expected": "native leak"}
    (said,) = wrong(results.of_leaks(leaks_figures))
    assert "a view, leaking: clean instead of native leak" in said

    leaks_figures["cases"][0]["leaking"] |= {"as_expected": True}
    monkeypatch.setattr(results, "CASES", {"a view": None, "a closure": None})
    assert wrong(results.of_leaks(leaks_figures)) == [
        "a closure was not measured: run `make leaks OUT=profiling/results`"
    ]


def test_the_sentence_on_public_calls_has_their_number_and_how_often_each_was_called(
    leaks_figures: dict[str, Any],
) -> None:
    times = {"first": {"median": 0.25}, "share": {"median": 0.5}}
    containers = ("nothing", "dict of tuples", "dict of lists", "HMap")
    leaks_figures["collector"] = [{"container": name, "entries": 1000} | times for name in containers]

    said = [words for _, words in record.leaks.sentences({"figures": leaks_figures})]

    assert "10^5 calls of each of 2 public calls of both packages" in said
    assert "50 % of the time goes to collections" in said


def test_a_load_a_rule_or_a_case_that_was_not_measured_is_named() -> None:
    made = {
        "policies": [{"load": load} for load in results.policies.loads(1)],
        "rules": [{"change": change} for change in results.rules.CHANGES],
    }
    assert wrong(results.of_cache(made)) == []
    del made["policies"][0], made["rules"][0]
    (said,) = wrong(results.of_cache(made))
    assert "100 str, same objects, as it is" in said

    cases: dict[str, Any] = dict.fromkeys(results.instructions_worker.CASES)
    assert wrong(results.of_instructions(cases)) == []
    first = next(iter(cases))
    del cases[first]
    assert f"in the code or in the file, but not in both: {first}: run" in wrong(results.of_instructions(cases))[0]


# --- the command line, and the committed tables ---


def test_the_exit_status_is_1_where_a_check_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    main = runpy.run_path(str(HARNESS / "__main__.py"))["main"]
    given: list[bool] = []
    monkeypatch.setattr(record, "run", lambda *, write: given.append(write) or "1 of 2 checks failed" * write)

    assert (main(["record"]), main(["record", "--write"])) == (0, 1)
    assert given == [False, True]
    assert capsys.readouterr().err == "python profiling: 1 of 2 checks failed\n"


def test_places_that_are_not_asked_for_stay() -> None:
    text = "<!-- table: a -->\nx\n<!-- end -->\n<!-- table: b -->\ny\n<!-- end -->\n"
    assert documents.filled(text, {"b": "| z |"}) == text.replace("\ny\n", "\n\n| z |\n\n")
