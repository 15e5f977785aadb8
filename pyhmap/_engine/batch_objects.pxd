# The batch calls of maps of object keys; and add_many of object values under any keys.

from libc.stdint cimport int64_t, uint64_t

from pyhmap._core cimport HMapCore
from pyhmap._kernels.writing cimport Combine

cdef object get_many(HMapCore map, keys, default)
cdef object lookup_many(HMapCore map, keys)
cdef object contains_many(HMapCore map, keys)
cdef int set_many(HMapCore map, keys, values) except -1
cdef object insert_many(HMapCore map, keys)
cdef object setdefault_many(HMapCore map, keys, values)
cdef int add_many(HMapCore map, keys, values, op, const Combine *combine) except -1
cdef tuple factorize(HMapCore map, keys, int64_t last_code, bint signed_codes)
cdef object pop_many(HMapCore map, keys, default)
cdef object discard_many(HMapCore map, keys)
