from typing import Any

import numpy as np
import numpy.typing as npt

def is_arrow(obj: object) -> bool: ...
def arrow_array(obj: Any) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_] | None]: ...
