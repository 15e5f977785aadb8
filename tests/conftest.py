"""The one fixture that makes a test run over both engines of the map, and Hypothesis without a clock."""

import hypothesis
import pytest

from pyhmap import HMap
from pyhmap._reference.engine import ReferenceMap

# A deadline for each example is a timed test: on a busy machine it fails for nothing.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


@pytest.fixture(params=[HMap, ReferenceMap], ids=["compiled", "reference"])
def hmap_type(request: pytest.FixtureRequest) -> type:
    """The compiled map and the plain-Python reference, one after the other."""
    return request.param
