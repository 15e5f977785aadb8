# Reading many 64-bit keys with 8-byte values: the pipeline of _batch.pxd for the commonest map. Imports lower layers.
#
# The same three stages, LAG keys apart, with what the general kernel has to look up for every key kept in registers:
# pointers, mask and hash key, which the compiler must otherwise load again after each byte that is stored, since a byte
# may alias anything: 4.7 ns a hit at 10^4 keys instead of 5.7. A row that ends its chain without a match settles a miss
# there (7.5 ns instead of 9.7). Keys in flight lie in rings; behind the last key the first stage repeats it, which is
# harmless, so that the loop needs no case for its ends.

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from pyhmap._hash cimport canonical_float, tophash_of
from pyhmap._layout cimport Table, prefetch
from pyhmap._probe cimport chain_ends, find, first_slot, match
from pyhmap._types cimport FOLLOW_UP_TO, LAG, RING, SLOTS

cdef enum:
    ABSENT = 0xFFFFFFFFFFFFFFFF         # nothing matches, and the chain ends in that row
    BEHIND = 0xFFFFFFFFFFFFFFFE         # nothing matches in a full row


cdef struct WordReading:    # what is read, and where answers go; pointers may be NULL as in Reading
    uint64_t *values
    uint8_t *found
    uint64_t fill
    bint stop_at_miss


cdef inline bint reads_words(const Table *t) noexcept nogil:
    """Whether read_words() can read this table of 64-bit keys: it is settled, and its values are 8 bytes."""
    return t.old.tophash == NULL and t.value_size == 8 and not t.text_values


cdef inline uint64_t read_words(const Table *t, const WordReading *r, const uint64_t *keys,
                                uint64_t start, uint64_t stop) noexcept nogil:
    """Look up keys[start:stop]. Returns stop, or the position of the missing key it stopped at."""
    cdef uint64_t key[RING]
    cdef uint64_t h[RING]
    cdef uint64_t place[RING]           # of the slot that matched: 8 * row + slot
    cdef uint64_t i, j, last, word, matches, row, x
    cdef uint64_t mask = t.now.nmain - 1
    cdef uint64_t k0 = t.hash_key[0], k1 = t.hash_key[1], k2 = t.hash_key[2], k3 = t.hash_key[3]
    cdef const uint64_t *tophash = <const uint64_t *> t.now.tophash
    cdef const uint64_t *slots = <const uint64_t *> t.now.slots
    cdef const uint32_t *overflow = t.now.overflow
    cdef const uint8_t *slot
    cdef uint64_t *values = r.values
    cdef uint8_t *found = r.found
    cdef bint floats = t.float_keys
    cdef bint follow = t.now.nmain <= FOLLOW_UP_TO
    if start == stop:
        return stop
    last = stop - 1
    for i in range(start, stop + 2 * LAG):
        x = keys[i if i < last else last]
        if floats:
            x = canonical_float(x)
        j = (i - start) % RING
        key[j] = x
        x = (x ^ k0) * k1
        x = (x ^ (x >> 32)) * k2
        x = (x ^ (x >> 29)) * k3
        x ^= x >> 32
        h[j] = x
        prefetch(&tophash[x & mask])
        if i >= start + LAG:
            j = (i - start - LAG) % RING
            row = h[j] & mask
            word = tophash[row]
            matches = match(word, tophash_of(h[j]))
            while True:
                if matches:
                    place[j] = row * SLOTS + first_slot(matches)
                    prefetch(&slots[2 * place[j]])
                    break
                place[j] = ABSENT
                if chain_ends(word):
                    break
                if not follow:
                    place[j] = BEHIND
                    prefetch(&overflow[row])
                    break
                row = overflow[row]
                if row == 0:
                    break
                word = tophash[row]
                matches = match(word, tophash_of(h[j]))
        if i >= start + 2 * LAG:
            j = (i - start - 2 * LAG) % RING
            if place[j] < BEHIND and slots[2 * place[j]] == key[j]:
                x = slots[2 * place[j] + 1]
            else:
                slot = NULL
                if place[j] != ABSENT:
                    slot = find(t, &t.now, h[j] & mask, tophash_of(h[j]), &key[j])
                if slot == NULL:
                    if r.stop_at_miss:
                        return i - 2 * LAG
                    if found != NULL:
                        found[i - 2 * LAG] = 0
                    if values != NULL:
                        values[i - 2 * LAG] = r.fill
                    continue
                x = (<const uint64_t *> slot)[1]
            if found != NULL:
                found[i - 2 * LAG] = 1
            if values != NULL:
                values[i - 2 * LAG] = x
    return stop
