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

/* Nobody may come to use what is about to be unlinked: who opens it now finds it destroyed.
 * Announce, then look again: whoever attached before it was announced is seen, and whoever
 * attaches after that takes the announcement back, so that the second exchange fails. One
 * cleaner at a time, by the lock of the link's names: another one's announcement, which knows
 * nothing of who has come since we looked, would be exchanged for ours. */
static bool condemn(struct segment *s, bool (*used)(struct segment *s))
{
    word32 *state = &s->header->state;
    uint32_t before = segment_state(s), condemned = before | LINK_CONDEMNED;
    if (before == LINK_DESTROYED)
        return true;
    /* Also where one that was killed has said it before us. */
    if (!replace32(state, before, condemned) && look32(state) != condemned)
        return false;
    if (!used(s))
        return replace32(state, condemned, LINK_DESTROYED) && !s->broken;
    (void)replace32(state, condemned, before); /* unless somebody was faster */
    return false;
}

/* What there is to remove of a link; NULL, nothing. */
static uint32_t *unwanted(struct segment *s, const struct stat *st, bool unused_too,
                          struct liaison_cleaned *out)
{
    bool destroyed = segment_gone(&s->geometry, segment_state(s));
    bool nameless = st->st_nlink < 2, used = attached(s);
    bool unused = !used && !member_alive(s->space, s->geometry.creator);
    /* What waits in a named pipe when the last process lets go of it is gone, as with any pipe. */
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
    /* Another version's, or damaged, or none of ours: not ours to judge. */
    r = segment_map(space, fd, &st, &s);
    if (r != LIAISON_OK) {
        close(fd);
        return r < 0 ? r : LIAISON_OK;
    }
    if (naming_lock(fd, 0) == LIAISON_OK) { /* or somebody is about to remove it, or cleans */
        /* By another table nobody can tell who lives, and nobody can come any more. */
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

/* An endpoint is used by who is called so, whoever else has it open. */
static bool needed(struct segment *s)
{
    struct liaison_statistics now;
    if (s->geometry.kind == LIAISON_KIND_ENDPOINT) {
        uint64_t holder = turn_holder(s);
        return holder && member_alive(s->space, holder);
    }
    /* Nobody attached first: who leaves what it sends is here until it has sent it. */
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
            r = space_result(one); /* and on with the others */
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
