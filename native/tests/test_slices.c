/* Slices: how they grow, what cuts them short, and when a wait is over. */
#include "check.h"
#include "waiting/slices.h"

#define MS INT64_C(1000000)

static void they_grow_to_three_seconds(void)
{
    const int64_t all[] = {2, 4, 8, 16, 32, 128, 512, 2048, 3000, 3000};
    int64_t slice = SLICE_FIRST;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        CHECK(slice == all[i] * MS);
        slice = slice_after(slice, CARE_NOTHING);
    }
}

static void who_minds_the_other_side_sleeps_for_32_ms_at_most(void)
{
    CHECK(slice_after(16 * MS, CARE_SIDE) == 32 * MS && slice_after(32 * MS, CARE_SIDE) == 32 * MS);
    CHECK(slice_after(3000 * MS, CARE_SIDE) == 32 * MS);
}

static void a_watcher_sleeps_for_3_ms_at_most(void)
{
    CHECK(slice_after(2 * MS, CARE_WATCH) == 3 * MS && slice_after(3 * MS, CARE_WATCH) == 3 * MS);
    CHECK(slice_after(3000 * MS, CARE_WATCH | CARE_SIDE) == 3 * MS);
    CHECK(slice_after(3 * MS, CARE_NOTHING) == 6 * MS);
}

static void a_wait_ends_in_time(void)
{
    struct liaison_wait wait = {.timeout = 5 * MS};
    CHECK(slice_end(&wait, 7) == 5 * MS + 7);
    wait.timeout = FOREVER;
    CHECK(slice_end(&wait, 7) == -1);
    wait.timeout = INT64_MAX - 6;
    CHECK(slice_end(&wait, 7) == -1);
    CHECK(slice_until(-1, 7, 2 * MS) == 2 * MS && slice_until(7 + MS, 7, 2 * MS) == MS);
    CHECK(slice_until(7, 9, 2 * MS) == 0);
}

int main(void)
{
    they_grow_to_three_seconds();
    who_minds_the_other_side_sleeps_for_32_ms_at_most();
    a_watcher_sleeps_for_3_ms_at_most();
    a_wait_ends_in_time();
    return 0;
}
