#include "segment/opening.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "segment/blank.h"
#include "segment/mapping.h"
#include "segment/naming.h"
#include "space/draft.h"

/* ---- creation --------------------------------------------------------------------- */

static int create(struct liaison_space *space, const char *name,
                  const struct liaison_policy *policy, struct segment **out)
{
    struct header h;
    struct geometry *g = &h.geometry;
    int links, names;
    space_hold(space);
    int r = name_of_link_valid(name) ? blank_header(space, name, policy, &h) : LIAISON_INVALID;
    if (r == LIAISON_OK)
        r = space_links_and_names(space, &links, &names);
    if (r != LIAISON_OK) {
        space_release(space);
        return r;
    }
    h.checksum = geometry_checksum(g);
    struct draft draft = {.fd = -1};
    struct segment *s = NULL;
    /* Fail at once if the name is taken, rather than after reserving all that memory. */
    struct stat st;
    if (fstatat(names, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        r = S_ISREG(st.st_mode) ? -EEXIST : -EACCES;
        goto out;
    }
    r = draft_begin(&draft, links, space->file_mode);
    if (r == 0)
        r = blank_fill(draft.fd, &h, space->file_mode);
    if (r == 0 && fstat(draft.fd, &st) != 0)
        r = -errno;
    if (r == 0)
        r = mapping_make(space, draft.fd, &st, g, 0, &s);
    if (r == 0)
        r = segment_attach(s); /* before it has a name: no other process can interfere */
    if (r == 0) {
        mapping_enlist(s); /* before another thread can find the name */
        char id[40];
        segment_id(g, id);
        r = draft_publish(&draft, id, names, name);
    }
    if (r == 0)
        *out = s;
    else if (s)
        segment_close(s);
out:
    draft_end(&draft);
    close(names);
    close(links);
    space_release(space);
    return space_result(r);
}

int segment_create(struct liaison_space *space, const char *name,
                   const struct liaison_policy *policy, struct segment **out)
{
    int r = create(space, name, policy, out);
    return r == -EAGAIN ? create(space, name, policy, out) : r; /* see draft_name() */
}

/* ---- opening ------------------------------------------------------------------------ */

int segment_find(struct liaison_space *space, int names, const char *name, struct segment **out,
                 struct stat *st)
{
    if (!name_of_link_valid(name))
        return LIAISON_INVALID;
    int fd, r = space_file(space, names, name, O_RDWR, &fd, st);
    if (r != LIAISON_OK)
        return r;
    struct segment *s;
    r = segment_map(space, fd, st, &s);
    if (r == LIAISON_OK) {
        /* Whether it was created before the table was replaced. */
        bool stray = !segment_is_at_home(&s->geometry, space);
        if (!stray)
            sides_look(s, true);
        if (stray) {
            r = LIAISON_FOREIGN;
        } else if (segment_gone(&s->geometry, segment_state(s))) {
            /* Its destroyer died half-way, or is about to remove the name. */
            naming_finish(space, names, fd, &s->geometry);
            r = LIAISON_NOT_FOUND;
        } else if (st->st_nlink < 2) {
            r = naming_restore(s, fd, names, name);
        }
        if (r == LIAISON_OK)
            *out = s;
        else
            segment_close(s);
    }
    close(fd);
    return r;
}

static int open_named(struct liaison_space *space, const char *name,
                      const struct liaison_policy *policy, bool attach, struct segment **out)
{
    int names = space_part(space, SPACE_NAMES);
    if (names < 0)
        return space_result(names);
    struct segment *s;
    struct stat st;
    int r = segment_find(space, names, name, &s, &st);
    close(names);
    if (r != LIAISON_OK)
        return r;
    if (policy && !segment_fits(policy, &s->geometry)) {
        r = LIAISON_MISMATCH;
    } else if (attach) {
        r = s->kind->admit ? s->kind->admit(s) : LIAISON_OK;
        if (r == LIAISON_OK)
            r = segment_attach(s);
        /* Destroyed meanwhile, perhaps by a cleaner that saw no process attached. */
        if (r == LIAISON_OK && segment_state(s) != LINK_LIVE)
            r = LIAISON_NOT_FOUND;
    }
    if (r == LIAISON_OK)
        *out = s;
    else
        segment_close(s);
    return r;
}

int segment_open(struct liaison_space *space, const char *name, const struct liaison_policy *policy,
                 bool attach, struct segment **out)
{
    space_hold(space);
    int r = open_named(space, name, policy, attach, out);
    space_release(space);
    return r;
}
