/* port.pml — the end of a port and the draining of what is in it: native/src/links/port.c, and what it uses
 * of ring.c, cell.c, turn.c and recover.c.
 *
 * As in mailbox.pml, an inline is named after the C function that it follows, a STEP is one access
 * to shared memory, and between any two steps a process may die, or stop, or be overtaken by all
 * the others. MUTANT_... seeds a fault; check.py knows which rule each of them must break.
 */

/* ---- the bounds ------------------------------------------------------------------- */

#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef SENDERS
#define SENDERS 1       /* each sends one message */
#endif
#ifndef DRAINERS
#define DRAINERS 1
#endif
#ifndef TAKES
#define TAKES 1         /* what the receiver takes at most */
#endif
#ifndef WAITING
#define WAITING 1       /* messages that wait at the beginning */
#endif
#ifndef FORCE
#define FORCE 0         /* 1: a process may end the port by force while its receiver lives */
#endif
#ifndef LIFETIME
#define LIFETIME 0      /* 1: the port also ends with its last sender */
#endif

#define CELLS 2
#define RING 2

/* ---- the words, as in layout.h, but narrower ---------------------------------------- */

#define LIVE 0
#define DESTROYED 1
#define ENDED 2
#define ORPHANED 3

#define EMPTY 0
#define FULL 1
#define TAKEN 2
#define CLOSED 3
#define ring_word(cycle, cell, owner, state) ((cycle) << 6 | (cell) << 5 | (owner) << 2 | (state))
#define ring_state(w) ((w) & 3)
#define ring_owner(w) (((w) >> 2) & 7)
#define ring_cell(w) (((w) >> 5) & 1)
#define ring_cycle(w) ((w) >> 6)
#define at(p) ((p) % RING)
#define cycle_of(p) ((p) / RING)
#define ahead(w, p) (ring_cycle(w) - cycle_of(p))
#define vacant(w) (ring_state(w) == EMPTY || ring_state(w) == CLOSED)

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

/* Owner numbers, which are identities here: no new process takes a dead one's place. */
#define RECEIVER 1
#define SENDER 2        /* and 3 */
#define DRAINER 4       /* and 5 */
#define NEWCOMER 6

short ring[RING];
short header[CELLS];
byte position[CELLS];
byte payload[CELLS];    /* the number of the message */
byte link;
byte turn;
byte attached;          /* of the senders: a bit each */
bit top, came;
byte locks;             /* who is alive */
#define alive(who) (locks >> (who) & 1)

/* ---- what the checker knows, and no process reads ------------------------------------- */

byte accepted, handed, settled; /* a bit a message; handed to the receiver or to the dead letters */
bit been;                       /* a sender has been attached */
byte crashes = CRASHES;
#define bit_of(m) (1 << (m))

/* Names of the rules. Always 0. */
hidden byte message_lost, handed_twice_unflagged, handed_after_it_was_settled,
    accepted_after_the_end, ended_before_any_came, never_over,
    corrupt;

#define accept(x) \
    assert(link != DESTROYED || accepted_after_the_end); \
    accepted = accepted | bit_of(payload[x])
#define hand_over(x, h) \
    assert(!(settled & bit_of(payload[x])) || handed_after_it_was_settled); \
    assert(!(handed & bit_of(payload[x])) || cell_deliveries(h) > 1 || handed_twice_unflagged); \
    handed = handed | bit_of(payload[x])

#define STEP(access) \
    if \
    :: atomic { access } \
    :: atomic { crashes > 0 && id != NEWCOMER -> crashes--; locks = locks & ~(1 << id); goto dead } \
    fi
#define CAS(word, from, to, then) if :: word == (from) -> word = (to); then :: else fi

#define REGISTERS \
    byte id;       /* owner number */ \
    byte x, p, i;  /* cell, position, index */ \
    short h, w, f; /* header, ring word; finish()'s header */ \
    byte o, t;     /* the process that is swept; the turn, or the link's state */ \
    byte r;        /* what a scan has found */ \
    bit ok
#define forget x = 0; p = 0; i = 0; h = 0; w = 0; f = 0; o = 0; t = 0; r = 0; ok = 0

