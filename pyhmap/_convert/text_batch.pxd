# A batch of texts as the kernels read it.

from pyhmap._kernels.layout cimport Text
from pyhmap._kernels.text_buffers cimport Scratch
from pyhmap._kernels.text_source cimport TextSource


cdef class TextBatch:
    cdef TextSource source      # what the kernels read
    cdef Py_ssize_t n
    cdef bint as_str            # whether the items are str and not bytes
    cdef readonly object valid  # bool array of shape (n,), False at nulls (their text is empty); None without nulls
    cdef Text *texts            # of shape (n,), freed with the batch; NULL for a column that is read by windows
    cdef list owners            # keep the bytes alive that the texts point to
    cdef Scratch scratch        # the rest of the newest block of transcoded and copied texts
    cdef Py_ssize_t block       # bytes of the next block

    cdef int allocate(self, Py_ssize_t n) except -1
    cdef int make_room(self, Py_ssize_t size) except -1
    cdef Text text_at(self, Py_ssize_t i, codec) except *


cdef object text_objects(const Text *texts, Py_ssize_t n, bint as_str)
cdef tuple joined_texts(const Text *texts, Py_ssize_t n, codec)
