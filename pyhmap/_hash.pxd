# The keyed hashes, and what the table takes from a hash. Imports nothing of the project but _types.
#
#     hash  63 ........ 56 55 .............................. B  B-1 ......... 0
#           └─ tophash ──┘                                      └─ bucket ──┘
#
# Words: three rounds of xor-shift-multiply with a secret offset and three secret odd multipliers. Each step is a
# bijection, so two keys never share a whole hash, and finding keys that share a bucket takes the secret. Two rounds
# are not enough: keys i << s then put up to 125 of 1,664 keys into one of 256 buckets, where three rounds and true
# random stay at 24 (tests/map/test_hash.py repeats this). The identity would be faster and is what made typed maps
# quadratic on strided keys.
#
# Texts: SipHash-1-3 (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012; one round a word and three at the
# end, as in Rust's and CPython's dictionaries) with a 128-bit secret. XXH64 is faster, and a family of 16-byte keys
# collides under each of its seeds: only for keys that nobody hostile can choose.

from libc.stdint cimport uint8_t, uint64_t

from pyhmap._types cimport MIN_TOPHASH

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
    static inline uint64_t pyhmap_load64(const void *p) {
        uint64_t x;
        memcpy(&x, p, 8);
        return x;
    }
    """
    uint64_t canonical_float "pyhmap_canonical"(uint64_t) noexcept nogil
    uint64_t load64 "pyhmap_load64"(const void *) noexcept nogil


cdef inline uint64_t hash_word(const uint64_t *key, uint64_t word) noexcept nogil:
    cdef uint64_t x = word ^ key[0]
    x *= key[1]
    x ^= x >> 32
    x *= key[2]
    x ^= x >> 29
    x *= key[3]
    return x ^ (x >> 32)


cdef struct SipState:
    uint64_t v0, v1, v2, v3


cdef inline uint64_t rotl(uint64_t x, int bits) noexcept nogil:
    return (x << bits) | (x >> (64 - bits))


cdef inline void sip_round(SipState *s) noexcept nogil:
    s.v0 += s.v1
    s.v2 += s.v3
    s.v1 = rotl(s.v1, 13) ^ s.v0
    s.v3 = rotl(s.v3, 16) ^ s.v2
    s.v0 = rotl(s.v0, 32)
    s.v2 += s.v1
    s.v0 += s.v3
    s.v1 = rotl(s.v1, 17) ^ s.v2
    s.v3 = rotl(s.v3, 21) ^ s.v0
    s.v2 = rotl(s.v2, 32)


cdef inline void sip_word(SipState *s, uint64_t word) noexcept nogil:
    s.v3 ^= word
    sip_round(s)
    s.v0 ^= word


cdef inline SipState sip_start(const uint64_t *key) noexcept nogil:
    cdef SipState s
    s.v0 = key[0] ^ <uint64_t> 0x736F6D6570736575
    s.v1 = key[1] ^ <uint64_t> 0x646F72616E646F6D
    s.v2 = key[0] ^ <uint64_t> 0x6C7967656E657261
    s.v3 = key[1] ^ <uint64_t> 0x7465646279746573
    return s


cdef inline uint64_t sip_end(SipState *s) noexcept nogil:
    s.v2 ^= 0xFF
    sip_round(s)
    sip_round(s)
    sip_round(s)
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3


cdef inline uint64_t sip_last(const uint8_t *data, uint64_t size) noexcept nogil:
    """The last word of at least 8 bytes: those after the last whole word, and the size on top. They are the top bytes
    of the 8 last ones; two shifts, since one by 64 is undefined."""
    return load64(data + size - 8) >> 1 >> (63 - 8 * (size & 7)) | size << 56


cdef inline uint64_t siphash13(const uint64_t *key, const uint8_t *data, uint64_t size) noexcept nogil:
    """SipHash-1-3 of at least 8 bytes."""
    cdef SipState s = sip_start(key)
    cdef uint64_t i
    for i in range(size >> 3):
        sip_word(&s, load64(data + 8 * i))
    sip_word(&s, sip_last(data, size))
    return sip_end(&s)


cdef inline uint64_t tophash_of(uint64_t h) noexcept nogil:
    h >>= 56
    return h + MIN_TOPHASH if h < MIN_TOPHASH else h
