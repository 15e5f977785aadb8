# The compiled engine; see _core.pyx.

from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from pyhmap._codecs import Codec
from pyhmap.introspect import RawTable

class HMapCore:
    _key_codec: Codec
    _value_codec: Codec
    def __init__(
        self,
        key: Any,
        value: Any,
        items: Any = None,
        /,
        *,
        capacity: int = 0,
        hash: str | None = None,
        seed: int | None = None,
    ) -> None: ...
    @property
    def key_dtype(self) -> np.dtype[Any] | type: ...
    @property
    def value_dtype(self) -> np.dtype[Any] | type: ...
    @property
    def _settings(self) -> dict[str, Any]: ...
    def __len__(self) -> int: ...
    def clear(self) -> None: ...
    def reserve(self, n: int, /) -> None: ...
    def finish_growth(self) -> None: ...
    def _state(self) -> RawTable: ...
    def _frozen(self) -> AbstractContextManager[None]: ...
