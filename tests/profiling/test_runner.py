"""Processes, order, interruption, and tools that are not there."""

import sys
from pathlib import Path
from typing import Any

import pytest

from core import runner
from core.runner import MeasurementError, Step, ToolUnavailableError, run_json
from peers import run as peers
from table import run as table
from table.tools import pyspy


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_run_json_hands_over_the_text_and_the_hash_seed() -> None:
    code = (
        "import os, sys, json\nprint('a line of a profiler')\n"
        "print(json.dumps([sys.stdin.read(), os.environ['PYTHONHASHSEED']]).join(['{\"got\": ', '}']))\nprint('bye')"
    )

    assert run_json(python(code), text="größe", hash_seed=7) == {"got": ["größe", "7"]}


def test_a_measuring_process_has_no_threads_but_its_own() -> None:
    """CPU time counts all threads of a process, those that NumPy's OpenBLAS starts and lets spin too."""
    code = "import json, os, numpy\nprint(json.dumps({'now': '', 'threads': len(os.listdir('/proc/self/task'))}))"
    assert run_json(python(code))["threads"] == 1
    assert peers.limited(python(code), 60)["threads"] == 1


def test_a_failing_process_is_an_error_with_its_last_line() -> None:
    with pytest.raises(MeasurementError, match="the disk is full"):
        run_json(python("raise OSError('the disk is full')"))


def test_a_process_that_says_nothing_is_an_error() -> None:
    with pytest.raises(MeasurementError, match="exit status 0"):
        run_json(python("pass"))


def test_interleave_holds_each_name_once_a_block_in_changing_order() -> None:
    order = runner.interleave("abcd", 20)

    blocks = [[name for block, name in order if block == number] for number in range(20)]
    assert [sorted(block) for block in blocks] == [list("abcd")] * 20
    assert len({tuple(block) for block in blocks}) > 10
    assert order == runner.interleave("abcd", 20)


def test_an_interrupted_run_keeps_what_was_measured(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt() -> dict[str, Any]:
        raise KeyboardInterrupt

    steps = [Step("time", "a", 1, lambda: {"n": 1}), Step("time", "b", 1, interrupt), Step("time", "c", 1, interrupt)]

    assert runner.run_steps(steps) == ([{"n": 1}], "interrupted")


def test_a_failed_measurement_ends_the_run_and_keeps_what_was_measured(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> dict[str, Any]:
        raise MeasurementError("killed")

    steps = [Step("time", "a", 1, lambda: {"n": 1}), Step("time", "b", 1, fail), Step("time", "c", 1, fail)]

    assert runner.run_steps(steps) == ([{"n": 1}], "killed")


def test_a_missing_tool_costs_its_own_rows_only(capsys: pytest.CaptureFixture[str]) -> None:
    tried = []

    def missing() -> dict[str, Any]:
        tried.append(1)
        raise ToolUnavailableError("py-spy is not installed")

    steps = [Step("py-spy", "a", 1, missing), Step("py-spy", "b", 1, missing), Step("time", "a", 1, lambda: {"n": 1})]

    samples, ended_by = runner.run_steps(steps)

    assert samples == [{"measure": "py-spy", "unavailable": "py-spy is not installed"}, {"n": 1}]
    assert ended_by == ""
    assert len(tried) == 1


def test_py_spy_that_may_not_trace_says_how_to_let_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = python("import sys; sys.exit('Error: Permission Denied')")
    monkeypatch.setattr(pyspy, "command", lambda worker, path: refusal)
    monkeypatch.setattr(pyspy, "missing", lambda: None)
    words = table.corpus.Corpus("a", 1, 1, 1, 0)

    with pytest.raises(ToolUnavailableError, match=r"Permission Denied.*SYS_PTRACE"):
        table.sample("before", words, 1.0, tmp_path)


def test_arms_that_disagree_stop_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    results = iter([{"digests_sha256": "aa"}, {"digests_sha256": "bb"}])
    monkeypatch.setattr(table, "run_json", lambda command, text: next(results))
    words, proven = table.corpus.Corpus("a", 1, 1, 1, 0), {}
    table.verify("before", words, proven)

    with pytest.raises(MeasurementError, match="'cache' gives other digests than 'before'"):
        table.verify("cache", words, proven)


def test_folded_stacks_are_counted_by_function_name_whatever_encloses_it() -> None:
    folded = """\
start (libc.so.6);<module> (worker.py:1) 100
start (libc.so.6);main (worker.py:90);run_requests (worker.py:35);request (arms.py:80) 20
start (libc.so.6);main (worker.py:90);run_requests (worker.py:35);request (arms.py:80);hash_keys (arms.py:44) 3
main (worker.py:90);run_requests (worker.py:35);hash_one.<locals>.hash_keys (arms.py:44);XXH64 (xxhash.h:7) 7
main (worker.py:90);hash_one.<locals>.hash_keys (arms.py:44);XXH64 (xxhash.h:7) 50
main (worker.py:90);run_requests (worker.py:35);not_hash_keys (arms.py:1) 1
"""

    assert pyspy.count(folded) == {"samples": 181, "in_loop": 31, "in_hashing": 10}
