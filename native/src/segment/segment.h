/* segment.h — one link's shared memory, as this process has it mapped.
 *
 * A segment is built without a name, complete, and then given one (draft.h): no reader sees half of
 * one, and exactly one of several racing creators succeeds. All handles of a process share a
 * mapping and an attachment. No descriptor is kept.
 */
#ifndef LIAISON_SEGMENT_H
#define LIAISON_SEGMENT_H

#include "segment/geometry.h"
#include "space/space.h"

struct segment {
    struct segment *next, **at; /* process table; guarded by process_lock */
    int references;             /* likewise */
    bool stays;                 /* likewise; stays mapped when it is closed */
    dev_t device;
    ino_t inode;
    struct liaison_space *space;
    const struct kind *kind;
    struct geometry geometry; /* private, validated: the only one that is used */
    word32 broken;            /* raised by the guard */
    word32 vanished;          /* its files were removed without liaison */

    uint8_t *base;
    bool copied; /* for one look, and not mapped: see segment_glance() */
    struct header *header;
    word64 *ring;
    uint64_t ring_mask;
    uint32_t ring_shift;
    struct attachment *attachments;
    struct waiter *waiters[2];
    struct receipt *receipts;
    word64 *returned;
    uint8_t *cells;
    uint8_t *index;
    uint8_t *arena;
    uint32_t inline_max; /* bytes of payload that fit in a cell */

    /* This process's place on the link: valid while `epoch` is the process's own. */
    word64 epoch;
    word32 slot;
    word32 roles; /* those already announced */
    word64 identity;
    word32 pid;
    word32 passed;    /* tick; when we last looked for the dead in passing */
    word32 failed;    /* tick; the same, before we would have failed */
    word32 last_seen; /* tick; when we last looked for the file */
    word32 last_look; /* tick; when we last looked for a port's other side */
    word32 senders;   /* this process's handles that send to a port */
    word64 draining;  /* epoch of this process while a thread of it drains the port */

    /* Of a pipe; all guarded by process_lock. By role: the handles of this process that are such an
     * end, and their token if it has no name. */
    uint32_t ends[2];
    struct descriptor token[2];
    struct descriptor file; /* the memory's own, to be passed on */
    word32 closings_seen;
    /* Of a named pipe's way back, which is the second half of its file. */
    struct segment *first;
};

static inline struct cell *segment_cell(const struct segment *s, uint32_t i)
{
    return (struct cell *)(s->cells + (uint64_t)i * s->geometry.stride);
}
/* How many cells have their memory. No process touches another: that would allocate a page, or
 * raise SIGBUS if there is none. The count is raised before a cell is used, so a process that has
 * read a cell's number in a word, and then reads the count, finds it above the number. */
static inline uint32_t segment_cells(const struct segment *s)
{
    uint32_t top = look32(&s->header->cells_top);
    return top < s->geometry.cells_start ? s->geometry.cells_start
           : top < s->geometry.cells     ? top
                                         : s->geometry.cells;
}
static inline uint32_t segment_owner(const struct segment *s) { return glance32(&s->slot) + 1; }

/* Makes sure that this process, not its parent, is attached. In attachment.c. */
int segment_attach(struct segment *s);
/* This process's identity on the link, which it has open. */
int segment_identity(struct segment *s, uint64_t *me);

/* Converts a result about the space for a process that has the link open, or its forked child: if
 * the users are unknown, or the space is gone, the link is destroyed. */
static inline int segment_with_its_space(int r)
{
    return r == LIAISON_FOREIGN || r == LIAISON_NOT_FOUND ? LIAISON_DESTROYED : r;
}

/* Reserves bytes of the file that lie beyond what was reserved at creation. */
int segment_reserve(struct segment *s, uint64_t offset, uint64_t length);

