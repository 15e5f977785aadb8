# Building a frozen table: keys are sorted into parts, and each part is built by itself.
#
#     1. count      hash each key of the source, count the keys of each part
#     2. scatter    hash again, copy key and value to the next free slot of the key's part, which is whole then
#     3. build      in each part: sort the hashes by bucket, find a pilot for each, move the entries to their slots
#     4. remap      move the entries in slots behind the rows to rows that have none: the end of the memory is free then
#     5. texts      copy the long texts into the arena in the order of the rows
#
#     source   k5 v5, k2 v2, k9 v9 ...      scattered   │ k2 v2, k9 v9, ... │ k5 v5, ... │
#                                                         part 0              part 1
#
# Hashing twice is cheaper than keeping the hashes: beyond the table itself, building takes memory for one part only. A
# part's hashes, slots and owners stay in the second-level cache.
#
# Pilots. Large buckets come first, while most slots are free. The pilot of a bucket is the first of 256 that leads its
# keys to free slots, each to another. The 64 pilots of a group lead a key to slots side by side, of which one word says
# whether they are taken. So a group is tried in one step: the pilots that are left are the zeros in the OR of the words
# of all keys.
#
#     key a   first slot 70     taken[70 .. 133]  ...01101   bit 0: pilot 0 leads a to slot 70, which is taken
#     key b   first slot 912    taken[912 .. 975] ...10011
#                                                 ...11111   pilots 0 to 4 are of no use
#
# If there is none, it is the one that displaces the least: the sum of the squared sizes of the buckets it displaces,
# which are placed again. Not one of the last four placed may be displaced.
#
# Source: Groot Koerkamp, "PtrHash: Minimal Perfect Hashing at RAM Throughput", 2025; after Pibiri and Trani, "PTHash",
# 2021. Parts with numbers of slots of their own, pilots of which 64 are tried at once, and full keys are ours.

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

from _hmap_bytes.raw_bytes cimport prefetch
from pyhmap._kernels.constants cimport (
    BLOCK,
    BUCKET_MAX,
    BUCKETS_DEN,
    BUCKETS_NUM,
    BUILD_BLOCK,
    BUILT,
    CHANGED,
    DISPLACED_MAX,
    EMPTY_ONE,
    INLINE_TEXT,
    LAST_PLACED,
    NO_PILOT,
    PILOTS,
    SHIFTS,
    SLOTS,
    SPARE_KEYS,
    Status,
    TEXT,
    TEXTS_AHEAD,
    WORD32,
)
from pyhmap._kernels.frozen cimport bucket_of, first_slot_of, part_of, row_of, slot_of
from pyhmap._kernels.frozen_layout cimport Frozen, PartScratch
from pyhmap._kernels.layout cimport Table, Text, kernel_assert, key_t, lowest_bit, slot_at
from pyhmap._kernels.pipeline cimport cloned, hash_each, hash_each_text, unlikely
from pyhmap._kernels.slot cimport copy_bytes, hand_out, load_key
from pyhmap._kernels.text cimport arena_bytes, hash_text

cdef extern from *:
    """
    #define PYHMAP_NO_OWNER UINT32_C(0xFFFFFFFF)
    """
    const uint32_t NO_OWNER "PYHMAP_NO_OWNER"


cdef struct Source:             # the keys and values that a table is built from
    const Table *map            # the rows of a settled map; or, if NULL:
    const uint8_t *keys         # keys of the form, one behind the other
    const uint8_t *values
    uint64_t value_step         # bytes from one value to the next, 0 for one that stands for all


cdef struct Sorting:            # where the keys of one range of the source go
    uint32_t nparts
    uint64_t *keys              # of each part: how many keys; in the second pass, the next slot
    const uint64_t *ends        # of each part: the slot behind its last key
    uint8_t *entries            # in the second pass, where they go; NULL in the first
    uint64_t stride, value_at


cdef struct Part:               # what the steps of one part need to know
    uint32_t keys
    uint32_t slots
    uint32_t buckets


cdef inline uint64_t slots_for(uint64_t keys) noexcept nogil:
    """The slots of a part of so many keys."""
    return keys + keys // SPARE_KEYS + SHIFTS


cdef inline uint64_t taken_words(uint64_t slots) noexcept nogil:
    """The words of the bits of so many slots. With the last slot's word another one is read."""
    return (slots + 63) // 64 + 1


cdef inline uint64_t buckets_for(uint64_t keys) noexcept nogil:
    return keys * BUCKETS_NUM // BUCKETS_DEN + 1


