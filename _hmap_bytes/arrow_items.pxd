# One item of Arrow's text layouts, checked: a view against the size of its buffer, offsets for sign and order.
#
#     offsets     offsets[i], offsets[i + 1]: the begin and end of item i in the data buffer; 4 or 8 bytes each
#     views       16 bytes per item
#                 size i32 │ 12 bytes                                        size <= 12
#                 size i32 │ first 4 bytes │ buffer i32 │ offset i32         longer
#
# Source: Arrow Columnar Format, sections "Variable-size Binary Layout" and "Variable-size Binary View Layout".

from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.string cimport memcpy

from _hmap_bytes.raw_bytes cimport load64, load_signed

cdef enum:
    VIEW = 16               # bytes of a view
    VIEW_INLINE = 12        # bytes of an item that fit in its view


cdef inline bint offsets_item(const uint8_t *offsets, int width, int64_t i, int64_t *begin,
                              int64_t *size) noexcept nogil:
    """The begin and size of item i in the data buffer. False if its offsets are negative or run backwards."""
    begin[0] = load_signed(offsets + i * width, width)
    size[0] = load_signed(offsets + (i + 1) * width, width) - begin[0]
    return begin[0] >= 0 and size[0] >= 0


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
