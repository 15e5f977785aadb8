"""One map over the frozen maps of many partitions: a key's hash says in which of them it is.

    keys ──number──> partitions ──sort──> keys of partition 0 │ of partition 1 │ ... ──look up each──> answers
                                                                                          │
    answers in the order of the keys <────────────────────────scatter────────────────────┘

The hash has the key PARTITION_KEY, which is part of the format of datasets: all programs, on all machines, divide rows
among partitions alike. Each part has a hash key of its own, so that keys which were chosen to collide
make some parts larger than others, and nothing slower.
"""

from types import GenericAlias

import numpy as np

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint64_t
from libc.string cimport memcpy

from pyhmap._convert import codecs
from pyhmap._convert.sentinels import ABSENT

from pyhmap._engine.batch_items cimport Items, check_out, copied_to, empty_values, finished_values, key_at, keys_of
from pyhmap._engine.batch_read cimport look_up, thread_count
from pyhmap._engine.batch_values cimport Values, defaults_for, missing
from pyhmap._engine.frozen_core cimport FrozenCore, memory_of, value_of
from pyhmap._engine.one_item cimport key_from
from pyhmap._engine.typed cimport STR, TypedMap, empty_arena
from pyhmap._kernels.any_key cimport AnyKey
from pyhmap._kernels.constants cimport TEXT, WORD32
from pyhmap._kernels.frozen cimport find_entry
from pyhmap._kernels.layout cimport Text
from pyhmap._kernels.spilled cimport gather_keys, number_keys

MOST_PARTITIONS = 4096      # each is a file, and many systems let a process have but some thousands open

# The first 256 bits of the fraction of pi, in words; the last three, which are multipliers, are odd.
PARTITION_KEY = (0x243F6A8885A308D3, 0x13198A2E03707345, 0xA4093822299F31D1, 0x082EFA98EC4E6C89)


def use_partition_key(TypedMap map not None):
    """Let a map without keys hash by PARTITION_KEY."""
    cdef int i
    for i in range(4):
        map.t.hash_key[i] = PARTITION_KEY[i]


cdef class PartedEngine(TypedMap):
    """The compiled methods of :class:`pyhmap.Dataset`; use that. It has ``_part(number)``, the frozen map of a
    partition, which is checked; and its length, which raises if it is closed."""
    cdef readonly int _partitions

    __class_getitem__ = classmethod(GenericAlias)   # for type checkers

    def __cinit__(self, *args, **kwargs):
        empty_arena(&self.t)

    def _begin(self, key, value, int partitions):
        """Set the types and the number of partitions."""
        key_codec, value_codec = codecs.key_codec(key), codecs.value_codec(value)
        if "object" in (key_codec.form, value_codec.form):
            raise TypeError("objects have no bytes that a file could hold")
        self.shape_slots(key_codec, value_codec)
        self.take_types(key_codec, value_codec)
        use_partition_key(self)
        self._partitions = partitions

    # ---- single keys ------------------------------------------------------------------------------------------------

    cdef FrozenCore part_of(self, const AnyKey *k):
        """The part of a key, which is ready to be read for it."""
        cdef uint16_t number
        if self.t.form == TEXT:
            number_keys(&self.t, &k.text, 1, self._partitions, &number)
        elif self.t.form == WORD32:
            number_keys(&self.t, &k.word32, 1, self._partitions, &number)
        else:
            number_keys(&self.t, &k.word64, 1, self._partitions, &number)
        part = part_in(self, number)
        part.verify_key(k)
        return part

    def __getitem__(self, key):
        found = self.get(key, ABSENT)
        if found is ABSENT:
            raise KeyError(key)
        return found

    def __contains__(self, key):
        cdef AnyKey k
        _owner = key_from(self, key, &k)
        part = self.part_of(&k)
        _memory = memory_of(part)
        return find_entry(&part.f, &part.t, &k) != NULL

    def get(self, key, default=None, /):
        """The value of ``key``, or ``default`` if it is missing."""
        cdef AnyKey k
        cdef const uint8_t *entry
        _owner = key_from(self, key, &k)
        part = self.part_of(&k)
        _memory = memory_of(part)
        entry = find_entry(&part.f, &part.t, &k)
        return default if entry == NULL else value_of(part, entry)

    # ---- batches ----------------------------------------------------------------------------------------------------

    def partitions_of(self, keys):
        """The number of the partition of each of n keys: a uint16 array of shape (n,). That of a null means nothing."""
        self.check_initialised()
        return numbers_of(self, keys_of(self, keys, False))

    def get_many(self, keys, default=..., *, out=None, threads=1):
        """The values of many keys; see :meth:`HMap.get_many`."""
        cdef bint strict = default is ...
        cdef uint64_t first
        self.check_initialised()
        cdef uint64_t n_threads = thread_count(threads)
        cdef Items batch = keys_of(self, keys, False)
        if strict:
            batch.refuse_nulls("keys")
        cdef Values fill = None if strict else defaults_for(self, default, batch.n)
        if out is not None:
            check_out(self, out, batch.n)
        values, found = look_up_in_parts(self, batch, True, n_threads)
        missed = np.flatnonzero(~found)
        if len(missed):
            if strict:
                first = missed[0]
                raise missing(key_at(self, batch, first), first)
            values[missed] = defaults_at(self, fill, missed)
        return copied_to(self, values, out)

    def lookup_many(self, keys, *, threads=1):
        """The values of n keys, and which of the keys are present; see :meth:`HMap.lookup_many`."""
        self.check_initialised()
        cdef uint64_t n_threads = thread_count(threads)
        return look_up_in_parts(self, keys_of(self, keys, False), True, n_threads)

    def contains_many(self, keys, *, threads=1):
        """Which of n keys are in the map; see :meth:`HMap.contains_many`."""
        self.check_initialised()
        cdef uint64_t n_threads = thread_count(threads)
        return look_up_in_parts(self, keys_of(self, keys, False), False, n_threads)[1]


