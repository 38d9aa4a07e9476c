"""The desk between forwarder and sockets: replies find their listener, and the one timer is never late."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from typing import Any

import pytest

from filterd.core.exchange import Exchange
from filterd.core.upstreams import FAILURES
from tests import schools
from tests.dns.parts import ADULT, PLAIN, Parts, run, until


class Listener:
    """Keeps what it is told to reply."""

    def __init__(self) -> None:
        self.replies: list[tuple[object, bytes]] = []

    def reply(self, address: object, packet: bytes) -> None:
        self.replies.append((address, packet))


class Upstream:
    """Keeps what it is told to send."""

    def __init__(self) -> None:
        self.sent: list[Exchange] = []

    def send(self, exchange: Exchange) -> None:
        self.sent.append(exchange)


def desk_of(parts: Parts, count: int = 1) -> tuple[Listener, Upstream, Any]:
    upstream = Upstream()
    parts.desk.upstream = upstream
    parts.forwarder.use_upstreams(schools.plan(count))
    schools.no_probes(parts.forwarder)
    return Listener(), upstream, schools.row(parts.forwarder.snapshot, "3a")


def answer(exchange: Exchange) -> bytes:
    return b"\0\0\x81\x80\0\1\0\1\0\0\0\0" + exchange.question + b"\xc0\x0c\0\1\0\1\0\0\1\0\0\4\1\2\3\4"


def test_a_blocked_name_is_answered_at_once_and_sends_nothing() -> None:
    async def story(parts: Parts) -> None:
        listener, upstream, row = desk_of(parts)
        reply = parts.desk.query(b"id" + ADULT, "udp", row, (listener, "me"), parts.loop.time())
        assert reply is not None
        assert reply[:2] == b"id"
        assert not upstream.sent

    run(story)


def test_an_answer_from_upstream_goes_to_all_who_wait() -> None:
    async def story(parts: Parts) -> None:
        listener, upstream, row = desk_of(parts)
        now = parts.loop.time()
        for ident, who in ((b"aa", "one"), (b"bb", "two")):
            assert parts.desk.query(ident + PLAIN, "udp", row, (listener, who), now) is None
        (exchange,) = upstream.sent
        assert not parts.desk.response(exchange, b"junk", now)
        assert parts.desk.response(exchange, answer(exchange), now)
        assert [(who, packet[:2]) for who, packet in listener.replies] == [("one", b"aa"), ("two", b"bb")]

    run(story)


def test_a_question_nobody_answers_is_sent_again_and_fails_within_two_seconds() -> None:
    async def story(parts: Parts) -> None:
        listener, upstream, row = desk_of(parts, 2)
        started = parts.loop.time()
        parts.desk.query(b"aa" + PLAIN, "udp", row, (listener, "one"), started)
        await until(lambda: listener.replies)
        assert parts.loop.time() - started < 2.2
        assert len(upstream.sent) <= 3
        assert listener.replies[0][1][3] & 15 == 2

    run(story)


def test_a_probe_that_is_due_later_delays_no_attempt() -> None:
    async def story(parts: Parts) -> None:
        listener, upstream, row = desk_of(parts, 2)
        for _ in range(FAILURES):
            parts.forwarder.upstreams.failed(0, parts.loop.time())
        parts.desk.arm()  # for the probe, a second from now
        await asyncio.sleep(0.05)
        started = parts.loop.time()
        parts.desk.query(b"aa" + PLAIN, "udp", row, (listener, "one"), started)
        await until(lambda: [e for e in upstream.sent if e.key][1:])
        assert parts.loop.time() - started < 0.8

    run(story)


def test_what_cannot_be_carried_is_tried_elsewhere() -> None:
    async def story(parts: Parts) -> None:
        listener, upstream, row = desk_of(parts, 2)
        parts.desk.query(b"aa" + PLAIN, "udp", row, (listener, "one"), parts.loop.time())
        parts.desk.unreachable(upstream.sent[0])
        assert [exchange.upstream for exchange in upstream.sent] == [0, 1] or len(upstream.sent) == 2
        assert parts.desk.response(upstream.sent[1], answer(upstream.sent[1]), parts.loop.time())
        assert listener.replies

    run(story)


def test_a_bug_costs_one_query_and_is_counted(caplog: pytest.LogCaptureFixture, monkeypatch: Any) -> None:
    async def story(parts: Parts) -> None:
        listener, _, row = desk_of(parts)
        forwarder = parts.forwarder
        with monkeypatch.context() as patch:
            for method in ("query", "response", "tick"):
                patch.setattr(forwarder, method, lambda *_: 1 // 0)
            assert parts.desk.query(b"aa" + PLAIN, "udp", row, (listener, 1), parts.loop.time()) is None
            assert not parts.desk.response(Exchange(b"k", b"", b"", 0, 0.0), b"", 0.0)
            patch.setattr(forwarder, "deadline", parts.loop.time)
            parts.desk.arm()
            await until(lambda: parts.desk.faults >= 3)
        assert parts.desk.query(b"aa" + ADULT, "udp", row, (listener, 1), parts.loop.time()) is not None
        parts.desk.query(b"aa" + PLAIN, "udp", row, (listener, "late"), parts.loop.time())
        await until(lambda: listener.replies)

    with caplog.at_level(logging.ERROR):
        run(story)
    assert "internal error 1 while handling a query" in caplog.text


def test_a_school_without_upstreams_says_so_at_once() -> None:
    async def story(parts: Parts) -> None:
        listener, _, row = desk_of(parts, 0)
        reply = parts.desk.query(b"aa" + PLAIN, "udp", row, (listener, 1), parts.loop.time())
        assert reply is not None
        assert reply[3] & 15 == 2

    run(story, dataclasses.replace(schools.POLICY, upstreams=()))
