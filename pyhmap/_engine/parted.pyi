# One map over the frozen maps of many partitions; see parted.pyx. The class is generic for type checkers only.

from types import GenericAlias
from typing import Any, Generic, TypeVar, overload

import numpy as np
import numpy.typing as npt
from typing_extensions import disjoint_base

from pyhmap._convert.codec import Many
from pyhmap._engine.threads import Threads
from pyhmap._engine.typed import TypedMap

_K = TypeVar("_K")
_V = TypeVar("_V")
_T = TypeVar("_T")

MOST_PARTITIONS: int
PARTITION_KEY: tuple[int, int, int, int]

def use_partition_key(map: TypedMap) -> None: ...

@disjoint_base
class PartedEngine(TypedMap, Generic[_K, _V]):
    @classmethod
    def __class_getitem__(cls, item: Any, /) -> GenericAlias: ...
    @property
    def _partitions(self) -> int: ...
    def _begin(self, key: Any, value: Any, partitions: int) -> None: ...
    def __getitem__(self, key: _K, /) -> _V: ...
    def __contains__(self, key: object, /) -> bool: ...
    @overload
    def get(self, key: _K, default: None = None, /) -> _V | None: ...
    @overload
    def get(self, key: _K, default: _V, /) -> _V: ...
    @overload
    def get(self, key: _K, default: _T, /) -> _V | _T: ...
    def partitions_of(self, keys: Many[_K]) -> npt.NDArray[np.uint16]: ...
    def get_many(
        self,
        keys: Many[_K],
        default: Many[_V] | _V | np.generic = ...,
        *,
        out: npt.NDArray[Any] | None = None,
        threads: Threads = 1,
    ) -> npt.NDArray[Any]: ...
    def lookup_many(self, keys: Many[_K], *, threads: Threads = 1) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool]]: ...
    def contains_many(self, keys: Many[_K], *, threads: Threads = 1) -> npt.NDArray[np.bool]: ...
