# The functions of `_hashing` for other compiled modules. Their docstrings are in `_hashing.pyx`.

from libc.stdint cimport uint64_t


cdef uint64_t hash_text(object text, uint64_t seed, Py_ssize_t *size) except? 0
cdef uint64_t hash_object(object key, uint64_t seed) except? 0
cdef object hash_sequence(object keys, bint in_column)
cdef object hash_array(object keys, bint in_column)
