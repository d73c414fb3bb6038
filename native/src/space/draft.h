/* draft.h — a file that is being made, which nobody finds before it is complete.
 *
 * It has no name (O_TMPFILE), and is then given one by link(): of makers that race exactly one
 * wins, and what dies half-way leaves nothing. Not every file system can do that, nor is there
 * always a /proc by which a file without a name is given one. Then it lies under a name that nobody
 * looks for, locked by its maker; what a death leaves there is removed by whoever sweeps.
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

/* Gives it the name. 0; -EEXIST; -EAGAIN where only now it came out that files without a name get
 * none here: then the file is to be begun again, once; or another negative errno. */
int draft_name(struct draft *draft, int directory, const char *name);
/* The same, after a permanent name in its own directory, of less than 40 bytes: whoever finds the
 * other one finds a file that has both. What a death in between leaves is in nobody's use. */
int draft_publish(struct draft *draft, const char *permanent, int directory, const char *name);

/* Gives the file of this descriptor, which is `known` in the directory `from`, a name more. 0 or a
 * negative errno. */
int draft_link(int fd, int from, const char *known, int directory, const char *name);

/* Ends the draft: what it lay under is removed. Gives the descriptor, the caller's from now on. */
int draft_keep(struct draft *draft);
/* The same, and closes the file. */
void draft_end(struct draft *draft);

/* Whether a file in such a directory is a draft; removes it if its maker is dead. */
bool draft_sweep(int directory, const char *name);
/* Removes all whose makers are dead. */
void draft_sweep_all(int directory);

#endif
