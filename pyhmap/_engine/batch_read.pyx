"""Batch look-ups: arrays in, arrays out, with the GIL released.

A call converts its keys first, then works through them in chunks: take the lock as a reader, run the kernel without the
GIL, release the lock, check for signals. Between chunks other threads may write. With `threads` the keys are
shared among threads, each of which does the same with its part. Object values are read as indices; the GIL is held
until the indices are exchanged for the objects. batch_objects has the calls for object keys.
"""

import numpy as np

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING
from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcpy

from pyhmap._convert.sentinels import NO_DEFAULT
from pyhmap._engine.threads import in_threads, thread_count as count_of

from pyhmap._core cimport HMapCore
from pyhmap._engine cimport batch_objects
from pyhmap._engine.batch_items cimport (
    Items,
    check_out,
    copied_to,
    empty_keys,
    empty_values,
    finished_keys,
    finished_values,
    items_of,
    key_at,
    keys_of,
)
from pyhmap._engine.batch_values cimport Values, defaults_for, gather, missing
from pyhmap._engine.frozen_core cimport FrozenCore, memory_of
from pyhmap._engine.one_item cimport NO_INDEX
from pyhmap._engine.rwlock cimport begin_read, end_read
from pyhmap._engine.typed cimport OBJECT, TypedMap
from pyhmap._kernels.constants cimport CHUNK, EVACUATE_PER_KEY, OBJECT_KEY, RELEASE_GIL_FROM, TEXT
from pyhmap._kernels.frozen cimport collect_rows, read_rows
from pyhmap._kernels.layout cimport growing
from pyhmap._kernels.lookup_many cimport collect, read_batch
from pyhmap._kernels.reading cimport Reading

cdef enum:
    THREAD_SHARE = 1 << 15      # the fewest keys worth a thread: their look-up takes several times as long as its start

cdef uint64_t no_index = NO_INDEX       # what a kernel returns for a missing key
cdef uint8_t[64] zeros                  # the same, for values of up to so many bytes
cdef object NOTHING = np.empty(0, np.uint8)


cdef class ReadCall:
    """The arrays of one read call. A thread that works on them keeps them alive, even if the caller has left."""
    cdef Items keys
    cdef Items values, found        # the arrays that receive the answers, or None
    cdef object memory              # of a frozen map, which closing takes away from it, and texts in `values` point to
    cdef Values default
    cdef object fill                # keeps the bytes of r.fill alive
    cdef object[::1] objects        # receives the objects whose indices are in `values`
    cdef const uint8_t[::1] is_valid    # for these: False at nulls, if there are some
    cdef bint object_values
    cdef Reading r

    cdef int receive_values(self, Items values) except -1:
        """Receive values. For a missing key, that is zero."""
        self.values = values
        self.r.values = <uint8_t *> values.data
        self.r.fill = zeros
        if values.step > sizeof(zeros):
            self.fill = bytes(values.step)
            self.r.fill = PyBytes_AS_STRING(self.fill)
        return 0

    cdef int receive_found(self) except -1:
        self.found = items_of(np.empty(self.keys.n, bool), 1)
        self.r.found = <uint8_t *> self.found.data
        return 0

    cdef int receive_objects(self, array) except -1:
        """Receive object values. For a missing key, the array keeps its item."""
        self.receive_values(items_of(np.empty(self.keys.n, np.uint64), 8))
        if self.keys.valid is not None:
            self.is_valid = self.keys.valid.view(np.uint8)
        self.object_values = True
        self.objects = array
        self.r.fill = &no_index
        return 0

    cdef int fill_with(self, Values default) except -1:
        """What missing keys get, instead of zero."""
        self.default = default
        if default.typed.step == 0:
            self.fill = default.typed
            self.r.fill = default.typed.data
        else:
            self.receive_found()
        return 0

    cdef int fill_each(self) except -1:
        """If each key has a default of its own, copy it for the missing keys."""
        cdef uint64_t i, size = self.values.step
        if self.default is not None and self.default.typed.step != 0:
            for i in range(self.keys.n):
                if not self.r.found[i]:
                    memcpy(self.r.values + i * size, self.default.bytes_at(i), size)
        return 0

    cdef int take_objects(self, HMapCore map, uint64_t start, uint64_t stop) except -1:
        """Exchange indices for objects. No write has happened since the indices were read, and nothing here may run any
        code."""
        cdef const uint64_t *index = <const uint64_t *> self.r.values
        cdef uint64_t i
        for i in range(start, stop):
            if index[i] != NO_INDEX and (self.keys.valid is None or self.is_valid[i]):
                self.objects[i] = map.value_objects[index[i]]
        return 0

    cdef int blank_nulls(self) except -1:
        """A null key is a missing one, whatever bytes stand in its place."""
        cdef Items valid
        cdef uint64_t i
        if self.keys.valid is None:
            return 0
        valid = items_of(np.ascontiguousarray(self.keys.valid), 1)
        for i in range(self.keys.n):
            if valid.data[i]:
                continue
            if self.found is not None:
                self.r.found[i] = False
            if self.values is not None and not self.object_values:
                memcpy(self.r.values + i * self.values.step, self.r.fill, self.values.step)
        return 0


