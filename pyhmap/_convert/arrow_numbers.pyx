"""Arrow columns of numbers, bools and times as NumPy arrays. (`text_batch` reads columns of texts.)

Owns the NumPy type of each such Arrow format. A column is read in place where the layouts agree.
"""

import numpy as np

from libc.stdint cimport int64_t, uint8_t

from _hmap_bytes.arrow_abi cimport ArrowSchema
from _hmap_bytes.arrow_column cimport Chunk, Column, bits, check_buffers, import_column, over, validity

# Arrow's format strings, and the NumPy types of the same bits. numpy_dtype() has the others: bool, which Arrow packs
# into bits, date32, and timestamps.
cdef dict DTYPES = {
    "c": "i1", "C": "u1", "s": "i2", "S": "u2", "i": "i4", "I": "u4", "l": "i8", "L": "u8",
    "e": "f2", "f": "f4", "g": "f8",
    "tdm": "M8[ms]", "tDs": "m8[s]", "tDm": "m8[ms]", "tDu": "m8[us]", "tDn": "m8[ns]",
}  # fmt: skip

# The time zones in which a timestamp is what datetime64 holds.
cdef tuple UTC = ("", "UTC", "Etc/UTC", "+00:00")


def arrow_array(obj):
    """An Arrow column of numbers, bools or times as a NumPy array.

    Parameters
    ----------
    obj
        An object for which ``is_arrow`` is true, with n items in any number of chunks.

    Returns
    -------
    values : ndarray of shape (n,)
        Read-only. It is no copy if the column has one chunk and is neither bool nor date32. Timestamps and durations
        keep their unit; a date32 is ``datetime64[D]``, a date64 ``datetime64[ms]``. Items at nulls are undefined.
    valid : ndarray of bool of shape (n,), or None
        False at the nulls; None if there are none.

    Raises
    ------
    TypeError
        The column is of another Arrow type, or has a time zone that is not UTC.
    ValueError
        The array is malformed.
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
            raise TypeError(f"the Arrow column has time zone {zone!r}; NumPy's times have none: convert it to UTC")
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
