"""Questions on their way to upstreams over UDP, and over TCP when a reply did not fit.

Source ports are the kernel's random ones. `fresh`: a new connected socket for every question, so an off-path attacker
must guess port and id (RFC 5452 section 4.5). `pool`: a set of connected sockets that is renewed, for upstreams on the
box or in the school's own network, where nobody off-path can send with their address.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import os
import socket
from time import monotonic
from typing import Final, cast

from filterd.core.exchange import Exchange
from filterd.core.policy import Upstream
from filterd.core.servers import parse
from filterd.core.upstreams import NOBODY
from filterd.dns.batch import BATCH, Bundle, Inbox
from filterd.dns.desk import Desk
from filterd.dns.hot import HotSelector

POOL: Final = 4  # sockets to each upstream: few, so that many answers are read with one call
POOL_USES: Final = 4096  # questions after which a pool socket gets another port
TCP_S: Final = 1.5
RANDOM_BYTES: Final = 4096
# Too many open files, no memory, no free port: what a new socket can fail by that says nothing about its upstream.
OURS: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EAGAIN, errno.EADDRNOTAVAIL})


class Carrier:
    """One upstream server. `index` is its number for the forwarder, NOBODY once it is no longer configured."""

    def __init__(self, index: int, address: tuple[str, int], pool: bool) -> None:
        self.index = index
        self.address = address
        self.family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.pool = pool
        self.sockets: list[Flight] = []
        self.waiting: list[Exchange] = []  # to be sent at the end of this turn


class Flight:
    """One connected socket and the exchanges that wait on it, by id."""

    __slots__ = ("carrier", "exchanges", "socket", "uses")

    def __init__(self, carrier: Carrier, sock: socket.socket) -> None:
        self.carrier = carrier
        self.socket = sock
        self.exchanges: dict[bytes, Exchange] = {}
        self.uses = 0


class Ticket:
    """Where an exchange waits; `before` is where it waited before it was sent again."""

    __slots__ = ("before", "flight", "ident")

    def __init__(self, flight: Flight, ident: bytes, before: Ticket | None) -> None:
        self.flight = flight
        self.ident = ident
        self.before = before


def is_near(address: str) -> bool:
    """Whether an upstream is on this box or in a private network, where a pool of ports is safe."""
    parsed = ipaddress.ip_address(address)
    return parsed.is_loopback or parsed.is_private or parsed.is_link_local


class Upstreams:
    """All upstreams of a worker."""

    def __init__(self, loop: asyncio.AbstractEventLoop, tasks: asyncio.TaskGroup, hot: HotSelector, desk: Desk) -> None:
        self._loop = loop
        self._tasks = tasks
        self._desk = desk
        self._carriers: list[Carrier] = []
        self._hot = hot
        self._flights: dict[int, Flight] = {}
        self._inbox = Inbox()
        self._bundle = Bundle()
        self._random = b""
        self._random_at = RANDOM_BYTES

    def configure(self, servers: tuple[Upstream, ...], source_ports: str) -> None:
        """Use these upstreams from now on."""
        for carrier in self._carriers:
            carrier.index = NOBODY
            for flight in carrier.sockets:
                self._close(flight)
            exchanges, carrier.waiting = carrier.waiting, []
            self._later_unreachable(exchanges)
        self._carriers = []
        for index, upstream in enumerate(servers):
            server = parse(upstream)
            address = server.addresses[0]
            pool = source_ports == "pool" or (source_ports == "auto" and is_near(address))
            self._carriers.append(Carrier(index, (address, server.port), pool))

    def close(self) -> None:
        for flight in list(self._flights.values()):
            self._close(flight)

    def send(self, exchange: Exchange) -> None:
        """Carry an exchange to its upstream. Where it was sent before, a late answer is still welcome."""
        carrier = self._carriers[exchange.upstream]
        if exchange.tcp:
            self._tasks.create_task(self._over_tcp(exchange, carrier))
            self._hot.interrupt()
            return
        if carrier.pool:
            if not carrier.waiting:
                self._hot.after(lambda: self._flush(carrier))
            carrier.waiting.append(exchange)
            return
        try:
            flight = self._open(carrier)
            flight.socket.send(self._enter(flight, exchange) + exchange.packet[2:])
        except OSError as error:
            self._later_unreachable([exchange], error.errno in OURS)

    def _enter(self, flight: Flight, exchange: Exchange) -> bytes:
        """Let an exchange wait on a socket; gives the id it has there."""
        ident = self._two_random_bytes()
        while ident in flight.exchanges:
            ident = self._two_random_bytes()
        flight.exchanges[ident] = exchange
        exchange.token = Ticket(flight, ident, cast(Ticket | None, exchange.token))
        return ident

    def _flush(self, carrier: Carrier) -> None:
        """Send the questions of one turn through one socket of the pool, 64 with one call."""
        exchanges, carrier.waiting = carrier.waiting, []
        bundle = self._bundle
        for first in range(0, len(exchanges), BATCH):
            part = exchanges[first : first + BATCH]
            try:
                flight = self._pooled(carrier)
            except OSError as error:
                self._later_unreachable(part, error.errno in OURS)
                continue
            for exchange in part:
                bundle.put(self._enter(flight, exchange), exchange.packet)
            flight.uses += len(part)
            failed = bundle.send(flight.socket)
            # A full buffer of our own loses packets as the network may: they are sent again in time. Else it is an ICMP
            # error that was waiting, mostly: nobody listens there.
            if failed and failed not in OURS:
                self._later_unreachable(list(dict.fromkeys(flight.exchanges.values())))

    def _later_unreachable(self, exchanges: list[Exchange], ours: bool = False) -> None:
        """Not from inside the caller: a chain of dead upstreams must not become a recursion."""
        for exchange in exchanges:
            self._forget(exchange)
            self._loop.call_soon(self._desk.unreachable, exchange, ours)
        self._hot.interrupt()

    def sweep(self) -> None:
        """Forget exchanges that were given up; once a second."""
        for flight in list(self._flights.values()):
            for exchange in [e for e in flight.exchanges.values() if e.done]:
                self._forget(exchange)

    def _two_random_bytes(self) -> bytes:
        if self._random_at >= RANDOM_BYTES:
            self._random, self._random_at = os.urandom(RANDOM_BYTES), 0
        self._random_at += 2
        return self._random[self._random_at - 2 : self._random_at]

    def _pooled(self, carrier: Carrier) -> Flight:
        if len(carrier.sockets) < POOL:
            flight = self._open(carrier)
            carrier.sockets.append(flight)
        else:
            at = self._two_random_bytes()[0] % POOL
            flight = carrier.sockets[at]
            if flight.uses >= POOL_USES:
                old, flight = flight, self._open(carrier)
                carrier.sockets[at] = flight
                if not old.exchanges:  # else it closes with its last one
                    self._close(old)
        return flight

    def _open(self, carrier: Carrier) -> Flight:
        sock = socket.socket(carrier.family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            sock.connect(carrier.address)
        except OSError:
            sock.close()
            raise
        flight = self._flights[sock.fileno()] = Flight(carrier, sock)
        self._hot.add(sock.fileno(), self._readable)
        return flight

    def _close(self, flight: Flight) -> None:
        if self._flights.pop(flight.socket.fileno(), None) is not None:
            self._hot.remove(flight.socket.fileno())
            flight.socket.close()

    def _forget(self, exchange: Exchange) -> None:
        ticket, exchange.token = cast(Ticket | None, exchange.token), None
        while ticket is not None:
            flight = ticket.flight
            flight.exchanges.pop(ticket.ident, None)
            if not flight.exchanges and flight not in flight.carrier.sockets:
                self._close(flight)
            ticket = ticket.before

    def _readable(self, fd: int) -> None:
        flight = self._flights[fd]
        packets = self._inbox.receive(flight.socket)
        if packets is None:  # ICMP: nobody listens there
            self._refused(flight)
            return
        now = monotonic()
        response, exchanges, index = self._desk.response, flight.exchanges, flight.carrier.index
        for packet in packets:
            exchange = exchanges.get(packet[:2])
            if exchange is not None and response(exchange, packet, now, index) and exchange.done:
                self._forget(exchange)

    def _refused(self, flight: Flight) -> None:
        for exchange in list(dict.fromkeys(flight.exchanges.values())):  # one may have been asked twice here
            self._forget(exchange)
            self._desk.unreachable(exchange)

    async def _over_tcp(self, exchange: Exchange, carrier: Carrier) -> None:
        try:
            async with asyncio.timeout(TCP_S):
                reader, writer = await asyncio.open_connection(*carrier.address)
                try:
                    ident = self._two_random_bytes()
                    packet = ident + exchange.packet[2:]
                    writer.write(len(packet).to_bytes(2, "big") + packet)
                    while True:
                        size = int.from_bytes(await reader.readexactly(2), "big")
                        reply = await reader.readexactly(size)
                        mine = reply[:2] == ident
                        if mine and self._desk.response(exchange, reply, monotonic(), carrier.index, tcp=True):
                            if exchange.done:  # else it is on its way to another upstream already
                                self._forget(exchange)
                            return
                finally:
                    writer.close()
        except (OSError, EOFError, TimeoutError):
            if exchange.tcp and exchange.upstream == carrier.index and not exchange.done:
                self._desk.unreachable(exchange)
