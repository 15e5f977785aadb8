"""The engine of an id map: the table of _kernels/codes.pxd, its growth, and the calls with keys and codes in them.

    IndexEngine ── owns ──> Blocks (buckets, keys), ArenaBlocks
        │ points with
        v
    Codes (_kernels/codes.pxd) ── is what the kernels see

The engine's part of the kernel rule is that of _core.pyx. It is simpler here: keys are only added, so the key of a code
never changes, and what a reader has seen stays true. Growth replaces both arrays at once, and leaves the old ones to
those who hold views of them.
"""

import operator

import numpy as np

cimport cython
from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcpy

from pyhmap._convert import codecs
from pyhmap._inspect.codes import RawCodes, check
from pyhmap._inspect.state import RawTexts

from pyhmap._engine.batch_items cimport Items, empty_keys, finished_keys, items_of, keys_of, values_of
from pyhmap._engine.batch_write cimport without_nulls
from pyhmap._engine.freeze cimport freeze_items
from pyhmap._engine.frozen_core cimport FrozenCore
from pyhmap._engine.memory cimport Block, new_arena, new_block, new_memory
from pyhmap._engine.one_item cimport key_from, key_object
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
from pyhmap._engine.typed cimport NO_KIND, TypedMap
from pyhmap._kernels.any_key cimport AnyKey
from pyhmap._kernels.codes cimport (
    BUCKET,
    Codes,
    NO_CODE,
    encode_keys,
    fill_buckets,
    find_any_code,
    gather_keys,
    load_any,
    load_first,
)
from pyhmap._kernels.constants cimport (
    CHANGED,
    CHUNK,
    CODES_PER_BUCKET,
    FOUND,
    MAX_CODES_B,
    MAX_DOUBLINGS,
    NEED_ARENA,
    NEED_GROWTH,
    NEW_DEN,
    NEW_NUM,
    RELEASE_GIL_FROM,
    Status,
    TEXT,
)
from pyhmap._kernels.layout cimport DEBUG, Text
from pyhmap._kernels.text cimport arena_bytes, arena_has_room

cdef enum:
    CHECK_UP_TO = 64            # keys of an index that the debug build checks as a whole after each write

cdef uint64_t MOST = <uint64_t> CODES_PER_BUCKET << MAX_CODES_B


cdef Block bucket_block(int B):
    cdef Block block = new_memory(<uint64_t> BUCKET << B)
    block.advise(0, block.size, True)
    return block


