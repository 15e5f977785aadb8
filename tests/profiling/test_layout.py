"""The verb ``layout``: what it reads from memory is what the map says, a wrong offset is seen, and who finds leaks."""

import json
import mmap

import numpy as np
import pytest

from layout import file, memory, reached
from layout import run as layout
from pyhmap import HMap


def test_the_header_is_what_lies_in_memory():
    made = layout.header_fields()
    assert made["agree"]
    fields = {row["field"]: row["memory"] for row in made["rows"]}
    assert list(fields) == list(HMap(np.int64, np.int64).header()._fields)
    assert (fields["count"], fields["buckets"], fields["oldbuckets"]) == (1700, 512, 256)
    assert 0 < fields["nevacuate"] < 256


@pytest.mark.parametrize("case", layout.TYPES.values(), ids=layout.TYPES)
def test_a_planted_pair_lies_where_layout_says(case):
    assert layout.bucket_fields(*case)["agree"]


def test_a_wrong_offset_is_seen(monkeypatch):
    right = HMap.layout

    def shifted(self):
        return tuple(field._replace(offset=field.offset + 8 * field.name.startswith("key")) for field in right(self))

    monkeypatch.setattr(HMap, "layout", shifted)
    assert not layout.bucket_fields(*layout.TYPES["int64 to int64"])["agree"]


def test_a_bucket_of_8_byte_keys_and_values_takes_140_bytes():
    made = layout.bucket_fields(*layout.TYPES["int64 to int64"])
    assert made["bucket_bytes"] == 8 + 8 * 16 + 4
    assert made["rows"][0] == {"field": "tophash", "array": "tophash", "offset": 0, "size": 8}
    assert made["rows"][-1]["field"] == "overflow"


def test_the_parts_of_a_maps_memory_lie_end_to_end_in_one_block():
    """2^12 main rows and as many behind them: 8 slots of 16 + 16 bytes, 8 tophashes, a link of 4 bytes."""
    made, rows = memory.one_map(), 1 << 12
    assert made["one_block"]
    assert made["bucket_bytes"] == 2 * rows * (8 * 32 + 8 + 4)
    buckets = [part for part in made["parts"] if part["memory"] == "buckets"]
    assert [(part["part"], part["offset"]) for part in buckets if part["holds"] == memory.MAIN] == [
        ("slots", 0),
        ("tophash", 2 * rows * 256),
        ("links", 2 * rows * (256 + 8)),
    ]
    assert {part["bytes"] // size for part, size in zip(buckets[1::3], (256, 8, 4), strict=True)} == {
        memory.text_map().header().noverflow
    }
    texts = sum(part["bytes"] for part in made["parts"] if part["holds"] == memory.TEXTS)
    assert 0 <= texts - memory.KEYS * len("key number 0000000value number 0000000") < 5 * 38


@pytest.mark.parametrize(("blocks", "more"), [(1, 0), (0, 64)])
def test_memory_that_is_in_several_blocks_or_has_a_gap_is_seen(monkeypatch, blocks, more):
    start = memory.block_memory()
    m = memory.text_map()
    stop = memory.block_memory()
    readings = iter([start, (stop[0] + blocks, stop[1] + more)])
    monkeypatch.setattr(memory, "text_map", lambda: m)
    monkeypatch.setattr(memory, "block_memory", lambda: next(readings))
    assert not memory.one_map()["one_block"]


def test_a_link_leads_to_an_entry_step_by_step():
    made = memory.one_map()
    (link, tophash, key, key_text, value, value_text), parts = made["entry"]["steps"], made["parts"]
    assert made["entry"]["agree"]

    def holds(step):
        inside = [part for part in parts if part["memory"] == step["memory"]]
        (part,) = (part for part in inside if 0 <= step["offset"] - part["offset"] < part["bytes"])
        return part["part"], part["holds"]

    assert holds(link) == ("links", memory.MAIN)
    assert holds(tophash) == ("tophash", memory.OVERFLOW)
    assert holds(key) == holds(value) == ("slots", memory.OVERFLOW)
    assert holds(key_text) == holds(value_text) == ("texts", memory.TEXTS)
    assert value["offset"] - key["offset"] == 16
    row = int(tophash["step"].split()[-1])
    assert key["offset"] == row * 256
    assert key_text["step"].startswith("its text, 'key number ")


def test_an_array_goes_back_in_part_while_the_rest_is_in_use():
    made = memory.given_back()
    assert 0 < made["given_back"] < made["main_row_bytes"] == 2**14 * 128
    assert made["resident_of_given_back"] == 0 < made["resident_of_the_rest"]


def test_pages_in_memory_are_counted():
    pages = mmap.mmap(-1, 8 * mmap.PAGESIZE)
    for page in (0, 1, 2):
        pages[page * mmap.PAGESIZE] = 1
    start = np.frombuffer(pages, np.uint8).ctypes.data
    assert memory.resident(start, start + 8 * mmap.PAGESIZE) == 3 * mmap.PAGESIZE
    assert memory.resident(start + 1, start + 3 * mmap.PAGESIZE - 1) == mmap.PAGESIZE


def test_the_picture_is_to_scale():
    sizes = [("slots", memory.MAIN, 40), ("slots", memory.OVERFLOW, 20), ("links", memory.UNTOUCHED, 1)]
    parts = [{"memory": "buckets", "part": part, "holds": holds, "bytes": size} for part, holds, size in sizes]
    assert memory.bar(parts, 160) == "│" + 20 * "█" + 10 * "▒" + "│·│"


