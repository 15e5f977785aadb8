"""Single keys: conversion, look-up, writing, removal, iteration. Imports the engine's core and the kernels.

Object keys and values are in two lists, where the cyclic collector sees them; slots hold indices into them. Whether an
object key is equal to another only Python can say, so look-ups go in two steps: `seek` asks the keys with the wanted
hash, starting over if an `__eq__` changed the map, and gives the index of the one that is equal; the kernels then
compare indices.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.exc cimport PyErr_Clear, PyErr_Occurred
from cpython.float cimport PyFloat_AS_DOUBLE, PyFloat_CheckExact, PyFloat_FromDouble
from cpython.long cimport PyLong_CheckExact, PyLong_FromLongLong, PyLong_FromUnsignedLongLong
from cpython.object cimport PyObject
from cpython.unicode cimport PyUnicode_CheckExact, PyUnicode_DecodeUTF8
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from pyhmap._core cimport BYTES, FLOAT, HMapCore, INT, Kind, OBJECT, OTHER, STR, UINT
from pyhmap._forms cimport Key, delete, get, load_key, put
from pyhmap._gate cimport wait_to_read, wait_to_write
from pyhmap._hash cimport canonical_float, hash_word, tophash_of
from pyhmap._layout cimport Buckets, Table, Text, growing, slot_at
from pyhmap._ops cimport home
from pyhmap._probe cimport next_candidate
from pyhmap._text cimport make_text, resolve, text_data
from pyhmap._types cimport EMPTY_ONE, FOUND, INSERTED, NEED_GROWTH, REFERENCE, SLOTS, Status, TEXT

cdef extern from "Python.h":
    long long PyLong_AsLongLongAndOverflow(object, int *) except? -1
    unsigned long long PyLong_AsUnsignedLongLong(object)    # after -1, PyErr_Occurred tells whether it failed
    bint PyUnicode_IS_COMPACT_ASCII(object)
    const void *PyUnicode_DATA(object)
    Py_ssize_t PyUnicode_GET_LENGTH(object)

cdef Py_ssize_t MAX_TEXT = 0xFFFFFFFF       # bytes: a Text's size is a uint32
cdef uint64_t ABSENT = ~<uint64_t> 0        # the index of an object key that is not in the map

cdef enum:
    MAX_RESTARTS = 1000                     # of a search whose comparisons change the map, before it is an error

cdef object MISSING_ARGUMENT = object()


cdef inline object number_object(uint64_t word, Kind kind):
    cdef double number
    if kind == INT:
        return PyLong_FromLongLong(<int64_t> word)
    if kind == UINT:
        return PyLong_FromUnsignedLongLong(word)
    memcpy(&number, &word, 8)
    return PyFloat_FromDouble(number)


cdef inline bint is_short_ascii(text):
    """Whether this is exactly a str whose characters are its UTF-8 bytes, and not too long for a Text."""
    return PyUnicode_CheckExact(text) and PyUnicode_IS_COMPACT_ASCII(text) and PyUnicode_GET_LENGTH(text) <= MAX_TEXT


cdef inline object bytes_of(const Text *text):
    """The bytes of a text in hand."""
    return PyBytes_FromStringAndSize(<const char *> text_data(text), text.size)


cdef uint64_t take_place(list objects, list free, item) except? 0xFFFFFFFFFFFFFFFF:
    """Put an object into a free place of a list, or a new one; runs no Python code."""
    cdef uint64_t index
    if free:
        index = free.pop()
        objects[index] = item
    else:
        index = len(objects)
        objects.append(item)
    return index


cdef object free_place(list objects, list free, uint64_t index):
    """Empty a place, and hand its object to the caller, who releases it when the map is whole."""
    item = objects[index]
    objects[index] = None
    free.append(index)
    return item


cdef class HMapSingle(HMapCore):
    """The engine with the single-key calls of :class:`pyhmap.HMap`; use that."""

    cdef object take_key(self, object key, Key *k):
        """Take a key in hand. Returns what keeps its bytes alive. May run any Python code."""
        cdef int overflow = 0
        cdef double number
        if self.key_kind == INT and PyLong_CheckExact(key):
            k.word64 = <uint64_t> PyLong_AsLongLongAndOverflow(key, &overflow)
            if not overflow:
                return None
        elif self.key_kind == UINT and PyLong_CheckExact(key):
            k.word64 = PyLong_AsUnsignedLongLong(key)
            if k.word64 != <uint64_t> -1 or not PyErr_Occurred():
                return None
            PyErr_Clear()       # the codec has the clear message
        elif self.key_kind == FLOAT and PyFloat_CheckExact(key):
            number = PyFloat_AS_DOUBLE(key)
            memcpy(&k.word64, &number, 8)
            k.word64 = canonical_float(k.word64)
            return None
        elif self.key_kind == STR and is_short_ascii(key):
            k.text = make_text(<const uint8_t *> PyUnicode_DATA(key), <uint32_t> PyUnicode_GET_LENGTH(key))
            k.digested.known = False
            if self.cached_digest != NULL:
                self.ask_cache(key, k)
            return key
        elif self.key_kind == BYTES and PyBytes_CheckExact(key) and PyBytes_GET_SIZE(key) <= MAX_TEXT:
            k.text = make_text(<const uint8_t *> PyBytes_AS_STRING(key), <uint32_t> PyBytes_GET_SIZE(key))
            k.digested.known = False
            if self.cached_digest != NULL:
                self.ask_cache(key, k)
            return key
        elif self.key_kind == OBJECT:
            self.seek(key, <uint64_t> <int64_t> hash(key), k)
            return key
        self.check_initialised()
        stored = self._key_codec.encode(key)
        if self.t.form == TEXT:
            k.text = make_text(<const uint8_t *> PyBytes_AS_STRING(stored), <uint32_t> PyBytes_GET_SIZE(stored))
            k.digested.known = False
        else:
            k.word64 = 0
            memcpy(&k.word64, PyBytes_AS_STRING(stored), PyBytes_GET_SIZE(stored))
        return stored

    cdef int ask_cache(self, object key, Key *k) except -1:
        """Take the digest of a text from the cache, if the map has one. May run any Python code."""
        k.digested.known = self.hash_cache is not None      # the collector may have taken it away from a dying map
        if k.digested.known:
            k.digested.digest = self.cached_digest(<PyObject *> self.hash_cache, <PyObject *> key)
        return 0

    cdef int seek(self, object key, uint64_t number, Key *k) except -1:
        """Find the object key that is equal and whose hash() is `number`: its index, or ABSENT. May run any Python
        code; what it found holds as long as `membership` stays the same."""
        cdef uint64_t h, row, left, index, membership, moves
        cdef const Buckets *b
        for _ in range(MAX_RESTARTS):
            wait_to_read(&self.gate)
            membership, moves = self.membership, self.t.moves
            h = hash_word(self.t.hash_key, number)
            b = home(&self.t, h)
            row = h & (b.nmain - 1)
            left = ~<uint64_t> 0
            k.reference.hash = h
            k.reference.index = ABSENT
            while next_candidate(b, tophash_of(h), h, &row, &left, &index):
                candidate = self.key_objects[index]
                if candidate is key or candidate == key:
                    k.reference.index = index
                    break
                if membership != self.membership or moves != self.t.moves:
                    break       # the comparison changed the map: row and left are stale
            if membership == self.membership and (moves == self.t.moves or k.reference.index != ABSENT):
                return 0
        raise RuntimeError(f"comparing {key!r} with the keys of the HMap changes it each time")

    cdef object take_value(self, object value, Value *v, const void **data):
        """Take a value in hand; data points to its bytes as they are to be stored. Returns what keeps them alive."""
        cdef int overflow = 0
        cdef double number
        data[0] = v
        if self.value_kind == INT and PyLong_CheckExact(value):
            v.word = <uint64_t> PyLong_AsLongLongAndOverflow(value, &overflow)
            if not overflow:
                return None
        elif self.value_kind == UINT and PyLong_CheckExact(value):
            v.word = PyLong_AsUnsignedLongLong(value)
            if v.word != <uint64_t> -1 or not PyErr_Occurred():
                return None
            PyErr_Clear()       # the codec has the clear message
        elif self.value_kind == FLOAT and PyFloat_CheckExact(value):
            number = PyFloat_AS_DOUBLE(value)
            memcpy(&v.word, &number, 8)
            return None
        elif self.value_kind == STR and is_short_ascii(value):
            v.text = make_text(<const uint8_t *> PyUnicode_DATA(value), <uint32_t> PyUnicode_GET_LENGTH(value))
            return value
        elif self.value_kind == OBJECT:
            return value
        elif self.t.value_size == 0 and PyBytes_CheckExact(value) and PyBytes_GET_SIZE(value) == 0:
            return None             # the value of every key of a set
        self.check_initialised()
        stored = self._value_codec.encode(value)
        if self.t.text_values:
            v.text = make_text(<const uint8_t *> PyBytes_AS_STRING(stored), <uint32_t> PyBytes_GET_SIZE(stored))
        else:
            data[0] = PyBytes_AS_STRING(stored)
        return stored

    cdef object key_object(self, const Key *k):
        """The Python object of a key in hand."""
        if self.key_kind <= FLOAT:
            return number_object(k.word64, self.key_kind)
        if self.key_kind == OBJECT:
            return self.key_objects[k.reference.index]
        _blocks = self.texts             # decoding may run Python code, in which the arena could be replaced
        cdef Text text
        if self.t.form != TEXT:
            return self._key_codec.decode(PyBytes_FromStringAndSize(<const char *> k, self._key_codec.size))
        text = k.text
        if self.key_kind == STR:
            return PyUnicode_DecodeUTF8(<char *> text_data(&text), text.size, b"surrogatepass")
        stored = bytes_of(&text)
        return stored if self.key_kind == BYTES else self._key_codec.decode(stored)

    cdef object hold_value(self, const void *value):
        """What value_object makes its object of. Runs no Python code."""
        cdef uint64_t word
        cdef Text text
        if self.t.text_values:
            text = resolve(&self.t.arena, <const Text *> value)
            return bytes_of(&text)
        if self.value_kind == OTHER:
            return PyBytes_FromStringAndSize(<const char *> value, self.t.value_size)
        memcpy(&word, value, 8)
        if self.value_kind == OBJECT:
            return self.value_objects[word]
        return number_object(word, self.value_kind)

    cdef object release_value(self, object held):
        """The Python object of a held value."""
        if self.value_kind == STR:
            return (<bytes> held).decode("utf-8", "surrogatepass")
        return self._value_codec.decode(held) if self.value_kind == OTHER else held

    cdef object value_object(self, const void *value):
        """The Python object of a stored value."""
        cdef uint64_t word
        if self.value_kind <= FLOAT:
            memcpy(&word, value, 8)
            return number_object(word, self.value_kind)
        return self.release_value(self.hold_value(value))

    cdef object write(self, object key, object value, bint overwrite):
        """Set a key, or leave the value it has; returns the value now stored if it was to be left."""
        cdef Key k
        cdef Value v
        cdef const void *data
        cdef uint8_t *stored
        cdef uint64_t seen, index, need, number = 0
        cdef Status status
        if self.t.form == REFERENCE:
            number = <uint64_t> <int64_t> hash(key)     # once; seek() may be needed again
            seen = self.membership - 1                  # nothing is known yet
            if not overwrite:
                self.seek(key, number, &k)
                seen = self.membership
        else:
            _key_owner = self.take_key(key, &k)
            wait_to_read(&self.gate)
        if not overwrite and get(&self.t, &k) != NULL:      # before a default is converted that will not be used
            return self.value_object(get(&self.t, &k))
        _value_owner = self.take_value(value, &v, &data)
        self.next_code = -1
        while True:
            wait_to_write(&self.gate)
            if self.t.form == REFERENCE:
                while seen != self.membership:
                    self.seek(key, number, &k)
                    seen = self.membership
                    wait_to_write(&self.gate)
                fresh_key = k.reference.index == ABSENT
                if fresh_key:
                    k.reference.index = take_place(self.key_objects, self.free_keys, key)
            if self.value_kind == OBJECT:
                v.word = take_place(self.value_objects, self.free_values, value)
            status = put(&self.t, &k, data, overwrite and self.value_kind != OBJECT, &stored)
            if status <= INSERTED:
                break
            if self.value_kind == OBJECT:
                free_place(self.value_objects, self.free_values, v.word)
            if self.t.form == REFERENCE and fresh_key:
                free_place(self.key_objects, self.free_keys, k.reference.index)
                k.reference.index = ABSENT
            if status == NEED_GROWTH:
                self.start_growth(False)
            else:
                need = k.text.size if self.t.form == TEXT else 0
                self.more_arena(need + (v.text.size if self.t.text_values else 0), 0)
        if self.value_kind == OBJECT and status == FOUND:
            memcpy(&index, stored, 8)
            if overwrite:
                _released = self.value_objects[index]
                self.value_objects[index] = value
            free_place(self.value_objects, self.free_values, v.word)
        held = None if overwrite else self.hold_value(stored)
        self.written(status == INSERTED)
        return None if overwrite else self.release_value(held)

    cdef object remove(self, object key, bint *found):
        """Remove a key; returns its value as held."""
        cdef Key k
        cdef uint64_t seen
        _owner = self.take_key(key, &k)
        seen = self.membership
        wait_to_write(&self.gate)
        while self.t.form == REFERENCE and seen != self.membership:     # others ran while this one waited
            self.take_key(key, &k)
            seen = self.membership
            wait_to_write(&self.gate)
        return self.remove_in_hand(&k, found)

    cdef object remove_in_hand(self, const Key *k, bint *found):
        cdef uint8_t *stored = get(&self.t, k)
        cdef uint64_t index = 0
        held = None
        found[0] = stored != NULL
        if found[0]:
            held = self.hold_value(stored)
            memcpy(&index, stored, min(8, self.t.value_size))
        delete(&self.t, k, NULL)            # of an absent key too: each write does its share of a growth
        if found[0] and self.value_kind == OBJECT:
            free_place(self.value_objects, self.free_values, index)
        if found[0] and self.t.form == REFERENCE:
            _released = free_place(self.key_objects, self.free_keys, k.reference.index)
        self.written(found[0])
        if found[0]:
            self.removed()
        return held

    def __getitem__(self, key):
        cdef Key k
        cdef const uint8_t *value
        _owner = self.take_key(key, &k)
        wait_to_read(&self.gate)
        if self.old is not None:
            self.read_meets_growth()
        value = get(&self.t, &k)
        if value == NULL:
            raise KeyError(key)
        return self.value_object(value)

    def __contains__(self, key):
        cdef Key k
        _owner = self.take_key(key, &k)
        wait_to_read(&self.gate)
        if self.old is not None:
            self.read_meets_growth()
        return get(&self.t, &k) != NULL

    def get(self, key, default=None, /):
        """The value of ``key``, or ``default``."""
        cdef Key k
        cdef const uint8_t *value
        _owner = self.take_key(key, &k)
        wait_to_read(&self.gate)
        if self.old is not None:
            self.read_meets_growth()
        value = get(&self.t, &k)
        return default if value == NULL else self.value_object(value)

    def __setitem__(self, key, value):
        self.write(key, value, True)

    def setdefault(self, key, default=None, /):
        """The value of ``key``, which is set to ``default`` first if it is missing."""
        return self.write(key, default, False)

    def __delitem__(self, key):
        cdef bint found
        self.remove(key, &found)
        if not found:
            raise KeyError(key)

    def pop(self, key, default=MISSING_ARGUMENT, /):
        """Remove ``key`` and return its value; if it is missing, ``default``, or ``KeyError`` without one."""
        cdef bint found
        held = self.remove(key, &found)
        if found:
            return self.release_value(held)
        if default is MISSING_ARGUMENT:
            raise KeyError(key)
        return default

    def popitem(self):
        """Remove and return some (key, value) pair; ``KeyError`` if the map is empty.

        Emptying a map in this way takes linear time.
        """
        cdef uint64_t row
        cdef unsigned i
        cdef Key k
        cdef bint found
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
                    self.pop_row = row
                    load_key(&self.t, slot_at(&self.t.now, row, i), &k)
                    _blocks = self.texts             # the key's bytes stay where they are
                    key = self.key_objects[k.reference.index] if self.t.form == REFERENCE else None
                    held = self.remove_in_hand(&k, &found)
                    if self.t.form != REFERENCE:
                        key = self.key_object(&k)
                    return key, self.release_value(held)
            row = row + 1 if row + 1 < self.t.now.next_row else 0

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


cdef class HMapIterator:
    """Walks the rows of a settled table in order."""
    cdef HMapSingle map
    cdef Part part
    cdef uint64_t version, left, row
    cdef unsigned i

    def __iter__(self):
        return self

    def __length_hint__(self):
        return self.left

    def __next__(self):
        cdef uint8_t *slot
        cdef Key k
        cdef Table *t
        cdef HMapSingle map = self.map
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
        self.step()
        self.left -= 1
        load_key(t, slot, &k)
        if self.part == KEYS:
            return map.key_object(&k)
        held = map.hold_value(slot + map.value_at)
        if self.part == VALUES:
            return map.release_value(held)
        return map.key_object(&k), map.release_value(held)

    cdef inline void step(self):
        self.i += 1
        if self.i == SLOTS:
            self.i = 0
            self.row += 1