# ---- count and scatter -----------------------------------------------------------------------------------------------

cdef inline void hash_texts(const Table *t, const Text *keys, uint64_t n, uint64_t *h) noexcept nogil:
    cdef uint64_t m, done = 0
    while done < n:
        m = min(n - done, <uint64_t> BLOCK)
        hash_each_text(t, keys + done, m, h + done)
        done += m


cdef inline Status sort_block(const Table *t, Sorting *s, const key_t *given, const uint8_t *const *values,
                              uint64_t n) noexcept nogil:
    """Count or scatter up to BUILD_BLOCK keys, whose values are texts as loaded, or bytes. CHANGED if a part has more
    keys now than were counted."""
    cdef key_t key[BUILD_BLOCK]
    cdef uint64_t h[BUILD_BLOCK]
    cdef uint64_t i, part, slot
    cdef uint8_t *entry
    if key_t is Text:
        hash_texts(t, given, n, h)
        memcpy(key, given, n * sizeof(key_t))
    else:
        hash_each(t, given, n, key, h)
    if s.entries == NULL:
        for i in range(n):
            s.keys[part_of(h[i], s.nparts)] += 1
        return BUILT
    for i in range(n):
        part = part_of(h[i], s.nparts)
        slot = s.keys[part]
        if unlikely(slot >= s.ends[part]):
            return CHANGED
        s.keys[part] = slot + 1
        entry = s.entries + slot * s.stride
        (<key_t *> entry)[0] = key[i]
        copy_bytes(entry + s.value_at, values[i], t.value_size)
    return BUILT


cdef inline Status sort_rows(const Table *t, Sorting *s, const Table *map, uint64_t first, uint64_t last,
                             const key_t *form) noexcept nogil:
    """Count or scatter the keys of some rows of a settled map."""
    cdef key_t key[BUILD_BLOCK]
    cdef Text text[BUILD_BLOCK]
    cdef const uint8_t *value[BUILD_BLOCK]
    cdef uint64_t row, n = 0
    cdef int i
    cdef const uint8_t *slot
    for row in range(first, last):
        for i in range(SLOTS):
            if map.now.tophash[row * SLOTS + i] > EMPTY_ONE:
                slot = slot_at(&map.now, row, i)
                load_key(map, slot, &key[n])
                value[n] = slot + s.value_at
                if map.text_values:
                    hand_out(map, &text[n], value[n])
                    value[n] = <const uint8_t *> &text[n]
                n += 1
        if n > BUILD_BLOCK - SLOTS or row == last - 1:
            sort_block(t, s, key, value, n)
            n = 0
    return BUILT


cdef inline Status sort_items(const Table *t, Sorting *s, const Source *source, uint64_t first, uint64_t last,
                              const key_t *form) noexcept nogil:
    """Count or scatter some items of arrays."""
    cdef const uint8_t *value[BUILD_BLOCK]
    cdef uint64_t i, n
    while first < last:
        n = min(last - first, <uint64_t> BUILD_BLOCK)
        for i in range(n):
            value[i] = source.values + (first + i) * source.value_step
        if sort_block(t, s, <const key_t *> source.keys + first, value, n) != BUILT:
            return CHANGED
        first += n
    return BUILT


cdef inline Status sort_as(const Table *t, Sorting *s, const Source *source, uint64_t first, uint64_t last,
                           const key_t *form) noexcept nogil:
    if source.map != NULL:
        return sort_rows(t, s, source.map, first, last, form)
    return sort_items(t, s, source, first, last, form)


cdef inline Status sort_into_parts(const Table *t, Sorting *s, const Source *source, uint64_t first,
                                   uint64_t last) noexcept nogil:
    """Count or scatter the keys from `first` to `last` of a source: rows of a map, or positions in arrays."""
    if t.form == WORD32:
        return sort_as(t, s, source, first, last, <const uint32_t *> NULL)
    if t.form == TEXT:
        return sort_as(t, s, source, first, last, <const Text *> NULL)
    return sort_as(t, s, source, first, last, <const uint64_t *> NULL)


# ---- the pilots of one part ------------------------------------------------------------------------------------------

cdef inline uint64_t is_taken(const uint64_t *taken, uint64_t slot) noexcept nogil:
    return taken[slot >> 6] >> (slot & 63) & 1


cdef inline uint64_t taken_from(const uint64_t *taken, uint64_t slot) noexcept nogil:
    """The bits of a slot and the 63 behind it, from the lowest on."""
    cdef uint64_t at = slot >> 6, shift = slot & 63
    return taken[at] >> shift | taken[at + 1] << 1 << (63 - shift)


