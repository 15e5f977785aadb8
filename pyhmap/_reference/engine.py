"""The engine in plain Python: what each call does to the table, in the fewest words.

For the same seed and the same calls, the compiled engine must produce the same rows; the tests compare them byte by
byte.

Keys and values are the bytes that their codecs make from them, or Python objects. Converting, comparing and releasing
objects may run any code, and that code may use the map. So each call first converts, then searches, then changes the
table without running other code. The objects that it removes are released when it returns.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from operator import index
from typing import Any

import numpy as np
import xxhash

from pyhmap._convert import codecs
from pyhmap._convert.combining import runs_of
from pyhmap._convert.sentinels import ABSENT, NO_DEFAULT
from pyhmap._engine.single import item_of
from pyhmap._engine.threads import Threads
from pyhmap._inspect.hashes import siphash13
from pyhmap._inspect.state import SAME_SIZE_GROW, SLOTS, RawTable, RawTexts
from pyhmap._mapping.mapping import MapMethods
from pyhmap._reference import batches
from pyhmap._reference.table import (
    M64,
    Array,
    Buckets,
    HashKey,
    ObjectKey,
    Packer,
    Slot,
    StoredKey,
    draw_hash_key,
    hash_word,
    over_load,
    smallest_B,
    splitmix64,
)

# As in _kernels/constants.pxd, which gives the reasons.
ADVANCE_LIMIT = 1024
EVACUATE_PER_KEY = 8
READS_PER_STEP = 8
SHRINK_ABOVE, SHRINK_PART, SHRINK_STEP = 6, 8, 2
MAX_DOUBLINGS = 3
NEW_NUM, NEW_DEN = 15, 16


@dataclass
class Batch:
    """The progress of a batch of writes, from which it decides how to grow."""

    length: int
    first_B: int  # at its start
    count_then: int  # keys in the map at the last growth of the batch, or at its start
    grown_at: int = 0  # position of the key that started that growth
    position: int = 0  # position of the key being written
    grown_at_once: bool = False

    @property
    def left(self) -> int:
        """Keys still to write, including the current one."""
        return self.length - self.position


class ReferenceEngine:
    """The engine: it has the methods, results and rows of the compiled `HMapEngine`, which has their docstrings."""

    __slots__ = (
        "_changes",
        "_count",
        "_floor_B",
        "_hash_key",
        "_key_codec",
        "_nevacuate",
        "_next_code",
        "_now",
        "_old",
        "_other_values",
        "_pop_row",
        "_reads_growing",
        "_rekeyed",
        "_seeds",
        "_settings",
        "_still",
        "_value_codec",
        "growths",
        "rekeys",
        "same_size_growths",
        "shrinks",
    )

    def __init__(
        self,
        key: Any,
        value: Any,
        /,
        *,
        capacity: int = 0,
        hash: str | None = None,
        seed: int | None = None,
        hash_cache: object = None,
    ) -> None:
        if hasattr(self, "_now"):
            raise TypeError("HMap.__init__ was called before: make a new map, or use clear() and update()")
        key_codec, value_codec = codecs.key_codec(key), codecs.value_codec(value)
        codecs.check_hash(key_codec, hash, hash_cache)  # a cache changes no digest, so the reference uses none
        self._key_codec, self._value_codec = key_codec, value_codec
        self._settings: dict[str, Any] = {"hash": hash, "seed": None if seed is None else index(seed)}
        self._seeds = None if seed is None else splitmix64(index(seed) & M64)
        self._hash_key = draw_hash_key(self._seeds)
        self._count = 0
        self._changes = 0  # changes of the set of keys; iterators watch it
        self._next_code = 0  # of factorize(): larger than every code it has given since the map was empty
        self._other_values = False  # a value that factorize() did not give may be _next_code or larger
        self._old: Buckets | None = None  # not None while growing
        self._nevacuate = 0  # old buckets below this one are evacuated
        self.growths = self.same_size_growths = self.shrinks = self.rekeys = 0
        self._still = False  # while True, reads move nothing
        self._rekeyed = False  # since the last doubling
        self._floor_B = smallest_B(index(capacity))  # deletion does not shrink the table below this
        self._install(Buckets(self._floor_B))

    def __getstate__(self) -> dict[str, Any] | None:
        """The attributes of a subclass, which copies and pickles keep."""
        return getattr(self, "__dict__", None)

    @property
    def key_dtype(self) -> Any:
        return self._key_codec.dtype

    @property
    def value_dtype(self) -> Any:
        return self._value_codec.dtype

    # ---- the table ----

    def _install(self, table: Buckets) -> None:
        self._now = table
        self._pop_row = 0  # the row from which popitem searches

    def _grow(self, B: int) -> None:
        old = self._now
        self.growths += B > old.B
        self.same_size_growths += B == old.B
        self.shrinks += B < old.B
        self._rekeyed &= B <= old.B
        self._old, self._nevacuate, self._reads_growing = old, 0, 0
        self._install(Buckets(B))
        self._now.long_chain = old.long_chain

    def _evacuate_row(self, old: Buckets, row: int) -> None:
        if not old.evacuated(row):
            old.evacuate(row, self._now)
        if row == self._nevacuate:
            self._nevacuate += 1
            stop = min(self._nevacuate + ADVANCE_LIMIT, old.nmain)
            while self._nevacuate < stop and old.evacuated(self._nevacuate):
                self._nevacuate += 1
            if self._nevacuate == old.nmain:
                self._old = None

    def _evacuate(self, buckets: int) -> None:
        """Evacuate so many buckets at the evacuation mark."""
        while self._old is not None and buckets > 0:
            self._evacuate_row(self._old, self._nevacuate)
            buckets -= 1

    def _grow_work(self, h: int) -> None:
        """Evacuate the two buckets of one write. Afterwards the bucket of the key is in the new array."""
        if self._old is not None:
            self._evacuate_row(self._old, self._old.main(h))
        self._evacuate(1)

    def _evacuate_on_read(self) -> None:
        """Evacuate a bucket in one of eight reads of single keys, so that reads alone end a growth."""
        if self._old is not None and not self._still:
            self._reads_growing += 1
            self._evacuate(self._reads_growing % READS_PER_STEP == 0)

    @contextmanager
    def _frozen(self) -> Iterator[None]:
        """A context in which reads evacuate nothing."""
        before, self._still = self._still, True
        try:
            yield
        finally:
            self._still = before

    def _as_batch(self) -> Any:
        """A context for the single reads of a batch: a batch evacuates before it starts, not between its keys."""
        return nullcontext() if self._object_keys() else self._frozen()

    def _tidy(self, *, removed: bool, batch: int = 0) -> None:
        """After a write or a batch of writes: rekey if a chain is too long, and shrink if the table is too large."""
        self._look_at_chains()
        if removed and self._count == 0:
            self._hash_key = draw_hash_key(self._seeds)
            self._changes += 1  # invalidates hashes that were computed with the old hash key
            self._next_code, self._other_values = 0, False
        while removed and self._wants_shrink():
            self._grow(max(self._now.B - SHRINK_STEP, self._floor_B))
            self._evacuate(EVACUATE_PER_KEY * batch)

    def _look_at_chains(self) -> None:
        """Rekey if the last write made a chain too long, once per size."""
        if self._now.long_chain:
            self._now.long_chain = False
            if not self._rekeyed and self._key_codec.form != "object":
                self._rekeyed = True
                self.rekeys += 1
                hash_key = draw_hash_key(self._seeds)
                self._rebuild(self._now.B, hash_key)
                self._now.long_chain = False

    def _wants_shrink(self) -> bool:
        settled_and_large = self._old is None and max(self._floor_B, SHRINK_ABOVE) < self._now.B
        return settled_and_large and self._count * SHRINK_PART < 13 * (self._now.nmain // 2)

    def finish_growth(self) -> None:
        while self._old is not None:
            self._evacuate_row(self._old, self._nevacuate)

    def _rebuild(self, B: int, hash_key: HashKey) -> None:
        items = list(self._items())
        self._hash_key = hash_key
        self._install(Buckets(B))
        for item in items:
            self._now.place(item._replace(hash=self._hash(item.key)))
        self._changes += 1  # every slot moved

    def reserve(self, n: int, /) -> None:
        self._make_room(n)
        self._floor_B = max(self._floor_B, smallest_B(index(n)))

    def _make_room(self, n: int, /) -> None:
        if smallest_B(index(n)) > self._now.B:
            self._rebuild(smallest_B(index(n)), self._hash_key)

    def compact(self) -> None:
        self._floor_B = 0
        self._rebuild(smallest_B(self._count), self._hash_key)

    # ---- one key, as the table holds it ----

    def _key(self, key: Any) -> StoredKey:
        codec = self._key_codec
        make: Callable[[Any], StoredKey] = ObjectKey if codec.form == "object" else codec.encode
        try:
            return make(key)
        except TypeError as error:
            return make(item_of(codec, key, error))

    def _value(self, value: Any) -> Any:
        codec = self._value_codec
        try:
            return value if codec.form == "object" else codec.encode(value)
        except TypeError as error:
            return codec.encode(item_of(codec, value, error))

    def _key_object(self, key: StoredKey) -> Any:
        return key.object if isinstance(key, ObjectKey) else self._key_codec.decode(key)

    def _value_object(self, value: Any) -> Any:
        return value if self._value_codec.form == "object" else self._value_codec.decode(value)

    def _hash(self, key: StoredKey) -> int:
        if isinstance(key, ObjectKey):
            return hash_word(key.number, self._hash_key)
        if self._key_codec.form != "text":
            return hash_word(int.from_bytes(key, "little"), self._hash_key)
        if self._settings["hash"] == "xxh64":
            return hash_word(xxhash.xxh64_intdigest(key), self._hash_key)
        return siphash13(key, self._hash_key[0], self._hash_key[1])

    def _home(self, h: int) -> Buckets:
        """The array that has the key of this hash, if the map has the key."""
        old = self._old
        return self._now if old is None or old.evacuated(old.main(h)) else old

    def _seek(self, key: StoredKey) -> tuple[int, StoredKey]:
        """The hash of a key, and the key: an object is replaced by the equal one in the map, if there is one.

        An `__eq__` may change the map; then the search starts again.
        """
        while isinstance(key, ObjectKey):
            h, changes = self._hash(key), self._changes
            home = self._home(h)
            for stored in [home.slots[slot] for slot in home.candidates(h)]:
                if stored.hash != h:
                    continue
                equal = stored.key.object is key.object or stored.key.object == key.object
                if changes != self._changes:
                    break
                if equal:
                    return h, stored.key
            else:
                return h, key
        return self._hash(key), key

    def _read(self, h: int, key: StoredKey) -> Any:
        """The stored value of a key from `_seek`, or ABSENT."""
        table = self._home(h)
        slot = table.find(h, key)
        return ABSENT if slot is None else table.slots[slot].value

    def _write(
        self, h: int, key: StoredKey, value: Any, found: Callable[[Any], Any] | None = None, batch: Batch | None = None
    ) -> Any:
        """Insert a key from `_seek`. If it is present, store `found(its value)`, or `value` without `found`.

        Returns the stored value.
        """
        self._other_values = True
        self._grow_work(h)
        slot = self._now.find(h, key)
        if slot is not None:
            before = self._now.slots[slot]  # released when this returns, see Buckets.remove()
            value = found(before.value) if found else value
            self._now.slots[slot] = Slot(h, key, value)
            return value
        overloaded = over_load(self._count + 1, self._now.B)
        if self._old is None and (overloaded or self._now.noverflow >= self._now.nmain):
            if not (batch and overloaded and self._grow_at_once(batch)):
                self._grow(self._now.B + overloaded)
                self._evacuate(EVACUATE_PER_KEY * batch.length if batch else 0)
            if batch:
                batch.grown_at, batch.count_then = batch.position, self._count
            self._grow_work(h)
        self._now.place(Slot(h, key, value))
        self._count += 1
        self._changes += 1
        return value

    def _grow_at_once(self, batch: Batch) -> bool:
        """Grow by several doublings at once, if most keys of the batch so far were new. Returns whether it did."""
        B = min(self._now.B + MAX_DOUBLINGS, smallest_B(self._count + batch.left))
        seen, fresh = batch.position - batch.grown_at, self._count - batch.count_then
        if fresh * NEW_DEN < seen * NEW_NUM or B <= self._now.B + 1 or batch.left * EVACUATE_PER_KEY < self._now.nmain:
            return False
        self._rebuild(B, self._hash_key)
        self.growths += 1
        self._rekeyed = False
        batch.grown_at_once = True
        return True

    def _shrink_to_fit(self, batch: Batch) -> None:
        """After a batch that grew at once: shrink to the size that single doublings would have given."""
        B = max(batch.first_B, smallest_B(self._count))
        if batch.grown_at_once and B < self._now.B:
            self._rebuild(B, self._hash_key)

    def _delete(self, h: int, key: StoredKey) -> Any:
        """Remove a key from `_seek`. Returns its value, or ABSENT."""
        self._grow_work(h)
        slot = self._now.find(h, key)
        return ABSENT if slot is None else self._remove(slot).value

    def _remove(self, slot: int) -> Slot:
        item = self._now.remove(slot)
        self._count -= 1
        self._changes += 1
        return item

    # ---- one key ----

    def __len__(self) -> int:
        return self._count

    def __contains__(self, key: Any) -> bool:
        return self._read_one(key) is not ABSENT

    def __getitem__(self, key: Any) -> Any:
        value = self.get(key, ABSENT)
        if value is ABSENT:
            raise KeyError(key)
        return value

    def _read_one(self, key: Any) -> Any:
        return self._read_stored(self._key(key))

    def _read_stored(self, key: StoredKey) -> Any:
        sought = self._seek(key)
        self._evacuate_on_read()
        return self._read(*sought)

    def get(self, key: Any, default: Any = None, /) -> Any:
        value = self._read_one(key)
        return default if value is ABSENT else self._value_object(value)

    def __setitem__(self, key: Any, value: Any) -> None:
        stored, value = self._key(key), self._value(value)
        self._write(*self._seek(stored), value)
        self._tidy(removed=False)

    def __delitem__(self, key: Any) -> None:
        self.pop(key)

    def pop(self, key: Any, default: Any = NO_DEFAULT, /) -> Any:
        value = self._delete(*self._seek(self._key(key)))
        self._tidy(removed=value is not ABSENT)
        if value is ABSENT and default is NO_DEFAULT:
            raise KeyError(key)
        return default if value is ABSENT else self._value_object(value)

    def setdefault(self, key: Any, default: Any = None, /) -> Any:
        stored = self._key(key)
        sought, changes = self._seek(stored), self._changes
        value = self._read(*sought)
        if value is ABSENT:
            default = self._value(default)  # not before it is needed; this may run code that sets the key
            if changes != self._changes:
                sought = self._seek(stored)
            value = self._write(*sought, default, _keep)
            self._tidy(removed=False)
        return self._value_object(value)

    def popitem(self) -> tuple[Any, Any]:
        self.finish_growth()
        if self._count == 0:
            raise KeyError("popitem(): HMap is empty")
        slot = self._now.next_full(SLOTS * self._pop_row)
        if slot is None:
            slot = self._now.next_full(0)
        assert slot is not None
        self._pop_row = slot // SLOTS
        item = self._remove(slot)
        self._tidy(removed=True)
        return self._key_object(item.key), self._value_object(item.value)

    def clear(self) -> None:
        before = self._now, self._old  # released when this returns, see Buckets.remove()
        self._hash_key = draw_hash_key(self._seeds)
        self._install(Buckets(0))
        self._old, self._count = None, 0
        self._floor_B, self._rekeyed = 0, False
        self._next_code, self._other_values = 0, False
        self._changes += 1
        del before

    def _items(self) -> Iterator[Slot]:
        """The full slots in order. Raises RuntimeError when the set of keys has changed."""
        self.finish_growth()
        return self._walk(self._now, self._changes)

    def _walk(self, table: Buckets, changes: int) -> Iterator[Slot]:
        slot = table.next_full(0)
        while True:
            if self._changes != changes:
                raise RuntimeError(f"H{self._key_codec.holder.capitalize()} changed size during iteration")
            if slot is None:
                return
            yield table.slots[slot]
            slot = table.next_full(slot + 1)

    def __iter__(self) -> Iterator[Any]:
        return (self._key_object(item.key) for item in self._items())

    def _iter_values(self) -> Iterator[Any]:
        return (self._value_object(item.value) for item in self._items())

    def _iter_items(self) -> Iterator[tuple[Any, Any]]:
        return ((self._key_object(item.key), self._value_object(item.value)) for item in self._items())

    # ---- batches: everything is converted, then the single calls follow one another ----

    def _object_keys(self) -> bool:
        """Whether the keys are objects. The compiled map, too, then does its batches key by key."""
        return self._key_codec.form == "object"

    def _keys(self, keys: Any, *, nulls: bool = True) -> list[StoredKey | None]:
        """A batch of keys, converted, with None for nulls."""
        array, valid = self._key_codec.many(keys)
        stored: list[StoredKey | None] = []
        for position, key in enumerate(array):
            try:
                stored.append(self._key(key) if valid is None or valid[position] else None)
            except TypeError as error:  # of an object's __hash__
                raise TypeError(f"keys[{position}]: {error}") from None
        if valid is not None and not nulls and not valid.all():
            raise ValueError(f"keys[{valid.argmin()}] is null: fill or drop nulls")
        return stored

    def _keys_and_values(self, keys: Any, values: Any) -> tuple[list[Any], list[Any]]:
        stored = self._keys(keys, nulls=False)
        return stored, self._values(values, len(stored))

    def _values(self, values: Any, n: int) -> list[Any]:
        """The values for n keys, one or n of them, converted."""
        if self._value_codec.is_scalar(values):
            return [self._value(self._value_codec.single(values))] * n
        return list(map(self._value, batches.values_of(self._value_codec, values, n)))

    def _defaults(self, default: Any, n: int) -> list[Any]:
        """The answers for n missing keys."""
        try:
            return list(map(self._value_object, self._values(default, n)))
        except (TypeError, ValueError, OverflowError) as error:
            if self._value_codec.is_scalar(default):
                raise
            raise type(error)(f"default: {error}") from None

    def _work(self, keys: list[Any]) -> None:
        """While the map grows, a batch of typed keys first evacuates old buckets. Batches of object keys do not."""
        if not self._object_keys():
            self._evacuate(EVACUATE_PER_KEY * len(keys))

    def _writes(self, keys: list[StoredKey], values: list[Any]) -> Iterator[tuple[int, StoredKey, Any, Batch | None]]:
        """For each write: hash, key, value, and the batch with its progress, None for object keys."""
        if self._object_keys():
            for key, value in zip(keys, values, strict=True):
                yield *self._seek(key), value, None
                self._tidy(removed=False)
            return
        self._work(keys)
        batch = Batch(len(keys), self._now.B, self._count)
        for batch.position, (key, value) in enumerate(zip(keys, values, strict=True)):
            yield self._hash(key), key, value, batch
            self._look_at_chains()
        if keys:
            self._shrink_to_fit(batch)
            self._tidy(removed=False)

    def get_many(self, keys: Any, default: Any = ..., *, out: Array | None = None, threads: Threads = 1) -> Array:
        check_threads(threads)
        stored = self._keys(keys, nulls=default is not ...)
        defaults = None if default is ... else self._defaults(default, len(stored))
        values = []
        self._work(stored)
        with self._as_batch():
            for position, key in enumerate(stored):
                value = ABSENT if key is None else self._read_stored(key)
                if value is not ABSENT:
                    values.append(self._value_object(value))
                elif defaults is not None:
                    values.append(defaults[position])
                else:
                    raise batches.missing(self._key_object(key), position)  # type: ignore[arg-type]
        array = batches.array_of(self._value_codec, values)
        if out is None:
            return array
        if not isinstance(out, np.ndarray):
            raise TypeError(f"out is of type {type(out).__name__}: give a NumPy array")
        if out.dtype != array.dtype:
            raise TypeError(f"out is of dtype {out.dtype}: give an array of dtype {array.dtype}")
        if out.shape != array.shape or not out.flags.writeable:
            raise ValueError(f"out is of shape {out.shape}: give a writable array of shape {array.shape}")
        out[...] = array
        return out

    def lookup_many(self, keys: Any, *, threads: Threads = 1) -> tuple[Array, Array]:
        values = self._read_many(keys, threads)
        zero = self._value_codec.zero()
        found = np.array([value is not ABSENT for value in values], bool)
        objects = [zero if value is ABSENT else self._value_object(value) for value in values]
        return batches.array_of(self._value_codec, objects), found

    def contains_many(self, keys: Any, *, threads: Threads = 1) -> Array:
        return np.array([value is not ABSENT for value in self._read_many(keys, threads)], bool)

    def _read_many(self, keys: Any, threads: Threads) -> list[Any]:
        check_threads(threads)
        stored = self._keys(keys)
        self._work(stored)
        with self._as_batch():
            return [ABSENT if key is None else self._read_stored(key) for key in stored]

    def set_many(self, keys: Any, values: Any, *, threads: Threads = 1) -> None:
        check_threads(threads)
        for h, key, value, batch in self._writes(*self._keys_and_values(keys, values)):
            self._write(h, key, value, None, batch)

    def _insert_many(self, keys: Any, threads: Threads = 1) -> Array:
        check_threads(threads)
        stored: list[Any] = self._keys(keys, nulls=False)
        new = []
        for h, key, value, batch in self._writes(stored, [b""] * len(stored)):
            before = self._count
            self._write(h, key, value, None, batch)
            new.append(self._count > before)
        return np.array(new, bool)

    def setdefault_many(self, keys: Any, values: Any, *, threads: Threads = 1) -> Array:
        check_threads(threads)
        stored = []
        for h, key, value, batch in self._writes(*self._keys_and_values(keys, values)):
            # Like setdefault(), a batch of object keys does not touch a key that is there.
            before = self._read(h, key) if batch is None else ABSENT
            stored.append(self._write(h, key, value, _keep, batch) if before is ABSENT else before)
        return batches.array_of(self._value_codec, list(map(self._value_object, stored)))

    def add_many(self, keys: Any, values: Any = 1, *, op: str = "add", threads: Threads = 1) -> None:
        check_threads(threads)
        batches.check_operation(op)
        if self._value_codec.form != "object":
            runs_of(self._value_codec, op)  # raises if the values cannot be combined
        pairs = self._keys_and_values(keys, values)
        if self._value_codec.form == "object":
            for key, value in zip(*pairs, strict=True):
                self._add_object(key, value, op)
            return
        for h, key, value, batch in self._writes(*pairs):

            def combined(old: bytes, value: bytes = value) -> bytes:
                return batches.combine(self._value_codec, op, old, value)

            self._write(h, key, value, combined, batch)

    def _add_object(self, key: StoredKey, value: Any, op: str) -> None:
        """Combine a stored object with another one, and again if that has changed the value of the key."""
        while True:
            old = self._read(*self._seek(key))
            new = value if old is ABSENT else batches.OBJECT_OPERATIONS[op](old, value)
            sought = self._seek(key)
            if self._read(*sought) is old:
                self._write(*sought, new)
                self._tidy(removed=False)
                return

    def pop_many(self, keys: Any, default: Any = ...) -> Array:
        stored: list[Any] = self._keys(keys, nulls=False)
        defaults = None if default is ... else self._defaults(default, len(stored))
        if self._object_keys():
            return self._pop_objects(stored, defaults)
        popped = self._delete_many(stored, stop_at_miss=default is ...)
        if len(popped) < len(stored):
            self._put_back(stored, popped)
            raise batches.missing(self._key_object(stored[len(popped)]), len(popped))
        return self._popped(popped, defaults)

    def _put_back(self, keys: list[Any], popped: list[Any]) -> None:
        for h, key, value, batch in self._writes(keys[: len(popped)], popped):
            self._write(h, key, value, None, batch)

    def _popped(self, popped: list[Any], defaults: list[Any] | None) -> Array:
        values = [
            (defaults or [])[position] if value is ABSENT else self._value_object(value)
            for position, value in enumerate(popped)
        ]
        return batches.array_of(self._value_codec, values)

    def _pop_objects(self, keys: list[Any], defaults: list[Any] | None) -> Array:
        popped, own_keys = [], []
        try:
            for position, key in enumerate(keys):
                h, own_key = self._seek(key)
                value = self._delete(h, own_key)
                popped.append(value)
                own_keys.append(own_key)
                self._tidy(removed=value is not ABSENT)
                if value is ABSENT and defaults is None:
                    raise batches.missing(self._key_object(key), position)
        except BaseException:  # an __eq__ may have raised: put back what was removed
            pairs = [(key, value) for key, value in zip(own_keys, popped, strict=True) if value is not ABSENT]
            self._put_back([key for key, _ in pairs], [value for _, value in pairs])
            raise
        return self._popped(popped, defaults)

    def discard_many(self, keys: Any) -> int:
        stored: list[Any] = self._keys(keys, nulls=False)
        if not self._object_keys():
            return sum(value is not ABSENT for value in self._delete_many(stored, stop_at_miss=False))
        removed = 0
        for key in stored:
            value = self._delete(*self._seek(key))
            removed += value is not ABSENT
            self._tidy(removed=value is not ABSENT)
        return removed

    def _delete_many(self, keys: list[StoredKey], *, stop_at_miss: bool) -> list[Any]:
        """Remove keys. Returns their values, ABSENT for missing keys; or the values before the first missing key."""
        values: list[Any] = []
        self._work(keys)
        for key in keys:
            value = self._delete(self._hash(key), key)
            if value is ABSENT and stop_at_miss:
                break
            values.append(value)
        self._tidy(removed=any(value is not ABSENT for value in values), batch=len(keys))
        return values

    def factorize(self, keys: Any) -> Array:
        dtype = self._value_codec.dtype
        if not isinstance(dtype, np.dtype) or dtype.kind not in "iu":
            raise TypeError(f"factorize needs a map with an int value type, not {self._value_codec.name}")
        last_code = min(np.iinfo(dtype).max, 2**63 - 2)  # the next code must be an int64 as well
        stored = self._keys(keys)
        codes = [-1] * len(stored)
        positions = [position for position, key in enumerate(stored) if key is not None]
        present: list[Any] = [stored[position] for position in positions]
        least = 0  # so that no code is given twice in this batch, even if an __eq__ clears the map
        for position, (h, key, _, batch) in zip(positions, self._writes(present, [None] * len(present)), strict=True):
            value = self._read(h, key)
            if value is ABSENT:
                least = code = max(least, self._find_next_code())
                if code > last_code:
                    code = max([code, *(int(value) + 1 for value in self._iter_values())])
                    outside = f"code {code} is outside {dtype}: use a map with a larger int value type"
                    raise OverflowError(f"keys[{position}]: {outside}")
                value = self._write(h, key, self._value(code), None, batch)
                self._next_code = least = code + 1
                self._other_values = False
            elif self._next_code <= last_code or batch is None:
                other_values = self._other_values
                self._write(h, key, value, _keep, batch)  # evacuates
                self._other_values = other_values
            codes[position] = self._value_object(value)
        for position, code in enumerate(codes):
            if code >= 2**63:
                raise OverflowError(f"keys[{position}] has a value of 2**63 or more, which is no code: store less")
        return np.array(codes, np.int64)

    def _find_next_code(self) -> int:
        """The code of the next new key: larger than every code that was given, and than every value."""
        if self._other_values:
            tables = [self._now, self._old] if self._old else [self._now]
            values = [self._value_object(item.value) for table in tables for item in table.items()]
            self._next_code = max([self._next_code, *(int(value) + 1 for value in values)])
            self._other_values = False
        return self._next_code

    def to_arrays(self) -> tuple[Array, Array]:
        return self.keys_array(), self.values_array()

    def _chosen(self, choose: Callable[[Array], Array]) -> tuple[Array, Array]:
        keys, values = self.to_arrays()
        rows = choose(values)
        return keys[rows], values[rows]

    def _columns(self, with_values: bool) -> tuple[Array, Array]:
        return self.to_arrays()

    def keys_array(self) -> Array:
        return batches.array_of(self._key_codec, list(self))

    def values_array(self) -> Array:
        return batches.array_of(self._value_codec, list(self._iter_values()))

    def _state(self, lend: bool = False) -> RawTable:
        old, pack = self._old, Packer(self._key_codec, self._value_codec)
        flags = SAME_SIZE_GROW if old is not None and old.B == self._now.B else 0
        header = (self._count, flags, self._now.B, self._nevacuate, self._hash_key)
        tables = (pack.table(self._now), None if old is None else pack.table(old))
        blocks = [np.frombuffer(pack.texts, np.uint8)] if pack.texts else []
        codecs = self._key_codec, self._value_codec
        growths = self.growths, self.same_size_growths, self.shrinks, self.rekeys
        texts = RawTexts(blocks, len(pack.texts), len(pack.texts), 0)
        return RawTable(*header, *tables, *codecs, *growths, self._settings["hash"], texts, pack.keys, pack.values)


def _keep(value: Any) -> Any:
    return value


def check_threads(threads: Threads) -> None:
    if threads != "auto" and (not isinstance(threads, int) or threads < 1):
        raise ValueError(f'threads={threads!r}: give a whole number from 1 on, or "auto"')


class ReferenceMap(ReferenceEngine, MapMethods[Any, Any]):
    """The reference as a whole map; see `HMap`.

    >>> m = ReferenceMap("i8", "i8", {17: 1, 4: 9}, seed=1)
    >>> m[17], m.get_many([4, 5], default=-1).tolist(), sorted(m)
    (1, [9, -1], [4, 17])
    """

    __slots__ = ("__weakref__",)
    _begin = ReferenceEngine.__init__

    def __init__(self, key: Any, value: Any, items: Any = None, /, **settings: Any) -> None:
        super().__init__(key, value, **settings)
        if items is not None:
            self.update(items)
