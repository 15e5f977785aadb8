# A loaded key of any form: what the engine, which learns the form at run time, passes to the kernels, each of which is
# compiled for one form.

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from pyhmap._kernels cimport slot as slots
from pyhmap._kernels.constants cimport OBJECT_KEY, TEXT, WORD32
from pyhmap._kernels.hash cimport hash_word
from pyhmap._kernels.layout cimport ObjectKey, Table, Text


cdef struct Digested:       # a text, and its XXH64 digest if a cache had it
    Text text
    uint64_t digest
    bint known


cdef union AnyKey:          # a loaded key, of any form
    uint32_t word32
    uint64_t word64
    Text text
    Digested digested       # its text is `text`
    ObjectKey object_key


cdef inline uint64_t hash_text(const Table *t, const AnyKey *key) noexcept nogil:
    if key.digested.known:
        return hash_word(t.hash_key, key.digested.digest)
    return slots.hash_of(t, &key.text)


cdef inline void load_key(const Table *t, const uint8_t *slot, AnyKey *key) noexcept nogil:
    if t.form == WORD32:
        slots.load_key(t, slot, &key.word32)
    elif t.form == TEXT:
        slots.load_key(t, slot, &key.text)
        key.digested.known = False
    elif t.form == OBJECT_KEY:
        slots.load_key(t, slot, &key.object_key)
    else:
        slots.load_key(t, slot, &key.word64)
