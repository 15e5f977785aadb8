"""The values that a batch call takes and returns, typed or Python objects.

A slot holds the index of an object. So under typed keys, the kernels of the batch calls read and write objects as
indices. Another write may give an index to another object, so these batches hold the GIL and the lock from choosing an
index until the kernel has stored it, and from reading one until its object is fetched. No Python code runs in between.
Objects that a write replaces or removes are handed to the caller, to be released when the map is whole.
"""

import numpy as np

from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memset

from pyhmap._core cimport HMapCore
from pyhmap._engine.batch_items cimport Items, empty_values, finished_values, no_bytes, values_of
from pyhmap._engine.one_item cimport NO_INDEX, add_object, remove_object
from pyhmap._engine.typed cimport OBJECT, TypedMap
from pyhmap._kernels.constants cimport CHUNK, LONG_CHAIN, Status
from pyhmap._kernels.slot cimport copy_bytes, hand_out
from pyhmap._kernels.write_many cimport write_batch
from pyhmap._kernels.writing cimport SETDEFAULT, Writing

cdef enum:
    # Keys between two exchanges of indices and objects: few enough that both are still in the cache, and that a batch
    # which stops to grow takes back few indices.
    OBJECTS_AT_ONCE = 1 << 11

cdef uint64_t no_index = NO_INDEX       # what a kernel returns for a missing key


cdef class Values:
    """The values for n keys."""


cdef Values values_for(TypedMap map, values, uint64_t n):
    """The values for n keys: n of them, or one for all."""
    cdef Values batch = Values()
    cdef Py_ssize_t i
    if map.value_kind != OBJECT:
        batch.typed = values_of(map, values, n)
        return batch
    codec = map._value_codec
    if codec.is_scalar(values):
        batch.single = codec.single(values)
        return batch
    batch.objects, valid = objects_of(codec, values)
    if valid is not None:
        for i in np.flatnonzero(~valid).tolist():
            batch.objects[i] = None
    if <uint64_t> len(batch.objects) != n:
        raise ValueError(f"{n} keys but {len(batch.objects)} values: give one value per key, or one for all")
    return batch


cdef Values defaults_for(TypedMap map, default, uint64_t n):
    """The values for missing keys: n of them, or one for all. Errors begin with "default: "."""
    try:
        return values_for(map, default, n)
    except (TypeError, ValueError, OverflowError) as error:
        raise type(error)(f"default: {error}") from None


cdef tuple objects_of(codec, items):
    """The objects of a batch in a new list, and which are not null (None: all)."""
    if type(items) is list or type(items) is tuple:     # its items are objects as they are, None and NA too
        return list(items), None
    array, valid = codec.many(items)
    return array.tolist(), valid


cdef class Answers:
    """The values that a batch returns."""

    cdef int take(self, HMapCore map, uint64_t i, const uint8_t *stored) except -1:
        """Answer i is a stored value. A text still points into its arena, which is kept alive."""
        if map.value_kind == OBJECT:
            self.objects[i] = map.value_objects[(<const uint64_t *> stored)[0]]
            return 0
        if map.t.text_values:
            self.arenas.keep_arena(map.texts)
        hand_out(&map.t, self.data + i * map.t.value_size, stored)
        return 0

    cdef int take_given(self, HMapCore map, uint64_t i, Values values) except -1:
        """Answer i is what the caller gave."""
        if map.value_kind == OBJECT:
            self.objects[i] = values.object_at(i)
        else:
            copy_bytes(self.data + i * map.t.value_size, values.bytes_at(i), map.t.value_size)
        return 0

    cdef object finished(self, HMapCore map):
        return self.array if map.value_kind == OBJECT else finished_values(map, self.array)


cdef Answers answers_for(HMapCore map, uint64_t n):
    """Answers for n keys, all of them zero values."""
    cdef Answers answers = Answers()
    answers.arenas = Items()
    answers.data = no_bytes()
    answers.array = empty_values(map, n)
    if map.value_kind == OBJECT:
        answers.objects = answers.array
    elif n and map.t.value_size:
        answers.bytes = answers.array.reshape(-1).view(np.uint8)
        answers.data = &answers.bytes[0]
        memset(answers.data, 0, len(answers.bytes))
    return answers


