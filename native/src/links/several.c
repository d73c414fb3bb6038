/* several.c — waiting for any of many links: try, spin a little, sleep, as in wait.c.
 *
 * Each place of the set has an entry in its link's waiters table, armed, which leads to one board
 * (board.h). The entries stay armed between one wait and the next, so that the cost of a call and a
 * wake-up grows with the links on which something has happened, not with the number of links.
 *
 * A place is either quiet (its entry is armed and it was looked at afterwards: a message rings) or
 * lively (it has to be looked at). The thread does not sleep while a place is lively. A place
 * becomes lively by a ring, and quiet by being armed, looked at, and found empty, in that order.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/process.h"
#include "links/around.h"
#include "links/available.h"
#include "space/board.h"
#include "space/member.h"
#include "waiting/wait.h"

#define NOWHERE UINT32_MAX /* as an entry: none yet, or the table was full */
#define LIVELY_MOST 8u     /* looked at in every round, rather than armed */
#define PROBED 32u         /* links whose dead are looked for at a time */
#define SURVEY 100u        /* ms between two looks at each place, however busy others are */

struct place {
    liaison_mailbox *mailbox;
    struct segment *segment;
    uint64_t tag;
    uint32_t entry;
    bool lively;
    unsigned care; /* what may happen at it without a call */
};

struct liaison_several {
    struct liaison_space *space;
    word64 epoch; /* of the process that has the board and the entries */
    uint32_t board;
    struct place *places;
    uint32_t *lively; /* numbers of the lively ones; the first was looked at longest ago */
    size_t count, room, lively_count;
    size_t probed;     /* the next whose dead are looked for */
    uint32_t surveyed; /* tick; when every place was looked at */
    bool polling;      /* a table was full */
    struct spin spin;
    word32 called;
};

/* ---- the set ------------------------------------------------------------------------------ */

int liaison_several_open(liaison_space *space, liaison_several **out)
{
    liaison_several *q = calloc(1, sizeof *q);
    if (!q)
        return -ENOMEM;
    q->space = space_hold(space);
    spin_begin(&q->spin);
    q->surveyed = process_tick();
    *out = q;
    return LIAISON_OK;
}

static bool own(const liaison_several *q) { return observe(&q->epoch) == process_epoch(); }

/* An entry here is called in addition to the waiting threads, never instead of one: so there is no
 * call to pass on. */
static void leave(const liaison_several *q, struct place *p)
{
    if (own(q) && p->entry != NOWHERE && !p->segment->broken)
        wait_leave(p->segment, RECEIVERS, p->entry);
    p->entry = NOWHERE;
}

void liaison_several_close(liaison_several *q)
{
    if (!q)
        return;
    for (size_t i = 0; i < q->count; i++) {
        leave(q, &q->places[i]);
        mailbox_let_go(q->places[i].mailbox);
    }
    if (own(q))
        board_give(q->space, q->board);
    space_release(q->space);
    free(q->places);
    free(q->lively);
    free(q);
}

static void enliven(liaison_several *q, size_t i)
{
    if (q->places[i].lively)
        return;
    q->places[i].lively = true;
    q->lively[q->lively_count++] = (uint32_t)i;
}

static bool grow(liaison_several *q)
{
    size_t room = q->room ? q->room * 2 : 8;
    struct place *places = realloc(q->places, room * sizeof *places);
    if (places)
        q->places = places;
    uint32_t *lively = realloc(q->lively, room * sizeof *lively);
    if (lively)
        q->lively = lively;
    if (!places || !lively)
        return false;
    q->room = room;
    return true;
}

int liaison_several_add(liaison_several *q, liaison_mailbox *m, uint64_t tag)
{
    struct segment *s = m->segment;
    if (s->space != q->space || q->count >= LIAISON_SEVERAL_MAX)
        return LIAISON_INVALID;
    if (q->count == q->room && !grow(q))
        return -ENOMEM;
    add32(&m->holds, 1);
    q->places[q->count] = (struct place){.mailbox = m, .segment = s, .tag = tag, .entry = NOWHERE};
    enliven(q, q->count++);
    return LIAISON_OK;
}

void liaison_several_remove(liaison_several *q, liaison_mailbox *m)
{
    for (size_t i = 0; i < q->count; i++) {
        if (q->places[i].mailbox != m)
            continue;
        leave(q, &q->places[i]);
        size_t last = --q->count;
        if (i < last) {
            leave(q, &q->places[last]); /* its number leads to another place now */
            q->places[i] = q->places[last];
            q->places[i].lively = true;
        }
        q->lively_count = 0;
        for (size_t n = 0; n < q->count; n++)
            if (q->places[n].lively)
                q->lively[q->lively_count++] = (uint32_t)n;
        mailbox_let_go(m);
        return;
    }
}

