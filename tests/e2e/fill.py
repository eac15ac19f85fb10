"""Writes the volume full, block by block, and checks that what was answered with success reads back.

usage: fill.py URI MODEL     MODEL receives the numbers of the blocks whose write was acknowledged
"""
import sys

import nbd

CHUNK = 256 << 10


def content(number):
    return number.to_bytes(8, "little") * (CHUNK // 8)


handle = nbd.NBD()
handle.connect_uri(sys.argv[1])
acknowledged, refused = [], []
for number in range(handle.get_size() // CHUNK):
    try:
        handle.pwrite(content(number), number * CHUNK)
        acknowledged.append(number)
    except nbd.Error as error:
        refused.append((number, error.string))
        if handle.aio_is_dead() or handle.aio_is_closed():
            break
with open(sys.argv[2], "w") as model:
    model.writelines(f"{n}\n" for n in acknowledged)
print(f"# {len(acknowledged)} writes acknowledged, {len(refused)} refused; first: {refused[:1]}")
if not refused:
    print("ok - every write was answered with success")
if handle.aio_is_dead() or handle.aio_is_closed():
    handle = nbd.NBD()
    handle.connect_uri(sys.argv[1])
wrong = [n for n in acknowledged if handle.pread(CHUNK, n * CHUNK) != content(n)]
print(("not ok - " if wrong or not acknowledged else "ok - ") + "every acknowledged write on a full disk reads back")
if wrong:
    print(f"#   wrong: {wrong[:10]}")
sys.exit(1 if wrong else 0)
