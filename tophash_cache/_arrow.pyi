"""Types of the compiled module `_arrow`; its docstrings are in the `.pyx`."""

import numpy as np
from numpy.typing import NDArray

def hash_arrow(keys: object) -> NDArray[np.uint64] | None: ...
