# Looking up many keys, and copying out all of them.
#
# The branch predictor cannot guess whether a key is there, and a wrong guess costs several look-ups. So "no match" is
# a mask, not a branch: it sets NO_MATCH in the place, and slot 0 is prefetched. Full rows without a match are noted
# in one bit each, and the rows behind them are searched together. Where keys may be missing, the last stage lists
# those that have a place, which takes no branch either, and compares only these. One branch remains: a first match
# that is another key, which is rare.
#
# Keys finish in order, so the first miss is the first by position. Slots are prefetched only after the match: most
# slots of a row would be the wrong ones, and a miss needs none.

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from _hmap_bytes.raw_bytes cimport cold, prefetch
from pyhmap._kernels.constants cimport BLOCK, IN_FLIGHT, OBJECT_KEY, SLOTS, TEXT, WINDOW, WORD32
from pyhmap._kernels.hash cimport tophash_of
from pyhmap._kernels.layout cimport Buckets, ObjectKey, Table, Text, growing, key_t, lowest_bit, slot_at, tophash_word
from pyhmap._kernels.one_key cimport get
from pyhmap._kernels.pipeline cimport block_size, cloned, hash_block, unlikely
from pyhmap._kernels.probe cimport chain_ends, find, first_slot, first_slot_by_product, match, match_full
from pyhmap._kernels.reading cimport Reading, reading_from
from pyhmap._kernels.slot cimport canonical, copy_bytes, hand_out, hash_of, load_key, prefetch_key, same_key, value_of
from pyhmap._kernels.text_source cimport TextSource, loaded, read_window

cdef extern from *:
    """
    #define PYHMAP_NO_MATCH UINT64_C(0x8000000000000000)
    """
    # A key with no tophash match; the other bits are 0, so the place is still slot 0's.
    const uint64_t NO_MATCH "PYHMAP_NO_MATCH"


cdef inline uint64_t all_ones(bint condition) noexcept nogil:
    """A condition as a mask."""
    return -<uint64_t> condition


cdef inline cloned match_block(const Buckets *b, const uint64_t *h, uint64_t n, uint64_t *place) noexcept nogil:
    """Second stage: the place of each key, as the offset in bytes of the slot that matched first."""
    cdef uint64_t i, row, matches, none, at, behind = 0
    cdef uint64_t mask = b.nmain - 1, stride = b.stride
    cdef const uint64_t *rows = <const uint64_t *> b.tophash
    cdef const uint8_t *slots = b.slots
    cdef uint64_t word[BLOCK]
    cdef uint64_t found[BLOCK]
    cdef uint64_t near[BLOCK]
    for i in range(n):
        word[i] = rows[h[i] & mask]
    for i in range(n):          # straight-line arithmetic on local arrays: AVX-512 does eight keys at once
        row = h[i] & mask
        matches = match(word[i], tophash_of(h[i]))
        none = all_ones(matches == 0)
        at = (row * SLOTS + first_slot_by_product(matches)) * stride
        near[i] = at & ~none
        found[i] = near[i] | (none & NO_MATCH)
        word[i] = none & ~all_ones(chain_ends(word[i])) & 1
    for i in range(n):
        place[i] = found[i]
    for i in range(n):
        prefetch(slots + near[i])
        behind |= word[i] << i          # a full row without a match, noted without a branch
    if behind:
        look_behind(b, h, behind, place)


cdef inline void look_behind(const Buckets *b, const uint64_t *h, uint64_t keys, uint64_t *place) noexcept nogil:
    """Search the overflow rows for some keys of a block, one bit per key. Their memory accesses overlap."""
    cdef const uint64_t *rows = <const uint64_t *> b.tophash
    cdef uint64_t i, word, matches, row, left = keys, mask = b.nmain - 1
    while left:
        prefetch(&rows[b.overflow[h[lowest_bit(left)] & mask]])     # row 0 if there is no link
        left &= left - 1
    while keys:
        i = lowest_bit(keys)
        keys &= keys - 1
        row = b.overflow[h[i] & mask]
        while row != 0:
            word = rows[row]
            matches = match(word, tophash_of(h[i]))
            if matches:
                place[i] = (row * SLOTS + first_slot(matches)) * b.stride
                prefetch(b.slots + place[i])
                break
            row = 0 if chain_ends(word) else b.overflow[row]


cdef inline void prefetch_texts(const Table *t, const key_t *key, const uint64_t *place, uint64_t n) noexcept nogil:
    """Third stage, for texts: prefetch the stored texts that lie in the arena."""
    cdef uint64_t i
    for i in range(n):
        prefetch_key(t, t.now.slots + (place[i] & ~NO_MATCH), &key[i])


