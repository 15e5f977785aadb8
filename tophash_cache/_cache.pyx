"""The cache and its bounded storage.

Owns `TopHashCache`.

    hash(key) --- off, in bypass, or in half of a trial -------------------> hash directly
       |----- the very object that is held -----------------------------> the int object held; one bit says "used"
       |----- another type, or too long --------------------------------> hash directly
       `----- str or bytes ---> dict: hit ------------------------------> the int object held; one bit says "used"
                                  miss --> hash --> room, or seen before? --> store (evicting by CLOCK)

A span is the number of look-ups (or direct calls) until the controller is asked again. One counter, `_left`, counts
down in both cases, and hits are computed as look-ups without misses. So a hit writes that counter and at most one bit.
The clock is read only between the stretches of a trial, never for a single call.

Threads and re-entrancy. The GIL makes code atomic as long as it runs no Python code. Asking the controller runs Python
code and creates objects, so a finaliser or another thread may call any method meanwhile. Such a function first prepares
everything, then checks that the state it started from is still current, then changes all fields without running Python
code. All storage is behind one reference, so `clear` replaces it as a whole.
"""

from collections import deque
from time import perf_counter_ns as clock

import numpy as np

from _hmap_bytes.arrow_column import is_arrow
from tophash_cache import config
from tophash_cache._arrow import hash_arrow
from tophash_cache.containers import items_of
from tophash_cache.controller import STRETCHES, Controller, Mode
from tophash_cache.stats import CacheInfo, CacheStats, Transition

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from cpython.pycapsule cimport PyCapsule_New
from cpython.unicode cimport PyUnicode_GET_LENGTH
from libc.stdint cimport int64_t, uint8_t, uint64_t, uintptr_t
from libc.string cimport memset

from _hmap_bytes.xxh64 cimport xxh64_bytes
from tophash_cache._hashing cimport hash_array, hash_object, hash_sequence, hash_text


# Declared here on a pointer: with Cython's own declaration the dict is an object, whose references are counted.
cdef extern from "Python.h":
    """
    #include <stddef.h>
    /* sys.getsizeof of an exact str or bytes, without the UTF-8 copy that a str may have. */
    static Py_ssize_t tophash_size_of(PyObject *key) {
        if (PyBytes_Check(key))
            return offsetof(PyBytesObject, ob_sval) + PyBytes_GET_SIZE(key) + 1;
        Py_ssize_t head = PyUnicode_IS_ASCII(key) ? sizeof(PyASCIIObject) : sizeof(PyCompactUnicodeObject);
        return head + (PyUnicode_GET_LENGTH(key) + 1) * PyUnicode_KIND(key);
    }
    """
    PyObject *PyDict_GetItemWithError(PyObject *entries, object key) except? NULL
    Py_ssize_t size_of "tophash_size_of"(object key)


# A bit in `places`: the hand has spared the key of this slot.
cdef uint64_t WAS_USED = <uint64_t>1 << 63
# 2^64 over the golden ratio: the high bits of its multiples are evenly distributed (Knuth, section 6.4, Fibonacci
# hashing).
cdef uint64_t GOLDEN = <uint64_t>0x9E3779B97F4A7C15


cdef enum:
    # Go's minTopHash: smaller values are states of a slot.
    MIN_TOPHASH = 5
    # "Used" bits per entry. Entries that share a bit both stay a little longer; with 8 bits per entry, some 12 % do.
    BITS_PER_ENTRY = 8
    # Low bits of an object's address that are always 0: the interpreter aligns objects to 16 bytes.
    ADDRESS_ZEROS = 4
    # Places in `held` per entry. If two keys need the same place, the later one has it, and the other is found through
    # the dict: in a full store, one key in five (with half as many places, one in three).
    HELD_PER_ENTRY = 2
    # The doorkeeper's bits per entry, and the first sightings per entry after which it is emptied. A sighting sets two
    # bits. Before it is emptied, both bits of 1 in 70 new keys are set by other keys.
    SIGHTING_BITS_PER_ENTRY = 32
    SIGHTINGS_PER_ENTRY = 2
    # Keys do not repeat if there is fewer than one second sighting per so many first ones. A scan has one per 70, by
    # the error above.
    SELDOM = 16
    # Changes of mode that stats() keeps.
    TRANSITIONS = 64
    # sys.getsizeof() of an int of 61 to 64 bits: nearly every digest.
    INT_BYTES = 36


