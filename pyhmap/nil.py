"""Go's nil map.

``var m map[string]int`` in Go is a map that can be read, as if it were empty, and not be written.
"""

from __future__ import annotations

from typing import Any, NoReturn, Self

import numpy.typing as npt

from pyhmap.errors import NilMapError
from pyhmap.hmap import HMap


def nil(key: Any, value: Any) -> HMap[Any, Any]:
    """Go's nil map: it has no keys, reads give the zero value of the value type, and every write raises.

    Parameters
    ----------
    key, value
        The types, as :class:`HMap` takes them. Keys that the type cannot hold are refused as by any map.

    The zero value is 0, ``""``, ``b""``, False, a record or array of zeros, the time 0, or None. ``m[key]``, ``get``,
    ``get_many`` and ``lookup_many`` give it; a default given to them is used instead. Writes, also those that would
    change nothing, raise :class:`NilMapError`. Merging with ``|`` makes an ordinary map.

    Examples
    --------
    >>> import numpy as np
    >>> import pyhmap
    >>> m = pyhmap.nil(str, np.int64)
    >>> m["a"], len(m), "a" in m, m.get_many(["a", "b"])
    (0, 0, False, array([0, 0]))
    >>> m["a"] = 1
    Traceback (most recent call last):
    pyhmap.errors.NilMapError: a nil map cannot be written: make one with HMap(str, int64)
    """
    return NilMap(key, value)


class NilMap(HMap[Any, Any]):
    """What :func:`nil` makes: an empty map that stays empty."""

    __slots__ = ()

    def __getitem__(self, key: Any) -> Any:
        return self.get(key)

    def get(self, key: Any, default: Any = ..., /) -> Any:
        """``default``, or the zero value."""
        return super().get(key, self._value_codec.zero() if default is ... else default)

    def get_many(self, keys: Any, default: Any = ..., *, out: Any = None, threads: int = 1) -> npt.NDArray[Any]:
        """``default`` or the zero value for each key."""
        default = self._value_codec.zero() if default is ... else default
        return super().get_many(keys, default, out=out, threads=threads)

    def copy(self) -> Self:
        """The nil map itself."""
        return self

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return nil, (self.key_dtype, self.value_dtype)

    def __or__(self, other: Any) -> Any:
        return HMap(self.key_dtype, self.value_dtype) | other

    def __ror__(self, other: Any) -> Any:
        return other | HMap(self.key_dtype, self.value_dtype)

    def __repr__(self) -> str:
        return f"nil({self._key_codec.name}, {self._value_codec.name})"

    # ---- writes

    def _refuse(self, keys: Any = ()) -> NoReturn:
        self.contains_many(keys)  # keys that no such map could hold have their own error
        raise NilMapError(
            f"a nil map cannot be written: make one with HMap({self._key_codec.name}, {self._value_codec.name})"
        )

    def __setitem__(self, key: Any, value: Any) -> None:
        self._refuse([key])

    def __delitem__(self, key: Any) -> None:
        self._refuse([key])

    def __ior__(self, other: Any) -> NoReturn:
        self._refuse()

    def setdefault(self, key: Any, default: Any = None, /) -> NoReturn:
        """Raises ``NilMapError``, as all writes do."""
        self._refuse([key])

    def pop(self, key: Any, default: Any = None, /) -> NoReturn:
        """Raises ``NilMapError``, as all writes do."""
        self._refuse([key])

    def popitem(self) -> NoReturn:
        """Raises ``NilMapError``, as all writes do."""
        self._refuse()

    def clear(self) -> NoReturn:
        """Raises ``NilMapError``, as all writes do."""
        self._refuse()

    def update(self, other: Any = (), /, **kwargs: Any) -> NoReturn:
        """Raises ``NilMapError``, as all writes do."""
        self._refuse()

    def set_many(self, keys: Any, values: Any) -> NoReturn:
        """Raises ``NilMapError``, as all writes do."""
        self._refuse(keys)

    def setdefault_many(self, keys: Any, values: Any) -> NoReturn:
        """Raises ``NilMapError``, as all writes do."""
        self._refuse(keys)

    def add_many(self, keys: Any, values: Any = 1, *, op: str = "add") -> NoReturn:
        """Raises ``NilMapError``, as all writes do."""
        self._refuse(keys)

    def pop_many(self, keys: Any, default: Any = None) -> NoReturn:
        """Raises ``NilMapError``, as all writes do."""
        self._refuse(keys)

    def discard_many(self, keys: Any) -> NoReturn:
        """Raises ``NilMapError``, as all writes do."""
        self._refuse(keys)

    def factorize(self, keys: Any) -> NoReturn:
        """Raises ``NilMapError``, as all writes do."""
        self._refuse(keys)

    def reserve(self, n: int, /) -> NoReturn:
        """Raises ``NilMapError``, as all writes do."""
        self._refuse()

    def compact(self) -> NoReturn:
        """Raises ``NilMapError``, as all writes do."""
        self._refuse()
