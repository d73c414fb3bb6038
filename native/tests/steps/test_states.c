/* At whichever instruction of an operation a process is killed, and at whichever instruction its
 * recovery is killed, the next process finds the messages of before or of after, each once, and no
 * part of the mailbox is lost.
 *
 * Each operation is single-stepped once and every state that the segment passes through is kept.
 * Each must satisfy the checker as it is; a new process must be able to recover it, receive
 * everything, fill it and receive everything again; and a recovery is watched in the same way: yet
 * another process recovers each state that it passes through. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "steps/world.h"

#define ANY(n) {.capacity = (n)}
#define MEMORY {.capacity = 4, .memory = 64 * 1024}
#define GROWS {.capacity = 2}
#define MORE(n) {.capacity = CELLS_STEP + (n)}
#define FIXED {.capacity = 2, .max_message = 200}
#define EXCLUSIVE {.capacity = 3, .access = LIAISON_EXCLUSIVE}
#define PAIR {.capacity = 3, .access = LIAISON_PAIR}
#define RENDEZVOUS {.capacity = 0}
#define PORT(n) {.kind = LIAISON_KIND_PORT, .capacity = (n), .max_message = 60}
#define LETTERS(n)                                                                                 \
    {.kind = LIAISON_KIND_PORT, .capacity = (n), .max_message = 60, .dead_letters = "dead"}
#define SENDERS_PORT                                                                               \
    {.kind = LIAISON_KIND_PORT,                                                                    \
     .capacity = 3,                                                                                \
     .max_message = 60,                                                                            \
     .lifetime = LIAISON_LIFETIME_SENDERS,                                                         \
     .dead_letters = "dead"}

/* clang-format off */
static const struct scenario scenarios[] = {
    {"send, empty", ANY(4), {{0}}, "", "+X", "> X1"},
    {"send, one waiting", ANY(4), {{"+A", LEAVES}}, "", "+X", "A1 > A1 X1"},
    {"send, a dead sender's waiting", ANY(4), {{"+A", DIES}}, "", "+X", "A1 > A1 X1"},
    {"send, a living sender's waiting", ANY(4), {{"+A", STAYS}}, "", "+X", "A1 > A1 X1"},
    {"send, full", ANY(3), {{"+A+B+C", LEAVES}}, "", "+X", "A1 B1 C1"},
    {"send, one place left", ANY(3), {{"+A+B", LEAVES}}, "", "+X", "A1 B1 > A1 B1 X1"},
    {"send, wrapped round", ANY(3), {{"w+A", LEAVES}}, "", "+X", "A1 > A1 X1"},
    {"send, at the ring's end", ANY(3), {{"v", LEAVES}}, "", "+X+Y", "> X1 > X1 Y1"},
    {"send, leases of the dead", ANY(3), {{"+A+B<", DIES}}, "", "+X", "A2 B1 > A2 B1 X1"},
    {"send, leases of the living", ANY(3), {{"+A+B<", STAYS}}, "", "+X", "B1 (A) > B1 X1 (A)"},
    {"send, returned waiting", ANY(3), {{"+A+B<~", LEAVES}}, "", "+X", "A2 B1 > A2 B1 X1"},
    {"send, full of the dead's, waiting", ANY(1), {{"+A<", DIES}}, "", "$X", "A2"},
    {"send, loans of the dead, waiting", ANY(1), {{"*A", DIES}}, "", "$X", "> X1"},
    {"send, full, waiting", ANY(1), {{"+A", LEAVES}}, "", "$X", "A1"},
    {"send, a sleeper", ANY(4), {{"[", SLEEPS_AND_STAYS}}, "", "+X", "> X1"},
    {"send, a dead sleeper", ANY(4), {{"[", SLEEPS_AND_DIES}}, "", "+X", "> X1"},
    {"send, two dead sleepers and one", ANY(4),
     {{"[", SLEEPS_AND_DIES}, {"[", SLEEPS_AND_DIES}, {"[", SLEEPS_AND_STAYS}}, "", "+X", "> X1"},
    {"send, a doorbell", ANY(4), {{"@", STAYS}}, "", "+X", "> X1"},
    {"send, a dead doorbell", ANY(4), {{"@", DIES}}, "", "+X", "> X1"},
    {"send, a set", ANY(4), {{"W", SLEEPS_AND_STAYS}}, "", "+X", "> X1"},
    {"send, a dead set", ANY(4), {{"W", SLEEPS_AND_DIES}}, "", "+X", "> X1"},
    {"send, a set that nobody waits in", ANY(4), {{"q", STAYS}}, "", "+X", "> X1"},
    {"send, a set and a sleeper", ANY(4), {{"W", SLEEPS_AND_STAYS}, {"[", SLEEPS_AND_STAYS}}, "", "+X", "> X1"},
    {"loan", ANY(4), {{"+A", LEAVES}}, "", "*X", "A1"},
    {"send a loan", ANY(4), {{"+A", LEAVES}}, "*X", "=", "A1 > A1 X1"},
    {"send one of two loans", ANY(4), {{"+A", LEAVES}}, "*X*Y", "=", "A1 > A1 X1"},
    {"discard", ANY(4), {{"+A", LEAVES}}, "*X", "-", "A1"},
    {"discard, a sleeping sender", ANY(1), {{0}}, "*X", "-", ""},
    {"send twice", ANY(4), {{0}}, "", "+X+Y", "> X1 > X1 Y1"},

    {"take", ANY(4), {{"+A+B", LEAVES}}, "", "<", "A1 B1 > A2 B1"},
    {"take, own", ANY(4), {{0}}, "+A", "<", "A1 > A2"},
    {"take, a dead sender's", ANY(4), {{"+A", DIES}}, "", "<", "A1 > A2"},
    {"take, a living sender's", ANY(4), {{"+A", STAYS}}, "", "<", "A1 > A2"},
    {"take, empty", ANY(4), {{0}}, "", "<", ""},
    {"take, wrapped round", ANY(4), {{"w+A+B", LEAVES}}, "", "<", "A1 B1 > A2 B1"},
    {"take, the last of the ring", ANY(4), {{"v", LEAVES}}, "+A", "<", "A1 > A2"},
    {"take, returned", ANY(4), {{"+A+B<~", LEAVES}}, "", "<", "A2 B1 > A3 B1"},
    {"take, two returned out of order", ANY(4), {{"+A+B+C<<", LEAVES}}, "", "<", "A2 B2 C1 > A3 B2 C1"},
    {"take, leases of the dead", ANY(4), {{"+A+B<", DIES}}, "", "<", "A2 B1 > A3 B1"},
    {"take, leases of the living", ANY(4), {{"+A+B<", STAYS}}, "", "<", "B1 (A) > B2 (A)"},
    {"take, full", ANY(2), {{"+A+B", LEAVES}}, "", "<", "A1 B1 > A2 B1"},
    {"take, waiting", ANY(2), {{0}}, "", "{", ""},
    {"take, waiting, dead sleepers", ANY(2), {{"[", SLEEPS_AND_DIES}}, "", "{", ""},
    {"take, waiting, the dead hold all", ANY(1), {{"+A<h", DIES}}, "", "{", "A2 > A3"},
    {"take, sleeping senders", ANY(1), {{"+A", LEAVES}, {"]B", SLEEPS_AND_STAYS}}, "", "<", "A1 > A2"},
    {"take two", ANY(4), {{"+A+B", LEAVES}}, "", "<<", "A1 B1 > A2 B1 > A2 B2"},
    {"hold", ANY(4), {{"+A", LEAVES}, {"[[", SLEEPS_AND_STAYS}}, "", "h", "(A)"},
    {"hold, alone", ANY(4), {{"+A", LEAVES}}, "<", "hu", "A2"},

    {"acknowledge", ANY(4), {{"+A+B", LEAVES}}, "<", "!", "A2 B1 > B1"},
    {"acknowledge the second", ANY(4), {{"+A+B", LEAVES}}, "<<~<", "!", "A3 B2 > A3"},
    {"acknowledge, sleeping senders", ANY(1), {{"+A", LEAVES}, {"]B", SLEEPS_AND_STAYS}}, "<", "!", "A2 >"},
    {"acknowledge, dead senders", ANY(1), {{"+A", LEAVES}, {"]B", SLEEPS_AND_DIES}}, "<", "!", "A2 >"},
    {"dead-letter", ANY(4), {{"+A+B", LEAVES}}, "<", "^", "A2 B1 > B1"},
    {"release", ANY(4), {{"+A+B", LEAVES}}, "<", "~", "A2 B1"},
    {"release, a sleeper", ANY(4), {{"[", SLEEPS_AND_STAYS}}, "+A<", "~", "A2"},
    {"take and acknowledge", ANY(4), {{"+A+B", LEAVES}}, "", "<!", "A1 B1 > A2 B1 > B1"},
    {"take and release", ANY(4), {{"+A+B", LEAVES}}, "", "<~", "A1 B1 > A2 B1"},

    {"open", ANY(4), {{"+A", LEAVES}}, "O", "o", "A1"},
    {"open, the dead attached", ANY(4), {{"[", SLEEPS_AND_DIES}, {"+A<", DIES}}, "O", "o", "A2"},
    {"open a pair", PAIR, {{"+A", LEAVES}}, "O", "o", "A1"},
    {"open a pair of the dead", PAIR, {{"+A+B", DIES}, {"<", DIES}}, "O", "o", "A2 B1"},
    {"open a pair, the dead asleep", PAIR, {{"[", SLEEPS_AND_DIES}, {"[", SLEEPS_AND_DIES}}, "O", "o", ""},
    {"close", ANY(4), {{"+A", LEAVES}}, "", "c", "A1"},
    {"close, holding", ANY(4), {{"+A+B", LEAVES}}, "<*X", "c", "A2 B1"},
    {"close, holding all, a sleeper", ANY(4), {{"[", SLEEPS_AND_STAYS}}, "+A<*X", "c", "A2"},
    {"close, with a doorbell", ANY(4), {{0}}, "@", "c", ""},
    {"close, what was sent", ANY(4), {{0}}, "+A+B", "c", "A1 B1"},
    {"close, with a set", ANY(4), {{0}}, "q", "c", ""},
    {"sweep, dead sets", ANY(4), {{"W", SLEEPS_AND_DIES}, {"+A<", DIES}, {"q", DIES}}, "", "r", "A2"},
    {"interrupt, a set", ANY(4), {{"W", SLEEPS_AND_STAYS}}, "q", "i", ""},
    {"interrupt", ANY(4), {{"[", SLEEPS_AND_STAYS}}, "", "i", ""},
    {"sweep", ANY(4), {{"+A+B+C<", DIES}, {"<*Y", DIES}, {"@", DIES}}, "", "r", "A3 B1 C1"},
    {"sweep, sleepers", ANY(2), {{"[", SLEEPS_AND_DIES}, {"[", SLEEPS_AND_STAYS}}, "", "r", ""},

    {"send in the arena", MEMORY, {{0}}, "", "+X3000", "> X1"},
    {"send in the arena, beside", MEMORY, {{"+A2000+B5000", LEAVES}}, "", "+X3000", "A1 B1 > A1 B1 X1"},
    {"send in the arena, between", MEMORY, {{"+A5000+B5000<!", LEAVES}}, "", "+X3000", "B1 > B1 X1"},
    {"send in the arena, in one piece", MEMORY, {{"+A1000+B1000<!<!", LEAVES}}, "", "+X16384", "> X1"},
    {"send in the arena, no room", MEMORY, {{"+A60000", LEAVES}}, "", "+X9000", "A1"},
    {"send in the arena, too parted", MEMORY, {{"+A1000+B1000+C1000<!<!", LEAVES}}, "", "+X60000", "C1 > C1 X1"},
    {"send all of the arena", MEMORY, {{"+A1000+B20000<!<!", LEAVES}}, "", "+X65536", "> X1"},
    {"loan in the arena, the dead's", MEMORY, {{"*A30000", DIES}}, "", "*X60000", ""},
    {"send in the arena, probing dead", MEMORY, {{"*A1000*B1000", DIES}}, "", "$X16384", "> X1"},
    {"take from the arena", MEMORY, {{"+A3000+B9000", LEAVES}}, "", "<", "A1 B1 > A2 B1"},
    {"acknowledge in the arena", MEMORY, {{"+A3000+B9000", LEAVES}}, "<", "!", "A2 B1 > B1"},
    {"release in the arena", MEMORY, {{"+A3000+B9000", LEAVES}}, "<", "~", "A2 B1"},
    {"discard in the arena", MEMORY, {{0}}, "*X9000", "-", ""},
    {"send, the arena begins", GROWS, {{0}}, "", "+X3000", "> X1"},
    {"send, the arena grows", GROWS, {{"+A50000", LEAVES}}, "", "+X30000", "A1 > A1 X1"},
    {"send, more places", MORE(2), {{"f", STAYS}}, "", "+X", "> X1"},
    {"send, more places, one taken", MORE(2), {{"f+A", STAYS}}, "", "+X", "A1 > A1 X1"},
    {"send, no more places", MORE(1), {{"f+A", STAYS}}, "", "+X", "A1"},
    {"send, more places, the dead's", MORE(2), {{"f", DIES}}, "", "+X", "> X1"},
    {"take from more places", MORE(2), {{"f+A+B", STAYS}}, "", "<!", "A1 B1 > A2 B1 > B1"},
    {"release in more places", MORE(2), {{"f+A+B", STAYS}}, "<", "~", "A2 B1"},
    {"sweep, more places", MORE(3), {{"f", STAYS}, {"+A+B<*C", DIES}}, "", "r", "A2 B1"},
    {"send, of fixed size", FIXED, {{"+A200", LEAVES}}, "", "+X200", "A1 > A1 X1"},

    {"send with a receipt", ANY(3), {{"+A", LEAVES}}, "", "%X", "A1 > A1 X1"},
    {"send with a dead's receipt", ANY(3), {{"%A", DIES}}, "", "%X", "A1 > A1 X1"},
    {"take with a receipt", ANY(3), {{"%A", STAYS}}, "", "<", "A1 > A2"},
    {"take with a dead's receipt", ANY(3), {{"%A", DIES}}, "", "<", "A1 > A2"},
    {"acknowledge with a receipt", ANY(3), {{"%A", STAYS}}, "<", "!", "A2 >"},
    {"dead-letter with a receipt", ANY(3), {{"%A", STAYS}}, "<", "^", "A2 >"},
    {"wait on a receipt", ANY(3), {{0}}, "%A", "?", "A1"},
    {"drop a receipt", ANY(3), {{0}}, "%A", "/", "A1"},

    {"take a turn", EXCLUSIVE, {{"+A+B", LEAVES}}, "", "<", "A1 B1 > A2 B1"},
    {"take a turn, empty", EXCLUSIVE, {{0}}, "", "<", ""},
    {"take a turn, waiting", EXCLUSIVE, {{0}}, "", "{", ""},
    {"take a dead's turn", EXCLUSIVE, {{"+A+B<", DIES}}, "", "<", "A2 B1 > A3 B1"},
    {"acknowledge in turn", EXCLUSIVE, {{"+A+B", LEAVES}}, "<", "!", "A2 B1 > B1"},
    {"acknowledge one of two in turn", EXCLUSIVE, {{"+A+B", LEAVES}}, "<<", "!", "A2 B2 > B2"},
    {"release in turn", EXCLUSIVE, {{"+A+B", LEAVES}}, "<", "~", "A2 B1"},
    {"close in turn", EXCLUSIVE, {{"+A+B", LEAVES}}, "<", "c", "A2 B1"},
    {"pair: send", PAIR, {{"<", STAYS}}, "", "+X", "> X1"},
    {"pair: take", PAIR, {{"+A", STAYS}}, "", "<", "A1 > A2"},

    {"wait in a set", ANY(3), {{0}}, "", "q", ""},
    {"wait in a set, armed", ANY(3), {{0}}, "q", "q", ""},
    {"wait in a set, a message", ANY(3), {{"+A", LEAVES}}, "", "q", "A1"},
    {"wait in a set, the dead's", ANY(3), {{"+A<h", DIES}}, "", "q", "A2"},
    {"ask for a doorbell", ANY(3), {{0}}, "", "@", ""},
    {"ask for a doorbell, waiting", ANY(3), {{"+A", LEAVES}}, "", "@", "A1"},
    {"take, arming the doorbell", ANY(3), {{0}}, "@", "<", ""},
    {"ask whether there is one", ANY(3), {{"+A", LEAVES}}, "@", "y", "A1"},
    {"ask whether there is one, none", ANY(3), {{0}}, "@", "y", ""},
    {"ask, the dead hold it", ANY(3), {{"+A<", DIES}}, "@", "y", "A2"},
    {"ask for a senders' doorbell", ANY(1), {{"+A", LEAVES}}, "", "a", "A1"},
    {"ask for it again", ANY(1), {{"+A", LEAVES}}, "a", "a", "A1"},
    {"acknowledge, a sender's doorbell", ANY(1), {{"+A", LEAVES}, {"a", STAYS}}, "<", "!", "A2 >"},
    {"acknowledge, a dead sender's doorbell", ANY(1), {{"+A", LEAVES}, {"a", DIES}}, "<", "!", "A2 >"},
    {"close, with a senders' doorbell", ANY(4), {{0}}, "a", "c", ""},
    {"sweep a senders' doorbell", ANY(1), {{"+Aa", DIES}}, "", "r", "A1"},

    {"rendezvous: nobody there", RENDEZVOUS, {{0}}, "", "+X", ""},
    /* If the sender dies while it takes its message back, the message is taken back: it was never
     * delivered. */
    {"rendezvous: nobody comes", RENDEZVOUS, {{0}}, "", "$X", "> X1 >"},
    {"rendezvous: nobody comes, two", RENDEZVOUS, {{"]A", SLEEPS_AND_STAYS}}, "", "$X", "A1 > A1 X1 > A1"},
    {"rendezvous: a stopped receiver", RENDEZVOUS, {{"[", SLEEPS_AND_STAYS}}, "", "$X", "> X1 >"},
    {"rendezvous: offer", RENDEZVOUS, {{0}}, "", "&X", "> X1"},
    {"rendezvous: offer, a sleeper", RENDEZVOUS, {{"[", SLEEPS_AND_STAYS}}, "", "&X", "> X1"},
    {"rendezvous: offer, another's there", RENDEZVOUS, {{"&A", STAYS}}, "", "&X", "A1 > A1 X1"},
    {"rendezvous: withdraw", RENDEZVOUS, {{0}}, "&X", "_", "X1 >"},
    {"rendezvous: withdraw and offer", RENDEZVOUS, {{0}}, "&X", "_&Y", "X1 > > Y1"},
    {"rendezvous: withdraw what was taken", RENDEZVOUS, {{0}}, "&X<", "_", "X2"},
    {"rendezvous: take an offer", RENDEZVOUS, {{"&A", STAYS}}, "", "<!", "A1 > A2 >"},
    {"rendezvous: take a dead's offer", RENDEZVOUS, {{"&A", DIES}}, "", "<", "A1 > A2"},
    {"rendezvous: offer, a doorbell", RENDEZVOUS, {{"@", STAYS}}, "", "&X", "> X1"},
    {"rendezvous: take, an offerer's doorbell", RENDEZVOUS, {{"&Aa", STAYS}}, "", "<", "A1 > A2"},
    {"rendezvous: take", RENDEZVOUS, {{"]A", SLEEPS_AND_STAYS}}, "", "<", "A1 > A2"},
    {"rendezvous: take a dead's", RENDEZVOUS, {{"]A", SLEEPS_AND_DIES}}, "", "<", "A1 > A2"},
    {"rendezvous: acknowledge", RENDEZVOUS, {{"]A", SLEEPS_AND_STAYS}}, "<", "!", "A2 >"},
    {"rendezvous: release", RENDEZVOUS, {{"]A", SLEEPS_AND_STAYS}}, "<", "~", "A2"},
    {"rendezvous: take, nobody", RENDEZVOUS, {{0}}, "", "{", ""},

    /* The receiver of a port is its creator: the process that is ready by `p`, or the first of
     * those before. */
    {"port: send", LETTERS(3), {{"p+A", STAYS}}, "", "+X", "A1 > A1 X1"},
    {"port: send, a sleeping receiver", LETTERS(3), {{"p[", SLEEPS_AND_STAYS}}, "", "+X", "> X1"},
    {"port: send, without dead letters", PORT(3), {{"p+A", STAYS}}, "", "+X", "A1 > A1 X1"},
    {"port: send, the receiver dead", LETTERS(3), {{"p+A<+B", DIES_LAST}}, "", "+X", "A2 B1"},
    {"port: send, full, the receiver dead", LETTERS(1), {{"p+A<", DIES_LAST}}, "", "$X", "A2"},
    {"port: send, a dead one's, no letters", PORT(3), {{"p+A", DIES_LAST}}, "", "+X", "gone"},
    {"port: send, all blocked, it is dead", LETTERS(1), {{"p+A", DIES_LAST}, {"]B", SLEEPS_AND_STAYS}}, "", "$X", "A1"},
    {"port: send, dead blocked, it is dead", LETTERS(1), {{"p+A", DIES_LAST}, {"]B", SLEEPS_AND_DIES}}, "", "$X", "A1"},
    {"port: wait on a receipt, it is dead", LETTERS(2), {{"p", DIES_LAST}}, "%X", "?", "X1"},
    {"port: open", LETTERS(3), {{"p+A", STAYS}}, "O", "t", "A1"},
    {"port: open a dead one's", LETTERS(3), {{"p+A<+B", DIES}}, "O", "t", "A2 B1"},
    {"port: open a dead one's, no letters", PORT(3), {{"p+A", DIES}}, "O", "t", "gone"},
    {"port: take", LETTERS(3), {{0}}, "p+A+B", "<", "A1 B1 > A2 B1"},
    {"port: take, waiting", LETTERS(3), {{0}}, "p", "{", ""},
    {"port: take and acknowledge", LETTERS(3), {{0}}, "p+A+B", "<!", "A1 B1 > A2 B1 > B1"},
    {"port: take, a sleeping sender", LETTERS(1), {{"]B", SLEEPS_AND_STAYS}}, "p+A", "<!", "A1 > A2 >"},
    {"port: end", LETTERS(3), {{0}}, "p+A+B<", "e", "A2 B1"},
    {"port: end, without dead letters", PORT(3), {{0}}, "p+A+B<", "e", "gone"},
    {"port: end, blocked senders", LETTERS(1), {{"]B", SLEEPS_AND_STAYS}, {"]C", SLEEPS_AND_DIES}}, "p+A", "e", "A1"},
    {"port: end, senders' doorbells", LETTERS(1), {{"a", STAYS}, {"a", DIES}}, "p+A", "e", "A1"},
    {"port: acknowledge after its end", LETTERS(3), {{0}}, "p+A+B<e", "!", "A2 B1 > B1"},
    {"port: release after its end", LETTERS(3), {{0}}, "p+A+B<e", "~", "A2 B1"},
    {"port: close", LETTERS(3), {{0}}, "p+A+B<", "c", "A2 B1"},
    {"port: close, with a doorbell", LETTERS(3), {{0}}, "p+A@", "c", "A1"},
    {"port: begin to drain", LETTERS(3), {{"p+A<+B", DIES}}, "O", "b", "A2 B1"},
    {"port: begin after a dead one", LETTERS(3), {{"p+A+B", DIES}, {"bd", DIES}}, "O", "b", "A2 B1"},
    {"port: begin beside a living one", LETTERS(3), {{"p+A", DIES}, {"b", STAYS}}, "O", "b", "A1"},
    {"port: drain one of two", LETTERS(3), {{"p+A<+B", DIES}}, "b", "d^", "A2 B1 > A3 B1 > B1"},
    {"port: drain the last", LETTERS(3), {{"p+A", DIES}}, "b", "d^d", "A1 > A2 > > gone"},
    {"port: drain, full", LETTERS(2), {{"p+A+B", DIES}}, "b", "d^d^d", "A1 B1 > A2 B1 > B1 > B2 > > gone"},
    {"port: drain nothing", LETTERS(3), {{"p", DIES}}, "b", "d", "> gone"},
    {"port: drain, wrapped round", LETTERS(3), {{"pw+A", DIES}}, "b", "d^d", "A1 > A2 > > gone"},
    {"port: drain beside the living", LETTERS(3), {{"p+A+B<e", STAYS}}, "b", "d^d", "B1 (A) > B2 (A) > (A)"},
    {"port: end and drain, beside loans", LETTERS(3), {{"*B", STAYS}, {"*C", DIES}}, "p+A", "ebg", "A1 > A2 > > gone"},
    {"port: put back a dead letter", LETTERS(3), {{"p+A", DIES}}, "bd", "~", "A2"},
    {"port: close while forwarding", LETTERS(3), {{"p+A+B", DIES}}, "bd", "c", "A2 B1"},
    {"port: sweep a dead drainer", LETTERS(3), {{"p+A", DIES}, {"bd", DIES}}, "Ob", "r", "A2"},
    {"port: the last sender leaves", SENDERS_PORT, {{"p", STAYS}}, "+X", "c", "X1"},
    {"port: a sender comes", SENDERS_PORT, {{"p[", SLEEPS_AND_STAYS}}, "O", "t", ""},
    {"port: take, the last sender gone", SENDERS_PORT, {{"+A", LEAVES}}, "p", "<!<", "A1 > A2 >"},
    {"port: take, the last sender dead", SENDERS_PORT, {{"+A", DIES}}, "p", "<!<", "A1 > A2 >"},
    {"port: wait, the last sender dead", SENDERS_PORT, {{"+A", DIES}}, "p", "<![", "A1 > A2 >"},
    {"port: ask, the last sender gone", SENDERS_PORT, {{"+A", LEAVES}}, "p", "<!y", "A1 > A2 >"},
};
/* clang-format on */
#define SCENARIOS (sizeof scenarios / sizeof *scenarios)

