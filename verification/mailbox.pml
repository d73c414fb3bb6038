/* mailbox.pml — the mailbox's protocol: native/src/{segment,parts,links}/.
 *
 * An inline is named after the C function that it follows, a STEP is one access to shared memory, and between
 * any two steps a process may die, or stop, or be overtaken by all the others. README.md says what is
 * checked, and what is left out. MUTANT_... seeds a fault; check.py knows which assertion each of them must
 * violate.
 */

/* ---- the bounds ------------------------------------------------------------------- */

#ifndef CRASHES
#define CRASHES 1       /* processes that die */
#endif
#ifndef REBIRTHS
#define REBIRTHS 1      /* new processes in their place */
#endif
#ifndef OPERATIONS
#define OPERATIONS 3    /* of all processes together */
#endif
#ifndef EACH
#define EACH OPERATIONS /* of one process at most */
#endif
#ifndef HISTORY
#define HISTORY 0       /* what the mailbox has seen before; see init */
#endif
/* What each process may do: sums of these. */
#define SEND 1
#define ACKNOWLEDGE 2   /* lease a message, then ... */
#define RELEASE 4
#define HOLD 8
#define RECOVER 16
#define CLOSE 32        /* leave, and attach anew */
#ifndef MAY0
#define MAY0 (SEND)
#define MAY1 (SEND)
#define MAY2 (ACKNOWLEDGE | RELEASE | HOLD)
#endif

#define CELLS 2
#define RING 2
#define SLOTS 3         /* attachments; one more is the newcomer's, below */

/* ---- the words, as in layout.h, but narrower ---------------------------------------- */

#define EMPTY 0
#define FULL 1
#define TAKEN 2
#define ring_word(cycle, cell, owner, state) ((cycle) << 6 | (cell) << 5 | (owner) << 2 | (state))
#define ring_state(w) ((w) & 3)
#define ring_owner(w) (((w) >> 2) & 7)
#define ring_cell(w) (((w) >> 5) & 1)
#define ring_cycle(w) ((w) >> 6)
#define at(p) ((p) % RING)
#define cycle_of(p) ((p) / RING)
#define ahead(w, p) (ring_cycle(w) - cycle_of(p))

#define FREE 0
#define LOANED 1
#define QUEUED 2
#define LEASED 3
#define RETURNED 4
#define cell_word(generation, deliveries, owner, state) \
    ((generation) << 9 | (deliveries) << 6 | (owner) << 3 | (state))
#define cell_state(h) ((h) & 7)
#define cell_owner(h) (((h) >> 3) & 7)
#define cell_deliveries(h) (((h) >> 6) & 7)
#define cell_generation(h) ((h) >> 9)

short ring[RING];
short header[CELLS];
byte position[CELLS];
byte payload[CELLS];      /* the number of the message */
byte returned;            /* the bitmap */
byte return_epoch, clean_epoch;
byte head, tail;
byte identity[SLOTS + 1]; /* of the attachments */
byte roles;               /* a bit each */
byte locks;               /* the members' liveness locks: who is alive, a bit an identity */
#define alive(who) (locks >> (who) & 1)

/* ---- what the checker knows, and no process reads ------------------------------------- */

short accepted, taken, handed, settled; /* a bit a message */
byte holder[CELLS];                     /* the process that may touch the payload, if it lives */
int fences[CELLS];                      /* (generation, deliveries) that leases carried */
byte crashes = CRASHES, rebirths = REBIRTHS, operations = OPERATIONS;

#define NEWCOMER 7
#define OF_NEWCOMER 12 /* its message; those of process i are 3i to 3i + 2, older ones 9 and 10 */
#define bit_of(m) (1 << (m))
#define earlier(m) (bit_of(m) - bit_of((m) / 3 * 3)) /* of the same sender */

/* Names of the rules, so that Spin's output shows which one was broken. Always 0. */
hidden byte message_lost, delivered_twice_unflagged, delivered_after_acknowledgement,
    out_of_order, above_capacity, two_owners, lease_of_the_living_lost, fence_used_twice,
    corrupt, cell_leaked, wrong_payload, bounds_reached;

