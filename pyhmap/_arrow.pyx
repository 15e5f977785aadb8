"""Columns of other libraries, through the Arrow PyCapsule interface.

Owns the import and release of Arrow columns, and their reading as NumPy arrays of numbers, bools and times (`_texts`
reads those of texts). Imports NumPy only.

A column is read in place: an array that is returned keeps the producer's memory alive, and the producer's release
callback is called once, when the last array over it is gone.
"""

import numpy as np

from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.stdint cimport int64_t, uint8_t

# Arrow's format strings and the NumPy types of the same bits. Not here: bool, of which Arrow packs eight into a byte,
# and date32 and timestamps, which numpy_dtype() knows.
cdef dict DTYPES = {
    "c": "i1", "C": "u1", "s": "i2", "S": "u2", "i": "i4", "I": "u4", "l": "i8", "L": "u8",
    "e": "f2", "f": "f4", "g": "f8",
    "tdm": "M8[ms]", "tDs": "m8[s]", "tDm": "m8[ms]", "tDu": "m8[us]", "tDn": "m8[ns]",
}  # fmt: skip

# The time zones whose clock shows what datetime64 holds.
cdef tuple UTC = ("", "UTC", "Etc/UTC", "+00:00")


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

    cdef int add(self, Chunk chunk) except -1:
        if chunk.array.length < 0 or chunk.array.offset < 0:
            raise ValueError(
                f"the Arrow array is malformed: length {chunk.array.length}, offset {chunk.array.offset}"
            )
        self.chunks.append(chunk)
        self.n += chunk.array.length
        return 0


def is_arrow(obj):
    """Whether an object is to be read as an Arrow column.

    It is if it has ``__arrow_c_array__`` or ``__arrow_c_stream__``, unless its ``dtype`` is a NumPy one: a pandas
    Series of NumPy data would be copied into Arrow first.

    >>> import numpy as np
    >>> is_arrow(np.arange(3)), is_arrow(["a", "b"])
    (False, False)
    """
    exports = hasattr(obj, "__arrow_c_array__") or hasattr(obj, "__arrow_c_stream__")
    return exports and not isinstance(getattr(obj, "dtype", None), np.dtype)


def arrow_array(obj):
    """An Arrow column of numbers, bools or times as a NumPy array.

    Parameters
    ----------
    obj
        Anything that ``is_arrow``, with n items in any number of chunks.

    Returns
    -------
    values : ndarray of shape (n,)
        Read-only, and without a copy if the column has one chunk and is neither bool nor date32. Timestamps and
        durations keep their unit, a date32 is ``datetime64[D]``, a date64 ``datetime64[ms]``. What stands at a null
        is anything.
    valid : ndarray of bool of shape (n,), or None
        False at the nulls; None if there are none.

    Raises
    ------
    TypeError
        The column is of another Arrow type, or has a time zone that is not UTC.
    ValueError
        The producer handed out a malformed array.
    """
    cdef Column column = import_column(obj)
    cdef Chunk chunk
    cdef list arrays = [], masks = []
    dtype = numpy_dtype(&column.schema)
    for chunk in column.chunks:
        check_buffers(&chunk.array, 2)
        arrays.append(numbers(chunk, dtype))
        masks.append(validity(&chunk.array, chunk))
    valid = None
    if any(mask is not None for mask in masks):
        valid = np.concatenate([
            np.ones(len(array), bool) if mask is None else mask for array, mask in zip(arrays, masks)
        ])
    if len(arrays) == 1:
        return arrays[0], valid
    return np.concatenate([np.empty(0, dtype), *arrays]), valid


cdef object numpy_dtype(const ArrowSchema *schema):
    format = schema.format.decode()
    if schema.dictionary == NULL:
        if format in DTYPES:
            return np.dtype(DTYPES[format])
        if format == "b":
            return np.dtype(bool)
        if format == "tdD":
            return np.dtype("M8[D]")
        if format[:2] == "ts":
            unit = {"s": "s", "m": "ms", "u": "us", "n": "ns"}[format[2]]
            if format[4:] in UTC:
                return np.dtype(f"M8[{unit}]")
            zone = format[4:]
            raise TypeError(f"the Arrow column has time zone {zone!r}, NumPy's times have none: convert it to UTC")
    encoded = "dictionary-encoded " if schema.dictionary != NULL else ""
    raise TypeError(
        f"the Arrow column is of {encoded}format {format!r}: cast it to numbers, bools, dates, timestamps or durations"
    )


