"""A wall clock that is wrong (P15): a start in 1970, 2016 and 2038, and jumps of ten years while the server runs."""

from __future__ import annotations

import datetime
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from lib import load
from lib.promises import stage
from lib.promises.lines import Line, Size, missing
from lib.promises.stage import FILES, SOURCES, Backend
from tests.running import Server

SOURCE = Path(__file__).with_name("shifted_clock.c")  # libfaketime makes absolute sleeps of Python's fail
RATE = 1_000
STARTS = ("1970-01-02", "2016-02-01", "2038-01-20")
TEN_YEARS_S = 10 * 365 * 86400
JUMPS = {"+10 years": TEN_YEARS_S, "-10 years": -TEN_YEARS_S, "back": 0}
TARGET = "100 % answered"


class Shifted:
    """The environment of a process whose wall clock is moved by so many seconds; more can be said while it runs."""

    def __init__(self, directory: Path, compiler: str) -> None:
        self._file = directory / "shift"
        library = directory / "shifted_clock.so"
        subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", str(library), str(SOURCE)], check=True)
        self.environment = {"LD_PRELOAD": str(library), "SHIFTED_CLOCK": str(self._file)}
        self._file.write_bytes(bytes(8))

    def by(self, seconds: int) -> None:
        with self._file.open("r+b") as file:  # in place: it is mapped
            file.write(struct.pack("=q", seconds))

    def year(self) -> str:
        """The year that a process sees now: proof that it works."""
        command = [sys.executable, "-c", "import time; print(time.gmtime().tm_year)"]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=True)
        return done.stdout.strip()


def run(size: Size) -> Iterator[Line]:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        yield missing("clock", "there is no C compiler", TARGET)
        return
    with tempfile.TemporaryDirectory() as directory:
        clock = Shifted(Path(directory), compiler)
        for start in STARTS:
            moment = datetime.datetime.fromisoformat(f"{start}T03:14:00+00:00")
            clock.by(int(moment.timestamp() - time.time()))
            yield _started(size, clock)
        clock.by(0)
        yield _jumping(size, clock)


def _started(size: Size, clock: Shifted) -> Line:
    with Backend() as upstream, stage.serving(upstream.url, env=clock.environment) as server:
        seen = _load(server, size.seconds(5.0, 1.0))
        parts = [one.finish() for one in seen]
    return _line(f"clock, start in {clock.year()}", f"{RATE} queries/s", parts)


def _jumping(size: Size, clock: Shifted) -> Line:
    seconds = size.seconds(3.0, 0.8)
    years = []
    with Backend(ttl_s=2) as upstream, stage.serving(upstream.url, env=clock.environment) as server:
        seen = _load(server, seconds * (len(JUMPS) + 1))
        for shift_s in JUMPS.values():
            time.sleep(seconds)
            clock.by(shift_s)
            years.append(clock.year())
        parts = [one.finish() for one in seen]
        blocked = stage.address(server.port, "adult.example") == bytes(4)
    done = f"{RATE} queries/s, TTL 2 s, the clock set {', '.join(JUMPS)} while it runs (years: {', '.join(years)}); "
    return _line("clock, jumps", f"{done}blocked names {'stay' if blocked else 'do NOT stay'} blocked", parts)


def _load(server: Server, seconds: float) -> list[load.Running]:
    """Known and blocked names, and new ones."""
    return [
        stage.ask(server.port, FILES.mix(8), SOURCES[0], RATE * 8 // 10, seconds),
        stage.ask(server.port, FILES.miss(8), SOURCES[1], RATE * 2 // 10, seconds),
    ]


def _line(name: str, done: str, parts: list[load.Load]) -> Line:
    sent, lost = sum(one.sent for one in parts), sum(one.lost for one in parts)
    failed = sum(map(stage.failures, parts))
    figure = f"{(sent - lost - failed) / sent:.2%} of {sent:,} answered ({lost} lost, {failed} SERVFAIL)"
    return Line(name, done, figure, TARGET, lost + failed == 0)
