/* wait.pml — sleeping and waking: waiting/wait.c and parts/calling.c, and their callers in sending.c and
 * receiving.c.
 *
 * Receivers that find nothing fall asleep; senders and releasing holders bring messages. As in mailbox.pml an
 * inline is named after its C function and a STEP is one access. The ring and the cells are checked there:
 * here a message is a number in `ring` or `back`.
 *
 * Time is not modelled. Whether a call was made "a moment ago", which lets a caller rely on it, is chosen
 * freely at each look, so that the model does not depend on how that is measured.
 *
 * A sleeper is LIGHT while its tick shows that it looks by itself soon; then it FADES: it still looks, but
 * its tick does not show that any more; and after that look it is HEAVY, and sleeps until it is called. If
 * SLICES allows it, the slice of a sleeper that is not HEAVY ends when nothing else can happen any more, and
 * with SLICES 2 that of any sleeper. STOPS is how many receivers stop for ever; unlike dead ones they are not
 * swept.
 */

#ifndef DEATHS
#define DEATHS 0
#endif
#ifndef GIVE_UPS
#define GIVE_UPS 0 /* sleepers whose time runs out, or that are interrupted */
#endif
#ifndef SLICES
#define SLICES 0   /* whether a sleeper looks by itself without a call */
#endif
#ifndef STOPS
#define STOPS 0
#endif
#ifndef STAND_INS
#define STAND_INS (DEATHS + STOPS > 0) /* whether callers need one */
#endif
#ifndef MORTAL
#define MORTAL 1   /* whether a sender or a releaser may die, too; 2: before there is its message */
#endif
#ifndef SENDING
#define SENDING 1
#endif
#ifndef RELEASING
#define RELEASING 1
#endif

#ifndef RECEIVERS
#define RECEIVERS 2
#endif

#define NONE 0
#define WAITING 1
#define WOKEN 2
#define LIGHTLY 3

#define LIGHT 2
#define FADES 1
#define HEAVY 0

byte signal[RECEIVERS];
byte ticket[RECEIVERS];
byte bits;              /* entries in use */
bit in_kernel[RECEIVERS]; /* asleep on the futex */
bit roused[RECEIVERS];    /* the system call of the last call was made */
bit dead[RECEIVERS];
byte depth[RECEIVERS]; /* how it sleeps */
byte hint_called, hint_stand_in; /* entries + 1 */
byte tickets = 1;
byte ring, back;        /* messages that wait; those that were returned */
byte deaths = DEATHS, give_ups = GIVE_UPS, stops = STOPS;

/* A sleeper beside a message that no process is left to call blocks: the search ends in what Spin calls an
 * invalid end state. */
byte brought; /* by which senders: also dead ones, perhaps without a message */
#define nothing_left (brought == SENDING + RELEASING && ring + back == 0)

#define STEP(access) \
    if \
    :: atomic { access } \
    :: atomic { mortal && deaths > 0 -> deaths--; goto killed } \
    fi
#define REGISTERS byte b, oldest, called, before, before_ticket, x, y; bit ok, mortal, given_up
#define forget b = 0; oldest = 0; called = 0; before = 0; before_ticket = 0; x = 0; y = 0; ok = 0; given_up = 0

#define asleep(n) (signal[n] == WAITING || signal[n] == LIGHTLY)
#define the_other(n) (1 - (n))

