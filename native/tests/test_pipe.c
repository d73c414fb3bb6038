/* Pipes whose memory another process has changed: whatever a process is given to adopt, and
 * whatever the file of a named pipe contains when it is opened or while it is used, each call
 * returns a result that is documented for it; and descriptors that are refused stay their
 * owner's. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "space/board.h"
#include "victim.h"

/* How many pairs of a word and a value are passed over; under ThreadSanitizer, which has little to
 * find in one thread, more. */
#if defined(__SANITIZE_THREAD__)
#define STEP 17
#else
#define STEP 5
#endif

static liaison_space *space;
static uint64_t mutations, adopted, opened;
static const char *doing = "";

#define SET(result) (1u << (result))
#define ALWAYS                                                                                     \
    (SET(LIAISON_OK) | SET(LIAISON_CORRUPT) | SET(LIAISON_DESTROYED) | SET(LIAISON_DENIED))
#define SENDS (ALWAYS | SET(LIAISON_FULL) | SET(LIAISON_TOO_LARGE) | SET(LIAISON_NO_SPACE))
#define TAKES (ALWAYS | SET(LIAISON_EMPTY) | SET(LIAISON_LEASE_LOST))
#define OPENS                                                                                      \
    (ALWAYS | SET(LIAISON_NOT_FOUND) | SET(LIAISON_BUSY) | SET(LIAISON_EXHAUSTED) |                \
     SET(LIAISON_MISMATCH) | SET(LIAISON_VERSION) | SET(LIAISON_FOREIGN))

static int may(unsigned allowed, const char *call, int result)
{
    if (result < 0 || !(allowed & SET(result))) {
        fprintf(stderr, "%s: %s gave %d\n", doing, call, result);
        abort();
    }
    return result;
}
#define MAY(allowed, call) may(allowed, #call, call)

static const struct liaison_policy policy = {.capacity = 3, .pair_capacity = -1, .memory = 16384};

/* ---- the user ------------------------------------------------------------------------------ */

static bool visit(void *context, const struct liaison_delivery *message)
{
    (void)context;
    (void)message;
    return true;
}

static void use(liaison_mailbox *m)
{
    struct liaison_statistics all;
    struct liaison_attached list[4];
    struct liaison_info info;
    struct liaison_delivery d;
    char label[LIAISON_NAME_MAX + 4];
    static const char text[3000];
    struct liaison_wait moment = {.timeout = 20000};
    uint64_t tag;
    size_t count;
    int fd;
    alarm(60);
    MAY(ALWAYS, liaison_mailbox_statistics(m, &all));
    MAY(ALWAYS, liaison_mailbox_info(m, &info));
    MAY(ALWAYS, liaison_mailbox_attached(m, list, 4, &count));
    MAY(ALWAYS, liaison_mailbox_peek(m, 10, visit, NULL));
    (void)liaison_link_version(m);
    (void)liaison_link_label(m, label);
    CHECK(memchr(label, 0, sizeof label));
    (void)liaison_pipe_closed_cleanly(m);
    MAY(SENDS, test_send(m, "x", 1, 0));
    MAY(SENDS, test_send(m, text, sizeof text, 20000));
    MAY(TAKES, liaison_mailbox_ready(m));
    if (MAY(TAKES, liaison_mailbox_try_take(m, &d)) == LIAISON_OK)
        MAY(TAKES, liaison_mailbox_release(m, &d));
    if (MAY(TAKES, liaison_mailbox_take(m, &moment, &d)) == LIAISON_OK)
        MAY(TAKES, liaison_mailbox_acknowledge(m, &d));
    if (mutations % 8 == 0)
        MAY(ALWAYS | SET(LIAISON_EXHAUSTED), liaison_mailbox_doorbell(m, &fd));
    liaison_several *set;
    MAY(ALWAYS, liaison_several_open(space, &set));
    MAY(ALWAYS, liaison_several_add(set, m, 5));
    MAY(TAKES | SET(LIAISON_EXHAUSTED) | SET(LIAISON_CLOSED),
        liaison_several_wait(set, &moment, &tag, 1, &count));
    liaison_several_close(set);
}

