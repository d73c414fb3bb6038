#include "segment/opening.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/guard.h"
#include "base/platform.h"
#include "base/process.h"
#include "segment/naming.h"
#include "segment/recover.h"
#include "space/draft.h"
#include "space/member.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

/* Those that this process has mapped, by their files' numbers; guarded by process_lock. */
#define BUCKETS 1024u
static struct segment *segments[BUCKETS];

/* ---- mapping ------------------------------------------------------------------- */

static struct segment *begin(struct liaison_space *space, const struct stat *st,
                             const struct geometry *g)
{
    struct segment *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->references = 1;
    s->file = (struct descriptor){-1, st->st_dev, st->st_ino};
    s->token[RECEIVERS] = s->token[SENDERS] = (struct descriptor){-1, g->token[0], g->token[1]};
    s->device = st->st_dev;
    s->inode = st->st_ino;
    note32(&s->last_seen, process_tick());
    s->geometry = *g;
    s->kind = kind_find(g->kind);
    s->ring_mask = g->ring_size - 1;
    s->ring_shift = (uint32_t)__builtin_ctz(g->ring_size);
    s->inline_max = g->stride - CELL_PAYLOAD;
    if (g->max_message && g->max_message < s->inline_max)
        s->inline_max = (uint32_t)g->max_message;
    s->space = space_hold(space);
    return s;
}

static void end(struct segment *s)
{
    space_release(s->space);
    free(s);
}

static int map(struct liaison_space *space, int fd, const struct stat *st, const struct geometry *g,
               uint64_t at, struct segment **out)
{
    struct segment *s = begin(space, st, g);
    if (!s)
        return -ENOMEM;
    void *base =
        mmap(NULL, g->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, (off_t)at);
    if (base == MAP_FAILED) {
        int r = errno == ENODEV ? platform_lacks("shared mappings") : -errno;
        end(s);
        return r;
    }
    s->base = base;
    s->header = base;
    s->ring = (word64 *)(s->base + g->ring_at);
    s->attachments = (struct attachment *)(s->base + g->attachments_at);
    s->waiters[RECEIVERS] = (struct waiter *)(s->base + g->waiters_at);
    s->waiters[SENDERS] = s->waiters[RECEIVERS] + WAITERS;
    s->receipts = (struct receipt *)(s->base + g->receipts_at);
    s->returned = (word64 *)(s->base + g->returned_at);
    s->cells = s->base + g->cells_at;
    s->index = s->base + g->index_at;
    s->arena = s->base + g->arena_at;
    if (!guard_add(base, g->size, &s->broken)) {
        munmap(base, g->size);
        end(s);
        return -ENOMEM;
    }
    *out = s;
    return LIAISON_OK;
}

static void unmap(struct segment *s)
{
    if (s->copied) {
        free(s->base);
    } else if (!s->stays) {
        guard_remove(s->base);
        munmap(s->base, s->geometry.size);
    }
    if (s->kind->leave)
        s->kind->leave(s);
    if (s->first)
        segment_close(s->first);
    if (s->stays) /* the guard has a word of it */
        space_release(s->space);
    else
        end(s);
}

/* ---- creation --------------------------------------------------------------------- */

static int reserve_file(int fd, uint64_t from, uint64_t length)
{
    return platform_reserve(fd, (off_t)from, (off_t)length, true);
}

/* One segment, `at` in the file. */
static int lay_out(int fd, const struct header *h, uint64_t at)
{
    const struct geometry *g = &h->geometry;
    int r = reserve_file(fd, at, g->cells_at + (uint64_t)g->cells_start * g->stride);
    if (r == 0 && g->arena_start)
        r = reserve_file(fd, at + g->index_at, geometry_index_size(g));
    if (r == 0)
        r = reserve_file(fd, at + g->arena_at, g->arena_start);
    if (r == 0) {
        ssize_t n = pwrite(fd, h, sizeof *h, (off_t)at);
        r = n < 0 ? -errno : n == (ssize_t)sizeof *h ? 0 : -EIO;
    }
    return r;
}

