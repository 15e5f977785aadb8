# From the form of the keys, known when the map is made, to the kernels compiled for it: those for one key, and growth.
#
# Each function is one switch around the kernel of the same name. lookup_many.pxd and write_many.pxd end with their own.

from libc.stdint cimport uint8_t, uint64_t

from pyhmap._kernels cimport grow, one_key, slot as slots
from pyhmap._kernels.any_key cimport AnyKey, hash_text
from pyhmap._kernels.constants cimport OBJECT_KEY, Status, TEXT, WORD32
from pyhmap._kernels.layout cimport Buckets, Table


cdef inline uint8_t *get(const Table *t, const AnyKey *key) noexcept nogil:
    if t.form == WORD32:
        return one_key.get(t, &key.word32, slots.hash_of(t, &key.word32))
    if t.form == TEXT:
        return one_key.get(t, &key.text, hash_text(t, key))
    if t.form == OBJECT_KEY:
        return one_key.get(t, &key.object_key, slots.hash_of(t, &key.object_key))
    return one_key.get(t, &key.word64, slots.hash_of(t, &key.word64))


cdef inline Status put(Table *t, const AnyKey *key, const void *value, bint overwrite, uint8_t **stored) noexcept nogil:
    if t.form == WORD32:
        return one_key.put(t, &key.word32, slots.hash_of(t, &key.word32), value, overwrite, stored)
    if t.form == TEXT:
        return one_key.put(t, &key.text, hash_text(t, key), value, overwrite, stored)
    if t.form == OBJECT_KEY:
        return one_key.put(t, &key.object_key, slots.hash_of(t, &key.object_key), value, overwrite, stored)
    return one_key.put(t, &key.word64, slots.hash_of(t, &key.word64), value, overwrite, stored)


cdef inline Status delete(Table *t, const AnyKey *key, void *value) noexcept nogil:
    if t.form == WORD32:
        return one_key.delete(t, &key.word32, slots.hash_of(t, &key.word32), value)
    if t.form == TEXT:
        return one_key.delete(t, &key.text, hash_text(t, key), value)
    if t.form == OBJECT_KEY:
        return one_key.delete(t, &key.object_key, slots.hash_of(t, &key.object_key), value)
    return one_key.delete(t, &key.word64, slots.hash_of(t, &key.word64), value)


cdef inline void evacuate_some(Table *t, uint64_t buckets) noexcept nogil:
    cdef AnyKey form
    if t.form == WORD32:
        grow.evacuate_some(t, buckets, &form.word32)
    elif t.form == TEXT:
        grow.evacuate_some(t, buckets, &form.text)
    elif t.form == OBJECT_KEY:
        grow.evacuate_some(t, buckets, &form.object_key)
    else:
        grow.evacuate_some(t, buckets, &form.word64)


cdef inline void rebuild(Table *t, Buckets *fresh) noexcept nogil:
    cdef AnyKey form
    if t.form == WORD32:
        grow.rebuild(t, fresh, &form.word32)
    elif t.form == TEXT:
        grow.rebuild(t, fresh, &form.text)
    elif t.form == OBJECT_KEY:
        grow.rebuild(t, fresh, &form.object_key)
    else:
        grow.rebuild(t, fresh, &form.word64)
