"""The compiled engine of the map: owns the arrays, the gate and the counters; the kernels do the walking.

    HMapCore ── owns ──> tophash, slots, overflow            typed memoryviews over NumPy arrays
        │                old_tophash, old_slots, old_overflow  while growing
        │ points with
        v
    Table (_layout.pxd) ── is what the kernels see ──> _ops.pxd (one key), _batch.pxd (many), _grow.pxd

Its part of the kernel rule: convert what Python brings (which may run any code), wait at the gate, run the kernel, act
on the status (allocate, install, resume), let go of what growth has emptied. Between the gate and the kernel no Python
code runs and the GIL is not given up, so the kernel sees a table nobody else is changing.
"""

import os
import threading
from contextlib import contextmanager

import numpy as np

from cpython.exc cimport PyErr_Clear, PyErr_Occurred
from cpython.float cimport PyFloat_AS_DOUBLE, PyFloat_CheckExact, PyFloat_FromDouble
from cpython.long cimport PyLong_CheckExact, PyLong_FromLongLong, PyLong_FromUnsignedLongLong
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy

from pyhmap import _dtypes, introspect

from pyhmap._arrays cimport BucketArrays
from pyhmap._gate cimport (
    begin_read,
    begin_write,
    end_read,
    end_write,
    gate_free,
    gate_init,
    wait_to_read,
    wait_to_write,
)
from pyhmap._grow cimport evacuate_some, must_grow, over_load, rebuild
from pyhmap._hash cimport canonical_float, hash_word
from pyhmap._layout cimport DEBUG, Buckets, Slot, Table, growing, slot_at
from pyhmap._ops cimport delete, get, put, put_hashed
from pyhmap._types cimport EMPTY_ONE, FOUND, INSERTED, MAX_B, MISSING, NEED_GROWTH, SLOTS, Status

cdef extern from "Python.h":
    long long PyLong_AsLongLongAndOverflow(object, int *) except? -1
    unsigned long long PyLong_AsUnsignedLongLong(object)    # after -1, PyErr_Occurred tells whether it failed

cdef enum:
    GROWING_FLAG = 8            # same-size growth, as in Go's flags
    WRITING_FLAG = 4
    DEBUG_CHECK = 512           # the debug build checks the whole table after each write up to this many keys

