/* board.h — the word on which a thread sleeps that waits for many links.
 *
 * A thread can sleep on one word only. So the words of many links lead to one: in each link's
 * waiters table stands an entry of kind WAITER_BOARD, armed, whose `detail` names a board of its
 * owner's and a place on it. A caller marks the place, disarms the entry and wakes the board's
 * sleeper, if it sleeps: one bit, one exchange, one system call or none, whether the set has one
 * link or a thousand; and the bits tell the sleeper which links have called.
 *
 * Boards lie at the end of the members file, which every process of the space has mapped, one line
 * each and a few for each member; they belong to the process that has the member's number. A bit
 * too many, of a late caller, costs a look; where an entry is disarmed no bit is missing, whichever
 * process died while disarming it. If a sender dies between its message and its call, the sleeper
 * looks at every link when its slice ends. Those slices are short, because a sleeper that slept
 * when the sender began was called before the message.
 *
 * Rejected: futex_waitv, which sleeps on the links' own words: it needs Linux 5.16, is often
 * not among the calls that a container allows, takes 128 words at most, and each sleep and
 * each wake-up costs as much as there are links. Also rejected: a descriptor for each link
 * (doorbell.h): ringing it opens a file. */
#ifndef LIAISON_BOARD_H
#define LIAISON_BOARD_H

#include "space/member.h"

#define BOARDS 16u /* of a member: as many of its threads can wait at once */
#define BOARD_WORDS 7u
#define BOARD_PLACES (64 * BOARD_WORDS) /* a set of more links has several on one place */

/* `state` is the futex word {version 30 | CALLED 1 | ASLEEP 1}; the version is the sleeper's, and
 * another one at every sleep, so that a slow caller cannot take back what a later sleep has said.
 * CALLED: a caller found no sleeper yet, and no thread falls asleep on this word any more; it is
 * cleared together with ASLEEP. */
struct board {
    word32 state;
    word32 processor; /* from which the last call came */
    word64 called[BOARD_WORDS];
};
_Static_assert(sizeof(struct board) == 64, "a line");
_Static_assert(BOARDS * sizeof(struct board) == BOARDS_OF_MEMBER, "as the members file has them");
#define BOARD_ASLEEP 1u
#define BOARD_CALLED 2u

/* What the word says at the end of the next sleep. */
static inline uint32_t board_next(uint32_t state) { return (state | 3u) + 1; }

/* A board of this process's, cleared; LIAISON_EXHAUSTED when it uses them all. */
int board_take(struct liaison_space *space, uint32_t *number);
void board_give(struct liaison_space *space, uint32_t number);
/* The board itself; do not keep the pointer, because a forked child has other boards. */
struct board *board_at(const struct liaison_space *space, uint32_t number);

/* What a waiter's `detail` says. */
static inline uint64_t board_detail(uint32_t number, size_t place)
{
    return (uint64_t)(place % BOARD_PLACES) << 8 | number;
}

/* Of `owner`'s boards the one that `detail` names; NULL where there is none. */
struct board *board_find(const struct liaison_space *space, uint64_t owner, uint64_t detail);
/* Marks the place that `detail` names. */
void board_mark(struct board *board, uint64_t detail);
/* Wakes the thread that sleeps there. The sleeper writes that it sleeps and then looks for marks; a
 * caller marks a place and then looks whether it sleeps. */
void board_wake(struct board *board);

#endif
