"""Arrow columns as NumPy arrays: numbers, bools and times, also dictionary-encoded and run-end encoded.

A struct becomes the columns of its fields. A column of texts is returned as it is: `text_batch` reads it.

Owns the NumPy type of each such Arrow format, and the names of UTC. A column is read in place where the layouts agree.
"""

import numpy as np

from libc.stdint cimport int64_t, uint8_t

from _hmap_bytes.arrow_types import type_name

from _hmap_bytes.arrow_abi cimport ArrowArray, ArrowSchema
from _hmap_bytes.arrow_column cimport (
    Chunk,
    Column,
    bits,
    child_column,
    import_column,
    import_type,
    over,
    validity,
)

# Arrow's format strings, and the NumPy types of the same bits. numpy_dtype() has the others: bool, which Arrow packs
# into bits, date32, and timestamps.
cdef dict DTYPES = {
    "c": "i1", "C": "u1", "s": "i2", "S": "u2", "i": "i4", "I": "u4", "l": "i8", "L": "u8",
    "e": "f2", "f": "f4", "g": "f8",
    "tdm": "M8[ms]", "tDs": "m8[s]", "tDm": "m8[ms]", "tDu": "m8[us]", "tDn": "m8[ns]",
}  # fmt: skip
cdef tuple TEXTS = ("u", "U", "vu", "z", "Z", "vz")     # and w:n, of fixed size

# The names of UTC, and of GMT, whose offset is always zero: those of the time zone database, and those of offsets.
cdef set UTC = {
    "", "UTC", "Etc/UTC", "UCT", "Etc/UCT", "Universal", "Etc/Universal", "Zulu", "Etc/Zulu", "Z", "GMT", "Etc/GMT",
    "GMT0", "Etc/GMT0", "GMT+0", "Etc/GMT+0", "GMT-0", "Etc/GMT-0", "Greenwich", "Etc/Greenwich",
    "+00:00", "-00:00", "+0000", "-0000", "+00", "-00", "UTC+00:00",
}  # fmt: skip


def is_utc(zone):
    """Whether a time zone is UTC, under any of its names."""
    return zone in UTC


class Runs:
    """A run-end encoded column of texts: `texts` is the column of the runs, `runs` the index of each item's run."""

    def __init__(self, texts, runs):
        self.texts = texts
        self.runs = runs

    def __len__(self):
        return len(self.runs)


def arrow_values(obj, what="items"):
    """The items of an Arrow column.

    Parameters
    ----------
    obj
        An object for which ``is_arrow`` is true, with n items in any number of chunks.
    what
        What the items are, for messages.

    Returns
    -------
    values
        For numbers, bools and times, an ndarray of shape (n,). It is no copy if the column has one chunk and is neither
        bool, date32 nor encoded. Timestamps and durations keep their unit; a date32 is ``datetime64[D]``, a date64
        ``datetime64[ms]``. Items at nulls are undefined. For the null type, an object array.
        For texts, the column itself, or ``Runs``. For structs and tables, ``(names, columns)``.
    valid : ndarray of bool of shape (n,), or None
        False at the nulls; None if there are none. Also None for texts, whose nulls ``text_batch`` reads.

    Raises
    ------
    TypeError
        The column is of another Arrow type, or has a time zone that is not UTC.
    ValueError
        The array is malformed.
    """
    cdef Column column = import_column(obj)
    cdef Chunk chunk
    cdef list arrays = [], masks = []
    cdef Py_ssize_t before = 0
    if is_text(&column.schema):
        return column, None
    if column.schema.format == b"+s":
        return fields_of(column)
    if column.schema.format == b"+r" and is_text(column.schema.children[1]):
        return runs_of_texts(column), None
    dtype = numpy_dtype(&column.schema, what)
    for chunk in column.chunks:
        array, valid = items_of(&column.schema, &chunk.array, dtype, chunk, before)
        before += chunk.array.length
        arrays.append(array)
        masks.append(valid)
    valid = None
    if any(mask is not None for mask in masks):
        for i in range(len(arrays)):
            if masks[i] is None:
                masks[i] = np.ones(len(arrays[i]), bool)
        valid = np.concatenate(masks)
    if len(arrays) == 1:
        return arrays[0], valid
    return np.concatenate([np.empty(0, dtype), *arrays]), valid


