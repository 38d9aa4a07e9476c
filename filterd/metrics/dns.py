"""Every metric of the DNS filter. Workers report plain numbers once a second; one collector exposes their sum.

Labels are small closed sets: never a client address, never a domain name, not even an upstream's (upstreams are
numbered in the order of `school.yaml`). `docs/metrics.md` lists them, and a test holds the two together.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)

from filterd import __version__
from filterd.core.upstreams import BUCKETS_S
from filterd.metrics import updates

# metric in a report -> (name, help, labels)
COUNTERS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "queries": (
        "filterd_dns_queries",
        "Answered queries that were decided.",
        ("transport", "tier", "action", "reason"),
    ),
    "errors": (
        "filterd_dns_protocol_replies",
        "Replies given without a decision (malformed or unsupported queries).",
        ("transport", "rcode"),
    ),
    "cache_hits": ("filterd_dns_cache_hits", "Answers found in the memo or the answer cache.", ("cache",)),
    "cache_misses": ("filterd_dns_cache_misses", "Allowed queries that no cache could answer.", ()),
    "stale": ("filterd_dns_stale_answers", "Expired answers served because no upstream answered.", ()),
    "coalesced": ("filterd_dns_coalesced_queries", "Queries that joined an upstream question under way.", ()),
    "edited": ("filterd_dns_edited_answers", "HTTPS and SVCB answers told without what leads past the filter.", ()),
    "prefetched": ("filterd_dns_prefetched_answers", "Popular answers asked for again before they expired.", ()),
    "hedged": ("filterd_dns_hedged_questions", "Questions asked of a second upstream beside a slow first one.", ()),
    "strays": ("filterd_dns_stray_packets", "Packets to the questions under way that were not their answers.", ()),
    "loops": ("filterd_dns_upstream_loops", "Times that an upstream was found to lead back to this box.", ()),
    "dropped": ("filterd_dns_dropped", "Packets or connections dropped.", ("cause",)),
    "slipped": ("filterd_dns_slipped_queries", "Queries over a limit that were told to go on over TCP.", ()),
    "cookies": ("filterd_dns_cookie_queries", "Queries with a DNS cookie.", ("cookie",)),
    "faults": ("filterd_dns_internal_errors", "Queries lost to a bug in filterd.", ()),
    "upstream_answers": ("filterd_dns_upstream_answers", "Answers from an upstream.", ("upstream",)),
    "upstream_timeouts": ("filterd_dns_upstream_timeouts", "Questions an upstream left unanswered.", ("upstream",)),
    "upstream_errors": ("filterd_dns_upstream_errors", "SERVFAIL and unusable answers of an upstream.", ("upstream",)),
}
GAUGES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "cache_bytes": ("filterd_dns_cache_bytes", "Estimated bytes in a cache, all workers.", ("cache",)),
    "cache_entries": ("filterd_dns_cache_entries", "Answers in the cache, all workers.", ()),
    "pending": ("filterd_dns_pending_questions", "Questions that wait for an upstream.", ()),
    "clients": ("filterd_dns_known_clients", "Client addresses that the workers remember.", ()),
    "tcp_connections": ("filterd_dns_tcp_connections", "Open connections of clients.", ("transport",)),
    "upstream_transport": (
        "filterd_dns_upstream_transport",
        "How the upstream is asked.",
        ("upstream", "transport"),
    ),
    "upstream_waiting": ("filterd_dns_upstream_waiting_questions", "Questions sent and not answered.", ("upstream",)),
    "upstream_looping": (
        "filterd_dns_upstream_looping",
        "Whether the upstream leads back to this box and is not asked.",
        ("upstream",),
    ),
    "upstream_mixed_case": (
        "filterd_dns_upstream_mixed_case",
        "Whether every worker asks in random case.",
        ("upstream",),
    ),
    "upstream_up": ("filterd_dns_upstream_up", "Whether every worker counts the upstream as healthy.", ("upstream",)),
}
# How what the workers hold becomes one value; the others are added up.
_JOINED: dict[str, Callable[[list[float]], float]] = {
    "upstream_up": min, "upstream_mixed_case": min, "upstream_looping": max, "upstream_transport": max,
}  # fmt: skip


@dataclass(slots=True)
class TableState:
    """The table in force. Times are Unix seconds; `sources` maps a source's id to (entries, time of its list)."""

    generation: str = ""
    names: int = 0
    built_at: float = 0.0
    sources: dict[str, tuple[int, float]] = field(default_factory=dict)


