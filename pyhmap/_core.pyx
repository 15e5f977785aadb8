"""The compiled engine of the map: owns the arrays, the gate and the counters; the kernels do the walking.

    HMapCore ── owns ──> BucketArrays (now, old while growing), ArenaBlocks, lists of objects
        │ points with
        v
    Table (_layout.pxd) ── is what the kernels see ──> _ops.pxd (one key), _batch*.pxd (many), _grow.pxd

Its part of the kernel rule: convert what Python brings (which may run any code), wait at the gate, run the kernel, act
on the status (allocate, install, resume), let go of what growth has emptied. Between the gate and the kernel no Python
code runs and the GIL is not given up, so the kernel sees a table nobody else is changing. Objects that a write removes
are released last, when the table is whole again: their finalisers may use the map.
"""

import os
import threading
from contextlib import contextmanager

import numpy as np

from cpython.object cimport PyObject
from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.stdint cimport uint64_t
from libc.string cimport memcpy

from pyhmap import _codecs, introspect

from pyhmap._arrays cimport ArenaBlocks, BucketArrays, new_block
from pyhmap._forms cimport evacuate_some, rebuild
from pyhmap._gate cimport (
    begin_read,
    begin_write,
    end_read,
    end_write,
    gate_free,
    gate_init,
    wait_to_read,
    wait_to_write,
)
from pyhmap._grow cimport move_texts, must_grow, over_load, wants_shrink
from pyhmap._layout cimport DEBUG, Arena, Buckets, Reference, Table, growing, slot_at
from pyhmap._text cimport arena_has_room
from pyhmap._types cimport (
    EMPTY_ONE,
    EVACUATE_PER_KEY,
    Form,
    JUMP,
    MAX_B,
    NEW_DEN,
    NEW_NUM,
    READS_PER_STEP,
    REFERENCE,
    SHRINK_STEP,
    SLOTS,
    TEXT,
    WORD32,
    WORD64,
)

cdef enum:
    GROWING_FLAG = 8            # same-size growth, as in Go's flags
    WRITING_FLAG = 4
    # The debug build checks the whole table after each scalar write to a small map, and after one in 64 to one of
    # middling size; a check of a few hundred texts takes a millisecond.
    CHECK_ALWAYS = 24
    CHECK_OFTEN = 512
    CHECK_EACH = 64
    DEAD_MINIMUM = 1 << 16      # dead bytes of an arena worth moving the live ones for
    LAYOUT_VERSION = 1          # of what _memory() names, for pyhmap.debug: another number when a meaning changes

