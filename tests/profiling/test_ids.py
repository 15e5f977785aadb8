"""The verb ``ids``: each way gives the right codes and keys, the figures follow from the samples, and a small run."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

import pyhmap
from ids import figures, tables, worker
from ids import run as ids
from ids.run import Plan
from render import parts

Document = dict[str, Any]
SMALL = Plan({1000: 2}, 600, {"int64": {500: 1}, "str17": {500: 1}}, 600, 600, (6 << 7,), 1)


@pytest.fixture(autouse=True)
def _few_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "TURNS", 1)
    monkeypatch.setattr(worker, "BUILT", 1000)
    monkeypatch.setattr(worker.peers_keys, "FEWEST_QUERIES", 1000)


# --- what is measured ---


@pytest.mark.parametrize(
    ("measure", "kind", "ways"),
    [
        ("codes", "int64", {"known": 3, "decode": 3, "new": 2}),
        ("batch", "int64", {"array": 7}),
        (
            "batch",
            "str17",
            {"objects": 5, "objects, hashed before": 5, "list": 3, "Arrow": 6, "StringDType": 3, "U17": 3},
        ),
        ("stable", "int64", {"array": 6}),
        ("stable", "str17", {"objects": 6, "Arrow": 2}),
        ("decoding", "str17", {"array": 3, "list": 3, "string": 3, "Arrow": 3}),
    ],
)
def test_each_way_is_timed_and_answers_rightly(measure: str, kind: str, ways: dict[str, int]) -> None:
    missing = worker.left_out()
    if missing.keys() - {"bulk"}:
        pytest.skip(str(missing))
    ns = worker.MEASURES[measure](kind, 600, 1)["ns"]

    assert {task: len(found) for task, found in ns.items()} == ways
    assert all(next(iter(found)) == "HIndex" for found in ns.values())
    assert min(value for found in ns.values() for value in found.values()) > 0


def test_calls_in_one_pass_answer_as_several_do() -> None:
    if "bulk" in worker.left_out():
        pytest.skip(worker.left_out()["bulk"])
    assert {task: len(found) for task, found in worker.bulk("int64", 600, 1)["ns"].items()} == {
        "new keys": 2,
        "sums of three columns": 2,
    }


def test_a_call_in_one_pass_that_answers_wrongly_ends_the_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    if "bulk" in worker.left_out():
        pytest.skip(worker.left_out()["bulk"])

    class Wrong(pyhmap.HSet[Any]):
        def add_many(self, keys: Any, **options: Any) -> Any:
            return np.roll(super().add_many(keys, **options), 1)

    monkeypatch.setattr(worker.pyhmap, "HSet", Wrong)
    with pytest.raises(AssertionError, match="wrong answers: add_many, return_new"):
        worker.bulk("int64", 600, 1)


@pytest.mark.parametrize(
    ("measure", "kind", "name", "wrong", "said"),
    [
        ("batch", "int64", "pd_factorize", lambda keys: np.arange(len(keys)), "pd.factorize"),
        ("batch", "int64", "np_unique", lambda keys: np.zeros(len(keys), int), "np.unique"),
        ("batch", "str17", "dict_codes", lambda known, keys: np.full(len(keys), 1), "dict"),
        ("stable", "int64", "get_indexer", lambda batches: map(worker.pd_factorize, batches), "pd.get_indexer"),
        ("stable", "int64", "united", lambda batches: map(worker.np_unique, batches), "pd.union_categoricals"),
    ],
)
def test_wrong_codes_end_the_measurement(
    measure: str, kind: str, name: str, wrong: Callable[..., Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, name, wrong)

    with pytest.raises(AssertionError, match=f"wrong answers: {said}"):
        worker.MEASURES[measure](kind, 600, 1)


@pytest.mark.parametrize(("measure", "kind"), [("codes", "int64"), ("batch", "str17"), ("decoding", "str17")])
def test_wrong_answers_of_an_index_end_the_measurement(
    measure: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Wrong(pyhmap.HIndex[Any]):
        def decode(self, codes: Any, **options: Any) -> Any:
            return super().decode(codes[::-1], **options)

        def labels(self, to: Any = "array") -> Any:
            return super().decode(np.roll(np.arange(len(self)), 1), to=to)

    monkeypatch.setattr(worker.pyhmap, "HIndex", Wrong)

    with pytest.raises(AssertionError, match="wrong answers: HIndex"):
        worker.MEASURES[measure](kind, 600, 1)


def test_the_first_turns_are_not_timed_and_the_median_of_the_others_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0, 9000, 0, 100, 0, 300, 0, 110])
    monkeypatch.setattr(worker.time, "process_time_ns", lambda: next(clock))
    ways = {"a": worker.Way(lambda given: given, lambda found: found == 5, lambda: 5)}

    assert worker.in_turns(ways, 10, worker.random.Random(0), 1, 1, 3) == {"a": 11.0}


def test_texts_are_distinct_and_of_17_characters() -> None:
    keys = worker.make_keys("str17", 5000, 3)

    assert len(set(keys.tolist())) == 5000
    assert set(map(len, keys.tolist())) == {17}


def test_half_of_the_keys_that_a_batch_is_drawn_from_are_new(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    class Counting(pyhmap.HIndex[Any]):
        def encode(self, keys: Any, add: bool = True) -> Any:
            found = super().encode(keys, add)
            sizes.append(len(self))
            return found

    monkeypatch.setattr(worker.pyhmap, "HIndex", Counting)
    worker.stable("int64", 2000, 1)
    grown = np.diff(sizes[-10:])

    # 2000 draws from 2000 keys, of which 1000 are new: 1 - 1/e of those are drawn
    assert grown == pytest.approx(np.full(9, 1000 * (1 - np.exp(-1))), rel=0.1)


def test_an_index_is_fullest_where_one_more_key_makes_it_grow() -> None:
    held = {size: worker.memory("int64", size, "HIndex")["nbytes"] * size for size in (767, 768, 769)}

    assert SMALL.memory == (768,)
    assert figures.FULLEST % 768 == 0
    assert held[768] == held[767] + 8
    assert held[769] > held[768] + 1000


@pytest.mark.parametrize("kind", ["int64", "str17"])
@pytest.mark.parametrize("holder", worker.HOLDERS)
def test_every_holder_has_the_keys_and_its_account(holder: str, kind: str) -> None:
    if worker.is_missing(holder, worker.left_out()) or (kind == "int64" and holder in worker.OF_TEXTS):
        pytest.skip("not measured")
    found = worker.memory(kind, 6 << 13, holder)

    least = 8 if kind == "int64" else 16
    assert least < found["private"] < 1000
    assert found["nbytes"] is None if holder == "pl.Categorical" else least < found["nbytes"] < 200


def test_what_is_not_installed_or_not_built_is_left_out_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    class Old:
        def __init__(self, key: Any) -> None:
            pass

        def add_many(self, keys: Any) -> int:
            return len(keys)

    monkeypatch.setattr(worker.pyhmap, "HSet", Old)
    monkeypatch.setattr(worker.importlib.util, "find_spec", lambda name: None if name == "pyarrow" else name)

    assert worker.left_out() == {
        "pa": "pyarrow is not installed; pip install 'pyhmap[peers]'",
        "Arrow": "pyarrow is not installed; pip install 'pyhmap[peers]'",
        "bulk": "HSet.add_many has no return_new in this build",
    }
    found = worker.decoding("str17", 600, 1)["ns"]
    assert set(found) == {"array", "list", "string"}


# --- what is made of it ---


def samples() -> list[Document]:
    """Two blocks of what is judged, the second with times twice as long but for HIndex's decode; and memory."""
    made: list[Document] = []
    for block, times in enumerate((1.0, 2.0)):
        for size in (10**4, 10**6, 10**7):
            ns = {
                "known": {"HIndex": 9.0 * times, "FrozenIndex": 6.0 * times, "HMap": 10.0 * times},
                "decode": {"HIndex": 5.0, "np.take": 4.0 * times},
                "new": {"HIndex": 42.0 * times, "HMap": 30.0 * times},
            }
            made.append({"measure": "codes", "kind": "int64", "size": size, "block": block, "ns": ns})
        for kind, tasks in {
            "int64": {"array": {"HIndex": 40.0 * times, "pd.factorize": 50.0 * times}},
            "str17": {"objects": {"HIndex": 120.0, "pd.factorize": 130.0, "pd.factorize, str": 100.0}},
        }.items():
            made.append({"measure": "batch", "kind": kind, "size": 10**6, "block": block, "ns": tasks})
        ns = {"array": {"HIndex": 10.0, "pd.factorize, all": 50.0, "pd.set_categories": 90.0, "pd.get_indexer": 29.0}}
        made.append({"measure": "stable", "kind": "int64", "size": 10**5, "block": block, "ns": ns})
    for holder, own in (("HIndex", 18.7), ("pd.Index", 30.0), ("pl.Categorical", None)):
        row = {"kind": "int64", "size": figures.FULLEST, "holder": holder, "nbytes": own, "private": 19.0}
        made.append({"measure": "memory"} | row)
    return made