#define accept(x) \
    assert(payload[x] < 16 && !(accepted & bit_of(payload[x])) || wrong_payload); \
    accepted = accepted | bit_of(payload[x]); \
    holder[x] = 0
#define first_lease(x) \
    assert((accepted & bit_of(payload[x])) || wrong_payload); \
    assert(!(settled & bit_of(payload[x])) || delivered_after_acknowledgement); \
    assert(!(taken & bit_of(payload[x])) || delivered_twice_unflagged); \
    assert(!(accepted & earlier(payload[x]) & ~taken) || out_of_order); \
    taken = taken | bit_of(payload[x]); \
    hold(x)
#define hold(x) \
    assert(!alive(holder[x]) || two_owners); \
    holder[x] = id
#define let_go(x) \
    assert(!alive(holder[x]) || holder[x] == id || lease_of_the_living_lost); \
    holder[x] = 0
#define hand_over(x, h) \
    assert(holder[x] == id || two_owners); \
    assert(!(settled & bit_of(payload[x])) || delivered_after_acknowledgement); \
    assert(!(handed & bit_of(payload[x])) || cell_deliveries(h) > 1 || delivered_twice_unflagged); \
    handed = handed | bit_of(payload[x]); \
    assert(cell_generation(h) < 4 && cell_deliveries(h) < 7 || bounds_reached); \
    assert(!(fences[x] >> (cell_generation(h) * 8 + cell_deliveries(h)) & 1) || fence_used_twice); \
    fences[x] = fences[x] | 1 << (cell_generation(h) * 8 + cell_deliveries(h))
#define settle_message(x) \
    assert(!(settled & bit_of(payload[x])) || delivered_after_acknowledgement); \
    settled = settled | bit_of(payload[x])

/* ---- a step ----------------------------------------------------------------------------- */

#define STEP(access) \
    if \
    :: atomic { access } \
    :: atomic { crashes > 0 && id != NEWCOMER -> crashes--; locks = locks & ~(1 << id); goto dead } \
    fi
#define CAS(word, from, to, then) if :: word == (from) -> word = (to); then :: else fi

/* Private memory. A value that is not needed any more is zeroed: otherwise it would multiply the states. */
#define REGISTERS \
    byte id;          /* identity; the next process in the same place has another */ \
    byte me;          /* owner number: slot + 1 */ \
    byte told, sent, done; \
    byte x, n, p, i;  /* cell, count, position, index */ \
    short h, w, f, l; /* header, ring word; finish()'s header; oldest header */ \
    byte s, who;      /* the slot that is swept, and its owner */ \
    byte e, c, b, y;  /* epochs, bits, oldest cell */ \
    bit ok
#define forget x = 0; n = 0; p = 0; i = 0; h = 0; w = 0; f = 0; l = 0; s = 0; who = 0; e = 0; \
    c = 0; b = 0; y = 0; ok = 0; told = 0

/* ---- ring.c -------------------------------------------------------------------------------- */

#ifdef MUTANT_finish_does_not_look_again
#define FINISH_LOOKS(where) skip
#else
#define FINISH_LOOKS(where) STEP(if :: ring[where] != w -> break :: else fi)
#endif
#ifdef MUTANT_finish_gives_up
#define FINISH_AGAIN break
#else
#define FINISH_AGAIN skip
#endif
#define finish_header \
    do \
    :: STEP(f = header[ring_cell(w)]; if :: cell_state(f) != QUEUED -> break :: else fi); \
       FINISH_LOOKS(where); \
       STEP(CAS(header[ring_cell(w)], f, \
                cell_word(cell_generation(f), cell_deliveries(f) + 1, ring_owner(w), LEASED), \
                break); \
            FINISH_AGAIN) \
    od
#define finish_word STEP(f = 0; CAS(ring[where], w, ring_word(ring_cycle(w) + 1, 0, 0, EMPTY), skip))

