"""The public set whose keys expire."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from typing import Any, TypeVar, cast, overload

import numpy as np
import numpy.typing as npt

from pyhmap._convert.codec import Many
from pyhmap._convert.columns import concatenated
from pyhmap._file.types import type_of_text
from pyhmap._mapping.windows import Ring, read_times
from pyhmap.errors import CorruptMapError
from pyhmap.expiring import At, DType, Expiring, by_part
from pyhmap.frozen_set import FrozenSet
from pyhmap.hset import HSet

_K = TypeVar("_K")
# Types whose objects come back as they are. NumPy's other scalars become Python's, as item() makes them.
_PK = TypeVar("_PK", bool, int, float, str, bytes, np.datetime64, np.timedelta64)

NOWHERE = int(np.iinfo(np.int64).min)  # the number of no part, before all others


class ExpiringSet(Expiring[_K], Collection[_K]):
    """A set that keeps each key for a window of time, and forgets it: for deduplication of streams, replay guards.

    Parameters
    ----------
    key
        The type of the keys: one that :class:`HMap` accepts for keys.
    window
        Seconds, above 0.
    parts
        In how many parts the window is cut, from 1 to 1,000. More parts forget more exactly; each call asks all.
    renew
        ``False``: a key is kept from the time when it was new. ``True``: from when it was last added.
    max_keys
        The most keys that the set may hold; an int from 1 on, or None.
    clock
        A function that returns seconds. If it goes back, the latest reading counts.
    seed
        An int makes the layout of the tables reproducible; see :class:`HMap`.

    Raises
    ------
    TypeError
        The type is not supported; the clock is not a function.
    ValueError
        ``window``, ``parts`` or ``max_keys`` is not as said above.

    Notes
    -----
    A key of time t is present at every time up to and including ``t + window``, and absent from
    ``t + window * (1 + 1 / parts)`` on. In between it is dropped, together with all keys of its part. The length of a
    part is rounded up to whole nanoseconds. Any number of threads may use a set; one call at a time goes ahead. A call
    by the clock, by a finaliser or by a signal handler in the middle of another call of the same thread raises
    ``RuntimeError``.

    Examples
    --------
    >>> from pyhmap import ExpiringSet
    >>> now = 1000.0
    >>> seen = ExpiringSet(str, window=60, clock=lambda: now)
    >>> seen.add_many(["a", "b", "a"])
    array([ True,  True, False])
    >>> now = 1060.0
    >>> seen.add_many(["a", "c"])
    array([False,  True])
    >>> now = 1070.0
    >>> seen.add_many(["a", "c"])
    array([ True, False])
    """

    _kind = "set"
    _frozen_type = FrozenSet

    # As in hmap.pyi: an overload for each group of key types, from which a type checker finds K.
    # fmt: off
    @overload
    def __init__(self: ExpiringSet[_PK], key: type[_PK] | DType[_PK],
                 window: float, *, parts: int = 8, renew: bool = False,
                 max_keys: int | None = None, clock: Callable[[], float] = time.time, seed: int | None = None,
                 ) -> None: ...
    @overload
    def __init__(self: ExpiringSet[_K], key: type[np.generic[_K]] | np.dtype[np.generic[_K]],
                 window: float, *, parts: int = 8, renew: bool = False,
                 max_keys: int | None = None, clock: Callable[[], float] = time.time, seed: int | None = None,
                 ) -> None: ...
    @overload
    def __init__(self: ExpiringSet[Any], key: Any,
                 window: float, *, parts: int = 8, renew: bool = False,
                 max_keys: int | None = None, clock: Callable[[], float] = time.time, seed: int | None = None,
                 ) -> None: ...
    # fmt: on
    def __init__(
        self,
        key: Any,
        window: float,
        *,
        parts: int = 8,
        renew: bool = False,
        max_keys: int | None = None,
        clock: Callable[[], float] = time.time,
        seed: int | None = None,
    ) -> None:
        self._begin(key, window, parts, renew, max_keys, clock, seed)

    def _begin(
        self,
        key: Any,
        window: float,
        parts: int,
        renew: bool,
        max_keys: int | None,
        clock: Callable[[], float],
        seed: int | None,
    ) -> None:
        none: HSet[Any] = HSet(key, seed=seed)
        ring = Ring(window, parts, clock, max_keys, lambda: HSet(none.key_dtype, seed=seed))
        self._renew = bool(renew)
        self._start(none, none._map._key_codec, ring, seed)

    def _begin_from(self, content: dict[str, Any]) -> None:
        if type(content["renew"]) is not bool:
            raise ValueError("renew is neither true nor false")
        key = type_of_text(content["key"])
        limits = content["window"], content["parts"], content["renew"], content["max_keys"]
        self._begin(key, *limits, time.time, content["seed"])

    def _about(self) -> dict[str, Any]:
        return {**super()._about(), "renew": self._renew}

    # ---- one key

    def add(self, key: _K, *, at: float | None = None) -> bool:
        """Add a key, if it is absent. Returns whether it was. ``at`` and errors are those of :meth:`add_many`.

        >>> from pyhmap import ExpiringSet
        >>> s = ExpiringSet(str, 60)
        >>> s.add("a"), s.add("a")
        (True, False)
        """
        when = read_times(at, None)
        with self._ring.turns.entered():
            ring = self._turn()
            target = cast("int", ring.numbers(when))
            self._none.discard(key)  # raises for what is not a key
            holder = next((number for number, part in ring.parts() if key in part), NOWHERE)
            if target < ring.oldest or holder >= target or (holder != NOWHERE and not self._renew):
                return False
            if holder == NOWHERE:
                self._check_room(1)
            ring.turns.changing = True
            ring.part(target).add(key)
            if holder != NOWHERE:
                ring.part(holder).discard(key)
            ring.turns.changing = False
            return holder == NOWHERE

    def discard(self, key: _K, /) -> None:
        """Remove a key, if it is present.

        >>> from pyhmap import ExpiringSet
        >>> s = ExpiringSet(str, 60)
        >>> s.add("a")
        True
        >>> s.discard("a")
        >>> "a" in s
        False
        """
        with self._ring.turns.entered():
            ring = self._turn()
            self._none.discard(key)  # raises for what is not a key
            for number, part in ring.parts():
                if key in part:
                    ring.part(number).discard(key)

    # ---- many keys

    def add_many(self, keys: Many[_K], *, at: At = None) -> npt.NDArray[np.bool_]:
        """Add n keys: an array of shape (n,), a sequence, or an Arrow column. Returns a bool array of shape (n,): which
        keys were new; among equal new keys, the first.

        Parameters
        ----------
        keys
            All keys are checked before one is added.
        at
            The time of the keys in seconds of the clock: one for all, or n; None for now. It says how long a key is
            kept; what is new is decided by what is present now. A key so old that its part is dropped already is not
            added, and is not new.

        Raises
        ------
        TypeError, OverflowError, ValueError
            A key is invalid or null: the message names its position.
        ValueError
            A time is more than a window after now: the message names its position; or ``at`` has another shape.
        OverflowError
            The set would hold more than ``max_keys``. No key is added.

        Examples
        --------
        >>> from pyhmap import ExpiringSet
        >>> now = 1000.0
        >>> used = ExpiringSet(str, window=60, clock=lambda: now)
        >>> used.add_many(["ticket 1", "ticket 2", "ticket 3"], at=[990.0, 1000.0, 900.0])
        array([ True,  True, False])
        """
        batch = self._batch(keys)
        times = read_times(at, batch.n)
        with self._ring.turns.entered():
            ring = self._turn()
            target = ring.numbers(times)
            held = np.full(batch.n, NOWHERE)
            for number, part in ring.parts():
                held[part.contains_many(batch.whole)] = number
            new = np.zeros(batch.n, np.bool_)
            fresh = np.flatnonzero((held == NOWHERE) & (target >= ring.oldest))
            one_part = isinstance(target, int)
            if not one_part or not self._has_room(len(fresh)):
                fresh = self._first_of_each(batch, fresh)
                self._check_room(len(fresh))
                new[fresh] = True
            chosen = np.flatnonzero((held < target) & (target >= ring.oldest)) if self._renew else fresh
            ring.turns.changing = True
            for number, rows in by_part(target, chosen):
                if self._renew and not one_part:  # a key of several times is in its last part already
                    for later in [part for other, part in ring.parts() if other > number]:
                        rows = rows[~later.contains_many(batch.at(rows))]
                added = ring.part(number).add_many(batch.at(rows), return_new=True)
                if one_part:
                    new[rows] = added & (held[rows] == NOWHERE)
                for old in [old for old, _ in ring.parts() if self._renew and old < number]:
                    moved = rows[held[rows] == old]
                    if len(moved):
                        ring.part(old).discard_many(batch.at(moved))
            ring.turns.changing = False
            return new

    def discard_many(self, keys: Many[_K]) -> int:
        """Remove those of n keys that are present. Returns how many were. Errors are those of ``add_many``.

        >>> from pyhmap import ExpiringSet
        >>> s = ExpiringSet(str, 60)
        >>> s.add("a")
        True
        >>> s.discard_many(["a", "b"])
        1
        """
        batch = self._batch(keys)
        with self._ring.turns.entered():
            ring = self._turn()
            ring.turns.changing = True
            gone: int = sum(ring.part(number).discard_many(batch.whole) for number, _ in ring.parts())
            ring.turns.changing = False
            return gone

    # ---- all keys

    def __len__(self) -> int:
        with self._ring.turns.entered():
            return sum(map(len, self._turn().walk()))

    def to_array(self) -> npt.NDArray[Any]:
        """A copy of the keys, of shape (len,), the oldest part first. Its dtype is object for str, bytes and objects.

        >>> from pyhmap import ExpiringSet
        >>> s = ExpiringSet("i4", 60)
        >>> s.add(7)
        True
        >>> s.to_array()
        array([7], dtype=int32)
        """
        with self._ring.turns.entered():
            return concatenated([self._none.to_array(), *(part.to_array() for part in self._turn().walk())])

    def __iter__(self) -> Iterator[_K]:
        """The keys that are present when the iteration begins. No change ends it, nor shows in it."""
        return self._objects(self.to_array())

    def _settle(self) -> None:
        """A key that was being moved may be in two parts: the later one counts."""
        live = self._ring.parts()
        for i, (number, _) in enumerate(live):
            for _, later in live[i + 1 :]:
                self._ring.part(number).discard_many(later.to_array())

    def _check_parts(self, live: list[Any]) -> None:
        for i, part in enumerate(live):
            if any(later.contains_many(part.to_array()).any() for later in live[i + 1 :]):
                raise CorruptMapError("a key is in two parts")
