# Widths, constants, tophash states and status codes: the vocabulary of every kernel. Imports nothing.
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

cdef enum:
    SLOTS = 8               # slots a bucket: one tophash row is then one 64-bit word, matched in one step

    EMPTY_REST = 0          # zero, so that a lazily zeroed array is an empty table
    EMPTY_ONE = 1
    EVACUATED_X = 2
    EVACUATED_Y = 3
    EVACUATED_EMPTY = 4
    MIN_TOPHASH = 5         # smaller tophashes have 5 added, to keep clear of the states

    # Load factor 13/2 = 6.5 keys a bucket, as in Go: of the factors measured there the last one at which
    # only a fifth of the buckets has an overflow bucket.
    LOAD_NUM = 13
    LOAD_DEN = 2

    # Rows behind the first of a chain that gets one more. By Poisson one bucket in 10^18 has more than 40 keys at 6.5
    # on average: who sees that has been sent keys chosen to collide.
    ALARM_DEPTH = 4

    # Deletion shrinks a table of more than 2^SHRINK_ABOVE buckets (9 KiB with 8-byte keys and values: less is not
    # worth the work) that holds less than a SHRINK_PART-th of what it may, to a quarter of the buckets. Those are then
    # at most half full: as many keys again must come, or three of four go, before the size changes once more.
    SHRINK_ABOVE = 6
    SHRINK_PART = 8
    SHRINK_STEP = 2         # B less 2; _grow.pxd proves that the room suffices for a quarter and not for less

    READS_PER_STEP = 8      # scalar reads of a growing map that evacuate one bucket: 20 ns each beside their own 40

    MAX_B = 30              # 2^31 rows: an overflow link is a uint32 and half of the rows are overflow rows

    ADVANCE_LIMIT = 1024    # buckets the evacuation mark may skip at once: bounds the work of one write
    AHEAD = 8               # buckets from the prefetch of an overflow row to its evacuation: some 8 x 30 ns
    EVACUATE_PER_KEY = 8    # old buckets a batch may evacuate per key: some 8 x 15 ns beside the key's own work

    # A batch whose keys were nearly all new since its last growth will probably go on so: the next growth takes as many
    # doublings at once as the rest of it asks for, up to JUMP. To build 10^6 keys then moves each a seventh of a time
    # instead of once and takes 18 ns a key, not 36. Where the rest was not new, the batch ends with a rebuild to the
    # size that doubling would have given.
    JUMP = 3
    NEW_NUM = 15
    NEW_DEN = 16

    # The pipeline of a batch, see _batch.pxd. Longer blocks cover more of a memory access: 16, 32, 48 and 64 keys give
    # 17.7, 14.3, 13.8 and 14.2 ns a hit at 10^7 keys, and 9.6, 6.8, 6.0 and 5.9 at 10^6; at 10^4 all lie within 10 %
    # (profiling/results/builds.json).
    BLOCK = 48
    IN_FLIGHT = 4           # blocks between first and last stage; three, or four with texts

    # Texts that a read takes from an Arrow column at a time: 32 KiB of Texts stay in the second cache. 512 and 8192 at
    # a time take as long within 3 %, the whole batch 1.1 to 1.6 times as long (profiling/results/builds-texts.json).
    WINDOW = 2048

    # Texts of up to LANE_WORDS whole words are hashed side by side: eight lanes are one vector of AVX-512, two of AVX2.
    LANES = 8
    LANE_WORDS = 8

    INLINE_TEXT = 12        # bytes of a text that fit in its slot, as in Arrow's string_view
    ARENA_BLOCKS = 40       # blocks of an arena; the first has 2^16 bytes and each next one twice that: 2^55 in all
    ARENA_FIRST = 16

# The physical form of a map's keys, see _layout.pxd.
cdef enum Form:
    WORD64 = 0
    WORD32 = 1
    TEXT = 2
    REFERENCE = 3

# What a kernel reports. Kernels never raise: the class reads the status, acts, and calls again.
cdef enum Status:
    FOUND = 0               # the key was there (and was overwritten, by a write)
    INSERTED = 1
    MISSING = 2
    NEED_GROWTH = 3         # nothing was written: install a larger (or fresh) array, then call again
    NEED_ARENA = 4          # nothing was written: install a new arena block, then call again
