"""A write load that knows what every block of a volume must hold, and the check that the volume holds it.

usage: kill-load.py load URI MODEL SEED OPERATIONS [KILL_AFTER PID...]
           runs OPERATIONS random changes, up to 16 at once on two connections; kills PID... (SIGKILL) once KILL_AFTER of them
           were answered, and goes on until it is done or the server is gone
       kill-load.py verify URI MODEL
           reads every block that was ever written

MODEL is a file that lives from run to run: of each 4 KiB block the version that was acknowledged last, and the versions that
were sent but never acknowledged. A block must read as the one, or as one of the others; after "verify" it is settled
which. Version 0 is a block of zeroes (never written, or trimmed). At most one change of a block is in flight at a time.
"""
import json
import os
import random
import signal
import struct
import sys

import nbd

BLOCK = 4096
WINDOW = 16


class Model:
    def __init__(self, path):
        self.path = path
        self.held, self.open, self.version = {}, {}, 0
        if os.path.exists(path):
            with open(path) as file:
                saved = json.load(file)
            self.held = {int(k): v for k, v in saved["held"].items()}
            self.open = {int(k): v for k, v in saved["open"].items()}
            self.version = saved["version"]

    def save(self):
        with open(self.path + ".new", "w") as file:
            json.dump({"held": self.held, "open": self.open, "version": self.version}, file)
        os.replace(self.path + ".new", self.path)


def content(block, version):
    return struct.pack("<QQ", block, version) * (BLOCK // 16) if version else bytes(BLOCK)


def connect(uri):
    handle = nbd.NBD()
    handle.connect_uri(uri)
    return handle


class Load:
    def __init__(self, uri, model, seed, operations, kill_after, pids):
        self.handles = [connect(uri), connect(uri)]
        self.blocks = self.handles[0].get_size() // BLOCK
        self.model, self.chance = model, random.Random(seed)
        self.left, self.kill_after, self.pids = operations, kill_after, pids
        self.in_flight, self.busy, self.answered, self.refused, self.gone = 0, set(), 0, 0, False

    def run(self):
        while (self.left > 0 and not self.gone) or self.in_flight:
            while self.left > 0 and not self.gone and self.in_flight < WINDOW and self.start():
                self.left -= 1
            for handle in self.handles:
                # Look at both connections without waiting long on an idle one.
                if handle.aio_in_flight() and not (handle.aio_is_dead() or handle.aio_is_closed()):
                    try:
                        handle.poll(20)
                    except nbd.Error:
                        self.gone = True
                if handle.aio_is_dead() or handle.aio_is_closed():
                    self.gone = True
            if self.gone and not any(h.aio_in_flight() for h in self.handles):
                break
        # What libnbd dropped with a dead connection without telling stays open in the model: it was recorded when it was sent.

    def start(self):
        # Half of the changes fall on a few hot blocks, so that the same blocks are written again and again.
        # The volume's last 16 blocks are left to others: a script may write there while this runs.
        first = self.chance.randrange(64) if self.chance.random() < 0.5 else self.chance.randrange(self.blocks - 32)
        blocks = range(first, first + self.chance.choice((1, 1, 1, 2, 4, 16)))
        if any(b in self.busy for b in blocks):
            return self.chance.random() < 0.5 and self.in_flight == 0
        handle, kind = self.chance.choice(self.handles), self.chance.random()
        version = 0
        if kind < 0.9:
            self.model.version += 1
            version = self.model.version
        before = {b: self.model.held.get(b, 0) for b in blocks}
        for b in blocks:
            self.busy.add(b)
            self.model.open.setdefault(b, []).append(version)
        self.in_flight += 1

        def done(error):
            self.in_flight -= 1
            self.busy.difference_update(blocks)
            if error.value == 0:
                for b in before:
                    self.model.held[b] = version
                    self.model.open.pop(b, None)    # Whatever was open before it was overwritten.
                self.answered += 1
                if self.answered == self.kill_after:
                    for pid in self.pids:
                        os.kill(pid, signal.SIGKILL)
            else:
                self.refused += 1
            return 1

        offset, length = first * BLOCK, len(blocks) * BLOCK
        try:
            if kind < 0.9:
                data = nbd.Buffer.from_bytearray(bytearray(b"".join(content(b, version) for b in blocks)))
                handle.aio_pwrite(data, offset, completion=done, flags=nbd.CMD_FLAG_FUA if kind < 0.03 else 0)
            else:
                handle.aio_zero(length, offset, completion=done, flags=nbd.CMD_FLAG_NO_HOLE if kind < 0.95 else 0)
            if self.chance.random() < 0.03:
                handle.aio_flush()
        except nbd.Error:
            # Not sent, or half sent: open either way.
            if handle.aio_is_dead() or handle.aio_is_closed():
                self.gone = True
            self.in_flight -= 1
            self.busy.difference_update(blocks)
        return True


def load(uri, path, seed, operations, kill_after=0, *pids):
    model = Model(path)
    run = Load(uri, model, int(seed), int(operations), int(kill_after), [int(p) for p in pids])
    try:
        run.run()
    finally:
        model.save()
    print(f"# {run.answered} changes answered, {run.refused} not answered or refused, "
          f"{len(model.open)} blocks open, server {'gone' if run.gone else 'there'}")
    # With a server that stayed, every change must have been answered with success.
    return 1 if run.refused and not run.gone else 0


def verify(uri, path):
    model, handle, wrong = Model(path), connect(uri), []
    for block in sorted(set(model.held) | set(model.open)):
        data = handle.pread(BLOCK, block * BLOCK)
        may = [model.held.get(block, 0)] + model.open.get(block, [])
        found = next((v for v in may if data == content(block, v)), None)
        if found is None:
            holds = struct.unpack_from("<QQ", data)
            wrong.append(f"block {block} must hold a version of {may}, reads as (block, version) {holds}")
        else:
            model.held[block] = found
    model.open = {}
    model.save()
    print(f"# {len(model.held)} blocks read")
    for text in wrong[:10]:
        print("# " + text)
    if wrong:
        print(f"# {len(wrong)} blocks wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit({"load": load, "verify": verify}[sys.argv[1]](*sys.argv[2:]))
