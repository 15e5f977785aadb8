"""The public frozen id map: a frozen map from keys to codes, and the row of each code."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterator
from typing import Any, Self, TypeVar, cast

import numpy as np
import numpy.typing as npt

from pyhmap._convert.codec import Many
from pyhmap._engine.codes import IndexEngine
from pyhmap._engine.threads import Threads
from pyhmap._file.write import save as save_file
from pyhmap._mapping.equality import hashable
from pyhmap._mapping.ids import IndexMethods
from pyhmap.errors import CorruptMapError
from pyhmap.frozen import FrozenMap, Progress

_K = TypeVar("_K")

PIECE = 1 << 20  # codes that are checked at a time: little memory, and Ctrl-C is noticed


class FrozenIndex(IndexMethods[_K]):
    """An id map that takes no more keys: it can be saved, mapped from a file by many processes, and hashed.

    Make one with :meth:`HIndex.freeze`, or open a file that :meth:`HIndex.save` has written. It answers as an
    :class:`HIndex` with the same keys does, in both directions. ``HIndex(f)`` is an index that takes keys.

    It is a :class:`FrozenMap` from keys to codes, and beside it the row of each code: 4 bytes per key. Any number of
    threads may read it without a lock.

    Examples
    --------
    >>> from pyhmap import HIndex
    >>> f = HIndex(str, ["ada", "bob"]).freeze()
    >>> f.encode(["bob", "dan"]), f.decode([1, 0]).tolist(), len(f)
    (array([ 1, -1]), ['bob', 'ada'], 2)
    """

    __slots__ = ("__weakref__", "_hash", "_map", "_rows")

    _map: FrozenMap[_K, int]
    _rows: npt.NDArray[np.uint32]  # of the map, by code
    _hash: int | None

    def __init__(self, *args: object, **kwargs: object) -> None:
        raise TypeError("FrozenIndex cannot be called: freeze an index with HIndex.freeze(), or open a file")

    @classmethod
    def _of_index(cls, ix: IndexEngine, seed: int | None, threads: Threads, progress: Progress | None) -> Self:
        """An index of the keys and codes of another one; see :meth:`HIndex.freeze`."""
        m: FrozenMap[Any, Any] = FrozenMap._empty(ix.key_dtype, np.int64, seed)
        ix._freeze_into(m, threads, progress)
        rows = np.empty(len(m), np.uint32)
        rows[m.values_array()] = np.arange(len(m), dtype=np.uint32)
        return cls._over(m, rows)

    @classmethod
    def _over(cls, m: FrozenMap[Any, Any], rows: npt.NDArray[np.uint32]) -> Self:
        """The index that consists of these."""
        m._hold_as("index")
        rows.setflags(write=False)
        f = cls.__new__(cls)
        f._map, f._rows, f._hash = m, rows, None
        return f

    @property
    def key_dtype(self) -> Any:
        """The type of the keys: a dtype, or ``str`` or ``bytes``.

        >>> from pyhmap import HIndex
        >>> HIndex("i4").freeze().key_dtype
        dtype('int32')
        """
        return self._map.key_dtype

    @property
    def _key_codec(self) -> Any:
        return self._map._key_codec

    # ---- from keys to codes

    def __len__(self) -> int:
        return len(self._map)

    def __getitem__(self, key: _K) -> int:
        return self._map[key]

    def __contains__(self, key: object) -> bool:
        return key in self._map

    def get(self, key: Any, default: Any = None, /) -> Any:
        """The code of ``key``, or ``default`` if it has none.

        >>> from pyhmap import HIndex
        >>> f = HIndex(str, ["a"]).freeze()
        >>> f.get("a"), f.get("b"), f.get("b", -1)
        (0, None, -1)
        """
        return self._map.get(key, default)

    def encode(self, keys: Many[_K], add: bool = False, *, threads: Threads = 1) -> npt.NDArray[np.int64]:
        """The codes of n keys, -1 for a key without a code and for a null: an int64 array of shape (n,).

        Takes ``keys`` and ``threads``, and raises, as :meth:`FrozenMap.get_many` does. ``add`` is that of
        :meth:`HIndex.encode`, and must be False: ``TypeError``.

        >>> from pyhmap import HIndex
        >>> HIndex(str, ["a", "b"]).freeze().encode(["b", "c"])
        array([ 1, -1])
        """
        if add:
            raise TypeError("a FrozenIndex takes no keys: give add=False, or use HIndex(frozen)")
        return self._map.get_many(keys, -1, threads=threads)

    # ---- from codes to keys

    def key(self, code: Any, /) -> _K:
        """The key of a code. Raises ``IndexError`` if no key has it, even for a negative code.

        >>> from pyhmap import HIndex
        >>> HIndex(str, ["a", "b"]).freeze().key(1)
        'b'
        """
        number = operator.index(code)
        rows = self._rows  # before the check of len(): another thread may close the index
        if not 0 <= number < len(self):
            raise IndexError(f"code {number}: the index has {len(self):,} keys, whose codes begin with 0")
        return self._map._key_in(int(rows[number]))

    def _keys_at(self, codes: npt.NDArray[np.int64], joined: bool) -> Any:
        return self._map._keys_at(self._rows, codes, joined)

    def _labels(self, joined: bool) -> Any:
        n = len(self)
        if n and self._map._key_form == "texts":  # one long text for each code could take more memory than the file
            led_to = np.zeros(n, bool)
            try:
                led_to[self._rows] = True
            except IndexError:
                raise CorruptMapError("a code leads outside of the rows: write the file again") from None
            if not led_to.all():
                raise CorruptMapError(f"no code leads to row {led_to.argmin()}: write the file again")
        return self._keys_at(np.arange(n), joined)

    def __iter__(self) -> Iterator[_K]:
        rows = self._rows
        len(self)  # raises if it is closed
        return map(self._map._key_in, rows.data)

    # ---- files and memory

    def save(self, path: str | os.PathLike[str], *, progress: Progress | None = None) -> None:
        """Write the index to a file, which :func:`pyhmap.open` opens. Takes and raises what :meth:`FrozenMap.save`
        does.

        >>> import os, tempfile
        >>> import pyhmap
        >>> path = os.path.join(tempfile.mkdtemp(), "users.pyhmap")
        >>> pyhmap.HIndex(str, ["ada", "bob"]).freeze().save(path)
        >>> pyhmap.open(path).key(1)
        'bob'
        """
        save_file(self._map, "index", path, progress, self._rows)

    def close(self) -> None:
        """Give the memory up, and with it the file, if there is one; see :meth:`FrozenMap.close`.

        >>> from pyhmap import HIndex
        >>> f = HIndex(str, ["a"]).freeze()
        >>> f.close()
        >>> f.closed
        True
        """
        self._map.close()
        self._rows = np.empty(0, np.uint32)

    @property
    def closed(self) -> bool:
        """Whether :meth:`close` was called."""
        return self._map.closed

    def __enter__(self) -> Self:
        len(self)  # raises if it is closed
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def nbytes(self) -> int:
        """Bytes of the index: those of its map, and 4 per key.

        >>> import numpy as np
        >>> from pyhmap import HIndex
        >>> HIndex(np.int64, np.arange(100_000)).freeze().nbytes / 100_000 < 21
        True
        """
        return self._map.nbytes + self._rows.nbytes

    def check(self) -> None:
        """Check that each key leads to its own row, and each code to its key. Raises ``CorruptMapError``.

        >>> from pyhmap import HIndex
        >>> HIndex("i8", [10]).freeze().check()
        """
        self._map.check()
        wrong = first_wrong_row(self._map, self._rows)
        if wrong is not None:
            raise CorruptMapError(f"code {wrong} does not lead to its key")

    # ---- life

    def copy(self) -> Self:
        """The index itself: it never changes.

        >>> from pyhmap import HIndex
        >>> f = HIndex(str, ["a"]).freeze()
        >>> f.copy() is f
        True
        """
        return self

    __copy__ = copy

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __hash__(self) -> int:
        """The hash of the keys in the order of their codes. Equal frozen indexes have equal hashes, even if their types
        differ. The first call takes time in proportion to the number of keys."""
        if self._hash is None:
            self._hash = hash((len(self), *map(hashable, self)))
        return self._hash

    def __reduce__(self) -> tuple[Any, ...]:
        len(self)  # raises if it is closed
        return restored_frozen_index, (type(self), self._map, self._rows), self.__getstate__()

    def __getstate__(self) -> Any:
        """What a subclass has added."""
        attributes, slots = cast("Any", super().__getstate__() or (None, {}))
        slots = {name: value for name, value in slots.items() if name not in ("_hash", "_map", "_rows")}
        return (attributes, slots) if slots else attributes

    def __repr__(self) -> str:
        return f"<{type(self).__name__}, closed>" if self.closed else super().__repr__()

    def _repr_html_(self) -> str | None:
        return None if self.closed else super()._repr_html_()


def first_wrong_row(m: FrozenMap[Any, Any], rows: npt.NDArray[np.uint32]) -> int | None:
    """The first code whose row has another code, or None."""
    values = m.values_array()
    for at in range(0, len(rows), PIECE):
        found = values[np.minimum(rows[at : at + PIECE], len(rows) - 1)]
        wrong = found != np.arange(at, at + len(found))
        if wrong.any():
            return at + int(wrong.argmax())
    return None


def restored_frozen_index(cls: Any, m: Any, rows: Any) -> Any:
    """A frozen index from a pickle."""
    if not isinstance(m, FrozenMap):
        raise ValueError(f"the pickle is damaged, a {type(m).__name__} for a FrozenMap: write it again")
    if type(rows) is not np.ndarray or rows.dtype != np.uint32 or rows.shape != (len(m),):
        raise ValueError(f"the pickle is damaged, rows are no uint32 array of shape ({len(m)},): write it again")
    return cls._over(m, rows)
