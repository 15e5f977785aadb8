"""Batches of text keys and values, from any container, as the Texts that the kernels read.

Owns which containers are accepted, and keeps alive the bytes that the Texts point to.

    container                            a Text of more than 12 bytes points to
    ──────────────────────────────────   ───────────────────────────────────────────────────────────────────────────
    Arrow columns of any text layout     the column's own buffers
    NumPy S, V and structured arrays     the array
    lists, tuples, object arrays         a copy in the batch's scratch; the object itself beyond COPY_MOST bytes
    NumPy U and StringDType arrays       its UTF-8 in the scratch
    run-end encoded Arrow columns        the same bytes as the text of the run

No Python object is made per key. Short str and bytes objects are copied: copying reads each object once, whereas a
reference to it would write its reference count twice, and the hash would read the object again. Strings of StringDType
are copied because NumPy moves them when another thread writes to the array.
"""

import numpy as np

cimport cython
from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc
from cpython.object cimport PyObject
from cpython.pycapsule cimport PyCapsule_GetPointer
from cpython.pystate cimport PyThreadState
from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.string cimport memcpy

from _hmap_bytes.arrow_types import type_name
from pyhmap._convert.arrow_values import Runs

from _hmap_bytes.arrow_abi cimport ArrowArray, ArrowSchema
from _hmap_bytes.arrow_column cimport Chunk, Column as ArrowColumn, validity
from _hmap_bytes.arrow_items cimport NO_BYTES, VIEW, buffer_at, last_offset, malformed_item, offsets_item
from _hmap_bytes.raw_bytes cimport load_unsigned, prefetch
from _hmap_bytes.utf8 cimport encode_utf8, utf8_bound
from pyhmap._kernels.constants cimport MAX_TEXT, RELEASE_GIL_FROM
from pyhmap._kernels.layout cimport Text
from pyhmap._kernels.text cimport make_text, text_data
from pyhmap._kernels.text_buffers cimport (
    Scratch,
    add_sizes,
    copy_short,
    fit_fixed,
    join_texts,
    read_dictionary,
    read_fixed,
    read_offsets,
    read_points,
    read_views,
    scratch_text,
)
from pyhmap._kernels.text_source cimport text_from

cdef extern from "Python.h":
    const Py_ssize_t PY_SSIZE_T_MAX
    # Declared on pointers: for an object argument, Cython would write the reference count twice.
    bint PyUnicode_Check(PyObject *)
    int PyUnicode_READY(PyObject *) except -1
    bint PyUnicode_IS_ASCII(PyObject *)
    Py_ssize_t PyUnicode_GET_LENGTH(PyObject *)
    int PyUnicode_KIND(PyObject *)
    void *PyUnicode_DATA(PyObject *)
    bint PyBytes_Check(PyObject *)
    Py_ssize_t PyBytes_GET_SIZE(PyObject *)
    char *PyBytes_AS_STRING(PyObject *)
    PyObject **PySequence_Fast_ITEMS(object)
    Py_ssize_t PySequence_Fast_GET_SIZE(object)
    object PyUnicode_DecodeUTF8(const char *, Py_ssize_t, const char *)
    object PyBytes_FromStringAndSize(const char *, Py_ssize_t)
    void PyEval_RestoreThread(PyThreadState *) noexcept
    PyThreadState *PyEval_SaveThread() noexcept

cdef enum:
    OBJECTS_AHEAD = 32          # items between the prefetch of an object and its use: covers one memory access
    LINE = 64                   # bytes of a cache line; a short str with its header lies in two
    # Longest text that is copied, in bytes. For a longer one a reference takes no more time than a copy, and no memory.
    COPY_MOST = 256
    # Bytes of the first block of scratch; each further one is twice as large, up to LAST_BLOCK. Unused pages of a block
    # take no memory, and a process with little address space does not need much more than its texts.
    FIRST_BLOCK = 1 << 16
    LAST_BLOCK = 1 << 22
    NUMPY_ABI = 0x02000000      # NPY_ABI_VERSION of NumPy 2; StringAPI reads its C API table

cdef tuple OFFSETS = (b"u", b"U", b"z", b"Z")           # Arrow's text formats with offsets


