"""An upstream whose every word a test decides: one port, UDP and TCP, in a thread of its own."""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import threading
from collections.abc import Callable, Iterable
from typing import NamedTuple, Self

from dnslib import QTYPE, DNSRecord

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
    """An A or AAAA record for every name, NODATA with an SOA for the rest. By hand: dnslib refuses strange labels."""
    packet = question.packet
    end = _question_end(packet)
    data = {"A": socket.inet_aton(ADDRESS), "AAAA": socket.inet_pton(socket.AF_INET6, ADDRESS6)}.get(question.kind)
    if data is None:
        record = struct.pack(">HHHIH", 0xC00C, QTYPE.SOA, 1, ttl_s, 22) + bytes(18) + struct.pack(">I", ttl_s)
        counts = struct.pack(">HHHH", 1, 0, 1, 0)
    else:
        record = struct.pack(">HHHIH", 0xC00C, getattr(QTYPE, question.kind), 1, ttl_s, len(data)) + data
        counts = struct.pack(">HHHH", 1, 1, 0, 0)
    return [packet[:2] + b"\x81\x80" + counts + packet[12:end] + record]


def _question_end(packet: bytes) -> int:
    at = 12
    while packet[at]:
        at += packet[at] + 1
    return at + 5


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


def _sockets(port: int) -> tuple[socket.socket, socket.socket]:
    """UDP and TCP with one number; for 0 one that is free for both."""
    while True:
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            udp.bind(("127.0.0.1", port))
            tcp.bind(("127.0.0.1", udp.getsockname()[1]))
        except OSError:
            udp.close()
            tcp.close()
            if port:
                raise
        else:
            return udp, tcp


class Upstream:
    """Listens on 127.0.0.1 until closed. Names in `held` wait for `release`; `script` answers all others."""

    def __init__(self, script: Script = honest, port: int = 0) -> None:
        self.script = script
        self.held: set[str] = set()
        self.questions: list[Question] = []
        self._waiting: list[tuple[Question, Callable[[bytes], object]]] = []
        self._changed = threading.Condition()
        self._udp, self._tcp = _sockets(port)
        self.port = self._udp.getsockname()[1]
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
            self._wake.send(b"x")  # first: once it is not open, its thread closes this socket
            self._open = False
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

        def send(reply: bytes) -> None:
            with contextlib.suppress(OSError):  # the server may have closed it
                sock.sendall(struct.pack(">H", len(reply)) + reply)

        self._take(packet, "tcp", send)

    def _take(self, packet: bytes, transport: str, send: Callable[[bytes], object]) -> None:
        if len(packet) < 17 or packet[2] & 0x80:  # some other program's, by mistake
            return
        question = question_of(packet, transport)
        name = question.name
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


def question_of(packet: bytes, transport: str) -> Question:
    """What a message asks."""
    end = _question_end(packet)
    kind = str(QTYPE[int.from_bytes(packet[end - 4 : end - 2], "big")])
    return Question(_text(packet[12 : end - 4]), kind, transport, packet)


def _text(wire: bytes) -> str:
    labels = []
    at = 0
    while wire[at]:
        labels.append(wire[at + 1 : at + 1 + wire[at]].decode("latin-1").lower())
        at += wire[at] + 1
    return ".".join(labels)
