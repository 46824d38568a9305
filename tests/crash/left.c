/* SPDX-License-Identifier: MIT */
/*
 * left.c -- what a process that died while it made a pool left in the system.
 *
 * Files lie in a directory of our own.  System V objects are ours if the dead
 * process made them: of shared memory the system says so; of semaphores it only
 * tells who set them last, so those never set by anybody are removed at the
 * end, if nobody set them since.
 */
#include "config.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <time.h>

#include "../tap.h"
#include "crash.h"

enum { SUSPECTS_MAX = 512, KNOWN_MAX = 4096, SEMAPHORES = 3 };

static char directory[256];
static char object[300]; /* a POSIX object that the victim has */
static int suspects[SUSPECTS_MAX];
static int suspect_count;
static int known[KNOWN_MAX];
static int known_count;
static time_t begun;

void left_begin(void)
{
    const char *base = getenv("TMPDIR");
    snprintf(directory, sizeof directory, "%s/mm-crash-XXXXXX",
             base && *base ? base : "/tmp");
    if (!mkdtemp(directory) || setenv("TMPDIR", directory, 1) < 0)
        bail("cannot make a directory: %s", strerror(errno));
    begun = time(NULL);
}

/* What there is already is nobody's who dies here. */
void left_mark(void)
{
    struct seminfo info;
    known_count = 0;
    int most = semctl(0, 0, SEM_INFO, &info);
    for (int i = 0; i <= most && known_count < KNOWN_MAX; i++) {
        struct semid_ds status;
        int id = semctl(i, 0, SEM_STAT, &status);
        if (id >= 0)
            known[known_count++] = id;
    }
}

static bool is_known(int id)
{
    for (int i = 0; i < known_count; i++)
        if (known[i] == id)
            return true;
    return known_count == KNOWN_MAX;
}

static size_t remove_files(void)
{
    size_t count = 0;
    DIR *dir = opendir(directory);
    const struct dirent *entry;
    while (dir && (entry = readdir(dir)))
        if (entry->d_name[0] != '.' &&
            unlinkat(dirfd(dir), entry->d_name, 0) == 0)
            count++;
    if (dir)
        closedir(dir);
    return count;
}

void left_note(pid_t pid)
{
    char path[64];
    object[0] = '\0';
    for (int fd = 3; fd < 32; fd++) {
        char target[sizeof object];
        snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)pid, fd);
        ssize_t length = readlink(path, target, sizeof target - 1);
        if (length <= 0)
            continue;
        target[length] = '\0';
        if (strncmp(target, "/dev/shm/mm-", 12) == 0 && !strchr(target, ' '))
            memcpy(object, target, sizeof object);
    }
}

static size_t remove_segments(pid_t pid)
{
    struct shm_info info;
    size_t count = 0;
    int most = shmctl(0, SHM_INFO, (struct shmid_ds *)(void *)&info);
    for (int i = 0; i <= most; i++) {
        struct shmid_ds status;
        int id = shmctl(i, SHM_STAT, &status);
        if (id >= 0 && status.shm_cpid == pid &&
            shmctl(id, IPC_RMID, NULL) == 0)
            count++;
    }
    return count;
}

/* Who set one of the semaphores last; 0: nobody ever did, -1: not such a set.
 */
static int last_setter(int id, const struct semid_ds *status)
{
    if (status->sem_nsems != SEMAPHORES || status->sem_perm.uid != geteuid())
        return -1;
    return semctl(id, 0, GETPID);
}

static void suspect(int id)
{
    for (int i = 0; i < suspect_count; i++)
        if (suspects[i] == id)
            return;
    if (suspect_count < SUSPECTS_MAX)
        suspects[suspect_count++] = id;
}

static size_t remove_semaphores(pid_t pid)
{
    struct seminfo info;
    size_t count = 0;
    int most = semctl(0, 0, SEM_INFO, &info);
    for (int i = 0; i <= most; i++) {
        struct semid_ds status;
        int id = semctl(i, 0, SEM_STAT, &status);
        int setter = id >= 0 ? last_setter(id, &status) : -1;
        if (setter < 0 || is_known(id))
            continue;
        if (setter == pid && semctl(id, 0, IPC_RMID) == 0)
            count++;
        else if (setter == 0 && status.sem_ctime >= begun)
            suspect(id);
    }
    return count;
}

size_t left_sweep(pid_t pid)
{
    size_t count =
        remove_files() + remove_segments(pid) + remove_semaphores(pid);
    if (object[0] && unlink(object) == 0)
        count++;
    object[0] = '\0';
    return count;
}

void left_end(void)
{
    if (suspect_count > 0)
        sleep(2);
    for (int i = 0; i < suspect_count; i++) {
        struct semid_ds status;
        if (semctl(suspects[i], 0, IPC_STAT, &status) == 0 &&
            last_setter(suspects[i], &status) == 0 && status.sem_otime == 0 &&
            status.sem_ctime + 1 < time(NULL))
            semctl(suspects[i], 0, IPC_RMID);
    }
    remove_files();
    rmdir(directory);
}
