#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "blockrepl_native.h"

#define EXPECT(condition)                                                            \
    do {                                                                             \
        if (!(condition)) {                                                          \
            fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #condition); \
            exit(1);                                                                 \
        }                                                                            \
    } while (0)

enum { BLOCK = 4096, BLOCKS = 64 };

static int temporary_file(void)
{
    char path[] = "/tmp/blockrepl-native-XXXXXX";
    int fd = mkstemp(path);
    EXPECT(fd >= 0);
    EXPECT(unlink(path) == 0);
    EXPECT(ftruncate(fd, (off_t)BLOCK * BLOCKS) == 0);
    return fd;
}

static struct br_request request(uint64_t id, int fd, uint32_t opcode, uint64_t offset, void *buffer, uint64_t length)
{
    return (struct br_request){
        .user_data = id, .fd = fd, .opcode = opcode, .offset = offset, .address = (uint64_t)(uintptr_t)buffer, .length = length};
}

static void test_ring_writes_and_reads_back(uint32_t flags)
{
    struct br_ring *ring;
    EXPECT(br_ring_create(16, flags, &ring) == 0);
    int fd = temporary_file();
    unsigned char *data = malloc((size_t)BLOCK * BLOCKS);
    unsigned char *back = malloc((size_t)BLOCK * BLOCKS);
    EXPECT(data != NULL && back != NULL);
    for (int i = 0; i < BLOCK * BLOCKS; i++)
        data[i] = (unsigned char)(i * 31 + i / BLOCK);

    /* More requests than the ring has room for: the rest is offered again after a reap. */
    for (int pass = 0; pass < 2; pass++) {
        struct br_request requests[BLOCKS];
        unsigned char seen[BLOCKS] = {0};
        for (int i = 0; i < BLOCKS; i++) {
            requests[i] = request((uint64_t)i, fd, pass == 0 ? BR_WRITE : BR_READ, (uint64_t)i * BLOCK,
                                  (pass == 0 ? data : back) + (size_t)i * BLOCK, BLOCK);
            if (pass == 0 && i % 7 == 0)
                requests[i].flags = RWF_DSYNC;
        }
        uint32_t submitted = 0;
        uint32_t done = 0;
        while (done < BLOCKS) {
            int32_t taken = br_ring_submit(ring, requests + submitted, BLOCKS - submitted);
            EXPECT(taken >= 0);
            submitted += (uint32_t)taken;
            struct br_completion completions[8];
            int32_t count = br_ring_reap(ring, completions, 8, 1);
            EXPECT(count >= 1 && count <= 8);
            for (int32_t i = 0; i < count; i++) {
                EXPECT(completions[i].result == BLOCK);
                EXPECT(completions[i].user_data < BLOCKS && !seen[completions[i].user_data]);
                seen[completions[i].user_data] = 1;
            }
            done += (uint32_t)count;
        }
    }
    EXPECT(memcmp(data, back, (size_t)BLOCK * BLOCKS) == 0);

    struct br_request others[2] = {
        request(100, fd, BR_FDATASYNC, 0, NULL, 0),
        request(101, fd, BR_FALLOCATE, BLOCK, NULL, BLOCK),
    };
    others[1].flags = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
    EXPECT(br_ring_submit(ring, others, 2) == 2);
    struct br_completion completions[4];
    EXPECT(br_ring_reap(ring, completions, 4, 2) == 2);
    EXPECT(completions[0].result == 0 && completions[1].result == 0);
    EXPECT(pread(fd, back, BLOCK, BLOCK) == BLOCK);
    for (int i = 0; i < BLOCK; i++)
        EXPECT(back[i] == 0);
    EXPECT(br_ring_reap(ring, completions, 4, 0) == 0);
    free(data);
    free(back);
    EXPECT(close(fd) == 0);
    EXPECT(br_ring_destroy(ring) == 0);
}

