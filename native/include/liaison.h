/* liaison.h — the engine's public C interface.
 *
 * A mailbox is a file in a memory file system that every process maps. This header
 * names what a C program may do with one; the bytes themselves are drawn in layout.h.
 *
 * Results. Every function that can fail returns an int of one of two kinds:
 *   > 0  a condition of `enum liaison_result`, which the caller is expected to handle;
 *   < 0  a fault, the negative errno of a system call that failed, to be passed on.
 * LIAISON_OK is 0.
 *
 * Blocking. A function whose parameters include a `struct liaison_wait` may block as
 * that says; every other function returns without waiting for anybody.
 *
 * Threads. All functions may be called from many threads at once, except that a
 * handle must not be closed while another thread is inside a call on it
 * (liaison_mailbox_interrupt makes such calls return).
 */
#ifndef LIAISON_H
#define LIAISON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef LIAISON_API
#define LIAISON_API __attribute__((visibility("default")))
#endif

enum liaison_result {
    LIAISON_OK = 0,
    LIAISON_EMPTY,       /* nothing to receive in time */
    LIAISON_FULL,        /* no room in time */
    LIAISON_NO_RECEIVER, /* rendezvous: no receiver in time */
    LIAISON_BUSY,        /* the turn, or the last place on the link, is a living process's */
    LIAISON_NOT_FOUND,   /* no link of that name */
    LIAISON_NAME_TAKEN,  /* a link of that name exists */
    LIAISON_DENIED,      /* rights, or a file that is not what it should be */
    LIAISON_MISMATCH,    /* the link exists with another geometry, kind or policy */
    LIAISON_NOT_OWNER,   /* destroying a living process's link */
    LIAISON_CLOSED,      /* this handle was closed or interrupted for good */
    LIAISON_DESTROYED,   /* the link is gone */
    LIAISON_LEASE_LOST,  /* the message is no longer this holder's */
    LIAISON_TOO_LARGE,   /* above the link's largest message */
    LIAISON_NO_SPACE,    /* the memory file system is full; -EFBIG, -EDQUOT: a limit is reached */
    LIAISON_CORRUPT,     /* the segment failed a check */
    LIAISON_VERSION,     /* the segment is of another version */
    LIAISON_INTERRUPTED, /* the caller's `interrupted` said so */
    LIAISON_INVALID,     /* an argument is out of range */
    LIAISON_EXHAUSTED,   /* every member number or attachment is a living process's */
    LIAISON_ORPHANED,    /* a port without its receiver, with messages for its dead letters */
    LIAISON_UNSUPPORTED, /* this kernel or sandbox lacks what is needed: liaison_missing */
    LIAISON_FOREIGN,     /* its users are known by another members file than the space's */
};

/* What was lacking at this thread's last LIAISON_UNSUPPORTED, in a word or two. Clears it. */
LIAISON_API const char *liaison_missing(void);

/* Sets a function that is called, in the thread that reserves, now and then while much memory is
 * reserved; a true result makes the operation return LIAISON_INTERRUPTED. Call it once, before
 * threads use the engine.
 */
LIAISON_API void liaison_heed(bool (*interrupted)(void *context), void *context);

#define LIAISON_NAME_MAX 100
#define LIAISON_CAPACITY_MAX (1u << 18)
#define LIAISON_ADDRESS_MAX 240

/* ---- spaces ---------------------------------------------------------------- */

typedef struct liaison_space liaison_space;

/* The directory under which user `uid`'s spaces lie: private ones, or those that are
 * open to a group. Writes at most `size` bytes with the terminating NUL. */
LIAISON_API int liaison_root(uint32_t uid, bool shared, char *path, size_t size);

/* Opens the space `root`/`name` of user `owner`, making both directories where they are missing and
 * `create` says so. `gid` >= 0 makes it a space of that group (3770, files 0660). The caller owns
 * the handle and gives it up with liaison_space_close. LIAISON_BUSY: a removed space still has the
 * name, because the process that removes it is stopped. */
LIAISON_API int liaison_space_open(const char *root, uint32_t owner, const char *name, bool create,
                                   int64_t gid, liaison_space **space);
LIAISON_API void liaison_space_close(liaison_space *space);
LIAISON_API const char *liaison_space_path(const liaison_space *space);

