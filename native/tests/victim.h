/* victim.h — a user of a mailbox to whose memory another process writes.
 *
 * It calls everything that liaison.h offers and checks its promises whatever the memory contains:
 * each call returns, with a result that is documented for it, and what it hands out lies inside the
 * mapping. */
#ifndef VICTIM_H
#define VICTIM_H

#include "check.h"
#include "segment/segment.h"

/* In memory that outlives the victim, so that the test can report where it died. */
struct progress {
    _Atomic(const char *) operation;
    _Atomic uint64_t rounds;
    _Atomic uint64_t mutations;
    /* Of the last one, where that is known. */
    _Atomic uint64_t offset, value;
    _Atomic int stop;
    _Atomic uint64_t results[LIAISON_FOREIGN + 1];
};
struct progress *progress_new(void);

struct victim {
    liaison_space *space;
    const char *name;
    liaison_mailbox *mailbox;
    struct progress *progress;
    uint32_t seed;
    int64_t longest; /* ns that an operation may wait */
    bool closes;     /* whether it may close its doorbell, destroy, and clean the space */
    /* What it holds from before, where `kept` says so. */
    bool kept;
    struct liaison_loan loan;
    struct liaison_delivery delivery;
    struct liaison_receipt receipt;
};

/* Every operation once, beginning with another one each time. */
void victim_round(struct victim *v, unsigned first);

/* Opens the mailbox by name in every way, uses it and closes it. */
void victim_open(struct victim *v);

/* The handle's own view of the segment. */
struct segment *victim_segment(liaison_mailbox *m);

/* Says where the victim was, unless it ended well; gives whether it did. A victim that is
 * killed by SIGALRM was stuck. */
bool victim_ended_well(const struct progress *p, const char *what, int status);

#endif
