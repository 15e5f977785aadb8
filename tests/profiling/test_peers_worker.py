"""Each Python library, for real on a few keys: it is asked, and wrong answers are found out."""

import json
import subprocess
import tracemalloc

import numpy as np
import pytest

from core.environment import HARNESS
from core.runner import worker_command
from peers import keys as peers_keys
from peers import plan, python
from peers import worker as peers_worker

NAMES = list(plan.OPERATIONS)
# What each must be able to do; by the issue, not by what its class happens to define.
READS = {"build", "hit", "miss", "mixed", "iterate"}
AT_LEAST = {
    "np.take": {"hit"},
    "dict": {*NAMES} - {"sized"},
    "cykhash": {*NAMES} - {"accumulate", "factorize"},
    "hirola": {"sized", "hit", "miss", "mixed", "accumulate", "factorize"},
    "pandas": {"build", "hit", "miss", "mixed", "accumulate", "factorize"},
    "pyarrow": {"hit", "miss", "mixed", "accumulate", "factorize"},
    "polars": {"hit", "miss", "mixed", "accumulate"},
    "pyhmap frozen": READS,
    "pyhmap frozen (Arrow)": READS,
    "pyhmap frozen (list)": READS,
    "arraykit": {"build", "hit", "miss", "mixed", "factorize"},
}
CASES = [
    (library, kind)
    for library in python.LIBRARIES
    for kind in ("int64", "float64", "str17")
    if python.takes(library, kind) and (library, kind) != ("numba", "float64")  # compiling takes seconds
]


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr(peers_keys, "FEWEST_QUERIES", 500)
    monkeypatch.setattr(peers_worker, "BUILT", 200)
    monkeypatch.setenv("POLARS_MAX_THREADS", "1")


@pytest.mark.filterwarnings("default")  # the libraries' own
@pytest.mark.parametrize(("library", "kind"), CASES)
def test_a_library_answers_rightly_and_is_timed(library, kind):
    needs = python.LIBRARIES[library].needs
    if needs:
        pytest.importorskip(needs)
    asked = peers_keys.questions(kind, "random", 100, 3)
    lines = list(peers_worker.measure(library, kind, asked, NAMES))
    assert [line["now"] for line in lines] == [name for name in NAMES if name in lines[-1]] + [""]
    measured = {name: value for name, value in lines[-1].items() if name != "now"}
    assert measured.keys() == AT_LEAST.get(library, {*NAMES})
    assert min(measured.values()) > 0


def test_memory_counts_what_a_table_alone_refers_to():
    asked = peers_keys.questions("int64", "random", 100_000, 3)
    command = "import sys, json; from peers import keys, python, worker;"
    command += "asked = keys.questions('int64', 'random', 100_000, 3);"
    command += "print(json.dumps(worker.memory(python.LIBRARIES[sys.argv[1]]('int64'), asked)))"
    found = {}
    for library in ("pyhmap", "dict"):
        done = subprocess.run(
            [worker_command("")[0], "-c", command, library],
            capture_output=True,
            text=True,
            cwd=HARNESS,
            check=True,
        )
        found[library] = json.loads(done.stdout)
    assert found["pyhmap"]["memory"] == pytest.approx(found["pyhmap"]["nbytes"], rel=0.15)
    table = {key: value for value, key in enumerate(asked.keys.tolist())}
    objects = 32 + 32  # an int each for key and value, in the allocator's steps of 16
    assert found["dict"]["memory"] == pytest.approx(table.__sizeof__() / 100_000 + objects, rel=0.15)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("hit", lambda self, table, keys: [0] * len(keys)),
        ("find", lambda self, table, keys: [0] * len(keys)),
        ("iterate", lambda self, table: (list(table), list(table.values())[::-1])),
        ("delete", lambda self, table, keys: len(table)),
        ("factorize", lambda self, keys: list(range(len(keys)))),
        ("accumulate", lambda self, keys: dict.fromkeys(keys, 1)),
    ],
)
def test_wrong_answers_are_no_figures(name, wrong, monkeypatch):
    monkeypatch.setattr(python.Dict, name, wrong)
    asked = peers_keys.questions("int64", "random", 100, 3)
    with pytest.raises(AssertionError, match="wrong answers"):
        list(peers_worker.measure("dict", "int64", asked, NAMES))


def test_a_process_says_what_is_next_and_what_it_has(tmp_path):
    peers_keys.write(peers_keys.questions("int64", "random", 100, 3), tmp_path / "questions")
    command = worker_command("peers.worker", "dict", "int64", tmp_path / "questions", "build,sized,hit")
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["now"] for line in lines] == ["build", "hit", ""]  # a dict has no size to give it
    assert [len(line) for line in lines] == [1, 2, 3]


def test_null_of_arrow_and_polars_means_missing():
    for module, make in (("pyarrow", "array"), ("polars", "Series")):
        library = pytest.importorskip(module)
        assert peers_worker.answers(getattr(library, make)([3, None, 0])).tolist() == [3, -1, 0]
    assert peers_worker.answers(np.array([1])).tolist() == [1]


def test_room_for_the_answers_is_made_once_and_no_timed_call_zeroes_another():
    peer = python.LIBRARIES["pyhmap"]("int64")
    room = peer.room(100_000)
    tracemalloc.start()
    assert peer.room(100_000) is room
    _, peak = tracemalloc.get_traced_memory()  # NumPy reports its arrays
    tracemalloc.stop()
    assert peak < 10_000
