"""Clients over TCP (RFC 7766): pipelined, answered in any order, bounded in number, time and bytes."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Final

from filterd.core.exchange import TCP
from filterd.core.forwarder import Forwarder
from filterd.dns.clients import Client, Clients, client_key
from filterd.dns.desk import Desk

MESSAGE_S: Final = 5.0  # a whole message within this time of its first byte, or the connection closes
MAX_UNSENT_BYTES: Final = 256 << 10  # a client that does not read what it asked for
TOKEN_BYTES: Final = 4096  # every so many bytes of a reply count as one more query: TTLs are aged one by one
BUSY: Final = 0.5  # of all connections taken: idle ones get a fifth of the time


class TcpServer:
    """The connections of one worker."""

    def __init__(self, forwarder: Forwarder, clients: Clients, desk: Desk) -> None:
        self.forwarder = forwarder
        self.clients = clients
        self.desk = desk
        self.connections: set[Connection] = set()
        self.refused = 0

    def connection(self) -> Connection:
        return Connection(self)

    def sweep(self, now: float) -> None:
        """Close what has been idle or half-sent for too long; once a second."""
        limits = self.forwarder.limits
        idle_s = float(limits.tcp_idle_s)
        if len(self.connections) > BUSY * limits.tcp_connections:
            idle_s /= 5
        for connection in list(self.connections):
            started = connection.message_since
            if (started is not None and now - started > MESSAGE_S) or now - connection.last > idle_s:
                connection.close()


class Connection(asyncio.Protocol):
    """One client's connection."""

    def __init__(self, server: TcpServer) -> None:
        self._server = server
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._client: Client | None = None
        self._key = b""
        self._waiting = 0  # questions under way
        self._asked_all = self._closing = False
        self.message_since: float | None = None
        self.last = monotonic()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        server = self._server
        limits = server.forwarder.limits
        peer = transport.get_extra_info("peername")
        self._key = client_key(peer) if peer else b""
        client = server.clients.find(self._key, self.last) if peer else None
        if (
            client is None
            or client.tcp >= limits.tcp_connections_per_client
            or len(server.connections) >= limits.tcp_connections
        ):
            server.refused += 1
            self._closing = True
            transport.abort()
            return
        client.tcp += 1
        self._transport, self._client = transport, client
        server.connections.add(self)

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer
        buffer += data
        self.last = now = monotonic()
        at = 0
        while len(buffer) - at >= 2 and not self._closing:
            size = buffer[at] << 8 | buffer[at + 1]
            if size < 12:
                self.close()
                return
            if len(buffer) - at - 2 < size:
                break
            self._query(bytes(buffer[at + 2 : at + 2 + size]), now)
            at += 2 + size
        del buffer[:at]
        if not buffer:
            self.message_since = None
        elif at or self.message_since is None:
            self.message_since = now

    def _query(self, packet: bytes, now: float) -> None:
        server = self._server
        client = server.clients.find(self._key, now)
        if client is None or packet[2] & 0x80:  # no longer ours to serve; a response is not a question
            self.close()
            return
        client.tokens -= 1
        if client.tokens < 0 and not server.clients.refill(client, now):
            self.close()
            return
        reply = server.desk.query(packet, TCP, client.row, (self, None), now)
        if reply is None:
            self._waiting += 1
        else:
            self._send(reply)

    def reply(self, _: object, packet: bytes) -> None:
        """Send one late reply."""
        self._waiting -= 1
        self._send(packet)
        if self._asked_all and not self._waiting:
            self.close()

    def _send(self, packet: bytes) -> None:
        if self._transport is None or self._closing:
            return
        self._transport.write(len(packet).to_bytes(2, "big") + packet)
        self.last = monotonic()
        if len(packet) >= TOKEN_BYTES and self._client is not None:
            self._client.tokens -= len(packet) // TOKEN_BYTES
        if self._transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            self._closing = True  # what else it asked in the same breath is not looked at
            self._transport.abort()

    def eof_received(self) -> bool:
        """The client has asked all it wants to; True keeps the connection for the answers that are under way."""
        self._asked_all = True
        return self._waiting > 0 and not self._closing

    def close(self) -> None:
        """Close once everything is sent; at once for a client that has not read it by the next sweep."""
        if self._transport is None:
            return
        if self._closing:
            self._transport.abort()
        else:
            self._closing = True
            self._transport.close()

    def connection_lost(self, _: Exception | None) -> None:
        self._transport = None
        self._server.connections.discard(self)
        if self._client is not None:
            self._client.tcp -= 1
            self._client = None
