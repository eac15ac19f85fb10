"""machine - processes, the CPU time they use, and the machine they run on.

A benchmark that leaves servers behind spoils the next one, so every `Process`
here is tied to its parent by the kernel (PR_SET_PDEATHSIG, through setpriv):
it goes away even when the benchmark is killed with SIGKILL. Processes are
stopped by pid, never by name.
"""

import os
import platform
import shutil
import socket
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

from . import Failure

TICK = 1 / os.sysconf("SC_CLK_TCK")

# command -> the Debian package that has it
PACKAGES = {
    "perf": "linux-perf",
    "fio": "fio",
    "nbdinfo": "libnbd-bin",
    "nbdkit": "nbdkit",
    "qemu-nbd": "qemu-utils",
    "qemu-storage-daemon": "qemu-system-common",
    "setpriv": "util-linux",
    "sync": "coreutils",
}


def require_commands(commands: Iterable[str]) -> None:
    """Fail with the apt-get line that would help, if any of these is missing."""
    missing = [c for c in commands if not shutil.which(c)]
    if missing:
        packages = sorted({PACKAGES[c] for c in missing})
        raise Failure(f"not installed: {', '.join(missing)}; "
                      f"try: apt-get install {' '.join(packages)}")


class Process:
    """A server of ours: its own session, its output in a log, dead when we are."""

    def __init__(self, log: Path, *argv: str, environment: dict[str, str] | None = None):
        self.argv, self.log = argv, log
        with open(log, "wb") as out:
            self.popen = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", *argv], env=environment,
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)
        self.pid = self.popen.pid           # setpriv execs: it stays this pid

    def check(self) -> None:
        code = self.popen.poll()
        if code is not None:
            said = self.log.read_text(errors="replace").strip()[-500:] or "nothing"
            raise Failure(f"{self.argv[0]} ended with status {code}; it said: {said}")

    def stop(self) -> None:
        for ask in (self.popen.terminate, self.popen.kill):
            ask()
            try:
                self.popen.wait(timeout=5)
                return
            except subprocess.TimeoutExpired:
                pass


def wait_until(ready, what: str, timeout: float, processes: Iterable[Process] = ()) -> None:
    """Poll `ready()`; give up early when a process that should get us there has died."""
    deadline = time.monotonic() + timeout
    while not ready():
        for process in processes:
            process.check()
        if time.monotonic() > deadline:
            raise Failure(f"{what}: not within {timeout:.0f} s")
        time.sleep(0.02)


def free_tcp_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def cpu_seconds(pids: Iterable[int]) -> float:
    """CPU time used so far by these processes, their threads and their descendants.

    Adding the time of reaped children (cutime, cstime) to that of the living
    keeps the sum steady when a child exits between two readings: its time moves
    to its parent's account.
    """
    used, children = {}, {}
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        try:
            stat = Path(entry.path, "stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        # pid (comm) state ppid ... ; comm may hold spaces and parentheses
        fields = stat.rpartition(")")[2].split()
        pid = int(entry.name)
        used[pid] = sum(map(int, fields[11:15])) * TICK     # utime stime cutime cstime
        children.setdefault(int(fields[1]), []).append(pid)
    todo, family = list(pids), set()
    for pid in todo:
        if pid not in used:
            raise Failure(f"process {pid} is not there (any more)")
    while todo:
        pid = todo.pop()
        if pid not in family:
            family.add(pid)
            todo += children.get(pid, ())
    return sum(used[pid] for pid in family)


def machine_busy_seconds() -> float:
    """CPU time that anything at all, and the hypervisor's other guests, took from us."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, fields[1:9])
    return (user + nice + system + irq + softirq + steal) * TICK


def memory_available() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) << 10
    return 0


def load_average() -> str:
    return " ".join(f"{x:.2f}" for x in os.getloadavg())


def notes() -> dict[str, str]:
    """What one has to know about the machine to read its numbers."""
    def first_line(*argv: str) -> str:
        if not shutil.which(argv[0]):
            return f"no {argv[0]}"
        out = subprocess.run(argv, capture_output=True, text=True, timeout=10).stdout
        return out.partition("\n")[0].partition(" (")[0].strip()

    def read(path: str) -> str:
        try:
            return Path(path).read_text().strip()
        except OSError:
            return "none"

    model = next((line.partition(":")[2].strip()
                  for line in read("/proc/cpuinfo").splitlines()
                  if line.startswith("model name")), platform.machine())
    idle = "/sys/devices/system/cpu/cpuidle/current_"
    return {
        "cores": f"{len(os.sched_getaffinity(0))} usable of {os.cpu_count()}, {model}",
        "cpu idle": f"driver {read(idle + 'driver')}, governor {read(idle + 'governor_ro')}",
        "kernel": platform.release(),
        "load at start": load_average(),
        "memory": f"{memory_available() >> 20} MiB available",
        "tcp": read("/proc/sys/net/ipv4/tcp_congestion_control"),
        "versions": ", ".join(first_line(tool, "--version")
                              for tool in ("fio", "nbdkit", "qemu-nbd")),
    }
