#include "steps/script.h"

#include <ctype.h>
#include <string.h>

#include "check.h"
#include "segment/mapping.h"
#include "segment/opening.h"
#include "segment/recover.h"
#include "segment/segment.h"
#include "space/member.h"
#include "steps/trap.h"
#include "waiting/wait.h"

#define MOMENT (SECOND / 1000)

static void note_down(struct actor *a, char what, char letter)
{
    if (!a->log)
        return;
    size_t n = strlen(a->log);
    CHECK(n + 3 < SCRIPT_LOG);
    switch (a->result) {
    case LIAISON_OK:
        a->log[n] = what;
        a->log[n + 1] = letter;
        break;
    case LIAISON_EMPTY:
    case LIAISON_FULL:
    case LIAISON_BUSY:
    case LIAISON_NO_RECEIVER:
        a->log[n] = '0';
        a->log[n + 1] = what;
        break;
    default:
        a->log[n] = 'e';
        a->log[n + 1] = (char)('0' + (a->result < 0 ? 0 : a->result));
    }
}

static char letter_of(const struct liaison_delivery *d) { return *(const char *)d->data; }

enum { SEND, SEND_WITH_RECEIPT, KEEP, OFFER };
static void write_message(struct actor *a, char letter, size_t size, int how, int64_t timeout)
{
    bool receipt = how == SEND_WITH_RECEIPT;
    struct liaison_wait wait = {.timeout = timeout};
    struct liaison_loan loan;
    if (timeout < 0 && a->waiting) {
        wait.interrupted = a->waiting;
        a->result = LIAISON_OK;
        note_down(a, '+', letter);
    }
    for (uint32_t tries = 0; a->wanted && tries < LIAISON_CAPACITY_MAX; tries++) {
        CHECK_OK(liaison_mailbox_try_loan(a->mailbox, size, receipt, &loan));
        liaison_mailbox_discard(a->mailbox, &loan);
        /* The next cell is the one behind. */
        if (loan.cell + 2 == a->wanted)
            break;
    }
    a->wanted = 0;
    a->result = timeout == 0 ? liaison_mailbox_try_loan(a->mailbox, size, receipt, &loan)
                             : liaison_mailbox_loan(a->mailbox, size, receipt, &wait, &loan);
    if (a->result != LIAISON_OK) {
        note_down(a, '+', letter);
        return;
    }
    /* A byte a block, or it is the filling that is stepped through. */
    for (size_t i = 0; i < size; i += SCRIPT_STRIDE)
        ((char *)loan.data)[i] = letter;
    if (how == KEEP) {
        CHECK(a->loans < SCRIPT_HELD);
        a->loan[a->loans++] = loan;
        return;
    }
    a->result = how == OFFER ? liaison_mailbox_offer(a->mailbox, &loan, 0, &a->receipt)
                             : liaison_mailbox_send_loan(a->mailbox, &loan, 0, &wait,
                                                         receipt ? &a->receipt : NULL);
    if (how == OFFER)
        a->offered = letter;
    note_down(a, '+', letter);
}

static struct liaison_loan first_loan(struct actor *a)
{
    CHECK(a->loans > 0);
    struct liaison_loan first = a->loan[0];
    memmove(a->loan, a->loan + 1, sizeof first * (size_t)--a->loans);
    return first;
}

static void keep_lease(struct actor *a, const struct liaison_delivery *d)
{
    if (a->result == LIAISON_OK) {
        CHECK(a->leases < SCRIPT_HELD);
        a->lease[a->leases++] = *d;
    }
    note_down(a, '<', letter_of(d));
}

static void take(struct actor *a, int64_t timeout)
{
    struct liaison_wait wait = {.timeout = timeout};
    struct liaison_delivery d = {.data = ""};
    a->result = timeout == 0 ? liaison_mailbox_try_take(a->mailbox, &d)
                             : liaison_mailbox_take(a->mailbox, &wait, &d);
    keep_lease(a, &d);
}

