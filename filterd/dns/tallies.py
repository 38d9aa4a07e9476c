"""What a worker reports each second: plain numbers since its last report, and how full it is now.

The parent adds them up (`metrics`). No client address and no name leaves the worker this way.
"""

from __future__ import annotations

from typing import Any, Protocol

from filterd.core.exchange import TCP
from filterd.core.forwarder import Forwarder
from filterd.dns.clients import Clients
from filterd.dns.desk import Desk
from filterd.dns.hot import HotSelector
from filterd.dns.streams import HTTPS, TLS, Streams
from filterd.dns.udp import UdpListener

Counts = dict[tuple[Any, ...], float]


class Parts(Protocol):
    """What of a worker is counted."""

    forwarder: Forwarder
    clients: Clients
    desk: Desk
    hot: HotSelector
    tcp: Streams
    udp: list[UdpListener]


class Tallies:
    """Remembers what was reported, to report only what came since."""

    def __init__(self) -> None:
        self._reported: Counts = {}

    def take(self, worker: Parts) -> dict[str, Any]:
        """`counters`: [metric, labels..., increase]; `gauges`: [metric, labels..., value]."""
        now = _counters(worker)
        before = self._reported
        self._reported = now
        return {
            "counters": [
                [*key, _increase(value, before.get(key, 0))] for key, value in now.items() if value != before.get(key)
            ],
            "gauges": [[*key, value] for key, value in _gauges(worker).items()],
        }


def _increase(value: float, before: float) -> float:
    """What came since. A smaller value began anew at zero: other upstreams were configured."""
    return value - before if value >= before else value


def _counters(worker: Parts) -> Counts:
    forwarder, clients = worker.forwarder, worker.clients
    counts: Counts = {("queries", *key): cell[0] for key, cell in forwarder.counters.items()}
    counts |= {("errors", transport, rcode): n for (transport, rcode), n in forwarder.rcodes.items()}
    counts["cache_hits", "memo"] = sum(udp.memo_hits for udp in worker.udp) + forwarder.memo_recalls
    counts["cache_hits", "answers"] = forwarder.cache_hits
    counts["cache_misses",] = forwarder.cache_misses
    counts["stale",] = forwarder.stale_answers
    counts["coalesced",] = forwarder.coalesced
    counts["edited",] = forwarder.edited
    counts["prefetched",] = forwarder.prefetched
    counts["hedged",] = forwarder.hedged
    counts["strays",] = forwarder.strays
    counts["loops",] = forwarder.loops
    counts["dropped", "outside"] = clients.outside
    counts["dropped", "rate_limit"] = clients.limited
    counts["dropped", "unsent"] = sum(udp.unsent for udp in worker.udp)
    counts["dropped", "tcp_refused"] = worker.tcp.refused
    counts["dropped", "handshake"] = worker.tcp.failed_handshakes
    counts["dropped", "prefix_limit"] = clients.prefix_limited
    counts["dropped", "heavy"] = forwarder.heavy.refused
    counts["dropped", "crowded"] = forwarder.crowded
    counts["slipped",] = sum(udp.slipped for udp in worker.udp)
    counts |= _cookies(forwarder)
    counts["faults",] = worker.desk.faults + worker.hot.faults
    for i, upstream in enumerate(forwarder.upstreams.all):
        counts["upstream_answers", i] = upstream.answers
        counts["upstream_timeouts", i] = upstream.timeouts
        counts["upstream_errors", i] = upstream.errors
        counts["upstream_seconds", i] = upstream.latency_sum_s
        for bucket, n in enumerate(upstream.buckets):
            counts["upstream_bucket", i, bucket] = n
    return counts


def _cookies(forwarder: Forwarder) -> Counts:
    cookies = forwarder.cookies
    if cookies is None:
        return {}
    return {("cookies", "good"): cookies.good, ("cookies", "bad"): cookies.bad, ("cookies", "new"): cookies.new}


def _connections(worker: Parts) -> dict[str, int]:
    found = dict.fromkeys((TCP, TLS, HTTPS), 0)
    for stream in worker.tcp.connections:
        found[stream.label] += 1
    return found


def _gauges(worker: Parts) -> Counts:
    forwarder = worker.forwarder
    gauges: Counts = {
        ("cache_bytes", "answers"): forwarder.cache.size_bytes,
        ("cache_bytes", "memo"): forwarder.memo.size_bytes,
        ("cache_entries",): len(forwarder.cache),
        ("pending",): forwarder.pending,
        ("clients",): len(worker.clients),
        **{("tcp_connections", label): n for label, n in _connections(worker).items()},
    }
    for i, upstream in enumerate(forwarder.upstreams.all):
        transport = forwarder.plan.servers[i].url.partition(":")[0]
        gauges["upstream_up", i] = not upstream.down
        gauges["upstream_transport", i, transport] = 1
        gauges["upstream_waiting", i] = upstream.in_flight
        gauges["upstream_looping", i] = upstream.looping
        gauges["upstream_mixed_case", i] = upstream.keeps_case and forwarder.plan.mixed[i]
    return gauges
