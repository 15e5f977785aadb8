"""Export of a table or column through the Arrow PyCapsule interface: what a consumer gets, and how it is released.

    capsule ──> ArrowArrayStream ── get_schema() ──> ArrowSchema ──┐ private_data
                        │        └─ get_next() ────> ArrowArray ───┤ each owns
                        │ private_data                             v one reference
                        └──> Source ──> Exported <── Parts: the buffers' owners, and the structs of the children

A consumer may take a child out of its parent, and release either first: so each struct, of a child too, has Parts of
its own. Releasing a struct gives up its reference; what nobody refers to is freed. That needs the GIL, which the
callbacks take: they may be called in any thread, with or without it. When the interpreter is gone, so is its memory.

Which types and buffers a table has, arrow_table.py decides.

Source: "The Arrow C data interface", "The Arrow C stream interface" and "The Arrow PyCapsule Interface".
"""

from cpython.bytes cimport PyBytes_AS_STRING
from cpython.pycapsule cimport PyCapsule_Destructor, PyCapsule_GetPointer, PyCapsule_New
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.errno cimport ENOMEM
from libc.stdint cimport int64_t, uint8_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from _hmap_bytes.arrow_abi cimport ArrowArray, ArrowArrayStream, ArrowSchema

cdef extern from "Python.h":
    bint Py_IsInitialized() noexcept nogil

cdef enum:
    NULLABLE = 2                # ARROW_FLAG_NULLABLE: as other producers' columns, also where there are no nulls

cdef const char *STREAM = "arrow_array_stream"      # the names of the capsules
cdef const char *SCHEMA = "arrow_schema"
cdef const char *ARRAY = "arrow_array"
cdef int64_t nothing = 0                            # where buffers without bytes are: some consumers refuse NULL


cdef class Exported:
    """A column of n items, or a table.

    Parameters
    ----------
    name, format : str
        Its name, and its type as the C data interface writes it.
    n : int
        The number of its items.
    buffers : sequence
        Its buffers in Arrow's order: contiguous arrays of uint8, which nobody changes any more. The first one, of the
        validity, is None if there are no nulls.
    children : sequence of Exported
        The fields of a struct, or the items of a list.
    nulls : int
        The number of its nulls.
    """
    cdef int64_t n, nulls
    cdef bytes name, format
    cdef list arrays
    cdef list children
    cdef const void **buffers       # the addresses of the arrays

    def __init__(self, name, format, n, buffers, children=(), nulls=0):
        cdef const uint8_t[::1] view
        cdef Py_ssize_t i
        self.name, self.format = name.encode(), format.encode()
        self.n, self.nulls = n, nulls
        self.arrays, self.children = list(buffers), list(children)
        free(self.buffers)
        self.buffers = <const void **> zeroed(len(self.arrays), sizeof(void *))
        for i in range(len(self.arrays)):
            if self.arrays[i] is not None:
                view = self.arrays[i]
                self.buffers[i] = &view[0] if len(view) else <const uint8_t *> &nothing

    def __dealloc__(self):
        free(self.buffers)

    def __len__(self):
        return self.n

    def mask(self, valid, nulls):
        """Make items null, of a column that has no nulls, where the bits of ``valid``, an array of uint8, are 0."""
        cdef const uint8_t[::1] view = valid
        self.arrays[0], self.nulls = valid, nulls
        self.buffers[0] = &view[0] if len(view) else <const uint8_t *> &nothing


cdef class Parts:
    """What an exported struct points to."""
    cdef Exported column
    cdef Py_ssize_t n_children
    cdef void **children            # pointers to the structs of the children, which are:
    cdef ArrowSchema *schemas       # of a schema
    cdef ArrowArray *arrays         # of an array

    def __cinit__(self, Exported column):
        self.column = column
        self.children = <void **> zeroed(len(column.children), sizeof(void *))

    def __dealloc__(self):
        cdef Py_ssize_t i
        for i in range(self.n_children):        # those that the consumer has not taken over
            if self.schemas != NULL and self.schemas[i].release != NULL:
                self.schemas[i].release(&self.schemas[i])
            if self.arrays != NULL and self.arrays[i].release != NULL:
                self.arrays[i].release(&self.arrays[i])
        free(self.children)
        free(self.schemas)
        free(self.arrays)


cdef class Source:
    """What a stream gives: one table, once."""
    cdef Exported table
    cdef bint given


def stream_capsule(Exported table not None):
    """A capsule of a stream that gives the table as one record batch."""
    cdef ArrowArrayStream *stream = <ArrowArrayStream *> zeroed(1, sizeof(ArrowArrayStream))
    capsule = capsule_of(stream, STREAM, destroy)
    cdef Source source = Source()
    source.table = table
    Py_INCREF(source)
    stream.private_data = <void *> source
    stream.get_schema = get_schema
    stream.get_next = get_next
    stream.get_last_error = get_last_error
    stream.release = release_stream
    return capsule