/* Whether its members file was removed, replaced or damaged since it was opened: then it is unknown
 * which processes live, and its links are LIAISON_DESTROYED for those that have them open. */
LIAISON_API bool liaison_space_lost(const liaison_space *space);

/* Whether it was removed, or has lost its name: opening that name finds another space, or none. */
LIAISON_API bool liaison_space_gone(liaison_space *space);

/* A space in which nothing is open keeps no descriptor, and each look at it opens and closes what
 * it needs. Between `use` and `rest` it stays in use; `enter` opens it and begins to use it. */
LIAISON_API void liaison_space_use(liaison_space *space);
LIAISON_API int liaison_space_enter(const char *root, uint32_t owner, const char *name, bool create,
                                    int64_t gid, liaison_space **space);
LIAISON_API void liaison_space_rest(liaison_space *space);

enum liaison_space_part { LIAISON_SPACE_LINKS = 1, LIAISON_SPACE_NAMES, LIAISON_SPACE_BELLS };
/* Opens one of the space's directories, after checking that it is still the same one: in a shared
 * space its path may lead elsewhere by now. The descriptor is the caller's to close. */
LIAISON_API int liaison_space_directory(liaison_space *space, enum liaison_space_part part,
                                        int *fd);

/* A process as the space knows it. `known` is false when the process has left and its
 * record was reused: then only what was noted elsewhere (the pid) is filled in. */
struct liaison_peer {
    uint64_t identity; /* member number and generation; 0: none */
    int32_t pid;       /* in its own pid namespace */
    bool known;
    bool alive;
    double started;                  /* seconds since the epoch */
    char name[LIAISON_NAME_MAX + 4]; /* endpoint name, or empty */
    char command[128];
};

/* Fills `peers` with the living members, at most `max`; `count` says how many. LIAISON_FOREIGN: it
 * is unknown, because the table of the members was removed, replaced or damaged.
 * liaison_space_peer() returns the same; liaison_mailbox_info() and _attached() then return
 * LIAISON_DESTROYED. */
LIAISON_API int liaison_space_members(liaison_space *space, struct liaison_peer *peers, size_t max,
                                      size_t *count);

/* The same for the members that use the space at this moment. The others used it before, or made
 * links in it, and have nothing of it open. */
LIAISON_API int liaison_space_users(liaison_space *space, struct liaison_peer *peers, size_t max,
                                    size_t *count);

/* Why a space was not removed. */
struct liaison_kept {
    char link[LIAISON_NAME_MAX + 4]; /* which link keeps it; "": none does, or a nameless one */
    uint64_t messages;               /* that wait in it; 0: a user of the space keeps it */
    struct liaison_peer creator;     /* of the link */
    bool here;                       /* this process uses the space, and the link */
};
/* Removes the space `root`/`name` of user `owner`; that user may do it, and root. Opening it
 * afterwards finds none, or makes another.
 *
 * LIAISON_BUSY: a living process uses it (liaison_space_users), or has used it meanwhile, or
 * messages wait in it. LIAISON_NOT_OWNER: another living process made a link in it. Other results:
 * it is unknown which processes need a link, which `kept` names by its file in `links`. With
 * `force` only its users keep it; and a space whose users are unknown (LIAISON_FOREIGN,
 * LIAISON_VERSION) is removed. -ENOTEMPTY: it was removed, except for what others had put into
 * it. */
LIAISON_API int liaison_space_remove(const char *root, uint32_t owner, const char *name, bool force,
                                     struct liaison_kept *kept);

struct liaison_cleaned {
    uint32_t links;    /* complete links without users, whose creator is dead */
    uint32_t nameless; /* segments that no name leads to */
    uint32_t doorbells;
    uint64_t bytes;
};
/* Removes what no living process uses: nameless and destroyed segments and doorbells
 * always; links with no living process attached only where `links` is true. LIAISON_FOREIGN, as of
 * liaison_space_members(): then nothing is removed. */
LIAISON_API int liaison_space_clean(liaison_space *space, bool links, struct liaison_cleaned *out);

/* ---- waiting --------------------------------------------------------------- */

struct liaison_wait {
    int64_t timeout; /* nanoseconds; < 0 for ever, 0 not at all */
    /* If not NULL, called whenever a sleep ends before what it waits for; a true result makes the
     * operation return LIAISON_INTERRUPTED. */
    bool (*interrupted)(void *context);
    void *context;
};