static void wait_in_a_set(struct actor *a, int64_t timeout)
{
    uint64_t tag;
    size_t count;
    if (!a->several) {
        CHECK_OK(liaison_several_open(a->space, &a->several));
        CHECK_OK(liaison_several_add(a->several, a->mailbox, 7));
    }
    a->result = liaison_several_wait(a->several, &(struct liaison_wait){.timeout = timeout}, &tag,
                                     1, &count);
    CHECK(a->result != LIAISON_OK || (count == 1 && tag == 7));
}

static void undelivered(struct actor *a)
{
    struct liaison_delivery d = {.data = ""};
    a->result = liaison_port_undelivered(a->drained, &d);
    keep_lease(a, &d);
}

static void settle(struct actor *a, char how)
{
    if (a->leases == 0) /* another process had taken the message */
        return;
    struct liaison_delivery first = a->lease[0];
    char letter = letter_of(&first);
    a->settled = first.cell + 1;
    memmove(a->lease, a->lease + 1, sizeof first * (size_t)--a->leases);
    liaison_mailbox *m = a->drained ? a->drained : a->mailbox;
    a->result = how == '!'   ? liaison_mailbox_acknowledge(m, &first)
                : how == '^' ? liaison_mailbox_dead_letter(m, &first)
                             : liaison_mailbox_release(m, &first);
    if (how == '!' && a->result == LIAISON_DESTROYED)
        a->result = LIAISON_OK; /* it is settled, though the link is gone */
    note_down(a, how == '~' ? '~' : '!', letter);
}

static void drain(struct actor *a)
{
    while (a->drained) {
        undelivered(a);
        if (a->result != LIAISON_OK)
            return;
        if (a->forwarding)
            a->forwarding(letter_of(&a->lease[a->leases - 1]));
        settle(a, '^');
    }
}

bool script_opens(const char *script) { return strpbrk(script, "Opbt") != NULL; }

void script_sweep(struct actor *a)
{
    struct segment *s;
    CHECK_OK(segment_open(a->space, a->name, NULL, false, &s));
    recover_dead(s);
    segment_close(s);
}

void script_run_interrupted(struct actor *a, const char *script,
                            void (*reached)(const void *base, const void *at))
{
    struct segment *s;
    CHECK_OK(segment_open(a->space, a->name, NULL, false, &s));
    trap_begin_accesses(s->base, s->geometry.size, reached);
    if (a->mailbox || a->drained)
        segment_close(s); /* or closing the other would not be leaving */
    script_run(a, script);
    if (a->mailbox || a->drained)
        trap_end();
}

void script_sweep_watched(struct actor *a, const char *script, void (*changed)(void))
{
    struct segment *s;
    int r = segment_open(a->space, a->name, NULL, false, &s);
    if (r == LIAISON_NOT_FOUND)
        return; /* a port that has ended: that was all */
    CHECK_OK(r);
    /* All but the payloads, which recovery does not touch. */
    size_t length = s->geometry.arena_limit ? s->geometry.index_at + INDEX_SIZE : s->geometry.size;
    trap_begin(s->base, length, changed);
    recover_dead(s);
    script_run(a, script);
    trap_end();
    segment_close(s);
}

uint64_t script_identity(struct actor *a)
{
    uint64_t identity;
    CHECK_OK(member_identity(a->space, &identity));
    return identity;
}

