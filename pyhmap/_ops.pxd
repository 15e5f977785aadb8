# One key, one whole operation, on a table that may be growing. Imports the layers below it.
#
# While a map grows, a key lives in exactly one array: in the old one until its old bucket is evacuated, then in the
# new one. Reads look where that bucket is and change nothing; writes evacuate it first and then only see the new array.

from libc.stdint cimport uint64_t

from pyhmap._grow cimport grow_work, must_grow
from pyhmap._hash cimport hash_word, tophash_of
from pyhmap._layout cimport Slot, Table, evacuated, growing
from pyhmap._probe cimport erase, find, find_place, occupy
from pyhmap._types cimport FOUND, INSERTED, MISSING, NEED_GROWTH, Status


cdef inline Slot *get(const Table *t, uint64_t key) noexcept nogil:
    """The slot of key, or NULL."""
    cdef uint64_t h = hash_word(t.hash_key, key)
    cdef uint64_t bucket
    if growing(t):
        bucket = h & (t.old.nmain - 1)
        if not evacuated(&t.old, bucket):
            return find(&t.old, bucket, tophash_of(h), key)
    return find(&t.now, h & (t.now.nmain - 1), tophash_of(h), key)


cdef inline Status put_hashed(Table *t, uint64_t key, uint64_t value, uint64_t h, bint overwrite,
                              Slot **where) noexcept nogil:
    """Insert key, or overwrite its value if asked to. FOUND, INSERTED, or NEED_GROWTH with nothing written."""
    cdef uint64_t bucket
    cdef Slot *slot
    if growing(t):
        grow_work(t, h)
    bucket = h & (t.now.nmain - 1)
    slot = find(&t.now, bucket, tophash_of(h), key)
    where[0] = slot
    if slot != NULL:
        if overwrite:
            slot.value = value
        return FOUND
    if must_grow(t):
        return NEED_GROWTH
    slot = occupy(&t.now, find_place(&t.now, bucket), tophash_of(h))
    slot.key = key
    slot.value = value
    t.count += 1
    where[0] = slot
    return INSERTED


cdef inline Status put(Table *t, uint64_t key, uint64_t value) noexcept nogil:
    cdef Slot *slot
    return put_hashed(t, key, value, hash_word(t.hash_key, key), True, &slot)


cdef inline Status delete(Table *t, uint64_t key, uint64_t *value) noexcept nogil:
    """Remove key and hand out its value. FOUND or MISSING."""
    cdef uint64_t h = hash_word(t.hash_key, key)
    cdef uint64_t bucket
    cdef Slot *slot
    if growing(t):
        grow_work(t, h)
    bucket = h & (t.now.nmain - 1)
    slot = find(&t.now, bucket, tophash_of(h), key)
    if slot == NULL:
        return MISSING
    value[0] = slot.value
    erase(&t.now, bucket, slot)
    t.count -= 1
    return FOUND
