# Writing many keys with several threads, without a lock per key.
#
#     buckets    0 ......... │ ......... │ ........ 2^B - 1     each thread owns a range of buckets, with their chains
#     thread          0      │     1     │     2
#     keys       k0 k1 k2 k3 k4 k5 ...                          and goes through all keys, in order: it hashes each, and
#                                                               sends those of its own buckets through the stages
#
# What all threads share, none of them touches: where a key needs a new overflow row, or the table is to grow, the
# thread marks the key and goes on. Then one thread writes the marked keys, in order. Once a key is marked because its
# chain is full, so is each later key that would go to that chain: every bucket gets its keys in the order of the batch,
# overflow rows are taken in that order, and the table is the same, slot by slot, as one thread would have made it.
#
# Each thread works on a copy of the Table, in which it counts; the caller adds the counts up.

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from _hmap_bytes.raw_bytes cimport prefetch
from pyhmap._kernels.constants cimport BLOCK, FOUND, IN_FLIGHT, INSERTED, LONG_CHAIN, NOT_FOUND, SLOTS, Status, WORD32
from pyhmap._kernels.hash cimport tophash_of
from pyhmap._kernels.layout cimport Table, key_t, lowest_bit
from pyhmap._kernels.pipeline cimport hash_each, unlikely
from pyhmap._kernels.probe cimport Place, find_or_place, occupy
from pyhmap._kernels.slot cimport canonical, hash_of, store_key, value_of
from pyhmap._kernels.write_many cimport put_at_once, put_one, put_value, seek_block
from pyhmap._kernels.writing cimport Writing

cdef extern from *:
    """
    #ifdef _MSC_VER
    #include <intrin.h>
    #define pyhmap_set_bits(word, bits) _InterlockedOr64((volatile __int64 *)(word), (__int64)(bits))
    #else
    #define pyhmap_set_bits(word, bits) __atomic_fetch_or(word, bits, __ATOMIC_RELAXED)
    #endif
    """
    void set_bits "pyhmap_set_bits"(uint64_t *word, uint64_t bits) noexcept nogil   # though others set some, too


cdef struct Share:          # what one thread is to write
    Table table             # its copy; `count` is what it changes
    Writing *writing
    const void *keys
    uint64_t start          # of the keys
    uint64_t stop
    uint64_t first_row      # of its main buckets, and how many they are
    uint64_t rows
    uint64_t limit          # keys that the table may hold: a thread that reaches it marks all further new ones
    uint64_t *marks         # one bit for each key from `start` on, which all threads share: 1 for those that are left


cdef struct Picked:         # some blocks of the keys of one thread, as the stages need them
    uint64_t h[IN_FLIGHT * BLOCK]
    uint64_t position[IN_FLIGHT * BLOCK]
    uint64_t number[IN_FLIGHT * BLOCK]


cdef inline bint put_in_chain(Table *t, Writing *w, uint64_t position, const key_t *key, uint64_t h,
                              uint64_t limit) noexcept nogil:
    """Write one key where put_at_once() did not; or do nothing and return False, if that takes a new row or reaches
    the limit."""
    cdef Place place
    cdef const void *value = w.values + position * w.value_step
    cdef uint8_t *slot = find_or_place(t, &t.now, h & (t.now.nmain - 1), tophash_of(h), key, &place)
    cdef bint new = slot == NULL
    if new:
        if place.i == SLOTS or t.count >= limit:
            return False
        slot = occupy(&t.now, &place, tophash_of(h))
        store_key(t, slot, key)
        t.count += 1
    put_value(t, w, position, value_of(slot, key), value, new)
    return True


