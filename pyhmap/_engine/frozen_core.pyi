# The core of a frozen map; see frozen_core.pyx.

from typing import Any

import numpy as np
import numpy.typing as npt
from typing_extensions import disjoint_base

from pyhmap._engine.typed import TypedMap

@disjoint_base
class FrozenCore(TypedMap):
    _hash: int | None
    def _begin(self, key: Any, value: Any, seed: int | None) -> None: ...
    @property
    def _settings(self) -> dict[str, Any]: ...
    @property
    def nbytes(self) -> int: ...
    def __len__(self) -> int: ...
    def __sizeof__(self) -> int: ...
    def _sizes(self) -> dict[str, int]: ...
    def _sections(self) -> tuple[Any, ...]: ...
    def _restore(
        self,
        hash_key: tuple[int, ...],
        shape: tuple[int, ...],
        remap: npt.NDArray[np.uint32],
        pilots: npt.NDArray[np.uint8],
        entries: npt.NDArray[np.uint8],
        texts: npt.NDArray[np.uint8],
    ) -> None: ...
