# Batches of keys and values as the batch calls use them.

from libc.stdint cimport uint8_t, uint64_t

from pyhmap._convert.text_batch cimport TextBatch
from pyhmap._core cimport HMapCore
from pyhmap._engine.memory cimport ArenaBlocks
from pyhmap._kernels.layout cimport Text
from pyhmap._kernels.text_source cimport TextSource


cdef class Items:
    cdef const uint8_t *data        # n items, or the one that stands for all; NULL for a column read by windows
    cdef uint64_t n
    cdef uint64_t step              # bytes from one item to the next; 0 when one value stands for all
    cdef TextSource texts           # the same items, where they are texts
    cdef object owner               # keeps the bytes alive
    cdef object valid               # None, or a bool array, False at nulls
    cdef Text text                  # a single text value
    cdef list arenas                # those that answers to this batch may point to

    cdef int take_array(self, array, uint64_t step) except -1
    cdef int take_texts(self, TextBatch texts) except -1
    cdef int keep_arena(self, ArenaBlocks texts) except -1
    cdef int refuse_nulls(self, what) except -1


cdef uint8_t *no_bytes() noexcept
cdef Items keys_of(HMapCore map, keys, bint by_windows)
cdef Items values_of(HMapCore map, values, uint64_t n)
cdef object key_at(HMapCore map, Items keys, uint64_t i)
cdef object empty_values(HMapCore map, uint64_t n)
cdef object finished_values(HMapCore map, out)
cdef object finished_keys(HMapCore map, keys)
cdef object check_out(HMapCore map, out, uint64_t n)
cdef object copied_to(HMapCore map, values, out)
