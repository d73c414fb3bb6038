/* Killed at any instruction of a send, a caller of a board leaves its sleeper awake, or in a state
 * in which the next caller wakes it: also if the sleeper is about to sleep, or has not yet written
 * that it sleeps, and if the next caller is killed, too.
 *
 * The sleeper is simulated: it sleeps on the board's word for ever, where a set would sleep in
 * slices, so that only a call wakes it. It is in the futex call; or right before it, after its last
 * look; or before it takes its marks and arms again; or before it writes that it sleeps. Without
 * --all, a sample of the instructions. */
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "links/available.h"
#include "space/board.h"
#include "space/member.h"
#include "steps/caller.h"
#include "waiting/wait.h"

static liaison_space *space;
static char name[16];
static liaison_mailbox *box;
static bool all;
static unsigned long kills;
static int failures;

/* ---- who sleeps ----------------------------------------------------------------------------- */

/* What it has done, and what it may do. */
enum { ARMED = 1, ARMED_AGAIN, LYING, ON_THE_FUTEX };
struct sleeper {
    pid_t pid;
    volatile int may, has;
    volatile int awake;
    volatile uint64_t board, entry; /* where they are in its memory */
};
static struct sleeper *sleeper;

static void wait_for_leave(int what)
{
    while (sleeper->may < what)
        sched_yield();
}

static bool take_marks(struct board *b)
{
    uint64_t any = 0;
    for (size_t i = 0; i < BOARD_WORDS; i++)
        any |= swap(&b->called[i], 0);
    return any != 0;
}

static int play_the_sleeper(void *context)
{
    uint32_t number, entry;
    (void)context;
    CHECK_OK(liaison_mailbox_open(space, name, LIAISON_OPEN, NULL, &box));
    struct segment *s = box->segment;
    CHECK_OK(board_take(space, &number));
    CHECK_OK(wait_enter(s, RECEIVERS, WAITER_BOARD, board_detail(number, 3), &entry));
    struct board *b = board_at(space, number);
    struct waiter *e = &s->waiters[RECEIVERS][entry];
    sleeper->board = (uintptr_t)b;
    sleeper->entry = (uintptr_t)e;
    sleeper->has = ARMED;
    wait_for_leave(ARMED_AGAIN);
    if (take_marks(b)) {
        announce32(&e->signal, signal_board(glance32(&e->signal)));
        sleeper->awake = mailbox_receivable(box) != LIAISON_EMPTY;
    }
    sleeper->has = ARMED_AGAIN;
    wait_for_leave(LYING);
    uint32_t asleep = board_next(glance32(&b->state)) | BOARD_ASLEEP;
    announce32(&b->state, asleep);
    if (take_marks(b))
        sleeper->awake = 1;
    sleeper->has = LYING;
    wait_for_leave(ON_THE_FUTEX);
    if (!sleeper->awake)
        (void)syscall(SYS_futex, &b->state, FUTEX_WAIT, asleep, NULL, NULL, 0);
    sleeper->awake = 1;
    pause(); /* its entry stays, and its lock */
    return 0;
}

static bool sleeps(void) { return lies_on_the_futex(sleeper->pid, &sleeper->awake); }

static void let_it(int what)
{
    sleeper->may = what;
    while (what != ON_THE_FUTEX && sleeper->has < what)
        sched_yield();
}
static void let_it_sleep(void)
{
    let_it(ON_THE_FUTEX);
    (void)sleeps();
}

static void begin_sleeper(int what)
{
    memset(sleeper, 0, sizeof *sleeper);
    sleeper->may = what;
    sleeper->pid = test_child(play_the_sleeper, NULL);
    let_it(what);
}

static void end_sleeper(void)
{
    kill(sleeper->pid, SIGKILL);
    CHECK(test_wait(sleeper->pid) == -SIGKILL);
}

/* What callers change: the board, and the entry that leads to it. */
struct words {
    uint8_t board[sizeof(struct board)], entry[sizeof(struct waiter)];
};
static struct words words_now(void)
{
    char path[64];
    struct words w;
    snprintf(path, sizeof path, "/proc/%d/mem", sleeper->pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0 && pread(fd, w.board, sizeof w.board, (off_t)sleeper->board) == sizeof w.board &&
          pread(fd, w.entry, sizeof w.entry, (off_t)sleeper->entry) == sizeof w.entry);
    close(fd);
    return w;
}

static void kill_caller(const struct caller *c)
{
    caller_kill(c);
    kills++;
}

/* ---- the trials ----------------------------------------------------------------------------- */

static int create(void *context)
{
    (void)context;
    static const struct liaison_policy policy = {.capacity = 8, .max_message = 16};
    CHECK_OK(liaison_mailbox_open(space, name, LIAISON_CREATE, &policy, &box));
    liaison_mailbox_close(box);
    return 0;
}
static int destroy(void *context)
{
    (void)context;
    CHECK_OK(liaison_mailbox_open(space, name, LIAISON_OBSERVE, NULL, &box));
    CHECK_OK(liaison_mailbox_destroy(box, true));
    return 0;
}

