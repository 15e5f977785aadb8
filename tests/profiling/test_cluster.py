"""The verb ``cluster``: the model's arithmetic, what the samples say, the input and its answer, the commands of its
processes, and that nothing of them is left. No cluster is started.
"""

import json
import os
import select
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cluster import data, figures, merge, model, namespaces, relay, run, tables
from cluster.data import MISSING, Event, Shape
from cluster.model import Cost, Nodes
from core import runner

Sample = dict[str, Any]
FREE = Cost(0.0, 0.0)


def nodes(number: int, **changed: Any) -> Nodes:
    usual = {"cores": 2, "network": 100.0, "memory": 1e9, "disk": 1000.0, "page_reads": 50.0}
    return Nodes(number, **(usual | changed))


# --- the model ---


def test_a_map_uses_all_cores_and_no_network() -> None:
    guess = model.predicted(model.MAP, nodes(5), Cost(3.0, 0.01), facts=1000, rows=10, row_bytes=20)

    assert guess == (3.0, 1.0, 0.0, 0.0, 0.0)  # 1000 facts of 0.01 s over 10 cores
    assert guess.seconds == 4.0


def test_a_map_reads_pages_where_a_node_does_not_hold_the_file() -> None:
    small = nodes(4, memory=1000 / model.USABLE)
    guess = model.predicted(model.MAP, small, FREE, facts=1000, rows=100, row_bytes=40)

    assert guess.pages == pytest.approx(250 * 0.75 / 50)  # of 4000 bytes 1000 are in memory; 250 facts on each node


def test_a_file_is_fetched_by_all_nodes_from_a_store_or_from_one_server() -> None:
    known = {"facts": 0, "rows": 100, "row_bytes": 10}
    cost = Cost(1.0, 0.5)

    store = model.predicted(model.FETCH, nodes(4), cost, **known)
    server = model.predicted(model.FETCH, nodes(4, one_server=True, all_cores=2), cost, **known)
    assert store == (1.0, 50.0, 10.0, 1.0, 0.0)
    assert server == (1.0, 100.0, 40.0, 1.0, 0.0)  # four copies by one link, four checks by two cores


def test_a_build_sends_what_belongs_to_other_nodes_and_writes_the_files() -> None:
    guess = model.predicted(model.BUILD, nodes(2), Cost(0.0, 0.1), facts=0, rows=1000, row_bytes=20)

    wire = model.WIRE[model.BUILD]
    assert guess.cpu == 1000 * 0.1 / 4
    assert guess.network == 1000 * wire / 4 / 100  # of the half that is on a node, half leaves it
    assert guess.disk == (2 * 500 * wire + 500 * 20) / 1000


def test_one_node_sends_nothing_and_many_send_nearly_all() -> None:
    known = {"facts": 1000, "rows": 0, "row_bytes": 0}
    sent = [n * model.predicted(model.SHUFFLE, nodes(n), FREE, **known).network for n in (1, 2, 100)]

    all_of_it = 1000 * model.WIRE[model.SHUFFLE] / 100
    assert sent == pytest.approx([0.0, 0.5 * all_of_it, 0.99 * all_of_it])


def test_equal_keys_go_to_one_node() -> None:
    known = {"facts": 1000, "rows": 0, "row_bytes": 0}
    even = model.predicted(model.SHUFFLE, nodes(10), Cost(0.0, 0.1), **known)
    skewed = model.predicted(model.SHUFFLE, nodes(10), Cost(0.0, 0.1), skew=0.9, **known)

    for what in ("cpu", "network", "disk"):
        assert getattr(skewed, what) == pytest.approx(9 * getattr(even, what))
    by_map = [model.predicted(model.MAP, nodes(10), Cost(0.0, 0.1), skew=skew, **known) for skew in (0.0, 0.9)]
    assert by_map[0] == by_map[1]


def test_nodes_of_one_machine_share_its_cores() -> None:
    assert [nodes(n, cores=1, all_cores=2).cores_in_use for n in (1, 2, 3)] == [1, 2, 2]