cdef class TextBatch:
    """n texts, and the objects that keep their bytes alive."""

    def __cinit__(self):
        self.owners = []
        self.scratch.at = <uint8_t *> NO_BYTES
        self.block = FIRST_BLOCK

    def __dealloc__(self):
        PyMem_RawFree(self.texts)

    cdef int allocate(self, Py_ssize_t n) except -1:
        if n <= PY_SSIZE_T_MAX // <Py_ssize_t> sizeof(Text):
            self.texts = <Text *> PyMem_RawMalloc(n * sizeof(Text))
        if self.texts == NULL:
            raise MemoryError(f"no memory for {n:,} texts")
        self.source.texts = self.texts
        self.n = n
        return 0

    cdef int make_room(self, Py_ssize_t size) except -1:
        """Provide at least so many bytes of scratch. Runs no Python code."""
        if self.scratch.room < size:
            # A new bytes object may be written to while nobody else has a reference to it.
            block = PyBytes_FromStringAndSize(NULL, max(size, self.block))
            self.owners.append(block)
            self.scratch.at = <uint8_t *> PyBytes_AS_STRING(<PyObject *> block)
            self.scratch.room = PyBytes_GET_SIZE(<PyObject *> block)
            self.block = min(2 * self.block, LAST_BLOCK)
        return 0

    cdef Text text_at(self, Py_ssize_t i, codec) except *:
        """One text. Raises if item i of a column is malformed."""
        cdef Text text
        if not text_from(&self.source, i, &text):
            raise bad_offsets(self.source.offsets, self.source.width, self.n, i, codec, i)
        return text


def text_batch(items, codec, by_windows=False):
    """A batch of keys or values of a type that is stored as text.

    Parameters
    ----------
    items
        n texts of the codec's type, in one dimension: an iterable of str (or bytes) objects; a NumPy array of them, or
        of dtype S, U, V, StringDType or a structured dtype, in any memory layout; or an Arrow column (``is_arrow``) of
        utf8, binary, their large and view variants, or fixed-size binary, also dictionary-encoded. UTF-8 in an Arrow
        column is not validated. A missing string of StringDType is a null, whatever its ``na_object``.
    codec : TextCodec, FixedCodec or RecordCodec
        The type, from ``codecs``.
    by_windows : bool
        Whether the caller reads the texts through ``TextSource``. A column with offsets and without nulls is then left
        as it is, and a malformed item raises only when it is read.

    Returns
    -------
    TextBatch
        The n texts. Later changes to ``items`` do not affect them, except that a Text may point to the bytes of a NumPy
        array of dtype S or V, or of an Arrow column.

    Raises
    ------
    TypeError, OverflowError, ValueError
        The message names the position of the first item that is of another type, too long, or no text; or the shape,
        if it is not (n,).

    Examples
    --------
    >>> from pyhmap._convert.codecs import key_codec
    >>> _as_list(text_batch(["", "Zürich"], key_codec(str)))
    [b'', b'Z\\xc3\\xbcrich']
    >>> text_batch(["a", 5], key_codec(str))
    Traceback (most recent call last):
    TypeError: keys[1]: key 5 is of type int; this map holds str: convert the key
    """
    cdef TextBatch batch = TextBatch()
    if type(codec.dtype) is type and (type(items) is list or type(items) is tuple):
        try:
            read_objects(batch, items, codec, None)
            return batch
        except TypeError:           # some items may be texts or nulls of another library
            column = codec.column(items)
            if column.valid is None and column.values is items:
                raise
        batch = TextBatch()
    else:
        column = codec.column(items)
    read_values(batch, column, codec, by_windows)
    return batch


def text_array(texts, codec):
    """The str or bytes objects of a ``TextBatch``, of an Arrow column of texts or of ``Runs``; also if the codec is of
    another type.

    Returns an object array, with empty texts at nulls, and a bool array, False at nulls, or None if there are none. The
    codec names the items in messages.
    """
    cdef TextBatch batch
    if isinstance(texts, TextBatch):
        batch = texts
    elif isinstance(texts, Runs):
        batch = TextBatch()
        read_runs(batch, texts, codec, False)
    else:
        batch = TextBatch()
        read_column(batch, texts, codec, False, False)
    return text_objects(batch.texts, batch.n, batch.as_str), batch.valid


