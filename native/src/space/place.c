#include "space/place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "space/root.h"

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
    case -ENOTDIR: /* another kind of file has the directory's name */
    case -EISDIR:
    case -ENXIO:
    case -ENODEV:
        return LIAISON_DENIED;
    case -ENOSPC:
        return LIAISON_NO_SPACE; /* -EDQUOT and -EFBIG are other limits, and stay what they are */
    case -ENOSYS:
        return LIAISON_UNSUPPORTED;
    default:
        return r;
    }
}

/* ---- what a space consists of ------------------------------------------------------------ */

static const char *const part_names[SPACE_PARTS] = {"", "links", "names", "bells"};

/* Any member of the group may remove a link whose creator is dead, so the directories of links are
 * not sticky. A doorbell may be removed by its owner only. */
static mode_t part_mode(int part, mode_t mode)
{
    return part == SPACE_LINKS || part == SPACE_NAMES ? mode & ~(mode_t)S_ISVTX : mode;
}
mode_t place_file_mode(mode_t mode) { return mode & 070 ? 0660 : 0600; }

/* By name: no other user can enter the directory while it is being made. */
int place_make_parts(int fd, const struct shape *shape)
{
    int r = 0;
    for (int i = SPACE_TOP + 1; r == 0 && i < SPACE_PARTS; i++)
        if (mkdirat(fd, part_names[i], 0700) != 0 ||
            fchmodat(fd, part_names[i], part_mode(i, shape->mode), 0) != 0)
            r = -errno;
    return r;
}

void place_remove_parts(int fd)
{
    for (int i = SPACE_TOP + 1; i < SPACE_PARTS; i++)
        unlinkat(fd, part_names[i], AT_REMOVEDIR);
}

int place_open_part(int fd, enum space_part part)
{
    int r = openat(fd, part_names[part], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return r < 0 ? -errno : r;
}

int place_find(const char *root, uid_t owner, const char *name, bool create, int64_t gid,
               const struct content *space, struct stat st[SPACE_PARTS])
{
    bool shared = root_is_shared(root);
    if (create && owner != geteuid())
        create = false; /* no user makes another user's space */
    /* Sticky, so that no member of the group puts another directory in the place of one of ours. */
    struct shape whole = {owner, shared ? 03770 : 0700, gid < 0 ? (gid_t)-1 : (gid_t)gid};
    int parent = root_open(root, owner, create);
    if (parent < 0)
        return parent;
    /* Only a caller that names the group makes a group's space. */
    int fd = root_open_or_make(parent, name, &whole, create && (!shared || gid >= 0), space);
    close(parent);
    if (fd < 0)
        return fd;
    int r = fstat(fd, &st[SPACE_TOP]) == 0 ? 0 : -errno;
    for (int i = SPACE_TOP + 1; r == 0 && i < SPACE_PARTS; i++) {
        gid_t group = shared ? st[SPACE_TOP].st_gid : (gid_t)-1;
        struct shape part = {owner, part_mode(i, whole.mode), group};
        bool missing = fstatat(fd, part_names[i], &st[i], AT_SYMLINK_NOFOLLOW) != 0;
        if (missing && errno == ENOENT && create) {
            r = directory_make(fd, part_names[i], &part, &directory_empty);
            r = r == -EEXIST ? 0 : r;
            missing = fstatat(fd, part_names[i], &st[i], AT_SYMLINK_NOFOLLOW) != 0;
        }
        if (r == 0 && missing)
            r = -errno;
        else if (r == 0 && !(directory_fits(&st[i], &part) && st[i].st_dev == st[SPACE_TOP].st_dev))
            r = -EACCES;
    }
    if (r == 0)
        return fd;
    close(fd);
    return r;
}

/* Checks that it is this part. Not by its inode number alone: the number of a removed directory is
 * used again. Result: the descriptor, which is closed on failure. */
static int check_part(const struct liaison_space *space, enum space_part part, int fd)
{
    struct shape shape = {space->owner, part_mode(part, space->mode),
                          space->file_mode == 0600 ? (gid_t)-1 : space->group};
    struct stat st;
    int r = fstat(fd, &st) == 0 ? -ENOENT : -errno; /* another directory: ours was removed */
    if (r == -ENOENT && st.st_dev == space->device && st.st_ino == space->inodes[part] &&
        directory_fits(&st, &shape))
        return fd;
    close(fd);
    return r;
}

int space_directory(struct liaison_space *space)
{
    int fd = descriptor_number(&space->directory);
    if (fd != -EBADF)
        return fd;
    int number = atomic_load(&space->directory.fd);
    /* By a path: the check of what was found shows where it leads. */
    fd = open(space->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    fd = fd < 0 ? -errno : check_part(space, SPACE_TOP, fd);
    return fd < 0 ? fd : descriptor_renew(&space->directory, number, fd);
}

bool space_stands(struct liaison_space *space)
{
    char beside[LIAISON_NAME_MAX + 8];
    struct stat st;
    int fd = space_directory(space);
    if (fd < 0)
        return fd != -ENOENT && fd != -ENOTDIR;
    snprintf(beside, sizeof beside, "..%s", strrchr(space->path, '/'));
    if (fstatat(fd, beside, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return errno != ENOENT && errno != ENOTDIR; /* other failures are no sign of removal */
    return descriptor_is(&space->directory, &st);
}

int space_part(struct liaison_space *space, enum space_part part)
{
    int top = space_directory(space);
    if (top < 0)
        return top;
    int fd = openat(top, part == SPACE_TOP ? "." : part_names[part],
                    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? -errno : check_part(space, part, fd);
}

int space_links_and_names(struct liaison_space *space, int *links, int *names)
{
    *links = space_part(space, SPACE_LINKS);
    *names = *links < 0 ? *links : space_part(space, SPACE_NAMES);
    if (*names >= 0)
        return LIAISON_OK;
    if (*links >= 0)
        close(*links);
    return space_result(*names);
}

int space_file(const struct liaison_space *space, int directory, const char *name, int flags,
               int *out, struct stat *st)
{
    /* O_NONBLOCK: opening must not wait if there is a FIFO here. */
    int fd = openat(directory, name, flags | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) /* EAGAIN: its owner holds a lease on it (F_SETLEASE) */
        return errno == EAGAIN ? LIAISON_BUSY : space_result(-errno);
    int r = LIAISON_OK;
    if (fstat(fd, st) != 0)
        r = -errno;
    else if (!S_ISREG(st->st_mode) || (st->st_mode & 07777) != space->file_mode ||
             (space->file_mode == 0600 ? st->st_uid != space->owner : st->st_gid != space->group))
        r = LIAISON_DENIED;
    if (r == LIAISON_OK)
        *out = fd;
    else
        close(fd);
    return r;
}
