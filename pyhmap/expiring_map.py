"""The public map whose entries expire, and whose sums slide."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar, cast, overload

import numpy as np
import numpy.typing as npt

from pyhmap._convert.codec import Many, shown
from pyhmap._convert.columns import concatenated
from pyhmap._convert.combining import NUMBERS
from pyhmap._convert.sentinels import ABSENT, NO_DEFAULT
from pyhmap._file.types import type_of_text, type_text
from pyhmap._mapping.batches import Batch, Rows
from pyhmap._mapping.windows import Ring, read_times
from pyhmap.expiring import At, DType, Expiring, by_part
from pyhmap.frozen import FrozenMap
from pyhmap.hmap import HMap

_K = TypeVar("_K")
_V = TypeVar("_V")
_T = TypeVar("_T")
# Types whose objects come back as they are. NumPy's other scalars become Python's, as item() makes them.
_PK = TypeVar("_PK", bool, int, float, str, bytes, np.datetime64, np.timedelta64)
_PV = TypeVar("_PV", bool, int, float, complex, str, bytes, np.datetime64, np.timedelta64)


class ExpiringMap(Expiring[_K], Generic[_K, _V]):
    """A map that keeps each entry for a window of time, and sums that slide: for caches, frequency caps, rate limits.

    Parameters
    ----------
    key, value
        The types of the keys and values: those that :class:`HMap` accepts.
    window, parts, max_keys, clock, seed
        As for :class:`ExpiringSet`. A key that is counted in several parts counts once for each in ``max_keys``.

    Notes
    -----
    Raises what :class:`ExpiringSet` does.

    An entry is kept from its last write, exactly as a key of an :class:`ExpiringSet` is. If the values are numbers,
    :meth:`add_many` counts in the part of each event: the value of a key is the sum of what was added to it at the
    times of all live parts. So it has everything from the last window, and nothing from before
    ``window * (1 + 1 / parts)``. Setting a key replaces its sum.

    Examples
    --------
    >>> from pyhmap import ExpiringMap
    >>> now = 1000.0
    >>> shown = ExpiringMap(str, int, window=60, clock=lambda: now)
    >>> shown.add_many(["ann", "bob", "ann", "ann"]) <= 2  # each user sees it twice in a minute at most
    array([ True,  True,  True, False])
    >>> now = 1030.0
    >>> shown.add_many(["ann", "bob"])
    array([4, 2])
    >>> now = 1070.0
    >>> shown["ann"], len(shown)
    (1, 2)
    """

    _kind = "map"
    _frozen_type = FrozenMap

    # As in hmap.pyi: an overload for each pair of a group of key types and one of value types.
    # fmt: off
    @overload
    def __init__(self: ExpiringMap[_PK, _PV], key: type[_PK] | DType[_PK], value: type[_PV] | DType[_PV],
                 window: float, *, parts: int = 8,
                 max_keys: int | None = None, clock: Callable[[], float] = time.time, seed: int | None = None,
                 ) -> None: ...
    @overload
    def __init__(self: ExpiringMap[_PK, _V], key: type[_PK] | DType[_PK],
                 value: type[np.generic[_V]] | np.dtype[np.generic[_V]],
                 window: float, *, parts: int = 8,
                 max_keys: int | None = None, clock: Callable[[], float] = time.time, seed: int | None = None,
                 ) -> None: ...
    @overload
    def __init__(self: ExpiringMap[_PK, Any], key: type[_PK] | DType[_PK], value: Any,
                 window: float, *, parts: int = 8,
                 max_keys: int | None = None, clock: Callable[[], float] = time.time, seed: int | None = None,
                 ) -> None: ...
    @overload
    def __init__(self: ExpiringMap[_K, _PV], key: type[np.generic[_K]] | np.dtype[np.generic[_K]],
                 value: type[_PV] | DType[_PV],
                 window: float, *, parts: int = 8,
                 max_keys: int | None = None, clock: Callable[[], float] = time.time, seed: int | None = None,
                 ) -> None: ...
    @overload
    def __init__(self: ExpiringMap[_K, _V], key: type[np.generic[_K]] | np.dtype[np.generic[_K]],
                 value: type[np.generic[_V]] | np.dtype[np.generic[_V]],
                 window: float, *, parts: int = 8,
                 max_keys: int | None = None, clock: Callable[[], float] = time.time, seed: int | None = None,
                 ) -> None: ...
    @overload
    def __init__(self: ExpiringMap[_K, Any], key: type[np.generic[_K]] | np.dtype[np.generic[_K]], value: Any,
                 window: float, *, parts: int = 8,
                 max_keys: int | None = None, clock: Callable[[], float] = time.time, seed: int | None = None,
                 ) -> None: ...
    @overload
    def __init__(self: ExpiringMap[Any, _PV], key: Any, value: type[_PV] | DType[_PV],
                 window: float, *, parts: int = 8,
                 max_keys: int | None = None, clock: Callable[[], float] = time.time, seed: int | None = None,
                 ) -> None: ...
    @overload
    def __init__(self: ExpiringMap[Any, _V], key: Any, value: type[np.generic[_V]] | np.dtype[np.generic[_V]],
                 window: float, *, parts: int = 8,
                 max_keys: int | None = None, clock: Callable[[], float] = time.time, seed: int | None = None,
                 ) -> None: ...
    @overload
    def __init__(self: ExpiringMap[Any, Any], key: Any, value: Any,
                 window: float, *, parts: int = 8,
                 max_keys: int | None = None, clock: Callable[[], float] = time.time, seed: int | None = None,
                 ) -> None: ...
    # fmt: on
    def __init__(
        self,
        key: Any,
        value: Any,
        window: float,
        *,
        parts: int = 8,
        max_keys: int | None = None,
        clock: Callable[[], float] = time.time,
        seed: int | None = None,
    ) -> None:
        self._begin(key, value, window, parts, max_keys, clock, seed)

    def _begin(
        self,
        key: Any,
        value: Any,
        window: float,
        parts: int,
        max_keys: int | None,
        clock: Callable[[], float],
        seed: int | None,
    ) -> None:
        none: HMap[Any, Any] = HMap(key, value, seed=seed)
        ring = Ring(window, parts, clock, max_keys, lambda: HMap(none.key_dtype, none.value_dtype, seed=seed))
        self._values = none._value_codec
        self._spread = False  # whether a key may be in several parts
        self._start(none, none._key_codec, ring, seed)

    def _begin_from(self, content: dict[str, Any]) -> None:
        key, value = type_of_text(content["key"]), type_of_text(content["value"])
        limits = content["window"], content["parts"], content["max_keys"]
        self._begin(key, value, *limits, time.time, content["seed"])
        self._spread = True

    def _about(self) -> dict[str, Any]:
        return {**super()._about(), "value": type_text(self.value_dtype)}

    def _holds(self, frozen: Any) -> bool:
        return bool(super()._holds(frozen) and frozen.value_dtype == self.value_dtype)

    def _load(self, part: Any, frozen: Any) -> None:
        part.set_many(*frozen.to_arrays())

    def _value_names(self) -> list[str]:
        return [self._values.name]

    @property
    def value_dtype(self) -> Any:
        """The type of the values: a dtype, or ``str``, ``bytes`` or ``object``.

        >>> from pyhmap import ExpiringMap
        >>> ExpiringMap(str, int, 60).value_dtype
        dtype('int64')
        """
        return self._values.dtype

    # ---- one key

    def _sum(self, values: list[Any]) -> _V:
        """The value of a key, of its values in the parts that have it."""
        if len(values) > 1:
            total, *more = (np.array([value], self.value_dtype) for value in values)
            for one in more:
                total += one
            values = self._values.as_returned(total)
        return cast("_V", values[0])

    def __getitem__(self, key: _K, /) -> _V:
        value = self.get(key, ABSENT)
        if value is ABSENT:
            raise KeyError(key)
        return cast("_V", value)

    @overload
    def get(self, key: _K, default: None = None, /) -> _V | None: ...
    @overload
    def get(self, key: _K, default: _T, /) -> _V | _T: ...
    def get(self, key: _K, default: Any = None, /) -> Any:
        """The value of a key, or ``default``.

        >>> from pyhmap import ExpiringMap
        >>> m = ExpiringMap(str, int, 60)
        >>> m["a"] = 1
        >>> m["a"], m.get("b"), m.get("b", 0)
        (1, None, 0)
        """
        with self._ring.turns.entered():
            values = [part.get(key, ABSENT) for part in (self._none, *self._turn().walk())]
            values = [value for value in values if value is not ABSENT]
            return self._sum(values) if values else default

    def __setitem__(self, key: _K, value: _V, /) -> None:
        with self._ring.turns.entered():
            ring = self._turn()
            self._none.pop(key, None)  # raises for what is not a key
            self._values.check(value)
            holders = [number for number, part in ring.parts() if key in part]
            if not holders:
                self._check_room(1)
            ring.turns.changing = True
            for number in holders:  # first: an old value must not be added to the new one if the rest fails
                if number != ring.newest:
                    del ring.part(number)[key]
            ring.part(ring.newest)[key] = value
            ring.turns.changing = False

    def __delitem__(self, key: _K, /) -> None:
        self.pop(key)

    @overload
    def pop(self, key: _K, /) -> _V: ...
    @overload
    def pop(self, key: _K, default: _T, /) -> _V | _T: ...
    def pop(self, key: _K, default: Any = NO_DEFAULT, /) -> Any:
        """Remove a key and return its value. If it is absent, return ``default``, or raise ``KeyError``.

        >>> from pyhmap import ExpiringMap
        >>> m = ExpiringMap(str, int, 60)
        >>> m["a"] = 1
        >>> m.pop("a"), m.pop("a", None)
        (1, None)
        """
        with self._ring.turns.entered():
            ring = self._turn()
            self._none.pop(key, None)  # raises for what is not a key
            ring.turns.changing = True
            values = [ring.part(number).pop(key) for number, part in ring.parts() if key in part]
            ring.turns.changing = False
            if values:
                return self._sum(values)
        if default is NO_DEFAULT:
            raise KeyError(key)
        return default

    # ---- many keys

    def _read(self, batch: Batch) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
        """The values of the keys of a batch, and which are present. The caller has entered, and taken its turn."""
        values, found = self._none.lookup_many(batch.whole)
        for part in self._ring.walk():
            more, has = part.lookup_many(batch.whole)
            both, only = has & found, has & ~found
            values[only] = more[only]
            if both.any():
                values[both] += more[both]
            found |= has
        return values, found

    def get_many(self, keys: Many[_K], default: Any = NO_DEFAULT) -> npt.NDArray[Any]:
        """The values of n keys, an array of shape (n,) as that of :meth:`HMap.get_many`.

        ``default`` is one value for the missing keys and nulls, or one per key. Without it, a missing key is a
        ``KeyError`` and a null a ``ValueError``; ``TypeError`` or ``OverflowError`` for an invalid key or default. All
        name the position.

        >>> from pyhmap import ExpiringMap
        >>> m = ExpiringMap(str, int, 60)
        >>> m.set_many(["a", "b"], [1, 2])
        >>> m.get_many(["b", "c"], 0)
        array([2, 0])
        """
        batch = Batch(keys, self._codec) if default is not NO_DEFAULT else self._batch(keys)
        with self._ring.turns.entered():
            self._turn()
            values, found = self._read(batch)
            if not found.all():
                if default is NO_DEFAULT:
                    row = int((~found).argmax())
                    key = shown(self._codec.as_returned(np.asarray(batch.taken(np.array([row]))))[0])
                    raise KeyError(f"key {key} at position {row} is not in the map")
                values[~found] = self._none.get_many(batch.whole, default)[~found]
            return values

    def set_many(self, keys: Many[_K], values: Many[_V] | _V | np.generic, *, at: At = None) -> None:
        """Set n keys to n values, or all to one. Among equal keys, the last one counts.

        ``at`` and errors are those of :meth:`ExpiringSet.add_many`; ``ValueError`` if the numbers of keys and values
        differ. A key whose time is so old that its part is dropped already is left as it is. If memory fails in the
        middle, keys of the batch may be missing.

        >>> from pyhmap import ExpiringMap
        >>> m = ExpiringMap(str, int, 60)
        >>> m.set_many(["a", "b"], [1, 2])
        >>> m["b"]
        2
        """
        batch = self._batch(keys)
        given, one = self._given(values, batch.n)
        times = read_times(at, batch.n)
        with self._ring.turns.entered():
            ring = self._turn()
            target = ring.numbers(times)
            chosen = np.flatnonzero(np.full(batch.n, target) >= ring.oldest)
            if not isinstance(target, int):
                chosen = np.sort(self._first_of_each(batch, chosen[::-1]))  # the last of each
            holders = {number: part.contains_many(batch.whole) for number, part in ring.parts()}
            if not self._has_room(len(chosen)):
                fresh = chosen[~np.logical_or.reduce([np.zeros(batch.n, np.bool_), *holders.values()])[chosen]]
                self._check_room(len(self._first_of_each(batch, fresh)))
            ring.turns.changing = True
            for number, has in holders.items():
                elsewhere = chosen[(has & (target != number))[chosen]]
                if len(elsewhere):
                    ring.part(number).discard_many(batch.at(elsewhere))
            for number, rows in by_part(target, chosen):
                ring.part(number).set_many(batch.at(rows), given if one else given[rows])
            ring.turns.changing = False

    def _given(self, values: Any, n: int) -> tuple[Any, bool]:
        """Values for n keys, checked: an array, or one for all as it is; and whether it is one."""
        if self._values.is_scalar(values):
            self._values.check(self._values.single(values))
            return values, True
        given = self._values.many_values(values)
        if len(given) != n:
            raise ValueError(f"{n} keys but {len(given)} values: give one value per key, or one for all")
        return given, False

    def add_many(
        self, keys: Many[_K], values: Many[_V] | _V | np.generic | int = 1, *, at: At = None
    ) -> npt.NDArray[Any]:
        """Add a number to the value of each of n keys. Returns an array of shape (n,) of the type of the values: the
        running total of the key over the window, after each event of the batch, in order.

        So ``m.add_many(keys) <= cap`` says which events are within a cap. Those beyond it are counted too.

        Parameters
        ----------
        keys
            As for :meth:`ExpiringSet.add_many`.
        values
            One number for all keys, or n. Ints wrap around, as in :meth:`HMap.add_many`. Sums of floats are rounded,
            and depend on the order.
        at
            The time of the events, as for :meth:`ExpiringSet.add_many`. One so old that its part is dropped already is
            not counted: the total is that of the other events.

        Notes
        -----
        Raises what :meth:`ExpiringSet.add_many` does; ``TypeError`` if the values are not ints, floats or timedeltas;
        ``ValueError`` if the numbers of keys and values differ. If memory fails in the middle, some of the events may
        be counted.

        >>> from pyhmap import ExpiringMap
        >>> m = ExpiringMap(str, int, 60)
        >>> m.add_many(["a", "b", "a"])
        array([1, 1, 2])
        >>> m.add_many(["a", "b"], [10, 20])
        array([12, 21])
        """
        if self.value_dtype not in NUMBERS and getattr(self.value_dtype, "kind", "") != "m":
            name = self._values.name
            raise TypeError(f"add_many cannot add values of type {name}: give a map of ints, floats or timedeltas")
        batch = self._batch(keys)
        given, one = self._given(values, batch.n)
        times = read_times(at, batch.n)
        if one:
            given = np.repeat(self._values.many_values([self._values.single(given)]), batch.n)
        with self._ring.turns.entered():
            ring = self._turn()
            target = ring.numbers(times)
            counted = np.full(batch.n, target) >= ring.oldest
            amounts = np.where(counted, given, np.zeros(1, given.dtype))
            totals, _ = self._read(batch)  # 0 for a missing key
            totals += self._running(batch, amounts)
            chosen = np.flatnonzero(counted)
            if not self._has_room(len(chosen)):
                groups = [(batch, rows, ring.live.get(number)) for number, rows in by_part(target, chosen)]
                self._check_room(sum(self._count_absent(*group) for group in groups))
            ring.turns.changing = self._spread = True
            for number, rows in by_part(target, chosen):
                ring.part(number).add_many(batch.at(rows), amounts[rows])
            ring.turns.changing = False
            return totals

    def _count_absent(self, batch: Batch, rows: Rows, part: Any) -> int:
        """How many different keys of these rows a part does not have."""
        if part is not None:
            rows = rows[~part.contains_many(batch.at(rows))]
        return len(self._first_of_each(batch, rows))

    def _running(self, batch: Batch, amounts: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """For each row, the sum of the amounts of its key up to it."""
        codes = HMap(self.key_dtype, np.int64).factorize(batch.whole)
        most = int(np.bincount(codes, minlength=1).max())
        if most == 1:
            return amounts
        # Rows of a key side by side; each adds what is 1, 2, 4, ... rows before it. So no sum of another key, which may
        # be infinite, gets into it.
        order = np.argsort(codes, kind="stable")
        sums, codes, step = amounts[order], codes[order], 1
        while step < most:
            same = codes[step:] == codes[:-step]
            before = sums[:-step][same]
            sums[step:][same] += before
            step *= 2
        running = np.empty_like(sums)
        running[order] = sums
        return running

    def discard_many(self, keys: Many[_K]) -> int:
        """Remove those of n keys that are present. Returns how many were. Errors are those of ``add_many``.

        >>> from pyhmap import ExpiringMap
        >>> m = ExpiringMap(str, int, 60)
        >>> m["a"] = 1
        >>> m.discard_many(["a", "b"])
        1
        """
        batch = self._batch(keys)
        with self._ring.turns.entered():
            ring = self._turn()
            found = np.zeros(batch.n, np.bool_)
            for part in ring.walk():
                found |= part.contains_many(batch.whole)
            gone = len(self._first_of_each(batch, np.flatnonzero(found)))
            ring.turns.changing = True
            for number, _ in ring.parts():
                ring.part(number).discard_many(batch.whole)
            ring.turns.changing = False
            return gone

    # ---- all keys

    def _different(self) -> npt.NDArray[Any]:
        """Each key once, where it comes last."""
        live = list(self._ring.walk())
        found = [self._none.keys_array()]
        for i, part in enumerate(live):
            keys = part.keys_array()
            for later in live[i + 1 :] if self._spread else []:
                keys = keys[~later.contains_many(keys)]
            found.append(keys)
        return concatenated(found)

    def __len__(self) -> int:
        """The number of keys. If :meth:`add_many` was called, it is counted: that takes a pass over all parts."""
        with self._ring.turns.entered():
            ring = self._turn()
            return len(self._different()) if self._spread else sum(map(len, ring.walk()))

    def to_arrays(self) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Copies of keys and values, both of shape (len,), in the same order: by the last part of each key, the oldest
        first.

        >>> from pyhmap import ExpiringMap
        >>> m = ExpiringMap("i4", "f8", 60)
        >>> m[7] = 0.5
        >>> m.to_arrays()
        (array([7], dtype=int32), array([0.5]))
        """
        with self._ring.turns.entered():
            self._turn()
            keys = self._different()
            return keys, self._read(Batch(keys, self._codec))[0]

    def __iter__(self) -> Iterator[_K]:
        """The keys that are present when the iteration begins. No change ends it, nor shows in it."""
        return self._objects(self.to_arrays()[0])

    def items(self) -> Iterator[tuple[_K, _V]]:
        """The pairs of key and value that are present now, in the order of :meth:`to_arrays`. No later change ends the
        iteration, nor shows in it.

        >>> from pyhmap import ExpiringMap
        >>> m = ExpiringMap(str, int, 60)
        >>> m["a"] = 1
        >>> list(m.items())
        [('a', 1)]
        """
        keys, values = self.to_arrays()
        return zip(self._objects(keys), self._values.as_returned(values), strict=True)