static void test_ring_does_direct_io(void)
{
    char path[] = "/tmp/blockrepl-native-XXXXXX";
    int made = mkstemp(path);
    EXPECT(made >= 0 && ftruncate(made, (off_t)BLOCK * BLOCKS) == 0 && close(made) == 0);
    int fd = br_open_direct(path, 0);
    EXPECT(fd >= 0);
    EXPECT(unlink(path) == 0);
    struct br_ring *ring;
    EXPECT(br_ring_create(16, BR_RING_SINGLE_THREAD, &ring) == 0);
    unsigned char *data = aligned_alloc(BLOCK, (size_t)2 * BLOCK);
    EXPECT(data != NULL);
    memset(data, 0x5A, BLOCK);
    memset(data + BLOCK, 0, BLOCK);
    struct br_request requests[2] = {
        request(1, fd, BR_WRITE, BLOCK, data, BLOCK),
        request(2, fd, BR_READ, BLOCK, data + BLOCK, BLOCK),
    };
    struct br_completion completion;
    for (int i = 0; i < 2; i++) {
        EXPECT(br_ring_submit(ring, &requests[i], 1) == 1);
        EXPECT(br_ring_pending(ring) == 0);
        EXPECT(br_ring_reap(ring, &completion, 1, 1) == 1);
        EXPECT(completion.user_data == (uint64_t)i + 1 && completion.result == BLOCK);
    }
    EXPECT(memcmp(data, data + BLOCK, BLOCK) == 0);

    /* What is not aligned is refused, not carried out some other way. */
    struct br_request crooked = request(3, fd, BR_WRITE, 1, data, BLOCK);
    EXPECT(br_ring_submit(ring, &crooked, 1) == 1);
    EXPECT(br_ring_reap(ring, &completion, 1, 1) == 1 && completion.result == -EINVAL);
    free(data);
    EXPECT(close(fd) == 0);
    EXPECT(br_ring_destroy(ring) == 0);

    made = open("/dev/shm", O_TMPFILE | O_RDWR, 0600);
    struct br_direct_limits limits;
    EXPECT(made >= 0);
    EXPECT(br_direct_limits(made, &limits) == -EOPNOTSUPP);
    EXPECT(close(made) == 0);
}

/* How the thread of a ring is woken: a read of an event counter is among its requests. */
static void test_ring_waits_for_an_event(void)
{
    struct br_ring *ring;
    EXPECT(br_ring_create(4, BR_RING_SINGLE_THREAD, &ring) == 0);
    int event = eventfd(0, EFD_CLOEXEC);
    EXPECT(event >= 0);
    uint64_t count = 0;
    struct br_request wait = request(9, event, BR_READ, 0, &count, sizeof count);
    EXPECT(br_ring_submit(ring, &wait, 1) == 1);
    struct br_completion completion;
    EXPECT(br_ring_reap(ring, &completion, 1, 0) == 0);
    uint64_t three = 3;
    EXPECT(write(event, &three, sizeof three) == sizeof three);
    EXPECT(br_ring_reap(ring, &completion, 1, 1) == 1);
    EXPECT(completion.user_data == 9 && completion.result == sizeof count && count == 3);
    EXPECT(close(event) == 0);
    EXPECT(br_ring_destroy(ring) == 0);
}

static void test_ring_reports_errors_as_values(void)
{
    struct br_ring *ring;
    EXPECT(br_ring_create(4, 0, &ring) == 0);
    unsigned char buffer[512];
    struct br_request bad_fd = request(1, -1, BR_READ, 0, buffer, sizeof buffer);
    EXPECT(br_ring_submit(ring, &bad_fd, 1) == 1);
    struct br_completion completion;
    EXPECT(br_ring_reap(ring, &completion, 1, 1) == 1);
    EXPECT(completion.user_data == 1 && completion.result == -EBADF);

    struct br_request nonsense[] = {
        request(2, 0, 77, 0, buffer, 1),
        request(2, 0, BR_READ, 0, NULL, 1),
        request(2, 0, BR_READ, UINT64_MAX, buffer, 1),
        request(2, 0, BR_WRITE, 0, buffer, UINT64_MAX),
    };
    for (size_t i = 0; i < sizeof nonsense / sizeof nonsense[0]; i++)
        EXPECT(br_ring_submit(ring, &nonsense[i], 1) == -EINVAL);
    EXPECT(br_ring_reap(ring, &completion, 1, 0) == 0);
    EXPECT(br_ring_submit(ring, NULL, 0) == 0);
    EXPECT(br_ring_submit(NULL, NULL, 0) == -EINVAL);
    EXPECT(br_ring_reap(ring, &completion, 1, 2) == -EINVAL);
    EXPECT(br_ring_reap(ring, NULL, 1, 0) == -EINVAL);
    EXPECT(br_ring_destroy(ring) == 0);
    EXPECT(br_ring_destroy(NULL) == -EINVAL);
    EXPECT(br_ring_pending(NULL) == -EINVAL);
    EXPECT(br_ring_create(4, 2, &ring) == -EINVAL);
    EXPECT(br_ring_create(0, 0, &ring) == -EINVAL);
    EXPECT(br_ring_create(4, 0, NULL) == -EINVAL);
    EXPECT(br_ring_create(UINT32_MAX, 0, &ring) < 0 && ring == NULL);
}

