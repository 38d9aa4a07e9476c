"""The parts of a worker in one process, on real sockets, with a small school of values behind them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from filterd.core.policy import Policy, Upstream
from filterd.dns.clients import Clients
from filterd.dns.desk import Desk
from filterd.dns.hot import HotSelector
from filterd.dns.upstream import Upstreams
from tests import schools

ADULT = b"\1\0\0\1\0\0\0\0\0\0\5adult\7example\0\0\1\0\1"  # without its id
PLAIN = b"\1\0\0\1\0\0\0\0\0\0\7example\3org\0\0\1\0\1"


Servers = tuple[str | Upstream, ...]  # URLs, or with addresses and authorities


class Parts:
    """Everything between a socket and the forwarder."""

    def __init__(self, hot: HotSelector, policy: Policy, upstreams: Servers) -> None:
        self.loop = asyncio.get_running_loop()
        self.hot = hot
        self.forwarder = schools.forwarder(schools.snapshot(policy), len(upstreams), lambda: schools.NOW)
        self.clients = Clients(self.forwarder, lambda: schools.NOW)
        self.desk = Desk(self.loop, hot, self.forwarder)
        self.upstreams = self.desk.upstream = Upstreams(self.loop, hot, self.desk)
        servers = tuple(Upstream(each) if isinstance(each, str) else each for each in upstreams)
        self.upstreams.configure(servers, policy.source_ports)


def run(story: Callable[[Parts], Awaitable[Any]], policy: Policy = schools.POLICY, upstreams: Servers = ()) -> None:
    """Tell a story in a loop like a worker's; it fails when it takes longer than 20 seconds."""
    hot = HotSelector()

    async def told() -> None:
        async with asyncio.timeout(20):
            parts = Parts(hot, policy, upstreams)
            try:
                await story(parts)
            finally:
                parts.upstreams.close()

    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(hot)) as runner:
        runner.run(told())


async def received(sock: socket.socket, size: int = 4096) -> bytes:
    """What comes next on a non-blocking socket."""
    return await asyncio.get_running_loop().sock_recv(sock, size)


async def until(condition: Callable[[], Any]) -> None:
    """Let the loop turn until something has come true; the limit is that of the story."""
    while not condition():
        await asyncio.sleep(0.005)


def client(address: str, to: tuple[str, int]) -> socket.socket:
    """A UDP client's socket."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((address, 0))
    sock.connect(to)
    sock.setblocking(False)
    return sock
