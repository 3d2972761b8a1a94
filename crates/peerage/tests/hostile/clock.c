/* A wall clock that is somewhere else at each look, for clock.rs: preloaded before the C library.
 * The monotonic clock is left alone. */
#define _GNU_SOURCE
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Hours and centuries, both ways: before 1970, behind 2038, and no date at all. */
static const long long steps[] = {0,           60,           -3600,    4000000000LL,
                                  -1000000000, -2000000000, 1LL << 60, 100000000000LL};

int clock_gettime(clockid_t id, struct timespec *time) {
    static atomic_uint looks;
    int result = (int)syscall(SYS_clock_gettime, id, time);
    if (result == 0 && id == CLOCK_REALTIME)
        time->tv_sec += steps[atomic_fetch_add(&looks, 1) % 8];
    return result;
}