def first_with_nanoseconds(obj, times_too):
    """The position of the first time of day that is not a whole number of microseconds, None if there is none. With
    `times_too`, timestamps and durations are examined as well."""
    cdef Column column = import_column(obj)
    cdef Chunk chunk
    cdef Py_ssize_t before = 0
    format = column.schema.format.decode()
    if format != "ttn" and not (times_too and (format == "tDn" or format[:4] == "tsn:")):
        return None
    for chunk in column.chunks:
        left = numbers(&chunk.array, np.dtype(np.int64), chunk) % 1000 != 0
        valid = validity(&chunk.array, chunk)
        if valid is not None:
            left &= valid
        if left.any():
            return before + int(left.argmax())
        before += chunk.array.length
    return None


def arrow_dtype(obj, what):
    """The type that an object with ``__arrow_c_schema__`` names: a dtype, ``str`` or ``bytes``. ``TypeError`` for
    others."""
    cdef Column column = import_type(obj)
    cdef const ArrowSchema *schema = &column.schema
    if schema.dictionary != NULL:
        schema = schema.dictionary
    if is_text(schema):
        format = schema.format.decode()
        if format[:2] == "w:":
            return np.dtype(f"V{format[2:]}")
        return str if format in ("u", "U", "vu") else bytes
    return numpy_dtype(schema, what)


def text_type(Column column):
    """``str`` or ``bytes``: what the texts of a column are."""
    cdef const ArrowSchema *schema = &column.schema
    if schema.dictionary != NULL:
        schema = schema.dictionary
    return str if schema.format.decode() in ("u", "U", "vu") else bytes


cdef bint is_text(const ArrowSchema *schema):
    if schema.dictionary != NULL:
        return is_text(schema.dictionary)
    format = schema.format.decode()
    return format in TEXTS or format[:2] == "w:"


cdef object numpy_dtype(const ArrowSchema *schema, what):
    format = schema.format.decode()
    if schema.dictionary != NULL:
        return numpy_dtype(schema.dictionary, what)
    if format in DTYPES:
        return np.dtype(DTYPES[format])
    if format == "b":
        return np.dtype(bool)
    if format == "n":
        return np.dtype(object)
    if format == "tdD":
        return np.dtype("M8[D]")
    if format == "+r":
        return numpy_dtype(schema.children[1], what)
    if format[:2] == "ts" and format[2:3] in ("s", "m", "u", "n") and format[3:4] == ":":
        zone = format[4:]
        if zone in UTC:
            return np.dtype(f"M8[{format[2] if format[2] == 's' else format[2] + 's'}]")
        raise TypeError(
            f"{what} are an Arrow column in time zone {zone!r}: convert to UTC, "
            f'with pandas {what}.dt.tz_convert("UTC"), with polars {what}.dt.convert_time_zone("UTC"), '
            f'with pyarrow {what}.cast(pa.timestamp({format[2] if format[2] == "s" else format[2] + "s"!r}, "UTC"))'
        )
    raise TypeError(f"{what} are an Arrow column of type {type_name(format)}: {advice(format)}")


cdef object advice(str format):
    if format[:2] == "d:":
        return "cast it to integers of the smallest unit, or to a float type if that is exact"
    if format[:2] == "tt":
        return "cast it to integers, or to a duration"
    if format[:1] == "+":
        return "explode or cast it to a column of plain items"
    return "cast it to numbers of at most 64 bits, bools, dates, timestamps, durations or texts"


cdef tuple items_of(const ArrowSchema *schema, const ArrowArray *array, dtype, owner, Py_ssize_t before):
    """The items of one array, and its validity or None. `before` is the position of the first item in the column."""
    if schema.dictionary != NULL:
        return words_of(schema, array, dtype, owner, before)
    if schema.format == b"n":
        return np.full(array.length, None), np.zeros(array.length, bool)
    if schema.format == b"+r":
        return runs_of(schema, array, dtype, owner)
    return numbers(array, dtype, owner), validity(array, owner)


cdef object numbers(const ArrowArray *array, dtype, owner):
    cdef const uint8_t *data = <const uint8_t *> array.buffers[1]
    cdef int64_t size = dtype.itemsize
    if array.length == 0:   # the buffer may be NULL
        return np.empty(0, dtype)
    if dtype.kind == "b":
        return bits(data, array.offset, array.length, owner)
    if dtype == "M8[D]":    # 32 bits in Arrow
        return over(data + 4 * array.offset, array.length, "i4", owner).astype("i8").view("M8[D]")
    return over(data + size * array.offset, array.length, dtype.str, owner)


