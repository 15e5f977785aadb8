"""The core of a frozen map: its memory, and what is saved of it and restored.

    FrozenCore ── owns ──> blocks of memory: remap and pilots, entries, long texts
        │ points with
        v
    Frozen (_kernels/frozen.pxd) ── is what the kernels see

A core is filled once, by freeze.pyx or by _restore(), and never changes: it needs no lock.
"""

import numpy as np

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from pyhmap._convert import codecs

from pyhmap._engine.memory cimport Block
from pyhmap._engine.typed cimport NO_KIND, TypedMap, empty_arena
from pyhmap._kernels.constants cimport SHIFTS
from pyhmap._kernels.frozen cimport Frozen, first_bad_text

cdef enum:
    # Bytes from which on pilots or rows are prefetched: fewer are in the second-level cache anyway.
    PREFETCH_FROM = 1 << 19


cdef uint64_t spare_slots(const Frozen *f) noexcept:
    return <uint64_t> f.nparts * f.slots - f.count


cdef uint64_t index_size(const Frozen *f) noexcept:
    """The bytes of the remap and the pilots."""
    return 4 * spare_slots(f) + <uint64_t> f.nparts * f.buckets


cdef uint32_t *point_into_index(Frozen *f, Block index) noexcept:
    """Set the pointers to the remap, which is returned, and to the pilots behind it."""
    cdef uint32_t *remap = <uint32_t *> index.data
    f.remap = remap
    f.pilots = index.data + 4 * spare_slots(f)
    return remap


cdef object array_of(Block block, uint64_t begin, uint64_t size):
    """A read-only view of some bytes of a block, which it keeps alive."""
    view = np.frombuffer(block, np.uint8, size, begin) if size else np.empty(0, np.uint8)
    view.flags.writeable = False
    return view


cdef Block block_of(array):
    """A block with a copy of an array's bytes."""
    cdef const uint8_t[::1] view = array
    cdef Block block = Block(max(1, len(view)))
    block.advise(0, block.size, True)
    if len(view):
        memcpy(block.data, &view[0], len(view))
    return block


