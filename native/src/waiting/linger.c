#include "waiting/linger.h"

#include "base/process.h"
#include "space/member.h"

#define PLACES_LEAST 32u
#define SHORTEST 250u /* ns */
#define ENOUGH 3u     /* found, for it to be worth while */
#define INTERVAL_FIRST 64u
#define INTERVAL_AGAIN 4u /* after it was worth while: perhaps the other side lingered */
#define INTERVAL_LAST 8192u

void linger_begin(struct linger *l, uint32_t longest, uint32_t places)
{
    note32(&l->stay, 0);
    note32(&l->waits, 0);
    note32(&l->interval, INTERVAL_FIRST);
    l->longest = longest;
    l->places = places;
}

bool linger(struct linger *l, struct liaison_space *space)
{
    uint32_t stay = glance32(&l->stay);
    if (l->places < PLACES_LEAST)
        return false;
    if (!stay) {
        uint32_t waits = glance32(&l->waits) + 1;
        note32(&l->waits, waits);
        if (waits < glance32(&l->interval))
            return false;
        stay = LINGER_RECEIVING;
    }
    int permit = member_spin_begin(space);
    if (permit < 0)
        return false;
    int64_t until = process_ticks() + stay;
    do
        for (int i = 0; i < 8; i++)
            pause_briefly();
    while (process_ticks() < until);
    member_spin_end(space, permit);
    return true;
}

void linger_ended(struct linger *l, uint32_t found)
{
    uint32_t stay = glance32(&l->stay), interval = glance32(&l->interval);
    stay = stay ? stay : LINGER_RECEIVING;
    if (found > l->places / 2 && stay > SHORTEST)
        stay /= 2;
    else if (found < l->places / 4 && (found >= ENOUGH || stay < l->longest))
        stay = 2 * stay < l->longest ? 2 * stay : l->longest;
    else if (found < ENOUGH)
        stay = 0;
    if (found >= ENOUGH)
        interval = INTERVAL_AGAIN;
    else if (!stay)
        interval *= 2;
    note32(&l->stay, stay);
    note32(&l->interval, interval < INTERVAL_LAST ? interval : INTERVAL_LAST);
    note32(&l->waits, 0);
}