static uint32_t value_of(uint32_t old, unsigned k)
{
    if (k < 32)
        return old ^ 1u << k;
    const uint32_t others[] = {0,       1,       UINT32_MAX, INT32_MAX, 1u << 31,
                               old + 1, old - 1, 2 * old,    old + 64,  old - 64};
    return others[k - 32];
}
#define VALUES 42u

static void seal(uint8_t *header)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < sizeof(struct geometry); i++)
        h = (h ^ header[i]) * UINT64_C(0x100000001b3);
    memcpy(header + offsetof(struct header, checksum), &h, sizeof h);
}

/* Every so many pairs of a word and a value, of the geometry or of the live words behind it. */
struct walk {
    size_t at;
    unsigned k, step;
    bool sealed;
};
static bool next(struct walk *w)
{
    w->k += w->step;
    if (w->k >= VALUES) {
        w->k %= VALUES;
        w->at += 4;
    }
    if (w->at == sizeof(struct geometry) + 8)
        w->at = offsetof(struct header, state);
    /* Text is text: a few will do. */
    if (w->at > offsetof(struct geometry, name) + 8 && w->at < sizeof(struct geometry) - 8)
        w->at = sizeof(struct geometry) - 8;
    return w->at < sizeof(struct header) / 4 * 4;
}
static void change(const struct walk *w, uint8_t *header)
{
    uint32_t word;
    memcpy(&word, header + w->at, 4);
    word = value_of(word, w->k);
    memcpy(header + w->at, &word, 4);
    if (w->sealed)
        seal(header);
}

/* ---- what is adopted ------------------------------------------------------------------------ */

struct image {
    uint8_t *bytes;
    size_t length; /* but for a hole behind it */
    uint64_t size;
};

static struct image take_image(int fd)
{
    struct geometry g;
    struct stat st;
    CHECK(pread(fd, &g, sizeof g, 0) == sizeof g && fstat(fd, &st) == 0);
    struct image i = {.length = (size_t)st.st_size, .size = (uint64_t)st.st_size};
    i.bytes = malloc(i.length);
    CHECK(i.bytes && pread(fd, i.bytes, i.length, 0) == (ssize_t)i.length);
    return i;
}

/* A new memory with these bytes, not sealed against being cut. */
static int lay(const uint8_t *bytes, size_t length, uint64_t size)
{
    int fd = memfd_create("forged", MFD_CLOEXEC);
    CHECK(fd >= 0 && ftruncate(fd, (off_t)size) == 0);
    if (length > size)
        length = (size_t)size;
    CHECK(pwrite(fd, bytes, length, 0) == (ssize_t)length);
    return fd;
}

static bool same_file(int fd, ino_t inode)
{
    struct stat st;
    return fstat(fd, &st) == 0 && st.st_ino == inode;
}

/* Adopts it and uses what comes of that; what is refused is still the caller's. */
static int adopt(int memory, int token)
{
    struct stat st, ts;
    liaison_mailbox *m;
    bool receives;
    CHECK(fstat(memory, &st) == 0 && fstat(token, &ts) == 0);
    int r = liaison_pipe_adopt(space, memory, token, &m, &receives);
    if (r != LIAISON_OK) {
        CHECK(r == -ENOMEM || r == -ENODEV || (OPENS & SET(r)));
        CHECK(same_file(memory, st.st_ino) && same_file(token, ts.st_ino));
        close(memory);
        close(token);
        return r;
    }
    adopted++;
    use(m);
    if (mutations % 2) /* cut off beneath it */
        CHECK(ftruncate(memory, mutations % 4 == 1 ? 0 : PAGE) == 0);
    use(m);
    liaison_port_end(m);
    liaison_mailbox_close(m);
    CHECK(!same_file(memory, st.st_ino) && !same_file(token, ts.st_ino));
    return r;
}

