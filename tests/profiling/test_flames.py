"""Flame graphs: widths and colours are the samples', and every format holds all of them."""

import json
import re
import runpy
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.environment import HARNESS
from render import flames
from table import profile_arm

main = runpy.run_path(str(HARNESS / "__main__.py"))["main"]

SVG = "{http://www.w3.org/2000/svg}"
names = st.text("abcXYZ_<>&é ", min_size=1, max_size=6)
profiles = st.lists(st.tuples(st.tuples(names) | st.tuples(names, names, names), st.integers(1, 50)), min_size=1)


def frames(svg: str) -> dict[str, tuple[float, str]]:
    """Width and colour of each frame, by what it says."""
    groups = ElementTree.fromstring(svg).findall(f"{SVG}g")
    found = {}
    for group in groups:
        rect = group.find(f"{SVG}rect")
        assert rect is not None
        found[group.findtext(f"{SVG}title") or ""] = (float(rect.attrib["width"]), rect.attrib["fill"])
    return found


def test_a_frame_is_as_wide_as_its_share_of_the_samples() -> None:
    svg = flames.flame_graph([(("loop", "hash_keys"), 30), (("loop", "get"), 20), (("loop",), 50)], "arm")

    drawn = frames(svg)
    assert drawn["loop: 100 samples, 100.0%"][0] == pytest.approx(1000, abs=1)
    assert drawn["hash_keys: 30 samples, 30.0%"][0] == pytest.approx(300, abs=1)
    assert drawn["get: 20 samples, 20.0%"][0] == pytest.approx(200, abs=1)
    assert "in hash_keys: 30.0%" in svg


def test_what_hashing_calls_has_the_colour_of_hashing() -> None:
    drawn = frames(flames.flame_graph([(("loop", "hash_keys", "XXH64 [C]"), 1), (("loop", "get [C]"), 1)], "arm"))

    colours = {said.split(":")[0]: colour for said, (_, colour) in drawn.items()}
    assert colours["XXH64 [C]"] == colours["hash_keys"] == flames.FOCUS
    assert colours["get [C]"] == flames.NATIVE
    assert colours["loop"] == flames.PYTHON


def test_a_difference_is_red_where_the_share_grew_and_blue_where_it_fell() -> None:
    before = [(("loop", "hash"), 60), (("loop", "get"), 30), (("loop", "free"), 10)]
    after = [(("loop", "hash"), 10), (("loop", "get"), 40)]  # half as many samples: shares count, not numbers
    svg = flames.difference(before, after, "after against before")

    drawn = frames(svg)
    red, green, blue = (int(drawn["get: 80.0% of the samples, +50.0 points"][1][at : at + 2], 16) for at in (1, 3, 5))
    assert red > green > blue
    red, green, blue = (int(drawn["hash: 20.0% of the samples, -40.0 points"][1][at : at + 2], 16) for at in (1, 3, 5))
    assert blue > green > red
    assert drawn["loop: 100.0% of the samples, +0.0 points"][1] == flames.blend(0)
    assert "gone: free (10.0 %)" in svg


@given(profiles)
def test_folded_lines_and_speedscope_hold_every_sample(stacks: flames.Stacks) -> None:
    whole = flames.joined(stacks)
    total = sum(count for _, count in stacks)

    assert flames.joined(flames.parse(flames.folded(whole))) == whole
    made = json.loads(json.dumps(flames.speedscope(whole, "arm")))
    (profile,) = made["profiles"]
    assert sum(profile["weights"]) == profile["endValue"] == total
    shown = made["shared"]["frames"]
    read = [
        (tuple(shown[place]["name"] for place in stack), n)
        for stack, n in zip(*map(profile.get, ("samples", "weights")), strict=True)
    ]
    assert read == whole
    assert sum(count for _, count in flames.stored(whole)) == total


@given(profiles)
def test_any_names_give_a_well_formed_picture_whose_frames_fit(stacks: flames.Stacks) -> None:
    svg = flames.flame_graph(flames.joined(stacks), "arm <&>")

    root = ElementTree.fromstring(svg)
    for rect in root.iter(f"{SVG}rect"):
        assert float(rect.attrib["x"]) + float(rect.attrib["width"]) <= flames.WIDTH + 1


def test_rare_frames_are_cut_short_and_keep_their_samples() -> None:
    stacks = [(("loop", "hash", "rare"), 1), (("loop", "hash"), 5000), (("loop", "get"), 4999)]

    assert flames.stored(stacks) == [("loop;get", 4999), ("loop;hash", 5001)]


def test_only_what_is_below_the_loop_is_kept_under_plain_names() -> None:
    folded = """\
main (worker.py:90);run_requests (worker.py:35);make.<locals>.request (arms.py:80);_PyEval_Vector (python3.11) 2
main (worker.py:90);run_requests (worker.py:35);make.<locals>.request (arms.py:81);XXH64 (xxhash.h:7) 3
main (worker.py:90) 100
"""

    kept = flames.below(flames.parse(folded), "run_requests")

    assert kept == [(("run_requests", "request"), 2), (("run_requests", "request", "XXH64 [C]"), 3)]


def test_the_scripts_leave_what_profilers_users_open(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = tmp_path / "words.txt"
    text.write_text(" ".join(f"name{n * n % 91}" for n in range(2000)))
    assert main(["profile", "cprofile", "before", "--input", str(text), "--out", str(tmp_path)]) == 0

    assert (tmp_path / "cprofile-before.pstats").stat().st_size > 0
    assert re.search(r"50\s.*arms\.py:\d+\(hash_keys\)", capsys.readouterr().out)


def test_the_sampling_script_writes_all_formats_of_one_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded = {
        "before": "m (w.py:1);run_requests (w.py:2);hash_keys (a.py:3) 60\nm (w.py:1);run_requests (w.py:2) 40\n",
        "cache": "m (w.py:1);run_requests (w.py:2);hash_keys (a.py:3) 30\nm (w.py:1);run_requests (w.py:2) 70\n",
    }

    def sample(arm: str, words: object, seconds: float, path: Path) -> dict[str, int]:
        path.write_text(recorded[arm])
        return {"in_hashing": 1, "in_loop": 2}

    monkeypatch.setattr(profile_arm.table, "sample", sample)
    text = tmp_path / "words.txt"
    text.write_text("a b c")
    arguments = ["profile", "pyspy", "cache", "--against", "before", "--input", str(text), "--out", str(tmp_path)]
    assert main(arguments) == 0

    assert (tmp_path / "pyspy-cache.folded").read_text() == recorded["cache"]
    assert json.loads((tmp_path / "pyspy-cache.speedscope.json").read_text())["profiles"][0]["endValue"] == 100
    assert "in hash_keys: 30.0%" in (tmp_path / "pyspy-cache.svg").read_text()
    assert "hash_keys: 30.0% of the samples, -30.0 points" in (tmp_path / "pyspy-before-cache.svg").read_text()


def test_a_script_whose_tool_is_missing_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(profile_arm.table.pyspy, "executable", lambda: None)
    text = tmp_path / "words.txt"
    text.write_text("a b c")

    assert main(["profile", "pyspy", "cache", "--input", str(text), "--out", str(tmp_path)]) == 1
    assert capsys.readouterr().err.endswith("install it with: pip install 'pyhmap[profiling]'\n")