def string_array(offsets, data, valid=None):
    """The texts that ``joined_texts`` returned as an array of StringDType, of shape (n,). Where the bool array
    ``valid`` is False, they are None.

    >>> string_array(np.array([0, 1, 1, 3]), np.frombuffer(b"abc", np.uint8))
    array(['a', '', 'bc'], dtype=StringDType())
    """
    cdef StringAPI api = string_api()
    cdef const int64_t[::1] at = offsets
    cdef const uint8_t[::1] text = data
    cdef const uint8_t[::1] is_valid
    cdef const uint8_t *there = NULL
    cdef const char *begin = <const char *> NO_BYTES
    cdef Py_ssize_t n = len(at) - 1, done
    strings = np.empty(n, np.dtypes.StringDType() if valid is None else np.dtypes.StringDType(na_object=None))
    if n == 0:
        return strings
    if valid is not None:
        is_valid = valid.view(np.uint8)
        there = &is_valid[0]
    if len(text):
        begin = <const char *> &text[0]
    cdef uint8_t *out = <uint8_t *> address_of(strings)
    cdef Py_ssize_t step = strings.strides[0]
    cdef PyObject *dtype = <PyObject *> strings.dtype
    with nogil:
        done = store_strings(api, out, step, dtype, begin, &at[0], there, n)
    if done < n:
        raise MemoryError(f"NumPy had no memory to store string {done:,} of {n:,}")
    return strings


cdef Py_ssize_t store_strings(StringAPI api, uint8_t *out, Py_ssize_t step, PyObject *dtype, const char *data,
                              const int64_t *offsets, const uint8_t *valid, Py_ssize_t n) noexcept nogil:
    """Store n strings; fewer if memory fails. Returns how many."""
    cdef void *allocator = api.acquire(dtype)
    cdef Py_ssize_t i
    cdef int status
    for i in range(n):
        if valid == NULL or valid[i]:
            status = api.pack(allocator, out + i * step, data + offsets[i], <size_t> (offsets[i + 1] - offsets[i]))
        else:
            status = api.pack_null(allocator, out + i * step)
        if status < 0:
            n = i
            break
    api.release(allocator)
    return n


def joined(items, codec):
    """The texts of a batch as ``joined_texts`` returns them. Takes and raises what ``text_batch`` does.

    >>> from pyhmap._convert.codecs import key_codec
    >>> offsets, data = joined(["a", "", "bc"], key_codec(str))
    >>> offsets, data.tobytes()
    (array([0, 1, 1, 3]), b'abc')
    """
    cdef TextBatch batch = text_batch(items, codec)
    return joined_texts(batch.texts, batch.n, codec)


cdef int read_values(TextBatch batch, column, codec, bint by_windows) except -1:
    """The texts of a ``Column``."""
    cdef bint variable = type(codec.dtype) is type
    values, valid = column.values, column.valid
    if isinstance(values, ArrowColumn):
        check_format(&(<ArrowColumn> values).schema, codec)
        return read_column(batch, values, codec, by_windows and variable, not variable)
    if isinstance(values, Runs):
        check_format(&(<ArrowColumn> values.texts).schema, codec)
        return read_runs(batch, values, codec, not variable)
    batch.as_str = codec.dtype is str or (not variable and codec.dtype.kind == "U")
    if not variable:
        values, valid = codec.many(values if valid is None and type(values) in (list, tuple) else column)
    elif type(values) is not list and type(values) is not tuple:
        values = codec.convert(values, None)
    return read_sequence(batch, values, valid, codec)


cdef int read_sequence(TextBatch batch, values, valid, codec) except -1:
    """The texts of a list, a tuple or an array."""
    if type(values) is list or type(values) is tuple:
        return read_objects(batch, values, codec, valid)
    kind = values.dtype.kind
    if len(values) == 0:                # of any dtype: NumPy chooses that of an empty list
        batch.allocate(0)
    elif kind == "O":
        return read_objects(batch, values, codec, valid)
    elif kind == "T":
        read_strings(batch, values, codec)
    elif kind == "U":
        read_unicode(batch, values, codec)
    else:
        read_bytes(batch, values, kind == "S")
    if valid is not None:
        batch.valid = valid if batch.valid is None else batch.valid & valid
    return 0


def _as_list(TextBatch batch, as_str=False):
    """The texts as bytes (or str), None at nulls: for tests."""
    objects = text_objects(batch.texts, batch.n, as_str)
    if batch.valid is not None:
        objects[~batch.valid] = None
    return objects.tolist()


