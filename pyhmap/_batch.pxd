# Many keys in one call: the software pipeline. Imports the layers below it.
#
# One look-up in a table larger than the cache is two memory accesses one after the other (tophash row, then slot; a
# long text is a third), and a processor asked for one key at a time waits for each. Here every key passes through
# stages, LAG keys apart, so that some 2 x LAG keys' accesses are under way at once:
#
#     key i             hash it, prefetch its tophash row
#     key i - LAG       match that row, prefetch the one slot that matched (or the link of a full row without a match)
#     key i - 2 LAG     compare the key, hand out the value
#     (long texts: key i - 2 LAG prefetches the stored text, key i - 3 LAG compares)
#
# What a key needs between the stages lies in rings of RING entries on the stack. Each key is read from the caller's
# array once, so another thread that writes there meanwhile can spoil an answer, but never the walk. Keys finish in
# order, so the first miss is the first by position.
#
# Slots are prefetched only after the match: prefetching a slot line per key made a miss three times dearer.

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from pyhmap._combine cimport Combine, combine_value
from pyhmap._hash cimport tophash_of
from pyhmap._layout cimport Buckets, Table, Text, growing, key_t, prefetch, slot_at, tophash_word
from pyhmap._ops cimport delete, get, put
from pyhmap._probe cimport chain_ends, find, first_slot, match, match_empty
from pyhmap._slot cimport canonical, copy_bytes, hand_out, hash_of, load_key, prefetch_key, same_key, value_of
from pyhmap._types cimport (
    EMPTY_ONE,
    FOLLOW_UP_TO,
    FOUND,
    INSERTED,
    LAG,
    MISSING,
    NEED_ARENA,
    NEED_GROWTH,
    RING,
    SLOTS,
    Status,
)


cdef struct Reading:        # what a read call is to do with each key
    uint8_t *values         # receives values, value_size bytes each, or NULL
    uint8_t *found          # receives 0 or 1, or NULL
    const void *fill        # the value of a missing key
    bint stop_at_miss


cdef enum Action:
    SET
    SETDEFAULT
    ACCUMULATE
    FACTORIZE
    POP
    DISCARD


cdef struct Writing:        # what a write call is to do with each key
    Action action
    const uint8_t *values   # SET, SETDEFAULT, ACCUMULATE: values to store, value_step bytes apart (0: one for all)
    uint64_t value_step
    uint8_t *out            # SETDEFAULT, POP: receives values, value_size bytes each; FACTORIZE: int64 codes
    const void *fill        # POP: the value of a missing key
    bint stop_at_miss       # POP
    Combine combine         # ACCUMULATE
    int64_t next_code       # FACTORIZE: the code of the next new key, and the largest that a value can hold
    int64_t last_code
    bint signed_codes
    uint64_t removed        # POP, DISCARD: counts


cdef inline bint answer(const Table *t, const Reading *r, uint64_t i, const uint8_t *value) noexcept nogil:
    """Hand out the answer for key i; False if the call is to stop here."""
    if r.found != NULL:
        r.found[i] = value != NULL
    if value != NULL:
        if r.values != NULL:
            hand_out(t, r.values + i * t.value_size, value)
    elif r.stop_at_miss:
        return False
    elif r.values != NULL:
        copy_bytes(r.values + i * t.value_size, r.fill, t.value_size)
    return True


cdef inline uint64_t start_key(const Table *t, key_t *key) noexcept nogil:
    """First stage, of reads and writes: the hash."""
    cdef uint64_t h
    canonical(t, key)
    h = hash_of(t, key)
    prefetch(&t.now.tophash[(h & (t.now.nmain - 1)) * SLOTS])
    return h


cdef inline uint8_t *match_row(const Buckets *b, uint64_t h) noexcept nogil:
    """Second stage of a read: the first slot that matches, or NULL if there is none or it is not known yet."""
    cdef uint64_t row = h & (b.nmain - 1)
    cdef uint64_t word = tophash_word(b, row)
    cdef uint64_t matches = match(word, tophash_of(h))
    cdef uint8_t *slot
    while not matches:
        if chain_ends(word):
            return NULL
        if b.nmain > FOLLOW_UP_TO:
            prefetch(&b.overflow[row])
            return NULL
        row = b.overflow[row]
        if row == 0:
            return NULL
        word = tophash_word(b, row)
        matches = match(word, tophash_of(h))
    slot = slot_at(b, row, first_slot(matches))
    prefetch(slot)
    return slot


