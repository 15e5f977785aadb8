"""The core of a frozen map: its memory, and what is saved of it and restored.

    FrozenCore ── owns ──> blocks of memory: remap and pilots, entries, long texts
        │ points with
        v
    Frozen (_kernels/frozen.pxd) ── is what the kernels see

A core is filled once, by freeze.pyx, _restore() or _adopt(), and never changes: it needs no lock. It can be closed,
which gives its memory up as soon as no reader holds it: every reader takes memory_of() the map first. The pointers stay
as they are; nobody follows them without the memory.

The memory may be a mapped file. A file that is verified as it is read has a function that verifies a block: a look-up
calls it for the blocks that it is going to read, before it takes the memory.
"""

import numpy as np

cimport cython
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from pyhmap._convert import codecs

from pyhmap._engine.memory cimport Block, borrowed, new_memory
from pyhmap._engine.typed cimport NO_KIND, TypedMap, empty_arena
from pyhmap._kernels.any_key cimport AnyKey
from pyhmap._kernels.constants cimport SHIFTS, TEXT
from pyhmap._kernels.file_blocks cimport (
    NO_FILE_BLOCK,
    unverified_of_codes,
    unverified_of_key,
    unverified_of_keys,
)
from pyhmap._kernels.frozen cimport first_bad_text
from pyhmap._kernels.frozen_layout cimport Frozen
from pyhmap._kernels.text_source cimport TextSource

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
    view.setflags(write=False)
    return view


cdef Block block_of(array):
    """A block with a copy of an array's bytes."""
    cdef const uint8_t[::1] view = array
    cdef Block block = new_memory(max(1, len(view)))
    block.advise(0, block.size, True)
    if len(view):
        memcpy(block.data, &view[0], len(view))
    else:
        block.shorten(0)
    return block


cdef uint64_t own_bytes(Block block) noexcept:
    """The bytes of a block, if they are the process's own: not those of a file, and none of a closed map."""
    return 0 if block is None or block.lender is not None else block.size


cdef int raise_closed(FrozenCore map) except -1:
    map.check_initialised()
    raise ValueError(f"the {map._key_codec.holder} is closed: open its file again, or make it again")


