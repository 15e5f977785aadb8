"""The public frozen set: a frozen map without values."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, NoReturn, Self, TypeVar, cast

import numpy as np
import numpy.typing as npt

from pyhmap._convert import infer
from pyhmap._convert.codec import Many
from pyhmap._engine.threads import Threads
from pyhmap._file.write import save as save_file
from pyhmap._mapping import pickling
from pyhmap._mapping.equality import hashable
from pyhmap._mapping.sets import NO_VALUE, TypedSet, WritableSet
from pyhmap.frozen import FrozenMap, Progress

_K = TypeVar("_K")


class _Repeated(Exception):
    """Keys may occur several times."""


class FrozenSet(TypedSet[_K]):
    """A set that is built once and then only read, in half the memory of an :class:`HSet` and faster.

    It is to an ``HSet`` what a :class:`FrozenMap` is to an ``HMap``, and what a ``frozenset`` is to a ``set``. Make one
    with :meth:`HSet.freeze` or :meth:`from_array`; ``HSet(f)`` is a set that can be written.

    It answers as an ``HSet`` with the same keys does, with the same errors. Algebra makes new sets, of the type of the
    left operand; frozen sets, if that is a ``set`` or a ``frozenset``. Its hash is that of the ``frozenset`` of its
    keys, unless some are times, NaN, or texts with a NUL at the end. Equal frozen sets always have equal hashes.

    Examples
    --------
    >>> import numpy as np
    >>> from pyhmap import FrozenSet
    >>> known = FrozenSet.from_array(np.array([101, 102, 103, 102]))
    >>> len(known), 102 in known, known.contains_many([103, 999])
    (3, True, array([ True, False]))
    >>> sorted(known & {101, 999}), hash(known) == hash(frozenset([101, 102, 103]))
    ([101], True)
    """

    __slots__ = ()

    _map: FrozenMap[_K, bytes]

    def __init__(self, *args: object, **kwargs: object) -> None:
        raise TypeError("FrozenSet cannot be called: freeze a set with HSet.freeze(), or use FrozenSet.from_array()")

    # ---- making one

    @classmethod
    def from_array(
        cls, keys: Many[Any], *, seed: int | None = None, threads: Threads = 1, progress: Progress | None = None
    ) -> Self:
        """A frozen set of n keys, whose type is inferred from the data. Keys that occur several times are one key.

        If some do, building begins again, and takes the memory of an ``HSet`` besides.

        Parameters
        ----------
        keys
            An array of shape (n,), a sequence, or an Arrow column; objects are refused.
        seed, threads, progress
            As for :meth:`HMap.freeze`.

        Raises
        ------
        ValueError
            A key is null, or ``threads`` is below 1.
        TypeError
            Keys are objects, or their type cannot be inferred.

        Examples
        --------
        >>> from pyhmap import FrozenSet
        >>> sorted(FrozenSet.from_array(["to", "be", "or", "not", "to", "be"]))
        ['be', 'not', 'or', 'to']
        """
        items, _, key_type = infer.with_type(keys, "key")
        s = cls._over(FrozenMap._empty(key_type, "V0", seed))
        try:
            s._map._freeze_arrays(items, NO_VALUE, threads, progress, _give_up)
        except _Repeated:
            distinct = pickling.restored_set(WritableSet, key_type, {"seed": seed}, items)
            s._map._freeze_map(distinct._map, threads, progress)
        return s

    @classmethod
    def _of_set(cls, s: WritableSet[Any], seed: int | None, threads: Threads, progress: Progress | None) -> Self:
        """A frozen set of the keys of another set; see :meth:`HSet.freeze`."""
        f = cls._over(FrozenMap._empty(s.key_dtype, "V0", s._map._settings["seed"] if seed is None else seed))
        f._map._freeze_map(s._map, threads, progress)
        return f

    @classmethod
    def _over(cls, m: FrozenMap[Any, Any]) -> Self:
        """A set of the keys of a map, which a method that ends by returning the set may still fill."""
        m._hold_as("set")
        f = cls.__new__(cls)
        f._map = m
        return f

    # ---- files

    def save(self, path: str | os.PathLike[str], *, progress: Progress | None = None) -> None:
        """Write the set to a file, which :func:`pyhmap.open` opens. Takes and raises what :meth:`FrozenMap.save` does.

        >>> import os, tempfile
        >>> import pyhmap
        >>> path = os.path.join(tempfile.mkdtemp(), "known.pyhmap")
        >>> pyhmap.FrozenSet.from_array([1, 2, 3]).save(path)
        >>> 3 in pyhmap.open(path)
        True
        """
        save_file(self._map, "set", path, progress)

    def close(self) -> None:
        """Give the memory up, and with it the file, if there is one; see :meth:`FrozenMap.close`."""
        self._map.close()

    @property
    def closed(self) -> bool:
        """Whether :meth:`close` was called."""
        return self._map.closed

    def __enter__(self) -> Self:
        self._map.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}, closed>" if self.closed else super().__repr__()

    def _repr_html_(self) -> str | None:
        return None if self.closed else super()._repr_html_()

    # ---- reading

    def positions(self, keys: Many[_K], *, threads: Threads = 1) -> npt.NDArray[np.int64]:
        """The rows of n keys in :meth:`to_array`: an int64 array of shape (n,), -1 for a missing key and for a null.

        Rows are 0 to ``len(f) - 1``, so an array with one item per row can stand beside the set. Takes and raises what
        ``contains_many`` does.

        >>> from pyhmap import FrozenSet
        >>> f = FrozenSet.from_array([10, 20, 30])
        >>> rows = f.positions([30, 40, 10])
        >>> f.to_array()[rows[[0, 2]]], int(rows[1])
        (array([30, 10]), -1)
        """
        return self._map.positions(keys, threads=threads)

    def __hash__(self) -> int:
        """The hash of the keys, in any order. Equal frozen sets have equal hashes, even if their types differ. The
        first call takes time and memory in proportion to the number of keys."""
        if self._map._hash is None:
            self._map._hash = hash(frozenset(map(hashable, self)))
        return self._map._hash

    # ---- results

    def intersection(self, *others: Iterable[Any]) -> Self:
        """A set of the keys that are in all other collections.

        >>> from pyhmap import FrozenSet
        >>> sorted(FrozenSet.from_array([1, 2]).intersection([2, 3]))
        [2]
        """
        if not others:
            return self
        draft = self._of(self._compare(others[0]).common)  # not of all keys: there may be many more than others
        draft.intersection_update(*others[1:])
        return self._result(draft)

    def _of(self, keys: Any) -> WritableSet[_K]:
        draft = pickling.restored_set(WritableSet, self.key_dtype, self._map._settings, keys)
        return cast("WritableSet[_K]", draft)

    def _draft(self) -> WritableSet[_K]:
        return self._of(self.to_array())

    def _result(self, draft: Any) -> Self:
        result = type(self)._of_set(draft, None, 1, None)
        for name, value in getattr(self, "__dict__", {}).items():
            setattr(result, name, value)
        return result

    # ---- copies

    def copy(self) -> Self:
        """The set itself: it never changes.

        >>> from pyhmap import FrozenSet
        >>> f = FrozenSet.from_array([1, 2])
        >>> f.copy() is f
        True
        """
        return self

    __copy__ = copy

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return restored_frozen_set, (type(self), self._map), self.__getstate__()


def _give_up() -> NoReturn:
    raise _Repeated


def restored_frozen_set(cls: Any, m: Any) -> Any:
    """A frozen set from a pickle."""
    if type(m) is not FrozenMap or m.value_dtype != np.dtype("V0"):
        raise ValueError(f"the pickle is damaged, the keys of a frozen set are a {type(m).__name__}: write it again")
    return cls._over(m)
