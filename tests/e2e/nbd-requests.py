"""Requests that the command-line clients do not send, through Debian's libnbd.

usage: nbd-requests.py URI SIZE      prints "ok - ..." and "not ok - ..."; ends with 1 if anything was not ok
"""
import errno
import os
import sys

import nbd

failed = False
uri, size = sys.argv[1], int(sys.argv[2])


def report(good, text, detail=""):
    global failed
    print(("ok - " if good else "not ok - ") + text, flush=True)
    if not good:
        failed = True
        if detail:
            print("#   " + str(detail).replace("\n", "\n#   "), flush=True)


def connect():
    handle = nbd.NBD()
    handle.add_meta_context(nbd.CONTEXT_BASE_ALLOCATION)
    # Without this libnbd itself refuses what the server is to refuse.
    handle.set_strict_mode(0)
    handle.connect_uri(uri)
    return handle


def refused(text, wanted, call):
    """The server answers with an error number of its choice among WANTED, and the connection lives on."""
    try:
        call()
    except nbd.Error as error:
        good = error.errnum in wanted
        report(good, text, f"{error.string} (errno {error.errnum}, wanted {sorted(wanted)})")
        report(h.pread(512, 0) is not None, text + ": the connection lives on")
        return
    report(False, text, "it was not refused")


h = connect()
block = os.urandom(4096)

# Odd sizes at odd places, where the server says that it can; its minimum otherwise.
minimum = max(1, h.get_block_size(nbd.SIZE_MINIMUM))
for offset, length in [(0, minimum), (4096 - minimum, 2 * minimum), (size - minimum, minimum), (8192 + minimum, 65536 + minimum)]:
    data = os.urandom(length)
    h.pwrite(data, offset)
    report(h.pread(length, offset) == data, f"write and read {length} bytes at {offset}")

h.pwrite(block, 1 << 20, nbd.CMD_FLAG_FUA)
report(h.pread(4096, 1 << 20) == block, "a write with FUA reads back")
h.zero(1 << 20, 2 << 20)
report(h.pread(1 << 20, 2 << 20) == bytes(1 << 20), "zeroed bytes read as zeroes")
h.pwrite(block, 3 << 20)
h.zero(4096, 3 << 20, nbd.CMD_FLAG_NO_HOLE)
report(h.pread(4096, 3 << 20) == bytes(4096), "zeroed bytes without a hole read as zeroes")
h.trim(1 << 20, 4 << 20)
h.flush()
report(True, "trim and flush are answered")
h.cache(65536, 0)
report(True, "CACHE is answered")
half = size // 2 // 65536 * 65536
h.zero(half, half)
report(h.pread(65536, half) == bytes(65536), "zeroes over half the volume in one request")

# Structured replies.
chunks = []
h.pread_structured(1 << 20, 0, lambda data, offset, status, error: chunks.append((offset, len(data), status)))
report(sum(c[1] if c[2] != nbd.READ_HOLE else 0 for c in chunks) <= 1 << 20 and chunks, "a structured read comes in chunks", chunks[:4])
whole = []
h.pread_structured(65536, 4096, lambda data, offset, status, error: whole.append(status), nbd.CMD_FLAG_DF)
report(len(whole) == 1, "a read with DF comes in one chunk", whole)
extents = []
h.block_status(size, 0, lambda context, offset, entries, error: extents.extend(entries))
lengths = extents[0::2]
report(0 < sum(lengths) and all(n > 0 for n in lengths), "block status tells extents", extents[:8])
one = []
h.block_status(size, 0, lambda context, offset, entries, error: one.extend(entries), nbd.CMD_FLAG_REQ_ONE)
report(len(one) == 2 and one[0] <= size, "block status with REQ_ONE tells one extent", one)

# What must be refused, and must not cost the connection.
refused("a write beyond the end", {errno.ENOSPC, errno.EINVAL}, lambda: h.pwrite(block, size))
refused("a write across the end", {errno.ENOSPC, errno.EINVAL}, lambda: h.pwrite(block * 2, size - 4096))
refused("a read beyond the end", {errno.EINVAL}, lambda: h.pread(4096, size))
refused("a read at an offset near 2^63", {errno.EINVAL}, lambda: h.pread(4096, (1 << 63) - 4096))
refused("a trim across the end", {errno.EINVAL, errno.ENOSPC}, lambda: h.trim(8192, size - 4096))
refused("zeroes across the end", {errno.EINVAL, errno.ENOSPC}, lambda: h.zero(8192, size - 4096))
refused("a read with an unknown flag", {errno.EINVAL}, lambda: h.pread(4096, 0, 1 << 10))
refused("a read of more than 32 MiB", {errno.EINVAL, errno.EOVERFLOW, errno.ENOMEM}, lambda: h.pread((32 << 20) + 4096, 0))

# A flush on one connection covers what another was answered; both see the same bytes.
other = connect()
h.pwrite(block, 5 << 20)
report(other.pread(4096, 5 << 20) == block, "another connection reads what was answered here")
other.flush()
report(True, "a flush on another connection is answered")

# Many requests in flight, answered in any order, each with its own bytes.
data = {n: os.urandom(4096) for n in range(64)}
cookies = [h.aio_pwrite(nbd.Buffer.from_bytearray(bytearray(data[n])), (8 << 20) + n * 4096) for n in data]
while h.aio_in_flight():
    h.poll(-1)
report(all(h.aio_command_completed(c) for c in cookies), "64 writes in flight are all answered")
report(h.pread(64 * 4096, 8 << 20) == b"".join(data.values()), "64 writes in flight land where they belong")

for handle in (h, other):
    handle.shutdown()
report(True, "DISC is taken politely")
sys.exit(1 if failed else 0)
