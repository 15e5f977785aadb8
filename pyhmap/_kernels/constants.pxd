# Widths, limits, tophash states and statuses: the vocabulary of every kernel.
#
# The states of one slot, kept in its tophash byte, and the only legal steps between them:
#
#     EMPTY_REST ──insert──> full (>= 5) ──delete──> EMPTY_ONE ──insert──> full
#         ^                                             │
#         └────── nothing behind it in the chain ───────┘
#
#     during growth, in the old array only, and for good:
#     full ──> EVACUATED_X (to the same bucket index, or modulo a smaller size) | EVACUATED_Y (to index + old size)
#     EMPTY_REST, EMPTY_ONE ──> EVACUATED_EMPTY
#
# EMPTY_REST says more than EMPTY_ONE: this slot and every later one of the chain is empty, so a search ends there
# and a miss never reads the overflow link. A bucket is evacuated as a whole: the state of its slot 0 tells.
#
# The measurements behind the tuned constants are in docs/experiments.md.

from libc.stdint cimport uint32_t, uint64_t

cdef enum:
    SLOTS = 8               # slots per bucket: one tophash row is then one 64-bit word, matched in one step

    EMPTY_REST = 0          # zero, so that a lazily zeroed array is an empty table
    EMPTY_ONE = 1
    EVACUATED_X = 2
    EVACUATED_Y = 3
    EVACUATED_EMPTY = 4
    MIN_TOPHASH = 5         # smaller tophashes have 5 added, to keep clear of the states

    # Load factor 13/2 = 6.5 keys per bucket, as in Go: then about a fifth of the buckets has an overflow bucket.
    LOAD_NUM = 13
    LOAD_DEN = 2

    # A chain that has this many overflow buckets and gets one more raises the alarm. By Poisson's law, one bucket in
    # 10^19 has more than 40 keys at a mean of 6.5: such a chain means that the keys were chosen to collide.
    ALARM_DEPTH = 4

    # Deletion shrinks a table of more than 2^SHRINK_ABOVE buckets (9 KiB with 8-byte keys and values: less is not
    # worth the work) that holds less than a SHRINK_PART-th of its limit, to a quarter of the buckets. Those are then
    # at most half full: the size changes again only after as many keys have come, or three of four have gone.
    SHRINK_ABOVE = 6
    SHRINK_PART = 8
    SHRINK_STEP = 2         # B less 2; grow.pxd proves that there is room for a quarter and not for less

    READS_PER_STEP = 8      # every 8th scalar read of a growing map evacuates a bucket, at about half a read's cost

    MAX_B = 30              # 2^31 rows: an overflow link is a uint32, and half of the rows are overflow rows

    ADVANCE_LIMIT = 1024    # buckets the evacuation mark may skip at once: bounds the work of one write
    EVACUATE_AHEAD = 8      # buckets from the prefetch of an overflow row to its evacuation: covers one memory access
    EVACUATE_PER_KEY = 8    # old buckets that a batch may evacuate per key: ends a growth soon, in bounded time

    # A batch whose keys were nearly all new since its last growth (at least NEW_NUM of NEW_DEN) will probably go on so.
    # Its next growth takes as many doublings at once as the rest of the batch asks for, up to MAX_DOUBLINGS, so each
    # key moves once instead of up to three times. If the rest was not new, the batch ends with a rebuild to the size
    # that doubling would have given.
    MAX_DOUBLINGS = 3
    NEW_NUM = 15
    NEW_DEN = 16

    # Keys per block of the pipeline, see pipeline.pxd: as many accesses are under way at once. Fewer cover less of a
    # memory access; more gain nothing and take more of the first-level cache.
    BLOCK = 48
    UNROLLED = 8            # keys per turn of an unrolled loop: six turns per block
    IN_FLIGHT = 4           # blocks between first and last stage: three, or four with texts

    # Texts that a read takes from an Arrow column at a time: 32 KiB of Texts stay in the second-level cache.
    WINDOW = 2048

    # Texts of up to LANE_WORDS whole words are hashed side by side: eight lanes are one vector of AVX-512, two of AVX2.
    LANES = 8
    LANE_WORDS = 8

    # Items from which on a call releases the GIL: it then works for longer than a release and a reacquisition take.
    RELEASE_GIL_FROM = 512
    CHUNK = 1 << 20         # keys of a batch between two checks for signals: a small part of a second

    INLINE_TEXT = 12        # bytes of a text that fit in its slot, as in Arrow's string_view
    ARENA_BLOCKS = 40       # blocks of an arena; the first has 2^16 bytes and each next one twice that: 2^56 in all
    ARENA_FIRST = 16

    # ---- frozen tables, see frozen.pxd and frozen_build.pxd; docs/frozen.md derives the numbers

    PART_KEYS = 1 << 14     # keys of a part, on average: what building one needs then fits in the second-level cache
    FULLEST = 64            # the part with the most keys has a spare slot for so many, and SHIFTS more
    # 8/3 keys per bucket, thus 3 bits of pilots per key. More keys per bucket save little memory, and the pilots are
    # harder to find.
    BUCKETS_NUM = 3
    BUCKETS_DEN = 8
    SPARE_KEYS = 20         # one spare slot for so many keys, 95 % full: hardly a bucket is displaced
    PILOTS = 256            # a byte
    SHIFTS = 64             # pilots of a group, which lead a key to slots side by side: their bits are one word
    BUCKET_MAX = 64         # keys of one bucket; a random hash has 22 in the largest one of 10^9
    LAST_PLACED = 4         # buckets that are not displaced again at once: pairs would displace each other endlessly
    DISPLACED_MAX = 16      # buckets displaced per bucket of a part, before the hash is drawn again

    # Of a file, what has a checksum of its own: a look-up that verifies what it reads waits for a fraction of a
    # millisecond, and the checksums take 16 bytes of 2^20.
    FILE_BLOCK_BITS = 20

    BUILD_BLOCK = 512       # keys that are taken from the source at a time
    TEXTS_AHEAD = 16        # texts from the prefetch of one to its copy: covers one memory access

    # ---- id maps, see codes.pxd

    # Three quarters of the 8 slots, on average: a bucket of 64 bytes is then at least 10.7 bytes per key.
    CODES_PER_BUCKET = 6
    MAX_CODES_B = 29        # 3.2 * 10^9 keys: a code has 32 bits, and the hash two bits more than the home bucket

