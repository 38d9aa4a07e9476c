"""What every part stands on: a school with a running server, upstreams that can be killed, and paced questions.

The server is on one CPU, load and upstreams on another, as in the other benchmarks.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from lib import load, mix, pin, procstat
from lib.promises import speaker
from tests.conformance.lab import RATES
from tests.running import Server, free_port, until, write_school

FILES = mix.Files(Path(__file__).parent.parent.parent / ".cache" / str(mix.SEED))
SOURCES = tuple(f"127.0.{30 + c}.10" for c in range(mix.CLASSES))
UNLIMITED = f"limits: {{{RATES}}}\n"


@dataclass
class Backend:
    """One upstream process. `start` comes back when it answers."""

    ttl_s: int = 3600
    hostile: bool = False
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"udp://127.0.0.1:{self.port}"

    def __enter__(self) -> Backend:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        words = [str(self.port), str(self.ttl_s), *(["hostile"] if self.hostile else [])]
        self.process = pin.spawn([sys.executable, speaker.__file__, *words], pin.LOAD_CPU)
        until(lambda: address(self.port, "ready.example", within_s=0.05) == speaker.GOOD, "the upstream answers")

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def pause(self) -> None:
        """It goes on listening and says nothing more."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)


@contextlib.contextmanager
def school(more: str = UNLIMITED) -> Iterator[tuple[Path, Path]]:
    """Configuration and state directory of a school that blocks part of the mix's names; `more` ends school.yaml."""
    with tempfile.TemporaryDirectory(prefix="filterd-promises-") as directory:
        names = [name for rank, name in enumerate(mix.zipf_mix()) if mix.is_blocked_rank(rank)]
        config, state = write_school(Path(directory), "".join(f"{name}\n" for name in names))
        path = config / "policies/school.yaml"
        path.write_text(path.read_text(encoding="utf-8") + more, encoding="utf-8")
        yield config, state


@contextlib.contextmanager
def serving(*urls: str, more: str = UNLIMITED, workers: int = 1, env: dict[str, str] | None = None) -> Iterator[Server]:
    """A server with these upstreams in that order; the log of its run must be without a traceback."""
    with school(more) as (config, state), Server(
        config, state, upstreams=urls, workers=workers, before=alone if workers == 1 else spread, env=env
    ) as server:  # fmt: skip
        yield server


def alone() -> None:
    """The server's own CPU."""
    os.sched_setaffinity(0, {pin.SERVER_CPU})


def spread() -> None:
    """All CPUs: for several workers."""
    os.sched_setaffinity(0, range(os.cpu_count() or 1))


def warm(server: Server) -> None:
    """Have every question of the mix answered."""
    for _ in range(2):  # the second time for what was lost on the way
        load.once(server.port, FILES.warm(), SOURCES[0], seconds=30)


def warm_within_limits(server: Server, seconds: float) -> None:
    """As much of it as twenty clients may ask."""
    load.paced(server.port, FILES.classes(7), SOURCES, 3_000, seconds).finish()


def ask(port: int, file: Path, source: str, rate: int, seconds: float) -> load.Running:
    """Questions of one file at an even rate, latencies kept."""
    return load.paced(port, [file], (source,), rate, seconds, latencies=True)


def failures(seen: load.Load) -> int:
    """Answers that are SERVFAIL."""
    return seen.rcodes.get("SERVFAIL", 0)


def private_mb(server: Server) -> float:
    """Private memory of the largest worker, in MB."""
    return max(one.private for one in procstat.memory(server.process.pid)[1:]) / 1e6


class Watched:
    """The largest private memory seen between `look`s."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.before_mb = self.most_mb = private_mb(server)

    def look(self) -> None:
        self.most_mb = max(self.most_mb, private_mb(self.server))

    def during(self, seconds: float, step_s: float = 0.5) -> None:
        """Wait, looking on the way."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(step_s, left))
            self.look()


def packet(name: str, ident: int = 0x1234, kind: int = 1) -> bytes:
    """A question with RD and an OPT."""
    head = struct.pack(">HHHHHH", ident, 0x0100, 1, 0, 0, 1)
    return head + speaker.wire(name) + struct.pack(">HH", kind, 1) + b"\0\0\x29\x04\xd0" + bytes(6)


def address(port: int, name: str, source: str = SOURCES[0], within_s: float = 3.0) -> bytes | None:
    """The address that comes first in the answer; empty for an answer without, None for no reply."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((source, 0))
        sock.connect(("127.0.0.1", port))
        sock.settimeout(within_s)
        try:
            sock.send(packet(name))
            reply = sock.recv(4096)
        except OSError:
            return None
    return found(reply)


def found(reply: bytes) -> bytes:
    """The data of the first answer where that is an address; empty where there is none."""
    if reply[6:8] == b"\0\0":
        return b""
    end = reply.index(b"\0", 12) + 5
    return reply[end + 12 : end + 16] if reply[end + 2 : end + 4] == b"\0\1" else b""


def first_fresh_s(server: Server, word: str, limit_s: float = 8.0, step_s: float = 0.02) -> float:
    """Seconds until a name that nobody asked for before is answered; one is asked for every `step_s`."""
    began = time.monotonic()
    number = 0
    with server.udp(SOURCES[3], within_s=step_s) as sock:
        while (elapsed := time.monotonic() - began) < limit_s:
            number += 1
            sock.send(packet(f"{word}-{number}.example.org"))
            wait_until = time.monotonic() + step_s
            while (left := wait_until - time.monotonic()) > 0:
                sock.settimeout(left)
                with contextlib.suppress(TimeoutError):
                    if found(sock.recv(4096)) == speaker.GOOD:
                        return time.monotonic() - began
    return elapsed
