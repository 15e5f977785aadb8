"""The core of the compiled engine: the table, its growth and shrinking, its arena, and the state that is inspected.

    HMapCore ── owns ──> BucketMemory (now, old while growing), ArenaBlocks, lists of objects
        │ points with
        v
    Table (_kernels/layout.pxd) ── is what the kernels see ──> one_key.pxd, lookup_many.pxd, write_many.pxd, grow.pxd

The core holds the codecs and converts nothing: that is for HMapEngine (_engine/map.pyx), which adds the calls with keys
in them.

The engine's part of the kernel rule: convert what Python brings (which may run any code), wait for the lock, run the
kernel, act on its status (allocate, install, resume), release what growth has emptied. Between the lock and the kernel
no Python code runs and the GIL is kept, so the kernel sees a table that nobody else is changing. Objects that a write
removes are released last, when the table is whole again: their finalisers may use the map.
"""

import sys
import threading
from contextlib import contextmanager

import numpy as np

cimport cython
from cpython.object cimport PyObject
from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcpy

from pyhmap._convert import codecs
from pyhmap._inspect.check import check
from pyhmap._inspect.state import HASH_WRITING, SAME_SIZE_GROW, RawTable, RawTexts, slot_dtype

from pyhmap._engine.forks cimport fork_count
from pyhmap._engine.memory cimport ArenaBlocks, BucketMemory, FreePlaces, new_arena, new_block, new_buckets
from pyhmap._engine.rwlock cimport (
    begin_read,
    begin_write,
    end_read,
    end_write,
    lock_free,
    lock_init,
    wait_to_read,
    wait_to_write,
)
from pyhmap._engine.typed cimport Digest, OBJECT, TypedMap, empty_arena
from pyhmap._kernels.constants cimport (
    EMPTY_ONE,
    EVACUATE_PER_KEY,
    MAX_B,
    MAX_DOUBLINGS,
    NEW_DEN,
    NEW_NUM,
    READS_PER_STEP,
    OBJECT_KEY,
    SHRINK_STEP,
    SLOTS,
    TEXT,
)
from pyhmap._kernels.dispatch cimport evacuate_some, rebuild
from pyhmap._kernels.grow cimport copy_buckets, move_texts, must_grow, over_load, wants_shrink
from pyhmap._kernels.layout cimport DEBUG, Arena, Buckets, ObjectKey, Table, growing, slot_at
from pyhmap._kernels.text cimport arena_has_room

cdef enum:
    # The debug build checks the whole table after each write (a batch is one) to a map of up to CHECK_ALWAYS keys, and
    # after one in CHECK_EACH to one of up to CHECK_OFTEN; a check of a few hundred texts takes a millisecond.
    CHECK_ALWAYS = 24
    CHECK_OFTEN = 512
    CHECK_EACH = 64
    DEAD_MINIMUM = 1 << 16      # dead bytes of an arena worth moving the live ones for
    LAYOUT_VERSION = 1          # of what _memory() names, for pyhmap.debug; changes with the meaning of any name

