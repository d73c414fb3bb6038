/* several.pml — waiting for many links at once: native/src/links/several.c, board.c, and ring_board() of
 * wait.c, by which a board is called.
 *
 * Senders send a message each and may die at any step. A sleeper waits for all links. It may be killed at any
 * step, too, or close its set, and then another takes over its entries, and takes over its board or has one
 * of its own. As in mailbox.pml an inline is named after its C function and a STEP is one access; OWN is an
 * access of a sleeper. The ring and the cells are checked there: here a message is a bit, and looking at it
 * takes it.
 *
 * Time is not modelled, except that a slice ends, and the next one is long, only while no process sends. So a
 * sleeper that sleeps for long while a sender sends slept before that began.
 */

#ifndef LINKS
#define LINKS 1
#endif
#ifndef SENDERS
#define SENDERS 2  /* in turn to the first and to the last link */
#endif
#ifndef DEATHS
#define DEATHS 1   /* of senders */
#endif
#ifndef SLICES
#define SLICES 1   /* that end, so that the next one is long */
#endif
#ifndef SUCCESSOR
#define SUCCESSOR 0 /* 1: with the same board; 2: with another */
#endif
#ifndef SWEEPERS
#define SWEEPERS 0  /* that clear the dead sleeper's entries as well as its successor, and may die */
#endif

/* ---- what is shared -------------------------------------------------------------------------- */

/* Of a link: its messages, a bit for each sender, and the one entry of its waiters table. */
#define NONE 0
#define WAITING 1
#define WOKEN 2
byte ring[LINKS], bits, owner[LINKS], signal[LINKS];

/* Of a board: its word, its marks, and whether its owner sleeps in the kernel. */
#define ASLEEP 1
#define CALLED 2
byte state[2], marks[2];
bit in_kernel[2];

#define SLEEPER 1
#define NEXT 2
#define SWEEPER 3
#if SUCCESSOR == 2
#define board_of(o) ((o) - 1)
#else
#define board_of(o) 0
#endif
#define has_board(o) ((o) == SLEEPER || (o) == NEXT)

/* What each caller has read of an entry's signal and of a board's word, to exchange it; and which callers
 * have read a version that is out of date. The versions themselves would only multiply the states. */
byte seen[SENDERS], met[SENDERS];
byte seen_before[LINKS], met_before[2];
#define HOLDERS(words) \
    ((words[0] != 0) | (words[SENDERS / 2] != 0) << (SENDERS / 2) | \
     (words[SENDERS - 1] != 0) << (SENDERS - 1))
#define SENDERS_TO(link) (LINKS == 1 -> 7 : (link -> 2 : 5))

/* ---- what is known of it --------------------------------------------------------------------- */

byte deaths = DEATHS, slices = SLICES, died, sending, sent;
bit gone; /* the sleeper: dead, or leaving */
bit dead; /* it did not leave */
bool lost_wakeup, asleep_for_long; /* names for rules, never true */

#define STEP(access) \
    if \
    :: atomic { access } \
    :: atomic { deaths > 0 -> deaths--; goto killed } \
    fi
/* An access of a sleeper, which dies if there is a successor, or of a process that sweeps. */
#define OWN(access) \
    if \
    :: atomic { access } \
    :: atomic { SUCCESSOR && me == SLEEPER -> goto killed } \
    :: atomic { me == SWEEPER -> goto killed } \
    fi
#define CAS(w, from, to, then) if :: (w) == (from) -> w = (to); then :: else fi
#define old(words_before) (words_before >> me & 1)
#define current(words_before) words_before = words_before & ~(1 << me)

/* ---- who calls: wait.c, board.c --------------------------------------------------------------- */

inline futex_wake()
{
    STEP(ok = in_kernel[b]; in_kernel[b] = 0)
}

#define TELL(what) \
    if :: !old(met_before[b]) && state[b] == met[me] -> state[b] = what :: else fi
inline board_wake()
{
    STEP(if :: state[b] & ASLEEP -> met[me] = state[b]; current(met_before[b]) :: else fi);
    if
    :: met[me] ->
#ifdef MUTANT_awake_before_it_is_called
       STEP(TELL(met[me] & ~3));
#endif
       futex_wake();
#ifndef MUTANT_called_once
       if
       :: !ok && !(met[me] & CALLED) ->
#ifdef MUTANT_called_again_unsaid
          STEP(TELL(met[me] & ~3));
#else
          STEP(TELL(met[me] | CALLED); met[me] = met[me] | CALLED);
#endif
          futex_wake()
       :: else
       fi;
#endif
       atomic { ok = 0 };
       STEP(TELL(met[me] & ~3))
    :: else
    fi;
    atomic { met[me] = 0; current(met_before[b]) }
}

