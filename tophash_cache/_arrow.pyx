"""Digests of Arrow columns of text or bytes, through the Arrow PyCapsule interface: no library of Arrow is imported.

Owns what is imported, checked and released of a column. Imports the hash kernel and NumPy.

    __arrow_c_array__  -> one array  -,
    __arrow_c_stream__ -> arrays -----+-> no nulls? -> kernel of the layout, with the GIL released -> digests

The keys are read in place. UTF-8 is not checked: the digest is that of the bytes the column holds.

Source: "The Arrow C data interface", "The Arrow C stream interface", "The Arrow PyCapsule interface", and the columnar
format's "Variable-size Binary Layout" and "Variable-size Binary View Layout".
"""

import numpy as np

from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t

from tophash_cache._arrow_c cimport ArrowArray, ArrowArrayStream, ArrowSchema
from tophash_cache._xxh64 cimport xxh64_bytes


ctypedef fused Offset:
    int32_t
    int64_t


# An item of a view layout: up to 12 bytes in place, or four of them, a data buffer's number and a place in it.
cdef struct View:
    int32_t size
    int32_t head
    int32_t buffer
    int32_t place

cdef enum:
    IN_PLACE = 12

# Format strings of the layouts that are read, all others having no text.
cdef dict LAYOUTS = {
    "u": "offsets", "z": "offsets", "U": "long offsets", "Z": "long offsets", "vu": "views", "vz": "views",
}  # fmt: skip


cdef class Schema:
    """A schema taken over from its producer; released with the object."""

    cdef ArrowSchema c

    def __dealloc__(self):
        if self.c.release != NULL:
            self.c.release(&self.c)


cdef class Array:
    """An array taken over from its producer; released with the object."""

    cdef ArrowArray c

    def __dealloc__(self):
        if self.c.release != NULL:
            self.c.release(&self.c)


def is_arrow(keys):
    """Whether keys are an Arrow column: they export one, and are no pandas column of NumPy data.

    Example:
        >>> is_arrow(["a"])
        False
    """
    exports = hasattr(keys, "__arrow_c_array__") or hasattr(keys, "__arrow_c_stream__")
    return exports and not isinstance(getattr(keys, "dtype", None), np.dtype)


def hash_arrow(keys):
    """The digests of an Arrow column, as a new uint64 array. `TopHashCache.hash_many` has the errors.

    Example:
        >>> hash_arrow(object())
        Traceback (most recent call last):
        ...
        AttributeError: 'object' object has no attribute '__arrow_c_stream__'
    """
    cdef Schema schema = Schema()
    cdef Array array
    cdef list arrays
    cdef Py_ssize_t done = 0
    if hasattr(keys, "__arrow_c_array__"):
        schema_capsule, array_capsule = keys.__arrow_c_array__()
        arrays = [one_array(schema, schema_capsule, array_capsule)]
    else:
        arrays = stream_arrays(schema, keys.__arrow_c_stream__())
    format = schema.c.format.decode()
    if format not in LAYOUTS or schema.c.dictionary != NULL:
        encoded = "dictionary-encoded " if schema.c.dictionary != NULL else ""
        raise TypeError(f"hash_many takes Arrow columns of text or bytes, not of {encoded}format {format!r}: cast it")
    for array in arrays:
        check(array, done)
        done += array.c.length
    digests = np.empty(done, np.uint64)
    cdef uint64_t[::1] out = digests
    done = 0
    for array in arrays:
        if array.c.length:
            hash_chunk(array, LAYOUTS[format], &out[done])
            done += array.c.length
    return digests


cdef Array one_array(Schema schema, schema_capsule, array_capsule):
    cdef Array array = Array()
    cdef ArrowSchema *c_schema = <ArrowSchema *> PyCapsule_GetPointer(schema_capsule, "arrow_schema")
    cdef ArrowArray *c_array = <ArrowArray *> PyCapsule_GetPointer(array_capsule, "arrow_array")
    if c_schema.release == NULL or c_array.release == NULL:
        raise ValueError("the Arrow array was released before it was read: export it again")
    schema.c = c_schema[0]
    c_schema.release = NULL  # moved: the capsule's destructor must leave it alone
    array.c = c_array[0]
    c_array.release = NULL
    return array