cdef inline Status sort_by_bucket(const Part *p, const PartScratch *s) noexcept nogil:
    """Sort the hashes of a part by bucket, and the buckets by size."""
    cdef uint32_t i, b, at, size
    cdef uint32_t place[BUCKET_MAX + 1]
    memset(s.size, 0, p.buckets)
    for i in range(p.keys):
        b = <uint32_t> bucket_of(s.hashes[i], p.buckets)
        size = s.size[b] + 1
        s.size[b] = <uint8_t> size
        if unlikely(size > BUCKET_MAX):
            return NO_PILOT
    memset(place, 0, sizeof(place))
    at = 0
    for b in range(p.buckets):
        place[s.size[b]] += 1
        s.start[b] = s.waiting[b] = at          # until all hashes are sorted, waiting[b] is where the next one goes
        at += s.size[b]
    s.start[p.buckets] = at
    at = 0
    for i in range(BUCKET_MAX + 1):             # the largest first
        size = place[BUCKET_MAX - i]
        place[BUCKET_MAX - i] = at
        at += size
    for b in range(p.buckets):
        size = s.size[b]
        s.order[place[size]] = b
        place[size] += 1
    for i in range(p.keys):
        b = <uint32_t> bucket_of(s.hashes[i], p.buckets)
        at = s.waiting[b]
        s.waiting[b] = at + 1
        s.sorted[at] = s.hashes[i]
        s.entry[at] = i
    return BUILT


cdef inline bint same_hashes(const uint64_t *h, uint32_t n) noexcept nogil:
    """Whether two keys of a bucket have the same hash: then no pilot can tell them apart."""
    cdef uint32_t i, j
    for i in range(1, n):
        for j in range(i):
            if h[i] == h[j]:
                return True
    return False


cdef inline bint all_differ(const Part *p, const uint64_t *h, uint32_t n, uint64_t pilot) noexcept nogil:
    """Whether the keys of a bucket come to slots that are all different."""
    cdef uint32_t i, j
    for i in range(1, n):
        for j in range(i):
            if slot_of(h[i], pilot, p.slots) == slot_of(h[j], pilot, p.slots):
                return False
    return True


cdef inline uint64_t free_pilot(const Part *p, const uint64_t *taken, const uint64_t *h, uint32_t n) noexcept nogil:
    """The first pilot that leads the keys of a bucket to free slots, each to another; or PILOTS."""
    cdef uint64_t group = 0, busy
    cdef uint32_t j
    while group < PILOTS:
        busy = 0
        for j in range(n):
            busy |= taken_from(taken, first_slot_of(h[j], group, p.slots))
        if ~busy and all_differ(p, h, n, group):        # as they do for one pilot of the group, they do for all
            return group + lowest_bit(~busy)
        group += SHIFTS
    return PILOTS


cdef inline bint is_among(uint32_t bucket, const uint32_t *last) noexcept nogil:
    cdef int k
    for k in range(LAST_PLACED):
        if bucket == last[k]:
            return True
    return False


cdef inline uint64_t cheapest_pilot(const Part *p, const PartScratch *s, const uint64_t *h, uint32_t n,
                                    const uint32_t *last) noexcept nogil:
    """The first of the pilots that displace the least; or PILOTS if each displaces one of the last buckets placed."""
    cdef uint64_t pilot, cost, size, best = ~<uint64_t> 0, best_pilot = PILOTS
    cdef uint32_t j, owner
    for pilot in range(<uint64_t> PILOTS):
        cost = 0
        for j in range(n):
            owner = s.owner[slot_of(h[j], pilot, p.slots)]
            if owner != NO_OWNER:
                size = s.start[owner + 1] - s.start[owner]
                cost += size * size
                if cost >= best or is_among(owner, last):
                    cost = best
                    break
        if cost < best and all_differ(p, h, n, pilot):
            best, best_pilot = cost, pilot
    return best_pilot


cdef inline void take_slots(const Part *p, const PartScratch *s, uint32_t b, uint64_t pilot) noexcept nogil:
    cdef uint64_t slot
    cdef uint32_t i
    for i in range(s.start[b], s.start[b + 1]):
        slot = slot_of(s.sorted[i], pilot, p.slots)
        s.taken[slot >> 6] |= <uint64_t> 1 << (slot & 63)
        s.owner[slot] = b


