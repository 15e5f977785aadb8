# The memory behind one bucket array, and behind an arena.
#
#     one mapping, of 2^(B+1) rows; of one row if B = 0, since one bucket grows before it overflows
#
#     slots of main rows │ slots of overflow rows │ tophashes │ overflow links      all zeroed, but for the slots of
#                                                                                   overflow rows of a small array
#     ├── huge pages if built by a batch          ├─ of main rows: the same
#     returned to the system from the left, as evacuation proceeds; then the rest, piece by piece

from libc.stdint cimport uint8_t, uint64_t

from pyhmap._kernels.constants cimport ARENA_BLOCKS
from pyhmap._kernels.layout cimport Arena, Buckets


cdef enum:
    HUGE = 1 << 21              # bytes of a huge page


cdef class Block:
    cdef uint8_t *data          # aligned to a cache line unless it is small; large ones to a huge page
    cdef readonly uint64_t size
    cdef void *start            # what was allocated or mapped
    cdef uint64_t mapped        # bytes mapped, 0 for an allocated block
    cdef object lender          # of a borrowed block: the array that the memory belongs to

    cdef void advise(self, uint64_t begin, uint64_t end, bint huge) noexcept
    cdef void drop(self, uint64_t begin, uint64_t end) noexcept
    cdef void shorten(self, uint64_t size) noexcept


cdef class BucketMemory:
    cdef Block block
    cdef Buckets raw            # pointers into it, with no overflow bucket taken yet
    cdef bint huge              # use_huge_pages() was called
    cdef bint lent              # a caller holds views of these arrays: their pages must stay
    cdef uint64_t returned      # bytes of the block, from its start, that the system has again

    cdef object rows_in_use(self, const Buckets *b, record)
    cdef void use_huge_pages(self) noexcept
    cdef bint return_piece(self, uint64_t evacuated) noexcept


cdef class ArenaBlocks:
    cdef list blocks            # keeps them alive: a reader of texts without the lock holds this object
    cdef uint8_t *starts[ARENA_BLOCKS]      # of them: what Arena.blocks points to

    cdef int add(self, array, uint8_t[::1] view, Arena *a) except -1


cdef class FreePlaces:          # indices of the places of a list of objects that are free
    cdef uint64_t *indices
    cdef uint64_t n
    cdef uint64_t room          # for so many

    cdef int make_room(self, uint64_t more) except -1
    cdef void push(self, uint64_t index) noexcept
    cdef uint64_t pop(self) noexcept


cdef Block new_memory(uint64_t size, uint64_t any_from=*, uint64_t any_to=*)
cdef BucketMemory new_buckets(int B, uint64_t value_at, uint64_t stride)
cdef ArenaBlocks new_arena(Arena *a)
cdef Block borrowed(array)
cdef object new_block(uint64_t least, uint64_t last, uint64_t expected)
