"""What the locks of maps ask about the process and the thread: how often the process was forked, whether it ends, and
whether another thread waits for this one while it holds a lock. And a context that no interrupt leaves locked.

A handler of the C library counts the forks, which runs before any Python code does.
"""

cdef extern from *:
    """
    #ifdef _WIN32               /* processes do not fork */
    #define pyhmap_at_fork(child) ((void)(child), 0)
    #else
    #include <pthread.h>
    #define pyhmap_at_fork(child) pthread_atfork(NULL, NULL, child)
    #endif
    """
    ctypedef void (*Handler)() noexcept nogil
    int at_fork "pyhmap_at_fork"(Handler child)

cdef extern from *:
    """
    #if PY_VERSION_HEX < 0x030D0000
    #define Py_IsFinalizing _Py_IsFinalizing
    #endif
    """
    bint Py_IsFinalizing() noexcept

cdef extern from *:
    """
    #ifdef _MSC_VER
    static __declspec(thread) int pyhmap_is_helper;
    #else
    static __thread int pyhmap_is_helper;
    #endif
    """
    bint is_helper "pyhmap_is_helper"

cdef unsigned long forks = 0


cdef void in_child() noexcept nogil:
    global forks
    forks += 1


cdef unsigned long fork_count() noexcept nogil:
    return forks


def enter_helper():
    """From here on, this thread never waits for a map: the thread that started it holds one, and waits for it."""
    global is_helper
    is_helper = True


cdef class Turn:
    """A context in which a lock is held. The lock itself will not do: from CPython 3.14 on, an interrupt may come after
    its ``__enter__`` and before the block, and nothing would release it. This releases it then as well."""
    cdef object lock
    cdef bint held

    def __init__(self, lock):
        self.lock = lock

    def __dealloc__(self):
        self.leave()

    def __enter__(self):
        self.lock.acquire()
        self.held = True

    def __exit__(self, *exception):
        self.leave()

    cdef int leave(self) except -1:
        if self.held and self.lock is not None:     # which the collector may have taken
            self.held = False
            self.lock.release()
        return 0


cdef int refuse_to_wait(bint for_itself) except -1:
    """Raise if a wait would never end: a thread would wait for itself; or the one that waits for this helper; or, at
    the interpreter's exit, for one that never gets the GIL again."""
    if for_itself:
        reads = "check(), stats(), occupancy() or freeze()"
        raise RuntimeError(f"HMap is written while {reads} runs in the same thread")
    if Py_IsFinalizing():
        raise RuntimeError("the interpreter exits while a daemon thread is in a batch of this HMap: end it before")
    if is_helper:
        raise RuntimeError("HMap is written while freeze() runs, in one of its threads: finalisers must not")
    return 0


if at_fork(in_child):
    raise MemoryError("no memory for a handler of forks")
