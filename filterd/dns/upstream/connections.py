"""One server's connections: opened when there is a question, shared by many, closed when idle (RFC 7766 section 6.2).

Questions wait in a queue until a connection takes them. Another connection is opened when those that are there are
full, one at a time. A question whose connection goes away is asked again on another one, if the server keeps answering.
"""

from __future__ import annotations

from collections import deque
from time import monotonic
from typing import Final

from filterd.core.exchange import Exchange
from filterd.core.servers import Server
from filterd.core.upstreams import NOBODY
from filterd.dns.upstream.connection import Connection
from filterd.dns.upstream.framing import Framing, LengthPrefixed
from filterd.dns.upstream.places import Worker, forget, places_of
from filterd.dns.upstream.tls import Tls
from filterd.dns.upstream.udp import OURS

CONNECTIONS: Final = 8  # to each upstream
DEPTH: Final = 128  # questions that wait on one connection
CAP: Final = 1024  # questions that wait for a connection to one upstream; as many may be under way
IDLE_S: Final = {"udp": 10.0, "tcp": 10.0, "tls": 30.0, "https": 30.0}
SILENT_S: Final = 0.5  # a connection with questions and no answer for so long gets no more
DEAD_S: Final = 3.0  # and after this it is closed
FORGIVE_S: Final = 1.0  # after it a server that did not take many questions at once is given four times as many
SENDS: Final = 2  # of one question over connections that answer nothing
SENDS_WITH_ANSWERS: Final = 5  # over such as answer something before they close
PROTOCOLS: Final = {"tls": "dot", "https": "h2"}  # ALPN ids


