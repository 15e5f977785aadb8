"""Counts forks, for the locks of maps. A handler of the C library does it, which runs before any Python code does."""

cdef extern from "<pthread.h>":
    ctypedef void (*Handler)() noexcept nogil
    int pthread_atfork(Handler prepare, Handler parent, Handler child)

cdef unsigned long forks = 0


cdef void in_child() noexcept nogil:
    global forks
    forks += 1


cdef unsigned long fork_count() noexcept nogil:
    return forks


if pthread_atfork(NULL, NULL, in_child):
    raise MemoryError("no memory for a handler of forks")
