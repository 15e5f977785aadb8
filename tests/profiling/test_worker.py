"""Measuring processes, run for real on a small input: the JSON that each prints."""

from pathlib import Path

import pytest

from core.runner import run_json, worker_command
from table import arms, worker
from table.tools import memray

TEXT = "\n".join(f"name{n * n % 37}" for n in range(400))


def test_a_timed_pass_reports_its_work_and_the_state_of_the_cache() -> None:
    result = run_json(worker_command("table.worker", "time", "cache", "--seed", 3), text=TEXT)

    assert (result["ops"], result["keys"]) == (10, 400)
    assert result["cpu_ns"] > 0
    assert result["cache_info"]["misses"] == len(set(TEXT.split("\n")))
    assert result["cache_info"]["hits"] == 400 - result["cache_info"]["misses"]


def test_a_timed_pass_also_takes_hashing_out_and_has_a_control() -> None:
    result = run_json(worker_command("table.worker", "time", "before", "--seed", 1), text="\n".join([TEXT] * 5))

    assert 0 < result["rest_ns"] < 10 * result["whole_ns"]
    assert result["control_ns"] > 0


class Planted:
    """An arm whose hashing and counting take known times, by a clock that only they move."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0
        self.asked = 0
        monkeypatch.setattr(worker.time, "process_time_ns", self.clock)
        self.arm = arms.Arm(self.hash_keys, self.request, self.count_only, [], None)

    def clock(self) -> int:
        self.now += 7
        return self.now

    def hash_keys(self, keys: list[str]) -> list[int]:
        self.now += 300
        return [0] * len(keys)

    def request(self, keys: list[str]) -> None:
        self.hash_keys(keys)
        self.now += 700

    def count_only(self, box: list[list[int]]) -> None:
        assert len(box.pop()) == 40
        self.now += 700


@pytest.mark.parametrize("first", [0, 1])
def test_ablation_finds_a_planted_share_to_the_nanosecond(first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    planted = Planted(monkeypatch)
    requests = [["key"] * 40 for _ in range(10 * worker.ABLATED_TOGETHER + 3)]

    found = worker.ablate(planted.arm, requests, first=first)

    assert found == {"whole_ns": 1000, "rest_ns": 700}


def test_cprofile_attributes_time_to_hashing_and_leaves_its_file(tmp_path: Path) -> None:
    path = tmp_path / "before.pstats"

    result = run_json(worker_command("table.worker", "cprofile", "before", "--to", path), text=TEXT)

    assert result["calls"] == 10
    assert 0 < result["hashing_s"] < result["loop_s"]
    assert (
        result["c_calls"] == 400 * 2
    )  # encode and intdigest of each key; making a hash object is no call of a function
    assert path.stat().st_size > 0


def test_memray_counts_the_objects_of_the_articles_before(tmp_path: Path) -> None:
    pytest.importorskip("memray")
    counts = []
    for ops in (5, 10):
        path = tmp_path / f"{ops}.bin"
        run_json(worker_command("table.worker", "memray", "before", "--ops", ops, "--to", path), text=TEXT)
        counts.append(memray.allocations(path))

    # For each of 40 keys at least the bytes, the hash object and the digest.
    assert counts[1] - counts[0] >= 5 * 40 * 3


def test_passes_go_on_until_the_seconds_are_spent() -> None:
    result = run_json(worker_command("table.worker", "run", "direct", "--seconds", 0.01), text=TEXT)

    assert result["cpu_ns"] >= 1e7
    assert result["passes"] >= 1