/* The ring word `where` was read as `w`. */
inline finish(where)
{
#ifdef MUTANT_finish_frees_the_word_first
    finish_word;
    finish_header;
    f = 0
#else
    finish_header;
    finish_word
#endif
}

#ifdef MUTANT_position_said_late
#define SAY_BEFORE skip
#define SAY_AFTER STEP(position[x] = p)
#else
#define SAY_BEFORE STEP(position[x] = p)
#define SAY_AFTER skip
#endif
#ifdef MUTANT_accept_without_comparing
#define ACCEPT ring[at(p)] = ring_word(cycle_of(p), x, 0, FULL); accept(x); ok = 1
#else
#define ACCEPT CAS(ring[at(p)], w, ring_word(cycle_of(p), x, 0, FULL), accept(x); ok = 1)
#endif

inline ring_push()
{
    STEP(p = tail);
    do
    :: STEP(w = ring[at(p)]);
       if
       :: ahead(w, p) == 0 && ring_state(w) == EMPTY ->
          SAY_BEFORE;
          STEP(ACCEPT); /* acceptance */
          if
          :: ok ->
             SAY_AFTER;
             STEP(CAS(tail, p, p + 1, skip); p = 0; w = 0; ok = 0; break)
          :: else
          fi
       :: ahead(w, p) >= 0 && !(ahead(w, p) == 0 && ring_state(w) == EMPTY) ->
          STEP(CAS(tail, p, p + 1, skip); p++);
          STEP(if :: tail > p -> p = tail :: else fi)
       :: ahead(w, p) == -1 && ring_state(w) == TAKEN ->
#ifdef MUTANT_push_waits_for_the_taker
          skip
#else
          finish(at(p))
#endif
       :: ahead(w, p) < -1 || (ahead(w, p) == -1 && ring_state(w) != TAKEN) ->
          assert(corrupt)
       fi
    od
}

#ifdef MUTANT_lease_without_comparing
#define LEASE w = ring_word(cycle_of(p), ring_cell(w), me, TAKEN); ring[at(p)] = w; \
    x = ring_cell(w); first_lease(x); ok = 1
#else
#define LEASE \
    CAS(ring[at(p)], w, ring_word(cycle_of(p), ring_cell(w), me, TAKEN), \
        w = ring[at(p)]; x = ring_cell(w); first_lease(x); ok = 1)
#endif
#ifdef MUTANT_head_runs_ahead
#define HEAD_ON head = head + 1
#else
#define HEAD_ON CAS(head, p, p + 1, skip)
#endif

/* `ok`: the cell x, whose header is h, is ours. */
inline ring_take()
{
    STEP(p = head);
    do
    :: STEP(w = ring[at(p)];
            if :: ahead(w, p) == 0 && ring_state(w) == EMPTY -> break :: else fi);
       if
       :: ahead(w, p) == 0 && ring_state(w) == FULL ->
          STEP(LEASE); /* the lease */
          if
          :: ok ->
             finish(at(p));
             STEP(HEAD_ON);
             STEP(h = header[x];
                  assert((cell_state(h) == LEASED && cell_owner(h) == me) || corrupt);
                  break)
          :: else
          fi
       :: ahead(w, p) == 0 && ring_state(w) == TAKEN ->
#ifdef MUTANT_take_waits_for_the_taker
          skip
#else
          finish(at(p))
#endif
       :: ahead(w, p) > 0 ->
          STEP(CAS(head, p, p + 1, skip); p++);
          STEP(if :: head > p -> p = head :: else fi)
       :: ahead(w, p) < 0 ->
          assert(corrupt)
       fi
    od;
    p = 0; w = 0
}

inline ring_finish_owner()
{
    do
    :: STEP(w = ring[i];
            if :: ring_state(w) != TAKEN || ring_owner(w) != s + 1 -> w = 0 :: else fi);
       if :: w != 0 -> finish(i) :: else fi;
       atomic { w = 0; i++; if :: i == RING -> i = 0; break :: else fi }
    od
}