/* More than any operation or recovery passes through; reaching it is a failure. */
#define STATES 400
#define INSTRUCTIONS 400000

struct states {
    struct world *world;
    size_t size;
    uint8_t *image; /* STATES of them, shared with those who add to it */
    volatile int *count;
};
static struct states operation, recovery;
static uint64_t *checked; /* hashes of the states that were verified, of this scenario */
static size_t checked_count, checked_size;
static unsigned long instructions, first_depth, second_depth;
static int failures;

static uint8_t *state(const struct states *s, int i) { return s->image + (size_t)i * s->size; }

/* Keeps the segment as it is now, if that is not as it was last. */
static bool keep(struct states *s)
{
    const struct watched *w = &s->world->watched;
    int n = *s->count;
    if (n > 0 && image_same(w, state(s, n - 1)))
        return false;
    CHECK(n < STATES);
    image_take(w, state(s, n));
    *s->count = n + 1;
    return true;
}

static bool seen_before(uint64_t hash)
{
    for (size_t i = 0; i < checked_count; i++)
        if (checked[i] == hash)
            return true;
    if (checked_count == checked_size) {
        checked_size = checked_size ? checked_size * 2 : 1024;
        checked = realloc(checked, checked_size * sizeof *checked);
        CHECK(checked);
    }
    checked[checked_count++] = hash;
    return false;
}

