/*
 * Lets an old User-Mode-Linux kernel run on processors with large register sets (AMX). It sets its programs' registers with
 * PTRACE_SETREGSET from a buffer of fixed size, and the host wants the whole set: EFAULT, and the guest dies at its first program.
 * Preloaded, this completes such a buffer with what the program has now. A buffer that is large enough goes through as it is.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static long call(long request, pid_t pid, void *address, void *data)
{
    return syscall(SYS_ptrace, request, pid, address, data);
}

long ptrace(enum __ptrace_request request, ...)
{
    va_list arguments;
    va_start(arguments, request);
    pid_t pid = va_arg(arguments, pid_t);
    void *address = va_arg(arguments, void *);
    void *data = va_arg(arguments, void *);
    va_end(arguments);

    if (request == PTRACE_SETREGSET && (long)address == NT_X86_XSTATE) {
        static unsigned char whole[64 * 1024] __attribute__((aligned(64)));
        const struct iovec *given = data;
        struct iovec all = { whole, sizeof whole };
        if (call(PTRACE_GETREGSET, pid, address, &all) == 0 && all.iov_len > given->iov_len) {
            memcpy(whole, given->iov_base, given->iov_len);
            return call(PTRACE_SETREGSET, pid, address, &all);
        }
    }
    /* The system call stores the word that libc's function returns. */
    if (request == PTRACE_PEEKTEXT || request == PTRACE_PEEKDATA || request == PTRACE_PEEKUSER) {
        long word = 0;
        long result = call(request, pid, address, &word);
        return result < 0 ? result : word;
    }
    return call(request, pid, address, data);
}