/* ---- cell.c ---------------------------------------------------------------------------------- */

#ifdef MUTANT_generation_kept
#define next_generation(h) cell_generation(h)
#else
#define next_generation(h) (cell_generation(h) + 1)
#endif
#ifdef MUTANT_deliveries_kept
#define next_deliveries(h) cell_deliveries(h)
#else
#define next_deliveries(h) (cell_deliveries(h) + 1)
#endif

/* `ok`: the cell x is ours; h is its header. */
inline cell_claim()
{
    x = me % CELLS; /* the private cursor */
    do
    :: n < CELLS ->
       STEP(h = header[x]);
       if
       :: cell_state(h) == FREE ->
          STEP(CAS(header[x], h, cell_word(cell_generation(h), 0, me, LOANED),
                   h = header[x]; hold(x); ok = 1))
       :: else
       fi;
       if
       :: ok ->
          n = 0;
          STEP(e = return_epoch);
          STEP(c = clean_epoch);
          if
          :: e != c -> STEP(returned = returned & ~(1 << x))
          :: else
          fi;
          e = 0; c = 0;
          break
       :: else -> atomic { x = (x + 1) % CELLS; n++ }
       fi
    :: else -> atomic { x = 0; n = 0; h = 0; break }
    od
}

#define FREED cell_word(next_generation(h), 0, 0, FREE)

/* `ok` is cleared when it succeeds. */
inline cell_return(cell)
{
#ifdef MUTANT_bit_set_late
    STEP(return_epoch++);
    STEP(CAS(header[cell], h, cell_word(cell_generation(h), cell_deliveries(h), 0, RETURNED),
             let_go(cell); ok = 0));
    STEP(returned = returned | 1 << (cell))
#else
    STEP(returned = returned | 1 << (cell));
#ifndef MUTANT_epoch_raised_late
    STEP(return_epoch++);
#endif
    STEP(CAS(header[cell], h, cell_word(cell_generation(h), cell_deliveries(h), 0, RETURNED),
             let_go(cell); ok = 0))
#ifdef MUTANT_epoch_raised_late
    ;
    STEP(return_epoch++)
#endif
#endif
}

#ifdef MUTANT_clean_though_bits_were_seen
#define CLEAN true
#else
#define CLEAN b == 0
#endif
#ifdef MUTANT_bit_cleared_early
#define CLEAR_EARLY STEP(returned = returned & ~(1 << y))
#else
#define CLEAR_EARLY skip
#endif

/* `ok`: the cell x, whose header is h, is ours. */
inline cell_take_returned()
{
    STEP(e = return_epoch);
    STEP(c = clean_epoch);
    do
    :: e != c && n < CELLS + 1 ->
       STEP(b = returned);
       x = 0; l = 0;
       do
       :: x < CELLS ->
          if
          :: b >> x & 1 ->
             STEP(h = header[x]);
             if
             :: cell_state(h) == RETURNED ->
                STEP(if
                     :: l == 0 || position[x] < p -> l = h; y = x; p = position[x]
                     :: else
                     fi)
             :: else
             fi
          :: else
          fi;
          x++
       :: else -> break
       od;
       x = 0; h = 0; p = 0;
       if
       :: l == 0 ->
          if
          :: CLEAN -> STEP(CAS(clean_epoch, c, e, skip))
          :: else
          fi;
          break
       :: else ->
          CLEAR_EARLY;
          STEP(CAS(header[y], l, cell_word(cell_generation(l), next_deliveries(l), me, LEASED),
                   h = header[y]; x = y; hold(x); ok = 1));
          if
          :: ok ->
             STEP(returned = returned & ~(1 << x));
             break
          :: else -> n++
          fi
       fi
    :: else -> break
    od;
    atomic { e = 0; c = 0; b = 0; l = 0; n = 0; y = 0 }
}

/* ---- recover.c -------------------------------------------------------------------------------- */

