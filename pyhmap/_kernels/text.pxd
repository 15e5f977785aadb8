# Texts (str, bytes and composite keys as bytes) and the arena that holds the long ones.
#
#     slot                      arena: blocks of 2^16, 2^17, 2^18 ... bytes that never move
#     ┌──────┬──────┬───────┐   ┌─────────┐ ┌───────────────────┐ ┌──────────────────────────── ─ ─
#     │ size │ head │ where ├─> │ block 0 │ │ block 1   ░░░ dead│ │ block 2   │ used ... untouched
#     └──────┴──────┴───────┘   └─────────┘ └───────────────────┘ └──────────────────────────── ─ ─
#                                where = block << 48 | offset
#
# The arena has blocks of doubling size instead of one block that is reallocated: growing copies nothing, so no insert
# stalls, and a pointer that a reader holds stays valid. A text never straddles blocks; the rest of a block that was too
# short is lost. Deleting and overwriting leave dead bytes behind. When a new block is due and more bytes are dead than
# live, the engine moves the live texts to a new arena instead. So an arena is bounded by its live texts, and moving
# costs no more than the deletions before it.
#
# A stored text lies in a slot and holds an arena address. A loaded text is a kernel's copy and holds a pointer.

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy

from _hmap_bytes.raw_bytes cimport load64
from _hmap_bytes.xxh64 cimport xxh64_bytes
from pyhmap._kernels.constants cimport INLINE_TEXT
from pyhmap._kernels.hash cimport hash_word
from pyhmap._kernels.layout cimport Arena, Table, Text, kernel_assert
from pyhmap._kernels.siphash cimport SipState, sip_end, sip_last, sip_start, sip_word, siphash13

cdef enum:
    OFFSET_BITS = 48


cdef inline Text make_text(const uint8_t *data, uint32_t size) noexcept nogil:
    """A loaded text: its bytes in place, or a pointer to them.

    Short texts are put together from overlapping loads of fixed size, which are cheaper than a memcpy of unknown size.
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
    """The bytes of a loaded text (resolve a stored one first)."""
    return <const uint8_t *> &text.head if text.size <= INLINE_TEXT else <const uint8_t *> text.tail


cdef inline Text resolve(const Arena *a, const Text *stored) noexcept nogil:
    """A stored text, loaded."""
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
        return hash_word(t.hash_key, xxh64_bytes(text_data(text), text.size, 0))
    if text.size > INLINE_TEXT:
        return siphash13(t.hash_key, <const uint8_t *> text.tail, text.size)
    s = sip_start(t.hash_key)
    if text.size >= 8:
        sip_word(&s, first_word(text))
    sip_word(&s, last_word(text))
    return sip_end(&s)


cdef inline uint64_t last_word(const Text *text) noexcept nogil:
    """The last word that SipHash takes of a loaded text."""
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
    """Whether more than 12 bytes are equal. Up to 32 are compared without a call, in overlapping words."""
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
    """Store a loaded text in an empty slot. The arena must have room."""
    slot[0] = text[0]
    if text.size > INLINE_TEXT:
        kernel_assert(arena_has_room(a, text.size))
        memcpy(a.blocks[a.current] + a.used, <const void *> text.tail, text.size)
        slot.tail = <uint64_t> a.current << OFFSET_BITS | a.used
        a.used += text.size
        a.live += text.size


cdef inline void drop_text(Arena *a, const Text *stored) noexcept nogil:
    """Account for a stored text that is removed from its slot."""
    cdef uint64_t size = arena_bytes(stored)
    a.live -= size
    a.dead += size


cdef inline void move_text(const Arena *a, Text *slot, Arena *fresh) noexcept nogil:
    """Copy the text of a slot to another arena, and make the slot refer to the copy."""
    cdef Text text
    if slot.size > INLINE_TEXT:
        text = resolve(a, slot)
        store_text(fresh, slot, &text)