static void violation(const struct world *w, const char *where, int first, int second,
                      const char *what)
{
    printf("VIOLATION in '%s', %s, state %d", w->scenario->name, where, first);
    if (second >= 0)
        printf(".%d", second);
    printf(": %s\n", what);
    fflush(stdout);
    failures++;
}

/* ---- the operation's states ---------------------------------------------------------------- */

/* The part of the scenario's story that says what there is after `changes` of it. */
static bool part_of(const char *story, int changes, char part[STORY])
{
    for (; changes > 0; changes--) {
        story = strchr(story, '>');
        if (!story)
            return false;
        story++;
    }
    while (*story == ' ')
        story++;
    size_t n = strcspn(story, ">");
    while (n > 0 && story[n - 1] == ' ')
        n--;
    memcpy(part, story, n);
    part[n] = 0;
    return true;
}

static void watch_operation(struct world *w, struct watched_process p)
{
    struct witness witness = world_witness(w);
    char now[STORY], expected[STORY], next[STORY];
    const char *s;
    int changes = 0;
    CHECK(part_of(w->scenario->story, 0, expected));
    *operation.count = 0;
    unsigned long steps = 0;
    do {
        CHECK(++steps < INSTRUCTIONS); /* or it spins */
        if (!keep(&operation))
            continue;
        int n = *operation.count - 1;
        if ((s = invariants_always(&witness)))
            violation(w, "killed", n, -1, s);
        invariants_story(&witness, now);
        if (strcmp(now, expected) == 0)
            continue;
        if (part_of(w->scenario->story, changes + 1, next) && strcmp(now, next) == 0) {
            changes++;
            memcpy(expected, next, sizeof expected);
            continue;
        }
        char text[2 * STORY + 40];
        snprintf(text, sizeof text, "'%s' where '%s' was to be", now, expected);
        violation(w, "killed", n, -1, text);
        break;
    } while (stepper_step(p.pid, p.shared));
    instructions += steps;
    if (part_of(w->scenario->story, changes + 1, next))
        violation(w, "at the end", *operation.count, -1, "it did not come to what it should");
    if (!image_rest_unchanged(&w->watched))
        violation(w, "at the end", *operation.count, -1,
                  "something was written that is not watched");
    stepper_kill(p.pid);
}

