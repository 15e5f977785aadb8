# XXH64, written from its specification.
#
# Source: Yann Collet, "xxHash fast digest algorithm", doc/xxhash_spec.md 0.2.0 in github.com/Cyan4973/xxHash.
# Arithmetic is modulo 2**64; words are read as little-endian on every machine.
#
#       size < 32                     size >= 32
#                                     stripes of 32 bytes   | lane 1 | lane 2 | lane 3 | lane 4 |
#                                     one round per lane        v1       v2       v3       v4      for each stripe
#       acc = seed + P5               acc = v1..v4 rotated and added, then each merged in
#            \                             /
#             `------ acc += size --------'
#                          |
#             tail: 8 bytes at a time, then at most one 4, then single bytes
#                          |
#             avalanche: each bit of acc reaches every bit of the digest
#
# Exactly 32 bytes are one stripe and no tail.

from libc.stdint cimport uint8_t, uint64_t


# The primes of the specification. They are C macros because a variable of a .pxd would be loaded at each use.
cdef extern from *:
    """
    #define XXH64_P1 UINT64_C(0x9E3779B185EBCA87)
    #define XXH64_P2 UINT64_C(0xC2B2AE3D27D4EB4F)
    #define XXH64_P3 UINT64_C(0x165667B19E3779F9)
    #define XXH64_P4 UINT64_C(0x85EBCA77C2B2AE63)
    #define XXH64_P5 UINT64_C(0x27D4EB2F165667C5)
    """
    const uint64_t P1 "XXH64_P1"
    const uint64_t P2 "XXH64_P2"
    const uint64_t P3 "XXH64_P3"
    const uint64_t P4 "XXH64_P4"
    const uint64_t P5 "XXH64_P5"


cdef inline uint64_t rotate_left(uint64_t word, int bits) noexcept nogil:
    return (word << bits) | (word >> (64 - bits))


# Byte by byte, which works for every alignment and byte order. Compilers make it one load.
cdef inline uint64_t read_32(const uint8_t *data) noexcept nogil:
    return (
        <uint64_t>data[0] | <uint64_t>data[1] << 8 | <uint64_t>data[2] << 16 | <uint64_t>data[3] << 24
    )


cdef inline uint64_t read_64(const uint8_t *data) noexcept nogil:
    return (
        <uint64_t>data[0] | <uint64_t>data[1] << 8 | <uint64_t>data[2] << 16 | <uint64_t>data[3] << 24
        | <uint64_t>data[4] << 32 | <uint64_t>data[5] << 40 | <uint64_t>data[6] << 48 | <uint64_t>data[7] << 56
    )


# Not named `round`, which is a built-in function of Cython.
cdef inline uint64_t round_lane(uint64_t acc, uint64_t lane) noexcept nogil:
    return rotate_left(acc + lane * P2, 31) * P1


cdef inline uint64_t merge(uint64_t acc, uint64_t lane_acc) noexcept nogil:
    return (acc ^ round_lane(0, lane_acc)) * P1 + P4


cdef inline uint64_t avalanche(uint64_t acc) noexcept nogil:
    acc = (acc ^ (acc >> 33)) * P2
    acc = (acc ^ (acc >> 29)) * P3
    return acc ^ (acc >> 32)


cdef inline uint64_t xxh64_bytes(const uint8_t *data, Py_ssize_t size, uint64_t seed) noexcept nogil:
    """The XXH64 digest of `size` bytes at `data` (any alignment; `data` is not read when `size` is 0)."""
    cdef uint64_t acc, v1, v2, v3, v4
    cdef Py_ssize_t left = size
    if left >= 32:
        v1 = seed + P1 + P2
        v2 = seed + P2
        v3 = seed
        v4 = seed - P1
        while left >= 32:
            v1 = round_lane(v1, read_64(data))
            v2 = round_lane(v2, read_64(data + 8))
            v3 = round_lane(v3, read_64(data + 16))
            v4 = round_lane(v4, read_64(data + 24))
            data += 32
            left -= 32
        acc = rotate_left(v1, 1) + rotate_left(v2, 7) + rotate_left(v3, 12) + rotate_left(v4, 18)
        acc = merge(merge(merge(merge(acc, v1), v2), v3), v4)
    else:
        acc = seed + P5
    acc += <uint64_t>size
    while left >= 8:
        acc = rotate_left(acc ^ round_lane(0, read_64(data)), 27) * P1 + P4
        data += 8
        left -= 8
    if left >= 4:
        acc = rotate_left(acc ^ (read_32(data) * P1), 23) * P2 + P3
        data += 4
        left -= 4
    while left > 0:
        acc = rotate_left(acc ^ (data[0] * P5), 11) * P1
        data += 1
        left -= 1
    return avalanche(acc)
