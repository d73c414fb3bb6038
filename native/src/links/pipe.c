#include "links/pipe.h"

#include "links/link.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/process.h"
#include "parts/cell.h"
#include "segment/mapping.h"
#include "segment/nameless.h"
#include "segment/naming.h"
#include "segment/opening.h"
#include "space/member.h"
#include "waiting/wait.h"

/* This may be a forked child's first operation: as a member it can call all waiters. */
static void wake_all(struct segment *s)
{
    uint64_t me;
    (void)member_identity(s->space, &me);
    wait_wake_all(s);
}

/* The side of `role` is gone. */
static bool bereave(struct segment *s, enum waiter_role role)
{
    uint32_t next = role == SENDERS ? LINK_ENDED : LINK_ORPHANED;
    if (!segment_step(s, LINK_LIVE, next))
        return false;
    wake_all(s);
    return true;
}

/* ---- the token ------------------------------------------------------------------------- */

/* With the process lock held: another thread may be about to close it. */
static bool other_side_gone(const struct segment *s, enum waiter_role ours)
{
    struct pollfd p = {.fd = descriptor_number(&s->token[ours])};
    return p.fd >= 0 && poll(&p, 1, 0) == 1 && (p.revents & (POLLHUP | POLLERR)) &&
           descriptor_number(&s->token[ours]) == p.fd; /* not closed meanwhile */
}

static void look_at_token(struct segment *s)
{
    process_lock();
    bool no_writers = other_side_gone(s, RECEIVERS), no_readers = other_side_gone(s, SENDERS);
    process_unlock();
    /* All messages accepted before the last writer closed are in the ring already: see take(). */
    if (no_writers)
        bereave(s, SENDERS);
    if (no_readers)
        bereave(s, RECEIVERS);
}

int pipe_tell(struct segment *s, enum waiter_role role, int epoll)
{
    struct epoll_event hang_up = {.events = 0}; /* EPOLLHUP is always reported */
    int token = descriptor_number(&s->token[role]);
    bool added = token < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, token, &hang_up) == 0;
    return added ? LIAISON_OK : -errno;
}

static void let_go(struct segment *s)
{
    for (int role = 0; role < 2; role++)
        descriptor_close(&s->token[role]);
    descriptor_close(&s->file);
}

/* ---- the sides of a named pipe ----------------------------------------------------------- */

/* The process that sends on it, or receives; 0: it has not come yet. */
static uint64_t side(const struct segment *s, enum waiter_role role)
{
    const struct segment *first = s->first ? s->first : s;
    bool creator = (role == SENDERS) == (first == s);
    return creator ? s->geometry.creator : observe(&first->header->second);
}

static void look_at_sides(struct segment *s)
{
    uint64_t me = observe(&s->epoch) == process_epoch() ? glance(&s->identity) : 0;
    bool noticed = false;
    for (enum waiter_role role = RECEIVERS; role <= SENDERS; role++) {
        uint64_t identity = side(s, role);
        if (identity && identity != me && !member_alive(s->space, identity))
            noticed |= bereave(s, role);
    }
    if (!noticed)
        return;
    (void)naming_end(s); /* or the next process that wants the name */
    if (s->first)        /* what has seen the end here must not send there any more */
        look_at_sides(s->first);
}

/* ---- both kinds -------------------------------------------------------------------------- */

/* Whether an end was closed since this process looked last, or the other way of a named pipe is
 * over and this one is not yet. */
static bool news(const struct segment *s)
{
    return look32(&s->header->closings) != glance32(&s->closings_seen) ||
           (s->first && segment_state(s) == LINK_LIVE && segment_state(s->first) != LINK_LIVE);
}