/* ---- mailboxes ------------------------------------------------------------- */

typedef struct liaison_mailbox liaison_mailbox;

enum liaison_access { LIAISON_ANY = 1, LIAISON_EXCLUSIVE = 2, LIAISON_PAIR = 3 };
/* A queue has a fixed geometry: 10 messages of 8 KiB by default. A port has one receiver, the
 * process that created it, and ends with that process. */
enum liaison_kind {
    LIAISON_KIND_MAILBOX = 1,
    LIAISON_KIND_QUEUE = 2,
    LIAISON_KIND_PORT = 3,
    /* A process's own name. Its messages are introductions: the ids of new senders. */
    LIAISON_KIND_ENDPOINT = 4,
    /* One way of the link between two endpoints. Its access is LIAISON_PAIR. */
    LIAISON_KIND_DIRECT = 5,
    /* Between a process and those it starts; without a name. See liaison_pipe_create. */
    LIAISON_KIND_PIPE = 6,
    /* Two ways between two processes. Its access is LIAISON_PAIR. See liaison_named_pipe_open. */
    LIAISON_KIND_NAMED_PIPE = 7,
};
/* What ends a port: its receiver's end; or also the end of its last sender, once there was one.
 * What ends an endpoint: the process's end; with 0 nothing, it waits for the next process that
 * takes its name. */
enum liaison_lifetime { LIAISON_LIFETIME_RECEIVER = 1, LIAISON_LIFETIME_SENDERS = 2 };

/* What a link is to be. A field that is 0 (capacity: < 0) is left to the default when
 * the link is created, and not compared when it exists. */
struct liaison_policy {
    uint32_t kind;
    uint32_t access;
    int64_t capacity;                       /* messages; 0 rendezvous; < 0 default */
    uint64_t max_message;                   /* bytes; 0 variable size */
    uint64_t memory;                        /* bytes for payloads; 0 grows on demand */
    uint32_t max_deliveries;                /* 0 no limit */
    uint32_t lifetime;                      /* of a port or an endpoint */
    int64_t pair_capacity;                  /* of an endpoint, for links to it; < 0 default */
    char dead_letters[LIAISON_ADDRESS_MAX]; /* "" none */
};

/* LIAISON_OBSERVE opens without taking part: the process takes no place on the link, and may
 * only look at it (info, attached, statistics, waiting, peek) or destroy it.
 *
 * The process that creates a port receives from it, and those that open it send. Creating one is
 * LIAISON_BUSY while its receiver lives, LIAISON_MISMATCH if a link of another kind has the name.
 * If the receiver is dead and the port has dead letters, creating and opening are LIAISON_ORPHANED:
 * open it with LIAISON_DRAIN first, see liaison_port_undelivered.
 *
 * Creating is LIAISON_NOT_FOUND if the space was removed: open that anew. It is LIAISON_DESTROYED
 * if another process is removing the name of a destroyed link, and has not finished within a tenth
 * of a second because it is stopped. */
enum liaison_open {
    LIAISON_OPEN = 1,
    LIAISON_CREATE = 2,
    LIAISON_OPEN_OR_CREATE = 3,
    LIAISON_OBSERVE = 4,
    LIAISON_DRAIN = 8
};

/* `policy` may be NULL with LIAISON_OPEN. The handle keeps its own hold on the space. */
LIAISON_API int liaison_mailbox_open(liaison_space *space, const char *name, enum liaison_open how,
                                     const struct liaison_policy *policy,
                                     liaison_mailbox **mailbox);
/* Gives the handle up; what it has loaned is discarded, what it has leased returned,
 * unless another handle of this process is open on the same link. */
LIAISON_API void liaison_mailbox_close(liaison_mailbox *mailbox);
/* Call this before closing: the link's memory then stays mapped for as long as the process lives.
 * For a forked child, which may still read what its parent had leased or loaned, but takes no part
 * in the link. */
LIAISON_API void liaison_mailbox_keep_memory(liaison_mailbox *mailbox);
/* Makes every call that is waiting on this handle, and every later one, return CLOSED. */
LIAISON_API void liaison_mailbox_interrupt(liaison_mailbox *mailbox);
LIAISON_API int liaison_mailbox_destroy(liaison_mailbox *mailbox, bool force);

