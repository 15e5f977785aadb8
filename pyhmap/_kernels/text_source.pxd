# The texts of a batch, wherever they are: as loaded Texts, or still in an Arrow column. Only this file knows which.
#
#     texts != NULL     Text[n], loaded when the batch was made
#     texts == NULL     a column without nulls: offsets and data, read a window at a time by whoever needs them
#
# Reading a column by windows saves writing and reading 16 bytes of fresh memory per key.

from libc.stdint cimport uint8_t, uint64_t

from _hmap_bytes.arrow_items cimport offsets_item
from pyhmap._kernels.constants cimport MAX_TEXT, WINDOW
from pyhmap._kernels.layout cimport Text
from pyhmap._kernels.text cimport make_text
from pyhmap._kernels.text_buffers cimport read_offsets


cdef struct TextSource:
    const Text *texts
    const uint8_t *offsets      # of the column's first item; item i is data[offsets[i]:offsets[i + 1]]
    const uint8_t *data
    int width                   # bytes of an offset


cdef inline const Text *texts_from(const TextSource *source, uint64_t start, uint64_t *n,
                                   Text *window) noexcept nogil:
    """The texts from position `start` on. `n` receives how many there are, at most as many as it asks for: fewer at the
    end of a window, or before an item of a column that is no text."""
    if source.texts != NULL:
        return source.texts + start
    n[0] = read_offsets(window, min(n[0], <uint64_t> WINDOW), source.offsets + start * source.width, source.width,
                        source.data, NULL)
    return window


cdef inline bint text_from(const TextSource *source, uint64_t i, Text *text) noexcept nogil:
    """One text. False if item i of a column is no text."""
    cdef uint64_t n = 1
    cdef const Text *texts = texts_from(source, i, &n, text)
    if n:
        text[0] = texts[0]
    return n != 0
