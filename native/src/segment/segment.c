#include "segment/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
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

#define RENDEZVOUS_CELLS 64u
#define DEFAULT_STRIDE 128u
#define ARENA_LIMIT (UINT64_C(1) << 30) /* where nothing was said */
#define MEMORY_MAX (UINT64_C(1) << 40)
#define ARENA_START (32u * 1024)

static struct segment *segments;

static uint64_t round_up(uint64_t n, uint64_t to) { return (n + to - 1) / to * to; }

static uint64_t checksum(const struct geometry *g)
{
    /* FNV-1a: against accident. Against malice the checks of every value are. */
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    const uint8_t *p = (const uint8_t *)g;
    for (size_t i = 0; i < sizeof *g; i++)
        h = (h ^ p[i]) * UINT64_C(0x100000001b3);
    return h;
}

static bool kind_fits(const struct geometry *g)
{
    const struct kind *kind = kind_find(g->kind);
    return kind && kind->check(g);
}

static uint64_t cells_end(const struct geometry *g)
{
    return g->cells_at + (uint64_t)g->cells * g->stride;
}
static uint64_t index_size(const struct geometry *g)
{
    return (g->arena_limit + BLOCK_TOP - 1) / BLOCK_TOP * INDEX_SIZE;
}

int geometry_plan(struct geometry *g)
{
    if (g->cells < 1 || g->cells > LIAISON_CAPACITY_MAX || g->max_message > MEMORY_MAX ||
        g->memory > MEMORY_MAX || (g->memory && g->max_message))
        return LIAISON_INVALID;
    g->ring_size = 64; /* not smaller: the cycle should take long to come round */
    while (g->ring_size < g->cells)
        g->ring_size *= 2;
    g->attachments = g->access == LIAISON_PAIR ? 2 : ATTACHMENTS;
    g->receipts = g->rendezvous ? 2 * g->cells : g->cells;
    uint64_t stride = g->max_message ? round_up(CELL_PAYLOAD + g->max_message, 64) : DEFAULT_STRIDE;
    if (stride > UINT32_MAX)
        return LIAISON_INVALID;
    g->stride = (uint32_t)stride;
    if (g->max_message) {
        g->arena_limit = g->arena_start = 0;
    } else if (g->memory) {
        g->arena_limit = g->arena_start = round_up(g->memory, PAGE);
    } else {
        g->arena_limit = ARENA_LIMIT;
        g->arena_start = ARENA_START;
    }
    g->ring_at = PAGE;
    g->attachments_at = g->ring_at + (uint64_t)g->ring_size * sizeof(word64);
    g->waiters_at = g->attachments_at + round_up(g->attachments * sizeof(struct attachment), LINE);
    g->receipts_at = g->waiters_at + 2 * WAITERS * sizeof(struct waiter);
    g->returned_at = g->receipts_at + round_up(g->receipts * sizeof(struct receipt), LINE);
    g->cells_at = g->returned_at + round_up((g->cells + 63) / 64 * sizeof(word64), LINE);
    /* What is reserved by itself, and the second half of a named pipe, which is mapped by itself,
     * begin at pages whatever their size. On smaller ones the rest costs addresses, and no memory.
     */
    g->index_at = round_up(cells_end(g), PAGE_MOST);
    g->arena_at = round_up(g->index_at + index_size(g), PAGE_MOST);
    g->size = round_up(g->arena_at + g->arena_limit, PAGE_MOST);
    return LIAISON_OK;
}

/* What an address may be made of, and nothing that a terminal or a decoder stumbles over. */
static bool plain_text(const char *text, size_t size)
{
    size_t n = strnlen(text, size);
    for (size_t i = 0; i < n; i++)
        if (text[i] <= ' ' || text[i] > '~')
            return false;
    return n < size;
}

static int geometry_of(const struct liaison_policy *p, const char *name, struct geometry *g)
{
    memset(g, 0, sizeof *g);
    g->magic = LAYOUT_MAGIC;
    g->version = LAYOUT_VERSION;
    g->header_size = sizeof(struct header);
    g->kind = p->kind;
    g->access = p->access ? p->access : LIAISON_ANY;
    g->rendezvous = p->capacity == 0;
    if (p->capacity > (int64_t)LIAISON_CAPACITY_MAX ||
        p->pair_capacity > (int64_t)LIAISON_CAPACITY_MAX || g->access > LIAISON_PAIR)
        return LIAISON_INVALID;
    const struct kind *kind = kind_find(g->kind);
    if (!kind)
        return LIAISON_INVALID;
    g->cells = p->capacity < 0   ? kind->capacity
               : p->capacity > 0 ? (uint32_t)p->capacity
                                 : RENDEZVOUS_CELLS;
    g->max_message = p->max_message ? p->max_message : kind->max_message;
    g->memory = p->memory;
    g->max_deliveries = p->max_deliveries;
    g->lifetime = p->lifetime;
    memcpy(g->name, name, strnlen(name, LIAISON_NAME_MAX));
    memcpy(g->dead_letters, p->dead_letters, strnlen(p->dead_letters, LIAISON_ADDRESS_MAX - 1));
    if (kind->plan)
        kind->plan(p, g);
    if (!kind->check(g))
        return LIAISON_INVALID;
    return plain_text(g->dead_letters, sizeof g->dead_letters) ? geometry_plan(g) : LIAISON_INVALID;
}

