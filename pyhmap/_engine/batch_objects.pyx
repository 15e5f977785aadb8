"""The batch calls of maps of object keys; and add_many of object values under any keys.

All keys are hashed once, before anything else is done. Then each key takes the steps of a call with a single key. A
search may run any Python code and let other threads run, so no step relies on what the step before it has read. A null
key is absent when it is read, and refused when it is written.
"""

import numpy as np

from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcpy

from pyhmap._convert.sentinels import ABSENT, NO_DEFAULT

from pyhmap._core cimport HMapCore
from pyhmap._engine.batch_items cimport Items, keys_of
from pyhmap._engine.batch_values cimport Answers, Values, answers_for, defaults_for, missing, objects_of, values_for
from pyhmap._engine.one_item cimport MAX_RESTARTS, NO_INDEX, find_object_key
from pyhmap._engine.one_write cimport OneWrite, begin_one, put_one, remove_loaded
from pyhmap._engine.rwlock cimport wait_to_read, wait_to_write
from pyhmap._engine.typed cimport OBJECT
from pyhmap._kernels.any_key cimport AnyKey
from pyhmap._kernels.combine cimport combine_value
from pyhmap._kernels.constants cimport FOUND, INSERTED, NOT_FOUND, OBJECT_KEY, TEXT
from pyhmap._kernels.dispatch cimport get
from pyhmap._kernels.hash cimport canonical_float
from pyhmap._kernels.layout cimport Text
from pyhmap._kernels.write_many cimport code_of
from pyhmap._kernels.writing cimport Combine

cdef enum:
    SIGNALS_EACH = 1 << 12      # keys between two checks for signals: few enough that Ctrl-C acts at once


cdef class ObjectKeys:
    """n object keys and their hashes."""
    cdef list items
    cdef uint64_t n
    cdef uint64_t[::1] hashes
    cdef object valid               # None, or a bool array, False at nulls
    cdef const uint8_t[::1] is_valid

    cdef inline bint is_null(self, uint64_t i) noexcept:
        return self.valid is not None and not self.is_valid[i]


cdef ObjectKeys keys_from(HMapCore map, items, bint may_be_null):
    """The keys of a batch, all of them hashed."""
    cdef ObjectKeys keys = ObjectKeys()
    cdef uint64_t i
    keys.items, keys.valid = objects_of(map._key_codec, items)
    keys.n = len(keys.items)
    if keys.valid is not None:
        keys.is_valid = keys.valid.view(np.uint8)
    keys.hashes = np.empty(keys.n, np.uint64)
    for i in range(keys.n):
        if not keys.is_null(i):
            try:
                keys.hashes[i] = <uint64_t> <int64_t> hash(keys.items[i])
            except TypeError as error:
                raise TypeError(f"keys[{i}]: {error}") from None
    if not may_be_null and keys.valid is not None and not keys.valid.all():
        raise ValueError(f"keys[{keys.valid.argmin()}] is null: fill or drop nulls")
    return keys


cdef inline int check_signals(uint64_t i) except -1:
    if i % SIGNALS_EACH == SIGNALS_EACH - 1:
        PyErr_CheckSignals()
    return 0


# ---- reads -----------------------------------------------------------------------------------------------------------

cdef const uint8_t *seek(HMapCore map, ObjectKeys keys, uint64_t i) except? NULL:
    """The stored value of a key, or NULL. On return, no other code has run since it was found."""
    cdef AnyKey k
    if keys.is_null(i):
        return NULL
    find_object_key(map, keys.items[i], keys.hashes[i], &k)
    if map.old is not None:
        map.evacuate_on_read()
    return NULL if k.object_key.index == NO_INDEX else get(&map.t, &k)


cdef object get_many(HMapCore map, keys, default):
    cdef bint strict = default is NO_DEFAULT
    cdef ObjectKeys batch = keys_from(map, keys, not strict)
    cdef Values fill = None if strict else defaults_for(map, default, batch.n)
    cdef Answers answers = answers_for(map, batch.n)
    cdef const uint8_t *stored
    cdef uint64_t i
    for i in range(batch.n):
        stored = seek(map, batch, i)
        if stored != NULL:
            answers.take(map, i, stored)
        elif strict:
            raise missing(batch.items[i], i)
        else:
            answers.take_given(map, i, fill)
        check_signals(i)
    return answers.finished(map)


cdef object lookup_many(HMapCore map, keys):
    cdef ObjectKeys batch = keys_from(map, keys, True)
    cdef Answers answers = answers_for(map, batch.n)
    cdef const uint8_t *stored
    cdef uint64_t i
    found = np.empty(batch.n, bool)
    cdef uint8_t[::1] is_found = found.view(np.uint8)
    for i in range(batch.n):
        stored = seek(map, batch, i)
        is_found[i] = stored != NULL
        if stored != NULL:
            answers.take(map, i, stored)
        check_signals(i)
    return answers.finished(map), found


