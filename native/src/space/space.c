#include "space/space.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/platform.h"
#include "base/process.h"
#include "space/directory.h"
#include "space/doorbell.h"
#include "space/draft.h"
#include "space/member.h"

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
        return LIAISON_NO_SPACE; /* -EDQUOT and -EFBIG are other limits, and stay what they are */
    case -ENOSYS:
        return LIAISON_UNSUPPORTED;
    default:
        return r;
    }
}

int liaison_root(uint32_t uid, bool shared, char *path, size_t size)
{
    /* The same place for a login session, a cron job and `sudo -u`: XDG_RUNTIME_DIR is set in the
     * first only. */
    const char *given = secure_getenv("LIAISON_ROOT"); /* not what a setuid program was told */
    const char *end = shared ? ".shared" : "";
    bool said = given && given[0];
    if (said && given[0] != '/')
        return LIAISON_INVALID;
    int n = said ? snprintf(path, size, "%s/%u%s", given, uid, end)
                 : snprintf(path, size, PLATFORM_SHM "/liaison-%u%s", uid, end);
    return n < 0 || (size_t)n >= size ? LIAISON_INVALID : LIAISON_OK;
}

/* ---- what a space consists of ------------------------------------------------------------ */

static const char *const part_names[SPACE_PARTS] = {"", "links", "names", "bells"};

/* Any member of the group may remove a link whose maker is dead, so the directories of links are
 * not sticky. A doorbell is its owner's alone. */
static mode_t part_mode(int part, mode_t mode)
{
    return part == SPACE_LINKS || part == SPACE_NAMES ? mode & ~(mode_t)S_ISVTX : mode;
}
static mode_t file_mode(mode_t mode) { return mode & 070 ? 0660 : 0600; }

/* By name: nobody else can enter the directory while it is being made. */
static int make_parts(int fd, const struct shape *shape)
{
    int r = 0;
    for (int i = SPACE_TOP + 1; r == 0 && i < SPACE_PARTS; i++)
        if (mkdirat(fd, part_names[i], 0700) != 0 ||
            fchmodat(fd, part_names[i], part_mode(i, shape->mode), 0) != 0)
            r = -errno;
    return r == 0 ? members_create(fd, file_mode(shape->mode)) : r;
}
static void remove_parts(int fd)
{
    for (int i = SPACE_TOP + 1; i < SPACE_PARTS; i++)
        unlinkat(fd, part_names[i], AT_REMOVEDIR);
    unlinkat(fd, MEMBERS_NAME, 0);
    draft_sweep_all(fd);
}
static const struct content whole_space = {make_parts, remove_parts};

static int open_or_make(int parent, const char *name, const struct shape *shape, bool create,
                        const struct content *content)
{
    int fd = directory_open(parent, name, shape);
    if (fd != -ENOENT || !create)
        return fd;
    int r = directory_make(parent, name, shape, content);
    return r == 0 || r == -EEXIST ? directory_open(parent, name, shape) : r;
}

/* Opens the directory in which the root is: the user's own choice, which symbolic links may lead
 * to, but no place where anybody could rename the root. */
