"""Columns of other libraries, through the Arrow PyCapsule interface. No Arrow library is imported.

Owns the import, the check and the release of Arrow columns, and the reading of their validity bitmaps. A column is read
in place. Arrays over its memory keep that memory alive, and the producer's release callback is called once, when the
last of them is deallocated.
"""

import numpy as np

from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.stdint cimport int64_t, uint8_t


cdef class Chunk:
    def __dealloc__(self):
        if self.array.release != NULL:
            self.array.release(&self.array)


cdef class Column:
    def __cinit__(self):
        self.chunks = []

    def __dealloc__(self):
        if self.schema.release != NULL:
            self.schema.release(&self.schema)

    def __len__(self):
        return self.n

    cdef int add(self, Chunk chunk) except -1:
        if chunk.array.length < 0 or chunk.array.offset < 0:
            given = f"length {chunk.array.length}, offset {chunk.array.offset}"
            raise ValueError(f"the Arrow array is malformed: {given}, which must both be 0 or more; check the producer")
        self.chunks.append(chunk)
        self.n += chunk.array.length
        return 0


def is_arrow(obj):
    """Whether an object is read as an Arrow column: if it has ``__arrow_c_array__`` or ``__arrow_c_stream__``.

    Two kinds of objects are excepted: those whose ``dtype`` is a NumPy one, since a pandas Series of NumPy data would
    be copied into Arrow first; and those whose ``dtype`` is ``Object``, since polars exports the addresses of its
    objects.

    >>> import numpy as np
    >>> is_arrow(np.arange(3)), is_arrow(["a", "b"])
    (False, False)
    """
    if isinstance(obj, Column):
        return True
    exports = hasattr(obj, "__arrow_c_array__") or hasattr(obj, "__arrow_c_stream__")
    if not exports:
        return False
    dtype = getattr(obj, "dtype", None)
    return not isinstance(dtype, np.dtype) and type(dtype).__name__ != "Object"


cdef int check_buffers(const ArrowArray *array, int64_t least) except -1:
    if array.n_buffers < least:
        given = f"it has {array.n_buffers} buffers, its type needs {least}"
        raise ValueError(f"the Arrow array is malformed: {given}; check the producer")
    return 0


cdef Column import_column(obj):
    """The column of an object for which is_arrow() is true."""
    if isinstance(obj, Column):
        return obj
    cdef Column column = Column()
    cdef Chunk chunk = Chunk()
    cdef ArrowSchema *schema
    cdef ArrowArray *array
    if not hasattr(obj, "__arrow_c_array__"):
        import_stream(column, obj.__arrow_c_stream__())
        return column
    schema_capsule, array_capsule = obj.__arrow_c_array__()
    schema = <ArrowSchema *> PyCapsule_GetPointer(schema_capsule, "arrow_schema")
    array = <ArrowArray *> PyCapsule_GetPointer(array_capsule, "arrow_array")
    if schema.release == NULL or array.release == NULL:
        raise ValueError("the Arrow array has been released, or read by another library, before: export it again")
    # Move the structs: a capsule's destructor does not release a struct whose `release` is NULL.
    column.schema = schema[0]
    schema.release = NULL
    chunk.array = array[0]
    array.release = NULL
    column.add(chunk)
    return column


cdef Column import_type(obj):
    """A column without items, of the type that an object with ``__arrow_c_schema__`` describes."""
    cdef Column column = Column()
    capsule = obj.__arrow_c_schema__()      # its destructor releases what it holds
    cdef ArrowSchema *schema = <ArrowSchema *> PyCapsule_GetPointer(capsule, "arrow_schema")
    if schema.release == NULL:
        raise ValueError("the Arrow type has been released, or read by another library, before: export it again")
    column.schema = schema[0]
    schema.release = NULL
    return column


cdef Column child_column(Column parent, int64_t i, bint shares_items):
    """Child i of a column of a nested type. With `shares_items` the child has one item per item of the parent, as a
    field of a struct has, and the parent's offset and length apply to it."""
    cdef Column column = Column()
    cdef Chunk whole, chunk
    column.schema = parent.schema.children[i][0]
    column.schema.release = NULL
    column.owner = parent
    for whole in parent.chunks:
        if whole.array.n_children != parent.schema.n_children or whole.array.children == NULL:
            given = f"it has {whole.array.n_children} children, its type {parent.schema.n_children}"
            raise ValueError(f"the Arrow array is malformed: {given}; check the producer")
        chunk = Chunk()
        chunk.array = whole.array.children[i][0]
        chunk.array.release = NULL
        chunk.owner = whole
        if shares_items:
            if chunk.array.length < whole.array.offset + whole.array.length:
                given = "a field has fewer items than its struct"
                raise ValueError(f"the Arrow array is malformed: {given}; check the producer")
            chunk.array.offset += whole.array.offset
            if chunk.array.length != whole.array.length:
                chunk.array.null_count = -1
            chunk.array.length = whole.array.length
        column.add(chunk)
    return column


cdef int import_stream(Column column, capsule) except -1:
    """Import all chunks of a stream. The capsule's destructor releases the stream."""
    cdef ArrowArrayStream *stream = <ArrowArrayStream *> PyCapsule_GetPointer(capsule, "arrow_array_stream")
    cdef Chunk chunk
    cdef int code
    if stream.release == NULL:
        raise ValueError("the Arrow stream has been released, or read by another library, before: export it again")
    with nogil:             # the producer may start threads that need the GIL
        code = stream.get_schema(stream, &column.schema)
    if code:
        column.schema.release = NULL        # after an error the struct is undefined
        raise_last_error(stream, code)
    while True:
        chunk = Chunk()
        with nogil:
            code = stream.get_next(stream, &chunk.array)
        if code:
            chunk.array.release = NULL
            raise_last_error(stream, code)
        if chunk.array.release == NULL:     # the end of the stream
            return 0
        column.add(chunk)


cdef int raise_last_error(ArrowArrayStream *stream, int code) except -1:
    cdef const char *message = stream.get_last_error(stream)
    reason = "no reason given" if message == NULL else message.decode("utf-8", "replace")
    raise OSError(code, f"the Arrow stream failed: {reason}")


# ---- reading in place ------------------------------------------------------------------------------------------------

cdef object validity(const ArrowArray *array, owner):
    """The validity of an array's items as bools, or None if all are valid. Call check_buffers() first."""
    if array.null_count == 0 or array.buffers[0] == NULL:
        return None
    valid = bits(<const uint8_t *> array.buffers[0], array.offset, array.length, owner)
    return None if valid.all() else valid


cdef object bits(const uint8_t *data, int64_t offset, int64_t n, owner):
    """n bits as bools, from the lowest bit of each byte."""
    if n == 0:              # the buffer may be NULL
        return np.empty(0, bool)
    packed = over(data + offset // 8, (offset % 8 + n + 7) // 8, "u1", owner)
    return np.unpackbits(packed, count=offset % 8 + n, bitorder="little")[offset % 8:].view(bool)


class _Memory:
    """An array interface, and the object that keeps its memory alive."""

    def __init__(self, interface, owner):
        self.__array_interface__ = interface
        self.owner = owner


cdef object over(const void *data, int64_t n, str dtype, owner):
    """A read-only array over memory of the owner."""
    if n == 0:
        return np.empty(0, dtype)
    interface = {"data": (<size_t> data, True), "shape": (n,), "typestr": np.dtype(dtype).str, "version": 3}
    return np.asarray(_Memory(interface, owner))
