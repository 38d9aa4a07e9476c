"""DNS over TLS as clients meet it: sound handshakes, hostile ones, padding, resumption, a proper end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from filterd.core.policy import Policy
from filterd.dns import streams, tls
from filterd.dns.encrypted import EncryptedServer
from filterd.dns.streams import Streams
from tests import schools
from tests.certificates import NAME, Authority
from tests.dns.parts import ADULT, PLAIN, Parts, run, until
from tests.dns.test_tcp import Pair, hang_up, message
from tests.running import framed
from tests.upstreams import Upstream

Story = Callable[[Parts, Streams, int], Awaitable[Any]]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def serve(authority: Authority, story: Story, policy: Policy = schools.POLICY, upstreams: tuple[str, ...] = ()) -> None:
    async def told(parts: Parts) -> None:
        server = Streams(parts.forwarder, parts.clients, parts.desk)
        encrypted = EncryptedServer(server)
        encrypted.use(authority.encrypted(), None)
        async with await parts.loop.create_server(encrypted.dot, "127.0.0.1", 0) as listening:
            await story(parts, server, listening.sockets[0].getsockname()[1])

    run(told, policy, upstreams)


async def connect(port: int, context: ssl.SSLContext | None, source: str = "127.0.31.7") -> Pair:
    name = NAME if context is not None else None
    return await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name, local_addr=(source, 0))


def test_questions_are_answered_and_counted_as_tls(authority: Authority) -> None:
    with Upstream() as upstream:

        async def story(parts: Parts, _: Streams, port: int) -> None:
            reader, writer = await connect(port, authority.client("dot"))
            assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "dot"
            writer.write(framed(b"p1" + PLAIN) + framed(b"a1" + ADULT))
            assert {(await message(reader))[:2], (await message(reader))[:2]} == {b"p1", b"a1"}
            assert {key[0] for key in parts.forwarder.counters} == {"tls"}
            await hang_up((reader, writer))

        serve(authority, story, upstreams=(upstream.url,))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_is_resumed(authority: Authority, version: ssl.TLSVersion) -> None:
    context = authority.client()
    context.minimum_version = context.maximum_version = version

    def twice(port: int) -> list[bool]:
        found = []
        session = None
        for _ in range(2):
            with (
                socket.create_connection(("127.0.0.1", port), 5, ("127.0.31.7", 0)) as raw,
                context.wrap_socket(raw, server_hostname=NAME, session=session) as sock,
            ):
                sock.sendall(framed(b"aa" + ADULT))
                sock.recv(100)
                session = sock.session
                found.append(bool(sock.session_reused))
        return found

    async def story(parts: Parts, _: Streams, port: int) -> None:
        assert await parts.loop.run_in_executor(None, twice, port) == [False, True]

    serve(authority, story)


def test_a_padded_question_has_a_padded_answer(authority: Authority) -> None:
    padding = b"\0\0\x29\x04\xd0\0\0\0\0\0\x54\0\x0c\0\x50" + bytes(80)

    async def story(_: Parts, __: Streams, port: int) -> None:
        reader, writer = await connect(port, authority.client())
        writer.write(framed(schools.query("adult.example", edns=padding)) + framed(b"aa" + ADULT))
        assert len(await message(reader)) == 468
        assert len(await message(reader)) < 100
        await hang_up((reader, writer))

    serve(authority, story)


@pytest.mark.parametrize(
    "data",
    [
        framed(b"aa" + ADULT), b"GET / HTTP/1.1\r\n\r\n", os.urandom(3000), b"\x16\x03\x01\xff\xff" + bytes(70000),
        b"\x16" * 20,
    ],
    ids=["plain-dns", "plain-http", "noise", "huge-record", "half-a-hello"],
)  # fmt: skip
def test_who_does_not_speak_tls_is_told_and_closed(authority: Authority, data: bytes) -> None:
    async def story(parts: Parts, server: Streams, port: int) -> None:
        reader, writer = await connect(port, None)
        writer.write(data)
        writer.write_eof()
        with contextlib.suppress(ConnectionResetError):
            assert len(await reader.read()) <= 7, "an alert"
        await until(lambda: not server.connections)
        assert not parts.forwarder.counters
        await hang_up((reader, writer))

    serve(authority, story)


def test_tls_1_1_is_refused(authority: Authority) -> None:
    old = authority.client()
    old.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    old.set_ciphers("DEFAULT@SECLEVEL=0")
    with pytest.warns(DeprecationWarning):
        old.maximum_version = ssl.TLSVersion.TLSv1_1

    async def story(_: Parts, server: Streams, port: int) -> None:
        with pytest.raises((ssl.SSLError, ConnectionResetError)):
            await connect(port, old)
        await until(lambda: server.failed_handshakes == 1 and not server.connections)

    serve(authority, story)


def test_a_handshake_that_does_not_come_to_its_end_is_swept(authority: Authority) -> None:
    async def story(parts: Parts, server: Streams, port: int) -> None:
        silent, half = await connect(port, None), await connect(port, None)
        half[1].write(b"\x16\x03\x01\x02\x00\x01")
        await until(lambda: len(server.connections) == 2)
        server.sweep(parts.loop.time() + streams.MESSAGE_S - 0.5)
        await asyncio.sleep(0)
        assert len(server.connections) == 2
        server.sweep(parts.loop.time() + streams.MESSAGE_S + 0.1)
        await until(lambda: not server.connections)
        await hang_up(silent, half)

    serve(authority, story)


def test_handshakes_cost_a_client_its_rate(authority: Authority) -> None:
    policy = schools.with_limits(queries_per_second=1, burst=2 * tls.HANDSHAKE_TOKENS)

    async def story(parts: Parts, server: Streams, port: int) -> None:
        done = 0
        with pytest.raises((ConnectionError, ssl.SSLError)):
            for _ in range(20):
                await hang_up(await connect(port, authority.client()))
                done += 1
        assert 1 <= done <= 4
        other = await connect(port, authority.client(), "127.0.73.7")
        await hang_up(other)

    serve(authority, story, policy)


def test_limits_are_shared_with_plain_tcp(authority: Authority) -> None:
    policy = schools.with_limits(tcp_connections_per_client=2)

    async def story(parts: Parts, server: Streams, port: int) -> None:
        first = await connect(port, authority.client())
        client = parts.clients.find(bytes((127, 0, 31, 7)), 0.0)
        assert client is not None
        client.tcp += 1  # a plain one
        with pytest.raises((ConnectionError, ssl.SSLError)):
            await connect(port, authority.client())
        assert server.refused == 1
        client.tcp -= 1
        await hang_up(first)
        await until(lambda: not client.tcp)

    serve(authority, story, policy)


def test_too_many_under_way_pause_the_connection_and_lose_nothing(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "MAX_WAITING", 4)
    names = [f"n{i}.example.org" for i in range(30)]
    with Upstream() as upstream:
        upstream.held.add(names[0])

        async def story(_: Parts, server: Streams, port: int) -> None:
            reader, writer = await connect(port, authority.client())
            for i, name in enumerate(names):  # one TLS record each
                writer.write(framed(schools.query(name, ident=i, edns=None)))
            found = {int.from_bytes((await message(reader))[:2], "big") for _ in names[1:]}
            upstream.release(names[0])
            found.add(int.from_bytes((await message(reader))[:2], "big"))
            assert found == set(range(30))
            await hang_up((reader, writer))

        serve(authority, story, upstreams=(upstream.url,))


def test_after_its_last_answer_a_connection_is_closed_as_tls_wants_it(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "MAX_QUERIES", 2)

    async def story(_: Parts, server: Streams, port: int) -> None:
        reader, writer = await connect(port, authority.client())
        writer.write(framed(b"aa" + ADULT) * 5)
        assert len(await reader.read()) > 60
        await until(lambda: not server.connections)
        await hang_up((reader, writer))

    serve(authority, story)


def test_a_client_that_says_goodbye_still_hears_what_is_under_way(authority: Authority) -> None:
    with Upstream() as upstream:
        upstream.held.add("example.org")

        def half_closed(port: int) -> bytes:
            with (
                socket.create_connection(("127.0.0.1", port), 5, ("127.0.31.7", 0)) as raw,
                authority.client().wrap_socket(raw, server_hostname=NAME) as sock,
            ):
                sock.sendall(framed(b"pp" + PLAIN))
                upstream.wait_for("example.org")
                raw_fd = socket.socket(fileno=os.dup(sock.fileno()))
                raw_fd.shutdown(socket.SHUT_WR)
                raw_fd.close()
                upstream.release("example.org")
                return sock.recv(200)

        async def story(parts: Parts, server: Streams, port: int) -> None:
            reply = await parts.loop.run_in_executor(None, half_closed, port)
            assert reply[2:4] == b"pp"
            await until(lambda: not server.connections)

        serve(authority, story, upstreams=(upstream.url,))
