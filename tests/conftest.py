"""The fixture that runs a test over both engines of the map, and the profiles of Hypothesis."""

import hypothesis
import pytest

from pyhmap import HMap
from pyhmap._reference.engine import ReferenceMap

# A deadline for each example is a timed test: on a busy machine it fails for nothing.
hypothesis.settings.register_profile("default", deadline=None)
# `make check` chooses this one, by --hypothesis-profile.
hypothesis.settings.register_profile("short", deadline=None, max_examples=5)
hypothesis.settings.load_profile("default")


@pytest.fixture(params=[HMap, pytest.param(ReferenceMap, marks=pytest.mark.reference)], ids=["compiled", "reference"])
def hmap_type(request: pytest.FixtureRequest) -> type:
    """The compiled map and the plain-Python reference, one after the other."""
    return request.param