#ifdef MUTANT_sweep_frees_what_is_queued
#define LOOK_IN_RING ok = 0
#else
#define LOOK_IN_RING \
    ok = (ring_cycle(ring[at(p)]) == cycle_of(p) && ring_state(ring[at(p)]) != EMPTY && \
          ring_cell(ring[at(p)]) == i)
#endif
#ifdef MUTANT_sweep_does_not_look_at_the_identity
#define STANDS skip
#else
#define STANDS STEP(if :: identity[s] != who -> h = 0 :: else fi)
#endif

inline sweep_each_cell()
{
    do
    :: i < CELLS ->
       STEP(h = header[i]; if :: cell_owner(h) != s + 1 -> h = 0 :: else fi);
       if :: h != 0 -> STANDS :: else fi;
       if
       :: h != 0 && cell_state(h) == LOANED ->
          STEP(CAS(header[i], h, FREED, let_go(i)))
       :: cell_state(h) == QUEUED ->
          STEP(p = position[i]);
          STEP(LOOK_IN_RING);
          if
          :: ok -> STEP(CAS(header[i], h, cell_word(cell_generation(h), 0, 0, QUEUED), skip))
          :: else -> STEP(CAS(header[i], h, FREED, let_go(i)))
          fi;
          atomic { p = 0; ok = 0 }
       :: cell_state(h) == LEASED -> cell_return(i)
       :: else
       fi;
       atomic { h = 0; i++ }
    :: else -> break
    od;
    i = 0
}

inline sweep_cells()
{
#ifdef MUTANT_sweep_cells_before_ring
    sweep_each_cell();
    ring_finish_owner()
#else
#ifndef MUTANT_sweep_leaves_the_ring
    ring_finish_owner();
#endif
    sweep_each_cell()
#endif
}

#define GIVE_UP_SLOT STEP(CAS(identity[s], who, 0, skip))

inline sweep()
{
#ifdef MUTANT_slot_given_up_first
    GIVE_UP_SLOT;
#endif
    STEP(ok = roles >> s & 1);
    if
    :: ok -> ok = 0; sweep_cells()
    :: else
    fi;
#ifndef MUTANT_slot_given_up_first
    GIVE_UP_SLOT
#endif
}

#ifdef MUTANT_the_living_are_swept
#define DEAD(who) true
#else
#define DEAD(who) !alive(who)
#endif

inline recover_dead()
{
    do
    :: s < SLOTS ->
       STEP(who = identity[s]; if :: who == id -> who = 0 :: else fi);
       if
       :: who != 0 ->
          STEP(if :: DEAD(who) -> skip :: else -> who = 0 fi);
          if :: who != 0 -> sweep() :: else fi
       :: else
       fi;
       atomic { who = 0; s++ }
    :: else -> break
    od;
    s = 0
}

/* There is something to find only if a process has died, or gives up its place alive. */
#define WORTH_RECOVERING (crashes < CRASHES || ((MAY0 | MAY1 | MAY2) & CLOSE))

/* ---- segment.c -------------------------------------------------------------------------------- */

inline claim_attachment()
{
    do
    :: s < SLOTS ->
       STEP(CAS(identity[s], 0, id, ok = 1)); /* a glance before it changes nothing */
       if
       :: ok -> ok = 0; STEP(roles = roles & ~(1 << s); me = s + 1); break
       :: else -> s++
       fi
    :: else -> break
    od;
    s = 0
}

inline segment_attach()
{
    claim_attachment();
    if
    :: me == 0 ->
       recover_dead();
       claim_attachment()
    :: else
    fi
}

inline recover_leave()
{
    atomic { s = me - 1; who = id };
    sweep();
    atomic { s = 0; who = 0; me = 0; told = 0 }
}

/* ---- sending.c, receiving.c -------------------------------------------------------------------- */

inline tell_role()
{
    if
    :: !told -> STEP(roles = roles | 1 << (me - 1); told = 1)
    :: else
    fi
}

