# From the form of the keys, known when the map is made, to the kernels compiled for it. Imports the layers below it.
#
# Each function is one switch around the kernel of the same name; the batch kernels pay it once a call.

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from pyhmap cimport _batch_read, _batch_write, _grow, _ops, _slot
from pyhmap._batch_read cimport Reading
from pyhmap._batch_write cimport Writing
from pyhmap._hash cimport hash_word
from pyhmap._layout cimport Buckets, Reference, Table, Text
from pyhmap._read cimport Offsets
from pyhmap._types cimport REFERENCE, Status, TEXT, WORD32


cdef struct Digested:       # a text, and its XXH64 digest if that is known from a cache
    Text text
    uint64_t digest
    bint known


cdef union Key:             # a key in hand, of any form
    uint32_t word32
    uint64_t word64
    Text text
    Digested digested       # its text is `text`
    Reference reference


cdef inline uint64_t hash_text(const Table *t, const Key *key) noexcept nogil:
    if key.digested.known:
        return hash_word(t.hash_key, key.digested.digest)
    return _slot.hash_of(t, &key.text)


cdef inline uint8_t *get(const Table *t, const Key *key) noexcept nogil:
    if t.form == WORD32:
        return _ops.get(t, &key.word32, _slot.hash_of(t, &key.word32))
    if t.form == TEXT:
        return _ops.get(t, &key.text, hash_text(t, key))
    if t.form == REFERENCE:
        return _ops.get(t, &key.reference, _slot.hash_of(t, &key.reference))
    return _ops.get(t, &key.word64, _slot.hash_of(t, &key.word64))


cdef inline Status put(Table *t, const Key *key, const void *value, bint overwrite, uint8_t **stored) noexcept nogil:
    if t.form == WORD32:
        return _ops.put(t, &key.word32, _slot.hash_of(t, &key.word32), value, overwrite, stored)
    if t.form == TEXT:
        return _ops.put(t, &key.text, hash_text(t, key), value, overwrite, stored)
    if t.form == REFERENCE:
        return _ops.put(t, &key.reference, _slot.hash_of(t, &key.reference), value, overwrite, stored)
    return _ops.put(t, &key.word64, _slot.hash_of(t, &key.word64), value, overwrite, stored)


cdef inline Status delete(Table *t, const Key *key, void *value) noexcept nogil:
    if t.form == WORD32:
        return _ops.delete(t, &key.word32, _slot.hash_of(t, &key.word32), value)
    if t.form == TEXT:
        return _ops.delete(t, &key.text, hash_text(t, key), value)
    if t.form == REFERENCE:
        return _ops.delete(t, &key.reference, _slot.hash_of(t, &key.reference), value)
    return _ops.delete(t, &key.word64, _slot.hash_of(t, &key.word64), value)


cdef inline void load_key(const Table *t, const uint8_t *slot, Key *key) noexcept nogil:
    if t.form == WORD32:
        _slot.load_key(t, slot, &key.word32)
    elif t.form == TEXT:
        _slot.load_key(t, slot, &key.text)
        key.digested.known = False
    elif t.form == REFERENCE:
        _slot.load_key(t, slot, &key.reference)
    else:
        _slot.load_key(t, slot, &key.word64)


cdef inline void evacuate_some(Table *t, uint64_t buckets) noexcept nogil:
    cdef Key form
    if t.form == WORD32:
        _grow.evacuate_some(t, buckets, &form.word32)
    elif t.form == TEXT:
        _grow.evacuate_some(t, buckets, &form.text)
    elif t.form == REFERENCE:
        _grow.evacuate_some(t, buckets, &form.reference)
    else:
        _grow.evacuate_some(t, buckets, &form.word64)


cdef inline void rebuild(Table *t, Buckets *fresh) noexcept nogil:
    cdef Key form
    if t.form == WORD32:
        _grow.rebuild(t, fresh, &form.word32)
    elif t.form == TEXT:
        _grow.rebuild(t, fresh, &form.text)
    elif t.form == REFERENCE:
        _grow.rebuild(t, fresh, &form.reference)
    else:
        _grow.rebuild(t, fresh, &form.word64)


cdef inline uint64_t read_some(const Table *t, const Reading *r, const void *keys, const Offsets *unread,
                               uint64_t start, uint64_t stop) noexcept nogil:
    """Look up keys[start:stop], or those of a column if `unread` has one. Returns stop, or where it stopped."""
    if unread.at != NULL:
        return _batch_read.read_windows(t, r, unread, start, stop)
    if t.form == WORD32:
        return _batch_read.read_batch(t, r, <const uint32_t *> keys, start, stop)
    if t.form == TEXT:
        return _batch_read.read_batch(t, r, <const Text *> keys, start, stop)
    return _batch_read.read_batch(t, r, <const uint64_t *> keys, start, stop)


cdef inline uint64_t write_batch(Table *t, Writing *w, const void *keys, uint64_t start, uint64_t stop,
                                 Status *status) noexcept nogil:
    if t.form == WORD32:
        return _batch_write.write_batch(t, w, <const uint32_t *> keys, start, stop, status)
    if t.form == TEXT:
        return _batch_write.write_batch(t, w, <const Text *> keys, start, stop, status)
    return _batch_write.write_batch(t, w, <const uint64_t *> keys, start, stop, status)


cdef inline uint64_t collect(const Table *t, uint8_t *keys, uint8_t *values) noexcept nogil:
    cdef Key form
    if t.form == WORD32:
        return _batch_read.collect(t, keys, values, &form.word32)
    if t.form == TEXT:
        return _batch_read.collect(t, keys, values, &form.text)
    if t.form == REFERENCE:
        return _batch_read.collect(t, keys, values, &form.reference)
    return _batch_read.collect(t, keys, values, &form.word64)