def test_each_task_takes_the_scheduler_a_moment() -> None:
    guess = model.predicted(model.MAP, nodes(1), Cost(1.0, 0.0), facts=0, rows=0, row_bytes=0, tasks=2000)

    assert guess.overhead == 1.0 + 2000 * model.TASK


@pytest.mark.parametrize(
    ("runs", "cost"),
    [
        ([(100, 3.0), (200, 5.0), (300, 7.0)], (1.0, 0.02)),
        ([(100, 1.0), (200, 3.0)], (0.0, 0.014)),  # would take less than nothing without rows
        ([(100, 3.0), (200, 1.0)], (2.0, 0.0)),  # would take less the more rows there are
    ],
)
def test_a_cost_fits_to_runs_and_is_never_negative(runs: list[tuple[float, float]], cost: tuple[float, float]) -> None:
    assert model.fitted(runs) == pytest.approx(cost)


def test_one_size_gives_no_cost() -> None:
    with pytest.raises(ValueError, match="two sizes"):
        model.fitted([(100, 1.0), (100, 1.1)])


# --- figures ---


def merged(way: str, number: int, seconds: float, answer: list[int] | None, **more: Any) -> Sample:
    usual = {"measure": "merge", "facts": 100, "rows": 10, "peak_bytes": 5e8, "before_bytes": 1e8}
    return usual | {"way": way, "round": number, "seconds": seconds, "answer": answer} | more


def test_a_way_stands_beside_pandas_round_by_round() -> None:
    samples = [merged("map", n, seconds, [1, 2]) for n, seconds in enumerate((1.0, 2.0, 9.0))]
    samples += [merged("pandas", n, seconds, [1, 2]) for n, seconds in enumerate((2.0, 4.0, 3.0))]
    pandas, ours = figures.merge(samples)

    assert (pandas["way"], pandas["over"]["value"], pandas["right"]) == ("pandas", 1.0, True)
    assert (ours["over"]["value"], ours["seconds"]["median"], ours["right"]) == (0.5, 2.0, True)


def test_an_answer_that_is_not_that_of_pandas_is_wrong() -> None:
    samples = [merged("pandas", 0, 1.0, [1, 2]), merged("map", 0, 1.0, [1, 3])]
    built = {"answer": None, "right": False}
    samples += [merged("build", 0, 1.0, **built), merged("dask", 0, 1.0, [1, 2])]

    assert {row["way"]: row["right"] for row in figures.merge(samples)} == {
        "pandas": True, "map": False, "build": False, "dask": True,
    }  # fmt: skip
    shown = tables.merge({"figures": {"merge": figures.merge(samples)}}).rows
    assert {row[-1] for row in shown if "map" in row[1] or "build" in row[1]} == {"NO"}


def test_the_worker_whose_memory_grew_most_counts() -> None:
    def held(dirty: int) -> dict[str, int]:
        return {"private_dirty": dirty, "private_clean": 0, "rss": dirty}

    workers = [{"before": held(10), "after": held(15)}, {"before": held(10), "after": held(40)}]
    (row,) = figures.memory([{"measure": "memory", "way": "map", "rows": 5, "facts": 6, "workers": workers}])

    assert row["private_dirty"] == 30


COSTS = {model.FETCH: Cost(0.5, 1e-8), model.MAP: Cost(0.3, 2e-7), model.SHUFFLE: Cost(1.0, 5e-7),
         model.BUILD: Cost(0.8, 6e-7)}  # fmt: skip
SIZES = (10**6, 4 * 10**6)


def as_predicted(number: int, speed: float, slower: float = 1.0) -> Sample:
    """A run that takes as long as the model says, or longer by a factor."""
    known = {"nodes": number, "rate": speed, "cores": 2}
    runs = []
    for size in SIZES:
        for way, cost in COSTS.items():
            guess = model.predicted(way, figures.rig(known), cost, facts=size, rows=size, row_bytes=17.0)
            runs.append({"way": way, "rows": size, "seconds": guess.seconds * slower, "sent": [1], "right": True})
    return {"measure": "network", "runs": runs} | known


FILES = {"measure": "network files", "file_bytes": {str(size): 17 * size for size in SIZES}}