/* `ok`: sent. */
inline send(message)
{
#ifndef MUTANT_role_told_late
    tell_role();
#endif
    cell_claim();
    if
    :: !ok && WORTH_RECOVERING && id != NEWCOMER -> recover_dead(); cell_claim()
    :: else
    fi;
    if
    :: ok ->
       ok = 0;
#ifndef MUTANT_queued_said_late
       STEP(payload[x] = message; header[x] = cell_word(cell_generation(h), 0, me, QUEUED);
            h = 0);
       ring_push();
#else
       STEP(payload[x] = message);
       ring_push();
       STEP(CAS(header[x], h, cell_word(cell_generation(h), 0, me, QUEUED), skip); h = 0);
#endif
       x = 0
    :: else
    fi
#ifdef MUTANT_role_told_late
    ;
    tell_role()
#endif
}

/* `ok`: the cell x, whose header is h, is ours. */
inline take()
{
    tell_role();
    cell_take_returned();
    if :: !ok -> ring_take() :: else fi;
    atomic {
        if
        :: ok -> hand_over(x, h)
        :: else -> skip
        fi
    }
}

inline acknowledge()
{
    STEP(assert(header[x] == h || lease_of_the_living_lost));
    STEP(CAS(header[x], h, FREED, settle_message(x); let_go(x); ok = 0);
         assert(!ok || lease_of_the_living_lost);
         x = 0; h = 0; ok = 0)
}

inline release()
{
    STEP(assert(header[x] == h || lease_of_the_living_lost));
    cell_return(x);
    atomic {
        assert(!ok || lease_of_the_living_lost);
        x = 0; h = 0; ok = 0
    }
}

proctype process(byte number; byte may)
{
    REGISTERS;
    atomic { id = number + 1; me = number + 1 };
again:
    do
    :: atomic { operations > 0 && done < EACH && (may & SEND) -> operations--; done++; sent++ };
       send(number * 3 + sent - 1)
    :: atomic {
          operations > 0 && done < EACH && (may & (ACKNOWLEDGE | RELEASE | HOLD)) ->
          operations--; done++
       };
       if
       :: WORTH_RECOVERING -> recover_dead()
       :: true
       fi;
       take();
       if
       :: ok && (may & ACKNOWLEDGE) -> acknowledge()
       :: ok && (may & RELEASE) -> release()
       :: ok && (may & HOLD) -> atomic { ok = 0; x = 0; h = 0 }
       :: !ok
       fi
    :: atomic { operations > 0 && done < EACH && (may & RECOVER) && WORTH_RECOVERING ->
                operations--; done++ };
       recover_dead()
    :: atomic { operations > 0 && done < EACH && (may & CLOSE) -> operations--; done++ };
       recover_leave();
       segment_attach();
       if :: me == 0 -> break :: else fi
    :: atomic { !(operations > 0 && done < EACH) -> break }
    :: atomic { operations > 0 && done < EACH && !(may & ~RECOVER) && !WORTH_RECOVERING -> break }
    od;
    goto over;
dead:
    atomic {
        forget;
        me = 0;
        if
        :: rebirths > 0 && operations > 0 && done < EACH && id <= 3 ->
           rebirths--; id = id + 3; locks = locks | 1 << id
        :: goto over
        fi
    };
    segment_attach();
    if
    :: me != 0 -> goto again
    :: else
    fi;
over:
    atomic { forget; done = 0; sent = 0; id = 0; me = 0; }
}

/* ---- a newcomer, at every moment -------------------------------------------------------------
 *
 * In every state that can be reached, all processes may stop for ever: those that live keep their liveness
 * locks, and what they hold. Then a newcomer recovers, sends as long as there is room, and takes all
 * messages, undisturbed. It must find every accepted message that no living process holds and that was not
 * acknowledged, and no cell may remain lost. What it changes is undone afterwards: the state is the same as
 * before. */

#ifndef PROGRESS
hidden short was_ring[RING], was_header[CELLS], was_accepted, was_taken, was_handed, was_settled;
hidden byte was_position[CELLS], was_payload[CELLS], was_returned, was_return_epoch,
    was_clean_epoch, was_head, was_tail, was_identity[SLOTS], was_roles, was_holder[CELLS];