cdef class IndexEngine(TypedMap):
    """The compiled methods of :class:`pyhmap.HIndex`; use that."""

    def __cinit__(self, *args, **kwargs):
        # A valid empty table before anything else, so that an object whose __init__ never ran is safe to use.
        lock_init(&self.lock)
        self.texts = new_arena(&self.t.arena)
        self.width = 16
        self.install(0, bucket_block(0), new_memory(CODES_PER_BUCKET * self.width))

    def __dealloc__(self):
        lock_free(&self.lock)

    def _begin(self, key, seed):
        """Set the type of the keys."""
        if self.key_kind != NO_KIND:
            raise TypeError("HIndex.__init__ was called before: make a new index")
        key_codec, value_codec = codecs.key_codec(key, "index"), codecs.value_codec("V0")
        if key_codec.form == "object":
            raise TypeError("keys of type object have no index: number them by HMap(object, np.int64).factorize()")
        self.take_seed(seed)
        self.shape_slots(key_codec, value_codec)
        self.draw_hash_key(self.t.hash_key)
        self.width = self.value_at
        self.take_types(key_codec, value_codec)

    cdef int install(self, int B, Block buckets, Block column) except -1:
        """From here on, these are the table's arrays. What they replace is released on return."""
        self.buckets, buckets = buckets, self.buckets
        self.column, column = column, self.column
        self.c.B = B
        self.c.nbuckets = <uint64_t> 1 << B
        self.c.most = <uint64_t> CODES_PER_BUCKET << B
        self.c.buckets = self.buckets.data
        self.c.keys = self.column.data
        return 0

    cdef int resize(self, int B) except -1:
        """Replace the arrays by those of 2^B buckets, unless another thread has, or has added too many keys."""
        cdef Block buckets, column
        cdef Codes other
        cdef int first_B = self.c.B
        if B > MAX_CODES_B:
            raise OverflowError(f"an index holds at most {MOST:,} keys: divide the keys among several")
        buckets = bucket_block(B)
        column = new_memory((<uint64_t> CODES_PER_BUCKET << B) * self.width)
        column.advise(0, column.size, True)
        other.B, other.nbuckets, other.buckets = B, <uint64_t> 1 << B, buckets.data
        begin_write(&self.lock)
        if self.c.B == first_B and self.c.count <= <uint64_t> CODES_PER_BUCKET << B:
            with nogil:
                fill_buckets(&self.c, &other)
                memcpy(column.data, self.c.keys, self.c.count * self.width)
            self.install(B, buckets, column)
        end_write(&self.lock)
        return 0

    cdef int grow(self, uint64_t left, bint all_new) except -1:
        """Make room for a key, and for `left` in all if they will probably all be new: by several doublings at once."""
        cdef int B = self.c.B + 1
        while all_new and B < self.c.B + MAX_DOUBLINGS and <uint64_t> CODES_PER_BUCKET << B < self.c.count + left:
            B += 1
        try:
            return self.resize(B)
        except MemoryError:
            if B == self.c.B + 1:
                raise
        return self.resize(self.c.B + 1)                # takes less memory

    cdef int shrink(self, int least_B) except -1:
        """After a batch that grew by several doublings at once: no larger than single doublings would have made it."""
        cdef int B = self.c.B
        while B > least_B and self.c.count <= <uint64_t> CODES_PER_BUCKET << (B - 1):
            B -= 1
        if B < self.c.B:
            try:
                self.resize(B)
            except MemoryError:
                return 0                                # the keys are added all the same
        return 0

    cdef int extend_arena(self, uint64_t least, uint64_t expected) except -1:
        """Make room in the arena for `least` bytes; see HMapCore."""
        cdef uint8_t[::1] view
        while not arena_has_room(&self.t.arena, least):
            block = new_block(least, self.t.arena.size, expected)       # may release the GIL
            view = block
            wait_to_write(&self.lock)
            if not arena_has_room(&self.t.arena, least):
                self.texts.add(block, view, &self.t.arena)
        return 0

    # ---- from keys to codes ---------------------------------------------------------------------------------------

    @cython.critical_section
    def __len__(self):
        return self.c.count

    @cython.critical_section
    def __getitem__(self, key):
        cdef AnyKey k
        cdef int64_t code
        _owner = key_from(self, key, &k)
        wait_to_read(&self.lock)
        code = find_any_code(&self.c, &self.t, &k)
        if code == NO_CODE:
            raise KeyError(key)
        return code

    @cython.critical_section
    def __contains__(self, key):
        cdef AnyKey k
        _owner = key_from(self, key, &k)
        wait_to_read(&self.lock)
        return find_any_code(&self.c, &self.t, &k) != NO_CODE

    @cython.critical_section
    def get(self, key, default=None, /):
        """The code of ``key``, or ``default`` if it has none.

        >>> from pyhmap import HIndex
        >>> ix = HIndex(str, ["a"])
        >>> ix.get("a"), ix.get("b"), ix.get("b", -1)
        (0, None, -1)
        """
        cdef AnyKey k
        cdef int64_t code
        _owner = key_from(self, key, &k)
        wait_to_read(&self.lock)
        code = find_any_code(&self.c, &self.t, &k)
        return default if code == NO_CODE else code

    def encode(self, keys, add=True):
        """The codes of n keys. New keys get the next codes, in order.

        Parameters
        ----------
        keys
            n keys in one dimension: an array of any memory layout, a sequence, or an Arrow column.
        add
            Whether keys without a code get one.

        Returns
        -------
        int64 array of shape (n,)
            Codes from 0 on. A null has the code -1, and so has, without ``add``, a key without a code.

        Raises
        ------
        TypeError, OverflowError
            The key type cannot hold a key; the message names its position, and no key is added. ``OverflowError`` also
            for more keys than an index holds (3.2 * 10^9).
        ValueError
            ``keys`` is not one-dimensional.
        MemoryError
            There is no memory for more keys. Those before that point are added.

        Examples
        --------
        >>> from pyhmap import HIndex
        >>> ix = HIndex(str)
        >>> ix.encode(["b", "a", "b"]), ix.encode(["c", "a"])
        (array([0, 1, 0]), array([2, 1]))
        >>> ix.encode(["a", "d"], add=False)
        array([ 1, -1])
        """
        self.check_initialised()
        cdef Items keys_given = keys_of(self, keys, False)
        cdef Items batch = keys_given
        nulls = batch.valid is not None and not batch.valid.all()
        if nulls:
            batch = without_nulls(keys_given)
        codes = np.empty(batch.n, np.int64)
        if batch.n:
            encode_all(self, batch, items_of(codes, 8), bool(add))
        if not nulls:
            return codes
        all_codes = np.full(keys_given.n, NO_CODE, np.int64)
        all_codes[keys_given.valid] = codes
        return all_codes

    # ---- from codes to keys ---------------------------------------------------------------------------------------

    def key(self, code, /):
        """The key of a code. Raises ``IndexError`` if no key has it, even for a negative code.

        >>> from pyhmap import HIndex
        >>> HIndex(str, ["a", "b"]).key(1)
        'b'
        """
        cdef AnyKey k
        cdef uint64_t at
        number = operator.index(code)
        with cython.critical_section(self):
            wait_to_read(&self.lock)
            if not 0 <= number < self.c.count:
                raise IndexError(f"code {number}: the index has {self.c.count:,} keys, whose codes begin with 0")
            at = number
            load_any(&self.c, &self.t, at, &k)
            return key_object(self, &k)

    def _keys_at(self, codes, joined):
        """The keys of n codes, a contiguous int64 array, as batch calls return them; with ``joined``, texts as
        ``joined_texts`` does. If no key has one of the codes: its position, an int."""
        cdef const int64_t[::1] given = codes
        cdef uint64_t n = len(given), at = 0, stop, done = 0
        cdef uint8_t[::1] out
        keys = empty_keys(self, n)
        if n:
            out = keys.reshape(-1).view(np.uint8)
        _texts = self.texts                             # what the answers point to
        with cython.critical_section(self):
            while at < n:
                stop = min(n, at + CHUNK)
                begin_read(&self.lock)
                if n < RELEASE_GIL_FROM:
                    done = gather_keys(&self.c, &self.t, &given[at], stop - at, &out[at * self.width])
                else:
                    with nogil:
                        done = gather_keys(&self.c, &self.t, &given[at], stop - at, &out[at * self.width])
                end_read(&self.lock)
                if done < stop - at:
                    return at + done
                at = stop
                PyErr_CheckSignals()
        return finished_keys(self, keys, joined)

    @cython.critical_section
    cdef Block first_keys(self, uint64_t *n):
        """The column of this moment, and how many keys it has."""
        wait_to_read(&self.lock)
        n[0] = self.c.count
        return self.column

    def _labels(self, joined):
        """All keys in the order of their codes; see ``_keys_at()``. Read-only where it is a view."""
        cdef uint64_t n
        self.check_initialised()
        column = self.first_keys(&n)
        if self.t.form != TEXT:
            words = np.frombuffer(column, f"u{self.width}", n)
            words.setflags(write=False)
            return finished_keys(self, words, joined)
        _texts = self.texts                             # what the answers point to
        return finished_keys(self, self.loaded_texts(n), joined)

    cdef object loaded_texts(self, uint64_t n):
        """The first n keys, of an index of texts, as empty_keys() has room for them."""
        cdef const uint64_t[:, ::1] view
        keys = empty_keys(self, n)
        if n:
            view = keys
            with cython.critical_section(self):
                begin_read(&self.lock)
                with nogil:
                    load_first(&self.c, &self.t, n, <Text *> &view[0, 0])
                end_read(&self.lock)
        return keys

    @cython.critical_section
    def __iter__(self):
        self.check_initialised()
        cdef KeyIterator iterator = KeyIterator.__new__(KeyIterator)
        iterator.index, iterator.stop = self, self.c.count
        return iterator

    # ---- freezing -------------------------------------------------------------------------------------------------

    def _freeze_into(self, FrozenCore target not None, threads, progress):
        """Fill an empty frozen map from keys to codes."""
        cdef Items keys = Items()
        cdef uint64_t n
        self.check_initialised()
        column = self.first_keys(&n)
        if self.t.form == TEXT:
            keys.keep_arena(self.texts)
            array = self.loaded_texts(n)
        else:
            array = np.frombuffer(column, f"u{self.width}", n)
        keys.take_array(array, self.width)
        keys.texts.texts = <const Text *> keys.data
        freeze_items(target, keys, values_of(target, np.arange(n), n), threads, progress, None)

    # ---- looking inside -------------------------------------------------------------------------------------------

    @property
    def value_dtype(self):
        """The type of the codes.

        >>> from pyhmap import HIndex
        >>> HIndex("i4").value_dtype
        dtype('int64')
        """
        return np.dtype(np.int64)

    @property
    @cython.critical_section
    def nbytes(self):
        """Bytes of the index: its buckets, one key per code, and the long texts. Room that was never used is left out.

        >>> import numpy as np
        >>> from pyhmap import HIndex
        >>> HIndex(np.int64, np.arange(3 << 10)).nbytes / (3 << 10) < 20
        True
        """
        return self.buckets.size + self.c.count * self.width + self.t.arena.live

    @property
    def _settings(self):
        """The settings for another index of this type."""
        return {"seed": self.seed}

    def __sizeof__(self):
        """The bytes that ``sys.getsizeof`` returns: of this object and its arrays as they were allocated."""
        return object.__sizeof__(self) + self._sizes()["blocks"]

    @cython.critical_section
    def _sizes(self):
        """What the index holds, by name, for pyhmap.debug."""
        texts = 0
        for block in self.texts.blocks:
            texts += len(block)
        return {
            "count": self.c.count,
            "room": self.c.most,
            "rows": self.buckets.size + self.c.count * self.width,
            "texts": texts - (self.t.arena.size - self.t.arena.used),
            "blocks": self.buckets.size + self.column.size + texts,
        }

    def _state(self):
        """A copy of the table at one moment, as RawCodes."""
        cdef uint8_t[::1] buckets, keys
        cdef uint64_t count = 0, room, key_room
        self.check_initialised()
        texts = None
        while texts is None:            # all that is new first, since an allocation may run any code
            with cython.critical_section(self):
                room, key_room = self.buckets.size, self.column.size
            words, column = np.empty(room, np.uint8), np.empty(key_room, np.uint8)
            buckets, keys = words, column
            with cython.critical_section(self):
                wait_to_read(&self.lock)
                if room == self.buckets.size and key_room == self.column.size:
                    count = self.c.count
                    memcpy(&buckets[0], self.c.buckets, self.buckets.size)
                    memcpy(&keys[0], self.c.keys, count * self.width)
                    texts = RawTexts(list(self.texts.blocks), self.t.arena.used, self.t.arena.live, self.t.arena.dead)
        hash_key = self.t.hash_key[0], self.t.hash_key[1], self.t.hash_key[2], self.t.hash_key[3]
        return RawCodes(count, words.reshape(-1, BUCKET), column[:count * self.width], hash_key, self._key_codec, texts)

    def check(self):
        """Check that each code is in the table once, where a look-up of its key finds it. Raises ``CorruptMapError``.

        >>> from pyhmap import HIndex
        >>> HIndex(str, ["a", "b"]).check()
        """
        check(self._state())

    cdef int after_write(self) except -1:
        if DEBUG and self.c.count <= CHECK_UP_TO:
            try:
                check(self._state())
            except MemoryError:
                pass                # of the check, which says nothing about the index
        return 0


