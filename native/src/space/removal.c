#include "space/removal.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/guard.h"
#include "base/process.h"
#include "space/bytes.h"

bool removal_came(struct members_page *page) { return !table_is_removed(add(&page->comings, 1)); }

static int map_page(struct removal *r)
{
    void *page;
    int e = table_map(r->file, PROT_READ | PROT_WRITE, 0, TABLE_ALIGNMENT, &page);
    if (e != 0)
        return e;
    process_lock();
    bool guarded = guard_add_locked(page, TABLE_ALIGNMENT, &r->broken, true);
    process_unlock();
    r->page = page;
    if (guarded)
        return 0;
    munmap(page, TABLE_ALIGNMENT);
    return -ENOMEM;
}

int removal_begin(struct liaison_space *space, struct removal *r)
{
    uint32_t user = USE(0);
    r->broken = 0;
    int e = table_open(space, &r->file);
    if (e != LIAISON_OK)
        return e;
    e = map_page(r);
    if (e != 0) {
        close(r->file);
        return space_result(e);
    }
    r->comings = look(&r->page->comings);
    e = space_result(bytes_next(r->file, &user, USE(MEMBERS)));
    if (e == LIAISON_OK && user < USE(MEMBERS))
        e = LIAISON_BUSY;
    if (e == LIAISON_OK && table_is_removed(r->comings))
        e = LIAISON_NOT_FOUND;
    if (e != LIAISON_OK)
        removal_end(r);
    return e;
}

bool removal_decide(struct removal *r)
{
    return replace(&r->page->comings, r->comings, SPACE_REMOVED) && !r->broken;
}

void removal_end(struct removal *r)
{
    guard_remove(r->page);
    munmap(r->page, TABLE_ALIGNMENT);
    close(r->file);
}
