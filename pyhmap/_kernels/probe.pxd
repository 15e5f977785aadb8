# Searching and editing one chain of one bucket array. Nothing here knows of growth.
#
# A tophash row is matched in one step: with the wanted byte repeated eight times, row ^ repeated has a zero byte
# where the tophash is equal, and  (x - 0x01..01) & ~x & 0x80..80  raises the top bit of each zero byte.
# (Source: "Determine if a word has a zero byte" in Sean Anderson's "Bit Twiddling Hacks".)
# The lowest raised bit is always right. A higher one may be a false alarm, in the byte after a true match whose
# value differs from the wanted one in its lowest bit only. That is still a full slot with another key, so comparing
# the keys decides.

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from pyhmap._kernels.layout cimport Buckets, ObjectKey, Table, kernel_assert, key_t, lowest_bit, slot_at, tophash_word
from pyhmap._kernels.slot cimport same_key
from pyhmap._kernels.constants cimport ALARM_DEPTH, EMPTY_ONE, EMPTY_REST, SLOTS

cdef extern from *:
    """
    #define PYHMAP_LOW UINT64_C(0x0101010101010101)
    #define PYHMAP_HIGH UINT64_C(0x8080808080808080)
    #define PYHMAP_NOT_LOW UINT64_C(0xFEFEFEFEFEFEFEFE)
    """
    const uint64_t LOW "PYHMAP_LOW"
    const uint64_t HIGH "PYHMAP_HIGH"
    const uint64_t NOT_LOW "PYHMAP_NOT_LOW"


cdef struct Place:          # where a chain can take a new key
    uint64_t row            # row of the first empty slot, or the chain's last row when there is none
    unsigned i              # slot in that row, or SLOTS when the chain is full
    unsigned depth          # rows of the chain up to that one


cdef inline uint64_t zero_bytes(uint64_t x) noexcept nogil:
    return (x - LOW) & ~x & HIGH


cdef inline uint64_t match(uint64_t word, uint64_t tophash) noexcept nogil:
    """One raised bit per slot with an equal tophash; walk them with first_slot and matches & (matches - 1)."""
    return zero_bytes(word ^ (tophash * LOW))


cdef inline uint64_t match_empty(uint64_t word) noexcept nogil:
    """The slots in state EMPTY_REST (0) or EMPTY_ONE (1); exact for the lowest one."""
    return zero_bytes(word & NOT_LOW)


cdef inline uint64_t match_full(uint64_t word) noexcept nogil:
    """The slots of a row that are neither EMPTY_REST nor EMPTY_ONE; exact for all."""
    word &= NOT_LOW
    return (((word & ~HIGH) + ~HIGH) | word) & HIGH


cdef inline bint chain_ends(uint64_t word) noexcept nogil:
    """Whether the last slot of the row is EMPTY_REST, as it is when any is: the chain has no keys behind the row."""
    return word >> 56 == EMPTY_REST


cdef inline unsigned first_slot(uint64_t matches) noexcept nogil:
    return lowest_bit(matches) >> 3


cdef inline uint64_t first_slot_by_product(uint64_t matches) noexcept nogil:
    """first_slot() for loops that the compiler is to vectorise, which counting zeros prevents; 0 if there is no match.

    The lowest bit shifted to the foot of its byte is 1 << 8 * slot; multiplying by it moves byte 7 - slot, whose value
    is slot, to the top."""
    return (((matches & -matches) >> 7) * <uint64_t> 0x0001020304050607) >> 56


cdef inline uint8_t *find(const Table *t, const Buckets *b, uint64_t row, uint64_t tophash, const key_t *key,
                          uint64_t *number) noexcept nogil:
    """The slot of key in the chain that starts at row, and the number of that slot in the array; or NULL."""
    cdef uint64_t word, matches
    cdef uint8_t *slot
    while True:
        word = tophash_word(b, row)
        matches = match(word, tophash)
        while matches:
            slot = slot_at(b, row, first_slot(matches))
            if same_key(t, slot, key):
                number[0] = row * SLOTS + first_slot(matches)
                return slot
            matches &= matches - 1
        if chain_ends(word):
            return NULL
        row = b.overflow[row]
        if row == 0:
            return NULL


cdef inline uint8_t *find_or_place(const Table *t, const Buckets *b, uint64_t row, uint64_t tophash, const key_t *key,
                                   Place *place) noexcept nogil:
    """The slot of key in the chain that starts at row; or NULL, and in place the first empty slot of the chain."""
    cdef uint64_t word, matches, empty
    cdef uint8_t *slot
    cdef unsigned depth = 0
    place.i = SLOTS
    while True:
        word = tophash_word(b, row)
        matches = match(word, tophash)
        while matches:
            slot = slot_at(b, row, first_slot(matches))
            if same_key(t, slot, key):
                return slot
            matches &= matches - 1
        depth += 1
        if place.i == SLOTS:
            place.row = row
            place.depth = depth
            empty = match_empty(word)
            if empty:
                place.i = first_slot(empty)
        if chain_ends(word):
            return NULL
        row = b.overflow[row]
        if row == 0:
            return NULL


