/* SPDX-License-Identifier: MIT */
/*
 * ksm_control.c -- the settings of the kernel's own merging.
 *
 * Small batches with no rest between them: a huge one could not be interrupted,
 * and whoever stops the merging would wait for its end.  Some settings exist
 * only on newer kernels.  A process that is killed while it steers leaves them
 * changed; nothing can help that.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "merge/ksm_control.h"

#define SETTINGS_DIRECTORY "/sys/kernel/mm/ksm"

/* In the order in which they are set.  The adviser would change the number of
 * pages again; run comes last, and is the first to be restored. */
static const struct {
    const char *name;
    const char *value;
    bool optional;
} settings[KSM_SETTINGS] = {
    {"advisor_mode", "none", true},
    {"smart_scan", "0", true},
    {"pages_to_scan", "5000", false},
    {"sleep_millisecs", "0", false},
    {"run", "1", false},
};

/* The value of NAME, without the line end.  -1 with errno. */
static int read_value(int directory, const char *name,
                      char value[KSM_VALUE_SIZE])
{
    int fd = openat(directory, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t length = read(fd, value, KSM_VALUE_SIZE - 1);
    int saved = errno;
    close(fd);
    errno = saved;
    if (length < 0)
        return -1;
    value[length] = '\0';
    value[strcspn(value, "\n")] = '\0';
    return 0;
}

static int write_value(int directory, const char *name, const char *value)
{
    int fd = openat(directory, name, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t length = write(fd, value, strlen(value));
    int saved = errno;
    close(fd);
    errno = saved;
    return length < 0 ? -1 : 0;
}

/* Make of what was read what can be written: of "[this] that" the choice; and
 * asking for everything to be unmerged once is not repeated. */
static void normalize(const char *name, char value[KSM_VALUE_SIZE])
{
    char *open = strchr(value, '[');
    char *close = open ? strchr(open, ']') : NULL;
    if (close) {
        *close = '\0';
        memmove(value, open + 1, (size_t)(close - open));
    }
    if (strcmp(name, "run") == 0 && strcmp(value, "2") == 0)
        value[0] = '0';
}

int mmi_ksm_open(struct ksm_control *control)
{
    control->steering = false;
    control->directory =
        open(SETTINGS_DIRECTORY, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (control->directory < 0) {
        errno = ENOPKG;
        return -1;
    }
    if (faccessat(control->directory, "run", W_OK, AT_EACCESS) == 0)
        return 0;
    close(control->directory);
    errno = EPERM;
    return -1;
}

/* Put back the first COUNT settings, the last of them first. */
static void restore(struct ksm_control *control, int count)
{
    int saved = errno;
    for (int i = count - 1; i >= 0; i--)
        if (control->saved[i][0])
            write_value(control->directory, settings[i].name,
                        control->saved[i]);
    errno = saved;
}

int mmi_ksm_start(struct ksm_control *control)
{
    if (control->steering)
        return 0;
    while (flock(control->directory, LOCK_EX) < 0)
        if (errno != EINTR)
            return -1;
    for (int i = 0; i < KSM_SETTINGS; i++) {
        char *value = control->saved[i];
        value[0] = '\0';
        int failed = read_value(control->directory, settings[i].name, value);
        if (!failed) {
            normalize(settings[i].name, value);
            failed = write_value(control->directory, settings[i].name,
                                 settings[i].value);
        }
        if (failed && settings[i].optional) {
            value[0] = '\0';
        } else if (failed) {
            if (errno == EACCES)
                errno = EPERM;
            restore(control, i + 1);
            flock(control->directory, LOCK_UN);
            return -1;
        }
    }
    control->steering = true;
    return 0;
}

uint64_t mmi_ksm_scans(const struct ksm_control *control)
{
    char value[KSM_VALUE_SIZE];
    if (read_value(control->directory, "full_scans", value) < 0)
        return 0;
    return strtoull(value, NULL, 10);
}

void mmi_ksm_close(struct ksm_control *control)
{
    int saved = errno;
    if (control->steering)
        restore(control, KSM_SETTINGS);
    close(control->directory); /* and give up the lock */
    errno = saved;
}
