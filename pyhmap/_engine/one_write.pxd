# Writing one key, as the methods of a map and its batches of objects do it.

from libc.stdint cimport int64_t, uint8_t, uint64_t

from pyhmap._core cimport HMapCore
from pyhmap._engine.one_item cimport AnyValue
from pyhmap._kernels.any_key cimport AnyKey
from pyhmap._kernels.constants cimport Status


cdef struct OneWrite:           # one key and its value, on their way into the table
    AnyKey k
    uint64_t number             # an object key's hash()
    uint64_t seen               # the map's membership when an object key was searched for, see find_object_key()
    AnyValue v
    const void *data            # the value's bytes as they are to be stored
    bint overwrite
    bint numbering              # factorize(): the value of a new key is the next code from least_code to last_code
    int64_t least_code
    int64_t last_code
    bint signed_codes
    # what put_one() returns
    Status status               # FOUND, INSERTED; NOT_FOUND: there is no further code
    uint8_t *stored             # the value in its slot


cdef void begin_one(OneWrite *w, bint overwrite) noexcept
cdef object put_one(HMapCore map, OneWrite *w, object key, object value)
cdef object write(HMapCore map, object key, object value, bint overwrite)
cdef object remove(HMapCore map, object key, bint wanted, bint *found)
cdef object value_to_remove(HMapCore map, const AnyKey *k, uint64_t seen, bint wanted, bint *found)
cdef object remove_loaded(HMapCore map, const AnyKey *k, bint found)
cdef int64_t last_code(HMapCore map) except -1
cdef void find_next_code(HMapCore map, int64_t last_code, bint signed_codes) noexcept
