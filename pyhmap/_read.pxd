# Kernels that turn raw buffers into Texts: fixed-size items, code points, Arrow's offsets, views and dictionaries.
# Imports _layout, _text, _types, _utf8.
#
# Each fills out[0:n] and returns n, or the position where it had to stop; the caller finds out why, and raises or makes
# room and goes on from there. `valid` has a byte an item, 0 at a null, or is NULL when there is none: a null becomes
# the empty text, and what the buffers hold in its place is not looked at.
#
# Integers are read with memcpy, since Arrow buffers and NumPy fields may lie at any address.
#
# Source of the layouts: Arrow Columnar Format, sections "Variable-size Binary Layout", "Variable-size Binary View
# Layout", "Dictionary-encoded Layout".

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from pyhmap._layout cimport Text, prefetch
from pyhmap._text cimport make_text, text_data
from pyhmap._types cimport INLINE_TEXT
from pyhmap._utf8 cimport encode_utf8

cdef enum:
    MAX_TEXT = 0xFFFFFFFF       # bytes: a Text's size is a uint32
    VIEW = 16                   # bytes of an Arrow view
    # Texts of a column lie in a row, but the processor's own prefetching ends at each page: asking for what comes so
    # many bytes later saves 1 to 3 % of a look-up (profiling/results/builds-texts.json: `ahead` against `listed`).
    AHEAD = 1024


cdef struct Scratch:            # where transcoded texts go
    uint8_t *at
    Py_ssize_t room             # bytes free there


cdef inline void copy_short(uint8_t *target, const uint8_t *source, Py_ssize_t size) noexcept nogil:
    """memcpy of few bytes, in blocks of fixed size of which the last two overlap: where gcc knows that a size is small
    it makes memcpy a `rep movs`, which takes some 40 ns to start."""
    cdef Py_ssize_t i
    if size >= 16:
        for i in range(0, size - 16, 16):
            memcpy(target + i, source + i, 16)
        memcpy(target + size - 16, source + size - 16, 16)
    elif size >= 8:
        memcpy(target, source, 8)
        memcpy(target + size - 8, source + size - 8, 8)
    elif size >= 4:
        memcpy(target, source, 4)
        memcpy(target + size - 4, source + size - 4, 4)
    else:
        for i in range(size):
            target[i] = source[i]


cdef struct Offsets:            # items of an Arrow array that has no nulls: item i is data[at[i]:at[i + 1]]
    const uint8_t *at
    const uint8_t *data
    int width                   # bytes of an offset


cdef inline Text scratch_text(Scratch *scratch, uint32_t size) noexcept nogil:
    """The text of the `size` bytes just written to the scratch; they are taken only if the Text points to them."""
    cdef Text text = make_text(scratch.at, size)
    if size > INLINE_TEXT:
        scratch.at += size
        scratch.room -= size
    return text


cdef inline uint64_t load_unsigned(const uint8_t *data, int width) noexcept nogil:
    """The integer of 1, 2, 4 or 8 bytes at any address."""
    cdef uint16_t half
    cdef uint32_t word
    cdef uint64_t long_word
    if width == 4:
        memcpy(&word, data, 4)
        return word
    if width == 8:
        memcpy(&long_word, data, 8)
        return long_word
    if width == 2:
        memcpy(&half, data, 2)
        return half
    return data[0]


cdef inline int64_t load_offset(const uint8_t *data, int width) noexcept nogil:
    """An Arrow offset of 4 or 8 bytes: they are signed."""
    return <int32_t> load_unsigned(data, 4) if width == 4 else <int64_t> load_unsigned(data, 8)


cdef inline Py_ssize_t stripped(const uint8_t *data, Py_ssize_t size) noexcept nogil:
    """The size without trailing NULs, which NumPy pads S and U items with."""
    while size >= 8 and load_unsigned(data + size - 8, 8) == 0:
        size -= 8
    while size > 0 and data[size - 1] == 0:
        size -= 1
    return size


cdef inline Py_ssize_t read_fixed(Text *out, Py_ssize_t n, const uint8_t *data, Py_ssize_t step, Py_ssize_t size,
                                  bint strip, const uint8_t *valid) noexcept nogil:
    """Items of `size` bytes, `step` bytes apart."""
    cdef Py_ssize_t i
    for i in range(n):
        if valid != NULL and not valid[i]:
            out[i] = make_text(data, 0)
        else:
            out[i] = make_text(data + i * step, <uint32_t> (stripped(data + i * step, size) if strip else size))
    return n