cdef uint64_t CAPACITY_MAX = 13 * ((<uint64_t> 1 << MAX_B) // 2)

cdef object MISSING_ARGUMENT = object()

cdef Kind kind_of(dtype):
    return {"i": Kind.INT, "u": Kind.UINT, "f": Kind.FLOAT}.get(dtype.kind, Kind.OTHER)


cdef inline object word_object(uint64_t word, Kind kind, dtype):
    """The Python object of a word; never runs Python code for the kinds INT, UINT and FLOAT."""
    cdef double number
    if kind == INT:
        return PyLong_FromLongLong(<int64_t> word)
    if kind == UINT:
        return PyLong_FromUnsignedLongLong(word)
    if kind == FLOAT:
        memcpy(&number, &word, 8)
        return PyFloat_FromDouble(number)
    return _dtypes.word_to_value(word, dtype)


cdef class HMapCore:
    """Life, growth and single keys of :class:`pyhmap.HMap`; use that."""

    def __cinit__(self, *args, **kwargs):
        # A valid empty table before anything else, so that an object whose __init__ never ran is safe to use.
        gate_init(&self.gate)
        self.install(BucketArrays(0))

    def __dealloc__(self):
        gate_free(&self.gate)

    def __init__(self, key, value, items=None, /, *, capacity=0, hash=None, seed=None):
        if self.key_kind != NO_KIND:
            raise TypeError("HMap.__init__ was called before: make a new map, or use clear() and update()")
        if hash is not None:
            raise ValueError(f"hash={hash!r}: only None, the keyed hash, is available for these keys")
        if seed is not None and not isinstance(seed, (int, np.integer)):
            raise TypeError(f"seed={seed!r}: give an int, or None for a random one")
        key_dtype, value_dtype = _dtypes.key_dtype(key), _dtypes.value_dtype(value)
        arrays = BucketArrays(buckets_for(capacity))
        self.seed = seed
        self.seed_state = 0 if seed is None else int(seed) & 0xFFFFFFFFFFFFFFFF
        self.draw_hash_key(self.t.hash_key)
        self.install(arrays)
        self._key_dtype, self._value_dtype = key_dtype, value_dtype
        self.t.float_keys = key_dtype.kind == "f"
        self.value_kind = kind_of(value_dtype)
        self.key_kind = kind_of(key_dtype)
        if items is not None:
            self.update(items)

    # ---- the table: installing arrays, growing, letting go ---------------------------------------------------------

    cdef void install(self, BucketArrays arrays):
        """Start over with empty arrays."""
        self.now = arrays
        self.old = None
        self.t.now = arrays.raw
        self.t.old.tophash = NULL
        self.t.count = 0
        self.t.nevacuate = 0
        self.pop_row = 0
        self.same_size = False
        self.version += 1

    cdef draw_hash_key(self, uint64_t *hash_key):
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

    cdef int start_growth(self) except -1:
        """Install the arrays that must_grow asks for; asked again after each step that lets other threads run."""
        cdef BucketArrays fresh
        cdef int B
        while must_grow(&self.t):
            B = self.B() + over_load(self.t.count + 1, self.t.now.nmain)
            if B > MAX_B:
                raise OverflowError(f"HMap holds at most {CAPACITY_MAX:,} keys")
            fresh = BucketArrays(B)             # may give up the GIL
            wait_to_write(&self.gate)
            if must_grow(&self.t) and B == self.B() + over_load(self.t.count + 1, self.t.now.nmain):
                self.same_size = B == self.B()
                self.old = self.now
                self.t.old = self.t.now
                self.now = fresh
                self.t.now = fresh.raw
                self.t.nevacuate = 0
                self.pop_row = 0
                self.version += 1           # the new key that starts a growth comes later; iterators must stop now
                if self.same_size:
                    self._same_size_growths += 1
                else:
                    self._growths += 1
        return 0

    cdef void let_go(self):
        """After a kernel that may have ended a growth: release the emptied array."""
        if self.old is not None and not growing(&self.t):
            self.old = None
            self.same_size = False

    cdef int spend(self, uint64_t budget) except -1:
        """Evacuate so many old buckets, without the GIL."""
        if growing(&self.t) and budget:
            begin_write(&self.gate)
            with nogil:
                evacuate_some(&self.t, budget)
            end_write(&self.gate)
            self.let_go()
        return 0

    cdef int settle(self) except -1:
        """Finish the growth. On return the table is not growing and safe to read, until the GIL is next given up."""
        while True:
            wait_to_read(&self.gate)
            if not growing(&self.t):
                return 0
            self.spend(<uint64_t> -1)

    cdef int B(self):
        cdef int B = 0
        while <uint64_t> 1 << B < self.t.now.nmain:
            B += 1
        return B

    cdef int written(self, bint keys_changed) except -1:
        """After each scalar write."""
        self.version += keys_changed
        self.let_go()
        if DEBUG and self.t.count <= DEBUG_CHECK:
            with self._frozen():
                introspect.check(self._state())
        return 0

    # ---- one key --------------------------------------------------------------------------------------------------

    cdef int key_word(self, object key, uint64_t *word) except -1:
        cdef int overflow = 0
        cdef double number
        if self.key_kind == INT and PyLong_CheckExact(key):
            word[0] = <uint64_t> PyLong_AsLongLongAndOverflow(key, &overflow)
            if not overflow:
                return 0
        elif self.key_kind == UINT and PyLong_CheckExact(key):
            word[0] = PyLong_AsUnsignedLongLong(key)
            if word[0] != <uint64_t> -1 or not PyErr_Occurred():
                return 0
            PyErr_Clear()       # the longer way has the clear message
        elif self.key_kind == FLOAT and PyFloat_CheckExact(key):
            number = PyFloat_AS_DOUBLE(key)
            memcpy(word, &number, 8)
            word[0] = canonical_float(word[0])
            return 0
        self.check_initialised()
        word[0] = _dtypes.key_to_word(key, self._key_dtype)
        return 0

    cdef int value_word(self, object value, uint64_t *word) except -1:
        cdef int overflow = 0
        cdef double number
        if self.value_kind == INT and PyLong_CheckExact(value):
            word[0] = <uint64_t> PyLong_AsLongLongAndOverflow(value, &overflow)
            if not overflow:
                return 0
        elif self.value_kind == UINT and PyLong_CheckExact(value):
            word[0] = PyLong_AsUnsignedLongLong(value)
            if word[0] != <uint64_t> -1 or not PyErr_Occurred():
                return 0
            PyErr_Clear()       # the longer way has the clear message
        elif self.value_kind == FLOAT and PyFloat_CheckExact(value):
            number = PyFloat_AS_DOUBLE(value)
            memcpy(word, &number, 8)
            return 0
        self.check_initialised()
        word[0] = _dtypes.value_to_word(value, self._value_dtype)
        return 0

    cdef int check_initialised(self) except -1:
        if self.key_kind == NO_KIND:
            raise RuntimeError("HMap.__init__ was not called")
        return 0

    cdef object value_object(self, uint64_t word):
        return word_object(word, self.value_kind, self._value_dtype)

    def __len__(self):
        return self.t.count

    def __getitem__(self, key):
        cdef uint64_t word
        cdef const Slot *slot
        self.key_word(key, &word)
        wait_to_read(&self.gate)
        slot = get(&self.t, word)
        if slot == NULL:
            raise KeyError(key)
        return self.value_object(slot.value)

    def __contains__(self, key):
        cdef uint64_t word
        self.key_word(key, &word)
        wait_to_read(&self.gate)
        return get(&self.t, word) != NULL

    def get(self, key, default=None, /):
        """The value of ``key``, or ``default``."""
        cdef uint64_t word
        cdef const Slot *slot
        self.key_word(key, &word)
        wait_to_read(&self.gate)
        slot = get(&self.t, word)
        return default if slot == NULL else self.value_object(slot.value)

    def __setitem__(self, key, value):
        cdef uint64_t word, stored
        cdef Status status
        self.key_word(key, &word)
        self.value_word(value, &stored)
        wait_to_write(&self.gate)
        status = put(&self.t, word, stored)
        while status == NEED_GROWTH:
            self.start_growth()
            wait_to_write(&self.gate)
            status = put(&self.t, word, stored)
        self.written(status == INSERTED)

    def setdefault(self, key, default=None, /):
        """The value of ``key``, which is set to ``default`` first if it is missing."""
        cdef uint64_t word, stored
        cdef Slot *slot
        cdef Status status
        self.key_word(key, &word)
        wait_to_read(&self.gate)
        slot = get(&self.t, word)
        if slot != NULL:
            return self.value_object(slot.value)
        self.value_word(default, &stored)       # may run Python code: the key may be there by now
        while True:
            wait_to_write(&self.gate)
            status = put_hashed(&self.t, word, stored, hash_word(self.t.hash_key, word), False, &slot)
            if status != NEED_GROWTH:
                break
            self.start_growth()
        stored = slot.value
        self.written(status == INSERTED)
        return self.value_object(stored)

    def __delitem__(self, key):
        cdef uint64_t word, value
        self.key_word(key, &word)
        wait_to_write(&self.gate)
        cdef Status status = delete(&self.t, word, &value)
        self.written(status == FOUND)
        if status == MISSING:
            raise KeyError(key)

    def pop(self, key, default=MISSING_ARGUMENT, /):
        """Remove ``key`` and return its value; if it is missing, ``default``, or ``KeyError`` without one."""
        cdef uint64_t word, value
        self.key_word(key, &word)
        wait_to_write(&self.gate)
        cdef Status status = delete(&self.t, word, &value)
        self.written(status == FOUND)
        if status == FOUND:
            return self.value_object(value)
        if default is MISSING_ARGUMENT:
            raise KeyError(key)
        return default

    def popitem(self):
        """Remove and return some (key, value) pair; ``KeyError`` if the map is empty.

        Emptying a map in this way takes linear time.
        """
        cdef uint64_t key, value, row
        cdef unsigned i
        cdef const Slot *slot
        wait_to_write(&self.gate)
        while growing(&self.t):
            self.settle()
            wait_to_write(&self.gate)
        if self.t.count == 0:
            raise KeyError("popitem(): HMap is empty")
        row = self.pop_row
        while True:
            for i in range(SLOTS):
                if self.t.now.tophash[row * SLOTS + i] > EMPTY_ONE:
                    slot = slot_at(&self.t.now, row, i)
                    self.pop_row = row
                    key = slot.key
                    delete(&self.t, key, &value)
                    self.written(True)
                    return word_object(key, self.key_kind, self._key_dtype), self.value_object(value)
            row = row + 1 if row + 1 < self.t.now.next_row else 0

    def clear(self):
        """Remove every key, release the arrays, and draw a new hash key."""
        self.check_initialised()
        cdef uint64_t hash_key[4]
        arrays = BucketArrays(0)
        self.draw_hash_key(hash_key)        # may give up the GIL
        wait_to_write(&self.gate)
        self.install(arrays)
        memcpy(self.t.hash_key, hash_key, 32)

    # ---- iteration ------------------------------------------------------------------------------------------------

    def __iter__(self):
        return self.iterator(KEYS)

    def _iter_values(self):
        return self.iterator(VALUES)

    def _iter_items(self):
        return self.iterator(ITEMS)

    cdef object iterator(self, Part part):
        # In a settled table overwriting moves nothing, and a new growth begins only with a new key.
        cdef HMapIterator iterator = HMapIterator.__new__(HMapIterator)     # may collect garbage: before settle()
        self.settle()
        iterator.map = self
        iterator.part = part
        iterator.version = self.version
        iterator.left = self.t.count
        return iterator

    # ---- life -----------------------------------------------------------------------------------------------------

    def reserve(self, n, /):
        """Make room for ``n`` keys in all, so that the map will not grow before it holds them."""
        cdef BucketArrays fresh
        cdef Buckets raw
        self.check_initialised()
        cdef int B = buckets_for(n)
        while B > self.B():
            self.settle()
            fresh = BucketArrays(B)
            begin_write(&self.gate)
            if not growing(&self.t) and B > self.B():
                raw = fresh.raw
                with nogil:
                    rebuild(&self.t, &raw)
                self.now = fresh
                self.t.now = raw
                self.pop_row = 0
                self.version += 1
            end_write(&self.gate)

    def finish_growth(self):
        """Evacuate what is left of the old array and release it."""
        self.settle()

    # ---- looking inside -------------------------------------------------------------------------------------------

    @property
    def key_dtype(self):
        """The dtype of the keys."""
        return self._key_dtype

    @property
    def value_dtype(self):
        """The dtype of the values."""
        return self._value_dtype

    @property
    def _seed(self):
        return self.seed

    def _state(self):
        """Views of the live arrays, as introspect.RawTable."""
        self.check_initialised()
        wait_to_read(&self.gate)
        # Making arrays runs Python code, in which other threads may write: hold what belongs together first.
        cdef Table t = self.t
        cdef BucketArrays now = self.now, old = self.old
        cdef int B = self.B()
        flags = (GROWING_FLAG if self.same_size else 0) | (WRITING_FLAG if self.gate.writing else 0)
        counters = self._growths, self._same_size_growths
        old_arrays = None
        if growing(&t):
            old_arrays = old.rows_in_use(&t.old, self._key_dtype, self._value_dtype)
        key = t.hash_key[0], t.hash_key[1], t.hash_key[2], t.hash_key[3]
        return introspect.RawTable(
            t.count, flags, B, t.nevacuate if old_arrays else 0, key,
            now.rows_in_use(&t.now, self._key_dtype, self._value_dtype), old_arrays,
            self._key_dtype, self._value_dtype, *counters,
        )

    @contextmanager
    def _frozen(self):
        """While inside, writes by other threads wait and writes by this one raise RuntimeError."""
        begin_read(&self.gate)
        cdef long me = threading.get_ident()
        outermost = self.gate.held_by != me
        self.gate.held_by = me
        try:
            yield
        finally:
            if outermost and self.gate.held_by == me:   # else another thread's check began since
                self.gate.held_by = 0
            end_read(&self.gate)


cdef class HMapIterator:
    """Walks the rows of a settled table in order."""
    cdef HMapCore map
    cdef Part part
    cdef uint64_t version, left, row
    cdef unsigned i

    def __iter__(self):
        return self

    def __length_hint__(self):
        return self.left

    def __next__(self):
        cdef uint64_t key, value
        cdef const Slot *slot
        cdef Table *t
        cdef HMapCore map = self.map
        if map is None:
            raise StopIteration
        wait_to_read(&map.gate)         # may give up the GIL: another thread may have used this iterator meanwhile
        if self.map is None:
            raise StopIteration
        if self.version != map.version:
            raise RuntimeError("HMap changed size during iteration")
        if self.left == 0:
            self.map = None
            raise StopIteration
        t = &map.t
        while t.now.tophash[self.row * SLOTS + self.i] <= EMPTY_ONE:
            self.step()
        slot = slot_at(&t.now, self.row, self.i)
        key = slot.key
        value = slot.value
        self.step()
        self.left -= 1
        if self.part == KEYS:
            return word_object(key, map.key_kind, map._key_dtype)
        if self.part == VALUES:
            return map.value_object(value)
        return word_object(key, map.key_kind, map._key_dtype), map.value_object(value)

    cdef inline void step(self):
        self.i += 1
        if self.i == SLOTS:
            self.i = 0
            self.row += 1


cdef int buckets_for(capacity) except -1:
    """The smallest B whose 2^B buckets hold so many keys without growing."""
    if not isinstance(capacity, (int, np.integer)):
        raise TypeError(f"capacity {capacity!r} is of type {type(capacity).__name__}: give an int")
    if capacity < 0:
        raise ValueError(f"capacity {capacity} is negative")
    if capacity > CAPACITY_MAX:
        raise OverflowError(f"capacity {capacity:,} is more than an HMap can hold ({CAPACITY_MAX:,} keys)")
    cdef int B = 0
    while over_load(capacity, <uint64_t> 1 << B):
        B += 1
    return B


cdef inline uint64_t splitmix64(uint64_t *state):
    """Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (2014): turns a seed into four keys."""
    state[0] += <uint64_t> 0x9E3779B97F4A7C15
    cdef uint64_t z = state[0]
    z = (z ^ (z >> 30)) * <uint64_t> 0xBF58476D1CE4E5B9
    z = (z ^ (z >> 27)) * <uint64_t> 0x94D049BB133111EB
    return z ^ (z >> 31)
