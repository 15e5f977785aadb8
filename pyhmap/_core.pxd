# The core's fields and methods. Cython wants each cdef method declared here, also those that only the core calls.

from libc.stdint cimport int64_t, uint64_t

from pyhmap._engine.memory cimport BucketMemory, FreePlaces
from pyhmap._engine.rwlock cimport RWLock
from pyhmap._engine.typed cimport TypedMap


cdef class HMapCore(TypedMap):
    cdef bint begun                 # __init__ runs, or has run
    cdef uint64_t layout_mark       # identifies the layout to a reader of this object's memory
    cdef RWLock lock
    cdef BucketMemory now
    cdef BucketMemory old           # None unless growing, or grown and not yet returned as a whole
    cdef list key_objects           # object keys and values, by index; freed places hold None
    cdef list value_objects
    cdef FreePlaces free_keys, free_values
    cdef uint64_t version           # changes whenever keys come, go, or begin to move: iterators compare it
    cdef uint64_t membership        # changes whenever keys come or go: what a search has found is valid until then
    cdef uint64_t pop_row           # where popitem() continues its search
    cdef public int64_t _next_code  # of factorize(): larger than every code it has given since the map was empty
    cdef bint other_values          # a value that factorize() did not give may be _next_code or larger
    cdef int floor_B                # deletion does not shrink below this: room that was asked for
    cdef bint rekeyed               # at this size, because of a chain too long for a random hash
    cdef uint64_t reads_growing     # scalar reads that met a growth
    cdef uint64_t _growths, _same_size_growths, _shrinks, _rekeys
    cdef object hash_name

    cdef int begin(self, key_codec, value_codec, int B, hash, seed) except -1
    # growing and shrinking
    cdef int start_over(self, BucketMemory arrays, const uint64_t *hash_key) except -1
    cdef int start_growth(self, bint huge) except -1
    cdef bint grow_at_once(self, uint64_t left, uint64_t seen, uint64_t fresh) except -1
    cdef int shrink_to_fit(self, int least_B) except -1
    cdef int start_shrink(self, bint huge) except -1
    cdef int begin_evacuation(self, BucketMemory fresh) except -1
    cdef int try_rebuild(self, int B, const uint64_t *hash_key) except -1
    cdef int make_room(self, int B) except -1
    cdef int rekey(self) except -1
    # the arena
    cdef int extend_arena(self, uint64_t least, uint64_t expected) except -1
    cdef int move_arena(self, uint64_t spare, uint64_t expected) except -1
    # evacuation
    cdef int release_old(self) except -1
    cdef int release_old_piece(self) except -1
    cdef int evacuate_on_read(self) except -1
    cdef int evacuate(self, uint64_t budget) except -1
    cdef int end_growth(self) except -1
    # after writes
    cdef int after_write(self, bint keys_changed) except -1
    cdef int check_after_write(self) except -1
    cdef int after_removal(self) except -1
    cdef int after_last_removal(self) except -1
    # the rest
    cdef int compact_objects(self) except -1
    cdef int B(self)