def document() -> Document:
    return {"figures": figures.figures(samples()), "ended_by": "", "left_out": {"bulk": "not built"}}


def test_the_figures_are_medians_and_ratios_by_pairs_over_the_first_way() -> None:
    rows = {(row["size"], row["task"], row["way"]): row for row in document()["figures"]["times"]}

    assert rows[10**6, "known", "HIndex"]["ns"]["median"] == 13.5
    assert rows[10**6, "known", "HMap"]["over"]["value"] == pytest.approx(10 / 9)
    assert rows[10**6, "decode", "np.take"]["over"]["value"] == pytest.approx((0.8 + 1.6) / 2)


def test_targets_are_judged_by_pairs_at_their_sizes_and_beside_the_fastest_of_pandas() -> None:
    judged = [(target["what"], target.get("value"), target["met"]) for target in document()["figures"]["targets"]]

    assert [met for _, _, met in judged] == [
        *(True, True),  # 9 over 10
        *(False, False),  # 42 over 30
        *(True, True),  # 5 over 4 and 8
        *(True, False, None),  # 40 over 50; 120 over 100; no Arrow
        *(True, False, None, None, None, None),  # 50 over 10; 29 over 10; other batches
        *(True, None),
    ]
    assert judged[7] == ("encode of a batch over pd.factorize, str17, objects", pytest.approx(1.2), False)
    assert judged[10][0] == "ten batches of 10^5, int64, array: growing categories or pd.Index over encode"
    assert judged[-2][1] == 18.7


