#include "space.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "doorbell.h"
#include "member.h"
#include "process.h"

static struct liaison_space *spaces;

bool name_valid(const char *name)
{
    size_t n = strnlen(name, LIAISON_NAME_MAX + 1);
    if (n == 0 || n > LIAISON_NAME_MAX || name[0] == '.' || name[n - 1] == '.')
        return false;
    for (size_t i = 0; i < n; i++) {
        char c = name[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '_' || c == '-' || (c == '.' && name[i + 1] != '.');
        if (!plain)
            return false;
    }
    return true;
}

bool name_of_link_valid(const char *name)
{
    return name[0] == '~'
               ? strnlen(name, LIAISON_NAME_MAX + 1) <= LIAISON_NAME_MAX && name_valid(name + 1)
               : name_valid(name);
}

int space_result(int r)
{
    switch (r) {
    case -ENOENT:
        return LIAISON_NOT_FOUND;
    case -EEXIST:
        return LIAISON_NAME_TAKEN;
    case -EACCES:
    case -EPERM:
    case -ELOOP:   /* O_NOFOLLOW met a symbolic link */
    case -ENOTDIR: /* something else stands where the directory belongs */
    case -EISDIR:
    case -ENXIO:
    case -ENODEV:
        return LIAISON_DENIED;
    case -ENOSPC:
    case -EDQUOT:
    case -EFBIG:
        return LIAISON_NO_SPACE;
    default:
        return r;
    }
}

static bool in_memory(const char *path)
{
    struct statfs fs;
    return statfs(path, &fs) == 0 && (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC);
}

int liaison_root(uint32_t uid, bool shared, char *path, size_t size)
{
    int n;
    const char *given = getenv("LIAISON_ROOT");
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    struct stat st;
    if (given && given[0] == '/')
        n = snprintf(path, size, "%s/%u%s", given, uid, shared ? ".shared" : "");
    else if (!shared && uid == geteuid() && runtime && runtime[0] == '/' && in_memory(runtime) &&
             stat(runtime, &st) == 0 && st.st_uid == uid && (st.st_mode & 022) == 0)
        n = snprintf(path, size, "%s/liaison", runtime);
    else
        n = snprintf(path, size, "/dev/shm/liaison-%u%s", uid, shared ? ".shared" : "");
    return n < 0 || (size_t)n >= size ? LIAISON_INVALID : LIAISON_OK;
}

/* Opens directory `name` under `parent` without following anything, making it where it is
 * missing, and checks that it is `owner`'s and has exactly the mode wanted. */
static int directory_at(int parent, const char *name, bool create, uid_t owner, mode_t mode,
                        gid_t group)
{
    bool made = create && mkdirat(parent, name, mode & 0777) == 0;
    if (create && !made && errno != EEXIST)
        return -errno;
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    /* Another user's root of shared spaces may be passed through, not read. */
    if (fd < 0 && errno == EACCES)
        fd = openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    struct stat st;
    int r = 0;
    if (fstat(fd, &st) != 0)
        r = -errno;
    else if (st.st_uid != owner)
        r = -EACCES;
    else if ((st.st_mode & 07777) != mode || (group != (gid_t)-1 && st.st_gid != group)) {
        /* Ours to set right only when we have just made it, whatever the umask was. */
        if (!made)
            r = -EACCES;
        else if (group != (gid_t)-1 && fchown(fd, (uid_t)-1, group) != 0)
            r = -errno;
        else if (fchmod(fd, mode) != 0)
            r = -errno;
    }
    if (r == 0)
        return fd;
    close(fd);
    return r;
}

static int open_directories(const char *root, uid_t owner, const char *name, bool create,
                            int64_t gid, struct stat *st)
{
    bool shared = strlen(root) > 7 && strcmp(root + strlen(root) - 7, ".shared") == 0;
    if (create && owner != geteuid())
        create = false; /* nobody makes a space for somebody else */
    mode_t top_mode = shared ? 0711 : 0700;
    int top = directory_at(AT_FDCWD, root, create, owner, top_mode, (gid_t)-1);
    if (top == -ENOENT && create) { /* the directory that LIAISON_ROOT names is not there yet */
        char above[PATH_MAX];
        snprintf(above, sizeof above, "%s", root);
        *strrchr(above, '/') = 0;
        if (mkdir(above, 0700) == 0)
            top = directory_at(AT_FDCWD, root, create, owner, top_mode, (gid_t)-1);
    }
    if (top < 0)
        return top;
    mode_t mode = shared ? 02770 : 0700;
    int fd = directory_at(top, name, create, owner, mode, gid < 0 ? (gid_t)-1 : (gid_t)gid);
    close(top);
    if (fd < 0)
        return fd;
    static const char *const parts[] = {"links", "names", "bells"};
    int r = fstat(fd, st) == 0 ? 0 : -errno;
    for (size_t i = 0; r == 0 && i < 3; i++) {
        /* The owner's, even in a group's space, where setgid hands the group down. */
        int part = directory_at(fd, parts[i], create, owner, mode, shared ? st->st_gid : (gid_t)-1);
        if (part < 0)
            r = part;
        else
            close(part);
    }
    if (r == 0)
        return fd;
    close(fd);
    return r;
}

int liaison_space_open(const char *root, uint32_t owner, const char *name, bool create, int64_t gid,
                       liaison_space **out)
{
    if (!name_valid(name))
        return LIAISON_INVALID;
    struct stat st;
    int fd = open_directories(root, owner, name, create, gid, &st);
    if (fd < 0)
        return space_result(fd);
    close(fd);

    process_lock();
    struct liaison_space *s;
    for (s = spaces; s; s = s->next)
        if (s->device == st.st_dev && s->inode == st.st_ino)
            break;
    int r = LIAISON_OK;
    if (s) {
        s->references++;
    } else if ((s = calloc(1, sizeof *s)) == NULL) {
        r = -ENOMEM;
    } else if ((size_t)snprintf(s->path, sizeof s->path, "%s/%s", root, name) >= sizeof s->path) {
        free(s);
        r = LIAISON_INVALID;
    } else {
        s->references = 1;
        s->device = st.st_dev;
        s->inode = st.st_ino;
        s->owner = st.st_uid;
        s->group = st.st_gid;
        s->file_mode = (st.st_mode & 070) ? 0660 : 0600;
        s->probe = -1;
        s->next = spaces;
        spaces = s;
    }
    process_unlock();
    if (r == LIAISON_OK)
        *out = s;
    return r;
}

struct liaison_space *space_hold(struct liaison_space *space)
{
    process_lock();
    space->references++;
    process_unlock();
    return space;
}

void liaison_space_close(liaison_space *space)
{
    if (!space)
        return;
    process_lock();
    if (--space->references == 0) {
        struct liaison_space **at = &spaces;
        while (*at != space)
            at = &(*at)->next;
        *at = space->next;
        member_leave(space);
        doorbell_forget();
        free(space);
    }
    process_unlock();
}

const char *liaison_space_path(const liaison_space *space) { return space->path; }

int space_directory(const struct liaison_space *space)
{
    int fd = open(space->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    struct stat st;
    int r = fstat(fd, &st) == 0 ? -ENOENT : -errno; /* another directory: ours was removed */
    if (r == -ENOENT && st.st_dev == space->device && st.st_ino == space->inode)
        return fd;
    close(fd);
    return r;
}

int space_file(const struct liaison_space *space, int directory, const char *path, int flags,
               int *out, struct stat *st)
{
    /* O_NONBLOCK: a FIFO that somebody put here must not hold us up. */
    int fd = openat(directory, path, flags | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, space->file_mode);
    if (fd < 0)
        return space_result(-errno);
    int r = LIAISON_OK;
    if (fstat(fd, st) != 0)
        r = -errno;
    else if (!S_ISREG(st->st_mode))
        r = LIAISON_DENIED;
    else if (space->file_mode == 0600 ? st->st_uid != space->owner : st->st_gid != space->group)
        r = LIAISON_DENIED;
    else if ((st->st_mode & 07777) != space->file_mode &&
             !((flags & O_CREAT) && st->st_uid == geteuid() && fchmod(fd, space->file_mode) == 0))
        r = LIAISON_DENIED;
    if (r != LIAISON_OK) {
        close(fd);
        return r;
    }
    *out = fd;
    return LIAISON_OK;
}