cdef inline void write_picked(Share *s, Picked *p, const key_t *key, uint64_t first, uint64_t n) noexcept nogil:
    """Last stage: write the n picked keys from the first on."""
    cdef Table *t = &s.table
    cdef uint64_t i, at
    for i in range(first, first + n):
        if put_at_once(t, s.writing, p.position[i], &key[i], p.h[i], p.number[i], s.limit) == NOT_FOUND:
            if unlikely(not put_in_chain(t, s.writing, p.position[i], &key[i], p.h[i], s.limit)):
                at = p.position[i] - s.start
                set_bits(&s.marks[at // 64], <uint64_t> 1 << at % 64)


cdef inline void advance(Share *s, Picked *p, const key_t *key, uint64_t block, const uint64_t *n) noexcept nogil:
    """The stages after block `block` has been picked; n are the keys of this block, the one before, and that before."""
    cdef const uint64_t *rows = <const uint64_t *> s.table.now.tophash
    cdef uint64_t i, mask = s.table.now.nmain - 1
    cdef uint64_t first = block % IN_FLIGHT * BLOCK
    for i in range(first, first + n[0]):
        prefetch(&rows[p.h[i] & mask])
    if block >= 1:
        first = (block - 1) % IN_FLIGHT * BLOCK
        seek_block(&s.table.now, p.h + first, n[1], p.number + first)
    if block >= 2:
        write_picked(s, p, key, (block - 2) % IN_FLIGHT * BLOCK, n[2])


cdef inline void write_share_as(Share *s, const key_t *keys) noexcept nogil:
    cdef key_t key[IN_FLIGHT * BLOCK]
    cdef key_t loaded[BLOCK]
    cdef uint64_t hashes[BLOCK]
    cdef Picked p
    cdef uint64_t *full = [BLOCK, BLOCK, BLOCK]
    cdef uint64_t *ending = [0, 0, 0, BLOCK, BLOCK]
    cdef uint8_t own[BLOCK]
    cdef uint64_t i, j, some, picked, mask = s.table.now.nmain - 1, first_row = s.first_row, rows = s.rows
    cdef uint64_t at = s.start, block = 0, first = 0, n = 0
    while at < s.stop:
        some = min(<uint64_t> BLOCK, s.stop - at)
        hash_each(&s.table, keys + at, some, loaded, hashes)
        picked = 0
        for i in range(some):       # each is listed, without a branch; the next takes its place if it is not picked
            own[picked] = <uint8_t> i
            picked += (hashes[i] & mask) - first_row < rows
        for i in range(picked):
            j = own[i]
            key[first + n] = loaded[j]
            p.h[first + n] = hashes[j]
            p.position[first + n] = at + j
            n += 1
            if unlikely(n == BLOCK):
                advance(s, &p, key, block, full)
                block += 1
                first = block % IN_FLIGHT * BLOCK
                n = 0
        at += some
    ending[2] = n
    for i in range(<uint64_t> 3):
        advance(s, &p, key, block + i, &ending[2 - i])


cdef inline void write_share(Share *s) noexcept nogil:
    """Write the keys of one thread, but for those that it marks."""
    if s.table.form == WORD32:
        write_share_as(s, <const uint32_t *> s.keys)
    else:
        write_share_as(s, <const uint64_t *> s.keys)


cdef inline uint64_t write_marked_as(Table *t, Writing *w, const key_t *keys, uint64_t *marks, uint64_t start,
                                     uint64_t stop, Status *status) noexcept nogil:
    cdef key_t key[BLOCK]
    cdef uint64_t h[BLOCK]
    cdef uint64_t position[BLOCK]
    cdef uint64_t i, n, word = 0, words = (stop - start + 63) // 64
    status[0] = FOUND
    while word < words:
        n = 0
        while word < words and n < BLOCK:
            if marks[word] == 0:
                word += 1
                continue
            position[n] = start + 64 * word + lowest_bit(marks[word])
            marks[word] &= marks[word] - 1
            key[n] = keys[position[n]]
            canonical(t, &key[n])
            h[n] = hash_of(t, &key[n])
            prefetch(&t.now.tophash[(h[n] & (t.now.nmain - 1)) * SLOTS])
            n += 1
        for i in range(n):
            status[0] = put_one(t, w, position[i], &key[i], h[i])
            if unlikely(status[0] > INSERTED):
                mark_again(marks, start, position + i, n - i)
                return position[i]
            if unlikely(t.now.long_chain):
                if w.stop_at_long_chain:
                    status[0] = LONG_CHAIN
                    mark_again(marks, start, position + i + 1, n - i - 1)
                    return position[i] + 1
                t.now.long_chain = False
    return stop


cdef inline void mark_again(uint64_t *marks, uint64_t start, const uint64_t *position, uint64_t n) noexcept nogil:
    cdef uint64_t i
    for i in range(n):
        marks[(position[i] - start) // 64] |= <uint64_t> 1 << (position[i] - start) % 64


cdef inline uint64_t write_marked(Table *t, Writing *w, const void *keys, uint64_t *marks, uint64_t start,
                                  uint64_t stop, Status *status) noexcept nogil:
    """Write the keys from start to stop that are marked, in order, and remove their marks. Returns as write_batch()
    does; then it may be called again with the same range."""
    if t.form == WORD32:
        return write_marked_as(t, w, <const uint32_t *> keys, marks, start, stop, status)
    return write_marked_as(t, w, <const uint64_t *> keys, marks, start, stop, status)