cdef class FrozenCore(TypedMap):
    """The table of :class:`pyhmap.FrozenMap`; use that."""

    def __cinit__(self, *args, **kwargs):
        # An empty map, so that an object that is never filled is safe to use.
        cdef Frozen f
        cdef Block index, entries
        empty_arena(&self.t)
        f.nparts, f.slots, f.buckets, f.count = 1, SHIFTS, 1, 0
        index, entries = new_memory(index_size(&f)), new_memory(1)
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
        self.memory = index, entries, arena
        self.f = f[0]
        self.f.entries = entries.data
        self.f.stride, self.f.value_at = self.stride, self.value_at
        self.f.far_pilots, self.f.far_rows = index.size > PREFETCH_FROM, entries.size > PREFETCH_FROM
        self.t.count = f.count
        if arena is not None:
            self.t.arena.current = 0
            self.texts_start = arena.data
            self.t.arena.blocks = &self.texts_start
            self.t.arena.used = self.t.arena.size = self.t.arena.live = arena.size
        return 0

    @cython.critical_section
    def __len__(self):
        memory_of(self)
        return self.f.count

    @cython.critical_section
    def close(self):
        """Give the memory up, and with it the file, if there is one. From then on every read raises ``ValueError``. A
        read that is under way in another thread keeps what it needs until it is done.

        >>> from pyhmap import HMap
        >>> f = HMap("i8", "i8", {1: 10}).freeze()
        >>> f.close()
        >>> f.closed
        True
        """
        self.memory = self.index = self.entries = self.arena = self.verify_block = None

    @property
    @cython.critical_section
    def closed(self):
        """Whether :meth:`close` was called."""
        return self.memory is None

    def __enter__(self):
        memory_of(self)
        return self

    def __exit__(self, *exception):
        self.close()

    @property
    @cython.critical_section
    def _hash(self):
        """The hash of the content, or None if it is not known."""
        return self.content_hash

    @_hash.setter
    @cython.critical_section
    def _hash(self, number):
        self.content_hash = number

    @property
    def _key_form(self):
        """Which hash the keys have: that of ``"words"`` or of ``"texts"``."""
        return "texts" if self.t.form == TEXT else "words"

    @property
    def _stride(self):
        """Bytes of a row."""
        return self.stride

    @property
    def _value_at(self):
        """Bytes of a row before the value."""
        return self.value_at

    @property
    def _settings(self):
        """The settings for another map of these types."""
        return {"seed": self.seed}

    @property
    @cython.critical_section
    def nbytes(self):
        """Bytes of the map: its entries, its long texts, and what leads each key to its row.

        >>> import numpy as np
        >>> from pyhmap import FrozenMap
        >>> FrozenMap.from_arrays(np.arange(100_000), np.arange(100_000)).nbytes / 100_000 < 17
        True
        """
        memory_of(self)
        return self.index.size + self.f.count * self.stride + (0 if self.arena is None else self.arena.size)

    def __sizeof__(self):
        """The bytes that ``sys.getsizeof`` returns: of this object and all its memory, but for a mapped file's."""
        return object.__sizeof__(self) + self.own_size()

    @cython.critical_section
    cdef uint64_t own_size(self):
        """The bytes of all its memory, but for a mapped file's."""
        return own_bytes(self.index) + own_bytes(self.entries) + own_bytes(self.arena)

    @cython.critical_section
    def _sizes(self):
        """What the map holds, by name, for pyhmap.debug."""
        return {
            "count": 0 if self.memory is None else self.f.count,
            "rows": self.f.count * self.stride + self.index.size if own_bytes(self.index) else 0,
            "texts": own_bytes(self.arena),
            "blocks": own_bytes(self.index) + own_bytes(self.entries) + own_bytes(self.arena),
        }

    # ---- saved and restored --------------------------------------------------------------------------------------

    def _sections(self):
        """All that the map consists of, beside its types: the hash key; the numbers of rows, of parts, and of slots and
        buckets of a part; and read-only arrays: the remap, the pilots, the entries, the long texts."""
        cdef uint64_t spare = spare_slots(&self.f)
        cdef Block index, entries, arena
        self.verify_all()
        index, entries, arena = memory_of(self)
        return (
            (self.t.hash_key[0], self.t.hash_key[1], self.t.hash_key[2], self.t.hash_key[3]),
            (self.f.count, self.f.nparts, self.f.slots, self.f.buckets),
            array_of(index, 0, 4 * spare).view(np.uint32),
            array_of(index, 4 * spare, <uint64_t> self.f.nparts * self.f.buckets),
            array_of(entries, 0, self.f.count * self.stride),
            array_of(arena, 0, arena.size) if arena is not None else np.empty(0, np.uint8),
        )

    def _restore(self, hash_key, shape, remap, pilots, entries, texts):
        """Fill the map with a copy of what ``_sections()`` returned. Raises ``ValueError`` where the sections do not
        belong together; wrong answers are possible after other damage."""
        for name, section, dtype in (
            ("remap", remap, np.uint32), ("pilots", pilots, np.uint8), ("entries", entries, np.uint8),
            ("texts", texts, np.uint8),
        ):
            if type(section) is not np.ndarray or section.dtype != dtype or section.ndim != 1:
                raise ValueError(f"{name} are no one-dimensional array of dtype {np.dtype(dtype)}")
        index = np.concatenate([remap.view(np.uint8), pilots])
        cdef Block arena = block_of(texts) if len(texts) else None
        self.fill(hash_key, shape, block_of(index), block_of(entries), arena, True)

    def _adopt(self, hash_key, shape, index, entries, texts, bint structure):
        """Fill the map with the sections of a file, which stay where they are: read-only arrays of bytes. Raises
        ``ValueError`` as ``_restore()`` does; without ``structure``, only where sizes do not belong together."""
        self.fill(hash_key, shape, borrowed(index), borrowed(entries), borrowed(texts) if len(texts) else None,
                  structure)

    def _verify_with(self, verify_block, blocks, texts_at):
        """From here on, verify each of so many blocks of the file before it is first read: ``verify_block`` takes its
        number and raises if it is damaged. The texts begin so many bytes behind the first block."""
        cdef uint8_t[::1] view
        self.verified = np.zeros(blocks, np.uint8)
        if blocks:
            view = self.verified
            self.v.blocks = &view[0]
        self.v.texts_at = texts_at
        self.verify_block = verify_block

    cdef int fill(self, hash_key, shape, Block index, Block entries, Block arena, bint structure) except -1:
        cdef Frozen f
        cdef uint64_t words[4]
        cdef uint64_t i, size = 0 if arena is None else arena.size
        self.check_initialised()
        for name, numbers in ("hash key", hash_key), ("shape", shape):
            if type(numbers) is not tuple or list(map(type, numbers)) != [int] * 4:     # NumPy's would overflow
                raise ValueError(f"the {name} is no tuple of four ints")
        for i in range(4):
            words[i] = hash_key[i]
        count, nparts, slots, buckets = shape
        if min(nparts, buckets) < 1 or slots < SHIFTS or max(slots, buckets, nparts, count) >= 1 << 32:
            raise ValueError(f"{nparts} parts of {slots} slots and {buckets} buckets are impossible")
        if not 0 <= count <= nparts * slots:
            raise ValueError(f"{count} keys do not fit into {nparts} parts of {slots} slots")
        f.count, f.nparts, f.slots, f.buckets = shape
        for name, given, wanted in (
            ("the remap and the pilots", index.size, 4 * (nparts * slots - count) + nparts * buckets),
            ("entries", entries.size, count * self.stride),
        ):
            if given != wanted:
                raise ValueError(f"{name} have {given} bytes, and need {wanted}")
        if size and (count == 0 or not (self.t.form == TEXT or self.t.text_values)):
            raise ValueError(f"there are {size} bytes of texts, and no text that could be there")
        point_into_index(&f, index)
        f.entries, f.stride, f.value_at = entries.data, self.stride, self.value_at
        if structure:
            remap = array_of(index, 0, 4 * spare_slots(&f)).view(np.uint32)
            if count and len(remap) and remap.max() >= count:
                raise ValueError(f"item {remap.argmax()} of the remap leads outside of the rows")
            i = first_bad_text(&f, &self.t, size)
            if i < f.count:
                raise ValueError(f"a text of row {i} is outside of the texts, or not where the one before it ends")
        memcpy(self.t.hash_key, words, 32)
        return self.install(&f, index, entries, arena)

    # ---- a file that is verified as it is read -------------------------------------------------------------------

    @cython.critical_section
    cdef int verify_key(self, const AnyKey *key) except -1:
        """Before a key is looked up: verify the blocks that its look-up reads."""
        cdef uint64_t block
        while self.verify_block is not None:
            _memory = memory_of(self)
            block = unverified_of_key(&self.f, &self.t, &self.v, key)
            if block == NO_FILE_BLOCK:
                break
            self.verify_block(block)
            self.v.blocks[block] = True
        return 0

    @cython.critical_section
    cdef int verify_keys(self, const void *keys, const TextSource *texts, uint64_t start, uint64_t stop) except -1:
        """verify_key() for many keys."""
        cdef uint64_t block
        while self.verify_block is not None and start < stop:
            _memory = memory_of(self)
            with nogil:
                start = unverified_of_keys(&self.f, &self.t, &self.v, keys, texts, start, stop, &block)
            if block == NO_FILE_BLOCK:
                break
            self.verify_block(block)
            self.v.blocks[block] = True
        return 0

    @cython.critical_section
    cdef int verify_codes(self, const uint32_t *row_at, const int64_t *codes, uint64_t start,
                          uint64_t stop) except -1:
        """Before the keys of codes are read; `row_at` has the row of each code."""
        cdef uint64_t block
        while self.verify_block is not None and start < stop:
            _memory = memory_of(self)
            with nogil:
                start = unverified_of_codes(&self.f, &self.t, &self.v, row_at, codes, start, stop, &block)
            if block == NO_FILE_BLOCK:
                break
            self.verify_block(block)
            self.v.blocks[block] = True
        return 0

    @cython.critical_section
    cdef int verify_all(self) except -1:
        """Before the whole map is read."""
        cdef uint64_t block
        if self.verify_block is not None:
            for block in range(<uint64_t> len(self.verified)):
                if not self.v.blocks[block]:
                    self.verify_block(block)
                    self.v.blocks[block] = True
            self.verify_block = None
        return 0
