#include "space/space.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/process.h"
#include "space/doorbell.h"
#include "space/draft.h"
#include "space/member.h"
#include "space/root.h"

/* By the number of their directory. */
#define BUCKETS 1024u
#define TRIES 100
static struct liaison_space *spaces[BUCKETS];

static struct liaison_space **bucket_of(const struct liaison_space *s)
{
    return &spaces[s->inodes[SPACE_TOP] % BUCKETS];
}

static int make_all(int fd, const struct shape *shape)
{
    int r = place_make_parts(fd, shape);
    return r == 0 ? table_create(fd, place_file_mode(shape->mode)) : r;
}
static void remove_all(int fd)
{
    place_remove_parts(fd);
    unlinkat(fd, MEMBERS_NAME, 0);
    draft_sweep_all(fd);
}
/* Also what was put there since; the table last, because it shows that the space was removed. */
static void empty_all(int fd)
{
    for (int i = SPACE_TOP + 1; i < SPACE_PARTS; i++) {
        int part = place_open_part(fd, (enum space_part)i);
        if (part < 0)
            continue;
        directory_remove_files(part);
        if (i == SPACE_BELLS)
            doorbell_sweep(part);
        close(part);
    }
    directory_sweep(fd, &directory_empty); /* parts that were being made */
    place_remove_parts(fd);
    directory_remove_files(fd);
}
static const struct content whole_space = {make_all, remove_all, empty_all};

/* Of its path, the directory that it is in. */
static void root_of(const struct liaison_space *space, char root[PATH_MAX])
{
    snprintf(root, PATH_MAX, "%s", space->path);
    *strrchr(root, '/') = 0;
}

void space_sweep(const struct liaison_space *space)
{
    char root[PATH_MAX];
    if (space->owner != geteuid())
        return;
    root_of(space, root);
    root_sweep(root, space->owner, &whole_space);
}

static bool same(const struct liaison_space *a, const struct liaison_space *b)
{
    /* By the members file too: the inode numbers of removed directories are used again. */
    return a->device == b->device && memcmp(a->inodes, b->inodes, sizeof a->inodes) == 0 &&
           a->probe.inode == b->probe.inode && memcmp(a->table, b->table, sizeof a->table) == 0;
}

/* The space as it was found. */
static struct liaison_space *describe(const char *path, const struct stat st[SPACE_PARTS])
{
    struct liaison_space *s = calloc(1, sizeof *s + strlen(path) + 1);
    if (!s)
        return NULL;
    strcpy(s->path, path);
    s->references = 1;
    s->device = st[SPACE_TOP].st_dev;
    for (int i = 0; i < SPACE_PARTS; i++)
        s->inodes[i] = st[i].st_ino;
    s->owner = st[SPACE_TOP].st_uid;
    s->group = st[SPACE_TOP].st_gid;
    s->mode = st[SPACE_TOP].st_mode & 07777;
    s->file_mode = place_file_mode(s->mode);
    s->probe = DESCRIPTOR_NONE;
    s->directory = (struct descriptor){-1, st[SPACE_TOP].st_dev, st[SPACE_TOP].st_ino};
    return s;
}

/* Renames the space of the directory `fd`, and removes it. 0 or a negative errno; -ENOTEMPTY: it
 * was renamed, but not removed. */
static int take_away(const char *root, uid_t owner, const char *name, int fd)
{
    int parent = root_open(root, owner, false);
    if (parent < 0)
        return parent;
    int r = directory_remove(parent, name, fd, &whole_space);
    close(parent);
    return r;
}

static void close_spares(struct space_way *way)
{
    for (unsigned i = 0; i < SPACE_SPARES; i++) {
        if (way->spare[i] >= 0)
            close(way->spare[i]);
        way->spare[i] = -1;
    }
}

void space_way_close(struct space_way *way)
{
    close_spares(way);
    if (way->parent >= 0)
        close(way->parent);
    if (way->top >= 0)
        close(way->top);
}

int space_way_open(struct liaison_space *space, struct space_way *way)
{
    char root[PATH_MAX];
    root_of(space, root);
    /* A descriptor of its own: children that are forked meanwhile share the one that is kept, and
     * if this process is killed with the lock they would keep that. */
    *way = (struct space_way){-1, space_part(space, SPACE_TOP), {-1, -1, -1}};
    int r = way->top;
    if (r >= 0)
        r = way->parent = root_open(root, space->owner, false);
    for (unsigned i = 0; r >= 0 && i < SPACE_SPARES; i++)
        if ((way->spare[i] = fcntl(way->parent, F_DUPFD_CLOEXEC, 0)) < 0)
            r = -errno;
    if (r >= 0)
        return LIAISON_OK;
    space_way_close(way);
    return space_result(r);
}

int space_remove(struct liaison_space *space, struct space_way *way)
{
    publish32(&space->lost, LIAISON_NOT_FOUND);
    close_spares(way);
    int r = directory_remove(way->parent, strrchr(space->path, '/') + 1, way->top, &whole_space);
    /* If another process has begun it, that one finishes it, or the next process that finds it. */
    return r == -ENOENT || r == -EBUSY ? LIAISON_OK : space_result(r);
}

