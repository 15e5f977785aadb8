# The memory of a frozen map, and the kernels' pointers into it.

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from pyhmap._engine.memory cimport Block
from pyhmap._engine.typed cimport TypedMap
from pyhmap._kernels.frozen cimport Frozen


cdef class FrozenCore(TypedMap):
    cdef Frozen f
    cdef Block index            # the remap, then the pilots
    cdef Block entries
    cdef Block arena            # None without long texts
    cdef public object _hash    # of the content, once it is known

    cdef int install(self, const Frozen *f, Block index, Block entries, Block arena) except -1


cdef uint32_t *point_into_index(Frozen *f, Block index) noexcept
cdef uint64_t index_size(const Frozen *f) noexcept
