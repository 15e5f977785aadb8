from typing import Any

import numpy as np
import numpy.typing as npt

def arrow_array(obj: Any) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_] | None]: ...
