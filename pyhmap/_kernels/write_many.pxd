# Writing many keys: set, insert, combine, number, remove.
#
# Writes go through the stages of pipeline.pxd, and are done one after the other in the last of them, so that of equal
# keys in a batch each sees the writes before it. The first two stages only bring the lines that the last one will touch
# into the cache, also in a growing table; nothing else of their results is used.

from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from _hmap_bytes.raw_bytes cimport prefetch_near
from pyhmap._kernels.combine cimport combine_value
from pyhmap._kernels.constants cimport (
    BLOCK,
    CHANGED,
    FOUND,
    INSERTED,
    IN_FLIGHT,
    LONG_CHAIN,
    MIN_TOPHASH,
    NOT_FOUND,
    SLOTS,
    Status,
    TEXT,
    WORD32,
)
from pyhmap._kernels.hash cimport tophash_of
from pyhmap._kernels.layout cimport Buckets, Table, Text, growing, key_t, slot_at
from pyhmap._kernels.one_key cimport delete, get, is_stored_as_hashed, put, remove
from pyhmap._kernels.pipeline cimport block_size, hash_block, unlikely
from pyhmap._kernels.probe cimport first_slot, match, match_empty
from pyhmap._kernels.slot cimport copy_bytes, hand_out
from pyhmap._kernels.writing cimport (
    ACCUMULATE,
    DISCARD,
    FACTORIZE,
    POP,
    SET,
    SETDEFAULT,
    Writing,
)


cdef inline void seek_block(const Buckets *b, const uint64_t *h, uint64_t n) noexcept nogil:
    """Second stage: prefetch the slot of each key that will probably be written, matched or empty."""
    cdef uint64_t i, row, word, likely
    cdef uint64_t mask = b.nmain - 1
    cdef const uint64_t *rows = <const uint64_t *> b.tophash
    for i in range(n):
        row = h[i] & mask
        word = rows[row]
        likely = match(word, tophash_of(h[i]))
        if not likely:
            likely = match_empty(word)
        if unlikely(not likely):
            prefetch_near(&b.overflow[row])
        else:
            prefetch_near(b.slots + (row * SLOTS + first_slot(likely)) * b.stride)


cdef inline int64_t code_of(const uint8_t *stored, uint64_t size, bint signed) noexcept nogil:
    """An int value of `size` bytes."""
    cdef uint64_t code = 0
    cdef int shift = <int> (64 - 8 * size)
    memcpy(&code, stored, size)
    code <<= shift
    return <int64_t> code >> shift if signed else <int64_t> (code >> shift)


cdef inline int64_t largest_code(const Table *t, bint signed) noexcept nogil:
    """The largest int value in the table, at most INT64_MAX; -1 if there is none of 0 or more."""
    cdef int64_t largest = largest_code_of(t, &t.now, signed)
    return max(largest, largest_code_of(t, &t.old, signed)) if growing(t) else largest


cdef inline int64_t largest_code_of(const Table *t, const Buckets *b, bint signed) noexcept nogil:
    cdef uint64_t row
    cdef int i
    cdef int64_t code, largest = -1
    for row in range(b.next_row):
        for i in range(SLOTS):
            if b.tophash[row * SLOTS + i] >= MIN_TOPHASH:
                code = code_of(slot_at(b, row, i) + b.value_at, t.value_size, signed)
                if code < 0 and not signed:     # 2^63 or more
                    code = INT64_MAX
                largest = max(largest, code)
    return largest


