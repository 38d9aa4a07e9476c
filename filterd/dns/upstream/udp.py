"""Questions over UDP. Source ports are the kernel's random ones, ids are random.

`fresh`: a new connected socket for every question, so an off-path attacker must guess port and id (RFC 5452 section
4.5). `pool`: a set of connected sockets that is renewed, for upstreams on the box or in the school's own network, where
nobody off-path can send with their address.
"""

from __future__ import annotations

import errno
import socket
from time import monotonic
from typing import Final

from filterd.core.exchange import Exchange
from filterd.core.upstreams import NOBODY
from filterd.dns.batch import BATCH, Bundle, Inbox, receive_one
from filterd.dns.upstream.places import Place, Worker, enter, forget

POOL: Final = 4  # sockets to each upstream: few, so that many answers are read with one call
POOL_STRAYS: Final = 64  # packets with an id that nothing waits under
POOL_USES: Final = 4096  # questions after which a pool socket gets another port
# Too many open files, no memory, no free port: what a new socket can fail by that says nothing about its upstream.
OURS: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EAGAIN, errno.EADDRNOTAVAIL})
_KIND: Final = int(socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)  # an enum's arithmetic is Python


class Flight(Place):
    """One connected socket. `kept`: it is one of a pool, and stays open when nothing waits on it."""

    __slots__ = ("carrier", "kept", "socket", "strays", "uses")

    def __init__(self, carrier: UdpCarrier, sock: socket.socket) -> None:
        self.exchanges = {}  # there is a flight for each question: without a call to what is above
        self.carrier = carrier
        self.socket = sock
        self.kept = carrier.pool
        self.strays = 0
        self.uses = 0

    def left(self) -> None:
        if not self.kept and not self.exchanges:
            self.carrier.close_flight(self)


class Buffers:
    """What the UDP carriers of one worker take turns with."""

    def __init__(self) -> None:
        self.inbox = Inbox()
        self.bundle = Bundle()


class UdpCarrier:
    """One server. `index` is its number for the forwarder, NOBODY once it is no longer configured."""

    def __init__(self, worker: Worker, buffers: Buffers, index: int, address: tuple[str, int], pool: bool) -> None:
        self.index = index
        self.pool = pool
        self.flights: dict[int, Flight] = {}
        self._worker = worker
        self._buffers = buffers
        self._address = address
        self._family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._kept: list[Flight] = []
        self._waiting: list[Exchange] = []  # to be sent at the end of this turn

    def send(self, exchange: Exchange) -> None:
        if self.pool:
            if not self._waiting:
                self._worker.hot.after(self._flush)
            self._waiting.append(exchange)
            return
        try:
            flight = self._open()
            ident = self._worker.two_random_bytes()
            enter(exchange, flight, ident)
            flight.socket.send(ident + exchange.packet[2:])
        except OSError as error:
            self._worker.unreachable_later([exchange], error.errno in OURS)

    def _flush(self) -> None:
        """Send the questions of one turn through one socket of the pool, 64 with one call."""
        exchanges, self._waiting = self._waiting, []
        bundle, worker = self._buffers.bundle, self._worker
        for first in range(0, len(exchanges), BATCH):
            part = exchanges[first : first + BATCH]
            try:
                flight = self._pooled()
            except OSError as error:
                worker.unreachable_later(part, error.errno in OURS)
                continue
            for exchange in part:
                ident = worker.free_ident(flight)
                enter(exchange, flight, ident)
                bundle.put(ident, exchange.packet)
            flight.uses += len(part)
            failed = bundle.send(flight.socket)
            # A full buffer of our own loses packets as the network may: they are sent again in time. Else it is an ICMP
            # error that was waiting, mostly: nobody listens there.
            if failed and failed not in OURS:
                worker.unreachable_later(self._given_up(flight))

    def _pooled(self) -> Flight:
        kept = self._kept
        if len(kept) < POOL:
            flight = self._open()
            kept.append(flight)
        else:
            at = self._worker.two_random_bytes()[0] % POOL
            flight = kept[at]
            if flight.uses >= POOL_USES:
                old, flight = flight, self._open()
                kept[at] = flight
                old.kept = False
                old.left()  # closes now, or with its last one
        return flight

    def _open(self) -> Flight:
        sock = socket.socket(self._family, _KIND)
        try:
            sock.connect(self._address)
        except OSError:
            sock.close()
            raise
        fd = sock.fileno()
        flight = self.flights[fd] = Flight(self, sock)
        self._worker.hot.add(fd, self._readable)
        return flight

    def _readable(self, fd: int) -> None:
        flight = self.flights[fd]
        many = self.pool or flight.strays  # a fresh socket has one answer to get, unless somebody guesses
        packets = self._buffers.inbox.receive(flight.socket) if many else receive_one(flight.socket)
        if packets is None:  # ICMP: nobody listens there
            for given_up in self._given_up(flight):
                self._worker.desk.unreachable(given_up)
            return
        now = monotonic()
        desk, exchanges, index = self._worker.desk, flight.exchanges, self.index
        for packet in packets:
            exchange = exchanges.get(packet[:2])
            if exchange is None:
                self._stray(flight)
            elif desk.response(exchange, packet, now, index) and exchange.done:
                forget(exchange)

    def _stray(self, flight: Flight) -> None:
        """A wrong id. On a fresh socket it is a guess; on one of the pool an answer may only have come too late, so it
        takes many until its port counts as known to somebody: then it is given up, and what waits there goes over TCP.
        """
        flight.strays += 1
        if not self.pool:
            for only in list(flight.exchanges.values()):
                self._worker.desk.stray(only)
        elif flight.strays == POOL_STRAYS and flight.kept:
            self._kept = [other for other in self._kept if other is not flight]
            flight.kept = False
            for exchange in list(dict.fromkeys(flight.exchanges.values())):
                if exchange.upstream == self.index:  # else it waits for another one by now
                    self._worker.desk.stray(exchange, guessed=True)
            flight.left()  # closes now, or with its last one

    def _given_up(self, flight: Flight) -> list[Exchange]:
        """Nobody listens there: what has to be asked elsewhere. Who was asked since then may still answer, and is not
        to blame.
        """
        exchanges = list(dict.fromkeys(flight.exchanges.values()))  # one may have been asked twice here
        flight.exchanges.clear()
        flight.left()
        return [e for e in exchanges if e.upstream == self.index and not e.tcp]

    def sweep(self) -> None:
        """Forget exchanges that were given up; once a second."""
        for flight in list(self.flights.values()):
            for exchange in [e for e in flight.exchanges.values() if e.done]:
                forget(exchange)

    def retire(self) -> None:
        """No longer configured: ask what waits elsewhere; what is under way on fresh sockets may still be answered."""
        self.index = NOBODY
        for flight in self._kept:
            for exchange in list(flight.exchanges.values()):
                forget(exchange)
            self.close_flight(flight)
        exchanges, self._waiting = self._waiting, []
        self._worker.unreachable_later(exchanges)

    def close(self) -> None:
        for flight in list(self.flights.values()):
            self.close_flight(flight)

    def close_flight(self, flight: Flight) -> None:
        fd = flight.socket.fileno()
        if self.flights.pop(fd, None) is not None:
            self._worker.hot.closing(fd)
            flight.socket.close()