struct liaison_info {
    struct liaison_policy policy; /* as it is: every field filled in */
    char id[40];
    char name[LIAISON_NAME_MAX + 4];
    uint32_t max_processes;
    uint64_t largest; /* message that can ever be sent, bytes */
    uint64_t bytes;   /* of the file, reserved now */
    struct liaison_peer creator;
};
LIAISON_API int liaison_mailbox_info(liaison_mailbox *mailbox, struct liaison_info *info);
/* The same without a system call, for what never changes: `bytes` is 0, and of the creator only its
 * identity is filled in. */
LIAISON_API void liaison_mailbox_describe(liaison_mailbox *mailbox, struct liaison_info *info);

struct liaison_attached {
    struct liaison_peer peer;
    bool sends, receives;
    uint32_t held; /* leases and loans */
};
LIAISON_API int liaison_mailbox_attached(liaison_mailbox *mailbox, struct liaison_attached *list,
                                         size_t max, size_t *count);

struct liaison_statistics {
    uint64_t accepted; /* messages since creation */
    uint64_t taken;    /* of these, taken from the queue at least once */
    uint32_t waiting;  /* queued or returned */
    uint32_t returned; /* of these, returned by a holder */
    uint32_t leased;
    uint32_t loaned; /* being written */
    uint32_t free;
    uint32_t receivers_waiting, senders_waiting;
    uint64_t arena_size, arena_limit, arena_used; /* bytes */
};
LIAISON_API int liaison_mailbox_statistics(liaison_mailbox *mailbox,
                                           struct liaison_statistics *out);
LIAISON_API int liaison_mailbox_waiting(liaison_mailbox *mailbox, uint32_t *count);

/* A process that has a place on a link, alive or not. */
struct liaison_user {
    uint64_t identity;
    bool sends, receives;
};
/* The link that has the name in `names`, a descriptor of the directory LIAISON_SPACE_NAMES: for
 * listing all links of a space, where each process is looked up only once. Of the creator only the
 * identity is filled in. `statistics` may be NULL; those of an endpoint, whose messages lie in
 * other links, are not filled in. Results as of opening with LIAISON_OBSERVE. */
LIAISON_API int liaison_space_look(liaison_space *space, int names, const char *name,
                                   struct liaison_info *info, struct liaison_user *users,
                                   size_t max, size_t *count,
                                   struct liaison_statistics *statistics);
LIAISON_API int liaison_space_peer(liaison_space *space, uint64_t identity,
                                   struct liaison_peer *peer);

/* ---- names ------------------------------------------------------------------
 * A link can have several names, which are hard links to its file; one of them, or another
 * text, is its label. */

/* LIAISON_NAME_TAKEN: another link has it. A name that the link has already is LIAISON_OK. */
LIAISON_API int liaison_link_alias(liaison_mailbox *mailbox, const char *name);
/* LIAISON_NOT_FOUND: it is none of the link's names. */
LIAISON_API int liaison_link_retire(liaison_mailbox *mailbox, const char *name);
/* The label; where none was set, the link's first name. The result is the version. */
LIAISON_API uint64_t liaison_link_label(liaison_mailbox *mailbox, char label[LIAISON_NAME_MAX + 4]);
/* For the one process that has the endpoint, or that sends on the pair's link. */
LIAISON_API int liaison_link_set_label(liaison_mailbox *mailbox, const char *label);
/* The names of the link with this id that its header holds, and whether those are all. The cost
 * does not depend on the number of links. */
#define LIAISON_NAMES_NOTED 17
LIAISON_API int liaison_link_names(liaison_space *space, const char *id,
                                   char names[LIAISON_NAMES_NOTED][LIAISON_NAME_MAX + 4],
                                   size_t *count, bool *all);
/* Raised by every change of its names; 1 when the link was destroyed. */
LIAISON_API uint64_t liaison_link_version(liaison_mailbox *mailbox);

/* Makes this process the one that the endpoint names, until the handle is closed or the process
 * ends. LIAISON_BUSY: a living process has the endpoint, perhaps this one. */
LIAISON_API int liaison_endpoint_claim(liaison_mailbox *mailbox);
/* After the claim, and before any change of its names: whether this is the first process to have
 * it. */
