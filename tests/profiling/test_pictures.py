"""The pictures: what is drawn is what was measured, and every axis says what it shows and in which unit."""

import json
import re

import numpy as np
import pytest

from core import records
from growth import cases, pictures
from render import style

DOCUMENT = json.loads((records.COMMITTED / "growth.json").read_text())
RESULT = DOCUMENT["figures"]
UNITS = "count|count, log|log|%|MiB|bytes per entry|keys per bucket|buckets|CPU time, log|value of the byte"
UNITS += "|times a fresh map's|of 8"
UNIT = re.compile(rf"\(({UNITS})\)$|row number")
drawn_sections = pytest.mark.parametrize("name", pictures.drawings(DOCUMENT))


@pytest.mark.parametrize("page", style.PAGES)
@drawn_sections
def test_every_axis_has_a_unit(name, page):
    with style.on(page):
        figure = pictures.drawings(DOCUMENT)[name]()
    plots = [axes for axes in figure.axes if axes.has_data()]
    assert plots
    for place, axes in enumerate(plots):
        shared = name == "timeline" and place == 0
        assert shared or UNIT.search(axes.get_xlabel()), axes.get_xlabel()
        if name != "occupancy" or place == 0:  # side by side: the first one's label stands for all; a bar has one axis
            assert UNIT.search(axes.get_ylabel()) or "row number" in axes.get_ylabel(), axes.get_ylabel()


def test_the_heat_map_shows_each_row():
    section = cases.occupancy()
    settled, growing = section["settled"], section["growing"]
    figure = pictures.occupancy(section)
    before, old, new = (np.array(axes.images[0].get_array()) for axes in figure.axes[:3])
    assert before[before != pictures.NOTHING].tolist() == settled["full"]
    assert new[new != pictures.NOTHING].tolist() == growing["full"]
    cells = old[old != pictures.NOTHING]
    assert (cells[: len(growing["evacuated"])] == pictures.GONE).tolist() == growing["evacuated"]
    waiting = np.array(growing["old_full"])[: len(growing["evacuated"])][~np.array(growing["evacuated"])]
    assert cells[: len(growing["evacuated"])][~np.array(growing["evacuated"])].tolist() == waiting.tolist()
    assert str(growing["nevacuate"]) in figure.axes[1].get_title()


def test_bars_are_as_high_as_the_counts():
    figure = pictures.chains(RESULT["chains"])
    heights = [bar.get_height() for bar in figure.axes[0].patches]
    assert heights == pytest.approx([*RESULT["chains"]["lengths"][1:], *RESULT["chains"]["expected"][1:]])
    figure = pictures.tophash(RESULT["tophash"])
    assert [bar.get_height() for bar in figure.axes[0].patches] == RESULT["tophash"]["counts"]


def test_the_worst_insert_of_each_library_is_in_the_picture():
    figure = pictures.latency(RESULT["latency"])
    highest = [max(line.get_ydata()) for line in figure.axes[0].lines]
    for row in RESULT["latency"]["libraries"].values():
        assert row["recurring_worst_ns"] in highest


def test_what_was_not_measured_is_left_out(tmp_path):
    document = {"verb": "growth", "figures": {"chains": RESULT["chains"], "latency": {"libraries": {}}}}
    names = [path.name for path in style.save_all("growth", pictures.drawings(document), tmp_path)]
    assert names == ["growth-chains.svg", "growth-chains-dark.svg"]
    assert all((tmp_path / name).read_text().startswith("<?xml") for name in names)


def test_the_same_result_gives_the_same_file(tmp_path):
    document = {"verb": "growth", "figures": {"chains": RESULT["chains"]}}
    drawings = pictures.drawings(document)
    first = [path.read_bytes() for path in style.save_all("growth", drawings, tmp_path)]
    assert first == [path.read_bytes() for path in style.save_all("growth", drawings, tmp_path)]
    assert first[0] != first[1]