/* ---- ring.c -------------------------------------------------------------------------------- */

inline finish(where)
{
    do
    :: STEP(f = header[ring_cell(w)]; if :: cell_state(f) != QUEUED -> break :: else fi);
       STEP(if :: ring[where] != w -> break :: else fi);
       STEP(CAS(header[ring_cell(w)], f,
                cell_word(cell_generation(f), cell_deliveries(f) + 1, ring_owner(w), LEASED),
                break))
    od;
    STEP(f = 0; CAS(ring[where], w, ring_word(ring_cycle(w) + 1, 0, 0, EMPTY), skip))
}

/* The hints, which may lag by any number, are left out: each begins at the first position. */
inline ring_push()
{
    do
    :: STEP(w = ring[at(p)]);
       if
       :: ahead(w, p) == 0 && ring_state(w) == CLOSED -> break
       :: ahead(w, p) == 0 && ring_state(w) == EMPTY ->
          STEP(position[x] = p);
          STEP(CAS(ring[at(p)], w, ring_word(cycle_of(p), x, 0, FULL), accept(x); ok = 1));
          if :: ok -> break :: else fi
       :: ahead(w, p) >= 0 && !(ahead(w, p) == 0 && vacant(w)) -> p++
       :: ahead(w, p) == -1 && ring_state(w) == TAKEN -> finish(at(p))
       :: ahead(w, p) < -1 || (ahead(w, p) == -1 && ring_state(w) != TAKEN) -> assert(corrupt)
       fi
    od;
    p = 0; w = 0
}

inline ring_take()
{
    do
    :: STEP(w = ring[at(p)]; if :: ahead(w, p) == 0 && vacant(w) -> break :: else fi);
       if
       :: ahead(w, p) == 0 && ring_state(w) == FULL ->
          x = ring_cell(w);
          STEP(CAS(ring[at(p)], w, ring_word(cycle_of(p), ring_cell(w), id, TAKEN),
                   w = ring[at(p)]; ok = 1));
          if
          :: ok ->
             finish(at(p));
             STEP(h = header[x];
                  assert((cell_state(h) == LEASED && cell_owner(h) == id) || corrupt);
                  break)
          :: else -> x = 0
          fi
       :: ahead(w, p) == 0 && ring_state(w) == TAKEN -> finish(at(p))
       :: ahead(w, p) > 0 -> p++
       :: ahead(w, p) < 0 -> assert(corrupt)
       fi
    od;
    p = 0; w = 0
}

/* `ok`: closed; otherwise full. */
inline ring_close()
{
#ifdef MUTANT_ring_left_open
    ok = 1;
#else
    do
    :: STEP(w = ring[at(p)]);
       if
       :: ahead(w, p) == 0 && ring_state(w) == CLOSED -> ok = 1; break
       :: ahead(w, p) == 0 && ring_state(w) == EMPTY ->
          STEP(CAS(ring[at(p)], w, ring_word(cycle_of(p), 0, 0, CLOSED), ok = 1));
          if :: ok -> break :: else fi
       :: ahead(w, p) >= 0 && !(ahead(w, p) == 0 && vacant(w)) -> p++
       :: ahead(w, p) == -1 && ring_state(w) == TAKEN -> finish(at(p))
       :: ahead(w, p) == -1 && ring_state(w) != TAKEN -> break
       :: ahead(w, p) < -1 -> assert(corrupt)
       fi
    od;
#endif
    p = 0; w = 0
}

/* `r` is 1 when a message waits. */
inline ring_drained()
{
    do
    :: i < RING ->
       STEP(w = ring[i]);
       if
#ifndef MUTANT_taken_left_unfinished
       :: ring_state(w) == TAKEN -> finish(i)
#endif
       :: ring_state(w) == FULL -> r = 1
       :: else
       fi;
       atomic { w = 0; i++ }
    :: else -> i = 0; break
    od
}

/* ---- cell.c, recover.c, turn.c ----------------------------------------------------------------- */

#ifdef MUTANT_deliveries_kept
#define next_deliveries(h) cell_deliveries(h)
#else
#define next_deliveries(h) (cell_deliveries(h) + 1)
#endif
#define FREED cell_word(cell_generation(h) + 1, 0, 0, FREE)
#define GIVEN_BACK cell_word(cell_generation(h), cell_deliveries(h), 0, RETURNED)

