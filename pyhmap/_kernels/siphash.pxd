# SipHash-1-3, the keyed hash of texts.
#
# Source: Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012; with one round per word and three at the end,
# as in Rust's and CPython's dictionaries. The key has 128 bits. XXH64 is not a substitute: a family of 16-byte keys
# collides under each of its seeds, so it is only for keys that no attacker can choose.

from libc.stdint cimport uint8_t, uint64_t

from _hmap_bytes.raw_bytes cimport load64


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
    """The last word of a message of at least 8 bytes: the bytes after the last whole word, and the size on top.

    Those bytes are the top ones of the last 8. Two shifts, since one by 64 is undefined."""
    return load64(data + size - 8) >> 1 >> (63 - 8 * (size & 7)) | size << 56


cdef inline uint64_t siphash13(const uint64_t *key, const uint8_t *data, uint64_t size) noexcept nogil:
    """SipHash-1-3 of at least 8 bytes."""
    cdef SipState s = sip_start(key)
    cdef uint64_t i
    for i in range(size >> 3):
        sip_word(&s, load64(data + 8 * i))
    sip_word(&s, sip_last(data, size))
    return sip_end(&s)
