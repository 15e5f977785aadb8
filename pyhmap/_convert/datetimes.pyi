import datetime
from collections.abc import Sequence
from typing import Any

import numpy.typing as npt

def moments(items: Sequence[datetime.datetime]) -> npt.NDArray[Any] | None: ...
def durations(items: Sequence[datetime.timedelta]) -> npt.NDArray[Any] | None: ...