cdef inline uint64_t read_batch(const Table *t, const Reading *r, const key_t *keys,
                                uint64_t start, uint64_t stop) noexcept nogil:
    """Look up keys[start:stop]. Returns stop, or the position of the missing key it stopped at."""
    cdef key_t key[RING]
    cdef uint64_t h[RING]
    cdef uint8_t *slot[RING]
    cdef uint64_t i, j, end, n = stop - start
    cdef uint64_t last_lag = 3 * LAG if key_t is Text else 2 * LAG
    if growing(t):              # two arrays: the scalar look-up, key by key
        for i in range(start, stop):
            key[0] = keys[i]
            canonical(t, key)
            if not answer(t, r, i, get(t, key)):
                return i
        return stop
    for i in range(n + last_lag):
        if i < n:
            j = i % RING
            key[j] = keys[start + i]
            h[j] = start_key(t, &key[j])
        if LAG <= i < n + LAG:
            j = (i - LAG) % RING
            slot[j] = match_row(&t.now, h[j])
        if key_t is Text:
            if 2 * LAG <= i < n + 2 * LAG:
                j = (i - 2 * LAG) % RING
                if slot[j] != NULL:
                    prefetch_key(t, slot[j], &key[j])
        if i >= last_lag:
            j = (i - last_lag) % RING
            if slot[j] == NULL or not same_key(t, slot[j], &key[j]):    # the first match nearly always is the key
                slot[j] = find(t, &t.now, h[j] & (t.now.nmain - 1), tophash_of(h[j]), &key[j])
            end = start + i - last_lag
            if not answer(t, r, end, NULL if slot[j] == NULL else value_of(slot[j], &key[j])):
                return end
    return stop


cdef inline void seek_place(const Buckets *b, uint64_t h) noexcept nogil:
    """Second stage of a write: prefetch the slot that will probably be written, matched or empty."""
    cdef uint64_t row = h & (b.nmain - 1)
    cdef uint64_t word = tophash_word(b, row)
    cdef uint64_t likely = match(word, tophash_of(h))
    if not likely:
        likely = match_empty(word)
    if likely:
        prefetch(slot_at(b, row, first_slot(likely)))
    else:
        prefetch(&b.overflow[row])


cdef inline int64_t code_of(const uint8_t *stored, uint64_t size, bint signed) noexcept nogil:
    """An int value of `size` bytes."""
    cdef uint64_t code = 0
    cdef int shift = <int> (64 - 8 * size)
    memcpy(&code, stored, size)
    code <<= shift
    return <int64_t> code >> shift if signed else <int64_t> (code >> shift)


cdef inline Status write_one(Table *t, Writing *w, uint64_t i, const key_t *key, uint64_t h) noexcept nogil:
    """Last stage of a write. FOUND or INSERTED when key i is done, anything else to stop there."""
    cdef uint8_t *stored
    cdef const uint8_t *value = w.values + i * w.value_step
    cdef Status status
    if w.action == SET:
        return put(t, key, h, value, True, &stored)
    if w.action == SETDEFAULT:
        status = put(t, key, h, value, False, &stored)
        if status <= INSERTED:
            hand_out(t, w.out + i * t.value_size, stored)
        return status
    if w.action == ACCUMULATE:
        status = put(t, key, h, value, False, &stored)
        if status == FOUND:
            combine_value(w.combine, stored, value)
        return status
    if w.action == FACTORIZE:
        if w.next_code > w.last_code:       # a new key would have no code
            stored = get(t, key)
            if stored == NULL:
                return MISSING
            status = FOUND
        else:
            status = put(t, key, h, &w.next_code, False, &stored)
        w.next_code += status == INSERTED
        if status <= INSERTED:
            (<int64_t *> w.out)[i] = code_of(stored, t.value_size, w.signed_codes)
        return status
    stored = NULL if w.out == NULL else w.out + i * t.value_size
    status = delete(t, key, h, stored)
    if status == FOUND:
        w.removed += 1
    elif not w.stop_at_miss:
        if stored != NULL:
            copy_bytes(stored, w.fill, t.value_size)
        status = FOUND
    return status


cdef inline uint64_t write_batch(Table *t, Writing *w, const key_t *keys, uint64_t start, uint64_t stop,
                                 Status *status) noexcept nogil:
    """Write keys[start:stop] in order. Returns stop; or, and why in status, the position it could not do."""
    cdef key_t key[RING]
    cdef uint64_t h[RING]
    cdef uint64_t i, j, end, n = stop - start
    status[0] = FOUND
    if growing(t):
        for i in range(start, stop):
            key[0] = keys[i]
            h[0] = start_key(t, key)
            status[0] = write_one(t, w, i, key, h[0])
            if status[0] > INSERTED:
                return i
        return stop
    for i in range(n + 2 * LAG):
        if i < n:
            j = i % RING
            key[j] = keys[start + i]
            h[j] = start_key(t, &key[j])
        if LAG <= i < n + LAG:
            seek_place(&t.now, h[(i - LAG) % RING])
        if i >= 2 * LAG:
            j = (i - 2 * LAG) % RING
            end = start + i - 2 * LAG
            status[0] = write_one(t, w, end, &key[j], h[j])
            if status[0] > INSERTED:
                return end
    return stop


cdef inline uint64_t collect(const Table *t, uint8_t *keys, uint8_t *values, const key_t *form) noexcept nogil:
    """Copy the keys and values of a settled table out in row order; either target may be NULL. Returns how many."""
    cdef uint64_t row, n = 0
    cdef unsigned i
    cdef uint8_t *slot
    for row in range(t.now.next_row):
        for i in range(SLOTS):
            if t.now.tophash[row * SLOTS + i] > EMPTY_ONE:
                slot = slot_at(&t.now, row, i)
                if keys != NULL:
                    load_key(t, slot, &(<key_t *> keys)[n])
                if values != NULL:
                    hand_out(t, values + n * t.value_size, value_of(slot, form))
                n += 1
    return n
