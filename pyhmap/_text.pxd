# Texts (str, bytes and composite keys as bytes) and the arena that holds the long ones. Imports _types, _layout, _hash.
#
#     slot                      arena: blocks of 2^16, 2^17, 2^18 ... bytes that never move
#     ┌──────┬──────┬───────┐   ┌─────────┐ ┌───────────────────┐ ┌──────────────────────────── ─ ─
#     │ size │ head │ where ├─> │ block 0 │ │ block 1   ░░░ dead│ │ block 2   │ used ... untouched
#     └──────┴──────┴───────┘   └─────────┘ └───────────────────┘ └──────────────────────────── ─ ─
#                                where = block << 48 | offset
#
# Blocks of doubling size instead of one that is reallocated: growing copies nothing, so no insert stalls, and what a
# reader has seen stays where it is. A text never straddles blocks; the end of a block that was too short is lost.
# Deleting and overwriting leave dead bytes behind. When a new block is due and more is dead than live, the class moves
# the live texts to a new arena instead, so an arena does not grow without bound, and moving a byte has been paid for by
# a byte that died.

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy

from pyhmap._hash cimport SipState, load64, sip_end, sip_last, sip_start, sip_word, siphash13
from pyhmap._layout cimport Arena, Table, Text, kernel_assert
from pyhmap._types cimport INLINE_TEXT
from tophash_cache._xxh64 cimport xxh64_bytes

cdef enum:
    OFFSET_BITS = 48


cdef inline Text make_text(const uint8_t *data, uint32_t size) noexcept nogil:
    """A text in a kernel's hands: its bytes in place, or a pointer to them.

    Short texts are put together from loads that overlap: a memcpy of a size known to be small, but not which, costs
    five times as much.
    """
    cdef Text text
    cdef uint64_t low, high
    cdef uint32_t word
    text.size = size
    if size > INLINE_TEXT:
        memcpy(&text.head, data, 4)
        text.tail = <uint64_t> data
    elif size > 8:
        memcpy(&low, data, 8)
        memcpy(&high, data + size - 8, 8)
        text.head = <uint32_t> low
        text.tail = low >> 32 | (high >> 8 * (16 - size)) << 32
    elif size >= 4:
        memcpy(&text.head, data, 4)
        memcpy(&word, data + size - 4, 4)
        text.tail = <uint64_t> word >> 8 * (8 - size)
    else:
        text.head = 0
        text.tail = 0
        if size:        # first, middle and last byte, which may be the same one
            text.head = data[0] | <uint32_t> data[size >> 1] << 8 * (size >> 1)
            text.head |= <uint32_t> data[size - 1] << 8 * (size - 1)
    return text


cdef inline const uint8_t *text_data(const Text *text) noexcept nogil:
    """The bytes of a text in hand (not of one in a slot: resolve that first)."""
    return <const uint8_t *> &text.head if text.size <= INLINE_TEXT else <const uint8_t *> text.tail


cdef inline Text resolve(const Arena *a, const Text *stored) noexcept nogil:
    """The text of a slot, taken in hand."""
    cdef Text text = stored[0]
    if text.size > INLINE_TEXT:
        text.tail = <uint64_t> (a.blocks[text.tail >> OFFSET_BITS] + (text.tail & ((<uint64_t> 1 << OFFSET_BITS) - 1)))
    return text


cdef inline uint64_t first_word(const Text *text) noexcept nogil:
    """The first 8 bytes of a text of up to 12, padded with zeros."""
    return text.head | text.tail << 32


cdef inline uint64_t hash_text(const Table *t, const Text *text) noexcept nogil:
    cdef SipState s
    if t.xxh64:
        return xxh64_bytes(text_data(text), text.size, t.hash_key[0])
    if text.size > INLINE_TEXT:
        return siphash13(t.hash_key, <const uint8_t *> text.tail, text.size)
    s = sip_start(t.hash_key)
    if text.size >= 8:
        sip_word(&s, first_word(text))
    sip_word(&s, last_word(text))
    return sip_end(&s)


cdef inline uint64_t last_word(const Text *text) noexcept nogil:
    """The last word that SipHash takes of a text in hand."""
    if text.size > INLINE_TEXT:
        return sip_last(<const uint8_t *> text.tail, text.size)
    return (text.tail >> 32 if text.size >= 8 else first_word(text)) | <uint64_t> text.size << 56


cdef inline bint same_text(const Arena *a, const Text *stored, const Text *text) noexcept nogil:
    if stored.size != text.size or stored.head != text.head:
        return False
    if text.size <= INLINE_TEXT:
        return stored.tail == text.tail
    return same_bytes(<const uint8_t *> resolve(a, stored).tail, <const uint8_t *> text.tail, text.size)


cdef inline bint same_bytes(const uint8_t *x, const uint8_t *y, uint64_t size) noexcept nogil:
    """Whether more than 12 bytes are equal. Up to 32 without a call, in words that overlap."""
    cdef uint64_t differ = (load64(x) ^ load64(y)) | (load64(x + size - 8) ^ load64(y + size - 8))
    if size > 32:
        return memcmp(x, y, size) == 0
    if size > 16:
        differ |= (load64(x + 8) ^ load64(y + 8)) | (load64(x + size - 16) ^ load64(y + size - 16))
    return differ == 0


cdef inline uint64_t arena_bytes(const Text *text) noexcept nogil:
    return text.size if text.size > INLINE_TEXT else 0


cdef inline bint arena_has_room(const Arena *a, uint64_t size) noexcept nogil:
    return size <= a.size - a.used


cdef inline void store_text(Arena *a, Text *slot, const Text *text) noexcept nogil:
    """Write a text into a slot, which holds none. There must be room."""
    slot[0] = text[0]
    if text.size > INLINE_TEXT:
        kernel_assert(arena_has_room(a, text.size))
        memcpy(a.blocks[a.current] + a.used, <const void *> text.tail, text.size)
        slot.tail = <uint64_t> a.current << OFFSET_BITS | a.used
        a.used += text.size
        a.live += text.size


cdef inline void drop_text(Arena *a, const Text *stored) noexcept nogil:
    """Account for a text that leaves its slot."""
    cdef uint64_t size = arena_bytes(stored)
    a.live -= size
    a.dead += size


cdef inline void move_text(const Arena *a, Text *slot, Arena *fresh) noexcept nogil:
    """Copy the text of a slot to another arena, and refer the slot to it."""
    cdef Text text
    if slot.size > INLINE_TEXT:
        text = resolve(a, slot)
        store_text(fresh, slot, &text)
