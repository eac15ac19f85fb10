"""growth - the curves: one function a question, each returning rows of plain figures.

Every point starts what it measures afresh, so that points do not bill each other.
A row's keys are the columns of its table; units stand in their names.
"""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from . import Failure
from .blockrepl import SHAPES, in_sync, start_blockrepl
from .machine import Process, free_tcp_port, require_commands, wait_until
from .peers import START_TIMEOUT, Server, Workshop, start_peer
from .workloads import fill, fio, warm

MIB = 1 << 20
GIB = 1 << 30


@dataclass
class Bench:
    """What every curve needs: where, how long, and the relay that makes distance."""
    scratch: Path
    relay: Path
    seconds: float
    quick: bool

    def some(self, points: list) -> list:
        """All points, or first, middle and last when in a hurry."""
        return points if not self.quick or len(points) < 4 else [points[0], points[len(points) // 2], points[-1]]

    @contextmanager
    def workshop(self, size: int, files: Path | None = None) -> Iterator[Workshop]:
        with ExitStack() as stack:
            where = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=files or self.scratch)))
            sockets = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="br-")))
            # Undone before the directories go: the stack runs backwards.
            yield Workshop(where, sockets, size, stack.enter_context(ExitStack()))

    def figures(self, server: Server, size: int, **options: object) -> dict:
        """One fio run on a server: rate and latencies."""
        job = fio(server, self.seconds + 60, time_based=1, runtime=f"{self.seconds * 1000:.0f}ms", size=size,
                  refill_buffers=1, group_reporting=1, **options)
        side = max(job["read"], job["write"], key=lambda s: s["total_ios"])
        latency = side["lat_ns"]["percentile"]
        return {"IOPS": side["iops"], "MiB/s": side["bw_bytes"] / MIB, "p50 us": latency["50.000000"] / 1000,
                "p99 us": latency["99.000000"] / 1000, "p99.9 us": latency["99.900000"] / 1000}


def depth(bench: Bench) -> list[dict]:
    rows = []
    for name in ("nbdkit", "blockrepl", "blockrepl-alone", "qemu-mirror-nbdkit"):
        with bench.workshop(256 * MIB) as shop:
            server = start_blockrepl(shop, name) if name in SHAPES else start_peer(shop, name)
            fill(server, shop.size, {"refill_buffers": 1})
            for depth_ in bench.some([1, 2, 4, 8, 16, 32, 64, 128]):
                rows.append({"server": name, "depth": depth_} | bench.figures(server, shop.size, rw="randwrite", bs="4k", iodepth=depth_))
    return rows


def block_size(bench: Bench) -> list[dict]:
    rows = []
    for name in ("nbdkit", "blockrepl"):
        with bench.workshop(256 * MIB) as shop:
            server = start_blockrepl(shop, name) if name in SHAPES else start_peer(shop, name)
            fill(server, shop.size, {"refill_buffers": 1})
            for size in bench.some(["512", "4k", "16k", "64k", "256k", "1M", "4M", "16M", "32M"]):
                rows.append({"server": name, "block": size} | bench.figures(server, shop.size, rw="write", bs=size, iodepth=4))
    return rows


def connections(bench: Bench) -> list[dict]:
    rows = []
    for name in ("nbdkit", "blockrepl"):
        with bench.workshop(256 * MIB) as shop:
            server = start_blockrepl(shop, name) if name in SHAPES else start_peer(shop, name)
            fill(server, shop.size, {"refill_buffers": 1})
            for count in bench.some([1, 2, 4, 8, 16]):
                rows.append({"server": name, "connections": count}
                            | bench.figures(server, shop.size, rw="randwrite", bs="4k", iodepth=8, numjobs=count))
    return rows


def fdatasyncs(path: Path) -> int:
    """What perf counted."""
    for line in path.read_text().splitlines() if path.exists() else []:
        fields = line.split(",")
        if len(fields) > 2 and fields[2].endswith("sys_enter_fdatasync") and fields[0].isdigit():
            return int(fields[0])
    raise Failure("perf cannot count fdatasync calls here: it needs root, and tracefs on /sys/kernel/tracing")


def flush_storm(bench: Bench) -> list[dict]:
    """Several clients that flush after each write: how many fdatasync calls a flush costs."""
    require_commands(["perf"])
    rows = []
    for count in bench.some([1, 2, 4, 8, 16]):
        with bench.workshop(64 * MIB) as shop:
            server = start_blockrepl(shop, "blockrepl")
            fill(server, shop.size, {"refill_buffers": 1})
            # perf counts in the kernel; strace would stop the daemons at every system call, and be what is measured.
            counts = [shop.files / f"perf.{pid}" for pid in server.pids]
            counters = [subprocess.Popen(["perf", "stat", "-x,", "-e", "syscalls:sys_enter_fdatasync", "-o", count_, "-p", str(pid)],
                                         stderr=subprocess.DEVNULL) for pid, count_ in zip(server.pids, counts)]
            job = fio(server, bench.seconds + 60, time_based=1, runtime=f"{bench.seconds * 1000:.0f}ms", size=shop.size,
                      rw="randwrite", bs="4k", iodepth=1, fsync=1, numjobs=count, group_reporting=1)
            for counter in counters:
                counter.send_signal(signal.SIGINT)      # what makes perf write its figures
                counter.wait()
            calls = [fdatasyncs(count_) for count_ in counts]
            flushes = job["sync"]["total_ios"]
            rows.append({"clients": count, "flushes": flushes, "fdatasync Primary": calls[0], "fdatasync Secondary": calls[1],
                         "calls a flush on the Primary": calls[0] / max(1, flushes),
                         "on the Secondary": calls[1] / max(1, flushes)})
    return rows


