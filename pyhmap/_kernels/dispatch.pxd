# From the form of the keys, known when the map is made, to the kernels compiled for it.
#
# Each function is one switch around the kernel of the same name; a batch pays for it once per call.

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from pyhmap._kernels cimport grow, lookup_many, one_key, slot as slots, write_many
from pyhmap._kernels.constants cimport REFERENCE, Status, TEXT, WORD32
from pyhmap._kernels.hash cimport hash_word
from pyhmap._kernels.layout cimport Buckets, Reference, Table, Text
from pyhmap._kernels.lookup_many cimport Reading
from pyhmap._kernels.text_source cimport TextSource
from pyhmap._kernels.write_many cimport Writing


cdef struct Digested:       # a text, and its XXH64 digest if a cache had it
    Text text
    uint64_t digest
    bint known


cdef union AnyKey:          # a loaded key, of any form
    uint32_t word32
    uint64_t word64
    Text text
    Digested digested       # its text is `text`
    Reference reference


cdef inline uint64_t hash_text(const Table *t, const AnyKey *key) noexcept nogil:
    if key.digested.known:
        return hash_word(t.hash_key, key.digested.digest)
    return slots.hash_of(t, &key.text)


cdef inline uint8_t *get(const Table *t, const AnyKey *key) noexcept nogil:
    if t.form == WORD32:
        return one_key.get(t, &key.word32, slots.hash_of(t, &key.word32))
    if t.form == TEXT:
        return one_key.get(t, &key.text, hash_text(t, key))
    if t.form == REFERENCE:
        return one_key.get(t, &key.reference, slots.hash_of(t, &key.reference))
    return one_key.get(t, &key.word64, slots.hash_of(t, &key.word64))


cdef inline Status put(Table *t, const AnyKey *key, const void *value, bint overwrite, uint8_t **stored) noexcept nogil:
    if t.form == WORD32:
        return one_key.put(t, &key.word32, slots.hash_of(t, &key.word32), value, overwrite, stored)
    if t.form == TEXT:
        return one_key.put(t, &key.text, hash_text(t, key), value, overwrite, stored)
    if t.form == REFERENCE:
        return one_key.put(t, &key.reference, slots.hash_of(t, &key.reference), value, overwrite, stored)
    return one_key.put(t, &key.word64, slots.hash_of(t, &key.word64), value, overwrite, stored)


cdef inline Status delete(Table *t, const AnyKey *key, void *value) noexcept nogil:
    if t.form == WORD32:
        return one_key.delete(t, &key.word32, slots.hash_of(t, &key.word32), value)
    if t.form == TEXT:
        return one_key.delete(t, &key.text, hash_text(t, key), value)
    if t.form == REFERENCE:
        return one_key.delete(t, &key.reference, slots.hash_of(t, &key.reference), value)
    return one_key.delete(t, &key.word64, slots.hash_of(t, &key.word64), value)


cdef inline void load_key(const Table *t, const uint8_t *slot, AnyKey *key) noexcept nogil:
    if t.form == WORD32:
        slots.load_key(t, slot, &key.word32)
    elif t.form == TEXT:
        slots.load_key(t, slot, &key.text)
        key.digested.known = False
    elif t.form == REFERENCE:
        slots.load_key(t, slot, &key.reference)
    else:
        slots.load_key(t, slot, &key.word64)


cdef inline void evacuate_some(Table *t, uint64_t buckets) noexcept nogil:
    cdef AnyKey form
    if t.form == WORD32:
        grow.evacuate_some(t, buckets, &form.word32)
    elif t.form == TEXT:
        grow.evacuate_some(t, buckets, &form.text)
    elif t.form == REFERENCE:
        grow.evacuate_some(t, buckets, &form.reference)
    else:
        grow.evacuate_some(t, buckets, &form.word64)


cdef inline void rebuild(Table *t, Buckets *fresh) noexcept nogil:
    cdef AnyKey form
    if t.form == WORD32:
        grow.rebuild(t, fresh, &form.word32)
    elif t.form == TEXT:
        grow.rebuild(t, fresh, &form.text)
    elif t.form == REFERENCE:
        grow.rebuild(t, fresh, &form.reference)
    else:
        grow.rebuild(t, fresh, &form.word64)


cdef inline uint64_t read_batch(const Table *t, const Reading *r, const void *keys, const TextSource *texts,
                                uint64_t start, uint64_t stop) noexcept nogil:
    """Look up the keys from start to stop: those of `texts` in a map of text keys, keys[start:stop] in all others.
    Returns stop, or where it stopped."""
    if t.form == WORD32:
        return lookup_many.read_batch(t, r, <const uint32_t *> keys, start, stop)
    if t.form == TEXT:
        return lookup_many.read_texts(t, r, texts, start, stop)
    return lookup_many.read_batch(t, r, <const uint64_t *> keys, start, stop)


cdef inline uint64_t write_batch(Table *t, Writing *w, const void *keys, uint64_t start, uint64_t stop,
                                 Status *status) noexcept nogil:
    if t.form == WORD32:
        return write_many.write_batch(t, w, <const uint32_t *> keys, start, stop, status)
    if t.form == TEXT:
        return write_many.write_batch(t, w, <const Text *> keys, start, stop, status)
    return write_many.write_batch(t, w, <const uint64_t *> keys, start, stop, status)


cdef inline uint64_t collect(const Table *t, uint8_t *keys, uint8_t *values) noexcept nogil:
    cdef AnyKey form
    if t.form == WORD32:
        return lookup_many.collect(t, keys, values, &form.word32)
    if t.form == TEXT:
        return lookup_many.collect(t, keys, values, &form.text)
    if t.form == REFERENCE:
        return lookup_many.collect(t, keys, values, &form.reference)
    return lookup_many.collect(t, keys, values, &form.word64)
