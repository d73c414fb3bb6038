/* layout.h — every shared byte of a segment, drawn by offset.
 *
 *   0         header            4096   written once, before the segment has a name;
 *                                      the lines from 1024 on are the live words
 *   4096      ring              8 x ring_size      one word a position, modulo the size
 *             attachments      16 x attachments    the processes on the link
 *             waiters    2 x 32 x WAITERS          the sleepers: receivers, then senders
 *             receipts         24 x receipts       what became of messages
 *             returned          8 x cells / 64     a bit per cell that may be RETURNED
 *             cells        stride x cells          the messages
 *             index    INDEX_SIZE x blocks         the arena's tags       (variable size)
 *             arena                                payloads too large for their cell
 *
 * The index, the arena and the end lie at multiples of 64 KiB, the largest page of any kernel.
 *
 * The file is sparse. With `memory` or `max_message` everything is reserved at creation; without
 * them a link begins with the first CELLS_STEP cells and no arena. Two words of the header say how
 * much is reserved, `cells_top` and `arena_size`: nothing beyond them is touched, because that
 * would allocate a page, or raise SIGBUS if there is none.
 *
 * All zero is the initial state of everything but the header, so a new segment needs no
 * initialising pass: an empty ring word of cycle 0, a free cell of generation 0, no
 * attachment, no waiter, an arena of free blocks.
 *
 * Each part says which process may write what, and what a crash leaves. Three rules hold for all of
 * it: a word that has an owner changes by one compare-and-swap of the whole word; a hint may be
 * wrong in one direction only, which is named; and a value read from here is range-checked against
 * the private copy of the geometry before it is used as an index.
 */
#ifndef LIAISON_LAYOUT_H
#define LIAISON_LAYOUT_H

#include <stddef.h>

#include "base/order.h"
#include "liaison.h"

#define LAYOUT_MAGIC UINT64_C(0x314e4f534941494c) /* "LIAISON1", little endian */
#define LAYOUT_VERSION 4u

#define PAGE 4096u /* a unit of the layout; the kernel's pages may be larger */
#define LINE 128u  /* two cache lines: the neighbour is prefetched with the first */

/* ---- the ring word ------------------------------------------------------------
 *
 *   63        32 31          14 13      2 1     0
 *  |   cycle    |     cell     |  owner  | state |
 *
 * Position p lives in word p mod ring_size during cycle p / ring_size.
 *   EMPTY(c)          --sender-->    FULL(c, cell)         acceptance
 *   FULL(c, cell)     --receiver-->  TAKEN(c, cell, me)    the lease
 *   TAKEN(c, cell, o) --anybody-->   EMPTY(c + 1)          after the cell says LEASED(o)
 *   EMPTY(c)          --anybody-->   CLOSED(c)             of a port that ended, for good
 * A crash leaves any of them; any process that finds TAKEN finishes it. A sender that takes its own
 * message back, before any receiver took it, sets the highest bit of the owner. Messages are
 * accepted at the first EMPTY word only, so one CLOSED word there ends acceptance.
 */
enum { RING_EMPTY = 0, RING_FULL = 1, RING_TAKEN = 2, RING_CLOSED = 3 };

#define RING_WITHDRAWN 0x800u /* in the owner field, beside an owner */

static inline uint64_t ring_word(uint32_t cycle, uint32_t cell, uint32_t owner, uint32_t state)
{
    return (uint64_t)cycle << 32 | (uint64_t)cell << 14 | (uint64_t)owner << 2 | state;
}
static inline uint32_t ring_state(uint64_t w) { return (uint32_t)w & 3u; }
static inline uint32_t ring_owner(uint64_t w) { return (uint32_t)w >> 2 & 0xfffu; }
static inline uint32_t ring_cell(uint64_t w) { return (uint32_t)w >> 14; }
static inline uint32_t ring_cycle(uint64_t w) { return (uint32_t)(w >> 32); }

/* ---- the cell's header word ---------------------------------------------------
 *
 *   63        32 31 30          15 14     3 2     0
 *  | generation |  |  deliveries  |  owner | state |
 *
 * Authoritative. `owner` is an attachment's number + 1; 0: none.
 *   FREE(g) -> LOANED(me, g) -> QUEUED(me, g) -> LEASED(o, g) -> FREE(g + 1)
 *   LEASED(o, g) -> RETURNED(g) -> LEASED(o', g)         deliveries + 1 each time
 *   LEASED(me, g) -> FREE(g + 1)                         with 0 deliveries: withdrawn
 *   LOANED(me, g) -> FREE(g + 1)                          discarded
 * QUEUED is written before the ring word is tried: the ring word at the cell's `position` shows
 * whether the message was accepted. The generation moves whenever a cell becomes free, so
 * everything that belongs to (cell, generation), such as arena blocks, is free at that same instant
 * without being touched.
 */