@cython.critical_section
cdef int encode_all(IndexEngine index, Items keys, Items codes, bint add) except -1:
    """The codes of n keys, from 1 on and without nulls, to an array."""
    cdef int64_t *out = <int64_t *> codes.data
    cdef uint64_t n = keys.n, at = 0, stop, done
    cdef uint64_t grown_at = 0, count_then = index.c.count      # at the last growth of this batch, or its start
    cdef int first_B = index.c.B
    cdef Status status = FOUND
    while at < n:
        stop = min(n, at + CHUNK)
        if add:
            begin_write(&index.lock)
        else:
            begin_read(&index.lock)
        if n < RELEASE_GIL_FROM:
            done = encode_keys(&index.c, &index.t, keys.data, at, stop, add, out, &status)
        else:
            with nogil:
                done = encode_keys(&index.c, &index.t, keys.data, at, stop, add, out, &status)
        if add:
            end_write(&index.lock)
        else:
            end_read(&index.lock)
        at = done
        if status == NEED_GROWTH:
            index.grow(n - at, (index.c.count - count_then) * NEW_DEN >= (at - grown_at) * NEW_NUM)
            grown_at, count_then = at, index.c.count
        elif status == NEED_ARENA:
            needed = arena_bytes(keys.texts.texts + at)
            index.extend_arena(needed, needed * (n - at))       # as if the rest were as long
        elif status == CHANGED:
            raise RuntimeError(f"keys[{at}] was changed by another thread while it was being stored: pass a copy")
        PyErr_CheckSignals()
    if add:
        index.shrink(first_B)
        index.after_write()
    return 0


cdef class KeyIterator:
    """The keys in the order of their codes: those that had one when the iteration began."""
    cdef IndexEngine index
    cdef uint64_t code, stop

    def __iter__(self):
        return self

    @cython.critical_section
    def __length_hint__(self):
        return self.stop - self.code

    def __next__(self):
        cdef AnyKey k
        with cython.critical_section(self, self.index):     # which never changes
            wait_to_read(&self.index.lock)
            if self.code == self.stop:
                raise StopIteration
            load_any(&self.index.c, &self.index.t, self.code, &k)
            self.code += 1
            return key_object(self.index, &k)
