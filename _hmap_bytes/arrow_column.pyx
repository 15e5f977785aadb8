"""Columns of other libraries, through the Arrow PyCapsule interface. No Arrow library is imported.

Owns the import and the release of Arrow columns, and the reading of their validity bitmaps. Each array is checked as
soon as it is here (`arrow_check`), so code that has a Column may follow its pointers. A column is read in place. Arrays
over its memory keep that memory alive, and the producer's release callback is called once, when the last of them is
deallocated.
"""

from collections.abc import Mapping, Set

import numpy as np

from cpython.exc cimport PyErr_CheckSignals
from cpython.pycapsule cimport PyCapsule_CheckExact, PyCapsule_GetName, PyCapsule_GetPointer, PyCapsule_IsValid
from libc.stdint cimport int64_t, uint8_t

from _hmap_bytes.arrow_check cimport MOST_ITEMS, check_array, check_type


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
        if chunk.array.length > MOST_ITEMS - self.n:
            raise ValueError(f"the Arrow stream has more than {MOST_ITEMS:,} items, which no memory holds")
        self.chunks.append(chunk)
        self.n += chunk.array.length
        return 0


cdef class Stream:
    def __dealloc__(self):
        if self.stream.release != NULL:
            self.stream.release(&self.stream)


def is_arrow(obj):
    """Whether an object is read as an Arrow column: if it has ``__arrow_c_array__`` or ``__arrow_c_stream__``.

    Three kinds of objects are excepted: those whose ``dtype`` is a NumPy one, since a pandas Series of NumPy data would
    be copied into Arrow first; those whose ``dtype`` is ``Object``, since polars exports the addresses of its objects;
    and mappings and sets, whose items are what iteration gives, even if they export a table, as pyhmap's do.

    >>> import numpy as np
    >>> is_arrow(np.arange(3)), is_arrow(["a", "b"])
    (False, False)
    """
    if isinstance(obj, Column):
        return True
    exports = hasattr(obj, "__arrow_c_array__") or hasattr(obj, "__arrow_c_stream__")
    if not exports or isinstance(obj, (Mapping, Set)):
        return False
    dtype = getattr(obj, "dtype", None)
    return not isinstance(dtype, np.dtype) and type(dtype).__name__ != "Object"


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
    pair = obj.__arrow_c_array__()
    if not isinstance(pair, tuple) or len(pair) != 2:
        raise TypeError(f"__arrow_c_array__() must return a pair of capsules, not {pair!r}: correct the producer")
    schema_capsule, array_capsule = pair
    schema = <ArrowSchema *> in_capsule(schema_capsule, "arrow_schema", "__arrow_c_array__")
    array = <ArrowArray *> in_capsule(array_capsule, "arrow_array", "__arrow_c_array__")
    if schema.release == NULL or array.release == NULL:
        raise ValueError("the Arrow array has been released, or read by another library, before: export it again")
    # Move the structs: a capsule's destructor does not release a struct whose `release` is NULL.
    column.schema = schema[0]
    schema.release = NULL
    chunk.array = array[0]
    array.release = NULL
    check_array(&column.schema, &chunk.array, -1, 0)
    column.add(chunk)
    return column


cdef Column import_type(obj):
    """A column without items, of the type that an object with ``__arrow_c_schema__`` describes."""
    cdef Column column = Column()
    capsule = obj.__arrow_c_schema__()      # its destructor releases what it holds
    cdef ArrowSchema *schema = <ArrowSchema *> in_capsule(capsule, "arrow_schema", "__arrow_c_schema__")
    if schema.release == NULL:
        raise ValueError("the Arrow type has been released, or read by another library, before: export it again")
    column.schema = schema[0]
    schema.release = NULL
    check_type(&column.schema)
    return column


cdef void *in_capsule(capsule, const char *name, str method) except NULL:
    """What a capsule points to."""
    cdef const char *other
    if PyCapsule_IsValid(capsule, name):
        return PyCapsule_GetPointer(capsule, name)
    if not PyCapsule_CheckExact(capsule):
        raise TypeError(f"{method}() must give capsules, not {type(capsule).__name__}: correct the producer")
    other = PyCapsule_GetName(capsule)
    given = "no name" if other == NULL else f"the name {other.decode('utf-8', 'replace')!r}"
    raise ValueError(f"{method}() gave a capsule with {given}, not {name.decode()!r}: correct the producer")


cdef Column child_column(Column parent, int64_t i, bint shares_items):
    """Child i of a column of a nested type. With `shares_items` the child has one item per item of the parent, as a
    field of a struct has, and the parent's offset and length apply to it."""
    cdef Column column = Column()
    cdef Chunk whole, chunk
    column.schema = parent.schema.children[i][0]
    column.schema.release = NULL
    column.owner = parent
    for whole in parent.chunks:
        chunk = Chunk()
        chunk.array = whole.array.children[i][0]
        chunk.array.release = NULL
        chunk.owner = whole
        if shares_items:
            chunk.array.offset += whole.array.offset
            if chunk.array.length != whole.array.length:
                chunk.array.null_count = -1
            chunk.array.length = whole.array.length
        column.add(chunk)
    return column


cdef int import_stream(Column column, capsule) except -1:
    """Import all chunks of a stream, and release it."""
    cdef ArrowArrayStream *exported
    cdef Stream owner = Stream()
    cdef ArrowArrayStream *stream = &owner.stream
    cdef Chunk chunk
    cdef int code
    exported = <ArrowArrayStream *> in_capsule(capsule, "arrow_array_stream", "__arrow_c_stream__")
    if exported.release == NULL:
        raise ValueError("the Arrow stream has been released, or read by another library, before: export it again")
    # Moved, as an array is: read again, a stream at its end would pass for an empty column.
    stream[0] = exported[0]
    exported.release = NULL
    if stream.get_schema == NULL or stream.get_next == NULL:
        raise ValueError("the Arrow stream is malformed: it has no get_schema or no get_next; check the producer")
    with nogil:             # the producer may start threads that need the GIL
        code = stream.get_schema(stream, &column.schema)
    if code:
        column.schema.release = NULL        # after an error the struct is undefined
        raise_last_error(stream, code)
    if column.schema.release == NULL:
        raise ValueError("the Arrow stream is malformed: its type has been released; check the producer")
    while True:
        PyErr_CheckSignals()                # a stream may have no end
        chunk = Chunk()
        with nogil:
            code = stream.get_next(stream, &chunk.array)
        if code:
            chunk.array.release = NULL
            raise_last_error(stream, code)
        if chunk.array.release == NULL:     # the end of the stream
            break
        check_array(&column.schema, &chunk.array, len(column.chunks), column.n)
        column.add(chunk)
    if not column.chunks:
        check_type(&column.schema)
    return 0


cdef int raise_last_error(ArrowArrayStream *stream, int code) except -1:
    cdef const char *message = NULL
    if stream.get_last_error != NULL:
        message = stream.get_last_error(stream)
    reason = "no reason given" if message == NULL or message[0] == 0 else message.decode("utf-8", "replace")
    raise OSError(code, f"the Arrow stream failed: {reason}")


# ---- reading in place ------------------------------------------------------------------------------------------------

cdef object validity(const ArrowArray *array, owner):
    """The validity of an array's items as bools, or None if all are valid. Its type has a validity bitmap."""
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
