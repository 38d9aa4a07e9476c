"""One connection to an upstream and the exchanges that wait on it, many at a time, answered in any order."""

from __future__ import annotations

from collections import deque
from time import monotonic
from typing import Final, Protocol

from filterd.core.exchange import Exchange
from filterd.dns.upstream.framing import AGAIN, Framing, StreamError
from filterd.dns.upstream.places import Place, Worker, enter, forget
from filterd.dns.upstream.stream import Stream
from filterd.dns.upstream.tls import Tls

MAX_STRAYS: Final = 100  # answers to nobody's question, between two that are somebody's


class Owner(Protocol):
    """The carrier that a connection belongs to."""

    index: int

    def ready(self) -> None:
        """A connection takes questions, or more of them than before."""

    def failed(self, exchange: Exchange) -> None:
        """The server has no answer to this one."""

    def again(self, connection: Connection, exchanges: list[Exchange]) -> None:
        """These were sent and will not be answered."""

    def lost(self, connection: Connection, error: OSError | None) -> None:
        """The connection has gone, with what waits on it."""


class Connection(Place):
    """Connects as soon as it is made; may raise OSError then."""

    __slots__ = (
        "_framing",
        "_owner",
        "_strays",
        "_stream",
        "_worker",
        "answered",
        "heard",
        "ready",
        "retiring",
        "used",
    )  # fmt: skip

    def __init__(
        self, worker: Worker, owner: Owner, address: tuple[str, int], tls: Tls | None, framing: Framing
    ) -> None:
        super().__init__()
        self._worker = worker
        self._owner: Owner | None = owner
        self._framing = framing
        self._strays = 0
        self.answered = 0
        self.ready = False
        self.retiring = False  # takes no new questions
        self.heard = self.used = monotonic()  # the last whole answer; the last answer or question
        self._stream = Stream(worker, address, tls, self)

    def take(self, queue: deque[Exchange], depth: int) -> None:
        """Send what there is room for, as one write; at most `depth` wait here then."""
        framing, parts = self._framing, []
        room = min(framing.room(), depth - len(self.exchanges))
        if not self.exchanges:
            self.heard = monotonic()  # silence before there was a question says nothing
        while queue and room > 0:
            exchange = queue.popleft()
            if exchange.done:
                forget(exchange)
                continue
            key, data = framing.put(self._worker.free_ident(self), exchange.packet)
            enter(exchange, self, key)
            parts.append(data)
            room -= 1
        if parts:
            self.used = monotonic()
            self._stream.write(b"".join(parts))

    def opened(self) -> None:
        self.ready = True
        data = self._framing.opening()
        if data:
            self._stream.write(data)
        if self._owner is not None:
            self._owner.ready()

    def received(self, data: bytes) -> None:
        try:
            found = self._framing.feed(data)
        except StreamError as error:
            self._stream.close()
            self.lost(OSError(str(error)))
            return
        now = monotonic()
        again: list[Exchange] = []
        for key, packet in found:
            exchange = self.exchanges.get(key)
            if exchange is None:
                self._strays += 1
            elif packet == AGAIN:
                del self.exchanges[key]
                again.append(exchange)
            else:
                self._answer(key, exchange, packet, now)
        control = self._framing.control()
        if control:
            self._stream.write(control)
        if self._owner is None:
            return
        if self._strays > MAX_STRAYS:
            self._stream.close()
            self.lost(OSError("answers that nobody asked for"))
            return
        self.retiring = self.retiring or self._framing.closing()
        if again:
            self._owner.again(self, again)
        self._owner.ready()
        if self.retiring and not self.exchanges:
            self.close()

    def _answer(self, key: bytes, exchange: Exchange, packet: bytes | None, now: float) -> None:
        owner = self._owner
        if owner is None:  # closed by the answer before
            return
        if not self.answered:
            self._stream.remember()
        self.answered += 1
        self.heard = self.used = now
        if packet is None:
            del self.exchanges[key]
            owner.failed(exchange)
        elif self._worker.desk.response(exchange, packet, now, owner.index, tcp=True):
            self._strays = 0
            self.exchanges.pop(key, None)
            if exchange.done:
                forget(exchange)
        else:
            self._strays += 1
            if self._framing.once:
                self.exchanges.pop(key, None)
                owner.failed(exchange)

    def sweep(self) -> None:
        """Forget what was given up; once a second."""
        for exchange in [e for e in self.exchanges.values() if e.done]:
            forget(exchange)
        self._framing.expect(set(self.exchanges))
        control = self._framing.control()
        if control and self.ready:
            self._stream.write(control)

    def lost(self, error: OSError | None) -> None:
        owner, self._owner = self._owner, None
        if owner is not None:
            owner.lost(self, error)

    def close(self) -> None:
        """Close, and let the owner see to what waits here."""
        self._stream.close()
        self.lost(None)
