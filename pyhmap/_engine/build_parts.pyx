"""Building a frozen table that is larger than memory, some parts at a time.

    Spiller ── rows of batches to buffers, one per partition; a full one goes to a file ──> records
    Parts   ── records to the slots of some parts, which are built there, and out in the order of the rows
    repeated_rows, without_repeated ── which records of a partition have a key that comes again

pyhmap/_file/build.py has the files, and says what comes when. The kernels are in spilled.pxd and frozen_build.pxd.
"""

import numpy as np

from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from pyhmap._engine.batch_items cimport Items, keys_of, values_of
from pyhmap._engine.freeze cimport Scratch, take_part_sizes
from pyhmap._engine.frozen_core cimport FrozenCore
from pyhmap._engine.memory cimport Block, new_memory
from pyhmap._engine.one_item cimport key_object
from pyhmap._kernels.any_key cimport AnyKey
from pyhmap._kernels.constants cimport BUILT, CHUNK, PART_KEYS, ROWS_MAX, Status, TEXT, WORD32
from pyhmap._kernels.frozen_build cimport Part, build_part, taken_words
from pyhmap._kernels.frozen_layout cimport Frozen
from pyhmap._kernels.layout cimport Text
from pyhmap._kernels.spilled cimport (
    CELL_BITS,
    Filling,
    Loading,
    NO_PARTITION,
    RowSource,
    Spilling,
    close_up,
    fill_slots,
    hash_records,
    load_rows,
    mark_repeated,
    spill_rows,
    spill_slots,
    store_texts,
)

MOST_ROWS = ROWS_MAX
KEYS_OF_PART = PART_KEYS


def draw_hash_key(FrozenCore f not None):
    """Draw a hash key for a map without keys."""
    f.draw_hash_key(f.t.hash_key)


cdef int check_records(records) except -1:
    """Records are written to where they are."""
    if type(records) is not np.ndarray or records.dtype != np.uint8 or not records.flags.writeable:
        raise TypeError("records are no writable array of bytes")
    return 0


cdef class Spiller:
    """The buffers of some partitions, `room` bytes each. A full one is given to ``write``, with the number of its
    partition: it is a whole number of records. So is a row that is larger than a buffer."""
    cdef FrozenCore f
    cdef Frozen shape
    cdef Spilling s
    cdef list buffers
    cdef Block pointers
    cdef uint64_t[::1] used, room, counts
    cdef uint64_t usual
    cdef object write
    cdef readonly object cells      # of each: keys

    def __init__(self, FrozenCore f not None, write, partitions, uint64_t room):
        cdef uint64_t p
        self.f, self.write, self.usual = f, write, room
        self.shape.stride, self.shape.value_at = f.stride, f.value_at
        self.cells = np.zeros(1 << CELL_BITS, np.uint64)
        self.counts = self.cells
        self.used = np.zeros(partitions, np.uint64)
        self.room = np.zeros(partitions, np.uint64)
        self.pointers = new_memory(8 * <uint64_t> partitions)
        self.buffers = [None] * partitions
        self.s.partitions = partitions
        self.s.buffers = <uint8_t **> self.pointers.data
        self.s.used, self.s.room, self.s.cells = &self.used[0], &self.room[0], &self.counts[0]
        for p in range(<uint64_t> partitions):
            self.take_buffer(p, room)

    cdef int take_buffer(self, uint64_t p, uint64_t room) except -1:
        cdef Block block = new_memory(room)
        self.buffers[p] = block
        self.s.buffers[p], self.room[p] = block.data, room
        return 0

    cdef int empty_buffer(self, uint64_t p) except -1:
        """Write a buffer out."""
        if self.used[p]:
            self.write(p, memoryview(self.buffers[p])[:self.used[p]])
            self.used[p] = 0
        if self.room[p] != self.usual:
            self.take_buffer(p, self.usual)
        return 0

    cdef int make_room(self) except -1:
        """Make room for the row for which there was none."""
        self.empty_buffer(self.s.full)
        if self.s.needed > self.usual:
            self.take_buffer(self.s.full, self.s.needed)
        return 0

    cdef int spill(self, const RowSource *source, uint64_t stop) except -1:
        cdef uint64_t at = 0
        while at < stop:
            with nogil:
                at = spill_rows(&self.f.t, &self.shape, &self.s, source, at, min(stop, at + CHUNK))
            PyErr_CheckSignals()
            if self.s.full != NO_PARTITION:
                self.make_room()
        return 0

    @property
    def text_bytes(self):
        """Bytes of all long texts."""
        return self.s.text_bytes

    def add(self, keys, values):
        """Spill the rows of a batch."""
        cdef RowSource source
        cdef Items key_items = keys_of(self.f, keys, False)
        key_items.refuse_nulls("keys")
        cdef Items value_items = values_of(self.f, values, key_items.n)
        source = RowSource(NULL, key_items.data, value_items.data, value_items.step)
        self.spill(&source, key_items.n)

    def add_records(self, records):
        """Spill rows again, under another hash key or to other partitions."""
        cdef RowSource source
        cdef uint8_t[::1] view = records
        check_records(records)
        source = RowSource(&view[0], NULL, NULL, 0)
        self.spill(&source, len(view))

    def end(self):
        """Write all buffers out, and give their memory up. No more rows can be spilled."""
        cdef uint64_t p
        for p in range(self.s.partitions):
            self.empty_buffer(p)
            self.room[p] = 0
        self.buffers = []


