# Accumulating in place: how add_many combines a value with the stored one.

from libc.stdint cimport INT64_MIN, int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from pyhmap._kernels.writing cimport (
    ADD,
    Combine,
    FLOAT32,
    FLOAT64,
    INT16,
    INT32,
    INT64,
    INT8,
    MINIMUM,
    Number,
    Operation,
    RUNS,
    Run,
    UINT16,
    UINT32,
    UINT64,
    UINT8,
)

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


cdef inline void combine_as(Operation operation, void *stored, const void *value, number_t a) noexcept nogil:
    """stored = operation(stored, value), wrapping around as NumPy does; NaN wins, as in np.minimum. `a` is the type."""
    cdef number_t b
    cdef bint nan = False       # what `b != b` says, which a compiler doubts of an int
    memcpy(&a, stored, sizeof(number_t))
    memcpy(&b, value, sizeof(number_t))
    if number_t is float or number_t is double:
        nan = b != b
    if operation == ADD:
        if number_t is float or number_t is double:
            a = a + b
        else:
            a = <number_t> (<uint64_t> a + <uint64_t> b)
    elif operation == MINIMUM:
        if b < a or nan:
            a = b
    elif b > a or nan:
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


cdef inline void combine_number(Operation operation, Number number, void *stored, const void *value) noexcept nogil:
    if number == INT64:
        combine_as[int64_t](operation, stored, value, 0)
    elif number == FLOAT64:
        combine_as[double](operation, stored, value, 0)
    elif number == UINT64:
        combine_as[uint64_t](operation, stored, value, 0)
    elif number == INT32:
        combine_as[int32_t](operation, stored, value, 0)
    elif number == UINT32:
        combine_as[uint32_t](operation, stored, value, 0)
    elif number == FLOAT32:
        combine_as[float](operation, stored, value, 0)
    elif number == INT16:
        combine_as[int16_t](operation, stored, value, 0)
    elif number == UINT16:
        combine_as[uint16_t](operation, stored, value, 0)
    elif number == INT8:
        combine_as[int8_t](operation, stored, value, 0)
    elif number == UINT8:
        combine_as[uint8_t](operation, stored, value, 0)
    else:
        combine_times(operation, stored, value)


cdef inline void combine_runs(const Combine *c, uint8_t *stored, const uint8_t *value) noexcept nogil:
    """Combine each number of a value with its own."""
    cdef const Run *run
    cdef uint64_t i, j, at
    for i in range(c.n_runs):
        run = &c.runs[i]
        for j in range(run.count):
            at = run.offset + j * run.size
            combine_number(c.operation, <Number> run.number, stored + at, value + at)


cdef inline void combine_value(const Combine *c, uint8_t *stored, const uint8_t *value) noexcept nogil:
    if c.number == RUNS:
        combine_runs(c, stored, value)
    else:
        combine_number(c.operation, c.number, stored, value)