/* ---- recovery's states ------------------------------------------------------------------ */

static int *forwarded; /* messages, at each state; shared with who recovers */
static int forwarded_by_now;

static void recovery_changed(void)
{
    if (keep(&recovery))
        forwarded[*recovery.count - 1] = forwarded_by_now;
}
static void one_more_forwarded(char letter)
{
    (void)letter;
    forwarded_by_now++;
}

static int recover_watched(void *context)
{
    struct world *w = context;
    struct actor a = {.space = w->space, .name = w->name};
    bool port = w->scenario->policy.kind == LIAISON_KIND_PORT;
    a.forwarding = port ? one_more_forwarded : NULL;
    script_run(&a, port ? "" : "o");
    keep(&recovery);
    /* Whether there is something to drain, it finds out by trying. */
    script_run(&a, port ? "b" : "");
    script_sweep_watched(&a, port ? "g" : "", recovery_changed);
    return 0;
}

/* Of a port that is being drained: whether the story now lacks no more than what was forwarded, the
 * oldest first, and has lost nothing else. */
static bool shorter_by(const char *story, const char *now, int forwarded)
{
    if (strcmp(now, "gone") == 0)
        now = "";
    while (*story && *now != *story && forwarded-- > 0) {
        story += strcspn(story, " ");
        story += *story == ' ';
    }
    for (; *story && *now == *story; story += *story == ' ', now += *now == ' ') {
        story += strcspn(story, " ");
        now += strcspn(now, " ");
    }
    return !*story && !*now;
}