cdef inline void leave_slots(const Part *p, const PartScratch *s, uint32_t b, uint64_t pilot) noexcept nogil:
    cdef uint64_t slot
    cdef uint32_t i
    for i in range(s.start[b], s.start[b + 1]):
        slot = slot_of(s.sorted[i], pilot, p.slots)
        s.taken[slot >> 6] &= ~(<uint64_t> 1 << (slot & 63))
        s.owner[slot] = NO_OWNER


cdef inline cloned find_pilots(const Part *p, const PartScratch *s, uint8_t *pilots, Status *status) noexcept nogil:
    """Find a pilot for each bucket of a part whose hashes are sorted."""
    cdef uint32_t last[LAST_PLACED]
    cdef uint64_t pilot, slot, placed = 0, left = <uint64_t> DISPLACED_MAX * p.buckets
    cdef uint32_t i, j, b, n, other, waiting
    cdef const uint64_t *h
    status[0] = BUILT
    memset(s.taken, 0, taken_words(p.slots) * 8)
    memset(s.owner, 0xFF, p.slots * sizeof(uint32_t))
    for i in range(<uint32_t> LAST_PLACED):
        last[i] = NO_OWNER
    for i in range(p.buckets):
        b = s.order[i]
        n = s.start[b + 1] - s.start[b]
        if n == 0:                  # so are all that follow
            pilots[b] = 0
            continue
        if same_hashes(s.sorted + s.start[b], n):
            status[0] = NO_PILOT
            return
        s.waiting[0] = b
        waiting = 1
        while waiting:
            waiting -= 1
            b = s.waiting[waiting]
            h = s.sorted + s.start[b]
            n = s.start[b + 1] - s.start[b]
            pilot = free_pilot(p, s.taken, h, n)
            if unlikely(pilot == PILOTS):
                pilot = cheapest_pilot(p, s, h, n, last)
                if pilot == PILOTS or left == 0:
                    status[0] = NO_PILOT
                    return
                for j in range(n):
                    slot = slot_of(h[j], pilot, p.slots)
                    other = s.owner[slot]
                    if other != NO_OWNER:
                        leave_slots(p, s, other, pilots[other])
                        s.waiting[waiting] = other
                        waiting += 1
                        left -= left > 0
            pilots[b] = <uint8_t> pilot
            take_slots(p, s, b, pilot)
            last[placed % LAST_PLACED] = b
            placed += 1


cdef inline Status build_pilots(const Part *p, const PartScratch *s, uint8_t *pilots) noexcept nogil:
    """Find the pilots of one part from its hashes."""
    cdef Status status = sort_by_bucket(p, s)
    if status == BUILT:
        find_pilots(p, s, pilots, &status)
    return status


# ---- one part --------------------------------------------------------------------------------------------------------

cdef inline void hash_entries(const Table *t, const uint8_t *entries, uint64_t stride, uint64_t n, uint64_t *h,
                              const key_t *form) noexcept nogil:
    cdef key_t key[BUILD_BLOCK]
    cdef uint64_t i, first = 0, m
    while first < n:
        m = min(n - first, <uint64_t> BUILD_BLOCK)
        for i in range(m):
            key[i] = (<const key_t *> (entries + (first + i) * stride))[0]
        if key_t is Text:
            hash_texts(t, key, m, h + first)
        else:
            hash_each(t, key, m, key, h + first)
        first += m


cdef inline void move_entries(const Part *p, const PartScratch *s, const uint8_t *pilots, uint8_t *entries,
                              uint64_t stride) noexcept nogil:
    """Move each entry to its slot."""
    cdef uint32_t b, i
    cdef uint64_t slot
    memcpy(s.entries, entries, p.keys * stride)
    for b in range(p.buckets):
        for i in range(s.start[b], s.start[b + 1]):
            slot = slot_of(s.sorted[i], pilots[b], p.slots)
            if stride == 16:
                memcpy(entries + slot * 16, s.entries + s.entry[i] * 16, 16)
            else:
                memcpy(entries + slot * stride, s.entries + s.entry[i] * stride, stride)


cdef inline Status build_part(const Table *t, const Part *p, const PartScratch *s, uint8_t *entries, uint64_t stride,
                              uint8_t *pilots) noexcept nogil:
    """Build one part from its entries, which are in any order, and put them into their slots."""
    cdef Status status
    if t.form == WORD32:
        hash_entries(t, entries, stride, p.keys, s.hashes, <const uint32_t *> NULL)
    elif t.form == TEXT:
        hash_entries(t, entries, stride, p.keys, s.hashes, <const Text *> NULL)
    else:
        hash_entries(t, entries, stride, p.keys, s.hashes, <const uint64_t *> NULL)
    status = build_pilots(p, s, pilots)
    if status == BUILT:
        move_entries(p, s, pilots, entries, stride)
    return status