cdef uint64_t CAPACITY_MAX = 13 * ((<uint64_t> 1 << MAX_B) // 2)

cdef uint64_t no_keys = 0       # the tophashes of a bucket that nobody writes to


cdef class HMapCore(TypedMap):
    """The table of :class:`pyhmap.HMap`; use that."""

    def __cinit__(self, *args, **kwargs):
        # A valid empty table before anything else, so that an object whose __init__ never ran is safe to use.
        lock_init(&self.lock)
        # "hmap" as text, then the version, then the size of the table: eight bytes that nothing else begins with.
        self.layout_mark = <uint64_t> 0x70616d68 | <uint64_t> LAYOUT_VERSION << 32 | <uint64_t> sizeof(Table) << 48
        self.t.now.tophash = <uint8_t *> &no_keys
        self.t.now.nmain = self.t.now.next_row = self.t.now.rows = 1
        empty_arena(&self.t)

    def __dealloc__(self):
        lock_free(&self.lock)

    def __init__(self, key, value, /, *, capacity=0, hash=None, seed=None, hash_cache=None):
        with cython.critical_section(self):
            if self.begun:              # also by another thread that is in here, or by code that this call runs
                raise TypeError("HMap.__init__ was called before: make a new map, or use clear() and update()")
            self.begun = True
        cdef Digest digest = NULL
        try:
            key_codec, value_codec = codecs.key_codec(key), codecs.value_codec(value)
            capsule = codecs.check_hash(key_codec, hash, hash_cache)
            if capsule is not None:
                digest = <Digest> PyCapsule_GetPointer(capsule, codecs.DIGEST_CAPSULE)
            self.begin(key_codec, value_codec, smallest_B(capacity), hash, seed)
            self.cached_digest, self.hash_cache = digest, hash_cache
        except BaseException:
            self.begun = False          # it may be tried again
            raise

    @cython.critical_section
    cdef int begin(self, key_codec, value_codec, int B, hash, seed) except -1:
        """Make an empty table for these types."""
        self.take_seed(seed)
        self.shape_slots(key_codec, value_codec)
        cdef BucketMemory arrays = new_buckets(B, self.value_at, self.stride)
        arrays.use_huge_pages()
        self.hash_name = hash
        self.draw_hash_key(self.t.hash_key)
        self.start_over(arrays, NULL)
        self.floor_B = B
        self.t.xxh64 = hash is not None     # there is no other
        self.take_types(key_codec, value_codec)
        return 0

    # ---- growing and shrinking -------------------------------------------------------------------------------------

    cdef int start_over(self, BucketMemory arrays, const uint64_t *hash_key) except -1:
        """Replace everything by empty arrays, and the hash key if one is given.

        All that is new is made first, since an allocation may run any code. What is replaced stays in the variables,
        and is released on return, when the map is whole.
        """
        cdef BucketMemory old = None
        cdef Arena arena
        cdef ArenaBlocks texts = new_arena(&arena) if self.t.form == TEXT or self.t.text_values else None
        cdef list keys = [] if self.t.form == OBJECT_KEY else None
        cdef list values = [] if self.value_kind == OBJECT else None
        cdef FreePlaces free_keys = None if keys is None else FreePlaces()
        cdef FreePlaces free_values = None if values is None else FreePlaces()
        wait_to_write(&self.lock)
        self.now, arrays = arrays, self.now
        self.old, old = old, self.old
        self.texts, texts = texts, self.texts
        self.key_objects, keys = keys, self.key_objects
        self.value_objects, values = values, self.value_objects
        self.free_keys, self.free_values = free_keys, free_values
        if hash_key != NULL:
            memcpy(self.t.hash_key, hash_key, 32)
        self.t.now = self.now.raw
        self.t.old.tophash = NULL
        self.t.count = 0
        self.t.nevacuate = 0
        if self.texts is not None:
            self.t.arena = arena
        else:
            empty_arena(&self.t)
        self.pop_row = 0
        self.floor_B = 0
        self.rekeyed = False
        self._next_code = 0
        self.other_values = False
        self.version += 1
        self.membership += 1
        return 0

    cdef int start_growth(self, bint huge) except -1:
        """Install the arrays that must_grow() asks for; it is asked again after each step that lets other threads run.

        With huge pages for batches, and small ones for single writes: zeroing a huge page is a stall.
        """
        cdef BucketMemory fresh
        cdef int B
        while must_grow(&self.t):
            B = self.B() + over_load(self.t.count + 1, self.t.now.nmain)
            if B > MAX_B:
                raise OverflowError(f"a table holds at most {CAPACITY_MAX:,} keys: divide the keys among several")
            fresh = new_buckets(B, self.value_at, self.stride)              # may release the GIL
            if huge:
                fresh.use_huge_pages()
            wait_to_write(&self.lock)
            if must_grow(&self.t) and B == self.B() + over_load(self.t.count + 1, self.t.now.nmain):
                if B == self.B():
                    self._same_size_growths += 1
                else:
                    self._growths += 1
                    self.rekeyed = False
                self.begin_evacuation(fresh)
        return 0

    cdef bint grow_at_once(self, uint64_t left, uint64_t seen, uint64_t fresh) except -1:
        """Grow by several doublings at once, for a batch. It has `left` keys still to write; of the `seen` keys since
        its last growth, `fresh` were new. Returns False, with nothing done, where one doubling is better."""
        cdef int B = self.B(), wanted = min(B + MAX_DOUBLINGS, smallest_B(self.t.count + left))
        if (fresh * NEW_DEN < seen * NEW_NUM or not over_load(self.t.count + 1, self.t.now.nmain)
                or wanted <= B + 1 or left * EVACUATE_PER_KEY < self.t.now.nmain):
            return False
        try:
            if not self.try_rebuild(wanted, NULL):
                return False
        except MemoryError:
            return False                # doubling takes less memory
        self._growths += 1
        self.rekeyed = False
        return True

    cdef int shrink_to_fit(self, int least_B) except -1:
        """After a batch that grew by several doublings at once: no larger than single doublings would have made it."""
        cdef int B
        while True:
            B = max(least_B, smallest_B(self.t.count))
            try:
                if B >= self.B() or self.try_rebuild(B, NULL):
                    return 0
            except MemoryError:
                return 0                # the batch is written all the same

    cdef int start_shrink(self, bint huge) except -1:
        """After deletions: install the smaller arrays that wants_shrink() asks for. Returns whether that was done."""
        cdef BucketMemory fresh
        cdef int B = max(self.B() - SHRINK_STEP, self.floor_B)
        try:
            fresh = new_buckets(B, self.value_at, self.stride)          # may release the GIL
        except MemoryError:
            return False                # the key is deleted all the same; a later deletion asks again
        if huge:
            fresh.use_huge_pages()
        wait_to_write(&self.lock)
        if not wants_shrink(&self.t, <uint64_t> 1 << self.floor_B) or B != max(self.B() - SHRINK_STEP, self.floor_B):
            return False
        self._shrinks += 1
        self.begin_evacuation(fresh)
        return True

    cdef int begin_evacuation(self, BucketMemory fresh) except -1:
        """Install fresh arrays, and make the present ones the old ones, which are evacuated to them."""
        fresh.raw.long_chain = self.t.now.long_chain
        _replaced = self.old                # what was not yet returned of the growth before
        self.old = self.now
        self.t.old = self.t.now
        self.now = fresh
        self.t.now = fresh.raw
        self.t.nevacuate = 0
        self.t.moves += 1
        self.pop_row = 0
        self.reads_growing = 0
        self.version += 1                   # now, although the key that starts a growth is inserted later
        return 0

    cdef int try_rebuild(self, int B, const uint64_t *hash_key) except -1:
        """Move every key to fresh arrays at once, with another hash key if one is given. Returns False, with nothing
        done, if writes of other threads came between."""
        cdef BucketMemory fresh
        cdef Buckets raw
        cdef bint fits
        self.end_growth()
        fresh = new_buckets(B, self.value_at, self.stride)
        fresh.use_huge_pages()
        begin_write(&self.lock)
        fits = not growing(&self.t) and not over_load(self.t.count, fresh.raw.nmain)
        if fits:
            if hash_key != NULL:
                memcpy(self.t.hash_key, hash_key, 32)
            raw = fresh.raw
            with nogil:
                rebuild(&self.t, &raw)
            self.now, fresh = fresh, self.now
            self.t.now = raw
            self.t.moves += 1
            self.pop_row = 0
            self.version += 1
        end_write(&self.lock)
        return fits

    cdef int make_room(self, int B) except -1:
        while B > self.B():
            self.try_rebuild(B, NULL)
        return 0

    cdef int rekey(self) except -1:
        """A chain is longer than a random hash makes it: rebuild with another hash key, once at each size. Maps of
        object keys keep theirs: objects that collide have equal hashes, which no hash key tells apart."""
        cdef uint64_t hash_key[4]
        self.t.now.long_chain = False
        if self.t.form != OBJECT_KEY and not self.rekeyed:
            self.rekeyed = True
            self._rekeys += 1
            try:
                self.draw_hash_key(hash_key)
                while not self.try_rebuild(self.B(), hash_key):
                    pass
            except MemoryError:
                self.rekeyed = False    # the key is written all the same; the next long chain asks again
            self.t.now.long_chain = False
        return 0

    # ---- copying ----------------------------------------------------------------------------------------------------

    @cython.critical_section
    def _copy_to(self, HMapCore copy, /):
        """Make a map whose ``__init__`` has not run a copy of this one, array by array. Returns False, with nothing
        done, where inserting each key is better: into fewer buckets, or where the items are objects."""
        cdef BucketMemory fresh
        cdef Arena arena
        cdef ArenaBlocks texts = None, _own_texts
        cdef uint64_t live
        cdef int B
        cdef uint8_t[::1] view
        self.check_initialised()
        if self.t.form == OBJECT_KEY or self.value_kind == OBJECT:
            return False
        while True:
            self.end_growth()
            B, live = self.B(), self.t.arena.live
            if B != smallest_B(self.t.count):
                return False
            fresh = new_buckets(B, self.value_at, self.stride)
            fresh.use_huge_pages()
            if self.texts is not None:
                texts = new_arena(&arena)
                if live:
                    block = new_block(live, 0, live)
                    view = block
                    texts.add(block, view, &arena)
            begin_read(&self.lock)
            if not growing(&self.t) and self.B() == B and self.t.arena.live == live:    # since the arrays were made
                break
            end_read(&self.lock)
        with nogil:
            copy_buckets(&self.t.now, &fresh.raw)
        _own_texts = self.texts          # what the copied slots refer to
        copy.t = self.t
        copy.t.now = fresh.raw
        copy.seed, copy.seed_state, copy.hash_name = self.seed, self.seed_state, self.hash_name
        copy._next_code, copy.other_values, copy.rekeyed = self._next_code, self.other_values, self.rekeyed
        end_read(&self.lock)
        copy.now, copy.texts = fresh, texts
        copy.shape_slots(self._key_codec, self._value_codec)
        if texts is not None:
            with nogil:
                move_texts(&copy.t, &arena)
        copy.begun = True
        copy.take_types(self._key_codec, self._value_codec)
        return True

    # ---- the arena --------------------------------------------------------------------------------------------------

    cdef int extend_arena(self, uint64_t least, uint64_t expected) except -1:
        """Make room in the arena for `least` bytes: add a block, or move the live texts to a new arena. `expected` are
        the bytes that a batch will probably store; 0 for single writes."""
        cdef Arena *a = &self.t.arena
        cdef uint8_t[::1] view
        while not arena_has_room(a, least):
            if a.dead > a.live and a.dead > DEAD_MINIMUM:
                self.move_arena(a.live + least, a.live + expected if expected else 0)
            else:
                block = new_block(least, a.size, expected)     # may release the GIL, as each allocation here
                view = block
                wait_to_write(&self.lock)
                if not arena_has_room(a, least):
                    self.texts.add(block, view, a)
        return 0

    cdef int move_arena(self, uint64_t spare, uint64_t expected) except -1:
        """Move the live texts to a new arena of one block, with `spare` more bytes; for `expected` see new_block()."""
        cdef Arena fresh
        cdef Arena *a = &self.t.arena
        cdef ArenaBlocks blocks = new_arena(&fresh)
        cdef uint64_t live = a.live
        block = new_block(live + spare, 0, expected)
        cdef uint8_t[::1] view = block
        blocks.add(block, view, &fresh)
        begin_write(&self.lock)
        if a.live == live:
            with nogil:
                move_texts(&self.t, &fresh)
            self.texts, blocks = blocks, self.texts
        end_write(&self.lock)
        return 0

    # ---- evacuation: what each call does for a growth ---------------------------------------------------------------

    cdef int release_old(self) except -1:
        """After a kernel that may have ended a growth: release the evacuated arrays."""
        if self.old is not None and not growing(&self.t):
            self.old = None
        return 0

    cdef int release_old_piece(self) except -1:
        """The same piece by piece, and during a growth too, so that no single call stalls."""
        if growing(&self.t):
            self.old.return_piece(self.t.nevacuate)
        elif self.old.return_piece(self.old.raw.nmain):
            self.old = None
        return 0

    cdef int evacuate_on_read(self) except -1:
        """A scalar read has met an old array: one read in READS_PER_STEP evacuates a bucket, so that a map
        which is only read does not keep two arrays indefinitely; none does so while batches read without the GIL."""
        if self.lock.readers == 0 and not self.lock.writing:
            self.reads_growing += 1
            if self.reads_growing % READS_PER_STEP == 0:
                evacuate_some(&self.t, 1)
                self.release_old_piece()
        return 0

    cdef int evacuate(self, uint64_t budget) except -1:
        """Evacuate up to `budget` old buckets, without the GIL."""
        if self.old is not None and budget:     # the table tells only under the lock whether it grows still
            begin_write(&self.lock)
            if growing(&self.t):
                with nogil:
                    evacuate_some(&self.t, budget)
            end_write(&self.lock)
            self.release_old()
        return 0

    cdef int end_growth(self) except -1:
        """Finish the growth. On return the table is settled and safe to read, until the GIL is next released."""
        while True:
            wait_to_read(&self.lock)
            if not growing(&self.t):
                return 0
            self.evacuate(<uint64_t> -1)

    cdef int B(self):
        cdef int B = 0
        while <uint64_t> 1 << B < self.t.now.nmain:
            B += 1
        return B

    # ---- after writes: what growth, the hash key and the size ask for -----------------------------------------------

    cdef int after_write(self, bint keys_changed) except -1:
        """After each scalar write and each batch of writes."""
        self.version += keys_changed
        self.membership += keys_changed
        if self.old is not None:
            self.release_old_piece()
        if self.t.now.long_chain:
            self.rekey()
        if DEBUG and self.t.count <= <uint64_t> (CHECK_OFTEN if self.version % CHECK_EACH == 0 else CHECK_ALWAYS):
            self.check_after_write()
        return 0

    cdef int check_after_write(self) except -1:
        try:
            with self._frozen():
                check(self._state())
        except MemoryError:
            pass                        # of the check, which says nothing about the map
        return 0

    cdef int after_removal(self) except -1:
        """After a scalar write that has removed a key."""
        if self.t.count == 0:
            self.after_last_removal()
        if wants_shrink(&self.t, <uint64_t> 1 << self.floor_B):
            self.start_shrink(False)
        return 0

    cdef int after_last_removal(self) except -1:
        """The map is empty: draw a new hash key, as Go does, so that knowledge of the old one is worthless; and release
        an arena that holds only dead texts."""
        cdef uint64_t hash_key[4]
        cdef Arena arena
        cdef ArenaBlocks texts = None
        try:
            self.draw_hash_key(hash_key)    # may release the GIL
            if self.t.arena.dead > DEAD_MINIMUM:
                texts = new_arena(&arena)   # may run any code
        except MemoryError:
            return 0                        # the key is deleted all the same
        wait_to_write(&self.lock)
        if self.t.count == 0:
            memcpy(self.t.hash_key, hash_key, 32)
            self.membership += 1            # a search of another thread has the old hash
            self._next_code = 0
            self.other_values = False
            if texts is not None:
                self.texts, texts = texts, self.texts       # released on return, when the map is whole
                self.t.arena = arena
        return 0

    # ---- life -----------------------------------------------------------------------------------------------------

    @cython.critical_section
    def __len__(self):
        return self.t.count

    @cython.critical_section
    def clear(self):
        """Remove every key, release the arrays, and draw a new hash key. Room asked for earlier is given up.

        >>> import numpy as np
        >>> from pyhmap import HMap
        >>> m = HMap(np.int64, np.int64, {1: 10})
        >>> m.clear(), len(m)
        (None, 0)
        """
        self.check_initialised()
        cdef uint64_t hash_key[4]
        arrays = new_buckets(0, self.value_at, self.stride)
        self.draw_hash_key(hash_key)
        self.start_over(arrays, hash_key)

    @cython.critical_section
    def reserve(self, n, /):
        """Make room for ``n`` keys in all: the map will not grow before it holds them, and deletion will not shrink it
        below that room, until ``compact()`` or ``clear()``.

        Raises ``TypeError`` unless ``n`` is an int, ``ValueError`` if it is negative, ``OverflowError`` if it is more
        than a map can hold.

        >>> import numpy as np
        >>> from pyhmap import HMap
        >>> m = HMap(np.int64, np.int64)
        >>> m.reserve(1000), m.header().buckets
        (None, 256)
        """
        self.check_initialised()
        cdef int B = smallest_B(n)
        self.make_room(B)
        self.floor_B = max(self.floor_B, B)

    @cython.critical_section
    def _make_room(self, n, /):
        """``reserve()`` without the promise to keep the room."""
        self.make_room(smallest_B(n))

    @cython.critical_section
    def compact(self):
        """Move everything to the smallest arrays that hold it: no needless bucket, no dead text, no unused place of an
        object. Takes the time of one insertion per key, and as much memory again while it runs. Room asked for by
        ``capacity`` or ``reserve()`` is given up.

        Deletion shrinks a map by itself, a little at each write, when less than an eighth of the keys are left that its
        buckets may hold: to a quarter of the buckets, but not below 64 buckets nor below the room asked for.

        >>> import numpy as np
        >>> from pyhmap import HMap
        >>> m = HMap(np.int64, np.int64, ((i, i) for i in range(1000)))
        >>> m.discard_many(np.arange(300, 1000))
        700
        >>> m.header().buckets, m.compact(), m.header().buckets
        (256, None, 64)
        """
        self.check_initialised()
        self.floor_B = 0
        while not self.try_rebuild(smallest_B(self.t.count), NULL):
            pass
        if self.t.arena.current >= 0:
            self.move_arena(0, self.t.arena.live)
        if self.t.form == OBJECT_KEY or self.value_kind == OBJECT:
            self.compact_objects()

    cdef int compact_objects(self) except -1:
        """Renumber the objects, without the free places. The lists are made before the first index changes."""
        cdef list keys, values
        cdef FreePlaces free_keys = None if self.free_keys is None else FreePlaces()
        cdef FreePlaces free_values = None if self.free_values is None else FreePlaces()
        cdef uint64_t n, row, next_key = 0, next_value = 0
        cdef int i
        cdef Buckets *b
        cdef uint64_t *index
        while True:
            n = self.t.count
            keys = [None] * <Py_ssize_t> n if self.t.form == OBJECT_KEY else None
            values = [None] * <Py_ssize_t> n if self.value_kind == OBJECT else None
            self.end_growth()
            wait_to_write(&self.lock)
            if not growing(&self.t) and self.t.count == n:
                break
        b = &self.t.now
        for row in range(b.next_row):
            for i in range(SLOTS):
                if b.tophash[row * SLOTS + i] > EMPTY_ONE:
                    if self.t.form == OBJECT_KEY:
                        index = &(<ObjectKey *> slot_at(b, row, i)).index
                        keys[next_key] = self.key_objects[index[0]]
                        index[0] = next_key
                        next_key += 1
                    if self.value_kind == OBJECT:
                        index = <uint64_t *> (slot_at(b, row, i) + self.value_at)
                        values[next_value] = self.value_objects[index[0]]
                        index[0] = next_value
                        next_value += 1
        self.key_objects, keys = keys, self.key_objects
        self.value_objects, values = values, self.value_objects
        self.free_keys, self.free_values = free_keys, free_values
        self.membership += 1            # indices that searches have found are stale
        return 0

    @cython.critical_section
    def finish_growth(self):
        """Evacuate the rest of the old arrays and release them. Takes time in proportion to what is left.

        >>> import numpy as np
        >>> from pyhmap import HMap
        >>> m = HMap(np.int64, np.int64, ((i, i) for i in range(27)))
        >>> m.header().oldbuckets, m.finish_growth(), m.header().oldbuckets
        (4, None, 0)
        """
        self.end_growth()
        self.release_old()

    @cython.critical_section
    def _evacuate(self, buckets, /):
        """Evacuate up to so many old buckets, for tests that look at each step."""
        self.evacuate(buckets)

    # ---- looking inside -------------------------------------------------------------------------------------------

    @property
    def _settings(self):
        """The settings for another map of these types."""
        return {"hash": self.hash_name, "seed": self.seed}

    @cython.critical_section
    def _state(self, lend=False):
        """Views of the live arrays, as a RawTable. They are valid while nobody writes; with ``lend`` indefinitely: then
        the arrays are released as a whole, when nobody holds them any more."""
        self.check_initialised()
        wait_to_read(&self.lock)
        self.now.lent |= bool(lend)
        # Making arrays runs Python code, in which other threads may write: copy what belongs together first.
        cdef Table t = self.t
        cdef BucketMemory now = self.now, old = self.old
        cdef int B = self.B()
        same_size = growing(&t) and t.old.nmain == t.now.nmain
        flags = (SAME_SIZE_GROW if same_size else 0) | (HASH_WRITING if self.lock.writing else 0)
        counters = self._growths, self._same_size_growths, self._shrinks, self._rekeys
        # In variables, too: Cython passes an attribute to a call without a reference of its own.
        blocks = [] if self.texts is None else self.texts.blocks
        key_objects, value_objects = self.key_objects or [], self.value_objects or []
        texts = RawTexts(blocks, t.arena.used, t.arena.live, t.arena.dead)
        record = slot_dtype(self._key_codec, self._value_codec, self.value_at, self.stride)
        old_arrays, returned = None, 0
        if growing(&t):
            old_arrays = old.rows_in_use(&t.old, record)
            returned = old.returned
        key = t.hash_key[0], t.hash_key[1], t.hash_key[2], t.hash_key[3]
        return RawTable(
            t.count, flags, B, t.nevacuate if old_arrays else 0, key, now.rows_in_use(&t.now, record), old_arrays,
            self._key_codec, self._value_codec, *counters, self.hash_name, texts, key_objects, value_objects, returned,
        )

    @cython.critical_section
    def _memory(self):
        """Where the table's fields lie in this object: name -> (offset from id(self), size), in bytes."""
        cdef Table *t = &self.t
        cdef uint64_t start = <uint64_t> <PyObject *> self
        return {
            "layout mark": (<uint64_t> &self.layout_mark - start, sizeof(self.layout_mark)),
            "now.tophash": (<uint64_t> &t.now.tophash - start, sizeof(t.now.tophash)),
            "now.slots": (<uint64_t> &t.now.slots - start, sizeof(t.now.slots)),
            "now.overflow": (<uint64_t> &t.now.overflow - start, sizeof(t.now.overflow)),
            "now.nmain": (<uint64_t> &t.now.nmain - start, sizeof(t.now.nmain)),
            "now.next_row": (<uint64_t> &t.now.next_row - start, sizeof(t.now.next_row)),
            "now.nfree": (<uint64_t> &t.now.nfree - start, sizeof(t.now.nfree)),
            "old.tophash": (<uint64_t> &t.old.tophash - start, sizeof(t.old.tophash)),
            "old.nmain": (<uint64_t> &t.old.nmain - start, sizeof(t.old.nmain)),
            "count": (<uint64_t> &t.count - start, sizeof(t.count)),
            "nevacuate": (<uint64_t> &t.nevacuate - start, sizeof(t.nevacuate)),
            "hash_key": (<uint64_t> &t.hash_key - start, sizeof(t.hash_key)),
            "whole table": (<uint64_t> t - start, sizeof(Table)),
        }

    def __sizeof__(self):
        """The bytes that ``sys.getsizeof`` returns: of this object, its arrays as they were allocated, its long texts,
        and the lists that refer to objects, but not of the objects themselves. Rows that were never used count,
        although they take no memory; ``nbytes`` leaves them out.

        >>> import sys, numpy as np
        >>> from pyhmap import HMap
        >>> m = HMap(np.int64, np.int64, capacity=1_000_000)
        >>> sys.getsizeof(m) > m.nbytes > 1_000_000 * 16
        True
        """
        cdef list lists
        cdef uint64_t places
        with cython.critical_section(self):
            lists = [self.key_objects, self.value_objects, None if self.texts is None else self.texts.blocks]
            places = 0 if self.free_keys is None else self.free_keys.room
            places += 0 if self.free_values is None else self.free_values.room
        size = object.__sizeof__(self) + self._sizes()["blocks"]
        return size + sum(sys.getsizeof(each) for each in lists if each is not None) + 8 * places

    @cython.critical_section
    def _sizes(self):
        """What the map holds, by name, for pyhmap.debug. Cheap, and never waits: during a batch write of another thread
        the figures may be from different moments."""
        cdef Table *t = &self.t
        old_block, old_rows, returned, texts = 0, 0, 0, 0
        if self.texts is not None:
            for block in self.texts.blocks:
                texts += len(block)
        if self.old is not None:
            old_block, returned = self.old.block.size, self.old.returned
            old_rows = t.old.next_row if growing(t) else self.old.raw.nmain
        return {
            "count": t.count,
            "row_bytes": SLOTS + SLOTS * self.stride + 4,
            "main_rows": t.now.nmain,
            "rows": t.now.next_row,
            "old_rows": old_rows,               # in use, of the arrays that are or were evacuated
            "returned": returned,               # bytes of them that the system has again
            "texts": texts - (t.arena.size - t.arena.used),
            "live_texts": t.arena.live,
            "blocks": (0 if self.now is None else self.now.block.size) + old_block + texts,
        }

    @contextmanager
    def _frozen(self):
        """While inside, writes by other threads wait and writes by this one raise RuntimeError. In a child process that
        is forked meanwhile, the lock is free."""
        cdef unsigned long forks
        cdef long me = threading.get_ident()
        with cython.critical_section(self):
            begin_read(&self.lock)
            forks = fork_count()
            outermost = self.lock.held_by != me
            self.lock.held_by = me
        try:
            yield
        finally:
            with cython.critical_section(self):
                if outermost and self.lock.held_by == me:   # else a check of another thread has begun since
                    self.lock.held_by = 0
                if forks == fork_count():
                    end_read(&self.lock)


cdef int smallest_B(capacity) except -1:
    """The smallest B whose 2^B buckets hold so many keys without growing."""
    if not isinstance(capacity, (int, np.integer)):
        raise TypeError(f"capacity {capacity!r} is of type {type(capacity).__name__}: give an int")
    if capacity < 0:
        raise ValueError(f"capacity {capacity} is negative: give the number of keys to make room for")
    if capacity > CAPACITY_MAX:
        raise OverflowError(f"capacity {capacity:,} is more than a table can hold ({CAPACITY_MAX:,} keys): divide them")
    cdef int B = 0
    while over_load(capacity, <uint64_t> 1 << B):
        B += 1
    return B
