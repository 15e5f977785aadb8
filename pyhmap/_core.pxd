# The engine's fields, and what of it the batch calls use. Imports _arrays, _gate, _layout.

from libc.stdint cimport uint64_t

from pyhmap._arrays cimport BucketArrays
from pyhmap._gate cimport Gate
from pyhmap._layout cimport Table


cdef enum Kind:                 # how a word becomes an object and back
    NO_KIND = 0                 # __init__ has not run
    INT = 1
    UINT = 2
    FLOAT = 3
    OTHER = 4                   # through _dtypes


cdef enum Part:                 # what an iterator yields
    KEYS
    VALUES
    ITEMS


cdef class HMapCore:
    cdef Table t
    cdef Gate gate
    cdef BucketArrays now
    cdef BucketArrays old           # None unless growing, or just grown and not yet let go of
    cdef object _key_dtype, _value_dtype
    cdef Kind key_kind, value_kind
    cdef uint64_t version           # changes whenever a key comes or goes: iterators compare it
    cdef uint64_t pop_row           # where popitem() goes on looking
    cdef bint same_size
    cdef uint64_t _growths, _same_size_growths
    cdef object seed
    cdef uint64_t seed_state        # of splitmix64, when there is a seed

    # the table
    cdef void install(self, BucketArrays arrays)
    cdef draw_hash_key(self, uint64_t *hash_key)
    cdef int start_growth(self) except -1
    cdef void let_go(self)
    cdef int spend(self, uint64_t budget) except -1
    cdef int settle(self) except -1
    cdef int B(self)
    cdef int written(self, bint keys_changed) except -1
    # one key or value
    cdef int key_word(self, object key, uint64_t *word) except -1
    cdef int value_word(self, object value, uint64_t *word) except -1
    cdef int check_initialised(self) except -1
    cdef object value_object(self, uint64_t word)
    cdef object iterator(self, Part part)