# ---- all parts -------------------------------------------------------------------------------------------------------

cdef inline void next_free(const Frozen *f, const uint64_t *taken, uint64_t words, uint64_t *part,
                           uint64_t *slot) noexcept nogil:
    """Go on from a slot of a part to the first free one, which may be itself. There must be one."""
    cdef uint64_t zeros
    while True:
        if slot[0] >= f.slots:
            part[0], slot[0] = part[0] + 1, 0
        zeros = ~taken_from(taken + part[0] * words, slot[0])
        if zeros:
            slot[0] += lowest_bit(zeros)
            if slot[0] < f.slots:
                return
        else:
            slot[0] += 64


cdef inline void fill_rows(const Frozen *f, const uint64_t *taken, uint64_t words, uint8_t *entries,
                           uint32_t *remap) noexcept nogil:
    """Move each entry in a slot behind the rows to a row that has none. `taken` has one bit per slot: `words` words per
    part."""
    cdef uint64_t slot, part = f.count // f.slots, at = f.count % f.slots, row_part = 0, row_at = 0, row
    for slot in range(f.count, <uint64_t> f.nparts * f.slots):
        remap[slot - f.count] = 0
        if is_taken(taken + part * words, at):
            next_free(f, taken, words, &row_part, &row_at)
            row = row_part * f.slots + row_at
            remap[slot - f.count] = <uint32_t> row
            memcpy(entries + row * f.stride, entries + slot * f.stride, f.stride)
            row_at += 1
        at += 1
        if at == f.slots:
            part, at = part + 1, 0


cdef inline void prefetch_text(const uint8_t *entry) noexcept nogil:
    if (<const Text *> entry).size > INLINE_TEXT:
        prefetch(<const void *> (<const Text *> entry).tail)


cdef inline uint64_t move_text(Text *text, uint8_t *arena, uint64_t at) noexcept nogil:
    """Copy a loaded text to place `at` of the arena, and make it a stored one. Returns where the next one goes."""
    cdef uint64_t size = arena_bytes(text)
    if size:
        memcpy(arena + at, <const void *> text.tail, size)
        text.tail = at              # in block 0
    return at + size


cdef inline bint is_at_home(const Table *t, const Frozen *f, const uint8_t *entry, uint64_t row,
                            const uint8_t *arena) noexcept nogil:
    """Whether a stored text is in the row to which its hash leads. Others may write to the array that a long text comes
    from, while it is hashed and copied; the copy in the arena is the table's own."""
    cdef Text text = (<const Text *> entry)[0]
    if text.size <= INLINE_TEXT:
        return True
    text.tail += <uint64_t> arena
    return row_of(f, hash_text(t, &text)) == row and memcmp(&text.head, <const void *> text.tail, 4) == 0


cdef inline uint64_t arena_needed(const Table *t, const Frozen *f, uint64_t first, uint64_t last) noexcept nogil:
    """The bytes of the long texts in some rows."""
    cdef uint64_t row, size = 0
    cdef const uint8_t *entry
    for row in range(first, last):
        entry = f.entries + row * f.stride
        if t.form == TEXT:
            size += arena_bytes(<const Text *> entry)
        if t.text_values:
            size += arena_bytes(<const Text *> (entry + f.value_at))
    return size


cdef inline Status move_texts(const Table *t, const Frozen *f, uint64_t first, uint64_t last, uint8_t *entries,
                              uint8_t *arena, uint64_t *at, bint may_change) noexcept nogil:
    """Copy the long texts of some rows into the arena, from `at` on, which moves on. CHANGED if a key is not what was
    hashed."""
    cdef uint64_t row
    cdef uint8_t *entry
    for row in range(first, last):
        entry = entries + row * f.stride
        if row + TEXTS_AHEAD < last:
            if t.form == TEXT:
                prefetch_text(entry + TEXTS_AHEAD * f.stride)
            if t.text_values:
                prefetch_text(entry + TEXTS_AHEAD * f.stride + f.value_at)
        if t.form == TEXT:
            at[0] = move_text(<Text *> entry, arena, at[0])
            if may_change and not is_at_home(t, f, entry, row, arena):
                return CHANGED
        if t.text_values:
            at[0] = move_text(<Text *> (entry + f.value_at), arena, at[0])
    return BUILT
