"""The one place where what an Arrow producer hands over is checked, right after the import. Readers trust the rest.

Owns the layout of each format that is read: how many buffers and children it has, and which of them may be null. A type
and an array are walked together, with their children and dictionaries, before any pointer in them is followed. The
items themselves are not looked at, so this takes the same time for a column of any length; the kernels check offsets,
views, codes and run ends where they read them.

The interface has no sizes of buffers. That each is as long as the length and the offset say, that the last offset of a
text column lies in its data, and that a pointer which is not null points to something stay the producer's promise.

Source: "The Arrow C data interface"; Arrow Columnar Format, for when a buffer may be null.
"""

import re

from libc.stdint cimport INT64_MAX, int64_t, uint8_t

from _hmap_bytes.arrow_abi cimport ArrowArray, ArrowSchema
from _hmap_bytes.raw_bytes cimport load64, load_signed

cdef enum:
    # Levels of children and dictionaries: pyarrow's own limit. A struct that is part of itself is deeper than any.
    DEEPEST = 64
    # Children and dictionaries of a column, in all levels. No table has so many, and it ends the walk over structs that
    # share their children, whose paths double with each level, within a second.
    MOST_PARTS = 1 << 20
    MOST_DATA_BUFFERS = 1 << 24     # of an array of views: their pointers alone would take 128 MiB
    WIDEST = 0x7FFFFFFF         # bytes of a fixed-size item: Arrow's libraries hold the width in an int32
    MOST_SHOWN = 60             # bytes of a format or name in a message

cdef enum Layout:
    UNREAD          # a type that no map takes: it is refused by its name, and nothing in it is read
    NULLS
    BITS
    FIXED
    OFFSETS
    VIEWS
    STRUCT
    RUNS

# The formats whose text is fixed, and their layouts with the bytes per item, or per offset.
cdef dict LAYOUTS = {
    b"n": (NULLS, 0), b"b": (BITS, 0), b"+s": (STRUCT, 0), b"+r": (RUNS, 0),
    **{format: (FIXED, width) for formats, width in (
        ((b"c", b"C"), 1),
        ((b"s", b"S", b"e"), 2),
        ((b"i", b"I", b"f", b"tdD"), 4),
        ((b"l", b"L", b"g", b"tdm", b"ttn", b"tDs", b"tDm", b"tDu", b"tDn"), 8),
    ) for format in formats},
    b"u": (OFFSETS, 4), b"z": (OFFSETS, 4), b"U": (OFFSETS, 8), b"Z": (OFFSETS, 8),
    b"vu": (VIEWS, 16), b"vz": (VIEWS, 16),
}  # fmt: skip
cdef bytes CODES = b"cCsSiIlL"      # the formats of the codes of a dictionary
cdef bytes RUN_ENDS = b"sil"
# By layout, the buffers of an array. Without an entry: those of NULLS and RUNS are not read, those of VIEWS vary.
cdef dict BUFFERS = {BITS: 2, FIXED: 2, OFFSETS: 3, STRUCT: 1}
cdef object TIMESTAMP = re.compile(rb"ts[smun]:")
cdef object DIGITS = re.compile(rb"[0-9]{1,10}")     # as many as WIDEST has: int() of more could take long


cdef struct Part:               # a struct under check, and how it was reached, for messages
    const Part *whole           # NULL: it is the column itself
    int64_t child               # -1: the dictionary
    int depth

cdef struct Walk:
    int64_t parts               # checked so far
    int64_t chunk               # -1: not one of many
    int64_t start               # position of the array's first item in the column


cdef int check_type(const ArrowSchema *schema) except -1:
    """Raise ``ValueError`` if a type is malformed."""
    cdef Walk walk = Walk(0, -1, 0)
    cdef Part part = Part(NULL, 0, 0)
    return check(schema, NULL, &part, &walk)


cdef int check_array(const ArrowSchema *schema, const ArrowArray *array, int64_t chunk, int64_t start) except -1:
    """Raise ``ValueError`` if an array or its type is malformed, or if they disagree.

    `chunk` is its number in a stream, or -1; `start` the position of its first item in the column.
    """
    cdef Walk walk = Walk(0, chunk, start)
    cdef Part part = Part(NULL, 0, 0)
    return check(schema, array, &part, &walk)


cdef object malformed(problem, const Part *part, const Walk *walk):
    places = []
    while part.whole != NULL:
        places.append("its dictionary" if part.child < 0 else f"its child {part.child}")
        part = part.whole
    if walk.chunk >= 0:
        places.append(f"chunk {walk.chunk}")
    # A struct that is part of itself has a long path; its beginning says which.
    where = ""
    for place in places[::-1][:4]:
        where += f"in {place}, "
    return ValueError(f"the Arrow array is malformed: {where}{problem}; check the producer")


