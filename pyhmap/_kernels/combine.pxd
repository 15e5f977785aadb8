# Accumulating in place: how add_many combines a value with the stored one.

from libc.stdint cimport INT64_MIN, int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

ctypedef fused number_t:
    int8_t
    int16_t
    int32_t
    int64_t
    uint8_t
    uint16_t
    uint32_t
    uint64_t
    float
    double


cdef enum Operation:
    ADD
    MINIMUM
    MAXIMUM


cdef enum Number:           # in the order of the fused type
    INT8
    INT16
    INT32
    INT64
    UINT8
    UINT16
    UINT32
    UINT64
    FLOAT32
    FLOAT64
    TIME64                  # datetime64, timedelta64


cdef struct Combine:
    Operation operation
    Number number


cdef inline void combine_as(Operation operation, void *stored, const void *value, number_t a) noexcept nogil:
    """stored = operation(stored, value), wrapping around as NumPy does; NaN wins, as in np.minimum. `a` is the type."""
    cdef number_t b
    memcpy(&a, stored, sizeof(number_t))
    memcpy(&b, value, sizeof(number_t))
    if operation == ADD:
        if number_t is float or number_t is double:
            a = a + b
        else:
            a = <number_t> (<uint64_t> a + <uint64_t> b)
    elif operation == MINIMUM:
        if b < a or b != b:
            a = b
    elif b > a or b != b:
        a = b
    memcpy(stored, &a, sizeof(number_t))


cdef inline void combine_times(Operation operation, void *stored, const void *value) noexcept nogil:
    """The same for times. The result is NaT if either of them is."""
    cdef int64_t a, b, nat = INT64_MIN
    memcpy(&a, stored, 8)
    memcpy(&b, value, 8)
    if b == nat:
        memcpy(stored, &b, 8)
    elif a != nat:
        combine_as[int64_t](operation, stored, value, 0)


cdef inline void combine_value(Combine c, void *stored, const void *value) noexcept nogil:
    if c.number == INT64:
        combine_as[int64_t](c.operation, stored, value, 0)
    elif c.number == FLOAT64:
        combine_as[double](c.operation, stored, value, 0)
    elif c.number == UINT64:
        combine_as[uint64_t](c.operation, stored, value, 0)
    elif c.number == INT32:
        combine_as[int32_t](c.operation, stored, value, 0)
    elif c.number == UINT32:
        combine_as[uint32_t](c.operation, stored, value, 0)
    elif c.number == FLOAT32:
        combine_as[float](c.operation, stored, value, 0)
    elif c.number == INT16:
        combine_as[int16_t](c.operation, stored, value, 0)
    elif c.number == UINT16:
        combine_as[uint16_t](c.operation, stored, value, 0)
    elif c.number == INT8:
        combine_as[int8_t](c.operation, stored, value, 0)
    elif c.number == UINT8:
        combine_as[uint8_t](c.operation, stored, value, 0)
    else:
        combine_times(c.operation, stored, value)