static void watch_recovery(struct world *w, int first, const char *story)
{
    struct witness witness = world_witness(w);
    char now[STORY];
    const char *s;
    *recovery.count = 0;
    memset(forwarded, 0, STATES * sizeof *forwarded);
    world_name(w);
    image_put(&w->watched, state(&operation, first));
    int r = test_wait(test_child(recover_watched, w));
    if (r != 0)
        violation(w, "recovering", first, -1, "the recovering process died by itself");
    for (int i = 0; i < *recovery.count; i++) {
        if (seen_before(image_hash(&w->watched, state(&recovery, i))))
            continue;
        second_depth++;
        image_put(&w->watched, state(&recovery, i));
        s = invariants_always(&witness);
        if (!s) {
            invariants_story(&witness, now);
            bool port = w->scenario->policy.kind == LIAISON_KIND_PORT && strcmp(story, "gone") != 0;
            bool same = port ? shorter_by(story, now, forwarded[i]) : strcmp(now, story) == 0;
            s = same ? world_verify(w, now) : "recovery changed the story";
        }
        if (s)
            violation(w, "killed in recovery", first, i, s);
    }
}

/* Whether an observer, before any recovery, counts every message of the story, and no other. */
static const char *counted(const struct world *w, const char *story)
{
    static char text[80];
    struct liaison_info info;
    struct liaison_user users[1];
    struct liaison_statistics now;
    size_t count, messages = *story != 0;
    int names;
    if (strcmp(story, "gone") == 0)
        return NULL;
    for (const char *c = story; *c; c++)
        messages += *c == ' ';
    world_name((struct world *)w);
    CHECK_OK(liaison_space_directory(w->space, LIAISON_SPACE_NAMES, &names));
    int r = liaison_space_look(w->space, names, w->name, &info, users, 1, &count, &now);
    close(names);
    if (r != LIAISON_OK)
        return "it cannot be looked at";
    snprintf(text, sizeof text, "%u wait and %u are leased, of %zu", now.waiting, now.leased,
             messages);
    return now.waiting + now.leased == messages ? NULL : text;
}

