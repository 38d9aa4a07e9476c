"""Drives a forwarder in-process: clients and upstreams that send anything, on a clock of its own.

What must hold after every packet is in `_check_reply` and `_upstream_speaks`. `BrokenPromiseError` says what did not,
with the seed and the step, so that a run can be repeated up to there.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import dns.exception
import dns.message

from filterd.core import wire
from filterd.core.asker import BUDGET_S, Send
from filterd.core.exchange import Exchange
from filterd.core.forwarder import Forwarder
from filterd.core.policy import BlockAnswer
from filterd.core.servers import plan
from filterd.core.snapshot import Snapshot
from tests import schools
from tests.fuzz import packets

PENDING = 64
STEP_S = 0.004
ANSWER_WITHIN_S = BUDGET_S + 0.7  # the clock moves in steps, and a time-out waits for the next one
OPT_BYTES = 11
COOKIE_BYTES = 28  # what an OPT grows by when a client sent a cookie
_SHORT_ERRORS = frozenset({wire.FORMERR, wire.NOTIMP})


class BrokenPromiseError(AssertionError):
    """A promise that did not hold. Caught by nobody: it ends the run."""


class Inside:
    """One forwarder under fire. `step` is one client's packet and whatever follows from it."""

    def __init__(self, seed: int, names: int = 60) -> None:
        self.seed = seed
        self.chance = random.Random(seed)
        self.maker = packets.Maker(self.chance, names)
        self.now = 1000.0
        self.sent = self.replies = 0
        self.seen: Counter[str] = Counter()
        self._snapshots = _snapshots()
        servers = replace(plan(self._snapshots[0].policy), mixed=(True, False))
        self.forwarder = Forwarder(self._snapshots[0], servers, lambda: schools.NOW + self.now, self.chance.randbytes)
        self.forwarder.use_secrets((b"sixteen bytes...",))
        self._flying: list[tuple[Exchange, int, bool, str]] = []
        self._waiting: dict[int, tuple[bytes, str, float]] = {}  # token -> packet, transport, asked at
        self._token = 0

    def run(self, enough: Callable[[], bool]) -> None:
        """Steps until `enough`, then until nobody waits any more."""
        while not enough():
            for _ in range(200):
                self.step()
        for _ in range(int(ANSWER_WITHIN_S / STEP_S) + 2):
            self._pass_time()
        self._assert(not self._waiting, "somebody was never answered", repr(list(self._waiting.values())[:3]))
        self._assert(self.forwarder.pending == 0, "questions are still pending", str(self.forwarder.pending))

    def step(self) -> None:
        packet = self.maker.query()
        transport = "udp" if self.chance.random() < 0.8 else "tcp"
        row = self.chance.choice(self._rows)
        self._token += 1
        self.sent += 1
        outcome = self.forwarder.query(packet, transport, row, self._token, self.now, b"client")
        self._launch_extra()
        if isinstance(outcome, bytes):
            self._check_reply(packet, transport, outcome)
        elif isinstance(outcome, Exchange):
            self._waiting[self._token] = (packet, transport, self.now)
            self._launch(outcome)
        elif self._was_accepted(packet):
            self._waiting[self._token] = (packet, transport, self.now)
        else:
            self.seen["silence"] += 1
        self._assert(self.forwarder.pending <= PENDING, "more is pending than may be", str(self.forwarder.pending))
        if self._token % 5000 == 0:
            self._swap()
        if self._flying and self.chance.random() < 0.7:
            self._upstream_speaks(self._flying.pop(self.chance.randrange(len(self._flying))))
        if self.chance.random() < 0.3:
            self._pass_time()

    # -- the world ------------------------------------------------------------------------------------------------

    @property
    def _rows(self) -> list[object]:
        snapshot = self.forwarder.snapshot
        return [schools.row(snapshot, place) for place in ("3a", "7-3", "9b", "staff-room", None)]

    def _swap(self) -> None:
        self.forwarder.use(self._snapshots[self._token // 5000 % len(self._snapshots)])

    def _pass_time(self) -> None:
        self.now += STEP_S
        deadline = self.forwarder.deadline()
        if deadline is not None and deadline <= self.now:
            sends, exchanges = self.forwarder.tick(self.now)
            self._deliver(sends)
            for exchange in exchanges:
                self._launch(exchange)
        for packet, _, since in list(self._waiting.values())[:1]:  # in order of asking
            self._assert(self.now - since < ANSWER_WITHIN_S, "a question was not answered in time", packet.hex())

    def _was_accepted(self, packet: bytes) -> bool:
        """Whether silence may mean that the answer comes later: a question somebody else has asked already."""
        return len(packet) >= wire.HEADER_BYTES and not packet[2] & 0x80

    def _launch_extra(self) -> None:
        while self.forwarder.extra:
            self._launch(self.forwarder.extra.pop())

    def _launch(self, exchange: Exchange) -> None:
        question = packets.question_of(exchange.packet)
        self._assert(question == exchange.question, "another question goes up", exchange.packet.hex())
        self._assert(exchange.packet[:2] == b"\0\0", "the id is the shell's", exchange.packet.hex())
        self._flying.append((exchange, exchange.upstream, exchange.tcp, packets.fate(question)))

    def _upstream_speaks(self, flight: tuple[Exchange, int, bool, str]) -> None:
        exchange, upstream, tcp, fate = flight
        self.seen[fate] += 1
        asked = exchange.packet
        if fate == "silent":
            return
        if fate == "unreachable":
            self._take(self.forwarder.unreachable(exchange, self.now))
            return
        if fate == "wrong":
            for _ in range(self.chance.randrange(1, 5)):
                self._tell_wrong(exchange, self.maker.wrong(asked), upstream, tcp)
        if fate == "failing":
            reply = packets.failing(asked, self.chance.choice((2, 5, 1, 4, 9)))
        elif fate == "cut" and not tcp:
            reply = packets.cut(asked)
        elif fate == "bent":
            reply = self.maker.bent(self.maker.honest(asked))
        else:
            reply = self.maker.honest(asked)
        self.sent += 1
        self._take(self.forwarder.response(exchange, reply, self.now, upstream, tcp))

    def _tell_wrong(self, exchange: Exchange, packet: bytes, upstream: int, tcp: bool) -> None:
        if exchange.done:
            return
        self.sent += 1
        before = self.forwarder.cache.get(exchange.key) if exchange.key else None
        outcome = self.forwarder.response(exchange, packet, self.now, upstream, tcp)
        if exchange.key:
            self._assert(self.forwarder.cache.get(exchange.key) is before, "a lie was cached", packet.hex())
        self._take(outcome)

    def _take(self, outcome: list[Send] | Exchange | None) -> None:
        if isinstance(outcome, Exchange):
            self._launch(outcome)
        elif outcome is not None:
            self._deliver(outcome)

    def _deliver(self, sends: list[Send]) -> None:
        for token, reply in sends:
            waiting = self._waiting.pop(token, None)
            self._assert(waiting is not None, "a reply to nobody, or a second one", reply.hex())
            if waiting is not None:
                self._check_reply(waiting[0], waiting[1], reply)

    # -- what must hold -------------------------------------------------------------------------------------------

    def _check_reply(self, packet: bytes, transport: str, reply: bytes) -> None:
        self.replies += 1
        rcode = reply[3] & 15
        self.seen[f"rcode {rcode}"] += 1
        self._assert(reply[:2] == packet[:2], "the id is another", packet.hex())
        self._assert(bool(reply[2] & 0x80), "a reply that is no response", packet.hex())
        self._assert(packets.POISON not in reply, "a lie was told", packet.hex() + " " + reply.hex())
        self._assert(len(reply) <= _allowed_bytes(packet, transport), "longer than allowed", packet.hex())
        if rcode in _SHORT_ERRORS:
            most = len(packet) + OPT_BYTES + COOKIE_BYTES
            self._assert(len(reply) <= most, "an error that amplifies", packet.hex())
        try:
            walk(reply)
            if not self._may_be_odd(reply):
                dns.message.from_wire(reply)
        except (IndexError, dns.exception.DNSException, ValueError) as error:
            raise self._broken(f"not a DNS message: {error!r}", f"{packet.hex()} {reply.hex()}") from error

    @staticmethod
    def _may_be_odd(reply: bytes) -> bool:
        """RDATA that an upstream bent or that has no form at all is passed on as it came."""
        if reply[4:6] != b"\0\1":
            return False
        question = packets.question_of(reply)
        return packets.fate(question) == "bent" or question[-4:] not in _FORMED

    def _assert(self, holds: bool, what: str, detail: str = "") -> None:
        if not holds:
            raise self._broken(what, detail)

    def _broken(self, what: str, detail: str) -> BrokenPromiseError:
        return BrokenPromiseError(f"seed {self.seed}, step {self._token}: {what}: {detail[:2000]}")


_FORMED = frozenset(kind.to_bytes(2, "big") + b"\0\1" for kind in (1, 2, 5, 6, 12, 15, 16, 28, 33, 39, 64, 65))


def walk(message: bytes) -> None:
    """Every record within its bounds, the counts exact, nothing behind. Raises IndexError or ValueError."""
    counts = [int.from_bytes(message[at : at + 2], "big") for at in (4, 6, 8, 10)]
    at = 12
    for _ in range(counts[0]):
        at = _skip(message, at) + 4
    for _ in range(sum(counts[1:])):
        at = _skip(message, at) + 10
        at += int.from_bytes(message[at - 2 : at], "big")
    if at != len(message):
        raise ValueError(f"it ends at {len(message)}, its records at {at}")


def _skip(message: bytes, at: int) -> int:
    while True:
        length = message[at]
        if length == 0:
            return at + 1
        if length >= 192:
            if int.from_bytes(message[at : at + 2], "big") & 0x3FFF >= at:
                raise ValueError(f"a pointer forwards at {at}")
            return at + 2
        if length > 63:
            raise ValueError(f"a label of no kind at {at}")
        at += length + 1


def _allowed_bytes(packet: bytes, transport: str) -> int:
    if transport != "udp":
        return 65535
    return wire.MAX_UDP_BYTES if packet[10:12] != b"\0\0" else wire.MIN_UDP_BYTES


def _snapshots() -> list[Snapshot]:
    """Policies that answer blocked names in each of the three ways; small bounds, so that they are met."""
    limits = replace(schools.POLICY.limits, pending=PENDING, cache_bytes=300_000, memo_bytes=100_000)
    answers = (schools.POLICY.block_answer, BlockAnswer("zero"), BlockAnswer("nxdomain"))
    return [schools.snapshot(replace(schools.POLICY, limits=limits, block_answer=answer)) for answer in answers]