static int open_above(const char *root, uid_t owner, bool create)
{
    char above[PATH_MAX];
    struct stat st;
    if ((size_t)snprintf(above, sizeof above, "%s", root) >= sizeof above)
        return -ENAMETOOLONG;
    char *slash = strrchr(above, '/');
    slash[slash == above] = 0;
    int fd = open(above, O_PATH | O_DIRECTORY | O_CLOEXEC);
    /* What the system lacks is not made for all its users by whoever comes first as root. */
    bool system = strcmp(above, PLATFORM_SHM) == 0;
    if (fd < 0 && errno == ENOENT && system)
        return platform_lacks(PLATFORM_SHM);
    if (fd < 0 && errno == ENOENT && create && (mkdir(above, 0700) == 0 || errno == EEXIST))
        fd = open(above, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int r = fstat(fd, &st) != 0 ? -errno : directory_trusted(&st, owner) ? fd : -EACCES;
    if (r < 0)
        close(fd);
    return r;
}

static bool is_shared(const char *root)
{
    size_t n = strlen(root);
    return n > 7 && strcmp(root + n - 7, ".shared") == 0; /* as liaison_root ends it */
}

/* Opens the directory in which a user's spaces are. */
static int open_root(const char *root, uid_t owner, bool create)
{
    struct shape shape = {owner, is_shared(root) ? 0711 : 0700, (gid_t)-1};
    int above = open_above(root, owner, create);
    if (above < 0)
        return above;
    int fd = open_or_make(above, strrchr(root, '/') + 1, &shape, create, &directory_empty);
    close(above);
    return fd;
}

void space_sweep(const struct liaison_space *space)
{
    char root[PATH_MAX];
    if (space->owner != geteuid())
        return;
    snprintf(root, sizeof root, "%s", space->path);
    *strrchr(root, '/') = 0;
    int above = open_above(root, space->owner, false);
    int fd = above < 0 ? above : open_root(root, space->owner, false);
    if (above >= 0) {
        directory_sweep(above, &whole_space);
        close(above);
    }
    if (fd >= 0) {
        directory_sweep(fd, &whole_space);
        close(fd);
    }
}

/* Opens the space, looks at each of its directories, and notes which they are. */
static int open_space(const char *root, uid_t owner, const char *name, bool create, int64_t gid,
                      struct stat st[SPACE_PARTS])
{
    bool shared = is_shared(root);
    if (create && owner != geteuid())
        create = false; /* nobody makes a space for somebody else */
    /* Sticky, so that no member of the group puts another directory in the place of one of ours. */
    struct shape whole = {owner, shared ? 03770 : 0700, gid < 0 ? (gid_t)-1 : (gid_t)gid};
    int parent = open_root(root, owner, create);
    if (parent < 0)
        return parent;
    /* Only a caller that names the group makes a group's space. */
    int fd = open_or_make(parent, name, &whole, create && (!shared || gid >= 0), &whole_space);
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
    close(fd);
    return r;
}

static bool same(const struct liaison_space *s, const struct stat st[SPACE_PARTS])
{
    bool same = s->device == st[SPACE_TOP].st_dev;
    for (int i = 0; i < SPACE_PARTS; i++)
        same = same && s->inodes[i] == st[i].st_ino;
    return same;
}

int liaison_space_open(const char *root, uint32_t owner, const char *name, bool create, int64_t gid,
                       liaison_space **out)
{
    if (!name_valid(name))
        return LIAISON_INVALID;
    struct stat st[SPACE_PARTS];
    if (root[0] != '/')
        return LIAISON_INVALID;
    int r = open_space(root, owner, name, create, gid, st);
    /* What was just opened can have been another maker's, and have been replaced: see directory.c.
     */
    for (int tries = 0; r == -ENOENT && create && tries < 3; tries++)
        r = open_space(root, owner, name, create, gid, st);
    if (r != 0)
        return space_result(r);

    process_lock();
    struct liaison_space *s = spaces;
    while (s && !same(s, st))
        s = s->next;
    if (s) {
        s->references++;
    } else if ((s = calloc(1, sizeof *s)) == NULL) {
        r = -ENOMEM;
    } else if ((size_t)snprintf(s->path, sizeof s->path, "%s/%s", root, name) >= sizeof s->path) {
        free(s);
        r = LIAISON_INVALID;
    } else {
        s->references = 1;
        s->device = st[SPACE_TOP].st_dev;
        for (int i = 0; i < SPACE_PARTS; i++)
            s->inodes[i] = st[i].st_ino;
        s->owner = st[SPACE_TOP].st_uid;
        s->group = st[SPACE_TOP].st_gid;
        s->mode = st[SPACE_TOP].st_mode & 07777;
        s->file_mode = file_mode(s->mode);
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

int space_part(const struct liaison_space *space, enum space_part part)
{
    /* By a path, in one call: where it leads is seen by what was found. */
    char path[PATH_MAX + 8];
    snprintf(path, sizeof path, part == SPACE_TOP ? "%s" : "%s/%s", space->path, part_names[part]);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    /* Not by its number alone: that of a directory that was removed comes again. */
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

int liaison_space_directory(liaison_space *space, enum liaison_space_part part, int *fd)
{
    *fd = space_part(space, (enum space_part)part);
    return *fd < 0 ? space_result(*fd) : LIAISON_OK;
}

int space_links_and_names(const struct liaison_space *space, int *links, int *names)
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
    /* O_NONBLOCK: a FIFO that somebody put here must not hold us up. */
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
