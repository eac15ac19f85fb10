"""One client that writes, waits for each answer, and knows how long each took and what every piece must hold.

usage: timed-load.py URI OFFSET LENGTH PIECE_BYTES COUNT|STOP_FILE
Writes pieces of random bytes at random places of the range until COUNT are written or STOP_FILE exists; then flushes and reads all of them back. Prints a line of
JSON: writes, bytes, seconds, p50_ms, p99_ms, max_ms. Exit status 1 if a piece does not hold what was answered.
"""
import json
import os
import random
import sys
import time

import nbd


def main(uri, offset, length, piece, until):
    handle = nbd.NBD()
    handle.connect_uri(uri)
    count = int(until) if until.isdigit() else None
    held, took, began = {}, [], time.monotonic()
    while count is None and not os.path.exists(until) or count is not None and len(took) < count:
        at = offset + random.randrange(length // piece) * piece
        data = random.randbytes(64) * (piece // 64)
        start = time.monotonic()
        handle.pwrite(data, at)
        took.append(time.monotonic() - start)
        held[at] = data
    seconds = time.monotonic() - began
    handle.flush()
    wrong = [at for at, data in held.items() if handle.pread(piece, at) != data]
    took.sort()

    def ms(part):
        return round(took[min(len(took) - 1, int(len(took) * part))] * 1000, 3) if took else 0

    print(json.dumps({"writes": len(took), "bytes": len(took) * piece, "seconds": round(seconds, 2), "p50_ms": ms(0.5), "p99_ms": ms(0.99), "max_ms": ms(1)}))
    if wrong:
        sys.exit(f"{len(wrong)} pieces do not hold what was answered, the first at byte {wrong[0]}")


if __name__ == "__main__":
    main(sys.argv[1], *(int(one) for one in sys.argv[2:5]), sys.argv[5])