cdef object text_objects(const Text *texts, Py_ssize_t n, bint as_str):
    """The texts as an object array of str or bytes, of shape (n,)."""
    cdef Py_ssize_t i
    cdef const char *data
    objects = np.full(n, None)
    cdef object[::1] out = objects
    for i in range(n):
        data = <const char *> text_data(&texts[i])
        if as_str:
            out[i] = PyUnicode_DecodeUTF8(data, texts[i].size, "surrogatepass")
        else:
            out[i] = PyBytes_FromStringAndSize(data, texts[i].size)
    return objects


cdef tuple joined_texts(const Text *texts, Py_ssize_t n, codec):
    """The bytes of n texts one behind the other, as Arrow has them.

    Returns n + 1 offsets, int64, and the bytes, uint8: text i is data[offsets[i]:offsets[i + 1]]. Raises ``ValueError``
    for a str that is not UTF-8: one with a lone surrogate, or bytes of an Arrow column that was malformed.
    """
    cdef int64_t[::1] offsets_view
    cdef uint8_t[::1] data_view
    cdef uint8_t *out = <uint8_t *> NO_BYTES
    cdef Py_ssize_t done
    cdef PyThreadState *left
    cdef bint as_utf8 = codec.dtype is str or (codec.dtype is not bytes and codec.dtype.kind == "U")
    offsets = np.empty(n + 1, np.int64)
    offsets_view = offsets
    left = leave_python(n)
    add_sizes(&offsets_view[0], texts, n)
    enter_python(left)
    data = np.empty(offsets[n], np.uint8)
    if len(data):
        data_view = data
        out = &data_view[0]
    left = leave_python(n)
    done = join_texts(out, texts, n, as_utf8)
    enter_python(left)
    if done < n:
        stored = text_objects(&texts[done], 1, False)[0]
        try:
            item = stored.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            item = stored
        raise ValueError(
            f"{codec.what} {item!r:.100} is no valid UTF-8, which Arrow's strings must be: correct it, or use bytes"
        )
    return offsets, data


# ---- errors ----------------------------------------------------------------------------------------------------------

cdef object wrong_type(codec, Py_ssize_t position, PyObject *item):
    """``item`` is NULL in an object array that was never filled; NumPy shows it as None."""
    return TypeError(f"{codec.what}s[{position}]: {codec.wrong_type(None if item == NULL else <object> item)}")


cdef object no_text(codec, Py_ssize_t position):
    return ValueError(f"{codec.what}s[{position}] is not text: it has a number above U+10FFFF; correct it")


cdef object too_long(codec, Py_ssize_t position, size):
    return OverflowError(f"{codec.what}s[{position}]: {codec.too_long(size)}")


# ---- the GIL ---------------------------------------------------------------------------------------------------------

cdef inline PyThreadState *leave_python(Py_ssize_t n) noexcept:
    """Release the GIL for a kernel over n items, if n is large enough. Touch no object before enter_python()."""
    return PyEval_SaveThread() if n >= RELEASE_GIL_FROM else NULL


cdef inline void enter_python(PyThreadState *left) noexcept:
    if left != NULL:
        PyEval_RestoreThread(left)


# ---- Python objects --------------------------------------------------------------------------------------------------

