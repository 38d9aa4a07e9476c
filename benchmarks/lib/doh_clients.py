"""What libraries take for a question over HTTPS: a client that does nothing but POST the same question, many at a time.

Owns the comparison behind docs/decisions/0016; no server is measured, only this process.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import h2.config
import h2.connection
import h2.events
import httpx

QUESTIONS = 3_000
AT_ONCE = 50
QUERY = b"\0\0\1\0\0\1\0\0\0\0\0\1\7example\3com\0\0\1\0\1\0\0\x29\x04\xd0" + bytes(6)
TYPE = "application/dns-message"


def figures(port: int, ca: Path) -> Iterator[str]:
    """CPU microseconds of this process per question."""
    trust = ssl.create_default_context(cafile=str(ca))
    yield f"httpx: {asyncio.run(_with_httpx(port, trust)):.0f} us/query"
    trust.set_alpn_protocols(["h2"])
    yield f"h2: {asyncio.run(_with_h2(port, trust)):.0f} us/query"


async def _with_httpx(port: int, trust: ssl.SSLContext) -> float:
    url = f"https://127.0.0.1:{port}/dns-query"

    async with httpx.AsyncClient(http2=True, verify=trust) as client:

        async def ask(count: int) -> None:
            for _ in range(count):
                reply = await client.post(url, content=QUERY, headers={"content-type": TYPE, "accept": TYPE})
                assert len(reply.content) > len(QUERY)

        await ask(10)
        before = time.process_time()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(AT_ONCE):
                tasks.create_task(ask(QUESTIONS // AT_ONCE))
        return (time.process_time() - before) / QUESTIONS * 1e6


async def _with_h2(port: int, trust: ssl.SSLContext) -> float:
    """As many streams at once as `AT_ONCE`, one write for all that can go out."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trust)
    connection = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding=None))
    connection.initiate_connection()
    headers = [
        (":method", "POST"), (":scheme", "https"), (":authority", f"127.0.0.1:{port}"), (":path", "/dns-query"),
        ("content-type", TYPE), ("accept", TYPE), ("content-length", str(len(QUERY))),
    ]  # fmt: skip
    asked = answered = 0
    before = time.process_time()
    while answered < QUESTIONS:
        while asked < QUESTIONS and asked - answered < AT_ONCE:
            stream = connection.get_next_available_stream_id()
            connection.send_headers(stream, headers)
            connection.send_data(stream, QUERY, end_stream=True)
            asked += 1
        writer.write(connection.data_to_send())
        for event in connection.receive_data(await reader.read(65536)):
            if isinstance(event, h2.events.DataReceived):
                connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            answered += isinstance(event, h2.events.StreamEnded)
    used = time.process_time() - before
    writer.close()
    return used / QUESTIONS * 1e6
