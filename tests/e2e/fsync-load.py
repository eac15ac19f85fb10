#!/usr/bin/python3
"""A load that knows what was promised: appends records to a file, fsync after each, and notes those that returned.

usage: fsync-load.py write FILE ACKNOWLEDGED   until SIGTERM (exit 0) or an error (exit 1, which is then in ACKNOWLEDGED.error)
       fsync-load.py check FILE ACKNOWLEDGED   every acknowledged record is in FILE, whole
ACKNOWLEDGED is a file somewhere else: a line for each record whose fsync has returned: its number and the seconds that took.
"""
import hashlib
import os
import signal
import sys
import time

SIZE = 4096


def record(number):
    head = b"record %d " % number
    body = hashlib.sha256(head).digest()
    return (head + body * (SIZE // len(body) + 1))[:SIZE]


def write(path, acknowledged):
    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
    fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
    number = os.fstat(fd).st_size // SIZE
    with open(acknowledged, "a", buffering=1) as log:
        while not stop:
            began = time.monotonic()
            try:
                if os.pwrite(fd, record(number), number * SIZE) != SIZE:
                    raise OSError("short write")
                os.fsync(fd)
            except OSError as error:
                with open(acknowledged + ".error", "w") as out:
                    out.write("record %d: %s\n" % (number, error))
                return 1
            log.write("%d %.3f\n" % (number, time.monotonic() - began))
            number += 1
            time.sleep(0.01)
    return 0


def check(path, acknowledged):
    bad = 0
    numbers = [int(line.split()[0]) for line in open(acknowledged)]
    with open(path, "rb") as data:
        for number in numbers:
            data.seek(number * SIZE)
            if data.read(SIZE) != record(number):
                bad += 1
                print("record %d is not there" % number)
    print("%d acknowledged records, %d missing" % (len(numbers), bad))
    return 1 if bad or not numbers else 0


sys.exit({"write": write, "check": check}[sys.argv[1]](sys.argv[2], sys.argv[3]))