cdef int check(const ArrowSchema *schema, const ArrowArray *array, const Part *part, Walk *walk) except -1:
    """Check a type, and an array of it unless that is NULL."""
    cdef Layout layout
    cdef int64_t width
    if part.depth > DEEPEST:
        raise malformed(f"it is nested deeper than {DEEPEST} levels, or part of itself", part, walk)
    walk.parts += 1
    if schema.format == NULL:
        raise malformed("its type has no format", part, walk)
    layout, width = layout_of(schema.format, part, walk)
    if schema.n_children < 0:
        raise malformed(f"its type has {schema.n_children} children", part, walk)
    if schema.n_children > MOST_PARTS - walk.parts:
        raise malformed(f"its type has more than {MOST_PARTS:,} children in all levels", part, walk)
    if schema.dictionary != NULL and not is_among(schema.format, CODES):
        given = f"its codes have the format {shown(schema.format)}, which is not that of ints"
        raise malformed(f"its type is dictionary-encoded, and {given}", part, walk)
    if array != NULL:
        check_counts(schema, array, part, walk)
        check_items(array, layout, width, part, walk)
        check_buffers(array, layout, width, part, walk)
    if schema.dictionary != NULL:
        check_dictionary(schema, array, part, walk)
    elif layout == STRUCT or layout == RUNS:
        check_children(schema, array, layout, part, walk)
    return 0


cdef tuple layout_of(bytes format, const Part *part, const Walk *walk):
    """The layout of a format, and the bytes per item or offset."""
    if format in LAYOUTS:
        return LAYOUTS[format]
    try:
        format.decode()
    except UnicodeDecodeError:
        raise malformed(f"its type has the format {shown(format)}, which is not UTF-8", part, walk) from None
    if format[:2] == b"w:":
        digits = DIGITS.fullmatch(format, 2)
        if digits is None or int(digits[0]) > WIDEST:
            given = f"its type has the format {shown(format)}"
            raise malformed(f"{given}, whose width is no number from 0 to {WIDEST:,}", part, walk)
        return FIXED, int(digits[0])
    return (FIXED, 8) if TIMESTAMP.match(format) else (UNREAD, 0)


cdef object shown(bytes text):
    """A text of the producer for a message, in which only so much of it as a line holds is read."""
    return repr(text if len(text) <= MOST_SHOWN else text[:MOST_SHOWN] + b"...").removeprefix("b")


cdef bint is_among(const char *format, bytes formats):
    """Whether a format is one of these characters."""
    return format[0] != 0 and format[1] == 0 and (<bytes> format) in formats


cdef int check_counts(const ArrowSchema *schema, const ArrowArray *array, const Part *part, const Walk *walk) except -1:
    """The children and the dictionary, which the type has as well."""
    if array.n_children != schema.n_children:
        raise malformed(f"it has {array.n_children} children, its type {schema.n_children}", part, walk)
    if array.dictionary == NULL and schema.dictionary != NULL:
        raise malformed("it is encoded and has no dictionary", part, walk)
    if array.dictionary != NULL and schema.dictionary == NULL:
        raise malformed("it has a dictionary, and its type has none", part, walk)
    return 0


