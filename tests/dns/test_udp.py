"""The UDP listener on a real socket: each packet gets its own answer, from the memo or not."""

from __future__ import annotations

import dataclasses
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from filterd.core.policy import Policy
from filterd.dns.udp import UdpListener
from tests import schools
from tests.dns.parts import ADULT, PLAIN, Parts, client, received, run, until
from tests.upstreams import Upstream

Story = Callable[[Parts, UdpListener, tuple[str, int]], Awaitable[Any]]


def serve(story: Story, policy: Policy = schools.POLICY, upstreams: tuple[str, ...] = ()) -> None:
    async def told(parts: Parts) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("127.0.0.1", 0))
            sock.setblocking(False)
            listener = UdpListener(parts.hot, sock, parts.clients, parts.desk)
            try:
                await story(parts, listener, sock.getsockname())
            finally:
                listener.close()

    run(told, policy, upstreams)


def test_the_memo_answers_the_second_time_with_the_new_id() -> None:
    async def story(parts: Parts, listener: UdpListener, address: tuple[str, int]) -> None:
        with client("127.0.31.7", address) as sock:
            replies = []
            for ident in (b"aa", b"bb", b"cc"):
                sock.send(ident + ADULT)
                replies.append(await received(sock))
        assert [reply[:2] for reply in replies] == [b"aa", b"bb", b"cc"]
        assert len({reply[2:] for reply in replies}) == 1
        assert listener.memo_hits == 2
        assert [cell[0] for cell in parts.forwarder.counters.values()] == [3]

    serve(story)


def test_a_hundred_at_once_are_all_answered_to_whom_they_belong() -> None:
    async def story(_: Parts, __: UdpListener, address: tuple[str, int]) -> None:
        with client("127.0.31.7", address) as one, client("127.0.73.7", address) as two:
            for i in range(100):
                (one if i % 2 else two).send(i.to_bytes(2, "big") + ADULT)
            for sock, rest in ((one, 1), (two, 0)):
                idents = [int.from_bytes((await received(sock))[:2], "big") for _ in range(50)]
                assert sorted(idents) == [i for i in range(100) if i % 2 == rest]

    serve(story)


def test_no_class_sees_the_memo_of_another() -> None:
    async def story(_: Parts, __: UdpListener, address: tuple[str, int]) -> None:
        games = b"\1\0\0\1\0\0\0\0\0\0\5games\7example\0\0\1\0\1"
        with client("127.0.31.7", address) as pupil, client("127.0.200.7", address) as staff:
            pupil.send(b"aa" + games)
            assert (await received(pupil))[3] & 15 == 0
            staff.send(b"bb" + games)
            assert (await received(staff))[3] & 15 == 2, "it went upstream, where nobody is"

    serve(story)


def test_a_swap_takes_effect_with_the_next_packet() -> None:
    async def story(parts: Parts, _: UdpListener, address: tuple[str, int]) -> None:
        with client("127.0.31.7", address) as sock:
            for _ in range(2):
                sock.send(b"aa" + ADULT)
                assert (await received(sock))[3] & 15 == 0
            parts.forwarder.use(schools.snapshot(listed={"malware": ["adult.example"]}))
            parts.clients.renew()
            sock.send(b"bb" + ADULT)
            assert (await received(sock))[3] & 15 == 3

    serve(story)


@pytest.mark.parametrize("data", [b"", b"a", b"ab", b"ab" + ADULT[:9], b"\xff" * 3000], ids=len)
def test_what_is_no_query_is_passed_over_and_the_next_is_answered(data: bytes) -> None:
    async def story(_: Parts, __: UdpListener, address: tuple[str, int]) -> None:
        with client("127.0.31.7", address) as sock:
            sock.send(data)
            sock.send(b"ok" + ADULT)
            reply = await received(sock)
            assert reply[:2] == b"ok"

    serve(story)


def test_over_the_rate_there_is_silence_and_it_is_counted() -> None:
    policy = schools.with_limits(queries_per_second=1, burst=5, slip=0)

    async def story(parts: Parts, listener: UdpListener, address: tuple[str, int]) -> None:
        with client("127.0.31.7", address) as sock, client("127.0.31.8", address) as other:
            for i in range(20):
                sock.send(bytes((0, i)) + ADULT)
            await until(lambda: parts.clients.limited == 15)
            other.send(b"ok" + ADULT)
            assert (await received(other))[:2] == b"ok"
            assert [(await received(sock))[1] for _ in range(5)] == [0, 1, 2, 3, 4]
            with pytest.raises(BlockingIOError):
                sock.recv(100)
            assert listener.slipped == 0

    serve(story, policy)


OPT = schools.OPT
EDNS = ADULT[:8] + b"\0\1" + ADULT[10:]


