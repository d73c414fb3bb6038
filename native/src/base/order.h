/* order.h — every load, store and exchange on shared memory, named by what it is for.
 *
 * C11 atomics only, no free-standing fences: ThreadSanitizer understands the former and
 * not the latter. Two idioms carry the whole engine.
 *
 *   publish / observe     A writes plain bytes, then publishes a word (release); B observes
 *                         that word (acquire) and then reads the bytes. Without it B may see
 *                         the word before the bytes.
 *   announce / look       A announces (sequentially consistent write), then looks at B's
 *                         word; B announces, then looks at A's. At least one sees the other.
 *                         Release and acquire do not give this: a store may still be on its
 *                         way when the load after it is done, and both look too early. So all
 *                         four accesses are sequentially consistent: writes by announce, the
 *                         exchanges, add or set_bits, reads by look.
 *
 * The pairs, and what is lost where both look too early:
 *
 *   1  a message    sender: the ring word becomes FULL (ring_push), looks for waiters
 *                   (wait_any). Receiver: enters the table, or raises its signal (wait_enter,
 *                   wait_until), looks at the ring word (ring_take, ring_count) and at
 *                   return_epoch, which returning a message raises (cell_return). Lost: the
 *                   receiver sleeps beside its message until its slice ends, 3 s at most.
 *   2  room         receiver: the cell becomes FREE, the receipt's claim, or a rendezvous' ring
 *                   word, looks for waiters. Sender: raises its signal, looks at the cells
 *                   (cell_claim, ring_full), the claims (receipt_vacant) or the word
 *                   (ring_push). Lost: a sender sleeps beside room.
 *   3  an end       a process that closes a handle or an end, ends a port, or destroys: `closed`,
 *                   the link's state or `closings`, looks at each signal, or a receipt's
 *                   `waiting`. The waiter: raises these, looks at `closed` (wait_until,
 *                   receipt_await), the state (segment_check, segment_look, mailbox_over) and
 *                   `closings` (pipe.c). Lost: a wait goes on until its slice ends.
 *   4  a turn       a process that leaves it: the turn's word, looks at the ring (turn_leave), for
 *                   a sender that rang a process which stood back because of the turn; that one
 *                   looked at the turn after the ring word had become FULL. Lost: a message waits
 *                   although each process that was called for it has looked.
 *   5  a bell       a sender: 1, and looks at the bell's or board's signal (ring). The owner:
 *                   arms it (readiness.c, several.c), looks at the link. And again at the board:
 *                   a caller marks a place, looks whether a thread sleeps there; the sleeper
 *                   writes that it sleeps, looks for marks. Lost: as in 1, for a descriptor or a
 *                   set.
 *   6  a receipt    the holder: the cell's word, or the claim's generation, raises `signal`, looks
 *                   at `waiting`. The waiter: raises `waiting`, looks at the cell's word.
 *   7  a hold       a holder of a message: `held`, looks for a sleeper that sleeps lightly
 *                   (wait_watch). Such a sleeper leaves: its signal, looks at `held`
 *                   (recover_others_hold), and calls the next. Lost: the holder's death is not
 *                   noticed for up to 3 s.
 *   8  a place      a newcomer: its attachment's identity, looks at the link's state
 *                   (segment_spare). A cleaner: LINK_CONDEMNED, looks for identities (clean.c).
 *                   Lost: a link without a name that a process uses.
 *   9  memory       a claimer of a part of a block: the part's tag, looks at those above; a
 *                   claimer of the whole: its tag, looks at the parts (arena.c). Lost: two
 *                   messages in one place.
 *
 * A replacement that fails is also a look, at the word that it did not change: wake_where()
 * takes one for "does not sleep". So it is sequentially consistent as well.
 *
 * On x86 an exchange is a full barrier and a look a plain load, so all this costs nothing
 * there, and on aarch64 a look is an acquiring load; the weaker names exist for what they tell
 * the reader and for machines where they matter.
 */
