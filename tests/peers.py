"""Upstreams over streams whose every byte a test decides: TCP, TLS, or HTTPS by the h2 library.

Each connection is played by a function in a thread of its own: it reads questions, and sends what it likes.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterable
from typing import Self

from h2 import config, connection, events

from tests.upstreams import Question, honest, question_of

Play = Callable[["Line"], None]
QUIET_S = 10.0  # after it a thread gives up


class Line:
    """One connection that was accepted. Reading at its end, or after the test, raises OSError or EOFError."""

    def __init__(self, peer: Peer, sock: socket.socket) -> None:
        self.peer = peer
        self.sock = sock

    def exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = self.sock.recv(size - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def question(self) -> Question:
        """The next message."""
        return self.peer.note(self.exactly(int.from_bytes(self.exactly(2), "big")))

    def send(self, data: bytes) -> None:
        """These bytes, as they are."""
        self.sock.sendall(data)

    def reply(self, *packets: bytes) -> None:
        """These messages, each behind its length, in one write."""
        self.send(b"".join(len(packet).to_bytes(2, "big") + packet for packet in packets))

    def reset(self) -> None:
        """Close so that the other end gets an RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.sock.close()


class Peer:
    """Listens on a port of `address` until closed; with `tls` it speaks that."""

    def __init__(
        self, play: Play, tls: ssl.SSLContext | None = None, address: str = "127.0.0.1", port: int = 0
    ) -> None:
        self._play = play
        self._tls = tls
        self.questions: list[Question] = []
        self.heads: list[dict[str, str]] = []  # of requests over HTTPS
        self.connections = 0
        self.resumed = 0
        self.faults: list[Exception] = []
        self._listener = socket.create_server((address, port))
        self.port: int = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def url(self, scheme: str, host: str = "127.0.0.1") -> str:
        return f"{scheme}://{host}:{self.port}"

    def note(self, packet: bytes) -> Question:
        question = question_of(packet, "tcp" if self._tls is None else "tls")
        self.questions.append(question)
        return question

    def asked(self, name: str) -> list[Question]:
        return [question for question in self.questions if question.name == name]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join()
        self.hang_up()
        for thread in self._threads:
            thread.join()
        assert not self.faults, self.faults

    def hang_up(self) -> None:
        """End every connection that is there now."""
        for sock in list(self._open):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            sock.settimeout(QUIET_S)
            self._open.add(sock)
            thread = threading.Thread(target=self._serve, args=(sock,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        plain = sock
        try:
            if self._tls is not None:
                wrapped = self._tls.wrap_socket(sock, server_side=True)
                self._open.add(wrapped)
                self.resumed += bool(wrapped.session_reused)
                self._open.discard(plain)
                sock = wrapped
            with sock:
                self._play(Line(self, sock))
        except (OSError, EOFError):
            pass  # the other end has closed, as it may
        except Exception as fault:  # noqa: BLE001  shown at the end of the test
            self.faults.append(fault)
        finally:
            plain.close()
            self._open.discard(sock)


def answering(line: Line) -> None:
    """Answer every question, one after the other."""
    while True:
        line.reply(*honest(line.question()))


def server_context(certificate: object, key: object, *protocols: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(str(certificate), str(key))
    context.set_alpn_protocols(list(protocols))
    return context


def answering_https(
    line: Line, answer: Callable[[Question], Iterable[bytes]] = honest, status: str = "200",
    content_type: str = "application/dns-message",
) -> None:  # fmt: skip
    """Answer every POST."""
    state = connection.H2Connection(config.H2Configuration(client_side=False, header_encoding="ascii"))
    state.initiate_connection()
    line.send(state.data_to_send())
    bodies: dict[int, bytes] = {}
    while True:
        data = line.sock.recv(65536)
        if not data:
            raise EOFError
        for event in state.receive_data(data):
            if isinstance(event, events.RequestReceived):
                bodies[event.stream_id] = b""
                line.peer.heads.append(dict(event.headers))
            elif isinstance(event, events.DataReceived):
                bodies[event.stream_id] += event.data
                state.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, events.StreamEnded):
                for packet in answer(line.peer.note(bodies.pop(event.stream_id))):
                    headers = [(":status", status), ("content-type", content_type)]
                    state.send_headers(event.stream_id, [*headers, ("content-length", str(len(packet)))])
                    for at in range(0, len(packet), 16384):
                        last = at + 16384 >= len(packet)
                        state.send_data(event.stream_id, packet[at : at + 16384], end_stream=last)
        line.send(state.data_to_send())