@pytest.mark.parametrize(
    ("packet", "flags", "opt"),
    [
        pytest.param(ADULT, 0x8380, b"", id="plain"),
        pytest.param(b"\1\x10" + ADULT[2:], 0x8390, b"", id="checking disabled"),
        pytest.param(EDNS + OPT, 0x8380, OPT, id="EDNS"),
        pytest.param(EDNS + OPT[:7] + b"\x80" + OPT[8:], 0x8380, OPT[:7] + b"\x80" + OPT[8:], id="DO"),
        pytest.param(EDNS + OPT[:-1] + b"\x0c" + b"\0\x0a\0\x08cookie!!", 0x8380, OPT, id="a cookie of its own"),
    ],
)
def test_every_second_query_over_the_rate_is_told_to_come_by_tcp(packet: bytes, flags: int, opt: bytes) -> None:
    async def story(parts: Parts, listener: UdpListener, address: tuple[str, int]) -> None:
        parts.forwarder.use_secrets((bytes(16),))
        with client("127.0.31.7", address) as sock:
            for i in range(25):
                sock.send(bytes((0, i)) + packet)
            await until(lambda: parts.clients.limited == 20)
            replies = [await received(sock) for _ in range(15)]
            with pytest.raises(BlockingIOError):
                sock.recv(100)
        slipped = replies[5:]
        assert [reply[1] for reply in slipped] == list(range(6, 25, 2))
        question = ADULT[10:]
        counts = b"\0\1\0\0\0\0\0" + bytes((len(opt) > 0,))
        assert {reply[2:] for reply in slipped} == {flags.to_bytes(2, "big") + counts + question + opt}
        assert all(len(reply) <= len(packet) + 2 for reply in slipped)
        assert listener.slipped == 10

    serve(story, schools.with_limits(queries_per_second=1, burst=5))


@pytest.mark.parametrize(
    "junk",
    [
        pytest.param(b"\x81\x80" + ADULT[2:], id="a response"),
        pytest.param(b"\x29\0" + ADULT[2:], id="an update"),
        pytest.param(ADULT[:9], id="half a header"),
        pytest.param(ADULT[:2] + b"\0\2" + ADULT[4:], id="two questions"),
        pytest.param(ADULT[:10] + b"\xc0\x0c\0\1\0\1", id="a pointer"),
    ],
)
def test_over_the_rate_what_is_no_question_hears_nothing(junk: bytes) -> None:
    async def story(parts: Parts, listener: UdpListener, address: tuple[str, int]) -> None:
        with client("127.0.31.7", address) as sock, client("127.0.31.8", address) as other:
            for _ in range(5):
                sock.send(b"ok" + ADULT)
                await received(sock)
            for _ in range(10):
                sock.send(b"no" + junk)
            await until(lambda: parts.clients.limited == 10)
            other.send(b"ok" + ADULT)
            await received(other)
            with pytest.raises(BlockingIOError):
                sock.recv(100)
        assert listener.slipped == 0

    serve(story, schools.with_limits(queries_per_second=1, burst=5))


def test_a_cookie_carries_a_client_through_a_flood_from_its_prefix() -> None:
    async def story(parts: Parts, listener: UdpListener, address: tuple[str, int]) -> None:
        parts.forwarder.use_secrets((bytes(16),))
        with client("127.0.31.8", address) as honest, client("127.0.31.7", address) as flood:
            asks = EDNS + OPT[:-1] + b"\x0c" + b"\0\x0a\0\x08cookie!!"
            honest.send(b"c1" + asks)
            option = (await received(honest))[-28:]
            assert option[:12] == b"\0\x0a\0\x18cookie!!"
            for _ in range(200):
                flood.send(b"xx" + ADULT)
            await until(lambda: parts.clients.prefix_limited > 0)
            with client("127.0.31.9", address) as stranger:
                stranger.send(b"no" + ADULT)
                honest.send(b"no" + ADULT)
                for i in range(60):
                    honest.send(bytes((99, i)) + EDNS + OPT[:-1] + b"\x1c" + option)
                answered = []
                while len(answered) < 60:
                    reply = await received(honest)
                    answered += [reply[1]] if reply[0] == 99 else []
                assert answered == list(range(60))
                with pytest.raises(BlockingIOError):
                    stranger.recv(100)
        assert listener.slipped == 0

    serve(story, schools.with_limits(prefix_queries_per_second=1, prefix_burst=64, slip=0))


def test_late_answers_reach_their_clients_beside_the_quick_ones() -> None:
    with Upstream() as upstream:
        upstream.held.add("example.org")

        async def story(_: Parts, __: UdpListener, address: tuple[str, int]) -> None:
            with client("127.0.31.7", address) as one, client("127.0.73.7", address) as two:
                one.send(b"a1" + PLAIN)
                two.send(b"b1" + PLAIN)
                one.send(b"a2" + ADULT)
                assert (await received(one))[:2] == b"a2"
                upstream.release("example.org")
                assert (await received(one))[:2] == b"a1"
                assert (await received(two))[:2] == b"b1"

        serve(story, upstreams=(upstream.url,))


def test_an_outsider_is_counted_and_hears_nothing() -> None:
    policy = dataclasses.replace(schools.POLICY, networks=("127.0.31.0/24",))

    async def story(parts: Parts, _: UdpListener, address: tuple[str, int]) -> None:
        with client("127.0.99.7", address) as outsider, client("127.0.31.7", address) as pupil:
            outsider.send(b"aa" + ADULT)
            pupil.send(b"bb" + ADULT)
            assert (await received(pupil))[:2] == b"bb"
            assert parts.clients.outside == 1
            with pytest.raises(BlockingIOError):
                outsider.recv(100)

    serve(story, policy)
