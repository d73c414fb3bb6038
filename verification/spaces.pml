/* spaces.pml — using a space, removing it, and making another of its name: native/src/space/removal.c,
 * settle_in() in member.c, space.c and directory.c.
 *
 * There is one name. Users open the space that it leads to, or make one, begin to use it, send, and rest, or
 * stay. Removers look for users of the space that it leads to, and for messages. A STEP is one access, to
 * shared memory, to the locks or to the directory. A death frees the process's locks.
 */

#ifndef USERS
#define USERS 2
#endif
#ifndef REMOVERS
#define REMOVERS 1
#endif
#ifndef DEATHS
#define DEATHS 1
#endif
#ifndef RESTS
#define RESTS 1    /* users that rest when they have sent */
#endif
#ifndef TRIES
#define TRIES 3    /* of a user, to have a space */
#endif

#define SPACES 4   /* the first, and those that users make */
#define NOTHING 9
#define REMOVED 99 /* instead of the number of comings */

byte name = 0;               /* the space that it leads to */
byte comings[SPACES];
byte uses[SPACES];           /* locks, a bit for each user */
byte told[SPACES];           /* users that have it open */
byte living = 255;           /* a bit for each user */
byte locked[SPACES];         /* its directory, by process + 1 */
bit accepted[SPACES];        /* a message */
byte next_space = 1;
byte deaths = DEATHS;
byte ended;

/* The rules. */
bit another_taken_away, removed_in_use, message_lost;

#define STEP(access) \
    if \
    :: atomic { access } \
    :: atomic { deaths > 0 -> deaths--; goto killed } \
    fi

#ifdef MUTANT_directory_unlocked
#define LOCK(s) STEP(have = 1)
#else
#define LOCK(s) STEP(if :: locked[s] == 0 -> locked[s] = me + 1; have = 1 :: else -> have = 0 fi)
#endif
#define UNLOCK(s) STEP(if :: locked[s] == me + 1 -> locked[s] = 0 :: else fi)

/* Of a removed space: removes the name, if it is this space's. */
inline take_away(s)
{
    LOCK(s);
    if
    :: have ->
       STEP(leads = (name == s));
#ifdef MUTANT_name_unlooked
       leads = (name != NOTHING);
#endif
       if
       :: leads ->
          STEP(another_taken_away = name != s && name != NOTHING; assert(!another_taken_away);
               name = NOTHING)
       :: else
       fi;
       UNLOCK(s)
    :: else
    fi
}

proctype user(byte me; bit rests)
{
    byte s = NOTHING, word, tries = 0;
    bit have = 0, leads = 0, mine = 0;
    do
    :: tries == TRIES -> goto over
    :: else ->
       tries++;
       STEP(s = name);
       if
       :: s == NOTHING && next_space < SPACES -> /* made whole, then named */
          STEP(if :: next_space < SPACES -> s = next_space; next_space++ :: else fi);
          STEP(if :: s != NOTHING && name == NOTHING -> name = s :: else -> s = NOTHING fi)
       :: s == NOTHING -> goto over
       :: else -> /* opened, and perhaps removed */
          STEP(word = comings[s]);
          if
          :: word == REMOVED -> take_away(s); s = NOTHING
          :: else
          fi
       fi;
       if
       :: s != NOTHING -> /* settle_in() */
#ifdef MUTANT_counted_before_it_is_said
          STEP(mine = (comings[s] != REMOVED);
               if :: mine -> comings[s]++ :: else fi);
          STEP(uses[s] = uses[s] | 1 << me);
#else
#ifndef MUTANT_use_unsaid
          STEP(uses[s] = uses[s] | 1 << me);
#endif
#ifdef MUTANT_coming_uncounted
          STEP(mine = (comings[s] != REMOVED));
#else
          STEP(mine = (comings[s] != REMOVED);
               if :: mine -> comings[s]++ :: else fi);
#endif
#endif
          if
          :: mine ->
             STEP(told[s] = told[s] | 1 << me;
                  removed_in_use = comings[s] == REMOVED; assert(!removed_in_use));
             break
          :: else -> STEP(uses[s] = uses[s] & ~(1 << me))
          fi
       :: else
       fi
    od;
    STEP(accepted[s] = 1; message_lost = comings[s] == REMOVED; assert(!message_lost));
    if
    :: rests ->
       STEP(told[s] = told[s] & ~(1 << me));
       STEP(uses[s] = uses[s] & ~(1 << me))
    :: else
    fi;
    goto over;
killed: skip;
    atomic {
        living = living & ~(1 << me);
        if :: s < SPACES && locked[s] == me + 1 -> locked[s] = 0 :: else fi
    };
over:
    ended++
}

#ifdef MUTANT_removed_anyway
#define SAME(a, b) 1
#else
#define SAME(a, b) (a == b)
#endif

proctype remover(byte me)
{
    byte s = NOTHING, word;
    bit have = 0, leads = 0, used, kept;
    STEP(s = name);
    if :: s == NOTHING -> goto over :: else fi;
#ifdef MUTANT_counted_late
    STEP(used = (uses[s] & living) != 0);
    STEP(word = comings[s]);
#else
    STEP(word = comings[s]);
    STEP(used = (uses[s] & living) != 0);
#endif
    STEP(kept = accepted[s]);
    if
    :: word == REMOVED -> take_away(s); goto over
    :: word != REMOVED && (used || kept) -> goto over
    :: else
    fi;
    STEP(have = SAME(comings[s], word);
         if
         :: have ->
            removed_in_use = (told[s] & living) != 0; assert(!removed_in_use);
            message_lost = accepted[s]; assert(!message_lost);
            comings[s] = REMOVED
         :: else
         fi);
    if :: !have -> goto over :: else fi;
    take_away(s);
    goto over;
killed: skip;
    atomic { if :: s < SPACES && locked[s] == me + 1 -> locked[s] = 0 :: else fi };
over:
    ended++
}

#define KEPT(s) (!accepted[s] || name == s)
init {
    atomic {
        byte i = 0;
        do
        :: i < USERS -> run user(i, i < RESTS); i++
        :: else -> break
        od;
        do
        :: i < USERS + REMOVERS -> run remover(i); i++
        :: else -> break
        od
    };
    ended == USERS + REMOVERS;
    /* The name leads to every accepted message. */
    message_lost = !(KEPT(0) && KEPT(1) && KEPT(2) && KEPT(3));
    assert(!message_lost)
}