static void explore(liaison_space *space, const struct scenario *scenario)
{
    struct world w;
    struct witness witness;
    char story[STORY];
    world_build(&w, space, scenario);
    struct watched_process p = world_start(&w, scenario->ready, scenario->operate);
    operation.world = recovery.world = &w;
    operation.size = recovery.size = image_size(&w.watched);
    operation.image = shared_memory(STATES * operation.size);
    recovery.image = shared_memory(STATES * recovery.size);
    checked_count = 0;
    unsigned long steps = instructions, first = first_depth, second = second_depth;
    watch_operation(&w, p);
    witness = world_witness(&w);
    for (int i = 0; i < *operation.count; i++) {
        if (seen_before(image_hash(&w.watched, state(&operation, i))))
            continue;
        first_depth++;
        image_put(&w.watched, state(&operation, i));
        invariants_story(&witness, story);
        const char *s = counted(&w, story);
        if (!s)
            s = world_verify(&w, story);
        if (s)
            violation(&w, "killed", i, -1, s);
        else
            watch_recovery(&w, i, story);
    }
    printf("%-36s %6lu instructions %4lu states %5lu of recovery\n", scenario->name,
           instructions - steps, first_depth - first, second_depth - second);
    shared_memory_free(operation.image, STATES * operation.size);
    shared_memory_free(recovery.image, STATES * recovery.size);
    world_end(&w);
}

int main(int argc, char **argv)
{
    stepper_required();
    liaison_space *space = test_space();
    operation.count = shared_memory(sizeof(int));
    recovery.count = shared_memory(sizeof(int));
    forwarded = shared_memory(STATES * sizeof *forwarded);
    for (size_t i = 0; i < SCENARIOS; i++)
        if (argc < 2 || strstr(scenarios[i].name, argv[1]))
            explore(space, &scenarios[i]);
    printf("%lu instructions of %zu operations stepped; %lu states of them and %lu of their "
           "recovery checked; %d violations\n",
           instructions, SCENARIOS, first_depth, second_depth, failures);
    liaison_space_close(space);
    return failures != 0;
}