cdef inline Py_ssize_t read_points(Text *out, Py_ssize_t start, Py_ssize_t n, const uint8_t *data, Py_ssize_t step,
                                   Py_ssize_t size, Scratch *scratch) noexcept nogil:
    """Items of `size` bytes that are aligned 4-byte code points, from position `start` on. Stops where the scratch has
    less room than `size`, the bytes that an item may take, or else at an item that is no text."""
    cdef Py_ssize_t i, points, written
    for i in range(start, n):
        if scratch.room < size:
            return i
        points = (stripped(data + i * step, size) + 3) // 4
        written = encode_utf8(4, data + i * step, points, scratch.at)
        if written < 0:
            return i
        out[i] = scratch_text(scratch, <uint32_t> written)
    return n


cdef inline Py_ssize_t read_offsets(Text *out, Py_ssize_t n, const uint8_t *offsets, int width, const uint8_t *data,
                                    const uint8_t *valid) noexcept nogil:
    """Item i is data[offsets[i]:offsets[i + 1]]. Stops at an item of more than MAX_TEXT or less than 0 bytes."""
    cdef Py_ssize_t i
    cdef int64_t begin, end = load_offset(offsets, width) if n else 0
    cdef uint64_t size
    if end < 0:
        return 0
    for i in range(n):
        begin = end
        end = load_offset(offsets + (i + 1) * width, width)
        size = 0 if valid != NULL and not valid[i] else <uint64_t> (end - begin)    # one less than 0 wraps around
        if size > MAX_TEXT:
            return i
        prefetch(<const void *> (<uint64_t> data + begin + AHEAD))      # may lie behind the data: no pointer into it
        out[i] = make_text(data + begin, <uint32_t> size)
    return n


cdef inline Py_ssize_t read_views(Text *out, Py_ssize_t n, const uint8_t *views, const uint8_t **buffers,
                                  const uint8_t *sizes, int64_t nbuffers, const uint8_t *valid) noexcept nogil:
    """Views: a size, then up to 12 bytes, or a 4-byte prefix, the number of a buffer and an offset into it. Stops at
    a view that does not lie in its buffer; `sizes` are the buffers' sizes, int64 each."""
    cdef Py_ssize_t i
    cdef const uint8_t *view
    cdef int32_t field[4]
    for i in range(n):
        view = views + i * VIEW
        memcpy(field, view, VIEW)
        if valid != NULL and not valid[i]:
            out[i] = make_text(view, 0)
        elif 0 <= field[0] <= INLINE_TEXT:
            out[i] = make_text(view + 4, field[0])
        elif field[0] < 0 or not 0 <= field[2] < nbuffers or field[3] < 0 or (
                <uint64_t> field[3] + field[0] > load_unsigned(sizes + field[2] * 8, 8)):
            return i
        else:
            out[i] = make_text(buffers[field[2]] + field[3], field[0])
    return n


cdef inline Py_ssize_t read_dictionary(Text *out, Py_ssize_t n, const uint8_t *codes, int width, const Text *words,
                                       uint64_t nwords, const uint8_t *words_valid, uint8_t *valid) noexcept nogil:
    """Item i is words[codes[i]]; the code of a null word makes item i a null. Stops at a code that has no word."""
    cdef Py_ssize_t i
    cdef uint64_t code
    for i in range(n):
        if valid != NULL and not valid[i]:
            out[i] = make_text(codes, 0)
            continue
        code = load_unsigned(codes + i * width, width)      # a negative one comes out as a large one
        if code >= nwords:
            return i
        out[i] = words[code]
        if words_valid != NULL:
            valid[i] = words_valid[code]
    return n


cdef inline Py_ssize_t fit_fixed(Text *texts, Py_ssize_t n, bint strip, bint exact, bint points, uint32_t size,
                                 const uint8_t *valid) noexcept nogil:
    """Make texts what items of a fixed size hold: without trailing NULs if `strip`. Stops at one of more than (if
    `exact`: not of) `size` bytes, or of more than `size` code points if `points`."""
    cdef Py_ssize_t i, j, length, continued
    cdef const uint8_t *data
    for i in range(n):
        if valid != NULL and not valid[i]:
            continue
        data = text_data(&texts[i])
        length = stripped(data, texts[i].size) if strip else texts[i].size
        texts[i] = make_text(data, <uint32_t> length)
        continued = 0
        if points:
            for j in range(length):
                continued += data[j] & 0xC0 == 0x80
        if length - continued > size or (exact and length != size):
            return i
    return n
