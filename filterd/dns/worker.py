"""One worker: the sockets the parent lent it, one event loop, one forwarder. Reads files, writes none.

`dns.supervisor` starts it with JSON that names inherited file descriptors. It serves whatever the parent last told it
(policy and overrides in the message, so a full disk stops nothing; the table as a directory that was verified before)
and goes on if the parent falls silent. It ends when the parent's end of the channel closes.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any

from filterd.core.exchange import TCP
from filterd.core.firstseen import FirstSeen
from filterd.core.forwarder import Forwarder
from filterd.core.overrides import Overrides
from filterd.core.policy import Policy
from filterd.core.servers import plan
from filterd.core.snapshot import Snapshot
from filterd.dns.channel import Channel, receive_one
from filterd.dns.clients import Clients
from filterd.dns.desk import Desk
from filterd.dns.encrypted import EncryptedServer
from filterd.dns.garbage import Collector
from filterd.dns.hot import HotSelector
from filterd.dns.sockets import TCP_BACKLOG
from filterd.dns.streams import HTTPS, TLS, Streams
from filterd.dns.tallies import Tallies
from filterd.dns.tcp import Connection
from filterd.dns.udp import UdpListener
from filterd.dns.upstream import Upstreams
from filterd.errors import FilterdError, TableError
from filterd.live import snapshots
from filterd.live.firstseen import day_of, open_seen

log = logging.getLogger("filterd.dns")


class Worker:
    """Puts the parts together and swaps snapshots."""

    def __init__(self, loop: asyncio.AbstractEventLoop, hot: HotSelector, orders: dict[str, Any]) -> None:
        self._loop = loop
        self.hot = hot
        self._wall = time.time()  # the timetable's clock at the last look
        snapshot = self._snapshot(orders, None)
        self._plan = plan(snapshot.policy, tuple(orders["upstreams"]))
        self.forwarder = Forwarder(snapshot, self._plan, time.time, os.urandom)
        self.forwarder.use_secrets(_secrets(orders))
        self.clients = Clients(self.forwarder)
        self.desk = Desk(loop, hot, self.forwarder)
        self.upstreams = self.desk.upstream = Upstreams(loop, hot, self.desk)
        self.upstreams.configure(self._plan.servers, snapshot.policy.source_ports)
        self.tcp = Streams(self.forwarder, self.clients, self.desk)
        self._encrypted = EncryptedServer(self.tcp)
        self._encrypted.use(snapshot.policy.encrypted, orders.get("certificate"))
        self.udp: list[UdpListener] = []
        self.stopped = asyncio.Event()
        self.garbage = Collector()
        self._tallies = Tallies()
        self._channel: Channel | None = None

    async def listen(self, sockets: dict[str, list[int]]) -> None:
        """Take up the sockets of one worker."""
        for fd in sockets.get("udp", ()):
            listener = socket.socket(fileno=fd)
            self.clients.add_own(listener)
            self.udp.append(UdpListener(self.hot, listener, self.clients, self.desk))
        connections: dict[str, Callable[[], asyncio.BaseProtocol]] = {
            TCP: lambda: Connection(self.tcp),
            TLS: self._encrypted.dot,
            HTTPS: self._encrypted.doh,
        }
        for transport, connection in connections.items():
            for fd in sockets.get(transport, ()):
                listener = socket.socket(fileno=fd)
                await self._loop.create_server(connection, sock=listener, backlog=TCP_BACKLOG)
        self.desk.arm()  # the first probes

    async def talk(self, sock: socket.socket) -> None:
        """Join the channel to the parent and say that queries are being answered."""
        sock.setblocking(False)
        channel = Channel(self._order, self.stopped.set)
        await self._loop.create_connection(lambda: channel, sock=sock)
        self._channel = channel
        channel.send({"ready": self._describe()})
        self._loop.call_later(1.0, self._second)

    def _snapshot(self, orders: dict[str, Any], before: Snapshot | None) -> Snapshot:
        policy = Policy.from_json(orders["policy"])
        if before is not None and before.policy == policy:
            policy = before.policy  # the same object: the index over it is kept
        directory = Path(orders["table"]) if orders["table"] else None
        overrides = Overrides.from_json(orders["overrides"])
        leases = tuple((str(name), str(address)) for name, address in orders.get("leases", ()))
        now = time.time()
        seen = open_seen(orders.get("seen"), policy, now, _seen(before))
        return snapshots.build(policy, directory, overrides, now, before, leases, seen)

    def _order(self, orders: dict[str, Any]) -> None:
        if "noted" in orders:
            seen = _seen(self.forwarder.snapshot)
            if seen is not None:
                seen.merge(orders["noted"])
            return
        started = monotonic()
        self._report_seen()
        try:
            snapshot = self._snapshot(orders, self.forwarder.snapshot)
            found = plan(snapshot.policy, tuple(orders["upstreams"]))
            secrets = _secrets(orders)
        except (OSError, ValueError, FilterdError) as error:
            self._refuse(str(error))
            return
        except (LookupError, TypeError, AttributeError) as error:
            self._refuse(f"orders that cannot be read: {error!r}")
            return
        if (found, snapshot.policy.source_ports) != (self._plan, self.forwarder.snapshot.policy.source_ports):
            self.upstreams.configure(found.servers, snapshot.policy.source_ports)
            self.forwarder.use_upstreams(found)
        self._plan = found
        self.forwarder.use_secrets(secrets)
        self._encrypted.use(snapshot.policy.encrypted, orders.get("certificate"))
        self._use(snapshot)
        if self._channel is not None:
            self._channel.send({"swapped": self._describe(), "took_s": monotonic() - started})

    def _refuse(self, reason: str) -> None:
        if self._channel is not None:
            self._channel.send({"refused": f"{reason}; in force: {self._describe()}"})

    def _use(self, snapshot: Snapshot) -> None:
        self.forwarder.use(snapshot)
        self.clients.renew()

    def _describe(self) -> dict[str, Any]:
        snapshot = self.forwarder.snapshot
        return {"table": snapshot.table.generation, "policy": snapshot.policy.digest}

    def _second(self) -> None:
        """Once a second: sweep what is old, follow the timetable's clock, report."""
        self._loop.call_later(1.0, self._second)
        now = monotonic()
        self.garbage.second()
        self.tcp.sweep(now)
        self.upstreams.sweep()
        snapshot = self.forwarder.snapshot
        until = snapshot.matrix.valid_until
        before, self._wall = self._wall, time.time()
        seen = _seen(snapshot)
        new_day = seen is not None and seen.roll(day_of(self._wall))
        if (until is not None and self._wall >= until) or self._wall < before or new_day:  # or the clock was set back
            self._use(snapshot.at(self._wall))
        self._report_seen()
        if self._channel is not None:
            self._channel.send({"counts": self._tallies.take(self)})

    def _report_seen(self) -> None:
        """Domains that clients of this worker were the first to ask for."""
        seen = _seen(self.forwarder.snapshot)
        if seen is None or self._channel is None:
            return
        noted = seen.changes()
        if noted:
            self._channel.send({"seen": noted})