cdef ReadCall read_call(Items keys):
    cdef ReadCall call = ReadCall.__new__(ReadCall)
    call.keys = keys
    return call


cdef object get_many(TypedMap map, keys, default, out, threads):
    cdef uint64_t n_threads = thread_count(threads)
    cdef bint strict = default is ...
    if map.t.form == OBJECT_KEY:
        return copied_to(map, batch_objects.get_many(<HMapCore> map, keys, NO_DEFAULT if strict else default), out)
    cdef Items batch = keys_of(map, keys, True)
    if strict:
        batch.refuse_nulls("keys")
    cdef Values fill = None if strict else defaults_for(map, default, batch.n)
    cdef Items values = None if out is None else direct_answers(map, out, batch, fill)
    cdef bint direct = values is not None
    cdef ReadCall call = read_call(batch)
    if map.value_kind == OBJECT:
        answers = np.empty(batch.n, object)
        if not strict:
            set_objects(answers, fill)
        call.receive_objects(answers)
    else:
        if not direct:
            values = items_of(empty_values(map, batch.n), map.t.value_size)
        call.receive_values(values)
        if not strict:
            call.fill_with(fill)
    cdef uint64_t missed = read(map, call, strict, n_threads)
    if missed < batch.n:
        raise missing(key_at(map, batch, missed), missed)
    if direct:
        return out
    if map.value_kind != OBJECT:
        call.fill_each()
        answers = finished_values(map, values.owner)
    return copied_to(map, answers, out)


cdef int set_objects(array, Values values) except -1:
    cdef object[::1] view = array
    cdef Py_ssize_t i
    for i in range(len(view)):
        view[i] = values.object_at(i)
    return 0


cdef object lookup_many(TypedMap map, keys, threads):
    cdef uint64_t n_threads = thread_count(threads)
    if map.t.form == OBJECT_KEY:
        return batch_objects.lookup_many(<HMapCore> map, keys)
    return look_up(map, keys_of(map, keys, True), True, n_threads)


cdef object contains_many(TypedMap map, keys, threads):
    cdef uint64_t n_threads = thread_count(threads)
    if map.t.form == OBJECT_KEY:
        return batch_objects.contains_many(<HMapCore> map, keys)
    return look_up(map, keys_of(map, keys, True), False, n_threads)[1]


cdef tuple look_up(TypedMap map, Items keys, bint want_values, uint64_t threads):
    """The values of keys, or None; and which of the keys are present."""
    cdef ReadCall call = read_call(keys)
    answers = None
    if want_values:
        answers = empty_values(map, keys.n)
        if map.value_kind == OBJECT:
            call.receive_objects(answers)
        else:
            call.receive_values(items_of(answers, map.t.value_size))
    call.receive_found()
    read(map, call, False, threads)
    if want_values and map.value_kind != OBJECT:
        answers = finished_values(map, answers)
    return answers, call.found.owner


