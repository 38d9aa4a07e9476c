"""The metrics' own HTTP server: it answers scrapers and is not to be tied up."""

from __future__ import annotations

import socket
import threading
import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, Counter

from filterd.metrics import server
from tests.running import free_port, has_ipv6


@pytest.fixture(params=["127.0.0.1", pytest.param("::1", marks=pytest.mark.skipif(not has_ipv6(), reason="no ::1"))])
def address(request: pytest.FixtureRequest) -> Iterator[tuple[str, int]]:
    registry = CollectorRegistry()
    Counter("things", "Things.", registry=registry).inc(3)
    found = (request.param, free_port(request.param))
    running = server.serve(*found, registry)
    yield found
    running.shutdown()
    running.server_close()


def scrape(address: tuple[str, int]) -> str:
    host = f"[{address[0]}]" if ":" in address[0] else address[0]
    with urllib.request.urlopen(f"http://{host}:{address[1]}/metrics", timeout=5) as reply:
        return str(reply.read().decode())


def test_a_scraper_is_answered(address: tuple[str, int]) -> None:
    assert "things_total 3.0" in scrape(address)


def test_silent_connections_take_a_few_threads_and_go(
    address: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server._Handler, "timeout", 0.5)
    before = threading.active_count()
    silent = [socket.create_connection(address) for _ in range(3 * server.MAX_CONNECTIONS)]
    for sock in silent:
        sock.settimeout(5)
        assert sock.recv(1) == b"", "closed, by the limit or for its silence"
        assert threading.active_count() <= before + server.MAX_CONNECTIONS
        sock.close()
    assert "things_total 3.0" in scrape(address)


def test_nonsense_and_hasty_clients_leave_no_trace(address: tuple[str, int], capfd: pytest.CaptureFixture[str]) -> None:
    for data in (b"\0" * 100, b"GET /metrics HTTP/1.1\r\n", b"GET " + b"a" * 70000 + b" HTTP/1.1\r\n\r\n"):
        with socket.create_connection(address) as sock:
            sock.sendall(data)
    assert "things_total 3.0" in scrape(address)
    assert capfd.readouterr() == ("", "")
