"""Digests of Arrow columns of text or bytes.

Owns the types that can be hashed, and the kernels that hash them in place with the GIL released. The words of a
dictionary are hashed once each. UTF-8 is not validated: the digest is that of the bytes in the column.
"""

import numpy as np

from _hmap_bytes.arrow_types import type_name
from tophash_cache.containers import null

from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t

from _hmap_bytes.arrow_abi cimport ArrowArray, ArrowSchema
from _hmap_bytes.arrow_column cimport Chunk, Column, import_column, over, validity
from _hmap_bytes.arrow_items cimport VIEW, buffer_at, last_offset, malformed_item, offsets_item, view_item
from _hmap_bytes.xxh64 cimport xxh64_bytes

# Arrow's text formats, and the bytes per offset of each; 0 for views. Further formats are "n", and "w:" with a width.
cdef dict OFFSET_WIDTHS = {"u": 4, "z": 4, "U": 8, "Z": 8, "vu": 0, "vz": 0}
# The formats of the codes of a dictionary-encoded column.
cdef dict CODES = {"c": "i1", "C": "u1", "s": "i2", "S": "u2", "i": "i4", "I": "u4", "l": "i8", "L": "u8"}
# What to do with a column of a type that cannot be hashed, by its format, or by "+" for other nested types.
cdef dict ADVICE = {
    "+s": "give one of its columns",
    "+r": "decode it, in pyarrow by pyarrow.compute.run_end_decode(column)",
    "+": "give a column of its items",
    "": "cast it (pyarrow: cast('string'), polars: cast(str), pandas: astype(str))",
}


def hash_arrow(keys):
    """The digests of an Arrow column, as a new uint64 array. See `TopHashCache.hash_many` for the errors.

    None if `keys` cannot be exported but has `__array__`: a pandas column without pyarrow, or of a type unknown to it.

    Example:
        >>> hash_arrow(object())
        Traceback (most recent call last):
        ...
        AttributeError: 'object' object has no attribute '__arrow_c_stream__'
    """
    cdef Column column
    cdef Chunk chunk
    cdef Py_ssize_t start = 0
    try:
        column = import_column(keys)
    except (ImportError, TypeError):
        if hasattr(keys, "__array__"):
            return None
        raise
    check_type(&column.schema)
    for chunk in column.chunks:         # all of them, before anything is hashed
        if chunk.array.length:
            refuse_nulls(&column.schema, &chunk.array, chunk, start)
            start += chunk.array.length
    digests = np.empty(column.n, np.uint64)
    start = 0
    for chunk in column.chunks:
        if chunk.array.length:
            hash_chunk(&column.schema, &chunk.array, chunk, digests[start:start + chunk.array.length], start)
            start += chunk.array.length
    return digests


cdef int check_type(const ArrowSchema *schema) except -1:
    """Raise unless the items of the column, or the words of its dictionary, are text or bytes."""
    cdef const ArrowSchema *words = schema if schema.dictionary == NULL else schema.dictionary
    encoded = "dictionary-encoded " if words != schema else ""
    format = words.format.decode()
    if words.dictionary != NULL:
        raise TypeError("hash_many takes no Arrow column whose dictionary is dictionary-encoded: decode it")
    if format not in OFFSET_WIDTHS and format != "n" and format[:2] != "w:":
        advice = ADVICE.get(format) or ADVICE[format[:1] if format[:1] == "+" else ""]
        raise TypeError(
            f"hash_many takes Arrow columns of text or bytes, not of {encoded}{type_name(format)}: {advice}"
        )
    return 0


cdef int refuse_nulls(const ArrowSchema *schema, const ArrowArray *array, owner, Py_ssize_t start) except -1:
    """Raise for the first null of an array that is not empty."""
    format = schema.format.decode()
    if format == "n":
        raise null(start)
    valid = validity(array, owner)
    if valid is None and schema.dictionary != NULL:
        codes = codes_of(schema, array, owner)
        words = array.dictionary.length
        wrong = (codes < 0) | (codes >= words)
        if wrong.any():
            position = wrong.argmax()
            raise ValueError(
                f"the Arrow array is malformed: the key at position {start + position} has code {codes[position]}, "
                f"and its dictionary has {words} words; check the producer"
            )
        valid = validity_of_words(schema.dictionary, array.dictionary, owner)
        if valid is not None:
            valid = valid[codes]
    if valid is not None and not valid.all():
        raise null(start + valid.argmin())
    return 0


