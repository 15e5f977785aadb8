# The NumPy arrays behind one bucket array, and behind an arena. Imports _layout.

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from pyhmap._layout cimport Arena, Buckets


cdef class BucketArrays:
    cdef uint8_t[:, ::1] tophash
    cdef uint8_t[:, :, ::1] slots
    cdef uint32_t[::1] overflow
    cdef Buckets raw            # pointers into them, with no overflow bucket taken yet

    cdef object rows_in_use(self, const Buckets *b, record)


cdef class ArenaBlocks:
    cdef list blocks            # keeps them alive: whoever reads texts without the gate holds this object

    cdef int add(self, unsigned char[::1] block, Arena *a) except -1


cdef unsigned char[::1] new_block(uint64_t least, uint64_t last)