/* Entry `x` - 1 was called. The only other one stands in, or must. */
inline find_stand_in()
{
    y = 0;
    do
    :: STEP(if :: bits & (1 << the_other(x - 1)) -> y = the_other(x - 1) + 1 :: else -> y = 0; break fi);
       STEP(if
            :: signal[y - 1] == WAITING && depth[y - 1] == LIGHT -> break
            :: !asleep(y - 1) -> y = 0; break
            :: else
            fi);
#ifdef MUTANT_nobody_stands_in
       break;
#endif
       STEP(if
            :: signal[y - 1] == WAITING -> signal[y - 1] = LIGHTLY; ok = 1
            :: else -> ok = (signal[y - 1] == LIGHTLY)
            fi);
       if
       :: ok ->
          ok = 0;
          STEP(if
               :: in_kernel[y - 1] -> in_kernel[y - 1] = 0; break
               :: !in_kernel[y - 1] && dead[y - 1] -> /* wait_sweep */
                  signal[y - 1] = NONE; bits = bits & ~(1 << (y - 1)); y = 0
               :: else -> break
               fi)
       :: else
       fi
    od
}

/* A hint of this tick that there was no stand-in also holds for later sleepers. */
#define nobody_heavy (!(bits & (1 << the_other(x - 1))) || depth[the_other(x - 1)] == LIGHT)

inline keep_stand_in()
{
    STEP(if
         :: hint_called == x && hint_stand_in == 0 && nobody_heavy -> ok = 1
         :: hint_called == x && hint_stand_in -> y = hint_stand_in; ok = 0
         :: y = 0; ok = 0 /* of another call, or an older tick */
         fi);
    if
    :: !ok && y ->
       STEP(ok = (signal[y - 1] == LIGHTLY || (signal[y - 1] == WAITING && depth[y - 1] == LIGHT)))
    :: else
    fi;
    if
    :: !ok -> find_stand_in(); STEP(hint_called = x; hint_stand_in = y)
    :: else
    fi;
    atomic { ok = 0; y = 0 }
}

/* The ticket is read with the signal: no process enters twice here. Without stand-ins any called sleeper may
 * be relied on, and not only the last one, which is more than the engine does. With them a called sleeper is
 * taken for asleep, unless the tick shows that the system call was made just now, or that it looks by
 * itself. */
#define OLDER(n) (oldest == 0 || ticket[n] < before_ticket)
#define LOOK(n) \
    STEP(if \
         :: !STAND_INS && signal[n] == WOKEN -> called = n + 1; before_ticket = ticket[n] \
         :: !STAND_INS && signal[n] == WOKEN /* or it is late */ \
         :: STAND_INS && signal[n] == WOKEN && OLDER(n) AND_MAYBE_ASLEEP -> \
            oldest = n + 1; before_ticket = ticket[n] \
         :: STAND_INS && signal[n] == WOKEN && JUST_NOW(n) \
         :: asleep(n) && OLDER(n) -> oldest = n + 1; before_ticket = ticket[n] \
         :: else \
         fi)
#ifdef MUTANT_the_called_is_awake
#define AND_MAYBE_ASLEEP && false
#else
#define AND_MAYBE_ASLEEP
#endif

/* A sleeper that was woken at this tick, has fallen asleep since and was called again looks by itself
 * soon. */
#define JUST_NOW(n) (roused[n] || depth[n] == LIGHT)

#if STAND_INS
#define ONE_STEP
#else
#define ONE_STEP -> break
#endif

