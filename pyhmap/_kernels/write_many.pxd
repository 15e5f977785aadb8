# Writing many keys: set, insert, combine, number, remove.
#
# Writes go through the stages of pipeline.pxd, and are done one after the other in the last of them, so that of equal
# keys in a batch each sees the writes before it. The first two stages only bring the lines that the last one will touch
# into the cache, even in a growing table. In a settled one, where keys keep their slots as long as none is removed, the
# last stage begins with the slot that the second one found, and most new keys go to their main bucket: it searches
# chains only where that does not settle it.

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
from pyhmap._kernels.grow cimport load_limit, too_many_overflow
from pyhmap._kernels.hash cimport tophash_of
from pyhmap._kernels.layout cimport Buckets, Table, Text, growing, key_t, slot_at, slot_number, tophash_word
from pyhmap._kernels.one_key cimport delete, get, is_stored_as_hashed, put, remove
from pyhmap._kernels.pipeline cimport block_size, hash_block, unlikely
from pyhmap._kernels.probe cimport chain_ends, first_slot, match, match_empty
from pyhmap._kernels.slot cimport copy_bytes, hand_out, same_key, store_key, value_of
from pyhmap._kernels.writing cimport (
    ACCUMULATE,
    DISCARD,
    FACTORIZE,
    POP,
    SET,
    SETDEFAULT,
    Writing,
)

cdef extern from *:
    """
    #define PYHMAP_NO_SLOT UINT64_MAX
    """
    const uint64_t NO_SLOT "PYHMAP_NO_SLOT"     # the number of no slot


cdef inline void seek_block(const Buckets *b, const uint64_t *h, uint64_t n, uint64_t *number) noexcept nogil:
    """Second stage: the number of the slot that matched first, NO_SLOT if none did. Prefetches that slot, or the one
    where a new key goes."""
    cdef uint64_t i, row, word, likely
    cdef uint64_t mask = b.nmain - 1
    cdef const uint64_t *rows = <const uint64_t *> b.tophash
    for i in range(n):
        row = h[i] & mask
        word = rows[row]
        likely = match(word, tophash_of(h[i]))
        if likely:
            number[i] = row * SLOTS + first_slot(likely)
            prefetch_near(b.slots + number[i] * b.stride)
            continue
        number[i] = NO_SLOT
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


cdef inline void act_on(const Table *t, Writing *w, uint64_t position, uint8_t *stored, bint new) noexcept nogil:
    """What an action other than SET does with the value of a key in its slot, which has just come there if `new`."""
    if w.action == ACCUMULATE:
        if not new:
            combine_value(&w.combine, stored, w.values + position * w.value_step)
    elif w.action == SETDEFAULT:
        hand_out(t, w.out + position * t.value_size, stored)
    elif w.action == FACTORIZE:
        w.next_code += new
        (<int64_t *> w.out)[position] = code_of(stored, t.value_size, w.signed_codes)
    else:
        w.out[position] = new


cdef inline Status put_one(Table *t, Writing *w, uint64_t position, const key_t *key, uint64_t h) noexcept nogil:
    """Set, insert, combine or number one key. FOUND or INSERTED when it is done."""
    cdef uint8_t *stored = NULL       # which a compiler does not see put() set, where it does not inline it
    cdef const void *value = w.values + position * w.value_step
    cdef Status status
    if w.action == FACTORIZE:
        value = &w.next_code
        if unlikely(w.next_code > w.last_code):     # a new key would have no code
            stored = get(t, key, h)
            if stored == NULL:
                return NOT_FOUND
            act_on(t, w, position, stored, False)
            return FOUND
    status = put(t, key, h, value, w.action == SET, &stored)
    if status == INSERTED and unlikely(not is_stored_as_hashed(t, stored - t.now.value_at, key, h)):
        remove(t, h & (t.now.nmain - 1), slot_number(&t.now, stored), key)
        return CHANGED
    if w.action != SET and status <= INSERTED:
        act_on(t, w, position, stored, status == INSERTED)
    return status


cdef inline void put_value(const Table *t, Writing *w, uint64_t position, uint8_t *stored, const void *value,
                           bint new) noexcept nogil:
    """Do what the action asks for with the value of a slot, which is not a text; the key is `new`, or was there."""
    if w.action == SET:
        copy_bytes(stored, value, t.value_size)
        return
    if new:
        copy_bytes(stored, value, t.value_size)
    act_on(t, w, position, stored, new)


cdef inline Status put_at_once(Table *t, Writing *w, uint64_t position, const key_t *key, uint64_t h, uint64_t number,
                               uint64_t limit) noexcept nogil:
    """put_one() for what is common in a settled table without text values, `limit` being the keys it may hold: the slot
    of this number has the key; or nothing matches in its bucket, which has an empty slot at the end and so no overflow
    bucket. NOT_FOUND, with nothing done, in all other cases."""
    cdef uint8_t *slot
    cdef uint64_t row, word, tophash
    cdef const void *value = w.values + position * w.value_step
    if number != NO_SLOT:
        slot = t.now.slots + number * t.now.stride
        if unlikely(not same_key(t, slot, key)):
            return NOT_FOUND
        put_value(t, w, position, value_of(slot, key), value, False)
        return FOUND
    if key_t is uint32_t or key_t is uint64_t:
        row = h & (t.now.nmain - 1)
        word = tophash_word(&t.now, row)
        tophash = tophash_of(h)
        if match(word, tophash) or not chain_ends(word) or unlikely(t.count >= limit):
            return NOT_FOUND
        if w.action == FACTORIZE:
            if unlikely(w.next_code > w.last_code):
                return NOT_FOUND
            value = &w.next_code
        number = row * SLOTS + first_slot(match_empty(word))
        slot = t.now.slots + number * t.now.stride
        t.now.tophash[number] = <uint8_t> tophash
        store_key(t, slot, key)
        t.count += 1
        put_value(t, w, position, value_of(slot, key), value, True)
        return INSERTED
    else:
        return NOT_FOUND


cdef inline uint64_t limit_at_once(const Table *t) noexcept nogil:
    """The keys that the table may hold; 0 where put_at_once() must not be used."""
    if growing(t) or t.text_values or too_many_overflow(&t.now):
        return 0
    return load_limit(t.now.nmain)


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
    cdef uint64_t number[IN_FLIGHT][BLOCK]
    cdef uint64_t b, i, j, base, blocks = (stop - start + BLOCK - 1) // BLOCK
    cdef bint removing = w.action == POP or w.action == DISCARD
    cdef uint64_t limit
    status[0] = FOUND
    for b in range(blocks + 2):
        if b < blocks:
            j = b % IN_FLIGHT
            key[j] = hash_block(t, keys + start + b * BLOCK, block_size(b, start, stop), ring[j], h[j])
        if 1 <= b < blocks + 1:
            j = (b - 1) % IN_FLIGHT
            seek_block(&t.now, h[j], block_size(b - 1, start, stop), number[j])
        if b >= 2:
            j = (b - 2) % IN_FLIGHT
            base = start + (b - 2) * BLOCK
            limit = 0 if removing else limit_at_once(t)
            for i in range(block_size(b - 2, start, stop)):
                if limit and put_at_once(t, w, base + i, &key[j][i], h[j][i], number[j][i], limit) != NOT_FOUND:
                    continue
                if removing:
                    status[0] = remove_one(t, w, base + i, &key[j][i], h[j][i])
                else:
                    status[0] = put_one(t, w, base + i, &key[j][i], h[j][i])
                    limit = limit_at_once(t)
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