static void look_for_sides(struct segment *s, bool at_once)
{
    uint32_t now = process_tick();
    if (now == glance32(&s->last_look) && !at_once && !news(s))
        return;
    note32(&s->last_look, now);
    /* Noted first: an end that is closed after this causes another look. */
    publish32(&s->closings_seen, look32(&s->header->closings));
    if (segment_state(s) != LINK_LIVE)
        return;
    /* A destroyer of a named pipe may have destroyed its first way only. */
    if (s->first && segment_state(s->first) == LINK_DESTROYED) {
        if (segment_step(s, LINK_LIVE, LINK_DESTROYED))
            wake_all(s);
        return;
    }
    if (s->geometry.kind == LIAISON_KIND_PIPE)
        look_at_token(s);
    else
        look_at_sides(s);
}

/* A waiter at a pipe, which may wait for days, is called when its other side closes; a death it
 * must find by itself. */
static bool watched(const struct segment *s)
{
    (void)s;
    return true;
}

/* Its sides are taken below. */
static int admit(const struct segment *s)
{
    (void)s;
    return LIAISON_MISMATCH;
}

static bool is_side(const struct segment *s, enum waiter_role role)
{
    return s->geometry.kind == LIAISON_KIND_PIPE ||
           (observe(&s->epoch) == process_epoch() && glance(&s->identity) == side(s, role));
}

bool pipe_admits(const liaison_mailbox *m, enum waiter_role role)
{
    return (role == SENDERS ? m->sends : m->receives) && is_side(m->segment, role);
}

bool pipe_pending(struct segment *s)
{
    uint32_t me = segment_owner(s);
    for (uint32_t x = 0; x < segment_cells(s); x++) {
        uint64_t h = look(&segment_cell(s, x)->header);
        if (cell_state(h) == CELL_RETURNED || (cell_state(h) == CELL_LEASED && cell_owner(h) != me))
            return true;
    }
    return false;
}

static void begin_end(liaison_mailbox *m, enum waiter_role role)
{
    m->receives = role == RECEIVERS;
    m->sends = role == SENDERS;
    process_lock();
    m->segment->ends[role]++;
    process_unlock();
}

static void end(liaison_mailbox *m)
{
    struct segment *s = m->segment;
    enum waiter_role role = m->receives ? RECEIVERS : SENDERS;
    if (!m->receives && !m->sends)
        return; /* an observer is no end */
    process_lock();
    bool ended = m->ended;
    m->ended = true;
    bool last = !ended && --s->ends[role] == 0;
    if (last)
        descriptor_close(&s->token[role]);
    process_unlock();
    if (!last || s->broken)
        return;
    add32(&s->header->closings, 1);
    if (s->geometry.kind == LIAISON_KIND_PIPE) {
        wake_all(s); /* so that they look: other processes may have such an end */
    } else if (is_side(s, role) && bereave(s, role)) {
        (void)naming_end(s); /* or the next process that wants the name */
    }
}

/* A handle for the segment, which it owns from now on, also if there is no memory for the
 * handle. */
static int handle(struct segment *s, enum waiter_role role, liaison_mailbox **out)
{
    liaison_mailbox *m = handle_create(s);
    if (!m) {
        segment_close(s);
        return -ENOMEM;
    }
    begin_end(m, role);
    *out = m;
    return LIAISON_OK;
}

/* ---- pipes without a name -------------------------------------------------------------- */

static const struct liaison_policy defaults = {.capacity = -1, .pair_capacity = -1};

int liaison_pipe_create(liaison_space *space, const struct liaison_policy *policy,
                        liaison_mailbox **reader, liaison_mailbox **writer)
{
    struct liaison_policy p = policy ? *policy : defaults;
    p.kind = LIAISON_KIND_PIPE;
    int token[2];
    struct stat st;
    if (pipe2(token, O_CLOEXEC | O_NONBLOCK) != 0)
        return -errno;
    struct segment *s = NULL;
    int r = fstat(token[0], &st) == 0 ? LIAISON_OK : -errno;
    if (r == LIAISON_OK)
        r = segment_create_nameless(space, &p, &st, &s);
    if (r != LIAISON_OK) {
        close(token[0]);
        close(token[1]);
        return r;
    }
    process_lock();
    s->token[RECEIVERS].fd = token[0];
    s->token[SENDERS].fd = token[1];
    s->references++;
    process_unlock();
    r = handle(s, RECEIVERS, reader);
    int other = handle(s, SENDERS, writer);
    if (r == LIAISON_OK && other == LIAISON_OK)
        return LIAISON_OK;
    if (r == LIAISON_OK)
        liaison_mailbox_close(*reader);
    if (other == LIAISON_OK)
        liaison_mailbox_close(*writer);
    return -ENOMEM;
}

