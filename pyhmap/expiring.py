"""What sets and maps whose keys expire have in common: the ring of parts, and saving it.

                  Expiring               the ring, look-ups, files
                 ┌────┴────┐
         ExpiringSet    ExpiringMap      which part a key goes to
    parts:  HSet           HMap

A set has each key in one part. A map has a key in several parts if it was counted in each of them; its value is their
sum. _mapping/windows.py says when a part is dropped. A call asks each live part in one batch call, and makes no object
for a key.
"""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt

from pyhmap import files, introspect
from pyhmap._convert.codec import Codec, Many
from pyhmap._file import parts as folders
from pyhmap._file.types import type_text
from pyhmap._inspect import notebook
from pyhmap._mapping.batches import Batch, Rows
from pyhmap._mapping.windows import LAST, Numbers, Ring, Turns
from pyhmap.errors import CorruptMapError, FileFormatError
from pyhmap.hset import HSet

_K = TypeVar("_K")
_S_co = TypeVar("_S_co", covariant=True)

At = float | Iterable[float] | npt.NDArray[Any] | None  # one time for all keys, or one for each

IN_ONE_PIECE = 1 << 12  # keys that an iteration makes objects of at a time


class DType(Protocol[_S_co]):
    """``np.dtype("M8[s]")``, of type ``np.dtype[np.datetime64]``, is one of ``np.datetime64``; see hmap.pyi."""

    @property
    def type(self) -> type[_S_co]: ...


