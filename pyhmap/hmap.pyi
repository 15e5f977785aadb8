# HMap as a type checker sees it: generic in its key and value types, which the constructor finds from the types given.
# At run time HMap is the compiled engine (_engine/map.pyx) with the dict surface (_mapping/mapping.py).

from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, MutableMapping, ValuesView
from typing import Any, Self, TypeAlias, TypeVar, overload

import numpy as np

from pyhmap import introspect
from pyhmap._engine.map import HMapEngine

_K = TypeVar("_K")
_V = TypeVar("_V")
_T = TypeVar("_T")
_MK = TypeVar("_MK", np.datetime64, np.timedelta64)
_MV = TypeVar("_MV", np.datetime64, np.timedelta64)
_PK = TypeVar("_PK", bool, int, float, str, bytes)
_PV = TypeVar("_PV", bool, int, float, complex, str, bytes)
_S = TypeVar("_S")
_G = TypeVar("_G", bound=np.generic)

_Time: TypeAlias = type[_G] | np.dtype[_G]  # times stay NumPy's
_Scalar: TypeAlias = type[np.generic[_S]] | np.dtype[np.generic[_S]]  # np.int64 gives int, as item() does
_Python: TypeAlias = type[_S]
_Spec: TypeAlias = Any  # what np.dtype takes beside these, and object
_Items: TypeAlias = Mapping[_K, _V] | Iterable[tuple[_K, _V]]

