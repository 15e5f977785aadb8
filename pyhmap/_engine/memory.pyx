"""The memory of a map: aligned, zeroed, touched only where keys are, and returned piece by piece. NumPy arrays over it
are made when it is looked into.

Hash maps stall where large arrays are allocated and freed: zeroing one at once, or returning all of its touched pages
at once, takes milliseconds. Here the system provides zeroed pages one by one as they are touched, and an array that a
growth has emptied is returned a piece at a time, at most one piece per call with a single key.
"""

import numpy as np

from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_FillInfo
from cpython.mem cimport PyMem_Free, PyMem_Realloc
from cpython.ref cimport Py_DECREF
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from pyhmap._inspect.state import RawBuckets

from pyhmap._engine.counters cimport count
from pyhmap._kernels.constants cimport ARENA_BLOCKS, ARENA_FIRST, SLOTS

cdef extern from *:
    """
    /* Pages are zeroed one by one as they are touched. What was given back may be read, and is zeros or what it was. */
    #ifdef _WIN32
    #ifndef WIN32_LEAN_AND_MEAN
    #define WIN32_LEAN_AND_MEAN
    #endif
    #include <windows.h>
    static void *pyhmap_map(size_t size) { return VirtualAlloc(NULL, size, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE); }
    static void pyhmap_unmap(void *start, size_t size) { (void)size; VirtualFree(start, 0, MEM_RELEASE); }
    static void pyhmap_cut_off(void *end, size_t size) { VirtualFree(end, size, MEM_DECOMMIT); }
    static void pyhmap_give_back(void *start, size_t size) { VirtualAlloc(start, size, MEM_RESET, PAGE_READWRITE); }
    static void pyhmap_use_pages(void *start, size_t size, int huge) { (void)start, (void)size, (void)huge; }
    #else
    #include <sys/mman.h>
    static void *pyhmap_map(size_t size) {
        void *start = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        return start == MAP_FAILED ? NULL : start;
    }
    static void pyhmap_unmap(void *start, size_t size) { munmap(start, size); }
    static void pyhmap_cut_off(void *end, size_t size) { munmap(end, size); }
    static void pyhmap_give_back(void *start, size_t size) {
    #ifdef __APPLE__            /* where MADV_DONTNEED gives nothing back */
        madvise(start, size, MADV_FREE);
    #else
        madvise(start, size, MADV_DONTNEED);
    #endif
    }
    static void pyhmap_use_pages(void *start, size_t size, int huge) {
    #ifdef MADV_HUGEPAGE        /* Linux has it; elsewhere pages are what they are */
        madvise(start, size, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
    #else
        (void)start, (void)size, (void)huge;
    #endif
    }
    #endif
    """
    void *map_pages "pyhmap_map"(size_t size)               # NULL: there is no memory
    void unmap_pages "pyhmap_unmap"(void *start, size_t size)
    void cut_off_pages "pyhmap_cut_off"(void *end, size_t size)
    void give_pages_back "pyhmap_give_back"(void *start, size_t size)
    void use_pages "pyhmap_use_pages"(void *start, size_t size, bint huge)

cdef extern from "Python.h":
    int PyTraceMalloc_Track(unsigned int domain, uint64_t pointer, size_t size)
    int PyTraceMalloc_Untrack(unsigned int domain, uint64_t pointer)

cdef enum:
    LINE = 64                   # bytes of a cache line
    ALIGNED_FROM = 1 << 12      # smaller blocks are in the cache as a whole, wherever their lines begin
    PAGE = 1 << 16              # of x86-64 4 KiB, of Apple's processors 16 KiB, of some Linux on ARM 64 KiB
    # Mapping takes two system calls, and a page fault per page. Smaller blocks come from the allocator, whose memory
    # may be used already, and is zeroed here: up to this size that is cheaper.
    MAPPED_FROM = 1 << 20
    PIECE = HUGE // 4           # bytes returned at once: 128 small pages, well under a tenth of a millisecond
    DOMAIN = 0                  # of tracemalloc: shown beside the memory of Python itself

# All blocks of this process: what pyhmap.debug compares with the sum of what the maps report.
cdef uint64_t blocks_alive = 0, bytes_alive = 0


def block_memory():
    """How many blocks there are in this process, and their bytes: of all maps, and of arrays that views keep."""
    return blocks_alive, bytes_alive


