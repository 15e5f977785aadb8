"""Digests of Arrow columns of text or bytes.

Owns the layouts that can be hashed, and the kernels that hash them in place with the GIL released. UTF-8 is not
validated: the digest is that of the bytes in the column.
"""

import numpy as np

from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t

from _hmap_bytes.arrow_abi cimport ArrowArray
from _hmap_bytes.arrow_column cimport Chunk, Column, check_buffers, import_column, validity
from _hmap_bytes.arrow_items cimport VIEW, offsets_item, view_item
from _hmap_bytes.xxh64 cimport xxh64_bytes

# Arrow's text formats, and the bytes per offset of each; 0 for views.
cdef dict OFFSET_WIDTHS = {"u": 4, "z": 4, "U": 8, "Z": 8, "vu": 0, "vz": 0}


def hash_arrow(keys):
    """The digests of an Arrow column, as a new uint64 array. See `TopHashCache.hash_many` for the errors.

    Example:
        >>> hash_arrow(object())
        Traceback (most recent call last):
        ...
        AttributeError: 'object' object has no attribute '__arrow_c_stream__'
    """
    cdef Column column = import_column(keys)
    cdef Chunk chunk
    cdef Py_ssize_t start = 0
    format = column.schema.format.decode()
    if format not in OFFSET_WIDTHS or column.schema.dictionary != NULL:
        encoded = "dictionary-encoded " if column.schema.dictionary != NULL else ""
        raise TypeError(f"hash_many takes Arrow columns of text or bytes, not of {encoded}format {format!r}: cast it")
    for chunk in column.chunks:         # all of them, before anything is hashed
        if chunk.array.length:
            refuse_nulls(chunk, start)
            start += chunk.array.length
    digests = np.empty(column.n, np.uint64)
    cdef uint64_t[::1] out = digests
    start = 0
    for chunk in column.chunks:
        if chunk.array.length:
            hash_chunk(chunk, OFFSET_WIDTHS[format], &out[start], start)
            start += chunk.array.length
    return digests


cdef int refuse_nulls(Chunk chunk, Py_ssize_t start) except -1:
    check_buffers(&chunk.array, 3)
    valid = validity(&chunk.array, chunk)
    if valid is not None:
        raise ValueError(f"the key at position {start + valid.argmin()} is null and has no digest: fill or drop nulls")
    return 0


cdef int hash_chunk(Chunk chunk, int width, uint64_t *out, Py_ssize_t start) except -1:
    cdef const ArrowArray *array = &chunk.array
    cdef const uint8_t *items = <const uint8_t *> array.buffers[1] + array.offset * (width or VIEW)
    cdef const uint8_t **buffers = <const uint8_t **> array.buffers + 2
    cdef int64_t done, n = array.length, nbuffers = array.n_buffers - 3
    if width:
        with nogil:
            done = hash_offsets(items, width, buffers[0], n, out)
    else:
        with nogil:         # the last buffer holds the sizes of the data buffers
            done = hash_views(items, buffers, buffers[nbuffers], nbuffers, n, out)
    if done < n:
        raise ValueError(
            f"the Arrow array is malformed: the key at position {start + done} has bad offsets or lies outside its "
            "buffer; check the producer"
        )
    return 0


cdef int64_t hash_offsets(const uint8_t *offsets, int width, const uint8_t *data, int64_t n,
                          uint64_t *out) noexcept nogil:
    """Returns n, or the position of the first item with a negative offset or size."""
    cdef int64_t i, begin, size
    for i in range(n):
        if not offsets_item(offsets, width, i, &begin, &size):
            return i
        out[i] = xxh64_bytes(data + begin, size, 0)
    return n


cdef int64_t hash_views(const uint8_t *views, const uint8_t **buffers, const uint8_t *sizes, int64_t nbuffers,
                        int64_t n, uint64_t *out) noexcept nogil:
    """Returns n, or the position of the first item that is not in a data buffer."""
    cdef const uint8_t *data
    cdef int32_t size
    cdef int64_t i
    for i in range(n):
        if not view_item(views + i * VIEW, buffers, sizes, nbuffers, &data, &size):
            return i
        out[i] = xxh64_bytes(data, size, 0)
    return n