/* Makes sure that the board is this process's own, not its parent's, which is not mapped here. */
static int settle_in(liaison_several *q)
{
    if (own(q))
        return LIAISON_OK;
    int r = board_take(q->space, &q->board);
    if (r != LIAISON_OK)
        return r;
    publish(&q->epoch, process_epoch());
    for (size_t i = 0; i < q->count; i++) {
        q->places[i].entry = NOWHERE;
        enliven(q, i);
    }
    return LIAISON_OK;
}

/* ---- looking ------------------------------------------------------------------------------ */

struct finding {
    uint64_t *tags;
    size_t max, count;
};

static bool board_marked(const struct board *b)
{
    uint64_t any = 0;
    for (uint32_t i = 0; i < BOARD_WORDS; i++)
        any |= look(&b->called[i]);
    return any != 0;
}

/* Whether a link has called. */
static bool enliven_called(liaison_several *q, struct board *b)
{
    bool any = false;
    for (uint32_t i = 0; i < BOARD_WORDS; i++)
        for (uint64_t bits = look(&b->called[i]) ? swap(&b->called[i], 0) : 0; bits;
             bits &= bits - 1, any = true)
            for (size_t n = i * 64 + (size_t)__builtin_ctzll(bits); n < q->count; n += BOARD_PLACES)
                enliven(q, n);
    return any;
}

static int look_at(const struct place *p) { return mailbox_receivable(p->mailbox); }

/* Arms it: what comes from now on rings, so it must be looked at afterwards. It gets another
 * version also if it is still armed: a caller whose mark was taken may be about to disarm it. */
static bool arm(liaison_several *q, size_t i)
{
    struct place *p = &q->places[i];
    struct segment *s = p->segment;
    if (p->entry == NOWHERE)
        return wait_enter(s, RECEIVERS, WAITER_BOARD, board_detail(q->board, i), &p->entry) ==
               LIAISON_OK;
    word32 *signal = &s->waiters[RECEIVERS][p->entry].signal;
    announce32(signal, signal_board(glance32(signal)));
    return true;
}

/* Looks at every place that is lively, until `f` is full. Places with something to receive go to
 * the end, so that others come first the next time; the others are armed if `quieten` is set. */
static void look_round(liaison_several *q, struct finding *f, bool quieten)
{
    size_t every = q->lively_count, kept = 0, i = 0;
    uint32_t *list = q->lively, found[LIAISON_SEVERAL_FOUND];
    size_t max = f->max < LIAISON_SEVERAL_FOUND ? f->max : LIAISON_SEVERAL_FOUND;
    for (; i < every && f->count < max; i++) {
        struct place *p = &q->places[list[i]];
        int r = look_at(p);
        if (r == LIAISON_EMPTY && quieten) {
            if (arm(q, list[i]))
                p->lively = false;
            else
                q->polling = true;
            r = look_at(p);
        }
        if (r != LIAISON_EMPTY) {
            p->lively = true;
            found[f->count] = list[i];
            f->tags[f->count++] = p->tag;
        } else if (p->lively) {
            list[kept++] = list[i];
        }
    }
    memmove(&list[kept], &list[i], (every - i) * sizeof *list);
    kept += every - i;
    memcpy(&list[kept], found, f->count * sizeof *found);
    q->lively_count = kept + f->count;
}

/* After a sleep that ended by itself: a process may have died before it rang, or with a message.
 * Looks for dead processes at a share of the links, and at those that are watched. */
static int64_t look_around(liaison_several *q, int64_t slice)
{
    size_t share = q->count < PROBED ? q->count : PROBED;
    unsigned care = CARE_NOTHING;
    for (size_t i = 0; i < q->count; i++) {
        struct place *p = &q->places[i];
        struct segment *s = p->segment;
        bool in_turn = (i + q->count - q->probed) % q->count < share;
        if ((in_turn || p->care) && observe(&s->epoch) == process_epoch()) {
            around_recover(s, true);
            sides_look(s, true);
            p->care = links_around.care(s);
            (void)segment_vanished(s); /* mailbox_receivable() reports it */
        }
        care |= p->care;
        if (look_at(p) != LIAISON_EMPTY)
            enliven(q, i);
    }
    q->probed = q->count ? (q->probed + share) % q->count : 0;
    q->surveyed = process_tick();
    return slice_after(slice, care);
}

/* ---- waiting ------------------------------------------------------------------------------ */

