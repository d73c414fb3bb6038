#include "image.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

void image_take(struct image *image, liaison_space *space, const struct liaison_policy *policy)
{
    liaison_mailbox *m;
    struct liaison_delivery d;
    char path[PATH_MAX + 64];
    CHECK_OK(liaison_mailbox_open(space, IMAGE_NAME, LIAISON_CREATE, policy, &m));
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
    snprintf(path, sizeof path, "%s/names/%s", liaison_space_path(space), IMAGE_NAME);
    *image = (struct image){.space = space, .fd = open(path, O_RDWR | O_CLOEXEC), .size = g.size};
    CHECK(image->fd >= 0);
    image->length = g.arena_limit ? g.arena_at + 8192 : g.size;
    image->pristine = malloc(image->length);
    image->bytes = malloc(image->length);
    CHECK(image->pristine && image->bytes);
    CHECK(pread(image->fd, image->pristine, image->length, 0) == (ssize_t)image->length);
    memcpy(image->bytes, image->pristine, image->length);
    segment_id(&g, image->id);
}

void image_seal(struct image *image)
{
    /* FNV-1a, as layout.h's `checksum` is made. */
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < sizeof(struct geometry); i++)
        h = (h ^ image->bytes[i]) * UINT64_C(0x100000001b3);
    memcpy(image->bytes + offsetof(struct header, checksum), &h, sizeof h);
}

void image_lay(struct image *image, uint64_t size)
{
    char self[64], name[PATH_MAX + 64], link[PATH_MAX + 64];
    snprintf(name, sizeof name, "%s/names/%s", liaison_space_path(image->space), IMAGE_NAME);
    snprintf(link, sizeof link, "%s/links/%s", liaison_space_path(image->space), image->id);
    unlink(name);
    unlink(link);
    close(image->fd); /* what has lost its last name cannot be given another */
    image->fd = open(liaison_space_path(image->space), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    CHECK(image->fd >= 0);
    CHECK(pwrite(image->fd, image->bytes, image->length, 0) == (ssize_t)image->length);
    CHECK(ftruncate(image->fd, (off_t)size) == 0);
    snprintf(self, sizeof self, "/proc/self/fd/%d", image->fd);
    CHECK(linkat(AT_FDCWD, self, AT_FDCWD, name, AT_SYMLINK_FOLLOW) == 0);
    CHECK(linkat(AT_FDCWD, self, AT_FDCWD, link, AT_SYMLINK_FOLLOW) == 0);
}

void image_use(struct image *image, struct progress *progress, uint32_t seed)
{
    struct victim v = {.space = image->space,
                       .name = IMAGE_NAME,
                       .progress = progress,
                       .seed = seed,
                       .longest = 20000};
    struct liaison_cleaned cleaned;
    alarm(60);
    victim_open(&v);
    if (seed % 16 == 0)
        CHECK_OK(liaison_space_clean(image->space, seed % 32 == 0, &cleaned));
    if (seed % 4 == 0 &&
        liaison_mailbox_open(v.space, v.name, LIAISON_OPEN, NULL, &v.mailbox) == LIAISON_OK) {
        v.closes = true;
        victim_round(&v, seed / 4);
        if (seed % 8 == 0)
            (void)liaison_mailbox_destroy(v.mailbox, true);
        liaison_mailbox_close(v.mailbox);
    }
}
