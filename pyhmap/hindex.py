"""The public id map: keys get codes."""

from __future__ import annotations

import copy
import os
from typing import Any, Self, TypeVar

import numpy as np
import numpy.typing as npt

from pyhmap._convert import infer
from pyhmap._convert.codec import Many
from pyhmap._engine.codes import IndexEngine
from pyhmap._engine.threads import Threads
from pyhmap._mapping import pickling
from pyhmap._mapping.ids import IndexMethods, check_labels
from pyhmap.frozen import Progress, halves
from pyhmap.frozen_index import FrozenIndex

_K = TypeVar("_K")


class HIndex(IndexEngine, IndexMethods[_K]):
    """Ids for keys, and the way back: keys get the codes 0, 1, 2, ... in order of first appearance, and keep them.

    So a code is the row of a key in a matrix, in an index of vectors, or in a column beside the index. Keys cannot be
    removed.

    Parameters
    ----------
    key
        The type of the keys: one that :class:`HMap` accepts for keys, but ``object``. An index alone, ``HIndex(ix)`` or
        ``HIndex(f)`` with a :class:`FrozenIndex`, gives its type and its keys.
    labels
        The first keys, in the order of their codes; each once.
    seed
        An int makes the layout of the table reproducible; see :class:`HMap`.

    Raises
    ------
    TypeError
        The type is not supported, or a label is of another type.
    OverflowError
        A label is outside the type.
    ValueError
        A label occurs twice, or is null: the message names the first that does.

    Notes
    -----
    An index is a mapping from key to code, in the order of the codes. All NaN are one key. Any number of threads may
    use it; calls of 512 keys and more release the GIL. An iteration passes over the keys that were there when it began.

    Examples
    --------
    >>> import numpy as np
    >>> from pyhmap import HIndex
    >>> users = HIndex(str)
    >>> users.encode(["ada", "bob", "ada"])
    array([0, 1, 0])
    >>> users.encode(["cleo", "bob"]), users.encode(["dan", "ada"], add=False)
    (array([2, 1]), array([-1,  0]))
    >>> users["cleo"], users.key(2), users.decode([2, 2, 0]).tolist(), len(users)
    (2, 'cleo', ['cleo', 'cleo', 'ada'], 3)
    """

    __slots__ = ("__weakref__",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, key: Any, labels: Any = None, *, seed: int | None = None) -> None:
        if labels is None and isinstance(key, IndexMethods):
            labels, key = key, key.key_dtype
        self._begin(key, seed)
        if labels is not None:
            self._take(labels)

    @classmethod
    def from_labels(cls, labels: Many[Any], *, seed: int | None = None) -> Self:
        """An index of n keys, the first of which gets the code 0, and whose type is inferred from the data.

        Raises what the class does, and ``TypeError`` if the type cannot be inferred.

        >>> from pyhmap import HIndex
        >>> HIndex.from_labels(["a", "b"])["b"]
        1
        >>> HIndex.from_labels(["a", "b", "a"])
        Traceback (most recent call last):
        ValueError: labels[2] is 'a', as labels[0] is: give each label once, or use encode()
        """
        items, _, key_type = infer.with_type(labels, "key")
        ix = cls.__new__(cls)
        ix._begin(key_type, seed)
        ix._take(items)
        return ix

    def _take(self, labels: Any) -> None:
        """The first labels of an index without keys."""
        check_labels(self.encode(labels._batch() if isinstance(labels, IndexMethods) else labels), self)

    def merge(self, other: IndexMethods[Any]) -> npt.NDArray[np.int64]:
        """Add the keys of another index, those that are new in the order of its codes.

        Returns an int64 array of shape (len(other),): the code in this index of each code in the other one. So
        ``merge(other)[codes]`` translates codes of the other index.

        Raises ``TypeError`` if ``other`` is not an index. If this index cannot hold one of its keys, it raises
        ``TypeError`` or ``OverflowError``, and adds none.

        >>> from pyhmap import HIndex
        >>> a, b = HIndex(str, ["x", "y"]), HIndex(str, ["z", "x"])
        >>> a.merge(b), a.labels(to="list")
        (array([2, 0]), ['x', 'y', 'z'])
        """
        if not isinstance(other, IndexMethods):
            raise TypeError(f"merge() takes an HIndex or a FrozenIndex, not {type(other).__name__}: use encode()")
        return self.encode(other._batch())

    def freeze(
        self, *, seed: int | None = None, threads: Threads = 1, progress: Progress | None = None
    ) -> FrozenIndex[_K]:
        """A :class:`FrozenIndex` of the same keys and codes: it can be saved, mapped by many processes, and hashed.

        Takes and raises what :meth:`HMap.freeze` does.

        >>> from pyhmap import HIndex
        >>> f = HIndex(str, ["a", "b"]).freeze()
        >>> f["b"], f.key(0), HIndex(f) == f
        (1, 'a', True)
        """
        return FrozenIndex._of_index(self, self._settings["seed"] if seed is None else seed, threads, progress)

    def save(self, path: str | os.PathLike[str], *, threads: Threads = 1, progress: Progress | None = None) -> None:
        """Freeze the index and write that to a file, which :func:`pyhmap.open` opens; see :meth:`HMap.save`.

        >>> import os, tempfile
        >>> import pyhmap
        >>> path = os.path.join(tempfile.mkdtemp(), "users.pyhmap")
        >>> pyhmap.HIndex(str, ["ada", "bob"]).save(path)
        >>> with pyhmap.open(path) as users:
        ...     users["bob"], users.decode([1, 0]).tolist()
        (1, ['bob', 'ada'])
        """
        freezing, saving = halves(progress)
        self.freeze(threads=threads, progress=freezing).save(path, progress=saving)

    def copy(self) -> Self:
        """An index of the same keys and codes.

        >>> from pyhmap import HIndex
        >>> ix = HIndex(str, ["a"])
        >>> ix.copy() == ix
        True
        """
        return copy.copy(self)

    def __reduce__(self) -> tuple[Any, ...]:
        labels = pickling.Packed(self._labels(False))
        arguments = type(self), pickling.portable(self.key_dtype), self._settings["seed"], labels
        return restored_index, arguments, self.__getstate__()


def restored_index(cls: Any, key: Any, seed: int | None, labels: pickling.Packed) -> Any:
    """An index of a column of labels."""
    ix = cls.__new__(cls)
    ix._begin(key, seed)
    ix._take(labels.items)
    return ix
