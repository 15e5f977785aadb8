"""The map in plain Python: the specification of the compiled table, and its oracle in the tests.

Owns: every rule of the table, in the fewest words. For the same seed and the same calls the compiled engine must
produce the very same rows. May import: NumPy, `_dtypes`, `_surface` and `introspect`.

The table is Go's map before its Swiss rewrite (`src/runtime/map.go` up to Go 1.23). Keys and values are 64-bit words:

    hash     63      56 55                      B        0      the low B bits choose the main bucket,
            [ tophash  |          ...           | bucket ]      the top 8 bits are kept beside the slot

    row         tophash[8]                  slots[8] (key, value)         overflow
    0           a7 31 00 00 00 00 00 00     (17, 1) (4, 9) ...            0         main bucket 0
    1           5c 90 1f 77 e2 05 b1 c8     (2, 3) (8, 1) ...             2         main bucket 1 = 2^B - 1
    2           44 00 00 00 00 00 00 00     (5, 7) ...                    0         overflow bucket of row 1

A chain is a main bucket and the overflow buckets linked behind it. Overflow buckets lie behind the main ones in the
order in which they were taken, so 0 (always a main bucket) can mean "no next". A tophash below 5 is the state of a
slot without a key:

    0 EMPTY_REST        this slot and every later one of its chain are empty: a search ends here
    1 EMPTY_ONE         this slot alone is empty
    2 EVACUATED_X       its key moved to the same main bucket of the new table
    3 EVACUATED_Y       its key moved to main bucket + old size
    4 EVACUATED_EMPTY   it was empty when its bucket was evacuated

Growth doubles the table when it would hold more than 6.5 keys a bucket, and rebuilds it at the same size when deletions
have left too many overflow buckets. Either way the old table stays, and each write evacuates two of its buckets: the
one that it is about to touch, then the next in order. A search looks into the old table while the key's bucket there is
not evacuated.
"""

import os
from array import array
from collections.abc import Iterable, Iterator
from operator import index
from typing import Any

import numpy as np

from pyhmap import _dtypes
from pyhmap._surface import MapSurface
from pyhmap.introspect import RawBuckets, RawTable

Array = np.ndarray[Any, Any]

M64 = (1 << 64) - 1
SLOTS = 8  # a row of tophashes is one 64-bit word
EMPTY_REST, EMPTY_ONE, EVACUATED_X, EVACUATED_Y, EVACUATED_EMPTY, MIN_TOPHASH = range(6)
MAX_B = 30  # rows are numbered by uint32, and half of the 2^(B+1) rows are for overflow
MAX_MARK_STEPS = 1024  # bounds the work of one write that meets a long run of evacuated buckets
BATCH_EVACUATIONS = 8  # for each key of a batch: cheap beside the key's own work, and soon ends a growth
SAME_SIZE_GROWTH = 8  # bit of `flags`
_MISSING: Any = object()


def splitmix64(state: int) -> Iterator[int]:
    """Endless 64-bit outputs of SplitMix64 (Steele, Lea and Flood, 2014).

    >>> hex(next(splitmix64(0)))
    '0xe220a8397b1dcdaf'
    """
    while True:
        state = state + 0x9E3779B97F4A7C15 & M64
        z = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 & M64
        z = (z ^ z >> 27) * 0x94D049BB133111EB & M64
        yield z ^ z >> 31


def draw_hash_key(seeds: Iterator[int] | None) -> tuple[int, int, int, int]:
    """A new hash key: the next four words of the seed's stream, or of the system's randomness."""
    k, m0, m1, m2 = (next(seeds) if seeds else int.from_bytes(os.urandom(8), "little") for _ in range(4))
    return k, m0 | 1, m1 | 1, m2 | 1  # an odd multiplier can be inverted modulo 2^64


def hash_word(word: int, hash_key: tuple[int, int, int, int]) -> int:
    """The keyed mixer: three multiply-xor-shift rounds, a bijection of 64-bit words.

    >>> hash_word(1 << 32, (0, 1, 1, 1)) == 1 << 32 | 8
    True
    """
    k, m0, m1, m2 = hash_key
    x = (word ^ k) * m0 & M64
    x = (x ^ x >> 32) * m1 & M64
    x = (x ^ x >> 29) * m2 & M64
    return x ^ x >> 32


def tophash_of(h: int) -> int:
    return (h >> 56) + (MIN_TOPHASH if h >> 56 < MIN_TOPHASH else 0)