cdef int read_objects(TextBatch batch, sequence, codec, valid) except -1:
    """A list, tuple or object array of str or bytes. `valid` is None, or False at nulls, which get empty texts.

    From the first look at the items to the last no Python code runs and the GIL is kept, so nothing changes them.
    """
    cdef PyObject **items
    cdef PyObject *item
    cdef bint as_str = codec.dtype is str, is_array
    cdef Py_ssize_t i, size
    batch.as_str = as_str
    if valid is not None:
        batch.valid = valid
        sequence = np.fromiter(sequence, object, len(sequence))         # a copy
        sequence[~valid] = codec.dtype()
    is_array = isinstance(sequence, np.ndarray)
    if is_array:
        sequence = np.ascontiguousarray(sequence)
    with cython.critical_section(sequence):     # a list that another thread may change
        if is_array:
            items = <PyObject **> address_of(sequence)
            batch.allocate(len(sequence))
        else:
            batch.allocate(PySequence_Fast_GET_SIZE(sequence))
            items = PySequence_Fast_ITEMS(sequence)
        for i in range(batch.n):
            if i + OBJECTS_AHEAD < batch.n:
                prefetch(items[i + OBJECTS_AHEAD])
                prefetch(<char *> items[i + OBJECTS_AHEAD] + LINE)
            item = items[i]
            if item == NULL or not (PyUnicode_Check(item) if as_str else PyBytes_Check(item)):
                raise wrong_type(codec, i, item)
            if not as_str:
                size = take(batch, i, <const uint8_t *> PyBytes_AS_STRING(item), PyBytes_GET_SIZE(item), item)
            else:
                PyUnicode_READY(item)
                if PyUnicode_IS_ASCII(item):
                    size = take(batch, i, <const uint8_t *> PyUnicode_DATA(item), PyUnicode_GET_LENGTH(item), item)
                else:
                    size = transcode(batch, i, item)
                    if size < 0:
                        raise no_text(codec, i)
            if size > MAX_TEXT:
                raise too_long(codec, i, size)
    return 0


cdef inline Py_ssize_t take(TextBatch batch, Py_ssize_t i, const uint8_t *data, Py_ssize_t size,
                            PyObject *item) except -1:
    """Make text i from the bytes of an object: a copy of them, or a reference to the object. Returns their number."""
    if size <= COPY_MOST:
        if size > batch.scratch.room:
            batch.make_room(size)
        copy_short(batch.scratch.at, data, size)
        batch.texts[i] = scratch_text(&batch.scratch, <uint32_t> size)
    elif size <= MAX_TEXT:
        batch.owners.append(<object> item)
        batch.texts[i] = make_text(data, <uint32_t> size)
    return size


cdef inline Py_ssize_t transcode(TextBatch batch, Py_ssize_t i, PyObject *item) except -2:
    """Make text i from a str that is not ASCII. Returns the number of its bytes, or -1 if it is not text: NumPy makes
    such a str of a U item with a number above U+10FFFF."""
    cdef int kind = PyUnicode_KIND(item)
    cdef Py_ssize_t size = PyUnicode_GET_LENGTH(item), bound = utf8_bound(kind, size)
    if bound > batch.scratch.room:
        batch.make_room(bound)
    size = encode_utf8(kind, PyUnicode_DATA(item), size, batch.scratch.at, True)
    if 0 <= size <= MAX_TEXT:
        batch.texts[i] = scratch_text(&batch.scratch, <uint32_t> size)
    return size


# ---- NumPy arrays ----------------------------------------------------------------------------------------------------

cdef int read_bytes(TextBatch batch, array, bint strip) except -1:
    """S, V and structured items, in place."""
    cdef Py_ssize_t step = array.strides[0], size = array.dtype.itemsize
    cdef const uint8_t *data = <const uint8_t *> address_of(array)
    cdef PyThreadState *left
    batch.allocate(len(array))
    batch.owners.append(array)
    left = leave_python(batch.n)
    read_fixed(batch.texts, batch.n, data, step, size, strip, NULL)
    enter_python(left)
    return 0


cdef int read_unicode(TextBatch batch, array, codec) except -1:
    """U items, as UTF-8."""
    array = np.require(array, array.dtype.newbyteorder("="), "A")
    cdef Py_ssize_t step = array.strides[0], size = array.dtype.itemsize, done = 0
    cdef const uint8_t *data = <const uint8_t *> address_of(array)
    cdef PyThreadState *left
    batch.allocate(len(array))
    while True:
        left = leave_python(batch.n - done)
        done = read_points(batch.texts, done, batch.n, data, step, size, &batch.scratch)
        enter_python(left)
        if done == batch.n:
            return 0
        if batch.scratch.room >= size:
            raise ValueError(f"{codec.what}s[{done}] is not text: it has a number above U+10FFFF; correct the array")
        batch.make_room(size)


cdef struct Unpacked:           # npy_static_string of NumPy's C API
    size_t size
    const char *data

cdef struct StringAPI:          # the part of NumPy's C API for StringDType arrays; it needs no GIL
    void *(*acquire)(void *dtype) noexcept nogil    # locks the memory of the strings of an array
    int (*load)(void *allocator, const void *item, Unpacked *out) noexcept nogil    # 0, 1 for a null, -1
    void (*release)(void *allocator) noexcept nogil
    int (*pack)(void *allocator, void *item, const char *data, size_t size) noexcept nogil      # 0, or -1
    int (*pack_null)(void *allocator, void *item) noexcept nogil