int liaison_pipe_descriptors(liaison_mailbox *m, int *memory, int *token)
{
    struct segment *s = m->segment;
    if (s->geometry.kind != LIAISON_KIND_PIPE)
        return LIAISON_INVALID;
    process_lock();
    *memory = descriptor_number(&s->file);
    *token = m->ended ? -1 : descriptor_number(&s->token[m->receives ? RECEIVERS : SENDERS]);
    process_unlock();
    return *memory >= 0 && *token >= 0 ? LIAISON_OK : LIAISON_CLOSED;
}

int liaison_pipe_adopt(liaison_space *space, int memory, int token, liaison_mailbox **out,
                       bool *receives)
{
    int flags = fcntl(token, F_GETFL);
    if (flags < 0)
        return errno == EBADF ? LIAISON_NOT_FOUND : -errno;
    enum waiter_role role = (flags & O_ACCMODE) == O_RDONLY ? RECEIVERS : SENDERS;
    if (fcntl(memory, F_GETFD) < 0)
        return errno == EBADF ? LIAISON_NOT_FOUND : -errno;
    struct segment *s;
    int r = segment_adopt(space, memory, &s);
    if (r != LIAISON_OK)
        return r;
    struct stat st;
    if (fstat(token, &st) != 0 || !descriptor_is(&s->token[role], &st)) {
        segment_close(s);
        return LIAISON_MISMATCH;
    }
    (void)fcntl(memory, F_SETFD, FD_CLOEXEC);
    (void)fcntl(token, F_SETFD, FD_CLOEXEC);
    /* From here on they are ours: kept, or closed if this process has them already. */
    process_lock();
    int file = descriptor_number(&s->file), other = descriptor_number(&s->token[role]);
    if (file < 0)
        s->file.fd = file = memory;
    if (other < 0)
        s->token[role].fd = other = token;
    process_unlock();
    if (file != memory)
        close(memory);
    if (other != token)
        close(token);
    *receives = role == RECEIVERS;
    return handle(s, role, out);
}

/* ---- named pipes -------------------------------------------------------------------------- */

/* Takes a side of the pipe. LIAISON_NOT_FOUND: it is over. */
static int take_side(struct segment *first, const struct liaison_policy *policy, bool *creator)
{
    uint64_t me;
    int r = member_identity(first->space, &me);
    if (r != LIAISON_OK)
        return r;
    if (first->geometry.kind != LIAISON_KIND_NAMED_PIPE)
        return LIAISON_MISMATCH;
    look_for_sides(first, true);
    uint64_t second = observe(&first->header->second);
    *creator = me == first->geometry.creator;
    if (segment_state(first) != LINK_LIVE)
        return LIAISON_NOT_FOUND;
    if (!segment_fits(policy, &first->geometry))
        return LIAISON_MISMATCH;
    if (*creator || me == second)
        return segment_attach(first);
    if (second != 0)
        return LIAISON_BUSY;
    r = segment_attach(first);
    if (r != LIAISON_OK)
        return r;
    if (segment_state(first) != LINK_LIVE)
        return LIAISON_NOT_FOUND; /* removed by a cleaner that saw no process attached */
    return replace(&first->header->second, 0, me) ? LIAISON_OK : LIAISON_BUSY;
}

