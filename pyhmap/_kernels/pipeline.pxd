# Many keys in one call: the stages that reads and writes share.
#
# One look-up in a table larger than the cache is two memory accesses one after the other (tophash row, then slot; a
# long text is a third), and a processor that is asked for one key at a time waits for each. Here keys go through the
# stages in blocks, so that the accesses of a whole block overlap, and each has the time of a block to arrive:
#
#     block b           hash the keys, prefetch their tophash rows
#     block b - 1       match those rows, prefetch the slot of each that matched
#     block b - 2       compare the keys, copy the values out or write them
#     (reads of texts: block b - 2 prefetches the stored text, block b - 3 compares)
#
# A stage is a short loop with nothing else in it: the processor overlaps its keys, the compiler keeps pointers, mask
# and hash key in registers, and hashes words eight at a time where the processor can. What a key needs between the
# stages lies in rings of IN_FLIGHT blocks on the stack. Each key is read from the caller's array once: another thread
# that writes there meanwhile can spoil an answer, but not the walk along the table.

from libc.stdint cimport uint8_t, uint64_t

from _hmap_bytes.raw_bytes cimport load64, prefetch
from pyhmap._kernels.constants cimport BLOCK, LANE_WORDS, LANES, SLOTS
from pyhmap._kernels.layout cimport Table, Text, key_t
from pyhmap._kernels.siphash cimport SipState, sip_end, sip_start, sip_word
from pyhmap._kernels.slot cimport canonical, hash_of
from pyhmap._kernels.text cimport hash_text, last_word, text_data

cdef extern from *:
    """
    /* Stages that gcc compiles three times, for x86-64, AVX2 and AVX-512 processors; the loader picks one of each. The
       checked builds have one version: a sanitizer is not running yet when the loader asks which one to take. */
    #if defined(__x86_64__) && defined(__gnu_linux__) && !defined(__clang__) && __GNUC__ >= 12 && !PYHMAP_DEBUG
    #define PYHMAP_CLONED __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
    #else
    #define PYHMAP_CLONED
    #endif
    """
    ctypedef void cloned "PYHMAP_CLONED void"       # the return type of such a stage
    bint unlikely(bint) noexcept nogil              # Cython's own macro


cdef inline const key_t *hash_block(const Table *t, const key_t *keys, uint64_t n, key_t *ring,
                                    uint64_t *h) noexcept nogil:
    """First stage: hash up to a block of n keys and prefetch their tophash rows. Returns the loaded keys: words are
    copied to the ring, while Texts already belong to the batch."""
    if key_t is Text:
        hash_texts(t, keys, n, h)
        return keys
    else:
        hash_words(t, keys, n, ring, h)
        return ring


cdef inline void hash_words(const Table *t, const key_t *keys, uint64_t n, key_t *ring, uint64_t *h) noexcept nogil:
    cdef uint64_t i, mask = t.now.nmain - 1
    cdef const uint64_t *rows = <const uint64_t *> t.now.tophash
    hash_each(t, keys, n, ring, h)
    for i in range(n):
        prefetch(&rows[h[i] & mask])


cdef inline cloned hash_each(const Table *t, const key_t *keys, uint64_t n, key_t *ring, uint64_t *h) noexcept nogil:
    """Load and hash n words, a block in most calls."""
    cdef uint64_t i
    if n == BLOCK:              # a count known to the compiler
        for i in range(<uint64_t> BLOCK):
            hash_one(t, &keys[i], &ring[i], &h[i])
    else:
        for i in range(n):
            hash_one(t, &keys[i], &ring[i], &h[i])


cdef inline void hash_one(const Table *t, const key_t *given, key_t *key, uint64_t *h) noexcept nogil:
    key[0] = given[0]
    canonical(t, key)
    h[0] = hash_of(t, key)


cdef inline void hash_texts(const Table *t, const Text *keys, uint64_t n, uint64_t *h) noexcept nogil:
    cdef uint64_t i
    hash_each_text(t, keys, n, h)
    for i in range(n):
        prefetch(&t.now.tophash[(h[i] & (t.now.nmain - 1)) * SLOTS])


cdef inline void hash_each_text(const Table *t, const Text *keys, uint64_t n, uint64_t *h) noexcept nogil:
    """Hash up to a block of n texts."""
    cdef uint64_t i, side_by_side = 0
    if not t.xxh64:
        siphash_lanes(t.hash_key, keys, n // LANES * LANES, h, &side_by_side)
    for i in range(side_by_side, n):
        h[i] = hash_text(t, &keys[i])


cdef inline cloned siphash_lanes(const uint64_t *secret, const Text *keys, uint64_t n, uint64_t *h,
                                 uint64_t *done) noexcept nogil:
    """SipHash-1-3 of n texts, LANES at a time; of none if one has more than LANE_WORDS whole words.

    The words are put in columns first, one lane per text. Then the rounds are loops over the lanes, which the compiler
    turns into vectors. Where sizes differ, a lane that has no more words keeps its state."""
    cdef SipState s, start = sip_start(secret)
    cdef uint64_t word[LANE_WORDS + 1][BLOCK]
    cdef const uint8_t *data[BLOCK]
    cdef uint64_t last[BLOCK]
    cdef uint64_t whole[BLOCK]
    cdef uint64_t v0[LANES]
    cdef uint64_t v1[LANES]
    cdef uint64_t v2[LANES]
    cdef uint64_t v3[LANES]
    cdef uint64_t i, j, group, lane, through, fewest = LANE_WORDS, most = 0
    for i in range(n):
        data[i] = text_data(&keys[i])
        last[i] = last_word(&keys[i])
        whole[i] = keys[i].size >> 3
        fewest = min(fewest, whole[i])
        most = max(most, whole[i])
    if most > LANE_WORDS:
        return
    for j in range(fewest):
        for i in range(n):
            word[j][i] = load64(data[i] + 8 * j)
    for j in range(fewest, most + 1):
        for i in range(n):
            word[j][i] = load64(data[i] + 8 * j) if j < whole[i] else last[i]
    for group in range(n // LANES):
        lane = group * LANES
        for i in range(<uint64_t> LANES):
            v0[i], v1[i], v2[i], v3[i] = start.v0, start.v1, start.v2, start.v3
        for j in range(most + 1):
            for i in range(<uint64_t> LANES):
                s.v0, s.v1, s.v2, s.v3 = v0[i], v1[i], v2[i], v3[i]
                sip_word(&s, word[j][lane + i])
                through = -<uint64_t> (j > whole[lane + i])
                v0[i] = (v0[i] & through) | (s.v0 & ~through)
                v1[i] = (v1[i] & through) | (s.v1 & ~through)
                v2[i] = (v2[i] & through) | (s.v2 & ~through)
                v3[i] = (v3[i] & through) | (s.v3 & ~through)
        for i in range(<uint64_t> LANES):
            s.v0, s.v1, s.v2, s.v3 = v0[i], v1[i], v2[i], v3[i]
            h[lane + i] = sip_end(&s)
    done[0] = n


cdef inline uint64_t block_size(uint64_t b, uint64_t start, uint64_t stop) noexcept nogil:
    """Keys in block b: all blocks but the last are full."""
    cdef uint64_t left = stop - start - b * BLOCK
    return left if left < BLOCK else BLOCK