cdef enum:                      # their places in the API table, the same in every NumPy 2 (__multiarray_api.h)
    GET_ABI = 0
    NPY_STRING_LOAD = 313
    NPY_STRING_PACK = 314
    NPY_STRING_PACK_NULL = 315
    NPY_STRING_ACQUIRE = 316
    NPY_STRING_RELEASE = 318


cdef StringAPI string_api():
    """Read from the API table, as NumPy's headers do, so that the build needs no NumPy header."""
    cdef void **table = <void **> PyCapsule_GetPointer(np._core._multiarray_umath._ARRAY_API, NULL)
    cdef StringAPI api
    if (<unsigned (*)() noexcept> table[GET_ABI])() != NUMPY_ABI:
        raise RuntimeError("StringDType arrays can be read with NumPy 2 only, not with this version: give a list")
    api.acquire = <void *(*)(void *) noexcept nogil> table[NPY_STRING_ACQUIRE]
    api.load = <int (*)(void *, const void *, Unpacked *) noexcept nogil> table[NPY_STRING_LOAD]
    api.release = <void (*)(void *) noexcept nogil> table[NPY_STRING_RELEASE]
    api.pack = <int (*)(void *, void *, const char *, size_t) noexcept nogil> table[NPY_STRING_PACK]
    api.pack_null = <int (*)(void *, void *) noexcept nogil> table[NPY_STRING_PACK_NULL]
    return api


cdef int read_strings(TextBatch batch, array, codec) except -1:
    """StringDType items."""
    cdef StringAPI api = string_api()
    cdef Py_ssize_t step = array.strides[0], done = 0
    cdef const uint8_t *data = <const uint8_t *> address_of(array)
    cdef PyObject *dtype = <PyObject *> array.dtype
    cdef Unpacked string
    cdef int status = 0
    batch.allocate(len(array))
    batch.valid = np.ones(len(array), bool)
    cdef uint8_t *valid = valid_at(batch, 0)
    while True:
        # Even for few items: taking NumPy's lock while holding the GIL can deadlock.
        with nogil:
            done = load_strings(
                api, batch.texts, done, batch.n, data, step, dtype, valid, &batch.scratch, &string, &status
            )
        if done == batch.n:
            break
        if status < 0:
            raise MemoryError(f"{codec.what}s[{done}]: NumPy had no memory to load the string")
        if string.size > MAX_TEXT:
            raise too_long(codec, done, string.size)
        batch.make_room(string.size)
    if batch.valid.all():
        batch.valid = None
    return 0


cdef Py_ssize_t load_strings(StringAPI api, Text *out, Py_ssize_t start, Py_ssize_t n, const uint8_t *data,
                             Py_ssize_t step, PyObject *dtype, uint8_t *valid, Scratch *scratch, Unpacked *string,
                             int *status) noexcept nogil:
    """Copy StringDType items from position `start` on. Stops at an item that cannot be loaded (status -1), that is too
    long, or for which the scratch has no room, and leaves it in `string`. Returns the position."""
    cdef void *allocator = api.acquire(dtype)
    cdef Py_ssize_t i
    for i in range(start, n):
        status[0] = api.load(allocator, data + i * step, string)
        if status[0] == 1:
            valid[i] = False
            string.size = 0
        elif status[0] < 0 or string.size > <size_t> scratch.room or string.size > MAX_TEXT:
            n = i
            break
        if string.size:         # otherwise data may be NULL
            memcpy(scratch.at, string.data, string.size)
        out[i] = scratch_text(scratch, <uint32_t> string.size)
    api.release(allocator)
    return n


# ---- Arrow columns ---------------------------------------------------------------------------------------------------