cdef int check_items(const ArrowArray *array, Layout layout, int64_t width, const Part *part,
                     const Walk *walk) except -1:
    cdef int64_t most = min(MOST_ITEMS, INT64_MAX // max(width, 1)) - 1
    if array.length < 0 or array.offset < 0:
        given = f"length {array.length}, offset {array.offset}"
        raise malformed(f"{given}, which must both be 0 or more", part, walk)
    if array.length > most or array.offset > most - array.length:
        raise malformed(f"length {array.length:,}, offset {array.offset:,}: no memory holds so many items", part, walk)
    if array.null_count < -1 or array.null_count > array.length:
        raise malformed(f"it has {array.null_count} nulls among {array.length} items", part, walk)
    return 0


cdef int check_buffers(const ArrowArray *array, Layout layout, int64_t width, const Part *part,
                       const Walk *walk) except -1:
    cdef int64_t i
    if layout == UNREAD or layout == NULLS or layout == RUNS:
        return 0
    if layout == VIEWS:
        if array.n_buffers < 3:
            raise malformed(f"it has {array.n_buffers} buffers, its type needs 3 or more", part, walk)
        if array.n_buffers - 3 > MOST_DATA_BUFFERS:
            raise malformed(f"it has {array.n_buffers:,} buffers, more than {MOST_DATA_BUFFERS + 3:,}", part, walk)
    elif array.n_buffers != BUFFERS[layout]:
        raise malformed(f"it has {array.n_buffers} buffers, its type needs {BUFFERS[layout]}", part, walk)
    if array.buffers == NULL:
        raise malformed(f"its list of {array.n_buffers} buffers is null", part, walk)
    if array.null_count > 0 and array.buffers[0] == NULL:
        raise malformed(f"it has {array.null_count} nulls, and its validity buffer is null", part, walk)
    if array.length == 0 or layout == STRUCT:
        return 0
    if array.buffers[1] == NULL and not (layout == FIXED and width == 0):
        name = {OFFSETS: "offsets", VIEWS: "views"}.get(layout, "data")
        raise malformed(f"it has {array.length:,} items, and its {name} buffer is null", part, walk)
    if layout == OFFSETS and array.buffers[2] == NULL:
        i = first_with_bytes(array, <int> width)
        if i < array.length:
            # The position counts in the whole column, if this is a chunk of it and not a child.
            i += 0 if part.whole != NULL else walk.start
            raise malformed(f"its data buffer is null, and item {i} is not empty", part, walk)
    if layout == VIEWS:
        check_data_of_views(array, part, walk)
    return 0


cdef int64_t first_with_bytes(const ArrowArray *array, int width) noexcept nogil:
    """The first item that is there and not empty, by its offsets; the length if there is none."""
    cdef const uint8_t *offsets = <const uint8_t *> array.buffers[1] + array.offset * width
    cdef const uint8_t *valid = <const uint8_t *> NULL if array.null_count == 0 else <const uint8_t *> array.buffers[0]
    cdef int64_t i, bit
    for i in range(array.length):
        bit = array.offset + i
        if valid != NULL and not valid[bit // 8] >> (bit % 8) & 1:
            continue
        if load_signed(offsets + i * width, width) != load_signed(offsets + (i + 1) * width, width):
            return i
    return array.length


cdef int check_data_of_views(const ArrowArray *array, const Part *part, const Walk *walk) except -1:
    """The data buffers of views, and their sizes, which stand in the last buffer."""
    cdef int64_t i, size, n = array.n_buffers - 3
    cdef const uint8_t *sizes = <const uint8_t *> array.buffers[array.n_buffers - 1]
    if n > 0 and sizes == NULL:
        raise malformed(f"it has {n} data buffers, and the buffer of their sizes is null", part, walk)
    for i in range(n):
        size = <int64_t> load64(sizes + i * 8)
        if size < 0:
            raise malformed(f"its data buffer {i} has the size {size}", part, walk)
        if size > 0 and array.buffers[2 + i] == NULL:
            raise malformed(f"its data buffer {i} is null, and has the size {size:,}", part, walk)
    return 0


cdef int check_dictionary(const ArrowSchema *schema, const ArrowArray *array, const Part *part, Walk *walk) except -1:
    cdef Part words = Part(part, -1, part.depth + 1)
    if schema.dictionary.release == NULL or (array != NULL and array.dictionary.release == NULL):
        raise malformed("it has been released", &words, walk)
    return check(schema.dictionary, NULL if array == NULL else array.dictionary, &words, walk)


cdef int check_children(const ArrowSchema *schema, const ArrowArray *array, Layout layout, const Part *part,
                        Walk *walk) except -1:
    """The fields of a struct; the run ends and the values of a run-end encoded column."""
    cdef int64_t i, n = schema.n_children
    cdef Part part_of = Part(part, 0, part.depth + 1)
    cdef const ArrowArray *child = NULL
    if layout == RUNS and n != 2:
        raise malformed(f"its type is run-end encoded and has {n} children, not run ends and values", part, walk)
    if n > 0 and (schema.children == NULL or (array != NULL and array.children == NULL)):
        raise malformed(f"it has {n} children, and the list of them is null", part, walk)
    for i in range(n):
        part_of.child = i
        if array != NULL:
            child = array.children[i]
        if schema.children[i] == NULL or (array != NULL and child == NULL):
            raise malformed("it is null", &part_of, walk)
        if schema.children[i].release == NULL or (array != NULL and child.release == NULL):
            raise malformed("it has been released", &part_of, walk)
        check(schema.children[i], child, &part_of, walk)
        if layout == STRUCT:
            check_name(schema.children[i], &part_of, walk)
            if array != NULL and child.length < array.offset + array.length:
                given = f"it has {child.length} items, and its struct ends at item {array.offset + array.length}"
                raise malformed(given, &part_of, walk)
    if layout == RUNS:
        part_of.child = 0
        if schema.children[0].dictionary != NULL or not is_among(schema.children[0].format, RUN_ENDS):
            raise malformed("these are its run ends, and they are not of type int16, int32 or int64", &part_of, walk)
        if array != NULL and array.children[0].null_count > 0:
            raise malformed("these are its run ends, and some are null", &part_of, walk)
    return 0


cdef int check_name(const ArrowSchema *schema, const Part *part, const Walk *walk) except -1:
    if schema.name == NULL:
        return 0
    try:
        schema.name.decode()
    except UnicodeDecodeError:
        raise malformed(f"its name is {shown(schema.name)}, which is not UTF-8", part, walk) from None
    return 0
