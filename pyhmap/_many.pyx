"""The batch calls: arrays in, arrays out, the GIL released. Imports the engine, the batch kernels, and _texts.

Each call converts its keys and values first, then works through them in chunks: enter the gate, run the kernel without
the GIL, leave, act on what stopped it, look at pending signals. Between chunks other threads may write.
Maps with objects in them take the key-by-key way of ``_one_by_one``.
"""

import threading

import numpy as np

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from pyhmap import _one_by_one
from pyhmap._arrow import arrow_array, is_arrow
from pyhmap._texts import text_batch

from pyhmap._arrays cimport ArenaBlocks
from pyhmap._batch_read cimport Reading
from pyhmap._batch_write cimport ACCUMULATE, Action, DISCARD, FACTORIZE, POP, SET, SETDEFAULT, Writing
from pyhmap._combine cimport ADD, MAXIMUM, MINIMUM, Number, Operation
from pyhmap._core cimport OBJECT, STR
from pyhmap._forms cimport collect, read_some, write_batch
from pyhmap._gate cimport begin_read, begin_write, end_read, end_write
from pyhmap._grow cimport wants_shrink
from pyhmap._layout cimport Text, growing
from pyhmap._single cimport HMapSingle
from pyhmap._read cimport Offsets
from pyhmap._text cimport arena_bytes, make_text
from pyhmap._texts cimport TextBatch, text_objects
from pyhmap._types cimport EVACUATE_PER_KEY, FOUND, MISSING, NEED_ARENA, NEED_GROWTH, REFERENCE, Status
from pyhmap._types cimport TEXT, WORD32

cdef enum:
    CHUNK = 1 << 20             # keys a batch handles between two looks at pending signals: some 30 ms
    RELEASE_FROM = 512          # keys from which on a batch gives up the GIL: it then works for more than 5 us
    THREAD_SHARE = 1 << 15      # keys a thread must have to be worth starting: its start costs some 50 us

NUMBERS = {np.dtype(code): number for number, code in enumerate("i1 i2 i4 i8 u1 u2 u4 u8 f4 f8".split())}
OPERATIONS = {"add": ADD, "min": MINIMUM, "max": MAXIMUM}


cdef class Items:
    """A batch in hand: n keys, or n values, as the kernels read them."""
    cdef const uint8_t *data
    cdef uint64_t n
    cdef uint64_t step              # bytes from one item to the next; 0 when one value stands for all
    cdef object owner               # keeps the bytes alive
    cdef object valid               # None, or a bool array, False at nulls
    cdef Offsets unread             # texts to be read a window at a time instead; unread.at is NULL if there are none
    cdef object held                # arenas that handed-out texts point to
    cdef Text text                  # a single text value

    cdef int take_array(self, array, uint64_t step) except -1:
        """Items of so many bytes in a contiguous array."""
        cdef const uint8_t[::1] view
        self.n = len(array)
        self.step = step
        self.owner = array
        if array.nbytes:
            view = array.reshape(-1).view(np.uint8)
            self.data = &view[0]
        return 0

    cdef int take_texts(self, TextBatch texts) except -1:
        self.data = <const uint8_t *> texts.texts
        self.unread = texts.unread
        self.n = texts.n
        self.step = sizeof(Text)
        self.valid = texts.valid
        self.owner = texts
        return 0

    cdef int refuse_nulls(self, what) except -1:
        if self.valid is not None and not self.valid.all():
            raise ValueError(f"{what}[{self.valid.argmin()}] is null")
        return 0