cdef int read_column(TextBatch batch, ArrowColumn column, codec, bint by_windows, bint fitted) except -1:
    """The texts of a column. With `fitted`, they are converted to items of the codec's fixed size."""
    cdef Py_ssize_t start = 0
    cdef Chunk chunk
    batch.as_str = holds_str(&column.schema)
    batch.owners.append(column)
    if by_windows and len(column.chunks) == 1 and column.schema.dictionary == NULL and column.schema.format in OFFSETS:
        chunk = column.chunks[0]
        if chunk.array.length > 0 and (chunk.array.null_count == 0 or chunk.array.buffers[0] == NULL):
            batch.n = column.n
            batch.source.offsets = offsets_at(&chunk.array, offset_width(&column.schema))
            batch.source.data = buffer_at(&chunk.array, 2)
            batch.source.width = offset_width(&column.schema)
            batch.source.last = last_offset(batch.source.offsets, batch.source.width, batch.n)
            return 0
    batch.allocate(column.n)
    for chunk in column.chunks:
        read_arrow(batch, start, &column.schema, &chunk.array, codec, chunk)
        start += chunk.array.length
    if batch.valid is not None and batch.valid.all():   # all nulls are unused words of a dictionary
        batch.valid = None
    if fitted:
        fit_column(batch, codec)
    return 0


cdef int read_runs(TextBatch batch, runs, codec, bint fitted) except -1:
    """The texts of a run-end encoded column: reads the texts of the runs, then copies one for each item."""
    cdef TextBatch words = TextBatch()
    cdef const int64_t[::1] codes = runs.runs
    cdef Py_ssize_t n = len(runs)
    read_column(words, runs.texts, codec, False, fitted)
    batch.as_str = words.as_str
    batch.allocate(n)
    batch.owners.append(words)
    if words.valid is not None:
        batch.valid = np.ones(n, bool)
    if n:                       # arrow_values has compared the runs with their values
        read_dictionary(batch.texts, n, <const uint8_t *> &codes[0], 8, words.texts, words.n, valid_at(words, 0),
                        valid_at(batch, 0))
    return 0


cdef bint holds_str(const ArrowSchema *schema) noexcept:
    if schema.dictionary != NULL:
        return holds_str(schema.dictionary)
    return schema.format[0] in (c'u', c'U') or (schema.format[0] == c'v' and schema.format[1] == c'u')


cdef int check_format(const ArrowSchema *schema, codec) except -1:
    """Raise unless the column holds texts of the codec's type, or only nulls."""
    if schema.dictionary != NULL:
        return check_format(schema.dictionary, codec)
    format = schema.format.decode()
    dtype = codec.dtype
    texts = dtype is str or (dtype is not bytes and dtype.kind == "U")
    if format not in (("u", "U", "vu", "n") if texts else ("z", "Z", "vz", "n")) and (texts or format[:2] != "w:"):
        raise TypeError(
            f"{codec.what}s are an Arrow column of type {type_name(format)}; this {codec.holder} holds {codec.name}: "
            "cast the column"
        )
    return 0


cdef int fit_column(TextBatch batch, codec) except -1:
    """Make the texts into items of a fixed-size dtype."""
    cdef uint8_t *valid = valid_at(batch, 0)
    cdef Py_ssize_t misfit
    cdef bint exact = codec.dtype.kind == "V", points = codec.dtype.kind == "U"
    cdef uint32_t size = codec.dtype.itemsize // (4 if points else 1)
    cdef PyThreadState *left = leave_python(batch.n)
    misfit = fit_fixed(batch.texts, batch.n, not exact, exact, points, size, valid)
    enter_python(left)
    if misfit < batch.n:
        codec._raise_at({misfit: text_objects(&batch.texts[misfit], 1, points)[0]}, misfit)
    return 0


cdef int read_arrow(TextBatch batch, Py_ssize_t start, const ArrowSchema *schema, const ArrowArray *array, codec,
                    owner) except -1:
    """Read one array of a column into the texts from `start` on."""
    cdef bytes format = schema.format
    cdef Py_ssize_t n = array.length, offset = array.offset, done, size
    cdef Text *out = batch.texts + start
    cdef const uint8_t *data
    cdef uint8_t *valid
    cdef PyThreadState *left
    cdef int width
    if n == 0:
        return 0
    if format == b"n":
        set_valid(batch, start, np.zeros(n, bool))
        read_fixed(out, n, NO_BYTES, 0, 0, False, NULL)
        return 0
    set_valid(batch, start, validity(array, owner))
    if schema.dictionary != NULL:
        return read_encoded(batch, start, schema, array, codec, owner)
    valid = valid_at(batch, start)
    data = buffer_at(array, 1)
    if format[:2] == b"w:":
        size = int(format[2:])
        left = leave_python(n)
        done = read_fixed(out, n, data + offset * size, size, size, False, valid)
        enter_python(left)
    elif format[:1] == b"v":
        left = leave_python(n)
        done = read_views(out, n, data + offset * VIEW, <const uint8_t **> array.buffers + 2,
                          buffer_at(array, array.n_buffers - 1), array.n_buffers - 3, valid)
        enter_python(left)
        if done < n:
            raise ValueError(
                f"{codec.what}s[{start + done}]: its Arrow view lies outside the column's buffers: check the producer"
            )
    else:
        width = offset_width(schema)
        data = offsets_at(array, width)
        left = leave_python(n)
        done = read_offsets(out, n, data, width, buffer_at(array, 2), last_offset(data, width, n), valid)
        enter_python(left)
        if done < n:
            raise bad_offsets(data, width, n, done, codec, start + done)
    return 0