static void test_file(void)
{
    EXPECT(br_open_direct(NULL, 0) == -EINVAL);
    EXPECT(br_open_direct("/no/such/disk", 0) == -ENOENT);
    EXPECT(br_fdatasync(-1) == -EBADF);
    struct br_direct_limits limits;
    EXPECT(br_direct_limits(-1, &limits) == -EBADF);
    EXPECT(br_direct_limits(0, NULL) == -EINVAL);
    EXPECT(br_punch_hole(-1, 0, 1) == -EBADF);
    int fd = temporary_file();
    EXPECT(br_punch_hole(fd, 0, 0) == -EINVAL);
    EXPECT(br_zero_range(fd, UINT64_MAX, 1) == -EINVAL);
    EXPECT(br_zero_range(fd, INT64_MAX, 1) == -EINVAL);
    EXPECT(br_direct_limits(fd, &limits) == 0);
    EXPECT(limits.offset >= BLOCK && limits.memory >= 1 && limits.memory <= limits.offset);
    unsigned char block[BLOCK];
    memset(block, 0xAA, sizeof block);
    EXPECT(pwrite(fd, block, sizeof block, 0) == BLOCK);
    EXPECT(br_punch_hole(fd, 1, 10) == 0);
    EXPECT(pread(fd, block, sizeof block, 0) == BLOCK);
    EXPECT(block[0] == 0xAA && block[1] == 0 && block[10] == 0 && block[11] == 0xAA);
    int32_t zeroed = br_zero_range(fd, 20, 10);
    EXPECT(zeroed == 0 || zeroed == -EOPNOTSUPP);
    EXPECT(lseek(fd, 0, SEEK_END) == (off_t)BLOCK * BLOCKS);
    EXPECT(br_fdatasync(fd) == 0);
    EXPECT(close(fd) == 0);
}

static void test_process(void)
{
    int32_t flusher = br_set_io_flusher(1);
    EXPECT(flusher == 0 || flusher == -EPERM || flusher == -EINVAL);
    if (flusher == 0) {
        EXPECT(br_is_io_flusher() == 1);
        EXPECT(br_set_io_flusher(0) == 0);
        EXPECT(br_is_io_flusher() == 0);
    }
}

int main(void)
{
    EXPECT(br_abi_version() == (int32_t)BR_ABI_VERSION);
    test_file();
    test_process();
    int32_t features = br_uring_probe();
    if (features < 0) {
        /* A container may forbid io_uring. Then nothing of the ring is tested, which is not a success. */
        fprintf(stderr, "native_tests: io_uring is not available here (errno %d): the ring cannot be tested\n", -features);
        return 1;
    }
    EXPECT((features & (BR_URING_READ | BR_URING_WRITE | BR_URING_FSYNC)) == (BR_URING_READ | BR_URING_WRITE | BR_URING_FSYNC));
    test_ring_writes_and_reads_back(0);
    test_ring_writes_and_reads_back(BR_RING_SINGLE_THREAD);
    test_ring_does_direct_io();
    test_ring_waits_for_an_event();
    test_ring_reports_errors_as_values();
    printf("native_tests: passed\n");
    return 0;
}
