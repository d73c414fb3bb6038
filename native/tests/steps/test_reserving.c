/* At whichever instruction a process is killed, memory is reserved for all that the header says:
 * the places below `cells_top`, and the arena with its index up to `arena_size`.
 *
 * A process that sends messages which need more of both is single-stepped, and at each instruction
 * the file system is asked how much the file has. No other process maps it, because even reading
 * would allocate what is missing. */
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/platform.h"
#include "check.h"
#include "segment/geometry.h"
#include "steps/script.h"
#include "steps/stepper.h"

static struct actor actor = {.name = "growing"};

static void prepare(void *context)
{
    (void)context;
    script_run(&actor, "of");
}
static void operate(void *context) { script_run(&actor, context); }

static uint64_t pages(uint64_t bytes) { return round_up(bytes, platform_page()); }

/* What the header says, in bytes of whole pages. */
static uint64_t said(const struct header *h)
{
    const struct geometry *g = &h->geometry;
    uint64_t size = glance(&h->arena_size);
    uint64_t cells = g->cells_at + (uint64_t)glance32(&h->cells_top) * g->stride;
    /* The tags of its smallest blocks and those above them; fewer than a page of each. */
    return pages(cells) + (size ? 3 * pages(1) + pages(size) : 0);
}

int main(void)
{
    char path[PATH_MAX + 32];
    int violations = 0;
    unsigned long steps = 0, changes = 0;
    stepper_required();
    if (platform_page() > PAGE) /* pages of the index would be one */
        return 0;
    actor.space = test_space();
    liaison_mailbox_close(test_mailbox(actor.space, actor.name, 2 * CELLS_STEP));
    snprintf(path, sizeof path, "%s/names/%s", liaison_space_path(actor.space), actor.name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    struct shared *shared = stepper_shared();
    struct body body = {
        .prepare = prepare, .operate = operate, .context = "+A+B3000+C90000", .shared = shared};
    pid_t pid = stepper_start(&body);
    struct header h, last;
    CHECK(pread(fd, &last, sizeof last, 0) == sizeof last);
    do {
        struct stat st;
        /* First the file: it may have more by now, and never less. */
        CHECK(fstat(fd, &st) == 0 && pread(fd, &h, sizeof h, 0) == sizeof h);
        steps++;
        changes += said(&h) != said(&last);
        last = h;
        if ((uint64_t)st.st_blocks * 512 < said(&h) && violations++ == 0)
            printf("VIOLATION at instruction %lu: %llu bytes are said to be there, and %llu are\n",
                   steps, (unsigned long long)said(&h), (unsigned long long)st.st_blocks * 512);
    } while (stepper_step(pid, shared));
    printf("%lu instructions; the header said something else %lu times; %d violations\n", steps,
           changes, violations);
    fflush(stdout);
    CHECK(changes == 3);
    stepper_kill(pid);
    close(fd);
    liaison_space_close(actor.space);
    return violations != 0;
}
