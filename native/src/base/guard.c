/* guard.c — a page that vanishes beneath a mapping must not kill the process.
 *
 * A process that may write a segment may also truncate it; touching a page beyond the new end
 * raises SIGBUS. The handler lays private zero pages over the whole mapping, raises the segment's
 * `broken` flag and returns, so the interrupted instruction goes on, harmlessly, and the operation
 * reports CORRUPT when it looks at the flag. Rejected: sigsetjmp around every operation, which
 * costs each of them and leaks whatever it jumps out of.
 *
 * A fault that is not ours goes to the handler that was there before. */
#include "base/guard.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "base/process.h"

struct guarded {
    word64 base; /* 0: the entry is free; written last when taken, first when freed */
    word64 size;
    word64 epoch; /* of the process that has the mapping; 0: its children have it too */
    _Atomic(word32 *) broken;
};

/* A fork does not drop entries, because a bare clone runs no handlers; the epoch shows whose they
 * are. */
static bool is_here(const struct guarded *g)
{
    uint64_t epoch = look(&g->epoch);
    return epoch == 0 || epoch == process_epoch();
}

/* Chunks are linked, never freed: the handler may be walking them at any time. */
struct chunk {
    struct guarded entry[254];
    _Atomic(struct chunk *) next;
};
static struct chunk first;
static struct sigaction previous;
static bool installed;

static void on_bus_error(int number, siginfo_t *info, void *context)
{
    uintptr_t at = (uintptr_t)info->si_addr;
    /* A signal that was sent with kill() has no address. */
    for (struct chunk *c = info->si_code > 0 ? &first : NULL; c; c = atomic_load(&c->next)) {
        for (size_t i = 0; i < sizeof c->entry / sizeof c->entry[0]; i++) {
            struct guarded *g = &c->entry[i];
            uint64_t base = look(&g->base), size = look(&g->size);
            if (!base || at < base || at - base >= size || !is_here(g) || look(&g->base) != base)
                continue;
            word32 *broken = atomic_load(&g->broken);
            void *p = mmap((void *)(uintptr_t)base, size, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
            if (p == MAP_FAILED)
                break;
            announce32(broken, 1);
            return;
        }
    }
    bool sent = info->si_code <= 0;
    if (previous.sa_flags & SA_SIGINFO) {
        previous.sa_sigaction(number, info, context);
    } else if (previous.sa_handler == SIG_IGN && sent) {
        /* A sent signal that was ignored stays ignored; a fault never is. */
    } else if (previous.sa_handler == SIG_DFL || previous.sa_handler == SIG_IGN) {
        signal(SIGBUS, SIG_DFL);
        /* Returning runs an instruction that faulted again, now with the default action. A sent
         * signal has to be sent again. */
        if (sent)
            raise(SIGBUS);
    } else {
        previous.sa_handler(number);
    }
}

bool guard_add_locked(void *base, uint64_t size, word32 *broken, bool private)
{
    if (!installed) {
        struct sigaction action;
        memset(&action, 0, sizeof action);
        action.sa_sigaction = on_bus_error;
        action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
        sigemptyset(&action.sa_mask);
        if (sigaction(SIGBUS, &action, &previous) != 0)
            return false;
        installed = true;
    }
    for (struct chunk *c = &first;;) {
        for (size_t i = 0; i < sizeof c->entry / sizeof c->entry[0]; i++) {
            struct guarded *g = &c->entry[i];
            if (look(&g->base) && is_here(g))
                continue;
            publish(&g->base, 0); /* where a parent had one */
            publish(&g->epoch, private ? process_epoch() : 0);
            atomic_store(&g->broken, broken);
            publish(&g->size, size);
            publish(&g->base, (uintptr_t)base);
            return true;
        }
        struct chunk *next = atomic_load(&c->next);
        if (!next) {
            next = mmap(NULL, sizeof *next, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                        0);
            if (next == MAP_FAILED)
                return false;
            atomic_store(&c->next, next);
        }
        c = next;
    }
}

bool guard_add(void *base, uint64_t size, word32 *broken)
{
    process_lock();
    bool added = guard_add_locked(base, size, broken, false);
    process_unlock();
    return added;
}

void guard_remove_locked(void *base)
{
    for (struct chunk *c = &first; c; c = atomic_load(&c->next))
        for (size_t i = 0; i < sizeof c->entry / sizeof c->entry[0]; i++)
            if (look(&c->entry[i].base) == (uintptr_t)base && is_here(&c->entry[i])) {
                publish(&c->entry[i].base, 0);
                return;
            }
}

void guard_remove(void *base)
{
    process_lock();
    guard_remove_locked(base);
    process_unlock();
}
