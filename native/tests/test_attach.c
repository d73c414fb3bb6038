/* Whatever a file contains when it is opened, the process that opens it gets a documented result,
 * can work with what it was given, and survives: damaged words of the header, with and without a
 * checksum that was made to fit, files truncated or grown to every length, and things that are not
 * files. */
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "forgery.h"
#include "space/table.h"

static liaison_space *space;
static struct progress *progress;

static const struct liaison_policy policies[] = {
    {.capacity = 3, .memory = 16384},
    {.capacity = 2, .max_message = 100},
    {.capacity = 4,
     .memory = 16384,
     .access = LIAISON_PAIR,
     .max_deliveries = 3,
     .dead_letters = "dead"},
    {.capacity = 0, .memory = 16384, .access = LIAISON_EXCLUSIVE},
};
#define POLICIES (sizeof policies / sizeof *policies)

static uint32_t value_of(uint32_t old, unsigned k)
{
    if (k < 32)
        return old ^ 1u << k;
    const uint32_t others[] = {
        0, 1, UINT32_MAX, INT32_MAX, 1u << 31, old + 1, old - 1, 2 * old, old + 64, old - 64, ~old,
    };
    return others[k - 32];
}
#define VALUES 43u

static int opened(void)
{
    liaison_mailbox *m;
    int r = liaison_mailbox_open(space, FORGERY_NAME, LIAISON_OPEN, NULL, &m);
    if (r == LIAISON_OK)
        liaison_mailbox_close(m);
    /* An observer gets the same result. */
    struct liaison_info info;
    struct liaison_user users[4];
    struct liaison_statistics statistics;
    size_t count;
    int names;
    CHECK_OK(liaison_space_directory(space, LIAISON_SPACE_NAMES, &names));
    int seen = liaison_space_look(space, names, FORGERY_NAME, &info, users, 4, &count, &statistics);
    CHECK(seen == r || (r != LIAISON_CORRUPT && r != LIAISON_VERSION));
    close(names);
    return r;
}

static void every_word_of_the_header(struct forgery *forgery, unsigned step)
{
    uint32_t seed = 0;
    for (size_t at = 0; at < sizeof(struct geometry) + 8; at += 4)
        for (unsigned k = 0; k < (at < offsetof(struct geometry, name) ? VALUES : 4); k += step) {
            uint32_t old, now;
            memcpy(&old, forgery->pristine + at, 4);
            now = value_of(old, k);
            bool geometry = at < sizeof(struct geometry);
            for (int sealed = 0; sealed < (geometry ? 2 : 1); sealed++) {
                memcpy(forgery->bytes, forgery->pristine, forgery->length);
                memcpy(forgery->bytes + at, &now, 4);
                if (sealed)
                    forgery_seal(forgery);
                forgery_lay(forgery, forgery->size);
                if (geometry && !sealed && now != old) {
                    int r = opened();
                    CHECK(r == LIAISON_CORRUPT || r == LIAISON_VERSION);
                }
                forgery_use(forgery, progress, seed++);
                progress->mutations++;
            }
        }
}

static void every_length(struct forgery *forgery)
{
    const struct geometry *g = (const struct geometry *)forgery->pristine;
    const uint64_t parts[] = {PAGE,           g->attachments_at, g->waiters_at,
                              g->receipts_at, g->cells_at,       g->returned_at,
                              g->index_at,    g->arena_at,       g->size};
    memcpy(forgery->bytes, forgery->pristine, forgery->length);
    for (uint64_t size = 0; size < 3 * PAGE; size += size < 16 ? 1 : 61) {
        forgery_lay(forgery, size);
        CHECK_RESULT(LIAISON_CORRUPT, opened());
    }
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        for (int64_t by = -1; by <= 1; by++) {
            uint64_t size = parts[i] + (uint64_t)by;
            forgery_lay(forgery, size);
            CHECK_RESULT(size == g->size ? LIAISON_OK : LIAISON_CORRUPT, opened());
        }
    forgery_lay(forgery, g->size + PAGE);
    CHECK_RESULT(LIAISON_CORRUPT, opened());
    forgery_lay(forgery, UINT64_C(1) << 50);
    CHECK_RESULT(LIAISON_CORRUPT, opened());
    forgery_lay(forgery, g->size);
    CHECK_OK(opened());
}

/* A geometry that is consistent and as large as its fields allow. */
static void monsters(struct forgery *forgery)
{
    static const struct liaison_policy largest[] = {
        {.capacity = LIAISON_CAPACITY_MAX, .max_message = UINT32_MAX - 4096},
        {.capacity = LIAISON_CAPACITY_MAX, .memory = UINT64_C(1) << 40},
        {.capacity = 1, .max_message = UINT32_MAX - 4096},
    };
    if (getenv("LIAISON_EMULATED")) {
        printf(
            "NOT CHECKED: the largest mappings, for each page of which qemu-user has an entry\n");
        return;
    }
    for (size_t i = 0; i < sizeof largest / sizeof *largest; i++) {
        memcpy(forgery->bytes, forgery->pristine, forgery->length);
        struct geometry g;
        memcpy(&g, forgery->bytes, sizeof g);
        g.cells = (uint32_t)largest[i].capacity;
        g.max_message = largest[i].max_message;
        g.memory = largest[i].memory;
        CHECK_OK(geometry_plan(&g));
        memcpy(forgery->bytes, &g, sizeof g);
        forgery_seal(forgery);
        forgery_lay(forgery, g.size);
        int r = opened(); /* there may be no addresses for so much */
        CHECK(r == LIAISON_OK || r == LIAISON_NO_SPACE || r == -12);
    }
}

