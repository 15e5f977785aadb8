# What every compiled map has: the types of its keys and values, and how they lie in a slot.

from cpython.object cimport PyObject
from libc.stdint cimport uint64_t

from pyhmap._engine.memory cimport ArenaBlocks
from pyhmap._kernels.layout cimport Table


cdef enum Kind:                 # how stored bytes become an object and back
    NO_KIND = 0                 # __init__ has not run
    INT = 1                     # int64
    UINT = 2                    # uint64
    FLOAT = 3                   # float64
    STR = 4
    BYTES = 5
    OBJECT = 6
    OTHER = 7                   # through the codec
    NOTHING = 8                 # V0, the values of the map below a set; as a value_number alone


# What a hash cache gives in a capsule of the name DIGEST_CAPSULE: the XXH64 digest of an exact str or bytes.
ctypedef uint64_t (*Digest)(PyObject *cache, PyObject *key) except? 0


cdef class TypedMap:
    cdef Table t
    cdef ArenaBlocks texts          # the blocks of t.arena
    cdef readonly object _key_codec, _value_codec
    cdef object plain_keys, plain_values    # the dtype of arrays that kernels read as they lie, or None
    cdef Kind key_kind, value_kind
    cdef Kind value_number                  # INT, UINT or FLOAT, of any size; NOTHING; else OTHER
    cdef uint64_t value_at, stride  # of a slot
    cdef object seed
    cdef uint64_t seed_state        # of splitmix64, when there is a seed
    cdef object hash_cache          # where scalar calls get XXH64 digests from, or None
    cdef Digest cached_digest       # its function, or NULL

    cdef int shape_slots(self, key_codec, value_codec) except -1
    cdef int take_types(self, key_codec, value_codec) except -1
    cdef int take_seed(self, seed) except -1
    cdef int draw_hash_key(self, uint64_t *hash_key) except -1
    cdef int check_initialised(self) except -1


cdef inline void empty_arena(Table *t) noexcept:
    t.arena.blocks = NULL
    t.arena.current = -1
    t.arena.used = t.arena.size = t.arena.live = t.arena.dead = 0
