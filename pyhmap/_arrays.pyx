"""The memory of a map: three NumPy arrays a bucket array, aligned, zeroed, and touched only where keys are."""

import numpy as np

from libc.stdint cimport uint64_t

from pyhmap import introspect

from pyhmap._types cimport SLOTS


def aligned_zeros(Py_ssize_t nbytes):
    """Zeroed bytes that start on a cache line. The system provides large ones page by page, as they are touched."""
    block = np.zeros(nbytes + 63, np.uint8)
    offset = -block.ctypes.data % 64
    return block[offset:offset + nbytes]


cdef class BucketArrays:
    """The three NumPy arrays of one bucket array, and the kernels' pointers into them."""

    def __init__(self, int B):
        cdef uint64_t rows = <uint64_t> 2 << B
        self.tophash = aligned_zeros(rows * SLOTS).reshape(-1, SLOTS)
        record = [("key", np.uint64), ("value", np.uint64)]
        self.slots = aligned_zeros(rows * SLOTS * sizeof(Slot)).view(record).reshape(-1, SLOTS)
        self.overflow = aligned_zeros(rows * 4).view(np.uint32)
        self.raw.tophash = &self.tophash[0, 0]
        self.raw.slots = &self.slots[0, 0]
        self.raw.overflow = &self.overflow[0]
        self.raw.nmain = self.raw.next_row = <uint64_t> 1 << B
        self.raw.rows = rows

    cdef object rows_in_use(self, const Buckets *b, key_dtype, value_dtype):
        """The rows in use as introspect.RawBuckets."""
        record = np.dtype([("key", key_dtype), ("value", value_dtype)])
        n = b.next_row
        return introspect.RawBuckets(
            np.asarray(self.tophash)[:n],
            np.asarray(self.slots)[:n].view(record),
            np.asarray(self.overflow)[:n],
            b.nmain,
        )
