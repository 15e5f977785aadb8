"""The table of the reference: bucket arrays, hashes, and the rows as the compiled engine holds them.

Owns the place of a key, and how a key is inserted, found, removed and evacuated.

The table is Go's map before its Swiss rewrite (`src/runtime/map.go` up to Go 1.23). Keys and values are the bytes that
their codecs make from them, or Python objects.

    hash     63      56 55                      B        0      the low B bits choose the main bucket,
            [ tophash  |          ...           | bucket ]      the top 8 bits are kept beside the slot

    row         tophash[8]                  slots[8] (key, value)         overflow
    0           a7 31 00 00 00 00 00 00     (17, 1) (4, 9) ...            0         main bucket 0
    1           5c 90 1f 77 e2 05 b1 c8     (2, 3) (8, 1) ...             2         main bucket 1 = 2^B - 1
    2           44 00 00 00 00 00 00 00     (5, 7) ...                    0         overflow bucket of row 1

A chain is a main bucket and the overflow buckets linked behind it. The rows of overflow buckets follow those of the
main buckets, in the order in which they were taken. Row 0 is always a main bucket, so a link of 0 can mean "no next
bucket". A tophash below 5 is the state of a slot without a key:

    0 EMPTY_REST        this slot and every later one of its chain are empty: a search ends here
    1 EMPTY_ONE         this slot is empty, a later one is not
    2 EVACUATED_X       its key moved to the same main bucket of the new array (modulo its size, if that is smaller)
    3 EVACUATED_Y       its key moved to that main bucket + the old size
    4 EVACUATED_EMPTY   it was empty when its bucket was evacuated

Growth doubles the table when it would hold more than 6.5 keys per bucket. A same-size growth removes a build-up of
overflow buckets. Shrinking moves the keys to a quarter of the buckets when deletions have left too few. In each case
the old array stays, and each write evacuates two of its buckets: the bucket of its key, then the next one in order. A
search looks into the old array if the bucket of the key is not evacuated yet.

When the last overflow bucket of a chain becomes empty, it is unlinked and put on a list of free rows, which uses the
same links. The next chain that is full takes it from there.
"""

import os
from array import array
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from pyhmap._convert.codec import Codec
from pyhmap._inspect.state import (
    EMPTY_ONE,
    EMPTY_REST,
    EVACUATED_EMPTY,
    EVACUATED_X,
    EVACUATED_Y,
    INLINE_TEXT,
    MIN_TOPHASH,
    SLOTS,
    RawBuckets,
    slot_dtype,
)

Array = np.ndarray[Any, Any]
HashKey = tuple[int, int, int, int]

M64 = (1 << 64) - 1
MAX_B, ALARM_DEPTH = 30, 4  # as in _kernels/constants.pxd


def splitmix64(state: int) -> Iterator[int]:
    """The infinite stream of 64-bit words of SplitMix64 (Steele, Lea and Flood, 2014).

    >>> hex(next(splitmix64(0)))
    '0xe220a8397b1dcdaf'
    """
    while True:
        state = state + 0x9E3779B97F4A7C15 & M64
        z = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 & M64
        z = (z ^ z >> 27) * 0x94D049BB133111EB & M64
        yield z ^ z >> 31


def draw_hash_key(seeds: Iterator[int] | None) -> HashKey:
    """A new hash key: the next four words of the seed's stream, or random words from the system."""
    k, m0, m1, m2 = (next(seeds) if seeds else int.from_bytes(os.urandom(8), "little") for _ in range(4))
    return k, m0 | 1, m1 | 1, m2 | 1  # an odd multiplier can be inverted modulo 2^64


def hash_word(word: int, hash_key: HashKey) -> int:
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
    """The tophash: the top 8 bits of a hash, plus 5 if they are below 5."""
    return (h >> 56) + (MIN_TOPHASH if h >> 56 < MIN_TOPHASH else 0)


