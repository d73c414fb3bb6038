#include "segment/naming.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/process.h"

#define TRIES 8

/* Whether `name`, in a directory, leads to the link. */
static int leads_here(struct segment *s, int directory, const char *name)
{
    struct stat st;
    if (fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return space_result(-errno);
    return st.st_ino == s->inode && st.st_dev == s->device ? LIAISON_OK : LIAISON_NAME_TAKEN;
}

int naming_add(struct segment *s, const char *name)
{
    if (!name_of_link_valid(name))
        return LIAISON_INVALID;
    int links, names, r = space_links_and_names(s->space, &links, &names);
    if (r != LIAISON_OK)
        return r;
    char id[40];
    segment_id(&s->geometry, id);
    r = leads_here(s, links, id);
    if (r == LIAISON_OK && linkat(links, id, names, name, 0) != 0)
        r = errno == EEXIST ? leads_here(s, names, name) : space_result(-errno);
    else if (r == LIAISON_NOT_FOUND || r == LIAISON_NAME_TAKEN)
        r = LIAISON_DESTROYED; /* its permanent name is gone, or another file's */
    if (r == LIAISON_NOT_FOUND)
        r = LIAISON_NAME_TAKEN; /* another link's a moment ago: the caller may try again */
    close(names);
    close(links);
    return r;
}

int naming_remove(struct segment *s, const char *name)
{
    if (!name_of_link_valid(name))
        return LIAISON_INVALID;
    int links, names, r = space_links_and_names(s->space, &links, &names);
    if (r != LIAISON_OK)
        return r;
    r = leads_here(s, names, name);
    if (r == LIAISON_OK)
        r = segment_take_away(links, names, name, s->device, s->inode);
    else if (r == LIAISON_NAME_TAKEN)
        r = LIAISON_NOT_FOUND;
    close(names);
    close(links);
    /* Afterwards: who looks again because of this must not find the name any more. Who dies in
     * between leaves senders that know the name and may still use it; nobody new finds it. */
    if (r == LIAISON_OK || r == LIAISON_NOT_FOUND)
        naming_changed(s);
    return r < 0 ? space_result(r) : r;
}

static uint64_t next(uint64_t naming, uint64_t which) { return ((naming >> 1) + 1) << 1 | which; }

uint64_t naming_label(struct segment *s, char label[LIAISON_NAME_MAX + 4])
{
    uint64_t words[LABEL_WORDS];
    uint64_t before = observe(&s->header->naming);
    for (int tries = 0; tries < TRIES; tries++) {
        /* Acquire, each of them: none may be read after the version is looked at again. */
        for (size_t i = 0; i < LABEL_WORDS; i++)
            words[i] = observe(&s->header->label[before & 1][i]);
        uint64_t after = observe(&s->header->naming);
        if (after == before)
            break;
        before = after;
    }
    memcpy(label, words, sizeof words);
    label[LIAISON_NAME_MAX + 3] = 0;
    if (!name_valid(label))
        memcpy(label, s->geometry.name, sizeof s->geometry.name);
    return before;
}

void naming_set_label(struct segment *s, const char *label)
{
    uint64_t words[LABEL_WORDS] = {0};
    memcpy(words, label, strnlen(label, LIAISON_NAME_MAX));
    process_lock();
    /* Into the half that nobody reads, and then the word that says so: a death leaves the old. */
    uint64_t naming = glance(&s->header->naming), other = 1 - (naming & 1);
    for (size_t i = 0; i < LABEL_WORDS; i++)
        note(&s->header->label[other][i], words[i]);
    publish(&s->header->naming, next(naming, other));
    process_unlock();
}

void naming_changed(struct segment *s)
{
    process_lock();
    uint64_t naming = glance(&s->header->naming);
    publish(&s->header->naming, next(naming, naming & 1));
    process_unlock();
}
