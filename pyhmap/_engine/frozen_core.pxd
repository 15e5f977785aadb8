# The memory of a frozen map, and the kernels' pointers into it.

cimport cython
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from pyhmap._engine.memory cimport Block
from pyhmap._engine.one_item cimport bytes_of, object_of_detached, value_object
from pyhmap._engine.typed cimport FLOAT, TypedMap
from pyhmap._kernels.any_key cimport AnyKey
from pyhmap._kernels.frozen_layout cimport Frozen, Verified, loaded_text
from pyhmap._kernels.layout cimport Text
from pyhmap._kernels.text_source cimport TextSource


cdef class FrozenCore(TypedMap):
    cdef Frozen f
    cdef Block index            # the remap, then the pilots
    cdef Block entries
    cdef Block arena            # None without long texts
    cdef uint8_t *texts_start   # where its one block begins
    cdef object memory          # these three, or None once the map is closed
    cdef object content_hash    # once it is known
    cdef object verify_block    # of a file that is verified as it is read: a function of a block's number; or None
    cdef Verified v             # which blocks have been verified
    cdef object verified        # the array of them

    cdef uint64_t own_size(self)
    cdef int install(self, const Frozen *f, Block index, Block entries, Block arena) except -1
    cdef int fill(self, hash_key, shape, Block index, Block entries, Block arena, bint structure) except -1
    cdef int verify_key(self, const AnyKey *key) except -1
    cdef int verify_keys(self, const void *keys, const TextSource *texts, uint64_t start, uint64_t stop) except -1
    cdef int verify_codes(self, const uint32_t *row_at, const int64_t *codes, uint64_t start,
                          uint64_t stop) except -1
    cdef int verify_all(self) except -1


cdef inline object memory_of(FrozenCore map):
    """What a reader holds while it reads, so that closing the map does not take the memory away from it. Take it after
    the last call that may run Python code. Raises if the map is closed."""
    with cython.critical_section(map):
        if map.memory is None:
            raise_closed(map)
        return map.memory


cdef inline object value_of(FrozenCore map, const uint8_t *entry):
    """The Python object of a row's value. The map is open, and no Python code has run since."""
    cdef Text text
    if map.value_kind <= FLOAT:
        return value_object(map, entry + map.value_at)      # which reads the word before anything else
    _memory = memory_of(map)
    if map.t.text_values:
        text = loaded_text(&map.t, entry + map.value_at)
        return object_of_detached(map, bytes_of(&text))
    return value_object(map, entry + map.value_at)


cdef int raise_closed(FrozenCore map) except -1
cdef uint32_t *point_into_index(Frozen *f, Block index) noexcept
cdef uint64_t index_size(const Frozen *f) noexcept
