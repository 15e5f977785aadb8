"""Iterators over keys, values and items.

Starting one finishes a growth that is under way. After that, keys move only when a key comes or goes. Either changes
the map's `version`, which ends the iteration with an error.
"""

cimport cython
from libc.stdint cimport uint8_t, uint64_t

from pyhmap._core cimport HMapCore
from pyhmap._engine.one_item cimport detach_value, key_object, object_of_detached
from pyhmap._engine.rwlock cimport FREE_THREADED, wait_to_read
from pyhmap._kernels.any_key cimport AnyKey, load_key
from pyhmap._kernels.constants cimport EMPTY_ONE, SLOTS
from pyhmap._kernels.layout cimport Table, slot_at


cdef object iterator(HMapCore map, Part part):
    cdef HMapIterator iterator = HMapIterator.__new__(HMapIterator)     # may collect garbage: before end_growth()
    map.end_growth()
    iterator.map = map
    iterator.part = part
    iterator.version = map.version
    iterator.left = map.t.count
    return iterator


cdef class HMapIterator:
    """Walks the rows of a settled table in order."""
    cdef HMapCore map           # None at the end
    cdef Part part
    cdef uint64_t version, left, row
    cdef unsigned i

    def __iter__(self):
        return self

    def __length_hint__(self):
        return self.left

    def __next__(self):
        cdef HMapCore map
        if FREE_THREADED:           # no section that is not needed: a step of a loop takes few instructions
            with cython.critical_section(self):
                map = self.map
        else:
            map = self.map
        if map is None:
            raise StopIteration
        if FREE_THREADED:
            with cython.critical_section(self, map):
                return next_item(self, map)
        return next_item(self, map)

    cdef inline void step(self):
        self.i += 1
        if self.i == SLOTS:
            self.i = 0
            self.row += 1


cdef inline object next_item(HMapIterator it, HMapCore map):
    """The next item. Another thread may use this iterator, too: before this, and during a wait."""
    cdef uint8_t *slot
    cdef AnyKey k
    cdef Table *t
    wait_to_read(&map.lock)
    if it.map is None:
        raise StopIteration
    if it.version != map.version:
        raise RuntimeError(f"H{map._key_codec.holder.capitalize()} changed size during iteration")
    if it.left == 0:
        it.map = None
        raise StopIteration
    t = &map.t
    while t.now.tophash[it.row * SLOTS + it.i] <= EMPTY_ONE:
        it.step()
    slot = slot_at(&t.now, it.row, it.i)
    it.step()
    it.left -= 1
    load_key(t, slot, &k)
    if it.part == KEYS:
        return key_object(map, &k)
    detached = detach_value(map, slot + map.value_at)
    if it.part == VALUES:
        return object_of_detached(map, detached)
    return key_object(map, &k), object_of_detached(map, detached)
