"""DNS over HTTPS for clients (RFC 8484): requests of HTTP/2 or HTTP/1.1 inside TLS become questions.

The two versions of HTTP are `dns.http2` and `dns.http1`; which one, the client and we agree on in the TLS handshake
(ALPN). There is no HTTP without TLS here and no upgrade from one to the other. Nothing a client sent stands in a reply.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Final, NamedTuple, Protocol

from filterd.core import doh, stream_options
from filterd.dns.streams import HTTPS, Stream, Streams

HTTP2: Final = "h2"  # names in ALPN
HTTP1: Final = "http/1.1"
MAX_HEADER_BYTES: Final = 16 << 10
MAX_FRUITLESS_BYTES: Final = 64 << 10  # bytes without one whole request among them
Headers = list[tuple[bytes, bytes]]


class Request(NamedTuple):
    """A whole request. `number` is the HTTP/2 stream it came by."""

    number: int
    method: bytes
    target: bytes
    content_type: bytes
    body: bytes


class BadPeerError(ValueError):
    """A client that does not speak HTTP, or abuses it. Caught by `HttpConnection`, which closes."""


class Codec(Protocol):
    """One version of HTTP: bytes to requests, replies to bytes."""

    def receive(self, data: bytes) -> list[Request]:
        """The requests that are whole now. Raises BadPeerError; what `take` gives then is still sent."""

    def respond(self, number: int, status: int, headers: Headers, body: bytes) -> None:
        """Answer a request; one that the client has taken back is passed over."""

    def goodbye(self) -> None:
        """Nothing more is answered."""

    def take(self) -> bytes:
        """What is to be sent."""

    @property
    def unsent(self) -> int:
        """Bytes of replies that the client has not made room for yet."""

    @property
    def halfway(self) -> bool:
        """Whether a request has begun that is not whole."""

    @property
    def over(self) -> bool:
        """Whether the client will ask no more."""


class HttpConnection(Stream):
    """One client's connection. `path` is where questions go; `codec(True)` makes one of HTTP/2."""

    label = HTTPS

    def __init__(self, streams: Streams, path: bytes, codec: Callable[[bool], Codec]) -> None:
        super().__init__(streams)
        self._path = path
        self._new_codec = codec
        self._codec: Codec | None = None  # until TLS has been agreed on
        self._requests: list[Request] = []

    def secured(self, alpn: str | None) -> None:
        self._codec = self._new_codec(alpn == HTTP2)
        self.send(self._codec.take())

    def received(self, data: bytes) -> None:
        codec, requests, now = self._codec, self._requests, monotonic()
        if codec is None:
            return
        good = True
        try:
            requests += codec.receive(data)
            while requests and self.open:
                self._answer(codec, requests.pop(0), now)
                requests += codec.receive(b"")  # HTTP/1.1 has the next one only now
        except (BadPeerError, BlockingIOError):
            requests.clear()
            good = False
        self._send(codec, now)
        if not good:
            self.close()
        else:
            self.settle()

    def resumed(self) -> None:
        self.received(b"")

    @property
    def held(self) -> int:
        return self._codec.unsent if self._codec is not None else 0

    def _answer(self, codec: Codec, request: Request, now: float) -> None:
        number, method, target, content_type, body = request
        found = doh.read_request(self._path, method, target, content_type, body)
        if isinstance(found, int):
            self.pay(now)
            headers = [(b"content-length", b"0")]
            if found == doh.METHOD_NOT_ALLOWED:
                headers.append((b"allow", b"GET, POST"))
            codec.respond(number, found, headers, b"")
            return
        options = stream_options.wanted(found) & stream_options.PADDING
        reply = self.ask(found, (number, options), now)
        if reply is not None:
            _respond(codec, number, reply, options)

    def reply(self, token: object, packet: bytes) -> None:
        codec = self._codec
        assert isinstance(token, tuple)
        assert codec is not None
        number, options = token
        _respond(codec, number, packet, options)
        self.received(b"")
        self.answered(len(packet))

    def _send(self, codec: Codec, now: float) -> None:
        """Send what there is; see what is half-sent."""
        data = codec.take()
        if data:
            self.send(data)
        self.weigh()
        if not codec.halfway or not self.open:
            self.message_since = None
        elif self.message_since is None:
            self.message_since = now

    def settle(self) -> None:
        codec = self._codec
        if codec is None or self.waiting or codec.unsent:
            return
        if codec.over or self.asked_all:
            codec.goodbye()
            self.send(codec.take())
            self.finish()


def _respond(codec: Codec, number: int, reply: bytes, options: int) -> None:
    """200 and the reply, which HTTP caches may keep as long as its TTLs allow."""
    age_s = doh.max_age_s(reply)
    if options:
        reply = stream_options.finished(reply, options, 0)
    headers = [
        (b"content-type", doh.MEDIA_TYPE),
        (b"content-length", b"%d" % len(reply)),
        (b"cache-control", b"max-age=%d" % age_s),
    ]
    codec.respond(number, 200, headers, reply)
