/* draft.h — a file that is being made, which no process finds before it is complete.
 *
 * It has no name (O_TMPFILE), and is then given one by link(): of makers that race exactly one
 * succeeds, and a death before leaves nothing. Not every file system can do that, and without /proc
 * a file without a name cannot be given one. Then it lies under a name that no process looks for,
 * locked by its maker; sweeping removes what a death leaves there.
 */
#ifndef LIAISON_DRAFT_H
#define LIAISON_DRAFT_H

#include <stdbool.h>
#include <sys/types.h>

struct draft {
    int fd; /* -1: it was not begun */
    int directory;
    char name[40]; /* where it lies until it is complete; empty: nowhere */
};

/* Begins a file in the directory, whose descriptor stays the caller's. 0 or a negative errno. */
int draft_begin(struct draft *draft, int directory, mode_t mode);

/* Gives it the name. 0; -EEXIST; -EAGAIN if it turns out only now that a file without a name cannot
 * get one here: then begin the file again, once; or another negative errno. */
int draft_name(struct draft *draft, int directory, const char *name);
/* The same, after a permanent name in its own directory, of less than 40 bytes: a process that
 * finds the other name finds a file that has both. A death in between leaves a file that no process
 * uses. */
int draft_publish(struct draft *draft, const char *permanent, int directory, const char *name);

/* Gives the file of this descriptor, which has the name `known` in the directory `from`, one more
 * name. 0 or a negative errno. */
int draft_link(int fd, int from, const char *known, int directory, const char *name);

/* Ends the draft: removes its temporary name, and gives the descriptor to the caller. */
int draft_keep(struct draft *draft);
/* The same, and closes the file. */
void draft_end(struct draft *draft);

/* Whether a file in such a directory is a draft; removes it if its maker is dead. */
bool draft_sweep(int directory, const char *name);
/* Removes all whose makers are dead. */
void draft_sweep_all(int directory);

#endif