inline board_mark()
{
    STEP(marks[b] = marks[b] | 1 << l)
}

#if defined(MUTANT_a_call_is_trusted)
#define CALL_WHERE seen[me] == WAITING
#elif defined(MUTANT_only_who_disarms_calls)
#define CALL_WHERE seen[me] == WOKEN || ok
#else
#define CALL_WHERE true
#endif

inline ring_board()
{
    if
    :: seen[me] == WAITING ->
#ifndef MUTANT_disarmed_before_it_is_marked
       board_mark();
#endif
       STEP(if :: !old(seen_before[l]) -> CAS(signal[l], WAITING, WOKEN, ok = 1) :: else fi);
#ifdef MUTANT_disarmed_before_it_is_marked
       if :: ok -> board_mark() :: else fi
#endif
    :: else
    fi;
    if
    :: CALL_WHERE -> ok = 0; board_wake()
    :: else -> ok = 0
    fi
}

/* `ok`: an entry is in use; of kind WAITER_BOARD, all of them. */
inline ring_bell()
{
    if
    :: ok ->
       ok = 0;
       STEP(seen[me] = signal[l]; current(seen_before[l]));
       if
       :: seen[me] != NONE ->
#if SUCCESSOR
          STEP(if :: has_board(owner[l]) -> b = board_of(owner[l]); ok = 1 :: else fi);
          if :: ok -> ok = 0; ring_board() :: else fi
#else
          ring_board() /* there is one owner, and one board */
#endif
       :: else
       fi;
       atomic { seen[me] = 0; current(seen_before[l]); b = 0 }
    :: else
    fi
}

proctype sender(byte me)
{
    byte l, b;
    bit ok;
    l = me % LINKS;
#ifndef MUTANT_not_called_before
    atomic { sending++; ok = bits >> l & 1 };
    ring_bell(); /* wait_before */
#else
    sending++;
#endif
    STEP(ring[l] = ring[l] | 1 << me);
    STEP(ok = bits >> l & 1);
    ring_bell(); /* wait_after */
    atomic { sending--; sent++; goto over };
killed:
    atomic { died = died | 1 << me; sending--; sent++ };
    atomic { current(seen_before[l]); current(met_before[b]) };
over:
    atomic { seen[me] = 0; met[me] = 0; l = 0; b = 0; ok = 0 }
}

/* ---- who sleeps: several.c, board.c, wait.c ----------------------------------------------------- */

/* The version changes: what callers have read is out of date. */
#define OUTDATE(words, before, whose) before = before | (HOLDERS(words) & whose)
#ifdef MUTANT_versions_of_all
#define ENTER signal[i] = WAITING
#else
#define ENTER signal[i] = WAITING; OUTDATE(seen, seen_before[i], SENDERS_TO(i))
#endif
#ifdef MUTANT_armed_as_before
#define ARM signal[i] = WAITING
#else
#define ARM signal[i] = WAITING; OUTDATE(seen, seen_before[i], SENDERS_TO(i))
#endif
#ifdef MUTANT_every_sleep_the_same
#define SLEEP state[board] = ASLEEP
#else
#define SLEEP state[board] = ASLEEP; OUTDATE(met, met_before[board], 7)
#endif

inline wait_leave()
{
#ifndef MUTANT_bit_cleared_after_the_entry
    OWN(signal[i] = NONE);
    OWN(bits = bits & ~(1 << i));
    OWN(owner[i] = 0)
#else
    OWN(signal[i] = NONE);
    OWN(owner[i] = 0);
    OWN(bits = bits & ~(1 << i))
#endif
}

/* Of the dead sleeper's entry at i. */
inline wait_sweep()
{
#ifdef MUTANT_swept_without_owning
    OWN(ok = owner[i] == SLEEPER);
#else
    OWN(CAS(owner[i], SLEEPER, me, ok = 1));
#endif
    if
    :: ok ->
       ok = 0;
       wait_leave()
    :: else
    fi
}