cdef object copy_out(HMapCore map, bint want_keys, bint want_values, bint joined=False, choose=None):
    """Copies of all keys and values, in the order of iteration; None for what is not wanted. With `joined`, texts are
    not objects, but what ``joined_texts`` makes of them. With `choose`, only the rows that it returns when it gets all
    values, which are numbers or times. All arrays are made before the lock is taken, since an allocation may run any
    code."""
    cdef uint8_t[::1] k, v
    cdef object[::1] own_keys_view, own_values_view
    cdef uint64_t n
    cdef bint by_objects = want_keys and map.t.form == OBJECT_KEY
    cdef bint object_values = want_values and map.value_kind == OBJECT
    while True:
        map.end_growth()
        n = map.t.count
        keys = empty_keys(map, n if want_keys else 0)
        values = np.empty(n, np.uint64) if object_values else empty_values(map, n) if want_values else NOTHING
        k, v = keys.reshape(-1).view(np.uint8), values.reshape(-1).view(np.uint8)
        own_keys, own_values = np.empty(n * by_objects, object), np.empty(n * object_values, object)
        own_keys_view, own_values_view = own_keys, own_values
        begin_read(&map.lock)
        _texts = map.texts              # what text answers point to
        if not growing(&map.t) and map.t.count == n:        # nobody wrote while the arrays were made
            break
        end_read(&map.lock)
    if n:
        with nogil:
            collect(&map.t, &k[0] if len(k) else NULL, &v[0] if len(v) else NULL)
        if by_objects:                  # before another thread can write
            gather(own_keys_view, map.key_objects, <const uint64_t *> &k[8], 2)
        if object_values:
            gather(own_values_view, map.value_objects, <const uint64_t *> &v[0], 1)
    end_read(&map.lock)
    rows = None if choose is None else choose(values)
    if want_keys and not by_objects:
        own_keys = finished_keys(map, keys, joined, rows)
    if rows is not None:
        return own_keys[rows] if by_objects else own_keys, values[rows]
    if want_values and not object_values:
        own_values = finished_values(map, values, joined)
    return own_keys if want_keys else None, own_values if want_values else None


cdef object positions(FrozenCore map, keys, threads):
    """The row of each key in a frozen map, -1 for a missing one."""
    cdef uint64_t n_threads = thread_count(threads)
    cdef ReadCall call = read_call(keys_of(map, keys, True))
    cdef Items rows = items_of(np.empty(call.keys.n, np.int64), 8)
    call.r.rows = <int64_t *> rows.data
    read(map, call, False, n_threads)
    if call.keys.valid is not None:
        rows.owner[~call.keys.valid] = -1
    return rows.owner


cdef object copy_rows(FrozenCore map, bint want_keys, bint want_values, bint joined=False, choose=None):
    """copy_out() for a frozen map."""
    cdef uint8_t[::1] k, v
    cdef uint64_t n = map.f.count
    keys = empty_keys(map, n if want_keys else 0)
    values = empty_values(map, n) if want_values else NOTHING
    k, v = keys.reshape(-1).view(np.uint8), values.reshape(-1).view(np.uint8)
    map.verify_all()
    _memory = memory_of(map)
    if n:
        with nogil:
            collect_rows(&map.f, &map.t, &k[0] if len(k) else NULL, &v[0] if len(v) else NULL)
    if choose is not None:
        rows = choose(values)
        return finished_keys(map, keys, joined, rows), values[rows]
    return (
        finished_keys(map, keys, joined) if want_keys else None,
        finished_values(map, values, joined) if want_values else None,
    )


cdef Items direct_answers(TypedMap map, out, Items keys, Values fill):
    """Check `out`, and return it if the kernel may write its answers there, while it still reads the keys. To be called
    after all code of the caller's."""
    cdef Items answers = Items()
    if not answers.take_plain(out, map.plain_values, map.t.value_size) or answers.n != keys.n or answers.held.readonly:
        out = check_out(map, out, keys.n)
        if map.value_kind == OBJECT or map.t.text_values or not out.flags.carray:
            return None
        answers = items_of(out, map.t.value_size)
    each = fill is not None and fill.typed is not None and fill.typed.step != 0     # has a default of its own
    if each or map.t.form == TEXT or overlap(answers, keys):
        return None
    return answers


