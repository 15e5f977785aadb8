"""What id maps have in common, whether they can be added to or not: the way from codes to keys, and comparison.

    IndexMethods ──> HIndex         keys get codes
            └──────> FrozenIndex    built once, in memory or in a file

An engine provides the look-ups of keys. For the way back it provides the keys of many codes, and all keys; in which
form they are returned is decided here.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import ItemsView, Iterator, Mapping
from itertools import count
from typing import Any, Literal, TypeVar, cast

import numpy as np
import numpy.typing as npt

from pyhmap._convert.arrow_table import ArrowArray
from pyhmap._convert.arrow_values import arrow_values
from pyhmap._convert.columns import Column
from pyhmap._convert.sentinels import ABSENT, NO_DEFAULT
from pyhmap._convert.text_batch import string_array
from pyhmap._inspect import notebook
from pyhmap._mapping.equality import find
from pyhmap._mapping.reading import first_of

_K = TypeVar("_K")

FORMS = ("array", "list", "string", "arrow")  # in which keys are returned


class IndexItems(ItemsView[_K, int]):
    """The pairs of an index, counted instead of looked up."""

    __slots__ = ()

    def __iter__(self) -> Iterator[tuple[_K, int]]:
        view: Any = self
        return zip(view._mapping, count(), strict=False)


class IndexMethods(Mapping[_K, int]):
    """The methods that only read."""

    __slots__ = ()

    # The engine provides these, and the abstract methods of Mapping.
    key_dtype: Any
    _key_codec: Any

    @abstractmethod
    def encode(self, keys: Any, add: bool = ...) -> npt.NDArray[np.int64]:
        """The codes of n keys."""

    @abstractmethod
    def key(self, code: Any, /) -> _K:
        """The key of a code."""

    @abstractmethod
    def _keys_at(self, codes: npt.NDArray[np.int64], joined: bool) -> Any:
        """The keys of n codes, or the position of the first that no key has; see IndexEngine."""

    @abstractmethod
    def _labels(self, joined: bool) -> Any:
        """All keys in the order of their codes; see IndexEngine."""

    def items(self) -> ItemsView[_K, int]:
        """A set-like view of the (key, code) pairs, in the order of the codes.

        >>> from pyhmap import HIndex
        >>> list(HIndex(str, ["a", "b"]).items())
        [('a', 0), ('b', 1)]
        """
        return IndexItems(self)

    def decode(
        self,
        codes: Any,
        *,
        to: Literal["array", "list", "string", "arrow"] = "array",
        missing: Any = NO_DEFAULT,
    ) -> Any:
        """The keys of codes.

        Parameters
        ----------
        codes
            Ints, in an array of any shape or a sequence.
        to
            What the keys are returned in.

            * ``"array"``: a NumPy array of the shape of ``codes`` and the key type; of objects for ``str`` and
              ``bytes``.
            * ``"list"``: a list of Python objects, from codes in one dimension.
            * ``"string"``: for ``str`` and U keys, a NumPy array of ``StringDType``, of the shape of ``codes``.
            * ``"arrow"``: an Arrow array, from codes in one dimension, such as ``pyarrow.array`` and ``polars.Series``
              take.

            The last two make no Python object per key.
        missing
            What the code -1 stands for: a key, or None. With ``"array"``, None is possible for ``str`` and ``bytes``
            keys only; with ``"string"`` and ``"arrow"``, only None is, and gives a null.

        Raises
        ------
        IndexError
            No key has a code. The message names its position. Without ``missing``, so for the code -1.
        TypeError
            The codes are not ints; the keys are not strings; ``missing`` is of another type than the keys, or Arrow
            does not have the type of the keys.
        ValueError
            Codes of several dimensions, for a list or an Arrow array; another ``to`` or ``missing`` than those above;
            a str that is not valid UTF-8, with ``"string"`` or ``"arrow"``.

        Examples
        --------
        >>> import numpy as np
        >>> from pyhmap import HIndex
        >>> ix = HIndex(str, ["tea", "cake", "jam"])
        >>> ix.decode([2, 0], to="list")
        ['jam', 'tea']
        >>> neighbours = np.array([[1, 2], [0, -1]])
        >>> ix.decode(neighbours, missing=None)
        array([['cake', 'jam'],
               ['tea', None]], dtype=object)
        >>> ix.decode(neighbours[0], to="string")
        array(['cake', 'jam'], dtype=StringDType())
        """
        array = _ints(codes)
        flat = np.ascontiguousarray(array, np.int64).reshape(-1)
        self._check_form(to, array.ndim)
        holes = None
        if missing is not NO_DEFAULT and (flat == -1).any():
            self._check_missing(missing, to)
            holes = flat == -1
            flat = np.where(holes, 0, flat) if len(self) else flat[~holes]
        keys = self._keys_at(flat, to in ("string", "arrow"))
        if isinstance(keys, int):
            at = keys if holes is None or len(self) else int(np.flatnonzero(~holes)[keys])
            raise self._no_key(array, at, missing is NO_DEFAULT)
        if holes is not None and len(flat) < len(holes):  # an index without keys
            keys = self._made_of(len(holes), to)
        return self._returned(keys, to, array.shape, holes, missing)

    def labels(self, to: Literal["array", "list", "string", "arrow"] = "array") -> Any:
        """All keys in the order of their codes, in what :meth:`decode` returns them.

        For an :class:`HIndex` of keys of 4 or 8 bytes, the array is a read-only view of the keys as they are at this
        moment. It is not a copy, and later keys are not in it.

        >>> from pyhmap import HIndex
        >>> HIndex("i8", [30, 10]).labels()
        array([30, 10])
        """
        self._check_form(to, 1)
        keys = self._labels(to in ("string", "arrow"))
        return self._returned(keys, to, (-1,), None, None)

    def _check_form(self, to: str, dimensions: int) -> None:
        if to not in FORMS:
            raise ValueError(f"to={to!r}: give one of {', '.join(map(repr, FORMS))}")
        if to == "string" and not self._is_str():
            raise TypeError(f"keys of type {self._key_codec.name} are no strings: give to='array'")
        if to in ("list", "arrow") and dimensions != 1:
            raise ValueError(f"codes have {dimensions} dimensions, and {to=} has one: give codes.ravel()")

    def _is_str(self) -> bool:
        dtype = self._key_codec.dtype
        return dtype is str or (isinstance(dtype, np.dtype) and dtype.kind == "U" and dtype.subdtype is None)

    def _check_missing(self, missing: Any, to: str) -> None:
        if missing is None and (to != "array" or isinstance(self.key_dtype, type)):
            return
        if to in ("string", "arrow"):
            raise ValueError(f"missing={missing!r}: give None with {to=}, for a null")
        try:
            self._key_codec.encode(missing)
        except (TypeError, OverflowError) as error:
            raise type(error)(f"missing={missing!r}: {error}") from None

    def _made_of(self, n: int, to: str) -> Any:
        """n keys, which ones does not matter."""
        if to in ("string", "arrow") and self._key_codec.form == "text":
            size = self._key_codec.size if isinstance(self.key_dtype, np.dtype) and not self._is_str() else 0
            return np.arange(n + 1) * size, np.zeros(n * size, np.uint8)
        return np.full(n, None) if isinstance(self.key_dtype, type) else np.zeros(n, self.key_dtype)

    def _returned(self, keys: Any, to: str, shape: Any, holes: Any, missing: Any) -> Any:
        """Keys in one dimension as ``decode`` returns them."""
        if to == "string":
            offsets, data = keys
            return string_array(offsets, data, None if holes is None else ~holes).reshape(shape)
        if to == "arrow":
            if holes is not None and not isinstance(keys, tuple) and keys.dtype.kind in "mM":
                keys[holes], holes = "NaT", None
            return ArrowArray(self._key_codec, keys, None if holes is None else ~holes)
        if to == "list":
            items = self._key_codec.as_returned(keys)
            if holes is not None:
                for at in np.flatnonzero(holes).tolist():
                    items[at] = missing
            return items
        if holes is not None:
            keys[holes] = missing
        return keys.reshape(shape)

    def _no_key(self, codes: npt.NDArray[Any], at: int, strict: bool) -> IndexError:
        place = ", ".join(map(str, np.unravel_index(at, codes.shape)))
        said = f"codes[{place}] is {codes.reshape(-1)[at]}: the index has {len(self):,} keys, whose codes begin with 0"
        return IndexError(f"{said}; missing= says what -1 stands for" if strict else said)

    # ---- comparison

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Mapping):
            return NotImplemented
        if len(self) != len(other):
            return False
        if isinstance(other, IndexMethods) and self.key_dtype == other.key_dtype:
            return bool(np.array_equal(self.encode(other._batch(), add=False), np.arange(len(self))))
        seen = set()
        for key, code in other.items():
            own = find(self, key)
            if own is ABSENT or self[own] != code:
                return False
            seen.add(code)
        return len(seen) == len(self)

    def _batch(self) -> Any:
        """All keys as a batch, without an object per key."""
        if not isinstance(self.key_dtype, type):
            return self._labels(False)
        try:
            values, valid = arrow_values(ArrowArray(self._key_codec, self._labels(True), None), "keys")
            return Column(values, valid)
        except ValueError:  # a str that is not valid UTF-8
            return self._labels(False)

    def __repr__(self) -> str:
        items = first_of(map(repr, self), len(self))
        return f"{type(self).__name__}({self._key_codec.name}, [{items}])"

    def _repr_html_(self) -> str | None:
        return notebook.page(f"{type(self).__name__}({self._key_codec.name})", len(self), cast("Any", self).nbytes)


def _ints(codes: Any) -> npt.NDArray[Any]:
    array: npt.NDArray[Any] = np.asarray(codes)  # no subclass, whose methods may do anything
    if array.dtype.kind == "u" and array.dtype.itemsize == 8:
        array = np.minimum(array, np.uint64(2**63 - 1)).astype(np.int64)
    if array.dtype.kind not in "iu":
        if array.size == 0:
            return np.empty(array.shape, np.int64)
        raise TypeError(f"codes are of dtype {array.dtype}: give ints, as encode() returns them")
    return array


def check_labels(codes: npt.NDArray[np.int64], labels: Any) -> None:
    """Raise ``ValueError``, which names the first label that is null or that was there before, unless the codes of new
    labels are in order."""
    wrong = codes != np.arange(len(codes))
    if wrong.any():
        at = int(wrong.argmax())
        if codes[at] < 0:
            raise ValueError(f"labels[{at}] is null: fill or drop nulls")
        shown = labels.key(codes[at])
        raise ValueError(f"labels[{at}] is {shown!r}, as labels[{codes[at]}] is: give each label once, or use encode()")
