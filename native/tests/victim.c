#include "victim.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "links/port.h"
#include "segment/recover.h"

#define SET(result) (1u << (result))
#define ALWAYS (SET(LIAISON_OK) | SET(LIAISON_CORRUPT) | SET(LIAISON_DESTROYED))
#define LOANS (ALWAYS | SET(LIAISON_FULL) | SET(LIAISON_TOO_LARGE) | SET(LIAISON_NO_SPACE))
#define SENDS (ALWAYS | SET(LIAISON_LEASE_LOST) | SET(LIAISON_NO_RECEIVER))
#define TAKES (ALWAYS | SET(LIAISON_EMPTY) | SET(LIAISON_BUSY) | sender_only(v))
#define SETTLES (ALWAYS | SET(LIAISON_LEASE_LOST))
#define WAITS (ALWAYS | SET(LIAISON_EMPTY))
#define OPENS                                                                                      \
    (ALWAYS | SET(LIAISON_NOT_FOUND) | SET(LIAISON_BUSY) | SET(LIAISON_EXHAUSTED) |                \
     SET(LIAISON_MISMATCH) | SET(LIAISON_VERSION) | SET(LIAISON_ORPHANED) | SET(LIAISON_FOREIGN))

#define SETS (WAITS | SET(LIAISON_BUSY) | SET(LIAISON_EXHAUSTED) | SET(LIAISON_CLOSED))

/* A process that opens a port sends. */
static unsigned sender_only(const struct victim *v)
{
    return is_port(victim_segment(v->mailbox)) ? SET(LIAISON_DENIED) : 0;
}

#define MAY(allowed, call) (begin(v, #call), may(v, (allowed), (call)))

static void begin(struct victim *v, const char *call) { v->progress->operation = call; }

static int may(struct victim *v, unsigned allowed, int result)
{
    if (result < 0 || !(allowed & SET(result))) {
        fprintf(stderr, "%s gave %d, which is not documented for it\n", v->progress->operation,
                result);
        abort();
    }
    v->progress->results[result]++;
    return result;
}

