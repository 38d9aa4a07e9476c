"""The DNS parent: owns the sockets, watches the published files, keeps the workers alive, exposes the metrics.

It answers no query itself. Started by `filterd run`; ends on SIGTERM or SIGINT; looks at all files at once on SIGHUP.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import resource
import secrets
import signal
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, Final

from prometheus_client import CollectorRegistry
from prometheus_client.process_collector import ProcessCollector

from filterd.core import wire
from filterd.core.firstseen import Noted
from filterd.core.policy import Policy
from filterd.core.strict import saved_time
from filterd.dns import sockets
from filterd.dns.certificate import Watch
from filterd.dns.notify import notify, watchdog_s
from filterd.dns.secret import Secrets
from filterd.dns.supervisor import WorkerProcess
from filterd.errors import TableError
from filterd.live.firstseen import Keeper
from filterd.live.leases import LeaseWatch
from filterd.live.published import Published
from filterd.live.snapshots import open_table
from filterd.live.updates import UpdateWatch
from filterd.metrics import server
from filterd.metrics.dns import DnsMetrics, TableState
from filterd.update import clock

log = logging.getLogger("filterd.dns")

STATE_POLL_S: Final = 0.1
CONFIG_POLL_S: Final = 0.5
LEASES_POLL_S: Final = 2.0
WORKER_POLL_S: Final = 0.5
SELF_QUERY_S: Final = 2.0
SELF_ANSWER_S: Final = 1.0
SELF_PACKETS: Final = 8
STOP_S: Final = 1.5  # with the longest self-query under way still within 3 s
OPEN_FILES: Final = 32768  # connections of clients and, for each question, a socket for each of its three attempts
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
        self._secrets = Secrets(monotonic())
        self._workers: list[WorkerProcess] = []
        self._stop = asyncio.Event()
        self._certificate = Watch()
        self._leases = LeaseWatch()
        self._next_leases = 0.0
        self._keeper = Keeper(published.state_dir)
        self._updates = UpdateWatch(published.state_dir)
        self._answered = True
        self._reloading = False

    async def run(self) -> None:
        """Serve until told to stop. Raises OSError where a socket cannot be had."""
        _allow_open_files()
        policy = self._published.policy
        count = self._flags.workers or policy.workers
        groups = sockets.open_all(self._flags.listen or policy.listen, policy.encrypted, count)
        self._certificate.poll(policy.encrypted, at_once=True)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._hang_up)
        self._started_with = _fixed(policy)
        self._follow()
        self._workers = [
            WorkerProcess(i, group, self._orders, self._message, self._ended) for i, group in enumerate(groups)
        ]
        for worker in self._workers:
            await worker.start()
        self._describe()
        self._serve_metrics()
        addresses = _addresses(groups, "udp")
        for transport in sockets.ENCRYPTED:
            if _addresses(groups, transport):
                log.info("DNS over %s on %s", transport.upper(), ", ".join(_addresses(groups, transport)))
        async with asyncio.TaskGroup() as tasks:
            jobs = [
                tasks.create_task(self._announce(addresses)),
                tasks.create_task(self._watch()),
                tasks.create_task(self._watch_workers()),
                tasks.create_task(self._query_itself(addresses)),
            ]
            await self._stop.wait()
            notify("STOPPING=1")
            for job in jobs:
                job.cancel()
        for worker in self._workers:
            worker.stop()
        deadline = monotonic() + STOP_S
        for worker in self._workers:
            worker.wait(max(0.0, deadline - monotonic()))
        self._keeper.save()
        for group in groups:
            for listener in group:
                listener.socket.close()

    def _orders(self) -> dict[str, Any]:
        published = self._published
        return {
            "policy": published.policy.to_json(),
            "table": str(published.table) if published.table is not None else None,
            "overrides": published.overrides_in_force.to_json(),
            "upstreams": list(self._flags.upstreams),
            "leases": self._leases.found,
            "seen": self._keeper.path,
            "secrets": self._secrets.to_json(),
            "certificate": self._certificate.stamp,
        }

    def _hang_up(self) -> None:
        """SIGHUP. However many came while files were looked at, they are looked at once more."""
        if not self._reloading:
            self._reloading = True
            asyncio.get_running_loop().call_soon(self._reload)

    def _reload(self) -> None:
        self._reloading = False
        log.info("SIGHUP: looking at every file")
        changed = self._published.poll_config(at_once=True)
        changed |= self._certificate.poll(self._published.policy.encrypted, at_once=True)
        self._changed(self._published.poll_state() or changed)

    def _changed(self, changed: bool) -> None:
        self._describe()
        if changed:
            for worker in self._workers:
                worker.tell()
            if _fixed(self._published.policy) != self._started_with:
                log.warning("listen, dot, doh, metrics and workers are taken at a start only: restart for them")

    def _message(self, worker: int, message: dict[str, Any]) -> None:
        if "counts" in message:
            self._metrics.report(worker, message["counts"])
        if "ready" in message:
            self._workers[worker].note(self._keeper.fresh)
        if "seen" in message:
            self._spread(worker, message["seen"])
        if "refused" in message:
            log.error("worker %d: %s", worker, message["refused"])
            self._recheck()

    def _spread(self, worker: int, noted: list[Noted]) -> None:
        """Domains a worker met first: all others hear of them."""
        news = self._keeper.take(noted)
        for other in self._workers:
            if other.number != worker:
                other.note(news)

    def _follow(self) -> bool:
        """Lease files and the register of first-seen domains; True if workers have to be told."""
        policy, now = self._published.policy, monotonic()
        changed = self._keeper.follow(policy.newly_seen, time.time(), now)
        if now >= self._next_leases:
            self._next_leases = now + LEASES_POLL_S
            changed |= self._leases.poll(policy.local.leases, time.time())
        return changed | self._follow_clock(time.time())

    def _follow_clock(self, now: float) -> bool:
        """Whether the box knows the time; True if that changed. If not, nothing is open that an override opened."""
        published = self._published
        known = (self._updates.poll(monotonic()).run.get("ended_at", 0.0), saved_time(published.overrides))
        saved = max((moment for moment in known if moment < clock.RELEASED + clock.FAR_S), default=0.0)
        earliest = None if clock.is_trusted(now, {"ended_at": saved}) else max(saved, clock.RELEASED)
        changed = (earliest is None) != (published.earliest is None)
        published.earliest = earliest
        if changed and earliest is not None:
            log.warning("the clock says %s, which cannot be: overrides that open are ignored", clock.shown(now))
        elif changed:
            log.info("the clock is right again, and with it all overrides")
        return changed

    def _ended(self, worker: int) -> None:
        self._metrics.gone(worker)
        self._recheck()

    def _recheck(self) -> None:
        """A worker died or could not map the table: perhaps the table was damaged after it had been verified."""
        self._changed(self._published.recheck_table())

    def _describe(self) -> None:
        published, metrics = self._published, self._metrics
        metrics.policy_digest = published.policy.digest
        certificate = self._certificate
        others = {
            "certificate": certificate.problem, "leases": self._leases.problem, "first-seen": self._keeper.problem,
        }  # fmt: skip
        metrics.faults = published.faults | {name: problem for name, problem in others.items() if problem}
        metrics.failed_reloads = published.failed_reloads | {"certificate": certificate.failures}
        metrics.certificate_until = certificate.current.not_after if certificate.current is not None else 0.0
        metrics.first_seen = self._keeper.size
        metrics.swaps = published.swaps
        metrics.updates = self._updates.poll(monotonic())
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
            server.serve(host, port, registry)
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
        looks = faults = 0
        while True:
            await asyncio.sleep(STATE_POLL_S)
            looks += 1
            try:
                self._look(with_config=looks % round(CONFIG_POLL_S / STATE_POLL_S) == 0)
            except Exception:
                # A bug on strange files must not end the service: what is in force is served on.
                faults += 1
                if faults & (faults - 1) == 0:
                    log.exception("internal error %d while looking at the files; what is in force stays", faults)

    def _look(self, with_config: bool) -> None:
        changed = self._published.poll_state()
        if with_config:
            changed |= self._published.poll_config()
            changed |= self._follow()
            changed |= self._certificate.poll(self._published.policy.encrypted)
            changed |= self._secrets.roll(monotonic())
            self._describe()
        if changed:
            self._changed(True)

    async def _watch_workers(self) -> None:
        """Replaces who hangs; counts who is up."""
        while True:
            for worker in self._workers:
                worker.check(monotonic())
            self._metrics.workers = sum(worker.ready.is_set() for worker in self._workers)
            self._metrics.worker_restarts = sum(worker.restarts for worker in self._workers)
            await asyncio.sleep(WORKER_POLL_S)

    async def _query_itself(self, addresses: list[str]) -> None:
        """Self-queries through the real sockets; the watchdog hears of nothing else."""
        for worker in self._workers:
            await worker.ready.wait()
        interval_s = min(SELF_QUERY_S, (watchdog_s() or SELF_QUERY_S * 2) / 2)
        patience_s = min(SELF_ANSWER_S, interval_s)
        while True:
            asked = [asyncio.to_thread(self_query, address, patience_s) for address in addresses]
            answered = all(await asyncio.gather(*asked))
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
        sock.settimeout(timeout_s / SELF_PACKETS)
        try:
            sock.connect((host, port))
            for _ in range(SELF_PACKETS):  # a flood that fills the socket is no reason for a restart
                sock.send(packet)
                with contextlib.suppress(TimeoutError):
                    return sock.recv(512)[:2] == packet[:2]
        except OSError:
            pass
        return False


def table_state(directory: Path | None) -> TableState:
    """What the metrics say about a verified table; of one that was damaged since, no more than its name."""
    try:
        table = open_table(directory)
    except TableError as error:
        log.error("no figures of the table: %s", error)
        return TableState(directory.name if directory is not None else "")
    sources = {source.id: (source.entries, float(source.list_time)) for source in table.sources}
    return TableState(table.generation, table.names, table.built_at, sources)


def _fixed(policy: Policy) -> tuple[object, ...]:
    """What only a start can change: sockets and processes."""
    encrypted = policy.encrypted
    return policy.listen, policy.metrics, policy.workers, encrypted and encrypted.dot, encrypted and encrypted.doh


def _addresses(groups: list[list[sockets.Listener]], transport: str) -> list[str]:
    return sorted({listener.address for group in groups for listener in group if listener.transport == transport})


def _allow_open_files() -> None:
    """Raise the soft limit of open files, which the workers inherit; epoll has no use for the low default."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
