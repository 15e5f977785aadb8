# Memory as bytes: unaligned loads, prefetching, padding.
#
# Integers are read with memcpy, since Arrow buffers and fields of NumPy records may have any address. Compilers make it
# one load.

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>
    #if defined(_MSC_VER) && !defined(__clang__)
    #include <intrin.h>
    #define HMAP_COLD
    #define HMAP_APART __declspec(noinline)
    #else
    #define HMAP_COLD __attribute__((cold))
    #define HMAP_APART __attribute__((noinline))
    #ifndef __clang__
    #pragma GCC diagnostic ignored "-Wattributes"  /* Cython says inline as well: a .pxd has no other functions */
    #endif
    #endif
    /* Into the second-level cache (locality 2), not the first: a block has more accesses in flight than the first-level
       cache has buffers for misses, and while those are full, all other loads wait. What is written soon goes to the
       first level (3). The empty asm is a side effect, without which gcc removes calls of functions that only
       prefetch. */
    #if !defined(_MSC_VER) || defined(__clang__)
    #define hmap_prefetch(p) do { __builtin_prefetch((const void *)(p), 0, 2); __asm__ volatile(""); } while (0)
    #define hmap_prefetch_near(p) do { __builtin_prefetch((const void *)(p), 0, 3); __asm__ volatile(""); } while (0)
    #elif defined(_M_ARM64)
    #define hmap_prefetch(p) __prefetch((const void *)(p))
    #define hmap_prefetch_near(p) __prefetch((const void *)(p))
    #else
    #define hmap_prefetch(p) _mm_prefetch((const char *)(p), _MM_HINT_T1)
    #define hmap_prefetch_near(p) _mm_prefetch((const char *)(p), _MM_HINT_T0)
    #endif
    static inline uint64_t hmap_load64(const void *p) {
        uint64_t x;
        memcpy(&x, p, 8);
        return x;
    }
    """
    ctypedef void cold "HMAP_COLD void"     # the return type of a rarely called function, out of its caller's way
    ctypedef void apart "HMAP_APART void"   # of a function that is kept out of its caller, and is compiled for speed
    void prefetch "hmap_prefetch"(const void *) noexcept nogil
    void prefetch_near "hmap_prefetch_near"(const void *) noexcept nogil
    uint64_t load64 "hmap_load64"(const void *) noexcept nogil


cdef inline uint64_t load_unsigned(const uint8_t *data, int width) noexcept nogil:
    """The integer of 1, 2, 4 or 8 bytes at any address."""
    cdef uint16_t half
    cdef uint32_t word
    if width == 4:
        memcpy(&word, data, 4)
        return word
    if width == 8:
        return load64(data)
    if width == 2:
        memcpy(&half, data, 2)
        return half
    return data[0]


cdef inline int64_t load_signed(const uint8_t *data, int width) noexcept nogil:
    """The signed integer of 4 or 8 bytes at any address."""
    return <int32_t> load_unsigned(data, 4) if width == 4 else <int64_t> load64(data)


cdef inline Py_ssize_t without_padding(const uint8_t *data, Py_ssize_t size) noexcept nogil:
    """The size without the trailing NULs with which NumPy pads S and U items."""
    while size >= 8 and load64(data + size - 8) == 0:
        size -= 8
    while size > 0 and data[size - 1] == 0:
        size -= 1
    return size