bool segment_fits(const struct liaison_policy *p, const struct geometry *g)
{
    if (p->capacity >= 0 && (p->capacity == 0) != (g->rendezvous != 0))
        return false;
    return (p->capacity <= 0 || p->capacity == (int64_t)g->cells) &&
           (!p->kind || p->kind == g->kind) && (!p->access || p->access == g->access) &&
           (!p->max_message || p->max_message == g->max_message) &&
           (!p->memory || p->memory == g->memory) &&
           (!p->max_deliveries || p->max_deliveries == g->max_deliveries) &&
           (!p->lifetime || p->lifetime == g->lifetime) &&
           (p->pair_capacity < 0 || p->pair_capacity == (int64_t)g->pair_capacity) &&
           (!p->dead_letters[0] || strcmp(p->dead_letters, g->dead_letters) == 0);
}

/* Of the file: a named pipe is two segments, one behind the other. */
static uint64_t file_size(const struct geometry *g) { return kind_find(g->kind)->ways * g->size; }

/* Everything that an attacher relies on later is checked here, once. */
static int geometry_check(const struct header *h, uint64_t size)
{
    const struct geometry *g = &h->geometry;
    if (g->magic != LAYOUT_MAGIC)
        return LIAISON_CORRUPT;
    if (g->version != LAYOUT_VERSION || g->header_size != sizeof(struct header))
        return LIAISON_VERSION;
    if (h->checksum != checksum(g))
        return LIAISON_CORRUPT;
    struct geometry plan = *g;
    plan.spare = 0;
    if (g->access < LIAISON_ANY || g->access > LIAISON_PAIR || g->rendezvous > 1 || !kind_fits(g) ||
        geometry_plan(&plan) != LIAISON_OK || memcmp(&plan, g, sizeof plan) != 0 ||
        memchr(g->name, 0, sizeof g->name) == NULL ||
        !(kind_find(g->kind)->nameless || name_of_link_valid(g->name)) ||
        !plain_text(g->dead_letters, sizeof g->dead_letters) || size != file_size(g))
        return LIAISON_CORRUPT;
    return LIAISON_OK;
}

void segment_id(const struct geometry *g, char text[40])
{
    snprintf(text, 40, "%016llx%016llx", (unsigned long long)g->id[0],
             (unsigned long long)g->id[1]);
}

/* ---- mapping ------------------------------------------------------------------- */

static int map(struct liaison_space *space, int fd, const struct stat *st, const struct geometry *g,
               uint64_t at, uint64_t length, struct segment **out)
{
    struct segment *s = calloc(1, sizeof *s);
    if (!s)
        return -ENOMEM;
    void *base =
        mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, (off_t)at);
    if (base == MAP_FAILED) {
        int r = errno == ENODEV ? platform_lacks("shared mappings") : -errno;
        free(s);
        return r;
    }
    s->base = base;
    s->length = length;
    s->references = 1;
    s->file = (struct descriptor){-1, st->st_dev, st->st_ino};
    s->token[RECEIVERS] = s->token[SENDERS] = (struct descriptor){-1, g->token[0], g->token[1]};
    s->device = st->st_dev;
    s->inode = st->st_ino;
    note32(&s->last_seen, process_tick());
    s->geometry = *g;
    s->kind = kind_find(g->kind);
    s->header = base;
    s->ring = (word64 *)(s->base + g->ring_at);
    s->ring_mask = g->ring_size - 1;
    s->ring_shift = (uint32_t)__builtin_ctz(g->ring_size);
    s->attachments = (struct attachment *)(s->base + g->attachments_at);
    s->waiters[RECEIVERS] = (struct waiter *)(s->base + g->waiters_at);
    s->waiters[SENDERS] = s->waiters[RECEIVERS] + WAITERS;
    s->receipts = (struct receipt *)(s->base + g->receipts_at);
    s->returned = (word64 *)(s->base + g->returned_at);
    s->cells = s->base + g->cells_at;
    s->index = s->base + g->index_at;
    s->arena = s->base + g->arena_at;
    s->inline_max = g->stride - CELL_PAYLOAD;
    if (g->max_message && g->max_message < s->inline_max)
        s->inline_max = (uint32_t)g->max_message;
    if (!guard_add(base, length, &s->broken)) {
        munmap(base, length);
        free(s);
        return -ENOMEM;
    }
    s->space = space_hold(space);
    *out = s;
    return LIAISON_OK;
}

