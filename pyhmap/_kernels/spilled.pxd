# Rows outside of a table: what a table that is larger than memory is built from.
#
#     record    key, value: an entry │ bytes of the key, if it is a long text │ of the value │ zeros, to a multiple of 8
#               `stride` bytes
#
#     batches ──spill_rows──> a buffer per partition ──> file ──load_rows──> slots of some parts ──> rows of the table
#                                                              frozen_build.pxd builds the parts there
#
# A partition has the keys of one range of hashes, as a part has. Both are numbered in the order of the hashes, and
# their numbers are powers of two: so some partitions together are some parts together.
#
# Keys are counted in 2^CELL_BITS cells, by the upper bits of their hashes. Whatever number of parts is chosen when all
# keys have been seen, a part is some cells.

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memmove, memset

from pyhmap._kernels.constants cimport (
    BUILD_BLOCK,
    BUILT,
    CHANGED,
    INLINE_TEXT,
    Status,
    TEXT,
    WORD32,
)
from pyhmap._kernels.frozen cimport part_of
from pyhmap._kernels.frozen_layout cimport Frozen
from pyhmap._kernels.frozen_build cimport hash_texts, is_taken
from pyhmap._kernels.layout cimport Table, Text, key_t
from pyhmap._kernels.pipeline cimport hash_each, unlikely
from pyhmap._kernels.slot cimport copy_bytes
from pyhmap._kernels.text cimport arena_bytes


cdef enum:
    CELL_BITS = 18              # as many cells as there are parts of PART_KEYS in the largest table

cdef extern from *:
    """
    #define PYHMAP_NO_PARTITION UINT32_C(0xFFFFFFFF)
    """
    const uint32_t NO_PARTITION "PYHMAP_NO_PARTITION"


cdef struct RowSource:          # rows to spill or to load
    uint8_t *records            # one behind the other, of which a position is a byte; or, if NULL:
    const uint8_t *keys         # keys of the form, one behind the other, and their values; a position is an item
    const uint8_t *values
    uint64_t value_step         # bytes from one value to the next, 0 for one that stands for all


cdef struct Spilling:           # the buffers of all partitions
    uint32_t partitions
    uint8_t **buffers
    uint64_t *used              # of each: bytes
    const uint64_t *room        # of each: bytes
    uint64_t *cells             # of each: keys
    uint64_t text_bytes         # of all long texts
    uint64_t full               # the partition whose buffer had no room for a row, or NO_PARTITION
    uint64_t needed             # bytes of that row


cdef struct Loading:            # the parts that rows are loaded to
    uint64_t first, last
    uint64_t *next              # of each: the next slot, counted from the first slot of the first part
    const uint64_t *ends        # of each: the slot behind its last key
    uint8_t *entries            # of each slot
    uint8_t *texts              # room for all long texts
    uint64_t texts_used


cdef struct Filling:            # rows that move to where no slot leads
    uint8_t *records
    uint64_t at, stop           # bytes: what is left of them
    uint32_t *rows              # where they went
    uint64_t n                  # how many


# ---- one row ---------------------------------------------------------------------------------------------------------

cdef inline uint64_t record_size(const Frozen *f, uint64_t long_bytes) noexcept nogil:
    return f.stride + (long_bytes + 7) // 8 * 8


cdef inline uint64_t long_texts(const Table *t, const Frozen *f, const uint8_t *entry) noexcept nogil:
    """The bytes of the long texts of a row."""
    cdef uint64_t size = 0
    if t.form == TEXT:
        size = arena_bytes(<const Text *> entry)
    if t.text_values:
        size += arena_bytes(<const Text *> (entry + f.value_at))
    return size


cdef inline uint64_t copy_text(Text *text, uint8_t *target, uint64_t where) noexcept nogil:
    cdef uint64_t size = arena_bytes(text)
    if size:
        memcpy(target, <const void *> text.tail, size)
        text.tail = where
    return size


cdef inline uint64_t copy_texts(const Table *t, const Frozen *f, uint8_t *entry, uint8_t *target,
                                uint64_t where) noexcept nogil:
    """Copy the long texts of a row, which are loaded, to `target`; they lead to `where` then. Returns their bytes."""
    cdef uint64_t size = 0
    if t.form == TEXT:
        size = copy_text(<Text *> entry, target, where)
    if t.text_values:
        size += copy_text(<Text *> (entry + f.value_at), target + size, where + size)
    return size


cdef inline void end_record(const Table *t, const Frozen *f, uint8_t *record) noexcept nogil:
    """Write what follows the entry, whose texts are loaded."""
    cdef uint8_t *end = record + f.stride
    cdef uint64_t size = copy_texts(t, f, record, end, 0)
    if size % 8:
        memset(end + size, 0, 8 - size % 8)


