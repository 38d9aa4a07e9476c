"""A real `filterd run` for tests: a temporary school on loopback, its processes, its log, its metrics, its clients."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

from dnslib import EDNS0, QTYPE, DNSHeader, DNSQuestion, DNSRecord
from prometheus_client.parser import text_string_to_metric_families

from filterd.config.load import load_sources
from filterd.store import build
from tests import configs

REPO = Path(__file__).parent.parent
SCHOOL = """\
name: {vi: Trường Thử, en: Test School}
code: thu-01
time_zone: Asia/Ho_Chi_Minh
listen: ["127.0.0.1:5300"]
metrics: null
workers: 1
networks: [127.0.0.0/16, "::1/128"]
unknown_client: {tier: tieu-hoc}
upstreams: ["udp://127.0.0.9:9"]
"""
CLASSES = """\
classrooms:
  - {id: 3a, name: 3A, tier: tieu-hoc, subnets: [127.0.31.0/24]}
  - {id: 7-3, name: 7/3, tier: thcs, subnets: [127.0.73.0/24, "::1/128"], profile: video}
  - {id: 9x, name: 9X, tier: thcs, subnets: [127.0.90.0/24], profile: exam}
rooms:
  - {id: staff-room, name: Phòng giáo viên, tier: staff, subnets: [127.0.200.0/24]}
"""
PUPIL, SEVENTH, EXAM, STAFF, STRANGER, OUTSIDE = (
    "127.0.31.7", "127.0.73.7", "127.0.90.7", "127.0.200.7", "127.0.5.5", "127.9.9.9",
)  # fmt: skip


def until(condition: Callable[[], Any], what: str, within_s: float = 10.0) -> Any:
    """Wait for a condition and give its value; fail when it does not come true in time."""
    pause = threading.Event()
    deadline = time.monotonic() + within_s
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {within_s} s: {what}"
        pause.wait(0.01)
    return found


def write_school(directory: Path, names: str = "", **changes: str) -> tuple[Path, Path]:
    """A configuration directory and a state directory with a built table; `names` go on the list of adult names."""
    config, state = directory / "config", directory / "state"
    configs.write(config, **{"school": SCHOOL, "classes": CLASSES, **changes})
    if names:
        with (config / "blocklists/curated/adult.txt").open("a", encoding="utf-8") as file:
            file.write(names)
    build_table(config, state)
    return config, state


def build_table(config: Path, state: Path) -> str:
    """Compile the lists as `filterd lists build` does; gives the generation."""
    generation = build.build(load_sources(config), config / "blocklists", state, int(time.time())).generation
    assert generation is not None
    return generation


def replace(path: Path, data: bytes) -> None:
    """Publish a file as its writer would: beside, then renamed."""
    beside = path.with_name(path.name + ".beside")
    beside.write_bytes(data)
    beside.rename(path)


def free_port(host: str = "127.0.0.1") -> int:
    """A port that is free for UDP and TCP."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for _ in range(50):
        with socket.socket(family, socket.SOCK_DGRAM) as udp, socket.socket(family, socket.SOCK_STREAM) as tcp:
            udp.bind((host, 0))
            port = int(udp.getsockname()[1])
            try:
                tcp.bind((host, port))
            except OSError:
                continue
            return port
    raise AssertionError("no free port")


def has_ipv6() -> bool:
    """Whether ::1 exists here."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


def question(name: str, kind: str = "A", *, edns: bool = True, udp_bytes: int = 1232, rd: int = 1) -> DNSRecord:
    """A client's packet."""
    record = DNSRecord(DNSHeader(rd=rd), q=DNSQuestion(name, getattr(QTYPE, kind)))
    if edns:
        record.add_ar(EDNS0(udp_len=udp_bytes))
    return record


def ede_of(reply: DNSRecord) -> int | None:
    """The Extended DNS Error code of a reply."""
    for record in reply.ar:
        if record.rtype == QTYPE.OPT:
            for option in record.rdata:
                if option.code == 15:
                    return int.from_bytes(option.data[:2], "big")
    return None


def addresses(reply: DNSRecord) -> list[str]:
    """The A and AAAA records of a reply."""
    return [str(record.rdata) for record in reply.rr if record.rtype in (QTYPE.A, QTYPE.AAAA)]


def receive(sock: socket.socket) -> bytes:
    """One message from a TCP connection; empty when it was closed."""
    head = _exactly(sock, 2)
    return _exactly(sock, int.from_bytes(head, "big")) if head else b""


