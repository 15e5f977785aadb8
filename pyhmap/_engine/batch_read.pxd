# Batch look-ups, as the engine's methods call them.

from pyhmap._core cimport HMapCore

cdef object get_many(HMapCore map, keys, default, out, threads)
cdef object lookup_many(HMapCore map, keys, threads)
cdef object contains_many(HMapCore map, keys, threads)
cdef object copy_out(HMapCore map, bint want_keys, bint want_values)
