# A batch of texts in the kernels' hands. Imports _arrow, _layout, _read, _text, _utf8.

from pyhmap._layout cimport Text
from pyhmap._read cimport Offsets, Scratch


cdef class TextBatch:
    cdef Text *texts            # of shape (n,), freed with the batch; NULL where `unread` is set
    cdef Offsets unread         # a column to be read a window at a time; unread.at is NULL if there is none
    cdef Py_ssize_t n
    cdef readonly object valid  # bool array of shape (n,), False at nulls (their text is empty); None: there are none
    cdef list owners            # keep alive what the texts point to
    cdef Scratch scratch        # the rest of the newest block of transcoded and copied texts
    cdef Py_ssize_t block       # bytes of the next block

    cdef int allocate(self, Py_ssize_t n) except -1
    cdef int make_room(self, Py_ssize_t size) except -1
    cdef Text text_at(self, Py_ssize_t i, codec) except *


cdef object text_objects(const Text *texts, Py_ssize_t n, bint as_str)