/* Whether the link can no longer be found: its file was removed without liaison, and its name now
 * leads to another link or none. Looks at most once in a second, and keeps the answer. Every
 * operation that finds nothing asks, and every send: so each way of waiting, which tries now and
 * then, ends. What is left can still be received. */
bool segment_vanished(struct segment *s);

/* Whether its users are members by the space's present table: users by another one would seem
 * dead. */
static inline bool segment_is_at_home(const struct geometry *g, const struct liaison_space *space)
{
    return g->table[0] == space->table[0] && g->table[1] == space->table[1];
}

/* Whether nothing is left of it to inspect. */
static inline bool segment_gone(const struct geometry *g, uint32_t state)
{
    const struct kind *kind = kind_find(g->kind);
    state &= ~(uint32_t)LINK_CONDEMNED;
    bool on_its_way = state == LINK_ENDED || state == LINK_ORPHANED;
    return state != LINK_LIVE && !(on_its_way && kind && kind->sides);
}

/* The link's state, without a cleaner's bit. */
static inline uint32_t segment_state(const struct segment *s)
{
    return look32(&s->header->state) & ~(uint32_t)LINK_CONDEMNED;
}

/* The same for a process that has written its attachment: clears that bit, so that a cleaner which
 * has condemned the link fails, because the word that it wants to exchange has changed. A faster
 * cleaner has destroyed it. */
static inline uint32_t segment_spare(struct segment *s)
{
    uint32_t word = look32(&s->header->state);
    if (__builtin_expect((word & LINK_CONDEMNED) == 0, 1))
        return word;
    (void)replace32(&s->header->state, word, word & ~(uint32_t)LINK_CONDEMNED);
    /* A cleaner that sets the bit again has yet to look at the attachments, and sees ours. */
    return segment_state(s);
}

/* A step of its state, condemned or not. False: the state has changed. */
static inline bool segment_step(struct segment *s, uint32_t from, uint32_t to)
{
    for (int tries = 0; tries < 16; tries++) {
        uint32_t word = look32(&s->header->state);
        if ((word & ~(uint32_t)LINK_CONDEMNED) != from)
            return false;
        if (replace32(&s->header->state, word, to))
            return true;
    }
    return false; /* the word holds what no cleaner writes */
}

/* The checks before inspecting it. */
static inline int segment_look(const struct segment *s)
{
    if (s->broken)
        return LIAISON_CORRUPT;
    bool gone = segment_gone(&s->geometry, segment_state(s));
    return gone ? LIAISON_DESTROYED : LIAISON_OK;
}

/* The checks before taking part. */
static inline int segment_check(struct segment *s, uint64_t epoch)
{
    if (__builtin_expect(observe(&s->epoch) != epoch, 0)) {
        int r = segment_attach(s);
        if (r != LIAISON_OK)
            return segment_with_its_space(r);
    }
    if (__builtin_expect(look32(&s->header->state) != LINK_LIVE || s->broken, 0))
        return s->broken                       ? LIAISON_CORRUPT
               : segment_spare(s) == LINK_LIVE ? LIAISON_OK
                                               : LIAISON_DESTROYED;
    return LIAISON_OK;
}

/* Of a link that ends with one of its sides; of others these do nothing. See struct kind. */
static inline void sides_look(struct segment *s, bool at_once)
{
    if (__builtin_expect(s->kind->sides, 0))
        s->kind->look(s, at_once);
}
static inline bool sides_watched(const struct segment *s)
{
    return s->kind->sides && s->kind->watched(s);
}

static inline void segment_tell_role(struct segment *s, uint32_t role)
{
    uint32_t known = observe32(&s->roles);
    if (__builtin_expect(known & role, role))
        return;
    /* The shared word before the private one, or another thread could go on before it is announced,
     * and its process be swept as one that never took part: see recover.c. */
    atomic_fetch_or(&s->attachments[glance32(&s->slot)].roles, role);
    atomic_fetch_or_explicit(&s->roles, role, memory_order_release);
}

#endif