cdef inline Status put_one(Table *t, Writing *w, uint64_t position, const key_t *key, uint64_t h) noexcept nogil:
    """Set, insert, combine or number one key. FOUND or INSERTED when it is done."""
    cdef uint8_t *stored
    cdef const void *value = w.values + position * w.value_step
    cdef Status status
    if w.action == FACTORIZE:
        value = &w.next_code
        if unlikely(w.next_code > w.last_code):     # a new key would have no code
            stored = get(t, key, h)
            if stored == NULL:
                return NOT_FOUND
            (<int64_t *> w.out)[position] = code_of(stored, t.value_size, w.signed_codes)
            return FOUND
    status = put(t, key, h, value, w.action == SET, &stored)
    if status == INSERTED and unlikely(not is_stored_as_hashed(t, stored - t.now.value_at, key, h)):
        remove(t, h & (t.now.nmain - 1), stored - t.now.value_at, key)
        return CHANGED
    if w.action == SET or status > INSERTED:
        return status
    if w.action == ACCUMULATE:
        if status == FOUND:
            combine_value(&w.combine, stored, <const uint8_t *> value)
    elif w.action == SETDEFAULT:
        hand_out(t, w.out + position * t.value_size, stored)
    elif w.action == FACTORIZE:
        w.next_code += status == INSERTED
        (<int64_t *> w.out)[position] = code_of(stored, t.value_size, w.signed_codes)
    else:
        w.out[position] = status == INSERTED
    return status


cdef inline Status remove_one(Table *t, Writing *w, uint64_t position, const key_t *key, uint64_t h) noexcept nogil:
    """Remove one key. FOUND when it is removed, or when its absence does not matter."""
    cdef uint8_t *value = NULL if w.out == NULL else w.out + position * t.value_size
    cdef Status status = delete(t, key, h, value)
    if status == FOUND:
        w.removed += 1
    elif not w.stop_at_miss:
        if value != NULL and w.fill != NULL:
            copy_bytes(value, w.fill, t.value_size)
        status = FOUND
    return status


cdef inline uint64_t write_batch_as(Table *t, Writing *w, const key_t *keys, uint64_t start, uint64_t stop,
                                    Status *status) noexcept nogil:
    """Write keys[start:stop] in order. Returns stop; or the position at which it stopped, and the reason in status. A
    chain that is too long stops it at once: each further key of that chain would walk all of it."""
    cdef key_t ring[IN_FLIGHT][BLOCK]
    cdef const key_t *key[IN_FLIGHT]
    cdef uint64_t h[IN_FLIGHT][BLOCK]
    cdef uint64_t b, i, j, base, blocks = (stop - start + BLOCK - 1) // BLOCK
    cdef bint removing = w.action == POP or w.action == DISCARD
    status[0] = FOUND
    for b in range(blocks + 2):
        if b < blocks:
            j = b % IN_FLIGHT
            key[j] = hash_block(t, keys + start + b * BLOCK, block_size(b, start, stop), ring[j], h[j])
        if 1 <= b < blocks + 1:
            j = (b - 1) % IN_FLIGHT
            seek_block(&t.now, h[j], block_size(b - 1, start, stop))
        if b >= 2:
            j = (b - 2) % IN_FLIGHT
            base = start + (b - 2) * BLOCK
            for i in range(block_size(b - 2, start, stop)):
                if removing:
                    status[0] = remove_one(t, w, base + i, &key[j][i], h[j][i])
                else:
                    status[0] = put_one(t, w, base + i, &key[j][i], h[j][i])
                if status[0] == FOUND:
                    continue
                if unlikely(status[0] > INSERTED):
                    return base + i
                if unlikely(t.now.long_chain):
                    if w.stop_at_long_chain:
                        status[0] = LONG_CHAIN
                        return base + i + 1
                    t.now.long_chain = False
    return stop


cdef inline uint64_t write_batch(Table *t, Writing *w, const void *keys, uint64_t start, uint64_t stop,
                                 Status *status) noexcept nogil:
    """write_batch_as() for the form of the map's keys; object keys are written one by one."""
    if t.form == WORD32:
        return write_batch_as(t, w, <const uint32_t *> keys, start, stop, status)
    if t.form == TEXT:
        return write_batch_as(t, w, <const Text *> keys, start, stop, status)
    return write_batch_as(t, w, <const uint64_t *> keys, start, stop, status)
