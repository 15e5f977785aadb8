# Building frozen maps, as the methods of maps call it.

from pyhmap._core cimport HMapCore
from pyhmap._engine.batch_items cimport Items
from pyhmap._engine.frozen_core cimport FrozenCore

cdef int freeze_map(FrozenCore target, HMapCore map, threads, progress) except -1
cdef int freeze_items(FrozenCore target, Items keys, Items values, threads, progress, look_for_duplicates) except -1
