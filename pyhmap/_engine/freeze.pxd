# Building frozen maps, as the methods of maps call it.

from libc.stdint cimport uint64_t

from pyhmap._core cimport HMapCore
from pyhmap._engine.batch_items cimport Items
from pyhmap._engine.frozen_core cimport FrozenCore
from pyhmap._engine.memory cimport Block
from pyhmap._kernels.frozen_layout cimport Frozen, PartScratch


cdef class Scratch:
    cdef Block block
    cdef PartScratch raw


cdef bint take_part_sizes(Frozen *f, uint64_t most) noexcept

cdef int freeze_map(FrozenCore target, HMapCore map, threads, progress) except -1
cdef int freeze_items(FrozenCore target, Items keys, Items values, threads, progress, look_for_duplicates) except -1
