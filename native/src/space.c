#include "space.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
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

int liaison_root(uint32_t uid, bool shared, char *path, size_t size)
{
    /* The same place for a login session, a cron job and `sudo -u`: XDG_RUNTIME_DIR is set in the
     * first only. */
    const char *given = getenv("LIAISON_ROOT");
    const char *end = shared ? ".shared" : "";
    int n = given && given[0] == '/' ? snprintf(path, size, "%s/%u%s", given, uid, end)
                                     : snprintf(path, size, "/dev/shm/liaison-%u%s", uid, end);
    return n < 0 || (size_t)n >= size ? LIAISON_INVALID : LIAISON_OK;
}

/* ---- making directories ---------------------------------------------------------------- */

/* What a directory of a space has to be. */
struct shape {
    uid_t owner;
    mode_t mode;
    gid_t group; /* -1: whichever */
};

static bool has_shape(const struct stat *st, const struct shape *shape)
{
    return S_ISDIR(st->st_mode) && st->st_uid == shape->owner &&
           (st->st_mode & 07777) == shape->mode &&
           (shape->group == (gid_t)-1 || st->st_gid == shape->group);
}

static const char *const part_names[SPACE_PARTS] = {"", "links", "names", "bells"};
#define FRESH ".liaison-new-" /* and a number: a directory that is being made */
#define TRIES 100

/* Links may be removed by others than who made them, once that is dead; so their directories are
 * not sticky. A doorbell is its owner's alone. */
static mode_t part_mode(int part, mode_t mode)
{
    return part == SPACE_BELLS ? mode : mode & ~(mode_t)S_ISVTX;
}
static mode_t file_mode(mode_t mode) { return mode & 070 ? 0660 : 0600; }

/* In a directory that is being made and that nobody else can enter, names are what they seem. */
static int make_parts(int fd, const struct shape *shape)
{
    int r = 0;
    for (int i = SPACE_TOP + 1; r == 0 && i < SPACE_PARTS; i++)
        if (mkdirat(fd, part_names[i], 0700) != 0 ||
            fchmodat(fd, part_names[i], part_mode(i, shape->mode), 0) != 0)
            r = -errno;
    return r == 0 ? members_create(fd, file_mode(shape->mode)) : r;
}

static void unmake(int parent, const char *fresh, int fd)
{
    for (int i = SPACE_TOP + 1; i < SPACE_PARTS; i++)
        unlinkat(fd, part_names[i], AT_REMOVEDIR);
    unlinkat(fd, MEMBERS_NAME, 0);
    unlinkat(parent, fresh, AT_REMOVEDIR);
}

/* Opens what is being made, as the one process that makes or removes it: the lock goes with its
 * holder. Result: a descriptor, -EBUSY when it is another's, -ENOENT when it has its name by now.
 */