enum { CELL_FREE = 0, CELL_LOANED = 1, CELL_QUEUED = 2, CELL_LEASED = 3, CELL_RETURNED = 4 };
#define DELIVERIES_MAX 0xffffu

static inline uint64_t cell_word(uint32_t generation, uint32_t deliveries, uint32_t owner,
                                 uint32_t state)
{
    return (uint64_t)generation << 32 | (uint64_t)deliveries << 15 | (uint64_t)owner << 3 | state;
}
static inline uint32_t cell_state(uint64_t h) { return (uint32_t)h & 7u; }
static inline uint32_t cell_owner(uint64_t h) { return (uint32_t)h >> 3 & 0xfffu; }
static inline uint32_t cell_deliveries(uint64_t h) { return (uint32_t)h >> 15 & DELIVERIES_MAX; }
static inline uint32_t cell_generation(uint64_t h) { return (uint32_t)(h >> 32); }

/* All fields but `header` are written by the loan's holder before acceptance and not
 * changed until the cell is free again. */
struct cell {
    word64 header;
    word64 position; /* the ring position of the last try to send it */
    word64 sender;   /* identity of the sending member */
    word64 length;   /* bytes of payload */
    word64 block;    /* offset of the payload in the arena; unused when it is inline */
    word32 receipt;  /* index + 1 of the receipt, or 0 */
    word32 receipt_generation;
    word32 sender_pid;
    word32 format; /* of the payload; the engine carries it and does not look at it */
    uint8_t payload[];
};
#define CELL_PAYLOAD 56u
#define CELLS_STEP 128u /* reserved at a time, if memory grows on demand */
_Static_assert(offsetof(struct cell, payload) == CELL_PAYLOAD, "drawn");

/* ---- attachments ----------------------------------------------------------------
 * A process's place on this link; its number + 1 is the owner in the words above. `identity` 0:
 * free. Claimed by exchange; freed by its owner after it has swept, or, when the owner is dead, by
 * the process that swept it. A crash leaves an identity whose member lock is free. `held` is a hint
 * for the living: leases and loans that its users hold. */
struct attachment {
    word64 identity;
    word32 held;
    word32 roles;
};
enum { ROLE_SENDS = 1, ROLE_RECEIVES = 2 };
#define ATTACHMENTS 1024u
_Static_assert(sizeof(struct attachment) == 16 && ATTACHMENTS < RING_WITHDRAWN,
               "fits an owner field");

/* ---- waiters ----------------------------------------------------------------------
 * A thread that sleeps, or a doorbell or a board that is armed. The entry is its owner's, from the
 * exchange of `owner` 0 -> me to the store of 0; only `signal` is written by wakers. The
 * bit in the header's bitmap tells wakers to look; it is set and cleared by the owner. A
 * crash leaves an entry that a sweeper takes over as its own and then clears. */
struct waiter {
    word32 signal; /* the futex word */
    word32 kind;
    word64 owner;  /* identity of the member; an attachment's number is reused */
    word64 ticket; /* order of arrival */
    word64 detail; /* a doorbell's number; a board's place, see board.h; of a thread, the tick of
                    * when it was last woken, or began to sleep in short slices */
};
/* LIGHTLY: a sleeping thread that must begin its short slices anew; see calling.c. */
enum { SIGNAL_NONE = 0, SIGNAL_WAITING = 1, SIGNAL_WOKEN = 2, SIGNAL_LIGHTLY = 3 };
#define SIGNAL_MASK 3u
/* A board's has a version above, {version 29 | 1}, a new one each time it is armed, and for each
 * board that gets the entry. */
#define SIGNAL_BOARD (1u << 2) /* always, so that it is never taken for a thread's */
#define SIGNAL_VERSION (1u << 3)
#define SIGNAL_OWNER (1u << 15)
static inline uint32_t signal_board(uint32_t before)
{
    return ((before + SIGNAL_VERSION) & ~SIGNAL_MASK) | SIGNAL_BOARD | SIGNAL_WAITING;
}
/* A doorbell's has a version above, {tick 20 | count 9 | 1}, a new one each time it is armed; the
 * tick, in milliseconds, is when its owner last began to look by itself, first soon and then less
 * and less often. */