static void adopts_what_was_forged(unsigned step)
{
    liaison_mailbox *reader, *writer;
    int memory, token, ends[2];
    CHECK_OK(liaison_pipe_create(space, &policy, &reader, &writer));
    CHECK_OK(test_send(writer, "x", 1, 0));
    CHECK_OK(liaison_pipe_descriptors(reader, &memory, &token));
    struct image i = take_image(memory);
    uint8_t *header = malloc(PAGE), *pristine = malloc(PAGE);
    CHECK(header && pristine);
    for (int sealed = 0; sealed < 2; sealed++)
        for (struct walk w = {.step = step, .sealed = sealed}; next(&w); mutations++) {
            struct stat st;
            doing = "adopting what was forged";
            CHECK(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0 && fstat(ends[0], &st) == 0);
            memcpy(pristine, i.bytes, PAGE);
            memcpy(pristine + offsetof(struct geometry, token) + 8, &st.st_ino, 8);
            seal(pristine);
            memcpy(header, pristine, PAGE);
            change(&w, header);
            bool damaged = !sealed && w.at < sizeof(struct geometry) + 8 &&
                           memcmp(header, pristine, PAGE) != 0;
            memcpy(i.bytes, header, PAGE);
            int fd = lay(i.bytes, i.length, i.size), side = (int)(mutations & 1);
            close(ends[1 - side]); /* the other side is gone, or was never there */
            int r = adopt(fd, ends[side]);
            CHECK(!damaged || r == LIAISON_CORRUPT || r == LIAISON_VERSION ||
                  r == LIAISON_MISMATCH);
            memcpy(i.bytes, pristine, PAGE);
        }
    const uint64_t sizes[] = {0,          1,          PAGE - 1,      PAGE,
                              i.size - 1, i.size + 1, i.size + PAGE, 1u << 30};
    for (size_t n = 0; n < sizeof sizes / sizeof *sizes; n++) {
        doing = "adopting what was cut or grown";
        CHECK(pipe2(ends, O_CLOEXEC) == 0);
        int r = adopt(lay(i.bytes, i.length, sizes[n]), ends[0]);
        CHECK(r == LIAISON_CORRUPT || r == LIAISON_MISMATCH);
        close(ends[1]);
    }
    free(header);
    free(pristine);
    free(i.bytes);
    liaison_mailbox_close(reader);
    liaison_mailbox_close(writer);
}

/* The memory of one pipe with the token of another, in a process that has the pipe already. */
static void refuses_what_does_not_belong_together(void)
{
    liaison_mailbox *reader[2], *writer[2];
    int memory, token, ends[2];
    doing = "adopting what does not belong together";
    for (int i = 0; i < 2; i++)
        CHECK_OK(liaison_pipe_create(space, &policy, &reader[i], &writer[i]));
    CHECK_OK(liaison_pipe_descriptors(reader[0], &memory, &token));
    CHECK_OK(liaison_pipe_descriptors(reader[1], &ends[0], &ends[1]));
    CHECK_RESULT(LIAISON_MISMATCH, adopt(dup(memory), dup(ends[1])));
    CHECK_RESULT(LIAISON_MISMATCH, adopt(dup(ends[0]), dup(token)));
    CHECK_RESULT(LIAISON_MISMATCH, adopt(dup(token), dup(memory)));
    CHECK(pipe2(ends, O_CLOEXEC) == 0);
    CHECK_RESULT(LIAISON_MISMATCH, adopt(dup(memory), ends[0]));
    CHECK_RESULT(LIAISON_MISMATCH, adopt(dup(memory), ends[1]));
    for (int i = 0; i < 2; i++) { /* and they go on as if nothing had been */
        char text[4];
        CHECK_OK(test_send(writer[i], "x", 1, 0));
        CHECK(test_receive(reader[i], text, sizeof text, 0) == 1);
        liaison_mailbox_close(writer[i]);
        CHECK(test_receive(reader[i], text, sizeof text, FOREVER) == -LIAISON_DESTROYED);
        liaison_mailbox_close(reader[i]);
    }
}

/* ---- what is opened ------------------------------------------------------------------------- */

#define NAME "forged"