LIAISON_API bool liaison_endpoint_first(liaison_mailbox *mailbox);
/* Whether no introduction waits. Also for a destroyed endpoint: a sender that introduces itself
 * later notices that, because it looks at the version afterwards. */
LIAISON_API bool liaison_endpoint_heard(liaison_mailbox *mailbox);
/* Destroys an endpoint that no living process has; or another link, if it is empty and no living
 * process is attached to it. LIAISON_BUSY: that is not so, or not any more. */
LIAISON_API int liaison_link_end_unneeded(liaison_mailbox *mailbox);
/* The process that has the endpoint; `identity` 0: none. */
LIAISON_API void liaison_endpoint_holder(liaison_mailbox *mailbox, struct liaison_peer *peer);
/* What this process is called in the space, for others to see: an endpoint's name, or "". */
LIAISON_API int liaison_space_introduce(liaison_space *space, const char *name);

/* A message being written. `data` is the sender's until it is sent or discarded. */
struct liaison_loan {
    void *data;
    size_t size;
    uint32_t cell;
    uint32_t receipt; /* its place for a receipt, + 1; 0: none */
    uint32_t receipt_generation;
    uint64_t header; /* proof of ownership */
    uint64_t epoch;  /* the process it belongs to: a forked child has another */
};
/* `try_` never waits. LIAISON_FULL when there is no room, or, with `receipt`, no place for
 * one. */
LIAISON_API int liaison_mailbox_try_loan(liaison_mailbox *mailbox, size_t size, bool receipt,
                                         struct liaison_loan *loan);
/* The same, looking at no more than the next few places: a caller that can wait should not begin
 * with a look at all of them, which takes their cache lines from the receivers that are about to
 * free them. */
LIAISON_API int liaison_mailbox_loan_at_hand(liaison_mailbox *mailbox, size_t size, bool receipt,
                                             struct liaison_loan *loan);
LIAISON_API int liaison_mailbox_loan(liaison_mailbox *mailbox, size_t size, bool receipt,
                                     const struct liaison_wait *wait, struct liaison_loan *loan);
/* A message's ticket, by which its sender can follow it. */
struct liaison_receipt {
    uint32_t index; /* + 1; 0: none */
    uint32_t generation;
    uint32_t cell;
    uint32_t cell_generation;
    uint64_t epoch;
    uint64_t position; /* in the order of acceptance */
};
/* Sends a loan. On a rendezvous link `wait` says how long for a receiver to take it;
 * it is not used elsewhere. `receipt` is filled in where the loan has a place for one, and
 * may be NULL. */
LIAISON_API int liaison_mailbox_send_loan(liaison_mailbox *mailbox, struct liaison_loan *loan,
                                          uint32_t format, const struct liaison_wait *wait,
                                          struct liaison_receipt *receipt);
/* Rendezvous: puts a loan where a receiver can take it, without waiting for one. The receipt, which
 * must be dropped, shows when it was taken. LIAISON_FULL: no place, and it is still a loan. */
LIAISON_API int liaison_mailbox_offer(liaison_mailbox *mailbox, struct liaison_loan *loan,
                                      uint32_t format, struct liaison_receipt *receipt);
/* Takes an offer back. LIAISON_LEASE_LOST: a receiver has taken it. */
LIAISON_API int liaison_mailbox_withdraw(liaison_mailbox *mailbox,
                                         const struct liaison_receipt *receipt);
LIAISON_API void liaison_mailbox_discard(liaison_mailbox *mailbox, struct liaison_loan *loan);

/* A received message under lease. `data` is valid until it is settled. */
struct liaison_delivery {
    const void *data;
    size_t size;
    uint32_t format;
    uint32_t attempt; /* 1 at first */
    uint32_t cell;
    int32_t sender_pid;
    uint64_t sender; /* identity */
    uint64_t header;
    uint64_t epoch;
    uint64_t position; /* in the order of acceptance */
};
LIAISON_API int liaison_mailbox_try_take(liaison_mailbox *mailbox, struct liaison_delivery *out);
LIAISON_API int liaison_mailbox_take(liaison_mailbox *mailbox, const struct liaison_wait *wait,
                                     struct liaison_delivery *out);
/* Polls for at most `nanoseconds` without sleeping; for callers that hold a lock which
 * they would rather not release for so short a time. */