# ---------------------------------------------------------------------------------------------------------------------
# Storage
# ---------------------------------------------------------------------------------------------------------------------

cdef inline bint test_and_set(uint8_t *bits, uint64_t place) noexcept nogil:
    """Set a bit, and return whether it was set. Writes only if it was not."""
    cdef uint8_t bit = <uint8_t>(1 << (place & 7))
    if bits[place >> 3] & bit:
        return True
    bits[place >> 3] |= bit
    return False


cdef class Store:
    """Digests by key, at most `capacity`: CLOCK eviction, and a doorkeeper when it is full.

    The slots form a ring of keys in the order of their insertion. The hand of the clock goes round: a key whose "used"
    bit is set stays and loses the bit; the first key without it is evicted. The doorkeeper admits a key to a full store
    at its second sighting only, so a scan, which never repeats, evicts nothing. While keys do repeat, a new key may at
    its first sighting replace the key at the hand if that was never used. So the keys of a past scan are soon replaced.

    str and bytes have separate dicts. Equal contents have equal hashes, so one dict would compare them, which is slow
    and, under `python -bb`, an error.

    In front of the dicts is a table by the address of the key object. A key object in the store cannot have been freed,
    so an object with its address is that object, and its type, length and content need not be checked. Programs that
    keep their keys ask again with the same objects, and this is faster than a look-up in a dict.

    Sources: CLOCK, F. J. Corbato, "A paging experiment with the Multics system", 1968; the doorkeeper, Einziger,
    Friedman and Manes, "TinyLFU: a highly efficient cache admission policy", 2017, section 3.4.2.
    """

    cdef dict texts             # str -> digest
    cdef dict blobs             # bytes -> digest
    cdef list keys              # slot -> key
    cdef Py_ssize_t capacity    # the most slots
    cdef Py_ssize_t used        # slots in use
    cdef Py_ssize_t hand        # the first slot of the next sweep
    cdef uint64_t[::1] places   # slot -> place of its "used" bit, which saves a sweep the look-ups; and WAS_USED
    cdef uint8_t[::1] bits      # the "used" bits
    cdef uint64_t bit_mask
    cdef uint64_t[::1] held     # the addresses of a key in `keys` and of its digest, side by side; 0 if there is none
    cdef int held_shift         # unused bits of a mixed address
    cdef uint8_t[::1] sightings  # the doorkeeper: a Bloom filter with two bits per key seen since it was emptied
    cdef uint64_t sighting_mask
    cdef Py_ssize_t sighted     # first sightings since it was emptied
    cdef Py_ssize_t resighted   # second sightings since then
    cdef Py_ssize_t evictions
    cdef Py_ssize_t rejected

    def __cinit__(self, Py_ssize_t capacity):
        cdef Py_ssize_t rounded = 1 << max(capacity - 1, 1).bit_length()  # a power of two, for the masks
        self.texts = {}
        self.blobs = {}
        self.keys = []
        self.capacity = capacity
        self.places = np.zeros(max(capacity, 1), np.uint64)
        self.bits = np.zeros(rounded * BITS_PER_ENTRY // 8, np.uint8)
        self.bit_mask = rounded * BITS_PER_ENTRY - 1
        self.held = np.zeros(2 * rounded * HELD_PER_ENTRY, np.uint64)
        self.held_shift = 65 - (rounded * HELD_PER_ENTRY).bit_length()
        self.sightings = np.zeros(rounded * SIGHTING_BITS_PER_ENTRY // 8, np.uint8)
        self.sighting_mask = rounded * SIGHTING_BITS_PER_ENTRY - 1

    cdef Py_ssize_t size(self) noexcept:
        return len(self.texts) + len(self.blobs)

    cdef Py_ssize_t nbytes(self):
        """The bytes of everything that the store keeps alive."""
        cdef Py_ssize_t slot, total = self.size() * INT_BYTES
        for slot in range(self.used):
            total += size_of(self.keys[slot])
        for container in (self.texts, self.blobs, self.keys):
            total += container.__sizeof__()
        return total + 8 * (self.places.shape[0] + self.held.shape[0]) + self.bits.shape[0] + self.sightings.shape[0]

    cdef inline uint64_t *place_of(self, PyObject *key) noexcept:
        """The place in `held` of a key object: the high bits of its address times GOLDEN."""
        return &self.held[<uint64_t><uintptr_t>key * GOLDEN >> self.held_shift << 1]

    cdef inline PyObject *find_held(self, PyObject *key) noexcept:
        """The digest of a key object, if this very object is in `held`; otherwise NULL."""
        cdef uint64_t *place = self.place_of(key)
        return <PyObject *><uintptr_t>place[1] if place[0] == <uint64_t><uintptr_t>key else NULL

    cdef inline uint64_t place(self, PyObject *number) noexcept:
        """The place of the "used" bit of a digest: by the address of its int, which needs no access to memory."""
        return <uint64_t><uintptr_t>number >> ADDRESS_ZEROS & self.bit_mask

    cdef inline void mark(self, PyObject *number) noexcept:
        """Set the "used" bit of a digest."""
        test_and_set(&self.bits[0], self.place(number))

    cdef bint seen_before(self, uint64_t digest) noexcept:
        """Whether the doorkeeper has seen a key. Marks the key as seen."""
        cdef bint low = test_and_set(&self.sightings[0], digest & self.sighting_mask)
        cdef bint high = test_and_set(&self.sightings[0], digest >> 32 & self.sighting_mask)
        if low and high:
            self.resighted += 1
            return True
        self.sighted += 1
        if self.sighted >= SIGHTINGS_PER_ENTRY * self.capacity:
            memset(&self.sightings[0], 0, self.sightings.shape[0])
            self.sighted = self.resighted = 0
        return False

    cdef int add(self, object key, uint64_t digest, object number) except -1:
        """Store a missed key if there is room, if it was seen before, or if keys repeat and the one at the hand was
        never used."""
        cdef dict entries = self.texts if type(key) is str else self.blobs
        cdef Py_ssize_t slot
        cdef uint64_t *place
        if self.used < self.capacity:
            slot = self.used
            if slot == len(self.keys):
                self.keys.append(None)
            entries[key] = number
            self.used += 1
        elif not self.seen_before(digest) and (self.resighted * SELDOM < self.sighted or self.hand_was_used()):
            self.rejected += 1
            return 0
        else:
            entries[key] = number
            slot = self.sweep()
            old = self.keys[slot]
            place = self.place_of(<PyObject *>old)
            if place[0] == <uint64_t><uintptr_t><PyObject *>old:
                place[0] = 0
            (self.texts if type(old) is str else self.blobs).pop(old, None)
            self.evictions += 1
        self.keys[slot] = key
        self.places[slot] = self.place(<PyObject *>number)
        place = self.place_of(<PyObject *>key)
        place[0], place[1] = <uint64_t><uintptr_t><PyObject *>key, <uint64_t><uintptr_t><PyObject *>number
        return 0

    cdef bint hand_was_used(self) noexcept:
        """Whether the key at the hand was ever used."""
        cdef uint64_t place = self.places[self.hand]
        if place & WAS_USED:
            return True
        return self.bits[place >> 3] >> (place & 7) & 1

    cdef Py_ssize_t sweep(self) noexcept:
        """The slot to empty. Ends within two rounds of the hand: after the first, no bit is set."""
        cdef Py_ssize_t slot
        cdef uint64_t place
        cdef uint8_t bit
        while True:
            slot = self.hand
            self.hand = slot + 1 if slot + 1 < self.used else 0
            place = self.places[slot] & ~WAS_USED
            bit = <uint8_t>(1 << (place & 7))
            if not self.bits[place >> 3] & bit:
                return slot
            self.bits[place >> 3] &= ~bit
            self.places[slot] = place | WAS_USED


# ---------------------------------------------------------------------------------------------------------------------
# The cache
# ---------------------------------------------------------------------------------------------------------------------

cdef class TopHashCache:
    """A bounded cache of XXH64 digests. It turns itself off while it misses too often, or saves no time.

    Each digest equals that of `xxh64`, in every mode of the cache. Exact `str` and `bytes` objects of at most
    `max_key_bytes` bytes (of UTF-8) are cached. Longer ones, subclasses, `bytearray` and `memoryview` are hashed
    directly and never stored.

    Args:
        **settings: fields of `Settings`. They override the configuration; None means "not given".

    Raises:
        ConfigError: a setting has an unknown name or an invalid value.

    A cache takes at most max_entries * (320 + 4 * max_key_bytes) bytes plus 4 KB, including keys and digests.
    `stats().nbytes` is what it takes now.

    Any thread may call any method at any time. A cache cannot be pickled or copied: build one from its settings.

    Example:
        >>> from tophash_cache import TopHashCache, xxh64
        >>> cache = TopHashCache(max_entries=1000)
        >>> cache.hash("user:42") == xxh64("user:42")
        True
        >>> cache.hash("user:42") == cache.hash(b"user:42")
        True
        >>> cache.cache_info()
        CacheInfo(hits=1, misses=2, maxsize=1000, currsize=2)
    """

    cdef object __weakref__
    cdef readonly object settings  # the Settings the cache was built with
    # Read by a look-up.
    cdef Store _store
    cdef bint _looks_up
    cdef Py_ssize_t _max_key_bytes
    cdef int64_t _left             # look-ups or direct calls until the controller is asked
    # Used at the end of a span.
    cdef object _controller
    cdef int64_t _span             # _left at its start
    cdef int64_t _lookups_before   # look-ups and misses at the start of the window
    cdef int64_t _misses_before
    # Used in a trial.
    cdef list _times               # nanoseconds per call of the stretches so far; None outside a trial
    cdef int64_t _began            # the time at the start of the stretch
    cdef int64_t _uncached_before  # oversize and uncacheable keys at that time
    cdef object _window_hit_rate
    cdef object _transitions
    # Counters, without the look-ups or direct calls of the running span.
    cdef int64_t _lookups
    cdef int64_t _bypassed
    cdef int64_t _misses
    cdef int64_t _oversize
    cdef int64_t _uncacheable
    cdef int64_t _evictions        # of stores that were dropped
    cdef int64_t _rejected         # of stores that were dropped
    cdef int64_t _probes

    # In __cinit__, so that it runs exactly once and no method sees an unfinished object. Under the lock, so that no
    # change of a setting is lost between reading the settings and registering for changes.
    def __cinit__(self, **settings):
        self._store = Store(0)
        self._transitions = deque(maxlen=TRANSITIONS)
        with config.lock:
            self.settings = chosen = config.attach(self, settings)
            self._max_key_bytes = chosen.max_key_bytes
            self._controller = Controller.start(
                window=chosen.window,
                max_entries=chosen.max_entries,
                floor=chosen.hit_rate_floor,
                resume_at=chosen.resume_at,
                policy=chosen.policy,
            ).disabled()
            self._span = self._left = self._controller.span
            self._follow(chosen.enabled)

    @cython.critical_section
    def hash(self, key, /):
        """The XXH64 digest of a key, from the cache if that pays.

        Args:
            key: a str, bytes, bytearray or contiguous memoryview, or a subclass of these.

        Returns:
            The digest, 0 <= digest < 2**64.

        Raises:
            TypeError, UnicodeEncodeError, BufferError: as for `xxh64`. Such a call is not counted.

        Example:
            >>> from tophash_cache import TopHashCache
            >>> TopHashCache().hash("") == 0xEF46DB3751D8E999
            True
        """
        return look_up(self, key)

    @cython.critical_section
    def tophash(self, key, /):
        """The tophash of a key, as in Go's map: the top 8 bits of the digest, plus 5 if they are below 5.

        Args:
            key: as for `hash`.

        Returns:
            The tophash, 5 <= tophash < 256.

        Raises:
            TypeError, UnicodeEncodeError, BufferError: as for `hash`.

        Example:
            >>> from tophash_cache import TopHashCache
            >>> TopHashCache().tophash("") == 0xEF
            True
        """
        cdef uint64_t top = <uint64_t>look_up(self, key) >> 56
        return top + MIN_TOPHASH if top < MIN_TOPHASH else top

    def hash_many(self, keys, /):
        """The XXH64 digests of n keys, computed directly, since in a batch hashing takes less time than a look-up.

        The cache is neither read nor filled, and nothing is counted.

        Args:
            keys: text and bytes in one dimension, in any container: a sequence or iterator of str and bytes objects (or
                subclasses); a NumPy or masked array of dtype S, U, object or StringDType, or a buffer of such; a pandas
                or polars column; an Arrow column (anything with `__arrow_c_array__` or `__arrow_c_stream__`), also
                dictionary-encoded. S, U and Arrow are read in place and hashed with the GIL released. Trailing NULs of
                an S or U item are not part of the key, since NumPy removes them when the item is read.

        Returns:
            A uint64 array of shape (n,).

        Raises:
            TypeError: `keys` or a key is of another type; the message names the position of the key, or what to give.
            UnicodeEncodeError: a str has a lone surrogate; a note names its position.
            ValueError: the array is not one-dimensional; a key is null or masked; the Arrow column is malformed.
            OSError: an Arrow stream failed; the message is that of its producer.

        Example:
            >>> from tophash_cache import TopHashCache
            >>> [hex(digest) for digest in TopHashCache().hash_many(["", b"a"])]
            ['0xef46db3751d8e999', '0xd24ec4f1a98c6e5b']
        """
        cdef bint in_column
        if isinstance(keys, (list, tuple)):
            return hash_sequence(keys, False)
        if is_arrow(keys):
            digests = hash_arrow(keys)
            if digests is not None:
                return digests
        items, in_column = items_of(keys)
        return hash_sequence(items, in_column) if isinstance(items, list) else hash_array(items, in_column)

    def cache_info(self):
        """A `CacheInfo`: hits, misses, the maximum and the current number of entries, as in `functools.lru_cache`.

        Example:
            >>> from tophash_cache import TopHashCache
            >>> TopHashCache(max_entries=10).cache_info()
            CacheInfo(hits=0, misses=0, maxsize=10, currsize=0)
        """
        cdef int64_t hits, misses
        cdef Py_ssize_t entries
        with cython.critical_section(self):
            misses = self._misses
            hits = self._lookups - misses + (self._span - self._left if self._looks_up else 0)
            entries = self._store.size()
        return CacheInfo(hits, misses, self.settings.max_entries, entries)

    def stats(self):
        """A `CacheStats`: the mode of the cache and all counters.

        Example:
            >>> from tophash_cache import TopHashCache
            >>> TopHashCache(enabled=False).stats().mode
            <Mode.DISABLED: 'disabled'>
        """
        cdef int64_t running, hits, misses, bypassed, oversize, uncacheable, evictions, rejected, probes, left
        cdef Py_ssize_t entries, nbytes
        with cython.critical_section(self):
            # All counters are read at once. The classes below run Python code, and with it perhaps other threads.
            running = self._span - self._left
            hits = self._lookups - self._misses + (running if self._looks_up else 0)
            misses = self._misses
            bypassed = self._bypassed + (0 if self._looks_up else running)
            oversize = self._oversize
            uncacheable = self._uncacheable
            evictions = self._evictions + self._store.evictions
            rejected = self._rejected + self._store.rejected
            probes = self._probes
            left = self._left
            entries = self._store.size()
            nbytes = self._store.nbytes()
            window_hit_rate, machine, transitions = self._window_hit_rate, self._controller, tuple(self._transitions)
        return CacheStats(
            mode=machine.mode,
            hits=hits,
            misses=misses,
            window_hit_rate=window_hit_rate,
            bypassed=bypassed,
            oversize=oversize,
            uncacheable=uncacheable,
            entries=entries,
            nbytes=nbytes,
            evictions=evictions,
            rejected=rejected,
            probes=probes,
            next_probe_in=left if machine.mode is Mode.BYPASS else None,
            transitions=transitions,
        )

    def enable(self):
        """Turn the cache on. Later changes of the configuration do not apply to it. No effect if it is on.

        Example:
            >>> from tophash_cache import TopHashCache
            >>> cache = TopHashCache(enabled=False)
            >>> cache.enable()
            >>> cache.stats().mode
            <Mode.WARM_UP: 'warm-up'>
        """
        config.detach(self)
        self._follow(True)

    def disable(self):
        """Turn the cache off and release its memory. Later changes of the configuration do not apply to it.

        Example:
            >>> from tophash_cache import TopHashCache
            >>> cache = TopHashCache()
            >>> cache.disable()
            >>> cache.stats().mode
            <Mode.DISABLED: 'disabled'>
        """
        config.detach(self)
        self._follow(False)

    def clear(self):
        """Drop all entries. A cache in use warms up again; one that is off or in bypass stays as it is.

        Example:
            >>> from tophash_cache import TopHashCache, xxh64
            >>> cache = TopHashCache()
            >>> cache.hash("a") == xxh64("a")
            True
            >>> cache.clear()
            >>> cache.cache_info().currsize
            0
        """
        entered = False
        while not entered:
            machine = self._state()
            store = Store(0 if machine.mode is Mode.DISABLED else self.settings.max_entries)
            entered = self._enter(machine, machine.emptied(), None, store)

    def _follow(self, enabled):
        """Turn the cache on or off. `config` calls it when the setting changes."""
        entered = False
        while not entered:
            machine = self._state()
            if enabled == (machine.mode is not Mode.DISABLED):
                return
            new = machine.restarted() if enabled else machine.disabled()
            entered = self._enter(machine, new, None, Store(self.settings.max_entries if enabled else 0))

    def _digest_capsule(self):
        """A capsule with the C function `uint64_t digest(PyObject *cache, PyObject *key)`, for other compiled modules.

        The key is an exact str or bytes. After an error the result is 0 and an exception is set; a digest may be 0 too.
        """
        return PyCapsule_New(<void *>digest, "tophash_cache.digest", NULL)

    def __reduce__(self):
        raise TypeError("a TopHashCache cannot be pickled or copied: build a new one from its settings")

    def __repr__(self):
        info = self.cache_info()
        return f"<TopHashCache {self._state().mode}, {info.currsize} of {info.maxsize} entries>"

    @cython.critical_section
    cdef object _state(self):
        """The state of the controller."""
        return self._controller

    cdef object _uncached(self, object key):
        """The digest of a key that is never cached. It does not count in the hit rate."""
        number = hash_object(key, 0)
        if type(key) is str or type(key) is bytes:
            self._oversize += 1
        else:
            self._uncacheable += 1
        return number

    cdef object _miss(self, object key):
        cdef Py_ssize_t size
        cdef uint64_t digest
        cdef object number
        if type(key) is str:
            digest = hash_text(key, 0, &size)
            number = digest
            if size > self._max_key_bytes:  # not ASCII: more bytes than code points
                self._oversize += 1
                return number
        else:
            digest = xxh64_bytes(<const uint8_t *>PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key), 0)
            number = digest
        self._store.add(key, digest, number)
        self._misses += 1
        count_call(self)
        return number

    cdef int _end_span(self) except -1:
        """Ask the controller. If a finaliser or another thread changes the state meanwhile, that change stays."""
        if self._times is not None and not self._end_stretch():
            return 0
        machine = self._controller
        hit_rate = None
        if self._looks_up:  # true in the last stretch of a trial
            lookups = self._lookups - self._lookups_before + self._span - self._left
            hit_rate = 1.0 - <double>(self._misses - self._misses_before) / <double>lookups
        self._enter(machine, machine.advance(hit_rate, self._times or ()), hit_rate, None)
        return 0

    cdef bint _end_stretch(self) except -1:
        """Store the time per call of a stretch, and begin the next one. Returns whether the trial is over."""
        cdef list times = self._times
        cdef int64_t now = clock()
        # A clock that is Python code, as in the tests, lets other threads run.
        if self._times is not times or self._left > 0:
            return False
        cdef int64_t calls = self._span - self._left + self._oversize + self._uncacheable - self._uncached_before
        times.append(<double>(now - self._began) / <double>calls)
        if len(times) >= len(STRETCHES):
            return True
        self._begin_span(self._span, STRETCHES[len(times)])
        self._began = now
        self._uncached_before = self._oversize + self._uncacheable
        return False

    cdef void _begin_span(self, int64_t span, bint looks_up) noexcept:
        """Count the calls of the current span, and begin another one."""
        if self._looks_up:
            self._lookups += self._span - self._left
        else:
            self._bypassed += self._span - self._left
        self._span = self._left = span
        self._looks_up = looks_up

    cdef bint _enter(self, object old, object new, object hit_rate, Store store) except -1:
        """Change the state of the controller, with a new store, or the current one for None.

        Returns False and changes nothing if the cache is no longer in the old state.
        """
        cdef int64_t span = new.span
        cdef bint looks_up = new.looks_up
        cdef bint probes = new.mode is Mode.PROBE and old.mode is not Mode.PROBE
        cdef list times = None
        cdef int64_t began = 0
        change, append = None, self._transitions.append
        if new.mode is not old.mode:
            change = Transition(self._calls(), old.mode, new.mode, hit_rate)
        if new.mode is Mode.TRIAL:
            times = []
            began = clock()
        # From here on no Python code runs, and so no other thread and no finaliser.
        with cython.critical_section(self):
            if self._controller is not old:
                return False
            if new is not old or self._left <= 0:
                self._begin_span(span, looks_up)
                self._lookups_before = self._lookups
                self._misses_before = self._misses
                self._uncached_before = self._oversize + self._uncacheable
                self._times = times
                self._began = began
            if hit_rate is not None:
                self._window_hit_rate = hit_rate
            if change is not None:
                append(change)
                self._probes += probes
            self._controller = new
            if store is not None:
                self._evictions += self._store.evictions
                self._rejected += self._store.rejected
                self._store = store
            return True

    @cython.critical_section
    cdef int64_t _calls(self) noexcept:
        """All calls so far."""
        return self._lookups + self._bypassed + self._span - self._left + self._oversize + self._uncacheable


# Functions, since Cython calls a method of a class that can be subclassed through a table of pointers.
cdef inline int count_call(TopHashCache cache) except -1:
    """Count a look-up that hit, or a direct call."""
    cache._left -= 1
    if cache._left <= 0:
        cache._end_span()
    return 0


cdef inline object look_up(TopHashCache cache, object key):
    """The digest of a key, by the fastest way that the mode of the cache allows."""
    cdef PyObject *entries  # borrowed, like `found`: counting references would take a considerable part of a hit
    cdef PyObject *found
    cdef object number
    if not cache._looks_up:
        number = hash_object(key, 0)
    else:
        found = cache._store.find_held(<PyObject *>key)
        if found is NULL:
            if type(key) is str and PyUnicode_GET_LENGTH(key) <= cache._max_key_bytes:
                entries = <PyObject *>cache._store.texts
            elif type(key) is bytes and PyBytes_GET_SIZE(key) <= cache._max_key_bytes:
                entries = <PyObject *>cache._store.blobs
            else:
                return cache._uncached(key)
            found = PyDict_GetItemWithError(entries, key)
            if found is NULL:
                return cache._miss(key)
        number = <object>found
        cache._store.mark(found)
    count_call(cache)
    return number


cdef uint64_t digest(PyObject *cache, PyObject *key) except? 0:
    """The function in `_digest_capsule`. A direct hash makes no int here, as in a map, so a trial compares fairly."""
    cdef uint64_t number
    with cython.critical_section(<TopHashCache>cache):
        if (<TopHashCache>cache)._looks_up:
            return <uint64_t>look_up(<TopHashCache>cache, <object>key)
        number = hash_object(<object>key, 0)
        count_call(<TopHashCache>cache)
        return number
