"""The guard on instruction counts: what it fails for, what it only says, how it reads callgrind's file. No valgrind."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from core import runner
from instructions import run as instructions
from instructions import worker as instructions_worker

RECORDED = {"get": {"own": 100.0, "all": 200.0}, "set": {"own": 50.0, "all": 60.0}}


@pytest.mark.parametrize(
    ("own", "everything", "verdict"),
    [
        (100, 200, ""),
        (102.9, 205.9, ""),
        (103.1, 200, "MORE"),
        (100, 206.1, "MORE"),
        (97.1, 194.1, ""),
        (96.9, 200, "fewer"),
        (100, 193.9, "fewer"),
        (50, 206.1, "MORE"),
    ],
)
def test_three_per_cent_of_either_count_are_tolerated(own: float, everything: float, verdict: str) -> None:
    assert instructions.verdict(RECORDED["get"], {"own": own, "all": everything}) == verdict


# Two parts as callgrind writes them: names are given once in the file, functions of the project call Python and back.
FILE = """\
# callgrind format
version: 1
creator: callgrind-3.19.0
cmd: python instructions_worker.py
part: 1

desc: Trigger: --dump-before=getppid
positions: line
events: Ir
summary: 29

ob=(1) /usr/lib/libpython3.11.so.1.0
fl=(1) ???
fn=(1) _PyEval_EvalFrameDefault
0 7
cob=(2) /clone/pyhmap/pyhmap/_single.cpython-311-x86_64-linux-gnu.so
cfi=(2) _single.c
cfn=(2) get
calls=3 0
0 22
0 1
ob=(2)
fl=(2)
fn=(2)
0 15
fe=(3) _probe.c
+4 1
cob=(1)
cfi=(1)
cfn=(1)
calls=3 0
+1 6
-2 5

totals: 29
part: 2

desc: Trigger: Program termination
positions: line
events: Ir
summary: 42

fl=(1)
ob=(3) /clone/tophash_cache/_cache.cpython-311-x86_64-linux-gnu.so
fn=(4) hash
* 30
ob=(4) /home/somebody/pyhmap/.venv/lib/numpy/_core/_multiarray_umath.cpython-311-x86_64-linux-gnu.so
fn=(5) take
0 12

totals: 42
"""


def test_a_part_s_instructions_are_those_of_each_line_but_calls_and_own_are_the_project_s_modules() -> None:
    assert instructions.read_parts(FILE.splitlines()) == [{"own": 21, "all": 29}, {"own": 30, "all": 42}]


@pytest.mark.parametrize(
    ("path", "own"),
    [
        ("/clone/pyhmap/_core.cpython-311-x86_64-linux-gnu.so", True),
        ("/clone/pyhmap/_engine/batch_read.cpython-311-x86_64-linux-gnu.so", True),
        ("/clone/_hmap_bytes/arrow_column.cpython-311-x86_64-linux-gnu.so", True),
        ("/clone/pyhmap/lib/numpy/_core/_multiarray_umath.cpython-311-x86_64-linux-gnu.so", False),
        ("/usr/lib/libpython3.11.so.1.0", False),
    ],
)
def test_modules_of_this_project_are_known_by_their_folder(path: str, own: bool) -> None:
    assert bool(instructions.OWN.search(path)) is own


def test_a_file_whose_sums_do_not_agree_is_refused() -> None:
    with pytest.raises(runner.MeasurementError, match="misread"):
        instructions.read_parts(FILE.replace("summary: 42", "summary: 43").splitlines())


class Guard:
    """The verb over a record of its own, with counts made up."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.results, self.out, self.capsys = (folder / "results").resolve(), folder / "out", capsys
        self.counts: list[Any] = [copy.deepcopy(RECORDED)]
        self.tools = {"compiler": "GCC 12.2", "NumPy": "2"}
        monkeypatch.setattr(instructions, "RECORD", self.results / "instructions.json")
        monkeypatch.setattr(instructions, "count", lambda: self.counts[min(len(self.counts) - 1, self.counted())])
        monkeypatch.setattr(instructions, "toolchain", lambda: self.tools)
        monkeypatch.setattr(instructions.shutil, "which", lambda program: f"/usr/bin/{program}")
        self.runs = -1

    def counted(self) -> int:
        self.runs += 1
        return self.runs

    def record(self) -> None:
        assert instructions.run(quick=False, out=self.results) == ""

    def check(self) -> tuple[str, str]:
        """What the check says is wrong, and what it printed."""
        self.capsys.readouterr()
        return instructions.run(quick=False, out=self.out), self.capsys.readouterr().out


@pytest.fixture
def guard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Guard:
    return Guard(tmp_path, monkeypatch, capsys)


def test_a_slow_down_fails_by_name_and_a_gain_is_named_until_it_is_recorded(guard: Guard) -> None:
    guard.record()
    assert guard.check()[0] == ""

    guard.counts = [RECORDED | {"get": {"own": 104.0, "all": 204.0}}]
    said, printed = guard.check()
    assert said == "more than 3 % more instructions than recorded: get"
    line = next(line for line in printed.splitlines() if line.startswith("get"))
    assert line.split() == ["get", "100.0", "104.0", "+4.0", "200.0", "204.0", "+2.0", "MORE"]

    guard.counts = [RECORDED | {"set": {"own": 40.0, "all": 50.0}}]
    said, printed = guard.check()
    assert said == ""
    assert "OUT=profiling/results` keeps what was gained" in printed

    guard.record()
    guard.counts = [RECORDED]
    assert guard.check()[0] == "more than 3 % more instructions than recorded: set"


def test_other_tools_than_recorded_are_named_and_nothing_is_judged(guard: Guard) -> None:
    guard.record()
    guard.tools = {"compiler": "GCC 13.1", "NumPy": "2"}
    guard.counts = [RECORDED | {"get": {"own": 150.0, "all": 300.0}}]

    said, printed = guard.check()

    assert said == ""
    assert "NOT COMPARED, since counts depend on the tools: compiler GCC 12.2 recorded, GCC 13.1 here\n" in printed
    assert "150.0" in printed


def test_a_case_without_a_record_fails(guard: Guard) -> None:
    guard.record()
    guard.counts = [RECORDED | {"pop": {"own": 1.0, "all": 2.0}}]

    assert guard.check()[0].startswith("not both recorded and counted: pop; record again with `make instructions")


def test_a_record_is_the_middle_of_three_runs_and_tells_their_spread(guard: Guard) -> None:
    guard.counts = [{"get": {"own": own, "all": 200.0}} for own in (101.0, 100.0, 100.5)]
    guard.record()

    document = json.loads((guard.results / "instructions.json").read_text())
    assert document["figures"] == {"get": {"own": 100.5, "all": 200.0}}
    assert document["spread"] == 0.01


def test_without_valgrind_one_line_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instructions.shutil, "which", lambda program: None)

    assert instructions.run(quick=False, out=tmp_path / "out").endswith("apt-get install valgrind")
    assert not (tmp_path / "out").exists()


def test_every_case_runs(capsys: pytest.CaptureFixture[str]) -> None:
    instructions_worker.main()

    operations = json.loads(capsys.readouterr().out)
    assert operations.keys() == instructions_worker.CASES.keys()
    assert all(operations[name] >= 1000 for name in operations)


def test_the_cache_of_the_hit_case_answers_every_request() -> None:
    words = instructions_worker.WORDS[: instructions_worker.DISTINCT]
    cache = instructions_worker.warm_cache(words)
    before = cache.cache_info().hits

    instructions_worker.call_each(cache.hash, words)

    assert cache.cache_info().hits == before + len(words)
