/* clean.c — removing from a space what no living process uses. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "links/handle.h"
#include "links/inspection.h"
#include "links/turn.h"
#include "segment/mapping.h"
#include "segment/naming.h"
#include "space/doorbell.h"
#include "space/draft.h"
#include "space/member.h"
#include "waiting/wait.h"

/* Whether a living process is attached. */
static bool attached(struct segment *s)
{
    uint32_t top = look32(&s->header->attachments_top);
    for (uint32_t i = 0; i < top && i < s->geometry.attachments; i++) {
        uint64_t identity = look(&s->attachments[i].identity);
        if (identity && member_alive(s->space, identity))
            return true;
    }
    return false;
}

static bool nobody(struct segment *s)
{
    (void)s;
    return false;
}

/* No process may begin to use a link that is about to be removed: opening it now finds it
 * destroyed. Announce, then look again: a process that attached before the announcement is seen,
 * and one that attaches later takes the announcement back, so that the second exchange fails. One
 * cleaner at a time, by the lock of the link's names: otherwise this one could exchange another
 * cleaner's announcement, made after a process had attached unseen by this one. */
static bool condemn(struct segment *s, bool (*used)(struct segment *s))
{
    word32 *state = &s->header->state;
    uint32_t before = segment_state(s), condemned = before | LINK_CONDEMNED;
    if (before == LINK_DESTROYED)
        return true;
    /* Also if a killed cleaner has announced it before. */
    if (!replace32(state, before, condemned) && look32(state) != condemned)
        return false;
    if (!used(s))
        return replace32(state, condemned, LINK_DESTROYED) && !s->broken;
    (void)replace32(state, condemned, before); /* unless another process was faster */
    return false;
}

/* The state word of a link that is to be removed; NULL: keep it. */
static uint32_t *unwanted(struct segment *s, const struct stat *st, bool unused_too,
                          struct liaison_cleaned *out)
{
    bool destroyed = segment_gone(&s->geometry, segment_state(s));
    bool nameless = st->st_nlink < 2, used = attached(s);
    bool unused = !used && !member_alive(s->space, s->geometry.creator);
    /* What waits in a named pipe when the last process closes it is lost, as with any pipe. */
    bool let_go = unused && s->geometry.kind == LIAISON_KIND_NAMED_PIPE;
    if (destroyed || (nameless && !used))
        return &out->nameless;
    return let_go || (unused_too && unused) ? &out->links : NULL;
}

/* `links` and `names`: descriptors of these directories. Result: LIAISON_OK, or the negative errno
 * for which it could not be looked at or removed. */
static int clean_link(struct liaison_space *space, int links, int names, const char *id,
                      bool unused_too, struct liaison_cleaned *out)
{
    int fd;
    struct stat st;
    struct segment *s;
    int r = space_file(space, links, id, O_RDWR, &fd, &st);
    if (r != LIAISON_OK)
        return r < 0 ? r : LIAISON_OK;
    /* A link of another version, or damaged, or not ours: it stays. */
    r = segment_map(space, fd, &st, &s);
    if (r != LIAISON_OK) {
        close(fd);
        return r < 0 ? r : LIAISON_OK;
    }
    if (naming_lock(fd, 0) == LIAISON_OK) { /* or another process removes it */
        /* By another table it is unknown which users live, and no process can open it any more. */
        bool stray = !segment_is_at_home(&s->geometry, space);
        uint32_t *count = stray ? &out->nameless : unwanted(s, &st, unused_too, out);
        if (count && condemn(s, stray ? nobody : attached)) {
            r = space_result(naming_clear(&(struct naming){links, names, fd, -1}, &s->geometry));
            if (r == LIAISON_OK) {
                ++*count;
                out->bytes += (uint64_t)st.st_blocks * 512;
            }
        }
        unlock_file(fd);
    }
    segment_close(s);
    close(fd);
    return r < 0 ? r : LIAISON_OK;
}

/* An endpoint is used by the process that has it; others that have it open do not count. */
static bool needed(struct segment *s)
{
    struct liaison_statistics now;
    if (s->geometry.kind == LIAISON_KIND_ENDPOINT) {
        uint64_t holder = turn_holder(s);
        return holder && member_alive(s->space, holder);
    }
    /* First the attachments: a sender is attached until its message is in the link. */
    return attached(s) || inspection_count(s, &now) != LIAISON_OK || now.waiting || now.leased ||
           now.loaned;
}
static bool condemn_unneeded(struct segment *s) { return condemn(s, needed); }

int liaison_link_end_unneeded(liaison_mailbox *m)
{
    struct segment *s = m->segment;
    int r = segment_look(s);
    if (r == LIAISON_OK)
        r = naming_end_if(s, condemn_unneeded);
    if (r == LIAISON_OK)
        wait_wake_all(s);
    return r;
}

int liaison_space_clean(liaison_space *space, bool links, struct liaison_cleaned *out)
{
    memset(out, 0, sizeof *out);
    space_hold(space);
    int fd, names, r = member_prepare(space);
    if (r == LIAISON_OK)
        r = space_links_and_names(space, &fd, &names);
    if (r != LIAISON_OK) {
        space_release(space);
        return r;
    }
    DIR *listing = fdopendir(fd);
    if (!listing) {
        r = space_result(-errno);
        close(fd);
    }
    for (struct dirent *e; listing && (errno = 0, e = readdir(listing)) != NULL;) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
            draft_sweep(fd, e->d_name))
            continue;
        int one = clean_link(space, fd, names, e->d_name, links, out);
        if (r == LIAISON_OK && one < 0)
            r = space_result(one); /* and continue with the others */
    }
    if (listing && errno != 0)
        r = space_result(-errno);
    if (listing)
        closedir(listing);
    close(names);
    out->doorbells = doorbell_clean(space);
    space_sweep(space);
    space_release(space);
    return r;
}
