# The methods of a map, for the module itself: nothing else cimports them.

from pyhmap._core cimport HMapCore
from pyhmap._kernels.any_key cimport AnyKey


cdef class HMapEngine(HMapCore):
    cdef object write(self, object key, object value, bint overwrite)
    cdef object remove(self, object key, bint *found)
    cdef object remove_loaded(self, const AnyKey *k, bint *found)