static void begin(int what)
{
    static int number;
    snprintf(name, sizeof name, "b%d", number++);
    CHECK(test_wait(test_child(create, NULL)) == 0);
    begin_sleeper(what);
}

static void call_in_peace(void) { caller_send(space, name); }

/* The sleeper must be awake: a caller that lives has called it. */
static void end(const char *what, unsigned long at, unsigned long and_at)
{
    if (sleeps()) {
        printf("VIOLATION: %s, at instruction %lu and %lu: the next call woke nobody\n", what, at,
               and_at);
        fflush(stdout);
        failures++;
    }
    end_sleeper();
    CHECK(test_wait(test_child(destroy, NULL)) == 0);
}

/* From the instruction before the first change of those words to a while after the last, when the
 * last system call has come back, too: beyond, a caller's death changes nothing. */
static unsigned long first, last;
#define A_WHILE 60
static void find_the_window(void)
{
    begin(LYING);
    let_it_sleep();
    struct words before = words_now();
    struct caller c = caller_begin(space, name);
    first = 0;
    for (unsigned long k = 1; caller_step(&c, 1); k++) {
        struct words now = words_now();
        if (memcmp(&now, &before, sizeof now) == 0)
            continue;
        first = first ? first : k - 1;
        last = k + A_WHILE;
        before = now;
    }
    CHECK(first && last > first);
    kill_caller(&c);
    end("not killed", 0, 0);
}

static void on_the_futex(void)
{
    bool within = true;
    for (unsigned long k = 0; within; k += all || (k + 8 >= first && k <= last) ? 1 : 41) {
        begin(LYING);
        let_it_sleep();
        struct caller c = caller_begin(space, name);
        within = caller_step(&c, k);
        kill_caller(&c);
        call_in_peace();
        end("asleep", k, 0);
    }
}

/* It falls asleep when the caller is at one instruction, which is killed at a later one. */
static void on_its_way(void)
{
    unsigned long width = last - first;
    for (unsigned long k = first; k <= last; k += all ? 1 : 5)
        for (unsigned long on = 0; on <= width && on <= 150; on += all ? 1 : 9) {
            begin(LYING);
            struct caller c = caller_begin(space, name);
            bool within = caller_step(&c, k);
            let_it_sleep();
            within = within && caller_step(&c, on);
            kill_caller(&c);
            call_in_peace();
            end("on its way", k, k + on);
            if (!within)
                break;
        }
}

/* The next caller is killed in its turn. */
static void twice(void)
{
    for (unsigned long k = first; k <= last; k += all ? 2 : 13)
        for (unsigned long j = first; j <= last; j += all ? 2 : 11) {
            begin(LYING);
            let_it_sleep();
            for (int i = 0; i < 2; i++) {
                struct caller c = caller_begin(space, name);
                caller_step(&c, i ? j : k);
                kill_caller(&c);
            }
            call_in_peace();
            end("killed twice", k, j);
        }
}

/* The next call is made before it writes that it sleeps. */
static void still_up(void)
{
    bool within = true;
    for (unsigned long k = first; within; k += all ? 1 : 3) {
        begin(ARMED);
        struct caller c = caller_begin(space, name);
        within = caller_step(&c, k);
        kill_caller(&c);
        call_in_peace();
        let_it(LYING);
        let_it_sleep();
        end("still up", k, 0);
    }
}

/* It takes the marks, arms and looks when the caller is at one instruction. That is killed at a
 * later one, before the next call, or at none: then its own call has to do. */
static void arming_again(void)
{
    for (unsigned long k = first; k <= last; k += all ? 1 : 7)
        for (unsigned long on = 0; on <= 160; on += all ? 2 : 20) {
            bool killed = on < 160;
            begin(ARMED);
            struct caller c = caller_begin(space, name);
            bool within = caller_step(&c, k);
            let_it(ARMED_AGAIN);
            within = within && caller_step(&c, killed ? on : ULONG_MAX);
            kill_caller(&c);
            if (killed)
                call_in_peace();
            let_it(LYING);
            let_it_sleep();
            end("arming again", k, killed ? k + on : 0);
            if (killed && !within)
                break;
        }
}

int main(int argc, char **argv)
{
    stepper_required();
    all = argc > 1 && strcmp(argv[1], "--all") == 0;
    const char *only = argc > 1 + all ? argv[1 + all] : "";
    space = test_space();
    sleeper = shared_memory(sizeof *sleeper);
    static const struct {
        const char *name;
        void (*run)(void);
    } ways[] = {{"asleep", on_the_futex},
                {"on its way", on_its_way},
                {"killed twice", twice},
                {"still up", still_up},
                {"arming again", arming_again}};
    find_the_window();
    printf("the calls are made in instructions %lu to %lu\n", first, last);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        if (!strstr(ways[i].name, only))
            continue;
        unsigned long before = kills;
        ways[i].run();
        printf("%-14s %6lu kills\n", ways[i].name, kills - before);
        fflush(stdout);
    }
    printf("%lu kills; %d violations\n", kills, failures);
    liaison_space_close(space);
    return failures != 0;
}