cdef inline cold find_again(const Table *t, uint64_t h, const key_t *key, uint8_t **slot) noexcept nogil:
    cdef uint64_t number
    slot[0] = find(t, &t.now, h & (t.now.nmain - 1), tophash_of(h), key, &number)


cdef inline cloned take_all(const Table *t, const key_t *key, const uint64_t *h, const uint64_t *place, uint64_t n,
                            uint8_t *values, uint64_t *done) noexcept nogil:
    """Last stage if all keys should be there. `done` receives n, or the number of keys before the first miss."""
    cdef uint64_t i, size = t.value_size
    cdef uint8_t *slots = t.now.slots
    cdef uint8_t *slot
    for i in range(n):
        if unlikely(place[i] == NO_MATCH):
            n = i
            break
        slot = slots + place[i]
        if unlikely(not same_key(t, slot, &key[i])):
            find_again(t, h[i], &key[i], &slot)
            if slot == NULL:
                n = i
                break
        if t.text_values:
            hand_out(t, values + i * size, value_of(slot, &key[i]))
        else:
            copy_bytes(values + i * size, value_of(slot, &key[i]), size)
    done[0] = n


cdef inline cloned take_some(const Table *t, const key_t *key, const uint64_t *h, const uint64_t *place, uint64_t n,
                             uint8_t *values, uint8_t *found, const void *fill) noexcept nogil:
    """Last stage if keys may be missing: answer as if all were, list those that have a place, look at these."""
    cdef uint64_t order[BLOCK]
    cdef uint64_t i, j, present = 0, size = t.value_size
    cdef uint8_t *slots = t.now.slots
    cdef uint8_t *slot
    for i in range(n):
        order[present] = i
        present += place[i] != NO_MATCH
    if found != NULL:
        for i in range(n):
            found[i] = place[i] != NO_MATCH
    if values != NULL:
        for i in range(n):
            copy_bytes(values + i * size, fill, size)
    for j in range(present):
        i = order[j]
        slot = slots + place[i]
        if unlikely(not same_key(t, slot, &key[i])):
            find_again(t, h[i], &key[i], &slot)
            if slot == NULL:
                if found != NULL:
                    found[i] = 0
                continue
        if values != NULL:
            hand_out(t, values + i * size, value_of(slot, &key[i]))


cdef inline uint64_t read_batch_as(const Table *t, const Reading *r, const key_t *keys, uint64_t start,
                                   uint64_t stop) noexcept nogil:
    """Look up keys[start:stop]. Returns stop, or the position of the missing key it stopped at."""
    cdef key_t ring[IN_FLIGHT][BLOCK]
    cdef const key_t *key[IN_FLIGHT]
    cdef uint64_t h[IN_FLIGHT][BLOCK]
    cdef uint64_t place[IN_FLIGHT][BLOCK]
    cdef uint8_t *values
    cdef uint64_t b, j, n, done, base, blocks = (stop - start + BLOCK - 1) // BLOCK
    cdef uint64_t last_stage = 3 if key_t is Text else 2
    if growing(t):              # two arrays to search: key by key
        return read_growing(t, r, keys, start, stop)
    for b in range(blocks + last_stage):
        if b < blocks:
            j = b % IN_FLIGHT
            key[j] = hash_block(t, keys + start + b * BLOCK, block_size(b, start, stop), ring[j], h[j])
        if 1 <= b < blocks + 1:
            j = (b - 1) % IN_FLIGHT
            match_block(&t.now, h[j], block_size(b - 1, start, stop), place[j])
        if key_t is Text:
            if 2 <= b < blocks + 2:
                j = (b - 2) % IN_FLIGHT
                prefetch_texts(t, key[j], place[j], block_size(b - 2, start, stop))
        if b >= last_stage:
            j = (b - last_stage) % IN_FLIGHT
            n = block_size(b - last_stage, start, stop)
            base = start + (b - last_stage) * BLOCK
            values = NULL if r.values == NULL else r.values + base * t.value_size
            if r.stop_at_miss:
                take_all(t, key[j], h[j], place[j], n, values, &done)
                if done < n:
                    return base + done
            else:
                take_some(t, key[j], h[j], place[j], n, values, NULL if r.found == NULL else r.found + base, r.fill)
    return stop