/* `called`: entry + 1 of the sleeper that this relies on, whose ticket is `before_ticket`; or 0. */
inline wait_wake()
{
    do
    ::
#if STAND_INS
       STEP(x = hint_called);
       if
       :: x ->
          STEP(if
               :: signal[x - 1] == WOKEN && JUST_NOW(x - 1) -> called = x; before_ticket = ticket[x - 1]
               :: skip /* has acted; or was called longer ago, and is late */
               fi)
       :: else
       fi;
       if :: called -> keep_stand_in(); break :: else fi;
#endif
       STEP(b = bits; oldest = 0; before_ticket = 0; if :: b == 0 -> break :: else fi);
       if :: b & 1 -> LOOK(0) :: else fi;
#if RECEIVERS > 1
       if :: !called && (b & 2) -> LOOK(1) :: else fi;
#endif
       if
       :: called || !oldest -> break
       :: else ->
#if STAND_INS
          x = oldest;
          find_stand_in();
#endif
          STEP(if
               :: asleep(oldest - 1) ->
                  signal[oldest - 1] = WOKEN; roused[oldest - 1] = 0; called = oldest; ok = 1
               :: STAND_INS && signal[oldest - 1] == WOKEN -> called = oldest /* by another */
               :: else
               fi);
          if
          :: called ->
             /* The system call, which returns whether it slept; if not, perhaps it is dead. */
             STEP(if
                  :: in_kernel[called - 1] ->
                     in_kernel[called - 1] = 0; roused[called - 1] = STAND_INS ONE_STEP
                  :: !in_kernel[called - 1] && dead[called - 1] -> /* wait_sweep */
                     signal[called - 1] = NONE; bits = bits & ~(1 << (called - 1)); called = 0
                  :: !in_kernel[called - 1] && !dead[called - 1] && ok ->
                     roused[called - 1] = STAND_INS ONE_STEP
                  :: else -> roused[called - 1] = STAND_INS; called = 0 /* it is late, so another sleeper */
                  fi);
             ok = 0
#if STAND_INS
             ;
             if
             :: called -> STEP(hint_called = x; hint_stand_in = y); break
             :: else
             fi
#endif
          :: else
          fi
       fi
    od;
    atomic { b = 0; oldest = 0; x = 0; y = 0; ok = 0 }
}

inline wait_before()
{
    wait_wake(); /* wait_any looks at no more than this does first */
    atomic { before = called; called = 0 }
}

inline wait_after()
{
#ifndef MUTANT_not_made_sure_afterwards
    if
    :: before ->
       STEP(ok = (bits == 0));
#ifdef MUTANT_an_earlier_call_is_trusted
       ok = 1;
#endif
       if
       :: !ok ->
          STEP(ok = (signal[before - 1] == WOKEN));
          /* Woken by us, as the engine can see; here, by any caller. */
          if :: ok -> STEP(ok = (ticket[before - 1] == before_ticket && (!STAND_INS || roused[before - 1]))) :: else fi
#if STAND_INS && !defined(MUTANT_stand_in_not_kept)
          ;
          if :: ok -> ok = 0; x = before; keep_stand_in(); x = 0; ok = 1 :: else fi
#endif
       :: else
       fi
    :: else
    fi;
    if :: !ok -> wait_wake() :: else fi;
#endif
    atomic { forget }
}

proctype sender()
{
    REGISTERS;
    mortal = (MORTAL > 0);
    wait_before();
    STEP(ring++; if :: MORTAL == 2 -> mortal = 0 :: else fi);
    wait_after();
killed: atomic { forget; brought++ }
}

proctype releaser()
{
    REGISTERS;
    mortal = (MORTAL > 0);
    wait_before();
    STEP(back++; if :: MORTAL == 2 -> mortal = 0 :: else fi);
    wait_after();
killed: atomic { forget; brought++ }
}

/* As receiving.c's take(): returned messages first. */
inline attempt()
{
    STEP(if :: back > 0 -> back--; ok = 1 :: else fi);
    if
    :: !ok -> STEP(if :: ring > 0 -> ring--; ok = 1 :: else fi)
    :: else
    fi
}

#ifdef MUTANT_baton_dropped_when_giving_up
#define PASS_ON false
#else
#define PASS_ON called
#endif
#if defined(MUTANT_baton_dropped_after_taking)
#define MORE 0
#elif defined(MUTANT_baton_blind_to_what_came_back)
#define MORE (ring > 0)
#else
#define MORE (ring + back > 0)
#endif

#define ends_alone(n) (SLICES && (depth[n] != HEAVY || SLICES == 2))