cdef inline uint64_t load_record(const Table *t, const Frozen *f, uint8_t *record) noexcept nogil:
    """Make the texts of a record loaded ones. Returns its size."""
    cdef uint8_t *end = record + f.stride
    cdef Text *text
    if t.form == TEXT:
        text = <Text *> record
        if text.size > INLINE_TEXT:
            text.tail = <uint64_t> end
            end += text.size
    if t.text_values:
        text = <Text *> (record + f.value_at)
        if text.size > INLINE_TEXT:
            text.tail = <uint64_t> end
            end += text.size
    return record_size(f, <uint64_t> (end - record) - f.stride)


# ---- many rows -------------------------------------------------------------------------------------------------------

cdef inline uint64_t take_rows(const Table *t, const Frozen *f, const RowSource *source, uint64_t at, uint64_t stop,
                               key_t *key, const uint8_t **value, uint64_t *begin) noexcept nogil:
    """Up to BUILD_BLOCK rows that begin from `at` to `stop`: their keys, where their values are, and the position of
    each, and of the next one. Returns how many."""
    cdef uint64_t n = 0
    cdef uint8_t *record
    while at < stop and n < BUILD_BLOCK:
        begin[n] = at
        if source.records != NULL:
            record = source.records + at
            at += load_record(t, f, record)
            key[n] = (<const key_t *> record)[0]
            value[n] = record + f.value_at
        else:
            key[n] = (<const key_t *> source.keys)[at]
            value[n] = source.values + at * source.value_step
            at += 1
        n += 1
    begin[n] = at
    return n


cdef inline void hash_keys(const Table *t, key_t *key, uint64_t n, uint64_t *h) noexcept nogil:
    """Hash up to BUILD_BLOCK keys, which are made canonical."""
    if key_t is Text:
        hash_texts(t, key, n, h)
    else:
        hash_each(t, key, n, key, h)


cdef inline void number_as(const Table *t, const key_t *keys, uint64_t n, uint32_t partitions,
                           uint16_t *numbers) noexcept nogil:
    cdef key_t key[BUILD_BLOCK]
    cdef uint64_t h[BUILD_BLOCK]
    cdef uint64_t i, size, done = 0
    while done < n:
        size = min(n - done, <uint64_t> BUILD_BLOCK)
        memcpy(key, keys + done, size * sizeof(key_t))
        hash_keys(t, key, size, h)
        for i in range(size):
            numbers[done + i] = <uint16_t> part_of(h[i], partitions)
        done += size


cdef inline void number_keys(const Table *t, const void *keys, uint64_t n, uint32_t partitions,
                             uint16_t *numbers) noexcept nogil:
    """The partition of each of n keys, of which there are at most 2^16."""
    if t.form == WORD32:
        number_as(t, <const uint32_t *> keys, n, partitions, numbers)
    elif t.form == TEXT:
        number_as(t, <const Text *> keys, n, partitions, numbers)
    else:
        number_as(t, <const uint64_t *> keys, n, partitions, numbers)


cdef inline void gather_as(const key_t *keys, const int64_t *order, uint64_t n, key_t *out) noexcept nogil:
    cdef uint64_t i
    for i in range(n):
        out[i] = keys[order[i]]


cdef inline void gather_keys(const Table *t, const void *keys, const int64_t *order, uint64_t n,
                             void *out) noexcept nogil:
    """The keys at n positions."""
    if t.form == WORD32:
        gather_as(<const uint32_t *> keys, order, n, <uint32_t *> out)
    elif t.form == TEXT:
        gather_as(<const Text *> keys, order, n, <Text *> out)
    else:
        gather_as(<const uint64_t *> keys, order, n, <uint64_t *> out)


