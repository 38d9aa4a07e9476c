"""A conversation for tests of the core: a forwarder, its clients, its upstreams. Time moves when a test says so."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import dns.edns
import dns.message
import dns.rcode

from filterd.core.exchange import UDP, Exchange
from filterd.core.overrides import Override
from filterd.core.policy import Policy
from tests import schools
from tests.schools import NOW, POLICY, query, reply

START = 1000.0  # monotonic seconds at which every story begins; the wall clock then shows NOW


class Story:
    """A forwarder, its clock, and what each client has heard."""

    def __init__(
        self,
        policy: Policy = POLICY,
        upstreams: int = 2,
        overrides: Iterable[Override] = (),
        listed: Any = schools.LISTED,
    ) -> None:
        self.now = START
        self.snapshot = schools.snapshot(policy, listed, overrides)
        self.forwarder = schools.forwarder(self.snapshot, upstreams, self.wall)
        self.heard: dict[object, list[bytes]] = {}
        self.sent: list[Exchange] = []
        schools.no_probes(self.forwarder)

    def wall(self) -> float:
        return NOW + self.now - START

    def ask(self, packet: bytes, place: str | None = "7-3", transport: str = UDP, who: object = "client") -> Any:
        """The reply, the exchange that goes upstream, or None."""
        row = None if place == "refused" else schools.row(self.forwarder.snapshot, place)
        outcome = self.forwarder.query(packet, transport, row, who, self.now)
        if isinstance(outcome, Exchange):
            self.sent.append(outcome)
        return outcome

    def lose_prefetches(self) -> None:
        """Nothing becomes of what was asked for ahead of time."""
        while self.forwarder.extra:
            outcome: Any = self.forwarder.extra.pop()
            while isinstance(outcome, Exchange):
                outcome = self.forwarder.unreachable(outcome, self.now, ours=True)

    def as_shell(self, packet: bytes, place: str | None = "7-3") -> Any:
        """What the UDP shell does: the memo first."""
        row = schools.row(self.forwarder.snapshot, place)
        known = self.forwarder.memo.young(row.index, UDP).get(packet[2:])
        if known is not None and known[0] > self.now:
            return packet[:2] + known[1]
        return self.ask(packet, place)

    def answer(self, exchange: Exchange, packet: bytes, tcp: bool = False) -> Any:
        """An upstream's packet arrives: what is sent because of it."""
        return self.take(self.forwarder.response(exchange, packet, self.now, tcp=tcp))

    def take(self, outcome: Any) -> Any:
        if isinstance(outcome, Exchange):
            self.sent.append(outcome)
        elif outcome is not None:
            for who, packet in outcome:
                self.heard.setdefault(who, []).append(packet)
        return outcome

    def passes(self, seconds: float) -> list[Exchange]:
        """Time goes by and the timer fires whenever it is due: the exchanges to send."""
        end = self.now + seconds
        exchanges: list[Exchange] = []
        while (due := self.forwarder.deadline()) is not None and due <= end:
            self.now = max(self.now, due)
            sends, more = self.forwarder.tick(self.now)
            self.take(sends)
            exchanges += more
        self.now = end
        self.sent += exchanges
        return exchanges

    def cached(self, packet: bytes, *answers: bytes, place: str | None = "7-3", **sections: Any) -> bytes:
        """Ask, let the upstream answer, and hear it."""
        exchange = self.ask(packet, place)
        assert isinstance(exchange, Exchange)
        ((_, heard),) = self.answer(exchange, reply(exchange.question, answers, **sections))
        return heard

    def outage(self) -> None:
        """All upstreams go down."""
        for n in range(3):
            self.ask(query(f"outage{n}.example"), who="victim")
        self.passes(5.0)
        assert self.forwarder.upstreams.all_down((0, 1))


def parsed(packet: bytes | None) -> dns.message.Message:
    assert isinstance(packet, bytes)
    return dns.message.from_wire(packet)


def ede(packet: bytes) -> list[int]:
    return [int(o.code) for o in parsed(packet).options if isinstance(o, dns.edns.EDEOption)]


def ttls(packet: bytes) -> list[int]:
    return [rrset.ttl for section in parsed(packet).sections[1:] for rrset in section]


def rcode(packet: bytes | None) -> str:
    return dns.rcode.to_text(parsed(packet).rcode())
