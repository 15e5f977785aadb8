"""The verb ``files``: each library answers as it should, the figures follow from the samples, and a small run."""

import ctypes
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from files import figures, stores, tables, worker
from files import run as files
from files.run import Plan
from render import parts

Document = dict[str, Any]
PR_GET_THP_DISABLE = 42  # <linux/prctl.h>
SMALL = Plan({"int64": 3000, "str17": 1000}, (1000,), 2, 1000, 300, 2, 1)


# --- what is measured ---


@pytest.mark.parametrize("kind", stores.KINDS)
@pytest.mark.parametrize("library", stores.STORES)
def test_each_library_is_built_and_asked(library: str, kind: str, tmp_path: Path) -> None:
    if library in stores.left_out():
        pytest.skip(stores.left_out()[library])
    built = stores.build(library, kind, 500, 1, tmp_path)
    asked = stores.ask(library, kind, 500, 1, tmp_path)

    assert built["bytes"] >= 500 * 8
    assert built["bytes"] == sum(file.stat().st_size for file in tmp_path.iterdir())
    assert min(built["build_s"], *asked.values()) > 0


@pytest.mark.parametrize("library", ["pyhmap", "sqlite3"])
def test_a_library_that_answers_wrongly_ends_its_measurement(library: str, tmp_path: Path) -> None:
    stores.build(library, "int64", 500, 1, tmp_path)

    with pytest.raises((AssertionError, KeyError, TypeError)):
        stores.ask(library, "int64", 500, 2, tmp_path)  # the keys of another block


def test_a_wrong_answer_for_one_key_of_a_batch_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stores.build("pyhmap", "int64", 500, 1, tmp_path)
    monkeypatch.setattr(stores.Ours, "many", lambda self, table, keys: table.get_many(keys) ^ (keys == keys[7]))

    with pytest.raises(AssertionError, match="wrong answers: pyhmap"):
        stores.ask("pyhmap", "int64", 500, 1, tmp_path)


def test_libraries_that_are_not_installed_are_left_out_with_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores.importlib.util, "find_spec", lambda name: None)

    assert stores.left_out() == {
        "lmdb": "lmdb is not installed; pip install 'pyhmap[peers]'",
        "marisa-trie": "marisa-trie is not installed; pip install 'pyhmap[peers]'",
        "cdb": "cdbx is not installed; pip install 'pyhmap[peers]'",
    }
    assert set(stores.versions(stores.left_out())) == {"sqlite3", "shelve"}


@pytest.mark.parametrize("way", [*worker.VERIFY, worker.UNPICKLED])
@pytest.mark.parametrize("kind", ["int64", "str17"])
def test_a_file_is_opened_in_each_way(kind: str, way: str, tmp_path: Path) -> None:
    made = worker.make(tmp_path / kind, kind, 1000)

    assert made["bytes"] == (tmp_path / f"{kind}.pyhmap").stat().st_size
    assert set(worker.opening(tmp_path / kind, way)) == {"first_ms", "again_ms"}


def test_a_file_that_answers_wrongly_is_noticed(tmp_path: Path) -> None:
    worker.make(tmp_path / "a", "int64", 1000)
    keys = np.load(tmp_path / "a.npy")
    keys[500] = keys[501]
    np.save(tmp_path / "a.npy", keys)

    with pytest.raises(AssertionError, match="wrong answer: full"):
        worker.opening(tmp_path / "a", "full")


