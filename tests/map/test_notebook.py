"""What a notebook shows of a map: its table says what the other methods say, and its picture what the buckets hold."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest

import pyhmap
from pyhmap import ExpiringMap, ExpiringSet, HIndex, HMap, HSet


def shown(thing):
    """The title, the lines of the table, and the filled cells of each column of the picture, from the bottom up."""
    page = ElementTree.fromstring(thing._repr_html_())
    lines = {row.find("th").text: row.find("td").text for row in page.iter("tr")}
    columns = {}
    for cell in page.iter("rect"):
        filled = columns.setdefault(int(cell.get("x")), [])
        if cell.get("opacity") == "1":
            filled.append(int(cell.get("y")))
    assert all(sorted(filled)[::-1] == filled for filled in columns.values())
    return page.find("code").text, lines, [len(columns[x]) for x in sorted(columns)]


def test_the_table_of_a_map_says_what_its_methods_say(hmap_type):
    m = hmap_type(np.int64, np.float64, dict.fromkeys(range(100), 0.5))
    m.finish_growth()
    title, lines, _ = shown(m)
    header = m.header()
    assert title == f"{hmap_type.__name__}(int64, float64)"
    assert lines["keys"] == "100"
    assert lines["memory"] == f"{m.nbytes:,} bytes, {m.nbytes / 100:.1f} per key"
    assert lines["buckets"].split()[0] == str(header.buckets)
    assert lines["load"] == f"{100 / header.buckets:.2f} keys per bucket"
    assert "growing" not in lines


def test_the_picture_has_a_filled_cell_for_each_full_slot(hmap_type):
    m = hmap_type(np.int64, np.int64, {i: i for i in range(40)})
    m.finish_growth()
    m.pop(7)
    assert shown(m)[2] == m.occupancy().full[: m.header().buckets].tolist()


def test_many_buckets_are_drawn_by_64_of_them_at_equal_distances():
    m = HMap(np.int64, np.int64)
    m.set_many(np.arange(10_000), 0)
    m.finish_growth()
    buckets = m.header().buckets
    assert buckets > 64
    assert shown(m)[2] == m.occupancy().full[: buckets : buckets // 64].tolist()
    assert f"64 of {buckets:,} buckets" in m._repr_html_()


def test_a_growing_map_says_how_far_it_is(hmap_type):
    m = hmap_type(np.int64, np.int64, {i: i for i in range(105)}, seed=1)
    header = m.header()
    evacuated = m.occupancy().evacuated.sum()
    assert evacuated > header.nevacuate  # some lie above the mark
    assert shown(m)[1]["growing"] == f"{evacuated} of {header.oldbuckets} old buckets evacuated"


def test_overflow_buckets_are_counted(hmap_type):
    m = hmap_type(np.int64, np.int64, {i: i for i in range(6_000)})
    m.finish_growth()
    assert f" {m.header().noverflow} overflow" in shown(m)[1]["buckets"]


def test_an_empty_map_has_no_bytes_per_key(hmap_type):
    m = hmap_type(str, object)
    assert shown(m)[1]["memory"] == f"{m.nbytes} bytes"
    assert shown(m)[2] == [0]


def test_types_are_text_and_no_markup():
    m = HMap([("<b>", "i4")], np.int64)
    title = shown(m)[0]
    assert "<b>" in title
    assert "<b>" not in m._repr_html_()


@pytest.mark.parametrize("make", [HSet, HIndex], ids=["set", "index"])
def test_sets_and_indexes(make):
    thing = make(np.int64, range(50))
    for one in (thing, thing.freeze()):
        title, lines, _ = shown(one)
        assert title == f"{type(one).__name__}(int64)"
        assert lines["keys"] == "50"
        assert lines["memory"].startswith(f"{one.nbytes:,} bytes")


def test_a_frozen_map_has_no_buckets_and_a_closed_one_shows_its_repr():
    f = HMap(np.int64, np.int64, {1: 2}).freeze()
    title, lines, picture = shown(f)
    assert (title, list(lines), picture) == ("FrozenMap(int64, int64)", ["keys", "memory"], [])
    f.close()
    assert f._repr_html_() is None


def test_sets_and_indexes_of_a_file_that_is_closed_show_their_repr(tmp_path):
    for kind in (HSet, HIndex):
        kind(np.int64, [1]).save(tmp_path / "a.pyhmap")
        opened = pyhmap.open(tmp_path / "a.pyhmap")
        opened.close()
        assert opened._repr_html_() is None


def test_a_dataset_says_where_it_is(tmp_path):
    pyhmap.build_dataset([([1, 2, 3], [4, 5, 6])], tmp_path / "set", partitions=2)
    d = pyhmap.open_dataset(tmp_path / "set")
    title, lines, _ = shown(d)
    assert title == "Dataset(int64, int64)"
    assert lines == {"keys": "3", "parts": "2", "folder": d.folder}
    d.close()
    assert d._repr_html_() is None


def test_expiring_sets_and_maps():
    s = ExpiringSet(np.int64, 60)
    s.add_many([1, 2, 3])
    title, lines, _ = shown(s)
    assert title == "ExpiringSet(int64)"
    assert lines["keys"] == "3"
    assert re.match(rf"60(\.0)?, in {s.parts} parts", lines["window"])
    assert shown(ExpiringMap(np.int64, np.int64, 60))[0] == "ExpiringMap(int64, int64)"


def test_a_nil_map_is_an_empty_one():
    assert shown(pyhmap.nil(np.int64, np.int64))[1]["keys"] == "0"
