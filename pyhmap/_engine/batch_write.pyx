"""Batch writes: arrays in, with the GIL released.

A call converts its keys and values first, then works through them in chunks: take the lock as the writer, run the
kernel without the GIL, release the lock, do that for which the kernel stopped (grow, extend the arena, rekey), check
for signals. Between chunks other threads may write. Object values are written by ObjectValues, with the GIL held.
batch_objects has the calls for object keys.
"""

import numpy as np

from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcpy

from pyhmap._convert import combining
from pyhmap._convert.sentinels import NO_DEFAULT

from pyhmap._core cimport HMapCore
from pyhmap._engine cimport batch_objects
from pyhmap._engine.batch_items cimport Items, empty_values, finished_values, items_of, key_at, keys_of, values_of
from pyhmap._engine.batch_read cimport copy_out, thread_count
from pyhmap._engine.batch_values cimport ObjectValues, Values, defaults_for, missing, object_values, values_for
from pyhmap._engine.one_write cimport find_next_code, last_code
from pyhmap._engine.rwlock cimport begin_write, end_write
from pyhmap._engine.typed cimport OBJECT
from pyhmap._engine.write_shared cimport SharedWrite, shared_write
from pyhmap._kernels.constants cimport (
    CHANGED,
    CHUNK,
    EVACUATE_PER_KEY,
    FOUND,
    LONG_CHAIN,
    NEED_ARENA,
    NEED_GROWTH,
    NOT_FOUND,
    OBJECT_KEY,
    RELEASE_GIL_FROM,
    Status,
    TEXT,
)
from pyhmap._kernels.grow cimport wants_shrink
from pyhmap._kernels.layout cimport Text
from pyhmap._kernels.text cimport arena_bytes
from pyhmap._kernels.write_many cimport write_batch
from pyhmap._kernels.writing cimport (
    ACCUMULATE,
    ADD,
    Action,
    DISCARD,
    FACTORIZE,
    INSERT,
    MAXIMUM,
    MINIMUM,
    Number,
    Operation,
    POP,
    RUNS,
    Run,
    SET,
    SETDEFAULT,
    TIME64,
    Writing,
)

NUMBERS = {dtype: number for number, dtype in enumerate(combining.NUMBERS)}     # as the kernels number them
OPERATIONS = {"add": ADD, "min": MINIMUM, "max": MAXIMUM}


cdef int set_many(HMapCore map, keys, values, threads) except -1:
    cdef uint64_t n_threads = thread_count(threads)
    if map.t.form == OBJECT_KEY:
        return batch_objects.set_many(map, keys, values)
    cdef Writing w
    cdef Items batch = keys_of(map, keys, False), typed
    cdef Values given
    if map.value_kind == OBJECT:
        given = values_for(map, values, batch.n)
        start_writing(&w, SETDEFAULT, None)
        write_all(map, batch, &w, object_values(&w, given, None, True, batch.n))
    else:
        typed = values_of(map, values, batch.n)
        start_writing(&w, SET, typed)
        write_all(map, batch, &w, None, n_threads)
    return 0


cdef object setdefault_many(HMapCore map, keys, values, threads):
    cdef uint64_t n_threads = thread_count(threads)
    if map.t.form == OBJECT_KEY:
        return batch_objects.setdefault_many(map, keys, values)
    cdef Writing w
    cdef Items batch = keys_of(map, keys, False)
    cdef Values given = values_for(map, values, batch.n)
    out = empty_values(map, batch.n)
    start_writing(&w, SETDEFAULT, given.typed)
    if map.value_kind == OBJECT:
        write_all(map, batch, &w, object_values(&w, given, out, False, batch.n))
        return out
    cdef Items stored = items_of(out, map.t.value_size)
    w.out = <uint8_t *> stored.data
    write_all(map, batch, &w, None, n_threads)
    return finished_values(map, out)


cdef object insert_many(HMapCore map, keys, threads):
    """Set n keys of a map without values. Returns which of them were new."""
    cdef uint64_t n_threads = thread_count(threads)
    if map.t.form == OBJECT_KEY:
        return batch_objects.insert_many(map, keys)
    cdef Writing w
    cdef Items batch = keys_of(map, keys, False)
    cdef Items new = items_of(np.empty(batch.n, bool), 1)
    start_writing(&w, INSERT, values_of(map, b"", batch.n))
    w.out = <uint8_t *> new.data
    write_all(map, batch, &w, None, n_threads)
    return new.owner


