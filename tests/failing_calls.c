/* Loaded before the C library: the Nth call from now on that changes files fails, as on a full disk; or all from the
 * Nth on; or the process is killed just before it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/uio.h>
#include <unistd.h>

enum { ONCE, ALWAYS, KILL };

static atomic_long left = -1; /* calls that still succeed; below zero: all do */
static int mode;

void fail_after(long calls, int how) {
    mode = how;
    left = calls;
}

long never_fail(void) { return atomic_exchange(&left, -1); }

static int fails(void) {
    if (left < 0 || (left == 0 && mode == ALWAYS ? 0 : atomic_fetch_sub(&left, 1)) != 0)
        return 0;
    if (mode == KILL)
        kill(getpid(), SIGKILL);
    errno = ENOSPC;
    return 1;
}

#define REPLACED(result, name, parameters, arguments)                                                                  \
    result name parameters {                                                                                           \
        static result(*next) parameters;                                                                               \
        if (!next)                                                                                                     \
            next = (result(*) parameters)dlsym(RTLD_NEXT, #name);                                                      \
        return fails() ? -1 : next arguments;                                                                          \
    }

REPLACED(ssize_t, write, (int file, const void *bytes, size_t size), (file, bytes, size))
REPLACED(ssize_t, pwrite, (int file, const void *bytes, size_t size, off_t at), (file, bytes, size, at))
REPLACED(ssize_t, pwrite64, (int file, const void *bytes, size_t size, off64_t at), (file, bytes, size, at))
REPLACED(ssize_t, writev, (int file, const struct iovec *parts, int n), (file, parts, n))
REPLACED(int, fsync, (int file), (file))
REPLACED(int, fdatasync, (int file), (file))
REPLACED(int, flock, (int file, int operation), (file, operation))
REPLACED(int, ftruncate, (int file, off_t size), (file, size))
REPLACED(int, ftruncate64, (int file, off64_t size), (file, size))
REPLACED(int, rename, (const char *from, const char *to), (from, to))
REPLACED(int, renameat, (int a, const char *from, int b, const char *to), (a, from, b, to))
REPLACED(int, unlink, (const char *path), (path))
REPLACED(int, unlinkat, (int folder, const char *path, int flags), (folder, path, flags))

#define OPENED(name)                                                                                                   \
    int name(const char *path, int flags, ...) {                                                                       \
        static int (*next)(const char *, int, ...);                                                                    \
        va_list rest;                                                                                                  \
        va_start(rest, flags);                                                                                         \
        int permissions = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, int) : 0;                                       \
        va_end(rest);                                                                                                  \
        if (!next)                                                                                                     \
            next = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, #name);                                           \
        return fails() ? -1 : next(path, flags, permissions);                                                          \
    }

OPENED(open)
OPENED(open64)
