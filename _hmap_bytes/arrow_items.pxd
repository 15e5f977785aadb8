# One item of Arrow's text layouts, checked: a view against the size of its buffer, offsets against the last of them.
#
#     offsets     offsets[i], offsets[i + 1]: the begin and end of item i in the data buffer; 4 or 8 bytes each. They
#                 rise, so that none is larger than offsets[n]. How long the data buffer is, Arrow does not say.
#     views       16 bytes per item
#                 size i32 │ 12 bytes                                        size <= 12
#                 size i32 │ first 4 bytes │ buffer i32 │ offset i32         longer
#
# Source: Arrow Columnar Format, sections "Variable-size Binary Layout" and "Variable-size Binary View Layout".

from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.string cimport memcpy

from _hmap_bytes.arrow_abi cimport ArrowArray
from _hmap_bytes.raw_bytes cimport load64, load_signed

cdef enum:
    VIEW = 16               # bytes of a view
    VIEW_INLINE = 12        # bytes of an item that fit in its view


cdef extern from *:
    """
    /* Stands for a NULL buffer, in which all items are empty. */
    #define HMAP_NO_BYTES ((const uint8_t *) "")
    /* Of a data buffer; beyond any address space. */
    #define HMAP_MOST_BYTES ((int64_t) 1 << 62)
    """
    const uint8_t *NO_BYTES "HMAP_NO_BYTES"
    const int64_t MOST_BYTES "HMAP_MOST_BYTES"


cdef inline const uint8_t *buffer_at(const ArrowArray *array, int64_t i) noexcept nogil:
    return NO_BYTES if array.buffers[i] == NULL else <const uint8_t *> array.buffers[i]


cdef inline int64_t last_offset(const uint8_t *offsets, int width, int64_t n) noexcept nogil:
    """The end of the last of n items, which no item may lie beyond; -1, which all lie beyond, if no memory is so large.

    Differences of offsets from 0 to MOST_BYTES and any other ones do not wrap around to small sizes.
    """
    cdef int64_t last = load_signed(offsets + n * width, width)
    return last if last <= MOST_BYTES else -1


cdef inline bint offsets_item(const uint8_t *offsets, int width, int64_t i, int64_t last, int64_t *begin,
                              int64_t *end) noexcept nogil:
    """Where item i begins and ends in the data buffer. False if its offsets are negative, run backwards or lie beyond
    the last."""
    begin[0] = load_signed(offsets + i * width, width)
    end[0] = load_signed(offsets + (i + 1) * width, width)
    return 0 <= begin[0] <= end[0] <= last


cdef inline int64_t malformed_item(const uint8_t *offsets, int width, int64_t n, int64_t i) noexcept nogil:
    """The item to name in an error, where offsets_item() refuses item i of n. If i ends beyond the last offset, offsets
    run backwards in one that follows: the first such."""
    cdef int64_t j, begin, end, last = last_offset(offsets, width, n)
    if offsets_item(offsets, width, i, last, &begin, &end) or begin < 0:
        return i
    for j in range(i, n):
        offsets_item(offsets, width, j, last, &begin, &end)
        if begin > end:
            return j
    return i


cdef inline bint view_item(const uint8_t *view, const uint8_t **buffers, const uint8_t *sizes, int64_t nbuffers,
                           const uint8_t **data, int32_t *size) noexcept nogil:
    """The bytes of a view. False if they are not in one of the buffers; `sizes` has the size of each, as int64."""
    cdef int32_t field[4]
    memcpy(field, view, VIEW)
    size[0] = field[0]
    if 0 <= field[0] <= VIEW_INLINE:
        data[0] = view + 4
        return True
    if field[0] < 0 or not 0 <= field[2] < nbuffers or field[3] < 0 or (
            <uint64_t> field[3] + field[0] > load64(sizes + field[2] * 8)):
        return False
    data[0] = buffers[field[2]] + field[3]
    return True
