"""Batch writes: arrays in, with the GIL released.

A call converts its keys and values first, then works through them in chunks: take the lock as the writer, run the
kernel without the GIL, release the lock, make the room for which the kernel stopped (grow, extend the arena), check
for signals. Between chunks other threads may write. Maps of objects go item by item (batch_by_item).
"""

import numpy as np

from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport uint8_t, uint64_t

from pyhmap._convert.sentinels import NO_DEFAULT
from pyhmap._engine import batch_by_item

from pyhmap._core cimport HMapCore, OBJECT
from pyhmap._engine.batch_items cimport Items, by_item, empty_values, finished_values, key_at, keys_of, values_of
from pyhmap._engine.batch_read cimport copy_out
from pyhmap._engine.rwlock cimport begin_write, end_write
from pyhmap._kernels.combine cimport ADD, MAXIMUM, MINIMUM, Number, Operation
from pyhmap._kernels.constants cimport (
    CHUNK,
    EVACUATE_PER_KEY,
    FOUND,
    NEED_ARENA,
    NEED_GROWTH,
    NOT_FOUND,
    RELEASE_GIL_FROM,
    Status,
    TEXT,
)
from pyhmap._kernels.grow cimport wants_shrink
from pyhmap._kernels.layout cimport Text
from pyhmap._kernels.text cimport arena_bytes
from pyhmap._kernels.write_many cimport (
    ACCUMULATE,
    Action,
    DISCARD,
    FACTORIZE,
    POP,
    SET,
    SETDEFAULT,
    Writing,
    write_batch,
)

NUMBERS = {np.dtype(code): number for number, code in enumerate("i1 i2 i4 i8 u1 u2 u4 u8 f4 f8".split())}
OPERATIONS = {"add": ADD, "min": MINIMUM, "max": MAXIMUM}


cdef int set_many(HMapCore map, keys, values) except -1:
    if by_item(map):
        batch_by_item.set_many(map, keys, values)
        return 0
    cdef Writing w
    cdef Items batch = keys_of(map, keys, False), stored = values_of(map, values, batch.n)
    start_writing(&w, SET, stored)
    write_all(map, batch, &w)
    return 0


cdef object setdefault_many(HMapCore map, keys, values):
    if by_item(map):
        return batch_by_item.setdefault_many(map, keys, values)
    cdef Writing w
    cdef Items batch = keys_of(map, keys, False), stored = values_of(map, values, batch.n)
    start_writing(&w, SETDEFAULT, stored)
    out = empty_values(map, batch.n)
    cdef uint8_t[::1] view = out.reshape(-1).view(np.uint8)
    if len(view):
        w.out = &view[0]
    write_all(map, batch, &w)
    return finished_values(map, out)


cdef int add_many(HMapCore map, keys, values, op) except -1:
    if op not in OPERATIONS:
        raise ValueError(f"op={op!r}: choose one of {', '.join(OPERATIONS)}")
    if map._value_codec.dtype not in NUMBERS and map.value_kind != OBJECT:
        raise TypeError(f"add_many cannot combine values of type {map._value_codec.name}: give ints, floats or objects")
    if by_item(map):
        batch_by_item.add_many(map, keys, values, op)
        return 0
    cdef Writing w
    cdef Items batch = keys_of(map, keys, False), stored = values_of(map, values, batch.n)
    start_writing(&w, ACCUMULATE, stored)
    w.combine.number = <Number> <int> NUMBERS[map._value_codec.dtype]
    w.combine.operation = <Operation> <int> OPERATIONS[op]
    write_all(map, batch, &w)
    return 0


cdef object factorize(HMapCore map, keys):
    dtype = map._value_codec.dtype
    if not isinstance(dtype, np.dtype) or dtype.kind not in "iu":
        raise TypeError(f"factorize needs a map with an int value type, not {map._value_codec.name}")
    last_code = min(int(np.iinfo(dtype).max), 2**63 - 2)
    if map.next_code < 0 or map.t.count == 0:
        values = copy_out(map, False, True)[1]
        largest = int(values.max()) if len(values) else -1
        map.next_code = min(max(largest, -1), last_code) + 1
    if by_item(map):
        codes, next_code = batch_by_item.factorize(map, keys, map.next_code)
        map.next_code = next_code
        return codes
    cdef Writing w
    cdef Items batch = keys_of(map, keys, False)
    start_writing(&w, FACTORIZE, None)
    w.next_code = map.next_code
    w.last_code = last_code
    w.signed_codes = dtype.kind == "i"
    codes = np.empty(batch.n, np.int64)
    cdef uint8_t[::1] view = codes.view(np.uint8)
    if batch.n:
        w.out = &view[0]
    cdef uint64_t done = write_all(map, batch, &w)
    map.next_code = w.next_code
    if done < batch.n:
        code = max(w.next_code, int(copy_out(map, False, True)[1].max()) + 1)
        raise OverflowError(f"keys[{done}]: code {code} is outside {dtype}: use a map with a larger int value type")
    if dtype.kind == "u" and (codes < 0).any():
        raise OverflowError(f"keys[{(codes < 0).argmax()}] has a value of 2**63 or more, which is no code")
    return codes


