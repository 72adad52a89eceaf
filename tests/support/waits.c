/* Waits as the kernel has them, in front of libfaketime's.

   libfaketime's own take the set clock away from whoever interrupts them. PostgreSQL's handler of time-outs does so, and
   looks at the clock: by the machine's, a time-out that was set by the other one is years away, and never comes. And of
   Python's sleeps, which are up to a moment, it makes invalid ones now and then. Lengths of time need no setting. */

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int epoll_wait(int polled, struct epoll_event *events, int most, int timeout_ms)
{
    return (int)syscall(SYS_epoll_pwait, polled, events, most, timeout_ms, NULL, (size_t)8);
}

int poll(struct pollfd *polled, nfds_t count, int timeout_ms)
{
    struct timespec timeout = {timeout_ms / 1000, timeout_ms % 1000 * 1000000L};
    return (int)syscall(SYS_ppoll, polled, count, timeout_ms < 0 ? NULL : &timeout, NULL, (size_t)8);
}

int nanosleep(const struct timespec *length, struct timespec *left)
{
    return (int)syscall(SYS_nanosleep, length, left);
}

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *until, struct timespec *left)
{
    if (clock == CLOCK_REALTIME && flags == TIMER_ABSTIME)
        return ENOTSUP; /* up to a time of day: nobody here does that */
    return syscall(SYS_clock_nanosleep, clock, flags, until, left) == 0 ? 0 : errno;
}
