#!/usr/bin/env python3
"""Writes the pinned bytes of format versions 1 and 2 from docs/disk-format.md alone, without the program's own code.

The superblock, activity log and bitmap block are those of PinnedBytesTests.cs. Run it only to add a version.
"""
import struct
import uuid


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def dump(name, data):
    with open(name, "w", encoding="ascii", newline="\n") as out:
        for at in range(0, len(data), 16):
            line = data[at:at + 16]
            if any(line):
                out.write(f"{at:04x}: {bytes(line).hex()}\n")
        out.write(f"{len(data):04x}\n")


def seal(data, at):
    struct.pack_into("<I", data, at, 0)
    struct.pack_into("<I", data, at, crc32c(data))


def put_name(data, at, name):
    encoded = name.encode()
    data[at] = len(encoded)
    data[at + 1:at + 1 + len(encoded)] = encoded


DEVICE_ID = 0x0123456789ABCDEF

superblock = bytearray(4096)
superblock[0:8] = b"BLOCKREP"
struct.pack_into("<IIQQQQIIIBBH", superblock, 8, 1, 0, 42, DEVICE_ID, (20 << 30) + 513, 20 << 30, 67, 4 << 20,
                 1 | 2 | 8, 2, 2, 2)
superblock[64:80] = uuid.UUID("00112233-4455-6677-8899-aabbccddeeff").bytes
struct.pack_into("<Q", superblock, 80, 0x1122334455667788)
put_name(superblock, 128, "mail")
put_name(superblock, 256, "postgrés")
put_name(superblock, 384, "alpha")
struct.pack_into("<QQ", superblock, 512, 0xAAAA000000000002, 0xBBBB000000000004)
put_name(superblock, 1024, "beta")
struct.pack_into("<QI", superblock, 1024 + 128, 0xCCCC000000000006, 4)
put_name(superblock, 1280, "gamma")
struct.pack_into("<QI", superblock, 1280 + 128, 0, 1 | 2)
seal(superblock, 12)
dump("superblock.v1.hex", superblock)

struct.pack_into("<I", superblock, 8, 2)
struct.pack_into("<IIQ", superblock, 1024 + 136, 4 | 16, 0, 1795000000123)
seal(superblock, 12)
dump("superblock.v2.hex", superblock)

log = bytearray(4096)
log[0:4] = b"BRAL"
struct.pack_into("<IIIQQ", log, 4, 1, 0, 67, 0x100000002, DEVICE_ID)
table = [0xFFFFFFFF] * 67
table[0], table[5], table[66] = 0, 0x01020304, 17
struct.pack_into("<67I", log, 64, *table)
seal(log, 8)
dump("activity-log.v1.hex", log)

bitmap = bytearray(4096)
bitmap[4:6] = b"BM"
struct.pack_into("<BBQ", bitmap, 6, 3, 1, 1)
for block in [32640, *range(32650, 32750), 39999]:
    bit = block - 32640
    bitmap[16 + bit // 8] |= 1 << bit % 8
struct.pack_into("<I", bitmap, 0, crc32c(struct.pack("<Q", DEVICE_ID) + bitmap[4:]))
dump("bitmap-block.v1.hex", bitmap)