/* liaison_mailbox_take, wait_until */
proctype receiver(byte me)
{
    REGISTERS;
    bit woken;
    mortal = 1;
    /* wait_enter: the rest is not read before the bit is set. */
    STEP(ticket[me] = tickets; tickets++; depth[me] = (SLICES > 0) * LIGHT; signal[me] = WAITING;
         bits = bits | 1 << me);
    do
    :: STEP(b = (signal[me] == LIGHTLY); /* announce, then look */
            if
#ifndef MUTANT_told_to_sleep_lightly_while_awake
            :: signal[me] == LIGHTLY -> depth[me] = (SLICES > 0) * LIGHT
#endif
            :: signal[me] == WOKEN -> depth[me] = (SLICES > 0) * LIGHT
            :: else
            fi;
            signal[me] = WAITING);
#ifdef MUTANT_not_looked_again
       skip;
#else
       if :: !b -> attempt() :: else fi; /* a stand-in leaves it to the other */
       if :: ok -> break :: else fi;
#endif
       STEP(b = 0; if :: signal[me] == WAITING -> in_kernel[me] = 1; woken = 0
            :: else -> woken = (signal[me] == WOKEN); depth[me] = (SLICES > 0) * LIGHT fi);
       if
       :: !in_kernel[me] && signal[me] != WAITING
       :: else ->
          do
          :: atomic { !in_kernel[me] -> woken = (signal[me] == WOKEN); depth[me] = (SLICES > 0) * LIGHT; break }
          :: atomic { SLICES && in_kernel[me] && depth[me] == LIGHT -> depth[me] = FADES }
          :: atomic { SLICES && in_kernel[me] && depth[me] == FADES ->
                      in_kernel[me] = 0; depth[me] = HEAVY; break } /* and looks once more */
          :: atomic { in_kernel[me] && give_ups > 0 -> give_ups--; in_kernel[me] = 0; given_up = 1; break }
          :: atomic { in_kernel[me] && nothing_left -> in_kernel[me] = 0; goto over } /* sleeps for ever */
          :: atomic { SLICES == 2 && timeout && in_kernel[me] && ring + back > 0 -> in_kernel[me] = 0; break }
          :: atomic { in_kernel[me] && deaths > 0 -> deaths--; goto killed }
          :: atomic { stops > 0 -> stops--; in_kernel[me] = 0; goto over } /* woken or not */
          od
       fi;
       if :: given_up -> break :: else fi;
#ifdef MUTANT_not_looked_again
       if :: woken -> attempt(); if :: ok -> break :: else fi :: else fi
#endif
    od;
#ifdef MUTANT_left_in_two_steps
    STEP(called = (signal[me] == WOKEN || (woken && !ok)));
    STEP(signal[me] = NONE);
#else
    STEP(called = (signal[me] == WOKEN || (woken && !ok)); signal[me] = NONE);
#endif
    STEP(bits = bits & ~(1 << me));
    if
    :: !ok && PASS_ON -> called = 0; wait_wake()
#if STAND_INS && !defined(MUTANT_stand_in_leaves_unsaid)
    :: !ok && !PASS_ON -> /* wait_left */
       called = 0;
       STEP(x = hint_called);
       if :: x -> STEP(ok = (signal[x - 1] == WOKEN)); x = 0; if :: ok -> ok = 0; wait_wake() :: else fi
       :: else
       fi
#endif
    :: ok ->
       ok = 0; called = 0;
       STEP(b = bits);
       if :: b -> STEP(ok = MORE) :: else fi;
       if :: ok -> ok = 0; wait_wake() :: else fi
    :: else
    fi;
    goto over;
killed:
    atomic { in_kernel[me] = 0; dead[me] = 1 };
over:
    atomic { forget; woken = 0 }
}

init {
    byte n;
    atomic {
        for (n : 0 .. RECEIVERS - 1) { run receiver(n) }
        n = 0;
        do :: n < SENDING -> run sender(); n++ :: else -> break od;
        n = 0;
        do :: n < RELEASING -> run releaser(); n++ :: else -> break od;
        n = 0
    }
}