static void spin(liaison_several *q, struct board *b, struct finding *f, int64_t end)
{
    uint32_t worth = spin_worth(&q->spin);
    if (worth == 0)
        return;
    int permit = member_spin_begin(q->space);
    if (permit < 0)
        return;
    int64_t now = process_ticks(), until = now + worth;
    if (end >= 0 && until > end)
        until = end;
    while (f->count == 0 && now < until && !observe32(&q->called)) {
        for (int i = 0; i < 16 && f->count == 0; i++) {
            pause_briefly();
            if (board_marked(b))
                enliven_called(q, b);
            look_round(q, f, q->lively_count > LIVELY_MOST);
        }
        now = process_ticks();
    }
    member_spin_end(q->space, permit);
    spin_ended(&q->spin, worth, f->count != 0);
}

/* Every place is quiet. Gives what sleeping_sleep() gives. */
static int sleep_on(liaison_several *q, struct board *b, struct sleeping *sleeping)
{
    uint32_t awake = board_next(glance32(&b->state)), asleep = awake | BOARD_ASLEEP;
    announce32(&b->state, asleep); /* announce, then look */
    bool called = board_marked(b) || look32(&q->called);
    int r = sleeping_sleep(sleeping, &b->state, called ? awake : asleep);
    if (!own(q)) /* a signal's handler has forked: the board is not mapped here */
        return r;
    bool woken = r == 0 && look32(&b->state) == awake;
    announce32(&b->state, awake);
    if (woken)
        spin_woken(&q->spin, glance32(&b->processor), process_now() - sleeping->began);
    return r;
}

/* The beginning of every wait. */
static int first_look(liaison_several *q, struct finding *f, struct board **b)
{
    if (f->max == 0)
        return LIAISON_INVALID;
    int r = settle_in(q);
    if (r != LIAISON_OK)
        return r;
    *b = board_at(q->space, q->board);
    if (process_tick() - q->surveyed > SURVEY)
        look_around(q, SLICE_FIRST);
    enliven_called(q, *b);
    look_round(q, f, q->lively_count > LIVELY_MOST);
    return LIAISON_OK;
}

int liaison_several_poll(liaison_several *q, int64_t nanoseconds, uint64_t *tags, size_t max,
                         size_t *count)
{
    struct finding f = {tags, max, 0};
    struct board *b;
    int r = first_look(q, &f, &b);
    if (r == LIAISON_OK && f.count == 0 && nanoseconds && spin_pays(&q->spin)) {
        int64_t until = process_ticks() + nanoseconds;
        do {
            for (int i = 0; i < 8 && f.count == 0; i++) {
                pause_briefly();
                if (board_marked(b))
                    enliven_called(q, b);
                look_round(q, &f, q->lively_count > LIVELY_MOST);
            }
        } while (f.count == 0 && process_ticks() < until);
    }
    *count = f.count;
    return r == LIAISON_OK && f.count == 0 ? LIAISON_EMPTY : r;
}

int liaison_several_wait(liaison_several *q, const struct liaison_wait *wait, uint64_t *tags,
                         size_t max, size_t *count)
{
    struct finding f = {tags, max, 0};
    struct board *b;
    *count = 0;
    int r = first_look(q, &f, &b);
    if (r != LIAISON_OK)
        return r;
    struct sleeping sleeping;
    sleeping_begin(&sleeping, wait, process_now());
    if (f.count == 0 && wait->timeout != 0)
        spin(q, b, &f, sleeping.end);
    while (f.count == 0) {
        q->polling = false;
        if (enliven_called(q, b))
            sleeping.slice = SLICE_FIRST; /* the caller may die before it sends */
        look_round(q, &f, true);
        if (f.count)
            break;
        if (observe32(&q->called) && swap32(&q->called, 0)) {
            r = LIAISON_OK;
            break;
        }
        if (sleeping_over(&sleeping)) {
            /* The last look includes places whose callers may have died. */
            r = LIAISON_EMPTY;
            look_around(q, sleeping.slice);
            look_round(q, &f, false);
            break;
        }
        if (q->polling)
            sleeping.slice = SLICE_FIRST;
        int slept = sleep_on(q, b, &sleeping);
        if (slept == LIAISON_INTERRUPTED)
            r = slept;
        if (slept == LIAISON_INTERRUPTED || !own(q))
            break;
        if (slept == -ETIMEDOUT)
            sleeping.slice = look_around(q, sleeping.slice);
        else if (slept == 0)
            sleeping.slice = SLICE_FIRST;
    }
    *count = f.count;
    return f.count ? LIAISON_OK : r;
}

void liaison_several_call(liaison_several *q)
{
    announce32(&q->called, 1);
    if (own(q))
        board_wake(board_at(q->space, q->board));
}
