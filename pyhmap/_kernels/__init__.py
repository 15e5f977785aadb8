"""The kernels: C that never touches Python, one layer on another.

Each file imports only files named before it:

    constants, layout, hash, siphash, text, text_buffers, text_source, slot, any_key, probe, grow, one_key, dispatch,
    combine, pipeline, lookup_many, write_many, frozen, frozen_build

They are ``cdef inline ... noexcept nogil`` functions in ``.pxd`` files. They see raw pointers, never allocate, and
return a status and how far they came; the engine locks, allocates, refreshes the pointers, and calls again.
"""
