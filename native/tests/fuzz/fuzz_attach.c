/* A file of a mailbox with the fuzzer's bytes laid over it is opened, used and closed.
 *
 * The first byte of an input says how it is used, so that the fuzzer also gets past the checks; the
 * others are combined with the bytes of a good file by exclusive or: an input of zeros is that file
 * unchanged. */
#include <string.h>
#include <unistd.h>

#include "forgery.h"

enum { SEAL = 1, PLAN = 2, LIVE = 4 };

static struct forgery images[4];
static struct progress *progress;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const struct liaison_policy policies[] = {
        {.capacity = 3, .memory = 16384},
        {.capacity = 2, .max_message = 100},
        {.capacity = 4, .memory = 16384, .access = LIAISON_PAIR, .dead_letters = "dead"},
        {.capacity = 0, .memory = 16384, .access = LIAISON_EXCLUSIVE},
    };
    (void)argc;
    (void)argv;
    liaison_space *space = test_space();
    progress = progress_new();
    for (int i = 0; i < 4; i++) {
        char path[PATH_MAX + 64];
        forgery_take(&images[i], space, &policies[i]);
        snprintf(path, sizeof path, "%s/names/%s", liaison_space_path(space), FORGERY_NAME);
        unlink(path);
        snprintf(path, sizeof path, "%s/links/%s", liaison_space_path(space), images[i].id);
        unlink(path);
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    uint8_t flags = data[0];
    struct forgery *forgery = &images[flags >> 6];
    memcpy(forgery->bytes, forgery->pristine, forgery->length);
    /* The geometry, or what lies behind it. */
    size_t at = flags & LIVE ? 1024 : 0;
    for (size_t i = 1; i < size && at < forgery->length; i++, at++)
        forgery->bytes[at] ^= data[i];
    uint64_t length = forgery->size;
    if (flags & PLAN) { /* a file that another policy could have made */
        struct geometry g;
        memcpy(&g, forgery->bytes, sizeof g);
        if (geometry_plan(&g) == LIAISON_OK && g.index_at < 1 << 20 &&
            g.arena_limit <= UINT64_C(1) << 30) {
            memcpy(forgery->bytes, &g, sizeof g);
            length = g.size;
        }
    }
    if (flags & (SEAL | PLAN))
        forgery_seal(forgery);
    forgery_lay(forgery, length);
    forgery_use(forgery, progress, data[size - 1]);
    return 0;
}
