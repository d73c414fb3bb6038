/* wait.pml — sleeping and waking: waiting/wait.c and parts/calling.c, and who calls these in sending.c
 * and receiving.c.
 *
 * Receivers that find nothing fall asleep; senders and releasing holders bring messages. As in
 * mailbox.pml an inline is named after its C function and a STEP is one access. What the ring
 * and the cells do is proven there: here a message is a number in `ring` or `back`.
 *
 * Time is left out. Whether a call was made "a moment ago", which lets a waker rely on it, is
 * chosen freely at each look, so that the model does not depend on how that is measured. A
 * slice ends only when nothing else can happen any more, and only where SLICES allows it.
 */

#ifndef DEATHS
#define DEATHS 0
#endif
#ifndef GIVE_UPS
#define GIVE_UPS 0 /* sleepers whose time runs out, or who are interrupted */
#endif
#ifndef SLICES
#define SLICES 0   /* whether a sleeper looks for itself when nobody calls it */
#endif
#ifndef SENDING
#define SENDING 2
#endif
#ifndef RELEASING
#define RELEASING 0
#endif

#define RECEIVERS 2

#define NONE 0
#define WAITING 1
#define WOKEN 2

byte signal[RECEIVERS];
byte ticket[RECEIVERS];
byte bits;              /* who is to be looked at */
bit in_kernel[RECEIVERS]; /* asleep on the futex */
bit dead[RECEIVERS];
byte tickets = 1;
byte ring, back;        /* messages that wait; those that came back */
byte deaths = DEATHS, give_ups = GIVE_UPS;

/* Who sleeps beside a message when nobody is left to call it blocks the search: it ends in
 * what Spin calls an invalid end state. */
byte brought; /* by whom: also by the dead, perhaps without a message */
#define nothing_left (brought == SENDING + RELEASING && ring + back == 0)

#define STEP(access) \
    if \
    :: atomic { access } \
    :: atomic { deaths > 0 -> deaths--; goto killed } \
    fi
#define REGISTERS byte b, oldest, called, before, before_ticket; bit ok
#define forget b = 0; oldest = 0; called = 0; before = 0; before_ticket = 0; ok = 0

/* The ticket is read with the signal: nobody enters twice here. */
#define LOOK(n) \
    STEP(if \
         :: signal[n] == WOKEN -> called = n + 1; before_ticket = ticket[n] /* it is coming */ \
         :: signal[n] != WAITING /* or it is late */ \
         :: signal[n] == WAITING -> \
            if \
            :: oldest == 0 || ticket[n] < before_ticket -> \
               oldest = n + 1; before_ticket = ticket[n] \
            :: else \
            fi \
         fi)

/* `called`: entry + 1 of whom this relies on, whose ticket is `before_ticket`; or 0. */
inline wait_wake()
{
    do
    :: STEP(b = bits; oldest = 0; before_ticket = 0; if :: b == 0 -> break :: else fi);
       if :: b & 1 -> LOOK(0) :: else fi;
       if :: !called && (b & 2) -> LOOK(1) :: else fi;
       if
       :: called || !oldest -> break
       :: else ->
          STEP(if
               :: signal[oldest - 1] == WAITING -> signal[oldest - 1] = WOKEN; called = oldest
               :: else
               fi);
          if
          :: called ->
             /* The system call, which tells whether anybody slept; if not, perhaps it died. */
             STEP(if
                  :: in_kernel[called - 1] -> in_kernel[called - 1] = 0; break
                  :: !in_kernel[called - 1] && dead[called - 1] -> /* wait_sweep */
                     signal[called - 1] = NONE; bits = bits & ~(1 << (called - 1)); called = 0
                  :: else -> break
                  fi)
          :: else
          fi
       fi
    od;
    atomic { b = 0; oldest = 0 }
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
          if :: ok -> STEP(ok = (ticket[before - 1] == before_ticket)) :: else fi
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
    wait_before();
    STEP(ring++);
    wait_after();
killed: atomic { forget; brought++ }
}

proctype releaser()
{
    REGISTERS;
    wait_before();
    STEP(back++);
    wait_after();
killed: atomic { forget; brought++ }
}

/* As receiving.c's take(): what came back first. */
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

/* liaison_mailbox_take, wait_until */
proctype receiver(byte me)
{
    REGISTERS;
    bit woken;
    /* wait_enter: nobody looks at the rest before the bit is set. */
    STEP(ticket[me] = tickets; tickets++; signal[me] = WAITING; bits = bits | 1 << me);
    do
    :: STEP(signal[me] = WAITING); /* announce, then look */
#ifdef MUTANT_not_looked_again
       skip;
#else
       attempt();
       if :: ok -> break :: else fi;
#endif
       STEP(if :: signal[me] == WAITING -> in_kernel[me] = 1; woken = 0
            :: else -> woken = 1 fi);
       if
       :: woken
       :: else ->
          if
          :: atomic { !in_kernel[me] -> woken = 1 }
          :: atomic { give_ups > 0 -> give_ups--; in_kernel[me] = 0 }; break
          :: atomic { nothing_left -> in_kernel[me] = 0; goto over } /* sleeps for ever */
          :: atomic { SLICES && timeout && in_kernel[me] && ring + back > 0 -> in_kernel[me] = 0 }
          :: atomic { deaths > 0 -> deaths--; goto killed }
          fi
       fi;
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
    :: ok ->
       ok = 0; called = 0;
       STEP(b = bits);
       if :: b -> STEP(ok = MORE) :: else fi;
       if :: ok -> wait_wake() :: else fi
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
        run receiver(0); run receiver(1);
        do :: n < SENDING -> run sender(); n++ :: else -> break od;
        n = 0;
        do :: n < RELEASING -> run releaser(); n++ :: else -> break od;
        n = 0
    }
}
