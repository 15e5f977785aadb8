"""Clean programs stay clean: each 50 times, in one process of its own; 10 times in the short form."""

import programs
import pytest

pytestmark = [
    pytest.mark.release_only,  # hundreds of programs that write: minutes where writes are checked
    pytest.mark.timeout(900),
]


@pytest.mark.parametrize("name", programs.CLEAN)
def test_no_false_alarm_in_many_runs(diagnose, name, in_short_form):
    runs = 10 if in_short_form else 50
    found = diagnose(name, str(runs))
    assert [one["name"] for one in found] == [name] * runs
    alarms = [one["page"] for one in found if one["verdict"] != "clean"]
    assert not alarms, alarms[0]
    # A clean page points nowhere.
    assert all(one["lines"] == one["types"] == one["referrers"] == [] for one in found)
    assert all(not one["is_leak"] for one in found)