static int seize(int parent, const char *fresh)
{
    struct stat named, opened;
    int fd = openat(parent, fresh, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int r = -EBUSY;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        r = fstat(fd, &opened) == 0 && opened.st_uid == geteuid() &&
                    fstatat(parent, fresh, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
                    named.st_ino == opened.st_ino && named.st_dev == opened.st_dev
                ? 0
                : -ENOENT;
    if (r == 0)
        return fd;
    close(fd);
    return r;
}

/* Removes what makers have left that died. */
static void sweep(int parent)
{
    int fd = openat(parent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *listing = fd < 0 ? NULL : fdopendir(fd);
    if (!listing && fd >= 0)
        close(fd);
    for (struct dirent *e; listing && (e = readdir(listing)) != NULL;) {
        int left = strncmp(e->d_name, FRESH, sizeof FRESH - 1) == 0 ? seize(parent, e->d_name) : -1;
        if (left >= 0) {
            unmake(parent, e->d_name, left);
            close(left);
        }
    }
    if (listing)
        closedir(listing);
}

static int make_once(int parent, const char *name, const struct shape *shape, bool with_parts)
{
    char fresh[40];
    uint64_t random;
    if (getrandom(&random, sizeof random, 0) != sizeof random)
        return -EIO;
    snprintf(fresh, sizeof fresh, FRESH "%016llx", (unsigned long long)random);
    if (mkdirat(parent, fresh, 0700) != 0)
        return -errno;
    int fd = seize(parent, fresh), r = fd < 0 ? fd : 0;
    if (r < 0)
        return r == -ENOENT ? -EBUSY : r; /* taken for a dead maker's, and removed */
    /* The group and its bit first: what is made within has them then too. */
    if ((shape->group != (gid_t)-1 && fchown(fd, (uid_t)-1, shape->group) != 0) ||
        fchmod(fd, (shape->mode & S_ISGID) | 0700) != 0)
        r = -errno;
    if (r == 0 && with_parts)
        r = make_parts(fd, shape);
    if (r == 0 && (fchmod(fd, shape->mode) != 0 ||
                   renameat2(parent, fresh, parent, name, RENAME_NOREPLACE) != 0))
        r = -errno;
    if (r != 0)
        unmake(parent, fresh, fd);
    close(fd);
    return r;
}

/* Makes a directory whole or not at all: it gets its name when it is complete, so that neither
 * racing makers nor dying ones show half of one. -EEXIST when there is one of that name. */
static int make_directory(int parent, const char *name, const struct shape *shape, bool with_parts)
{
    int r = make_once(parent, name, shape, with_parts);
    for (int tries = 0; r == -EBUSY && tries < TRIES; tries++)
        r = make_once(parent, name, shape, with_parts);
    sweep(parent);
    return r;
}

/* Opens directory `name` under `parent` without following anything. */
static int open_directory(int parent, const char *name, const struct shape *shape)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    /* Another user's root of shared spaces may be passed through, not read. */
    if (fd < 0 && errno == EACCES)
        fd = openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    struct stat st;
    int r = fstat(fd, &st) != 0 ? -errno : has_shape(&st, shape) ? fd : -EACCES;
    if (r < 0)
        close(fd);
    return r;
}

static int open_or_make(int parent, const char *name, const struct shape *shape, bool create,
                        bool with_parts)
{
    int fd = open_directory(parent, name, shape);
    if (fd != -ENOENT || !create)
        return fd;
    int r = make_directory(parent, name, shape, with_parts);
    return r == 0 || r == -EEXIST ? open_directory(parent, name, shape) : r;
}

/* Opens the directory in which the root is. */
static int open_above(const char *root, bool create)
{
    char above[PATH_MAX];
    snprintf(above, sizeof above, "%s", root);
    *strrchr(above, '/') = 0;
    if (above[0] == 0)
        above[0] = '/', above[1] = 0;
    /* What stands above is the user's own choice, symbolic links included. */
    int fd = open(above, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT && create && mkdir(above, 0700) == 0)
        fd = open(above, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

/* Opens the space, looks at each of its directories, and notes which they are. */
static int open_space(const char *root, uid_t owner, const char *name, bool create, int64_t gid,
                      struct stat st[SPACE_PARTS])
{
    bool shared = strlen(root) > 7 && strcmp(root + strlen(root) - 7, ".shared") == 0;
    if (create && owner != geteuid())
        create = false; /* nobody makes a space for somebody else */
    struct shape top = {owner, shared ? 0711 : 0700, (gid_t)-1};
    /* Sticky, so that no member of the group puts another directory in the place of one of ours. */
    struct shape whole = {owner, shared ? 03770 : 0700, gid < 0 ? (gid_t)-1 : (gid_t)gid};
    int above = open_above(root, create);
    if (above < 0)
        return above;
    int parent = open_or_make(above, strrchr(root, '/') + 1, &top, create, false);
    close(above);
    if (parent < 0)
        return parent;
    /* A space of a group is made by who names the group. */
    int fd = open_or_make(parent, name, &whole, create && (!shared || gid >= 0), true);
    close(parent);
    if (fd < 0)
        return fd;
    int r = fstat(fd, &st[SPACE_TOP]) == 0 ? 0 : -errno;
    for (int i = SPACE_TOP + 1; r == 0 && i < SPACE_PARTS; i++) {
        gid_t group = shared ? st[SPACE_TOP].st_gid : (gid_t)-1;
        struct shape part = {owner, part_mode(i, whole.mode), group};
        bool missing = fstatat(fd, part_names[i], &st[i], AT_SYMLINK_NOFOLLOW) != 0;
        if (missing && errno == ENOENT && create) {
            r = make_directory(fd, part_names[i], &part, false);
            r = r == -EEXIST ? 0 : r;
            missing = fstatat(fd, part_names[i], &st[i], AT_SYMLINK_NOFOLLOW) != 0;
        }
        if (r == 0 && missing)
            r = -errno;
        else if (r == 0 && !(has_shape(&st[i], &part) && st[i].st_dev == st[SPACE_TOP].st_dev))
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
    int r = root[0] == '/' ? space_result(open_space(root, owner, name, create, gid, st))
                           : LIAISON_INVALID;
    if (r != LIAISON_OK)
        return r;

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
        s->file_mode = file_mode(st[SPACE_TOP].st_mode);
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
    struct stat st;
    int r = fstat(fd, &st) == 0 ? -ENOENT : -errno; /* another directory: ours was removed */
    if (r == -ENOENT && st.st_dev == space->device && st.st_ino == space->inodes[part])
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
    if (fd < 0)
        return space_result(-errno);
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

int space_name_file(int fd, int directory, const char *name)
{
    char self[64];
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    if (linkat(AT_FDCWD, self, directory, name, AT_SYMLINK_FOLLOW) == 0)
        return 0;
    if (errno != ENOENT)
        return -errno;
    /* No /proc here; this needs a capability, or Linux 6.10. */
    return linkat(fd, "", directory, name, AT_EMPTY_PATH) == 0 ? 0 : -errno;
}
