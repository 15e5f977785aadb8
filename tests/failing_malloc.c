/* Loaded before the C library: the Nth allocation from now on fails, once. The allocators of Python (under
 * PYTHONMALLOC=malloc), of NumPy and of the extension modules all end here. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>

void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);

static atomic_long left = -1; /* allocations that still succeed; below zero: all do */

void fail_after(long allocations) { left = allocations; }

long never_fail(void) { return atomic_exchange(&left, -1); }

static int fails(void) { return left >= 0 && atomic_fetch_sub(&left, 1) == 0; }

void *malloc(size_t size) { return fails() ? NULL : __libc_malloc(size); }

void *calloc(size_t n, size_t size) { return fails() ? NULL : __libc_calloc(n, size); }

void *realloc(void *old, size_t size) { return fails() ? NULL : __libc_realloc(old, size); }

void *mmap(void *at, size_t size, int protection, int flags, int file, off_t offset) {
    static void *(*next)(void *, size_t, int, int, int, off_t);
    if (!next)
        next = (void *(*)(void *, size_t, int, int, int, off_t))dlsym(RTLD_NEXT, "mmap");
    return fails() ? MAP_FAILED : next(at, size, protection, flags, file, offset);
}