class StreamCarrier:
    """One server over TCP, TLS or HTTPS; for `udp` servers what did not fit. `index` as of `UdpCarrier`."""

    def __init__(self, worker: Worker, index: int, url: str, server: Server) -> None:
        self.index = index
        self.connections: list[Connection] = []
        self._worker = worker
        self._server = server
        self._fallback = server.transport == "udp"
        self._idle_s = IDLE_S[server.transport]
        protocol = PROTOCOLS.get(server.transport)
        self._tls = Tls(url, server.name, server.ca, protocol) if protocol is not None else None
        self._authority = _authority(server)
        self._addresses = deque(server.addresses)
        self._untried = 0  # addresses that may still be tried for what waits now
        self._queue: deque[Exchange] = deque()
        self._scheduled = False
        self._depth = DEPTH  # at 1 a connection is used once
        self._shallow_since = 0.0

    def send(self, exchange: Exchange) -> None:
        if exchange.token is not None:
            self._suspect(exchange)
            if exchange in self._queue:
                return
        if len(self._queue) >= CAP:
            self._worker.unreachable_later([exchange], ours=True)
            return
        self._queue.append(exchange)
        self.ready()

    def _suspect(self, exchange: Exchange) -> None:
        """It is asked again: connections where it waits and nobody says anything are taken for dead."""
        silent = monotonic() - SILENT_S
        for place in places_of(exchange):
            if isinstance(place, Connection) and place.heard < silent and exchange in place.exchanges.values():
                place.retiring = True

    def ready(self) -> None:
        if self._queue and not self._scheduled:
            self._scheduled = True
            self._worker.hot.after(self._flush)

    def _flush(self) -> None:
        self._scheduled = False
        queue = self._queue
        coming = 0  # questions that connections on their way will take
        for connection in list(self.connections):
            if not connection.ready:
                coming += self._depth
            elif not connection.retiring:
                if self._depth > 1 or not connection.answered:
                    connection.take(queue, self._depth)
                elif not connection.exchanges:
                    connection.close()
        while len(queue) > coming and len(self.connections) < CONNECTIONS and self.index != NOBODY:
            coming += self._depth
            self._untried = len(self._addresses)
            self._open(None)

    def _open(self, error: OSError | None) -> None:
        """Connect to the next address that can at least be tried; `error`: why the one before failed."""
        while self._untried:
            self._untried -= 1
            address = (self._addresses[0], self._server.port)
            try:
                self.connections.append(Connection(self._worker, self, address, self._tls, self._framing()))
            except OSError as failure:
                error = failure
                self._addresses.rotate(-1)
            else:
                return
        self._give_up(error)

    def _framing(self) -> Framing:
        if self._server.transport == "https":
            from filterd.dns.upstream.http2 import Http2  # with hpack, which most workers never need

            return Http2(self._authority, self._server.path)
        return LengthPrefixed(padding=self._tls is not None)

    def _give_up(self, error: OSError | None) -> None:
        """What waits cannot be sent: there is no connection, and none can be had."""
        if any(not connection.retiring for connection in self.connections):
            return
        exchanges, ours = list(self._queue), error is not None and error.errno in OURS
        self._queue.clear()
        self._worker.unreachable_later([e for e in exchanges if self._mine(e)], ours)

    def _mine(self, exchange: Exchange) -> bool:
        """Whether an exchange waits for this carrier now, and for none that it was sent to later."""
        here = exchange.tcp or not self._fallback
        return here and exchange.upstream == self.index and not exchange.done

    # -- what connections say -------------------------------------------------------------------------------------

    def failed(self, exchange: Exchange) -> None:
        if self._mine(exchange):
            self._worker.unreachable_later([exchange])

    def again(self, connection: Connection, exchanges: list[Exchange]) -> None:
        failed = []
        most = SENDS_WITH_ANSWERS if connection.answered else SENDS
        for exchange in exchanges:
            if exchange.done:
                forget(exchange)
            elif self._mine(exchange) and exchange not in self._queue:
                if self._sends(exchange) < most:
                    self._queue.append(exchange)
                else:
                    failed.append(exchange)
        self._worker.unreachable_later(failed)
        self.ready()

    def _sends(self, exchange: Exchange) -> int:
        return sum(isinstance(place, Connection) for place in places_of(exchange))

    def lost(self, connection: Connection, error: OSError | None) -> None:
        self.connections.remove(connection)
        exchanges = list(dict.fromkeys(connection.exchanges.values()))
        connection.exchanges.clear()
        if self.index == NOBODY:
            return
        if not connection.ready:
            self._addresses.rotate(-1)
            self._open(error)
            return
        if exchanges and not connection.retiring:
            # Some servers close after each answer, and some at a second question: ask them fewer at a time.
            self._depth = max(1, min(self._depth, connection.answered))
            self._shallow_since = monotonic()
        self.again(connection, exchanges)

    # -- time -----------------------------------------------------------------------------------------------------

    def sweep(self, now: float) -> None:
        """Forget what was given up, close what is idle or dead; once a second."""
        if self._depth < DEPTH and now - self._shallow_since > FORGIVE_S:
            self._depth = min(DEPTH, 4 * self._depth)
            self._shallow_since = now
        for connection in list(self.connections):
            if connection.exchanges and now - connection.heard > SILENT_S:
                connection.retiring = True
            connection.sweep()
            if connection.ready and now - connection.heard > self._patience_s(connection):
                connection.close()
        for exchange in [e for e in self._queue if e.done]:
            forget(exchange)
            self._queue.remove(exchange)
        self.ready()

    def _patience_s(self, connection: Connection) -> float:
        """How long a connection may be silent."""
        if connection.retiring:
            return DEAD_S
        return self._idle_s

    def retire(self) -> None:
        """No longer configured: what waits here is asked elsewhere."""
        waiting = self.close()
        self._worker.unreachable_later([e for e in dict.fromkeys(waiting) if not e.done])

    def close(self) -> list[Exchange]:
        """Close all connections; gives what waited."""
        self.index = NOBODY
        waiting = list(self._queue)
        self._queue.clear()
        for connection in list(self.connections):
            waiting += connection.exchanges.values()
            connection.close()
        return waiting


def _authority(server: Server) -> str:
    """What a URL has between // and / (RFC 3986 section 3.2)."""
    host = f"[{server.name}]" if ":" in server.name else server.name
    return host if server.port == 443 else f"{host}:{server.port}"
