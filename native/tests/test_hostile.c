/* Whichever word of a live segment is changed to whichever value: its users get a documented result
 * in bounded time, and survive.
 *
 * Two ways. One word (or a few) is changed between two operations of a single thread, every
 * operation is done, the memory is put back, and so on: what is found can be repeated. Then a
 * process writes while the threads of another work.
 *
 * LIAISON_MUTATIONS says how many of the first kind there are in all. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/process.h"
#include "links/port.h"
#include "space/table.h"
#include "victim.h"
#include "waiting/wait.h"

#if defined(__SANITIZE_THREAD__)
#define RACES false
#else
#define RACES true
#endif

/* The build that finds most does the numbers; the others are here for the code that only they
 * have. */
#if defined(__SANITIZE_ADDRESS__)
#define MUTATIONS 600000
#else
#define MUTATIONS 30000
#endif

struct scenario {
    const char *name;
    struct liaison_policy policy;
};
static const struct scenario scenarios[] = {
    {"any", {.capacity = 8, .memory = 65536}},
    {"fixed", {.capacity = 3, .max_message = 100}},
    {"exclusive", {.capacity = 8, .memory = 65536, .access = LIAISON_EXCLUSIVE}},
    {"pair", {.capacity = 8, .memory = 16384, .access = LIAISON_PAIR}},
    {"rendezvous", {.capacity = 0, .memory = 65536}},
    {"growing", {.capacity = CELLS_STEP + 70}},
    {"port", {.kind = LIAISON_KIND_PORT, .capacity = 6, .memory = 65536, .dead_letters = "dead"}},
    {"port, ended",
     {.kind = LIAISON_KIND_PORT,
      .capacity = 6,
      .max_message = 100,
      .lifetime = LIAISON_LIFETIME_SENDERS,
      .dead_letters = "dead"}},
    {"endpoint", {.kind = LIAISON_KIND_ENDPOINT, .capacity = 6, .pair_capacity = -1}},
};
#define SCENARIOS (sizeof scenarios / sizeof *scenarios)

/* ---- what is changed ------------------------------------------------------------------ */

/* The words that exist, as one list: of the segment, and of the page of the members file
 * that processes share. */
struct target {
    struct {
        uint8_t *base;
        uint64_t words;
    } part[4];
    unsigned parts;
    uint64_t words;
    uint64_t dictionary[16];
};

static void add_part(struct target *t, uint8_t *base, uint64_t bytes)
{
    t->part[t->parts].base = base;
    t->part[t->parts++].words = bytes / 8;
    t->words += bytes / 8;
}

static word64 *word_of(struct target *t, uint64_t i)
{
    for (unsigned p = 0;; p++) {
        if (i < t->part[p].words)
            return (word64 *)t->part[p].base + i;
        i -= t->part[p].words;
    }
}

#define VALUES 96u
static uint64_t value_of(const struct target *t, uint64_t old, unsigned k)
{
    const uint64_t low = 0xffffffff, high = low << 32;
    if (k < 64)
        return old ^ UINT64_C(1) << k;
    switch (k - 64) {
    case 0:
        return 0;
    case 1:
        return ~UINT64_C(0);
    case 2:
        return UINT64_C(1) << 63;
    case 3:
        return INT64_MAX;
    case 4:
        return old + 1;
    case 5:
        return old - 1;
    case 6:
        return old & high;
    case 7:
        return old & low;
    case 8:
        return old | low;
    case 9:
        return old | high;
    case 10:
        return ~old;
    case 11:
        return old + high + 1; /* the next cycle or generation */
    case 12:
        return old - (high & -high); /* the one before */
    case 13:
        return old << 32 | old >> 32;
    case 14:
        return (old & ~UINT64_C(7)) | 5; /* states that are none */
    case 15:
        return 1;
    default:
        return t->dictionary[k - 80];
    }
}

/* ---- what a victim has when the first word is changed ------------------------------------ */