class DnsMetrics:
    """Adds up reports; a `prometheus_client` collector. Thread-safe: the HTTP server reads from its own thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[tuple[Any, ...], float] = {}
        self._gauges: dict[int, dict[tuple[Any, ...], float]] = {}
        self.table = TableState()
        self.updates = updates.UpdateState()
        self.policy_digest = ""
        self.faults: dict[str, str] = {}
        self.failed_reloads: dict[str, int] = {}
        self.certificate_until = 0.0  # Unix seconds; 0: no encrypted DNS
        self.first_seen = 0  # domains in the register
        self.swaps = 0
        self.workers = 0
        self.worker_restarts = 0
        self.self_query_failures = 0

    def report(self, worker: int, message: dict[str, Any]) -> None:
        """Take in one worker's report (`dns.tallies`)."""
        with self._lock:
            for *key, increase in message["counters"]:
                name = tuple(key)
                self._counts[name] = self._counts.get(name, 0) + increase
            self._gauges[worker] = {tuple(key): value for *key, value in message["gauges"]}

    def gone(self, worker: int) -> None:
        """A worker ended: what it held is held no more; what it counted stays counted."""
        with self._lock:
            self._gauges.pop(worker, None)

    def total(self, name: str) -> float:
        """The sum of one counter over all labels."""
        with self._lock:
            return sum(value for key, value in self._counts.items() if key[0] == name)

    def collect(self) -> Iterable[Metric]:
        with self._lock:
            counts = dict(self._counts)
            gauges = [dict(held) for held in self._gauges.values()]
        yield from _counters(counts)
        yield from _sums(gauges)
        yield _latency(counts)
        yield from self._table()
        yield from updates.families(self.updates)
        yield from self._process()

    def _table(self) -> Iterator[Metric]:
        table = self.table
        yield InfoMetricFamily(
            "filterd_table",
            "The table and the policy in force.",
            value={"generation": table.generation, "policy": self.policy_digest[:12]},
        )
        yield GaugeMetricFamily("filterd_table_names", "Names in the table in force.", table.names)
        yield GaugeMetricFamily(
            "filterd_first_seen_domains", "Domains this school has asked for since its register began.", self.first_seen
        )
        age = max(0.0, time.time() - table.built_at) if table.built_at else 0.0
        yield GaugeMetricFamily("filterd_table_age_seconds", "Time since the table was built.", age)
        entries = GaugeMetricFamily("filterd_source_entries", "Entries of a source in the table.", labels=["source"])
        ages = GaugeMetricFamily(
            "filterd_source_age_seconds", "Age of the list a source's entries came from.", labels=["source"]
        )
        for source, (count, at) in sorted(table.sources.items()):
            entries.add_metric([source], count)
            ages.add_metric([source], max(0.0, time.time() - at))
        yield entries
        yield ages

    def _process(self) -> Iterator[Metric]:
        yield CounterMetricFamily("filterd_snapshot_swaps", "Tables, policies and overrides taken up.", self.swaps)
        failed = CounterMetricFamily("filterd_failed_reloads", "Inputs that were refused.", labels=["input"])
        broken = GaugeMetricFamily(
            "filterd_input_fault", "Whether an older good version of an input serves.", labels=["input"]
        )
        for name in ("policy", "table", "overrides", "certificate", "leases", "first-seen"):
            failed.add_metric([name], self.failed_reloads.get(name, 0))
            broken.add_metric([name], name in self.faults)
        yield failed
        yield broken
        left = GaugeMetricFamily(
            "filterd_certificate_left_seconds", "Time until the certificate of encrypted DNS expires."
        )
        if self.certificate_until:
            left.add_metric([], self.certificate_until - time.time())
        yield left
        yield GaugeMetricFamily("filterd_dns_workers", "Worker processes that are up.", self.workers)
        yield CounterMetricFamily(
            "filterd_dns_worker_restarts", "Workers that had to be replaced.", self.worker_restarts
        )
        yield CounterMetricFamily(
            "filterd_dns_self_query_failures", "Self-queries without an answer.", self.self_query_failures
        )
        yield InfoMetricFamily("filterd_build", "The running program.", value={"version": __version__})


def _counters(counts: dict[tuple[Any, ...], float]) -> Iterator[Metric]:
    for kind, (name, text, labels) in COUNTERS.items():
        family = CounterMetricFamily(name, text, labels=labels)
        found = {key[1:]: value for key, value in counts.items() if key[0] == kind}
        for key, value in sorted(found.items(), key=str) or ([((), 0.0)] if not labels else []):
            family.add_metric([str(label) for label in key], value)
        yield family


def _sums(workers: list[dict[tuple[Any, ...], float]]) -> Iterator[Metric]:
    for kind, (name, text, labels) in GAUGES.items():
        family = GaugeMetricFamily(name, text, labels=labels)
        keys = {key for held in workers for key in held if key[0] == kind}
        for key in sorted(keys, key=str):
            values = [held[key] for held in workers if key in held]
            family.add_metric([str(v) for v in key[1:]], _JOINED.get(kind, sum)(values))
        yield family


def _latency(counts: dict[tuple[Any, ...], float]) -> Metric:
    family = HistogramMetricFamily(
        "filterd_dns_upstream_latency_seconds", "Time until an upstream answered.", labels=["upstream"]
    )
    bounds = [*(str(bound) for bound in BUCKETS_S), "+Inf"]
    for upstream in sorted({key[1] for key in counts if key[0] == "upstream_bucket"}):
        total = 0.0
        buckets = []
        for i, bound in enumerate(bounds):
            total += counts.get(("upstream_bucket", upstream, i), 0)
            buckets.append((bound, total))
        family.add_metric([str(upstream)], buckets, counts.get(("upstream_seconds", upstream), 0.0))
    return family
