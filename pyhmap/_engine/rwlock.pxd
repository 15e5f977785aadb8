# The reader/writer lock of a map: who may touch its table while batches run without the GIL.
#
# Every field is read and written with the GIL held, so plain ints suffice. A scalar call holds the GIL from its last
# look at the lock to its end, and needs no lock of its own. A batch that releases the GIL is either one of the
# `readers`, which share the lock (the first takes it, the last releases it), or the one that is `writing`.
#
# Where Python has no GIL, a critical section of the map takes its place: each method of a map is one. As the GIL, a
# thread gives it up where it waits or leaves Python (`with nogil`), and has it again afterwards; while it has it, no
# other thread is in a method of this map. So what is said here of the GIL is true of both. A section of a second object
# within the first may give the first up: two objects that must stay as they are together need one section of both.
#
#     scalar read    waits while writing            batch read     joins the readers, unless a writer waits
#     scalar write   waits while readers or writing batch write    waits for the lock
#
# Waiting releases the GIL, so afterwards the table's state must be read again: others have run. Never run Python code
# while holding the lock: a callback that used the same map would wait for itself. Where Python code has to run (check()
# under `held_by`), a write by the same thread raises instead of waiting indefinitely. After a fork() the threads that
# held the lock do not exist in the child: its readers are forgotten, a half-done write is an error. Each call that
# looks at more than `writing` asks for that first. When the interpreter exits, a daemon thread that holds the lock
# never gets the GIL again, so a finaliser that would wait for it raises.

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

from pyhmap._engine.forks cimport fork_count, refuse_to_wait

cdef extern from *:
    """
    #ifdef Py_GIL_DISABLED
    #define PYHMAP_FREE_THREADED 1
    #else
    #define PYHMAP_FREE_THREADED 0
    #endif
    """
    const bint FREE_THREADED "PYHMAP_FREE_THREADED"


cdef struct RWLock:
    PyThread_type_lock mutex    # held exactly while readers > 0 or writing
    long readers                # batch reads under way
    long waiting                # writers that wait for the lock
    bint writing                # a batch write is under way
    long held_by                # the reader that may run Python code (its thread), or 0
    unsigned long forks         # fork_count() when the fields were last true


cdef inline int lock_init(RWLock *lock) except -1:
    cdef PyThread_type_lock mutex = PyThread_allocate_lock()
    if mutex == NULL:
        raise MemoryError("no lock for an HMap")
    lock.mutex = mutex
    lock.forks = fork_count()
    return 0


cdef inline void lock_free(RWLock *lock) noexcept:
    if lock.mutex != NULL:
        PyThread_free_lock(lock.mutex)
        lock.mutex = NULL


cdef inline bint _mine(const RWLock *lock) noexcept:
    return lock.held_by != 0 and lock.held_by == <long> PyThread_get_thread_ident()


cdef inline int _after_fork(RWLock *lock) except -1:
    """In a child process, the first time: forget the threads that held the lock, or waited for it, at the fork."""
    if lock.forks == fork_count():
        return 0
    if lock.writing:
        raise RuntimeError("a thread of the parent was in a batch write at the fork: rebuild this HMap")
    if PyThread_acquire_lock(lock.mutex, NOWAIT_LOCK):
        PyThread_release_lock(lock.mutex)
        lock.forks = fork_count()
    else:
        lock_init(lock)             # the old mutex stays locked by a thread that is gone; it is left, not freed
    lock.readers = lock.waiting = lock.held_by = 0
    return 0


cdef inline int _take(RWLock *lock) except -1:
    """Take the lock, waiting without the GIL if need be."""
    if not PyThread_acquire_lock(lock.mutex, NOWAIT_LOCK):
        refuse_to_wait(_mine(lock))
        with nogil:
            PyThread_acquire_lock(lock.mutex, WAIT_LOCK)
    return 0


cdef inline int wait_to_read(RWLock *lock) except -1:
    """Before a scalar read. May release the GIL."""
    while lock.writing:
        _after_fork(lock)
        _take(lock)
        PyThread_release_lock(lock.mutex)
    return 0


cdef inline int wait_to_write(RWLock *lock) except -1:
    """Before a scalar write, or before installing new arrays. May release the GIL."""
    while lock.readers or lock.writing:
        _after_fork(lock)
        lock.waiting += 1
        try:
            _take(lock)
        finally:
            lock.waiting -= 1
        PyThread_release_lock(lock.mutex)
    return 0


cdef inline int begin_read(RWLock *lock) except -1:
    _after_fork(lock)
    if lock.readers == 0 or (lock.waiting and not _mine(lock)):
        _take(lock)        # on return no other reader is inside: it would hold the lock
    lock.readers += 1
    return 0


cdef inline void end_read(RWLock *lock) noexcept:
    lock.readers -= 1
    if lock.readers == 0:
        PyThread_release_lock(lock.mutex)


cdef inline int begin_write(RWLock *lock) except -1:
    _after_fork(lock)
    lock.waiting += 1
    try:
        _take(lock)
    finally:
        lock.waiting -= 1
    lock.writing = True
    return 0


cdef inline void end_write(RWLock *lock) noexcept:
    lock.writing = False
    PyThread_release_lock(lock.mutex)