static int be_the_second(void)
{
    liaison_mailbox *out, *in;
    alarm(60);
    int r = liaison_named_pipe_open(space, NAME, NULL, &out, &in);
    if (r != LIAISON_OK) {
        CHECK(r == -ENOMEM || r == -ENODEV || (OPENS & SET(r)));
        return r;
    }
    opened++;
    use(out);
    use(in);
    if (mutations % 4 == 0)
        MAY(ALWAYS | SET(LIAISON_NOT_OWNER), liaison_mailbox_destroy(in, mutations % 8 == 0));
    liaison_mailbox_close(out);
    liaison_mailbox_close(in);
    return r;
}

/* Lays the bytes down as the file of that name, and opens that. */
static int open_forged(const struct image *i, uint64_t size)
{
    char path[PATH_MAX + 64], id[40];
    const struct geometry *g = (const struct geometry *)i->bytes;
    snprintf(path, sizeof path, "%s/names/" NAME, liaison_space_path(space));
    unlink(path);
    int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    size_t length = i->length < size ? i->length : (size_t)size;
    CHECK(fd >= 0 && pwrite(fd, i->bytes, length, 0) == (ssize_t)length);
    CHECK(ftruncate(fd, (off_t)size) == 0);
    close(fd);
    int r = be_the_second();
    segment_id(g, id);
    unlink(path);
    snprintf(path, sizeof path, "%s/links/%s", liaison_space_path(space), id);
    unlink(path);
    return r;
}

static void opens_what_was_forged(unsigned step)
{
    static const struct liaison_policy fixed = {
        .capacity = 2, .pair_capacity = -1, .max_message = 60};
    liaison_mailbox *out, *in;
    char path[PATH_MAX + 64];
    doing = "opening what was forged";
    CHECK_OK(liaison_named_pipe_open(space, NAME, &fixed, &out, &in));
    CHECK_OK(test_send(out, "x", 1, 0));
    snprintf(path, sizeof path, "%s/names/" NAME, liaison_space_path(space));
    int fd = open(path, O_RDWR | O_CLOEXEC);
    CHECK(fd >= 0);
    struct image i = take_image(fd);
    close(fd);
    uint64_t back = ((const struct geometry *)i.bytes)->size;
    uint8_t pristine[PAGE];
    for (int where = 0; where < 4; where++) { /* the first way, the second, sealed or not */
        uint8_t *header = i.bytes + (where & 1 ? back : 0);
        memcpy(pristine, header, PAGE);
        for (struct walk w = {.step = step, .sealed = where & 2}; next(&w); mutations++) {
            change(&w, header);
            bool damaged = w.at < sizeof(struct geometry) + 8 && !(where & 3) &&
                           memcmp(header, pristine, PAGE) != 0;
            int r = open_forged(&i, i.size);
            CHECK(!damaged || r == LIAISON_CORRUPT || r == LIAISON_VERSION);
            memcpy(header, pristine, PAGE);
        }
    }
    const uint64_t sizes[] = {0,          1,          PAGE,          PAGE + 1,
                              back - 1,   back,       back + 1,      back + PAGE,
                              i.size - 1, i.size + 1, i.size + PAGE, UINT64_C(1) << 40};
    for (size_t n = 0; n < sizeof sizes / sizeof *sizes; n++)
        CHECK_RESULT(LIAISON_CORRUPT, open_forged(&i, sizes[n]));
    free(i.bytes);
    liaison_mailbox_close(out);
    liaison_mailbox_close(in);
}

