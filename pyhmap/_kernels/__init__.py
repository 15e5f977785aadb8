"""The kernels: C that never touches Python, one layer on another.

Each file imports only files named before it:

    constants, layout, hash, siphash, text, text_buffers, text_source, slot, probe, grow, one_key, combine,
    pipeline, lookup_many, write_many, dispatch

They are ``cdef inline ... noexcept nogil`` functions in ``.pxd`` files. They see raw pointers, never allocate, and
return a status and how far they came; the engine locks, allocates, refreshes the pointers, and calls again.
"""