/* The first way; a pipe that is over loses its name to it. */
static int open_first(liaison_space *space, const char *name, const struct liaison_policy *policy,
                      struct segment **out, bool *creator)
{
    for (int tries = 0;; tries++) {
        struct segment *s;
        int r = naming_again(tries);
        if (r != LIAISON_OK)
            return r;
        r = segment_open(space, name, NULL, false, &s);
        if (r == LIAISON_NOT_FOUND) {
            r = segment_create(space, name, policy, out);
            *creator = true;
            if (r != LIAISON_NAME_TAKEN)
                return r;
            continue;
        }
        if (r != LIAISON_OK)
            return r;
        r = take_side(s, policy, creator);
        if (r == LIAISON_OK) {
            *out = s;
            return r;
        }
        if (r == LIAISON_NOT_FOUND && naming_end(s) == LIAISON_BUSY)
            r = LIAISON_DESTROYED; /* the process that removes its name is stopped */
        segment_close(s);
        if (r != LIAISON_NOT_FOUND)
            return r;
    }
}

int liaison_named_pipe_open(liaison_space *space, const char *name,
                            const struct liaison_policy *policy, liaison_mailbox **out,
                            liaison_mailbox **in)
{
    struct liaison_policy p = policy ? *policy : defaults;
    p.kind = LIAISON_KIND_NAMED_PIPE;
    p.access = LIAISON_PAIR;
    for (int tries = 0;; tries++) {
        struct segment *first, *back;
        bool creator;
        int r = naming_again(tries);
        if (r == LIAISON_OK)
            r = open_first(space, name, &p, &first, &creator);
        if (r != LIAISON_OK)
            return r;
        r = segment_open_back(first, &back);
        if (r == LIAISON_NOT_FOUND) { /* its name was removed: it is over already */
            segment_close(first);
            continue;
        }
        if (r != LIAISON_OK) {
            segment_close(first);
            return r;
        }
        r = handle(creator ? first : back, SENDERS, out);
        int other = handle(creator ? back : first, RECEIVERS, in);
        if (r == LIAISON_OK && other == LIAISON_OK)
            return LIAISON_OK;
        if (r == LIAISON_OK)
            liaison_mailbox_close(*out);
        if (other == LIAISON_OK)
            liaison_mailbox_close(*in);
        return -ENOMEM;
    }
}

bool liaison_pipe_destroyed(liaison_mailbox *m)
{
    struct segment *s = m->segment;
    return segment_state(s) == LINK_DESTROYED || glance32(&s->vanished) ||
           (s->first && segment_state(s->first) == LINK_DESTROYED);
}

bool liaison_pipe_closed_cleanly(liaison_mailbox *m)
{
    return observe32(&m->segment->header->closings) != 0;
}

/* ---- the kinds --------------------------------------------------------------------------------
 */

static bool check_any(const struct geometry *g)
{
    return g->lifetime == 0 && !g->rendezvous && g->max_deliveries == 0 && g->dead_letters[0] == 0;
}
static bool check(const struct geometry *g)
{
    return check_any(g) && g->access == LIAISON_ANY && g->name[0] == 0;
}
static bool check_named(const struct geometry *g)
{
    return check_any(g) && g->access == LIAISON_PAIR && g->name[0] != 0;
}

static const struct kind pipe_kind = {.number = LIAISON_KIND_PIPE,
                                      .ways = 1,
                                      .nameless = true,
                                      .sides = true,
                                      .capacity = LINK_CAPACITY,
                                      .repair = &link_repair,
                                      .check = check,
                                      .admit = admit,
                                      .look = look_for_sides,
                                      .watched = watched,
                                      .leave = let_go,
                                      .end = end};
static const struct kind named_pipe = {.number = LIAISON_KIND_NAMED_PIPE,
                                       .ways = 2,
                                       .sides = true,
                                       .capacity = LINK_CAPACITY,
                                       .repair = &link_repair,
                                       .check = check_named,
                                       .admit = admit,
                                       .look = look_for_sides,
                                       .watched = watched,
                                       .end = end};
KIND_ENTER(pipe_kind);
KIND_ENTER(named_pipe);
