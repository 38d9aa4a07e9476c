"""Metrics: names as Prometheus wants them, sums over workers, and labels from small closed sets."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from filterd.core.upstreams import BUCKETS_S
from filterd.metrics.dns import COUNTERS, GAUGES, DnsMetrics, TableState
from filterd.metrics.updates import state_of

LABELS = {
    "transport", "tier", "action", "reason", "rcode", "cache", "cause", "cookie", "upstream", "source", "input", "le",
    "generation", "policy", "version", "outcome", "why", "result", "kind",
}  # fmt: skip


def exposed(metrics: DnsMetrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    registry = CollectorRegistry()
    registry.register(metrics)
    text = generate_latest(registry).decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def report(*counters: list[Any], gauges: tuple[list[Any], ...] = ()) -> dict[str, Any]:
    return {"counters": list(counters), "gauges": list(gauges)}


def full() -> DnsMetrics:
    """Every metric has a sample."""
    metrics = DnsMetrics()
    metrics.table = TableState("000001-abc", 5, time.time() - 60, {"adult-curated": (5, time.time() - 120)})
    metrics.updates = state_of(
        {"outcome": "kept", "ended_at": 1, "sources": {"a": {"outcome": "held", "why": "halved"}}}
    )
    counters = [[kind, *("x" for _ in labels), 1] for kind, (_, _, labels) in COUNTERS.items()]
    counters += [["upstream_seconds", 0, 0.5], *(["upstream_bucket", 0, i, 1] for i in range(len(BUCKETS_S) + 1))]
    gauges = tuple([kind, *("x" for _ in labels), 1] for kind, (_, _, labels) in GAUGES.items())
    metrics.report(0, report(*counters, gauges=gauges))
    return metrics


def test_names_follow_the_conventions() -> None:
    for family in full().collect():
        assert re.fullmatch(r"filterd_[a-z][a-z0-9_]*[a-z0-9]", family.name), family.name
        assert family.documentation.endswith("."), family.name
        assert family.documentation[0].isupper(), family.name
        assert not family.name.endswith(("_total", "_count", "_sum", "_bucket", "_info")), "added by the kind"
        assert not re.search(r"_(ms|milliseconds|minutes|hours|kb|mb|percent)$", family.name), "base units only"
        for sample in family.samples:
            assert sample.name.endswith("_total") == (family.type == "counter")
            assert set(sample.labels) <= LABELS, family.name


def test_names_are_unique() -> None:
    found = [family.name for family in full().collect()]
    assert len(found) == len(set(found))


def test_counters_of_all_workers_and_all_reports_add_up() -> None:
    metrics = DnsMetrics()
    key = ["queries", "udp", "thcs", "block", "category"]
    metrics.report(0, report([*key, 3]))
    metrics.report(1, report([*key, 4]))
    metrics.report(0, report([*key, 5], ["queries", "tcp", "thcs", "allow", "default", 1]))
    labels = (("action", "block"), ("reason", "category"), ("tier", "thcs"), ("transport", "udp"))
    assert exposed(metrics)["filterd_dns_queries_total", labels] == 12
    assert metrics.total("queries") == 13


def test_gauges_are_the_sum_of_what_workers_hold_now() -> None:
    metrics = DnsMetrics()
    for worker, clients in ((0, 5), (1, 7), (0, 6)):
        metrics.report(worker, report(gauges=(["clients", clients], ["cache_bytes", "memo", clients])))
    assert exposed(metrics)["filterd_dns_known_clients", ()] == 13
    metrics.gone(1)
    assert exposed(metrics)["filterd_dns_known_clients", ()] == 6
    assert exposed(metrics)["filterd_dns_cache_bytes", (("cache", "memo"),)] == 6
    metrics.gone(9)


def test_an_upstream_is_up_when_every_worker_says_so() -> None:
    metrics = DnsMetrics()
    metrics.report(0, report(gauges=(["upstream_up", 0, True], ["upstream_up", 1, True])))
    metrics.report(1, report(gauges=(["upstream_up", 0, False], ["upstream_up", 1, True])))
    found = exposed(metrics)
    assert found["filterd_dns_upstream_up", (("upstream", "0"),)] == 0
    assert found["filterd_dns_upstream_up", (("upstream", "1"),)] == 1


def test_an_upstream_that_one_worker_finds_to_loop_loops() -> None:
    metrics = DnsMetrics()
    for worker, looping in ((0, False), (1, True)):
        held = (["upstream_looping", 0, looping], ["upstream_transport", 0, "tls", 1], ["upstream_waiting", 0, 3])
        metrics.report(worker, report(gauges=(*held, ["upstream_mixed_case", 0, looping])))
    found = exposed(metrics)
    upstream = ("upstream", "0")
    assert found["filterd_dns_upstream_looping", (upstream,)] == 1
    assert found["filterd_dns_upstream_transport", (("transport", "tls"), upstream)] == 1
    assert found["filterd_dns_upstream_waiting_questions", (upstream,)] == 6
    assert found["filterd_dns_upstream_mixed_case", (upstream,)] == 0


def test_the_latency_histogram_is_cumulative() -> None:
    metrics = DnsMetrics()
    metrics.report(0, report(["upstream_bucket", 0, 0, 2], ["upstream_bucket", 0, 3, 5], ["upstream_seconds", 0, 0.25]))
    name, labels = "filterd_dns_upstream_latency_seconds", (("upstream", "0"),)
    found = exposed(metrics)
    buckets = [
        value for (sample, at), value in found.items() if sample == f"{name}_bucket" and dict(at)["upstream"] == "0"
    ]
    assert buckets == sorted(buckets)
    assert found[f"{name}_bucket", (("le", "0.001"), *labels)] == 2
    assert found[f"{name}_bucket", (("le", "+Inf"), *labels)] == 7
    assert found[f"{name}_count", labels] == 7
    assert found[f"{name}_sum", labels] == 0.25


def test_what_is_wrong_now_and_what_was_wrong_are_two_metrics() -> None:
    metrics = DnsMetrics()
    assert exposed(metrics)["filterd_input_fault", (("input", "table"),)] == 0
    metrics.faults = {"table": "damaged"}
    metrics.failed_reloads = {"table": 2}
    assert exposed(metrics)["filterd_input_fault", (("input", "table"),)] == 1
    metrics.faults = {}
    assert exposed(metrics)["filterd_input_fault", (("input", "table"),)] == 0
    assert exposed(metrics)["filterd_failed_reloads_total", (("input", "table"),)] == 2


def test_a_clock_behind_the_table_gives_no_negative_age() -> None:
    metrics = DnsMetrics()
    metrics.table = TableState("000001-abc", 1, time.time() + 3600, {"a": (1, time.time() + 3600)})
    found = exposed(metrics)
    assert found["filterd_table_age_seconds", ()] == 0
    assert found["filterd_source_age_seconds", (("source", "a"),)] == 0


@pytest.mark.parametrize("value", ['x"y', "a\nb", "\\", "é"])
def test_no_value_can_break_the_page(value: str) -> None:
    metrics = DnsMetrics()
    metrics.report(0, report(["dropped", value, 1]))
    assert exposed(metrics)["filterd_dns_dropped_total", (("cause", value),)] == 1