hidden int was_fences[CELLS];
hidden short found;
hidden byte rounds;

#define SAVE(word) was_##word = word
#define RESTORE(word) word = was_##word
#define EVERY(DO) \
    DO(ring[0]); DO(ring[1]); DO(header[0]); DO(header[1]); DO(position[0]); DO(position[1]); \
    DO(payload[0]); DO(payload[1]); DO(returned); DO(return_epoch); DO(clean_epoch); DO(head); \
    DO(tail); DO(identity[0]); DO(identity[1]); DO(identity[2]); DO(roles); DO(accepted); \
    DO(taken); DO(handed); DO(settled); DO(holder[0]); DO(holder[1]); DO(fences[0]); DO(fences[1])

#define held(m) \
    ((payload[0] == (m) && alive(holder[0]) && holder[0] != NEWCOMER) || \
     (payload[1] == (m) && alive(holder[1]) && holder[1] != NEWCOMER))
#define kept(x) \
    (cell_state(header[x]) == FREE || holder[x] == NEWCOMER || alive(holder[x]) || \
     (cell_state(header[x]) == QUEUED && cell_owner(header[x]) != 0 && \
      alive(identity[cell_owner(header[x]) - 1])))

proctype newcomer()
{
    REGISTERS;
end:
    do
    :: d_step {
           EVERY(SAVE);
           id = NEWCOMER; me = SLOTS + 1; told = 1; found = 0; rounds = 0;
           recover_dead();
           send(OF_NEWCOMER);
           ok = 0; x = 0; h = 0;
           do
           :: take();
              if
              :: ok -> found = found | bit_of(payload[x]); rounds++
              :: else -> break
              fi;
              assert(rounds <= CELLS || above_capacity);
              ok = 0; x = 0; h = 0
           od;
           n = 0;
           do
           :: n <= OF_NEWCOMER ->
              assert(!(accepted & ~settled & ~found & bit_of(n)) || held(n) || message_lost);
              n++
           :: else -> break
           od;
           assert((kept(0) && kept(1)) || cell_leaked);
dead:      EVERY(RESTORE);
           forget;
           id = 0; me = 0;
       }
    od
}
#endif

init {
    atomic {
        locks = 1 << 1 | 1 << 2 | 1 << 3 | 1 << NEWCOMER;
        identity[0] = 1; identity[1] = 2; identity[2] = 3; identity[3] = NEWCOMER;
#if HISTORY == 1 /* a message waits, sent by the process in slot 0, which lives */
        header[0] = cell_word(0, 0, 1, QUEUED); payload[0] = 9; accepted = bit_of(9);
        ring[0] = ring_word(0, 0, 0, FULL); tail = 1; roles = 1;
#endif
#if HISTORY == 2 /* the same, returned once by a process in slot 1 */
        header[0] = cell_word(0, 1, 0, RETURNED); payload[0] = 9; accepted = bit_of(9);
        taken = bit_of(9); handed = bit_of(9); fences[0] = 1 << 1;
        ring[0] = ring_word(1, 0, 0, EMPTY); tail = 1; head = 1; roles = 3;
        returned = 1; return_epoch = 1;
#endif
#if HISTORY == 3 /* both cells wait, in the second cycle; the hints lag behind */
        header[0] = cell_word(1, 0, 1, QUEUED); payload[0] = 9;
        header[1] = cell_word(1, 0, 2, QUEUED); payload[1] = 10;
        accepted = bit_of(9) | bit_of(10); position[0] = 2; position[1] = 3;
        ring[0] = ring_word(1, 0, 0, FULL); ring[1] = ring_word(1, 1, 0, FULL);
        tail = 2; head = 1; roles = 3;
#endif
#ifndef PROGRESS
        run newcomer();
#endif
        run process(0, MAY0); run process(1, MAY1); run process(2, MAY2)
    }
}
