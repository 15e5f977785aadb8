"""XXH64 of Python objects and of arrays of keys.

Owns `xxh64`, and which objects can be hashed.
"""

import numpy as np

from tophash_cache.containers import advice, bad_item

cimport cython
from cpython.buffer cimport Py_buffer, PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_Check, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from _hmap_bytes.raw_bytes cimport apart, prefetch, without_padding
from _hmap_bytes.utf8 cimport encode_utf8
from _hmap_bytes.xxh64 cimport xxh64_bytes


cdef extern from "Python.h":
    bint PyUnicode_Check(object text)
    int PyUnicode_READY(object text) except -1
    bint PyUnicode_IS_ASCII(object text)
    Py_ssize_t PyUnicode_GET_LENGTH(object text)
    int PyUnicode_KIND(object text)
    void *PyUnicode_DATA(object text)
    bytes PyUnicode_AsUTF8String(object text)
    unsigned long long PyLong_AsUnsignedLongLongMask(object number) except? -1
    PyObject **PySequence_Fast_ITEMS(object sequence)
    Py_ssize_t PySequence_Fast_GET_SIZE(object sequence)
    const int PyUnicode_4BYTE_KIND

cdef enum:
    # The most bytes that a code point takes in UTF-8.
    MAX_UTF8 = 4
    # A str of at most so many code points is encoded on the stack: twice the default max_key_bytes.
    STACK_POINTS = 64
    # Keys between the prefetch of an object and its use: 16 hashes take as long as one memory access.
    PREFETCH_AHEAD = 16
    # The last code point of Unicode.
    MAX_POINT = 0x10FFFF


cdef apart encode_short(int kind, const void *data, Py_ssize_t points, uint8_t *buffer,
                        Py_ssize_t *size) noexcept nogil:
    """encode_utf8(), kept out of hash_text(), whose way of an ASCII text is shorter without it."""
    size[0] = encode_utf8(kind, data, points, buffer, False)


cdef uint64_t hash_text(object text, uint64_t seed, Py_ssize_t *size) except? 0:
    """The digest of a str's UTF-8 bytes; `size` is set to their number. UnicodeEncodeError for a lone surrogate."""
    cdef uint8_t buffer[MAX_UTF8 * STACK_POINTS]
    cdef Py_ssize_t points
    cdef bytes encoded
    PyUnicode_READY(text)
    points = PyUnicode_GET_LENGTH(text)
    if PyUnicode_IS_ASCII(text):
        size[0] = points
        return xxh64_bytes(<const uint8_t *>PyUnicode_DATA(text), points, seed)
    if points <= STACK_POINTS:
        encode_short(PyUnicode_KIND(text), PyUnicode_DATA(text), points, buffer, size)
        if size[0] >= 0:
            return xxh64_bytes(buffer, size[0], seed)
    encoded = PyUnicode_AsUTF8String(text)  # a long text; or a lone surrogate, for which this raises
    size[0] = PyBytes_GET_SIZE(encoded)
    return xxh64_bytes(<const uint8_t *>PyBytes_AS_STRING(encoded), size[0], seed)


cdef object not_hashed(object key):
    wanted = f"give str, bytes, bytearray or memoryview{advice(key)}"
    return TypeError(f"cannot hash a key of type {type(key).__name__}: {wanted}")


cdef uint64_t hash_object(object key, uint64_t seed) except? 0:
    """The digest of a key. Raises TypeError if its type cannot be hashed."""
    cdef Py_ssize_t size
    cdef Py_buffer view
    cdef uint64_t digest
    if PyUnicode_Check(key):
        return hash_text(key, seed, &size)
    if PyBytes_Check(key):
        return xxh64_bytes(<const uint8_t *>PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key), seed)
    if not isinstance(key, (bytearray, memoryview)):
        raise not_hashed(key)
    PyObject_GetBuffer(key, &view, PyBUF_SIMPLE)
    digest = xxh64_bytes(<const uint8_t *>view.buf, view.len, seed)
    PyBuffer_Release(&view)
    return digest


cdef object hash_sequence(object keys, bint in_column):
    """The digests of a list or tuple of str and bytes, as a new uint64 array."""
    cdef Py_ssize_t i = 0, count = PySequence_Fast_GET_SIZE(keys)
    digests = np.empty(count, np.uint64)
    cdef uint64_t[::1] out = digests
    try:
        hash_items(keys, out, in_column, &i)
    except UnicodeEncodeError as error:
        error.add_note(f"the key at position {i}")
        raise
    return digests


