# Counters of this process, which threads change at once where there is no GIL.

from libc.stdint cimport int64_t, uint64_t

cdef extern from *:
    """
    #if defined(Py_GIL_DISABLED) && defined(_MSC_VER)
    #define pyhmap_count(counter, change) ((void) _InterlockedExchangeAdd64((volatile __int64 *) (counter), (change)))
    #elif defined(Py_GIL_DISABLED)
    #define pyhmap_count(counter, change) ((void) __atomic_fetch_add((counter), (uint64_t) (change), __ATOMIC_RELAXED))
    #else
    #define pyhmap_count(counter, change) ((void) (*(counter) += (uint64_t) (change)))
    #endif
    """
    void count "pyhmap_count"(uint64_t *counter, int64_t change) noexcept nogil
