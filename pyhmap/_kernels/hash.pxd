# The keyed hash of words, and what the table takes from a hash.
#
#     hash  63 ........ 56 55 .............................. B  B-1 ......... 0
#           └─ tophash ──┘                                      └─ bucket ──┘
#
# Three rounds of xor-shift-multiply with a secret offset and three secret odd multipliers: the hash key. Each step is a
# bijection, so two keys never share a whole hash, and finding keys that share a bucket takes the secret. Two rounds are
# not enough: they leave shifted integers in few buckets (tests/map/test_hash.py shows it). The identity is faster, and
# makes strided keys collide.

from libc.stdint cimport uint64_t

from pyhmap._kernels.constants cimport MIN_TOPHASH

cdef extern from *:
    """
    #include <string.h>
    /* float64 bits with one NaN and one zero: all NaN are one key, and -0.0 is 0.0. */
    static inline uint64_t pyhmap_canonical(uint64_t bits) {
        double x;
        memcpy(&x, &bits, 8);
        if (x != x) return 0x7ff8000000000000u;
        return x == 0.0 ? 0 : bits;
    }
    """
    uint64_t canonical_float "pyhmap_canonical"(uint64_t) noexcept nogil


cdef inline uint64_t hash_word(const uint64_t *key, uint64_t word) noexcept nogil:
    cdef uint64_t x = word ^ key[0]
    x *= key[1]
    x ^= x >> 32
    x *= key[2]
    x ^= x >> 29
    x *= key[3]
    return x ^ (x >> 32)


cdef inline uint64_t tophash_of(uint64_t h) noexcept nogil:
    h >>= 56
    return h + MIN_TOPHASH if h < MIN_TOPHASH else h
