#include "waiting/awaiting.h"

#include <errno.h>

#include "base/process.h"
#include "waiting/wait.h"

struct awaiting {
    struct segment *segment;
    const struct liaison_receipt *receipt;
    int state;
};
/* Looks at the cell alone while the message is in it: its holder writes the outcome's line. */
static int attempt_state(void *context)
{
    const struct awaiting *a = context;
    struct segment *s = a->segment;
    uint64_t h = look(&segment_cell(s, a->receipt->cell)->header);
    bool there = cell_generation(h) == a->receipt->cell_generation;
    int state = !there                         ? receipt_state(s, a->receipt, NULL)
                : cell_state(h) == CELL_LEASED ? LIAISON_RECEIVED
                                               : LIAISON_QUEUED;
    if (s->broken)
        return LIAISON_CORRUPT;
    return state >= a->state ? LIAISON_OK : LIAISON_EMPTY;
}

/* A waiter here is not called when the other side ends, so each looks by itself; receivers that
 * wait check the holders of messages. */
static int64_t look_around(struct segment *s, const struct surroundings *around, int64_t slice)
{
    unsigned care = around->look(s, slice_looks_at_all(slice));
    return slice_after(slice, care & CARE_SIDE ? care : CARE_NOTHING);
}

int receipt_await(struct segment *s, const struct surroundings *around,
                  const struct liaison_receipt *receipt, int state, const struct liaison_wait *wait,
                  struct spin *spin, word32 *closed)
{
    if (!receipt_valid(s, receipt))
        return LIAISON_INVALID;
    struct awaiting awaiting = {s, receipt, state};
    struct waiting w = {.segment = s,
                        .spin = spin,
                        .closed = closed,
                        .pending = LIAISON_EMPTY,
                        .attempt = attempt_state,
                        .context = &awaiting};
    int result = attempt_state(&awaiting);
    if (result != LIAISON_EMPTY)
        return result;
    struct sleeping sleeping;
    sleeping_begin(&sleeping, wait, process_now());
    result = wait_spin(&w, sleeping.end);
    if (result != LIAISON_EMPTY)
        return result;
    struct receipt *r = &s->receipts[receipt->index - 1];
    add32(&r->waiting, 1);
    for (;;) {
        uint32_t signal = look32(&r->signal);
        result = attempt_state(&awaiting);
        if (result != LIAISON_EMPTY)
            break;
        if (look32(closed))
            result = LIAISON_CLOSED;
        else if (segment_state(s) != LINK_LIVE)
            result = LIAISON_DESTROYED;
        if (result != LIAISON_EMPTY || sleeping_over(&sleeping))
            break;
        int slept = sleeping_sleep(&sleeping, &r->signal, signal);
        if (slept == 0)
            spin_slept(spin, process_now() - sleeping.began);
        if (slept == LIAISON_INTERRUPTED)
            result = slept;
        if (slept == -ETIMEDOUT) {
            sleeping.slice = look_around(s, around, sleeping.slice);
            if (segment_vanished(s))
                result = LIAISON_DESTROYED;
        }
        if (result != LIAISON_EMPTY)
            break;
    }
    add32(&r->waiting, (uint32_t)-1);
    return result;
}
