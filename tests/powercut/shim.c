/* Stands between a program and its files: writes down in order what would reach the disk, and can make the disk fail.
 *
 * Loaded by LD_PRELOAD, steered by three variables:
 *   POWERCUT_ROOT     the folder that is watched, absolute and without symbolic links
 *   POWERCUT_JOURNAL  where to append the journal; its records are described in journal.py
 *   POWERCUT_FAULTS   a file of RULES rules as below, shared with whoever changes them; may be absent
 *
 * A change is carried out and written down under one lock, so the journal has the order in which the kernel saw things.
 * A sync is written down twice, when it begins and when it has ended: only what came before its beginning is covered.
 * The real disk is not asked for it: what a cut leaves is told by the journal.
 * What this file does not know how to follow (links, folders, writing through mmap, ...) is written down as such.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum op { OPENED = 1, WRITTEN, TRUNCATED, SYNC_BEGUN, SYNC_ENDED, RENAMED, UNLINKED, SYNCED_ALL, NOT_FOLLOWED };

struct record {
    char magic[4];
    uint16_t op, name_length, other_length, unused;
    uint32_t data_length;
    uint64_t inode;
    int64_t number;
    int64_t at;
} __attribute__((packed));

#define RULES 16
#define KILL (-1)
#define LIE (-2)

struct rule {
    char call[16];   /* open64, pwrite64, fdatasync, ...; empty: no rule */
    char suffix[32]; /* of the file's name in the folder; the folder itself is "." */
    int32_t skip;    /* how many such calls still pass unharmed */
    int32_t left;    /* to how many after those it happens; negative: to all */
    int32_t fault;   /* an errno; 0: only the delay; KILL; LIE: say that it is done */
    int32_t delay;   /* microseconds */
};

#define WATCHED 4096
static struct { uint64_t inode; char name[96]; } watched[WATCHED];

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char root[PATH_MAX];
static size_t root_length;
static int journal = -1;
static struct rule *rules;

#define REAL(result, name, ...) static result (*real_##name)(__VA_ARGS__)
REAL(int, open64, const char *, int, ...);
REAL(int, openat64, int, const char *, int, ...);
REAL(int, close, int);
REAL(ssize_t, write, int, const void *, size_t);
REAL(ssize_t, writev, int, const struct iovec *, int);
REAL(ssize_t, pwrite64, int, const void *, size_t, off64_t);
REAL(ssize_t, pwritev64, int, const struct iovec *, int, off64_t);
REAL(ssize_t, pwritev64v2, int, const struct iovec *, int, off64_t, int);
REAL(int, ftruncate64, int, off64_t);
REAL(int, truncate64, const char *, off64_t);
REAL(int, fsync, int);
REAL(int, fdatasync, int);
REAL(void, sync, void);
REAL(int, syncfs, int);
REAL(int, rename, const char *, const char *);
REAL(int, renameat, int, const char *, int, const char *);
REAL(int, unlink, const char *);
REAL(int, unlinkat, int, const char *, int);
REAL(int, rmdir, const char *);
REAL(int, mkdir, const char *, mode_t);
REAL(int, link, const char *, const char *);
REAL(int, symlink, const char *, const char *);
REAL(int, posix_fallocate64, int, off64_t, off64_t);
REAL(int, fallocate64, int, int, off64_t, off64_t);
REAL(ssize_t, copy_file_range, int, off64_t *, int, off64_t *, size_t, unsigned);
REAL(ssize_t, sendfile64, int, int, off64_t *, size_t);
REAL(void *, mmap64, void *, size_t, int, int, int, off64_t);

