# How often this process and those it comes from were forked while the module was loaded: a lock that was taken at
# another count belongs to threads of the parent, which do not exist here.

cdef unsigned long fork_count() noexcept nogil
cdef int refuse_to_wait(bint for_itself) except -1
