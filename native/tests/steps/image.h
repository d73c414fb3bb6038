/* image.h — a segment as a bystander sees it: its file mapped, without the engine.
 *
 * Only some windows of a segment ever change in these tests (few processes attach, few sleep, the
 * arena is small); comparing and keeping only those makes a step cheap. At the end of every
 * operation it is checked that nothing outside them has changed. */
#ifndef IMAGE_H
#define IMAGE_H

#include "segment/layout.h"

#define WINDOWS 12
struct watched {
    uint8_t *base; /* the live segment */
    struct geometry geometry;
    size_t whole; /* bytes that are looked at: all but what the arena may grow to */
    struct window {
        size_t at, length;
    } window[WINDOWS];
    int windows;
    size_t size;                /* of the windows together */
    size_t arena, arena_length; /* payloads: kept, but no change of state */
    uint8_t *origin;            /* the whole, as it was when watching began */
};

/* Maps the link's file. The places of the first `ATTACHED` attachments and the first
 * `SLEEPING` waiters of each role are watched. */
#define ATTACHED 8
#define SLEEPING 8
void image_watch(struct watched *w, const char *path);
void image_forget(struct watched *w);

/* A state: the windows, then the arena's payloads. */
size_t image_size(const struct watched *w);
void image_take(const struct watched *w, uint8_t *image);
/* Whether the live segment is in this state, payloads aside. */
bool image_same(const struct watched *w, const uint8_t *image);
/* Puts the live segment into that state. */
void image_put(const struct watched *w, const uint8_t *image);
/* Whether all that is not in a window is as it was when watching began. */
bool image_rest_unchanged(const struct watched *w);
uint64_t image_hash(const struct watched *w, const uint8_t *image);

#endif
