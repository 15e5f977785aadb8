"""Building a frozen map from a map, or from arrays.

    draw a hash key ──> count ──> scatter ──> build each part ──> fill the rows ──> move the texts ──> install
         ^                │                        │
         └── a part is too large ────── a bucket has no pilot, as if two keys have the same hash

The kernels are in frozen_build.pxd. Each step is divided among threads: counting and scattering by ranges of the
source, building by parts, texts by rows. Each range has places of its own in every part, so the result is the same for
any number of threads. Between two chunks the calling thread checks for signals and reports progress. A map that is
frozen is locked for readers all the while.
"""

import numpy as np

from pyhmap._engine.threads import Stopped, in_threads, thread_count

cimport cython
from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from pyhmap._core cimport HMapCore
from pyhmap._engine.batch_items cimport Items
from pyhmap._engine.frozen_core cimport FrozenCore, index_size, point_into_index
from pyhmap._engine.memory cimport ArenaBlocks, Block, HUGE, new_memory
from pyhmap._kernels.constants cimport (
    BUILT,
    CHANGED,
    CHUNK,
    FULLEST,
    NO_PILOT,
    PART_KEYS,
    ROWS_MAX,
    SHIFTS,
    SLOTS,
    Status,
    TEXT,
)
from pyhmap._kernels.frozen cimport bucket_of, slot_of
from pyhmap._kernels.frozen_build cimport (
    Part,
    Sorting,
    Source,
    arena_needed,
    build_part,
    build_pilots,
    buckets_for,
    fill_rows,
    move_texts,
    slots_for,
    sort_into_parts,
    taken_words,
)
from pyhmap._kernels.frozen_layout cimport Frozen
from pyhmap._kernels.layout cimport growing

cdef enum:
    # Draws of a hash key before giving up. Most work; for a few keys one in ten fails, since their first slots are few.
    MAX_DRAWS = 100
    # Keys from which on a thread is worth its start.
    THREAD_SHARE = 1 << 15


cdef class Scratch:
    """The memory for building one part."""

    def __init__(self, uint64_t keys, uint64_t slots, uint64_t buckets, uint64_t stride):
        self.block = new_memory(16 * keys + 4 * (keys + 3 * buckets + 1 + slots) + keys * stride + buckets)
        self.raw.hashes = <uint64_t *> self.block.data
        self.raw.sorted = self.raw.hashes + keys
        self.raw.entry = <uint32_t *> (self.raw.sorted + keys)
        self.raw.start = self.raw.entry + keys
        self.raw.order = self.raw.start + buckets + 1
        self.raw.waiting = self.raw.order + buckets
        self.raw.owner = self.raw.waiting + buckets
        self.raw.entries = <uint8_t *> (self.raw.owner + slots)
        self.raw.size = self.raw.entries + keys * stride