cdef class HMapMany(HMapSingle):
    """The engine with the batch calls of :class:`pyhmap.HMap`; use that."""

    # ---- reading --------------------------------------------------------------------------------------------------

    def get_many(self, keys, default=..., *, out=None, threads=1):
        """The values of many keys.

        Parameters
        ----------
        keys
            One-dimensional, n keys: an array (of any layout), a sequence, or an Arrow array.
        default
            The value of a missing (or null) key. Without it a missing key raises ``KeyError`` naming key and position.
        out
            A writable array of shape (n,) and the map's value dtype that receives the values; it may overlap ``keys``.
            After a ``KeyError`` it may hold the values of some of the keys.
        threads
            Threads to share the keys among.

        Returns
        -------
        ndarray of shape (n,) and the map's value dtype (object for str, bytes and object values); ``out`` if given.

        Examples
        --------
        >>> import numpy as np
        >>> from pyhmap import HMap
        >>> m = HMap(np.int64, np.int64, {1: 10, 2: 20})
        >>> m.get_many([2, 1, 3], default=0)
        array([20, 10,  0])
        >>> m.get_many([2, 1, 3])
        Traceback (most recent call last):
        KeyError: 'key 3 at position 2 is not in the map'
        """
        self.check_initialised()
        check_threads(threads)
        strict = default is ...
        if not strict:
            self._value_codec.check(default)
        if self.by_objects():
            return self.copied_out(_one_by_one.get_many(self, keys, _one_by_one.MISSING if strict else default), out)
        cdef Items batch = self.take_keys(keys, True)
        if strict:
            batch.refuse_nulls("keys")
        if out is not None:
            self.check_out(out, batch.n)
        cdef ReadCall call = ReadCall(self, batch, out if self.writes_into(out, batch) else None, True, False)
        if not strict:
            call.fill_with(default)
        cdef uint64_t missed = call.read(strict, threads)
        if missed < batch.n:
            raise _one_by_one.missing(self.key_at(batch, missed), missed)
        return self.copied_out(call.answers(), out)

    def lookup_many(self, keys, *, threads=1):
        """The values of many keys, and which of them are there.

        Returns ``(values, found)``, both of shape (n,); values are zero where ``found`` is False, as it is for nulls.

        >>> import numpy as np
        >>> from pyhmap import HMap
        >>> HMap(np.int64, np.int64, {1: 10}).lookup_many([1, 2])
        (array([10,  0]), array([ True, False]))
        """
        self.check_initialised()
        check_threads(threads)
        if self.by_objects():
            return _one_by_one.lookup_many(self, keys)
        cdef ReadCall call = ReadCall(self, self.take_keys(keys, True), None, True, True)
        call.read(False, threads)
        return call.answers(), call.found_array

    def contains_many(self, keys, *, threads=1):
        """Which of many keys are in the map: a bool array of shape (n,).

        >>> import numpy as np
        >>> from pyhmap import HMap
        >>> HMap(np.int64, np.int64, {1: 10}).contains_many([1, 2])
        array([ True, False])
        """
        self.check_initialised()
        check_threads(threads)
        if self.by_objects():
            return _one_by_one.contains_many(self, keys)
        cdef ReadCall call = ReadCall(self, self.take_keys(keys, True), None, False, True)
        call.read(False, threads)
        return call.found_array

    # ---- writing --------------------------------------------------------------------------------------------------

    def set_many(self, keys, values):
        """Set ``keys[i]`` to ``values[i]``, in order: of equal keys the last wins. ``values`` may be a single value.

        Everything is converted and checked before anything is set. Should memory run out while the map grows, the keys
        before that point are set.

        >>> import numpy as np
        >>> from pyhmap import HMap
        >>> m = HMap(np.int64, np.int64)
        >>> m.set_many(np.arange(4), [5, 6, 7, 8])
        >>> m.set_many([2, 3, 3], 0)
        >>> sorted(m.items())
        [(0, 5), (1, 6), (2, 0), (3, 0)]
        """
        self.check_initialised()
        if self.by_objects():
            return _one_by_one.set_many(self, keys, values)
        cdef Writing w
        cdef Items batch = self.take_keys(keys), stored = self.take_values(values, batch.n)
        start_writing(&w, SET, stored)
        self.write_many(batch, &w)

    def setdefault_many(self, keys, values):
        """Set the keys that are missing, and return the values now stored, of shape (n,).

        >>> import numpy as np
        >>> from pyhmap import HMap
        >>> HMap(np.int64, np.int64, {1: 10}).setdefault_many([1, 2, 2], [7, 8, 9])
        array([10,  8,  8])
        """
        self.check_initialised()
        if self.by_objects():
            return _one_by_one.setdefault_many(self, keys, values)
        cdef Writing w
        cdef Items batch = self.take_keys(keys), stored = self.take_values(values, batch.n)
        start_writing(&w, SETDEFAULT, stored)
        return self.writing_out(batch, &w)

    def add_many(self, keys, values=1, *, op="add"):
        """Combine each value with the one stored: ``m[key] = m[key] + value``, or ``min``, ``max``; set missing keys.

        Ints wrap around as NumPy's do; a NaN stays. Values must be ints or floats of 8 to 64 (floats 32 or 64) bits,
        or objects, which are combined in Python.

        >>> import numpy as np
        >>> from pyhmap import HMap
        >>> words = HMap(str, np.int64)
        >>> words.add_many(["to", "be", "or", "not", "to", "be"])
        >>> words["be"], words["or"]
        (2, 1)
        """
        self.check_initialised()
        if op not in OPERATIONS:
            raise ValueError(f"op={op!r}: choose one of {', '.join(OPERATIONS)}")
        if self._value_codec.dtype not in NUMBERS and self.value_kind != OBJECT:
            raise TypeError(f"add_many cannot combine values of type {self._value_codec.name}")
        if self.by_objects():
            return _one_by_one.add_many(self, keys, values, op)
        cdef Writing w
        cdef Items batch = self.take_keys(keys), stored = self.take_values(values, batch.n)
        start_writing(&w, ACCUMULATE, stored)
        w.combine.number = <Number> <int> NUMBERS[self._value_codec.dtype]
        w.combine.operation = <Operation> <int> OPERATIONS[op]
        self.write_many(batch, &w)

    def factorize(self, keys):
        """Number the keys in the order of first sight: codes 0, 1, 2, ..., an int64 array of shape (n,).

        The map stores each key's code, so a later batch gives a key the same code and new keys the following ones.
        A map that holds other values goes on above the largest. ``OverflowError`` when the value dtype holds no
        further code: keys before that position are numbered.

        >>> import numpy as np
        >>> from pyhmap import HMap
        >>> codes = HMap(str, np.int32)
        >>> codes.factorize(["b", "a", "b"]), codes.factorize(["c", "a"])
        (array([0, 1, 0]), array([2, 1]))
        """
        self.check_initialised()
        dtype = self._value_codec.dtype
        if not isinstance(dtype, np.dtype) or dtype.kind not in "iu":
            raise TypeError(f"factorize needs an int value dtype, not {self._value_codec.name}")
        last_code = min(int(np.iinfo(dtype).max), 2**63 - 2)
        if self.next_code < 0 or self.t.count == 0:
            values = self.values_array()
            largest = int(values.max()) if len(values) else -1
            self.next_code = min(max(largest, -1), last_code) + 1
        if self.by_objects():
            codes, next_code = _one_by_one.factorize(self, keys, self.next_code)
            self.next_code = next_code
            return codes
        cdef Writing w
        cdef Items batch = self.take_keys(keys)
        batch.refuse_nulls("keys")
        start_writing(&w, FACTORIZE, None)
        w.next_code = self.next_code
        w.last_code = last_code
        w.signed_codes = dtype.kind == "i"
        codes = np.empty(batch.n, np.int64)
        cdef uint8_t[::1] view = codes.view(np.uint8)
        if batch.n:
            w.out = &view[0]
        cdef uint64_t done = self.write_many(batch, &w)
        self.next_code = w.next_code
        if done < batch.n:
            code = max(w.next_code, int(self.values_array().max()) + 1)
            raise OverflowError(f"keys[{done}]: code {code} is outside {dtype}")
        if dtype.kind == "u" and (codes < 0).any():
            raise OverflowError(f"keys[{(codes < 0).argmax()}] has a value of 2**63 or more, which is no code")
        return codes

    def pop_many(self, keys, default=...):
        """Remove many keys and return their values, of shape (n,).

        A missing key (or the second of two equal ones) gives ``default``; without it ``KeyError`` naming key and
        position, and the map keeps everything.

        >>> import numpy as np
        >>> from pyhmap import HMap
        >>> m = HMap(np.int64, np.int64, {1: 10, 2: 20})
        >>> m.pop_many([2, 3], default=0), len(m)
        (array([20,  0]), 1)
        """
        self.check_initialised()
        strict = default is ...
        if not strict:
            self._value_codec.check(default)
        if self.by_objects():
            return _one_by_one.pop_many(self, keys, _one_by_one.MISSING if strict else default)
        cdef Writing w, back
        cdef Items batch = self.take_keys(keys), popped
        cdef Items filling = None if strict else self.take_values(default, 1)
        batch.refuse_nulls("keys")
        start_writing(&w, POP, None)
        w.stop_at_miss = strict
        w.fill = NULL if strict else filling.data
        out = self.empty_values(batch.n)
        cdef uint8_t[::1] view = out.reshape(-1).view(np.uint8)
        if len(view):
            w.out = &view[0]
        cdef uint64_t done = self.write_many(batch, &w)
        if done < batch.n:
            popped = Items()
            popped.take_array(out, self.t.value_size)
            start_writing(&back, SET, popped)
            self.write_some(batch, &back, done)
            raise _one_by_one.missing(self.key_at(batch, done), done)
        return self.finished(out)

    def discard_many(self, keys):
        """Remove those of many keys that are in the map; returns how many were.

        >>> import numpy as np
        >>> from pyhmap import HMap
        >>> HMap(np.int64, np.int64, {1: 10, 2: 20}).discard_many([2, 3])
        1
        """
        self.check_initialised()
        if self.by_objects():
            return _one_by_one.discard_many(self, keys)
        cdef Writing w
        cdef Items batch = self.take_keys(keys)
        batch.refuse_nulls("keys")
        start_writing(&w, DISCARD, None)
        self.write_many(batch, &w)
        return w.removed

    # ---- everything -----------------------------------------------------------------------------------------------

    def keys_array(self):
        """A copy of the keys, of shape (len,), in the order of iteration; objects for str, bytes and object keys."""
        return self.collected(True, False)[0]

    def values_array(self):
        """A copy of the values, of shape (len,), in the order of iteration."""
        return self.collected(False, True)[1]

    def to_arrays(self):
        """Copies ``(keys, values)``, both of shape (len,), in the order of iteration."""
        return self.collected(True, True)

    # ---- taking batches in hand -----------------------------------------------------------------------------------

    cdef bint by_objects(self):
        return self.t.form == REFERENCE or self.value_kind == OBJECT

    cdef Items take_keys(self, keys, bint windows=False):
        """The keys of a batch. With `windows` it may be one that only read_some() can read."""
        cdef Items batch = Items()
        if self.t.form == TEXT:
            batch.take_texts(text_batch(keys, self._key_codec, windows))
            return batch
        if is_arrow(keys):
            keys, batch.valid = arrow_array(keys)
        array = self._key_codec.batch(keys)
        cdef uint64_t width = 4 if self.t.form == WORD32 else 8
        words = array.view(f"u{array.dtype.itemsize}")
        batch.take_array(words.astype(f"u{width}", copy=False), width)
        return batch

    cdef Items take_values(self, values, uint64_t n):
        cdef Items batch = Items()
        codec = self._value_codec
        if codec.is_scalar(values):
            values = codec.single(values)
            stored = codec.encode(values)
            batch.owner = stored
            batch.n = n
            batch.data = <const uint8_t *> PyBytes_AS_STRING(stored)
            if self.t.text_values:
                batch.text = make_text(batch.data, <uint32_t> PyBytes_GET_SIZE(stored))
                batch.data = <const uint8_t *> &batch.text
            return batch
        if self.t.text_values:
            batch.take_texts(text_batch(values, codec))
        else:
            if is_arrow(values):
                values, batch.valid = arrow_array(values)
            batch.take_array(codec.batch(values), codec.size)
        if batch.n != n:
            raise ValueError(f"{n} keys but {batch.n} values: give one value a key, or one for all")
        batch.refuse_nulls("values")
        return batch

    cdef object key_at(self, Items batch, uint64_t i):
        """The key at a position of a batch, as an object."""
        cdef Text text
        if self.t.form == TEXT:
            text = (<TextBatch> batch.owner).text_at(i, self._key_codec)
            return text_object(&text, self._key_codec)
        return self._key_codec.decode(batch.owner[i].tobytes()[:self._key_codec.size])

    # ---- handing answers out --------------------------------------------------------------------------------------

    cdef object empty_values(self, uint64_t n):
        """An array for n values as the kernels hand them out."""
        return np.empty((n, 2), np.uint64) if self.t.text_values else np.empty(n, self._value_codec.dtype)

    cdef object finished(self, out):
        """The array that callers get. What text values point to must be alive still."""
        cdef const uint64_t[:, ::1] view
        if not self.t.text_values:
            return out
        view = out
        if len(out) == 0:
            return np.empty(0, object)
        return text_objects(<const Text *> &view[0, 0], len(out), self.value_kind == STR)

    cdef object check_out(self, out, uint64_t n):
        dtype = self._value_codec.dtype
        wanted = np.dtype(object) if isinstance(dtype, type) else dtype
        if not isinstance(out, np.ndarray):
            raise TypeError(f"out is of type {type(out).__name__}: give a NumPy array")
        base = wanted.subdtype[0] if wanted.subdtype else wanted
        if out.dtype != base:
            raise TypeError(f"out is of dtype {out.dtype}; the values are of dtype {wanted}")
        if out.shape != (n, *wanted.shape):
            raise ValueError(f"out is of shape {out.shape}; {n} keys need {(n, *wanted.shape)}")
        if not out.flags.writeable:
            raise ValueError("out is read-only")

    cdef bint writes_into(self, out, Items batch):
        """Whether a kernel may write its answers to `out` as they come, while it still reads the keys."""
        if out is None or self.t.text_values or not isinstance(batch.owner, np.ndarray):
            return False
        return out.flags.carray and not np.may_share_memory(out, batch.owner)

    cdef object copied_out(self, values, out):
        if out is None or out is values:
            return values
        self.check_out(out, len(values))
        out[...] = values
        return out

    cdef object collected(self, bint want_keys, bint want_values):
        cdef uint8_t[::1] k, v
        cdef uint64_t n
        self.check_initialised()
        if self.by_objects():
            pairs = list(self._iter_items())
            keys = _one_by_one.array_of(self._key_codec, [key for key, _ in pairs])
            return keys, _one_by_one.array_of(self._value_codec, [value for _, value in pairs])
        while True:
            self.settle()
            n = self.t.count
            keys = np.empty((n if want_keys else 0, 2), np.uint64)      # room for any form
            values = self.empty_values(n if want_values else 0)
            k, v = keys.reshape(-1).view(np.uint8), values.reshape(-1).view(np.uint8)
            begin_read(&self.gate)
            if not growing(&self.t) and self.t.count == n:      # nobody wrote while arrays were made
                break
            end_read(&self.gate)
        _blocks = self.texts                # what texts point to
        if n:
            with nogil:
                collect(&self.t, &k[0] if len(k) else NULL, &v[0] if len(v) else NULL)
        end_read(&self.gate)
        return self.collected_keys(keys) if want_keys else None, self.finished(values)

    cdef object collected_keys(self, keys):
        cdef const uint64_t[:, ::1] view = keys
        codec = self._key_codec
        n = len(keys)
        if self.t.form == TEXT:
            objects = text_objects(<const Text *> &view[0, 0], n, self.key_kind == STR) if n else np.empty(0, object)
            return codec.array_of_stored(objects)
        words = keys.reshape(-1).view(np.uint32 if self.t.form == WORD32 else np.uint64)[:n]
        return words.astype(f"u{codec.size}").view(codec.dtype)

    # ---- the writing loop -----------------------------------------------------------------------------------------

    cdef uint64_t write_many(self, Items batch, Writing *w) except? 0xFFFFFFFFFFFFFFFF:
        """Write the whole batch; returns its length, or the position of the first missing key it stopped at."""
        batch.refuse_nulls("keys")
        return self.write_some(batch, w, batch.n)

    cdef uint64_t write_some(self, Items batch, Writing *w, uint64_t n) except? 0xFFFFFFFFFFFFFFFF:
        cdef uint64_t i = 0, stop, done, count, needed
        cdef uint64_t grown_at = 0, count_then = self.t.count       # at the last growth of this batch, or its start
        cdef int first_B = self.B()
        cdef bint jumped = False
        cdef Status status = FOUND
        if n == 0:
            return 0
        if w.action not in (FACTORIZE, POP, DISCARD):
            self.next_code = -1
        self.spend(EVACUATE_PER_KEY * n)
        while i < n:
            stop = min(n, i + CHUNK)
            begin_write(&self.gate)
            if batch.held is None or batch.held[1] is not self.texts:
                batch.held = batch.held, self.texts
            count = self.t.count
            if stop - i < RELEASE_FROM:
                done = write_batch(&self.t, w, batch.data, i, stop, &status)
            else:
                with nogil:
                    done = write_batch(&self.t, w, batch.data, i, stop, &status)
            self.version += self.t.count != count or w.removed != 0
            end_write(&self.gate)
            self.let_go()
            i = done
            if status == NEED_GROWTH:
                if self.jump(n - i, i - grown_at, self.t.count - count_then):
                    jumped = True
                else:
                    self.start_growth(True)
                    self.spend(EVACUATE_PER_KEY * (n - i))
                grown_at, count_then = i, self.t.count
            elif status == NEED_ARENA:
                needed = self.bytes_needed(batch, w, i)
                self.more_arena(needed, needed * (n - i))       # as if the rest were as long
            elif status == MISSING:
                break
            PyErr_CheckSignals()
        if jumped:
            self.fit(first_B)
        self.written(False)
        if w.removed:
            if self.t.count == 0:
                self.emptied()
            while wants_shrink(&self.t, <uint64_t> 1 << self.floor_B) and self.start_shrink(True):
                self.spend(EVACUATE_PER_KEY * n)
        return i

    cdef uint64_t bytes_needed(self, Items batch, Writing *w, uint64_t i):
        """Arena bytes for item i of a batch."""
        cdef uint64_t size = 0
        if self.t.form == TEXT:
            size = arena_bytes(<const Text *> batch.data + i)
        if self.t.text_values:
            size += arena_bytes(<const Text *> (w.values + i * w.value_step))
        return size

    cdef object writing_out(self, Items batch, Writing *w):
        """Write a batch with an action that hands out a value a key."""
        out = self.empty_values(batch.n)
        cdef uint8_t[::1] view = out.reshape(-1).view(np.uint8)
        if len(view):
            w.out = &view[0]
        self.write_many(batch, w)
        return self.finished(out)


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


