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
static void (*tell)(void);

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

static void on_write(int number, siginfo_t *info, void *context)
{
    uint8_t *at = info->si_addr;
    if (at < stretch || at >= stretch + extent) {
        signal(number, SIG_DFL); /* an error of the engine's: die of it */
        return;
    }
    mprotect(stretch, extent, PROT_READ | PROT_WRITE);
    trap_flag(context, true);
}

static void on_trap(int number, siginfo_t *info, void *context)
{
    (void)number, (void)info;
    trap_flag(context, false);
    tell();
    mprotect(stretch, extent, PROT_READ);
}

void trap_begin(void *base, size_t length, void (*changed)(void))
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_flags = SA_SIGINFO;
    action.sa_sigaction = on_write;
    CHECK(sigaction(SIGSEGV, &action, NULL) == 0);
    action.sa_sigaction = on_trap;
    CHECK(sigaction(SIGTRAP, &action, NULL) == 0);
    stretch = base;
    extent = (length + 4095) / 4096 * 4096;
    tell = changed;
    CHECK(mprotect(stretch, extent, PROT_READ) == 0);
}

void trap_end(void) { CHECK(mprotect(stretch, extent, PROT_READ | PROT_WRITE) == 0); }
