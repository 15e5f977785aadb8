"""Writing one key at a time.

A write of an object key first searches for it, which may run any Python code and let other threads run. The result is
valid as long as `membership` stays the same. So the write compares `membership` after each wait, and searches again if
it has changed. Everything else that a write depends on is read after the last wait.
"""

import numpy as np

from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcpy

from pyhmap._core cimport HMapCore
from pyhmap._engine.one_item cimport (
    NO_INDEX,
    add_object,
    bytes_of,
    detach_value,
    find_object_key,
    hashed,
    key_from,
    object_of_detached,
    remove_object,
    value_from,
    value_object,
)
from pyhmap._engine.rwlock cimport wait_to_read, wait_to_write
from pyhmap._engine.typed cimport NO_KIND, OBJECT, OTHER, STR
from pyhmap._kernels.any_key cimport AnyKey
from pyhmap._kernels.constants cimport FOUND, INSERTED, NEED_GROWTH, NOT_FOUND, OBJECT_KEY, TEXT
from pyhmap._kernels.dispatch cimport delete, get, put
from pyhmap._kernels.layout cimport Text
from pyhmap._kernels.write_many cimport largest_code


cdef void begin_one(OneWrite *w, bint overwrite) noexcept:
    w.overwrite = overwrite
    w.numbering = False
    w.data = &w.v


cdef object write(HMapCore map, object key, object value, bint overwrite):
    """Set a key, or leave the value it has; returns the value now stored if it was to be left."""
    cdef OneWrite w
    begin_one(&w, overwrite)
    if map.t.form == OBJECT_KEY:
        if map.key_kind == NO_KIND:                     # the types are set before there is room for objects
            map.check_initialised()
        key = hashed(map, key, &w.number)               # once, although the search may have to be repeated
        w.seen = map.membership - 1                     # nothing is known yet
        if not overwrite:
            find_object_key(map, key, w.number, &w.k)
            w.seen = map.membership
    else:
        _key_owner = key_from(map, key, &w.k)
        if not overwrite:
            wait_to_read(&map.lock)
    if not overwrite and get(&map.t, &w.k) != NULL:     # a default that is not used is not converted
        return value_object(map, get(&map.t, &w.k))
    _value_owner = value_from(map, value, &w.v, &w.data)
    answer = None if overwrite else new_value(map, value, w.data)       # first: it takes memory
    if map.t.form == OBJECT_KEY or map.value_kind == OBJECT:
        _replaced = put_one(map, &w, key, value)
    else:
        put_typed(map, &w)
    if not overwrite and w.status == FOUND:             # the key has come meanwhile
        return value_found(map, w.stored)
    map.after_write(w.status == INSERTED)
    return answer


cdef object new_value(HMapCore map, object value, const void *data):
    """The Python object of a value that is to be stored."""
    if map.value_kind == OBJECT:
        return value
    return object_of_detached(map, bytes_of(<const Text *> data)) if map.t.text_values else value_object(map, data)


cdef object value_found(HMapCore map, const uint8_t *stored):
    """after_write(), and the value that is stored. Apart from write(), which a try statement would slow down."""
    try:
        detached = detach_value(map, stored)
    finally:                                            # even if there is no memory for the answer
        map.after_write(False)
    return object_of_detached(map, detached)


cdef object put_one(HMapCore map, OneWrite *w, object key, object value):
    """Put a loaded key and its value, at least one of which is an object, into the table, after growing it if need be.
    On return, no other code has run since the table was changed, and the caller must call after_write(). Returns a
    value that was replaced, to be released when the map is whole."""
    cdef uint64_t index
    cdef int64_t code = 0
    cdef bint fresh_key = False, by_objects = map.t.form == OBJECT_KEY
    cdef bint object_value = map.value_kind == OBJECT, new_value
    while True:
        wait_to_write(&map.lock)
        if by_objects:
            while w.seen != map.membership:
                find_object_key(map, key, w.number, &w.k)
                w.seen = map.membership
                wait_to_write(&map.lock)
            fresh_key = w.k.object_key.index == NO_INDEX
        if w.numbering and (fresh_key or get(&map.t, &w.k) == NULL):
            find_next_code(map, w.last_code, w.signed_codes)
            code = max(map._next_code, w.least_code)
            w.v.word = <uint64_t> code
            if code > w.last_code:
                w.status = NOT_FOUND
                return None
        new_value = object_value and (fresh_key or not by_objects)      # whether a typed key is there, only put() tells
        if new_value:
            w.v.word = add_object(map.value_objects, map.free_values, value)
        if fresh_key:
            try:
                w.k.object_key.index = add_object(map.key_objects, map.free_keys, key)
            except MemoryError:
                if new_value:
                    remove_object(map.value_objects, map.free_values, w.v.word)
                raise
        w.status = put(&map.t, &w.k, w.data, w.overwrite and not object_value, &w.stored)
        if w.status <= INSERTED:
            break
        if new_value:
            remove_object(map.value_objects, map.free_values, w.v.word)
        if fresh_key:
            remove_object(map.key_objects, map.free_keys, w.k.object_key.index)
            w.k.object_key.index = NO_INDEX
        make_room(map, w)
    replaced = None
    if w.numbering:
        if w.status == INSERTED:
            map._next_code = code + 1
    else:
        map.other_values = True
    if object_value and w.status == FOUND:
        if w.overwrite:
            memcpy(&index, w.stored, 8)
            replaced = map.value_objects[index]
            map.value_objects[index] = value
        if new_value:
            remove_object(map.value_objects, map.free_values, w.v.word)
    return replaced