/* Words of a pipe that is in use, one at a time, put back before the next. */
static void uses_what_is_written_to(unsigned step)
{
    liaison_mailbox *out, *in;
    char path[PATH_MAX + 64];
    doing = "using what is written to";
    CHECK_OK(liaison_named_pipe_open(space, NAME "-live", &policy, &out, &in));
    CHECK_OK(test_send(out, "x", 1, 0));
    snprintf(path, sizeof path, "%s/names/" NAME "-live", liaison_space_path(space));
    int fd = open(path, O_RDWR | O_CLOEXEC);
    struct geometry g;
    CHECK(fd >= 0 && pread(fd, &g, sizeof g, 0) == sizeof g);
    uint8_t *base = mmap(NULL, 2 * g.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(base != MAP_FAILED);
    size_t size = g.index_at + INDEX_SIZE;
    uint8_t *before = malloc(2 * size);
    CHECK(before);
    memcpy(before, base, size);
    memcpy(before + size, base + g.size, size);
    for (int way = 0; way < 2; way++)
        for (struct walk w = {.at = offsetof(struct header, state), .step = step}; next(&w);
             mutations++) {
            uint32_t *word = (uint32_t *)(base + (way ? g.size : 0) + w.at);
            __atomic_store_n(word, value_of(*word, w.k), __ATOMIC_RELAXED);
            use(out);
            use(in);
            memcpy(base, before, size);
            memcpy(base + g.size, before + size, size);
        }
    CHECK(ftruncate(fd, (off_t)g.size) == 0); /* the second way is gone */
    use(out);
    use(in);
    CHECK(ftruncate(fd, 0) == 0);
    use(out);
    use(in);
    free(before);
    munmap(base, 2 * g.size);
    close(fd);
    liaison_mailbox_close(out);
    liaison_mailbox_close(in);
}

/* ---- the boards in the members file -----------------------------------------------------------
 */

static void waits_beneath_written_boards(void)
{
    char path[PATH_MAX + 64];
    liaison_mailbox *m = test_mailbox(space, "board", 4);
    liaison_several *set;
    struct liaison_wait moment = {.timeout = 20000};
    uint32_t seed = 4711;
    uint64_t tag;
    size_t count;
    doing = "waiting beneath boards that are written to";
    CHECK_OK(liaison_several_open(space, &set));
    CHECK_OK(liaison_several_add(set, m, 5));
    (void)liaison_several_wait(set, &moment, &tag, 1, &count);
    struct segment *s = victim_segment(m);
    /* Its member's boards, and the entry that leads to one of them. */
    uint64_t *board = (uint64_t *)board_at(s->space, 0);
    uint32_t entry = 0;
    while (glance32(&s->waiters[RECEIVERS][entry].kind) != WAITER_BOARD)
        entry++;
    struct waiter *e = &s->waiters[RECEIVERS][entry];
    snprintf(path, sizeof path, "%s/members", liaison_space_path(space));
    for (int i = 0; i < 20000; i++, mutations++) {
        alarm(60);
        uint64_t noise = (uint64_t)test_random(&seed) << 32 | test_random(&seed);
        uint64_t owner = glance(&e->owner), detail = glance(&e->detail);
        note((word64 *)&board[test_random(&seed) % 8], i % 5 ? noise : UINT64_MAX);
        if (i % 3 == 0)
            note(&e->detail, noise);
        if (i % 7 == 0)
            note(&e->owner, noise >> 20 | 1);
        if (i % 4 == 0)
            CHECK_OK(test_send(m, "x", 1, 0));
        int r = liaison_several_wait(set, &moment, &tag, 1, &count);
        CHECK(r == LIAISON_EMPTY || (r == LIAISON_OK && count <= 1));
        CHECK(i % 4 || (r == LIAISON_OK && tag == 5)); /* what there is, it finds */
        if (i % 4 == 0)
            CHECK(test_receive(m, &tag, sizeof tag, 0) == 1);
        note(&e->detail, detail);
        note(&e->owner, owner);
    }
    liaison_several_close(set);
    CHECK_OK(liaison_mailbox_destroy(m, true));
    liaison_mailbox_close(m);
}

int main(void)
{
    space = test_space();
    refuses_what_does_not_belong_together();
    adopts_what_was_forged(STEP);
    opens_what_was_forged(STEP);
    uses_what_is_written_to(STEP);
    waits_beneath_written_boards();
    CHECK(adopted > 1000 && opened > 1000); /* or next to nothing was tried */
    printf("%llu mutations; %llu were adopted, %llu opened\n", (unsigned long long)mutations,
           (unsigned long long)adopted, (unsigned long long)opened);
    liaison_space_close(space);
    return 0;
}