cdef class Block:
    """Zeroed memory. NumPy arrays over it keep it alive."""

    def __dealloc__(self):
        if self.start != NULL:
            count(&blocks_alive, -1)
            count(&bytes_alive, -<int64_t> self.size)
            PyTraceMalloc_Untrack(DOMAIN, <uint64_t> self.start)
            if self.mapped:
                unmap_pages(self.start, self.mapped)
            else:
                free(self.start)

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        if self.lender is not None and flags & PyBUF_WRITABLE:
            raise BufferError("the memory is that of a file, and only read")    # Cython gives up what is in buffer.obj
        Py_DECREF(None)     # Cython begins with one in buffer.obj, and the next line writes over it
        PyBuffer_FillInfo(buffer, self, self.data, self.size, self.lender is not None, flags)

    cdef void advise(self, uint64_t begin, uint64_t end, bint huge) noexcept:
        """Ask for huge or small pages in a range. Only the speed depends on whether the system does so."""
        cdef uint64_t size = HUGE if huge else PAGE
        begin = (begin + size - 1) // size * size
        end = end // size * size
        if self.mapped and begin < end:
            use_pages(self.data + begin, end - begin, huge)

    cdef void drop(self, uint64_t begin, uint64_t end) noexcept:
        """Return the pages of a range that begins and ends at a page boundary."""
        if self.mapped:
            give_pages_back(self.data + begin, end - begin)

    cdef void shorten(self, uint64_t size) noexcept:
        """Give up all but the first bytes; a small block keeps its memory."""
        cdef uint64_t used
        count(&bytes_alive, <int64_t> size - <int64_t> self.size)
        self.size = size
        if self.mapped:
            used = (<uint64_t> self.data - <uint64_t> self.start + size + PAGE - 1) // PAGE * PAGE
            if used < self.mapped:
                cut_off_pages(<uint8_t *> self.start + used, self.mapped - used)
                self.mapped = used
        PyTraceMalloc_Untrack(DOMAIN, <uint64_t> self.start)
        PyTraceMalloc_Track(DOMAIN, <uint64_t> self.start, size)


