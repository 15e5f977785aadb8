# Batch look-ups, as the methods of maps call them.

from libc.stdint cimport uint64_t

from pyhmap._core cimport HMapCore
from pyhmap._engine.batch_items cimport Items
from pyhmap._engine.frozen_core cimport FrozenCore
from pyhmap._engine.typed cimport TypedMap

cdef object get_many(TypedMap map, keys, default, out, threads)
cdef object lookup_many(TypedMap map, keys, threads)
cdef object contains_many(TypedMap map, keys, threads)
cdef tuple look_up(TypedMap map, Items keys, bint want_values, uint64_t threads)
cdef uint64_t thread_count(threads) except 0
cdef object copy_out(HMapCore map, bint want_keys, bint want_values, bint joined=*, choose=*)
cdef object positions(FrozenCore map, keys, threads)
cdef object copy_rows(FrozenCore map, bint want_keys, bint want_values, bint joined=*, choose=*)
