"""The memory of a map: NumPy arrays, aligned, zeroed, and touched only where keys are."""

import numpy as np

from libc.stdint cimport uint64_t

from pyhmap import introspect

from pyhmap._types cimport ARENA_BLOCKS, ARENA_FIRST, SLOTS


def aligned_zeros(Py_ssize_t nbytes):
    """Zeroed bytes that start on a cache line. The system provides large ones page by page, as they are touched."""
    block = np.zeros(nbytes + 63, np.uint8)
    offset = -block.ctypes.data % 64
    return block[offset:offset + nbytes]


cdef class BucketArrays:
    """The three NumPy arrays of one bucket array, and the kernels' pointers into them."""

    def __init__(self, int B, uint64_t value_at, uint64_t stride):
        cdef uint64_t rows = <uint64_t> 2 << B
        self.tophash = aligned_zeros(rows * SLOTS).reshape(-1, SLOTS)
        self.slots = aligned_zeros(rows * SLOTS * stride).reshape(-1, SLOTS, stride)
        self.overflow = aligned_zeros(rows * 4).view(np.uint32)
        self.raw.tophash = &self.tophash[0, 0]
        self.raw.slots = &self.slots[0, 0, 0]
        self.raw.overflow = &self.overflow[0]
        self.raw.nmain = self.raw.next_row = <uint64_t> 1 << B
        self.raw.rows = rows
        self.raw.value_at = value_at
        self.raw.stride = stride

    cdef object rows_in_use(self, const Buckets *b, record):
        """The rows in use as introspect.RawBuckets; `record` is the dtype of a slot."""
        n = b.next_row
        return introspect.RawBuckets(
            np.asarray(self.tophash)[:n],
            np.asarray(self.slots)[:n].view(record)[:, :, 0],
            np.asarray(self.overflow)[:n],
            b.nmain,
        )


cdef class ArenaBlocks:
    """The blocks of one arena."""

    def __init__(self):
        self.blocks = []

    cdef int add(self, unsigned char[::1] block, Arena *a) except -1:
        """Make a block the current one of the arena."""
        if len(self.blocks) == ARENA_BLOCKS:
            raise OverflowError("HMap holds too many bytes of text")
        self.blocks.append(block.base)
        a.current += 1
        a.blocks[a.current] = &block[0]
        a.used = 0
        a.size = len(block)
        return 0


cdef unsigned char[::1] new_block(uint64_t least, uint64_t last):
    """Memory for a block of at least so many bytes that is to follow one of `last` bytes."""
    return aligned_zeros(max(least, <uint64_t> 1 << ARENA_FIRST, 2 * last))