cdef inline Place find_place(const Buckets *b, uint64_t row) noexcept nogil:
    """The first empty slot of the chain that starts at row."""
    cdef Place place
    cdef uint64_t empty
    place.depth = 0
    while True:
        place.row = row
        place.depth += 1
        empty = match_empty(tophash_word(b, row))
        if empty:
            place.i = first_slot(empty)
            return place
        row = b.overflow[row]
        if row == 0:
            place.i = SLOTS
            return place


cdef inline uint64_t take_row(Buckets *b) noexcept nogil:
    """Take an empty overflow row. grow.pxd proves that there is one."""
    cdef uint64_t row = b.free_row
    if row != 0:
        b.free_row = b.overflow[row]
        b.overflow[row] = 0
        b.nfree -= 1
    else:
        kernel_assert(b.next_row < b.rows)
        row = b.next_row
        b.next_row += 1
        memset(b.slots + row * SLOTS * b.stride, 0, SLOTS * b.stride)   # a row that was freed is zeroed
    return row


cdef inline uint8_t *occupy(Buckets *b, Place *place, uint64_t tophash) noexcept nogil:
    """Mark the place full, and return its slot. When the chain is full the place moves to an overflow row."""
    cdef uint64_t row
    if place.i == SLOTS:
        row = take_row(b)
        b.overflow[place.row] = <uint32_t> row
        b.long_chain |= place.depth > ALARM_DEPTH
        place.row = row
        place.i = 0
        place.depth += 1
    b.tophash[place.row * SLOTS + place.i] = <uint8_t> tophash
    return slot_at(b, place.row, place.i)


cdef inline void clear_slot(uint8_t *slot, uint64_t stride) noexcept nogil:
    if stride == 16:            # a constant: two stores instead of a call
        memset(slot, 0, 16)
    else:
        memset(slot, 0, stride)


cdef inline void erase(Buckets *b, uint64_t bucket, uint64_t number) noexcept nogil:
    """Empty the slot of this number, which is in the chain of a main bucket; keep EMPTY_REST true for the slots before
    it, and free the overflow rows at the chain's end that have become empty. Free rows are used again, so keys that
    come and go at constant count do not need a same-size growth."""
    cdef uint64_t row = number // SLOTS
    cdef unsigned i = <unsigned> (number % SLOTS)
    cdef uint64_t before
    clear_slot(b.slots + number * b.stride, b.stride)
    b.tophash[row * SLOTS + i] = EMPTY_ONE
    if i < SLOTS - 1:
        if b.tophash[row * SLOTS + i + 1] != EMPTY_REST:
            return
    elif b.overflow[row] != 0:      # an overflow row in a chain is never all EMPTY_REST: see below
        return
    while True:
        b.tophash[row * SLOTS + i] = EMPTY_REST
        if i > 0:
            i -= 1
        else:
            if row == bucket:
                return
            before = bucket         # links go one way: find the row before this one from the chain's start
            while b.overflow[before] != row:
                before = b.overflow[before]
            free_last_row(b, before, row)
            row = before
            i = SLOTS - 1
        if b.tophash[row * SLOTS + i] != EMPTY_ONE:
            return


cdef inline void free_last_row(Buckets *b, uint64_t before, uint64_t row) noexcept nogil:
    """Unlink an empty row from the end of its chain and put it on the list of free rows."""
    b.overflow[before] = 0
    b.overflow[row] = <uint32_t> b.free_row
    b.free_row = row
    b.nfree += 1


cdef inline bint next_candidate(const Buckets *b, uint64_t tophash, uint64_t h, uint64_t *row, uint64_t *left,
                                uint64_t *index) noexcept nogil:
    """Find the next object key of the chain that has the wanted hash; whether it is equal, Python must say.

    Start with the main bucket in `row` and ~0 in `left`, the mask of the slots of the row still to be looked at.
    """
    cdef uint64_t word, matches
    cdef const ObjectKey *key
    while True:
        word = tophash_word(b, row[0])
        matches = match(word, tophash) & left[0]
        while matches:
            key = <const ObjectKey *> slot_at(b, row[0], first_slot(matches))
            matches &= matches - 1
            if key.hash == h:
                index[0] = key.index
                left[0] = matches
                return True
        if chain_ends(word) or b.overflow[row[0]] == 0:
            return False
        row[0] = b.overflow[row[0]]
        left[0] = ~<uint64_t> 0
