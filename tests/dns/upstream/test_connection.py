"""One connection: what it takes, and when it takes no more."""

from __future__ import annotations

from collections import deque

from filterd.core.exchange import Exchange, probe_of
from filterd.dns.upstream import connection as module
from filterd.dns.upstream.connection import Connection
from filterd.dns.upstream.framing import LengthPrefixed
from filterd.dns.upstream.places import Worker, places_of
from tests.dns.parts import Parts, run, until
from tests.peers import Line, Peer, answering
from tests.upstreams import honest

QUESTION = b"\7example\0\0\1\0\1"


class Owner:
    """Notes what a connection says."""

    def __init__(self) -> None:
        self.index = 0
        self.times_ready = 0
        self.given_up: list[Exchange] = []
        self.ends: list[OSError | None] = []

    def ready(self) -> None:
        self.times_ready += 1

    def failed(self, exchange: Exchange) -> None:
        self.given_up.append(exchange)

    def again(self, connection: Connection, exchanges: list[Exchange]) -> None:
        self.given_up += exchanges

    def lost(self, connection: Connection, error: OSError | None) -> None:
        self.ends.append(error)


def connected(parts: Parts, port: int, owner: Owner) -> Connection:
    worker = Worker(parts.loop, parts.hot, parts.desk)
    return Connection(worker, owner, ("127.0.0.1", port), None, LengthPrefixed(padding=False))


def test_only_as_many_as_it_may_carry_are_taken_and_none_that_is_done() -> None:
    async def story(parts: Parts) -> None:
        owner = Owner()
        connection = connected(parts, peer.port, owner)
        await until(lambda: connection.ready)
        queue = deque(probe_of(0, parts.loop.time(), QUESTION) for _ in range(6))
        queue[0].done = True
        connection.take(queue, 3)
        assert len(connection.exchanges) == 3
        assert len(queue) == 2
        await until(lambda: not connection.exchanges)
        assert connection.answered == 3
        connection.close()
        assert owner.ends == [None]

    with Peer(answering) as peer:
        run(story, upstreams=("udp://127.0.0.1:1",))


def test_a_server_that_answers_what_nobody_asked_is_left_after_a_while() -> None:
    def talkative(line: Line) -> None:
        (packet,) = honest(line.question())
        for _ in range(module.MAX_STRAYS + 1):
            line.reply(bytes((packet[0] ^ 1, packet[1])) + packet[2:])
        line.exactly(1 << 20)

    async def story(parts: Parts) -> None:
        owner = Owner()
        connection = connected(parts, peer.port, owner)
        await until(lambda: connection.ready)
        connection.take(deque([probe_of(0, parts.loop.time(), QUESTION)]), 1)
        await until(lambda: owner.ends)
        assert "nobody asked" in str(owner.ends[0])

    with Peer(talkative) as peer:
        run(story, upstreams=("udp://127.0.0.1:1",))


def test_what_was_given_up_is_forgotten_at_the_next_look() -> None:
    def silent(line: Line) -> None:
        while True:
            line.question()

    async def story(parts: Parts) -> None:
        connection = connected(parts, peer.port, Owner())
        await until(lambda: connection.ready)
        one = probe_of(0, parts.loop.time(), QUESTION)
        connection.take(deque([one]), 1)
        one.done = True
        connection.sweep()
        assert (connection.exchanges, places_of(one)) == ({}, [])
        connection.close()

    with Peer(silent) as peer:
        run(story, upstreams=("udp://127.0.0.1:1",))
