/* clean.c — removing from a space what no living process uses. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/guard.h"
#include "segment/segment.h"
#include "space/doorbell.h"
#include "space/member.h"

/* Whether a living process is attached, as the file itself tells. */
static bool attached(struct liaison_space *space, int fd, const struct geometry *g)
{
    for (uint32_t i = 0; i < g->attachments && i < ATTACHMENTS; i++) {
        uint64_t identity;
        off_t at = (off_t)(g->attachments_at + i * sizeof(struct attachment));
        if (pread(fd, &identity, sizeof identity, at) != sizeof identity)
            return false;
        if (identity && member_alive(space, identity))
            return true;
    }
    return false;
}

/* Nobody may come to use what is about to be unlinked: who opens it now finds it destroyed.
 * Announce, then look again: who attached just before is left in peace. */
static bool condemn(struct liaison_space *space, int fd, const struct geometry *g)
{
    struct header *h = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (h == MAP_FAILED)
        return false;
    word32 broken = 0; /* cut off since its header was read */
    bool condemned = guard_add(h, PAGE, &broken);
    bool ours = condemned && exchange32(&h->state, LINK_LIVE, LINK_DESTROYED) &&
                segment_is_at_home(g, space);
    if (ours && attached(space, fd, g)) {
        exchange32(&h->state, LINK_DESTROYED, LINK_LIVE);
        condemned = false;
    }
    guard_remove(h);
    munmap(h, PAGE);
    return condemned && !broken;
}

/* `links` and `names`: descriptors of these directories. */
static void clean_link(struct liaison_space *space, int links, int names, const char *name,
                       bool unused_too, struct liaison_cleaned *out)
{
    int fd;
    struct stat st;
    struct header h;
    if (space_file(space, links, name, O_RDWR, &fd, &st) != LIAISON_OK)
        return;
    bool aside = name[0] == '.';
    if (pread(fd, &h, sizeof h, 0) != (ssize_t)sizeof h || h.geometry.magic != LAYOUT_MAGIC ||
        h.geometry.version != LAYOUT_VERSION) {
        close(fd); /* another version's, or damaged: not ours to judge */
        return;
    }
    /* Of another table nobody can tell who lives, and nobody can come any more. */
    bool stray = !segment_is_at_home(&h.geometry, space);
    bool used = !stray && attached(space, fd, &h.geometry);
    bool destroyed = segment_gone(&h.geometry, glance32(&h.state));
    if (aside) {
        /* A destroyer died between taking a name away and putting back what was not its
         * own (see segment_unlink). */
        const char *dash = strncmp(name, ASIDE, sizeof ASIDE - 1) == 0
                               ? strchr(name + sizeof ASIDE - 1, '-')
                               : NULL;
        /* A named pipe that is over needs no name, though it is not destroyed for its sides. */
        bool over = destroyed ||
                    (h.geometry.kind == LIAISON_KIND_NAMED_PIPE && glance32(&h.state) != LINK_LIVE);
        if (!over && dash && name_of_link_valid(dash + 1))
            (void)linkat(links, name, names, dash + 1, 0);
        unlinkat(links, name, 0);
        close(fd);
        return;
    }
    bool nameless = st.st_nlink < 2;
    bool unused = !stray && !used && !member_alive(space, h.geometry.creator);
    /* What waits in a named pipe when the last process lets go of it is gone, as with any pipe. */
    bool let_go = unused && h.geometry.kind == LIAISON_KIND_NAMED_PIPE;
    bool unwanted = stray || destroyed || (nameless && !used) || let_go || (unused_too && unused);
    bool condemned = unwanted && condemn(space, fd, &h.geometry);
    close(fd);
    if (!condemned)
        return;
    segment_unlink(space, st.st_dev, st.st_ino, name);
    if (stray || nameless || destroyed)
        out->nameless++;
    else
        out->links++;
    out->bytes += (uint64_t)st.st_blocks * 512;
}

int liaison_space_clean(liaison_space *space, bool links, struct liaison_cleaned *out)
{
    memset(out, 0, sizeof *out);
    space_hold(space);
    int fd, names, r = space_links_and_names(space, &fd, &names);
    if (r != LIAISON_OK) {
        space_release(space);
        return r;
    }
    DIR *listing = fdopendir(fd);
    if (!listing) {
        r = space_result(-errno);
        close(fd);
    }
    for (struct dirent *e; listing && (e = readdir(listing)) != NULL;)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            clean_link(space, fd, names, e->d_name, links, out);
    if (listing)
        closedir(listing);
    close(names);
    out->doorbells = doorbell_clean(space);
    space_sweep(space);
    space_release(space);
    return r;
}