/* `ok`: the cell x, whose header is h, is ours. How returned cells are found is mailbox.pml's. */
inline take_from_cells()
{
    do
    :: x < CELLS ->
       STEP(h = header[x]);
       if
       :: cell_state(h) == RETURNED ->
          STEP(CAS(header[x], h,
                   cell_word(cell_generation(h), next_deliveries(h), id, LEASED),
                   h = header[x]; ok = 1))
       :: else
       fi;
       if :: ok -> break :: else -> x++ fi
    :: else -> break
    od;
    if :: !ok -> x = 0; h = 0; ring_take() :: else fi
}

/* Everything that the dead process `o` had. */
inline sweep()
{
    do
    :: i < RING ->
       STEP(w = ring[i];
            if :: ring_state(w) != TAKEN || ring_owner(w) != o -> w = 0 :: else fi);
       if :: w != 0 -> finish(i) :: else fi;
       atomic { w = 0; i++ }
    :: else -> i = 0; break
    od;
    do
    :: i < CELLS ->
       STEP(h = header[i]; if :: cell_owner(h) != o -> h = 0 :: else fi);
       if
       :: h != 0 && cell_state(h) == LOANED -> STEP(CAS(header[i], h, FREED, skip))
       :: cell_state(h) == QUEUED ->
          STEP(w = ring[at(position[i])];
               r = ring_cycle(w) == cycle_of(position[i]) && !vacant(w) && ring_cell(w) == i;
               w = 0);
          if
          :: r -> STEP(CAS(header[i], h, cell_word(cell_generation(h), 0, 0, QUEUED), skip))
          :: else -> STEP(CAS(header[i], h, FREED, skip))
          fi;
          r = 0
       :: cell_state(h) == LEASED -> STEP(CAS(header[i], h, GIVEN_BACK, skip))
       :: else
       fi;
       atomic { h = 0; i++ }
    :: else -> i = 0; break
    od;
    STEP(CAS(turn, o, 0, skip))
}

inline recover_dead()
{
#ifndef MUTANT_the_dead_are_left
    o = RECEIVER;
    do
    :: o < NEWCOMER && crashes < CRASHES ->
       STEP(if :: alive(o) -> r = 1 :: else fi);
       if :: !r -> sweep() :: else fi;
       atomic { r = 0; o++ }
    :: else -> o = 0; break
    od
#else
    skip
#endif
}

/* `ok`: the turn is ours. */
inline turn_enter()
{
    do
    :: STEP(t = turn);
       if
       :: t == 0 -> STEP(CAS(turn, 0, id, ok = 1)); if :: ok -> break :: else fi
       :: t != 0 && alive(t) -> break
       :: t != 0 && !alive(t) -> o = t; sweep(); o = 0
       fi
    od;
    t = 0
}

/* ---- port.c ------------------------------------------------------------------------------------- */

#ifdef MUTANT_letters_destroyed
#define BEREFT DESTROYED
#else
#define BEREFT ORPHANED
#endif
#define over assert(!(accepted & ~settled) || message_lost)

inline port_bereave()
{
    STEP(CAS(link, LIVE, BEREFT, if :: BEREFT == DESTROYED -> over :: else fi; ok = 1));
    if :: !ok -> STEP(CAS(link, ENDED, BEREFT, skip)) :: else fi;
    ok = 0
}

/* The receiver looks for its senders. */
inline port_look()
{
#ifdef MUTANT_coming_taken_for_gone
    STEP(t = top);
#else
    STEP(t = came);
#endif
    if
    :: t ->
       STEP(t = attached & locks);
       if
       :: t == 0 ->
          STEP(CAS(link, LIVE, ENDED, assert(been || ended_before_any_came)))
       :: else
       fi
    :: else
    fi;
    t = 0
}

