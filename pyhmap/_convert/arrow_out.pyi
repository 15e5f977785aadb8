from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from typing_extensions import disjoint_base

@disjoint_base
class Exported:
    def __init__(
        self,
        name: str,
        format: str,
        n: int,
        buffers: Sequence[npt.NDArray[np.uint8] | None],
        children: Sequence[Exported] = (),
        nulls: int = 0,
    ) -> None: ...
    def __len__(self) -> int: ...
    def mask(self, valid: npt.NDArray[np.uint8], nulls: int) -> None: ...

def array_capsules(column: Exported) -> tuple[object, object]: ...
def stream_capsule(table: Exported) -> object: ...
