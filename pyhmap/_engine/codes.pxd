# The engine of an id map, and its state.

from libc.stdint cimport uint64_t

from pyhmap._engine.memory cimport Block
from pyhmap._engine.rwlock cimport RWLock
from pyhmap._engine.typed cimport TypedMap
from pyhmap._kernels.codes cimport Codes


cdef class IndexEngine(TypedMap):
    cdef Codes c
    cdef Block buckets              # of c.buckets
    cdef Block column               # of c.keys; views of it stay valid, since the key of a code never changes
    cdef uint64_t width             # bytes of a stored key
    cdef RWLock lock

    cdef int install(self, int B, Block buckets, Block column) except -1
    cdef int resize(self, int B) except -1
    cdef int grow(self, uint64_t left, bint all_new) except -1
    cdef int shrink(self, int least_B) except -1
    cdef int extend_arena(self, uint64_t least, uint64_t expected) except -1
    cdef Block first_keys(self, uint64_t *n)
    cdef object loaded_texts(self, uint64_t n)
    cdef int after_write(self) except -1
