#include "segment/naming.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/lock.h"
#include "base/process.h"
#include "space/draft.h"

#define TRIES 8

/* How often a creator looks whether a name is free, and how many of these looks follow a short
 * sleep. */
#define LOOKS 100
#define NAPS 200
#define MOMENT 500000L

int naming_lock(int file, int64_t patience)
{
    int r = lock_file(file, patience);
    return r == -EWOULDBLOCK ? LIAISON_BUSY : r;
}

/* Whether `name`, in a directory, leads to the file. */
static int leads(int directory, const char *name, dev_t device, ino_t inode)
{
    struct stat st;
    if (fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? LIAISON_NOT_FOUND : -errno;
    return st.st_ino == inode && st.st_dev == device ? LIAISON_OK : LIAISON_NAME_TAKEN;
}

/* With the lock held: removes it, if it is the file's. */
static int take_away(int directory, const char *name, const struct stat *file)
{
    int r = leads(directory, name, file->st_dev, file->st_ino);
    if (r == LIAISON_OK && unlinkat(directory, name, 0) != 0)
        r = errno == ENOENT ? LIAISON_NOT_FOUND : -errno; /* by another program */
    return r == LIAISON_NAME_TAKEN ? LIAISON_NOT_FOUND : r;
}

static int open_again(int names)
{
    int fd = openat(names, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static int take_all_away(struct naming *n, const struct stat *file)
{
    int fd = n->every >= 0 ? n->every : open_again(n->names), r = LIAISON_OK;
    DIR *listing = fd < 0 ? NULL : fdopendir(fd);
    n->every = -1;
    if (!listing) {
        r = fd < 0 ? fd : -errno;
        if (fd >= 0)
            close(fd);
        return r;
    }
    struct dirent *entry;
    while ((errno = 0, entry = readdir(listing)) != NULL) {
        if (entry->d_ino != file->st_ino || !name_of_link_valid(entry->d_name))
            continue;
        int one = take_away(n->names, entry->d_name, file);
        r = one < 0 ? one : r;
    }
    if (errno != 0)
        r = -errno;
    closedir(listing);
    return r;
}

/* With the lock held: removes the names that the header holds. It is read from the file, because
 * the link may not be mapped. A wrong name in it leads elsewhere, and stays. */
static int take_noted_away(const struct naming *n, const struct geometry *g, const struct stat *st)
{
    char alias[ALIASES][LABEL_WORDS * sizeof(word64)];
    int r = take_away(n->names, g->name, st);
    ssize_t size = pread(n->file, alias, sizeof alias, offsetof(struct header, aliases));
    if (size < 0)
        return -errno;
    for (size_t i = 0; r >= 0 && i < (size_t)size / sizeof *alias; i++) {
        alias[i][sizeof *alias - 1] = 0;
        if (name_of_link_valid(alias[i]))
            r = take_away(n->names, alias[i], st);
    }
    return r;
}

int naming_clear(struct naming *n, const struct geometry *g)
{
    struct stat st;
    char id[40];
    segment_id(g, id);
    if (fstat(n->file, &st) != 0)
        return -errno;
    int r = take_noted_away(n, g, &st);
    int permanent = leads(n->links, id, st.st_dev, st.st_ino);
    if (r >= 0 && fstat(n->file, &st) != 0)
        r = -errno;
    /* It has names that the header does not hold: more than it has room for, or names that another
     * program made. */
    if (r >= 0 && st.st_nlink > (permanent == LIAISON_OK))
        r = take_all_away(n, &st);
    if (r >= 0)
        r = take_away(n->links, id, &st);
    return r < 0 ? r : LIAISON_OK;
}

void naming_finish(struct liaison_space *space, int names, int file, const struct geometry *g)
{
    int links = space_part(space, SPACE_LINKS);
    if (links < 0)
        return;
    /* If another process has the lock, that one does it, or the next that wants the name. */
    if (naming_lock(file, 0) == LIAISON_OK) {
        (void)naming_clear(&(struct naming){links, names, file, -1}, g);
        unlock_file(file);
    }
    close(links);
}

static void read_name(char name[LABEL_WORDS * sizeof(word64)], const word64 *from)
{
    uint64_t words[LABEL_WORDS];
    for (size_t i = 0; i < LABEL_WORDS; i++)
        words[i] = glance(&from[i]);
    memcpy(name, words, sizeof words);
    name[sizeof words - 1] = 0;
}

_Static_assert(LIAISON_NAMES_NOTED == ALIASES + 1, "of a list: the first name, and all aliases");
size_t naming_list(const struct segment *s, int names, char list[ALIASES + 1][LIAISON_NAME_MAX + 4])
{
    size_t n = 0;
    memcpy(list[n], s->geometry.name, sizeof s->geometry.name);
    n += leads(names, list[n], s->device, s->inode) == LIAISON_OK;
    for (uint32_t i = 0; i < ALIASES; i++) {
        read_name(list[n], s->header->aliases[i]);
        n +=
            name_of_link_valid(list[n]) && leads(names, list[n], s->device, s->inode) == LIAISON_OK;
    }
    return n;
}

void naming_leave(struct naming *n)
{
    if (n->file >= 0)
        close(n->file); /* which may free its memory: not with a lock held */
    if (n->every >= 0)
        close(n->every);
    close(n->names);
    close(n->links);
}

/* By its permanent name, or, if that was removed without liaison, by its first. */
int naming_reach(const struct segment *s, struct naming *n, bool every)
{
    char id[40];
    struct stat st;
    n->file = n->every = -1;
    int r = space_links_and_names(s->space, &n->links, &n->names);
    if (r != LIAISON_OK)
        return r;
    segment_id(&s->geometry, id);
    r = LIAISON_NOT_FOUND;
    for (int i = 0; i < 2 && r == LIAISON_NOT_FOUND; i++) {
        r = i == 0 ? space_file(s->space, n->links, id, O_RDONLY, &n->file, &st)
                   : space_file(s->space, n->names, s->geometry.name, O_RDONLY, &n->file, &st);
        if (r == LIAISON_OK && (st.st_ino != s->inode || st.st_dev != s->device)) {
            close(n->file);
            n->file = -1;
            r = LIAISON_NOT_FOUND;
        }
    }
    if (r == LIAISON_OK && every && st.st_nlink > 2) { /* the first and the permanent one */
        n->every = open_again(n->names);
        r = n->every < 0 ? n->every : LIAISON_OK;
    }
    if (r != LIAISON_OK)
        naming_leave(n);
    return r;
}

int naming_end(struct segment *s) { return naming_end_if(s, NULL); }

int naming_end_if(struct segment *s, bool (*may)(struct segment *s))
{
    struct naming n;
    int r = naming_reach(s, &n, true);
    if (r != LIAISON_OK)
        return r == LIAISON_NOT_FOUND ? LIAISON_OK : r;
    r = naming_take_away(s, &n, may);
    naming_leave(&n);
    return r;
}

int naming_take_away(struct segment *s, struct naming *n, bool (*may)(struct segment *s))
{
    int r = naming_lock(n->file, LOCK_PATIENCE);
    if (r == LIAISON_OK) {
        r = may && !may(s) ? LIAISON_BUSY : naming_clear(n, &s->geometry);
        unlock_file(n->file);
    }
    return r < 0 ? space_result(r) : r;
}

int naming_again(int n)
{
    if (n >= LOOKS)
        nanosleep(&(struct timespec){0, MOMENT}, NULL);
    return n < LOOKS + NAPS ? LIAISON_OK : LIAISON_DESTROYED;
}

int naming_restore(struct segment *s, int file, int names, const char *name)
{
    int links = space_part(s->space, SPACE_LINKS);
    if (links < 0)
        return space_result(links);
    char id[40];
    segment_id(&s->geometry, id);
    int r = naming_lock(file, LOCK_PATIENCE);
    if (r == LIAISON_OK) {
        r = segment_look(s);
        if (r == LIAISON_OK)
            r = draft_link(file, names, name, links, id);
        unlock_file(file);
    }
    close(links);
    return r == -EEXIST ? LIAISON_OK : r < 0 ? space_result(r) : r;
}

/* With the lock held: writes the name into the header, over one that leads elsewhere by now. If
 * there is no room, only the file's link count shows that there is another name. */
static void note_alias(struct segment *s, int names, const char *name)
{
    uint64_t words[LABEL_WORDS] = {0};
    memcpy(words, name, strnlen(name, LIAISON_NAME_MAX));
    uint32_t vacant = ALIASES;
    for (uint32_t i = 0; i < ALIASES; i++) {
        char noted[LABEL_WORDS * sizeof(word64)];
        read_name(noted, s->header->aliases[i]);
        if (strcmp(noted, name) == 0)
            return;
        if (vacant == ALIASES &&
            !(name_of_link_valid(noted) && leads(names, noted, s->device, s->inode) == LIAISON_OK))
            vacant = i;
    }
    for (size_t j = 0; j < LABEL_WORDS && vacant < ALIASES; j++)
        note(&s->header->aliases[vacant][j], words[j]);
}

int naming_add(struct segment *s, const char *name)
{
    struct naming n;
    int r = name_of_link_valid(name) ? naming_reach(s, &n, false) : LIAISON_INVALID;
    if (r != LIAISON_OK)
        return r == LIAISON_NOT_FOUND ? LIAISON_DESTROYED : r;
    r = naming_lock(n.file, LOCK_PATIENCE);
    if (r == LIAISON_OK) {
        r = segment_look(s); /* ending the link removes its names after this, or has done so */
        if (r == LIAISON_OK) {
            if (strcmp(name, s->geometry.name) != 0)
                note_alias(s, n.names, name);
            char id[40];
            segment_id(&s->geometry, id);
            r = draft_link(n.file, n.links, id, n.names, name);
        }
        unlock_file(n.file);
    }
    if (r == -EEXIST)
        r = leads(n.names, name, s->device, s->inode);
    naming_leave(&n);
    if (r == LIAISON_NOT_FOUND)
        r = LIAISON_NAME_TAKEN; /* another link had it a moment ago: the caller may try again */
    return r < 0 ? space_result(r) : r;
}

int naming_remove(struct segment *s, const char *name)
{
    struct naming n;
    int r = name_of_link_valid(name) ? naming_reach(s, &n, false) : LIAISON_INVALID;
    if (r != LIAISON_OK)
        return r;
    r = naming_lock(n.file, LOCK_PATIENCE);
    if (r == LIAISON_OK) {
        r = take_away(n.names, name, &(struct stat){.st_dev = s->device, .st_ino = s->inode});
        unlock_file(n.file);
    }
    naming_leave(&n);
    /* Afterwards: a sender that looks again because of this must not find the name any more. A
     * death in between leaves senders that remember the name and may still use it; no other finds
     * it. */
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
        /* Acquire, each of them: none may be read after the second look at the version. */
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
    /* First the half that is not read, then the word that selects it: a death leaves the old
     * name. */
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
