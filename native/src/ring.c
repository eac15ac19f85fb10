#define _GNU_SOURCE
#include <errno.h>
#include <liburing.h>
#include <stdlib.h>

#include "blockrepl_native.h"

_Static_assert(sizeof(struct br_request) == 48, "the managed side has the same structure");
_Static_assert(sizeof(struct br_completion) == 16, "the managed side has the same structure");
_Static_assert(sizeof(struct br_direct_limits) == 8, "the managed side has the same structure");

/* Since Linux 5.19, 6.0 and 6.1; older headers lack them. */
#ifndef IORING_SETUP_TASKRUN_FLAG
#define IORING_SETUP_TASKRUN_FLAG (1U << 9)
#endif
#ifndef IORING_SETUP_SINGLE_ISSUER
#define IORING_SETUP_SINGLE_ISSUER (1U << 12)
#endif
#ifndef IORING_SETUP_DEFER_TASKRUN
#define IORING_SETUP_DEFER_TASKRUN (1U << 13)
#endif

struct br_ring {
    struct io_uring uring;
};

int32_t br_abi_version(void)
{
    return (int32_t)BR_ABI_VERSION;
}

int32_t br_uring_probe(void)
{
    struct io_uring uring;
    int error = io_uring_queue_init(2, &uring, 0);
    if (error < 0)
        return error;
    int32_t features = 0;
    struct io_uring_probe *probe = io_uring_get_probe_ring(&uring);
    if (probe != NULL) {
        if (io_uring_opcode_supported(probe, IORING_OP_READ))
            features |= BR_URING_READ;
        if (io_uring_opcode_supported(probe, IORING_OP_WRITE))
            features |= BR_URING_WRITE;
        if (io_uring_opcode_supported(probe, IORING_OP_FSYNC))
            features |= BR_URING_FSYNC;
        if (io_uring_opcode_supported(probe, IORING_OP_FALLOCATE))
            features |= BR_URING_FALLOCATE;
        io_uring_free_probe(probe);
    }
    io_uring_queue_exit(&uring);
    return features;
}

int32_t br_ring_create(uint32_t entries, uint32_t flags, struct br_ring **ring)
{
    if (ring == NULL || entries == 0 || (flags & ~(uint32_t)BR_RING_SINGLE_THREAD) != 0)
        return -EINVAL;
    *ring = NULL;
    struct br_ring *made = calloc(1, sizeof *made);
    if (made == NULL)
        return -ENOMEM;
    int error = -EINVAL;
    if (flags & BR_RING_SINGLE_THREAD) {
        error = io_uring_queue_init(
            entries, &made->uring, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG);
    }
    /* Older kernels do not know these; they are for speed. */
    if (error == -EINVAL)
        error = io_uring_queue_init(entries, &made->uring, 0);
    if (error < 0) {
        free(made);
        return error;
    }
    *ring = made;
    return 0;
}

static int is_valid(const struct br_request *request)
{
    if (request->reserved != 0 || request->offset > INT64_MAX || request->length > INT64_MAX)
        return 0;
    switch (request->opcode) {
    case BR_READ:
    case BR_WRITE:
        return request->length <= INT32_MAX && request->flags <= INT32_MAX && (request->address != 0 || request->length == 0);
    case BR_FDATASYNC:
        return request->flags == 0;
    case BR_FALLOCATE:
        return request->flags <= INT32_MAX;
    default:
        return 0;
    }
}

static void prepare(struct io_uring_sqe *sqe, const struct br_request *request)
{
    void *buffer = (void *)(uintptr_t)request->address;
    switch (request->opcode) {
    case BR_READ:
        io_uring_prep_read(sqe, request->fd, buffer, (unsigned)request->length, request->offset);
        sqe->rw_flags = (__kernel_rwf_t)request->flags;
        break;
    case BR_WRITE:
        io_uring_prep_write(sqe, request->fd, buffer, (unsigned)request->length, request->offset);
        sqe->rw_flags = (__kernel_rwf_t)request->flags;
        break;
    case BR_FDATASYNC:
        io_uring_prep_fsync(sqe, request->fd, IORING_FSYNC_DATASYNC);
        break;
    default:
        io_uring_prep_fallocate(sqe, request->fd, (int)request->flags, (off_t)request->offset, (off_t)request->length);
        break;
    }
    io_uring_sqe_set_data64(sqe, request->user_data);
}

int32_t br_ring_submit(struct br_ring *ring, const struct br_request *requests, uint32_t count)
{
    if (ring == NULL || (requests == NULL && count > 0) || count > INT32_MAX)
        return -EINVAL;
    for (uint32_t i = 0; i < count; i++) {
        if (!is_valid(&requests[i]))
            return -EINVAL;
    }
    int32_t taken = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->uring);
        if (sqe == NULL)
            break;
        prepare(sqe, &requests[i]);
        taken++;
    }
    /*
     * What was prepared is in the ring for good. If the kernel has no room for it now (EBUSY: completions are to be reaped
     * first; EAGAIN: no memory), it stays there and goes with the next call, which may have a count of 0.
     */
    while (io_uring_sq_ready(&ring->uring) > 0) {
        int submitted = io_uring_submit(&ring->uring);
        if (submitted > 0 || submitted == -EINTR)
            continue;
        if (submitted == 0 || submitted == -EBUSY || submitted == -EAGAIN)
            break;
        return submitted;
    }
    return taken;
}

int32_t br_ring_reap(struct br_ring *ring, struct br_completion *completions, uint32_t max_count, uint32_t min_count)
{
    if (ring == NULL || completions == NULL || min_count > max_count || max_count > INT32_MAX)
        return -EINVAL;
    struct io_uring_cqe *cqe;
    if (min_count > 0) {
        int error = io_uring_wait_cqe_nr(&ring->uring, &cqe, min_count);
        if (error < 0)
            return error;
    }
    uint32_t count = 0;
    while (count < max_count && io_uring_peek_cqe(&ring->uring, &cqe) == 0) {
        completions[count].user_data = io_uring_cqe_get_data64(cqe);
        completions[count].result = cqe->res;
        completions[count].reserved = 0;
        io_uring_cqe_seen(&ring->uring, cqe);
        count++;
    }
    return (int32_t)count;
}

int32_t br_ring_pending(struct br_ring *ring)
{
    return ring == NULL ? -EINVAL : (int32_t)io_uring_sq_ready(&ring->uring);
}

int32_t br_ring_destroy(struct br_ring *ring)
{
    if (ring == NULL)
        return -EINVAL;
    io_uring_queue_exit(&ring->uring);
    free(ring);
    return 0;
}
