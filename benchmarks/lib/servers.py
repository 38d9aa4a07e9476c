"""Owns the servers under test: their configurations in a scratch directory, their start, their readiness, their end.

Every server listens on a port of 127.0.0.1, is pinned to the server's CPU and forwards to the scripted upstream.
`Server` is what the sections know; the peers are below it, filterd is in `lib.filterd_server`.
"""

from __future__ import annotations

import abc
import base64
import getpass
import shutil
import socket
import string
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from lib import mix, pin, procstat, upstream

TEMPLATES = Path(__file__).parent.parent / "peers"
UPSTREAM_PORT = 5390
START_LIMIT_S = 400.0


@dataclass(frozen=True)
class Place:
    """Where a server lives: its scratch directory, its ports and its table."""

    directory: Path
    port: int
    control_port: int
    table: Path
    names: int


class Server(abc.ABC):
    """One DNS server process. A subclass says how it is configured, called and told to take a new table."""

    kind = ""
    program = ""
    asked_hits = True  # whether it is asked what it has in its cache, swapped, and weighed
    asked_misses = True

    def __init__(self, place: Place) -> None:
        self.place = place
        self.process: subprocess.Popen[bytes] | None = None
        self.start_s = float("nan")
        self.start_note = ""  # what the start was spent on, where it is known

    @classmethod
    def available(cls) -> str:
        """Empty, or why this server cannot take part."""
        return "" if shutil.which(cls.program) else f"{cls.program} is not installed"

    @classmethod
    @abc.abstractmethod
    def version(cls) -> str:
        """Its name and number, for the report."""

    @abc.abstractmethod
    def configure(self) -> None:
        """Write all files the server needs; not part of any time measured."""

    @abc.abstractmethod
    def command(self) -> list[str]:
        """What starts it."""

    def reload(self) -> Callable[[], None] | None:
        """What makes the running server take its table anew, or None where it only can be restarted."""
        return None

    @property
    def pid(self) -> int:
        assert self.process
        return self.process.pid

    @property
    def log(self) -> Path:
        return self.place.directory / "log.txt"

    def start(self) -> None:
        """Start and wait for the first right answer; `start_s` is the time from exec to it."""
        with self.log.open("ab") as log:
            self.start_s = self._start(log)

    def _start(self, log: IO[bytes]) -> float:
        began = time.monotonic()
        self.process = pin.spawn(self.command(), pin.SERVER_CPU, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        asked = mix.name(0) if self.place.names else mix.zipf_mix()[0]
        while time.monotonic() - began < START_LIMIT_S:
            if self.process.poll() is not None:
                break
            if right_answer(self.place.port, asked, blocked=bool(self.place.names)):
                return time.monotonic() - began
        raise RuntimeError(f"{self.kind} did not start; its log ends: {self.log.read_text()[-2000:]}")

    def stop(self) -> None:
        if self.process:
            pin.stop(self.process)
            self.process = None

    def cpu_seconds(self) -> float:
        return procstat.cpu_seconds(self.pid)

    def memory(self) -> list[procstat.Memory]:
        return procstat.memory(self.pid)

    def write(self, template: str, **values: object) -> Path:
        """Fill in a committed configuration template."""
        text = (TEMPLATES / template).read_text()
        path = self.place.directory / template
        known = {"port": self.place.port, "upstream": UPSTREAM_PORT, "dir": self.place.directory, **values}
        path.write_text(string.Template(text).substitute(known))
        return path

    def names(self) -> Iterator[str]:
        with self.place.table.open() as lines:
            for line in lines:
                yield line.rstrip("\n")


class Unbound(Server):
    """unbound, one `local-zone: always_null` a name."""

    kind = "unbound"
    program = "unbound"
    modules = "iterator"
    rpz = ""

    @classmethod
    def version(cls) -> str:
        return _first_line("unbound", "-V")

    def configure(self) -> None:
        with (self.place.directory / "zones.conf").open("w") as out:
            out.writelines(self.zone_lines())
        self.write("unbound.conf", modules=self.modules, rpz=self.rpz)

    def zone_lines(self) -> Iterator[str]:
        return (f'local-zone: "{name}." always_null\n' for name in self.names())

    def command(self) -> list[str]:
        return ["unbound", "-d", "-c", str(self.place.directory / "unbound.conf")]

    def reload(self) -> Callable[[], None]:
        config = str(self.place.directory / "unbound.conf")
        return lambda: _run(["unbound-control", "-c", config, "reload"])


class UnboundRpz(Unbound):
    """unbound, the names in a response policy zone (two records each: the name, and all below it)."""

    kind = "unbound-rpz"
    modules = "respip iterator"

    def configure(self) -> None:
        zone = self.place.directory / "rpz.zone"
        with zone.open("w") as out:
            out.write("$ORIGIN rpz.bench.\n$TTL 300\n@ SOA localhost. root.localhost. 1 3600 600 86400 300\n")
            out.write("@ NS localhost.\n")
            out.writelines(f"{name} CNAME .\n*.{name} CNAME .\n" for name in self.names())
        self.rpz = f'rpz:\n    name: "rpz.bench."\n    zonefile: "{zone}"\n'
        super().configure()

    def zone_lines(self) -> Iterator[str]:
        return iter(())


class Dnsdist(Server):
    """dnsdist, the names in a SuffixMatchNode, NXDOMAIN for those below them."""

    kind = "dnsdist"
    program = "dnsdist"

    @classmethod
    def version(cls) -> str:
        return _first_line("dnsdist", "--version")

    def configure(self) -> None:
        key = base64.b64encode(mix.SEED.to_bytes(32, "big")).decode()
        self.write("dnsdist.conf", key=key, control=self.place.control_port, names=self.place.table)

    def command(self) -> list[str]:
        return ["dnsdist", "--supervised", "--disable-syslog", "-C", str(self.place.directory / "dnsdist.conf")]

    def reload(self) -> Callable[[], None]:
        config = str(self.place.directory / "dnsdist.conf")
        return lambda: _run(["dnsdist", "-C", config, "-e", "build()"])


class Dnsmasq(Server):
    """dnsmasq, one `address=/name/#` a name. It can only be restarted with a new table."""

    kind = "dnsmasq"
    program = "dnsmasq"
    asked_misses = False
    cache = 100_000

    @classmethod
    def version(cls) -> str:
        return _first_line("dnsmasq", "--version")

    def configure(self) -> None:
        with (self.place.directory / "zones.conf").open("w") as out:
            out.writelines(f"address=/{name}/#\n" for name in self.names())
        self.write("dnsmasq.conf", user=getpass.getuser(), cache=self.cache)

    def command(self) -> list[str]:
        return ["dnsmasq", f"--conf-file={self.place.directory / 'dnsmasq.conf'}"]


class DnsmasqSmall(Dnsmasq):
    """dnsmasq with its default cache: a full one is searched as a whole at every insertion, so size costs misses."""

    kind = "dnsmasq-150"
    asked_hits = False
    asked_misses = True
    cache = 150


def start_upstream() -> subprocess.Popen[bytes]:
    """The scripted upstream on the load generator's CPU, ready to answer."""
    process = pin.spawn([sys.executable, upstream.__file__, str(UPSTREAM_PORT)], pin.LOAD_CPU)
    limit = time.monotonic() + 5
    while not right_answer(UPSTREAM_PORT, "example.com", blocked=False):
        if time.monotonic() > limit or process.poll() is not None:
            raise RuntimeError("the scripted upstream did not start")
    return process


def right_answer(port: int, name: str, *, blocked: bool, source: str = "127.0.31.10") -> bool:
    """Ask for the address of a name and say whether the answer is as it should be; waits 20 ms at most."""
    question = b"".join(bytes((len(part),)) + part.encode() for part in name.split(".")) + b"\0\0\1\0\1"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((source, 0))
        sock.connect(("127.0.0.1", port))
        sock.settimeout(0.02)
        try:
            sock.send(struct.pack(">HHHHHH", 0x1234, 0x0100, 1, 0, 0, 0) + question)
            reply = sock.recv(4096)
        except OSError:  # not listening yet, or not answering yet
            time.sleep(0.001)
            return False
    rcode, answers = reply[3] & 15, reply[7]
    if blocked:
        return rcode == 3 or (rcode == 0 and answers > 0 and bytes(4) in reply[12 + len(question) :])
    return rcode == 0 and upstream.IPV4 in reply


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=120)


def _first_line(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout or done.stderr).splitlines()[0].strip()


PEERS: tuple[type[Server], ...] = (Unbound, UnboundRpz, Dnsdist, Dnsmasq, DnsmasqSmall)
