"""blockrepl - pairs of BlockRepl nodes on this machine, in the shapes worth comparing.

Each shape is started fresh: two daemons (one for `alone`), a volume of --size on
files beside those of the peers, both nodes in sync, the first one Primary. After
the run the two files are compared: a replicator that is fast because it does not
replicate must not win.
"""

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from . import Failure
from .machine import Process, free_tcp_port, wait_until
from .peers import START_TIMEOUT, Server, Workshop, export_of

REPO = Path(__file__).resolve().parents[3]
BINARY = Path(os.environ.get("BLOCKREPL", REPO / "src/BlockRepl.Cli/bin/Release/net10.0/blockrepl"))
EXPORT = "bench/data"


def metadata_bytes(size: int) -> int:
    """Room behind the data for the metadata: a bit for each 4 KiB, and plenty for the rest."""
    return (64 << 20) + size // 4096 // 8 * 2


@dataclass
class Pair(Server):
    """A server that is a pair of nodes, the Primary first; or one node alone."""
    nodes: list["Node"] = field(default_factory=list)


@dataclass(frozen=True)
class Shape:
    """How a pair is configured; `alone` has no peer at all."""
    about: str
    protocol: str = "C"
    tls: bool = False
    compression: str = "off"
    io: str = ""
    alone: bool = False


SHAPES = {
    "blockrepl": Shape("protocol C, clear text, no compression"),
    "blockrepl-alone": Shape("no peer configured", alone=True),
    "blockrepl-A": Shape("protocol A", protocol="A"),
    "blockrepl-B": Shape("protocol B", protocol="B"),
    "blockrepl-tls": Shape("protocol C over mutual TLS", tls=True),
    "blockrepl-lz4": Shape("protocol C, compression: lz4", compression="lz4"),
    "blockrepl-auto": Shape("protocol C, compression: auto", compression="auto"),
    "blockrepl-direct": Shape("protocol C, io: direct on both nodes", io="direct"),
    "blockrepl-alone-direct": Shape("no peer configured, io: direct", io="direct", alone=True),
}


class Node:
    """One daemon: its directory, its configuration, and its verbs."""

    def __init__(self, name: str, where: Path, run: Path, binary: Path):
        self.name, self.where, self.run, self.binary = name, where, run, binary
        self.disk = where / f"{name}.img"
        self.config = where / f"{name}.yaml"
        run.mkdir(mode=0o700)

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {"BLOCKREPL_NODE": self.name, "BLOCKREPL_CONFIG": str(self.config),
                             "BLOCKREPL_RUN_DIR": str(self.run)}

    @property
    def socket(self) -> Path:
        return self.run / "nbd.sock"

    def __call__(self, *verb: str, check: bool = True) -> subprocess.CompletedProcess:
        done = subprocess.run([self.binary, *verb], env=self.environment, capture_output=True, text=True, timeout=120)
        if check and done.returncode:
            raise Failure(f"blockrepl {' '.join(verb)} on {self.name} ended with {done.returncode}: "
                          f"{(done.stderr or done.stdout).strip()[-300:]}")
        return done

    def status(self) -> dict:
        done = self("status", "--json", check=False)
        return json.loads(done.stdout)[0] if done.returncode == 0 else {}


def configuration(shape: Shape, node: str, nodes: list[Node], ports: dict[str, int], size: int, tls: Path,
                  volumes: int = 1) -> str:
    """The YAML that the node reads; JSON is YAML, and needs no library to write."""
    names = [n.name for n in nodes]
    def volume(nr: int) -> dict[str, object]:
        found: dict[str, object] = {
            "disk": {n.name: str(n.disk) + (f".{nr}" if nr else "") for n in nodes},
            "size": str(size + metadata_bytes(size)),
        }
        return found | ({"io": shape.io} if shape.io else {})

    resource: dict[str, object] = {
        "volumes": {"data" if nr == 0 else f"data{nr}": volume(nr) for nr in range(volumes)},
        "compression": shape.compression,
    }
    if not shape.alone:
        resource |= {"protocol": shape.protocol, "fencing": "dont-care"}
    top: dict[str, object] = {
        "nodes": {name: {"address": f"127.0.0.1:{ports[name]}"} for name in names},
        "resources": {"bench": resource},
    }
    if shape.tls:
        top["tls"] = {"ca": str(tls / "ca.pem"), "cert": str(tls / f"{node}.pem"), "key": str(tls / f"{node}.key")}
    elif not shape.alone:
        top["tls"] = "off"
    return json.dumps(top, indent=1)