static void enrol_waiter(struct segment *s, enum waiter_role role, uint32_t kind)
{
    uint32_t entry;
    CHECK_OK(wait_enter(s, role, kind, 12345, &entry));
}

static int send_until_killed(void *context)
{
    liaison_mailbox *m = context;
    struct segment *s = victim_segment(m);
    struct liaison_delivery d;
    struct liaison_loan loan;
    struct liaison_wait wait = {.timeout = FOREVER};
    (void)test_send(m, "queued", 6, 0);
    if (s->geometry.cells > 4) {
        (void)liaison_mailbox_try_take(m, &d);
        (void)liaison_mailbox_try_loan(m, 900, true, &loan);
    }
    liaison_mailbox_hold(m);
    enrol_waiter(s, RECEIVERS, WAITER_WATCHER);
    enrol_waiter(s, SENDERS, WAITER_THREAD);
    enrol_waiter(s, RECEIVERS, WAITER_DOORBELL);
    if (s->geometry.rendezvous)
        (void)liaison_mailbox_loan(m, 5, true, &wait, &loan);
    if (s->geometry.rendezvous)
        (void)liaison_mailbox_send_loan(m, &loan, 0, &wait, NULL);
    raise(SIGKILL);
    return 0;
}

/* Messages in every state, of the victim and of a dead process. */
static void stock(struct victim *v, liaison_mailbox *m)
{
    struct segment *s = victim_segment(m);
    struct liaison_statistics all = {0};
    struct liaison_wait wait = {.timeout = 0};
    struct liaison_delivery d;
    pid_t dead = test_child(send_until_killed, m);
    if (s->geometry.rendezvous) {
        while (all.waiting < 1)
            CHECK_OK(liaison_mailbox_statistics(m, &all));
        kill(dead, SIGKILL);
    }
    CHECK(test_wait(dead) == -SIGKILL);
    if (!s->geometry.rendezvous) {
        if (liaison_mailbox_try_loan(m, 90, true, &v->loan) == LIAISON_OK)
            (void)liaison_mailbox_send_loan(m, &v->loan, 0, &wait, &v->receipt);
        for (int i = 0; i < 2; i++)
            (void)test_send(m, "payload", 7, 0);
        if (liaison_mailbox_try_take(m, &d) == LIAISON_OK)
            CHECK_OK(liaison_mailbox_release(m, &d));
    }
    if (liaison_mailbox_try_take(m, &v->delivery) == LIAISON_OK)
        liaison_mailbox_hold(m);
    memset(&v->loan, 0, sizeof v->loan);
    if (liaison_mailbox_try_loan(m, s->inline_max + (s->geometry.max_message ? 0 : 1000), false,
                                 &v->loan) != LIAISON_OK)
        v->loan.data = NULL;
    int bell;
    CHECK_OK(liaison_mailbox_doorbell(m, &bell));
    enrol_waiter(s, SENDERS, WAITER_THREAD);
    v->kept = true;
}

static uint8_t *map_members(const liaison_space *space)
{
    char path[PATH_MAX + 16];
    snprintf(path, sizeof path, "%s/members", liaison_space_path(space));
    int fd = open(path, O_RDWR | O_CLOEXEC);
    CHECK(fd >= 0);
    uint8_t *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(page != MAP_FAILED);
    close(fd);
    return page;
}

