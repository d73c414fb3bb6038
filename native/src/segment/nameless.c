#include "segment/nameless.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/platform.h"
#include "base/process.h"
#include "segment/blank.h"
#include "segment/mapping.h"
#include "space/draft.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

/* Memory that has no path and cannot be truncated (`sealed`), outside the space's file system. If
 * the system has none, a file of the space that never gets a name. */
static int memory_file(struct liaison_space *space, bool *sealed)
{
    *sealed = true;
    /* It cannot be run as a program either, if the kernel knows that flag. */
    int fd = memfd_create("liaison", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
    if (fd < 0 && errno == EINVAL)
        fd = memfd_create("liaison", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd >= 0 || !platform_refused(errno))
        return fd < 0 ? -errno : fd;
    *sealed = false;
    struct draft draft;
    int links = space_part(space, SPACE_LINKS);
    int r = links < 0 ? links : draft_begin(&draft, links, 0600);
    fd = r == 0 ? draft_keep(&draft) : r;
    if (links >= 0)
        close(links);
    return fd;
}

int segment_create_nameless(struct liaison_space *space, const struct liaison_policy *policy,
                            const struct stat *token, struct segment **out)
{
    struct header h;
    struct geometry *g = &h.geometry;
    struct stat st;
    space_hold(space);
    int r = blank_header(space, "", policy, &h);
    g->token[0] = token->st_dev;
    g->token[1] = token->st_ino;
    h.checksum = geometry_checksum(g);
    bool sealed;
    int fd = r == LIAISON_OK ? memory_file(space, &sealed) : -1;
    if (r == LIAISON_OK)
        r = fd < 0 ? fd : blank_fill(fd, &h, 0600);
    if (r == 0 && sealed && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
        r = -errno;
    if (r == 0 && fstat(fd, &st) != 0)
        r = -errno;
    struct segment *s;
    if (r == 0)
        r = mapping_make(space, fd, &st, g, 0, &s);
    space_release(space); /* the segment has its own hold */
    if (r != 0) {
        if (fd >= 0)
            close(fd);
        return r < 0 ? space_result(r) : r;
    }
    s->file.fd = fd;
    r = segment_attach(s);
    mapping_enlist(s);
    if (r == LIAISON_OK)
        *out = s;
    else
        segment_close(s);
    return r;
}

int segment_adopt(struct liaison_space *space, int file, struct segment **out)
{
    struct header h;
    struct stat st;
    if (fstat(file, &st) != 0)
        return errno == EBADF ? LIAISON_NOT_FOUND : -errno;
    struct segment *s = S_ISREG(st.st_mode) ? mapping_find(&st, false) : NULL;
    int r = LIAISON_OK;
    if (!s) {
        if (!S_ISREG(st.st_mode) || pread(file, &h, sizeof h, 0) != (ssize_t)sizeof h ||
            h.geometry.magic != LAYOUT_MAGIC)
            return LIAISON_MISMATCH;
        r = geometry_check(&h, (uint64_t)st.st_size);
        if (r == LIAISON_OK && !kind_find(h.geometry.kind)->nameless)
            r = LIAISON_MISMATCH;
        if (r == LIAISON_OK)
            r = mapping_make(space, file, &st, &h.geometry, 0, &s);
        if (r != LIAISON_OK)
            return r;
        s = mapping_enlist_or_find(s);
    }
    /* The living processes of another space would seem dead here. */
    if (!s->kind->nameless || !segment_is_at_home(&s->geometry, space))
        r = LIAISON_MISMATCH;
    if (r == LIAISON_OK)
        r = segment_attach(s);
    if (r != LIAISON_OK) {
        segment_close(s);
        return r;
    }
    *out = s;
    return LIAISON_OK;
}

int segment_open_back(struct segment *first, struct segment **out)
{
    const struct geometry *g = &first->geometry;
    struct segment *s =
        mapping_find(&(struct stat){.st_dev = first->device, .st_ino = first->inode}, true);
    int r = LIAISON_OK;
    if (!s) {
        int names = space_part(first->space, SPACE_NAMES);
        if (names < 0)
            return space_result(names);
        struct stat st;
        struct header h;
        int fd;
        r = space_file(first->space, names, g->name, O_RDWR, &fd, &st);
        close(names);
        if (r != LIAISON_OK)
            return r;
        if (st.st_ino != first->inode || st.st_dev != first->device)
            r = LIAISON_NOT_FOUND;
        else if (pread(fd, &h, sizeof h, (off_t)g->size) != (ssize_t)sizeof h ||
                 memcmp(&h.geometry, g, sizeof *g) != 0 ||
                 (uint64_t)st.st_size != geometry_file_size(g))
            r = LIAISON_CORRUPT;
        if (r == LIAISON_OK)
            r = mapping_make(first->space, fd, &st, g, g->size, &s);
        close(fd);
        if (r != LIAISON_OK)
            return r;
        process_lock();
        first->references++;
        process_unlock();
        s->first = first;
        s = mapping_enlist_or_find(s);
    }
    r = segment_attach(s);
    if (r == LIAISON_OK)
        *out = s;
    else
        segment_close(s);
    return r;
}