def test_huge_pages_are_switched_off_while_a_map_is_made_and_no_longer() -> None:
    def switched_off() -> int:
        return ctypes.CDLL(None).prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0)

    before = switched_off()
    assert worker.in_small_pages(switched_off) == 1
    with pytest.raises(ZeroDivisionError):
        worker.in_small_pages(lambda: 1 // 0)
    assert switched_off() == before == 0


def test_batches_leave_no_file_and_name_each_way_to_have_the_map(tmp_path: Path) -> None:
    made = worker.batches(tmp_path, 1000, 1)

    assert [*made["ns"]] == [*made["first_ns"]] == [*made["huge"]]
    assert {"memory", worker.MAPPED, worker.READ, worker.TOUCHED, worker.COPY, worker.SMALL_COPY} == {*made["ns"]}
    assert list(tmp_path.iterdir()) == []


def test_saving_writes_the_same_number_of_bytes_each_way_and_leaves_no_file(tmp_path: Path) -> None:
    made = worker.saving(tmp_path, 1000, 1)

    assert [*made["s"]] == ["np.save", "FrozenMap.save", "HMap.freeze", "HMap.save"]
    assert made["bytes"] > 16_000
    assert list(tmp_path.iterdir()) == []


def test_two_processes_that_map_a_file_hold_it_once_and_two_that_unpickle_hold_it_twice(tmp_path: Path) -> None:
    size = worker.make(tmp_path / "a", "int64", 10**6)["bytes"] / 1e6
    held = {}
    for way in (worker.MAPPED, worker.UNPICKLED):
        command = files.worker_command("files.worker", "sharing", tmp_path / "a", way, 2)
        held[way] = sum(files.run_json(command)["mb"])

    assert held[worker.MAPPED] == pytest.approx(size, rel=0.25)
    assert held[worker.UNPICKLED] == pytest.approx(2 * size, rel=0.25)


# --- what is made of it ---


def samples(size: int = figures.LARGE) -> list[Document]:
    """Two blocks of everything, the second with times 1.5 times as long; and the file of the targets' size."""
    made: list[Document] = [{"measure": "make", "kind": "int64", "size": size, "bytes": 200_000_000}]
    for block, times in enumerate((1.0, 1.5)):
        known = {"block": block, "size": size}
        for way, ms in (("header", 0.8), ("structure", 8.0), ("unpickled", 90.0)):
            made.append(
                {"measure": "opening", "kind": "int64", "way": way, "first_ms": ms * times, "again_ms": ms} | known
            )
        ns = {"memory": 10.0 * times, "mapped": 12.0 * times + block, "copy": 10.5, "copy, small pages": 11.5}
        made.append({"measure": "batches", "ns": ns, "first_ns": ns, "huge": dict.fromkeys(ns, 0.5)} | known)
        for way, mb in (("mapped", [100.0, 110.0]), ("unpickled", [200.0, 201.0])):
            made.append({"measure": "sharing", "way": way, "processes": 2, "mb": mb, "seconds": [0.5, times]} | known)
        s = {"np.save": 0.2, "FrozenMap.save": 0.3 * times, "HMap.freeze": 0.5, "HMap.save": 0.8 * times}
        made.append({"measure": "saving", "bytes": 200_000_000, "s": s} | known)
        for library, more in (("pyhmap", 1.0), ("lmdb", 8.0), ("cdb", 0.5)):
            its = {"single_ns": 100.0 * times, "batch_ns": 20.0 * more * times, "build_s": more, "open_ms": more}
            its |= {"block": block, "size": 10**6}
            made.append({"measure": "stores", "kind": "int64", "library": library, "bytes": 2 * 10**7} | its)
    return made


def document(**options: Any) -> Document:
    made = {"figures": figures.figures(samples(**options)), "ended_by": "", "left_out": {"marisa-trie": "no"}}
    return made | {"versions": {"lmdb": "1.6"}, "workload": {"file system": "ext4"}}


def test_the_figures_are_medians_and_ratios_by_pairs() -> None:
    made = document()["figures"]

    assert [(row["way"], row["first_ms"]["median"]) for row in made["opening"]] == [
        ("header", 1.0),
        ("structure", 10.0),
        ("unpickled", 112.5),
    ]
    mapped = next(row for row in made["batches"] if row["way"] == "mapped")
    assert mapped["over_memory"]["value"] == pytest.approx((12 / 10 + 19 / 15) / 2)
    assert [row["all_mb"]["median"] for row in made["sharing"]] == [210.0, 401.0]
    assert made["sharing"][0]["seconds"]["median"] == 1.25  # of the slower process of each block
    frozen = next(row for row in made["saving"] if row["way"] == "FrozenMap.save")
    assert frozen["over_np_save"]["value"] == pytest.approx((1.5 + 2.25) / 2)
    assert [row["library"] for row in made["stores"]] == ["pyhmap", "lmdb", "cdb"]
    assert made["stores"][1]["over"]["batch_ns"]["value"] == 8.0
    assert made["stores"][0]["over"] == {}


def test_targets_are_judged_at_their_sizes() -> None:
    judged = document()["figures"]["targets"]

    # opening: 1 ms of 2, 10 of 5; batches: none at 10^6, 1.23 of 1.1; 210 MB of 200; saving: 1.9 and 2.5 of 2
    assert [target["met"] for target in judged] == [True, False, None, False, True, True, False]
    assert judged[-1]["value"] == pytest.approx((1.5 + 3.5) / 2)  # without the freeze


def test_a_quick_run_judges_none() -> None:
    assert {target["met"] for target in figures.figures(samples(size=1000))["targets"]} == {None}


def test_the_tables_say_who_is_slower_and_mark_who_is_faster() -> None:
    made = document()
    console = Console(width=160)
    with console.capture() as printed:
        tables.show(console, made)

    assert "Targets: 3 of 6 met." in printed.get()
    assert "Left out: marisa-trie: no." in printed.get()
    assert "lmdb 1.6" in printed.get()
    lines = parts.markdown(tables.stores)(made).replace("\N{MULTIPLICATION SIGN}", "x").splitlines()
    assert lines[2:] == [
        "| 10^6 int64 | pyhmap | 125 ns | 25 ns | 20 | 1.0 s | 1.0 ms |",
        "| 10^6 int64 | lmdb | 125 ns, 1.0x | 200 ns, 8.0x | 20 | 8.0 s | 8.0 ms |",
        "| 10^6 int64 | cdb | 125 ns, 1.0x | **12 ns, 0.50x** | 20 | 0.50 s | 0.50 ms |",
    ]
    (memory, mapped, *_) = parts.markdown(tables.batches)(made).replace("\N{MULTIPLICATION SIGN}", "x").splitlines()[2:]
    assert memory == "| 10^7 | in memory | 12 ns | - | 50 % | 12 ns |"
    assert mapped == "| 10^7 | mapped, just saved | 16 ns | 1.23x (1.20..1.27) | 50 % | 16 ns |"


def test_the_prose_says_what_small_pages_cost_in_the_largest_map() -> None:
    rows = [{"way": way, "over_memory": {"value": value}} for way, value in ((worker.READ, 1.1), (worker.READ, 1.53))]

    (said,) = tables.sentences({"figures": {"batches": [*rows, {"way": worker.COPY}]}})
    assert said == ("docs/files.md", "A batch of a large map takes 1.5 times as long in small pages as in huge")


# --- the run ---


def test_a_run_measures_prints_draws_and_writes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "QUICK", SMALL)
    monkeypatch.setattr(
        stores, "left_out", lambda: dict.fromkeys(stores.STORES.keys() - {"pyhmap", "sqlite3"}, "not today")
    )
    monkeypatch.setattr(worker, "VERIFY", ("structure",))

    assert files.run(quick=True, out=tmp_path) == ""

    assert "Left out: lmdb: not today." in capsys.readouterr().out
    made = json.loads((tmp_path / "files.json").read_text())
    assert made["ended_by"] == ""
    assert {sample["measure"] for sample in made["samples"]} == {
        "make",
        "opening",
        "batches",
        "sharing",
        "saving",
        "stores",
    }
    assert {(row["kind"], row["library"]) for row in made["figures"]["stores"]} == {
        (kind, library) for kind in stores.KINDS for library in ("pyhmap", "sqlite3")
    }
    assert {path.name for path in tmp_path.iterdir()} == {"files.json", "files-look_ups.svg", "files-look_ups-dark.svg"}


def test_what_is_slow_is_in_a_third_of_the_blocks_and_every_way_in_each() -> None:
    steps = files.steps(files.FULL, Path("folder"), {"cdb": "not today"})
    labels = [(step.group, step.label) for step in steps]

    assert len([1 for group, label in labels if group == "stores" and label.startswith("shelve, int64")]) == 2
    assert len([1 for group, label in labels if group == "stores" and label.startswith("lmdb, int64")]) == 6
    assert not [label for group, label in labels if label.startswith("cdb")]
    for way in (*worker.VERIFY, worker.UNPICKLED):
        assert len([1 for group, label in labels if group == "opening" and f"int64, {way}," in label]) == 6


def test_a_full_run_asks_for_memory_before_it_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MEMORY", 2**60)

    with pytest.raises(ValueError, match=r"GB of memory are free.*--quick"):
        files.run(quick=False, out=tmp_path)


def test_the_file_system_of_the_files_is_recorded() -> None:
    assert files.file_system(Path("/proc")) == "proc"