/* An access just outside of the mapping is one that ends the process. */
static void fence(const struct segment *s)
{
    size_t size = 1 << 20;
    uint8_t *at[] = {s->base - size, s->base + s->geometry.size};
    for (int i = 0; i < 2; i++)
        (void)mmap(at[i], size, PROT_NONE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
}

static void aim(struct target *t, struct victim *v, uint8_t *members)
{
    struct segment *s = victim_segment(v->mailbox);
    const struct geometry *g = &s->geometry;
    memset(t, 0, sizeof *t);
    add_part(t, s->base, sizeof(struct header) / 8 * 8);
    add_part(t, s->base + g->ring_at, g->index_at - g->ring_at);
    if (g->arena_limit) /* the tags of 64 KiB and of what can be grown to here, and payloads */
        add_part(t, s->index, g->arena_start < 65536 ? 2 * PAGE : 3 * PAGE + 512);
    /* Not its preamble: without that it is no table, see test_table.c. */
    add_part(t, members + offsetof(struct members_page, spinners), PERMITS);
    uint32_t n = g->cells, me = segment_owner(s);
    const uint64_t dictionary[16] = {
        glance(&s->identity),
        glance(&s->attachments[me == 1].identity), /* the dead one's */
        glance(&s->identity) | 0xffff,
        (UINT64_C(77) << 16) + 4096,
        cell_word(1, 1, 0xfff, CELL_LEASED),
        cell_word(0, DELIVERIES_MAX, me, CELL_LEASED),
        cell_word(0, 0, me, CELL_QUEUED),
        cell_word(1, 1, 0, CELL_RETURNED),
        ring_word(0, n, 0, RING_FULL),
        ring_word(0, n - 1, 0, RING_FULL),
        ring_word(0, 0x3ffff, 0xfff, RING_TAKEN),
        ring_word(0, 0, me, RING_TAKEN),
        ring_word(1, 0, 0, RING_EMPTY),
        g->arena_limit + 1,
        tag_word(0, 0x3ffff, TAG_PROBING),
        (uint64_t)process_now() + (UINT64_C(1) << 50),
    };
    memcpy(t->dictionary, dictionary, sizeof dictionary);
}

static void mutate(struct target *t, struct progress *p, uint64_t i, uint64_t value)
{
    word64 *w = word_of(t, i);
    p->offset = (uint64_t)((uint8_t *)w - t->part[0].base);
    p->value = value;
    note(w, value);
}

/* ---- one word at a time ------------------------------------------------------------------ */

struct run {
    const struct scenario *scenario;
    struct progress *progress;
    uint64_t mutations; /* to make, or in the second way rounds to see */
    int handshake[2];
};

/* A copy of all that a round may change, to be put back after each. */
struct snapshot {
    uint8_t *at[3], *copy[3];
    size_t size[3];
};
static void snapshot_take(struct snapshot *n, const struct segment *s, uint8_t *members)
{
    uint64_t arena = s->geometry.arena_limit < 65536 ? s->geometry.arena_limit : 65536;
    uint64_t index = s->geometry.arena_limit ? INDEX_SIZE : 0;
    *n = (struct snapshot){
        .at = {s->base, s->arena, members},
        .size = {s->geometry.index_at + index, arena, sizeof(struct members_page)}};
    for (int i = 0; i < 3; i++) {
        n->copy[i] = malloc(n->size[i] + 1);
        CHECK(n->copy[i]);
        memcpy(n->copy[i], n->at[i], n->size[i]);
    }
}
static void snapshot_restore(const struct snapshot *n)
{
    for (int i = 0; i < 3; i++)
        memcpy(n->at[i], n->copy[i], n->size[i]);
}

static uint64_t divisor(uint64_t a, uint64_t b) { return b ? divisor(b, a % b) : a; }

/* The end of a port takes its name away, and then there would be nothing to open any more. */
static void keep_name(const liaison_space *space, const struct segment *s)
{
    char name[PATH_MAX + 32], kept[PATH_MAX + 32];
    if (!is_port(s))
        return;
    snprintf(name, sizeof name, "%s/names/hostile", liaison_space_path(space));
    snprintf(kept, sizeof kept, "%s/kept", liaison_space_path(space));
    if (link(name, kept) != 0)
        (void)link(kept, name);
}

static int be_the_victim(void *context)
{
    const struct run *run = context;
    struct victim v = {
        .name = "hostile", .progress = run->progress, .seed = 4711, .longest = 30000};
    struct progress *p = run->progress;
    v.space = test_space();
    CHECK_OK(
        liaison_mailbox_open(v.space, v.name, LIAISON_CREATE, &run->scenario->policy, &v.mailbox));
    struct segment *s = victim_segment(v.mailbox);
    fence(s);
    uint8_t *members = map_members(v.space);
    stock(&v, v.mailbox);
    struct target t;
    aim(&t, &v, members);
    struct snapshot before;
    snapshot_take(&before, s, members);

    /* A walk through all pairs of word and value that comes near every word early. */
    uint64_t all = t.words * VALUES, stride = 0x9e3779b1 % all, at = 0;
    while (divisor(stride, all) != 1)
        stride++;
    uint64_t single = run->mutations - run->mutations / 5;
    for (uint64_t i = 0; i < run->mutations; i++) {
        if (i % 64 == 0)
            keep_name(v.space, s);
        uint32_t words = i < single ? 1 : 2 + test_random(&v.seed) % 7;
        for (uint32_t n = 0; n < words; n++) {
            uint64_t which, k;
            if (i < single) {
                which = at / VALUES;
                k = at % VALUES;
                at = (at + stride) % all;
            } else { /* half of them in the header and the ring */
                uint32_t dice = test_random(&v.seed);
                which = test_random(&v.seed) % (dice % 2 ? t.words : t.part[0].words + 64);
                k = (dice >> 8) % VALUES;
            }
            mutate(&t, p, which, value_of(&t, glance(word_of(&t, which)), (unsigned)k));
            p->mutations++;
        }
        victim_round(&v, (unsigned)i);
        snapshot_restore(&before);
    }
    alarm(60);
    /* Put back as it was, all of it works as if nothing had been. */
    CHECK_OK(liaison_mailbox_destroy(v.mailbox, true));
    liaison_mailbox_close(v.mailbox);
    liaison_space_close(v.space);
    exit(0); /* with the space's directory */
}

/* ---- while it works ---------------------------------------------------------------------- */

static void *work(void *context)
{
    struct victim *v = context;
    for (unsigned i = 0; !v->progress->stop; i++)
        victim_round(v, i);
    return NULL;
}

static int be_two_victims(void *context)
{
    const struct run *run = context;
    struct victim v[2];
    liaison_space *space = test_space();
    liaison_mailbox *m;
    pthread_t thread[2];
    CHECK_OK(liaison_mailbox_open(space, "hostile", LIAISON_CREATE, &run->scenario->policy, &m));
    fence(victim_segment(m));
    for (uint32_t i = 0; i < 2; i++)
        v[i] = (struct victim){.space = space,
                               .name = "hostile",
                               .mailbox = m,
                               .progress = run->progress,
                               .seed = 99 + i,
                               .closes = true,
                               .longest = 2000000};
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* or they would work for ever */
    const char *path = liaison_space_path(space);
    CHECK(write(run->handshake[1], path, strlen(path) + 1) == (ssize_t)strlen(path) + 1);
    /* Not before it is open to who writes: they destroy it, too, and its name with it. */
    while (run->progress->mutations == 0)
        usleep(100);
    for (int i = 0; i < 2; i++)
        CHECK(pthread_create(&thread[i], NULL, work, &v[i]) == 0);
    for (int i = 0; i < 2; i++)
        CHECK(pthread_join(thread[i], NULL) == 0);
    alarm(60);
    liaison_mailbox_close(m);
    liaison_space_close(space);
    exit(0);
}

/* Writes into a segment that it does not otherwise use. */
static void be_hostile(const struct run *run, pid_t victims, const char *path)
{
    char link[160];
    snprintf(link, sizeof link, "%s/names/hostile", path);
    int fd = open(link, O_RDWR | O_CLOEXEC);
    struct stat st;
    CHECK(fd >= 0 && fstat(fd, &st) == 0);
    uint8_t *base =
        mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
    CHECK(base != MAP_FAILED);
    struct geometry g;
    memcpy(&g, base, sizeof g);
    char other[160], self[64], id[40], permanent[240];
    snprintf(other, sizeof other, "%s/members", path);
    int members = open(other, O_RDWR | O_CLOEXEC);
    CHECK(members >= 0);
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    segment_id(&g, id);
    snprintf(permanent, sizeof permanent, "%s/links/%s", path, id);
    /* What has lost its last name cannot be given another. */
    snprintf(other, sizeof other, "%s/spare", path);
    CHECK(linkat(AT_FDCWD, self, AT_FDCWD, other, AT_SYMLINK_FOLLOW) == 0);
    size_t size = g.index_at + (g.arena_limit ? INDEX_SIZE : 0);
    uint8_t *before = malloc(size);
    CHECK(before);
    memcpy(before, base, size);
    uint32_t seed = 12345;
    siginfo_t ended = {0};
    struct target t = {.parts = 0};
    add_part(&t, base, sizeof(struct header) / 8 * 8);
    add_part(&t, base + g.ring_at, size - g.ring_at);
    for (uint64_t i = 0; run->progress->rounds < run->mutations; i++) {
        if (waitid(P_PID, (id_t)victims, &ended, WEXITED | WNOHANG | WNOWAIT) != 0 || ended.si_pid)
            break;
        uint32_t dice = test_random(&seed);
        uint64_t which = test_random(&seed) % (dice % 2 ? t.words : t.part[0].words + 64);
        word64 *w = word_of(&t, which);
        uint64_t old = glance(w);
        uint64_t value = dice >> 8 & 1 ? value_of(&t, old, (dice >> 16) % 80)
                                       : glance(word_of(&t, dice % t.words));
        mutate(&t, run->progress, which, value);
        run->progress->mutations++;
        if (i % 64 == 0) { /* or there would soon be nothing left that works */
            memcpy(base + 1024, before + 1024, size - 1024);
            (void)linkat(AT_FDCWD, self, AT_FDCWD, link, AT_SYMLINK_FOLLOW);
            (void)linkat(AT_FDCWD, self, AT_FDCWD, permanent, AT_SYMLINK_FOLLOW);
        }
        if (i % 256 == 1) {
            uint64_t garbage = (uint64_t)dice << 32 | test_random(&seed);
            off_t at = (off_t)(test_random(&seed) % (PAGE + 4 * 256)) & ~7;
            CHECK(pwrite(members, &garbage, sizeof garbage, at) == sizeof garbage);
        }
    }
    run->progress->stop = 1;
    free(before);
    munmap(base, (size_t)st.st_size);
    unlink(other);
    close(members);
    close(fd);
}

/* ---- a doorbell that never stops ringing -------------------------------------------------- */

static int flood(void *context)
{
    static const char noise[1 << 16];
    char path[PATH_MAX];
    void **both = context;
    const char *bells = both[0];
    struct progress *p = both[1];
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    DIR *listing = opendir(bells);
    struct dirent *e;
    CHECK(listing);
    while ((e = readdir(listing)) != NULL)
        if (e->d_name[0] != '.')
            snprintf(path, sizeof path, "%s/%s", bells, e->d_name);
    closedir(listing);
    int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    CHECK(fd >= 0);
    for (;;) /* never asleep: who reads must not catch up */
        if (write(fd, noise, sizeof noise) > 0)
            p->mutations++;
        else
            CHECK(errno == EAGAIN);
}

static int hear_the_flood(void *context)
{
    char bells[PATH_MAX];
    liaison_space *space = test_space();
    liaison_mailbox *m = test_mailbox(space, "flooded", 4);
    struct liaison_delivery d;
    struct pollfd bell = {.events = POLLIN};
    struct progress *p = context;
    p->operation = "liaison_mailbox_try_take() beneath a flooded doorbell";
    CHECK_OK(liaison_mailbox_doorbell(m, &bell.fd));
    snprintf(bells, sizeof bells, "%s/bells", liaison_space_path(space));
    void *both[] = {bells, p};
    pid_t flooder[2] = {test_child(flood, both), test_child(flood, both)};
    while (p->mutations < 100)
        liaison_mailbox_try_take(m, &d);
    for (; p->rounds < 2000; p->rounds++) {
        alarm(60);
        CHECK(poll(&bell, 1, 60000) == 1);
        CHECK_RESULT(LIAISON_EMPTY, liaison_mailbox_try_take(m, &d));
    }
    for (int i = 0; i < 2; i++) {
        kill(flooder[i], SIGKILL);
        CHECK(test_wait(flooder[i]) == -SIGKILL);
    }
    CHECK_OK(liaison_mailbox_destroy(m, true));
    liaison_mailbox_close(m);
    liaison_space_close(space);
    exit(0);
}

static bool beneath_a_flooded_doorbell(void)
{
    struct progress *p = progress_new();
    return victim_ended_well(p, "doorbell", test_wait(test_child(hear_the_flood, p)));
}

/* ---- all of it --------------------------------------------------------------------------- */

static uint64_t wanted(void)
{
    const char *text = getenv("LIAISON_MUTATIONS");
    return text ? strtoull(text, NULL, 10) : MUTATIONS;
}

static bool every_word_one_at_a_time(uint64_t mutations)
{
    struct run runs[SCENARIOS];
    pid_t pid[SCENARIOS];
    uint64_t done = 0;
    bool well = true;
    unsigned side_by_side = (unsigned)sysconf(_SC_NPROCESSORS_ONLN), ended = 0;
    for (unsigned i = 0; i < SCENARIOS || ended < i;) {
        if (i < SCENARIOS && i - ended < side_by_side) {
            runs[i] = (struct run){.scenario = &scenarios[i],
                                   .progress = progress_new(),
                                   .mutations = mutations / SCENARIOS + 1};
            pid[i] = test_child(be_the_victim, &runs[i]);
            i++;
            continue;
        }
        well &=
            victim_ended_well(runs[ended].progress, scenarios[ended].name, test_wait(pid[ended]));
        done += runs[ended].progress->mutations;
        printf("%-12s %9llu mutations;", scenarios[ended].name,
               (unsigned long long)runs[ended].progress->mutations);
        for (int r = 0; r <= LIAISON_FOREIGN; r++)
            printf(" %llu", (unsigned long long)runs[ended].progress->results[r]);
        printf("\n");
        ended++;
    }
    CHECK(!well || done >= mutations);
    return well;
}

static bool while_it_works(uint64_t mutations)
{
    bool well = true;
    for (unsigned i = 0; i < SCENARIOS; i++) {
        struct run run = {.scenario = &scenarios[i],
                          .progress = progress_new(),
                          .mutations = mutations / SCENARIOS / 100};
        char path[128];
        CHECK(pipe(run.handshake) == 0);
        pid_t pid = test_child(be_two_victims, &run);
        close(run.handshake[1]);
        if (read(run.handshake[0], path, sizeof path) > 0)
            be_hostile(&run, pid, path);
        close(run.handshake[0]);
        well &= victim_ended_well(run.progress, scenarios[i].name, test_wait(pid));
        printf("%-12s %9llu rounds beneath %llu mutations\n", scenarios[i].name,
               (unsigned long long)run.progress->rounds,
               (unsigned long long)run.progress->mutations);
    }
    return well;
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    uint64_t mutations = wanted();
    bool well = beneath_a_flooded_doorbell();
    well &= every_word_one_at_a_time(mutations);
    /* Not under ThreadSanitizer: once the words say so, two threads do write one payload, and
     * that is no fault of the engine's. */
    if (RACES)
        well &= while_it_works(mutations);
    return well ? 0 : 1;
}