/* `ok`: the place i is armed. */
inline arm()
{
    if
    :: !(entered & 1 << i) ->
       OWN(CAS(owner[i], 0, me, ok = 1));
       if
       :: ok ->
          entered = entered | 1 << i;
          OWN(ENTER);
          OWN(bits = bits | 1 << i)
       :: else /* it takes another entry, which is not modelled */
       fi
    :: else ->
       OWN(ARM);
       ok = 1
    fi
}

/* Looks at the messages, and takes them. */
inline look_at()
{
    OWN(found = ring[i] != 0; ring[i] = 0)
}

inline look_round()
{
    do
    :: i < LINKS ->
       if
       :: lively >> i & 1 ->
          look_at();
          if
          :: !found ->
             arm();
             if
             :: ok -> ok = 0; lively = lively & ~(1 << i)
             :: else -> i = 0; goto over
             fi;
#ifndef MUTANT_not_looked_again
             look_at()
#endif
          :: else
          fi;
          if
          :: found -> any = 1; lively = lively | 1 << i; found = 0
          :: else
          fi
       :: else
       fi;
       i++
    :: else -> i = 0; break
    od
}

#define rest (ring[0] | ring[LINKS - 1])

proctype sleeper(byte me)
{
    byte i, lively, entered, board;
    bit ok, found, any, slow;
    board = board_of(me);
    if
    :: me == NEXT ->
end:   gone;
       do
       :: i < LINKS && dead -> wait_sweep(); i++
       :: else -> i = 0; break
       od;
       OWN(state[board] = 0; OUTDATE(met, met_before[board], 7)); /* board_take */
       OWN(marks[board] = 0)
    :: else
    fi;
    lively = (1 << LINKS) - 1;
    do
    :: OWN(any = marks[board] != 0; lively = lively | marks[board]; marks[board] = 0);
#ifndef MUTANT_slice_kept
       if :: any -> slow = 0 :: else fi;
#endif
       any = 0;
       look_round();
       if
       :: any -> any = 0; slow = 0;
          if
          :: true
          :: SUCCESSOR && me == SLEEPER -> /* it closes the set */
             gone = 1;
             do
             :: i < LINKS ->
                if :: entered >> i & 1 -> wait_leave() :: else fi;
                i++
             :: else -> i = 0; break
             od;
             goto over
          fi
       :: else ->
          /* sleep_on */
          OWN(SLEEP);
#ifndef MUTANT_marks_not_looked_for
          OWN(any = marks[board] != 0);
#endif
          if
          :: any -> any = 0; slow = 0
          :: else ->
             OWN(if :: state[board] == ASLEEP -> in_kernel[board] = 1 :: else fi);
             if
             :: atomic { !in_kernel[board] -> slow = 0 }
             :: atomic { in_kernel[board] && slices > 0 && sending == 0 && sent < SENDERS ->
                   slices--; in_kernel[board] = 0; slow = 1 };
                do /* look_around */
                :: i < LINKS ->
                   OWN(if :: ring[i] -> lively = lively | 1 << i :: else fi);
                   i++
                :: else -> i = 0; break
                od
             :: atomic { in_kernel[board] && sent == SENDERS ->
                   /* No process is left to call it: it sleeps until its slice ends. */
                   assert(!(rest & ~died) || lost_wakeup);
                   assert(!rest || !slow || asleep_for_long);
                   in_kernel[board] = 0 };
                goto over
             :: atomic { SUCCESSOR && me == SLEEPER -> goto killed }
             fi
          fi;
          OWN(state[board] = 0)
       fi
    od;
killed:
    atomic { in_kernel[board] = 0; gone = 1; dead = 1 };
over:
    atomic { i = 0; lively = 0; entered = 0; board = 0; ok = 0; found = 0; any = 0;
             slow = 0 }
}

proctype sweeper()
{
    byte i, me;
    bit ok;
    me = SWEEPER;
end:
    dead;
    do
    :: i < LINKS -> wait_sweep(); i++
    :: else -> break
    od;
killed:
over:
    atomic { i = 0; me = 0; ok = 0 }
}

init {
    byte n;
    atomic {
        run sleeper(SLEEPER);
#if SUCCESSOR
        run sleeper(NEXT);
#endif
#if SWEEPERS
        run sweeper();
#endif
        do :: n < SENDERS -> run sender(n); n++ :: else -> break od;
        n = 0
    }
}
