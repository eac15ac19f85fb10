/*
 * What BlockRepl needs of Linux that .NET does not offer: an io_uring, O_DIRECT, and the process's own memory.
 *
 * Every function returns a value >= 0 or -errno. There is no callback and no global state. Pointers handed in are used
 * during the call only, except buffers of submitted requests: those belong to the kernel until the request's completion
 * was reaped.
 */
#ifndef BLOCKREPL_NATIVE_H
#define BLOCKREPL_NATIVE_H

#include <stdint.h>

#define BR_EXPORT __attribute__((visibility("default")))

/* Raised with every change of a signature or a structure below. The managed side refuses any other. */
#define BR_ABI_VERSION 3u

enum br_opcode {
    BR_READ = 1,
    BR_WRITE = 2,     /* flags: RWF_* */
    BR_FDATASYNC = 3, /* covers writes completed before it was submitted; the ring orders nothing */
    BR_FALLOCATE = 4, /* flags: FALLOC_FL_* */
};

/* What br_uring_probe reports. */
enum br_uring_feature {
    BR_URING_READ = 1u << 0,
    BR_URING_WRITE = 1u << 1,
    BR_URING_FSYNC = 1u << 2,
    BR_URING_FALLOCATE = 1u << 3,
};

struct br_request {
    uint64_t user_data; /* comes back with the completion */
    uint64_t offset;
    uint64_t address; /* of the buffer; 0 where there is none */
    uint64_t length;
    int32_t fd;
    uint32_t opcode;
    uint32_t flags;
    uint32_t reserved; /* zero */
};

struct br_completion {
    uint64_t user_data;
    int32_t result; /* bytes, or 0, or -errno */
    uint32_t reserved;
};

/* Of br_ring_create. */
enum br_ring_flag {
    /* The thread that creates the ring is the only one that ever submits to it and reaps. Completions then interrupt nobody. */
    BR_RING_SINGLE_THREAD = 1u << 0,
};

/* What O_DIRECT wants on one file, in bytes. */
struct br_direct_limits {
    uint32_t memory; /* of the buffer's address */
    uint32_t offset; /* of the offset and of the length */
};

struct br_ring;

BR_EXPORT int32_t br_abi_version(void);

/* Which of br_uring_feature the kernel offers; -ENOSYS or -EPERM where io_uring is absent or forbidden. */
BR_EXPORT int32_t br_uring_probe(void);

/*
 * A ring for at least `entries` requests in flight. The kernel ties a request to the thread that submitted it: should that thread end,
 * what has not begun may come back as -ECANCELED. So whoever submits lives as long as the ring. `flags`: br_ring_flag.
 */
BR_EXPORT int32_t br_ring_create(uint32_t entries, uint32_t flags, struct br_ring **ring);

/*
 * Submits up to `count` requests and returns how many were taken; the rest did not fit and is to be offered again
 * after a reap. One thread at a time; may run beside br_ring_reap. A request that makes no sense fails the call with -EINVAL
 * before anything is submitted.
 */
BR_EXPORT int32_t br_ring_submit(struct br_ring *ring, const struct br_request *requests, uint32_t count);

/*
 * Waits until `min_count` completions are there (0: does not wait), takes up to `max_count` and returns how many.
 * One thread at a time. -EINTR if a signal came first.
 */
BR_EXPORT int32_t br_ring_reap(struct br_ring *ring, struct br_completion *completions, uint32_t max_count, uint32_t min_count);

/*
 * How many requests br_ring_submit took and the kernel has not: it had no room. They go with the next br_ring_submit. Nobody may wait
 * for their completion before that.
 */
BR_EXPORT int32_t br_ring_pending(struct br_ring *ring);

/* Frees the ring. Nothing may be in flight and no other call running: buffers of requests in flight would be written to later. */
BR_EXPORT int32_t br_ring_destroy(struct br_ring *ring);

/* Opens for reading and writing past the page cache. `exclusive` asks for O_EXCL: on a block device the only owner. */
BR_EXPORT int32_t br_open_direct(const char *path, int32_t exclusive);

/*
 * What O_DIRECT wants on this file. -EOPNOTSUPP where the file system takes O_DIRECT and goes through the page cache all the same.
 * A file never has less than 4096 for its offsets: older kernels do not tell what its disk wants, and every disk is content with a page.
 */
BR_EXPORT int32_t br_direct_limits(int32_t fd, struct br_direct_limits *limits);

BR_EXPORT int32_t br_fdatasync(int32_t fd);
BR_EXPORT int32_t br_punch_hole(int32_t fd, uint64_t offset, uint64_t length);
BR_EXPORT int32_t br_zero_range(int32_t fd, uint64_t offset, uint64_t length);

/*
 * Tells the kernel that the calling thread serves block I/O, so that its allocations never wait for writeback that it would have to
 * serve itself (PR_SET_IO_FLUSHER; needs CAP_SYS_RESOURCE). Threads that it starts and programs that it executes inherit that.
 */
BR_EXPORT int32_t br_set_io_flusher(int32_t on);

/* 1 if the calling thread is marked so, else 0. */
BR_EXPORT int32_t br_is_io_flusher(void);

/* Locks what is mapped and what will be, so that serving a disk never waits for a swap on that disk. */
BR_EXPORT int32_t br_lock_memory(void);

#endif