def test_keys_behind_links_are_missed_without_them():
    made = reached.links()
    assert made["in_main_buckets"] + made["by_links_only"] == made["reached_with_links"] == made["keys"]
    assert made["by_links_only"] > 1000


def test_the_free_list_shows_no_leak_and_the_walk_of_every_chain_all():
    rows = {row["planted"]: row for row in reached.planted()}
    assert [name for name, row in rows.items() if row["free_list"]] == ["a free row listed twice (no leak)"]
    assert [name for name, row in rows.items() if not row["every_chain"]] == [reached.NOTHING]
    said = {
        "a row off the free list": "is linked to 0 times",
        "a row off its chain": "is linked to 0 times",
        "a row off its chain, in a ring": "is reached from no main bucket",
    }
    assert list(said) == list(reached.LEAKS)
    for name, words in said.items():
        assert rows[name]["every_chain"] == f"buckets: overflow row {rows[name]['row']} {words}"
    assert rows["a row off the free list"]["keys"] == 0 < rows["a row off its chain"]["keys"]


def test_the_documents_table_names_what_each_checker_finds():
    rows = [{"planted": "a row off its chain", "keys": 2, "free_list": "", "every_chain": "row 9 is lost"}]
    assert reached.table(rows).splitlines() == [
        "| planted | keys in it | the free list alone | every chain |",
        "|---|---|---|---|",
        "| a row off its chain | 2 | nothing | row 9 is lost |",
    ]


def test_rows_leak_in_a_copy():
    m = HMap(np.int64, np.int64, {1: 2}, seed=1)
    raw = reached.copied(m)
    raw.now.tophash[:], raw.now.slots["value"][:] = 0, 9
    m.check()
    assert m[1] == 2


def made_file(path, sections, *, metadata=None):
    """A file in the safetensors format, made by hand: sections of zeros, with their first and last bytes."""
    header = {name: {"dtype": "U8", "shape": [b - a], "data_offsets": [a, b]} for name, (a, b) in sections.items()}
    text = json.dumps(header | ({"__metadata__": metadata} if metadata else {})).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(max(b for _, b in sections.values())))
    return 8 + len(text)


def test_the_sections_of_a_file_are_listed_in_their_order(tmp_path):
    path = tmp_path / "made.pyhmap"
    begin = made_file(path, {"texts": (96, 100), "entries": (0, 64), "pad.0": (64, 96)}, metadata={"count": "4"})
    rows = file.file_layout(path)
    assert [(row["section"], row["offset"], row["bytes"]) for row in rows] == [
        ("header", 0, begin),
        ("entries", begin, 64),
        ("pad.0", begin + 64, 32),
        ("texts", begin + 96, 4),
    ]
    assert sum(row["share"] for row in rows) == pytest.approx(1)
    assert rows[1]["share"] == 64 / (begin + 100)


def test_a_saved_map_lies_in_its_file_row_by_row_and_text_by_text(tmp_path):
    """Rows of a key and a value of 16 bytes each, and each key's text of 18 bytes before its value's of 20."""
    made = file.saved_map(tmp_path)
    assert list(tmp_path.iterdir()) == []
    sections = {section["section"]: section for section in made["sections"]}
    assert made["agree"]
    assert sections["entries"]["bytes"] == memory.KEYS * 32
    assert sections["texts"]["bytes"] == memory.KEYS * (18 + 20)
    assert sum(section["bytes"] for section in sections.values()) == made["bytes"]
    key, key_text, value, value_text = (step["offset"] for step in made["steps"])
    assert (key, value) == (sections["entries"]["offset"], sections["entries"]["offset"] + 16)
    assert (key_text, value_text) == (sections["texts"]["offset"], sections["texts"]["offset"] + 18)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "a header of 0 bytes in a file of 0"),
        ((99).to_bytes(8, "little") + b"{}", "a header of 99 bytes in a file of 10"),
        ((2).to_bytes(8, "little") + b"{!", "the header is no JSON"),
    ],
)
def test_what_is_no_such_file_is_refused_by_name(tmp_path, data, said):
    path = tmp_path / "other.pyhmap"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=rf"other\.pyhmap: {said}.*give a \.pyhmap file"):
        file.file_layout(path)


def test_the_verdicts_on_section_2_4_follow_from_the_figures(tmp_path):
    def said():
        return [verdict for *_, verdict in layout.verdicts(figures)][2:]

    layout.run(quick=True, out=tmp_path)
    figures = json.loads((tmp_path / "layout.json").read_text())["figures"]
    assert said() == ["reproduced", "not reproduced", "reproduced"]
    figures["planted"][1]["free_list"] = "buckets: free row 4140 holds keys"
    figures["given_back"]["resident_of_given_back"] = 4096
    figures["memory"]["one_block"] = False
    assert said() == ["not reproduced", "reproduced", "not reproduced"]


def test_the_verb_writes_and_prints(tmp_path, capsys):
    assert layout.run(quick=True, out=tmp_path) == ""
    document = json.loads((tmp_path / "layout.json").read_text())
    assert document["figures"]["neighbours"]["modulo_line"] == {"tophash": 0, "slots": 0, "overflow": 0}
    printed = " ".join(capsys.readouterr().out.split())
    assert "header() agrees with the memory" in printed
    assert "NOT" not in printed