cdef object text_object(const Text *text, codec):
    return codec.decode(text_objects(text, 1, False)[0])


cdef int check_threads(threads) except -1:
    if not isinstance(threads, (int, np.integer)) or threads < 1:
        raise ValueError(f"threads={threads!r}: give a whole number from 1 on")
    return 0


cdef class ReadCall:
    """One read call, and the arrays it works on: alive as long as a thread is in it, even if the caller has left."""
    cdef HMapMany map
    cdef Items batch
    cdef object values_array, found_array, held
    cdef object fill                # what keeps the default's bytes alive
    cdef Items filling
    cdef uint8_t[::1] values, found, zero
    cdef ArenaBlocks texts          # what text answers point to
    cdef Reading r

    def __init__(self, HMapMany map, Items batch, out, bint want_values, bint want_found):
        self.map = map
        self.batch = batch
        self.zero = np.zeros(max(map.t.value_size, 1), np.uint8)
        self.r.fill = &self.zero[0]
        if want_values:
            self.values_array = map.empty_values(batch.n) if out is None else out
            self.values = self.values_array.reshape(-1).view(np.uint8)
            if len(self.values):
                self.r.values = &self.values[0]
        if want_found:
            self.found_array = np.empty(batch.n, bool)
            self.found = self.found_array.view(np.uint8)
            if batch.n:
                self.r.found = &self.found[0]

    cdef int fill_with(self, default) except -1:
        self.filling = self.map.take_values(default, 1)
        self.r.fill = self.filling.data
        return 0

    cdef object answers(self):
        """The values as callers get them."""
        return self.map.finished(self.values_array)

    cdef uint64_t read(self, bint stop_at_miss, threads) except? 0xFFFFFFFFFFFFFFFF:
        """Read all keys; returns the position of the first miss if stopping there, else their number."""
        cdef uint64_t n = self.batch.n, done
        self.r.stop_at_miss = stop_at_miss
        self.map.spend(EVACUATE_PER_KEY * n)
        parts = max(1, min(threads, n // THREAD_SHARE))
        done = self.run(0, n) if parts == 1 else self.share(n, parts)
        if done < n and not stop_at_miss:
            self.map.key_at(self.batch, done)           # raises: why else stop?
        if self.batch.valid is not None:
            self.blank(~self.batch.valid)
        return done

    cdef object blank(self, nulls):
        """A null key is a missing one, whatever bytes stand in its place."""
        if self.found_array is not None:
            self.found_array[nulls] = False
        if self.values_array is not None:
            fill = np.frombuffer(PyBytes_FromStringAndSize(<const char *> self.r.fill, self.map.t.value_size), np.uint8)
            np.asarray(self.values).reshape(self.batch.n, -1)[nulls] = fill

    cdef int64_t run(self, uint64_t start, uint64_t stop) except -1:
        cdef HMapMany map = self.map
        cdef uint64_t chunk_stop
        while start < stop:
            chunk_stop = min(stop, start + CHUNK)
            begin_read(&map.gate)
            if self.texts is not map.texts:         # a new arena since the last chunk: keep the last one too
                self.held, self.texts = (self.held, self.texts), map.texts
            if stop - start < RELEASE_FROM:
                start = read_some(&map.t, &self.r, self.batch.data, &self.batch.unread, start, chunk_stop)
            else:
                with nogil:
                    start = read_some(&map.t, &self.r, self.batch.data, &self.batch.unread, start, chunk_stop)
            end_read(&map.gate)
            if start < chunk_stop:
                return start            # a miss to stop at, or an item that is none
            PyErr_CheckSignals()
        return stop

    def share(self, uint64_t n, parts):
        """Read all n keys in so many threads, of which the calling one is the first."""
        bounds = [n * part // parts for part in range(parts + 1)]
        ends = bounds[1:]
        errors = []

        def read(part):
            try:
                ends[part] = self.run(bounds[part], bounds[part + 1])
            except BaseException as error:
                errors.append(error)

        helpers = [threading.Thread(target=read, args=(part,)) for part in range(1, parts)]
        for helper in helpers:
            helper.start()
        try:
            read(0)
        finally:
            for helper in helpers:
                helper.join()
        if errors:
            raise errors[0]
        for part in range(parts):
            if ends[part] < bounds[part + 1]:
                return ends[part]
        return n