def in_sync(node: Node) -> bool:
    status = node.status()
    mine = all(v["disk_state"] == "UpToDate" for v in status.get("volumes", [])) and status.get("volumes")
    theirs = all(v["replication_state"] == "Established" and v["peer_disk_state"] == "UpToDate"
                 and v["out_of_sync_bytes"] == 0 for c in status.get("connections", []) for v in c["volumes"])
    return bool(mine and theirs)


def start_blockrepl(shop: Workshop, name: str, shape_name: str | None = None, binary: Path = BINARY, volumes: int = 1,
                    through: Callable[[int, int], None] | None = None) -> Pair:
    """A pair (or one node) in the shape of that name, in sync, its first node Primary.

    `name` is what the tables call it, `shape_name` its shape if that is another
    one, and `binary` the build to run: another one to compare two builds in one run.
    `through(listen, target)` starts what stands between the nodes, if anything does:
    it listens on one port and passes on to the other.
    """
    if not binary.exists():
        raise Failure(f"{binary} is not built: dotnet build -c Release src/BlockRepl.Cli, or set BLOCKREPL")
    shape = SHAPES[shape_name or name]
    where = shop.files / name
    where.mkdir()
    nodes = [Node(node, where, shop.socket(f"{name}-{node}"), binary) for node in (["alpha"] if shape.alone else ["alpha", "beta"])]
    ports = {node.name: free_tcp_port() for node in nodes}
    seen = {node.name: dict(ports) for node in nodes}
    if through:
        for node in nodes:      # whoever dials meets the relay
            for other in nodes:
                if other is not node:
                    seen[node.name][other.name] = free_tcp_port()
                    through(seen[node.name][other.name], ports[other.name])
    tls = where / "tls"
    if shape.tls:
        for verb in (["certs", "init"], *(["certs", "node", node.name] for node in nodes)):
            subprocess.run([binary, *verb, "--dir", tls], check=True, capture_output=True)
    for node in nodes:
        node.config.write_text(configuration(shape, node.name, nodes, seen[node.name], shop.size, tls, volumes))
        node("create-md", "bench")
    processes = []
    for node in nodes:
        process = Process(shop.socket(f"{name}-{node.name}.log"), str(binary), "daemon", environment=node.environment)
        shop.stack.callback(process.stop)
        processes.append(process)
        wait_until(lambda node=node: bool(node.status()), f"{name}: {node.name} answers", START_TIMEOUT, processes)
    first = nodes[0]
    if not shape.alone:
        first("wait-connect", "bench", "--timeout", "30s")
        first("new-current-uuid", "bench", "--clear-bitmap")     # the files are new: equal, all zeroes
    first(*(["primary", "bench", "--force"] if shape.alone else ["primary", "bench"]))
    if not shape.alone:
        wait_until(lambda: in_sync(first), f"{name}: in sync", 60, processes)
    uri = f"nbd+unix:///{EXPORT}?socket={first.socket}"
    wait_until(lambda: export_of(uri), f"{name} answers", START_TIMEOUT, processes)

    def differs() -> bool:
        wait_until(lambda: in_sync(first), f"{name}: in sync at the end", 60, processes)
        return subprocess.run(["cmp", "-s", "-n", str(shop.size), nodes[0].disk, nodes[1].disk], check=False).returncode != 0

    return Pair(name, uri, f"BlockRepl, {shape.about}", False, [p.pid for p in processes], processes,
                None if shape.alone else differs, nodes)
