"""Measuring processes, run for real on a small input: the JSON that each prints."""

from pathlib import Path

import pytest

import tools_memray
from runner import run_json, worker_command

TEXT = "\n".join(f"name{n * n % 37}" for n in range(400))


def test_a_timed_pass_reports_its_work_and_the_state_of_the_cache() -> None:
    result = run_json(worker_command("worker.py", "time", "cache", "--seed", 3), text=TEXT)

    assert (result["ops"], result["keys"]) == (10, 400)
    assert result["cpu_ns"] > 0
    assert result["cache_info"]["misses"] == len(set(TEXT.split("\n")))
    assert result["cache_info"]["hits"] == 400 - result["cache_info"]["misses"]


def test_cprofile_attributes_time_to_hashing_and_leaves_its_file(tmp_path: Path) -> None:
    path = tmp_path / "before.pstats"

    result = run_json(worker_command("worker.py", "cprofile", "before", "--to", path), text=TEXT)

    assert result["calls"] == 10
    assert 0 < result["hashing_s"] < result["loop_s"]
    assert path.stat().st_size > 0


def test_memray_counts_the_objects_of_the_articles_before(tmp_path: Path) -> None:
    pytest.importorskip("memray")
    counts = []
    for ops in (5, 10):
        path = tmp_path / f"{ops}.bin"
        run_json(worker_command("worker.py", "memray", "before", "--ops", ops, "--to", path), text=TEXT)
        counts.append(tools_memray.allocations(path))

    # For each of 40 keys at least the bytes, the hash object and the digest.
    assert counts[1] - counts[0] >= 5 * 40 * 3


def test_passes_go_on_until_the_seconds_are_spent() -> None:
    result = run_json(worker_command("worker.py", "run", "direct", "--seconds", 0.01), text=TEXT)

    assert result["cpu_ns"] >= 1e7
    assert result["passes"] >= 1
