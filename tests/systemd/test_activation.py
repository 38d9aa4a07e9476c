"""The filter started as its units start it: sockets handed over, no root, no capability, READY and WATCHDOG told."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from dnslib import DNSRecord

from tests.running import (
    PUPIL,
    REPO,
    STAFF,
    addresses,
    ede_of,
    framed,
    free_port,
    question,
    receive,
    until,
    write_school,
)
from tests.systemd.units import SOCKET

NOBODY = 65534
LAUNCHER = Path(__file__).with_name("launcher.py")
PATIENCE_S = 20.0


@dataclass
class Started:
    """A service under test: the process, its port, and what it told systemd."""

    process: subprocess.Popen[bytes]
    port: int
    told: socket.socket
    words: list[str] = field(default_factory=list)

    def wait_told(self, word: str) -> None:
        """Wait for a line of sd_notify(3)."""

        def there() -> bool:
            if word not in self.words:
                self.words += self.told.recv(4096).decode().splitlines()
            return word in self.words

        until(there, word, PATIENCE_S)

    def udp(self, name: str, source: str) -> DNSRecord:
        family, server = (socket.AF_INET6, "::1") if ":" in source else (socket.AF_INET, "127.0.0.1")
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.settimeout(PATIENCE_S)
            sock.bind((source, 0))
            sock.connect((server, self.port))
            sock.send(question(name).pack())
            return DNSRecord.parse(sock.recv(4096))

    def tcp(self, name: str, source: str) -> DNSRecord:
        server = "::1" if ":" in source else "127.0.0.1"
        with socket.create_connection((server, self.port), PATIENCE_S, (source, 0)) as sock:
            sock.sendall(framed(question(name).pack()))
            return DNSRecord.parse(receive(sock))

    def processes(self) -> list[int]:
        """The parent and its workers."""
        pid = self.process.pid
        return [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]


def privileges(uid: int) -> list[str]:
    """The command that gives up what the unit gives up. Without root there is nothing to give up."""
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("setpriv is not installed")
    drop = ["--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]
    return [setpriv, *([f"--reuid={uid}", f"--regid={uid}"] if uid else []), "--clear-groups", *drop]


@pytest.fixture(scope="module")
def uid() -> int:
    """An unprivileged user who can reach this Python and this checkout; else this user, without any capability."""
    if os.geteuid() != 0:
        return os.geteuid()
    # setpriv itself finds the program with root's rights still, but workers are started without: so `env` in between.
    command = [*privileges(NOBODY), "env", sys.executable, "-c", "import filterd.dns.parent"]
    reached = subprocess.run(command, capture_output=True, cwd=REPO, timeout=60).returncode == 0
    return NOBODY if reached else 0


@pytest.fixture
def school(uid: int) -> Iterator[tuple[Path, Path]]:
    """Configuration and state where that user may read them; tmp_path is closed to others."""
    with tempfile.TemporaryDirectory() as directory:
        config, state = write_school(Path(directory))
        if os.geteuid() == 0:
            for path in [Path(directory), *Path(directory).rglob("*")]:
                os.chown(path, uid, uid)
        yield config, state


@contextmanager
def service(command: list[str], port: int, directory: Path) -> Iterator[Started]:
    """Run a command with a listening ear for sd_notify, as systemd would, and end it as systemd would."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(str(directory / "notify"))
        (directory / "notify").chmod(0o777)
        told.settimeout(PATIENCE_S)
        process = subprocess.Popen(command, cwd=REPO, env={**os.environ, **ears(directory)})
        try:
            yield Started(process, port, told)
            process.terminate()
            assert process.wait(PATIENCE_S) == 0
        finally:
            process.kill()
            process.wait()


def ears(directory: Path) -> dict[str, str]:
    """What systemd puts into the environment of a Type=notify service with WatchdogSec=2."""
    return {"NOTIFY_SOCKET": str(directory / "notify"), "WATCHDOG_USEC": "2000000", "PYTHONPATH": str(REPO)}


def run_command(school: tuple[Path, Path], workers: int) -> list[str]:
    config, state = school
    python = [sys.executable, "-m", "filterd", "run", "-c", str(config), "--state-dir", str(state)]
    return [*python, "--workers", str(workers)]


def activate(*options: str, directory: Path) -> list[str]:
    """`systemd-socket-activate`, which hands its environment on only where told."""
    tool = shutil.which("systemd-socket-activate")
    if tool is None:
        pytest.skip("systemd-socket-activate is not installed")
    return [tool, *options, *(f"--setenv={key}={value}" for key, value in ears(directory).items())]


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_first_query_that_systemd_held_is_answered(school: tuple[Path, Path], uid: int, transport: str) -> None:
    port, directory = free_port(), school[0].parent
    kind = ["--datagram"] if transport == "udp" else []
    command = activate(f"--listen=127.0.0.1:{port}", *kind, directory=directory)
    with service([*command, *privileges(uid), *run_command(school, 1)], port, directory) as started:
        until(lambda: listening(transport, port), "a socket of systemd-socket-activate", PATIENCE_S)
        blocked = getattr(started, transport)("adult.example", PUPIL)
        assert addresses(blocked) == ["0.0.0.0"]
        assert ede_of(blocked) == 15
        assert capabilities(started.processes()) == {0}


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_all_sockets_of_the_unit_are_served(school: tuple[Path, Path], uid: int, workers: int) -> None:
    port, directory = free_port(), school[0].parent
    launcher = [sys.executable, str(LAUNCHER), str(SOCKET), str(port)]
    with service([*launcher, *privileges(uid), *run_command(school, workers)], port, directory) as started:
        started.wait_told("READY=1")
        assert f"MAINPID={started.process.pid}" in started.words
        assert len(started.processes()) == 1 + workers
        assert capabilities(started.processes()) == {0}
        assert users(started.processes()) == {uid}
        sources = [PUPIL, STAFF, *(f"127.0.31.{i}" for i in range(20, 28)), *ipv6_sources()]
        for source in sources:
            assert ede_of(started.udp("adult.example", source)) == 15, source
            assert ede_of(started.tcp("adult.example", source)) == 15, source
        started.wait_told("WATCHDOG=1")


def listening(transport: str, port: int) -> bool:
    """Whether some process has a socket at this port of 127.0.0.1."""
    table = Path(f"/proc/net/{transport}").read_text()
    return re.search(rf" 0100007F:{port:04X} ", table) is not None


def ipv6_sources() -> list[str]:
    return ["::1"] if Path("/proc/net/if_inet6").exists() and "lo" in Path("/proc/net/if_inet6").read_text() else []


def capabilities(processes: list[int]) -> set[int]:
    """All capability sets of the processes that let them do anything."""
    status = "\n".join(Path(f"/proc/{pid}/status").read_text() for pid in processes)
    return {int(mask, 16) for mask in re.findall(r"^Cap(?:Eff|Prm|Amb):\s+(\w+)", status, re.MULTILINE)}


def users(processes: list[int]) -> set[int]:
    """Who the processes run as."""
    return {Path(f"/proc/{pid}").stat().st_uid for pid in processes}
