"""peers - the NBD servers that BlockRepl is compared with.

A peer is started on a fresh file, speaks NBD on a unix socket (as the client
always does, so that every server is reached the same way), and is stopped when
the run ends. Two kinds:

    unreplicated   nbdkit, qemu-nbd, tmpfs-raw: one process, one file. The price
                   of replication is the distance to these.
    replicated     qemu-mirror and its variants: every acknowledged write is on
                   two servers. What a userspace replication engine must beat.
"""

import filecmp
import json
import os
import shutil
import socket
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from . import Failure
from .machine import Process, free_tcp_port, wait_until

START_TIMEOUT = 20
TMPFS = Path("/dev/shm")


@dataclass
class Server:
    """Something to measure: ours (processes) or somebody else's (at most pids)."""
    name: str
    uri: str
    about: str
    peer: bool = False
    pids: list[int] = field(default_factory=list)       # whose CPU time is charged; [] unknown
    processes: list[Process] = field(default_factory=list)
    replica_differs: Callable[[], bool] | None = None   # a replicated peer can tell

    def check(self) -> None:
        for process in self.processes:
            process.check()


@dataclass
class Workshop:
    """Where peers are built: files on the disk to measure, sockets on a short path."""
    files: Path
    sockets: Path
    size: int
    stack: ExitStack        # undoes everything at the end, last first

    def file(self, name: str, where: Path | None = None) -> Path:
        path = (where or self.files) / f"{name}.raw"
        path.touch(exist_ok=False)
        os.truncate(path, self.size)
        return path

    def socket(self, name: str) -> Path:
        return self.sockets / name

    def start(self, name: str, *argv: object) -> Process:
        process = Process(self.sockets / f"{name}.log", *map(str, argv))
        self.stack.callback(process.stop)
        return process


def export_of(uri: str) -> dict:
    """The export behind a URI as nbdinfo describes it, or {} while nobody answers."""
    try:
        info = subprocess.run(["nbdinfo", "--json", "--no-content", uri],
                              capture_output=True, text=True, timeout=10)
    except subprocess.TimeoutExpired:
        return {}
    return json.loads(info.stdout)["exports"][0] if info.returncode == 0 else {}


def unix_uri(path: Path, export: str = "") -> str:
    return f"nbd+unix:///{export}?socket={path}"


def serve_file_with_nbdkit(shop: Workshop, name: str, file: Path, about: str) -> Server:
    sock = shop.socket(name)
    process = shop.start(name, "nbdkit", "--foreground", "--unix", sock, "file", file)
    return Server(name, unix_uri(sock), about, True, [process.pid], [process])


def nbdkit(shop: Workshop, name: str) -> Server:
    return serve_file_with_nbdkit(shop, name, shop.file(name), "nbdkit file plugin")


def tmpfs_raw(shop: Workshop, name: str) -> Server:
    if shutil.disk_usage(TMPFS).free < 2 * shop.size:
        raise Failure(f"{TMPFS} has no room for a {shop.size >> 20} MiB file; use a smaller --size")
    directory = TMPFS / shop.sockets.name
    directory.mkdir(mode=0o700)
    shop.stack.callback(shutil.rmtree, directory, ignore_errors=True)
    return serve_file_with_nbdkit(shop, name, shop.file(name, directory),
                                  f"nbdkit file plugin on {TMPFS}: no disk at all")


def start_qemu_nbd(shop: Workshop, name: str, file: Path, *listen: object,
                   io: tuple[str, str] = ("--cache=writeback", "--aio=threads")) -> Process:
    return shop.start(name, "qemu-nbd", "--persistent", "--shared=8", "--format=raw",
                      *io, *listen, file)


def qemu_nbd(shop: Workshop, name: str) -> Server:
    sock = shop.socket(name)
    process = start_qemu_nbd(shop, name, shop.file(name), f"--socket={sock}")
    return Server(name, unix_uri(sock), "qemu-nbd, aio=threads, cache=writeback",
                  True, [process.pid], [process])


def qemu_nbd_direct(shop: Workshop, name: str) -> Server:
    sock = shop.socket(name)
    process = start_qemu_nbd(shop, name, shop.file(name), f"--socket={sock}",
                             io=("--cache=none", "--aio=io_uring"))
    return Server(name, unix_uri(sock), "qemu-nbd, aio=io_uring, cache=none",
                  True, [process.pid], [process])


