# A column imported through the Arrow C data interface.
#
# Its structs have been checked: their counts, their pointers, and the formats that say how they are read.
#
#     Column ── owns ──> ArrowSchema: the type
#        │
#        └──> Chunk ── owns ──> ArrowArray: the buffers ──> in a dictionary-encoded column: ArrowArray of the words
#
# Source: "The Arrow C data interface", "The Arrow C stream interface" and "The Arrow PyCapsule Interface".

from libc.stdint cimport int64_t, uint8_t

from _hmap_bytes.arrow_abi cimport ArrowArray, ArrowArrayStream, ArrowSchema


cdef class Chunk:               # owns one array of a column, and releases it when it is deallocated
    cdef ArrowArray array
    cdef object owner           # of a child: the parent's chunk, which releases both; array.release is NULL


cdef class Column:
    cdef ArrowSchema schema
    cdef object owner           # of a child: the parent's column, which releases both
    cdef list chunks
    cdef Py_ssize_t n           # items in all chunks

    cdef int add(self, Chunk chunk) except -1


cdef class Stream:              # owns a stream while it is read
    cdef ArrowArrayStream stream


cdef Column import_column(obj)
cdef Column import_type(obj)
cdef Column child_column(Column parent, int64_t i, bint shares_items)
cdef object validity(const ArrowArray *array, owner)
cdef object bits(const uint8_t *data, int64_t offset, int64_t n, owner)
cdef object over(const void *data, int64_t n, str dtype, owner)
