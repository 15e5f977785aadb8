# What every compiled map has; see typed.pyx.

from typing import Any

import numpy as np
from typing_extensions import disjoint_base

from pyhmap._convert.codec import Codec

def map_counts() -> tuple[int, int]: ...

@disjoint_base
class StoredType: ...

@disjoint_base
class TypedMap:
    _key_codec: Codec
    _value_codec: Codec
    def _hold_as(self, holder: str) -> None: ...
    @property
    def key_dtype(self) -> np.dtype[Any] | type: ...
    @property
    def value_dtype(self) -> np.dtype[Any] | type: ...
