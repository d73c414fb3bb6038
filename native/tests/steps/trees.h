/* trees.h — operations that change the content of a space's directories. */
#ifndef TREES_H
#define TREES_H

#include <sys/types.h>

#include "liaison.h"

/* About a link that is called "link". */
struct tree_case {
    const char *name;
    void (*before)(liaison_space *); /* in a process that dies of it */
    void (*ready)(liaison_space *);  /* in the one that is killed, before it is watched */
    void (*operate)(liaison_space *);
    bool may_exist, may_be_missing; /* the link, afterwards */
};
extern const struct tree_case tree_cases[];
extern const size_t tree_cases_count;
extern const struct liaison_policy tree_policy; /* the link's */

void tree_nothing(liaison_space *space);
void tree_clean(liaison_space *space);
void tree_clean_all(liaison_space *space); /* with unused links */
void tree_drain(liaison_space *space);
void tree_decide(liaison_space *space); /* that the unused space is removed */

/* All of them happen in a space below this directory, which a group may share. */
extern char tree_directory[200];
/* How many entries a part of the space has: "links", "names" or "bells". */
int tree_count(const char *part);
void tree_begin(bool shared);
liaison_space *tree_open_space(void);
/* Removes every file of the space, but not its directories. */
void tree_empty(void);
/* Runs the case's `before` in a process that dies of it. */
void tree_make_before(const struct tree_case *c);

/* A process that stands before the case's operation. */
struct tree_run {
    void (*ready)(liaison_space *), (*operate)(liaison_space *);
    liaison_space *space;
    struct shared *shared;
};
pid_t tree_start(struct tree_run *run);

#endif
