# When a table grows, and how its old array is evacuated a few buckets at a time.
#
#     old, 2^B main buckets                      now, 2^(B+1) main buckets
#     ┌──────────────┐  hash bit B = 0   ┌──────────────────────────────┐
#     │ b            │ ────── X ───────> │ b              b + 2^B       │
#     └──────────────┘  hash bit B = 1   └────────────────────^─────────┘
#       0 .. nevacuate     └──────── Y ───────────────────────┘
#       all evacuated
#
# A same-size growth (against overflow build-up) has only X. So has shrinking, which joins old buckets b, b + new size,
# ... in new bucket b. Each write evacuates the old bucket it is about to touch, and one more at nevacuate. So growth
# ends after at most 2^B writes, and no write evacuates more than two buckets.
#
# Room. An array has 2^B overflow rows. They suffice, so no kernel ever has to stop for lack of one:
# * Not growing: an insert first starts a growth when 2^B of them are taken.
# * Growing: chains of the new array are untouched before their old bucket arrives, and arrive packed. So overflow rows
#   are at most (keys evacuated + keys inserted meanwhile) / 8 <= (6.5 + 1) * 2^B / 8 < 2^B.
# * Shrinking from 2^B to 2^(B-2) or more: chains are appended to, and holes filled first. The new array begins with at
#   most 3.25 keys per bucket, and is complete after 2^B = 4 * 2^(B-2) writes: (3.25 + 4) / 8 < 1
#   overflow row per bucket.
#
# Go counts overflow buckets in 16 bits, from B = 16 on only a random sample of them, and compares with 2^min(B, 15):
# in expectation 2^B of them. Here both the count and the limit are exact.

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from _hmap_bytes.raw_bytes cimport prefetch_near
from pyhmap._kernels.constants cimport (
    ADVANCE_LIMIT,
    EMPTY_ONE,
    EVACUATED_EMPTY,
    EVACUATED_X,
    EVACUATED_Y,
    EVACUATE_AHEAD,
    LOAD_DEN,
    LOAD_NUM,
    MIN_TOPHASH,
    SHRINK_ABOVE,
    SHRINK_PART,
    SLOTS,
    TEXT,
)
from pyhmap._kernels.hash cimport tophash_of
from pyhmap._kernels.layout cimport Arena, Buckets, Table, Text, evacuated, growing, key_t, noverflow, slot_at
from pyhmap._kernels.probe cimport Place, find_place, occupy
from pyhmap._kernels.slot cimport hash_of, load_key
from pyhmap._kernels.text cimport move_text


