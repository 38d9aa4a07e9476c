"""What every connection is held to: questions under way, questions in all, time, and a proper end."""

from __future__ import annotations

import asyncio
import socket

import pytest

from filterd.dns import streams
from filterd.dns.streams import Streams
from filterd.dns.tcp import Connection
from tests import schools
from tests.dns.parts import ADULT, Parts, until
from tests.dns.test_tcp import connect, hang_up, message, serve
from tests.running import framed
from tests.upstreams import Upstream


def asking(name: str, ident: int) -> bytes:
    return framed(schools.query(name, ident=ident, edns=None))


def only(server: Streams) -> Connection:
    (found,) = server.connections
    assert isinstance(found, Connection)
    return found


def test_with_too_many_under_way_nothing_is_read_until_half_are_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MAX_WAITING", 10)
    names = [f"n{i}.example.org" for i in range(25)]
    with Upstream() as upstream:
        upstream.held.update(names)

        async def story(_: Parts, server: Streams, port: int) -> None:
            reader, writer = await connect(port)
            writer.write(b"".join(asking(name, i) for i, name in enumerate(names)))
            await until(lambda: server.connections and only(server).waiting == 10)
            transport = only(server)._transport
            assert transport is not None
            assert not transport.is_reading()
            assert only(server).message_since is None, "it is us who do not read"
            for name in names[:4]:
                upstream.release(name)
            for _answer in range(4):
                await message(reader)
            assert only(server).waiting == 6
            upstream.release(names[4])
            await message(reader)
            await until(lambda: only(server).waiting == 10)
            for name in names[5:]:
                upstream.release(name)
                upstream.held.discard(name)
            found = {int.from_bytes((await message(reader))[:2], "big") for _ in range(20)}
            assert found == set(range(5, 25))
            assert transport.is_reading()
            await hang_up((reader, writer))

        serve(story, upstreams=(upstream.url,))


def test_a_connection_ends_after_its_last_question_and_all_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MAX_QUERIES", 5)
    with Upstream() as upstream:
        upstream.held.add("slow.example.org")

        async def story(_: Parts, server: Streams, port: int) -> None:
            reader, writer = await connect(port)
            writer.write(asking("slow.example.org", 99) + b"".join(framed(bytes((0, i)) + ADULT) for i in range(20)))
            for i in range(4):
                assert (await message(reader))[:2] == bytes((0, i))
            writer.write(framed(b"xx" + ADULT))
            upstream.release("slow.example.org")
            assert (await message(reader))[:2] == b"\0\x63"
            assert await reader.read() == b"", "an end, not a reset, whatever was sent after"
            writer.write(framed(b"yy" + ADULT))
            await writer.drain()
            assert server.connections, "it is the client's to close"
            await hang_up((reader, writer))
            await until(lambda: not server.connections)

        serve(story, upstreams=(upstream.url,))


def test_a_client_that_does_not_close_after_its_last_answer_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MAX_QUERIES", 1)

    async def story(parts: Parts, server: Streams, port: int) -> None:
        reader, writer = await connect(port)
        writer.write(framed(b"aa" + ADULT))
        await reader.read()
        server.sweep(parts.loop.time() + streams.LINGER_S / 2)
        await asyncio.sleep(0)
        assert server.connections
        server.sweep(parts.loop.time() + streams.LINGER_S + 0.1)
        await until(lambda: not server.connections)
        await hang_up((reader, writer))

    serve(story)


