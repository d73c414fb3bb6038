#include "segment/segment.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/guard.h"
#include "base/process.h"
#include "links/pipe.h"
#include "links/port.h"
#include "links/recover.h"
#include "space/member.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

#define DEFAULT_CAPACITY 1024u
#define QUEUE_CAPACITY 10u
#define QUEUE_MESSAGE 8192u
#define RENDEZVOUS_CELLS 64u
#define DEFAULT_STRIDE 128u
#define INTRODUCTIONS 16u
#define INTRODUCTION_MAX 64u
#define PAIR_CAPACITY 256u
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

/* What goes together with what. */
static bool kind_fits(const struct geometry *g)
{
    switch (g->kind) {
    case LIAISON_KIND_MAILBOX:
        return g->lifetime == 0;
    case LIAISON_KIND_QUEUE:
        return g->lifetime == 0 && g->max_message != 0 && !g->rendezvous;
    case LIAISON_KIND_PORT: /* messages must be able to wait for what ends it */
        return g->access == LIAISON_ANY && !g->rendezvous &&
               (g->lifetime == LIAISON_LIFETIME_RECEIVER ||
                g->lifetime == LIAISON_LIFETIME_SENDERS);
    case LIAISON_KIND_ENDPOINT:
        return g->access == LIAISON_ANY && g->max_message != 0 && !g->rendezvous &&
               g->lifetime <= LIAISON_LIFETIME_RECEIVER && g->pair_capacity <= LIAISON_CAPACITY_MAX;
    case LIAISON_KIND_DIRECT:
        return g->lifetime == 0 && g->access == LIAISON_PAIR;
    case LIAISON_KIND_PIPE:
        return g->lifetime == 0 && g->access == LIAISON_ANY && !g->rendezvous &&
               g->max_deliveries == 0 && g->dead_letters[0] == 0 && g->name[0] == 0;
    case LIAISON_KIND_NAMED_PIPE:
        return g->lifetime == 0 && g->access == LIAISON_PAIR && !g->rendezvous &&
               g->max_deliveries == 0 && g->dead_letters[0] == 0 && g->name[0] != 0;
    default:
        return false;
    }
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
    g->index_at = round_up(g->cells_at + (uint64_t)g->cells * g->stride, PAGE);
    uint64_t tops = (g->arena_limit + BLOCK_TOP - 1) / BLOCK_TOP;
    g->arena_at = g->index_at + tops * INDEX_SIZE;
    g->size = g->arena_at + g->arena_limit;
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
    g->kind = p->kind ? p->kind : LIAISON_KIND_MAILBOX;
    g->access = p->access ? p->access : LIAISON_ANY;
    g->rendezvous = p->capacity == 0;
    if (p->capacity > (int64_t)LIAISON_CAPACITY_MAX || g->access > LIAISON_PAIR)
        return LIAISON_INVALID;
    bool queue = g->kind == LIAISON_KIND_QUEUE, port = g->kind == LIAISON_KIND_PORT,
         endpoint = g->kind == LIAISON_KIND_ENDPOINT;
    uint32_t usual = queue ? QUEUE_CAPACITY : endpoint ? INTRODUCTIONS : DEFAULT_CAPACITY;
    g->cells = p->capacity < 0 ? usual : p->capacity > 0 ? (uint32_t)p->capacity : RENDEZVOUS_CELLS;
    g->max_message = p->max_message || !(queue || endpoint) ? p->max_message
                     : queue                                ? QUEUE_MESSAGE
                                                            : INTRODUCTION_MAX;
    if (p->pair_capacity > (int64_t)LIAISON_CAPACITY_MAX)
        return LIAISON_INVALID;
    if (endpoint)
        g->pair_capacity = p->pair_capacity < 0 ? PAIR_CAPACITY : (uint32_t)p->pair_capacity;
    g->memory = p->memory;
    g->max_deliveries = p->max_deliveries;
    g->lifetime = port && !p->lifetime ? LIAISON_LIFETIME_RECEIVER : p->lifetime;
    memcpy(g->name, name, strnlen(name, LIAISON_NAME_MAX));
    memcpy(g->dead_letters, p->dead_letters, strnlen(p->dead_letters, LIAISON_ADDRESS_MAX - 1));
    if (!kind_fits(g))
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
static uint64_t file_size(const struct geometry *g)
{
    return g->kind == LIAISON_KIND_NAMED_PIPE ? 2 * g->size : g->size;
}

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
        !(g->kind == LIAISON_KIND_PIPE || name_of_link_valid(g->name)) ||
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
               uint64_t at, struct segment **out)
{
    struct segment *s = calloc(1, sizeof *s);
    if (!s)
        return -ENOMEM;
    void *base =
        mmap(NULL, g->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, (off_t)at);
    if (base == MAP_FAILED) {
        free(s);
        return -errno;
    }
    s->base = base;
    s->references = 1;
    s->file = (struct descriptor){-1, st->st_dev, st->st_ino};
    s->token[RECEIVERS] = s->token[SENDERS] = (struct descriptor){-1, g->token[0], g->token[1]};
    s->device = st->st_dev;
    s->inode = st->st_ino;
    note32(&s->last_seen, process_tick());
    s->geometry = *g;
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
    if (!guard_add(base, g->size, &s->broken)) {
        munmap(base, g->size);
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
    munmap(s->base, s->geometry.size);
    space_release(s->space);
    if (s->geometry.kind == LIAISON_KIND_PIPE)
        pipe_let_go(s);
    if (s->first)
        segment_close(s->first);
    free(s);
}

int segment_reserve(struct segment *s, uint64_t offset, uint64_t length)
{
    uint64_t from = offset / PAGE * PAGE;
    uint64_t to = round_up(offset + length, PAGE);
    /* Allocates the pages as a write would, but where a write would be killed by SIGBUS
     * this returns EFAULT; and it needs no descriptor. Linux 5.14. */
    if (madvise(s->base + from, to - from, MADV_POPULATE_WRITE) == 0)
        return LIAISON_OK;
    return errno == EFAULT || errno == ENOMEM || errno == EINVAL ? LIAISON_NO_SPACE : -errno;
}

/* ---- creation --------------------------------------------------------------------- */

static int reserve_file(int fd, uint64_t from, uint64_t length)
{
    return length ? -posix_fallocate(fd, (off_t)from, (off_t)length) : 0;
}

/* Of a block's index only the pages that a small arena needs: levels 2 to 6, the first
 * page of level 1 and of level 0. */
static int reserve_index(int fd, const struct geometry *g, uint64_t at)
{
    if (g->arena_start == 0)
        return 0;
    if (g->arena_start == g->arena_limit)
        return reserve_file(fd, at + g->index_at, g->arena_at - g->index_at);
    int r = reserve_file(fd, at + g->index_at, 2 * PAGE);
    return r ? r : reserve_file(fd, at + g->index_at + 3 * PAGE, PAGE);
}

/* One segment, `at` in the file. */
static int lay_out(int fd, const struct header *h, uint64_t at)
{
    const struct geometry *g = &h->geometry;
    int r = reserve_file(fd, at, g->index_at);
    if (r == 0)
        r = reserve_index(fd, g, at);
    if (r == 0)
        r = reserve_file(fd, at + g->arena_at, g->arena_start);
    if (r == 0 && pwrite(fd, h, sizeof *h, (off_t)at) != (ssize_t)sizeof *h)
        r = -EIO;
    return r;
}

/* All that goes into a file. */
static int fill(int fd, const struct header *h, mode_t mode)
{
    const struct geometry *g = &h->geometry;
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
    if (r == LIAISON_OK && getrandom(g->id, sizeof g->id, 0) != sizeof g->id)
        r = -EIO;
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

int segment_create(struct liaison_space *space, const char *name,
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
    int fd = -1;
    struct segment *s = NULL;
    /* Told at once when the name is taken, rather than after reserving all that memory. */
    struct stat st;
    if (fstatat(names, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        r = S_ISREG(st.st_mode) ? -EEXIST : -EACCES;
        goto out;
    }
    fd = openat(links, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, space->file_mode);
    if (fd < 0) {
        r = -errno;
        goto out;
    }
    r = fill(fd, &h, space->file_mode);
    if (r == 0 && fstat(fd, &st) != 0)
        r = -errno;
    if (r == 0)
        r = map(space, fd, &st, g, 0, &s);
    if (r == 0)
        r = segment_attach(s); /* before it has a name: nobody can be in our way */
    if (r == 0) {
        enlist(s); /* before another thread can find the name */
        r = space_name_file(fd, names, name);
    }
    if (r == 0) {
        /* The name is what counts; an opener that finds no permanent one adds it. */
        char id[40];
        segment_id(g, id);
        (void)space_name_file(fd, links, id);
        *out = s;
    } else if (s) {
        segment_close(s);
    }
out:
    if (fd >= 0)
        close(fd);
    close(names);
    close(links);
    space_release(space);
    return space_result(r);
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

int segment_open(struct liaison_space *space, const char *name, const struct liaison_policy *policy,
                 bool attach, struct segment **out)
{
    if (!name_of_link_valid(name))
        return LIAISON_INVALID;
    space_hold(space);
    int names = space_part(space, SPACE_NAMES);
    if (names < 0) {
        space_release(space);
        return space_result(names);
    }
    char id[40];
    int fd = -1;
    struct stat st;
    struct segment *s = NULL;
    int r = space_file(space, names, name, O_RDWR, &fd, &st);
    if (r != LIAISON_OK)
        goto out;
    s = find_mapped(&st);
    if (!s) {
        struct header h;
        ssize_t n = pread(fd, &h, sizeof h, 0);
        r = n == (ssize_t)sizeof h ? geometry_check(&h, (uint64_t)st.st_size) : LIAISON_CORRUPT;
        if (r == LIAISON_OK && !segment_is_at_home(&h.geometry, space))
            r = LIAISON_FOREIGN;
        if (r != LIAISON_OK)
            goto out;
        segment_id(&h.geometry, id);
        if (segment_gone(&h.geometry, glance32(&h.state))) {
            /* Its destroyer died half-way, or is about to remove the name. */
            segment_unlink(space, st.st_dev, st.st_ino, id);
            r = LIAISON_NOT_FOUND;
            goto out;
        }
        r = map(space, fd, &st, &h.geometry, 0, &s);
        if (r != LIAISON_OK)
            goto out;
        if (st.st_nlink < 2) { /* its creator died before it gave the permanent name */
            int links = space_part(space, SPACE_LINKS);
            if (links >= 0) {
                (void)space_name_file(fd, links, id);
                close(links);
            }
        }
        s = enlist_or_find(s);
    }
    if (!segment_is_at_home(&s->geometry, space)) { /* open from before the table was replaced */
        r = LIAISON_FOREIGN;
        segment_close(s);
        goto out;
    }
    r = port_admit(s, attach);
    if (segment_gone(&s->geometry, observe32(&s->header->state))) {
        segment_id(&s->geometry, id);
        segment_unlink(space, st.st_dev, st.st_ino, id);
        r = LIAISON_NOT_FOUND;
    } else if ((policy && !segment_fits(policy, &s->geometry)) || (attach && segment_is_pipe(s))) {
        r = LIAISON_MISMATCH; /* a named pipe's sides are taken in pipe.c */
    } else if (attach && r == LIAISON_OK) {
        r = segment_attach(s);
        /* Destroyed meanwhile, perhaps by a cleaner that saw nobody attached. */
        if (r == LIAISON_OK && look32(&s->header->state) != LINK_LIVE)
            r = LIAISON_NOT_FOUND;
    }
    if (r == LIAISON_OK)
        *out = s;
    else
        segment_close(s);
out:
    if (fd >= 0)
        close(fd);
    close(names);
    space_release(space);
    return r;
}

/* ---- pipes --------------------------------------------------------------------------- */

/* Not in the space's file system, but memory that no path leads to, and that nobody can cut off. */
static int memory_file(void)
{
    /* Nor run as a program, where the kernel knows of that. */
    int fd = memfd_create("liaison", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
    if (fd < 0 && errno == EINVAL)
        fd = memfd_create("liaison", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    return fd < 0 ? -errno : fd;
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
    int fd = r == LIAISON_OK ? memory_file() : -1;
    if (r == LIAISON_OK)
        r = fd < 0 ? fd : fill(fd, &h, 0600);
    if (r == 0 && (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0 ||
                   fstat(fd, &st) != 0))
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
        if (r == LIAISON_OK && h.geometry.kind != LIAISON_KIND_PIPE)
            r = LIAISON_MISMATCH;
        if (r == LIAISON_OK)
            r = map(space, file, &st, &h.geometry, 0, &s);
        if (r != LIAISON_OK)
            return r;
        s = enlist_or_find(s);
    }
    /* Of another space, who lives there would seem dead here. */
    if (s->geometry.kind != LIAISON_KIND_PIPE || !segment_is_at_home(&s->geometry, space))
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
            note32(&s->pid, (uint32_t)member_pid());
            note32(&s->roles, 0);
            publish(&s->epoch, epoch);
            if (me != s->geometry.creator)
                port_sender_came(s);
            recover_strays(s);
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
    if (now - last < 1000 || !exchange32(&s->last_seen, last, now))
        return observe32(&s->space->lost);
    /* A pipe never had a name. */
    return table_lost(s->space) || (s->geometry.kind != LIAISON_KIND_PIPE && !linked(s));
}

int segment_take_away(int links, int names, const char *name, dev_t device, ino_t inode)
{
    /* There is no "unlink if it is this file". Between seeing the name and removing it
     * another process may have removed it and a creator taken it for a new link. So take the
     * name away whole, see what it was, and put back what was not ours. What a death in
     * between leaves is put back by who cleans: so it keeps its name. */
    char aside[LIAISON_NAME_MAX + 48];
    uint64_t random;
    struct stat st;
    if (getrandom(&random, sizeof random, 0) != sizeof random)
        return -EIO;
    snprintf(aside, sizeof aside, ASIDE "%016llx-%.*s", (unsigned long long)random,
             LIAISON_NAME_MAX, name);
    if (renameat(names, name, links, aside) != 0)
        return errno == ENOENT ? LIAISON_NOT_FOUND : -errno;
    bool ours = fstatat(links, aside, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_ino == inode &&
                st.st_dev == device;
    if (!ours)
        (void)linkat(links, aside, names, name, 0);
    unlinkat(links, aside, 0);
    return ours ? LIAISON_OK : LIAISON_NOT_FOUND;
}

void segment_unlink(struct liaison_space *space, dev_t device, ino_t inode, const char *id)
{
    int links, names;
    if (space_links_and_names(space, &links, &names) != LIAISON_OK)
        return;
    int fd = fcntl(names, F_DUPFD_CLOEXEC, 0);
    DIR *listing = fd < 0 ? NULL : fdopendir(fd);
    if (fd >= 0 && !listing)
        close(fd);
    struct dirent *entry;
    while (listing && (entry = readdir(listing)) != NULL)
        if (entry->d_ino == inode && name_of_link_valid(entry->d_name))
            (void)segment_take_away(links, names, entry->d_name, device, inode);
    if (listing)
        closedir(listing);
    unlinkat(links, id, 0);
    close(names);
    close(links);
}
