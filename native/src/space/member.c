#include "space/member.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/guard.h"
#include "base/platform.h"
#include "base/process.h"
#include "space/bytes.h"
#include "space/removal.h"

int32_t member_pid(void) { return (int32_t)getpid(); }

/* What a member needs while it uses links. */
static int map_words(struct liaison_space *space, int fd)
{
    void *table;
    int r = table_map(fd, PROT_READ | PROT_WRITE, 0, TABLE_SIZE, &table);
    if (r != 0)
        return r;
    space->page_broken = 0;
    if (!guard_add_locked(table, TABLE_SIZE, &space->page_broken, true)) {
        munmap(table, TABLE_SIZE);
        return -ENOMEM;
    }
    space->page = table;
    space->boards = (struct board *)((char *)table + BOARDS_AT);
    space->boards_taken = 0;
    return LIAISON_OK;
}

/* A member's record is written, and its boards are reserved, while the file is open and the number
 * its own. Later there is no descriptor, and touching a page that is not reserved raises SIGBUS. */
static int write_record(int fd, uint32_t number, const struct record *record)
{
    off_t boards = BOARDS_AT + (off_t)number * BOARDS_OF_MEMBER;
    if (!platform_may_reach(RECORD_AT(number + 1)))
        return -EFBIG;
    ssize_t n = pwrite(fd, record, sizeof *record, RECORD_AT(number));
    if (n != (ssize_t)sizeof *record)
        return n < 0 ? -errno : -ENOSPC;
    return platform_reserve(fd, boards, BOARDS_OF_MEMBER, true);
}

/* Finds a free number, and locks its claim: then its record is ours to write. The number itself is
 * locked only when the record holds the new generation: otherwise its previous owner would seem
 * alive until then. */
static int claim(int fd, uint32_t *out)
{
    for (uint32_t number = 0; number < MEMBERS; number++) {
        bool held = false;
        int e = byte_look(fd, NUMBER(number), &held);
        if (e == 0 && held)
            continue;
        if (e == 0)
            e = byte_lock(fd, CLAIM(number));
        if (e == -EAGAIN || e == -EACCES)
            continue;
        /* Once more: a process that had the claim since we looked has the number now, or is
         * dead. */
        if (e == 0)
            e = byte_look(fd, NUMBER(number), &held);
        if (e != 0)
            return space_result(e);
        if (!held) {
            *out = number;
            return LIAISON_OK;
        }
        byte_unlock(fd, CLAIM(number));
    }
    return LIAISON_EXHAUSTED;
}

/* With the process lock held: takes a number. The lock has a mapping of its own: the file may be
 * truncated like any other, and then the guard replaces the page that is read by a private one. If
 * that mapping held the lock as well, we would seem dead to the others. */
static int enrol(struct liaison_space *space)
{
    int fd;
    int r = table_open(space, &fd);
    if (r != LIAISON_OK)
        return r;
    uint32_t number = 0;
    r = claim(fd, &number);
    struct record record;
    memset(&record, 0, sizeof record);
    if (r == LIAISON_OK) {
        if (pread(fd, &record, sizeof record, RECORD_AT(number)) < 0)
            r = space_result(-errno);
        /* 48 bits: at a million a second, nine years until an identity could come again. */
        record.generation = (record.generation + 1) & UINT64_C(0xffffffffffff);
        if (record.generation == 0)
            record.generation = 1;
        record.pid = member_pid();
        record.started = process_started();
        memset(record.name, 0, sizeof record.name);
        process_command(record.command, sizeof record.command);
    }
    if (r == LIAISON_OK)
        r = space_result(write_record(fd, number, &record));
    if (r == LIAISON_OK) {
        r = space_result(byte_lock(fd, NUMBER(number)));
        byte_unlock(fd, CLAIM(number));
    }
    if (r == LIAISON_OK)
        r = space_result(table_map(fd, PROT_NONE, 0, TABLE_ALIGNMENT, &space->lock));
    if (r == LIAISON_OK) {
        note(&space->identity, record.generation << 16 | (number + 1));
        publish(&space->enrolled, process_epoch());
    }
    close(fd); /* the mapping keeps the lock */
    return r;
}

static void unmap_words(struct liaison_space *space)
{
    guard_remove_locked(space->page);
    munmap(space->page, TABLE_SIZE);
    space->page = NULL;
    space->boards = NULL;
}

