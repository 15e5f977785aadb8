"""The public frozen map: built once, then only read."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any, Literal, Self, TypeVar, cast

import numpy as np

from pyhmap._convert import infer
from pyhmap._convert.codec import Many
from pyhmap._engine.frozen import FrozenEngine
from pyhmap._engine.map import HMapEngine
from pyhmap._engine.threads import Threads
from pyhmap._file.write import save as save_file
from pyhmap._mapping import pickling
from pyhmap._mapping.equality import hashable
from pyhmap._mapping.reading import ReadMethods
from pyhmap.errors import CorruptMapError

_K = TypeVar("_K")
_V = TypeVar("_V")

Progress = Callable[[float], object]


class FrozenMap(FrozenEngine, ReadMethods[_K, _V]):
    """A map that is built once and then only read, in half the memory of an :class:`HMap` and faster.

    A perfect hash leads each key to the one row that can hold it, so there are no empty slots, no chains, and no
    tophashes. Make one with :meth:`HMap.freeze` or :meth:`from_arrays`; ``HMap(f)`` is a map that can be written.

    It answers as an ``HMap`` with the same items does, with the same errors. It cannot be written. It can be hashed (by
    its items) and pickled, and any number of threads may read it without a lock. Keys and values may be of every type
    but ``object``.

    Every key is compared in full, so no answer is wrong. The hash has a key of its own, drawn when the map is built, so
    no set of keys makes it slow; and a look-up reads one row, whether the key is there or not.

    Source: Groot Koerkamp, "PtrHash: Minimal Perfect Hashing at RAM Throughput", 2025.

    Examples
    --------
    >>> import numpy as np
    >>> from pyhmap import FrozenMap, HMap
    >>> prices = FrozenMap.from_arrays(np.array([101, 102, 103]), np.array([9.5, 3.0, 7.25]))
    >>> prices[102], prices.get_many([103, 101, 999], default=np.nan)
    (3.0, array([7.25, 9.5 ,  nan]))
    >>> words = HMap(str, np.int64, {"a": 1, "b": 2}).freeze()
    >>> words == {"a": 1, "b": 2}, "c" in words, sorted(words)
    (True, False, ['a', 'b'])
    """

    __slots__ = ("__weakref__",)

    def __init__(self, *args: object, **kwargs: object) -> None:
        raise TypeError("FrozenMap cannot be called: freeze a map with HMap.freeze(), or use FrozenMap.from_arrays()")

    # ---- making one

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
    ) -> Self:
        """A frozen map from ``keys[i]`` to ``values[i]``, whose types are inferred from the data.

        Parameters
        ----------
        keys, values
            n items each, as :meth:`HMap.from_arrays` takes them; objects are refused.
        on_duplicate
            ``"raise"``: two equal keys are an error. ``"last"``: the last value of a key counts; this takes the memory
            of an ``HMap`` besides while the map is built.
        seed, threads, progress
            As for :meth:`HMap.freeze`.

        Raises
        ------
        ValueError
            A key occurs twice: the message names the first that does, and both positions. A key or a value is null;
            their numbers differ; an argument has another value than those above.
        TypeError
            Keys or values are objects, or their type cannot be inferred.

        Examples
        --------
        >>> from pyhmap import FrozenMap
        >>> FrozenMap.from_arrays(["a", "b"], [1, 2])["b"]
        2
        >>> FrozenMap.from_arrays(["a", "b", "a"], [1, 2, 3])
        Traceback (most recent call last):
        ValueError: keys[2] is 'a', as keys[0] is: give each key once, or on_duplicate='last'
        """
        if on_duplicate not in ("raise", "last"):
            raise ValueError(f"on_duplicate={on_duplicate!r}: give 'raise' or 'last'")
        key_items, _, key_type = infer.with_type(keys, "key")
        value_items, _, value_type = infer.with_type(values, "value")
        f = cls._empty(key_type, value_type, seed)
        if on_duplicate == "last":
            m: Any = HMapEngine(key_type, value_type)
            m.set_many(key_items, value_items)
            f._freeze_map(m, threads, progress)
        else:
            f._freeze_arrays(key_items, value_items, threads, progress, lambda: _raise_duplicate(key_type, key_items))
        return f

    @classmethod
    def _empty(cls, key: Any, value: Any, seed: int | None) -> Self:
        """A map without keys, which a method that ends by returning it fills."""
        f = cls.__new__(cls)
        f._begin(key, value, seed)
        return f

    def save(self, path: str | os.PathLike[str], *, progress: Progress | None = None) -> None:
        """Write the map to a file, which :func:`pyhmap.open` opens. A file of that name is replaced as a whole: at
        every moment, and after a failure, the name leads to the old file or to the new one. A process that has the old
        one open keeps it.

        Parameters
        ----------
        path
            The name of the file; by custom it ends in ``.pyhmap``.
        progress
            A function of one argument. It is called after every 16 MiB with the part of the file that is written, a
            float up to 1.0. It may raise: then nothing has changed.

        Raises
        ------
        OSError
            The file cannot be written: the disk is full, the folder is missing or read-only.
        TypeError
            Keys or values are of a type that other machines do not have (long double), or larger than 1 MiB.

        Examples
        --------
        >>> import os, tempfile
        >>> import pyhmap
        >>> path = os.path.join(tempfile.mkdtemp(), "squares.pyhmap")
        >>> pyhmap.FrozenMap.from_arrays([1, 2, 3], [1, 4, 9]).save(path)
        >>> pyhmap.open(path)[3]
        9
        """
        save_file(self, "map", path, progress)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}, closed>" if self.closed else super().__repr__()

    def _repr_html_(self) -> str | None:
        return None if self.closed else super()._repr_html_()

    def copy(self) -> Self:
        """The map itself: it never changes.

        >>> from pyhmap import HMap
        >>> f = HMap("i8", "i8", {1: 10}).freeze()
        >>> f.copy() is f
        True
        """
        return self

    __copy__ = copy

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        hash_key, shape, *sections = self._sections()
        types = map(pickling.portable, (self.key_dtype, self.value_dtype))
        settings = type(self), *types, self._settings["seed"]
        return restored_frozen_map, (*settings, hash_key, shape, *map(pickling.Packed, sections)), self.__getstate__()

    def __hash__(self) -> int:
        """The hash of the items, in any order. Equal frozen maps have equal hashes, even if their types differ. The
        first call takes time in proportion to the number of items."""
        if self._hash is None:
            items: Iterator[tuple[Any, Any]] = self._iter_items()
            self._hash = hash((len(self), sum(hash(hashable(item)) for item in items)))
        return cast("int", self._hash)

    def check(self) -> None:
        """Check that each key leads to its own row. Raises ``CorruptMapError``, which names the first that does not.

        >>> from pyhmap import HMap
        >>> HMap("i8", "i8", {1: 10}).freeze().check()
        """
        row = self._first_astray()
        if row < len(self):
            raise CorruptMapError(f"the key of row {row} does not lead to it")


def halves(progress: Progress | None) -> tuple[Progress | None, Progress | None]:
    """What reports the progress of two steps as one."""
    if progress is None or not callable(progress):
        return progress, progress
    return (lambda part: progress(part / 2)), (lambda part: progress((1 + part) / 2))


def _raise_duplicate(key_type: Any, keys: Any) -> None:
    """Raise an error that names the first key that has occurred before, if there is one."""
    m: Any = HMapEngine(key_type, np.int64)
    codes = m.factorize(keys)
    later = np.flatnonzero(codes[1:] <= np.maximum.accumulate(codes)[:-1]) + 1
    if len(later):
        second = int(later[0])
        first = int(np.argmax(codes == codes[second]))
        try:
            shown = repr(next(key for key, code in m._iter_items() if code == codes[second]))
        except UnicodeDecodeError:  # of this key or another
            shown = "the same text"
        raise ValueError(f"keys[{second}] is {shown}, as keys[{first}] is: give each key once, or on_duplicate='last'")


def restored_frozen_map(
    cls: Any, key: Any, value: Any, seed: int | None, hash_key: Any, shape: Any, *sections: pickling.Packed
) -> Any:
    """A frozen map from a pickle."""
    f = cls._empty(key, value, seed)
    try:
        f._restore(hash_key, shape, *(section.items for section in sections))
    except (TypeError, ValueError, OverflowError, IndexError) as error:
        raise ValueError(f"the pickle is damaged, {error}: write it again") from None
    return f