def over_load(count: int, B: int) -> bool:
    """Whether `count` keys are more than 6.5 per bucket. A single bucket may be full."""
    return count > SLOTS and count > 13 * ((1 << B) // 2)


def smallest_B(count: int) -> int:
    """The B of the smallest table that holds `count` keys without a growth."""
    if count < 0:
        raise ValueError(f"capacity {count} is negative: give the number of keys to make room for")
    for B in range(MAX_B + 1):
        if not over_load(count, B):
            return B
    raise OverflowError(f"capacity {count:,} is more than an HMap can hold ({13 << MAX_B - 1:,} keys)")


class ObjectKey:
    """An object key, equal only to itself. `ReferenceEngine._seek` finds the stored key that equals an object."""

    def __init__(self, item: Any) -> None:
        self.object, self.number = item, hash(item) & M64


StoredKey = bytes | ObjectKey  # a key as the table holds it


class Slot(NamedTuple):
    """The content of a full slot. The hash saves computing it again; a compiled slot has it for objects only."""

    hash: int
    key: StoredKey
    value: Any  # bytes, or any object in a map of object values


class Buckets:
    """One bucket array. Slots are numbered through all rows: 8 * row + the place in the row."""

    def __init__(self, B: int) -> None:
        self.B, self.nmain = B, 1 << B
        self.tophash = bytearray(SLOTS * self.nmain)
        self.slots: list[Any] = [None] * (SLOTS * self.nmain)
        self.overflow = array("I", bytes(4 * self.nmain))
        self.free_row = self.nfree = 0  # the first free row, whose link leads to the next; their number
        self.long_chain = False  # an insert made a chain longer than a random hash does

    @property
    def noverflow(self) -> int:
        """The number of overflow buckets in chains."""
        return len(self.overflow) - self.nmain - self.nfree

    def main(self, h: int) -> int:
        """The main bucket of a hash."""
        return h & self.nmain - 1

    def chain(self, row: int) -> Iterator[int]:
        """The slots of the chain that starts at main bucket `row`."""
        yield from range(SLOTS * row, SLOTS * (row + 1))
        while row := self.overflow[row]:
            yield from range(SLOTS * row, SLOTS * (row + 1))

    def candidates(self, h: int) -> Iterator[int]:
        """The slots whose tophash is that of h."""
        for slot in self.chain(self.main(h)):
            if self.tophash[slot] == EMPTY_REST:
                break
            if self.tophash[slot] == tophash_of(h):
                yield slot

    def find(self, h: int, key: StoredKey) -> int | None:
        """The slot of a key, or None."""
        return next((slot for slot in self.candidates(h) if self.slots[slot].key == key), None)

    def place(self, item: Slot) -> None:
        """Put an absent key into the first empty slot of its chain; if there is none, into a new overflow bucket."""
        chain = list(self.chain(self.main(item.hash)))
        empty = [slot for slot in chain if self.tophash[slot] <= EMPTY_ONE]
        if empty:
            slot = empty[0]
        else:
            row = self.take_row()
            self.overflow[chain[-1] // SLOTS] = row
            self.long_chain |= len(chain) > ALARM_DEPTH * SLOTS
            slot = SLOTS * row
        self.tophash[slot] = tophash_of(item.hash)
        self.slots[slot] = item

    def take_row(self) -> int:
        """Take an empty overflow row: the one that was freed last, or a new one."""
        if self.free_row:
            row, self.free_row = self.free_row, self.overflow[self.free_row]
            self.overflow[row] = 0
            self.nfree -= 1
            return row
        self.overflow.append(0)
        self.tophash.extend(bytes(SLOTS))
        self.slots.extend([None] * SLOTS)
        return len(self.overflow) - 1

    def remove(self, slot: int) -> Slot:
        """Empty a slot. If no key follows in its chain, all slots behind the last full one become EMPTY_REST, and the
        overflow rows behind that one are freed. Returns the content.
        """
        item: Slot = self.slots[slot]
        self.tophash[slot] = EMPTY_ONE
        self.slots[slot] = None
        chain = list(self.chain(self.main(item.hash)))
        at = chain.index(slot)
        if slot == chain[-1] or self.tophash[chain[at + 1]] == EMPTY_REST:
            while at >= 0 and self.tophash[chain[at]] == EMPTY_ONE:
                self.tophash[chain[at]] = EMPTY_REST
                at -= 1
        rows = [slot // SLOTS for slot in chain[::SLOTS]]
        while len(rows) > 1 and not any(self.tophash[SLOTS * rows[-1] : SLOTS * rows[-1] + SLOTS]):
            row = rows.pop()
            self.overflow[rows[-1]], self.overflow[row], self.free_row = 0, self.free_row, row
            self.nfree += 1
        return item  # the caller releases it when the map is consistent: that may run code which uses the map

    def evacuated(self, row: int) -> bool:
        """Whether main bucket `row` is evacuated."""
        return EVACUATED_X <= self.tophash[SLOTS * row] <= EVACUATED_EMPTY

    def evacuate(self, row: int, to: "Buckets") -> None:
        """Move a chain to the new array."""
        for slot in self.chain(row):
            if self.tophash[slot] <= EMPTY_ONE:
                self.tophash[slot] = EVACUATED_EMPTY
                continue
            item, self.slots[slot] = self.slots[slot], None  # so that the old table does not keep it alive
            to.place(item)
            doubled = to.nmain > self.nmain and to.main(item.hash) != row
            self.tophash[slot] = EVACUATED_Y if doubled else EVACUATED_X

    def items(self) -> Iterator[Slot]:
        """The contents of the full slots, in the order of the rows."""
        slot = self.next_full(0)
        while slot is not None:
            yield self.slots[slot]
            slot = self.next_full(slot + 1)

    def next_full(self, slot: int) -> int | None:
        """The first full slot from `slot` on, or None."""
        return next((s for s in range(slot, len(self.tophash)) if self.tophash[s] >= MIN_TOPHASH), None)


class Packer:
    """Writes tables as the compiled engine holds them: fixed-size records, and one arena block with all long texts."""

    def __init__(self, key_codec: Codec, value_codec: Codec) -> None:
        wide = value_codec.form in ("text", "object")
        narrow = key_codec.form == "word32" and not wide
        self.codecs = key_codec, value_codec
        self.value_at = 4 if narrow else 8 if key_codec.form.startswith("word") else 16
        stride = self.value_at + value_codec.size
        self.record = slot_dtype(key_codec, value_codec, self.value_at, stride + -stride % (4 if narrow else 8))
        self.keys: list[Any] = []
        self.values: list[Any] = []
        self.texts = bytearray()

    def table(self, table: Buckets) -> RawBuckets:
        slots = np.frombuffer(bytearray().join(map(self.slot, table.slots)), self.record).reshape(-1, SLOTS)
        tophash = np.array(table.tophash, np.uint8).reshape(-1, SLOTS)
        overflow = np.array(table.overflow, np.uint32)
        return RawBuckets(tophash, slots, overflow, table.nmain, table.free_row, table.nfree)

    def slot(self, item: Slot | None) -> bytes:
        if item is None:
            return bytes(self.record.itemsize)
        if isinstance(item.key, ObjectKey):
            key = item.hash.to_bytes(8, "little") + self.field(self.codecs[0], item.key.object, self.keys)
        else:
            key = self.field(self.codecs[0], item.key, self.keys)
        value = self.field(self.codecs[1], item.value, self.values)
        return (key.ljust(self.value_at, b"\0") + value).ljust(self.record.itemsize, b"\0")

    def field(self, codec: Codec, stored: Any, objects: list[Any]) -> bytes:
        if codec.form == "object":
            objects.append(stored)
            return (len(objects) - 1).to_bytes(8, "little")
        if codec.form != "text":
            return bytes(stored)
        size = len(stored).to_bytes(4, "little")
        if len(stored) <= INLINE_TEXT:
            return (size + bytes(stored)).ljust(16, b"\0")
        self.texts += stored
        return bytes(size + stored[:4]) + (len(self.texts) - len(stored)).to_bytes(8, "little")
