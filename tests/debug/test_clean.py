"""Clean programs stay clean: each 50 times, in one process of its own."""

import programs
import pytest

pytestmark = [
    pytest.mark.release_only,  # hundreds of programs that write: minutes where writes are checked
    pytest.mark.timeout(900),
]


@pytest.mark.parametrize("name", programs.CLEAN)
def test_no_false_alarm_in_50_runs(diagnose, name):
    found = diagnose(name, "50")
    assert [one["name"] for one in found] == [name] * 50
    alarms = [one["page"] for one in found if one["verdict"] != "clean"]
    assert not alarms, alarms[0]
    # A clean page points nowhere.
    assert all(one["lines"] == one["types"] == one["referrers"] == [] for one in found)
    assert all(not one["is_leak"] for one in found)
