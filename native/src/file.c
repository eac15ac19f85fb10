#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "blockrepl_native.h"

int32_t br_open_direct(const char *path, int32_t exclusive)
{
    if (path == NULL)
        return -EINVAL;
    int fd = open(path, O_RDWR | O_CLOEXEC | O_DIRECT | (exclusive ? O_EXCL : 0));
    return fd < 0 ? -errno : fd;
}

/* statx's mask bit and the two fields that it is for (Linux 6.1); the C library's headers may be older. */
enum { DIO_ALIGN = 0x2000, DIO_MEMORY_AT = 152, DIO_OFFSET_AT = 156, PAGE = 4096 };

_Static_assert(sizeof(struct statx) == 256, "statx's structure has one size for ever");

int32_t br_direct_limits(int32_t fd, struct br_direct_limits *limits)
{
    if (limits == NULL)
        return -EINVAL;
    struct statx status;
    memset(&status, 0, sizeof status);
    if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | DIO_ALIGN, &status) != 0)
        return -errno;
    uint32_t memory = 0;
    uint32_t offset = 0;
    int is_told = (status.stx_mask & DIO_ALIGN) != 0;
    if (is_told) {
        memcpy(&memory, (const char *)&status + DIO_MEMORY_AT, sizeof memory);
        memcpy(&offset, (const char *)&status + DIO_OFFSET_AT, sizeof offset);
    }
    if (S_ISBLK(status.stx_mode)) {
        int sector = 0;
        if (ioctl(fd, BLKSSZGET, &sector) != 0)
            return -errno;
        limits->offset = offset > (uint32_t)sector ? offset : (uint32_t)sector;
        limits->memory = is_told && memory != 0 ? memory : limits->offset;
        return 0;
    }
    struct statfs system;
    if (fstatfs(fd, &system) != 0)
        return -errno;
    /* Memory is the disk here: what tmpfs calls direct is its page cache. */
    if ((is_told && offset == 0) || system.f_type == TMPFS_MAGIC)
        return -EOPNOTSUPP;
    limits->offset = offset > PAGE ? offset : PAGE;
    limits->memory = is_told && memory != 0 ? memory : limits->offset;
    return 0;
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
