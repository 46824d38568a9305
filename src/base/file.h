/* SPDX-License-Identifier: MIT */
/*
 * file.h -- private files as memory: make, size, map, set aside, remove.
 *
 * The only place that creates files: mode 0600, O_EXCL, O_NOFOLLOW, O_CLOEXEC.
 * What exists already is never opened for use, truncated, or removed.  A file
 * is known by device and inode, because names and descriptor numbers can be
 * taken over by something else.
 */
#ifndef MMI_FILE_H
#define MMI_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct file_id {
    dev_t device;
    ino_t inode;
};

enum { FILE_RANDOM_NAME_SIZE = 32 };

/* "mm-" and 24 random hexadecimal digits: no path, no clash, no guessing.
 * 0, or -1 after mmi_fail(). */
int mmi_file_random_name(char name[FILE_RANDOM_NAME_SIZE]);

/* Make PATH followed by SUFFIX, which must not exist.  *ABSOLUTE becomes its
 * name from the root, for the caller to free; *ID tells it from others.  A
 * descriptor, or -1 after mmi_fail() with nothing made. */
int mmi_file_create(const char *path, const char *suffix, char **absolute,
                    struct file_id *id);

/* A new file below $TMPDIR or /tmp that has lost its name again.  A
 * descriptor, or -1 after mmi_fail() with nothing made. */
int mmi_file_temporary(void);

/* Fill *ID for FD, just opened.  0, or -1 after mmi_fail(); then FD is closed
 * again. */
int mmi_file_identify(int fd, struct file_id *id);

/* Whether FD is open and still the file ID. */
bool mmi_file_is(int fd, const struct file_id *id);

/* Close FD if it is still the file ID.  Keeps errno. */
void mmi_file_close(int fd, const struct file_id *id);

/* Remove PATH if it is still the file ID.  Keeps errno. */
void mmi_file_remove(const char *path, const struct file_id *id);

/* fchmod and fchown; -1 ids mean no change.  All or nothing; 0, or -1 after
 * mmi_fail(). */
int mmi_file_permit(int fd, mode_t mode, uid_t uid, gid_t gid);

/* Largest file this process may make, bytes. */
size_t mmi_file_max_size(void);

/* Give the empty file FD SIZE bytes, whole pages, and map them shared.  With
 * RESERVE the file system sets all of them aside.  NULL after mmi_fail(). */
char *mmi_file_map(int fd, size_t size, bool reserve);

/* Whether mmi_file_commit() works without a descriptor. */
bool mmi_file_commits_alone(void);

/* Make sure that [OFFSET, OFFSET + SIZE) of the file mapped at BASE can be
 * touched without SIGBUS.  FD may be -1 if mmi_file_commits_alone().  0, or -1
 * after mmi_fail(); a full file system is ENOSPC. */
int mmi_file_commit(char *base, size_t offset, size_t size, int fd,
                    const struct file_id *id);

#endif
