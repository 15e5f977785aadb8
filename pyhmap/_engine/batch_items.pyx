"""The keys and values of a batch call: from any container to what the kernels read, and from what they write to arrays.

Everything is converted and checked before the call does anything else. Text keys and values come from _convert, numbers
and times from the codec.
"""

import numpy as np

from cpython.buffer cimport PyBUF_ND, PyBUF_STRIDES, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from pyhmap._convert.text_batch import text_batch

from pyhmap._convert.text_batch cimport TextBatch, joined_texts, text_objects
from pyhmap._engine.memory cimport ArenaBlocks
from pyhmap._engine.one_item cimport loaded_at_once
from pyhmap._engine.typed cimport STR, TypedMap
from pyhmap._kernels.constants cimport TEXT, WORD32, WORD64
from pyhmap._kernels.layout cimport Text
from pyhmap._kernels.text cimport make_text


cdef uint8_t nothing = 0
cdef object ndarray = np.ndarray


cdef uint8_t *no_bytes() noexcept:
    """Where items without bytes are: memcpy must not be given NULL, even for no bytes."""
    return &nothing


cdef class Items:
    """n keys, or n values, as the kernels read them."""

    def __cinit__(self):
        self.arenas = []

    def __dealloc__(self):
        PyBuffer_Release(&self.held)

    cdef int take_array(self, array, uint64_t step) except -1:
        """The items of a contiguous array of NumPy's own class, `step` bytes each."""
        PyObject_GetBuffer(array, &self.held, PyBUF_ND)
        self.take_held(array, step)
        return 0

    cdef bint take_plain(self, array, dtype, uint64_t step) except -1:
        """take_array() for anything: False, with nothing taken, unless it is such an array of this dtype (None: of
        none), one-dimensional and aligned. What is done to the array afterwards, such as giving it another shape,
        changes nothing."""
        if dtype is None or type(array) is not ndarray:
            return False
        own = array.dtype
        if own is not dtype and own != dtype:           # NumPy has one object of each dtype of numbers, and copies
            return False
        PyObject_GetBuffer(array, &self.held, PyBUF_STRIDES)
        if (self.held.ndim == 1 and <uint64_t> self.held.itemsize == step and <uint64_t> self.held.buf % step == 0
                and (self.held.strides[0] == self.held.itemsize or self.held.shape[0] < 2)):
            self.take_held(array, step)
            return True
        PyBuffer_Release(&self.held)
        return False

    cdef void take_held(self, array, uint64_t step) noexcept:
        self.n = self.held.shape[0]
        self.step = step
        self.owner = array
        self.data = <const uint8_t *> self.held.buf if self.held.len else no_bytes()

    cdef int take_texts(self, TextBatch texts) except -1:
        self.texts = texts.source
        self.data = <const uint8_t *> texts.texts
        self.n = texts.n
        self.step = sizeof(Text)
        self.valid = texts.valid
        self.owner = texts
        return 0

    cdef int keep_arena(self, ArenaBlocks texts) except -1:
        """Keep an arena alive that answers may point to: the map may get another one before the batch ends."""
        cdef Py_ssize_t n = len(self.arenas)
        if n == 0 or self.arenas[n - 1] is not texts:
            self.arenas.append(texts)
        return 0

    cdef int refuse_nulls(self, what) except -1:
        if self.valid is not None and not self.valid.all():
            raise ValueError(f"{what}[{self.valid.argmin()}] is null: fill or drop nulls")
        return 0


cdef Items items_of(array, uint64_t step):
    """The items of a contiguous array of NumPy's own class, which are read or written."""
    cdef Items items = Items()
    items.take_array(array, step)
    return items


# ---- in --------------------------------------------------------------------------------------------------------------

cdef Items keys_of(TypedMap map, keys, bint by_windows):
    """The keys of a batch. With `by_windows` the caller reads texts through Items.texts."""
    cdef Items batch = Items()
    if map.t.form == TEXT:
        batch.take_texts(text_batch(keys, map._key_codec, by_windows))
        return batch
    cdef uint64_t width = 4 if map.t.form == WORD32 else 8, size
    if batch.take_plain(keys, map.plain_keys, width):
        return batch
    array, batch.valid = map._key_codec.many(keys)
    size = array.dtype.itemsize
    if size != width:
        array = array.view(f"u{size}").astype(f"u{width}")
    batch.take_array(array, width)
    return batch


