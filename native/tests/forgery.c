#include "forgery.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

void forgery_take(struct forgery *forgery, liaison_space *space,
                  const struct liaison_policy *policy)
{
    liaison_mailbox *m;
    struct liaison_delivery d;
    char path[PATH_MAX + 64];
    CHECK_OK(liaison_mailbox_open(space, FORGERY_NAME, LIAISON_CREATE, policy, &m));
    const struct geometry g = victim_segment(m)->geometry;
    if (!g.rendezvous) {
        CHECK_OK(test_send(m, "first", 5, 0));
        CHECK_OK(test_send(m, "second", 6, 0));
        if (!g.max_message)
            CHECK_OK(test_send(m, path, 2000, 0));
        CHECK_OK(liaison_mailbox_try_take(m, &d));
        CHECK_OK(liaison_mailbox_release(m, &d));
    }
    liaison_mailbox_close(m);
    snprintf(path, sizeof path, "%s/names/%s", liaison_space_path(space), FORGERY_NAME);
    *forgery =
        (struct forgery){.space = space, .fd = open(path, O_RDWR | O_CLOEXEC), .size = g.size};
    CHECK(forgery->fd >= 0);
    forgery->length = g.arena_limit ? g.arena_at + 8192 : g.size;
    forgery->pristine = malloc(forgery->length);
    forgery->bytes = malloc(forgery->length);
    CHECK(forgery->pristine && forgery->bytes);
    CHECK(pread(forgery->fd, forgery->pristine, forgery->length, 0) == (ssize_t)forgery->length);
    memcpy(forgery->bytes, forgery->pristine, forgery->length);
    segment_id(&g, forgery->id);
}

void forgery_seal(struct forgery *forgery)
{
    /* FNV-1a, as layout.h's `checksum` is made. */
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < sizeof(struct geometry); i++)
        h = (h ^ forgery->bytes[i]) * UINT64_C(0x100000001b3);
    memcpy(forgery->bytes + offsetof(struct header, checksum), &h, sizeof h);
}

void forgery_lay(struct forgery *forgery, uint64_t size)
{
    char self[64], name[PATH_MAX + 64], link[PATH_MAX + 64];
    snprintf(name, sizeof name, "%s/names/%s", liaison_space_path(forgery->space), FORGERY_NAME);
    snprintf(link, sizeof link, "%s/links/%s", liaison_space_path(forgery->space), forgery->id);
    unlink(name);
    unlink(link);
    close(forgery->fd); /* a file without a name cannot be given another */
    forgery->fd = open(liaison_space_path(forgery->space), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    CHECK(forgery->fd >= 0);
    CHECK(pwrite(forgery->fd, forgery->bytes, forgery->length, 0) == (ssize_t)forgery->length);
    CHECK(ftruncate(forgery->fd, (off_t)size) == 0);
    snprintf(self, sizeof self, "/proc/self/fd/%d", forgery->fd);
    CHECK(linkat(AT_FDCWD, self, AT_FDCWD, name, AT_SYMLINK_FOLLOW) == 0);
    CHECK(linkat(AT_FDCWD, self, AT_FDCWD, link, AT_SYMLINK_FOLLOW) == 0);
}

void forgery_use(struct forgery *forgery, struct progress *progress, uint32_t seed)
{
    struct victim v = {.space = forgery->space,
                       .name = FORGERY_NAME,
                       .progress = progress,
                       .seed = seed,
                       .longest = 20000};
    struct liaison_cleaned cleaned;
    alarm(60);
    victim_open(&v);
    if (seed % 16 == 0)
        CHECK_OK(liaison_space_clean(forgery->space, seed % 32 == 0, &cleaned));
    if (seed % 4 == 0 &&
        liaison_mailbox_open(v.space, v.name, LIAISON_OPEN, NULL, &v.mailbox) == LIAISON_OK) {
        v.closes = true;
        victim_round(&v, seed / 4);
        if (seed % 8 == 0)
            (void)liaison_mailbox_destroy(v.mailbox, true);
        liaison_mailbox_close(v.mailbox);
    }
}
