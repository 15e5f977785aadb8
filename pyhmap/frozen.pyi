# FrozenMap as a type checker sees it: generic in its key and value types. See frozen.py.

import os
from collections.abc import Callable
from typing import Any, Literal, Self, TypeAlias, TypeVar

from pyhmap._convert.codec import Many
from pyhmap._engine.frozen import FrozenEngine
from pyhmap._engine.threads import Threads
from pyhmap._mapping.reading import ReadMethods

_K = TypeVar("_K")
_V = TypeVar("_V")

Progress: TypeAlias = Callable[[float], object]

class FrozenMap(FrozenEngine[_K, _V], ReadMethods[_K, _V]):
    def __init__(self, *args: object, **kwargs: object) -> None: ...
    @classmethod
    def from_arrays(
        cls,
        keys: Many[Any],
        values: Many[Any],
        *,
        on_duplicate: Literal["raise", "last"] = "raise",
        seed: int | None = None,
        threads: Threads = 1,
        progress: Progress | None = None,
    ) -> Self: ...
    @classmethod
    def _empty(cls, key: Any, value: Any, seed: int | None) -> Self: ...
    def save(self, path: str | os.PathLike[str], *, progress: Progress | None = None) -> None: ...
    def __repr__(self) -> str: ...
    def copy(self) -> Self: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, memo: dict[int, Any]) -> Self: ...
    def __reduce__(self) -> tuple[Any, ...]: ...
    def __hash__(self) -> int: ...
    def check(self) -> None: ...

def halves(progress: Progress | None) -> tuple[Progress | None, Progress | None]: ...
def restored_frozen_map(
    cls: Any, key: Any, value: Any, seed: int | None, hash_key: Any, shape: Any, *sections: Any
) -> Any: ...