static void unmap(struct segment *s)
{
    guard_remove(s->base);
    munmap(s->base, s->length);
    space_release(s->space);
    if (s->kind->leave)
        s->kind->leave(s);
    if (s->first)
        segment_close(s->first);
    free(s);
}

/* The segment's file, opened once more. 0 or a negative errno. */
static int reopen(struct segment *s, int *fd, struct stat *st)
{
    char id[40];
    if (s->kind->nameless) { /* no path leads to it: only while it is kept */
        int kept = descriptor_number(&s->file);
        *fd = kept < 0 ? kept : fcntl(kept, F_DUPFD_CLOEXEC, 0);
        if (*fd >= 0 && fstat(*fd, st) == 0 && descriptor_is(&s->file, st))
            return 0;
        if (*fd >= 0)
            close(*fd);
        return platform_lacks("MADV_POPULATE_WRITE");
    }
    int links = space_part(s->space, SPACE_LINKS);
    if (links < 0)
        return links;
    segment_id(&s->geometry, id);
    int r = space_file(s->space, links, id, O_RDWR, fd, st);
    close(links);
    if (r != LIAISON_OK || (st->st_ino == s->inode && st->st_dev == s->device))
        return r;
    close(*fd);
    return LIAISON_DESTROYED;
}

static int reserve_in_file(struct segment *s, uint64_t offset, uint64_t length)
{
    int fd;
    struct stat st;
    int r = reopen(s, &fd, &st);
    if (r == -ENOENT || r == LIAISON_NOT_FOUND)
        return LIAISON_DESTROYED; /* removed behind our back, or by who destroyed it */
    if (r != 0)
        return r;
    uint64_t at = s->first ? s->geometry.size : 0; /* of a named pipe's way back */
    r = (uint64_t)st.st_size < file_size(&s->geometry)
            ? LIAISON_CORRUPT
            : platform_reserve(fd, (off_t)(at + offset), (off_t)length, false);
    close(fd);
    return r;
}

int segment_reserve(struct segment *s, uint64_t offset, uint64_t length)
{
    uint64_t page = platform_page();
    uint64_t from = offset / page * page, to = round_up(offset + length, page);
    int r = platform_populate(s->base + from, to - from);
    /* The file tells more: whether it is full, or cut off; and it can do what the mapping cannot.
     */
    if (r == -ENOSYS || r == -EFAULT)
        r = reserve_in_file(s, from, to - from);
    return space_result(r);
}

/* ---- creation --------------------------------------------------------------------- */

static int reserve_file(int fd, uint64_t from, uint64_t length)
{
    return platform_reserve(fd, (off_t)from, (off_t)length, true);
}

/* Of a block's index only the pages that a small arena needs: levels 2 to 6, the first
 * page of level 1 and of level 0. */
static int reserve_index(int fd, const struct geometry *g, uint64_t at)
{
    if (g->arena_start == 0)
        return 0;
    if (g->arena_start == g->arena_limit)
        return reserve_file(fd, at + g->index_at, index_size(g));
    int r = reserve_file(fd, at + g->index_at, 2 * PAGE);
    return r ? r : reserve_file(fd, at + g->index_at + 3 * PAGE, PAGE);
}

/* One segment, `at` in the file. */
static int lay_out(int fd, const struct header *h, uint64_t at)
{
    const struct geometry *g = &h->geometry;
    int r = reserve_file(fd, at, cells_end(g));
    if (r == 0)
        r = reserve_index(fd, g, at);
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
    if (!platform_may_reach((off_t)file_size(g)))
        return -EFBIG;
    if (fchmod(fd, mode) != 0 || ftruncate(fd, (off_t)file_size(g)) != 0)
        return -errno;
    int r = 0;
    for (uint64_t at = 0; r == 0 && at < file_size(g); at += g->size)
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
    if (r == LIAISON_OK && table_lost(space))
        r = LIAISON_FOREIGN;
    if (r == LIAISON_OK)
        r = member_identity(space, &g->creator);
    if (r == LIAISON_OK)
        r = space_result(platform_random(g->id, sizeof g->id));
    note(&h->arena_size, g->arena_start);
    return r;
}

