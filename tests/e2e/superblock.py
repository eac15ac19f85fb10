"""Damages the superblock copies of a volume's metadata, as a bad disk or another release would (docs/disk-format.md).

usage: superblock.py FILE damage COPY [COPY]     turn bytes of a copy (0 or 1) over; its checksum no longer holds
       superblock.py FILE version NUMBER         give both copies another format version and a checksum that holds
"""
import struct
import sys

MAGIC = b"BLOCKREP"
BYTES = 4096
VERSION_AT, CRC_AT = 8, 12


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def copies(image):
    """Offsets of the two copies: 4 KiB blocks that begin with the magic number, the last two of the file."""
    image.seek(0, 2)
    size, found = image.tell(), []
    for start in (0, max(0, (size - (1 << 20)) & ~(BYTES - 1))):
        image.seek(start)
        data = image.read(1 << 20)
        found += [start + at for at in range(0, len(data) - 7, BYTES) if data[at:at + 8] == MAGIC]
    found = sorted(set(found))
    if len(found) != 2:
        sys.exit(f"{image.name}: {len(found)} superblock copies found, not 2")
    return found


with open(sys.argv[1], "r+b") as file:
    places = copies(file)
    if sys.argv[2] == "damage":
        for number in map(int, sys.argv[3:]):
            file.seek(places[number] + 100)
            old = file.read(64)
            file.seek(places[number] + 100)
            file.write(bytes(b ^ 0xFF for b in old))
    else:
        for place in places:
            file.seek(place)
            block = bytearray(file.read(BYTES))
            struct.pack_into("<I", block, VERSION_AT, int(sys.argv[3]))
            struct.pack_into("<I", block, CRC_AT, 0)
            struct.pack_into("<I", block, CRC_AT, crc32c(block))
            file.seek(place)
            file.write(block)
