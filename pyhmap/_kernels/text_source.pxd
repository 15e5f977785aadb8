# The texts of a batch, wherever they are: as loaded Texts, or still in an Arrow column. loaded() says which.
#
#     texts != NULL     Text[n], loaded when the batch was made
#     texts == NULL     a column without nulls: offsets and data, of which the caller reads a window at a time
#
# Reading a column by windows saves writing and reading 16 bytes of fresh memory per key.

from libc.stdint cimport int64_t, uint8_t, uint64_t

from pyhmap._kernels.constants cimport WINDOW
from pyhmap._kernels.layout cimport Text
from pyhmap._kernels.text_buffers cimport read_offsets


cdef struct TextSource:
    const Text *texts
    const uint8_t *offsets      # of the column's first item; item i is data[offsets[i]:offsets[i + 1]]
    const uint8_t *data
    int64_t last                # the last offset of the column
    int width                   # bytes of an offset


cdef inline bint loaded(const TextSource *source) noexcept nogil:
    """Whether the texts can be read from `texts`; if not, read_window() loads some of them."""
    return source.texts != NULL


cdef inline uint64_t read_window(const TextSource *source, uint64_t start, uint64_t n, Text *window) noexcept nogil:
    """Load up to WINDOW of the n texts from position `start` on. Returns how many: none if the first is not text."""
    return read_offsets(window, min(n, <uint64_t> WINDOW), source.offsets + start * source.width, source.width,
                        source.data, source.last, NULL)


cdef inline bint text_from(const TextSource *source, uint64_t i, Text *text) noexcept nogil:
    """Load one text. False if item i of a column is not text."""
    if not loaded(source):
        return read_window(source, i, 1, text) == 1
    text[0] = source.texts[i]
    return True
