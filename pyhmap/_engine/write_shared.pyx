"""Batch writes that several threads share. The kernels, and why no thread waits for another, are in
_kernels/write_shared.pxd.

The caller holds the lock of the map as the writer. The threads are those of the system, not of Python: they run one
kernel each and end, so no finaliser runs in them and no interrupt reaches them. The calling thread writes a share
itself, and that of each thread that cannot be started; then it waits for the others, without the GIL.

A batch is written in pieces: as many keys as the table has room for, were all of them new. A piece is shared, and then
its marked keys are written, for which the caller may have to make the table grow in between.
"""

from cpython.mem cimport PyMem_Calloc, PyMem_Free, PyMem_Malloc
from cpython.pythread cimport (
    PyThread_acquire_lock,
    PyThread_allocate_lock,
    PyThread_free_lock,
    PyThread_release_lock,
    PyThread_type_lock,
    WAIT_LOCK,
)
from libc.stdint cimport uint64_t
from libc.string cimport memset

from pyhmap._core cimport HMapCore
from pyhmap._engine.typed cimport OBJECT
from pyhmap._kernels.constants cimport CHUNK, EVACUATE_PER_KEY, Status, WORD32, WORD64
from pyhmap._kernels.grow cimport load_limit, too_many_overflow
from pyhmap._kernels.layout cimport DEBUG, Table, growing
from pyhmap._kernels.write_shared cimport Share, write_marked, write_share
from pyhmap._kernels.writing cimport ACCUMULATE, INSERT, SET, SETDEFAULT, Writing

cdef extern from *:
    unsigned long PyThread_start_new_thread(void (*work)(void *) noexcept nogil, void *)
    unsigned long PYTHREAD_INVALID_THREAD_ID

# The fewest keys worth a thread: their writing takes several times as long as its start. Few in the build with checks,
# so that small batches test it.
cdef uint64_t LEAST = 64 if DEBUG else 1 << 15

cdef enum:
    # Keys of a piece of which no new one may come, since the table is nearly full: if most are new all the same, they
    # are written by one thread, and soon the table has grown.
    FULL_PIECE = 1 << 18


cdef struct Worker:
    Share share
    PyThread_type_lock done     # held while its thread works
    bint started


cdef void work(void *worker) noexcept nogil:
    write_share(&(<Worker *> worker).share)
    PyThread_release_lock((<Worker *> worker).done)


cdef SharedWrite shared_write(HMapCore map, const Writing *w, uint64_t n, uint64_t threads):
    """What is needed to share a batch of n keys among so many threads; None if one thread writes it: a short batch, or
    keys or values that are not words, whose writing takes memory that all threads share."""
    cdef SharedWrite shared
    cdef uint64_t i, parts = max(<uint64_t> 1, min(threads, n // LEAST))
    if (parts < 2 or map.t.form not in (WORD32, WORD64) or map.t.text_values or map.value_kind == OBJECT
            or w.action not in (SET, SETDEFAULT, ACCUMULATE, INSERT)):
        return None
    shared = SharedWrite.__new__(SharedWrite)
    shared.marks = <uint64_t *> PyMem_Malloc((min(n, <uint64_t> CHUNK) + 63) // 64 * 8)
    shared.workers = <Worker *> PyMem_Calloc(parts, sizeof(Worker))
    if shared.marks == NULL or shared.workers == NULL:
        raise MemoryError(f"no memory for {parts} threads")
    for i in range(parts):
        shared.workers[i].done = PyThread_allocate_lock()
        if shared.workers[i].done == NULL:
            raise MemoryError(f"no locks for {parts} threads")
        shared.n_workers += 1
    return shared


cdef class SharedWrite:
    """The threads of one call, and how far it is."""

    def __dealloc__(self):
        cdef uint64_t i
        for i in range(self.n_workers):
            PyThread_free_lock(self.workers[i].done)
        PyMem_Free(self.workers)
        PyMem_Free(self.marks)

    cdef bint takes(self, HMapCore map, uint64_t i, uint64_t n) noexcept:
        """Whether write() shall write the keys from i on, of n; it will write those before `stop`."""
        cdef const Table *t = &map.t
        cdef uint64_t limit, room
        if self.shared and i < self.stop:
            return True                     # the rest of a piece
        self.shared = False
        if growing(t) or too_many_overflow(&t.now):
            return False
        limit = load_limit(t.now.nmain)
        room = limit - t.count if t.count < limit else 0
        if min(n - i, room) >= 2 * LEAST:
            self.stop = i + min(min(n - i, room), <uint64_t> CHUNK)
        # No new keys: so long as a growth in the middle ends at once, it comes where it would with one thread.
        elif n - i >= 2 * LEAST and t.count >= n - i and EVACUATE_PER_KEY * n >= t.now.nmain:
            self.stop = i + min(n - i, <uint64_t> FULL_PIECE)
            limit = 0
        else:                               # one thread, which will soon make the table grow
            return False
        self.start = i
        self.divide(t, limit)
        return True

    cdef void divide(self, const Table *t, uint64_t limit) noexcept:
        """Give each worker its range of buckets."""
        cdef uint64_t k
        self.n_shares = min(self.n_workers, (self.stop - self.start) // LEAST)
        cdef Share *share
        for k in range(self.n_shares):
            share = &self.workers[k].share
            share.table = t[0]
            share.start, share.stop = self.start, self.stop
            share.first_row = t.now.nmain * k // self.n_shares
            share.rows = t.now.nmain * (k + 1) // self.n_shares - share.first_row
            share.limit = limit
            share.marks = self.marks

    cdef uint64_t write(self, HMapCore map, Writing *w, const void *keys, Status *status) noexcept:
        """Write the keys of a piece, or what is left of them. Returns as write_batch() does."""
        cdef bint first = not self.shared
        if first:
            self.shared = True
            self.start_workers(w, keys)
        with nogil:
            if first:
                self.finish_workers(&map.t)
            return write_marked(&map.t, w, keys, self.marks, self.start, self.stop, status)

    cdef void start_workers(self, Writing *w, const void *keys) noexcept:
        cdef Worker *worker
        cdef uint64_t k
        memset(self.marks, 0, (self.stop - self.start + 63) // 64 * 8)
        for k in range(self.n_shares):
            worker = &self.workers[k]
            worker.share.writing, worker.share.keys = w, keys
            worker.started = False
            if k > 0:                       # the first is the calling thread
                PyThread_acquire_lock(worker.done, WAIT_LOCK)
                worker.started = PyThread_start_new_thread(work, worker) != PYTHREAD_INVALID_THREAD_ID
                if not worker.started:
                    PyThread_release_lock(worker.done)

    cdef void finish_workers(self, Table *t) noexcept nogil:
        """Do the work of those that are not threads, wait for the others, and add their counts up."""
        cdef uint64_t k, count = t.count
        for k in range(self.n_shares):
            if not self.workers[k].started:
                write_share(&self.workers[k].share)
        for k in range(self.n_shares):
            if self.workers[k].started:
                PyThread_acquire_lock(self.workers[k].done, WAIT_LOCK)
                PyThread_release_lock(self.workers[k].done)
            t.count += self.workers[k].share.table.count - count
