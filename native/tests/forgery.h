/* forgery.h — the bytes of a mailbox's file, to be damaged, laid down and opened. */
#ifndef FORGERY_H
#define FORGERY_H

#include "segment/segment.h"
#include "victim.h"

struct forgery {
    liaison_space *space;
    int fd;          /* of the file; no other process has it open */
    uint64_t size;   /* of the file */
    uint64_t length; /* of what is not a hole at its end */
    uint8_t *pristine;
    uint8_t *bytes; /* the copy to damage */
    char id[40];
};

#define FORGERY_NAME "image"

/* Makes a mailbox with messages in it and takes its bytes; no process stays attached. */
void forgery_take(struct forgery *forgery, liaison_space *space,
                  const struct liaison_policy *policy);

/* Makes the checksum fit the geometry in `bytes`, as an attacker would. */
void forgery_seal(struct forgery *forgery);

/* Lays `bytes` into the file, makes it `size` long and gives it its names. */
void forgery_lay(struct forgery *forgery, uint64_t size);

/* Opens it in every way, works with it, closes it, destroys or cleans it up. */
void forgery_use(struct forgery *forgery, struct progress *progress, uint32_t seed);

#endif