cdef inline uint64_t spill_as(const Table *t, const Frozen *f, Spilling *s, const RowSource *source, uint64_t at,
                              uint64_t stop, const key_t *form) noexcept nogil:
    cdef key_t key[BUILD_BLOCK]
    cdef const uint8_t *value[BUILD_BLOCK]
    cdef uint64_t h[BUILD_BLOCK]
    cdef uint64_t begin[BUILD_BLOCK + 1]
    cdef uint64_t i, n, p, texts, size, value_end = f.value_at + t.value_size
    cdef uint8_t *record
    while at < stop:
        n = take_rows(t, f, source, at, stop, key, value, begin)
        hash_keys(t, key, n, h)
        for i in range(n):
            p = part_of(h[i], s.partitions)
            texts = 0
            if key_t is Text:
                texts = arena_bytes(&key[i])
            if t.text_values:
                texts += arena_bytes(<const Text *> value[i])
            size = record_size(f, texts)
            if unlikely(s.used[p] + size > s.room[p]):
                s.full, s.needed = p, size
                return begin[i]
            record = s.buffers[p] + s.used[p]
            (<key_t *> record)[0] = key[i]
            copy_bytes(record + f.value_at, value[i], t.value_size)
            if value_end < f.stride:
                memset(record + value_end, 0, f.stride - value_end)
            end_record(t, f, record)
            s.used[p] += size
            s.text_bytes += texts
            s.cells[h[i] >> (64 - CELL_BITS)] += 1
        at = begin[n]
    return at


cdef inline uint64_t spill_rows(const Table *t, const Frozen *f, Spilling *s, const RowSource *source, uint64_t at,
                                uint64_t stop) noexcept nogil:
    """Write the rows that begin from `at` to `stop` to the buffers of their partitions. Returns the position behind
    them; or of the first one for which a buffer is full."""
    s.full = NO_PARTITION
    if t.form == WORD32:
        return spill_as(t, f, s, source, at, stop, <const uint32_t *> NULL)
    if t.form == TEXT:
        return spill_as(t, f, s, source, at, stop, <const Text *> NULL)
    return spill_as(t, f, s, source, at, stop, <const uint64_t *> NULL)


cdef inline Status load_as(const Table *t, const Frozen *f, Loading *l, const RowSource *source, uint64_t stop,
                           const key_t *form) noexcept nogil:
    cdef key_t key[BUILD_BLOCK]
    cdef const uint8_t *value[BUILD_BLOCK]
    cdef uint64_t h[BUILD_BLOCK]
    cdef uint64_t begin[BUILD_BLOCK + 1]
    cdef uint64_t i, n, part, slot, at = 0
    cdef uint8_t *entry
    while at < stop:
        n = take_rows(t, f, source, at, stop, key, value, begin)
        hash_keys(t, key, n, h)
        for i in range(n):
            part = part_of(h[i], f.nparts)
            if part < l.first or part >= l.last:
                continue
            part -= l.first
            slot = l.next[part]
            if unlikely(slot >= l.ends[part]):
                return CHANGED
            l.next[part] = slot + 1
            entry = l.entries + slot * f.stride
            if f.stride == 16:
                memcpy(entry, source.records + begin[i], 16)
            else:
                memcpy(entry, source.records + begin[i], f.stride)
            l.texts_used += copy_texts(t, f, entry, l.texts + l.texts_used, <uint64_t> (l.texts + l.texts_used))
        at = begin[n]
    return BUILT


cdef inline Status load_rows(const Table *t, const Frozen *f, Loading *l, const RowSource *source,
                             uint64_t stop) noexcept nogil:
    """Copy those of some records whose keys are in the parts that are loaded to their part. CHANGED if it has more keys
    than were counted."""
    if t.form == WORD32:
        return load_as(t, f, l, source, stop, <const uint32_t *> NULL)
    if t.form == TEXT:
        return load_as(t, f, l, source, stop, <const Text *> NULL)
    return load_as(t, f, l, source, stop, <const uint64_t *> NULL)


# ---- from the slots of a part ----------------------------------------------------------------------------------------

cdef inline uint64_t spill_slots(const Table *t, const Frozen *f, Spilling *s, const uint8_t *entries,
                                 const uint64_t *taken, uint64_t at) noexcept nogil:
    """Write the rows in the slots of a part, from `at` on, to the one buffer that there is. Returns the slot behind
    them; or the first one for which the buffer is full."""
    cdef uint64_t size
    cdef uint8_t *record
    s.full = NO_PARTITION
    while at < f.slots:
        if is_taken(taken, at):
            size = record_size(f, long_texts(t, f, entries + at * f.stride))
            if s.used[0] + size > s.room[0]:
                s.full, s.needed = 0, size
                break
            record = s.buffers[0] + s.used[0]
            memcpy(record, entries + at * f.stride, f.stride)
            end_record(t, f, record)
            s.used[0] += size
        at += 1
    return at


cdef inline uint64_t fill_slots(const Table *t, const Frozen *f, Filling *filling, uint64_t part, uint8_t *entries,
                                const uint64_t *taken, uint64_t at, uint64_t stop) noexcept nogil:
    """Put records into the free slots of a part from `at` to `stop`. Returns `stop`; or the first slot for which no
    record is left."""
    cdef uint8_t *record
    while at < stop:
        if not is_taken(taken, at):
            if filling.at == filling.stop:
                break
            record = filling.records + filling.at
            filling.at += load_record(t, f, record)
            memcpy(entries + at * f.stride, record, f.stride)
            filling.rows[filling.n] = <uint32_t> (part * f.slots + at)
            filling.n += 1
        at += 1
    return at


