"""history - one line a run in bench/history.ndjson.

A line is for looking back: which commit, which machine, which settings, and the
medians of the ratios. Compare lines of one machine only, and ratios only; to
compare two commits, build both and measure them in one run.
"""

import json
import subprocess
import time
from pathlib import Path

from .report import Results
from .workloads import METRICS

REPO = Path(__file__).resolve().parents[3]


def git(*words: str) -> str:
    done = subprocess.run(["git", "-C", REPO, *words], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def line_for(results: Results, machine: dict[str, str], settings: dict, peers: list[str]) -> str:
    """The run as one line of JSON."""
    def rounded(spread):
        return spread and round(spread.median, 3)
    return json.dumps({
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "commit": git("rev-parse", "--short=12", "HEAD") or None,
        "changed": bool(git("status", "--porcelain", "--", "src", "native")),
        "machine": machine["cores"], "kernel": machine["kernel"], "settings": settings,
        "medians": {w: {s: {m: rounded(results.spread(w, s, m)) for m in METRICS} for s in results.servers}
                    for w in results.workloads},
        "ratios": {w: {s: {p: rounded(results.ratio(w, s, p)) for p in peers if p != s} for s in results.servers}
                   for w in results.workloads},
    }, separators=(",", ":"))


def append(path: Path, line: str) -> None:
    with open(path, "a", encoding="utf-8") as file:
        file.write(line + "\n")