cdef int add_many(HMapCore map, keys, values, op, threads) except -1:
    cdef Writing w
    cdef Items batch, stored
    cdef const uint64_t[:, ::1] table
    cdef uint64_t n_threads = thread_count(threads)
    if op not in OPERATIONS:
        raise ValueError(f"op={op!r}: choose one of {', '.join(OPERATIONS)}")
    start_writing(&w, ACCUMULATE, None)
    w.combine.operation = <Operation> <int> OPERATIONS[op]
    if map.value_kind != OBJECT:
        number = NUMBERS.get(map._value_codec.dtype)
        runs = combining.runs_of(map._value_codec, op) if number is None else None
        if number is not None:
            w.combine.number = <Number> <int> number
        elif map._value_codec.is_composite or map._value_codec.is_array:
            table = table_of(runs)
            w.combine.number, w.combine.n_runs = RUNS, len(runs)
            w.combine.runs = <const Run *> &table[0, 0] if len(runs) else NULL
        else:
            w.combine.number = <Number> <int> number_of(runs[0].dtype)
    if map.t.form == OBJECT_KEY or map.value_kind == OBJECT:
        return batch_objects.add_many(map, keys, values, op, &w.combine)
    batch = keys_of(map, keys, False)
    stored = values_of(map, values, batch.n)
    w.values, w.value_step = stored.data, stored.step
    write_all(map, batch, &w, None, n_threads)
    return 0


cdef object table_of(runs):
    """The runs of numbers in a value as the kernels read them, one row each."""
    cdef uint64_t[:, ::1] view
    cdef Py_ssize_t i
    table = np.empty((len(runs), 4), np.uint64)
    view = table
    for i in range(len(runs)):
        view[i, 0], view[i, 1] = runs[i].offset, runs[i].n
        view[i, 2], view[i, 3] = runs[i].dtype.itemsize, number_of(runs[i].dtype)
    return table


cdef object number_of(dtype):
    return TIME64 if dtype.kind in "Mm" else NUMBERS[dtype]


cdef object factorize(HMapCore map, keys):
    cdef Items batch
    cdef uint64_t done
    dtype = map._value_codec.dtype
    if not isinstance(dtype, np.dtype) or dtype.kind not in "iu":
        raise TypeError(f"factorize needs a map with an int value type, not {map._value_codec.name}")
    valid = None
    if map.t.form == OBJECT_KEY:
        codes, valid, done = batch_objects.factorize(map, keys, last_code(map), dtype.kind == "i")
    else:
        batch = keys_of(map, keys, False)
        codes, done = codes_of(map, batch, dtype.kind == "i")
        valid = batch.valid
    if done < <uint64_t> len(codes):
        code = max(map._next_code, int(copy_out(map, False, True)[1].max(initial=0)) + 1)
        raise OverflowError(f"keys[{done}]: code {code} is outside {dtype}: use a map with a larger int value type")
    if dtype.kind == "u":
        too_large = codes < 0 if valid is None else (codes < 0) & valid
        if too_large.any():
            position = too_large.argmax()
            raise OverflowError(f"keys[{position}] has a value of 2**63 or more, which is no code: store less")
    return codes


cdef tuple codes_of(HMapCore map, Items keys, bint signed_codes):
    """The codes of typed keys, -1 for nulls; and the position of the key for which there was no code, or the number of
    keys."""
    cdef Writing w
    cdef Items batch = keys
    cdef uint64_t done
    nulls = keys.valid is not None and not keys.valid.all()
    if nulls:
        batch = without_nulls(keys)
    codes = np.empty(batch.n, np.int64)
    cdef Items out = items_of(codes, 8)
    start_writing(&w, FACTORIZE, None)
    w.last_code, w.signed_codes = last_code(map), signed_codes
    w.out = <uint8_t *> out.data
    done = write_some(map, batch, &w, batch.n, None)
    if not nulls:
        return codes, done
    all_codes = np.full(keys.n, -1, np.int64)
    all_codes[keys.valid] = codes
    return all_codes, np.flatnonzero(keys.valid)[done] if done < batch.n else keys.n


cdef Items without_nulls(Items keys):
    """The keys that are not null. `keys` must outlive them: it holds their arenas and owners."""
    cdef Items packed = Items()
    packed.take_array(np.asarray(<const uint8_t[:keys.n * keys.step]> keys.data).reshape(-1, keys.step)[keys.valid],
                      keys.step)
    packed.texts.texts = <const Text *> packed.data
    return packed


cdef object pop_many(HMapCore map, keys, default):
    cdef bint strict = default is ...
    if map.t.form == OBJECT_KEY:
        return batch_objects.pop_many(map, keys, NO_DEFAULT if strict else default)
    cdef Writing w, back
    cdef Items batch = keys_of(map, keys, False)
    cdef Values filling = None if strict else defaults_for(map, default, batch.n)
    cdef Items answers
    cdef ObjectValues objects = None
    cdef uint64_t done
    out = empty_values(map, batch.n)
    start_writing(&w, POP, None)
    w.stop_at_miss = strict
    if map.value_kind == OBJECT:
        objects = object_values(&w, filling, out, False, batch.n)
    else:
        answers = items_of(out, map.t.value_size)
        w.out = <uint8_t *> answers.data
        if not strict and filling.typed.step == 0:
            w.fill = filling.typed.data
        elif not strict:
            memcpy(w.out, filling.typed.data, answers.n * answers.step)     # overwritten where a key is found
    done = write_all(map, batch, &w, objects)
    if done < batch.n:
        if map.value_kind == OBJECT:
            start_writing(&back, SETDEFAULT, None)
            filling = Values()
            filling.objects = out[:done].tolist()
            write_some(map, batch, &back, done, object_values(&back, filling, None, True, done))
        else:
            start_writing(&back, SET, answers)
            write_some(map, batch, &back, done, None)
        raise missing(key_at(map, batch, done), done)
    return out if map.value_kind == OBJECT else finished_values(map, out)