cdef object contains_many(HMapCore map, keys):
    cdef ObjectKeys batch = keys_from(map, keys, True)
    cdef uint64_t i
    found = np.empty(batch.n, bool)
    cdef uint8_t[::1] is_found = found.view(np.uint8)
    for i in range(batch.n):
        is_found[i] = seek(map, batch, i) != NULL
        check_signals(i)
    return found


# ---- writes ----------------------------------------------------------------------------------------------------------

cdef void begin_key(HMapCore map, OneWrite *w, ObjectKeys keys, uint64_t i, bint overwrite) noexcept:
    """Begin the write of one key. put_one() searches for it."""
    begin_one(w, overwrite)
    w.number = keys.hashes[i]
    w.seen = map.membership - 1


cdef object put_key(HMapCore map, OneWrite *w, ObjectKeys keys, Values values, uint64_t i):
    """put_one() of a key and its value."""
    if values.typed is None:
        return put_one(map, w, keys.items[i], values.object_at(i))
    if map.t.value_size:
        w.data = values.bytes_at(i)
    return put_one(map, w, keys.items[i], None)


cdef bint set_one(HMapCore map, ObjectKeys keys, Values values, uint64_t i) except -1:
    """Set a key. Returns whether it was new."""
    cdef OneWrite w
    begin_key(map, &w, keys, i, True)
    _replaced = put_key(map, &w, keys, values, i)
    map.after_write(w.status == INSERTED)
    return w.status == INSERTED


cdef int set_many(HMapCore map, keys, values) except -1:
    cdef ObjectKeys batch = keys_from(map, keys, False)
    cdef Values given = values_for(map, values, batch.n)
    cdef uint64_t i
    for i in range(batch.n):
        set_one(map, batch, given, i)
        check_signals(i)
    return 0


cdef object insert_many(HMapCore map, keys):
    """Set n keys of a map without values. Returns which of them were new."""
    cdef ObjectKeys batch = keys_from(map, keys, False)
    cdef Values nothing = values_for(map, b"", batch.n)
    cdef uint64_t i
    new = np.empty(batch.n, bool)
    cdef uint8_t[::1] is_new = new.view(np.uint8)
    for i in range(batch.n):
        is_new[i] = set_one(map, batch, nothing, i)
        check_signals(i)
    return new


cdef object setdefault_many(HMapCore map, keys, values):
    cdef ObjectKeys batch = keys_from(map, keys, False)
    cdef Values given = values_for(map, values, batch.n)
    cdef Answers answers = answers_for(map, batch.n)
    cdef OneWrite w
    cdef uint64_t i
    for i in range(batch.n):
        begin_key(map, &w, batch, i, False)
        find_object_key(map, batch.items[i], w.number, &w.k)
        w.seen = map.membership
        if w.k.object_key.index != NO_INDEX:
            answers.take(map, i, get(&map.t, &w.k))
        else:
            put_key(map, &w, batch, given, i)
            answers.take(map, i, w.stored)
            map.after_write(w.status == INSERTED)
        check_signals(i)
    return answers.finished(map)


cdef tuple factorize(HMapCore map, keys, int64_t last_code, bint signed_codes):
    """The codes, -1 for nulls; which keys are not null (None: all); and the position of the key for which there was no
    code, or the number of keys."""
    cdef ObjectKeys batch = keys_from(map, keys, True)
    cdef OneWrite w
    cdef uint64_t i
    cdef int64_t least_code = 0     # so that no code is given twice in this batch, even if the map is cleared meanwhile
    codes = np.full(batch.n, -1, np.int64)
    cdef int64_t[::1] view = codes
    for i in range(batch.n):
        if batch.is_null(i):
            continue
        begin_key(map, &w, batch, i, False)
        w.numbering = True
        w.least_code, w.last_code, w.signed_codes = least_code, last_code, signed_codes
        put_one(map, &w, batch.items[i], None)
        if w.status == NOT_FOUND:
            return codes, batch.valid, i
        view[i] = code_of(w.stored, map.t.value_size, signed_codes)
        if w.status == INSERTED:
            least_code = view[i] + 1
        map.after_write(w.status == INSERTED)
        check_signals(i)
    return codes, batch.valid, batch.n


cdef bint remove_one(HMapCore map, ObjectKeys keys, uint64_t i, Answers answers) except -1:
    """Remove a key. With `answers`, store its value there, and put the map's own key object into the batch."""
    cdef AnyKey k
    cdef const uint8_t *stored = NULL
    cdef uint64_t index, seen
    while True:
        find_object_key(map, keys.items[i], keys.hashes[i], &k)
        seen = map.membership
        wait_to_write(&map.lock)
        if seen == map.membership:
            break
    if k.object_key.index != NO_INDEX:
        stored = get(&map.t, &k)
    value = None
    if stored != NULL and answers is not None:
        answers.take(map, i, stored)
    elif stored != NULL and map.value_kind == OBJECT:
        memcpy(&index, stored, 8)
        value = map.value_objects[index]
    own_key = remove_loaded(map, &k, stored != NULL)
    if stored != NULL and answers is not None:
        keys.items[i] = own_key
    return stored != NULL


