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
 *                         Release and acquire do not give this: both may look too early.
 *                         Used where a sleeper meets a waker (calling.c) and where a claim of a
 *                         block meets a claim of its part (arena.c).
 *
 * On x86 an exchange is a full barrier and an observing load a plain one, so the stronger
 * order costs nothing there; the weaker names exist for what they tell the reader and for
 * machines where they matter.
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

/* Written by the only process that may: nobody is waiting to see it. */
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
 * announcement. */
static inline bool exchange(word64 *w, uint64_t from, uint64_t to)
{
    return atomic_compare_exchange_strong_explicit(w, &from, to, memory_order_seq_cst,
                                                   memory_order_acquire);
}
static inline bool exchange32(word32 *w, uint32_t from, uint32_t to)
{
    return atomic_compare_exchange_strong_explicit(w, &from, to, memory_order_seq_cst,
                                                   memory_order_acquire);
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

/* Moves a hint forward by one, if it still stands at `from`; who loses has nothing to do. */
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
