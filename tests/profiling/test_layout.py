"""The verb ``layout``: what it reads from memory is what the map says, and a wrong offset would be seen."""

import json

import numpy as np
import pytest

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


def test_keys_behind_links_are_missed_without_them():
    made = layout.links()
    assert made["in_main_buckets"] + made["by_links_only"] == made["reached_with_links"] == made["keys"]
    assert made["by_links_only"] > 1000


def test_the_verb_writes_and_prints(tmp_path, capsys):
    assert layout.run(quick=True, out=tmp_path) == ""
    document = json.loads((tmp_path / "layout.json").read_text())
    assert document["figures"]["neighbours"]["modulo_line"] == {"tophash": 0, "slots": 0, "overflow": 0}
    printed = " ".join(capsys.readouterr().out.split())
    assert "header() agrees with the memory" in printed
    assert "NOT" not in printed