/* With the process lock held. A lock shows that this process uses the space; the mappings of the
 * words keep it, so it is freed with them when the process rests, or dies. The lock comes first,
 * then the count: see removal.h. */
static int settle_in(struct liaison_space *space)
{
    int fd, r = LIAISON_OK;
    if (glance(&space->enrolled) != process_epoch())
        r = enrol(space);
    if (r == LIAISON_OK)
        r = table_open(space, &fd);
    if (r != LIAISON_OK)
        return r;
    r = space_result(byte_share(fd, USE(identity_number(glance(&space->identity)))));
    if (r == LIAISON_OK)
        r = space_result(map_words(space, fd));
    close(fd);
    if (r == LIAISON_OK && !removal_came(space->page)) {
        unmap_words(space);
        publish32(&space->lost, LIAISON_NOT_FOUND);
        r = LIAISON_NOT_FOUND;
    }
    if (r == LIAISON_OK)
        publish(&space->epoch, process_epoch());
    return r;
}

int member_identity(struct liaison_space *space, uint64_t *identity)
{
    uint64_t epoch = process_epoch();
    int r = LIAISON_OK;
    if (observe(&space->epoch) != epoch) {
        process_lock();
        if (glance(&space->epoch) != epoch)
            r = settle_in(space);
        process_unlock();
    }
    if (r == LIAISON_OK)
        *identity = glance(&space->identity);
    return r;
}

int member_introduce(struct liaison_space *space, const char *name)
{
    char text[LIAISON_NAME_MAX + 4] = {0};
    int fd;
    int r = table_open(space, &fd);
    if (r != LIAISON_OK)
        return r;
    memcpy(text, name, strnlen(name, LIAISON_NAME_MAX));
    off_t at =
        RECORD_AT(identity_number(glance(&space->identity))) + (off_t)offsetof(struct record, name);
    errno = EFBIG;
    ssize_t n =
        platform_may_reach(at + (off_t)sizeof text) ? pwrite(fd, text, sizeof text, at) : -1;
    r = n == (ssize_t)sizeof text ? LIAISON_OK : n < 0 ? space_result(-errno) : LIAISON_NO_SPACE;
    close(fd);
    return r;
}

void member_rest(struct liaison_space *space)
{
    if (glance(&space->epoch) == process_epoch()) {
        publish(&space->epoch, 0);
        unmap_words(space);
    }
    descriptor_close(&space->probe);
}

void member_leave(struct liaison_space *space)
{
    member_rest(space);
    if (glance(&space->enrolled) == process_epoch())
        munmap(space->lock, TABLE_ALIGNMENT);
}

/* The descriptor for probing, opened anew if the program has closed it. Without it, it is unknown
 * which processes live; the result is the reason. */
static int probe_descriptor(struct liaison_space *space, int *fd)
{
    int fresh;
    *fd = descriptor_number(&space->probe);
    if (*fd != -EBADF)
        return *fd < 0 ? *fd : LIAISON_OK;
    int number = atomic_load(&space->probe.fd);
    int r = table_open(space, &fresh);
    if (r == LIAISON_OK)
        *fd = descriptor_renew(&space->probe, number, fresh);
    return r;
}

int member_prepare(struct liaison_space *space)
{
    int fd;
    return probe_descriptor(space, &fd);
}

int member_look(struct liaison_space *space, uint64_t identity, bool *alive)
{
    uint32_t number = identity_number(identity);
    *alive = false;
    if (identity == 0 || number >= MEMBERS)
        return LIAISON_OK; /* not an identity, so no process is lost */
    *alive = true;
    if (glance(&space->enrolled) == process_epoch() && identity == glance(&space->identity))
        return LIAISON_OK;
    int fd;
    int r = probe_descriptor(space, &fd);
    if (r != LIAISON_OK)
        return r;
    bool locked;
    r = space_result(byte_look(fd, NUMBER(number), &locked));
    if (r != LIAISON_OK)
        return r;
    if (locked) {
        /* The lock first, then the generation: if the lock is a successor's, that has raised the
         * generation before it locked; unless the file has been overwritten. */
        uint64_t generation = 0;
        ssize_t n = pread(fd, &generation, sizeof generation, RECORD_AT(number));
        if (n != sizeof generation)
            return n < 0 ? space_result(-errno) : LIAISON_FOREIGN;
        if (generation == identity_generation(identity))
            return LIAISON_OK;
        if (!table_intact(space, fd)) {
            publish32(&space->lost, LIAISON_FOREIGN);
            return LIAISON_FOREIGN;
        }
    }
    *alive = descriptor_number(&space->probe) != fd; /* closed meanwhile: ask again later */
    return LIAISON_OK;
}

