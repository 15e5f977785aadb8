"""Two result files side by side: what is refused, and which verdict a planted change gets."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from compare import run as compare
from core import records
from core.environment import HARNESS

# layout has no samples; those of the experiment grouping, which is no verb, have no row for each measurement.
NO_ROWS = {"layout", "grouping"}


def timed(arm: str, times: np.ndarray) -> list[dict[str, Any]]:
    return [{"measure": "time", "arm": arm, "block": b, "ops": 10, "cpu_ns": 10 * t} for b, t in enumerate(times)]


def document(seed: int, **slower: float) -> dict[str, Any]:
    """A made result of ``table``: ten noisy blocks of three arms on a machine that changes from block to block."""
    rng = np.random.default_rng(seed)
    machine = rng.lognormal(0, 0.03, 10)
    samples = []
    for arm, ns in (("before", 8000.0), ("oneshot", 6000.0), ("cache", 7000.0)):
        samples += timed(arm, ns * slower.get(arm, 1.0) * machine * rng.lognormal(0, 0.01, 10))
    for ops in (100, 200):
        samples.append({"measure": "memray", "arm": "cache", "ops": ops, "allocations": 5000 + 73 * ops})
    environment = {"date": "2026-01-01", "commit": "abcdef0123456789", "cpu": "made"}
    return {
        "schema_version": 1,
        "verb": "table",
        "mode": "full",
        "workload": {"sha256": "ab", "identifiers": 9},
        "environment": environment,
        "config": {"blocks": 10},
        "ended_by": "",
        "samples": samples,
        "figures": [],
    }


def verdicts(one: dict[str, Any], other: dict[str, Any]) -> dict[str, str]:
    return {(line.before or line.after).name: line.verdict for line in compare.compare(one, other)}  # type: ignore[union-attr]


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(HARNESS), "compare", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def write(folder: Path, name: str, value: object) -> Path:
    path = folder / name
    path.write_text(json.dumps(value))
    return path


@pytest.mark.parametrize("seed", range(20))
def test_a_planted_ten_per_cent_is_found_and_only_where_it_was_planted(seed: int) -> None:
    found = verdicts(document(seed), document(seed + 100, cache=1.1))

    assert found["time, cache"] == "changed"
    assert found["time, cache over before"] == "changed"
    assert found["time, oneshot over before"] == "~"
    assert found["allocations, cache"] == "same"


def test_a_planted_no_change_is_called_none_nearly_always() -> None:
    called = [v for seed in range(60) for v in verdicts(document(seed), document(seed + 100)).values()]

    assert called.count("changed") <= 0.01 * len(called) + 2


def test_the_change_that_was_planted_is_in_its_interval() -> None:
    lines = compare.compare(document(1), document(2, cache=1.1))
    (line,) = (line for line in lines if line.before and line.before.name == "time, cache over before")

    assert line.change is not None
    assert line.change.low < 0.1 < line.change.high
    assert line.change.high - line.change.low < 0.06


def test_one_allocation_more_is_a_change() -> None:
    one, other = document(1), document(2)
    for sample in other["samples"]:
        if sample["measure"] == "memray":
            sample["allocations"] += sample["ops"]

    assert verdicts(one, other)["allocations, cache"] == "changed"


@pytest.mark.parametrize(("after", "verdict"), [(0.0, "same"), (2.0, "changed")])
def test_nothing_is_compared_as_a_count(after: float, verdict: str) -> None:
    line = compare.judge(compare.Row("kept", "", [0.0] * 6), compare.Row("kept", "", [after] * 6))

    assert (line.verdict, line.change) == (verdict, None)


def test_times_are_not_judged_when_the_machine_was_another() -> None:
    def peers(speed: float, ours: float) -> dict[str, Any]:
        samples = [
            {"measure": "peers", "block": b, "library": library, "size": 1000, "hit": speed * ns * (1 + b / 1000)}
            for b in range(6)
            for library, ns in (("pyhmap", 5.0 * ours), ("dict", 40.0))
        ]
        return document(0) | {"verb": "peers", "samples": samples}

    slower_machine = verdicts(peers(1.0, 1.0), peers(1.2, 1.0))
    assert slower_machine["pyhmap: hit, 1,000"] == "machine"
    assert slower_machine["dict over pyhmap: hit, 1,000"] == "~"

    slower_map = verdicts(peers(1.0, 1.0), peers(1.0, 1.2))
    assert slower_map["pyhmap: hit, 1,000"] == "changed"
    assert slower_map["dict over pyhmap: hit, 1,000"] == "changed"


def test_one_control_of_forty_that_changes_by_chance_is_not_the_machine() -> None:
    def peers(last: float) -> dict[str, Any]:
        speeds = {f"peer {n}": 40.0 for n in range(40)} | {"peer 39": 40.0 * last, "pyhmap": 5.0 * last}
        samples = [
            {"measure": "peers", "block": b, "library": library, "size": 1000, "hit": ns * (1 + b / 1000)}
            for b in range(6)
            for library, ns in speeds.items()
        ]
        return document(0) | {"verb": "peers", "samples": samples}

    assert verdicts(peers(1.0), peers(1.2))["pyhmap: hit, 1,000"] == "changed"


def test_too_few_values_are_called_that() -> None:
    one, other = document(1), document(2, cache=2.0)
    for made in (one, other):
        made["samples"] = [sample for sample in made["samples"] if sample.get("block", 0) < 4]

    assert verdicts(one, other)["time, cache"] == "too few"


def test_a_row_of_one_file_only_is_named() -> None:
    one, other = document(1), document(2)
    other["samples"] = [sample for sample in other["samples"] if sample["arm"] != "oneshot"]

    assert verdicts(one, other)["time, oneshot"] == "in one file only"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"mode": "quick"}, 'mode is "full" in the first and "quick" in the second'),
        ({"verb": "peers"}, 'verb is "table" in the first and "peers" in the second'),
        ({"schema_version": 0}, "schema_version is 1 in the first and 0 in the second"),
        ({"workload": {"sha256": "cd", "identifiers": 9}}, 'workload.sha256 is "ab" in the first and "cd"'),
        ({"schema_version": 99}, "has schema 99"),
    ],
)
def test_files_that_cannot_be_compared_are_refused_in_one_line_that_says_why(
    tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    one = write(tmp_path, "a.json", document(1))
    other = write(tmp_path, "b.json", document(2) | change)

    done = run(one, other)

    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert said in done.stderr


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "cannot read .*No such file"), ("{", "no JSON file"), ("[1]", "no result of this harness"), ("{}", "verb")],
)
def test_a_file_that_is_no_result_is_one_clear_line(tmp_path: Path, content: str | None, said: str) -> None:
    good, bad = write(tmp_path, "a.json", document(1)), tmp_path / "b.json"
    if content is not None:
        bad.write_text(content)

    with pytest.raises(ValueError, match=said):
        compare.run(before=good, after=bad)


def test_the_printed_table_says_what_changed_and_what_else_differs(tmp_path: Path) -> None:
    other = document(2, cache=1.1)
    other["environment"]["cpu"] = "another"
    done = run(write(tmp_path, "a.json", document(1)), write(tmp_path, "b.json", other))

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Of 6 rows 2 changed")
    assert "cpu: made and another" in done.stdout
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("time, cache over before"))
    assert "10+10" in line
    assert line.rstrip().endswith("changed")


@pytest.mark.parametrize("path", sorted(records.COMMITTED.glob("*.json")), ids=lambda path: path.stem)
def test_compare_reads_the_results_of_every_verb(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compare.run(before=path, after=path) == ""

    said = re.match(r"Of (\d+) rows 0 changed", capsys.readouterr().out)
    assert said is not None
    assert (int(said[1]) > 0) == (path.stem not in NO_ROWS)


def test_samples_of_an_unknown_verb_are_named_by_their_words() -> None:
    samples = [{"state": "churned", "block": b, "keys": 1000, "even": {"single_ns": 5.0 + b}} for b in range(3)]

    (row,) = compare.plain_rows(samples)

    assert row == compare.Row("churned keys 1,000 even.single_ns", "ns", [5.0, 6.0, 7.0])


def test_rows_within_a_sample_are_named_by_both() -> None:
    samples = [
        {"measure": "hits", "arm": "cache", "rows": [{"kind": "str", "length": n, "ns": float(n)} for n in (8, 16)]}
        for _ in range(2)
    ]

    found = list(compare.plain_rows(samples))

    assert found == [
        compare.Row("hits cache str length 8 ns", "ns", [8.0, 8.0]),
        compare.Row("hits cache str length 16 ns", "ns", [16.0, 16.0]),
    ]
