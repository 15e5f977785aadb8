# A frozen table, which holds each key in one known row, and the look-up in it.
#
#     hash  63 .............. 32 31 ............... 0
#           └──── part ─────────┘└──── bucket ─────┘        each by a multiplication, so any number of them will do
#
#     pilots    one byte per bucket     part 0: p0 p1 p2 ... │ part 1: ...       chosen when the table was built,
#                   │ pilot                                                      see frozen_build.pxd
#                   v
#     slot = part * slots + reduce((hash ^ group * PILOT_STEP) * SLOT_MIX) + shift    a few more slots than keys;
#                   │                                     pilot = group + shift, shift < 64
#                   │
#                   ├─ slot < count:  row = slot
#                   └─ else:          row = remap[slot - count], one of the rows that no slot leads to
#                   v
#     entries   one row per key         k0 v0 │ k1 v1 │ ...   `stride` bytes each, laid out as a slot of layout.pxd
#
# The pilots are such that no two keys have the same row. So a look-up reads one pilot and one row, compares the key
# with the one that is there, and is done: a miss costs the same as a hit, and no key costs more than another.
#
# The memory may be a mapped file, which others can damage or write over at any time. So nothing is taken on trust:
# whatever the pilots and the remap hold, the row is one of the table's, and a text that is not in the arena is read as
# an empty one. The answer is then wrong, but nothing else is read.
#
# A part has some tens of thousands of keys, so that it is built within the second-level cache, and by itself. All parts
# have the same numbers of slots and buckets: finding the pilot and the slot is arithmetic, without a look at a part. A
# part has at least SHIFTS slots, so that a shift never leads out of it.
# Of its Table, a frozen map uses the types, the hash key and the arena, which is one block.

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from _hmap_bytes.raw_bytes cimport apart, load64, prefetch
from pyhmap._kernels.any_key cimport AnyKey, hash_text
from pyhmap._kernels.constants cimport (
    BLOCK,
    INLINE_TEXT,
    IN_FLIGHT,
    PILOT_STEP,
    SHIFTS,
    SLOT_MIX,
    TEXT,
    UNROLLED,
    WINDOW,
    WORD32,
)
from pyhmap._kernels.frozen_layout cimport Frozen, is_in_arena, loaded_text, read_once
from pyhmap._kernels.layout cimport ObjectKey, Table, Text, key_t, lowest_bit
from pyhmap._kernels.pipeline cimport block_size, cloned, hash_each, hash_each_text, unlikely
from pyhmap._kernels.reading cimport Reading, reading_from
from pyhmap._kernels.slot cimport copy_bytes, hash_of
from pyhmap._kernels.text cimport make_text, same_bytes
from pyhmap._kernels.text_source cimport TextSource, loaded, read_window


cdef inline uint64_t reduced(uint64_t word, uint32_t n) noexcept nogil:
    """The upper half of a word as a number below n. Both factors have 32 bits: one instruction for a vector of them."""
    return (<uint64_t> <uint32_t> (word >> 32) * n) >> 32


cdef inline uint64_t part_of(uint64_t h, uint32_t nparts) noexcept nogil:
    return reduced(h, nparts)


cdef inline uint64_t bucket_of(uint64_t h, uint32_t buckets) noexcept nogil:
    """The bucket within a part."""
    return reduced(h << 32, buckets)


cdef inline uint64_t first_slot_of(uint64_t h, uint64_t group, uint32_t slots) noexcept nogil:
    """The slot within a part to which the first pilot of a group leads; the next ones lead to those behind it."""
    return reduced((h ^ (group * PILOT_STEP)) * SLOT_MIX, slots - (SHIFTS - 1))


cdef inline uint64_t slot_of(uint64_t h, uint64_t pilot, uint32_t slots) noexcept nogil:
    """The slot within a part."""
    cdef uint64_t shift = pilot % SHIFTS
    return first_slot_of(h, pilot - shift, slots) + shift


cdef inline uint64_t in_part(uint64_t part, uint32_t size, uint64_t at) noexcept nogil:
    """From a slot or a bucket of a part to one of the table."""
    return <uint64_t> <uint32_t> part * size + at


