"""Names the mailboxes of a Cyrus spool whose index lacks records that its header counts.

usage: cyrus-index.py SPOOL

Cyrus appends a record to cyrus.index, overwrites the header, and calls fsync once for both. The header is overwritten in place, the file's new length waits for the file system's journal: a
node that dies inside that fsync leaves a header that is one record ahead of the file, on any disk. Cyrus then says "Mailbox has an invalid format" until "reconstruct" has counted again.
Prints a line for each such mailbox: its name, the records counted, the records there. A header whose checksum is wrong, or records missing beyond the one that was being delivered, are
another matter: they are named with "damaged" and end this with 1.
"""
import pathlib
import re
import struct
import sys
import zlib

HEADER_BYTES, COUNT_AT, CRC_AT = 160, 20, 156

damaged = False
for index in sorted(pathlib.Path(sys.argv[1]).rglob("cyrus.index")):
    name = re.search(rb"N (user\.\S+)", index.with_name("cyrus.header").read_bytes()).group(1).decode()
    content = index.read_bytes()
    header = content[:HEADER_BYTES]
    if len(header) < HEADER_BYTES or zlib.crc32(header[:CRC_AT]) != struct.unpack_from(">I", header, CRC_AT)[0]:
        print(name, "damaged: the header of its index")
        damaged = True
        continue
    record_bytes, counted = struct.unpack_from(">II", header, COUNT_AT - 4)
    there = (len(content) - struct.unpack_from(">I", header, COUNT_AT - 8)[0]) // record_bytes
    if counted > there + 1:
        print(name, "damaged:", counted, "records counted,", there, "there")
        damaged = True
    elif counted > there:
        print(name, counted, there)
sys.exit(damaged)