/* Known to this process's other threads, and what else has it mapped. */
static void enlist(struct segment *s)
{
    process_lock();
    s->next = segments;
    segments = s;
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
    h.checksum = checksum(g);
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
        r = map(space, draft.fd, &st, g, 0, g->size, &s);
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
    for (s = segments; s; s = s->next)
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
    if (!other) {
        s->next = segments;
        segments = s;
    }
    process_unlock();
    if (other)
        unmap(s);
    return other ? other : s;
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
        r = map(space, file, st, &h.geometry, 0, h.geometry.size, out);
    if (r == LIAISON_OK)
        *out = enlist_or_find(*out);
    return r;
}

int segment_glance(struct liaison_space *space, int file, const struct stat *st,
                   struct segment **out)
{
    struct header h;
    int r = read_header(file, st, &h);
    return r == LIAISON_OK ? map(space, file, st, &h.geometry, 0, h.geometry.arena_at, out) : r;
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
    h.checksum = checksum(g);
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
        r = map(space, fd, &st, g, 0, g->size, &s);
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
            r = map(space, file, &st, &h.geometry, 0, h.geometry.size, &s);
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
                 memcmp(&h.geometry, g, sizeof *g) != 0 || (uint64_t)st.st_size != file_size(g))
            r = LIAISON_CORRUPT;
        if (r == LIAISON_OK)
            r = map(first->space, fd, &st, g, g->size, g->size, &s);
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
        struct segment **at = &segments;
        while (*at && *at != s)
            at = &(*at)->next;
        if (*at)
            *at = s->next;
    }
    process_unlock();
    if (last)
        unmap(s);
}

/* ---- attaching ---------------------------------------------------------------------- */

static bool claim_attachment(struct segment *s, uint64_t me)
{
    for (uint32_t i = 0; i < s->geometry.attachments; i++) {
        if (glance(&s->attachments[i].identity) != 0)
            continue;
        /* The hint first: dying in between must not leave a place where nobody looks. */
        uint32_t top = glance32(&s->header->attachments_top);
        for (uint32_t tries = 0; top < i + 1 && tries < ATTACHMENTS;
             tries++, top = glance32(&s->header->attachments_top))
            if (exchange32(&s->header->attachments_top, top, i + 1))
                break;
        if (!exchange(&s->attachments[i].identity, 0, me))
            continue;
        note32(&s->attachments[i].held, 0);
        note32(&s->attachments[i].roles, 0);
        note32(&s->slot, i);
        return true;
    }
    return false;
}

int segment_attach(struct segment *s)
{
    uint64_t me, epoch = process_epoch();
    if (observe(&s->epoch) == epoch)
        return LIAISON_OK;
    int r = member_identity(s->space, &me);
    if (r != LIAISON_OK)
        return r;
    process_lock();
    if (observe(&s->epoch) != epoch) {
        note(&s->identity, me); /* sweeping others is done under our own name */
        bool placed = claim_attachment(s, me) || (recover_dead(s, true) && claim_attachment(s, me));
        if (placed) {
            segment_spare(s); /* announced, now look */
            note32(&s->pid, (uint32_t)member_pid());
            note32(&s->roles, 0);
            publish(&s->epoch, epoch);
            if (me != s->geometry.creator && s->kind->came)
                s->kind->came(s);
            s->kind->repair->forget_strays(s);
        } else {
            r = s->geometry.access == LIAISON_PAIR ? LIAISON_BUSY : LIAISON_EXHAUSTED;
        }
    }
    process_unlock();
    return r;
}

/* ---- names --------------------------------------------------------------------------- */

static bool linked(const struct segment *s)
{
    char id[40], path[64];
    struct stat st;
    int space = space_directory(s->space);
    if (space < 0)
        return space != -ENOENT;
    segment_id(&s->geometry, id);
    snprintf(path, sizeof path, "links/%s", id);
    if (fstatat(space, path, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return errno != ENOENT && errno != ENOTDIR; /* other failures are no sign of removal */
    /* The permanent name alone: the others were removed, and nobody can find it. */
    return st.st_ino == s->inode && st.st_dev == s->device && st.st_nlink > 1 &&
           space_stands(s->space);
}

bool segment_vanished(struct segment *s)
{
    /* The coarse clock, for every send asks; the file system once a second. */
    uint32_t now = process_tick(), last = glance32(&s->last_seen);
    if (now - last >= 1000 && exchange32(&s->last_seen, last, now) &&
        (table_lost(s->space) || (!s->kind->nameless && !linked(s))))
        note32(&s->vanished, 1);
    return glance32(&s->vanished) || observe32(&s->space->lost);
}