#define SIGNAL_COUNT (1u << 3)
#define SIGNAL_TICK (1u << 12)
static inline uint32_t signal_armed(uint32_t before, uint32_t tick)
{
    uint32_t count = (before + SIGNAL_COUNT) & (SIGNAL_TICK - SIGNAL_COUNT);
    return tick * SIGNAL_TICK | count | 4u | SIGNAL_WAITING;
}
/* A watcher checks that holders of leases live: it sleeps in short slices. Doorbells and boards
 * stay armed while no thread waits at them: they are called in addition to a thread, never
 * instead. */
enum { WAITER_THREAD = 0, WAITER_WATCHER = 1, WAITER_DOORBELL = 2, WAITER_BOARD = 3 };
/* The entry that was called last, and its stand-in: {tick 32 | stand-in + 1 16 | called + 1 16}. */
static inline uint64_t called_word(uint32_t tick, uint32_t stand_in, uint32_t called)
{
    return (uint64_t)tick << 32 | (uint64_t)stand_in << 16 | called;
}
static inline uint32_t called_entry(uint64_t w) { return (uint32_t)w & 0xffffu; }
static inline uint32_t called_stand_in(uint64_t w) { return (uint32_t)w >> 16; }
static inline uint32_t called_tick(uint64_t w) { return (uint32_t)(w >> 32); }
#define CROWD_ASLEEP 1u
#define WAITERS 256u
#define WAITER_WORDS (WAITERS / 64)
enum waiter_role { RECEIVERS = 0, SENDERS = 1 };
_Static_assert(sizeof(struct waiter) == 32, "drawn");

/* ---- receipts -----------------------------------------------------------------------
 * Outlive the cell, so that a sender can learn who took its message after the cell carries another.
 * `claim` is the sender's; `outcome` is written by the message's holder, by exchange, and only
 * while the generations agree.
 *   claim    {generation 32 | owner 12 | state 1}
 *   outcome  {generation 28 | member 12 | pid 22 | kind 2} */
struct receipt {
    word64 claim;
    word64 outcome;
    word32 signal;  /* futex word, raised with every outcome */
    word32 waiting; /* a thread may be asleep on it */
};
_Static_assert(sizeof(struct receipt) == 24, "drawn");

/* ---- the arena --------------------------------------------------------------------
 * Blocks of 1 KiB x 4^level, level 0 to 6 (4 MiB); each has a tag word in the index of
 * its 4 MiB. See arena.c.
 *   FREE | WHOLE(cell, generation) | SPLIT | PROBING(cell, generation) */
enum { TAG_FREE = 0, TAG_WHOLE = 1, TAG_SPLIT = 2, TAG_PROBING = 3 };
static inline uint64_t tag_word(uint32_t generation, uint32_t cell, uint32_t kind)
{
    return (uint64_t)generation << 32 | (uint64_t)cell << 2 | kind;
}
static inline uint32_t tag_kind(uint64_t t) { return (uint32_t)t & 3u; }
static inline uint32_t tag_cell(uint64_t t) { return (uint32_t)t >> 2 & 0x3ffffu; }
static inline uint32_t tag_generation(uint64_t t) { return (uint32_t)(t >> 32); }

#define LEVELS 7u
#define TOP (LEVELS - 1)
#define BLOCK_MIN 1024u
#define BLOCK_TOP (BLOCK_MIN << (2 * TOP))
/* Levels 6 to 2 share the first page of a block's index (341 words), level 1 has two
 * pages and level 0 eight: a small arena takes three pages, not eleven. */
#define INDEX_SIZE (11u * PAGE)

/* ---- the header -------------------------------------------------------------------- */

#define LABEL_WORDS ((LIAISON_NAME_MAX + 4) / sizeof(word64))
_Static_assert((LIAISON_NAME_MAX + 4) % sizeof(word64) == 0, "whole words");
#define ALIASES 16u

/* Written once. Checked at attach, together with the checksum, and copied into private memory; it
 * is not read from the segment again. */
struct geometry {
    uint64_t magic;
    uint32_t version;
    uint32_t header_size;
    uint32_t kind;
    uint32_t access;
    uint32_t rendezvous; /* 1: capacity 0 */
    uint32_t cells;      /* the capacity, or the places of a rendezvous */
    uint32_t ring_size;  /* a power of two, at least `cells` */
    uint32_t stride;     /* of a cell, a multiple of 64 */
    uint32_t attachments;
    uint32_t receipts;
    uint64_t max_message; /* bytes; 0: variable */
    uint64_t arena_limit; /* bytes the arena may grow to; 0: none */
    uint64_t arena_start; /* bytes reserved at creation */
    uint64_t memory;      /* as it was asked for; 0: grows on demand */
    uint64_t ring_at, attachments_at, waiters_at, receipts_at, returned_at, cells_at, index_at,
        arena_at;
    uint64_t size;    /* of the file */
    uint64_t creator; /* identity */
    uint64_t id[2];
    uint32_t max_deliveries;
    uint32_t lifetime;      /* of a port or an endpoint, else 0 */
    uint32_t pair_capacity; /* of an endpoint: messages on a link to it; 0 rendezvous */
    uint32_t cells_start;   /* cells whose memory is reserved at creation */
    uint64_t table[2];      /* id of the members file by which its users know one another */
    uint64_t token[2];      /* of a pipe: device and inode of its token */
    char name[LIAISON_NAME_MAX + 4];        /* the first one */
    char dead_letters[LIAISON_ADDRESS_MAX]; /* of a pair's link: its sender's address at first */
};

