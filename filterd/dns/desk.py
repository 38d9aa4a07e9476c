"""Between the forwarder and the sockets: sends what it says where it says, and keeps its one timer."""

from __future__ import annotations

import asyncio
import logging
from time import monotonic
from typing import Final, Protocol

from filterd.core.asker import Send
from filterd.core.exchange import Exchange
from filterd.core.forwarder import Forwarder
from filterd.core.matrix import Row
from filterd.dns.hot import HotSelector

log = logging.getLogger("filterd.dns")

FAULT_PAUSE_S: Final = 0.1


class ReplyTo(Protocol):
    """A listener that can send a reply to one of its clients."""

    def reply(self, address: object, packet: bytes, /) -> None: ...


class Upstream(Protocol):
    """Something that can carry an exchange upstream."""

    def send(self, exchange: Exchange) -> None: ...


class Desk:
    """One per worker. `upstream` is set once, right after both exist."""

    upstream: Upstream

    def __init__(self, loop: asyncio.AbstractEventLoop, hot: HotSelector, forwarder: Forwarder) -> None:
        self._loop = loop
        self._hot = hot
        self._forwarder = forwarder
        self._timer: asyncio.TimerHandle | None = None
        self._when = 0.0  # what it is set for; the loop's clock is the monotonic one
        self.faults = 0

    def query(
        self,
        packet: bytes,
        transport: str,
        row: Row | None,
        reply_to: tuple[ReplyTo, object],
        now: float,
        client: bytes = b"",
    ) -> bytes | None:
        """Ask the forwarder; a question for upstream is sent at once, its reply comes later through `reply_to`."""
        forwarder = self._forwarder
        try:
            outcome = forwarder.query(packet, transport, row, reply_to, now, client)
            if forwarder.extra:
                for exchange in forwarder.extra:
                    self._carry(exchange)
                forwarder.extra.clear()
            if isinstance(outcome, Exchange):
                self._carry(outcome)
                return None
        except Exception:  # noqa: BLE001  a bug must cost one query, never the school's DNS; it is counted and logged
            self._fault("a query")
            return None
        return outcome

    def response(
        self, exchange: Exchange, packet: bytes, now: float, upstream: int | None = None, tcp: bool = False
    ) -> bool:
        """Hand the packet of an upstream over; False if it was not the answer to this exchange."""
        try:
            outcome = self._forwarder.response(exchange, packet, now, upstream, tcp)
        except Exception:  # noqa: BLE001  as above, for the clients of this exchange
            self._fault("a response")
            return False
        if outcome is None:
            return False
        self._do(outcome)
        return True

    def stray(self, exchange: Exchange, guessed: bool = False) -> None:
        """A packet came to a socket that only this exchange waits on, and is not for it: somebody guesses."""
        outcome = self._forwarder.stray(exchange, monotonic(), guessed)
        if outcome is not None:
            self._do(outcome)

    def unreachable(self, exchange: Exchange, ours: bool = False) -> None:
        """The exchange could not be carried; `ours`: and the upstream has no part in it."""
        self._do(self._forwarder.unreachable(exchange, monotonic(), ours))

    def arm(self) -> None:
        """Set the timer for the forwarder's deadline."""
        deadline = self._forwarder.deadline()
        if self._timer is not None:
            if deadline is not None and self._when <= deadline:
                return
            self._timer.cancel()
            self._timer = None
        if deadline is not None:
            self._when = deadline
            self._timer = self._loop.call_at(deadline, self._tick)
            self._hot.interrupt()

    def _tick(self) -> None:
        self._timer = None
        try:
            sends, exchanges = self._forwarder.tick(monotonic())
        except Exception:  # noqa: BLE001  as above: the timer must go on for all the other questions
            self._fault("a time-out")
            self._timer = self._loop.call_later(FAULT_PAUSE_S, self._tick)
            return
        self._do(sends)
        for exchange in exchanges:
            self.upstream.send(exchange)
        self.arm()

    def _carry(self, exchange: Exchange) -> None:
        self.upstream.send(exchange)
        if self._timer is None or self._when > (exchange.hedge_at or exchange.due):
            self.arm()

    def _do(self, outcome: list[Send] | Exchange) -> None:
        if isinstance(outcome, Exchange):
            self._carry(outcome)
            return
        for reply_to, reply in outcome:
            listener, address = reply_to
            listener.reply(address, reply)

    def _fault(self, what: str) -> None:
        self.faults += 1
        if self.faults & (self.faults - 1) == 0:  # the 1st, 2nd, 4th, 8th...: a flood cannot fill the log
            log.exception("internal error %d while handling %s; the query was dropped", self.faults, what)
