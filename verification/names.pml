/* names.pml — removing a link's name, and cleaning: native/src/segment/naming.c, native/src/links/clean.c,
 * and opening and creating in native/src/segment/opening.c.
 *
 * There is one name. Users open the link that it leads to, or create a link of that name; they send to it,
 * and one of them may destroy it. Cleaners remove links that no process uses. As in the other models an
 * inline is named after its C function and a STEP is one access, to shared memory or to the directory. A
 * death frees the process's locks.
 */

#ifndef USERS
#define USERS 2
#endif
#ifndef CLEANERS
#define CLEANERS 2
#endif
#ifndef DEATHS
#define DEATHS 1
#endif
#ifndef DESTROYS
#define DESTROYS 1 /* users that destroy what they have */
#endif
#ifndef TRIES
#define TRIES 3    /* of a user, to have a link */
#endif

#define LINKS 4    /* the first, and those that users create */
#define NOTHING 9

#define LIVE 0
#define DESTROYED 1
#define CONDEMNED 4

byte name = 0;               /* the link that it leads to */
byte state[LINKS];
byte locked[LINKS];          /* by process + 1 */
byte attached[LINKS];        /* a bit for each user */
byte using[LINKS];           /* users that have it open */
byte living = 255;           /* a bit for each user */
bit wanted[LINKS];           /* a user destroyed it */
bit accepted[LINKS];         /* a message */
byte next_link = 1;
byte deaths = DEATHS;
byte ended;

/* The rules. */
bit another_unnamed, cleaned_in_use, message_lost;

#define STEP(access) \
    if \
    :: atomic { access } \
    :: atomic { deaths > 0 -> deaths--; goto killed } \
    fi

#ifdef MUTANT_names_unlocked
#define LOCK(l) STEP(have = 1)
#else
#define LOCK(l) STEP(if :: locked[l] == 0 -> locked[l] = me + 1; have = 1 :: else -> have = 0 fi)
#endif
#define UNLOCK(l) STEP(if :: locked[l] == me + 1 -> locked[l] = 0 :: else fi)

/* With the lock: removes the name, if it is this link's. */
inline naming_clear(l)
{
    STEP(leads = (name == l));
#ifdef MUTANT_name_unlooked
    leads = (name != NOTHING);
#endif
    if
    :: leads ->
       STEP(another_unnamed = name != l && name != NOTHING; assert(!another_unnamed);
            name = NOTHING)
    :: else
    fi
}

/* For a process that has written its attachment: `word` is then the state without a cleaner's bit. */
inline segment_spare(l)
{
    STEP(word = state[l]);
#ifndef MUTANT_condemned_unspared
    if
    :: word == (LIVE | CONDEMNED) ->
       STEP(if :: state[l] == word -> state[l] = LIVE :: else fi);
       STEP(word = state[l])
    :: else
    fi;
#endif
    word = word & ~CONDEMNED
}

proctype user(byte me; bit destroys)
{
    byte l = NOTHING, word, tries = 0;
    bit have = 0, leads = 0;
    do
    :: tries == TRIES -> goto over
    :: else ->
       tries++;
       STEP(l = name);
       if
       :: l == NOTHING && next_link < LINKS -> /* create: complete and attached, then named */
          STEP(l = next_link; next_link++; attached[l] = 1 << me);
          STEP(if :: name == NOTHING -> name = l; using[l] = 1 << me :: else -> l = NOTHING fi);
          if :: l != NOTHING -> break :: else fi
       :: l == NOTHING -> goto over
       :: else -> /* open */
          STEP(word = state[l] & ~CONDEMNED);
          if
          :: word == DESTROYED ->
             LOCK(l);
             if :: have -> naming_clear(l); UNLOCK(l) :: else fi
          :: else ->
             STEP(attached[l] = attached[l] | 1 << me);
             segment_spare(l);
             if
             :: word == LIVE ->
                STEP(using[l] = using[l] | 1 << me;
                     cleaned_in_use = state[l] == DESTROYED && !wanted[l];
                     assert(!cleaned_in_use));
                break
             :: else -> STEP(attached[l] = attached[l] & ~(1 << me))
             fi
          fi
       fi
    od;
    segment_spare(l);
    if
    :: word == LIVE -> STEP(accepted[l] = 1)
    :: else
    fi;
    if
    :: destroys ->
       STEP(if :: state[l] != DESTROYED -> state[l] = DESTROYED; wanted[l] = 1 :: else fi);
       LOCK(l);
       if :: have -> naming_clear(l); UNLOCK(l) :: else fi
    :: else
    fi;
    goto over;
killed: skip;
    atomic {
        living = living & ~(1 << me);
        if :: l < LINKS && locked[l] == me + 1 -> locked[l] = 0 :: else fi
    };
over:
    ended++
}

#define IN_USE(l) (attached[l] & living)

proctype cleaner(byte me)
{
    byte l, word;
    bit have = 0, leads = 0, used;
    if :: l = 0 :: l = 1 fi;
    if :: l >= next_link -> goto over :: else fi;
    LOCK(l);
    if :: !have -> goto over :: else fi;
    STEP(used = IN_USE(l) != 0);
    STEP(word = state[l] & ~CONDEMNED);
    if
    :: word == DESTROYED -> naming_clear(l)
    :: word == LIVE && !used ->
#ifdef MUTANT_destroyed_at_once
       STEP(if :: state[l] == LIVE -> state[l] = DESTROYED; have = 1 :: else -> have = 0 fi);
       if
       :: have ->
          STEP(used = IN_USE(l) != 0);
          if
          :: used -> STEP(if :: state[l] == DESTROYED -> state[l] = LIVE :: else fi); have = 0
          :: else
          fi
       :: else
       fi;
#else
       STEP(if
            :: state[l] == LIVE || state[l] == (LIVE | CONDEMNED) ->
               state[l] = LIVE | CONDEMNED; have = 1
            :: else -> have = 0
            fi);
       if
       :: have ->
#ifndef MUTANT_condemned_unlooked
          STEP(used = IN_USE(l) != 0);
#endif
          STEP(if
               :: state[l] == (LIVE | CONDEMNED) && used -> state[l] = LIVE; have = 0
               :: state[l] == (LIVE | CONDEMNED) && !used ->
                  state[l] = DESTROYED;
                  cleaned_in_use = (using[l] & living) != 0;
                  assert(!cleaned_in_use)
               :: else -> have = 0
               fi)
       :: else
       fi;
#endif
       if :: have -> naming_clear(l) :: else fi
    :: else
    fi;
    UNLOCK(l);
    goto over;
killed: skip;
    atomic { if :: locked[l] == me + 1 -> locked[l] = 0 :: else fi };
over:
    ended++
}

#define KEPT(l) (!accepted[l] || wanted[l] || (using[l] & living) == 0 || name == l)
init {
    atomic {
        byte i = 0;
        do
        :: i < USERS -> run user(i, i < DESTROYS); i++
        :: else -> break
        od;
        do
        :: i < USERS + CLEANERS -> run cleaner(i); i++
        :: else -> break
        od
    };
    ended == USERS + CLEANERS;
    /* The name leads to every accepted message whose link was not destroyed. */
    message_lost = !(KEPT(0) && KEPT(1) && KEPT(2) && KEPT(3));
    assert(!message_lost)
}
