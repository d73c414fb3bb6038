"""What the Cython modules use of liaison.h; that header says what it all means."""
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

cdef extern from "<stdbool.h>":
    ctypedef bint boolean "bool"

cdef extern from "liaison.h" nogil:
    enum:
        LIAISON_OK, LIAISON_EMPTY, LIAISON_FULL, LIAISON_NO_RECEIVER, LIAISON_BUSY
        LIAISON_NOT_FOUND, LIAISON_NAME_TAKEN, LIAISON_DENIED, LIAISON_MISMATCH, LIAISON_NOT_OWNER
        LIAISON_CLOSED, LIAISON_DESTROYED, LIAISON_LEASE_LOST, LIAISON_TOO_LARGE, LIAISON_NO_SPACE
        LIAISON_CORRUPT, LIAISON_VERSION, LIAISON_INTERRUPTED, LIAISON_INVALID, LIAISON_EXHAUSTED
        LIAISON_ORPHANED, LIAISON_UNSUPPORTED, LIAISON_FOREIGN
        LIAISON_QUEUED, LIAISON_RECEIVED, LIAISON_ACKNOWLEDGED, LIAISON_DEAD_LETTERED
        LIAISON_ADDRESS_MAX
    enum liaison_open:
        pass

    ctypedef struct liaison_space:
        pass
    ctypedef struct liaison_mailbox:
        pass
    struct liaison_peer:
        uint64_t identity
        int32_t pid
        bint known
        bint alive
        double started
        char name[104]
        char command[128]
    struct liaison_kept:
        char link[104]
        uint64_t messages
        liaison_peer creator
        boolean here
    struct liaison_cleaned:
        uint32_t links
        uint32_t nameless
        uint32_t doorbells
        uint64_t bytes
    ctypedef boolean (*interruption)(void *) noexcept nogil
    struct liaison_wait:
        int64_t timeout
        interruption interrupted
        void *context
    struct liaison_policy:
        uint32_t kind
        uint32_t access
        int64_t capacity
        uint64_t max_message
        uint64_t memory
        uint32_t max_deliveries
        uint32_t lifetime
        int64_t pair_capacity
        char dead_letters[240]
    struct liaison_info:
        liaison_policy policy
        char id[40]
        char name[104]
        uint32_t max_processes
        uint64_t largest
        uint64_t bytes
        liaison_peer creator
    struct liaison_attached:
        liaison_peer peer
        bint sends
        bint receives
        uint32_t held
    struct liaison_statistics:
        uint64_t accepted, taken
        uint32_t waiting, returned, leased, loaned, free, receivers_waiting, senders_waiting
        uint64_t arena_size, arena_limit, arena_used
    struct liaison_loan:
        void *data
        size_t size
        uint64_t epoch
    struct liaison_receipt:
        uint32_t index
    struct liaison_delivery:
        const void *data
        size_t size
        uint32_t format
        uint32_t attempt
        int32_t sender_pid
        uint64_t sender
        uint64_t epoch
        uint64_t position

    const char *liaison_missing()
    void liaison_heed(interruption interrupted, void *context)
    int liaison_root(uint32_t uid, bint shared, char *path, size_t size)
    int liaison_space_open(const char *root, uint32_t owner, const char *name, bint create,
                           int64_t gid, liaison_space **space)
    int liaison_space_enter(const char *root, uint32_t owner, const char *name, bint create,
                            int64_t gid, liaison_space **space)
    void liaison_space_close(liaison_space *space)
    boolean liaison_space_lost(const liaison_space *space)
    boolean liaison_space_gone(liaison_space *space)
    const char *liaison_space_path(const liaison_space *space)
    void liaison_space_use(liaison_space *space)
    void liaison_space_rest(liaison_space *space)
    int liaison_space_directory(liaison_space *space, int part, int *fd)
    int liaison_space_members(liaison_space *space, liaison_peer *peers, size_t max, size_t *count)
    int liaison_space_users(liaison_space *space, liaison_peer *peers, size_t max, size_t *count)
    int liaison_space_remove(const char *root, uint32_t owner, const char *name, bint force,
                             liaison_kept *kept)
    int liaison_space_clean(liaison_space *space, bint links, liaison_cleaned *out)

    int liaison_mailbox_open(liaison_space *space, const char *name, liaison_open how,
                             const liaison_policy *policy, liaison_mailbox **mailbox)
    void liaison_mailbox_keep_memory(liaison_mailbox *mailbox)
    void liaison_mailbox_close(liaison_mailbox *mailbox)
    void liaison_mailbox_interrupt(liaison_mailbox *mailbox)
    int liaison_mailbox_destroy(liaison_mailbox *mailbox, bint force)
    int liaison_mailbox_info(liaison_mailbox *mailbox, liaison_info *info)
    void liaison_mailbox_describe(liaison_mailbox *mailbox, liaison_info *info)
    int liaison_mailbox_attached(liaison_mailbox *mailbox, liaison_attached *list, size_t max,
                                 size_t *count)
    int liaison_mailbox_statistics(liaison_mailbox *mailbox, liaison_statistics *out)
    int liaison_mailbox_waiting(liaison_mailbox *mailbox, uint32_t *count)
    struct liaison_user:
        uint64_t identity
        bint sends
        bint receives
    int liaison_space_look(liaison_space *space, int names, const char *name, liaison_info *info,
                           liaison_user *users, size_t max, size_t *count,
                           liaison_statistics *statistics)
    int liaison_space_peer(liaison_space *space, uint64_t identity, liaison_peer *peer)
    int liaison_link_alias(liaison_mailbox *mailbox, const char *name)
    int liaison_link_retire(liaison_mailbox *mailbox, const char *name)
    uint64_t liaison_link_label(liaison_mailbox *mailbox, char *label)
    int liaison_link_set_label(liaison_mailbox *mailbox, const char *label)
    uint64_t liaison_link_version(liaison_mailbox *mailbox)
    int liaison_endpoint_claim(liaison_mailbox *mailbox)
    boolean liaison_endpoint_first(liaison_mailbox *mailbox)
    boolean liaison_endpoint_heard(liaison_mailbox *mailbox)
    enum:
        LIAISON_NAMES_NOTED
    int liaison_link_names(liaison_space *space, const char *id, char (*names)[104], size_t *count,
                           boolean *all)
    int liaison_link_end_unneeded(liaison_mailbox *mailbox)
    void liaison_endpoint_holder(liaison_mailbox *mailbox, liaison_peer *peer)
    int liaison_space_introduce(liaison_space *space, const char *name)
    int liaison_mailbox_try_loan(liaison_mailbox *mailbox, size_t size, bint receipt,
                                 liaison_loan *loan)
    int liaison_mailbox_loan_at_hand(liaison_mailbox *mailbox, size_t size, bint receipt,
                                     liaison_loan *loan)
    int liaison_mailbox_loan(liaison_mailbox *mailbox, size_t size, bint receipt,
                             const liaison_wait *wait, liaison_loan *loan)
    int liaison_mailbox_send_loan(liaison_mailbox *mailbox, liaison_loan *loan, uint32_t format,
                                  const liaison_wait *wait, liaison_receipt *receipt)
    int liaison_mailbox_offer(liaison_mailbox *mailbox, liaison_loan *loan, uint32_t format,
                              liaison_receipt *receipt)
    int liaison_mailbox_withdraw(liaison_mailbox *mailbox, const liaison_receipt *receipt)
    void liaison_mailbox_discard(liaison_mailbox *mailbox, liaison_loan *loan)
    int liaison_mailbox_try_take(liaison_mailbox *mailbox, liaison_delivery *out)
    int liaison_mailbox_take(liaison_mailbox *mailbox, const liaison_wait *wait,
                             liaison_delivery *out)
    int liaison_mailbox_poll(liaison_mailbox *mailbox, int64_t nanoseconds, liaison_delivery *out)
    void liaison_mailbox_hold(liaison_mailbox *mailbox)
    void liaison_mailbox_unhold(liaison_mailbox *mailbox, uint64_t epoch)
    int liaison_mailbox_acknowledge(liaison_mailbox *mailbox, const liaison_delivery *delivery)
    int liaison_mailbox_release(liaison_mailbox *mailbox, const liaison_delivery *delivery)
    int liaison_mailbox_dead_letter(liaison_mailbox *mailbox, const liaison_delivery *delivery)
    void liaison_port_end(liaison_mailbox *mailbox)
    int liaison_port_undelivered(liaison_mailbox *mailbox, liaison_delivery *out)
    int liaison_pipe_create(liaison_space *space, const liaison_policy *policy,
                            liaison_mailbox **reader, liaison_mailbox **writer)
    int liaison_pipe_descriptors(liaison_mailbox *mailbox, int *memory, int *token)
    int liaison_pipe_adopt(liaison_space *space, int memory, int token, liaison_mailbox **mailbox,
                           boolean *receives)
    int liaison_named_pipe_open(liaison_space *space, const char *name,
                                const liaison_policy *policy, liaison_mailbox **out,
                                liaison_mailbox **into)
    boolean liaison_pipe_closed_cleanly(liaison_mailbox *mailbox)
    boolean liaison_pipe_destroyed(liaison_mailbox *mailbox)
    int liaison_receipt_state(liaison_mailbox *mailbox, const liaison_receipt *receipt, int *state,
                              liaison_peer *peer)
    int liaison_receipt_wait(liaison_mailbox *mailbox, const liaison_receipt *receipt, int state,
                             const liaison_wait *wait)
    void liaison_receipt_drop(liaison_mailbox *mailbox, liaison_receipt *receipt)
    int liaison_mailbox_peer(liaison_mailbox *mailbox, uint64_t identity, int32_t pid,
                             liaison_peer *peer)
    int liaison_mailbox_doorbell(liaison_mailbox *mailbox, int *fd)
    int liaison_mailbox_doorbell_for_room(liaison_mailbox *mailbox, int *fd)
    bint liaison_mailbox_vanished(liaison_mailbox *mailbox)
    int liaison_mailbox_ready(liaison_mailbox *mailbox)

    ctypedef struct liaison_several:
        pass
    int liaison_several_open(liaison_space *space, liaison_several **several)
    void liaison_several_close(liaison_several *several)
    int liaison_several_add(liaison_several *several, liaison_mailbox *mailbox, uint64_t tag)
    void liaison_several_remove(liaison_several *several, liaison_mailbox *mailbox)
    int liaison_several_wait(liaison_several *several, const liaison_wait *wait, uint64_t *tags,
                             size_t max, size_t *count)
    int liaison_several_poll(liaison_several *several, int64_t nanoseconds, uint64_t *tags,
                             size_t max, size_t *count)
    void liaison_several_call(liaison_several *several)

# Peek runs Python in its visitor, so it is called with the lock held.
cdef extern from "liaison.h":
    ctypedef boolean (*liaison_visit)(void *, const liaison_delivery *) noexcept
    int liaison_mailbox_peek(liaison_mailbox *mailbox, size_t max, liaison_visit visit,
                             void *context)