cdef object numbers(Chunk chunk, dtype):
    """The items of a chunk."""
    cdef const uint8_t *data = <const uint8_t *> chunk.array.buffers[1]
    cdef int64_t size = dtype.itemsize
    if dtype.kind == "b":
        return bits(data, chunk.array.offset, chunk.array.length, chunk)
    if dtype == "M8[D]":    # 32 bits in Arrow
        return over(data + 4 * chunk.array.offset, chunk.array.length, "i4", chunk).astype("i8").view("M8[D]")
    return over(data + size * chunk.array.offset, chunk.array.length, dtype.str, chunk)


cdef object validity(const ArrowArray *array, owner):
    """The validity of an array's items as bools, or None if all are valid. Call check_buffers() first."""
    if array.null_count == 0 or array.buffers[0] == NULL:
        return None
    valid = bits(<const uint8_t *> array.buffers[0], array.offset, array.length, owner)
    return None if valid.all() else valid


cdef object bits(const uint8_t *data, int64_t offset, int64_t n, owner):
    """n bits, the lowest of a byte first, as bools."""
    if n == 0:              # the buffer may be NULL
        return np.empty(0, bool)
    packed = over(data + offset // 8, (offset % 8 + n + 7) // 8, "u1", owner)
    return np.unpackbits(packed, count=offset % 8 + n, bitorder="little")[offset % 8:].view(bool)


class _Memory:
    """What NumPy asks for memory, and what keeps that alive."""

    def __init__(self, interface, owner):
        self.__array_interface__ = interface
        self.owner = owner


cdef object over(const void *data, int64_t n, str dtype, owner):
    """A read-only array over memory of the owner."""
    if n == 0:
        return np.empty(0, dtype)
    interface = {"data": (<size_t> data, True), "shape": (n,), "typestr": np.dtype(dtype).str, "version": 3}
    return np.asarray(_Memory(interface, owner))


# ---- import ----------------------------------------------------------------------------------------------------------

cdef int check_buffers(const ArrowArray *array, int64_t least) except -1:
    if array.n_buffers < least:
        raise ValueError(f"the Arrow array is malformed: it has {array.n_buffers} buffers, its type needs {least}")
    return 0


cdef Column import_column(obj):
    """The column of an object that is_arrow."""
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
    # Taken over: the capsule's destructor leaves alone what has no release any more.
    column.schema = schema[0]
    schema.release = NULL
    chunk.array = array[0]
    array.release = NULL
    column.add(chunk)
    return column


cdef int import_stream(Column column, capsule) except -1:
    """All chunks of a stream, which the capsule's destructor releases."""
    cdef ArrowArrayStream *stream = <ArrowArrayStream *> PyCapsule_GetPointer(capsule, "arrow_array_stream")
    cdef Chunk chunk
    cdef int code
    if stream.release == NULL:
        raise ValueError("the Arrow stream has been released, or read by another library, before: export it again")
    with nogil:             # the producer may go to work, in threads that want the GIL
        code = stream.get_schema(stream, &column.schema)
    if code:
        column.schema.release = NULL        # what a failed call leaves behind means nothing
        raise_last_error(stream, code)
    while True:
        chunk = Chunk()
        with nogil:
            code = stream.get_next(stream, &chunk.array)
        if code:
            chunk.array.release = NULL
            raise_last_error(stream, code)
        if chunk.array.release == NULL:     # the end
            return 0
        column.add(chunk)


cdef int raise_last_error(ArrowArrayStream *stream, int code) except -1:
    cdef const char *message = stream.get_last_error(stream)
    reason = "no reason given" if message == NULL else message.decode("utf-8", "replace")
    raise OSError(code, f"the Arrow stream failed: {reason}")