cdef inline uint64_t remapped(const Frozen *f, uint64_t slot) noexcept nogil:
    """The row of a slot behind the rows. Whatever the remap holds, it is one of the table's, which is not empty."""
    return min(<uint64_t> f.remap[slot - f.count], f.count - 1)


cdef inline uint64_t row_of(const Frozen *f, uint64_t h) noexcept nogil:
    """The only row that a key of this hash can be in. The table is not empty."""
    cdef uint64_t part = part_of(h, f.nparts)
    cdef uint64_t pilot = f.pilots[in_part(part, f.buckets, bucket_of(h, f.buckets))]
    cdef uint64_t slot = in_part(part, f.slots, slot_of(h, pilot, f.slots))
    return remapped(f, slot) if unlikely(slot >= f.count) else slot


# ---- what a row holds ------------------------------------------------------------------------------------------------

cdef inline void load_key(const Table *t, const uint8_t *entry, key_t *key) noexcept nogil:
    if key_t is Text:
        key[0] = loaded_text(t, entry)
    else:
        key[0] = (<const key_t *> entry)[0]


cdef inline bint is_key(const Table *t, const uint8_t *entry, const key_t *key) noexcept nogil:
    cdef Text text
    if key_t is Text:
        text = loaded_text(t, entry)
        if text.size != key.size or text.head != key.head:
            return False
        if text.size <= INLINE_TEXT:
            return text.tail == key.tail
        return same_bytes(<const uint8_t *> text.tail, <const uint8_t *> key.tail, text.size)
    elif key_t is ObjectKey:
        return False                # there are none in a frozen table
    else:
        return (<const key_t *> entry)[0] == key[0]


cdef inline void hand_out(const Table *t, void *target, const void *value) noexcept nogil:
    """Copy a stored value out. A text is loaded: it stays readable as long as the arena does."""
    if t.text_values:
        (<Text *> target)[0] = loaded_text(t, value)
    else:
        copy_bytes(target, value, t.value_size)


cdef inline void load_any_key(const Table *t, const uint8_t *entry, AnyKey *key) noexcept nogil:
    if t.form == WORD32:
        load_key(t, entry, &key.word32)
    elif t.form == TEXT:
        load_key(t, entry, &key.text)
        key.digested.known = False
    else:
        load_key(t, entry, &key.word64)


# ---- one key ---------------------------------------------------------------------------------------------------------

cdef inline const uint8_t *entry_at(const Frozen *f, const Table *t, const key_t *key, uint64_t h) noexcept nogil:
    cdef const uint8_t *entry = f.entries + row_of(f, h) * f.stride
    return entry if is_key(t, entry, key) else NULL


cdef inline const uint8_t *find_entry(const Frozen *f, const Table *t, const AnyKey *key) noexcept nogil:
    """The row that holds a key, or NULL."""
    if f.count == 0:
        return NULL
    if t.form == WORD32:
        return entry_at(f, t, &key.word32, hash_of(t, &key.word32))
    if t.form == TEXT:
        return entry_at(f, t, &key.text, hash_text(t, key))
    return entry_at(f, t, &key.word64, hash_of(t, &key.word64))


# ---- many keys, in the stages of pipeline.pxd ------------------------------------------------------------------------
#
#     block b - 1       load the pilots
#     block b           hash the keys, prefetch their pilots
#     block b - 1       compute the rows from the pilots, prefetch the rows
#     block b - 2       compare the keys, copy the values out (texts: prefetch the stored text, and compare at b - 3)
#
# Where a key may be missing, that is not a branch: its row is read in any case. In a table that the caches hold, a
# look-up waits for no memory, and what is left counts:
#
# * Pilots are loaded one by one and used eight at a time. A vector cannot be loaded from stores that are still under
#   way: therefore the hashing of the next block comes between.
# * The loops over keys that the compiler makes no vectors of are unrolled: of so few turns the processor predicts the
#   last one, too.
# * A table of one part, which has fewer than PART_KEYS keys, computes no parts.

