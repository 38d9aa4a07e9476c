"""Where exchanges wait for their answers, and what all carriers of a worker share.

An exchange may wait in several places at once: it is sent again when nobody answers, and the older attempts stay
welcome. Its token is a chain of tickets, one for each of them.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable

from filterd.core.exchange import Exchange
from filterd.core.noise import Noise
from filterd.dns.desk import Desk
from filterd.dns.hot import HotSelector


class Place:
    """A socket or a connection, and the exchanges that wait on it, by what tells their answers apart there."""

    __slots__ = ("exchanges",)

    def __init__(self) -> None:
        self.exchanges: dict[bytes, Exchange] = {}

    def left(self) -> None:
        """Called when an exchange that waited here was forgotten."""


class Ticket:
    """Where an exchange waits, under which key; `before` is where it waited before it was sent again."""

    __slots__ = ("before", "ident", "place")

    def __init__(self, place: Place, ident: bytes, before: Ticket | None) -> None:
        self.place = place
        self.ident = ident
        self.before = before


def enter(exchange: Exchange, place: Place, ident: bytes) -> None:
    """Let an exchange wait in a place."""
    place.exchanges[ident] = exchange
    exchange.token = Ticket(place, ident, exchange.token)


def forget(exchange: Exchange) -> None:
    """Let an exchange wait nowhere any more."""
    ticket: Ticket | None = exchange.token
    exchange.token = None
    while ticket is not None:
        place = ticket.place
        if place.exchanges.get(ticket.ident) is exchange:
            del place.exchanges[ticket.ident]
            place.left()
        ticket = ticket.before


def places_of(exchange: Exchange) -> list[Place]:
    """Where an exchange waits or has waited, the last place first; one for each time it was sent."""
    found = []
    ticket: Ticket | None = exchange.token
    while ticket is not None:
        found.append(ticket.place)
        ticket = ticket.before
    return found


class Worker:
    """What the carriers of one worker share: its loop, its hot sockets, its desk, and random ids."""

    def __init__(self, loop: asyncio.AbstractEventLoop, hot: HotSelector, desk: Desk) -> None:
        self.loop = loop
        self.hot = hot
        self.desk = desk
        self._noise = Noise(os.urandom)

    def two_random_bytes(self) -> bytes:
        return self._noise.take(2)

    def free_ident(self, place: Place) -> bytes:
        """A random id that no exchange has in this place."""
        ident = self._noise.take(2)
        while ident in place.exchanges:
            ident = self._noise.take(2)
        return ident

    def unreachable_later(self, exchanges: Iterable[Exchange], ours: bool = False) -> None:
        """Not from inside the caller: a chain of dead upstreams must not become a recursion. Where two were asked at
        once, the other one may still answer.
        """
        for exchange in exchanges:
            if not exchange.hedged:
                forget(exchange)
            self.loop.call_soon(self.desk.unreachable, exchange, ours)
        self.hot.interrupt()
