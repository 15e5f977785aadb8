# One slot: its key in each of the four forms, and its value.

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from _hmap_bytes.raw_bytes cimport prefetch
from pyhmap._kernels.constants cimport INLINE_TEXT
from pyhmap._kernels.hash cimport canonical_float, hash_word
from pyhmap._kernels.layout cimport ObjectKey, Table, Text, key_t
from pyhmap._kernels.text cimport arena_bytes, arena_has_room, drop_text, hash_text, resolve, same_text, store_text


cdef inline uint64_t hash_of(const Table *t, const key_t *key) noexcept nogil:
    if key_t is Text:
        return hash_text(t, key)
    elif key_t is ObjectKey:
        return key.hash
    else:
        return hash_word(t.hash_key, key[0])


cdef inline void canonical(const Table *t, key_t *key) noexcept nogil:
    """Give equal keys equal bits. Only float64 needs it here: the conversion has made the other forms canonical."""
    if key_t is uint64_t:
        if t.float_keys:
            key[0] = canonical_float(key[0])


cdef inline bint same_key(const Table *t, const uint8_t *slot, const key_t *key) noexcept nogil:
    if key_t is Text:
        return same_text(&t.arena, <const Text *> slot, key)
    elif key_t is ObjectKey:
        return (<const ObjectKey *> slot).index == key.index
    else:
        return (<const key_t *> slot)[0] == key[0]


cdef inline void load_key(const Table *t, const uint8_t *slot, key_t *key) noexcept nogil:
    """Load the key of a slot."""
    if key_t is Text:
        key[0] = resolve(&t.arena, <const Text *> slot)
    else:
        key[0] = (<const key_t *> slot)[0]


cdef inline void store_key(Table *t, uint8_t *slot, const key_t *key) noexcept nogil:
    if key_t is Text:
        store_text(&t.arena, <Text *> slot, key)
    else:
        (<key_t *> slot)[0] = key[0]


cdef inline void drop_key(Table *t, const uint8_t *slot, const key_t *key) noexcept nogil:
    if key_t is Text:
        drop_text(&t.arena, <const Text *> slot)


cdef inline void prefetch_key(const Table *t, const uint8_t *slot, const key_t *key) noexcept nogil:
    """Prefetch the part of a slot's key that lies in the arena."""
    cdef Text text
    if key_t is Text:
        if (<const Text *> slot).size == key.size > INLINE_TEXT:
            text = resolve(&t.arena, <const Text *> slot)
            prefetch(<const void *> text.tail)


cdef inline uint8_t *value_of(uint8_t *slot, const key_t *key) noexcept nogil:
    return slot + sizeof(key_t)


cdef inline void copy_bytes(void *target, const void *source, uint64_t size) noexcept nogil:
    """memcpy with the common sizes as constants: a load and a store instead of a call. A set has none to copy."""
    if size == 8:
        memcpy(target, source, 8)
    elif size == 4:
        memcpy(target, source, 4)
    elif size:
        memcpy(target, source, size)


cdef inline void store_value(Table *t, uint8_t *target, const void *value) noexcept nogil:
    if t.text_values:
        store_text(&t.arena, <Text *> target, <const Text *> value)
    else:
        copy_bytes(target, value, t.value_size)


cdef inline void hand_out(const Table *t, void *target, const void *value) noexcept nogil:
    """Copy a stored value out. A text is loaded: it stays readable as long as the arena's blocks do."""
    if t.text_values:
        (<Text *> target)[0] = resolve(&t.arena, <const Text *> value)
    else:
        copy_bytes(target, value, t.value_size)


cdef inline void drop_value(Table *t, const uint8_t *target) noexcept nogil:
    if t.text_values:
        drop_text(&t.arena, <const Text *> target)


cdef inline bint room_for(const Table *t, const key_t *key, const void *value) noexcept nogil:
    """Whether the arena can take key and value, even if the write turns out to store both."""
    cdef uint64_t size = 0
    if key_t is Text:
        size = arena_bytes(key)
    if t.text_values:
        size += arena_bytes(<const Text *> value)
    return size == 0 or arena_has_room(&t.arena, size)