cdef FrozenCore part_in(PartedEngine map, number):
    """The frozen map of a partition. The kernels rely on its types."""
    part = <FrozenCore?> map._part(number)
    if part.t.form != map.t.form or part.value_kind != map.value_kind or part.t.value_size != map.t.value_size:
        raise TypeError(f"part {number} has other types than the map")
    return part


cdef object numbers_of(PartedEngine map, Items keys):
    cdef uint16_t[::1] view
    numbers = np.empty(keys.n, np.uint16)
    if keys.n:
        view = numbers
        with nogil:
            number_keys(&map.t, keys.data, keys.n, map._partitions, &view[0])
    return numbers


cdef tuple look_up_in_parts(PartedEngine map, Items keys, bint want_values, uint64_t threads):
    """The values of keys, or None; and which of the keys are present."""
    cdef uint8_t[::1] view
    cdef const int64_t[::1] order_view
    cdef uint64_t n = keys.n, begin = 0, width = keys.step
    cdef Items some
    values, found = None, np.zeros(n, bool)
    if want_values:
        # Between the fields of a record, nobody writes.
        made = np.zeros if map._value_codec.has_padding else np.empty
        values = made(n, object if map.t.text_values else map._value_codec.dtype)
    if n == 0:
        len(map)                                        # raises if the map is closed
        return values, found
    numbers = numbers_of(map, keys)
    order = np.argsort(numbers, kind="stable")          # of 16 bits: a radix sort
    order_view = order
    by_part = np.empty(n * width, np.uint8)
    view = by_part
    with nogil:
        gather_keys(&map.t, keys.data, &order_view[0], n, &view[0])
    for number, size in enumerate(np.bincount(numbers, minlength=map._partitions).tolist()):
        if size == 0:
            continue
        some = Items()
        some.data, some.n, some.step = &view[begin * width], size, width
        some.texts.texts = <Text *> some.data if map.t.form == TEXT else NULL
        some.owner = by_part, keys                      # texts point into the batch
        rows = order[begin:begin + size]
        answers, found[rows] = look_up(part_in(map, number), some, want_values, threads)
        if want_values:
            values[rows] = answers
        begin += size
    if keys.valid is not None:                          # a null key is a missing one
        nulls = ~keys.valid
        found[nulls] = False
        if want_values and nulls.any():
            values[nulls] = nothing_of(map)
    return values, found


cdef object nothing_of(PartedEngine map):
    """The zero value."""
    if map.t.text_values:
        return "" if map.value_kind == STR else b""
    return np.zeros(1, map._value_codec.dtype)


cdef object defaults_at(PartedEngine map, Values given, positions):
    """The defaults of the keys at some positions; or one array of one item, which stands for all."""
    cdef uint8_t[::1] view
    cdef uint64_t i, size = map.t.value_size, n = len(positions) if given.typed.step else 1
    array = empty_values(map, n)
    if size:
        view = array.reshape(-1).view(np.uint8)
        for i in range(n):
            memcpy(&view[i * size], given.bytes_at(positions[i] if given.typed.step else 0), size)
    return finished_values(map, array)
