"""Measuring processes, run for real on a small input: the JSON that each prints."""

from pathlib import Path

import pytest

import peers_worker
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


@pytest.mark.parametrize("library", ["pyhmap", "dict", "np.take", "cykhash"])
def test_a_library_is_asked_and_its_answers_are_checked(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if library == "cykhash":
        pytest.importorskip("cykhash")
    monkeypatch.setattr(peers_worker, "FEWEST_QUERIES", 1000)

    result = peers_worker.measure(library, 100, seed=2)

    assert (result["library"], result["size"], result["queries"]) == (library, 100, 1000)
    assert result["hit"] > 0
    assert ("miss" in result) == (library != "np.take")


def test_wrong_answers_are_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        peers_worker.LIBRARIES, "dict", lambda keys, values, hits, misses: {"hit": lambda: values[:1].repeat(len(hits))}
    )

    with pytest.raises(AssertionError, match="wrong answers for a hit at 100"):
        peers_worker.measure("dict", 100, seed=2)


def test_every_key_is_asked_for_equally_often_and_misses_are_not_in_the_map() -> None:
    keys, others, positions = peers_worker.make_keys(1000, seed=5)

    assert len(set(keys.tolist()) | set(others.tolist())) == 2000
    assert {positions.tolist().count(place) for place in (0, 500, 999)} == {1000}
