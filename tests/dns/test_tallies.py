"""What a worker reports each second: increases that add up, and never a client or a name."""

from __future__ import annotations

import json
import re
import socket

from filterd.core.policy import Upstream
from filterd.core.servers import Plan
from filterd.dns.streams import Streams
from filterd.dns.tallies import Tallies
from filterd.dns.udp import UdpListener
from filterd.metrics.dns import COUNTERS, GAUGES
from tests import schools
from tests.dns.parts import ADULT, PLAIN, Parts, client, received, run, until
from tests.upstreams import Upstream as Answering


class Worker:
    """What `Tallies` looks at of a worker."""

    def __init__(self, parts: Parts) -> None:
        self.forwarder, self.clients, self.desk, self.hot = parts.forwarder, parts.clients, parts.desk, parts.hot
        self.tcp = Streams(parts.forwarder, parts.clients, parts.desk)
        self.udp: list[UdpListener] = []


def by_name(report: dict[str, list[list[object]]], kind: str = "counters") -> dict[tuple[object, ...], object]:
    return {tuple(key): value for *key, value in report[kind]}


def test_reports_hold_what_came_since_and_add_up() -> None:
    async def story(parts: Parts) -> None:
        schools.no_probes(parts.forwarder)
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

    with Answering() as upstream:
        run(story, upstreams=(upstream.url,))


def test_other_upstreams_begin_anew_and_no_increase_is_negative() -> None:
    async def story(parts: Parts) -> None:
        worker, tallies = Worker(parts), Tallies()
        for _ in range(5):
            parts.forwarder.upstreams.answered(0, 0.01, 5.0)
        tallies.take(worker)
        parts.forwarder.use_upstreams(schools.plan(2))
        parts.forwarder.upstreams.answered(0, 0.01, 5.0)
        report = by_name(tallies.take(worker))
        assert report["upstream_answers", 0] == 1
        assert all(value >= 0 for value in report.values())  # type: ignore[operator]
        parts.forwarder.use_upstreams(schools.plan(1))
        report = by_name(tallies.take(worker))
        assert all(value >= 0 for value in report.values())  # type: ignore[operator]

    run(story, upstreams=("udp://127.0.0.1:1",))


def test_limits_slips_and_cookies_are_counted() -> None:
    async def story(parts: Parts) -> None:
        worker, tallies = Worker(parts), Tallies()
        parts.forwarder.use_secrets((bytes(16),))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("127.0.0.1", 0))
            worker.udp.append(UdpListener(parts.hot, sock, parts.clients, parts.desk))
            tallies.take(worker)
            with client("127.0.31.7", sock.getsockname()) as asker, client("127.0.31.8", sock.getsockname()) as other:
                asks = ADULT[:8] + b"\0\1" + ADULT[10:] + schools.OPT[:-1] + b"\x0c" + b"\0\x0a\0\x08cookie!!"
                asker.send(b"aa" + asks)
                cookie = (await received(asker))[-28:]
                for shown in (cookie, cookie[:-1] + bytes((cookie[-1] ^ 1,))):
                    asker.send(b"aa" + asks[:-13] + b"\x1c" + shown)
                    await received(asker)
                for _ in range(9):
                    asker.send(b"aa" + ADULT)
                for _ in range(4):
                    other.send(b"aa" + ADULT)
                await until(lambda: parts.clients.limited + parts.clients.prefix_limited == 6)
            worker.udp[0].close()
        found = by_name(tallies.take(worker))
        assert [found["cookies", kind] for kind in ("new", "good", "bad")] == [1, 1, 1]
        assert found["dropped", "rate_limit"] == 2
        assert found["dropped", "prefix_limit"] == 4
        assert found["slipped",] == 3

    run(story, schools.with_limits(queries_per_second=1, burst=10, prefix_queries_per_second=1, prefix_burst=10))


def test_upstreams_are_told_by_number_how_they_are_asked_and_how_they_are() -> None:
    async def story(parts: Parts) -> None:
        worker = Worker(parts)
        upstreams = tuple(Upstream(url) for url in ("udp://192.0.2.1", "tls://192.0.2.2", "https://192.0.2.3/x"))
        parts.forwarder.use_upstreams(Plan(upstreams, {b"": (0, 1, 2)}, (True, False, False)))
        for each in parts.forwarder.upstreams.all:
            each.keeps_case = True
        parts.forwarder.upstreams.all[1].looping = True
        gauges = by_name(Tallies().take(worker), "gauges")
        kinds = [key for key in gauges if key[0] == "upstream_transport"]
        assert kinds == [("upstream_transport", i, kind) for i, kind in enumerate(("udp", "tls", "https"))]
        assert [gauges["upstream_mixed_case", i] for i in range(3)] == [True, False, False]
        assert [gauges["upstream_looping", i] for i in range(3)] == [False, True, False]
        assert not re.search(r"192|dns-query|/x", json.dumps([list(map(str, key)) for key in gauges]))

    run(story)


def test_every_report_can_be_sent_and_has_a_metric() -> None:
    async def story(parts: Parts) -> None:
        parts.forwarder.use_secrets((bytes(16),))
        report = Tallies().take(Worker(parts))
        assert json.loads(json.dumps(report)) == report
        exposed_otherwise = {"upstream_seconds", "upstream_bucket"}
        assert {str(key[0]) for key in by_name(report)} <= set(COUNTERS) | exposed_otherwise
        assert {str(key[0]) for key in by_name(report, "gauges")} == set(GAUGES)
        assert not re.search(r"127\.0|example", json.dumps(report))

    run(story, upstreams=("udp://127.0.0.1:1",))
