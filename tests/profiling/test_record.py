"""The committed results, and the documents that quote them: each result is of a whole run of a commit that exists.

These fail when a verb has to be run again or a document to be written anew, and for nothing else.
"""

import json
import subprocess
from typing import Any

import pytest

from cache import policies, rules
from core import records
from core.environment import PROJECT
from leaks import cases, zero_growth
from leaks import tables as leaks_tables
from peers import tables as peers_tables

RESULTS = sorted(path.stem for path in records.COMMITTED.glob("*.json"))
DOCUMENT = (PROJECT / "docs/tophash_cache.md").read_text(encoding="utf-8")


def result(name: str) -> dict[str, Any]:
    return json.loads((records.COMMITTED / f"{name}.json").read_text(encoding="utf-8"))


CACHE = result("cache")["figures"]


def test_each_verb_has_one_result_and_no_older_copies() -> None:
    assert [path.name for path in records.COMMITTED.iterdir() if path.suffix != ".json"] == []


@pytest.mark.parametrize("name", RESULTS)
def test_a_result_is_of_a_whole_run_of_a_commit_of_this_repository(name: str) -> None:
    document = result(name)
    commit = document["environment"]["commit"]
    if not (PROJECT / ".git").exists():
        pytest.skip("no repository to look for the commit in")
    known = subprocess.run(
        ["git", "-C", str(PROJECT), "merge-base", "--is-ancestor", commit, "HEAD"], capture_output=True
    )

    assert (document["mode"], document["ended_by"]) == ("full", "")
    assert known.returncode == 0, f"{name}.json names commit {commit}, which HEAD does not descend from: run it again"


# --- leaks, peers ---


def table(name: str, document: str) -> str:
    """What stands between the markers of a table."""
    text = (PROJECT / "docs" / document).read_text(encoding="utf-8")
    return text.partition(f"<!-- table: {name} -->")[2].partition("<!-- end -->")[0].strip()


def test_the_document_gives_the_collections_of_the_record() -> None:
    shown = table("leaks", "measurements.md")
    rows = [row for row in result("leaks")["figures"]["collector"] if row["entries"] == 10**7]
    for row in rows:
        assert leaks_tables.seconds(row["first"]["median"]) in shown, row["container"]


def test_the_document_counts_the_public_calls_of_the_record() -> None:
    rows = result("leaks")["figures"]["growth"]
    public = [row for row in rows if row["call"] not in (zero_growth.NOTHING, *zero_growth.EXTRAS)]
    text = " ".join((PROJECT / "docs/measurements.md").read_text(encoding="utf-8").split())

    assert f"each of {len(public)} public calls" in text


def test_the_committed_file_is_of_a_whole_run_in_which_all_went_as_expected() -> None:
    document = result("leaks")
    assert (document["mode"], document["ended_by"]) == ("full", "")
    assert not document["environment"]["uncommitted_changes"]
    assert len(document["figures"]["cases"]) == len(cases.CASES)
    assert leaks_tables.case_sentence(document["figures"]["cases"]) == "18 of 18 verdicts are those expected."
    assert {*zero_growth.public_calls()} < {row["call"] for row in document["figures"]["growth"]}
    assert [row["call"] for row in document["figures"]["growth"] if row["beyond"] or row["calls"] < 10**5] == []


def test_the_document_gives_the_peers_of_the_record() -> None:
    assert table("peers", "measurements.md") == peers_tables.markdown(result("peers"))


# --- cache ---


def cells(label: str) -> list[str]:
    """The cells of a row of the document's tables, after the first."""
    (line,) = [line for line in DOCUMENT.splitlines() if line.startswith(f"| {label} |")]
    return [cell.strip(" *") for cell in line.strip("|").split("|")[1:]]


@pytest.mark.parametrize(
    ("label", "case"),
    [
        ("str, 8 bytes", ("str", 8, False)),
        ("str, 16", ("str", 16, False)),
        ("str, 32", ("str", 32, False)),
        ("bytes, 16", ("bytes", 16, False)),
        ("str, 16, new objects", ("str", 16, True)),
    ],
)
def test_the_document_gives_the_times_of_the_record(label: str, case: tuple[str, int, bool]) -> None:
    (row,) = [row for row in CACHE["hits"] if (row["kind"], row["length"], row["new_objects"]) == case]
    arms = ("cache", "dict", "lru_cache", "cachetools", "cachebox", "direct", "oneshot", "object", "many")
    assert cells(label) == [f"{row['ns'][arm]['median']:.1f}" for arm in arms]


def test_the_document_gives_the_policies_of_the_record() -> None:
    assert len(CACHE["policies"]) == len(policies.loads(1))
    for row in CACHE["policies"]:
        ratios = [row["over_off"][policy] for policy in ("hit-rate", "always", "cost")] + [row["over_off_late"]["cost"]]
        shown = [f"{one['value']:.2f} ({one['low']:.2f}..{one['high']:.2f})" for one in ratios]
        assert cells(row["load"])[2:6] == shown


def test_the_document_gives_the_scores_of_the_record() -> None:
    for change in rules.CHANGES:
        name, _, value = change.partition(" ")
        label = change if change in (rules.DEFAULT, rules.ALWAYS) else f"`{name}` {value}"
        rows = [row for row in CACHE["rules"] if row["change"] == change]
        for place, group in ((0, rules.TUNING), (2, rules.HELD_OUT)):
            score = 100 * sum(row["score"] for row in rows if row["set"] == group)
            assert cells(label)[place] == f"{score:.1f}"