cdef int offset_width(const ArrowSchema *schema) noexcept:
    """The bytes per offset of one of the formats OFFSETS."""
    return 4 if schema.format[0] in (c'u', c'z') else 8


cdef const uint8_t *offsets_at(const ArrowArray *array, int width) noexcept:
    return buffer_at(array, 1) + array.offset * width


cdef object bad_offsets(const uint8_t *offsets, int width, Py_ssize_t n, Py_ssize_t i, codec, Py_ssize_t position):
    """The error in item i of n, at which read_offsets() stopped. `position` is its position in the whole batch."""
    cdef int64_t begin, end, last = last_offset(offsets, width, n)
    if offsets_item(offsets, width, i, last, &begin, &end):
        return too_long(codec, position, end - begin)
    worst = malformed_item(offsets, width, n, i)
    offsets_item(offsets, width, worst, last, &begin, &end)
    problem = (
        "offset is negative" if begin < 0 else "offsets run backwards" if end < begin else
        "offset is larger than any memory"
    )
    position += worst - i
    return ValueError(f"{codec.what}s[{position}]: its Arrow {problem}; the column is malformed: check the producer")


cdef int read_encoded(TextBatch batch, Py_ssize_t start, const ArrowSchema *schema, const ArrowArray *array, codec,
                      owner) except -1:
    """Read one dictionary-encoded array: the dictionary once, then a copy of its word for each item."""
    cdef TextBatch words = TextBatch()
    cdef int width = 1 << b"csil".index(schema.format.lower())
    cdef Py_ssize_t n = array.length, done
    cdef const uint8_t *codes = buffer_at(array, 1) + array.offset * width
    cdef uint8_t *valid
    cdef uint8_t *words_valid
    cdef PyThreadState *left
    words.allocate(array.dictionary.length)
    try:
        read_arrow(words, 0, schema.dictionary, array.dictionary, codec, owner)
    except (ValueError, OverflowError) as error:
        raise type(error)(f"in the dictionary of the {codec.what}s, {error}") from None
    if words.valid is not None and batch.valid is None:
        batch.valid = np.ones(batch.n, bool)
    valid = valid_at(batch, start)
    words_valid = valid_at(words, 0)
    left = leave_python(n)
    done = read_dictionary(batch.texts + start, n, codes, width, words.texts, words.n, words_valid, valid)
    enter_python(left)
    if done < n:
        code = load_unsigned(codes + done * width, width)
        raise ValueError(
            f"{codec.what}s[{start + done}]: its Arrow dictionary has {words.n} words, none for code {code}: "
            "check the producer"
        )
    return 0


cdef void *address_of(array) except? NULL:
    """Where the first item of a NumPy array is."""
    try:
        return <void *> <size_t> array.ctypes.data
    except SystemError:                 # how NumPy reports that it found no memory
        raise MemoryError("no memory for the address of an array") from None


cdef int set_valid(TextBatch batch, Py_ssize_t start, mask) except -1:
    """Store the validity of the texts from `start` on; a mask of None means that there are no nulls."""
    if mask is not None:
        if batch.valid is None:
            batch.valid = np.ones(batch.n, bool)
        batch.valid[start:start + len(mask)] = mask
    return 0


cdef uint8_t *valid_at(TextBatch batch, Py_ssize_t i) except? NULL:
    return NULL if batch.valid is None else <uint8_t *> address_of(batch.valid) + i
