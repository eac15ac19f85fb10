"""What a strict and a careless libnbd client see of the server. Argument: the export's URI."""

import errno
import sys

import nbd

uri = sys.argv[1]


def refused(code, call, *arguments):
    try:
        call(*arguments)
    except nbd.Error as e:
        assert e.errnum == code, (call, arguments, e.errnum, e)
        return
    raise AssertionError((call, arguments, "was not refused"))


h = nbd.NBD()
h.add_meta_context(nbd.CONTEXT_BASE_ALLOCATION)
h.connect_uri(uri)
size = h.get_size()
assert h.get_protocol() == "newstyle-fixed" and h.get_structured_replies_negotiated()
assert h.can_meta_context(nbd.CONTEXT_BASE_ALLOCATION)
assert h.get_block_size(nbd.SIZE_MINIMUM) == 1
assert h.get_block_size(nbd.SIZE_PREFERRED) == 4096
assert h.get_block_size(nbd.SIZE_MAXIMUM) == 32 << 20

# FUA, DF, odd offsets
h.pwrite(b"a" * 5000, 777, nbd.CMD_FLAG_FUA)
assert h.pread(5000, 777) == b"a" * 5000
chunks = []
data = h.pread_structured(70000, 0, lambda b, o, s, e: chunks.append((o, len(b), s)), nbd.CMD_FLAG_DF)
assert len(data) == 70000 and chunks == [(0, 70000, nbd.READ_DATA)], chunks
h.flush()
h.cache(4096, 0)
h.zero(4096, 0, nbd.CMD_FLAG_NO_HOLE)
assert h.pread(4096, 0) == bytes(4096)
refused(errno.EOPNOTSUPP, h.zero, 4096, 0, nbd.CMD_FLAG_FAST_ZERO)
h.pwrite(b"z", size - 1)
assert h.pread(1, size - 1) == b"z"

# block status
h.pwrite(b"b" * 8192, 1 << 20)
extents = []
h.block_status(4 << 20, 0, lambda context, offset, entries, e: extents.extend(entries))
assert sum(extents[::2]) == 4 << 20, extents
one = []
h.block_status(4 << 20, 1 << 20, lambda context, offset, entries, e: one.extend(entries), nbd.CMD_FLAG_REQ_ONE)
assert one == [8192, 0], one

# the whole volume in one request
h.trim(size, 0)
assert h.pread(8192, 1 << 20) == bytes(8192)

# what the library itself would refuse to send
h.set_strict_mode(0)
refused(errno.EINVAL, h.pread, 4096, size - 100)
refused(errno.ENOSPC, h.pwrite, b"x" * 4096, size - 100)
refused(errno.ENOSPC, h.zero, 4096, size)
refused(errno.EINVAL, h.trim, 4096, size)
refused(errno.EINVAL, h.cache, 4096, size)
refused(errno.EINVAL, h.pread, 512, 0, nbd.CMD_FLAG_NO_HOLE)
refused(errno.EINVAL, h.pwrite, b"x" * 512, 0, nbd.CMD_FLAG_DF)
refused(errno.EINVAL, h.trim, 512, 0, 0x400)
refused(errno.EINVAL, h.block_status, 0, 0, lambda *a: 0)
assert h.pread(0, 0) == b""
h.pwrite(b"", 0)
h.trim(0, 0)
h.zero(0, 0)
refused(errno.EINVAL, h.pwrite, bytes((32 << 20) + 1), 0)
assert h.pread(512, 0) == bytes(512)
h.shutdown()

# without structured replies: no DF, no contexts, everything else works
h = nbd.NBD()
h.set_request_structured_replies(False)
h.connect_uri(uri)
assert not h.get_structured_replies_negotiated() and not h.can_df()
h.pwrite(b"c" * 512, 512)
assert h.pread(512, 512) == b"c" * 512
h.set_strict_mode(0)
refused(errno.EINVAL, h.pread, 512, 512, nbd.CMD_FLAG_DF)
h.shutdown()

# an unknown export is refused, and the handshake goes on
h = nbd.NBD()
h.set_opt_mode(True)
h.connect_uri(uri)
name = h.get_export_name()
h.set_export_name("nosuch")
try:
    h.opt_go()
    raise AssertionError("an unknown export was opened")
except nbd.Error:
    pass
h.set_export_name(name)
contexts = []
h.opt_list_meta_context(lambda context: contexts.append(context))
assert contexts == ["base:allocation"], contexts
h.opt_info()
assert h.get_size() == size
h.opt_go()
assert h.pread(512, 512) == bytes(0) + h.pread(512, 512)
h.shutdown()
print("all checks passed")
