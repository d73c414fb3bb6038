/* remove.c — removing a space that no living process uses. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/process.h"
#include "links/inspection.h"
#include "segment/mapping.h"
#include "space/draft.h"
#include "space/member.h"
#include "space/removal.h"

#define TRIES 8

/* What waits in a named pipe is lost when the last process closes it, as with any pipe; and an
 * endpoint's own messages are introductions. */
static bool carries_messages(const struct segment *s)
{
    return s->geometry.kind != LIAISON_KIND_NAMED_PIPE && s->geometry.kind != LIAISON_KIND_ENDPOINT;
}

/* Whether the link may be removed with its space. No process has it open. */
static int judge(struct segment *s, struct liaison_kept *kept)
{
    uint64_t creator = s->geometry.creator, me = 0;
    struct liaison_statistics now = {0};
    if (glance(&s->space->enrolled) == process_epoch())
        me = glance(&s->space->identity);
    sides_look(s, true);
    if (segment_gone(&s->geometry, segment_state(s)))
        return LIAISON_OK;
    if (!segment_is_at_home(&s->geometry, s->space))
        return LIAISON_FOREIGN; /* by another table it is unknown which users live */
    int r = LIAISON_OK;
    if (creator != me && member_alive(s->space, creator))
        r = LIAISON_NOT_OWNER;
    else if (carries_messages(s))
        r = inspection_count(s, &now);
    if (r == LIAISON_DESTROYED) /* meanwhile: a cleaner does not use the space */
        return LIAISON_OK;
    kept->messages = now.waiting + now.leased;
    if (r == LIAISON_OK && kept->messages)
        r = LIAISON_BUSY;
    if (r != LIAISON_OK)
        (void)member_peer(s->space, creator, 0, &kept->creator);
    return r;
}

static int judge_file(struct liaison_space *space, int links, const char *id,
                      struct liaison_kept *kept)
{
    int fd;
    struct stat st;
    struct segment *s;
    int r = space_file(space, links, id, O_RDWR, &fd, &st);
    if (r == LIAISON_NOT_FOUND)
        return LIAISON_OK;
    /* Nothing else is known of a damaged one. */
    snprintf(kept->link, sizeof kept->link, "%.*s", LIAISON_NAME_MAX, id);
    if (r != LIAISON_OK)
        return r;
    r = segment_map(space, fd, &st, &s);
    close(fd);
    if (r != LIAISON_OK)
        return r;
    r = judge(s, kept);
    if (r == LIAISON_NOT_OWNER || r == LIAISON_BUSY)
        memcpy(kept->link, s->geometry.name, sizeof kept->link);
    segment_close(s);
    return r;
}

static int judge_all(struct liaison_space *space, struct liaison_kept *kept)
{
    int fd = space_part(space, SPACE_LINKS), r = LIAISON_OK;
    DIR *listing = fd < 0 ? NULL : fdopendir(fd);
    if (!listing) {
        r = fd < 0 ? fd : -errno;
        if (fd >= 0)
            close(fd);
        return space_result(r);
    }
    for (struct dirent *e; r == LIAISON_OK && (errno = 0, e = readdir(listing)) != NULL;)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
            !draft_sweep(fd, e->d_name))
            r = judge_file(space, fd, e->d_name, kept);
    if (r == LIAISON_OK && errno != 0)
        r = space_result(-errno);
    if (r == LIAISON_OK)
        memset(kept, 0, sizeof *kept);
    closedir(listing);
    return r;
}

static int remove_it(struct liaison_space *space, bool force, struct liaison_kept *kept)
{
    struct space_way way;
    bool came = true;
    int r = space_way_open(space, &way);
    if (r != LIAISON_OK)
        return r;
    for (int tries = 0; came && tries < TRIES; tries++) {
        struct removal removal;
        came = false;
        r = removal_begin(space, &removal);
        if (r != LIAISON_OK)
            break;
        if (!force)
            r = judge_all(space, kept);
        if (r == LIAISON_OK && !removal_decide(&removal)) {
            came = true;
            r = LIAISON_BUSY;
        }
        removal_end(&removal);
    }
    if (r == LIAISON_BUSY && !kept->messages)
        kept->here = segment_in_use(space, kept->link) || observe(&space->epoch) == process_epoch();
    if (r == LIAISON_OK)
        r = space_remove(space, &way);
    space_way_close(&way);
    return r;
}

int liaison_space_remove(const char *root, uint32_t owner, const char *name, bool force,
                         struct liaison_kept *kept)
{
    liaison_space *space;
    memset(kept, 0, sizeof *kept);
    if (geteuid() != 0 && geteuid() != owner)
        return LIAISON_DENIED;
    int r = liaison_space_open(root, owner, name, false, -1, &space);
    if (force && (r == LIAISON_FOREIGN || r == LIAISON_VERSION))
        return space_remove_ruin(root, owner, name);
    if (r != LIAISON_OK)
        return r;
    space_hold(space);
    r = remove_it(space, force, kept);
    space_release(space);
    liaison_space_close(space);
    return r;
}
