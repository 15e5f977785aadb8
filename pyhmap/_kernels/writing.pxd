# What a write call is to do: with each key, and with two values of one key. The kernels are write_many and combine.
#
# Apart from them, since classes have these structs in them: a module that only uses such a class is then compiled
# without the kernels.

from libc.stdint cimport int64_t, uint8_t, uint64_t


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
    RUNS                    # several of these in one value


cdef struct Run:            # numbers of one type that lie side by side in a value
    uint64_t offset         # of the first
    uint64_t count
    uint64_t size           # bytes of each
    uint64_t number         # a Number other than RUNS


cdef struct Combine:
    Operation operation
    Number number
    const Run *runs         # RUNS: which numbers a value has; bytes in none of them stay as they are
    uint64_t n_runs


cdef enum Action:
    SET
    SETDEFAULT
    ACCUMULATE
    FACTORIZE
    INSERT                  # leaves the value of a key that is there
    POP
    DISCARD


cdef struct Writing:        # what a write call is to do with each key
    Action action
    const uint8_t *values   # SET, SETDEFAULT, ACCUMULATE, INSERT: values, value_step bytes apart (0: one for all)
    uint64_t value_step
    uint8_t *out            # SETDEFAULT, POP: receives the values; FACTORIZE: int64 codes; INSERT: 1 or 0
    const void *fill        # POP: the value of a missing key; NULL: `out` holds the defaults already
    bint stop_at_miss       # POP
    bint stop_at_long_chain     # the map can be moved to another hash key
    Combine combine         # ACCUMULATE
    int64_t next_code       # FACTORIZE: the code of the next new key, and the largest that a value can hold
    int64_t last_code
    bint signed_codes
    uint64_t removed        # POP, DISCARD: counts
