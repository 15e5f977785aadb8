# The table of an id map: from a key to its code, and back.
#
#     keys      one per code, in order of first appearance: a word, or a Text whose long bytes are in the arena
#
#               k0 │ k1 │ k2 │ ... │ k(count - 1) │ room, never touched
#                         ^
#                         │ code 2
#     buckets   a cache line each: 8 tags, 8 prefixes, and the 8 codes, one higher
#
#               0         t t t t t 0 0 0 │ p p p p p 0 0 0 │ 2 8 5 1 3 0 0 0      tag     a byte of the hash, made odd;
#               ...                                                                       0: the slot is empty
#               2^B - 1   t t t t t t t t │ p p p p p p p p │ 9 4 ...              prefix  the 3 bytes before it
#               bytes     8                 24                32
#
#     hash  63 ......... 64 - B ...... 40 39 ... 32 31 ......... 0
#           └─ home bucket ┘
#           └───────── prefix ──────────┘ └─ tag ─┘
#
# A tag byte tells most keys apart, and eight of them are compared at once, as the tophashes of probe.pxd are.
#
# A key is in its home bucket, or in the first bucket behind it that was not full; behind the last bucket comes the
# first. Keys are never deleted, so a bucket with an empty slot ends a search. Slots are filled from the left: a bucket
# is full if its last slot is.
#
# Prefix and tag hold the home bucket of an array of any size, and the buckets are in their order. So a larger array is
# filled from a smaller one in one pass over both, without a look at a key.
#
# Of its Table, an id map uses the types, the hash key and the arena.

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from _hmap_bytes.raw_bytes cimport apart, prefetch
from pyhmap._kernels.any_key cimport AnyKey, hash_text as hash_any_text
from pyhmap._kernels.constants cimport (
    BLOCK,
    CHANGED,
    CODES_PER_BUCKET,
    FOUND,
    INLINE_TEXT,
    INSERTED,
    IN_FLIGHT,
    NEED_ARENA,
    NEED_GROWTH,
    SLOTS,
    Status,
    TEXT,
    WORD32,
)
from pyhmap._kernels.layout cimport Table, Text, kernel_assert, key_t, lowest_bit
from pyhmap._kernels.one_key cimport is_stored_as_hashed
from pyhmap._kernels.pipeline cimport block_size, cloned, hash_each, hash_each_text, unlikely
from pyhmap._kernels.probe cimport first_slot, first_slot_by_product, match
from pyhmap._kernels.slot cimport hash_of, load_key, prefetch_key, same_key, store_key
from pyhmap._kernels.text cimport arena_bytes, arena_has_room

cdef extern from *:
    """
    #if defined(_MSC_VER) && !defined(__clang__)
    #include <intrin.h>
    static __forceinline unsigned pyhmap_highest_zeros(unsigned __int64 x) {
        unsigned long bit;
        _BitScanReverse64(&bit, x);
        return 63 - bit;
    }
    #else
    #define pyhmap_highest_zeros(x) ((unsigned)__builtin_clzll(x))
    #endif
    """
    unsigned highest_zeros "pyhmap_highest_zeros"(uint64_t) noexcept nogil


cdef enum:
    BUCKET = 64                 # bytes of a bucket
    PREFIX = 3                  # bytes of a prefix
    PREFIXES = 8                # where they begin in a bucket
    CODES = 32                  # where the codes begin

cdef enum:
    NO_CODE = -1                # of a key that is not in the table

cdef extern from *:
    """
    #define PYHMAP_CODE_MASK UINT64_C(0xFFFFFFFF)
    #define PYHMAP_UNKNOWN UINT64_C(0x100000000)
    #define PYHMAP_UNKNOWN_SLOT UINT64_C(0x4000000000000000)
    """
    const uint64_t CODE_MASK "PYHMAP_CODE_MASK"
    const uint64_t UNKNOWN "PYHMAP_UNKNOWN"     # no code, and a code of 0 under the mask: a place that can be read
    const uint64_t UNKNOWN_SLOT "PYHMAP_UNKNOWN_SLOT"       # no slot


cdef struct Codes:
    uint8_t *buckets
    uint64_t nbuckets           # 2^B
    int B
    uint64_t most               # keys for which there is room, in the buckets and in `keys`
    uint8_t *keys
    uint64_t count


cdef inline uint64_t upper_half(uint64_t h) noexcept nogil:
    """Prefix and tag: all that the table uses of a hash."""
    return h >> 32 | 1


cdef inline uint8_t *home_of(const Codes *c, uint64_t upper) noexcept nogil:
    return c.buckets + ((upper << c.B) >> 32) * BUCKET


cdef inline uint8_t *next_bucket(const Codes *c, uint8_t *bucket) noexcept nogil:
    bucket += BUCKET
    return c.buckets if bucket == c.buckets + c.nbuckets * BUCKET else bucket