cdef inline cloned find_pilots(const Frozen *f, const uint64_t *h, uint64_t n, uint64_t *at) noexcept nogil:
    """First stage: where the pilot of each key is."""
    cdef uint64_t i
    cdef uint32_t nparts = f.nparts, buckets = f.buckets
    if nparts == 1:
        for i in range(n):
            at[i] = bucket_of(h[i], buckets)
    else:
        for i in range(n):
            at[i] = in_part(part_of(h[i], nparts), buckets, bucket_of(h[i], buckets))
    if f.far_pilots:
        for i in range(n):
            prefetch(f.pilots + at[i])


cdef inline void load_pilots(const Frozen *f, const uint64_t *at, uint64_t n, uint64_t *pilot) noexcept nogil:
    """Second stage: the pilots."""
    cdef uint64_t i, group, k
    cdef const uint8_t *pilots = f.pilots
    for group in range(n // UNROLLED):
        for k in range(<uint64_t> UNROLLED):
            i = group * UNROLLED + k
            pilot[i] = pilots[at[i]]
    for i in range(n - n % UNROLLED, n):
        pilot[i] = pilots[at[i]]


cdef inline cloned find_rows(const Frozen *f, const uint64_t *h, const uint64_t *pilot, uint64_t n,
                             uint64_t *at) noexcept nogil:
    """Third stage: from the pilots to the rows."""
    cdef uint64_t i, count = f.count, spare = 0
    cdef uint32_t nparts = f.nparts, slots = f.slots
    cdef uint64_t slot[BLOCK]
    if nparts == 1:             # straight-line arithmetic on local arrays: AVX-512 does eight keys at once
        for i in range(n):
            slot[i] = slot_of(h[i], pilot[i], slots)
    else:
        for i in range(n):
            slot[i] = in_part(part_of(h[i], nparts), slots, slot_of(h[i], pilot[i], slots))
    for i in range(n):
        at[i] = slot[i]
        spare |= <uint64_t> (slot[i] >= count) << i
    while spare:                # few keys: their slots are behind the rows
        i = lowest_bit(spare)
        spare &= spare - 1
        at[i] = remapped(f, at[i])
    if f.far_rows:
        for i in range(n):
            prefetch(f.entries + at[i] * f.stride)


cdef inline void prefetch_texts(const Frozen *f, const Table *t, const key_t *key, const uint64_t *row,
                                uint64_t n) noexcept nogil:
    """For texts, another stage: prefetch the stored texts that lie in the arena."""
    cdef uint64_t i
    cdef Text text
    if key_t is Text:
        for i in range(n):
            text = loaded_text(t, f.entries + row[i] * f.stride)
            if text.size == key[i].size > INLINE_TEXT:
                prefetch(<const void *> text.tail)


cdef inline uint64_t take_all(const Frozen *f, const Table *t, const key_t *key, const uint64_t *row, uint64_t n,
                              uint8_t *values) noexcept nogil:
    """Last stage if all keys should be there. Returns n, or the number of keys before the first miss: nothing is
    written for that one and those behind it."""
    cdef uint64_t i, group, k, first = 0, size = t.value_size, stride = f.stride
    cdef const uint8_t *entries = f.entries
    cdef const uint8_t *entry
    if (key_t is uint32_t or key_t is uint64_t) and size == 8:
        for group in range(n // UNROLLED):
            for k in range(<uint64_t> UNROLLED):
                i = group * UNROLLED + k
                entry = entries + row[i] * stride
                if unlikely((<const key_t *> entry)[0] != key[i]):
                    return i
                memcpy(values + i * 8, entry + sizeof(key_t), 8)
        first = n - n % UNROLLED
    for i in range(first, n):
        entry = entries + row[i] * stride
        if unlikely(not is_key(t, entry, &key[i])):
            return i
        if t.text_values:
            hand_out(t, values + i * size, entry + sizeof(key_t))
        else:
            copy_bytes(values + i * size, entry + sizeof(key_t), size)
    return n


cdef inline void compare_block(const Frozen *f, const Table *t, const key_t *key, const uint64_t *row, uint64_t n,
                               uint64_t *present) noexcept nogil:
    """Which of n keys are in their rows, 0 or 1 each."""
    cdef uint64_t i, stride = f.stride
    cdef const uint8_t *entries = f.entries
    for i in range(n):
        present[i] = is_key(t, entries + row[i] * stride, &key[i])


cdef inline void take_words(const Frozen *f, const key_t *key, const uint64_t *row, uint64_t n, uint8_t *values,
                            uint64_t fill, uint64_t *present) noexcept nogil:
    """compare_block() for keys that are words, and their values of 8 bytes in one go: a value is taken or not, which is
    no branch. Not a cloned function: these loads gain nothing from vectors, which are put together one by one."""
    cdef uint64_t i, group, k, stride = f.stride
    cdef const uint8_t *entries = f.entries
    if key_t is uint32_t or key_t is uint64_t:
        for group in range(n // UNROLLED):
            for k in range(<uint64_t> UNROLLED):
                i = group * UNROLLED + k
                present[i] = take_word(entries + row[i] * stride, &key[i], values + i * 8, fill)
        for i in range(n - n % UNROLLED, n):
            present[i] = take_word(entries + row[i] * stride, &key[i], values + i * 8, fill)


cdef inline uint64_t take_word(const uint8_t *entry, const key_t *key, uint8_t *target, uint64_t fill) noexcept nogil:
    """Copy the value of an entry if it has this key, else `fill`. Returns whether it has."""
    cdef uint64_t is_there = 0, value
    if key_t is uint32_t or key_t is uint64_t:
        is_there = (<const key_t *> entry)[0] == key[0]
        value = ((load64(entry + sizeof(key_t)) ^ fill) & -is_there) ^ fill
        memcpy(target, &value, 8)                   # a caller's array of bytes may be anywhere
    return is_there


cdef inline void take_values(const Frozen *f, const Table *t, const uint64_t *row, const uint64_t *present, uint64_t n,
                             uint8_t *values, const void *fill) noexcept nogil:
    cdef uint64_t i, size = t.value_size
    cdef const uint8_t *stored = f.entries + f.value_at
    for i in range(n):
        if not present[i]:
            copy_bytes(values + i * size, fill, size)
        elif t.text_values:
            hand_out(t, values + i * size, stored + row[i] * f.stride)
        else:
            copy_bytes(values + i * size, stored + row[i] * f.stride, size)


cdef inline void take_some(const Frozen *f, const Table *t, const Reading *r, const key_t *key, const uint64_t *row,
                           uint64_t n, uint64_t first) noexcept nogil:
    """Last stage if keys may be missing, for the keys at position `first` and on."""
    cdef uint64_t present[BLOCK]
    cdef uint64_t i, fill
    cdef uint8_t *values = NULL if r.values == NULL else r.values + first * t.value_size
    if (key_t is uint32_t or key_t is uint64_t) and r.values != NULL and t.value_size == 8:
        memcpy(&fill, r.fill, 8)
        take_words(f, key, row, n, values, fill, present)
    else:
        compare_block(f, t, key, row, n, present)
        if r.values != NULL:
            take_values(f, t, row, present, n, values, r.fill)
    if r.found != NULL:
        for i in range(n):
            r.found[first + i] = <uint8_t> present[i]
    if r.rows != NULL:
        for i in range(n):
            r.rows[first + i] = <int64_t> (row[i] | (present[i] - 1))       # -1 if it is missing


cdef inline uint64_t nothing_there(const Table *t, const Reading *r, uint64_t start, uint64_t stop) noexcept nogil:
    """What a table without keys answers."""
    cdef uint64_t i
    if r.stop_at_miss:
        return start
    for i in range(start, stop):
        if r.found != NULL:
            r.found[i] = 0
        if r.rows != NULL:
            r.rows[i] = -1
        if r.values != NULL:
            copy_bytes(r.values + i * t.value_size, r.fill, t.value_size)
    return stop


cdef inline uint64_t read_rows_as(const Frozen *f, const Table *t, const Reading *r, const key_t *keys, uint64_t start,
                                  uint64_t stop) noexcept nogil:
    """Look up keys[start:stop]. Returns stop, or the position of the missing key it stopped at."""
    cdef key_t ring[IN_FLIGHT][BLOCK]
    cdef const key_t *key[IN_FLIGHT]
    cdef uint64_t h[IN_FLIGHT][BLOCK]
    cdef uint64_t row[IN_FLIGHT][BLOCK]
    cdef uint64_t pilot[BLOCK]
    cdef uint64_t b, j, n, done, base, blocks = (stop - start + BLOCK - 1) // BLOCK
    cdef uint64_t last_stage = 3 if key_t is Text else 2
    if f.count == 0:
        return nothing_there(t, r, start, stop)
    for b in range(blocks + last_stage):
        if 1 <= b < blocks + 1:
            load_pilots(f, row[(b - 1) % IN_FLIGHT], block_size(b - 1, start, stop), pilot)
        if b < blocks:
            j = b % IN_FLIGHT
            n = block_size(b, start, stop)
            key[j] = keys + start + b * BLOCK
            if key_t is Text:
                hash_each_text(t, key[j], n, h[j])
            else:
                hash_each(t, key[j], n, ring[j], h[j])
                key[j] = ring[j]
            find_pilots(f, h[j], n, row[j])
        if 1 <= b < blocks + 1:
            j = (b - 1) % IN_FLIGHT
            find_rows(f, h[j], pilot, block_size(b - 1, start, stop), row[j])
        if key_t is Text:
            if 2 <= b < blocks + 2:
                j = (b - 2) % IN_FLIGHT
                prefetch_texts(f, t, key[j], row[j], block_size(b - 2, start, stop))
        if b >= last_stage:
            j = (b - last_stage) % IN_FLIGHT
            n = block_size(b - last_stage, start, stop)
            base = start + (b - last_stage) * BLOCK
            if r.stop_at_miss:
                done = take_all(f, t, key[j], row[j], n, r.values + base * t.value_size)
                if done < n:
                    return base + done
            else:
                take_some(f, t, r, key[j], row[j], n, base)
    return stop


cdef inline uint64_t read_text_rows(const Frozen *f, const Table *t, const Reading *r, const TextSource *source,
                                    uint64_t start, uint64_t stop) noexcept nogil:
    """read_rows_as() for the texts of a source; a column is read by windows. Also stops at an item that is not text."""
    cdef Text window[WINDOW]
    cdef Reading shifted
    cdef uint64_t n, done
    if loaded(source):
        return read_rows_as(f, t, r, source.texts, start, stop)
    while start < stop:
        n = read_window(source, start, stop - start, window)
        shifted = reading_from(r, start, t.value_size)
        done = read_rows_as(f, t, &shifted, window, 0, n)
        start += done
        if done < n or n == 0:
            break
    return start


cdef inline uint64_t read_rows(const Frozen *f, const Table *t, const Reading *r, const void *keys,
                               const TextSource *texts, uint64_t start, uint64_t stop) noexcept nogil:
    """Look up the keys from start to stop, as read_batch() of lookup_many.pxd does."""
    if t.form == WORD32:
        return read_rows_as(f, t, r, <const uint32_t *> keys, start, stop)
    if t.form == TEXT:
        return read_text_rows(f, t, r, texts, start, stop)
    return read_rows_as(f, t, r, <const uint64_t *> keys, start, stop)


cdef inline void collect_rows_as(const Frozen *f, const Table *t, uint8_t *keys, uint8_t *values,
                                 const key_t *form) noexcept nogil:
    """collect_rows() for one form; `form` only tells which."""
    cdef uint64_t row
    cdef const uint8_t *entry
    for row in range(f.count):
        entry = f.entries + row * f.stride
        if keys != NULL:
            load_key(t, entry, &(<key_t *> keys)[row])
        if values != NULL:
            hand_out(t, values + row * t.value_size, entry + f.value_at)


cdef inline void collect_rows(const Frozen *f, const Table *t, uint8_t *keys, uint8_t *values) noexcept nogil:
    """Copy the keys and values out in the order of the rows; either target may be NULL."""
    if t.form == WORD32:
        collect_rows_as(f, t, keys, values, <const uint32_t *> NULL)
    elif t.form == TEXT:
        collect_rows_as(f, t, keys, values, <const Text *> NULL)
    else:
        collect_rows_as(f, t, keys, values, <const uint64_t *> NULL)


# ---- the way back, for the codes of an index: row_at has the row of each ---------------------------------------------

cdef inline uint64_t row_of_code(const Frozen *f, const uint32_t *row_at, uint64_t code) noexcept nogil:
    """The row of a code below `count`. Whatever row_at holds, it is one of the table's."""
    return min(<uint64_t> row_at[code], f.count - 1)


cdef inline apart gather_as(const Frozen *f, const Table *t, const uint32_t *row_at, const int64_t *codes, uint64_t n,
                            key_t *out, uint64_t *done) noexcept nogil:
    """gather_rows() for one form."""
    cdef uint64_t i, k, group, code
    cdef const uint8_t *entry[UNROLLED]
    done[0] = n
    for group in range((n + UNROLLED - 1) // UNROLLED):
        for k in range(<uint64_t> UNROLLED):           # two accesses one after the other: those of some codes overlap
            i = group * UNROLLED + k
            if i == n:
                break
            code = <uint64_t> codes[i]
            if unlikely(code >= f.count):
                done[0] = n = i
                break
            entry[k] = f.entries + row_of_code(f, row_at, code) * f.stride
            prefetch(entry[k])
        for k in range(min(<uint64_t> UNROLLED, n - group * UNROLLED)):
            load_key(t, entry[k], &out[group * UNROLLED + k])
        if group * UNROLLED + UNROLLED >= n:
            return


cdef inline uint64_t gather_rows(const Frozen *f, const Table *t, const uint32_t *row_at, const int64_t *codes,
                                 uint64_t n, void *out) noexcept nogil:
    """Load the keys of n codes. Returns n, or the position of the first code that no key has."""
    cdef uint64_t done
    if t.form == WORD32:
        gather_as(f, t, row_at, codes, n, <uint32_t *> out, &done)
    elif t.form == TEXT:
        gather_as(f, t, row_at, codes, n, <Text *> out, &done)
    else:
        gather_as(f, t, row_at, codes, n, <uint64_t *> out, &done)
    return done


# ---- the structure ---------------------------------------------------------------------------------------------------

cdef inline bint is_next(const Text *stored, uint64_t *at) noexcept nogil:
    """Whether a stored text begins where the one before it in the arena ends; `at` moves on to its end."""
    cdef Text text = stored[0]
    read_once(&text)
    if text.size > INLINE_TEXT:
        if text.tail != at[0]:
            return False
        at[0] += text.size
    return True


cdef inline uint64_t first_bad_text(const Frozen *f, const Table *t, uint64_t size) noexcept nogil:
    """Long texts lie in an arena of `size` bytes in the order of the rows, one behind the other, and fill it. Returns
    the first row where they do not; or the number of rows."""
    cdef uint64_t row, at = 0
    cdef const uint8_t *entry
    if t.form == TEXT or t.text_values:
        for row in range(f.count):
            entry = f.entries + row * f.stride
            if t.form == TEXT and not is_next(<const Text *> entry, &at):
                return row
            if t.text_values and not is_next(<const Text *> (entry + f.value_at), &at):
                return row
            if at > size:
                return row
    return f.count if at == size or f.count == 0 else f.count - 1


# ---- the check -------------------------------------------------------------------------------------------------------

cdef inline uint64_t first_astray_as(const Frozen *f, const Table *t, const key_t *form) noexcept nogil:
    cdef uint64_t row
    cdef key_t key
    for row in range(f.count):
        load_key(t, f.entries + row * f.stride, &key)
        if row_of(f, hash_of(t, &key)) != row:
            return row
    return f.count


cdef inline uint64_t first_astray(const Frozen *f, const Table *t) noexcept nogil:
    """The first row whose key does not lead to it; or the number of rows."""
    if t.form == WORD32:
        return first_astray_as(f, t, <const uint32_t *> NULL)
    if t.form == TEXT:
        return first_astray_as(f, t, <const Text *> NULL)
    return first_astray_as(f, t, <const uint64_t *> NULL)
