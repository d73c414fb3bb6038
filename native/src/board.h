/* board.h — where the calls of many links come together for one that waits for all of them.
 *
 * A thread can sleep on one word only. So the words of many links lead to one: in each link's
 * waiters table stands an entry of kind WAITER_BOARD, armed, whose `detail` names a board of
 * its owner's and a place on it. Who calls the entry marks the place and wakes the board's
 * sleeper, if one sleeps: one exchange, one bit, one system call or none, whether the set has
 * one link or a thousand; and the sleeper reads from the bits which links have called.
 *
 * Boards lie at the end of the members file, which every process of the space has mapped, one
 * line each and a few for each member; they belong to whoever has the member's number. What
 * stands on them is a hint: a wrong bit costs a look, a missing one (whoever was to set it
 * died) is made good by the sleeper, which sleeps in slices and then looks at every link.
 *
 * Rejected: futex_waitv, which sleeps on the links' own words: it needs Linux 5.16, is often
 * not among the calls that a container allows, takes 128 words at most, and each sleep and
 * each wake-up costs as much as there are links. Also rejected: a descriptor for each link
 * (doorbell.h): ringing it opens a file. */
#ifndef LIAISON_BOARD_H
#define LIAISON_BOARD_H

#include "space.h"

#define BOARDS 16u /* of a member: as many of its threads can wait at once */
#define BOARD_WORDS 7u
#define BOARD_PLACES (64 * BOARD_WORDS) /* a set of more links has several on one place */

/* `state` is the futex word {version 30 | CALLED 1 | ASLEEP 1}; the version is the sleeper's, and
 * another one at every sleep, so that a slow caller cannot take back what a later sleep has said.
 * CALLED: somebody called that found nobody asleep yet, and nobody falls asleep on this word any
 * more; it goes together with ASLEEP. */
struct board {
    word32 state;
    word32 processor; /* that somebody was called from last */
    word64 called[BOARD_WORDS];
};
_Static_assert(sizeof(struct board) == 64, "a line");
#define BOARD_ASLEEP 1u
#define BOARD_CALLED 2u

/* What the word says at the end of the next sleep. */
static inline uint32_t board_next(uint32_t state) { return (state | 3u) + 1; }

/* A board of this process's, cleared; LIAISON_EXHAUSTED when it uses them all. */
int board_take(struct liaison_space *space, uint32_t *number);
void board_give(struct liaison_space *space, uint32_t number);
/* The board itself: not to be kept, since a forked child has others. */
struct board *board_at(const struct liaison_space *space, uint32_t number);

/* What a waiter's `detail` says. */
static inline uint64_t board_detail(uint32_t number, size_t place)
{
    return (uint64_t)(place % BOARD_PLACES) << 8 | number;
}

/* Marks the place that `detail` names on a board of `owner`, and wakes who sleeps there. */
void board_call(struct liaison_space *space, uint64_t owner, uint64_t detail);
/* Whether somebody sleeps there, whom its caller may have failed to wake. */
bool board_asleep(const struct liaison_space *space, uint64_t owner, uint64_t detail);
/* Wakes who sleeps there, without marking anything. */
void board_wake(struct board *board);

#endif