cdef inline uint64_t tags_of(const uint8_t *bucket) noexcept nogil:
    """The tags as one word; slot i is byte i."""
    return (<const uint64_t *> bucket)[0]


cdef inline bint is_full(uint64_t tags) noexcept nogil:
    return tags >> 56 != 0


cdef inline unsigned number_of_keys(uint64_t tags) noexcept nogil:
    """The full slots of a bucket that is not full."""
    return 8 - (highest_zeros(tags) >> 3) if tags else 0


cdef inline uint32_t *code_in(uint8_t *bucket, unsigned slot) noexcept nogil:
    """Where the code of a slot is, one higher than the code itself."""
    return <uint32_t *> (bucket + CODES) + slot


cdef inline void fill_slot(uint8_t *bucket, unsigned slot, uint64_t upper, uint32_t code) noexcept nogil:
    """Fill an empty slot; `code` is one higher than the code itself."""
    cdef uint32_t prefix = <uint32_t> (upper >> 8)
    kernel_assert(slot < SLOTS)
    memcpy(bucket + PREFIXES + PREFIX * slot, &prefix, PREFIX)
    code_in(bucket, slot)[0] = code
    bucket[slot] = <uint8_t> upper


cdef inline uint8_t *key_at(const Codes *c, uint64_t code, const key_t *form) noexcept nogil:
    """Where the key of a code is; `form` only tells its size."""
    return c.keys + code * sizeof(key_t)


# ---- one key ---------------------------------------------------------------------------------------------------------

cdef inline int64_t find_code(const Codes *c, const Table *t, const key_t *key, uint64_t h,
                              uint8_t **last) noexcept nogil:
    """The code of a key; or NO_CODE, and in `last` the bucket that has a slot for it."""
    cdef uint64_t upper = upper_half(h), tags, found, code
    cdef uint8_t *bucket = home_of(c, upper)
    while True:
        tags = tags_of(bucket)
        found = match(tags, upper & 0xFF)
        while found:
            code = <uint64_t> code_in(bucket, first_slot(found))[0] - 1
            # A false alarm of match() may be an empty slot.
            if code < c.count and same_key(t, key_at(c, code, key), key):
                return <int64_t> code
            found &= found - 1
        if not is_full(tags):
            last[0] = bucket
            return NO_CODE
        bucket = next_bucket(c, bucket)


cdef inline Status add_key(Codes *c, Table *t, const key_t *key, uint64_t h, int64_t *code) noexcept nogil:
    """The code of a key, which gets the next one if it is new. FOUND or INSERTED; or another status, and nothing is
    added."""
    cdef uint8_t *bucket = c.buckets    # until find_code() has set it, for compilers that do not see it do so
    cdef uint8_t *stored
    code[0] = find_code(c, t, key, h, &bucket)
    if code[0] != NO_CODE:
        return FOUND
    if unlikely(c.count == c.most):
        return NEED_GROWTH
    if key_t is Text:
        if unlikely(key.size > INLINE_TEXT and not arena_has_room(&t.arena, key.size)):
            return NEED_ARENA
    stored = key_at(c, c.count, key)
    store_key(t, stored, key)
    if key_t is Text:
        if unlikely(not is_stored_as_hashed(t, stored, key, h)):
            t.arena.used -= arena_bytes(key)
            t.arena.live -= arena_bytes(key)
            return CHANGED
    code[0] = <int64_t> c.count
    c.count += 1
    fill_slot(bucket, number_of_keys(tags_of(bucket)), upper_half(h), <uint32_t> c.count)
    t.count = c.count
    return INSERTED


cdef inline int64_t find_any_code(const Codes *c, const Table *t, const AnyKey *key) noexcept nogil:
    """The code of a key of any form, or NO_CODE."""
    cdef uint8_t *last
    if t.form == WORD32:
        return find_code(c, t, &key.word32, hash_of(t, &key.word32), &last)
    if t.form == TEXT:
        return find_code(c, t, &key.text, hash_any_text(t, key), &last)
    return find_code(c, t, &key.word64, hash_of(t, &key.word64), &last)


cdef inline void load_any(const Codes *c, const Table *t, uint64_t code, AnyKey *key) noexcept nogil:
    """Load the key of a code."""
    if t.form == WORD32:
        load_key(t, key_at(c, code, &key.word32), &key.word32)
    elif t.form == TEXT:
        load_key(t, key_at(c, code, &key.text), &key.text)
        key.digested.known = False
    else:
        load_key(t, key_at(c, code, &key.word64), &key.word64)