static void names_that_are_no_text(struct forgery *forgery)
{
    const size_t fields[] = {offsetof(struct geometry, dead_letters),
                             offsetof(struct geometry, name)};
    for (int i = 0; i < 2; i++)
        for (const char *bad = "\xff\x80\x1b\n/ "; *bad; bad++) {
            if (i == 0 && *bad == '/')
                continue; /* between a space and a name */
            memcpy(forgery->bytes, forgery->pristine, forgery->length);
            forgery->bytes[fields[i]] = (uint8_t)*bad;
            forgery_seal(forgery);
            forgery_lay(forgery, forgery->size);
            CHECK_RESULT(LIAISON_CORRUPT, opened());
        }
}

static void no_files(struct forgery *forgery)
{
    char path[PATH_MAX + 64], root[PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/names/%s", liaison_space_path(space), FORGERY_NAME);
    snprintf(root, sizeof root, "%s/links/%s", liaison_space_path(space), forgery->id);
    unlink(path);
    CHECK(mkfifo(path, 0600) == 0);
    CHECK_RESULT(LIAISON_DENIED, opened());
    unlink(path);
    CHECK(mkdir(path, 0600) == 0);
    CHECK_RESULT(LIAISON_DENIED, opened());
    rmdir(path);
    CHECK(symlink(root, path) == 0);
    CHECK_RESULT(LIAISON_DENIED, opened());
    unlink(path);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char here[PATH_MAX];
    CHECK(getcwd(here, sizeof here) && chdir(liaison_space_path(space)) == 0);
    snprintf(address.sun_path, sizeof address.sun_path, "names/%s", FORGERY_NAME);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0);
    CHECK(chdir(here) == 0);
    CHECK_RESULT(LIAISON_DENIED, opened());
    close(fd);
    unlink(path);
}

/* Asking about any process reads the table of the members. */
static int ask_who_is_who(void *context)
{
    struct forgery *forgery = context;
    char path[PATH_MAX + 64];
    uint32_t seed = 77;
    liaison_mailbox *m;
    struct liaison_attached attached[4];
    struct liaison_peer peers[16];
    struct liaison_info info;
    size_t count;
    memcpy(forgery->bytes, forgery->pristine, forgery->length);
    forgery_lay(forgery, forgery->size);
    CHECK_OK(liaison_mailbox_open(space, FORGERY_NAME, LIAISON_OPEN, NULL, &m));
    (void)test_send(m, "x", 1, 0);
    snprintf(path, sizeof path, "%s/members", liaison_space_path(space));
    int fd = open(path, O_RDWR | O_CLOEXEC);
    CHECK(fd >= 0);
    for (int i = 0; i < 3000; i++) {
        uint64_t noise = (uint64_t)test_random(&seed) << 32 | test_random(&seed);
        /* Of the shared words, or of the first records; without its preamble it is no table. */
        uint32_t where = test_random(&seed) % (PAGE + 3 * 256) & ~7u;
        off_t at = where >= PAGE ? RECORD_AT(0) + where - PAGE
                                 : (off_t)offsetof(struct members_page, spinners) + where % 512;
        if (i % 3 == 0)
            noise |= UINT64_C(0x7ff8000000000000);
        CHECK(pwrite(fd, &noise, sizeof noise, at) == sizeof noise);
        alarm(60);
        CHECK_OK(liaison_mailbox_attached(m, attached, 4, &count));
        CHECK_OK(liaison_mailbox_info(m, &info));
        CHECK_OK(liaison_mailbox_peer(m, noise, (int32_t)noise, &peers[0]));
        if (i % 256 == 0)
            CHECK_OK(liaison_space_members(space, peers, 16, &count));
    }
    close(fd);
    liaison_mailbox_close(m);
    return 0;
}

int main(void)
{
    space = test_space();
    progress = progress_new();
    for (size_t i = 0; i < POLICIES; i++) {
        struct forgery forgery;
        forgery_take(&forgery, space, &policies[i]);
        every_word_of_the_header(&forgery, i == 0 ? 1 : 3);
        every_length(&forgery);
        names_that_are_no_text(&forgery);
        if (i == 0)
            monsters(&forgery);
        CHECK(test_wait(test_child(ask_who_is_who, &forgery)) == 0);
        no_files(&forgery);
        close(forgery.fd);
        free(forgery.pristine);
        free(forgery.bytes);
        char path[PATH_MAX + 64];
        snprintf(path, sizeof path, "%s/links/%s", liaison_space_path(space), forgery.id);
        unlink(path);
    }
    printf("%llu headers\n", (unsigned long long)progress->mutations);
    liaison_space_close(space);
    return 0;
}
