"""The reference of frozen maps: a minimal perfect hash of a set of keys, and the look-up in it.

Owns the pilot of each bucket and the row of each key, as `_kernels/frozen_build.pxd` chooses them. Works on hashes;
`hashes_of` makes them from keys as a map holds them.

    hash     63 .............. 32 31 .............. 0
            [       part         |      bucket       ]      each half is scaled to the number of parts, or of buckets

    pilots        one per bucket of each part, below 256
    slot          of the part: the hash, mixed with the upper two bits of its bucket's pilot and scaled to the number
                  of slots, less 63; the lower six bits of the pilot are added
    remap         for each slot behind the rows: the row that its key has instead

Each part is built by itself. Its buckets get their pilots in the order of their sizes, the largest first, and in the
order of their numbers where sizes are equal. A bucket takes the first pilot that leads its keys to free slots, each to
another. If there is none, it displaces other buckets: it takes the first of the pilots of least cost. The cost is the
sum, over the slots it comes to, of the squared size of the bucket there. The last four buckets that got a pilot may not
be displaced. The displaced ones get other pilots before the next bucket has its turn, the one displaced last first.

A hash key does not work if a part has more than twice the mean number of keys, a bucket is too large, two keys have the
same hash, or a bucket has no pilot. The map then draws another one.
"""

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pyhmap._inspect.hashes import hash_words, siphash13_many
from pyhmap._reference.table import M64, HashKey

# As in _kernels/constants.pxd.
PART_KEYS, FULLEST, SPARE_KEYS = 1 << 14, 64, 20
BUCKETS_NUM, BUCKETS_DEN, BUCKET_MAX = 3, 8, 64
PILOTS, SHIFTS, LAST_PLACED, DISPLACED_MAX = 256, 64, 4, 16
PILOT_STEP, SLOT_MIX = 0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93

Key = int | bytes  # a word, or the bytes of a text


def hashes_of(keys: Sequence[Key], hash_key: HashKey) -> list[int]:
    """The hashes of words, or of texts.

    >>> hashes_of([1 << 32], (0, 1, 1, 1)) == [1 << 32 | 8]
    True
    """
    texts = [key for key in keys if isinstance(key, bytes)]
    hashes = siphash13_many(texts, *hash_key[:2]) if texts else hash_words(np.array(keys, np.uint64), hash_key)
    return [int(h) for h in hashes]


# ---- where a hash leads to -------------------------------------------------------------------------------------------


def scaled(number: int, n: int) -> int:
    """A number of 32 bits, scaled to 0 .. n - 1."""
    return number * n >> 32


def part_of(h: int, parts: int) -> int:
    """The part of a hash."""
    return scaled(h >> 32, parts)


def bucket_of(h: int, buckets: int) -> int:
    """The bucket of a hash within its part."""
    return scaled(h & 0xFFFFFFFF, buckets)


def slot_of(h: int, pilot: int, slots: int) -> int:
    """The slot within its part to which a pilot leads a hash."""
    shift = pilot % SHIFTS
    mixed = (h ^ (pilot - shift) * PILOT_STEP & M64) * SLOT_MIX & M64
    return scaled(mixed >> 32, slots - SHIFTS + 1) + shift


class Shape(NamedTuple):
    """The numbers of a frozen map. All parts have as many slots, and as many buckets."""

    rows: int
    parts: int
    slots: int
    buckets: int


class PerfectHash(NamedTuple):
    """What leads a hash to its row."""

    shape: Shape
    pilots: Sequence[int]
    remap: Sequence[int]

    def row_of(self, h: int) -> int:
        """The only row that a key of this hash can be in. There is at least one."""
        part = part_of(h, self.shape.parts)
        pilot = self.pilots[part * self.shape.buckets + bucket_of(h, self.shape.buckets)]
        slot = part * self.shape.slots + slot_of(h, pilot, self.shape.slots)
        return slot if slot < self.shape.rows else self.remap[slot - self.shape.rows]


# ---- one part --------------------------------------------------------------------------------------------------------


class Part(NamedTuple):
    """The pilot of each bucket, and how many buckets were displaced."""

    pilots: bytearray
    displaced: int


def slots_for(keys: int) -> int:
    """The slots of a part of so many keys."""
    return keys + keys // SPARE_KEYS + SHIFTS


def buckets_for(keys: int) -> int:
    """The buckets of a part of so many keys."""
    return keys * BUCKETS_NUM // BUCKETS_DEN + 1


def build_part(hashes: Sequence[int], slots: int, buckets: int) -> Part | None:
    """Find the pilots of one part. None if there are none."""
    return PartBuilding(hashes, slots, buckets).build()


