"""The command line: its errors in one line, its exit status, and the file it writes."""

import json
import os
import re
import runpy
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from core import records
from core.environment import HARNESS
from table import run as table


def profiling(*arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(HARNESS), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def test_an_unknown_verb_names_the_choices() -> None:
    done = profiling("tabel")

    assert done.returncode == 2
    assert "table" in done.stderr
    assert "peers" in done.stderr


def test_an_unwritable_folder_is_one_clear_line_before_anything_is_measured(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    done = profiling("table", "--quick", "--out", str(tmp_path / "file"))

    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert re.search(r"cannot write to .*file: .*--out", done.stderr)


def test_a_result_holds_its_command_workload_and_environment_but_nothing_of_the_machine_s_names(tmp_path: Path) -> None:
    document = records.begin("table", quick=True, workload={"sha256": "ab"}, config={"blocks": 3})
    path = records.write(document | {"ended_by": "", "samples": []}, tmp_path)

    text = path.read_text()
    read = json.loads(text)
    assert (read["schema_version"], read["verb"], read["mode"]) == (1, "table", "quick")
    assert read["command"] == "python profiling table --quick"
    assert read["environment"]["packages"]["numpy"]
    assert read["environment"]["python"].startswith(sys.implementation.name.replace("cpython", "CPython"))
    assert socket.gethostname() not in text
    assert str(HARNESS.parent) not in text
    assert str(Path.home()) not in text


def test_a_full_disk_is_told_and_the_old_result_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records.write({"verb": "table", "n": 1}, tmp_path)

    def full(self: Path, *arguments: object, **options: object) -> int:
        self.write_bytes(b'{"verb": ')
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(records.OutputError, match=r"table\.json: No space left on device"):
        records.write({"verb": "table", "n": 2}, tmp_path)

    assert json.loads((tmp_path / "table.json").read_text())["n"] == 1


def test_a_disk_that_takes_no_more_is_one_clear_line(tmp_path: Path) -> None:
    """A real refusal by the system: what is written before it takes the result's name is a device without room."""
    (tmp_path / "layout.json.part").symlink_to("/dev/full")
    command = [sys.executable, str(HARNESS), "layout", "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)

    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert re.search(r"cannot write .*layout\.json: No space left on device; .*--out", done.stderr)
    assert "header() agrees with the memory" in " ".join(done.stdout.split())
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Plans and an input that take seconds, and no sampler."""
    source = tmp_path / "library"
    source.mkdir()
    for number in range(10):
        (source / f"m{number}.py").write_text(" ".join(f"name{n * n % 91}" for n in range(400)))
    monkeypatch.setattr(table.corpus, "standard_library", lambda: source)
    monkeypatch.setattr(table, "QUICK", table.Plan(every=2, blocks=2, sampled_runs=1, sampled_seconds=0.01))
    monkeypatch.setattr(table, "ARMS", ("before", "cache"))
    monkeypatch.setattr(table, "TIMED", ("before", "cache", "before2"))
    monkeypatch.setattr(table.pyspy, "missing", lambda: "py-spy is not installed")
    return tmp_path


def test_table_measures_prints_and_writes(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert table.run(quick=True, out=small / "out") == ""

    printed = capsys.readouterr().out
    # So small an input may well give shares that contradict one another; that is said first then.
    assert printed.startswith(("From the article's before to the cache", "WARNING: no verdict on the share"))
    document = json.loads((small / "out" / "table.json").read_text())
    assert document["ended_by"] == ""
    assert document["workload"]["identifiers"] == 2000
    assert [sample["measure"] for sample in document["samples"]].count("time") == 6
    assert {row["measure"] for row in document["figures"]} == {
        "py-spy",
        "ablation",
        "cProfile",
        "memray",
        "time",
        "hits",
    }


def test_a_workload_of_choice_has_a_file_of_its_own(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (small / "mine.txt").write_text(" ".join(f"name{n % 37}" for n in range(400)))

    assert table.run(quick=True, out=small / "out", input=small / "mine.txt") == ""

    document = json.loads((small / "out" / "table-input.json").read_text())
    assert document["command"] == "python profiling table --quick --input PATH"
    assert document["workload"]["distinct"] == 37
    assert not (small / "out" / "table.json").exists()


def test_an_arm_that_cannot_be_built_costs_its_own_column_only(
    small: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table.arms, "missing", lambda arm: "it is not there" if arm == "cache" else None)

    assert table.run(quick=True, out=small / "out") == ""

    assert "cache: not measured: it is not there." in capsys.readouterr().out
    measured = json.loads((small / "out" / "table.json").read_text())["samples"]
    assert {sample["arm"] for sample in measured if "cpu_ns" in sample} == {"before", "before2"}


def test_profiles_are_left_for_other_tools(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def sample(arm: str, words: object, seconds: float, path: Path) -> dict[str, object]:
        path.write_text(f"m (w.py:1);run_requests (w.py:2);hash_keys (a.py:3) {10 if arm == 'cache' else 20}\n")
        return {"measure": "py-spy", "arm": arm, "in_hashing": 1, "in_loop": 2, "samples": 3}

    monkeypatch.setattr(table, "sample", sample)
    table.run(quick=True, out=small / "out")

    left = {path.name for path in (small / "out").iterdir()}
    for arm in ("before", "cache"):
        assert f"table-cprofile-{arm}.pstats" in left
        assert {f"table-pyspy-{arm}.{kind}" for kind in ("folded", "svg", "speedscope.json")} <= left
    assert "table-pyspy-before-cache.svg" in left
    stacks = json.loads((small / "out" / "table.json").read_text())["stacks"]
    assert stacks["cache"] == [["run_requests;hash_keys", 10]]


@pytest.mark.parametrize(("ended_by", "status"), [("", 0), ("interrupted", 130), ("killed", 1)])
def test_the_exit_status_tells_how_a_run_ended(
    ended_by: str, status: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    main = runpy.run_path(str(HARNESS / "__main__.py"))["main"]
    monkeypatch.setattr(table, "run", lambda **options: ended_by)

    assert main(["table"]) == status
    assert capsys.readouterr().err == ("python profiling: killed\n" if status == 1 else "")


def test_a_time_limit_keeps_what_was_measured(tmp_path: Path) -> None:
    command = [sys.executable, str(HARNESS), "peers", "--quick", "--out", str(tmp_path)]
    without_compilers = os.environ | {"PATH": ""}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, text=True, env=without_compilers) as running:
        assert running.stderr is not None
        assert "processes, about" in running.stderr.readline()
        assert "10,000 int64" in running.stderr.readline()
        running.terminate()
        printed, _ = running.communicate()

    assert running.returncode == 130
    assert "ended early (interrupted)" in printed
    assert json.loads((tmp_path / "peers.json").read_text())["ended_by"] == "interrupted"