def _seen(snapshot: Snapshot | None) -> FirstSeen | None:
    seen = snapshot.seen if snapshot is not None else None
    return seen if isinstance(seen, FirstSeen) else None


def _secrets(orders: dict[str, Any]) -> tuple[bytes, ...]:
    return tuple(bytes.fromhex(secret) for secret in orders.get("secrets", ()))


async def serve(hot: HotSelector, assignment: dict[str, Any], control: socket.socket, orders: dict[str, Any]) -> None:
    """Answer queries until SIGTERM, or until the parent is gone."""
    loop = asyncio.get_running_loop()
    worker = Worker(loop, hot, orders)
    loop.add_signal_handler(signal.SIGTERM, worker.stopped.set)
    await worker.listen(assignment)
    await worker.talk(control)
    worker.garbage.take_over()
    await worker.stopped.wait()


def main(argument: str) -> int:
    logging.basicConfig(format="filterd worker: %(message)s", level=logging.INFO)
    # Ctrl-C and a reload concern the parent, who tells its workers; both may be sent to the whole group.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    assignment = json.loads(argument)
    control = socket.socket(fileno=assignment["control"])
    orders = receive_one(control)
    if orders is None:
        return 0
    status = 0
    try:
        hot = HotSelector()
        with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(hot)) as runner:
            runner.run(serve(hot, assignment, control, orders))
    except TableError as error:  # the parent verifies again and offers another one
        log.error("%s", error)
        status = 1
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