@cython.critical_section
cdef int hash_items(object keys, uint64_t[::1] out, bint in_column, Py_ssize_t *position) except -1:
    """The digests of the items; `position` is that of the item that raises."""
    cdef Py_ssize_t i, size, count = out.shape[0]
    cdef PyObject **items
    cdef object key
    # Making the array may have run a finaliser. The loop below runs no Python code until it ends or raises.
    if PySequence_Fast_GET_SIZE(keys) != count:
        raise RuntimeError("the list changed its size while it was being hashed: pass a copy")
    items = PySequence_Fast_ITEMS(keys)
    for i in range(count):
        position[0] = i
        if i + PREFETCH_AHEAD < count:
            prefetch(items[i + PREFETCH_AHEAD])
        key = <object>items[i]
        if PyUnicode_Check(key):
            out[i] = hash_text(key, 0, &size)
        elif PyBytes_Check(key):
            out[i] = xxh64_bytes(<const uint8_t *>PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key), 0)
        else:
            raise bad_item(key, i, in_column)
    return 0


cdef void hash_fixed_bytes(const uint8_t *data, Py_ssize_t count, Py_ssize_t width, uint64_t *out) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(count):
        out[i] = xxh64_bytes(data, without_padding(data, width), 0)
        data += width


cdef Py_ssize_t hash_fixed_text(
    const uint32_t *data, Py_ssize_t count, Py_ssize_t width, uint8_t *buffer, uint64_t *out
) noexcept nogil:
    """Returns `count`, or the position of the first item that UTF-8 cannot encode."""
    cdef Py_ssize_t i, size
    for i in range(count):
        size = (without_padding(<const uint8_t *> data, 4 * width) + 3) // 4
        size = encode_utf8(PyUnicode_4BYTE_KIND, data, size, buffer, False)
        if size < 0:
            return i
        out[i] = xxh64_bytes(buffer, size, 0)
        data += width
    return count


cdef object hash_array(object keys, bint in_column):
    """The digests of a one-dimensional array of kind S, U, O or T, as a new uint64 array."""
    cdef const uint8_t[::1] octets
    cdef const uint32_t[::1] points
    cdef uint8_t[::1] buffer
    cdef uint64_t[::1] out
    cdef Py_ssize_t width, done, count = len(keys) if keys.ndim == 1 else 0
    if keys.ndim != 1:
        raise ValueError(f"hash_many takes a one-dimensional array, not one of shape {keys.shape}: pass keys.ravel()")
    if hasattr(keys.dtype, "na_object"):    # it may be a str: replace it by None
        return hash_sequence(keys.astype(np.dtypes.StringDType(na_object=None)).tolist(), True)
    if keys.dtype.kind in "OT":
        return hash_sequence(keys.tolist(), in_column)
    if keys.dtype.kind not in "SU":
        raise TypeError(f"hash_many takes arrays of text or bytes, not of dtype {keys.dtype}: convert the keys first")
    digests = np.empty(count, np.uint64)
    width = keys.dtype.itemsize
    if count == 0 or width == 0:
        digests.fill(xxh64_bytes(NULL, 0, 0))
        return digests
    out = digests
    flat = np.ascontiguousarray(keys, keys.dtype.newbyteorder("="))
    if keys.dtype.kind == "S":
        octets = flat.view(np.uint8)
        with nogil:
            hash_fixed_bytes(&octets[0], count, width, &out[0])
        return digests
    points = flat.view(np.uint32)
    buffer = np.empty(width, np.uint8)  # 4 bytes per code point: the size in the array, and the most in UTF-8
    with nogil:
        done = hash_fixed_text(&points[0], count, width // 4, &buffer[0], &out[0])
    if done < count:
        if flat[done:done + 1].view(np.uint32).max() <= MAX_POINT:
            try:
                str(flat[done]).encode()  # raises the error that names the surrogate
            except UnicodeEncodeError as error:
                error.add_note(f"the key at position {done}")
                raise
        raise ValueError(f"the key at position {done} is not text: it has a number above U+10FFFF; correct the array")
    return digests


def xxh64(key, seed=0):
    """The XXH64 digest of a key, computed directly.

    Args:
        key: a str (its UTF-8 bytes are hashed), bytes, bytearray or contiguous memoryview, or a subclass of these.
        seed: an int, taken modulo 2**64.

    Returns:
        The digest, 0 <= digest < 2**64. It equals that of `xxhash.xxh64_intdigest`.

    Raises:
        TypeError: the key is of another type, or the seed is not an int.
        UnicodeEncodeError: the str has a lone surrogate, which UTF-8 cannot encode.
        BufferError: the memoryview is not contiguous.

    Source: XXH64 by Yann Collet, doc/xxhash_spec.md in github.com/Cyan4973/xxHash.

    Example:
        >>> from tophash_cache import xxh64
        >>> hex(xxh64(""))
        '0xef46db3751d8e999'
    """
    return hash_object(key, PyLong_AsUnsignedLongLongMask(seed))