cdef bint overlap(Items one, Items other) noexcept:
    return one.data < other.data + other.n * other.step and other.data < one.data + one.n * one.step


cdef uint64_t thread_count(threads) except 0:
    """The number of threads that an argument asks for."""
    if type(threads) is int and threads == 1:       # in most calls
        return 1
    return count_of(threads)


# ---- the reading loop ------------------------------------------------------------------------------------------------

cdef uint64_t read(TypedMap map, ReadCall call, bint stop_at_miss, uint64_t threads) except? 0xFFFFFFFFFFFFFFFF:
    """Read all keys. Returns the position of the first miss if it stops there, or else their number."""
    cdef uint64_t n = call.keys.n, parts = 1, done
    call.r.stop_at_miss = stop_at_miss
    if not isinstance(map, FrozenCore):
        (<HMapCore> map).evacuate(EVACUATE_PER_KEY * n)
    if n >= 2 * THREAD_SHARE:
        parts = min(threads, n // THREAD_SHARE)
    done = read_part(map, call, 0, n) if parts == 1 else read_in_threads(map, call, parts)
    if done < n and not stop_at_miss:
        key_at(map, call.keys, done)            # raises: nothing else stops the kernel
    call.blank_nulls()
    return done


cdef int64_t read_part(TypedMap map, ReadCall call, uint64_t start, uint64_t stop) except -1:
    """Read the keys from start to stop. Returns stop, or where it stopped: at a miss, or at an item that is no key."""
    if isinstance(map, FrozenCore):
        return read_frozen(<FrozenCore> map, call, start, stop)
    return read_table(<HMapCore> map, call, start, stop)


cdef int64_t read_frozen(FrozenCore map, ReadCall call, uint64_t start, uint64_t stop) except -1:
    """read_part() for a frozen map, which nobody changes: it needs no lock."""
    cdef uint64_t chunk_stop
    cdef Items keys = call.keys
    while start < stop:
        chunk_stop = min(stop, start + CHUNK)
        if map.verify_block is not None:
            map.verify_keys(keys.data, &keys.texts, start, chunk_stop)
        with cython.critical_section(call):     # which threads share
            call.memory = memory_of(map)
        if stop - start < RELEASE_GIL_FROM:
            start = read_rows(&map.f, &map.t, &call.r, keys.data, &keys.texts, start, chunk_stop)
        else:
            with nogil:
                start = read_rows(&map.f, &map.t, &call.r, keys.data, &keys.texts, start, chunk_stop)
        if start < chunk_stop:
            return start
        PyErr_CheckSignals()
    return stop


@cython.critical_section
cdef int64_t read_table(HMapCore map, ReadCall call, uint64_t start, uint64_t stop) except -1:
    """read_part() for a map that may change between two chunks."""
    cdef uint64_t first, chunk_stop
    cdef Items keys = call.keys
    while start < stop:
        chunk_stop = min(stop, start + CHUNK)
        begin_read(&map.lock)
        try:
            if map.t.text_values:
                keys.keep_arena(map.texts)
            if call.object_values:
                first = start
                start = read_batch(&map.t, &call.r, keys.data, &keys.texts, start, chunk_stop)
                call.take_objects(map, first, start)
            elif stop - start < RELEASE_GIL_FROM:
                start = read_batch(&map.t, &call.r, keys.data, &keys.texts, start, chunk_stop)
            else:
                with nogil:
                    start = read_batch(&map.t, &call.r, keys.data, &keys.texts, start, chunk_stop)
        finally:
            end_read(&map.lock)
        if start < chunk_stop:
            return start
        PyErr_CheckSignals()
    return stop


def read_in_threads(TypedMap map, ReadCall call, parts):
    """read_part() for all keys, in so many threads, of which the calling one is the first."""
    n = call.keys.n
    bounds = list(range(parts + 1))
    for part in range(parts + 1):
        bounds[part] = n * part // parts
    ends = bounds[1:]

    def read_one(part):
        ends[part] = read_part(map, call, bounds[part], bounds[part + 1])

    in_threads(read_one, parts)
    for part in range(parts):
        if ends[part] < bounds[part + 1]:
            return ends[part]
    return n
