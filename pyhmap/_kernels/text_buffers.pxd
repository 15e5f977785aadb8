# Kernels that turn raw buffers into Texts: fixed-size items, code points, Arrow's offsets, views and dictionaries. And
# back: join_texts() makes a buffer of Texts.
#
# Those that read fill out[0:n] and return n, or the position where they had to stop; the caller finds out why, and
# raises, or makes room and continues from there. `valid` has one byte per item, 0 at a null, or is NULL when there are
# no nulls. A null becomes the empty text, and what the buffers hold in its place is not read.
#
# Source of the layouts: Arrow Columnar Format, sections "Variable-size Binary Layout", "Variable-size Binary View
# Layout", "Dictionary-encoded Layout".

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from _hmap_bytes.arrow_items cimport VIEW, view_item
from _hmap_bytes.raw_bytes cimport load_signed, load_unsigned, prefetch, without_padding
from _hmap_bytes.utf8 cimport encode_utf8, is_utf8
from pyhmap._kernels.constants cimport INLINE_TEXT, MAX_TEXT
from pyhmap._kernels.layout cimport Text
from pyhmap._kernels.text cimport make_text, text_data

cdef enum:
    # The texts of a column lie one behind the other, but the processor's own prefetching ends at each page: ask for the
    # bytes that come so much later.
    COLUMN_AHEAD = 1024
    TEXTS_AHEAD = 32            # texts between the prefetch of one in an arena and its use: covers one memory access


cdef struct Scratch:            # where transcoded texts go
    uint8_t *at
    Py_ssize_t room             # free bytes there


cdef inline void copy_short(uint8_t *target, const uint8_t *source, Py_ssize_t size) noexcept nogil:
    """memcpy of few bytes, in blocks of fixed size of which the last two overlap: gcc turns a memcpy of a size that it
    knows to be small into a `rep movs`, which is slow to start."""
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


cdef inline Text scratch_text(Scratch *scratch, uint32_t size) noexcept nogil:
    """The text of the `size` bytes just written to the scratch; they are taken only if the Text points to them."""
    cdef Text text = make_text(scratch.at, size)
    if size > INLINE_TEXT:
        scratch.at += size
        scratch.room -= size
    return text


cdef inline Py_ssize_t read_fixed(Text *out, Py_ssize_t n, const uint8_t *data, Py_ssize_t step, Py_ssize_t size,
                                  bint strip, const uint8_t *valid) noexcept nogil:
    """Items of `size` bytes, `step` bytes apart."""
    cdef Py_ssize_t i
    for i in range(n):
        if valid != NULL and not valid[i]:
            out[i] = make_text(data, 0)
        else:
            out[i] = make_text(data + i * step, <uint32_t> (without_padding(data + i * step, size) if strip else size))
    return n


cdef inline Py_ssize_t read_points(Text *out, Py_ssize_t start, Py_ssize_t n, const uint8_t *data, Py_ssize_t step,
                                   Py_ssize_t size, Scratch *scratch) noexcept nogil:
    """Items of `size` bytes that are aligned 4-byte code points, from position `start` on. Stops where the scratch has
    less room than `size`, the bytes that an item may take, or else at an item that is not text."""
    cdef Py_ssize_t i, points, written
    for i in range(start, n):
        if scratch.room < size:
            return i
        points = (without_padding(data + i * step, size) + 3) // 4
        written = encode_utf8(4, data + i * step, points, scratch.at, True)
        if written < 0:
            return i
        out[i] = scratch_text(scratch, <uint32_t> written)
    return n


cdef inline Py_ssize_t read_offsets(Text *out, Py_ssize_t n, const uint8_t *offsets, int width, const uint8_t *data,
                                    int64_t last, const uint8_t *valid) noexcept nogil:
    """Item i is data[offsets[i]:offsets[i + 1]]; `last` is the last offset of the column. Stops at an item of more than
    MAX_TEXT or less than 0 bytes, and at one that lies before the data or ends after `last`."""
    cdef Py_ssize_t i
    cdef int64_t begin, end = load_signed(offsets, width) if n else 0
    cdef uint64_t size
    if valid == NULL and not 0 <= end <= last:      # each further begin is the end of an item that was accepted
        return 0
    for i in range(n):
        begin = end
        end = load_signed(offsets + (i + 1) * width, width)
        size = <uint64_t> end - <uint64_t> begin            # one less than 0 wraps around
        if valid != NULL and not valid[i]:
            size = 0
        elif size > MAX_TEXT or end > last or (valid != NULL and not 0 <= begin <= last):
            return i
        prefetch(<const void *> (<uint64_t> data + begin + COLUMN_AHEAD))   # an address: it may lie outside the data
        out[i] = make_text(data + begin, <uint32_t> size)
    return n


cdef inline Py_ssize_t read_views(Text *out, Py_ssize_t n, const uint8_t *views, const uint8_t **buffers,
                                  const uint8_t *sizes, int64_t nbuffers, const uint8_t *valid) noexcept nogil:
    """Views, as arrow_items.pxd draws them. Stops at a view that does not lie in its buffer; `sizes` are the buffers'
    sizes, int64 each."""
    cdef Py_ssize_t i
    cdef const uint8_t *data
    cdef int32_t size
    for i in range(n):
        if valid != NULL and not valid[i]:
            out[i] = make_text(views, 0)
        elif view_item(views + i * VIEW, buffers, sizes, nbuffers, &data, &size):
            out[i] = make_text(data, size)
        else:
            return i
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
        length = without_padding(data, texts[i].size) if strip else texts[i].size
        texts[i] = make_text(data, <uint32_t> length)
        continued = 0
        if points:
            for j in range(length):
                continued += data[j] & 0xC0 == 0x80
        if length - continued > size or (exact and length != size):
            return i
    return n


cdef inline void add_sizes(int64_t *offsets, const Text *texts, Py_ssize_t n) noexcept nogil:
    """The n + 1 offsets of texts that lie one behind the other."""
    cdef Py_ssize_t i
    offsets[0] = 0
    for i in range(n):
        offsets[i + 1] = offsets[i] + texts[i].size


cdef inline Py_ssize_t join_texts(uint8_t *out, const Text *texts, Py_ssize_t n, bint as_utf8) noexcept nogil:
    """Write the bytes of the texts one behind the other. With `as_utf8`, stops at a text that is not UTF-8. Returns n,
    or the position of that text."""
    cdef Py_ssize_t i
    cdef const uint8_t *data
    for i in range(n):
        if i + TEXTS_AHEAD < n:
            prefetch(text_data(&texts[i + TEXTS_AHEAD]))
        data = text_data(&texts[i])
        if as_utf8 and not is_utf8(data, texts[i].size):
            return i
        memcpy(out, data, texts[i].size)
        out += texts[i].size
    return n
