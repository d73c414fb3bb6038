/* naming.h — what a link is called.
 *
 * A link's names are hard links to its file, so that renaming and aliasing are the kernel's own
 * atomic operations, and who has the link open has it whatever it is called. Of an endpoint one of
 * them is its own name; the others are aliases. Senders go by a name and keep what they found: the
 * word `naming` tells them, at the cost of a load, that they should look again.
 */
#ifndef LIAISON_NAMING_H
#define LIAISON_NAMING_H

#include "segment/segment.h"

/* Gives the link one more name. LIAISON_OK also where it has that already. */
int naming_add(struct segment *s, const char *name);
/* Takes one of its names away. LIAISON_NOT_FOUND: that is none of them. */
int naming_remove(struct segment *s, const char *name);

/* The label, or the link's first name where none was set; its version is raised by every change of
 * the names. One process may write it, and with the process lock one thread. */
uint64_t naming_label(struct segment *s, char label[LIAISON_NAME_MAX + 4]);
void naming_set_label(struct segment *s, const char *label);
void naming_changed(struct segment *s);

#endif