cdef object pop_many(HMapCore map, keys, default):
    cdef bint strict = default is NO_DEFAULT
    cdef ObjectKeys batch = keys_from(map, keys, False)
    cdef Values fill = None if strict else defaults_for(map, default, batch.n)
    cdef Answers answers = answers_for(map, batch.n)
    cdef uint64_t i
    cdef uint8_t[::1] is_removed = np.zeros(batch.n, np.uint8)
    cdef Values back = Values()     # made before memory may end
    if map.value_kind != OBJECT:
        back.typed = Items()
        back.typed.data, back.typed.step = answers.data, map.t.value_size
    try:
        for i in range(batch.n):
            is_removed[i] = remove_one(map, batch, i, answers)
            if not is_removed[i]:
                if strict:
                    raise missing(batch.items[i], i)
                answers.take_given(map, i, fill)
            check_signals(i)
    except BaseException:           # an __eq__ may have raised, or memory ended: put back what was removed
        for i in range(batch.n):
            if is_removed[i]:
                put_back(map, batch, answers, back, i)
        raise
    return answers.finished(map)


cdef int put_back(HMapCore map, ObjectKeys keys, Answers answers, Values back, uint64_t i) except -1:
    """Set a key to its answer."""
    if map.value_kind == OBJECT:
        back.single = answers.objects[i]
    return set_one(map, keys, back, i)


cdef object discard_many(HMapCore map, keys):
    cdef ObjectKeys batch = keys_from(map, keys, False)
    cdef uint64_t i, removed = 0
    for i in range(batch.n):
        removed += remove_one(map, batch, i, None)
        check_signals(i)
    return removed


# ---- sums ------------------------------------------------------------------------------------------------------------

cdef int add_many(HMapCore map, keys, values, op, const Combine *combine) except -1:
    """add_many of object values under any keys, and of typed values under object keys."""
    cdef ObjectKeys batch = None
    cdef Items typed = None
    cdef Values given
    cdef OneWrite w
    cdef uint64_t i, n
    if map.t.form == OBJECT_KEY:
        batch = keys_from(map, keys, False)
        n = batch.n
    else:
        typed = keys_of(map, keys, False)
        typed.refuse_nulls("keys")
        n = typed.n
    given = values_for(map, values, n)
    for i in range(n):
        if batch is None:
            begin_one(&w, False)
            load_typed(map, typed, i, &w.k)
            add_object_value(map, &w, None, given.object_at(i), op)
        elif map.value_kind == OBJECT:
            begin_key(map, &w, batch, i, False)
            add_object_value(map, &w, batch.items[i], given.object_at(i), op)
        else:
            begin_key(map, &w, batch, i, False)
            put_key(map, &w, batch, given, i)
            if w.status == FOUND:
                combine_value(combine, w.stored, <const uint8_t *> w.data)
            map.after_write(w.status == INSERTED)
        check_signals(i)
    return 0


cdef void load_typed(HMapCore map, Items keys, uint64_t i, AnyKey *k) noexcept:
    """Load a key of a map with object values, whose words are all of 8 bytes."""
    if map.t.form == TEXT:
        k.text = (<const Text *> keys.data)[i]
        k.digested.known = False
    else:
        k.word64 = (<const uint64_t *> keys.data)[i]
        if map.t.float_keys:
            k.word64 = canonical_float(k.word64)


cdef object combined_objects(op, old, value):
    if op == "add":
        return old + value
    if op == "min":
        return value if value < old else old
    return value if value > old else old


cdef int add_object_value(HMapCore map, OneWrite *w, object key, object value, op) except -1:
    """Combine a stored object with another one. That may run any Python code and let other threads run. If the value
    has changed meanwhile, it is combined again, so that no write is lost."""
    cdef const uint8_t *stored
    cdef uint64_t index
    for _ in range(MAX_RESTARTS):
        if map.t.form == OBJECT_KEY:
            find_object_key(map, key, w.number, &w.k)
            w.seen = map.membership
        else:
            wait_to_read(&map.lock)
        stored = get(&map.t, &w.k)
        old = ABSENT if stored == NULL else map.value_objects[(<const uint64_t *> stored)[0]]
        combined = value
        if old is not ABSENT:
            combined = combined_objects(op, old, value)
        put_one(map, w, key, combined)
        memcpy(&index, w.stored, 8)
        if w.status == INSERTED:
            map.value_objects[index] = value        # it was absent, or is so now
        elif map.value_objects[index] is old:
            map.value_objects[index] = combined
        else:
            map.after_write(False)
            continue
        map.after_write(w.status == INSERTED)
        return 0
    raise RuntimeError(f"adding {value!r} changes the value of its key each time: its {op} must not")
