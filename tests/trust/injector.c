/* Faults under the C library, for LD_PRELOAD.

   Counts every operation that changes something under one folder: open for writing, write, ftruncate,
   fallocate, fsync, rename, unlink, mkdir, link. `fault_arm` says which one fails, kills or tears, and
   may keep a log from which a power cut is replayed (tests/trust/power_cut.py). Nothing is counted
   before it is armed. Only the process that armed it and its threads are counted. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { NOTHING, FAIL, KILL_BEFORE, KILL_AFTER, TEAR, HOLD };

static char folder[PATH_MAX];
static size_t folder_length;
static long fails_at;
static int kind, number;
static int log_fd = -1;
static long count;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

/* Begin to count under `path`; at the k-th operation (from 1; 0: never) do `what` with errno `error`.
   A log is written to `log_path` unless it is empty. */
void fault_arm(const char *path, long k, int what, int error, const char *log_path) {
    strncpy(folder, path, sizeof folder - 1);
    folder_length = strlen(folder);
    fails_at = k;
    kind = what;
    number = error;
    count = 0;
    if (log_path[0])
        log_fd = syscall(SYS_openat, AT_FDCWD, log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

long fault_count(void) { return count; }

static int inside(const char *path) {
    return folder_length && !strncmp(path, folder, folder_length) &&
           (path[folder_length] == '/' || path[folder_length] == 0);
}

static void absolute(int dirfd, const char *path, char *out) {
    char base[PATH_MAX] = "", link[64];
    if (path[0] == '/') {
        snprintf(out, PATH_MAX, "%s", path);
        return;
    }
    if (dirfd == AT_FDCWD) {
        if (!getcwd(base, sizeof base)) base[0] = 0;
    } else {
        snprintf(link, sizeof link, "/proc/self/fd/%d", dirfd);
        ssize_t n = readlink(link, base, sizeof base - 1);
        base[n > 0 ? n : 0] = 0;
    }
    snprintf(out, PATH_MAX, "%.*s/%s", PATH_MAX / 2 - 2, base, path);
}

static int of_handle(int fd, char *out) {
    char link[64];
    if (!folder_length) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, out, PATH_MAX - 1);
    out[n > 0 ? n : 0] = 0;
    return inside(out);
}

static void put(const void *bytes, size_t n) {
    while (n) {
        ssize_t done = syscall(SYS_write, log_fd, bytes, n);
        if (done <= 0) return;
        bytes = (const char *)bytes + done;
        n -= done;
    }
}

/* One record: "op\tpath\tother\toffset\tinode\tsize\n" and `size` bytes of content. */
static void record(const char *op, const char *path, const char *other, long offset, long inode,
                   const void *content, size_t size) {
    char line[3 * PATH_MAX];
    if (log_fd < 0) return;
    int n = snprintf(line, sizeof line, "%s\t%s\t%s\t%ld\t%ld\t%zu\n", op, path, other, offset, inode, size);
    put(line, n);
    if (size) put(content, size);
}

static long inode_of(int fd) {
    struct stat about;
    return fstat(fd, &about) ? 0 : (long)about.st_ino;
}

/* Count one operation; return what must be done now. */
static int now(void) {
    pthread_mutex_lock(&mutex);
    int hit = ++count == fails_at;
    pthread_mutex_unlock(&mutex);
    if (hit && kind == KILL_BEFORE) kill(getpid(), SIGKILL), pause();
    if (hit && kind == HOLD) kill(getpid(), SIGSTOP);
    return hit ? kind : NOTHING;
}

static void after(int what) {
    if (what == KILL_AFTER || what == TEAR) kill(getpid(), SIGKILL), pause();
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

#define GUARDED(test, call, logged)                                  \
    do {                                                             \
        if (!(test)) return call;                                    \
        int what = now();                                            \
        if (what == FAIL) { errno = number; return -1; }             \
        __typeof__(call) result = call;                              \
        int kept = errno;                                            \
        if (result >= 0) { logged; }                                 \
        else record("nothing", "", "", 0, 0, 0, 0);                  \
        after(what);                                                 \
        errno = kept;                                                \
        return result;                                               \
    } while (0)

static int opened(int dirfd, const char *path, int flags, mode_t mode) {
    char full[PATH_MAX];
    int changes = flags & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC);
    if (!changes || !folder_length) return syscall(SYS_openat, dirfd, path, flags, mode);
    absolute(dirfd, path, full);
    int there = access(full, F_OK) == 0;
    GUARDED(inside(full), (int)syscall(SYS_openat, dirfd, path, flags, mode),
            record(there ? (flags & O_TRUNC ? "empty" : "open") : "create", full, "", 0, inode_of(result), 0, 0));
}

#define MODE(flags)                                                  \
    mode_t mode = 0;                                                 \
    if (flags & (O_CREAT | O_TMPFILE)) {                             \
        va_list rest;                                                \
        va_start(rest, flags);                                       \
        mode = va_arg(rest, mode_t);                                 \
        va_end(rest);                                                \
    }

int open(const char *path, int flags, ...) { MODE(flags) return opened(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags) return opened(AT_FDCWD, path, flags, mode); }
int openat(int fd, const char *path, int flags, ...) { MODE(flags) return opened(fd, path, flags, mode); }
int openat64(int fd, const char *path, int flags, ...) { MODE(flags) return opened(fd, path, flags, mode); }
int creat(const char *path, mode_t mode) { return opened(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }

static ssize_t written(int fd, const void *content, size_t n, off_t place, int placed) {
    char path[PATH_MAX];
    if (!of_handle(fd, path))
        return placed ? syscall(SYS_pwrite64, fd, content, n, place) : syscall(SYS_write, fd, content, n);
    int what = now();
    if (what == FAIL) { errno = number; return -1; }
    long offset = placed ? place : syscall(SYS_lseek, fd, 0, SEEK_CUR);
    if (fcntl(fd, F_GETFL) & O_APPEND) {
        struct stat about;
        offset = fstat(fd, &about) ? 0 : about.st_size;
    }
    size_t size = what == TEAR ? n / 2 : n;
    ssize_t result = placed ? syscall(SYS_pwrite64, fd, content, size, place) : syscall(SYS_write, fd, content, size);
    int kept = errno;
    if (result > 0) record("write", path, "", offset, inode_of(fd), content, result);
    else record("nothing", "", "", 0, 0, 0, 0);
    after(what);
    errno = kept;
    return result;
}

ssize_t write(int fd, const void *content, size_t n) { return written(fd, content, n, 0, 0); }
ssize_t pwrite(int fd, const void *content, size_t n, off_t place) { return written(fd, content, n, place, 1); }
ssize_t pwrite64(int fd, const void *content, size_t n, off_t place) { return written(fd, content, n, place, 1); }

static ssize_t gathered(int fd, const struct iovec *parts, int n, off_t place, int placed) {
    ssize_t total = 0;
    for (int i = 0; i < n; i++) {
        ssize_t done = written(fd, parts[i].iov_base, parts[i].iov_len, place + total, placed);
        if (done < 0) return total ? total : done;
        total += done;
        if (done < (ssize_t)parts[i].iov_len) break;
    }
    return total;
}

ssize_t writev(int fd, const struct iovec *parts, int n) { return gathered(fd, parts, n, 0, 0); }
ssize_t pwritev(int fd, const struct iovec *parts, int n, off_t place) { return gathered(fd, parts, n, place, 1); }
ssize_t pwritev64(int fd, const struct iovec *parts, int n, off_t place) { return gathered(fd, parts, n, place, 1); }

/* Copies within the kernel are refused, so that every caller falls back to plain writes that are seen. */
ssize_t sendfile(int out, int in, off_t *offset, size_t n) {
    char path[PATH_MAX];
    if (of_handle(out, path)) { errno = EINVAL; return -1; }
    return syscall(SYS_sendfile, out, in, offset, n);
}
ssize_t sendfile64(int out, int in, off_t *offset, size_t n) { return sendfile(out, in, offset, n); }
ssize_t copy_file_range(int in, off64_t *from, int out, off64_t *to, size_t n, unsigned flags) {
    char path[PATH_MAX];
    if (of_handle(out, path)) { errno = EXDEV; return -1; }
    return syscall(SYS_copy_file_range, in, from, out, to, n, flags);
}

int ftruncate(int fd, off_t size) {
    char path[PATH_MAX];
    GUARDED(of_handle(fd, path), (int)syscall(SYS_ftruncate, fd, size), record("cut", path, "", size, inode_of(fd), 0, 0));
}
int ftruncate64(int fd, off_t size) { return ftruncate(fd, size); }
int posix_fallocate(int fd, off_t from, off_t size) {
    char path[PATH_MAX];
    if (!of_handle(fd, path)) return REAL(posix_fallocate)(fd, from, size);
    int what = now();
    if (what == FAIL) return number;
    int result = REAL(posix_fallocate)(fd, from, size);
    if (!result) record("room", path, "", from + size, inode_of(fd), 0, 0);
    else record("nothing", "", "", 0, 0, 0, 0);
    after(what);
    return result;
}
int posix_fallocate64(int fd, off_t from, off_t size) { return posix_fallocate(fd, from, size); }
int fsync(int fd) {
    char path[PATH_MAX];
    GUARDED(of_handle(fd, path), (int)syscall(SYS_fsync, fd), record("sync", path, "", 0, inode_of(fd), 0, 0));
}
int fdatasync(int fd) {
    char path[PATH_MAX];
    GUARDED(of_handle(fd, path), (int)syscall(SYS_fdatasync, fd), record("sync", path, "", 0, inode_of(fd), 0, 0));
}

static int renamed(int from_fd, const char *from, int to_fd, const char *to, unsigned flags) {
    char one[PATH_MAX], other[PATH_MAX];
    if (!folder_length) return syscall(SYS_renameat2, from_fd, from, to_fd, to, flags);
    absolute(from_fd, from, one);
    absolute(to_fd, to, other);
    GUARDED(inside(one) || inside(other), (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, flags),
            record(flags ? "swap" : "rename", one, other, 0, 0, 0, 0));
}
int rename(const char *from, const char *to) { return renamed(AT_FDCWD, from, AT_FDCWD, to, 0); }
int renameat(int a, const char *from, int b, const char *to) { return renamed(a, from, b, to, 0); }
int renameat2(int a, const char *from, int b, const char *to, unsigned flags) { return renamed(a, from, b, to, flags); }

static int removed(int fd, const char *path, int flags) {
    char full[PATH_MAX];
    if (!folder_length) return syscall(SYS_unlinkat, fd, path, flags);
    absolute(fd, path, full);
    GUARDED(inside(full), (int)syscall(SYS_unlinkat, fd, path, flags), record("remove", full, "", 0, 0, 0, 0));
}
int unlink(const char *path) { return removed(AT_FDCWD, path, 0); }
int unlinkat(int fd, const char *path, int flags) { return removed(fd, path, flags); }
int rmdir(const char *path) { return removed(AT_FDCWD, path, AT_REMOVEDIR); }
int remove(const char *path) {
    struct stat about;
    return removed(AT_FDCWD, path, !lstat(path, &about) && S_ISDIR(about.st_mode) ? AT_REMOVEDIR : 0);
}

static int made(int fd, const char *path, mode_t mode) {
    char full[PATH_MAX];
    if (!folder_length) return syscall(SYS_mkdirat, fd, path, mode);
    absolute(fd, path, full);
    GUARDED(inside(full), (int)syscall(SYS_mkdirat, fd, path, mode), record("folder", full, "", 0, 0, 0, 0));
}
int mkdir(const char *path, mode_t mode) { return made(AT_FDCWD, path, mode); }
int mkdirat(int fd, const char *path, mode_t mode) { return made(fd, path, mode); }

static int linked(int a, const char *from, int b, const char *to, int flags) {
    char one[PATH_MAX], other[PATH_MAX];
    if (!folder_length) return syscall(SYS_linkat, a, from, b, to, flags);
    absolute(a, from, one);
    absolute(b, to, other);
    GUARDED(inside(other), (int)syscall(SYS_linkat, a, from, b, to, flags), record("link", one, other, 0, 0, 0, 0));
}
int link(const char *from, const char *to) { return linked(AT_FDCWD, from, AT_FDCWD, to, 0); }
int linkat(int a, const char *from, int b, const char *to, int flags) { return linked(a, from, b, to, flags); }
int symlink(const char *content, const char *path) {
    char full[PATH_MAX];
    if (!folder_length) return syscall(SYS_symlinkat, content, AT_FDCWD, path);
    absolute(AT_FDCWD, path, full);
    GUARDED(inside(full), (int)syscall(SYS_symlinkat, content, AT_FDCWD, path), record("symlink", full, content, 0, 0, 0, 0));
}
