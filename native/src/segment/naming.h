/* naming.h — what a link is called.
 *
 * A link's names are hard links to its file, so that renaming and aliasing are the kernel's own
 * atomic operations, and who has the link open has it whatever it is called. Of an endpoint one of
 * them is its own name; the others are aliases. Senders go by a name and keep what they found: the
 * word `naming` tells them, at the cost of a load, that they should look again.
 */
#ifndef LIAISON_NAMING_H
#define LIAISON_NAMING_H

#include "base/lock.h"
#include "segment/segment.h"

/* The lock of a link's names, which whoever takes one of them away has from looking whether it
 * leads to this link until it is gone: nobody else can have removed it meanwhile, and a creator
 * have taken it for another link. Creating needs no lock, for linkat() refuses a name that is
 * there. It is that of the link's file (lock.h), of which `file` is a descriptor of the caller's
 * own, so a death frees it, and whoever is stopped with it is in the way of nobody but those who
 * want this very link's names. unlock_file() gives it back.
 *
 * Result: LIAISON_BUSY, somebody else has had it for so many nanoseconds; or a negative errno. */
int naming_lock(int file, int64_t patience);

/* What a change of a link's names needs open: the directories of names, the link's file, and, to
 * take away `every` name where some may stand nowhere, the names once more, to be read through; -1:
 * that is opened when it turns out. Whoever ends a link has this first: then for want of a
 * descriptor nothing is left half done. */
struct naming {
    int links, names, file, every;
};
/* LIAISON_NOT_FOUND: the link has no names, but for those that somebody else gave it. Where it is
 * LIAISON_OK, to be left. */
int naming_reach(const struct segment *s, struct naming *n, bool every);
void naming_leave(struct naming *n);

/* With the lock held: takes away all names of a link that is over, its permanent one last: where it
 * still has that, cleaning finds it. Result: LIAISON_OK or a negative errno. */
int naming_clear(struct naming *n, const struct geometry *g);
/* The same of one that whoever ended it has not yet come to, and perhaps never does. */
void naming_finish(struct liaison_space *space, int names, int file, const struct geometry *g);
/* The same for who has not locked them, and has the link mapped. LIAISON_BUSY: whoever asks for one
 * of the names, or cleans, takes it away. */
int naming_end(struct segment *s);
/* The same if the link, with the lock held, `may` end. LIAISON_BUSY also where it may not. */
int naming_end_if(struct segment *s, bool (*may)(struct segment *s));
/* The same with what was opened before; `may` can be NULL. */
int naming_take_away(struct segment *s, struct naming *n, bool (*may)(struct segment *s));

/* Before the n-th look whether a name is free, which a destroyed link still has: its destroyer is
 * about to take it away, or was stopped. LIAISON_DESTROYED: that was the last; it takes a tenth of
 * a second. */
int naming_again(int n);

/* Gives back the permanent name that the link had, where somebody removed that one alone: it is the
 * one that cleaning goes by. */
int naming_restore(struct segment *s, int file, int names, const char *name);

/* Gives the link one more name. LIAISON_OK also where it has that already. */
int naming_add(struct segment *s, const char *name);
/* Takes one of its names away. LIAISON_NOT_FOUND: that is none of them. */
int naming_remove(struct segment *s, const char *name);

/* Those of its names that stand in its header and lead to it; how many. */
size_t naming_list(const struct segment *s, int names,
                   char list[ALIASES + 1][LIAISON_NAME_MAX + 4]);

/* The label, or the link's first name where none was set; its version is raised by every change of
 * the names. One process may write it, and with the process lock one thread. */
uint64_t naming_label(struct segment *s, char label[LIAISON_NAME_MAX + 4]);
void naming_set_label(struct segment *s, const char *label);
void naming_changed(struct segment *s);

#endif
