# HMap as a type checker sees it: generic in its key and value types, which it infers from the constructor's arguments.
# The methods have their types in _engine/map.pyi and _mapping/mapping.py.

import os
from collections.abc import Iterable, Mapping
from typing import Any, Protocol, TypeAlias, TypeVar, overload

import numpy as np

from pyhmap._engine.map import HMapEngine
from pyhmap._engine.threads import Threads
from pyhmap._mapping.mapping import MapMethods
from pyhmap._mapping.reading import ReadMethods
from pyhmap.frozen import FrozenMap, Progress

_K = TypeVar("_K")
_V = TypeVar("_V")
_S_co = TypeVar("_S_co", covariant=True)
# Types whose objects a map returns as they are. NumPy's other scalars become Python's, as item() makes them.
_PK = TypeVar("_PK", bool, int, float, str, bytes, np.datetime64, np.timedelta64)
_PV = TypeVar("_PV", bool, int, float, complex, str, bytes, np.datetime64, np.timedelta64)

class _DType(Protocol[_S_co]):  # np.dtype("M8[s]"), of type np.dtype[np.datetime64], is one of np.datetime64
    @property
    def type(self) -> type[_S_co]: ...

_Plain: TypeAlias = type[_S_co] | _DType[_S_co]
_Scalar: TypeAlias = type[np.generic[_S_co]] | np.dtype[np.generic[_S_co]]  # np.int64 gives int
_Spec: TypeAlias = Any  # what np.dtype takes beside these, and object
_Items: TypeAlias = Mapping[_K, _V] | Iterable[tuple[_K, _V]] | None

class HMap(HMapEngine[_K, _V], MapMethods[_K, _V]):
    # An overload for a map alone, and one for each pair of a key type and a value type, each of which is plain, another
    # scalar, or anything.
    # fmt: off
    @overload
    def __init__(self: HMap[_K, _V], key: ReadMethods[_K, _V], /, *,
                 capacity: int = 0, hash: str | None = None, seed: int | None = None, hash_cache: object = None,
                 ) -> None: ...
    @overload
    def __init__(self: HMap[_PK, _PV], key: _Plain[_PK], value: _Plain[_PV], items: _Items[_PK, _PV] = None, /, *,
                 capacity: int = 0, hash: str | None = None, seed: int | None = None, hash_cache: object = None,
                 ) -> None: ...
    @overload
    def __init__(self: HMap[_PK, _V], key: _Plain[_PK], value: _Scalar[_V], items: _Items[_PK, _V] = None, /, *,
                 capacity: int = 0, hash: str | None = None, seed: int | None = None, hash_cache: object = None,
                 ) -> None: ...
    @overload
    def __init__(self: HMap[_PK, Any], key: _Plain[_PK], value: _Spec, items: _Items[_PK, Any] = None, /, *,
                 capacity: int = 0, hash: str | None = None, seed: int | None = None, hash_cache: object = None,
                 ) -> None: ...
    @overload
    def __init__(self: HMap[_K, _PV], key: _Scalar[_K], value: _Plain[_PV], items: _Items[_K, _PV] = None, /, *,
                 capacity: int = 0, hash: str | None = None, seed: int | None = None, hash_cache: object = None,
                 ) -> None: ...
    @overload
    def __init__(self: HMap[_K, _V], key: _Scalar[_K], value: _Scalar[_V], items: _Items[_K, _V] = None, /, *,
                 capacity: int = 0, hash: str | None = None, seed: int | None = None, hash_cache: object = None,
                 ) -> None: ...
    @overload
    def __init__(self: HMap[_K, Any], key: _Scalar[_K], value: _Spec, items: _Items[_K, Any] = None, /, *,
                 capacity: int = 0, hash: str | None = None, seed: int | None = None, hash_cache: object = None,
                 ) -> None: ...
    @overload
    def __init__(self: HMap[Any, _PV], key: _Spec, value: _Plain[_PV], items: _Items[Any, _PV] = None, /, *,
                 capacity: int = 0, hash: str | None = None, seed: int | None = None, hash_cache: object = None,
                 ) -> None: ...
    @overload
    def __init__(self: HMap[Any, _V], key: _Spec, value: _Scalar[_V], items: _Items[Any, _V] = None, /, *,
                 capacity: int = 0, hash: str | None = None, seed: int | None = None, hash_cache: object = None,
                 ) -> None: ...
    @overload
    def __init__(self: HMap[Any, Any], key: _Spec, value: _Spec, items: _Items[Any, Any] = None, /, *,
                 capacity: int = 0, hash: str | None = None, seed: int | None = None, hash_cache: object = None,
                 ) -> None: ...
    # fmt: on
    @classmethod
    @overload
    def fromkeys(cls, keys: Iterable[_K], value: None = None, /) -> HMap[_K, Any]: ...
    @classmethod
    @overload
    def fromkeys(cls, keys: Iterable[_K], value: _V, /) -> HMap[_K, _V]: ...
    def freeze(
        self, *, seed: int | None = None, threads: Threads = 1, progress: Progress | None = None
    ) -> FrozenMap[_K, _V]: ...
    def save(self, path: str | os.PathLike[str], *, threads: Threads = 1, progress: Progress | None = None) -> None: ...
