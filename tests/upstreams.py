"""An upstream whose every word a test decides: one port, UDP and TCP, in a thread of its own."""

from __future__ import annotations

import selectors
import socket
import struct
import threading
from collections.abc import Callable, Iterable
from typing import NamedTuple, Self

from dnslib import AAAA, QTYPE, RR, SOA, A, DNSRecord

ADDRESS = "198.51.100.7"
ADDRESS6 = "2001:db8::7"


class Question(NamedTuple):
    """What arrived. `name` is in lower case and has no dot at its end."""

    name: str
    kind: str
    transport: str
    packet: bytes


Script = Callable[[Question], Iterable[bytes]]


def honest(question: Question, ttl_s: int = 300) -> list[bytes]:
    """An A or AAAA record for every name, NODATA with an SOA for the rest."""
    reply = DNSRecord.parse(question.packet).reply(ra=1, aa=0)
    name = reply.q.qname
    if question.kind == "A":
        reply.add_answer(RR(name, QTYPE.A, ttl=ttl_s, rdata=A(ADDRESS)))
    elif question.kind == "AAAA":
        reply.add_answer(RR(name, QTYPE.AAAA, ttl=ttl_s, rdata=AAAA(ADDRESS6)))
    else:
        soa = SOA("ns.example", "root.example", (1, 3600, 600, 86400, ttl_s))
        reply.add_auth(RR(name, QTYPE.SOA, ttl=ttl_s, rdata=soa))
    return [bytes(reply.pack())]


def silent(_: Question) -> list[bytes]:
    """Packets go in and nothing comes out."""
    return []


def with_rcode(rcode: int) -> Script:
    """Every answer is this RCODE and nothing else."""

    def script(question: Question) -> list[bytes]:
        reply = DNSRecord.parse(question.packet).reply(ra=1, aa=0)
        reply.header.rcode = rcode
        return [bytes(reply.pack())]

    return script


class Upstream:
    """Listens on 127.0.0.1 until closed. Names in `held` wait for `release`; `script` answers all others."""

    def __init__(self, script: Script = honest, port: int = 0) -> None:
        self.script = script
        self.held: set[str] = set()
        self.questions: list[Question] = []
        self._waiting: list[tuple[Question, Callable[[bytes], object]]] = []
        self._changed = threading.Condition()
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self._tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._udp.bind(("127.0.0.1", port))
        self.port = self._udp.getsockname()[1]
        self._tcp.bind(("127.0.0.1", self.port))
        self._tcp.listen(64)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._udp, selectors.EVENT_READ, self._on_udp)
        self._selector.register(self._tcp, selectors.EVENT_READ, self._on_accept)
        self._wake, self._woken = socket.socketpair()
        self._selector.register(self._woken, selectors.EVENT_READ, lambda _: None)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._open = True
        self._thread.start()

    @property
    def url(self) -> str:
        return f"udp://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop; the port is closed from now on."""
        if self._open:
            self._open = False
            self._wake.send(b"x")
            self._thread.join()

    def asked(self, name: str) -> list[Question]:
        """The questions for this name so far."""
        return [question for question in self.questions if question.name == name]

    def wait_for(self, name: str, count: int = 1, within_s: float = 5.0) -> None:
        """Wait until the name was asked so often."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.asked(name)) >= count, within_s), f"{name} was not asked"

    def release(self, name: str) -> None:
        """Answer every held question for this name."""
        self.held.discard(name)
        with self._changed:
            ready = [item for item in self._waiting if item[0].name == name]
            self._waiting = [item for item in self._waiting if item[0].name != name]
        for question, send in ready:
            for reply in honest(question):
                send(reply)

    def _run(self) -> None:
        while self._open:
            for key, _ in self._selector.select():
                key.data(key.fileobj)
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]
        self._wake.close()
        self._selector.close()

    def _on_udp(self, sock: socket.socket) -> None:
        packet, peer = sock.recvfrom(4096)
        self._take(packet, "udp", lambda reply: sock.sendto(reply, peer))

    def _on_accept(self, sock: socket.socket) -> None:
        connection, _ = sock.accept()
        self._selector.register(connection, selectors.EVENT_READ, self._on_tcp)

    def _on_tcp(self, sock: socket.socket) -> None:
        try:
            packet = _read_message(sock)
        except OSError:
            packet = b""
        if not packet:
            self._selector.unregister(sock)
            sock.close()
            return
        self._take(packet, "tcp", lambda reply: sock.sendall(struct.pack(">H", len(reply)) + reply))

    def _take(self, packet: bytes, transport: str, send: Callable[[bytes], object]) -> None:
        parsed = DNSRecord.parse(packet)
        name = str(parsed.q.qname).lower().rstrip(".")
        question = Question(name, QTYPE[parsed.q.qtype], transport, packet)
        with self._changed:
            self.questions.append(question)
            if name in self.held:
                self._waiting.append((question, send))
            self._changed.notify_all()
        if name not in self.held:
            for reply in self.script(question):
                send(reply)


def _read_message(sock: socket.socket) -> bytes:
    head = sock.recv(2, socket.MSG_WAITALL)
    return sock.recv(int.from_bytes(head, "big"), socket.MSG_WAITALL) if len(head) == 2 else b""
