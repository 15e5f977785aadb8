# UTF-8 from the code points of a str or of a NumPy U item; and whether bytes are UTF-8.
#
# Python's own encoders need the GIL, and make a bytes object per str or keep a copy in the user's str for its lifetime.
# This one writes into the caller's buffer.
#
# Source: The Unicode Standard, section 3.9, tables 3-6 and 3-7. How a str holds its code points (1, 2 or 4 bytes each):
# PEP 393.

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from _hmap_bytes.raw_bytes cimport load64

cdef extern from "Python.h":
    uint32_t PyUnicode_READ(int kind, const void *data, Py_ssize_t index) noexcept nogil


cdef inline Py_ssize_t utf8_bound(int kind, Py_ssize_t n) noexcept nogil:
    """The most bytes that n code points of `kind` (1, 2 or 4) bytes each take: U+00FF takes 2, U+FFFF 3, U+10FFFF 4."""
    return n * (kind + 1 if kind < 4 else 4)


cdef inline Py_ssize_t encode_utf8(int kind, const void *data, Py_ssize_t n, uint8_t *out,
                                   bint surrogates) noexcept nogil:
    """Encode n code points into `out`, which has room for utf8_bound(kind, n) bytes.

    With `surrogates`, a lone surrogate takes three bytes, like other characters of its plane (Python's
    "surrogatepass"). Every str then has an encoding, and no two have the same.

    Returns the number of bytes written; or -1 for a number above U+10FFFF, which is not a code point, and, without
    `surrogates`, for a surrogate, which UTF-8 cannot encode.
    """
    cdef uint8_t *end = out
    cdef Py_ssize_t i = 0, stop
    cdef uint32_t point, p0, p1, p2, p3
    while i < n:
        stop = min(i + 4, n)
        if stop == i + 4:           # four ASCII characters in one step: most texts are ASCII
            p0 = PyUnicode_READ(kind, data, i)
            p1 = PyUnicode_READ(kind, data, i + 1)
            p2 = PyUnicode_READ(kind, data, i + 2)
            p3 = PyUnicode_READ(kind, data, i + 3)
            if (p0 | p1 | p2 | p3) < 0x80:
                end[0] = <uint8_t> p0
                end[1] = <uint8_t> p1
                end[2] = <uint8_t> p2
                end[3] = <uint8_t> p3
                end += 4
                i = stop
                continue
        while i < stop:
            point = PyUnicode_READ(kind, data, i)
            i += 1
            if point < 0x80:
                end[0] = <uint8_t> point
                end += 1
            elif point < 0x800:
                end[0] = <uint8_t> (0xC0 | point >> 6)
                end[1] = <uint8_t> (0x80 | point & 0x3F)
                end += 2
            elif point < 0x10000:
                if not surrogates and 0xD800 <= point < 0xE000:
                    return -1
                end[0] = <uint8_t> (0xE0 | point >> 12)
                end[1] = <uint8_t> (0x80 | point >> 6 & 0x3F)
                end[2] = <uint8_t> (0x80 | point & 0x3F)
                end += 3
            elif point < 0x110000:
                end[0] = <uint8_t> (0xF0 | point >> 18)
                end[1] = <uint8_t> (0x80 | point >> 12 & 0x3F)
                end[2] = <uint8_t> (0x80 | point >> 6 & 0x3F)
                end[3] = <uint8_t> (0x80 | point & 0x3F)
                end += 4
            else:
                return -1
    return end - out


cdef inline bint is_utf8(const uint8_t *data, Py_ssize_t size) noexcept nogil:
    """Whether bytes are UTF-8: of no surrogate, no number above U+10FFFF, and no character in more bytes than it needs.
    """
    cdef Py_ssize_t i = 0
    cdef uint8_t lead, least, most      # of the second byte
    while i < size:
        if size - i >= 8 and load64(data + i) & <uint64_t> 0x8080808080808080 == 0:     # most texts are ASCII
            i += 8
            continue
        lead = data[i]
        if lead < 0x80:
            i += 1
            continue
        least = 0xA0 if lead == 0xE0 else 0x90 if lead == 0xF0 else 0x80
        most = 0x9F if lead == 0xED else 0x8F if lead == 0xF4 else 0xBF
        if not 0xC2 <= lead <= 0xF4 or size - i < 2 or not least <= data[i + 1] <= most:
            return False
        i += 2
        if lead >= 0xE0:
            if i == size or data[i] & 0xC0 != 0x80:
                return False
            i += 1
        if lead >= 0xF0:
            if i == size or data[i] & 0xC0 != 0x80:
                return False
            i += 1
    return True
