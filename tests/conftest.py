"""The one fixture that makes a test run over both engines of the map. Imports pyhmap only."""

import pytest

from pyhmap import HMap
from pyhmap._pure import PureHMap


@pytest.fixture(params=[HMap, PureHMap], ids=["compiled", "twin"])
def hmap_type(request: pytest.FixtureRequest) -> type:
    """The compiled map and its plain-Python twin, one after the other."""
    return request.param