cdef inline uint64_t read_texts(const Table *t, const Reading *r, const TextSource *source, uint64_t start,
                                uint64_t stop) noexcept nogil:
    """read_batch_as() for the texts of a source; a column is read by windows. Also stops at an item that is no text."""
    cdef Text window[WINDOW]
    cdef Reading shifted
    cdef uint64_t n, done
    if loaded(source):
        return read_batch_as(t, r, source.texts, start, stop)
    while start < stop:
        n = read_window(source, start, stop - start, window)
        shifted = reading_from(r, start, t.value_size)
        done = read_batch_as(t, &shifted, window, 0, n)
        start += done
        if done < n or n == 0:
            break
    return start


cdef inline uint64_t read_growing(const Table *t, const Reading *r, const key_t *keys, uint64_t start,
                                  uint64_t stop) noexcept nogil:
    cdef uint64_t i
    cdef key_t key
    cdef const uint8_t *value
    for i in range(start, stop):
        key = keys[i]
        canonical(t, &key)
        value = get(t, &key, hash_of(t, &key))
        if value == NULL and r.stop_at_miss:
            return i
        if r.found != NULL:
            r.found[i] = value != NULL
        if r.values != NULL:
            if value != NULL:
                hand_out(t, r.values + i * t.value_size, value)
            else:
                copy_bytes(r.values + i * t.value_size, r.fill, t.value_size)
    return stop


cdef inline uint64_t collect_as(const Table *t, uint8_t *keys, uint8_t *values, const key_t *form) noexcept nogil:
    """collect() for one form; `form` only tells which."""
    cdef uint64_t row = 0, n = 0, matches
    cdef uint8_t *slot
    if (key_t is uint32_t or key_t is uint64_t) and not t.text_values:
        if values == NULL or t.value_size == 0:
            n = collect_words(t, keys, NULL, &row, 0, form)
        elif t.value_size == 8:
            n = collect_words(t, keys, values, &row, 8, form)
        elif t.value_size == 4:
            n = collect_words(t, keys, values, &row, 4, form)
    while row < t.now.next_row:
        matches = match_full(tophash_word(&t.now, row))
        while matches:
            slot = slot_at(&t.now, row, first_slot(matches))
            matches &= matches - 1
            if keys != NULL:
                load_key(t, slot, &(<key_t *> keys)[n])
            if values != NULL:
                hand_out(t, values + n * t.value_size, value_of(slot, form))
            n += 1
        row += 1
    return n


cdef inline uint64_t collect_words(const Table *t, uint8_t *keys, uint8_t *values, uint64_t *row, uint64_t size,
                                   const key_t *form) noexcept nogil:
    """The same for the rows from the first on, as long as there is room for all slots of a row in the targets: without
    a branch, each slot is copied, and what is empty is overwritten by the next. Returns how many keys came, and in
    `row` the first row that is left."""
    cdef uint64_t i, word, n = 0
    cdef uint8_t *slot
    while row[0] < t.now.next_row and n + SLOTS <= t.count:
        word = match_full(tophash_word(&t.now, row[0])) >> 7
        slot = slot_at(&t.now, row[0], 0)
        for i in range(<uint64_t> SLOTS):
            if keys != NULL:
                (<key_t *> keys)[n] = (<const key_t *> slot)[0]
            if values != NULL:
                copy_bytes(values + n * size, value_of(slot, form), size)
            n += word >> 8 * i & 1
            slot += t.now.stride
        row[0] += 1
    return n


# ---- the kernels for the form of the map's keys ---------------------------------------------------------------------

cdef inline uint64_t read_batch(const Table *t, const Reading *r, const void *keys, const TextSource *texts,
                                uint64_t start, uint64_t stop) noexcept nogil:
    """Look up the keys from start to stop: those of `texts` in a map of text keys, keys[start:stop] in all others.
    Returns stop, or where it stopped."""
    if t.form == WORD32:
        return read_batch_as(t, r, <const uint32_t *> keys, start, stop)
    if t.form == TEXT:
        return read_texts(t, r, texts, start, stop)
    return read_batch_as(t, r, <const uint64_t *> keys, start, stop)


cdef inline uint64_t collect(const Table *t, uint8_t *keys, uint8_t *values) noexcept nogil:
    """Copy the keys and values of a settled table out in row order; either target may be NULL. Returns how many."""
    if t.form == WORD32:
        return collect_as(t, keys, values, <const uint32_t *> NULL)
    if t.form == TEXT:
        return collect_as(t, keys, values, <const Text *> NULL)
    if t.form == OBJECT_KEY:
        return collect_as(t, keys, values, <const ObjectKey *> NULL)
    return collect_as(t, keys, values, <const uint64_t *> NULL)
