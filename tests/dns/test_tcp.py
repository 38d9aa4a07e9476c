"""TCP connections of clients, in a loop of their own: bounded in number, time and bytes."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from filterd.core.policy import Limits, Policy
from filterd.dns import streams, tcp
from filterd.dns.clients import FIRST_LUMP
from filterd.dns.streams import Streams
from filterd.dns.tcp import Connection
from tests import schools
from tests.dns.parts import ADULT, PLAIN, Parts, run, until
from tests.running import framed
from tests.upstreams import Upstream

Story = Callable[[Parts, Streams, int], Awaitable[Any]]
Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def serve(story: Story, policy: Policy = schools.POLICY, upstreams: tuple[str, ...] = ()) -> None:
    async def told(parts: Parts) -> None:
        server = Streams(parts.forwarder, parts.clients, parts.desk)
        listening = await parts.loop.create_server(lambda: Connection(server), "127.0.0.1", 0)
        async with listening:
            await story(parts, server, listening.sockets[0].getsockname()[1])

    run(told, policy, upstreams)


async def connect(port: int, source: str = "127.0.31.7") -> Pair:
    return await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))


async def message(reader: asyncio.StreamReader) -> bytes:
    return await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))


async def hang_up(*connections: Pair) -> None:
    for _, writer in connections:
        writer.close()
        try:
            await writer.wait_closed()
        except OSError:
            continue


def test_messages_in_pieces_and_several_in_one_piece_are_all_answered() -> None:
    async def story(_: Parts, __: Streams, port: int) -> None:
        reader, writer = await connect(port)
        data = b"".join(framed(bytes((0, i)) + ADULT) for i in range(5))
        for at in range(0, len(data), 7):
            writer.write(data[at : at + 7])
            await writer.drain()
            await asyncio.sleep(0)
        assert [(await message(reader))[1] for _ in range(5)] == list(range(5))
        await hang_up((reader, writer))

    serve(story)


def test_a_late_answer_holds_up_no_other() -> None:
    with Upstream() as upstream:
        upstream.held.add("example.org")

        async def story(_: Parts, __: Streams, port: int) -> None:
            reader, writer = await connect(port)
            writer.write(framed(b"s1" + PLAIN) + framed(b"q1" + ADULT))
            assert (await message(reader))[:2] == b"q1"
            upstream.release("example.org")
            assert (await message(reader))[:2] == b"s1"
            await hang_up((reader, writer))

        serve(story, upstreams=(upstream.url,))


def test_one_client_and_all_together_have_a_limit_and_room_is_made_again() -> None:
    policy = dataclasses.replace(schools.POLICY, limits=Limits(tcp_connections=5, tcp_connections_per_client=3))

    async def story(_: Parts, server: Streams, port: int) -> None:
        mine = [await connect(port) for _ in range(5)]
        await until(lambda: server.refused == 2)
        others = [await connect(port, "127.0.31.8") for _ in range(3)]
        await until(lambda: server.refused == 3)
        assert len(server.connections) == 5
        await hang_up(*mine, *others)
        await until(lambda: not server.connections)
        reader, writer = await connect(port)
        writer.write(framed(b"aa" + ADULT))
        assert (await message(reader))[:2] == b"aa"
        await hang_up((reader, writer))

    serve(story, policy)


def test_a_refused_connection_asks_nothing() -> None:
    policy = dataclasses.replace(schools.POLICY, networks=("10.0.0.0/8",))

    async def story(parts: Parts, server: Streams, port: int) -> None:
        reader, writer = await connect(port)
        writer.write(framed(b"aa" + ADULT))
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read(10) == b""
        assert server.refused == 1
        assert not parts.forwarder.counters
        await hang_up((reader, writer))

    serve(story, policy)


def test_idle_and_half_sent_connections_are_swept_sooner_when_it_is_crowded() -> None:
    policy = dataclasses.replace(schools.POLICY, limits=Limits(tcp_connections=4, tcp_idle_s=10))

    async def story(parts: Parts, server: Streams, port: int) -> None:
        idle = await connect(port)
        half = await connect(port)
        half[1].write(framed(b"aa" + ADULT)[:9])
        await until(lambda: any(c.message_since for c in server.connections))
        now = parts.loop.time()
        server.sweep(now + 1)
        assert len(server.connections) == 2
        server.sweep(now + streams.MESSAGE_S + 0.5)
        await until(lambda: len(server.connections) == 1)
        assert await half[0].read(10) == b""
        more = [await connect(port) for _ in range(2)]
        await until(lambda: len(server.connections) == 3)
        server.sweep(parts.loop.time() + 2.5)
        await until(lambda: not server.connections)
        await hang_up(idle, half, *more)

    serve(story, policy)


def test_a_client_that_never_reads_is_cut_off_by_the_second_sweep() -> None:
    async def story(parts: Parts, server: Streams, port: int) -> None:
        loop = parts.loop
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            sock.bind(("127.0.31.7", 0))
            sock.setblocking(False)
            await loop.sock_connect(sock, ("127.0.0.1", port))
            await until(lambda: server.connections)
            (connection,) = server.connections
            transport = connection._transport
            assert transport is not None
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
            await loop.sock_sendall(sock, framed(b"aa" + ADULT) * 400)
            await until(transport.get_write_buffer_size)
            server.sweep(loop.time() + 60)
            await asyncio.sleep(0.01)
            assert server.connections, "what was asked may still be read"
            server.sweep(loop.time() + 61)
            await until(lambda: not server.connections)

    serve(story)


def test_what_a_client_asked_that_reads_nothing_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp, "FLUSH_BYTES", 0)
    monkeypatch.setattr(streams, "MAX_UNSENT_BYTES", -1)

    async def story(parts: Parts, server: Streams, port: int) -> None:
        reader, writer = await connect(port)
        writer.write(framed(b"aa" + ADULT) * 100)
        await until(lambda: not server.connections and parts.forwarder.counters)
        assert [cell for (cell,) in parts.forwarder.counters.values()] == [1]
        await hang_up((reader, writer))

    serve(story)


def test_a_large_reply_counts_as_several_queries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "TOKEN_BYTES", 10)

    async def story(parts: Parts, _: Streams, port: int) -> None:
        reader, writer = await connect(port)
        writer.write(framed(b"aa" + ADULT))
        size = len(await message(reader))
        client = parts.clients.find(bytes((127, 0, 31, 7)), 0.0)
        assert client is not None
        assert client.tokens == FIRST_LUMP - 1 - size // 10
        await hang_up((reader, writer))

    serve(story)


def test_a_response_or_a_length_below_a_header_ends_the_connection() -> None:
    async def story(_: Parts, server: Streams, port: int) -> None:
        for data in (framed(b"aa\x81" + ADULT[1:]), b"\0\x0bhello world", b"\0\0"):
            reader, writer = await connect(port)
            writer.write(data + framed(b"bb" + ADULT))
            assert await reader.read(10) == b""
            await hang_up((reader, writer))
        await until(lambda: not server.connections)

    serve(story)


def test_over_the_rate_the_connection_ends() -> None:
    policy = dataclasses.replace(schools.POLICY, limits=Limits(queries_per_second=1, burst=3))

    async def story(parts: Parts, server: Streams, port: int) -> None:
        reader, writer = await connect(port)
        writer.write(framed(b"aa" + ADULT) * 10)
        for _ in range(3 + 3):  # and the reserve of a client that is proven to be there
            await message(reader)
        assert await reader.read(10) == b""
        assert parts.clients.limited == 1
        await hang_up((reader, writer))

    serve(story, policy)


OPT_KEEPALIVE = b"\0\0\x29\x04\xd0\0\0\0\0\0\4\0\x0b\0\0"


def test_keepalive_is_answered_to_who_asks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MAX_QUERIES", 3)

    async def story(_: Parts, __: Streams, port: int) -> None:
        reader, writer = await connect(port)
        writer.write(
            framed(schools.query("adult.example")) + framed(schools.query("adult.example", edns=OPT_KEEPALIVE))
        )
        assert b"\0\x0b\0\2" not in await message(reader)
        assert (await message(reader)).endswith(b"\0\x0b\0\2\0\x64")
        writer.write(framed(schools.query("adult.example", edns=OPT_KEEPALIVE)))
        assert (await message(reader)).endswith(b"\0\x0b\0\2\0\0"), "it was the last: please close (RFC 7828 3.3.2)"
        await hang_up((reader, writer))

    serve(story)


def test_nothing_is_padded_where_everybody_can_read_it() -> None:
    async def story(_: Parts, __: Streams, port: int) -> None:
        reader, writer = await connect(port)
        writer.write(framed(schools.query("adult.example", edns=b"\0\0\x29\x04\xd0\0\0\0\0\0\4\0\x0c\0\0")))
        assert len(await message(reader)) < 200
        await hang_up((reader, writer))

    serve(story)


def test_a_message_longer_than_any_question_ends_the_connection_before_it_is_read() -> None:
    async def story(_: Parts, server: Streams, port: int) -> None:
        reader, writer = await connect(port)
        writer.write((streams.MAX_QUERY_BYTES + 1).to_bytes(2, "big"))
        assert await reader.read(1) == b""
        await until(lambda: not server.connections)
        await hang_up((reader, writer))

    serve(story)


def test_a_hundred_questions_in_one_breath_are_all_answered() -> None:
    async def story(_: Parts, __: Streams, port: int) -> None:
        reader, writer = await connect(port)
        writer.write(b"".join(framed(bytes((0, i)) + ADULT) for i in range(100)))
        assert [(await message(reader))[1] for _ in range(100)] == list(range(100))
        await hang_up((reader, writer))

    serve(story)
