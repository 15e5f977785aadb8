# Batches of keys and values as the batch calls use them.

from cpython.buffer cimport Py_buffer
from libc.stdint cimport uint8_t, uint64_t

from pyhmap._convert.text_batch cimport TextBatch
from pyhmap._engine.memory cimport ArenaBlocks
from pyhmap._engine.one_item cimport AnyValue
from pyhmap._engine.typed cimport TypedMap
from pyhmap._kernels.text_source cimport TextSource


cdef class Items:
    cdef const uint8_t *data        # n items, or the one that stands for all; NULL for a column read by windows
    cdef uint64_t n
    cdef uint64_t step              # bytes from one item to the next; 0 when one value stands for all
    cdef TextSource texts           # the same items, where they are texts
    cdef object owner               # keeps the bytes alive
    cdef Py_buffer held             # so does this, if they are an array's
    cdef object valid               # None, or a bool array, False at nulls
    cdef AnyValue one               # the one value
    cdef list arenas                # those that answers to this batch may point to

    cdef int take_array(self, array, uint64_t step) except -1
    cdef bint take_plain(self, array, dtype, uint64_t step) except -1
    cdef void take_held(self, array, uint64_t step) noexcept
    cdef int take_texts(self, TextBatch texts) except -1
    cdef int keep_arena(self, ArenaBlocks texts) except -1
    cdef int refuse_nulls(self, what) except -1


cdef Items items_of(array, uint64_t step)
cdef uint8_t *no_bytes() noexcept
cdef Items keys_of(TypedMap map, keys, bint by_windows)
cdef Items values_of(TypedMap map, values, uint64_t n)
cdef object key_at(TypedMap map, Items keys, uint64_t i)
cdef object empty_values(TypedMap map, uint64_t n)
cdef object empty_keys(TypedMap map, uint64_t n)
cdef object finished_values(TypedMap map, out, bint joined=*)
cdef object finished_keys(TypedMap map, keys, bint joined=*, rows=*)
cdef object check_out(TypedMap map, out, uint64_t n)
cdef object copied_to(TypedMap map, values, out)