def test_a_quick_run_judges_none() -> None:
    few = [sample | {"size": 1000} for sample in samples()]
    assert {target["met"] for target in figures.figures(few)["targets"]} == {None}


def test_the_tables_say_who_is_slower_and_mark_who_is_faster() -> None:
    made = document()
    console = Console(width=200)
    with console.capture() as printed:
        tables.show(console, made)

    assert "Targets: 7 of 11 met." in printed.get()
    assert "Left out: bulk: not built." in printed.get()

    def lines(part: Any) -> list[str]:
        return parts.markdown(part)(made).replace("\N{MULTIPLICATION SIGN}", "x").splitlines()

    shown = lines(tables.codes)
    assert shown[0] == "| | size | `HIndex` | `FrozenIndex` | `HMap` | `np.take` |"
    assert shown[3] == "| known keys | 10^6 | 14 ns | **0.67x** | 1.11x | - |"
    assert shown[6] == "| decode | 10^6 | 5.0 ns | - | - | 1.20x (0.80..1.60) |"
    assert lines(tables.stable)[2:] == ["| int64 | array | 10^5 | 10 ns | 5.00x | 9.00x | 2.90x |"]
    assert lines(tables.memory) == [
        "| keys | | `HIndex` | `pd.Index` | `pl.Categorical` |",
        "|---|---|---|---|---|",
        "| int64 | 1,572,864, full | 18.7 / 19.0 | 30.0 / 19.0 | - / 19.0 |",
    ]


# --- the run ---


def test_a_run_measures_prints_draws_and_writes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ids, "QUICK", SMALL)
    monkeypatch.setattr(ids.worker, "left_out", lambda: dict.fromkeys(("pd", "pa", "pl", "Arrow", "bulk"), "not today"))

    assert ids.run(quick=True, out=tmp_path) == ""

    assert "Left out: pd: not today." in capsys.readouterr().out
    made = json.loads((tmp_path / "ids.json").read_text())
    assert (made["ended_by"], made["command"]) == ("", "python profiling ids --quick")
    measured = [(sample["measure"], sample["kind"], sample["size"]) for sample in made["samples"]]
    assert sorted(set(measured)) == [
        ("batch", "int64", 600),
        ("batch", "str17", 600),
        ("codes", "int64", 1000),
        ("decoding", "str17", 600),
        ("memory", "int64", 768),
        ("memory", "str17", 768),
        ("stable", "int64", 500),
        ("stable", "str17", 500),
    ]
    assert measured.count(("codes", "int64", 1000)) == 2
    assert {row["holder"] for row in made["figures"]["memory"]} == {"HIndex", "FrozenIndex", "dict and list"}
    assert {path.name for path in tmp_path.iterdir()} == {"ids.json", "ids-batches.svg", "ids-batches-dark.svg"}


def test_what_the_build_has_not_is_not_planned() -> None:
    def groups(left_out: dict[str, str]) -> set[str]:
        return {step.group for step in ids.steps(ids.FULL, left_out)}

    assert groups({}) - groups({"bulk": "no"}) == {"bulk"}
    holders = {step.label for step in ids.steps(ids.FULL, {"pl": "no"}) if step.group == "memory"}
    assert "1,572,864 str17, HIndex" in holders
    assert not any("pl." in label for label in holders)


def test_a_full_run_asks_for_memory_before_it_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ids, "FREE", 2**60)

    with pytest.raises(ValueError, match=r"GB of memory are free.*--quick"):
        ids.run(quick=False, out=tmp_path)
