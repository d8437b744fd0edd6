#include "base/temporary.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/file.h"

#define ENDING ".bitfold-tmp"
enum { ATTEMPTS = 100, NAME_MOST = 200 };

bool temporary_is(const char *name) { return name[0] == '.' && file_ends(name, ENDING); }

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st, (void)type, (void)where;
    (void)remove(path);
    return 0;
}

static void remove_all(const char *path)
{
    enum { OPEN_FOLDERS = 16 };
    nftw(path, remove_one, OPEN_FOLDERS, FTW_DEPTH | FTW_PHYS);
}

/* The name still leads to what is open: nobody has renamed or removed it meanwhile. */
static bool is_at(const char *path, int fd)
{
    struct stat named, opened;
    return lstat(path, &named) == 0 && fstat(fd, &opened) == 0 && named.st_dev == opened.st_dev &&
           named.st_ino == opened.st_ino;
}

/* False: another holds the lock.  A file system without locks cannot tell; then nobody is taken for living. */
static bool lock(int fd) { return flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK; }

/* Removes what `path` names unless a living process has it locked: then false. */
static bool remove_dead(const char *path)
{
    const int fd = file_descriptor(open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (fd < 0) {
        if (errno == ENOENT) return true;
        return unlink(path) == 0; /* a link, or not readable: nothing of ours that lives */
    }
    const bool dead = lock(fd);
    if (dead && is_at(path, fd)) remove_all(path);
    close(fd);
    return dead;
}

void temporary_sweep(Arena *arena, const char *folder)
{
    DIR *dir = opendir(folder);
    if (dir == NULL) return;
    for (const struct dirent *e; (e = readdir(dir)) != NULL;) {
        struct stat st;
        const char *path = temporary_is(e->d_name) ? file_join(arena, folder, e->d_name) : NULL;
        if (path != NULL && lstat(path, &st) == 0 && st.st_uid == geteuid()) (void)remove_dead(path);
    }
    closedir(dir);
}

/* ".NAME.bitfold-tmp" in the folder of `path`; a name too long for its file system is cut and told apart by its CRC. */
static char *temporary_path(Arena *arena, const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash == NULL ? path : slash + 1;
    const size_t n = strlen(name);
    const char *rest = n <= NAME_MOST ? "" : arena_printf(arena, "~%08lx", crc32(0, (const Bytef *)name, (uInt)n));
    return arena_printf(arena, "%.*s.%.*s%s" ENDING, (int)(name - path), path, NAME_MOST, name, rest);
}

Status temporary_file(Arena *arena, const char *path, int *fd, char **temporary)
{
    temporary_sweep(arena, file_dirname(arena, path));
    *temporary = temporary_path(arena, path);
    for (int i = 0; i < ATTEMPTS; i++) {
        *fd = file_descriptor(open(*temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
        if (*fd >= 0) {
            /* Before it was locked, somebody who looked for leftovers may have taken it for one. */
            if (lock(*fd) && is_at(*temporary, *fd)) return STATUS_OK;
            close(*fd);
        } else if (errno != EEXIST) {
            return file_fail(path, "create");
        } else if (!remove_dead(*temporary)) {
            return status_fail(STATUS_STATE, "%s: another process is writing it; one at a time may", path);
        }
    }
    return status_fail(STATUS_IO, "%s: cannot create: %s stays in the way", path, *temporary);
}

Status temporary_folder(Arena *arena, const char *parent, const char *stem, TemporaryFolder *folder)
{
    *folder = (TemporaryFolder){.lock = -1};
    temporary_sweep(arena, parent);
    for (int i = 0; i < ATTEMPTS; i++) {
        char *path = arena_printf(arena, "%s/.%s.%ld.%d" ENDING, parent, stem, (long)getpid(), i);
        if (mkdir(path, 0700) != 0) {
            if (errno == EEXIST) continue;
            return status_fail(STATUS_IO, "%s: cannot write into this folder: %s", parent, strerror(errno));
        }
        const int fd = file_descriptor(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
        if (fd >= 0 && lock(fd) && is_at(path, fd)) {
            *folder = (TemporaryFolder){.path = path, .lock = fd};
            return STATUS_OK;
        }
        if (fd >= 0) close(fd);
    }
    return status_fail(STATUS_IO, "%s: cannot make a temporary folder in it", parent);
}

void temporary_folder_end(TemporaryFolder *folder)
{
    if (folder->path == NULL) return;
    remove_all(folder->path);
    close(folder->lock);
    *folder = (TemporaryFolder){.lock = -1};
}
