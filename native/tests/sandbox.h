/* sandbox.h — a process that the kernel refuses calls to, as old kernels and containers do. */
#ifndef SANDBOX_H
#define SANDBOX_H

#include <stddef.h>
#include <stdint.h>

struct refusal {
    int call;       /* SYS_… */
    int argument;   /* the one that is looked at, from 0; -1: none */
    uint32_t mask;  /* these bits of it */
    uint32_t value; /* are these */
    int error;      /* what the call then fails with; or SANDBOX_KILL */
};
#define SANDBOX_KILL (-1)

/* From now on, in this process and its children. 0, or an errno where no filter can be installed.
 */
int sandbox_refuse(const struct refusal *refusals, size_t count);

#endif