cdef list stream_arrays(Schema schema, capsule):
    """All arrays of a stream; the capsule's destructor releases the stream itself."""
    cdef ArrowArrayStream *stream = <ArrowArrayStream *> PyCapsule_GetPointer(capsule, "arrow_array_stream")
    cdef Array array
    cdef int error
    if stream.release == NULL:
        raise ValueError("the Arrow stream was released before it was read: export it again")
    with nogil:  # a producer may wait for threads that want the GIL
        error = stream.get_schema(stream, &schema.c)
    if error:
        schema.c.release = NULL  # what a failed call has written means nothing
        stream_failed(stream, error)
    arrays = []
    while True:
        array = Array()
        with nogil:
            error = stream.get_next(stream, &array.c)
        if error:
            array.c.release = NULL
            stream_failed(stream, error)
        if array.c.release == NULL:
            return arrays
        arrays.append(array)


cdef int stream_failed(ArrowArrayStream *stream, int error) except -1:
    cdef const char *message = stream.get_last_error(stream)
    reason = message.decode("utf-8", "replace") if message else "no reason given"
    raise OSError(error, f"the Arrow stream failed: {reason}")


cdef int check(Array array, Py_ssize_t before) except -1:
    """Raise for an array that cannot be read, or that holds a null; `before` counts the keys before its first."""
    cdef const uint8_t *valid
    cdef int64_t i, offset = array.c.offset, length = array.c.length
    if length == 0:
        return 0
    if length < 0 or offset < 0 or array.c.n_buffers < 3:
        raise ValueError(
            f"the Arrow array is malformed: length {length}, offset {offset}, {array.c.n_buffers} buffers"
        )
    valid = <const uint8_t *> array.c.buffers[0]
    if array.c.null_count != 0 and valid != NULL:
        for i in range(offset, offset + length):
            if not valid[i >> 3] >> (i & 7) & 1:
                raise ValueError(
                    f"the key at position {before + i - offset} is null and has no digest: fill or drop nulls"
                )
    return 0


cdef int hash_chunk(Array array, str layout, uint64_t *out) except -1:
    cdef const void *first = array.c.buffers[1]
    cdef const uint8_t *data = <const uint8_t *> array.c.buffers[2]
    cdef int64_t offset = array.c.offset, count = array.c.length, done
    if layout == "offsets":
        with nogil:
            done = hash_offsets(<const int32_t *> first + offset, data, count, out)
    elif layout == "long offsets":
        with nogil:
            done = hash_offsets(<const int64_t *> first + offset, data, count, out)
    else:
        with nogil:  # the last buffer holds the sizes of the data buffers between
            done = hash_views(<const View *> first + offset, array.c.buffers + 2, array.c.n_buffers - 3, count, out)
    if done < count:
        raise ValueError(f"the Arrow array is malformed: its item {done} does not lie in its data")
    return 0


cdef int64_t hash_offsets(const Offset *offsets, const uint8_t *data, int64_t count, uint64_t *out) noexcept nogil:
    """Returns `count`, or the first item of a negative size or place."""
    cdef int64_t i
    for i in range(count):
        if offsets[i] < 0 or offsets[i + 1] < offsets[i]:
            return i
        out[i] = xxh64_bytes(data + offsets[i], offsets[i + 1] - offsets[i], 0)
    return count


cdef int64_t hash_views(
    const View *views, const void **data, int64_t buffers, int64_t count, uint64_t *out
) noexcept nogil:
    """Returns `count`, or the first item that does not lie in a data buffer."""
    cdef const int64_t *sizes = <const int64_t *> data[buffers]
    cdef const View *view
    cdef int64_t i
    for i in range(count):
        view = views + i
        if 0 <= view.size <= IN_PLACE:
            out[i] = xxh64_bytes(<const uint8_t *> &view.head, view.size, 0)
        elif view.size < 0 or not 0 <= view.buffer < buffers or not 0 <= view.place <= sizes[view.buffer] - view.size:
            return i
        else:
            out[i] = xxh64_bytes(<const uint8_t *> data[view.buffer] + view.place, view.size, 0)
    return count
