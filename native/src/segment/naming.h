/* naming.h — the names of a link.
 *
 * A link's names are hard links to its file, so renaming and aliasing are atomic operations of the
 * kernel, and an open link stays open under any name. One of an endpoint's names is its own; the
 * others are aliases. Senders remember the link that a name led to: the word `naming` shows them,
 * at the cost of a load, that they must look again.
 */
#ifndef LIAISON_NAMING_H
#define LIAISON_NAMING_H

#include "base/lock.h"
#include "segment/segment.h"

/* The lock of a link's names. A process that removes one of them holds it from the check that the
 * name leads to this link until the name is gone: so no other can have removed it meanwhile, and a
 * creator have used it for another link. Creating needs no lock, because linkat() refuses a name
 * that exists. It is the lock of the link's file (lock.h), of which `file` is a descriptor of the
 * caller's own, so a death frees it, and a process that is stopped with it delays only those that
 * want this link's names. unlock_file() releases it.
 *
 * Result: LIAISON_BUSY, another process has kept it for so many nanoseconds; or a negative
 * errno. */
int naming_lock(int file, int64_t patience);

/* What a change of a link's names needs open: the directories of names, the link's file, and, to
 * remove `every` name if the header does not hold all, the names once more, to be searched; -1:
 * opened when it is needed. Ending a link opens this first: so a lack of descriptors leaves nothing
 * half done. */
struct naming {
    int links, names, file, every;
};
/* LIAISON_NOT_FOUND: the link has no names, except any that another program made. After LIAISON_OK,
 * naming_leave() must follow. */
int naming_reach(const struct segment *s, struct naming *n, bool every);
void naming_leave(struct naming *n);

/* With the lock held: removes all names of a link that is over, its permanent one last, because
 * cleaning finds it by that. Result: LIAISON_OK or a negative errno. */
int naming_clear(struct naming *n, const struct geometry *g);
/* The same for a link whose destroyer has not done it yet, and perhaps never will. */
void naming_finish(struct liaison_space *space, int names, int file, const struct geometry *g);
/* The same without the lock held, for a link that is mapped. LIAISON_BUSY: the next process that
 * wants one of the names, or cleans, removes them. */
int naming_end(struct segment *s);
/* The same if the link, with the lock held, `may` end. LIAISON_BUSY also where it may not. */
int naming_end_if(struct segment *s, bool (*may)(struct segment *s));
/* The same with what was opened before; `may` can be NULL. */
int naming_take_away(struct segment *s, struct naming *n, bool (*may)(struct segment *s));

/* Call this before the n-th look whether a name is free that a destroyed link still has: its
 * destroyer is about to remove it, or was stopped. LIAISON_DESTROYED: that was the last look; all
 * of them take a tenth of a second. */
int naming_again(int n);

/* Restores the link's permanent name if only that one was removed: cleaning finds a link by it. */
int naming_restore(struct segment *s, int file, int names, const char *name);

/* Gives the link one more name. LIAISON_OK also where it has that already. */
int naming_add(struct segment *s, const char *name);
/* Removes one of its names. LIAISON_NOT_FOUND: that is none of them. */
int naming_remove(struct segment *s, const char *name);

/* Those of its names that its header holds and that lead to it; result: how many. */
size_t naming_list(const struct segment *s, int names,
                   char list[ALIASES + 1][LIAISON_NAME_MAX + 4]);

/* The label, or the link's first name where none was set; its version is raised by every change of
 * the names. One process may write it, and with the process lock one thread. */
uint64_t naming_label(struct segment *s, char label[LIAISON_NAME_MAX + 4]);
void naming_set_label(struct segment *s, const char *label);
void naming_changed(struct segment *s);

#endif
