# One whole operation on one key, in a table that may be growing.
#
# While a map grows, a key lives in exactly one array: in the old one until its old bucket is evacuated, then in the
# new one. Reads look in the array that has the bucket, and change nothing. Writes evacuate the bucket first, and then
# only see the new array.

from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcmp

from pyhmap._kernels.grow cimport grow_work, must_grow
from pyhmap._kernels.hash cimport tophash_of
from pyhmap._kernels.layout cimport Buckets, Table, Text, growing, home, key_t
from pyhmap._kernels.probe cimport Place, erase, find, find_or_place, occupy
from pyhmap._kernels.slot cimport drop_key, drop_value, hand_out, room_for, store_key, store_value, value_of
from pyhmap._kernels.text cimport hash_text, resolve
from pyhmap._kernels.constants cimport FOUND, INLINE_TEXT, INSERTED, NOT_FOUND, NEED_ARENA, NEED_GROWTH, Status


cdef inline uint8_t *get(const Table *t, const key_t *key, uint64_t h) noexcept nogil:
    """The value of key in its slot, or NULL."""
    cdef const Buckets *b = home(t, h)
    cdef uint64_t number
    cdef uint8_t *slot = find(t, b, h & (b.nmain - 1), tophash_of(h), key, &number)
    return NULL if slot == NULL else value_of(slot, key)


cdef inline Status put(Table *t, const key_t *key, uint64_t h, const void *value, bint overwrite,
                       uint8_t **stored) noexcept nogil:
    """Insert key, or overwrite its value if asked to. FOUND or INSERTED, and the value in its slot; or NEED_GROWTH or
    NEED_ARENA with nothing written."""
    cdef uint64_t bucket
    cdef uint8_t *slot
    cdef Place place
    if not room_for(t, key, value):     # before anything else, so that the call can be repeated
        return NEED_ARENA
    if growing(t):
        grow_work(t, h, key)
    bucket = h & (t.now.nmain - 1)
    slot = find_or_place(t, &t.now, bucket, tophash_of(h), key, &place)
    if slot != NULL:
        stored[0] = value_of(slot, key)
        if overwrite:
            drop_value(t, stored[0])
            store_value(t, stored[0], value)
        return FOUND
    if must_grow(t):
        return NEED_GROWTH
    slot = occupy(&t.now, &place, tophash_of(h))
    store_key(t, slot, key)
    stored[0] = value_of(slot, key)
    store_value(t, stored[0], value)
    t.count += 1
    return INSERTED


cdef inline void remove(Table *t, uint64_t bucket, uint64_t number, const key_t *key) noexcept nogil:
    """Empty the slot of a key in the new array."""
    cdef uint8_t *slot = t.now.slots + number * t.now.stride
    drop_key(t, slot, key)
    drop_value(t, value_of(slot, key))
    erase(&t.now, bucket, number)
    t.count -= 1


cdef inline bint is_stored_as_hashed(const Table *t, const uint8_t *slot, const key_t *key, uint64_t h) noexcept nogil:
    """Whether a key that was just stored has the hash under which it was stored. Others may write to the array that a
    long text comes from, while it is hashed and copied; the copy in the arena is the map's own."""
    cdef Text text
    if key_t is Text:
        if key.size > INLINE_TEXT:
            text = resolve(&t.arena, <const Text *> slot)
            return hash_text(t, &text) == h and memcmp(&text.head, <const void *> text.tail, 4) == 0
    return True


cdef inline Status delete(Table *t, const key_t *key, uint64_t h, void *value) noexcept nogil:
    """Remove key. If value is not NULL it receives the value first; a long text stays readable in the arena.
    FOUND or NOT_FOUND."""
    cdef uint64_t bucket, number
    cdef uint8_t *slot
    if growing(t):
        grow_work(t, h, key)
    bucket = h & (t.now.nmain - 1)
    slot = find(t, &t.now, bucket, tophash_of(h), key, &number)
    if slot == NULL:
        return NOT_FOUND
    if value != NULL:
        hand_out(t, value, value_of(slot, key))
    remove(t, bucket, number, key)
    return FOUND
