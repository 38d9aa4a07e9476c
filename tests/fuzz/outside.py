"""Drives a running server with raw packets over UDP and TCP, while its upstream answers anything.

Every hundred packets another client asks a control question; how long it waits is kept, and so is the worker's
resident memory.
"""

from __future__ import annotations

import random
import select
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from filterd.config.schema_school import LimitsModel
from tests.fuzz import packets
from tests.running import Server, addresses, framed, write_school
from tests.upstreams import Question, Upstream

BATCH = 100
CONTROL_WITHIN_S = 1.0  # a lost control question is a failure; a slow one is kept in `controls_s`
RATES = ", ".join(f"{key}: 1000000" for key in LimitsModel.model_fields if key.endswith(("per_second", "burst")))
LIMITS = f"limits: {{{RATES}, cache: 1MiB, memo: 1MiB, pending: 500}}\n"


class Outside:
    """One running server under fire. `step` sends a hundred packets and then asks the control question."""

    def __init__(self, directory: Path, seed: int, workers: int = 1) -> None:
        self.chance = random.Random(seed)
        self.maker = packets.Maker(self.chance)
        self.sent = self.replies = 0
        self.controls_s: list[float] = []
        self._speaker = packets.Maker(random.Random(seed + 1))  # the upstream's thread has its own
        config, state = write_school(directory)
        school = config / "policies/school.yaml"
        school.write_text(school.read_text(encoding="utf-8") + LIMITS, encoding="utf-8")
        self.upstream = Upstream(self._speaks)
        self.server = Server(config, state, upstreams=(self.upstream.url,), workers=workers)
        self._sources = [f"127.0.{subnet}.7" for subnet in (31, 73, 90, 200)]

    def close(self) -> None:
        """Stop; a run that left a traceback fails here."""
        self.server.stop()
        self.upstream.close()

    def run(self, enough: Callable[[], bool]) -> None:
        while not enough():
            self.step()

    def step(self) -> None:
        source = self.chance.choice(self._sources)
        if self.chance.random() < 0.7:
            self._by_udp(source)
        else:
            self._by_tcp(source)
        self._control()
        self.upstream.questions.clear()

    def faults(self) -> float:
        """What the server counted as errors of its own."""
        return self.server.metrics()["filterd_dns_internal_errors_total"]

    def resident_bytes(self) -> int:
        """Of the first worker."""
        fields = Path(f"/proc/{self.server.workers()[0]}/statm").read_text(encoding="ascii").split()
        return int(fields[1]) * 4096

    def _by_udp(self, source: str) -> None:
        with self.server.udp(source) as sock:
            for _ in range(BATCH):
                sock.send(self.maker.query())
            self.sent += BATCH
            self._check(_arrived(sock))

    def _by_tcp(self, source: str) -> None:
        with self.server.connect(source) as sock:
            for _ in range(BATCH):
                packet = self.maker.query()
                self.sent += 1
                try:
                    sock.sendall(framed(packet) if self.chance.random() < 0.98 else packet)
                except OSError:  # it had enough of this connection
                    return

    def _check(self, replies: Iterator[bytes]) -> None:
        for reply in replies:
            self.replies += 1
            assert reply[2] & 0x80, reply.hex()
            assert len(reply) <= 1232, reply.hex()
            assert packets.POISON not in reply, reply.hex()

    def _control(self) -> None:
        started = time.monotonic()
        found = self.server.ask("adult.example", source="127.0.31.99", within_s=CONTROL_WITHIN_S)
        self.controls_s.append(time.monotonic() - started)
        assert addresses(found) == ["0.0.0.0"]

    def _speaks(self, question: Question) -> list[bytes]:
        asked, maker = question.packet, self._speaker
        fate = packets.fate(packets.question_of(asked))
        right = maker.honest(asked)
        if question.transport == "udp" and len(right) > 1232:
            right = packets.cut(asked)
        if fate in ("silent", "unreachable"):
            return []
        if fate == "wrong":
            return [*(maker.wrong(asked) for _ in range(2)), right]
        if fate == "bent":
            return [maker.bent(right)[:65000]]
        if fate == "cut" and question.transport == "udp":
            return [packets.cut(asked)]
        return [packets.failing(asked, 2)] if fate == "failing" else [right]


def _arrived(sock: socket.socket) -> Iterator[bytes]:
    """What lies in the socket's buffer now."""
    while select.select([sock], [], [], 0)[0]:
        yield sock.recv(65536)
