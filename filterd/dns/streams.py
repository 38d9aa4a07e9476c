"""What all connections of clients share, whatever they speak: who may connect, how many, how much, for how long.

`dns.tcp` and `dns.https` say what the bytes mean, `dns.tls` stands between them and the socket where it is encrypted.
Every connection is bounded in bytes it may send without meaning, in questions it may have under way and in all, in
replies it need not read, and in time (RFC 7766 section 6).
"""

from __future__ import annotations

import asyncio
import socket
from time import monotonic
from typing import Final

from filterd.core.budget import Budget
from filterd.core.exchange import TCP
from filterd.core.forwarder import Forwarder
from filterd.dns.clients import Client, Clients, client_key
from filterd.dns.desk import Desk

TLS: Final = "tls"  # labels of the transports beside `exchange.UDP` and `exchange.TCP`
HTTPS: Final = "https"

MESSAGE_S: Final = 5.0  # for a whole message, or TLS handshake, from its first byte on, or the connection closes
FIRST_S: Final = 10.0  # and the first one within this time of connecting
LINGER_S: Final = 2.0  # for a client to close after its last answer
MAX_UNSENT_BYTES: Final = 256 << 10  # a client that does not read what it asked for
MAX_UNSENT_IN_ALL: Final = 16 << 20  # all such clients of a worker together
SEND_BUFFER: Final = 64 << 10  # the kernel's own, which would grow to megabytes; it takes twice as much
MAX_WAITING: Final = 100  # questions under way; then nothing more is read until half of them are answered
MAX_QUERIES: Final = 1000  # then the connection ends, once everything is answered
READ_BYTES: Final = 16 << 10  # read at once
MAX_QUERY_BYTES: Final = 16 << 10  # no question is longer; what is would only fill memory
TOKEN_BYTES: Final = 4096  # every so many bytes of a reply count as one more query: TTLs are aged one by one
BUSY: Final = 0.5  # of all connections taken: idle ones get a fifth of the time
GIVE_WAY_PER_S: Final = 100  # connections that are closed for somebody else's: to find one costs a look at all


class Streams:
    """The connections of one worker, of all protocols."""

    def __init__(self, forwarder: Forwarder, clients: Clients, desk: Desk) -> None:
        self.forwarder = forwarder
        self.clients = clients
        self.desk = desk
        self.connections: set[Stream] = set()
        self.refused = 0
        self.failed_handshakes = 0
        self.unsent = 0  # bytes that clients have not read
        self._give_way = Budget(GIVE_WAY_PER_S)
        self.buffer = memoryview(bytearray(READ_BYTES))  # one for all: it is read out at once

    def idle_s(self) -> int:
        """How long a connection without a question may stay; shorter when it is crowded."""
        limits = self.forwarder.limits
        idle_s = limits.tcp_idle_s
        return idle_s // 5 if len(self.connections) > BUSY * limits.tcp_connections else idle_s

    def charge(self, key: bytes, tokens: int, now: float) -> Client | None:
        """Count queries against a client's rate; None where it has run out, or may not ask at all any more."""
        client = self.clients.find(key, now)
        if client is None:
            return None
        client.tokens -= tokens
        if client.tokens >= 0 or self.clients.refill(client, now, proven=True):
            return client
        self.clients.over(client)
        return None

    def has_room(self, client: Client, now: float) -> bool:
        """Whether a client may have one more connection. Where all are taken it gets one of whoever has most, the one
        that asked longest ago: else a device with a hundred addresses could keep everybody from TCP.
        """
        limits = self.forwarder.limits
        if client.tcp >= limits.tcp_connections_per_client:
            return False
        if len(self.connections) < limits.tcp_connections:
            return True
        if not self.connections or not self._give_way.affords(1, now):
            return False
        last = max(self.connections, key=lambda stream: (stream.places, not stream.waiting, -stream.last))
        if client.tcp and last.places <= client.tcp + 1:
            return False
        self.refused += 1
        last.abort()
        last.leave()
        return True

    def sweep(self, now: float) -> None:
        """Close what has been idle or half-sent for too long; once a second."""
        idle_s = self.idle_s()
        for stream in list(self.connections):
            stream.weigh()
            if stream.overdue(now, idle_s):
                stream.close()