LIAISON_API int liaison_mailbox_poll(liaison_mailbox *mailbox, int64_t nanoseconds,
                                     struct liaison_delivery *out);
/* Notes that a user of the caller now has a lease or a loan, and that one is given up: while a
 * process has some, others check that it lives. `epoch` is the lease's or the loan's. */
LIAISON_API void liaison_mailbox_hold(liaison_mailbox *mailbox);
LIAISON_API void liaison_mailbox_unhold(liaison_mailbox *mailbox, uint64_t epoch);

LIAISON_API int liaison_mailbox_acknowledge(liaison_mailbox *mailbox,
                                            const struct liaison_delivery *delivery);
/* Gives the message to the next receiver, ahead of the rest. */
LIAISON_API int liaison_mailbox_release(liaison_mailbox *mailbox,
                                        const struct liaison_delivery *delivery);
/* Acknowledges a message that was moved to the dead letters: its receipt says so. */
LIAISON_API int liaison_mailbox_dead_letter(liaison_mailbox *mailbox,
                                            const struct liaison_delivery *delivery);

/* Ends a port whose receiver this handle is: nothing can be sent to it any more, and waiting
 * senders are woken. It is destroyed, or, if it has dead letters, orphaned. Of a pipe, gives up the
 * end that this handle is; of an endpoint, the name. Idempotent; closing the handle does it too. */
LIAISON_API void liaison_port_end(liaison_mailbox *mailbox);
/* Gives what an orphaned port's receiver did not settle, one message after the other, to a handle
 * opened with LIAISON_DRAIN; only one can be open at a time, opening another is LIAISON_BUSY. Send
 * each message to the dead letters, then call liaison_mailbox_dead_letter. LIAISON_EMPTY: that was
 * all, and the port is destroyed now. LIAISON_BUSY: a living process still holds a message.
 * LIAISON_DESTROYED: the port is destroyed. */
LIAISON_API int liaison_port_undelivered(liaison_mailbox *mailbox, struct liaison_delivery *out);

/* ---- pipes ------------------------------------------------------------------
 * A handle of a pipe sends or receives; the other operation is LIAISON_DENIED. A pipe ends with one
 * of its sides. When no process can send any more, receivers get what is left and then
 * LIAISON_DESTROYED; when none can receive, senders get that at once. Messages that were not
 * received when the last process closes its end are lost. */

/* Makes a pipe and both its ends. It has no name: an end can be used by the processes that have its
 * two descriptors, which a forked child has, and which are closed on exec unless they are passed
 * on. An end is gone when every copy of its token is closed, by a process or by its death. `space`
 * is that of the processes that use the pipe; `policy` may be NULL. */
LIAISON_API int liaison_pipe_create(liaison_space *space, const struct liaison_policy *policy,
                                    liaison_mailbox **reader, liaison_mailbox **writer);
/* The end's descriptors, which stay its own: of the memory, and the token. */
LIAISON_API int liaison_pipe_descriptors(liaison_mailbox *mailbox, int *memory, int *token);
/* Makes a handle of the end whose descriptors this process was given. On success they belong to the
 * handle, and are closed on exec. LIAISON_MISMATCH: they are not the two descriptors of an end, or
 * the pipe is another space's. */
LIAISON_API int liaison_pipe_adopt(liaison_space *space, int memory, int token,
                                   liaison_mailbox **mailbox, bool *receives);

/* Opens the named pipe, or creates it, and is one of its two sides: what one of `out` and `in`
 * sends the other side receives. All handles of a process are the same side, and a forked child
 * is not its parent. LIAISON_BUSY: it has two living sides. Once a side has ended the pipe is
 * over, and its name free for a new one. */
LIAISON_API int liaison_named_pipe_open(liaison_space *space, const char *name,
                                        const struct liaison_policy *policy, liaison_mailbox **out,
                                        liaison_mailbox **in);
/* Of a pipe that is over: whether its other side closed it, rather than died. */
LIAISON_API bool liaison_pipe_closed_cleanly(liaison_mailbox *mailbox);
/* And whether it was destroyed, rather than left by the other side. */
LIAISON_API bool liaison_pipe_destroyed(liaison_mailbox *mailbox);

/* Calls `visit` with each waiting message, oldest first, at most `max`. The data are a
 * copy, the visitor's for the time of the call. Takes nothing. */
