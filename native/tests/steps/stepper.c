#include "steps/stepper.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

#define SKIPPED 77 /* as CMakeLists.txt tells ctest */

void *shared_memory(size_t size)
{
    void *p =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(p != MAP_FAILED);
    return p;
}
void shared_memory_free(void *memory, size_t size) { munmap(memory, size); }

struct shared *stepper_shared(void) { return shared_memory(sizeof(struct shared)); }

static void await(pid_t pid, int *status)
{
    while (waitpid(pid, status, __WALL) < 0)
        CHECK(errno == EINTR);
}

void stepper_required(void)
{
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
            _exit(1);
        raise(SIGSTOP);
        _exit(0);
    }
    int status;
    await(pid, &status);
    if (WIFSTOPPED(status) && ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) == 0) {
        await(pid, &status);
        if (WIFSTOPPED(status)) {
            kill(pid, SIGKILL);
            await(pid, &status);
            return;
        }
    }
    fprintf(stderr, "NOT CHECKED: no process can be single-stepped here (ptrace)\n");
    exit(SKIPPED);
}

pid_t stepper_start(const struct body *body)
{
    body->shared->phase = 0;
    fflush(NULL);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        /* Also a stopped child: a test that fails must leave no process that has its output open.
         */
        CHECK(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
        if (body->prepare)
            body->prepare(body->context);
        CHECK(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0);
        raise(SIGSTOP);
        body->shared->phase = 1;
        body->operate(body->context);
        body->shared->phase = 2;
        _exit(0);
    }
    int status;
    await(pid, &status);
    CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
    CHECK(ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD) == 0);
    while (body->shared->phase == 0)
        CHECK(stepper_step(pid, body->shared));
    return pid;
}

static bool go(int how, pid_t pid, const struct shared *shared)
{
    int status;
    CHECK(ptrace(how, pid, NULL, NULL) == 0);
    await(pid, &status);
    if (!WIFSTOPPED(status)) {
        fprintf(stderr, "the stepped process ended with status %#x\n", (unsigned)status);
        abort();
    }
    return shared->phase != 2;
}

bool stepper_step(pid_t pid, const struct shared *shared)
{
    return go(PTRACE_SINGLESTEP, pid, shared);
}
bool stepper_call(pid_t pid, const struct shared *shared)
{
    return go(PTRACE_SYSCALL, pid, shared);
}
/* Whether a system call may change what lies in a directory, or in its files. */
static bool changes_files(uint64_t number)
{
    static const long calls[] = {
        SYS_openat,    SYS_mkdirat,   SYS_mknodat,   SYS_linkat,   SYS_unlinkat,
        SYS_renameat2, SYS_ftruncate, SYS_fallocate, SYS_pwrite64, SYS_write,
        SYS_fchmod,    SYS_fchmodat,  SYS_fchown,
#ifdef SYS_open
        SYS_open,      SYS_mkdir,     SYS_mknod,     SYS_link,     SYS_unlink,
        SYS_rename,    SYS_renameat,
#endif
    };
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if ((uint64_t)calls[i] == number)
            return true;
    return false;
}

/* Whether a system call uses a file's name, or reads names. */
static bool goes_by_name(uint64_t number)
{
    static const long calls[] = {
        SYS_newfstatat, SYS_statx, SYS_getdents64, SYS_fchownat,
#ifdef SYS_stat
        SYS_stat,       SYS_lstat,
#endif
    };
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if ((uint64_t)calls[i] == number)
            return true;
    return changes_files(number);
}

static bool to_call(pid_t pid, const struct shared *shared, bool (*wanted)(uint64_t))
{
    struct __ptrace_syscall_info info;
    while (go(PTRACE_SYSCALL, pid, shared)) {
        CHECK(ptrace(PTRACE_GET_SYSCALL_INFO, pid, (void *)sizeof info, &info) > 0);
        if (info.op == PTRACE_SYSCALL_INFO_ENTRY && wanted(info.entry.nr))
            return true;
    }
    return false;
}

bool stepper_system_call(pid_t pid, const struct shared *shared)
{
    return to_call(pid, shared, changes_files);
}
bool stepper_name(pid_t pid, const struct shared *shared)
{
    return to_call(pid, shared, goes_by_name);
}

void stepper_kill(pid_t pid)
{
    int status;
    kill(pid, SIGKILL);
    do
        await(pid, &status);
    while (WIFSTOPPED(status));
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

bool stepper_finish(pid_t pid, const struct shared *shared)
{
    int status = 0;
    ptrace(PTRACE_DETACH, pid, NULL, NULL); /* fails where that was done already */
    for (int i = 0; i < 60000; i++) {
        pid_t r = waitpid(pid, &status, WNOHANG | __WALL);
        CHECK(r >= 0);
        if (r == pid)
            return shared->phase == 2 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
    kill(pid, SIGKILL);
    await(pid, &status);
    return false;
}

void stepper_stop(pid_t pid)
{
    int status;
    CHECK(ptrace(PTRACE_DETACH, pid, NULL, SIGSTOP) == 0);
    CHECK(waitpid(pid, &status, WUNTRACED | __WALL) == pid && WIFSTOPPED(status));
}
void stepper_continue(pid_t pid) { CHECK(kill(pid, SIGCONT) == 0); }