def distance(bench: Bench) -> list[dict]:
    """A relay before the node that is dialled holds every byte back for half the round trip, in each direction."""
    rows = []
    for delay_ms in bench.some([0, 0.5, 2, 20]):
        for protocol in ("blockrepl", "blockrepl-A"):
            with bench.workshop(64 * MIB) as shop:
                server = start_blockrepl(shop, protocol, through=lambda listen, target: relay(bench, shop, listen, target, delay_ms))
                fill(server, shop.size, {"refill_buffers": 1})
                for depth_ in (1, 32):
                    rows.append({"added round trip ms": delay_ms, "server": protocol, "depth": depth_}
                                | bench.figures(server, shop.size, rw="randwrite", bs="4k", iodepth=depth_))
                rows.append({"added round trip ms": delay_ms, "server": protocol, "depth": "8 x 1M"}
                            | bench.figures(server, shop.size, rw="write", bs="1M", iodepth=8))
    return rows


def relay(bench: Bench, shop: Workshop, listen: int, target: int, round_trip_ms: float) -> None:
    process = Process(shop.socket(f"relay-{listen}.log"), str(bench.relay), str(listen), str(target), str(int(round_trip_ms * 500)))
    shop.stack.callback(process.stop)
    wait_until(lambda: "ready" in process.log.read_text(), "the relay listens", START_TIMEOUT, [process])


def volume_size(bench: Bench) -> list[dict]:
    """One node, sparse files in memory: a disk's file system may not allow a file of 64 TiB."""
    rows = []
    for size in bench.some([GIB, 16 * GIB, 256 * GIB, 1024 * GIB, 4096 * GIB, 16384 * GIB, 65536 * GIB]):
        with bench.workshop(size, Path("/dev/shm")) as shop:
            began = time.monotonic()
            server = start_blockrepl(shop, "blockrepl-alone")
            ready = time.monotonic() - began
            rows.append({"size GiB": size // GIB, "create, start, promote s": ready, "memory MiB": resident(server.pids[0]) / MIB,
                         "metadata on disk MiB": server.nodes[0].disk.stat().st_blocks * 512 / MIB}
                        | bench.figures(server, 64 * MIB, rw="randwrite", bs="4k", iodepth=8))
    return rows


def volumes(bench: Bench) -> list[dict]:
    rows = []
    for count in bench.some([1, 4, 16, 64]):
        with bench.workshop(16 * MIB) as shop:
            began = time.monotonic()
            server = start_blockrepl(shop, "blockrepl", volumes=count)
            ready = time.monotonic() - began
            rows.append({"volumes": count, "create, start, in sync s": ready, "memory MiB": max(map(resident, server.pids)) / MIB,
                         "threads": max(map(threads, server.pids))}
                        | bench.figures(server, shop.size, rw="randwrite", bs="4k", iodepth=8))
    return rows


def dirty_fraction(bench: Bench) -> list[dict]:
    """The Secondary is away while so much of 1 GiB changes: how long the resync takes, beside a plain copy of that much."""
    rows = []
    size = GIB if not bench.quick else 128 * MIB
    for percent in bench.some([1, 5, 25, 100]):
        with bench.workshop(size) as shop:
            server = start_blockrepl(shop, "blockrepl")
            fill(server, size, {"refill_buffers": 1})
            primary = server.nodes[0]
            primary("disconnect", "bench")
            fio(server, 300, rw="write", bs="1M", iodepth=4, size=size * percent // 100, refill_buffers=1)
            began = time.monotonic()
            primary("connect", "bench")
            server.nodes[1]("connect", "bench")
            wait_until(lambda: in_sync(primary), "the resync ends", 600, server.processes)
            took = time.monotonic() - began
            copy = plain_copy_seconds(server.nodes[0].disk, shop.files / "copy", size * percent // 100)
            rows.append({"changed %": percent, "resync s": took, "plain copy s": copy, "copy / resync": copy / took})
    return rows


def plain_copy_seconds(source: Path, target: Path, size: int) -> float:
    began = time.monotonic()
    subprocess.run(["dd", f"if={source}", f"of={target}", "bs=1M", f"count={max(1, size // MIB)}", "conv=fdatasync", "status=none"], check=True)
    return time.monotonic() - began


def resident(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) << 10
    raise Failure(f"process {pid} has no VmRSS")


def threads(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/task"))


@dataclass(frozen=True)
class Curve:
    question: str
    measure: Callable[[Bench], list[dict]]


CURVES = {
    "depth": Curve("4 KiB random writes by queue depth", depth),
    "block-size": Curve("sequential writes by block size, depth 4", block_size),
    "connections": Curve("4 KiB random writes at depth 8 by number of connections", connections),
    "flush-storm": Curve("clients that flush after each write: fdatasync calls a flush", flush_storm),
    "distance": Curve("writes by distance between the nodes", distance),
    "volume-size": Curve("one node by size of its volume", volume_size),
    "volumes": Curve("a pair by number of volumes", volumes),
    "dirty": Curve("resync by how much has changed", dirty_fraction),
}
