"""Go's nil map.

In Go, ``var m map[string]int`` declares a map that reads as an empty one and cannot be written.
"""

from __future__ import annotations

from typing import Any, NoReturn, Self

import numpy.typing as npt

from pyhmap._engine.threads import Threads
from pyhmap._mapping import pickling
from pyhmap.errors import NilMapError
from pyhmap.hmap import HMap


def nil(key: Any, value: Any) -> HMap[Any, Any]:
    """Go's nil map: it has no keys, reads return the zero value of the value type, and every write raises.

    Parameters
    ----------
    key, value
        The types, as for :class:`HMap`. Raises ``TypeError`` if one is not supported.

    Notes
    -----
    The zero value is 0, ``""``, ``b""``, False, a record or array of zeros, the time 0, or None. ``m[key]``, ``get``,
    ``get_many`` and ``lookup_many`` return it, or the default if one is given. Every write raises
    :class:`NilMapError`, even one that would change nothing. Reads and writes check their keys like those of any map.
    Merging with ``|`` makes an ordinary map.

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
    """The class of :func:`nil`: a map that stays empty."""

    __slots__ = ()

    def __getitem__(self, key: Any) -> Any:
        return self.get(key)

    def get(self, key: Any, default: Any = ..., /) -> Any:
        """The zero value, or ``default`` if it is given."""
        return super().get(key, self._value_codec.zero() if default is ... else default)

    def get_many(self, keys: Any, default: Any = ..., *, out: Any = None, threads: Threads = 1) -> npt.NDArray[Any]:
        """The zero value, or ``default`` if it is given, for each of n keys. Returns an array of shape (n,)."""
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
        return nil, (pickling.portable(self.key_dtype), pickling.portable(self.value_dtype))

    def __or__(self, other: Any) -> Any:
        return HMap(self.key_dtype, self.value_dtype) | other

    def __ror__(self, other: Any) -> Any:
        return other | HMap(self.key_dtype, self.value_dtype)

    def __repr__(self) -> str:
        return f"nil({self._key_codec.name}, {self._value_codec.name})"

    # ---- writes

    def _refuse_one(self, key: Any) -> NoReturn:
        self.get(key)  # an invalid key raises its own error
        self._refuse()

    def _refuse(self, keys: Any = ()) -> NoReturn:
        self.contains_many(keys)  # invalid keys raise their own error first
        raise NilMapError(
            f"a nil map cannot be written: make one with HMap({self._key_codec.name}, {self._value_codec.name})"
        )

    def __setitem__(self, key: Any, value: Any) -> None:
        self._refuse_one(key)

    def __delitem__(self, key: Any) -> None:
        self._refuse_one(key)

    def __ior__(self, other: Any) -> NoReturn:
        self._refuse()

    def setdefault(self, key: Any, default: Any = None, /) -> NoReturn:
        """Raises ``NilMapError``, as all writes do."""
        self._refuse_one(key)

    def pop(self, key: Any, default: Any = None, /) -> NoReturn:
        """Raises ``NilMapError``, as all writes do."""
        self._refuse_one(key)

    def popitem(self) -> NoReturn:
        """Raises ``NilMapError``, as all writes do."""
        self._refuse()

    def clear(self) -> NoReturn:
        """Raises ``NilMapError``, as all writes do."""
        self._refuse()

    def update(self, other: Any = (), /, **kwargs: Any) -> NoReturn:
        """Raises ``NilMapError``, as all writes do."""
        self._refuse()

    def set_many(self, keys: Any, values: Any, *, threads: Threads = 1) -> NoReturn:
        """Raises ``NilMapError``, as all writes do."""
        self._refuse(keys)

    def setdefault_many(self, keys: Any, values: Any, *, threads: Threads = 1) -> NoReturn:
        """Raises ``NilMapError``, as all writes do."""
        self._refuse(keys)

    def add_many(self, keys: Any, values: Any = 1, *, op: str = "add", threads: Threads = 1) -> NoReturn:
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