cdef Block new_memory(uint64_t size, uint64_t any_from=0, uint64_t any_to=0):
    """A block of so many bytes, zeroed but for a range that may hold anything: where the allocator zeroes memory, it
    touches it, and so takes pages of the system for what may never be used."""
    cdef Block block = Block.__new__(Block)
    cdef uint64_t slack = 1 if size < ALIGNED_FROM else LINE if size < MAPPED_FROM else HUGE if size >= HUGE else PAGE
    if size < MAPPED_FROM:
        block.start = malloc(size + slack)
    else:
        block.start = map_pages(size + slack)
        block.mapped = size + slack
    if block.start == NULL:
        raise MemoryError(f"no memory for {size:,} bytes of buckets")
    block.size = size
    block.data = <uint8_t *> ((<uint64_t> block.start + slack - 1) // slack * slack)
    if not block.mapped:
        memset(block.data, 0, any_from)
        memset(block.data + any_to, 0, size - any_to)
    count(&blocks_alive, 1)
    count(&bytes_alive, size)
    PyTraceMalloc_Track(DOMAIN, <uint64_t> block.start, size)
    if block.mapped:
        block.advise(0, size, False)        # also where the system's own choice would be huge pages
    return block


cdef Block borrowed(array):
    """A block over the bytes of an array, such as a mapped file: it keeps the array alive, and is only read."""
    cdef const uint8_t[::1] view = array
    cdef Block block = Block.__new__(Block)
    block.lender, block.size = array, len(view)
    block.data = <uint8_t *> &view[0] if len(view) else NULL
    return block


cdef class BucketMemory:
    """The memory of one bucket array, and the kernels' pointers into it."""

    cdef object rows_in_use(self, const Buckets *b, record):
        """The rows in use as RawBuckets: NumPy arrays over the memory. `record` is the dtype of a slot."""
        n, nmain, free_row, nfree = b.next_row, b.nmain, b.free_row, b.nfree
        tophash = b.tophash - b.slots
        overflow = <const uint8_t *> b.overflow - b.slots
        memory = np.frombuffer(self.block, np.uint8)    # asarray() hides a MemoryError, and takes the bytes for text
        return RawBuckets(
            memory[tophash:tophash + n * SLOTS].reshape(-1, SLOTS),
            memory[:n * SLOTS * self.raw.stride].view(record).reshape(-1, SLOTS),
            memory[overflow:overflow + 4 * n].view(np.uint32),
            nmain,
            free_row,
            nfree,
        )

    cdef void use_huge_pages(self) noexcept:
        """For batch look-ups: each entry of the processor's TLB then covers 2 MiB. Overflow rows stay in small pages:
        single inserts take them one after the other, and zeroing a huge page is a stall."""
        cdef uint64_t slots = self.raw.nmain * SLOTS * self.raw.stride, tophash = self.raw.nmain * SLOTS
        self.huge = True
        self.block.advise(0, slots, True)
        self.block.advise(2 * slots, 2 * slots + tophash, True)

    cdef bint return_piece(self, uint64_t evacuated) noexcept:
        """Return one piece to the system: of the slots of the first `evacuated` main rows; or of the whole array, if
        all main rows are evacuated. Returns whether nothing is left to return."""
        cdef uint64_t end = self.block.size
        cdef uint64_t piece = HUGE if self.huge else PIECE      # a huge page goes as a whole
        if evacuated < self.raw.nmain:
            end = evacuated * SLOTS * self.raw.stride // piece * piece
        if self.lent or not self.block.mapped:
            return evacuated == self.raw.nmain
        if self.returned < end:
            end = min(end, self.returned + piece)
            self.block.drop(self.returned, end)
            self.returned = end
        return self.returned == self.block.size


cdef BucketMemory new_buckets(int B, uint64_t value_at, uint64_t stride):
    """The memory of 2^B main buckets and their overflow buckets."""
    cdef BucketMemory memory = BucketMemory.__new__(BucketMemory)
    cdef Buckets *raw = &memory.raw
    raw.nmain = raw.next_row = <uint64_t> 1 << B
    raw.rows = 2 * raw.nmain if B else 1
    raw.value_at = value_at
    raw.stride = stride
    memory.block = new_memory(raw.rows * (SLOTS * stride + SLOTS + 4),
                              raw.nmain * SLOTS * stride, raw.rows * SLOTS * stride)
    raw.slots = memory.block.data
    raw.tophash = raw.slots + raw.rows * SLOTS * stride
    raw.overflow = <uint32_t *> (raw.tophash + raw.rows * SLOTS)
    return memory


cdef class ArenaBlocks:
    """The blocks of one arena."""

    cdef int add(self, array, uint8_t[::1] view, Arena *a) except -1:
        """Make a block the current one of the arena: an array, and a view of it, which must not be made here. Between
        the caller's last look at the arena and this no other code may run."""
        if len(self.blocks) == ARENA_BLOCKS:
            raise OverflowError("the table cannot hold more text, its arena is full: divide the keys among several")
        self.blocks.append(array)
        a.current += 1
        self.starts[a.current] = &view[0]
        a.used = 0
        a.size = len(view)
        return 0


cdef ArenaBlocks new_arena(Arena *a):
    """An arena without blocks."""
    cdef ArenaBlocks blocks = ArenaBlocks.__new__(ArenaBlocks)
    blocks.blocks = []
    a.blocks = blocks.starts
    a.current = -1
    a.used = a.size = a.live = a.dead = 0
    return blocks


cdef class FreePlaces:
    """The free places of a list of objects. Room for a place is made before an object is added or removed, so that
    neither the removal nor taking back the addition needs memory."""

    def __dealloc__(self):
        PyMem_Free(self.indices)

    cdef int make_room(self, uint64_t more) except -1:
        cdef uint64_t room = max(self.n + more, 2 * self.room)
        cdef uint64_t *indices
        if self.n + more > self.room:
            indices = <uint64_t *> PyMem_Realloc(self.indices, room * sizeof(uint64_t))
            if indices == NULL:
                raise MemoryError(f"no memory for {room:,} free places of objects")
            self.indices, self.room = indices, room
        return 0

    cdef void push(self, uint64_t index) noexcept:
        self.indices[self.n] = index
        self.n += 1

    cdef uint64_t pop(self) noexcept:
        self.n -= 1
        return self.indices[self.n]


cdef object new_block(uint64_t least, uint64_t last, uint64_t expected):
    """Memory for an arena's next block, of at least `least` bytes, after one of `last` bytes.

    Only the `expected` part, which will be used soon, gets huge pages: touching any byte of a huge page commits all of
    it."""
    cdef uint64_t size = max(least, <uint64_t> 1 << ARENA_FIRST, 2 * last)
    cdef Block block = new_memory(size, 0, size)
    block.advise(0, min(block.size, expected), True)
    return np.frombuffer(block, np.uint8)
