"""All upstreams of a worker: who carries what, and what happens to it when others are configured."""

from __future__ import annotations

import asyncio
from time import monotonic

from filterd.core.exchange import Exchange
from filterd.core.policy import Upstream
from filterd.core.servers import Server, is_near, parse
from filterd.dns.desk import Desk
from filterd.dns.hot import HotSelector
from filterd.dns.upstream.connections import StreamCarrier
from filterd.dns.upstream.places import Worker
from filterd.dns.upstream.udp import Buffers, UdpCarrier


class Carrier:
    """One upstream. `udp` is None for servers that are asked over a stream only."""

    def __init__(self, udp: UdpCarrier | None, stream: StreamCarrier) -> None:
        self.udp = udp
        self.stream = stream

    def retire(self) -> None:
        if self.udp is not None:
            self.udp.retire()
        self.stream.retire()

    def sweep(self, now: float) -> None:
        if self.udp is not None:
            self.udp.sweep()
        self.stream.sweep(now)

    def close(self) -> None:
        if self.udp is not None:
            self.udp.close()
        self.stream.close()


class Upstreams:
    """Carries exchanges to the upstream that each names, by its index in what was configured."""

    def __init__(self, loop: asyncio.AbstractEventLoop, hot: HotSelector, desk: Desk) -> None:
        self._worker = Worker(loop, hot, desk)
        self._buffers = Buffers()
        self._carriers: list[Carrier] = []
        self._retired: list[UdpCarrier] = []  # the last answers may still come

    def configure(self, servers: tuple[Upstream, ...], source_ports: str) -> None:
        """Use these upstreams from now on."""
        new = [self._carrier(index, each, source_ports) for index, each in enumerate(servers)]
        old, self._carriers = self._carriers, new
        for carrier in old:
            carrier.retire()
            if carrier.udp is not None:
                self._retired.append(carrier.udp)

    def _carrier(self, index: int, upstream: Upstream, source_ports: str) -> Carrier:
        server = parse(upstream)
        stream = StreamCarrier(self._worker, index, upstream.url, server)
        return Carrier(self._udp(index, server, source_ports) if server.transport == "udp" else None, stream)

    def _udp(self, index: int, server: Server, source_ports: str) -> UdpCarrier:
        address = server.addresses[0]
        pool = source_ports == "pool" or (source_ports == "auto" and is_near(address))
        return UdpCarrier(self._worker, self._buffers, index, (address, server.port), pool)

    def send(self, exchange: Exchange) -> None:
        """Carry an exchange to its upstream. Where it was sent before, a late answer is still welcome."""
        carrier = self._carriers[exchange.upstream]
        if carrier.udp is None or exchange.tcp:
            carrier.stream.send(exchange)
        else:
            carrier.udp.send(exchange)

    def sweep(self) -> None:
        """Forget exchanges that were given up, close connections that nobody needs; once a second."""
        now = monotonic()
        for carrier in self._carriers:
            carrier.sweep(now)
        for udp in self._retired:
            udp.sweep()
        self._retired = [udp for udp in self._retired if udp.flights]

    def close(self) -> None:
        for carrier in self._carriers:
            carrier.close()
        for udp in self._retired:
            udp.close()