int space_remove_ruin(const char *root, uid_t owner, const char *name)
{
    struct stat st[SPACE_PARTS];
    int fd = place_find(root, owner, name, false, -1, &whole_space, st);
    if (fd < 0)
        return space_result(fd);
    int r = take_away(root, owner, name, fd);
    close(fd);
    return r == -EBUSY ? LIAISON_BUSY : space_result(r);
}

/* A removed space that still has its name matters only to a process that makes one of that name,
 * and only while it cannot be renamed. */
static int open_once(const char *root, uid_t owner, const char *name, bool create, int64_t gid,
                     const char *path, struct liaison_space **out)
{
    struct stat st[SPACE_PARTS];
    int fd = place_find(root, owner, name, create, gid, &whole_space, st);
    if (fd < 0)
        return space_result(fd);
    *out = describe(path, st);
    int r = *out ? table_find(*out, fd) : -ENOMEM;
    if (r == LIAISON_DESTROYED) {
        int e = owner == geteuid() ? take_away(root, owner, name, fd) : 0;
        r = LIAISON_NOT_FOUND;
        if (create && e != 0 && e != -ENOTEMPTY) /* it still has the name, except for -ENOENT */
            r = e == -EBUSY ? LIAISON_BUSY : space_result(e);
    }
    if (r == LIAISON_OK) {
        atomic_store(&(*out)->directory.fd, fd);
        (*out)->references++;
        (*out)->uses++;
        return LIAISON_OK;
    }
    close(fd);
    free(*out);
    return r;
}

int liaison_space_enter(const char *root, uint32_t owner, const char *name, bool create,
                        int64_t gid, liaison_space **out)
{
    char path[PATH_MAX];
    struct liaison_space *fresh;
    if (!name_valid(name) || root[0] != '/' ||
        (size_t)snprintf(path, sizeof path, "%s/%s", root, name) >= sizeof path)
        return LIAISON_INVALID;
    int r = open_once(root, owner, name, create, gid, path, &fresh);
    /* The space that was just opened may have been another maker's, and have been replaced (see
     * directory.c), or have been removed. */
    for (int tries = 0; r == LIAISON_NOT_FOUND && create && tries < TRIES; tries++)
        r = open_once(root, owner, name, create, gid, path, &fresh);
    if (r != LIAISON_OK)
        return r;
    process_lock();
    struct liaison_space **bucket = bucket_of(fresh), *s = *bucket;
    while (s && (observe32(&s->lost) || !same(s, fresh)))
        s = s->next;
    if (s) {
        s->references += 2;
        s->uses++;
    } else {
        fresh->next = *bucket;
        *bucket = fresh;
    }
    process_unlock();
    if (s) {
        descriptor_close(&fresh->directory);
        free(fresh);
    }
    *out = s ? s : fresh;
    return LIAISON_OK;
}

int liaison_space_open(const char *root, uint32_t owner, const char *name, bool create, int64_t gid,
                       liaison_space **out)
{
    int r = liaison_space_enter(root, owner, name, create, gid, out);
    if (r == LIAISON_OK)
        liaison_space_rest(*out);
    return r;
}

struct liaison_space *space_hold(struct liaison_space *space)
{
    process_lock();
    space->references++;
    space->uses++;
    process_unlock();
    return space;
}

static void give_up(struct liaison_space *space, int uses)
{
    process_lock();
    space->uses -= uses;
    if (uses && space->uses == 0) {
        member_rest(space);
        descriptor_close(&space->directory);
    }
    if (--space->references == 0) {
        struct liaison_space **at = bucket_of(space);
        while (*at != space)
            at = &(*at)->next;
        *at = space->next;
        member_leave(space);
        descriptor_close(&space->directory);
        doorbell_forget();
        free(space);
    }
    process_unlock();
}

void space_release(struct liaison_space *space) { give_up(space, 1); }

void liaison_space_close(liaison_space *space)
{
    if (space)
        give_up(space, 0);
}

void liaison_space_use(liaison_space *space) { space_hold(space); }
void liaison_space_rest(liaison_space *space) { space_release(space); }

bool liaison_space_lost(const liaison_space *space)
{
    return observe32(&space->lost) == LIAISON_FOREIGN;
}

bool liaison_space_gone(liaison_space *space)
{
    space_hold(space);
    bool gone = observe32(&space->lost) == LIAISON_NOT_FOUND || !space_stands(space);
    space_release(space);
    return gone;
}

const char *liaison_space_path(const liaison_space *space) { return space->path; }

int liaison_space_directory(liaison_space *space, enum liaison_space_part part, int *fd)
{
    space_hold(space);
    *fd = space_part(space, (enum space_part)part);
    space_release(space);
    return *fd < 0 ? space_result(*fd) : LIAISON_OK;
}

int liaison_space_members(liaison_space *space, struct liaison_peer *peers, size_t max,
                          size_t *count)
{
    space_hold(space);
    int r = members_list(space, false, peers, max, count);
    space_release(space);
    return r;
}

int liaison_space_users(liaison_space *space, struct liaison_peer *peers, size_t max, size_t *count)
{
    space_hold(space);
    int r = members_list(space, true, peers, max, count);
    space_release(space);
    return r;
}
