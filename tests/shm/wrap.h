/* SPDX-License-Identifier: MIT */
/*
 * wrap.h -- calls of the library that fail when the test says so.
 *
 * The linker sends each call listed in WRAPPED_CALLS through a function here
 * (its option --wrap); unless armed, all of them just go on to the real one.
 */
#ifndef TESTS_WRAP_H
#define TESTS_WRAP_H

#include <fcntl.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../tap.h"

static struct {
    const char *only; /* calls of this name; NULL: of every name */
    int left;         /* the call that fails, counted from 1; 0: none */
    int times;        /* so many calls in a row fail from there on */
    int error;
    const char *hit; /* the call that failed, NULL if none did yet */
    bool strict;     /* the system says it forbids overcommitment */
} play;

static bool play_fails(const char *name)
{
    if (play.left <= 0 || (play.only && strcmp(play.only, name) != 0))
        return false;
    if (play.left > 1) {
        play.left--;
        return false;
    }
    if (--play.times <= 0)
        play.left = 0;
    play.hit = name;
    errno = play.error;
    return true;
}

/* The LEFT-th call of ONLY, and TIMES in all, fail with ERROR. */
__attribute__((unused)) static void play_arm(const char *only, int left,
                                             int times, int error)
{
    play.only = only;
    play.left = left;
    play.times = times;
    play.error = error;
    play.hit = NULL;
}

__attribute__((unused)) static void play_end(void)
{
    play.left = 0;
}

#define WRAP(type, name, failure, parameters, arguments)                       \
    type __real_##name parameters;                                             \
    type __wrap_##name parameters;                                             \
    type __wrap_##name parameters                                              \
    {                                                                          \
        return play_fails(#name) ? failure : __real_##name arguments;          \
    }

WRAP(void *, mmap, MAP_FAILED,
     (void *at, size_t size, int prot, int flags, int fd, off_t offset),
     (at, size, prot, flags, fd, offset))
WRAP(int, madvise, -1, (void *at, size_t size, int advice), (at, size, advice))
WRAP(int, ftruncate, -1, (int fd, off_t size), (fd, size))
WRAP(int, fstat, -1, (int fd, struct stat *status), (fd, status))
WRAP(int, fchmod, -1, (int fd, mode_t mode), (fd, mode))
WRAP(int, fchown, -1, (int fd, uid_t uid, gid_t gid), (fd, uid, gid))
WRAP(int, fallocate, -1, (int fd, int mode, off_t offset, off_t size),
     (fd, mode, offset, size))
WRAP(int, unlink, -1, (const char *path), (path))
WRAP(char *, getcwd, NULL, (char *buffer, size_t size), (buffer, size))
WRAP(int, memfd_create, -1, (const char *name, unsigned flags), (name, flags))
WRAP(int, shm_open, -1, (const char *name, int flags, mode_t mode),
     (name, flags, mode))
WRAP(int, shm_unlink, -1, (const char *name), (name))
WRAP(int, shmget, -1, (key_t key, size_t size, int flags), (key, size, flags))
WRAP(void *, shmat, (void *)-1, (int id, const void *at, int flags),
     (id, at, flags))
WRAP(int, shmctl, -1, (int id, int command, struct shmid_ds *status),
     (id, command, status))
WRAP(int, getentropy, -1, (void *buffer, size_t size), (buffer, size))
WRAP(void *, malloc, NULL, (size_t size), (size))
WRAP(void *, calloc, NULL, (size_t count, size_t size), (count, size))
WRAP(void *, realloc, NULL, (void *old, size_t size), (old, size))

ssize_t __real_read(int fd, void *buffer, size_t size);
ssize_t __wrap_read(int fd, void *buffer, size_t size);
ssize_t __wrap_read(int fd, void *buffer, size_t size)
{
    if (play_fails("read"))
        return -1;
    ssize_t got = __real_read(fd, buffer, size);
    if (play.strict && got == 1)
        *(char *)buffer = '2';
    return got;
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
    va_list values;
    va_start(values, flags);
    unsigned mode =
        flags & (O_CREAT | O_TMPFILE) ? va_arg(values, unsigned) : 0;
    va_end(values);
    return play_fails("open") ? -1 : __real_open(path, flags, mode);
}

int __real_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...)
{
    va_list values;
    va_start(values, command);
    void *argument = va_arg(values, void *);
    va_end(values);
    return play_fails("fcntl") ? -1 : __real_fcntl(fd, command, argument);
}

#endif