cdef class Building:
    """One build."""
    cdef FrozenCore target
    cdef Source source
    cdef ArenaBlocks texts              # of a map, which its slots refer to; or None
    cdef uint64_t units, unit_keys      # of the source: rows of a map with SLOTS keys, or items; and keys of a unit
    cdef bint may_change                # the source's bytes
    cdef uint64_t n                     # keys
    cdef Frozen f
    cdef uint64_t[:, ::1] keys          # of each range and part, as counted
    cdef uint64_t[:, ::1] next, ends    # the next slot of each range in each part; the slot behind its last key
    cdef uint64_t[::1] of_part          # keys
    cdef uint64_t[:, ::1] taken         # slots of each part, one bit each
    cdef Block index, entries, arena
    cdef uint64_t parts_begun
    cdef Status status
    cdef object progress
    cdef double done
    cdef bint stopped

    cdef int tick(self, double keys, bint calling) except -1:
        """After each chunk: so many keys more have gone through a step."""
        cdef bint with_texts = self.target.t.form == TEXT or self.target.t.text_values
        self.done += keys
        if self.stopped:
            raise Stopped
        if calling:
            PyErr_CheckSignals()
            if self.progress is not None:
                self.progress(self.done / ((3 + with_texts) * self.n + 1.0))
        return 0

    @cython.critical_section
    def sort(self, range_, ranges):
        """Count, or scatter, one range of the source."""
        cdef Sorting s
        cdef uint64_t r = range_, at = self.units * r // <uint64_t> ranges
        cdef uint64_t last = self.units * (r + 1) // <uint64_t> ranges, stop, chunk = CHUNK // self.unit_keys
        cdef Status status = BUILT
        s.nparts = self.f.nparts
        s.stride, s.value_at = self.target.stride, self.target.value_at
        s.entries = NULL
        s.keys = &self.keys[r, 0]
        if self.entries is not None:
            s.entries = self.entries.data
            s.keys = &self.next[r, 0]
            s.ends = &self.ends[r, 0]
        while at < last:
            stop = min(last, at + chunk)
            with nogil:
                status = sort_into_parts(&self.target.t, &s, &self.source, at, stop)
            if status != BUILT:
                self.status = status
                raise Stopped
            self.tick(self.n * stop // self.units - self.n * at // self.units, r == 0)
            at = stop

    @cython.critical_section
    def build(self, range_, ranges):
        """Build parts, until all are begun."""
        cdef FrozenCore target = self.target
        cdef Part p
        cdef uint64_t part, stride = target.stride
        cdef uint8_t *entries
        cdef uint8_t *pilots
        cdef Status status = BUILT
        cdef Scratch scratch = Scratch(max(self.of_part), self.f.slots, self.f.buckets, stride)
        p.slots, p.buckets = <uint32_t> self.f.slots, <uint32_t> self.f.buckets
        while self.parts_begun < self.f.nparts:
            part = self.parts_begun
            self.parts_begun += 1
            p.keys = <uint32_t> self.of_part[part]
            entries = self.entries.data + part * self.f.slots * stride
            pilots = <uint8_t *> self.f.pilots + part * self.f.buckets
            scratch.raw.taken = &self.taken[part, 0]
            with nogil:
                status = build_part(&target.t, &p, &scratch.raw, entries, stride, pilots)
            if status != BUILT:
                self.status = status
                raise Stopped
            self.tick(p.keys, range_ == 0)

    @cython.critical_section
    def place_texts(self, range_, ranges):
        """Copy the long texts of one range of rows; the first pass counts their bytes."""
        cdef FrozenCore target = self.target
        cdef uint64_t r = range_, at = self.n * r // <uint64_t> ranges
        cdef uint64_t last = self.n * (r + 1) // <uint64_t> ranges, stop, place = self.next[r, 0]
        cdef Status status = BUILT
        cdef uint8_t *arena = NULL if self.arena is None else self.arena.data
        while at < last:
            stop = min(last, at + CHUNK)
            with nogil:
                if arena == NULL:
                    self.keys[r, 0] += arena_needed(&target.t, &self.f, at, stop)
                else:
                    status = move_texts(&target.t, &self.f, at, stop, self.entries.data, arena, &place, self.may_change)
            if status != BUILT:
                self.status = status
                raise Stopped
            self.tick((stop - at) / 2.0, r == 0)
            at = stop

    @cython.critical_section
    def stop(self):
        """End all threads of a step."""
        self.stopped = True

    def in_threads(self, step, ranges):
        """Run a step in so many threads, of which the calling one is the first. Returns whether it came to its end."""
        self.stopped = False
        return in_threads(lambda range_: step(range_, ranges), ranges, locked=True, stop=self.stop)

    def attempt(self, ranges):
        """Build with the hash key that was drawn. Returns whether that was possible; if not, `status` says why."""
        cdef uint64_t part, r, at
        cdef Frozen *f = &self.f
        self.status = BUILT
        self.entries = self.arena = None
        f.count, f.nparts = self.n, <uint32_t> (self.n // PART_KEYS + 1)
        f.stride, f.value_at = self.target.stride, self.target.value_at
        shape = ranges, f.nparts
        self.keys = np.zeros(shape, np.uint64)
        self.next = np.zeros(shape, np.uint64)
        self.ends = np.zeros(shape, np.uint64)
        self.in_threads(self.sort, ranges)
        self.of_part = np.asarray(self.keys).sum(axis=0, dtype=np.uint64)
        if not take_part_sizes(f, max(self.of_part)):
            self.status = NO_PILOT
            return False
        for part in range(f.nparts):
            at = part * f.slots         # 64 bits
            for r in range(<uint64_t> ranges):
                self.next[r, part] = at
                at += self.keys[r, part]
                self.ends[r, part] = at
        self.index = new_memory(index_size(f))
        self.index.advise(0, self.index.size, True)
        self.taken = np.zeros((f.nparts, taken_words(f.slots)), np.uint64)
        entries = new_memory(large_enough(f.nparts * (f.slots * f.stride)))
        entries.advise(0, entries.size, True)
        self.entries = entries
        if not self.in_threads(self.sort, ranges):
            return False
        for r in range(<uint64_t> ranges):
            for part in range(f.nparts):
                if self.next[r, part] != self.ends[r, part]:
                    self.status = CHANGED
                    return False
        cdef uint32_t *remap = point_into_index(f, self.index)
        self.parts_begun = 0
        if not self.in_threads(self.build, ranges):
            return False
        f.entries = entries.data
        with nogil:
            fill_rows(f, &self.taken[0, 0], self.taken.shape[1], self.entries.data, remap)
        return self.in_arena(ranges)

    def in_arena(self, ranges):
        """Move the long texts, if there are any, to an arena of the map's own."""
        cdef uint64_t r, size = 0
        if self.target.t.form != TEXT and not self.target.t.text_values:
            return True
        self.keys = np.zeros((ranges, 1), np.uint64)
        self.in_threads(self.place_texts, ranges)
        for r in range(<uint64_t> ranges):
            self.next[r, 0] = size
            size += self.keys[r, 0]
        if size == 0:
            return True
        self.arena = new_memory(size)
        self.arena.advise(0, size, True)
        return self.in_threads(self.place_texts, ranges)

    cdef int install(self) except -1:
        """Give what was built to the map, without the memory behind the rows."""
        cdef Block exact = self.entries
        cdef uint64_t size = max(<uint64_t> 1, self.n * self.f.stride)
        if self.entries.mapped:
            self.entries.shorten(size)
        else:
            exact = new_memory(size)
            memcpy(exact.data, self.entries.data, size)
        self.target.install(&self.f, self.index, exact, self.arena)
        return 0


cdef bint take_part_sizes(Frozen *f, uint64_t most) noexcept:
    """Choose the slots and buckets of the parts, one of which has `most` keys, and none more. Returns whether a random
    hash does that."""
    cdef uint64_t mean = (f.count + f.nparts - 1) // f.nparts
    f.slots = <uint32_t> max(slots_for(mean), most + most // FULLEST + SHIFTS)
    f.buckets = <uint32_t> buckets_for(mean)
    return most <= 2 * mean


cdef uint64_t large_enough(uint64_t size) noexcept:
    """The size of a block that gets a huge page, if a quarter more is enough for that."""
    return max(size, <uint64_t> HUGE) if size > HUGE // 4 * 3 else size


cdef int run(Building b, uint64_t threads, look_for_duplicates) except -1:
    """Build until a hash key works."""
    cdef uint64_t ranges = max(<uint64_t> 1, min(threads, b.n // THREAD_SHARE))
    if b.n > ROWS_MAX:
        raise OverflowError(f"{b.n:,} keys are more than a frozen map holds ({ROWS_MAX:,}): divide them among several")
    for _ in range(MAX_DRAWS):
        b.target.draw_hash_key(b.target.t.hash_key)
        b.done = 0
        if b.attempt(ranges):
            b.install()
            if b.progress is not None:
                b.progress(1.0)
            return 0
        if b.status == CHANGED:
            raise RuntimeError("another thread changed the arrays while they were read: nothing was frozen")
        if look_for_duplicates is not None:     # many equal keys make a bucket or a part too large
            look_for_duplicates()
            look_for_duplicates = None
    raise RuntimeError(f"no hash key of {MAX_DRAWS} works for these keys, which is a bug in pyhmap: please report it")


cdef int check_progress(progress) except -1:
    if progress is not None and not callable(progress):
        raise TypeError(f"progress={progress!r}: give a function that takes a fraction, or None")
    return 0


cdef int freeze_map(FrozenCore target, HMapCore map, threads, progress) except -1:
    """Fill a frozen map of the same types with the items of a map."""
    cdef uint64_t n_threads = thread_count(threads)
    check_progress(progress)
    cdef Building b = Building()
    b.target, b.progress = target, progress
    while True:
        with cython.critical_section(map):
            map.end_growth()
        with map._frozen():
            if take_source(map, b):         # else another thread has written in between
                return run(b, n_threads, None)


@cython.critical_section
cdef bint take_source(HMapCore map, Building b) except -1:
    """Build from the table of a map that nobody writes to. Returns False if it grows."""
    if growing(&map.t):
        return False
    b.source.map = &map.t
    b.texts = map.texts
    b.units, b.unit_keys, b.n = map.t.now.next_row, SLOTS, map.t.count
    return True


cdef int freeze_items(FrozenCore target, Items keys, Items values, threads, progress, look_for_duplicates) except -1:
    """Fill a frozen map with n keys and their values. If they do not fit under the first hash key,
    `look_for_duplicates` is called, which raises if two are equal; None if they are known to be distinct."""
    cdef uint64_t n_threads = thread_count(threads)
    check_progress(progress)
    cdef Building b = Building()
    b.target, b.progress = target, progress
    b.source.map = NULL
    b.source.keys, b.source.values, b.source.value_step = keys.data, values.data, values.step
    b.units, b.unit_keys, b.n = keys.n, 1, keys.n
    b.may_change = target.t.form == TEXT
    return run(b, n_threads, look_for_duplicates)


def build_one_part(hashes):
    """The pilots and the slots of one part with these hashes, for tests; None if it cannot be built."""
    cdef const uint64_t[::1] given = np.ascontiguousarray(hashes, np.uint64)
    cdef Part p
    cdef uint64_t i, n = len(given)
    p.keys, p.slots, p.buckets = <uint32_t> n, <uint32_t> slots_for(n), <uint32_t> buckets_for(n)
    cdef Scratch scratch = Scratch(n, p.slots, p.buckets, 8)
    cdef uint64_t[::1] taken = np.zeros(taken_words(p.slots), np.uint64)
    cdef uint8_t[::1] pilots = np.zeros(p.buckets, np.uint8)
    scratch.raw.taken = &taken[0]
    for i in range(n):
        scratch.raw.hashes[i] = given[i]
    if build_pilots(&p, &scratch.raw, &pilots[0]) != BUILT:
        return None
    slots = np.empty(n, np.int64)
    for i in range(n):
        slots[i] = slot_of(given[i], pilots[bucket_of(given[i], p.buckets)], p.slots)
    return np.asarray(pilots), slots
