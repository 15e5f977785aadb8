# Many keys in one call: the software pipeline. Imports the layers below it.
#
# One look-up in a table larger than the cache is two memory accesses one after the other (tophash row, then slot), and
# a processor asked for one key at a time waits for both. Here each key passes three stages, LAG keys apart, so that
# some 2 x LAG keys' accesses are under way at once:
#
#     key i             hash it, prefetch its tophash row
#     key i - LAG       match that row, prefetch the one slot that matched (or the link of a full row without a match)
#     key i - 2 LAG     compare the key, hand out the value
#
# What a key needs between the stages lies in a ring of RING entries on the stack. Each key is read from the caller's
# array once, so another thread that writes there meanwhile can spoil an answer, but never the walk. Keys finish in
# order, so the first miss is the first by position.
#
# Slots are prefetched only after the match: prefetching a slot line per key made a miss three times dearer.

from libc.stdint cimport uint8_t, uint64_t

from pyhmap._hash cimport canonical_float, hash_word, tophash_of
from pyhmap._layout cimport Buckets, Slot, Table, growing, prefetch, slot_at, tophash_word
from pyhmap._ops cimport get, put_hashed
from pyhmap._probe cimport chain_ends, find, first_slot, match, match_empty
from pyhmap._types cimport EMPTY_ONE, LAG, NEED_GROWTH, RING, SLOTS


cdef struct InFlight:       # one key in the ring
    uint64_t key
    uint64_t hash
    Slot *candidate         # the first slot of its main row that matched, or NULL


cdef struct Reading:        # what a read call is to do with each key
    const uint64_t *keys
    uint64_t *values        # receives values, or NULL
    uint8_t *found          # receives 0 or 1, or NULL
    uint64_t fill           # the value of a missing key
    bint stop_at_miss


cdef inline void start_key(const Table *t, InFlight *f, uint64_t key) noexcept nogil:
    """First stage, of reads and writes."""
    if t.float_keys:
        key = canonical_float(key)
    f.key = key
    f.hash = hash_word(t.hash_key, key)
    prefetch(&t.now.tophash[(f.hash & (t.now.nmain - 1)) * SLOTS])


cdef inline void match_key(const Buckets *b, InFlight *f) noexcept nogil:
    """Second stage of a read."""
    cdef uint64_t row = f.hash & (b.nmain - 1)
    cdef uint64_t word = tophash_word(b, row)
    cdef uint64_t matches = match(word, tophash_of(f.hash))
    f.candidate = NULL
    if matches:
        f.candidate = slot_at(b, row, first_slot(matches))
        prefetch(f.candidate)
    elif not chain_ends(word):
        prefetch(&b.overflow[row])


cdef inline bint answer(const Reading *r, uint64_t i, const Slot *slot) noexcept nogil:
    """Hand out the answer for key i; False if the call is to stop here."""
    if slot != NULL:
        if r.values != NULL:
            r.values[i] = slot.value
        if r.found != NULL:
            r.found[i] = 1
        return True
    if r.stop_at_miss:
        return False
    if r.values != NULL:
        r.values[i] = r.fill
    if r.found != NULL:
        r.found[i] = 0
    return True


cdef inline bint finish_key(const Table *t, const Reading *r, uint64_t i, const InFlight *f) noexcept nogil:
    """Third stage of a read. The first match is nearly always the key; else probe the chain as for a single key."""
    cdef const Slot *slot = f.candidate
    if slot == NULL or slot.key != f.key:
        slot = find(&t.now, f.hash & (t.now.nmain - 1), tophash_of(f.hash), f.key)
    return answer(r, i, slot)


cdef inline uint64_t read_batch(const Table *t, const Reading *r, uint64_t start, uint64_t stop) noexcept nogil:
    """Look up keys[start:stop]. Returns stop, or the position of the missing key it stopped at."""
    cdef InFlight ring[RING]
    cdef uint64_t i, n = stop - start
    cdef uint64_t key
    if growing(t):              # two arrays: the scalar look-up, key by key
        for i in range(start, stop):
            key = canonical_float(r.keys[i]) if t.float_keys else r.keys[i]
            if not answer(r, i, get(t, key)):
                return i
        return stop
    for i in range(n + 2 * LAG):
        if i < n:
            start_key(t, &ring[i & (RING - 1)], r.keys[start + i])
        if LAG <= i < n + LAG:
            match_key(&t.now, &ring[(i - LAG) & (RING - 1)])
        if i >= 2 * LAG and not finish_key(t, r, start + i - 2 * LAG, &ring[(i - 2 * LAG) & (RING - 1)]):
            return start + i - 2 * LAG
    return stop


cdef inline void seek_place(const Buckets *b, InFlight *f) noexcept nogil:
    """Second stage of a write: prefetch the slot that will probably be written, matched or empty."""
    cdef uint64_t row = f.hash & (b.nmain - 1)
    cdef uint64_t word = tophash_word(b, row)
    cdef uint64_t likely = match(word, tophash_of(f.hash))
    if not likely:
        likely = match_empty(word)
    if likely:
        prefetch(slot_at(b, row, first_slot(likely)))
    else:
        prefetch(&b.overflow[row])


cdef inline uint64_t put_batch(Table *t, const uint64_t *keys, const uint64_t *values,
                               uint64_t start, uint64_t stop) noexcept nogil:
    """Insert or overwrite keys[start:stop] in order. Returns stop, or the position of a key that needs a growth."""
    cdef InFlight ring[RING]
    cdef InFlight *f
    cdef Slot *slot
    cdef uint64_t i, n = stop - start
    if growing(t):
        for i in range(start, stop):
            start_key(t, &ring[0], keys[i])
            if put_hashed(t, ring[0].key, values[i], ring[0].hash, True, &slot) == NEED_GROWTH:
                return i
        return stop
    for i in range(n + 2 * LAG):
        if i < n:
            start_key(t, &ring[i & (RING - 1)], keys[start + i])
        if LAG <= i < n + LAG:
            seek_place(&t.now, &ring[(i - LAG) & (RING - 1)])
        if i >= 2 * LAG:
            f = &ring[(i - 2 * LAG) & (RING - 1)]
            if put_hashed(t, f.key, values[start + i - 2 * LAG], f.hash, True, &slot) == NEED_GROWTH:
                return start + i - 2 * LAG
    return stop


cdef inline uint64_t collect(const Buckets *b, uint64_t *keys, uint64_t *values) noexcept nogil:
    """Copy the full slots of a settled array in row order; either target may be NULL. Returns how many."""
    cdef uint64_t row, n = 0
    cdef unsigned i
    cdef const Slot *slot
    for row in range(b.next_row):
        for i in range(SLOTS):
            if b.tophash[row * SLOTS + i] > EMPTY_ONE:
                slot = slot_at(b, row, i)
                if keys != NULL:
                    keys[n] = slot.key
                if values != NULL:
                    values[n] = slot.value
                n += 1
    return n