# Constants that an int cannot hold are macros, here and elsewhere: each enumerator is an int to Microsoft's compiler.
cdef extern from *:
    """
    #define PYHMAP_PILOT_STEP UINT64_C(0x9E3779B97F4A7C15)
    #define PYHMAP_SLOT_MIX UINT64_C(0xD6E8FEB86659FD93)
    #define PYHMAP_ROWS_MAX UINT32_C(0xFFFFFFFF)
    #define PYHMAP_MAX_TEXT UINT32_C(0xFFFFFFFF)
    """
    # Odd, and without a pattern in their bits: every bit of hash and pilot reaches the slot.
    const uint64_t PILOT_STEP "PYHMAP_PILOT_STEP"
    const uint64_t SLOT_MIX "PYHMAP_SLOT_MIX"
    const uint32_t ROWS_MAX "PYHMAP_ROWS_MAX"       # of a frozen table: a remapped row is a uint32
    const uint32_t MAX_TEXT "PYHMAP_MAX_TEXT"       # bytes: a Text's size is a uint32

# The physical form of a map's keys, see layout.pxd.
cdef enum Form:
    WORD64 = 0
    WORD32 = 1
    TEXT = 2
    OBJECT_KEY = 3

# What a kernel reports. Kernels never raise: the engine reads the status, acts, and calls again.
cdef enum Status:
    FOUND = 0               # the key was there (and was overwritten, by a write)
    INSERTED = 1
    NOT_FOUND = 2
    NEED_GROWTH = 3         # nothing was written: install a larger (or fresh) array, then call again
    NEED_ARENA = 4          # nothing was written: install a new arena block, then call again
    CHANGED = 5             # nothing was written: another thread changed the bytes of a key after they were hashed
    LONG_CHAIN = 6          # the key was written, to a chain longer than a random hash makes it: rekey, then go on
    BUILT = 7               # a frozen part
    NO_PILOT = 8            # for a bucket of a frozen part; nor if two keys have the same hash: draw another hash key
