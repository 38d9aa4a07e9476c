"""The hot path: drain a UDP socket, answer from the memo, hand the rest to the forwarder.

Every line of `_readable` runs for every packet of a school, so it makes no object but the packet's own bytes.
"""

from __future__ import annotations

import asyncio
import socket
from time import monotonic
from typing import Any, Final

from filterd.core.exchange import UDP
from filterd.dns.clients import Clients
from filterd.dns.desk import Desk

BATCH: Final = 64  # packets per wake-up, so that upstream answers and TCP get their turn
RECEIVE_BYTES: Final = 4096


class UdpListener:
    """One listening socket. It is registered with `loop.add_reader`; no task, no future, no protocol object."""

    def __init__(self, loop: asyncio.AbstractEventLoop, sock: socket.socket, clients: Clients, desk: Desk) -> None:
        self._loop = loop
        self._socket = sock
        self._clients = clients
        self._desk = desk
        self.memo_hits = 0
        self.unsent = 0
        loop.add_reader(sock.fileno(), self._readable)

    def close(self) -> None:
        self._loop.remove_reader(self._socket.fileno())

    def reply(self, address: Any, packet: bytes) -> None:
        """Send one reply; a full socket buffer drops it, as the network might."""
        try:
            self._socket.sendto(packet, address)
        except OSError:
            self.unsent += 1

    def _readable(self) -> None:
        now = monotonic()
        receive, send = self._socket.recvfrom, self._socket.sendto
        known, clients, slow = self._clients.get, self._clients, self._desk.query
        hits = 0
        for _ in range(BATCH):
            try:
                packet, address = receive(RECEIVE_BYTES)
            except OSError:  # BlockingIOError: drained
                break
            client = known(address[0])
            if client is None:
                client = clients.find(address[0], now)
                if client is None:
                    continue
            client.tokens -= 1
            if client.tokens < 0 and not clients.refill(client, now):
                continue
            entry = client.memo.get(packet[2:])
            if entry is not None and entry[0] > now:
                try:
                    send(packet[:2] + entry[1], address)
                except OSError:
                    self.unsent += 1
                entry[2][0] += 1
                hits += 1
                continue
            client = clients.find(address[0], now)
            if client is not None:
                reply = slow(packet, UDP, client.row, (self, address), now)
                if reply is not None:
                    self.reply(address, reply)
        self.memo_hits += hits
