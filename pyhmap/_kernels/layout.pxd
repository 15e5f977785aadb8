# The bucket arrays and the table as the kernels see them: raw pointers, row = bucket.
#
#     row        tophash uint8[rows, 8]      slots[rows, 8], `stride` bytes each    overflow uint32[rows]
#     0          t0 t1 t2 t3 t4 t5 t6 t7     k0 v0 │ k1 v1 │ ... │ k7 v7            row of the next bucket of
#     ...        one 64-bit word             8-byte keys and values: 128 bytes      the chain, 0 = none
#     2^B - 1    ── main buckets end ──
#     2^B        first overflow bucket taken
#     ...
#     next_row   first overflow row never yet taken (rows behind it are untouched: they cost no memory)
#
#     free_row   an overflow row that became empty and was unlinked, 0 for none; its link leads to the next such row.
#                Free rows are taken before next_row is.
#
# Key and value of a slot are neighbours: a miss touches one tophash row, a hit one more cache line.
# Links are row numbers, never pointers, so the arrays can be copied, saved, mapped and shared as they are.
# Row 0 is a main bucket and never anybody's overflow bucket, which is why 0 can mean "none".
#
# A slot is a key in one of four physical forms, then the value's bytes:
#
#     uint32_t, uint64_t    a word: every int, float and time of up to 4 or 8 bytes
#     Text                  a str, bytes or composite key: up to 12 bytes in the slot, longer ones in the arena
#     ObjectKey             an object key: its hash, and its index in a Python list
#
#     Text   size u32 │ 12 bytes, zero padded                size <= 12
#            size u32 │ first 4 bytes │ where, u64           longer: an arena address in a stored text (in a slot),
#                                                            a pointer in a loaded one (in a kernel's variables)

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from pyhmap._kernels.constants cimport EVACUATED_X, Form, MIN_TOPHASH, SLOTS

cdef extern from *:
    """
    #include <assert.h>
    #if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
    #error "pyhmap matches tophash rows as little-endian words"
    #endif
    #ifndef PYHMAP_DEBUG
    #define PYHMAP_DEBUG 0
    #endif
    #ifdef NDEBUG
    #define pyhmap_assert(holds) ((void)(holds))  /* unlike assert(), a use of what Cython computes for it */
    #else
    #define pyhmap_assert(holds) assert(holds)
    #endif
    #if defined(_MSC_VER) && !defined(__clang__)
    #include <intrin.h>
    static __forceinline unsigned pyhmap_lowest_bit(unsigned __int64 x) {
        unsigned long bit;
        _BitScanForward64(&bit, x);
        return bit;
    }
    #else
    #define pyhmap_lowest_bit(x) ((unsigned)__builtin_ctzll(x))
    #endif
    """
    const bint DEBUG "PYHMAP_DEBUG"
    void kernel_assert "pyhmap_assert"(bint) noexcept nogil     # compiled away by NDEBUG in the release build
    unsigned lowest_bit "pyhmap_lowest_bit"(uint64_t) noexcept nogil


cdef struct Text:
    uint32_t size
    uint32_t head
    uint64_t tail


cdef struct ObjectKey:
    uint64_t hash               # of the object, after the mixer
    uint64_t index


ctypedef fused key_t:           # kernels are written once over these
    uint32_t
    uint64_t
    Text
    ObjectKey


cdef struct Arena:              # append-only bytes of the long texts, in blocks that never move; see text.pxd
    uint8_t *const *blocks      # where each begins
    int current                 # block that is being filled, -1 when there is none
    uint64_t used               # bytes taken of it
    uint64_t size               # bytes it has
    uint64_t live               # bytes of texts that slots refer to
    uint64_t dead               # bytes of texts deleted or overwritten since the arena was made


cdef struct Buckets:            # one bucket array
    uint8_t *tophash
    uint8_t *slots
    uint32_t *overflow
    uint64_t nmain              # 2^B main buckets
    uint64_t next_row           # rows ever taken: nmain + overflow rows, the free ones among them
    uint64_t free_row           # first of the free overflow rows, 0 when there is none
    uint64_t nfree              # how many there are
    bint long_chain             # an insert made a chain longer than a random hash makes it, see probe.pxd
    uint64_t rows               # rows there is room for
    uint64_t stride             # bytes of a slot
    uint64_t value_at           # offset of the value in it


cdef struct Table:              # the whole state a kernel works on
    Buckets now                 # where keys are inserted
    Buckets old                 # where they are evacuated from; tophash is NULL when the map is not growing
    uint64_t count              # keys in both arrays
    uint64_t nevacuate          # old buckets below this one are all evacuated
    uint64_t moves              # changes whenever keys move to other slots: a remembered place is then stale
    uint64_t hash_key[4]        # secret of the hash, see hash.pxd
    Form form                   # of the keys
    uint64_t value_size         # bytes of a value
    bint float_keys             # key words are float64 bits: make NaN and -0.0 canonical
    bint xxh64                  # hash texts with XXH64 instead of SipHash-1-3
    bint text_values            # values are Texts
    Arena arena


cdef inline uint64_t noverflow(const Buckets *b) noexcept nogil:
    """Overflow buckets in chains."""
    return b.next_row - b.nmain - b.nfree


cdef inline bint growing(const Table *t) noexcept nogil:
    return t.old.tophash != NULL


cdef inline uint64_t tophash_word(const Buckets *b, uint64_t row) noexcept nogil:
    """The 8 tophash bytes of a row as one word; slot i is byte i."""
    kernel_assert(row < b.next_row)
    return (<const uint64_t *> b.tophash)[row]


cdef inline uint8_t *slot_at(const Buckets *b, uint64_t row, unsigned i) noexcept nogil:
    kernel_assert(row < b.next_row and i < SLOTS)
    return b.slots + (row * SLOTS + i) * b.stride


cdef inline uint64_t slot_number(const Buckets *b, const uint8_t *inside) noexcept nogil:
    """The number of the slot that this byte lies in, counted through all rows."""
    return <uint64_t> (inside - b.slots) // b.stride


cdef inline bint evacuated(const Buckets *b, uint64_t bucket) noexcept nogil:
    cdef uint8_t state = b.tophash[bucket * SLOTS]
    return EVACUATED_X <= state < MIN_TOPHASH


cdef inline const Buckets *home(const Table *t, uint64_t h) noexcept nogil:
    """The array that holds a key of this hash, if the map has the key."""
    if growing(t) and not evacuated(&t.old, h & (t.old.nmain - 1)):
        return &t.old
    return &t.now
