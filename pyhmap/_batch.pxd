# Many keys in one call: the stages that reads and writes share. Imports the layers below it.
#
# One look-up in a table larger than the cache is two memory accesses one after the other (tophash row, then slot; a
# long text is a third), and a processor asked for one key at a time waits for each. Here keys go through the stages in
# blocks, so that the accesses of a whole block are under way at once, and each has the time of a block to arrive:
#
#     block b           hash the keys, prefetch their tophash rows
#     block b - 1       match those rows, prefetch the slot of each that matched
#     block b - 2       compare the keys, hand out or write the values
#     (reads of texts: block b - 2 prefetches the stored text, block b - 3 compares)
#
# A stage is a short loop with nothing else in it: the processor overlaps its keys, the compiler keeps pointers, mask
# and hash key in registers and hashes words eight at a time where the processor can. What a key needs between the
# stages lies in rings of IN_FLIGHT blocks on the stack. Each key is read from the caller's array once, so another
# thread that writes there meanwhile can spoil an answer, but never the walk.

from libc.stdint cimport uint64_t

from pyhmap._layout cimport Table, key_t, prefetch
from pyhmap._slot cimport canonical, hash_of
from pyhmap._types cimport BLOCK

cdef extern from *:
    """
    /* Stages that gcc compiles three times, for x86-64, AVX2 and AVX-512 processors; the loader picks one of each. In
       cached tables that saves a third of a look-up (docs/design.md). The checked builds go without: a sanitizer is not
       up yet when the loader asks which one to take. */
    #if defined(__x86_64__) && defined(__gnu_linux__) && !defined(__clang__) && __GNUC__ >= 12 && !PYHMAP_DEBUG
    #define PYHMAP_CLONED __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
    #else
    #define PYHMAP_CLONED
    #endif
    #define PYHMAP_COLD __attribute__((cold))
    """
    ctypedef void cloned "PYHMAP_CLONED void"       # the return type of such a stage
    ctypedef void cold "PYHMAP_COLD void"           # and of what is called from one rarely: it takes no registers there
    bint unlikely(bint) noexcept nogil              # Cython's own macro


cdef inline cloned hash_block(const Table *t, const key_t *keys, uint64_t n, key_t *key, uint64_t *h) noexcept nogil:
    """First stage: take n keys in hand, up to a block, hash them, prefetch their tophash rows."""
    cdef uint64_t i, mask = t.now.nmain - 1
    cdef const uint64_t *rows = <const uint64_t *> t.now.tophash
    if n == BLOCK:              # a count known to the compiler
        for i in range(BLOCK):
            take(t, &keys[i], &key[i], &h[i])
    else:
        for i in range(n):
            take(t, &keys[i], &key[i], &h[i])
    for i in range(n):
        prefetch(&rows[h[i] & mask])


cdef inline void take(const Table *t, const key_t *given, key_t *key, uint64_t *h) noexcept nogil:
    key[0] = given[0]
    canonical(t, key)
    h[0] = hash_of(t, key)


cdef inline uint64_t block_size(uint64_t b, uint64_t start, uint64_t stop) noexcept nogil:
    """Keys in block b: all blocks but the last are full."""
    cdef uint64_t left = stop - start - b * BLOCK
    return left if left < BLOCK else BLOCK