/* `r`: 0 it is over, 1 there is something to take, 2 a living process holds a message. */
inline port_drained()
{
    ring_close();
    if
    :: ok ->
       ok = 0;
       recover_dead();
       ring_drained();
       if
       :: r == 0 ->
#ifdef MUTANT_returned_counted_first
          do
          :: i < CELLS -> STEP(if :: cell_state(header[i]) == RETURNED -> r = 1 :: else fi; i++)
          :: else -> i = 0; break
          od;
#endif
          do
          :: i < CELLS ->
             STEP(h = header[i];
                  if
#ifndef MUTANT_returned_counted_first
                  :: cell_state(h) == RETURNED -> r = 1
#endif
#ifndef MUTANT_leases_overlooked
                  :: cell_state(h) == LEASED && r == 0 -> r = 2
#endif
                  :: else
                  fi;
                  h = 0; i++)
          :: else -> i = 0; break
          od
       :: else
       fi
    :: else -> r = 1
    fi;
    if
    :: r == 0 -> STEP(CAS(link, ORPHANED, DESTROYED, over))
    :: else
    fi
}

#ifdef MUTANT_settled_before_it_is_forwarded
#define FORWARD_FIRST skip
#define FORWARD_THEN STEP(hand_over(x, h); settled = settled | bit_of(payload[x]))
#define SETTLED skip
#else
#define FORWARD_FIRST STEP(hand_over(x, h))
#define FORWARD_THEN skip
#define SETTLED settled = settled | bit_of(payload[x])
#endif

/* All that is undelivered, one after the other. */
inline drain()
{
    do
    :: STEP(t = link);
       if :: t != ORPHANED -> t = 0; break :: else -> t = 0 fi;
       recover_dead();
       take_from_cells();
       if
       :: ok ->
          ok = 0;
          FORWARD_FIRST;
          STEP(CAS(header[x], h, FREED, SETTLED));
          FORWARD_THEN;
          x = 0; h = 0
       :: else ->
          port_drained();
          if
          :: r == 1 -> r = 0
          :: else -> r = 0; break
          fi
       fi
    od
}

inline come_to_drain()
{
    STEP(if :: alive(RECEIVER) -> t = 1 :: else fi);
    if
    :: !t -> port_bereave()
    :: t && FORCE && id != NEWCOMER -> t = 0; port_bereave()
    :: t -> t = 0
    fi;
    STEP(if :: link == ORPHANED -> t = 1 :: else fi);
    if
    :: t ->
       t = 0;
       turn_enter();
       if
       :: ok -> ok = 0; drain(); STEP(CAS(turn, id, 0, skip))
       :: else
       fi
    :: else
    fi
}

/* ---- who takes part ------------------------------------------------------------------------------ */

proctype sender(byte number)
{
    REGISTERS;
    id = number;
#if LIFETIME
    STEP(top = 1);
    STEP(attached = attached | 1 << id; been = 1);
    STEP(came = 1);
#endif
    STEP(t = link);
    if
    :: t == LIVE ->
       do
       :: x < CELLS ->
          STEP(h = header[x];
               if
               :: cell_state(h) == FREE ->
                  header[x] = cell_word(cell_generation(h), 0, id, LOANED); h = header[x]; ok = 1
               :: else
               fi);
          if :: ok -> break :: else -> x++ fi
       :: else -> break
       od;
       if
       :: ok ->
          ok = 0;
          STEP(t = link);
          if
          :: t == LIVE ->
             STEP(payload[x] = id; h = cell_word(cell_generation(h), 0, id, QUEUED); header[x] = h);
             ring_push()
          :: else
          fi;
          if :: !ok -> STEP(CAS(header[x], h, FREED, skip)) :: else fi
       :: else
       fi
    :: else
    fi;
#if LIFETIME
    STEP(attached = attached & ~(1 << id));
#endif
dead:
    atomic { forget; id = 0 }
}

