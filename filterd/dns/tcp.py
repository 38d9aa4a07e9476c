"""Clients over TCP, plain (RFC 7766) or inside TLS (RFC 7858): pipelined, answered in any order."""

from __future__ import annotations

from time import monotonic
from typing import Final

from filterd.core import stream_options, wire
from filterd.core.exchange import TCP
from filterd.dns.streams import MAX_QUERY_BYTES, TLS, Stream, Streams

FLUSH_BYTES: Final = 32 << 10  # replies to questions that came together are sent together, up to so much
_PLAIN: Final = stream_options.KEEPALIVE  # padding hides nothing where everybody can read (RFC 7830 section 6)
_ENCRYPTED: Final = stream_options.KEEPALIVE | stream_options.PADDING


class Connection(Stream):
    """One client's connection."""

    def __init__(self, streams: Streams, label: str = TCP) -> None:
        super().__init__(streams)
        self.label = label
        self._options = _ENCRYPTED if label == TLS else _PLAIN
        self._buffer = bytearray()

    def received(self, data: bytes) -> None:
        self._buffer += data
        self._read()

    def resumed(self) -> None:
        self._read()

    def _read(self) -> None:
        """Ask what is whole; send what is known already."""
        buffer, now = self._buffer, monotonic()
        replies = bytearray()
        size = at = 0
        good = True
        while good and self.open and len(buffer) - at >= 2:
            size = buffer[at] << 8 | buffer[at + 1]
            good = wire.HEADER_BYTES <= size <= MAX_QUERY_BYTES
            if good and len(buffer) - at - 2 < size:
                break
            good = good and self._ask(bytes(buffer[at + 2 : at + 2 + size]), replies, now)
            at += 2 + size
        if replies:
            self.send(replies)
        del buffer[:at]
        if not buffer or not self.open:
            self.message_since = None
        elif at or self.message_since is None:
            self.message_since = now
        if not good:
            self.close()
        elif at:
            self.settle()

    def _ask(self, packet: bytes, replies: bytearray, now: float) -> bool:
        """Ask one question, add its reply to `replies`; False where the connection is to be closed."""
        if packet[2] & 0x80:  # a response is not a question
            return False
        options = stream_options.wanted(packet) & self._options
        try:
            reply = self.ask(packet, options, now)
        except BlockingIOError:
            return False
        if reply is not None:
            replies += self._framed(reply, options)
            if len(replies) > FLUSH_BYTES:
                self.send(replies)
                replies.clear()
        return True

    def reply(self, token: object, packet: bytes) -> None:
        assert isinstance(token, int)
        self.send(self._framed(packet, token))
        self.answered(len(packet))

    def _framed(self, reply: bytes, options: int) -> bytes:
        if options:
            reply = stream_options.finished(reply, options, 0 if self.last_answers else self.streams.idle_s())
        return len(reply).to_bytes(2, "big") + reply