cdef class Parts:
    """A table with ``of_part[i]`` keys in part i, of which up to ``at_once`` parts are in memory, with ``text_bytes``
    of long texts at most."""
    cdef FrozenCore f
    cdef Frozen shape
    cdef Loading loading
    cdef Filling filling
    cdef Scratch scratch
    cdef Block entries, texts, out
    cdef uint64_t[::1] of_part, next, ends
    cdef uint64_t[:, ::1] taken_view
    cdef uint8_t[:, ::1] pilots_view
    cdef uint32_t[::1] rows
    cdef uint64_t out_used, out_at
    cdef object filling_from
    cdef readonly bint regular          # whether the numbers of keys are such as a random hash gives
    cdef readonly object pilots         # of the parts that are in memory: uint8 array of shape (at_once, buckets)
    cdef readonly object taken          # which of their slots have a key: one bit each, in words

    def __init__(self, FrozenCore f not None, of_part, uint64_t at_once, uint64_t text_bytes, uint64_t room):
        cdef Frozen *shape = &self.shape
        cdef uint64_t most
        self.f, self.of_part = f, of_part
        most = of_part.max()
        shape.count, shape.nparts = of_part.sum(), len(of_part)
        shape.stride, shape.value_at = f.stride, f.value_at
        self.regular = take_part_sizes(shape, most)
        if not self.regular:
            return
        self.next = np.zeros(at_once, np.uint64)
        self.ends = np.zeros(at_once, np.uint64)
        self.taken = np.zeros((at_once, taken_words(shape.slots)), np.uint64)
        self.pilots = np.zeros((at_once, shape.buckets), np.uint8)
        self.rows = np.zeros(shape.slots, np.uint32)
        self.taken_view, self.pilots_view = self.taken, self.pilots
        self.entries = new_memory(max(<uint64_t> 1, at_once * shape.slots * shape.stride))
        self.entries.advise(0, self.entries.size, True)
        self.texts = new_memory(max(<uint64_t> 1, text_bytes))
        self.texts.advise(0, self.texts.size, True)
        self.out = new_memory(room)
        self.scratch = Scratch(most, shape.slots, shape.buckets, shape.stride)
        self.loading.next, self.loading.ends = &self.next[0], &self.ends[0]
        self.loading.entries, self.loading.texts = self.entries.data, self.texts.data
        self.filling.rows = &self.rows[0]

    @property
    def shape(self):
        """The numbers of rows, of parts, and of slots and buckets of a part."""
        return self.shape.count, self.shape.nparts, self.shape.slots, self.shape.buckets

    @property
    def hash_key(self):
        """The hash key, four words."""
        cdef const uint64_t *key = self.f.t.hash_key
        return key[0], key[1], key[2], key[3]

    # ---- records to slots --------------------------------------------------------------------------------------------

    def begin(self, uint64_t first, uint64_t last):
        """From here on, the parts from ``first`` to ``last`` are in memory, without keys."""
        cdef uint64_t i
        self.loading.first, self.loading.last, self.loading.texts_used = first, last, 0
        for i in range(last - first):
            self.next[i] = i * self.shape.slots
            self.ends[i] = self.next[i] + self.of_part[first + i]

    def load(self, records):
        """Copy those of some records that are in these parts."""
        cdef RowSource source
        cdef Status status
        cdef uint8_t[::1] view = records
        check_records(records)
        source = RowSource(&view[0], NULL, NULL, 0)
        with nogil:
            status = load_rows(&self.f.t, &self.shape, &self.loading, &source, view.shape[0])
        if status != BUILT:
            raise_changed()

    def build(self, tick):
        """Build the parts, whose keys are all there. Returns whether each has pilots; ``tick`` is called with the keys
        of each."""
        cdef Part p
        cdef Status status
        cdef uint64_t i
        p.slots, p.buckets = self.shape.slots, self.shape.buckets
        for i in range(self.loading.last - self.loading.first):
            if self.next[i] != self.ends[i]:
                raise_changed()
            p.keys = <uint32_t> self.of_part[self.loading.first + i]
            self.scratch.raw.taken = &self.taken_view[i, 0]
            with nogil:
                status = build_part(&self.f.t, &p, &self.scratch.raw, self.part_entries(i), self.shape.stride,
                                    &self.pilots_view[i, 0])
            if status != BUILT:
                return False
            tick(p.keys)
            PyErr_CheckSignals()
        return True

    cdef uint8_t *part_entries(self, uint64_t i) noexcept nogil:
        return self.entries.data + i * self.shape.slots * self.shape.stride

    # ---- slots to rows -----------------------------------------------------------------------------------------------

    def spill_from(self, uint64_t part, uint64_t slot, Spiller spiller not None):
        """Write the rows in the slots of a part, from ``slot`` on, to a spiller of one partition."""
        cdef uint64_t i = part - self.loading.first
        while True:
            with nogil:
                slot = spill_slots(&self.f.t, &self.shape, &spiller.s, self.part_entries(i), &self.taken_view[i, 0],
                                   slot)
            if spiller.s.full == NO_PARTITION:
                return
            spiller.make_room()

    def fill_from(self, records):
        """Free slots get the rows of these records from now on."""
        cdef uint8_t[::1] view = records
        check_records(records)
        self.filling_from = records
        self.filling.records, self.filling.at, self.filling.stop = &view[0], 0, len(view)

    def fill(self, uint64_t part, uint64_t slot, uint64_t stop):
        """Fill the free slots of a part from ``slot`` to ``stop``. Returns ``stop``, or the first slot for which there
        was no record; and the numbers of the rows that were filled."""
        cdef uint64_t i = part - self.loading.first
        self.filling.n = 0
        with nogil:
            slot = fill_slots(&self.f.t, &self.shape, &self.filling, part, self.part_entries(i), &self.taken_view[i, 0],
                              slot, stop)
        return slot, np.asarray(self.rows)[:self.filling.n]

    def rows_of(self, uint64_t part, uint64_t slot, uint64_t stop, write_texts):
        """The bytes of the rows in the slots of a part from ``slot`` to ``stop``, which all have a key. Their long
        texts are given to ``write_texts`` in large pieces, the last of them by end_texts()."""
        cdef uint8_t *entries = self.part_entries(part - self.loading.first)
        cdef uint64_t at = slot
        cdef uint64_t begin = entries - self.entries.data
        while True:
            with nogil:
                at = store_texts(&self.f.t, &self.shape, entries, at, stop, self.out.data, self.out.size,
                                 &self.out_used, self.out_at)
            if at == stop:
                break
            if self.out_used == 0:
                self.out = new_memory(2 * self.out.size)
            self.end_texts(write_texts)
        return memoryview(self.entries)[begin + slot * self.shape.stride:begin + stop * self.shape.stride]

    def end_texts(self, write_texts):
        """Give the long texts that are left to ``write_texts``."""
        write_texts(memoryview(self.out)[:self.out_used])
        self.out_at += self.out_used
        self.out_used = 0