class Stream(asyncio.BufferedProtocol):
    """One client's connection. A protocol reads its bytes in `received`, asks with `ask`, and gets late answers by
    `reply`, which ends with `answered`.
    """

    label = TCP

    def __init__(self, streams: Streams) -> None:
        self.streams = streams
        self.key = b""
        self.message_since: float | None = None  # when the first byte came of a message that is not whole yet
        self.started = self.last = monotonic()
        self._transport: asyncio.Transport | None = None
        self._client: Client | None = None
        self._unsent = 0  # of what it was sent, when last looked at
        self._asked = 0  # questions so far
        self.waiting = 0  # of these, without an answer
        self._paused = self._full = self._ending = self._discarding = self._closing = False

    # -- coming and going -----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        streams = self.streams
        peer = transport.get_extra_info("peername")
        self.key = client_key(peer) if peer else b""
        client = streams.clients.find(self.key, self.last) if peer else None
        if client is None or not streams.has_room(client, self.last):
            streams.refused += 1
            self._closing = True
            transport.abort()
            return
        client.tcp += 1
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        self._transport, self._client = transport, client
        streams.connections.add(self)

    def secured(self, alpn: str | None) -> None:
        """TLS has been agreed on, and perhaps which protocol to speak (RFC 7301)."""

    def overdue(self, now: float, idle_s: float) -> bool:
        """Whether it has had its time."""
        if self._discarding:
            return now - self.last > LINGER_S
        if self.message_since is not None and now - self.message_since > MESSAGE_S:
            return True
        if self.waiting:  # our answers may take their time, however crowded it is
            idle_s = max(idle_s, MESSAGE_S)
        return now - self.last > idle_s or (not self._asked and now - self.started > FIRST_S)

    def eof_received(self) -> bool:
        """The client has asked all it wants to; True keeps the connection for the answers that are under way."""
        self._ending = True
        return self.waiting > 0 and not self._closing and not self._discarding

    def close(self) -> None:
        """Close once everything is sent; at once for a client that has not read it by the next sweep."""
        if self._transport is None:
            return
        if self._closing:
            self._transport.abort()
        else:
            self._closing = True
            self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        self._closing = True
        if self._transport is not None:
            self._transport.abort()

    def finish(self) -> None:
        """Everything is answered that will be: tell the client, and let it close, or what is on its way to us would
        turn into a reset that could cost it the last answers.
        """
        if self._transport is None or self._closing or self._discarding:
            return
        if self._ending:
            self.close()
            return
        self._discarding = True
        self._transport.write_eof()

    def connection_lost(self, _: Exception | None) -> None:
        self._transport = None
        self._closing = True
        self.leave()

    def leave(self) -> None:
        """Take up no place any more."""
        streams = self.streams
        streams.connections.discard(self)
        streams.unsent -= self._unsent
        self._unsent = 0
        if self._client is not None:
            self._client.tcp -= 1
            self._client = None

    @property
    def places(self) -> int:
        """How many connections its client has."""
        return self._client.tcp if self._client is not None else 0

    # -- bytes ----------------------------------------------------------------------------------------------------

    def get_buffer(self, _: int) -> memoryview:
        return self.streams.buffer

    def buffer_updated(self, count: int) -> None:
        self.take(bytes(self.streams.buffer[:count]))

    def take(self, data: bytes) -> None:
        """Read on, unless all that will be answered has been asked."""
        if not self._discarding and not self.last_answers:
            self.received(data)

    def received(self, data: bytes) -> None:
        """Take what came next."""
        raise NotImplementedError

    def resumed(self) -> None:
        """Go on with what could not be taken for a while."""
        raise NotImplementedError

    def send(self, data: bytes | bytearray) -> None:
        """Send bytes to a client that reads."""
        if self._transport is None or self._closing or self._discarding:
            return
        self._transport.write(data)
        self.weigh()

    @property
    def held(self) -> int:
        """Bytes for the client that are not in its transport yet."""
        return 0

    def weigh(self) -> None:
        """See how much the client has not read; too much ends the connection."""
        if self._transport is None or self._client is None:
            return
        streams, unsent = self.streams, self._transport.get_write_buffer_size() + self.held
        more = unsent - self._unsent
        streams.unsent += more
        self._unsent = unsent
        if unsent > MAX_UNSENT_BYTES or (more > 0 and streams.unsent > MAX_UNSENT_IN_ALL):
            self.abort()  # what else it asked in the same breath is not looked at

    # -- questions ------------------------------------------------------------------------------------------------

    @property
    def open(self) -> bool:
        """Whether more questions may be asked now."""
        return not self._closing and not self._paused and self._asked < MAX_QUERIES

    def pay(self, now: float) -> Client:
        """Count a question against the client's rate. Raises BlockingIOError where it has none left, or no right to ask
        any more: what was answered before is still sent, then the connection is to be closed.
        """
        client = self.streams.charge(self.key, 1, now)
        if client is None:
            raise BlockingIOError
        self._asked += 1
        self.last = now
        return client

    def ask(self, packet: bytes, token: object, now: float) -> bytes | None:
        """The reply, or None: it comes later through `reply`. Raises BlockingIOError as `pay` does."""
        client = self.pay(now)
        reply = self.streams.desk.query(packet, self.label, client.row, (self, token), now, self.key)
        if reply is None:
            self.waiting += 1
            if self.waiting >= MAX_WAITING:
                self._pause()
        elif len(reply) >= TOKEN_BYTES:
            client.tokens -= len(reply) // TOKEN_BYTES
        return reply

    def reply(self, token: object, packet: bytes) -> None:
        """Send one late reply."""
        raise NotImplementedError

    def answered(self, size: int) -> None:
        """A late reply of so many bytes was sent."""
        self.waiting -= 1
        self.last = monotonic()
        if size >= TOKEN_BYTES and self._client is not None:
            self._client.tokens -= size // TOKEN_BYTES
        self._go_on()
        self.settle()

    # -- a client that asks faster than we, or it, can take -------------------------------------------------------

    def pause_writing(self) -> None:
        """It has not read what it was sent: it need not ask more."""
        self._full = True
        self._pause()

    def resume_writing(self) -> None:
        self._full = False
        if self._paused:
            self._go_on()
            self.settle()

    def _pause(self) -> None:
        if self._transport is not None and not self._paused and not self._closing:
            self._paused = True
            self.message_since = None  # it is us who do not read
            self._transport.pause_reading()

    def _go_on(self) -> None:
        if self._full or self.waiting > MAX_WAITING // 2:
            return
        if self._paused and self._transport is not None and not self._closing:
            self._paused = False
            self._transport.resume_reading()
            self.resumed()

    @property
    def last_answers(self) -> bool:
        """Whether no further question is taken."""
        return self._asked >= MAX_QUERIES

    @property
    def asked_all(self) -> bool:
        """Whether the client has asked all it wants to, or may."""
        return self._ending or self._asked >= MAX_QUERIES

    def settle(self) -> None:
        """End the connection if that was the last answer it will have."""
        if not self.waiting and self.asked_all:
            self.finish()