class Qmp:
    """Just enough of a QMP client: call a command, get its answer, skip the events."""

    def __init__(self, path: Path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(START_TIMEOUT)
        self.socket.connect(str(path))
        self.lines = self.socket.makefile("r")
        self.lines.readline()                           # the greeting
        self("qmp_capabilities")

    def __call__(self, command: str, **arguments):
        arguments = {name.replace("_", "-"): value for name, value in arguments.items()}
        request = {"execute": command, "arguments": arguments}
        self.socket.sendall(json.dumps(request).encode() + b"\n")
        for line in self.lines:
            answer = json.loads(line)
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                raise Failure(f"QMP {command}: {answer['error']['desc']}")
        raise Failure(f"QMP {command}: connection closed")


def mirror(shop: Workshop, name: str, about: str, address: dict, uri: str,
           start_replica: Callable[[str, Path], Process]) -> Server:
    """A primary that mirrors every write to a replica server before it answers.

    The mirror job copies the whole file first; once it is ready, writes go to
    both sides (copy-mode=write-blocking). The export is made before the job, so
    that the job's filter node slips in underneath it.
    """
    primary, replica = shop.file(f"{name}-primary"), shop.file(f"{name}-replica")
    second = start_replica(f"{name}-replica", replica)
    wait_until(lambda: export_of(uri), f"{name}: replica answers", START_TIMEOUT, [second])

    sock, monitor = shop.socket(name), shop.socket(f"{name}.qmp")
    first = shop.start(name, "qemu-storage-daemon",
                       "--chardev", f"socket,id=qmp,path={monitor},server=on,wait=off",
                       "--monitor", "chardev=qmp",
                       "--nbd-server", f"addr.type=unix,addr.path={sock}",
                       "--blockdev", f"driver=file,node-name=disk,filename={primary},aio=threads")
    wait_until(monitor.exists, f"{name}: QMP socket", START_TIMEOUT, [first])

    qmp = Qmp(monitor)
    qmp("blockdev-add", driver="nbd", node_name="replica", server=address, export="")
    qmp("block-export-add", type="nbd", id="export", node_name="disk", name="", writable=True)
    qmp("blockdev-mirror", job_id="mirror", device="disk", target="replica",
        sync="full", copy_mode="write-blocking")
    wait_until(lambda: any(job["status"] == "ready" for job in qmp("query-jobs")),
               f"{name}: mirror job ready", 60, [first, second])
    return Server(name, unix_uri(sock), f"blockdev-mirror write-blocking, replica is {about}",
                  True, [first.pid, second.pid], [first, second],
                  lambda: not filecmp.cmp(primary, replica, shallow=False))


def tcp_mirror(shop: Workshop, name: str, about: str, start_replica) -> Server:
    port = free_tcp_port()
    return mirror(shop, name, f"{about} over TCP loopback",
                  {"type": "inet", "host": "127.0.0.1", "port": str(port)},
                  f"nbd://127.0.0.1:{port}", lambda name, file: start_replica(name, file, port))


def qemu_mirror(shop: Workshop, name: str) -> Server:
    """The replica as one finds it. QEMU before 8.0 leaves Nagle on: see README.md."""
    return tcp_mirror(shop, name, "qemu-nbd", lambda name, file, port: start_qemu_nbd(
        shop, name, file, "--bind=127.0.0.1", f"--port={port}"))


def qemu_mirror_nbdkit(shop: Workshop, name: str) -> Server:
    """The same without the Nagle stall: nbdkit sets TCP_NODELAY."""
    return tcp_mirror(shop, name, "nbdkit", lambda name, file, port: shop.start(
        name, "nbdkit", "--foreground", "--ipaddr=127.0.0.1", f"--port={port}", "file", file))


def qemu_mirror_unix(shop: Workshop, name: str) -> Server:
    """The same without TCP: what a network stack adds is the distance to this."""
    sock = shop.socket(f"{name}.replica")
    return mirror(shop, name, "qemu-nbd on a unix socket", {"type": "unix", "path": str(sock)},
                  unix_uri(sock),
                  lambda name, file: start_qemu_nbd(shop, name, file, f"--socket={sock}"))


@dataclass(frozen=True)
class Peer:
    start: Callable[[Workshop, str], Server]
    commands: tuple[str, ...]
    files: int              # how many files of --size it puts into --dir


PEERS = {
    "nbdkit": Peer(nbdkit, ("nbdkit",), 1),
    "tmpfs-raw": Peer(tmpfs_raw, ("nbdkit",), 0),
    "qemu-nbd": Peer(qemu_nbd, ("qemu-nbd",), 1),
    "qemu-nbd-direct": Peer(qemu_nbd_direct, ("qemu-nbd",), 1),
    "qemu-mirror": Peer(qemu_mirror, ("qemu-nbd", "qemu-storage-daemon"), 2),
    "qemu-mirror-unix": Peer(qemu_mirror_unix, ("qemu-nbd", "qemu-storage-daemon"), 2),
    "qemu-mirror-nbdkit": Peer(qemu_mirror_nbdkit, ("nbdkit", "qemu-storage-daemon"), 2),
}


def start_peer(shop: Workshop, name: str) -> Server:
    server = PEERS[name].start(shop, name)
    wait_until(lambda: export_of(server.uri), f"{name} answers", START_TIMEOUT, server.processes)
    return server
