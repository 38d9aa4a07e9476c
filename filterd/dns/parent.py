"""The DNS parent: owns the sockets, watches the published files, keeps the workers alive, exposes the metrics.

It answers no query itself. Started by `filterd run`; ends on SIGTERM or SIGINT; looks at all files at once on SIGHUP.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import signal
import socket
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, Final

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.process_collector import ProcessCollector

from filterd.core import wire
from filterd.dns import sockets
from filterd.dns.notify import notify, watchdog_s
from filterd.dns.supervisor import WorkerProcess
from filterd.live.published import Published
from filterd.live.snapshots import open_table
from filterd.metrics.dns import DnsMetrics, TableState

log = logging.getLogger("filterd.dns")

STATE_POLL_S: Final = 0.1
CONFIG_POLL_S: Final = 0.5
SELF_QUERY_S: Final = 2.0
STOP_S: Final = 3.0
SELF_QUESTION: Final = b"\x09self-test\x07invalid\0\0\1\0\1"  # RFC 6761: answered here, never forwarded


@dataclass(frozen=True, slots=True)
class Flags:
    """Command-line flags; None or empty: what school.yaml says."""

    listen: tuple[str, ...] = ()
    upstreams: tuple[str, ...] = ()
    workers: int | None = None
    metrics: str | None = None


class Parent:
    """One run of the DNS filter."""

    def __init__(self, published: Published, flags: Flags) -> None:
        self._published = published
        self._flags = flags
        self._metrics = DnsMetrics()
        self._workers: list[WorkerProcess] = []
        self._stop = asyncio.Event()
        self._answered = True

    async def run(self) -> None:
        """Serve until told to stop. Raises OSError where a socket cannot be had."""
        policy = self._published.policy
        count = self._flags.workers or policy.workers
        groups = sockets.from_systemd(count)
        listen = self._flags.listen or policy.listen
        if not groups:
            groups = sockets.bind(listen, count)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        self._workers = [WorkerProcess(i, group, self._orders, self._message) for i, group in enumerate(groups)]
        for worker in self._workers:
            await worker.start()
        self._describe()
        self._serve_metrics()
        addresses = sorted({listener.address for group in groups for listener in group})
        async with asyncio.TaskGroup() as tasks:
            jobs = [
                tasks.create_task(self._announce(addresses)),
                tasks.create_task(self._watch()),
                tasks.create_task(self._watch_workers(addresses)),
            ]
            await self._stop.wait()
            notify("STOPPING=1")
            for job in jobs:
                job.cancel()
        for worker in self._workers:
            worker.stop()
        for worker in self._workers:
            worker.wait(STOP_S)
        for group in groups:
            for listener in group:
                listener.socket.close()

    def _orders(self) -> dict[str, Any]:
        published = self._published
        return {
            "policy": published.policy.to_json(),
            "table": str(published.table) if published.table is not None else None,
            "overrides": published.overrides.to_json(),
            "upstreams": list(self._flags.upstreams or published.policy.upstreams),
        }

    def _reload(self) -> None:
        log.info("SIGHUP: looking at every file")
        changed = self._published.poll_config(at_once=True)
        self._changed(self._published.poll_state() or changed)

    def _changed(self, changed: bool) -> None:
        self._describe()
        if changed:
            for worker in self._workers:
                worker.tell()

    def _message(self, worker: int, message: dict[str, Any]) -> None:
        if "counts" in message:
            self._metrics.report(worker, message["counts"])

    def _describe(self) -> None:
        published, metrics = self._published, self._metrics
        metrics.policy_digest = published.policy.digest
        metrics.faults = dict(published.faults)
        metrics.failed_reloads = dict(published.failed_reloads)
        metrics.swaps = published.swaps
        if published.generation != metrics.table.generation:
            metrics.table = table_state(published.table)

    def _serve_metrics(self) -> None:
        address = self._flags.metrics or self._published.policy.metrics
        if not address:
            return
        host, port = sockets.parse_address(address)
        registry = CollectorRegistry()
        registry.register(self._metrics)
        ProcessCollector(registry=registry)
        try:
            start_http_server(port, host, registry)
        except OSError as error:
            # Metrics must never stop DNS; the district sees the missing target.
            log.error("no metrics: cannot listen on %s: %s", address, error.strerror)

    async def _announce(self, addresses: list[str]) -> None:
        for worker in self._workers:
            await worker.ready.wait()
        published = self._published
        log.info("DNS on %s", ", ".join(addresses))
        log.info("policy %s, table %s", published.policy.digest[:12], published.generation or "none")
        notify(f"READY=1\nSTATUS=table {published.generation or 'none'}\nMAINPID={os.getpid()}")

    async def _watch(self) -> None:
        looks = 0
        while True:
            await asyncio.sleep(STATE_POLL_S)
            looks += 1
            changed = self._published.poll_state()
            if looks % round(CONFIG_POLL_S / STATE_POLL_S) == 0:
                changed |= self._published.poll_config()
                self._describe()
            if changed:
                self._changed(True)

    async def _watch_workers(self, addresses: list[str]) -> None:
        """Self-queries through the real sockets; the watchdog hears of nothing else."""
        for worker in self._workers:
            await worker.ready.wait()
        interval_s = min(SELF_QUERY_S, (watchdog_s() or SELF_QUERY_S * 2) / 2)
        while True:
            now = monotonic()
            for worker in self._workers:
                worker.check(now)
            self._metrics.workers = sum(worker.ready.is_set() for worker in self._workers)
            self._metrics.worker_restarts = sum(worker.restarts for worker in self._workers)
            answered = all([await asyncio.to_thread(self_query, address, interval_s) for address in addresses])
            if answered:
                notify("WATCHDOG=1")
            else:
                self._metrics.self_query_failures += 1
            if answered != self._answered:
                level, word = (logging.INFO, "answered") if answered else (logging.ERROR, "LOST")
                log.log(level, "self-query %s", word)
                self._answered = answered
            await asyncio.sleep(interval_s)


def self_query(address: str, timeout_s: float) -> bool:
    """Whether the server at `address` answers over UDP within `timeout_s`; REFUSED is an answer too."""
    host, port = sockets.parse_address(address)
    if host in ("0.0.0.0", "::"):  # noqa: S104  compared, not bound
        host = "::1" if ":" in host else "127.0.0.1"
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    ident = secrets.randbits(16)
    packet = wire.pack_header(ident, wire.RD, 1, 0, 0, 0) + SELF_QUESTION
    with socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        sock.settimeout(timeout_s)
        try:
            sock.connect((host, port))
            sock.send(packet)
            return sock.recv(512)[:2] == packet[:2]
        except OSError:
            return False


def table_state(directory: Path | None) -> TableState:
    """What the metrics say about a verified table."""
    table = open_table(directory)
    sources = {source.id: (source.entries, float(source.list_time)) for source in table.sources}
    return TableState(table.generation, table.names, table.built_at, sources)
