/* sandbox.h — a process to which the kernel refuses system calls, as in old kernels and
 * containers. */
#ifndef SANDBOX_H
#define SANDBOX_H

#include <stddef.h>
#include <stdint.h>

struct refusal {
    int call;       /* SYS_… */
    int argument;   /* the argument that is checked, from 0; -1: none */
    uint32_t mask;  /* these bits of it */
    uint32_t value; /* are these */
    int error;      /* what the call then fails with; or SANDBOX_KILL */
};
#define SANDBOX_KILL (-1)

/* From now on, in this process and its children. 0, or an errno where no filter can be installed.
 */
int sandbox_refuse(const struct refusal *refusals, size_t count);

#endif