cdef class FrozenCore(TypedMap):
    """The table of :class:`pyhmap.FrozenMap`; use that."""

    def __cinit__(self, *args, **kwargs):
        # An empty map, so that an object that is never filled is safe to use.
        cdef Frozen f
        cdef Block index, entries
        empty_arena(&self.t)
        f.nparts, f.slots, f.buckets, f.count = 1, SHIFTS, 1, 0
        index, entries = Block(index_size(&f)), Block(1)
        point_into_index(&f, index)
        self.install(&f, index, entries, None)

    def _begin(self, key, value, seed):
        """Set the types. The map has no keys until it is filled."""
        if self.key_kind != NO_KIND:
            raise TypeError(f"a {type(self).__name__} cannot be changed: make a new one")
        key_codec, value_codec = codecs.key_codec(key), codecs.value_codec(value)
        for codec in (key_codec, value_codec):
            if codec.form == "object":
                raise TypeError(f"{codec.what}s of type object cannot be frozen: only their bytes would be")
        self.take_seed(seed)
        self.shape_slots(key_codec, value_codec)
        self.take_types(key_codec, value_codec)

    cdef int install(self, const Frozen *f, Block index, Block entries, Block arena) except -1:
        """From here on, this is the map's memory. `f` already points to the index."""
        self.index, self.entries, self.arena = index, entries, arena
        self.f = f[0]
        self.f.entries = entries.data
        self.f.stride, self.f.value_at = self.stride, self.value_at
        self.f.far_pilots, self.f.far_rows = index.size > PREFETCH_FROM, entries.size > PREFETCH_FROM
        self.t.count = f.count
        if arena is not None:
            self.t.arena.current = 0
            self.t.arena.blocks[0] = arena.data
            self.t.arena.used = self.t.arena.size = self.t.arena.live = arena.size
        return 0

    def __len__(self):
        return self.f.count

    @property
    def _settings(self):
        """The settings for another map of these types."""
        return {"seed": self.seed}

    @property
    def nbytes(self):
        """Bytes of the map: its entries, its long texts, and what leads each key to its row.

        >>> import numpy as np
        >>> from pyhmap import FrozenMap
        >>> FrozenMap.from_arrays(np.arange(100_000), np.arange(100_000)).nbytes / 100_000 < 17
        True
        """
        return self.index.size + self.f.count * self.stride + (0 if self.arena is None else self.arena.size)

    def __sizeof__(self):
        """The bytes that ``sys.getsizeof`` returns: of this object and all its memory."""
        return object.__sizeof__(self) + self.nbytes

    def _sizes(self):
        """What the map holds, by name, for pyhmap.debug."""
        return {
            "count": self.f.count,
            "rows": self.f.count * self.stride + self.index.size,
            "texts": 0 if self.arena is None else self.arena.size,
            "blocks": self.index.size + self.entries.size + (0 if self.arena is None else self.arena.size),
        }

    # ---- saved and restored --------------------------------------------------------------------------------------

    def _sections(self):
        """All that the map consists of, beside its types: the hash key; the numbers of rows, of parts, and of slots and
        buckets of a part; and read-only arrays: the remap, the pilots, the entries, the long texts."""
        cdef uint64_t spare = spare_slots(&self.f)
        return (
            (self.t.hash_key[0], self.t.hash_key[1], self.t.hash_key[2], self.t.hash_key[3]),
            (self.f.count, self.f.nparts, self.f.slots, self.f.buckets),
            array_of(self.index, 0, 4 * spare).view(np.uint32),
            array_of(self.index, 4 * spare, <uint64_t> self.f.nparts * self.f.buckets),
            array_of(self.entries, 0, self.f.count * self.stride),
            array_of(self.arena, 0, self.arena.size) if self.arena is not None else np.empty(0, np.uint8),
        )

    def _restore(self, hash_key, shape, remap, pilots, entries, texts):
        """Fill the map with a copy of what ``_sections()`` returned. Raises ``ValueError`` where a look-up could read
        outside of the map; wrong answers are possible after other damage."""
        cdef Frozen f
        cdef Block index, rows, arena = None
        cdef uint64_t words[4]
        cdef uint64_t i
        self.check_initialised()
        for name, numbers in ("hash key", hash_key), ("shape", shape):
            if type(numbers) is not tuple or list(map(type, numbers)) != [int] * 4:     # NumPy's would overflow
                raise ValueError(f"the {name} is no tuple of four ints")
        for i in range(4):
            words[i] = hash_key[i]
        f.count, f.nparts, f.slots, f.buckets = shape
        count, nparts, slots, buckets = shape
        wanted = {
            "remap": (remap, nparts * slots - count, np.uint32),
            "pilots": (pilots, nparts * buckets, np.uint8),
            "entries": (entries, count * self.stride, np.uint8),
            "texts": (texts, None, np.uint8),
        }
        for name, (section, n, dtype) in wanted.items():
            if type(section) is not np.ndarray or section.dtype != dtype or section.ndim != 1:
                raise ValueError(f"{name} are no one-dimensional array of dtype {np.dtype(dtype)}")
            if n is not None and len(section) != n:
                raise ValueError(f"{name} have {len(section)} items, and need {n}")
        if min(nparts, buckets) < 1 or slots < SHIFTS or max(slots, buckets, nparts) >= 1 << 32:
            raise ValueError(f"{nparts} parts of {slots} slots and {buckets} buckets are impossible")
        remap = remap.copy()
        if len(remap) and count and remap.max() >= count:
            raise ValueError(f"item {remap.argmax()} of the remap leads outside of the rows")
        index = block_of(np.concatenate([remap.view(np.uint8), pilots]))
        rows = block_of(entries)
        if len(texts):
            arena = block_of(texts)
        point_into_index(&f, index)
        f.entries, f.stride, f.value_at = rows.data, self.stride, self.value_at
        i = first_bad_text(&f, &self.t, len(texts))
        if i < f.count:
            raise ValueError(f"a text of row {i} is outside of the texts")
        memcpy(self.t.hash_key, words, 32)
        self.install(&f, index, rows, arena)