cdef int raise_changed() except -1:
    raise RuntimeError("another thread changed the arrays while they were read: nothing was written")


# ---- equal keys ------------------------------------------------------------------------------------------------------

def repeated_rows(FrozenCore f not None, records):
    """Which of some records have a key that comes again: a bool array, or None if there are none; the position of each
    record, and behind the last one; and the hashes."""
    cdef RowSource source
    cdef Frozen shape
    cdef uint64_t n, found
    cdef uint8_t[::1] view = records
    cdef uint64_t[::1] hash_view, begin_view
    cdef const int64_t[::1] order_view
    cdef uint8_t[::1] repeated_view
    check_records(records)
    shape.stride, shape.value_at = f.stride, f.value_at
    most = len(records) // f.stride
    begins, hashes = np.empty(most + 1, np.uint64), np.empty(most, np.uint64)
    hash_view, begin_view = hashes, begins
    source = RowSource(&view[0], NULL, NULL, 0)
    with nogil:
        n = hash_records(&f.t, &shape, &source, view.shape[0], &hash_view[0], &begin_view[0])
    begins, hashes = begins[:n + 1], hashes[:n]
    order_view = np.argsort(hashes, kind="stable")
    repeated = np.zeros(n, bool)
    repeated_view = repeated.view(np.uint8)
    with nogil:
        found = mark_repeated(&f.t, &view[0], &begin_view[0], &hash_view[0], &order_view[0], n, &repeated_view[0])
    return repeated if found else None, begins, hashes


def without_repeated(FrozenCore f not None, records, begins, repeated, uint64_t first, uint64_t last):
    """Move the records from number ``first`` to ``last`` that are not repeated together. Returns their bytes, and those
    of the long texts of the others."""
    cdef Frozen shape
    cdef uint8_t[::1] view = records
    cdef const uint64_t[::1] begin_view = begins
    cdef const uint8_t[::1] repeated_view = repeated.view(np.uint8)
    cdef uint64_t size, text_bytes = 0
    shape.stride, shape.value_at = f.stride, f.value_at
    with nogil:
        size = close_up(&f.t, &shape, &view[0], &begin_view[0], first, last, &repeated_view[0], &text_bytes)
    return size, text_bytes


def key_of(FrozenCore f not None, records, uint64_t at):
    """The key of the record at a position, as an object. Its texts are loaded already."""
    cdef AnyKey key
    cdef const uint8_t[::1] view = records
    if f.t.form == TEXT:
        memcpy(&key.text, &view[at], sizeof(Text))
    elif f.t.form == WORD32:
        memcpy(&key.word32, &view[at], 4)
    else:
        memcpy(&key.word64, &view[at], 8)
    return key_object(f, &key)