__attribute__((constructor)) static void begin(void)
{
#define FIND(name) real_##name = dlsym(RTLD_NEXT, #name)
    FIND(open64); FIND(openat64); FIND(close); FIND(write); FIND(writev); FIND(pwrite64); FIND(pwritev64);
    FIND(pwritev64v2); FIND(ftruncate64); FIND(truncate64); FIND(fsync); FIND(fdatasync); FIND(sync); FIND(syncfs);
    FIND(rename); FIND(renameat); FIND(unlink); FIND(unlinkat); FIND(rmdir); FIND(mkdir); FIND(link); FIND(symlink);
    FIND(posix_fallocate64); FIND(fallocate64); FIND(copy_file_range); FIND(sendfile64); FIND(mmap64);
    const char *folder = getenv("POWERCUT_ROOT"), *path = getenv("POWERCUT_JOURNAL"), *faults = getenv("POWERCUT_FAULTS");
    if (folder == NULL || strlen(folder) >= sizeof root)
        return;
    strcpy(root, folder);
    root_length = strlen(root);
    if (path != NULL && (journal = real_open64(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600)) < 0)
        abort();
    int file = faults != NULL ? real_open64(faults, O_RDWR | O_CLOEXEC) : -1;
    if (file >= 0) {
        rules = real_mmap64(NULL, RULES * sizeof *rules, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        if (rules == MAP_FAILED)
            abort();
        real_close(file);
    }
}

/* --- the journal ------------------------------------------------------------------------------------------------ */

static void note(enum op op, uint64_t inode, int64_t number, const char *name, const char *other, const struct iovec *data, int parts, size_t length)
{
    if (journal < 0)
        return;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    struct record record = {
        .magic = "PCJ1", .op = op, .name_length = strlen(name), .other_length = strlen(other),
        .data_length = length, .inode = inode, .number = number, .at = now.tv_sec * 1000000000LL + now.tv_nsec,
    };
    size_t whole = sizeof record + record.name_length + record.other_length + length;
    char *buffer = malloc(whole), *end = buffer;
    if (buffer == NULL)
        abort();
    end = mempcpy(end, &record, sizeof record);
    end = mempcpy(end, name, record.name_length);
    end = mempcpy(end, other, record.other_length);
    for (int part = 0; part < parts && length > 0; part++) {
        size_t taken = data[part].iov_len < length ? data[part].iov_len : length;
        end = mempcpy(end, data[part].iov_base, taken);
        length -= taken;
    }
    if (real_write(journal, buffer, whole) != (ssize_t)whole)
        abort(); /* a journal with a hole would prove nothing */
    free(buffer);
}

static void note_plain(enum op op, uint64_t inode, int64_t number, const char *name)
{
    note(op, inode, number, name, "", NULL, 0, 0);
}

/* The path below the watched folder, "." for the folder itself; NULL for anything else. */
static const char *below(const char *path, char *buffer)
{
    if (root_length == 0 || path == NULL)
        return NULL;
    if (path[0] != '/') {
        if (getcwd(buffer, PATH_MAX) == NULL || strlen(buffer) + strlen(path) + 2 > PATH_MAX)
            return NULL;
        strcat(strcat(buffer, "/"), path);
        path = buffer;
    }
    if (strncmp(path, root, root_length) != 0)
        return NULL;
    if (path[root_length] == '\0')
        return ".";
    return path[root_length] == '/' ? path + root_length + 1 : NULL;
}

static int is_watched(int fd)
{
    return fd >= 0 && fd < WATCHED && watched[fd].name[0] != '\0';
}

/* --- faults ----------------------------------------------------------------------------------------------------- */

static int ends_with(const char *name, const char *suffix)
{
    size_t length = strlen(name), wanted = strnlen(suffix, 32);
    return length >= wanted && strncmp(name + length - wanted, suffix, wanted) == 0;
}

/* What a rule says of this call: 0, an errno or LIE. Waits, or dies, if it says so. Called without the lock. */
static int fault_of(const char *call, const char *name)
{
    int fault = 0, delay = 0;
    if (rules == NULL)
        return 0;
    pthread_mutex_lock(&lock);
    for (struct rule *rule = rules; rule < rules + RULES; rule++) {
        if (rule->call[0] == '\0' || strncmp(rule->call, call, sizeof rule->call) != 0 || !ends_with(name, rule->suffix))
            continue;
        if (rule->skip > 0) {
            rule->skip--;
        } else if (rule->left != 0) {
            rule->left -= rule->left > 0;
            delay += rule->delay;
            if (rule->fault == KILL)
                kill(getpid(), SIGKILL); /* under the lock: nothing is left half written down */
            if (fault == 0)
                fault = rule->fault;
        }
    }
    pthread_mutex_unlock(&lock);
    if (delay > 0)
        nanosleep(&(struct timespec){delay / 1000000, delay % 1000000 * 1000L}, NULL);
    return fault;
}

/* --- files ------------------------------------------------------------------------------------------------------ */

static int opened(int fd, const char *name, int flags, int existed)
{
    if (fd < 0 || fd >= WATCHED)
        return fd;
    struct stat status;
    if (fstat(fd, &status) != 0)
        return fd;
    watched[fd].inode = status.st_ino;
    snprintf(watched[fd].name, sizeof watched[fd].name, "%s", name);
    if (S_ISDIR(status.st_mode))
        return fd;
    note_plain(OPENED, status.st_ino, !existed, name);
    if (existed && flags & O_TRUNC)
        note_plain(TRUNCATED, status.st_ino, 0, name);
    return fd;
}

static int open_watched(int folder, const char *path, const char *name, int flags, mode_t mode)
{
    int fault = flags & O_CREAT ? fault_of("open64", name) : 0;
    if (fault > 0) {
        errno = fault;
        return -1;
    }
    pthread_mutex_lock(&lock);
    int existed = faccessat(folder, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
    int fd = opened(real_openat64(folder, path, flags, mode), name, flags, existed);
    pthread_mutex_unlock(&lock);
    return fd;
}

#define MODE_OF(flags, mode) \
    mode_t mode = 0; \
    if (flags & (O_CREAT | __O_TMPFILE)) { \
        va_list rest; \
        va_start(rest, flags); \
        mode = va_arg(rest, mode_t); \
        va_end(rest); \
    }

int open64(const char *path, int flags, ...)
{
    MODE_OF(flags, mode)
    char buffer[PATH_MAX];
    const char *name = below(path, buffer);
    return name != NULL ? open_watched(AT_FDCWD, path, name, flags, mode) : real_open64(path, flags, mode);
}

int open(const char *path, int flags, ...)
{
    MODE_OF(flags, mode)
    return open64(path, flags, mode);
}

int openat64(int folder, const char *path, int flags, ...)
{
    MODE_OF(flags, mode)
    char buffer[PATH_MAX];
    const char *name = path[0] == '/' || folder == AT_FDCWD ? below(path, buffer) : NULL;
    return name != NULL ? open_watched(folder, path, name, flags, mode) : real_openat64(folder, path, flags, mode);
}

int openat(int folder, const char *path, int flags, ...)
{
    MODE_OF(flags, mode)
    return openat64(folder, path, flags, mode);
}

int close(int fd)
{
    if (is_watched(fd)) {
        pthread_mutex_lock(&lock);
        watched[fd].name[0] = '\0';
        int result = real_close(fd);
        pthread_mutex_unlock(&lock);
        return result;
    }
    return real_close(fd);
}

static ssize_t write_watched(const char *call, int fd, const struct iovec *data, int parts, off64_t offset)
{
    int fault = fault_of(call, watched[fd].name);
    if (fault > 0) {
        errno = fault;
        return -1;
    }
    pthread_mutex_lock(&lock);
    ssize_t done;
    if (offset >= 0) {
        done = real_pwritev64(fd, data, parts, offset);
    } else {
        done = real_writev(fd, data, parts);
        offset = lseek64(fd, 0, SEEK_CUR) - (done > 0 ? done : 0);
    }
    if (done > 0)
        note(WRITTEN, watched[fd].inode, offset, watched[fd].name, "", data, parts, done);
    pthread_mutex_unlock(&lock);
    return done;
}

ssize_t write(int fd, const void *data, size_t length)
{
    if (!is_watched(fd))
        return real_write(fd, data, length);
    return write_watched("write", fd, &(struct iovec){(void *)data, length}, 1, -1);
}

ssize_t writev(int fd, const struct iovec *data, int parts)
{
    return is_watched(fd) ? write_watched("write", fd, data, parts, -1) : real_writev(fd, data, parts);
}

ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset)
{
    if (!is_watched(fd))
        return real_pwrite64(fd, data, length, offset);
    return write_watched("pwrite64", fd, &(struct iovec){(void *)data, length}, 1, offset);
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t offset)
{
    return pwrite64(fd, data, length, offset);
}

ssize_t pwritev64(int fd, const struct iovec *data, int parts, off64_t offset)
{
    return is_watched(fd) ? write_watched("pwrite64", fd, data, parts, offset) : real_pwritev64(fd, data, parts, offset);
}

ssize_t pwritev64v2(int fd, const struct iovec *data, int parts, off64_t offset, int flags)
{
    if (!is_watched(fd))
        return real_pwritev64v2(fd, data, parts, offset, flags);
    return write_watched("pwrite64", fd, data, parts, offset);
}

int ftruncate64(int fd, off64_t length)
{
    if (!is_watched(fd))
        return real_ftruncate64(fd, length);
    int fault = fault_of("ftruncate64", watched[fd].name);
    if (fault > 0) {
        errno = fault;
        return -1;
    }
    pthread_mutex_lock(&lock);
    int result = real_ftruncate64(fd, length);
    if (result == 0)
        note_plain(TRUNCATED, watched[fd].inode, length, watched[fd].name);
    pthread_mutex_unlock(&lock);
    return result;
}

int ftruncate(int fd, off_t length)
{
    return ftruncate64(fd, length);
}

int posix_fallocate64(int fd, off64_t offset, off64_t length)
{
    if (!is_watched(fd))
        return real_posix_fallocate64(fd, offset, length);
    int fault = fault_of("fallocate", watched[fd].name);
    if (fault > 0)
        return fault;
    pthread_mutex_lock(&lock);
    struct stat before, after;
    int known = fstat(fd, &before) == 0, result = real_posix_fallocate64(fd, offset, length);
    if (known && fstat(fd, &after) == 0 && after.st_size != before.st_size)
        note_plain(TRUNCATED, watched[fd].inode, after.st_size, watched[fd].name);
    pthread_mutex_unlock(&lock);
    return result;
}

/* --- syncs ------------------------------------------------------------------------------------------------------ */

/* Only written down: what is on the disk after a cut is told by the journal, and the real one need not hurry. */
static int sync_watched(const char *call, int fd)
{
    uint64_t inode = watched[fd].inode;
    char name[sizeof watched[fd].name];
    strcpy(name, watched[fd].name);
    pthread_mutex_lock(&lock);
    note_plain(SYNC_BEGUN, inode, gettid(), name);
    pthread_mutex_unlock(&lock);
    int fault = fault_of(call, name);
    if (fault == LIE)
        return 0;
    pthread_mutex_lock(&lock);
    note(SYNC_ENDED, inode, gettid(), name, fault == 0 ? "" : "failed", NULL, 0, 0);
    pthread_mutex_unlock(&lock);
    errno = fault;
    return fault == 0 ? 0 : -1;
}

int fsync(int fd)
{
    return is_watched(fd) ? sync_watched("fsync", fd) : real_fsync(fd);
}

int fdatasync(int fd)
{
    return is_watched(fd) ? sync_watched("fdatasync", fd) : real_fdatasync(fd);
}

void sync(void)
{
    real_sync();
    pthread_mutex_lock(&lock);
    note_plain(SYNCED_ALL, 0, 0, ".");
    pthread_mutex_unlock(&lock);
}

int syncfs(int fd)
{
    int result = real_syncfs(fd);
    if (result == 0 && is_watched(fd)) {
        pthread_mutex_lock(&lock);
        note_plain(SYNCED_ALL, 0, 0, ".");
        pthread_mutex_unlock(&lock);
    }
    return result;
}

/* --- names ------------------------------------------------------------------------------------------------------ */

int renameat(int from_folder, const char *from, int to_folder, const char *to)
{
    char from_buffer[PATH_MAX], to_buffer[PATH_MAX];
    const char *old = below(from, from_buffer), *new = below(to, to_buffer);
    if (old == NULL && new == NULL)
        return real_renameat(from_folder, from, to_folder, to);
    pthread_mutex_lock(&lock);
    int result = real_renameat(from_folder, from, to_folder, to);
    if (result == 0 && old != NULL && new != NULL)
        note(RENAMED, 0, 0, old, new, NULL, 0, 0);
    else if (result == 0)
        note_plain(NOT_FOLLOWED, 0, 0, "a rename into or out of the folder");
    pthread_mutex_unlock(&lock);
    return result;
}

int rename(const char *from, const char *to)
{
    return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

static int unlink_watched(const char *name, const char *path, int flags)
{
    int fault = fault_of("unlink", name);
    if (fault > 0) {
        errno = fault;
        return -1;
    }
    pthread_mutex_lock(&lock);
    int result = real_unlinkat(AT_FDCWD, path, flags);
    if (result == 0)
        note_plain(UNLINKED, 0, 0, name);
    pthread_mutex_unlock(&lock);
    return result;
}

int unlink(const char *path)
{
    char buffer[PATH_MAX];
    const char *name = below(path, buffer);
    return name != NULL ? unlink_watched(name, path, 0) : real_unlink(path);
}

int rmdir(const char *path)
{
    char buffer[PATH_MAX];
    const char *name = below(path, buffer);
    return name != NULL ? unlink_watched(name, path, AT_REMOVEDIR) : real_rmdir(path);
}

int unlinkat(int folder, const char *path, int flags)
{
    char buffer[PATH_MAX];
    const char *name = path[0] == '/' || folder == AT_FDCWD ? below(path, buffer) : NULL;
    return name != NULL ? unlink_watched(name, path, flags) : real_unlinkat(folder, path, flags);
}

int mkdir(const char *path, mode_t mode)
{
    char buffer[PATH_MAX];
    const char *name = below(path, buffer);
    if (name == NULL)
        return real_mkdir(path, mode);
    pthread_mutex_lock(&lock);
    int result = real_mkdir(path, mode), error = errno;
    if (result == 0 && strcmp(name, ".") != 0)
        note_plain(NOT_FOLLOWED, 0, 0, "a folder in the folder");
    pthread_mutex_unlock(&lock);
    errno = error;
    return result;
}

/* --- what is not followed --------------------------------------------------------------------------------------- */

static void not_followed(const char *what)
{
    pthread_mutex_lock(&lock);
    note_plain(NOT_FOLLOWED, 0, 0, what);
    pthread_mutex_unlock(&lock);
}

int truncate64(const char *path, off64_t length)
{
    char buffer[PATH_MAX];
    if (below(path, buffer) != NULL)
        not_followed("truncate");
    return real_truncate64(path, length);
}

int link(const char *from, const char *to)
{
    char buffer[PATH_MAX];
    if (below(to, buffer) != NULL)
        not_followed("link");
    return real_link(from, to);
}

int symlink(const char *from, const char *to)
{
    char buffer[PATH_MAX];
    if (below(to, buffer) != NULL)
        not_followed("symlink");
    return real_symlink(from, to);
}

int fallocate64(int fd, int mode, off64_t offset, off64_t length)
{
    if (is_watched(fd))
        not_followed("fallocate");
    return real_fallocate64(fd, mode, offset, length);
}

ssize_t copy_file_range(int from, off64_t *start, int to, off64_t *target, size_t length, unsigned flags)
{
    if (is_watched(to))
        not_followed("copy_file_range");
    return real_copy_file_range(from, start, to, target, length, flags);
}

ssize_t sendfile64(int to, int from, off64_t *offset, size_t length)
{
    if (is_watched(to))
        not_followed("sendfile");
    return real_sendfile64(to, from, offset, length);
}

void *mmap64(void *address, size_t length, int protection, int flags, int fd, off64_t offset)
{
    if (is_watched(fd) && protection & PROT_WRITE && flags & MAP_SHARED && !ends_with(watched[fd].name, "-shm"))
        not_followed("mmap");
    return real_mmap64(address, length, protection, flags, fd, offset);
}

void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset)
{
    return mmap64(address, length, protection, flags, fd, offset);
}