def test_the_first_question_is_waited_for_less_than_others(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = schools.with_limits(tcp_idle_s=60)

    async def story(parts: Parts, server: Streams, port: int) -> None:
        silent, asked = await connect(port), await connect(port)
        asked[1].write(framed(b"aa" + ADULT))
        await message(asked[0])
        server.sweep(parts.loop.time() + streams.FIRST_S + 0.5)
        await until(lambda: len(server.connections) == 1)
        assert await silent[0].read() == b""
        await hang_up(silent, asked)

    serve(story, policy)


def test_a_message_is_timed_from_its_first_byte_whatever_trickles_in() -> None:
    async def story(parts: Parts, server: Streams, port: int) -> None:
        reader, writer = await connect(port)
        data = framed(b"aa" + ADULT)
        writer.write(data[:1])
        await until(lambda: server.connections and only(server).message_since)
        since = only(server).message_since
        assert since is not None
        for at in range(1, 5):
            writer.write(data[at : at + 1])
            await until(lambda at=at: len(only(server)._buffer) == at + 1)
        assert only(server).message_since == since
        server.sweep(since + streams.MESSAGE_S + 0.01)
        await until(lambda: not server.connections)
        await hang_up((reader, writer))

    serve(story)


def test_what_has_ended_or_is_refused_owes_nothing() -> None:
    policy = schools.with_limits(tcp_connections_per_client=1)

    async def story(parts: Parts, server: Streams, port: int) -> None:
        first = await connect(port)
        await until(lambda: server.connections)
        second = await connect(port)
        await until(lambda: server.refused == 1)
        client = parts.clients.find(bytes((127, 0, 31, 7)), 0.0)
        assert client is not None
        assert client.tcp == 1
        await hang_up(first, second)
        await until(lambda: not client.tcp)

    serve(story, policy)


def test_crowded_or_not_an_answer_that_is_under_way_is_waited_for() -> None:
    policy = schools.with_limits(tcp_connections=2, tcp_idle_s=5)
    with Upstream() as upstream:
        upstream.held.add("example.org")

        async def story(parts: Parts, server: Streams, port: int) -> None:
            waits, idles = await connect(port), await connect(port)
            waits[1].write(asking("example.org", 7))
            await until(lambda: upstream.asked("example.org") and len(server.connections) == 2)
            server.sweep(parts.loop.time() + 3)
            await until(lambda: len(server.connections) == 1)
            upstream.release("example.org")
            assert (await message(waits[0]))[:2] == b"\0\7"
            await hang_up(waits, idles)

        serve(story, policy, upstreams=(upstream.url,))


def test_who_has_most_connections_gives_one_to_who_has_none() -> None:
    policy = schools.with_limits(tcp_connections=6, tcp_connections_per_client=3)

    async def story(_: Parts, server: Streams, port: int) -> None:
        many = [await connect(port, f"127.0.31.{7 + i // 3}") for i in range(6)]
        await until(lambda: len(server.connections) == 6)
        for reader, writer in many[1:]:
            writer.write(framed(b"aa" + ADULT))
            await message(reader)
        new = await connect(port, "127.0.31.99")
        new[1].write(framed(b"bb" + ADULT))
        assert (await message(new[0]))[:2] == b"bb"
        with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
            await message(many[0][0])  # it asked longest ago
        assert (server.refused, len(server.connections)) == (1, 6)
        more = [await connect(port, "127.0.31.99") for _ in range(2)]
        await until(lambda: server.refused == 3)
        assert sorted(stream.places for stream in server.connections) == [2, 2, 2, 2, 2, 2]
        await hang_up(*many, new, *more)
        await until(lambda: not server.connections)

    serve(story, policy)


def test_answers_that_nobody_reads_are_bounded_for_all_clients_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MAX_UNSENT_BYTES", 1 << 30)
    monkeypatch.setattr(streams, "MAX_UNSENT_IN_ALL", 20 << 20)

    async def story(_: Parts, server: Streams, port: int) -> None:
        pairs = [await connect(port, f"127.0.31.{i}") for i in range(1, 5)]
        await until(lambda: len(server.connections) == 4)
        first, *others = server.connections
        for stream in (first, *others):
            stream.send(bytes(16 << 20))
        await until(lambda: len(server.connections) == 1)
        assert server.connections == {first}
        assert 0 < server.unsent <= 20 << 20
        await hang_up(*pairs)
        await until(lambda: not server.connections)
        assert server.unsent == 0

    serve(story)


def test_a_client_that_reads_slowly_has_all_its_answers_and_costs_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "SEND_BUFFER", 4096)

    async def story(parts: Parts, server: Streams, port: int) -> None:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(("127.0.0.1", port))
        sock.setblocking(False)
        reader, writer = await asyncio.open_connection(sock=sock, limit=1024)
        monkeypatch.setattr(parts.forwarder, "query", lambda packet, *_: packet[:2] + bytes(30_000))
        writer.write(b"".join(framed(i.to_bytes(2, "big") + ADULT) for i in range(40)))
        await until(lambda: server.connections and only(server)._paused)
        await asyncio.sleep(0.05)
        assert 64 << 10 < server.unsent < 128 << 10
        for i in range(40):
            assert (await message(reader))[:2] == i.to_bytes(2, "big")
        assert not only(server)._paused
        await hang_up((reader, writer))
        await until(lambda: not server.connections)
        assert server.unsent == 0

    serve(story)


def test_a_cookie_is_bound_to_the_address_over_tcp_too() -> None:
    cookie = b"\0\0\x29\x04\xd0\0\0\0\0\0\x0c\0\x0a\0\x08" + b"12345678"

    async def story(parts: Parts, _: Streams, port: int) -> None:
        parts.forwarder.use_secrets((bytes(range(16)),))
        found = set()
        for source in ("127.0.31.7", "127.0.31.8"):
            reader, writer = await connect(port, source)
            writer.write(framed(schools.query("adult.example", edns=cookie)))
            reply = await message(reader)
            at = reply.index(b"12345678")
            found.add(reply[at + 16 : at + 24])
            await hang_up((reader, writer))
        assert len(found) == 2

    serve(story)