/* LIVE -> DESTROYED. A port goes there by way of one or both of two others:
 *   ENDED      its senders have ended, its receiver takes what is left
 *   ORPHANED   its receiver has ended, what is left goes to the dead letters
 * A pipe goes to one of those two and stays there: what is left in it is lost. None of them accepts
 * messages. Each step is one exchange, by the process that notices; a crash leaves the state
 * before, which is noticed again, or a link that is DESTROYED and still has a name, which the next
 * process that wants the name removes.
 *
 * CONDEMNED is a bit beside one of them, set by a cleaner that has seen no process attached: it
 * sets the bit, looks at the attachments again, and only then exchanges that word for DESTROYED. A
 * process that attaches writes its attachment, then looks at the state and clears the bit: so one
 * of the two sees the other, see segment_spare(). Nothing else reads the bit, and if a crash leaves
 * it, the next process that attaches or cleans clears it. */
enum {
    LINK_LIVE = 0,
    LINK_DESTROYED = 1,
    LINK_ENDED = 2,
    LINK_ORPHANED = 3,
    LINK_CONDEMNED = 4 /* a bit */
};

struct header {
    struct geometry geometry;
    uint64_t checksum; /* of the geometry */

    /* Read by every operation, written seldom: stays in every core's cache. */
    _Alignas(1024) word32 state; /* LINK_LIVE, and how it goes on from there */
    word32 attachments_top;      /* hint, never too low: attachments in use lie below */
    word64 return_epoch;         /* raised before a cell becomes RETURNED */
    word64 clean_epoch;          /* a scan at this return_epoch found no bit set */
    word64 waiters[2][WAITER_WORDS];
    word64 second;      /* of a named pipe: identity of the second side, set once */
    word32 closings;    /* of a pipe: raised after an end was closed, so that others look */
    word32 sender_came; /* to a port; raised by each sender once it has its place */
    word32 cells_top;   /* cells below it have their memory; never too high, and never lowered */

    _Alignas(LINE) word64 tail; /* hint, never too high: every position below was sent */
    _Alignas(LINE) word64 head; /* hint, never too high: every position below was taken */

    _Alignas(LINE) word64 turn; /* {version 32 | count 20 | owner 12}, see turn.h */
    word64 ticket;              /* of the next waiter */
    word64 arena_size;          /* bytes reserved so far; never too high */
    word64 called[2];           /* by role; a hint */
    word32 crowd[2];            /* by role: {version 31 | asleep 1}; see waiters.h */
    word32 looked[2];           /* ms; last look for the dead: the likely ones, all */
    word32 look_from;           /* attachment; where the next look begins */
    /* The waiters that stay armed: set before their bit in the bitmap, cleared after it. */
    word64 armed[2][WAITER_WORDS];

    /* An endpoint's present name; of a pair's link, the name by which its sender knows the
     * receiver. `naming`, {changes 63 | half 1}, is raised by every change of the names and selects
     * the valid half of `label`. Written by one process: the one that has the endpoint's turn, or
     * sends on the pair's link. The half is written first, then the word: a crash leaves the old
     * name. */
    _Alignas(LINE) word64 naming;
    word64 label[2][LABEL_WORDS];

    /* The link's names after its first, so that they need not be searched for in the directory.
     * Written with the lock of its names, before the name exists; a crash leaves one that leads
     * elsewhere, or half of one. What counts is where a name leads, and the file's link count shows
     * whether there are more than fit here. */
    _Alignas(LINE) word64 aliases[ALIASES][LABEL_WORDS];
};
_Static_assert(offsetof(struct header, state) == 1024, "drawn");
_Static_assert(offsetof(struct header, tail) == 1024 + LINE, "senders' own line");
_Static_assert(offsetof(struct header, head) == 1024 + 2 * LINE, "receivers' own line");
_Static_assert(sizeof(struct header) <= PAGE, "one page");

#endif
