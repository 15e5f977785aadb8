# The values of a batch call: those that it is given, and those that it returns.

from libc.stdint cimport uint8_t, uint64_t

from pyhmap._core cimport HMapCore
from pyhmap._engine.batch_items cimport Items
from pyhmap._engine.typed cimport TypedMap
from pyhmap._kernels.constants cimport Status
from pyhmap._kernels.writing cimport Writing


cdef class Values:              # for n keys: n values, or one for all
    cdef Items typed            # as the kernels read them; None if they are objects
    cdef list objects           # one per key; None if there is one for all
    cdef object single

    cdef inline object object_at(self, uint64_t i):
        return self.single if self.objects is None else self.objects[i]

    cdef inline const uint8_t *bytes_at(self, uint64_t i) noexcept:
        return self.typed.data + i * self.typed.step


cdef class Answers:             # an array that receives n values one by one
    cdef object array
    cdef object[::1] objects    # the same array, if the values are objects
    cdef uint8_t[::1] bytes     # its bytes, if they are not
    cdef uint8_t *data
    cdef Items arenas           # keeps the arenas alive that texts point into

    cdef int take(self, HMapCore map, uint64_t i, const uint8_t *stored) except -1
    cdef int take_given(self, HMapCore map, uint64_t i, Values values) except -1
    cdef object finished(self, HMapCore map)


cdef class ObjectValues:        # the object values of a batch of typed keys that is written
    cdef Values given           # the values to store, or the defaults of a removal, or None
    cdef object[::1] answers    # receives the values that are stored or were removed
    cdef bint answering, overwriting
    cdef uint64_t[::1] given_index, stored_index
    cdef list released          # objects that a write replaced or removed, until the map is whole
    cdef uint64_t n_released

    cdef int write(self, HMapCore map, Writing *w, Items keys, uint64_t start, uint64_t stop, uint64_t *done,
                   Status *status) except -1
    cdef int release(self) except -1


cdef Values values_for(TypedMap map, values, uint64_t n)
cdef Values defaults_for(TypedMap map, default, uint64_t n)
cdef Answers answers_for(HMapCore map, uint64_t n)
cdef ObjectValues object_values(Writing *w, Values given, answers, bint overwriting, uint64_t n)
cdef tuple objects_of(codec, items)
cdef int gather(object[::1] out, list objects, const uint64_t *index, uint64_t step) except -1
cdef object missing(key, uint64_t position)