class Expiring(ABC, Generic[_K]):
    """What the set and the map have in common."""

    _kind: str
    _frozen_type: Any
    _ring: Ring[Any]
    _none: Any  # a part without keys: what it refuses, the object refuses
    _codec: Codec
    _seed: int | None

    __hash__ = None  # type: ignore[assignment]

    def _start(self, none: Any, codec: Codec, ring: Ring[Any], seed: int | None) -> None:
        self._none, self._codec, self._ring, self._seed = none, codec, ring, seed
        self._saving = Turns("save() is called in the middle of a save() of the same object")
        # What the last save has written, and to which folder: the file of each part, by its number and version.
        self._saved: tuple[str, dict[tuple[int, int], str]] = "", {}

    def _turn(self) -> Ring[Any]:
        """The ring, after what is due has happened. The caller has entered."""
        if self._ring.turns.changing:
            self._settle()
            self._ring.turns.changing = False
        self._ring.turn()
        return self._ring

    def _settle(self) -> None:
        """Put in order what a change has left that failed."""

    def _batch(self, keys: Any) -> Batch:
        """The keys of a batch that writes."""
        return Batch(keys, self._codec).refuse_nulls()

    def _first_of_each(self, batch: Batch, rows: Rows) -> Rows:
        """Of these rows, in their order, the first of each key."""
        return rows[HSet(self.key_dtype).add_many(batch.taken(rows), return_new=True)]

    def _has_room(self, more: int) -> bool:
        """Whether so many keys may be added."""
        most = self._ring.max_keys
        return most is None or sum(map(len, self._ring.walk())) + more <= most

    def _check_room(self, more: int) -> None:
        """Raise ``OverflowError`` unless so many keys may be added."""
        if not self._has_room(more):
            held, most = sum(map(len, self._ring.walk())), self._ring.max_keys
            raise OverflowError(
                f"{held:,} keys are held, {more:,} more would be added, and max_keys is {most:,}: wait until some "
                "expire, discard some, or make the object with a larger max_keys or a shorter window"
            )

    # ---- the window

    @property
    def window(self) -> float:
        """The seconds for which a key is kept at least.

        >>> from pyhmap import ExpiringSet
        >>> ExpiringSet(str, 60).window
        60.0
        """
        return self._ring.window

    @property
    def parts(self) -> int:
        """In how many parts the window is cut: a key is kept for at most ``window * (1 + 1 / parts)`` seconds.

        >>> from pyhmap import ExpiringSet
        >>> ExpiringSet(str, 60, parts=6).parts
        6
        """
        return self._ring.count

    @property
    def key_dtype(self) -> Any:
        """The type of the keys: a dtype, or ``str``, ``bytes`` or ``object``.

        >>> from pyhmap import ExpiringSet
        >>> ExpiringSet("i8", 60).key_dtype
        dtype('int64')
        """
        return self._codec.dtype

    def expire(self) -> None:
        """Drop what is due now. Every other call does so too: this one is for memory that is to be free at once.

        >>> from pyhmap import ExpiringSet
        >>> now = 1000.0
        >>> s = ExpiringSet(str, 60, clock=lambda: now)
        >>> s.add("a")
        True
        >>> now = 2000.0
        >>> s.expire()
        >>> s.nbytes
        0
        """
        with self._ring.turns.entered():
            self._turn()

    def clear(self) -> None:
        """Remove all keys.

        >>> from pyhmap import ExpiringSet
        >>> s = ExpiringSet(str, 60)
        >>> s.add("a")
        True
        >>> s.clear()
        >>> len(s)
        0
        """
        with self._ring.turns.entered():
            self._turn().clear()

    # ---- reading

    def __contains__(self, key: object) -> bool:
        with self._ring.turns.entered():
            return key in self._none or any(key in part for part in self._turn().walk())

    def contains_many(self, keys: Many[_K]) -> npt.NDArray[np.bool_]:
        """Look up n keys: an array of shape (n,), a sequence, or an Arrow column. Returns a bool array of shape (n,):
        which of them are present.

        ``TypeError`` or ``OverflowError`` names the position of an invalid key; a null is absent.

        >>> from pyhmap import ExpiringSet
        >>> s = ExpiringSet(str, 60)
        >>> s.add("a")
        True
        >>> s.contains_many(["a", "b"])
        array([ True, False])
        """
        batch = Batch(keys, self._codec)
        with self._ring.turns.entered():
            found = np.zeros(batch.n, np.bool_)
            for part in self._turn().walk():
                found |= part.contains_many(batch.whole)
            return found

    def __bool__(self) -> bool:
        with self._ring.turns.entered():
            return any(map(len, self._turn().walk()))

    @property
    def nbytes(self) -> int:
        """Bytes of all live parts; see :attr:`HMap.nbytes`.

        >>> from pyhmap import ExpiringSet
        >>> ExpiringSet("i8", 60).nbytes
        0
        """
        with self._ring.turns.entered():
            return sum(part.nbytes for part in self._turn().walk())

    def headers(self) -> list[introspect.Header]:
        """The header of each live part, the oldest first; see :meth:`HMap.header`. A map may have a key in several.

        >>> from pyhmap import ExpiringSet
        >>> s = ExpiringSet(str, 60, clock=lambda: 1000.0)
        >>> s.add_many(["a", "b", "c"], at=[950.0, 1000.0, 1000.0])
        array([ True,  True,  True])
        >>> [header.count for header in s.headers()]
        [1, 2]
        """
        with self._ring.turns.entered():
            return [part.header() for part in self._turn().walk()]

    def check(self) -> None:
        """Check every invariant. Raises ``CorruptMapError``, which names the first that is broken.

        >>> from pyhmap import ExpiringSet
        >>> ExpiringSet("i8", 60).check()
        """
        with self._ring.turns.entered():
            ring = self._turn()
            for number, part in ring.parts():
                if not ring.oldest <= number <= ring.newest + ring.count + 1:
                    raise CorruptMapError(f"part {number} is live, and the clock is in part {ring.newest}")
                part.check()
            self._check_parts(list(ring.walk()))

    def _check_parts(self, live: list[Any]) -> None:
        """Check what the parts have to do with one another."""

    def __repr__(self) -> str:
        with self._ring.turns.entered():
            held = sum(map(len, self._turn().walk()))
        types = ", ".join([self._codec.name, *self._value_names()])
        return f"<{type(self).__name__}({types}, {self.window!r}, parts={self.parts}) with {held:,} keys>"

    def _repr_html_(self) -> str:
        """What a notebook shows; see :meth:`HMap._repr_html_`."""
        with self._ring.turns.entered():
            parts = list(self._turn().walk())
            held, nbytes = sum(map(len, parts)), sum(part.nbytes for part in parts)
        types = ", ".join([self._codec.name, *self._value_names()])
        lines = [("window", f"{self.window!r}, in {self.parts} parts")]
        return notebook.page(f"{type(self).__name__}({types})", held, nbytes, lines)

    def _value_names(self) -> list[str]:
        return []

    def _objects(self, keys: npt.NDArray[Any]) -> Iterator[Any]:
        """The keys of an array as objects."""
        for at in range(0, len(keys), IN_ONE_PIECE):
            yield from self._codec.as_returned(keys[at : at + IN_ONE_PIECE])

    # ---- files

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write a file for each part to a folder, which is made if it is missing, and a manifest that names them.

        Parts that have not changed since the last save of this object to this folder are not written again. Whatever
        fails, and whenever the process or the machine stops, :meth:`open` gives what the last save that came to its end
        has written, or this one. What is saved is the state of one moment: other threads wait while the changed parts
        are frozen, which takes memory of half their size, and go on while they are written. Give each object a folder
        of its own.

        Raises
        ------
        TypeError
            Keys or values are objects, or of a type that files do not hold.
        OSError
            The disk is full, the folder above is missing, ...
        RuntimeError
            A clock, a finaliser or a signal handler calls it in the middle of another call.

        Examples
        --------
        >>> import os, tempfile
        >>> from pyhmap import ExpiringSet
        >>> folder = os.path.join(tempfile.mkdtemp(), "seen")
        >>> now = 1000.0
        >>> s = ExpiringSet(str, 60, clock=lambda: now)
        >>> s.add_many(["a", "b"])
        array([ True,  True])
        >>> s.save(folder)
        >>> again = ExpiringSet.open(folder, clock=lambda: now)
        >>> again.add_many(["b", "c"])
        array([False,  True])
        """
        folder = os.path.abspath(os.fsdecode(folder))
        with self._saving.entered():
            to, known = self._saved
            fresh, names = {}, {}
            with self._ring.turns.entered():
                ring = self._turn()
                self._none.freeze()  # which refuses objects, even if there are no keys
                about = self._about()
                for number, part in ring.parts():
                    named = number, ring.versions[number]
                    name = known.get(named, "")
                    if folder != to or not os.path.isfile(os.path.join(folder, name)):  # or somebody removed it
                        name = folders.new_name()
                        fresh[name] = part.freeze()
                    names[named] = name
            manifest = folders.manifest_of({**about, "live": [[number, names[number, v]] for number, v in names]})
            try:
                folders.make_folder(folder)
                for name, frozen in fresh.items():
                    frozen.save(os.path.join(folder, name))
                folders.write_manifest(folder, manifest)
                self._saved = folder, names
            finally:
                folders.sweep(folder)

    def _about(self) -> dict[str, Any]:
        """What the manifest says beside the files."""
        ring = self._ring
        about = {"kind": self._kind, "key": type_text(self.key_dtype), "window": ring.window, "parts": ring.count}
        return {**about, "max_keys": ring.max_keys, "seed": self._seed, "now": ring.now}

    @classmethod
    def open(cls, folder: str | os.PathLike[str], *, clock: Callable[[], float] = time.time) -> Self:
        """What :meth:`save` has written to a folder, without what has expired since.

        ``clock`` must go on from the time of the save: ``time.time`` does, ``time.monotonic`` starts again when the
        machine does. All files of live parts are read and verified.

        Raises
        ------
        FileFormatError
            The manifest or a file is damaged, missing, of another type, or of a release that this one cannot read.
        OSError
            The folder or its manifest is missing, or cannot be read.

        Examples
        --------
        >>> import os, tempfile
        >>> from pyhmap import ExpiringMap
        >>> folder = os.path.join(tempfile.mkdtemp(), "counts")
        >>> now = 1000.0
        >>> m = ExpiringMap(str, int, 60, clock=lambda: now)
        >>> m.add_many(["a", "a"])
        array([1, 2])
        >>> m.save(folder)
        >>> ExpiringMap.open(folder, clock=lambda: now)["a"]
        2
        >>> now = 2000.0
        >>> len(ExpiringMap.open(folder, clock=lambda: now))
        0
        """
        folder = os.path.abspath(os.fsdecode(folder))
        manifest = folders.read_manifest(folder)
        where = os.path.join(folder, folders.MANIFEST)
        content = folders.content_of(manifest, where)
        made = cls.__new__(cls)
        try:
            if content.get("kind") != cls._kind:
                raise ValueError(f"it is of a {str(content.get('kind'))[:100]}, and {cls.__name__} opens a {cls._kind}")
            names = folders.names_in(content)
            now = content.get("now")
            if type(now) is not int or not -LAST <= now < LAST:
                raise ValueError(f"its time is {str(now)[:100]}")
            made._begin_from(content)
            ring = made._ring
            ring.move(now)
            if any(not ring.oldest <= number <= ring.newest + ring.count + 1 for number, _ in names):
                raise ValueError("it has a part that its time has not")
        except (TypeError, ValueError, OverflowError, KeyError) as error:
            raise FileFormatError(f"{where} is damaged: {error}. Save again, or take another copy") from None
        ring.use_clock(clock)
        ring.turn()
        kept = {}
        for number, name in names:
            if number >= ring.oldest:
                path = os.path.join(folder, name)
                if os.path.islink(path):
                    raise FileFormatError(f"{path} is a link, which may lead elsewhere: take another copy")
                try:
                    frozen = files.open(path, verify="full")
                except FileNotFoundError:
                    raise FileFormatError(f"{where} names {name}, which is not there: take another copy") from None
                with frozen:
                    if type(frozen) is not cls._frozen_type or not made._holds(frozen):
                        raise FileFormatError(f"{path} is no part of {where}: take another copy")
                    made._load(ring.part(number), frozen)
                kept[number, ring.versions[number]] = name
        made._saved = folder, kept
        return made

    @abstractmethod
    def _begin_from(self, content: dict[str, Any]) -> None:
        """Begin with what a manifest says, which anybody may have written."""

    def _holds(self, frozen: Any) -> bool:
        """Whether a file is of the types of this object."""
        return bool(frozen.key_dtype == self.key_dtype)

    def _load(self, part: Any, frozen: Any) -> None:
        """Fill a new part."""
        part.update(frozen)

    def __reduce__(self) -> Any:
        raise TypeError(f"{type(self).__name__} cannot be pickled or copied: save() it, and open it again")


def by_part(numbers: Numbers, rows: Rows) -> Iterator[tuple[int, Rows]]:
    """The rows of each part, the latest part first."""
    if not len(rows):
        return
    if isinstance(numbers, int):
        yield numbers, rows
        return
    of_rows = numbers[rows]
    for number in np.unique(of_rows)[::-1].tolist():
        yield number, rows[of_rows == number]