class PartBuilding:
    """A part while its pilots are found."""

    def __init__(self, hashes: Sequence[int], slots: int, buckets: int) -> None:
        self.slots = slots
        self.hashes: list[list[int]] = [[] for _ in range(buckets)]  # of each bucket
        for h in hashes:
            self.hashes[bucket_of(h, buckets)].append(h)
        self.pilots = bytearray(buckets)
        self.owner: dict[int, int] = {}  # of each slot that is taken: the bucket
        self.placed_last: deque[int] = deque(maxlen=LAST_PLACED)
        self.displaced = 0

    def build(self) -> Part | None:
        order = sorted(range(len(self.hashes)), key=lambda bucket: -len(self.hashes[bucket]))
        if len(self.hashes[order[0]]) > BUCKET_MAX:
            return None
        for bucket in order:
            if len(set(self.hashes[bucket])) < len(self.hashes[bucket]):
                return None
            waiting = [bucket]
            while waiting:
                if not self.place(waiting.pop(), waiting):
                    return None
        return Part(self.pilots, self.displaced)

    def place(self, bucket: int, waiting: list[int]) -> bool:
        """Give a bucket its pilot, and put those it displaces on the stack. Returns whether that was possible."""
        if not self.hashes[bucket]:
            return True
        pilot = self.free_pilot(bucket)
        if pilot is None:
            pilot = self.cheapest_pilot(bucket)
            if pilot is None or self.displaced >= DISPLACED_MAX * len(self.hashes):
                return False
            for slot in self.slots_at(bucket, pilot):
                if slot in self.owner:
                    waiting.append(self.displace(self.owner[slot]))
        self.pilots[bucket] = pilot
        self.owner.update(dict.fromkeys(self.slots_at(bucket, pilot), bucket))
        self.placed_last.append(bucket)
        return True

    def displace(self, bucket: int) -> int:
        for slot in self.slots_at(bucket, self.pilots[bucket]):
            del self.owner[slot]
        self.displaced += 1
        return bucket

    def free_pilot(self, bucket: int) -> int | None:
        """The first pilot that leads the keys of a bucket to free slots, each to another."""
        for pilot in range(PILOTS):
            slots = self.slots_at(bucket, pilot)
            if self.owner.keys().isdisjoint(slots) and all_differ(slots):
                return pilot
        return None

    def cheapest_pilot(self, bucket: int) -> int | None:
        """The first of the pilots that displace the least and none of the buckets placed last."""
        costs = {}
        for pilot in range(PILOTS):
            slots = self.slots_at(bucket, pilot)
            owners = [self.owner[slot] for slot in slots if slot in self.owner]
            if all_differ(slots) and not any(owner in self.placed_last for owner in owners):
                costs[pilot] = sum(len(self.hashes[owner]) ** 2 for owner in owners)
        return min(costs, key=lambda pilot: (costs[pilot], pilot), default=None)

    def slots_at(self, bucket: int, pilot: int) -> list[int]:
        """The slots to which a pilot leads the keys of a bucket."""
        return [slot_of(h, pilot, self.slots) for h in self.hashes[bucket]]


def all_differ(slots: list[int]) -> bool:
    return len(set(slots)) == len(slots)


# ---- all parts -------------------------------------------------------------------------------------------------------


def build(hashes: Sequence[int]) -> PerfectHash | None:
    """The perfect hash of all keys of a map. None if the hash key does not work.

    >>> built = build([5, 7 << 32])
    >>> sorted(map(built.row_of, [5, 7 << 32]))
    [0, 1]
    """
    parts = len(hashes) // PART_KEYS + 1
    of_part: list[list[int]] = [[] for _ in range(parts)]
    for h in hashes:
        of_part[part_of(h, parts)].append(h)
    mean, most = -(-len(hashes) // parts), max(map(len, of_part))
    slots, buckets = max(slots_for(mean), most + most // FULLEST + SHIFTS), buckets_for(mean)
    if most > 2 * mean:
        return None
    pilots = bytearray()
    for each in of_part:
        part = build_part(each, slots, buckets)
        if part is None:
            return None
        pilots += part.pilots
    # With no rows in front of the slots, the look-up gives the slot itself, counted through all parts.
    in_slots = PerfectHash(Shape(parts * slots, parts, slots, buckets), pilots, [])
    remap = remap_of(set(map(in_slots.row_of, hashes)), len(hashes), parts * slots)
    return PerfectHash(Shape(len(hashes), parts, slots, buckets), pilots, remap)


def remap_of(taken: set[int], rows: int, slots: int) -> list[int]:
    """For each slot behind the rows: the next row to which no slot leads if the slot is taken, or else 0."""
    free = (row for row in range(rows) if row not in taken)
    return [next(free) if slot in taken else 0 for slot in range(rows, slots)]
