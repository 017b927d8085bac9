/* Lets one process live at another time: loaded by LD_PRELOAD, told by a file that its test writes (MOVED_TIME).

   Moved are the wall clock, the time since boot, the kernel's opinion of the clock and the name of the boot. What only
   measures (CLOCK_MONOTONIC) is left alone, as it is by whoever sets a machine's clock. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

struct told {
    volatile int64_t wall_ns;  /* added to the wall clock */
    volatile int64_t boot_ns;  /* added to the time since boot */
    volatile int64_t is_synchronised;
};

static struct told nothing;
static struct told *told = &nothing;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("MOVED_TIME");
    int file = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0) : -1;
    if (file < 0)
        return;
    void *mapped = mmap(NULL, sizeof *told, PROT_READ, MAP_SHARED, file, 0);
    if (mapped != MAP_FAILED)
        told = mapped;
    close(file);
}

int clock_gettime(clockid_t clock, struct timespec *at) {
    if (syscall(SYS_clock_gettime, clock, at) != 0)
        return -1;
    int64_t moved = 0;
    if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)
        moved = told->wall_ns;
    else if (clock == CLOCK_BOOTTIME)
        moved = told->boot_ns;
    int64_t ns = (int64_t)at->tv_sec * 1000000000 + at->tv_nsec + moved;
    at->tv_sec = ns / 1000000000;
    at->tv_nsec = ns % 1000000000;
    return 0;
}

time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at)
        *at = now.tv_sec;
    return now.tv_sec;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return 0;
}

int adjtimex(struct timex *state) {
    memset(state, 0, sizeof *state);
    return told->is_synchronised ? TIME_OK : TIME_ERROR;
}

static int opened(const char *path, int flags, mode_t mode) {
    const char *boot = getenv("MOVED_BOOT_ID");
    if (boot && strcmp(path, "/proc/sys/kernel/random/boot_id") == 0)
        path = boot;
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int open(const char *path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(more, mode_t) : 0;
    va_end(more);
    return opened(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(more, mode_t) : 0;
    va_end(more);
    return opened(path, flags | O_LARGEFILE, mode);
}
