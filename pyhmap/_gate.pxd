# Who may touch a table while batches run without the GIL. Imports nothing of the project.
#
# Every field is read and written with the GIL held, so plain ints do. A scalar call holds the GIL from its last look at
# the gate to its end and needs no lock of its own. A batch that releases the GIL is either one of the `readers`, who
# share the lock (the first takes it, the last gives it back), or the one who is `writing`.
#
#     scalar read    waits while writing            batch read     joins the readers, unless a writer waits
#     scalar write   waits while readers or writing batch write    waits for the lock
#
# Whoever waits does so with the GIL released and on return must read the table's state anew: others have run.
# Never run Python code while inside: a callback that used the same map would wait for itself. Where Python code has to
# run (check() under `held_by`), a write by the same thread is an error instead of a wait without end. After a fork()
# the threads that were inside do not exist in the child: readers are forgotten, a half-done write is an error.

from cpython.pythread cimport (
    NOWAIT_LOCK,
    PyThread_acquire_lock,
    PyThread_allocate_lock,
    PyThread_free_lock,
    PyThread_get_thread_ident,
    PyThread_release_lock,
    PyThread_type_lock,
    WAIT_LOCK,
)
from posix.unistd cimport getpid, pid_t


cdef struct Gate:
    PyThread_type_lock lock     # held exactly while readers > 0 or writing
    long readers                # batch reads under way
    long waiting                # writers that wait for the lock
    bint writing                # a batch write is under way
    long held_by                # thread inside that may run Python code, or 0
    pid_t pid                   # process in which the lock was taken


cdef inline int gate_init(Gate *g) except -1:
    g.lock = PyThread_allocate_lock()
    if g.lock == NULL:
        raise MemoryError("no lock for a new HMap")
    return 0


cdef inline void gate_free(Gate *g) noexcept:
    if g.lock != NULL:
        PyThread_free_lock(g.lock)
        g.lock = NULL


cdef inline bint _mine(const Gate *g) noexcept:
    return g.held_by != 0 and g.held_by == <long> PyThread_get_thread_ident()


cdef inline int _take(Gate *g) except -1:
    """Take the lock, waiting without the GIL if need be."""
    if not PyThread_acquire_lock(g.lock, NOWAIT_LOCK):
        if g.pid != getpid():
            if g.writing:
                raise RuntimeError("a thread of the parent process was in set_many() at the fork: rebuild this HMap")
            gate_init(g)            # the old lock stays locked by nobody; it is left, not freed
            g.readers = g.waiting = 0
            PyThread_acquire_lock(g.lock, NOWAIT_LOCK)
        elif _mine(g):
            raise RuntimeError("HMap is written while check() runs in the same thread")
        else:
            with nogil:
                PyThread_acquire_lock(g.lock, WAIT_LOCK)
    g.pid = getpid()
    return 0


cdef inline int wait_to_read(Gate *g) except -1:
    """Before a scalar read. May release the GIL."""
    while g.writing:
        _take(g)
        PyThread_release_lock(g.lock)
    return 0


cdef inline int wait_to_write(Gate *g) except -1:
    """Before a scalar write, or before installing new arrays. May release the GIL."""
    while g.readers or g.writing:
        g.waiting += 1
        try:
            _take(g)
        finally:
            g.waiting -= 1
        PyThread_release_lock(g.lock)
    return 0


cdef inline int begin_read(Gate *g) except -1:
    if g.readers == 0 or (g.waiting and not _mine(g)):
        _take(g)        # on return no other reader is inside: it would hold the lock
    g.readers += 1
    return 0


cdef inline void end_read(Gate *g) noexcept:
    g.readers -= 1
    if g.readers == 0:
        PyThread_release_lock(g.lock)


cdef inline int begin_write(Gate *g) except -1:
    g.waiting += 1
    try:
        _take(g)
    finally:
        g.waiting -= 1
    g.writing = True
    return 0


cdef inline void end_write(Gate *g) noexcept:
    g.writing = False
    PyThread_release_lock(g.lock)
