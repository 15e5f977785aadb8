# Which blocks of a mapped file a look-up reads. A file can be verified as it is read: each block before its first read.
#
#     file     header │ entries ................ │ texts ........ │ index │ checksums
#     blocks          │ 0     │ 1     │ 2     │ 3     │ 4     │ 5     │         2^BLOCK_BITS bytes each
#
# A key leads to one row, so to one block of entries or two; a long text may lie in any number of blocks. The remap and
# the pilots, which lead there, are verified when the file is opened.

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from pyhmap._kernels.any_key cimport AnyKey, hash_text
from pyhmap._kernels.constants cimport FILE_BLOCK_BITS, INLINE_TEXT, TEXT, WINDOW, WORD32
from pyhmap._kernels.frozen cimport row_of, row_of_code
from pyhmap._kernels.frozen_layout cimport Frozen, Verified, is_in_arena, read_once
from pyhmap._kernels.layout cimport Table, Text, key_t
from pyhmap._kernels.slot cimport canonical, hash_of
from pyhmap._kernels.text_source cimport TextSource, loaded, read_window


cdef extern from *:
    """
    #define PYHMAP_NO_FILE_BLOCK UINT32_C(0xFFFFFFFF)
    """
    const uint32_t NO_FILE_BLOCK "PYHMAP_NO_FILE_BLOCK"


cdef inline uint64_t unverified(const Verified *v, uint64_t begin, uint64_t size) noexcept nogil:
    """The first block of some bytes, of which there are at least one, that has not been verified; or NO_FILE_BLOCK."""
    cdef uint64_t block
    for block in range(begin >> FILE_BLOCK_BITS, ((begin + size - 1) >> FILE_BLOCK_BITS) + 1):
        if not v.blocks[block]:
            return block
    return NO_FILE_BLOCK


cdef inline uint64_t unverified_text(const Table *t, const Verified *v, const uint8_t *stored) noexcept nogil:
    cdef Text text = (<const Text *> stored)[0]
    read_once(&text)
    if text.size <= INLINE_TEXT or not is_in_arena(&text, t.arena.size):
        return NO_FILE_BLOCK
    return unverified(v, v.texts_at + text.tail, text.size)


cdef inline uint64_t unverified_row(const Frozen *f, const Table *t, const Verified *v, uint64_t row) noexcept nogil:
    """The first block, of those that a row with its texts is in, that has not been verified; or NO_FILE_BLOCK."""
    cdef const uint8_t *entry = f.entries + row * f.stride
    cdef uint64_t block = unverified(v, row * f.stride, f.stride)
    if block == NO_FILE_BLOCK and t.form == TEXT:
        block = unverified_text(t, v, entry)
    if block == NO_FILE_BLOCK and t.text_values:
        block = unverified_text(t, v, entry + f.value_at)
    return block


cdef inline uint64_t unverified_as(const Frozen *f, const Table *t, const Verified *v, const key_t *keys,
                                   uint64_t start, uint64_t stop, uint64_t *block) noexcept nogil:
    """unverified_of_keys() for one form."""
    cdef key_t key
    cdef uint64_t i
    for i in range(start, stop):
        key = keys[i]
        canonical(t, &key)
        block[0] = unverified_row(f, t, v, row_of(f, hash_of(t, &key)))
        if block[0] != NO_FILE_BLOCK:
            return i
    return stop


cdef inline uint64_t unverified_texts(const Frozen *f, const Table *t, const Verified *v, const TextSource *source,
                                      uint64_t start, uint64_t stop, uint64_t *block) noexcept nogil:
    """unverified_of_keys() for texts. Also stops at an item that is not text, with NO_FILE_BLOCK."""
    cdef Text window[WINDOW]
    cdef uint64_t n, done
    if loaded(source):
        return unverified_as(f, t, v, source.texts, start, stop, block)
    while start < stop:
        n = read_window(source, start, stop - start, window)
        done = unverified_as(f, t, v, window, 0, n, block)
        start += done
        if done < n or n == 0:
            break
    return start


cdef inline uint64_t unverified_of_keys(const Frozen *f, const Table *t, const Verified *v, const void *keys,
                                        const TextSource *texts, uint64_t start, uint64_t stop,
                                        uint64_t *block) noexcept nogil:
    """The first of the keys from start to stop whose look-up reads a block that has not been verified, which `block` is
    set to; or `stop`, and NO_FILE_BLOCK."""
    block[0] = NO_FILE_BLOCK
    if f.count == 0:
        return stop
    if t.form == WORD32:
        return unverified_as(f, t, v, <const uint32_t *> keys, start, stop, block)
    if t.form == TEXT:
        return unverified_texts(f, t, v, texts, start, stop, block)
    return unverified_as(f, t, v, <const uint64_t *> keys, start, stop, block)


cdef inline uint64_t unverified_of_codes(const Frozen *f, const Table *t, const Verified *v, const uint32_t *row_at,
                                         const int64_t *codes, uint64_t start, uint64_t stop,
                                         uint64_t *block) noexcept nogil:
    """The same for the keys of an index that have these codes; those that no key has are passed over."""
    cdef uint64_t i
    block[0] = NO_FILE_BLOCK
    for i in range(start, stop):
        if <uint64_t> codes[i] < f.count:
            block[0] = unverified_row(f, t, v, row_of_code(f, row_at, <uint64_t> codes[i]))
            if block[0] != NO_FILE_BLOCK:
                return i
    return stop


cdef inline uint64_t unverified_of_key(const Frozen *f, const Table *t, const Verified *v,
                                       const AnyKey *key) noexcept nogil:
    """The first block that the look-up of one key reads that has not been verified; or NO_FILE_BLOCK."""
    if f.count == 0:
        return NO_FILE_BLOCK
    if t.form == WORD32:
        return unverified_row(f, t, v, row_of(f, hash_of(t, &key.word32)))
    if t.form == TEXT:
        return unverified_row(f, t, v, row_of(f, hash_text(t, key)))
    return unverified_row(f, t, v, row_of(f, hash_of(t, &key.word64)))