def array_capsules(Exported column not None):
    """The capsules of a column's schema and of its items, as ``__arrow_c_array__`` returns them."""
    cdef ArrowSchema *schema = <ArrowSchema *> zeroed(1, sizeof(ArrowSchema))
    of_schema = capsule_of(schema, SCHEMA, destroy_schema)
    fill_schema(schema, column)
    cdef ArrowArray *array = <ArrowArray *> zeroed(1, sizeof(ArrowArray))
    of_array = capsule_of(array, ARRAY, destroy_array)
    fill_array(array, column)
    return of_schema, of_array


cdef object capsule_of(void *allocated, const char *name, PyCapsule_Destructor destructor):
    """A capsule that owns a struct of zeros, which is freed if there is no capsule."""
    try:
        return PyCapsule_New(allocated, name, destructor)
    except MemoryError:
        free(allocated)
        raise


cdef void destroy_schema(object capsule) noexcept:
    """Release a schema that no consumer has taken over."""
    cdef ArrowSchema *schema = <ArrowSchema *> PyCapsule_GetPointer(capsule, SCHEMA)
    if schema.release != NULL:
        schema.release(schema)
    free(schema)


cdef void destroy_array(object capsule) noexcept:
    """Release an array that no consumer has taken over."""
    cdef ArrowArray *array = <ArrowArray *> PyCapsule_GetPointer(capsule, ARRAY)
    if array.release != NULL:
        array.release(array)
    free(array)


cdef void destroy(object capsule) noexcept:
    """Release a stream that no consumer has taken over."""
    cdef ArrowArrayStream *stream = <ArrowArrayStream *> PyCapsule_GetPointer(capsule, STREAM)
    if stream.release != NULL:
        stream.release(stream)
    free(stream)


cdef void *zeroed(Py_ssize_t n, size_t size) except NULL:
    cdef void *memory = calloc(max(n, 1), size)
    if memory == NULL:
        raise MemoryError("no memory for the structs of an Arrow stream")
    return memory


# ---- what a consumer calls -------------------------------------------------------------------------------------------

cdef int get_schema(ArrowArrayStream *stream, ArrowSchema *out) noexcept with gil:
    cdef Source source = <Source> stream.private_data
    try:
        fill_schema(out, source.table)
    except MemoryError:
        return ENOMEM
    return 0


cdef int get_next(ArrowArrayStream *stream, ArrowArray *out) noexcept with gil:
    cdef Source source = <Source> stream.private_data
    if source.given:                        # the end of a stream is an array that is released
        memset(out, 0, sizeof(ArrowArray))
        return 0
    try:
        fill_array(out, source.table)
    except MemoryError:
        return ENOMEM
    source.given = True
    return 0


cdef const char *get_last_error(ArrowArrayStream *stream) noexcept nogil:
    return "no memory for the structs of an Arrow stream"


cdef void release_stream(ArrowArrayStream *stream) noexcept nogil:
    stream.release = NULL
    give_up(stream.private_data)


cdef void release_schema(ArrowSchema *schema) noexcept nogil:
    schema.release = NULL
    give_up(schema.private_data)


cdef void release_array(ArrowArray *array) noexcept nogil:
    array.release = NULL
    give_up(array.private_data)


cdef void give_up(void *owned) noexcept nogil:
    """Give up the reference that a struct owned."""
    if Py_IsInitialized():
        forget(owned)


cdef void forget(void *owned) noexcept with gil:
    Py_DECREF(<object> owned)


# ---- the structs -----------------------------------------------------------------------------------------------------

cdef int fill_schema(ArrowSchema *out, Exported column) except -1:
    cdef Parts parts = Parts(column)
    cdef Py_ssize_t i, n = len(column.children)
    parts.schemas = <ArrowSchema *> zeroed(n, sizeof(ArrowSchema))
    parts.n_children = n
    for i in range(n):
        fill_schema(&parts.schemas[i], column.children[i])
        parts.children[i] = &parts.schemas[i]
    memset(out, 0, sizeof(ArrowSchema))
    out.format = PyBytes_AS_STRING(column.format)
    out.name = PyBytes_AS_STRING(column.name)
    out.flags = NULLABLE
    out.n_children = n
    out.children = <ArrowSchema **> parts.children
    out.release = release_schema
    out.private_data = <void *> parts
    Py_INCREF(parts)
    return 0


cdef int fill_array(ArrowArray *out, Exported column) except -1:
    cdef Parts parts = Parts(column)
    cdef Py_ssize_t i, n = len(column.children)
    parts.arrays = <ArrowArray *> zeroed(n, sizeof(ArrowArray))
    parts.n_children = n
    for i in range(n):
        fill_array(&parts.arrays[i], column.children[i])
        parts.children[i] = &parts.arrays[i]
    memset(out, 0, sizeof(ArrowArray))
    out.length = column.n
    out.null_count = column.nulls
    out.n_buffers = len(column.arrays)
    out.buffers = column.buffers
    out.n_children = n
    out.children = <ArrowArray **> parts.children
    out.release = release_array
    out.private_data = <void *> parts
    Py_INCREF(parts)
    return 0
