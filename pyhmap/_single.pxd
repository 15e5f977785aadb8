# The single-key part of the engine, as the batch calls use it. Imports _core, _forms.

from libc.stdint cimport uint64_t

from pyhmap._core cimport HMapCore
from pyhmap._forms cimport Key
from pyhmap._layout cimport Text


cdef enum Part:                 # what an iterator yields
    KEYS
    VALUES
    ITEMS


cdef union Value:               # a value in hand
    uint64_t word               # numbers of 8 bytes, and the list index of an object
    Text text


cdef class HMapSingle(HMapCore):
    cdef object take_key(self, object key, Key *k)
    cdef object take_value(self, object value, Value *v, const void **data)
    cdef int ask_cache(self, object key, Key *k) except -1
    cdef int seek(self, object key, uint64_t number, Key *k) except -1
    cdef object write(self, object key, object value, bint overwrite)
    cdef object remove(self, object key, bint *found)
    cdef object remove_in_hand(self, const Key *k, bint *found)
    cdef object key_object(self, const Key *k)
    cdef object value_object(self, const void *value)
    cdef object hold_value(self, const void *value)
    cdef object release_value(self, object held)
    cdef object iterator(self, Part part)