cdef object pop_many(HMapCore map, keys, default):
    strict = default is ...
    if not strict:
        map._value_codec.check(default)
    if by_item(map):
        return batch_by_item.pop_many(map, keys, NO_DEFAULT if strict else default)
    cdef Writing w, back
    cdef Items batch = keys_of(map, keys, False), popped
    cdef Items filling = None if strict else values_of(map, default, 1)
    start_writing(&w, POP, None)
    w.stop_at_miss = strict
    w.fill = NULL if strict else filling.data
    out = empty_values(map, batch.n)
    cdef uint8_t[::1] view = out.reshape(-1).view(np.uint8)
    if len(view):
        w.out = &view[0]
    cdef uint64_t done = write_all(map, batch, &w)
    if done < batch.n:
        popped = Items()
        popped.take_array(out, map.t.value_size)
        start_writing(&back, SET, popped)
        write_some(map, batch, &back, done)
        raise batch_by_item.missing(key_at(map, batch, done), done)
    return finished_values(map, out)


cdef object discard_many(HMapCore map, keys):
    if by_item(map):
        return batch_by_item.discard_many(map, keys)
    cdef Writing w
    cdef Items batch = keys_of(map, keys, False)
    start_writing(&w, DISCARD, None)
    write_all(map, batch, &w)
    return w.removed


# ---- the writing loop ------------------------------------------------------------------------------------------------

cdef void start_writing(Writing *w, Action action, Items values):
    w.action = action
    w.values = NULL if values is None else values.data
    w.value_step = 0 if values is None else values.step
    w.out = NULL
    w.fill = NULL
    w.stop_at_miss = False
    w.removed = 0
    w.next_code = w.last_code = 0
    w.signed_codes = False


cdef uint64_t write_all(HMapCore map, Items keys, Writing *w) except? 0xFFFFFFFFFFFFFFFF:
    """Write the whole batch. Returns its length, or the position of the missing key at which it stopped."""
    keys.refuse_nulls("keys")
    return write_some(map, keys, w, keys.n)


cdef uint64_t write_some(HMapCore map, Items keys, Writing *w, uint64_t n) except? 0xFFFFFFFFFFFFFFFF:
    """The same of the first n keys."""
    cdef uint64_t i = 0, stop, done, count, needed
    cdef uint64_t grown_at = 0, count_then = map.t.count    # at the last growth of this batch, or its start
    cdef int first_B = map.B()
    cdef bint grown_at_once = False
    cdef Status status = FOUND
    if n == 0:
        return 0
    if w.action not in (FACTORIZE, POP, DISCARD):
        map.next_code = -1
    map.evacuate(EVACUATE_PER_KEY * n)
    while i < n:
        stop = min(n, i + CHUNK)
        begin_write(&map.lock)
        keys.keep_arena(map.texts)
        count = map.t.count
        if stop - i < RELEASE_GIL_FROM:
            done = write_batch(&map.t, w, keys.data, i, stop, &status)
        else:
            with nogil:
                done = write_batch(&map.t, w, keys.data, i, stop, &status)
        map.version += map.t.count != count or w.removed != 0
        end_write(&map.lock)
        map.release_old()
        i = done
        if status == NEED_GROWTH:
            if map.grow_at_once(n - i, i - grown_at, map.t.count - count_then):
                grown_at_once = True
            else:
                map.start_growth(True)
                map.evacuate(EVACUATE_PER_KEY * (n - i))
            grown_at, count_then = i, map.t.count
        elif status == NEED_ARENA:
            needed = bytes_needed(map, keys, w, i)
            map.extend_arena(needed, needed * (n - i))      # as if the rest were as long
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
