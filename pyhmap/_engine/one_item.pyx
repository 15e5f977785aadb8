"""One key or value at a time: from a Python object to what the table stores, and back.

Object keys and values are in two lists, where the cyclic collector sees them; slots hold indices into them. Only Python
can say whether one object key equals another, so a look-up has two steps: find_object_key() compares the key with those
that have its hash, starting over if an ``__eq__`` changed the map, and gives the index of the equal one; the kernels
then compare indices. Only an HMapCore has objects: where a TypedMap has the kind OBJECT, it is one.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.exc cimport PyErr_Clear, PyErr_Occurred
from cpython.float cimport PyFloat_AS_DOUBLE, PyFloat_CheckExact, PyFloat_FromDouble
from cpython.long cimport PyLong_CheckExact, PyLong_FromLongLong, PyLong_FromUnsignedLongLong
from cpython.object cimport Py_EQ, PyObject, PyObject_RichCompareBool
from cpython.unicode cimport PyUnicode_CheckExact, PyUnicode_DecodeUTF8
from libc.math cimport isinf
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from pyhmap._engine.single import item_of

from pyhmap._core cimport HMapCore
from pyhmap._engine.memory cimport FreePlaces
from pyhmap._engine.rwlock cimport wait_to_read
from pyhmap._engine.typed cimport BYTES, FLOAT, INT, Kind, NOTHING, OBJECT, OTHER, STR, TypedMap, UINT
from pyhmap._kernels.any_key cimport AnyKey
from pyhmap._kernels.constants cimport MAX_TEXT, TEXT
from pyhmap._kernels.hash cimport canonical_float, hash_word, tophash_of
from pyhmap._kernels.layout cimport Buckets, Text, home
from pyhmap._kernels.probe cimport next_candidate
from pyhmap._kernels.text cimport make_text, resolve, text_data

cdef extern from "Python.h":
    long long PyLong_AsLongLongAndOverflow(object, int *) except? -1
    Py_hash_t PyObject_Hash(PyObject *)                     # declared without an exception: -1 means one
    unsigned long long PyLong_AsUnsignedLongLong(object)    # after -1, PyErr_Occurred tells whether it failed
    bint PyUnicode_IS_COMPACT_ASCII(object)
    const void *PyUnicode_DATA(object)
    Py_ssize_t PyUnicode_GET_LENGTH(object)

cdef long long EXACT = <long long> 1 << 53      # up to here, a double holds each int


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


cdef object bytes_of(const Text *text):
    """The bytes of a loaded text."""
    return PyBytes_FromStringAndSize(<const char *> text_data(text), text.size)


cdef uint64_t add_object(list objects, FreePlaces free, item) except? 0xFFFFFFFFFFFFFFFF:
    """Put an object into a free place of a list, or a new one, and return its index. Runs no Python code. After a
    ``MemoryError`` the list is as it was."""
    cdef uint64_t index
    if free.n:
        index = free.pop()
        objects[index] = item
    else:
        index = len(objects)
        free.make_room(1)
        objects.append(item)
    return index


cdef object remove_object(list objects, FreePlaces free, uint64_t index):
    """Empty a place, and return its object: the caller releases it when the map is whole. It has made room among the
    free places, so this cannot fail."""
    item = objects[index]
    objects[index] = None
    free.push(index)
    return item


cdef inline bint word_of_number(Kind kind, object number, uint64_t *word) except -1:
    """The bits of an exact int or float, if they are those of this kind. If not, the codec converts it or raises."""
    cdef int overflow = 0
    cdef long long whole
    cdef double real
    if kind == INT and PyLong_CheckExact(number):
        word[0] = <uint64_t> PyLong_AsLongLongAndOverflow(number, &overflow)
        return not overflow
    if kind == UINT and PyLong_CheckExact(number):
        word[0] = PyLong_AsUnsignedLongLong(number)
        if word[0] != <uint64_t> -1 or not PyErr_Occurred():
            return True
        PyErr_Clear()
    elif kind == FLOAT and (PyFloat_CheckExact(number) or PyLong_CheckExact(number)):
        if PyFloat_CheckExact(number):
            real = PyFloat_AS_DOUBLE(number)
        else:
            whole = PyLong_AsLongLongAndOverflow(number, &overflow)
            if overflow or not -EXACT <= whole <= EXACT:
                return False
            real = <double> whole
        memcpy(word, &real, 8)
        return True
    return False


cdef bint narrowed(Kind kind, object number, uint64_t size, uint64_t *word) noexcept:
    """Make the word of an exact int or float one of fewer bytes. False if the codec has to do that, or to refuse it."""
    cdef unsigned unused = <unsigned> (64 - 8 * size)
    cdef double real
    cdef float single
    if kind == INT:
        return <int64_t> (word[0] << unused) >> unused == <int64_t> word[0]
    if kind == UINT:
        return word[0] << unused >> unused == word[0]
    if size != sizeof(float):
        return False
    memcpy(&real, word, 8)
    single = <float> real
    memcpy(word, &single, sizeof(float))
    return single == real or (PyFloat_CheckExact(number) and not isinf(single))


cdef object key_from(TypedMap map, object key, AnyKey *k):
    """Load a key. Returns what keeps its bytes alive. May run any Python code."""
    if word_of_number(map.key_kind, key, &k.word64):
        if map.key_kind == FLOAT:
            k.word64 = canonical_float(k.word64)
        return None
    if map.key_kind == STR and is_short_ascii(key):
        k.text = make_text(<const uint8_t *> PyUnicode_DATA(key), <uint32_t> PyUnicode_GET_LENGTH(key))
        k.digested.known = False
        if map.cached_digest != NULL:
            ask_cache(map, key, k)
        return key
    elif map.key_kind == BYTES and PyBytes_CheckExact(key) and PyBytes_GET_SIZE(key) <= MAX_TEXT:
        k.text = make_text(<const uint8_t *> PyBytes_AS_STRING(key), <uint32_t> PyBytes_GET_SIZE(key))
        k.digested.known = False
        if map.cached_digest != NULL:
            ask_cache(map, key, k)
        return key
    elif map.key_kind == OBJECT:
        return object_key_from(<HMapCore> map, key, k)
    map.check_initialised()
    stored = encoded(map._key_codec, key)
    if map.t.form == TEXT:
        k.text = make_text(<const uint8_t *> PyBytes_AS_STRING(stored), <uint32_t> PyBytes_GET_SIZE(stored))
        k.digested.known = False
    else:
        k.word64 = 0
        memcpy(&k.word64, PyBytes_AS_STRING(stored), PyBytes_GET_SIZE(stored))
    return stored


cdef object object_key_from(HMapCore map, object key, AnyKey *k):
    cdef uint64_t number
    key = hashed(map, key, &number)
    find_object_key(map, key, number, k)
    return key


cdef object encoded(codec, item):
    """The stored bytes of one item, or of the item of a zero-dimensional array."""
    try:
        return codec.encode(item)
    except TypeError as error:
        return codec.encode(item_of(codec, item, error))


cdef object hashed(HMapCore map, object key, uint64_t *number):
    """One object key, or the item of a zero-dimensional array; `number` gets its hash()."""
    cdef Py_hash_t h = PyObject_Hash(<PyObject *> key)
    if h == -1:                         # never the hash of an object
        return hashed_item(map, key, number)
    number[0] = <uint64_t> <int64_t> h
    return key


cdef int raise_what_is_set() except -1:
    """Raise the exception that a C function has set."""
    return -1


cdef object hashed_item(HMapCore map, object key, uint64_t *number):
    """hashed() after PyObject_Hash() has failed. Apart from it, since a try statement costs as much as the hash."""
    try:
        raise_what_is_set()
    except TypeError as error:
        key = item_of(map._key_codec, key, error)
    number[0] = <uint64_t> <int64_t> hash(key)
    return key


cdef int ask_cache(TypedMap map, object key, AnyKey *k) except -1:
    """Take the digest of a text from the cache, if the map has one. May run any Python code."""
    k.digested.known = map.hash_cache is not None      # the collector may have taken it away from a dying map
    if k.digested.known:
        k.digested.digest = map.cached_digest(<PyObject *> map.hash_cache, <PyObject *> key)
    return 0


cdef int find_object_key(HMapCore map, object key, uint64_t number, AnyKey *k) except -1:
    """Find the object key that is equal and whose hash() is `number`: k gets its index, or NO_INDEX. May run any Python
    code. On return, the map may be read without a wait; the result is valid as long as `membership` stays the same."""
    cdef uint64_t h, row, left, index, membership, moves
    cdef const Buckets *b
    for _ in range(MAX_RESTARTS):
        wait_to_read(&map.lock)
        membership, moves = map.membership, map.t.moves
        h = hash_word(map.t.hash_key, number)
        b = home(&map.t, h)
        row = h & (b.nmain - 1)
        left = ~<uint64_t> 0
        k.object_key.hash = h
        k.object_key.index = NO_INDEX
        while next_candidate(b, tophash_of(h), h, &row, &left, &index):
            candidate = map.key_objects[index]
            if PyObject_RichCompareBool(candidate, key, Py_EQ):         # compares by identity first
                k.object_key.index = index
                break
            if membership != map.membership or moves != map.t.moves:
                break       # the comparison changed the map: row and left are stale
        if membership == map.membership and (moves == map.t.moves or k.object_key.index != NO_INDEX):
            wait_to_read(&map.lock)
            if membership == map.membership:        # else another thread has written during the wait
                return 0
    changed = f"changes the {map._key_codec.holder} each time"
    raise RuntimeError(f"comparing {key!r} with other keys {changed}: its __eq__ must not")


cdef bint loaded_at_once(TypedMap map, object value, AnyValue *v) except -1:
    """Load a value, which keeps its bytes alive, if it is of the type that is common for this map. If not, the codec
    converts it or raises. Such a value is never many."""
    if word_of_number(map.value_number, value, &v.word):
        return map.t.value_size == 8 or narrowed(map.value_number, value, map.t.value_size, &v.word)
    if map.value_kind == STR and is_short_ascii(value):
        v.text = make_text(<const uint8_t *> PyUnicode_DATA(value), <uint32_t> PyUnicode_GET_LENGTH(value))
        return True
    return map.value_number == NOTHING and PyBytes_CheckExact(value) and PyBytes_GET_SIZE(value) == 0


cdef object value_from(HMapCore map, object value, AnyValue *v, const void **data):
    """Load a value; data points to its bytes as they are to be stored. Returns what keeps them alive."""
    data[0] = v
    if loaded_at_once(map, value, v) or map.value_kind == OBJECT:
        return value
    map.check_initialised()
    stored = encoded(map._value_codec, value)
    if map.t.text_values:
        v.text = make_text(<const uint8_t *> PyBytes_AS_STRING(stored), <uint32_t> PyBytes_GET_SIZE(stored))
    else:
        data[0] = PyBytes_AS_STRING(stored)
    return stored


cdef object key_object(TypedMap map, const AnyKey *k):
    """The Python object of a loaded key."""
    if map.key_kind <= FLOAT:
        return number_object(k.word64, map.key_kind)
    if map.key_kind == OBJECT:
        return (<HMapCore> map).key_objects[k.object_key.index]
    _blocks = map.texts             # decoding may run Python code, in which the arena could be replaced
    cdef Text text
    if map.t.form != TEXT:
        return map._key_codec.decode(PyBytes_FromStringAndSize(<const char *> k, map._key_codec.size))
    text = k.text
    if map.key_kind == STR:
        return PyUnicode_DecodeUTF8(<char *> text_data(&text), text.size, b"surrogatepass")
    stored = bytes_of(&text)
    return stored if map.key_kind == BYTES else map._key_codec.decode(stored)


cdef object detach_value(TypedMap map, const void *value):
    """A detached value: what its Python object is made from. It outlives the slot."""
    cdef uint64_t word
    cdef Text text
    if map.t.text_values:
        text = resolve(&map.t.arena, <const Text *> value)
        return bytes_of(&text)
    if map.value_kind == OTHER:
        return PyBytes_FromStringAndSize(<const char *> value, map.t.value_size)
    memcpy(&word, value, 8)
    if map.value_kind == OBJECT:
        return (<HMapCore> map).value_objects[word]
    return number_object(word, map.value_kind)


cdef object object_of_detached(TypedMap map, object detached):
    """The Python object of a detached value."""
    if map.value_kind == STR:
        return (<bytes> detached).decode("utf-8", "surrogatepass")
    return map._value_codec.decode(detached) if map.value_kind == OTHER else detached


cdef object value_object(TypedMap map, const void *value):
    """The Python object of a stored value."""
    cdef uint64_t word
    if map.value_kind <= FLOAT:
        memcpy(&word, value, 8)
        return number_object(word, map.value_kind)
    return object_of_detached(map, detach_value(map, value))
