#define _GNU_SOURCE
#include <errno.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "blockrepl_native.h"

/* Since Linux 5.6; older headers lack it. */
#ifndef PR_SET_IO_FLUSHER
#define PR_SET_IO_FLUSHER 57
#define PR_GET_IO_FLUSHER 58
#endif

int32_t br_set_io_flusher(int32_t on)
{
    return prctl(PR_SET_IO_FLUSHER, on ? 1UL : 0UL, 0UL, 0UL, 0UL) != 0 ? -errno : 0;
}

int32_t br_is_io_flusher(void)
{
    int on = prctl(PR_GET_IO_FLUSHER, 0UL, 0UL, 0UL, 0UL);
    return on < 0 ? -errno : on;
}

int32_t br_lock_memory(void)
{
    /*
     * ONFAULT: the runtime reserves hundreds of gigabytes of address space that it never touches, and locking those at once
     * would ask for the memory.
     */
    return mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0 ? -errno : 0;
}
