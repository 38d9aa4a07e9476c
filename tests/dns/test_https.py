"""DNS over HTTPS on real connections: statuses, headers, limits, and clients that mean no good."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, StreamEnded

from filterd.core.policy import Policy
from filterd.dns import streams
from filterd.dns.encrypted import EncryptedServer
from filterd.dns.https import HttpConnection
from filterd.dns.streams import Streams
from tests import schools
from tests.certificates import NAME, Authority
from tests.dns.parts import Parts, run, until
from tests.dns.test_tcp import Pair, hang_up
from tests.upstreams import Upstream

Story = Callable[[Parts, Streams, int], Awaitable[Any]]
BLOCKED = schools.query("adult.example", ident=0)
PLAIN = schools.query("example.org", ident=0)
TYPE = {"content-type": "application/dns-message"}


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def serve(authority: Authority, story: Story, policy: Policy = schools.POLICY, upstreams: tuple[str, ...] = ()) -> None:
    async def told(parts: Parts) -> None:
        server = Streams(parts.forwarder, parts.clients, parts.desk)
        encrypted = EncryptedServer(server)
        encrypted.use(authority.encrypted(doh=("127.0.0.1:443",)), None)
        async with await parts.loop.create_server(encrypted.doh, "127.0.0.1", 0) as listening:
            await story(parts, server, listening.sockets[0].getsockname()[1])

    run(told, policy, upstreams)


def browser(authority: Authority, http2: bool, source: str = "127.0.31.7") -> httpx.AsyncClient:
    transport = httpx.AsyncHTTPTransport(verify=authority.client(), http1=not http2, http2=http2, local_address=source)
    return httpx.AsyncClient(transport=transport)


async def connect(authority: Authority, port: int, alpn: str) -> Pair:
    context: ssl.SSLContext = authority.client(alpn)
    return await asyncio.open_connection(
        "127.0.0.1", port, ssl=context, server_hostname=NAME, local_addr=("127.0.31.7", 0)
    )


async def connect_http2(authority: Authority, port: int) -> tuple[Pair, H2Connection]:
    """A connection, and what is to be sent over it first."""
    client = H2Connection()
    client.initiate_connection()
    return await connect(authority, port, "h2"), client


@pytest.mark.parametrize("http2", [True, False], ids=["http2", "http1"])
def test_questions_are_answered_by_post_and_by_get(authority: Authority, http2: bool) -> None:
    with Upstream() as upstream:

        async def story(parts: Parts, server: Streams, port: int) -> None:
            url = f"https://127.0.0.1:{port}/dns-query"
            async with browser(authority, http2) as client:
                for packet in (BLOCKED, PLAIN, PLAIN):
                    text = base64.urlsafe_b64encode(packet).rstrip(b"=").decode()
                    replies = [
                        await client.post(url, content=packet, headers=TYPE),
                        await client.get(url, params={"dns": text}),
                    ]
                    for reply in replies:
                        assert (reply.http_version, reply.status_code) == ("HTTP/2" if http2 else "HTTP/1.1", 200)
                        assert reply.content[12:].startswith(packet[12:-11])
                        ttl_s = 10 if packet is BLOCKED else 60
                        assert dict(reply.headers) == {
                            **TYPE, "content-length": str(len(reply.content)), "cache-control": f"max-age={ttl_s}",
                        }  # fmt: skip
                assert len(server.connections) == 1
            assert {key[0] for key in parts.forwarder.counters} == {"https"}
            await until(lambda: not server.connections)

        serve(authority, story, upstreams=(upstream.url,))


def test_a_class_is_told_apart_by_its_address(authority: Authority) -> None:
    query = schools.query("games.example")

    async def story(_: Parts, __: Streams, port: int) -> None:
        found = []
        for source in ("127.0.31.7", "127.0.200.7"):
            async with browser(authority, True, source) as client:
                reply = await client.post(f"https://127.0.0.1:{port}/dns-query", content=query, headers=TYPE)
                found.append(reply.content[3] & 15)
        assert found == [0, 2], "closed for pupils; for staff there is no upstream here"

    serve(authority, story)


@pytest.mark.parametrize("http2", [True, False], ids=["http2", "http1"])
def test_what_is_no_question_has_a_status_and_nothing_else(authority: Authority, http2: bool) -> None:
    async def story(_: Parts, __: Streams, port: int) -> None:
        base = f"https://127.0.0.1:{port}"
        async with browser(authority, http2) as client:
            for reply, status in [
                (await client.get(base + "/<script>"), 404),
                (await client.put(base + "/dns-query", content=BLOCKED), 405),
                (await client.get(base + "/dns-query"), 400),
                (await client.post(base + "/dns-query", content=BLOCKED), 415),
                (await client.post(base + "/dns-query", content=BLOCKED + bytes(4090), headers=TYPE), 413),
                (await client.post(base + "/dns-query", content=BLOCKED, headers=TYPE), 200),
            ]:
                assert reply.status_code == status
                if status != 200:
                    assert reply.content == b""
                    assert set(reply.headers) - {"connection"} == {"content-length"} | (
                        {"allow"} if status == 405 else set()
                    )

    serve(authority, story)


def test_a_slow_answer_holds_up_no_other(authority: Authority) -> None:
    with Upstream() as upstream:
        upstream.held.add("example.org")

        async def story(_: Parts, __: Streams, port: int) -> None:
            url = f"https://127.0.0.1:{port}/dns-query"
            async with browser(authority, True) as client, asyncio.TaskGroup() as tasks:
                slow = tasks.create_task(client.post(url, content=PLAIN, headers=TYPE))
                await until(lambda: upstream.asked("example.org"))
                assert (await client.post(url, content=BLOCKED, headers=TYPE)).status_code == 200
                assert not slow.done()
                upstream.release("example.org")

        serve(authority, story, upstreams=(upstream.url,))


def test_pipelined_http1_requests_are_answered_in_order(authority: Authority) -> None:
    with Upstream() as upstream:

        async def story(_: Parts, server: Streams, port: int) -> None:
            reader, writer = await connect(authority, port, "http/1.1")
            for packet in (PLAIN, BLOCKED):
                head = "POST /dns-query HTTP/1.1\r\nHost: a\r\nContent-Type: application/dns-message\r\n"
                head += f"Content-Length: {len(packet)}\r\n\r\n"
                writer.write(head.encode() + packet)
            writer.write(b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            data = await reader.read()
            assert data.count(b"HTTP/1.1 200") == 2
            assert data.index(PLAIN[12:28]) < data.index(BLOCKED[12:28]) < data.index(b"HTTP/1.1 404")
            await hang_up((reader, writer))
            await until(lambda: not server.connections)

        serve(authority, story, upstreams=(upstream.url,))


def halfway(server: Streams) -> bool:
    """Whether a request has begun and is timed."""
    return any(
        isinstance(stream, HttpConnection) and stream._codec and stream._codec.halfway and stream.message_since
        for stream in server.connections
    )


@pytest.mark.parametrize(
    "data",
    [b"GET /dns-query?dns=", b"POST /dns-query HTTP/1.1\r\nHost: a\r\nContent-Length: 40\r\n\r\nhalf"],
    ids=["half-a-line", "half-a-body"],
)
def test_half_a_request_is_swept_after_5_seconds(authority: Authority, data: bytes) -> None:
    async def story(parts: Parts, server: Streams, port: int) -> None:
        reader, writer = await connect(authority, port, "http/1.1")
        writer.write(data)
        await until(lambda: halfway(server))
        server.sweep(parts.loop.time() + streams.MESSAGE_S + 0.1)
        await until(lambda: not server.connections)
        await hang_up((reader, writer))

    serve(authority, story)


def asking(client: H2Connection, packet: bytes, end: bool = True) -> int:
    number = client.get_next_available_stream_id()
    head = [(":method", "POST"), (":scheme", "https"), (":authority", "a"), (":path", "/dns-query"), *TYPE.items()]
    client.send_headers(number, head)
    client.send_data(number, packet, end_stream=end)
    return number


def test_half_a_request_of_http2_is_swept_and_pings_keep_nothing_alive(authority: Authority) -> None:
    async def story(parts: Parts, server: Streams, port: int) -> None:
        (reader, writer), client = await connect_http2(authority, port)
        asking(client, BLOCKED, end=False)
        writer.write(client.data_to_send() or b"")
        await until(lambda: halfway(server))
        (stream,) = server.connections
        since, last = stream.message_since, stream.last
        client.ping(b"12345678")
        writer.write(client.data_to_send() or b"")
        await reader.read(100)
        assert (stream.message_since, stream.last) == (since, last)
        server.sweep(parts.loop.time() + streams.MESSAGE_S + 0.1)
        await until(lambda: not server.connections)
        await hang_up((reader, writer))

    serve(authority, story)


def test_rapid_resets_end_the_connection_and_are_paid_for(authority: Authority) -> None:
    async def story(parts: Parts, server: Streams, port: int) -> None:
        (reader, writer), client = await connect_http2(authority, port)
        for _ in range(300):
            client.reset_stream(asking(client, BLOCKED))
        writer.write(client.data_to_send() or b"")
        heard = client.receive_data(await reader.read())
        assert any(isinstance(event, ConnectionTerminated) for event in heard)
        await until(lambda: not server.connections)
        assert sum(cell[0] for cell in parts.forwarder.counters.values()) <= 300
        await hang_up((reader, writer))

    serve(authority, story)


def test_after_its_last_question_a_client_is_told_where_it_ended(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "MAX_QUERIES", 3)

    async def story(_: Parts, server: Streams, port: int) -> None:
        (reader, writer), client = await connect_http2(authority, port)
        numbers = [asking(client, BLOCKED) for _ in range(5)]
        writer.write(client.data_to_send() or b"")
        heard = client.receive_data(await reader.read())
        assert [event.stream_id for event in heard if isinstance(event, StreamEnded)] == numbers[:3]
        (end,) = [event for event in heard if isinstance(event, ConnectionTerminated)]
        assert end.last_stream_id == numbers[2]
        await hang_up((reader, writer))
        await until(lambda: not server.connections)

    serve(authority, story)


def test_over_its_rate_a_client_is_closed(authority: Authority) -> None:
    policy = schools.with_limits(queries_per_second=1, burst=15)

    async def story(parts: Parts, server: Streams, port: int) -> None:
        (reader, writer), client = await connect_http2(authority, port)
        numbers = [asking(client, BLOCKED) for _ in range(60)]
        writer.write(client.data_to_send() or b"")
        heard = client.receive_data(await reader.read())
        assert 0 < sum(isinstance(event, StreamEnded) for event in heard) < len(numbers)
        await until(lambda: not server.connections)
        assert parts.clients.limited
        await hang_up((reader, writer))

    serve(authority, story, policy)


def test_a_client_that_makes_no_room_for_answers_is_cut_off(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "MAX_UNSENT_BYTES", 500)

    async def story(_: Parts, server: Streams, port: int) -> None:
        (reader, writer), client = await connect_http2(authority, port)
        client.update_settings({4: 0})  # INITIAL_WINDOW_SIZE
        for _n in range(50):
            asking(client, BLOCKED)
        writer.write(client.data_to_send() or b"")
        await until(lambda: server.connections)
        await until(lambda: not server.connections)
        await hang_up((reader, writer))

    serve(authority, story)
