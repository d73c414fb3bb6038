#include "steps/trap.h"

#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "check.h"

#define TRAP_FLAG 0x100

static uint8_t *stretch;
static size_t extent;
static void (*before)(const void *base, const void *at);
static void (*after)(void);
static int protection;

static void trap_flag(void *context, bool set)
{
#if defined(__x86_64__)
    greg_t *flags = &((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL];
    *flags = set ? *flags | TRAP_FLAG : *flags & ~(greg_t)TRAP_FLAG;
#else
    (void)context, (void)set;
    abort();
#endif
}

static void on_access(int number, siginfo_t *info, void *context)
{
    uint8_t *at = info->si_addr;
    if (at < stretch || at >= stretch + extent) {
        signal(number, SIG_DFL); /* an error of the engine's: die of it */
        return;
    }
    if (before)
        before(stretch, at);
    mprotect(stretch, extent, PROT_READ | PROT_WRITE);
    trap_flag(context, true);
}

static void on_trap(int number, siginfo_t *info, void *context)
{
    (void)number, (void)info;
    trap_flag(context, false);
    if (after)
        after();
    mprotect(stretch, extent, protection);
}

static void begin(void *base, size_t length, int prot)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_flags = SA_SIGINFO;
    action.sa_sigaction = on_access;
    CHECK(sigaction(SIGSEGV, &action, NULL) == 0);
    action.sa_sigaction = on_trap;
    CHECK(sigaction(SIGTRAP, &action, NULL) == 0);
    stretch = base;
    extent = (length + 4095) / 4096 * 4096;
    protection = prot;
    CHECK(mprotect(stretch, extent, protection) == 0);
}

void trap_begin(void *base, size_t length, void (*changed)(void))
{
    before = NULL;
    after = changed;
    begin(base, length, PROT_READ);
}

void trap_begin_accesses(void *base, size_t length,
                         void (*reached)(const void *base, const void *at))
{
    before = reached;
    after = NULL;
    begin(base, length, PROT_NONE);
}

void trap_end(void) { CHECK(mprotect(stretch, extent, PROT_READ | PROT_WRITE) == 0); }
