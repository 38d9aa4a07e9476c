"""One server's connections: shared, renewed, closed; and servers that do with them what they like."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from filterd.core import policy
from filterd.dns.upstream import connections as module
from filterd.dns.upstream.connection import Connection
from filterd.dns.upstream.connections import StreamCarrier
from tests import schools
from tests.certificates import Authority
from tests.dns.parts import Parts, run, until
from tests.dns.upstream.asking import Listener, answered, ask
from tests.peers import Line, Peer, Play, answering, answering_https, server_context
from tests.running import free_port
from tests.upstreams import Question, Upstream, honest

NAMES = tuple(f"n{i}" for i in range(20))


def carrier(parts: Parts, index: int = 0) -> StreamCarrier:
    return parts.upstreams._carriers[index].stream


def connections(parts: Parts) -> list[Connection]:
    return carrier(parts).connections


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


Made = tuple[Peer, policy.Upstream]


@contextmanager
def server(transport: str, play: Play, authority: Authority) -> Iterator[Made]:
    """A stand-in for one transport, and how it is configured."""
    protocol = {"tls": ("dot",), "https": ("h2",)}.get(transport, ())
    tls = server_context(authority.certificate, authority.key, *protocol) if protocol else None
    with Peer(play, tls) as peer:
        yield peer, policy.Upstream(peer.url(transport), (), str(authority.ca) if protocol else None)


def silent(line: Line) -> None:
    while True:
        line.question()


PLAYS: dict[str, Play] = {"tcp": answering, "tls": answering, "https": answering_https}


@pytest.mark.parametrize("transport", PLAYS)
def test_one_connection_carries_all_questions(transport: str, authority: Authority) -> None:
    async def story(parts: Parts) -> None:
        for turn in range(5):
            listener = await answered(parts, *(f"{name}-{turn}" for name in NAMES))
            assert listener.good == len(NAMES)
        assert peer.connections == len(connections(parts)) == 1
        assert not connections(parts)[0].exchanges

    with server(transport, PLAYS[transport], authority) as (peer, upstream):
        run(story, upstreams=(upstream,))


@pytest.mark.parametrize("transport", ["tls", "https"])
def test_questions_over_tls_are_padded_to_one_size(transport: str, authority: Authority) -> None:
    async def story(parts: Parts) -> None:
        assert (await answered(parts, "a", "b" * 40, "c" * 63)).good == 3
        asked = [question for question in peer.questions if question.name.endswith(".example.org")]
        assert {len(question.packet) for question in asked} == {128}
        assert transport == "tls" or {question.packet[:2] for question in asked} == {b"\0\0"}

    with server(transport, PLAYS[transport], authority) as (peer, upstream):
        run(story, upstreams=(upstream,))


def test_questions_over_plain_tcp_are_not_padded(authority: Authority) -> None:
    async def story(parts: Parts) -> None:
        assert (await answered(parts, "a")).good == 1
        assert len(peer.asked("a.example.org")[0].packet) < 60

    with server("tcp", answering, authority) as (peer, upstream):
        run(story, upstreams=(upstream,))


@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_answers_are_taken_in_any_order(transport: str, authority: Authority) -> None:
    def backwards(line: Line) -> None:
        asked: list[Question] = []
        while True:
            question = line.question()
            if not question.name.endswith(".example.org"):
                line.reply(*honest(question))
                continue
            asked.append(question)
            if len(asked) == len(NAMES):
                line.reply(*(honest(each)[0] for each in reversed(asked)))

    async def story(parts: Parts) -> None:
        assert (await answered(parts, *NAMES)).good == len(NAMES)
        assert peer.connections == 1
        assert len({question.packet[:2] for question in peer.questions}) == len(peer.questions), "ids are unique"

    with server(transport, backwards, authority) as (peer, upstream):
        run(story, upstreams=(upstream,))


def test_a_second_connection_is_opened_when_the_first_is_full(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "DEPTH", 4)
    monkeypatch.setattr(module, "CONNECTIONS", 3)
    everything = threading.Event()

    def slow(line: Line) -> None:
        first = [line.question() for _ in range(4)]
        everything.wait(5)
        line.reply(*(honest(question)[0] for question in first))
        answering(line)

    async def story(parts: Parts) -> None:
        listener = Listener()
        for name in NAMES:
            ask(parts, listener, name)
        await until(lambda: peer.connections == 3 and len(peer.questions) >= 12)
        everything.set()
        await until(lambda: len(listener.replies) == len(NAMES))
        assert listener.good == len(NAMES)
        assert peer.connections == 3

    with server("tcp", slow, authority) as (peer, upstream):
        run(story, upstreams=(upstream,))


@pytest.mark.parametrize("transport", PLAYS)
@pytest.mark.parametrize("reset", [False, True], ids=["closes", "resets"])
def test_a_question_whose_connection_goes_away_is_asked_once_more(
    transport: str, reset: bool, authority: Authority
) -> None:
    def first_fails(line: Line) -> None:
        if line.peer.connections == 1:
            line.exactly(20)
            if reset:
                line.reset()
            return
        PLAYS[transport](line)

    async def story(parts: Parts) -> None:
        assert (await answered(parts, "a")).good == 1
        assert 2 <= peer.connections <= 3, "each question alone from now on"

    with server(transport, first_fails, authority) as (peer, upstream):
        run(story, upstreams=(upstream,))


@pytest.mark.parametrize("transport", PLAYS)
def test_a_server_that_only_closes_is_left_for_another(transport: str, authority: Authority) -> None:
    async def story(parts: Parts) -> None:
        listener = await answered(parts, *NAMES)
        assert listener.good == len(NAMES)
        assert peer.connections < 100

    with server(transport, lambda line: None, authority) as (peer, upstream), Upstream() as good:
        run(story, upstreams=(upstream, good.url))


@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_a_server_that_closes_after_each_answer_is_asked_one_question_at_a_time(
    transport: str, authority: Authority
) -> None:
    def once(line: Line) -> None:
        line.reply(*honest(line.question()))

    async def story(parts: Parts) -> None:
        first = await answered(parts, *NAMES)
        assert len(first.replies) == len(NAMES)
        second = await answered(parts, *(f"again-{name}" for name in NAMES))
        assert second.good == len(NAMES)

    with server(transport, once, authority) as (_, upstream):
        run(story, upstreams=(upstream,))


def wrong_id(question: Question) -> bytes:
    packet = honest(question)[0]
    return bytes((packet[0] ^ 1, packet[1])) + packet[2:]


def wrong_question(question: Question) -> bytes:
    packet = honest(question)[0]
    return packet[:13] + b"z" + packet[14:]


@pytest.mark.parametrize("wrong", [wrong_id, wrong_question])
def test_a_wrong_answer_is_ignored_and_the_right_one_behind_it_taken(
    wrong: Callable[[Question], bytes], authority: Authority
) -> None:
    def play(line: Line) -> None:
        while True:
            question = line.question()
            line.reply(wrong(question), *honest(question))

    async def story(parts: Parts) -> None:
        assert (await answered(parts, *NAMES)).good == len(NAMES)
        assert peer.connections == 1

    with server("tcp", play, authority) as (peer, upstream):
        run(story, upstreams=(upstream,))


GARBAGE = {
    "HTTP": b"HTTP/1.1 400 Bad Request\r\n\r\n" * 5000,
    "messages of no bytes": bytes(1000),
    "answers to nobody": (b"\0\x0c" + b"ab\x81\x80" + bytes(8)) * 5000,
    "half a message": b"\0\xff" + bytes(20),
    "nothing": b"",
}


@pytest.mark.parametrize("transport", PLAYS)
@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE)
def test_garbage_is_no_answer_and_the_next_upstream_is_asked(
    transport: str, garbage: bytes, authority: Authority
) -> None:
    def play(line: Line) -> None:
        line.exactly(20)
        line.send(garbage)
        line.exactly(1 << 20)

    async def story(parts: Parts) -> None:
        listener = await answered(parts, *NAMES)
        assert listener.good == len(NAMES)
        for connection in connections(parts):
            assert len(getattr(connection._framing, "_buffer", b"")) <= 3 * 65536

    with server(transport, play, authority) as (_, upstream), Upstream() as good:
        run(story, upstreams=(upstream, good.url))


@pytest.mark.parametrize("others", [1, 0], ids=["of two", "alone"])
def test_a_slow_drip_keeps_no_question_beyond_its_time(others: int, authority: Authority) -> None:
    ended = threading.Event()

    def drip(line: Line) -> None:
        line.send(b"\xff\xff")
        while not ended.wait(0.02):
            line.send(b"x")

    async def story(parts: Parts) -> None:
        started = parts.loop.time()
        listener = await answered(parts, "a", "b")
        assert (listener.good, listener.rcodes) == ((2, [0, 0]) if others else (0, [2, 2]))
        assert parts.loop.time() - started < 2.1
        ended.set()

    with server("tcp", drip, authority) as (_, upstream), Upstream() as good:
        run(story, upstreams=(upstream, good.url)[: 1 + others])


@pytest.mark.parametrize("transport", PLAYS)
def test_a_message_of_64_kib_is_taken_whole(transport: str, authority: Authority) -> None:
    """More than a client takes over UDP: it hears that, and from the same answer over TCP."""

    def large(question: Question) -> list[bytes]:
        packet = honest(question)[0]
        if not question.name.endswith(".example.org"):
            return [packet]
        count = (65535 - len(packet)) // 16
        record = packet[-16:]
        return [packet[:6] + (1 + count).to_bytes(2, "big") + packet[8:] + record * count]

    def play(line: Line) -> None:
        if transport == "https":
            answering_https(line, large)
        while True:
            line.reply(*large(line.question()))

    async def story(parts: Parts) -> None:
        listener = await answered(parts, "a")
        assert listener.replies[0][2] & 2, "truncated for the client"
        assert not parts.forwarder.upstreams.all[0].timeouts

    with server(transport, play, authority) as (_, upstream):
        run(story, upstreams=(upstream,))


@pytest.mark.parametrize("transport", PLAYS)
def test_a_connection_nobody_uses_is_closed(
    transport: str, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(parts: Parts) -> None:
        assert (await answered(parts, "a")).good == 1
        now = parts.loop.time()
        carrier(parts).sweep(now + module.IDLE_S[transport] - 1)
        assert len(connections(parts)) == 1
        carrier(parts).sweep(now + module.IDLE_S[transport] + 1)
        assert not connections(parts)
        assert (await answered(parts, "b")).good == 1, "and opened again"

    with server(transport, PLAYS[transport], authority) as (_, upstream):
        run(story, upstreams=(upstream,))


def test_a_server_that_closes_idle_connections_costs_nothing(authority: Authority) -> None:
    async def story(parts: Parts) -> None:
        for name in NAMES:
            assert (await answered(parts, name)).good == 1
            peer.hang_up()
            await until(lambda: not connections(parts))
        assert not parts.forwarder.upstreams.all[0].timeouts

    with server("tls", answering, authority) as (peer, upstream):
        run(story, upstreams=(upstream,))


def test_a_closed_port_is_noticed_at_once() -> None:
    async def story(parts: Parts) -> None:
        started = parts.loop.time()
        assert (await answered(parts, "a")).rcodes == [2]
        assert parts.loop.time() - started < 0.5

    run(story, upstreams=(f"tcp://127.0.0.1:{free_port()}",))


@pytest.mark.parametrize("transport", PLAYS)
def test_the_next_address_is_tried_when_one_cannot_be_reached(transport: str, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    authority.write("dns.example")

    async def story(parts: Parts) -> None:
        started = parts.loop.time()
        assert (await answered(parts, "a")).good == 1
        assert parts.loop.time() - started < 0.5
        peer.hang_up()
        await until(lambda: not connections(parts))
        assert (await answered(parts, "b")).good == 1
        assert not parts.forwarder.upstreams.all[0].timeouts

    with server(transport, PLAYS[transport], authority) as (peer, upstream):
        several = policy.Upstream(
            peer.url(transport, "dns.example"), ("127.0.0.2", "127.0.0.3", "127.0.0.1"), upstream.ca
        )
        run(story, upstreams=(several,))


def test_a_connection_that_says_nothing_gets_no_more_questions(authority: Authority) -> None:
    """As when a firewall forgot it: another is opened, and no answer is waited for there."""

    def first_is_dead(line: Line) -> None:
        if line.peer.connections > 1:
            answering(line)
        line.reply(*honest(line.question()))
        line.exactly(1 << 20)

    async def story(parts: Parts) -> None:
        assert (await answered(parts, "a")).good == 1
        listener = await answered(parts, "b")
        assert listener.good == 1
        assert peer.connections == 2

    with server("tcp", first_is_dead, authority) as (peer, upstream):
        run(story, upstreams=(upstream,))


def test_what_waited_for_the_old_upstreams_is_asked_again(authority: Authority) -> None:
    async def story(parts: Parts) -> None:
        listener = Listener()
        ask(parts, listener, "one")
        await until(lambda: peer.asked("one.example.org"))
        parts.upstreams.configure((policy.Upstream(good.url),), "pool")
        parts.forwarder.use_upstreams(schools.plan(1))
        await until(lambda: listener.replies)
        assert listener.good == 1

    with server("tls", silent, authority) as (peer, upstream), Upstream() as good:
        run(story, upstreams=(upstream,))


def test_a_flood_of_questions_is_bounded(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CAP", 10)
    monkeypatch.setattr(module, "DEPTH", 2)
    monkeypatch.setattr(module, "CONNECTIONS", 2)

    async def story(parts: Parts) -> None:
        listener = Listener()
        for i in range(100):
            ask(parts, listener, f"f{i}")
            assert len(carrier(parts)._queue) <= 10
        await until(lambda: len(listener.replies) == 100)
        assert set(listener.rcodes) == {2}

    with server("tcp", silent, authority) as (_, upstream):
        run(story, upstreams=(upstream,))


@pytest.mark.parametrize("transport", PLAYS)
def test_connections_that_come_and_go_leave_no_circles_behind(transport: str, authority: Authority) -> None:
    """Workers do not look for them (docs/decisions/0014)."""

    async def story(parts: Parts) -> None:
        assert (await answered(parts, *NAMES)).good == len(NAMES)
        peer.hang_up()
        await until(lambda: not connections(parts))
        gc.collect()
        gc.disable()
        try:
            for i in range(3):
                assert (await answered(parts, *(f"{name}-{i}" for name in NAMES))).good == len(NAMES)
                peer.hang_up()
                await until(lambda: not connections(parts))
            gc.set_debug(gc.DEBUG_SAVEALL)
            gc.collect()
            ours = [kept for kept in gc.garbage if type(kept).__module__.startswith("filterd")]
            assert not ours
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()

    with server(transport, PLAYS[transport], authority) as (peer, upstream):
        run(story, upstreams=(upstream,))