def _exactly(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = sock.recv(size - len(data))
        if not more:
            return b""
        data += more
    return data


def connected_ports(pid: int, remote: int | None = None) -> list[int]:
    """Local ports of a process's UDP sockets that are connected, to this port of 127.0.0.1 or to anything."""
    inodes = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = str(link.readlink())
        except OSError:
            continue
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    nobody, wanted = "00000000:0000", f"0100007F:{remote or 0:04X}"
    rows = [line.split() for line in Path("/proc/net/udp").read_text(encoding="ascii").splitlines()[1:]]
    return [
        int(local.split(":")[1], 16)
        for _, local, to, *_, inode in (row[:10] for row in rows)
        if inode in inodes and (to != nobody if remote is None else to == wanted)
    ]


def framed(packet: bytes) -> bytes:
    """A message with its length in front (RFC 1035 section 4.2.2)."""
    return len(packet).to_bytes(2, "big") + packet


class Server:
    """One run of the filter. Its standard error is the log; it must never hold a traceback."""

    def __init__(
        self,
        config: Path,
        state: Path,
        *flags: str,
        upstreams: tuple[str, ...] = (),
        workers: int = 1,
        ipv6: bool = False,
        ready: bool = True,
        bare: bool = False,
        before: Callable[[], None] | None = None,
        env: dict[str, str] | None = None,
    ) -> None:
        self.port = free_port()
        self.metrics_port = free_port()
        listen = [f"127.0.0.1:{self.port}"]
        if ipv6:
            self.port6 = free_port("::1")
            listen.append(f"[::1]:{self.port6}")
        options = [part for address in listen for part in ("--listen", address)]
        options += [part for url in upstreams for part in ("--upstream", url)]
        options += ["--workers", str(workers), "--metrics", f"127.0.0.1:{self.metrics_port}", *flags]
        if bare:
            options = []
        self.lines: list[str] = []
        self._news = threading.Condition()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "filterd", "run", "-c", str(config), "--state-dir", str(state), *options],
            stderr=subprocess.PIPE, text=True, cwd=REPO, preexec_fn=before, env={**os.environ, **(env or {})},
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()
        if ready:
            try:
                self.wait_log("DNS on ")
            except AssertionError:
                self.kill()
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.stop()
        else:
            self.kill()

    @property
    def log(self) -> str:
        with self._news:
            return "\n".join(self.lines)

    def wait_log(self, text: str, count: int = 1, within_s: float = 20.0) -> None:
        """Wait until the log holds this text so often."""

        def there() -> bool:
            return "\n".join(self.lines).count(text) >= count or not self._reader.is_alive()

        with self._news:
            self._news.wait_for(there, within_s)
            log = "\n".join(self.lines)
        assert log.count(text) >= count, f"{text!r} is not in the log:\n{log}"

    def stop(self, within_s: float = 10.0) -> float:
        """SIGTERM; gives the seconds it took to end. The run must have been without a traceback."""
        started = time.monotonic()
        if self.process.poll() is None:
            self.process.terminate()
        try:
            status = self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        took_s = time.monotonic() - started
        self._join()
        assert "Traceback" not in self.log, self.log
        assert status == 0, self.log
        return took_s

    def end(self, within_s: float = 20.0) -> int:
        """Wait for a run that ends by itself; its exit code."""
        status = self.process.wait(within_s)
        self._join()
        return status

    def kill(self) -> None:
        """End it and whatever it started, at once."""
        for pid in [*self.workers(), self.process.pid]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.wait()
        self._join()

    def workers(self) -> list[int]:
        """Process ids of the workers."""
        try:
            text = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        except OSError:
            return []
        return [int(pid) for pid in text.split()]

    def ask(
        self,
        name: str,
        kind: str = "A",
        source: str = PUPIL,
        *,
        tcp: bool = False,
        within_s: float = 5.0,
        to: str = "",
        **options: Any,
    ) -> DNSRecord:
        """One question from one address; TimeoutError when nothing comes."""
        record = question(name, kind, **options)
        reply = DNSRecord.parse(self.exchange(record.pack(), source, tcp=tcp, within_s=within_s, to=to))
        assert reply.header.id == record.header.id
        return reply

    def exchange(
        self, packet: bytes, source: str = PUPIL, *, tcp: bool = False, within_s: float = 5.0, to: str = ""
    ) -> bytes:
        """Any bytes to the server; what comes back first."""
        if tcp:
            with self.connect(source, within_s, to) as sock:
                sock.sendall(framed(packet))
                return receive(sock)
        with self.udp(source, within_s, to) as sock:
            sock.send(packet)
            return sock.recv(65536)

    def udp(self, source: str = PUPIL, within_s: float = 5.0, to: str = "") -> socket.socket:
        """A client's socket."""
        return self._client(socket.SOCK_DGRAM, source, within_s, to)

    def connect(self, source: str = PUPIL, within_s: float = 5.0, to: str = "") -> socket.socket:
        """A client's TCP connection."""
        return self._client(socket.SOCK_STREAM, source, within_s, to)

    def _client(self, kind: int, source: str, within_s: float, to: str) -> socket.socket:
        family, address = socket.AF_INET, (to or "127.0.0.1", self.port)
        if ":" in source:
            family, address = socket.AF_INET6, (to or "::1", self.port6)
        sock = socket.socket(family, kind)
        try:
            sock.settimeout(within_s)
            sock.bind((source, 0))
            sock.connect(address)
        except OSError:
            sock.close()
            raise
        return sock

    def metrics_text(self) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=5) as reply:
            return str(reply.read().decode())

    def metrics(self) -> dict[str, float]:
        """Sample name to the sum over its labels, and `name{label="value",...}` to each value."""
        found: dict[str, float] = {}
        for sample in self.samples():
            name, labels, value = sample
            found[name] = found.get(name, 0.0) + value
            if labels:
                found[name + "{" + ",".join(f'{k}="{v}"' for k, v in sorted(labels.items())) + "}"] = value
        return found

    def samples(self) -> Iterator[tuple[str, dict[str, str], float]]:
        for family in text_string_to_metric_families(self.metrics_text()):
            for sample in family.samples:
                yield sample.name, sample.labels, sample.value

    def wait_metric(self, name: str, wanted: Callable[[float], bool], within_s: float = 10.0) -> float:
        """Wait until a metric has a value that is wanted."""

        def there() -> tuple[float] | None:
            value = self.metrics().get(name, float("nan"))
            return (value,) if wanted(value) else None

        return float(until(there, name, within_s)[0])

    def _read_log(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._news:
                self.lines.append(re.sub(r"\x1b\[[0-9;]*m", "", line.rstrip("\n")))
                self._news.notify_all()
        with self._news:
            self._news.notify_all()

    def _join(self) -> None:
        self._reader.join(5)
        if self.process.stderr is not None and not self._reader.is_alive():
            self.process.stderr.close()