# The engine's methods are typed without K and V; the ones below say the same with them.
class HMap(HMapEngine, MutableMapping[_K, _V]):
    # An overload for each kind of key type and of value type: NumPy's times, its other scalars, Python's types, others.
    @overload
    def __init__(
        self: HMap[_MK, _MV],
        key: _Time[_MK],
        value: _Time[_MV],
        items: _Items[_MK, _MV] | None = None,
        /,
        *,
        capacity: int = 0,
        hash: str | None = None,
        seed: int | None = None,
        hash_cache: object = None,
    ) -> None: ...
    @overload
    def __init__(
        self: HMap[_MK, _V],
        key: _Time[_MK],
        value: _Scalar[_V],
        items: _Items[_MK, _V] | None = None,
        /,
        *,
        capacity: int = 0,
        hash: str | None = None,
        seed: int | None = None,
        hash_cache: object = None,
    ) -> None: ...
    @overload
    def __init__(
        self: HMap[_MK, _PV],
        key: _Time[_MK],
        value: _Python[_PV],
        items: _Items[_MK, _PV] | None = None,
        /,
        *,
        capacity: int = 0,
        hash: str | None = None,
        seed: int | None = None,
        hash_cache: object = None,
    ) -> None: ...
    @overload
    def __init__(
        self: HMap[_MK, Any],
        key: _Time[_MK],
        value: _Spec,
        items: _Items[_MK, Any] | None = None,
        /,
        *,
        capacity: int = 0,
        hash: str | None = None,
        seed: int | None = None,
        hash_cache: object = None,
    ) -> None: ...
    @overload
    def __init__(
        self: HMap[_K, _MV],
        key: _Scalar[_K],
        value: _Time[_MV],
        items: _Items[_K, _MV] | None = None,
        /,
        *,
        capacity: int = 0,
        hash: str | None = None,
        seed: int | None = None,
        hash_cache: object = None,
    ) -> None: ...
    @overload
    def __init__(
        self: HMap[_K, _V],
        key: _Scalar[_K],
        value: _Scalar[_V],
        items: _Items[_K, _V] | None = None,
        /,
        *,
        capacity: int = 0,
        hash: str | None = None,
        seed: int | None = None,
        hash_cache: object = None,
    ) -> None: ...
    @overload
    def __init__(
        self: HMap[_K, _PV],
        key: _Scalar[_K],
        value: _Python[_PV],
        items: _Items[_K, _PV] | None = None,
        /,
        *,
        capacity: int = 0,
        hash: str | None = None,
        seed: int | None = None,
        hash_cache: object = None,
    ) -> None: ...
    @overload
    def __init__(
        self: HMap[_K, Any],
        key: _Scalar[_K],
        value: _Spec,
        items: _Items[_K, Any] | None = None,
        /,
        *,
        capacity: int = 0,
        hash: str | None = None,
        seed: int | None = None,
        hash_cache: object = None,
    ) -> None: ...
    @overload
    def __init__(
        self: HMap[_PK, _MV],
        key: _Python[_PK],
        value: _Time[_MV],
        items: _Items[_PK, _MV] | None = None,
        /,
        *,
        capacity: int = 0,
        hash: str | None = None,
        seed: int | None = None,
        hash_cache: object = None,
    ) -> None: ...
    @overload
    def __init__(
        self: HMap[_PK, _V],
        key: _Python[_PK],
        value: _Scalar[_V],
        items: _Items[_PK, _V] | None = None,
        /,
        *,
        capacity: int = 0,
        hash: str | None = None,
        seed: int | None = None,
        hash_cache: object = None,
    ) -> None: ...
    @overload
    def __init__(
        self: HMap[_PK, _PV],
        key: _Python[_PK],
        value: _Python[_PV],
        items: _Items[_PK, _PV] | None = None,
        /,
        *,
        capacity: int = 0,
        hash: str | None = None,
        seed: int | None = None,
        hash_cache: object = None,
    ) -> None: ...
    @overload
    def __init__(
        self: HMap[_PK, Any],
        key: _Python[_PK],
        value: _Spec,
        items: _Items[_PK, Any] | None = None,
        /,
        *,
        capacity: int = 0,
        hash: str | None = None,
        seed: int | None = None,
        hash_cache: object = None,
    ) -> None: ...
    @overload
    def __init__(
        self: HMap[Any, _MV],
        key: _Spec,
        value: _Time[_MV],
        items: _Items[Any, _MV] | None = None,
        /,
        *,
        capacity: int = 0,
        hash: str | None = None,
        seed: int | None = None,
        hash_cache: object = None,
    ) -> None: ...
    @overload
    def __init__(
        self: HMap[Any, _V],
        key: _Spec,
        value: _Scalar[_V],
        items: _Items[Any, _V] | None = None,
        /,
        *,
        capacity: int = 0,
        hash: str | None = None,
        seed: int | None = None,
        hash_cache: object = None,
    ) -> None: ...
    @overload
    def __init__(
        self: HMap[Any, _PV],
        key: _Spec,
        value: _Python[_PV],
        items: _Items[Any, _PV] | None = None,
        /,
        *,
        capacity: int = 0,
        hash: str | None = None,
        seed: int | None = None,
        hash_cache: object = None,
    ) -> None: ...
    @overload
    def __init__(
        self: HMap[Any, Any],
        key: _Spec,
        value: _Spec,
        items: _Items[Any, Any] | None = None,
        /,
        *,
        capacity: int = 0,
        hash: str | None = None,
        seed: int | None = None,
        hash_cache: object = None,
    ) -> None: ...
    @classmethod
    def from_arrays(
        cls, keys: Any, values: Any, *, capacity: int = 0, hash: str | None = None, seed: int | None = None
    ) -> Self: ...
    @classmethod
    @overload
    def fromkeys(cls, keys: Iterable[_K], value: None = None, /) -> HMap[_K, Any]: ...
    @classmethod
    @overload
    def fromkeys(cls, keys: Iterable[_K], value: _V, /) -> HMap[_K, _V]: ...
    def copy(self) -> Self: ...
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[_K]: ...
    def __contains__(self, key: object, /) -> bool: ...
    def __getitem__(self, key: _K, /) -> _V: ...
    def __setitem__(self, key: _K, value: _V, /) -> None: ...
    def __delitem__(self, key: _K, /) -> None: ...
    @overload
    def get(self, key: _K, default: None = None, /) -> _V | None: ...
    @overload
    def get(self, key: _K, default: _V, /) -> _V: ...
    @overload
    def get(self, key: _K, default: _T, /) -> _V | _T: ...
    def setdefault(self, key: _K, default: _V = ..., /) -> _V: ...
    @overload
    def pop(self, key: _K, /) -> _V: ...
    @overload
    def pop(self, key: _K, default: _V, /) -> _V: ...
    @overload
    def pop(self, key: _K, default: _T, /) -> _V | _T: ...
    def popitem(self) -> tuple[_K, _V]: ...
    def clear(self) -> None: ...
    def keys(self) -> KeysView[_K]: ...
    def values(self) -> ValuesView[_V]: ...
    def items(self) -> ItemsView[_K, _V]: ...
    def __or__(self, other: Mapping[_K, _V]) -> Self: ...
    def __ror__(self, other: Mapping[_K, _V]) -> Self: ...
    def __ior__(self, other: _Items[_K, _V]) -> Self: ...
    def __eq__(self, other: object) -> bool: ...
    def header(self) -> introspect.Header: ...
    def stats(self) -> introspect.Stats: ...
    def layout(self) -> tuple[introspect.FieldLayout, ...]: ...
    def bucket_arrays(self) -> introspect.BucketArrays: ...
    def check(self) -> None: ...
    @property
    def nbytes(self) -> int: ...