cdef inline uint64_t store_texts(const Table *t, const Frozen *f, uint8_t *entries, uint64_t at, uint64_t stop,
                                 uint8_t *target, uint64_t room, uint64_t *used, uint64_t where) noexcept nogil:
    """Copy the long texts of the rows from `at` to `stop` to `target`, `used` bytes of which are taken already. Texts
    lead to their places then; `where` is that of the first byte of `target`. Returns `stop`; or the first row for which
    there is no room."""
    cdef uint8_t *entry
    while at < stop:
        entry = entries + at * f.stride
        if long_texts(t, f, entry) > room - used[0]:
            break
        used[0] += copy_texts(t, f, entry, target + used[0], where + used[0])
        at += 1
    return at


# ---- equal keys ------------------------------------------------------------------------------------------------------

cdef inline uint64_t hash_records_as(const Table *t, const Frozen *f, const RowSource *source, uint64_t stop,
                                     uint64_t *h, uint64_t *begin, const key_t *form) noexcept nogil:
    cdef key_t key[BUILD_BLOCK]
    cdef const uint8_t *value[BUILD_BLOCK]
    cdef uint64_t hashes[BUILD_BLOCK]
    cdef uint64_t begins[BUILD_BLOCK + 1]
    cdef uint64_t n, rows = 0, at = 0
    begin[0] = 0
    while at < stop:
        n = take_rows(t, f, source, at, stop, key, value, begins)
        hash_keys(t, key, n, hashes)
        memcpy(h + rows, hashes, n * sizeof(uint64_t))
        memcpy(begin + rows, begins, (n + 1) * sizeof(uint64_t))
        rows += n
        at = begins[n]
    return rows


cdef inline uint64_t hash_records(const Table *t, const Frozen *f, const RowSource *source, uint64_t stop, uint64_t *h,
                                  uint64_t *begin) noexcept nogil:
    """Hash the keys of records, whose texts are loaded then, and find where each record begins, and where the last one
    ends. Returns how many there are."""
    if t.form == WORD32:
        return hash_records_as(t, f, source, stop, h, begin, <const uint32_t *> NULL)
    if t.form == TEXT:
        return hash_records_as(t, f, source, stop, h, begin, <const Text *> NULL)
    return hash_records_as(t, f, source, stop, h, begin, <const uint64_t *> NULL)


cdef inline bint same_keys(const Table *t, const uint8_t *x, const uint8_t *y) noexcept nogil:
    """Whether two records whose texts are loaded have the same key."""
    cdef const Text *a = <const Text *> x
    cdef const Text *b = <const Text *> y
    if t.form == WORD32:
        return memcmp(x, y, 4) == 0
    if t.form != TEXT:
        return memcmp(x, y, 8) == 0
    if a.size != b.size or a.head != b.head:
        return False
    return a.tail == b.tail if a.size <= INLINE_TEXT else memcmp(<void *> a.tail, <void *> b.tail, a.size) == 0


cdef inline uint64_t mark_repeated(const Table *t, const uint8_t *records, const uint64_t *begin, const uint64_t *h,
                                   const int64_t *order, uint64_t n, uint8_t *repeated) noexcept nogil:
    """Mark each of n records whose key comes again. `order` is that of the hashes, equal ones as they came. Returns how
    many there are."""
    cdef uint64_t i, a, b, found = 0
    for i in range(1, n):
        a, b = <uint64_t> order[i - 1], <uint64_t> order[i]
        if h[a] == h[b] and same_keys(t, records + begin[a], records + begin[b]):
            repeated[a] = True
            found += 1
    return found


cdef inline uint64_t close_up(const Table *t, const Frozen *f, uint8_t *records, const uint64_t *begin, uint64_t first,
                              uint64_t last, const uint8_t *dropped, uint64_t *text_bytes) noexcept nogil:
    """Move the records from number `first` to `last` that are not dropped together. Returns their bytes; those of the
    long texts of the others are added to `text_bytes`."""
    cdef uint64_t i, size, end = begin[first]
    for i in range(first, last):
        size = begin[i + 1] - begin[i]
        if dropped[i]:
            text_bytes[0] += long_texts(t, f, records + begin[i])
        else:
            memmove(records + end, records + begin[i], size)
            end += size
    return end - begin[first]
