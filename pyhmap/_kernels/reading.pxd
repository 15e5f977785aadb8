# What a read call is to do with each key. The kernels are lookup_many and frozen.

from libc.stdint cimport int64_t, uint8_t, uint64_t


cdef struct Reading:        # what a read call is to do with each key
    uint8_t *values         # receives values, value_size bytes each, or NULL
    uint8_t *found          # receives 0 or 1, or NULL
    int64_t *rows           # receives the row of a frozen table, -1 for a missing key; NULL for other tables
    const void *fill        # the value of a missing key
    bint stop_at_miss       # only where values are wanted


cdef inline Reading reading_from(const Reading *r, uint64_t start, uint64_t value_size) noexcept nogil:
    """The same for the keys from position `start` on."""
    cdef Reading shifted = r[0]
    if r.values != NULL:
        shifted.values = r.values + start * value_size
    if r.found != NULL:
        shifted.found = r.found + start
    if r.rows != NULL:
        shifted.rows = r.rows + start
    return shifted
