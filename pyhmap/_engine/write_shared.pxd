# One batch write that several threads share.

from libc.stdint cimport uint64_t

from pyhmap._core cimport HMapCore
from pyhmap._kernels.constants cimport Status
from pyhmap._kernels.layout cimport Table
from pyhmap._kernels.writing cimport Writing


cdef struct Worker


cdef class SharedWrite:
    cdef Worker *workers
    cdef uint64_t n_workers
    cdef uint64_t n_shares      # of the piece: a short one has fewer
    cdef uint64_t *marks        # of a piece of the batch: which keys one thread has to write, see the kernel
    cdef uint64_t start         # the piece that is being written; all but its marked keys are, once `shared`
    cdef uint64_t stop
    cdef bint shared

    cdef void divide(self, const Table *t, uint64_t limit) noexcept
    cdef void start_workers(self, Writing *w, const void *keys) noexcept
    cdef void finish_workers(self, Table *t) noexcept nogil
    cdef bint takes(self, HMapCore map, uint64_t i, uint64_t n) noexcept
    cdef uint64_t write(self, HMapCore map, Writing *w, const void *keys, Status *status) noexcept


cdef SharedWrite shared_write(HMapCore map, const Writing *w, uint64_t n, uint64_t threads)