# ---- many keys, in stages as in pipeline.pxd -------------------------------------------------------------------------
#
#     block b           hash the keys, prefetch their home buckets
#     block b - 1       match the tags, prefetch the stored key of each that matched
#     block b - 2       compare the keys, hand the codes out, add what is new
#     (texts: block b - 2 prefetches the long bytes, block b - 3 compares)

cdef inline void prefetch_homes(const Codes *c, const uint64_t *h, uint64_t n) noexcept nogil:
    cdef uint64_t i
    for i in range(n):
        prefetch(home_of(c, upper_half(h[i])))


cdef inline cloned match_homes(const Codes *c, const uint64_t *h, uint64_t n, uint64_t *slot) noexcept nogil:
    """Second stage: where the code of the slot is that matched first in the home bucket, in bytes; or UNKNOWN."""
    cdef uint64_t i, home, found, none
    cdef int B = c.B
    cdef const uint8_t *buckets = c.buckets
    cdef uint64_t tags[BLOCK]
    cdef uint64_t at[BLOCK]
    for i in range(n):
        tags[i] = tags_of(buckets + ((upper_half(h[i]) << B) >> 32) * BUCKET)
    for i in range(n):          # straight-line arithmetic on local arrays: AVX-512 does eight keys at once
        home = ((upper_half(h[i]) << B) >> 32) * BUCKET
        found = match(tags[i], upper_half(h[i]) & 0xFF)
        none = -<uint64_t> (found == 0)
        at[i] = ((home + CODES + 4 * first_slot_by_product(found)) & ~none) | (none & UNKNOWN_SLOT)
    for i in range(n):
        slot[i] = at[i]


cdef inline void load_likely(const Codes *c, const uint64_t *slot, uint64_t n, uint64_t key_size,
                             uint64_t *likely) noexcept nogil:
    """The codes in the slots that matched, or UNKNOWN; prefetch their keys."""
    cdef uint64_t i, code, none
    for i in range(n):
        none = -<uint64_t> (slot[i] == UNKNOWN_SLOT)
        code = <uint64_t> (<const uint32_t *> (c.buckets + (slot[i] & ~none)))[0] - 1
        code &= ~none
        prefetch(c.keys + (code & CODE_MASK) * key_size)
        likely[i] = code | (none & UNKNOWN)


cdef inline void prefetch_long(const Codes *c, const Table *t, const key_t *key, const uint64_t *likely,
                               uint64_t n) noexcept nogil:
    """For texts, another stage: prefetch the long bytes."""
    cdef uint64_t i
    for i in range(n):
        if likely[i] != UNKNOWN:
            prefetch_key(t, key_at(c, likely[i], &key[i]), &key[i])


cdef inline uint64_t compare_likely(const Codes *c, const Table *t, const key_t *key, const uint64_t *likely,
                                    uint64_t n, int64_t *out) noexcept nogil:
    """Hand out the codes of the keys that are where they were expected. Returns the others, one bit each."""
    cdef uint64_t i, others = 0
    for i in range(n):
        out[i] = <int64_t> likely[i]
        if key_t is Text:
            others |= <uint64_t> (likely[i] == UNKNOWN or not same_key(t, key_at(c, likely[i], &key[i]), &key[i])) << i
        else:                       # no branch: UNKNOWN leads to the first key, whose slot is there
            others |= <uint64_t> ((likely[i] == UNKNOWN) | (not same_key(
                t, key_at(c, likely[i] & CODE_MASK, &key[i]), &key[i]))) << i
    return others


cdef inline cloned find_others(const Codes *c, const Table *t, const key_t *key, const uint64_t *h, uint64_t others,
                               int64_t *out) noexcept nogil:
    """Search for some keys of a block, one bit each."""
    cdef uint8_t *last
    cdef uint64_t i
    while others:
        i = lowest_bit(others)
        others &= others - 1
        out[i] = find_code(c, t, &key[i], h[i], &last)


cdef inline cloned add_others(Codes *c, Table *t, const key_t *key, const uint64_t *h, uint64_t *others, int64_t *out,
                              Status *status) noexcept nogil:
    """The same, and add those that are new, in order. Stops at one that cannot be added: it is the first of `others`
    that is left."""
    cdef uint64_t i
    while others[0]:
        i = lowest_bit(others[0])
        status[0] = add_key(c, t, &key[i], h[i], &out[i])
        if unlikely(status[0] > INSERTED):
            return
        others[0] &= others[0] - 1


