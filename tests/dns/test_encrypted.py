"""Encrypted listeners of one worker: certificates come, go and are renewed while connections are made."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest

from filterd.core.policy import Encrypted
from filterd.dns import certificate
from filterd.dns.encrypted import EncryptedServer
from filterd.dns.streams import Streams
from tests.certificates import NAME, Authority
from tests.dns.parts import ADULT, Parts, run
from tests.running import framed


async def serial(port: int, client: ssl.SSLContext) -> str:
    """Ask one question over TLS; gives the certificate's serial number."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=client, server_hostname=NAME, local_addr=("127.0.31.7", 0)
    )
    writer.write(framed(b"aa" + ADULT))
    assert (await reader.readexactly(4))[2:] == b"aa"
    found = str(writer.get_extra_info("peercert")["serialNumber"])
    writer.close()
    await writer.wait_closed()
    return found


def test_a_new_certificate_is_for_new_connections_and_a_bad_one_changes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    authority = Authority(tmp_path)

    async def story(parts: Parts) -> None:
        server = EncryptedServer(Streams(parts.forwarder, parts.clients, parts.desk))
        async with await parts.loop.create_server(server.dot, "127.0.0.1", 0) as listening:
            port = listening.sockets[0].getsockname()[1]
            stamp = certificate.stamp(authority.encrypted())
            server.use(authority.encrypted(), stamp)
            first = await serial(port, authority.client("dot"))
            authority.write()
            server.use(authority.encrypted(), stamp)
            assert await serial(port, authority.client("dot")) == first, "the parent has not said so"
            server.use(authority.encrypted(), [[1], [2]])
            assert await serial(port, authority.client("dot")) == first, "the parent has not seen these files"
            server.use(authority.encrypted(), certificate.stamp(authority.encrypted()))
            second = await serial(port, authority.client("dot"))
            assert second != first
            authority.key.write_text("no key")
            server.use(authority.encrypted(), certificate.stamp(authority.encrypted()))
            assert await serial(port, authority.client("dot")) == second
            assert "not a PEM certificate and its key" in caplog.text

    run(story)


@pytest.mark.parametrize("broken", [True, False], ids=["no-certificate", "switched-off"])
def test_without_a_certificate_connections_end_at_once(tmp_path: Path, broken: bool) -> None:
    nowhere = Encrypted(NAME, str(tmp_path / "none"), str(tmp_path / "none"), doh=("127.0.0.1:443",))

    async def story(parts: Parts) -> None:
        streams = Streams(parts.forwarder, parts.clients, parts.desk)
        server = EncryptedServer(streams)
        server.use(nowhere if broken else None, None)
        for connection in (server.dot, server.doh):
            async with await parts.loop.create_server(connection, "127.0.0.1", 0) as listening:
                reader, writer = await asyncio.open_connection(*listening.sockets[0].getsockname())
                assert await reader.read() == b""
                writer.close()
                await writer.wait_closed()
        assert not streams.connections

    run(story)
