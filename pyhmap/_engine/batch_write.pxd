# Batch writes, as the engine's methods call them.

from pyhmap._core cimport HMapCore
from pyhmap._engine.batch_items cimport Items

cdef int set_many(HMapCore map, keys, values, threads) except -1
cdef object insert_many(HMapCore map, keys, threads)
cdef object setdefault_many(HMapCore map, keys, values, threads)
cdef int add_many(HMapCore map, keys, values, op, threads) except -1
cdef object factorize(HMapCore map, keys)
cdef object pop_many(HMapCore map, keys, default)
cdef object discard_many(HMapCore map, keys)
cdef Items without_nulls(Items keys)
