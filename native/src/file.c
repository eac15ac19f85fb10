#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "blockrepl_native.h"

int32_t br_open_direct(const char *path, int32_t exclusive)
{
    if (path == NULL)
        return -EINVAL;
    int fd = open(path, O_RDWR | O_CLOEXEC | O_DIRECT | (exclusive ? O_EXCL : 0));
    return fd < 0 ? -errno : fd;
}

int32_t br_direct_alignment(int32_t fd)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return -errno;
    if (S_ISBLK(status.st_mode)) {
        int bytes = 0;
        return ioctl(fd, BLKSSZGET, &bytes) != 0 ? -errno : bytes;
    }
    /* A file asks for what its disk asks for, which older kernels do not tell; the page size suits every disk. */
    return 4096;
}

int32_t br_fdatasync(int32_t fd)
{
    return fdatasync(fd) != 0 ? -errno : 0;
}

static int32_t allocate(int32_t fd, int mode, uint64_t offset, uint64_t length)
{
    if (offset > INT64_MAX || length == 0 || length > INT64_MAX - offset)
        return -EINVAL;
    return fallocate(fd, mode | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)length) != 0 ? -errno : 0;
}

int32_t br_punch_hole(int32_t fd, uint64_t offset, uint64_t length)
{
    return allocate(fd, FALLOC_FL_PUNCH_HOLE, offset, length);
}

int32_t br_zero_range(int32_t fd, uint64_t offset, uint64_t length)
{
    return allocate(fd, FALLOC_FL_ZERO_RANGE, offset, length);
}
