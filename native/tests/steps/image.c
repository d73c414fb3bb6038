#include "steps/image.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

#define PAYLOADS (96u * 1024)

static void window(struct watched *w, size_t at, size_t length)
{
    CHECK(w->windows < WINDOWS);
    w->window[w->windows++] = (struct window){at, length};
    w->size += length;
}

void image_watch(struct watched *w, const char *path)
{
    memset(w, 0, sizeof *w);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    CHECK(fd >= 0);
    struct stat st;
    CHECK(fstat(fd, &st) == 0);
    w->base =
        mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
    CHECK(w->base != MAP_FAILED);
    close(fd);
    w->geometry = ((struct header *)w->base)->geometry;
    const struct geometry *g = &w->geometry;
    CHECK(g->size == (uint64_t)st.st_size);
    window(w, offsetof(struct header, state),
           sizeof(struct header) - offsetof(struct header, state));
    window(w, g->ring_at, g->ring_size * sizeof(word64));
    uint32_t attached = g->attachments < ATTACHED ? g->attachments : ATTACHED;
    window(w, g->attachments_at, attached * sizeof(struct attachment));
    for (size_t role = 0; role < 2; role++)
        window(w, g->waiters_at + role * WAITERS * sizeof(struct waiter),
               SLEEPING * sizeof(struct waiter));
    window(w, g->receipts_at, g->receipts * sizeof(struct receipt));
    window(w, g->returned_at, (g->cells + 63) / 64 * sizeof(word64));
    window(w, g->cells_at, (size_t)g->cells * g->stride);
    w->whole = g->index_at;
    if (g->arena_limit) {
        /* The tags of the first blocks: levels 2 to 6, 1 and 0. */
        w->arena = g->arena_at;
        w->arena_length = g->arena_limit < PAYLOADS ? g->arena_limit : PAYLOADS;
        window(w, g->index_at, 341 * sizeof(word64));
        window(w, g->index_at + PAGE, w->arena_length / 4096 * sizeof(word64));
        window(w, g->index_at + 3 * PAGE, w->arena_length / 1024 * sizeof(word64));
        w->whole += INDEX_SIZE;
    }
    w->origin = malloc(w->whole);
    CHECK(w->origin);
    memcpy(w->origin, w->base, w->whole);
}

void image_forget(struct watched *w)
{
    if (!w->base)
        return;
    free(w->origin);
    munmap(w->base, w->geometry.size);
    w->base = NULL;
}

size_t image_size(const struct watched *w) { return w->size + w->arena_length; }

/* In a function of its own that a signal handler may call. */
void image_take(const struct watched *w, uint8_t *image)
{
    for (int i = 0; i < w->windows; i++) {
        memcpy(image, w->base + w->window[i].at, w->window[i].length);
        image += w->window[i].length;
    }
    memcpy(image, w->base + w->arena, w->arena_length);
}

bool image_same(const struct watched *w, const uint8_t *image)
{
    for (int i = 0; i < w->windows; i++) {
        if (memcmp(image, w->base + w->window[i].at, w->window[i].length) != 0)
            return false;
        image += w->window[i].length;
    }
    return true;
}

void image_put(const struct watched *w, const uint8_t *image)
{
    for (int i = 0; i < w->windows; i++) {
        memcpy(w->base + w->window[i].at, image, w->window[i].length);
        image += w->window[i].length;
    }
    memcpy(w->base + w->arena, image, w->arena_length);
}

bool image_rest_unchanged(const struct watched *w)
{
    size_t at = 0;
    for (int i = 0; i <= w->windows; i++) {
        size_t end = i < w->windows ? w->window[i].at : w->whole;
        if (memcmp(w->base + at, w->origin + at, end - at) != 0)
            return false;
        if (i < w->windows)
            at = end + w->window[i].length;
    }
    return true;
}

uint64_t image_hash(const struct watched *w, const uint8_t *image)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < w->size; i++)
        h = (h ^ image[i]) * UINT64_C(0x100000001b3);
    return h;
}
