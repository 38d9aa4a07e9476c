"""Owns the load: dnsperf, from one address as fast as it goes or from many at a fixed rate, and its counts."""

from __future__ import annotations

import re
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

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


class Running:
    """dnsperf processes under way; `finish` waits for them and counts."""

    def __init__(self) -> None:
        self._processes: list[subprocess.Popen[str]] = []
        self._reports: list[IO[str]] = []

    def start(self, port: int, queries: Path, source: str, *options: str, outstanding: int = OUTSTANDING) -> Running:
        command = ["dnsperf", "-s", "127.0.0.1", "-p", str(port), "-a", source, "-d", str(queries)]
        command += ["-q", str(outstanding), "-t", str(TIMEOUT_S), "-O", "suppress=timeout", *options]
        report: IO[str] = tempfile.TemporaryFile("w+")  # noqa: SIM115  closed by pin.outputs
        self._processes.append(pin.spawn(command, pin.LOAD_CPU, stdout=report, stderr=subprocess.STDOUT, text=True))
        self._reports.append(report)
        return self

    def finish(self) -> Load:
        total = Load()
        for one in map(parse, pin.outputs(self._processes, self._reports)):
            total.sent += one.sent
            total.completed += one.completed
            total.seconds = max(total.seconds, one.seconds)
            total.latencies_s += one.latencies_s
            for rcode, count in one.rcodes.items():
                total.rcodes[rcode] = total.rcodes.get(rcode, 0) + count
        return total


def saturate(port: int, queries: Path, seconds: float, source: str) -> Load:
    """Ask as fast as answers come, from one address, OUTSTANDING at a time."""
    return Running().start(port, queries, source, "-l", f"{seconds:g}").finish()


def once(port: int, queries: Path, source: str, seconds: float = 120) -> Load:
    """Ask every line of a file once; `seconds` at most."""
    return Running().start(port, queries, source, "-n", "1", "-l", f"{seconds:g}").finish()


def paced(
    port: int, queries: list[Path], sources: tuple[str, ...], rate: int, seconds: float, *, latencies: bool = False
) -> Running:
    """Start asking at `rate` a second in all, spread evenly over `sources`, each with its own file of queries."""
    each = rate // len(sources)
    options = ["-l", f"{seconds:g}", "-Q", str(each)] + ["-v"] * latencies
    outstanding = each * (TIMEOUT_S + 1)  # a silent server must not slow the questions down
    running = Running()
    for file, source in zip(queries, sources, strict=True):
        running.start(port, file, source, *options, outstanding=outstanding)
    return running


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
