"""The buckets of prefixes: a table that does not grow."""

from __future__ import annotations

from ipaddress import ip_address

from filterd.core.policy import Limits
from filterd.dns.buckets import SPARED, Prefixes

LIMITS = Limits(clients=20, prefix_queries_per_second=10, prefix_burst=100)


def test_prefixes_are_bounded_whatever_the_addresses() -> None:
    prefixes = Prefixes()
    for i in range(1000):
        bucket = prefixes.bucket(ip_address(f"10.{i // 256}.{i % 256}.1"), b"", LIMITS, 100.0)
        assert bucket.saved == 100
        bucket.saved = 0
    assert len(prefixes) == LIMITS.clients


def test_a_prefix_in_use_is_kept_when_idle_ones_can_go() -> None:
    prefixes = Prefixes()
    busy = prefixes.bucket(ip_address("10.0.0.1"), b"", LIMITS, 100.0)
    for i in range(1, 200):
        busy.saved, busy.since = 0.0, 100.0 + i
        prefixes.bucket(ip_address(f"10.1.{i}.1"), b"", LIMITS, 100.0 + i)
    assert len(prefixes) == LIMITS.clients
    assert prefixes.bucket(ip_address("10.0.0.200"), b"", LIMITS, 300.0) is busy


def test_where_all_are_in_use_one_goes_all_the_same() -> None:
    prefixes = Prefixes()
    for i in range(LIMITS.clients + SPARED):
        prefixes.bucket(ip_address(f"10.1.{i}.1"), b"", LIMITS, 100.0).saved = 0.0
    assert len(prefixes) == LIMITS.clients
