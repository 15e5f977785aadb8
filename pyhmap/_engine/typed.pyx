"""What every compiled map has: the types of its keys and values, how they lie in a slot, and the key of the hash.

    TypedMap ──> HMapCore     buckets, which change: _core.pyx
        ├──────> FrozenCore   one slot per key, which never changes: frozen.pyx
        └──────> IndexEngine  a key per code, and buckets of codes, which are only added to: codes.pyx

The conversions of one item (one_item.pyx) and of a batch (batch_items.pyx) need no more than this, so all three share
them.
"""

import os

import numpy as np

from libc.stdint cimport uint64_t
from libc.string cimport memcpy

from pyhmap._convert import codecs
from pyhmap._convert.codec import WordCodec

from pyhmap._engine.counters cimport count
from pyhmap._kernels.constants cimport Form, OBJECT_KEY, TEXT, WORD32, WORD64

# How many maps this process has made, and how many are gone: for pyhmap.debug.
cdef uint64_t maps_made = 0, maps_gone = 0

cdef dict FORMS = {"word32": WORD32, "word64": WORD64, "text": TEXT, "object": OBJECT_KEY}


cdef dict NUMBERS = {"i": INT, "u": UINT, "f": FLOAT}
cdef dict TEXTS_AND_OBJECTS = {str: STR, bytes: BYTES, object: OBJECT}


cdef class StoredType:
    """A key or value type as the engine sees it. Its codec keeps this: small maps are made often."""
    cdef Form form              # of a key; TEXT and OBJECT_KEY of values too
    cdef uint64_t size
    cdef Kind kind, number
    cdef object plain


cdef StoredType stored_type(codec):
    cdef StoredType stored = codec.stored
    if stored is not None:
        return stored
    stored = StoredType.__new__(StoredType)
    stored.form = <Form> <int> FORMS.get(codec.form, WORD64)
    stored.size = codec.size
    stored.number = <Kind> <int> (NUMBERS.get(codec.dtype.kind, OTHER) if isinstance(codec, WordCodec) else OTHER)
    stored.kind = stored.number if stored.size == 8 else OTHER
    if isinstance(codec.dtype, type):
        stored.kind = <Kind> <int> TEXTS_AND_OBJECTS[codec.dtype]
    elif codec.dtype.str == "|V0" and codec.dtype.names is None and codec.dtype.subdtype is None:
        stored.number = NOTHING
    stored.plain = codec.plain
    codec.stored = stored
    return stored


def map_counts():
    """Maps made and maps gone since the process began, frozen ones and indexes included."""
    return maps_made, maps_gone


cdef class TypedMap:
    """The types of a map."""

    def __cinit__(self, *args, **kwargs):
        count(&maps_made, 1)

    def __dealloc__(self):
        count(&maps_gone, 1)

    cdef int shape_slots(self, key_codec, value_codec) except -1:
        """How slots of these types are laid out."""
        cdef StoredType key = stored_type(key_codec), value = stored_type(value_codec)
        cdef Form form = key.form
        if form == WORD32 and value.form in (TEXT, OBJECT_KEY):
            form = WORD64       # a text, or the index of an object, must be aligned in a slot
        cdef uint64_t alignment = 4 if form == WORD32 else 8
        self.value_at = 4 if form == WORD32 else 8 if form == WORD64 else 16
        self.stride = (self.value_at + value.size + alignment - 1) // alignment * alignment
        self.t.form = form
        self.t.value_size = value.size
        self.t.text_values = value.form == TEXT
        self.value_kind, self.value_number, self.plain_values = value.kind, value.number, value.plain
        self.plain_keys = key.plain if form == key.form and key.size == (4 if form == WORD32 else 8) else None
        return 0

    cdef int take_types(self, key_codec, value_codec) except -1:
        """From here on the map is initialised."""
        self._key_codec, self._value_codec = key_codec, value_codec
        self.key_kind = stored_type(key_codec).kind
        self.t.float_keys = self.key_kind == FLOAT
        return 0

    def _hold_as(self, holder):
        """What messages call this map."""
        self._key_codec = codecs.key_codec(self.key_dtype, holder)

    cdef int take_seed(self, seed) except -1:
        if seed is not None and not isinstance(seed, (int, np.integer)):
            raise TypeError(f"seed={seed!r}: give an int, or None for a random one")
        self.seed = seed
        self.seed_state = 0 if seed is None else int(seed) & 0xFFFFFFFFFFFFFFFF
        return 0

    cdef int draw_hash_key(self, uint64_t *hash_key) except -1:
        cdef uint64_t words[4]
        cdef int i
        if self.seed is None:
            drawn = os.urandom(32)
            memcpy(words, <const unsigned char *> drawn, 32)
        else:
            for i in range(4):
                words[i] = splitmix64(&self.seed_state)
        for i in range(4):
            hash_key[i] = words[i] | (i > 0)     # multipliers must be odd
        return 0

    cdef int check_initialised(self) except -1:
        if self.key_kind == NO_KIND:
            raise RuntimeError(f"{type(self).__name__}.__init__ was not called")
        return 0

    @property
    def key_dtype(self):
        """The type of the keys: a dtype, or ``str``, ``bytes`` or ``object``.

        >>> from pyhmap import HMap
        >>> HMap("i4", str).key_dtype
        dtype('int32')
        """
        self.check_initialised()
        return self._key_codec.dtype

    @property
    def value_dtype(self):
        """The type of the values: a dtype, or ``str``, ``bytes`` or ``object``.

        >>> from pyhmap import HMap
        >>> HMap("i4", str).value_dtype
        <class 'str'>
        """
        self.check_initialised()
        return self._value_codec.dtype


cdef inline uint64_t splitmix64(uint64_t *state):
    """Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (2014): turns a seed into four keys."""
    state[0] += <uint64_t> 0x9E3779B97F4A7C15
    cdef uint64_t z = state[0]
    z = (z ^ (z >> 30)) * <uint64_t> 0xBF58476D1CE4E5B9
    z = (z ^ (z >> 27)) * <uint64_t> 0x94D049BB133111EB
    return z ^ (z >> 31)