cdef Items values_of(TypedMap map, values, uint64_t n):
    """The values for n keys: n of them, or one for all."""
    cdef Items batch = Items()
    codec = map._value_codec
    if not batch.take_plain(values, map.plain_values, map.t.value_size):
        if loaded_at_once(map, values, &batch.one):
            batch.owner, batch.data, batch.n = values, <const uint8_t *> &batch.one, n
            return batch
        if codec.is_scalar(values):
            stored = codec.encode(codec.single(values))
            batch.owner, batch.data, batch.n = stored, <const uint8_t *> PyBytes_AS_STRING(stored), n
            if map.t.text_values:
                batch.one.text = make_text(batch.data, <uint32_t> PyBytes_GET_SIZE(stored))
                batch.data = <const uint8_t *> &batch.one
            return batch
        if map.t.text_values:
            batch.take_texts(text_batch(values, codec))
        else:
            batch.take_array(codec.many_values(values), codec.size)
    if batch.n != n:
        raise ValueError(f"{n} keys but {batch.n} values: give one value per key, or one for all")
    batch.refuse_nulls("values")
    return batch


cdef object key_at(TypedMap map, Items keys, uint64_t i):
    """The key at a position of a batch, as an object. Raises if the item is not a key."""
    cdef Text text
    codec = map._key_codec
    if map.t.form == TEXT:
        text = (<TextBatch> keys.owner).text_at(i, codec)
        return codec.decode(text_objects(&text, 1, False)[0])
    return codec.decode(PyBytes_FromStringAndSize(<const char *> keys.data + i * keys.step, codec.size))


# ---- out -------------------------------------------------------------------------------------------------------------

cdef object empty_values(TypedMap map, uint64_t n):
    """An array for n values as the kernels write them: texts are 16 bytes each."""
    return np.empty((n, 2), np.uint64) if map.t.text_values else np.empty(n, map._value_codec.dtype)


cdef object empty_keys(TypedMap map, uint64_t n):
    """An array for n keys as the kernels write them: words, or 16 bytes each."""
    if map.t.form == WORD32:
        return np.empty(n, np.uint32)
    return np.empty(n, np.uint64) if map.t.form == WORD64 else np.empty((n, 2), np.uint64)


cdef object finished_values(TypedMap map, out, bint joined=False):
    """The array that callers get. The arena that its texts point to must be alive still. With `joined`, texts are what
    ``joined_texts`` makes of them."""
    cdef const uint64_t[:, ::1] view
    cdef const Text *texts = NULL
    if not map.t.text_values:
        return out
    view = out
    if len(out):
        texts = <const Text *> &view[0, 0]
    if joined:
        return joined_texts(texts, len(out), map._value_codec)
    return text_objects(texts, len(out), map.value_kind == STR)


cdef object finished_keys(TypedMap map, keys, bint joined=False, rows=None):
    """The array of keys that callers get, from what empty_keys() made and the kernel filled. `joined` as for
    finished_values(). With `rows`, only these: no object is made of another key."""
    cdef const uint64_t[:, ::1] view
    cdef const Text *texts = NULL
    codec = map._key_codec
    if rows is not None:
        keys = keys[rows]
    if map.t.form != TEXT:
        return keys.astype(f"u{codec.size}", copy=False).view(codec.dtype)
    view = keys
    if len(keys):
        texts = <const Text *> &view[0, 0]
    if joined:
        return joined_texts(texts, len(keys), codec)
    return codec.array_of_stored(text_objects(texts, len(keys), map.key_kind == STR))


cdef object check_out(TypedMap map, out, uint64_t n):
    """A view of `out` as an array of NumPy's own class. Raises unless it can receive n values."""
    dtype = map._value_codec.dtype
    wanted = np.dtype(object) if isinstance(dtype, type) else dtype
    if not isinstance(out, np.ndarray):
        raise TypeError(f"out is of type {type(out).__name__}: give a NumPy array")
    out = np.ndarray.view(out, np.ndarray)      # neither methods of a subclass nor later changes of its shape count
    base = wanted.subdtype[0] if wanted.subdtype else wanted
    if out.dtype != base:
        raise TypeError(f"out is of dtype {out.dtype}; the values are of dtype {wanted}: give an array of that dtype")
    if out.shape != (n, *wanted.shape):
        raise ValueError(f"out is of shape {out.shape}; {n} keys need shape {(n, *wanted.shape)}")
    if not out.flags.writeable:
        raise ValueError("out is read-only: give a writable array")
    return out


cdef object copied_to(TypedMap map, values, out):
    """What the caller gets: the values; or `out` if it was given, with the values copied to it."""
    if out is None:
        return values
    check_out(map, out, len(values))[...] = values
    return out