struct progress *progress_new(void)
{
    void *p = mmap(NULL, sizeof(struct progress), PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    return p;
}

bool victim_ended_well(const struct progress *p, const char *what, int status)
{
    if (status == 0)
        return true;
    fprintf(stderr,
            "%s: the victim %s (%d) in round %llu, at %s, after mutation %llu: the word at %#llx "
            "was made %#llx\n",
            what, status == -SIGALRM ? "was stuck" : "ended", status, (unsigned long long)p->rounds,
            p->operation ? p->operation : "its start", (unsigned long long)p->mutations,
            (unsigned long long)p->offset, (unsigned long long)p->value);
    return false;
}

/* Its first member. */
struct segment *victim_segment(liaison_mailbox *m) { return *(struct segment **)m; }

static struct liaison_wait moment(struct victim *v)
{
    uint32_t dice = test_random(&v->seed) % 16;
    int64_t times[] = {0, v->longest, v->longest / 8};
    return (struct liaison_wait){.timeout = dice < 3 ? times[dice] : 1};
}

/* Read as its user would: all of it. The sum is there for the reads to be done. */
static void touch(struct victim *v, const struct liaison_delivery *d, bool copy)
{
    struct segment *s = victim_segment(v->mailbox);
    const uint8_t *data = d->data;
    uint64_t most =
        s->geometry.arena_limit > s->inline_max ? s->geometry.arena_limit : s->inline_max;
    CHECK(d->size <= most && d->cell < s->geometry.cells);
    CHECK(copy || (data >= s->base && data <= s->base + s->geometry.size &&
                   d->size <= (size_t)(s->base + s->geometry.size - data)));
    volatile uint8_t sum = 0;
    for (size_t i = 0; i < d->size; i++)
        sum = (uint8_t)(sum + ((const volatile uint8_t *)data)[i]);
}

static void fill(struct victim *v, const struct liaison_loan *loan)
{
    struct segment *s = victim_segment(v->mailbox);
    uint8_t *data = loan->data;
    CHECK(loan->cell < s->geometry.cells && data >= s->base && data <= s->base + s->geometry.size &&
          loan->size <= (size_t)(s->base + s->geometry.size - data));
    memset(data, 'x', loan->size);
}

/* ---- seeing ------------------------------------------------------------------------- */

static void sees_statistics(struct victim *v)
{
    struct liaison_statistics all;
    struct liaison_info info;
    uint32_t waiting;
    liaison_mailbox *m = v->mailbox;
    MAY(ALWAYS, liaison_mailbox_statistics(m, &all));
    MAY(ALWAYS, liaison_mailbox_waiting(m, &waiting));
    MAY(ALWAYS, liaison_mailbox_info(m, &info));
    CHECK(memchr(info.name, 0, sizeof info.name) && memchr(info.id, 0, sizeof info.id));
    liaison_mailbox_describe(m, &info);
    CHECK(memchr(info.name, 0, sizeof info.name) && memchr(info.id, 0, sizeof info.id));
}

static void sees_who_is_attached(struct victim *v)
{
    struct liaison_attached list[8];
    struct liaison_peer peers[8];
    size_t count = 0;
    MAY(ALWAYS, liaison_mailbox_attached(v->mailbox, list, 8, &count));
    CHECK(count <= 8);
    for (size_t i = 0; i < count; i++)
        CHECK(memchr(list[i].peer.name, 0, sizeof list[i].peer.name) &&
              memchr(list[i].peer.command, 0, sizeof list[i].peer.command));
    if (test_random(&v->seed) % 64 == 0) /* thousands of system calls */
        MAY(ALWAYS | SET(LIAISON_FOREIGN), liaison_space_members(v->space, peers, 8, &count));
    CHECK(count <= 8);
}

static bool visit(void *context, const struct liaison_delivery *message)
{
    touch(context, message, true);
    return true;
}

static void peeks(struct victim *v) { MAY(ALWAYS, liaison_mailbox_peek(v->mailbox, 10, visit, v)); }

/* ---- sending ------------------------------------------------------------------------ */

static void sends(struct victim *v, size_t size, bool receipt)
{
    liaison_mailbox *m = v->mailbox;
    struct liaison_wait wait = moment(v);
    struct liaison_loan loan;
    struct liaison_receipt ticket = {0};
    if (MAY(LOANS, liaison_mailbox_loan(m, size, receipt, &wait, &loan)) != LIAISON_OK)
        return;
    fill(v, &loan);
    if (MAY(SENDS, liaison_mailbox_send_loan(m, &loan, 7, &wait, receipt ? &ticket : NULL)) !=
            LIAISON_OK ||
        !receipt)
        return;
    int state;
    struct liaison_peer peer;
    if (MAY(ALWAYS, liaison_receipt_state(m, &ticket, &state, &peer)) == LIAISON_OK)
        CHECK(state >= LIAISON_QUEUED && state <= LIAISON_DEAD_LETTERED);
    MAY(WAITS, liaison_receipt_wait(m, &ticket, LIAISON_ACKNOWLEDGED, &wait));
    liaison_receipt_drop(m, &ticket);
}
static void sends_small(struct victim *v) { sends(v, 20, false); }
static void sends_with_receipt(struct victim *v) { sends(v, 20, true); }
static void sends_large(struct victim *v)
{
    static const size_t sizes[] = {1000, 3000, 5000, 20000};
    sends(v, sizes[test_random(&v->seed) % 4], false);
}

static void discards(struct victim *v)
{
    struct liaison_loan loan;
    size_t size = test_random(&v->seed) % 2 ? 30 : 1500;
    if (MAY(LOANS, liaison_mailbox_try_loan(v->mailbox, size, size == 30, &loan)) != LIAISON_OK)
        return;
    fill(v, &loan);
    liaison_mailbox_discard(v->mailbox, &loan);
    liaison_mailbox_discard(v->mailbox, &loan);
}

/* ---- receiving ---------------------------------------------------------------------- */

static void receives(struct victim *v)
{
    struct liaison_delivery d;
    liaison_mailbox *m = v->mailbox;
    if (MAY(TAKES, liaison_mailbox_try_take(m, &d)) != LIAISON_OK)
        return;
    liaison_mailbox_hold(m);
    touch(v, &d, false);
    struct liaison_peer peer;
    MAY(ALWAYS, liaison_mailbox_peer(m, d.sender, d.sender_pid, &peer));
    MAY(SETTLES, liaison_mailbox_acknowledge(m, &d));
    MAY(SETTLES, liaison_mailbox_acknowledge(m, &d));
    liaison_mailbox_unhold(m, d.epoch);
}

static void waits_and_returns(struct victim *v)
{
    struct liaison_delivery d;
    struct liaison_wait wait = moment(v);
    if (MAY(TAKES, liaison_mailbox_take(v->mailbox, &wait, &d)) != LIAISON_OK)
        return;
    touch(v, &d, false);
    MAY(SETTLES, liaison_mailbox_release(v->mailbox, &d));
}

static void polls_and_dead_letters(struct victim *v)
{
    struct liaison_delivery d;
    if (MAY(TAKES, liaison_mailbox_poll(v->mailbox, 1000, &d)) != LIAISON_OK)
        return;
    touch(v, &d, false);
    MAY(SETTLES, liaison_mailbox_dead_letter(v->mailbox, &d));
}

/* ---- what it had before ------------------------------------------------------------- */

static void goes_on(struct victim *v)
{
    if (!v->kept)
        return;
    struct liaison_wait wait = moment(v);
    struct liaison_loan loan = v->loan;
    struct liaison_receipt receipt = v->receipt;
    liaison_mailbox *m = v->mailbox;
    int state;
    struct liaison_peer peer;
    if (v->delivery.data) {
        touch(v, &v->delivery, false);
        if (test_random(&v->seed) % 2)
            MAY(SETTLES, liaison_mailbox_acknowledge(m, &v->delivery));
        else
            MAY(SETTLES, liaison_mailbox_release(m, &v->delivery));
    }
    if (loan.data) {
        fill(v, &loan);
        MAY(SENDS, liaison_mailbox_send_loan(m, &loan, 0, &wait, NULL));
    }
    if (receipt.index) {
        MAY(ALWAYS, liaison_receipt_state(m, &receipt, &state, &peer));
        MAY(WAITS, liaison_receipt_wait(m, &receipt, LIAISON_ACKNOWLEDGED, &wait));
        liaison_receipt_drop(m, &receipt);
    }
}

/* ---- the rest ----------------------------------------------------------------------- */

static void hears_the_bell(struct victim *v)
{
    struct pollfd ready = {.events = POLLIN};
    if (MAY(ALWAYS | SET(LIAISON_EXHAUSTED) | sender_only(v),
            liaison_mailbox_doorbell(v->mailbox, &ready.fd)) == LIAISON_OK)
        CHECK(poll(&ready, 1, 0) >= 0);
}

static void hears_of_room(struct victim *v)
{
    struct pollfd ready = {.events = POLLIN};
    if (MAY(ALWAYS | SET(LIAISON_EXHAUSTED),
            liaison_mailbox_doorbell_for_room(v->mailbox, &ready.fd)) == LIAISON_OK)
        CHECK(poll(&ready, 1, 0) >= 0);
}

static void asks(struct victim *v) { MAY(TAKES, liaison_mailbox_ready(v->mailbox)); }

static void offers(struct victim *v)
{
    liaison_mailbox *m = v->mailbox;
    struct liaison_loan loan;
    struct liaison_receipt receipt = {0};
    if (MAY(LOANS, liaison_mailbox_try_loan(m, 20, false, &loan)) != LIAISON_OK)
        return;
    fill(v, &loan);
    int r = MAY(SENDS | SET(LIAISON_FULL) | SET(LIAISON_INVALID),
                liaison_mailbox_offer(m, &loan, 7, &receipt));
    if (r == LIAISON_OK) {
        MAY(ALWAYS | SET(LIAISON_LEASE_LOST), liaison_mailbox_withdraw(m, &receipt));
        liaison_receipt_drop(m, &receipt);
    } else {
        liaison_mailbox_discard(m, &loan);
    }
}

static void drains(struct victim *v)
{
    struct victim w = *v;
    struct liaison_delivery d;
    if (!sender_only(v))
        return;
    /* If the memory is put back as it was, the link works again afterwards. */
    if (test_random(&v->seed) % (v->kept ? 4 : 512) == 0) {
        begin(v, "liaison_port_end(v->mailbox)");
        liaison_port_end(v->mailbox);
    }
    if (MAY(OPENS, liaison_mailbox_open(v->space, v->name, LIAISON_DRAIN, NULL, &w.mailbox)) !=
        LIAISON_OK)
        return;
    for (int i = 0; i < 8; i++) {
        if (MAY(TAKES, liaison_port_undelivered(w.mailbox, &d)) != LIAISON_OK)
            break;
        touch(&w, &d, false);
        if (i % 4 == 3)
            MAY(SETTLES, liaison_mailbox_release(w.mailbox, &d));
        else
            MAY(SETTLES, liaison_mailbox_dead_letter(w.mailbox, &d));
    }
    begin(v, "liaison_mailbox_close(w.mailbox)");
    liaison_mailbox_close(w.mailbox);
}

static void waits_in_a_set(struct victim *v)
{
    liaison_several *set;
    struct liaison_wait wait = moment(v);
    uint64_t tag = 0;
    size_t count = 0;
    MAY(ALWAYS, liaison_several_open(v->space, &set));
    MAY(ALWAYS, liaison_several_add(set, v->mailbox, 5));
    for (int i = 0; i < 2; i++) {
        int r = MAY(SETS, liaison_several_wait(set, &wait, &tag, 1, &count));
        CHECK(r == LIAISON_OK ? count == 1 && tag == 5 : count == 0);
    }
    begin(v, "liaison_several_close(set)");
    liaison_several_close(set);
}

static void is_called(struct victim *v)
{
    liaison_mailbox *m = v->mailbox;
    char label[LIAISON_NAME_MAX + 4];
    struct liaison_peer peer;
    begin(v, "liaison_link_label(m, label)");
    (void)liaison_link_version(m);
    (void)liaison_link_label(m, label);
    CHECK(memchr(label, 0, sizeof label));
    MAY(ALWAYS | SET(LIAISON_BUSY) | SET(LIAISON_EXHAUSTED), liaison_link_set_label(m, "another"));
    begin(v, "liaison_endpoint_holder(m, &peer)");
    liaison_endpoint_holder(m, &peer);
    CHECK(memchr(peer.name, 0, sizeof peer.name) && memchr(peer.command, 0, sizeof peer.command));
    MAY(ALWAYS | SET(LIAISON_MISMATCH) | SET(LIAISON_BUSY) | SET(LIAISON_EXHAUSTED),
        liaison_endpoint_claim(m));
}

static void looks_for_the_dead(struct victim *v)
{
    struct segment *s = victim_segment(v->mailbox);
    if (segment_look(s) == LIAISON_OK)
        (void)(test_random(&v->seed) % 2 ? recover_dead(s) : recover_before_failing(s));
}

void victim_open(struct victim *v)
{
    static const enum liaison_open ways[] = {LIAISON_OPEN, LIAISON_OBSERVE};
    liaison_mailbox *other;
    for (int i = 0; i < 2; i++) {
        if (MAY(OPENS, liaison_mailbox_open(v->space, v->name, ways[i], NULL, &other)) !=
            LIAISON_OK)
            continue;
        struct victim w = *v;
        w.mailbox = other;
        w.kept = false;
        sees_statistics(&w);
        peeks(&w);
        sees_who_is_attached(&w);
        if (ways[i] == LIAISON_OPEN) {
            sends_small(&w);
            receives(&w);
            hears_the_bell(&w);
        }
        v->seed = w.seed;
        begin(v, "liaison_mailbox_close(other)");
        liaison_mailbox_close(other);
    }
}

static void opens_again(struct victim *v)
{
    if (v->closes || test_random(&v->seed) % 8 == 0)
        victim_open(v);
}

static void cleans(struct victim *v)
{
    struct liaison_cleaned cleaned;
    if (v->closes && test_random(&v->seed) % 16 == 0)
        MAY(ALWAYS | SET(LIAISON_FOREIGN),
            liaison_space_clean(v->space, test_random(&v->seed) % 2, &cleaned));
}

static void destroys(struct victim *v)
{
    if (v->closes && test_random(&v->seed) % 64 == 0)
        MAY(ALWAYS | SET(LIAISON_NOT_OWNER),
            liaison_mailbox_destroy(v->mailbox, test_random(&v->seed) % 2));
}

static void (*const operations[])(struct victim *) = {
    sends_small,
    receives,
    sends_with_receipt,
    waits_and_returns,
    sends_large,
    goes_on,
    polls_and_dead_letters,
    discards,
    peeks,
    sees_statistics,
    opens_again,
    sees_who_is_attached,
    hears_the_bell,
    looks_for_the_dead,
    cleans,
    waits_in_a_set,
    destroys,
    hears_of_room,
    asks,
    offers,
    drains,
    is_called,
};
#define OPERATIONS (sizeof operations / sizeof *operations)

void victim_round(struct victim *v, unsigned first)
{
    alarm(60);
    for (unsigned i = 0; i < OPERATIONS; i++)
        operations[(first + i) % OPERATIONS](v);
    v->progress->rounds++;
}