cdef class ObjectValues:
    """Object values that a batch of typed keys stores or removes."""

    cdef int write(self, HMapCore map, Writing *w, Items keys, uint64_t start, uint64_t stop, uint64_t *done,
                   Status *status) except -1:
        """write_batch() for keys[start:stop], at most CHUNK of them. The caller has the lock, so nothing
        here may collect garbage; and it calls release() when it has released the lock."""
        cdef uint64_t n, at
        done[0] = start
        while done[0] < stop:
            start = done[0]
            n = min(stop - start, <uint64_t> OBJECTS_AT_ONCE)
            map.free_values.make_room(n)
            if w.action == SETDEFAULT:
                choose_places(self, map, start, n)
            at = write_batch(&map.t, w, keys.data + start * keys.step, 0, n, status)
            if w.action == SETDEFAULT:
                settle_stored(self, map, start, at, n)
            else:
                settle_removed(self, map, start, at)
            done[0] = start + at
            if at < n or status[0] == LONG_CHAIN:
                break
        return 0

    cdef int release(self) except -1:
        """Release the objects that write() replaced or removed. May run any Python code."""
        while self.n_released:
            self.n_released -= 1
            self.released[self.n_released] = None
        return 0


cdef int choose_places(ObjectValues batch, HMapCore map, uint64_t start, uint64_t n) except -1:
    """Put n objects into the map's list: all of them, or none if there is no memory."""
    cdef uint64_t i = 0
    try:
        while i < n:
            item = batch.given.object_at(start + i)
            batch.given_index[i] = add_object(map.value_objects, map.free_values, item)
            i += 1
    except MemoryError:
        while i:
            i -= 1
            remove_object(map.value_objects, map.free_values, batch.given_index[i])
        raise
    return 0


cdef inline int release_later(ObjectValues batch, value) except -1:
    batch.released[batch.n_released] = value
    batch.n_released += 1
    return 0


cdef int settle_stored(ObjectValues batch, HMapCore map, uint64_t start, uint64_t at, uint64_t n) except -1:
    """Of n indices that were chosen, `at` were offered to the kernel: take back those that it did not store."""
    cdef uint64_t i, index
    for i in range(at):
        index = batch.stored_index[i]
        if index != batch.given_index[i]:        # the key was there
            value = remove_object(map.value_objects, map.free_values, batch.given_index[i])
            if batch.overwriting:
                release_later(batch, map.value_objects[index])
                map.value_objects[index] = value
        if batch.answering:
            batch.answers[start + i] = map.value_objects[index]
    for i in range(at, n):
        remove_object(map.value_objects, map.free_values, batch.given_index[i])
    return 0


cdef int settle_removed(ObjectValues batch, HMapCore map, uint64_t start, uint64_t at) except -1:
    cdef uint64_t i
    for i in range(at):
        if batch.stored_index[i] != NO_INDEX:
            value = remove_object(map.value_objects, map.free_values, batch.stored_index[i])
            if batch.answering:
                batch.answers[start + i] = value
            else:
                release_later(batch, value)
        elif batch.answering:
            batch.answers[start + i] = batch.given.object_at(start + i)
    return 0


cdef ObjectValues object_values(Writing *w, Values given, answers, bint overwriting, uint64_t n):
    """Make a Writing of n keys work on indices of objects. `answers`, an object array or None, receives the values."""
    cdef ObjectValues objects = ObjectValues()
    objects.released = [None] * <Py_ssize_t> min(n, <uint64_t> CHUNK)     # room for what one write() replaces
    objects.given = given
    objects.overwriting = overwriting
    objects.answering = answers is not None
    if objects.answering:
        objects.answers = answers
    objects.given_index = np.empty(OBJECTS_AT_ONCE, np.uint64)
    objects.stored_index = np.empty(OBJECTS_AT_ONCE, np.uint64)
    w.values = <const uint8_t *> &objects.given_index[0]
    w.value_step = 8
    w.out = <uint8_t *> &objects.stored_index[0]
    w.fill = &no_index
    return objects


cdef int gather(object[::1] out, list objects, const uint64_t *index, uint64_t step) except -1:
    """The objects of as many indices, which are `step` words apart."""
    cdef Py_ssize_t i
    for i in range(len(out)):
        out[i] = objects[index[<uint64_t> i * step]]
    return 0


cdef object missing(key, uint64_t position):
    """What a batch call raises for a missing key."""
    shown = str(key) if isinstance(key, (np.datetime64, np.timedelta64)) else repr(getattr(key, "item", lambda: key)())
    return KeyError(f"key {shown} at position {position} is not in the map")
