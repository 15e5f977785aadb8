"""Measuring processes, run for real on a small input: the JSON that each prints."""

from pathlib import Path

import pytest

import arms
import peers_worker
import tools_memray
import worker
from runner import run_json, worker_command

TEXT = "\n".join(f"name{n * n % 37}" for n in range(400))


def test_a_timed_pass_reports_its_work_and_the_state_of_the_cache() -> None:
    result = run_json(worker_command("worker.py", "time", "cache", "--seed", 3), text=TEXT)

    assert (result["ops"], result["keys"]) == (10, 400)
    assert result["cpu_ns"] > 0
    assert result["cache_info"]["misses"] == len(set(TEXT.split("\n")))
    assert result["cache_info"]["hits"] == 400 - result["cache_info"]["misses"]


def test_a_timed_pass_also_takes_hashing_out_and_has_a_control() -> None:
    result = run_json(worker_command("worker.py", "time", "before", "--seed", 1), text="\n".join([TEXT] * 5))

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

    result = run_json(worker_command("worker.py", "cprofile", "before", "--to", path), text=TEXT)

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
