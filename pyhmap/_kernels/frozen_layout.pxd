# What a frozen table consists of, and what reads and builds it: frozen.pxd has the picture, and the look-up.
#
# Apart from the kernels, since classes have these structs in them: a module that only uses such a class is then
# compiled without the kernels.

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from pyhmap._kernels.constants cimport INLINE_TEXT
from pyhmap._kernels.layout cimport Table, Text
from pyhmap._kernels.text cimport make_text


cdef extern from *:
    """
    /* What lies in a mapped file may change at any time. The compiler must not read it again after a check. */
    #if defined(_MSC_VER) && !defined(__clang__)
    #include <intrin.h>
    #define pyhmap_read_once(copy) ((void)(copy), _ReadWriteBarrier())
    #else
    #define pyhmap_read_once(copy) __asm__ volatile("" : : "r"(copy) : "memory")
    #endif
    """
    void read_once "pyhmap_read_once"(void *copy) noexcept nogil
    bint unlikely(bint) noexcept nogil                                  # Cython's own macro


cdef struct Frozen:
    uint32_t nparts
    uint32_t slots              # of a part
    uint32_t buckets            # of a part
    const uint8_t *pilots       # of each bucket
    const uint32_t *remap       # of each slot from `count` on: its row
    const uint8_t *entries
    uint64_t count              # rows
    uint64_t stride             # bytes of a row
    uint64_t value_at           # offset of the value in it
    bint far_pilots             # the pilots are not in the second-level cache: prefetch them
    bint far_rows               # the same of the rows


cdef struct Verified:
    uint8_t *blocks             # of each, whether it has been verified
    uint64_t texts_at           # bytes from the first block, which begins with the entries, to the texts


cdef struct PartScratch:        # for one part
    uint64_t *hashes            # of each entry
    uint64_t *sorted            # the same by bucket
    uint32_t *entry             # of each sorted hash: its entry
    uint8_t *size               # of each bucket: its keys
    uint32_t *start             # of each bucket: its first sorted hash; one more for the end
    uint32_t *order             # buckets, large ones first
    uint32_t *waiting           # buckets that were displaced
    uint32_t *owner             # of each slot: its bucket
    uint64_t *taken             # of each slot: one bit, in taken_words() words
    uint8_t *entries            # a copy of all


cdef inline bint is_in_arena(const Text *stored, uint64_t size) noexcept nogil:
    return stored.size <= INLINE_TEXT or (stored.tail <= size and stored.size <= size - stored.tail)


cdef inline Text loaded_text(const Table *t, const void *stored) noexcept nogil:
    """A stored text, loaded; or an empty one, if it is not in the arena."""
    cdef Text text = (<const Text *> stored)[0]
    read_once(&text)
    if text.size > INLINE_TEXT:
        if unlikely(not is_in_arena(&text, t.arena.size)):
            return make_text(NULL, 0)
        text.tail += <uint64_t> t.arena.blocks[0]
    return text
