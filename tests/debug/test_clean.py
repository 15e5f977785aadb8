"""Clean programs stay clean: each 50 times, in one process."""

from collections import Counter

import programs
import pytest

pytestmark = pytest.mark.release_only  # 350 diagnoses of programs that write to maps: minutes where writes are checked


def test_no_false_alarm_in_50_runs(clean):
    assert Counter(one["name"] for one in clean) == dict.fromkeys(programs.CLEAN, 50)
    alarms = [one["page"] for one in clean if one["verdict"] != "clean"]
    assert not alarms, alarms[0]


def test_a_clean_page_points_nowhere(clean):
    assert all(one["lines"] == one["types"] == one["referrers"] == [] for one in clean)
    assert all(not one["is_leak"] for one in clean)