cdef object discard_many(HMapCore map, keys):
    if map.t.form == OBJECT_KEY:
        return batch_objects.discard_many(map, keys)
    cdef Writing w
    cdef Items batch = keys_of(map, keys, False)
    start_writing(&w, DISCARD, None)
    write_all(map, batch, &w, object_values(&w, None, None, False, batch.n) if map.value_kind == OBJECT else None)
    return w.removed


# ---- the writing loop ------------------------------------------------------------------------------------------------

cdef void start_writing(Writing *w, Action action, Items values) noexcept:
    w.action = action
    w.values = <const uint8_t *> NULL if values is None else values.data
    w.value_step = 0 if values is None else values.step
    w.out = NULL
    w.fill = NULL
    w.stop_at_miss = False
    w.removed = 0
    w.next_code = w.last_code = 0
    w.signed_codes = False


cdef uint64_t write_all(HMapCore map, Items keys, Writing *w, ObjectValues objects=None,
                        uint64_t threads=1) except? 0xFFFFFFFFFFFFFFFF:
    """Write the whole batch. Returns its length, or the position of the missing key at which it stopped."""
    keys.refuse_nulls("keys")
    return write_some(map, keys, w, keys.n, objects, threads)


cdef uint64_t write_some(HMapCore map, Items keys, Writing *w, uint64_t n, ObjectValues objects,
                         uint64_t threads=1) except? 0xFFFFFFFFFFFFFFFF:
    """The same of the first n keys."""
    cdef uint64_t i = 0, stop, done, count, needed
    cdef uint64_t grown_at = 0, count_then = 0, count_now = 0   # then: at the last growth of this batch, or its start
    cdef int first_B = map.B()
    cdef bint grown_at_once = False
    cdef Status status = FOUND
    if n == 0:
        return 0
    cdef SharedWrite shared = shared_write(map, w, n, threads)
    map.evacuate(EVACUATE_PER_KEY * n)
    while i < n:
        stop = min(n, i + CHUNK)
        begin_write(&map.lock)
        try:
            if map.t.text_values:
                keys.keep_arena(map.texts)
            count = map.t.count
            if i == 0:
                count_then = count
            w.stop_at_long_chain = not map.rekeyed
            if w.action == FACTORIZE:
                find_next_code(map, w.last_code, w.signed_codes)
                # No code is given twice in this batch, even if the map was cleared between two chunks.
                w.next_code = max(w.next_code, map._next_code)
            if shared is not None and shared.takes(map, i, n):
                stop = shared.stop
                done = shared.write(map, w, keys.data, &status)
            elif objects is not None:
                objects.write(map, w, keys, i, stop, &done, &status)
            elif stop - i < RELEASE_GIL_FROM:
                done = write_batch(&map.t, w, keys.data, i, stop, &status)
            else:
                with nogil:
                    done = write_batch(&map.t, w, keys.data, i, stop, &status)
            if w.action == FACTORIZE:
                map._next_code = w.next_code
            elif w.action not in (POP, DISCARD):
                map.other_values = True
            count_now = map.t.count         # while the lock is held: afterwards others write
            map.version += count_now != count or w.removed != 0
        finally:
            end_write(&map.lock)
        map.release_old()
        if objects is not None:
            objects.release()
        i = done
        if status == NEED_GROWTH:
            if map.grow_at_once(n - i, i - grown_at, count_now - count_then):
                grown_at_once = True
            else:
                map.start_growth(True)
                map.evacuate(EVACUATE_PER_KEY * n)
            grown_at, count_then = i, count_now
        elif status == NEED_ARENA:
            needed = bytes_needed(map, keys, w, i)
            map.extend_arena(needed, needed * (n - i))      # as if the rest were as long
        elif status == LONG_CHAIN:
            map.rekey()
        elif status == CHANGED:
            raise RuntimeError(f"keys[{i}] was changed by another thread while it was being stored: pass a copy")
        elif status == NOT_FOUND:
            break
        PyErr_CheckSignals()
    if grown_at_once:
        map.shrink_to_fit(first_B)
    map.after_write(False)
    if w.removed:
        if map.t.count == 0:
            map.after_last_removal()
        while wants_shrink(&map.t, <uint64_t> 1 << map.floor_B) and map.start_shrink(True):
            map.evacuate(EVACUATE_PER_KEY * n)
    return i


cdef uint64_t bytes_needed(HMapCore map, Items keys, Writing *w, uint64_t i):
    """Arena bytes for item i of a batch."""
    cdef uint64_t size = 0
    if map.t.form == TEXT:
        size = arena_bytes(keys.texts.texts + i)
    if map.t.text_values:
        size += arena_bytes(<const Text *> (w.values + i * w.value_step))
    return size
