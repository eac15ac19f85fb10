"""blockrepl - pairs of BlockRepl nodes on this machine, in the shapes worth comparing.

Each shape is started fresh: two daemons (one for `alone`), a volume of --size on
files beside those of the peers, both nodes in sync, the first one Primary. After
the run the two files are compared: a replicator that is fast because it does not
replicate must not win.
"""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from . import Failure
from .machine import Process, free_tcp_port, wait_until
from .peers import START_TIMEOUT, Server, Workshop, export_of

REPO = Path(__file__).resolve().parents[3]
BINARY = Path(os.environ.get("BLOCKREPL", REPO / "src/BlockRepl.Cli/bin/Release/net10.0/blockrepl"))
EXPORT = "bench/data"
METADATA_BYTES = 64 << 20       # room behind the data for the metadata; more than any size here needs


@dataclass(frozen=True)
class Shape:
    """How a pair is configured; `alone` has no peer at all."""
    about: str
    protocol: str = "C"
    tls: bool = False
    compression: str = "off"
    io: str = ""
    alone: bool = False
    relay: bool = False


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

    def __init__(self, name: str, where: Path, run: Path):
        self.name, self.where, self.run = name, where, run
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
        done = subprocess.run([BINARY, *verb], env=self.environment, capture_output=True, text=True, timeout=120)
        if check and done.returncode:
            raise Failure(f"blockrepl {' '.join(verb)} on {self.name} ended with {done.returncode}: "
                          f"{(done.stderr or done.stdout).strip()[-300:]}")
        return done

    def status(self) -> dict:
        done = self("status", "--json", check=False)
        return json.loads(done.stdout)[0] if done.returncode == 0 else {}


def configuration(shape: Shape, node: str, nodes: list[Node], ports: dict[str, int], size: int, tls: Path) -> str:
    """The YAML that the node reads; JSON is YAML, and needs no library to write."""
    names = [n.name for n in nodes]
    volume: dict[str, object] = {
        "disk": {n.name: str(n.disk) for n in nodes},
        "size": str(size + METADATA_BYTES),
    }
    if shape.io:
        volume["io"] = shape.io
    resource: dict[str, object] = {"volumes": {"data": volume}, "compression": shape.compression}
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


def start_blockrepl(shop: Workshop, name: str, dial_ports: dict[str, int] | None = None) -> Server:
    """A pair (or one node) in the shape of that name, in sync, its first node Primary.

    `dial_ports` names, by node, the port at which the other one reaches it, where
    something stands in between (a delaying relay); `ports` in it are then its targets.
    """
    if not BINARY.exists():
        raise Failure(f"{BINARY} is not built: dotnet build -c Release src/BlockRepl.Cli, or set BLOCKREPL")
    shape = SHAPES[name]
    where = shop.files / name
    where.mkdir()
    nodes = [Node(node, where, shop.socket(f"{name}-{node}")) for node in (["alpha"] if shape.alone else ["alpha", "beta"])]
    ports = dial_ports or {node.name: free_tcp_port() for node in nodes}
    tls = where / "tls"
    if shape.tls:
        for verb in (["certs", "init"], *(["certs", "node", node.name] for node in nodes)):
            subprocess.run([BINARY, *verb, "--dir", tls], check=True, capture_output=True)
    for node in nodes:
        node.config.write_text(configuration(shape, node.name, nodes, ports, shop.size, tls))
        node("create-md", "bench")
    processes = []
    for node in nodes:
        process = Process(shop.socket(f"{name}-{node.name}.log"), str(BINARY), "daemon", environment=node.environment)
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

    return Server(name, uri, f"BlockRepl, {shape.about}", False, [p.pid for p in processes], processes,
                  None if shape.alone else differs)