def test_the_model_finds_the_costs_of_runs_that_are_as_it_says() -> None:
    samples = [FILES, as_predicted(1, 1e7), as_predicted(1, 1e8), as_predicted(2, 1e7), as_predicted(3, 1e8, 1.25)]
    found = figures.of_model(samples)

    for way, cost in COSTS.items():
        assert found["costs"][way] == pytest.approx(cost._asdict())
    assert {row["nodes"] for row in found["checks"]} == {2, 3}
    for row in found["checks"]:
        assert row["error"] == pytest.approx(0.0 if row["nodes"] == 2 else -0.2)


def test_without_runs_over_one_node_the_model_says_nothing() -> None:
    assert figures.of_model([FILES, as_predicted(2, 1e7)]) == {}
    assert figures.of_model([as_predicted(1, 1e7)]) == {}


def test_a_map_stops_paying_where_a_node_does_not_hold_the_file() -> None:
    found = figures.of_model([FILES, as_predicted(1, 1e7)])
    told = {(row["keys"], row["nodes"]): row for row in found["told"]}

    assert found["largest_keys"] == pytest.approx(figures.ASSUMED.memory * model.USABLE / 17)
    assert told[10**8, 10]["map"]["pages"] == 0.0
    assert told[10**8, 10]["pays_after"] is not None
    assert told[10**10, 100]["map"]["pages"] > 0.0
    assert told[10**10, 100]["pays_after"] is None
    for row in found["stops_paying"]:
        assert found["largest_keys"] < row["keys"] < 1.5 * found["largest_keys"]


# --- the input and its answer ---


def test_the_answer_does_not_depend_on_the_order_of_rows_or_on_how_they_are_divided() -> None:
    frame = data.facts(Shape(1000, 50)).merge(data.dimension(0, 50), on="key", how="left")
    whole = data.answer(data.checksum(frame))
    mixed = frame.sample(frac=1, random_state=1)
    divided = pd.concat([data.checksum(mixed[:300]), data.checksum(mixed[300:])])

    assert data.answer(divided) == whole == data.merged(Shape(1000, 50))
    assert whole.facts == 1000
    assert 0 < whole.found < 1000


@pytest.mark.parametrize("column", ["key", "amount", "value"])
def test_the_answer_depends_on_each_column(column: str) -> None:
    frame = pd.DataFrame({"key": [1, 2], "amount": [3, 4], "value": [5, MISSING]})
    changed = frame.assign(**{column: frame[column] + [1, 0]})
    exchanged = frame.assign(**{column: frame[column].to_numpy()[::-1]})

    assert len({data.answer(data.checksum(one)).checksum for one in (frame, changed, exchanged)}) == 3


def test_a_missing_value_is_the_same_in_every_library() -> None:
    frame = pd.DataFrame({"key": [1, 2], "amount": [3, 4], "value": [5, MISSING]})

    assert data.answer(data.checksum(frame)) == data.answer(data.checksum(frame.assign(value=[5.0, np.nan])))


def test_parts_are_the_whole_and_are_made_again_as_they_were() -> None:
    shape = Shape(1001, 101, 0.0, 7)
    parts = [data.facts_part(part, shape) for part in range(7)]
    rows = [data.dimension_part(part, 7, 101) for part in range(7)]

    assert sum(map(len, parts)) == 1001
    assert pd.concat(rows, ignore_index=True).equals(data.dimension(0, 101))
    assert data.facts_part(3, shape).equals(parts[3])
    assert parts[2]["amount"].tolist() != parts[3]["amount"].tolist()


def test_a_skew_makes_most_keys_equal() -> None:
    facts = data.facts(Shape(10_000, 1000, 0.9))
    rows = data.eventful_rows(0, Shape(0, 1000, 0.9, 1))

    assert 0.88 < (facts["key"] == data.keys_of(np.array([data.HOT]))[0]).mean() < 0.92
    assert len(rows) == 1900
    assert rows["key"].nunique() == 1000


def test_an_event_happens_at_the_kth_part_and_only_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "_parts_made", 0)
    killed = []
    monkeypatch.setattr(os, "kill", lambda pid, number: killed.append(pid))
    event = Event(3, str(tmp_path / "token"), True)
    for part in range(2):
        data.eventful_facts(part, Shape(100, 10), event)
    assert killed == []

    data.eventful_rows(2, Shape(100, 10), event)
    assert killed == [os.getpid()]

    monkeypatch.setattr(data, "_parts_made", 2)  # another process
    data.eventful_facts(0, Shape(100, 10), event)
    assert killed == [os.getpid()]


