# Iterators, as the engine's methods start them.

from pyhmap._core cimport HMapCore


cdef enum Part:                 # what an iterator yields
    KEYS
    VALUES
    ITEMS


cdef object iterator(HMapCore map, Part part)