cdef int put_typed(HMapCore map, OneWrite *w) except -1:
    """put_one() without objects."""
    while True:
        wait_to_write(&map.lock)
        w.status = put(&map.t, &w.k, w.data, w.overwrite, &w.stored)
        if w.status <= INSERTED:
            map.other_values = True
            return 0
        make_room(map, w)


cdef int make_room(HMapCore map, OneWrite *w) except -1:
    """Make the room for which put() stopped."""
    cdef uint64_t size
    if w.status == NEED_GROWTH:
        return map.start_growth(False)
    size = w.k.text.size if map.t.form == TEXT else 0
    return map.extend_arena(size + ((<const Text *> w.data).size if map.t.text_values else 0), 0)


cdef object remove(HMapCore map, object key, bint wanted, bint *found):
    """Remove a key; returns the Python object of its value, which is made first, if it is wanted."""
    cdef AnyKey k
    cdef uint64_t seen
    _owner = key_from(map, key, &k)
    seen = map.membership
    value = value_to_remove(map, &k, seen, wanted, found)
    while map.t.form == OBJECT_KEY and seen != map.membership:      # other threads ran during a wait
        key_from(map, key, &k)
        seen = map.membership
        value = value_to_remove(map, &k, seen, wanted, found)
    _key = remove_loaded(map, &k, found[0])
    return value


cdef object value_to_remove(HMapCore map, const AnyKey *k, uint64_t seen, bint wanted, bint *found):
    """The Python object of the value of a loaded key that is to be removed; None if there is no such key. On return, no
    code has run since the table was looked at, and nobody else uses it. A result is void if `membership` is not `seen`
    and the keys are objects."""
    cdef const uint8_t *stored
    cdef bint decoded = map.value_kind == STR or map.value_kind == OTHER
    bytes_before = value = None
    while True:
        wait_to_write(&map.lock)
        if map.t.form == OBJECT_KEY and seen != map.membership:
            return None
        stored = get(&map.t, k)
        found[0] = stored != NULL
        if stored == NULL or not (wanted or map.value_kind == OBJECT):
            return None
        detached = detach_value(map, stored)
        if not decoded or detached == bytes_before:
            return value if decoded else detached
        bytes_before = detached
        value = object_of_detached(map, detached)       # may run any code: look again


cdef object remove_loaded(HMapCore map, const AnyKey *k, bint found):
    """Remove a loaded key; `found` says whether it is in the map. Returns the object of an object key, to be released
    when the map is whole. The caller must hold the value until then as well."""
    cdef uint64_t index = 0
    key = None
    if found and map.t.form == OBJECT_KEY:
        map.free_keys.make_room(1)
    if found and map.value_kind == OBJECT:
        map.free_values.make_room(1)
        memcpy(&index, get(&map.t, k), 8)
    delete(&map.t, k, NULL)             # also of an absent key: each write evacuates
    if found and map.value_kind == OBJECT:
        remove_object(map.value_objects, map.free_values, index)
    if found and map.t.form == OBJECT_KEY:
        key = remove_object(map.key_objects, map.free_keys, k.object_key.index)
    map.after_write(found)
    if found:
        map.after_removal()
    return key


# ---- codes -----------------------------------------------------------------------------------------------------------

cdef int64_t last_code(HMapCore map) except -1:
    """The largest code that the value type can hold, below 2^63 - 1: _next_code is an int64 and may be one more."""
    return min(int(np.iinfo(map._value_codec.dtype).max), 2**63 - 2)


cdef void find_next_code(HMapCore map, int64_t last_code, bint signed_codes) noexcept:
    """Make _next_code larger than every value, but at most last_code + 1. No other thread may use the table."""
    cdef int64_t largest
    if map.other_values:
        largest = largest_code(&map.t, signed_codes)
        map._next_code = max(map._next_code, min(largest, last_code) + 1)
        map.other_values = False
