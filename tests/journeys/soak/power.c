/* Loaded with LD_PRELOAD: remembers what was written to the outbox and not synced yet, so that a power cut can take it back.

   Before each write or truncation of a file whose name contains "outbox.db" the old bytes are appended to FILE.undo as
   (offset, old length of file, bytes, data); a sync empties that file. What it lists was never promised to be on disk. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int undo_of(int fd, int flags) {
    char link[64], path[PATH_MAX], undo[PATH_MAX + 8];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n <= 0) return -1;
    path[n] = 0;
    char *name = strrchr(path, '/');
    if (!name || !strstr(name, "outbox.db") || strstr(name, "-shm") || strstr(name, ".undo") || strstr(name, "deleted"))
        return -1;
    snprintf(undo, sizeof undo, "%s.undo", path);
    return open(undo, flags | O_CREAT | O_CLOEXEC, 0600);
}

static void remember(int fd, off_t offset, size_t count) {
    int undo = undo_of(fd, O_WRONLY | O_APPEND);
    struct stat st;
    if (undo < 0) return;
    if (fstat(fd, &st) == 0) {
        uint64_t head[3] = {(uint64_t)offset, (uint64_t)st.st_size, 0};
        size_t there = offset < st.st_size ? (size_t)(st.st_size - offset) : 0;
        head[2] = there < count ? there : count;
        char *entry = malloc(sizeof head + head[2]);
        ssize_t got = entry ? pread(fd, entry + sizeof head, head[2], offset) : -1;
        if (got >= 0) {
            head[2] = (uint64_t)got;
            memcpy(entry, head, sizeof head);
            if (write(undo, entry, sizeof head + (size_t)got) < 0) abort();
        }
        free(entry);
    }
    close(undo);
}

static void forget(int fd) {
    int undo = undo_of(fd, O_WRONLY | O_TRUNC);
    if (undo >= 0) close(undo);
}

ssize_t pwrite64(int fd, const void *data, size_t count, off64_t offset) {
    static ssize_t (*real)(int, const void *, size_t, off64_t);
    if (!real) real = dlsym(RTLD_NEXT, "pwrite64");
    pthread_mutex_lock(&lock);
    remember(fd, offset, count);
    ssize_t n = real(fd, data, count, offset);
    pthread_mutex_unlock(&lock);
    return n;
}

ssize_t pwrite(int fd, const void *data, size_t count, off_t offset) { return pwrite64(fd, data, count, offset); }

int ftruncate64(int fd, off64_t length) {
    static int (*real)(int, off64_t);
    if (!real) real = dlsym(RTLD_NEXT, "ftruncate64");
    struct stat st;
    pthread_mutex_lock(&lock);
    if (fstat(fd, &st) == 0 && length < st.st_size) remember(fd, length, (size_t)(st.st_size - length));
    int n = real(fd, length);
    pthread_mutex_unlock(&lock);
    return n;
}

int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }

int fdatasync(int fd) {
    static int (*real)(int);
    if (!real) real = dlsym(RTLD_NEXT, "fdatasync");
    pthread_mutex_lock(&lock);
    int n = real(fd);
    if (n == 0) forget(fd);
    pthread_mutex_unlock(&lock);
    return n;
}

int fsync(int fd) {
    static int (*real)(int);
    if (!real) real = dlsym(RTLD_NEXT, "fsync");
    pthread_mutex_lock(&lock);
    int n = real(fd);
    if (n == 0) forget(fd);
    pthread_mutex_unlock(&lock);
    return n;
}

int unlink(const char *path) {
    static int (*real)(const char *);
    if (!real) real = dlsym(RTLD_NEXT, "unlink");
    int n = real(path);
    if (n == 0 && strstr(path, "outbox.db") && !strstr(path, ".undo")) {
        char undo[PATH_MAX + 8];
        snprintf(undo, sizeof undo, "%s.undo", path);
        real(undo);
    }
    return n;
}
