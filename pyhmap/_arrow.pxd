# A column imported through the Arrow C data interface. Imports the structs of that from tophash_cache.
#
#     Column ── owns ──> ArrowSchema: the type
#        │
#        └──> Chunk ── owns ──> ArrowArray: the buffers ──> in a dictionary-encoded column: ArrowArray of the words
#
# Source: "The Arrow C data interface", "The Arrow C stream interface" and "The Arrow PyCapsule Interface".

from libc.stdint cimport int64_t

from tophash_cache._arrow_c cimport ArrowArray, ArrowArrayStream, ArrowSchema


cdef class Chunk:               # one array of a column; releases it when nothing refers to it any more
    cdef ArrowArray array


cdef class Column:
    cdef ArrowSchema schema
    cdef list chunks
    cdef Py_ssize_t n           # items in all chunks

    cdef int add(self, Chunk chunk) except -1


cdef Column import_column(obj)
cdef int check_buffers(const ArrowArray *array, int64_t least) except -1
cdef object validity(const ArrowArray *array, owner)
