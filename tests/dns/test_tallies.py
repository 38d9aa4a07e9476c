"""What a worker reports each second: increases that add up, and never a client or a name."""

from __future__ import annotations

import json
import re
import socket

from filterd.dns.tallies import Tallies
from filterd.dns.tcp import TcpServer
from filterd.dns.udp import UdpListener
from filterd.metrics.dns import COUNTERS, GAUGES
from tests.dns.parts import ADULT, PLAIN, Parts, client, received, run
from tests.upstreams import Upstream


class Worker:
    """What `Tallies` looks at of a worker."""

    def __init__(self, parts: Parts) -> None:
        self.forwarder, self.clients, self.desk, self.hot = parts.forwarder, parts.clients, parts.desk, parts.hot
        self.tcp = TcpServer(parts.forwarder, parts.clients, parts.desk)
        self.udp: list[UdpListener] = []


def by_name(report: dict[str, list[list[object]]], kind: str = "counters") -> dict[tuple[object, ...], object]:
    return {tuple(key): value for *key, value in report[kind]}


def test_reports_hold_what_came_since_and_add_up() -> None:
    async def story(parts: Parts) -> None:
        worker, tallies = Worker(parts), Tallies()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("127.0.0.1", 0))
            worker.udp.append(UdpListener(parts.hot, sock, parts.clients, parts.desk))
            first = by_name(tallies.take(worker))
            assert set(first.values()) == {0}
            assert first["dropped", "outside"] == 0, "what is counted is there from the start"
            with client("127.0.31.7", sock.getsockname()) as asker:
                for packet in (ADULT, ADULT, ADULT, PLAIN):
                    asker.send(b"aa" + packet)
                    await received(asker)
            second = by_name(tallies.take(worker))
            assert second["queries", "udp", "tieu-hoc", "block", "category"] == 3
            assert second["queries", "udp", "tieu-hoc", "allow", "default"] == 1
            assert second["cache_hits", "memo"] == 2
            assert second["cache_misses",] == 1
            assert second["upstream_answers", 0] == 1
            assert by_name(tallies.take(worker)) == {}
            worker.udp[0].close()

    with Upstream() as upstream:
        run(story, upstreams=(upstream.url,))


def test_other_upstreams_begin_anew_and_no_increase_is_negative() -> None:
    async def story(parts: Parts) -> None:
        worker, tallies = Worker(parts), Tallies()
        for _ in range(5):
            parts.forwarder.upstreams.answered(0, 0.01, 5.0)
        tallies.take(worker)
        parts.forwarder.use_upstreams(2)
        parts.forwarder.upstreams.answered(0, 0.01, 5.0)
        report = by_name(tallies.take(worker))
        assert report["upstream_answers", 0] == 1
        assert all(value >= 0 for value in report.values())  # type: ignore[operator]
        parts.forwarder.use_upstreams(1)
        report = by_name(tallies.take(worker))
        assert all(value >= 0 for value in report.values())  # type: ignore[operator]

    run(story, upstreams=("udp://127.0.0.1:1",))


def test_every_report_can_be_sent_and_has_a_metric() -> None:
    async def story(parts: Parts) -> None:
        report = Tallies().take(Worker(parts))
        assert json.loads(json.dumps(report)) == report
        exposed_otherwise = {"upstream_seconds", "upstream_bucket"}
        assert {str(key[0]) for key in by_name(report)} <= set(COUNTERS) | exposed_otherwise
        assert {str(key[0]) for key in by_name(report, "gauges")} == set(GAUGES)
        assert not re.search(r"127\.0|example", json.dumps(report))

    run(story, upstreams=("udp://127.0.0.1:1",))
