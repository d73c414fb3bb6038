#include "sandbox.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

#include "check.h"

#define MOST 16
#define LENGTH 6 /* instructions for each */

static size_t put(struct sock_filter *at, const struct refusal *r)
{
    uint32_t offset = r->argument < 0 ? 0 : 16 + 8 * (uint32_t)r->argument;
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)r->call, 0, 4),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, r->argument < 0 ? 0 : r->mask),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, r->argument < 0 ? 0 : r->value, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, r->error == SANDBOX_KILL
                                      ? SECCOMP_RET_KILL_PROCESS
                                      : SECCOMP_RET_ERRNO | (uint32_t)r->error),
    };
    _Static_assert(sizeof code / sizeof *code == LENGTH, "as said above");
    for (size_t i = 0; i < LENGTH; i++)
        at[i] = code[i];
    return LENGTH;
}

int sandbox_refuse(const struct refusal *refusals, size_t count)
{
    struct sock_filter code[MOST * LENGTH + 1];
    size_t length = 0;
    CHECK(count <= MOST);
    for (size_t i = 0; i < count; i++)
        length += put(&code[length], &refusals[i]);
    code[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {.len = (unsigned short)length, .filter = code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        return errno;
    return 0;
}