cdef tuple words_of(const ArrowSchema *schema, const ArrowArray *array, dtype, owner, Py_ssize_t before):
    """The items of a dictionary-encoded array of numbers."""
    try:
        words, words_valid = items_of(schema.dictionary, array.dictionary, dtype, owner, 0)
    except ValueError as error:
        raise ValueError(f"in the dictionary, {error}") from None
    codes = numbers(array, np.dtype(DTYPES[schema.format.decode()]), owner)
    valid = validity(array, owner)
    if valid is not None:
        codes = np.where(valid, codes, 0)
        if len(words) == 0 and not valid.any():
            return np.zeros(len(codes), words.dtype), np.zeros(len(codes), bool)
    outside = codes >= len(words)
    if codes.dtype.kind == "i":
        outside |= codes < 0
    if valid is not None:
        outside &= valid
    if outside.any():
        position = int(outside.argmax())
        raise ValueError(
            f"the Arrow array is malformed: item {before + position} has code {codes[position]}, and its dictionary "
            f"has {len(words)} words; check the producer"
        )
    if words_valid is not None:
        valid = words_valid[codes] if valid is None else valid & words_valid[codes]
    return words[codes], None if valid is None or valid.all() else valid


cdef tuple runs_of(const ArrowSchema *schema, const ArrowArray *array, dtype, owner):
    """The items of a run-end encoded array of numbers."""
    runs = run_of_each(schema, array, owner)
    values, valid = items_of(schema.children[1], array.children[1], dtype, owner, 0)
    return values[runs], None if valid is None else valid[runs]


cdef object run_of_each(const ArrowSchema *schema, const ArrowArray *array, owner):
    """The index of the run in which each item of a run-end encoded array lies; there is a value for each."""
    cdef int64_t stop = array.offset + array.length
    if array.length == 0:
        return np.empty(0, np.intp)
    ends = numbers(array.children[0], np.dtype(DTYPES[schema.children[0].format.decode()]), owner)
    problem = None
    falls = np.append(False, ends[1:] <= ends[:len(ends) - 1])
    if len(ends) and ends[0] <= 0:
        problem = f"run 0 ends at {ends[0]}; run ends are 1 or more"
    elif falls.any():
        run = int(falls.argmax())
        problem = f"run {run} ends at {ends[run]}, the one before at {ends[run - 1]}; run ends must rise"
    elif len(ends) == 0 or ends[len(ends) - 1] < stop:
        problem = f"its runs end at {ends[len(ends) - 1] if len(ends) else 0}, its items at {stop}"
    if problem is None:
        # As many runs as reach to the last item; further ones may lack values.
        runs = np.searchsorted(ends, np.arange(array.offset, stop), "right")
        if runs[len(runs) - 1] < array.children[1].length:
            return runs
        problem = f"its items lie in {runs[len(runs) - 1] + 1} runs, and it has {array.children[1].length} values"
    raise ValueError(f"the Arrow array is malformed: {problem}; check the producer")


cdef object runs_of_texts(Column column):
    cdef Chunk chunk
    cdef list runs = []
    cdef int64_t before = 0
    for chunk in column.chunks:
        runs.append(run_of_each(&column.schema, &chunk.array, chunk) + before)
        before += chunk.array.children[1].length
    return Runs(child_column(column, 1, False), np.concatenate([np.empty(0, np.int64), *runs]).astype(np.int64))


cdef tuple fields_of(Column column):
    """``(names, columns)`` of a struct column or table, and the validity of its items."""
    cdef Chunk chunk
    cdef int64_t i
    cdef list masks = []
    names, columns = [], []
    for i in range(column.schema.n_children):
        name = column.schema.children[i].name
        names.append(f"field {i}" if name == NULL else name.decode())
        columns.append(child_column(column, i, True))
    for chunk in column.chunks:
        mask = validity(&chunk.array, chunk)
        masks.append(np.ones(chunk.array.length, bool) if mask is None else mask)
    valid = np.concatenate([np.empty(0, bool), *masks])
    return (tuple(names), tuple(columns)), None if valid.all() else valid