# --- the plan ---


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The arguments of the processes of all steps, from the module on; none of them runs."""
    seen: list[list[str]] = []

    def called(command: list[str]) -> Sample:
        seen.append(command[2:])
        return {}

    monkeypatch.setattr(run, "called", called)
    return seen


def test_each_process_gets_the_arguments_that_it_takes(tmp_path: Path, commands: list[list[str]]) -> None:
    for step in run.steps(run.FULL, tmp_path, run.PARTS):
        step.measure()
    takes = {"merge": 4, "memory": 4, "faults": 4}
    of_network = {"make": 3, "network": 6, "links": 6}

    assert {command[0] for command in commands} == {
        "cluster.merge",
        "cluster.memory",
        "cluster.faults",
        "cluster.network",
    }
    for module, what, *rest in commands:
        name = module.removeprefix("cluster.")
        assert 1 + len(rest) == (of_network[what] if name == "network" else takes[name])
    assert {what for module, what, *_ in commands if module == "cluster.merge"} == {"make", *merge.WAYS}
    assert {command[-1] for command in commands if command[1] in ("network", "links")} == {str(os.getpid())}


def test_the_files_of_a_network_are_made_once_and_before_its_jobs(tmp_path: Path, commands: list[list[str]]) -> None:
    for wanted in (["network"], ["links"], ["links", "network"]):
        commands.clear()
        for step in run.steps(run.QUICK, tmp_path, wanted):
            step.measure()
        assert [command[1] for command in commands].count("make") == 1
        assert commands[0][1] == "make"


def test_every_case_of_failure_is_planned_and_has_words() -> None:
    pytest.importorskip("distributed")
    from cluster import faults, network

    assert sorted(run.every_case()) == sorted(faults.cases())
    assert set(run.QUICK.cases) <= set(faults.cases())
    assert {case for case, _ in run.ALL_LINKS} == set(network.CASES)
    rows = [{"case": case, "outcome": "right", "said": "", "seconds": 1.0} for case in run.every_case()]
    assert len({row[0] for row in tables.faults({"figures": {"faults": rows}}).rows}) == len(rows)


def test_a_worker_that_was_to_be_killed_and_was_not_is_named() -> None:
    row = {"case": "lookup-map-killed-1", "outcome": "right", "said": "", "seconds": 1.0, "killed": False}
    assert tables.outcome(row) == "right (nothing was killed)"
    assert tables.outcome(row | {"killed": True}) == "right"


# --- processes ---


def script(text: str) -> list[str]:
    return [sys.executable, "-c", text]


def test_what_a_process_prints_last_is_its_sample() -> None:
    assert run.called(script("print('words'); print('{\"seconds\": 1}')")) == {"seconds": 1}


def test_a_process_that_fails_is_named_with_its_complaint() -> None:
    with pytest.raises(runner.MeasurementError, match="no such set"):
        run.called(script("raise SystemExit('no such set')"))


def test_a_process_that_hangs_is_wrong_where_things_are_made_to_fail() -> None:
    def hangs(command: list[str]) -> Sample:
        raise TimeoutError

    sample = run.sample_of("faults", {"case": "build-killed-1"}, [], hangs)
    assert (sample["case"], sample["outcome"]) == ("build-killed-1", "WRONG")
    assert "no answer within" in tables.outcome(sample)
    with pytest.raises(runner.MeasurementError, match="no answer within"):
        run.sample_of("merge", {}, [], hangs)


def test_a_process_that_hangs_is_ended(tmp_path: Path) -> None:
    program = f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    with pytest.raises(TimeoutError):
        run.called(script(program), within=2)
    assert not os.path.exists(f"/proc/{(tmp_path / 'pid').read_text()}")


# --- a whole run, of samples that are made up ---


def made_up(command: list[str]) -> Sample:
    """What a process of the verb could print."""
    module, what, *rest = command[2:]
    held = {"private_dirty": 1e6, "private_clean": 0, "rss": 2e6}
    if module == "cluster.merge":
        sample = {"seconds": 1.0, "peak_bytes": 2e9, "before_bytes": 1e9}
        return {"seconds": 1.0, "bytes": 5} if what == "make" else sample | {"answer": [1, 2, 3]}
    if module == "cluster.memory":
        return {"workers": [{"before": held, "after": held}], "answer": [1, 2, 3]}
    if module == "cluster.faults" or what == "links":
        return {"outcome": "right", "said": "", "seconds": 1.0, "killed": True, "workers_left": 2}
    if what == "make":
        return {"file_bytes": FILES["file_bytes"]}
    return {"runs": as_predicted(int(rest[2]), float(rest[3]))["runs"]}


@pytest.fixture
def whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(run, "called", made_up)
    monkeypatch.setattr(run, "NEEDED", ())
    monkeypatch.setattr(namespaces, "missing", lambda: "")
    monkeypatch.setattr(namespaces, "sweep", lambda *run: [])
    return tmp_path


def test_a_run_is_written_and_its_figures_follow_from_its_samples(
    whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run.run(quick=True, out=whole) == ""
    written = json.loads((whole / "cluster.json").read_text())

    assert json.loads(json.dumps(figures.figures(written["samples"]))) == written["figures"]
    printed = capsys.readouterr().out
    for part in tables.PARTS:
        assert part(written).rows
        assert part(written).title.split(",")[0] in printed
    assert {path.name for path in whole.iterdir()} == {"cluster.json", "cluster-merges.svg", "cluster-merges-dark.svg"}


def test_parts_of_a_run_have_a_file_of_their_own(whole: Path) -> None:
    assert run.run(quick=True, out=whole, only=["memory"]) == ""
    written = json.loads((whole / "cluster-memory.json").read_text())

    assert {sample["measure"] for sample in written["samples"]} == {"memory"}
    assert written["command"].endswith("--only memory")


def test_without_namespaces_what_needs_them_is_left_out(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(namespaces, "missing", lambda: "network namespaces need root")
    assert run.run(quick=True, out=whole) == ""
    written = json.loads((whole / "cluster.json").read_text())

    assert written["left_out"] == dict.fromkeys(("network", "links"), "network namespaces need root")
    assert not {"network", "links", "network files"} & {sample["measure"] for sample in written["samples"]}
    assert any("need root" in line for line in tables.notes(written))


def test_what_is_not_installed_is_said_before_anything_is_measured(
    whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "NEEDED", ("json", "no_such_library"))
    with pytest.raises(ValueError, match="not installed: no_such_library"):
        run.run(quick=True, out=whole)


# --- namespaces ---


class Tools:
    """Stands in for ``ip`` and ``tc``: notes what it is told, and fails at one of the calls."""

    def __init__(self, printed: dict[str, str] | None = None, fails_at: str = "") -> None:
        self.told: list[str] = []
        self.printed, self.fails_at = printed or {}, fails_at

    def __call__(self, *arguments: str) -> str:
        line = " ".join(arguments)
        self.told.append(line)
        if self.fails_at and self.fails_at in line:
            raise namespaces.NetworkError(f"{line}: no")
        return self.printed.get(line, "")


def test_all_that_a_network_has_made_is_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    tools = Tools()
    monkeypatch.setattr(namespaces, "tool", tools)
    with namespaces.Network(2, run=77, rate=1000.0) as network:
        made = [line.split()[3] for line in tools.told if line.startswith("ip netns add")]
        links = [line.split()[3] for line in tools.told if line.startswith("ip link add")]
        network.cut(1)
        network.heal(1)

    assert made == ["hmc77an0", "hmc77an1"]
    removed = {line.split()[3] for line in tools.told if " del " in line}
    assert removed == {*made, *links}
    assert [line for line in tools.told if line.endswith(("down", "set hmc77av1 up"))] == [
        "ip link set hmc77av1 down",
        "ip link set hmc77av1 up",
    ]
    shaped = [line for line in tools.told if "tbf rate 8000bit" in line]
    assert len(shaped) == 4  # both ends of two links


def test_a_network_that_cannot_be_made_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    tools = Tools(fails_at="tc qdisc")
    monkeypatch.setattr(namespaces, "tool", tools)
    with pytest.raises(namespaces.NetworkError, match="tc qdisc"), namespaces.Network(2, run=77, rate=1000.0):
        pass

    assert {"ip netns del hmc77an0", "ip link del hmc77av0", "ip link del hmc77ab"} <= set(tools.told)


def test_names_of_links_are_short_enough_for_the_system() -> None:
    network = namespaces.Network(3, run=4_194_304)  # the highest process id that Linux gives

    assert len(network.link(2)) <= 15
    assert len({network.host(node) for node in range(3)}) == 3


LISTED = {
    "ip -o link show": "1: lo: <UP>\n7: hmc5ab: <UP>\n8: hmc5av0@if7: <UP>\n9: hmc6av0@if7: <UP>\n3: eth0: <UP>\n",
    "ip netns list": "hmc5an0 (id: 0)\nhmc6an0\nhmcother\nmine\n",
}


def test_only_what_a_run_has_left_is_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(namespaces, "tool", Tools(LISTED))
    assert namespaces.sweep(5) == ["hmc5ab", "hmc5av0", "hmc5an0"]


def test_what_runs_have_left_that_were_killed_is_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    alive = os.getpid()
    listed = {
        line: text.replace("hmc5", "hmc999999999").replace("hmc6", f"hmc{alive}") for line, text in LISTED.items()
    }
    monkeypatch.setattr(namespaces, "tool", Tools(listed))

    assert namespaces.sweep() == ["hmc999999999ab", "hmc999999999av0", "hmc999999999an0"]


def test_what_is_gone_already_does_not_end_the_removal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(namespaces, "tool", Tools(LISTED, fails_at="del hmc5ab"))
    assert namespaces.sweep(5) == ["hmc5av0", "hmc5an0"]


@contextmanager
def relayed(seconds: float) -> Iterator[tuple[socket.socket, socket.socket]]:
    """The ends of a link with a relay in it. Frames are kept apart, as a device does."""
    kind = socket.SOCK_SEQPACKET
    (left, first), (second, right) = socket.socketpair(type=kind), socket.socketpair(type=kind)
    with left, first, second, right:
        one = threading.Thread(target=relay.relay, args=(first.fileno(), second.fileno(), seconds))
        one.start()
        try:
            yield left, right
        finally:
            left.shutdown(socket.SHUT_RDWR)
            one.join()


def test_a_relay_passes_each_frame_both_ways_in_order() -> None:
    with relayed(0.01) as (left, right):
        for number in range(100):
            left.send(b"to the right %d" % number)
            right.send(b"to the left %d" % number)

        assert [right.recv(100) for _ in range(100)] == [b"to the right %d" % number for number in range(100)]
        assert [left.recv(100) for _ in range(100)] == [b"to the left %d" % number for number in range(100)]


def test_a_relay_holds_each_frame_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that stands still until the test moves it."""
    clock, looks = [0.0], threading.Semaphore(0)

    def look(read: list[int], write: list[int], other: list[int], wait: float | None) -> Any:
        looks.release()
        return select.select(read, write, other, 0.001)

    monkeypatch.setattr(relay, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setattr(relay, "select", SimpleNamespace(select=look))
    with relayed(5.0) as (left, right):
        right.setblocking(False)
        left.send(b"frame")
        while looks.acquire(blocking=False):  # looks that began before there was a frame
            pass
        for _ in range(3):
            looks.acquire()
        with pytest.raises(BlockingIOError):
            right.recv(100)
        clock[0] = 6.0
        right.setblocking(True)
        assert right.recv(100) == b"frame"


def test_who_watches_a_dataset_notes_that_it_is_missing(tmp_path: Path) -> None:
    from cluster import faults

    path = faults.old_dataset(tmp_path)
    with faults.Watch(path) as watch:
        pass
    assert (len(watch.seen), watch.odd) == (1, [])
    assert watch.looks >= 2

    with faults.Watch(str(tmp_path / "none")) as watch:
        pass
    assert len(watch.odd) == watch.looks >= 2