#ifndef LIAISON_ORDER_H
#define LIAISON_ORDER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef _Atomic uint64_t word64;
typedef _Atomic uint32_t word32;

_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2 && ATOMIC_INT_LOCK_FREE == 2,
               "atomics of 4 and 8 bytes must not hide a lock: a lock dies with its holder");

/* A value whose age does not matter: a hint, a statistic, a field that its owner wrote. */
static inline uint64_t glance(const word64 *w)
{
    return atomic_load_explicit((word64 *)w, memory_order_relaxed);
}
static inline uint32_t glance32(const word32 *w)
{
    return atomic_load_explicit((word32 *)w, memory_order_relaxed);
}

/* Reads a word that was published: what its writer wrote before is visible. */
static inline uint64_t observe(const word64 *w)
{
    return atomic_load_explicit((word64 *)w, memory_order_acquire);
}
static inline uint32_t observe32(const word32 *w)
{
    return atomic_load_explicit((word32 *)w, memory_order_acquire);
}

/* The second half of announce / look. */
static inline uint64_t look(const word64 *w)
{
    return atomic_load_explicit((word64 *)w, memory_order_seq_cst);
}
static inline uint32_t look32(const word32 *w)
{
    return atomic_load_explicit((word32 *)w, memory_order_seq_cst);
}

/* Written by the only process that may write it; no process waits for it. */
static inline void note(word64 *w, uint64_t value)
{
    atomic_store_explicit(w, value, memory_order_relaxed);
}
static inline void note32(word32 *w, uint32_t value)
{
    atomic_store_explicit(w, value, memory_order_relaxed);
}

static inline void publish(word64 *w, uint64_t value)
{
    atomic_store_explicit(w, value, memory_order_release);
}
static inline void publish32(word32 *w, uint32_t value)
{
    atomic_store_explicit(w, value, memory_order_release);
}

static inline void announce32(word32 *w, uint32_t value)
{
    atomic_store_explicit(w, value, memory_order_seq_cst);
}

/* The one way a word with an owner changes hands: exactly `from` becomes `to`. Also an
 * announcement; where it fails, a look. */
static inline bool replace(word64 *w, uint64_t from, uint64_t to)
{
    return atomic_compare_exchange_strong_explicit(w, &from, to, memory_order_seq_cst,
                                                   memory_order_seq_cst);
}
static inline bool replace32(word32 *w, uint32_t from, uint32_t to)
{
    return atomic_compare_exchange_strong_explicit(w, &from, to, memory_order_seq_cst,
                                                   memory_order_seq_cst);
}

/* Also an announcement; gives what was there. */
static inline uint32_t swap32(word32 *w, uint32_t value)
{
    return atomic_exchange_explicit(w, value, memory_order_seq_cst);
}

static inline uint64_t swap(word64 *w, uint64_t value)
{
    return atomic_exchange_explicit(w, value, memory_order_seq_cst);
}

static inline uint64_t add(word64 *w, uint64_t n)
{
    return atomic_fetch_add_explicit(w, n, memory_order_seq_cst);
}
static inline uint32_t add32(word32 *w, uint32_t n)
{
    return atomic_fetch_add_explicit(w, n, memory_order_seq_cst);
}
static inline void set_bits(word64 *w, uint64_t bits)
{
    atomic_fetch_or_explicit(w, bits, memory_order_seq_cst);
}
static inline void clear_bits(word64 *w, uint64_t bits)
{
    atomic_fetch_and_explicit(w, ~bits, memory_order_seq_cst);
}

/* Moves a hint forward by one, if it is still `from`; a process that is too late need not try
 * again. */
static inline void advance(word64 *hint, uint64_t from)
{
    atomic_compare_exchange_strong_explicit(hint, &from, from + 1, memory_order_acq_rel,
                                            memory_order_relaxed);
}

static inline void pause_briefly(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

#endif
