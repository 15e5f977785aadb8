# UTF-8 from code points. Owns the encoder; imports only C integer types and the reader of a str's storage.
#
# The interpreter's own encoders either keep a copy inside the str for as long as it lives or allocate a bytes
# object, and none works without the GIL. This one writes into a buffer of the caller's.
#
# Source: The Unicode Standard, section 3.9, table 3-6; a str's storage (1, 2 or 4 bytes a code point): PEP 393.

from libc.stdint cimport uint8_t, uint32_t


cdef extern from "Python.h":
    uint32_t PyUnicode_READ(int kind, const void *data, Py_ssize_t index) noexcept nogil


cdef enum:
    MAX_UTF8 = 4  # bytes that the longest code point takes


cdef inline Py_ssize_t encode_utf8(int kind, const void *data, Py_ssize_t count, uint8_t *out) noexcept nogil:
    """Encode `count` code points into `out`, which has room for MAX_UTF8 * count bytes.

    Returns the number of bytes written, or -1 at a surrogate or a number above U+10FFFF, which UTF-8 cannot hold.
    """
    cdef uint8_t *end = out
    cdef Py_ssize_t i
    cdef uint32_t point
    for i in range(count):
        point = PyUnicode_READ(kind, data, i)
        if point < 0x80:
            end[0] = <uint8_t>point
            end += 1
        elif point < 0x800:
            end[0] = <uint8_t>(0xC0 | point >> 6)
            end[1] = <uint8_t>(0x80 | point & 0x3F)
            end += 2
        elif point < 0x10000:
            if 0xD800 <= point < 0xE000:
                return -1
            end[0] = <uint8_t>(0xE0 | point >> 12)
            end[1] = <uint8_t>(0x80 | point >> 6 & 0x3F)
            end[2] = <uint8_t>(0x80 | point & 0x3F)
            end += 3
        elif point < 0x110000:
            end[0] = <uint8_t>(0xF0 | point >> 18)
            end[1] = <uint8_t>(0x80 | point >> 12 & 0x3F)
            end[2] = <uint8_t>(0x80 | point >> 6 & 0x3F)
            end[3] = <uint8_t>(0x80 | point & 0x3F)
            end += 4
        else:
            return -1
    return end - out
