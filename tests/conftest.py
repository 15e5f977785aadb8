"""The fixture that runs a test over both engines of the map, and the settings of Hypothesis."""

import hypothesis
import pytest

from pyhmap import HMap
from pyhmap._reference.engine import ReferenceMap

# No deadline per example: on a busy machine it would fail without reason.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


@pytest.fixture(params=[HMap, ReferenceMap], ids=["compiled", "reference"])
def hmap_type(request: pytest.FixtureRequest) -> type:
    """The compiled map, then the reference."""
    return request.param
