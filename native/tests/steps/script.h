/* script.h — what a process does to a mailbox, as a line of text.
 *
 *   +A      send message A (a letter at every KiB), if there is room
 *   +A3000  the same, 3000 bytes long
 *   *A      loan one and write A; sent by `=`, discarded by `-`
 *   f       loan as many as have memory from the beginning, and keep them
 *   %A      send A with a receipt, which `/` drops and `?` waits upon for a moment
 *   $A      send A and wait a moment for room, or for a receiver
 *   ]A      the same, for ever
 *   <       take one, if there is one
 *   {       take one, waiting a moment
 *   [       take one, waiting for ever
 *   ! ^ ~   acknowledge, dead-letter, release the lease held longest
 *   q       wait a moment in a set, with the mailbox in it
 *   W       the same, for ever
 *   &A      offer A without waiting for a receiver; `_` takes it back
 *   @ a     ask for a doorbell, for a senders' doorbell
 *   y       ask whether there is something to take
 *   o c     open, close the mailbox, and the set before it
 *   t       open it, if it can be opened
 *   p e     create a port and be its receiver, end it
 *   b       open an orphaned port to drain it
 *   d g     take one that was not delivered; dead-letter all of them
 *   n s     stand among the waiters as one who sleeps, and step out
 *   h u     hold, unhold
 *   i       interrupt
 *   #       write the next message into the cell of the one settled last
 *   r       sweep the dead
 *   w       a whole cycle of the ring: send, take, acknowledge, 64 times
 *   v       a cycle but one: the next position is the last
 */
#ifndef SCRIPT_H
#define SCRIPT_H

#include "liaison.h"

#define SCRIPT_STRIDE 1024 /* a message's letter stands at every so many bytes */
#define SCRIPT_HELD 8
#define SCRIPT_LOG 64
struct actor {
    liaison_space *space;
    const char *name; /* of the link */
    const struct liaison_policy *policy;
    liaison_mailbox *mailbox, *drained;
    liaison_several *several;
    struct liaison_loan loan[SCRIPT_HELD];
    struct liaison_delivery lease[SCRIPT_HELD];
    struct liaison_receipt receipt;
    char offered;
    struct segment *standing;
    uint32_t place;
    int loans, leases;
    int result; /* of the last command */
    /* Where not NULL: the results, "+X" accepted, "!X" acknowledged, "0" a result that means empty,
     * no room or not yet, "e" followed by any other. */
    char *log;
    /* Where not NULL: called while `]` waits, with its message in the log already. */
    bool (*waiting)(void *context);
    uint32_t settled, wanted; /* cells, + 1 */
    /* Where not NULL: called with each message before it is dead-lettered. */
    void (*forwarding)(char letter);
};

/* Whether running it opens the link. */
bool script_opens(const char *script);

void script_run(struct actor *actor, const char *script);
/* Runs it and calls `reached` before every access to the segment: see trap.h. */
void script_run_interrupted(struct actor *actor, const char *script,
                            void (*reached)(const void *base, const void *at));
/* Sweeps dead processes; the actor has the mailbox open. */
void script_sweep(struct actor *actor);
/* The same, then the script; calls `changed` whenever the segment has changed: see trap.h. */
void script_sweep_watched(struct actor *actor, const char *script, void (*changed)(void));
/* The identity by which the space knows this process. */
uint64_t script_identity(struct actor *actor);

#endif
