"""HTTP/1.1 for `dns.https`, by h11: one request after another."""

from __future__ import annotations

import h11

from filterd.core import doh
from filterd.dns.https import MAX_FRUITLESS_BYTES, MAX_HEADER_BYTES, BadPeerError, Headers, Request


class Http1:
    """One connection. What comes before a request is answered waits in h11's buffer."""

    unsent = 0  # there is no flow control but TCP's

    def __init__(self) -> None:
        self._connection = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEADER_BYTES)
        self._out = bytearray()
        self._head: h11.Request | None = None
        self._body = bytearray()
        self._busy = False  # a request waits for its answer
        self._fruitless = 0  # bytes since a request was whole
        self.over = False

    @property
    def halfway(self) -> bool:
        return not self._busy and self._fruitless > 0

    def receive(self, data: bytes) -> list[Request]:
        if data:
            self._fruitless += len(data)
            if self._fruitless > MAX_FRUITLESS_BYTES:
                raise BadPeerError("too many bytes without a request")
            self._connection.receive_data(data)
        try:
            return self._next()
        except h11.RemoteProtocolError as error:
            self._fail(error.error_status_hint)
            raise BadPeerError(str(error)) from None

    def _next(self) -> list[Request]:
        while True:
            event = self._connection.next_event()
            if isinstance(event, h11.Request):
                self._head = event
                self._body.clear()
            elif isinstance(event, h11.Data):
                self._body += event.data
                if len(self._body) > doh.MAX_QUERY_BYTES:
                    self._fail(doh.CONTENT_TOO_LARGE)
                    raise BadPeerError("a body larger than any question")
            elif isinstance(event, h11.EndOfMessage) and self._head is not None:
                head, self._head = self._head, None
                self._busy = True
                self._fruitless = len(self._connection.trailing_data[0])
                content_type = next((value for name, value in head.headers if name == b"content-type"), b"")
                return [Request(0, head.method, head.target, content_type, bytes(self._body))]
            else:  # more data is needed, or an answer
                return []

    def respond(self, _: int, status: int, headers: Headers, body: bytes) -> None:
        connection = self._connection
        self._out += connection.send(h11.Response(status_code=status, headers=headers)) or b""
        if body:
            self._out += connection.send(h11.Data(data=body)) or b""
        self._out += connection.send(h11.EndOfMessage()) or b""
        self._busy = False
        if connection.our_state is h11.DONE and connection.their_state is h11.DONE:
            connection.start_next_cycle()
        else:  # the client asked for it, or speaks HTTP/1.0
            self.over = True

    def _fail(self, status: int) -> None:
        """Say what is wrong, where an answer may be given still."""
        if self._connection.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            headers = [(b"content-length", b"0"), (b"connection", b"close")]
            self._out += self._connection.send(h11.Response(status_code=status, headers=headers)) or b""

    def goodbye(self) -> None:
        """There is no such word in HTTP/1.1."""

    def take(self) -> bytes:
        data = bytes(self._out)
        self._out.clear()
        return data