cdef inline uint64_t encode_as(Codes *c, Table *t, const key_t *keys, uint64_t start, uint64_t stop, bint add,
                               int64_t *out, Status *status) noexcept nogil:
    """The codes of keys[start:stop] to out[start:stop]. With `add`, new keys get the next codes in order; without,
    NO_CODE, and nothing is written to the table. Returns stop; or the position of the key that could not be added, and
    the reason in status."""
    cdef key_t ring[IN_FLIGHT][BLOCK]
    cdef const key_t *key[IN_FLIGHT]
    cdef uint64_t h[IN_FLIGHT][BLOCK]
    cdef uint64_t likely[IN_FLIGHT][BLOCK]
    cdef uint64_t b, j, n, base, others, blocks = (stop - start + BLOCK - 1) // BLOCK
    cdef uint64_t last_stage = 3 if key_t is Text else 2
    status[0] = FOUND
    for b in range(blocks + last_stage):
        if b < blocks:
            j = b % IN_FLIGHT
            n = block_size(b, start, stop)
            key[j] = keys + start + b * BLOCK
            if key_t is Text:
                hash_each_text(t, key[j], n, h[j])
            else:
                hash_each(t, key[j], n, ring[j], h[j])
                key[j] = ring[j]
            prefetch_homes(c, h[j], n)
        if 1 <= b < blocks + 1:
            j = (b - 1) % IN_FLIGHT
            n = block_size(b - 1, start, stop)
            match_homes(c, h[j], n, likely[j])
            load_likely(c, likely[j], n, sizeof(key_t), likely[j])
        if key_t is Text:
            if 2 <= b < blocks + 2:
                j = (b - 2) % IN_FLIGHT
                prefetch_long(c, t, key[j], likely[j], block_size(b - 2, start, stop))
        if b >= last_stage:
            j = (b - last_stage) % IN_FLIGHT
            base = start + (b - last_stage) * BLOCK
            others = compare_likely(c, t, key[j], likely[j], block_size(b - last_stage, start, stop), out + base)
            if others == 0:
                continue
            if not add:
                find_others(c, t, key[j], h[j], others, out + base)
                continue
            add_others(c, t, key[j], h[j], &others, out + base, status)
            if unlikely(others != 0):
                return base + lowest_bit(others)
    return stop


cdef inline uint64_t encode_keys(Codes *c, Table *t, const void *keys, uint64_t start, uint64_t stop, bint add,
                                 int64_t *out, Status *status) noexcept nogil:
    """encode_as() for the form of the keys."""
    if t.form == WORD32:
        return encode_as(c, t, <const uint32_t *> keys, start, stop, add, out, status)
    if t.form == TEXT:
        return encode_as(c, t, <const Text *> keys, start, stop, add, out, status)
    return encode_as(c, t, <const uint64_t *> keys, start, stop, add, out, status)


# ---- the way back ----------------------------------------------------------------------------------------------------

cdef inline apart gather_as(const Codes *c, const Table *t, const int64_t *codes, uint64_t n, key_t *out,
                            uint64_t *done) noexcept nogil:
    """Load the keys of n codes. `done` receives n, or the position of the first code that no key has."""
    cdef uint64_t i, code
    for i in range(n):
        code = <uint64_t> codes[i]
        if unlikely(code >= c.count):
            n = i
            break
        load_key(t, key_at(c, code, out), &out[i])
    done[0] = n


cdef inline uint64_t gather_keys(const Codes *c, const Table *t, const int64_t *codes, uint64_t n,
                                 void *out) noexcept nogil:
    """gather_as() for the form of the keys."""
    cdef uint64_t done
    if t.form == WORD32:
        gather_as(c, t, codes, n, <uint32_t *> out, &done)
    elif t.form == TEXT:
        gather_as(c, t, codes, n, <Text *> out, &done)
    else:
        gather_as(c, t, codes, n, <uint64_t *> out, &done)
    return done


cdef inline void load_first(const Codes *c, const Table *t, uint64_t n, Text *out) noexcept nogil:
    """Load the first n keys of a table of texts."""
    cdef uint64_t i
    for i in range(n):
        load_key(t, key_at(c, i, out), &out[i])


# ---- growth ----------------------------------------------------------------------------------------------------------

cdef inline apart fill_buckets(const Codes *c, Codes *other) noexcept nogil:
    """Copy tags, prefixes and codes to the buckets of another size, which are empty. Both arrays are gone through in
    order; what has no room in its home bucket goes on from there."""
    cdef uint8_t *bucket = c.buckets
    cdef uint8_t *to
    cdef uint64_t tags, upper
    cdef uint32_t prefix = 0
    cdef int i
    for _ in range(c.nbuckets):
        tags = tags_of(bucket)
        for i in range(SLOTS):
            if tags == 0:
                break
            memcpy(&prefix, bucket + PREFIXES + PREFIX * i, PREFIX)
            upper = <uint64_t> prefix << 8 | (tags & 0xFF)
            to = home_of(other, upper)
            while is_full(tags_of(to)):
                to = next_bucket(other, to)
            fill_slot(to, number_of_keys(tags_of(to)), upper, code_in(bucket, i)[0])
            tags >>= 8
        bucket += BUCKET
