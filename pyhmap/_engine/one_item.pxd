# One key or value at a time, as the rest of the engine uses it.

from libc.stdint cimport uint64_t

from pyhmap._core cimport HMapCore
from pyhmap._engine.memory cimport FreePlaces
from pyhmap._engine.typed cimport TypedMap
from pyhmap._kernels.any_key cimport AnyKey
from pyhmap._kernels.layout cimport Text

cdef extern from *:
    """
    #define PYHMAP_NO_INDEX UINT64_C(0xFFFFFFFFFFFFFFFF)
    """
    const uint64_t NO_INDEX "PYHMAP_NO_INDEX"       # of an object key that is not in the map

cdef enum:
    MAX_RESTARTS = 1000             # of a search or a sum that Python code disturbs each time; then it is an error


cdef union AnyValue:            # a loaded value
    uint64_t word               # numbers of 8 bytes, and the list index of an object
    Text text


cdef uint64_t add_object(list objects, FreePlaces free, item) except? 0xFFFFFFFFFFFFFFFF
cdef object remove_object(list objects, FreePlaces free, uint64_t index)
cdef object hashed(HMapCore map, object key, uint64_t *number)
cdef object key_from(TypedMap map, object key, AnyKey *k)
cdef int find_object_key(HMapCore map, object key, uint64_t number, AnyKey *k) except -1
cdef bint loaded_at_once(TypedMap map, value, AnyValue *v) except -1
cdef object value_from(HMapCore map, object value, AnyValue *v, const void **data)
cdef object key_object(TypedMap map, const AnyKey *k)
cdef object bytes_of(const Text *text)
cdef object detach_value(TypedMap map, const void *stored)
cdef object object_of_detached(TypedMap map, object detached)
cdef object value_object(TypedMap map, const void *stored)
