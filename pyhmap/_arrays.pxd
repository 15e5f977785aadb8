# The NumPy arrays behind one bucket array. Imports _layout.

from libc.stdint cimport uint8_t, uint32_t

from pyhmap._layout cimport Buckets, Slot


cdef class BucketArrays:
    cdef uint8_t[:, ::1] tophash
    cdef Slot[:, ::1] slots
    cdef uint32_t[::1] overflow
    cdef Buckets raw            # pointers into them, with no overflow bucket taken yet

    cdef object rows_in_use(self, const Buckets *b, key_dtype, value_dtype)