def over_load(count: int, B: int) -> bool:
    """Whether `count` keys are more than 6.5 a bucket; a single bucket may be full."""
    return count > SLOTS and count > 13 * ((1 << B) // 2)


def smallest_B(count: int) -> int:
    """The B of the smallest table that holds `count` keys without growing."""
    if count < 0:
        raise ValueError(f"capacity {count} is negative")
    for B in range(MAX_B + 1):
        if not over_load(count, B):
            return B
    raise OverflowError(f"capacity {count:,} is more than an HMap can hold ({13 << MAX_B - 1:,} keys)")


class Buckets:
    """One table. A slot is named by its number counted through all rows: 8 * row + place in the row."""

    def __init__(self, B: int) -> None:
        self.B, self.nmain = B, 1 << B
        self.tophash = bytearray(SLOTS * self.nmain)
        self.slots = [(0, 0)] * (SLOTS * self.nmain)
        self.overflow = array("I", bytes(4 * self.nmain))

    def main(self, h: int) -> int:
        return h & self.nmain - 1

    def chain(self, row: int) -> Iterator[int]:
        """The slots of the chain that starts at main bucket `row`."""
        yield from range(SLOTS * row, SLOTS * (row + 1))
        while row := self.overflow[row]:
            yield from range(SLOTS * row, SLOTS * (row + 1))

    def find(self, h: int, key: int) -> int | None:
        for slot in self.chain(self.main(h)):
            if self.tophash[slot] == EMPTY_REST:
                break
            if self.tophash[slot] == tophash_of(h) and self.slots[slot][0] == key:
                return slot
        return None

    def place(self, h: int, key: int, value: int) -> None:
        """Put an absent key into the first empty slot of its chain, in a new overflow bucket if there is none."""
        for slot in self.chain(self.main(h)):
            if self.tophash[slot] <= EMPTY_ONE:
                break
        else:
            self.overflow[slot // SLOTS] = len(self.overflow)
            slot = SLOTS * len(self.overflow)
            self.overflow.append(0)
            self.tophash.extend(bytes(SLOTS))
            self.slots.extend([(0, 0)] * SLOTS)
        self.tophash[slot] = tophash_of(h)
        self.slots[slot] = key, value

    def remove(self, h: int, slot: int) -> None:
        """Empty a slot; if nothing follows in its chain, EMPTY_REST moves back to behind the last full slot."""
        self.tophash[slot] = EMPTY_ONE
        self.slots[slot] = 0, 0
        chain = list(self.chain(self.main(h)))
        at = chain.index(slot)
        if slot == chain[-1] or self.tophash[chain[at + 1]] == EMPTY_REST:
            while at >= 0 and self.tophash[chain[at]] == EMPTY_ONE:
                self.tophash[chain[at]] = EMPTY_REST
                at -= 1

    def evacuated(self, row: int) -> bool:
        return EVACUATED_X <= self.tophash[SLOTS * row] <= EVACUATED_EMPTY

    def next_full(self, slot: int) -> int | None:
        """The first full slot from this one on."""
        return next((s for s in range(slot, len(self.tophash)) if self.tophash[s] >= MIN_TOPHASH), None)

    def raw(self, key: np.dtype[Any], value: np.dtype[Any]) -> RawBuckets:
        slots = np.array(self.slots, np.uint64).view([("key", key), ("value", value)]).reshape(-1, SLOTS)
        tophash = np.array(self.tophash, np.uint8).reshape(-1, SLOTS)
        return RawBuckets(tophash, slots, np.array(self.overflow, np.uint32), self.nmain)


class PureCore:
    """The engine: the same methods, results and rows as the compiled `HMapCore`."""

    update: Any  # MapSurface brings it

    def __init__(
        self,
        key: Any,
        value: Any,
        items: Any = None,
        /,
        *,
        capacity: int = 0,
        hash: None = None,
        seed: int | None = None,
    ) -> None:
        if vars(self):
            raise TypeError("HMap.__init__ was called before: make a new map, or use clear() and update()")
        if hash is not None:
            raise ValueError(f"hash={hash!r}: only None, the keyed hash, is available for these keys")
        self.key_dtype, self.value_dtype = _dtypes.key_dtype(key), _dtypes.value_dtype(value)
        self._seed = None if seed is None else index(seed) & M64
        self._seeds = None if self._seed is None else splitmix64(self._seed)
        self._hash_key = draw_hash_key(self._seeds)
        self._count = 0
        self._changes = 0  # of the set of keys: what iterators watch
        self._old: Buckets | None = None  # not None while growing
        self._nevacuate = 0  # old buckets below this one are evacuated
        self.growths = self.same_size_growths = 0
        self._install(Buckets(smallest_B(index(capacity))))
        if items is not None:
            self.update(items)

    def _install(self, table: Buckets) -> None:
        self._now = table
        self._cursor = 0  # the row from which popitem looks

    def _grow(self, B: int) -> None:
        self._old, self._nevacuate = self._now, 0
        self.growths += B > self._now.B
        self.same_size_growths += B == self._now.B
        self._install(Buckets(B))

    def _evacuate(self, old: Buckets, row: int) -> None:
        if not old.evacuated(row):
            for slot in old.chain(row):
                if old.tophash[slot] <= EMPTY_ONE:
                    old.tophash[slot] = EVACUATED_EMPTY
                    continue
                h = hash_word(old.slots[slot][0], self._hash_key)
                self._now.place(h, *old.slots[slot])
                old.tophash[slot] = EVACUATED_X if self._now.main(h) == row else EVACUATED_Y
        if row == self._nevacuate:
            self._nevacuate += 1
            stop = min(self._nevacuate + MAX_MARK_STEPS, old.nmain)
            while self._nevacuate < stop and old.evacuated(self._nevacuate):
                self._nevacuate += 1
            if self._nevacuate == old.nmain:
                self._old = None

    def _evacuate_next(self, limit: int) -> None:
        while self._old is not None and limit > 0:
            self._evacuate(self._old, self._nevacuate)
            limit -= 1

    def _grow_work(self, h: int) -> None:
        """The share of one write in a growth; then the key's bucket is in the new table."""
        if self._old is not None:
            self._evacuate(self._old, self._old.main(h))
        self._evacuate_next(1)

    def finish_growth(self) -> None:
        while self._old is not None:
            self._evacuate(self._old, self._nevacuate)

    def reserve(self, n: int) -> None:
        B = smallest_B(index(n))
        if B > self._now.B:
            slots = [self._now.slots[slot] for slot in self._slots()]
            self._install(Buckets(B))
            for key, value in slots:
                self._now.place(hash_word(key, self._hash_key), key, value)
            self._changes += 1  # every slot moved

    def _read(self, word: int) -> int | None:
        h, old = hash_word(word, self._hash_key), self._old
        table = self._now if old is None or old.evacuated(old.main(h)) else old
        slot = table.find(h, word)
        return None if slot is None else table.slots[slot][1]

    def _write(self, word: int, value: int, batch_left: int = 0) -> None:
        h = hash_word(word, self._hash_key)
        self._grow_work(h)
        slot = self._now.find(h, word)
        if slot is not None:
            self._now.slots[slot] = word, value
            return
        overloaded = over_load(self._count + 1, self._now.B)
        too_many_overflow = len(self._now.overflow) - self._now.nmain >= self._now.nmain
        if self._old is None and (overloaded or too_many_overflow):
            self._grow(self._now.B + overloaded)
            self._evacuate_next(BATCH_EVACUATIONS * batch_left)
            self._grow_work(h)
        self._now.place(h, word, value)
        self._count += 1
        self._changes += 1

    def _delete(self, word: int) -> int | None:
        """The value that was there, or None."""
        h = hash_word(word, self._hash_key)
        self._grow_work(h)
        slot = self._now.find(h, word)
        if slot is None:
            return None
        value = self._now.slots[slot][1]
        self._now.remove(h, slot)
        self._count -= 1
        self._changes += 1
        return value

    def _key(self, word: int) -> Any:
        return _dtypes.word_to_key(word, self.key_dtype)

    def _value(self, word: int) -> Any:
        return _dtypes.word_to_value(word, self.value_dtype)

    def __len__(self) -> int:
        return self._count

    def __contains__(self, key: Any) -> bool:
        return self.get(key, _MISSING) is not _MISSING

    def __getitem__(self, key: Any) -> Any:
        value = self.get(key, _MISSING)
        if value is _MISSING:
            raise KeyError(key)
        return value

    def get(self, key: Any, default: Any = None, /) -> Any:
        word = self._read(_dtypes.key_to_word(key, self.key_dtype))
        return default if word is None else self._value(word)

    def __setitem__(self, key: Any, value: Any) -> None:
        word = _dtypes.key_to_word(key, self.key_dtype)
        self._write(word, _dtypes.value_to_word(value, self.value_dtype))

    def __delitem__(self, key: Any) -> None:
        self.pop(key)

    def pop(self, key: Any, default: Any = _MISSING, /) -> Any:
        word = self._delete(_dtypes.key_to_word(key, self.key_dtype))
        if word is None and default is _MISSING:
            raise KeyError(key)
        return default if word is None else self._value(word)

    def setdefault(self, key: Any, default: Any = None, /) -> Any:
        key_word = _dtypes.key_to_word(key, self.key_dtype)
        word = self._read(key_word)
        if word is None:
            default_word = _dtypes.value_to_word(default, self.value_dtype)
            word = self._read(key_word)  # again: the conversion may have run code that set it
        if word is None:
            word = default_word
            self._write(key_word, word)
        return self._value(word)

    def popitem(self) -> tuple[Any, Any]:
        self.finish_growth()
        if self._count == 0:
            raise KeyError("popitem(): HMap is empty")
        slot = self._now.next_full(SLOTS * self._cursor)
        if slot is None:
            slot = self._now.next_full(0)
        assert slot is not None
        self._cursor = slot // SLOTS
        key = self._now.slots[slot][0]
        return self._key(key), self.pop(self._key(key))

    def clear(self) -> None:
        self._hash_key = draw_hash_key(self._seeds)
        self._install(Buckets(0))
        self._old, self._count = None, 0
        self._changes += 1

    def _slots(self) -> Iterator[int]:
        """The full slots in order; RuntimeError once the set of keys has changed."""
        self.finish_growth()
        return self._walk(self._now, self._changes)

    def _walk(self, table: Buckets, changes: int) -> Iterator[int]:
        slot = table.next_full(0)
        while True:
            if self._changes != changes:
                raise RuntimeError("HMap changed size during iteration")
            if slot is None:
                return
            yield slot
            slot = table.next_full(slot + 1)

    def __iter__(self) -> Iterator[Any]:
        return (self._key(self._now.slots[slot][0]) for slot in self._slots())

    def _iter_values(self) -> Iterator[Any]:
        return (self._value(self._now.slots[slot][1]) for slot in self._slots())

    def _iter_items(self) -> Iterator[tuple[Any, Any]]:
        return ((self._key(key), self._value(value)) for key, value in map(self._now.slots.__getitem__, self._slots()))

    # ---- batches: the scalar calls in a row, after everything is converted ----

    def _words(self, keys: Any) -> list[int]:
        return [_dtypes.key_to_word(key, self.key_dtype) for key in _dtypes.as_keys(keys, self.key_dtype).tolist()]

    def _values(self, words: Iterable[int]) -> Array:
        return np.array(list(words), np.uint64).view(self.value_dtype)

    def get_many(self, keys: Any, default: Any = _MISSING, *, out: Array | None = None, threads: int = 1) -> Array:
        words = self._words(keys)
        if out is not None and (not isinstance(out, np.ndarray) or out.dtype != self.value_dtype):
            raise TypeError(f"out must be an array of {self.value_dtype}")
        if out is not None and (out.shape != (len(words),) or not out.flags.writeable):
            raise ValueError(f"out must be a writable array of shape ({len(words)},)")
        fill = 0 if default is _MISSING else _dtypes.value_to_word(default, self.value_dtype)
        found = self._read_many(words, threads)
        if default is _MISSING and None in found:
            at = found.index(None)
            raise KeyError(f"key {self._key(words[at])} at position {at} is not in the map")
        values = self._values(fill if word is None else word for word in found)
        if out is None:
            return values
        out[:] = values
        return out

    def _read_many(self, words: list[int], threads: int) -> list[int | None]:
        if index(threads) < 1:
            raise ValueError(f"threads={threads}: give a whole number from 1 on")
        self._evacuate_next(BATCH_EVACUATIONS * len(words))
        return [self._read(word) for word in words]

    def lookup_many(self, keys: Any, *, threads: int = 1) -> tuple[Array, Array]:
        found = self._read_many(self._words(keys), threads)
        return self._values(word or 0 for word in found), np.array([word is not None for word in found], np.bool_)

    def contains_many(self, keys: Any, *, threads: int = 1) -> Array:
        return self.lookup_many(keys, threads=threads)[1]

    def set_many(self, keys: Any, values: Any) -> None:
        words = self._words(keys)
        value_words = _dtypes.as_values(values, self.value_dtype, len(words)).view(np.uint64).tolist()
        self._evacuate_next(BATCH_EVACUATIONS * len(words))
        for i, (key, value) in enumerate(zip(words, value_words, strict=True)):
            self._write(key, value, len(words) - i)

    def to_arrays(self) -> tuple[Array, Array]:
        words = np.array([self._now.slots[slot] for slot in self._slots()], np.uint64).reshape(-1, 2)
        return words[:, 0].copy().view(self.key_dtype), words[:, 1].copy().view(self.value_dtype)

    def keys_array(self) -> Array:
        return self.to_arrays()[0]

    def values_array(self) -> Array:
        return self.to_arrays()[1]

    def _state(self) -> RawTable:
        old, dtypes = self._old, (self.key_dtype, self.value_dtype)
        flags = SAME_SIZE_GROWTH if old is not None and old.B == self._now.B else 0
        header = (self._count, flags, self._now.B, self._nevacuate, self._hash_key)
        tables = (self._now.raw(*dtypes), None if old is None else old.raw(*dtypes))
        return RawTable(*header, *tables, *dtypes, self.growths, self.same_size_growths)


class PureHMap(PureCore, MapSurface):
    """The whole map over the plain-Python engine; see `HMap`.

    >>> m = PureHMap("i8", "i8", {17: 1, 4: 9}, seed=1)
    >>> m[17], m.get_many([4, 5], default=-1).tolist(), sorted(m)
    (1, [9, -1], [4, 17])
    """