/* All that goes into a file. */
static int fill(int fd, const struct header *h, mode_t mode)
{
    const struct geometry *g = &h->geometry;
    if (!platform_may_reach((off_t)geometry_file_size(g)))
        return -EFBIG;
    if (fchmod(fd, mode) != 0 || ftruncate(fd, (off_t)geometry_file_size(g)) != 0)
        return -errno;
    int r = 0;
    for (uint64_t at = 0; r == 0 && at < geometry_file_size(g); at += g->size)
        r = lay_out(fd, h, at);
    return r;
}

/* What every new segment's header begins as. */
static int begin_header(struct liaison_space *space, const char *name,
                        const struct liaison_policy *policy, struct header *h)
{
    memset(h, 0, sizeof *h);
    struct geometry *g = &h->geometry;
    int r = geometry_of(policy, name, g);
    g->table[0] = space->table[0];
    g->table[1] = space->table[1];
    if (r == LIAISON_OK)
        r = table_lost(space);
    if (r == LIAISON_OK)
        r = member_identity(space, &g->creator);
    if (r == LIAISON_OK)
        r = space_result(platform_random(g->id, sizeof g->id));
    note(&h->arena_size, g->arena_start);
    note32(&h->cells_top, g->cells_start);
    return r;
}

static struct segment **bucket_of(ino_t inode) { return &segments[inode % BUCKETS]; }

static void enlist_locked(struct segment *s)
{
    s->at = bucket_of(s->inode);
    s->next = *s->at;
    if (s->next)
        s->next->at = &s->next;
    *s->at = s;
}

/* Known to this process's other threads, and what else has it mapped. */
static void enlist(struct segment *s)
{
    process_lock();
    enlist_locked(s);
    process_unlock();
}