bool member_alive(struct liaison_space *space, uint64_t identity)
{
    bool alive;
    (void)member_look(space, identity, &alive);
    return alive;
}

/* Reads a member's record. */
static int read_record(int fd, uint32_t number, struct record *record)
{
    ssize_t n = pread(fd, record, sizeof *record, RECORD_AT(number));
    return n < 0 ? space_result(-errno) : n == sizeof *record ? LIAISON_OK : LIAISON_FOREIGN;
}

int member_peer(struct liaison_space *space, uint64_t identity, int32_t pid,
                struct liaison_peer *peer)
{
    memset(peer, 0, sizeof *peer);
    peer->identity = identity;
    peer->pid = pid;
    if (identity == 0 || identity_number(identity) >= MEMBERS)
        return LIAISON_OK;
    int fd;
    struct record record;
    int r = probe_descriptor(space, &fd);
    if (r == LIAISON_OK)
        r = read_record(fd, identity_number(identity), &record);
    if (r == LIAISON_OK && record.generation == identity_generation(identity))
        peer->known = true;
    if (peer->known)
        r = member_look(space, identity, &peer->alive);
    if (!peer->known)
        return r;
    peer->pid = record.pid;
    peer->started = record.started;
    memcpy(peer->name, record.name, sizeof peer->name);
    memcpy(peer->command, record.command, sizeof peer->command);
    peer->name[sizeof peer->name - 1] = 0;
    peer->command[sizeof peer->command - 1] = 0;
    return r;
}

void member_peer_numbered(struct liaison_space *space, uint32_t number, int32_t pid,
                          struct liaison_peer *peer)
{
    int fd;
    struct record record;
    bool found = number < MEMBERS && probe_descriptor(space, &fd) == LIAISON_OK &&
                 read_record(fd, number, &record) == LIAISON_OK && record.pid == pid;
    (void)member_peer(space, found ? record.generation << 16 | (number + 1) : 0, pid, peer);
}

int members_list(struct liaison_space *space, bool using, struct liaison_peer *peers, size_t max,
                 size_t *count)
{
    *count = 0;
    int fd;
    int r = probe_descriptor(space, &fd);
    if (r != LIAISON_OK)
        return r == LIAISON_NOT_FOUND ? LIAISON_OK : r; /* a space that is gone has no members */
    uint32_t first = using ? USE(0) : NUMBER(0), at = first, end = first + MEMBERS;
    for (; r == LIAISON_OK && *count < max; at++) {
        r = space_result(bytes_next(fd, &at, end));
        if (r != LIAISON_OK || at >= end)
            break;
        struct record record;
        uint32_t n = at - first;
        r = read_record(fd, n, &record);
        if (r == LIAISON_OK)
            r = member_peer(space, record.generation << 16 | (n + 1), 0, &peers[*count]);
        *count += r == LIAISON_OK && peers[*count].known;
    }
    return r;
}

int member_spin_begin(struct liaison_space *space)
{
    uint64_t me;
    unsigned permits = process_cores() - 1;
    if (permits > PERMITS)
        permits = PERMITS;
    if (permits == 0 || member_identity(space, &me) != LIAISON_OK)
        return -1;
    for (unsigned i = 0; i < permits; i++) {
        word64 *w = &space->page->spinners[i];
        uint64_t holder = glance(w);
        if (holder == 0 && replace(w, 0, me))
            return (int)i;
    }
    /* All taken. Now and then check whether a holder was killed while it spun. */
    static word32 tries;
    if ((add32(&tries, 1) & 63) == 0)
        for (unsigned i = 0; i < permits; i++) {
            word64 *w = &space->page->spinners[i];
            uint64_t holder = glance(w);
            if (holder && !member_alive(space, holder) && replace(w, holder, me))
                return (int)i;
        }
    return -1;
}

void member_spin_end(struct liaison_space *space, int permit)
{
    if (permit >= 0)
        publish(&space->page->spinners[permit], 0);
}
