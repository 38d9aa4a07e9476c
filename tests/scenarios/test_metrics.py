"""What a running server counts: all of it, once, and about nobody in particular."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from filterd.store import status
from tests.running import EXAM, OUTSIDE, PUPIL, SEVENTH, STAFF, Server, framed, question, receive, write_school
from tests.upstreams import Upstream


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    config, state = write_school(tmp_path)
    with Upstream() as upstream, Server(config, state, upstreams=(upstream.url,), workers=2) as found:
        yield found


def decided(server: Server) -> dict[tuple[str, str, str, str], float]:
    """Counted queries by transport, tier, action and reason, without those the server asks itself."""
    return {
        (labels["transport"], labels["tier"], labels["action"], labels["reason"]): value
        for name, labels, value in server.samples()
        if name == "filterd_dns_queries_total" and labels["reason"] != "special_use"
    }


def test_queries_asked_are_queries_counted(server: Server) -> None:
    for _ in range(7):
        server.ask("adult.example", source=PUPIL)
        server.ask("adult.example", source=STAFF)
        server.ask("example.org", source=PUPIL)
        server.ask("youtube.com", source=SEVENTH, tcp=True)
        server.ask("example.org", source=EXAM)
    for i in range(10):
        server.ask(f"n{i}.example.org", source=STAFF)
    wanted = {
        ("udp", "tieu-hoc", "block", "category"): 7,
        ("udp", "staff", "block", "category"): 7,
        ("udp", "tieu-hoc", "allow", "default"): 7,
        ("tcp", "thcs", "allow", "profile"): 7,
        ("udp", "thcs", "block", "allow_list_only"): 7,
        ("udp", "staff", "allow", "default"): 10,
    }
    server.wait_metric("filterd_dns_queries_total", lambda _: sum(decided(server).values()) == sum(wanted.values()))
    assert decided(server) == wanted


def test_hits_and_misses_add_up_to_what_was_allowed(server: Server) -> None:
    for _ in range(5):
        for i in range(4):
            server.ask(f"n{i}.example.org", source=PUPIL)
    server.wait_metric("filterd_dns_queries_total", lambda _: sum(decided(server).values()) == 20)
    found = server.metrics()
    assert found["filterd_dns_cache_misses_total"] == 4
    hits = found['filterd_dns_cache_hits_total{cache="answers"}'] + found['filterd_dns_cache_hits_total{cache="memo"}']
    assert hits >= 16, "self-queries hit the memo too"
    assert found["filterd_dns_upstream_answers_total"] >= 4, "probes are answered too"
    assert found["filterd_dns_upstream_latency_seconds_count"] == found["filterd_dns_upstream_answers_total"]


def test_what_is_dropped_and_what_is_malformed_is_counted(server: Server) -> None:
    with server.udp(OUTSIDE) as sock:
        for _ in range(3):
            sock.send(bytes(question("example.org").pack()))
    with server.connect(PUPIL) as sock:
        sock.sendall(framed(bytes(4) + b"\0\2" + bytes(20)))
        assert receive(sock)
    server.wait_metric('filterd_dns_dropped_total{cause="outside"}', lambda n: n == 3)
    server.wait_metric('filterd_dns_protocol_replies_total{rcode="1",transport="tcp"}', lambda n: n == 1)


def test_no_label_holds_an_address_or_a_name(server: Server) -> None:
    for source in (PUPIL, SEVENTH, EXAM, STAFF):
        for name in ("adult.example", "secret.example.org", "youtube.com"):
            server.ask(name, source=source)
    server.wait_metric("filterd_dns_queries_total", lambda n: n >= 12)
    text = server.metrics_text()
    assert not re.search(r"127\.0\.|\d+\.\d+\.\d+\.\d+\"|::1", text)
    assert not re.search(r"example|youtube|secret", text)


def test_the_page_says_what_is_in_force(server: Server) -> None:
    text = server.metrics_text()
    assert re.search(r'filterd_table_info\{generation="000001-[0-9a-f]{16}",policy="[0-9a-f]{12}"\} 1.0', text)
    assert re.search(r'filterd_build_info\{.*version="[\d.]+".*\} 1.0', text)
    found = server.metrics()
    assert found["filterd_table_names"] == 1
    assert found['filterd_source_entries{source="adult-curated"}'] == 1
    assert found["filterd_table_age_seconds"] < 600
    server.wait_metric("filterd_dns_workers", lambda n: n == 2)


def test_a_port_that_is_taken_costs_the_metrics_and_not_the_dns(tmp_path: Path) -> None:
    import socket

    config, state = write_school(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with Server(config, state, "--metrics", f"127.0.0.1:{taken.getsockname()[1]}") as server:
            assert "no metrics: cannot listen on" in server.log
            assert server.ask("adult.example").rr


def test_what_the_updater_writes_down_is_on_the_page_a_few_seconds_later(tmp_path: Path) -> None:
    config, state = write_school(tmp_path)
    with Server(config, state) as server:
        assert "filterd_source_held{" not in server.metrics_text()
        sources = {"adult-curated": {"held": True, "outcome": "held", "why": "halved"}}
        status.write(state, {"outcome": "kept", "ended_at": 7, "sources": sources})
        server.wait_metric("filterd_update_last_run_timestamp_seconds", lambda at: at == 7)
        assert server.metrics()['filterd_source_held{source="adult-curated"}'] == 1
        status.path(state).write_bytes(b"\xff" * 100)
        server.wait_metric("filterd_update_last_run_timestamp_seconds", lambda at: at != 7)
        assert server.ask("adult.example").rr