cdef uint64_t CAPACITY_MAX = 13 * ((<uint64_t> 1 << MAX_B) // 2)
FORMS = {"word32": WORD32, "word64": WORD64, "text": TEXT, "object": REFERENCE}


# How many maps there ever were in this process, and how many are gone: their births and deaths, for pyhmap.debug.
cdef uint64_t maps_made = 0, maps_gone = 0


def map_counts():
    """Maps made and maps gone since the process began."""
    return maps_made, maps_gone


cdef Kind kind_of(codec):
    if codec.dtype is str:
        return Kind.STR
    if codec.dtype is bytes:
        return Kind.BYTES
    if codec.dtype is object:
        return Kind.OBJECT
    kind = codec.dtype.kind if codec.size == 8 and isinstance(codec, _codecs.WordCodec) else ""
    return {"i": Kind.INT, "u": Kind.UINT, "f": Kind.FLOAT}.get(kind, Kind.OTHER)


cdef class HMapCore:
    """Life, growth and inspection of :class:`pyhmap.HMap`; use that."""

    def __cinit__(self, *args, **kwargs):
        global maps_made
        maps_made += 1
        # A valid empty table before anything else, so that an object whose __init__ never ran is safe to use.
        gate_init(&self.gate)
        # "hmap" as text, then the version, then the size of the table: eight bytes that nothing else begins with.
        self.layout_mark = <uint64_t> 0x70616d68 | <uint64_t> LAYOUT_VERSION << 32 | <uint64_t> sizeof(Table) << 48
        self.value_at, self.stride = 8, 16
        self.t.value_size = 8
        self.install(BucketArrays(0, 8, 16))

    def __dealloc__(self):
        global maps_gone
        maps_gone += 1
        gate_free(&self.gate)

    def __init__(self, key, value, items=None, /, *, capacity=0, hash=None, seed=None, hash_cache=None):
        if self.key_kind != NO_KIND:
            raise TypeError("HMap.__init__ was called before: make a new map, or use clear() and update()")
        if seed is not None and not isinstance(seed, (int, np.integer)):
            raise TypeError(f"seed={seed!r}: give an int, or None for a random one")
        key_codec, value_codec = _codecs.key_codec(key), _codecs.value_codec(value)
        capsule = _codecs.check_hash(key_codec, hash, hash_cache)
        # A text or an object's index in a slot must be aligned: then a 4-byte key takes the 8 bytes' form.
        wide = value_codec.form in ("text", "object") and key_codec.form == "word32"
        cdef int form = FORMS["word64" if wide else key_codec.form]
        cdef uint64_t value_at = 4 if form == WORD32 else 8 if form == WORD64 else 16
        cdef uint64_t alignment = 4 if form == WORD32 else 8
        cdef uint64_t stride = (value_at + <uint64_t> value_codec.size + alignment - 1) // alignment * alignment
        cdef int B = buckets_for(capacity)
        cdef BucketArrays arrays = BucketArrays(B, value_at, stride)
        arrays.use_huge_pages()
        self.seed, self.hash_name = seed, hash
        self.seed_state = 0 if seed is None else int(seed) & 0xFFFFFFFFFFFFFFFF
        self.draw_hash_key(self.t.hash_key)
        self.t.form = <Form> form
        self.t.value_size = value_codec.size
        self.value_at, self.stride = value_at, stride
        self.install(arrays)
        self.floor_B = B
        self._key_codec, self._value_codec = key_codec, value_codec
        self.value_kind = kind_of(value_codec)
        self.key_kind = kind_of(key_codec)
        self.t.float_keys = self.key_kind == FLOAT
        self.t.text_values = value_codec.form == "text"
        self.t.xxh64 = hash == "xxh64"
        if capsule is not None:
            self.cached_digest = <Digest> PyCapsule_GetPointer(capsule, _codecs.DIGEST_CAPSULE)
            self.hash_cache = hash_cache
        if items is not None:
            self.update(items)

    # ---- the table: installing arrays, growing, letting go ---------------------------------------------------------

    cdef int install(self, BucketArrays arrays) except -1:
        """Start over with empty arrays. What they replace is released on return, when the map is whole."""
        _replaced = self.key_objects, self.value_objects, self.texts, self.now, self.old
        self.now = arrays
        self.old = None
        self.t.now = arrays.raw
        self.t.old.tophash = NULL
        self.t.count = 0
        self.t.nevacuate = 0
        self.texts = ArenaBlocks()
        empty_arena(&self.t.arena)
        self.key_objects, self.value_objects, self.free_keys, self.free_values = [], [], [], []
        self.pop_row = 0
        self.floor_B = 0
        self.rekeyed = False
        self.version += 1
        self.membership += 1
        return 0

    cdef int draw_hash_key(self, uint64_t *hash_key) except -1:
        cdef uint64_t words[4]
        cdef int i
        if self.seed is None:
            drawn = os.urandom(32)
            memcpy(words, <const unsigned char *> drawn, 32)
        else:
            for i in range(4):
                words[i] = splitmix64(&self.seed_state)
        for i in range(4):
            hash_key[i] = words[i] | (i > 0)     # multipliers must be odd
        return 0

    cdef int start_growth(self, bint huge) except -1:
        """Install the arrays that must_grow asks for; asked again after each step that lets other threads run.

        In huge pages for batches; in small ones for single writes, since zeroing a huge page is a stall of up to 1 ms.
        """
        cdef BucketArrays fresh
        cdef int B
        while must_grow(&self.t):
            B = self.B() + over_load(self.t.count + 1, self.t.now.nmain)
            if B > MAX_B:
                raise OverflowError(f"HMap holds at most {CAPACITY_MAX:,} keys")
            fresh = BucketArrays(B, self.value_at, self.stride)             # may give up the GIL
            if huge:
                fresh.use_huge_pages()
            wait_to_write(&self.gate)
            if must_grow(&self.t) and B == self.B() + over_load(self.t.count + 1, self.t.now.nmain):
                if B == self.B():
                    self._same_size_growths += 1
                else:
                    self._growths += 1
                    self.rekeyed = False
                self.move_to(fresh)
        return 0

    cdef bint jump(self, uint64_t left, uint64_t seen, uint64_t fresh) except -1:
        """Grow by several doublings at once in a batch that has `left` keys to go and in which, of the `seen` keys
        since its last growth, `fresh` were new. Returns whether that was done; doubling is for all other cases."""
        cdef int B = self.B(), wanted = min(B + JUMP, buckets_for(self.t.count + left))
        if (fresh * NEW_DEN < seen * NEW_NUM or not over_load(self.t.count + 1, self.t.now.nmain)
                or wanted <= B + 1 or left * EVACUATE_PER_KEY < self.t.now.nmain):
            return False
        try:
            if not self.rebuilt(wanted, NULL):
                return False
        except MemoryError:
            return False                # doubling takes less
        self._growths += 1
        self.rekeyed = False
        return True

    cdef int fit(self, int least_B) except -1:
        """After a batch that jumped: no larger than doubling would have made it."""
        cdef int B
        while True:
            B = max(least_B, buckets_for(self.t.count))
            if B >= self.B() or self.rebuilt(B, NULL):
                return 0

    cdef int start_shrink(self, bint huge) except -1:
        """After deletions: install the smaller array that wants_shrink asks for. Returns whether that was done."""
        cdef BucketArrays fresh
        cdef int B = max(self.B() - SHRINK_STEP, self.floor_B)
        try:
            fresh = BucketArrays(B, self.value_at, self.stride)         # may give up the GIL
        except MemoryError:
            return False                # the key is deleted all the same; a later deletion asks again
        if huge:
            fresh.use_huge_pages()
        wait_to_write(&self.gate)
        if not wants_shrink(&self.t, <uint64_t> 1 << self.floor_B) or B != max(self.B() - SHRINK_STEP, self.floor_B):
            return False
        self._shrinks += 1
        self.move_to(fresh)
        return True

    cdef int move_to(self, BucketArrays fresh) except -1:
        """Begin to evacuate the present array to a fresh one."""
        fresh.raw.long_chain = self.t.now.long_chain
        _replaced = self.old                # what was not yet given back of the growth before
        self.old = self.now
        self.t.old = self.t.now
        self.now = fresh
        self.t.now = fresh.raw
        self.t.nevacuate = 0
        self.t.moves += 1
        self.pop_row = 0
        self.reads_growing = 0
        self.version += 1                   # the new key that starts a growth comes later; iterators must stop now
        return 0

    cdef int rebuilt(self, int B, const uint64_t *hash_key) except -1:
        """Move every key to a fresh array at once, by another hash key if one is given. Returns False, with nothing
        done, if other threads' writes came between."""
        cdef BucketArrays fresh
        cdef Buckets raw
        cdef bint fits
        self.settle()
        fresh = BucketArrays(B, self.value_at, self.stride)
        fresh.use_huge_pages()
        begin_write(&self.gate)
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
        end_write(&self.gate)
        return fits

    cdef int make_room(self, int B) except -1:
        while B > self.B():
            self.rebuilt(B, NULL)
        return 0

    cdef int rekey(self) except -1:
        """A chain is longer than an honest hash makes it: move to another hash key, once at each size. Objects keep
        theirs: those that still collide have equal hashes, which no key tells apart."""
        cdef uint64_t hash_key[4]
        self.t.now.long_chain = False
        if self.t.form != REFERENCE and not self.rekeyed:
            self.rekeyed = True
            self._rekeys += 1
            self.draw_hash_key(hash_key)
            while not self.rebuilt(self.B(), hash_key):
                pass
            self.t.now.long_chain = False
        return 0

    cdef int more_arena(self, uint64_t least, uint64_t expected) except -1:
        """Make room in the arena for so many bytes, the first of those that a batch is expected to bring (0 for single
        writes): a further block, or the live texts moved to a new arena."""
        cdef Arena *a = &self.t.arena
        cdef unsigned char[::1] block
        while not arena_has_room(a, least):
            if a.dead > a.live and a.dead > DEAD_MINIMUM:
                self.move_arena(a.live + least, a.live + expected if expected else 0)
            else:
                block = new_block(least, a.size, expected)     # may give up the GIL, like each allocation here
                wait_to_write(&self.gate)
                if not arena_has_room(a, least):
                    self.texts.add(block, a)
        return 0

    cdef int move_arena(self, uint64_t spare, uint64_t expected) except -1:
        """Move the live texts to a new arena of one block with so many bytes to spare; see new_block()."""
        cdef Arena fresh
        cdef Arena *a = &self.t.arena
        cdef ArenaBlocks blocks = ArenaBlocks()
        cdef uint64_t live = a.live
        cdef unsigned char[::1] block = new_block(live + spare, 0, expected)
        fresh.current = -1
        fresh.live = fresh.dead = 0
        blocks.add(block, &fresh)
        begin_write(&self.gate)
        if a.live == live:
            with nogil:
                move_texts(&self.t, &fresh)
            self.texts, blocks = blocks, self.texts
        end_write(&self.gate)
        return 0

    cdef int let_go(self) except -1:
        """After a kernel that may have ended a growth: release the emptied array."""
        if self.old is not None and not growing(&self.t):
            self.old = None
        return 0

    cdef int let_go_piece(self) except -1:
        """The same a piece at a time, while growing too, so that no single call stalls."""
        if growing(&self.t):
            self.old.give_back(self.t.nevacuate)
        elif self.old.give_back(self.old.raw.nmain):
            self.old = None
        return 0

    cdef int read_meets_growth(self) except -1:
        """A scalar read while there is an old array. One in READS_PER_STEP does a piece of the work, so that a map
        which is only read does not keep two arrays for ever; none does while batches read without the GIL."""
        if self.gate.readers == 0 and not self.gate.writing:
            self.reads_growing += 1
            if self.reads_growing % READS_PER_STEP == 0:
                evacuate_some(&self.t, 1)
                self.let_go_piece()
        return 0

    cdef int spend(self, uint64_t budget) except -1:
        """Evacuate so many old buckets, without the GIL."""
        if growing(&self.t) and budget:
            begin_write(&self.gate)
            with nogil:
                evacuate_some(&self.t, budget)
            end_write(&self.gate)
            self.let_go()
        return 0

    cdef int settle(self) except -1:
        """Finish the growth. On return the table is not growing and safe to read, until the GIL is next given up."""
        while True:
            wait_to_read(&self.gate)
            if not growing(&self.t):
                return 0
            self.spend(<uint64_t> -1)

    cdef int B(self):
        cdef int B = 0
        while <uint64_t> 1 << B < self.t.now.nmain:
            B += 1
        return B

    cdef int written(self, bint keys_changed) except -1:
        """After each scalar write."""
        self.version += keys_changed
        self.membership += keys_changed
        if self.old is not None:
            self.let_go_piece()
        if self.t.now.long_chain:
            self.rekey()
        if DEBUG and self.t.count <= (CHECK_OFTEN if self.version % CHECK_EACH == 0 else CHECK_ALWAYS):
            with self._frozen():
                introspect.check(self._state())
        return 0

    cdef int removed(self) except -1:
        """After a scalar write that may have removed a key."""
        if self.t.count == 0:
            self.emptied()
        if wants_shrink(&self.t, <uint64_t> 1 << self.floor_B):
            self.start_shrink(False)
        return 0

    cdef int emptied(self) except -1:
        """The last key was deleted: draw the hash key anew, as Go does, so that what somebody found out about it is
        worth nothing; and let go of an arena that holds dead texts only."""
        cdef uint64_t hash_key[4]
        self.draw_hash_key(hash_key)        # may give up the GIL
        wait_to_write(&self.gate)
        if self.t.count == 0:
            memcpy(self.t.hash_key, hash_key, 32)
            self.membership += 1            # a key that was sought meanwhile has the old hash
            if self.t.arena.dead > DEAD_MINIMUM:
                _released, self.texts = self.texts, ArenaBlocks()
                empty_arena(&self.t.arena)
        return 0

    cdef int check_initialised(self) except -1:
        if self.key_kind == NO_KIND:
            raise RuntimeError("HMap.__init__ was not called")
        return 0

    # ---- life -----------------------------------------------------------------------------------------------------

    def __len__(self):
        return self.t.count

    def clear(self):
        """Remove every key, release the arrays, and draw a new hash key."""
        self.check_initialised()
        cdef uint64_t hash_key[4]
        arrays = BucketArrays(0, self.value_at, self.stride)
        self.draw_hash_key(hash_key)        # may give up the GIL
        wait_to_write(&self.gate)
        memcpy(self.t.hash_key, hash_key, 32)
        self.install(arrays)

    def reserve(self, n, /):
        """Make room for ``n`` keys in all, so that the map will not grow before it holds them, and deletion will not
        shrink it below that room; until ``compact()`` or ``clear()``."""
        self.check_initialised()
        cdef int B = buckets_for(n)
        self.make_room(B)
        self.floor_B = max(self.floor_B, B)

    def _make_room(self, n, /):
        """``reserve()`` without the promise to keep the room."""
        self.make_room(buckets_for(n))

    def compact(self):
        """Move everything to the smallest arrays that hold it: fewer buckets, no overflow bucket that is not needed, no
        dead texts, no empty places of objects. Takes the time of an insertion a key, and as much memory again while
        it runs. Room asked for by ``capacity`` or ``reserve()`` is given up.

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
        while not self.rebuilt(buckets_for(self.t.count), NULL):
            pass
        if self.t.arena.current >= 0:
            self.move_arena(0, self.t.arena.live)
        if self.t.form == REFERENCE or self.value_kind == OBJECT:
            self.compact_objects()

    cdef int compact_objects(self) except -1:
        """Renumber the objects, without the free places. Runs no Python code."""
        cdef list keys = [], values = []
        cdef uint64_t row
        cdef unsigned i
        cdef Buckets *b
        cdef uint64_t *index
        self.settle()
        wait_to_write(&self.gate)
        if growing(&self.t):
            return 0                    # another thread's write came between: then not
        b = &self.t.now
        for row in range(b.next_row):
            for i in range(SLOTS):
                if b.tophash[row * SLOTS + i] > EMPTY_ONE:
                    if self.t.form == REFERENCE:
                        index = &(<Reference *> slot_at(b, row, i)).index
                        keys.append(self.key_objects[index[0]])
                        index[0] = len(keys) - 1
                    if self.value_kind == OBJECT:
                        index = <uint64_t *> (slot_at(b, row, i) + self.value_at)
                        values.append(self.value_objects[index[0]])
                        index[0] = len(values) - 1
        self.key_objects, self.value_objects, self.free_keys, self.free_values = keys, values, [], []
        self.membership += 1            # whoever holds an index must seek again
        return 0

    def finish_growth(self):
        """Evacuate what is left of the old array and release it."""
        self.settle()
        self.let_go()

    def _evacuate(self, buckets, /):
        """Evacuate so many old buckets, for tests that look at each step."""
        self.spend(buckets)

    # ---- looking inside -------------------------------------------------------------------------------------------

    @property
    def key_dtype(self):
        """The type of the keys: a dtype, or ``str``, ``bytes`` or ``object``."""
        self.check_initialised()
        return self._key_codec.dtype

    @property
    def value_dtype(self):
        """The type of the values: a dtype, or ``str``, ``bytes`` or ``object``."""
        self.check_initialised()
        return self._value_codec.dtype

    @property
    def _settings(self):
        """What another map of the same kind is made with."""
        return {"hash": self.hash_name, "seed": self.seed}

    def _state(self, lend=False):
        """Views of the live arrays, as introspect.RawTable. They are good while nobody writes or, with ``lend``, for
        ever: the arrays are then released whole, and not before their last holder lets go of them."""
        self.check_initialised()
        wait_to_read(&self.gate)
        self.now.lent |= bool(lend)
        # Making arrays runs Python code, in which other threads may write: hold what belongs together first.
        cdef Table t = self.t
        cdef BucketArrays now = self.now, old = self.old
        cdef int B = self.B()
        flags = (GROWING_FLAG if growing(&t) and t.old.nmain == t.now.nmain else 0) | (
            WRITING_FLAG if self.gate.writing else 0)
        counters = self._growths, self._same_size_growths, self._shrinks, self._rekeys
        texts = introspect.RawTexts(self.texts.blocks, t.arena.used, t.arena.live, t.arena.dead)
        objects = self.key_objects, self.value_objects
        record = introspect.slot_dtype(self._key_codec, self._value_codec, self.value_at, self.stride)
        old_arrays, given_back = None, 0
        if growing(&t):
            old_arrays = old.rows_in_use(&t.old, record)
            given_back = old.given_back
        key = t.hash_key[0], t.hash_key[1], t.hash_key[2], t.hash_key[3]
        return introspect.RawTable(
            t.count, flags, B, t.nevacuate if old_arrays else 0, key, now.rows_in_use(&t.now, record), old_arrays,
            self._key_codec, self._value_codec, *counters, self.hash_name, texts, *objects, given_back,
        )

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

    def _sizes(self):
        """What the map holds, for pyhmap.debug, by name. Cheap, and never waits: beside a batch write of another thread
        the figures may be of two moments."""
        cdef Table *t = &self.t
        texts = sum([block.nbytes for block in self.texts.blocks])
        old_block, old_rows, given_back = 0, 0, 0
        if self.old is not None:
            old_block, given_back = self.old.block.size, self.old.given_back
            old_rows = t.old.next_row if growing(t) else self.old.raw.nmain
        return {
            "count": t.count,
            "row_bytes": SLOTS + SLOTS * self.stride + 4,
            "main_rows": t.now.nmain,
            "rows": t.now.next_row,
            "old_rows": old_rows,               # in use, of the array that is or was evacuated
            "given_back": given_back,           # bytes of it
            "texts": texts - (t.arena.size - t.arena.used),
            "live_texts": t.arena.live,
            "blocks": self.now.block.size + old_block + texts,
        }

    @contextmanager
    def _frozen(self):
        """While inside, writes by other threads wait and writes by this one raise RuntimeError."""
        begin_read(&self.gate)
        cdef long me = threading.get_ident()
        outermost = self.gate.held_by != me
        self.gate.held_by = me
        try:
            yield
        finally:
            if outermost and self.gate.held_by == me:   # else another thread's check began since
                self.gate.held_by = 0
            end_read(&self.gate)


cdef inline void empty_arena(Arena *a) noexcept:
    a.current = -1
    a.used = a.size = a.live = a.dead = 0


cdef int buckets_for(capacity) except -1:
    """The smallest B whose 2^B buckets hold so many keys without growing."""
    if not isinstance(capacity, (int, np.integer)):
        raise TypeError(f"capacity {capacity!r} is of type {type(capacity).__name__}: give an int")
    if capacity < 0:
        raise ValueError(f"capacity {capacity} is negative")
    if capacity > CAPACITY_MAX:
        raise OverflowError(f"capacity {capacity:,} is more than an HMap can hold ({CAPACITY_MAX:,} keys)")
    cdef int B = 0
    while over_load(capacity, <uint64_t> 1 << B):
        B += 1
    return B


cdef inline uint64_t splitmix64(uint64_t *state):
    """Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (2014): turns a seed into four keys."""
    state[0] += <uint64_t> 0x9E3779B97F4A7C15
    cdef uint64_t z = state[0]
    z = (z ^ (z >> 30)) * <uint64_t> 0xBF58476D1CE4E5B9
    z = (z ^ (z >> 27)) * <uint64_t> 0x94D049BB133111EB
    return z ^ (z >> 31)
