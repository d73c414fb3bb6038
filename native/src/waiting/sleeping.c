#include "waiting/sleeping.h"

#include <errno.h>

#include "base/futex.h"
#include "base/process.h"

#define ASKED 64u /* rounds between two questions */
#define HASTY 32u
#define NO_SLEEP (20 * INT64_C(1000)) /* ns; less than a sleep and a wake-up take */
#define NAP (1000 * INT64_C(1000))

void sleeping_begin(struct sleeping *s, const struct liaison_wait *wait, int64_t now)
{
    *s = (struct sleeping){.wait = wait, .end = slice_end(wait, now), .slice = SLICE_FIRST};
}

bool sleeping_over(const struct sleeping *s) { return s->end >= 0 && process_now() >= s->end; }

static bool interrupted(const struct liaison_wait *wait)
{
    return wait->interrupted && wait->interrupted(wait->context);
}

int sleeping_sleep(struct sleeping *s, word32 *word, uint32_t value)
{
    static word32 nobodys;
    s->began = process_now();
    int64_t length = slice_until(s->end, s->began, s->slice);
    int r = futex_sleep(word, value, length);
    s->hasty = r == 0 && process_now() - s->began < NO_SLEEP ? s->hasty + 1 : 0;
    bool nap = s->hasty >= HASTY;
    if (nap)
        (void)futex_sleep(&nobodys, 0, length < NAP ? length : NAP);
    bool ask = r != 0 || nap || ++s->rounds % ASKED == 0;
    return ask && interrupted(s->wait) ? LIAISON_INTERRUPTED : r;
}