static int create(struct liaison_space *space, const char *name,
                  const struct liaison_policy *policy, struct segment **out)
{
    struct header h;
    struct geometry *g = &h.geometry;
    int links, names;
    space_hold(space);
    int r = name_of_link_valid(name) ? begin_header(space, name, policy, &h) : LIAISON_INVALID;
    if (r == LIAISON_OK)
        r = space_links_and_names(space, &links, &names);
    if (r != LIAISON_OK) {
        space_release(space);
        return r;
    }
    h.checksum = geometry_checksum(g);
    struct draft draft = {.fd = -1};
    struct segment *s = NULL;
    /* Told at once when the name is taken, rather than after reserving all that memory. */
    struct stat st;
    if (fstatat(names, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        r = S_ISREG(st.st_mode) ? -EEXIST : -EACCES;
        goto out;
    }
    r = draft_begin(&draft, links, space->file_mode);
    if (r == 0)
        r = fill(draft.fd, &h, space->file_mode);
    if (r == 0 && fstat(draft.fd, &st) != 0)
        r = -errno;
    if (r == 0)
        r = map(space, draft.fd, &st, g, 0, &s);
    if (r == 0)
        r = segment_attach(s); /* before it has a name: nobody can be in our way */
    if (r == 0) {
        enlist(s); /* before another thread can find the name */
        char id[40];
        segment_id(g, id);
        r = draft_publish(&draft, id, names, name);
    }
    if (r == 0)
        *out = s;
    else if (s)
        segment_close(s);
out:
    draft_end(&draft);
    close(names);
    close(links);
    space_release(space);
    return space_result(r);
}

int segment_create(struct liaison_space *space, const char *name,
                   const struct liaison_policy *policy, struct segment **out)
{
    int r = create(space, name, policy, out);
    return r == -EAGAIN ? create(space, name, policy, out) : r; /* see draft_name() */
}

/* ---- opening ------------------------------------------------------------------------ */

static struct segment *find_locked(dev_t device, ino_t inode, bool back)
{
    struct segment *s;
    for (s = *bucket_of(inode); s; s = s->next)
        if (s->inode == inode && s->device == device && (s->first != NULL) == back) {
            s->references++;
            break;
        }
    return s;
}

static struct segment *find_mapped(const struct stat *st)
{
    process_lock();
    struct segment *s = find_locked(st->st_dev, st->st_ino, false);
    process_unlock();
    return s;
}

/* Known to this process's other threads; gives theirs if one of them was faster. */
static struct segment *enlist_or_find(struct segment *s)
{
    process_lock();
    struct segment *other = find_locked(s->device, s->inode, s->first != NULL);
    if (!other)
        enlist_locked(s);
    process_unlock();
    if (other)
        unmap(s);
    return other ? other : s;
}

bool segment_in_use(const struct liaison_space *space, char name[LIAISON_NAME_MAX + 4])
{
    process_lock();
    struct segment *s = NULL;
    for (size_t i = 0; i < BUCKETS && !s; i++)
        for (s = segments[i]; s; s = s->next)
            if (s->space == space && observe(&s->epoch) == process_epoch())
                break;
    if (s)
        memcpy(name, s->geometry.name, sizeof s->geometry.name);
    process_unlock();
    return s != NULL;
}

/* The header of a segment, checked. */
static int read_header(int file, const struct stat *st, struct header *h)
{
    ssize_t n = pread(file, h, sizeof *h, 0);
    if (n < 0)
        return -errno;
    return n == (ssize_t)sizeof *h ? geometry_check(h, (uint64_t)st->st_size) : LIAISON_CORRUPT;
}

int segment_map(struct liaison_space *space, int file, const struct stat *st, struct segment **out)
{
    struct header h;
    *out = find_mapped(st);
    if (*out)
        return LIAISON_OK;
    int r = read_header(file, st, &h);
    if (r == LIAISON_OK)
        r = map(space, file, st, &h.geometry, 0, out);
    if (r == LIAISON_OK)
        *out = enlist_or_find(*out);
    return r;
}

/* Bytes of the file that lie there. */
static int copy_part(int file, void *to, uint64_t at, uint64_t size)
{
    ssize_t n = size ? pread(file, to, size, (off_t)at) : 0;
    return n < 0 ? -errno : (uint64_t)n == size ? LIAISON_OK : LIAISON_CORRUPT;
}

/* How much of a file a glance copies rather than maps: about where both take equally long. */
#define COPIED 65536u

int segment_glance(struct liaison_space *space, int file, const struct stat *st, bool counts,
                   struct segment **out)
{
    struct header h;
    const struct geometry *g = &h.geometry;
    int r = read_header(file, st, &h);
    if (r != LIAISON_OK)
        return r;
    struct segment *s = begin(space, st, g);
    if (!s)
        return -ENOMEM;
    s->header = &h; /* until it has its copy */
    uint64_t waiting = 0;
    for (uint32_t i = 0; i < 2 * WAITER_WORDS; i++)
        waiting |= glance(&h.waiters[i / WAITER_WORDS][i % WAITER_WORDS]);
    uint64_t users = glance32(&h.attachments_top);
    users = (users < g->attachments ? users : g->attachments) * sizeof(struct attachment);
    uint64_t cells = g->cells_at - g->returned_at + (uint64_t)segment_cells(s) * g->stride;
    /* The ring, if that counts, and the attachments, then who waits, and the cells. */
    uint64_t first = counts ? g->ring_at : g->attachments_at;
    uint64_t size[] = {g->attachments_at + users - first,
                       counts && waiting ? 2 * WAITERS * sizeof(struct waiter) : 0,
                       counts ? cells : 0};
    uint64_t total = sizeof h + size[0] + size[1] + size[2];
    if (total > COPIED || (counts && glance(&h.arena_size) != 0)) {
        end(s);
        return map(space, file, st, g, 0, out);
    }
    uint8_t *copy =
        aligned_alloc(_Alignof(struct header), round_up(total, _Alignof(struct header)));
    if (!copy) {
        end(s);
        return -ENOMEM;
    }
    s->base = copy;
    s->copied = true;
    s->header = memcpy(copy, &h, sizeof h);
    copy += sizeof h;
    s->ring = (word64 *)copy;
    s->attachments = (struct attachment *)(copy + (g->attachments_at - first));
    r = copy_part(file, copy, first, size[0]);
    copy += size[0];
    s->waiters[RECEIVERS] = (struct waiter *)copy;
    s->waiters[SENDERS] = s->waiters[RECEIVERS] + WAITERS;
    if (r == LIAISON_OK)
        r = copy_part(file, copy, g->waiters_at, size[1]);
    copy += size[1];
    s->returned = (word64 *)copy;
    s->cells = copy + (g->cells_at - g->returned_at);
    if (r == LIAISON_OK)
        r = copy_part(file, copy, g->returned_at, size[2]);
    if (r == LIAISON_OK)
        *out = s;
    else
        segment_close(s);
    return r;
}

int segment_find(struct liaison_space *space, int names, const char *name, struct segment **out,
                 struct stat *st)
{
    if (!name_of_link_valid(name))
        return LIAISON_INVALID;
    int fd, r = space_file(space, names, name, O_RDWR, &fd, st);
    if (r != LIAISON_OK)
        return r;
    struct segment *s;
    r = segment_map(space, fd, st, &s);
    if (r == LIAISON_OK) {
        /* Whether it was mapped before the table was replaced, or is opened after that. */
        bool stray = !segment_is_at_home(&s->geometry, space);
        if (!stray)
            sides_look(s, true);
        if (stray) {
            r = LIAISON_FOREIGN;
        } else if (segment_gone(&s->geometry, segment_state(s))) {
            /* Its destroyer died half-way, or is about to remove the name. */
            naming_finish(space, names, fd, &s->geometry);
            r = LIAISON_NOT_FOUND;
        } else if (st->st_nlink < 2) {
            r = naming_restore(s, fd, names, name);
        }
        if (r == LIAISON_OK)
            *out = s;
        else
            segment_close(s);
    }
    close(fd);
    return r;
}

static int open_named(struct liaison_space *space, const char *name,
                      const struct liaison_policy *policy, bool attach, struct segment **out)
{
    int names = space_part(space, SPACE_NAMES);
    if (names < 0)
        return space_result(names);
    struct segment *s;
    struct stat st;
    int r = segment_find(space, names, name, &s, &st);
    close(names);
    if (r != LIAISON_OK)
        return r;
    if (policy && !segment_fits(policy, &s->geometry)) {
        r = LIAISON_MISMATCH;
    } else if (attach) {
        r = s->kind->admit ? s->kind->admit(s) : LIAISON_OK;
        if (r == LIAISON_OK)
            r = segment_attach(s);
        /* Destroyed meanwhile, perhaps by a cleaner that saw nobody attached. */
        if (r == LIAISON_OK && segment_state(s) != LINK_LIVE)
            r = LIAISON_NOT_FOUND;
    }
    if (r == LIAISON_OK)
        *out = s;
    else
        segment_close(s);
    return r;
}

int segment_open(struct liaison_space *space, const char *name, const struct liaison_policy *policy,
                 bool attach, struct segment **out)
{
    space_hold(space);
    int r = open_named(space, name, policy, attach, out);
    space_release(space);
    return r;
}

/* ---- pipes --------------------------------------------------------------------------- */

/* Not in the space's file system, but memory that no path leads to, and that nobody can cut off;
 * `sealed`. Where there is none, a file of the space that never gets a name. */
static int memory_file(struct liaison_space *space, bool *sealed)
{
    *sealed = true;
    /* Nor run as a program, where the kernel knows of that. */
    int fd = memfd_create("liaison", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
    if (fd < 0 && errno == EINVAL)
        fd = memfd_create("liaison", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd >= 0 || !platform_refused(errno))
        return fd < 0 ? -errno : fd;
    *sealed = false;
    struct draft draft;
    int links = space_part(space, SPACE_LINKS);
    int r = links < 0 ? links : draft_begin(&draft, links, 0600);
    fd = r == 0 ? draft_keep(&draft) : r;
    if (links >= 0)
        close(links);
    return fd;
}

int segment_create_nameless(struct liaison_space *space, const struct liaison_policy *policy,
                            const struct stat *token, struct segment **out)
{
    struct header h;
    struct geometry *g = &h.geometry;
    struct stat st;
    space_hold(space);
    int r = begin_header(space, "", policy, &h);
    g->token[0] = token->st_dev;
    g->token[1] = token->st_ino;
    h.checksum = geometry_checksum(g);
    bool sealed;
    int fd = r == LIAISON_OK ? memory_file(space, &sealed) : -1;
    if (r == LIAISON_OK)
        r = fd < 0 ? fd : fill(fd, &h, 0600);
    if (r == 0 && sealed && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
        r = -errno;
    if (r == 0 && fstat(fd, &st) != 0)
        r = -errno;
    struct segment *s;
    if (r == 0)
        r = map(space, fd, &st, g, 0, &s);
    space_release(space); /* the segment has its own hold */
    if (r != 0) {
        if (fd >= 0)
            close(fd);
        return r < 0 ? space_result(r) : r;
    }
    s->file.fd = fd;
    r = segment_attach(s);
    enlist(s);
    if (r == LIAISON_OK)
        *out = s;
    else
        segment_close(s);
    return r;
}

int segment_adopt(struct liaison_space *space, int file, struct segment **out)
{
    struct header h;
    struct stat st;
    if (fstat(file, &st) != 0)
        return errno == EBADF ? LIAISON_NOT_FOUND : -errno;
    struct segment *s = S_ISREG(st.st_mode) ? find_mapped(&st) : NULL;
    int r = LIAISON_OK;
    if (!s) {
        if (!S_ISREG(st.st_mode) || pread(file, &h, sizeof h, 0) != (ssize_t)sizeof h ||
            h.geometry.magic != LAYOUT_MAGIC)
            return LIAISON_MISMATCH;
        r = geometry_check(&h, (uint64_t)st.st_size);
        if (r == LIAISON_OK && !kind_find(h.geometry.kind)->nameless)
            r = LIAISON_MISMATCH;
        if (r == LIAISON_OK)
            r = map(space, file, &st, &h.geometry, 0, &s);
        if (r != LIAISON_OK)
            return r;
        s = enlist_or_find(s);
    }
    /* Of another space, who lives there would seem dead here. */
    if (!s->kind->nameless || !segment_is_at_home(&s->geometry, space))
        r = LIAISON_MISMATCH;
    if (r == LIAISON_OK)
        r = segment_attach(s);
    if (r != LIAISON_OK) {
        segment_close(s);
        return r;
    }
    *out = s;
    return LIAISON_OK;
}

int segment_open_back(struct segment *first, struct segment **out)
{
    const struct geometry *g = &first->geometry;
    process_lock();
    struct segment *s = find_locked(first->device, first->inode, true);
    process_unlock();
    int r = LIAISON_OK;
    if (!s) {
        int names = space_part(first->space, SPACE_NAMES);
        if (names < 0)
            return space_result(names);
        struct stat st;
        struct header h;
        int fd;
        r = space_file(first->space, names, g->name, O_RDWR, &fd, &st);
        close(names);
        if (r != LIAISON_OK)
            return r;
        if (st.st_ino != first->inode || st.st_dev != first->device)
            r = LIAISON_NOT_FOUND;
        else if (pread(fd, &h, sizeof h, (off_t)g->size) != (ssize_t)sizeof h ||
                 memcmp(&h.geometry, g, sizeof *g) != 0 ||
                 (uint64_t)st.st_size != geometry_file_size(g))
            r = LIAISON_CORRUPT;
        if (r == LIAISON_OK)
            r = map(first->space, fd, &st, g, g->size, &s);
        close(fd);
        if (r != LIAISON_OK)
            return r;
        process_lock();
        first->references++;
        process_unlock();
        s->first = first;
        s = enlist_or_find(s);
    }
    r = segment_attach(s);
    if (r == LIAISON_OK)
        *out = s;
    else
        segment_close(s);
    return r;
}

/* ---- giving it up ---------------------------------------------------------------------- */

void segment_close(struct segment *s)
{
    process_lock();
    bool last = --s->references == 0;
    if (last) {
        /* Before another thread can open the link again: on a pair it would find this
         * process's place still taken. */
        if (observe(&s->epoch) == process_epoch() && !s->broken)
            recover_leave(s);
        if (s->at)
            *s->at = s->next;
        if (s->next)
            s->next->at = s->at;
    }
    process_unlock();
    if (last)
        unmap(s);
}
