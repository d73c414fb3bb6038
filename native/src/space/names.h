/* names.h — what links and spaces may be called. */
#ifndef LIAISON_NAMES_H
#define LIAISON_NAMES_H

#include <stdbool.h>

/* A name that may become a file: the grammar of addresses. */
bool name_valid(const char *name);
/* The same, or such a name behind a tilde: no user can say it, and no list shows it. Links that
 * are part of another one have such names. */
bool name_of_link_valid(const char *name);

#endif