proctype receiver()
{
    REGISTERS;
    byte takes = TAKES;
    id = RECEIVER;
    do
    :: takes > 0 ->
       takes--;
       STEP(t = link);
       if
       :: t == LIVE || t == ENDED ->
          t = 0;
          take_from_cells();
#if LIFETIME
          if
          :: !ok ->
             port_look();
             STEP(t = link);
             if
             :: t == ENDED ->
#ifndef MUTANT_told_without_closing
                ring_close();
                ok = 0;
#endif
#ifndef MUTANT_told_without_looking_again
                take_from_cells();
#endif
                if
                :: !ok -> assert(!(accepted & ~handed) || message_lost) /* so it gets Destroyed */
                :: else
                fi
             :: else
             fi;
             t = 0
          :: else
          fi
#endif
       :: else -> t = 0; break
       fi;
       if :: ok -> STEP(hand_over(x, h)) :: else fi;
       if
       :: ok -> STEP(CAS(header[x], h, FREED, settled = settled | bit_of(payload[x])))
       :: ok -> STEP(CAS(header[x], h, GIVEN_BACK, skip))
       :: ok -> break /* it ends with the message in its hands */
       :: !ok
       fi;
       ok = 0; x = 0; h = 0
    :: break
    od;
    if
    :: true -> /* it ends the port, and lives on */
       t = ok; ok = 0;
       port_bereave();
       ok = t; t = 0
    :: true
    fi;
    if
    :: ok -> STEP(CAS(header[x], h, FREED, settled = settled | bit_of(payload[x])))
    :: ok -> STEP(CAS(header[x], h, GIVEN_BACK, skip))
    :: true /* it holds it for ever */
    fi;
dead:
    atomic { forget; id = 0; takes = 0 }
}

proctype drainer(byte number)
{
    REGISTERS;
    id = number;
    come_to_drain();
dead:
    atomic { forget; id = 0 }
}

/* ---- a newcomer, at every moment -------------------------------------------------------------
 *
 * In every state that can be reached all others may stop for ever, the living with their locks and what they
 * hold. Then a newcomer drains it, undisturbed: the port must be over, unless its receiver lives and has not
 * ended it, or a living process drains it, or holds a message; and every message that no living process holds
 * must have been handed over. What it changes is undone afterwards. */

#ifndef PROGRESS
hidden short was_ring[RING], was_header[CELLS];
hidden byte was_position[CELLS], was_link, was_turn, was_accepted, was_handed, was_settled, busy;
#define SAVE(word) was_##word = word
#define RESTORE(word) word = was_##word
#define EVERY(DO) \
    DO(ring[0]); DO(ring[1]); DO(header[0]); DO(header[1]); DO(position[0]); DO(position[1]); \
    DO(link); DO(turn); DO(accepted); DO(handed); DO(settled)
#define held(x) (cell_state(header[x]) == LEASED && alive(cell_owner(header[x])))

proctype newcomer()
{
    REGISTERS;
end:
    do
    :: d_step {
           EVERY(SAVE);
           id = NEWCOMER;
           busy = turn != 0 && alive(turn);
           come_to_drain();
           assert(link == DESTROYED || (alive(RECEIVER) && link != ORPHANED) || busy || held(0) ||
                  held(1) || never_over);
           assert((alive(RECEIVER) && link != ORPHANED && link != DESTROYED) || busy ||
                  !(accepted & ~settled & ~(held(0) << payload[0]) & ~(held(1) << payload[1])) ||
                  message_lost);
dead:      EVERY(RESTORE);
           forget;
           id = 0;
       }
    od
}
#endif

init {
    atomic {
        locks = 1 << RECEIVER | 1 << SENDER | 1 << (SENDER + 1) | 1 << DRAINER | 1 << (DRAINER + 1) |
                1 << NEWCOMER;
#if WAITING > 0
        header[0] = cell_word(0, 0, 0, QUEUED); payload[0] = 0; accepted = bit_of(0);
        ring[0] = ring_word(0, 0, 0, FULL);
#endif
#if WAITING > 1
        header[1] = cell_word(0, 0, 0, QUEUED); payload[1] = 1; accepted = bit_of(0) | bit_of(1);
        position[1] = 1; ring[1] = ring_word(0, 1, 0, FULL);
#endif
#ifndef PROGRESS
        run newcomer();
#endif
        run receiver();
#if SENDERS > 0
        run sender(SENDER);
#endif
#if SENDERS > 1
        run sender(SENDER + 1);
#endif
#if DRAINERS > 0
        run drainer(DRAINER);
#endif
#if DRAINERS > 1
        run drainer(DRAINER + 1)
#endif
    }
}
