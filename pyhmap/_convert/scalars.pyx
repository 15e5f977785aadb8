"""Lists and tuples of one of Python's own types, read in one pass: numbers and times into arrays, tuples into columns.

NumPy makes such arrays too, but is slower, since it first finds out the type of each item. Owns the calendar of
``datetime``: the proleptic Gregorian one, without leap seconds.

No Python code runs while a list is read, so its size does not change. Python code may run while the array is allocated:
see sized().
"""

import numpy as np

cimport cython
from cpython.datetime cimport (
    datetime_day,
    datetime_hour,
    datetime_microsecond,
    datetime_minute,
    datetime_month,
    datetime_second,
    datetime_tzinfo,
    datetime_year,
    import_datetime,
    timedelta_days,
    timedelta_microseconds,
    timedelta_seconds,
)
from cpython.float cimport PyFloat_AS_DOUBLE, PyFloat_CheckExact
from cpython.long cimport PyLong_AsLongLongAndOverflow, PyLong_CheckExact
from cpython.object cimport Py_TYPE, PyObject
from cpython.tuple cimport PyTuple_CheckExact, PyTuple_GET_SIZE
from libc.stdint cimport int64_t

import_datetime()

# Here, and viewed() apart: Cython warns of Python attributes within a critical section, which does not protect them.
cdef object INT64 = np.int64, FLOAT64 = np.float64

cdef enum:
    SECONDS = 86400             # of a day
    MICROSECONDS = 1000000      # of a second


cdef object sized(items, dtype):
    """An array with room for the items. Its allocation may run finalisers, which may change the list."""
    cdef Py_ssize_t n = len(items)
    array = np.empty(n, dtype)
    check_size(items, n)
    return array


cdef object viewed(array, dtype):
    return array.view(dtype)


cdef int check_size(items, Py_ssize_t n) except -1:
    if len(items) != n:
        raise RuntimeError("the list changed its size while it was being read: pass a copy")
    return 0


@cython.critical_section
def ints(items):
    """An array of dtype ``int64`` of a list or tuple of exact ``int`` objects; None if another type is among them, or
    an int outside int64.

    >>> ints([1, 2, 3]), ints([1, True]), ints([2**63])
    (array([1, 2, 3]), None, None)
    """
    cdef Py_ssize_t i = 0
    cdef int overflow = 0
    array = sized(items, INT64)
    cdef int64_t[::1] out = array
    for item in items:
        if not PyLong_CheckExact(item):
            return None
        out[i] = PyLong_AsLongLongAndOverflow(item, &overflow)
        if overflow:
            return None
        i += 1
    return array


@cython.critical_section
def floats(items):
    """An array of dtype ``float64`` of a list or tuple of exact ``float`` objects; None if another type is among them.

    >>> floats([1.0, 2.5]), floats([1.0, 2])
    (array([1. , 2.5]), None)
    """
    cdef Py_ssize_t i = 0
    array = sized(items, FLOAT64)
    cdef double[::1] out = array
    for item in items:
        if not PyFloat_CheckExact(item):
            return None
        out[i] = PyFloat_AS_DOUBLE(item)
        i += 1
    return array


@cython.critical_section
def longest(items, kind):
    """The greatest length among exact ``str`` or ``bytes`` objects, 0 if there are none; None if one is not of this
    type.

    >>> longest(["a", "bcd"], str), longest(["a", b"b"], str)
    (3, None)
    """
    cdef Py_ssize_t length, most = 0
    for item in items:
        if <PyObject *> Py_TYPE(item) != <PyObject *> kind:
            return None
        length = len(item)
        most = max(most, length)
    return most


@cython.critical_section
def columns(items, Py_ssize_t width):
    """The columns, as lists, of a list or tuple of exact tuples of this width; None if another object is among them.

    >>> columns([(1, "a"), (2, "b")], 2), columns([(1, "a"), [2, "b"]], 2)
    ([[1, 2], ['a', 'b']], None)
    """
    cdef Py_ssize_t i = 0, j, n = len(items)
    cdef list out = []      # no list comprehension: Cython 3's releases an item twice if an append fails
    for _ in range(width):
        out.append([None] * n)
    cdef tuple row
    check_size(items, n)
    for item in items:
        if not PyTuple_CheckExact(item) or PyTuple_GET_SIZE(item) != width:
            return None
        row = item
        for j in range(width):
            (<list> out[j])[i] = row[j]
        i += 1
    return out


cdef inline int64_t days_from_epoch(int64_t year, int64_t month, int64_t day) noexcept nogil:
    """Days since 1970-01-01. Years are counted from March, so that the leap day is the last of its year.

    Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", days_from_civil.
    """
    year -= month <= 2
    cdef int64_t era = year // 400, of_era = year % 400     # of the years 0 to 9999: never negative
    cdef int64_t of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468


@cython.critical_section
def moments(items):
    """An array of dtype ``M8[us]`` of a list or tuple of exact ``datetime`` objects; None if one has a time zone.

    >>> import datetime
    >>> moments([datetime.datetime(1970, 1, 2, 0, 0, 0, 5)])
    array(['1970-01-02T00:00:00.000005'], dtype='datetime64[us]')
    """
    cdef Py_ssize_t i = 0
    cdef int64_t seconds
    array = sized(items, INT64)
    cdef int64_t[::1] out = array
    for item in items:
        if datetime_tzinfo(item) is not None:
            return None
        seconds = days_from_epoch(datetime_year(item), datetime_month(item), datetime_day(item)) * SECONDS
        seconds += datetime_hour(item) * 3600 + datetime_minute(item) * 60 + datetime_second(item)
        out[i] = seconds * MICROSECONDS + datetime_microsecond(item)
        i += 1
    return viewed(array, "M8[us]")


@cython.critical_section
def durations(items):
    """An array of dtype ``m8[us]`` of a list or tuple of exact ``timedelta`` objects; None if one is too long.

    The limit is 10^8 days. int64 holds the microseconds of 1.06 * 10^8, but a timedelta may have almost 10^9.

    >>> import datetime
    >>> durations([datetime.timedelta(seconds=-1)])
    array([-1000000], dtype='timedelta64[us]')
    """
    cdef Py_ssize_t i = 0
    cdef int64_t days
    array = sized(items, INT64)
    cdef int64_t[::1] out = array
    for item in items:
        days = timedelta_days(item)
        if not -100000000 < days < 100000000:
            return None
        out[i] = (days * SECONDS + timedelta_seconds(item)) * MICROSECONDS + timedelta_microseconds(item)
        i += 1
    return viewed(array, "m8[us]")
