"""An upstream beyond the private network, in a network namespace where 9.9.9.9 is this process.

`in_a_network_of_its_own` runs this module there, as a process of its own; what it saw comes back as JSON.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import dns.message

from tests.conformance.counting import Counting
from tests.conformance.lab import addresses, question
from tests.running import REPO, Server, framed, receive, until, write_school
from tests.upstreams import Question, honest

ADDRESS = "9.9.9.9"
NAMES = 100
LIE = b"\xcb\x00\x71\x42"


class Changing(Counting):
    """Answers names that begin with "changed" in lower case and with a lie."""

    def answer(self, packet: bytes) -> bytes:
        right = super().answer(packet)
        at = 13
        if packet[at : at + 7].lower() != b"changed":
            return right
        end = packet.index(b"\0", 12)
        return right[:12] + right[12:end].lower() + right[end:-4] + LIE


def in_a_network_of_its_own() -> dict[str, Any] | None:
    """What happened there: right answers, spellings seen, the addresses told of a changed name. None: not possible."""
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        return None
    network = f"ip link set lo up && ip addr add {ADDRESS}/32 dev lo"
    if subprocess.run(["unshare", "-rn", "sh", "-c", network], capture_output=True, check=False).returncode:
        return None
    script = f'{network} && exec "$0" -m tests.conformance.far'
    command = ["unshare", "-rn", "sh", "-c", script, sys.executable]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=REPO, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main() -> None:
    with tempfile.TemporaryDirectory() as directory, Changing(ADDRESS, 53) as upstream, ByTcp():
        config, state = write_school(Path(directory))
        with Server(config, state, upstreams=(upstream.url,)) as server:
            until(lambda: any(b"filterd-loop" in packet.lower() for _, _, packet in upstream.seen), "a probe")
            right = [len(_ask(server, f"n{i}.example.org")) for i in range(NAMES)]
            found = {
                "answers": sum(right),
                "spellings": len({_example(packet) for _, _, packet in upstream.seen}),
                "changed": _ask(server, "changed.example.org"),
                "ports": len({port for _, port, _ in upstream.seen}),
            }
    print(json.dumps(found))


def _ask(server: Server, name: str) -> list[str]:
    return addresses(dns.message.from_wire(server.exchange(question(name).to_wire())))


def _example(packet: bytes) -> bytes:
    at = packet.lower().find(b"\7example") + 1
    return packet[at : at + 7]


class ByTcp:
    """Tells the truth over TCP, one question a connection."""

    def __init__(self) -> None:
        self._sock = socket.create_server((ADDRESS, 53))
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()
        self._thread.join()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._sock.accept()
            except OSError:
                return
            with connection:
                packet = receive(connection)
                if packet:
                    connection.sendall(framed(honest(Question("", "A", "tcp", packet))[0]))


if __name__ == "__main__":
    main()