cdef object codes_of(const ArrowSchema *schema, const ArrowArray *array, owner):
    dtype = CODES[schema.format.decode()]
    cdef int width = int(dtype[1])
    return over(<const uint8_t *> array.buffers[1] + array.offset * width, array.length, dtype, owner)


cdef object validity_of_words(const ArrowSchema *schema, const ArrowArray *array, owner):
    format = schema.format.decode()
    if format == "n":
        return np.zeros(array.length, bool)
    return validity(array, owner)


cdef int hash_chunk(const ArrowSchema *schema, const ArrowArray *array, owner, digests, Py_ssize_t start) except -1:
    """Write the digests of an array that is not empty and has no nulls."""
    cdef Py_ssize_t done
    if schema.dictionary == NULL:
        done = hash_items(schema, array, None, digests)
        if done == array.length:
            return 0
        where = f"the key at position {start + done}"
    else:
        of_words = np.empty(array.dictionary.length, np.uint64)
        valid = validity_of_words(schema.dictionary, array.dictionary, owner)
        done = hash_items(schema.dictionary, array.dictionary, valid, of_words)
        if done == array.dictionary.length:
            np.take(of_words, codes_of(schema, array, owner), out=digests)
            return 0
        where = f"word {done} of its dictionary"
    raise ValueError(
        f"the Arrow array is malformed: {where} has bad offsets or lies outside its buffer; check the producer"
    )


cdef Py_ssize_t hash_items(const ArrowSchema *schema, const ArrowArray *array, validity, digests) except -1:
    """Write the digests of the valid items. Returns their number, or the position of the first malformed one."""
    cdef const uint8_t[::1] flags
    cdef const uint8_t *valid = NULL
    cdef uint64_t[::1] out = digests
    cdef const uint8_t **buffers = <const uint8_t **> array.buffers
    cdef const uint8_t *items = buffer_at(array, 1)
    cdef int64_t done, n = array.length, offset = array.offset, nbuffers = array.n_buffers - 3
    cdef int width
    format = schema.format.decode()
    if validity is not None:
        flags = validity.view(np.uint8)
        valid = &flags[0]
    if format not in OFFSET_WIDTHS:
        width = int(format[2:])
        with nogil:
            done = hash_fixed(items + offset * width, width, n, &out[0])
        return done
    width = OFFSET_WIDTHS[format]
    if width:
        with nogil:
            done = hash_offsets(items + offset * width, width, buffer_at(array, 2), n, valid, &out[0])
    else:
        with nogil:         # the last buffer holds the sizes of the data buffers
            done = hash_views(items + offset * VIEW, buffers + 2, buffers[2 + nbuffers], nbuffers, n, valid, &out[0])
    return done


cdef int64_t hash_offsets(const uint8_t *offsets, int width, const uint8_t *data, int64_t n, const uint8_t *valid,
                          uint64_t *out) noexcept nogil:
    """Returns n, or the position of the first valid item with offsets that are negative, fall or exceed the last."""
    cdef int64_t i, begin, end, last = last_offset(offsets, width, n)
    for i in range(n):
        if valid != NULL and not valid[i]:
            continue
        if not offsets_item(offsets, width, i, last, &begin, &end):
            return malformed_item(offsets, width, n, i)
        out[i] = xxh64_bytes(data + begin, end - begin, 0)
    return n


cdef int64_t hash_views(const uint8_t *views, const uint8_t **buffers, const uint8_t *sizes, int64_t nbuffers,
                        int64_t n, const uint8_t *valid, uint64_t *out) noexcept nogil:
    """Returns n, or the position of the first valid item that is not in a data buffer."""
    cdef const uint8_t *data
    cdef int32_t size
    cdef int64_t i
    for i in range(n):
        if valid != NULL and not valid[i]:
            continue
        if not view_item(views + i * VIEW, buffers, sizes, nbuffers, &data, &size):
            return i
        out[i] = xxh64_bytes(data, size, 0)
    return n


cdef int64_t hash_fixed(const uint8_t *items, int width, int64_t n, uint64_t *out) noexcept nogil:
    """Returns n. Nulls are hashed as well: in this layout each of them has bytes."""
    cdef int64_t i
    for i in range(n):
        out[i] = xxh64_bytes(items + i * width, width, 0)
    return n
