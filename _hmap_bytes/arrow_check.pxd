# What the structs of a producer must be before anything is read from them.

from libc.stdint cimport int64_t

from _hmap_bytes.arrow_abi cimport ArrowArray, ArrowSchema

cdef extern from *:
    """
    /* Items of a column. Each becomes 16 bytes at least (a Text, or a reference and what it refers to), and sizes in
       bytes are computed in 63 bits. */
    #define HMAP_MOST_ITEMS ((int64_t) 1 << 59)
    """
    const int64_t MOST_ITEMS "HMAP_MOST_ITEMS"


cdef int check_type(const ArrowSchema *schema) except -1
cdef int check_array(const ArrowSchema *schema, const ArrowArray *array, int64_t chunk, int64_t start) except -1