typedef bool (*liaison_visit)(void *context, const struct liaison_delivery *message);
LIAISON_API int liaison_mailbox_peek(liaison_mailbox *mailbox, size_t max, liaison_visit visit,
                                     void *context);

/* Whether its files were removed without liaison, so that it cannot be opened any more. Looks at
 * most once in a second. */
LIAISON_API bool liaison_mailbox_vanished(liaison_mailbox *mailbox);

enum liaison_receipt_state {
    LIAISON_QUEUED = 1,
    LIAISON_RECEIVED,
    LIAISON_ACKNOWLEDGED,
    LIAISON_DEAD_LETTERED
};
LIAISON_API int liaison_receipt_state(liaison_mailbox *mailbox,
                                      const struct liaison_receipt *receipt, int *state,
                                      struct liaison_peer *peer);
/* Waits until the message has reached `state` or one beyond. LIAISON_EMPTY: not in time. */
LIAISON_API int liaison_receipt_wait(liaison_mailbox *mailbox,
                                     const struct liaison_receipt *receipt, int state,
                                     const struct liaison_wait *wait);
LIAISON_API void liaison_receipt_drop(liaison_mailbox *mailbox, struct liaison_receipt *receipt);

LIAISON_API int liaison_mailbox_peer(liaison_mailbox *mailbox, uint64_t identity, int32_t pid,
                                     struct liaison_peer *peer);

/* A descriptor that is readable when there may be a message. It belongs to the handle
 * and is closed with it. */
LIAISON_API int liaison_mailbox_doorbell(liaison_mailbox *mailbox, int *fd);
/* The same for senders: readable when there may be room, or when a message sent with a receipt, or
 * offered, may have been received or settled. Every call arms it anew, and does not report what was
 * true before the call: so look again before you wait. */
LIAISON_API int liaison_mailbox_doorbell_for_room(liaison_mailbox *mailbox, int *fd);
/* Whether a receive would not have to wait. LIAISON_EMPTY: it would, and the doorbell, where there
 * is one, is armed and quiet. Any other result is what a receive would return. */
LIAISON_API int liaison_mailbox_ready(liaison_mailbox *mailbox);

/* ---- waiting for any of many ------------------------------------------------- */

/* A set of mailboxes of one space that one thread at a time waits for. Between waits it stays
 * armed: a message then costs its sender one exchange and at most one system call, and the cost of
 * a wait grows with the number of links on which something has happened, not with the number of
 * links. A forked child continues with a set of its own. */
typedef struct liaison_several liaison_several;
#define LIAISON_SEVERAL_MAX 65536
#define LIAISON_SEVERAL_FOUND 256 /* tags that one call writes, at most */

LIAISON_API int liaison_several_open(liaison_space *space, liaison_several **several);
LIAISON_API void liaison_several_close(liaison_several *several);
/* The mailbox may be in many sets, and be received from independently. One that is closed is
 * reported as found, and given up when it is in no set any more. LIAISON_INVALID: it is of another
 * space, or there are too many. */
LIAISON_API int liaison_several_add(liaison_several *several, liaison_mailbox *mailbox,
                                    uint64_t tag);
LIAISON_API void liaison_several_remove(liaison_several *several, liaison_mailbox *mailbox);
/* Waits until there are mailboxes at which a receive would not have to wait, or would fail, and
 * writes their tags, at most `max`; those that were reported last come last. Takes no message:
 * another receiver may be faster. LIAISON_EMPTY: none in time. LIAISON_OK without any tag:
 * liaison_several_call was called, or this is a child that a signal's handler has forked.
 * LIAISON_EXHAUSTED: too many threads of this process wait like this at once. */
LIAISON_API int liaison_several_wait(liaison_several *several, const struct liaison_wait *wait,
                                     uint64_t *tags, size_t max, size_t *count);
/* The same for at most so long, without sleeping: for callers that hold a lock. LIAISON_EMPTY:
 * wait. */
LIAISON_API int liaison_several_poll(liaison_several *several, int64_t nanoseconds, uint64_t *tags,
                                     size_t max, size_t *count);
/* From any thread: ends the present wait, or if there is none the next. */
LIAISON_API void liaison_several_call(liaison_several *several);

#ifdef __cplusplus
}
#endif
#endif