cdef inline uint64_t load_limit(uint64_t nmain) noexcept nogil:
    """The keys that so many buckets may hold: 6.5 for each. A single bucket may be full."""
    return max(<uint64_t> SLOTS, LOAD_NUM * (nmain // LOAD_DEN))


cdef inline bint over_load(uint64_t count, uint64_t nmain) noexcept nogil:
    return count > load_limit(nmain)


cdef inline bint too_many_overflow(const Buckets *b) noexcept nogil:
    return noverflow(b) >= b.nmain


cdef inline bint must_grow(const Table *t) noexcept nogil:
    """Whether inserting one more key starts a growth."""
    return not growing(t) and (over_load(t.count + 1, t.now.nmain) or too_many_overflow(&t.now))


cdef inline bint wants_shrink(const Table *t, uint64_t floor) noexcept nogil:
    """Whether a deletion has left so few keys that a smaller table, of at least `floor` buckets, will do."""
    return (not growing(t) and t.now.nmain > floor and t.now.nmain > <uint64_t> 1 << SHRINK_ABOVE
            and t.count * SHRINK_PART < LOAD_NUM * (t.now.nmain // LOAD_DEN))


cdef inline void advance_mark(Table *t) noexcept nogil:
    """Move nevacuate past evacuated buckets; at the end of the old array growth is over."""
    cdef uint64_t stop = t.nevacuate + ADVANCE_LIMIT + 1
    if stop > t.old.nmain:
        stop = t.old.nmain
    t.nevacuate += 1
    while t.nevacuate != stop and evacuated(&t.old, t.nevacuate):
        t.nevacuate += 1
    if t.nevacuate == t.old.nmain:
        t.old.tophash = NULL        # the engine still owns the arrays, and releases them


cdef inline void evacuate(Table *t, uint64_t bucket, const key_t *form) noexcept nogil:
    """Move the chain of an old bucket to the new array, once. `form` only tells the form of the keys."""
    cdef Place to[2]
    cdef uint64_t row = bucket
    cdef uint8_t *slot
    cdef uint8_t *state
    cdef key_t key
    cdef int i, y
    cdef bint doubling = t.now.nmain > t.old.nmain
    cdef bint shrinking = t.now.nmain < t.old.nmain
    if not evacuated(&t.old, bucket):
        t.moves += 1
        to[0].row = bucket
        to[1].row = bucket + t.old.nmain
        to[0].i = to[1].i = 0
        to[0].depth = to[1].depth = 1
        while True:
            for i in range(SLOTS):
                state = &t.old.tophash[row * SLOTS + i]
                if state[0] <= EMPTY_ONE:
                    state[0] = EVACUATED_EMPTY
                    continue
                slot = slot_at(&t.old, row, i)
                y = 0
                if doubling:
                    load_key(t, slot, &key)
                    y = (hash_of(t, &key) & t.old.nmain) != 0
                if shrinking:       # the new bucket may have keys already
                    to[0] = find_place(&t.now, bucket & (t.now.nmain - 1))
                copy_slot(occupy(&t.now, &to[y], state[0]), slot, t.now.stride)
                to[y].i += 1
                state[0] = EVACUATED_Y if y else EVACUATED_X
            row = t.old.overflow[row]
            if row == 0:
                break
    if bucket == t.nevacuate:
        advance_mark(t)


cdef inline void copy_slot(uint8_t *target, const uint8_t *source, uint64_t stride) noexcept nogil:
    if stride == 16:
        memcpy(target, source, 16)
    else:
        memcpy(target, source, stride)


cdef inline void grow_work(Table *t, uint64_t h, const key_t *form) noexcept nogil:
    """What one write does for a growth: it evacuates the bucket it touches, and one more so that growth ends."""
    evacuate(t, h & (t.old.nmain - 1), form)
    if growing(t):
        evacuate(t, t.nevacuate, form)


cdef inline void evacuate_some(Table *t, uint64_t buckets, const key_t *form) noexcept nogil:
    """Evacuate up to `buckets` old buckets at the evacuation mark. Old rows are read, and both targets written, in
    address order. Overflow rows are scattered; they are prefetched EVACUATE_AHEAD buckets early."""
    cdef uint64_t row, i
    while buckets and growing(t):
        row = t.nevacuate + EVACUATE_AHEAD
        if row < t.old.nmain:
            row = t.old.overflow[row]
            if row != 0:
                prefetch_near(&t.old.tophash[row * SLOTS])
                for i in range(2):      # most hold one or two keys
                    prefetch_near(t.old.slots + row * SLOTS * t.old.stride + 64 * i)
        evacuate(t, t.nevacuate, form)
        buckets -= 1


cdef inline void rebuild(Table *t, Buckets *fresh, const key_t *form) noexcept nogil:
    """Insert every key of a settled table into an empty array of any size, by the table's present hash key."""
    cdef uint64_t row, h
    cdef int i
    cdef uint8_t *slot
    cdef Place place
    cdef key_t key
    for row in range(t.now.next_row):
        for i in range(SLOTS):
            if t.now.tophash[row * SLOTS + i] > EMPTY_ONE:
                slot = slot_at(&t.now, row, i)
                load_key(t, slot, &key)
                h = hash_of(t, &key)
                place = find_place(fresh, h & (fresh.nmain - 1))
                copy_slot(occupy(fresh, &place, tophash_of(h)), slot, fresh.stride)


cdef inline void copy_buckets(const Buckets *b, Buckets *fresh) noexcept nogil:
    """Copy all rows in use to an empty array of the same size."""
    memcpy(fresh.slots, b.slots, b.next_row * SLOTS * b.stride)
    memcpy(fresh.tophash, b.tophash, b.next_row * SLOTS)
    memcpy(fresh.overflow, b.overflow, b.next_row * sizeof(uint32_t))
    fresh.next_row, fresh.free_row, fresh.nfree = b.next_row, b.free_row, b.nfree
    fresh.long_chain = b.long_chain


cdef inline void move_texts(Table *t, Arena *fresh) noexcept nogil:
    """Copy every long text that a slot refers to into a fresh arena whose one block has room for all of them."""
    _move_texts_of(t, &t.now, fresh)
    if growing(t):
        _move_texts_of(t, &t.old, fresh)
    t.arena = fresh[0]


cdef inline void _move_texts_of(const Table *t, Buckets *b, Arena *fresh) noexcept nogil:
    cdef uint64_t row
    cdef int i
    cdef uint8_t *slot
    for row in range(b.next_row):
        for i in range(SLOTS):
            if b.tophash[row * SLOTS + i] >= MIN_TOPHASH:
                slot = slot_at(b, row, i)
                if t.form == TEXT:
                    move_text(&t.arena, <Text *> slot, fresh)
                if t.text_values:
                    move_text(&t.arena, <Text *> (slot + b.value_at), fresh)
