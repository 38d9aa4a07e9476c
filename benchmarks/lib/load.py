"""Owns the load: dnsperf, from one address as fast as it goes or from many at a fixed rate, and its counts."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from lib import pin

OUTSTANDING = 100  # dnsperf's default; what one busy client has in flight
TIMEOUT_S = 2


@dataclass
class Load:
    """What one or more dnsperf processes saw. `latencies_s` only where they were asked for."""

    sent: int = 0
    completed: int = 0
    seconds: float = 0.0
    rcodes: dict[str, int] = field(default_factory=dict)
    latencies_s: list[float] = field(default_factory=list)

    @property
    def lost(self) -> int:
        return self.sent - self.completed

    @property
    def rate(self) -> float:
        return self.completed / self.seconds if self.seconds else 0.0

    def latency_ms(self, share: float) -> float:
        """The latency that `share` of the answers (0 to 1) stayed within."""
        ordered = sorted(self.latencies_s)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000 if ordered else float("nan")


def saturate(port: int, queries: Path, seconds: float, source: str) -> Load:
    """Ask as fast as answers come, from one address, OUTSTANDING at a time."""
    return _gathered([_dnsperf(port, queries, source, "-l", f"{seconds:g}")])


def once(port: int, queries: Path, source: str, seconds: float = 120) -> Load:
    """Ask every line of a file once; `seconds` at most."""
    return _gathered([_dnsperf(port, queries, source, "-n", "1", "-l", f"{seconds:g}")])


def paced(
    port: int, queries: list[Path], sources: list[str], rate: int, seconds: float, *, latencies: bool = False
) -> Load:
    """Ask at `rate` a second in all, spread evenly over `sources`, each with its own file of queries."""
    return _gathered(start_paced(port, queries, sources, rate, seconds, latencies=latencies))


def start_paced(
    port: int, queries: list[Path], sources: list[str], rate: int, seconds: float, *, latencies: bool = False
) -> list[subprocess.Popen[str]]:
    """As `paced`, but return at once; `finish` waits and counts."""
    options = ["-l", f"{seconds:g}", "-Q", str(rate // len(sources))] + ["-v"] * latencies
    return [_dnsperf(port, file, source, *options) for file, source in zip(queries, sources, strict=True)]


def finish(running: list[subprocess.Popen[str]]) -> Load:
    """Wait for what `start_paced` started."""
    return _gathered(running)


def _dnsperf(port: int, queries: Path, source: str, *options: str) -> subprocess.Popen[str]:
    command = ["dnsperf", "-s", "127.0.0.1", "-p", str(port), "-a", source, "-d", str(queries)]
    command += ["-q", str(OUTSTANDING), "-t", str(TIMEOUT_S), "-O", "suppress=timeout", *options]
    return pin.spawn(command, pin.LOAD_CPU, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def _gathered(running: list[subprocess.Popen[str]]) -> Load:
    total = Load()
    for text in pin.outputs(running):
        one = parse(text)
        total.sent += one.sent
        total.completed += one.completed
        total.seconds = max(total.seconds, one.seconds)
        total.latencies_s += one.latencies_s
        for rcode, count in one.rcodes.items():
            total.rcodes[rcode] = total.rcodes.get(rcode, 0) + count
    return total


def parse(text: str) -> Load:
    """Read dnsperf's report. Raises ValueError where it is not one."""
    sent = re.search(r"Queries sent:\s+(\d+)", text)
    completed = re.search(r"Queries completed:\s+(\d+)", text)
    seconds = re.search(r"Run time \(s\):\s+([\d.]+)", text)
    if not (sent and completed and seconds):
        raise ValueError(f"dnsperf did not report: {text[-500:]}")
    codes = re.search(r"Response codes:\s+(.*)", text)
    counts = re.findall(r"(\w+) (\d+) \(", codes[1]) if codes else []
    latencies = [float(s) for s in re.findall(r"^> [A-Z]\w+ \S+ \S+ (\d+\.\d+)$", text, re.MULTILINE)]
    return Load(int(sent[1]), int(completed[1]), float(seconds[1]), {c: int(n) for c, n in counts}, latencies)