static void command(struct actor *a, char what, char letter, size_t size)
{
    struct liaison_wait none = {.timeout = 0}, moment = {.timeout = MOMENT};
    struct liaison_loan loan;
    char *log = a->log;
    int fd;
    switch (what) {
    case '+':
        write_message(a, letter, size, SEND, 0);
        break;
    case '*':
        write_message(a, letter, size, KEEP, 0);
        break;
    case '%':
        write_message(a, letter, size, SEND_WITH_RECEIPT, 0);
        break;
    case '$':
        write_message(a, letter, size, SEND, MOMENT);
        break;
    case ']':
        write_message(a, letter, size, SEND, FOREVER);
        break;
    case '&':
        write_message(a, letter, size, OFFER, 0);
        break;
    case '_':
        a->result = liaison_mailbox_withdraw(a->mailbox, &a->receipt);
        if (a->result != LIAISON_LEASE_LOST) /* otherwise its taker has it */
            note_down(a, '!', a->offered);
        break;
    case 'f':
        for (uint32_t i = 0; i < CELLS_STEP; i++)
            CHECK_OK(liaison_mailbox_try_loan(a->mailbox, 1, false, &loan));
        break;
    case '=':
        loan = first_loan(a);
        letter = *(char *)loan.data;
        a->result = liaison_mailbox_send_loan(a->mailbox, &loan, 0, &none, NULL);
        note_down(a, '+', letter);
        break;
    case '-':
        loan = first_loan(a);
        liaison_mailbox_discard(a->mailbox, &loan);
        break;
    case '/':
        liaison_receipt_drop(a->mailbox, &a->receipt);
        break;
    case '?':
        a->result = liaison_receipt_wait(a->mailbox, &a->receipt, LIAISON_ACKNOWLEDGED, &moment);
        break;
    case '<':
        take(a, 0);
        break;
    case '{':
        take(a, MOMENT);
        break;
    case '[':
        take(a, FOREVER);
        break;
    case '!':
    case '^':
    case '~':
        settle(a, what);
        break;
    case '@':
        a->result = liaison_mailbox_doorbell(a->mailbox, &fd);
        break;
    case 'q':
        wait_in_a_set(a, MOMENT);
        break;
    case 'W':
        wait_in_a_set(a, FOREVER);
        break;
    case 'a':
        a->result = liaison_mailbox_doorbell_for_room(a->mailbox, &fd);
        break;
    case 'y':
        a->result = liaison_mailbox_ready(a->mailbox);
        break;
    case 't':
        a->result = liaison_mailbox_open(a->space, a->name, LIAISON_OPEN, NULL, &a->mailbox);
        break;
    case 'p':
        CHECK_OK(liaison_mailbox_open(a->space, a->name, LIAISON_CREATE, a->policy, &a->mailbox));
        break;
    case 'e':
        liaison_port_end(a->mailbox);
        break;
    case 'b':
        a->result = liaison_mailbox_open(a->space, a->name, LIAISON_DRAIN, NULL, &a->drained);
        break;
    case 'd':
        if (a->drained)
            undelivered(a);
        break;
    case 'g':
        drain(a);
        break;
    case 'o':
        CHECK_OK(liaison_mailbox_open(a->space, a->name, LIAISON_OPEN, NULL, &a->mailbox));
        break;
    case 'c':
        liaison_several_close(a->several);
        a->several = NULL;
        liaison_mailbox_close(a->drained ? a->drained : a->mailbox);
        if (!a->drained)
            a->mailbox = NULL;
        a->drained = NULL;
        break;
    case '#':
        a->wanted = a->settled;
        break;
    case 'n':
        CHECK_OK(segment_open(a->space, a->name, NULL, false, &a->standing));
        CHECK_OK(wait_enter(a->standing, RECEIVERS, WAITER_THREAD, 0, &a->place));
        break;
    case 's':
        wait_leave(a->standing, RECEIVERS, a->place);
        break;
    case 'h':
        liaison_mailbox_hold(a->mailbox);
        break;
    case 'u':
        liaison_mailbox_unhold(a->mailbox, a->lease[0].epoch);
        break;
    case 'i':
        liaison_mailbox_interrupt(a->mailbox);
        break;
    case 'r':
        script_sweep(a);
        break;
    case 'v':
    case 'w':
        a->log = NULL; /* what was taken was not always what was sent: count no letters */
        for (int i = what == 'v'; i < 64; i++)
            script_run(a, "+w<!");
        a->log = log;
        break;
    default:
        fprintf(stderr, "no command of a script: %c\n", what);
        abort();
    }
}

void script_run(struct actor *a, const char *script)
{
    while (*script) {
        char what = *script++, letter = 0;
        size_t size = 3;
        if (strchr("+*%$]&", what)) {
            letter = *script++;
            if (isdigit((unsigned char)*script)) {
                char *end;
                size = strtoul(script, &end, 10);
                script = end;
            }
        }
        command(a, what, letter, size);
    }
}
