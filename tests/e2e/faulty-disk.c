// faulty-disk - a file system of one file, "disk", that stands for another file and fails or hangs when it is told to: a real disk error for a
// daemon under test, through the kernel. For each operation (read write flush zero) a file in the directory of triggers decides:
//
//   fail-OPERATION  the operation ends with EIO      hang-OPERATION  it does not end while the trigger is there
//
// With metadata on a disk of its own, "write" of that one is a failing metadata write. A stopped process (SIGSTOP) hangs as a whole, open and close too.
//
//   gcc faulty-disk.c $(pkg-config --cflags --libs fuse3) -o faulty-disk;  faulty-disk -f MOUNTPOINT  (FAULTY_FILE, FAULTY_TRIGGERS in the environment)
#define _GNU_SOURCE
#define FUSE_USE_VERSION 31
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char *triggers;
static int fd;

static int trouble(const char *operation)
{
    char trigger[4096];
    struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 };
    snprintf(trigger, sizeof trigger, "%s/hang-%s", triggers, operation);
    while (access(trigger, F_OK) == 0)
        nanosleep(&pause, NULL);
    snprintf(trigger, sizeof trigger, "%s/fail-%s", triggers, operation);
    return access(trigger, F_OK) == 0 ? -EIO : 0;
}

static int result(long value) { return value < 0 ? -errno : (int)value; }

static int do_getattr(const char *path, struct stat *st, struct fuse_file_info *info)
{
    if (strcmp(path, "/") == 0) {
        st->st_mode = S_IFDIR | 0755;
        st->st_nlink = 2;
        return 0;
    }
    return strcmp(path, "/disk") == 0 ? result(fstat(fd, st)) : -ENOENT;
}

static int do_readdir(const char *path, void *buffer, fuse_fill_dir_t fill, off_t offset, struct fuse_file_info *info, enum fuse_readdir_flags flags)
{
    fill(buffer, "disk", NULL, 0, 0);
    return 0;
}

static int do_open(const char *path, struct fuse_file_info *info)
{
    info->direct_io = 1;    // nothing is read from a cache: a disk error is an error of the call that meets it
    return strcmp(path, "/disk") == 0 ? 0 : -ENOENT;
}

static int do_read(const char *path, char *buffer, size_t size, off_t offset, struct fuse_file_info *info)
{
    int failure = trouble("read");
    return failure ? failure : result(pread(fd, buffer, size, offset));
}

static int do_write(const char *path, const char *buffer, size_t size, off_t offset, struct fuse_file_info *info)
{
    int failure = trouble("write");
    int written = failure ? failure : result(pwrite(fd, buffer, size, offset));
    if (written < 0 || !(info->flags & (O_DSYNC | O_SYNC)))
        return written;
    failure = trouble("flush");
    if (!failure)
        failure = result(fdatasync(fd));
    return failure ? failure : written;
}

static int do_fsync(const char *path, int only_data, struct fuse_file_info *info)
{
    int failure = trouble("flush");
    return failure ? failure : result(fdatasync(fd));
}

static int do_fallocate(const char *path, int mode, off_t offset, off_t length, struct fuse_file_info *info)
{
    int failure = trouble("zero");
    return failure ? failure : result(fallocate(fd, mode, offset, length));
}

static off_t do_lseek(const char *path, off_t offset, int whence, struct fuse_file_info *info)
{
    off_t found = lseek(fd, offset, whence);
    return found < 0 ? -errno : found;
}

static const struct fuse_operations operations = {
    .getattr = do_getattr,
    .readdir = do_readdir,
    .open = do_open,
    .read = do_read,
    .write = do_write,
    .fsync = do_fsync,
    .fallocate = do_fallocate,
    .lseek = do_lseek,
};

int main(int argc, char **argv)
{
    const char *file = getenv("FAULTY_FILE");
    triggers = getenv("FAULTY_TRIGGERS");
    if (!file || !triggers) {
        fprintf(stderr, "FAULTY_FILE and FAULTY_TRIGGERS are needed\n");
        return 2;
    }
    fd = open(file, O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        perror(file);
        return 1;
    }
    return fuse_main(argc, argv, &operations, NULL);
}
